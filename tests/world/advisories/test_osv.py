"""Records of OSV: what is taken, what is refused by name, what is not an advisory."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import InputError
from haechi.model.advisory import FixState, Symbols
from haechi.model.severity import Severity
from haechi.world.advisories.osv import MAX_BYTES, NotOsv, Read, read
from tests.world.advisories.records import BELOW_TWO, Json, affected, record

V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def taken(value: Json) -> Read:
    return read(json.dumps(value).encode())


def test_takes_what_a_finding_needs() -> None:
    value = record(
        aliases=["CVE-2024-1", "PYSEC-2024-1"],
        related=["GHSA-r"],
        published="2024-01-02T03:04:05.123456789Z",
        details="long",
        references=[{"type": "WEB", "url": "https://example.org/a"}],
        database_specific={"severity": "LOW", "cwe_ids": ["CWE-79"]},
        severity=[{"type": "CVSS_V3", "score": V3}],
        credits=[{"name": ["odd"]}],
    )
    advisory = taken(value).advisory
    assert advisory.aliases == ("CVE-2024-1",)
    assert advisory.related == ("GHSA-r",)
    assert advisory.published is not None
    assert advisory.published.year == 2024
    assert (advisory.score, advisory.severity) == (9.8, Severity.CRITICAL)
    assert advisory.cwe == ("CWE-79",)
    assert advisory.references == ("https://example.org/a",)
    assert advisory.affected[0].ranges[0].fixed == "2.0"
    assert advisory.affected[0].fix_state is FixState.FIXED


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, None),
        ({"database_specific": {"severity": "MODERATE"}}, Severity.MEDIUM),
        ({"database_specific": {"severity": "odd"}}, None),
        ({"database_specific": ["odd"]}, None),
        ({"severity": [{"type": "Ubuntu", "score": "high"}]}, Severity.HIGH),
        (
            {
                "severity": [{"type": "CVSS_V3", "score": "odd"}],
                "database_specific": {"severity": "HIGH"},
            },
            Severity.HIGH,
        ),
    ],
    ids=["none", "word", "odd-word", "odd-shape", "type", "bad-vector"],
)
def test_severity_is_what_is_said_or_none(more: Json, severity: Severity | None) -> None:
    assert taken(record(**more)).advisory.severity is severity


def test_severity_of_a_package_counts_where_the_record_has_none() -> None:
    entry = {**BELOW_TWO, "severity": [{"type": "CVSS_V3", "score": V3}]}
    assert taken(record("GHSA-a", entry)).advisory.score == 9.8


def test_symbols_of_go_and_of_crates() -> None:
    go = affected(
        "example.org/m",
        ("introduced", "0"),
        ecosystem="Go",
        kind="SEMVER",
        ecosystem_specific={
            "imports": [{"path": "example.org/m/p", "symbols": ["F", "T.M"], "goos": ["linux"]}]
        },
    )
    rust = affected(
        "m",
        ("introduced", "0.0.0-0"),
        ecosystem="crates.io",
        kind="SEMVER",
        ecosystem_specific={"affects": {"functions": ["m::f"]}},
    )
    read_ = taken(record("X-1", go, rust)).advisory
    assert read_.affected[0].symbols == (Symbols("example.org/m/p", ("F", "T.M"), ("linux",)),)
    assert read_.affected[1].symbols == (Symbols("m", ("m::f",)),)


def test_ranges_of_commits_are_counted_and_left_out() -> None:
    entry = {
        **BELOW_TWO,
        "ranges": [*BELOW_TWO["ranges"], {"type": "GIT", "events": [{"introduced": "0"}]}],
    }
    found = taken(record("X-1", entry, {"ranges": [{"type": "GIT", "events": []}]}))
    assert found.commit_ranges == 2
    assert len(found.advisory.affected) == 1
    assert len(found.extents[0].intervals) == 1


def test_unknown_ecosystems_are_kept_and_cannot_be_judged() -> None:
    found = taken(record("X-1", affected("x", ("introduced", "1"), ecosystem="Novelty")))
    assert found.extents[0].unsure


def test_names_are_compared_as_the_ecosystem_does() -> None:
    names = [
        taken(record("X-1", affected(name, ("introduced", "0"), ecosystem=ecosystem)))
        .advisory.affected[0]
        .name
        for ecosystem, name in [
            ("PyPI", "Zope.Interface"),
            ("NuGet", "Newtonsoft.Json"),
            ("Go", "github.com/A/b"),
        ]
    ]
    assert names == ["zope-interface", "newtonsoft.json", "github.com/A/b"]


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2021-05-01", 2021),
        ("0001-01-01T00:00:00Z", None),
        ("soon", None),
        ("2021-05-01T00:00:00+09:00", 2021),
    ],
    ids=["day", "go-never", "odd", "zone"],
)
def test_dates(text: str, year: int | None) -> None:
    found = taken(record(modified=text, withdrawn=text)).advisory
    assert (found.modified.year if found.modified else None) == year
    assert (found.withdrawn is None) == (year is None)


def test_an_alias_that_is_no_id_costs_only_itself() -> None:
    assert taken(record(aliases=["GHSA-a,", "", "a b", "\u202e"])).advisory.aliases == ("GHSA-a",)


def test_halves_of_surrogate_pairs_do_not_break_what_is_written_later() -> None:
    data = json.dumps(record(details="x")).replace('"x"', '"\\ud800 y"').encode()
    try:
        found = read(data)
    except InputError:
        return
    found.advisory.details.encode("utf-8")


def test_yaml_of_pypas_repository() -> None:
    text = b"""
