"""Lay out the labelled set for ``bench labelled``: files that Samsung CredData labels.

``python -m bench.creddata MIRRORS`` takes a folder of bare git mirrors (``OWNER+NAME/repo``),
among them Samsung+CredData itself and as many of the repositories that it labels as are at hand,
and writes to ``~/.cache/haechi-bench/labelled``. Nothing of it belongs into this repository.

Labels come with the hash of a file's path, lines and character offsets. A repository counts
only when the labelled commit is in its mirror, so offsets fit by construction; a label whose
offsets lie outside of its line is dropped and counted. The makers of the set replace every true
value by random characters of the same kinds, so ``data`` is written like that, too (by our own
code, seeded); ``raw`` keeps the files as they are. Paths stay as they are in the repository.
"""

from __future__ import annotations

import argparse
import binascii
import csv
import hashlib
import io
import json
import random
import re
import string
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = Path.home() / ".cache/haechi-bench/labelled"
FIELDS = ["part", "repo", "path", "first", "last", "truth", "start", "end", "category"]
_SET = "Samsung+CredData"
_LARGEST = 4 << 20
_OURS_TO_DRAW = {
    "Password", "Secret", "Token", "Key", "Auth", "API", "Credential", "Salt", "Nonce",
    "SQL Password", "CMD Password", "Dropbox App secret", "UUID", "URL Credentials",
}  # fmt: skip
_STRUCTURED = re.compile(r"eyJ|gh[pousr]_|npm_|-----|AKIA|ASIA|AIza|Basic |Bearer |glsa_|ssh-")
_KEPT = re.compile(r"\A(?:[a-z]{2,6}[-_](?:(?:live|test)[-_])?|base64:)(?=.{12})")


@dataclass(frozen=True, slots=True)
class Label:
    """One row of the set, with the path as it is in the repository."""

    path: str
    first: int
    last: int
    truth: str
    start: int
    end: int
    category: str


def repositories(git: Path) -> Iterator[tuple[str, str, str]]:
    """Name of the label file, labelled commit and ``OWNER+NAME``."""
    for key, url in sorted(json.loads(_show(git, "HEAD:snapshot.json")).items()):
        yield (
            f"{binascii.crc32(bytes.fromhex(key)):08x}",
            key[:40],
            url.split("github.com/")[1].replace("/", "+"),
        )


def part_of(number: str) -> str:
    """Two fifths of the repositories, by the checksum that names them, are for the figures."""
    return "test" if int(number, 16) % 5 < 2 else "train"


def _git_dir(mirrors: Path, name: str) -> Path | None:
    for path in (mirrors / name / "repo/.git", mirrors / name / "repo"):
        if (path / "HEAD").exists():
            return path
    return None


def _show(git: Path, name: str) -> str:
    return _git(git, "show", name).decode("utf-8", "replace")


