"""Image references: ``[registry[:port]/]repository[:tag][@algorithm:digest]``.

Reading never raises: a manifest or a Dockerfile may hold anything where an image is expected,
and half a reference still tells a rule something. ``valid`` says whether a container runtime
would accept it (grammar of distribution/reference, with Docker's defaults filled in).
"""

from __future__ import annotations

import re

import msgspec

DEFAULT_REGISTRY = "docker.io"
_DEFAULT_PREFIX = "library/"
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com"})
_MAX_LENGTH = 2048

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}\Z")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}\Z")
_REGISTRY = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?\Z"
)


class ImageRef(msgspec.Struct, frozen=True):
    """A reference with its defaults filled in; ``tag`` and ``digest`` are None when not written.

    ``repository`` of an official image carries ``library/``: ``nginx`` is ``library/nginx``.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def mutable(self) -> bool:
        """True unless a well-formed digest pins the content: any tag can be moved."""
        return self.digest is None or not _DIGEST.match(self.digest)

    @property
    def floating(self) -> bool:
        """True when it follows ``latest``, said or implied, and nothing pins it."""
        return self.mutable and self.tag in (None, "", "latest")

    @property
    def name(self) -> str:
        """Registry and repository, which is what an allow list compares."""
        return f"{self.registry}/{self.repository}"

    @property
    def short_name(self) -> str:
        """The name as people write it: Docker Hub's own prefixes left away."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        return self.repository.removeprefix(_DEFAULT_PREFIX)

    @property
    def official(self) -> bool:
        """True for Docker Hub's official images."""
        return self.registry == DEFAULT_REGISTRY and self.repository.startswith(_DEFAULT_PREFIX)

    @property
    def valid(self) -> bool:
        """True when a runtime accepts it."""
        digest_fits = self.digest is None or bool(
            _SHA256.match(self.digest)
            if self.digest.startswith("sha256:")
            else _DIGEST.match(self.digest)
        )
        return (
            len(self.repository) <= 255
            and bool(_REPOSITORY.match(self.repository))
            and bool(_REGISTRY.match(self.registry))
            and (self.tag is None or bool(_TAG.match(self.tag)))
            and digest_fits
        )

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.short_name}{tag}{digest}"


def parse_image(ref: str) -> ImageRef:
    """Split a reference and fill in Docker's defaults. Any text is read; see ``valid``."""
    text = ref.strip()[:_MAX_LENGTH]
    text, at, digest = text.partition("@")
    # A colon before the last slash belongs to the registry's port.
    head, slash, tail = text.rpartition("/")
    tail, colon, tag = tail.partition(":")
    registry, repository = _split_registry(f"{head}{slash}{tail}")
    return ImageRef(
        registry=registry,
        repository=repository,
        tag=tag if colon else None,
        digest=digest if at else None,
    )


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # Docker's rule: the first part is a registry only if it looks like a host.
    is_host = bool(slash) and (
        "." in first or ":" in first or first == "localhost" or first.lower() != first
    )
    registry, repository = (first, rest) if is_host else (DEFAULT_REGISTRY, name)
    registry = registry.lower()
    if registry in _HUB_NAMES:
        registry = DEFAULT_REGISTRY
        if repository and "/" not in repository:
            repository = _DEFAULT_PREFIX + repository
    return registry, repository
