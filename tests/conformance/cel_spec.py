"""cel-spec's conformance tests, as far as they are about what Kubernetes' CEL has.

Left out: messages of cel-spec's own and protobuf's wrappers, containers, unchecked expressions,
libraries that the API server does not load (math, encoders, protos, cel.bind, cel.block, its own
network types). Variables of a test are bound as literals, so that the value comes typed.
"""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.engines.cel.wheel import Malformed, the_wheel
from tests.conformance.admission_policies import clone_of
from tests.conformance.textproto import Message, parse

REPOSITORY = "google/cel-spec"
FILES = (
    *("basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists"),
    *("logic", "macros", "macros2", "optionals", "parse", "plumbing", "string", "string_ext"),
    *("timestamps", "type_deduction"),
)
KNOWN = {
    "string_ext/value_errors/indexof_out_of_range": "cel-go gives -1, which the API server runs",
    "string_ext/value_errors/lastindexof_out_of_range": "cel-go gives -1",
    "fields/qualified_identifier_resolution/map_value_repeat_key_heterogeneous": "{0: 1, 0u: 2}",
}
"""Tests that come out otherwise than cel-spec says, and why."""
_FOREIGN = re.compile(
    r"TestAllTypes|google\.protobuf|GlobalEnum|cel\.(?:bind|block)|proto\.|\.reverse\(\)"
    r"|transformMap|strings\.quote_|NullValue|math\."
)


class Result(msgspec.Struct, frozen=True):
    """One test; ``found`` says what came out."""

    file: str
    section: str
    name: str
    expression: str
    expected: str
    found: str

    @property
    def right(self) -> bool:
        return self.expected == self.found

    @property
    def key(self) -> str:
        return f"{self.file}/{self.section}/{self.name}"


class Skipped(Exception):
    """A test is about something that Kubernetes does not have."""


def results() -> Iterator[Result]:
    """Every test that applies."""
    for file in FILES:
        for section in parse(_text(file)).get("section", ()):
            for test in section.get("test", ()):
                try:
                    yield _result(file, _word(section, "name"), test)
                except Skipped:
                    continue


def _text(file: str) -> str:
    path = f"HEAD:tests/simple/testdata/{file}.textproto"
    command = ["git", "-C", str(clone_of(REPOSITORY)), "show", path]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def _word(message: Message, field: str) -> str:
    found = message.get(field, [b""])[0]
    return found.decode() if isinstance(found, bytes) else str(found)


def _result(file: str, section: str, test: Message) -> Result:
    expression = _word(test, "expr")
    text = str(test)
    if any(test.get(field) for field in ("container", "disable_check", "disable_macros")):
        raise Skipped
    if _FOREIGN.search(expression) or "object_value" in text or "enum_value" in text:
        raise Skipped
    if "[type.googleapis" in text and not re.search(r"protobuf\.(?:Duration|Timestamp)\]", text):
        raise Skipped
    if "unknown" in test or "any_unknowns" in test or "any_eval_errors" in test:
        raise Skipped
    expected = "an error" if "eval_error" in test else _expected(test)
    known: set[str] = set()
    for binding in test.get("bindings", ()):
        name, value = _word(binding, "key"), binding["value"][0]["value"][0]
        if "." in name or name in ("true", "false", "null"):
            raise Skipped
        known.add(name)
        expression = f"cel.bind({name}, {_literal(value)}, {expression})"
    for declared in test.get("type_env", ()):
        if _word(declared, "name") not in known:
            raise Skipped
    return Result(file, section, _word(test, "name"), expression, expected, evaluate(expression))


def evaluate(expression: str) -> str:
    """What the API server's environment makes of it here, with its type."""
    wheel = the_wheel()
    try:
        native, _ = wheel.compile(expression, returns="any", kubernetes=True)
    except Malformed:
        return "an error"
    try:
        found = native.eval(wheel.activation({}))
    except (RuntimeError, ValueError, OverflowError, IndexError, MemoryError):
        return "an error"
    name = found.type().name()
    if name == "ERROR":
        return "an error"
    try:  # the null of the wheel must not be read
        value = found.plain_value() if name != "NULL" else None
    except (TypeError, RuntimeError, ValueError):
        return f"{name} without form"
    if type(value).__name__ == "Type":
        return "TYPE"
    return _shown(_kind(name), value)


def _kind(name: str) -> str:
    name = name.upper()
    for kind in ("LIST", "MAP"):
        if name.startswith(kind):
            return kind
    return name


def _shown(kind: str, value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return f"{kind} nan"
    if kind == "TYPE":  # reading one gives Python nothing to compare
        return kind
    if isinstance(value, bytearray):
        value = bytes(value)
    if isinstance(value, dict):
        value = sorted(value.items(), key=repr)
    return f"{kind} {value!r}"


def _expected(test: Message) -> str:
    if "typed_result" in test:
        result = test["typed_result"][0]
        if "result" not in result:
            raise Skipped
        return _shown(*_value(result["result"][0]))
    if "value" not in test:
        return _shown("BOOL", True)
    return _shown(*_value(test["value"][0]))


def _value(message: Message) -> tuple[str, Any]:
    ((field, values),) = message.items()
    value = values[0]
    match field:
        case "string_value":
            return "STRING", value.decode()
        case "bytes_value":
            return "BYTES", value
        case "bool_value":
            return "BOOL", value == "true"
        case "null_value":
            return "NULL", None
        case "double_value":
            return "DOUBLE", float(value)
        case "list_value":
            return "LIST", [_value(one)[1] for one in value.get("values", ())]
        case "map_value":
            pairs = ((e["key"][0], e["value"][0]) for e in value.get("entries", ()))
            return "MAP", {_value(key)[1]: _value(item)[1] for key, item in pairs}
        case "type_value":
            return "TYPE", value.decode()
        case "int64_value" | "uint64_value":
            return field.removesuffix("64_value").upper(), value
    raise Skipped


def _literal(message: Message) -> str:
    kind, value = _value(message)
    match kind:
        case "STRING":
            return msgspec.json.encode(value).decode()
        case "BYTES":
            return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
        case "UINT":
            return f"{value}u"
        case "NULL":
            return "null"
        case "BOOL":
            return str(value).lower()
        case "DOUBLE":
            return repr(value) if math.isfinite(value) else f'double("{value}")'
        case "INT":
            return str(value)
        case "LIST":
            items = message["list_value"][0].get("values", ())
            return f"[{', '.join(_literal(one) for one in items)}]"
        case "MAP":
            entries = message["map_value"][0].get("entries", ())
            pairs = (f"{_literal(e['key'][0])}: {_literal(e['value'][0])}" for e in entries)
            return f"{{{', '.join(pairs)}}}"
    raise Skipped
