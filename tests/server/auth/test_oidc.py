"""Signing in at a real provider over HTTP, and every way to cheat at it."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from haechi.model.access import Grant, Reach, Role
from haechi.server.auth.config import AuthSettings, ClaimRule
from haechi.server.auth.config import Provider as Settings
from haechi.server.auth.oidc import local_path
from haechi.store.state.access_users import user_id_of
from tests.server.auth.conftest import MakeRig
from tests.server.auth.provider import Provider, SigningKey, by_password, new_key, unsigned
from tests.server.auth.rig import FULL, PLAIN, TLS, Rig

RULES = (
    ClaimRule(value="security", role=Role.ADMIN),
    ClaimRule(value="dev-*", role=Role.OPERATOR, clusters=("a", "b"), namespaces=("shop",)),
    ClaimRule(claim="email", value="boss@example.com", role=Role.APPROVER),
    ClaimRule(claim="realm_access.roles", value="see", role=Role.VIEWER),
)
LOGIN = "/auth/oidc/id/login"


@pytest.fixture
def signer(make_rig: MakeRig, provider: Provider) -> Rig:
    """A rig whose provider ``id`` is the real one."""
    return make_rig(settings_for(provider))


def settings_for(provider: Provider, **more: Any) -> AuthSettings:
    provider.client.redirects = {
        f"{at}/api/v1/auth/oidc/{name}/callback" for at in (PLAIN, TLS) for name in ("id", "other")
    }
    one = Settings(
        name="id", issuer=provider.issuer, client_id="haechi", rules=RULES, allow_http=True, **more
    )
    other = Settings(
        name="other", issuer=provider.issuer, client_id="haechi", rules=RULES, allow_http=True
    )
    return AuthSettings(providers=(one, other))


def at_provider(location: str) -> str:
    """What a browser does at the provider: follows it and comes back with an address."""
    parts = urlsplit(location)
    connection = HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        assert answer.status == 302, answer.read()
        return answer.headers["location"] or ""
    finally:
        connection.close()


def come_back(rig: Rig, location: str) -> httpx.Response:
    parts = urlsplit(location)
    return rig.ask("GET", f"{parts.path}?{parts.query}", at=f"{parts.scheme}://{parts.netloc}")


def flow(rig: Rig, login: str = LOGIN, at: str = PLAIN) -> httpx.Response:
    """The whole way."""
    gone = rig.ask("GET", login, at=at)
    assert gone.status_code == 303, gone.text
    return come_back(rig, at_provider(gone.headers["location"]))


def turned_away(answer: httpx.Response, why: str = "refused") -> bool:
    """Back at the sign-in screen, without a session."""
    cookies = answer.headers.get_list("set-cookie")
    return (
        answer.status_code == 303
        and answer.headers["location"] == f"/signin?failed={why}"
        and not any("haechi_ses_" in cookie for cookie in cookies)
    )


def test_signs_in_with_the_roles_of_the_groups(signer: Rig, provider: Provider) -> None:
    answer = flow(signer, f"{LOGIN}?next=/findings%3Fseverity%3Dhigh")
    assert answer.headers["location"] == "/findings?severity=high"
    cookies = answer.headers.get_list("set-cookie")
    assert any("haechi=haechi_ses_" in one and "SameSite=Strict" in one for one in cookies)
    assert any(one.startswith("haechi-flow=;") and "Max-Age=0" in one for one in cookies)
    me = signer.ask("GET", "/me").json()
    assert me["id"] == user_id_of(provider.issuer, "1")
    assert (me["name"], me["role"]) == ("Ana", "admin")
    assert provider.refused == []
    out = signer.ask("DELETE", "/session", headers={"x-csrf-token": me["csrf"]})
    assert out.status_code == 204
    assert not signer.signed_in()


def test_with_tls_both_cookies_are_bound_to_the_host(signer: Rig) -> None:
    gone = signer.ask("GET", LOGIN, at=TLS)
    cookie = gone.headers["set-cookie"]
    assert cookie.startswith("__Host-haechi-flow=")
    assert "SameSite=Lax" in cookie
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    back = come_back(signer, at_provider(gone.headers["location"]))
    assert any("__Host-haechi=" in one for one in back.headers.get_list("set-cookie"))


def test_asks_with_pkce_state_and_nonce_anew_each_time(signer: Rig) -> None:
    asks = [
        parse_qs(urlsplit(signer.ask("GET", LOGIN).headers["location"]).query) for _ in range(2)
    ]
    for name in ("state", "nonce", "code_challenge"):
        assert asks[0][name] != asks[1][name]
        assert len(asks[0][name][0]) >= 43
    assert asks[0]["code_challenge_method"] == ["S256"]
    assert asks[0]["redirect_uri"] == [f"{PLAIN}/api/v1{LOGIN.replace('login', 'callback')}"]


def test_a_confidential_client_shows_its_secret(
    make_rig: MakeRig, provider: Provider, tmp_path: Path
) -> None:
    provider.client.secret = "a b:c/ä"
    file = tmp_path / "secret"
    file.write_text("a b:c/ä\n", "utf-8")
    rig = make_rig(settings_for(provider, client_secret_file=str(file)))
    assert flow(rig).headers["location"] == "/"
    assert rig.signed_in()
    file.write_text("wrong")
    assert turned_away(flow(rig))
    file.unlink()
    assert turned_away(flow(rig))


@pytest.mark.parametrize(
    ("claims", "grants"),
    [
        ({"groups": ["security"]}, [FULL]),
        (
            {"groups": ["dev-shop"]},
            [
                Grant(role=Role.OPERATOR, reach=Reach(cluster=one, namespace="shop"))
                for one in ("a", "b")
            ],
        ),
        ({"groups": "security"}, [FULL]),
        ({"realm_access": {"roles": ["see", "x"]}}, [Grant(role=Role.VIEWER)]),
        (
            {"email": "boss@example.com", "email_verified": True},
            [Grant(role=Role.APPROVER)],
        ),
        ({"email": "boss@example.com"}, []),
        ({"email": "boss@example.com", "email_verified": "true"}, []),
        ({"groups": ["Security", "security2", "nodev-x"]}, []),
        ({"groups": {"security": True}}, []),
        ({"groups": [["security"], None, 1.5]}, []),
        ({}, []),
    ],
)
def test_claims_give_what_the_rules_say(
    signer: Rig, provider: Provider, claims: dict[str, Any], grants: list[Grant]
) -> None:
    provider.claims = {"sub": "2", **claims}
    answer = flow(signer)
    user = signer.state.access.users.find(user_id_of(provider.issuer, "2"))
    assert user is not None
    assert user.grants == sorted(grants)
    assert turned_away(answer, "no-access") == (not grants)


def test_groups_that_are_gone_take_their_roles_along(signer: Rig, provider: Provider) -> None:
    flow(signer)
    provider.claims = {"sub": "1", "groups": []}
    assert turned_away(flow(signer), "no-access")
    assert not signer.signed_in()


def test_a_disabled_user_stays_outside(signer: Rig, provider: Provider) -> None:
    flow(signer)
    signer.token()
    user = user_id_of(provider.issuer, "1")
    signer.state.access.users.change(user, disabled=True, by="user:x")
    assert not signer.signed_in()
    assert turned_away(flow(signer), "no-access")


Sign = Callable[[dict[str, Any], SigningKey], str]
FOREIGN, SHORT = new_key(), new_key("rsa", bits=1024)


def _same_kid(claims: dict[str, Any], key: SigningKey) -> str:
    return SigningKey(key.kid, FOREIGN.algorithm, FOREIGN.private).sign(claims)


def _cut(claims: dict[str, Any], key: SigningKey) -> str:
    return key.sign(claims).rpartition(".")[0] + "."


def _edited(claims: dict[str, Any], key: SigningKey) -> str:
    good, other = key.sign(claims).split("."), key.sign({**claims, "sub": "admin"}).split(".")
    return ".".join((good[0], other[1], good[2]))


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        by_password,
        _same_kid,
        _cut,
        _edited,
        lambda claims, key: FOREIGN.sign(claims),
        lambda claims, key: key.sign(claims, kid="unknown"),
        lambda claims, key: key.sign(claims, crit=["x"], x=1),
        lambda claims, key: "no token",
        lambda claims, key: "a.b.c",
        lambda claims, key: "",
        lambda claims, key: key.sign({**claims, "x": "y" * 20_000}),
    ],
)
def test_a_token_that_is_not_signed_by_the_issuer_is_refused(
    signer: Rig, provider: Provider, sign: Sign
) -> None:
    provider.sign = sign
    assert turned_away(flow(signer))
    assert not signer.signed_in()
    assert signer.state.access.users.page(limit=9).items == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": []},
        {"aud": None},
        {"aud": ["haechi", "other"]},
        {"aud": ["haechi", "other"], "azp": "other"},
        {"azp": "other"},
        {"nonce": "other"},
        {"nonce": None},
        {"nonce": ["x"]},
        {"exp": -61},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"iat": 120},
        {"iat": None},
        {"iat": -100_000},
        {"nbf": 120},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    signer: Rig, provider: Provider, wrong: dict[str, Any]
) -> None:
    def spoil(claims: dict[str, Any]) -> dict[str, Any]:
        now = int(provider.clock())
        times = ("exp", "iat", "nbf")
        made = {
            name: now + value if name in times and type(value) is int else value
            for name, value in wrong.items()
        }
        every = {**claims, **made}
        return {name: value for name, value in every.items() if value is not None}

    provider.spoil = spoil
    assert turned_away(flow(signer))
    assert not signer.signed_in()


@pytest.mark.parametrize(
    "right", [{"aud": ["haechi"]}, {"aud": ["haechi", "other"], "azp": "haechi"}], ids=str
)
def test_several_audiences_are_good_when_it_was_made_for_us(
    signer: Rig, provider: Provider, right: dict[str, Any]
) -> None:
    provider.spoil = lambda claims: {**claims, **right}
    flow(signer)
    assert signer.signed_in()


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed"])
def test_keys_of_each_kind_hold(signer: Rig, provider: Provider, kind: str) -> None:
    provider.keys = [new_key(kind), new_key()]
    flow(signer)
    assert signer.signed_in()


def test_a_short_key_is_refused(signer: Rig, provider: Provider) -> None:
    provider.keys = [SHORT]

    def sign(claims: dict[str, Any], key: SigningKey) -> str:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return key.sign(claims)

    provider.sign = sign
    assert turned_away(flow(signer))


def test_a_new_key_is_fetched_and_an_unknown_one_not_again_and_again(
    signer: Rig, provider: Provider
) -> None:
    flow(signer)
    provider.keys = [new_key()]
    signer.pass_(minutes=1)
    provider.clock = signer.now.timestamp
    flow(signer)
    assert signer.signed_in()
    assert provider.hits["/jwks"] == 2
    provider.sign = lambda claims, key: FOREIGN.sign(claims)
    for _ in range(5):
        assert turned_away(flow(signer))
    assert provider.hits["/jwks"] == 2
    signer.pass_(minutes=1)
    assert turned_away(flow(signer))
    assert provider.hits["/jwks"] == 3
    assert provider.hits["/.well-known/openid-configuration"] == 1


def test_keys_hold_on_while_their_issuer_is_away(signer: Rig, provider: Provider) -> None:
    flow(signer)
    provider.override["/jwks"] = (503, b"")
    signer.pass_(hours=2)
    provider.clock = signer.now.timestamp
    flow(signer)
    assert signer.signed_in()
    signer.pass_(days=2)
    provider.clock = signer.now.timestamp
    assert turned_away(flow(signer))


def test_an_answer_for_another_browser_is_refused(signer: Rig) -> None:
    theirs = at_provider(signer.ask("GET", LOGIN).headers["location"])
    signer.cookies.clear()
    assert turned_away(come_back(signer, theirs))
    signer.ask("GET", LOGIN)
    assert turned_away(come_back(signer, theirs))


def test_an_answer_is_good_once(signer: Rig, provider: Provider) -> None:
    back = at_provider(signer.ask("GET", LOGIN).headers["location"])
    held = signer.cookies["haechi-flow"]
    assert come_back(signer, back).headers["location"] == "/"
    signer.cookies.clear()
    assert turned_away(come_back(signer, back))
    signer.cookies.set("haechi-flow", held, domain="127.0.0.1")
    assert turned_away(come_back(signer, back))
    assert provider.hits["/token"] == 1


def test_a_stolen_code_does_not_fit_another_sign_in(signer: Rig, provider: Provider) -> None:
    """PKCE: the thief has a code of the victim's and a sign-in of their own."""
    stolen = parse_qs(urlsplit(at_provider(signer.ask("GET", LOGIN).headers["location"])).query)
    own = urlsplit(at_provider(signer.ask("GET", LOGIN).headers["location"]))
    query = {name: values[0] for name, values in parse_qs(own.query).items()}
    mixed = httpx.QueryParams({**query, "code": stolen["code"][0]})
    assert turned_away(signer.ask("GET", f"{own.path}?{mixed}"))
    assert provider.refused == ["code_verifier"]


