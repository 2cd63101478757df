"""The generic family: what counts as a credential by its name and context, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets.context import GenericContext, log_odds
from haechi.checks.secrets.detect import Candidate, Detector, sources_of
from haechi.checks.secrets.forms import Forge
from haechi.engines.patterns import keyword_matcher
from haechi.rules.catalogue import load_catalogue

RULES = tuple(r for r in load_catalogue().rules if r.pattern is not None and r.pattern.generic)
FORGE = Forge("context")
RANDOM = FORGE.make("<<[a-z] 4>><<[A-Z] 3>><<[0-9] 4>><<[a-z] 4>>")
LONG = FORGE.make("<<[A-Za-z0-9] 40>>")


def found(text: str, *, path: str = "", tests: bool = False) -> list[Candidate]:
    """What the generic rules find in a text, and in a file of that name when one is given."""
    detector = Detector(RULES, keyword_matcher(sources_of(RULES)), GenericContext(tests=tests))
    candidates = detector.find(text.encode())
    return [c for c in candidates if not path or detector.keeps(c, path)]


@pytest.mark.parametrize(
    "text",
    [
        'db_password = "{}"',
        "dbPassword: '{}',",
        '{{"username": "svc", "password": "{}"}}',
        "MYSQL_ROOT_PASSWORD={}",
        "    password: {}",
        "ENV ADMIN_PASSWORD={}",
        "export DB_PASS={}",
        "spring.datasource.password = {}",
        'config.setPassword("{}")',
        'client.login(user="svc", password="{}")',
        "'password' => '{}',",
        'String password = "{}";',
        'const val PASSWORD: String = "{}"',
        'passwd := "{}"',
        "CREATE USER svc IDENTIFIED BY '{}';",
        "docker run -e POSTGRES_PASSWORD={} -p 5432:5432 postgres",
        "curl -u svc:{} https://registry.corp/v2/",
        'os.environ.get("DB_PASSWORD", "{}")',
        "<password>{}</password>",
        '<property name="password" value="{}"/>',
        '비밀번호 = "{}"',
        'body = "{{\\"password\\":\\"{}\\"}}"',
    ],
)
def test_a_random_password_is_found_in_every_syntax(text: str) -> None:
    candidates = found(text.format(RANDOM))
    assert [c.secret.decode() for c in candidates] == [RANDOM]


@pytest.mark.parametrize(
    "text",
    [
        'client_secret = "{}"',
        '"access_token": "{}",',
        "apiKey: '{}'",
        "SECRET_KEY={}",
        'consumer_secret => "{}"',
        "Authorization: Bearer {}",
        'encryption_key: "{}"',
    ],
)
def test_a_random_token_is_found(text: str) -> None:
    candidates = found(text.format(LONG))
    assert [c.secret.decode() for c in candidates] == [LONG]


@pytest.mark.parametrize(
    "text",
    [
        'password = "${DB_PASSWORD}"',
        'password = "{{ vault.password }}"',
        'password = os.environ["DB_PASSWORD"]',
        'password = os.getenv("DB_PASSWORD")',
        "password = settings.password",
        "password: process.env.DB_PASSWORD,",
        "PASSWORD=$1",
        'password = "<your password>"',
        'password = "changeme"',
        'password_field = "password"',
        'token_url = "https://login.corp/oauth2/token"',
        'password_file: "/run/secrets/db_password"',
        'secretName: "registry-credentials"',
        'label_password = "Enter your password"',
        'error.password = "The password is too short"',
        '<input type="password" name="password" placeholder="Password">',
        'if (typeof this.password === "function") {',
        'Password string `json:"password" binding:"required"`',
        'secret_key = "{{ secret_key }}"',
        'key = "name"',
        'api_key = "YOUR_API_KEY"',
        'tokenType: "Bearer"',
        'query = "ALTER ROLE x PASSWORD \'" + password + "\'"',
        'PASSWORD_RESET_URL = "/accounts/reset/"',
        "bypass = true",
    ],
)
def test_what_only_speaks_of_a_credential_is_not_one(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("name", ["publicKey", "csrf_token", "authenticity_token", "pub_key"])
def test_what_everybody_may_know_is_no_secret(name: str) -> None:
    assert found(f'{name} = "{LONG}"') == []


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("src/app.env", True),
        ("config/database.yml", True),
        ("deploy/values.yaml", True),
        ("web/package-lock.json", False),
        ("config/locales/de.yml", False),
        ("src/i18n/ko.json", False),
        ("public/app.min.js", False),
        ("po/messages.po", False),
        ("src/app.py", False),
        ("lib/login.go", False),
    ],
)
def test_a_plain_line_counts_by_its_file(path: str, kept: bool) -> None:
    assert bool(found(f"db_password = {RANDOM}\n", path=path)) is kept


@pytest.mark.parametrize("path", ["src/app.py", "lib/login.go", "main.ts"])
def test_a_quoted_value_counts_in_programs(path: str) -> None:
    assert found(f'db_password = "{RANDOM}"\n', path=path)


@pytest.mark.parametrize(
    ("path", "tests", "kept"),
    [
        ("src/login.py", False, True),
        ("tests/test_login.py", False, False),
        ("tests/test_login.py", True, True),
        ("src/login.spec.ts", False, False),
        ("app/src/test/java/LoginTest.java", False, False),
        ("contest/login.py", False, True),
    ],
)
def test_words_in_test_data_are_left_out_unless_asked_for(
    path: str, tests: bool, kept: bool
) -> None:
    text = 'user = connect("db1", user="maria", password="gartenzwerg7")\n'
    assert bool(found(text, path=path, tests=tests)) is kept


def test_random_values_in_test_data_are_found() -> None:
    assert found(f'API_TOKEN = "{LONG}"\n', path="tests/test_api.py")


HOSTILE = st.binary(max_size=400) | st.text(max_size=200).map(str.encode)


@given(before=HOSTILE, value=HOSTILE, after=HOSTILE)
def test_no_bytes_make_it_fail(before: bytes, value: bytes, after: bytes) -> None:
    data = before + b'password="' + value + after
    start = len(before) + 10
    log_odds(value, data, start, start + len(value))
    log_odds(value, data, start - 3, len(data) + 7)


@given(text=HOSTILE)
def test_the_rules_take_any_text(text: bytes) -> None:
    for candidate in found(text.decode("latin-1"), path="a/b.yaml"):
        assert candidate.secret


def test_work_is_bounded_on_a_long_line() -> None:
    data = b'x="' + b"password" * 200_000 + b'"; password = "' + RANDOM.encode() + b'"'
    start = data.rindex(RANDOM.encode())
    assert log_odds(RANDOM.encode(), data, start, start + len(RANDOM)) > -50
