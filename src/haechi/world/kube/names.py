"""How kinds and objects of Kubernetes are named, and where an API server keeps them.

The kinds that haechi reads or writes are known by heart, so that a client need not ask for the
discovery documents first; everything else is looked up there (``discovery``). A path is only
ever made here, of parts that were checked: a name that comes from an event or a cluster must not
lead to another resource.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec

from haechi.errors import KubeInvalid
from haechi.model.keys import k8s_key, object_name

METADATA_ONLY = frozenset({("", "Secret"), ("", "ConfigMap")})
"""(group, kind) of which no more than the metadata is read."""
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:~@$-]{0,252}[A-Za-z0-9_~$])?")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of object. ``plural`` is its name in paths."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``v1``, ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def type(self) -> str:
        """As ``Resource.type`` says it: ``core/Pod``."""
        return f"{self.group or 'core'}/{self.kind}"

    @property
    def right(self) -> str:
        """As roles name it: ``pods``, ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def metadata_only(self) -> bool:
        """True when its contents are never read."""
        return (self.group, self.kind) in METADATA_ONLY

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The path of a collection, or of one object. Raises KubeInvalid."""
        parts = ["apis", self.group] if self.group else ["api"]
        parts.append(self.version)
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        for part in parts:
            if not _SEGMENT.fullmatch(part):
                raise KubeInvalid(
                    f"{part[:80]!r} cannot be a name in Kubernetes",
                    where=f"{self.kind} {name[:80]}",
                )
        return "/" + "/".join(quote(part, safe="") for part in parts)


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """One object by its names. ``namespace`` is empty for what has none."""

    group: str = ""
    version: str = "v1"
    kind: str
    namespace: str = ""
    name: str

    @property
    def label(self) -> str:
        """How people call it: ``Deployment shop/cart``."""
        return (
            f"{self.kind} {self.namespace}/{self.name}"
            if self.namespace
            else (f"{self.kind} {self.name}")
        )

    def key(self, cluster: str) -> str:
        """Its ``Resource.key``."""
        return k8s_key(
            group=self.group,
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            cluster=cluster,
        )


def ref_of(body: Any) -> Ref:
    """What an object calls itself. Raises KubeInvalid."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    if not isinstance(metadata, dict):
        raise KubeInvalid("the object has no metadata", do="give apiVersion, kind, metadata.name")
    words = [body.get("apiVersion"), body.get("kind"), metadata.get("name")]
    if not all(isinstance(word, str) and word for word in words):
        raise KubeInvalid(
            "the object does not say what it is",
            why="apiVersion, kind and metadata.name must be text",
        )
    namespace = metadata.get("namespace") or ""
    if not isinstance(namespace, str):
        raise KubeInvalid("metadata.namespace must be text")
    group, _, version = words[0].rpartition("/")
    return Ref(group=group, version=version, kind=words[1], namespace=namespace, name=words[2])


def ref_of_resource(key: str, version: str = "") -> Ref | None:
    """The object that a ``Resource.key`` names; None for keys of other things. ``version`` is
    the known one unless given."""
    found = object_name(key)
    if found is None:
        return None
    known = KNOWN.get((found.group, found.kind))
    return Ref(
        group=found.group,
        version=version or (known.version if known else "v1"),
        kind=found.kind,
        namespace=found.namespace,
        name=found.name,
    )


def _kind(api: str, kind: str, plural: str, *, namespaced: bool = True) -> Kind:
    group, _, version = api.rpartition("/")
    return Kind(group=group, version=version, kind=kind, plural=plural, namespaced=namespaced)


