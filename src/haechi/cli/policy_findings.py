"""What the policies of the door say of a repository's objects, as findings of its scan.

``haechi.yaml: admission`` names the policies. A failure that would refuse the object blocks the
gate as a finding of high severity does; one that warns is medium, one that is only written down
low. A policy that protects nothing is a finding, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from haechi.admit.apart import judged_apart
from haechi.admit.checking import UNJUDGED, Judged, judge_all, would_deny
from haechi.admit.load import load_policies
from haechi.admit.naming import rule_id
from haechi.admit.policies import PolicySet
from haechi.admit.view import ObjectsView
from haechi.cli.policy_check import is_policy
from haechi.errors import ConfigError, UsageError
from haechi.model.admission import Effect, Family, PolicyFault, PolicyInfo, PolicyVerdict
from haechi.model.config import Config
from haechi.model.coverage import Gap
from haechi.model.finding import Finding, fingerprint
from haechi.model.location import Location
from haechi.model.review import Point, State, Verdict
from haechi.model.scan import Scan
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule, Text
from haechi.scan.findings import Findings, in_order
from haechi.scan.look import Looked
from haechi.world.manifests import Manifests, read_manifests

FAULT = "policy-without-effect"
_MOST = 1_000


def with_policies(looked: Looked, root: Path, config: Config) -> tuple[Looked, dict[str, Rule]]:
    """The look with what policies say added to it, and the rules that those findings name.

    Raises ConfigError for a folder or pack that is not there.
    """
    section = config.admission
    if not section.policies and not section.packs:
        return looked, {}
    documents = _documents(root, section.policies)
    try:
        policies = load_policies(documents.resources, packs=section.packs)
    except UsageError as error:
        raise ConfigError(error.what, do=error.do, where="haechi.yaml: admission.packs") from error
    run = _Run(policies, config)
    objects = [one for one in looked.inventory.resources if not is_policy(one)]
    view = ObjectsView.of((*looked.inventory.resources, *documents.resources))
    for judged in judge_all(policies, objects, view, point=Point.FILE, judging=judged_apart):
        run.take(judged)
    findings = [*looked.scan.findings, *run.findings.found, *_faults(policies.faults)]
    return replace(looked, scan=_extended(looked.scan, findings, run, documents)), run.rules


def _documents(root: Path, places: Iterable[str]) -> Manifests:
    paths = []
    for place in places:
        path = (root / place).resolve()
        if not path.is_relative_to(root.resolve()) or not path.exists():
            raise ConfigError(
                f"admission.policies: there is no {place} in this repository",
                do="name a folder with policies, relative to haechi.yaml",
                where="haechi.yaml",
            )
        paths.append(path)
    return read_manifests(paths, root=root.resolve())


class _Run:
    def __init__(self, policies: PolicySet, config: Config) -> None:
        self.infos = {policy.info.id: policy.info for policy in policies.policies}
        self.findings = Findings(config.severity)
        self.rules: dict[str, Rule] = {FAULT: _FAULT_RULE}
        self.evaluated: set[str] = set()
        self.troubles: dict[str, tuple[PolicyVerdict, str]] = {}
        self.objects = 0
        self._of: dict[tuple[str, Effect], Rule] = {}

    def take(self, judged: Judged) -> None:
        """Turn one object's verdicts into findings and gaps."""
        self.objects += 1
        for verdict in judged.decision.verdicts:
            info = self.infos[verdict.policy]
            if info.family is Family.RULES:
                continue  # the scan has judged by them already
            if verdict.state in UNJUDGED:
                place = str(judged.resource.locate(verdict.path))
                self.troubles.setdefault(verdict.policy, (verdict, place))
                continue
            self.evaluated.add(rule_id(verdict.policy))
            if verdict.state is State.FAIL:
                self._failed(info, verdict, judged)

    def _failed(self, info: PolicyInfo, verdict: PolicyVerdict, judged: Judged) -> None:
        effect = verdict.effects[0] if verdict.effects else Effect.AUDIT
        if would_deny(verdict):
            effect = Effect.DENY
        key = (info.id, effect)
        rule = self._of.get(key)
        if rule is None:
            rule = self._of[key] = _rule(info, effect)
            self.rules[rule.id] = rule
        named = verdict.rule and verdict.rule not in (info.id, info.name)
        message = f"{verdict.rule}: {verdict.message}" if named else verdict.message
        said = Verdict(rule.id, State.FAIL, message, verdict.path, verdict.evidence)
        self.findings.add(rule, said, judged.resource)

    def gaps(self) -> Iterable[Gap]:
        """One for each policy that could not judge, with its first case."""
        for policy, (verdict, place) in self.troubles.items():
            reason = f"policy {policy} could not judge: {verdict.message[:500]}"
            yield Gap(kind="policy-error", path=place, reason=reason)


