"""Text. Where Python and Go differ (letters' case, white space), it is Go's way."""

from __future__ import annotations

from typing import Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.format import sprintf
from haechi.engines.rego.builtins.operands import bounded, small_integer, text, texts
from haechi.engines.rego.values import UNDEFINED, BuiltinError, RegoSet, Value, pairs, show

# What Go's unicode.IsSpace says; Python's strip() would take the separators 0x1c to 0x1f, too.
_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_BASES: Final = {2: "b", 8: "o", 10: "d", 16: "x"}


def contains(value: Value, part: Value) -> bool:
    if type(value) is str and type(part) is str:
        return part in value
    return text(part, 2) in text(value, 1)


def startswith(value: Value, part: Value) -> bool:
    if type(value) is str and type(part) is str:
        return value.startswith(part)
    return text(value, 1).startswith(text(part, 2))


def endswith(value: Value, part: Value) -> bool:
    if type(value) is str and type(part) is str:
        return value.endswith(part)
    return text(value, 1).endswith(text(part, 2))


def concat(joint: Value, parts: Value) -> str:
    middle, items = text(joint, 1), texts(parts, 2)
    if operands.total(items) + len(middle) * len(items) > operands.MAX_TEXT:
        operands.too_large("the result of concat", operands.MAX_TEXT)
    return middle.join(items)


def indexof(value: Value, part: Value) -> int:
    whole, wanted = text(value, 1), text(part, 2)
    if not wanted:
        raise BuiltinError("empty search character")
    return whole.find(wanted)


def indexof_n(value: Value, part: Value) -> list[int]:
    whole, wanted = text(value, 1), text(part, 2)
    if not wanted:
        raise BuiltinError("empty search character")
    found = []
    at = whole.find(wanted)
    while at >= 0:
        found.append(at)
        at = whole.find(wanted, at + 1)
    return found


def lower(value: Value) -> str:
    whole = text(value, 1)
    if whole.isascii():
        return whole.lower()
    return "".join(map(_lower, whole))


def _lower(character: str) -> str:
    made = character.lower()
    return made if len(made) == 1 else made[0]


def upper(value: Value) -> str:
    whole = text(value, 1)
    if whole.isascii():
        return whole.upper()
    return "".join(map(_upper, whole))


def _upper(character: str) -> str:
    made = character.upper()
    if len(made) == 1:
        return made
    titled = character.title()  # Go maps one letter to one letter: "ß" stays
    return titled if len(titled) == 1 else character


def split(value: Value, separator: Value) -> list[str]:
    whole, middle = text(value, 1), text(separator, 2)
    return whole.split(middle) if middle else list(whole)


def split_n(value: Value, separator: Value, count: Value) -> list[str]:
    """The first ``count`` parts, or the last ones where it is below zero."""
    parts, most = split(value, separator), small_integer(count, 3)
    return parts[:most] if most >= 0 else parts[most:]


def replace(value: Value, old: Value, new: Value) -> str:
    whole, before, after = text(value, 1), text(old, 2), text(new, 3)
    _replaceable(whole, len(after))
    return whole.replace(before, after) if before else _replaced(whole, [(before, after)])


def _replaceable(whole: str, longest: int) -> None:
    if (len(whole) + 1) * (longest + 1) > operands.MAX_TEXT:
        operands.too_large("the result of a replacement", operands.MAX_TEXT)


def replace_n(patterns: Value, value: Value) -> str:
    """All at once: what was put in is not searched. Of several that match at one place, the first
    in the order of the keys is taken, which is how Go's Replacer was given them."""
    held, whole = operands.mapping(patterns, 1), text(value, 2)
    changes = list(pairs(held))
    for old, new in changes:
        if type(old) is not str:
            raise BuiltinError("operand 1 non-string key found in pattern object")
        if type(new) is not str:
            raise BuiltinError("operand 1 non-string value found in pattern object")
    if not changes:
        return whole
    _replaceable(whole, max(len(new) for _, new in changes))
    return _replaced(whole, changes)


def _replaced(whole: str, changes: list[tuple[str, str]]) -> str:
    if whole.isascii() or changes[0][0]:
        return _replaced_at_each(whole, changes)
    # The empty pattern is found within characters, too: Go looks at bytes.
    made = _replaced_at_each(_bytes(whole), [(_bytes(old), _bytes(new)) for old, new in changes])
    return made.encode("latin-1").decode("utf-8", "replace")


def _bytes(value: str) -> str:
    return value.encode("utf-8", "replace").decode("latin-1")


