"""Where a rendered value was written: in the source, in a patch, or by the overlay itself."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.documents import Document
from haechi.model.location import AttrPath
from haechi.scan.iac.overlays import Overlay, Patch
from haechi.scan.iac.places import OverlayPlaces, SourceObjects, SourcePlaces, follow
from tests.trees import documents

SOURCE = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: web
          image: web:1
          ports: [{containerPort: 80}, {containerPort: 443}]
          volumeMounts:
            - {name: data, mountPath: /a}
            - {name: data, mountPath: /b}
          securityContext:
            runAsNonRoot: true
            capabilities:
              add: [NET_ADMIN, SYS_TIME]
        - name: log
          image: log:1
          args: [-v]
  revisionHistoryLimit: 9
  minReadySeconds: 1
"""
PATCH = """\
# grows
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      hostPID: true
      containers:
        - name: log
          resources:
            limits: {cpu: 1}
          args: [-v, -x]
"""
KUSTOMIZATION = """\
images:
  - {name: web, newTag: "2"}
patches:
  - path: grow.yaml
  - target: {kind: Deployment, name: we.*}
    patch: |-
      - op: test
        path: /kind
        value: Deployment
      - op: add
        path: /spec/template/spec/hostNetwork
        value: true
      - op: replace
        path: /spec/minReadySeconds
        value: 5
  - target: {kind: Deployment, name: other}
    patch: "[{op: replace, path: /spec/replicas, value: 4}]"
  - patch: |-
      kind: Deployment
      metadata: {name: web}
      spec:
        paused: true
        revisionHistoryLimit: 2
secretGenerator:
  - name: db
"""
AT = ("spec", "template", "spec", "containers")


def changes() -> OverlayPlaces:
    (document,) = documents(KUSTOMIZATION)
    data = document.data
    patches = (
        Patch(at=("patches", 0), file="prod/grow.yaml"),
        Patch(
            at=("patches", 1, "patch"),
            text=data["patches"][1]["patch"],
            target=data["patches"][1]["target"],
        ),
        Patch(
            at=("patches", 2, "patch"),
            text=data["patches"][2]["patch"],
            target=data["patches"][2]["target"],
        ),
        Patch(at=("patches", 3, "patch"), text=data["patches"][3]["patch"]),
    )
    overlay = Overlay(
        file="prod/kustomization.yaml",
        directory="prod",
        component=False,
        uses=frozenset(),
        consumes=frozenset(),
        patches=patches,
        document=document,
    )
    return OverlayPlaces([overlay], lambda path: documents(PATCH))


def rendered() -> Any:
    """The source as the overlay leaves it, its containers in another order."""
    (document,) = documents(SOURCE.replace("web:1", "web:2"))
    data = document.data
    data["metadata"]["name"] = "prod-web"
    data["spec"]["replicas"] = 3
    data["spec"]["paused"] = True
    data["spec"].update(revisionHistoryLimit=2, minReadySeconds=5)
    pod = data["spec"]["template"]["spec"]
    pod["hostPID"] = pod["hostNetwork"] = True
    pod["containers"].reverse()
    pod["containers"][0].update(resources={"limits": {"cpu": 1}}, args=["-v", "-x"])
    pod["containers"].append({"name": "new", "image": "new"})
    del pod["containers"][1]["securityContext"]["runAsNonRoot"]
    return data


BASE = "base/web.yaml"
PROD = "prod/kustomization.yaml"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), f"{BASE}:1"),
        (("spec", "template"), f"{BASE}:7"),
        (("metadata", "name"), f"{BASE}:4"),
        ((*AT, 0, "image"), f"{BASE}:21"),
        ((*AT, 1), f"{BASE}:10"),
        ((*AT, 1, "image"), f"{PROD}:1"),
        ((*AT, 1, "ports", 1, "containerPort"), f"{BASE}:12"),
        ((*AT, 1, "volumeMounts", 1, "mountPath"), f"{BASE}:15"),
        ((*AT, 1, "securityContext", "capabilities", "add", 1), f"{BASE}:19"),
        ((*AT, 1, "securityContext", "privileged"), f"{BASE}:16"),
        ((*AT, 1, "securityContext", "runAsNonRoot"), f"{PROD}:1"),
        ((*AT, 0, "securityContext", "privileged"), f"{BASE}:20"),
        (("spec", "template", "spec", "hostPID"), "prod/grow.yaml:7"),
        ((*AT, 0, "resources", "limits", "cpu"), "prod/grow.yaml:11"),
        ((*AT, 0, "resources", "limits", "memory"), "prod/grow.yaml:11"),
        (("spec", "template", "spec", "hostNetwork"), f"{PROD}:10"),
        (("spec", "paused"), f"{PROD}:22"),
        (("spec", "revisionHistoryLimit"), f"{PROD}:23"),
        (("spec", "minReadySeconds"), f"{PROD}:13"),
        ((*AT, 0, "args"), "prod/grow.yaml:12"),
        ((*AT, 0, "args", 1), "prod/grow.yaml:12"),
        (("spec", "replicas"), f"{PROD}:1"),
        ((*AT, 2, "image"), f"{PROD}:1"),
        ((*AT, 7, "image"), f"{BASE}:9"),
        (("status", 0, "x"), f"{BASE}:1"),
    ],
)
def test_a_value_is_where_it_was_written(path: AttrPath, place: str) -> None:
    (source,) = documents(SOURCE)
    places = SourcePlaces(rendered(), changes(), (source, (), BASE))
    assert str(places(path)) == place


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"kind": "Secret", "metadata": {"name": "db-h4sh"}}, f"{PROD}:24"),
        ({"kind": "ConfigMap", "metadata": {"name": "x"}}, f"{PROD}:1"),
        ({"kind": "Pod"}, f"{PROD}:1"),
    ],
)
def test_a_generated_object_is_at_its_generator(data: dict[str, Any], place: str) -> None:
    assert str(SourcePlaces(data, changes(), None)(("data", "password"))) == place


