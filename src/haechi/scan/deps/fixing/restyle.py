"""A range of versions, raised: the style stays, the lower end moves, nothing gets looser.

``^1.2.3`` → ``^1.2.9``, ``==1.2.3`` → ``==1.2.9``, ``>=1.2,<2`` → ``>=1.2.9,<2``. An upper end
moves only when the version lies above it, and then to the next number of the same place
(``<2`` → ``<3``). What cannot be raised that way is refused and left to a person.
"""

from __future__ import annotations

import re

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from haechi.scan.fix.changes import Refused

_ITEM = re.compile(
    r"(?P<op>===|==|~=|~>|!=|>=|<=|=>|=<|[\^~<>=])?(?P<gap>\s*)(?P<v>v?)"
    r"(?P<version>\d[A-Za-z0-9.+!_-]*\*?|[xX*])"
)
_WILD = re.compile(r"(?:^|[.])[xX*](?:[.][xX*])*$")
_INTERVAL = re.compile(r"\s*([\[(])\s*([^,\[\]()]*?)\s*(?:(,)\s*([^,\[\]()]*?)\s*)?([\])])\s*\Z")
_JOINS = re.compile(r"[\s,]*\Z")


def raised(ecosystem: str, constraint: str, to: str) -> str:
    """The constraint with ``to`` as its lower end. Raises Refused."""
    text = constraint.strip()
    if not text or text in ("*", "latest", "x"):
        return constraint
    if "||" in text or " - " in text or (ecosystem == "Packagist" and "|" in text):
        raise Refused(f"{text[:60]} offers alternatives: choose by hand")
    made = _interval(ecosystem, text, to) if text[0] in "[(" else _items(ecosystem, text, to)
    try:
        inside = scheme_of(ecosystem).satisfies(to, made)
    except VersionError as error:
        raise Refused(f"{text[:60]} is no range that can be raised: {error.what}") from error
    if not inside:
        raise Refused(f"{text[:60]} cannot be raised to {to} in its own style")
    start = len(constraint) - len(constraint.lstrip())
    return constraint[:start] + made + constraint[start + len(text) :]


def _items(ecosystem: str, text: str, to: str) -> str:
    out: list[str] = []
    last = 0
    lower = False
    for item in _ITEM.finditer(text):
        if not _JOINS.match(text[last : item.start()]):
            raise Refused(f"{text[:60]} is no range that can be raised")
        out.append(text[last : item.start()])
        last = item.end()
        op, version = item["op"] or "", item["version"]
        made, is_lower = _item(ecosystem, op, version, to)
        lower = lower or is_lower
        shown = item["gap"] + (f"v{made.removeprefix('v')}" if item["v"] else made)
        out.append((">=" if op == ">" else op) + shown)
    if not out or text[last:].strip(" ,"):
        raise Refused(f"{text[:60]} is no range that can be raised")
    if not lower:
        out.append(_floor(ecosystem, text, to))
    return "".join(out) + text[last:]


def _floor(ecosystem: str, text: str, to: str) -> str:
    """Only upper ends were written: a lower one is added where the grammar takes it."""
    if ecosystem in ("PyPI", "crates.io") and not _WILD.search(text):
        return f",>={to}" if "," in text or " " not in text else f", >={to}"
    if ecosystem in ("npm", "Packagist") and not _WILD.search(text):
        return f" >={to}"
    return ""


def _item(ecosystem: str, op: str, version: str, to: str) -> tuple[str, bool]:
    """The new version of one comparison, and whether it is a lower end."""
    if _WILD.search(version):
        return _wild(version, to), False
    match op:
        case "!=":
            return version, False
        case "<" | "<=" | "=<":
            return _upper(ecosystem, op, version, to), False
        case "~=" | "~>" | "~" if _shorter(op, version, to, ecosystem):
            return _cut(to, version), False
        case _:
            return to, True


def _shorter(op: str, version: str, to: str, ecosystem: str) -> bool:
    """Whether the number of parts has a meaning that a longer version would change."""
    parts = len(_numbers(version))
    counts = op in ("~=", "~>") or ecosystem == "Packagist"
    return counts and parts < len(_numbers(to)) and parts >= (2 if op == "~=" else 1)


def _wild(version: str, to: str) -> str:
    """``1.2.*`` as wide as it was, around the new version."""
    parts, new = version.split("."), _numbers(to)
    fixed = [part for part in parts if part.isdigit()]
    kept = [*new, *["0"] * len(fixed)][: len(fixed)]
    return ".".join((*kept, *parts[len(fixed) :]))


def _upper(ecosystem: str, op: str, version: str, to: str) -> str:
    scheme = scheme_of(ecosystem)
    try:
        new, end = scheme.key(to), scheme.key(version)
    except VersionError as error:
        raise Refused(f"{version[:60]} is no version") from error
    if new < end or (new == end and op != "<"):
        return version
    if op != "<":
        return to
    parts = version.split(".")
    if not all(part.isdigit() for part in parts):
        raise Refused(f"<{version[:60]} is below {to}")
    place = max((at for at, part in enumerate(parts) if part.strip("0")), default=0)
    numbers = [*_numbers(to), *["0"] * len(parts)]
    moved = [*numbers[:place], str(int(numbers[place]) + 1)]
    return ".".join((*moved, *["0"] * (len(parts) - place - 1)))


def _interval(ecosystem: str, text: str, to: str) -> str:
    found = _INTERVAL.match(text)
    if found is None:
        raise Refused(f"{text[:60]} offers alternatives: choose by hand")
    opening, lower, comma, upper, closing = found.groups()
    if not comma:
        return f"[{to}]"
    gap = " " if ", " in text else ""
    if upper:
        scheme = scheme_of(ecosystem)
        try:
            beyond = scheme.key(to) > scheme.key(upper)
        except VersionError as error:
            raise Refused(f"{text[:60]} is no range that can be raised") from error
        if beyond:
            raise Refused(f"{text[:60]} ends below {to}")
    return f"{'[' if lower or opening == '(' else opening}{to},{gap}{upper or ''}{closing}"


def _cut(to: str, like: str) -> str:
    return ".".join(_numbers(to)[: len(_numbers(like))])


def _numbers(version: str) -> list[str]:
    plain = version.removeprefix("v").rpartition("!")[2]
    found = re.match(r"\d+(?:\.\d+)*", plain)
    return found[0].split(".") if found else []
