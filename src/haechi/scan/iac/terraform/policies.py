"""``data.aws_iam_policy_document``: the document that it writes, with what is known of it.

https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from haechi.engines.hcl.json_values import loads
from haechi.engines.hcl.values import EvalFault, unknowns_in
from haechi.model.unknown import Reference, Unknown

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.resource_values import ResourceInstance

_LISTS = (
    ("actions", "Action"),
    ("not_actions", "NotAction"),
    ("resources", "Resource"),
    ("not_resources", "NotResource"),
)
_MAX_TEXT = 1 << 20


def policy_json(instance: ResourceInstance) -> Any:
    """The value of ``.json``: text when all of it is known, else what is known in its shape."""
    data, _ = instance.data()
    document = {
        "Version": data.get("version") or "2012-10-17",
        "Statement": _statements(data),
    }
    budget = instance.module.run.budget
    doubt = next(unknowns_in(document, budget), None)
    if doubt is None:
        text = json.dumps(document, default=str)
        budget.grow(len(text))
        return text
    return Unknown(
        doubt.reason,
        cause=doubt.cause,
        refs=(Reference(instance.address, ("json",)),),
        given=True,
        content=document,
    )


def _statements(data: dict[str, Any]) -> list[Any]:
    """Own statements on those of the sources; overrides replace what has the same Sid."""
    listed: list[Any] = []
    for name in ("source_json", "source_policy_documents"):
        for document in _each(data.get(name)):
            listed += _foreign(document)
    _override(listed, [_statement(one) for one in _each(data.get("statement"))])
    for name in ("override_json", "override_policy_documents"):
        for document in _each(data.get(name)):
            _override(listed, _foreign(document))
    return listed


def _override(listed: list[Any], others: list[Any]) -> None:
    for other in others:
        sid = other.get("Sid") if isinstance(other, dict) else None
        places = [
            at
            for at, one in enumerate(listed)
            if isinstance(sid, str) and sid and isinstance(one, dict) and one.get("Sid") == sid
        ]
        if places:
            listed[places[0]] = other
        else:
            listed.append(other)


def _foreign(document: Any) -> list[Any]:
    """Statements of a document given as JSON; one that is not known is an unknown statement."""
    content = document
    if isinstance(document, Unknown):
        content = document.content
        if content is None:
            return [document]
    elif isinstance(document, str):
        if not document.strip():
            return []
        content = _loaded(document)
    if not isinstance(content, dict):
        reason = "a policy that another one is made of is no JSON object"
        return [Unknown(reason, cause=reason)]
    return _each(content.get("Statement"))


def _loaded(document: str) -> Any:
    """The structure of a document; None for one that AWS would refuse."""
    if len(document) > _MAX_TEXT:
        return None
    try:
        return loads(document, strict=False)
    except (ValueError, RecursionError, EvalFault):
        return None


def _each(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _statement(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    out: dict[str, Any] = {}
    if block.get("sid"):
        out["Sid"] = block["sid"]
    out["Effect"] = block.get("effect") or "Allow"
    for name, key in _LISTS:
        if block.get(name) is not None:
            out[key] = block[name]
    for name, key in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
        if block.get(name) is not None:
            out[key] = _principals(block[name])
    if block.get("condition") is not None:
        out["Condition"] = _conditions(block["condition"])
    return out


def _principals(blocks: Any) -> Any:
    if isinstance(blocks, Unknown):
        return blocks
    out: dict[str, list[Any]] = {}
    for block in _each(blocks):
        if not isinstance(block, dict):
            return block
        kind, ids = block.get("type"), _each(block.get("identifiers"))
        if kind == "*" and "*" in [one for one in ids if isinstance(one, str)]:
            return "*"
        if isinstance(kind, str):
            out.setdefault(kind, []).extend(ids)
        elif isinstance(kind, Unknown):
            return kind
    return out


def _conditions(blocks: Any) -> Any:
    if isinstance(blocks, Unknown):
        return blocks
    out: dict[str, dict[str, list[Any]]] = {}
    for block in _each(blocks):
        if not isinstance(block, dict):
            return block
        test, variable = block.get("test"), block.get("variable")
        if isinstance(test, Unknown) or isinstance(variable, Unknown):
            return test if isinstance(test, Unknown) else variable
        values = out.setdefault(str(test), {}).setdefault(str(variable), [])
        values += _each(block.get("values"))
    return out
