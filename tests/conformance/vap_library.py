"""vap-library's end-to-end tests, read out of its Go files and judged without a cluster.

A test applies manifests one after another, in a namespace with the label that its policy is bound
by, and says of each whether it is accepted. Steps that patch an object are left out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import yaml

from haechi.admit.policies import PolicySet
from haechi.admit.reviews import review_of
from haechi.admit.vap import load
from haechi.admit.view import ObjectsView
from haechi.model.review import Point
from tests.conformance.admission_policies import Result, clone_of, resource

REPOSITORY = "vap-library/vap-library"
_TEXT = re.compile(r"var (\w+)(?: string)? = `([^`]*)`")
_TEST = re.compile(r"^func (Test\w+)\(t \*testing\.T\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_STEP = re.compile(
    r"(?:Assess\(\"(?P<title>[^\"]*)\")"
    r"|ApplyK8sResourceFromYAML\(ctx, cfg, (?:fmt\.Sprintf\()?(?P<call>[^\n]*?)\)+\n"
    r"\s*if err (?P<sign>[=!])= nil"
)
_BOUND = re.compile(r'bindingsToGenerate = map\[string\]bool\{"([^"]+)": (true|false)\}')
_ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|(\w+)')
_NAMESPACE = "tests"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(clone_of(REPOSITORY)), *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def results() -> Iterator[Result]:
    """Every step of every test."""
    for path in _git("ls-tree", "-r", "--name-only", "HEAD", "policies").splitlines():
        if path.endswith("_test.go"):
            yield from _policy(path.rpartition("/")[0], _git("show", f"HEAD:{path}"))


def _policy(folder: str, source: str) -> Iterator[Result]:
    bound = _BOUND.search(source)
    assert bound is not None, folder
    name = bound[1]
    policy = yaml.load(_git("show", f"HEAD:{folder}/policy.yaml"), Loader=yaml.CSafeLoader)
    spec: dict[str, Any] = {
        "policyName": policy["metadata"]["name"],
        "validationActions": ["Deny"],
        "matchResources": {
            "namespaceSelector": {"matchLabels": {f"vap-library.com/{name}": "deny"}}
        },
    }
    if bound[2] == "true":
        param = f"{name}.vap-library.com"
        spec["paramRef"] = {"name": param, "parameterNotFoundAction": "Deny"}
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": spec,
    }
    loaded = load([resource(policy), resource(binding)])
    policies = PolicySet(loaded.policies, faults=loaded.faults)
    texts = dict(_TEXT.findall(source))
    for title, body in _TEST.findall(source):
        yield from _test(f"{name} {title}", body, texts, policies)


def _test(name: str, body: str, texts: dict[str, str], policies: PolicySet) -> Iterator[Result]:
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": _NAMESPACE,
            "labels": {f"vap-library.com/{name.split()[0]}": "deny"},
        },
    }
    known = [namespace]
    step = "setup"
    for match in _STEP.finditer(body):
        if match["title"]:
            step = match["title"]
            continue
        manifest = yaml.load(_filled(match["call"], texts), Loader=yaml.CSafeLoader)
        manifest["metadata"].setdefault("namespace", _NAMESPACE)
        _default(manifest)
        view = ObjectsView(known, complete=True)
        review = review_of(resource(manifest), view, point=Point.ADMISSION)
        verdicts = [v for v in policies.review(review, view) if not v.generated]
        denied = any(verdict.denies for verdict in verdicts)
        if not denied:
            known.append(manifest)
        expected = "denied" if match["sign"] == "=" else "accepted"
        why = "; ".join(verdict.message for verdict in verdicts)
        yield Result(name, step, expected, "denied" if denied else "accepted", why)


def _default(value: Any) -> None:
    """A volume without a source is an emptyDir before policies see it, as the API server has it
    (the manifests for ``downwardAPI`` are indented so that they have none)."""
    if isinstance(value, dict):
        for volume in value.get("volumes") or ():
            if volume.get("downwardAPI", "") is None:
                volume.update(emptyDir={})
        for inner in value.values():
            _default(inner)


def _filled(call: str, texts: dict[str, str]) -> str:
    """``NAME, arguments`` of Sprintf."""
    values = [
        literal if literal or not word else _NAMESPACE if word == "namespace" else texts[word]
        for literal, word in _ARGUMENT.findall(call)
    ]
    for value in values[1:]:
        values[0] = values[0].replace("%s", value, 1)
    return values[0]
