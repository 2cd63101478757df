"""Tokens and sessions at the real application: who comes in, who does not, what they learn."""

from __future__ import annotations

import pytest

from haechi.errors import StoreFull
from haechi.model.access import Grant, Role
from haechi.server.auth import ensure_admin, new_sign_in_code
from haechi.server.auth.config import AuthSettings, Limits
from haechi.store.state.access_secrets import Kind, checksum, mint
from haechi.store.state.access_users import OWNER
from tests.server.auth.conftest import MakeRig
from tests.server.auth.rig import FULL, PLAIN, TLS, Rig

VIEWER = Grant(role=Role.VIEWER)


def test_first_start_gives_a_token_that_administers(rig: Rig) -> None:
    token = ensure_admin(rig.state)
    assert token is not None
    assert ensure_admin(rig.state) is None
    me = rig.ask("GET", "/me", bearer=token)
    assert me.status_code == 200
    assert me.json()["role"] == "admin"
    assert "users.change" in me.json()["operations"]
    assert rig.ask("GET", "/tokens", bearer=token).json()["total"] == 1
    assert ensure_admin(rig.state, anew=True) not in (None, token)


def test_without_credentials_there_is_nothing(rig: Rig) -> None:
    answer = rig.ask("GET", "/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer haechi_api_short",
        f"Bearer {mint(Kind.SESSION)}",
        f"Bearer {mint(Kind.TOKEN)[:-1]}_",
        "Bearer " + "a" * 20_000,
        "Bearer a.b.c",
        "Bearer ..",
    ],
    ids=[str(number) for number in range(10)],  # made ones differ in each process
)
def test_what_is_no_token_is_refused(rig: Rig, header: str) -> None:
    assert rig.ask("GET", "/me", headers={"authorization": header}).status_code == 401


def test_unknown_revoked_and_disabled_are_one_answer(rig: Rig) -> None:
    admin = ensure_admin(rig.state)
    rig.token()
    revoked, disabled = rig.token(VIEWER), rig.token(VIEWER, user=OWNER)
    tokens = rig.ask("GET", "/tokens", bearer=admin or "").json()["items"]
    by_prefix = {one["prefix"]: one["id"] for one in tokens}
    rig.state.access.tokens.revoke(by_prefix[revoked[:17]], by=OWNER)
    rig.state.access.users.change(OWNER, disabled=True, by=OWNER)
    answers = [rig.ask("GET", "/me", bearer=one) for one in (mint(Kind.TOKEN), revoked, disabled)]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    told = [{**answer.json(), "request": ""} for answer in answers]
    assert told[0] == told[1] == told[2]


def test_an_expired_token_says_so_to_its_holder(rig: Rig) -> None:
    token = rig.token()
    rig.pass_(days=90)
    answer = rig.ask("GET", "/me", bearer=token)
    assert answer.status_code == 401
    assert "expired on 2026-05-30" in answer.json()["detail"]


def test_a_narrowed_token_does_what_it_names_only(rig: Rig) -> None:
    token = rig.token(FULL, permissions=["tokens.list"])
    assert rig.ask("GET", "/tokens", bearer=token).status_code == 200
    assert rig.ask("GET", "/users", bearer=token).status_code == 403
    assert rig.ask("GET", "/me", bearer=token).status_code == 403


