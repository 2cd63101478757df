"""Addresses as lock files write them, without what nobody else may see.

Lock files carry ``https://user:token@host/...``, and query parts with signed tokens. What is kept
is scheme, host and path; of a git address also the reference that was asked for.
"""

from __future__ import annotations

import re

_USER = re.compile(r"^([a-z][a-z0-9+.-]{0,30}://)[^/?#]*@", re.IGNORECASE)
_SCP = re.compile(r"^[A-Za-z0-9_.-]{1,60}@(?=[A-Za-z0-9.-]{1,255}:)")
_REFERENCE = re.compile(r"[?&](rev|tag|branch)=([A-Za-z0-9._/+-]{1,200})")
LONGEST = 2_000


def clean(url: str, *, reference: bool = False) -> str:
    """The address without user, password, query and fragment; with ``reference`` a ``rev``,
    ``tag`` or ``branch`` of the query stays."""
    text = url.strip()[:LONGEST]
    kept = _REFERENCE.search(text) if reference else None
    text = re.split(r"[?#]", text, maxsplit=1)[0]
    text = _SCP.sub("", _USER.sub(r"\1", text))
    return f"{text}?{kept[1]}={kept[2]}" if kept else text
