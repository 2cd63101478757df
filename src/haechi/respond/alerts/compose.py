"""News into a message: headings, facts, evidence, what to do next, a link. Pure.

Short on purpose: what, where, which level and why, the best evidence, the next step. The page has
the rest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import msgspec

from haechi.model.alert import Fact, Item, Message, News
from haechi.model.keys import key_parts
from haechi.respond.alerts.words import BY_LANGUAGE, Words

SHOWN = 20
"""Items of one message; the rest is counted."""
_EVIDENCE = 3
_ORDER = ("critical", "high", "medium", "low", "info")


def message(
    id: str,
    news: Sequence[News],
    *,
    language: str,
    public_url: str,
    now: dt.datetime,
    most: int = SHOWN,
    minutes: int = 0,
    test: bool = False,
) -> Message:
    """One message of all these news, the worst first; of one topic the newest word counts for
    what it is in. ``minutes``: over how long a storm lasted."""
    words = BY_LANGUAGE[language]
    ordered = sorted(_collapsed(news), key=lambda one: (_ORDER.index(one.level), one.at_ns))
    items = tuple(item(one, words, public_url) for one in ordered[:most])
    more = len(ordered) - len(items)
    return Message(
        id=id,
        at_ns=int(now.timestamp() * 1e9),
        subject=_subject(items, len(ordered), words),
        items=items,
        more=more,
        more_says=words.more.format(count=more, minutes=max(1, minutes)) if more else "",
        test=test,
        language=language,
        evidence_label=words.label["evidence"],
        next_label=words.label["next"],
        link_label=words.label["open"],
    )


def _collapsed(news: Sequence[News]) -> list[News]:
    """What is said twice in one message is said once: of a topic that is told for the first time
    the newest picture under the first word, and of one word the last time."""
    kept: dict[tuple[str, str, str], News] = {}
    for one in news:
        first = kept.get((one.topic, "opened", ""))
        if first is not None and one.what in ("opened", "raised", "repeat"):
            kept[one.topic, "opened", ""] = msgspec.structs.replace(one, what="opened")
        else:
            kept[one.topic, one.what, one.action] = one
    return list(kept.values())


def item(news: News, words: Words, public_url: str) -> Item:
    """One piece of news in words."""
    return Item(
        news=news,
        heading=_heading(news, words),
        facts=tuple(_facts(news, words)),
        evidence=news.evidence[:_EVIDENCE],
        next_step=words.next.get(news.what, ""),
        link=link(news, public_url),
    )


def link(news: News, public_url: str) -> str:
    """The page about it. The server's own address is a setting, never taken from a request."""
    base = public_url.rstrip("/")
    if not base:
        return ""
    if news.incident:
        return f"{base}/incidents/{quote(news.incident, safe='')}"
    if news.action:
        return f"{base}/responses/{quote(news.action, safe='')}"
    return f"{base}/alerts" if news.what == "test" else f"{base}/responses"


def _subject(items: Sequence[Item], count: int, words: Words) -> str:
    if not items:
        return "haechi"
    first = items[0]
    level = words.level[first.news.level].upper()
    if len({one.news.topic for one in items}) == 1:
        return f"[{level}] {first.heading}"
    return f"[{level}] {words.several.format(count=count)}: {first.heading}"


def _heading(news: News, words: Words) -> str:
    happened = words.happened.get(news.what, news.what)
    what = news.says or news.title if news.action else news.title
    return f"{happened}: {what}" if what else happened


def _facts(news: News, words: Words) -> Iterator[Fact]:
    """Those that are known, in the order in which people ask."""
    label = words.label
    level = words.level[news.level]
    if news.score:
        level += f" ({news.score:.0f}/100)"
    yield Fact(label=label["level"], value=level)
    place = " / ".join(one for one in (news.cluster, news.namespace) if one not in ("", "-"))
    for name, value in (
        ("where", place),
        ("workload", _workload(news.resource)),
        ("node", news.node),
        ("why", "; ".join(news.reasons[:3])),
        ("rules", ", ".join(news.rules[:4])),
        ("tactics", ", ".join((*news.tactics[:4], *news.techniques[:4]))),
        ("sources", ", ".join(news.source_ips[:4])),
        ("detections", str(news.detections) if news.detections else ""),
        ("owner", news.owner),
        ("state", news.state),
        ("since", time(news.first_ns)),
        ("response", news.says if news.action else ""),
        ("outcome", news.outcome if news.action else ""),
        ("why", news.why),
        ("expires", time(news.expires_ns)),
        ("by", news.by if news.what not in ("opened", "raised", "repeat") else ""),
        ("note", news.note),
    ):
        if value:
            yield Fact(label=label[name], value=value)


def _workload(resource: str) -> str:
    """``Deployment web`` of ``k8s:prod/apps/Deployment/shop/web``."""
    parts = key_parts(resource)
    return f"{parts[2]} {parts[4]}" if parts else resource


def time(ns: int) -> str:
    """A time for people; empty for none."""
    if not 0 < ns < 253_402_300_800 * 10**9:
        return ""
    return f"{dt.datetime.fromtimestamp(ns // 10**9, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def plain_text(message: Message) -> str:
    """The message as text: of mails, and what the page shows of a delivery."""
    parts: list[str] = []
    for one in message.items:
        rows = [one.heading, *(f"  {fact.label}: {fact.value}" for fact in one.facts)]
        if one.evidence:
            rows.append(f"  {message.evidence_label}:")
            rows += [f"    - {line}" for line in one.evidence]
        if one.next_step:
            rows.append(f"  {message.next_label}: {one.next_step}")
        if one.link:
            rows.append(f"  {one.link}")
        parts.append("\n".join(rows))
    if message.more_says:
        parts.append(message.more_says)
    return "\n\n".join(parts)
