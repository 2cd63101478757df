"""The rules in force: our own pack, files of the configuration, files saved in the store; what is
on and off, and what of it did not load.

A ``Book`` is one moment of it, compiled; it is never changed. The ``Rulebook`` holds the one in
force and puts a new one in its place when all of that one is ready, so an event is judged by the
old rules or by the new ones, never by half of each. A file with errors stays out, and is named;
the others run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from haechi.engines.falco.ruleset import At, Problem, Rule, RuleSet, RuleText
from haechi.errors import HaechiError, NotFound, UsageError
from haechi.runtime.detect import Detector
from haechi.runtime.overriding import added_to, restored

if TYPE_CHECKING:
    import datetime as dt

    from haechi.engines.falco.lint_fault import Fault
    from haechi.store.records import RuleFile
    from haechi.store.state.runtime_rules import RuntimeRules

log = logging.getLogger("haechi.runtime")
BUILTIN, FILE, SAVED = "builtin", "file", "saved"
LARGEST = 1 << 20
MOST_FILES = 500
_CHECKS, _ITEMS = 30_000, 10_000
"""Of all rules together, which every event meets and every save loads anew (Falco's own 93 rules
have 1,449 checks): five seconds of one core to load at the most."""
_UNREADABLE, _UNCOMPILED = "LOAD_ERR_FILE_READ", "LOAD_ERR_COMPILE_CONDITION"
Key = tuple[str, str]
"""A rule: its source and name."""


class BookFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of rules. ``version`` is 0 for one of the configuration; ``fault`` says why it could
    not be read."""

    name: str
    text: str
    origin: str
    version: int = 0
    at: dt.datetime | None = None
    by: str = ""
    note: str = ""
    fault: str = ""


class BookRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, where it comes from, and whether it is on."""

    rule: Rule
    origin: str
    enabled: bool

    @property
    def key(self) -> Key:
        """Its source and name."""
        return self.rule.source, self.rule.name


class Rejected(UsageError):
    """A file that was not saved; ``problems`` say why."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        super().__init__(
            f"{name} was not saved: {problems[0].message}",
            where=str(problems[0].at),
            do="mend what is named, and save again",
        )
        self.problems = tuple(problems)


class Book:
    """Rules at one moment. Immutable and thread-safe."""

    def __init__(
        self,
        rules: Sequence[BookRule],
        files: Sequence[BookFile],
        problems: Sequence[Problem],
        left_out: frozenset[str],
        sets: Sequence[RuleSet],
        detector: Detector,
    ) -> None:
        self.rules, self.files = tuple(rules), tuple(files)
        self.problems, self.left_out = tuple(problems), left_out
        self.detector = detector
        self._sets = tuple(sets)

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What lint says of all of them."""
        from haechi.engines.falco.lint import lint

        texts = [RuleText(name=one.name, text=one.text) for one in self.files]
        return tuple(fault for rules in self._sets for fault in lint(rules, files=texts))

    def kept(self, file: BookFile) -> Book:
        """The same book once one of its files was kept, with what the store says of that."""
        files = [file if one.name == file.name else one for one in self.files]
        return Book(self.rules, files, self.problems, self.left_out, self._sets, self.detector)

    def find(self, name: str, source: str = "") -> BookRule:
        """A rule by name, or by its own id. NotFound; UsageError where the name is that of
        several sources' rules."""
        found = [
            one
            for one in self.rules
            if name in (one.rule.name, one.rule.id or None) and source in ("", one.rule.source)
        ]
        if not found:
            raise NotFound(f"there is no runtime rule {name[:80]!r}", do="GET /runtime/rules")
        if len(found) > 1:
            raise UsageError(
                f"there are rules {name[:80]!r} for several sources",
                do=f"name one: source={found[0].rule.source}",
                where="query.source",
            )
        return found[0]

    def problems_of(self, file: str) -> list[Problem]:
        """What is wrong with a file."""
        return [one for one in self.problems if one.at.file == file]


