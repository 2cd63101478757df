"""Rules about ServiceAccounts as objects; what pods do with them is judged with the pods."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.lookup import grouped, named
from haechi.checks.neighbours import (
    beside,
    may_share_namespace,
    metadata_of,
    sees_the_pods,
    view,
)
from haechi.checks.pods.view import pod_of
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review

_ACCOUNT = "core/ServiceAccount"


def missing_account(review: Review) -> Iterator[Hit]:
    """A pod that runs as an account that is not in the scope, though others are."""
    pod = pod_of(review)
    name = pod.spec.get("serviceAccountName") or pod.spec.get("serviceAccount")
    if not isinstance(name, str) or name in ("", "default"):
        return
    known = named(review, _ACCOUNT, name)
    if beside(review, _ACCOUNT) and not any(may_share_namespace(review.resource, a) for a in known):
        text = (
            f'{review.resource.kind} "{review.resource.name}" runs as service account "{name}", '
            "which is not among those in these files"
        )
        yield Hit(text, (*pod.spec_path, "serviceAccountName"))


def unused_account(review: Review) -> Iterator[Hit]:
    """An account that no workload of the scope runs as."""
    name = metadata_of(review.resource.data).get("name")
    if name == "default" or not isinstance(name, str) or not sees_the_pods(review):
        return
    users = grouped(review, "workloads by account", lambda: _by_account(review))
    if any(may_share_namespace(review.resource, user) for user in users.get(name, ())):
        return
    text = f'ServiceAccount "{review.resource.name}" is used by no workload in these files'
    yield Hit(text, ("metadata", "name"))


def _by_account(review: Review) -> Iterator[tuple[str, Resource]]:
    for workload in review.scope.workloads():
        pod = view(review, workload)
        for key in ("serviceAccountName", "serviceAccount"):
            account = pod.spec.get(key) if pod else None
            if isinstance(account, str):
                yield account, workload
