"""API Gateway of both generations, and Lambda: who may call, by which address, with what.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec

from haechi.checks.terraform.view import (
    Hit,
    blocks,
    documents,
    fails,
    is_set,
    linked,
    target,
    text,
    texts,
    truth,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.rules.compiled import table


class Ends(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """data/tables/aws_ends.yaml."""

    as_of: dt.date
    lambda_runtimes: dict[str, dt.date]
    eks_versions: dict[str, dt.date]


def ends() -> Ends:
    """When AWS ends what it runs. Compared with the table's own date, never with the clock."""
    return table("aws_ends", Ends)


def open_method(review: Review) -> Iterator[Hit]:
    """A method of a REST API that everybody may call."""
    resource = review.resource
    if text(resource.data.get("http_method")) == "OPTIONS":
        return  # browsers ask it without credentials
    if (text(resource.data.get("authorization")) or "NONE") != "NONE":
        return
    if truth(resource.data.get("api_key_required"), False):
        return
    apis = target(review, "rest_api_id")
    if any(_is_closed(review, api) for api in apis):
        return
    yield fails("whoever finds its address may call it", "authorization")


def _is_closed(review: Review, api: Resource) -> bool:
    """A private API, or one whose policy says who may call."""
    if "PRIVATE" in texts(value(api, "endpoint_configuration.0.types")):
        return True
    holders = [api, *linked(review, "aws_api_gateway_rest_api_policy", "rest_api_id", about=api)]
    allowed = refused = False
    for holder in holders:
        for statement in documents(holder, "policy"):
            allowed = allowed or statement.is_public
            refused = refused or not statement.allows or statement.is_narrowed
    return refused or (not allowed and any(is_set(one.data.get("policy")) for one in holders))


def open_route(review: Review) -> Iterator[Hit]:
    """A route of an HTTP or WebSocket API that everybody may call."""
    resource = review.resource
    key = text(resource.data.get("route_key")) or ""
    if key.startswith("OPTIONS ") or (key.startswith("$") and key not in ("$connect", "$default")):
        return
    if (text(resource.data.get("authorization_type")) or "NONE") != "NONE":
        return
    if truth(resource.data.get("api_key_required"), False):
        return
    for api in target(review, "api_id"):
        if text(api.data.get("protocol_type")) == "WEBSOCKET" and key != "$connect":
            return  # who may connect is decided once, at $connect
    yield fails("whoever finds its address may call it", "authorization_type")


def open_permission(review: Review) -> Iterator[Hit]:
    """A function that every AWS account may invoke."""
    data = review.resource.data
    if text(data.get("principal")) != "*":
        return
    if any(is_set(data.get(n)) for n in ("principal_org_id", "source_account", "source_arn")):
        return
    kind = text(data.get("function_url_auth_type"))
    if kind is None:
        yield fails("whoever has any AWS account may invoke it", "principal")
    elif kind == "NONE":
        yield fails("whoever finds its address may invoke it", "principal")


def confused_service(review: Review) -> Iterator[Hit]:
    """A service of AWS may invoke on behalf of anybody's resources."""
    data = review.resource.data
    principal = text(data.get("principal")) or ""
    if not principal.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return
    if any(
        is_set(data.get(name))
        for name in ("source_arn", "source_account", "event_source_token", "principal_org_id")
    ):
        return
    yield fails(f"{principal} may invoke it for resources of any account", "principal")


def ended_runtime(review: Review) -> Iterator[Hit]:
    """A runtime that AWS no longer patches."""
    runtime = text(review.resource.data.get("runtime"))
    if runtime is None:
        return
    known = ends()
    date = known.lambda_runtimes.get(runtime)
    if date is not None and date < known.as_of:
        yield fails(f"{runtime} has had no fixes since {date}", "runtime")


def ended_kubernetes(review: Review) -> Iterator[Hit]:
    """A version of Kubernetes past its standard support."""
    version = text(review.resource.data.get("version"))
    known = ends()
    date = known.eks_versions.get(version or "")
    if date is not None and date < known.as_of:
        yield fails(f"standard support of {version} ended on {date}", "version")


def trace_of_data(review: Review) -> Iterator[Hit]:
    """Whole requests and answers are written into the log."""
    for block in blocks(review.resource, "settings"):
        if truth(block.get("data_trace_enabled"), False):
            yield Hit(
                "whole requests and answers are written into the log",
                block.at("data_trace_enabled"),
            )
