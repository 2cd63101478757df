"""Syslog (RFC 5424) over UDP, TCP or TLS (RFC 5425: octet counting), with CEF or JSON.

Nobody answers: over UDP ``sent`` means only that it left this machine, over TCP that the other
side's kernel took it. A message that went twice has the same MSGID and ``delivery``.
"""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
from collections.abc import Iterator, Mapping

import msgspec

from haechi import __version__
from haechi.model.alert import Item, Message
from haechi.world.receivers.sending import Known, NotSent, Sent
from haechi.world.receivers.settings import ReceiverSettings

_FACILITY = 10  # security/authorization messages
_SEVERITIES = {"critical": 2, "high": 3, "medium": 4, "low": 5, "info": 6}
_CEF = {"critical": 10, "high": 8, "medium": 5, "low": 3, "info": 1}
_UDP, _TCP = 2_000, 32_000
_NOT_ASCII = re.compile(r"[^\x21-\x7e]")


class Syslog:
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """One record for each piece of news, in one connection."""
        most = _UDP if self._settings.protocol == "udp" else _TCP
        records = [record(one, message, self._settings.format, most) for one in message.items]
        try:
            if self._settings.protocol == "udp":
                self._datagrams(records)
            else:
                self._stream(b"".join(b"%d %b" % (len(one), one) for one in records))
        except (OSError, ssl.SSLError) as error:
            raise NotSent(f"{self._settings.address}: {error}") from None
        return Sent(status="sent")

    def _datagrams(self, records: list[bytes]) -> None:
        where = (self._settings.host, self._settings.port_or_default)
        family, kind, proto, _, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, proto) as udp:
            for one in records:
                udp.sendto(one, address)

    def _stream(self, data: bytes) -> None:
        where = (self._settings.host, self._settings.port_or_default)
        timeout = self._settings.timeout
        with socket.create_connection(where, timeout=timeout) as plain:
            if self._settings.protocol == "tcp":
                _all(plain, data)
                return
            context = ssl.create_default_context(cafile=self._settings.ca_file or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            with context.wrap_socket(plain, server_hostname=self._settings.host) as secure:
                _all(secure, data)


def _all(stream: socket.socket, data: bytes) -> None:
    """A receiver that closed at once has not taken it: the end is waited for."""
    stream.sendall(data)
    if isinstance(stream, ssl.SSLSocket):
        return
    stream.shutdown(socket.SHUT_WR)


def record(one: Item, message: Message, form: str, most: int) -> bytes:
    """A record, at most so many bytes."""
    priority = _FACILITY * 8 + _SEVERITIES[one.news.level]
    at = dt.datetime.fromtimestamp(max(0, one.news.at_ns) / 1e9, dt.UTC)
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host = _NOT_ASCII.sub("?", one.news.node or one.news.cluster)[:255] or "-"
    head = f"<{priority}>1 {stamp} {host} haechi - {one.news.what[:32]} - "
    body = cef(one, message) if form == "cef" else _json(one, message)
    made = head.encode("ascii", "replace") + body.encode("utf-8", "replace")
    if len(made) > most and form == "json":
        short = msgspec.structs.replace(one, facts=(), evidence=())
        made = head.encode("ascii", "replace") + _json(short, message).encode()
    return made[:most].decode("utf-8", "ignore").encode()


def _json(one: Item, message: Message) -> str:
    value = {
        "schema": "haechi.alert/1",
        "delivery": message.id,
        "test": message.test,
        "heading": one.heading,
        "link": one.link,
        "next": one.next_step,
        "evidence": list(one.evidence),
        "topic": one.news.topic,
        "incident": one.news.incident,
        "what": one.news.what,
        "level": one.news.level,
        "status": one.news.status.value,
        "cluster": one.news.cluster,
        "namespace": one.news.namespace,
        "resource": one.news.resource,
        "rules": list(one.news.rules),
        "techniques": list(one.news.techniques),
        "source_ips": list(one.news.source_ips),
    }
    return msgspec.json.encode({name: it for name, it in value.items() if it}).decode()


def cef(one: Item, message: Message) -> str:
    """ArcSight's Common Event Format. Pipes and backslashes of the head, equals signs and line
    ends of the extension are escaped, so that no value can add a field."""
    news = one.news
    head = "|".join(
        _head(part)
        for part in (
            "haechi",
            "haechi",
            __version__,
            f"incident.{news.what}",
            one.heading,
            str(_CEF[news.level]),
        )
    )
    return f"CEF:0|{head}|" + " ".join(_extension(one, message))


def _extension(one: Item, message: Message) -> Iterator[str]:
    news = one.news
    values = {
        "externalId": news.incident or news.topic,
        "rt": str(max(0, news.at_ns) // 1_000_000),
        "cat": ", ".join(news.tactics),
        "dhost": news.node,
        "src": next((ip for ip in news.source_ips if _is_v4(ip)), ""),
        "cnt": str(news.detections) if news.detections else "",
        "outcome": news.state or news.outcome,
        "reason": "; ".join(news.reasons[:3]),
        "request": one.link,
        "msg": " / ".join(one.evidence),
        "cs1Label": "resource",
        "cs1": news.resource,
        "cs2Label": "rules",
        "cs2": ", ".join(news.rules),
        "cs3Label": "delivery",
        "cs3": message.id,
        "cs4Label": "place",
        "cs4": f"{news.cluster}/{news.namespace}",
    }
    for name, value in values.items():
        if value:
            yield f"{name}={_value(value)}"


def _head(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("=", "\\=")


def _line(text: str) -> str:
    return " ".join(text.split())


def _is_v4(text: str) -> bool:
    return re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", text) is not None
