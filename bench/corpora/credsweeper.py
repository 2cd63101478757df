"""CredSweeper's samples: what its own test expects of each file, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bench.corpora.sample import Sample, read_files, squeezed


def samples(repository: Path) -> Iterator[Sample]:
    """The expected findings with filters; the line is the text."""
    (_, text), *_ = read_files(repository, "tests/data/output.json", ".json")
    for finding in json.loads(text):
        lines = finding["line_data_list"]
        yield Sample(
            source="credsweeper",
            rule=finding["rule"],
            vendor=squeezed(finding["rule"]),
            text="\n".join(dict.fromkeys(line["line"] for line in lines)),
            values=tuple(line["value"] for line in lines if line["value"]),
        )
