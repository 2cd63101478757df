"""What stands before web applications in Azure: Application Gateway, Front Door, CDN and their
firewalls, and resources written through ``azapi`` in the words of Azure's own API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.terraform.azure_reach import is_old
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_set,
    is_unknown,
    known,
    linked,
    require_no_doubt,
    text,
    texts,
    truth,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

_OLD_POLICIES = ("20150501", "20170401")
"""Ends of the names of Azure's policies that take TLS 1.0 or 1.1."""
_WEAK_CIPHER = re.compile(r"3DES|RC4|NULL|_MD5|_EXPORT", re.IGNORECASE)
_OFF = {
    "supportshttpstrafficonly": ("microsoft.storage/", "plain HTTP is taken"),
    "httpsonly": ("microsoft.web/", "plain HTTP is taken"),
    "enablerbac": ("microsoft.containerservice/", "roles are not asked"),
    "encryptionathost": ("microsoft.compute/", "the host's disks are not encrypted"),
}
_ON = {
    "allowblobpublicaccess": ("microsoft.storage/", "containers may be opened to everybody"),
    "adminuserenabled": ("microsoft.containerregistry/", "one password for everybody is taken"),
    "anonymouspullenabled": ("microsoft.containerregistry/", "everybody may pull"),
    "enablenonsslport": ("microsoft.cache/", "a port without TLS is open"),
    "remotedebuggingenabled": ("microsoft.web/", "debuggers may attach from outside"),
    "publicdataendpointenabled": ("microsoft.sql/", "it has a public endpoint for its data"),
}
"""Switches by name, with the types that have them and what their weak position means."""
_TLS = ("minimumtlsversion", "mintlsversion", "minimaltlsversion")


def _word(block: Block, name: str) -> str:
    return (text(block.get(name)) or "").strip().lower()


def gateway_without_waf(review: Review) -> Iterator[Hit]:
    """An application gateway that looks at no request."""
    resource = review.resource
    if is_set(resource.data.get("firewall_policy_id")):
        return
    for block in blocks(resource, "waf_configuration"):
        if truth(block.get("enabled"), False):
            return
        yield Hit("its firewall is switched off", block.at("enabled"))
        return
    for block in blocks(resource, "http_listener"):
        if is_set(block.get("firewall_policy_id")):
            return
    yield fails("no firewall looks at the requests", "sku")


def gateway_plain_http(review: Review) -> Iterator[Hit]:
    """A listener for plain HTTP that does more than send people to HTTPS."""
    resource = review.resource
    redirected = {
        text(rule.get("http_listener_name"))
        for rule in blocks(resource, "request_routing_rule")
        if rule.get("redirect_configuration_name") is not None
    }
    for block in blocks(resource, "http_listener"):
        if _word(block, "protocol") != "http":
            continue
        if not redirected or text(block.get("name")) not in redirected:
            yield Hit("it serves plain HTTP", block.at("protocol"))


def front_door_without_waf(review: Review) -> Iterator[Hit]:
    """A Front Door without a firewall policy: of the classic kind by its endpoints, of the newer
    one by a security policy."""
    resource = review.resource
    if resource.kind == "azurerm_frontdoor":
        for block in blocks(resource, "frontend_endpoint"):
            if not is_set(block.get("web_application_firewall_policy_link_id")):
                yield Hit("no firewall looks at the requests", block.path)
                return
        return
    policies = "azurerm_cdn_frontdoor_security_policy"
    if not linked(review, policies, "cdn_frontdoor_profile_id"):
        require_no_doubt(review, policies, "cdn_frontdoor_profile_id")
        yield fails("no security policy refers to it")


def waf_asleep(review: Review) -> Iterator[Hit]:
    """A firewall for web requests that is off or only writes down."""
    resource = review.resource
    inner = value(resource, "policy_settings.0")
    whole = Block(resource.data, ())
    block = Block(inner, ("policy_settings", 0)) if isinstance(inner, dict) else whole
    if not truth(block.get("enabled"), True):
        yield Hit("it is switched off", block.at("enabled"))
    elif _word(block, "mode") == "detection":
        yield Hit("it writes attacks down and lets them through", block.at("mode"))


