"""Rules about credentials in manifests. No message ever carries a value.

A Secret in a repository is readable by everyone who can read the repository; base64 is not
encryption. Sealed, encrypted and templated values are no findings, nor are values that plainly
stand for something to be filled in. At admission every Secret carries its data, so the rules
about literal values look only at files.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.neighbours import annotations_of, spec_of
from haechi.checks.placeholders import is_stand_in
from haechi.checks.pods.view import mapping
from haechi.model.review import Hit, Point, Review

_PLACEHOLDER = re.compile(
    r"""\A(?:
        .*(?:change[-_ ]?me|placeholder|replace[-_ ]?(?:me|with|this)|redacted|fill[-_ ]?in
            |your[-_ ].{0,40}|insert[-_ ].{0,40}|to[-_ ]be[-_ ].{0,40}|\bexample\b|\bdummy\b).*
        |todo|tbd|none|null|nil|n/a|-+|\.+|x{3,}|\*{3,}|_+
        |<.*>|\{\{.*\}\}|\$\{.*\}|\$\(.*\)|\$[A-Z_][A-Z0-9_]*|%.*%|@.*@|__.*__
        |ref\+[a-z0-9]+://.*|vault:.*|op://.*|arn:aws:secretsmanager:.*|secretref:.*|ENC\[.*
    )\Z""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(_PRIVATE_KEY.pattern + r"[^-]{0,400}?[A-Za-z0-9+/]{24}")
