"""The gate: states and their precedence, lock, policy, due dates, exit codes, reasons."""

from __future__ import annotations

import datetime as dt
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from haechi.gate.baseline import Baseline
from haechi.gate.decide import PRECEDENCE, decide, worst_exit
from haechi.gate.extent import Extent
from haechi.gate.lock import Lock, RulePin
from haechi.gate.owners import Owners
from haechi.model.config import AcceptedGap, Config, CoverageSection, GateSection
from haechi.model.coverage import Coverage
from haechi.model.finding import Finding, FindingState
from haechi.model.scan import Decision, Scan, WaiverStatus
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver, WaiverOrigin
from tests.gate.builders import KEY, TODAY, beside, finding, gap, scan, waiver

CART = finding()
EXPIRED: dict[str, Any] = {"expires": TODAY - dt.timedelta(1)}
LOCKED = Lock(haechi="0.1.0", rules={"k8s-privileged": RulePin(Severity.HIGH)})
EMPTY_LOCK = Lock(haechi="0.1.0", rules={})
BASELINE = Baseline(source="git:main", findings={CART.fingerprint: None})
SEEN = Extent(files=frozenset({"deploy/cart.yaml"}), resources={KEY: "Deployment shop/cart"})
WHOLE = Extent(files=SEEN.files, resources=SEEN.resources, whole=True)


def run(given_: Scan, config: Config | None = None, **more: Any) -> tuple[Scan, Decision]:
    return decide(given_, config=config or Config(), today=TODAY, **more)


def state_of(given_: Finding, **more: Any) -> FindingState:
    return run(scan(given_), **more)[0].findings[0].state


def policy(inline: str) -> Config:
    return Config(gate=GateSection(inline_waivers=inline))


# --- exit codes ----------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "loses"), list(combinations(PRECEDENCE, 2)))
def test_exit_code_precedence_of_every_pair(wins: int, loses: int) -> None:
    assert PRECEDENCE == (2, 1, 3, 0)
    assert worst_exit([wins, loses]) == worst_exit([loses, wins]) == wins


def test_exit_code_of_nothing_and_of_the_unknown() -> None:
    assert worst_exit([]) == 0
    assert worst_exit([0, 139]) == 2


@given(st.lists(st.sampled_from(PRECEDENCE)))
def test_exit_code_is_the_first_of_the_precedence_that_occurs(codes: list[int]) -> None:
    assert worst_exit(codes) == next((code for code in PRECEDENCE if code in codes), 0)


@pytest.mark.parametrize(
    ("severity", "gaps", "code", "blocks"),
    [
        (None, False, 0, False),
        (Severity.MEDIUM, False, 0, False),
        (Severity.HIGH, False, 1, True),
        (Severity.CRITICAL, False, 1, True),
        (None, True, 3, False),
        (Severity.MEDIUM, True, 3, False),
        (Severity.HIGH, True, 1, True),
    ],
)
def test_exit_code_of_findings_and_gaps(
    severity: Severity | None, gaps: bool, code: int, blocks: bool
) -> None:
    findings = () if severity is None else (finding(severity=severity),)
    _, decision = run(scan(*findings, gaps=(gap(),) if gaps else ()))
    assert (decision.exit_code, decision.blocks) == (code, blocks)


@pytest.mark.parametrize("fail_on", list(Severity))
@pytest.mark.parametrize("severity", list(Severity))
def test_blocks_at_or_above_the_threshold(fail_on: Severity, severity: Severity) -> None:
    given_ = scan(finding(severity=severity))
    by_option = run(given_, fail_on=fail_on)[1]
    by_config = run(given_, Config(gate=GateSection(fail_on=fail_on)))[1]
    assert by_option == by_config
    assert by_option.blocks is (severity.rank <= fail_on.rank)
    assert bool(by_option.blocking) is by_option.blocks


# --- states --------------------------------------------------------------------------------


@pytest.mark.parametrize("waived", [True, False])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("new", [True, False])
def test_state_precedence_waived_known_new_open(waived: bool, known: bool, new: bool) -> None:
    state = state_of(
        CART,
        waivers=[waiver()] if waived else [],
        baseline=BASELINE if known else None,
        lock=EMPTY_LOCK if new else LOCKED,
    )
    held = {
        FindingState.WAIVED: waived,
        FindingState.KNOWN: known,
        FindingState.NEW: new,
        FindingState.OPEN: True,
    }
    assert state is next(state for state, holds in held.items() if holds)


