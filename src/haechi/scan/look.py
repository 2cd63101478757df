"""One look at a tree: collect, judge, turn verdicts into findings, say what was not seen."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from haechi.checks.audits import SHARED as AUDITS
from haechi.checks.judge import Expressions, Judge, applies
from haechi.engines.logins import without_logins
from haechi.model.config import Config
from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import Finding
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review, State, Verdict
from haechi.model.scan import Scan
from haechi.rules.load import RuleFault
from haechi.rules.schema import JudgeKind, Rule
from haechi.scan.findings import Findings, in_order
from haechi.scan.iac.audits import audited
from haechi.scan.iac.collect import Collector, Progress
from haechi.scan.iac.collected import Collected
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.secrets.look import (
    Asked,
    Secrets,
    detector_of,
    look_for_secrets,
    without_doubles,
)
from haechi.scan.suppressions import build_index
from haechi.world.files import Tree

DOMAINS = ("iac", "secrets")
"""What this version can look at; more of code, deps, image, api, crypto come."""


_CREDENTIAL = frozenset({"CWE-259", "CWE-321", "CWE-798"})


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a look needs besides the tree. ``rules`` are ours, ``user_rules`` run isolated."""

    config: Config
    rules: Sequence[Rule]
    only: tuple[str, ...] = ()
    expressions: Expressions
    user_rules: Sequence[Rule] = ()
    rule_faults: Sequence[RuleFault] = ()
    rule_places: Mapping[str, str] = msgspec.field(default_factory=dict)
    progress: Progress | None = None
    secrets: Asked = msgspec.field(default_factory=Asked)
    clock: Callable[[], dt.datetime] = msgspec.field(default=lambda: dt.datetime.now(dt.UTC))


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """The scan and the resources it saw, for the graph and for fixes; ``files`` were judged."""

    scan: Scan
    inventory: Inventory
    dockerfiles: Sequence[Resource]
    workflows: Sequence[Resource]
    files: frozenset[str]


def look(tree: Tree, setup: Setup) -> Looked:
    """Judge everything under ``tree`` that this version understands."""
    started = setup.clock()
    clock = time.monotonic()
    config = setup.config
    disabled = set(config.disable)
    rules = [rule for rule in setup.rules if rule.id not in disabled]
    user_rules = [rule for rule in setup.user_rules if rule.id not in disabled]
    index = build_index([*setup.rules, *setup.user_rules])
    wanted = setup.only or DOMAINS
    collector = Collector(tree, index, setup.progress, kubernetes_version=config.kubernetes_version)
    collected = collector.collect() if "iac" in wanted else Collected()
    secrets = _secrets(tree, setup, user_rules) if "secrets" in wanted else Secrets()
    secrets = without_doubles(secrets, collected.waivers)
    templates = pod_templates(config)
    inventory = Inventory(collected.resources, templates)
    run = _Run(Judge(rules, setup.expressions, templates=templates), setup, collected, inventory)
    run.shared[AUDITS] = audited(collected, rules, index, tree.project)
    run.judge_all()
    run.judge_user_rules([rule for rule in user_rules if rule.judge is JudgeKind.CEL])
    gaps = [*_once([*collected.gaps, *secrets.gaps]), *run.gaps()]
    gaps += [
        Gap(kind="rule-error", path=f"{f.path}:{f.line}", reason=f.message, do="correct the rule")
        for f in setup.rule_faults
    ]
    scan = Scan(
        root=str(tree.root),
        only=setup.only,
        started=started,
        duration=time.monotonic() - clock,
        findings=in_order(_told_once(run.findings.found, secrets.findings, rules)),
        coverage=Coverage(
            looked=_looked(collected, secrets, wanted),
            gaps=tuple(replace(gap, reason=without_logins(gap.reason)) for gap in gaps),
            evaluated=frozenset(run.evaluated) | secrets.evaluated,
        ),
        waivers=tuple(dict.fromkeys((*collected.waivers, *secrets.waivers))),
    )
    return Looked(
        scan=scan,
        inventory=inventory,
        dockerfiles=collected.dockerfiles,
        workflows=collected.workflows,
        files=frozenset(collected.files) | secrets.files,
    )


def _secrets(tree: Tree, setup: Setup, user_rules: Sequence[Rule]) -> Secrets:
    """The look for secrets, over a walk of its own: it reads every file, not just those it
    knows by name."""
    disabled = frozenset(setup.config.disable)
    detector, gaps = detector_of(setup.rules, user_rules, disabled=disabled)
    own = Tree(
        root=tree.root,
        exclude=tree.exclude,
        within=tree.within,
        source=tree.source,
        ignored=tree.ignored,
    )
    found = look_for_secrets(
        own,
        detector,
        setup.secrets,
        severities=setup.config.severity,
        progress=setup.progress,
    )
    return replace(found, gaps=(*gaps, *found.gaps))


def _once(gaps: Sequence[Gap]) -> list[Gap]:
    """What two domains could not read is told once."""
    return list({(gap.kind, gap.path): gap for gap in reversed(gaps)}.values())[::-1]


