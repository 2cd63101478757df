"""One judge on one resource of a root module that is written in a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haechi.errors import NotEvaluated
from haechi.model.review import Hit, Review
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.iac.terraform.read import read_texts

Judge = Callable[[Review], Iterator[Hit]]
UNKNOWN = "unknown"


def told(judge: Judge, address: str, text: str) -> list[str]:
    """The messages about a resource; ``unknown`` last where the judge ended so."""
    found = list(read_texts({"main.tf": text.encode()}).resources)
    about = next(one for one in found if one.name == address)
    out: list[str] = []
    try:
        hits = judge(Review(resource=about, scope=Inventory([], others=found)))
        out.extend(hit.message for hit in hits)
    except NotEvaluated:
        out.append(UNKNOWN)
    return out
