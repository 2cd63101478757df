"""The webhook: a signature that a receiver can check, and that nothing else passes."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.webhook import WINDOW_S, Webhook, signed, verified
from tests.fakes.receivers.trackers import TOKEN
from tests.fakes.receivers.web import Answer, web
from tests.world.receivers.made import message, over, secret_in, settings

NOW = 1_795_000_000


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_a_receiver_can_check_who_sent_it_and_when(tmp_path: Path) -> None:
    with web() as server:
        mine = settings("webhook", url=server.url + "/hook", secret_file=secret_in(tmp_path))
        sent = Webhook(mine, clock=lambda: NOW).send(message(), {})
        Webhook(mine, clock=lambda: NOW).send(message(), {})
    first, second = server.asked
    assert (sent.status, first.method, first.path) == ("200", "POST", "/hook")
    # As the guide tells it, without code of ours:
    made = hmac.new(TOKEN.encode(), f"v1:{NOW}:".encode() + first.body, hashlib.sha256)
    assert first.headers["x-haechi-signature"] == f"v1={made.hexdigest()}"
    assert verified(first.body, first.headers, TOKEN, NOW + 10)
    assert first.headers["x-haechi-delivery"] == second.headers["x-haechi-delivery"]
    assert first.body == second.body
    assert first.json["items"][0]["news"]["topic"] == "incident:inc-1"
    assert first.json["schema"] == "haechi.alert/1"


@given(body=st.binary(max_size=60), other=st.binary(max_size=60), late=st.integers(-900, 900))
def test_only_the_same_body_within_the_window_passes(body: bytes, other: bytes, late: int) -> None:
    headers = lower(signed(body, "key", NOW))
    assert verified(body, headers, "key", NOW + late) == (abs(late) <= WINDOW_S)
    assert verified(other, headers, "key", NOW) == (other == body)
    assert not verified(body, headers, "another", NOW)
    later = headers | {"x-haechi-timestamp": str(NOW + 1)}
    assert not verified(body, later, "key", NOW)


@given(st.dictionaries(st.sampled_from(["x-haechi-timestamp", "x-haechi-signature"]), st.text()))
def test_headers_of_anybody_never_pass_and_never_break(headers: dict[str, str]) -> None:
    assert not verified(b"{}", headers, "key", NOW)


@pytest.mark.parametrize("text", ["", "\n", "two\nlines"], ids=["empty", "blank", "two lines"])
def test_a_secret_that_is_none_sends_nothing(tmp_path: Path, text: str) -> None:
    with web() as server:
        mine = settings("webhook", url=server.url, secret_file=secret_in(tmp_path, text))
        with pytest.raises(NotSent) as raised:
            Webhook(mine).send(message(), {})
    assert server.asked == []
    assert not raised.value.permanent


def test_a_missing_secret_is_named_by_its_place(tmp_path: Path) -> None:
    mine = settings("webhook", url="http://127.0.0.1:1", secret_file=str(tmp_path / "nothing"))
    with pytest.raises(NotSent, match="nothing: No such file"):
        Webhook(mine).send(message(), {})


def test_a_secret_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", "from the environment")
    with web() as server:
        mine = settings("webhook", url=server.url, secret_env="HOOK_KEY")
        Webhook(mine, clock=lambda: NOW).send(over(), {})
    assert verified(server.asked[0].body, server.asked[0].headers, "from the environment", NOW)


def test_an_address_that_is_a_secret_is_not_told(tmp_path: Path) -> None:
    with web(lambda asked: Answer(400, asked.path.encode())) as server:
        (tmp_path / "url").write_text(f"{server.url}/T000/B000/very-secret-part\n")
        mine = settings("slack", url_file=str(tmp_path / "url"))
        from haechi.world.receivers.slack import Slack

        with pytest.raises(NotSent) as raised:
            Slack(mine).send(message(), {})
    assert "very-secret-part" not in str(raised.value)
