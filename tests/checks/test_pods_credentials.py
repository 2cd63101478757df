"""What counts as a literal credential, and that no message ever shows one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.checks.pods import secrets
from haechi.checks.pods.credentials import (
    can_be_secret,
    has_url_password,
    known_token,
    means_secret,
)
from haechi.model.review import Review
from tests.checks.object_reviews import reviews

JUDGES = (
    secrets.literal_token,
    secrets.url_password,
    secrets.literal_env,
    secrets.literal_command,
)


def said(container: dict[str, Any]) -> list[str]:
    """Messages of all four rules on a pod with this container."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "app", **container}]},
    }
    (review,) = reviews([pod])
    return [hit.message for judge in JUDGES for hit in judge(review)]


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD",
        "DB_PASSWORD",
        "dbPassword",
        "db-password",
        "MYSQL_ROOT_PASSWORD",
        "PGPASSWORD",
        "REDIS_PASS",
        "API_KEY",
        "apiKey",
        "X_API_KEY",
        "STRIPE_APIKEY",
        "AWS_SECRET_ACCESS_KEY",
        "SECRET_KEY_BASE",
        "JWT_SECRET",
        "CLIENT_SECRET",
        "GITHUB_TOKEN",
        "AUTH_TOKEN_PROD",
        "ENCRYPTION_KEY",
        "DB_PASSWORD_2",
        "requirepass",
    ],
)
def test_names_that_mean_a_secret(name: str) -> None:
    assert means_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD_FILE",
        "DB_PASSWORD_PATH",
        "SECRET_NAME",
        "TOKEN_TTL",
        "TOKEN_URL",
        "MAX_TOKENS",
        "USE_TOKEN",
        "PASSWORD_MIN_LENGTH",
        "PUBLIC_KEY",
        "PARTITION_KEY",
        "KEY",
        "KEYBOARD",
        "COMPASS",
        "BYPASS",
        "AUTHOR",
        "TOKENIZER",
        "SECRETS_BACKEND",
        "ALLOW_EMPTY_PASSWORD",
        "IMAGE_PULL_SECRET_NAME",
        "HASH_KEY",
        "CREDENTIALS_ENABLED",
        "",
    ],
)
def test_names_about_something_else(name: str) -> None:
    assert means_secret(name) == ""


@pytest.mark.parametrize(
    "value", ["h4nd1ebar", "password", "changeme", "123456", "p@ss w0rd", "abc"]
)
def test_passwords_may_be_anything(value: str) -> None:
    assert can_be_secret("password", value)


@pytest.mark.parametrize(
    ("word", "value", "secret"),
    [
        ("secret", "payment-methods", False),
        ("credentials", "cart.payment", False),
        ("password", "correct-horse", True),
        ("token", "payment-methods", True),
        ("secret", "payment-methods-7f3a", True),
        ("secret", "SECRET", False),
        ("password", "my-password", False),
        ("password", "aaaaaa", False),
    ],
)
def test_a_name_of_a_secret_is_not_the_secret(word: str, value: str, secret: bool) -> None:
    assert can_be_secret(word, value) is secret


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "true",
        "False",
        "disabled",
        "$(DB_PASSWORD)",
        "${DB_PASSWORD}",
        "$DB_PASSWORD",
        "{{ .Values.password }}",
        "<your password>",
        "<PASSWORD>",
        "xxxxx",
        "********",
        "REPLACE_ME",
        "your-password-here",
        "REDACTED",
        "/run/secrets/db",
        "/etc/app/token.txt",
        "./secrets/key.pem",
        "credentials.json",
        "https://vault.example.com/v1/token",
        "vault:secret/data/app#password",
        "arn:aws:secretsmanager:eu-west-1:1:secret:a",
        "op://vault/item/field",
        "$2b$12$abcdefghijklmnopqrstuv",
        "webhook-server-tls",
        "cart-db-credentials",
        "regcred",
    ],
)
def test_values_that_point_elsewhere_or_nowhere(value: str) -> None:
    assert not can_be_secret("password", value)
    assert not can_be_secret("token", value)


@pytest.mark.parametrize("value", ["3600", "15m", "1h", "abc", "24h"])
def test_numbers_and_spans_are_no_tokens(value: str) -> None:
    assert not can_be_secret("token", value)


FAKE = {
    "AWS access key": "AKIA" + "Q7XN3PZ5TLKW2MVD",
    "GitHub token": "ghp_" + "a1B2" * 9,
    "GitLab token": "glpat-" + "a1B2c3D4e5F6g7H8i9J0",
    "Slack token": "xoxb-" + "123456789012-abcdef",
    "Stripe live key": "sk_live_" + "a1B2c3D4e5F6g7H8",
    "Google API key": "AIza" + "a1B2c" * 7,
    "npm token": "npm_" + "a1B2" * 9,
    "JSON web token": ".".join(("eyJhbGciOiJIUzI1", "eyJzdWIiOiIxMjM0", "c2lnbmF0dXJl")),
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "Hugging Face token": "hf_" + "aB" * 17,
}


@pytest.mark.parametrize(("kind", "value"), FAKE.items())
def test_credentials_are_known_by_their_form(kind: str, value: str) -> None:
    assert known_token(f"prefix {value} suffix") == kind
    (message,) = said({"env": [{"name": "A", "value": value}]})
    assert kind in message
    assert value not in message


