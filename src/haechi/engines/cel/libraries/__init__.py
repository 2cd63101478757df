"""Kubernetes' own CEL functions, by library.

Semantics are those of k8s.io/apiserver, pkg/cel/library (Kubernetes 1.37), error texts included
where policies show them. Nothing here knows the wheel: ``overloads`` gives tables of names,
types and Python functions. Functions of lists are not Python at all: see ``expand``.
"""

from __future__ import annotations

import functools

from haechi.engines.cel.libraries.overload import Overload


@functools.cache
def overloads() -> dict[str, list[Overload]]:
    """All functions by name. Modules load here, so that importing the package stays cheap."""
    from haechi.engines.cel import quantity
    from haechi.engines.cel.libraries import authorizer, formats, ip, lists, regex, semver, url

    found: dict[str, list[Overload]] = {}
    for library in (regex, url, ip, formats, semver, authorizer, lists, quantity):
        for name, several in library.OVERLOADS.items():
            found.setdefault(name, []).extend(several)
    return found