@pytest.mark.parametrize("state", [FindingState.WAIVED, FindingState.KNOWN, FindingState.NEW])
def test_only_open_findings_block(state: FindingState) -> None:
    more: dict[FindingState, dict[str, Any]] = {
        FindingState.WAIVED: {"waivers": [waiver()]},
        FindingState.KNOWN: {"baseline": BASELINE},
        FindingState.NEW: {"lock": EMPTY_LOCK},
    }
    gated, decision = run(scan(CART), **more[state])
    assert gated.findings[0].state is state
    assert decision.exit_code == 0
    assert decision.counts[state][Severity.HIGH] == 1
    assert decision.counts[FindingState.OPEN][Severity.HIGH] == 0


def test_an_expired_waiver_brings_a_known_finding_back() -> None:
    gated, decision = run(scan(CART), baseline=BASELINE, waivers=[waiver(**EXPIRED)])
    assert gated.findings[0].state is FindingState.OPEN
    assert decision.exit_code == 1


def test_a_finding_waived_in_the_baseline_is_not_known() -> None:
    baseline = Baseline(source="x", waived=frozenset({CART.fingerprint}))
    assert state_of(CART, baseline=baseline) is FindingState.OPEN


@pytest.mark.parametrize(
    ("pin", "since", "state"),
    [
        (None, 1, FindingState.NEW),
        (RulePin(Severity.HIGH, 1), 1, FindingState.OPEN),
        (RulePin(Severity.HIGH, 1), 2, FindingState.NEW),
        (RulePin(Severity.HIGH, 2), 2, FindingState.OPEN),
        (RulePin(Severity.HIGH, 3), 2, FindingState.OPEN),
    ],
)
def test_lock_holds_back_new_rules_and_later_revisions(
    pin: RulePin | None, since: int, state: FindingState
) -> None:
    lock = Lock(haechi="1", rules={"k8s-privileged": pin} if pin else {})
    assert state_of(finding(since=since), lock=lock) is state


@pytest.mark.parametrize(
    ("locked", "now", "override", "blocks"),
    [
        (Severity.MEDIUM, Severity.HIGH, False, False),
        (Severity.HIGH, Severity.HIGH, False, True),
        (Severity.HIGH, Severity.MEDIUM, False, False),
        (Severity.MEDIUM, Severity.HIGH, True, True),
        (Severity.HIGH, Severity.CRITICAL, False, True),
    ],
)
def test_a_severity_raised_since_the_lock_counts_as_locked(
    locked: Severity, now: Severity, override: bool, blocks: bool
) -> None:
    config = Config(severity={"k8s-privileged": now} if override else {})
    lock = Lock(haechi="1", rules={"k8s-privileged": RulePin(locked)})
    gated, decision = run(scan(finding(severity=now)), config, lock=lock)
    assert gated.findings[0].state is FindingState.OPEN
    assert gated.findings[0].severity is now
    assert decision.blocks is blocks
    milder = [reason for reason in decision.reasons if "milder severity" in reason]
    assert bool(milder) is (now.rank < locked.rank and not override)


# --- waivers -------------------------------------------------------------------------------


def test_the_finding_names_the_waiver_of_the_file_first() -> None:
    gated, decision = run(scan(CART, waivers=(beside(),)), waivers=[waiver(line=7)])
    assert gated.findings[0].waiver == "haechi.waivers.yaml:7"
    assert [use.status for use in decision.waivers] == [WaiverStatus.MATCHED] * 2


@pytest.mark.parametrize("origin", [WaiverOrigin.INLINE, WaiverOrigin.PEER])
@pytest.mark.parametrize(
    ("inline", "severity", "waived"),
    [
        ("allow", Severity.CRITICAL, True),
        ("deny", Severity.INFO, False),
        ("max-medium", Severity.HIGH, False),
        ("max-medium", Severity.MEDIUM, True),
        ("max-medium", Severity.LOW, True),
    ],
)
def test_policy_decides_over_waivers_beside_the_code(
    origin: WaiverOrigin, inline: str, severity: Severity, waived: bool
) -> None:
    given_ = scan(finding(severity=severity), waivers=(beside(origin=origin),))
    gated, decision = run(given_, policy(inline))
    assert (gated.findings[0].state is FindingState.WAIVED) is waived
    assert decision.waivers[0].status is (WaiverStatus.MATCHED if waived else WaiverStatus.DENIED)
    assert decision.waivers[0].count == 1


def test_policy_does_not_touch_the_waiver_file() -> None:
    assert state_of(CART, config=policy("deny"), waivers=[waiver()]) is FindingState.WAIVED


