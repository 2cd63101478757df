"""SPDX 2.3 out. The published schema is tried by hand (it is not on the package index); here the
rules of the specification are checked one by one, and what our own reader makes of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings

from haechi.errors import UsageError
from haechi.model.package import PackageFile
from haechi.report import cyclonedx
from haechi.report.sbom_bill import bill_of
from haechi.report.spdx import render
from haechi.scan.deps.sbom import read_sbom
from tests.report.bills import GAP, NPM, ORIGIN, PYTHON, files, package
from tests.report.test_cyclonedx import SHOP, bill, edges, told

_ID = re.compile(r"SPDXRef-[A-Za-z0-9.-]+\Z")
_LENGTHS = {"SHA1": 40, "SHA256": 64, "SHA512": 128}


def check(text: str) -> dict[str, Any]:
    """The structural rules of SPDX 2.3: clauses 6 (document), 7 (packages), 11 (relationships)."""
    document: dict[str, Any] = json.loads(text)
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
    assert document["SPDXID"] == "SPDXRef-DOCUMENT" and document["name"]
    assert re.match(r"https://[^#\s]+\Z", document["documentNamespace"])
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", document["creationInfo"]["created"])
    for creator in document["creationInfo"]["creators"]:
        assert re.match(r"(Person|Organization|Tool): \S", creator)
    ids = [entry["SPDXID"] for entry in document["packages"]]
    assert len(ids) == len(set(ids)) and all(map(_ID.match, ids))
    for entry in document["packages"]:
        assert entry["name"] and entry["downloadLocation"] == "NOASSERTION"
        assert entry["filesAnalyzed"] is False and "packageVerificationCode" not in entry
        assert entry["licenseConcluded"] == "NOASSERTION" and entry["licenseDeclared"]
        for checksum in entry.get("checksums", ()):
            assert len(checksum["checksumValue"]) == _LENGTHS[checksum["algorithm"]]
        for reference in entry.get("externalRefs", ()):
            assert reference["referenceCategory"] == "PACKAGE-MANAGER"
            assert reference["referenceLocator"].startswith("pkg:")
        for note in entry.get("annotations", ()):
            assert note["annotationType"] in ("OTHER", "REVIEW") and note["annotationDate"]
    known = {*ids, "SPDXRef-DOCUMENT"}
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= known
    assert {
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-DocumentRoot",
    } in document["relationships"]
    return document


def entry(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in document["packages"] if each["name"] == name)
    return found  # type: ignore[no-any-return]


def test_packages_and_relationships() -> None:
    document = check(render(bill(NPM, PYTHON), ORIGIN))
    requests, scoped = entry(document, "requests"), entry(document, "@scope/a")
    assert requests["externalRefs"][0]["referenceLocator"] == "pkg:pypi/requests@2.31.0"
    assert [each["checksumValue"][:2] for each in requests["checksums"]] == ["ab", "cd"]
    assert scoped["licenseDeclared"] == "MIT OR Apache-2.0"
    kinds = {each["relationshipType"] for each in document["relationships"]}
    assert kinds == {"DESCRIBES", "DEPENDS_ON", "DEV_DEPENDENCY_OF", "OPTIONAL_DEPENDENCY_OF"}
    development = entry(document, "test-only")["SPDXID"]
    assert all(
        each["relationshipType"] == "DEV_DEPENDENCY_OF"
        for each in document["relationships"]
        if development in (each["spdxElementId"], each["relatedSpdxElement"])
    )


def test_a_licence_that_is_no_expression_is_a_comment() -> None:
    document = check(render(bill(NPM), ORIGIN))
    own = next(e for e in document["packages"] if "Own words" in e.get("licenseComments", ""))
    assert own["licenseDeclared"] == "NOASSERTION"


def test_what_is_missing_is_annotated() -> None:
    document = check(render(bill(NPM, gaps=(GAP,)), ORIGIN))
    assert "Cargo.lock" in document["annotations"][0]["comment"]
    assert document["comment"]
    whole = check(render(bill(NPM), ORIGIN))
    assert "annotations" not in whole and "comment" not in whole
    back = read_sbom(render(bill(NPM, gaps=(GAP,)), ORIGIN).encode(), "x.spdx.json")
    assert [gap.kind for gap in back.gaps] == ["sbom-incomplete"]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert render(bill(NPM, PYTHON), ORIGIN) == render(bill(PYTHON, NPM), ORIGIN)


def test_a_project_without_a_name_still_gives_valid_ids() -> None:
    check(render(bill_of([NPM], (), name="상점"), ORIGIN))


def test_a_version_that_is_not_written_is_refused() -> None:
    with pytest.raises(UsageError, match=r"3\.0"):
        render(bill(NPM), ORIGIN, spec="3.0")


def test_our_own_reader_takes_everything_back() -> None:
    back = read_sbom(render(bill(NPM), ORIGIN).encode(), "x.spdx.json")
    assert told(back) == told(NPM) and edges(back) == edges(NPM)
    assert back.gaps == () and (back.name, back.purl) == ("shop", SHOP)


@settings(max_examples=60, deadline=None)
@given(files())
def test_any_lock_file_comes_back(found: PackageFile) -> None:
    text = render(bill(found), ORIGIN)
    check(text)
    back = read_sbom(text.encode(), "x.spdx.json")
    assert told(back) == told(found) and edges(back) == edges(found)


RENDERED = {"cyclonedx": cyclonedx.render, "spdx": render}


@pytest.mark.parametrize("format", list(RENDERED))
def test_what_is_read_back_has_its_own_words_for_a_licence_and_each_requirement(
    format: str,
) -> None:
    """Two requirements of one package without a version have one package URL."""
    gemfile = PackageFile(
        path="Gemfile",
        format="Gemfile",
        ecosystem="RubyGems",
        packages=tuple(
            package("globalid", "", ecosystem="RubyGems", constraint=one, licence="Public Domain")
            for one in (">= 1.4.0", ">= 0.3.6")
        ),
    )
    text = RENDERED[format](bill_of([gemfile], (), name="shop"), ORIGIN)
    back = read_sbom(text.encode(), "bom.json").packages
    assert sorted((one.constraint, one.licence) for one in back) == [
        (">= 0.3.6", "Public Domain"),
        (">= 1.4.0", "Public Domain"),
    ]
