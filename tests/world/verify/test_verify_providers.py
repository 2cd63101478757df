"""What is sent to whom, provider by provider, and how each answer is read."""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.documents import Document, parse_documents
from haechi.errors import UsageError
from haechi.rules.compiled import DATA
from haechi.world.verify.conditions import Life, judged
from haechi.world.verify.providers import Ask, chosen_providers, known_providers
from haechi.world.verify.request import Answer, build
from haechi.world.verify.signing import SCHEMES, Unsendable

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
SECRET = "Val/" + "ue:1"
VALUES = {"secret": SECRET, "id": "ID9"}
PROVIDERS = known_providers()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


BEARER = ("Authorization", f"Bearer {SECRET}")
# provider: every request line as "METHOD host target", and the header that carries the value.
SENT: dict[str, tuple[list[str], tuple[str, str]]] = {
    "github": (["GET api.github.com /user"], BEARER),
    "gitlab": (["GET gitlab.com /api/v4/personal_access_tokens/self"], ("PRIVATE-TOKEN", SECRET)),
    "npm": (["GET registry.npmjs.org /-/whoami"], BEARER),
    "circleci": (["GET circleci.com /api/v2/me"], ("Circle-Token", SECRET)),
    "buildkite": (["GET api.buildkite.com /v2/access-token"], BEARER),
    "digitalocean": (["GET api.digitalocean.com /v2/account"], BEARER),
    "heroku": (["GET api.heroku.com /account"], BEARER),
    "cloudflare": (["GET api.cloudflare.com /client/v4/user/tokens/verify"], BEARER),
    "fastly": (["GET api.fastly.com /tokens/self"], ("Fastly-Key", SECRET)),
    "netlify": (["GET api.netlify.com /api/v1/user"], BEARER),
    "linode": (["GET api.linode.com /v4/profile"], BEARER),
    "doppler": (["GET api.doppler.com /v3/me"], BEARER),
    "openai": (["GET api.openai.com /v1/models"], BEARER),
    "anthropic": (["GET api.anthropic.com /v1/models?limit=1"], ("x-api-key", SECRET)),
    "huggingface": (["GET huggingface.co /api/whoami-v2"], BEARER),
    "groq": (["GET api.groq.com /openai/v1/models"], BEARER),
    "replicate": (["GET api.replicate.com /v1/account"], BEARER),
    "google-api-key": (
        ["GET generativelanguage.googleapis.com /v1beta/models?pageSize=1"],
        ("x-goog-api-key", SECRET),
    ),
    "slack": (["POST slack.com /api/auth.test"], BEARER),
    "telegram": (["GET api.telegram.org /botVal%2Fue:1/getMe"], ("Accept", "application/json")),
    "discord": (["GET discord.com /api/v10/users/@me"], ("Authorization", f"Bot {SECRET}")),
    "sendgrid": (["GET api.sendgrid.com /v3/scopes", "GET api.eu.sendgrid.com /v3/scopes"], BEARER),
    "mailgun": (
        [
            "GET api.mailgun.net /v4/domains?limit=1",
            "GET api.eu.mailgun.net /v4/domains?limit=1",
        ],
        ("Authorization", basic("api", SECRET)),
    ),
    "twilio": (
        ["GET api.twilio.com /2010-04-01/Accounts/ID9.json"],
        ("Authorization", basic("ID9", SECRET)),
    ),
    "stripe": (["GET api.stripe.com /v1/account"], BEARER),
    "toss-payments": (
        ["GET api.tosspayments.com /v1/payments/haechi-asks-for-no-payment"],
        ("Authorization", basic(SECRET, "")),
    ),
    "notion": (["GET api.notion.com /v1/users/me"], BEARER),
    "linear": (["POST api.linear.app /graphql"], ("Authorization", SECRET)),
    "figma": (["GET api.figma.com /v1/me"], ("X-Figma-Token", SECRET)),
    "airtable": (["GET api.airtable.com /v0/meta/whoami"], BEARER),
    "asana": (["GET app.asana.com /api/1.0/users/me?opt_fields=gid"], BEARER),
    "postman": (["GET api.getpostman.com /me"], ("X-API-Key", SECRET)),
    "pagerduty": (
        ["GET api.pagerduty.com /abilities", "GET api.eu.pagerduty.com /abilities"],
        ("Authorization", f"Token token={SECRET}"),
    ),
    "datadog": (
        [
            f"GET api.{site} /api/v1/validate"
            for site in (
                "datadoghq.com",
                "us3.datadoghq.com",
                "us5.datadoghq.com",
                "datadoghq.eu",
                "ap1.datadoghq.com",
                "ap2.datadoghq.com",
                "ddog-gov.com",
            )
        ],
        ("DD-API-KEY", SECRET),
    ),
    "newrelic": (
        ["POST api.newrelic.com /graphql", "POST api.eu.newrelic.com /graphql"],
        ("API-Key", SECRET),
    ),
    "aws": (
        ["GET sts.amazonaws.com /?Action=GetCallerIdentity&Version=2011-06-15"],
        ("x-amz-date", "20260102T030405Z"),
    ),
    "ncloud": (
        [
            f"GET {host} /vserver/v2/getRegionList?responseFormatType=json"
            for host in (
                "ncloud.apigw.ntruss.com",
                "ncloud.apigw.gov-ntruss.com",
                "fin-ncloud.apigw.fin-ntruss.com",
            )
        ],
        ("x-ncp-iam-access-key", "ID9"),
    ),
}


