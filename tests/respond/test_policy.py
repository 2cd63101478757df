"""The policy: what it decides and by which entry, what it protects, and how it is read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.model.response import ActionKind, Stage
from haechi.model.threat import ThreatLevel
from haechi.respond.policy import Case, ResponsePolicy, healthy_of, load_policy
from haechi.respond.policy_file import Limits, PolicyFile, parse

K, L = ActionKind, ThreatLevel
DAY = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


def policy(text: str) -> ResponsePolicy:
    return ResponsePolicy(parse(text.encode(), "p.yaml"), origin="p.yaml", text=text)


def case(level: ThreatLevel = L.CRITICAL, **values: Any) -> Case:
    given_: dict[str, Any] = {"level": level, "cluster": "prod", "namespace": "shop", "at": DAY}
    return Case(**(given_ | values))


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        (L.CRITICAL, [K.ISOLATE, K.BLOCK]),
        (L.HIGH, [K.MONITOR, K.LIMIT]),
        (L.MEDIUM, [K.VERBOSE]),
        (L.LOW, []),
        (L.INFO, []),
    ],
    ids=lambda value: getattr(value, "word", None),
)
def test_the_built_in_policy_is_the_guides_and_recommends(
    level: ThreatLevel, kinds: list[ActionKind]
) -> None:
    decided = load_policy(None).decide(case(level))
    assert [one.kind for one in decided.responses] == kinds
    assert {one.stage for one in decided.responses} <= {Stage.RECOMMEND}
    assert {one.ttl_s for one in decided.responses} <= {1800}


OVERRIDES = """
stage: recommend
rollout:
  - {namespace: [shop*], stage: approve}
  - {namespace: [shop], stage: enforce, from: 2026-12-01}
overrides:
  - {name: pay, match: {namespace: [pay-*]}, stage: observe}
  - name: miner
    match: {tag: [mitre_impact], level: [critical]}
    actions: [scale_to_zero]
    ttl: 2h
  - {name: by rule, match: {rule: ["Shell *"]}, actions: [evidence_snapshot]}
  - {name: label, match: {label: {tier: gold}}, stage: recommend}
  - {name: later, match: {}, stage: enforce, from: 2027-01-01}
