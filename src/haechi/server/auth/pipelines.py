"""Pipelines that push without a stored secret: the token that their CI signs for each run.

GitHub and GitLab say in it which repository and branch runs. The first rule whose conditions all
match decides; the principal may push for that repository (and branch) only. Such a token can be
shown as often as one likes until it expires, mostly five minutes to an hour: pushing the same
again changes nothing, and remembering every ``jti`` would make each read a write.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from haechi.errors import Unauthenticated
from haechi.model.access import Principal, matches
from haechi.server.auth.config import AuthSettings, PipelineIssuer, PipelineRule
from haechi.server.auth.jose import unverified_issuer, verified
from haechi.server.auth.mapping import values_of
from haechi.server.auth.memory import AuthMemory

_PATH = re.compile(r"[A-Za-z0-9_.~/-]{1,400}")
_HOLE = re.compile(r"\{(\w+)\}")


def pipeline_principal(
    token: str, settings: AuthSettings, memory: AuthMemory, now: dt.datetime
) -> Principal:
    """The run that holds this token. Raises Unauthenticated."""
    issuer = unverified_issuer(token)
    known = [one for one in settings.pipelines if one.issuer == issuer]
    if not known:
        raise Unauthenticated(
            "the token's issuer is not known here",
            do="name it under auth.pipelines in the server's settings",
        )
    fault: Unauthenticated | None = None
    for one in known:
        source = memory.issuer(one.issuer, allow_http=one.allow_http)
        try:
            claims = verified(
                token,
                keys=lambda kid, source=source: source.keys(kid, now),  # type: ignore[misc]
                issuer=one.issuer,
                audience=one.audience,
                now=now,
            )
        except Unauthenticated as error:
            fault = error
            continue
        return _principal(one, claims)
    raise fault or Unauthenticated("the signed token does not hold")


def _principal(issuer: PipelineIssuer, claims: Mapping[str, Any]) -> Principal:
    rule = next((rule for rule in issuer.rules if _holds(rule, claims)), None)
    if rule is None:
        raise Unauthenticated(
            "no rule lets this pipeline in",
            why=f"its subject is {str(claims['sub'])[:200]}",
            do=f"add its claims to auth.pipelines ({issuer.name}) in the server's settings",
        )
    repository = _HOLE.sub(lambda hole: _path(claims, hole[1]), issuer.repository)
    return Principal(
        id=f"oidc:{issuer.issuer}#{str(claims['sub'])[:400]}",
        name=repository,
        grants=rule.grants(),
        permissions=frozenset(rule.permissions),
        repositories=(repository,),
        refs=_refs(claims) if issuer.refs else None,
        expires=dt.datetime.fromtimestamp(min(float(claims["exp"]), 253402300799), dt.UTC),
    )


def _holds(rule: PipelineRule, claims: Mapping[str, Any]) -> bool:
    return all(
        any(matches(value, globs) for value in values_of(claims, name))
        for name, globs in rule.claims.items()
    )


def _path(claims: Mapping[str, Any], name: str) -> str:
    """A claim as a part of a URL. It becomes a glob, so it must not bring one along."""
    value = claims.get(name)
    if not isinstance(value, str) or not _PATH.fullmatch(value) or ".." in value:
        raise Unauthenticated(f"the token's claim {name} names no repository")
    return value


def _refs(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The branch or tag as it is written in a push; of a pull request also its own branch."""
    found = []
    for name in ("ref", "head_ref"):
        value = claims.get(name)
        if isinstance(value, str) and value and "*" not in value:
            found.append(value.removeprefix("refs/heads/").removeprefix("refs/tags/"))
    return tuple(found)
