"""Amazon CloudFront and Route 53: what is in front of the web and what its names point to.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_set,
    is_unknown,
    linked,
    require_no_doubt,
    resources,
    text,
    texts,
    truth,
    value,
)
from haechi.model.review import Review

_OLD_TLS = frozenset({"SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016"})
_OLD_ORIGIN = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
_S3 = re.compile(r"\A[a-z0-9.-]+\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?\Z")
_WEBSITE = re.compile(r"\bs3-website[.-][a-z0-9-]+\.amazonaws\.com")
_BEANSTALK = re.compile(r"\A([a-z0-9-]+)\.(?:[a-z0-9-]+\.)?elasticbeanstalk\.com\.?\Z")


def plain_viewers(review: Review) -> Iterator[Hit]:
    """Visitors are served over plain HTTP."""
    for name in ("default_cache_behavior", "ordered_cache_behavior"):
        for behaviour in blocks(review.resource, name, possible=True):
            if text(behaviour.get("viewer_protocol_policy")) == "allow-all":
                yield Hit(
                    "whoever asks by plain HTTP is answered by it",
                    behaviour.at("viewer_protocol_policy"),
                )


def old_tls(review: Review) -> Iterator[Hit]:
    """Visitors are served over TLS of the past. With CloudFront's own certificate there is no
    choice."""
    for block in blocks(review.resource, "viewer_certificate"):
        if truth(block.get("cloudfront_default_certificate"), False):
            return
        least = text(block.get("minimum_protocol_version")) or "TLSv1"
        if least in _OLD_TLS:
            yield Hit(f"{least} is enough", block.at("minimum_protocol_version"))


def no_logs(review: Review) -> Iterator[Hit]:
    """Nobody writes down who visits: neither by the old way of logging, nor by the new one."""
    resource = review.resource
    if any(is_set(block.get("bucket")) for block in blocks(resource, "logging_config")):
        return
    for behaviour in blocks(resource, "default_cache_behavior"):
        if is_set(behaviour.get("realtime_log_config_arn")):
            return
    delivery = "aws_cloudwatch_log_delivery_source"
    if linked(review, delivery, "resource_arn"):
        return
    require_no_doubt(review, delivery, "resource_arn")
    yield fails("nobody writes down who visits", "logging_config")


def plain_origin(review: Review) -> Iterator[Hit]:
    """CloudFront fetches over plain HTTP. A website of S3 speaks nothing else."""
    for origin in blocks(review.resource, "origin", possible=True):
        for custom in blocks(origin, "custom_origin_config"):
            policy = text(custom.get("origin_protocol_policy"))
            if policy not in ("http-only", "match-viewer"):
                continue
            name = origin.get("domain_name")
            if is_unknown(name):
                if any(part.path and part.path[-1] in _ENDPOINTS for part in name.refs):
                    continue
            elif _WEBSITE.search(text(name) or ""):
                continue
            yield Hit(f"it fetches over plain HTTP ({policy})", custom.at("origin_protocol_policy"))


_ENDPOINTS = ("website_endpoint", "website_domain")


def old_origin_tls(review: Review) -> Iterator[Hit]:
    """CloudFront takes TLS of the past from its origin."""
    for origin in blocks(review.resource, "origin", possible=True):
        for custom in blocks(origin, "custom_origin_config"):
            if text(custom.get("origin_protocol_policy")) == "http-only":
                continue
            old = sorted(_OLD_ORIGIN & set(texts(custom.get("origin_ssl_protocols"))))
            if old:
                yield Hit(f"{', '.join(old)} may be used", custom.at("origin_ssl_protocols"))


def open_bucket(review: Review) -> Iterator[Hit]:
    """An origin in S3 that CloudFront reads as anybody: so the bucket has to be public."""
    for origin in blocks(review.resource, "origin", possible=True):
        if not _is_bucket(origin.get("domain_name")):
            continue
        if is_set(origin.get("origin_access_control_id")):
            continue
        if any(True for _ in blocks(origin, "custom_origin_config")):
            continue
        identities = blocks(origin, "s3_origin_config")
        if not any(is_set(one.get("origin_access_identity")) for one in identities):
            yield Hit("it reads the bucket as anybody may", origin.at("origin_access_control_id"))


def _is_bucket(name: object) -> bool:
    if is_unknown(name):
        ends = ("bucket_regional_domain_name", "bucket_domain_name")
        refs = getattr(name, "refs", ())
        return any(one.path and one.path[-1] in ends for one in refs)
    return bool(_S3.match(text(name) or ""))


def no_dnssec(review: Review) -> Iterator[Hit]:
    """A public zone without signatures."""
    if _is_private(review):
        return
    signing = "aws_route53_hosted_zone_dnssec"
    for one in linked(review, signing, "hosted_zone_id"):
        if (text(one.data.get("signing_status")) or "SIGNING") == "SIGNING":
            return
    require_no_doubt(review, signing, "hosted_zone_id")
    yield fails("answers for its names can be forged")


def _is_private(review: Review) -> bool:
    if any(True for _ in blocks(review.resource, "vpc")):
        return True
    return bool(linked(review, "aws_route53_zone_association", "zone_id"))


def no_query_log(review: Review) -> Iterator[Hit]:
    """A public zone of which nobody writes down the questions."""
    if _is_private(review) or linked(review, "aws_route53_query_log", "zone_id"):
        return
    require_no_doubt(review, "aws_route53_query_log", "zone_id")
    yield fails("nobody writes down what is asked")


def dangling(review: Review) -> Iterator[Hit]:
    """A name that points to a bucket's website or a Beanstalk address that anybody may take."""
    resource = review.resource
    name = (text(resource.data.get("name")) or "").rstrip(".").lower()
    pointed = [text(one.get("name")) or "" for one in blocks(resource, "alias") if _known(one)]
    if text(resource.data.get("type")) == "CNAME":
        pointed += texts(resource.data.get("records"))
    for end in pointed:
        if _WEBSITE.search(end):
            bucket = end.partition(".s3-website")[0] if ".s3-website" in end else name
            if not _there(review, "aws_s3_bucket", "bucket", bucket):
                yield fails(f"the bucket {bucket} that it points to is not declared here", "name")
            continue
        found = _BEANSTALK.match(end.lower())
        kind = "aws_elastic_beanstalk_environment"
        if found and not _there(review, kind, "cname_prefix", found[1]):
            yield fails(f"nothing here has the address {end}", "name")


def _known(alias: object) -> bool:
    return not is_unknown(value(alias, "name"))  # type: ignore[arg-type]


def _there(review: Review, kind: str, attribute: str, wanted: str) -> bool:
    for one in resources(review, kind):
        found = one.data.get(attribute)
        if found is not None and text(found) == wanted:
            return True
    return False
