"""Rules about NetworkPolicies: what they let through, and where they cannot work.

Policies only add. Items of a ``from`` or ``to`` list are alternatives; selectors inside one item
must all match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.checks.cidr import METADATA, inside, network
from haechi.checks.labels import AUTOMATIC_NAMESPACE_LABEL, is_empty, selects, wording
from haechi.checks.lookup import grouped, named
from haechi.checks.neighbours import (
    any_of_type,
    belong_together,
    labels_of,
    port_names,
    sees_the_pods,
    selected,
    spec_of,
)
from haechi.checks.pods.view import items, mapping
from haechi.checks.policies import (
    POLICY,
    Opening,
    allows_dns,
    any_opens_dns,
    is_any_address,
    is_open,
    openings,
    policy_types,
    resolves_names,
)
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review

OTHER_POLICIES = (
    "cilium.io/CiliumNetworkPolicy",
    "cilium.io/CiliumClusterwideNetworkPolicy",
    "crd.projectcalico.org/NetworkPolicy",
    "crd.projectcalico.org/GlobalNetworkPolicy",
    "projectcalico.org/NetworkPolicy",
    "projectcalico.org/GlobalNetworkPolicy",
    "policy.networking.k8s.io/AdminNetworkPolicy",
    "policy.networking.k8s.io/BaselineAdminNetworkPolicy",
)
_DIRECTIONS = (("ingress", "from", "Ingress"), ("egress", "to", "Egress"))
_METADATA_PORT = 80


def void_pod_selector(review: Review) -> Iterator[Hit]:
    """Two items where one was meant, and the first already covers the policy's own namespace."""
    for opening, spaces, pods in _split_peers(review):
        for place, selector in spaces:
            if _selects_own_namespace(review, selector):
                pod_place, pod_selector = pods[0]
                text = (
                    f'NetworkPolicy "{review.resource.name}" lists the namespace and the pods as '
                    f"two items, which means OR: any pod in namespace "
                    f"{review.resource.namespace or wording(selector)} is let through, and the "
                    f"limit to {wording(pod_selector)} has no effect"
                )
                evidence = {"namespaces": place, "pods": pod_place}
                yield Hit(text, opening.peer_path(place), evidence)
                break


def either_selector(review: Review) -> Iterator[Hit]:
    """Two items that mean OR, where AND may have been meant."""
    for opening, spaces, pods in _split_peers(review):
        if any(_selects_own_namespace(review, selector) for _, selector in spaces):
            continue
        place, selector = spaces[0]
        own = review.resource.namespace or "the policy's namespace"
        text = (
            f'NetworkPolicy "{review.resource.name}" lets through any pod of namespaces '
            f"{wording(selector)}, or pods {wording(pods[0][1])} of {own}: two list items are "
            "alternatives"
        )
        yield Hit(text, opening.peer_path(place))


def open_ingress(review: Review) -> Iterator[Hit]:
    """Ingress from anyone on every port."""
    yield from _open(review, "ingress", "accepts traffic from anyone on every port")


def open_egress(review: Review) -> Iterator[Hit]:
    """Egress to anywhere on every port."""
    yield from _open(review, "egress", "lets its pods reach any address on every port")


def any_namespace(review: Review) -> Iterator[Hit]:
    """A peer of all pods in all namespaces, on every port."""
    for direction in ("ingress", "egress"):
        for opening in openings(review.resource.data, direction):
            for place, peer in enumerate(opening.peers):
                entry = mapping(peer)
                if opening.ports or not is_empty(entry.get("namespaceSelector")):
                    continue
                if "podSelector" not in entry or is_empty(entry.get("podSelector")):
                    text = (
                        f'NetworkPolicy "{review.resource.name}" opens {direction} to every pod '
                        "of every namespace on every port"
                    )
                    yield Hit(text, (*opening.peer_path(place), "namespaceSelector"))


def metadata_reachable(review: Review) -> Iterator[Hit]:
    """A wide egress block that leaves the cloud's metadata address open on port 80."""
    for opening in openings(review.resource.data, "egress"):
        for place, peer in enumerate(opening.peers):
            block = mapping(mapping(peer).get("ipBlock"))
            whole = network(block.get("cidr"))
            if whole is None or whole.version != 4 or METADATA not in whole:
                continue
            excluded = [network(text) for text in items(block.get("except"))]
            if any(one is not None and METADATA in one for one in excluded):
                continue
            if opening.covers_port(_METADATA_PORT) and whole.prefixlen < METADATA.max_prefixlen:
                text = (
                    f'NetworkPolicy "{review.resource.name}" allows egress to '
                    f"{block.get('cidr')}, which includes the cloud's metadata address {METADATA}"
                )
                yield Hit(text, (*opening.peer_path(place), "ipBlock", "except"))


