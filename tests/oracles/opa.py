"""Open Policy Agent as the judge of our Rego: modules, a query and an input in, its answer out.

It is OPA 1.x as a shared library, which ``./dev test`` unpacks to ``.venv/oracles`` (or name a
folder that holds ``opa_bindings`` in HAECHI_ORACLES). It reads Rego v1 only: policies in v0 are
put before it by ``haechi.engines.rego.writer``. An engine cannot forget a module or data, so there
is one for each set of them, the latest few kept. It runs with strict errors of builtins: where
OPA's default makes ``to_number("x")`` undefined, this raises ``eval_error``, and the message holds
eval_builtin_error or eval_type_error. Tests begin with ``opa = require_opa()``.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ENGINES_LIMIT = 8
_ROOT = Path(__file__).resolve().parents[2]


class OpaError(Exception):
    """OPA refused: ``code`` says at which step (parse_error, prepare_error, eval_error …)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Opa:
    """Ask OPA. Not for several threads at once."""

    def __init__(self, library: ModuleType) -> None:
        self._library = library
        self._engines: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def evaluate(
        self,
        modules: Sequence[str],
        query: str,
        input: Any = None,
        data: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """The values of a query, as JSON: none if it is undefined, else one (or several, if the
        query has variables of its own). ``input`` None is no input. Raises OpaError."""
        engine = self._engine(modules, data)
        try:
            found = engine.eval_query(f"value__ = {query}", input)
        except self._library.OpaError as error:
            raise OpaError(error.code, error.message) from None
        return [bindings["value__"] for bindings in found]

    def compile(self, modules: Sequence[str]) -> None:
        """Raise OpaError unless the modules parse and compile together."""
        self.evaluate(modules, "true")

    def parse(self, module: str) -> None:
        """Raise OpaError unless the text parses; names, safety and types are not looked at."""
        engine = self._library.OpaEngine()
        try:
            engine.add_policy("module.rego", module)
        except self._library.OpaError as error:
            raise OpaError(error.code, error.message) from None
        finally:
            engine.close()

    def close(self) -> None:
        while self._engines:
            self._engines.popitem()[1].close()

    def _engine(self, modules: Sequence[str], data: Mapping[str, Any] | None) -> Any:
        key = (*modules, json.dumps(data))
        if key in self._engines:
            self._engines.move_to_end(key)
            return self._engines[key]
        engine = self._library.OpaEngine()
        try:
            for number, module in enumerate(modules):
                engine.add_policy(f"module{number}.rego", module)
            if data:
                engine.add_data(dict(data))
        except self._library.OpaError as error:
            engine.close()
            raise OpaError(error.code, error.message) from None
        self._engines[key] = engine
        if len(self._engines) > ENGINES_LIMIT:
            self._engines.popitem(last=False)[1].close()
        return engine


def require_opa() -> Opa:
    """OPA, or the test is skipped with the reason why there is none."""
    found = _load()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@functools.cache
def _load() -> Opa | str:
    folder = Path(os.environ.get("HAECHI_ORACLES") or _ROOT / ".venv" / "oracles")
    start = folder / "opa_bindings" / "__init__.py"
    if not start.is_file():
        return f"OPA's shared library is not in {folder}; './dev test' installs it"
    spec = importlib.util.spec_from_file_location(
        "opa_bindings", start, submodule_search_locations=[str(start.parent)]
    )
    if spec is None or spec.loader is None:
        return f"{start} cannot be imported"
    module = importlib.util.module_from_spec(spec)
    sys.modules["opa_bindings"] = module
    try:
        spec.loader.exec_module(module)
        module.OpaEngine().close()
    except (OSError, ImportError) as error:
        return f"OPA's shared library does not load here: {error}"
    return Opa(module)
