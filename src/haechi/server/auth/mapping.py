"""From what an issuer says about somebody to what they may do here, by the settings' rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from haechi.model.access import Grant, matches
from haechi.server.auth.config import ClaimRule
from haechi.store.state.access_tables import union
from haechi.store.state.access_users import Person

LONGEST = 200
MOST_VALUES = 5_000
_MAIL = "email"


def grants_by(rules: Iterable[ClaimRule], claims: Mapping[str, Any]) -> tuple[Grant, ...]:
    """All that the rules give; nothing when none matches."""
    return union(
        *(
            rule.grants()
            for rule in rules
            if any(matches(value, (rule.value,)) for value in values_of(claims, rule.claim))
        )
    )


def values_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a claim. A name with dots goes down into objects (``realm_access.roles``),
    unless a claim has just that name (a URL). A mail address counts only when it is verified:
    anybody can write somebody else's."""
    if name == _MAIL and claims.get("email_verified") is not True:
        return []
    found: Any = claims
    if name in claims:
        found = claims[name]
    else:
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return [text for one in listed[:MOST_VALUES] if (text := _text(one)) is not None]


def person(issuer: str, claims: Mapping[str, Any], grants: tuple[Grant, ...]) -> Person:
    """Who signed in, as the record keeps it."""
    mails = values_of(claims, _MAIL)
    names = [claims.get("name"), claims.get("preferred_username"), *mails, claims["sub"]]
    name = next(text for one in names if isinstance(one, str) and (text := _plain(one)))
    return Person(
        issuer=issuer,
        subject=claims["sub"],
        name=name,
        email=_plain(mails[0]) if mails else "",
        grants=grants,
    )


def _text(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
    return None


def _plain(text: str) -> str:
    """One line of bounded length: it is shown to people and logged."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:LONGEST]
