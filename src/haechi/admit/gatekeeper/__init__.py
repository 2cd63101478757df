"""Gatekeeper's policies: templates, constraints, mutators, and what only looks like them."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.admit.gatekeeper.loading import Engine, load_gatekeeper
from haechi.admit.policy import Loaded
from haechi.model.resource import Resource

__all__ = ["Engine", "load"]


def load(resources: Sequence[Resource], *, engine: Engine = Engine.ANY) -> Loaded:
    """The policies and mutators of Gatekeeper among the documents, and their faults.

    ``engine`` chooses where a template has code for both: CEL, as Gatekeeper does, unless told.
    """
    return load_gatekeeper(resources, engine=engine)
