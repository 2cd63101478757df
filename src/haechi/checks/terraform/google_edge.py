"""What Google Cloud shows to the internet: load balancers and the TLS that they speak, DNS."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_unknown,
    target,
    text,
    texts,
    truth,
    value,
)
from haechi.model.review import Review


def weak_tls(review: Review) -> Iterator[Hit]:
    """A policy that takes old TLS or weak ciphers."""
    data = review.resource.data
    profile = (text(data.get("profile")) or "COMPATIBLE").upper()
    lowest = (text(data.get("min_tls_version")) or "TLS_1_0").upper()
    if lowest in ("TLS_1_0", "TLS_1_1") and profile != "RESTRICTED":
        yield fails(f"{lowest.replace('_', ' ', 1).replace('_', '.')} is taken", "min_tls_version")
    elif profile == "COMPATIBLE":
        yield fails("ciphers without forward secrecy are taken", "profile")
    elif profile == "CUSTOM":
        for name in texts(data.get("custom_features")):
            if name.startswith("TLS_RSA_") or "3DES" in name:
                yield fails(f"{name} is taken", "custom_features")
                return


def plain_balancer(review: Review) -> Iterator[Hit]:
    """A public load balancer that answers over plain HTTP with more than a redirect."""
    resource = review.resource
    scheme = (text(resource.data.get("load_balancing_scheme")) or "EXTERNAL").upper()
    if not scheme.startswith("EXTERNAL"):
        return
    aimed = resource.data.get("target")
    if aimed is not None and not is_unknown(aimed) and "/targetHttpProxies/" in (text(aimed) or ""):
        yield fails("it answers over plain HTTP", "target")
        return
    for proxy in target(review, "target"):
        if not proxy.kind.endswith("target_http_proxy"):
            continue
        maps = target(review, "url_map", about=proxy)
        if not any(truth(value(m, "default_url_redirect.0.https_redirect"), False) for m in maps):
            yield fails("it answers over plain HTTP", "target")


def weak_dnssec(review: Review) -> Iterator[Hit]:
    """SHA-1 signs the zone."""
    for config in blocks(review.resource, "dnssec_config"):
        for spec in blocks(config, "default_key_specs"):
            if (text(spec.get("algorithm")) or "").lower() == "rsasha1":
                yield Hit("its keys are RSASHA1", spec.at("algorithm"))
                return


def dnssec_off(review: Review) -> Iterator[Hit]:
    """A public zone whose answers anybody may forge."""
    resource = review.resource
    if (text(resource.data.get("visibility")) or "public").lower() == "private":
        return
    state = text(value(resource, "dnssec_config.0.state")) or "off"
    if state.lower() not in ("on", "transfer"):
        yield fails("its answers are not signed", "dnssec_config")
