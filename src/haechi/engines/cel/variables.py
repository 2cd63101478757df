"""``variables.x`` of ValidatingAdmissionPolicy as nested ``cel.bind``.

A policy's variables are evaluated at most once, only when something uses them, and an error in one
matters only to what uses it. ``cel.bind`` in the C++ evaluator has exactly these properties, so a
rule with variables becomes one expression: no Python between its parts, and the review's shared
activation serves it (measured: 3.4 µs against 4.1 µs for the same expression written out).

The text is rewritten token by token so that every character of a fragment keeps its line and
column inside the composed text: compile errors can be reported where the author wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from haechi.errors import RuleError

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*)
      | (?P<text>(?:[bB]?[rR]|[rR][bB])
            (?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*')
          | [bB]?(?:\"{3}(?:\\[\s\S]|[^\\])*?\"{3}|'{3}(?:\\[\s\S]|[^\\])*?'{3}
            |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
      | (?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
      | (?P<number>[0-9][0-9a-zA-Z_]*)
      | (?P<other>[\s\S])""",
    re.VERBOSE,
)
_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*\Z")
_OPEN, _CLOSE = "([{", ")]}"
_BOUND = "__v_"  # shorter than "variables.", so a use never grows
LIMIT = 24  # the wheel refuses expressions nested deeper than 32; each variable is one level


class Named(Protocol):
    """A variable of a rule."""

    @property
    def name(self) -> str: ...
    @property
    def expression(self) -> str: ...


class Fragment(msgspec.Struct, frozen=True):
    """A part of a rule as its author wrote it. ``line`` is where it starts in the composed text."""

    field: str
    source: str
    line: int


class Composed(msgspec.Struct, frozen=True):
    """What is compiled, and the fragments it was made of, in order."""

    text: str
    fragments: tuple[Fragment, ...]


def compose(
    field: str, expression: str, variables: Sequence[Named] = (), *, bindings: bool = True
) -> Composed:
    """One expression that sees the variables. Raises RuleError. Without ``bindings`` the author
    may not use ``cel.bind``, which the API server does not have."""
    if not bindings:
        _refuse_bindings(field, expression)
    if len(variables) > LIMIT:
        raise RuleError(f"a rule may have {LIMIT} variables, this one has {len(variables)}")
    lines: list[str] = []
    fragments: list[Fragment] = []
    known: list[str] = []
    for variable in variables:
        if not _NAME.match(variable.name) or variable.name in known:
            raise RuleError(f"variable {variable.name!r} is not a name, or is defined twice")
        own = f"variables.{variable.name}"
        body = _rewrite(own, variable.expression, known)
        lines.append(f"cel.bind({_BOUND}{variable.name}, (")
        fragments.append(Fragment(own, variable.expression, len(lines) + 1 + _breaks(lines)))
        lines += [body, "),"]
        known.append(variable.name)
    body = _rewrite(field, expression, known)
    if not known:
        return Composed(body, (Fragment(field, expression, 1),))
    fragments.append(Fragment(field, expression, len(lines) + 1 + _breaks(lines)))
    # A line break before each bracket: a fragment may end in a comment.
    lines += [body, ")" * len(known)]
    return Composed("\n".join(lines), tuple(fragments))


def used(expression: str, variables: Sequence[Named]) -> list[Named]:
    """Those of the variables that an expression needs, directly or through others, in order."""
    wanted = _names_in(expression)
    found: list[Named] = []
    for variable in reversed(variables):
        if variable.name in wanted:
            found.append(variable)
            wanted |= _names_in(variable.expression)
    return found[::-1]


def carried(source: str, names: Collection[str], carrier: str) -> str:
    """The text with ``variables.x`` of these names read from elsewhere: ``carrier`` stands in the
    place of ``variables`` and is not longer, so that every place stays where it was."""
    words = [token for token in _TOKEN.finditer(source) if not token["skip"]]
    out, end = [], 0
    for at, word in enumerate(words):
        following = [one.group() for one in words[at + 1 : at + 3]]
        is_own = word.group() == "variables" and (at == 0 or words[at - 1].group() != ".")
        if is_own and following[:1] == ["."] and following[-1] in names:
            out += [source[end : word.start()], carrier.ljust(len("variables"))]
            end = word.end()
    return "".join([*out, source[end:]])


