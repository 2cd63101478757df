"""No secret value appears in any output, log, cache, crash dump or temporary file.

Credentials of every detector are drawn from a seed and planted in a repository: in its files, in
what its history once held, in encoded form. The program runs as a process of its own with every
report, and then everything that it wrote anywhere is searched for every value.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import ahocorasick_rs
import pytest

from haechi.checks.secrets.forms import Forge
from haechi.rules.catalogue import DATA, load_catalogue
from haechi.rules.schema import JudgeKind, Rule

RULES = [rule for rule in load_catalogue().rules if rule.judge is JudgeKind.PATTERN]
FORMATS = {
    "json": "r.json",
    "sarif": "r.sarif",
    "junit": "r.xml",
    "html": "r.html",
    "markdown": "r.md",
}
PIECE = 12
"""Characters in a row of a value that would give it away."""


class Planted:
    """A repository with credentials, and the values that must not be seen again."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.values: set[str] = set()
        self.marks = ahocorasick_rs.BytesAhoCorasick([b"none yet"])
        self._draw = random.Random(seed)  # noqa: S311 - repeatable
        self._forge = Forge(str(seed))

    def text_of(self, rule: Rule) -> str:
        """One example of a detector, whose value is remembered."""
        assert rule.pattern is not None
        secret = self._forge.make(rule.pattern.form)
        self.values.add(secret)
        return self._forge.make(self._draw.choice(rule.bad), secret)

    def write(self, rules: list[Rule]) -> None:
        """Files of different kinds with the examples of these rules."""
        for number, rule in enumerate(rules):
            text = self.text_of(rule)
            folder = self.root / f"part{number % 7}"
            folder.mkdir(exist_ok=True)
            match number % 4:
                case 0:
                    (folder / f"{rule.id}.txt").write_text(f"before\n{text}\nafter\n")
                case 1:
                    body = base64.b64encode(text.encode()).decode()
                    (folder / f"{rule.id}.yaml").write_text(
                        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata:\n  k: {body}\n"
                    )
                case 2:
                    (folder / f"{rule.id}.py").write_text(f"# {text!r}\nX = {text!r}\n")
                case _:
                    (folder / f"{rule.id}.env").write_text(f"{text} # haechi:allow * test\n")

    def remember(self) -> None:
        """What of the values must not be seen: their parts that are nobody else's."""
        parts = {part for value in self.values for part in pieces(value)}
        public = ahocorasick_rs.BytesAhoCorasick(sorted(parts))
        ordered = sorted(parts)
        known = {hit[0] for hit in public.find_matches_as_indexes(structure(), overlapping=True)}
        self.marks = ahocorasick_rs.BytesAhoCorasick(
            [part for number, part in enumerate(ordered) if number not in known]
        )


