"""What a builtin is to the compiler, and what it may know of the evaluation that calls it.

``call`` takes the arguments' values (never UNDEFINED: a call with an undefined argument is
undefined without being made) and gives a value, or raises BuiltinError where OPA's builtin errs
(wrong type, wrong content). A result of ``False`` is a value like another: the compiler treats it
as it treats every expression.

``contextual`` builtins take the ``Context`` of the evaluation before their arguments. ``relation``
builtins (``walk``) have many results: ``call`` gives an iterable of values, each of which is
unified with the call's output in turn. ``variadic`` ones (``print``) take any number of arguments,
and are given UNDEFINED where one is undefined.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec


class Context:
    """One evaluation: its clock stands still, and what is drawn by one name stays the same.

    ``memo`` is for builtins that must answer alike within one evaluation.
    """

    __slots__ = ("memo", "now_ns", "random")

    def __init__(self, *, now_ns: int, seed: int = 0) -> None:
        self.now_ns = now_ns
        self.random = random.Random(seed)  # noqa: S311 - Rego's rand.intn promises no secrecy
        self.memo: dict[Any, Any] = {}


class Builtin(msgspec.Struct, frozen=True, kw_only=True):
    """``arity`` counts the arguments without the output that a call may name as its last one."""

    name: str
    arity: int
    call: Callable[..., Any]
    contextual: bool = False
    relation: bool = False
    variadic: bool = False