id: PYSEC-2021-1
details: |
  Words
affected:
- package: {name: Demo_x, ecosystem: PyPI}
  ranges:
  - type: ECOSYSTEM
    events: [{introduced: "0"}, {fixed: "1.10"}]
  versions: ["1.0", "1.1"]
modified: 2021-05-01T00:00:00Z
"""
    advisory = read(text, yaml=True).advisory
    assert advisory.affected[0].name == "demo-x"
    assert advisory.affected[0].ranges[0].fixed == "1.10"
    assert advisory.modified == dt.datetime(2021, 5, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InputError),
        (b"{", InputError),
        (b'{"id": 5, "affected": []}', InputError),
        (b'{"id": "a b", "modified": "2024-01-01", "affected": []}', InputError),
        (b'{"name": "package.json"}', NotOsv),
        (b"[]", NotOsv),
        (b'{"id": "chart"}', NotOsv),
        (b'{"id": "X-1", "affected": {}}', InputError),
        (b'{"id": "X-1", "affected": [{"ranges": [{"events": [{"introduced": 1}]}]}]}', InputError),
        (b'{"id": "X-1", "summary": "\xff\xfe", "modified": "2024-01-01"}', InputError),
        (b'{"id":"X-1","modified":"2024-01-01","database_specific":' + b"[" * 100_000, InputError),
        (b'{"id":"X-1","modified":"2024-01-01","odd":' + b"[" * 99_999, InputError),
        (b" " * (MAX_BYTES + 1), InputError),
    ],
    ids=["empty", "cut", "id-type", "id-odd", "other-document", "list", "other-id", "affected-type",
         "event-type", "encoding", "deep-known", "deep-unknown", "large"],
)  # fmt: skip
def test_what_is_refused(data: bytes, error: type[InputError]) -> None:
    with pytest.raises(error):
        read(data)


def test_yaml_with_multiplying_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(InputError):
        read("\n".join(["id: X-1", *lines]).encode(), yaml=True)


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_KEYS = [
    "id",
    "modified",
    "withdrawn",
    "aliases",
    "affected",
    "severity",
    "references",
    "summary",
    "database_specific",
]


@given(st.dictionaries(st.sampled_from(_KEYS), _json), st.booleans())
def test_any_json_is_taken_or_refused(value: Json, real: bool) -> None:
    merged = {**record(), **value} if real else value
    try:
        found = read(json.dumps(merged).encode())
    except InputError:
        return
    assert len(found.extents) == len(found.advisory.affected)


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_taken_or_refused(data: bytes, yaml: bool) -> None:
    with pytest.raises(InputError):
        read(data, yaml=yaml)
