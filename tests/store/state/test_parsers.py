"""What reads text from outside: whatever comes, it is taken whole or refused with a reason."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haechi.errors import InputError, UsageError
from haechi.model.keys import k8s_key, namespace_of
from haechi.store.state.cursor import read_cursor, write_cursor
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.pushed import take
from haechi.store.state.times import from_us, to_us
from tests.store.state.made import found, push

_text = st.text(st.characters(), max_size=30)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_keys = st.sampled_from(sorted({*found("a"), "unknown"}))
_findings = st.dictionaries(_keys, _json, max_size=4).map(lambda odd: {**found("a"), **odd})


@given(st.lists(_findings | _json, max_size=5))
@settings(max_examples=80)
def test_findings_are_taken_or_refused_with_their_place(findings: list[Any]) -> None:
    try:
        pushed = take(push(findings))
    except InputError as refused:
        assert refused.where.startswith("report.findings")
    else:
        assert len({one.fingerprint for one in pushed.findings}) == len(findings)
        for one in pushed.findings:
            "".join((one.title, one.message, one.path, one.evidence, one.tags)).encode()
            assert "\0" not in one.title + one.message + one.resource + one.evidence


@given(st.dictionaries(st.sampled_from(["scope", "summary", "coverage", "waivers"]), _json))
@settings(max_examples=60)
def test_reports_are_taken_or_refused_with_their_place(odd: dict[str, Any]) -> None:
    what = push()
    try:
        take(replace(what, report={**what.report, **odd}))
    except InputError as refused:
        assert refused.where.startswith("report")


@given(st.text(max_size=60))
def test_a_cursor_that_was_not_made_here_is_refused(cursor: str) -> None:
    with pytest.raises(UsageError):
        read_cursor(["list"], cursor, (int,))


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(codec="utf-8")), st.text())
def test_a_cursor_belongs_to_its_question_and_shape(n: int, words: str, question: str) -> None:
    question = clean(question)
    cursor = write_cursor([question], [n, words])
    assert read_cursor([question], cursor, (int, str)) == [n, words]
    for other, like in [([question, 1], (int, str)), ([question], (str, int))]:
        with pytest.raises(UsageError):
            read_cursor(other, cursor, like)


@given(_json)
def test_json_survives_or_is_replaced(value: Any) -> None:
    encoded = to_json(value)
    encoded.encode()
    assert to_json(from_json(encoded)) == encoded


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_the_namespace_of_a_key(namespace: str) -> None:
    key = k8s_key(group="apps", kind="Deployment", namespace=namespace, name="x")
    assert namespace_of(key) == namespace


@pytest.mark.parametrize("key", ["", "k8s:", "file:-/a/b/c/d", "k8s:-/apps/Pod", "image:a/b/c/d/e"])
def test_other_keys_have_no_namespace(key: str) -> None:
    assert namespace_of(key) == "-"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_time_that_utc_does_not_have_is_refused(at: str) -> None:
    what = push([])
    with pytest.raises(InputError):
        take(replace(what, report={**what.report, "scope": {"started": at}}))


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_times_survive(at: dt.datetime) -> None:
    assert from_us(to_us(at)) == at
