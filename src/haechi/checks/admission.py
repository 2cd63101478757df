"""Rules about admission control itself: policies that let through, or that check nothing.

A policy object that is accepted and never enforced is the worst kind of protection: everyone
counts on it. Here are webhooks, ValidatingAdmissionPolicies, Gatekeeper and Kyverno.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.lookup import grouped
from haechi.checks.neighbours import spec_of, texts
from haechi.checks.pods.view import items, mapping
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review

CONSTRAINTS = "constraints.gatekeeper.sh"
TEMPLATES = "templates.gatekeeper.sh/ConstraintTemplate"
_GATEKEEPER_KINDS = {
    "config.gatekeeper.sh": ("Config",),
    "templates.gatekeeper.sh": ("ConstraintTemplate",),
}
_LONG_TIMEOUT = 10
_VAP = "admissionregistration.k8s.io/ValidatingAdmissionPolicy"


def webhook_fails_open(review: Review) -> Iterator[Hit]:
    """A validating webhook that is skipped when it does not answer."""
    for index, hook in _webhooks(review):
        if hook.get("failurePolicy") == "Ignore":
            text = (
                f'webhook "{hook.get("name")}" lets every request through when it does not answer'
            )
            yield Hit(text, ("webhooks", index, "failurePolicy"))


def webhook_blocks_system(review: Review) -> Iterator[Hit]:
    """A webhook that fails closed on pods everywhere, also on those that it runs on."""
    for index, hook in _webhooks(review):
        if hook.get("failurePolicy", "Fail") != "Fail" or hook.get("matchConditions"):
            continue
        if mapping(hook.get("namespaceSelector")) or mapping(hook.get("objectSelector")):
            continue
        if any(_matches_pods(mapping(rule)) for rule in items(hook.get("rules"))):
            text = (
                f'webhook "{hook.get("name")}" judges pods of every namespace and fails closed: '
                "when it is down, neither it nor the control plane's pods can start"
            )
            yield Hit(text, ("webhooks", index, "namespaceSelector"))


def webhook_waits_long(review: Review) -> Iterator[Hit]:
    """Each request waits that long when the webhook hangs."""
    for index, hook in _webhooks(review):
        seconds = hook.get("timeoutSeconds")
        if isinstance(seconds, int) and seconds > _LONG_TIMEOUT:
            text = f'webhook "{hook.get("name")}" may hold up each request for {seconds} s'
            yield Hit(text, ("webhooks", index, "timeoutSeconds"))


def webhook_sees_everything(review: Review) -> Iterator[Hit]:
    """Rules of ``*``: the webhook is sent every Secret, lease and status update."""
    for index, hook in _webhooks(review):
        for place, entry in enumerate(items(hook.get("rules"))):
            rule = mapping(entry)
            groups, resources = rule.get("apiGroups"), set(texts(rule.get("resources")))
            if "*" in items(groups) and not resources.isdisjoint(("*", "*/*")):
                text = f'webhook "{hook.get("name")}" is sent every object, Secrets included'
                yield Hit(text, ("webhooks", index, "rules", place, "resources"))


def webhook_outside(review: Review) -> Iterator[Hit]:
    """A webhook behind a URL instead of a Service of the cluster."""
    for index, hook in _webhooks(review):
        url = mapping(hook.get("clientConfig")).get("url")
        if isinstance(url, str) and url:
            text = f'webhook "{hook.get("name")}" sends objects to {url.split("?")[0]}'
            yield Hit(text, ("webhooks", index, "clientConfig", "url"))


def policy_without_binding(review: Review) -> Iterator[Hit]:
    """A ValidatingAdmissionPolicy that no binding puts to work."""
    if not review.scope.of_type(_VAP):
        return
    if review.resource.name not in grouped(review, "bindings by policy", lambda: _bound(review)):
        text = (
            f'ValidatingAdmissionPolicy "{review.resource.name}" has no binding in these files; '
            "without one it checks nothing"
        )
        yield Hit(text, ("metadata", "name"))


def _bound(review: Review) -> Iterator[tuple[str, Resource]]:
    for binding in review.scope.of_type(f"{_VAP}Binding"):
        name = spec_of(binding.data).get("policyName")
        if isinstance(name, str):
            yield name, binding


def gatekeeper_wrong_group(review: Review) -> Iterator[Hit]:
    """A constraint in a group of Gatekeeper's own settings: no such kind, so never enforced."""
    resource = review.resource
    kinds = _GATEKEEPER_KINDS.get(resource.group)
    if kinds and resource.kind not in kinds:
        text = (
            f'{resource.kind} "{resource.name}" is in group {resource.group}, which has no such '
            f"kind: it protects nothing; constraints belong to {CONSTRAINTS}/v1beta1"
        )
        yield Hit(text, ("apiVersion",))