def _names_in(source: str) -> set[str]:
    """Names after ``variables.``; one too many (a local of that name) does no harm."""
    tokens = [token for token in _TOKEN.finditer(source) if not token["skip"]]
    return {
        after.group()
        for name, dot, after in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if name.group() == "variables" and dot.group() == "." and after["name"]
    }


def _refuse_bindings(field: str, source: str) -> None:
    tokens = [token for token in _TOKEN.finditer(source) if not token["skip"]]
    for name, dot, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (name.group(), dot.group(), after.group()) == ("cel", ".", "bind"):
            raise RuleError(
                f"{field}: {_at(source, name.start())}: the API server has no cel.bind",
                do="use variables",
            )


def _breaks(lines: list[str]) -> int:
    return sum(line.count("\n") for line in lines)


def _rewrite(field: str, source: str, known: list[str]) -> str:
    """Replace uses of variables, and see that brackets close: the text is put inside others."""
    if not source.strip():
        raise RuleError(f"{field} is empty")
    out: list[str] = []
    nesting: list[str] = []
    tokens = list(_TOKEN.finditer(source))
    place, before = 0, ""
    while place < len(tokens):
        token = tokens[place]
        text = token.group()
        if text in _OPEN and token["other"]:
            nesting.append(_CLOSE[_OPEN.index(text)])
        elif text in _CLOSE and token["other"] and (not nesting or nesting.pop() != text):
            raise RuleError(f"{field}: {_at(source, token.start())}: {text!r} closes nothing")
        if text == "has" and before != "." and (found := _presence(source, tokens, place, known)):
            place, text = found
        elif text == "variables" and before != ".":
            place, text = _use(field, source, tokens, place, known)
        out.append(text)
        if not token["skip"]:
            before = text
        place += 1
    if nesting:
        raise RuleError(f"{field}: {nesting[-1]!r} is missing at the end")
    return "".join(out)


def _presence(
    source: str, tokens: list[re.Match[str]], place: int, known: list[str]
) -> tuple[int, str] | None:
    """``has(variables.x)`` is true for every variable that there is, whatever its value; a name
    that was bound is no field that CEL could ask for."""
    ahead = [at for at in range(place + 1, len(tokens)) if not tokens[at]["skip"]][:5]
    words = [tokens[at].group() for at in ahead]
    if len(words) < 5 or words[:3] != ["(", "variables", "."] or words[4] != ")":
        return None
    if words[3] not in known:
        return None
    span = source[tokens[place].start() : tokens[ahead[4]].end()]
    return ahead[4], "true" + re.sub(r"[^\n]", " ", span[4:])


def _use(
    field: str, source: str, tokens: list[re.Match[str]], place: int, known: list[str]
) -> tuple[int, str]:
    """Place of the last token of ``variables.x`` and its replacement of the same extent."""
    start = tokens[place].start()
    ahead = [at for at in range(place + 1, len(tokens)) if not tokens[at]["skip"]][:2]
    if len(ahead) < 2 or tokens[ahead[0]].group() != "." or not tokens[ahead[1]]["name"]:
        raise RuleError(
            f"{field}: {_at(source, start)}: variables can only be used as variables.<name>"
        )
    name = tokens[ahead[1]].group()
    if name not in known:
        raise RuleError(
            f"{field}: {_at(source, start)}: variables.{name} is not defined before its use",
            why=f"defined here: {', '.join(known) or 'none'}",
        )
    span = source[start : tokens[ahead[1]].end()]
    bound = _BOUND + name
    return ahead[1], bound + re.sub(r"[^\n]", " ", span[len(bound) :])


def _at(source: str, offset: int) -> str:
    line = source.count("\n", 0, offset) + 1
    return f"line {line}, column {offset - source.rfind(chr(10), 0, offset)}"
