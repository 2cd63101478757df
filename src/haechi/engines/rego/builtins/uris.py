"""``uri.parse`` and ``uri.is_valid``: Go's ``url.Parse``."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.encoding import unescaped
from haechi.engines.rego.builtins.operands import text
from haechi.engines.rego.values import BuiltinError, Value

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:\[\]<>\"%-]|[^\x00-\x7f]")
_USER: Final = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")


def parse(value: Value) -> dict[str, str]:
    whole = text(value, 1)
    if any(ord(c) < 0x20 or c == "\x7f" for c in whole):
        raise BuiltinError("invalid control character in URL")
    bare, _, fragment = whole.partition("#")
    made = _without_fragment(bare)
    if fragment:
        made["fragment"] = unescaped(fragment, plus=False)
    return {name: part for name, part in made.items() if part}


def _without_fragment(whole: str) -> dict[str, str]:
    scheme, rest = _scheme(whole)
    made = {"scheme": scheme.lower()}
    rest, _, query = rest.partition("?")
    made["raw_query"] = query
    if not rest.startswith("/"):
        if scheme:
            return made  # opaque: mailto:x@y
        if ":" in rest.partition("/")[0]:
            raise BuiltinError("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, tail = rest[2:].partition("/")
        made.update(_authority(authority))
        rest = slash + tail
    made["path"] = unescaped(rest, plus=False)
    usual = quote(made["path"], safe="$&+,/:;=@-_.~")
    made["raw_path"] = made["path"] if rest == usual else rest
    return made


def _scheme(whole: str) -> tuple[str, str]:
    if whole.startswith(":"):
        raise BuiltinError("missing protocol scheme")
    found = _SCHEME.match(whole)
    if found is None or whole[found.end() : found.end() + 1] != ":":
        return "", whole
    return found.group(), whole[found.end() + 1 :]


def _authority(whole: str) -> dict[str, str]:
    user, at, host = whole.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise BuiltinError("net/url: invalid userinfo")
    unescaped(user, plus=False)
    if host.startswith("["):
        return _bracketed(host)
    if "[" in host:
        raise BuiltinError("invalid host")
    name, colon, port = host.rpartition(":")
    if not colon:
        name, port = host, ""
    _check(name, port)
    return {"hostname": unescaped(name, plus=False), "port": port}


def _bracketed(host: str) -> dict[str, str]:
    inner, close, rest = host[1:].rpartition("]")
    if not close or rest[:1] not in ("", ":"):
        raise BuiltinError("missing ']' in host")
    _check(inner, rest[1:])
    return {"hostname": unescaped(inner, plus=False), "port": rest[1:]}


def _check(name: str, port: str) -> None:
    if port and not (port.isascii() and port.isdigit()):
        raise BuiltinError("invalid port after host")
    if not all(_HOST.match(character) for character in name):
        raise BuiltinError("invalid character in host name")


def is_valid(value: Value) -> bool:
    if type(value) is not str or not value:
        return False
    try:
        parse(value)
    except BuiltinError:
        return False
    return True


TABLE: Final = (
    Builtin(name="uri.parse", arity=1, call=parse),
    Builtin(name="uri.is_valid", arity=1, call=is_valid),
)
