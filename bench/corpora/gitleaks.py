"""Gitleaks' rules in Go: true and false positives, literal or drawn from the form they state."""

from __future__ import annotations

import random
import re
import re._constants as constants  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from bench.corpora.fixed import is_fixed
from bench.corpora.golang import Reader, Value
from bench.corpora.sample import Sample, read_files, squeezed

_RULE = re.compile(r'RuleID:\s*"([^"]+)"')
_ALPHABETS = {
    "Numeric": "[0-9]",
    "Hex": "[a-f0-9]",
    "AlphaNumeric": "[a-z0-9]",
    "AlphaNumericExtendedShort": "[a-z0-9_-]",
    "AlphaNumericExtended": "[a-z0-9=_-]",
    "AlphaNumericExtendedLong": r"[a-z0-9\/=_\+\-]",
}
_DRAWN = "\x01"
"""Marks a text with something drawn in it."""


class Drawing:
    """Draws a text that an expression matches."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable; it guards nothing

    def draw(self, expression: str) -> str:
        """Alphabets without a case stand for both, as the vendors have them."""
        return "".join(self._part(op, value) for op, value in parser.parse(expression))

    def _part(self, op: Any, value: Any) -> str:
        if op is constants.LITERAL:
            return chr(value)
        if op is constants.IN:
            return self._random.choice(_members(value))
        if op in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            least, most, inner = value
            count = self._random.randint(least, min(int(most), least + 4))
            return "".join(self._part(o, v) for _ in range(count) for o, v in inner)
        if op is constants.SUBPATTERN:
            return "".join(self._part(o, v) for o, v in value[-1])
        if op is constants.BRANCH:
            return "".join(self._part(o, v) for o, v in self._random.choice(value[1]))
        if op is constants.AT:
            return ""
        if op is constants.CATEGORY:
            return self._random.choice(_members([(op, value)]))
        raise ValueError(f"{op} is not drawn")


def _members(value: Any) -> str:
    found = ""
    for op, item in value:
        if op is constants.LITERAL:
            found += chr(item)
        elif op is constants.RANGE:
            found += "".join(map(chr, range(item[0], item[1] + 1)))
        elif op is constants.CATEGORY and item is constants.CATEGORY_DIGIT:
            found += "0123456789"
        elif op is constants.CATEGORY and item is constants.CATEGORY_WORD:
            found += "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
        else:
            raise ValueError(f"{op} is not drawn")
    return found


def samples(repository: Path) -> Iterator[Sample]:
    """The samples of each rule's function."""
    folder = "cmd/generate/config/rules"
    for path, source in read_files(repository, folder, ".go"):
        for body in source.split("\nfunc ")[1:]:
            rule = _RULE.search(body)
            if rule is not None:
                vendor = squeezed(PurePosixPath(path).stem)
                yield from _of_rule(rule[1], vendor, body)


def _of_rule(rule: str, vendor: str, body: str) -> Iterator[Sample]:
    drawing = Drawing(rule)
    reader = Reader(body, _functions(drawing))
    fixed = _is_fixed(reader)
    for at in range(len(reader.tokens) - 1):
        name, sign = reader.tokens[at].text, reader.tokens[at + 1].text
        if name not in ("tps", "fps") or sign not in ("=", ":="):
            continue
        for text in _texts(reader, at + 2):
            plain, *values = _taken_out(text)
            yield Sample(
                source="gitleaks",
                rule=rule,
                vendor=vendor,
                text=plain,
                values=tuple(values),
                positive=name == "tps",
                drawn=_DRAWN in text,
                fixed=fixed,
            )


def _is_fixed(reader: Reader) -> bool:
    """False for the expression by identifiers around a value without a fixed part."""
    for at, token in enumerate(reader.tokens):
        if token.text == "utils.GenerateSemiGenericRegex":
            values, _ = reader.values(at + 2, ")")
            return isinstance(values[1], str) and is_fixed(f"({values[1]})")
    return True


def _texts(reader: Reader, at: int) -> Iterator[str]:
    """A list, or ``append(tps, …)``; maps of paths are left out."""
    value, _ = reader.value(at)
    yield from value if isinstance(value, list) else [value] if isinstance(value, str) else ()


def _taken_out(text: str) -> list[str]:
    """The text without marks, then each value between marks."""
    pieces = text.split(_MARK)
    return ["".join(pieces).replace(_DRAWN, ""), *(p.replace(_DRAWN, "") for p in pieces[1::2])]


_MARK = "\x02"
"""Stands around the value of a sample that is an assignment to it."""


def _functions(drawing: Drawing) -> dict[str, Any]:
    def drawn(values: list[Value]) -> Value:
        if not values or not isinstance(values[0], str):
            return None
        try:
            return _DRAWN + drawing.draw(values[0])
        except (ValueError, re.error):
            return None

    def one(values: list[Value]) -> Value:
        name, secret = values[0], values[1]
        if not (isinstance(name, str) and isinstance(secret, str)):
            return None
        return f'{name}_api_token = "{_MARK}{secret}{_MARK}"'

    def several(values: list[Value]) -> Value:
        name, secret = values[0], values[1]
        if not (isinstance(name, str) and isinstance(secret, str)):
            return None
        value = f"{_MARK}{secret}{_MARK}"
        return [
            f'{name}Token = "{value}"',
            f"{name}_token: {value}",
            f'{{"{name}_token": "{value}"}}',
        ]

    def appended(values: list[Value]) -> Value:
        found: list[str] = []
        for value in values[1:]:
            found += value if isinstance(value, list) else [value] if isinstance(value, str) else []
        return found

    def alphabet(name: str) -> Any:
        return lambda values: f"{_ALPHABETS[name]}{{{values[0]}}}" if values and values[0] else None

    return {
        "secrets.NewSecret": drawn,
        "secrets.NewSecretWithEntropy": drawn,
        "utils.GenerateSampleSecret": one,
        "utils.GenerateSampleSecrets": several,
        "append": appended,
        **{f"utils.{name}": alphabet(name) for name in _ALPHABETS},
    }
