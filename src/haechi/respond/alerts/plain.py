"""Texts of events made fit to be told: one line, without secrets, without addresses that open.

Attackers choose names of programs, files and hosts; messages go to chats, mails and tickets that
people click in. So credentials are masked, characters that cannot be seen or that turn the
direction of text are shown by their codes, addresses are broken (``hxxp[:]//``) so that no client
makes links of them, and an ``@`` before a word is parted from it so that nobody is called. What
is left is escaped by each receiver for its own form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import msgspec

from haechi.engines.masking import masked
from haechi.model.alert import News

_SPACES = re.compile(r"\s+")
_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30})://")
_MAILTO = re.compile(r"(?i)\b(mailto|javascript|data|tel|sms|vbscript|file):")
_WWW = re.compile(r"(?i)\bwww\.")
_CALL = re.compile(r"@(?=[\w!&<])")
_APART = "\u2060"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_LINE, _SHORT, _NAME = 400, 200, 253
_LOOKED_AT = 4_000


def line(text: str, most: int = _LINE) -> str:
    """One line that is safe to show, at most ``most`` characters."""
    shown = masked(_SPACES.sub(" ", _visible(text[:_LOOKED_AT])).strip())
    shown = _SCHEME.sub(lambda found: f"{_defanged(found[1])}[:]//", shown)
    shown = shown.replace("://", "[:]//")
    shown = _MAILTO.sub(r"\1[:]", shown)
    shown = _CALL.sub("@" + _APART, _WWW.sub("www[.]", shown))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def lines(texts: Iterable[str], *, count: int, most: int = _LINE) -> tuple[str, ...]:
    """The first of them that are not empty."""
    made = (line(one, most) for one in texts)
    return tuple(one for one in made if one)[:count]


def safe(news: News) -> News:
    """The piece of news with all texts from outside made fit."""
    return msgspec.structs.replace(
        news,
        cluster=line(news.cluster, _NAME),
        namespace=line(news.namespace, _NAME),
        resource=line(news.resource, _LINE),
        node=line(news.node, _NAME),
        owner=line(news.owner, _NAME),
        title=line(news.title, _SHORT),
        by=line(news.by, _NAME),
        note=line(news.note),
        reasons=lines(news.reasons, count=5, most=_SHORT),
        rules=lines(news.rules, count=10, most=_SHORT),
        tactics=lines(news.tactics, count=10, most=60),
        techniques=lines(news.techniques, count=10, most=60),
        source_ips=lines(news.source_ips, count=10, most=60),
        evidence=lines(news.evidence, count=5),
        says=line(news.says),
        outcome=line(news.outcome, 60),
        why=line(news.why),
    )


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(_sign(one) for one in text)


def _sign(one: str) -> str:
    if one in "\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029":
        return " "
    if unicodedata.category(one) in _HIDDEN:
        return f"\\u{ord(one):04x}"
    return one


def _defanged(scheme: str) -> str:
    return re.sub("(?i)^http", "hxxp", scheme)
