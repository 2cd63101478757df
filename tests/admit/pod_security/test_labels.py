"""What labels ask, and what becomes of labels that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.pod_security.labels import MODES, PREFIX, Modes, Standard, asks, modes_of
from haechi.checks.pod_security import Level

B, R = Level.BASELINE, Level.RESTRICTED


def _standard(text: str) -> Standard:
    level, _, version = text.partition(":")
    return Standard(Level(level), version or "latest")


def _modes(
    enforce: str = "privileged", audit: str = "privileged", warn: str = "privileged"
) -> Modes:
    return Modes(enforce=_standard(enforce), audit=_standard(audit), warn=_standard(warn))


@pytest.mark.parametrize(
    ("labels", "expected", "wrong"),
    [
        ({}, _modes(), []),
        ({"app": "x"}, _modes(), []),
        ({"audit": "baseline"}, _modes(audit="baseline"), []),
        ({"warn": "restricted", "warn-version": "v1.30"}, _modes(warn="restricted:v1.30"), []),
        # who enforces more than is warned of is warned of it, too
        ({"enforce": "baseline"}, _modes("baseline", warn="baseline"), []),
        (
            {"enforce": "restricted", "enforce-version": "v1.20"},
            _modes("restricted:v1.20", warn="restricted:v1.20"),
            [],
        ),
        (
            {"enforce": "baseline", "enforce-version": "v1.20", "warn-version": "v1.25"},
            _modes("baseline:v1.20", warn="baseline:v1.25"),
            [],
        ),
        ({"enforce": "baseline", "warn": "privileged"}, _modes("baseline"), []),
        ({"enforce": "baseline", "warn": "restricted"}, _modes("baseline", warn="restricted"), []),
        # what cannot be read
        ({"enforce": "strict"}, _modes("restricted"), ["enforce"]),
        ({"enforce": ""}, _modes("restricted"), ["enforce"]),
        ({"audit": "Baseline"}, _modes(), ["audit"]),
        ({"warn": "none"}, _modes(), ["warn"]),
        (
            {"enforce": "baseline", "enforce-version": "1.30"},
            _modes("baseline", warn="baseline"),
            ["enforce-version"],
        ),
        (
            {"enforce": "x", "audit-version": "y", "warn-version": "z"},
            _modes("restricted"),
            ["enforce", "audit-version", "warn-version"],
        ),
    ],
    ids=str,
)
def test_reads_labels_as_upstream(
    labels: dict[str, str], expected: Modes, wrong: list[str]
) -> None:
    found, faults = modes_of({PREFIX + key: value for key, value in labels.items()})
    assert found == expected
    assert [fault.key.removeprefix(PREFIX) for fault in faults] == wrong


def test_what_labels_leave_out_the_cluster_says() -> None:
    usual = _modes("baseline:v1.30", "restricted", "restricted")
    found, _ = modes_of({f"{PREFIX}enforce": "privileged"}, usual)
    assert found == _modes("privileged:v1.30", "restricted", "restricted")
    found, _ = modes_of({f"{PREFIX}enforce": "restricted"}, _modes(warn="baseline"))
    assert found.warn == Standard(R)


def test_faults_read_as_those_of_the_api_server() -> None:
    _, (level, version) = modes_of({f"{PREFIX}enforce": "x", f"{PREFIX}enforce-version": "y"})
    assert str(level) == (
        'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "x": must be one of '
        "privileged, baseline, restricted"
    )
    assert str(version).endswith('"y": must be "latest" or "v1.x"')


def test_versions_of_privileged_mean_nothing() -> None:
    assert _modes("privileged:v1.1").means_the_same_as(_modes("privileged:v1.2"))
    assert not _modes("baseline:v1.1").means_the_same_as(_modes("baseline:v1.2"))
    assert asks({"metadata": {"labels": {f"{PREFIX}warn": "x"}}})
    assert not asks({"metadata": {"labels": None}})


_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["privileged", "baseline", "restricted", "latest", "v1.3", "", None, 3, {}]
)
_KEYS = st.sampled_from([f"{PREFIX}{mode}{end}" for mode in MODES for end in ("", "-version")])


@settings(max_examples=100, deadline=None)
@given(labels=st.dictionaries(_KEYS, _VALUES))
def test_any_labels_give_an_answer(labels: dict[str, Any]) -> None:
    modes, faults = modes_of(labels)
    enforce = labels.get(f"{PREFIX}enforce", "privileged")
    if enforce not in list(Level):
        assert modes.enforce.level is R
        assert any(fault.key == f"{PREFIX}enforce" for fault in faults)
    else:
        assert modes.enforce.level == enforce
