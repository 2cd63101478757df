"""Objects of Kubernetes in Terraform: what none can be made of is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scan.iac.terraform.test_scan import scan


@pytest.mark.parametrize(
    ("type_", "argument", "kind", "reason"),
    [
        ("kubectl_manifest", 'yaml_body = "a: ["', "terraform-fault", "is no object of Kubernetes"),
        ("kubectl_manifest", 'yaml_body = "[1]"', "terraform-fault", "it has no apiVersion"),
        ("kubectl_manifest", "yaml_body = 1", "terraform-fault", "it is no text"),
        ("kubectl_manifest", "", "terraform-fault", "it is no text"),
        ("kubectl_manifest", 'yaml_body = "kind: ${var.u}"', "terraform-unknown", "(var.u at"),
        ("kubernetes_manifest", "manifest = [1]", "terraform-fault", "it has no apiVersion"),
        ("kubernetes_manifest", "manifest = {kind = 1}", "terraform-fault", "it has no apiVersion"),
        ("kubernetes_manifest", "manifest = var.u", "terraform-unknown", "(var.u at"),
        (
            "kubernetes_manifest",
            'manifest = {apiVersion = var.u, kind = "Pod"}',
            "terraform-unknown",
            "the object of kubernetes_manifest.m is not known (var.u at",
        ),
    ],
)
def test_what_is_no_object_is_told(
    tmp_path: Path, type_: str, argument: str, kind: str, reason: str
) -> None:
    main = f'variable "u" {{}}\nresource "{type_}" "m" {{\n  {argument}\n}}\n'
    [gap] = scan(tmp_path, {"main.tf": main}, rules=()).gaps
    assert gap.kind == kind
    assert reason in gap.reason
    assert gap.path.startswith("main.tf:")
    assert gap.do


def test_what_stands_beside_a_broken_document_is_an_object(tmp_path: Path) -> None:
    body = json.dumps("apiVersion: v1\nkind: Pod\n---\na: [\n---\napiVersion: v1\nkind: Service\n")
    part = scan(
        tmp_path, {"main.tf": f'resource "kubectl_manifest" "m" {{\n  yaml_body = {body}\n}}'}
    )
    assert part.looked["kubernetes objects in terraform"] == 2
    assert [gap.kind for gap in part.gaps] == ["terraform-fault"]
