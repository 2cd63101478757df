"""Whether a pod is meant to keep running: probes and the like make sense only there."""

from __future__ import annotations

from haechi.checks.pods.view import pod_of
from haechi.model.review import Review

JOBS = frozenset({"batch/Job", "batch/CronJob"})
CONTROLLED = frozenset(
    {
        "core/ReplicationController",
        "apps/Deployment",
        "apps/StatefulSet",
        "apps/DaemonSet",
        "apps/ReplicaSet",
        "extensions/Deployment",
        "extensions/DaemonSet",
        "extensions/ReplicaSet",
    }
)


def is_service(review: Review) -> bool:
    """True for workloads that run until they are taken away."""
    kind = review.resource.type
    if kind in CONTROLLED:
        return True
    if kind in JOBS or kind == "core/PodTemplate":
        return False
    return pod_of(review).spec.get("restartPolicy") in (None, "Always")
