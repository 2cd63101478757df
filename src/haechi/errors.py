"""Every exception haechi raises on purpose.

HaechiError                  exit code 2 unless a subclass says otherwise
├── UsageError               the command line asks for something that makes no sense
├── ConfigError              haechi.yaml, haechi.lock, haechi.waivers.yaml or a baseline is wrong
├── RuleError                a rule in the catalogue or in a user's directory is wrong
│   └── ExpressionError      an expression does not compile, with the place inside its text
├── InputError               an input cannot be read or parsed: becomes a coverage gap
│   ├── LimitExceeded        an input is over a limit of size, depth, count or time
│   ├── VersionError         a text is no version, or no range of versions, of its ecosystem
│   └── ConditionError       a condition in Falco's language cannot be parsed or has a wrong type
├── NotEvaluated             a judge cannot tell (missing tool, unknown value): never a pass
├── StoreError               the server's store: locked, damaged, of a newer version
│   ├── StoreFull            the disk is full or read-only: nothing of the request was kept
│   └── StoreBusy            a queue of the store is full: nothing was kept, try again soon
├── NotFound                 no such thing, or out of the asker's reach
├── Conflict                 it changed since it was read, or exists already
├── Unauthenticated          no, wrong or expired credentials: HTTP 401
├── Forbidden                the asker may not do this
├── TooManyRequests          over a rate limit, or locked out after failed sign-ins: HTTP 429
├── SensorError              the own sensor cannot run here: what is missing
├── AuditError               the audit log, a proof or a signature does not hold
├── KubeError                a cluster's API server gave no answer that can be used
│   ├── KubeUnreachable      no answer at all: network, TLS, time; says whether it may have acted
│   ├── KubeForbidden        401 or 403: no or too few rights
│   ├── KubeNotFound         404: no such object or kind
│   ├── KubeConflict         409, or a patch's test failed: it is not as was expected
│   ├── KubeGone             410: a resource version or continue token is too old
│   ├── KubeInvalid          400, 413, 415, 422: the server does not take this object
│   └── KubeBusy             429 or 503: later, says when
└── Refused                  a fix that needs a person; defined in scan/fix/changes.py

Adapters translate a library's exceptions into these at the edge. ``explain`` gives a person
the three things they need: what happened, why, and what to do about it.
"""

from __future__ import annotations

from typing import Protocol


class HaechiError(Exception):
    """Base of the tree. ``what`` happened, ``why``, and what to ``do`` about it."""

    exit_code = 2

    def __init__(self, what: str, *, why: str = "", do: str = "", where: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.do = do
        self.where = where

    def explain(self) -> str:
        """Lines for a terminal: the place and the fault first, then reason and remedy."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        lines = [head]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.do:
            lines.append(f"  do:  {self.do}")
        return "\n".join(lines)


class UsageError(HaechiError):
    """The command line cannot be carried out as written."""


class ConfigError(HaechiError):
    """A configuration file of haechi is invalid."""


class RuleError(HaechiError):
    """A rule is invalid; the others still run."""


class ExpressionError(RuleError):
    """An expression in ``field`` does not compile. ``line`` and ``column`` count from 1 in its own
    text, and are 0 where no place is known; ``text`` is the fault without them."""

    def __init__(
        self, field: str, text: str, *, line: int = 0, column: int = 0, why: str = "", do: str = ""
    ) -> None:
        place = f"line {line}, column {column}: " if line else ""
        super().__init__(f"{field}: {place}{text}", why=why, do=do)
        self.field = field
        self.text = text
        self.line = line
        self.column = column


class InputError(HaechiError):
    """An input cannot be read or parsed. Callers turn it into a coverage gap."""

    exit_code = 3


class LimitExceeded(InputError):
    """An input is over one of haechi's limits of size, depth, count or time."""


class VersionError(InputError):
    """A text is no version, or no range of versions, of its ecosystem."""


class Placed(Protocol):
    """A place in a text: an offset from 0, and a line and a column from 1."""

    @property
    def index(self) -> int: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class ConditionError(InputError):
    """A condition (or an operand of an output) is wrong at ``place`` of its own text."""

    def __init__(self, what: str, place: Placed | None = None, *, do: str = "") -> None:
        super().__init__(what, do=do)
        self.place = place


class NotEvaluated(HaechiError):
    """A judge cannot reach a verdict. The verdict's state is ``not_evaluated``. ``cause`` names
    what would have to be known; many verdicts may wait for the same."""

    exit_code = 3

    def __init__(
        self, what: str, *, why: str = "", do: str = "", where: str = "", cause: str = ""
    ) -> None:
        super().__init__(what, why=why, do=do, where=where)
        self.cause = cause


class StoreError(HaechiError):
    """The store cannot do what was asked: locked, damaged, full, of a newer version."""


class StoreFull(StoreError):
    """The disk is full or read-only: nothing of this request was kept."""


class StoreBusy(StoreError):
    """A queue of the store is full: nothing of this request was kept; try again soon."""


class NotFound(HaechiError):
    """There is no such thing, or it is out of the asker's reach (not told apart)."""


class Conflict(HaechiError):
    """The thing changed since it was read, or exists already."""


class Unauthenticated(HaechiError):
    """Nobody that the server knows: no, wrong or expired credentials."""


class Forbidden(HaechiError):
    """The asker may not do this."""


class TooManyRequests(HaechiError):
    """Over a rate limit or locked out. ``retry_after`` is whole seconds, at least 1."""

    def __init__(self, what: str, *, retry_after: int, do: str = "") -> None:
        super().__init__(what, do=do or f"try again in {max(1, retry_after)} s")
        self.retry_after = max(1, retry_after)


class SensorError(HaechiError):
    """The own sensor, or one of its ways in, cannot run here; ``why`` names what is missing."""


class AuditError(HaechiError):
    """The audit log, a proof or a signature does not hold."""


class KubeError(HaechiError):
    """A cluster's API server gave no answer that can be used. ``status`` is HTTP's, 0 without
    one; ``reason`` is Kubernetes' own word (``AlreadyExists``)."""

    exit_code = 3

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        do: str = "",
        where: str = "",
        status: int = 0,
        reason: str = "",
    ) -> None:
        super().__init__(what, why=why, do=do, where=where)
        self.status = status
        self.reason = reason


class KubeUnreachable(KubeError):
    """No answer came. ``sent``: the request may have reached the server, so that a write may have
    been carried out: look before it is tried again."""

    def __init__(
        self, what: str, *, why: str = "", do: str = "", where: str = "", sent: bool = False
    ) -> None:
        super().__init__(what, why=why, do=do, where=where)
        self.sent = sent


class KubeForbidden(KubeError):
    """The server does not know who asks (401), or does not let him (403)."""


class KubeNotFound(KubeError):
    """There is no object ``name``, or (without a name) the server has no such kind."""

    name: str = ""


class KubeConflict(KubeError):
    """The object is not as the request expected. ``owners`` are pairs of field manager and field
    where fields are held by others (server-side apply)."""

    owners: tuple[tuple[str, str], ...] = ()


class KubeGone(KubeError):
    """A resource version or a continue token is too old. ``token`` goes on inconsistently."""

    token: str = ""


class KubeInvalid(KubeError):
    """The server does not take the object. ``causes`` are pairs of field and fault."""

    causes: tuple[tuple[str, str], ...] = ()


class KubeBusy(KubeError):
    """Not now: too many requests, a server that starts, or (``budget``) a disruption budget that
    forbids an eviction. ``retry_after`` is in seconds; 0 when the server does not say."""

    retry_after: float = 0.0
    budget: bool = False
