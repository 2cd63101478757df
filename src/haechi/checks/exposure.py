"""Rules about Services: what leaves the cluster, and Services that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.labels import map_selects
from haechi.checks.neighbours import (
    annotations_of,
    port_names,
    sees_the_pods,
    selected,
    spec_of,
)
from haechi.checks.pods.view import items, mapping
from haechi.model.review import Hit, Review

INTERNAL_ANNOTATIONS: Mapping[str, tuple[str, ...]] = {
    "service.beta.kubernetes.io/aws-load-balancer-internal": ("true", "0.0.0.0/0"),
    "service.beta.kubernetes.io/aws-load-balancer-scheme": ("internal",),
    "service.beta.kubernetes.io/azure-load-balancer-internal": ("true",),
    "networking.gke.io/load-balancer-type": ("internal",),
    "cloud.google.com/load-balancer-type": ("internal",),
    "service.beta.kubernetes.io/openstack-internal-load-balancer": ("true",),
    "service.beta.kubernetes.io/oci-load-balancer-internal": ("true",),
    "service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type": ("private",),
    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type": ("intranet",),
    "service.beta.kubernetes.io/ncloud-load-balancer-internal": ("true",),
    "service.kubernetes.io/qcloud-loadbalancer-internal-subnetid": (),
}
"""Annotation and the values that keep a load balancer private; no values: any value does."""
RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"

SENSITIVE_PORTS: Mapping[int, str] = {
    22: "SSH",
    23: "Telnet",
    111: "rpcbind",
    389: "LDAP",
    445: "SMB",
    873: "rsync",
    1433: "SQL Server",
    1521: "Oracle",
    2049: "NFS",
    2375: "Docker without TLS",
    2376: "Docker",
    2379: "etcd",
    2380: "etcd",
    3306: "MySQL",
    3389: "RDP",
    5432: "PostgreSQL",
    5672: "AMQP",
    5900: "VNC",
    5984: "CouchDB",
    6379: "Redis",
    7000: "Cassandra",
    8500: "Consul",
    9042: "Cassandra",
    9092: "Kafka",
    9200: "Elasticsearch",
    9300: "Elasticsearch",
    10250: "kubelet",
    10255: "kubelet read-only",
    11211: "memcached",
    15672: "RabbitMQ management",
    27017: "MongoDB",
    50000: "Jenkins agents",
}
"""Ports of data stores and administration that no one outside should reach."""


def is_private(service: Mapping[str, Any]) -> bool:
    """Whether a LoadBalancer is kept inside by annotation or limited to source ranges."""
    notes = annotations_of(service)
    for key, values in INTERNAL_ANNOTATIONS.items():
        if key in notes and (not values or str(notes[key]).lower() in values):
            return True
    return bool(items(spec_of(service).get("loadBalancerSourceRanges"))) or bool(
        notes.get(RANGES_ANNOTATION)
    )


def open_load_balancer(review: Review) -> Iterator[Hit]:
    """A LoadBalancer that takes traffic from the whole internet."""
    data = review.resource.data
    if spec_of(data).get("type") == "LoadBalancer" and not is_private(data):
        text = (
            f'Service "{review.resource.name}" gets a public address without '
            "loadBalancerSourceRanges or an internal annotation"
        )
        yield Hit(text, ("spec", "type"))


def sensitive_port(review: Review) -> Iterator[Hit]:
    """A data store or an administration port on a LoadBalancer or NodePort."""
    data = review.resource.data
    type_ = spec_of(data).get("type")
    if type_ not in ("LoadBalancer", "NodePort") or is_private(data):
        return
    for index, entry in enumerate(items(spec_of(data).get("ports"))):
        port = mapping(entry)
        for field in ("port", "targetPort"):
            number = port.get(field)
            if isinstance(number, int) and number in SENSITIVE_PORTS:
                text = (
                    f'Service "{review.resource.name}" of type {type_} exposes '
                    f"{SENSITIVE_PORTS[number]} (port {number}) outside the cluster"
                )
                yield Hit(text, ("spec", "ports", index, field))
                break


def selects_nothing(review: Review) -> Iterator[Hit]:
    """A selector that no workload of the namespace answers to."""
    selector = mapping(spec_of(review.resource.data).get("selector"))
    if not selector or not sees_the_pods(review):
        return
    if not any(selected(review, selector, matches=map_selects)):
        wanted = ",".join(f"{key}={value}" for key, value in selector.items())
        text = (
            f'Service "{review.resource.name}" selects {wanted}, and no workload in these files '
            "makes such pods"
        )
        yield Hit(text, ("spec", "selector"))


def unknown_target_port(review: Review) -> Iterator[Hit]:
    """A named targetPort that no selected container declares: the Service has no endpoints."""
    selector = spec_of(review.resource.data).get("selector")
    chosen = list(selected(review, selector, matches=map_selects, linked=True))
    if not chosen:
        return
    known = {name for workload in chosen for name in port_names(review, workload)}
    for index, entry in enumerate(items(spec_of(review.resource.data).get("ports"))):
        target = mapping(entry).get("targetPort")
        if isinstance(target, str) and not target.isdigit() and target not in known:
            text = (
                f'Service "{review.resource.name}" sends traffic to port "{target}", which no '
                "selected container declares"
            )
            yield Hit(text, ("spec", "ports", index, "targetPort"))
