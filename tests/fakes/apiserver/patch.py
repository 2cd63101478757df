"""JSON patch (RFC 6902) and merge patch (RFC 7386)."""

from __future__ import annotations

import copy
from typing import Any

from tests.fakes.apiserver.status import ApiError, bad_request

Json = dict[str, Any]
MOST_OPERATIONS = 10_000


def merge_patch(target: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


class PatchFailed(ApiError):
    """`why` is for webhooks' patches; a client is not told."""

    def __init__(self, why: str) -> None:
        text = "the server rejected our request due to an error in our request"
        super().__init__(422, "Invalid", text)
        self.why = why


def _failed(text: str) -> ApiError:
    """As the server answers a JSON patch that does not fit the object: 422, without saying why."""
    return PatchFailed(text)


def json_patch(target: Json, operations: Any) -> Json:
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value")
    if len(operations) > MOST_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}"
        raise ApiError(413, "RequestEntityTooLarge", f"{text}, got {len(operations)}")
    out: Any = copy.deepcopy(target)
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request("error decoding patch: an operation is not an object")
        out = _operate(out, operation)
    if not isinstance(out, dict):
        raise _failed("the patched document is not an object")
    return out


def _operate(document: Any, operation: Json) -> Any:
    kind, path = operation.get("op"), _pointer(operation.get("path"))
    match kind:
        case "add":
            return _add(document, path, _value(operation))
        case "remove":
            _take(document, path)
        case "replace":
            if not path:
                return _value(operation)
            _look(document, path)
            holder = _look(document, path[:-1])
            if isinstance(holder, list):
                holder[_index(holder, path[-1])] = _value(operation)
            else:
                holder[path[-1]] = _value(operation)
        case "move":
            return _add(document, path, _take(document, _pointer(operation.get("from"))))
        case "copy":
            found = _look(document, _pointer(operation.get("from")))
            return _add(document, path, copy.deepcopy(found))
        case "test":
            _test(document, path, operation)
        case _:
            raise _failed(f"Unexpected kind: {kind}")
    return document


def _test(document: Any, path: list[str], operation: Json) -> None:
    wanted = operation.get("value")
    try:
        found = _look(document, path)
    except ApiError:
        if wanted is None:
            return
        raise
    if found != wanted or type(found) is not type(wanted):
        raise _failed(f"testing path {operation['path']} failed")


def _value(operation: Json) -> Any:
    return copy.deepcopy(operation.get("value"))


def _pointer(text: Any) -> list[str]:
    if text == "":
        return []
    if not isinstance(text, str) or not text.startswith("/"):
        raise _failed(f"invalid JSON pointer {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _index(holder: list[Any], part: str) -> int:
    if not part.isdigit() or int(part) >= len(holder):
        raise _failed(f"Unable to access invalid index: {part}")
    return int(part)


def _look(document: Any, path: list[str]) -> Any:
    here = document
    for part in path:
        if isinstance(here, list):
            here = here[_index(here, part)]
        elif isinstance(here, dict) and part in here:
            here = here[part]
        else:
            raise _failed(f"doc is missing path: /{'/'.join(path)}: missing value")
    return here


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    holder, last = _look(document, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list):
        if last == "-" or last == str(len(holder)):
            holder.append(value)
        else:
            holder.insert(_index(holder, last), value)
    else:
        raise _failed(f"add operation does not apply: doc is missing path: /{'/'.join(path)}")
    return document


def _take(document: Any, path: list[str]) -> Any:
    if not path:
        raise _failed("remove operation does not apply to the whole document")
    found = _look(document, path)
    holder = _look(document, path[:-1])
    if isinstance(holder, list):
        holder.pop(_index(holder, path[-1]))
    else:
        del holder[path[-1]]
    return found