def _git(git: Path, *arguments: str) -> bytes:
    command = ["git", "--git-dir", str(git), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _paths(git: Path, commit: str) -> dict[str, str]:
    """Hash of path → path."""
    try:
        names = _git(git, "ls-tree", "-r", "-z", "--name-only", commit).decode("utf-8", "replace")
    except subprocess.CalledProcessError:
        return {}
    return {hashlib.sha256(name.encode()).hexdigest()[:8]: name for name in names.split("\0")}


def _labels(text: str, paths: dict[str, str]) -> Iterator[Label]:
    for row in csv.DictReader(io.StringIO(text)):
        if row["FileID"] in paths:
            yield Label(
                path=paths[row["FileID"]],
                first=int(row["LineStart"]),
                last=int(row["LineEnd"]),
                truth=row["GroundTruth"],
                start=int(row["ValueStart"] or -1),
                end=int(row["ValueEnd"] or -1),
                category=row["Category"],
            )


def lines_of(text: str) -> list[str]:
    """Lines as the set counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _fits(label: Label, lines: list[str]) -> bool:
    if not 1 <= label.first <= label.last <= len(lines):
        return False
    return max(label.start, 0) <= len(lines[label.first - 1]) and max(label.end, 0) <= len(
        lines[label.last - 1]
    )


def drawn(value: str, chance: random.Random) -> str:
    """A random value of the same kinds of characters; a vendor's prefix stays."""
    kept = _KEPT.match(value)
    head = kept.group() if kept else ""
    rest = value[len(head) :]
    lower = "abcdef" if re.fullmatch(r"[0-9a-f\s:-]+", rest) else string.ascii_lowercase
    upper = "ABCDEF" if re.fullmatch(r"[0-9A-F\s:-]+", rest) else string.ascii_uppercase
    out = []
    for n, char in enumerate(rest):
        if n and rest[n - 1] in "\\%":
            out.append(char)
        elif char.islower() and char.isascii():
            out.append(chance.choice(lower))
        elif char.isupper() and char.isascii():
            out.append(chance.choice(upper))
        elif char.isdigit() and char.isascii():
            out.append(chance.choice("123456789"))
        else:
            out.append(char)
    return head + "".join(out)


def _redrawn(lines: list[str], labels: list[Label], name: str) -> list[str]:
    """The lines with the true values of the generic categories drawn anew, from the right."""
    out = list(lines)
    for label in sorted(labels, key=lambda label: (label.first, -label.start)):
        whole = label.truth == "T" and label.first == label.last and 0 <= label.start < label.end
        if not whole or not set(label.category.split(":")) <= _OURS_TO_DRAW:
            continue
        line = out[label.first - 1]
        value = line[label.start : label.end]
        if _STRUCTURED.match(value):
            continue
        seed = random.Random(f"{name}:{label.path}:{label.first}:{label.start}")  # noqa: S311
        out[label.first - 1] = line[: label.start] + drawn(value, seed) + line[label.end :]
    return out


def _lay(git: Path, commit: str, number: str, text: str, home: Path) -> tuple[list[Label], int]:
    """Write one repository's files; the labels that fit, and how many do not."""
    by_path: defaultdict[str, list[Label]] = defaultdict(list)
    for label in _labels(text, _paths(git, commit)):
        by_path[label.path].append(label)
    kept: list[Label] = []
    dropped = 0
    for path, labels in sorted(by_path.items()):
        try:
            data = _git(git, "cat-file", "blob", f"{commit}:{path}")
        except subprocess.CalledProcessError:
            dropped += len(labels)
            continue
        if len(data) > _LARGEST:
            dropped += len(labels)
            continue
        lines = lines_of(data.decode("utf-8", "replace"))
        fit = [label for label in labels if _fits(label, lines)]
        dropped += len(labels) - len(fit)
        kept += fit
        for folder, content in (("raw", lines), ("data", _redrawn(lines, fit, number))):
            file = home / folder / part_of(number) / number / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(content), encoding="utf-8", newline="\n")
    return kept, dropped


def build(mirrors: Path, home: Path) -> None:
    """Lay out what the mirrors hold."""
    source = _git_dir(mirrors, _SET)
    if source is None:
        sys.exit(f"{mirrors / _SET} is no mirror of Samsung/CredData")
    home.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    with (home / "labels.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(FIELDS)
        for number, commit, name in repositories(source):
            git = _git_dir(mirrors, name)
            if git is None:
                continue
            text = _show(source, f"HEAD:meta/{number}.csv")
            labels, dropped = _lay(git, commit, number, text, home)
            part = part_of(number)
            for label in labels:
                at = (label.path, label.first, label.last, label.truth, label.start, label.end)
                writer.writerow([part, number, *at, label.category])
                counts[f"{part} {label.truth}"] += 1
            counts[f"{part} repositories"] += bool(labels)
            counts["dropped"] += dropped
            print(f"{name:<55} {part:<5} {len(labels):>6} labels, {dropped} dropped")
    print(dict(counts))


def main(argv: list[str]) -> None:
    """Lay out the labelled set from local mirrors."""
    parser = argparse.ArgumentParser(prog="python -m bench.creddata")
    parser.add_argument("mirrors", type=Path)
    parser.add_argument("--home", type=Path, default=HOME)
    arguments = parser.parse_args(argv)
    build(arguments.mirrors, arguments.home)


if __name__ == "__main__":
    main(sys.argv[1:])
