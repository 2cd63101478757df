"""Reviews of pods, decoded as far as the policies look.

Most reviews are of pods, and most of a pod no policy reads. Where every policy says what of an
object it can look at (``looks``), the rest is passed over; the review that the policies judge then
answers them as the whole one would. Everything that is not plainly a review of a pod, and all that
this cannot be sure about, is left to whoever decodes the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from haechi.admit.policies import PolicySet
from haechi.engines.cel.forms import form_of
from haechi.engines.cel.reads import Read, Reads

_ALWAYS = Reads(
    frozenset(Read(("object", name), deep=True) for name in ("apiVersion", "kind", "metadata"))
)
"""What selectors, matches and names are read from."""
_POD = {"group": "", "version": "v1", "kind": "Pod"}
_PODS = {"group": "", "version": "v1", "resource": "pods"}
_OBJECTS = ("object", "oldObject")
POD_REQUEST = {"kind": _POD, "resource": _PODS}


class _Head(msgspec.Struct):
    apiVersion: str = ""
    kind: str = ""
    request: dict[str, msgspec.Raw] | None = None


class Document(msgspec.Struct):
    """An AdmissionReview."""

    apiVersion: str = ""
    kind: str = ""
    request: dict[str, Any] | None = None


_head = msgspec.json.Decoder(_Head).decode
_any: Callable[[Any], Any] = msgspec.json.Decoder().decode


class Partial:
    """Decodes reviews of pods for these policies."""

    def __init__(self, form: Any) -> None:
        self._decode: Callable[[Any], Any] = msgspec.json.Decoder(form).decode

    @classmethod
    def of(cls, policies: PolicySet) -> Partial | None:
        """None where one of them may look at anything."""
        reads = looks_of(policies)
        form = None if reads is None else form_of([*reads, _ALWAYS])
        return None if form is None else cls(form)

    def read(self, body: bytes | memoryview) -> Document | None:
        """The review, if it is of a pod and surely can be read in part."""
        data = bytes(body)
        if (
            b"\\" in data and b"\\u" in data
        ):  # halves of surrogate pairs are an error only to who reads them
            return None
        try:
            if not data.isascii():
                data.decode()
            head = _head(data)
            if head.request is None:
                return None
            request = {
                name: _any(value) for name, value in head.request.items() if name not in _OBJECTS
            }
            if (
                request.get("kind") != _POD
                or request.get("resource") != _PODS
                or request.get("subResource")
            ):
                return None
            for name in _OBJECTS:
                if name in head.request:
                    request[name] = self._decode(head.request[name])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return Document(head.apiVersion, head.kind, request)


def looks_of(policies: PolicySet) -> Iterable[Reads] | None:
    """What policies can look at; None when one of them does not say."""
    if policies.rollout is not None:
        return None
    found: list[Reads] = []
    for policy in policies.policies:
        looks: Iterable[Reads] | None = getattr(policy, "looks", None)
        if looks is None:
            return None
        found += looks
    return found
