"""A template's schema for its constraints' parameters: structure, faults of values, defaults.

Gatekeeper makes a CustomResourceDefinition of it, so what counts is what the API server does with
``openAPIV3Schema``: structural schemas only, unknown fields refused, defaults filled in. Formats
other than ``int32`` and ``int64`` and ``x-kubernetes-validations`` are not checked.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from haechi.admit.gatekeeper.regex import pattern
from haechi.checks.pods.view import items, mapping
from haechi.errors import RuleError
from haechi.model.location import AttrPath, format_path

PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
MOST: Final = 20
"""Faults told of one value."""
_TYPES: Final = ("object", "array", "string", "integer", "number", "boolean")
_RANGES: Final = {"int32": 1 << 31, "int64": 1 << 63}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a value, or with a schema. ``unknown``: a field that is not in it."""

    path: AttrPath
    text: str
    unknown: bool = False


def faults_of_schema(schema: Any, path: AttrPath = ()) -> list[Problem]:
    """Why the API server would not make a CustomResourceDefinition of this schema."""
    return _first(_structure(schema, path, 0))


def legacy(schema: Any) -> dict[str, Any]:
    """The schema with unknown fields let through everywhere (``legacySchema: true``)."""
    made = dict(mapping(schema))
    kind = made.get("type")
    if kind in (None, "", "object"):
        made[PRESERVE] = True
    elif kind == "array" and not mapping(made.get("items")):
        made["items"] = {PRESERVE: True}
    if mapping(made.get("properties")):
        made["properties"] = {name: legacy(one) for name, one in made["properties"].items()}
    if mapping(made.get("items")):
        made["items"] = legacy(made["items"])
    if mapping(made.get("additionalProperties")):
        made["additionalProperties"] = legacy(made["additionalProperties"])
    return made


def faults_of_value(value: Any, schema: Mapping[str, Any], path: AttrPath = ()) -> list[Problem]:
    """Why the API server would refuse a value of this schema; unknown fields last."""
    found = _first(_value(value, schema, path))
    found.extend(_first(_unknown(value, schema, path)))
    return found


def with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """A copy of the value in which fields that were left out have their defaults."""
    if isinstance(value, dict):
        made = dict(value)
        properties = mapping(schema.get("properties"))
        for name, one in properties.items():
            inner = mapping(one)
            if (
                made.get(name) is None
                and "default" in inner
                and not _allows_null(made, name, inner)
            ):
                made[name] = copy.deepcopy(inner["default"])
            if name in made:
                made[name] = with_defaults(made[name], inner)
        more = mapping(schema.get("additionalProperties"))
        if more:
            for name in made.keys() - properties.keys():
                made[name] = with_defaults(made[name], more)
        return made
    if isinstance(value, list):
        inner = mapping(schema.get("items"))
        return [with_defaults(item, inner) for item in value]
    return value


