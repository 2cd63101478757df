"""Security events of applications, by a mapping that whoever runs the application declares.

A mapping says how a line is written (JSON, logfmt, or an RE2 expression with named groups), where
its time and type are, and which of its fields become ``app.…`` fields. Only what is declared is
taken over, nothing whose name announces a credential ever is, and texts of messages are masked.
Two equal lines may be two events (two failed sign-ins in a second), so the place a line came from
is part of its id where it is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import re2

from haechi.engines.masking import MASK, announces_credential, masked
from haechi.errors import ConfigError
from haechi.model.event import Event
from haechi.runtime.decode.building import Context, Draft, build, content_id, context
from haechi.runtime.decode.documents import Record, Unreadable, lines, parse, split
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.decode.times import by_pattern
from haechi.runtime.decode.values import text, whole

SOURCE = "application"
MOST_LINE = 262_144
_MOST_PAIRS = 256
_MASKED = 8_200
"""Characters of a message that are looked at: a little more than are kept, so that it is said."""
_TARGET = re.compile(r"app\.[a-z][a-z0-9_.]{0,60}\Z")
_OTHER_TARGETS = frozenset(
    ("k8s.ns.name", "k8s.pod.name", "container.id", "http.method", "http.path", "http.status",
     "http.host", "http.user_agent")
)  # fmt: skip
_PAIR = r'([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))'
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FREE_TEXT = frozenset(("app.message", "app.target"))


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How lines of an application become events.

    ``pattern`` is for ``regex``: RE2, its named groups are the fields. ``time`` and ``type`` name
    fields of the line; ``time_format`` is strptime's where the time is neither RFC 3339 nor a
    number. ``types`` renames values of ``type`` (``login_failed: authentication-failed``);
    ``default_type`` is for lines that have none. ``fields`` maps our names to theirs
    (``app.user: user.name``; dots go into objects). ``constants`` are set on every event. ``drop``
    names values of fields whose lines are not wanted (``level: [debug, trace]``).
    """

    format: Literal["json", "logfmt", "regex"]
    fields: dict[str, str]
    pattern: str = ""
    time: str = "time"
    time_format: str = ""
    type: str = ""
    types: dict[str, str] = {}
    default_type: str = "log"
    constants: dict[str, str | int | float | bool] = {}
    drop: dict[str, list[str]] = {}