def test_the_expectations_cover_the_table() -> None:
    assert set(SENT) == set(PROVIDERS)
    assert len(PROVIDERS) >= 14


@pytest.mark.parametrize("name", SENT)
def test_the_request_is_the_documented_one(name: str) -> None:
    lines, header = SENT[name]
    requests = [build(ask, VALUES, NOW) for ask in PROVIDERS[name].asks]
    assert [f"{r.method} {r.host} {r.target}" for r in requests] == lines
    for request in requests:
        headers = dict(request.headers)
        assert headers[header[0]] == header[1]
        assert headers["User-Agent"].startswith("haechi/")


@pytest.mark.parametrize("name", SENT)
def test_the_value_goes_nowhere_else(name: str) -> None:
    for ask in PROVIDERS[name].asks:
        request = build(ask, VALUES, NOW)
        plain = [value for _, value in request.headers if SECRET in value]
        coded = [value for _, value in request.headers if value.startswith("Basic ")]
        in_path = "Val%2Fue:1" in request.target
        signed = bool(ask.sign)
        assert len(plain) + len(coded) + in_path + signed == 1
        assert SECRET.encode() not in request.body
        assert "?" not in request.target or "Val" not in request.target.partition("?")[2]


def test_what_is_posted_only_reads() -> None:
    posted = {
        name: {ask.body for ask in provider.asks}
        for name, provider in PROVIDERS.items()
        if any(ask.method != "GET" for ask in provider.asks)
    }
    assert posted == {
        "slack": {""},
        "linear": {'{"query":"query { viewer { id } }"}'},
        "newrelic": {'{"query":"{ actor { user { id } } }"}'},
    }
    methods = {ask.method for provider in PROVIDERS.values() for ask in provider.asks}
    assert methods == {"GET", "POST"}


def test_the_table_is_complete_in_itself() -> None:
    for provider in PROVIDERS.values():
        assert provider.live, provider.name
        assert provider.dead or provider.unclear, provider.name
        assert provider.documentation.startswith("https://"), provider.name
        for ask in provider.asks:
            assert ask.sign in {"", *SCHEMES}
            build(ask, dict.fromkeys(provider.needs, "x1"), NOW)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://{secret}/",
        "https://{id}.example.com/",
        "https://api.example.com:444/",
        "https://user@api.example.com/",
        "https:///x",
        "https://localhost/",
    ],
)
def test_a_host_that_is_not_fixed_or_not_https_is_refused(url: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"url": url}, Ask)


