"""Credentials and ballast taken out of the objects that audit events carry.

The values of a Secret are in its ``data`` and ``stringData``, but also in a patch that does not
say its kind, in lists whose items do not say theirs, in tables, and once more in kubectl's
annotation of what was applied last. Tokens are in TokenRequests and TokenReviews. Names stay,
values go. ``managedFields`` say who wrote which field, weigh more than the object and are never
asked for.
"""

from __future__ import annotations

from typing import Any

from haechi.engines.masking import MASK

DEEPEST = 24
"""Below it nothing is looked at and nothing is kept; events are cut at less anyway."""
_SECRET_KINDS = frozenset(("Secret", "SecretList"))
_TOKEN_KINDS = frozenset(("TokenRequest", "TokenReview"))
_TOKEN_RESOURCES = frozenset(("tokenreviews", "tokenrequests"))
_VALUES = frozenset(("data", "stringData", "binaryData"))
_CREDENTIALS = frozenset((
    "token", "password", "passwd", "accesstoken", "refreshtoken", "idtoken", "bearertoken",
    "clientsecret", "privatekey", "secretkey", "secretaccesskey", "apikey", "clientkey",
    "clientkeydata", "keydata",
))  # fmt: skip
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_LOOKED_INTO = frozenset(("managedFields", _APPLIED))


def stripped(body: object, *, resource: str = "", subresource: str = "") -> Any:
    """A request's or response's object without credentials. ``resource`` and ``subresource`` are
    those of the event: objects of secrets are Secrets, whether they say so or not."""
    secret = resource == "secrets"
    if secret and not isinstance(body, dict | list):
        return MASK if body else body
    if resource in _TOKEN_RESOURCES or (resource, subresource) == ("serviceaccounts", "token"):
        return MASK if isinstance(body, str) else _walk(body, False, True, DEEPEST)
    return _walk(body, secret, False, DEEPEST)


def _walk(value: Any, secret: bool, tokens: bool, depth: int) -> Any:
    if isinstance(value, dict):
        return _object(value, secret, tokens, depth) if depth > 0 else None
    if isinstance(value, list):
        return [_walk(one, secret, tokens, depth - 1) for one in value] if depth > 0 else None
    return value


def _object(value: dict[str, Any], secret: bool, tokens: bool, depth: int) -> dict[str, Any]:
    kind = value.get("kind")
    if isinstance(kind, str):
        secret = secret or kind in _SECRET_KINDS
        tokens = tokens or kind in _TOKEN_KINDS
    patch = secret and "op" in value and "path" in value
    table = secret and isinstance(value.get("cells"), list)
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if name in _NOT_LOOKED_INTO:
            continue
        if (secret and name in _VALUES) or (patch and name == "value"):
            found[name] = _emptied(inner)
        elif table and name == "cells":
            continue
        elif inner and (tokens or not isinstance(inner, dict | list)) and _credential(name, tokens):
            found[name] = MASK
        else:
            found[name] = _walk(inner, secret, tokens, depth - 1)
    return found


def _credential(name: object, tokens: bool) -> bool:
    if not isinstance(name, str) or len(name) > 40:
        return False
    if tokens and name == "token":
        return True
    return name.lower().replace("_", "").replace("-", "") in _CREDENTIALS


def _emptied(value: Any) -> Any:
    """Names without values."""
    if isinstance(value, dict):
        return dict.fromkeys(value, MASK)
    return MASK if value else value