@pytest.mark.parametrize(
    "change",
    [
        {"state": "x"},
        {"state": ""},
        {"iss": "https://evil.example"},
        {"iss": ""},
        {"code": ""},
        {"code": "x" * 4_097},
        {"code": "unknown"},
        {"error": "access_denied"},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_wrong_answer_is_refused(signer: Rig, change: dict[str, str]) -> None:
    parts = urlsplit(at_provider(signer.ask("GET", LOGIN).headers["location"]))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    answer = signer.ask("GET", f"{parts.path}?{httpx.QueryParams({**query, **change})}")
    assert answer.status_code == 400 or turned_away(answer)
    assert not signer.signed_in()


def test_an_answer_at_another_provider_is_refused(signer: Rig) -> None:
    back = at_provider(signer.ask("GET", LOGIN).headers["location"])
    assert turned_away(come_back(signer, back.replace("/oidc/id/", "/oidc/other/")))


def test_a_sign_in_that_takes_too_long_is_refused(signer: Rig, provider: Provider) -> None:
    back = at_provider(signer.ask("GET", LOGIN).headers["location"])
    signer.pass_(minutes=11)
    provider.clock = signer.now.timestamp
    assert turned_away(come_back(signer, back))


@pytest.mark.parametrize("cookie", ["x", "x.y", ".", "e30.x", "é.x"])
def test_a_made_up_cookie_is_refused(signer: Rig, cookie: str) -> None:
    back = at_provider(signer.ask("GET", LOGIN).headers["location"])
    signer.cookies.clear()
    parts = urlsplit(back)
    headers = {"cookie": f"haechi-flow={cookie}".encode().decode("ascii", "ignore")}
    assert turned_away(signer.ask("GET", f"{parts.path}?{parts.query}", headers=headers))


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/%09/evil.example\t",
        "/\t/evil.example",
        "/\n/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "",
        "findings",
        "/ä",
        "/a b",
        "/" + "a" * 2_000,
    ],
)
def test_nobody_is_led_elsewhere(signer: Rig, wanted: str) -> None:
    assert local_path(wanted) == "/"
    answer = flow(signer, f"{LOGIN}?{httpx.QueryParams({'next': wanted})}")
    assert answer.headers["location"] == "/"