"""A key with something in it; documentation writes three dots or a remark there."""
_PUBLIC_MATERIAL = re.compile(
    r"-----BEGIN (?!(?:[A-Z0-9]+ )*PRIVATE KEY)|(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+) AAAA"
)
_PUBLIC_KEYS = re.compile(
    r"""(?:\A|[._-])(?:user(?:name)?|login|email|host(?:name)?|port|address|endpoint|region|name
        |namespace|database|db|dbname|schema|url|uri|issuer|type|project|bucket|enabled|config
        |dhparam(?:\.pem)?|known_hosts|kubeconfig\.path|ca|ca\.crt|tls\.crt|cert|crt|pub|client[-_]?id
        |tenant[-_]?id|account[-_]?id|version|mode|server|path|filename|user(?:name)?_in
        |(?:\w*(?:user|account|api)name)|api[-_]?(?:address|user)|provider|cipher|hash|size|algorithm
        |pbkdf|kdf|\w*mtime|timestamp|created|expires?)\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""Keys whose value is usually no credential."""
_FILE_KEYS = re.compile(
    r"\.(?:ya?ml|json|ini|conf|cfg|toml|xml|properties|env|txt)\Z", re.IGNORECASE
)
"""Keys of whole files, which are looked through for credentials."""
_CREDENTIAL_KEY = re.compile(
    r"""(?:\A|[._-]|(?<=[a-z]))(?:password|passwd|passphrase|pwd|secret|token|api[._-]?key
        |secret[._-]?key|access[._-]?key|private[._-]?key|encryption[._-]?key|credentials?)\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_CREDENTIAL_LINE = re.compile(
    r"""(?:^|[{,])[ \t]*["']?[\w.-]{0,60}?(?:password|passwd|api[_-]?key|secret[_-]?key
        |access[_-]?token|private[_-]?key|client[_-]?secret)["']?[ \t]*[:=]
        [ \t]*["']?([^\s"'#;,]{4,200})""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_URL_LOGIN = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:([^\s/@]{3,200})@", re.IGNORECASE
)
_NOT_A_VALUE = re.compile(
    r"(?:true|false|yes|no|on|off|enabled|disabled|required|optional|\d+[smhd]?|/.*|\./.*"
    r"|[a-z][a-z0-9+.-]{1,12}://[^@]*|\d{4}-\d\d-\d\d.*)\Z",
    re.IGNORECASE,
)
_EXTERNAL_TYPES = ("helm.sh/release.v1", "bootstrap.kubernetes.io/token")
_LONGEST = 65536


def literal_value(review: Review) -> Iterator[Hit]:
    """A Secret whose values stand in the file."""
    if not _readable(review):
        return
    for field, key, value in _values(review.resource.data):
        if _PRIVATE_KEY.search(value) or key == ".dockerconfigjson" or key == ".dockercfg":
            continue
        if _line_credential(value) if _is_plain(key, value) else not is_placeholder(value):
            text = f'Secret "{review.resource.name}" carries the value of "{key}" in the file'
            yield Hit(text, (field, key))


def _is_plain(key: str, value: str) -> bool:
    """Whether a value is a file, a setting or public: then only a credential inside it counts."""
    text = value.strip()
    if "\n" in text or text[:1] in ("{", "[") or _PUBLIC_MATERIAL.match(text):
        return True
    key = key[-200:]  # the patterns look at the end; time grows with the square of the length
    if _PUBLIC_KEYS.search(key) or _FILE_KEYS.search(key):
        return True
    return not _CREDENTIAL_KEY.search(key) and bool(_NOT_A_VALUE.match(text))


def private_key(review: Review) -> Iterator[Hit]:
    """A private key in a Secret."""
    if _readable(review):
        for field, key, value in _values(review.resource.data):
            if _KEY_BODY.search(value):
                text = f'Secret "{review.resource.name}" carries a private key in "{key}"'
                yield Hit(text, (field, key))


def registry_login(review: Review) -> Iterator[Hit]:
    """Registry credentials: an ``auth`` or ``password`` in a Docker configuration."""
    if not _readable(review):
        return
    for field, key, value in _values(review.resource.data):
        if key in (".dockerconfigjson", ".dockercfg"):
            found = re.search(r'"(?:auth|password|identitytoken)"\s*:\s*"([^"]{4,})"', value)
            if found and not is_placeholder(found[1]):
                text = f'Secret "{review.resource.name}" carries registry credentials in "{key}"'
                yield Hit(text, (field, key))


def broken_base64(review: Review) -> Iterator[Hit]:
    """A value under ``data`` that is not base64: the API server refuses the Secret."""
    if not _readable(review):
        return
    for key, value in mapping(review.resource.data.get("data")).items():
        if (
            isinstance(value, str)
            and value
            and not is_placeholder(value)
            and _decode(value) is None
        ):
            text = f'Secret "{review.resource.name}" has a value under data, "{key}", not in base64'
            yield Hit(text, ("data", key))


def config_map_private_key(review: Review) -> Iterator[Hit]:
    """A private key in a ConfigMap."""
    for key, value in _config_values(review):
        if _KEY_BODY.search(value):
            text = f'ConfigMap "{review.resource.name}" carries a private key in "{key}"'
            yield Hit(text, ("data", key))


def config_map_credential(review: Review) -> Iterator[Hit]:
    """A password or token in a ConfigMap, by key, by line, or inside a URL."""
    for key, value in _config_values(review):
        if _PRIVATE_KEY.search(value):
            continue
        if _CREDENTIAL_KEY.search(key) and "\n" not in value.strip() and _is_credential(value):
            what = f'a credential in "{key}"'
        elif _line_credential(value):
            what = f'a password or key inside "{key}"'
        else:
            continue
        yield Hit(f'ConfigMap "{review.resource.name}" carries {what}', ("data", key))


def short_refresh(review: Review) -> Iterator[Hit]:
    """An ExternalSecret that asks the store more often than once a minute."""
    interval = spec_of(review.resource.data).get("refreshInterval")
    seconds = _seconds(interval)
    if seconds is not None and 0 < seconds < 60:
        text = (
            f'{review.resource.kind} "{review.resource.name}" asks its store every {interval}, '
            f"{round(86400 / seconds)} times a day"
        )
        yield Hit(text, ("spec", "refreshInterval"))


def is_placeholder(value: str) -> bool:
    """Whether a value stands for one that is filled in elsewhere, or is empty."""
    text = value.strip().strip("\"'")
    return not text or bool(_PLACEHOLDER.match(text[:500])) or is_stand_in(text)


def _readable(review: Review) -> bool:
    data = review.resource.data
    if review.point is not Point.FILE or not isinstance(data, dict):
        return False
    if "sops" in data or data.get("type") in _EXTERNAL_TYPES:
        return False
    return "avp.kubernetes.io/path" not in annotations_of(data)


def _values(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(field, key, decoded text) of data and stringData."""
    for key, value in mapping(data.get("stringData")).items():
        if isinstance(value, str):
            yield "stringData", key, value[:_LONGEST]
    for key, value in mapping(data.get("data")).items():
        if isinstance(value, str) and not is_placeholder(value):
            decoded = _decode(value[: _LONGEST // 4 * 4])
            yield "data", key, value if decoded is None else decoded


def _decode(value: str) -> str | None:
    try:
        raw = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.decode("utf-8", "replace")


def _config_values(review: Review) -> Iterator[tuple[str, str]]:
    if not isinstance(review.resource.data, dict) or "sops" in review.resource.data:
        return
    for key, value in mapping(review.resource.data.get("data")).items():
        if isinstance(value, str):
            yield key, value[:_LONGEST]


def _is_credential(value: str) -> bool:
    text = value.strip()
    return (
        len(text) >= 3
        and not re.search(r"\s", text)
        and not is_placeholder(text)
        and not _NOT_A_VALUE.match(text)
    )


def _line_credential(text: str) -> bool:
    for pattern in (_CREDENTIAL_LINE, _URL_LOGIN):
        for match in pattern.finditer(text):
            value = match[1]
            if (
                not is_placeholder(value)
                and not _NOT_A_VALUE.match(value)
                and value[0] not in "${<[(&|>%"
            ):
                return True
    return False


def _seconds(value: Any) -> float | None:
    """A Go duration (``1h30m``, ``15s``) in seconds; None when it is none."""
    if not isinstance(value, str) or not re.fullmatch(
        r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h))+", value
    ):
        return None
    unit = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(
        float(number) * unit[name]
        for number, name in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", value)
    )
