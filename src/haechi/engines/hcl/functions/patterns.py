"""``regex``, ``regexall`` and ``replace`` with ``/pattern/``, on RE2."""

from __future__ import annotations

import functools
import re
from typing import Any

from haechi.engines.hcl.functions.signature import Context
from haechi.engines.hcl.values import EvalFault

_PROGRAM_BYTES = 8 * 2**20
_MAX_PATTERN = 10_000
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import re2

    if len(pattern) > _MAX_PATTERN:
        raise EvalFault("the pattern is too long")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PROGRAM_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise EvalFault(f"the pattern is wrong: {reason[:200]}") from error


def _captured(program: Any, match: Any) -> Any:
    """The whole match; with groups a list of them, with names an object."""
    if not program.groups:
        return match.group()
    if program.groupindex:
        if len(program.groupindex) != program.groups:
            raise EvalFault("the pattern mixes groups with and without names")
        return {name: match.group(number) for name, number in program.groupindex.items()}
    return list(match.groups())


def regex(context: Context, pattern: str, text: str) -> Any:
    context.budget.step(len(text) // 100)
    program = _compiled(pattern)
    match = program.search(text)
    if match is None:
        raise EvalFault("regex: the pattern does not match")
    return _captured(program, match)


def regexall(context: Context, pattern: str, text: str) -> list[Any]:
    program = _compiled(pattern)
    out: list[Any] = []
    for match in _matches(context, program, text):
        context.budget.grow(8 + len(match.group()))
        out.append(_captured(program, match))
    return out


def replace(context: Context, text: str, pattern: str, into: str) -> str:
    """``$1``, ``$name`` and ``${name}`` in ``into`` are what a group captured."""
    program = _compiled(pattern)
    out: list[str] = []
    at = 0
    for match in _matches(context, program, text):
        piece = text[at : match.start()] + _REFERENCE.sub(_put(program, match), into)
        context.budget.grow(len(piece))
        out.append(piece)
        at = match.end()
    out.append(text[at:])
    return "".join(out)


def _put(program: Any, match: Any) -> Any:
    def put(found: re.Match[str]) -> str:
        if found[3]:
            return "$"
        name = found[1] or found[2]
        number = int(name) if name.isdigit() else program.groupindex.get(name)
        if number is None or number > program.groups:
            return ""
        return match.group(number) or ""

    return put


def _matches(context: Context, program: Any, text: str) -> Any:
    """As Go finds them: an empty match right behind another match does not count. Each search
    may read all of the text that is left, whatever it finds."""
    end = -1
    context.budget.step(len(text) // 100)
    for match in program.finditer(text):
        context.budget.step(1 + (len(text) - match.end()) // 200)
        if match.start() == match.end() == end:
            continue
        end = match.end()
        yield match
