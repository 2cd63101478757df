"""Which values with a telling name are credentials: the filter of the generic family.

A name such as ``password`` alone says little: most values beside it are variables, labels, paths,
placeholders. So each candidate is described by traits (what the name means, how the value is
written, what stands around them), and each trait has a weight. The sum is the log-odds that
people who read such lines called the value a credential; the traits that weigh most are the
reasons. Weights and letter statistics are data (``rules/data/tables/secret_words.yaml``), made by
``bench/fit_secrets.py``. Nothing here fails on hostile bytes, and all work per candidate is
bounded by the few hundred bytes that are looked at.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from haechi.checks.secrets.naming import Naming, naming
from haechi.checks.secrets.places import is_out_of_place
from haechi.checks.secrets.shape import class_of, traits
from haechi.rules.compiled import table

if TYPE_CHECKING:
    from haechi.checks.secrets.detect import Candidate

_LINE = 240
"""Bytes of the line that are looked at on either side."""
_NEAR = 320
_LONGEST = 4096
_CLOSING = re.compile(rb"\\{0,3}[\"'`]{0,3}")
_NEVER = re.compile(
    rb"(?s)\$\{|\$\(|\{\{|\}\}|<%|%>|#\{|\{%|%\(|\A<.*>\Z|\A\[.*\]\Z|\A\{.*\}\Z|\A\$[A-Za-z_]\w*\Z"
    rb"|\A%\w+%\Z|\A(.)\1*\Z|\A__\w+__\Z|\A@\w+@\Z|\A&\w+;|\A0[xX][0-9a-fA-F]{1,8}\Z"
    rb"|\A\s*[+,;)]|(?:\s[+.]|[+,(;])\s*\Z|\A-----BEGIN"
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
_LINES = (
    ("comment", re.compile(rb"\A\s*(?:#|//|/?\*|--|<!--|;|%|REM\b)")),
    ("assert", re.compile(rb"(?i)assert|expect|should|\bequal|verify\(|toBe|refute")),
    ("markup", re.compile(rb"(?i)<(?:input|label|th|td|p|a|div|span|li|option|h\d|button|form)\b")),
    ("spoken", re.compile(
        rb"(?i)\b(?:print\w*|log\w*|echo|puts|raise|throw|\w*error\w*|fail\w*|warn\w*|describe"
        rb"|it|message|alert|format|sprintf)\b\s*[(\"'.]")),
    ("label", re.compile(rb"(?i)label|placeholder|descri|help|hint|title|prompt|gettext|i18n|\b_\(")),
    ("declare", re.compile(
        rb"\b(?:def|func|function|fn|class|interface|import|require|from|typedef|struct|enum)\b")),
    ("environment", re.compile(rb"(?i)getenv|environ|process\.env|\bENV\[|getproperty|config\.get")),
    ("example", re.compile(rb"(?i)\be\.g\.|example|such as|for instance|default")),
    ("pattern", re.compile(rb"(?i)regex|pattern|re\.compile|match\(|grep|sed\b|awk\b|replace\(")),
    ("shell", re.compile(rb"(?:\A|[\s|;&(])(?:curl|docker|export|mysql\w*|psql|sqlplus|-e|--\w+)\s")),
    ("query", re.compile(rb"[?&][\w.-]{1,40}=[^\s]{0,200}\Z|[?&][\w.-]*\Z")),
    ("html-escape", re.compile(rb"&(?:quot|#39|lt|gt|amp);")),
)  # fmt: skip
_NEARS = (
    ("user", re.compile(rb"(?i)user|login|e-?mail|account")),
    ("host", re.compile(rb"(?i)host|port\b|jdbc|connect|database|server|endpoint")),
    ("label", re.compile(rb"(?i)label|placeholder|translat|locale|tooltip|caption")),
    ("client", re.compile(rb"(?i)client_?id|access_?key|app_?id|consumer|bucket|region")),
    ("fixture", re.compile(rb"(?i)fixture|mock|stub|\btest|spec\b|assert|expect")),
    ("number", re.compile(rb"[0-9a-f]{16}")),
)
_CODE_LINE = re.compile(
    rb"(?m)[;{}]\s*$|^\s*(?:def|func|return|import|from|if|for|class|public|private|const|let|var"
    rb"|end|self|this)\b"
)


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """data/tables/secret_words.yaml: letter statistics and what each trait weighs."""

    threshold: float
    bias: float
    weights: dict[str, float]
    trigrams: str


class Judgement(msgspec.Struct, frozen=True):
    """Log-odds over the threshold (positive: a credential) with the traits that count most."""

    score: float
    reasons: tuple[str, ...]


@cache
def model() -> tuple[Model, bytes]:
    """The fitted table, and its trigrams as bytes."""
    found = table("secret_words", Model)
    return found, "".join(found.trigrams.split()).encode()


class GenericContext:
    """What the detector asks about candidates of the generic family."""

    def is_credible(self, name: bytes, value: bytes, data: bytes, start: int, end: int) -> bool:
        """By content alone. ``name`` is not needed: the text before the value tells more."""
        return judge_generic(value, data, start, end).score > 0

    def keeps(self, candidate: Candidate, path: str) -> bool:
        """By the path: not in files whose values are somebody else's, nor bare words in code."""
        plain = "plain" in candidate.rule.tags
        return not is_out_of_place(path, candidate.secret, plain=plain)


def judge_generic(value: bytes, data: bytes, start: int, end: int) -> Judgement:
    """Judge the value at these offsets of a text by itself, its name and its neighbours."""
    fitted, trigrams = model()
    found = describe(value, data, start, end, trigrams)
    if not found:
        return Judgement(-99.0, ("never",))
    weights = fitted.weights
    counted = [(weights[trait], trait) for trait in found if trait in weights]
    score = fitted.bias + sum(weight for weight, _ in counted) - fitted.threshold
    counted.sort(key=lambda pair: -abs(pair[0]))
    return Judgement(score, tuple(trait for _, trait in counted[:5]))


def describe(value: bytes, data: bytes, start: int, end: int, trigrams: bytes) -> list[str]:
    """The traits of a candidate; empty when it cannot be a credential."""
    if not 0 <= start < end <= len(data) or len(value) > _LONGEST or _NEVER.search(value):
        return []
    before = data[max(data.rfind(b"\n", 0, start) + 1, start - _LINE) : start]
    named = naming(before)
    if named is None or named.is_public() or _NOT_OURS.search(named.joint):
        return []
    if _TYPEOF.search(named.before[-40:]):
        return []
    rest = data[end : end + _LINE].split(b"\n", 1)[0]
    found = named.traits() + traits(value, named.kind, named.name, trigrams)
    found += _joint(named, value, before, rest)
    found += [f"line:{label}" for label, form in _LINES if form.search(before)]
    around = data[max(start - _NEAR, 0) : start] + b"\n" + data[end : end + _NEAR]
    found += [f"near:{label}" for label, form in _NEARS if form.search(around)]
    found.append(f"near:code:{min(len(_CODE_LINE.findall(around)), 4)}")
    return found


def _joint(named: Naming, value: bytes, before: bytes, rest: bytes) -> list[str]:
    joint = named.joint
    operator = next((label for label, form in _JOINTS if form.search(joint)), "space")
    quote = _quote(joint)
    found = [f"joint:{operator}", f"quote:{quote}"]
    if _WRAPPED.search(joint) or operator == "call":
        found.append("joint:wrapped")
    after = _after(rest)
    found.append(f"after:{after}")
    form = class_of(value)
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
    if text.startswith((b"=>", b":")) :
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

