"""The only module that knows the CEL library (``cel-expr-python``, Google's C++ evaluator).

The wheel loads when the first expression is compiled, so that commands without CEL rules do not
pay for it. Four of its habits are smoothed here and nowhere else: a failed evaluation is a *value*
of type ERROR (not an exception) except past 10,000 iterations, where RuntimeError is raised;
reading a value that has no Python form raises; compile errors carry positions in prose; and it
crashes the process on data that ``data.examine`` refuses, so nothing unexamined may come here.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from haechi.engines.cel import wire
from haechi.engines.cel.data import is_unicode
from haechi.engines.cel.expand import expand
from haechi.engines.cel.functions import declared, implemented
from haechi.engines.cel.libraries.overload import AUTHORIZER, RESOURCE_CHECK
from haechi.engines.cel.messages import NAMESPACE, REQUEST, descriptor_pool

NAMES = ("object", "oldObject", "request", "params", "namespaceObject")
"""Variables of ValidatingAdmissionPolicy; ``variables`` becomes bindings (see ``variables``)."""
AUTHORIZERS = {"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
_LIBRARIES = ("sets", "lists\n  version: 2", "two-var-comprehensions")

_RAISED = (RuntimeError, MemoryError, ValueError, IndexError, OverflowError, TypeError)
"""What exceptions of C++ become in Python."""
_RETURNS = {
    "bool": ("BOOL",),
    "string": ("STRING",),
    "string or null": ("STRING", "NULL"),
    "any": (),
}
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
    """Three environments: one that runs, and two that check and are made when first needed.

    ``kubernetes`` knows what the API server knows, with its types, and nothing else; the other
    one knows haechi's superset, to which those types are bytes. What they compile is handed to
    the running one in serialised form, which is also what a cache holds.
    """

    def __init__(self) -> None:
        from cel_expr_python import cel

        self._env = self._environment(implemented(cel))
        self._bool, self._string, self._error = cel.Type.BOOL, cel.Type.STRING, cel.Type.ERROR
        self._dyn = cel.Type.DYN

    @functools.cached_property
    def _own(self) -> Any:
        from cel_expr_python import cel

        return self._environment(declared(cel, kubernetes=False))

    def _environment(self, functions: list[Any]) -> Any:
        from cel_expr_python import cel
        from cel_expr_python.ext import (
            ext_bindings,
            ext_encoders,
            ext_math,
            ext_optional,
            ext_strings,
        )

        return cel.NewEnv(
            config=_config(*_LIBRARIES),
            variables=dict.fromkeys(NAMES, cel.Type.DYN)
            | dict.fromkeys(AUTHORIZERS, cel.Type.BYTES),
            extensions=[
                ext_strings.ExtStrings(),
                ext_optional.ExtOptional(),
                ext_math.ExtMath(),
                ext_encoders.ExtEncoders(),
                ext_bindings.ExtBindings(),
                cel.CelExtension("kubernetes", functions),
            ],
        )

    @functools.cached_property
    def _kubernetes(self) -> Any:
        from cel_expr_python import cel
        from cel_expr_python.ext import ext_bindings, ext_optional

        variables = dict.fromkeys(NAMES, cel.Type.DYN)
        typed = {"request": REQUEST, "namespaceObject": NAMESPACE, **AUTHORIZERS}
        variables |= {name: cel.Type(type_) for name, type_ in typed.items()}
        return cel.NewEnv(
            descriptor_pool=descriptor_pool(),
            config=_config(*_LIBRARIES, "strings\n  version: 2"),
            variables=variables,
            extensions=[
                ext_optional.ExtOptional(),
                ext_bindings.ExtBindings(),
                cel.CelExtension("kubernetes", declared(cel, kubernetes=True)),
            ],
        )

    def compile(self, text: str, *, returns: str, kubernetes: bool = False) -> tuple[Any, bytes]:
        """Compile; ``returns`` is bool, string, string or null, or any. Gives what can be evaluated
        and its serialised form. Raises Malformed."""
        if not is_unicode(text):
            raise Malformed([Problem(0, 0, "the expression is not valid Unicode")])
        try:
            native = (self._kubernetes if kubernetes else self._own).compile(text)
            blob = native.serialize()
        except RuntimeError as error:
            raise Malformed(_problems(str(error))) from error
        found = native.return_type()
        allowed = _RETURNS[returns]
        # The API server takes an expression whose type is only known at run time for no condition.
        if allowed and found.name() not in allowed and (kubernetes or found != self._dyn):
            text = f"the expression gives {found.name().lower()}; it must give {returns}"
            raise Malformed([Problem(0, 0, text)])
        if b"cel.@mapInsert" in blob:  # checked by the library, but it cannot run it
            text = "transformMap and transformMapEntry are not supported by haechi"
            raise Malformed([Problem(0, 0, text)])
        try:
            expanded = expand(blob)
        except (wire.Malformed, RecursionError) as error:
            raise Malformed([Problem(0, 0, f"the expression is too complex: {error}")]) from error
        return self.load(expanded), expanded

    def load(self, blob: bytes) -> Any:
        """Restore what ``native.serialize()`` gave. Raises Malformed."""
        try:
            return self._env.deserialize(blob)
        except RuntimeError as error:
            raise Malformed(_problems(str(error))) from error

    def activation(self, values: Mapping[str, Any]) -> Any:
        """Bind variables. They are converted at their first use and then shared."""
        return self._env.Activation(values)

    def text(self, native: Any, activation: Any) -> str | Failure | None:
        """The text or null; everything else is a Failure. Never raises."""
        try:
            result = native.eval(activation)
            if result.type().name() == "NULL":
                return None
        except _RAISED as error:
            return Failure(_plain(str(error)))
        value = self.evaluate(native, activation)
        return Failure("the expression gives bool, not text") if isinstance(value, bool) else value

    def evaluate(self, native: Any, activation: Any) -> bool | str | Failure:
        """The truth value or text; everything else is a Failure. Never raises."""
        try:
            result = native.eval(activation)
        except MemoryError:
            return Failure("the evaluation needs more memory than it may have")
        except _RAISED as error:
            return Failure(_plain(str(error)))
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

    def value(self, native: Any, activation: Any) -> Any:
        """What an expression of any type gives, as Python holds it, or a Failure. Never raises."""
        try:
            result = native.eval(activation)
            value = result.plain_value()
        except (RuntimeError, TypeError, MemoryError) as error:
            return Failure(_plain(str(error)))
        return Failure(_plain(str(value))) if result.type() == self._error else value


@functools.cache
def the_wheel() -> Wheel:
    """One for the process: it changes nothing once made, and engines that share it share the
    activation of a review."""
    return Wheel()


def _config(*extensions: str) -> Any:
    from cel_expr_python import cel

    lines = "".join(f"- name: {extension}\n" for extension in extensions)
    return cel.NewEnvConfigFromYaml(f"name: haechi\nextensions:\n{lines}")


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
