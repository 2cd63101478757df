"""Small trees of files, and the main job run over them in this process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haechi.cli.pipeline import Options, Outcome, run
from haechi.engines.documents import Document, parse_documents
from haechi.engines.objects import resources_of
from haechi.model.coverage import Gap
from haechi.model.finding import Finding
from haechi.model.resource import Resource
from haechi.scan.iac.kubernetes import Inventory

TODAY = dt.date(2026, 11, 21)

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: ok, namespace: shop}
spec:
  containers:
    - name: app
      image: registry.example/app:1.0
      securityContext:
        privileged: true
"""


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write the files; a project of its own, whatever surrounds it."""
    for name, content in {"haechi.yaml": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def scan(root: Path, files: Mapping[str, str | bytes], **options: Any) -> Outcome:
    """Write the files and run the main job on them."""
    write(root, files)
    return run(Options(**{"path": root, **options}), today=TODAY)


def findings(outcome: Outcome, rule: str) -> list[Finding]:
    """What one rule found."""
    return [f for f in outcome.material.scan.findings if f.rule == rule]


def places(outcome: Outcome, rule: str) -> list[str]:
    """``path:line`` of what one rule found."""
    return [str(f.location) for f in findings(outcome, rule)]


def gaps(outcome: Outcome) -> list[Gap]:
    """What was not evaluated and not accepted."""
    return list(outcome.material.scan.coverage.open_gaps)


def documents(text: str) -> list[Document]:
    """The documents of a text that has no faults."""
    found = list(parse_documents(text.encode()))
    assert all(isinstance(each, Document) for each in found), found
    return [each for each in found if isinstance(each, Document)]


def resources(text: str, file: str = "a.yaml") -> list[Resource]:
    """The objects of a text."""
    return [each for document in documents(text) for each in resources_of(document, file)]


def scope(*texts: str, **files: str) -> Inventory:
    """The objects of some texts, each in a file of its own, as one scope."""
    named = {f"{number}.yaml": text for number, text in enumerate(texts)}
    named |= {name.replace("__", "/") + ".yaml": text for name, text in files.items()}
    return Inventory([each for name, text in named.items() for each in resources(text, name)])
