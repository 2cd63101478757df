"""What containers fetch and run when they start, past everything that was scanned before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.pods.view import items, pod_of
from haechi.checks.pods.words import named
from haechi.model.review import Hit, Review

_PIPED = re.compile(
    r"\b(?:curl|wget)\b[^\n;]{0,400}?\|\s*(?:sudo\s+)?(?:env\s+)?(?:/\S{0,40}/)?"
    r"(?:ba|da|z|k|a)?sh\b|\b(?:curl|wget)\b[^\n;]{0,400}?\|\s*(?:sudo\s+)?python[0-9.]*\b"
)
_SUBSTITUTED = re.compile(
    r"(?:\b(?:ba|da|z)?sh\s+-c\s+[\"']?\$\(|\beval\s+[\"']?\$\(|(?:\bsource|\s\.)\s+<\(|\bbash\s+<\()"
    r"\s*(?:curl|wget)\b"
)
_FETCHED_THEN_RUN = re.compile(
    r"\b(?:curl|wget)\b[^\n]{0,400}?\s(?:-o|-O|--output)[ =]?(\S{2,200})[\s\S]{0,200}?"
    r"\bchmod\s+(?:\+x|a\+x|[0-7]{3,4})\s+\1(?=[\s;&]|\Z)"
)


def fetched_code(review: Review) -> Iterator[Hit]:
    """Downloads a script and runs it."""
    for container in pod_of(review).containers:
        for key in ("command", "args"):
            text = " ".join(w for w in items(container.data.get(key)) if isinstance(w, str))[
                :20_000
            ]
            if "curl" not in text and "wget" not in text:
                continue
            if _PIPED.search(text) or _SUBSTITUTED.search(text) or _FETCHED_THEN_RUN.search(text):
                yield Hit(
                    f"{named(container)} downloads code and runs it when it starts",
                    (*container.path, key),
                )
                break
