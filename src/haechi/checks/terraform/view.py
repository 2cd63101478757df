"""What judges of Terraform resources share. Authors of rules need read only this.

**The data.** ``review.resource.data`` holds attributes as Terraform's plan JSON does: nested blocks
are LISTS of objects under the block's name (``versioning`` → ``[{"enabled": True}]``), maps are
objects, what is null is absent, meta-arguments (count, for_each, lifecycle, provider …) are not
in it. Booleans and ports that are written as text are booleans and numbers. ``resource.kind`` is
the type (``aws_s3_bucket``, ``data.aws_iam_policy_document``, ``provider.aws``, ``tf-module`` …),
``resource.name`` the whole address (``module.a["x"].aws_s3_bucket.logs[0]``).

**What is not known** stands in the data as an ``Unknown`` that defends itself: comparing it,
``isinstance(x, str)``, ``in``, ``bool``, ``str``, methods and loops raise NotEvaluated, and the
verdict is ``not_evaluated`` with the cause. So write judges as if all were known, and look at no
more than the rule needs. ``x is None`` (absent) and ``is_unknown(x)`` may be asked of anything.
A value that certainly is set though not known (another resource's id or ARN) has ``given`` true.
A judge that is a generator and has yielded a Hit before it meets an unknown value keeps the Hit.

**Judges** are ``def judge(review: Review) -> Iterator[Hit]`` in ``checks/terraform/<family>.py``,
named ``terraform.<family>:judge`` by the rule; they yield ``Hit(message, path)`` with a path such
as ``("ingress", 0, "cidr_blocks")``. In CEL the same data is ``resource``; ``present`` is a copy in
which a ``given`` value is a placeholder text, for ``has(present.kms_key_id)``. What touches an
unknown value is ``not_evaluated`` there, too (``has(resource.x)`` as well: an unknown value may be
null). Blocks: ``resource.?versioning[?0].?enabled.orValue(false)``.

**Vocabulary**

- ``value(resource, "server_side_encryption.0.enabled")``: the value there, None when absent.
- ``known(x)``: x, or NotEvaluated when it is unknown. ``is_unknown(x)``, ``is_set(x)`` (given
  counts as set; unknown and perhaps null → NotEvaluated), ``truth(x, default)``, ``number(x)``,
  ``text(x)`` (None when absent), ``texts(x)`` (a list of text, unknown elements last: they raise).
- ``blocks(resource, "ingress")``: the blocks as ``Block(data, path)``, those that certainly exist.
  Where a ``dynamic`` block loops over what is not known, the loop ends with NotEvaluated: so look
  for violations *while* looping, and for presence by ``any``. ``blocks(…, possible=True)`` gives
  for such a dynamic block its content, too (its violations count if there is one at all).
  ``blocks`` takes a Block, too, for blocks inside blocks.
- ``resources(review, type)``: all resources of a type in the same root module (modules included).
  ``linked(review, type, attribute)``: those whose ``attribute`` refers to the reviewed resource
  (by reference, or by its known name, id or ARN). ``attribute`` may lead into blocks
  (``"vpc_config.security_group_ids"``) and lists. ``about=`` asks for another resource than the
  reviewed one. ``doubtful(review, type, attribute)`` tells whether one of them might be linked
  though nobody can tell (its attribute is wholly unknown, or how many there are): where the absence
  of a link is the fault, use ``require_no_doubt`` before saying so.
  ``target(review, attribute)``: the resources that an attribute refers to (``about=`` too).
- ``documents(resource, "policy")``: IAM policy documents as ``Statement`` (``view_policies``), from
  JSON text, ``jsonencode``, heredoc or ``data.aws_iam_policy_document``. ``Statement.allows``,
  ``is_anyone``, ``is_admin``, ``can(action)``, ``is_narrowed`` …
- ``open_to_world(cidrs)``: the first of some CIDR blocks that is the whole internet (v4 or v6,
  also as two halves or ``0.0.0.0/1``), ``is_private(cidr)``. ``covers(from_port, to_port, port)``.
- ``fails(message, "ingress", 0, "cidr_blocks")``: a Hit at a path of the reviewed resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from haechi.checks.terraform.links import doubtful, linked, require_no_doubt, resources, target
from haechi.checks.terraform.ports import covers, is_private, open_to_world
from haechi.checks.terraform.view_policies import Condition, Principal, Statement, documents
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Hit
from haechi.model.unknown import Unknown

__all__ = [
    "Block",
    "Condition",
    "Hit",
    "Principal",
    "Statement",
    "blocks",
    "covers",
    "documents",
    "doubtful",
    "fails",
    "is_private",
    "is_set",
    "is_unknown",
    "known",
    "linked",
    "number",
    "open_to_world",
    "require_no_doubt",
    "resources",
    "target",
    "text",
    "texts",
    "truth",
    "value",
]

_STEP = re.compile(r"[^.\[\]]+")
_TRUE = frozenset({"true", "1", "yes", "on", "enabled"})
_FALSE = frozenset({"false", "0", "no", "off", "disabled", ""})


class Block(msgspec.Struct, frozen=True):
    """A nested block: what it holds and where it is. ``possible``: made by a ``dynamic`` block of
    which nobody knows how many there are."""

    data: Mapping[str, Any]
    path: AttrPath
    possible: bool = False

    def get(self, name: str) -> Any:
        """The value of an attribute, None when absent."""
        return self.data.get(name)

    def at(self, *path: str | int) -> AttrPath:
        """The place of something inside, for a Hit."""
        return (*self.path, *path)


def steps(path: str | AttrPath) -> AttrPath:
    """``"a.0.b"`` or ``"a[0].b"`` as a path."""
    if not isinstance(path, str):
        return path
    return tuple(int(step) if step.isdigit() else step for step in _STEP.findall(path))


def value(resource: Resource | Block, path: str | AttrPath) -> Any:
    """The value at a path; None when it, or what leads there, is absent; the Unknown on the way
    when that is not known."""
    found: Any = resource.data
    for step in steps(path):
        if found is None or is_unknown(found):
            return found
        if isinstance(step, int):
            inside = isinstance(found, list) and 0 <= step < len(found)
            found = found[step] if inside else (found if _is_only(found, step) else None)
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def _is_only(found: Any, step: int) -> bool:
    """JSON syntax may hold a single block as an object instead of a list of one."""
    return step == 0 and isinstance(found, dict)


def is_unknown(x: Any) -> bool:
    """Whether nobody can know it yet. Safe to ask of anything."""
    return isinstance(x, Unknown)


def known(x: Any) -> Any:
    """The value itself. Raises NotEvaluated when it is not known."""
    if isinstance(x, Unknown):
        raise NotEvaluated(x.reason or "a value is not known", cause=x.cause)
    return x


def is_set(x: Any) -> bool:
    """Whether there is a value other than null, empty text and nothing."""
    if isinstance(x, Unknown):
        return x.given or bool(x.parts) or x.content is not None or known(x)
    return x is not None and x != "" and x != [] and x != {}


def truth(x: Any, default: bool) -> bool:
    """The truth value, ``default`` when absent."""
    if x is None:
        return default
    if isinstance(known(x), bool):
        return bool(x)
    word = str(x).strip().lower()
    if word in _TRUE:
        return True
    return default if word not in _FALSE else False


def number(x: Any, default: float | None = None) -> float | None:
    """The number, also one that is written as text; ``default`` when there is none."""
    if x is None or isinstance(known(x), bool):
        return default
    if isinstance(x, (int, float)):
        return x
    try:
        return float(x)
    except (TypeError, ValueError):
        return default


def text(x: Any) -> str | None:
    """The text (numbers and truth values as Terraform writes them); None when absent."""
    if x is None:
        return None
    if isinstance(known(x), str):
        return str(x)
    if isinstance(x, bool):
        return "true" if x else "false"
    return str(x) if isinstance(x, (int, float)) else None


def texts(x: Any) -> Iterator[str]:
    """The texts of a list (or the one text): known ones first, then NotEvaluated if others are
    not known and may be anything. A ``given`` one (an id of a resource) is left out."""
    if x is None:
        return
    unknown: Unknown | None = None
    if isinstance(x, Unknown):
        unknown = x
    else:
        for item in x if isinstance(x, list) else [x]:
            if isinstance(item, Unknown):
                unknown = unknown if item.given else unknown or item
            elif (word := text(item)) is not None:
                yield word
    if unknown is not None:
        known(unknown)


def blocks(resource: Resource | Block, name: str, *, possible: bool = False) -> Iterator[Block]:
    """Nested blocks; see the module's head for those that are not known."""
    path: AttrPath = (*(resource.path if isinstance(resource, Block) else ()), name)
    found = resource.data.get(name)
    if found is None:
        return
    unknown: Unknown | None = None
    listed = found if type(found) is list else [found]
    for index, item in enumerate(listed):
        if isinstance(item, Unknown):
            unknown = unknown or item
            if possible:
                yield from _possible(item, (*path, index))
        elif isinstance(item, dict):
            yield Block(item, (*path, index))
    if unknown is not None:
        known(unknown)


def _possible(item: Unknown, path: AttrPath) -> Iterator[Block]:
    content = item.content
    for inner in content if type(content) is list else [content]:
        if type(inner) is dict:
            yield Block(inner, path, possible=True)


def fails(message: str, *path: str | int, evidence: Mapping[str, Any] | None = None) -> Hit:
    """A violation at a path of the reviewed resource."""
    return Hit(message, path, evidence or {})
