"""From a YAML document to typed structs, with every fault named at its line.

msgspec stops at the first fault and knows no lines. People who fix a file want all of them at
once, so the value is compared with the struct's own description (``msgspec.inspect``) first;
msgspec then decodes what passed and stays the authority on what is valid.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from haechi.engines.documents import Document, Fault, parse_documents
from haechi.engines.values import Limits
from haechi.errors import ConfigError, InputError
from haechi.model.location import AttrPath, format_path

T = TypeVar("T")
_SHOWN = 60
_PLACE = re.compile(r" - at `\$\.?([^`]*)`\Z")


class Misfit(msgspec.Struct, frozen=True, kw_only=True):
    """A value that the struct does not allow. ``do`` is the remedy, where one can be named."""

    path: AttrPath
    message: str
    do: str = ""


def read_single(data: bytes, name: str, *, limits: Limits) -> Document | None:
    """The one document of a configuration file; None when the file holds only comments.

    Raises ConfigError for bad syntax, several documents, or a key written twice.
    """
    try:
        documents = list(parse_documents(data, limits=limits))
    except InputError as error:
        raise ConfigError(error.what, do=error.do, where=name) from error
    for document in documents:
        if isinstance(document, Fault):
            raise ConfigError(document.message, where=f"{name}:{document.line}")
    single = [document for document in documents if isinstance(document, Document)]
    if not single:
        return None
    if len(single) > 1:
        where = f"{name}:{single[1].first_line}"
        raise ConfigError("a second YAML document begins here", do="keep one", where=where)
    for path in single[0].duplicates:
        where = f"{name}:{single[0].locate(path)[0]}"
        raise ConfigError(f"the key {shown(path[-1])} is written twice", do="keep one", where=where)
    return single[0]


def convert(document: Document, type_: type[T], name: str) -> T:
    """Decode the document's data strictly. Raises one ConfigError that names every misfit."""
    found = list(misfits(document.data, type_))
    if found:
        raise config_error(name, document, found)
    return msgspec.convert(document.data, type_)


def config_error(name: str, document: Document | None, found: Iterable[Misfit]) -> ConfigError:
    """One error for all misfits, in the order of their lines."""
    rows = sorted(
        ((document.locate(misfit.path)[0] if document else 1, misfit) for misfit in found),
        key=lambda row: row[0],
    )
    if len(rows) == 1:
        line, misfit = rows[0]
        return ConfigError(misfit.message, do=misfit.do, where=f"{name}:{line}")
    lines = [
        f"  {name}:{line}: {misfit.message}" + (f" ({misfit.do})" if misfit.do else "")
        for line, misfit in rows
    ]
    return ConfigError("\n".join([f"{len(rows)} faults", *lines]), where=name)


def misfits(value: Any, type_: type) -> Iterator[Misfit]:
    """Everything about plain ``value`` that msgspec would refuse for ``type_``."""
    found = list(_compare(value, inspect.type_info(type_), ()))
    if not found:
        try:
            msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            found.append(Misfit(path=(), message=str(error)))
    yield from found


def plain(message: str) -> str:
    """msgspec's words with the place first, as everywhere in haechi."""
    place = _PLACE.search(message)
    words = _PLACE.sub("", message).replace("Expected", "must be")
    return f"`{place[1]}` {words}" if place and place[1] else words


def placed(misfit: Misfit) -> Misfit:
    """A range's fault has its place in its words only: make the path of it."""
    place = _PLACE.search(misfit.message)
    if misfit.path or place is None:
        return misfit
    path: AttrPath = tuple(
        int(word) if word.isdigit() else word
        for word in re.split(r"[.\[\]]+", place[1])
        if word and word != "..."
    )
    return Misfit(path=path, message=plain(misfit.message), do=misfit.do)


def nearest(word: str, words: Iterable[str]) -> str:
    """``did you mean `x`?`` for the closest of ``words``, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word[:200].lower(), list(words), n=1)
    return f"did you mean `{close[0]}`?" if close else ""


def shown(value: Any) -> str:
    """A value as a person wrote it, cut to a readable length, on one line."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            text = " ".join(str(value)[:1000].split())
            if not text:
                return "empty"
            return f"`{text[:_SHOWN]}…`" if len(text) > _SHOWN else f"`{text}`"


def _compare(value: Any, info: inspect.Type, path: AttrPath) -> Iterator[Misfit]:
    match info:
        case inspect.StructType():
            yield from _struct(value, info, path)
        case inspect.ListType() | inspect.VarTupleType():
            if not isinstance(value, list):
                yield _wrong(value, "a list", path)
                return
            for index, item in enumerate(value):
                yield from _compare(item, info.item_type, (*path, index))
        case inspect.DictType():
            if not isinstance(value, dict):
                yield _wrong(value, "a mapping", path)
                return
            for key, item in value.items():
                yield from _compare(key, info.key_type, (*path, key))
                yield from _compare(item, info.value_type, (*path, key))
        case inspect.UnionType():
            if value is not None or not info.includes_none:
                for option in info.types:
                    if not isinstance(option, inspect.NoneType):
                        yield from _compare(value, option, path)
                        return
        case _:
            yield from _scalar(value, info, path)


def _struct(value: Any, info: inspect.StructType, path: AttrPath) -> Iterator[Misfit]:
    if not isinstance(value, dict):
        yield _wrong(value, "a mapping", path)
        return
    fields = {field.encode_name: field for field in info.fields}
    for key, item in value.items():
        if key in fields:
            yield from _compare(item, fields[key].type, (*path, key))
        else:
            do = nearest(key, fields) or f"the keys here are: {', '.join(fields)}"
            within = f" in `{format_path(path)}`" if path else ""
            yield Misfit(path=(*path, key), message=f"unknown key {shown(key)}{within}", do=do)
    for name, field in fields.items():
        if field.required and name not in value:
            within = f"`{format_path(path)}`" if path else "the file"
            yield Misfit(path=path, message=f"{within} lacks `{name}`")


def _scalar(value: Any, info: inspect.Type, path: AttrPath) -> Iterator[Misfit]:
    match info:
        case inspect.EnumType():
            words = [member.value for member in info.cls]
            if value not in words:
                close = nearest(value, words) if isinstance(value, str) else ""
                yield _wrong(value, f"one of {', '.join(words)}", path, close)
        case inspect.StrType():
            if not isinstance(value, str):
                plain = isinstance(value, int | float)
                yield _wrong(value, "text", path, "write it in quotes" if plain else "")
        case inspect.IntType():
            if not isinstance(value, int) or isinstance(value, bool):
                yield _wrong(value, "a whole number", path)
        case inspect.BoolType():
            if not isinstance(value, bool):
                yield _wrong(value, "true or false", path)
        case inspect.DateType():
            if not _is_date(value):
                yield _wrong(value, "a date such as 2026-03-31", path)
        case _:
            return


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and bool(dt.date.fromisoformat(value))
    except ValueError:
        return False


def _wrong(value: Any, wanted: str, path: AttrPath, do: str = "") -> Misfit:
    where = f"`{format_path(path)}`" if path else "the file"
    return Misfit(path=path, message=f"{where} must be {wanted}, not {shown(value)}", do=do)
