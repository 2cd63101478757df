"""Grants of Google Cloud IAM: who has which role, in each way of writing them.

A grant is one ``…_iam_member``, a ``…_iam_binding`` with several members, or a binding inside of a
``…_iam_policy``, whose document comes from ``data.google_iam_policy``, ``jsonencode`` or JSON
text. Judges read ``grants`` and need not know which it was.
https://cloud.google.com/iam/docs/principal-identifiers
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from haechi.checks.terraform.view import blocks, is_unknown, known, resources, target, text
from haechi.checks.terraform.view_policies import may_equal
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.model.unknown import Unknown

POLICY = "data.google_iam_policy"
ANYBODY = {
    "allUsers": "everybody on the internet",
    "allAuthenticatedUsers": "everybody with any Google account",
}
_DEFAULTS = (
    ("-compute@developer.gserviceaccount.com", "Compute Engine"),
    ("@appspot.gserviceaccount.com", "App Engine"),
)
_DEFAULT_SOURCES = {
    "google_compute_default_service_account": "Compute Engine",
    "google_app_engine_default_service_account": "App Engine",
}


class Grant(msgspec.Struct, frozen=True):
    """A role for members. Each of them may be unknown. The paths lead to where they stand in the
    reviewed resource."""

    role: Any
    members: Any
    role_path: AttrPath
    member_path: AttrPath
    is_conditional: bool = False

    def is_role(self, *roles: str) -> str | None:
        """The role when it is one of these; raises when nobody can tell."""
        if not is_unknown(self.role):
            word = text(self.role)
            return word if word in roles else None
        return next((role for role in roles if may_equal(self.role, role)), None)

    def each(self) -> Iterator[Any]:
        """The members, known ones first. A list that is not known at all raises."""
        listed = known(self.members)
        members = listed if isinstance(listed, list) else [listed]
        yield from (one for one in members if one is not None and not is_unknown(one))
        yield from (one for one in members if is_unknown(one))

    def anybody(self) -> str | None:
        """``allUsers`` or ``allAuthenticatedUsers`` when it is a member."""
        found: str | None = first(self.each(), _anybody)
        return found


def _anybody(member: Any) -> str | None:
    return next((word for word in ANYBODY if may_equal(member, word)), None)


def first(items: Iterable[Any], ask: Callable[[Any], Any]) -> Any:
    """The first answer that is one; an item of which nobody can tell matters when no other is."""
    doubt: NotEvaluated | None = None
    for item in items:
        try:
            if answer := ask(item):
                return answer
        except NotEvaluated as error:
            doubt = doubt or error
    if doubt is not None:
        raise doubt
    return None


def grants(review: Review) -> Iterator[Grant]:
    """What a resource of IAM grants."""
    resource = review.resource
    if resource.kind.endswith("_iam_policy"):
        yield from _of_policy(review)
        return
    data = resource.data
    name = "members" if data.get("members") is not None else "member"
    members = data.get(name) if name == "members" else [data.get(name)]
    conditional = data.get("condition") is not None
    yield Grant(data.get("role"), members, ("role",), (name,), conditional)


def _of_policy(review: Review) -> Iterator[Grant]:
    document = review.resource.data.get("policy_data")
    if document is None:
        return
    sources = target(review, "policy_data", type_=POLICY) if is_unknown(document) else []
    for source in sources:
        yield from _of_source(source)
    if not sources:
        yield from _of_document(document)


def _of_source(source: Resource) -> Iterator[Grant]:
    at: AttrPath = ("policy_data",)
    for block in blocks(source, "binding", possible=True):
        conditional = block.get("condition") is not None
        yield Grant(block.get("role"), block.get("members"), at, at, conditional)


def _of_document(document: Any) -> Iterator[Grant]:
    at: AttrPath = ("policy_data",)
    content = _content(document)
    bindings = content.get("bindings") if isinstance(content, dict) else None
    for binding in known(bindings) or []:
        if isinstance(known(binding), dict):
            conditional = binding.get("condition") is not None
            yield Grant(binding.get("role"), binding.get("members"), at, at, conditional)


def _content(document: Any) -> Any:
    if isinstance(document, Unknown):
        return known(document.content if document.content is not None else document)
    if isinstance(document, str):
        try:
            return json.loads(document)
        except (ValueError, RecursionError):
            return None
    return document


def beginning(one: Any) -> str:
    """The known beginning of a text."""
    if isinstance(one, Unknown):
        head = one.parts[0] if one.parts else ""
        return head if type(head) is str else ""
    return text(one) or ""


def ending(one: Any) -> str:
    """The known end of a text."""
    if isinstance(one, Unknown):
        tail = one.parts[-1] if one.parts else ""
        return tail if type(tail) is str else ""
    return text(one) or ""


def written(one: Any) -> str | None:
    """What of a text can be told, as Terraform would write it (``serviceAccount:…``)."""
    if not isinstance(one, Unknown):
        return text(one)
    if one.parts:
        return "".join(part if type(part) is str else "…" for part in one.parts)
    return next((reference.address for reference in one.refs), None)


def default_account(one: Any) -> str | None:
    """The service whose default service account a member (or an email) is."""
    if isinstance(one, Unknown):
        for reference in _references(one):
            kind = reference.removeprefix("data.").partition(".")[0]
            if kind in _DEFAULT_SOURCES:
                return _DEFAULT_SOURCES[kind]
    tail = ending(one)
    return next((service for suffix, service in _DEFAULTS if tail.endswith(suffix)), None)


def _references(one: Unknown) -> Iterator[str]:
    yield from (reference.address for reference in one.refs)
    for part in one.parts:
        if isinstance(part, Unknown):
            yield from _references(part)


def declared(review: Review, attribute: str, type_: str) -> list[Resource]:
    """The resources of a type that an attribute names: by reference, by a known name, or by a name
    that is made of the same unknown pieces (``"shop-${var.stage}"`` here and there)."""
    found = target(review, attribute, type_=type_)
    value = review.resource.data.get(attribute)
    if found or not isinstance(value, Unknown) or value.refs:
        return found
    mine = pieces(value)
    return [one for one in resources(review, type_) if mine in _names(one)]


def _names(resource: Resource) -> Iterator[tuple[str, ...]]:
    for attribute in ("name", "account_id", "dataset_id"):
        value = resource.data.get(attribute)
        if isinstance(value, Unknown):
            yield pieces(value)


def pieces(value: Unknown) -> tuple[str, ...]:
    """What an unknown value is made of: two that are made alike are equal."""
    if not value.parts:
        return ("?", value.cause)
    out: list[str] = []
    for part in value.parts:
        out += [part] if type(part) is str else pieces(part) if isinstance(part, Unknown) else ["?"]
    return tuple(out)