def _told_once(
    judged: Sequence[Finding], secrets: Sequence[Finding], rules: Sequence[Rule]
) -> list[Finding]:
    """All findings, less what the generic family says of a line in which a rule that knows the
    file's language found the credential."""
    generic = {rule.id for rule in rules if rule.pattern is not None and rule.pattern.generic}
    known = {
        (finding.location.path, finding.location.line)
        for finding in judged
        if not _CREDENTIAL.isdisjoint(finding.cwe)
    }
    kept = [
        finding
        for finding in secrets
        if finding.rule not in generic
        or not finding.in_tree
        or (finding.location.path, finding.location.line) not in known
    ]
    return [*judged, *kept]


def _looked(collected: Collected, secrets: Secrets, wanted: Sequence[str]) -> dict[str, int]:
    looked: dict[str, int] = {}
    if "iac" in wanted:
        looked = {
            "files": collected.seen,
            "kubernetes objects": len(collected.resources),
            "dockerfiles": len(collected.dockerfiles),
            "workflows": len(collected.workflows),
        }
    return {**looked, **secrets.looked}


class _Run:
    def __init__(
        self, judge: Judge, setup: Setup, collected: Collected, inventory: Inventory
    ) -> None:
        self.judge = judge
        self.setup = setup
        self.collected = collected
        self.inventory = inventory
        self.findings = Findings(setup.config.severity)
        self.evaluated: set[str] = set()
        self.shared: dict[str, object] = {}
        self._troubles: dict[tuple[str, str], list[Verdict]] = {}
        self._trouble_at: dict[tuple[str, str], str] = {}
        self._rules: dict[str, Rule] = {rule.id: rule for rule in judge.rules}
        self._user_faults: Sequence[Gap] = ()

    def judge_all(self) -> None:
        """Our own rules over every resource, in this process."""
        held = self.collected
        for resource in (*held.resources, *held.dockerfiles, *held.workflows):
            self._take(resource, self.judge.review(self.review(resource)))

    def judge_user_rules(self, rules: Sequence[Rule]) -> None:
        """Users' rules in a child process that can be killed at its deadline."""
        if not rules:
            return
        from haechi.world.isolated import IsolatedRules

        self._rules.update({rule.id: rule for rule in rules})
        reviews = [self.review(r) for r in self.collected.resources]
        by_type: dict[str, list[str]] = {}

        def rules_of(review: Review) -> list[str]:
            resource = review.resource
            if resource.type not in by_type:
                by_type[resource.type] = [
                    rule.id for rule in rules if applies(rule, resource, self.judge.templates)
                ]
            return by_type[resource.type]

        with IsolatedRules(rules) as isolated:
            verdicts = isolated.judge(reviews, rules_of)
            for review, found in zip(reviews, verdicts, strict=True):
                self._take(review.resource, found)
            self._user_faults = [
                replace(gap, path=self.setup.rule_places.get(gap.path, gap.path))
                for gap in isolated.faults
            ]
            told = {gap.path for gap in isolated.faults}
            for key in [key for key in self._troubles if key[1] in told]:
                del self._troubles[key]

    def review(self, resource: Resource) -> Review:
        """The review of a resource found in a file."""
        memo: dict[str, object] = {"kubernetes_version": self.setup.config.kubernetes_version}
        return Review(resource=resource, scope=self.inventory, memo=memo, shared=self.shared)

    def _take(self, resource: Resource, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            if verdict.state is State.PASS:
                self.evaluated.add(verdict.rule)
            elif verdict.state is State.FAIL:
                self.evaluated.add(verdict.rule)
                origin = self.collected.origins.get(id(resource))
                self.findings.add(self._rules[verdict.rule], verdict, resource, origin=origin)
            elif verdict.state is State.NOT_EVALUATED and self._is_told(verdict):
                continue
            elif verdict.state in (State.ERROR, State.NOT_EVALUATED):
                kind = "rule-error" if verdict.state is State.ERROR else "not-evaluated"
                key = (kind, verdict.rule)
                if key not in self._troubles:
                    self._trouble_at[key] = str(resource.locate(verdict.path))
                self._troubles.setdefault(key, []).append(verdict)

    def _is_told(self, verdict: Verdict) -> bool:
        """What zizmor did not judge is one gap, not one for each rule that it serves."""
        return self._rules[verdict.rule].judge is JudgeKind.ZIZMOR

    def gaps(self) -> list[Gap]:
        """One gap per rule that could not judge, with its first case and how many there are."""
        out = list(self._user_faults)
        for (kind, rule), cases in self._troubles.items():
            more = f" (and {len(cases) - 1:,} more)" if len(cases) > 1 else ""
            reason = f"rule {rule} could not judge: {cases[0].message[:500]}{more}"
            out.append(Gap(kind=kind, path=self._trouble_at[kind, rule], reason=reason))
        if self.findings.left_out:
            out.append(
                Gap(
                    kind="too-many-findings",
                    path=".",
                    reason=f"{self.findings.left_out:,} further findings are not listed",
                )
            )
        return out


def pod_templates(config: Config) -> Mapping[str, AttrPath]:
    """``haechi.yaml: pod_templates`` as the judge takes them: the path leads to the template."""
    return {entry.kind: entry.steps for entry in config.pod_templates}
