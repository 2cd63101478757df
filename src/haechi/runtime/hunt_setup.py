"""What a hunt is told to run: the chosen rules, and only the events that they can hold for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from haechi.errors import NotFound, UsageError
from haechi.model.access import Reach
from haechi.runtime.hunt_wire import Setup
from haechi.runtime.overriding import adds
from haechi.runtime.rulebook import BUILTIN, Book, BookRule
from haechi.store.events.shapes import EventFilter

_MOST_TYPES = 400


def setup_of(
    book: Book,
    names: Sequence[str],
    *,
    folder: Path,
    ask: EventFilter,
    within: Sequence[Reach],
    builtin: bool,
) -> Setup:
    """The setup for rules of a book: those named, else all that are on. NotFound, UsageError."""
    chosen = _chosen(book, names)
    if not chosen:
        raise UsageError("there is no rule to run", do="give the text of a rule, or turn one on")
    return Setup(
        texts=[(one.name, one.text) for one in book.files if one.name not in book.left_out],
        # a file that adds to a rule of ours does not load without it
        builtin=builtin
        and (
            any(one.origin == BUILTIN for one in chosen)
            or any(adds(one.text) for one in book.files)
        ),
        wanted=[one.key for one in chosen],
        folder=str(folder),
        ask=narrowed(ask, chosen),
        within=list(within),
    )


def _chosen(book: Book, names: Sequence[str]) -> list[BookRule]:
    if not names:
        return [one for one in book.rules if one.enabled]
    chosen = [one for one in book.rules if {one.rule.name, one.rule.id} & set(names)]
    known = {name for one in chosen for name in (one.rule.name, one.rule.id)}
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        near = _near(missing, book)
        raise NotFound(
            f"there is no runtime rule {missing[:80]!r}",
            do=f"did you mean {near}?" if near else "GET /runtime/rules lists them",
        )
    return chosen


def _near(name: str, book: Book) -> str:
    """The names and ids that are most alike."""
    folded = {
        word.casefold(): word for one in book.rules for word in (one.rule.name, one.rule.id) if word
    }
    found = difflib.get_close_matches(name[:200].casefold(), list(folded), n=3)
    return ", ".join(repr(folded[word]) for word in found)


def narrowed(ask: EventFilter, rules: Iterable[BookRule]) -> EventFilter:
    """The question, of events alone that some of the rules may hold for."""
    from haechi.engines.falco.engine import SOURCES

    several = list(rules)
    languages = {one.rule.source for one in several}
    sources = sorted(name for name, language in SOURCES.items() if language in languages)
    types: set[str] | None = set()
    for one in several:
        if one.rule.event_types is None or types is None:
            types = None
        else:
            types |= one.rule.event_types
    some = sorted(types) if types is not None and len(types) <= _MOST_TYPES else []
    return msgspec.structs.replace(ask, source=sources, type=some)
