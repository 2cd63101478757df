"""Kubernetes objects that blocks of the Kubernetes provider declare (being written)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haechi.scan.iac.collected import Collected
    from haechi.scan.iac.terraform.read import Terraform


def take_kubernetes(found: Terraform, out: Collected) -> None:
    """Nothing yet."""