# provider, status, body, what it means
ANSWERS: list[tuple[str, int, Any, Life]] = [
    ("github", 200, {"login": "x"}, Life.LIVE),
    ("github", 403, {"message": "Resource not accessible by integration"}, Life.LIVE),
    ("github", 403, {"message": "suspended"}, Life.UNKNOWN),
    ("github", 401, {"message": "Bad credentials"}, Life.DEAD),
    ("gitlab", 200, {"id": 1}, Life.LIVE),
    ("gitlab", 401, {"message": "401 Unauthorized"}, Life.UNKNOWN),
    ("npm", 200, {"username": "x"}, Life.LIVE),
    ("npm", 200, {}, Life.UNKNOWN),
    ("npm", 401, {}, Life.DEAD),
    ("slack", 200, {"ok": True, "team": "x"}, Life.LIVE),
    ("slack", 200, {"ok": 1}, Life.UNKNOWN),
    ("slack", 200, {"ok": False, "error": "token_revoked"}, Life.DEAD),
    ("slack", 200, {"ok": False, "error": "invalid_auth"}, Life.UNKNOWN),
    ("slack", 200, {"ok": False, "error": "ratelimited"}, Life.UNKNOWN),
    ("stripe", 200, {}, Life.LIVE),
    ("stripe", 403, {}, Life.LIVE),
    ("stripe", 401, {}, Life.DEAD),
    ("openai", 200, {"data": []}, Life.LIVE),
    ("openai", 401, {"error": {"code": "invalid_api_key"}}, Life.DEAD),
    ("openai", 401, {"error": {"code": "account_deactivated"}}, Life.UNKNOWN),
    ("anthropic", 403, {"error": {"type": "permission_error"}}, Life.LIVE),
    ("anthropic", 401, {"error": {"type": "authentication_error"}}, Life.DEAD),
    ("telegram", 200, {"ok": True}, Life.LIVE),
    ("telegram", 401, {"ok": False}, Life.DEAD),
    ("telegram", 404, {"ok": False}, Life.UNKNOWN),
    ("cloudflare", 200, {"result": {"status": "active"}}, Life.LIVE),
    ("cloudflare", 200, {"result": {"status": "expired"}}, Life.DEAD),
    ("cloudflare", 401, {"success": False}, Life.UNKNOWN),
    ("digitalocean", 403, {"id": "forbidden"}, Life.LIVE),
    ("linode", 401, {"errors": [{"reason": "Invalid Token"}]}, Life.DEAD),
    ("linode", 401, {"errors": [{"reason": "not authorized"}]}, Life.UNKNOWN),
    ("google-api-key", 400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}, Life.DEAD),
    (
        "google-api-key",
        403,
        {"error": {"details": [{"a": 1}, {"reason": "SERVICE_DISABLED"}]}},
        Life.LIVE,
    ),
    ("google-api-key", 403, {"error": {"status": "PERMISSION_DENIED"}}, Life.UNKNOWN),
    ("linear", 200, {"data": {"viewer": {"id": "x"}}}, Life.LIVE),
    ("linear", 200, {"data": {"viewer": None}}, Life.UNKNOWN),
    ("linear", 401, {"errors": [{"extensions": {"code": "AUTHENTICATION_ERROR"}}]}, Life.DEAD),
    ("newrelic", 200, {"data": {"actor": {"user": {"id": 1}}}}, Life.LIVE),
    ("figma", 403, {"err": "Invalid token"}, Life.DEAD),
    ("figma", 403, {"err": "other"}, Life.UNKNOWN),
    ("datadog", 200, {"valid": True}, Life.LIVE),
    ("datadog", 200, {"valid": False}, Life.UNKNOWN),
    ("datadog", 403, {}, Life.DEAD),
    ("twilio", 401, {"code": 20003}, Life.DEAD),
    ("toss-payments", 404, {"code": "NOT_FOUND_PAYMENT"}, Life.LIVE),
    ("toss-payments", 404, {"code": "NOT_FOUND"}, Life.UNKNOWN),
    ("toss-payments", 401, {"code": "UNAUTHORIZED_KEY"}, Life.DEAD),
    ("ncloud", 200, {"getRegionListResponse": {"totalRows": 1}}, Life.LIVE),
    ("ncloud", 401, {"error": {"errorCode": "210"}}, Life.LIVE),
    ("ncloud", 401, {"error": {"errorCode": "200"}}, Life.DEAD),
    ("mailgun", 401, {}, Life.UNKNOWN),
    ("aws", 200, "<GetCallerIdentityResult><Arn>x</Arn></GetCallerIdentityResult>", Life.LIVE),
    ("aws", 200, "<html>", Life.UNKNOWN),
    ("aws", 403, "<Error><Code>InvalidClientTokenId</Code></Error>", Life.DEAD),
    ("aws", 403, "<Error><Code>ExpiredToken</Code></Error>", Life.DEAD),
    ("aws", 403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", Life.UNKNOWN),
    ("aws", 403, "<Error><Code>AccessDenied</Code></Error>", Life.UNKNOWN),
]


