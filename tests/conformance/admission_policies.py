"""Public collections of ValidatingAdmissionPolicies, and the tests that come with them.

``kubescape``: kubescape/cel-admission-library in its own form (a template, fields to change, what
is expected). Others have no tests that could run without a cluster: of them every policy has to
load. Folders are named by environment variables, with those of the workshop as defaults.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import yaml

from haechi.admit.policies import PolicySet
from haechi.admit.reviews import review_of
from haechi.admit.vap import load
from haechi.admit.view import ObjectsView
from haechi.model.admission import Effect, PolicyFault
from haechi.model.keys import k8s_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Point, State

KUBESCAPE = Path(os.environ.get("HAECHI_KUBESCAPE_VAP", "/tmp/pub/cel-admission-library"))
MIRROR = Path(os.environ.get("HAECHI_MIRROR", "/work/.mirror"))
COLLECTIONS = {
    "vap-library/vap-library": 13,
    "kolteq/validating-admission-policies-pss": 1,
    "AverageMarcus/common-admission-policies": 1,
    "garethahealy/validating-admission-policy-playground": 1,
    "datreeio/validating-admission-policy": 1,
}
"""Repositories, and how many policies they have at least."""

DOUBTS = ("unknown-field", "wrong-type")


class Result(msgspec.Struct, frozen=True):
    """One test of a collection."""

    control: str
    name: str
    expected: str
    found: str
    why: str = ""

    @property
    def right(self) -> bool:
        return self.expected == self.found


def resource(body: dict[str, Any], file: str = "x.yaml") -> Resource:
    """An object as if it had been read from a file."""

    def locate(path: AttrPath) -> Location:
        return Location(path=file)

    group, _, version = str(body.get("apiVersion", "")).rpartition("/")
    metadata = body.get("metadata") or {}
    name, namespace = metadata.get("name") or "", metadata.get("namespace")
    kind = str(body.get("kind", ""))
    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=namespace, name=name),
        kind=kind,
        data=body,
        locate=locate,
        file=file,
        group=group,
        version=version,
        namespace=namespace,
        name=name,
    )


def read(path: Path) -> dict[str, Any]:
    """The one document of a file."""
    body = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    assert isinstance(body, dict)
    return body


def kubescape_results(every: int = 1) -> Iterator[Result]:
    """The tests of kubescape's library, judged by us: all, or of each policy one in ``every``."""
    for tests in sorted(KUBESCAPE.glob("controls/*/tests.json")):
        policy = read(tests.with_name("policy.yaml"))
        for test in json.loads(tests.read_text())[::every]:
            yield _kubescape(tests.parent.name, policy, test)


def _kubescape(control: str, policy: dict[str, Any], test: dict[str, Any]) -> Result:
    samples = KUBESCAPE / "test-resources"
    name = policy["metadata"]["name"]
    body = deepcopy(read(samples / test["template"]))
    for change in test.get("field_change_list", ()):
        field, value = change.split("=")
        change_field(body, field, value)
    binding = read(samples / test.get("binding_template", "policy-binding.yaml"))
    binding["metadata"]["name"] = f"{name}-binding"
    binding["spec"]["policyName"] = name
    binding["spec"]["paramRef"]["name"] = f"{name}-params"
    params = read(samples / test.get("param_template", "default-control-configuration.yaml"))
    params["metadata"]["name"] = f"{name}-params"
    namespace = body.get("metadata", {}).get("namespace")
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace or "default"}}
    loaded = load([resource(policy), resource(binding), resource(params)])
    fatal = [fault.what for fault in loaded.faults if fault.fatal]
    if fatal:
        return Result(control, test["name"], test["expected"], "invalid", fatal[0])
    view = ObjectsView([params, home], complete=True)
    review = review_of(resource(body), view, point=Point.ADMISSION)
    verdicts = [v for v in PolicySet(loaded.policies).review(review, view) if not v.generated]
    bad = [v for v in verdicts if v.state is not State.PASS]
    found = "pass"
    if any(verdict.denies for verdict in bad):
        found = "fail"
    elif any(Effect.WARN in verdict.effects for verdict in bad):
        found = "warn"
    return Result(control, test["name"], test["expected"], found, "; ".join(v.message for v in bad))


_INDEX = re.compile(r"\[(\d+)\]\Z")


def change_field(body: Any, field: str, value: str) -> None:
    """Set what ``a.b.[0].c`` names; what is missing on the way is made. JSON values are read."""
    try:
        wanted: Any = json.loads(value)
    except ValueError:
        wanted = value
    steps: list[str | int] = [
        int(match[1]) if (match := _INDEX.match(part)) else part for part in field.split(".")
    ]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int):
            body.extend([None] * (step + 1 - len(body)))
        if following is None:
            body[step] = wanted
            return
        below = body[step] if isinstance(step, int) else body.get(step)
        if below is None:
            below = body[step] = [] if isinstance(following, int) else {}
        body = below


class Collection(msgspec.Struct, frozen=True):
    """What of one repository loads."""

    repository: str
    policies: int
    bindings: int
    faults: tuple[PolicyFault, ...]
    doubts: tuple[PolicyFault, ...] = ()
    """Fields that no matched kind has, and comparisons that are never true."""


def clone_of(repository: str) -> Path:
    """Where its mirror stands."""
    return MIRROR / repository.replace("/", "+") / "repo"


def load_collection(repository: str) -> Collection:
    """Load every policy and binding of a mirrored repository, as one set for each folder."""
    by_folder: dict[str, list[Resource]] = {}
    for path, text in _yaml_files(clone_of(repository)):
        try:
            documents = [d for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if d]
        except yaml.YAMLError:
            continue
        bodies = [
            d for d in documents if isinstance(d, dict) and "ValidatingAdm" in str(d.get("kind"))
        ]
        by_folder.setdefault(str(Path(path).parent), []).extend(resource(b, path) for b in bodies)
    policies = bindings = 0
    faults: list[PolicyFault] = []
    doubts: list[PolicyFault] = []
    for resources in by_folder.values():
        loaded = load(resources, unbound=True)
        doubts += [fault for fault in loaded.faults if fault.kind in DOUBTS]
        faults += [fault for fault in loaded.faults if fault.kind in ("invalid", "wrong-shape")]
        policies += sum(one.kind == "ValidatingAdmissionPolicy" for one in resources)
        bindings += sum(one.kind == "ValidatingAdmissionPolicyBinding" for one in resources)
    return Collection(repository, policies, bindings, tuple(faults), tuple(doubts))


def _yaml_files(clone: Path) -> Iterator[tuple[str, bytes]]:
    def git(*arguments: str) -> bytes:
        command = ["git", "-C", str(clone), *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout

    for path in git("ls-tree", "-r", "--name-only", "HEAD").decode().splitlines():
        if path.endswith((".yaml", ".yml")):
            yield path, git("show", f"HEAD:{path}")
