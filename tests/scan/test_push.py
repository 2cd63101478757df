"""What a scan saw, as resources and edges: one key is one thing, names only, never a value."""

from __future__ import annotations

import msgspec
import pytest

from haechi.model.coverage import Coverage
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source
from haechi.model.push import PushedResource
from haechi.model.scan import Scan
from haechi.scan.deps.look import Dependencies
from haechi.scan.iac.dockerfiles import read_dockerfile
from haechi.scan.iac.workflows import read_workflow
from haechi.scan.look import Looked
from haechi.scan.push import ProjectFacts, Things, seen_things
from tests.gate.builders import finding, scan
from tests.trees import scope

HOME = "repo:https://github.com/acme/shop"
FACTS = ProjectFacts(repository="https://github.com/acme/shop", commit="abc")
CART = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: cart}}
    spec:
      serviceAccountName: cart
      hostNetwork: true
      imagePullSecrets: [{name: registry}]
      containers:
        - name: cart
          image: registry.shop.example/cart:1.0
          env:
            - {name: PASSWORD, value: hunter2-hunter2}
            - {name: TOKEN, valueFrom: {secretKeyRef: {name: token, key: t}}}
          envFrom: [{configMapRef: {name: settings}}]
      volumes:
        - {name: a, secret: {secretName: tls}}
        - {name: b, projected: {sources: [{secret: {name: deep}}]}}
