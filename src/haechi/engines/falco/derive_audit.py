"""``ka.*`` and ``jevt.*``: what Falco's plugins ``k8saudit`` and ``json`` read in an audit event.

Kept from the plugins, because rules were written against it: lists of values hold only what was
there to be a text, other JSON comes as compact text, ``ka.req.pod.volumes.volume_type`` is the
names of the keys of each volume, ``ka.req.container.privileged`` is ``true`` or ``false``, and a
list without anything in it is a missing value. One difference: ``ka.sourceips`` is what its
description says (the plugin looks for it among the rules of a role).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from haechi.model.event import Event

_URI = 64 * 1024
_LISTS = ("containers", "initContainers", "ephemeralContainers")


class _Absent(Exception):
    """Not in the event, or of a type that the field cannot be."""


def text(value: Any) -> str:
    """A JSON value as the plugins give it; ``_Absent`` for what is not there."""
    if value is None:
        raise _Absent
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, ValueError, TypeError):
        raise _Absent from None


def _texts(values: Sequence[Any]) -> list[str]:
    return [text(value) for value in values if value is not None]


def _get(value: Any, key: str) -> Any:
    """One step, None when it leads nowhere; a number is a place in a list."""
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and key.isdecimal() and len(key) < 7 and int(key) < len(value):
        return value[int(key)]
    return None


def _at(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        value = _get(value, key)
        if value is None:
            raise _Absent
    return value


def _walk(value: Any, index: int | None, keys: Sequence[str]) -> list[Any]:
    """The values at the end of the keys, through every list on the way (or its one item
    ``index``); None stands for an item that has no such value."""
    for at, key in enumerate(keys):
        if isinstance(value, list):
            if index is None:
                return [found for item in value for found in _walk_item(item, keys[at:])]
            if index >= len(value):
                raise _Absent
            value = value[index]
        if key:
            value = _get(value, key)
        if value is None:
            raise _Absent
    return [value]


def _walk_item(item: Any, keys: Sequence[str]) -> list[Any]:
    try:
        return _walk(item, None, keys)
    except _Absent:
        return [None]


def _index(arg: str | None) -> int | None:
    if arg is None:
        return None
    if not (arg.isascii() and arg.isdigit()) or len(arg) > 6:
        raise _Absent
    return int(arg)


_Reader = Callable[[Any, str | None], Any]


def _one(*keys: str) -> _Reader:
    return lambda audit, arg: text(_at(audit, keys))


def _many(*keys: str) -> _Reader:
    def read(audit: Any, arg: str | None) -> list[str]:
        value = _at(audit, keys)
        if not isinstance(value, list):
            raise _Absent
        return [text(item) for item in value]

    return read


def _each(*keys: str) -> _Reader:
    return lambda audit, arg: _texts(_walk(audit, _index(arg), ("requestObject", *keys)))


def _rules(key: str) -> _Reader:
    def read(audit: Any, arg: str | None) -> list[str]:
        found = _walk(audit, _index(arg), ("requestObject", "rules", key))
        return [item for value in found if isinstance(value, list) for item in _texts(value)]

    return read


def _subjects(kind: str, *, namespaced: bool = False) -> _Reader:
    def read(audit: Any, arg: str | None) -> list[str]:
        subjects = _at(audit, ("requestObject", "subjects"))
        if not isinstance(subjects, list):
            raise _Absent
        found = []
        for subject in subjects:
            name = _get(subject, "name")
            if name is None or _get(subject, "kind") != kind:
                continue
            space = _get(subject, "namespace")
            if namespaced and space is None:
                continue
            found.append(f"{text(space)}:{text(name)}" if namespaced else text(name))
        return found

    return read


def _uri_param(audit: Any, arg: str | None) -> str:
    uri = _at(audit, ("requestURI",))
    if not isinstance(uri, str) or len(uri) > _URI:
        raise _Absent
    try:
        pairs = parse_qsl(urlsplit(uri).query, keep_blank_values=True)
    except ValueError:
        raise _Absent from None
    for name, value in pairs:
        if name == arg:
            return value
    raise _Absent


def _target_pod(audit: Any, arg: str | None) -> str:
    target = _at(audit, ("objectRef",))
    if _get(target, "resource") != "pods" or _get(target, "subresource"):
        raise _Absent
    return text(_at(audit, ("responseObject", "metadata", "name")))


def _host_path(audit: Any, arg: str | None) -> str:
    keys = ("requestObject", "spec", "volumes", "hostPath", "path")
    known = _texts(_walk(audit, None, keys))
    if not arg:
        raise _Absent
    prefix = arg[:-1] if arg.endswith("*") else None
    holds = any(path == arg or (prefix is not None and path.startswith(prefix)) for path in known)
    return "true" if holds else "false"


def _volume_types(audit: Any, arg: str | None) -> list[str]:
    volumes = _walk(audit, _index(arg), ("requestObject", "spec", "volumes", ""))
    return [key for volume in volumes if isinstance(volume, dict) for key in volume
            if key != "name"]  # fmt: skip


# -- containers of a pod ----------------------------------------------------------------------


def _in(listing: str, *keys: str) -> Callable[[Any, str | None], list[Any]]:
    path = ("requestObject", "spec", listing, *keys)
    return lambda audit, arg: _walk(audit, _index(arg), path)


def _security(listing: str, *keys: str) -> _Reader:
    values = _in(listing, "securityContext", *keys)
    return lambda audit, arg: _texts(values(audit, arg))


def _strict(listing: str, key: str) -> _Reader:
    """Names and images: one that is missing spoils all."""
    values = _in(listing, key)
    return lambda audit, arg: [text(value) for value in values(audit, arg)]


def repository(image: str) -> str:
    """As the plugin cuts it: up to the first colon (so also a registry's port), then the ``@``."""
    return image.split(":", 1)[0].split("@", 1)[0]


def _repositories(listing: str) -> _Reader:
    images = _strict(listing, "image")
    return lambda audit, arg: [repository(image) for image in images(audit, arg)]


def _lines(listing: str, key: str) -> _Reader:
    """``command`` and ``args``: the words of each container as one text."""
    values = _in(listing, key)

    def read(audit: Any, arg: str | None) -> list[str]:
        found = []
        for words in values(audit, arg):
            if words is None:
                continue
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise _Absent
            found.append(" ".join(words))
        return found

    return read


def _ports(listing: str) -> _Reader:
    values = _in(listing, "ports")

    def read(audit: Any, arg: str | None) -> list[str]:
        found = []
        for ports in values(audit, arg):
            if ports is None:
                continue
            if not isinstance(ports, list):
                raise _Absent
            for port in ports:
                # with hostNetwork the container's port is the host's
                number = _get(port, "hostPort")
                number = _get(port, "containerPort") if number is None else number
                if number is not None:
                    found.append(text(number))
        return found

    return read


def _effective(listing: str, key: str) -> _Reader:
    """The plugin looks beside ``securityContext``, in the pod's and in the container's spec; here
    both places count, the container's before the pod's, and 0 where neither says anything."""
    inner = _in(listing, "securityContext")

    def read(audit: Any, arg: str | None) -> list[str]:
        spec = _at(audit, ("requestObject", "spec"))
        pod = _get(_get(spec, "securityContext"), key)
        pod = _get(spec, key) if pod is None else pod
        default = "0" if pod is None else text(pod)
        found = [_get(context, key) for context in inner(audit, arg)]
        return [default if value is None else text(value) for value in found]

    return read


def _first(reader: _Reader) -> _Reader:
    def read(audit: Any, arg: str | None) -> str:
        found: list[str] = reader(audit, "0")
        if not found:
            raise _Absent
        return found[0]

    return read


def _any_privileged(audit: Any, arg: str | None) -> str:
    values = _in("containers", "securityContext", "privileged")(audit, None)
    return "true" if any(value is True for value in values) else "false"


def _container_fields(listing: str) -> dict[str, _Reader]:
    fields = {
        "name": _strict(listing, "name"),
        "image": _strict(listing, "image"),
        "image.repository": _repositories(listing),
        "command": _lines(listing, "command"),
        "args": _lines(listing, "args"),
        "host_port": _ports(listing),
        "privileged": _security(listing, "privileged"),
        "allow_privilege_escalation": _security(listing, "allowPrivilegeEscalation"),
        "read_only_fs": _security(listing, "readOnlyRootFilesystem"),
        "run_as_user": _security(listing, "runAsUser"),
        "run_as_group": _security(listing, "runAsGroup"),
        "eff_run_as_user": _effective(listing, "runAsUser"),
        "eff_run_as_group": _effective(listing, "runAsGroup"),
        "proc_mount": _security(listing, "procMount"),
        "add_capabilities": _capabilities(listing),
    }
    return {f"ka.req.pod.{listing}.{name}": reader for name, reader in fields.items()}


def _capabilities(listing: str) -> _Reader:
    """Each capability by its own name. (The plugin gives each container's list as one JSON text,
    which no rule can test for membership.)"""
    values = _in(listing, "securityContext", "capabilities", "add")

    def read(audit: Any, arg: str | None) -> list[str]:
        found: list[str] = []
        for value in values(audit, arg):
            found += _texts(value) if isinstance(value, list) else []
        return found

    return read


_SPEC = ("requestObject", "spec")
_NOTES = "annotations"
READERS: dict[str, _Reader] = {
    "ka.auditid": _one("auditID"),
    "ka.stage": _one("stage"),
    "ka.auth.decision": _one(_NOTES, "authorization.k8s.io/decision"),
    "ka.auth.reason": _one(_NOTES, "authorization.k8s.io/reason"),
    "ka.auth.openshift.decision": _one(_NOTES, "authentication.openshift.io/decision"),
    "ka.auth.openshift.username": _one(_NOTES, "authentication.openshift.io/username"),
    "ka.validations.admission.policy.failure": _one(
        _NOTES, "validation.policy.admission.k8s.io/validation_failure"
    ),
    "ka.security.pod.violations": _one(_NOTES, "pod-security.kubernetes.io/audit-violations"),
    "ka.user.name": _one("user", "username"),
    "ka.user.groups": _many("user", "groups"),
    "ka.impuser.name": _one("impersonatedUser", "username"),
    "ka.verb": _one("verb"),
    "ka.uri": _one("requestURI"),
    "ka.uri.param": _uri_param,
    "ka.target.name": _one("objectRef", "name"),
    "ka.target.namespace": _one("objectRef", "namespace"),
    "ka.target.resource": _one("objectRef", "resource"),
    "ka.target.subresource": _one("objectRef", "subresource"),
    "ka.target.pod.name": _target_pod,
    "ka.req.binding.subjects": _many("requestObject", "subjects"),
    "ka.req.binding.subjects.user_names": _subjects("User"),
    "ka.req.binding.subjects.serviceaccount_names": _subjects("ServiceAccount"),
    "ka.req.binding.subjects.serviceaccount_ns_names": _subjects("ServiceAccount", namespaced=True),
    "ka.req.binding.subjects.group_names": _subjects("Group"),
    "ka.req.binding.role": _one("requestObject", "roleRef", "name"),
    "ka.req.binding.subject.has_name": lambda audit, arg: "true",
    "ka.req.configmap.name": _one("objectRef", "name"),
    "ka.req.configmap.obj": _one("requestObject", "data"),
    "ka.req.container.image": _first(_strict("containers", "image")),
    "ka.req.container.image.repository": _first(_repositories("containers")),
    "ka.req.container.host_network": _one(*_SPEC, "hostNetwork"),
    "ka.req.container.privileged": _any_privileged,
    "ka.req.pod.host_ipc": _one(*_SPEC, "hostIPC"),
    "ka.req.pod.host_network": _one(*_SPEC, "hostNetwork"),
    "ka.req.pod.host_pid": _one(*_SPEC, "hostPID"),
    "ka.req.pod.run_as_user": _one(*_SPEC, "securityContext", "runAsUser"),
    "ka.req.pod.run_as_group": _one(*_SPEC, "securityContext", "runAsGroup"),
    "ka.req.pod.fs_group": _one(*_SPEC, "securityContext", "fsGroup"),
    "ka.req.pod.supplemental_groups": _many(*_SPEC, "securityContext", "supplementalGroups"),
    "ka.req.pod.volumes.hostpath": _each("spec", "volumes", "hostPath", "path"),
    "ka.req.pod.volumes.flexvolume_driver": _each("spec", "volumes", "flexVolume", "driver"),
    "ka.req.pod.volumes.volume_type": _volume_types,
    "ka.req.volume.hostpath": _host_path,
    "ka.req.role.rules": _many("requestObject", "rules"),
    "ka.req.role.rules.apiGroups": _rules("apiGroups"),
    "ka.req.role.rules.nonResourceURLs": _rules("nonResourceURLs"),
    "ka.req.role.rules.verbs": _rules("verbs"),
    "ka.req.role.rules.resources": _rules("resources"),
    "ka.req.service.type": _one(*_SPEC, "type"),
    "ka.req.service.ports": _each("spec", "ports"),
    "ka.resp.name": _one("responseObject", "metadata", "name"),
    "ka.response.code": _one("responseStatus", "code"),
    "ka.response.reason": _one("responseStatus", "reason"),
    "ka.useragent": _one("userAgent"),
    "ka.sourceips": _many("sourceIPs"),
    "ka.cluster.name": _one(_NOTES, "cluster_name"),
}
for _listing in _LISTS:
    READERS.update(_container_fields(_listing))


def read(event: Event, name: str, arg: str | None) -> Any:
    """A ``ka.*`` field out of the audit event, None when it is not there."""
    audit = event.fields.get("jevt.obj")
    if not isinstance(audit, dict) or audit.get("auditID") is None:
        return None
    try:
        found = READERS[name](audit, arg)
    except _Absent:
        return None
    return None if found == [] else found


def value(event: Event, pointer: str | None) -> Any:
    """``jevt.value[/json/pointer]``."""
    audit = event.fields.get("jevt.obj")
    if not isinstance(audit, dict | list):
        return None
    try:
        if not pointer:
            return text(audit)
        steps = pointer.removeprefix("/").split("/")
        return text(_at(audit, [s.replace("~1", "/").replace("~0", "~") for s in steps]))
    except _Absent:
        return None


def whole(event: Event) -> Any:
    """``jevt.obj``: the event as indented text."""
    audit = event.fields.get("jevt.obj")
    if audit is None or isinstance(audit, str):
        return audit
    try:
        return msgspec.json.format(msgspec.json.encode(audit), indent=2).decode()
    except (RecursionError, ValueError, TypeError):
        return None


def rawtime(event: Event) -> Any:
    return str(event.ts_ns)