def assembled(
    files: Sequence[BookFile],
    *,
    builtin: RuleSet | None = None,
    switches: Mapping[Key, bool] | None = None,
    faults: Callable[[str], None] = lambda stage: None,
) -> Book:
    """The book of these files. A user's rule takes the place of ours of the same name."""
    unread = [_unread(one) for one in files if one.fault]
    users, left_out = _loaded([one for one in files if not one.fault], builtin)
    origins = {one.name: one.origin for one in files}
    sets = [one for one in (builtin, users) if one is not None]
    rules: dict[Key, BookRule] = {}
    for one in sets:
        for rule in one.rules:
            origin = origins.get(rule.at.file, SAVED) if one is users else BUILTIN
            key = (rule.source, rule.name)
            on = (switches or {}).get(key, rule.enabled)
            rules[key] = BookRule(rule=rule, origin=origin, enabled=on)
    detector, bad = _compiled(list(rules.values()), faults)
    problems = [*unread, *users.problems, *(builtin.problems if builtin else ()), *bad]
    named = {(problem.item, problem.at.file) for problem in bad}
    kept = [
        one for one in rules.values() if (f"rule {one.rule.name}", one.rule.at.file) not in named
    ]
    gone = frozenset((*left_out, *(one.name for one in files if one.fault)))
    return Book(kept, files, problems, gone, sets, detector)


def _unread(file: BookFile) -> Problem:
    return Problem(error=True, code=_UNREADABLE, message=file.fault, at=At(file=file.name))


def _loaded(files: Sequence[BookFile], builtin: RuleSet | None) -> tuple[RuleSet, set[str]]:
    """All files together, but for those with errors; what was wrong stays told."""
    from haechi.engines.falco.basics import given
    from haechi.engines.falco.load import LoadLimits, load

    limits = LoadLimits(all_checks=_CHECKS, items=_ITEMS)
    left_out: set[str] = set()
    told: list[Problem] = []
    while True:
        some = [one for one in files if one.name not in left_out]
        texts = [RuleText(name=one.name, text=one.text) for one in some]
        basics = given(texts).file
        first = [one for one in (basics, added_to(texts, builtin)) if one is not None]
        found = restored(load([*first, *texts], limits=limits), builtin, texts)
        bad = {one.at.file for one in found.problems if one.error} & {one.name for one in some}
        if not bad:
            problems = (*told, *found.problems)
            return msgspec.structs.replace(found, problems=problems), left_out
        told += [one for one in found.problems if one.at.file in bad]
        left_out |= bad


def _compiled(
    rules: Sequence[BookRule], faults: Callable[[str], None]
) -> tuple[Detector, list[Problem]]:
    """A detector of what is on. A rule that cannot be compiled is told and left out."""
    from haechi.engines.falco.engine import Engine

    on = [msgspec.structs.replace(one.rule, enabled=True) for one in rules if one.enabled]
    try:
        return Detector(Engine(on), faults), []
    except HaechiError:
        pass
    fit: list[Rule] = []
    bad: list[Problem] = []
    for rule in on:
        try:
            Engine([rule])
        except HaechiError as error:
            problem = Problem(
                error=True,
                code=_UNCOMPILED,
                message=error.what,
                at=rule.at,
                item=f"rule {rule.name}",
            )
            bad.append(problem)
        else:
            fit.append(rule)
    return Detector(Engine(fit), faults), bad


def read_files(paths: Iterable[Path]) -> list[BookFile]:
    """The files of the configuration; a folder means every YAML file in it, by name."""
    found: list[BookFile] = []
    for path in paths:
        try:
            several = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
        except OSError as error:
            found.append(_file(path, "", f"cannot be read: {error.strerror or error}"))
            continue
        found += [_read(one) for one in several[:MOST_FILES]]
    return found


def _read(path: Path) -> BookFile:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        return _file(path, "", f"cannot be read: {error.strerror or error}")
    if len(data) > LARGEST:
        return _file(path, "", "larger than 1 MiB")
    try:
        return _file(path, data.decode(), "")
    except UnicodeDecodeError:
        return _file(path, "", "not UTF-8")


