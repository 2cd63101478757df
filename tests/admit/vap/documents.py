"""Policies, bindings and requests in few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from haechi.admit.policy import Loaded
from haechi.admit.reviews import review_of, review_of_request
from haechi.admit.vap import load
from haechi.admit.view import ObjectsView
from haechi.engines.documents import Document, parse_documents
from haechi.engines.objects import resources_of
from haechi.model.admission import PolicyVerdict
from haechi.model.resource import Resource
from haechi.model.review import Point, Review

PODS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["pods"],
}
SHOP = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"env": "prod"}},
}
CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "limits", "namespace": "shop", "labels": {"kind": "limits"}},
    "data": {"max": "3"},
}
VIEW = ObjectsView([SHOP, CONFIG], complete=True)


def policy(name: str = "p", **spec: Any) -> dict[str, Any]:
    """A policy about Pods, unless ``spec`` says otherwise."""
    usual = {
        "matchConstraints": {"resourceRules": [PODS]},
        "validations": [{"expression": "object.metadata.name != 'bad'"}],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {**usual, **spec},
    }


def binding(name: str = "b", **spec: Any) -> dict[str, Any]:
    """A binding of ``p`` that denies, unless ``spec`` says otherwise."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": "p", "validationActions": ["Deny"], **spec},
    }


def read(text: str, file: str = "policies.yaml") -> list[Resource]:
    """The resources of a YAML text, with their places."""
    found: list[Resource] = []
    for document in parse_documents(text.encode()):
        assert isinstance(document, Document), document
        found.extend(resources_of(document, file))
    return found


def loaded(*bodies: Mapping[str, Any], unbound: bool = False) -> Loaded:
    """Load documents as if they stood in a file."""
    return load(read(yaml.safe_dump_all(list(bodies), sort_keys=False)), unbound=unbound)


def pod(name: str = "web", namespace: str | None = "shop", **metadata: Any) -> dict[str, Any]:
    """A Pod."""
    own = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **own, **metadata},
        "spec": {"containers": [{"name": "c", "image": "img:1"}]},
    }


def review(body: Mapping[str, Any], view: ObjectsView = VIEW, **more: Any) -> Review:
    """The review of creating an object."""
    (resource,) = read(yaml.safe_dump(dict(body)))
    return review_of(resource, view, point=Point.ADMISSION, **more)


def request(view: ObjectsView = VIEW, **fields: Any) -> Review:
    """The review of an AdmissionReview's request about a Pod."""
    usual = {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "jane"},
        "object": pod(),
        "oldObject": None,
    }
    return review_of_request({**usual, **fields}, view)


def verdicts(
    bodies: Iterable[Mapping[str, Any]], given: Review, view: ObjectsView = VIEW
) -> list[PolicyVerdict]:
    """What all policies of the documents say."""
    made = loaded(*bodies)
    fatal = [fault for fault in made.faults if fault.fatal]
    assert not fatal, fatal
    return [verdict for one in made.policies for verdict in one.judge(given, view)]
