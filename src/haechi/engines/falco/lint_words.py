"""Words that look like something else: a list that nobody defines.

In Falco a bare word in parentheses is the list of that name or, when there is none, the word
itself: a misspelt list becomes a value that nothing equals. Only where the field cannot hold a
word (an address, a network) does Falco refuse the rule.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator

from haechi.engines.falco.lint_fault import Fault
from haechi.engines.falco.ruleset import Rule, RuleSet
from haechi.engines.falco.syntax import Check, Field, Values, checks_of

_LIKE_A_LIST = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+\Z")
_PLURALS = frozenset(
    {
        *("accounts", "addresses", "binaries", "cidrs", "clusters", "commands", "containers"),
        *("daemons", "dirs", "directories", "domains", "executables", "extensions", "files"),
        *("groups", "hosts", "images", "ips", "items", "lists", "list", "macros", "names"),
        *("namespaces", "networks", "nets", "paths", "pods", "ports", "processes", "procs"),
        *("programs", "registries", "repos", "repositories", "roles", "serviceaccounts"),
        *("services", "shells", "sources", "subnets", "tools", "users"),
    }
)
"""Last words of what people call lists."""
_HELD = frozenset({"evt.type", "fd.l4proto", "evt.res", "ka.verb"})

MAX_WORDS = 10_000
MAX_COMPARED = 200
"""Words of one test that are compared with the names of lists (at most four times as many)."""
Saying = Callable[..., Fault]


def undefined(rule: Rule, rules: RuleSet, said: Saying) -> Iterator[Fault]:
    """Bare words in parentheses that look like lists which do not exist."""
    lists = {item.name for item in rules.lists}
    told: set[str] = set()
    for check in checks_of(rule.condition):
        for word in suspicious(check, lists):
            if word not in told:
                told.add(word)
                yield said(
                    "undefined",
                    "high",
                    f"no list is called {word!r}",
                    f"so {check.left} is compared with the word itself, which it hardly ever is",
                    _define(word, lists),
                    word,
                )


def suspicious(check: Check, lists: set[str]) -> Iterator[str]:
    """The words of a test that are lists by their look; long lists are nobody's slip."""
    if not isinstance(check.right, Values) or not isinstance(check.left, Field):
        return
    if check.left.name in _HELD:
        return
    known = lists if len(check.right.values) <= MAX_COMPARED >= len(lists) / 4 else set()
    for text in check.right.values[:MAX_WORDS]:
        if not text.quoted and text.value not in lists and looks_like_a_list(text.value, known):
            yield text.value


def looks_like_a_list(word: str, lists: set[str]) -> bool:
    """By its last word, or because a list's name is one slip away."""
    if like_a_list(word):
        return True
    close = _LIKE_A_LIST.match(word) and difflib.get_close_matches(word, lists, n=1, cutoff=0.9)
    return bool(close)


def like_a_list(word: str) -> bool:
    """By its look alone: ``known_good_ips``."""
    return bool(_LIKE_A_LIST.match(word)) and word.rpartition("_")[2] in _PLURALS


def _define(word: str, lists: set[str]) -> str:
    near = difflib.get_close_matches(word, lists, n=1, cutoff=0.75)
    if near:
        return f"did you mean {near[0]}? Else define it: - list: {word}"
    return f"define it (- list: {word}, items: [...]) in this file or one that is loaded before"