def _replaced_at_each(whole: str, changes: list[tuple[str, str]]) -> str:
    """The empty pattern comes first, but not twice at one place."""
    starts: dict[str, list[tuple[str, str]]] = {}
    for old, new in changes:
        starts.setdefault(old[:1], []).append((old, new))
    empty = starts.pop("", None)
    made: list[str] = []
    at, was_empty = 0, empty is None
    while at <= len(whole):
        if not was_empty and empty is not None:
            made.append(empty[0][1])
            was_empty = True
            continue
        was_empty = empty is None
        for old, new in starts.get(whole[at : at + 1], ()):
            if whole.startswith(old, at):
                made.append(new)
                at += len(old)
                break
        else:
            made.append(whole[at : at + 1])
            at += 1
    return "".join(made)


def substring(value: Value, offset: Value, length: Value) -> str:
    whole, start, size = text(value, 1), small_integer(offset, 2), small_integer(length, 3)
    if start < 0:
        raise BuiltinError("negative offset")
    return whole[start:] if size < 0 else whole[start : start + size]


def trim_prefix(value: Value, part: Value) -> str:
    return text(value, 1).removeprefix(text(part, 2))


def trim_suffix(value: Value, part: Value) -> str:
    return text(value, 1).removesuffix(text(part, 2))


def _several(value: Value, position: int) -> tuple[str, ...]:
    if type(value) is str:
        return (value,)
    if type(value) is not list and type(value) is not RegoSet:
        operands.wrong(position, value, "string", "set", "array")
    return tuple(texts(value, position))


def any_prefix(values: Value, prefixes: Value) -> bool:
    wanted = _several(values, 1), _several(prefixes, 2)
    return any(item.startswith(wanted[1]) for item in wanted[0])


def any_suffix(values: Value, suffixes: Value) -> bool:
    wanted = _several(values, 1), _several(suffixes, 2)
    return any(item.endswith(wanted[1]) for item in wanted[0])


def format_int(value: Value, base: Value) -> str:
    whole = int(operands.number(value, 1))
    form = _BASES.get(operands.number(base, 2))
    if form is None:
        raise BuiltinError("operand 2 must be one of {2, 8, 10, 16}")
    return format(whole, form)


def template_string(parts: Value) -> str:
    """``$"a {x}"``: each part is a text as it is, or a set that holds the value, or none of it
    where that is undefined."""
    return bounded("".join(map(_part, operands.array(parts, 1))))


def _part(value: Value) -> str:
    if type(value) is RegoSet:
        items = value.ordered()
        value = items[0] if items else UNDEFINED
    if value is UNDEFINED:
        return "<undefined>"
    return value if type(value) is str else show(value)


TABLE: Final = (
    Builtin(name="contains", arity=2, call=contains),
    Builtin(name="startswith", arity=2, call=startswith),
    Builtin(name="endswith", arity=2, call=endswith),
    Builtin(name="concat", arity=2, call=concat),
    Builtin(name="indexof", arity=2, call=indexof),
    Builtin(name="indexof_n", arity=2, call=indexof_n),
    Builtin(name="lower", arity=1, call=lower),
    Builtin(name="upper", arity=1, call=upper),
    Builtin(name="split", arity=2, call=split),
    Builtin(name="strings.split_n", arity=3, call=split_n),
    Builtin(name="replace", arity=3, call=replace),
    Builtin(name="strings.replace_n", arity=2, call=replace_n),
    Builtin(name="substring", arity=3, call=substring),
    Builtin(name="trim", arity=2, call=lambda value, cut: text(value, 1).strip(text(cut, 2))),
    Builtin(name="trim_left", arity=2, call=lambda value, cut: text(value, 1).lstrip(text(cut, 2))),
    Builtin(
        name="trim_right", arity=2, call=lambda value, cut: text(value, 1).rstrip(text(cut, 2))
    ),
    Builtin(name="trim_space", arity=1, call=lambda value: text(value, 1).strip(_SPACE)),
    Builtin(name="trim_prefix", arity=2, call=trim_prefix),
    Builtin(name="trim_suffix", arity=2, call=trim_suffix),
    Builtin(name="strings.any_prefix_match", arity=2, call=any_prefix),
    Builtin(name="strings.any_suffix_match", arity=2, call=any_suffix),
    Builtin(name="strings.reverse", arity=1, call=lambda value: text(value, 1)[::-1]),
    Builtin(
        name="strings.count",
        arity=2,
        call=lambda value, part: text(value, 1).count(text(part, 2)),
    ),
    Builtin(name="format_int", arity=2, call=format_int),
    Builtin(name="sprintf", arity=2, call=sprintf),
    Builtin(name="internal.template_string", arity=1, call=template_string),
)
