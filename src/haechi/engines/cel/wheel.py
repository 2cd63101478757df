"""The only module that knows the CEL library (``cel-expr-python``, Google's C++ evaluator).

The wheel loads when the first expression is compiled, so that commands without CEL rules do not
pay for it. Four of its habits are smoothed here and nowhere else: a failed evaluation is a *value*
of type ERROR (not an exception) except past 10,000 iterations, where RuntimeError is raised;
reading a value that has no Python form raises; compile errors carry positions in prose; and it
crashes the process on data that ``data.examine`` refuses, so nothing unexamined may come here.

One habit cannot be smoothed: it never gives back the arguments that it hands to a Python function
nor what that returned, some 130 to 350 bytes a call (``quantity``, ``find``, ``ip`` …; nothing for
CEL's own). A process that judges for weeks has to be replaced when it has grown.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
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
TERRAFORM_NAMES = ("resource", "present")
"""Variables of rules on Terraform: the attributes, and the same for questions of presence."""
AUTHORIZERS = {"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
_LIBRARIES = ("sets", "lists\n  version: 2", "two-var-comprehensions")

_RAISED = (RuntimeError, MemoryError, ValueError, IndexError, OverflowError)
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
        self._dyn, self._null = cel.Type.DYN, cel.Type.NULL

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
            variables=dict.fromkeys((*NAMES, *TERRAFORM_NAMES), cel.Type.DYN)
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
            if native.eval(activation).type() == self._null:
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
        type_ = result.type()
        if type_ == self._bool or type_ == self._string:
            try:
                value: bool | str = result.value()
            except (TypeError, ValueError):
                return Failure("the expression gives text that is not valid Unicode")
            return value
        if type_ == self._error:
            return self._failure(result)
        # A null must not be read: see _own_nulls.
        return Failure(f"the expression gives {type_.name().lower()}, not a truth value or text")

    def _failure(self, result: Any) -> Failure:
        try:
            return Failure(_plain(str(result.value())))
        except TypeError:  # an optional says that it is an error, too, and has no Python form
            return Failure("the expression gives neither a truth value nor text")

    def value(self, native: Any, activation: Any) -> Any:
        """What an expression of any type gives, as Python holds it, or a Failure. Never raises."""
        try:
            result = native.eval(activation)
        except _RAISED as error:
            return Failure(_plain(str(error)))
        type_ = result.type()
        if type_ == self._null:
            return None
        if type_ == self._error:
            return self._failure(result)
        try:
            value = result.plain_value()
        except (TypeError, *_RAISED):
            return Failure("the expression gives something that has no form in Python")
        _own_nulls(value)
        return value


def _own_nulls(value: Any) -> None:
    """Take the references that the wheel did not.

    It hands out ``None`` without counting it (0.1.3): each one given back lowers the count, and
    when it comes to nothing, after some thousands, the process dies. From Python 3.12 on None is
    not counted.
    """
    if sys.version_info >= (3, 12):
        return
    level, nulls = [value], 0
    while level:
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                below.extend(item.values())
            elif kind is list:
                below.extend(item)
            elif item is None:
                nulls += 1
        level = below
    if nulls:
        import ctypes

        for _ in range(nulls):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))


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
