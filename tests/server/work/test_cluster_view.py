"""What policies may know of a followed cluster."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.errors import NotEvaluated
from haechi.server.work.cluster_view import ClusterView
from haechi.world.kube.cluster import Frozen, Kept, kept_of
from tests.server.api.rig import START


def _body(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "managedFields": [{"manager": "x"}]}
    if namespace:
        metadata["namespace"] = namespace
    group = {"Ingress": "networking.k8s.io/v1"}.get(kind, "v1")
    return {"apiVersion": group, "kind": kind, "metadata": metadata, **more}


def _kept(*bodies: dict[str, Any]) -> list[Kept]:
    return [one for body in bodies if (one := kept_of(body)) is not None]


OBJECTS = (
    _body("Namespace", "shop"),
    _body("Pod", "b", "shop"),
    _body("Pod", "a", "shop"),
    _body("Pod", "c", "pay"),
    _body("Ingress", "front", "shop"),
    _body("Secret", "s", "shop", data={"key": "c2VjcmV0"}),
)


def _view(**more: Any) -> ClusterView:
    return ClusterView(Frozen("east", "live", START, _kept(*OBJECTS)), **more)


def _names(found: Any) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_objects_are_found_by_their_names() -> None:
    view = _view()
    space = view.namespace("shop")
    assert space is not None and space["metadata"] == {"name": "shop"}
    assert view.namespace("none") is None
    assert view.get("v1", "Pod", "shop", "a") is not None
    assert view.get("v1", "Pod", "pay", "a") is None
    assert _names(view.objects("v1", "Pod")) == ["c", "a", "b"]
    assert _names(view.objects("v1", "Pod", "shop")) == ["a", "b"]


def test_an_object_is_found_under_another_version_of_its_kind() -> None:
    assert _names(_view().objects("networking.k8s.io/v1beta1", "Ingress")) == ["front"]


def test_the_inventory_holds_what_policies_read() -> None:
    view = _view(reads=[("networking.k8s.io", "Ingress"), ("", "Namespace")])
    found = view.inventory()
    assert set(found["namespace"]) == {"shop"}
    assert set(found["namespace"]["shop"]) == {"networking.k8s.io/v1"}
    assert set(found["cluster"]["v1"]["Namespace"]) == {"shop"}
    assert view.inventory() is found


def test_contents_of_secrets_are_never_there() -> None:
    secret = _view().get("v1", "Secret", "shop", "s")
    assert secret is not None and "data" not in secret


def test_too_large_an_inventory_is_not_evaluated() -> None:
    with pytest.raises(NotEvaluated, match="inventory"):
        _view(reads=[("", "Pod")], most=100).inventory()


def test_what_is_asked_for_past_the_bound_is_not_held() -> None:
    view = _view(most=0)
    assert view.get("v1", "Pod", "shop", "a") is not view.get("v1", "Pod", "shop", "a")
    assert _view().generation == 0


def test_a_change_is_seen_after_renewing() -> None:
    class Holding:
        def __init__(self) -> None:
            self.bodies = list(OBJECTS)

        def kept(self, *types: str) -> list[Kept]:
            return [one for one in _kept(*self.bodies) if one.type in types]

    holding = Holding()
    view = ClusterView(holding, unknown=[("", "Pod")])
    assert (view.knows("", "Pod"), view.knows("", "Service"), view.generation) == (False, True, 0)
    assert view.get("v1", "Pod", "shop", "a") is not None
    holding.bodies = [_body("Pod", "new", "shop")]
    view.renew(unknown=[])
    assert (view.knows("", "Pod"), view.generation) == (True, 1)
    assert _names(view.objects("v1", "Pod")) == ["new"]
    assert view.namespace("shop") is None