def test_denied_for_the_severe_and_matched_for_the_rest() -> None:
    given_ = scan(finding("1"), finding("2", severity=Severity.LOW), waivers=(beside(),))
    gated, decision = run(given_, policy("max-low"))
    assert [each.state for each in gated.findings] == [FindingState.OPEN, FindingState.WAIVED]
    assert (decision.waivers[0].status, decision.waivers[0].count) == (WaiverStatus.MATCHED, 1)


def test_all_waivers_beside_the_code_are_denied_even_where_nothing_matches() -> None:
    decision = run(scan(waivers=(beside(),)), policy("deny"), extent=WHOLE)[1]
    assert (decision.waivers[0].status, decision.waivers[0].count) == (WaiverStatus.DENIED, 0)


@pytest.mark.parametrize(
    ("given_waiver", "extent", "gaps", "status"),
    [
        (waiver(path="deploy/**"), SEEN, False, WaiverStatus.UNUSED),
        (waiver(path="deploy/**"), None, False, WaiverStatus.NOT_JUDGED),
        (waiver("k8s-never-ran", path="deploy/**"), SEEN, False, WaiverStatus.NOT_JUDGED),
        (waiver("*", path="deploy/**"), SEEN, False, WaiverStatus.UNUSED),
        (waiver(path="gone/**"), SEEN, False, WaiverStatus.NOT_JUDGED),
        (waiver(path="gone/**"), WHOLE, False, WaiverStatus.UNUSED),
        (waiver(path="gone.yaml"), WHOLE, True, WaiverStatus.UNUSED),
        (waiver(path="charts/x/templates/a.yaml"), WHOLE, True, WaiverStatus.NOT_JUDGED),
        (waiver(path="charts/**"), WHOLE, True, WaiverStatus.NOT_JUDGED),
        (waiver(path="**/a.yaml"), WHOLE, True, WaiverStatus.NOT_JUDGED),
        (waiver(path="charts/other/a.yaml"), WHOLE, True, WaiverStatus.UNUSED),
        (waiver(resource="Deployment shop/*"), SEEN, True, WaiverStatus.UNUSED),
        (waiver(resource="Pod gone"), SEEN, False, WaiverStatus.NOT_JUDGED),
        (waiver(resource="Pod gone"), WHOLE, False, WaiverStatus.UNUSED),
        (waiver(resource="Pod gone"), WHOLE, True, WaiverStatus.NOT_JUDGED),
        (waiver(path="deploy/**", resource="Pod gone"), SEEN, False, WaiverStatus.NOT_JUDGED),
        (waiver(fingerprint="0" * 32), SEEN, False, WaiverStatus.NOT_JUDGED),
        (waiver(fingerprint="0" * 32), WHOLE, False, WaiverStatus.UNUSED),
        (waiver(fingerprint="0" * 32), WHOLE, True, WaiverStatus.NOT_JUDGED),
        (waiver(), WHOLE, False, WaiverStatus.UNUSED),
        (waiver(), SEEN, False, WaiverStatus.NOT_JUDGED),
        (beside(), SEEN, False, WaiverStatus.UNUSED),
        (beside(path="other.yaml"), SEEN, False, WaiverStatus.NOT_JUDGED),
        (beside(resource=KEY), SEEN, False, WaiverStatus.UNUSED),
        (waiver(path="deploy/**", **EXPIRED), SEEN, False, WaiverStatus.EXPIRED),
    ],
)
def test_unused_only_where_rule_and_scope_were_evaluated(
    given_waiver: Waiver, extent: Extent | None, gaps: bool, status: WaiverStatus
) -> None:
    given_ = scan(gaps=(gap(),) if gaps else ())
    decision = run(given_, waivers=[given_waiver], extent=extent)[1]
    assert [use.status for use in decision.waivers] == [status]


def test_rules_behind_one_peer_comment_are_not_called_unused_when_one_matches() -> None:
    comment: dict[str, Any] = {"origin": WaiverOrigin.PEER, "source": "checkov:skip=CKV_K8S_16"}
    both = (beside(**comment), beside("k8s-twin", **comment))
    matched = run(scan(CART, waivers=both), extent=WHOLE)[1]
    assert [use.waiver.rule for use in matched.waivers] == ["k8s-privileged"]
    idle = run(scan(waivers=both), extent=WHOLE)[1]
    assert len(idle.waivers) == 2