def _file(path: Path, text: str, fault: str) -> BookFile:
    return BookFile(name=str(path), text=text, origin=FILE, fault=fault)


class Rulebook:
    """The rules of a server. Thread-safe; what is asked for first loads them."""

    def __init__(
        self,
        store: RuntimeRules,
        *,
        paths: Sequence[Path] = (),
        builtin: Callable[[], RuleSet | None] | None = None,
        faults: Callable[[str], None] = lambda stage: None,
    ) -> None:
        self._store, self._paths, self._faults = store, tuple(paths), faults
        self._builtin = builtin or builtin_pack
        self._changing = threading.RLock()
        self._book: Book | None = None

    @property
    def book(self) -> Book:
        """What is in force."""
        book = self._book
        if book is None:
            with self._changing:
                book = self._book
                if book is None:
                    book = self._renewed()
        return book

    @property
    def ready(self) -> bool:
        """True once it was loaded."""
        return self._book is not None

    def refresh(self) -> bool:
        """Load what changed in the files of the configuration; True when something did."""
        book = self.book
        there = [one for one in book.files if one.origin == FILE]
        if read_files(self._paths) == there:
            return False
        with self._changing:
            self._renewed()
        log.info("runtime rules were loaded again: a file changed")
        return True

    def candidate(self, name: str, text: str) -> Book:
        """What would be in force if this text were saved under this name."""
        file = BookFile(name=name, text=text, origin=SAVED)
        others = [one for one in self._saved() if one.name != name]
        return self._made(sorted([*others, file], key=lambda one: one.name))

    def save(
        self, name: str, text: str, *, expected: int, by: str, note: str = ""
    ) -> tuple[RuleFile, Book]:
        """Keep a file and judge by it from now on. Rejected, Conflict."""
        with self._changing:
            book = self.candidate(name, text)
            known = {str(one) for one in self.book.problems if one.error}
            bad = [
                one
                for one in book.problems
                if one.error and (one.at.file == name or str(one) not in known)
            ]
            if bad:
                raise Rejected(name, bad)
            kept = self._store.save(name, text, expected=expected, by=by, note=note)
            return kept, self._in_force(book.kept(_saved_file(kept)))

    def remove(self, name: str, *, expected: int, by: str) -> Book:
        """Take a saved file out of force. NotFound, Conflict."""
        with self._changing:
            self._store.remove(name, expected=expected, by=by)
            return self._renewed()

    def switch(self, name: str, source: str, *, enabled: bool, by: str) -> BookRule:
        """Turn a rule on or off. NotFound, UsageError."""
        with self._changing:
            rule = self.book.find(name, source).rule
            self._store.switch(rule.source, rule.name, enabled=enabled, by=by)
            return self._renewed().find(rule.name, rule.source)

    def _renewed(self) -> Book:
        return self._in_force(self._made(self._saved()))

    def _in_force(self, book: Book) -> Book:
        """Judge by this book from now on. Code for the types of events that come is made first:
        until then the old rules judge, and no event waits for it."""
        for problem in book.problems:
            if problem.error:
                log.error("a runtime rule file does not load: %s", problem)
        if self._book is not None:
            book.detector.engine.warm(self._book.detector.engine.warmed)
        self._book = book
        return book

    def _saved(self) -> list[BookFile]:
        return [_saved_file(one) for one in self._store.files()]

    def _made(self, saved: Sequence[BookFile]) -> Book:
        switches = {(one.source, one.name): one.enabled for one in self._store.switches()}
        files = [*read_files(self._paths), *saved]
        return assembled(files, builtin=self._builtin(), switches=switches, faults=self._faults)


def _saved_file(kept: RuleFile) -> BookFile:
    return BookFile(
        name=kept.name,
        text=kept.text,
        origin=SAVED,
        version=kept.version,
        at=kept.at,
        by=kept.by,
        note=kept.note,
    )


def builtin_pack() -> RuleSet | None:
    from haechi.runtime.pack import builtin

    return builtin()
