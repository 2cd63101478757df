"""Comments that say of a credential beside them that it may stand: ours and other tools'.

The language of the file is not known, so a remark is looked for in the line of the value, and
above it where that line is nothing but a comment.
"""

from __future__ import annotations

import re

import msgspec

_LOOK = 1_000
_OURS = re.compile(
    rb"haechi:allow[ \t]+([a-z*][\w*-]*(?:[ \t]*,[ \t]*[a-z*][\w*-]*)*)([^\r\n]{0,300})"
)
_PEERS = re.compile(
    rb"gitleaks:allow|betterleaks:allow|kingfisher:(?:ignore|allow)|trufflehog:ignore"
    rb"|pragma: ?(?:allow|white)list secret"
)
_COMMENT = re.compile(rb"\s*(?:#|//|--|;|/\*|<!--|\*|%|\")")


class Remark(msgspec.Struct, frozen=True):
    """What a comment allows: rules (empty for a peer's, which names none) and why."""

    source: str
    rules: tuple[str, ...] = ()
    reason: str = ""


def remark_at(data: bytes, start: int, end: int) -> Remark | None:
    """The remark that covers the value at these offsets."""
    begin = data.rfind(b"\n", 0, start) + 1
    after = data.find(b"\n", end)
    after = len(data) if after < 0 else after
    # The value itself takes no part: what it holds is nobody's remark.
    line = data[max(begin, start - _LOOK) : start] + b" " + data[end : min(after, end + _LOOK)]
    above = data[max(data.rfind(b"\n", 0, max(begin - 1, 0)) + 1, begin - _LOOK) : begin]
    for text in (line, above if _COMMENT.match(above) else b""):
        if b":" not in text:
            continue
        ours = _OURS.search(text)
        if ours:
            names = tuple(name.strip() for name in ours[1].decode("ascii", "replace").split(","))
            reason = " ".join(ours[2].decode("utf-8", "replace").split()).lstrip("-–—:=/ ")
            return Remark("haechi:allow", names, reason)
        peer = _PEERS.search(text)
        if peer:
            return Remark(peer[0].decode("ascii"))
    return None
