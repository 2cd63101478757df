"""The page's files: headers, caching, packing, and paths that lead nowhere else."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from haechi.server.page import Page
from tests.server.serving import Running, asked, bare_world, by_word, serving
from tests.server.wire import exchange, head, status

SCRIPT = "assets/main-B2x_4k-9.js"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built page, with something beside it that must not be served."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (static / "index.html").write_text("<!doctype html><title>haechi</title>")
    (static / "favicon.svg").write_text("<svg/>")
    (static / SCRIPT).write_text("let a=1")
    (static / f"{SCRIPT}.gz").write_bytes(gzip.compress(b"let a=1"))
    (static / "assets" / "plain.css").write_text("a{}")
    (static / "link.txt").symlink_to(tmp_path / "secret.txt")
    return static


def get(folder: Path, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """The answer of the page in ``folder``."""
    request = httpx.Request(
        method,
        f"http://127.0.0.1{path}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    return asked(bare_world(), request, operations=(), page=Page(folder))[0]


@pytest.mark.parametrize(
    ("path", "kind", "caching"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/findings/abc", "text/html; charset=utf-8", "no-cache"),
        ("/favicon.svg", "image/svg+xml", "no-cache"),
        ("/assets/plain.css", "text/css; charset=utf-8", "no-cache"),
        (f"/{SCRIPT}", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ],
)
def test_serves_files_and_the_page_for_its_views(
    folder: Path, path: str, kind: str, caching: str
) -> None:
    answer = get(folder, path)
    assert answer.status_code == 200
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, caching)


def test_serves_the_packed_file_to_who_takes_it(folder: Path) -> None:
    packed = get(folder, f"/{SCRIPT}", Accept_Encoding="br, gzip;q=0.8")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == "let a=1"
    for refused in ("identity", "gzip;q=0", "br"):
        plain = get(folder, f"/{SCRIPT}", Accept_Encoding=refused)
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept-Encoding"


def test_answers_a_known_file_with_304(folder: Path) -> None:
    tag = get(folder, "/").headers["etag"]
    assert get(folder, "/", If_None_Match=tag).status_code == 304
    assert get(folder, "/", If_None_Match='W/"other"').status_code == 200


def test_page_and_api_have_their_policies(folder: Path) -> None:
    page = get(folder, "/").headers
    assert page["content-security-policy"] == (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
        "object-src 'none'"
    )
    other = get(folder, "/healthz").headers
    assert other["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    for headers in (page, other, get(folder, "/nothing.js").headers):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]


def test_only_reads(folder: Path) -> None:
    assert get(folder, "/", "POST").status_code == 405
    assert get(folder, "/", "HEAD").content == b""


@pytest.mark.parametrize("path", ["/nothing.js", "/assets/", "/assets/nothing.css", "/link.txt"])
def test_has_no_other_files(folder: Path, path: str) -> None:
    answer = get(folder, path)
    assert b"secret" not in answer.content
    assert answer.status_code == (200 if path.endswith("/") else 404)


def test_says_how_to_build_a_page_that_is_missing(tmp_path: Path) -> None:
    answer = get(tmp_path / "nothing", "/")
    assert answer.status_code == 503
    assert "./dev page" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(bare_world(), operations=(), authenticate=by_word()) as running:
        yield running


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/%252e%252e/secret.txt",
        "/assets/%00.js",
        "/index.html%00.png",
        "/%c0%ae%c0%ae/secret.txt",
        "/./././../secret.txt",
        "//etc/passwd",
        "/etc/passwd%23.js",
        "/api/../../secret.txt",
        "/api/v1/%2e%2e/%2e%2e/secret.txt",
    ],
)
def test_a_server_follows_no_trick_in_a_path(server: Running, target: str) -> None:
    answer = exchange(server.port, head("GET", target, connection="close"))
    assert status(answer) in (400, 404) or (
        status(answer) in (200, 503) and (b"<!doctype html>" in answer or b"./dev page" in answer)
    )
    assert b"root:" not in answer
