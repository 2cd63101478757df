"""Load balancers of AWS, of both generations: what they take in clear and by which TLS.

An HTTPS listener without ``ssl_policy`` gets ``ELBSecurityPolicy-2016-08``, which takes TLS 1.0.
Listeners inside of a VPC (``internal = true``) are left alone where they speak plain HTTP.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_set,
    linked,
    require_no_doubt,
    target,
    text,
    texts,
    truth,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

_MODERN = re.compile(r"(?:ELBSecurityPolicy-)?(?:TLS(?:13)?|FS)-1-[23]-")
_OLD_PROTOCOLS = ("Protocol-SSLv3", "Protocol-SSLv2", "Protocol-TLSv1", "Protocol-TLSv1.1")
_WEAK_CIPHERS = re.compile(r"RC4|DES-CBC|EXP-|NULL|MD5|IDEA|ADH|SEED|KRB5")
_FIREWALLS = (
    ("aws_wafv2_web_acl_association", "resource_arn"),
    ("aws_wafregional_web_acl_association", "resource_arn"),
)


def _balancer(review: Review, attribute: str = "load_balancer_arn") -> Resource | None:
    found = target(review, attribute)
    return found[0] if found else None


def plain_listener(review: Review) -> Iterator[Hit]:
    """A listener that serves over plain HTTP to the internet."""
    resource = review.resource
    protocol = text(resource.data.get("protocol"))
    if (protocol or "HTTP").upper() != "HTTP":
        return
    balancer = _balancer(review)
    if balancer is not None:
        if truth(balancer.data.get("internal"), False):
            return
        if (text(balancer.data.get("load_balancer_type")) or "application") != "application":
            return
    for action in blocks(resource, "default_action"):
        kind = text(action.get("type"))
        if kind == "redirect":
            for redirect in blocks(action, "redirect"):
                if (text(redirect.get("protocol")) or "#{protocol}") != "HTTPS":
                    yield Hit("it redirects without changing to HTTPS", redirect.at("protocol"))
                    return
        elif kind == "fixed-response":
            if _forwards(review):
                yield Hit("rules of it forward plain HTTP", action.path)
                return
        else:
            yield Hit("what is sent and answered can be read on the way", ("protocol",))
            return


def _forwards(review: Review) -> bool:
    for rule in linked(review, "aws_lb_listener_rule", "listener_arn"):
        for action in blocks(rule, "action"):
            if text(action.get("type")) == "forward":
                return True
    return False


def classic_plain(review: Review) -> Iterator[Hit]:
    """A listener of a Classic Load Balancer in clear, for the internet."""
    if truth(review.resource.data.get("internal"), False):
        return
    for listener in blocks(review.resource, "listener", possible=True):
        if (text(listener.get("lb_protocol")) or "").lower() == "http":
            yield Hit(
                "what is sent and answered can be read on the way", listener.at("lb_protocol")
            )


def weak_policy(review: Review) -> Iterator[Hit]:
    """TLS of the past at a listener."""
    resource = review.resource
    if (text(resource.data.get("protocol")) or "HTTP").upper() not in ("HTTPS", "TLS"):
        return
    policy = text(resource.data.get("ssl_policy"))
    if policy is None:
        yield fails("the default policy, of 2016, takes TLS 1.0", "ssl_policy")
    elif policy.startswith("ELBSecurityPolicy-") and not _MODERN.match(policy):
        yield fails(f"{policy} takes TLS 1.0 or 1.1", "ssl_policy")


def classic_weak_policy(review: Review) -> Iterator[Hit]:
    """TLS of the past, or ciphers of it, in a policy of a Classic Load Balancer."""
    for attribute in blocks(review.resource, "policy_attribute", possible=True):
        name, said = text(attribute.get("name")) or "", text(attribute.get("value")) or ""
        if name == "Reference-Security-Policy":
            if not _MODERN.match(said):
                yield Hit(f"{said} takes TLS 1.0", attribute.at("value"))
        elif truth(attribute.get("value"), False) and (
            name in _OLD_PROTOCOLS or _WEAK_CIPHERS.search(name)
        ):
            yield Hit(f"{name} is on", attribute.at("name"))


def no_firewall(review: Review) -> Iterator[Hit]:
    """An entrance of the web for everybody without a web ACL in front."""
    resource = review.resource
    match resource.kind:
        case "aws_cloudfront_distribution":
            if is_set(resource.data.get("web_acl_id")):
                return
        case "aws_lb" | "aws_alb":
            if truth(resource.data.get("internal"), False):
                return
            if (text(resource.data.get("load_balancer_type")) or "application") != "application":
                return
        case "aws_api_gateway_stage":
            for api in target(review, "rest_api_id"):
                if "PRIVATE" in texts(value(api, "endpoint_configuration.0.types")):
                    return
    for kind, attribute in _FIREWALLS:
        if linked(review, kind, attribute):
            return
    for kind, attribute in _FIREWALLS:
        require_no_doubt(review, kind, attribute)
    yield fails("no web ACL is in front of it", "web_acl_id")
