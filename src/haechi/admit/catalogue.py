"""Rules of haechi's catalogue, and of users, as policies at the door.

One policy for one rule, judged by ``checks.judge.Judge`` as a scan does: same rule, same verdict,
same place. What a rule says about how objects fit together cannot be said of one object: a rule
that asks for the others is ``not_evaluated`` here, never a pass out of ignorance, and the built-in
packs hold none such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from msgspec import structs

from haechi.admit.own import Binding, all_effects, any_failure, ordered, strictest
from haechi.admit.policy import View
from haechi.admit.reviews import nowhere
from haechi.checks.judge import Expressions, Judge, applies
from haechi.checks.pods.view import TEMPLATES, mapping
from haechi.errors import NotEvaluated
from haechi.model.admission import Family, Matched, PolicyInfo, PolicyVerdict
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource
from haechi.model.review import Point, Review
from haechi.rules.schema import JudgeKind, Rule

JUDGED = frozenset({JudgeKind.CEL, JudgeKind.PYTHON})
"""The engines whose rules are about objects."""
_FILES = frozenset(
    {
        "dockerfile",
        "workflow",
        "action",
        "gitlab-ci",
        "text",
        "event",
        "falco-rules",
        "package-file",
    }
)


class OneObject:
    """The scope of an object that is judged without those around it, but for the few kinds that
    a pack says its rule reads."""

    def __init__(self, view: View, reads: Sequence[str], point: Point) -> None:
        self._view = view
        self._reads = reads
        self._point = point

    def of_type(self, type_: str) -> Sequence[Resource]:
        if type_ not in self._reads:
            _not_here()
        group, kind = _pair(type_)
        found = self._view.objects(f"{group}/v1" if group else "v1", kind)
        if not found and self._point is not Point.FILE and not self._view.knows(group, kind):
            raise NotEvaluated(f"nobody knows whether there is a {kind}")
        return [_resource(body, group, kind) for body in found]

    def workloads(self) -> Sequence[Resource]:
        _not_here()

    def near(self, resource: Resource, candidates: Sequence[Resource]) -> Sequence[Resource]:
        return candidates


def _not_here() -> NoReturn:
    raise NotEvaluated(
        "this rule compares an object with others, and sees one at a time at the door",
        do="haechi scan judges it over the whole repository",
    )


def _resource(body: Mapping[str, Any], group: str, kind: str) -> Resource:
    metadata = mapping(body.get("metadata"))
    name, namespace = str(metadata.get("name") or ""), metadata.get("namespace")
    namespace = namespace if isinstance(namespace, str) and namespace else None
    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=namespace, name=name),
        kind=kind,
        group=group,
        namespace=namespace,
        name=name,
        data=body,
        locate=nowhere,
    )


class RulePolicy:
    """The policy ``rules/<rule id>``: one rule, with what each pack wants done about it."""

    def __init__(
        self,
        rule: Rule,
        expressions: Expressions,
        bindings: Iterable[Binding],
        *,
        reads: Sequence[str] = (),
        why: str = "",
    ) -> None:
        self.rule = rule
        self.reads = tuple(reads)
        self.bindings = ordered(bindings)
        self._judge = Judge((rule,), expressions)
        self._applies: dict[str, bool] = {}
        first = self.bindings[0]
        self.info = PolicyInfo(
            id=f"{Family.RULES.value}/{rule.id}",
            family=Family.RULES,
            name=rule.id,
            title=rule.title,
            description=" ".join((why or rule.why).split()),
            fix=" ".join(rule.fix.split()),
            severity=str(rule.severity),
            file=first.file,
            line=first.line,
            effects=all_effects(self.bindings),
            failure=any_failure(self.bindings),
            matched=matched(rule),
            reads=tuple(map(_pair, self.reads)),
        )

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """Verdicts about an object that the rule applies to."""
        resource = review.resource
        known = self._applies.get(resource.type)
        if known is None:
            known = applies(self.rule, resource, TEMPLATES) and resource.key.startswith("k8s:")
            if len(self._applies) < 10_000:
                self._applies[resource.type] = known
        if not known or not is_new(review):
            return ()
        binding = strictest(self.bindings, review, view)
        if binding is None:
            return ()
        return [
            PolicyVerdict(
                policy=self.info.id,
                state=verdict.state,
                message=verdict.message,
                path=verdict.path,
                evidence=verdict.evidence,
                effects=binding.effects,
                failure=binding.failure,
                action=binding.action,
                line=binding.line,
            )
            for verdict in self._judge.review(_alone(review, view, self.reads))
        ]


def is_new(review: Review) -> bool:
    """Whether a request may change what rules look at. What changes nothing of a pod, as a label,
    a finalizer or the number of replicas, must not fail for what the pod says since long."""
    request = review.request or {}
    operation = request.get("operation", "CREATE")
    if operation not in ("CREATE", "UPDATE"):
        return False
    if request.get("subResource") not in (None, "", "ephemeralcontainers", "resize"):
        return False
    path = TEMPLATES.get(review.resource.type)
    if operation != "UPDATE" or review.old is None or path is None:
        return True
    return _pod(review.resource.data, path) != _pod(review.old, path)


def _pod(body: Any, path: Sequence[str | int]) -> tuple[Any, Any]:
    for part in path:
        body = mapping(body).get(str(part))
    body = mapping(body)
    return body.get("spec"), mapping(body.get("metadata")).get("annotations")


def _alone(review: Review, view: View, reads: tuple[str, ...]) -> Review:
    """The review with a scope of its own; what judges derive of it is shared by all rules."""
    known: dict[tuple[str, ...], Review] = review.memo.setdefault("catalogue", {})
    alone = known.get(reads)
    if alone is None:
        scope = OneObject(view, reads, review.point)
        alone = known[reads] = structs.replace(review, scope=scope, shared={}, memo={})
    return alone


def matched(rule: Rule) -> tuple[Matched, ...]:
    """The kinds of a rule in the terms of a webhook's registration."""
    kinds: list[tuple[str, str]] = []
    for kind in rule.applies_to.kinds:
        if kind == "kubernetes":
            kinds.append(("*", "*"))
        elif kind == "pod":
            kinds += [_pair(type_) for type_ in TEMPLATES]
        elif kind not in _FILES:
            kinds.append(_pair(kind))
    return (Matched(kinds=tuple(dict.fromkeys(kinds))),)


def _pair(type_: str) -> tuple[str, str]:
    group, _, kind = type_.rpartition("/")
    return ("" if group == "core" else group), kind


def user_rules(
    rules: Iterable[Rule], expressions: Callable[[], Expressions], binding: Binding
) -> tuple[RulePolicy, ...]:
    """Rules of users (``rules.user``) as policies, all with one binding. Patterns and rules about
    files are none."""
    taken = [rule for rule in rules if rule.judge is JudgeKind.CEL and is_about_objects(rule)]
    engine = expressions() if taken else None
    return tuple(RulePolicy(rule, engine, (binding,)) for rule in taken if engine is not None)


def is_about_objects(rule: Rule) -> bool:
    """Whether a rule judges objects that come to the door."""
    return rule.judge in JUDGED and not _FILES.issuperset(rule.applies_to.kinds)
