"""Whatever is sent, the server answers it or refuses it: it never fails itself."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.apiserver import ApiServer, protobuf
from tests.fakes.apiserver.conftest import NO_TLS
from tests.fakes.apiserver.manifests import CONFIGS, DEPLOYMENTS, PODS, config, pod, workload
from tests.fakes.apiserver.request import Request
from tests.fakes.apiserver.selectors import label_match
from tests.fakes.apiserver.status import ApiError

Json = dict[str, Any]
SERVER = ApiServer(controllers=False, objects=[workload("Deployment", "web"), pod("p")])
MEDIA = (
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
)
_words = st.sampled_from(
    ["metadata", "spec", "name", "labels", "containers", "op", "path", "value", "$patch", "a", ""]
)
_scalars = st.none() | st.booleans() | st.integers(-5, 70000) | _words | st.floats(allow_nan=False)
_anything = st.recursive(
    _scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(_words, each, max_size=4)
)


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    """A good object with one place in it replaced by anything, or anything at all."""
    if draw(st.booleans()):
        return draw(_anything)
    body = json.loads(json.dumps(draw(st.sampled_from([pod("p"), workload("Deployment", "web")]))))
    here: Any = body
    for _ in range(draw(st.integers(0, 5))):
        inner = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not inner:
            break
        key = draw(st.sampled_from(inner))
        if not isinstance(here[key], dict | list) or draw(st.booleans()):
            here[key] = draw(_anything)
            break
        here = here[key]
    return body


@settings(max_examples=150)
@given(
    st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
    st.sampled_from([PODS, f"{PODS}/p", f"{PODS}/p/eviction", f"{DEPLOYMENTS}/web"]),
    st.sampled_from(MEDIA),
    bodies(),
)
def test_no_body_breaks_it(method: str, path: str, media: str, body: Any) -> None:
    raw = f"{path}?fieldManager=m&dryRun=All&force={str('apply' in media).lower()}"
    head = {"content-type": media}
    text = json.dumps(body).encode()
    try:
        answer = SERVER.api.handle(
            Request(method=method, raw_path=raw, headers=head, body=text), None, lambda: True
        )
    except ApiError as refused:
        assert 400 <= refused.code <= 500
        assert refused.body()["kind"] == "Status"
    else:
        assert answer.code in (200, 201)


@given(st.binary(max_size=60))
def test_no_protobuf_breaks_it(body: bytes) -> None:
    for text in (body, b"k8s\0" + body):
        try:
            protobuf.decode(text)
        except ApiError as refused:
            assert refused.code in (400, 415)


@given(st.text(alphabet="ab=!,() inot<>", max_size=20))
def test_no_selector_breaks_it(text: str) -> None:
    try:
        match = label_match(text)
    except ApiError as refused:
        assert refused.code == 400
    else:
        assert match({"a": "b"}) in (True, False)


def test_concurrent_patches_are_all_kept(server: ApiServer) -> None:
    server.put(config("c"))
    done: list[int] = []

    def write(worker: int) -> None:
        with httpx.Client(base_url=server.url, verify=NO_TLS) as http:
            for n in range(10):
                change = {"data": {f"w{worker}-{n}": "x"}}
                head = {"content-type": "application/merge-patch+json"}
                while http.patch(f"{CONFIGS}/c", json=change, headers=head).status_code == 409:
                    pass
                done.append(n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    body = server.get("configmaps", "c")
    assert body is not None
    assert len(body["data"]) == len(done) == 40


@pytest.mark.parametrize("namespace", ["new", "default"])
def test_fixtures_bring_their_namespace_and_keep_their_identity(
    cluster: ApiServer, namespace: str
) -> None:
    owner = workload("ReplicaSet", "web", 1)
    owner["metadata"] |= {"namespace": namespace, "uid": "owner-uid"}
    cluster.put(owner)
    made = cluster.list("pods", namespace)
    assert [each["metadata"]["ownerReferences"][0]["uid"] for each in made] == ["owner-uid"]
