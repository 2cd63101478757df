"""CycloneDX out: valid by the published schemas, complete, the same bytes each time, and read
back by our own reader as it was."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from importlib.resources import files as resources
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import UsageError
from haechi.model.package import PackageFile, Source
from haechi.report.cyclonedx import SPECS, render
from haechi.report.sbom_bill import Bill, bill_of
from haechi.report.sbom_frame import Origin, time_told
from haechi.scan.deps.sbom import read_sbom
from tests.report.bills import GAP, NPM, ORIGIN, PYTHON, files, package

SHOP = "pkg:generic/shop@1.4.0"


@cache
def validator(spec: str) -> Any:
    """The schema as the CycloneDX project publishes it, with those that it refers to."""
    folder = resources("cyclonedx.schema") / "_res"

    def load(name: str) -> Any:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    main = load(f"bom-{spec}.SNAPSHOT.schema.json")
    others = [
        path.name
        for path in folder.iterdir()
        if path.name.endswith(".schema.json") and not path.name.startswith("bom-")
    ]
    registry = jsonschema_rs.Registry(
        [(f"http://cyclonedx.org/schema/{name}", load(name)) for name in others]
    )
    return jsonschema_rs.validator_for(main, registry=registry)


def check(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    faults = [
        f"{list(fault.instance_path)}: {fault.message[:200]}"
        for fault in validator(document["specVersion"]).iter_errors(document)
    ]
    assert faults == []
    return document


def bill(*found: PackageFile, gaps: tuple[Any, ...] = ()) -> Bill:
    return bill_of(found, gaps, name="shop", version="1.4.0", purl=SHOP)


def component(document: dict[str, Any], name: str, version: str = "") -> dict[str, Any]:
    (found,) = (
        each
        for each in document["components"]
        if each["name"] == name
        and each.get("version", "") in (version, each.get("version", ""))
        and (not version or each.get("version") == version)
    )
    return found  # type: ignore[no-any-return]


def properties(entry: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in entry.get("properties", ())}


@pytest.mark.parametrize("spec", SPECS)
def test_valid_by_the_published_schema(spec: str) -> None:
    document = check(render(bill(NPM, PYTHON, gaps=(GAP,)), ORIGIN, spec=spec))
    assert document["specVersion"] == spec


def test_the_schema_is_no_rubber_stamp() -> None:
    document = json.loads(render(bill(NPM), ORIGIN))
    document["components"][0]["type"] = "nonsense"
    assert list(validator("1.6").iter_errors(document))


def test_minimum_elements_are_there() -> None:
    """NTIA: author, time, component, version, unique id, relationships (suppliers nobody knows)."""
    document = check(render(bill(NPM, PYTHON), ORIGIN))
    about = document["metadata"]
    assert about["timestamp"] == "2026-11-22T12:00:00Z"
    assert about["authors"] == [{"name": "Shop"}]
    assert about["tools"]["components"][0]["name"] == "haechi"
    assert about["component"] == {
        "type": "application",
        "bom-ref": "root",
        "name": "shop",
        "version": "1.4.0",
        "purl": SHOP,
    }
    refs = [each["bom-ref"] for each in document["components"]]
    assert len(refs) == len(set(refs)) and "root" not in refs
    assert {edge["ref"] for edge in document["dependencies"]} == {*refs, "root"}
    known = {*refs, "root"}
    assert all(set(edge["dependsOn"]) <= known for edge in document["dependencies"])


def test_a_component_in_full() -> None:
    document = check(render(bill(NPM), ORIGIN))
    found = component(document, "a")
    assert found["group"] == "@scope" and found["purl"] == "pkg:npm/%40scope/a@1.0.0"
    assert found["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert found["hashes"] == [{"alg": "SHA-512", "content": "0" * 128}]
    assert found["scope"] == "required"
    assert found["evidence"]["occurrences"] == [{"location": "web/package-lock.json", "line": 4}]
    assert component(document, "b", "1.0.0")["licenses"] == [{"license": {"name": "Own words"}}]
    assert component(document, "test-only")["licenses"] == [{"license": {"id": "MIT"}}]


def test_scopes_sources_and_what_has_no_word() -> None:
    document = check(render(bill(NPM), ORIGIN))
    assert component(document, "test-only")["scope"] == "excluded"
    assert component(document, "b", "2.0.0")["scope"] == "optional"
    member, fork = component(document, "member"), component(document, "fork")
    assert "purl" not in member  # a registry may have another package of that name
    assert properties(member)["haechi:source"] == "workspace"
    assert properties(fork)["haechi:source-url"].startswith("https://git.example/fork")
    assert properties(fork)["haechi:digest"] == "h1:abc="
    assert properties(component(document, "b", "2.0.0"))["haechi:install-script"] == "true"


def test_edges_go_from_the_project_over_its_files() -> None:
    document = check(render(bill(NPM, PYTHON), ORIGIN))
    edges = {edge["ref"]: edge["dependsOn"] for edge in document["dependencies"]}
    assert edges["root"] == ["file:requirements.txt", "file:web/package-lock.json"]
    asked = edges["file:web/package-lock.json"]
    assert "pkg:npm/%40scope/a@1.0.0" in asked and "pkg:npm/b@1.0.0" not in asked
    assert edges["pkg:npm/%40scope/a@1.0.0"] == ["pkg:npm/b@1.0.0", "pkg:npm/b@2.0.0"]


def test_one_package_of_two_files_is_one_component_with_two_places() -> None:
    def lock(path: str, development: bool) -> PackageFile:
        one = package("a", path=path, development=development, digests=("sha256:" + "a" * 64,))
        return PackageFile(path=path, format="x", ecosystem="npm", packages=(one,))

    document = check(render(bill(lock("a/l.json", True), lock("b/l.json", False)), ORIGIN))
    found = component(document, "a")
    assert [each["location"] for each in found["evidence"]["occurrences"]] == [
        "a/l.json",
        "b/l.json",
    ]
    assert found["scope"] == "required"


def test_the_same_name_from_another_source_is_another_component() -> None:
    parts = (
        package("a"),
        package("a", source=Source.URL, url="https://example.org/a.tgz"),
        package("a", source=Source.URL, url="https://example.org/other.tgz"),
    )
    file = PackageFile(path="l.json", format="x", ecosystem="npm", packages=parts)
    refs = [part.ref for part in bill(file).parts]
    assert len(set(refs)) == 3
    check(render(bill(file), ORIGIN))


@pytest.mark.parametrize(
    ("found", "gaps", "aggregate"),
    [
        ((NPM,), (), "complete"),
        ((NPM,), (GAP,), "incomplete"),
        ((PYTHON,), (), "incomplete"),
        ((), (), "incomplete"),
    ],
    ids=["whole", "gap", "unpinned", "nothing"],
)
def test_what_is_missing_is_said(
    found: tuple[PackageFile, ...], gaps: tuple[Any, ...], aggregate: str
) -> None:
    document = check(render(bill(*found, gaps=gaps), ORIGIN))
    assert document["compositions"][0] == {"aggregate": aggregate, "assemblies": ["root"]}
    assert bool(document.get("annotations")) is (aggregate == "incomplete")


def test_a_file_without_edges_has_an_unknown_graph() -> None:
    document = check(render(bill(PYTHON), ORIGIN))
    assert {"aggregate": "unknown", "dependencies": ["file:requirements.txt"]} in document[
        "compositions"
    ]


def test_the_same_input_gives_the_same_bytes_in_any_order() -> None:
    one = render(bill(NPM, PYTHON, gaps=(GAP,)), ORIGIN)
    assert one == render(bill(PYTHON, NPM, gaps=(GAP,)), ORIGIN)


def test_the_serial_number_comes_from_the_content_and_not_from_the_clock() -> None:
    later = Origin(made=dt.datetime(2027, 1, 1, tzinfo=dt.UTC), version="1.0", author="Shop")
    one, two = (json.loads(render(bill(NPM), each)) for each in (ORIGIN, later))
    assert one["serialNumber"] == two["serialNumber"]
    assert one["metadata"]["timestamp"] != two["metadata"]["timestamp"]
    other = json.loads(render(bill(PYTHON), ORIGIN))
    assert other["serialNumber"] != one["serialNumber"]


def test_source_date_epoch_sets_the_time() -> None:
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    assert time_told({"SOURCE_DATE_EPOCH": "0"}, now) == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert time_told({}, now) == now
    for wrong in ("soon", "-1", "9" * 30, "999999999999"):
        with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
            time_told({"SOURCE_DATE_EPOCH": wrong}, now)


def test_a_version_that_is_not_written_is_refused() -> None:
    with pytest.raises(UsageError, match=r"1\.4"):
        render(bill(NPM), ORIGIN, spec="1.4")


def test_vulnerabilities_go_along() -> None:
    entry = {"id": "CVE-2021-1", "affects": [{"ref": "pkg:npm/b@1.0.0"}]}
    document = check(render(bill(NPM), ORIGIN, vulnerabilities=[entry]))
    assert document["vulnerabilities"] == [entry]


Told = tuple[str, str, str, str, bool, bool, bool | None, str, str]


def told(file: PackageFile) -> set[Told]:
    return {
        (
            p.ecosystem,
            p.name,
            p.version,
            p.source.value,
            p.development,
            p.optional,
            p.direct,
            p.url,
            p.constraint,
        )
        for p in file.packages
    }


def edges(file: PackageFile) -> set[tuple[str, str]]:
    return {
        (f"{p.name} {p.version}", f"{file.packages[i].name} {file.packages[i].version}")
        for p in file.packages
        for i in p.needs
        if (file.packages[i].name, file.packages[i].version) != (p.name, p.version)
    }


def test_our_own_reader_takes_everything_back() -> None:
    for spec in SPECS:
        back = read_sbom(render(bill(NPM), ORIGIN, spec=spec).encode(), "bom.json")
        assert told(back) == told(NPM) and edges(back) == edges(NPM)
        assert back.gaps == () and (back.name, back.purl) == ("shop", SHOP)
        assert {p.yanked for p in back.packages} == {"", "broken"}


@settings(max_examples=60, deadline=None)
@given(st.lists(files(), min_size=1, max_size=1))
def test_any_lock_file_comes_back_and_is_valid(found: list[PackageFile]) -> None:
    text = render(bill(*found), ORIGIN)
    check(text)
    back = read_sbom(text.encode(), "bom.json")
    assert told(back) == told(found[0]) and edges(back) == edges(found[0])
    wanted = {found[0].packages[i].name for i in found[0].requires}
    if wanted:
        assert {back.packages[i].name for i in back.requires} == wanted
