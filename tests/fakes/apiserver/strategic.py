"""Strategic merge patch, by the schema's patch strategies and merge keys."""

from __future__ import annotations

from typing import Any

from tests.fakes.apiserver import schema
from tests.fakes.apiserver.status import bad_request

Json = dict[str, Any]
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(target: Any, change: Any, node: Json) -> Any:
    """The target with the patch merged in."""
    if not isinstance(change, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into a map")
    return _map(target if isinstance(target, dict) else {}, change, node)


def _map(target: Json, change: Json, node: Json) -> Json:
    directive = change.get("$patch")
    if directive == "replace":
        return {key: value for key, value in change.items() if key != "$patch"}
    if directive == "delete":
        return {}
    out = dict(target)
    keep = change.get("$retainKeys")
    if keep is not None:
        out = {key: value for key, value in out.items() if key in keep}
    for key, value in change.items():
        if key.startswith(_DELETE_FROM):
            name = key[len(_DELETE_FROM) :]
            out[name] = [item for item in out.get(name) or [] if item not in value]
    for key, value in change.items():
        if not key.startswith("$"):
            _field(out, key, value, node, change.get(_ORDER + key))
    for key, order in change.items():
        if key.startswith(_ORDER) and key[len(_ORDER) :] not in change:
            _field(out, key[len(_ORDER) :], [], node, order)
    return out


def _field(out: Json, key: str, value: Any, node: Json, order: Any) -> None:
    below = schema.child(node, key)
    if value is None:
        out.pop(key, None)
    elif isinstance(value, dict):
        current = out.get(key)
        out[key] = _map(current if isinstance(current, dict) else {}, value, below)
    elif isinstance(value, list) and _merges(below):
        out[key] = _list(out.get(key) or [], value, below, order)
    else:
        out[key] = value


def _merges(node: Json) -> bool:
    return "merge" in node.get("x-kubernetes-patch-strategy", "").split(",")


def _list(target: list[Any], change: list[Any], node: Json, order: Any) -> list[Any]:
    merge_key = node.get("x-kubernetes-patch-merge-key")
    if not merge_key:
        merged = target + [item for item in change if item not in target]
        return sorted(merged, key=order.index) if order and set(merged) <= set(order) else merged
    below = schema.items(node)
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in change):
        return [item for item in change if "$patch" not in item]
    out = list(target)
    for item in change:
        _item(out, item, merge_key, below)
    return _ordered(out, order, merge_key) if order else out


def _item(out: list[Any], item: Any, merge_key: str, node: Json) -> None:
    if not isinstance(item, dict) or merge_key not in item:
        raise bad_request(f"map: {item} does not contain declared merge key: {merge_key}")
    place = next((n for n, old in enumerate(out) if old.get(merge_key) == item[merge_key]), None)
    if item.get("$patch") == "delete":
        if place is not None:
            del out[place]
    elif place is None:
        out.append(_map({}, item, node))
    else:
        out[place] = _map(out[place], item, node)


def _ordered(items: list[Any], order: Any, merge_key: str) -> list[Any]:
    """The named items in the given order; others stay before their next neighbour."""
    ranks = {each.get(merge_key): n for n, each in enumerate(order) if isinstance(each, dict)}
    named = sorted(
        (item for item in items if item.get(merge_key) in ranks),
        key=lambda item: ranks[item.get(merge_key)],
    )
    turn = iter(named)
    return [next(turn) if item.get(merge_key) in ranks else item for item in items]
