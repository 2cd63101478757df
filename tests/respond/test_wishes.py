"""What is wanted for an incident, and what never is: things that are not the incident's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.errors import InputError
from haechi.model.response import ActionKind, Stage, Want
from haechi.respond.ground import Ground, Site
from haechi.respond.planning import plan_of
from haechi.respond.policy import Response
from haechi.respond.wishes import wants_of
from tests.respond.cluster import CLUSTER, WEB, Rig, incident_of, rig


def wants(made: Rig, kind: ActionKind, **values: Any) -> list[Want]:
    response = Response(kind=kind, stage=Stage.ENFORCE, ttl_s=60, because="a test", receiver="")
    site = made.engine.ground.sites(CLUSTER)
    return list(wants_of(incident_of(**values), response, site))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with rig(tmp_path_factory.mktemp("wishes")) as found:
        yield found


@pytest.mark.parametrize("kind", [*ActionKind])
@pytest.mark.parametrize(
    "resource",
    [
        "host:prod/node-1",
        "k8s:prod/apps/Deployment/pay/web",
        "k8s:prod/core/Node/-/node-1",
        "k8s:prod/core/Namespace/-/pay",
    ],
)
def test_an_incident_of_a_namespace_touches_nothing_elsewhere(
    made: Rig, kind: ActionKind, resource: str
) -> None:
    assert wants(made, kind, resource=resource) == []


def test_the_node_to_be_cordoned_is_the_one_that_the_cluster_says(made: Rig) -> None:
    pod = made.pods()[0]
    told = {"node": "another-node", "container_id": made.container(pod)}
    (want,) = wants(made, ActionKind.CORDON, **told)
    assert want.resource == f"k8s:prod/core/Node/-/{pod['spec']['nodeName']}"
    assert wants(made, ActionKind.CORDON, node="another-node", container_id="f" * 12) == []
    (want,) = wants(
        made, ActionKind.CORDON, namespace="-", node="node-1", resource="host:prod/node-1"
    )
    assert want.resource == "k8s:prod/core/Node/-/node-1"


def test_a_container_that_nobody_could_place_is_placed_by_now(made: Rig) -> None:
    pod = made.pods()[0]
    id_ = made.container(pod)[:12]
    told = {"resource": f"container:prod/{id_}", "container_id": id_}
    (want,) = wants(made, ActionKind.ISOLATE, **told)
    assert (want.resource, want.pods) == (WEB, (pod["metadata"]["name"],))
    (want,) = wants(made, ActionKind.ISOLATE, **told, namespace="pay")
    assert want.resource == told["resource"]


@pytest.mark.parametrize(
    ("resource", "namespace", "planned"),
    [
        ("host:prod/here", "-", True),
        ("host:prod/here", "shop", False),
        ("host:stage/here", "-", False),
        ("host:-/here", "-", False),
        ("host:prod/there", "-", False),
    ],
)
def test_this_host_is_changed_for_its_own_cluster_alone(
    made: Rig, tmp_path: Path, resource: str, namespace: str, planned: bool
) -> None:
    ground = Ground(
        state=made.state,
        events=None,
        folder=tmp_path,
        clock=made.clock,
        nft=object(),  # type: ignore[arg-type]  # planning only asks whether there is one
        host="here",
        host_cluster="prod",
    )
    want = Want(
        kind=ActionKind.BLOCK,
        cluster=resource[5:].partition("/")[0],
        namespace=namespace,
        resource=resource,
        address="203.0.113.9",
    )
    site: Site | None = None
    if planned:
        assert [one.kind for one in plan_of(want, site, "a-1", ground).steps] == ["nft"]
    else:
        with pytest.raises(InputError, match="not this host"):
            plan_of(want, site, "a-1", ground)
