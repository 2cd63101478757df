"""Plain values as CEL text, and tests of names as CEL.

The API server takes lists and maps of one type only (``HomogeneousAggregateLiterals``), so what
is mixed is wrapped in ``dyn``; at run time that makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from haechi.admit.export.portable import Inexpressible

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MOST = 1 << 63
_DEEPEST = 12


def text(value: str) -> str:
    """A string literal. Nothing in it can end it."""
    made = []
    for sign in value:
        code = ord(sign)
        if sign in _ESCAPES:
            made.append(_ESCAPES[sign])
        elif 0 < code < 0x20 or 0x7F <= code < 0xA0 or code in (0x2028, 0x2029, 0xFEFF):
            made.append(f"\\u{code:04x}")
        elif code == 0 or 0xD800 <= code < 0xE000:
            raise Inexpressible("a parameter holds a sign that is none (NUL, half a surrogate)")
        else:
            made.append(sign)
    return f'"{"".join(made)}"'


def literal(value: Any, depth: int = 0) -> str:
    """A JSON value. Raises Inexpressible."""
    if depth > _DEEPEST:
        raise Inexpressible("its parameters are nested too deeply for an expression")
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            if not -_MOST <= value < _MOST:
                raise Inexpressible(f"the number {value} is too large for CEL")
            return str(value)
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise Inexpressible("a parameter is no finite number")
            return repr(value) if "." in repr(value) or "e" in repr(value) else f"{value!r}.0"
        case str():
            return text(value)
        case list():
            return f"[{', '.join(_several(value, depth))}]"
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise Inexpressible("a key of its parameters is no text")
            values = _several(list(value.values()), depth)
            pairs = (f"{text(key)}: {one}" for key, one in zip(value, values, strict=True))
            return f"{{{', '.join(pairs)}}}"
        case _:
            raise Inexpressible(f"a parameter is a {type(value).__name__}")


def _several(values: Sequence[Any], depth: int) -> list[str]:
    made = [literal(value, depth + 1) for value in values]
    kinds = {type(value) for value in values}
    plain = len(kinds) <= 1 and kinds <= {str, int, float, bool}
    return made if plain or len(values) < 1 else [f"dyn({one})" for one in made]


def texts(values: Sequence[str]) -> str:
    """A list of strings."""
    return f"[{', '.join(map(text, values))}]"


def is_glob(glob: str, subject: str) -> str:
    """Gatekeeper's globs (``match.glob_takes``) over an expression that is a name."""
    if glob == "*":
        return "true"
    if glob.startswith("*"):
        inner = glob[1:]
        if inner.endswith("*"):
            return f"{subject}.contains({text(inner[:-1])})"
        return f"{subject}.endsWith({text(inner)})"
    if glob.endswith("*"):
        return f"{subject}.startsWith({text(glob[:-1])})"
    return f"{subject} == {text(glob)}"


def any_glob(globs: Sequence[str], subject: str) -> str:
    """Whether one of them takes it; plain names are one list."""
    plain = [glob for glob in globs if "*" not in (glob[:1], glob[-1:])]
    tests = [f"{subject} in {texts(plain)}"] if plain else []
    tests += [is_glob(glob, subject) for glob in globs if glob not in plain]
    return " || ".join(tests) or "false"


def path_glob(glob: str, subject: str) -> str:
    """The globs of a rollout (``engines.globs``) over a name, which has no slash."""
    if "/" in glob.removeprefix("./").removesuffix("/") or glob.endswith("/"):
        raise Inexpressible(f"the glob {glob!r} is one of paths, not of names")
    glob = glob.removeprefix("./")
    if glob == "**":
        return f'{subject} != ""'
    parts = re.split(r"(\*+|\?)", glob)
    wild = {"?": "[^/]"}
    made = "".join(
        re.escape(part) if number % 2 == 0 else wild.get(part, "[^/]*")
        for number, part in enumerate(parts)
    )
    return f"{subject}.matches({text(f'^(?s:{made})$')})"
