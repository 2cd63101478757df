"""Findings from candidates: one a credential and file, fingerprints that last, no value."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from haechi.checks.secrets.detect import Candidate
from haechi.model.finding import Finding
from haechi.model.severity import Severity
from haechi.scan.secrets.findings import Leaks, Past, preview, secret_id
from tests.checks.secrets.credentials import ACME, URL, detector, rule, value

KEY = b"k" * 32
DAY = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def candidates(text: str) -> list[Candidate]:
    return detector().find(text.encode())


def past(path: str, commit: str = "c" * 40, *, at_head: bool = False, day: int = 2) -> Past:
    date = dt.datetime(2026, 1, day, tzinfo=dt.UTC)
    return Past(path=path, commit=commit, author_date=date, at_head=at_head)


def findings(
    tree: dict[str, str], history: list[tuple[Past, str]] | None = None, key: bytes | None = KEY
) -> list[Finding]:
    in_tree = [(path, one) for path, text in tree.items() for one in candidates(text)]
    gone = [(first, one) for first, text in history or [] for one in candidates(text)]
    return [leak.finding for leak in Leaks({}, key).of(in_tree, gone)]


def test_a_credential_of_tree_and_history_is_one_finding_with_its_first_commit() -> None:
    text = f"token: {value(ACME)}"
    (found,) = findings({"a.yaml": text}, [(past("a.yaml"), f"# older\n{text}")])
    assert found.commit is None
    assert found.location.line == 1
    assert found.evidence["first_commit"] == "c" * 40
    assert found.evidence["in_tree"] is True


def test_what_only_history_holds_points_to_its_commit() -> None:
    (found,) = findings({}, [(past("a.env"), f"A=1\nTOKEN={value(ACME)}")])
    assert (found.commit, found.location.path, found.location.line) == ("c" * 40, "a.env", 2)
    assert "cccccccccc of 2026-01-02" in found.message
    assert not found.in_tree


def test_deleting_the_line_keeps_the_fingerprint() -> None:
    text = f"\n\nTOKEN={value(ACME)}"
    (before,) = findings({"a.env": text}, [(past("a.env"), text)])
    (after,) = findings({}, [(past("a.env"), text)])
    assert before.fingerprint == after.fingerprint


@pytest.mark.parametrize("change", ["moved", "other value"])
def test_the_fingerprint_hangs_neither_on_the_line_nor_on_the_value(change: str) -> None:
    (one,) = findings({"a.env": f"TOKEN={value(ACME)}"})
    text = f"\n\n  TOKEN={value(ACME, 'x' if change == 'other value' else 'seed')}"
    (two,) = findings({"a.env": text})
    assert one.fingerprint == two.fingerprint


def test_equals_in_one_file_are_told_apart_by_order() -> None:
    text = f"TOKEN={value(ACME, 'a')}\nTOKEN={value(ACME, 'b')}"
    one, two = findings({"a.env": text})
    assert one.fingerprint != two.fingerprint
    old = (past("a.env", "d" * 40), f"TOKEN={value(ACME, 'old')}")
    assert [f.fingerprint for f in findings({"a.env": text}, [old])][:2] == [
        one.fingerprint,
        two.fingerprint,
    ]


def test_secret_ids_are_equal_for_equal_values_under_one_key() -> None:
    secret = value(ACME).encode()
    assert secret_id(KEY, secret) == secret_id(KEY, secret)
    assert secret_id(KEY, secret) != secret_id(b"z" * 32, secret)
    assert secret_id(KEY, secret) != secret_id(KEY, value(ACME, "b").encode())
    assert secret_id(None, secret) is None
    one, two = findings({"a": f"a={value(ACME)}", "b": f"db://u:{value(ACME)}@h"})
    assert one.secret_id == two.secret_id is not None


def test_a_preview_shows_the_vendors_part_alone() -> None:
    assert preview(ACME, value(ACME).encode()) == "acme_… (29 characters)"
    assert preview(URL, value(URL).encode()) == "…"
    assert preview(ACME, b"acme_1") == "…"


def test_no_finding_holds_the_value() -> None:
    texts = {"a": f"k={value(ACME)}", "b": f"db://u:{value(URL)}@h"}
    said = msgspec.json.encode(findings(texts, [(past("c"), texts["a"])]))
    assert value(ACME).encode()[5:] not in said
    assert value(URL).encode() not in said


def test_severities_of_the_project_count() -> None:
    leaks = Leaks({"secret-acme": Severity.LOW}, None).of(
        [("a", one) for one in candidates(value(ACME))], []
    )
    assert [leak.finding.severity for leak in leaks] == [Severity.LOW]


def test_what_no_commit_reaches_says_so() -> None:
    first = Past(path="(unreachable object) abc", commit="", author_date=None, at_head=False)
    (found,) = findings({}, [(first, f"k={value(ACME)}")])
    assert "no branch or tag reaches" in found.message
    assert found.commit == ""
    assert not found.in_tree


@pytest.mark.parametrize(
    ("path", "tags", "severity"),
    [
        ("deploy/key.pem", ["self-made"], Severity.CRITICAL),
        ("tests/data/key.pem", ["self-made"], Severity.MEDIUM),
        ("pkg/tls/testdata/key.pem", ["self-made"], Severity.MEDIUM),
        ("tests/data/token", [], Severity.CRITICAL),
    ],
)
def test_what_anybody_can_make_is_milder_in_test_data(
    path: str, tags: list[str], severity: Severity
) -> None:
    made = rule("made", ACME.pattern, tags=tags)  # type: ignore[arg-type]
    found = detector(made).find(value(ACME).encode())
    (leak,) = Leaks({}, None).of([(path, one) for one in found], [])
    assert leak.finding.severity is severity


def test_a_mild_rule_is_not_raised_in_test_data() -> None:
    made = rule("made", ACME.pattern, tags=["self-made"], severity=Severity.LOW)  # type: ignore[arg-type]
    found = detector(made).find(value(ACME).encode())
    (leak,) = Leaks({}, None).of([("tests/x", one) for one in found], [])
    assert leak.finding.severity is Severity.LOW
