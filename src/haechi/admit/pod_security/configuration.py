"""The cluster's own configuration of Pod Security Admission: defaults and exemptions.

``PodSecurityConfiguration`` by itself, or inside of the API server's ``AdmissionConfiguration``.
An API server does not start with one that is wrong; here it is a fault, and not in force.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.pod_security.labels import (
    MODES,
    Modes,
    Standard,
    level_fault,
    shown,
    version_fault,
)
from haechi.checks.pod_security import LATEST, Level
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import PolicyFault
from haechi.model.location import AttrPath, format_path
from haechi.model.resource import Resource

GROUP, KIND = "pod-security.admission.config.k8s.io", "PodSecurityConfiguration"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
ADMISSION_GROUP, ADMISSION_KIND = "apiserver.config.k8s.io", "AdmissionConfiguration"
PLUGIN = "PodSecurity"
_FIELDS = frozenset({"apiVersion", "kind", "defaults", "exemptions"})
_DEFAULTS = frozenset({*MODES, *(f"{mode}-version" for mode in MODES)})
_EXEMPT = ("usernames", "namespaces", "runtimeClasses")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What holds where labels say nothing, and for whom nothing holds."""

    defaults: Modes = Modes()
    usernames: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()
    file: str = ""
    line: int = 0


class _Reader:
    """Reads one configuration at a path of its document, and collects what is wrong."""

    def __init__(self, resource: Resource, at: AttrPath) -> None:
        self.resource = resource
        self.at = at
        self.faults: list[PolicyFault] = []

    def fault(self, path: AttrPath, why: str, *, do: str = "") -> None:
        place = (*self.at, *path)
        where = self.resource.locate(place)
        self.faults.append(
            PolicyFault(
                kind="invalid",
                what=f"{KIND}: {format_path(place)}: {why}",
                why="an API server would not start with it; it is not in force here",
                do=do,
                file=self.resource.file,
                line=where.line,
                column=where.column,
            )
        )

    def read(self, body: Mapping[str, Any]) -> Configuration:
        for key in sorted(set(map(str, body)) - _FIELDS - {"metadata"}):
            self.fault((key,), "there is no such field", do="fields: defaults, exemptions")
        defaults, exemptions = body.get("defaults"), body.get("exemptions")
        for key, value in (("defaults", defaults), ("exemptions", exemptions)):
            if value is not None and not isinstance(value, dict):
                self.fault((key,), "must be a mapping")
        where = self.resource.locate(self.at)
        names = {name: self._names(mapping(exemptions), name) for name in _EXEMPT}
        for key in sorted(set(map(str, mapping(exemptions))) - {*_EXEMPT}):
            self.fault(("exemptions", key), "there is no such field", do=", ".join(_EXEMPT))
        return Configuration(
            defaults=self._modes(mapping(defaults)),
            usernames=names["usernames"],
            namespaces=names["namespaces"],
            runtime_classes=names["runtimeClasses"],
            file=self.resource.file,
            line=where.line,
        )

    def _modes(self, defaults: Mapping[str, Any]) -> Modes:
        for key in sorted(set(map(str, defaults)) - _DEFAULTS):
            self.fault(("defaults", key), "there is no such field", do=", ".join(sorted(_DEFAULTS)))
        return Modes(**{mode: self._standard(defaults, mode) for mode in MODES})

    def _standard(self, defaults: Mapping[str, Any], mode: str) -> Standard:
        level = defaults.get(mode) or Level.PRIVILEGED.value
        version = defaults.get(f"{mode}-version") or LATEST
        faults = [
            (mode, level, level_fault(str(level))),
            (f"{mode}-version", version, version_fault(str(version))),
        ]
        wrong = [(key, value, why) for key, value, why in faults if why]
        for key, value, why in wrong:
            self.fault(("defaults", key), f"Invalid value: {shown(str(value))}: {why}")
        return Standard() if wrong else Standard(Level(str(level)), str(version))

    def _names(self, exemptions: Mapping[str, Any], field: str) -> frozenset[str]:
        value = exemptions.get(field)
        if value is not None and not isinstance(value, list):
            self.fault(("exemptions", field), "must be a list of names")
        found: set[str] = set()
        for index, name in enumerate(items(value)):
            path = ("exemptions", field, index)
            if not isinstance(name, str) or not _is_name(field, name):
                self.fault(path, f"{shown(str(name))} is no such name")
            elif name in found:
                self.fault(path, f"Duplicate value: {shown(name)}")
            else:
                found.add(name)
        return frozenset(found)


