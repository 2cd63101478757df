"""Reach as SQL: every query of the store is narrowed by it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true

from haechi.model.access import ANY, Reach


def reached(within: tuple[Reach, ...], cluster: Any, namespace: Any = None) -> ColumnElement[bool]:
    """True for rows that some reach covers; nothing for an empty ``within``.

    A scan and a source have no namespace because they tell of all of them (gaps, sentences,
    counts): only a reach over all namespaces covers them, one over what has none does not.
    """
    parts: list[ColumnElement[bool]] = []
    for reach in within:
        both: list[ColumnElement[bool]] = []
        if namespace is None and reach.namespace != ANY:
            continue
        if reach.cluster != ANY:
            both.append(cluster == reach.cluster)
        if namespace is not None and reach.namespace != ANY:
            both.append(namespace == reach.namespace)
        if not both:
            return true()
        parts.append(and_(*both))
    return or_(*parts) if parts else false()