def test_a_full_disk_does_not_lock_people_out(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    token = rig.token(VIEWER)

    def full(*_: object) -> None:
        raise StoreFull("full")

    monkeypatch.setattr(rig.state.access.tokens, "used", full)
    assert rig.ask("GET", "/me", bearer=token).status_code == 200


def test_signs_in_by_token_and_out(rig: Rig) -> None:
    token = rig.token(VIEWER)
    answer = rig.sign_in(token=token)
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("haechi=haechi_ses_")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    me = rig.ask("GET", "/me").json()
    assert me["csrf"] == rig.csrf != ""
    assert me["expires"] == "2026-03-02T12:00:00Z"
    stolen = rig.cookies["haechi"]
    assert rig.ask("DELETE", "/session", headers={"x-csrf-token": rig.csrf}).status_code == 204
    assert "haechi" not in rig.cookies
    assert rig.ask("GET", "/me", headers={"cookie": f"haechi={stolen}"}).status_code == 401


def test_with_tls_the_cookie_is_bound_to_the_host(rig: Rig) -> None:
    answer = rig.ask("POST", "/session", at=TLS, home="192.0.2.1", body={"token": rig.token()})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-haechi=")
    assert "; Secure" in cookie
    assert "Path=/;" in cookie
    assert "Domain" not in cookie
    secret = cookie.partition("=")[2].partition(";")[0]
    plain = rig.ask("GET", "/me", at=TLS, headers={"cookie": f"haechi={secret}"})
    assert plain.status_code == 401


def test_no_session_over_a_network_in_clear(make_rig: MakeRig) -> None:
    rig = make_rig(address="192.0.2.9", allow_plain=False)
    token = rig.token()
    far = rig.ask(
        "POST", "/session", at="http://192.0.2.9", home="192.0.2.1", body={"token": token}
    )
    assert far.status_code == 403
    assert "set-cookie" not in far.headers


def test_behind_a_proxy_the_public_url_names_the_cookie(make_rig: MakeRig) -> None:
    rig = make_rig(public_url=TLS)
    answer = rig.ask(
        "POST",
        "/session",
        at="http://haechi.example",
        home="192.0.2.1",
        headers={"origin": TLS},
        body={"token": rig.token()},
    )
    assert answer.status_code == 201
    assert answer.headers["set-cookie"].startswith("__Host-haechi=")


@pytest.mark.parametrize(
    "body",
    [{}, {"token": "", "code": ""}, {"token": "x", "code": "y"}, {"token": "x", "more": 1}, []],
)
def test_signing_in_wants_one_of_both(rig: Rig, body: object) -> None:
    assert rig.ask("POST", "/session", body=body).status_code in (400, 422)


def test_a_link_signs_in_once_on_this_machine(rig: Rig) -> None:
    ensure_admin(rig.state)
    code = new_sign_in_code(rig.state)
    far = rig.ask("POST", "/session", at=TLS, home="192.0.2.1", body={"code": code})
    assert far.status_code == 403
    assert rig.sign_in(code=code).json()["id"] == OWNER
    assert rig.sign_in(code=code).status_code == 401
    late = new_sign_in_code(rig.state)
    rig.pass_(minutes=11)
    assert rig.sign_in(code=late).status_code == 401


def test_signing_in_again_ends_the_old_session(rig: Rig) -> None:
    rig.sign_in(token=rig.token())
    old = rig.cookies["haechi"]
    rig.sign_in(token=rig.token())
    assert rig.cookies["haechi"] != old
    rig.cookies.clear()
    assert rig.ask("GET", "/me", headers={"cookie": f"haechi={old}"}).status_code == 401


def test_a_planted_session_is_not_taken_over(rig: Rig) -> None:
    planted = mint(Kind.SESSION)
    rig.cookies.set("haechi", planted, domain="127.0.0.1")
    rig.sign_in(token=rig.token())
    assert rig.ask("GET", "/me", headers={"cookie": f"haechi={planted}"}).status_code == 401


@pytest.mark.parametrize("hours", [9, 25])
def test_a_session_ends_by_itself(rig: Rig, hours: int) -> None:
    rig.sign_in(token=rig.token())
    if hours == 25:
        for _ in range(5):
            rig.pass_(hours=5)
            rig.ask("GET", "/me")
    else:
        rig.pass_(hours=hours)
    assert rig.ask("GET", "/me").status_code == 401


def test_revoking_the_token_ends_its_sessions(rig: Rig) -> None:
    admin, token = rig.token(), rig.token(VIEWER)
    me = rig.sign_in(token=token).json()
    assert rig.ask("DELETE", f"/tokens/{me['id']}", bearer=admin).status_code == 200
    assert rig.ask("GET", "/me").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-csrf-token": ""}, 403),
        ({"x-csrf-token": "0" * 64}, 403),
        ({"x-csrf-token": "$$"}, 403),
        ({"x-csrf-token": "$"}, 204),
        ({"x-csrf-token": "$", "origin": PLAIN, "sec-fetch-site": "same-origin"}, 204),
        ({"x-csrf-token": "$", "origin": "http://127.0.0.1:9999"}, 403),
        ({"x-csrf-token": "$", "origin": "http://evil.example"}, 403),
        ({"x-csrf-token": "$", "origin": "null"}, 403),
        ({"x-csrf-token": "$", "origin": "http://[", "sec-fetch-site": "none"}, 403),
        ({"x-csrf-token": "$", "sec-fetch-site": "cross-site"}, 403),
        ({"x-csrf-token": "$", "sec-fetch-site": "same-site"}, 403),
    ],
)
def test_a_forged_request_changes_nothing(rig: Rig, headers: dict[str, str], status: int) -> None:
    rig.sign_in(token=rig.token())
    made = {name: rig.csrf if value == "$" else value for name, value in headers.items()}
    assert rig.ask("DELETE", "/session", headers=made).status_code == status
    assert rig.signed_in() == (status != 204)


