"""Google Kubernetes Engine: who reaches the API, who nodes are, what they are made of.

Clusters of Autopilot have much of this built in (shielded nodes, workload identity, upgrades), and
so are asked for less. A node is described in the cluster (``node_config``, for its default pool)
or in a ``google_container_node_pool``.
https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.terraform.google_grants import declared, default_account
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_unknown,
    known,
    open_to_world,
    text,
    texts,
    truth,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

CLUSTER = "google_container_cluster"
_ALL_SCOPES = ("cloud-platform", "https://www.googleapis.com/auth/cloud-platform")


def _is_autopilot(resource: Resource) -> bool:
    return truth(resource.data.get("enable_autopilot"), False)


def _has_own_pool(cluster: Resource) -> bool:
    """Whether the default pool of a cluster stays."""
    return not _is_autopilot(cluster) and not truth(
        cluster.data.get("remove_default_node_pool"), False
    )


def _nodes(review: Review) -> Iterator[Block]:
    """The description of nodes of the resource; an empty one where it describes none."""
    resource = review.resource
    if resource.kind == CLUSTER:
        if not _has_own_pool(resource):
            return
        pools = list(blocks(resource, "node_pool", possible=True))
        for pool in pools:
            yield from _described(pool)
        if pools:
            return
    else:
        clusters = declared(review, "cluster", CLUSTER)
        if any(_is_autopilot(cluster) for cluster in clusters):
            return
    yield from _described(Block(resource.data, ()))


def _described(pool: Block) -> Iterator[Block]:
    found = list(blocks(pool, "node_config"))
    yield from found or [Block({}, pool.at("node_config"))]


def public_api(review: Review) -> Iterator[Hit]:
    """The API answers the whole internet, because nothing says whom it should answer."""
    cluster = review.resource
    if truth(value(cluster, "private_cluster_config.0.enable_private_endpoint"), False):
        return
    points = "control_plane_endpoints_config.0.ip_endpoints_config.0.enabled"
    if not truth(value(cluster, points), True):
        return
    if cluster.data.get("master_authorized_networks_config") is None:
        yield fails("the API answers every address", "master_authorized_networks_config")


def networks_open(review: Review) -> Iterator[Hit]:
    """The list of networks that may use the API holds the whole internet."""
    for config in blocks(review.resource, "master_authorized_networks_config"):
        for block in blocks(config, "cidr_blocks", possible=True):
            found = open_to_world(block.get("cidr_block"))
            if found:
                yield Hit(f"the API answers {found}", block.at("cidr_block"))
                return


def basic_auth(review: Review) -> Iterator[Hit]:
    """A password, or a certificate that cannot be taken back, opens the API."""
    for auth in blocks(review.resource, "master_auth"):
        name, password = auth.get("username"), auth.get("password")
        for at, found in (("username", name), ("password", password)):
            if found is not None and (is_unknown(found) or text(found)):
                yield Hit("a password opens the API", auth.at(at))
                break
        for certificate in blocks(auth, "client_certificate_config"):
            if truth(certificate.get("issue_client_certificate"), False):
                yield Hit(
                    "a certificate that cannot be taken back opens the API",
                    certificate.at("issue_client_certificate"),
                )


def public_nodes(review: Review) -> Iterator[Hit]:
    """Nodes with public addresses."""
    resource = review.resource
    if resource.kind == CLUSTER:
        private = value(resource, "private_cluster_config.0.enable_private_nodes")
        if private is None:
            at = "default_enable_private_nodes"
            private = value(resource, f"network_config.0.{at}") or value(resource, at)
        if not truth(private, False):
            yield fails("its nodes are given public addresses", "private_cluster_config")
        return
    private = value(resource, "network_config.0.enable_private_nodes")
    if private is not None and not truth(private, True):
        yield fails(
            "its nodes are given public addresses", "network_config", 0, "enable_private_nodes"
        )


def default_node_account(review: Review) -> Iterator[Hit]:
    """Nodes run as the account that is an editor of the project by default."""
    for node in _nodes(review):
        email = node.get("service_account")
        if is_unknown(email) and not email.given and not email.parts:
            known(email)
        if email is None or (not is_unknown(email) and text(email) in ("", "default")):
            yield Hit("its nodes run as Compute Engine's default service account", node.path)
        elif default_account(email):
            yield Hit(
                "its nodes run as Compute Engine's default service account",
                node.at("service_account"),
            )
        else:
            continue
        return


def wide_scopes(review: Review) -> Iterator[Hit]:
    """The default account with every scope. With an account of its own that is as it should be."""
    for node in _nodes(review):
        email = node.get("service_account")
        own = email is not None and (is_unknown(email) or text(email) not in ("", "default"))
        if own and not default_account(email):
            continue
        if any(scope in _ALL_SCOPES for scope in texts(node.get("oauth_scopes"))):
            yield Hit("every scope for the default service account", node.at("oauth_scopes"))
            return


def no_workload_identity(review: Review) -> Iterator[Hit]:
    """Programs take the rights of their node."""
    cluster = review.resource
    if _is_autopilot(cluster):
        return
    pool = value(cluster, "workload_identity_config.0.workload_pool")
    old = value(cluster, "workload_identity_config.0.identity_namespace")
    if pool is None and old is None:
        yield fails("every pod may act as its node", "workload_identity_config")


def node_metadata(review: Review) -> Iterator[Hit]:
    """Pods reach the metadata of their node, and take its account."""
    for node in _nodes(review):
        for config in blocks(node, "workload_metadata_config"):
            mode = text(config.get("mode")) or text(config.get("node_metadata"))
            if mode in ("GCE_METADATA", "EXPOSE", "UNSPECIFIED", "MODE_UNSPECIFIED"):
                yield Hit("every pod on it may act as its node", config.path)
                return
        metadata = node.get("metadata")
        if not is_unknown(metadata) and isinstance(metadata, dict):
            legacy = metadata.get("disable-legacy-endpoints")
            if legacy is not None and not truth(legacy, True):
                yield Hit("the old metadata endpoints answer", node.at("metadata"))
                return


def no_network_policy(review: Review) -> Iterator[Hit]:
    """Network policies are taken, and nobody enforces them."""
    cluster = review.resource
    if _is_autopilot(cluster):
        return
    if text(cluster.data.get("datapath_provider")) == "ADVANCED_DATAPATH":
        return
    if not truth(value(cluster, "network_policy.0.enabled"), False):
        yield fails("nobody enforces network policies in it", "network_policy")
    elif truth(value(cluster, "addons_config.0.network_policy_config.0.disabled"), False):
        yield fails("the add-on that enforces network policies is switched off", "addons_config")


def no_secure_boot(review: Review) -> Iterator[Hit]:
    """Nodes start what was put under their system."""
    for node in _nodes(review):
        if not truth(value(node, "shielded_instance_config.0.enable_secure_boot"), False):
            yield Hit("nodes start whatever lies in their boot disk", node.path)
            return


def node_integrity_off(review: Review) -> Iterator[Hit]:
    """Nobody measures what nodes start."""
    for node in _nodes(review):
        at = "shielded_instance_config.0.enable_integrity_monitoring"
        if not truth(value(node, at), True):
            yield Hit("nobody measures what nodes start", node.at("shielded_instance_config"))
            return


def no_logs(review: Review) -> Iterator[Hit]:
    """The cluster's logs go nowhere."""
    cluster = review.resource
    if text(cluster.data.get("logging_service")) == "none":
        yield fails("its logs go nowhere", "logging_service")
        return
    for config in blocks(cluster, "logging_config"):
        if not list(texts(config.get("enable_components"))):
            yield Hit("its logs go nowhere", config.at("enable_components"))


def no_monitoring(review: Review) -> Iterator[Hit]:
    """Nobody measures the cluster."""
    cluster = review.resource
    if text(cluster.data.get("monitoring_service")) == "none":
        yield fails("nobody measures it", "monitoring_service")
        return
    for config in blocks(cluster, "monitoring_config"):
        components = config.get("enable_components")
        if components is not None and not list(texts(components)):
            yield Hit("nobody measures it", config.at("enable_components"))


def kubelet_port(review: Review) -> Iterator[Hit]:
    """The kubelet answers without asking who."""
    for node in _nodes(review):
        at = "kubelet_config.0.insecure_kubelet_readonly_port_enabled"
        if truth(value(node, at), False):
            yield Hit("the kubelet tells everybody on port 10255", node.at("kubelet_config"))
            return


def other_image(review: Review) -> Iterator[Hit]:
    """Nodes are not made of Google's hardened image."""
    for node in _nodes(review):
        image = text(node.get("image_type"))
        if image and not image.upper().startswith("COS"):
            yield Hit(f"nodes are made of {image}", node.at("image_type"))
            return
