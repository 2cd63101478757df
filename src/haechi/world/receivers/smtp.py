"""Mail: text and HTML, by STARTTLS or TLS, with certificates verified.

Headers are made by the ``email`` package from one line of printable text, so nothing of an event
can add one. The Message-ID is made of the delivery, and news of one topic refer to its first
mail, so that readers show a thread and can tell a mail that came twice.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from haechi.model.alert import Item, Message
from haechi.world.receivers.secret import hidden, secret_of
from haechi.world.receivers.sending import Known, NotSent, Sent
from haechi.world.receivers.settings import ReceiverSettings

_SUBJECT = 200


class Mail:
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """One mail to all addresses. It was sent when the server took it for one of them."""
        secret = secret_of(self._settings)
        made = mail(message, self._settings)
        try:
            with self._connected() as server:
                if self._settings.user:
                    server.login(self._settings.user, secret)
                refused = server.send_message(made)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise self._refused(code, words, secret) from None
        except smtplib.SMTPResponseException as error:
            raise self._refused(error.smtp_code, error.smtp_error, secret) from None
        except smtplib.SMTPNotSupportedError as error:
            raise NotSent(f"the server cannot do it: {error}", permanent=True) from None
        except (OSError, smtplib.SMTPException) as error:
            raise NotSent(hidden(f"{self._settings.address}: {error}", (secret,))) from None
        left = f"refused for {', '.join(sorted(refused))}" if refused else ""
        return Sent(status="250", detail=left)

    def _connected(self) -> smtplib.SMTP:
        one = self._settings
        try:
            context = ssl.create_default_context(cafile=one.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise NotSent(f"ca_file cannot be used: {one.ca_file}: {error}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        where = (one.host, one.port_or_default)
        if one.tls == "tls":
            return smtplib.SMTP_SSL(*where, timeout=one.timeout, context=context)
        server = smtplib.SMTP(*where, timeout=one.timeout)
        try:
            if one.tls == "starttls":
                server.starttls(context=context)
                server.ehlo()
        except BaseException:
            server.close()
            raise
        return server

    def _refused(self, code: int, words: bytes | str, secret: str) -> NotSent:
        """4xx is for now, 5xx for good (RFC 5321, 4.2.1)."""
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        said = " ".join(text.split())[:200]
        return NotSent(
            hidden(f"SMTP {code}: {said}", (secret,)),
            permanent=500 <= code < 600,
            status=str(code),
        )


def mail(message: Message, settings: ReceiverSettings) -> EmailMessage:
    """The mail."""
    made = EmailMessage(policy=SMTP)
    domain = settings.sender.rpartition("@")[2]
    made["From"] = settings.sender
    made["To"] = ", ".join(settings.to)
    made["Subject"] = _one_line(message.subject)
    made["Date"] = format_datetime(
        dt.datetime.fromtimestamp(max(0, message.at_ns) // 10**9, dt.UTC)
    )
    made["Message-ID"] = f"<{message.id}@{domain}>"
    topics = {one.news.topic for one in message.items}
    if len(topics) == 1:
        made["References"] = f"<{_thread(topics.pop())}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content(text(message))
    made.add_alternative(page(message), subtype="html")
    return made


def _thread(topic: str) -> str:
    return hashlib.blake2b(topic.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _one_line(text: str) -> str:
    line = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(line.split())[:_SUBJECT]


def text(message: Message) -> str:
    """The mail for those who read text."""
    parts = [_item_text(one, message) for one in message.items]
    return "\n\n".join([*parts, *([message.more_says] if message.more_says else [])]) + "\n"


def _item_text(one: Item, message: Message) -> str:
    rows = [one.heading, *(f"  {fact.label}: {fact.value}" for fact in one.facts)]
    if one.evidence:
        rows += [f"  {message.evidence_label}:", *(f"    - {line}" for line in one.evidence)]
    if one.next_step:
        rows.append(f"  {message.next_label}: {one.next_step}")
    return "\n".join([*rows, *([f"  {one.link}"] if one.link else [])])


def page(message: Message) -> str:
    """The mail as HTML: no images, no styles from elsewhere, every value escaped."""
    parts = [_item_html(one, message) for one in message.items]
    if message.more_says:
        parts.append(f"<p>{html.escape(message.more_says)}</p>")
    body = "\n".join(parts)
    lang = html.escape(message.language)
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="utf-8"></head>'
        f'<body style="font-family:sans-serif">\n{body}\n</body></html>\n'
    )


def _item_html(one: Item, message: Message) -> str:
    rows = "".join(
        f'<tr><th style="text-align:left;padding-right:1em">{html.escape(fact.label)}</th>'
        f"<td>{html.escape(fact.value)}</td></tr>"
        for fact in one.facts
    )
    made = f"<h3>{html.escape(one.heading)}</h3><table>{rows}</table>"
    if one.evidence:
        lines = "".join(f"<li><code>{html.escape(line)}</code></li>" for line in one.evidence)
        made += f"<p>{html.escape(message.evidence_label)}</p><ul>{lines}</ul>"
    if one.next_step:
        label = html.escape(message.next_label)
        made += f"<p><b>{label}</b>: {html.escape(one.next_step)}</p>"
    if one.link:
        href = html.escape(one.link, quote=True)
        made += f'<p><a href="{href}">{html.escape(message.link_label)}</a></p>'
    return made
