"""Small policies and objects for the tests of the engine around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.policy import View
from haechi.admit.reviews import nowhere
from haechi.model.admission import Effect, FailureChoice, Family, PolicyInfo, PolicyVerdict
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource
from haechi.model.review import Review, State

Judgement = Callable[[Review, View], Sequence[PolicyVerdict]]


class Sample(msgspec.Struct, frozen=True):
    """A policy whose judgement is a function of the test."""

    info: PolicyInfo
    judgement: Judgement

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        return self.judgement(review, view)


def policy(
    name: str,
    judgement: Judgement,
    *,
    family: Family = Family.ADMISSION_POLICY,
    effects: tuple[Effect, ...] = (Effect.DENY,),
    failure: FailureChoice = FailureChoice.IGNORE,
) -> Sample:
    """A policy of this name."""
    info = PolicyInfo(
        id=f"{family.value}/{name}",
        family=family,
        name=name,
        title=name,
        effects=effects,
        failure=failure,
    )
    return Sample(info, judgement)


def no_latest(name: str = "no-latest", **more: Any) -> Sample:
    """Pods whose image ends in ``:latest`` fail."""
    made: list[Sample] = []

    def judge(review: Review, view: View) -> Sequence[PolicyVerdict]:
        if review.resource.kind != "Pod":
            return ()
        info = made[0].info
        failed = [
            PolicyVerdict(
                policy=info.id,
                state=State.FAIL,
                message=f"{container['image']} may change",
                path=("spec", "containers", index, "image"),
                effects=info.effects,
                failure=info.failure,
            )
            for index, container in enumerate(review.resource.data["spec"]["containers"])
            if str(container["image"]).endswith(":latest")
        ]
        return failed or (PolicyVerdict(policy=info.id, state=State.PASS, effects=info.effects),)

    made.append(policy(name, judge, **more))
    return made[0]


def resource(body: Mapping[str, Any], *, file: str = "") -> Resource:
    """A body as a resource."""
    group, _, version = str(body["apiVersion"]).rpartition("/")
    metadata = body["metadata"]
    return Resource(
        key=k8s_key(
            group=group,
            kind=body["kind"],
            namespace=metadata.get("namespace"),
            name=metadata["name"],
        ),
        kind=body["kind"],
        group=group,
        version=version,
        namespace=metadata.get("namespace"),
        name=metadata["name"],
        data=body,
        locate=nowhere,
        file=file,
    )


def pod(
    image: str = "shop/cart:1", *, name: str = "cart", namespace: str = "shop", **more: Any
) -> Resource:
    """A pod with one container."""
    metadata = {"name": name, "namespace": namespace, **more}
    spec = {"containers": [{"name": "main", "image": image}]}
    return resource({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def deployment(image: str = "shop/cart:1", *, name: str = "cart", **more: Any) -> Resource:
    """A Deployment of such a pod."""
    metadata = {"name": name, "namespace": "shop", **more}
    spec = {
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}]},
        }
    }
    return resource(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    )
