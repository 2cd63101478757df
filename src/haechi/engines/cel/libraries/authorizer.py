"""``authorizer``: whether whoever asks (or a service account) may do something.

Who can answer differs from review to review while functions are registered once, so what travels
is the number of a *desk* under which the review's activation answers, with what was put together
so far. A question nobody can answer is an evaluation error: an unknown permission is no denial.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from haechi.engines.cel.libraries.formats import dns_label, dns_subdomain
from haechi.engines.cel.libraries.overload import (
    AUTHORIZER,
    DECISION,
    GROUP_CHECK,
    PATH_CHECK,
    RESOURCE_CHECK,
    Invalid,
    Mismatch,
    Overload,
    pack,
    unpack,
)

Allows = Callable[[Mapping[str, Any], Mapping[str, str]], bool | None]
"""Whether a user (``userInfo``) may do what the attributes say; None: not known."""

_TAG = b"\x01authz:"


class Desk:
    """Where the questions of one review are answered. Lives as long as its activation."""

    def __init__(self, allows: Allows, user: Mapping[str, Any]) -> None:
        self.allows = allows
        self.user = user
        with _LOCK:
            self.number = next(_NUMBERS)
            _DESKS[self.number] = self

    def authorizer(self) -> bytes:
        """The variable ``authorizer``."""
        return _pack(_State(kind=AUTHORIZER, desk=self.number))

    def request_resource(self, request: Mapping[str, Any]) -> bytes:
        """The variable ``authorizer.requestResource``: the resource that the request is about."""
        found = request.get("resource")
        resource: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        texts = {
            "group": resource.get("group"),
            "resource": resource.get("resource"),
            "subresource": request.get("subResource"),
            "namespace": request.get("namespace"),
            "name": request.get("name"),
        }
        attributes = {
            key: value for key, value in texts.items() if isinstance(value, str) and value
        }
        return _pack(_State(kind=RESOURCE_CHECK, desk=self.number, attributes=attributes))


_LOCK = threading.Lock()
_NUMBERS = itertools.count(1)
_DESKS: WeakValueDictionary[int, Desk] = WeakValueDictionary()


class _State(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    desk: int
    account: str = ""
    attributes: dict[str, str] = {}
    allowed: bool = False


def _pack(state: _State) -> bytes:
    return pack(_TAG, msgspec.json.encode(state).decode())


def _state(packed: bytes, kind: str) -> _State:
    what = kind.rpartition(".")[2]
    try:
        state = msgspec.json.decode(unpack(_TAG, packed, what), type=_State)
    except msgspec.MsgspecError as error:
        raise Mismatch(f"no such overload: the value is no {what}") from error
    if state.kind != kind:
        raise Mismatch(f"no such overload: the value is no {what}")
    return state


def _becomes(state: _State, kind: str, **attributes: str) -> bytes:
    merged = {**state.attributes, **attributes}
    return _pack(msgspec.structs.replace(state, kind=kind, attributes=merged))


def _path(packed: bytes, path: str) -> bytes:
    if not path.strip():
        raise Invalid("path must not be empty")
    return _becomes(_state(packed, AUTHORIZER), PATH_CHECK, path=path)


def _service_account(packed: bytes, namespace: str, name: str) -> bytes:
    if dns_subdomain(name):
        raise Invalid("Invalid service account name")
    if dns_label(namespace):
        raise Invalid("Invalid service account namespace")
    state = _state(packed, AUTHORIZER)
    return _pack(msgspec.structs.replace(state, account=f"{namespace}:{name}"))


def _resource(packed: bytes, resource: str) -> bytes:
    if not resource.strip():
        raise Invalid("resource must not be empty")
    return _becomes(_state(packed, GROUP_CHECK), RESOURCE_CHECK, resource=resource)


def _set(attribute: str) -> Callable[[bytes, str], bytes]:
    def put(packed: bytes, value: str) -> bytes:
        return _becomes(_state(packed, RESOURCE_CHECK), RESOURCE_CHECK, **{attribute: value})

    return put


def _check(packed: bytes, verb: str, kind: str) -> bytes:
    state = _state(packed, kind)
    desk = _DESKS.get(state.desk)
    if desk is None:
        raise Invalid("the authorizer of another review")
    attributes = {**state.attributes, "verb": verb}
    allowed = desk.allows(_user(state.account) if state.account else desk.user, attributes)
    if allowed is None:
        asked = " ".join(f"{key}={value}" for key, value in sorted(attributes.items()))
        raise Invalid(f"nobody here can say who may do this: {asked}")
    return _pack(_State(kind=DECISION, desk=state.desk, allowed=allowed))


def _user(account: str) -> dict[str, Any]:
    namespace = account.partition(":")[0]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    return {
        "username": f"system:serviceaccount:{account}",
        "groups": [*groups, "system:authenticated"],
    }


def _allowed(packed: bytes) -> bool:
    return _state(packed, DECISION).allowed


def _without_error(packed: bytes) -> bool:
    _state(packed, DECISION)
    return False


def _no_text(packed: bytes) -> str:
    _state(packed, DECISION)
    return ""


_S, _B = "string", "bool"


def _resource_check(name: str, id_: str, attribute: str) -> dict[str, tuple[Overload, ...]]:
    return {name: (Overload(id_, (RESOURCE_CHECK, _S), RESOURCE_CHECK, _set(attribute)),)}


OVERLOADS: dict[str, tuple[Overload, ...]] = {
    "path": (Overload("authorizer_path", (AUTHORIZER, _S), PATH_CHECK, _path),),
    "group": (
        Overload(
            "authorizer_group",
            (AUTHORIZER, _S),
            GROUP_CHECK,
            lambda p, group: _becomes(_state(p, AUTHORIZER), GROUP_CHECK, group=group),
        ),
    ),
    "serviceAccount": (
        Overload("authorizer_serviceaccount", (AUTHORIZER, _S, _S), AUTHORIZER, _service_account),
    ),
    "resource": (Overload("groupcheck_resource", (GROUP_CHECK, _S), RESOURCE_CHECK, _resource),),
    **_resource_check("subresource", "resourcecheck_subresource", "subresource"),
    **_resource_check("namespace", "resourcecheck_namespace", "namespace"),
    **_resource_check("name", "resourcecheck_name", "name"),
    **_resource_check("fieldSelector", "authorizer_fieldselector", "fieldSelector"),
    **_resource_check("labelSelector", "authorizer_labelselector", "labelSelector"),
    "check": tuple(
        Overload(id_, (kind, _S), DECISION, lambda p, verb, kind=kind: _check(p, verb, kind))
        for id_, kind in (("pathcheck_check", PATH_CHECK), ("resourcecheck_check", RESOURCE_CHECK))
    ),
    "allowed": (Overload("decision_allowed", (DECISION,), _B, _allowed),),
    "errored": (Overload("decision_errored", (DECISION,), _B, _without_error),),
    "error": (Overload("decision_error", (DECISION,), _S, _no_text),),
    "reason": (Overload("decision_reason", (DECISION,), _S, _no_text),),
}
