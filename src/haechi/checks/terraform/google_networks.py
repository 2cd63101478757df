"""In which network of Google Cloud a firewall rule, a subnetwork or a machine is."""

from __future__ import annotations

from haechi.checks.terraform.google_grants import pieces
from haechi.checks.terraform.view import blocks, is_unknown, target, text
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.model.unknown import Unknown

NETWORK = "google_compute_network"


def networks_of(review: Review, rule: Resource) -> set[str]:
    """The network of a rule, by its address where it is declared here, else by its name. Worked
    out once: every machine asks every rule."""
    known: dict[int, set[str]] = review.shared.setdefault("google networks", {})
    if id(rule) not in known:
        known[id(rule)] = _found(review, rule)
    return known[id(rule)]


def _found(review: Review, rule: Resource) -> set[str]:
    found = {one.name for one in target(review, "network", about=rule, type_=NETWORK)}
    name = rule.data.get("network")
    if not found and isinstance(name, Unknown) and not name.refs:
        found = {"".join(pieces(name))}
    elif not found and name is not None and not is_unknown(name):
        found = {(text(name) or "").rpartition("/")[2]}
    return found


def networks_of_machine(review: Review, machine: Resource) -> set[str]:
    """The networks that the cards of a machine are in."""
    mine: set[str] = set()
    for card in blocks(machine, "network_interface"):
        name = card.get("network")
        if isinstance(name, Unknown) and not name.refs:
            mine.add("".join(pieces(name)))
        elif name is not None and not is_unknown(name):
            mine.add((text(name) or "").rpartition("/")[2])
    found = target(review, "network_interface.network", about=machine, type_=NETWORK)
    mine |= {one.name for one in found}
    at = "network_interface.subnetwork"
    for subnet in target(review, at, about=machine, type_="google_compute_subnetwork"):
        mine |= networks_of(review, subnet)
    return mine
