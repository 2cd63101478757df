"""Lists and watches: one version, pages, expiry, selectors, bookmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.apiserver.manifests import CONFIGS, PODS, config, pod, running

Json = dict[str, Any]
MERGE = {"content-type": "application/merge-patch+json"}


def names(body: Json) -> list[str]:
    return [each["metadata"]["name"] for each in body["items"]]


def test_pages_are_of_one_version(server: ApiServer, http: httpx.Client) -> None:
    for n in range(5):
        server.put(config(f"c{n}"))
    first = http.get(CONFIGS, params={"limit": 2}).json()
    server.put(config("c00"))
    server.remove("configmaps", "c3")
    token = first["metadata"]["continue"]
    rest = http.get(CONFIGS, params={"limit": 10, "continue": token}).json()
    assert names(first) + names(rest) == ["c0", "c1", "c2", "c3", "c4"]
    assert first["metadata"]["remainingItemCount"] == 3
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert names(http.get(CONFIGS).json()) == ["c0", "c00", "c1", "c2", "c4"]


def test_an_expired_page_tells_how_to_go_on(server: ApiServer, http: httpx.Client) -> None:
    for n in range(5):
        server.put(config(f"c{n}"))
    first = http.get(CONFIGS, params={"limit": 2}).json()
    server.put(config("c9"))
    server.compact()
    token = first["metadata"]["continue"]
    gone = http.get(CONFIGS, params={"limit": 2, "continue": token})
    assert gone.status_code == 410
    assert gone.json()["reason"] == "Expired"
    assert "inconsistent list" in gone.json()["message"]
    again = gone.json()["metadata"]["continue"]
    rest = http.get(CONFIGS, params={"limit": 10, "continue": again}).json()
    assert names(rest) == ["c2", "c3", "c4", "c9"]


def test_items_of_built_in_lists_say_no_kind(server: ApiServer, http: httpx.Client) -> None:
    server.put(config("c"))
    server.put({"apiVersion": "cilium.io/v2", "kind": "CiliumIdentity", "metadata": {"name": "1"}})
    assert "kind" not in http.get(CONFIGS).json()["items"][0]
    custom = http.get("/apis/cilium.io/v2/ciliumidentities").json()
    assert custom["items"][0]["kind"] == "CiliumIdentity"


SELECTORS = {
    "app=a": ["p0", "p1"],
    "app==a,tier=x": ["p0"],
    "app!=a": ["p2", "p3"],
    "app in (a,b)": ["p0", "p1", "p2"],
    "app notin (a)": ["p2", "p3"],
    "tier": ["p0"],
    "!app": ["p3"],
    "app,!tier": ["p1", "p2"],
}


@pytest.mark.parametrize("selector", SELECTORS)
def test_label_selectors(server: ApiServer, http: httpx.Client, selector: str) -> None:
    for n, labels in enumerate(({"app": "a", "tier": "x"}, {"app": "a"}, {"app": "b"}, {"z": "1"})):
        server.put(pod(f"p{n}", labels))
    found = http.get("/api/v1/pods", params={"labelSelector": selector}).json()
    assert names(found) == SELECTORS[selector]


def test_field_selectors(server: ApiServer, http: httpx.Client) -> None:
    server.put(running("p1"))
    server.put(pod("p2"))
    on_node = {"fieldSelector": "spec.nodeName=node-1,status.phase!=Failed"}
    assert names(http.get("/api/v1/pods", params=on_node).json()) == ["p1"]
    assert names(http.get("/api/v1/pods", params={"fieldSelector": "metadata.name=p2"}).json()) == [
        "p2"
    ]


@contextmanager
def watching(http: httpx.Client, path: str, **query: Any) -> Iterator[Iterator[Json]]:
    with http.stream("GET", path, params={"watch": "1"} | query) as answer:
        assert answer.status_code == 200
        yield (json.loads(line) for line in answer.iter_lines())


def version(http: httpx.Client) -> str:
    return str(http.get(CONFIGS).json()["metadata"]["resourceVersion"])


def test_a_watch_tells_what_enters_and_leaves_its_selector(
    server: ApiServer, http: httpx.Client
) -> None:
    start = version(http)
    with watching(http, PODS, resourceVersion=start, labelSelector="app=a") as events:
        server.put(pod("p", {"app": "b"}))
        server.put(pod("p", {"app": "a"}))
        server.put(pod("p", {"app": "a", "x": "y"}))
        server.put(pod("p", {"app": "b"}))
        server.put(pod("q", {"app": "a"}))
        server.remove("pods", "q")
        seen = [next(events) for _ in range(5)]
    told = [(each["type"], each["object"]["metadata"]["name"]) for each in seen]
    assert told == [
        ("ADDED", "p"),
        ("MODIFIED", "p"),
        ("DELETED", "p"),
        ("ADDED", "q"),
        ("DELETED", "q"),
    ]
    assert seen[2]["object"]["metadata"]["labels"] == {"app": "a", "x": "y"}
    versions = [int(each["object"]["metadata"]["resourceVersion"]) for each in seen]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("start", ["", "0"], ids=["unset", "zero"])
def test_a_watch_without_a_version_begins_with_all_there_is(
    server: ApiServer, http: httpx.Client, start: str
) -> None:
    server.put(config("a"))
    server.put(config("b"))
    query = {"resourceVersion": start} if start else {}
    with watching(http, CONFIGS, **query) as events:
        seen = [next(events), next(events)]
        server.put(config("c"))
        seen.append(next(events))
    assert [each["object"]["metadata"]["name"] for each in seen] == ["a", "b", "c"]


def test_a_watch_from_a_forgotten_version_is_told_so(server: ApiServer, http: httpx.Client) -> None:
    server.put(config("a"))
    server.compact()
    with watching(http, CONFIGS, resourceVersion="1") as events:
        seen = list(events)
    assert [each["type"] for each in seen] == ["ERROR"]
    assert (seen[0]["object"]["code"], seen[0]["object"]["reason"]) == (410, "Expired")
    assert seen[0]["object"]["message"].startswith("too old resource version: 1 (")


def test_an_open_watch_outlives_a_compaction(server: ApiServer, http: httpx.Client) -> None:
    with watching(http, CONFIGS, resourceVersion=version(http)) as events:
        server.put(config("a"))
        assert next(events)["object"]["metadata"]["name"] == "a"


def test_bookmarks_come_only_to_who_takes_them(server: ApiServer, http: httpx.Client) -> None:
    start = version(http)
    server.world.store.skip(10)
    with watching(http, CONFIGS, resourceVersion=start, allowWatchBookmarks="true") as events:
        server.bookmark()
        mark = next(events)
    assert mark["type"] == "BOOKMARK"
    assert set(mark["object"]) == {"kind", "apiVersion", "metadata"}
    assert int(mark["object"]["metadata"]["resourceVersion"]) == server.world.store.version
    with watching(http, CONFIGS, resourceVersion=start) as events:
        server.bookmark()
        server.put(config("a"))
        assert next(events)["type"] == "ADDED"


def test_a_watch_list_ends_its_initial_events_with_a_marked_bookmark(
    server: ApiServer, http: httpx.Client
) -> None:
    server.put(config("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    with watching(http, CONFIGS, allowWatchBookmarks="true", **query) as events:
        first, mark = next(events), next(events)
    assert (first["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    bad = http.get(CONFIGS, params={"watch": "1", "sendInitialEvents": "true"})
    assert bad.status_code == 422


def test_a_watch_ends_when_its_time_is_over(http: httpx.Client) -> None:
    query = {"resourceVersion": version(http), "allowWatchBookmarks": "true"}
    with watching(http, CONFIGS, timeoutSeconds=1, **query) as events:
        assert [each["type"] for each in events] == ["BOOKMARK"]


def test_tables_and_metadata_only(server: ApiServer, http: httpx.Client) -> None:
    server.put(running("p"))
    table = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    body = http.get(PODS, headers=table).json()
    assert body["kind"] == "Table"
    columns = [each["name"] for each in body["columnDefinitions"]]
    assert dict(zip(columns, body["rows"][0]["cells"], strict=True))["Status"] == "Running"
    partial = {"accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    body = http.get(PODS, headers=partial).json()
    assert body["kind"] == "PartialObjectMetadataList"
    assert set(body["items"][0]) == {"kind", "apiVersion", "metadata"}
    protobuf = {"accept": "application/vnd.kubernetes.protobuf"}
    assert http.get(PODS, headers=protobuf).status_code == 406


def test_older_versions_are_read_exactly_or_expired(server: ApiServer, http: httpx.Client) -> None:
    server.put(config("a"))
    old = version(http)
    server.put(config("b"))
    exact = {"resourceVersion": old, "resourceVersionMatch": "Exact"}
    assert names(http.get(CONFIGS, params=exact).json()) == ["a"]
    newer = {"resourceVersion": old, "resourceVersionMatch": "NotOlderThan"}
    assert names(http.get(CONFIGS, params=newer).json()) == ["a", "b"]
    server.compact()
    assert http.get(CONFIGS, params=exact).status_code == 410
