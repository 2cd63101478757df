"""Image references as AssignImage takes them apart: domain, path, and tag or digest.

The rules are Gatekeeper's, not those of ``engines.image_ref``: a part that is not named stays as it
was written, and nothing is made of what a reference leaves out (``nginx`` gets no docker.io).
"""

from __future__ import annotations

import re

import msgspec

from haechi.errors import RuleError

_DOMAIN = re.compile(r"(\w[\w\-_]*\.[\w\-_.]*\w(:[0-9]+)?|localhost(:[0-9]+)?)\Z", re.ASCII)
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._/]|__|-*)[a-z0-9]+)*\Z")
_TAG = re.compile(r":\w[\w.-]{0,127}\Z", re.ASCII)
_DIGEST = re.compile(r"@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}\Z")


class Parts(msgspec.Struct, frozen=True):
    """Parts of a reference; ``tag`` begins with its ``:`` or ``@``. Empty: not there."""

    domain: str = ""
    path: str = ""
    tag: str = ""

    def over(self, text: str) -> str:
        """The reference with those parts replaced that are given here."""
        old = split(text)
        domain = self.domain or old.domain
        prefix = f"{domain}/" if domain else ""
        return f"{prefix}{self.path or old.path}{self.tag or old.tag}"


def split(text: str) -> Parts:
    """A reference in its parts."""
    domain, rest = _split_domain(text)
    cut = min((at for at in (rest.find(":"), rest.find("@")) if at >= 0), default=len(rest))
    return Parts(domain, rest[:cut], rest[cut:])


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        return "", text
    return first, rest


def check(parts: Parts) -> None:
    """Raises RuleError, with the field, for parts that make no reference."""
    if not (parts.domain or parts.path or parts.tag):
        what = "none of assignDomain, assignPath and assignTag is given"
        raise RuleError(what, where="spec.parameters")
    if parts.domain and not _DOMAIN.match(parts.domain):
        raise RuleError(
            f"{parts.domain!r} is no registry",
            do="write a host with a dot, or localhost, and a port if it has one",
            where="spec.parameters.assignDomain",
        )
    if parts.path and not _PATH.match(parts.path):
        what = f"{parts.path!r} is no repository"
        raise RuleError(what, where="spec.parameters.assignPath")
    if parts.tag and not (_TAG.match(parts.tag) or _DIGEST.match(parts.tag)):
        raise RuleError(
            f"{parts.tag!r} is no tag or digest",
            do="write it with its sign: :v1.2 or @sha256:…",
            where="spec.parameters.assignTag",
        )
    if not parts.domain and _split_domain(parts.path)[0]:
        raise RuleError(
            f"{parts.path!r} begins with what looks like a registry",
            why="it would be read as the registry of the result, and put before it again",
            do="write it as assignDomain",
            where="spec.parameters.assignPath",
        )
