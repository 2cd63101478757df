"""The names that generated code knows, and nothing else: no builtins of Python, no modules."""

from __future__ import annotations

from typing import Any, Final

from haechi.engines.rego import runtime, values
from haechi.engines.rego.documents import Documents
from haechi.engines.rego.objects import built_object
from haechi.engines.rego.runtime import Run
from haechi.engines.rego.values import Value

_PYTHON: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (bool, dict, float, int, list, str, type)
} | {"id": id, "len": len}

_FROM_RUNTIME: Final = (
    *("burn", "checked_object", "conflict", "constant_call", "data_at", "distinct", "input_at"),
    *("is_collection", "is_object", "make_set", "measured", "mocked", "related", "sorted_items"),
    *("sorted_values", "weighed", "with_call", "with_data", "with_input"),
)
_FROM_VALUES: Final = ("BuiltinError", "RegoObject", "RegoSet", "equal", "lookup", "make_object")


def names_for(documents: Documents) -> dict[str, Any]:
    """The globals of one program's code."""

    def data_lookup(run: Run, path: tuple[Value, ...]) -> Value:
        return documents.at(run, path)

    def data_document(run: Run, path: tuple[str, ...]) -> Value:
        return documents.document(run, documents.by_path[path])

    def data_names(run: Run, path: tuple[Value, ...]) -> list[Value]:
        return documents.names(run, path)

    return {
        **{name: getattr(runtime, name) for name in _FROM_RUNTIME},
        **{name: getattr(values, name) for name in _FROM_VALUES},
        "__builtins__": _PYTHON,
        "P": runtime.PENDING,
        "U": values.UNDEFINED,
        "built_object": built_object,
        "data_document": data_document,
        "data_lookup": data_lookup,
        "data_names": data_names,
        "items": runtime.items_of,
        "values": runtime.values_of,
    }