def bad_blocks(review: Review) -> Iterator[Hit]:
    """``except`` outside its block, or addresses that are none: the API server refuses both."""
    who = f'NetworkPolicy "{review.resource.name}"'
    for opening in _all_openings(review):
        for place, peer in enumerate(opening.peers):
            block = mapping(mapping(peer).get("ipBlock"))
            if not block:
                continue
            path = (*opening.peer_path(place), "ipBlock")
            whole = network(block.get("cidr"))
            if whole is None:
                yield Hit(f"{who} has no valid CIDR in {block.get('cidr')!r}", (*path, "cidr"))
                continue
            for index, text in enumerate(items(block.get("except"))):
                part = network(text)
                if part is None or not inside(part, whole):
                    reason = f"{who} excepts {text}, which is not a part of {block.get('cidr')}"
                    yield Hit(reason, (*path, "except", index))


def rules_without_type(review: Review) -> Iterator[Hit]:
    """Entries of a direction that policyTypes leaves out: they are ignored."""
    data = review.resource.data
    types, body = policy_types(data), spec_of(data)
    for direction, _, type_ in _DIRECTIONS:
        if direction not in body or not isinstance(body[direction], list) or type_ in types:
            continue
        who = f'NetworkPolicy "{review.resource.name}"'
        if body[direction]:
            text = f"{who} has {direction} rules, but policyTypes lacks {type_}: they are ignored"
        elif "policyTypes" not in body:
            text = f"{who} has an empty {direction} list and no policyTypes: {direction} stays open"
        else:
            continue
        yield Hit(text, ("spec", "policyTypes"))


def without_dns(review: Review) -> Iterator[Hit]:
    """Egress is restricted and nothing in the scope lets the pods resolve names."""
    data = review.resource.data
    if "Egress" not in policy_types(data) or allows_dns(data):
        return
    if not any_of_type(review, POLICY):
        return  # judged alone: nothing follows from what is not there
    chosen = list(selected(review, spec_of(data).get("podSelector"), linked=True))
    cut_off = [workload for workload in chosen if not resolves_names(review, workload)]
    if cut_off or not (chosen or any_opens_dns(review)):
        who = f'{cut_off[0].kind} "{cut_off[0].name}"' if cut_off else "its pods"
        text = (
            f'NetworkPolicy "{review.resource.name}" restricts egress and no policy in these '
            f"files opens port 53, so {who} cannot resolve names"
        )
        yield Hit(text, ("spec", "egress"))


def selects_nothing(review: Review) -> Iterator[Hit]:
    """A podSelector that no workload of the namespace answers to."""
    selector = spec_of(review.resource.data).get("podSelector")
    if not isinstance(selector, dict) or is_empty(selector):
        return
    if not sees_the_pods(review):
        return
    if not any(selected(review, selector)):
        text = (
            f'NetworkPolicy "{review.resource.name}" selects {wording(selector)}, and no workload '
            "in these files makes such pods"
        )
        yield Hit(text, ("spec", "podSelector"))


def peer_selects_nothing(review: Review) -> Iterator[Hit]:
    """A pod peer of the own namespace that no workload answers to: the opening lets no one in."""
    if not sees_the_pods(review):
        return
    for opening in _all_openings(review):
        for place, peer in enumerate(opening.peers):
            entry = mapping(peer)
            selector = entry.get("podSelector")
            if set(entry) != {"podSelector"} or not isinstance(selector, dict):
                continue
            if not is_empty(selector) and not any(selected(review, selector)):
                text = (
                    f'NetworkPolicy "{review.resource.name}" allows {opening.direction} for pods '
                    f"{wording(selector)}, and no workload in these files makes such pods"
                )
                yield Hit(text, (*opening.peer_path(place), "podSelector"))


def unisolated_namespace(review: Review) -> Iterator[Hit]:
    """A namespace with workloads and no policy at all: one finding, on its first workload."""
    own = review.resource.namespace
    if not review.scope.workloads() or own in ("kube-system", "kube-public", "kube-node-lease"):
        return
    if any_of_type(review, POLICY) or any(map(review.scope.of_type, OTHER_POLICIES)):
        return
    mine = (review.resource.file, review.resource.key)
    if _first_of_namespace(review).get(own, mine) < mine:
        return
    where = f"namespace {own}" if own else "the namespace these files are applied to"
    text = f"no NetworkPolicy in these files covers {where}: every pod there accepts all traffic"
    yield Hit(text, ("metadata", "namespace"))


def unknown_port_name(review: Review) -> Iterator[Hit]:
    """A named port that no selected pod declares: the opening never matches."""
    selector = spec_of(review.resource.data).get("podSelector")
    chosen = list(selected(review, selector, linked=True))
    known = {name for workload in chosen for name in port_names(review, workload)}
    for opening in openings(review.resource.data, "ingress") if chosen else ():
        for index, port in enumerate(opening.ports):
            name = mapping(port).get("port")
            if isinstance(name, str) and not name.isdigit() and name not in known:
                text = (
                    f'NetworkPolicy "{review.resource.name}" opens port "{name}", which no '
                    "selected container declares"
                )
                yield Hit(text, (*opening.path, "ports", index, "port"))


