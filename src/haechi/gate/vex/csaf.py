"""CSAF 2.0, profile VEX and the others that tell a product status.

The product tree names products by id: in branches, in a flat list, and as relationships ("this
component as part of that product"). A statement here is one status of one vulnerability with one
reason, for all products that share it.

https://docs.oasis-open.org/csaf/csaf/v2.0/os/csaf-v2.0-os.html, sections 3.2.2, 3.2.3 and 4.5
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any
from urllib.parse import quote

from haechi.engines.bom import Document
from haechi.engines.bom.plain import mappings, text, texts
from haechi.gate.vex.times import time_of
from haechi.model.location import Location
from haechi.model.vex import Identity, Product, Statement, VexStatus

_STATUS = {
    "known_not_affected": VexStatus.NOT_AFFECTED,
    "fixed": VexStatus.FIXED,
    "first_fixed": VexStatus.FIXED,
    "known_affected": VexStatus.AFFECTED,
    "first_affected": VexStatus.AFFECTED,
    "last_affected": VexStatus.AFFECTED,
    "under_investigation": VexStatus.UNDER_INVESTIGATION,
}
_DEEPEST = 40
_RANGE, _VERSION = "product_version_range", "product_version"
_NUMBER = re.compile(r"[vV]?\d")
_Reason = tuple[str, str, str]  # justification, impact, action


def statements(document: Document, path: str) -> tuple[list[Statement], list[str]]:
    """The statements and what of them makes no sense, in sentences."""
    about = document.data.get("document")
    about = about if isinstance(about, dict) else {}
    publisher = about.get("publisher")
    tracking = about.get("tracking")
    author = text(publisher.get("name")) if isinstance(publisher, dict) else ""
    tracking = tracking if isinstance(tracking, dict) else {}
    time = time_of(tracking.get("current_release_date")) or time_of(
        tracking.get("initial_release_date")
    )
    tree = _Tree(document.data.get("product_tree"))
    found: list[Statement] = []
    faults: list[str] = []
    for index, each in enumerate(mappings(document.data.get("vulnerabilities"))):
        line, column = document.places.entry(index)
        location = Location(path=path, line=line, column=column, end_line=line)
        names = _names(each)
        if not names:
            faults.append(f"{location}: a vulnerability without an id: not applied")
            continue
        unknown: set[str] = set()
        for (said, reason), ids in _grouped(each, tree).items():
            unknown |= {each for each in ids if each not in tree.products}
            products = tuple(tree.products[each] for each in ids if each in tree.products)
            if products:
                found.append(
                    Statement(
                        vulnerabilities=names,
                        products=products,
                        status=_STATUS[said],
                        said=f"csaf:{said}",
                        justification=reason[0],
                        impact=reason[1],
                        action=reason[2],
                        author=author,
                        time=time,
                        location=location,
                    )
                )
        if unknown:
            some = ", ".join(sorted(unknown)[:3])
            faults.append(f"{location}: no package URL or CPE for {some}")
    return found, faults


def _names(each: dict[str, Any]) -> tuple[str, ...]:
    others = [text(entry.get("text")) for entry in mappings(each.get("ids"))]
    return tuple(dict.fromkeys(name for name in (text(each.get("cve")), *others) if name))


def _grouped(each: dict[str, Any], tree: _Tree) -> dict[tuple[str, _Reason], list[str]]:
    """(status, reason) → product ids, in the order of the document."""
    said = each.get("product_status")
    if not isinstance(said, dict):
        return {}
    flags = tree.spread(each.get("flags"), "label")
    impacts = tree.spread(
        [t for t in mappings(each.get("threats")) if t.get("category") == "impact"], "details"
    )
    actions = tree.spread(each.get("remediations"), "details")
    found: defaultdict[tuple[str, _Reason], list[str]] = defaultdict(list)
    for status in _STATUS:
        for product in texts(said.get(status)):
            reason = (flags.get(product, ""), impacts.get(product, ""), actions.get(product, ""))
            found[status, reason].append(product)
    return found


def _span(branch: dict[str, Any]) -> str:
    """The versions that a branch narrows everything below it to."""
    name = text(branch.get("name")).strip()
    if branch.get("category") == _RANGE:
        return name
    if branch.get("category") == _VERSION and _NUMBER.match(name):
        return "vers:/" + quote(name, safe="")
    return ""


def _identity(name: str, span: str) -> Identity:
    """A package URL that tells a version of its own is told no other by the branch around it,
    whose name may be put otherwise (``openssl-1:3.0.7-1.el9.x86_64``)."""
    bare = name.partition("?")[0].partition("#")[0].rpartition("/")[2]
    return Identity(name, "" if span.startswith("vers:/") and "@" in bare[1:] else span)


class _Tree:
    """The product tree: id → product."""

    def __init__(self, tree: Any) -> None:
        tree = tree if isinstance(tree, dict) else {}
        self.products: dict[str, Product] = {}
        self._groups = {
            text(group.get("group_id")): texts(group.get("product_ids"))
            for group in mappings(tree.get("product_groups"))
        }
        for each in mappings(tree.get("full_product_names")):
            self._add(each, "")
        self._branches(tree.get("branches"))
        self._relate(mappings(tree.get("relationships")))

    def spread(self, entries: Any, key: str) -> dict[str, str]:
        """What flags, threats or remediations say, by product id. The first one counts; one
        that names no product is about all of them."""
        found: dict[str, str] = {}
        for entry in mappings(entries):
            ids = texts(entry.get("product_ids"))
            for group in texts(entry.get("group_ids")):
                ids += self._groups.get(group, [])
            named = entry.get("product_ids") is not None or entry.get("group_ids") is not None
            for each in ids if named else self.products:
                found.setdefault(each, text(entry.get(key)))
        return found

    def _branches(self, top: Any) -> None:
        pending = [(each, 0, "") for each in reversed(mappings(top))]
        while pending:
            branch, depth, span = pending.pop()
            span = _span(branch) or span
            product = branch.get("product")
            if isinstance(product, dict):
                self._add(product, span)
            if depth < _DEEPEST:
                inner = mappings(branch.get("branches"))
                pending.extend((each, depth + 1, span) for each in reversed(inner))

    def _add(self, entry: dict[str, Any], span: str) -> None:
        helper = entry.get("product_identification_helper")
        helper = helper if isinstance(helper, dict) else {}
        names = texts([helper.get("purl"), helper.get("cpe")])
        names += [text(each.get("uri")) for each in mappings(helper.get("x_generic_uris"))]
        identities = tuple(_identity(name, span) for name in names if name)
        if identities:
            self.products.setdefault(text(entry.get("product_id")), Product(identities))

    def _relate(self, relationships: list[dict[str, Any]]) -> None:
        """A component as part of a product. They may build on each other, in any order."""
        waiting = relationships
        for _ in range(_DEEPEST):
            left = []
            for each in waiting:
                part = self.products.get(text(each.get("product_reference")))
                whole = self.products.get(text(each.get("relates_to_product_reference")))
                name = each.get("full_product_name")
                made = text(name.get("product_id")) if isinstance(name, dict) else ""
                if part is None or whole is None:
                    left.append(each)
                elif made:
                    between = [*whole.parts, *whole.through]
                    between += [part.names, *part.through] if part.parts else []
                    joint = Product(whole.names, part.parts or (part.names,), tuple(between))
                    self.products.setdefault(made, joint)
            if len(left) == len(waiting):
                return
            waiting = left
