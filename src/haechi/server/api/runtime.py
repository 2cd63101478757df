"""Runtime rules: what judges events, what each detected, and the files that people save here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from haechi.errors import NotFound, UsageError
from haechi.model.access import Role
from haechi.runtime.rulebook import Book, Rejected
from haechi.server.endpoint import MIB, Call, Operation
from haechi.server.problems import Refusal
from haechi.server.shapes import (
    FieldRow,
    RuleCheck,
    RuleFileDetail,
    RuleFileRow,
    RuleFileSave,
    RuleFileVersion,
    RuleSwitched,
    RuleText,
    RuntimeRule,
    RuntimeRuleDetail,
)
from haechi.server.work.runtime_rows import (
    checked,
    file_row,
    hits_of,
    problem_row,
    resolved,
    rule_detail,
    rule_rows,
)
from haechi.store.records import Page, Record

LIMIT = 2 * MIB
_MOST_SHOWN = 100


class RuntimeRulesAsk(Record, frozen=True, kw_only=True):
    """``text`` is words, each of which stands in name, id, tags, description or condition.
    ``faults``: with or without what lint says. ``resolved``: tell the whole conditions, too.
    ``hits`` false leaves the detections uncounted: then the answer changes with the rules only."""

    text: str = ""
    source: str = ""
    priority: list[str] = []
    tag: list[str] = []
    origin: Literal["", "builtin", "file", "saved"] = ""
    enabled: bool | None = None
    faults: bool | None = None
    resolved: bool = False
    hits: bool = True
    limit: int = 500
    cursor: str | None = None


class RuleAsk(Record, frozen=True, kw_only=True):
    """``source`` where two rules share a name."""

    source: str = ""


class FileAsk(Record, frozen=True, kw_only=True):
    """``version`` 0 is the one in force."""

    version: int = 0


class FieldsAsk(Record, frozen=True, kw_only=True):
    """Of one source, or of all."""

    source: Literal["", "syscall", "k8s_audit", "flow", "application"] = ""


def _book(call: Call) -> Book:
    return call.world.watch.rulebook(call.world).book


def listed(call: Call) -> Page[RuntimeRule]:
    """One page of the list: what detected something first."""
    ask: RuntimeRulesAsk = call.query
    every = list(_matching(call))
    start = _start(ask.cursor)
    end = start + ask.limit
    following = str(end) if end < len(every) else None
    rows = every[start:end]
    if ask.resolved:
        rows = list(resolved(rows, _book(call)))
    return Page(items=rows, next=following, total=len(every))


def _matching(call: Call) -> Iterator[RuntimeRule]:
    ask: RuntimeRulesAsk = call.query
    words = ask.text.casefold().split()
    for row in rule_rows(_book(call), hits_of(call) if ask.hits else {}):
        said = " ".join((row.name, row.id, *row.tags, row.description, row.condition)).casefold()
        if (
            all(word in said for word in words)
            and ask.source in ("", row.source)
            and (not ask.priority or row.priority in ask.priority)
            and (not ask.tag or set(ask.tag) & set(row.tags))
            and ask.origin in ("", row.origin)
            and ask.enabled in (None, row.enabled)
            and ask.faults in (None, bool(row.faults))
        ):
            yield row


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 9):
        raise UsageError(
            "the cursor does not belong to this list",
            do="ask again without a cursor",
            where="query.cursor",
        )
    return int(cursor)


def shown(call: Call) -> RuntimeRuleDetail:
    """One rule."""
    return _detail(call, call.params["name"], call.query.source)


def _detail(call: Call, name: str, source: str) -> RuntimeRuleDetail:
    book = _book(call)
    one = book.find(name, source)
    row = next(row for row in rule_rows(book, hits_of(call)) if (row.source, row.name) == one.key)
    known = call.world.catalogue.by_id.get(one.rule.id) if one.rule.id else None
    return rule_detail(row, one, known, call.world.store.state.rules.switches())


def switched(call: Call) -> RuntimeRuleDetail:
    """Turn a rule on or off."""
    body: RuleSwitched = call.body
    rules = call.world.watch.rulebook(call.world)
    one = rules.switch(call.params["name"], body.source, enabled=body.enabled, by=call.principal.id)
    return _detail(call, one.rule.name, one.rule.source)


def looked_at(call: Call) -> RuleCheck:
    """Load a text and say what is wrong with it; nothing is kept."""
    body: RuleText = call.body
    _bounded(body.text)
    book = call.world.watch.rulebook(call.world).candidate(body.name, body.text)
    return checked(book, body.name, hits_of(call))


def files(call: Call) -> Page[RuleFileRow]:
    """Files of the configuration, then those saved here."""
    book = _book(call)
    rows = [file_row(book, one) for one in book.files]
    return Page(items=rows, total=len(rows))


def file(call: Call) -> RuleFileDetail:
    """One file and its versions."""
    name, version, book = call.params["name"], call.query.version, _book(call)
    found = next((one for one in book.files if one.name == name), None)
    if found is not None and found.version == 0 and not version:
        return RuleFileDetail(file=file_row(book, found), text=found.text, versions=[])
    versions = call.world.store.state.rules.versions(name)
    wanted = version or versions[0].version
    kept = next((one for one in versions if one.version == wanted), None)
    if kept is None:
        raise NotFound(f"there is no version {wanted} of {name[:80]!r} (any more)")
    newest = versions[0]
    row = (
        file_row(book, found)
        if found is not None
        else RuleFileRow(
            name=name,
            origin="saved",
            version=newest.version,
            rules=0,
            loaded=False,
            problems=[],
            at=newest.at,
            by=newest.by,
            note=newest.note,
        )
    )
    told = [
        RuleFileVersion(
            version=one.version, at=one.at, by=one.by, note=one.note, removed=one.removed
        )
        for one in versions
    ]
    return RuleFileDetail(file=row, text=kept.text, versions=told)


def saved(call: Call) -> RuleFileRow:
    """Keep a file and judge by it from now on."""
    name, body = call.params["name"], call.body
    _bounded(body.text)
    rules = call.world.watch.rulebook(call.world)
    try:
        kept, book = rules.save(
            name, body.text, expected=body.version, by=call.principal.id, note=body.note
        )
    except Rejected as error:
        shown = [problem_row(one) for one in error.problems[:_MOST_SHOWN]]
        raise Refusal(
            400,
            error.what,
            do=error.do,
            errors=[
                (f"{one.file}:{one.line}:{one.column}", f"{one.code}: {one.message}")
                for one in shown
            ],
        ) from error
    return next(file_row(book, one) for one in book.files if one.name == kept.name)


def removed(call: Call) -> None:
    """Take a file out of force; its versions stay."""
    rules = call.world.watch.rulebook(call.world)
    rules.remove(call.params["name"], expected=call.query.version, by=call.principal.id)


def fields(call: Call) -> Page[FieldRow]:
    """The fields of the language."""
    from haechi.engines.falco.fields import SOURCES, fields_of

    wanted = [call.query.source] if call.query.source else list(SOURCES)
    rows = [
        FieldRow(name=one.name, type=one.type, source=source, many=one.many, argument=one.argument)
        for source in wanted
        for one in fields_of(source)
    ]
    return Page(items=rows, total=len(rows))


def _bounded(text: str) -> None:
    from haechi.store.state.runtime_rules import LARGEST

    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise UsageError("the rule file is larger than 1 MiB", where="body.text", do="part it")


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="runtime.rules",
        method="GET",
        path="/runtime/rules",
        role=Role.VIEWER,
        summary="List the rules that judge events, those that detected something first",
        handler=listed,
        query=RuntimeRulesAsk,
        answer=Page[RuntimeRule],
        rows=_matching,
    ),
    Operation(
        id="runtime.check",
        method="POST",
        path="/runtime/rules/check",
        role=Role.OPERATOR,
        summary="Load a rule file and say what is wrong with it; nothing is kept",
        handler=looked_at,
        body=RuleText,
        answer=RuleCheck,
        limit=LIMIT,
    ),
    Operation(
        id="runtime.rule",
        method="GET",
        path="/runtime/rules/{name}",
        role=Role.VIEWER,
        summary="One rule that judges events, by its name or id: examples, words, who switched it",
        handler=shown,
        query=RuleAsk,
        answer=RuntimeRuleDetail,
    ),
    Operation(
        id="runtime.switch",
        method="PATCH",
        path="/runtime/rules/{name}",
        role=Role.APPROVER,
        everywhere=True,
        summary="Turn a rule on or off, whatever its file says",
        handler=switched,
        body=RuleSwitched,
        answer=RuntimeRuleDetail,
    ),
    Operation(
        id="runtime.fields",
        method="GET",
        path="/runtime/fields",
        role=Role.VIEWER,
        summary="The fields of the Falco language, by source",
        handler=fields,
        query=FieldsAsk,
        answer=Page[FieldRow],
    ),
    Operation(
        id="runtime.files",
        method="GET",
        path="/runtime/files",
        role=Role.VIEWER,
        summary="List the rule files of the configuration and those saved here",
        handler=files,
        answer=Page[RuleFileRow],
    ),
    Operation(
        id="runtime.file",
        method="GET",
        path="/runtime/files/{name}",
        role=Role.VIEWER,
        summary="One rule file: its text, and all its versions",
        handler=file,
        query=FileAsk,
        answer=RuleFileDetail,
    ),
    Operation(
        id="runtime.save",
        method="PUT",
        path="/runtime/files/{name}",
        role=Role.APPROVER,
        everywhere=True,
        summary="Save a rule file; it is loaded first and refused when it has errors",
        handler=saved,
        body=RuleFileSave,
        answer=RuleFileRow,
        limit=LIMIT,
    ),
    Operation(
        id="runtime.remove",
        method="DELETE",
        path="/runtime/files/{name}",
        role=Role.APPROVER,
        everywhere=True,
        summary="Take a saved rule file out of force; its versions are kept",
        handler=removed,
        query=FileAsk,
        status=204,
    ),
)
