"""A token as the password of HTTP Basic: where programs send events, and nowhere else."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import httpx
import pytest

from haechi.model.access import Grant, Reach, Role
from haechi.server.api import all_operations
from haechi.server.auth.config import AuthSettings, Limits
from haechi.store.state.access_secrets import Kind, mint
from haechi.store.state.access_tokens import NewToken
from haechi.store.state.access_users import OWNER
from tests.server.auth.conftest import MakeRig
from tests.server.auth.rig import Rig
from tests.server.serving import real_world, serving
from tests.server.test_feeds import falco

OPERATOR = Grant(role=Role.OPERATOR)


def basic(password: str, user: str = "token") -> dict[str, str]:
    """The header as curl makes it of a URL."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("user", ["token", "", "whoever"])
def test_the_password_is_the_token_whatever_the_user_name(rig: Rig, user: str) -> None:
    headers = basic(rig.token(OPERATOR), user)
    answer = rig.ask("POST", "/feeds/falco", headers=headers, body="x")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/me"), ("GET", "/tokens"), ("POST", "/scans"), ("DELETE", "/tokens/x")],
)
def test_nowhere_else(rig: Rig, method: str, path: str) -> None:
    answer = rig.ask(method, path, headers=basic(rig.token()), body="x")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_only_what_takes_events_and_decisions_takes_it() -> None:
    taking = {one.id for one in all_operations() if one.sends}
    assert taking == {"feeds.send", "events.ingest", "admission.send"}


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"token:").decode(),
        "Basic " + base64.b64encode(b"token:\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"token:" + b"a" * 20_000).decode(),
        "Basic " + base64.b64encode(b"token:a.b.c").decode(),
        "Digest " + base64.b64encode(b"token:a").decode(),
    ],
    ids=[str(number) for number in range(9)],
)
def test_what_is_no_token_is_refused(rig: Rig, header: str) -> None:
    answer = rig.ask("POST", "/feeds/falco", headers={"authorization": header}, body="x")
    assert answer.status_code == 401


def test_guesses_are_counted_and_locked_as_those_of_bearer(make_rig: MakeRig) -> None:
    rig = make_rig(AuthSettings(limits=Limits(failures_before_lockout=3)))
    codes = [
        rig.ask("POST", "/feeds/falco", headers=basic(mint(Kind.TOKEN)), body="x").status_code
        for _ in range(4)
    ]
    assert codes == [401, 401, 429, 429]


def test_senders_have_a_limit_of_their_own(make_rig: MakeRig) -> None:
    limits = Limits(per_second=1, burst=2, sender_per_second=1, sender_burst=5)
    rig = make_rig(AuthSettings(limits=limits))
    token = rig.token(OPERATOR)
    sent = [rig.ask("POST", "/feeds/falco", headers=basic(token), body="x") for _ in range(6)]
    assert [one.status_code for one in sent] == [200] * 5 + [429]
    assert int(sent[-1].headers["retry-after"]) >= 1
    asked = [rig.ask("GET", "/me", bearer=token).status_code for _ in range(3)]
    assert asked == [200, 200, 429], "a flood of events keeps nobody from looking"
    rig.pass_(seconds=1)
    again = rig.ask("POST", "/feeds/falco", headers=basic(token), body="x")
    assert again.status_code == 200


def test_falcos_burst_of_single_alerts_is_taken_by_default(rig: Rig) -> None:
    headers = basic(rig.token(OPERATOR))
    codes = {
        rig.ask("POST", "/feeds/falco", headers=headers, body="x").status_code for _ in range(1_200)
    }
    assert codes == {200}


def test_a_url_with_a_token_sends_and_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As Falco's http_output: credentials in the URL, one alert a request; the token's own
    cluster stands where the URL names none."""
    with real_world(tmp_path / "store") as world, serving(world) as server:
        grant = Grant(role=Role.OPERATOR, reach=Reach(cluster="east"))
        wanted = NewToken(name="falco", grants=(grant,), permissions=["feeds.send"])
        _, token = world.store.state.access.tokens.make(wanted, by=OWNER)
        host = server.url.removeprefix("http://")
        with caplog.at_level(logging.DEBUG), httpx.Client(trust_env=False) as client:
            url = f"http://token:{token}@{host}/api/v1/feeds/falco"
            answer = client.post(url, json=falco())
            assert answer.status_code == 200, answer.text
            wrong = client.post(url.replace(token, mint(Kind.TOKEN)), json=falco())
            assert wrong.status_code == 401
            assert client.post(f"{url}?cluster=west", json=falco()).status_code == 403
        assert [one.cluster for one in world.store.state.feeds.all(within=(Reach(),))] == ["east"]
        kept = "".join(
            record.getMessage() for record in caplog.records if record.name.startswith("haechi")
        )
        assert kept
        assert token not in kept
        assert base64.b64encode(f"token:{token}".encode()).decode() not in kept
