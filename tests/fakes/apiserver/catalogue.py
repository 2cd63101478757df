"""The kinds the server serves: the built-in table, and those registered by CRDs at run time."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One resource in one version; `stored` is the version its objects are kept in."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    stored: str
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    schema: Json | None = field(default=None, compare=False)
    columns: tuple[Json, ...] = field(default=(), compare=False)
    scale: Json | None = field(default=None, compare=False)
    custom: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def place(self) -> tuple[str, str]:
        return self.group, self.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def virtual(self) -> bool:
        """Answered, never stored (reviews)."""
        return self.verbs == ("create",)


# group | version | kind | plural | namespaced | short names | categories | subresources
_TABLE = """
|v1|Namespace|namespaces|no|ns||status,finalize
|v1|Node|nodes|no|no||status
|v1|PersistentVolume|persistentvolumes|no|pv||status
|v1|Pod|pods|yes|po|all|status,eviction,binding,log,ephemeralcontainers
|v1|Service|services|yes|svc|all|status
|v1|ServiceAccount|serviceaccounts|yes|sa||token
|v1|Secret|secrets|yes|||
|v1|ConfigMap|configmaps|yes|cm||
|v1|Endpoints|endpoints|yes|ep||
|v1|Event|events|yes|ev||
|v1|LimitRange|limitranges|yes|limits||
|v1|ResourceQuota|resourcequotas|yes|quota||status
|v1|PersistentVolumeClaim|persistentvolumeclaims|yes|pvc||status
|v1|ReplicationController|replicationcontrollers|yes|rc|all|status,scale
|v1|PodTemplate|podtemplates|yes|||
apps|v1|Deployment|deployments|yes|deploy|all|status,scale
apps|v1|ReplicaSet|replicasets|yes|rs|all|status,scale
apps|v1|StatefulSet|statefulsets|yes|sts|all|status,scale
apps|v1|DaemonSet|daemonsets|yes|ds|all|status
apps|v1|ControllerRevision|controllerrevisions|yes|||
batch|v1|Job|jobs|yes||all|status
batch|v1|CronJob|cronjobs|yes|cj|all|status
autoscaling|v2|HorizontalPodAutoscaler|horizontalpodautoscalers|yes|hpa|all|status
networking.k8s.io|v1|NetworkPolicy|networkpolicies|yes|netpol||
networking.k8s.io|v1|Ingress|ingresses|yes|ing||status
networking.k8s.io|v1|IngressClass|ingressclasses|no|||
policy|v1|PodDisruptionBudget|poddisruptionbudgets|yes|pdb||status
rbac.authorization.k8s.io|v1|Role|roles|yes|||
rbac.authorization.k8s.io|v1|RoleBinding|rolebindings|yes|||
rbac.authorization.k8s.io|v1|ClusterRole|clusterroles|no|||
rbac.authorization.k8s.io|v1|ClusterRoleBinding|clusterrolebindings|no|||
coordination.k8s.io|v1|Lease|leases|yes|||
discovery.k8s.io|v1|EndpointSlice|endpointslices|yes|||
scheduling.k8s.io|v1|PriorityClass|priorityclasses|no|pc||
storage.k8s.io|v1|StorageClass|storageclasses|no|sc||
node.k8s.io|v1|RuntimeClass|runtimeclasses|no|||
certificates.k8s.io|v1|CertificateSigningRequest|certificatesigningrequests|no|csr||status
admissionregistration.k8s.io|v1|ValidatingWebhookConfiguration|validatingwebhookconfigurations|no||api-extensions|
admissionregistration.k8s.io|v1|MutatingWebhookConfiguration|mutatingwebhookconfigurations|no||api-extensions|
admissionregistration.k8s.io|v1|ValidatingAdmissionPolicy|validatingadmissionpolicies|no||api-extensions|status
admissionregistration.k8s.io|v1|ValidatingAdmissionPolicyBinding|validatingadmissionpolicybindings|no||api-extensions|
apiextensions.k8s.io|v1|CustomResourceDefinition|customresourcedefinitions|no|crd,crds|api-extensions|status
"""

_REVIEWS = """
authentication.k8s.io|v1|TokenReview|tokenreviews|no
authentication.k8s.io|v1|SelfSubjectReview|selfsubjectreviews|no
authorization.k8s.io|v1|SubjectAccessReview|subjectaccessreviews|no
authorization.k8s.io|v1|SelfSubjectAccessReview|selfsubjectaccessreviews|no
authorization.k8s.io|v1|SelfSubjectRulesReview|selfsubjectrulesreviews|no
authorization.k8s.io|v1|LocalSubjectAccessReview|localsubjectaccessreviews|yes
"""

# Kinds of CRDs, served as such kinds are (no strategic merge), without their CRD being stored.
# group | versions, the stored one first | kind | plural | namespaced | short names
_CUSTOM = """
policy.networking.k8s.io|v1alpha1|AdminNetworkPolicy|adminnetworkpolicies|no|anp
policy.networking.k8s.io|v1alpha1|BaselineAdminNetworkPolicy|baselineadminnetworkpolicies|no|banp
policy.networking.k8s.io|v1alpha2|ClusterNetworkPolicy|clusternetworkpolicies|no|cnp
cilium.io|v2|CiliumNetworkPolicy|ciliumnetworkpolicies|yes|cnp,ciliumnp
cilium.io|v2|CiliumClusterwideNetworkPolicy|ciliumclusterwidenetworkpolicies|no|ccnp
cilium.io|v2|CiliumEndpoint|ciliumendpoints|yes|cep
cilium.io|v2|CiliumIdentity|ciliumidentities|no|ciliumid
networking.istio.io|v1,v1beta1,v1alpha3|VirtualService|virtualservices|yes|vs
networking.istio.io|v1,v1beta1,v1alpha3|DestinationRule|destinationrules|yes|dr
networking.istio.io|v1,v1beta1,v1alpha3|Gateway|gateways|yes|gw
networking.istio.io|v1,v1beta1,v1alpha3|ServiceEntry|serviceentries|yes|se
networking.istio.io|v1,v1beta1,v1alpha3|Sidecar|sidecars|yes|
networking.istio.io|v1,v1beta1,v1alpha3|WorkloadEntry|workloadentries|yes|we
networking.istio.io|v1alpha3|EnvoyFilter|envoyfilters|yes|
security.istio.io|v1,v1beta1|AuthorizationPolicy|authorizationpolicies|yes|ap
security.istio.io|v1,v1beta1|PeerAuthentication|peerauthentications|yes|pa
security.istio.io|v1,v1beta1|RequestAuthentication|requestauthentications|yes|ra
telemetry.istio.io|v1,v1alpha1|Telemetry|telemetries|yes|telemetry
"""

_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
OPEN_SCHEMA: Json = _OPEN | {"properties": {"spec": _OPEN, "status": _OPEN}}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _built_in() -> Iterator[Served]:
    for line in _TABLE.split():
        group, version, kind, plural, space, short, categories, below = line.split("|")
        yield Served(
            group=group,
            version=version,
            kind=kind,
            plural=plural,
            namespaced=space == "yes",
            stored=version,
            short=_words(short),
            categories=_words(categories),
            subresources=_words(below),
        )
    for line in _REVIEWS.split():
        group, version, kind, plural, space = line.split("|")
        yield Served(
            group=group,
            version=version,
            kind=kind,
            plural=plural,
            namespaced=space == "yes",
            stored=version,
            verbs=("create",),
        )
    for line in _CUSTOM.split():
        group, versions, kind, plural, space, short = line.split("|")
        for version in versions.split(","):
            yield Served(
                group=group,
                version=version,
                kind=kind,
                plural=plural,
                namespaced=space == "yes",
                stored=versions.split(",")[0],
                short=_words(short),
                subresources=("status",),
                schema=OPEN_SCHEMA,
                custom=True,
            )


class Catalogue:
    """What is served now; changed only by CRDs (see `crds.py`), under its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: dict[tuple[str, str, str], Served] = {}
        self.generation = 0
        for one in _built_in():
            self._served[one.group, one.version, one.plural] = one

    def find(self, group: str, version: str, plural: str) -> Served | None:
        return self._served.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Served | None:
        for one in self.all():
            if one.kind == kind and one.api_version == api_version:
                return one
        return None

    def stored(self, group: str, plural: str) -> Served | None:
        for one in self.all():
            if one.place == (group, plural) and one.version == one.stored:
                return one
        return None

    def all(self) -> list[Served]:
        return list(self._served.values())

    def versions(self, group: str) -> list[str]:
        """The group's versions, the preferred one first (the stored one of its first kind)."""
        found: dict[str, None] = {}
        for one in self.all():
            if one.group == group:
                found.setdefault(one.version)
        return sorted(found, key=_rank)

    def groups(self) -> list[str]:
        return list(dict.fromkeys(one.group for one in self.all() if one.group))

    def register(self, name: tuple[str, str], served: list[Served]) -> None:
        with self._lock:
            kept = {k: one for k, one in self._served.items() if one.place != name}
            for one in served:
                kept[one.group, one.version, one.plural] = one
            self._served = kept
            self.generation += 1


def _rank(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, others."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return stage, -int(match[1]), -int(match[3] or 0), version
