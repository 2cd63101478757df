"""Verify a proof file: this record is in the log of that anchor. Needs no other file."""

from __future__ import annotations

from typing import Any

from haechi.engines.merkle import inclusion_holds, leaf_hash
from haechi.engines.signing import PublicKey, SignatureError
from haechi.errors import AuditError
from haechi.store.audit import links, proofs
from haechi.store.audit.keys import Anchor
from haechi.store.audit.links import Signed
from haechi.store.audit.verify_records import entry_of
from haechi.store.audit.verify_report import Findings, Kind, Report, Result


def verify_proof(data: bytes, *, anchor: Anchor | None) -> tuple[Report, dict[str, Any] | None]:
    """The judgement, and the record that was proved (None when it was not). Raises AuditError
    for what is no proof."""
    proof, head, statements = proofs.read(data)
    findings = Findings()
    keys = _keys(statements, findings)
    log = statements[0].link.log if statements else head.link.log
    _head(head, keys, log, findings)
    entry = entry_of(proof.record)
    if entry is None or entry["seq"] != proof.seq:
        findings.fault(Kind.PROOF, "the record is not one, or has another number", seq=proof.seq)
    if proof.size != head.link.size or not _leads(proof, head):
        findings.fault(Kind.PROOF, "the path does not lead to the signed root", seq=proof.seq)
    _anchored(anchor, keys, log, findings)
    result = Result.VERIFIED if anchor else Result.INCOMPLETE
    report = Report(
        result=Result.FAILED if findings.failed else result,
        log=log,
        records=head.link.size,
        vouched=0 if findings.failed else head.link.size,
        heads=1,
        root=head.link.root,
        keys=[key.id for key in keys],
        faults=findings.faults,
        warnings=findings.warnings,
        redacted=[],
        redactions=0,
        untold=findings.untold,
    )
    return report, None if findings.failed else entry


def _leads(proof: proofs.Proof, head: Signed) -> bool:
    try:
        path = [bytes.fromhex(step) for step in proof.path]
    except ValueError:
        return False
    root = bytes.fromhex(head.link.root)
    return inclusion_holds(leaf_hash(proof.record), proof.seq, proof.size, path, root)


def _keys(statements: list[Signed], findings: Findings) -> list[PublicKey]:
    """The keys of the log, from the first on, as far as their statements hold."""
    keys: list[PublicKey] = []
    for number, signed in enumerate(statements):
        new = signed.link.new
        wanted = links.Kind.ROTATION if number else links.Kind.BEGIN
        before = keys[-1] if keys else new
        if signed.kind is not wanted or new is None or before is None:
            findings.fault(Kind.ROTATION_FORGED, "the statements about keys are out of order")
            break
        if signed.link.log != statements[0].link.log:
            findings.fault(Kind.KEY_SWAP, "the statements about keys are of several logs")
            break
        try:
            links.check(signed, before)
        except AuditError as error:
            findings.fault(Kind.ROTATION_FORGED, error.what)
            break
        keys.append(new)
    return keys


def _head(head: Signed, keys: list[PublicKey], log: str, findings: Findings) -> None:
    """The head must be signed by the newest key of the proof: an older one may have been given
    up because somebody stole it."""
    new = head.link.new if head.kind is links.Kind.ROTATION else None
    newest = keys[-1:] == [new] if new else [key.id for key in keys[-1:]] == [head.link.key]
    if not newest or head.link.log != log:
        findings.fault(Kind.KEY_SWAP, "the head is not signed by the newest key of the proof")
        return
    try:
        links.check(head, head.link.old or keys[-1])
    except SignatureError as error:
        findings.fault(Kind(error.fault.value), error.what)


def _anchored(anchor: Anchor | None, keys: list[PublicKey], log: str, findings: Findings) -> None:
    if anchor is None:
        findings.warn(
            Kind.NO_ANCHOR, "no anchor was given: by whom the head was signed cannot be told"
        )
    elif anchor.log != log or anchor.key.id not in {key.id for key in keys}:
        findings.fault(Kind.KEY_SWAP, f"no key of the proof is the anchor's {anchor.key.id[:16]}")
