"""Which lines of a file may hold a secret, by what stands in them and around them.

Findings name the lines of secrets that rules found. But frames show neighbours too, and lines at
fault for another reason, so each line is looked at once more: better one line too many that is
not shown than a password in a report, which travels further than the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from haechi.engines.logins import has_login

LOOK = 4_000
"""Characters of a line that are looked at."""
_ABOVE = 60
_WORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|auth(?:orization)?|credentials?|requirepass"
    r"|(?:api|access|private|secret|encryption|signing|account)[_.-]?key|key[_-]data)"
)
_BEGINS = (
    r"[\"']?(?!(?:true|false|null|none|yes|no|\d{1,6})[\"']?\s*(?:\Z|[\s,}\]#]))"
    r"[^\s\"'${\[|>&*,}\])\\]"
)
"""The beginning of a value that is neither a switch nor a reference nor further structure."""
_HOLDS = re.compile(
    "|".join(
        (
            rf"{_WORD}[\"']?\s{{0,3}}[:=]\s{{0,3}}{_BEGINS}",
            rf"(?:\A|[\s\"'\[,;(=])--?[\w.-]{{0,40}}{_WORD}[\"']?[,\s]\s{{0,3}}{_BEGINS}",
            rf"\bENV\s+\w{{0,60}}{_WORD}\s+{_BEGINS}",
            rf"{_WORD}[\"']?\s{{0,3}},\s{{0,3}}[\"']?value[\"']?\s{{0,3}}:",
            r"(?:authorization|x-[\w-]{0,40}(?:key|token|secret))[\"']?[\s:=]{1,4}[\"']?[^\s$\"']",
            r"\b(?:sshpass|login|mysql\w{0,9}|mariadb\w{0,9}|redis-cli|curl|wget|user(?:add|mod))\b"
            r".{0,300}?\s(?:-[pau]|--user)[ =]?[\"']?[^\s$\"'-]",
            r"chpasswd|\bsshpass\b|BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
            r"\b(?:AKIA|ASIA)[A-Z2-7]{16}|\bgh[pousr]_\w{30}|\bgithub_pat_\w{30}|\bglpat-[\w-]{20}",
            r"\bxox[abeprs]-[\w-]{10}|\b[rs]k_live_\w{16}|\bAIza[\w-]{35}|\bnpm_\w{36}|\bhvs\.\w{24}",
            r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10}",
            r"(?-i:\A(?=.*[a-z])(?=.*[A-Z])(?=.*\d)\s*[A-Za-z0-9+/]{40,}={0,2}\s*\Z)",
        )
    ),
    re.IGNORECASE,
)
_NAMES = re.compile(rf"\bname[\"']?\s*:\s*[\"']?[\w.-]{{0,60}}{_WORD}[\"',]*\s*\Z", re.IGNORECASE)
_VALUE = re.compile(r"\s*(?:-\s+)?[\"']?value[\"']?\s*:")
_ASKS = re.compile(
    rf"\s*(?:-\s+)?[\"']?(?:--?[\w.-]{{0,40}}{_WORD}|-[pua])[\"']?,?\s*\Z", re.IGNORECASE
)
"""An option alone on its line: its value is the next one."""
_OPENS = re.compile(
    rf"(?:{_WORD}|\.(?:key|pem)|id_(?:rsa|ed25519|ecdsa))[\"']?\s*:\s*[|>][0-9+-]{{0,2}}\s*(?:#.*)?\Z",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\bkind[\"']?\s*:\s*[\"']?Secret(?![\w-])")
_DATA = re.compile(r"(\s*(?:-\s+)?)[\"']?(?:data|stringData)[\"']?\s*:")
_PLAIN = re.compile(
    r"(?:-\s+)?(?:[\"']?(?:apiVersion|kind|name|namespace|type|immutable|metadata|labels|items"
    r"|annotations)[\"']?\s*:\s*[\"']?[\w./-]{0,80}[\"']?\s*,?\s*(?:#.*)?|\#.*|---.*|[{}\[\],]*)\s*\Z"
)
"""Lines of a Secret that say what it is and not what it holds."""


def may_hold(lines: Sequence[str], index: int) -> bool:
    """True when the line, alone or with its neighbours, looks as if it held a secret value."""
    line = lines[index][:LOOK]
    if has_login(line) or _HOLDS.search(line):
        return True
    above = lines[index - 1][:LOOK] if index else ""
    below = lines[index + 1][:LOOK] if index + 1 < len(lines) else ""
    if _VALUE.match(line) and (_NAMES.search(above) or _NAMES.search(below)):
        return True
    return bool(_ASKS.match(above)) or _in_block(lines, index)


def _in_block(lines: Sequence[str], index: int) -> bool:
    """True within the text of a key that is called as secrets are (``password: |``)."""
    indent = _indent(lines[index])
    for number in range(index - 1, max(index - _ABOVE, -1), -1):
        head = lines[number][:LOOK]
        if head.strip() and _indent(head) < indent:
            return bool(_OPENS.search(head))
    return False


def secret_lines(lines: Sequence[str]) -> Iterator[int]:
    """Indices of the lines of Secret objects that may be part of their data."""
    start = 0
    for end in (*(i for i, line in enumerate(lines) if line.startswith("---")), len(lines)):
        if any(_SECRET.search(lines[i], 0, LOOK) for i in range(start, end)):
            yield from _of_secret(lines, start, end)
        start = end


def _of_secret(lines: Sequence[str], start: int, end: int) -> Iterator[int]:
    data = -1  # indentation of the data's key, while in it
    for index in range(start, end):
        line = lines[index][:LOOK]
        if line.strip() and data >= 0 and _indent(line) <= data:
            data = -1
        key = _DATA.match(line)
        if data >= 0 or (not key and not _PLAIN.match(line.strip())):
            yield index
        elif key:
            data = len(key[1])
            if line[key.end() :].strip() not in ("", "{"):
                yield index


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" -"))
