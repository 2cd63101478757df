"""Tickets of Jira, GitHub and GitLab: one for a topic, closed, back again, never two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from haechi.model.alert import Message, Status
from haechi.world.receivers.open import opened
from haechi.world.receivers.sending import Known, NotSent, Sent, TicketReceiver
from tests.fakes.receivers import trackers
from tests.fakes.receivers.web import HTML, Answer, Web, web
from tests.world.receivers.made import item, message, news, over, secret_in, settings

KINDS = ("github", "gitlab", "jira 3", "jira 2")
FAKES: dict[str, Callable[[], trackers.Tracker]] = {
    "github": trackers.GitHub,
    "gitlab": trackers.GitLab,
    "jira 3": lambda: trackers.Jira("3"),
    "jira 2": lambda: trackers.Jira("2"),
}
TOPIC = "incident:inc-1"


@contextmanager
def tracker(kind: str, folder: Path) -> Iterator[tuple[trackers.Tracker, TicketReceiver, Web]]:
    """A fake of this kind and our client of it."""
    fake = FAKES[kind]()
    more: dict[str, Any] = {"repository": "acme/shop", "labels": ["security"]}
    if kind.startswith("jira"):
        more = {"project": "SEC", "api": kind[-1], "labels": ["security"]}
        more |= {"user": "bot@example.com"} if kind == "jira 3" else {}
    with web(cast("Any", fake)) as server:
        mine = settings(kind.split()[0], url=server.url, secret_file=secret_in(folder), **more)
        yield fake, cast("TicketReceiver", opened(mine)), server


def known(sent: Sent) -> dict[str, Known]:
    stood = sent.stands[TOPIC]
    return {TOPIC: Known(remote=stood.remote, url=stood.url)}


def raised_() -> Message:
    return message(item(news(what="raised", level="critical", at_ns=news().at_ns + 5)), id="a" * 32)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ticket_is_made_told_closed_and_opened_again(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        made = mine.send(message(), {})
        assert made.stands[TOPIC].made
        mine.send(raised_(), known(made))
        ended = mine.send(over(), known(made))
        assert not ended.stands[TOPIC].made
        assert mine.look(made.stands[TOPIC].remote) is False
        back = message(item(news(what="reopened", at_ns=news().at_ns + 9)), id="b" * 32)
        mine.send(back, known(made))
        assert mine.look(made.stands[TOPIC].remote) is True
    (issue,) = fake.issues.values()
    assert issue.open
    assert len(issue.comments) == 3
    assert {"haechi", "security"} <= set(issue.labels)
    assert "Shell in web" in issue.title


@pytest.mark.parametrize("kind", KINDS)
def test_who_died_before_writing_it_down_makes_no_second_ticket(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        fake.lost = 1
        with pytest.raises(NotSent) as raised:
            mine.send(message(), {})
        assert not raised.value.permanent
        sent = mine.send(message(), {})
    (issue,) = fake.issues.values()
    assert sent.stands[TOPIC].remote in (str(issue.number), f"SEC-{issue.number}")
    assert issue.comments == []  # nor is its first message said again as a comment


@pytest.mark.parametrize("kind", KINDS)
def test_a_comment_whose_answer_was_lost_is_not_said_twice(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        made = mine.send(message(), {})
        fake.lost = 1
        with pytest.raises(NotSent):
            mine.send(raised_(), known(made))
        mine.send(raised_(), known(made))
    (issue,) = fake.issues.values()
    assert len(issue.comments) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_ticket_that_was_deleted_is_seen_and_made_anew(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        made = mine.send(message(), {})
        fake.issues.clear()
        assert mine.look(made.stands[TOPIC].remote) is None
        again = mine.send(raised_(), known(made))
    assert again.stands[TOPIC].made
    assert len(fake.issues) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_a_person_closed_is_told_but_not_opened_for_a_note(
    kind: str, tmp_path: Path
) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        made = mine.send(message(), {})
        next(iter(fake.issues.values())).open = False
        note = message(item(news(what="applied", action="a-1")), id="c" * 32)
        mine.send(note, known(made))
    (issue,) = fake.issues.values()
    assert not issue.open
    assert len(issue.comments) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_what_was_never_told_makes_no_ticket(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        assert mine.send(over(), {}).stands == {}
        halted = news(topic="halt:*", what="halted", status=Status.NOTE, incident="")
        assert mine.send(message(item(halted)), {}).stands == {}
    assert fake.created == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_leaves_a_closed_ticket(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        mine.send(over(test=True), {})
    (issue,) = fake.issues.values()
    assert not issue.open


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer",
    [HTML, Answer(200, b"<html>ok"), Answer(200, b"[1, 2]"), Answer(200, b'"x"')],
    ids=["gateway", "html", "a list", "a text"],
)
def test_nonsense_is_never_taken_for_an_answer(kind: str, answer: Answer, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, server):
        server.script = [answer] * 2
        with pytest.raises(NotSent) as raised:
            mine.look("SEC-1" if "jira" in kind else "1")
        assert not raised.value.permanent
        assert fake.created == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_token_is_refused_for_good(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (_, mine, _):
        secret_in(tmp_path, "expired-token-1234")
        with pytest.raises(NotSent) as raised:
            mine.send(message(), {})
    assert raised.value.permanent
    assert "expired-token-1234" not in str(raised.value)


def test_a_refusal_of_github_for_asking_too_much_is_tried_again(tmp_path: Path) -> None:
    with tracker("github", tmp_path) as (_, mine, server):
        spent = {"X-RateLimit-Remaining": "0", "Retry-After": "61"}
        server.script = [Answer(403, b'{"message":"API rate limit exceeded"}', spent)]
        with pytest.raises(NotSent) as raised:
            mine.send(message(), {})
    assert (raised.value.permanent, raised.value.retry_after) == (False, 61.0)


def test_an_issue_is_found_among_many_by_its_mark(tmp_path: Path) -> None:
    with tracker("github", tmp_path) as (fake, mine, _):
        made = mine.send(message(), {})
        for number in range(150):
            fake.make(f"other {number}", "text", ["haechi"])
        assert mine.send(raised_(), {}).stands[TOPIC].remote == made.stands[TOPIC].remote
    assert fake.created == 151


def test_the_last_page_of_comments_is_looked_at(tmp_path: Path) -> None:
    with tracker("github", tmp_path) as (fake, mine, _):
        made = mine.send(message(), {})
        issue = fake.issues[1]
        issue.comments += [f"talk {number}" for number in range(120)]
        mine.send(raised_(), known(made))
        mine.send(raised_(), known(made))
    assert len(issue.comments) == 121


@pytest.mark.parametrize("kind", ["jira 3", "jira 2"])
def test_a_workflow_with_other_names_is_closed_by_category(kind: str, tmp_path: Path) -> None:
    with tracker(kind, tmp_path) as (fake, mine, _):
        assert isinstance(fake, trackers.Jira)
        fake.transitions = [("7", "Offen", False), ("8", "Erledigt", True)]
        made = mine.send(message(), {})
        mine.send(over(), known(made))
        assert not fake.issues[1].open
        fake.transitions = []
        back = message(item(news(what="reopened")), id="b" * 32)
        with pytest.raises(NotSent, match="no transition `To Do`") as raised:
            mine.send(back, known(made))
    assert raised.value.permanent
