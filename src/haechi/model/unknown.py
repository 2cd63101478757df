"""A value that exists but cannot be known before it is applied, or without being told.

It is never left out of the data (an absent key means "not set") and never guessed: a rule that
looks at one answers ``not_evaluated``. What *is* known of it travels along: which resources it
comes from, the known pieces of a text, the structure inside an encoded document.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Reference(msgspec.Struct, frozen=True):
    """``aws_s3_bucket.logs`` and what is asked of it (``("arn",)``). ``address`` is the whole
    address of a resource, data source or module output, instances included where known."""

    address: str
    path: tuple[str | int, ...] = ()


class Unknown:
    """``reason`` says why, for people; ``cause`` names what would have to be known
    (``var.region at main.tf:3``, ``aws_kms_key.k.arn``): gaps are told by cause.

    ``refs`` are the resources that it comes from. ``given`` is true when it is certain to be
    set to something (an id or ARN of another resource): presence may be judged, the value may
    not. ``parts`` are the pieces of a text of which some are known (``("arn:aws:s3:::",
    Unknown)``); ``content`` is what was encoded (``jsonencode({...})``, with unknown leaves).
    """

    __slots__ = ("cause", "content", "given", "parts", "reason", "refs")

    def __init__(
        self,
        reason: str = "",
        *,
        cause: str = "",
        refs: tuple[Reference, ...] = (),
        given: bool = False,
        parts: tuple[Any, ...] = (),
        content: Any = None,
    ) -> None:
        self.reason = reason
        self.cause = cause
        self.refs = refs
        self.given = given
        self.parts = parts
        self.content = content

    def __repr__(self) -> str:
        return "unknown"
