"""Base64, hexadecimal, URL queries, JSON, YAML.

Text is a sequence of characters here and of bytes in Go: decoded bytes that are no UTF-8 become
U+FFFD, which is what OPA's own answers show as soon as they are written as JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final
from urllib.parse import quote_plus

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.operands import bounded, text
from haechi.engines.rego.builtins.yamls import marshal_yaml, unmarshal_yaml, valid_yaml
from haechi.engines.rego.values import BuiltinError, Value, pairs, to_json

MAX_DEPTH: Final = 1000
_HTML: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def octets(value: Value, position: int = 1) -> bytes:
    return text(value, position).encode("utf-8", "replace")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def base64_decode(value: Value) -> str:
    return _decoded(_from_base64(octets(value), b"+/"))


def _from_base64(raw: bytes, extra: bytes) -> bytes:
    """Go's decoder: line ends are skipped, padding must be right, stray low bits may be there."""
    bare = raw.replace(b"\r", b"").replace(b"\n", b"")
    foreign = b"-_" if extra == b"+/" else b"+/"
    if len(bare) % 4 or any(byte in foreign for byte in bare):
        raise BuiltinError("illegal base64 data")
    try:
        return base64.b64decode(bare, altchars=extra, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BuiltinError("illegal base64 data") from error


def base64_is_valid(value: Value) -> bool:
    if type(value) is not str:
        return False
    try:
        _from_base64(octets(value), b"+/")
    except BuiltinError:
        return False
    return True


def base64url_bytes(value: Value) -> bytes:
    raw = octets(value)
    if not raw.endswith(b"="):
        if len(raw) % 4 == 1:
            raise BuiltinError("illegal base64url string")
        raw += b"=" * (-len(raw) % 4)
    return _from_base64(raw, b"-_")


def hex_decode(value: Value) -> str:
    try:
        return _decoded(binascii.unhexlify(octets(value)))
    except binascii.Error as error:
        raise BuiltinError("encoding/hex: invalid") from error


def query_encode(value: Value) -> str:
    return quote_plus(octets(value), safe="")


def query_decode(value: Value) -> str:
    return unescaped(text(value, 1), plus=True)


def unescaped(value: str, *, plus: bool) -> str:
    """Percent signs must be followed by two hexadecimal digits."""
    first, *rest = value.encode("utf-8", "replace").split(b"%")
    made = [first.replace(b"+", b" ") if plus else first]
    for part in rest:
        try:
            made.append(binascii.unhexlify(part[:2]))
        except binascii.Error as error:
            raise BuiltinError("invalid URL escape") from error
        if len(part) < 2:
            raise BuiltinError("invalid URL escape")
        made.append(part[2:].replace(b"+", b" ") if plus else part[2:])
    return _decoded(b"".join(made))


def query_encode_object(value: Value) -> str:
    made: list[str] = []
    for name, item in sorted(to_json(operands.mapping(value, 1)).items()):
        for part in item if type(item) is list else [item]:
            if type(part) is not str:
                raise BuiltinError("operand 1 values must be string, array[string], or set[string]")
            made.append(f"{query_encode(name)}={query_encode(part)}")
    return bounded("&".join(made))


def query_decode_object(value: Value) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for part in text(value, 1).split("&"):
        if ";" in part:
            raise BuiltinError("invalid semicolon separator in query")
        if part:
            name, _, item = part.partition("=")
            made.setdefault(unescaped(name, plus=True), []).append(unescaped(item, plus=True))
    return made


def marshal(value: Value) -> str:
    """As Go's ``encoding/json`` writes it, characters that mean something to HTML escaped."""
    plain = json.dumps(to_json(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return bounded(plain.translate(_HTML))


def _marshal(value: Value, indent: str, prefix: str) -> str:
    """The same over several lines. Go's prefix is one that Python's writer does not know."""
    made: list[str] = []
    _write(value, made, (prefix, indent), 0)
    return bounded("".join(made))


def _write(value: Value, made: list[str], layout: tuple[str, str], depth: int) -> None:
    kind = type(value)
    if kind is str:
        made.append(json.dumps(value, ensure_ascii=False).translate(_HTML))
    elif kind is float:
        made.append(repr(value))  # OPA keeps the text of a number: this is its likeliest
    elif kind is list and value:
        _write_items(((None, item) for item in value), "[]", made, layout, depth)
    elif kind is dict and value:
        _write_items(pairs(value), "{}", made, layout, depth)
    else:
        made.append(json.dumps(value))


def _write_items(
    items: Any, brackets: str, made: list[str], layout: tuple[str, str], depth: int
) -> None:
    if depth > MAX_DEPTH:
        operands.too_large("the depth of JSON", MAX_DEPTH)
    line = "\n" + layout[0] + layout[1] * (depth + 1)
    separator = brackets[0] + line
    for name, item in items:
        made.append(separator)
        if name is not None:
            made.append(json.dumps(name, ensure_ascii=False).translate(_HTML))
            made.append(": ")
        _write(item, made, layout, depth + 1)
        separator = "," + line
    made.append("\n" + layout[0] + layout[1] * depth + brackets[1])


def marshal_with_options(value: Value, options: Value) -> str:
    """``indent`` or ``prefix`` alone ask for several lines, too; ``pretty`` decides over both."""
    held: dict[str, Any] = {"prefix": "", "indent": "\t"}
    for name, item in operands.mapping(options, 2).items():
        if name not in ("prefix", "indent", "pretty"):
            raise BuiltinError(f"operand 2 object contained unknown key {str(name)[:40]}")
        if type(item) is not (bool if name == "pretty" else str):
            raise BuiltinError(f"operand 2 key {name} failed cast")
        held[name] = item
    if not held.get("pretty", bool(len(options))):
        return marshal(value)
    prefix, indent = held["prefix"], held["indent"]
    if (len(prefix) + len(indent)) * 64 > operands.MAX_TEXT:
        operands.too_large("an indent", operands.MAX_TEXT)
    return bounded(prefix + _marshal(to_json(value), indent, prefix))


def unmarshal(value: Value) -> Value:
    return parsed(text(value, 1))


def parsed(value: str) -> Value:
    """JSON as Go reads it: no NaN, no Infinity, of equal names the last counts."""
    try:
        return json.loads(value, parse_constant=_refused, strict=True)
    except RecursionError as error:
        raise BuiltinError("exceeded max depth") from error
    except ValueError as error:
        raise BuiltinError(f"invalid JSON: {error}"[:200]) from error


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def json_is_valid(value: Value) -> bool:
    try:
        parsed(value if type(value) is str else "")
    except BuiltinError:
        return False
    return True


TABLE: Final = (
    Builtin(
        name="base64.encode",
        arity=1,
        call=lambda value: base64.b64encode(octets(value)).decode(),
    ),
    Builtin(name="base64.decode", arity=1, call=base64_decode),
    Builtin(name="base64.is_valid", arity=1, call=base64_is_valid),
    Builtin(
        name="base64url.encode",
        arity=1,
        call=lambda value: base64.urlsafe_b64encode(octets(value)).decode(),
    ),
    Builtin(
        name="base64url.encode_no_pad",
        arity=1,
        call=lambda value: base64.urlsafe_b64encode(octets(value)).decode().rstrip("="),
    ),
    Builtin(name="base64url.decode", arity=1, call=lambda value: _decoded(base64url_bytes(value))),
    Builtin(name="hex.encode", arity=1, call=lambda value: octets(value).hex()),
    Builtin(name="hex.decode", arity=1, call=hex_decode),
    Builtin(name="urlquery.encode", arity=1, call=query_encode),
    Builtin(name="urlquery.decode", arity=1, call=query_decode),
    Builtin(name="urlquery.encode_object", arity=1, call=query_encode_object),
    Builtin(name="urlquery.decode_object", arity=1, call=query_decode_object),
    Builtin(name="json.marshal", arity=1, call=marshal),
    Builtin(name="json.marshal_with_options", arity=2, call=marshal_with_options),
    Builtin(name="json.unmarshal", arity=1, call=unmarshal),
    Builtin(name="json.is_valid", arity=1, call=json_is_valid),
    Builtin(name="yaml.marshal", arity=1, call=lambda value: marshal_yaml(to_json(value))),
    Builtin(name="yaml.unmarshal", arity=1, call=lambda value: unmarshal_yaml(text(value, 1))),
    Builtin(name="yaml.is_valid", arity=1, call=valid_yaml),
)
