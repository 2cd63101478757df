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
_SAVED = re.compile(r"\s(?:-o|-O|--output|--output-document)[ =]?([^\s;&|]{2,200})")
_MADE_EXECUTABLE = re.compile(r"\bchmod\s+(?:[ugoa]{0,3}\+[rw]?x|[0-7]{3,4})\s+([^\s;&|]{2,200})")


def _runs_fetched_code(text: str) -> bool:
    if _PIPED.search(text) or _SUBSTITUTED.search(text):
        return True
    if "chmod" not in text:
        return False
    return not set(_SAVED.findall(text)).isdisjoint(_MADE_EXECUTABLE.findall(text))


def fetched_code(review: Review) -> Iterator[Hit]:
    """Downloads a script and runs it."""
    for container in pod_of(review).containers:
        for key in ("command", "args"):
            text = " ".join(w for w in items(container.data.get(key)) if isinstance(w, str))[
                :20_000
            ]
            if "curl" not in text and "wget" not in text:
                continue
            if _runs_fetched_code(text):
                yield Hit(
                    f"{named(container)} downloads code and runs it when it starts",
                    (*container.path, key),
                )
                break
