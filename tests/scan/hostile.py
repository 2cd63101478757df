"""Writes a tree in which everything that can be wrong with a repository is wrong."""

from __future__ import annotations

import os
from pathlib import Path

GOOD = """\
apiVersion: v1
kind: Pod
metadata: {name: ok, namespace: shop}
spec:
  containers:
    - name: app
      image: registry.example/app:1.0
      securityContext: {privileged: true}
"""


def write_hostile_tree(root: Path, *, files: int = 50_000) -> dict[str, str]:
    """Returns path → kind of the gap that must be reported for it."""
    root.mkdir(parents=True)
    (root / "good.yaml").write_text(GOOD)
    expected = {}
    bomb = ["apiVersion: v1", "kind: ConfigMap", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    expected["bomb.yaml:1"] = _write(root / "bomb.yaml", "\n".join(bomb), "limit")
    many = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" * 100_000
    expected["many.yaml:40001"] = _write(root / "many.yaml", many, "too-many-documents")
    with (root / "huge.yaml").open("wb") as stream:
        stream.write(b"apiVersion: v1\nkind: Pod\n")
        stream.truncate(1 << 30)
    expected["huge.yaml"] = "too-large"
    template = "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.name }\n"
    expected["template.yaml:3"] = _write(root / "template.yaml", template, "template")
    deep = "apiVersion: v1\nkind: Pod\nspec: " + "[" * 100_000
    expected["deep.yaml:1"] = _write(root / "deep.yaml", deep, "limit")
    steps = "\n".join(" " * i + "a:" for i in range(1_000))
    expected["steps.yaml:1"] = _write(
        root / "steps.yaml", f"apiVersion: v1\nkind: Pod\nspec:\n{steps}\n", "limit"
    )
    nul = "apiVersion: v1\nkind: Pod\nmetadata: {name: a\0b}\n"
    expected["nul.yaml:1"] = _write(root / "nul.yaml", nul, "syntax")
    (root / "latin.yaml").write_bytes("apiVersion: v1\nkind: Pod\n# é\n".encode("latin-1"))
    expected["latin.yaml"] = "encoding"
    (root / "Dockerfile").write_bytes(b"FROM scratch\n# \xff\n")
    expected["Dockerfile"] = "encoding"
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to("..")
    expected["loop"] = expected["up"] = "link"
    (root / "pipe.yaml").symlink_to("/dev/zero")
    expected["pipe.yaml"] = "link"
    os.mkfifo(root / "fifo.yaml")
    folder = root / "many"
    folder.mkdir()
    for number in range(files):
        (folder / f"{number}.yaml").write_text("a: 1\n")
    return expected


def _write(path: Path, text: str, kind: str) -> str:
    path.write_text(text)
    return kind
