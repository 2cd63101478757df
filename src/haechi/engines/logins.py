"""Passwords in addresses, taken out of what is said to people.

``https://user:password@host`` stands in image names, sources of downloads and overlays; a message
that quotes such a text must not carry the password into reports and logs.
"""

from __future__ import annotations

import re

_LOGIN = re.compile(r"(://[^\s/:@\"']{0,100}:)[^\s/@\"']{1,300}(?=@)")
_BARE = re.compile(r"(://)[^\s/:@\"']{16,300}(?=@)")


def has_login(text: str) -> bool:
    """True when an address in the text carries a password or a token."""
    return "://" in text and bool(_LOGIN.search(text) or _BARE.search(text))


def without_logins(text: str) -> str:
    """The text with ``***`` for passwords, and for user names as long as tokens are."""
    if "://" not in text:
        return text
    return _BARE.sub(r"\1***", _LOGIN.sub(r"\1***", text))
