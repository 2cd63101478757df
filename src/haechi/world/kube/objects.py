"""The parts of objects that are read in bulk, as typed values.

``msgspec`` skips what is not named here while it decodes, so ten thousand pods cost a fraction of
the time and memory of plain dictionaries. Everything may be absent; ``null`` is absent, too.
Who judges whole objects reads ``Resource.data`` instead.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Owner(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an object belongs to."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None

    @property
    def group(self) -> str:
        """``apps`` of ``apps/v1``."""
        return self.api_version.rpartition("/")[0]


class Meta(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Names, labels, owners."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    labels: dict[str, str] | None = None
    owner_references: list[Owner] | None = None
    deletion_timestamp: str | None = None

    @property
    def controller(self) -> Owner | None:
        """The one owner that manages it."""
        return next((one for one in self.owner_references or () if one.controller), None)


class Thing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Any object: who it is. Base of the others."""

    metadata: Meta = Meta()


Namespace = Thing


class Port(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of a container or a service."""

    name: str | None = None
    port: int | None = None
    container_port: int | None = None
    host_port: int | None = None
    node_port: int | None = None
    target_port: int | str | None = None
    protocol: str | None = None


class Container(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A container of a pod."""

    name: str = ""
    image: str | None = None
    ports: list[Port] | None = None


class ContainerStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a container is."""

    name: str = ""
    container_id: str | None = msgspec.field(name="containerID", default=None)
    image_id: str | None = msgspec.field(name="imageID", default=None)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One of several addresses."""

    ip: str | None = None


class PodSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a pod is asked to be."""

    node_name: str | None = None
    host_network: bool | None = None
    service_account_name: str | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class PodStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a pod is."""

    phase: str | None = None
    pod_ip: str | None = msgspec.field(name="podIP", default=None)
    pod_ips: list[Address] | None = msgspec.field(name="podIPs", default=None)
    host_ip: str | None = msgspec.field(name="hostIP", default=None)
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Pod(Thing, frozen=True, kw_only=True, rename="camel"):
    """A pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its own addresses: none when it has those of its node, or has ended."""
        status = self.status
        if self.spec.host_network or status.phase in ("Succeeded", "Failed"):
            return ()
        several = [one.ip for one in status.pod_ips or ()] or [status.pod_ip]
        return tuple(dict.fromkeys(ip for ip in several if ip))

    @property
    def container_ids(self) -> tuple[str, ...]:
        """Ids without the runtime's name before them."""
        status = self.status
        several = [
            *(status.container_statuses or ()),
            *(status.init_container_statuses or ()),
            *(status.ephemeral_container_statuses or ()),
        ]
        found = ((one.container_id or "").rpartition("://")[2] for one in several)
        return tuple(one for one in found if one)


class Ingress(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a load balancer."""

    ip: str | None = None
    hostname: str | None = None


class LoadBalancer(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service is reached from outside."""

    ingress: list[Ingress] | None = None


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a service is."""

    load_balancer: LoadBalancer | None = None


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a service is asked to be."""

    type: str | None = None
    selector: dict[str, str] | None = None
    cluster_ip: str | None = msgspec.field(name="clusterIP", default=None)
    cluster_ips: list[str] | None = msgspec.field(name="clusterIPs", default=None)
    external_ips: list[str] | None = msgspec.field(name="externalIPs", default=None)
    ports: list[Port] | None = None


class Service(Thing, frozen=True, kw_only=True, rename="camel"):
    """A service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that leads to it."""
        spec, balancer = self.spec, self.status.load_balancer
        several = [
            *(spec.cluster_ips or ([spec.cluster_ip] if spec.cluster_ip else ())),
            *(spec.external_ips or ()),
            *((one.ip or "") for one in (balancer.ingress if balancer else None) or ()),
        ]
        return tuple(dict.fromkeys(ip for ip in several if ip and ip != "None"))


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    """One expression of a selector."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class Selector(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A label selector."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Expression] | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Of the pods of a workload."""

    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()


class WorkloadSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a workload is asked to be."""

    replicas: int | None = None
    selector: Selector | None = None
    template: Template | None = None


class Workload(Thing, frozen=True, kw_only=True, rename="camel"):
    """Deployment, ReplicaSet, StatefulSet, DaemonSet, Job: what makes pods."""

    spec: WorkloadSpec = WorkloadSpec()


Deployment = ReplicaSet = StatefulSet = DaemonSet = Job = Workload


class NodeAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a node."""

    type: str = ""
    address: str = ""


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is."""

    addresses: list[NodeAddress] | None = None


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a node is asked to be."""

    pod_cidrs: list[str] | None = msgspec.field(name="podCIDRs", default=None)
    pod_cidr: str | None = msgspec.field(name="podCIDR", default=None)
    unschedulable: bool | None = None


class Node(Thing, frozen=True, kw_only=True, rename="camel"):
    """A node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def addresses(self) -> tuple[str, ...]:
        """IP addresses, its host names left out."""
        several = self.status.addresses or ()
        return tuple(one.address for one in several if one.type.endswith("IP") and one.address)


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of a peer."""

    cidr: str = ""
    except_: list[str] | None = msgspec.field(name="except", default=None)


class Peer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who is allowed."""

    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: Block | None = None


class PolicyPort(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which port is allowed."""

    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy allows in or out."""

    from_: list[Peer] | None = msgspec.field(name="from", default=None)
    to: list[Peer] | None = None
    ports: list[PolicyPort] | None = None


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a policy says."""

    pod_selector: Selector | None = None
    policy_types: list[str] | None = None
    ingress: list[PolicyRule] | None = None
    egress: list[PolicyRule] | None = None


class NetworkPolicy(Thing, frozen=True, kw_only=True, rename="camel"):
    """A NetworkPolicy of Kubernetes."""

    spec: PolicySpec = PolicySpec()


class TierPolicy(Thing, frozen=True, kw_only=True, rename="camel"):
    """AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy, CiliumNetworkPolicy:
    policies that can deny. Their languages differ and grow: what they say stays plain."""

    spec: dict[str, Any] | None = None
    specs: list[dict[str, Any]] | None = None


AdminNetworkPolicy = BaselineAdminNetworkPolicy = ClusterNetworkPolicy = TierPolicy
CiliumNetworkPolicy = TierPolicy
