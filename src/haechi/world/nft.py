"""nftables of this host: a table of our own, addresses that are dropped in both directions.

Commands go to ``nft -j -f -`` as JSON documents by argument list; nothing is ever part of a
command line. All that we keep lies in the table ``inet haechi``, so nobody else's rules are
touched, and deleting the table undoes everything at once. An element's comment says whose it is.
"""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import msgspec

from haechi.errors import InputError

TABLE, FAMILY = "haechi", "inet"
SETS = {4: "blocked4", 6: "blocked6"}
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_PRIORITY = -150
"""Before the filters of firewalls and Kubernetes, after connection tracking."""
_SECONDS = 10.0
_MOST = 8 << 20


class NftError(InputError):
    """nft is not there, or did not do it."""


class Nft:
    """Runs ``nft``. ``prefix`` comes before it (``ip netns exec NAME``, for tests)."""

    def __init__(self, *, prefix: Sequence[str] = ()) -> None:
        self._prefix = tuple(prefix)

    def there(self) -> bool:
        """True when nft is installed."""
        return shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin") is not None

    def blocked(self) -> dict[str, str]:
        """The addresses that are blocked, and whose each is. Raises NftError."""
        found: dict[str, str] = {}
        for item in self._list():
            elements = item.get("set", {}).get("elem", ())
            for one in elements if isinstance(elements, list) else ():
                elem = one.get("elem", {}) if isinstance(one, dict) else {"val": one}
                found[str(elem.get("val"))] = str(elem.get("comment", ""))
        return found

    def block(self, address: str, comment: str, *, check: bool = False) -> None:
        """Drop what comes from and goes to an address. ``check``: try it, change nothing."""
        self._run([*self._table(), {"add": _element(address, comment)}], check=check)

    def allow(self, address: str, comment: str) -> None:
        """Take it away again; the table, too, when nothing is left in it."""
        self._run([{"delete": _element(address, comment)}])
        if not self.blocked():
            self._run([{"delete": {"table": {"family": FAMILY, "name": TABLE}}}])

    def _table(self) -> list[dict[str, Any]]:
        """Adding what is there already changes nothing, but for rules: those go in once."""
        made: list[dict[str, Any]] = [{"add": {"table": {"family": FAMILY, "name": TABLE}}}]
        for version, name in SETS.items():
            body = {"family": FAMILY, "table": TABLE, "name": name, "type": _TYPES[version]}
            made.append({"add": {"set": body}})
        have = {item["chain"]["name"] for item in self._list() if "chain" in item}
        for hook in ("prerouting", "output"):
            if hook in have:
                continue
            chain: dict[str, Any] = {"family": FAMILY, "table": TABLE, "name": hook}
            chain |= {"type": "filter", "hook": hook, "prio": _PRIORITY, "policy": "accept"}
            made.append({"add": {"chain": chain}})
            made += [
                {"add": {"rule": _rule(hook, version, side)}}
                for version in SETS
                for side in (("saddr", "daddr") if hook == "prerouting" else ("daddr",))
            ]
        return made

    def _list(self) -> list[dict[str, Any]]:
        done = self._call(["-j", "list", "ruleset"])
        try:
            items = msgspec.json.decode(done)["nftables"]
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise NftError("nft answered with something else than JSON") from error
        return [
            one
            for one in items
            if any(
                isinstance(body, dict) and _of_us(kind, body)
                for kind, body in (one.items() if isinstance(one, dict) else ())
            )
        ]

    def _run(self, commands: list[dict[str, Any]], *, check: bool = False) -> None:
        flags = ["-c", "-j", "-f", "-"] if check else ["-j", "-f", "-"]
        self._call(flags, msgspec.json.encode({"nftables": commands}))

    def _call(self, arguments: Sequence[str], given: bytes = b"") -> bytes:
        command = [*self._prefix, "nft", *arguments]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NftError("nft could not be run", why=str(error)[:300]) from error
        if done.returncode != 0:
            why = done.stderr[:500].decode("utf-8", "replace").strip()
            raise NftError("nft did not do it", why=why, do="it needs root and nf_tables")
        return done.stdout[:_MOST]


def _of_us(kind: str, body: dict[str, Any]) -> bool:
    if body.get("family") != FAMILY:
        return False
    return bool((body.get("name") if kind == "table" else body.get("table")) == TABLE)


def _element(address: str, comment: str) -> dict[str, Any]:
    version = ipaddress.ip_address(address).version
    elem = {"elem": {"val": address, "comment": comment[:100]}}
    body = {"family": FAMILY, "table": TABLE, "name": SETS[version], "elem": [elem]}
    return {"element": body}


def _rule(chain: str, version: int, side: str) -> dict[str, Any]:
    protocol = "ip" if version == 4 else "ip6"
    match = {
        "op": "==",
        "left": {"payload": {"protocol": protocol, "field": side}},
        "right": f"@{SETS[version]}",
    }
    body = {"family": FAMILY, "table": TABLE, "chain": chain}
    return {**body, "expr": [{"match": match}, {"counter": None}, {"drop": None}]}
