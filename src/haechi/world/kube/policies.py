"""Network policies of one cluster, under the names by which readers of the guide look for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from haechi.errors import KubeInvalid
from haechi.world.kube.names import NETWORK_POLICY, Ref

if TYPE_CHECKING:
    from haechi.world.kube.client import KubernetesClient

MANAGER = "haechi"


class NetworkPolicyManager:
    """Creates, applies, reads and deletes NetworkPolicies. Policies only add to what is allowed:
    what a new one really keeps out, only all of them together say (``checks/reach``)."""

    def __init__(self, client: KubernetesClient, *, namespace: str = "default") -> None:
        """``namespace`` counts where a policy names none."""
        self._client, self._namespace = client, namespace

    def create_network_policy(
        self, policy: Mapping[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """A new policy. Raises KubeConflict when it exists, KubeInvalid, KubeError."""
        return self._client.create(self._whole(policy), dry_run=dry_run)

    def apply_network_policy(
        self, policy: Mapping[str, Any], *, force: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """The policy is to be so. Raises KubeConflict, KubeInvalid, KubeError."""
        body = self._whole(policy)
        return self._client.apply(body, field_manager=MANAGER, force=force, dry_run=dry_run)

    def get_network_policy(self, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One policy; None when there is none."""
        return self._client.get(self._ref(name, namespace))

    def list_network_policies(self, namespace: str | None = None) -> Iterator[dict[str, Any]]:
        """Those of a namespace; without one, all."""
        return self._client.list(NETWORK_POLICY, namespace)

    def delete_network_policy(
        self, name: str, namespace: str = "", *, uid: str = "", dry_run: bool = False
    ) -> None:
        """Raises KubeNotFound, KubeConflict (``uid`` is another one's), KubeError."""
        self._client.delete(self._ref(name, namespace), uid=uid, dry_run=dry_run)

    def _ref(self, name: str, namespace: str) -> Ref:
        return Ref(
            group=NETWORK_POLICY.group,
            version=NETWORK_POLICY.version,
            kind=NETWORK_POLICY.kind,
            namespace=namespace or self._namespace,
            name=name,
        )

    def _whole(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        said = (policy.get("apiVersion"), policy.get("kind"))
        wanted = (NETWORK_POLICY.api_version, NETWORK_POLICY.kind)
        if any(word not in (None, need) for word, need in zip(said, wanted, strict=True)):
            raise KubeInvalid(
                "this is no NetworkPolicy", why=f"it is to be {wanted[1]} of {wanted[0]}"
            )
        metadata = policy.get("metadata")
        metadata = dict(metadata) if isinstance(metadata, Mapping) else {}
        if not metadata.get("name"):
            raise KubeInvalid("the policy has no name", do="give metadata.name")
        metadata["namespace"] = metadata.get("namespace") or self._namespace
        return {**policy, "apiVersion": wanted[0], "kind": wanted[1], "metadata": metadata}
