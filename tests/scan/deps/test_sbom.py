"""SBOMs as package files: dialects, edges, what has no package URL, and hostile documents."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import HaechiError, InputError, LimitExceeded
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source
from haechi.scan.deps.sbom import components, read_sbom, without_pinned
from haechi.scan.deps.sbom_names import is_sbom_name


def read(document: Any, path: str = "bom.json") -> PackageFile:
    data = document if isinstance(document, bytes) else json.dumps(document, indent=1).encode()
    return read_sbom(data, path)


def bom(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(parts), **more}


def part(purl: str, ref: str = "", **more: Any) -> dict[str, Any]:
    name = purl.rpartition("/")[2].partition("@")[0]
    found = {"type": "library", "bom-ref": ref or purl, "name": name, "purl": purl}
    return {**found, **more}


def spdx(*parts: dict[str, Any], edges: list[tuple[str, str, str]] | None = None) -> dict[str, Any]:
    return {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "packages": list(parts),
        "relationships": [
            {"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
            for a, kind, b in edges or []
        ],
    }


def entry(ref: str, purl: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"SPDXID": f"SPDXRef-{ref}", "name": ref, **more}
    if purl:
        found["externalRefs"] = [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }
        ]
    return found


def names(file: PackageFile) -> list[str]:
    return [package.name for package in file.packages]


def edges(file: PackageFile) -> set[tuple[str, str]]:
    return {
        (package.name, file.packages[index].name)
        for package in file.packages
        for index in package.needs
    }


A, B, C = "pkg:npm/a@1.0.0", "pkg:npm/b@2.0.0", "pkg:npm/c@3.0.0"


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("bom.json", True),
        ("dist/app.cdx.json", True),
        ("dist/app.CDX.xml", True),
        ("x.spdx", True),
        ("x.spdx.json", True),
        ("sbom.json", True),
        ("package.json", False),
        ("bombs.json", False),
    ],
)
def test_names_that_sboms_go_by(path: str, is_one: bool) -> None:
    assert is_sbom_name(path) is is_one


class TestCycloneDX:
    def test_packages_have_ecosystem_name_version_and_line(self) -> None:
        file = read(bom(part(A), part("pkg:pypi/PyYAML@5.3")))
        assert [(p.ecosystem, p.name, p.version) for p in file.packages] == [
            ("npm", "a", "1.0.0"),
            ("PyPI", "pyyaml", "5.3"),
        ]
        lines = json.dumps(bom(part(A), part("pkg:pypi/PyYAML@5.3")), indent=1).splitlines()
        for package, text in zip(file.packages, (A, "PyYAML"), strict=True):
            assert text in lines[package.location.line - 1]
        assert file.format == "cyclonedx" and file.gaps == ()

    @pytest.mark.parametrize("indent", [None, 1])
    def test_places_lead_to_the_package_url(self, indent: int | None) -> None:
        text = json.dumps(bom(part(A), part(B), part("pkg:npm/x&y@1")), indent=indent)
        text = text.replace("&", "\\u0026")  # as Go writes it
        lines = text.splitlines()
        for package in read(text.encode()).packages:
            place = package.location
            assert lines[place.line - 1][place.column - 1 :].startswith('"purl": "pkg:npm/')
            shown = lines[place.line - 1][place.column - 1 :].partition("@")[0]
            assert shown.endswith(package.name.replace("&", "\\u0026"))

    def test_edges_lead_through_what_is_no_package(self) -> None:
        lock = {"type": "application", "bom-ref": "lock", "name": "package-lock.json"}
        file = read(
            bom(
                lock,
                part(A),
                part(B),
                metadata={"component": {"type": "application", "bom-ref": "app", "name": "shop"}},
                dependencies=[
                    {"ref": "app", "dependsOn": ["lock"]},
                    {"ref": "lock", "dependsOn": [A]},
                    {"ref": A, "dependsOn": [B]},
                ],
            )
        )
        assert edges(file) == {("a", "b")}
        assert [file.packages[index].name for index in file.requires] == ["a"]
        assert [p.direct for p in file.packages] == [True, False]
        assert file.name == "shop"

    def test_a_root_that_needs_everything_says_nothing_about_directness(self) -> None:
        file = read(
            bom(
                part(A),
                part(B),
                metadata={"component": {"bom-ref": "app", "name": "shop"}},
                dependencies=[{"ref": "app", "dependsOn": [A, B]}],
            )
        )
        assert file.requires == () and {p.direct for p in file.packages} == {None}

    @pytest.mark.parametrize(
        ("more", "development", "optional"),
        [
            ({}, False, False),
            ({"scope": "required"}, False, False),
            ({"scope": "excluded"}, True, False),
            ({"scope": "optional"}, False, True),
            (
                {"properties": [{"name": "cdx:npm:package:development", "value": "true"}]},
                True,
                False,
            ),
            ({"properties": [{"name": "cdx:poetry:group", "value": "dev"}]}, True, False),
            ({"properties": [{"name": "cdx:poetry:group", "value": "main"}]}, False, False),
            (
                {
                    "scope": "optional",
                    "properties": [{"name": "haechi:development", "value": "false"}],
                },
                False,
                False,
            ),
        ],
        ids=["none", "required", "excluded", "optional", "npm", "poetry", "poetry-main", "ours"],
    )
    def test_scopes_and_the_properties_of_tools(
        self, more: dict[str, Any], development: bool, optional: bool
    ) -> None:
        package = read(bom(part(A, **more))).packages[0]
        assert (package.development, package.optional) == (development, optional)

    def test_licences_and_digests(self) -> None:
        package = read(
            bom(
                part(
                    A,
                    licenses=[{"license": {"id": "MIT"}}, {"license": {"name": "Own"}}],
                    hashes=[{"alg": "SHA-256", "content": "AB" * 32}],
                )
            )
        ).packages[0]
        assert package.licence == "MIT AND Own"
        assert package.digests == ("sha256:" + "ab" * 32,)

    def test_nested_components_are_needed_by_the_outer_one(self) -> None:
        file = read(bom(part(A, components=[part(B, components=[part(C)])])))
        assert edges(file) == {("a", "b"), ("b", "c")}

    def test_the_same_package_url_is_one_package(self) -> None:
        file = read(bom(part(A, "one", scope="excluded"), part(A, "two"), part(B)))
        assert names(file) == ["a", "b"]
        assert file.packages[0].development is False

    def test_duplicate_refs_lose_no_package(self) -> None:
        file = read(bom(part(A, "same"), part(B, "same")))
        assert names(file) == ["a", "b"]

    def test_cycles_are_kept_as_they_are(self) -> None:
        file = read(
            bom(
                part(A),
                part(B),
                dependencies=[{"ref": A, "dependsOn": [B, A]}, {"ref": B, "dependsOn": [A]}],
            )
        )
        assert edges(file) == {("a", "b"), ("b", "a")}

    def test_what_has_no_package_url_is_one_counted_gap(self) -> None:
        file = read(
            bom(
                {"type": "library", "name": "libfoo", "version": "1"},
                {"type": "library", "group": "org", "name": "bar"},
                {"type": "file", "name": "/etc/passwd"},
                {"type": "operating-system", "name": "alpine"},
                part(A),
            )
        )
        assert names(file) == ["a"]
        assert [(gap.kind, gap.path) for gap in file.gaps] == [("sbom-no-purl", "bom.json")]
        assert "2 components" in file.gaps[0].reason and "libfoo, org/bar" in file.gaps[0].reason

    def test_wrong_package_urls_are_a_gap(self) -> None:
        file = read(bom(part(A), {"type": "library", "name": "x", "purl": "not a purl"}))
        assert names(file) == ["a"]
        assert [gap.kind for gap in file.gaps] == ["sbom-purl"]

    def test_an_sbom_that_calls_itself_incomplete_is_believed(self) -> None:
        file = read(bom(part(A), compositions=[{"aggregate": "incomplete", "assemblies": ["x"]}]))
        assert [gap.kind for gap in file.gaps] == ["sbom-incomplete"]

    def test_credentials_in_addresses_are_not_kept(self) -> None:
        own = {"name": "haechi:source-url", "value": "https://u:hunter2@git.example/x"}
        kind = {"name": "haechi:source", "value": "git"}
        package = read(bom(part(A, properties=[own, kind]))).packages[0]
        assert package.source is Source.GIT
        assert "hunter2" not in package.url

    def test_packages_of_distributions_carry_theirs(self) -> None:
        url = "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12"
        package = read(bom(part(url))).packages[0]
        assert package.ecosystem.startswith("Debian") and package.name == "curl"
        assert package.version == "7.88.1-10"

    @pytest.mark.parametrize(
        ("name", "called"),
        [
            ("cloud.google.com/go/auth/oauth2", "cloud.google.com/go/auth/oauth2"),
            ("oauth2", "cloud.google.com/go/auth"),
        ],
        ids=["module", "package-of-a-module"],
    )
    def test_a_go_module_whose_path_goes_on_in_the_subpath(self, name: str, called: str) -> None:
        """Syft writes modules so; by the rules a subpath leads to a package within a module."""
        url = "pkg:golang/cloud.google.com/go/auth@v0.2.8#oauth2"
        (found,) = read(bom({"type": "library", "name": name, "purl": url})).packages
        assert (found.ecosystem, found.name, found.version) == ("Go", called, "v0.2.8")

    @pytest.mark.parametrize("word", ["UNKNOWN", "unspecified", "NOASSERTION", "(devel)"])
    @pytest.mark.parametrize("where", ["component", "url"])
    def test_a_word_for_not_knowing_is_no_version(self, word: str, where: str) -> None:
        """Maven orders any text, so `UNKNOWN` would lie above every fixed version."""
        url = "pkg:maven/org.acme/a" + (f"@{quote(word)}" if where == "url" else "")
        (found,) = read(bom(part(url, version=word))).packages
        assert (found.name, found.version) == ("org.acme:a", "")

    def test_xml_says_the_same_as_json(self) -> None:
        text = f"""<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.6" version="1">
  <metadata><component type="application" bom-ref="app"><name>shop</name></component></metadata>
  <components>
    <component type="library" bom-ref="{A}">
      <name>a</name><version>1.0.0</version><scope>excluded</scope>
      <hashes><hash alg="SHA-256">{"ab" * 32}</hash></hashes>
      <licenses><license><id>MIT</id></license></licenses>
      <purl>{A}</purl>
    </component>
    <component type="library" bom-ref="{B}"><name>b</name><purl>{B}</purl></component>
  </components>
  <dependencies>
    <dependency ref="app"><dependency ref="{A}"/></dependency>
    <dependency ref="{A}"><dependency ref="{B}"/></dependency>
  </dependencies>