def test_the_token_of_another_session_does_not_help(rig: Rig) -> None:
    rig.sign_in(token=rig.token())
    foreign = rig.csrf
    rig.cookies.clear()
    rig.sign_in(token=rig.token())
    assert foreign != rig.csrf
    assert rig.ask("DELETE", "/session", headers={"x-csrf-token": foreign}).status_code == 403


def test_a_bearer_needs_no_csrf_token(rig: Rig) -> None:
    body = {"name": "x", "grants": [{"role": "viewer"}]}
    answer = rig.ask("POST", "/tokens", bearer=rig.token(), body=body)
    assert answer.status_code == 201


def test_another_site_cannot_sign_a_browser_in(rig: Rig) -> None:
    answer = rig.ask(
        "POST", "/session", headers={"origin": "https://evil.example"}, body={"token": rig.token()}
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def limited(**limits: float) -> AuthSettings:
    return AuthSettings(limits=Limits(**limits))  # type: ignore[arg-type]


def test_each_principal_has_a_limit_of_its_own(make_rig: MakeRig) -> None:
    rig = make_rig(limited(per_second=1, burst=3))
    one, other = rig.token(), rig.token()
    answers = [rig.ask("GET", "/me", bearer=one) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert rig.ask("GET", "/me", bearer=other).status_code == 200
    rig.pass_(seconds=1)
    assert rig.ask("GET", "/me", bearer=one).status_code == 200


def test_strangers_share_the_limit_of_their_address(make_rig: MakeRig) -> None:
    rig = make_rig(limited(anonymous_per_second=1, anonymous_burst=3))
    token = rig.token()
    status = [rig.ask("GET", "/signin").status_code for _ in range(4)]
    assert status == [200, 200, 200, 429]
    assert rig.ask("GET", "/me", bearer=mint(Kind.TOKEN)).status_code == 429
    assert rig.ask("GET", "/me", bearer=token).status_code == 200
    assert rig.ask("GET", "/signin", home="127.0.0.2").status_code == 200


def test_locked_out_after_failures_and_let_in_later(make_rig: MakeRig) -> None:
    rig = make_rig(limited(failures_before_lockout=3))
    good = rig.token()
    tries = [rig.sign_in(token=mint(Kind.TOKEN)) for _ in range(4)]
    assert [one.status_code for one in tries] == [401, 401, 429, 429]
    assert rig.sign_in(token=good).status_code == 429
    assert rig.ask("GET", "/me", bearer=good).status_code == 200
    other = rig.ask("POST", "/session", home="127.0.0.2", body={"token": good})
    assert other.status_code == 201
    rig.pass_(seconds=2)
    rig.cookies.clear()
    assert rig.sign_in(token=good).status_code == 201
    assert rig.sign_in(token=mint(Kind.TOKEN)).status_code == 401


def test_guessing_one_token_from_many_addresses_locks_it(make_rig: MakeRig) -> None:
    rig = make_rig(limited(failures_before_lockout=3))
    right = rig.token()
    body, last = right[:17], ""
    for number in range(4):
        rest = body[len("haechi_api_") :] + f"{number:037}"
        last = f"haechi_api_{rest}{checksum(rest)}"
        answer = rig.ask("POST", "/session", home=f"127.0.1.{number}", body={"token": last})
    assert answer.status_code == 429
