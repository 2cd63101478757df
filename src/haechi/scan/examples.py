"""Run the examples of a rule through the real parsers and the one evaluator.

Used by the test over all built-in rules and by ``haechi rules check`` over a user's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from haechi.checks.audits import SHARED
from haechi.checks.deps.view import KIND as PACKAGE_FILE
from haechi.checks.judge import Expressions, Judge
from haechi.checks.secrets.detect import Detector, sources_of
from haechi.engines.dockerfile import resource_of
from haechi.engines.documents import Fault, parse_documents
from haechi.engines.objects import resources_of
from haechi.engines.patterns import keyword_matcher
from haechi.errors import InputError
from haechi.model.resource import Resource
from haechi.model.review import Review, State, Verdict
from haechi.rules.schema import PLAIN_KINDS, TERRAFORM_KIND, JudgeKind, Rule
from haechi.scan.falco import EXAMPLE, FALCO_RULES, read_rules
from haechi.scan.iac.audits import Audited
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.iac.workflows import ACTION, EXAMPLES, WORKFLOW, may_be_action, read_workflow
from haechi.scan.secrets.examples import detector_faults
from haechi.world import zizmor


def example_faults(
    rule: Rule, expressions: Expressions | None = None, audits: Audited | None = None
) -> Iterator[str]:
    """A sentence for each example that does not hold.

    ``audits`` is what ``audit_examples`` found for many rules together; else zizmor runs here.
    """
    if rule.judge is JudgeKind.PATTERN:
        yield from detector_faults(rule, _detector)
        return
    if rule.judge is JudgeKind.FALCO:
        from haechi.rules.detection_examples import detection_faults

        yield from detection_faults(rule)
        return
    if expressions is None:
        from haechi.engines.cel import CelEngine

        expressions = CelEngine()
    judge = Judge([rule], expressions)
    if rule.judge is JudgeKind.ZIZMOR and audits is None:
        audits = audit_examples([rule])
    for kind, examples in (("bad", rule.bad), ("good", rule.good)):
        for number, text in enumerate(examples, 1):
            where = f"{rule.id}: {kind} example {number}"
            try:
                states = [verdict.state for verdict in judge_example(judge, rule, text, audits)]
            except InputError as error:
                yield f"{where}: {error.what}"
                continue
            yield from (f"{where}: {fault}" for fault in _wrong(kind, states))


def _detector(rule: Rule) -> Detector:
    return Detector([rule], keyword_matcher(sources_of([rule])))


def audit_examples(rules: Iterable[Rule]) -> Audited:
    """What zizmor finds in the examples of its rules, in one run."""
    inputs = {
        text: zizmor.Input(path=text, kind=_kind(text, rule.applies_to.kinds), data=text.encode())
        for rule in rules
        if rule.judge is JudgeKind.ZIZMOR
        for text in (*rule.bad, *rule.good)
    }
    report = zizmor.audit(list(inputs.values()), Path(os.devnull))
    return Audited(results=report.results, refused=report.refused, missing=report.missing)


def judge_example(
    judge: Judge, rule: Rule, text: str, audits: Audited | None = None
) -> list[Verdict]:
    """Verdicts of one example; every object in it is judged with all of them as scope."""
    if rule.applies_to.kinds == ["dockerfile"]:
        resource, faults = resource_of(text, "Dockerfile")
        if faults and "syntax" not in rule.tags:
            raise InputError(f"line {faults[0].line}: {faults[0].message}")
        return judge.review(Review(resource=resource))
    if rule.applies_to.kinds == [PACKAGE_FILE]:
        from haechi.scan.deps.catalogued import example_reviews

        return [verdict for one in example_reviews(text) for verdict in judge.review(one)]
    if rule.applies_to.kinds == [FALCO_RULES]:
        return [verdict for review in _falco(text) for verdict in judge.review(review)]
    kinds = [kind for kind in rule.applies_to.kinds if kind in EXAMPLES]
    if kinds:
        resource = _pipeline(text, kinds)
        shared = {SHARED: audits.known_as(text, resource.file)} if audits else {}
        return judge.review(Review(resource=resource, shared=shared))
    resources = _terraform(text) if is_terraform_rule(rule) else _objects(text)
    scope = Inventory(resources)
    verdicts: list[Verdict] = []
    for resource in resources:
        verdicts += judge.review(Review(resource=resource, scope=scope))
    return verdicts


def is_terraform_rule(rule: Rule) -> bool:
    """Whether a rule judges blocks of Terraform."""
    kinds = [kind for kind in rule.applies_to.kinds if kind not in PLAIN_KINDS]
    return any(TERRAFORM_KIND.match(kind) for kind in kinds)


def _terraform(text: str) -> list[Resource]:
    """The resources of an example, which is one root module in one file, or a state."""
    if text.lstrip().startswith("{"):
        from haechi.scan.iac.terraform.plans import read_plan

        planned = read_plan(text.encode(), "terraform.tfstate")
        if planned is None:
            raise InputError("neither a state nor a plan")
        return [*planned.resources, *([planned.state] if planned.state else [])]
    from haechi.scan.iac.terraform.read import read_texts

    found = read_texts({"main.tf": text.encode()})
    for gap in found.gaps:
        if gap.kind != "terraform-module":  # an example may call one that is elsewhere
            raise InputError(f"{gap.path}: {gap.reason}")
    return found.resources


def _pipeline(text: str, kinds: Sequence[str]) -> Resource:
    """The resource of an example of a CI file, read under the name that such files have.

    Where a rule is for several kinds, what the example says at its top tells which it is.
    """
    kind = _kind(text, kinds)
    resource, gaps = read_workflow(text.encode(), EXAMPLES[kind], kind)
    if gaps or resource is None:
        raise InputError(gaps[0].reason if gaps else "the example is empty")
    return resource


def _kind(text: str, kinds: Sequence[str]) -> str:
    told = ACTION if may_be_action(text.encode()) else WORKFLOW
    return told if told in kinds else kinds[0]


def _falco(text: str) -> list[Review]:
    """The review of an example of a Falco rule file; what Falco refuses for a missing list is
    what some rules are about, so a fault of loading does not end it."""
    resources, _ = read_rules({EXAMPLE: text})
    return [Review(resource=resource) for resource in resources]


def _objects(text: str) -> list[Resource]:
    resources: list[Resource] = []
    for document in parse_documents(text.encode()):
        if isinstance(document, Fault):
            raise InputError(f"line {document.line}: {document.message}")
        resources.extend(resources_of(document, "example.yaml"))
    return resources


def _wrong(kind: str, states: list[State]) -> Iterator[str]:
    if State.ERROR in states:
        yield "the judge failed"
    elif kind == "bad" and State.FAIL not in states:
        yield "nothing was found" if states else "the rule does not apply to it"
    elif kind == "good" and State.FAIL in states:
        yield "a violation was found"
    elif kind == "good" and State.PASS not in states:
        yield "the rule does not apply to it, so it proves nothing"
