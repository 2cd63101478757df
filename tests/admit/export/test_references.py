"""Image references in CEL equal the native reading, over random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from haechi.admit.images import ImagePolicy
from haechi.admit.load import load_policies
from tests.admit.export.made import VIEW, again, export, read, request, review

POLICY = """
apiVersion: haechi.dev/v1alpha1
kind: ImagePolicy
metadata: {name: ours}
spec:
  allow: [ghcr.io/team, "*/mirror/*", docker.io/library, "localhost:5000", docker.io/a.b/c,
          "*/library/x", Q.example/y, "localhost/*/z"]
  requireDigest: true
  denyTags: [latest, "1.0", a-b_c]
"""
_TEXT: list[Any] = []
_FRESH: list[Any] = []


def _sets() -> tuple[Any, Any]:
    if not _FRESH:
        _TEXT.append(load_policies(read(POLICY)).policies[0])
        _FRESH.append(again(export(POLICY, "vap")[2]).policies[0])
    return _TEXT[0], _FRESH[0]


HOSTS = (
    "ghcr.io",
    "GHCR.io",
    "docker.io",
    "Index.docker.io",
    "registry-1.docker.io",
    "localhost",
    "localhost:5000",
    "LOCALHOST",
    "a.b",
    "x",
    "team",
    "library",
    "q.example",
    "Q.example",
    "hub.docker.com",
    "[::1]:5000",
    "a_b",
    "docker.io:443",
    "-a.b",
    "a:b",
    "localhosts",
    "É.x",
)
PARTS = (
    "team",
    "team-evil",
    "library",
    "mirror",
    "x",
    "y",
    "z",
    "a.b",
    "c",
    "a__b",
    "a___b",
    "a--b",
    "A",
    "",
    "nginx",
    "-a",
    "a" * 249,
    "a" * 200,
)
TAGS = (
    "",
    ":",
    ":latest",
    ":1.0",
    ":1x0",
    ":a-b_c",
    ":.a",
    ":" + "t" * 128,
    ":" + "t" * 129,
    ":5000",
    "::1",
)
DIGESTS = (
    "",
    "@",
    "@sha256:" + "a" * 64,
    "@sha256:" + "A" * 64,
    "@sha256:" + "a" * 63,
    "@sha512:" + "A" * 128,
    "@md5+x:" + "0" * 32,
    "@md5:" + "0" * 31,
    "@a@b",
    "@sha256:" + "a" * 64 + "/x",
)
composed = st.builds(
    lambda host, parts, tag, digest, pad: pad + "/".join([*host, *parts]) + tag + digest + pad,
    st.lists(st.sampled_from(HOSTS), max_size=1),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3),
    st.sampled_from(TAGS),
    st.sampled_from(DIGESTS),
    st.sampled_from(("", "", "", " ", "\n")),
)
anything = st.text(alphabet="aA0.:/@_- []lochst\n\t\u00e9\u20ac", min_size=1, max_size=40)


def _said(policy: Any, image: str) -> tuple[str, list[tuple[str, str]]]:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    found = policy.judge(review(request(body, "pods")), VIEW)
    return found[0].policy, [(one.state.value, one.message) for one in found]


@settings(max_examples=120, deadline=None)
@given(st.one_of(composed, composed, anything))
@example("docker.io/")
@example("/")
@example("a/" + "b" * 255)
@example("a/" + "b" * 253)
@example("docker.io/" + "b" * 247)
@example("docker.io/" + "b" * 248)
@example("b" * 3000)
@example("a.b/c@sha512:" + "0" * 3000)
def test_a_reference_means_the_same(image: str) -> None:
    native, exported = _sets()
    assert isinstance(native, ImagePolicy)
    mine, theirs = _said(native, image)[1], _said(exported, image)[1]
    if "\n" in image:  # the API server drops a message of several lines
        mine, theirs = [(state, "") for state, _ in mine], [(state, "") for state, _ in theirs]
    assert theirs == mine
