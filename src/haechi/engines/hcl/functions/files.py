"""Files, through what the caller gives: ``Files.read`` says None for what is out of reach, and
that is unknown here, never empty. ``fileexists`` does not answer no either: what is not in the
checkout may be made before Terraform runs."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Callable
from typing import Any

from haechi.engines.hcl.functions import hashes
from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.values import EvalFault, to_set
from haechi.model.unknown import Unknown


def _reading(name: str, use: Callable[[bytes], Any]) -> Function:
    def code(context: Context, path: str) -> Any:
        content = context.files.read(path) if context.files is not None else None
        if content is None:
            return Unknown(f"the file {path} is not here", cause=f"file {path}", given=True)
        context.budget.grow(2 * len(content))
        return use(content)

    return Function(name, "s", code)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise EvalFault("file: the content is not UTF-8: use filebase64") from None


def _exists(context: Context, path: str) -> Any:
    if context.files is not None and context.files.read(path) is not None:
        return True
    return Unknown(f"the file {path} is not here", cause=f"file {path}", given=True)


def _fileset(context: Context, folder: str, pattern: str) -> Any:
    found = context.files.glob(folder, pattern) if context.files is not None else None
    if found is None:
        return Unknown(f"the files of {folder} are not known", cause=f"files of {folder}")
    context.budget.grow(len(found))
    return to_set(found, context.budget)


def _pathexpand(context: Context, path: str) -> Any:
    if path == "~" or path.startswith("~/"):
        return Unknown("a home folder is not known", cause="pathexpand()", given=True)
    return path


def _abspath(context: Context, path: str) -> Any:
    if path.startswith("/"):
        return posixpath.normpath(path)
    return Unknown("the working folder is not known", cause="abspath()", given=True)


def _basename(context: Context, path: str) -> str:
    if not path:
        return "."
    return posixpath.basename(path.rstrip("/")) or "/"


def _dirname(context: Context, path: str) -> str:
    return posixpath.normpath(posixpath.dirname(path) or ".")


def _of_hex(algorithm: str) -> Function:
    return _reading(f"file{algorithm}", lambda content: hashes.hexadecimal(algorithm, content))


def _of_base64(name: str, algorithm: str) -> Function:
    return _reading(f"file{name}", lambda content: hashes.in_base64(algorithm, content))


FUNCTIONS = (
    Function("abspath", "s", _abspath),
    Function("basename", "s", _basename),
    Function("dirname", "s", _dirname),
    _reading("file", _text),
    _reading("filebase64", lambda content: base64.b64encode(content).decode()),
    Function("fileexists", "s", _exists),
    Function("fileset", "s s", _fileset),
    Function("pathexpand", "s", _pathexpand),
    *(_of_hex(name) for name in hashes.HEX),
    *(_of_base64(name, algorithm) for name, algorithm in hashes.BASE64.items()),
)
