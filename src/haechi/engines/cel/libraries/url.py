"""``url``: URLs as Go's net/url reads them: an absolute URI or an absolute path.

A URL travels as the list of its parts, written as JSON after a tag. The texts that two URLs have
in common when they are the same URL (``u.String()``) are what the list holds, so equal URLs are
equal bytes.
"""

from __future__ import annotations

import re

import msgspec

from haechi.engines.cel.libraries.overload import URL, Invalid, Mismatch, Overload, pack, unpack

_TAG = b"\x01url:"
_SCHEME = r"([a-zA-Z][a-zA-Z0-9+.-]*):"
_CONTROL = r"[\x00-\x1f\x7f]"
_BAD_ESCAPE = r"%(?![0-9a-fA-F]{2})"
_USER = r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*\Z"
_HOST = re.compile(
    r"""(?:[A-Za-z0-9._~!$&'()*+,;=:\[\]<>"-]|[^\x00-\x7f]|%25|%[89a-fA-F][0-9a-fA-F])*\Z"""
)
_PORT = r"(?::[0-9]*)?\Z"
_ENCODED_PATH = r"[A-Za-z0-9._~!$&'()*+,;=:@/\[\]%-]*\Z"
_PATH_BYTES = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~$&+,/:;=@"
)
_ANY_LENGTH = 200


class Parts(msgspec.Struct, frozen=True, array_like=True):
    """``path`` is escaped; ``query`` is as written, None without a question mark."""

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""
    query: str | None = None
    fragment: str = ""


def parse(text: str) -> Parts:
    """The parts. Raises Invalid."""
    _parse(text, request=True)
    before, _, fragment = text.partition("#")
    _well_escaped(fragment, text)
    parts = _parse(before, request=False)
    return msgspec.structs.replace(parts, fragment=_escaped(_unquoted(fragment)))


def _fault(text: str, why: str) -> Invalid:
    shown = msgspec.json.encode(text[:_ANY_LENGTH]).decode()
    return Invalid(f"URL parse error during conversion from string: parse {shown}: {why}")


def _unquoted(text: str) -> bytes:
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(text)


def _well_escaped(part: str, text: str) -> None:
    if re.search(_BAD_ESCAPE, part):
        raise _fault(text, "invalid URL escape")


def _parse(text: str, *, request: bool) -> Parts:
    if re.search(_CONTROL, text):
        raise _fault(text, "net/url: invalid control character in URL")
    if not text and request:
        raise _fault(text, "empty url")
    if text == "*":
        return Parts(path="*")
    if text.startswith(":"):
        raise _fault(text, "missing protocol scheme")
    match = re.match(_SCHEME, text)
    scheme, rest = (match[1].lower(), text[match.end() :]) if match else ("", text)
    rest, mark, query = rest.partition("?")
    asked = query if mark else None
    if not rest.startswith("/"):
        if scheme:
            return Parts(scheme=scheme, opaque=rest, query=asked)
        if request:
            raise _fault(text, "invalid URI for request")
        if ":" in rest.partition("/")[0]:
            raise _fault(text, "first path segment in URL cannot contain colon")
    user, host = None, ""
    if rest.startswith("//") and (scheme or (not request and not rest.startswith("///"))):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, host = _authority(authority, text)
    _well_escaped(rest, text)
    return Parts(scheme=scheme, user=user, host=host, path=_escaped_path(rest), query=asked)


def _authority(authority: str, text: str) -> tuple[str | None, str]:
    user, at, host = authority.rpartition("@")
    if at:
        if not re.match(_USER, user):
            raise _fault(text, "net/url: invalid userinfo")
        _well_escaped(user, text)
    return (user if at else None), _host(host, text)


def _host(host: str, text: str) -> str:
    """Checked and unescaped. An address in brackets must be one of IPv6."""
    if host.startswith("["):
        inside, bracket, port = host[1:].rpartition("]")
        if not bracket:
            raise _fault(text, "missing ']' in host")
        from ipaddress import IPv6Address

        try:
            IPv6Address(inside.partition("%25")[0])
        except ValueError as error:
            raise _fault(text, "invalid host") from error
    else:
        name, colon, digits = host.rpartition(":")
        port = colon + digits if colon else ""
        if colon and ":" in name:
            raise _fault(text, f'invalid port ":{digits}" after host')
    if not re.match(_PORT, port):
        raise _fault(text, f"invalid port {msgspec.json.encode(port).decode()} after host")
    if not re.match(_HOST, host.replace("%25", "", 1) if host.startswith("[") else host):
        raise _fault(text, "invalid character in host name")
    return _unquoted(host).decode("utf-8", "replace")


def _escaped(raw: bytes) -> str:
    return "".join(chr(byte) if byte in _PATH_BYTES else f"%{byte:02X}" for byte in raw)


def _escaped_path(path: str) -> str:
    """As EscapedPath: what is encoded in a valid way stays as it is written."""
    return path if re.match(_ENCODED_PATH, path) else _escaped(_unquoted(path))


def _pack(text: str) -> bytes:
    return pack(_TAG, msgspec.json.encode(parse(text)).decode())


def _parts(packed: bytes) -> Parts:
    text = unpack(_TAG, packed, "URL")
    try:
        return msgspec.json.decode(text, type=Parts)
    except msgspec.MsgspecError as error:
        raise Mismatch("no such overload: the value is no URL") from error


def _is_url(text: str) -> bool:
    try:
        _parse(text, request=True)
    except Invalid:
        return False
    return True


def _split(host: str) -> tuple[str, str]:
    """Name (without brackets) and port."""
    name, colon, port = host.rpartition(":")
    if not colon or not re.match(_PORT, f":{port}"):
        name, port = host, ""
    return (name[1:-1] if name.startswith("[") and name.endswith("]") else name), port


def _query(packed: bytes) -> dict[str, list[str]]:
    """As url.Values; pairs that cannot be read are left out, as ``Query`` does."""
    found: dict[str, list[str]] = {}
    for pair in (_parts(packed).query or "").split("&"):
        if not pair or ";" in pair or re.search(_BAD_ESCAPE, pair):
            continue
        key, _, value = (
            _unquoted(part.replace("+", " ")).decode("utf-8", "replace")
            for part in pair.partition("=")
        )
        found.setdefault(key, []).append(value)
    return found


_S = "string"

OVERLOADS = {
    "url": (Overload("string_to_url", (_S,), URL, _pack, member=False),),
    "isURL": (Overload("is_url_string", (_S,), "bool", _is_url, member=False),),
    "getScheme": (Overload("url_get_scheme", (URL,), _S, lambda p: _parts(p).scheme),),
    "getHost": (Overload("url_get_host", (URL,), _S, lambda p: _parts(p).host),),
    "getHostname": (Overload("url_get_hostname", (URL,), _S, lambda p: _split(_parts(p).host)[0]),),
    "getPort": (Overload("url_get_port", (URL,), _S, lambda p: _split(_parts(p).host)[1]),),
    "getEscapedPath": (Overload("url_get_escaped_path", (URL,), _S, lambda p: _parts(p).path),),
    "getQuery": (Overload("url_get_query", (URL,), "map<string, list<string>>", _query),),
}