@pytest.mark.parametrize(("name", "status", "body", "life"), ANSWERS)
def test_answers_are_read_as_documented(name: str, status: int, body: Any, life: Life) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = judged(PROVIDERS[name], "h", Answer(status=status, body=data))
    assert found.state is life
    assert found.detail.startswith(f"h answered {status}")


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("status", [301, 302, 307, 308, 418, 429, 500, 502, 503])
def test_faults_limits_and_redirects_prove_nothing(name: str, status: int) -> None:
    """A working credential must not be called dead because a server has a bad day."""
    for body in (b"", b"{}", b"[", b"[" * 50_000, b'{"ok":true,"valid":true}'):
        found = judged(PROVIDERS[name], "h", Answer(status=status, body=body))
        assert found.state is Life.UNKNOWN


def test_a_body_that_was_cut_is_not_read() -> None:
    body = b'{"ok":true}'
    assert judged(PROVIDERS["slack"], "h", Answer(status=200, body=body)).state is Life.LIVE
    cut = judged(PROVIDERS["slack"], "h", Answer(status=200, body=body, cut=True))
    assert cut.state is Life.UNKNOWN
    assert "more than is read" in cut.detail


@given(
    name=st.sampled_from(sorted(PROVIDERS)),
    status=st.integers(100, 599),
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["ok", "error", "code", "errors", "data", "id", "details"]),
                inner,
                max_size=3,
            )
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_judged_and_none_is_repeated(name: str, status: int, body: bytes) -> None:
    mark = b"MARK-" + body
    found = judged(PROVIDERS[name], "h", Answer(status=status, body=mark))
    assert "MARK-" not in found.detail
    assert judged(PROVIDERS[name], "h", Answer(status=status, body=body)).state in Life


@pytest.mark.parametrize(
    "value", ["", "a b", "a\r\nX: y", "a\n", "é", "\x00", "x" * 5000, ".", ".."]
)
def test_what_cannot_be_sent_is_not_sent_nor_quoted(value: str) -> None:
    with pytest.raises(Unsendable) as caught:
        build(PROVIDERS["telegram"].asks[0], {"secret": value}, NOW)
    assert str(caught.value) == "the secret is nothing that can be sent"


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60))
def test_a_value_in_the_path_stays_one_segment(value: str) -> None:
    if not value.strip("."):
        return
    target = build(PROVIDERS["telegram"].asks[0], {"secret": value}, NOW).target
    assert target.startswith("/bot")
    assert target.endswith("/getMe")
    assert target.count("/") == 2
    assert not set(target) & set("?#\\ ")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (None, set(SENT)),
        ("", set(SENT)),
        ("github", {"github"}),
        (" github, aws ,", {"github", "aws"}),
        (["stripe"], {"stripe"}),
    ],
)
def test_the_user_chooses_who_is_asked(asked: Any, names: set[str]) -> None:
    assert set(chosen_providers(asked)) == names


def test_a_provider_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(UsageError, match="does not know githib"):
        chosen_providers("githib,aws")


def test_every_provider_that_a_detector_names_exists() -> None:
    folder = DATA / "secrets"
    if not folder.is_dir():
        pytest.skip("there are no detectors yet")
    named = {name for path in folder.glob("*.yaml") for name in _verified_by(path)}
    assert named <= set(PROVIDERS)
    assert named


def test_the_guide_lists_every_provider_and_host() -> None:
    guide = (Path(__file__).parents[3] / "docs/guide/verify.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row for row in guide.splitlines() if row.startswith("| `")}
    assert set(rows) == set(PROVIDERS)
    for name, provider in PROVIDERS.items():
        assert all(f"`{ask.host}`" in rows[name] for ask in provider.asks)
        assert ("live, dead" in rows[name]) == bool(provider.dead)


def _verified_by(path: Path) -> set[str]:
    found = set()
    for document in parse_documents(path.read_bytes()):
        assert isinstance(document, Document)
        for rule in document.data["rules"]:
            found.add(rule.get("pattern", {}).get("verify", ""))
    return found - {""}