class Application:
    """Decodes lines by a mapping. Raises ConfigError for a mapping that cannot work."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        for target, source in mapping.fields.items():
            _check(target, source)
        for target in mapping.constants:
            _check(target, "")
        self._pattern = _compiled(mapping) if mapping.format == "regex" else None
        self._pairs = re2.compile(_PAIR)

    def read(
        self,
        record: Record,
        *,
        cluster: str,
        node: str = "",
        now_ns: int | None = None,
        place: str = "",
    ) -> Decoded:
        """The events of a line or of several; ``place`` is where the first was found."""
        found = Decoded()
        about = context(cluster, node, now_ns, place)
        for number, (line, given) in enumerate(self._each(record, found)):
            if self._unwanted(given):
                found.skipped += 1
            else:
                found.events.append(self._event(line, given, number, about))
        return found

    def _each(self, record: Record, found: Decoded) -> Iterator[tuple[object, dict[str, Any]]]:
        """Lines with what they say; those that say nothing are refused."""
        if isinstance(record, dict):
            yield record, record
            return
        for line in split(record) if self._mapping.format == "json" else lines(bytes(record)):
            if len(line) > MOST_LINE:
                found.refuse(f"longer than {MOST_LINE // 1024} KiB", line)
                continue
            try:
                given = self._parsed(line)
            except Unreadable as unreadable:
                found.refuse(str(unreadable), line)
            else:
                yield line, given

    def _parsed(self, line: bytes) -> dict[str, Any]:
        if self._mapping.format == "json":
            value = parse(line)
            if not isinstance(value, dict):
                raise Unreadable("no JSON object")
            return value
        said = line.decode("utf-8", "replace").strip()
        if self._pattern is None:
            return self._logfmt(said)
        match = self._pattern.search(said)
        if match is None:
            raise Unreadable("the mapping's pattern does not match")
        return {name: value for name, value in match.groupdict().items() if value is not None}

    def _logfmt(self, said: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for match in self._pairs.finditer(said):
            quoted, bare = match.group(2), match.group(3)
            value = bare if quoted is None else _ESCAPED.sub(_unescaped, quoted)
            found.setdefault(match.group(1), value)
            if len(found) >= _MOST_PAIRS:
                break
        if not found:
            raise Unreadable("no logfmt: it has no name=value")
        return found

    def _unwanted(self, given: dict[str, Any]) -> bool:
        return any(
            _shown(_value(given, name)) in values for name, values in self._mapping.drop.items()
        )

    def _event(self, line: object, given: dict[str, Any], number: int, about: Context) -> Event:
        mapping = self._mapping
        type = _shown(_value(given, mapping.type))[:256] if mapping.type else ""
        type = mapping.types.get(type, type) or mapping.default_type
        fields: dict[str, Any] = {"app.event": type}
        for target, source in mapping.fields.items():
            value = _value(given, source)
            if value is not None and value != "":
                fields[target] = _taken(target, value)
        fields |= mapping.constants
        place = (about.place, str(number)) if about.place else ()
        said = {"line": line.decode("utf-8", "replace") if isinstance(line, bytes) else line}
        return build(
            Draft(
                id=content_id(said, *place),
                source=SOURCE,
                type=type,
                at=self._time(given),
                fields=fields,
                namespace=text(fields.get("k8s.ns.name")),
                pod=text(fields.get("k8s.pod.name")),
                container_id=text(fields.get("container.id")),
                message=text(fields.get("app.message")) or _message(fields),
            ),
            about,
        )

    def _time(self, given: dict[str, Any]) -> Any:
        value = _value(given, self._mapping.time)
        if self._mapping.time_format and isinstance(value, str):
            return by_pattern(value, self._mapping.time_format) or value
        return value


def _check(target: str, source: str) -> None:
    if not (_TARGET.match(target) or target in _OTHER_TARGETS):
        raise ConfigError(
            f"`{target}` is no field that a mapping can set",
            do=f"use app.<name> (lower case), or one of {', '.join(sorted(_OTHER_TARGETS))}",
        )
    for name in (target, source):
        if announces_credential(name):
            raise ConfigError(
                f"`{name}` looks like a credential, and those are never taken over",
                do="leave the field out of the mapping",
            )


def _compiled(mapping: Mapping) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 * 1024 * 1024
    try:
        found = re2.compile(mapping.pattern, options)
    except re2.error as error:
        raise ConfigError(
            "the mapping's pattern is not RE2's",
            why=str(error.args[0] if error.args else error)[:300],
            do="RE2 has no look-around and no back-references",
        ) from None
    if not found.groupindex:
        raise ConfigError(
            "the mapping's pattern has no named groups", do="name what is wanted: (?P<user>\\S+)"
        )
    return found


def _value(given: dict[str, Any], path: str) -> Any:
    """A field by its name as written, else by its parts; ``tags.0`` is an array's first."""
    if path in given:
        return given[path]
    value: Any = given
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 4:
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value


def _taken(target: str, value: Any) -> Any:
    """A value without credentials in it, of its field's type."""
    if target == "http.status":
        return whole(value)
    if isinstance(value, str):
        return masked(value[:_MASKED]) if target in _FREE_TEXT else value
    return _plain(value, 6)


def _plain(value: Any, depth: int) -> Any:
    """An object or array taken over as a whole may have fields that nobody named."""
    if isinstance(value, dict):
        if depth <= 0:
            return None
        return {
            name: MASK if announces_credential(str(name)) else _plain(inner, depth - 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_plain(inner, depth - 1) for inner in value] if depth > 0 else None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and abs(value) < 2**63:
        return str(value)
    return ""


def _unescaped(match: re.Match[str]) -> str:
    return {"n": " ", "t": " ", "r": " "}.get(match[1], match[1])


def _message(fields: dict[str, Any]) -> str:
    parts = [
        f"{name[4:]}={_shown(value)[:100]}" for name, value in fields.items() if name[:4] == "app."
    ]
    return " ".join(parts[:8])
