"""The look at configuration: collect, judge, turn verdicts into findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from haechi.checks.audits import SHARED as AUDITS
from haechi.checks.judge import Judge, applies
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.model.review import Review, State, Verdict
from haechi.model.unknown import is_unknown_within
from haechi.model.waiver import Waiver
from haechi.rules.schema import JudgeKind, Rule
from haechi.scan.findings import Findings
from haechi.scan.iac.audits import audited
from haechi.scan.iac.collect import Collector
from haechi.scan.iac.collected import Collected
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.setup import Part, Setup, pod_templates
from haechi.scan.suppressions import build_index
from haechi.world.files import Tree

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.verdicts import Verdicts


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in configuration, and the resources that it was found in."""

    part: Part
    inventory: Inventory
    dockerfiles: Sequence[Resource]
    workflows: Sequence[Resource]


def look_at_configuration(tree: Tree, setup: Setup) -> Configuration:
    """Judge the manifests, Dockerfiles and workflows of a tree."""
    config = setup.config
    rules = setup.enabled(setup.rules)
    index = build_index([*setup.rules, *setup.user_rules])
    collector = Collector(
        tree,
        index,
        setup.progress,
        kubernetes_version=config.kubernetes_version,
        var_files=config.terraform.var_files,
    )
    collected = collector.collect()
    templates = pod_templates(config)
    known = [one for one in collected.objects if not is_unknown_within(one.data)]
    inventory = Inventory([*collected.resources, *known], templates, others=collected.terraform)
    run = _Run(Judge(rules, setup.expressions(), templates=templates), setup, collected, inventory)
    run.shared[AUDITS] = audited(collected, rules, index, tree.project)
    run.judge_all()
    own = setup.enabled(setup.user_rules)
    run.judge_user_rules([rule for rule in own if rule.judge is JudgeKind.CEL])
    run.finish()
    return Configuration(
        part=Part(
            findings=run.findings.found,
            gaps=(*collected.gaps, *run.gaps()),
            waivers=(*collected.waivers, *run.waivers),
            looked={
                "files": collected.seen,
                "kubernetes objects": len(collected.resources),
                "dockerfiles": len(collected.dockerfiles),
                "workflows": len(collected.workflows),
                **({"falco rule files": len(collected.falco)} if collected.falco else {}),
                **collected.counts,
                **run.counts,
            },
            evaluated=frozenset(run.evaluated),
            files=frozenset(collected.files),
        ),
        inventory=inventory,
        dockerfiles=collected.dockerfiles,
        workflows=collected.workflows,
    )


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
        self.counts: Mapping[str, int] = {}
        self.waivers: Sequence[Waiver] = ()
        self._terraform: Verdicts | None = None
        if collected.terraform or collected.objects:
            from haechi.scan.iac.terraform.verdicts import Verdicts

            self._terraform = Verdicts(collected, self.findings)

    def judge_all(self) -> None:
        """Our own rules over every resource, in this process."""
        held = self.collected
        for resource in (*held.resources, *held.dockerfiles, *held.workflows, *held.falco):
            self._take(resource, self.judge.review(self.review(resource)))
        if held.objects:
            self._judge_objects()
        for resource in held.terraform:
            if held.only and resource.file != held.only:
                continue
            if self.judge.rules_for(resource):
                self._take(resource, self.judge.review(self.review(resource)))

    def _judge_objects(self) -> None:
        """Objects that Terraform declares, in a scope that holds those of them of which not all is
        known: whoever looks at such a neighbour learns that, and manifests are not held up."""
        held = self.collected
        own = Inventory([*held.resources, *held.objects], self.judge.templates)
        shared: dict[str, object] = {}
        for resource in held.objects:
            if held.only and resource.file != held.only:
                continue
            review = self.review(resource, scope=own, shared=shared)
            self._take(resource, self.judge.review(review))

    def judge_user_rules(self, rules: Sequence[Rule]) -> None:
        """Users' rules in a child process that can be killed at its deadline."""
        if not rules:
            return
        from haechi.world.isolated import IsolatedRules

        self._rules.update({rule.id: rule for rule in rules})
        held = self.collected
        reviews = [self.review(r) for r in (*held.resources, *held.objects, *held.terraform)]
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

    def review(
        self,
        resource: Resource,
        *,
        scope: Inventory | None = None,
        shared: dict[str, object] | None = None,
    ) -> Review:
        """The review of a resource found in a file."""
        memo: dict[str, object] = {"kubernetes_version": self.setup.config.kubernetes_version}
        return Review(
            resource=resource,
            scope=scope or self.inventory,
            memo=memo,
            shared=self.shared if shared is None else shared,
        )

    def finish(self) -> None:
        """What is told of all of Terraform together."""
        if self._terraform is not None:
            self._terraform.finish()
            self.counts = self._terraform.counts()
            self.waivers = self._terraform.waivers
            self.evaluated -= self._terraform.waiting()

    def _take(self, resource: Resource, verdicts: Sequence[Verdict]) -> None:
        terraform = self._terraform
        if terraform is not None and not terraform.concerns(resource):
            terraform = None
        for verdict in verdicts:
            if verdict.state is State.PASS:
                self.evaluated.add(verdict.rule)
            elif verdict.state is State.FAIL and terraform is not None:
                self.evaluated.add(verdict.rule)
                terraform.fail(self._rules[verdict.rule], verdict, resource)
            elif verdict.state is State.FAIL:
                self.evaluated.add(verdict.rule)
                origin = self.collected.origins.get(id(resource))
                self.findings.add(self._rules[verdict.rule], verdict, resource, origin=origin)
            elif verdict.state is State.NOT_EVALUATED and (
                self._is_told(verdict)
                or (terraform is not None and terraform.doubt(verdict, resource))
            ):
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
        if self._terraform is not None:
            out.extend(self._terraform.gaps())
        if self.findings.left_out:
            out.append(
                Gap(
                    kind="too-many-findings",
                    path=".",
                    reason=f"{self.findings.left_out:,} further findings are not listed",
                )
            )
        return out