def _allows_null(made: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> bool:
    return name in made and schema.get("nullable") is True


def _first(problems: Iterator[Problem]) -> list[Problem]:
    found: list[Problem] = []
    for problem in problems:
        found.append(problem)
        if len(found) >= MOST:
            break
    return found


def _structure(schema: Any, path: AttrPath, depth: int) -> Iterator[Problem]:
    if not isinstance(schema, dict):
        yield Problem(path=path, text="a schema is a mapping")
        return
    if depth > 100:
        yield Problem(path=path, text="the schema is nested deeper than 100 levels")
        return
    kind = schema.get("type")
    free = schema.get(PRESERVE) is True or schema.get(INT_OR_STRING) is True
    if kind in (None, ""):
        if not free:
            text = f"it has no type; write one of {', '.join(_TYPES)}, or {PRESERVE}: true"
            yield Problem(path=(*path, "type"), text=text)
    elif kind not in _TYPES:
        text = f"{kind!r} is no type: it is one of {', '.join(_TYPES)}"
        yield Problem(path=(*path, "type"), text=text)
    if kind == "array" and "items" not in schema:
        yield Problem(path=path, text="an array says what its items are")
    if "pattern" in schema:
        yield from _pattern_fault(schema["pattern"], (*path, "pattern"))
    yield from _inner_structure(schema, path, depth)


def _inner_structure(schema: Mapping[str, Any], path: AttrPath, depth: int) -> Iterator[Problem]:
    properties = schema.get("properties")
    if properties is not None and not isinstance(properties, dict):
        yield Problem(path=(*path, "properties"), text="properties is a mapping")
    for name, inner in mapping(properties).items():
        yield from _structure(inner, (*path, "properties", name), depth + 1)
    if "items" in schema:
        yield from _structure(schema["items"], (*path, "items"), depth + 1)
    more = schema.get("additionalProperties")
    if more is not None and not isinstance(more, bool):
        if mapping(properties):
            text = "properties and additionalProperties exclude each other"
            yield Problem(path=(*path, "additionalProperties"), text=text)
        yield from _structure(more, (*path, "additionalProperties"), depth + 1)
    required = schema.get("required")
    if required is not None and not all(isinstance(one, str) for one in items(required)):
        yield Problem(path=(*path, "required"), text="required is a list of names")


def _pattern_fault(text: Any, path: AttrPath) -> Iterator[Problem]:
    try:
        if not isinstance(text, str):
            raise RuleError("a pattern is text")
        pattern(text)
    except RuleError as error:
        yield Problem(path=path, text=error.what)


def _value(value: Any, schema: Mapping[str, Any], path: AttrPath) -> Iterator[Problem]:
    if value is None:
        if schema.get("nullable") is not True and schema.get("type"):
            yield Problem(path=path, text=f"is null and should be {_a(schema['type'])}")
        return
    wrong = _wrong_type(value, schema)
    if wrong:
        yield Problem(path=path, text=wrong)
        return
    if "enum" in schema and not any(_same(value, one) for one in items(schema["enum"])):
        choices = ", ".join(json.dumps(one, default=str) for one in items(schema["enum"]))
        yield Problem(path=path, text=f"is {_short(value)} and should be one of {choices}")
    yield from (Problem(path=path, text=text) for text in _limits(value, schema))
    yield from _inner(value, schema, path)
    yield from _combined(value, schema, path)


def _inner(value: Any, schema: Mapping[str, Any], path: AttrPath) -> Iterator[Problem]:
    if isinstance(value, list):
        inner = mapping(schema.get("items"))
        for number, item in enumerate(value):
            yield from _value(item, inner, (*path, number))
    if not isinstance(value, dict):
        return
    for name in items(schema.get("required")):
        if isinstance(name, str) and name not in value:
            yield Problem(path=(*path, name), text="is required")
    properties = mapping(schema.get("properties"))
    more = mapping(schema.get("additionalProperties"))
    for name, one in value.items():
        inner = mapping(properties.get(name)) if name in properties else more
        yield from _value(one, inner, (*path, str(name)))


def _combined(value: Any, schema: Mapping[str, Any], path: AttrPath) -> Iterator[Problem]:
    for inner in items(schema.get("allOf")):
        yield from _value(value, mapping(inner), path)
    for word, wanted in (("anyOf", "at least one"), ("oneOf", "exactly one")):
        choices = items(schema.get(word))
        if not choices:
            continue
        fit = sum(not _first(_value(value, mapping(one), path)) for one in choices)
        if fit == 0 or (word == "oneOf" and fit > 1):
            yield Problem(path=path, text=f"fits {fit} of the schemas of {word}, not {wanted}")
    if "not" in schema and not _first(_value(value, mapping(schema["not"]), path)):
        yield Problem(path=path, text="is what the schema's `not` excludes")


def _unknown(value: Any, schema: Mapping[str, Any], path: AttrPath) -> Iterator[Problem]:
    if isinstance(value, list):
        inner = mapping(schema.get("items"))
        for number, item in enumerate(value):
            yield from _unknown(item, inner, (*path, number))
    if not isinstance(value, dict):
        return
    properties = mapping(schema.get("properties"))
    more = schema.get("additionalProperties")
    for name, one in value.items():
        here = (*path, str(name))
        if name in properties:
            yield from _unknown(one, mapping(properties[name]), here)
        elif isinstance(more, dict):
            yield from _unknown(one, more, here)
        elif more is not True and schema.get(PRESERVE) is not True:
            known = ", ".join(sorted(map(str, properties))) or "none"
            text = f"is no field of the template's schema (it has {known})"
            yield Problem(path=here, text=text, unknown=True)


def _wrong_type(value: Any, schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if schema.get(INT_OR_STRING) is True:
        fits = isinstance(value, str) or _is_integer(value)
        return "" if fits else f"is {_a(_type(value))} and should be an integer or a string"
    if kind not in _TYPES:
        return ""
    test = _TESTS[kind]
    return "" if test(value) else f"is {_a(_type(value))} and should be {_a(kind)}"


def _is_integer(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


_TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
}


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and not value.is_integer():
        return "number"
    return next((name for name in _TYPES if _TESTS[name](value)), type(value).__name__)


def _a(kind: Any) -> str:
    return f"an {kind}" if str(kind)[:1] in "aeio" else f"a {kind}"


def _limits(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, str):
        yield from _text_limits(value, schema)
    elif isinstance(value, list):
        yield from _counts(len(value), schema, "minItems", "maxItems", "items")
        if schema.get("uniqueItems") is True and len({_canonical(v) for v in value}) < len(value):
            yield "holds the same item twice"
    elif isinstance(value, dict):
        yield from _counts(len(value), schema, "minProperties", "maxProperties", "fields")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_limits(value, schema)


def _text_limits(value: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield from _counts(len(value), schema, "minLength", "maxLength", "characters")
    wanted = schema.get("pattern")
    if isinstance(wanted, str) and not pattern(wanted).found_in(value):
        yield f"is {_short(value)} and should match {wanted}"


def _counts(
    count: int, schema: Mapping[str, Any], least: str, most: str, what: str
) -> Iterator[str]:
    low, high = schema.get(least), schema.get(most)
    if _is_integer(low) and low is not None and count < low:
        yield f"has {count} {what} and should have at least {low}"
    if _is_integer(high) and high is not None and count > high:
        yield f"has {count} {what} and should have at most {high}"


def _number_limits(value: float, schema: Mapping[str, Any]) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, int | float):
        strict = schema.get("exclusiveMinimum") is True
        if value < low or (strict and value == low):
            yield f"is {value} and should be {'more than' if strict else 'at least'} {low}"
    if isinstance(high, int | float):
        strict = schema.get("exclusiveMaximum") is True
        if value > high or (strict and value == high):
            yield f"is {value} and should be {'less than' if strict else 'at most'} {high}"
    bound = _RANGES.get(str(schema.get("format")))
    if bound is not None and not -bound <= value < bound:
        yield f"is {value}, which {schema['format']} cannot hold"
    step = schema.get("multipleOf")
    if isinstance(step, int | float) and step > 0 and not _is_multiple(value, step):
        yield f"is {value} and should be a multiple of {step}"


def _is_multiple(value: float, step: float) -> bool:
    try:
        return value % step == 0
    except OverflowError:  # a whole number beyond what a float holds
        return False


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


def told(problem: Problem) -> str:
    """A problem as one sentence: ``spec.parameters.labels is a string and should be an array``."""
    return f"{format_path(problem.path)} {problem.text}"
