"""gator's suites: tests of templates and constraints by objects, as files.

A suite is read whole or not at all: what is not understood is an error of its name with its line,
and the other suites go on. Files are named relative to the suite.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from haechi.admit.gatekeeper.names import SUITES
from haechi.admit.gatekeeper.regex import Pattern, pattern
from haechi.checks.pods.view import items, mapping
from haechi.errors import InputError, RuleError
from haechi.model.location import AttrPath, format_path
from haechi.model.resource import Resource
from haechi.world.manifests import read_manifests, regular_bytes

YES, NO = "yes", "no"
_SUITE: Final = ("name", "tests", "skip", "apiVersion", "kind", "metadata")
_TEST: Final = ("name", "template", "constraint", "expansion", "cases", "invalid", "skip")
_CASE: Final = ("name", "object", "inventory", "assertions", "skip")
_ASSERTION: Final = ("violations", "message")


class Assertion(msgspec.Struct, frozen=True):
    """How many violations (a number, ``yes``, ``no``) have a message that matches."""

    violations: str | int
    message: str

    @property
    def pattern(self) -> Pattern | None:
        return pattern(self.message) if self.message else None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    object: str
    inventory: tuple[str, ...]
    assertions: tuple[Assertion, ...]
    skip: bool
    line: int


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """``invalid``: the constraint must be refused by the template's schema."""

    __test__ = False  # no test of pytest

    name: str
    template: str
    constraint: str
    expansion: str
    invalid: bool
    skip: bool
    cases: tuple[Case, ...]
    line: int


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    file: Path
    skip: bool
    tests: tuple[Test, ...]


class Unreadable(msgspec.Struct, frozen=True):
    """A suite, or a file that may be one, that could not be read."""

    file: Path
    line: int
    reason: str


def find_suites(paths: list[Path]) -> tuple[list[Suite], list[Unreadable]]:
    """The suites of files and folders. Raises UsageError for a path that is not there."""
    found = read_manifests(paths)
    suites: list[Suite] = []
    named = {path for path in paths if not path.is_dir()}
    bad = [one for gap in found.gaps if _may_be_suite(one := _gap(gap.path, gap.reason), named)]
    for resource in found.resources:
        if (resource.group, resource.kind) != (SUITES, "Suite"):
            continue
        try:
            suites.append(_Reader(resource).suite())
        except InputError as error:
            line = int(error.where or 0)
            bad.append(Unreadable(Path(resource.file), line, error.what))
    return suites, bad


def _gap(where: str, reason: str) -> Unreadable:
    file, _, line = where.rpartition(":")
    if file and line.isdecimal():
        return Unreadable(Path(file), int(line), reason)
    return Unreadable(Path(where), 0, reason)


def _may_be_suite(bad: Unreadable, named: set[Path]) -> bool:
    """A folder holds other things, too: charts, samples that are broken on purpose."""
    if bad.file in named:
        return True
    try:
        return SUITES.encode() in regular_bytes(bad.file)
    except OSError:
        return not bad.file.is_dir()


class _Reader:
    """Reads one suite; a fault is an InputError whose ``where`` is its line."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def suite(self) -> Suite:
        data = mapping(self._resource.data)
        self._fields(data, _SUITE, ())
        tests = self._list(data, "tests", ())
        return Suite(
            file=Path(self._resource.file),
            skip=self._flag(data, "skip", ()),
            tests=tuple(self._test(one, ("tests", number)) for number, one in enumerate(tests)),
        )

    def _test(self, value: Any, path: AttrPath) -> Test:
        test = self._mapping(value, _TEST, path)
        cases = self._list(test, "cases", path)
        invalid = self._flag(test, "invalid", path)
        return Test(
            name=self._text(test, "name", path),
            template=self._text(test, "template", path),
            constraint=self._text(test, "constraint", path),
            expansion=self._text(test, "expansion", path),
            invalid=invalid,
            skip=self._flag(test, "skip", path),
            cases=tuple(
                self._case(one, (*path, "cases", number)) for number, one in enumerate(cases)
            ),
            line=self._line(path),
        )

    def _case(self, value: Any, path: AttrPath) -> Case:
        case = self._mapping(value, _CASE, path)
        inventory = self._list(case, "inventory", path)
        if not all(isinstance(one, str) for one in inventory):
            raise self._bad((*path, "inventory"), "names files")
        assertions = self._list(case, "assertions", path)
        return Case(
            name=self._text(case, "name", path),
            object=self._text(case, "object", path),
            inventory=tuple(inventory),
            assertions=tuple(
                self._assertion(one, (*path, "assertions", number))
                for number, one in enumerate(assertions)
            ),
            skip=self._flag(case, "skip", path),
            line=self._line(path),
        )

    def _assertion(self, value: Any, path: AttrPath) -> Assertion:
        assertion = self._mapping(value, _ASSERTION, path)
        wanted = assertion.get("violations", YES)
        if isinstance(wanted, bool):  # YAML 1.1 takes yes and no for truth values
            wanted = YES if wanted else NO
        is_count = isinstance(wanted, int) and wanted >= 0
        if not is_count and wanted not in (YES, NO):
            raise self._bad((*path, "violations"), f"is a number, {YES} or {NO}")
        message = assertion.get("message") or ""
        if not isinstance(message, str):
            raise self._bad((*path, "message"), "is text")
        try:
            pattern(message)
        except RuleError as error:
            raise self._bad((*path, "message"), error.what) from error
        return Assertion(wanted, message)

    def _mapping(self, value: Any, fields: tuple[str, ...], path: AttrPath) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._bad(path, "is a mapping")
        self._fields(value, fields, path)
        return value

    def _fields(self, value: Any, fields: tuple[str, ...], path: AttrPath) -> None:
        for name in value:
            if name not in fields:
                raise self._bad((*path, str(name)), f"is no field; there are {', '.join(fields)}")

    def _list(self, value: Any, name: str, path: AttrPath) -> list[Any]:
        found = value.get(name)
        if found is not None and not isinstance(found, list):
            raise self._bad((*path, name), "is a list")
        return items(found)

    def _text(self, value: Any, name: str, path: AttrPath) -> str:
        found = value.get(name)
        if found is not None and not isinstance(found, str | int | float):
            raise self._bad((*path, name), "is text")
        return "" if found is None else str(found)

    def _flag(self, value: Any, name: str, path: AttrPath) -> bool:
        found = value.get(name)
        if found is not None and not isinstance(found, bool):
            raise self._bad((*path, name), "is true or false")
        return bool(found)

    def _line(self, path: AttrPath) -> int:
        return self._resource.locate(path).line

    def _bad(self, path: AttrPath, what: str) -> InputError:
        return InputError(f"{format_path(path)} {what}", where=str(self._line(path)))


def unmet(assertion: Assertion, messages: Sequence[str]) -> str:
    """Why an assertion does not hold; empty when it does."""
    expression = assertion.pattern
    count = sum(expression is None or expression.found_in(text) for text in messages)
    wanted = assertion.violations
    holds = count > 0 if wanted == YES else count == 0 if wanted == NO else count == wanted
    if holds:
        return ""
    expected = {YES: "at least one", NO: "none"}.get(str(wanted), f"exactly {wanted}")
    like = f" with a message like {assertion.message!r}" if assertion.message else ""
    said = "; ".join(messages)
    return f"{count} violations{like}, expected {expected}{f' (said: {said})' if said else ''}"
