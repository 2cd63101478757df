"""IAM policy documents (AWS, and what speaks the same) as statements, however they were written.

A document comes as JSON text, as what ``jsonencode`` or ``data.aws_iam_policy_document`` encodes
(``Unknown.content``, with unknown leaves), or as text with unknown pieces in it. What of it is not
known stays so: a question that depends on it raises NotEvaluated, all others are answered.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.checks.terraform.ports import is_world
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.unknown import Unknown, withheld

if TYPE_CHECKING:
    from haechi.checks.terraform.view import Block
    from haechi.model.resource import Resource

_MARK = re.compile("\ue000(\\d+)\ue001")
_ANY_ACCOUNT = re.compile(r"arn:[\w*-]*:(?:iam|sts)::\*")
_MAX_TEXT = 1 << 20
_WHO = (
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:vpceaccount",
    "aws:vpceorg",
    "aws:userid",
    "aws:username",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "kms:calleraccount",
    "kms:viaservice",
    "sts:externalid",
    "lambda:functionurlauthtype",
    "elasticfilesystem:accesspointarn",
    "ecr:resourcetag",
)
"""Condition keys that keep strangers out, in small letters."""


class Principal(msgspec.Struct, frozen=True):
    """``kind`` is ``AWS``, ``Service``, ``Federated``, ``CanonicalUser``, or ``*`` for anybody;
    ``id`` a text, or unknown."""

    kind: str
    id: Any

    @property
    def is_anyone(self) -> bool:
        """``"*"`` and ``{"AWS": "*"}``: whoever has any account."""
        return self.kind in ("*", "AWS") and may_equal(self.id, "*")


def _is_anyone(principal: Principal) -> bool:
    return principal.is_anyone


class Condition(msgspec.Struct, frozen=True):
    """``operator`` as written (``StringEquals``), ``key`` (``aws:SourceArn``), ``values`` a tuple
    of texts and unknown ones."""

    operator: str
    key: str
    values: tuple[Any, ...]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement. ``path`` is the attribute that the document stands in. Values may be
    unknown ones, which raise NotEvaluated when a question depends on them."""

    path: AttrPath
    sid: str
    effect: Any
    principals: tuple[Principal, ...]
    not_principals: tuple[Principal, ...]
    actions: tuple[Any, ...]
    not_actions: tuple[Any, ...]
    resources: tuple[Any, ...]
    not_resources: tuple[Any, ...]
    conditions: tuple[Condition, ...]
    version: str = ""

    @property
    def allows(self) -> bool:
        """Whether it grants; an effect that is not known raises."""
        return bool(_known(self.effect) == "Allow")

    @property
    def is_anyone(self) -> bool:
        """Whether everybody is meant: ``Principal: *``, or everybody but some."""
        return bool(self.not_principals) or _any(lambda one: one.is_anyone, self.principals)

    @property
    def is_public(self) -> bool:
        """Grants to everybody, without a condition that says who or from where."""
        return self.allows and self.is_anyone and not self.is_narrowed

    @property
    def is_narrowed(self) -> bool:
        """Whether a condition limits who may, or from where. ``StringLike: *`` limits nothing."""
        return any(_narrows(condition) for condition in self.conditions)

    @property
    def is_admin(self) -> bool:
        """Grants every action on every resource."""
        return self.allows and self.has_action("*", "*:*") and self.has_all_resources

    @property
    def has_all_resources(self) -> bool:
        """Resource ``*`` (or none named, or all but some)."""
        if self.not_resources:
            return True
        return _any(lambda one: may_equal(one, "*"), self.resources)

    def has_action(self, *actions: str) -> bool:
        """Whether one of these stands there literally (``*``, ``s3:*``), by any case."""
        wanted = {action.lower() for action in actions}
        return _any(lambda one: _is_one_of(one, wanted), self.actions)

    def can(self, action: str) -> bool:
        """Whether the action is covered, wildcards and NotAction counted; of conditions and
        resources nothing is asked."""
        if self.not_actions:
            return not _any(lambda one: matches(one, action), self.not_actions)
        return _any(lambda one: matches(one, action), self.actions)

    def on(self, resource: str) -> bool:
        """Whether a Resource pattern covers this ARN."""
        if self.not_resources:
            return not _any(lambda one: matches(one, resource), self.not_resources)
        return _any(lambda one: matches(one, resource), self.resources)

    def condition(self, key: str) -> list[Condition]:
        """The conditions on a key, by any case."""
        return [one for one in self.conditions if one.key.lower() == key.lower()]