def test_objects_in_a_list_have_their_place_within_it() -> None:
    (source,) = documents("kind: List\nitems:\n- {kind: A}\n- kind: B\n  spec: 1\n")
    places = SourcePlaces({"kind": "B", "spec": 1}, changes(), (source, ("items", 1), BASE))
    assert str(places(("spec",))) == f"{BASE}:5"


@pytest.mark.parametrize(
    ("rendered", "original", "path", "found", "differs"),
    [
        ({"a": 1}, {"a": 1}, ("a",), ("a",), False),
        ({"a": 1}, {"a": 2}, ("a",), ("a",), True),
        ({"a": 1}, {}, ("a",), (), True),
        ({}, {"a": 1}, ("a",), (), True),
        ({}, {}, ("a",), (), False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ("a",), ("a",), False),
        ([1, 2], [2, 1], (0,), (1,), False),
        ([1], [3], (0,), (0,), True),
        ([{"name": "x"}], [{"name": "y"}, {"name": "x", "z": 1}], (0,), (1,), False),
        ([{"verbs": ["get"]}], [{"verbs": ["list"]}], (0, "verbs", 0), (0, "verbs", 0), True),
        (
            [{"verbs": ["a"]}, {"verbs": ["b"]}],
            [{"verbs": ["b"]}],
            (1, "verbs"),
            (0, "verbs"),
            False,
        ),
        ("text", "text", ("a", 0), (), False),
        ([1], {"a": 1}, (0,), (), True),
        ({"a": [1]}, {"a": {"0": 1}}, ("a", 0), ("a",), True),
    ],
)
def test_a_path_is_followed_in_both(
    rendered: Any, original: Any, path: AttrPath, found: AttrPath, differs: bool
) -> None:
    trace = follow(rendered, original, path)
    assert (trace.path, trace.differs) == (found, differs)


SEVERAL = """\
{apiVersion: v1, kind: Service, metadata: {name: web}}
---
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: web}}
---
{apiVersion: v1, kind: Service, metadata: {name: web-admin, namespace: a}}
---
{apiVersion: v1, kind: Service, metadata: {name: web-admin, namespace: b}}
---
{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {generateName: s-}}]}
--- # nothing with a name
[1, {kind: Service}]
"""


@pytest.mark.parametrize(
    ("version", "kind", "name", "namespace", "line"),
    [
        ("v1", "Service", "web", None, 1),
        ("v1", "Service", "prod-web-v2", "x", 1),
        ("serving.knative.dev/v1", "Service", "web", None, 3),
        ("v1", "Service", "prod-web-admin", "b", 7),
        ("v1", "Service", "web-admin", "a", 5),
        ("v1", "Secret", "s-x", None, 9),
        ("v1", "Service", "other", None, None),
        ("v1", "ConfigMap", "web", None, None),
    ],
)
def test_the_source_of_an_object_has_its_type_and_name(
    version: str, kind: str, name: str, namespace: str | None, line: int | None
) -> None:
    data = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
    }
    found = SourceObjects(documents(SEVERAL)).find(data)
    assert (found[0].locate(found[1])[0] if found else None) == line
    if found:
        assert isinstance(found[0], Document)
        assert found[1] == (("items", 0) if kind == "Secret" else ())


def test_an_item_whose_naming_value_was_changed_keeps_its_place() -> None:
    original = {"rules": [{"host": "a.example", "http": {"x": 1}}, {"host": "b.example"}]}
    changed = {"rules": [{"host": "shop.example", "http": {"x": 1}}, {"host": "b.example"}]}
    assert follow(changed, original, ("rules", 0, "http", "x")).path == ("rules", 0, "http", "x")
    swapped = {"rules": [{"host": "b.example"}, {"host": "a.example", "http": {"x": 2}}]}
    assert follow(swapped, original, ("rules", 1, "http")).path == ("rules", 0, "http")
