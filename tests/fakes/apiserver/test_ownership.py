"""Server-side apply: who owns a field, who is in whose way, and what goes when it is given up."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.apiserver import ApiServer, fieldset, ownership, schema
from tests.fakes.apiserver.catalogue import Catalogue
from tests.fakes.apiserver.manifests import CONFIGS, DEPLOYMENTS, config, policy, workload
from tests.fakes.apiserver.ownership import Apply, Manager
from tests.fakes.apiserver.status import ApiError

Json = dict[str, Any]
APPLY = {"content-type": "application/apply-patch+yaml"}
MERGE = {"content-type": "application/merge-patch+json"}


def apply(
    http: httpx.Client, path: str, body: Json, manager: str, *, force: bool = False
) -> httpx.Response:
    name = body["metadata"]["name"]
    query = {"fieldManager": manager, "force": str(force).lower()}
    text = json.dumps(body)
    return http.patch(f"{path}/{name}", content=text, headers=APPLY, params=query)


def owners(body: Json) -> dict[tuple[str, str], set[str]]:
    return {
        (each["manager"], each["operation"]): {
            fieldset.printed(path) for path in fieldset.from_wire(each["fieldsV1"])
        }
        for each in body["metadata"].get("managedFields", ())
    }


def test_an_apply_owns_what_it_names_and_no_default(http: httpx.Client) -> None:
    answer = apply(http, DEPLOYMENTS, workload("Deployment", "web", 3), "a")
    assert answer.status_code == 201
    held = owners(answer.json())[("a", "Apply")]
    container = '.spec.template.spec.containers[name="c"]'
    assert held == {
        ".spec.replicas",
        ".spec.selector",
        ".spec.template.metadata.labels.app",
        container,
        f"{container}.name",
        f"{container}.image",
        f'{container}.ports[containerPort=80,protocol="TCP"]',
        f'{container}.ports[containerPort=80,protocol="TCP"].containerPort',
    }
    assert answer.json()["spec"]["strategy"]["type"] == "RollingUpdate"


def test_another_value_conflicts_and_names_the_manager(http: httpx.Client) -> None:
    apply(http, DEPLOYMENTS, workload("Deployment", "web", 3), "a")
    refused = apply(http, DEPLOYMENTS, workload("Deployment", "web", 4), "b")
    assert refused.status_code == 409
    said = refused.json()
    assert said["reason"] == "Conflict"
    assert said["message"] == 'Apply failed with 1 conflict: conflict with "a": .spec.replicas'
    assert said["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "a"',
            "field": ".spec.replicas",
        }
    ]


def test_conflicts_of_updaters_tell_their_version(server: ApiServer, http: httpx.Client) -> None:
    apply(http, CONFIGS, config("c", x="1", y="1"), "a")
    change = {"data": {"x": "2", "y": "2"}}
    http.patch(f"{CONFIGS}/c", json=change, headers=MERGE, params={"fieldManager": "hand"})
    refused = apply(http, CONFIGS, config("c", x="1", y="1"), "a").json()
    assert refused["message"] == (
        'Apply failed with 2 conflicts: conflicts with "hand" using v1:\n- .data.x\n- .data.y'
    )


def test_the_same_value_is_owned_by_both(http: httpx.Client) -> None:
    apply(http, CONFIGS, config("c", x="1"), "a")
    shared = apply(http, CONFIGS, config("c", x="1"), "b").json()
    assert owners(shared)[("a", "Apply")] == owners(shared)[("b", "Apply")] == {".data.x"}
    bare = {key: value for key, value in config("c").items() if key != "data"}
    left = apply(http, CONFIGS, bare, "a").json()
    assert left["data"] == {"x": "1"}
    assert ("a", "Apply") not in owners(left)
    gone = apply(http, CONFIGS, bare, "b").json()
    assert "data" not in gone


def test_force_takes_the_field_away(http: httpx.Client) -> None:
    apply(http, CONFIGS, config("c", x="1", y="1"), "a")
    forced = apply(http, CONFIGS, config("c", x="2"), "b", force=True).json()
    assert forced["data"] == {"x": "2", "y": "1"}
    assert owners(forced) == {("a", "Apply"): {".data.y"}, ("b", "Apply"): {".data.x"}}


def test_what_is_applied_no_more_goes(http: httpx.Client) -> None:
    apply(http, CONFIGS, config("c", x="1", y="1"), "a")
    after = apply(http, CONFIGS, config("c", x="1"), "a").json()
    assert after["data"] == {"x": "1"}


def test_what_an_updater_changed_stays_when_given_up(http: httpx.Client) -> None:
    apply(http, CONFIGS, config("c", x="1", y="1"), "a")
    change = {"data": {"y": "2"}}
    http.patch(f"{CONFIGS}/c", json=change, headers=MERGE, params={"fieldManager": "hand"})
    after = apply(http, CONFIGS, config("c", x="1"), "a").json()
    assert after["data"] == {"x": "1", "y": "2"}


def test_items_of_keyed_lists_are_owned_one_by_one(http: httpx.Client) -> None:
    apply(http, DEPLOYMENTS, workload("Deployment", "web"), "a")
    extra = workload("Deployment", "web")
    containers = extra["spec"]["template"]["spec"]["containers"]
    containers[:] = [{"name": "side", "image": "registry/side:1"}]
    for key in ("selector", "replicas"):
        del extra["spec"][key]
    del extra["spec"]["template"]["metadata"]
    both = apply(http, DEPLOYMENTS, extra, "b").json()
    names = [each["name"] for each in both["spec"]["template"]["spec"]["containers"]]
    assert names == ["c", "side"]
    # as long as b owns but the item's own fields, giving it up takes the item whole
    bare = {key: extra[key] for key in ("apiVersion", "kind", "metadata")}
    left = apply(http, DEPLOYMENTS, bare, "b").json()
    assert [c["name"] for c in left["spec"]["template"]["spec"]["containers"]] == ["c"]


def test_atomic_lists_are_owned_whole(http: httpx.Client) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    rule = {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}
    made = apply(http, path, policy("n", rule), "a").json()
    assert owners(made)[("a", "Apply")] == {".spec.podSelector", ".spec.ingress"}
    other = {"podSelector": {}, "ingress": [{"ports": [{"port": 81}]}]}
    refused = apply(http, path, policy("n", other), "b").json()
    assert refused["details"]["causes"][0]["field"] == ".spec.ingress"


def test_an_object_nobody_applied_belongs_to_its_makers(
    server: ApiServer, http: httpx.Client
) -> None:
    http.post(CONFIGS, json=config("c", x="1"), params={"fieldManager": "maker"})
    refused = apply(http, CONFIGS, config("c", x="2"), "a")
    assert refused.json()["details"]["causes"][0]["message"] == 'conflict with "maker" using v1'
    http.patch(f"{CONFIGS}/c", json={"metadata": {"managedFields": [{}]}}, headers=MERGE)
    cleared = http.get(f"{CONFIGS}/c").json()
    assert "managedFields" not in cleared["metadata"]
    refused = apply(http, CONFIGS, config("c", x="2"), "a")
    assert '"before-first-apply" using v1' in refused.json()["message"]


def test_the_same_apply_again_writes_nothing(server: ApiServer, http: httpx.Client) -> None:
    first = apply(http, DEPLOYMENTS, workload("Deployment", "web"), "a").json()
    server.advance(60)
    again = apply(http, DEPLOYMENTS, workload("Deployment", "web"), "a").json()
    assert again == first


def test_status_is_owned_through_its_own_path(server: ApiServer, http: httpx.Client) -> None:
    body = workload("Deployment", "web") | {"status": {"replicas": 7}}
    made = apply(http, DEPLOYMENTS, body, "a").json()
    assert "status" not in made
    state = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 9},
        "status": {"replicas": 7},
    }
    answer = http.patch(
        f"{DEPLOYMENTS}/web/status",
        content=json.dumps(state),
        headers=APPLY,
        params={"fieldManager": "s"},
    ).json()
    assert (answer["spec"]["replicas"], answer["status"]["replicas"]) == (2, 7)
    entry = next(e for e in answer["metadata"]["managedFields"] if e["manager"] == "s")
    assert entry["subresource"] == "status"
    assert owners(answer)[("s", "Apply")] == {".status.replicas"}


@pytest.mark.parametrize(
    ("body", "query", "code", "words"),
    [
        (config("c"), {}, 422, "fieldManager: Required value: is required for apply patch"),
        (
            config("c") | {"metadata": {"name": "other"}},
            {"fieldManager": "a"},
            400,
            "the name of the object (other) does not match the name on the URL",
        ),
        (
            config("c") | {"apiVersion": "v2"},
            {"fieldManager": "a"},
            400,
            "Incorrect version specified in apply patch",
        ),
        (
            config("c") | {"dota": {"a": "b"}},
            {"fieldManager": "a"},
            500,
            ".dota: field not declared in schema",
        ),
        (
            config("c") | {"metadata": {"name": "c", "managedFields": [{"manager": "x"}]}},
            {"fieldManager": "a"},
            400,
            "metadata.managedFields must be nil",
        ),
    ],
    ids=["no manager", "other name", "other version", "unknown field", "managed fields"],
)
def test_refuses_to_apply(
    http: httpx.Client, body: Json, query: dict[str, str], code: int, words: str
) -> None:
    text = json.dumps(body)
    answer = http.patch(f"{CONFIGS}/c", content=text, headers=APPLY, params=query)
    assert answer.status_code == code
    assert words in answer.json()["message"]


def test_a_repeated_item_is_refused(http: httpx.Client) -> None:
    body = workload("Deployment", "web")
    body["spec"]["template"]["spec"]["containers"] *= 2
    answer = apply(http, DEPLOYMENTS, body, "a")
    assert answer.status_code == 500
    assert "duplicate entries for key" in answer.json()["message"]


# -- any sequence of applies

NODE = schema.root(Catalogue().find("apps", "v1", "deployments"))  # type: ignore[arg-type]
_keys = st.sampled_from("abc")
_values = st.sampled_from("xyz")
_maps = st.dictionaries(_keys, _values, max_size=3)


@st.composite
def configurations(draw: st.DrawFn) -> Json:
    """A partial Deployment: labels (granular), a selector (atomic), containers (keyed)."""
    body: Json = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    if labels := draw(_maps):
        body["metadata"]["labels"] = labels
    spec: Json = {}
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(0, 2))
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": draw(_maps)}
    names = draw(st.lists(_keys, unique=True, max_size=2))
    if names:
        containers = [{"name": n, "image": draw(_values)} for n in names]
        spec["template"] = {"spec": {"containers": containers}}
    return body | ({"spec": spec} if spec else {})


STEPS = st.lists(
    st.tuples(st.sampled_from(["m1", "m2", "m3"]), configurations(), st.booleans()),
    min_size=1,
    max_size=8,
)


def _leaves(body: Json) -> dict[tuple[str, ...], Any]:
    """The configuration's leaf fields and their values, found another way than the server's."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in body["metadata"].get("labels", {}).items():
        found["f:metadata", "f:labels", f"f:{key}"] = value
    spec = body.get("spec", {})
    for key in ("replicas", "selector"):
        if key in spec:
            found["f:spec", f"f:{key}"] = spec[key]
    path = ("f:spec", "f:template", "f:spec", "f:containers")
    for each in spec.get("template", {}).get("spec", {}).get("containers", ()):
        item = (*path, 'k:{"name":"' + each["name"] + '"}')
        for key in ("image", "name"):
            if key in each:  # whose image was taken over and given up is left without one
                found[(*item, f"f:{key}")] = each[key]
    return found