def may_equal(one: Any, text: str) -> bool:
    """Whether a value is this text; raises when nobody can tell. A reference to another resource,
    and a text with known pieces that do not fit, are something else."""
    if isinstance(one, Unknown):
        if one.given and not one.parts:
            return False
        if one.parts and not _could_be(one.parts, text):
            return False
        _known(one)
    return bool(isinstance(one, str) and one == text)


def matches(pattern: Any, text: str) -> bool:
    """Whether an action or ARN pattern (``s3:Get*``) covers a text, by any case; raises where an
    unknown piece decides."""
    if isinstance(pattern, Unknown):
        if pattern.given and not pattern.parts:
            return False
        if pattern.parts and not _fits(pattern.parts, text):
            return False
        _known(pattern)
    if not isinstance(pattern, str):
        return False
    return fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))


def documents(resource: Resource | Block, attribute: str) -> Iterator[Statement]:
    """The statements of the policy in an attribute (``"policy"``, ``"inline_policy.0.policy"``).

    None when there is no attribute or when it is no policy. NotEvaluated when nothing of the
    document is known; when a part of its statements is not, the known ones come first.
    """
    from haechi.checks.terraform.view import Block, steps, value

    at = (*(resource.path if isinstance(resource, Block) else ()), *steps(attribute))
    yield from statements_of(value(resource, attribute), at)


def statements_of(document: Any, path: AttrPath = ()) -> Iterator[Statement]:
    """The statements of a document in any form."""
    content = structure(document)
    if not isinstance(content, dict):
        return
    listed = content.get("Statement")
    version = content.get("Version")
    unknown: Unknown | None = None
    for item in _as_list(listed):
        if isinstance(item, Unknown):
            unknown = unknown or item
        elif isinstance(item, dict):
            yield _statement(item, path, version if type(version) is str else "")
    if unknown is not None:
        _known(unknown)


def structure(document: Any) -> Any:
    """What a JSON document in any form holds, with unknown leaves; None when it is none."""
    if isinstance(document, Unknown):
        if document.content is not None:
            return document.content
        if not document.parts:
            _known(document)
        return _with_pieces(document)
    if isinstance(document, str):
        return _parsed(document)
    return document


def _parsed(text: str) -> Any:
    if len(text) > _MAX_TEXT or "{" not in text:
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _with_pieces(document: Unknown) -> Any:
    """JSON text with unknown pieces in it: parsed with marks in their places."""
    unknown: list[Any] = []
    out: list[str] = []
    for part in document.parts:
        if type(part) is str:
            out.append(part)
        else:
            out.append(f"\ue000{len(unknown)}\ue001")
            unknown.append(part)
    parsed = _parsed("".join(out))
    if parsed is None:
        _known(document)
    return _restored(parsed, unknown, 0)


def _restored(value: Any, unknown: list[Any], depth: int) -> Any:
    if depth > 60:
        return None
    if isinstance(value, dict):
        return {
            _MARK.sub("*", key): _restored(item, unknown, depth + 1) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_restored(item, unknown, depth + 1) for item in value]
    if not isinstance(value, str) or "\ue000" not in value:
        return value
    pieces = _MARK.split(value)
    parts = [unknown[int(p)] if i % 2 else p for i, p in enumerate(pieces) if i % 2 or p]
    first = next(part for part in parts if isinstance(part, Unknown))
    if len(parts) == 1:
        return withheld(first)
    return withheld(
        Unknown(
            first.reason,
            cause=first.cause,
            refs=tuple(r for part in parts if isinstance(part, Unknown) for r in part.refs),
            given=all(part.given for part in parts if isinstance(part, Unknown)),
            parts=tuple(parts),
        )
    )


