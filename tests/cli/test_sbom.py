"""``haechi sbom``, and SBOMs that a scan is given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.command import Haechi
from tests.cli.packages import BAD, LOCK, configure, lock, project
from tests.report.test_cyclonedx import check


@pytest.fixture
def shop(haechi: Haechi, monkeypatch: pytest.MonkeyPatch) -> Haechi:
    monkeypatch.delenv("HAECHI_DB", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(haechi.where.parent / "data"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    project(haechi.where)
    return haechi


def findings(shop: Haechi, *arguments: object) -> list[dict[str, Any]]:
    done = shop("scan", *arguments, "--only", "deps", "--format", "json")
    found: list[dict[str, Any]] = json.loads(done.out)["findings"]
    return found


class TestOut:
    def test_a_complete_list_ends_with_0(self, shop: Haechi) -> None:
        done = shop("sbom", "--product", "pkg:generic/shop@1.4.0")
        document = check(done.out)
        assert (done.code, done.err) == (0, "")
        assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
        assert document["metadata"]["component"]["purl"] == "pkg:generic/shop@1.4.0"
        assert {c.get("purl") for c in document["components"]} >= {"pkg:npm/left@1.0.0"}

    def test_twice_the_same_bytes(self, shop: Haechi) -> None:
        for format in ("cyclonedx-json", "spdx-json"):
            shop("sbom", "--format", format, "-o", "one.json")
            shop("sbom", "--format", format, "-o", "two.json")
            one, two = ((shop.where / name).read_bytes() for name in ("one.json", "two.json"))
            assert one == two and len(one) > 500

    def test_an_incomplete_list_says_so_and_ends_with_3(self, shop: Haechi) -> None:
        (shop.where / LOCK).write_text("{")
        done = shop("sbom")
        assert done.code == 3 and LOCK in done.err
        document = check(done.out)
        assert document["compositions"][0]["aggregate"] == "incomplete"

    def test_with_vulnerabilities(self, shop: Haechi) -> None:
        document = check(shop("sbom", "--with-vulnerabilities").out)
        by_id = {each["id"]: each for each in document["vulnerabilities"]}
        name = BAD.replace("EXAMPLE", "CVE")
        assert by_id[name]["affects"] == [{"ref": "pkg:npm/left@1.0.0"}]
        assert by_id[name]["references"][0]["id"] == BAD

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--format", "spdx-json", "--with-vulnerabilities"), "no place for vulnerabilities"),
            (("--spec", "1.4"), "not written"),
            (("--product", "shop"), "no package URL"),
            (("--product", "pkg:generic/shop#web"), "no subpath"),
        ],
        ids=["spdx", "spec", "product", "subpath"],
    )
    def test_wrong_use_ends_with_2(
        self, shop: Haechi, arguments: tuple[str, ...], said: str
    ) -> None:
        done = shop("sbom", *arguments)
        assert done.code == 2 and said in done.err and done.out == ""


class TestIn:
    @pytest.fixture
    def alone(self, shop: Haechi) -> Haechi:
        """The project has no lock file any more, only an SBOM."""
        shop("sbom", "-o", "app.cdx.json")
        (shop.where / LOCK).unlink()
        return shop

    def test_one_that_merely_lies_there_is_not_read(self, alone: Haechi) -> None:
        assert findings(alone) == []

    def test_named_as_the_path_by_option_or_in_haechi_yaml(self, alone: Haechi) -> None:
        by_path = findings(alone, "app.cdx.json")
        by_option = findings(alone, "--sbom", "app.cdx.json")
        configure(alone.where, sboms="[app.cdx.json]")
        for found in (by_path, by_option, findings(alone)):
            assert [(f["location"]["path"], f["resource"]) for f in found] == [
                ("app.cdx.json", "pkg:npm/left@1.0.0"),
                ("app.cdx.json", "pkg:npm/right@1.0.0"),
            ]
            assert all(f["location"]["line"] > 1 for f in found)

    def test_what_the_lock_file_pins_is_told_once(self, shop: Haechi) -> None:
        shop("sbom", "-o", "app.cdx.json")
        (shop.where / LOCK).write_text(lock(("left", "1.0.0"), ("right", "3.0.0")))
        found = findings(shop, "--sbom", "app.cdx.json")
        assert [(f["location"]["path"], f["resource"]) for f in found] == [
            ("app.cdx.json", "pkg:npm/right@1.0.0"),
            (LOCK, "pkg:npm/left@1.0.0"),
        ]

    def test_a_broken_one_is_a_gap(self, shop: Haechi) -> None:
        (shop.where / "bad.json").write_text("{}")
        done = shop("scan", "--only", "deps", "--sbom", "bad.json", "--format", "json")
        gaps = json.loads(done.out)["coverage"]["gaps"]
        assert ("sbom-syntax", "bad.json") in [(gap["kind"], gap["path"]) for gap in gaps]

    @pytest.mark.parametrize("name", ["nothing.json", "../outside.json"])
    def test_one_in_haechi_yaml_that_is_not_there_ends_with_2(
        self, shop: Haechi, name: str
    ) -> None:
        (shop.where.parent / "outside.json").write_text("{}")
        configure(shop.where, sboms=f"[{name}]")
        done = shop("scan", "--only", "deps")
        assert done.code == 2 and "deps.sboms" in done.err

    def test_one_on_the_command_line_that_is_not_there_ends_with_2(self, shop: Haechi) -> None:
        done = shop("scan", "--sbom", "nothing.json")
        assert done.code == 2 and "--sbom nothing.json" in done.err
