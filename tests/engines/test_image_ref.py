"""Image references are split as Docker splits them, and odd text never raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.image_ref import ImageRef, parse_image

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", ImageRef("docker.io", "library/nginx")),
        ("nginx:1.27", ImageRef("docker.io", "library/nginx", "1.27")),
        ("docker.io/nginx", ImageRef("docker.io", "library/nginx")),
        ("index.docker.io/library/nginx:1", ImageRef("docker.io", "library/nginx", "1")),
        ("bitnami/redis:7", ImageRef("docker.io", "bitnami/redis", "7")),
        ("localhost/app", ImageRef("localhost", "app")),
        ("localhost:5000/app", ImageRef("localhost:5000", "app")),
        ("host:5000/a/b:v1", ImageRef("host:5000", "a/b", "v1")),
        ("GHCR.io/org/app", ImageRef("ghcr.io", "org/app")),
        (f"ghcr.io/o/a@{DIGEST}", ImageRef("ghcr.io", "o/a", None, DIGEST)),
        (f"redis:7@{DIGEST}", ImageRef("docker.io", "library/redis", "7", DIGEST)),
    ],
)
def test_splits_reference_with_defaults(text: str, expected: ImageRef) -> None:
    ref = parse_image(text)
    assert ref == expected
    assert ref.valid


@pytest.mark.parametrize(
    ("text", "mutable", "floating"),
    [
        ("app", True, True),
        ("app:latest", True, True),
        ("app:1.2", True, False),
        (f"app@{DIGEST}", False, False),
        (f"app:latest@{DIGEST}", False, False),
        ("app@sha256:short", True, True),
    ],
)
def test_only_a_digest_pins(text: str, mutable: bool, floating: bool) -> None:
    ref = parse_image(text)
    assert (ref.mutable, ref.floating) == (mutable, floating)


@pytest.mark.parametrize(
    "text",
    ["", "UPPER", "a//b", "app:", "app:-x", "-app", "a b", f"app@{DIGEST[:-1]}", "http://x/y"],
)
def test_reports_what_a_runtime_would_refuse(text: str) -> None:
    assert not parse_image(text).valid


@pytest.mark.parametrize("text", ["nginx", "bitnami/redis:7", "quay.io/a/b:1", f"redis:7@{DIGEST}"])
def test_is_written_as_people_write_it(text: str) -> None:
    assert str(parse_image(text)) == text


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    ref = parse_image(text)
    assert ref.registry
    if ref.valid:
        assert parse_image(str(ref)) == ref
