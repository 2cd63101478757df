"""``haechi api`` turns words into requests and answers into text."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from haechi.cli.api import asked, command
from haechi.client.answers import ServerRefused
from haechi.errors import UsageError
from tests.client.peer import Reply, peer


@pytest.mark.parametrize(
    ("words", "method", "path", "query"),
    [
        (("now",), "GET", "/api/v1/now", ()),
        (("get", "/api/v1/findings/"), "GET", "/api/v1/findings", ()),
        (
            ("findings", "severity=high", "severity=low", "text=a=b"),
            "GET",
            "/api/v1/findings",
            (("severity", "high"), ("severity", "low"), ("text", "a=b")),
        ),
        (("DELETE", "waivers/w1"), "DELETE", "/api/v1/waivers/w1", ()),
    ],
)
def test_words_become_a_request(
    words: tuple[str, ...], method: str, path: str, query: tuple[tuple[str, str], ...]
) -> None:
    one = asked(words, None)
    assert one is not None
    assert (one.method, one.path, one.query) == (method, path, query)


def test_pairs_of_a_change_are_its_body() -> None:
    one = asked(("PATCH", "findings/f1", "owner=@pay", "due=null"), None)
    assert one is not None
    assert one.body == b'{"owner":"@pay","due":null}'


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("GET",), None),
        (("findings", "severity"), None),
        (("../etc",), None),
        (("findings?x=1",), None),
        (("POST", "waivers", "a=b"), b"{}"),
        ((), b"{}"),
    ],
)
def test_words_without_sense_are_refused(words: tuple[str, ...], body: bytes | None) -> None:
    with pytest.raises(UsageError):
        asked(words, body)


def test_an_answer_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "t")
    with peer(Reply(body=b'{"a":1}')) as server:
        done = CliRunner().invoke(command, ["now", "--server", server.url])
    assert (done.exit_code, done.output) == (0, '{"a":1}\n')


def test_a_refusal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "t")
    with peer(Reply(status=403)) as server:
        done = CliRunner().invoke(command, ["now", "--server", server.url])
    assert isinstance(done.exception, ServerRefused)


def test_a_file_is_sent_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "t")
    file = tmp_path / "events.ndjson"
    file.write_bytes(b'{"id":"1"}\n{"id":"2"}\n')
    with peer() as server:
        done = CliRunner().invoke(
            command, ["POST", "events", "--body", str(file), "--server", server.url]
        )
        seen = server.seen[0]
    assert done.exit_code == 0
    assert (seen.headers["content-type"], seen.body) == ("application/x-ndjson", file.read_bytes())


def test_without_words_the_operations_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "t")
    document = b'{"paths": {"/api/v1/now": {"get": {"summary": "What needs a person"}}}}'
    with peer(Reply(body=document)) as server:
        done = CliRunner().invoke(command, ["--server", server.url])
    assert done.output == "GET    now  What needs a person\n"


def test_all_rows_come_as_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_TOKEN", "t")
    with peer(Reply(body=b"id,title\n", type="text/csv")) as server:
        done = CliRunner().invoke(command, ["findings", "--as", "csv", "--server", server.url])
        assert server.seen[0].path == "/api/v1/findings?format=csv"
    assert done.output == "id,title\n"
