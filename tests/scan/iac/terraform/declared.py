"""Terraform written in tests → what is read of it."""

from __future__ import annotations

import textwrap
from typing import Any

from haechi.model.resource import Resource
from haechi.scan.iac.terraform.read import Terraform, read_texts


def read(main: str = "", /, **others: str) -> Terraform:
    """``main.tf`` and others; ``__`` in a name is a slash, ``_dot_`` a dot."""
    files = {"main.tf": main} if main else {}
    files |= {name.replace("__", "/").replace("_dot_", "."): text for name, text in others.items()}
    return read_texts({path: textwrap.dedent(text).encode() for path, text in files.items()})


def one(found: Terraform, name: str) -> Resource:
    """The resource of this address."""
    return next(resource for resource in found.resources if resource.name == name)


def data(found: Terraform, name: str) -> dict[str, Any]:
    """Its attributes."""
    attributes: dict[str, Any] = one(found, name).data
    return attributes


def names(found: Terraform, kind: str = "aws_x") -> list[str]:
    """The addresses of a type."""
    return [resource.name for resource in found.resources if resource.kind == kind]


def kinds(found: Terraform) -> list[str]:
    """The kinds of gaps, in order."""
    return [gap.kind for gap in found.gaps]
