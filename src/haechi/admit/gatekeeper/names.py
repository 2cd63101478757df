"""Gatekeeper's groups, kinds and versions, and where in a file something of a policy stands."""

from __future__ import annotations

from typing import Any, Final

from haechi.checks.pods.view import mapping
from haechi.engines.cel.paths import parse_path
from haechi.errors import RuleError
from haechi.model.admission import PolicyFault
from haechi.model.location import AttrPath
from haechi.model.resource import Resource

TEMPLATES: Final = "templates.gatekeeper.sh"
CONSTRAINTS: Final = "constraints.gatekeeper.sh"
CONFIG: Final = "config.gatekeeper.sh"
SYNC: Final = "syncset.gatekeeper.sh"
MUTATIONS: Final = "mutations.gatekeeper.sh"
EXPANSION: Final = "expansion.gatekeeper.sh"
EXTERNAL_DATA: Final = "externaldata.gatekeeper.sh"
SUITES: Final = "test.gatekeeper.sh"
TEMPLATE: Final = "ConstraintTemplate"
KINDS: Final = {
    TEMPLATES: (TEMPLATE,),
    CONFIG: ("Config",),
    SYNC: ("SyncSet",),
    MUTATIONS: ("Assign", "AssignMetadata", "ModifySet", "AssignImage"),
    EXPANSION: ("ExpansionTemplate",),
    EXTERNAL_DATA: ("Provider",),
    SUITES: ("Suite",),
}
"""The kinds of each group of Gatekeeper; a group of constraints has what its templates define."""
VERSIONS: Final = {
    TEMPLATES: ("v1", "v1beta1", "v1alpha1"),
    CONSTRAINTS: ("v1beta1", "v1alpha1"),
    MUTATIONS: ("v1", "v1beta1", "v1alpha1"),
    EXPANSION: ("v1beta1", "v1alpha1"),
}
FAILURE_POLICY: Final = "haechi.dev/failure-policy"
"""Annotation on a constraint or a mutator: what counts when it cannot be evaluated."""
REQUIRES_SYNC: Final = "metadata.gatekeeper.sh/requires-sync-data"
OF_GATEKEEPER: Final = ".gatekeeper.sh"


def line_of(resource: Resource, path: AttrPath = ()) -> int:
    """The line of a value; 0 for what comes from no file."""
    return resource.locate(path).line if resource.file else 0


def line_in_text(resource: Resource, path: AttrPath, text: str, line: int) -> int:
    """The line in the file of a line of a text that stands there, as far as it can be told.

    A literal block begins below its key; of a text in quotes only the beginning is known.
    """
    if not resource.file:
        return 0
    place = resource.locate(path)
    is_block = place.end_line - place.line >= text.count("\n") + (not text.endswith("\n"))
    return place.line + line if is_block and line > 0 and "\n" in text else place.line


def fault(
    kind: str,
    what: str,
    resource: Resource,
    path: AttrPath = (),
    *,
    why: str = "",
    do: str = "",
    line: int | None = None,
    column: int = 0,
    policy: str = "",
    fatal: bool = True,
) -> PolicyFault:
    """A fault of a document, with its place."""
    return PolicyFault(
        kind=kind,
        what=what,
        why=why,
        do=do,
        file=resource.file,
        line=line_of(resource, path) if line is None else line,
        column=column,
        object=resource.key,
        policy=policy,
        fatal=fatal,
    )


def too_deep(resource: Resource) -> PolicyFault:
    """The fault of a document in which values lie too deep within each other."""
    return fault("invalid", f"{resource.label} is nested too deeply to be read", resource)


def annotation(resource: Resource, name: str) -> str:
    """The text of an annotation, empty without one."""
    value = mapping(mapping(mapping(resource.data).get("metadata")).get("annotations")).get(name)
    return value if isinstance(value, str) else ""


def spec_of(resource: Resource) -> dict[str, Any]:
    """The ``spec``; empty for what has none."""
    return dict(mapping(mapping(resource.data).get("spec")))


def path_of(where: str) -> AttrPath:
    """The place that a RuleError names as a path into the document."""
    try:
        return parse_path(where)
    except RuleError:  # a field with a name that no path is written with
        return ("spec",)
