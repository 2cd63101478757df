"""Which values with a telling name are credentials: the filter of the generic family.

A name such as ``password`` alone says little: most values beside it are variables, labels, paths,
placeholders. So each candidate is described by traits (what the name means, how the value is
written, what stands around them), and each trait has a weight. The sum is the log-odds that
people who read such lines called the value a credential. Weights and letter statistics are data
(``rules/data/tables/secret_words.yaml``), made by ``bench/fit_secrets.py``. Nothing here fails on
hostile bytes, and all work per candidate is bounded by the few hundred bytes that are looked at.
"""

from __future__ import annotations

import binascii
import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from haechi.checks.secrets.naming import Naming, naming
from haechi.checks.secrets.places import is_out_of_place, is_test_data
from haechi.checks.secrets.shape import class_of, commonness, traits
from haechi.checks.secrets.surroundings import nearby, on_line
from haechi.rules.compiled import table

if TYPE_CHECKING:
    from haechi.checks.secrets.detect import Candidate

_LINE = 240
"""Bytes of the line that are looked at on either side."""
_NEAR = 240
SEEN = max(_LINE, _NEAR)
_NO = -99.0
_SPELT = 20
_COMMON = 4
_LONGEST = 4096
_LITERALS = frozenset(
    b"true false none null nil undefined self this yes no on off default object string str int"
    b" bool boolean bytes".split()
)
"""Values that need no judgement: most of what stands beside such names in programs."""
_ENCODED = re.compile(rb"(?:[0-9A-Za-z+/]{4}){1,16}(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?\Z")
_MODULE = re.compile(rb"[a-z_]+(?:\.[a-z_]+){2,}\Z|[a-z0-9_]{2,8}\${1,2}\Z")
"""Names of modules and attributes, and prefixes of hashes: none either."""
_GOES_ON = frozenset({b"<<", b"${", b"$(", b"{{", b"<%"})
"""Behind a value: it is the beginning of a template."""
_CLOSING = re.compile(rb"\\{0,3}[\"'`]{0,3}")
_NEVER = re.compile(
    rb"(?s)\$\{|\$\(|\{\{|\}\}|<%|%>|#\{|\{%|%\(|\A<.*>\Z|\A\[.*\]\Z|\A\{.*\}\Z|\A\$[A-Za-z_]\w*\Z"
    rb"|\A%\w+%\Z|\A(.)\1*\Z|\A__\w+__\Z|\A@\w+@\Z|\A&\w+;|\A0[xX][0-9a-fA-F]{1,8}\Z"
    rb"|\A\s*[+,;)]|(?:\s[+.]|[+,(;])\s*\Z|\A-----BEGIN|\A\^.*\$\Z"
)
_NOT_OURS = re.compile(
    rb"(?i)(?:env\w*|setting|config|getattr|lookup|fetch|require)[(\[]\\?[\"']\Z"
    rb"|\A[\"'`]?[\s,;]+(?!value|default|content|string|str\b|text|char|varchar|const)[\w.-]+[\"'`]?"
    rb"\s*[:=]+>?\s*[\"'`(]*\Z"
)
_TYPEOF = re.compile(rb"\btypeof\b|\binstanceof\b")
_JOINTS = (
    ("compare", re.compile(rb"[!=]==?")),
    ("arrow", re.compile(rb"=>")),
    ("define", re.compile(rb":=")),
    ("equals", re.compile(rb"=")),
    ("element", re.compile(rb">")),
    ("colon", re.compile(rb":")),
    ("comma", re.compile(rb",")),
    ("call", re.compile(rb"\(")),
)
_WRAPPED = re.compile(rb"[\w.]\(")


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """data/tables/secret_words.yaml: letter statistics and what each trait weighs."""

    threshold: float
    bias: float
    weights: dict[str, float]
    trigrams: str


@cache
def model() -> tuple[Model, bytes, float]:
    """The fitted table, its trigrams as bytes, and what the neighbours can add at most."""
    found = table("secret_words", Model)
    ceiling = sum(
        weight
        for trait, weight in found.weights.items()
        if weight > 0 and trait.startswith(("line:", "near:")) and trait != "line:starts"
    )
    return found, "".join(found.trigrams.split()).encode(), ceiling


class GenericContext:
    """What the detector asks about candidates of the generic family.

    A password made of words in test data (``password="letmein1"``) opens nothing; there are
    hundreds in a project with logins. They are left out unless ``tests`` asks for them; random
    values are reported from there, too.
    """

    def __init__(self, *, tests: bool = False) -> None:
        self._tests = tests

    def is_credible(self, value: bytes, data: bytes, start: int, end: int) -> bool:
        """By content alone: the value and what stands around it."""
        if data[end : end + 2] in _GOES_ON:
            return False
        if b"\0" in value or value.rstrip(b".,;:)").lower() in _LITERALS or _MODULE.match(value):
            return False
        return log_odds(value, data, start, end) > 0

    def keeps(self, candidate: Candidate, path: str) -> bool:
        """By the path: not in files whose values are somebody else's, nor bare words in code."""
        if is_out_of_place(path, plain="plain" in candidate.rule.tags):
            return False
        return self._tests or not (is_test_data(path) and is_spelt(candidate.secret))