def git(root: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *settings, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    root = tmp_path_factory.mktemp("planted")
    made = Planted(root, 7)
    git(root, "init", "-q", ".")
    made.write(RULES[::2])
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    git(root, "rm", "-rqf", ".")
    git(root, "commit", "-qm", "two", "--allow-empty")
    made.write(RULES[1::2])
    git(root, "add", "-A")
    made.remember()
    return made


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the rules alone, compiled over an empty folder: that takes most of a scan."""
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "empty").mkdir()
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run(
        [sys.executable, "-m", "haechi", "scan", "--only", "secrets", "."],
        env=environment,
        cwd=folder / "empty",
        capture_output=True,
        check=True,
    )
    return folder / "cache"


def run(
    planted: Planted,
    scratch: Path,
    *arguments: str,
    warm: Path | None = None,
    code: str = "",
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """All that one run printed; what it wrote lies under ``scratch``. ``warm`` is a cache that it
    starts with."""
    if warm is not None:
        shutil.copytree(warm, scratch / "cache")
    for name in ("cache", "tmp", "out"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HAECHI_")},
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "TMPDIR": str(scratch / "tmp"),
        "HOME": str(scratch / "home"),
        "PYTHONFAULTHANDLER": "1",
        "HAECHI_PROJECT_KEY": "p" * 40,
        "PYTHONPATH": os.pathsep.join(sys.path),
        **more,
    }
    start = ["-c", code] if code else ["-m", "haechi"]
    done = subprocess.run(
        [sys.executable, *start, "scan", str(planted.root), *arguments],
        env=environment,
        cwd=scratch / "out",
        capture_output=True,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")


def written(scratch: Path) -> Iterator[tuple[str, bytes]]:
    for path in scratch.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(scratch)), path.read_bytes()


def pieces(value: str) -> Iterator[bytes]:
    """Parts of a value that are long enough to be nobody else's, and encoded forms of it."""
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    for line in lines:
        for start in range(0, max(len(line) - PIECE, 0) + 1, PIECE // 2):
            piece = line[start : start + PIECE]
            if len(piece) == PIECE and len(set(piece)) > 5:
                yield piece.encode()
    yield base64.b64encode(value.encode())[:-4] or b"\0never"
    yield value.encode().hex().encode()


def structure() -> bytes:
    """What all values of a form have in common, and what rule files say: nobody's secret."""
    texts = [path.read_text() for path in sorted((DATA / "secrets").glob("*.yaml"))]
    for rule in RULES:
        assert rule.pattern is not None
        texts += [rule.pattern.regex, rule.pattern.form, *rule.bad]
        texts += [Forge(f"other {number}").make(rule.pattern.form) for number in range(6)]
    return "\n".join(texts).encode()


def leaked(planted: Planted, texts: Iterator[tuple[str, bytes]]) -> set[str]:
    """Names of the texts that hold a part of any value."""
    return {name for name, text in texts if planted.marks.find_matches_as_indexes(text)}


def test_the_search_itself_finds_what_is_there(planted: Planted) -> None:
    value = max(planted.values, key=len)
    said = iter([("told", f"x {value} y".encode())])
    assert leaked(planted, said) == {"told"}
    assert len(planted.values) > 100


@pytest.mark.parametrize("options", [[], ["-v"], ["--staged"], ["--no-history"], ["--only", "iac"]])
def test_no_output_cache_or_temporary_file_holds_a_value(
    planted: Planted, compiled: Path, tmp_path: Path, options: list[str]
) -> None:
    reports = [part for f, name in FORMATS.items() for part in ("--format", f, "-o", name)]
    warm = compiled if options else None  # once, the cache is all its own
    said = run(planted, tmp_path, *options, *(reports if options != ["-v"] else []), warm=warm)
    assert "Gate" in said
    assert not leaked(planted, iter([("output", said.encode())]))
    assert not leaked(planted, written(tmp_path))
    if options == []:
        assert {path.name for path in (tmp_path / "out").iterdir()} == set(FORMATS.values())
        assert list((tmp_path / "cache").rglob("*.hsdb"))


def test_a_crash_dump_holds_no_value(planted: Planted, compiled: Path, tmp_path: Path) -> None:
    code = """
import sys
from haechi.scan.secrets import findings
def fails(self, tree, history):
    raise ValueError([candidate.secret for _, candidate in tree])
findings.Leaks.of = fails
from haechi.cli.main import main
main()
"""
    said = run(planted, tmp_path, code=code, warm=compiled)
    assert "ValueError" in said
    assert "fault of haechi itself" in said
    assert not leaked(planted, iter([("output", said.encode())]))
    assert not leaked(planted, written(tmp_path))


def test_both_engines_find_the_same(planted: Planted, compiled: Path, tmp_path: Path) -> None:
    reports = []
    for number, engine in enumerate(({}, {"HAECHI_NO_HYPERSCAN": "1"})):
        scratch = tmp_path / str(number)
        asked = ("--only", "secrets", "--format", "json", "-o", "r.json")
        run(planted, scratch, *asked, warm=compiled, more=engine)
        report = json.loads((scratch / "out" / "r.json").read_text())
        reports.append([(f["fingerprint"], f["secret_id"]) for f in report["findings"]])
    assert len(reports[0]) > 300
    assert reports[0] == reports[1]
