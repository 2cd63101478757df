"""Rules about ServiceAccounts as objects; what pods do with them is judged with the pods."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.neighbours import (
    metadata_of,
    of_type,
    sees_the_pods,
    view,
    workloads,
)
from haechi.checks.pods.view import pod_of
from haechi.model.review import Hit, Review


def missing_account(review: Review) -> Iterator[Hit]:
    """A pod that runs as an account that is not in the scope, though others are."""
    pod = pod_of(review)
    name = pod.spec.get("serviceAccountName") or pod.spec.get("serviceAccount")
    if not isinstance(name, str) or name in ("", "default"):
        return
    known = of_type(review, "core/ServiceAccount")
    if review.scope.near(review.resource, known) and all(a.name != name for a in known):
        text = (
            f'{review.resource.kind} "{review.resource.name}" runs as service account "{name}", '
            "which is not among those in these files"
        )
        yield Hit(text, (*pod.spec_path, "serviceAccountName"))


def unused_account(review: Review) -> Iterator[Hit]:
    """An account that no workload of the scope runs as."""
    name = metadata_of(review.resource.data).get("name")
    if name == "default" or not sees_the_pods(review):
        return
    for workload in workloads(review):
        pod = view(review, workload)
        if pod and name in (pod.spec.get("serviceAccountName"), pod.spec.get("serviceAccount")):
            return
    text = f'ServiceAccount "{review.resource.name}" is used by no workload in these files'
    yield Hit(text, ("metadata", "name"))
