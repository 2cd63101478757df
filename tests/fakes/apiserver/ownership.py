"""Who owns which field: `managedFields` on update and on server-side apply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes.apiserver import typed
from tests.fakes.apiserver.fieldset import (
    FieldSet,
    Path,
    compact,
    from_wire,
    printed,
    to_wire,
    under,
)
from tests.fakes.apiserver.status import ApiError, apply_conflict, bad_request

Json = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MOST_UPDATERS = 10  # as the server's cap on entries of Update operations
_STRIPPED: frozenset[Path] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        ]
    }
)


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry's identity. Appliers of one name are one, whatever version they apply."""

    name: str
    operation: str  # Apply or Update
    api_version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        version = "" if self.operation == "Apply" else self.api_version
        return self.name, self.operation, version, self.subresource

    def __str__(self) -> str:
        text = compact(self.name)
        if self.subresource:
            text += f" with subresource {compact(self.subresource)}"
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True, slots=True)
class Entry:
    manager: Manager
    fields: FieldSet
    time: str = field(compare=False)


Entries = dict[tuple[str, ...], Entry]


def read(body: Json | None) -> Entries:
    found: Entries = {}
    for each in ((body or {}).get("metadata") or {}).get("managedFields") or ():
        manager = Manager(
            each.get("manager", ""),
            each.get("operation", ""),
            each.get("apiVersion", ""),
            each.get("subresource", ""),
        )
        if manager.operation not in ("Apply", "Update"):
            raise bad_request(f"invalid operation `{manager.operation}`")
        fields = from_wire(each.get("fieldsV1") or {})
        found[manager.identity] = Entry(manager, fields, each.get("time", ""))
    return found


def written(body: Json, entries: Entries) -> Json:
    """The body with these entries: appliers first, updaters by time, as the server sorts them."""
    order = sorted(
        entries.values(),
        key=lambda e: (e.manager.operation, e.time, e.manager.identity),
    )
    managed = [_wire(entry) for entry in order if entry.fields]
    meta = {k: v for k, v in body.get("metadata", {}).items() if k != "managedFields"}
    if managed:
        meta["managedFields"] = managed
    return body | {"metadata": meta}


def _wire(entry: Entry) -> Json:
    manager = entry.manager
    body: Json = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_wire(entry.fields),
    }
    if entry.time:
        body["time"] = entry.time
    return body | ({"subresource": manager.subresource} if manager.subresource else {})


def bare(body: Json) -> Json:
    """Without what the server itself manages in metadata."""
    meta = {k: v for k, v in body.get("metadata", {}).items() if k != "managedFields"}
    return body | {"metadata": meta}


def _kept(fields: Iterable[Path]) -> FieldSet:
    return frozenset(path for path in fields if path not in _STRIPPED)


def on_update(old: Json | None, new: Json, node: Json, manager: Manager, now: str) -> Json:
    """The new body with ownership moved to who changed a field (create, update, patch)."""
    if _reset(new):
        entries: Entries = {}
    else:
        entries = read(new if new.get("metadata", {}).get("managedFields") else old)
    live = bare(old) if old is not None else {}
    if old is not None and not entries:
        return written(new, {})  # what nobody tracks is not tracked from an update on
    diff = typed.compare(live, bare(new), node)
    taken = _kept(diff.added | diff.modified)
    gone = frozenset(diff.removed)
    entries = _without(entries, taken | gone)
    mine = entries.get(manager.identity)
    if taken:
        held = mine.fields if mine else frozenset()
        entries[manager.identity] = Entry(manager, held | taken, now)
    return written(new, _capped(entries))


def _reset(new: Json) -> bool:
    """`managedFields: [{}]` (or `[]`) asks for them to be cleared."""
    sent = new.get("metadata", {}).get("managedFields")
    return bool(sent == [{}] or sent == [])


def _without(entries: Entries, taken: FieldSet) -> Entries:
    rest = {key: replace(e, fields=e.fields - taken) for key, e in entries.items()}
    return {key: entry for key, entry in rest.items() if entry.fields}


def _capped(entries: Entries) -> Entries:
    """The oldest updaters beyond the cap become one, `ancient-changes`."""
    updaters = [e for e in entries.values() if e.manager.operation == "Update"]
    if len(updaters) <= MOST_UPDATERS:
        return entries
    updaters.sort(key=lambda e: e.time)
    old = updaters[: len(updaters) - MOST_UPDATERS + 1]
    rest = {key: e for key, e in entries.items() if e not in old}
    manager = Manager("ancient-changes", "Update", old[-1].manager.api_version)
    fields = frozenset().union(*(e.fields for e in old))
    rest[manager.identity] = Entry(manager, fields, old[-1].time)
    return rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    manager: Manager
    force: bool
    now: str
    ignored: FieldSet  # what this endpoint resets: `status` on the main one


