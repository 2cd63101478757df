"""One self-contained HTML file for people: no script, nothing loaded, Korean and English inside.

The content security policy forbids everything but the style in the page, so even an escaping
mistake could not run or send anything. Language and filters are radio buttons and check boxes
that CSS reads (``:has``). Everything that a file could have put in goes through html_text.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from haechi.model.counting import seen
from haechi.model.coverage import Gap
from haechi.model.finding import Finding, FindingState
from haechi.model.scan import Risk, Step, WaiverUse
from haechi.model.severity import Severity
from haechi.report.html_findings import anchors, filters, sections
from haechi.report.html_text import (
    ANSWERS,
    SEVERITIES,
    STATES,
    WAIVERS,
    attribute,
    badge,
    both,
    chip,
    english,
    shown,
    verdict_sentence,
)
from haechi.report.material import Material
from haechi.report.outline import Outline, further_reasons, outline, ranked, utc
from haechi.report.text import flat, storable

Lang = Literal["en", "ko"]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_ROWS = 500
_RISKS = 5
_STYLE = Path(__file__).parent / "data" / "report.css"


def render(material: Material, *, lang: Lang = "en") -> str:
    """The page as text, to be written as UTF-8; ``lang`` is what it opens in."""
    view = outline(material)
    parts = [
        *_head(material, lang),
        *_verdict(material, view),
        *_risks(material, view),
        *_dead(view),
        *_findings(material, view),
        *_gaps(material.scan.coverage.gaps),
        *_waivers(material.decision.waivers),
        *_figures(view),
        "</main></body></html>",
    ]
    return storable("\n".join(parts)) + "\n"


def _head(material: Material, lang: Lang) -> Iterator[str]:
    root = shown(flat(material.scan.root))
    yield f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>haechi: {attribute(material.scan.root)}</title>"
    yield f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head><body>"
    yield f'<header><div class="brand"><strong>haechi</strong> <code>{root}</code></div>'
    yield f'<fieldset class="lang"><legend>{both("Language", "언어")}</legend>'
    for code, name in (("en", "English"), ("ko", "한국어")):
        checked = " checked" if code == lang else ""
        yield f'<label lang="{code}"><input type="radio" name="lang" id="lang-{code}"{checked}>'
        yield f"{name}</label>"
    yield "</fieldset></header><main>"


def _verdict(material: Material, view: Outline) -> Iterator[str]:
    scan = material.scan
    yield f'<section class="verdict {view.answer.value}"><h1>{both(*ANSWERS[view.answer])}</h1>'
    yield f"<p>{verdict_sentence(material, view)}</p>"
    if reasons := further_reasons(material, view):
        yield f"<ul>{''.join(english(reason, 'li') for reason in reasons[:20])}</ul>"
        if (more := len(reasons) - 20) > 0:
            yield f"<p>{both(f'and {more:,} further reasons', f'그 밖의 이유 {more:,}가지')}</p>"
    yield "</section>"
    yield f'<ul class="tiles">{"".join(_tile(view, severity) for severity in Severity)}</ul>'
    looked = ", ".join(seen(scan.coverage.looked))
    only = f" (only {', '.join(scan.only)})" if scan.only else ""
    started = utc(scan.started).strftime("%Y-%m-%d %H:%M UTC")
    yield f'<p class="meta">{both("Looked at:", "검사 대상:")} '
    yield f"{english(flat((looked or 'nothing') + only))} · "
    rules = len(scan.coverage.evaluated)
    yield f"{both(f'{rules:,} rules applied', f'적용된 규칙 {rules:,}개')} · "
    yield f"{max(scan.duration, 0.0):.1f} s · {started} · "
    yield f"haechi {shown(flat(material.version))}</p>"


def _tile(view: Outline, severity: Severity) -> str:
    number = view.counts[FindingState.OPEN][severity]
    kind = severity.value if number else "none"
    name = both(severity.value.capitalize(), SEVERITIES[severity])
    return f'<li class="tile {kind}"><span class="number">{number:,}</span> {name}</li>'


def _risks(material: Material, view: Outline) -> Iterator[str]:
    risks = ranked(material.scan.risks)
    if not risks:
        return
    numbers = anchors(view)
    yield f"<section><h2>{both('What matters most', '가장 중요한 위험')}</h2><ol class=risks>"
    yield from (_risk(risk, view, numbers) for risk in risks[:_RISKS])
    yield "</ol>"
    if lesser := risks[_RISKS:]:
        more = len(lesser)
        yield '<details class="lesser"><summary>'
        yield f"{both(f'{more:,} lesser risks', f'그보다 낮은 위험 {more:,}건')}</summary>"
        yield "<ol class=risks>"
        yield from (_risk(risk, view, numbers) for risk in lesser[:_ROWS])
        yield f"</ol>{_more(more - _ROWS)}</details>"
    yield "</section>"


def _risk(risk: Risk, view: Outline, numbers: Mapping[str, int]) -> str:
    # A path of one step says again what the sentence says.
    steps = "".join(_step(step) for step in risk.steps) if len(risk.steps) > 1 else ""
    known = [numbers[name] for name in risk.findings if name in numbers]
    links = ", ".join(_link(view.findings[number - 1], number) for number in known[:20])
    evidence = f'<p class="links">{both("Findings:", "발견 사항:")} {links}</p>' if links else ""
    return (
        f'<li class="risk {risk.severity.value}">{badge(risk.severity)} '
        f"<strong>{both(flat(risk.sentence), flat(risk.sentence_ko))}</strong>"
        f"{f'<ol class=steps>{steps}</ol>' if steps else ''}"
        f'<p class="change"><span class="label">{both("The one change:", "한 가지 변경:")}</span> '
        f"{both(flat(risk.change), flat(risk.change_ko))} "
        f"<code>{shown(flat(str(risk.location)))}</code></p>{evidence}</li>"
    )


def _link(finding: Finding, number: int) -> str:
    place = shown(flat(str(finding.location)))
    return f'<a href="#f{number}">{shown(finding.rule)}</a> <code>{place}</code>'


def _step(step: Step) -> str:
    where = f" <code>{shown(flat(str(step.location)))}</code>" if step.location else ""
    return f"<li>{english(flat(step.text))}{where}</li>"


def _dead(view: Outline) -> Iterator[str]:
    if not view.dead:
        return
    numbers = anchors(view)
    yield f"<section><h2>{both('Controls that cannot work', '작동할 수 없는 보호 장치')}</h2><p>"
    yield both(
        "These protections are written down, but nothing comes of them.",
        "설정되어 있지만 실제로는 아무 효과가 없는 보호 장치입니다.",
    )
    yield "</p><ul class=rows>"
    for finding in view.dead[:_ROWS]:
        yield _dead_row(finding, numbers)
    yield f"</ul>{_more(len(view.dead) - _ROWS)}</section>"


def _dead_row(finding: Finding, numbers: Mapping[str, int]) -> str:
    place = f"<code>{shown(flat(str(finding.location)))}</code>"
    if number := numbers.get(finding.fingerprint):
        place = f'<a href="#f{number}">{place}</a>'
    text = english(flat(finding.message or finding.title))
    return f"<li>{badge(finding.severity)} {text} {place}</li>"


def _more(number: int) -> str:
    return f"<p>{both(f'and {number:,} more', f'그 밖에 {number:,}건')}</p>" if number > 0 else ""


def _findings(material: Material, view: Outline) -> Iterator[str]:
    yield f'<section id="findings"><h2>{both("Findings", "발견 사항")}</h2>'
    if view.findings:
        yield filters(view)
        yield from sections(material, view)
    elif view.looked:
        yield f"<p>{both('None in what was looked at.', '검사한 범위에서는 없습니다.')}</p>"
    else:
        yield f"<p>{both('Nothing was looked at.', '검사한 것이 없습니다.')}</p>"
    yield "</section>"


def _gaps(gaps: Sequence[Gap]) -> Iterator[str]:
    yield f"<section><h2>{both('What was not looked at', '검사하지 못한 것')}</h2>"
    if not gaps:
        yield f"<p>{both('No gap is known.', '알려진 공백이 없습니다.')}</p></section>"
        return
    ordered = sorted(gaps, key=lambda gap: (gap.accepted, gap.kind, gap.path))
    yield _table(
        (("Kind", "종류"), ("Path", "경로"), ("Reason", "이유"), ("What to do", "조치")),
        [_gap(gap) for gap in ordered[:_ROWS]],
    )
    yield f"{_more(len(ordered) - _ROWS)}</section>"


def _gap(gap: Gap) -> tuple[str, ...]:
    todo = chip(("accepted", "수용함"), "known") if gap.accepted else english(flat(gap.do))
    path = f"<code>{shown(flat(gap.path))}</code>"
    return (english(flat(gap.kind)), path, english(flat(gap.reason)), todo)


def _waivers(uses: Sequence[WaiverUse]) -> Iterator[str]:
    if not uses:
        return
    yield f"<section><h2>{both('Waivers', '예외')}</h2>"
    names = (
        ("Rule", "규칙"),
        ("Status", "상태"),
        ("Findings", "건수"),
        ("Reason", "이유"),
        ("Owner", "담당"),
        ("Expires", "만료"),
        ("Written in", "적힌 곳"),
    )
    yield _table(names, [_waiver(use) for use in uses[:_ROWS]])
    yield f"{_more(len(uses) - _ROWS)}</section>"


def _waiver(use: WaiverUse) -> tuple[str, ...]:
    waiver = use.waiver
    return (
        f"<code>{shown(flat(waiver.rule))}</code>",
        chip(WAIVERS[use.status], f"w-{use.status.value}"),
        f"{use.count:,}",
        english(flat(waiver.reason)),
        english(flat(waiver.owner or "")),
        waiver.expires.isoformat() if waiver.expires else "",
        f"<code>{shown(flat(str(waiver.location)))}</code> ({waiver.origin.value})",
    )


def _figures(view: Outline) -> Iterator[str]:
    yield f"<section><h2>{both('Summary', '요약')}</h2>"
    names = (("State", "상태"), *((s.value.capitalize(), SEVERITIES[s]) for s in Severity))
    rows = [
        (
            both(STATES[state][0].capitalize(), STATES[state][1]),
            *(f"{row[severity]:,}" for severity in Severity),
            f"{view.total(state):,}",
        )
        for state, row in view.counts.items()
    ]
    yield _table((*names, ("Total", "합계")), rows, "figures")
    if view.fixable:
        text = f"`haechi fix` can change {view.fixable:,} of them."
        yield f"<p>{both(text, f'`haechi fix`로 {view.fixable:,}건을 고칠 수 있습니다.')}</p>"
    yield "</section>"


def _table(
    names: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], kind: str = "plain"
) -> str:
    head = "".join(f'<th scope="col">{both(*name)}</th>' for name in names)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
