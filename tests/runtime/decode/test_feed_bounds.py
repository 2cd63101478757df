"""What hostile records may do to any feed: nothing but be refused, cut, or put right."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.runtime.decode.bounds import MOST_BYTES, fitted, size_of
from haechi.runtime.decode.times import DAY_NS, EARLIEST_NS, parse, settle
from tests.runtime.decode.feed_samples import (
    GOOD,
    NOW,
    as_bytes,
    decoded,
    refused_by_store,
)

KINDS = sorted({kind for kind, _ in GOOD.values()})
NAMES = sorted(GOOD)
DEEP = b'{"a":' * 5_000 + b"1" + b"}" * 5_000

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\x00", "\ud800", "*", "-", "x" * 70_000, "\u2028", "k8s:", "../..", "{}"])
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, one in inner:
        found.append((*place, key))
        if isinstance(one, dict | list):
            found += _places(one, (*place, key))
    return found


def _with(record: dict[str, Any], place: tuple[Any, ...], value: Any, how: str) -> dict[str, Any]:
    changed = copy.deepcopy(record)
    parent: Any = changed
    for key in place[:-1]:
        parent = parent[key]
    if how == "drop" and isinstance(parent, dict):
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return changed


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    picks=st.lists(
        st.tuples(st.integers(0, 10_000), _values, st.sampled_from(["set", "set", "drop"])),
        min_size=1,
        max_size=3,
    ),
)
def test_changed_records_never_raise_and_what_comes_out_is_stored(
    name: str, picks: list[tuple[int, Any, str]]
) -> None:
    kind, record = GOOD[name]
    for number, value, how in picks:
        places = _places(record)
        if not places:
            break
        record = _with(record, places[number % len(places)], value, how)
    for given_record in (record, json.dumps(record).encode()):
        found = decoded(kind, given_record)
        assert refused_by_store(found.events) == []
        assert all(len(refusal.sample) <= 200 for refusal in found.refusals)
        assert all(refusal.sample.isascii() for refusal in found.refusals)


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    edits=st.lists(st.tuples(st.integers(0, 5_000), st.binary(max_size=4)), max_size=4),
)
def test_changed_bytes_never_raise(name: str, edits: list[tuple[int, bytes]]) -> None:
    kind, record = GOOD[name]
    data = as_bytes(record)
    for place, piece in edits:
        at = place % (len(data) + 1)
        data = data[:at] + piece + data[at + len(piece) :]
    found = decoded(kind, data)
    assert refused_by_store(found.events) == []


@settings(max_examples=100, deadline=None)
@given(kind=st.sampled_from(KINDS), data=st.binary(max_size=300))
def test_any_bytes_are_refused_or_nothing(kind: str, data: bytes) -> None:
    found = decoded(kind, data)
    assert refused_by_store(found.events) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data",
    [b"[]", b"1", b"null", b'"x"', b"[1]", b"{}", DEEP, b"[" * 9_000, b'{"a":NaN}', b"{"],
    ids=["array", "number", "null", "text", "of-numbers", "empty", "deep", "deeper", "nan", "cut"],
)
def test_what_is_no_record_is_refused_with_a_reason(kind: str, data: bytes) -> None:
    found = decoded(kind, data)
    if data == b"[]":
        assert not found.refusals
        assert not found.events
    elif kind == "application" and data in (b"{}", b'{"a":NaN}'):
        assert len(found.events) == 1
    else:
        assert not found.events
        assert [bool(refusal.why) for refusal in found.refusals] == [True]


@pytest.mark.parametrize("name", NAMES)
def test_one_bad_line_costs_only_itself(name: str) -> None:
    kind, record = GOOD[name]
    line = as_bytes(record)
    alone = len(decoded(kind, line).events)
    found = decoded(kind, line + b"\nnot json\n" + line + b"\n")
    assert len(found.events) == 2 * alone
    assert len(found.refusals) == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_array_and_a_containers_log_are_read_alike(name: str) -> None:
    kind, record = GOOD[name]
    line = as_bytes(record)
    plain = decoded(kind, line).events
    prefixed = b"2026-11-01T18:00:01.123456789Z stdout F " + line
    assert decoded(kind, prefixed).events == plain
    assert decoded(kind, b"[" + line + b"]").events == plain


@pytest.mark.parametrize("name", NAMES)
def test_a_record_that_comes_again_has_the_same_id(name: str) -> None:
    kind, record = GOOD[name]
    first = [event.id for event in decoded(kind, as_bytes(record)).events]
    again = [event.id for event in decoded(kind, as_bytes(record), NOW + 5).events]
    assert first == again
    assert all(id.isprintable() and id for id in first)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "native"])
@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "yesterday", None, {"a": 1}],
    ids=["before", "ahead", "words", "none", "object"],
)  # fmt: skip
def test_a_wrong_clock_is_put_right_and_said(name: str, time: Any) -> None:
    kind, record = GOOD[name]
    record = copy.deepcopy(record)
    for place in _places(record):
        if place[-1] in ("time", "start_time", "stageTimestamp", "@timestamp", "evt.time"):
            record = _with(record, place, time, "set")
        if place[-1] == "requestReceivedTimestamp":
            record = _with(record, place, time, "set")
    for event in decoded(kind, record).events:
        assert event.ts_ns == NOW
        assert event.fields["haechi.clock"]


def test_bytes_that_are_no_utf8_do_not_cost_the_event() -> None:
    kind, record = GOOD["falco"]
    data = as_bytes(record).replace(b"bash -i", b"bash \xff\xfe\\ud800")
    (event,) = decoded(kind, data).events
    assert event.fields["proc.cmdline"].startswith("bash \ufffd")
    assert refused_by_store([event]) == []


def test_fields_of_ours_cannot_be_forged() -> None:
    kind, record = GOOD["falco"]
    fields = {**record["output_fields"], "haechi.rule": "x", "haechi.cut": "y"}
    (event,) = decoded(kind, {**record, "output_fields": fields}).events
    assert not [name for name in event.fields if name.startswith("haechi.")]


@pytest.mark.parametrize(
    ("fields", "cut"),
    [
        ({"a": "x" * 10_000}, ["a"]),
        ({"a": {"b": {"c": "x" * 10_000}}}, ["a/b/c"]),
        ({"a": list(range(600))}, ["a"]),
        ({str(n): n for n in range(600)}, ["*"]),
        ({"a": 1, "b": "x"}, None),
        ({"jevt.obj": ["x" * 10_000]}, ["jevt.obj"]),
    ],
    ids=["text", "inner-text", "list", "keys", "fits", "odd-audit"],
)
def test_what_is_cut_is_named(fields: dict[str, Any], cut: list[str] | None) -> None:
    assert fitted(fields).get("haechi.cut") == cut


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=300),
        st.one_of(_values, st.just("\x00" * 9_000), st.just(["y" * 500] * 600)),
        max_size=30,
    )
)
def test_fields_always_fit(fields: dict[str, Any]) -> None:
    found = fitted(fields)
    assert (
        size_of({name: value for name, value in found.items() if name != "haechi.cut"})
        <= MOST_BYTES
    )
    assert size_of(found) <= MOST_BYTES + 8_192


@pytest.mark.parametrize("levels", [13, 14, 15, 16, 17, 200])
def test_deep_objects_are_cut_to_what_the_store_takes(levels: int) -> None:
    kind, record = GOOD["audit"]
    deep: Any = "bottom"
    for _ in range(levels):
        deep = {"a": deep}
    (event,) = decoded(kind, {**record, "requestObject": deep}).events
    assert refused_by_store([event]) == []
    assert ("bottom" in json.dumps(event.fields)) == (levels <= 14)
    assert ("haechi.cut" in event.fields) == (levels > 14)


@pytest.mark.parametrize("name", ["*", "", "a\nb", "\ud800", "x" * 5_000, 7, None])
def test_names_of_namespaces_and_pods_are_made_storable(name: Any) -> None:
    kind, record = GOOD["falco"]
    fields = {"k8s.ns.name": name, "k8s.pod.name": name, "container.id": name, "evt.type": name}
    (event,) = decoded(kind, {**record, "output_fields": fields, "rule": "r\x00"}).events
    assert refused_by_store([event]) == []
    assert event.namespace not in ("", "*")
    assert event.fields.get("k8s.ns.name") != "*"
    assert event.type


def test_depth_is_cut_and_not_refused() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = {"a": [deep]}
    found = fitted({"deep": deep, "also": 1})
    assert found["also"] == 1
    assert found["haechi.cut"]


@pytest.mark.parametrize(
    ("given_time", "wanted"),
    [
        ("2026-11-01T18:00:00.123456789Z", 1793556000123456789),
        ("2026-11-01T18:00:00Z", 1793556000000000000),
        ("2026-11-01 19:00:00,5+01:00", 1793556000500000000),
        ("2026-11-01T18:00:00.1234567891234Z", 1793556000123456789),
        ("2026-11-01T18:00:00", 1793556000000000000),
        (1793556000, 1793556000000000000),
        (1793556000123, 1793556000123000000),
        (1793556000123456, 1793556000123456000),
        (1793556000123456789, 1793556000123456789),
        (1793556000.5, 1793556000500000000),
        ("1793556000.25", 1793556000250000000),
        ("2016-12-31T23:59:60Z", 1483228800000000000),
        ("2026-13-01T00:00:00Z", None),
        ("٢٠٢٦-11-01T18:00:00Z", None),
        (True, None),
        (-5, None),
        (float("nan"), None),
        ([], None),
        ("", None),
        (10**30, None),
    ],
)
def test_times_as_sources_write_them(given_time: Any, wanted: int | None) -> None:
    assert parse(given_time) == wanted


@pytest.mark.parametrize(
    ("ts_ns", "kept"),
    [
        (EARLIEST_NS, True),
        (EARLIEST_NS - 1, False),
        (NOW + DAY_NS, True),
        (NOW + DAY_NS + 1, False),
    ],
    ids=["2000", "before-2000", "a-day-ahead", "more-ahead"],
)
def test_times_within_what_the_store_takes_are_kept(ts_ns: int, kept: bool) -> None:
    found, claimed = settle(ts_ns, NOW)
    assert (found, bool(claimed)) == ((ts_ns, False) if kept else (NOW, True))
