"""The small pieces of the HTML report: hostile text made harmless, and words in two languages.

Every string that comes from a scanned file goes through ``shown`` or ``attribute``; nothing else
writes such text into the page. Both languages stand in the page and CSS shows one of them, so
the file needs no script and reads the same offline in ten years.
"""

from __future__ import annotations

from collections.abc import Mapping

from haechi.model.finding import FindingState
from haechi.model.scan import WaiverStatus
from haechi.model.severity import Severity
from haechi.report.material import Material
from haechi.report.outline import Answer, Outline, answer_sentence
from haechi.report.text import code_point, markup, one_line, unseen

TEXT_LIMIT = 2_000
"""Characters of one text in the page."""

SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "심각",
    Severity.HIGH: "높음",
    Severity.MEDIUM: "보통",
    Severity.LOW: "낮음",
    Severity.INFO: "참고",
}
STATES: Mapping[FindingState, tuple[str, str]] = {
    FindingState.OPEN: ("open", "미해결"),
    FindingState.NEW: ("new rule", "새 규칙"),
    FindingState.KNOWN: ("known", "기존"),
    FindingState.WAIVED: ("waived", "예외"),
}
WAIVERS: Mapping[WaiverStatus, tuple[str, str]] = {
    WaiverStatus.MATCHED: ("in effect", "적용됨"),
    WaiverStatus.UNUSED: ("unused", "쓰이지 않음"),
    WaiverStatus.NOT_JUDGED: ("not judged", "판단하지 않음"),
    WaiverStatus.EXPIRED: ("expired", "만료됨"),
    WaiverStatus.DENIED: ("denied", "허용되지 않음"),
}
ANSWERS: Mapping[Answer, tuple[str, str]] = {
    Answer.PASS: ("Passes", "통과"),
    Answer.BLOCKED: ("Blocked", "차단"),
    Answer.INVALID: ("Invalid", "설정 오류"),
    Answer.INCOMPLETE: ("Incomplete", "불완전"),
    Answer.NOTHING: ("Nothing looked at", "검사 대상 없음"),
}


def shown(text: str) -> str:
    """The text as HTML; characters that cannot be seen stand out as ``U+202E``."""
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT - 1] + "…"
    if text.isprintable():
        return markup(text)
    return "".join(_piece(char) for char in text)


def _piece(char: str) -> str:
    if char in "\t\n":
        return char
    if unseen(char):
        return f'<b class="ctl">{code_point(char)}</b>'
    return markup(char)


def attribute(text: str) -> str:
    """The text for use between the quotes of an attribute."""
    return markup(one_line(text))


def english(text: str, tag: str = "span") -> str:
    """Text that exists in English only, marked so that a Korean page reads it right."""
    return f'<{tag} lang="en">{shown(text)}</{tag}>'


def prose(text: str) -> str:
    """The text as HTML with `code` between backticks, as rules are written."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one without its partner
        return shown(text)
    return "".join(
        f"<code>{shown(part)}</code>" if number % 2 else shown(part)
        for number, part in enumerate(parts)
    )


def both(text: str, korean: str) -> str:
    """The text in both languages; only in English when there is no Korean."""
    if not korean:
        return f'<span lang="en">{prose(text)}</span>'
    return (
        f'<span class="l-en" lang="en">{prose(text)}</span>'
        f'<span class="l-ko" lang="ko">{prose(korean)}</span>'
    )


def badge(severity: Severity) -> str:
    """The severity as a coloured label."""
    name = both(severity.value.capitalize(), SEVERITIES[severity])
    return f'<span class="badge {severity.value}">{name}</span>'


def chip(words: tuple[str, str], kind: str) -> str:
    """A small label such as a state."""
    return f'<span class="chip {kind}">{both(*words)}</span>'


def verdict_sentence(material: Material, view: Outline) -> str:
    """The gate's answer in both languages."""
    said = answer_sentence(material, view)
    return both(f"The gate {said}.", _korean_verdict(material, view))


def _korean_verdict(material: Material, view: Outline) -> str:
    decision = material.decision
    level = f"'{SEVERITIES[decision.fail_on]}' 이상"
    match view.answer:
        case Answer.BLOCKED if decision.blocking:
            number = len(decision.blocking)
            return f"게이트가 차단합니다. {level}의 미해결 발견 사항이 {number:,}건 있습니다."
        case Answer.BLOCKED:
            return "게이트가 차단합니다."
        case Answer.INVALID:
            return "게이트가 판단할 수 없습니다. 설정이나 예외 목록이 올바르지 않습니다."
        case Answer.INCOMPLETE:
            number = len(material.scan.coverage.open_gaps)
            return (
                f"게이트가 확신할 수 없습니다. 요청한 범위 중 {number:,}곳을 평가하지 못했습니다."
            )
        case Answer.NOTHING:
            return "게이트가 판단할 것이 없습니다. 이 범위에서 검사한 것이 없습니다."
        case Answer.PASS:
            return f"게이트를 통과합니다. {level}의 미해결 발견 사항이 없습니다."
