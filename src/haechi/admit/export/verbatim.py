"""Policies that are in the target's format already: their documents as they stand.

What a cluster adds (status, uid, managedFields, kubectl's copy) is left away, and the stage of a
rollout is written in: into the binding's actions, or into the constraint's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haechi.admit.export.from_gatekeeper import constraint_of
from haechi.admit.export.from_vap import documents_of
from haechi.admit.export.portable import Document, Inexpressible, Part
from haechi.admit.export.stages import NEW_ONLY, Segment, suffixes
from haechi.admit.gatekeeper.names import CONFIG, SYNC
from haechi.admit.rollout import Stage
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import PolicyInfo
from haechi.model.resource import Resource

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_OF_CLUSTER = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "finalizers",
)


def as_written(resource: Resource) -> dict[str, Any]:
    """A document without what only a cluster says."""
    body = {key: value for key, value in resource.data.items() if key != "status"}
    metadata = {k: v for k, v in mapping(body.get("metadata")).items() if k not in _OF_CLUSTER}
    notes = mapping(metadata.get("annotations"))
    if _LAST_APPLIED in notes:
        metadata["annotations"] = {k: v for k, v in notes.items() if k != _LAST_APPLIED}
    return {**body, "metadata": metadata}


def vap_as_is(info: PolicyInfo, resources: Sequence[Resource], several: Sequence[Segment]) -> Part:
    """The policy and its binding, once for each stage. Raises Inexpressible."""
    policy, binding = (as_written(one) for one in documents_of(info, resources))
    found: list[Document] = []
    for segment, suffix in zip(several, suffixes(several), strict=True):
        found += _staged(policy, binding, segment, suffix)
    return Part(
        policy=info.id,
        documents=tuple(found),
        notes=tuple(dict.fromkeys(one.note for one in several if one.note)),
    )


def _staged(
    policy: Mapping[str, Any], binding: Mapping[str, Any], segment: Segment, suffix: str
) -> list[Document]:
    if segment.stage is Stage.ALL and not segment.condition:
        return [policy, binding]
    spec, bound = dict(policy["spec"]), dict(binding["spec"])
    conditions = list(items(spec.get("matchConditions")))
    if segment.condition:
        conditions.append({"name": "haechi-rollout", "expression": segment.condition})
    if segment.stage is Stage.NEW:
        conditions.append({"name": NEW_ONLY.name, "expression": NEW_ONLY.text})
    if segment.stage is Stage.OBSERVE:
        bound["validationActions"] = ["Audit"]
        spec["failurePolicy"] = "Ignore"
    if conditions:
        spec["matchConditions"] = conditions
    name = f"{policy['metadata']['name']}-{suffix}"
    bound["policyName"] = name
    return [
        {**policy, "metadata": {**policy["metadata"], "name": name}, "spec": spec},
        {
            **binding,
            "metadata": {
                **binding["metadata"],
                "name": f"{binding['metadata']['name']}-{suffix}",
            },
            "spec": bound,
        },
    ]


def constraint_as_is(
    info: PolicyInfo, resources: Sequence[Resource], several: Sequence[Segment]
) -> Part:
    """The template and the constraint. Raises Inexpressible."""
    constraint = constraint_of(info, resources)
    if len(several) != 1 or several[0].condition or several[0].stage is Stage.NEW:
        raise Inexpressible(
            "its rollout is at a stage that a constraint cannot say (new objects only, or by"
            " namespace)",
            do="export it before the rollout begins, or after its end",
        )
    body = as_written(constraint.resource)
    if several[0].stage is Stage.OBSERVE:
        spec = {k: v for k, v in body["spec"].items() if k != "scopedEnforcementActions"}
        body = {**body, "spec": {**spec, "enforcementAction": "dryrun"}}
    return Part(
        policy=info.id,
        documents=(as_written(constraint.template.resource), body),
        notes=(several[0].note,) if several[0].note else (),
    )


def mutator_as_is(info: PolicyInfo, resources: Sequence[Resource]) -> Part:
    """A mutator of Gatekeeper."""
    found = tuple(as_written(one) for one in resources if one.key == info.object)
    return Part(policy=info.id, documents=found[:1])


def companions(resources: Sequence[Resource]) -> list[Part]:
    """What constraints need beside them: Gatekeeper's Config and SyncSets."""
    return [
        Part(policy=f"{one.kind} {one.name}", documents=(as_written(one),))
        for one in resources
        if (one.group, one.kind) in ((CONFIG, "Config"), (SYNC, "SyncSet"))
    ]
