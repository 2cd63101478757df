"""Which providers can be asked, and how: the table in rules/data/tables/providers.yaml.

A provider is data as long as a plain request is enough; only signatures are code (signing.py).
The table can name fixed https hosts only: a credential fills headers, a body's user and password
or a segment of the path, never the host, so that no repository decides where a value is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from haechi.errors import RuleError, UsageError
from haechi.rules.compiled import table

PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\Z")


class _Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the table's shapes: a misspelt key is an error."""


class Condition(_Shape, frozen=True, kw_only=True):
    """What an answer must be: its status, and what its body holds when it is named.

    ``json`` maps a path (``error.code``, ``details.*.reason``; ``*`` is any item of a list) to
    the values that are meant; an empty list means that something stands there. ``text`` is a
    part of a body that is no JSON. ``says`` is added to the detail.
    """

    status: list[int]
    json: dict[str, list[str | int | bool]] = {}
    text: str = ""
    says: str = ""


class Ask(_Shape, frozen=True, kw_only=True):
    """One request. ``{secret}`` and the other names of ``needs`` are filled in.

    ``basic`` is user and password of basic authentication; ``sign`` names a scheme of signing.
    """

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    basic: list[str] = []
    body: str = ""
    sign: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not _HOST.match(parts.netloc):
            raise ValueError("a provider is asked by https at a fixed host")
        if len(self.basic) not in (0, 2):
            raise ValueError("basic is a user and a password")

    @property
    def host(self) -> str:
        """The only host that this request goes to."""
        return urlsplit(self.url).netloc

    @property
    def target(self) -> str:
        """Path and query, with placeholders."""
        parts = urlsplit(self.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Provider(_Shape, frozen=True, kw_only=True):
    """Who can be asked. ``needs`` names the values that a detector has to give.

    Where a vendor has several regions ``asks`` holds one request each: one that accepts the
    credential is enough, and it is dead only when all refuse it. ``documentation`` is where the
    vendor says so. ``unclear`` explains refusals that prove nothing.
    """

    name: str
    title: str
    documentation: str
    asks: list[Ask]
    live: list[Condition]
    dead: list[Condition] = []
    unclear: list[Condition] = []
    needs: tuple[str, ...] = ("secret",)


class ProviderTable(_Shape, frozen=True, kw_only=True):
    """data/tables/providers.yaml."""

    providers: list[Provider]


def known_providers() -> dict[str, Provider]:
    """Every provider of the table by name. Raises RuleError when the table is wrong."""
    try:
        found = table("providers", ProviderTable).providers
    except msgspec.ValidationError as error:
        raise RuleError("the table of providers is wrong", why=str(error)) from error
    return {provider.name: provider for provider in found}


def chosen_providers(asked: str | Iterable[str] | None = None) -> dict[str, Provider]:
    """The providers that a user allows to be asked: all, or ``github,aws``.

    Raises UsageError for a name that nobody has.
    """
    known = known_providers()
    names = asked.split(",") if isinstance(asked, str) else list(asked or ())
    wanted = [name.strip() for name in names if name.strip()]
    if not wanted:
        return known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(
            f"--verify does not know {', '.join(unknown)}",
            do=f"name some of: {', '.join(sorted(known))}",
        )
    return {name: known[name] for name in wanted}