</bom>"""
        file = read(text.encode(), "bom.xml")
        first = file.packages[0]
        assert (first.name, first.development, first.licence) == ("a", True, "MIT")
        assert first.location.line == 9
        assert edges(file) == {("a", "b")} and file.requires == (0,)


class TestSpdx:
    def test_root_edges_and_development(self) -> None:
        file = read(
            spdx(
                entry("root", "pkg:npm/shop@1.0.0"),
                entry("a", A, licenseConcluded="NOASSERTION", licenseDeclared="MIT"),
                entry("b", B),
                entry("c", C),
                edges=[
                    ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-root"),
                    ("SPDXRef-root", "DEPENDS_ON", "SPDXRef-a"),
                    ("SPDXRef-b", "DEPENDENCY_OF", "SPDXRef-a"),
                    ("SPDXRef-c", "DEV_DEPENDENCY_OF", "SPDXRef-root"),
                ],
            ),
            "x.spdx.json",
        )
        assert names(file) == ["a", "b", "c"] and file.purl == "pkg:npm/shop@1.0.0"
        assert edges(file) == {("a", "b")} and file.requires == (0, 2)
        assert [p.development for p in file.packages] == [False, False, True]
        assert file.packages[0].licence == "MIT"

    def test_what_trivys_lock_files_contain_is_asked_for(self) -> None:
        file = read(
            spdx(
                entry("Filesystem-1"),
                entry("Application-2"),
                entry("a", A),
                entry("b", B),
                edges=[
                    ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Filesystem-1"),
                    ("SPDXRef-Filesystem-1", "CONTAINS", "SPDXRef-Application-2"),
                    ("SPDXRef-Application-2", "CONTAINS", "SPDXRef-a"),
                    ("SPDXRef-a", "DEPENDS_ON", "SPDXRef-b"),
                ],
            )
        )
        assert [file.packages[index].name for index in file.requires] == ["a"]
        assert file.gaps == ()

    def test_where_everything_is_described_everything_is_a_package(self) -> None:
        document = spdx(entry("a", A), entry("b", B))
        document["documentDescribes"] = ["SPDXRef-a", "SPDXRef-b"]
        assert names(read(document)) == ["a", "b"]

    def test_a_single_described_package_is_no_root(self) -> None:
        document = spdx(entry("a", A))
        document["documentDescribes"] = ["SPDXRef-a"]
        assert names(read(document)) == ["a"]

    def test_githubs_export_is_unwrapped(self) -> None:
        root = entry("com.github.shop", "pkg:github/shop/web@main")
        edge = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-com.github.shop")]
        file = read({"sbom": spdx(root, entry("npm-a", A), edges=edge)})
        assert names(file) == ["a"] and file.gaps == ()

    def test_tag_value_says_the_same_as_json(self) -> None:
        text = f"""SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: shop