def is_spelt(value: bytes) -> bool:
    """True for a short value that people make up: words, names, a few digits, also in base64."""
    if _ENCODED.match(value):
        inner = binascii.a2b_base64(value)
        if inner.strip().isascii() and inner.strip().decode("ascii").isprintable():
            value = inner.strip()
    common = commonness(value, model()[1])
    return len(value) < _SPELT and (common is None or common >= _COMMON)


def log_odds(value: bytes, data: bytes, start: int, end: int) -> float:
    """Log-odds over the threshold (positive: a credential) of the value at these offsets."""
    fitted, trigrams, ceiling = model()
    line = _line_before(data, start, end)
    found = _own_traits(value, data, line, end, trigrams) if line is not None else []
    if line is None or not found:
        return _NO
    weight = fitted.weights.get
    score = fitted.bias - fitted.threshold
    for trait in found:
        score += weight(trait, 0.0)
    if score + ceiling > 0:  # else nothing around can make up for it
        score += sum([weight(trait, 0.0) for trait in _neighbours(data, line, start, end)])
    return score


def describe(value: bytes, data: bytes, start: int, end: int, trigrams: bytes) -> list[str]:
    """All traits of a candidate; empty when it cannot be a credential."""
    line = _line_before(data, start, end)
    if line is None:
        return []
    found = _own_traits(value, data, line, end, trigrams)
    return found + _neighbours(data, line, start, end) if found else []


def _line_before(data: bytes, start: int, end: int) -> bytes | None:
    if not 0 <= start < end <= len(data):
        return None
    first = max(start - _LINE, 0)
    return data[max(data.rfind(b"\n", first, start) + 1, first) : start]


def _own_traits(value: bytes, data: bytes, before: bytes, end: int, trigrams: bytes) -> list[str]:
    """Traits of the value, its name and the joint between them."""
    if not value or len(value) > _LONGEST or _NEVER.search(value) or value.isspace():
        return []
    named = naming(before)
    if named is None or named.is_public() or _NOT_OURS.search(named.joint):
        return []
    if _TYPEOF.search(named.before[-40:]):
        return []
    form = class_of(value)
    rest = data[end : end + _LINE].split(b"\n", 1)[0]
    found = named.traits() + traits(value, form, named.kind, named.name, trigrams)
    return found + _joint(named, form, before, rest)


def _neighbours(data: bytes, before: bytes, start: int, end: int) -> list[str]:
    around = data[max(start - _NEAR, 0) : start] + b"\n" + data[end : end + _NEAR]
    return on_line(before) + nearby(around)


def _joint(named: Naming, form: str, before: bytes, rest: bytes) -> list[str]:
    joint = named.joint
    operator = next((label for label, form in _JOINTS if form.search(joint)), "space")
    quote = _quote(joint)
    found = [f"joint:{operator}", f"quote:{quote}"]
    if _WRAPPED.search(joint) or operator == "call":
        found.append("joint:wrapped")
    after = _after(rest)
    found.append(f"after:{after}")
    if quote == "none":
        inside = _is_inside_string(before)
        found += [f"plain:{form}", f"plain:after:{after}", f"plain:{operator}"]
        found.append("plain:in-string" if inside else "plain:bare")
    if before.lstrip(b" \t-#/*;>").startswith(named.name.encode("utf-8", "replace")):
        found.append("line:starts")
    if "." in named.name:
        found.append("name:dotted")
    return found


def _quote(joint: bytes) -> str:
    if not joint.endswith((b'"', b"'", b"`")):
        return "none"
    return "escaped" if joint[-2:-1] == b"\\" else "quoted"


def _after(rest: bytes) -> str:
    """What follows the value and its closing quote."""
    left = rest[_CLOSING.match(rest).end() :] if rest else b""  # type: ignore[union-attr]
    text = left.strip()
    if not text:
        return "end"
    if left[:1].isalnum():
        return "glued"
    first = text[:1]
    if text.startswith((b"=>", b":")):
        return "key"
    return _FOLLOWING.get(first, "other")


_FOLLOWING = {
    b",": "comma",
    b";": "semicolon",
    b")": "closed",
    b"}": "closed",
    b"]": "closed",
    b"+": "joined",
    b".": "joined",
    b"%": "joined",
    b"#": "remark",
    b"/": "remark",
    b"&": "and",
    b"<": "element",
    b"\\": "continued",
    b"=": "equals",
    b"(": "called",
}


def _is_inside_string(before: bytes) -> bool:
    return bool(before.count(b'"') % 2 or before.count(b"'") % 2 or before.count(b"`") % 2)
