"""The page's files, as Vite built them into the package: ``index.html`` and ``assets/``.

All files are known from the start by name, so a path is looked up in a table and never joined
to a folder: what is not in the table does not exist, whatever dots or slashes are in its name.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from pathlib import Path

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from haechi.server.problems import Refusal
from haechi.server.table import split
from haechi.server.wire import bodiless, raw_path

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
_HASHED = re.compile(r"(?:^|/)assets/[^/]*-[A-Za-z0-9_-]{8,}\.[a-z0-9]+(?:\.map)?\Z")
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_MISSING = """haechi is running, but its page was not built.

  ./dev page     builds it (needs Node 20; ./dev says how to get it without an installation)

The API is there: GET /api/v1/openapi.json
"""


class _File(msgspec.Struct, frozen=True, kw_only=True):
    path: Path
    packed: Path | None
    type: str
    hashed: bool
    tag: str


class Page:
    """The files below a folder; none when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._files = dict(_found(folder)) if folder.is_dir() else {}

    @classmethod
    def of_package(cls) -> Page:
        """The page that came with the program."""
        return cls(FOLDER)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A file, or the page itself for a path of its own (it has views, not files)."""
        if scope["method"] not in ("GET", "HEAD"):
            raise Refusal(405, "the page is only for reading", headers={"Allow": "GET, HEAD"})
        response = self._response(_safe(raw_path(scope)), Headers(scope=scope))
        await response(scope, receive, bodiless(send, scope))

    def _response(self, name: str, headers: Headers) -> Response:
        file = self._files.get(name or INDEX)
        if file is None and "." in name.rpartition("/")[2]:
            raise Refusal(404, "there is no such file")
        if file is None and not self._files:
            return Response(_MISSING, status_code=503, media_type="text/plain")
        if file is None:
            file = self._files.get(INDEX)
        if file is None:
            raise Refusal(404, "there is no such file")
        return _of_file(file, headers)


def _of_file(file: _File, headers: Headers) -> Response:
    known = {
        "ETag": file.tag,
        "Cache-Control": "public, max-age=31536000, immutable" if file.hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if file.tag in [one.strip() for one in headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=known)
    packed = file.packed is not None and _takes_gzip(headers.get("accept-encoding", ""))
    if packed:
        known["Content-Encoding"] = "gzip"
    body = (file.packed if packed and file.packed else file.path).read_bytes()
    return Response(body, headers={**known, "Content-Type": file.type})


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _safe(raw: bytes) -> str:
    """The decoded path. Raises Refusal 400 for what only an attack sends."""
    if b"%2f" in raw.lower() or b"%5c" in raw.lower() or b"\\" in raw:
        raise Refusal(400, "the path has an encoded slash or a backslash")
    parts = split(raw)
    if any("%" in part for part in parts):
        raise Refusal(400, "the path is encoded twice")
    return "/".join(parts)


def _found(folder: Path) -> list[tuple[str, _File]]:
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    return [
        (name, _described(name, path, files.get(f"{name}.gz")))
        for name, path in files.items()
        if not name.endswith(".gz")
    ]


def _described(name: str, path: Path, packed: Path | None) -> _File:
    digest = hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest()
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _File(
        path=path,
        packed=packed,
        type=_TYPES.get(path.suffix, guessed),
        hashed=_HASHED.search(name) is not None,
        tag=f'W/"{digest}"',
    )
