"""A ConstraintTemplate: the kind that it defines, the schema of its parameters, its code.

Reading checks what Gatekeeper checks before it makes a kind of it, and tells the line. The code
is not compiled here (``rego_code``, ``cel_code``): a template that no constraint uses costs
nothing but its reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from haechi.admit.gatekeeper.names import (
    TEMPLATES,
    VERSIONS,
    annotation,
    fault,
    spec_of,
    too_deep,
)
from haechi.admit.gatekeeper.schema import faults_of_schema, legacy
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import PolicyFault
from haechi.model.location import AttrPath, format_path
from haechi.model.resource import Resource

REGO, CEL = "Rego", "K8sNativeValidation"
TARGET: Final = "admission.k8s.gatekeeper.sh"
OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_TITLE = "metadata.gatekeeper.sh/title"
_VALIDATION: AttrPath = ("spec", "crd", "spec", "validation")
_LEGACY = "legacySchema"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Rego as written: ``text`` and ``libs`` stand at ``path`` and ``lib_paths`` of the file."""

    text: str
    path: AttrPath
    libs: tuple[str, ...] = ()
    lib_paths: tuple[AttrPath, ...] = ()
    version: int = 0


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template that can be used. ``cel`` is the source of its K8sNativeValidation code, which
    stands at ``cel_path``; ``schema`` is None where it lets any parameters through."""

    resource: Resource
    kind: str
    title: str
    description: str
    schema: Mapping[str, Any]
    rego: Source | None = None
    cel: Mapping[str, Any] | None = None
    cel_path: AttrPath = ()
    operations: tuple[str, ...] = ()


class _Wrong(Exception):
    """Reading ends here; the fault says why."""

    def __init__(self, told: PolicyFault) -> None:
        super().__init__(told.what)
        self.told = told


def read_template(resource: Resource) -> tuple[Template | None, list[PolicyFault]]:
    """The template, if it is one, and what is wrong with it (which need not be fatal)."""
    faults: list[PolicyFault] = []
    try:
        return _read(resource, faults), faults
    except _Wrong as wrong:
        return None, [*faults, wrong.told]
    except RecursionError:
        return None, [*faults, too_deep(resource)]


def _read(resource: Resource, faults: list[PolicyFault]) -> Template:
    if resource.version not in VERSIONS[TEMPLATES]:
        what = f"{resource.label}: {TEMPLATES} has no version {resource.version!r}"
        raise _wrong(resource, ("apiVersion",), what, do=f"write {TEMPLATES}/v1")
    kind = _kind(resource)
    schema = _schema(resource, faults)
    target, path = _target(resource)
    rego, cel, cel_path = _code(resource, target, path)
    return Template(
        resource=resource,
        kind=kind,
        title=annotation(resource, _TITLE) or kind,
        description=annotation(resource, "description").strip(),
        schema=schema,
        rego=rego,
        cel=cel,
        cel_path=cel_path,
        operations=_operations(resource, target, path),
    )


def _wrong(resource: Resource, path: AttrPath, what: str, *, why: str = "", do: str = "") -> _Wrong:
    return _Wrong(fault("invalid-template", what, resource, path, why=why, do=do))


def _kind(resource: Resource) -> str:
    path = ("spec", "crd", "spec", "names", "kind")
    value: Any = resource.data
    for part in path:
        value = mapping(value).get(part)
    if not isinstance(value, str) or not value:
        what = f"{resource.label}: {format_path(path)} names no kind"
        raise _wrong(resource, path, what, do="write the kind that constraints will have")
    if resource.name != value.lower():
        what = f"{resource.label} is named {resource.name!r} and defines kind {value}"
        raise _wrong(
            resource,
            ("metadata", "name"),
            what,
            why="Gatekeeper refuses a template whose name is not its kind in small letters",
            do=f"write metadata.name: {value.lower()}",
        )
    return value


def _schema(resource: Resource, faults: list[PolicyFault]) -> Mapping[str, Any]:
    """The structural schema of the parameters."""
    crd = mapping(mapping(spec_of(resource).get("crd")).get("spec"))
    validation = mapping(crd.get("validation"))
    beside = sorted(str(key) for key in validation if key not in ("openAPIV3Schema", _LEGACY))
    usual = resource.version != "v1"
    is_legacy = validation.get(_LEGACY, usual) is True
    if beside:
        faults.append(_misplaced(resource, beside[0], is_legacy))
    path = (*_VALIDATION, "openAPIV3Schema")
    written = validation.get("openAPIV3Schema")
    schema = legacy(written) if is_legacy else written
    if schema is None:
        return {}
    problems = faults_of_schema(schema, path)
    if problems:
        first = problems[0]
        raise _wrong(
            resource,
            first.path,
            f"{resource.label}: {format_path(first.path)}: {first.text}",
            why="Gatekeeper cannot make a kind of this template: none of its constraints works",
        )
    return mapping(schema)


def _misplaced(resource: Resource, field: str, is_legacy: bool) -> PolicyFault:
    path = (*_VALIDATION, field)
    effect = (
        "any parameters are let through unchecked, with any type"
        if is_legacy
        else "the template has no parameters, and constraints that give some are refused"
    )
    return fault(
        "wrong-shape",
        f"{resource.label}: {format_path(path)} is no field: the schema is not used",
        resource,
        path,
        why=f"Kubernetes drops fields that it does not know; without a schema {effect}",
        do="move it below validation.openAPIV3Schema, beside `type: object`",
        fatal=False,
    )


def _target(resource: Resource) -> tuple[Mapping[str, Any], AttrPath]:
    targets = items(spec_of(resource).get("targets"))
    if len(targets) != 1:
        what = f"{resource.label} has {len(targets)} targets"
        raise _wrong(resource, ("spec", "targets"), what, do="write exactly one target")
    path: AttrPath = ("spec", "targets", 0)
    target = mapping(targets[0])
    if target.get("target") != TARGET:
        what = f"{resource.label}: the target is {target.get('target')!r}"
        raise _wrong(resource, (*path, "target"), what, do=f"write target: {TARGET}")
    return target, path


def _code(
    resource: Resource, target: Mapping[str, Any], path: AttrPath
) -> tuple[Source | None, Mapping[str, Any] | None, AttrPath]:
    rego: Source | None = None
    cel: Mapping[str, Any] | None = None
    cel_path: AttrPath = ()
    unknown: list[tuple[AttrPath, Any]] = []
    for number, entry in enumerate(items(target.get("code"))):
        here = (*path, "code", number)
        engine, source = mapping(entry).get("engine"), mapping(mapping(entry).get("source"))
        if engine == REGO and rego is None:
            rego = _rego(resource, source, (*here, "source"))
        elif engine == CEL and cel is None:
            cel, cel_path = source, (*here, "source")
        elif engine not in (REGO, CEL):
            unknown.append((here, engine))
    if target.get("rego"):  # written in the old place it goes before the same engine in `code`
        rego = _rego(resource, target, path)
    if rego is None and cel is None:
        if unknown:
            here, engine = unknown[0]
            what = f"{resource.label}: engine {engine!r} is not one of {REGO} and {CEL}"
            raise _wrong(resource, (*here, "engine"), what)
        raise _wrong(resource, path, f"{resource.label} has no code", do="write `rego`, or `code`")
    return rego, cel, cel_path


def _rego(resource: Resource, source: Mapping[str, Any], path: AttrPath) -> Source:
    text, libs = source.get("rego"), source.get("libs")
    if not isinstance(text, str) or not text.strip():
        raise _wrong(resource, (*path, "rego"), f"{resource.label}: `rego` holds no text")
    if libs is not None and not all(isinstance(lib, str) for lib in items(libs)):
        raise _wrong(resource, (*path, "libs"), f"{resource.label}: `libs` is a list of texts")
    version = source.get("version") or "v0"
    if version not in ("v0", "v1"):
        what = f"{resource.label}: Rego has no version {version!r}"
        raise _wrong(resource, (*path, "version"), what, do="write v0 or v1")
    return Source(
        text=text,
        path=(*path, "rego"),
        libs=tuple(items(libs)),
        lib_paths=tuple((*path, "libs", number) for number in range(len(items(libs)))),
        version=1 if version == "v1" else 0,
    )


def _operations(resource: Resource, target: Mapping[str, Any], path: AttrPath) -> tuple[str, ...]:
    """Operations that the template is for; none: those that Gatekeeper's webhook is sent."""
    named = tuple(str(one) for one in items(target.get("operations")))
    for number, one in enumerate(named):
        if one not in (*OPERATIONS, "*"):
            what = f"{resource.label}: {one!r} is no operation"
            do = f"write one of {', '.join(OPERATIONS)} and *"
            raise _wrong(resource, (*path, "operations", number), what, do=do)
    return OPERATIONS if "*" in named else named