def gateway_old_tls(review: Review) -> Iterator[Hit]:
    """A gateway that agrees to TLS 1.0 or 1.1, by a policy of Azure's or of its own."""
    resource = review.resource
    holders: list[Resource | Block] = [resource, *blocks(resource, "ssl_profile")]
    for holder in holders:
        for block in blocks(holder, "ssl_policy"):
            name = text(block.get("policy_name"))
            protocol = text(block.get("min_protocol_version"))
            if name is not None and name.endswith(_OLD_POLICIES):
                yield Hit(f"{name} takes TLS 1.0", block.at("policy_name"))
            elif protocol is not None and is_old(protocol.removeprefix("TLSv")):
                yield Hit(f"{protocol} is taken", block.at("min_protocol_version"))
            for suite in texts(block.get("cipher_suites")):
                if _WEAK_CIPHER.search(suite):
                    yield Hit(f"{suite} is taken", block.at("cipher_suites"))


def cdn_plain_http(review: Review) -> Iterator[Hit]:
    """A CDN endpoint that serves plain HTTP, without a rule that sends people to HTTPS."""
    resource = review.resource
    if not truth(resource.data.get("is_http_allowed"), True):
        return
    for rule in blocks(resource, "delivery_rule"):
        for redirect in blocks(rule, "url_redirect_action"):
            if _word(redirect, "protocol") == "https":
                return
    yield fails("it serves plain HTTP", "is_http_allowed")


def route_plain_http(review: Review) -> Iterator[Hit]:
    """A route of Front Door that serves plain HTTP, or asks the origin by it."""
    data = review.resource.data
    protocols = {word.lower() for word in texts(data.get("supported_protocols"))}
    protocols |= {word.lower() for word in texts(data.get("accepted_protocols"))}
    redirects = truth(data.get("https_redirect_enabled"), True) and "https" in protocols
    if "http" in protocols and not redirects:
        yield fails("it serves plain HTTP", "supported_protocols")
    if (text(data.get("forwarding_protocol")) or "").lower() == "httponly":
        yield fails("the origin is asked over plain HTTP", "forwarding_protocol")


def raw_weakness(review: Review) -> Iterator[Hit]:
    """A switch of Azure's own API that is in a weak position, in the body of an azapi resource."""
    body = review.resource.data.get("body")
    if body is None:
        return
    type_ = (text(review.resource.data.get("type")) or "").lower()
    if is_unknown(body):
        yield from _weak(body.content, ("body",), type_)
        known(body)
    elif isinstance(body, str):
        try:
            decoded = json.loads(body)
        except ValueError:
            return
        yield from (Hit(hit.message, ("body",)) for hit in _weak(decoded, ("body",), type_))
    else:
        yield from _weak(body, ("body",), type_)


def _weak(found: Any, at: tuple[str | int, ...], type_: str) -> Iterator[Hit]:
    if found is None or is_unknown(found):
        return
    if isinstance(found, list):
        for index, item in enumerate(found):
            yield from _weak(item, (*at, index), type_)
    if not isinstance(found, dict):
        return
    for name, item in found.items():
        if is_unknown(item):
            continue
        message = _told(name, item, type_)
        if message:
            yield Hit(message, (*at, name))
        else:
            yield from _weak(item, (*at, name), type_)


def _told(name: str, item: Any, type_: str) -> str:
    """What is weak about one switch; empty when nothing is."""
    low = name.lower()
    if low in _TLS and isinstance(item, str) and is_old(item):
        return f"{name} {item} is taken"
    if not isinstance(item, bool):
        return ""
    prefix, meaning = (_ON if item else _OFF).get(low, ("-", ""))
    return f"{name} is {'on' if item else 'off'}: {meaning}" if type_.startswith(prefix) else ""
