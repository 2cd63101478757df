"""The other objects of a scope, seen from one of them.

What is in a repository is not the whole cluster, and manifests often leave the namespace to
``kubectl -n``: an object without a namespace may meet any other. So "nothing matches" is
concluded only from objects that could belong together, and rules that conclude from an absent
object word it so. "X meets Y" needs more: either both name the same namespace, or they lie close
to each other in the tree, as one repository often holds several systems.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from haechi.checks.labels import AUTOMATIC_POD_LABELS, map_selects, selects
from haechi.checks.lookup import (
    any_sharing,
    by_namespace,
    grouped,
    sharing,
    workloads_by_namespace,
)
from haechi.checks.operators import operators
from haechi.checks.pods.view import PodView, items, mapping, shared_view, template_path
from haechi.model.resource import Resource
from haechi.model.review import Review

Matches = Callable[[Any, Mapping[str, Any]], bool]
_PLAIN = (str, int, float)
POD_MAKERS = (
    "monitoring.coreos.com/Prometheus",
    "monitoring.coreos.com/PrometheusAgent",
    "monitoring.coreos.com/Alertmanager",
    "monitoring.coreos.com/ThanosRuler",
    "argoproj.io/Rollout",
    "argoproj.io/Workflow",
    "argoproj.io/CronWorkflow",
    "helm.toolkit.fluxcd.io/HelmRelease",
    "helm.cattle.io/HelmChart",
    "serving.knative.dev/Service",
    "gateway.networking.k8s.io/Gateway",
    "postgresql.cnpg.io/Cluster",
    "acid.zalan.do/postgresql",
    "postgres-operator.crunchydata.com/PostgresCluster",
    "kafka.strimzi.io/Kafka",
    "kafka.strimzi.io/KafkaConnect",
    "rabbitmq.com/RabbitmqCluster",
    "elasticsearch.k8s.elastic.co/Elasticsearch",
    "kibana.k8s.elastic.co/Kibana",
    "mongodbcommunity.mongodb.com/MongoDBCommunity",
    "jaegertracing.io/Jaeger",
    "opentelemetry.io/OpenTelemetryCollector",
    "ray.io/RayCluster",
    "ray.io/RayService",
    "sparkoperator.k8s.io/SparkApplication",
    "tekton.dev/Task",
    "apps.openshift.io/DeploymentConfig",
    "apps.kruise.io/CloneSet",
    "install.istio.io/IstioOperator",
)
"""Kinds whose controllers make pods with labels that no manifest here shows."""


def may_share_namespace(one: Resource, other: Resource) -> bool:
    """True unless both name a namespace and the names differ."""
    return not one.namespace or not other.namespace or one.namespace == other.namespace


def belong_together(one: Resource, other: Resource) -> bool:
    """True when both name one namespace, or, where either is silent, when they lie close by.

    For conclusions from a link that exists; ``may_share_namespace`` is for those from none.
    """
    if one.namespace and other.namespace:
        return one.namespace == other.namespace
    return lie_close(one, other)


def lie_close(one: Resource, other: Resource, steps: int = 2) -> bool:
    """True within a few steps in the tree: two lead to the same folder's siblings, one does not."""
    here, there = one.file.split("/")[:-1], other.file.split("/")[:-1]
    shared = 0
    for a, b in zip(here, there, strict=False):
        if a != b:
            break
        shared += 1
    return len(here) + len(there) - 2 * shared <= steps


def of_type(review: Review, *types: str) -> list[Resource]:
    """Objects of these types that may be in the reviewed object's namespace, itself included."""
    if not review.resource.namespace:
        return [other for type_ in types for other in review.scope.of_type(type_)]
    return [
        other for type_ in types for other in sharing(by_namespace(review, type_), review.resource)
    ]


def any_of_type(review: Review, *types: str) -> bool:
    """Whether ``of_type`` would find anything."""
    return any(any_sharing(by_namespace(review, type_), review.resource) for type_ in types)


def beside(review: Review, type_: str) -> bool:
    """Whether an object of this type names the same namespace, or none just as this one."""
    return bool(by_namespace(review, type_).get(review.resource.namespace))


