"""Rule files as somebody checks them: loaded, linted, and what was taken for granted.

Beyond ``load`` and ``lint`` this does two things. Well-known names that the files do not define
come from ``basics``, loaded first. And a rule that Falco refuses only because a list is missing
where an address or a number must stand is looked at all the same, with a stand-in for the list:
whoever mends the one fault should not meet the next one afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from haechi.engines.falco.basics import NAME as GIVEN
from haechi.engines.falco.basics import given
from haechi.engines.falco.lint import lint
from haechi.engines.falco.lint_fault import Fault
from haechi.engines.falco.lint_places import Places
from haechi.engines.falco.lint_words import like_a_list
from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import At, Macro, Problem, Rule, RuleSet, RuleText

_LISTED = re.compile(r"\b(?:in|intersects|pmatch)\s*\(([^()]{1,4000})\)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"[^\s,\"']+")
_STAND_IN = "192.0.2.{}"
_STAND_IN_NUMBER = "64{:03d}"
_MOST = 200


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """``rules`` are what loads; ``problems`` Falco's words about the rest; ``faults`` lint's."""

    rules: RuleSet
    problems: tuple[Problem, ...]
    faults: tuple[Fault, ...]

    @property
    def broken(self) -> bool:
        """Whether Falco would refuse the files."""
        return any(problem.error for problem in self.problems)


def study(files: Sequence[RuleText]) -> Study:
    """Load and lint rule files, in the order given."""
    basic = given(files)
    first = (basic.file,) if basic.file is not None else ()
    rules = load([*first, *files])
    problems = tuple(p for p in rules.problems if p.at.file != GIVEN)
    faults = [*lint(rules, files=files), *_given(rules, files)]
    if any(problem.error for problem in problems):
        faults.extend(_repaired(rules, first, files))
    faults.sort(key=lambda fault: (fault.at.file, fault.at.line, fault.at.column, fault.code))
    return Study(rules=rules, problems=problems, faults=tuple(faults))


def _given(rules: RuleSet, files: Sequence[RuleText]) -> Iterator[Fault]:
    """One line that says which names were ours."""
    said = " ".join([*(r.text for r in rules.rules), *(m.text for m in _own(rules.macros))])
    words = set(_WORD.findall(said))
    things = [(m.name, m.at, m.used) for m in rules.macros]
    things += [(item.name, item.at, item.used) for item in rules.lists]
    names = [n for n, at, used in things if at.file == GIVEN and used and n in words]
    if names and files:
        yield Fault(
            code="given",
            severity="info",
            rule="",
            at=At(file=files[0].name),
            message=f"{', '.join(names)}: not defined in these files, haechi's own were taken",
            why="Falco's default files define these names, and this works only where they are read",
            do="load falco_rules.yaml before these files, or define the names in them",
            key="given",
        )


def _own(macros: Sequence[Macro]) -> Iterator[Macro]:
    return (macro for macro in macros if macro.at.file != GIVEN)


# --- rules that only a missing list keeps from loading -------------------------------------------


def _repaired(
    rules: RuleSet, first: Sequence[RuleText], files: Sequence[RuleText]
) -> Iterator[Fault]:
    stand_ins = _stand_ins(rules, files)
    if not stand_ins:
        return
    text = "".join(f"- list: {word}\n  items: [{it}]\n" for word, it in stand_ins.items())
    again = load([*first, RuleText(name=GIVEN, text=text), *files])
    loaded = {rule.name for rule in rules.rules}
    mended = [rule for rule in again.rules if rule.name not in loaded]
    for fault in lint(replace(again, rules=tuple(mended), macros=(), lists=()), files=files):
        if fault.code != "shadowed":
            yield _original(fault, stand_ins)
    places = Places(files)
    for rule in mended:
        for word in stand_ins:
            if re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", rule.text):
                yield places.exact(_missing(rule, word))


def _stand_ins(rules: RuleSet, files: Sequence[RuleText]) -> dict[str, str]:
    """Words in parentheses that are no list but look like one, with something to stand for them."""
    lists = {item.name for item in rules.lists}
    words: dict[str, None] = {}
    for file in files:
        for inside in _LISTED.findall(file.text):
            for word in _BARE.findall(inside):
                if word not in lists and like_a_list(word):
                    words[word] = None
    numbers = ("port", "ports", "uids", "pids")
    return {
        word: (_STAND_IN_NUMBER if word.endswith(numbers) else _STAND_IN).format(number)
        for number, word in enumerate(list(words)[:_MOST], 1)
    }


def _original(fault: Fault, stand_ins: dict[str, str]) -> Fault:
    """The fault with the file's own words."""
    message, why = fault.message, fault.why
    for word, it in stand_ins.items():
        pattern = rf"(?<![\d.]){re.escape(it)}(?![\d.])"
        message, why = re.sub(pattern, word, message), re.sub(pattern, word, why)
    return replace(fault, message=message, why=why)


def _missing(rule: Rule, word: str) -> Fault:
    return Fault(
        code="undefined",
        severity="high",
        rule=rule.name,
        at=rule.at,
        message=f"no list is called {word!r}",
        why=(
            "Falco then takes the word for a value, which an address, a network or a number "
            "cannot be: it refuses the rule, and with it the file"
        ),
        do=f"define it (- list: {word}, items: [...]) in this file or one that is loaded before",
        word=word,
        key=word,
    )
