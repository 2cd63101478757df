"""Mail: over TLS, with a login, in a thread; what a server refuses, for now or for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.model.alert import Fact
from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.settings import ReceiverSettings
from haechi.world.receivers.smtp import Mail, mail
from tests.fakes.receivers.mail import MailServer, mail_server
from tests.fakes.receivers.trackers import TOKEN
from tests.world.receivers.made import (
    certified,
    item,
    message,
    news,
    over,
    secret_in,
    settings,
)


def of(server: MailServer, ca: str, **more: Any) -> ReceiverSettings:
    values: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "ca_file": ca}
    values |= {"sender": "haechi@example.com", "to": ["a@example.com", "b@example.com"]}
    return settings("smtp", **(values | more))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_mail_goes_over_tls_with_a_login(tmp_path: Path, tls: str) -> None:
    context, ca = certified(tmp_path)
    with mail_server(context, at_once=tls == "tls") as server:
        server.user, server.password = "haechi", TOKEN
        mine = of(server, ca, tls=tls, user="haechi", secret_file=secret_in(tmp_path))
        assert Mail(mine).send(message(), {}).status == "250"
        Mail(mine).send(over(), {})
    first, second = server.mails
    assert server.plain_logins == 0
    assert server.recipients[0] == ["a@example.com", "b@example.com"]
    assert first["Subject"] == "[HIGH] New incident: Shell in web"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"]
    kinds = [part.get_content_type() for part in first.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]
    assert "bash started by nginx" in str(first.get_body(("plain",)))


def test_a_server_without_encryption_gets_nothing(tmp_path: Path) -> None:
    with mail_server() as server:
        server.user = "haechi"
        mine = of(server, "", user="haechi", secret_file=secret_in(tmp_path))
        with pytest.raises(NotSent, match="STARTTLS"):
            Mail(mine).send(message(), {})
    assert (server.mails, server.plain_logins) == ([], 0)


def test_a_certificate_of_nobody_gets_nothing(tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    with mail_server(context) as server, pytest.raises(NotSent, match=r"(?i)certificate"):
        Mail(of(server, "")).send(message(), {})
    assert server.mails == []


@pytest.mark.parametrize(
    ("script", "permanent", "words"),
    [
        ({"MAIL": ["451 try later"]}, False, "SMTP 451: try later"),
        ({"MAIL": ["552 too much"]}, True, "SMTP 552: too much"),
        ({"RCPT": ["450 a", "450 b"]}, False, "SMTP 450: a"),
        ({"RCPT": ["550 no such user", "550 nor that"]}, True, "SMTP 550: no such user"),
        ({"DATA": ["554 looks like spam"]}, True, "SMTP 554: looks like spam"),
    ],
    ids=str,
)
def test_4xx_is_for_now_and_5xx_for_good(
    tmp_path: Path, script: dict[str, list[str]], permanent: bool, words: str
) -> None:
    context, ca = certified(tmp_path)
    with mail_server(context) as server:
        server.script = script
        with pytest.raises(NotSent) as raised:
            Mail(of(server, ca)).send(message(), {})
    assert (raised.value.permanent, str(raised.value)) == (permanent, words)


def test_one_address_of_two_that_is_refused_is_told(tmp_path: Path) -> None:
    context, ca = certified(tmp_path)
    with mail_server(context) as server:
        server.script = {"RCPT": ["550 gone"]}
        sent = Mail(of(server, ca)).send(message(), {})
    assert sent.detail == "refused for a@example.com"
    assert server.recipients == [["b@example.com"]]


def test_a_wrong_password_is_for_good_and_not_repeated(tmp_path: Path) -> None:
    context, ca = certified(tmp_path)
    with mail_server(context) as server:
        server.user, server.password = "haechi", "other"
        mine = of(server, ca, user="haechi", secret_file=secret_in(tmp_path))
        with pytest.raises(NotSent) as raised:
            Mail(mine).send(message(), {})
    assert raised.value.permanent
    assert TOKEN not in str(raised.value)


def test_nobody_there_is_tried_again(tmp_path: Path) -> None:
    with mail_server() as server:
        mine = of(server, "")
    with pytest.raises(NotSent) as raised:
        Mail(mine).send(message(), {})
    assert not raised.value.permanent


@pytest.mark.parametrize("address", ["a@x\nBcc: b@y", "a", "<a@b>", "a b@c", "a@b,c@d"], ids=repr)
def test_an_address_that_is_none_is_refused_in_the_settings(address: str) -> None:
    one = ReceiverSettings(name="m", kind="smtp", host="h", sender="a@b", to=[address])
    with pytest.raises(ConfigError, match="no address"):
        one.check("receiver")


@given(text=st.text(max_size=300))
def test_no_text_adds_a_header_or_a_part(text: str) -> None:
    one = ReceiverSettings(
        name="m", kind="smtp", host="h", sender="a@b.example", to=["c@d.example"]
    )
    hostile = item(news(title=text), heading=text, facts=(Fact(label="x", value=text),))
    made = mail(message(hostile, subject=text), one)
    try:
        raw = made.as_bytes()
    except UnicodeEncodeError:  # lone surrogates: ``plain`` takes them away before
        return
    from email import message_from_bytes

    read = message_from_bytes(raw)
    plain = mail(message(), one)
    assert read.keys() == plain.keys()
    assert [part.get_content_type() for part in read.walk()] == [
        part.get_content_type() for part in plain.walk()
    ]
    assert read["To"] == "c@d.example"
