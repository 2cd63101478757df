"""A value that exists but cannot be known before it is applied, or without being told.

It is never left out of the data (an absent key means "not set") and never guessed: a rule that
looks at one answers ``not_evaluated``. What *is* known of it travels along: which resources it
comes from, the known pieces of a text, the structure inside an encoded document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from haechi.errors import NotEvaluated


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


class Withheld(Unknown):
    """An Unknown as judges meet it: whatever looks at it ends the judge as ``not_evaluated``.

    Comparing, iterating, measuring, hashing, asking for its truth or for its class all raise
    NotEvaluated with the cause, so a judge that was written for known values cannot take an
    unknown one for false, empty or different. ``x is None`` and ``isinstance(x, Unknown)`` are
    the two questions that it answers.
    """

    __slots__ = ()

    def _refuse(self, *_: object) -> NoReturn:
        raise NotEvaluated(self.reason or "a value is not known", cause=self.cause)

    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        """Asked by ``isinstance`` for classes that it has not, and by ``match``."""
        self._refuse()

    def __hash__(self) -> int:
        self._refuse()

    def __bool__(self) -> bool:
        self._refuse()

    def __eq__(self, other: object) -> bool:
        self._refuse()

    def __ne__(self, other: object) -> bool:
        self._refuse()

    def __iter__(self) -> Iterator[Any]:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()

    def __contains__(self, item: object) -> bool:
        self._refuse()

    def __getitem__(self, key: object) -> Any:
        self._refuse()

    def __str__(self) -> str:
        self._refuse()

    def __format__(self, spec: str) -> str:
        return "(unknown)"

    def __getattr__(self, name: str) -> Any:
        """Methods of texts, lists and maps (``startswith``, ``get``); not the special ones, which
        copying and printing look for."""
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = _refuse
    __int__ = __float__ = __index__ = _refuse


def withheld(unknown: Unknown) -> Withheld:
    """The same, for judges."""
    return Withheld(
        unknown.reason,
        cause=unknown.cause,
        refs=unknown.refs,
        given=unknown.given,
        parts=unknown.parts,
        content=unknown.content,
    )


def is_unknown_within(value: Any) -> bool:
    """Whether a value, or something inside of it, is not known."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Unknown):
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
