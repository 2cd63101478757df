"""Syntax of names, labels and annotations, with the server's words."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.apiserver.status import Cause, forbidden_field, invalid_value, required

Json = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_NAME_PART = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used"
    " for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_DNS1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123',"
    " regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
    " or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
MOST_ANNOTATIONS = 256 * 1024

# kinds whose names are not DNS subdomains
_LABEL_KINDS = {"Namespace", "ServicePort"}
_DNS1035_KINDS = {"Service"}
_PATH_KINDS = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def name_causes(kind: str, name: str, field: str = "metadata.name") -> list[Cause]:
    if not name:
        return [required(field, "name or generateName is required")]
    if kind in _PATH_KINDS:
        bad = name in (".", "..") or "/" in name or "%" in name
        return [invalid_value(field, name, "may not contain '/'")] if bad else []
    if kind in _LABEL_KINDS:
        return _checked(field, name, _LABEL, _LABEL_TEXT, 63)
    if kind in _DNS1035_KINDS:
        return _checked(field, name, _DNS1035, _DNS1035_TEXT, 63)
    return _checked(field, name, _SUBDOMAIN, _SUBDOMAIN_TEXT, 253)


def _checked(field: str, text: str, form: re.Pattern[str], why: str, most: int) -> list[Cause]:
    causes = []
    if len(text) > most:
        causes.append(invalid_value(field, text, f"must be no more than {most} characters"))
    if not form.fullmatch(text):
        causes.append(invalid_value(field, text, why))
    return causes


def label_name_ok(text: str) -> bool:
    return bool(_LABEL.fullmatch(text)) and len(text) <= 63


def dns_label(field: str, text: str) -> list[Cause]:
    return _checked(field, text, _LABEL, _LABEL_TEXT, 63)


def key_causes(field: str, key: str) -> list[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash and (not _SUBDOMAIN.fullmatch(prefix) or len(prefix) > 253):
        return [invalid_value(field, key, f"prefix part {_SUBDOMAIN_TEXT}")]
    if not name:
        return [invalid_value(field, key, "name part must be non-empty")]
    if len(name) > 63:
        return [invalid_value(field, key, "name part must be no more than 63 characters")]
    return [] if _NAME_PART.fullmatch(name) else [invalid_value(field, key, _KEY_TEXT)]


def label_causes(labels: Json, field: str) -> list[Cause]:
    causes = []
    for key, value in labels.items():
        causes += key_causes(field, key)
        causes += _checked(field, value, _VALUE, _VALUE_TEXT, 63)
    return causes


def metadata_causes(meta: Json, kind: str, *, namespaced: bool) -> list[Cause]:
    """All that is wrong with an object's metadata by itself."""
    causes = name_causes(kind, meta.get("name", ""))
    if not namespaced and meta.get("namespace"):
        causes.append(forbidden_field("metadata.namespace", "not allowed on this type"))
    causes += label_causes(meta.get("labels") or {}, "metadata.labels")
    annotations = meta.get("annotations") or {}
    for key in annotations:
        causes += key_causes("metadata.annotations", key.lower())
    if sum(len(k) + len(v) for k, v in annotations.items()) > MOST_ANNOTATIONS:
        text = f"Too long: may not be more than {MOST_ANNOTATIONS} bytes"
        causes.append(Cause("FieldValueTooLong", "metadata.annotations", text))
    for n, owner in enumerate(meta.get("ownerReferences") or ()):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                causes.append(required(f"metadata.ownerReferences[{n}].{key}", "must not be empty"))
    if sum(bool(each.get("controller")) for each in meta.get("ownerReferences") or ()) > 1:
        text = "Only one reference can have Controller set to true"
        causes.append(invalid_value("metadata.ownerReferences", meta["ownerReferences"], text))
    for each in meta.get("finalizers") or ():
        causes += key_causes("metadata.finalizers", each)
    return causes


def frozen_metadata(old: Json, new: Json) -> list[Cause]:
    """What of metadata no update may change."""
    causes = [
        invalid_value(f"metadata.{key}", new.get(key), "field is immutable")
        for key in ("name", "namespace", "uid", "creationTimestamp")
        if old.get(key) != new.get(key)
    ]
    if old.get("deletionTimestamp"):
        added = [f for f in new.get("finalizers") or () if f not in (old.get("finalizers") or ())]
        if added:
            text = (
                "no new finalizers can be added if the object is being deleted, found new "
                f"finalizers {added}"
            )
            causes.append(forbidden_field("metadata.finalizers", text))
    return causes
