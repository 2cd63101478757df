"""Terraform's own blocks: where modules and providers come from, where state lies, and secrets that
are written into configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from haechi.checks.placeholders import is_stand_in
from haechi.checks.terraform.view import Hit, fails, is_unknown, text, truth, value
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.model.unknown import Unknown

_SECRET = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|secret_key|private_key|api_?key|access_key"
    r"|auth_?token|token|client_secret|credentials?|connection_string)\Z",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"(?:_(?:name|arn|id|ids|path|ref|version|length|file|enabled|rotation|ttl|type|key_id|expiry"
    r"|expiration|policy|url|endpoint))\Z"
    r"|(?:^|_)(?:ssm|path|name|arn)_|(?:^|_)(?:kube(?:rnetes)?|k8s)_secret\Z"
    r"|(?:^|_)(?:firebase_api_key|(?:dkim|verification)_token)\Z",
    re.IGNORECASE,
)
"""What a secret is called or where it lies, and what is published on purpose."""
_PLACE = re.compile(r"(?:~|\.{1,2})?(?:/[a-z0-9_.%-]+)+/?\Z|[a-z0-9_%-]+(?:/[a-z0-9_%-]+)+\Z")
"""``../keys/shop``, ``/shop/api_key``, ``admin/db_password``: where a secret lies."""
_CALLED = re.compile(r"[a-z]+(?:[_-][a-z]+)*[_-](?:token|key|secret|password)\Z|default\Z")
"""``spotinst_token``: the name of a secret."""
_PUBLIC_PARTS = frozenset({"id", "arn", "name", "fingerprint", "status", "create_date", "key_name"})
"""Attributes of keys and secrets that are none."""
_CREDENTIALS = {
    "provider.aws": ("access_key", "secret_key", "token"),
    "provider.azurerm": ("client_secret", "client_certificate_password", "oidc_token"),
    "provider.azuread": ("client_secret", "client_certificate_password", "oidc_token"),
    "provider.google": ("credentials", "access_token"),
    "provider.google-beta": ("credentials", "access_token"),
    "provider.kubernetes": ("token", "password", "client_key"),
    "provider.github": ("token",),
    "provider.gitlab": ("token",),
    "provider.vault": ("token",),
    "provider.cloudflare": ("api_token", "api_key"),
    "provider.digitalocean": ("token", "spaces_secret_key"),
    "provider.datadog": ("api_key", "app_key"),
    "provider.linode": ("token",),
    "provider.hcloud": ("token",),
    "provider.oci": ("private_key", "private_key_password"),
    "provider.postgresql": ("password",),
    "provider.mysql": ("password",),
    "provider.helm": (),
}
_BACKEND = ("secret_key", "access_key", "token", "password", "sas_token", "client_secret")
_SHORTEST_KEY = 40
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_TAG = re.compile(r"(?:refs/)?tags/|v?\d+(?:\.\d+)+|[\w.@/-]*[-_/@]v?\d+\.\d+\.\d+")
"""``v1.2.0``, ``tags/1.2.0``, ``shop@1.2.0``, ``daily-2026.01.31``; ``release-1.2`` is a branch."""
_REGISTRY = re.compile(
    r"(?:[a-z0-9.-]+\.[a-z]{2,}/)?[\w-]+/[\w-]+/[\w-]+(?://.*)?\Z", re.IGNORECASE
)
_EXACT = re.compile(r"=?\s*v?\d+\.\d+\.\d+[\w.+-]*\Z")


def provider_credentials(review: Review) -> Iterator[Hit]:
    """A credential written into a provider block."""
    resource = review.resource
    for name in _CREDENTIALS.get(resource.kind, ()):
        found = resource.data.get(name)
        if found is None or is_unknown(found):
            continue
        word = text(found)
        if word and not is_stand_in(word) and not _is_file(name, word):
            if _is_emulated(resource, word):
                continue
            yield fails(f"{name} of the provider is written into the configuration", name)


def _is_emulated(resource: Resource, word: str) -> bool:
    """An emulator of AWS, or a test, is told any word; Amazon's own keys are longer."""
    skips = resource.data.get("skip_credentials_validation")
    return resource.kind == "provider.aws" and len(word) < 20 and truth(skips, False) is True


def _is_file(name: str, word: str) -> bool:
    """Google's ``credentials`` may be the path of a key file."""
    return name == "credentials" and "{" not in word


def backend_credentials(review: Review) -> Iterator[Hit]:
    """A credential written into the backend block."""
    for name in _BACKEND:
        found = review.resource.data.get(name)
        if found is not None and not is_unknown(found) and not is_stand_in(str(found)):
            yield fails(f"{name} of the backend is written into the configuration", name)


