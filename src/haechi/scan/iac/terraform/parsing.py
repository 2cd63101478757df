"""Folders → modules, each parsed once, whoever asks for it."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from haechi.errors import InputError
from haechi.scan.iac.terraform.modules import Module, chosen, read_module
from haechi.scan.iac.terraform.run import LIMIT, SYNTAX
from haechi.scan.iac.terraform.tree_files import MAX_FILE

if TYPE_CHECKING:
    from haechi.engines.hcl.tree import File
    from haechi.scan.iac.terraform.calls import Files
    from haechi.scan.iac.terraform.run import Run

SUFFIXES = (".tf", ".tofu", ".tf.json", ".tofu.json")
MAX_TEXT = 200 * 1024 * 1024
"""Bytes of Terraform in one run."""


def is_terraform(path: str) -> bool:
    """Whether a file declares something to Terraform or OpenTofu, by its name; both pass over
    hidden files and those that editors leave."""
    name = posixpath.basename(path)
    return name.endswith(SUFFIXES) and not name.startswith((".", "#"))


class Parsed:
    """The modules of a tree by folder."""

    def __init__(self, files: Files, run: Run) -> None:
        self.files = files
        self.modules: dict[str, Module | None] = {}
        self.texts: dict[str, bytes] = {}
        self._run = run
        self._size = 0

    def module(self, folder: str) -> Module | None:
        """The module of a folder; None when it holds no Terraform files."""
        if folder not in self.modules:
            self.modules[folder] = self._read(folder)
        return self.modules[folder]

    def _read(self, folder: str) -> Module | None:
        names = [name for name in self.files.names(folder) if is_terraform(name)]
        paths = chosen(posixpath.join(folder, name) for name in names)
        files: dict[str, File] = {}
        for path in paths:
            file = self._file(path)
            if file is not None:
                files[path] = file
        if not paths:
            return None
        module = read_module(folder, files)
        for path, fault in module.faults:
            where = f"{path}:{fault.line}"
            self._run.fault(SYNTAX, where, fault.message, "correct it; the rest of it is judged")
        return module

    def _file(self, path: str) -> File | None:
        data = self.files.read(path)
        if data is None:
            reason = f"it cannot be read, or has more than {MAX_FILE >> 20} MiB"
            self._run.fault(LIMIT, path, reason, "split the file")
            return None
        self._size += len(data)
        if self._size > MAX_TEXT:
            reason = f"Terraform past {MAX_TEXT >> 20} MiB in one run is not judged"
            self._run.fault(LIMIT, path, reason, "scan the subfolders one by one")
            return None
        self.texts[path] = data
        try:
            if path.endswith(".json"):
                from haechi.scan.iac.terraform.json_syntax import parse_json

                return parse_json(data, path)
            from haechi.engines.hcl.parse import parse

            return parse(data, name=path)
        except InputError as error:
            self._run.fault(LIMIT, path, error.what, error.do or "split the file")
            return None
