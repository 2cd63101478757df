"""Both outcomes of every check in every version, for each kind of container, on Linux and Windows.

The expectations are a table of our own (``history``), not upstream's code: a check that is
versioned wrongly fails here without upstream at hand.
"""

from __future__ import annotations

from typing import Any

import pytest

from haechi.checks.pod_security import CHECKS, NEWEST, CheckResult, evaluate
from tests.checks.pod_security import history
from tests.checks.pod_security.history import REPLACED, RESTRICTED, ROWS, SINCE, Row, minors
from tests.checks.pod_security.pods import ROLES, merge, pod

VERSIONS = [(minor, f"v1.{minor}") for minor in range(history.NEWEST + 1)]
VERSIONS.append((history.NEWEST, "latest"))
_PLACES = [
    (row, role) for row in ROWS for role in (ROLES if row.at.startswith("container") else ("",))
]
_IDS = [f"{row.check}-{row.says}-{role or row.at}".replace(" ", "_") for row, role in _PLACES]


def _spoilt(row: Row, role: str, os: str) -> dict[str, Any]:
    body = pod(os, **({"hostUsers": False} if row.at.endswith("+users") else {}))
    target = body["spec"][role][0] if role else body["spec"]
    merge(body["metadata"] if row.at == "metadata" else target, row.change)
    return body


def _answers(body: dict[str, Any], level: str) -> dict[tuple[str, str], CheckResult]:
    return {
        (version, result.check): result
        for _, version in VERSIONS
        for result in evaluate(level, version, body["metadata"], body["spec"])
    }


def _expected_path(row: Row, role: str) -> tuple[str | int, ...]:
    if row.at == "metadata":
        return ("metadata", "annotations", *row.path)
    return ("spec", role, 0, *row.path) if role else ("spec", *row.path)


@pytest.mark.parametrize(("row", "role"), _PLACES, ids=_IDS)
def test_forbids_in_exactly_the_versions_of_the_history(row: Row, role: str) -> None:
    own = "restricted" if row.check in RESTRICTED else "baseline"
    for os, spans in (("", row.forbids), ("linux", row.forbids), ("windows", row.windows)):
        forbidden = minors(row.forbids if spans is None else spans)
        answers = _answers(_spoilt(row, role, os), own)
        for minor, version in VERSIONS:
            answer = answers.get((version, row.check))
            if minor < SINCE[row.check]:
                assert answer is None, (os, version)
                continue
            assert answer is not None, (os, version)
            assert answer.allowed is (minor not in forbidden), (os, version, answer)
            if not answer.allowed:
                place = answer.places[0]
                assert place.path == _expected_path(row, role), (os, version)
                if role:
                    assert place.container == ROLES[role]
                    assert [p.container for p in answer.places] == [ROLES[role]]
                    assert f'"{ROLES[role]}"' in answer.detail


@pytest.mark.parametrize("check", [c for c in SINCE if c not in RESTRICTED])
def test_restricted_asks_the_baseline_too_unless_a_stricter_check_replaces_it(check: str) -> None:
    rows = [row for row in ROWS if row.check == check]
    assert any(row.forbids for row in rows)
    for row in rows:
        body = _spoilt(row, "containers" if row.at.startswith("container") else "", "")
        baseline, restricted = _answers(body, "baseline"), _answers(body, "restricted")
        for minor, version in VERSIONS:
            answer = restricted.get((version, check))
            if minor >= REPLACED.get(check, 99):
                assert answer is None
            else:
                assert answer == baseline.get((version, check))


@pytest.mark.parametrize("check", SINCE)
def test_table_has_both_outcomes_around_each_boundary(check: str) -> None:
    """The table cannot be vacuous: at the versions where a check has a new variant, and just
    before, some row is allowed and some forbidden; and each boundary changes some row."""
    known = next(c for c in CHECKS if c.id == check)
    assert known.variants[0][0] == SINCE[check]
    rows = [row for row in ROWS if row.check == check]
    for since, _ in known.variants:
        for minor in {since, max(since - 1, SINCE[check])}:
            assert {minor in minors(row.forbids) for row in rows} == {True, False}
        if since > SINCE[check]:
            assert any(
                (since in minors(spans)) != (since - 1 in minors(spans))
                for row in rows
                for spans in (row.forbids, row.windows)
                if spans is not None
            )


def test_base_pod_is_allowed_everywhere() -> None:
    for os in ("", "linux", "windows"):
        body = pod(os)
        for level in ("privileged", "baseline", "restricted"):
            for _, version in VERSIONS:
                results = evaluate(level, version, body["metadata"], body["spec"])
                assert all(result.allowed for result in results)
                assert bool(results) is (level != "privileged")


def test_knows_each_check_of_the_specification() -> None:
    assert {check.id for check in CHECKS} == set(SINCE)
    assert history.NEWEST == NEWEST
