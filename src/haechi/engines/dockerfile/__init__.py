"""Dockerfiles as values: parse, stages, substitution, and a resource that rules can judge."""

from __future__ import annotations

from haechi.engines.dockerfile.parser import MAX_CHARACTERS, MAX_INSTRUCTIONS, parse
from haechi.engines.dockerfile.resource import resource_of
from haechi.engines.dockerfile.syntax import (
    Comment,
    Dockerfile,
    Fault,
    Flag,
    Heredoc,
    Instruction,
    Pair,
    Stage,
)

__all__ = [
    "MAX_CHARACTERS",
    "MAX_INSTRUCTIONS",
    "Comment",
    "Dockerfile",
    "Fault",
    "Flag",
    "Heredoc",
    "Instruction",
    "Pair",
    "Stage",
    "parse",
    "resource_of",
]