def namespace_by_name_label(review: Review) -> Iterator[Hit]:
    """A namespaceSelector on the label ``name``, which nobody sets automatically."""
    if not review.scope.of_type(POLICY):
        return  # judged alone: the Namespace may well carry the label
    for opening in _all_openings(review):
        for place, peer in enumerate(opening.peers):
            wanted = mapping(mapping(mapping(peer).get("namespaceSelector")).get("matchLabels"))
            value = wanted.get("name")
            if not isinstance(value, str):
                continue
            known = named(review, "core/Namespace", value)
            if any(labels_of(n.data).get("name") == value for n in known):
                continue
            where = "here lacks it" if known else "is not in these files"
            text = (
                f'NetworkPolicy "{review.resource.name}" selects namespaces by the label '
                f"name={value}; only {AUTOMATIC_NAMESPACE_LABEL} is set automatically, and "
                f"Namespace {value} {where}"
            )
            path = (*opening.peer_path(place), "namespaceSelector", "matchLabels", "name")
            yield Hit(text, path)


def defeated_denial(review: Review) -> Iterator[Hit]:
    """A deny-all policy next to an allow-all one for the same pods: policies only add."""
    data = review.resource.data
    for direction, _, type_ in _DIRECTIONS:
        if type_ not in policy_types(data) or items(spec_of(data).get(direction)):
            continue
        for other in _wide_open(review, direction):
            if other is review.resource or type_ not in policy_types(other.data):
                continue
            if not belong_together(review.resource, other):
                continue
            chosen = spec_of(other.data).get("podSelector")
            if is_empty(chosen) or chosen == spec_of(data).get("podSelector"):
                text = (
                    f'NetworkPolicy "{review.resource.name}" denies all {direction}, but '
                    f'"{other.name}" allows all of it for the same pods; policies only add'
                )
                yield Hit(text, ("spec", "podSelector"))
                break


def _wide_open(review: Review, direction: str) -> Sequence[Resource]:
    """The policies of the scope that allow all traffic of a direction."""

    def pairs() -> Iterator[tuple[str, Resource]]:
        for policy in review.scope.of_type(POLICY):
            for side, _, _ in _DIRECTIONS:
                if any(map(is_open, openings(policy.data, side))):
                    yield side, policy

    return grouped(review, "policies that are open", pairs).get(direction, ())


def _first_of_namespace(review: Review) -> Mapping[str | None, tuple[str, str]]:
    """The place of the first workload of each namespace."""
    known: dict[str | None, tuple[str, str]] | None = review.shared.get("first workloads")
    if known is None:
        known = review.shared["first workloads"] = {}
        for workload in review.scope.workloads():
            place = (workload.file, workload.key)
            known[workload.namespace] = min(known.get(workload.namespace, place), place)
    return known


def _split_peers(
    review: Review,
) -> Iterator[tuple[Opening, list[tuple[int, Any]], list[tuple[int, Any]]]]:
    """Openings with an item of only a namespaceSelector and one of only a podSelector."""
    for opening in _all_openings(review):
        spaces: list[tuple[int, Any]] = []
        pods: list[tuple[int, Any]] = []
        for place, peer in enumerate(opening.peers):
            entry = mapping(peer)
            for key, found in (("namespaceSelector", spaces), ("podSelector", pods)):
                if (
                    set(entry) == {key}
                    and isinstance(entry[key], dict)
                    and not is_empty(entry[key])
                ):
                    found.append((place, entry[key]))
        if spaces and pods:
            yield opening, spaces, pods


def _selects_own_namespace(review: Review, selector: Any) -> bool:
    own = review.resource.namespace
    if not own:
        return False
    for found in named(review, "core/Namespace", own):
        return selects(selector, {**labels_of(found.data), AUTOMATIC_NAMESPACE_LABEL: own})
    wanted = mapping(mapping(selector).get("matchLabels"))
    return any(value == own and "name" in key for key, value in wanted.items())


def _all_openings(review: Review) -> Iterator[Opening]:
    for direction in ("ingress", "egress"):
        yield from openings(review.resource.data, direction)


def _open(review: Review, direction: str, what: str) -> Iterator[Hit]:
    for opening in openings(review.resource.data, direction):
        if is_open(opening):
            path = opening.path
            for place, peer in enumerate(opening.peers):
                if is_any_address(peer):
                    path = (*opening.peer_path(place), "ipBlock", "cidr")
                    break
            yield Hit(f'NetworkPolicy "{review.resource.name}" {what}', path)
