"""Credentials in manifests: what is one, what only looks so, and that no message shows it."""

from __future__ import annotations

import base64

import pytest
import yaml

from haechi.checks import secret_objects
from haechi.model.review import Point, Review
from tests.checks.object_reviews import documents, messages, resource_of

VALUE = "correct-horse-9"


def _object(kind: str, **fields: object) -> str:
    meta = {"name": "s", "namespace": "shop"}
    return yaml.safe_dump({"apiVersion": "v1", "kind": kind, "metadata": meta, **fields})


@pytest.mark.parametrize(
    ("key", "value", "literal"),
    [
        ("password", VALUE, True),
        ("anything", VALUE, True),
        ("username", VALUE, False),
        ("url", f"postgres://u:{VALUE}@db/x", True),
        ("url", "postgres://db/x", False),
        ("password", "", False),
        ("password", "CHANGE_ME", False),
        ("password", "<your password>", False),
        ("password", "${DB_PASSWORD}", False),
        ("password", "{{ .Values.password }}", False),
        ("password", "xxxxxxxx", False),
        ("password", "ref+vault://shop/db#/password", False),
        ("password", "your-password-here", False),
        ("app.yaml", "listen: 80\nmode: fast\n", False),
        ("app.yaml", f"listen: 80\npassword: {VALUE}\n", True),
        ("app.yaml", "password: ${DB_PASSWORD}\n", False),
        ("ca.crt", "-----BEGIN CERTIFICATE-----", False),
        ("password", "postgres", True),
        ("password", "password", True),
        ("password", "my-password", False),
        ("bearerToken", "my-access-token", False),
        ("token", "yourToken", False),
        ("secret", "shhhh! it's a webhook secret", False),
        ("anything", "aaaaaaa", False),
        ("API_KEY", "API_KEY_HERE", False),
        ("password", "CORRECTHORSE", True),
        ("enableOCI", "true", False),
        ("CRYPTO_KEY_SIZE", "256", False),
        ("CRYPTO_KEY_CIPHER", "aes-xts-plain64", False),
        ("admin.passwordMtime", "2020-01-31T10:00:00Z", False),
        ("apiAddress", "tcp://storage:5705", False),
        ("azurestorageaccountname", "k8stest", False),
        ("azurestorageaccountkey", "eHh4eXl5enp6", True),
        ("accounts.alice.tokens", '[{"id":"123","iat":1583789194}]', False),
        ("settings", '{"user": "shop", "password": "correct-horse-9"}', True),
        ("dhparam", "-----BEGIN DH PARAMETERS-----", False),
    ],
)
def test_literal_values_are_told_from_placeholders(key: str, value: str, literal: bool) -> None:
    plain = _object("Secret", stringData={key: value})
    encoded = _object("Secret", data={key: base64.b64encode(value.encode()).decode()})
    for text in (plain, encoded):
        found = messages(secret_objects.literal_value, text)
        assert bool(found) is literal
        assert all(VALUE not in message for message in found)


def test_encrypted_and_generated_secrets_are_no_findings() -> None:
    data = {"stringData": {"password": VALUE}}
    assert messages(secret_objects.literal_value, _object("Secret", **data))
    encrypted = _object("Secret", sops={"version": "3"}, **data)
    release = _object("Secret", type="helm.sh/release.v1", **data)
    assert messages(secret_objects.literal_value, encrypted) == []
    assert messages(secret_objects.literal_value, release) == []


def test_a_live_secret_carries_its_data_by_nature() -> None:
    resource = resource_of(documents(_object("Secret", stringData={"password": VALUE}))[0])
    assert list(secret_objects.literal_value(Review(resource=resource)))
    assert not list(secret_objects.literal_value(Review(resource=resource, point=Point.ADMISSION)))


@pytest.mark.parametrize(
    ("key", "value", "credential"),
    [
        ("DB_PASSWORD", VALUE, True),
        ("apiKey", VALUE, True),
        ("aws.secret.key", VALUE, True),
        ("PASSWORD_FILE", "/run/secrets/password", False),
        ("password", "/run/secrets/password", False),
        ("enable-token", "true", False),
        ("token", "15m", False),
        ("auth-token", "two words", False),
        ("keys", VALUE, False),
        ("nginx.conf", "proxy_pass http://u;\n", False),
        ("app.properties", f"db.password={VALUE}\n", True),
        ("app.properties", "db.password=%(env)s\n", False),
        ("dsn", f"mysql://root:{VALUE}@db/x", True),
        ("notes", "the password: see the vault\n", False),
    ],
)
def test_credentials_in_config_maps(key: str, value: str, credential: bool) -> None:
    found = messages(secret_objects.config_map_credential, _object("ConfigMap", data={key: value}))
    assert bool(found) is credential
    assert all(VALUE not in message for message in found)


@pytest.mark.parametrize(
    ("interval", "short"),
    [
        ("15s", True),
        ("59s", True),
        ("1m", False),
        ("0", False),
        ("0s", False),
        ("1h30m", False),
        (15, False),
    ],
)
def test_refresh_below_a_minute_is_short(interval: object, short: bool) -> None:
    text = yaml.safe_dump(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": "s"},
            "spec": {"refreshInterval": interval},
        }
    )
    assert bool(messages(secret_objects.short_refresh, text)) is short


def test_a_key_without_end_takes_no_time_without_end() -> None:
    """Looked at in full, the pattern's time would grow with the square: hours for this one."""
    data = {"apiVersion": "v1", "kind": "Secret", "stringData": {"_ina" * 250_000: VALUE}}
    assert list(secret_objects.literal_value(Review(resource=resource_of(data))))