def workloads(review: Review) -> Sequence[Resource]:
    """Everything with a pod template that may be in the reviewed object's namespace."""
    if not review.resource.namespace:
        return review.scope.workloads()
    return sharing(workloads_by_namespace(review), review.resource)


def selected(
    review: Review, selector: Any, *, matches: Matches = selects, linked: bool = False
) -> Iterator[Resource]:
    """Of ``workloads`` those whose pods a selector picks.

    ``linked`` keeps only those that the selector may be said to mean: it is for conclusions
    from a link that exists. ``matches`` is ``map_selects`` for the plain map of a Service.
    """
    pairs = selector if matches is map_selects else mapping(selector).get("matchLabels")
    may_be = belong_together if linked else may_share_namespace
    for workload in _labelled(review, mapping(pairs)):
        if may_be(review.resource, workload) and matches(selector, pod_labels(review, workload)):
            yield workload


def _labelled(review: Review, wanted: Mapping[str, Any]) -> Sequence[Resource]:
    """Workloads among which all are that carry the wanted labels: by the rarest of these."""
    index = grouped(review, "workloads by label", lambda: _by_label(review))
    found = [
        index.get((key, value), ())
        for key, value in wanted.items()
        if key not in AUTOMATIC_POD_LABELS and isinstance(value, _PLAIN)
    ]
    return min(found, key=len) if found else workloads(review)


def _by_label(review: Review) -> Iterator[tuple[Hashable, Resource]]:
    for workload in review.scope.workloads():
        for key, value in pod_labels(review, workload).items():
            if isinstance(value, _PLAIN):
                yield (key, value), workload


def sees_the_pods(review: Review) -> bool:
    """Whether "no workload makes such pods" may be concluded.

    Not where nothing is deployed nearby, nor where an operator or the control plane makes pods
    that no template shows.
    """
    namespace = review.resource.namespace
    if namespace == "kube-system" or not workloads_by_namespace(review).get(namespace):
        return False
    return not any_of_type(review, *POD_MAKERS) and not _operated(review)


def _operated(review: Review) -> bool:
    """Whether an operator belongs to the reviewed object's surroundings; one answer a folder."""
    known: dict[tuple[str | None, str], bool] = review.shared.setdefault("operated", {})
    resource = review.resource
    place = (resource.namespace, resource.file.rpartition("/")[0])
    if place not in known:
        known[place] = any(belong_together(resource, one) for one in operators(review))
    return known[place]


def pod_labels(review: Review, workload: Resource) -> Mapping[str, Any]:
    """Labels of the pods that a workload makes; kept, as many rules and reviews ask."""
    known: dict[Resource, Mapping[str, Any]] = review.shared.setdefault("pod labels", {})
    found = known.get(workload)
    if found is None:
        found = known[workload] = _template_labels(review, workload)
    return found


def _template_labels(review: Review, workload: Resource) -> Mapping[str, Any]:
    path = template_path(workload, review.memo.get("templates"))
    template: Any = workload.data
    for part in path or ():
        template = mapping(template).get(str(part))
    return mapping(mapping(mapping(template).get("metadata")).get("labels"))


def view(review: Review, workload: Resource) -> PodView | None:
    """The pod view of another workload of the scope."""
    return shared_view(review, workload)


def port_names(review: Review, workload: Resource) -> Iterator[str]:
    """The names of ports that a workload's containers declare."""
    pod = view(review, workload)
    for container in pod.containers if pod else ():
        for port in items(container.data.get("ports")):
            name = mapping(port).get("name")
            if isinstance(name, str):
                yield name


def metadata_of(data: Any) -> Mapping[str, Any]:
    """An object's metadata, empty when absent or of the wrong type."""
    return mapping(mapping(data).get("metadata"))


def annotations_of(data: Any) -> Mapping[str, Any]:
    """An object's annotations."""
    return mapping(metadata_of(data).get("annotations"))


def labels_of(data: Any) -> Mapping[str, Any]:
    """An object's labels."""
    return mapping(metadata_of(data).get("labels"))


def spec_of(data: Any) -> Mapping[str, Any]:
    """An object's spec."""
    return mapping(mapping(data).get("spec"))


def texts(value: Any) -> Iterator[str]:
    """The strings of a list; anything else in it is passed over."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))
