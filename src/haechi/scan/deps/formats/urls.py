"""Addresses of packages without what opens them, and what kind of source they are."""

from __future__ import annotations

import re

_USER = re.compile(r"((?:^|[\s'\"=])(?:[A-Za-z][A-Za-z0-9+.\-]{0,30}:)?//)([^/?#\s@'\"]{0,2000}@)+")
_TELLING = re.compile(
    r"([?&;])([^=&;#\s]{0,100}(?:token|key|secret|passw|auth|sig|credential)[^=&;#\s]{0,100})"
    r"=[^&;#\s'\"]*",
    re.IGNORECASE,
)


def clean_url(url: str) -> str:
    """The address without user, password and tokens; ``git@`` of ssh is no secret and stays.

    Whole texts with addresses in them (``name @ https://…``) may be given, too.
    """
    if "@" in url and "//" in url:
        url = _USER.sub(_without_user, url)
    if "?" in url or ";" in url:
        url = _TELLING.sub(r"\1\2=***", url)
    return url


def _without_user(match: re.Match[str]) -> str:
    return match[0] if match[2] == "git@" else match[1]
