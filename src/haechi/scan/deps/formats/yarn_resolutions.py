"""``resolutions`` of package.json: what yarn takes in the place of what packages ask for."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from haechi.scan.deps.formats.members import Project
from haechi.scan.deps.formats.node_names import split_name

MAX_RULES = 200
"""For one name; each need of that name is held against all of them."""
_STEP = re.compile(r"((?:@[^/@]{1,200}/)?[^/@]{1,200}(?:@[^/]{0,200})?)(?:/|\Z)")


class Resolution(NamedTuple):
    """``owner`` is who asks ("": anybody), ``spec`` the range that is replaced ("": every one),
    ``value`` what stands in its place; of a patch that is what is patched."""

    owner: str
    spec: str
    value: str


def resolutions_of(project: Project | None) -> dict[str, list[Resolution]]:
    """Resolutions by the name that they are about; those that name an owner come first."""
    found: dict[str, list[Resolution]] = {}
    for key, value in (project.resolutions if project is not None else {}).items():
        parts = _STEP.findall(key)
        if not parts:
            continue
        name, spec = split_name(parts[-1])
        owner = split_name(parts[-2])[0] if len(parts) > 1 and parts[-2] != "**" else ""
        if value.startswith("patch:"):
            value = split_name(unquote(value[6:].partition("#")[0]))[1]
        rules = found.setdefault(name, [])
        if len(rules) < MAX_RULES:
            rules.append(Resolution(owner, spec.removeprefix("npm:"), value))
    for rules in found.values():
        rules.sort(key=lambda rule: not rule.owner)
    return found
