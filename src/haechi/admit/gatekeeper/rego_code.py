"""The Rego of a template, compiled once and shared by its constraints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from haechi.admit.gatekeeper.framework import ENTRY, Uses, prepared, uses_of
from haechi.admit.gatekeeper.names import fault, line_in_text
from haechi.admit.gatekeeper.sync import narrowed
from haechi.admit.gatekeeper.template import Source, Template
from haechi.engines.rego.tree import Version
from haechi.engines.rego.values import UNDEFINED, RegoFailure, RegoObject, RegoSet, key, to_json
from haechi.errors import RuleError
from haechi.model.admission import FailureChoice, PolicyFault
from haechi.model.location import AttrPath

if TYPE_CHECKING:
    from haechi.engines.rego.program import Program

MOST = 500
"""Violations told of one object by one constraint."""
_ENTRY_FILE, _LIB_FILE = "template", "lib-"


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a constraint objects to. ``line`` is the line in the template's file."""

    message: str
    details: Any = None
    line: int = 0


class BadViolation(Exception):
    """The template answered with something that is no violation."""


class RegoCode:
    """Compiled Rego of one template."""

    failure: FailureChoice | None = None

    def __init__(self, program: Program, uses: Uses, template: Template, source: Source) -> None:
        self._program = program
        self._template = template
        self._source = source
        self.uses = uses
        self.reads = narrowed(uses.reads, template)

    def violations(
        self, given: Mapping[str, Any], inventory: Mapping[str, Any] | None
    ) -> list[Violation]:
        """What the template objects to. Raises RegoFailure, BadViolation."""
        data = None if inventory is None else {"inventory": inventory}
        members = _members(self._program.evaluate(ENTRY, input=given, data=data))
        made: dict[Any, tuple[Violation, Any]] = {}
        for member in members:
            message, details = _parts(member)
            if len(made) >= MOST:
                message, details = f"there are more than {MOST} violations", {}
            if (message, key(details)) not in made:
                one = Violation(message=message, details=to_json(details))
                made[message, key(details)] = (one, member)
            if len(made) > MOST:
                break
        if not made:
            return []
        return self._with_lines(list(made.values()), given, data)

    def line(self, file: str, line: int) -> int:
        """The line in the template's file of a line of its Rego."""
        text, path = _where(self._source, file)
        return line_in_text(self._template.resource, path, text, line)

    def _with_lines(
        self,
        found: list[tuple[Violation, Any]],
        given: Mapping[str, Any],
        data: Mapping[str, Any] | None,
    ) -> list[Violation]:
        """Told only where the template came from a file; it costs a second evaluation."""
        if not self._template.resource.file:
            return [violation for violation, _ in found]
        try:
            origins = self._program.explain(ENTRY, input=given, data=data)
        except RegoFailure:  # out of steps, most likely: the answer stands without the line
            origins = ()
        lines = {key(one.value): self.line(one.file, one.line) for one in reversed(origins)}
        return [
            structs.replace(violation, line=lines.get(key(member), 0))
            for violation, member in found
        ]


def compile_rego(template: Template) -> RegoCode | PolicyFault:
    """Parse, check and compile; what is wrong is told with its line in the template's file."""
    from haechi.engines.rego.parser import parse
    from haechi.engines.rego.program import compile_modules

    source = template.rego
    if source is None:
        return fault("invalid-template", "the template has no Rego", template.resource)
    version = Version(source.version)
    try:
        entry = parse(source.text, file=_ENTRY_FILE, version=version)
        libs = [
            parse(text, file=f"{_LIB_FILE}{number}", version=version)
            for number, text in enumerate(source.libs)
        ]
        modules = prepared(entry, libs)
        uses = uses_of(modules)
        if uses.external is not None:
            return _external(template, source, uses.external.line)
        return RegoCode(compile_modules(modules), uses, template, source)
    except RuleError as error:
        return _fault(template, source, error)


def _external(template: Template, source: Source, line: int) -> PolicyFault:
    return fault(
        "unsupported",
        f"{template.resource.label} asks a provider (external_data), which haechi does not do",
        template.resource,
        line=line_in_text(template.resource, source.path, source.text, line),
        why="what a program in the cluster would answer is not known here",
        do="keep this template in Gatekeeper, or write it without external_data",
    )


def _fault(template: Template, source: Source, error: RuleError) -> PolicyFault:
    file, line, column = _place(error.where)
    text, path = _where(source, file)
    return fault(
        "invalid-template",
        f"{template.resource.label}: Rego: {error.what}",
        template.resource,
        line=line_in_text(template.resource, path, text, line),
        column=column,
        why=error.why,
        do=error.do,
    )


def _where(source: Source, file: str) -> tuple[str, AttrPath]:
    """The text of a module by its name, and where it stands in the template."""
    number = file.removeprefix(_LIB_FILE)
    if number == file or not number.isdecimal():
        return source.text, source.path
    return source.libs[int(number)], source.lib_paths[int(number)]


def _place(where: str) -> tuple[str, int, int]:
    """File, line and column of ``file:line:column``; zero where it does not say."""
    file, _, rest = where.partition(":")
    line, _, column = rest.partition(":")
    return file, int(line) if line.isdecimal() else 0, int(column) if column.isdecimal() else 0


def _members(found: Any) -> Iterable[Any]:
    """What ``violation[x]`` goes through: the members of a set, the keys of an object."""
    if isinstance(found, RegoSet):
        return found.ordered()
    if isinstance(found, RegoObject):
        return [pair[0] for pair in found.items()]
    if isinstance(found, dict):
        return sorted(found)
    if isinstance(found, list):
        return range(len(found))
    if found is UNDEFINED or found is False:
        return ()
    raise BadViolation("`violation` of the template is no set of violations")


def _parts(member: Any) -> tuple[str, Any]:
    message = member.get("msg") if isinstance(member, dict) else None
    if not isinstance(message, str):
        what = "no msg" if message is None else "a msg that is no text"
        raise BadViolation(f"a violation of the template has {what}")
    return message, member.get("details", {})