def _is_name(field: str, name: str) -> bool:
    if field == "usernames":
        return bool(name)
    pattern = _LABEL if field == "namespaces" else _SUBDOMAIN
    return len(name) <= 253 and pattern.match(name) is not None


def read_configuration(
    resources: Sequence[Resource],
) -> tuple[Configuration | None, list[PolicyFault]]:
    """The configuration among the documents, and faults of what looks like one."""
    faults: list[PolicyFault] = []
    found: list[Configuration] = []
    for resource in resources:
        for at, body in _candidates(resource, faults):
            reader = _Reader(resource, at)
            configuration = reader.read(body)
            faults.extend(reader.faults)
            if reader.faults:
                continue
            if found:
                faults.append(_second(configuration, found[0]))
            found.append(configuration)
    return (found[0] if found else None), faults


def _candidates(
    resource: Resource, faults: list[PolicyFault]
) -> Sequence[tuple[AttrPath, Mapping[str, Any]]]:
    if resource.kind == KIND:
        if resource.group == GROUP and resource.version in VERSIONS:
            return [((), resource.data)]
        faults.append(_wrong_group(resource, (), f"{GROUP}/v1"))
        return []
    if resource.kind != ADMISSION_KIND:
        return []
    if resource.group != ADMISSION_GROUP:
        faults.append(_wrong_group(resource, (), f"{ADMISSION_GROUP}/v1"))
        return []
    return _plugins(resource, faults)


def _plugins(
    resource: Resource, faults: list[PolicyFault]
) -> Sequence[tuple[AttrPath, Mapping[str, Any]]]:
    found: list[tuple[AttrPath, Mapping[str, Any]]] = []
    for index, item in enumerate(items(resource.data.get("plugins"))):
        plugin = mapping(item)
        if plugin.get("name") != PLUGIN:
            continue
        at: AttrPath = ("plugins", index, "configuration")
        body = plugin.get("configuration")
        if not isinstance(body, dict):
            faults.append(_elsewhere(resource, at[:2], plugin.get("path")))
        elif body.get("kind") != KIND or not _is_ours(body.get("apiVersion")):
            faults.append(_wrong_group(resource, at, f"{GROUP}/v1, kind {KIND}"))
        else:
            found.append((at, body))
    return found


def _is_ours(api_version: Any) -> bool:
    return any(api_version == f"{GROUP}/{version}" for version in VERSIONS)


def _wrong_group(resource: Resource, at: AttrPath, right: str) -> PolicyFault:
    where = resource.locate(at)
    said = f"{resource.group}/{resource.version}" if resource.group else resource.version
    return PolicyFault(
        kind="wrong-group",
        what=f"this {resource.kind} configures nothing: its apiVersion or kind is not Kubernetes'",
        why=f"an API server would refuse {said}" if not at else "an API server would refuse it",
        do=f"write apiVersion: {right}",
        file=resource.file,
        line=where.line,
        column=where.column,
    )


def _elsewhere(resource: Resource, at: AttrPath, path: Any) -> PolicyFault:
    where = resource.locate(at)
    return PolicyFault(
        kind="unsupported",
        what=f"the configuration of plugin {PLUGIN} is not in this document",
        why=f"it is in {shown(str(path))}" if path else "it has neither configuration nor path",
        do=f"give that file ({KIND}) among the policies, too",
        file=resource.file,
        line=where.line,
        column=where.column,
        fatal=not path,
    )


def _second(configuration: Configuration, first: Configuration) -> PolicyFault:
    return PolicyFault(
        kind="duplicate",
        what=f"a second {KIND}: only the first counts ({first.file}:{first.line})",
        do="delete one of them",
        file=configuration.file,
        line=configuration.line,
        fatal=False,
    )
