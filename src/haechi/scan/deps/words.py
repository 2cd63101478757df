"""The words of a vulnerability: its title, why it matters, where to read on; in both languages.

Summary and details are the advisory's own and exist in English only. What haechi itself says (how
bad, since when exploited, what to do) is said in Korean, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from haechi.model.advisory import Advisory, Vulnerability
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule, Text
from haechi.scan.deps.paths import shown

_TITLE = 160
_DETAILS = 700
_HEAD = 2_000
"""Characters of the details in which a title is looked for."""
_MARKUP = re.compile(
    r"```.*?```|\[([^\]]*)\]\([^)]*\)|\s?\(https?://[^)\s]*\)|^#+\s[^\n]*$|[`*]+|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)",
    re.DOTALL | re.MULTILINE,
)
_MARKS = re.compile(r"[`*_#\[]")
_SPACES = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?<=[.!?])(?<!i\.e\.)(?<!e\.g\.)(?<!vs\.)(?<!v\.)\s")
_HARM = re.compile(
    r"vulnerab|allow|attack|bypass|inject|execut|disclos|leak|traversal|denial|overflow|crash"
    r"|forge|spoof|escape|expos|improper|malicious|unauthori|hijack|smuggl|craft",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(r"(?:This|These|It|If|Such|However|They|That|Here|As a result)\b")
_DEFINES = re.compile(r"[^\s,]+(?: [^\s,]+){0,2} (?:is|are) (?:an?|the)\b")
_JOINT = re.compile(
    r"(?:However|Moreover|Furthermore|Additionally|In addition|Also|Thus|Therefore|Hence|As such"
    r"|Consequently|As a result|Unfortunately|Note that),?\s+"
)
_REMEDY = re.compile(r"workaround|\b(?:is|are|was|been|were) (?:patched|fixed)\b|\bupgrade\b", re.I)
_SUBJECT = re.compile(
    r"(?:This|It|That|Which)\s+(?:(?:issue|vulnerability|flaw|bug|problem|weakness)\s+)?"
    r"(?=(?:allow|let|enable|cause|lead|result|permit|expose|make)s?\b)"
)
_PAGES = (
    ("GHSA-", "https://github.com/advisories/{}"),
    ("GO-", "https://pkg.go.dev/vuln/{}"),
    ("RUSTSEC-", "https://rustsec.org/advisories/{}.html"),
    ("PYSEC-", "https://osv.dev/vulnerability/{}"),
    ("MAL-", "https://osv.dev/vulnerability/{}"),
    ("CVE-", "https://nvd.nist.gov/vuln/detail/{}"),
)
_REGISTERED = re.compile(r"[A-Z]+-[A-Za-z0-9-]{4,60}\Z")


def title_of(vulnerability: Vulnerability, package: str) -> str:
    """The summary, else the first sentence of the details, in one line."""
    advisory = vulnerability.advisory
    if advisory.malicious:
        return f"{shown(package)} is a malicious package"
    text = _plain(advisory.summary) or _telling(_plain(advisory.details[:_HEAD]))
    text = text or f"Known vulnerability in {shown(package)}"
    return (text if len(text) <= _TITLE else text[: _TITLE - 1].rstrip() + "…").rstrip(".")


def _telling(details: str) -> str:
    """The first sentence that says what goes wrong: many records begin with what the package is
    good for. One that follows from another is told without what joins them."""
    sentences = _SENTENCE.split(details)[:8]
    harm = [one for one in sentences if _HARM.search(one) and not _REMEDY.search(one)]
    others = [one for one in sentences if not _DEFINES.match(one)]
    for some in (harm, others):
        for one in some:
            if not _POINTS_BACK.match(one) and not _DEFINES.match(one):
                return _JOINT.sub("", one, count=1)
        if some:
            return _alone(some[0])
    return sentences[0]


def _alone(sentence: str) -> str:
    """A sentence that points back, as far as it can stand for itself."""
    bare = _SUBJECT.sub("", _JOINT.sub("", sentence, count=1), count=1)
    return bare[:1].upper() + bare[1:]


def url_of(vulnerability: Vulnerability) -> str:
    """The page to read on: that of a known database by its id, else the first reference."""
    for prefix, page in _PAGES:
        for id_ in vulnerability.ids:
            if id_.startswith(prefix) and _REGISTERED.match(id_):
                return page.format(id_)
    return next(
        (url for url in vulnerability.advisory.references if url.startswith("https://")), ""
    )


def rule_of(
    vulnerability: Vulnerability,
    title: str,
    severity: Severity,
    packages: Sequence[str],
    upgrades: Sequence[str],
) -> Rule:
    """The vulnerability in the shape in which reports tell of rules. ``packages`` are those in
    which this run found it, ``upgrades`` what each needs (``requests 2.32.4``)."""
    advisory = vulnerability.advisory
    names = ", ".join(map(shown, packages[:3]))
    told = _plain(advisory.details[: 2 * _HEAD])
    why = " ".join(filter(None, (_ended(title), _beyond(title, told), *_facts(vulnerability))))
    return Rule(
        id=vulnerability.id,
        title=title,
        severity=severity,
        why=why,
        fix=_fix(advisory, names, upgrades),
        judge=JudgeKind.PYTHON,
        applies_to=AppliesTo(kinds=["text"]),
        bad=[],
        good=[],
        cwe=list(advisory.cwe),
        refs={"advisory": list(vulnerability.ids), **_link(vulnerability)},
        ko=Text(
            title=_title_ko(vulnerability, names),
            why=" ".join(_why_ko(vulnerability)),
            fix=_fix_ko(advisory, names, upgrades),
        ),
    )


def _link(vulnerability: Vulnerability) -> dict[str, list[str]]:
    url = url_of(vulnerability)
    return {"url": [url]} if url else {}


def _plain(text: str) -> str:
    """Markdown as a sentence: without headings, code blocks and marks."""
    bare = _MARKUP.sub(_bare, text) if _MARKS.search(text) else text
    return _SPACES.sub(" ", bare).strip()


def _bare(match: re.Match[str]) -> str:
    """The text of a link; a space for what is left out whole."""
    return match[1] or (" " if match[0].startswith(("```", "#", "[")) else "")


def _ended(text: str) -> str:
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."


def _beyond(title: str, told: str) -> str:
    """What the details say besides the title, as far as there is room for it."""
    start = title.rstrip("….")
    if told.startswith(start):
        told = told[len(start) :].lstrip(". ")
    if len(told) <= _DETAILS:
        return told
    cut = told[:_DETAILS]
    end = max(cut.rfind(". "), cut.rfind("! "))
    return cut[: end + 1] if end > _DETAILS // 3 else cut.rstrip() + "…"


def _facts(vulnerability: Vulnerability) -> Iterable[str]:
    advisory, risk = vulnerability.advisory, vulnerability.risk
    if advisory.malicious:
        yield "Installing it runs its author's code: treat the machines that did as taken over."
        return
    if advisory.severity is None:
        yield "It is not rated; haechi counts it as medium."
    elif advisory.score is not None:
        yield f"It is rated {advisory.score:.1f} of 10."
    if risk and risk.exploited_since:
        for_ = " and used by ransomware" if risk.ransomware else ""
        yield f"It is known to be exploited{for_} (listed {risk.exploited_since.isoformat()})."
    elif risk and risk.epss is not None:
        yield f"The chance that it is exploited within 30 days is put at {risk.epss:.1%} (EPSS)."


def _fix(advisory: Advisory, names: str, upgrades: Sequence[str]) -> str:
    if advisory.malicious:
        return f"Take {names} out, and change every credential that was within its reach."
    if upgrades:
        return f"Upgrade to {' and '.join(upgrades[:3])} or later."
    return (
        f"No fixed version is known. Replace {names}, or do without what is vulnerable in it and "
        "say so in a waiver."
    )


def _title_ko(vulnerability: Vulnerability, names: str) -> str:
    if vulnerability.advisory.malicious:
        return f"악성 패키지: {names}"
    return f"{names}의 알려진 취약점 ({vulnerability.id})"


def _why_ko(vulnerability: Vulnerability) -> Iterable[str]:
    advisory, risk = vulnerability.advisory, vulnerability.risk
    if advisory.malicious:
        yield "설치만 해도 작성자의 코드가 실행됩니다. 설치한 컴퓨터는 장악된 것으로 보세요."
        return
    yield "사용 중인 버전에 공개된 취약점이 있습니다. 공격자도 같은 권고문을 읽습니다."
    if advisory.severity is None:
        yield "심각도가 매겨지지 않아 '보통'으로 셉니다."
    elif advisory.score is not None:
        yield f"CVSS 점수는 10점 만점에 {advisory.score:.1f}점입니다."
    if risk and risk.exploited_since:
        yield f"실제로 악용되고 있습니다({risk.exploited_since.isoformat()} 등재)."
    elif risk and risk.epss is not None:
        yield f"30일 안에 악용될 확률(EPSS)은 {risk.epss:.1%}입니다."


def _fix_ko(advisory: Advisory, names: str, upgrades: Sequence[str]) -> str:
    if advisory.malicious:
        return f"{names}을(를) 제거하고, 닿을 수 있었던 모든 자격 증명을 바꾸세요"
    if upgrades:
        return f"{', '.join(upgrades[:3])} 이상으로 올리세요"
    return (
        f"수정된 버전이 알려져 있지 않습니다. {names}을(를) 바꾸거나, "
        "취약한 기능을 쓰지 않는다면 예외에 적으세요"
    )
