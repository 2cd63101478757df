"""`python -m tests.fakes.apiserver`: the server as a program of its own, until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.apiserver.server import ApiServer


def _objects(folder: Path) -> Iterator[dict[str, Any]]:
    """Every object of the folder's YAML and JSON files, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".yaml", ".yml", ".json"):
            continue
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and str(document.get("kind", "")).endswith("List"):
                yield from document.get("items") or ()
            elif isinstance(document, dict):
                yield document


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.apiserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--objects", type=Path, help="a folder of manifests to begin with")
    parser.add_argument("--kubeconfig", type=Path, help="where to write the admin's kubeconfig")
    parser.add_argument("--http", action="store_true", help="without TLS")
    parser.add_argument("--rbac", action="store_true", help="authorise by the Roles stored")
    parser.add_argument("--no-controllers", action="store_true")
    parser.add_argument("--nodes", type=int, default=2)
    words = parser.parse_args()
    server = ApiServer(
        tls=not words.http,
        rbac=words.rbac,
        controllers=not words.no_controllers,
        objects=_objects(words.objects) if words.objects else (),
        nodes=words.nodes,
        port=words.port,
    )
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    with server:
        if words.kubeconfig:
            server.kubeconfig(words.kubeconfig)
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
