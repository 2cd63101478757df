"""Connections in Falco's terms: who is client, who is server, and what the pair is called."""

from __future__ import annotations

import ipaddress
from typing import Any

from haechi.runtime.decode.values import known, text, whole


def connection(
    client: object, client_port: object, server: object, server_port: object, protocol: str
) -> dict[str, Any]:
    """The ``fd.*`` fields of a connection; an end that is not known is left out."""
    cip, sip = address(client), address(server)
    cport, sport = port(client_port), port(server_port)
    one = cip or sip
    if not one:
        return {}
    six = ":" in one
    return known(
        {
            "fd.cip": cip,
            "fd.cport": cport,
            "fd.sip": sip,
            "fd.sport": sport,
            "fd.l4proto": protocol,
            "fd.type": "ipv6" if six else "ipv4",
            "fd.typechar": "6" if six else "4",
            "fd.name": f"{_end(cip, cport)}->{_end(sip, sport)}",
        }
    )


def listening(server: object, server_port: object, protocol: str) -> dict[str, Any]:
    """The ``fd.*`` fields of a socket that has only its own end."""
    fields = connection(None, None, server, server_port, protocol)
    if fields:
        fields["fd.name"] = _end(address(server), port(server_port))
        fields["fd.is_server"] = True
    return fields


def address(value: object) -> str:
    """An IP address in its usual form, or nothing."""
    found = text(value)
    if not found or len(found) > 60:
        return ""
    try:
        parsed = ipaddress.ip_address(found.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


def port(value: object) -> int | None:
    """A port, or nothing."""
    found = whole(value)
    return found if found is not None and 0 < found <= 65_535 else None


def split_end(value: str) -> tuple[str, int | None]:
    """``10.0.0.1:80`` or ``[::1]:80`` as address and port; a name is no address."""
    host, _, last = value[:300].rpartition(":")
    if not host:
        return address(value), None
    if ":" in host and not host.startswith("["):
        return address(value), None
    return address(host), port(last)


def _end(ip: str, number: int | None) -> str:
    if not ip:
        return ""
    shown = f"[{ip}]" if ":" in ip and number else ip
    return f"{shown}:{number}" if number else shown