def test_an_unknown_provider_is_not_found(signer: Rig) -> None:
    assert signer.ask("GET", "/auth/oidc/none/login").status_code == 404
    assert signer.ask("GET", "/auth/oidc/none/callback").status_code == 404
    assert signer.ask("GET", "/signin").json()["providers"] == ["id", "other"]


@pytest.mark.parametrize(
    "describe",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://192.0.2.1/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": ""},
        {"jwks_uri": 7},
    ],
    ids=str,
)
def test_a_provider_that_describes_itself_wrongly_is_not_used(
    signer: Rig, provider: Provider, describe: dict[str, Any]
) -> None:
    provider.describe = describe
    assert turned_away(signer.ask("GET", LOGIN), "unavailable")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", (500, b"")),
        ("/.well-known/openid-configuration", (200, b"<html>")),
        ("/.well-known/openid-configuration", (200, b"[" * 100_000)),
        ("/.well-known/openid-configuration", (200, b" " * 300_000)),
        ("/jwks", (200, b"{}")),
        ("/jwks", (200, b" " * 300_000)),
        ("/jwks", (302, b"http://127.0.0.1:1/")),
        ("/jwks", (200, b'{"keys":[{"kty":"EC","kid":"x","crv":"P-256"}]}')),
        ("/token", (500, b"")),
        ("/token", (200, b"{}")),
        ("/token", (200, b"x" * 300_000)),
        ("/token", (302, b"http://127.0.0.1:1/")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_provider_that_misbehaves_signs_nobody_in(
    signer: Rig, provider: Provider, path: str, answer: tuple[int, bytes]
) -> None:
    provider.override[path] = answer
    gone = signer.ask("GET", LOGIN)
    if path.startswith("/.well"):
        assert turned_away(gone, "unavailable")
    else:
        assert turned_away(come_back(signer, at_provider(gone.headers["location"])))


def test_a_provider_that_is_gone_is_told_so(signer: Rig, provider: Provider) -> None:
    port = provider.issuer
    provider.close()
    answer = signer.ask("GET", LOGIN)
    assert turned_away(answer, "unavailable")
    assert port not in answer.headers["location"]
