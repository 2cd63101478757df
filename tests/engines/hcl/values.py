"""Evaluating texts, with names that tests share."""

from __future__ import annotations

from typing import Any

from haechi.engines.hcl.evaluate import Budget, evaluate
from haechi.engines.hcl.parse import parse_expression
from haechi.model.unknown import Reference, Unknown


class Scope:
    """Names with values."""

    def __init__(self, names: dict[str, Any] | None = None, files: Any = None) -> None:
        self.names = names or {}
        self.files = files

    def root(self, name: str) -> Any:
        return self.names[name]


def unset(name: str = "region") -> Unknown:
    """A variable that has no value."""
    return Unknown(f"var.{name} has no value", cause=f"var.{name}")


def attribute(address: str = "aws_s3_bucket.b", name: str = "arn") -> Unknown:
    """A computed attribute of a resource."""
    return Unknown(
        "known after apply",
        cause=f"{address}.{name}",
        refs=(Reference(address, (name,)),),
        given=True,
    )


def value_of(text: str, budget: Budget | None = None, files: Any = None, /, **names: Any) -> Any:
    """The value of an expression without faults of syntax."""
    node, faults = parse_expression(text)
    assert not faults, faults
    return evaluate(node, Scope(names, files), budget or Budget())