# --- coverage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path", "code"),
    [
        ("helm-chart", "**", 0),
        ("*", "charts/**", 0),
        ("kustomize", "**", 3),
        ("helm-chart", "other/**", 3),
    ],
)
def test_accepted_gaps_are_kept_but_do_not_count(kind: str, path: str, code: int) -> None:
    accept = AcceptedGap(kind=kind, path=path, reason="known")
    config = Config(coverage=CoverageSection(accept=[accept]))
    gated, decision = run(scan(gaps=(gap(),)), config)
    assert decision.exit_code == code
    assert [each.accepted for each in gated.coverage.gaps] == [code == 0]


def test_a_gap_with_a_line_is_accepted_by_its_path() -> None:
    accept = AcceptedGap(kind="syntax", path="a/b.yaml", reason="known")
    config = Config(coverage=CoverageSection(accept=[accept]))
    assert run(scan(gaps=(gap("syntax", "a/b.yaml:12"),)), config)[1].exit_code == 0


# --- due dates and owners ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "promised", "due"),
    [
        (Severity.CRITICAL, None, dt.date(2026, 11, 28)),
        (Severity.HIGH, None, dt.date(2026, 12, 21)),
        (Severity.INFO, None, None),
        (Severity.HIGH, dt.date(2026, 10, 1), dt.date(2026, 10, 1)),
        (Severity.CRITICAL, dt.date(2027, 3, 1), dt.date(2026, 11, 28)),
        (Severity.INFO, dt.date(2027, 3, 1), dt.date(2027, 3, 1)),
    ],
)
def test_due_date_is_the_earliest_promised(
    severity: Severity, promised: dt.date | None, due: dt.date | None
) -> None:
    baseline = Baseline(source="x", findings={CART.fingerprint: promised})
    gated, _ = run(scan(finding(severity=severity)), baseline=baseline)
    assert gated.findings[0].due == due


def test_a_waived_finding_is_due_when_its_waiver_ends() -> None:
    assert run(scan(CART), waivers=[waiver()])[0].findings[0].due == dt.date(2027, 1, 1)
    assert run(scan(CART, waivers=(beside(),)))[0].findings[0].due is None


def test_owner_is_filled_in_and_never_overwritten() -> None:
    owners = Owners(configured={"**": "@conf"})
    gated, _ = run(scan(CART, finding("2", owner="@pod")), owners=owners)
    assert [each.owner for each in gated.findings] == ["@conf", "@pod"]


# --- reasons -------------------------------------------------------------------------------


def reasons(given_: Scan, config: Config | None = None, **more: Any) -> list[str]:
    return list(run(given_, config, **more)[1].reasons)


def test_reasons_of_a_clean_run() -> None:
    assert reasons(scan()) == ["No open finding at high or above"]


def test_reasons_say_what_blocks() -> None:
    found = [finding("1"), finding("2"), finding("3", severity=Severity.CRITICAL)]
    assert reasons(scan(*found))[0] == "3 open findings at high or above: 1 critical, 2 high"
    assert reasons(scan(found[2]), fail_on=Severity.CRITICAL)[0] == (
        "1 open finding at critical: 1 critical"
    )


