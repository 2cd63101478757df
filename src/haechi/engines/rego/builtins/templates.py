"""``strings.render_template``: of Go's ``text/template`` the fields (``{{ .a.b }}``) and comments.

Conditions, loops and functions are not carried out; a template that has them ends the evaluation,
as any text in their place would be a wrong one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.operands import text
from haechi.engines.rego.values import UNDEFINED, RegoFailure, Value, lookup, show_number, to_json

_ACTION: Final = re.compile(r"\{\{(-(?=\s))?(.*?)((?<=\s)-)?\}\}", re.DOTALL)
_FIELD: Final = re.compile(r"\.|(?:\.\w+)+")


def render(template: Value, variables: Value) -> str:
    form = text(template, 1)
    held = to_json(operands.mapping(variables, 2))
    made: list[str] = []
    at, trimmed = 0, False
    for found in _ACTION.finditer(form):
        before = form[at : found.start()]
        before = before.lstrip() if trimmed else before
        made.append(before.rstrip() if found.group(1) else before)
        made.append(_action(found.group(2).strip(), held))
        trimmed, at = bool(found.group(3)), found.end()
    rest = form[at:]
    if "{{" in rest:
        _unsupported("an action without an end")
    made.append(rest.lstrip() if trimmed else rest)
    return operands.bounded("".join(made))


def _unsupported(what: str) -> None:
    raise RegoFailure(
        "unsupported",
        f"strings.render_template: {what}",
        do="use fields only, or sprintf and comprehensions",
    )


def _action(action: str, held: Any) -> str:
    if action.startswith("/*") and action.endswith("*/"):
        return ""
    if not _FIELD.fullmatch(action):
        _unsupported(f"{{{{ {action[:40]} }}}} is no field")
    found = held
    for name in action.split(".")[1:]:
        found = lookup(found, name) if name else found
    return "<undefined>" if found is UNDEFINED else _printed(found)


def _printed(value: Any) -> str:
    """As Go prints it: ``[1 2]``, ``map[a:1]``."""
    if type(value) is str:
        return value
    if type(value) is list:
        return f"[{' '.join(map(_printed, value))}]"
    if type(value) is dict:
        return f"map[{' '.join(f'{n}:{_printed(x)}' for n, x in sorted(value.items()))}]"
    if value is None:
        return "<no value>"
    return str(value).lower() if type(value) is bool else show_number(value)


TABLE: Final = (Builtin(name="strings.render_template", arity=2, call=render),)