@pytest.mark.parametrize(
    "value",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "MAKIAQ7XN3PZ5TLKW2MVDX",
        "sk-learn-image",
        "eyJhbGciOiJIUzI1",
        "hf_x",
    ],
)
def test_look_alikes_are_left_alone(value: str) -> None:
    assert known_token(value) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgres://cart:h4nd1ebar@db:5432/cart", True),
        ("amqp://guest:guest@rabbit/", True),
        ("redis://:h4nd1ebar@redis:6379", True),
        ("https://user:p%40ss@example.com", True),
        ("a=1 mongodb://u:p4ss@h/x b=2", True),
        ("postgres://cart:$(PW)@db/cart", False),
        ("postgres://cart:${PW}@db/cart", False),
        ("postgres://cart:<password>@db/cart", False),
        ("postgres://cart:xxxx@db/cart", False),
        ("postgres://%s:%s@db/cart", False),
        ("postgres://db:5432/cart", False),
        ("https://example.com:8443/a@b", False),
        ("http://proxy:3128", False),
    ],
)
def test_passwords_in_urls(value: str, expected: bool) -> None:
    assert has_url_password(value) is expected


@pytest.mark.parametrize(
    "command",
    [
        ["server", "--db-password=h4nd1ebar"],
        ["server", "--db-password", "h4nd1ebar"],
        ["server", "-apiKey", "h4nd1ebar"],
        ["sh", "-c", "export DB_PASSWORD=h4nd1ebar; run"],
        ["sh", "-c", "DB_PASSWORD='h4nd1ebar' run"],
        ["sh", "-c", 'curl -H "Authorization: Bearer h4nd1ebar00" http://a'],
        ["sh", "-c", "curl -s -u admin:h4nd1ebar http://a"],
        ["sh", "-c", "mysqladmin ping -uroot -ph4nd1ebar"],
        ["sh", "-c", "redis-cli -a h4nd1ebar ping"],
        ["redis-server", "--requirepass", "h4nd1ebar"],
    ],
)
def test_secrets_on_command_lines(command: list[str]) -> None:
    for place in (
        {"command": command},
        {"args": command},
        {"livenessProbe": {"exec": {"command": command}}},
        {"lifecycle": {"preStop": {"exec": {"command": command}}}},
    ):
        (message,) = said(place)
        assert "h4nd1ebar" not in message


@pytest.mark.parametrize(
    "command",
    [
        ["server", "--password-file=/run/secrets/db", "--token-ttl=3600"],
        ["server", "--db-password=$(DB_PASSWORD)"],
        ["server", "--secret-name=webhook", "--secret", "webhook-tls"],
        ["server", "--password", "--verbose"],
        ["sh", "-c", "mysqladmin ping -uroot -p$MYSQL_ROOT_PASSWORD"],
        ["sh", "-c", "mysql -h db -P 3306 -uroot -p"],
        ["sh", "-c", "curl -H 'Authorization: Bearer '$TOKEN http://a"],
        ["sh", "-c", 'TOKEN="$(cat /run/token)" run'],
        ["sh", "-c", "docker run -u 1000:1000 a; mkdir -p /data"],
        ["kube-webhook-certgen", "create", "--host=a", "--secret-name=admission"],
        ["--tls-private-key-file=/etc/tls/tls.key", "--enable-token=true"],
    ],
)
def test_command_lines_without_secrets(command: list[str]) -> None:
    assert said({"command": command}) == []


def test_each_place_has_one_finding_by_the_strongest_evidence() -> None:
    value = f"https://u:{FAKE['GitHub token']}@github.com/a"
    (message,) = said({"env": [{"name": "DB_PASSWORD", "value": value}]})
    assert "GitHub token" in message


@settings(max_examples=150, deadline=None)
@given(secret=st.from_regex(r"[A-Za-z0-9+!?_]{9,24}", fullmatch=True), name=st.text(max_size=6))
def test_no_message_shows_the_secret(secret: str, name: str) -> None:
    marked = f"qZ{secret}9"
    messages = said(
        {
            "env": [
                {"name": f"{name}_PASSWORD", "value": marked},
                {"name": "U", "value": f"db://u:{marked}@h"},
            ],
            "args": ["--password", marked],
        }
    )
    assert len(messages) >= 2
    assert all(marked not in message and message.isprintable() for message in messages)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_can_be_judged(text: str) -> None:
    assert isinstance(means_secret(text), str)
    assert isinstance(can_be_secret("password", text), bool)
    assert isinstance(known_token(text), str)
    assert isinstance(has_url_password(text), bool)


@pytest.mark.parametrize(
    "text",
    [
        "curl " * 4000,
        "curl " + "-u a" * 5000,
        "mysql " + " -p" * 5000,
        "a://" * 5000,
        "password=" * 3000,
        "-" * 20000,
        "eyJ" + "a" * 20000 + ".eyJ" * 10,
        "Authorization: " * 2000,
        "A_" * 9000 + "=x",
        "-----BEGIN " + "RSA " * 5000,
    ],
)
def test_long_hostile_commands_are_judged(text: str) -> None:
    # The patterns are bounded; a backtracking one would not come back from these.
    assert isinstance(said({"args": [text]}), list)


def test_environment_from_secrets() -> None:
    ref = {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    data = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "containers": [
                {
                    "name": "app",
                    "env": [{"name": "A", **ref}, {"name": "B", **ref}],
                    "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "c"}}],
                }
            ]
        },
    }
    review: Review
    (review,) = reviews([data])
    assert len(list(secrets.from_secret_key(review))) == 1
    (hit,) = secrets.from_whole_secret(review)
    assert hit.path == ("spec", "containers", 0, "envFrom", 0, "secretRef")
