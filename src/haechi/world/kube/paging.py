"""Lists in pages, also when the place where one went on is too old by then.

A continue token lives about five minutes. After that the server answers 410 and gives a token
that goes on over newer data: good enough for most readers, as names come in order and nothing
comes twice. Who needs one moment (the mirror) asks ``consistent``: everything again, in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from haechi.errors import KubeError, KubeGone
from haechi.world.kube.answers import ListMeta, not_json
from haechi.world.kube.wire import Answer

PAGE = 500
MOST_PAGES = 20_000
T = TypeVar("T")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page; items are not looked at yet."""

    kind: str = ""
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None


_page = msgspec.json.Decoder(Page).decode


def page_of(answer: Answer, where: str) -> Page:
    """The page in an answer. Raises KubeError."""
    try:
        return _page(answer.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(where) from error


Ask = Callable[[tuple[tuple[str, str], ...]], Page]
"""The page for these further words of the query. Raises KubeError."""


def pages(ask: Ask, *, page: int = PAGE, consistent: bool = False) -> Iterator[Page]:
    """All pages. Raises KubeError; KubeGone when ``consistent`` is asked and cannot be kept."""
    token, seen = "", 0
    for _ in range(MOST_PAGES):
        query = (("limit", str(page)), *((("continue", token),) if token else ()))
        try:
            one = ask(query)
        except KubeGone as error:
            if not token or consistent or not error.token or error.token == token:
                raise
            token = error.token
            continue
        yield one
        seen += len(one.items or ())
        if not one.metadata.continue_:
            return
        if one.metadata.continue_ == token:
            raise KubeError("the API server's list goes in circles")
        token = one.metadata.continue_
    raise KubeError(f"the API server's list has more than {MOST_PAGES:,} pages")


def whole(ask: Ask, *, page: int = PAGE) -> tuple[list[Page], str]:
    """The pages of one moment and its resource version. Raises KubeError."""
    try:
        found = list(pages(ask, page=page, consistent=True))
    except KubeGone:
        found = [ask(())]
        if found[0].metadata.continue_:
            raise
    return found, found[-1].metadata.resource_version


def raws(ask: Ask, *, page: int = PAGE) -> Iterator[msgspec.Raw]:
    """The items. When a list breaks off and the server gives no token to go on with, it is asked
    from the beginning and what came already is left out."""
    seen: set[tuple[str, str]] = set()
    for attempt in range(3):
        try:
            for one in pages(ask, page=page):
                for item in one.items or ():
                    key = names(item)
                    if key not in seen:
                        seen.add(key)
                        yield item
            return
        except KubeGone:
            if attempt == 2:
                raise


class _Names(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""


class _Named(msgspec.Struct, frozen=True):
    metadata: _Names = _Names()


_named = msgspec.json.Decoder(_Named).decode


def names(item: msgspec.Raw) -> tuple[str, str]:
    """(namespace, name) of an item. Raises KubeError."""
    try:
        found = _named(item).metadata
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise KubeError("an item of the API server's list is no object") from error
    return found.namespace, found.name