"""


@pytest.mark.parametrize(
    ("values", "kinds", "stage", "because"),
    [
        ({}, [K.ISOLATE, K.BLOCK], Stage.ENFORCE, "rollout[1]"),
        ({"at": DAY - dt.timedelta(days=1)}, [K.ISOLATE, K.BLOCK], Stage.APPROVE, "rollout[0]"),
        ({"namespace": "shop-2"}, [K.ISOLATE, K.BLOCK], Stage.APPROVE, "rollout[0]"),
        ({"namespace": "other"}, [K.ISOLATE, K.BLOCK], Stage.RECOMMEND, "stage"),
        ({"namespace": "pay-1"}, [K.ISOLATE, K.BLOCK], Stage.OBSERVE, "overrides[pay]"),
        ({"rules": ("Shell in it",)}, [K.SNAPSHOT], Stage.ENFORCE, "rollout[1]"),
        ({"labels": {"tier": "gold"}}, [K.ISOLATE, K.BLOCK], Stage.RECOMMEND, "overrides[label]"),
        ({"tags": ("mitre_impact",)}, [K.SCALE_TO_ZERO], Stage.APPROVE, "irreversible"),
        (
            {"at": DAY + dt.timedelta(days=40)},
            [K.ISOLATE, K.BLOCK],
            Stage.ENFORCE,
            "overrides[later]",
        ),
    ],
    ids=[
        "from its day on", "before", "glob", "elsewhere", "override", "rule", "label",
        "irreversible", "later",
    ],
)  # fmt: skip
def test_the_last_entry_that_fits_decides_and_is_named(
    values: dict[str, Any], kinds: list[ActionKind], stage: Stage, because: str
) -> None:
    decided = policy(OVERRIDES).decide(case(**values))
    assert [one.kind for one in decided.responses] == kinds
    assert {(one.stage, one.because) for one in decided.responses} == {(stage, because)}
    assert any(because in words or "irreversible" in words for words in decided.why)


def test_an_override_has_its_own_time() -> None:
    decided = policy(OVERRIDES).decide(case(tags=("mitre_impact",)))
    assert decided.responses[0].ttl_s == 7200 and "overrides[miner]" in decided.why[-1]


def test_nothing_goes_further_than_the_settings_let_it() -> None:
    decided = policy("stage: enforce").decide(case(), most=Stage.RECOMMEND)
    assert {(one.stage, one.because) for one in decided.responses} == {
        (Stage.RECOMMEND, "respond.most")
    }


def test_what_cannot_be_undone_is_automatic_only_where_it_is_named() -> None:
    named = "stage: enforce\nlevels: {critical: [evict_pod]}\n"
    assert policy(named).decide(case()).responses[0].stage is Stage.APPROVE
    named += "irreversible: [evict_pod]\n"
    assert policy(named).decide(case()).responses[0].stage is Stage.ENFORCE


def test_own_entries_add_to_what_is_protected_and_except_takes_away() -> None:
    own = policy(
        "protected: {namespaces: [bank], addresses: [198.51.100.0/24], except: [10.0.0.0/8]}"
    )
    assert own.namespace_kept("bank") == "bank" and own.namespace_kept("kube-system")
    assert own.namespace_kept("haechi-2") == "haechi-*" and not own.namespace_kept("shop")
    assert own.owner_kept("DaemonSet") and not own.owner_kept("Deployment")
    assert own.address_kept("198.51.100.7") and not own.address_kept("10.1.2.3")
    assert own.address_kept("::ffff:192.168.1.1") == "192.168.0.0/16"
    assert own.address_kept("x") == "no IP address" and not own.address_kept("203.0.113.9")


@pytest.mark.parametrize(
    ("healthy", "replicas", "needed"), [(1, 9, 1), ("50%", 5, 3), ("0%", 5, 0), ("100%", 4, 4)]
)
def test_a_share_of_healthy_pods_is_rounded_up(
    healthy: int | str, replicas: int, needed: int
) -> None:
    assert healthy_of(Limits(healthy=healthy), replicas) == needed


FAULTS = [
    ("stag: enforce", "p.yaml:1", "did you mean `stage`"),
    ("\nstage: enforc", "p.yaml:2", "enforce"),
    ("ttl: 3x", "p.yaml:1", "30m"),
    ("ttl: 31d", "p.yaml:1", "at most 30d"),
    ("limits: {hour: -1}", "p.yaml:1", "limits.hour"),
    ("limits: {healthy: 120%}", "p.yaml:1", "healthy"),
    ("limits: {healthy: -1}", "p.yaml:1", "healthy"),
    ("levels: {critical: [isolate]}", "p.yaml:1", "isolate_workload"),
    ("overrides: [{name: a, match: {}}]", "p.yaml:1", "changes nothing"),
    ("overrides: [{name: '', match: {}, ttl: 1m}]", "p.yaml:1", "name of its own"),
    ("overrides: [{name: a, match: {level: [bad]}, ttl: 1m}]", "p.yaml:1", "no level"),
    ("protected: {addresses: [10.0.0.1/8]}", "p.yaml:1", "host bits"),
    ("protected: {except: [kube-sytem]}", "p.yaml:1", "did you mean `kube-system`"),
    ("irreversible: [cordon_node]", "p.yaml:1", "can be undone"),
    ("levels: {high: [webhook]}", "p.yaml:1", "receiver"),
    ("stage: [enforce", "p.yaml:", ""),
    ("stage: enforce\n---\nstage: observe", "p.yaml:", "second YAML document"),
    ("stage: enforce\nstage: observe", "p.yaml:", "twice"),
]


@pytest.mark.parametrize(("text", "where", "says"), FAULTS, ids=[one[0][:40] for one in FAULTS])
def test_faults_are_told_with_their_line_and_a_remedy(text: str, where: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "p.yaml")
    words = caught.value.explain()
    assert where in words and says in words


def test_an_empty_file_is_the_built_in_policy() -> None:
    assert parse(b"# nothing\n", "p.yaml") == PolicyFile()
    defaults, builtin = PolicyFile(), load_policy(None).file
    assert (builtin.levels, builtin.limits, builtin.ttl, builtin.stage) == (
        defaults.levels,
        defaults.limits,
        defaults.ttl,
        defaults.stage,
    )


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_policy(tmp_path / "none.yaml")


keys = st.sampled_from([*PolicyFile.__struct_fields__, "from", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["enforce", "30m", "*", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_whatever_stands_in_a_file_it_is_read_or_refused(data: dict[str, Any]) -> None:
    import json

    try:
        file = parse(json.dumps(data).encode(), "p.yaml")
    except ConfigError as error:
        assert error.explain().startswith("p.yaml")
        return
    found = ResponsePolicy(file, origin="p.yaml", text="")
    assert found.decide(case()).why


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text.encode("utf-8", "replace"), "p.yaml")
    except ConfigError as error:
        assert "p.yaml" in error.explain()