def constraint_without_template(review: Review) -> Iterator[Hit]:
    """A constraint whose kind no template of the scope defines, though templates are there."""
    resource = review.resource
    if resource.group != CONSTRAINTS:
        return
    templates = review.scope.of_type(TEMPLATES)
    if review.scope.near(resource, templates) and all(
        _template_kind(t.data) != resource.kind for t in templates
    ):
        text = f'constraint "{resource.name}": no template in these files defines {resource.kind}'
        yield Hit(text, ("kind",))


def constraint_not_enforced(review: Review) -> Iterator[Hit]:
    """dryrun and warn record a violation and let the object in."""
    if review.resource.group != CONSTRAINTS:
        return
    action = spec_of(review.resource.data).get("enforcementAction")
    if action in ("dryrun", "warn"):
        text = f'constraint "{review.resource.name}" does not block: enforcementAction is {action}'
        yield Hit(text, ("spec", "enforcementAction"))


def template_without_constraint(review: Review) -> Iterator[Hit]:
    """A template is a kind of check; only a constraint applies it."""
    kind = _template_kind(review.resource.data)
    if (
        kind
        and review.scope.of_type(TEMPLATES)
        and not review.scope.of_type(f"{CONSTRAINTS}/{kind}")
    ):
        text = (
            f'ConstraintTemplate "{review.resource.name}" has no constraint of kind {kind} in '
            "these files; without one it checks nothing"
        )
        yield Hit(text, ("metadata", "name"))


def template_misses_containers(review: Review) -> Iterator[Hit]:
    """Rego that walks ``spec.containers`` and forgets init and ephemeral containers."""
    for index, entry in enumerate(items(spec_of(review.resource.data).get("targets"))):
        target = mapping(entry)
        sources: list[tuple[AttrPath, Any]] = [(("rego",), target.get("rego"))]
        for place, code in enumerate(items(target.get("code"))):
            source = mapping(mapping(code).get("source")).get("rego")
            sources.append((("code", place, "source", "rego"), source))
        for path, rego in sources:
            if not isinstance(rego, str) or not re.search(r"\bspec\.containers\b", rego):
                continue
            libraries = " ".join(texts(target.get("libs")))
            missed = [
                k for k in ("initContainers", "ephemeralContainers") if k not in rego + libraries
            ]
            if missed:
                text = (
                    f'ConstraintTemplate "{review.resource.name}" looks at spec.containers and not '
                    f"at {' or '.join(missed)}"
                )
                yield Hit(text, ("spec", "targets", index, *path))


def kyverno_audit_only(review: Review) -> Iterator[Hit]:
    """A Kyverno policy that reports and lets the object in, which is also its default."""
    body = spec_of(review.resource.data)
    whole = body.get("validationFailureAction", "Audit")
    for index, entry in enumerate(items(body.get("rules"))):
        check = mapping(mapping(entry).get("validate"))
        action = check.get("failureAction", whole)
        if check and isinstance(action, str) and action.lower() == "audit":
            text = (
                f'{review.resource.kind} "{review.resource.name}" only reports violations of rule '
                f'"{mapping(entry).get("name")}"'
            )
            yield Hit(text, ("spec", "rules", index, "validate", "failureAction"))


def _webhooks(review: Review) -> Iterator[tuple[int, Any]]:
    for index, hook in enumerate(items(mapping(review.resource.data).get("webhooks"))):
        if isinstance(hook, dict):
            yield index, hook


def _matches_pods(rule: Any) -> bool:
    groups, resources = items(rule.get("apiGroups")), items(rule.get("resources"))
    core = "" in groups or "*" in groups
    return core and any(name in resources for name in ("pods", "*", "*/*", "pods/*"))


def _template_kind(data: Any) -> str:
    crd = mapping(mapping(spec_of(data).get("crd")).get("spec"))
    kind = mapping(crd.get("names")).get("kind")
    return kind if isinstance(kind, str) else ""
