"""``format``: names and texts in the forms that Kubernetes asks for, with its words for faults.

A format travels as its name. ``format.named`` and ``validate`` give an optional in Kubernetes;
the functions here give the empty value for "none", and ``expand`` makes the optional of it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from haechi.engines.cel.libraries.overload import (
    FORMAT,
    Invalid,
    Mismatch,
    Overload,
    pack,
    unpack,
)

_TAG = b"\x01format:"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_ENDS = "and must start and end with an alphanumeric character"
_LABEL_FAULT = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
)
_SUBDOMAIN_FAULT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
    f"'-' or '.', {_ENDS}"
)
_LABEL_1035_FAULT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character"
)
_KEY_FAULT = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_VALUE_FAULT = (
    "a valid label must be an empty string or consist of alphanumeric characters, "
    f"'-', '_' or '.', {_ENDS}"
)
_UUID = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z"
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})\Z"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:.[0-9]+)?(?:z|[+-][0-9]{2}:[0-9]{2})\Z")


def _mismatch(fault: str, form: str, *examples: str) -> str:
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return f"{fault} (e.g. {shown}, regex used for validation is '{form}')"


def _whole(form: str, text: str) -> bool:
    # Not ``$``, which Python also finds before a last line break.
    return re.fullmatch(form, text) is not None


def _too_long(text: str, limit: int) -> list[str]:
    too_long = len(text.encode()) > limit
    return [f"must be no more than {limit} bytes"] if too_long else []


def dns_label(text: str) -> list[str]:
    """RFC 1123."""
    faults = _too_long(text, 63)
    if (faults and len(text) > 4096) or _whole(_LABEL, text):
        return faults
    if _whole(_SUBDOMAIN, text):
        return [*faults, "must not contain dots"]
    return [*faults, _mismatch(_LABEL_FAULT, _LABEL, "my-name", "123-abc")]


def dns_subdomain(text: str) -> list[str]:
    """RFC 1123."""
    faults = _too_long(text, 253)
    if (faults and len(text) > 4096) or _whole(_SUBDOMAIN, text):
        return faults
    return [*faults, _mismatch(_SUBDOMAIN_FAULT, _SUBDOMAIN, "example.com")]


def _dns_label_1035(text: str) -> list[str]:
    faults = _too_long(text, 63)
    if (faults and len(text) > 4096) or _whole(_LABEL_1035, text):
        return faults
    return [*faults, _mismatch(_LABEL_1035_FAULT, _LABEL_1035, "my-name", "abc-123")]


def _qualified_name(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    examples = ("MyName", "my.name", "123-abc")
    if "/" in prefix:
        shown = _mismatch(_KEY_FAULT, _KEY, *examples)
        return [
            f"a valid label key {shown} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    faults: list[str] = []
    if slash:
        found = dns_subdomain(prefix) if prefix else ["must be non-empty"]
        faults += [f"prefix part {fault}" for fault in found]
    found = _too_long(name, 63) if name else ["must be non-empty"]
    if not found or len(text) <= 4096:
        found += [] if _whole(_KEY, name) else [_mismatch(_KEY_FAULT, _KEY, *examples)]
    return faults + [f"name part {fault}" for fault in found]


def _label_value(text: str) -> list[str]:
    faults = _too_long(text, 63)
    if (faults and len(text) > 4096) or _whole(_VALUE, text):
        return faults
    return [*faults, _mismatch(_VALUE_FAULT, _VALUE, "MyValue", "my_value", "12345")]


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """For the beginning of a generated name, which may end in a dash."""

    def judge(text: str) -> list[str]:
        return check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)

    return judge


def _uri(text: str) -> list[str]:
    from haechi.engines.cel.libraries.url import parse

    try:
        parse(text)
    except Invalid as error:
        return [str(error).partition(": ")[2]]
    return []


def _is_date(text: str) -> bool:
    from datetime import date

    try:
        return bool(re.match(_DATE, text)) and (
            text[:4] == "0000" or bool(date.fromisoformat(text))
        )
    except ValueError:
        return False


def _is_datetime(text: str) -> bool:
    day, _, time = text.lower().partition("t")
    match = re.match(_TIME, time)
    return (
        match is not None
        and _is_date(day)
        and match[1] <= "23"
        and match[2] <= "59"
        and match[3] <= "59"
    )


def _either(holds: Callable[[str], object], fault: str) -> Callable[[str], list[str]]:
    return lambda text: [] if holds(text) else [fault]


FORMATS: dict[str, Callable[[str], list[str]]] = {
    "dns1123Label": dns_label,
    "dns1123Subdomain": dns_subdomain,
    "dns1035Label": _dns_label_1035,
    "qualifiedName": _qualified_name,
    "dns1123LabelPrefix": _prefix(dns_label),
    "dns1123SubdomainPrefix": _prefix(dns_subdomain),
    "dns1035LabelPrefix": _prefix(_dns_label_1035),
    "labelValue": _label_value,
    "uri": _uri,
    "uuid": _either(functools.partial(re.match, _UUID), "does not match the UUID format"),
    "byte": _either(functools.partial(re.match, _BASE64), "invalid base64"),
    "date": _either(_is_date, "invalid date"),
    "datetime": _either(_is_datetime, "invalid datetime"),
}


def _named(name: str) -> bytes:
    return pack(_TAG, name) if name in FORMATS else b""


def _validate(packed: bytes, text: str) -> list[str]:
    check = FORMATS.get(unpack(_TAG, packed, "NamedFormat"))
    if check is None:
        raise Mismatch("no such overload: the value is no NamedFormat")
    return check(text)


def _constant(name: str) -> Callable[[], bytes]:
    return lambda: pack(_TAG, name)


_S = "string"

OVERLOADS = {
    "format.named": (
        Overload("format-named", (_S,), f"optional_type<{FORMAT}>", None, member=False),
    ),
    "validate": (Overload("format-validate", (FORMAT, _S), "optional_type<list<string>>", None),),
    "@format_named": (Overload("@format_named", (_S,), FORMAT, _named, member=False),),
    "@format_validate": (
        Overload("@format_validate", (FORMAT, _S), "list<string>", _validate, member=False),
    ),
    **{
        f"format.{name}": (Overload(f"format.{name}", (), FORMAT, _constant(name), member=False),)
        for name in FORMATS
    },
}