@pytest.mark.parametrize(
    ("given_", "more", "sentence"),
    [
        (
            scan(gaps=(gap(),)),
            {},
            "1 Helm chart was not evaluated: charts/x/Chart.yaml",
        ),
        (
            scan(gaps=tuple(gap("odd", f"p{n}") for n in range(5))),
            {},
            "5 gaps of kind odd were not evaluated: p0, p1, p2 and 2 more",
        ),
        (
            scan(CART),
            {"lock": EMPTY_LOCK},
            "1 finding of rules that haechi.lock does not hold yet; "
            "`haechi lock update` shows them and lets them block",
        ),
        (scan(CART), {"baseline": BASELINE}, "1 finding known from the baseline git:main"),
        (scan(CART), {"waivers": [waiver()]}, "1 finding waived"),
        (
            scan(CART),
            {"waivers": [waiver(**EXPIRED)]},
            "The waiver of k8s-privileged at haechi.waivers.yaml:3 expired on 2026-11-20: "
            "1 finding counts again",
        ),
        (
            scan(),
            {"waivers": [waiver(**EXPIRED)]},
            "1 expired waiver to take away: haechi.waivers.yaml:3",
        ),
        (
            scan(CART, waivers=(beside(),)),
            {"config": policy("max-medium")},
            "1 waiver beside the code is not honoured (gate.inline_waivers: max-medium): "
            "deploy/cart.yaml:9",
        ),
        (
            scan(),
            {"waivers": [waiver(), waiver(line=8)], "extent": WHOLE},
            "2 waivers cover nothing any more: haechi.waivers.yaml:3, haechi.waivers.yaml:8",
        ),
        (
            scan(),
            {"waivers": [waiver("k8s-privilegd")], "rules": ["k8s-privileged"]},
            "The waiver at haechi.waivers.yaml:3 names k8s-privilegd, which is no rule here; "
            "did you mean `k8s-privileged`?",
        ),
        (
            scan(),
            {"config": Config(severity={"zzz": Severity.LOW}), "rules": ["k8s-privileged"]},
            "haechi.yaml (severity) names zzz, which is no rule here",
        ),
        (
            scan(),
            {"config": Config(disable=["k8s-privilegd"]), "rules": ["k8s-privileged"]},
            "haechi.yaml (disable) names k8s-privilegd, which is no rule here; "
            "did you mean `k8s-privileged`?",
        ),
        (
            scan(),
            {"config": Config(disable=["k8s-privileged"])},
            "1 rule is switched off in haechi.yaml: k8s-privileged",
        ),
        (
            scan(),
            {"config": Config(exclude=["deploy/**"])},
            "haechi.yaml leaves out what deploy/** matches (exclude)",
        ),
        (
            scan(),
            {"config": Config(severity={"k8s-privileged": Severity.INFO})},
            "haechi.yaml judges k8s-privileged as info (severity)",
        ),
        (
            scan(CART),
            {"baseline": Baseline(source="b", findings={CART.fingerprint: dt.date(2026, 1, 1)})},
            "1 finding past the due date",
        ),
    ],
)
def test_reasons_are_sentences_for_people(
    given_: Scan, more: dict[str, Any], sentence: str
) -> None:
    config = more.pop("config", None)
    assert sentence in reasons(given_, config, **more)


def test_an_empty_look_is_not_shown_as_a_clean_one() -> None:
    nothing = structs.replace(scan(), coverage=Coverage())
    assert any("Nothing was looked at" in reason for reason in reasons(nothing))


def test_other_tools_unused_waivers_are_not_held_against_the_user() -> None:
    found = reasons(scan(waivers=(beside(origin=WaiverOrigin.PEER),)), extent=WHOLE)
    assert not any("nothing any more" in reason for reason in found)


def test_many_unknown_rules_are_listed_in_part() -> None:
    waivers = [waiver(f"k8s-unknown-{number}") for number in range(50)]
    found = reasons(scan(), waivers=waivers, rules=["k8s-privileged"])
    assert sum("names k8s-unknown" in reason for reason in found) == 10
    assert "40 further names are no rules here" in found


# --- properties ----------------------------------------------------------------------------

_FINDINGS = st.lists(
    st.builds(
        lambda name, severity, since: finding(name, severity=severity, since=since),
        st.sampled_from("1234"),
        st.sampled_from(list(Severity)),
        st.integers(1, 3),
    ),
    max_size=5,
)
_WAIVERS = st.lists(
    st.sampled_from(
        [waiver(), waiver(**EXPIRED), beside(), beside(origin=WaiverOrigin.PEER), waiver("k8s-x")]
    ),
    max_size=4,
)


@given(
    _FINDINGS,
    _WAIVERS,
    st.sampled_from([None, BASELINE]),
    st.sampled_from([None, LOCKED, EMPTY_LOCK]),
    st.sampled_from(["allow", "deny", "max-medium"]),
    st.booleans(),
)
def test_decision_is_consistent(
    findings: list[Finding],
    waivers: list[Waiver],
    baseline: Baseline | None,
    lock: Lock | None,
    inline: str,
    gaps: bool,
) -> None:
    given_ = scan(*findings, gaps=(gap(),) if gaps else ())
    gated, decision = run(
        given_, policy(inline), waivers=waivers, baseline=baseline, lock=lock, extent=WHOLE
    )
    assert [each.fingerprint for each in gated.findings] == [f.fingerprint for f in findings]
    assert sum(sum(row.values()) for row in decision.counts.values()) == len(findings)
    open_ones = {f.fingerprint for f in gated.findings if f.state is FindingState.OPEN}
    assert decision.blocking <= open_ones
    assert decision.blocks is bool(decision.blocking)
    assert decision.exit_code == (1 if decision.blocks else 3 if gaps else 0)
    assert len(decision.waivers) <= len(waivers)
    for each in gated.findings:
        assert (each.state is FindingState.WAIVED) is (each.waiver is not None)
    assert decision.reasons