POD = _kind("v1", "Pod", "pods")
NODE = _kind("v1", "Node", "nodes", namespaced=False)
NAMESPACE = _kind("v1", "Namespace", "namespaces", namespaced=False)
SERVICE = _kind("v1", "Service", "services")
SECRET = _kind("v1", "Secret", "secrets")
CONFIG_MAP = _kind("v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT = _kind("v1", "ServiceAccount", "serviceaccounts")
DEPLOYMENT = _kind("apps/v1", "Deployment", "deployments")
REPLICA_SET = _kind("apps/v1", "ReplicaSet", "replicasets")
STATEFUL_SET = _kind("apps/v1", "StatefulSet", "statefulsets")
DAEMON_SET = _kind("apps/v1", "DaemonSet", "daemonsets")
JOB = _kind("batch/v1", "Job", "jobs")
CRON_JOB = _kind("batch/v1", "CronJob", "cronjobs")
NETWORK_POLICY = _kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
INGRESS = _kind("networking.k8s.io/v1", "Ingress", "ingresses")
POLICY = "policy.networking.k8s.io"
ADMIN_POLICY = _kind(
    f"{POLICY}/v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies", namespaced=False
)
BASELINE_POLICY = _kind(
    f"{POLICY}/v1alpha1",
    "BaselineAdminNetworkPolicy",
    "baselineadminnetworkpolicies",
    namespaced=False,
)
CLUSTER_POLICY = _kind(
    f"{POLICY}/v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies", namespaced=False
)
CILIUM_POLICY = _kind("cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies")
CILIUM_CLUSTER_POLICY = _kind(
    "cilium.io/v2",
    "CiliumClusterwideNetworkPolicy",
    "ciliumclusterwidenetworkpolicies",
    namespaced=False,
)
CALICO_POLICY = _kind("projectcalico.org/v3", "NetworkPolicy", "networkpolicies")
CALICO_GLOBAL_POLICY = _kind(
    "projectcalico.org/v3", "GlobalNetworkPolicy", "globalnetworkpolicies", namespaced=False
)
CALICO = "crd.projectcalico.org/v1"
CALICO_STORED_POLICY = _kind(CALICO, "NetworkPolicy", "networkpolicies")
CALICO_STORED_GLOBAL_POLICY = _kind(
    CALICO, "GlobalNetworkPolicy", "globalnetworkpolicies", namespaced=False
)
"""What Calico's own API is made of: without its API server these are all there is."""
ANTREA = "crd.antrea.io/v1beta1"
ANTREA_POLICY = _kind(ANTREA, "NetworkPolicy", "networkpolicies")
ANTREA_CLUSTER_POLICY = _kind(
    ANTREA, "ClusterNetworkPolicy", "clusternetworkpolicies", namespaced=False
)
BUDGET = _kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
ROLE = _kind("rbac.authorization.k8s.io/v1", "Role", "roles")
CLUSTER_ROLE = _kind(
    "rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False
)
ROLE_BINDING = _kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
CLUSTER_ROLE_BINDING = _kind(
    "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
CUSTOM_KIND = _kind(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
ENVOY_FILTER = _kind("networking.istio.io/v1alpha3", "EnvoyFilter", "envoyfilters")
EVENT = _kind("events.k8s.io/v1", "Event", "events")
TOKEN_REVIEW = _kind("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False)
SELF_REVIEW = _kind(
    "authorization.k8s.io/v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
)

BUILT_IN = (
    POD,
    NODE,
    NAMESPACE,
    SERVICE,
    SECRET,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    DAEMON_SET,
    JOB,
    CRON_JOB,
    NETWORK_POLICY,
    INGRESS,
    BUDGET,
    ROLE,
    CLUSTER_ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE_BINDING,
    CUSTOM_KIND,
    EVENT,
    TOKEN_REVIEW,
    SELF_REVIEW,
)
"""What every API server of today has in exactly these versions."""
EXTENSIONS = (
    ADMIN_POLICY,
    BASELINE_POLICY,
    CLUSTER_POLICY,
    CILIUM_POLICY,
    CILIUM_CLUSTER_POLICY,
    CALICO_POLICY,
    CALICO_GLOBAL_POLICY,
    CALICO_STORED_POLICY,
    CALICO_STORED_GLOBAL_POLICY,
    ANTREA_POLICY,
    ANTREA_CLUSTER_POLICY,
    ENVOY_FILTER,
)
"""Custom resources: whether a cluster has them, and in which version, only discovery says."""
KNOWN = {(kind.group, kind.kind): kind for kind in (*BUILT_IN, *EXTENSIONS)}
STEADY = {(kind.group, kind.version, kind.kind): kind for kind in BUILT_IN}
