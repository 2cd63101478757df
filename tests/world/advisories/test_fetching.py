"""Fetching: HTTPS only, bounded, said plainly; from a server on this machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from haechi.errors import InputError, LimitExceeded, UsageError
from haechi.world.advisories import fetching
from haechi.world.advisories.fetching import fetch, shown
from haechi.world.advisories.importing import ecosystem_named, import_all, url_of
from tests.world.advisories.records import archive, record

Answer = Callable[[BaseHTTPRequestHandler], None]


def _missing(one: BaseHTTPRequestHandler) -> None:
    one.send_error(404)


class Site:
    """A web server whose pages a test sets."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.pages.get(self.path, _missing)(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def page(self, path: str, body: bytes, claimed: int | None = None, status: int = 200) -> str:
        def answer(one: BaseHTTPRequestHandler) -> None:
            one.send_response(status)
            one.send_header("Content-Length", str(len(body) if claimed is None else claimed))
            one.end_headers()
            one.wfile.write(body)

        self.pages[path] = answer
        return self.url + path

    def redirect(self, path: str, to: str) -> str:
        def answer(one: BaseHTTPRequestHandler) -> None:
            one.send_response(302)
            one.send_header("Location", to)
            one.send_header("Content-Length", "0")
            one.end_headers()

        self.pages[path] = answer
        return self.url + path

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    one = Site()
    yield one
    one.stop()


def test_an_export_is_fetched_and_covers_what_its_address_says(site: Site, tmp_path: Path) -> None:
    data = archive(tmp_path / "x.zip", [record()]).read_bytes()
    site.page("/PyPI/all.zip", data)
    url = site.redirect("/latest/PyPI/all.zip", "/PyPI/all.zip")
    done = import_all([url], tmp_path / "data/a.db", insecure=True)
    assert [(one.source, one.covers) for one in done.imported] == [("osv/PyPI", ("PyPI",))]
    assert done.imported[0].place == url
    assert {one.name for one in (tmp_path / "data").iterdir()} == {"a.db", ".a.db.lock"}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/all.zip",
        "http://10.0.0.1/a",
        "http://localhost.example.org/a",
        "https:///a",
        "http://[::1/",
    ],
)
@pytest.mark.parametrize("insecure", [True, False], ids=["allowed", "not"])
def test_plain_http_is_refused_beyond_this_machine(
    tmp_path: Path, url: str, insecure: bool
) -> None:
    with pytest.raises(UsageError):
        fetch(url, tmp_path / "x", insecure=insecure)


def test_plain_http_to_this_machine_has_to_be_asked_for(site: Site, tmp_path: Path) -> None:
    url = site.page("/a", b"x")
    with pytest.raises(UsageError, match="HTTPS only"):
        fetch(url, tmp_path / "x")
    assert fetch(url, tmp_path / "x", insecure=True) == url


@pytest.mark.parametrize("to", ["http://example.org/", "ftp://127.0.0.1/", "file:///etc/passwd"])
def test_redirects_obey_the_same_rule(site: Site, tmp_path: Path, to: str) -> None:
    with pytest.raises((UsageError, InputError)):
        fetch(site.redirect("/a", to), tmp_path / "x", insecure=True)


def test_redirects_are_bounded(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="redirects"):
        fetch(site.redirect("/a", "/a"), tmp_path / "x", insecure=True)


def test_sizes_are_bounded_whether_they_are_claimed_or_not(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_BYTES", 1000)
    with pytest.raises(LimitExceeded):
        fetch(site.page("/a", b"", claimed=5000, status=200), tmp_path / "x", insecure=True)

    def endless(one: BaseHTTPRequestHandler) -> None:
        one.send_response(200)
        one.end_headers()
        one.wfile.write(b"x" * 50_000)

    site.pages["/b"] = endless
    with pytest.raises(LimitExceeded):
        fetch(site.url + "/b", tmp_path / "x", insecure=True)


def test_an_answer_that_ends_early_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        fetch(site.page("/a", b"half", claimed=500), tmp_path / "x", insecure=True)


def test_an_error_page_is_no_archive(site: Site, tmp_path: Path) -> None:
    missing = import_all([site.url + "/PyPI/all.zip"], tmp_path / "a.db", insecure=True)
    assert "404" in missing.refused[0].what
    page = site.page("/Go/all.zip", b"<html>sign in</html>")
    login = import_all([page], tmp_path / "a.db", insecure=True)
    assert "a web page" in login.refused[0].what
    assert not (tmp_path / "a.db").exists()


def test_a_silent_server_is_an_error_and_not_clean(site: Site, tmp_path: Path) -> None:
    url = site.url
    site.stop()
    done = import_all([url + "/PyPI/all.zip"], tmp_path / "a.db", insecure=True)
    assert "no answer" in done.refused[0].what


def test_secrets_in_addresses_are_not_shown() -> None:
    assert (
        shown("https://me:pw@example.org/PyPI/all.zip?sig=abc#x")
        == "https://example.org/PyPI/all.zip"
    )


@pytest.mark.parametrize(
    ("word", "url"),
    [
        ("pypi", "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"),
        ("crates.io", "https://osv-vulnerabilities.storage.googleapis.com/crates.io/all.zip"),
        ("debian:12", "https://osv-vulnerabilities.storage.googleapis.com/Debian:12/all.zip"),
        ("rocky linux", "https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux/all.zip"),
    ],
)
def test_ecosystems_are_known_by_name(word: str, url: str) -> None:
    named = ecosystem_named(word)
    assert named is not None
    assert url_of(named) == url
    assert ecosystem_named("../etc") is None


@pytest.mark.parametrize(
    "begun",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nPK"],
    ids=["headers", "body"],
)
def test_a_server_that_trickles_is_left_after_a_bounded_time(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    left = threading.Event()

    def answer(one: BaseHTTPRequestHandler) -> None:
        one.wfile.write(begun)
        while not left.wait(0.02):
            with contextlib.suppress(OSError):
                one.wfile.write(b"x")

    site.pages["/all.zip"] = answer
    monkeypatch.setattr(fetching, "MAX_SECONDS", 0.1)
    try:
        with pytest.raises(InputError, match="not whole after"):
            fetch(f"{site.url}/all.zip", tmp_path / "x", insecure=True)
    finally:
        left.set()
