"""Joins for the page: who picks whom, who leads where, who holds which role, what makes what."""

from __future__ import annotations

import pytest

from haechi.graph.lineage import pushed_things
from haechi.scan.iac.dockerfiles import read_dockerfile
from haechi.scan.iac.workflows import read_workflow
from haechi.scan.look import Looked
from haechi.scan.push import ProjectFacts
from tests.gate.builders import scan
from tests.trees import scope

CART = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: a, image: "registry.shop.example/cart:1.0"}]}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, type: TYPE}
"""
INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: shop
  annotations: {alb.ingress.kubernetes.io/scheme: internal}
spec: {defaultBackend: {service: {name: NAME}}}
"""
BINDING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: KIND
metadata: {name: b, namespace: shop}
roleRef: {kind: ClusterRole, name: cluster-admin}
subjects: [SUBJECT]
"""


def edges(
    *texts: str, dockerfiles: tuple[str, ...] = (), workflow: str = "", kinds: str = ""
) -> list[str]:
    docker = [read_dockerfile("FROM scratch\n", path)[0] for path in dockerfiles]
    pipeline = read_workflow(workflow.encode(), "ci.yml", "workflow")[0] if workflow else None
    looked = Looked(
        scan=scan(),
        inventory=scope(*texts),
        dockerfiles=[one for one in docker if one],
        workflows=[pipeline] if pipeline else [],
        files=frozenset(),
    )
    resources, found = pushed_things(looked, ProjectFacts(repository="dir:shop"))
    keys = {resource.key for resource in resources}
    assert all(edge.src in keys and edge.dst in keys for edge in found), "an edge to nothing"
    assert len(keys) == len(resources)
    return [f"{e.src} {e.kind} {e.dst}" for e in found if e.kind in kinds.split()]


SELECTS = "k8s:-/core/Service/shop/cart selects k8s:-/apps/Deployment/shop/cart"
ROUTES = "k8s:-/networking.k8s.io/Ingress/shop/shop routes k8s:-/core/Service/shop/cart"


@pytest.mark.parametrize("type_", ["ClusterIP", "LoadBalancer"])
def test_service_selects_its_pods_open_or_not(type_: str) -> None:
    assert edges(CART, SERVICE.replace("TYPE", type_), kinds="selects") == [SELECTS]


def dangers(*texts: str) -> dict[str, object]:
    looked = Looked(
        scan=scan(), inventory=scope(*texts), dockerfiles=[], workflows=[], files=frozenset()
    )
    resources, _ = pushed_things(looked, ProjectFacts(repository="dir:shop"))
    told = next(one.attributes for one in resources if one.kind == "Deployment")
    return {key: told[key] for key in ("exposedBy", "mayToken") if key in told}


def test_workload_says_who_reaches_it_from_outside_and_what_its_account_may_do() -> None:
    binding = BINDING.replace("KIND", "ClusterRoleBinding")
    binding = binding.replace("SUBJECT", "{kind: ServiceAccount, name: default, namespace: shop}")
    balanced = SERVICE.replace("TYPE", "LoadBalancer")
    assert dangers(CART, balanced, binding) == {
        "exposedBy": "Service shop/cart",
        "mayToken": "do anything in the cluster",
    }
    assert dangers(CART, SERVICE.replace("TYPE", "ClusterIP")) == {}


def test_service_that_picks_nothing_selects_nothing() -> None:
    assert edges(CART, SERVICE.replace("app: cart", "app: x"), kinds="selects") == []


def test_entry_routes_to_its_service_also_when_it_is_internal_or_the_service_is_not_here() -> None:
    ingress = INGRESS.replace("NAME", "cart")
    assert edges(SERVICE, ingress, kinds="routes") == [ROUTES]
    assert edges(ingress, kinds="routes") == [ROUTES]


@pytest.mark.parametrize(
    ("kind", "subject", "holder"),
    [
        ("RoleBinding", "{kind: ServiceAccount, name: cart}", "shop/cart"),
        ("RoleBinding", "{kind: ServiceAccount, name: cart, namespace: o}", "o/cart"),
        ("ClusterRoleBinding", "{kind: User, name: 'system:serviceaccount:o:x'}", "o/x"),
        ("ClusterRoleBinding", "{kind: Group, name: 'system:serviceaccounts'}", ""),
        ("ClusterRoleBinding", "{kind: User, name: kim}", ""),
        ("ClusterRoleBinding", "5", ""),
    ],
)
def test_account_holds_the_role_of_its_binding(kind: str, subject: str, holder: str) -> None:
    role = "k8s:-/rbac.authorization.k8s.io/ClusterRole/-/cluster-admin"
    wanted = [f"k8s:-/core/ServiceAccount/{holder} grants {role}"] if holder else []
    text = BINDING.replace("KIND", kind).replace("SUBJECT", subject)
    assert edges(text, kinds="grants") == wanted


def job(run: str, more: str = "") -> str:
    return f"on: push\njobs: {{a: {{steps: [{{run: {run!r}{more}}}]}}}}\n"


MADE = "file:-/services/cart/Dockerfile builds image:registry.shop.example/cart:1.0"


@pytest.mark.parametrize(
    "workflow",
    [
        job("docker build -t registry.shop.example/cart:latest services/cart"),
        job("docker build --build-arg A=b -t registry.shop.example/cart:$TAG services/cart"),
        job("docker buildx build --push --tag=registry.shop.example/cart:9 services/cart"),
        job("podman build -f services/cart/Dockerfile -t registry.shop.example/cart ."),
        job("docker build -t registry.shop.example/cart .", ", working-directory: services/cart"),
        "on: push\njobs: {a: {steps: [{uses: docker/build-push-action@v6, with: {context: "
        "services/cart, tags: 'registry.shop.example/cart:1,registry.shop.example/cart:2'}}]}}\n",
    ],
)
def test_pipeline_says_which_dockerfile_makes_an_image(workflow: str) -> None:
    files = ("services/cart/Dockerfile", "other/cart/Dockerfile")
    assert edges(CART, dockerfiles=files, workflow=workflow, kinds="builds") == [MADE]


@pytest.mark.parametrize(
    "run", ["docker build -t $IMAGE services/cart", "docker build", "docker push x", "echo docker"]
)
def test_what_a_script_leaves_open_is_not_guessed(run: str) -> None:
    files = ("services/cart/Dockerfile", "other/cart/Dockerfile")
    assert edges(CART, dockerfiles=files, workflow=job(run), kinds="builds") == []


def test_image_named_as_the_folder_of_one_dockerfile_is_taken_for_its_work() -> None:
    assert edges(CART, dockerfiles=("services/cart/Dockerfile",), kinds="builds") == [MADE]


def test_two_dockerfiles_in_folders_of_one_name_make_no_guess() -> None:
    files = ("a/cart/Dockerfile", "b/cart/Dockerfile")
    assert edges(CART, dockerfiles=files, kinds="builds") == []


def test_official_image_is_nobodys_dockerfile() -> None:
    text = CART.replace("registry.shop.example/cart:1.0", "postgres:17")
    assert edges(text, dockerfiles=("postgres/Dockerfile",), kinds="builds") == []
