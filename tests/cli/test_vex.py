"""``haechi vex``, and VEX documents that a scan is given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.command import Haechi, git
from tests.cli.packages import ALSO_BAD, BAD, LOCK, configure, lock, project

AUTHOR = ("--author", "Shop <https://shop.example>")
CVE = BAD.replace("EXAMPLE", "CVE")


@pytest.fixture
def shop(haechi: Haechi, monkeypatch: pytest.MonkeyPatch) -> Haechi:
    monkeypatch.delenv("HAECHI_DB", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(haechi.where.parent / "data"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    project(haechi.where, product="pkg:generic/shop@1.4.0")
    return haechi


def waive(shop: Haechi, justification: str = "") -> None:
    more = f"    justification: {justification}\n" if justification else ""
    (shop.where / "haechi.waivers.yaml").write_text(
        f"waivers:\n  - rule: {BAD}\n    everywhere: true\n    reason: not called\n"
        f"    owner: kim\n    expires: {_soon()}\n{more}"
    )


def _soon() -> str:
    import datetime as dt

    return (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)).isoformat()


def report(shop: Haechi, *arguments: object) -> dict[str, Any]:
    done = shop("scan", "--only", "deps", "--format", "json", *arguments)
    assert done.out, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def states(shop: Haechi, *arguments: object) -> dict[str, str]:
    return {each["rule"]: each["state"] for each in report(shop, *arguments)["findings"]}


@pytest.mark.parametrize("format", ["openvex", "cyclonedx", "csaf"])
def test_what_is_written_suppresses_the_same_when_it_is_read(shop: Haechi, format: str) -> None:
    waive(shop, "vulnerable_code_not_in_execute_path")
    before = states(shop)
    assert sorted(before.values()) == ["open", "waived"]
    done = shop("vex", "--format", format, *AUTHOR, "-o", "out.json")
    assert "2 statements" in done.err
    (shop.where / "haechi.waivers.yaml").unlink()
    assert set(states(shop).values()) == {"open"}
    assert states(shop, "--vex", "out.json") == before
    configure(shop.where, product="pkg:generic/shop@1.4.0", vex="[out.json]")
    found = report(shop)
    (use,) = (each for each in found["waivers"] if each["status"] == "matched")
    assert (use["origin"], use["count"]) == ("vex", 1)
    assert "not called" in use["reason"] and use["location"]["path"] == "out.json"


def test_an_accepted_risk_is_no_statement_that_there_is_none(shop: Haechi) -> None:
    waive(shop)
    document = json.loads(shop("vex").out)
    assert {each["status"] for each in document["statements"]} == {"affected"}
    assert any("Accepted by kim" in each["action_statement"] for each in document["statements"])


def test_a_document_that_merely_lies_there_does_nothing(shop: Haechi) -> None:
    waive(shop, "component_not_present")
    shop("vex", "-o", "shop.openvex.json")
    (shop.where / "haechi.waivers.yaml").unlink()
    assert set(states(shop).values()) == {"open"}


def test_another_product_is_told_with_what_to_do(shop: Haechi) -> None:
    waive(shop, "component_not_present")
    shop("vex", "--product", "pkg:oci/shop@sha256:00", "-o", "image.json")
    (shop.where / "haechi.waivers.yaml").unlink()
    found = report(shop, "--vex", "image.json")
    assert {each["state"] for each in found["findings"]} == {"open"}
    assert any("--product" in reason for reason in found["summary"]["reasons"])
    told = states(shop, "--vex", "image.json", "--product", "pkg:oci/shop@sha256:00")
    assert sorted(told.values()) == ["open", "waived"]


def test_what_an_sbom_says_of_itself_counts_when_it_is_named(shop: Haechi) -> None:
    waive(shop, "component_not_present")
    shop("sbom", "--with-vulnerabilities", "-o", "app.cdx.json")
    (shop.where / "haechi.waivers.yaml").unlink()
    (shop.where / LOCK).unlink()
    assert sorted(states(shop, "--sbom", "app.cdx.json").values()) == ["open", "waived"]


def test_what_is_gone_since_the_baseline_is_fixed(shop: Haechi) -> None:
    shop("scan", "--only", "deps", "--format", "json", "-o", "before.json")
    (shop.where / LOCK).write_text(lock(("left", "2.0.0"), ("right", "1.0.0")))
    document = json.loads(shop("vex", "--baseline", "before.json").out)
    by_name = {each["vulnerability"]["name"]: each for each in document["statements"]}
    assert by_name[CVE]["status"] == "fixed"
    assert by_name[ALSO_BAD.replace("EXAMPLE", "CVE")]["status"] == "affected"


def test_open_findings_under_investigation(shop: Haechi) -> None:
    document = json.loads(shop("vex", "--under-investigation").out)
    assert {each["status"] for each in document["statements"]} == {"under_investigation"}


def test_a_broken_document_ends_with_2(shop: Haechi) -> None:
    (shop.where / "bad.json").write_text('{"@context": "https://openvex.dev/ns/v0.2.0"}')
    for arguments in (("--vex", "bad.json"), ("--vex", "nothing.json")):
        done = shop("scan", "--only", "deps", *arguments)
        assert done.code == 2 and arguments[1] in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "csaf"), "publisher"),
        (("--product", "shop"), "no package URL"),
        (("--baseline", "nothing.json"), "baseline"),
    ],
    ids=["author", "product", "baseline"],
)
def test_wrong_use_ends_with_2(shop: Haechi, arguments: tuple[str, ...], said: str) -> None:
    done = shop("vex", *arguments)
    assert done.code == 2 and said in done.err


def test_what_vex_suppressed_in_the_baseline_is_not_known(shop: Haechi) -> None:
    """As with a waiver that is taken away: what was stated has to come back."""
    waive(shop, "component_not_present")
    shop("vex", "-o", "shop.openvex.json")
    (shop.where / "haechi.waivers.yaml").unlink()
    configure(shop.where, product="pkg:generic/shop@1.4.0", vex="[shop.openvex.json]")
    git(shop.where, "init", "-q")
    git(shop.where, "add", "-A")
    git(shop.where, "commit", "-qm", "one")
    empty = {**json.loads((shop.where / "shop.openvex.json").read_text())}
    empty["statements"] = [each for each in empty["statements"] if each["status"] == "affected"]
    (shop.where / "shop.openvex.json").write_text(json.dumps(empty))
    found = states(shop, "--baseline", "git:HEAD")
    assert sorted(found.values()) == ["known", "open"]


def test_a_justification_belongs_to_a_vulnerability(shop: Haechi) -> None:
    (shop.where / "haechi.waivers.yaml").write_text(
        "waivers:\n  - rule: k8s-privileged\n    everywhere: true\n    reason: x\n    owner: kim\n"
        f"    expires: {_soon()}\n    justification: component_not_present\n"
    )
    done = shop("scan", "--only", "deps")
    assert done.code == 2 and "justification" in done.err
