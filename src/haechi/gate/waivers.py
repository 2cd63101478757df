"""haechi.waivers.yaml: findings that somebody accepts, with a reason, by name, for a time.

A waiver that means less or more than its author thought is a hole, so the file is read
strictly and all faults are told at once (exit code 2). One that has expired is not a fault:
it stops matching by itself, and the gate says so.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.engines.globs import glob_fault, is_catch_all
from haechi.engines.typed import Misfit, config_error, misfits, read_single, shown
from haechi.engines.values import Limits
from haechi.model.advisory import is_vulnerability
from haechi.model.config import Section
from haechi.model.location import AttrPath, Location
from haechi.model.vex import Justification
from haechi.model.waiver import Waiver, WaiverOrigin

MAX_DAYS = 365
LIMITS = Limits(size=4 * 1024 * 1024, documents=10, values=200_000, depth=10)
_SCOPE = ("path", "resource", "fingerprint")
_FINGERPRINT = re.compile(r"[0-9a-f]{32}\Z")
_RULE = re.compile(r"[A-Za-z0-9][\w.:/-]*\Z")


class _Entry(Section, frozen=True, kw_only=True):
    """One waiver as written."""

    rule: str
    reason: str
    owner: str
    expires: dt.date
    path: str | None = None
    resource: str | None = None
    fingerprint: str | None = None
    everywhere: bool = False
    justification: Justification | None = None


class _File(Section, frozen=True, kw_only=True):
    waivers: list[Any] | None  # None: every entry is commented out


def load_waivers(text: str, path: str, today: dt.date) -> tuple[Waiver, ...]:
    """Parse the text of a waiver file; ``path`` is where it stands, for messages.

    Raises one ConfigError that names every fault with its line.
    """
    document = read_single(text.encode("utf-8", "surrogatepass"), path, limits=LIMITS)
    if document is None or document.data is None:
        return ()
    faults = list(misfits(document.data, _File))
    waivers: list[Waiver] = []
    entries = document.data.get("waivers") if isinstance(document.data, dict) else None
    for index, value in enumerate(entries if isinstance(entries, list) else ()):
        at: AttrPath = ("waivers", index)
        entry, wrong = _read(value, today)
        faults.extend(
            Misfit(
                path=(*at, *fault.path),
                message=f"waiver {index + 1}: {fault.message.replace('the file', 'it', 1)}",
                do=fault.do,
            )
            for fault in wrong
        )
        waivers.append(_waiver(entry, document.location(at, path)))
    if faults:
        raise config_error(path, document, faults)
    return tuple(waivers)


def _read(value: Any, today: dt.date) -> tuple[_Entry, list[Misfit]]:
    """An entry and all its faults; where a key is wrong, a harmless value stands in for it, so
    that the other keys are judged in the same run."""
    wrong = list(misfits(value, _Entry))
    if not wrong:
        entry = msgspec.convert(value, _Entry)
        return entry, list(_semantic(entry, today))
    harmless = {
        "rule": "x",
        "reason": "x",
        "owner": "x",
        "expires": today.isoformat(),
        "path": "x",
        "resource": "x",
        "fingerprint": "0" * 32,
        "everywhere": isinstance(value, dict) and value.keys().isdisjoint(_SCOPE),
        "justification": None,
    }
    if not isinstance(value, dict):
        return msgspec.convert(harmless, _Entry), wrong
    bad = {fault.path[0] for fault in wrong if fault.path}
    required = {key: harmless[key] for key in ("rule", "reason", "owner", "expires")}
    given = {key: harmless[key] if key in bad else value[key] for key in harmless if key in value}
    entry = msgspec.convert({**required, **given}, _Entry)
    # A misspelt key may have been the one that says what is covered.
    return entry, wrong + [f for f in _semantic(entry, today) if f.path or not bad - set(harmless)]


def _waiver(entry: _Entry, location: Location) -> Waiver:
    return Waiver(
        rule=entry.rule,
        origin=WaiverOrigin.FILE,
        location=location,
        fingerprint=entry.fingerprint,
        path=entry.path,
        resource=entry.resource,
        reason=entry.reason.strip(),
        owner=entry.owner.strip(),
        expires=entry.expires,
        justification=entry.justification or "",
    )


def _semantic(entry: _Entry, today: dt.date) -> Iterator[Misfit]:
    """What the types alone do not say."""
    for key in ("reason", "owner"):
        if not getattr(entry, key).strip():
            yield Misfit(path=(key,), message=f"`{key}` is empty")
    last = today + dt.timedelta(days=MAX_DAYS)
    if entry.expires > last:
        message = f"`expires` is {entry.expires}, more than {MAX_DAYS} days ahead"
        yield Misfit(path=("expires",), message=message, do=f"{last} is the latest date today")
    yield from _rule(entry)
    yield from _scope(entry)
    if entry.justification is not None and not is_vulnerability(entry.rule):
        message = "`justification` is about a vulnerability, and `rule` names none"
        yield Misfit(path=("justification",), message=message, do="say it in `reason`")


def _rule(entry: _Entry) -> Iterator[Misfit]:
    if entry.rule == "*":
        if entry.fingerprint is None and entry.path is None:
            do = "name the rule, or add `path` or `fingerprint`"
            yield Misfit(path=("rule",), message="rule `*` needs a path or a fingerprint", do=do)
    elif not _RULE.match(entry.rule):
        yield Misfit(path=("rule",), message=f"`rule` is {shown(entry.rule)}, not a rule id or `*`")


def _scope(entry: _Entry) -> Iterator[Misfit]:
    given = [key for key in _SCOPE if getattr(entry, key) is not None]
    if entry.everywhere and given:
        message = f"`everywhere` contradicts `{given[0]}`"
        yield Misfit(path=("everywhere",), message=message, do="keep one of them")
    if not entry.everywhere and not given:
        do = "add `path`, `resource` or `fingerprint`, or say `everywhere: true`"
        yield Misfit(path=(), message="it does not say what it covers", do=do)
    if entry.fingerprint is not None and not _FINGERPRINT.match(entry.fingerprint):
        message = f"`fingerprint` is {shown(entry.fingerprint)}, not 32 hexadecimal digits"
        yield Misfit(path=("fingerprint",), message=message, do="copy it from a report")
    for key in ("path", "resource"):
        glob = getattr(entry, key)
        if glob is None:
            continue
        fault = glob_fault(glob)
        if fault is not None:
            yield Misfit(path=(key,), message=f"`{key}` {fault}")
        elif is_catch_all(glob) and len(given) == 1:
            do = "narrow it, or name one rule and say `everywhere: true`"
            yield Misfit(path=(key,), message=f"`{key}: {glob}` covers everything", do=do)
