"""The verifier's way through a chain of statements: signatures, order, keys, the anchor.

Every statement must be signed by the key in force with both algorithms, and name the one before
it. A rotation is signed by the old and the new key, and names both, so whoever trusts any key of
the chain can tell that the others belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from haechi.engines.signing import PublicKey, SignatureError, SignatureFault
from haechi.errors import AuditError
from haechi.store.audit import links
from haechi.store.audit.keys import Anchor
from haechi.store.audit.links import MOST_LINE, Signed
from haechi.store.audit.verify_report import Findings, Kind

_FAULTS = {
    SignatureFault.STRIPPED: Kind.SIGNATURE_STRIPPED,
    SignatureFault.DOWNGRADE: Kind.DOWNGRADE,
    SignatureFault.OTHER_KEY: Kind.KEY_SWAP,
    SignatureFault.FORGED: Kind.SIGNATURE_FORGED,
}


class Statement(msgspec.Struct, frozen=True):
    """A statement and where it stands. ``holds`` tells that its signatures do."""

    signed: Signed
    offset: int
    holds: bool


class Chain:
    """Reads a chain once, forwards, as long as it is now. What it has learned is complete when
    ``read`` has ended."""

    def __init__(self, path: Path, findings: Findings) -> None:
        self._path, self._findings = path, findings
        self._length = path.stat().st_size if path.exists() else 0
        self.keys: list[PublicKey] = []
        self.log = ""
        self.count = 0
        self.last: Signed | None = None
        self._known_back = False

    def read(self) -> Iterator[Statement]:
        """Statements in their order; those that cannot be read are faults and left out."""
        for raw, offset in whole_lines(self._path, self._length):
            if not raw.endswith(b"\n"):
                self._findings.warn(
                    Kind.TORN,
                    f"the last {len(raw)} bytes are no whole head: being written, or torn",
                    file=self._path.name,
                    offset=offset,
                )
                return
            try:
                signed = links.read(raw.rstrip(b"\n"))
            except SignatureError as error:
                self._fault(_FAULTS[error.fault], f"a head {error.what}", offset)
                continue
            except AuditError as error:
                self._fault(Kind.HEAD_CHANGED, f"{error.what} {error.why}".strip(), offset)
                continue
            holds = self._signatures(signed, offset)
            self._order(signed, offset)
            self.last = signed
            self.count += 1
            yield Statement(signed, offset, holds)

    def judge(self, anchor: Anchor | None) -> None:
        """Hold what was read against the anchor."""
        if anchor is None:
            self._findings.warn(
                Kind.NO_ANCHOR,
                "no anchor was given: the log is judged by the keys that it names itself, and"
                " whoever replaced all of it could name keys of his own",
            )
        elif anchor.log != self.log:
            self._findings.fault(
                Kind.KEY_SWAP, f"this is log {self.log or '?'}, the anchor is of {anchor.log}"
            )
        elif anchor.key.id not in {key.id for key in self.keys}:
            names = ", ".join(key.id[:16] for key in self.keys) or "nobody"
            self._findings.fault(
                Kind.KEY_SWAP,
                f"the log is signed by {names}; the anchor is {anchor.key.id[:16]}",
            )

    def _signatures(self, signed: Signed, offset: int) -> bool:
        """Check who signed. Takes up the keys that a beginning or a rotation names."""
        name = f"head {signed.link.counter}"
        key = self.keys[-1] if self.keys else None
        if signed.kind is links.Kind.BEGIN:
            if key is not None:
                self._fault(Kind.HEAD_CHAIN, "the log begins a second time", offset)
                return False
            key = signed.link.new
            self.log = signed.link.log
            if key:
                self.keys.append(key)
        if key is None:
            if not self.count:
                self._fault(
                    Kind.HEAD_CHAIN, "the beginning of the log, with its key, is gone", offset
                )
            return False
        if signed.link.log != self.log:
            self._fault(Kind.KEY_SWAP, f"{name} is of another log", offset)
            return False
        return self._checked(signed, key, name, offset)

    def _checked(self, signed: Signed, key: PublicKey, name: str, offset: int) -> bool:
        rotation = signed.kind is links.Kind.ROTATION
        try:
            links.check(signed, key)
        except SignatureError as error:
            kind = Kind.ROTATION_FORGED if rotation else _FAULTS[error.fault]
            self._fault(kind, f"{name}: {error.what}", offset)
            return False
        if rotation and signed.link.new and signed.link.old:
            if signed.link.old != key:
                self._fault(Kind.ROTATION_FORGED, f"{name} rotates another key away", offset)
                return False
            self.keys.append(signed.link.new)
        return True

    def _order(self, signed: Signed, offset: int) -> None:
        """The counter, the hash of the one before, size and time."""
        link, before = signed.link, self.last
        if before is None:
            if link.counter:
                what = f"the first {link.counter} heads are missing"
                self._fault(Kind.HEAD_CHAIN, what, offset)
            return
        if link.counter != before.link.counter + 1:
            what = f"head {link.counter} stands after head {before.link.counter}"
            self._fault(Kind.HEAD_CHAIN, what, offset)
        elif link.previous != before.hash:
            what = f"head {link.counter} does not name the one before it"
            self._fault(Kind.HEAD_CHAIN, what, offset)
        if link.size < before.link.size:
            self._fault(Kind.HEAD_CHAIN, f"head {link.counter} covers less than before", offset)
        if link.time < before.link.time:
            self._findings.warn(
                Kind.CLOCK,
                f"head {link.counter} is older than the one before it: the clock went back",
                file=self._path.name,
                offset=offset,
            )

    def _fault(self, kind: Kind, what: str, offset: int) -> None:
        self._findings.fault(kind, what, file=self._path.name, offset=offset)


def compare_witness(heads: Path, witness: Path, keys: list[PublicKey], findings: Findings) -> None:
    """Hold the chain against what a witness saw; each is read once. The witness is taken as long
    as it is now: a log that goes on has its heads before the witness has them."""
    length = witness.stat().st_size
    own = _statements(heads)
    current = next(own, None)
    newest: Signed | None = None
    count = 0
    for raw, offset in whole_lines(witness, length):
        if not raw.endswith(b"\n"):
            break
        try:
            seen = links.read(raw.rstrip(b"\n"))
        except AuditError as error:
            findings.warn(Kind.WITNESS_UNREADABLE, error.what, file=str(witness), offset=offset)
            continue
        count += 1
        while current and current.link.counter < seen.link.counter:
            newest, current = current, next(own, None)
        if current and current.link.counter == seen.link.counter and current.hash == seen.hash:
            continue
        if not _signed_by_any(seen, keys):
            findings.warn(
                Kind.WITNESS_UNREADABLE,
                f"head {seen.link.counter} of the witness is not signed by a key of this log",
                file=str(witness),
                offset=offset,
            )
            continue
        _disagree(seen, current, newest, findings, witness, offset)
        return
    if not count:
        findings.warn(Kind.WITNESS_UNREADABLE, "the witness holds no head", file=str(witness))


def _disagree(
    seen: Signed,
    current: Signed | None,
    newest: Signed | None,
    findings: Findings,
    witness: Path,
    offset: int,
) -> None:
    link = seen.link
    if current is None:
        size = newest.link.size if newest else 0
        kind = Kind.TRUNCATED
        what = (
            f"the witness saw head {link.counter} over {link.size} records; the newest head here"
            f" covers {size}: the end of the log was cut off"
        )
        findings.fault(kind, what, seq=size, file=str(witness), offset=offset)
        return
    what = f"head {link.counter} is another than the witness saw: the log was replaced from there"
    findings.fault(Kind.WITNESS, what, file=str(witness), offset=offset)


def _signed_by_any(signed: Signed, keys: list[PublicKey]) -> bool:
    for key in keys:
        if key.id == signed.link.key:
            try:
                links.check(signed, key)
            except AuditError:
                return False
            return True
    return False


def _statements(path: Path) -> Iterator[Signed]:
    for raw, _ in whole_lines(path, path.stat().st_size):
        if raw.endswith(b"\n"):
            try:
                yield links.read(raw.rstrip(b"\n"))
            except AuditError:
                continue  # the chain's own reading has told it


def whole_lines(path: Path, length: int) -> Iterator[tuple[bytes, int]]:
    """Lines of the first ``length`` bytes with their offsets, none longer than two of the
    longest statements."""
    with path.open("rb") as stream:
        offset = 0
        while raw := stream.readline(min(2 * MOST_LINE, length - offset)):
            yield raw, offset
            offset += len(raw)
