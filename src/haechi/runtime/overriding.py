"""Users' files that add to rules of our own pack, as Falco's files do with ``override``.

The pack is no file that is loaded before the others: its rules are made of the catalogue. So those
of them that a file adds to are put before it as a file of their own, with their conditions written
out (a user's macro of the same name as one of ours must not change what ours means), and what
comes out of it keeps the id of the rule that it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from haechi.engines.falco.ruleset import At, Exclusion, Rule, RuleSet, RuleText
from haechi.engines.falco.write import whole

NAME = "(built-in rules)"
"""What stands for a file's name where problems mean one of these."""
_ADDS = re.compile(r"^\s+[\"']?(?:override|append)[\"']?\s*:", re.MULTILINE)


def adds(text: str) -> bool:
    """True when a file may add to rules that stand elsewhere."""
    return _ADDS.search(text) is not None


def added_to(files: Sequence[RuleText], builtin: RuleSet | None) -> RuleText | None:
    """Our rules that one of the files may add to, as a file; None without any."""
    texts = [file.text for file in files if adds(file.text)]
    if builtin is None or not texts:
        return None
    named = [rule for rule in builtin.rules if any(_names(text, rule.name) for text in texts)]
    if not named:
        return None
    items = [_item(rule) for rule in named]
    return RuleText(name=NAME, text=msgspec.json.encode(items).decode())


def restored(users: RuleSet, builtin: RuleSet | None, files: Sequence[RuleText]) -> RuleSet:
    """The set without those of our rules that no file changed, the others with their ids."""
    if builtin is None:
        return users
    ours = {(rule.source, rule.name): rule for rule in builtin.rules}
    kept = []
    for rule in users.rules:
        own = ours.get((rule.source, rule.name))
        if rule.at.file == NAME and own is not None:
            if _same(rule, own):
                continue
            rule = msgspec.structs.replace(rule, id=own.id, text=own.text, at=_at(rule, files))
        kept.append(rule)
    return msgspec.structs.replace(users, rules=tuple(kept))


def _names(text: str, name: str) -> bool:
    return name in text or msgspec.json.encode(name).decode()[1:-1] in text


def _same(rule: Rule, own: Rule) -> bool:
    told = ("condition", "output", "priority", "enabled", "tags", "desc")
    return all(getattr(rule, name) == getattr(own, name) for name in told) and [
        one.name for one in rule.exceptions
    ] == [one.name for one in own.exceptions]


def _at(rule: Rule, files: Sequence[RuleText]) -> At:
    """In the last file that adds to it."""
    names = [one.name for one in files if adds(one.text) and _names(one.text, rule.name)]
    return At(file=names[-1]) if names else rule.at


def _item(rule: Rule) -> dict[str, object]:
    item: dict[str, object] = {
        "rule": rule.name,
        "desc": rule.desc,
        "condition": whole(rule.bare),
        "output": rule.output,
        "priority": rule.priority.upper(),
        "source": rule.source,
        "enabled": rule.enabled,
        "tags": list(rule.tags),
        "warn_evttypes": False,
    }
    if rule.exceptions:
        item["exceptions"] = [_exception(one) for one in rule.exceptions]
    return item


def _exception(one: Exclusion) -> dict[str, object]:
    single = len(one.fields) == 1 and all(len(row) == 1 for row in one.values)
    if single and one.comps[0] not in ("=", "=="):
        return {
            "name": one.name,
            "fields": one.fields[0],
            "comps": one.comps[0],
            "values": [row[0] for row in one.values],
        }
    return {
        "name": one.name,
        "fields": list(one.fields),
        "comps": list(one.comps),
        "values": [list(row) for row in one.values],
    }
