"""``json.match_schema`` and ``json.verify_schema``: JSON Schema, drafts 4 to 7.

Nothing is fetched: a ``$ref`` leads within the schema (``#/definitions/x``), and any other is an
error. The answer's truth is as upstream's; of its texts those of the usual keywords are.
Keywords that are not known are annotations, as the specification has it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from haechi.engines.rego.builtins import operands, regexes
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.encoding import marshal, parsed
from haechi.engines.rego.values import (
    BuiltinError,
    RegoFailure,
    Value,
    equal,
    key,
    show_number,
    to_json,
)

_TYPES: Final = ("array", "boolean", "integer", "number", "null", "object", "string")
_MAX_ERRORS: Final = 1000
_MAX_STEPS: Final = 100_000
_ROOT: Final = "(Root)"
# Upstream checks these: to let a value pass unchecked would be an answer, and a wrong one.
_FORMATS: Final = frozenset(
    (
        "date",
        "date-time",
        "email",
        "hostname",
        "idn-email",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "iri",
        "iri-reference",
        "json-pointer",
        "regex",
        "relative-json-pointer",
        "time",
        "uri",
        "uri-reference",
        "uri-template",
        "uuid",
    )
)


def _plain(value: Value) -> Any:
    if type(value) is str:
        return parsed(value)
    held = to_json(value)
    if type(held) not in (dict, list):
        raise BuiltinError("wrong type, expected string or object")
    return held


def _resolved(root: Any, reference: str) -> Any:
    if not reference.startswith("#"):
        raise BuiltinError("remote reference loading disabled")
    found = root
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if type(found) is not dict or name not in found:
            raise BuiltinError(f"Object has no key '{name[:40]}'")
        found = found[name]
    if type(found) not in (dict, bool):
        raise BuiltinError("a reference leads to no schema")
    return found


def match_schema(document: Value, schema: Value) -> list[Value]:
    instance, held = _plain(document), _plain(schema)
    _verify(held, held, 0)
    matching = _Matching(held)
    matching.match(instance, held, ())
    return [not matching.errors, matching.errors]


def verify_schema(schema: Value) -> list[Value]:
    try:
        held = _plain(schema)
        _verify(held, held, 0)
    except BuiltinError as error:
        return [False, f"jsonschema: {error}"]
    return [True, None]


_SHAPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("properties", "patternProperties", "definitions", "dependencies"), (dict,)),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "enum", "required"), (list,)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), (int,)),
    **dict.fromkeys(("minProperties", "maxProperties"), (int,)),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), (int, float)),
    **dict.fromkeys(("pattern", "$ref", "format", "title", "description"), (str,)),
    **dict.fromkeys(("not", "if", "then", "else", "contains", "propertyNames"), (dict, bool)),
    "items": (dict, list, bool),
    "additionalProperties": (dict, bool),
    "additionalItems": (dict, bool),
    "uniqueItems": (bool,),
}


def _verify(schema: Any, root: Any, depth: int) -> None:
    if depth > 64:
        operands.too_large("the depth of a schema", 64)
    if type(schema) is bool:
        return
    if type(schema) is not dict:
        raise BuiltinError("schema must be an object or a boolean")
    for name, held in schema.items():
        wanted = _SHAPES.get(name)
        if wanted and type(held) not in wanted:
            raise BuiltinError(f"Invalid type. {name} has the wrong type")
        if wanted == (int,) and held < 0:
            raise BuiltinError(f"{name} must be greater than or equal to 0")
    if "$ref" in schema:
        _resolved(root, schema["$ref"])
    for kind in _listed(schema.get("type", [])):
        if kind not in _TYPES:
            raise BuiltinError(
                f"has a primitive type that is NOT VALID -- given: /{kind}/ "
                f"Expected valid values are:[{' '.join(_TYPES)}]"
            )
    for pattern in (schema.get("pattern", ""), *schema.get("patternProperties", {})):
        regexes.compiled(pattern)
    for below in _below(schema):
        _verify(below, root, depth + 1)


def _below(schema: dict[str, Any]) -> list[Any]:
    made: list[Any] = []
    for name in ("properties", "patternProperties", "definitions"):
        made.extend(schema.get(name, {}).values())
    made.extend(x for x in schema.get("dependencies", {}).values() if type(x) is not list)
    for name in ("allOf", "anyOf", "oneOf"):
        made.extend(schema.get(name, []))
    made.extend(_listed(schema.get("items", [])))
    names = ("not", "if", "then", "else", "contains", "propertyNames")
    made.extend(schema[name] for name in names if name in schema)
    made.extend(schema[n] for n in ("additionalProperties", "additionalItems") if n in schema)
    return made


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [value]


def _kinds(value: Any) -> tuple[str, ...]:
    if type(value) is bool:
        return ("boolean",)
    if type(value) is int or (type(value) is float and value.is_integer()):
        return ("integer", "number")
    names = {float: "number", str: "string", list: "array", dict: "object"}
    return (names.get(type(value), "null"),)


class _Matching:
    """One document against one schema; ``errors`` are those of all keywords."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.errors: list[dict[str, str]] = []
        self.steps = 0

    def fail(self, path: tuple[str, ...], kind: str, description: str) -> None:
        field = ".".join(path) or _ROOT
        if len(self.errors) >= _MAX_ERRORS:
            operands.too_large("the errors of a document", _MAX_ERRORS)
        self.errors.append(
            {
                "error": f"{field}: {description}",
                "type": kind,
                "field": field,
                "desc": description,
            }
        )

    def holds(self, value: Any, schema: Any, path: tuple[str, ...]) -> bool:
        kept, self.errors = self.errors, []
        self.match(value, schema, path)
        found, self.errors = self.errors, kept
        return not found

    def match(self, value: Any, schema: Any, path: tuple[str, ...]) -> None:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            operands.too_large("the steps of a schema", _MAX_STEPS)
        if type(schema) is bool:
            if not schema:
                self.fail(path, "false", "False always fails validation")
            return
        if "$ref" in schema:
            self.match(value, _resolved(self.root, schema["$ref"]), path)
            return
        self.general(value, schema, path)
        kind = type(value)
        if kind is str:
            self.text(value, schema, path)
        elif kind is int or kind is float:
            self.number(value, schema, path)
        elif kind is list:
            self.items(value, schema, path)
        elif kind is dict:
            self.properties(value, schema, path)

    def general(self, value: Any, schema: dict[str, Any], path: tuple[str, ...]) -> None:
        if "type" in schema and not set(_kinds(value)) & set(_listed(schema["type"])):
            kinds = schema["type"]
            wanted = kinds if type(kinds) is str else f"[{','.join(kinds)}]"
            given = _kinds(value)[0]
            self.fail(path, "invalid_type", f"Invalid type. Expected: {wanted}, given: {given}")
        name = path[-1] if path else _ROOT
        if "enum" in schema and not any(equal(value, item) for item in schema["enum"]):
            listed = ", ".join(marshal(item) for item in schema["enum"])
            self.fail(path, "enum", f"{name} must be one of the following: {listed}")
        if "const" in schema and not equal(value, schema["const"]):
            self.fail(path, "const", f"{name} does not match: {marshal(schema['const'])}")
        self.combined(value, schema, path)

    def combined(self, value: Any, schema: dict[str, Any], path: tuple[str, ...]) -> None:
        if "anyOf" in schema and not any(self.holds(value, s, path) for s in schema["anyOf"]):
            self.fail(path, "number_any_of", "Must validate at least one schema (anyOf)")
        several = schema.get("oneOf")
        if several is not None and sum(self.holds(value, s, path) for s in several) != 1:
            self.fail(path, "number_one_of", "Must validate one and only one schema (oneOf)")
        before = len(self.errors)
        for below in schema.get("allOf", ()):
            self.match(value, below, path)
        if len(self.errors) > before:
            self.fail(path, "number_all_of", "Must validate all the schemas (allOf)")
        if "not" in schema and self.holds(value, schema["not"], path):
            self.fail(path, "number_not", "Must not validate the schema (not)")
        if "if" in schema:
            branch = "then" if self.holds(value, schema["if"], path) else "else"
            if branch in schema and not self.holds(value, schema[branch], path):
                self.fail(
                    path,
                    f"condition_{branch}",
                    f'Must validate "{branch}" as "if" was '
                    f"{'valid' if branch == 'then' else 'not valid'}",
                )
                self.match(value, schema[branch], path)

    def text(self, value: str, schema: dict[str, Any], path: tuple[str, ...]) -> None:
        least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
        if len(value) < least:
            what = f"String length must be greater than or equal to {least}"
            self.fail(path, "string_gte", what)
        if len(value) > most:
            self.fail(path, "string_lte", f"String length must be less than or equal to {most}")
        if schema.get("format") in _FORMATS:
            raise RegoFailure(
                "unsupported",
                f"json.match_schema: the format {schema['format']} is not checked here",
                do="use a pattern in its place",
            )
        pattern = schema.get("pattern")
        if pattern is not None and not regexes.match(pattern, value):
            self.fail(path, "pattern", f"Does not match pattern '{pattern}'")

    def number(self, value: float, schema: dict[str, Any], path: tuple[str, ...]) -> None:
        rules: tuple[tuple[str, str, str, Callable[[float], bool]], ...] = (
            ("minimum", "number_gte", "greater than or equal to", lambda edge: value >= edge),
            ("maximum", "number_lte", "less than or equal to", lambda edge: value <= edge),
            ("exclusiveMinimum", "number_gt", "greater than", lambda edge: value > edge),
            ("exclusiveMaximum", "number_lt", "less than", lambda edge: value < edge),
        )
        for name, kind, words, fits in rules:
            edge: Any = schema.get(name)
            if type(edge) in (int, float) and not fits(edge):
                self.fail(path, kind, f"Must be {words} {show_number(edge)}")
        for name, edge in (("Minimum", schema.get("minimum")), ("Maximum", schema.get("maximum"))):
            if schema.get(f"exclusive{name}") is True and value == edge:  # draft 4
                self.fail(
                    path,
                    "number_gt" if name == "Minimum" else "number_lt",
                    f"Must be {'greater' if name == 'Minimum' else 'less'} than {edge}",
                )
        step = schema.get("multipleOf")
        if step and Fraction(repr(value)) % Fraction(repr(step)):
            self.fail(path, "multiple_of", f"Must be a multiple of {show_number(step)}")

    def items(self, value: list[Any], schema: dict[str, Any], path: tuple[str, ...]) -> None:
        items, rest = schema.get("items", True), schema.get("additionalItems", True)
        for index, item in enumerate(value):
            below = items
            if type(items) is list:
                below = items[index] if index < len(items) else rest
            self.match(item, below, (*path, str(index)))
        if len(value) < schema.get("minItems", 0):
            what = f"Array must have at least {schema['minItems']} items"
            self.fail(path, "array_min_items", what)
        if len(value) > schema.get("maxItems", len(value)):
            self.fail(
                path, "array_max_items", f"Array must have at most {schema['maxItems']} items"
            )
        if schema.get("uniqueItems"):
            self.unique(value, path)
        if "contains" in schema and not any(self.holds(x, schema["contains"], path) for x in value):
            self.fail(path, "contains", "At least one of the items must match")

    def unique(self, value: list[Any], path: tuple[str, ...]) -> None:
        first: dict[Any, int] = {}
        for index, item in enumerate(value):
            at = first.setdefault(key(item), index)
            if at != index:
                self.fail(path, "unique", f"array items[{at},{index}] must be unique")

    def properties(
        self, value: dict[str, Any], schema: dict[str, Any], path: tuple[str, ...]
    ) -> None:
        for name in schema.get("required", ()):
            if name not in value:
                self.fail(path, "required", f"{name} is required")
        if len(value) < schema.get("minProperties", 0):
            what = f"Must have at least {schema['minProperties']} properties"
            self.fail(path, "array_min_properties", what)
        if len(value) > schema.get("maxProperties", len(value)):
            what = f"Must have at most {schema['maxProperties']} properties"
            self.fail(path, "array_max_properties", what)
        for name, needed in schema.get("dependencies", {}).items():
            if name in value:
                self.dependency(value, needed, path)
        self.additional(value, schema, path)
        for name, item in sorted(value.items()):
            if not self.holds(name, schema.get("propertyNames", True), path):
                self.fail(
                    path, "invalid_property_name", f'Property name of "{name}" does not match'
                )
            self.property(name, item, schema, path)

    def dependency(self, value: dict[str, Any], needed: Any, path: tuple[str, ...]) -> None:
        if type(needed) is not list:
            self.match(value, needed, path)
            return
        for name in needed:
            if name not in value:
                self.fail(path, "missing_dependency", f"Has a dependency on {name}")

    def property(self, name: str, item: Any, schema: dict[str, Any], path: tuple[str, ...]) -> None:
        here = (*path, name)
        for below in _of_property(name, schema):
            self.match(item, below, here)

    def additional(
        self, value: dict[str, Any], schema: dict[str, Any], path: tuple[str, ...]
    ) -> None:
        rest = schema.get("additionalProperties", True)
        if rest is True:
            return
        for name in sorted(value):
            if _of_property(name, schema):
                continue
            if rest is False:
                what = f"Additional property {name} is not allowed"
                self.fail(path, "additional_property_not_allowed", what)
            else:
                self.match(value[name], rest, (*path, name))


def _of_property(name: str, schema: dict[str, Any]) -> list[Any]:
    """The schemas that a property's name leads to."""
    made = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    patterns = schema.get("patternProperties", {})
    return made + [below for pattern, below in patterns.items() if regexes.match(pattern, name)]


TABLE: Final = (
    Builtin(name="json.match_schema", arity=2, call=match_schema),
    Builtin(name="json.verify_schema", arity=1, call=verify_schema),
)
