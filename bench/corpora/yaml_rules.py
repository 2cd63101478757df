"""Rules of Kingfisher and Nosey Parker: YAML with a pattern, examples and negative examples."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from bench.corpora.fixed import is_fixed, portable
from bench.corpora.sample import Sample, read_files, squeezed

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
                        fixed=is_fixed(rule["pattern"]),
                    )


def _name(rule: dict[str, Any]) -> str:
    return f"{rule['id']} {rule['name']}"


def _compiled(text: str) -> re.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(portable(text))
    except (re.error, RecursionError):
        return None


def _values(pattern: re.Pattern[str] | None, text: str) -> Iterator[str]:
    """What the groups hold; of a pair or an address any part will do."""
    match = pattern.search(text) if pattern else None
    if match is None:
        return
    groups = [group for group in match.groups() if group and len(group) > 4]
    yield from groups or [match[0]]
