"""Read rule files: ours and users', by the same schema, with the file and line of every fault.

A fault never stops the other rules: it is returned beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from haechi.engines.documents import Document, Fault, parse_documents
from haechi.errors import InputError
from haechi.rules.schema import EVENT_SOURCES, PLAIN_KINDS, RULE_ID, TERRAFORM_KIND, JudgeKind, Rule

_AT = re.compile(r" - at `\$\.?([^`]*)`\Z")
_PART = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class RuleFault(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that cannot be used: where it stands and what is wrong."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def load_rules(
    data: bytes, path: str, places: dict[str, str] | None = None
) -> tuple[list[Rule], list[RuleFault]]:
    """Rules of one file. ``path`` is for faults; ``places`` is filled with id → path:line."""
    rules: list[Rule] = []
    faults: list[RuleFault] = []
    try:
        documents = list(parse_documents(data))
    except InputError as error:
        return [], [RuleFault(path=path, line=1, message=error.what)]
    for document in documents:
        if isinstance(document, Fault):
            faults.append(RuleFault(path=path, line=document.line, message=document.message))
            continue
        for index, entry in enumerate(_entries(document, path, faults)):
            before = len(rules)
            _one(document, index, entry, path, rules, faults)
            if places is not None and len(rules) > before:
                line = document.locate(("rules", index, "expression"))[0]
                places.setdefault(rules[-1].id, f"{path}:{line}")
    return rules, faults


def _entries(document: Document, path: str, faults: list[RuleFault]) -> list[Any]:
    data = document.data
    if isinstance(data, dict) and set(data) == {"rules"} and isinstance(data["rules"], list):
        return data["rules"]
    if data is not None:
        line = document.locate(())[0]
        message = "a rule file holds one key, `rules`, with a list of rules"
        faults.append(RuleFault(path=path, line=line, message=message))
    return []


def _one(
    document: Document,
    index: int,
    entry: Any,
    path: str,
    rules: list[Rule],
    faults: list[RuleFault],
) -> None:
    at: tuple[str | int, ...] = ("rules", index)
    name = entry.get("id") if isinstance(entry, dict) else None
    try:
        rule = msgspec.convert(entry, Rule)
        for where, message in _semantic_faults(rule):
            line = document.locate((*at, where))[0]
            faults.append(RuleFault(path=path, line=line, message=f"rule {rule.id}: {message}"))
            return
    except msgspec.ValidationError as error:
        text = str(error)
        match = _AT.search(text)
        inner: tuple[str | int, ...] = ()
        if match:
            text = text[: match.start()]
            inner = tuple(
                int(number) if number.isdigit() else word
                for word, number in _PART.findall(match[1])
                if number != "..."
            )
        line = document.locate((*at, *inner))[0]
        where = f" at {'.'.join(map(str, inner))}" if inner else ""
        who = f"rule {name}" if isinstance(name, str) else f"rule number {index + 1}"
        faults.append(RuleFault(path=path, line=line, message=f"{who}: {text}{where}"))
        return
    rules.append(rule)


def _semantic_faults(rule: Rule) -> Iterable[tuple[str, str]]:
    """(key, message) of what the types alone do not say."""
    if not RULE_ID.match(rule.id):
        yield "id", "an id is words in kebab-case, such as team-no-external-ips"
    if rule.judge is JudgeKind.CEL and not rule.expression:
        yield "judge", "a CEL rule needs `expression`"
    if rule.judge is JudgeKind.PYTHON and not rule.function:
        yield "judge", "a Python rule needs `function`"
    if not rule.applies_to.kinds:
        yield "applies_to", "`applies_to.kinds` is empty: the rule would never run"
    for kind in rule.applies_to.kinds:
        if kind not in PLAIN_KINDS and kind.count("/") != 1 and not TERRAFORM_KIND.match(kind):
            known = ", ".join(sorted(PLAIN_KINDS))
            yield (
                "applies_to",
                f"kind {kind!r} is neither `group/Kind`, a resource type of Terraform, "
                f"nor one of {known}",
            )
    yield from _pattern_faults(rule)
    yield from _zizmor_faults(rule)
    yield from _falco_faults(rule)
    if not rule.bad or not rule.good:
        yield "bad" if not rule.bad else "good", "needs at least one bad and one good example"


def _pattern_faults(rule: Rule) -> Iterable[tuple[str, str]]:
    texts = rule.applies_to.kinds == ["text"]
    if (rule.judge is JudgeKind.PATTERN) is not texts:
        yield "applies_to", "patterns apply to `text`, which is the default, and nothing else does"
    if (rule.judge is JudgeKind.PATTERN) is not (rule.pattern is not None):
        yield "pattern", "a pattern rule has a `pattern`, other rules have none"
    elif rule.pattern is not None:
        words = rule.pattern.keywords
        if not words or any(not word or word != word.lower() for word in words):
            yield "pattern", "`keywords` are lower-case texts one of which every match holds"


def _zizmor_faults(rule: Rule) -> Iterable[tuple[str, str]]:
    if (rule.judge is JudgeKind.ZIZMOR) is not bool(rule.audits):
        yield "audits", "a zizmor rule names `audits`, other rules have none"
    if rule.judge is not JudgeKind.ZIZMOR:
        return
    if not set(rule.applies_to.kinds) <= {"workflow", "action"}:
        yield "applies_to", "zizmor reads kinds workflow and action"
    for key in ("says", "unless"):
        try:
            re.compile(getattr(rule.results, key))
        except re.error as error:
            yield "results", f"`{key}` is no regular expression: {error}"


def _falco_faults(rule: Rule) -> Iterable[tuple[str, str]]:
    if (rule.judge is JudgeKind.FALCO) is not (rule.applies_to.kinds == ["event"]):
        yield "applies_to", "detections apply to `event`, and nothing else does"
    if (rule.judge is JudgeKind.FALCO) is not (rule.falco is not None):
        yield "falco", "a detection has a `falco` block, other rules have none"
    elif rule.falco is not None and rule.falco.source not in EVENT_SOURCES:
        yield "falco", f"`source` is one of {', '.join(EVENT_SOURCES)}"