def backend_unencrypted(review: Review) -> Iterator[Hit]:
    """State is sent over plain HTTP, or S3 is told not to encrypt it."""
    resource = review.resource
    kind = text(resource.data.get("type"))
    if kind == "http":
        for name in ("address", "lock_address", "unlock_address"):
            address = text(resource.data.get(name))
            if address and address.lower().startswith("http://") and not _is_own(address):
                yield fails("the state, with every secret in it, goes over plain HTTP", name)
        if truth(resource.data.get("skip_cert_verification"), False):
            yield fails("the certificate of the server that keeps the state is not checked")
    elif kind == "consul" and (text(resource.data.get("scheme")) or "http") == "http":
        address = text(resource.data.get("address"))
        if address and not _is_own(f"http://{address}"):
            yield fails("the state, with every secret in it, goes to Consul over plain HTTP")
    elif kind == "s3" and (
        resource.data.get("encrypt") is not None and not truth(resource.data["encrypt"], True)
    ):
        yield fails("encryption of the state is switched off", "encrypt")


def _is_own(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def module_unpinned(review: Review) -> Iterator[Hit]:
    """A module from elsewhere whose contents may change under the same name."""
    resource = review.resource
    source = text(resource.data.get("source"))
    if not source or source.startswith(("./", "../", "/")):
        return
    if _REGISTRY.match(source):
        version = resource.data.get("version")
        if version is None:
            yield fails(f"{source} is taken in whatever version is newest", "source")
        return
    ref = _ref(source)
    if _is_git(source) and not (ref and (_COMMIT.match(ref) or _TAG.match(ref))):
        told = f"follows {ref!r}, which moves" if ref else "follows the default branch"
        yield fails(f"the module {told}", "source")


def module_tag(review: Review) -> Iterator[Hit]:
    """A tag can be moved; a commit cannot."""
    source = text(review.resource.data.get("source")) or ""
    ref = _ref(source)
    if _is_git(source) and ref and _TAG.match(ref) and not _COMMIT.match(ref):
        name = ref.removeprefix("refs/").removeprefix("tags/")
        yield fails(f"the tag {name} may be moved to other code", "source")


def module_plain_http(review: Review) -> Iterator[Hit]:
    """Code that comes over a connection that anybody on the way may change."""
    source = text(review.resource.data.get("source")) or ""
    plain = source.removeprefix("git::").removeprefix("hg::")
    if plain.startswith(("http://", "git://")) and not _is_own(plain):
        yield fails("the module is fetched without TLS", "source")


def _is_git(source: str) -> bool:
    return (
        source.startswith(("git::", "git@", "github.com/", "bitbucket.org/", "gitlab.com/"))
        or ".git?" in source
        or source.endswith(".git")
        or ".git//" in source
    )


def _ref(source: str) -> str:
    query = source.partition("?")[2]
    return parse_qs(query).get("ref", [""])[0]


def variable_secret(review: Review) -> Iterator[Hit]:
    """A variable that is named as a secret and has one as its default."""
    name = review.resource.name.rpartition("var.")[2]
    default = review.resource.data.get("default")
    if not _is_secret_name(name) or default is None or is_unknown(default):
        return
    if isinstance(default, str) and len(default) >= 4 and _is_secret_value(name, default):
        yield fails(
            f"the default of {name} is a secret that everybody with the code has", "default"
        )


def _is_secret_value(name: str, word: str) -> bool:
    """Not a stand-in, and not where or under which name the secret is kept."""
    if name.lower().endswith("private_key") and "\n" not in word and len(word) < _SHORTEST_KEY:
        return False  # the path of its file
    called = "pass" not in name.lower() and _CALLED.match(word)  # a password may be a weak one
    return not (is_stand_in(word) or _PLACE.match(word) or called)


def output_secret(review: Review) -> Iterator[Hit]:
    """An output of a root module that is named as a secret and not marked sensitive. Those of
    modules that are called are printed by nobody: their callers' outputs are judged."""
    resource = review.resource
    name = resource.name.rpartition("output.")[2]
    if resource.name.startswith("module.") or not _is_secret_name(name):
        return
    if truth(resource.data.get("sensitive"), False):
        return
    found = value(resource, "value")
    if found is not None and not _is_public(found):
        yield fails(f"{name} is printed by every apply and kept in logs of pipelines")


def _is_public(found: Any) -> bool:
    """The id of a key, the name of a secret: all that it refers to is no secret."""
    refs = found.refs if isinstance(found, Unknown) else ()
    ends = [next((step for step in reversed(one.path) if type(step) is str), "") for one in refs]
    return bool(ends) and all(end in _PUBLIC_PARTS for end in ends)


def _is_secret_name(name: str) -> bool:
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)


def github_plaintext(review: Review) -> Iterator[Hit]:
    """A secret of GitHub Actions whose value is written beside it."""
    found = review.resource.data.get("plaintext_value")
    if found is None or is_unknown(found):
        return
    word = text(found)
    if word and not is_stand_in(word):
        yield fails("the secret's value is written into the configuration", "plaintext_value")
