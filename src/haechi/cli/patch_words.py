"""The words of ``haechi patch``: messages of commits, title and text of a pull request.

Names of packages, files and advisories come from what was scanned, so in Markdown they stand as
code or with their signs escaped, and nothing of them can mention people or close issues.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haechi.cli.fix_deps import commands_of
from haechi.model.counting import counted

if TYPE_CHECKING:
    from haechi.cli.patch import Made
    from haechi.scan.deps.fixing.fixes import Fix
    from haechi.scan.fix.plan import FileFix

_ROWS = 100
_IDS = 6
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|<>~@])")


def title_of(made: Made) -> str:
    """One line."""
    upgrades = _upgrades(made)
    parts = []
    if len(upgrades) == 1:
        parts.append(f"raise {upgrades[0].upgrade.spelled} to {upgrades[0].upgrade.to}")
    elif upgrades:
        parts.append(f"raise {counted(len(upgrades), 'vulnerable package')}")
    if made.configuration:
        files = counted(len(made.configuration), "configuration file")
        parts.append(f"{'correct' if parts else 'Correct'} {files}")
    text = " and ".join(parts) or "upgrade dependencies"
    return _line(text[:1].upper() + text[1:])


def commit_of_configuration(fixes: Sequence[FileFix]) -> str:
    """The message of the commit with the fixes of configuration."""
    rules = Counter(made.finding.rule for fix in fixes for made in fix.made)
    lines = [f"{rule}: {count}" for rule, count in sorted(rules.items())]
    subject = f"Correct {counted(sum(rules.values()), 'finding')} in configuration"
    return "\n".join((subject, "", *map(_line, lines), ""))


def commit_of_upgrades(made: Made, folder: str) -> str:
    """The message of the commit with the upgrades of a folder."""
    fixes = [fix for fix in _upgrades(made) if _touches(fix, folder)]
    where = f" in {folder}" if folder else ""
    if len(fixes) == 1:
        subject = f"Raise {fixes[0].upgrade.spelled} to {fixes[0].upgrade.to}{where}"
    else:
        subject = f"Raise {counted(len(fixes), 'vulnerable package')}{where}"
    lines = [
        f"{fix.upgrade.spelled} {fix.upgrade.version} -> {fix.upgrade.to}: "
        f"{', '.join(fix.upgrade.clears)}"
        for fix in fixes
    ]
    return "\n".join((_line(subject), "", *map(_line, lines), ""))


def body_of(made: Made) -> str:
    """The text of the pull request in Markdown."""
    parts = [*_upgraded(made), *_corrected(made), *_commands(made), *_left(made), *_proof(made)]
    return "\n".join(parts).rstrip() + "\n"


def _upgraded(made: Made) -> Iterator[str]:
    fixes = _upgrades(made)
    if not fixes:
        return
    urls = {one.rule: str(one.evidence.get("url", "")) for one in made.findings}
    severities = {one.rule: one.severity for one in made.findings}
    yield "## Dependencies"
    yield ""
    yield "| package | from | to | in | clears | proof |"
    yield "|---|---|---|---|---|---|"
    proven = set(made.upgrades.proven) if made.upgrades else set()
    for fix in fixes[:_ROWS]:
        one = fix.upgrade
        ids = [_linked(id_, urls.get(id_, ""), str(severities.get(id_, ""))) for id_ in one.clears]
        cleared = ", ".join(ids[:_IDS]) + (f" and {len(ids) - _IDS} more" if ids[_IDS:] else "")
        major = " (major)" if one.major else ""
        proof = "gone when scanned again" if fix in proven else "once the lock file follows"
        yield (
            f"| {_code(one.spelled)} | {_code(one.version)} | {_code(one.to)}{major} "
            f"| {_code(fix.path)} | {cleared} | {proof} |"
        )
    if len(fixes) > _ROWS:
        yield f"| and {len(fixes) - _ROWS} more | | | | | |"
    yield ""


def _corrected(made: Made) -> Iterator[str]:
    if not made.configuration:
        return
    yield "## Configuration"
    yield ""
    yield "| rule | what | in |"
    yield "|---|---|---|"
    rows = Counter(
        (one.finding.rule, one.finding.title, fix.path)
        for fix in made.configuration
        for one in fix.made
    )
    for (rule, title, path), count in sorted(rows.items())[:_ROWS]:
        times = f" ({count} times)" if count > 1 else ""
        yield f"| {_code(rule)} | {_plain(title)}{times} | {_code(path)} |"
    if len(rows) > _ROWS:
        yield f"| and {len(rows) - _ROWS} more | | |"
    yield ""


def _commands(made: Made) -> Iterator[str]:
    steps = commands_of(made.upgrades) if made.upgrades else []
    if not steps:
        return
    yield "## Lock files"
    yield ""
    yield "These follow by their own tools; run, and commit what they write:"
    yield ""
    for step in steps:
        yield f"    {_line(step)}"
    yield ""


def _left(made: Made) -> Iterator[str]:
    if made.upgrades is None:
        return
    stays = [one for plan in made.upgrades.plans for one in plan.stays]
    rows = [(fix.upgrade.spelled, fix.upgrade.version, fix.upgrade.clears, fix.left)
            for fix in made.upgrades.left]  # fmt: skip
    rows += [(one.spelled, one.version, one.ids, one.reason) for one in stays]
    if not rows:
        return
    yield "## Not fixed"
    yield ""
    for name, version, ids, reason in rows[:_ROWS]:
        named = ", ".join(map(_plain, ids[:_IDS]))
        yield f"- {_code(f'{name} {version}')}: {named}: {_plain(reason)}"
    if len(rows) > _ROWS:
        yield f"- and {len(rows) - _ROWS} more"
    yield ""


def _proof(made: Made) -> Iterator[str]:
    yield "## Proof"
    yield ""
    yield (
        f"Made by `haechi patch` on {_code(made.base[:12])}. The commits were scanned again: no "
        "finding that blocks and no gap came that was not there before."
    )


def _upgrades(made: Made) -> list[Fix]:
    """What the branch changes: the proven ones, and those whose manifest it edits."""
    if made.upgrades is None:
        return []
    edited = [fix for fix in made.upgrades.waiting if fix.edits]
    return [*made.upgrades.proven, *edited]


def _touches(fix: Fix, folder: str) -> bool:
    paths = [fix.path, *(path for path, _ in fix.edits)]
    return any(posixpath.dirname(path) == folder for path in paths)


def _linked(name: str, url: str, severity: str) -> str:
    rated = f" ({severity})" if severity else ""
    safe = url if re.fullmatch(r"https://[A-Za-z0-9./?=&%_#:-]{1,300}", url) else ""
    return f"[{_plain(name)}]({safe}){rated}" if safe else f"{_plain(name)}{rated}"


def _code(text: str) -> str:
    """As code; a text that could end the code or the cell is escaped instead."""
    shown = _line(text)[:200]
    return _plain(shown) if "`" in shown or "|" in shown else f"`{shown}`"


def _plain(text: str) -> str:
    return _MARKS.sub(r"\\\1", _line(text)[:400]).replace("@", "@\u200b")


def _line(text: str) -> str:
    """In one line, without signs that do not show."""
    return "".join(c if c.isprintable() else " " for c in text)
