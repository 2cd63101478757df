"""``uses:`` as its parts, and what the reference after the @ pins it to.

GitHub resolves the reference at every run: a branch follows each push, a tag can be moved by
whoever may write to the repository, a full commit hash is content. Names do not tell tags from
branches, so what reads like a version counts as a tag and everything else as a branch.
"""

from __future__ import annotations

import re
from enum import StrEnum, auto

import msgspec

from haechi.engines.image_ref import ImageRef, parse_image

_HASH = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z", re.IGNORECASE)
_SHORT_HASH = re.compile(r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,39}\Z", re.IGNORECASE)
_VERSION = re.compile(
    r"(?:refs/tags/.+"
    r"|[A-Za-z0-9_.-]{0,60}?\d+(?:[._]\d+)*(?:[-+._][A-Za-z0-9_.+-]{1,60})?)\Z"
)
_BRANCH_LIKE = re.compile(
    r"(?:refs/heads/|releases?[/-]|branch|develop|main|master|trunk|head|feature|fix|pull/)",
    re.IGNORECASE,
)
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_LONGEST = 512


class Kind(StrEnum):
    """What a ``uses:`` names."""

    LOCAL = auto()
    DOCKER = auto()
    ACTION = auto()
    WORKFLOW = auto()
    INVALID = auto()


class Pin(StrEnum):
    """What holds a reference in place."""

    HASH = auto()
    TAG = auto()
    BRANCH = auto()
    SHORT_HASH = auto()
    NONE = auto()


class Uses(msgspec.Struct, frozen=True, kw_only=True):
    """A ``uses:``. ``name`` is ``owner/repo[/path]`` as written; ``pin`` what ``ref`` is."""

    written: str
    kind: Kind
    owner: str = ""
    repo: str = ""
    path: str = ""
    ref: str = ""
    pin: Pin = Pin.NONE
    image: ImageRef | None = None

    @property
    def name(self) -> str:
        """``owner/repo`` with the path inside the repository, as written."""
        return "/".join(filter(None, (self.owner, self.repo, self.path)))

    @property
    def key(self) -> str:
        """The name as tables hold it: GitHub does not tell upper from lower case."""
        return self.name.lower()

    @property
    def remote(self) -> bool:
        """True when it is fetched from another repository."""
        return self.kind in (Kind.ACTION, Kind.WORKFLOW)

    @property
    def mutable(self) -> bool:
        """True when somebody else can change what runs without a change here."""
        if self.kind is Kind.DOCKER:
            return self.image is not None and self.image.mutable
        return self.remote and self.pin is not Pin.HASH

    @property
    def official(self) -> bool:
        """True for GitHub's own: whoever runs them could change the platform as well."""
        return self.owner.lower() in ("actions", "github")


def parse_uses(written: str) -> Uses:
    """The parts of a ``uses:``; any text is read."""
    value = written.strip()[:_LONGEST]
    if value.startswith(("./", ".\\", "../")):
        return Uses(written=value, kind=Kind.LOCAL)
    if value.startswith("docker://"):
        image = parse_image(value.removeprefix("docker://"))
        return Uses(written=value, kind=Kind.DOCKER, image=image)
    name, at, ref = value.partition("@")
    parts = name.rstrip("/").split("/")
    if "${{" in value or len(parts) < 2 or not (_OWNER.match(parts[0]) and parts[1]):
        return Uses(written=value, kind=Kind.INVALID)
    path = "/".join(parts[2:])
    workflow = path.startswith(".github/workflows/") and path.endswith((".yml", ".yaml"))
    return Uses(
        written=value,
        kind=Kind.WORKFLOW if workflow else Kind.ACTION,
        owner=parts[0],
        repo=parts[1],
        path=path,
        ref=ref if at else "",
        pin=pin_of(ref),
    )


def pin_of(ref: str) -> Pin:
    """What a reference pins to, by its looks."""
    if not ref:
        return Pin.NONE
    if _HASH.match(ref):
        return Pin.HASH
    if _SHORT_HASH.match(ref):
        return Pin.SHORT_HASH
    if _BRANCH_LIKE.match(ref) or not _VERSION.match(ref):
        return Pin.BRANCH
    return Pin.TAG
