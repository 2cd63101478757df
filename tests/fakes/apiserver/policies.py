"""What the server refuses of a NetworkPolicy."""

from __future__ import annotations

import ipaddress
from typing import Any

from tests.fakes.apiserver.names import label_causes
from tests.fakes.apiserver.status import (
    Cause,
    forbidden_field,
    invalid_value,
    not_supported,
    required,
)

Json = dict[str, Any]
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def network_policy(body: Json) -> list[Cause]:
    spec = body.get("spec") or {}
    found = _selector(spec.get("podSelector") or {}, "spec.podSelector")
    for word, peers in (("ingress", "from"), ("egress", "to")):
        for n, rule in enumerate(spec.get(word) or ()):
            at = f"spec.{word}[{n}]"
            for m, port in enumerate(rule.get("ports") or ()):
                found += _policy_port(port, f"{at}.ports[{m}]")
            for m, peer in enumerate(rule.get(peers) or ()):
                found += _peer(peer or {}, f"{at}.{peers}[{m}]")
    kinds = ("Egress", "Ingress")
    for n, word in enumerate(spec.get("policyTypes") or ()):
        if word not in kinds:
            found.append(not_supported(f"spec.policyTypes[{n}]", word, kinds))
    return found


def _selector(selector: Json, at: str) -> list[Cause]:
    found = label_causes(selector.get("matchLabels") or {}, f"{at}.matchLabels")
    for n, each in enumerate(selector.get("matchExpressions") or ()):
        here, values = f"{at}.matchExpressions[{n}]", each.get("values")
        match each.get("operator"):
            case "In" | "NotIn":
                if not values:
                    why = "must be specified when `operator` is 'In' or 'NotIn'"
                    found.append(required(f"{here}.values", why))
            case "Exists" | "DoesNotExist":
                if values:
                    why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    found.append(forbidden_field(f"{here}.values", why))
            case other:
                found.append(
                    invalid_value(f"{here}.operator", other, "not a valid selector operator")
                )
    return found


def _policy_port(port: Json, at: str) -> list[Cause]:
    found = []
    if port.get("protocol") not in _PROTOCOLS:
        found.append(not_supported(f"{at}.protocol", port.get("protocol"), _PROTOCOLS))
    number, end = port.get("port"), port.get("endPort")
    if isinstance(number, int) and not 0 < number < 65536:
        text = "must be between 1 and 65535, inclusive"
        found.append(invalid_value(f"{at}.port", number, text))
    if end is not None:
        if not isinstance(number, int):
            text = "may not be specified when `port` is non-numeric"
            text = (
                text if number is not None else "may not be specified when `port` is not specified"
            )
            found.append(forbidden_field(f"{at}.endPort", text))
        elif end < number:
            text = "must be greater than or equal to `port`"
            found.append(invalid_value(f"{at}.endPort", end, text))
    return found


def _peer(peer: Json, at: str) -> list[Cause]:
    named = [word for word in ("podSelector", "namespaceSelector") if peer.get(word) is not None]
    block = peer.get("ipBlock")
    if block is None and not named:
        return [required(at, "must specify a peer")]
    if block is not None and named:
        text = "may not specify both ipBlock and another peer"
        return [forbidden_field(at, text)]
    found: list[Cause] = []
    for word in named:
        found += _selector(peer[word], f"{at}.{word}")
    return found + (_block(block, f"{at}.ipBlock") if block is not None else [])


def _block(block: Json, at: str) -> list[Cause]:
    text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    whole = _network(block.get("cidr"))
    if not block.get("cidr"):
        return [required(f"{at}.cidr")]
    if whole is None:
        return [invalid_value(f"{at}.cidr", block["cidr"], text)]
    found = []
    for n, each in enumerate(block.get("except") or ()):
        part = _network(each)
        if part is None:
            found.append(invalid_value(f"{at}.except[{n}]", each, text))
        elif (
            part.version != whole.version
            or part.prefixlen <= whole.prefixlen
            or not (
                int(whole.network_address)
                <= int(part.network_address)
                <= int(whole.broadcast_address)
            )
        ):
            why = "must be a strict subset of `cidr`"
            found.append(invalid_value(f"{at}.except[{n}]", each, why))
    return found


def _network(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except (ValueError, TypeError):
        return None