def on_apply(old: Json | None, config: Json, node: Json, how: Apply) -> Json:
    """The live object with a configuration applied to it, or a conflict (409)."""
    if config.get("metadata", {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    live = bare(old) if old is not None else {}
    entries = _before_first(read(old), old, node, how.now)
    try:
        merged = typed.merge(live, config, node)
        mine = typed.fields_of(config, node, lenient=False)
    except typed.BadList as failed:
        name = config.get("metadata", {}).get("name", "")
        text = f"failed to create typed patch object ({name}): errors:\n  {failed}"
        raise ApiError(500, "", text) from failed
    mine -= under(mine, how.ignored)
    last = entries.get(how.manager.identity)
    # pruning goes by all the configuration names, its metadata too; what is told does not
    entries[how.manager.identity] = Entry(how.manager, mine, how.now)
    if last is not None:
        merged = _pruned(merged, node, last.fields, entries)
    mine = _kept(mine)
    entries[how.manager.identity] = Entry(how.manager, mine, how.now)
    entries = _claimed(live, merged, node, entries, how)
    merged = bare(merged)
    if merged == live and how.manager.identity in entries:
        # nothing changed but who owns what: the entry's time stays as it was
        entries[how.manager.identity] = Entry(how.manager, mine, last.time if last else "")
    if how.manager.name == "kubectl":
        merged = _last_applied(merged, config)
    return written(merged, entries)


def _last_applied(merged: Json, config: Json) -> Json:
    """kubectl's annotation of client-side apply, where there is one, follows its applies."""
    notes = merged.get("metadata", {}).get("annotations") or {}
    if LAST_APPLIED not in notes:
        return merged
    meta = merged["metadata"] | {"annotations": notes | {LAST_APPLIED: compact(config) + "\n"}}
    return merged | {"metadata": meta}


def _before_first(entries: Entries, old: Json | None, node: Json, now: str) -> Entries:
    """A live object nobody manages yet is `before-first-apply`'s."""
    if entries or old is None:
        return entries
    manager = Manager("before-first-apply", "Update", old.get("apiVersion", ""))
    diff = typed.compare({}, bare(old), node)
    return {manager.identity: Entry(manager, _kept(diff.added | diff.modified), now)}


def _pruned(merged: Json, node: Json, last: FieldSet, entries: Entries) -> Json:
    """Without what this manager applied before, applies no more, and no one else owns."""
    held = named(last, node)
    first = typed.without(merged, node, held) or {}
    owned = named(frozenset().union(*(e.fields for e in entries.values())), node)
    everything = named(typed.fields_of(merged, node), node)
    rest = named(typed.fields_of(first, node), node)
    second = typed.without(merged, node, everything - (rest | owned)) or {}
    rest = named(typed.fields_of(second, node), node)
    out: Json = typed.without(merged, node, (everything - rest) & held) or {}
    return out


def named(fields: FieldSet, node: Json) -> FieldSet:
    return typed.named_members(fields, node)


def _claimed(live: Json, merged: Json, node: Json, entries: Entries, how: Apply) -> Entries:
    diff = typed.compare(live, merged, node)
    changed = frozenset(diff.added | diff.modified)
    changed -= under(changed, how.ignored)
    others = [e for key, e in entries.items() if key != how.manager.identity]
    clashes = {e.manager: e.fields & changed for e in others if e.fields & changed}
    if clashes and not how.force:
        raise _conflict(clashes)
    mine = entries[how.manager.identity]
    rest = _without({e.manager.identity: e for e in others}, changed | diff.removed)
    return rest | ({how.manager.identity: mine} if mine.fields else {})


def _conflict(clashes: dict[Manager, FieldSet]) -> ApiError:
    causes, lines = [], []
    for manager in sorted(clashes, key=str):
        fields = sorted(printed(path) for path in clashes[manager])
        causes += [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {manager}",
                "field": each,
            }
            for each in fields
        ]
        lines.append((str(manager), fields))
    head = f"Apply failed with {len(causes)} conflict{'s' if len(causes) > 1 else ''}: "
    if len(causes) == 1:
        return apply_conflict(causes, f"{head}conflict with {lines[0][0]}: {lines[0][1][0]}")
    texts = (f"conflicts with {who}:\n" + "\n".join(f"- {f}" for f in each) for who, each in lines)
    return apply_conflict(causes, head + "\n".join(texts))