def _statement(item: dict[str, Any], path: AttrPath, version: str) -> Statement:
    sid = item.get("Sid")
    return Statement(
        path=path,
        sid=sid if type(sid) is str else "",
        effect=item.get("Effect"),
        principals=tuple(_principals(item.get("Principal"))),
        not_principals=tuple(_principals(item.get("NotPrincipal"))),
        actions=tuple(_as_list(item.get("Action"))),
        not_actions=tuple(_as_list(item.get("NotAction"))),
        resources=tuple(_as_list(item.get("Resource"))),
        not_resources=tuple(_as_list(item.get("NotResource"))),
        conditions=tuple(_conditions(item.get("Condition"))),
        version=version,
    )


def _principals(value: Any) -> Iterator[Principal]:
    if value is None:
        return
    if isinstance(value, Unknown):
        yield Principal("AWS", value)
    elif isinstance(value, dict):
        for kind, ids in value.items():
            for one in _as_list(ids):
                yield Principal(kind, one)
    else:
        for one in _as_list(value):
            yield Principal("*", one)


def _conditions(value: Any) -> Iterator[Condition]:
    if isinstance(value, Unknown):
        yield Condition("?", "?", (value,))
    elif isinstance(value, dict):
        for operator, tests in value.items():
            if isinstance(tests, Unknown):
                yield Condition(operator, "?", (tests,))
            elif isinstance(tests, dict):
                for key, values in tests.items():
                    yield Condition(operator, key, tuple(_as_list(values)))


def _narrows(condition: Condition) -> bool:
    """Negations and ``IfExists`` let strangers pass, wildcards all."""
    if condition.key == "?":
        _known(condition.values[0])
    operator = condition.operator.lower()
    key = condition.key.lower()
    if "not" in operator or operator.endswith("ifexists") or operator.startswith("forallvalues"):
        return False
    if not key.startswith(_WHO) and not key.endswith(_ISSUED):
        return False
    return bool(condition.values) and not any(_is_wild(one) for one in condition.values)


_ISSUED = (":sub", ":aud", ":amr", ":repository", ":oaud")
"""Claims of an identity provider (``token.actions.githubusercontent.com:sub``)."""


def _is_wild(one: Any) -> bool:
    if isinstance(one, Unknown):
        return False  # it says something, though nobody knows what
    return (
        str(one).strip("*") == ""
        or ("/" in str(one) and is_world(str(one)))
        or bool(_ANY_ACCOUNT.match(str(one)))
    )


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, Unknown):
        return [value]
    return value if isinstance(value, list) else [value]


def _is_one_of(one: Any, wanted: set[str]) -> bool:
    if isinstance(one, Unknown):
        return any(may_equal(one, text) for text in wanted)
    return isinstance(one, str) and one.lower() in wanted


def _any(holds: Callable[[Any], bool], values: Iterable[Any]) -> bool:
    """Whether it holds of one; one of which nobody can tell matters only when of no other."""
    doubt: NotEvaluated | None = None
    for value in values:
        try:
            if holds(value):
                return True
        except NotEvaluated as error:
            doubt = doubt or error
    if doubt is not None:
        raise doubt
    return False


def _could_be(parts: tuple[Any, ...], text: str) -> bool:
    at = 0
    for part in parts:
        if type(part) is str:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
    return True


def _fits(parts: tuple[Any, ...], text: str) -> bool:
    """Whether the pattern may cover the text: its known beginning does, up to a wildcard."""
    first = parts[0]
    if type(first) is not str:
        return True
    head = first.lower().partition("*")[0].partition("?")[0]
    return text.lower().startswith(head) or head.startswith(text.lower())


def _known(x: Any) -> Any:
    if isinstance(x, Unknown):
        raise NotEvaluated(x.reason or "a part of the policy is not known", cause=x.cause)
    return x
