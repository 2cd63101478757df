"""Rules about Istio: mutual TLS and authorization that is weaker than it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.lookup import Groups, any_sharing, by_namespace, grouped
from haechi.checks.neighbours import spec_of, texts
from haechi.checks.pods.view import items, mapping
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review

_AUTHORIZATION = "security.istio.io/AuthorizationPolicy"
_REQUEST_AUTHENTICATION = "security.istio.io/RequestAuthentication"
_WEAK_MTLS = ("PERMISSIVE", "DISABLE")
ROOT_NAMESPACE = "istio-system"


def plain_text_accepted(review: Review) -> Iterator[Hit]:
    """PERMISSIVE or DISABLE, for the workload or for single ports."""
    body = spec_of(review.resource.data)
    found: list[tuple[Any, AttrPath]] = [
        (mapping(body.get("mtls")).get("mode"), ("spec", "mtls", "mode"))
    ]
    for port, entry in mapping(body.get("portLevelMtls")).items():
        found.append((mapping(entry).get("mode"), ("spec", "portLevelMtls", port, "mode")))
    for mode, path in found:
        if mode in _WEAK_MTLS:
            what = f" on port {path[2]}" if len(path) == 4 else ""
            text = (
                f'PeerAuthentication "{review.resource.name}" accepts traffic without mutual '
                f"TLS{what} (mode {mode})"
            )
            yield Hit(text, path)


def allows_everything(review: Review) -> Iterator[Hit]:
    """An ALLOW rule without any condition."""
    body = spec_of(review.resource.data)
    if body.get("action", "ALLOW") != "ALLOW":
        return
    for index, rule in enumerate(items(body.get("rules"))):
        if isinstance(rule, dict) and not any(rule.get(key) for key in ("from", "to", "when")):
            text = f'AuthorizationPolicy "{review.resource.name}" allows every request'
            yield Hit(text, ("spec", "rules", index))


def any_principal(review: Review) -> Iterator[Hit]:
    """``*`` as the only thing asked of the caller."""
    body = spec_of(review.resource.data)
    if body.get("action", "ALLOW") != "ALLOW":
        return
    for path, source in _sources(body):
        limits = {key for key, value in source.items() if value}
        for key in ("principals", "namespaces"):
            if limits == {key} and "*" in texts(source.get(key)):
                text = (
                    f'AuthorizationPolicy "{review.resource.name}" accepts any of {key}, that is '
                    "every workload of the mesh"
                )
                yield Hit(text, (*path, key))


def bearer_presence(review: Review) -> Iterator[Hit]:
    """``Bearer *`` as a header value: any text after Bearer passes, valid token or not."""
    body = spec_of(review.resource.data)
    if body.get("action", "ALLOW") != "ALLOW" or _verifies_tokens(review):
        return
    for index, rule in enumerate(items(body.get("rules"))):
        for place, entry in enumerate(items(mapping(rule).get("when"))):
            condition = mapping(entry)
            key = str(condition.get("key")).lower()
            loose = [
                v for v in texts(condition.get("values")) if v in ("*", "Bearer *", "bearer *")
            ]
            if key == "request.headers[authorization]" and loose:
                text = (
                    f'AuthorizationPolicy "{review.resource.name}" asks for a header '
                    f'"{loose[0]}": that is there or not, any token passes unverified'
                )
                yield Hit(text, ("spec", "rules", index, "when", place, "values"))


def token_not_required(review: Review) -> Iterator[Hit]:
    """RequestAuthentication refuses bad tokens; requests without one pass."""
    if not review.scope.of_type(_REQUEST_AUTHENTICATION):
        return
    strict = grouped(review, "policies that require a token", lambda: _strict(review))
    if _reaches(strict, review.resource):
        return
    text = (
        f'RequestAuthentication "{review.resource.name}" checks tokens that are sent, and no '
        "AuthorizationPolicy in these files requires one"
    )
    yield Hit(text, ("spec", "jwtRules"))


def plain_gateway(review: Review) -> Iterator[Hit]:
    """A gateway server in plain HTTP that does not redirect."""
    for index, entry in enumerate(items(spec_of(review.resource.data).get("servers"))):
        server = mapping(entry)
        protocol = mapping(server.get("port")).get("protocol")
        if not isinstance(protocol, str) or protocol.upper() not in ("HTTP", "HTTP2", "GRPC"):
            continue
        if mapping(server.get("tls")).get("httpsRedirect") is not True:
            text = f'Gateway "{review.resource.name}" serves {protocol} without TLS or redirect'
            yield Hit(text, ("spec", "servers", index, "port", "protocol"))


def unverified_upstream(review: Review) -> Iterator[Hit]:
    """TLS switched off, or on without checking the certificate, towards a host or subset."""
    for path, tls in _client_tls(spec_of(review.resource.data)):
        who = f'DestinationRule "{review.resource.name}"'
        if tls.get("mode") == "DISABLE":
            yield Hit(f"{who} switches TLS off (mode DISABLE)", (*path, "mode"))
        elif tls.get("insecureSkipVerify") is True:
            yield Hit(f"{who} does not verify the server", (*path, "insecureSkipVerify"))


def _client_tls(body: Mapping[str, Any]) -> Iterator[tuple[AttrPath, Mapping[str, Any]]]:
    policies: list[tuple[AttrPath, Mapping[str, Any]]] = [
        (("spec", "trafficPolicy"), mapping(body.get("trafficPolicy")))
    ]
    for index, subset in enumerate(items(body.get("subsets"))):
        policy = mapping(mapping(subset).get("trafficPolicy"))
        policies.append((("spec", "subsets", index, "trafficPolicy"), policy))
    for path, policy in policies:
        yield (*path, "tls"), mapping(policy.get("tls"))
        for index, port in enumerate(items(policy.get("portLevelSettings"))):
            yield (*path, "portLevelSettings", index, "tls"), mapping(mapping(port).get("tls"))


def _sources(body: Mapping[str, Any]) -> Iterator[tuple[AttrPath, Mapping[str, Any]]]:
    for index, rule in enumerate(items(body.get("rules"))):
        for place, entry in enumerate(items(mapping(rule).get("from"))):
            path = ("spec", "rules", index, "from", place, "source")
            yield path, mapping(mapping(entry).get("source"))


def _verifies_tokens(review: Review) -> bool:
    return _reaches(by_namespace(review, _REQUEST_AUTHENTICATION), review.resource)


def _reaches(policies: Groups, resource: Resource) -> bool:
    """Whether one of them counts for the resource's namespace: its own or Istio's root."""
    return any_sharing(policies, resource) or ROOT_NAMESPACE in policies


def _strict(review: Review) -> Iterator[tuple[str | None, Resource]]:
    for policy in review.scope.of_type(_AUTHORIZATION):
        if _requires_token(spec_of(policy.data)):
            yield policy.namespace, policy


def _requires_token(body: Mapping[str, Any]) -> bool:
    """ALLOW with requestPrincipals or a claim, or DENY of callers without one."""
    keys = ("requestPrincipals", "notRequestPrincipals")
    if any(source.get(key) for _, source in _sources(body) for key in keys):
        return True
    return any(
        str(mapping(condition).get("key")).startswith("request.auth.")
        for rule in items(body.get("rules"))
        for condition in items(mapping(rule).get("when"))
    )
