"""What came back: values, or an error that says what the server said and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.errors import HaechiError

PROBLEM = "application/problem+json"
_TOLD = 2000
"""Characters of a foreign answer that an error repeats."""
BUSY = frozenset({429, 502, 503, 504})


class ServerRefused(HaechiError):
    """The server answered, and the answer is no. ``status`` is HTTP's."""

    def __init__(self, what: str, *, status: int, do: str = "", why: str = "") -> None:
        super().__init__(what, do=do, why=why)
        self.status = status


class ServerUnreachable(HaechiError):
    """No answer came: nothing is known about what the server did."""

    exit_code = 3


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A raw answer: status, headers (lower-case names), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def value_of(answer: Answer, where: str) -> Any:
    """The decoded value, or None for an empty answer. Raises ServerRefused."""
    if answer.status >= 400:
        raise refusal(answer, where)
    if not 200 <= answer.status < 300:
        # A redirect is not followed (the token goes to nobody else), and nothing was done.
        raise ServerRefused(
            f"{where} answered {answer.status}, which is no answer of a haechi server",
            status=answer.status,
            do="name the address that is meant in the end, with https where it is used",
        )
    kind = answer.headers.get("content-type", "")
    if answer.status == 204 or not answer.body:
        return None
    if "json" not in kind:
        raise ServerRefused(
            f"{where} answered with {kind or 'no type'}, not JSON",
            status=answer.status,
            do="is this the address of a haechi server?",
        )
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServerRefused(
            f"{where} answered with broken JSON", status=answer.status, why=str(error)
        ) from error


def refusal(answer: Answer, where: str) -> ServerRefused:
    """The error of an answer of 400 and above."""
    problem = _problem(answer)
    detail = problem.get("detail") or problem.get("title") or ""
    what = f"{where} answered {answer.status}"
    if detail:
        what += f": {detail}"
    faults = [
        f"{fault.get('where', '')}: {fault.get('what', '')}"
        for fault in problem.get("errors") or ()
        if isinstance(fault, dict)
    ]
    return ServerRefused(
        what,
        status=answer.status,
        why="; ".join(faults[:10]),
        do=str(problem.get("do") or _advice(answer.status)),
    )


def _problem(answer: Answer) -> dict[str, Any]:
    if PROBLEM not in answer.headers.get("content-type", ""):
        return {}
    try:
        value = msgspec.json.decode(answer.body[: 1 << 20])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {k: v[:_TOLD] if isinstance(v, str) else v for k, v in value.items()}


def _advice(status: int) -> str:
    if status == 401:
        return "set HAECHI_TOKEN (or HAECHI_TOKEN_FILE) to a token that is valid"
    if status == 403:
        return "ask an administrator for a token with the role that this needs"
    if status in BUSY:
        return "the server is busy or behind something that is: try again later"
    return ""
