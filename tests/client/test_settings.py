"""Where the server is: a token never travels in clear, and mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.client.settings import checked_url, connection
from haechi.errors import UsageError


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://haechi.example.org", "https://haechi.example.org"),
        ("https://haechi.example.org:8443/", "https://haechi.example.org:8443"),
        ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
        ("http://[::1]:8420", "http://[::1]:8420"),
    ],
)
def test_an_address_is_scheme_host_and_port(url: str, checked: str) -> None:
    assert checked_url(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "",
        "haechi.example.org",
        "ftp://haechi.example.org",
        "http://haechi.example.org",
        "http://localhost.example.org",
        "https://ana:word@haechi.example.org",
        "https://haechi.example.org/api/v1",
        "https://haechi.example.org?x=1",
        "https://[broken",
        "https://haechi.example.org:99999",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        checked_url(url)


def test_the_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n", encoding="utf-8")
    server = {"HAECHI_SERVER": "https://h.example.org"}
    assert connection(environ=server | {"HAECHI_TOKEN": " a "}).token == "a"
    assert connection(environ=server | {"HAECHI_TOKEN_FILE": str(file)}).token == "from-file"
    with pytest.raises(UsageError, match="cannot be read"):
        connection(environ=server | {"HAECHI_TOKEN_FILE": str(tmp_path / "none")})


def test_a_connection_does_not_show_its_token() -> None:
    made = connection("https://h.example.org", "s3cret", environ={})
    assert "s3cret" not in repr(made)


def test_only_a_server_elsewhere_goes_through_a_proxy() -> None:
    assert connection("http://127.0.0.1:1", "", environ={}).local
    assert not connection("https://h.example.org", "", environ={}).local