DocumentComment: <text>several
PackageName: not one
lines</text>

PackageName: shop
SPDXID: SPDXRef-root
PackageName: a
SPDXID: SPDXRef-a
PackageVersion: 1.0.0
PackageLicenseDeclared: MIT
PackageChecksum: SHA256: {"ab" * 32}
ExternalRef: PACKAGE-MANAGER purl {A}
FileName: ./x
SPDXID: SPDXRef-file

Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-root
Relationship: SPDXRef-root DEPENDS_ON SPDXRef-a
"""
        file = read(text.encode(), "shop.spdx")
        (package,) = file.packages
        assert (package.name, package.licence, package.location.line) == ("a", "MIT", 16)
        assert package.digests == ("sha256:" + "ab" * 32,)
        assert file.name == "shop"


class TestWrappers:
    def test_in_toto_statements_and_their_envelopes(self) -> None:
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://cyclonedx.org/bom",
            "predicate": bom(part(A)),
        }
        payload = base64.b64encode(json.dumps(statement).encode()).decode()
        envelope = {"payloadType": "application/vnd.in-toto+json", "payload": payload}
        assert names(read(statement)) == names(read(envelope)) == ["a"]

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "neither"),
            (b"[]", "JSON, but"),
            (b'{"a": 1}', "JSON, but"),
            (b'{"bomFormat": "CycloneDX"', "not JSON"),
            (b"<html/>", "XML, but not CycloneDX"),
            (b"<bom", "not XML"),
            (b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}', "SPDX 3"),
            (b'{"@context": "https://openvex.dev/ns/v0.2.0", "statements": []}', "VEX document"),
            (b'{"payloadType": "x", "payload": "%%"}', "base64"),
        ],
        ids=["empty", "list", "other", "cut", "html", "xml", "spdx3", "vex", "payload"],
    )
    def test_what_is_no_sbom_is_refused_in_words(self, data: bytes, said: str) -> None:
        with pytest.raises(InputError, match=said):
            read(data)


class TestHostile:
    def test_deep_json(self) -> None:
        with pytest.raises(InputError):
            read(b'{"bomFormat":"CycloneDX","components":' + b"[" * 200_000)

    def test_components_nested_deeply_are_read(self) -> None:
        deepest = part(C)
        for _ in range(150):
            deepest = {"type": "library", "name": "x", "purl": A, "components": [deepest]}
        assert names(read(bom(deepest))) == ["a", "c"]

    def test_too_many_values(self) -> None:
        with pytest.raises(LimitExceeded, match="values"):
            read(b'{"bomFormat":"CycloneDX","components":[' + b"{}," * 2_000_001 + b"{}]}")

    def test_components_past_the_limit_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from haechi.scan.deps.sbom import cyclonedx
        from haechi.scan.deps.sbom import spdx as of_spdx

        monkeypatch.setattr(cyclonedx, "MAX_COMPONENTS", 3)
        monkeypatch.setattr(of_spdx, "MAX_COMPONENTS", 3)
        parts = [part(f"pkg:npm/p{number}@1") for number in range(10)]
        for file in (
            read(bom(*parts)),
            read(spdx(*(entry(f"p{n}", f"pkg:npm/p{n}@1") for n in range(10)))),
        ):
            assert len(file.packages) == 3
            assert [gap.kind for gap in file.gaps] == ["too-large"]
            assert "7 were not read" in file.gaps[0].reason
        assert components.MAX_COMPONENTS >= 100_000

    def test_a_graph_of_nothing_but_knots_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from haechi.scan.deps.sbom import assembled

        monkeypatch.setattr(assembled, "MAX_STEPS", 1_000)
        knots = [f"k{number}" for number in range(100)]
        file = read(
            bom(
                *(part(f"pkg:npm/p{number}@1") for number in range(50)),
                *({"type": "file", "bom-ref": knot, "name": knot} for knot in knots),
                dependencies=[
                    *({"ref": f"pkg:npm/p{n}@1", "dependsOn": knots} for n in range(50)),
                    *({"ref": knot, "dependsOn": knots} for knot in knots),
                ],
            )
        )
        assert len(file.packages) == 50
        assert [gap.kind for gap in file.gaps] == ["sbom-graph"]

    @pytest.mark.parametrize(
        "text",
        [
            '<!DOCTYPE bom [<!ENTITY a "x">]><bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>',
            '<!DOCTYPE bom SYSTEM "file:///etc/passwd">'
            '<bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>',
        ],
        ids=["entity", "external"],
    )
    def test_xml_with_a_document_type_is_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="document type"):
            read(text.encode())

    def test_deep_xml(self) -> None:
        space = 'xmlns="http://cyclonedx.org/schema/bom/1.6"'
        with pytest.raises(LimitExceeded):
            read(f"<bom {space}>".encode() + b"<components>" * 10_000)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        for head in (b"", b'{"bomFormat":"CycloneDX",', b"SPDXVersion: SPDX-2.3\n", b"<bom"):
            try:
                read(head + data)
            except HaechiError:
                continue

    @settings(max_examples=200, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=12),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "components",
                            "metadata",
                            "component",
                            "dependencies",
                            "ref",
                            "dependsOn",
                            "bom-ref",
                            "purl",
                            "name",
                            "licenses",
                            "license",
                            "hashes",
                            "properties",
                            "compositions",
                            "packages",
                            "relationships",
                            "externalRefs",
                            "SPDXID",
                            "annotations",
                            "checksums",
                            "spdxElementId",
                            "scope",
                            "type",
                        ]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=20,
        )
    )
    def test_any_values_in_any_place_are_read(self, value: Any) -> None:
        inner = value if isinstance(value, dict) else {"components": value, "packages": value}
        assert read({**inner, "bomFormat": "CycloneDX"}).format == "cyclonedx"
        assert read({**inner, "spdxVersion": "SPDX-2.3"}).format == "spdx"


class TestBesideLockFiles:
    def test_what_a_lock_file_pins_is_told_there_alone(self) -> None:
        lock = PackageFile(
            path="package-lock.json",
            format="package-lock.json",
            ecosystem="npm",
            packages=(
                Package(
                    ecosystem="npm",
                    name="a",
                    version="1.0.0",
                    location=Location(path="package-lock.json"),
                ),
            ),
        )
        sbom = read(
            bom(
                part(A),
                part(B),
                part(C),
                dependencies=[
                    {"ref": A, "dependsOn": [B]},
                    {"ref": B, "dependsOn": [A, C]},
                ],
            )
        )
        (kept,) = without_pinned([sbom], [lock])
        assert names(kept) == ["b", "c"] and edges(kept) == {("b", "c")}

    def test_another_version_is_kept(self) -> None:
        sbom = read(bom(part("pkg:npm/a@1.0.1")))
        lock = read(bom(part(A)))
        assert names(without_pinned([sbom], [lock])[0]) == ["a"]

    def test_a_go_module_is_the_same_in_lower_case(self) -> None:
        sbom = read(bom(part("pkg:golang/github.com/azure/sdk@v1.0.0")))
        lock = read(bom(part("pkg:golang/github.com/Azure/sdk@v1.0.0")))
        assert names(without_pinned([sbom], [lock])[0]) == []
