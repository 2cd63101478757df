"""The only module that knows the CEL library (``cel-expr-python``, Google's C++ evaluator).

The wheel loads when the first expression is compiled, so that commands without CEL rules do not
pay for it. Four of its habits are smoothed here and nowhere else: a failed evaluation is a *value*
of type ERROR (not an exception) except past 10,000 iterations, where RuntimeError is raised;
reading a value that has no Python form raises; compile errors carry positions in prose; and it
crashes the process on data that ``data.examine`` refuses, so nothing unexamined may come here.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from haechi.engines.cel.data import is_unicode
from haechi.engines.cel.quantity import OVERLOADS

NAMES = ("object", "oldObject", "request", "params", "namespaceObject")
"""Variables of ValidatingAdmissionPolicy; ``variables`` becomes bindings (see ``variables``)."""

_PROBLEM = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_STATUS = re.compile(r"\A[A-Z_]+: ")
_TRAILER = re.compile(r"\s*\[[A-Z_]+\]\s*\Z")
TEXT_LIMIT = 600


class Problem(msgspec.Struct, frozen=True):
    """A compile error: line and column count from 1, both 0 when the library names no place."""

    line: int
    column: int
    text: str


class Malformed(Exception):
    """An expression does not compile, or bytes are not a compiled expression."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems[0].text)
        self.problems = problems


class Failure(msgspec.Struct, frozen=True):
    """An evaluation came to no value; ``text`` is the library's, shortened."""

    text: str


def version() -> str:
    """Version of the wheel, told by the name of its metadata folder without loading either.

    ``importlib.metadata`` would cost 20 ms (it loads the e-mail parser); it is the fallback.
    """
    spec = importlib.util.find_spec("cel_expr_python")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for folder in Path(place).parent.glob("cel_expr_python-*.dist-info"):
            return folder.name.removesuffix(".dist-info").partition("-")[2]
    from importlib.metadata import version as version_of

    return version_of("cel-expr-python")


class Wheel:
    """One environment: the variables, extensions and functions every expression may use."""

    def __init__(self) -> None:
        from cel_expr_python import cel
        from cel_expr_python.ext import (
            ext_bindings,
            ext_encoders,
            ext_math,
            ext_optional,
            ext_strings,
        )

        types = {name: getattr(cel.Type, name) for name in ("BOOL", "STRING", "INT", "DOUBLE")}
        types["QUANTITY"] = cel.Type.BYTES
        self._env = cel.NewEnv(
            variables=dict.fromkeys(NAMES, cel.Type.DYN),
            extensions=[
                ext_strings.ExtStrings(),
                ext_optional.ExtOptional(),
                ext_math.ExtMath(),
                ext_encoders.ExtEncoders(),
                ext_bindings.ExtBindings(),
            ],
            functions=[
                cel.FunctionDecl(
                    name,
                    [
                        cel.Overload(
                            overload.id,
                            return_type=types[overload.returns],
                            parameters=[types[parameter] for parameter in overload.parameters],
                            is_member=overload.member,
                            impl=overload.call,
                        )
                        for overload in overloads
                    ],
                )
                for name, overloads in OVERLOADS.items()
            ],
        )
        self._bool, self._string, self._error = cel.Type.BOOL, cel.Type.STRING, cel.Type.ERROR
        self._dyn = cel.Type.DYN

    def compile(self, text: str, *, returns: str) -> Any:
        """Compile; ``returns`` is ``bool`` or ``string``. Raises Malformed."""
        if not is_unicode(text):
            raise Malformed([Problem(0, 0, "the expression is not valid Unicode")])
        try:
            native = self._env.compile(text)
        except RuntimeError as error:
            raise Malformed(_problems(str(error))) from error
        wanted = self._bool if returns == "bool" else self._string
        found = native.return_type()
        if found not in (wanted, self._dyn):
            text = f"the expression gives {found.name().lower()}; it must give {returns}"
            raise Malformed([Problem(0, 0, text)])
        return native

    def load(self, blob: bytes) -> Any:
        """Restore what ``native.serialize()`` gave. Raises Malformed."""
        try:
            return self._env.deserialize(blob)
        except RuntimeError as error:
            raise Malformed(_problems(str(error))) from error

    def activation(self, values: Mapping[str, Any]) -> Any:
        """Bind variables. They are converted at their first use and then shared."""
        return self._env.Activation(values)

    def evaluate(self, native: Any, activation: Any) -> bool | str | Failure:
        """The truth value or text; everything else is a Failure. Never raises."""
        try:
            result = native.eval(activation)
        except RuntimeError as error:
            return Failure(_plain(str(error)))
        except MemoryError:
            return Failure("the evaluation needs more memory than it may have")
        try:
            value = result.value()
        except TypeError:  # an optional, among others, has no Python form
            return Failure("the expression gives neither a truth value nor text")
        if isinstance(value, bool):
            return value
        type_ = result.type()
        if type_ == self._error:
            return Failure(_plain(str(value)))
        if isinstance(value, str):
            return value
        return Failure(f"the expression gives {type_.name().lower()}, not a truth value or text")


def _plain(text: str) -> str:
    """Without the status words of the C++ library and not longer than a message may be."""
    text = _TRAILER.sub("", _STATUS.sub("", text))
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def _problems(text: str) -> list[Problem]:
    found = [
        Problem(max(int(line), 0), max(int(column), 0), _TRAILER.sub("", message))
        for line, column, message in _PROBLEM.findall(text)
    ]
    return found or [Problem(0, 0, _plain(text))]
