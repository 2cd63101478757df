"""OPA's builtins (those of 1.20, and the deprecated ones that v0 has).

``BUILTINS`` by dotted name, operators included. ``REFUSED`` tells, of each builtin of OPA's that is
not here, why: a policy that calls it is refused when it is loaded, not when it first decides.
``assign`` and ``eq`` are the compiler's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from haechi.engines.rego.builtins import (
    aggregates,
    arithmetic,
    comparison,
    digests,
    encoding,
    globs,
    graphs,
    networks,
    objects,
    paths,
    regexes,
    schemas,
    strings,
    surroundings,
    templates,
    times,
    tokens,
    units,
    uris,
)
from haechi.engines.rego.builtins.builtin import Builtin, Context

__all__ = ["BUILTINS", "REFUSED", "Builtin", "Context"]

_TABLES = (
    aggregates,
    arithmetic,
    comparison,
    times,
    tokens,
    surroundings,
    templates,
    paths,
    networks,
    digests,
    encoding,
    globs,
    graphs,
    objects,
    regexes,
    schemas,
    strings,
    units,
    uris,
)

BUILTINS: Final[Mapping[str, Builtin]] = {
    builtin.name: builtin for module in _TABLES for builtin in module.TABLE
}

_NETWORK = "a decision must not depend on the network"

REFUSED: Final[Mapping[str, str]] = {
    "http.send": _NETWORK,
    "net.lookup_ip_addr": _NETWORK,
    "providers.aws.sign_req": "it signs requests to a network that policies have no way to",
    "io.jwt.encode_sign": "a policy that decides has nothing to sign",
    "io.jwt.encode_sign_raw": "a policy that decides has nothing to sign",
    **dict.fromkeys(
        (
            "crypto.parse_private_keys",
            "crypto.x509.parse_and_verify_certificates",
            "crypto.x509.parse_and_verify_certificates_with_options",
            "crypto.x509.parse_certificate_request",
            "crypto.x509.parse_certificates",
            "crypto.x509.parse_keypair",
            "crypto.x509.parse_rsa_private_key",
        ),
        "certificates and private keys are not read by policies here",
    ),
    **dict.fromkeys(
        (
            "graphql.is_valid",
            "graphql.parse",
            "graphql.parse_and_verify",
            "graphql.parse_query",
            "graphql.parse_schema",
            "graphql.schema_is_valid",
        ),
        "GraphQL does not come before an admission webhook",
    ),
    **dict.fromkeys(
        ("rego.metadata.chain", "rego.metadata.rule", "rego.parse_module"),
        "annotations and syntax of policies are not kept until they are evaluated",
    ),
    "internal.test_case": "it belongs to opa test",
}
