"""CustomResourceDefinitions of haechi's own kinds: what ``admit`` reads, as API servers check it.

The words that may be chosen come from the readers themselves. ``status`` is a subresource that the
webhook's replicas write, each an entry of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haechi.admit import images, packs, rollout
from haechi.admit.match import SCOPES, SOURCES
from haechi.admit.own import ACTIONS, GROUP, VERSION
from haechi.admit.plurals import plural_of
from haechi.model.admission import FailureChoice

Json = dict[str, Any]
KINDS = (packs.KIND, images.KIND, rollout.KIND)
_TEXT: Json = {"type": "string"}
_WORD: Json = {"type": "string", "minLength": 1}
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_ASKS_SOMETHING = {
    "rule": "has(self.allow) || (has(self.requireDigest) && self.requireDigest)"
    " || (has(self.denyTags) && size(self.denyTags) > 0)",
    "message": "say allow, requireDigest or denyTags",
}


def definitions() -> list[Json]:
    """All of them."""
    return [
        _definition(packs.KIND, "pp", _pack(), [("Pack", ".spec.pack"), _ACTION]),
        _definition(images.KIND, "imgp", _images(), [_ACTION]),
        _definition(rollout.KIND, "prl", _rollout(), [("Policies", ".spec.policies")]),
    ]


_ACTION = ("Action", ".spec.action")
_STANDING = (
    ("Loaded", ".status.replicas[*].loaded"),
    ("Observed", ".status.replicas[*].observedGeneration"),
)


def _definition(kind: str, short: str, spec: Json, columns: Sequence[tuple[str, str]]) -> Json:
    plural = plural_of(GROUP, kind)
    shown = [
        {"name": name, "type": "string", "jsonPath": path} for name, path in (*columns, *_STANDING)
    ]
    age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["haechi"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": _TEXT,
                                "kind": _TEXT,
                                "metadata": {"type": "object"},
                                "spec": spec,
                                "status": _status(),
                            },
                        }
                    },
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [*shown, age],
                }
            ],
        },
    }


def _object(_required: Sequence[str] = (), /, **properties: Json) -> Json:
    made: Json = {"type": "object", "properties": properties}
    return {**made, "required": list(_required)} if _required else made


def _list(item: Json, least: int = 0) -> Json:
    made: Json = {"type": "array", "items": item}
    return {**made, "minItems": least} if least else made


def _choice(words: Sequence[str]) -> Json:
    return {"type": "string", "enum": [str(word) for word in words]}


def _common() -> dict[str, Json]:
    return {
        "action": _choice(tuple(ACTIONS)),
        "failurePolicy": _choice(tuple(FailureChoice)),
        "match": _match(),
    }


def _pack() -> Json:
    words = {"pack": _choice(sorted(packs.all_packs())), "except": _list(_WORD)}
    return _object(["pack"], **words, **_common())


def _images() -> Json:
    flag: Json = {"type": "boolean"}
    made = _object(allow=_list(_WORD), requireDigest=flag, denyTags=_list(_WORD), **_common())
    return {**made, "x-kubernetes-validations": [_ASKS_SOMETHING]}


def _rollout() -> Json:
    day: Json = {"type": "string", "format": "date"}
    words: dict[str, Json] = {
        "stage": _choice(tuple(rollout.Stage)),
        "from": day,
        "namespaces": _list(_WORD),
    }
    stage = _object(["stage", "from"], **words)
    return _object(["policies", "stages"], policies=_list(_WORD, 1), stages=_list(stage, 1))


def _match() -> Json:
    return _object(
        kinds=_list(_object(apiGroups=_list(_TEXT), kinds=_list(_TEXT))),
        scope=_choice(SCOPES),
        namespaces=_list(_TEXT),
        excludedNamespaces=_list(_TEXT),
        labelSelector=_selector(),
        namespaceSelector=_selector(),
        name=_TEXT,
        source=_choice(SOURCES),
    )


def _selector() -> Json:
    said = _object(
        ["key", "operator"], key=_TEXT, operator=_choice(_OPERATORS), values=_list(_TEXT)
    )
    return _object(
        matchLabels={"type": "object", "additionalProperties": _TEXT},
        matchExpressions=_list(said),
    )


def _status() -> Json:
    number: Json = {"type": "integer", "format": "int64"}
    fault = _object(["what"], what=_TEXT, why=_TEXT, do=_TEXT, line=number)
    replica = _object(
        ["name"],
        name=_TEXT,
        observedGeneration=number,
        generation=_TEXT,
        loaded={"type": "boolean"},
        faults=_list(fault),
    )
    several = {
        **_list(replica),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    return _object(replicas=several)
