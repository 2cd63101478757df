"""OpenVEX 0.2.0, and the texts in place of mappings that 0.0 wrote.

https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md
"""

from __future__ import annotations

from typing import Any

from haechi.engines.bom import Document
from haechi.engines.bom.plain import text, texts
from haechi.gate.vex.times import time_of
from haechi.model.location import Location
from haechi.model.vex import Identity, Product, Statement, VexStatus


def statements(document: Document, path: str) -> tuple[list[Statement], list[str]]:
    """The statements and what of them makes no sense, in sentences."""
    about = document.data
    author = text(about.get("author"))
    found: list[Statement] = []
    faults: list[str] = []
    for index, each in enumerate(_items(about.get("statements"))):
        line, column = document.places.entry(index)
        location = Location(path=path, line=line, column=column, end_line=line)
        if not isinstance(each, dict):
            faults.append(f"{location}: a statement that is no mapping: not applied")
            continue
        made = _statement(each, about, author, location)
        if isinstance(made, str):
            faults.append(f"{location}: {made}: not applied")
        else:
            found.append(made)
    return found, faults


def _statement(
    each: dict[str, Any], about: dict[str, Any], author: str, location: Location
) -> Statement | str:
    status = text(each.get("status"))
    if status not in list(VexStatus):
        return f"status {status[:40]!r} is none of OpenVEX's"
    names = _vulnerabilities(each.get("vulnerability"))
    if not names:
        return "a statement without a vulnerability"
    products = _products(each)
    if not products:
        return f"{names[0]} has no product, or none of its subcomponents can be read"
    time = next(
        (
            told
            for source in (each, about)
            for key in ("last_updated", "timestamp")
            if (told := time_of(source.get(key)))
        ),
        None,
    )
    return Statement(
        vulnerabilities=names,
        products=products,
        status=VexStatus(status),
        said=f"openvex:{status}",
        justification=text(each.get("justification")),
        impact=text(each.get("impact_statement")) or _notes(each, status),
        action=text(each.get("action_statement")),
        author=text(each.get("supplier")) or author,
        time=time,
        location=location,
    )


def _notes(each: dict[str, Any], status: str) -> str:
    """Notes explain a status, but are no reason for not_affected ("Status Labels")."""
    return "" if status == VexStatus.NOT_AFFECTED else text(each.get("status_notes"))


def _vulnerabilities(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    if not isinstance(value, dict):
        return ()
    name = text(value.get("name")) or text(value.get("@id")).rpartition("/")[2]
    return tuple(dict.fromkeys(each for each in (name, *texts(value.get("aliases"))) if each))


def _products(each: dict[str, Any]) -> tuple[Product, ...]:
    """Where parts are named and none of them can be read the statement is about no product: said
    of the whole it would say more than was meant."""
    found = []
    for value in _items(each.get("products")):
        own = value.get("subcomponents") if isinstance(value, dict) else None
        said = own or each.get("subcomponents")
        names, parts = _names(value), _components(said)
        if names and (parts or not said):
            found.append(Product(names, parts))
    return tuple(found)


def _components(value: Any) -> tuple[tuple[Identity, ...], ...]:
    return tuple(names for each in _items(value) if (names := _names(each)))


def _names(value: Any) -> tuple[Identity, ...]:
    if isinstance(value, str):
        return (Identity(value),) if value else ()
    if not isinstance(value, dict):
        return ()
    found = [text(value.get("@id"))]
    identifiers = value.get("identifiers")
    if isinstance(identifiers, dict):
        found += texts([identifiers.get(key) for key in ("purl", "cpe23", "cpe22")])
    return tuple(Identity(name) for name in dict.fromkeys(found) if name)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
