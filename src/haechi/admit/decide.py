"""From verdicts to the one answer: allowed or not, in what words, with which warnings.

Nothing but the verdicts goes in, so the same verdicts give the same decision in a pipeline, at
the door, in the audit and in a what-if.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import structs

from haechi.model.admission import Decision, Effect, FailureChoice, Family, PolicyVerdict
from haechi.model.review import Review, State

Waive = Callable[[PolicyVerdict, Review, int], str | None]
"""Names the waiver that covers a verdict, or None. The number tells several verdicts apart that one
policy gives of one place, in their order."""
WARNING_BYTES, WARNINGS_BYTES = 256, 4096
"""The API server cuts a warning here, and leaves all out past the sum of them."""
MESSAGE_BYTES = 8192
SHOWN = 20
_UNJUDGED = (State.ERROR, State.NOT_EVALUATED)
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_ADMISSION_POLICY = f"{Family.ADMISSION_POLICY}/"


def decide(
    verdicts: Sequence[PolicyVerdict],
    review: Review,
    *,
    generation: str = "",
    waive: Waive | None = None,
    patches: Sequence[dict[str, Any]] = (),
) -> Decision:
    """The decision about a review."""
    if waive is not None:
        verdicts = _waived(verdicts, review, waive)
    # Most say nothing: what passes neither refuses nor warns.
    said = [verdict for verdict in verdicts if verdict.state is not State.PASS]
    denials = [verdict for verdict in said if verdict.denies]
    refused = [verdict for verdict in denials if verdict.state is State.FAIL]
    code, reason = _status(refused, denials)
    annotations: dict[str, str] = {}
    for verdict in verdicts:
        annotations.update(verdict.annotations)
    return Decision(
        allowed=not denials,
        code=code,
        reason=reason,
        message=_message(refused or denials),
        warnings=tuple(_warnings(said)),
        annotations=annotations,
        verdicts=tuple(verdicts),
        patches=tuple(patches),
        generation=generation,
        point=review.point,
    )


def _status(refused: Sequence[PolicyVerdict], denials: Sequence[PolicyVerdict]) -> tuple[int, str]:
    """Code and reason. The first who refuses says them, if it is a ValidatingAdmissionPolicy."""
    if not refused:
        return (500, "InternalError") if denials else (200, "")
    first = refused[0]
    if first.policy.startswith(_ADMISSION_POLICY) and "reason" in first.evidence:
        reason = str(first.evidence["reason"] or "Invalid")
        return _CODES.get(reason, _CODES["Invalid"]), reason
    return 403, "Forbidden"


def told(verdict: PolicyVerdict) -> str:
    """One line about a verdict, as it is shown in refusals and warnings."""
    rule = f" {verdict.rule}" if verdict.rule and verdict.rule != verdict.policy else ""
    text = verdict.message or verdict.state.value
    if verdict.state in _UNJUDGED:
        text = f"could not be judged: {text}"
    return f"[{verdict.policy}{rule}] {text}"


def warns(verdict: PolicyVerdict) -> bool:
    """Whether people are told, though the request goes through."""
    if verdict.waiver is not None or verdict.denies:
        return False
    told_of = Effect.WARN in verdict.effects or (
        verdict.generated and Effect.DENY in verdict.effects
    )
    if verdict.state is State.FAIL:
        return told_of
    # An error does what a failure would have done; where it refuses nothing, that is told.
    opened = verdict.failure is FailureChoice.IGNORE and Effect.DENY in verdict.effects
    return verdict.state is State.ERROR and (told_of or opened)


def _waived(
    verdicts: Sequence[PolicyVerdict], review: Review, waive: Waive
) -> Sequence[PolicyVerdict]:
    """The verdicts, with the waivers of those that fail."""
    if not any(verdict.state is State.FAIL for verdict in verdicts):
        return verdicts
    seen: Counter[object] = Counter()
    found: list[PolicyVerdict] = []
    for verdict in verdicts:
        if verdict.state is State.FAIL or verdict.state in _UNJUDGED:
            place = (verdict.policy, verdict.rule, verdict.path, verdict.generated)
            number, seen[place] = seen[place], seen[place] + 1
            name = waive(verdict, review, number) if verdict.state is State.FAIL else None
            verdict = verdict if name is None else structs.replace(verdict, waiver=name)
        found.append(verdict)
    return found


def _denied(verdict: PolicyVerdict) -> str:
    """One line of a refusal: of a ValidatingAdmissionPolicy with the words that API servers use,
    which people look for."""
    words = verdict.policy.split("/")
    if len(words) != 3 or words[0] != Family.ADMISSION_POLICY or verdict.state is not State.FAIL:
        return told(verdict)
    head = f"ValidatingAdmissionPolicy '{words[1]}' with binding '{words[2]}' denied request"
    said = verdict.message or verdict.state.value
    return told(structs.replace(verdict, message=f"{head}: {said}"))


def _message(denials: Sequence[PolicyVerdict]) -> str:
    lines = list(dict.fromkeys(_denied(verdict) for verdict in denials))
    more = len(lines) - SHOWN
    if more > 0:
        lines = [*lines[:SHOWN], f"and {more} more"]
    return clipped("; ".join(lines), MESSAGE_BYTES)


def _warnings(verdicts: Sequence[PolicyVerdict]) -> list[str]:
    room = WARNINGS_BYTES
    found: list[str] = []
    for text in dict.fromkeys(told(verdict) for verdict in verdicts if warns(verdict)):
        warning = clipped(_one_line(text), WARNING_BYTES)
        room -= len(warning.encode("utf-8", "replace"))
        if room < 0:
            break
        found.append(warning)
    return found


def clipped(text: str, limit: int) -> str:
    """The text in at most so many bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 3].decode("utf-8", "ignore") + "…"


def _one_line(text: str) -> str:
    """Warnings travel in an HTTP header: no line breaks or other control characters."""
    return "".join(" " if ord(sign) < 32 or ord(sign) == 127 else sign for sign in text)
