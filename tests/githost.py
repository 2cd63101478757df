"""A git host on this machine: bare repositories over HTTP, as a host without git's own server."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "/private/" in self.path:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        super().do_GET()


def git(folder: Path, *words: str) -> str:
    environment = os.environ | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": "t"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def tool_repository(root: Path) -> dict[str, str]:
    """acme/tool as a host serves it: two tags, a branch called like a tag, another branch."""
    bare = root / "acme" / "tool"
    bare.mkdir(parents=True)
    git(bare, "init", "-q", "--bare", "-b", "main", ".")
    tree = git(bare, "hash-object", "-t", "tree", "-w", os.devnull)
    first = git(bare, "commit-tree", "-m", "one", tree)
    second = git(bare, "commit-tree", "-m", "two", "-p", first, tree)
    git(bare, "update-ref", "refs/heads/main", second)
    git(bare, "update-ref", "refs/heads/both", second)
    git(bare, "tag", "light", first)
    git(bare, "tag", "both", first)
    git(bare, "tag", "-a", "-m", "annotated", "v1", first)
    git(bare, "update-server-info")
    annotated = git(bare, "rev-parse", "v1")
    assert annotated != first
    return {"first": first, "second": second}


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, list[str]]]:
    """The host's address, and the paths that were asked for."""
    asked: list[str] = []
    handler = type("Handler", (Quiet,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root))) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{served.server_port}", asked
        finally:
            served.shutdown()
            thread.join()
