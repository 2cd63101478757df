"""Rules of Kingfisher and Nosey Parker: YAML with a pattern, examples and negative examples."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from bench.corpora.sample import Sample, read_files, squeezed

_FLAGS = re.compile(r"\(\?([ixsm]+)\)")
_FOLDERS = {
    "kingfisher": "data/rules",
    "noseyparker": "crates/noseyparker/data/default/builtin/rules",
}


def samples(repository: Path, source: str) -> Iterator[Sample]:
    """Every example; its values are what the pattern's groups hold in it."""
    for path, text in read_files(repository, _FOLDERS[source], ".yml"):
        vendor = squeezed(PurePosixPath(path).stem)
        document = yaml.load(text, Loader=yaml.CSafeLoader)
        for rule in document.get("rules") or ():
            pattern = _compiled(rule["pattern"])
            for key, positive in (("examples", True), ("negative_examples", False)):
                for example in rule.get(key) or ():
                    yield Sample(
                        source=source,
                        rule=_name(rule),
                        vendor=vendor,
                        text=str(example),
                        values=tuple(_values(pattern, str(example))) if positive else (),
                        positive=positive,
                    )


def _name(rule: dict[str, Any]) -> str:
    return f"{rule['id']} {rule['name']}"


def _compiled(text: str) -> re.Pattern[str] | None:
    """By Python's engine, with the flags at the beginning, where it wants them."""
    flags = "".join(sorted(set("".join(_FLAGS.findall(text)))))
    text = _FLAGS.sub("", text).replace(r"\z", r"\Z")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(f"(?{flags})" + text if flags else text)
    except (re.error, RecursionError):
        return None


def _values(pattern: re.Pattern[str] | None, text: str) -> Iterator[str]:
    match = pattern.search(text) if pattern else None
    if match is None:
        return
    groups = [group for group in match.groups() if group]
    if groups:
        yield max(groups, key=len)
    else:
        yield match[0]