def _extended(scan: Scan, findings: Iterable[Finding], run: _Run, documents: Manifests) -> Scan:
    coverage = scan.coverage
    looked = {**coverage.looked, "objects judged by policies": run.objects}
    return replace(
        scan,
        findings=in_order(findings),
        coverage=replace(
            coverage,
            looked=looked,
            gaps=(*coverage.gaps, *documents.gaps, *run.gaps()),
            evaluated=coverage.evaluated | run.evaluated,
        ),
    )


_SEVERITIES: Mapping[Effect, Severity] = {
    Effect.DENY: Severity.HIGH,
    Effect.WARN: Severity.MEDIUM,
    Effect.AUDIT: Severity.LOW,
}


def _rule(info: PolicyInfo, effect: Effect) -> Rule:
    """The policy in the shape in which reports tell of rules."""
    severity = _SEVERITIES[effect]
    own = Severity(info.severity) if info.severity in list(Severity) else severity
    if effect is Effect.DENY and own.at_least(severity):
        severity = own
    where = f" It is written in {info.file}:{info.line}." if info.file else ""
    return Rule(
        id=rule_id(info.id),
        title=info.title or info.name,
        severity=severity,
        why=(info.description or "A policy of the cluster's door says so.") + where,
        fix=info.fix or "change the object as the message says, or ask who owns the policy",
        judge=JudgeKind.PYTHON,
        applies_to=AppliesTo(kinds=["kubernetes"]),
        bad=[],
        good=[],
    )


_FAULT_RULE = Rule(
    id=FAULT,
    title="A policy does not do what it looks like",
    severity=Severity.HIGH,
    why="Everybody counts on a policy that is there. One that cannot be loaded, or that nothing "
    "ever applies, lets through what it was written against.",
    fix="correct it as the message says, or delete it",
    judge=JudgeKind.PYTHON,
    applies_to=AppliesTo(kinds=["kubernetes"]),
    bad=[],
    good=[],
    ko=Text(
        title="정책이 보이는 대로 작동하지 않습니다",
        why="존재하는 정책은 모두가 믿습니다. 불러올 수 없거나 아무것에도 적용되지 않는 정책은 "
        "막으려던 것을 그대로 통과시킵니다.",
        fix="메시지대로 고치거나 삭제하세요",
    ),
)


def _faults(faults: Iterable[PolicyFault]) -> Iterable[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for fault in list(faults)[:_MOST]:
        place = fault.file or fault.object
        key = (place, fault.what)
        ordinal = seen[key] = seen.get(key, -1) + 1
        line = max(fault.line, 1)
        yield Finding(
            rule=FAULT,
            severity=Severity.HIGH if fault.fatal else Severity.MEDIUM,
            title=_FAULT_RULE.title,
            message=". ".join(
                part.rstrip(".") for part in (fault.what, fault.why, fault.do) if part
            ),
            location=Location(
                path=fault.file, line=line, end_line=line, column=max(fault.column, 1)
            ),
            resource=fault.object,
            fingerprint=fingerprint(FAULT, place, f"{fault.kind}/{fault.what}", ordinal),
        )