@settings(max_examples=80)
@given(STEPS)
def test_any_sequence_of_applies_keeps_ownership_true(steps: list[tuple[str, Json, bool]]) -> None:
    live: Json | None = None
    applied: dict[str, dict[tuple[str, ...], Any]] = {}
    for name, body, force in steps:
        manager = Manager(name, "Apply", "apps/v1")
        how = Apply(manager=manager, force=force, now="t", ignored=frozenset())
        wanted = _leaves(body)
        held = {m: f for m, f in applied.items() if m != name}
        clash = any(p in f and f[p] != v for f in held.values() for p, v in wanted.items())
        try:
            live = ownership.on_apply(live, body, NODE, how)
        except ApiError as refused:
            assert refused.code == 409
            assert clash
            assert not force
            continue
        assert force or not clash
        for other in held.values():
            for path in [p for p, v in other.items() if p in wanted and wanted[p] != v]:
                del other[path]
        applied[name] = wanted
        _holds(live, applied)


def _holds(live: Json, applied: dict[str, dict[tuple[str, ...], Any]]) -> None:
    """Every owned field has what its owner applied; nothing else is there; owners are told."""
    fields = _leaves(live)
    expected: dict[tuple[str, ...], Any] = {}
    for held in applied.values():
        expected |= held
    # an item somebody still owns keeps its name, whoever gave the name up
    names = {p: v for p, v in fields.items() if p[-1] == "f:name" and p not in expected}
    assert {p: v for p, v in fields.items() if p not in names} == expected
    for entry in ownership.read(live).values():
        told = {p for p in entry.fields if p[-1][:2] == "f:"}
        assert told == set(applied[entry.manager.name])


@given(st.lists(st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":1}', "v:2"]), min_size=1)))
def test_field_sets_survive_the_wire(paths: list[list[str]]) -> None:
    fields = frozenset(tuple(path) for path in paths)
    assert fieldset.from_wire(fieldset.to_wire(fields)) == fields
