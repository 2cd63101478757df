"""A project with vulnerable packages, its own advisories, and registries that only it knows. Not a
test."""

from __future__ import annotations

import json
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
CONFIG = 'deps:\n  advisories: ["advisories"]\n'


def advisory(id_: str, ecosystem: str, name: str, *fixed: str) -> dict[str, Any]:
    """An OSV record: everything before each fixed version of a branch is affected."""
    events: list[dict[str, str]] = [{"introduced": "0"}]
    events += [{"fixed": one} for one in fixed]
    return {
        "id": id_,
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "summary": f"Trouble in {name}",
        "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }


def project(root: Path, files: Mapping[str, str], *advisories: dict[str, Any]) -> Path:
    """Write files, configuration and advisories."""
    root.mkdir(exist_ok=True, parents=True)
    written = {"haechi.yaml": CONFIG, **files}
    written |= {f"advisories/{one['id']}.json": json.dumps(one) for one in advisories}
    for name, text in written.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def committed(root: Path) -> str:
    """Make a repository of a folder; the id of its commit."""
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")
    return git(root, "rev-parse", "HEAD")


def git(root: Path, *words: str) -> str:
    """What git answers."""
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextmanager
def npm_registry(packages: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Iterator[str]:
    """Serve name → version → dependencies; the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            versions = packages.get(name)
            body = json.dumps(_packument(name, versions, self.address())).encode()
            self.send_response(200 if versions else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address(self) -> str:
            return f"http://{self.headers['Host']}"

        def log_message(self, *_: object) -> None:
            pass

    with _serving(Handler) as address:
        yield address


@contextmanager
def answering(value: object, asked: list[str]) -> Iterator[str]:
    """A server that always says the same; ``asked`` fills with the paths."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with _serving(Handler) as address:
        yield address


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _packument(
    name: str, versions: Mapping[str, Mapping[str, str]] | None, address: str
) -> dict[str, Any]:
    return {
        "name": name,
        "dist-tags": {"latest": list(versions or {"0": {}})[-1]},
        "versions": {
            version: {
                "name": name,
                "version": version,
                "dependencies": dict(dependencies),
                "dist": {"tarball": f"{address}/{name}/-/{name}-{version}.tgz", "shasum": "0" * 40},
            }
            for version, dependencies in (versions or {}).items()
        },
    }


def wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    """A wheel with nothing but metadata."""
    folder.mkdir(exist_ok=True, parents=True)
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {one}" for one in needs]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
