"""Names, shapes and surroundings, each by itself."""

from __future__ import annotations

import pytest

from haechi.checks.secrets.context import GenericContext, model
from haechi.checks.secrets.naming import naming, words_of
from haechi.checks.secrets.places import is_out_of_place, is_test_data
from haechi.checks.secrets.shape import class_of, commonness, length_of
from haechi.checks.secrets.surroundings import nearby, on_line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dbPassword", ["db", "password"]),
        ("DB_PASSWORD", ["db", "password"]),
        ("db.pass-word", ["db", "pass", "word"]),
        ("AWSSecretKey", ["aws", "secret", "key"]),
        ("비밀번호", ["비밀번호"]),
        ("", []),
    ],
)
def test_names_are_cut_into_words(name: str, words: list[str]) -> None:
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("before", "name", "kind"),
    [
        (b'db_password = "', "db_password", "password"),
        (b'"accessKey": "', "accessKey", "apikey"),
        (b'set("secret", "', "secret", "secret"),
        (b'Token: String("', "Token", "token"),
        (b'const PASSWORD: String = "', "PASSWORD", "password"),
        (b"mypassword=", "mypassword", "password"),
        (b"AUTHKEY = '", "AUTHKEY", "apikey"),
        (b"identified by '", "identified", "password"),
        (b"curl -u admin:", "user", "password"),
        (b"sort_key: '", "sort_key", "key"),
    ],
)
def test_the_nearest_telling_name_governs(before: bytes, name: str, kind: str) -> None:
    found = naming(before)
    assert found is not None
    assert (found.name, found.kind) == (name, kind)


@pytest.mark.parametrize(
    "before", [b"", b"= '", b"monkey = '", b"compass: ", b'title = "', b"\xff"]
)
def test_other_names_say_nothing(before: bytes) -> None:
    assert naming(before) is None


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (b"swordfish", "lower"),
        (b"PASSWORD", "upper"),
        (b"secret_key", "snake"),
        (b"registry-credentials", "kebab"),
        (b"DB_PASSWORD", "upper-snake"),
        (b"getPassword", "camel"),
        (b"settings.password", "dotted"),
        (b"/run/secrets/db", "path"),
        (b"https://login.corp/", "url"),
        (b"2026-11-21", "date"),
        (b"86400", "number"),
        (b"0a" * 8, "hex"),
        (b"a good phrase", "sentence"),
        (b"hunter2", "word-number"),
        (b"p@ss", "mixed"),
    ],
)
def test_values_have_a_form(value: bytes, form: str) -> None:
    assert class_of(value) == form


def test_words_are_commoner_than_noise() -> None:
    table = model()[1]
    word, noise = commonness(b"connection", table), commonness(b"xqzvkjwpgh", table)
    assert word is not None
    assert noise is not None
    assert word >= noise + 3
    assert commonness(b"12345", table) is None


def test_the_table_holds_every_trigram() -> None:
    table = model()[1]
    assert len(table) == 27**3
    assert set(table) <= set(b"0123456789")


@pytest.mark.parametrize(("size", "label"), [(3, "under-4"), (4, "under-6"), (64, "64-or-more")])
def test_lengths_are_steps(size: int, label: str) -> None:
    assert length_of(b"x" * size) == label


def test_surroundings_go_by_words() -> None:
    assert "line:environment" in on_line(b"x = os.getenv(")
    assert "line:comment" in on_line(b"  # password: ")
    assert "line:query" in on_line(b"https://a/?token=")
    assert on_line(b"login ") == []
    assert "near:user" in nearby(b"USERNAME=admin\nDB=1")
    assert "near:code:2" in nearby(b"def a():\n  return 1\nx")


@pytest.mark.parametrize(
    ("path", "is_test"),
    [
        ("tests/a.py", True),
        ("a/test_b.py", True),
        ("pkg/b_test.go", True),
        ("src/test/java/A.java", True),
        ("spec/fixtures/x.yml", True),
        ("UserTest.java", True),
        ("src/latest/a.py", False),
        ("src/attestation.py", False),
        ("inspect/a.py", False),
    ],
)
def test_test_data_is_known_by_its_path(path: str, is_test: bool) -> None:
    assert is_test_data(path) is is_test


def test_plain_values_have_no_place_in_programs() -> None:
    assert is_out_of_place("a/b.go", plain=True)
    assert not is_out_of_place("a/b.go", plain=False)
    assert not is_out_of_place("a/b.env", plain=True)


@pytest.mark.parametrize("rest", ["${B}", "<<hex 20>>", "{{ b }}", "$(cat b)", "<%= b %>"])
def test_the_beginning_of_a_template_is_no_value(rest: str) -> None:
    data = f"api_token=aB3dE5gH7jK9mN1p{rest}".encode()
    start, end = data.index(b"aB3d"), data.index(b"1p") + 2
    context = GenericContext()
    assert not context.is_credible(data[start:end], data, start, end)
    plain = data[:end] + b"\n"
    assert context.is_credible(plain[start:end], plain, start, end)
