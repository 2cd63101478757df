"""Messages as Markdown, for trackers that show it: every sign of an event's text is literal."""

from __future__ import annotations

import re

from haechi.model.alert import Item, Message

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>&:@^$=/])")


def literal(text: str) -> str:
    """Markdown that shows exactly this text, on one line."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def body(message: Message, marks: tuple[str, ...] = ()) -> str:
    """The message; ``marks`` are words of ours by which it is found again. Every line begins with
    a sign of ours, so none is a command of the tracker (GitLab's ``/close``)."""
    parts = [_item(one, message) for one in message.items]
    if message.more_says:
        parts.append(f"> {literal(message.more_says)}")
    if marks:
        parts.append("\n".join(f"<!-- {mark} -->" for mark in marks))
    return "\n\n".join(parts)


def _item(one: Item, message: Message) -> str:
    rows = [f"**{literal(one.heading)}**", ""]
    rows += [f"- {literal(fact.label)}: {literal(fact.value)}" for fact in one.facts]
    if one.evidence:
        rows += ["", f"**{literal(message.evidence_label)}**", ""]
        rows += [f"- {literal(line)}" for line in one.evidence]
    if one.next_step:
        rows += ["", f"**{literal(message.next_label)}**: {literal(one.next_step)}"]
    if one.link:
        rows += ["", f"[{literal(message.link_label)}](<{one.link}>)"]
    return "\n".join(rows)