"""


def look(
    *texts: str, dockerfile: str = "", workflow: str = "", found: Scan | None = None
) -> Looked:
    docker = read_dockerfile(dockerfile, "cart/Dockerfile")[0] if dockerfile else None
    path = ".github/workflows/ci.yml"
    pipeline = read_workflow(workflow.encode(), path, "workflow")[0] if workflow else None
    return Looked(
        scan=found or msgspec.structs.replace(scan(), coverage=Coverage()),
        inventory=scope(*texts),
        dockerfiles=[docker] if docker else [],
        workflows=[pipeline] if pipeline else [],
        files=frozenset(),
    )


def test_of_packages_the_vulnerable_and_the_unjudged_are_seen() -> None:
    files = (
        PackageFile(
            path="cart/requirements.txt",
            format="requirements.txt",
            ecosystem="PyPI",
            packages=tuple(
                Package(
                    ecosystem="PyPI",
                    name=name,
                    version=version,
                    source=source,
                    location=Location(path="cart/requirements.txt", line=line),
                )
                for line, (name, version, source) in enumerate(
                    [
                        ("demo", "1.5", Source.REGISTRY),
                        ("fine", "1.0", Source.REGISTRY),
                        ("open", "", Source.REGISTRY),
                        ("forked", "2.0", Source.GIT),
                        ("own", "", Source.PATH),
                    ],
                    1,
                )
            ),
        ),
    )
    hit = finding(
        rule="CVE-2024-9",
        path="cart/requirements.txt",
        domain="deps",
        resource="pkg:pypi/demo@1.5",
        evidence={"package": "demo", "ecosystem": "PyPI", "version": "1.5"},
    )
    seen = msgspec.structs.replace(look(found=scan(hit)), dependencies=Dependencies(files=files))
    made = seen_things(seen, FACTS)
    packages = {key: one for key, one in made.resources.items() if one.kind == "package"}
    assert {key: one.attributes for key, one in packages.items()} == {
        "pkg:pypi/demo@1.5": {"ecosystem": "PyPI", "version": "1.5"},
        "pkg:pypi/open": {"notJudged": True},
        "pkg:pypi/forked": {"notJudged": True},
    }
    declared = {edge.dst for edge in made.edges if edge.src == "file:-/cart/requirements.txt"}
    assert declared == packages.keys()


def things(*texts: str, dockerfile: str = "", workflow: str = "") -> Things:
    return seen_things(look(*texts, dockerfile=dockerfile, workflow=workflow), FACTS)


def edges(found: Things) -> set[str]:
    return {f"{edge.src} {edge.kind} {edge.dst}" for edge in found.edges}


def by_key(found: Things, key: str) -> PushedResource:
    return found.resources[key]


def test_repository_declares_files_and_files_declare_objects() -> None:
    found = things(CART)
    workload = "k8s:-/apps/Deployment/shop/cart"
    assert {f"{HOME} declares file:-/0.yaml", f"file:-/0.yaml declares {workload}"} <= edges(found)
    assert by_key(found, workload).file == "0.yaml"
    assert by_key(found, workload).namespace == "shop"
    assert by_key(found, HOME).attributes == {"commit": "abc"}


def test_workload_runs_its_image_and_uses_accounts_secrets_and_settings_by_name() -> None:
    used = {
        edge.dst.rpartition("/")[0].split("/")[-2] + " " + edge.dst.rpartition("/")[2]
        for edge in things(CART).edges
        if edge.kind == "uses"
    }
    assert used == {
        *("ServiceAccount cart", "Secret registry", "Secret token", "Secret tls", "Secret deep"),
        "ConfigMap settings",
    }
    runs = "k8s:-/apps/Deployment/shop/cart runs image:registry.shop.example/cart:1.0"
    assert runs in edges(things(CART))


def test_facts_are_few_and_hold_no_value_of_a_variable_or_secret() -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\n"
        "data: {t: c2VjcmV0LXZhbHVl}\nstringData: {u: plain-secret}\n"
    )
    found = things(CART, secret)
    assert by_key(found, "k8s:-/apps/Deployment/shop/cart").attributes == {
        "apiVersion": "apps/v1",
        "replicas": 2,
        "images": ["registry.shop.example/cart:1.0"],
        "containers": ["cart"],
        "serviceAccount": "cart",
        "hostNetwork": True,
    }
    assert by_key(found, "k8s:-/core/Secret/shop/token").attributes["keys"] == ["t", "u"]
    text = msgspec.json.encode(found.done())
    assert not [w for w in (b"hunter2", b"c2VjcmV0", b"plain-secret") if w in text]


def test_one_key_of_several_files_is_one_resource_with_the_first_file() -> None:
    found = things(CART, CART.replace("replicas: 2", "replicas: 9"))
    workload = by_key(found, "k8s:-/apps/Deployment/shop/cart")
    assert (workload.file, workload.attributes["replicas"]) == ("0.yaml", 2)
    assert f"file:-/1.yaml declares {workload.key}" in edges(found)


def test_what_a_file_holds_wins_over_what_was_only_named() -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: cart, namespace: shop}\n"
    named, held = things(CART), things(CART, account)
    key = "k8s:-/core/ServiceAccount/shop/cart"
    assert by_key(named, key).file == ""
    assert by_key(held, key).file == "1.yaml"


def test_dockerfile_comes_from_its_bases_and_not_from_its_own_stages() -> None:
    text = "FROM golang:1.27 AS build\nFROM scratch AS empty\nFROM build\nUSER 65532\n"
    found = things(dockerfile=text)
    bases = [edge.dst for edge in found.edges if edge.kind == "from"]
    assert bases == ["image:golang:1.27"]
    assert by_key(found, "file:-/cart/Dockerfile").attributes["user"] == "65532"


def test_digest_and_tag_of_an_image_are_attributes() -> None:
    digest = "sha256:" + "a" * 64
    found = things(CART.replace("cart:1.0", f"cart:1.0@{digest}"))
    image = by_key(found, f"image:registry.shop.example/cart:1.0@{digest}")
    assert image.attributes == {
        "repository": "registry.shop.example/cart",
        "tag": "1.0",
        "digest": digest,
    }


@pytest.mark.parametrize("on", ["5", "[1, {a: b}]", "{}", "null", "push", "[push]", "{push: 1}"])
def test_hostile_triggers_of_a_workflow_are_passed_over(on: str) -> None:
    found = things(workflow=f"on: {on}\njobs: {{a: {{steps: []}}}}\n")
    assert by_key(found, "file:-/.github/workflows/ci.yml").kind == "workflow"


@pytest.mark.parametrize(
    "spec",
    [
        "{containers: 5, volumes: x, imagePullSecrets: {}}",
        "{containers: [{image: 5, env: [1], envFrom: {}, ports: [x]}], volumes: [1, {secret: 2}]}",
        "{containers: [{image: 'a/${IMAGE}'}], serviceAccountName: [1]}",
    ],
)
def test_hostile_pods_are_passed_over(spec: str) -> None:
    found = things(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n")
    assert by_key(found, "k8s:-/core/Pod/-/p").attributes["serviceAccount"] == "default"
    assert not [edge for edge in found.edges if edge.kind == "runs"]


def test_file_that_only_a_finding_names_is_a_resource_and_says_so_when_it_is_gone() -> None:
    held = finding("1", path="a.env", resource="file:-/a.env")
    gone = finding("2", path="b.env", resource="file:-/b.env", commit="f00")
    found = seen_things(look(found=scan(held, gone)), FACTS)
    assert by_key(found, "file:-/a.env").attributes == {}
    assert by_key(found, "file:-/b.env").attributes == {"onlyInHistory": True}


def test_owner_is_asked_for_things_that_have_a_file() -> None:
    facts = msgspec.structs.replace(FACTS, owner_of=lambda path, key: f"@team of {path}")
    found = seen_things(look(CART), facts)
    assert by_key(found, "k8s:-/apps/Deployment/shop/cart").owner == "@team of 0.yaml"
    assert by_key(found, "image:registry.shop.example/cart:1.0").owner == ""
