"""The providers of Kubernetes and Helm themselves, and what a Helm release is given.

What the objects of these providers hold is judged by the rules for manifests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from haechi.checks.placeholders import is_stand_in
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_unknown,
    text,
    truth,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

_SECRET = re.compile(
    r"(?:passwd|password|passphrase|secret|secret_?key|private_?key|api_?key|access_?key|token"
    r"|credentials?)\Z",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"(?:existing_?secret|secret_?name|pull_?secret|tls_?secret)\Z", re.I)


def _connections(resource: Resource) -> Iterator[Block]:
    """Where a provider says how it reaches the cluster: Helm has a block (or object) for it."""
    yield Block(resource.data, ())
    yield from blocks(resource, "kubernetes")


def unverified(review: Review) -> Iterator[Hit]:
    """The certificate of the API server is not looked at."""
    for block in _connections(review.resource):
        if truth(block.get("insecure"), False):
            yield Hit("the certificate of the API server is not checked", block.at("insecure"))


def plain_api(review: Review) -> Iterator[Hit]:
    """The API server is spoken to without TLS."""
    for block in _connections(review.resource):
        host = block.get("host")
        if host is not None and _is_plain(host):
            yield Hit("tokens and objects go over plain HTTP", block.at("host"))


def _is_plain(address: Any) -> bool:
    if is_unknown(address):
        head = address.parts[0] if address.parts else ""
        rest = head.removeprefix("http://") if type(head) is str else ""
        return rest != head and not rest.startswith(("localhost", "127."))
    said = text(address) or ""
    host = urlsplit(said).hostname or ""
    own = host in ("localhost", "::1") or host.startswith("127.")
    return said.startswith("http://") and not own


def provider_password(review: Review) -> Iterator[Hit]:
    """A credential in a block of Helm's provider."""
    for name in ("kubernetes", "registry", "registries"):
        for block in blocks(review.resource, name):
            for key in ("password", "token", "client_key"):
                if _is_literal(block.get(key)):
                    yield Hit(f"{key} is written into the configuration", block.at(key))


def _is_literal(found: Any) -> bool:
    if found is None or is_unknown(found):
        return False
    word = text(found)
    return bool(word) and not is_stand_in(str(word))


def repository_password(review: Review) -> Iterator[Hit]:
    """The password of a chart repository."""
    found = review.resource.data.get("repository_password")
    if _is_literal(found):
        yield fails("the repository's password is written into the configuration", _PASSWORD)


_PASSWORD = "repository_password"  # noqa: S105 - the attribute's name


def plain_repository(review: Review) -> Iterator[Hit]:
    """A chart that comes over a connection that anybody on the way may change."""
    for name in ("repository", "chart"):
        found = review.resource.data.get(name)
        if found is not None and _is_plain(found):
            yield fails("the chart is fetched without TLS", name)


def release_secret(review: Review) -> Iterator[Hit]:
    """A secret among the values of a release."""
    for name in ("set_sensitive", "set"):
        for block in blocks(review.resource, name):
            key, found = block.get("name"), block.get("value")
            if not _is_literal(found) or is_unknown(key):
                continue
            said = (text(key) or "").replace("\\.", "_").rpartition(".")[2]
            secret = bool(_SECRET.search(said)) and not _NO_SECRET.search(said)
            if len(text(found) or "") >= 6 and (secret or name == "set_sensitive"):
                yield Hit(f"the value of {text(key)} is written here", block.at("value"))


def unpinned_chart(review: Review) -> Iterator[Hit]:
    """Whatever chart is newest when somebody applies."""
    data = review.resource.data
    chart = data.get("chart")
    local = not is_unknown(chart) and (text(chart) or "").startswith((".", "/"))
    remote = data.get("repository") is not None or (
        not is_unknown(chart) and (text(chart) or "").startswith("oci://")
    )
    if data.get("version") is None and remote and not local:
        yield fails("the newest chart is taken, whatever it is", "version")
