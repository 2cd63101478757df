"""SPDX expressions: which texts are some, and how they are spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.licences import exceptions, identifiers, is_single
from haechi.engines.spdx import spelled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        (" apache-2.0 ", "Apache-2.0"),
        ("mit or Apache-2.0", "MIT OR Apache-2.0"),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", "(MIT OR Apache-2.0) AND BSD-3-Clause"),
        ("((MIT))", "MIT"),
        (
            "GPL-2.0-only with classpath-exception-2.0",
            "GPL-2.0-only WITH Classpath-exception-2.0",
        ),
        ("EPL-1.0+", "EPL-1.0+"),
        ("LicenseRef-Own-1", "LicenseRef-Own-1"),
        ("DocumentRef-a:LicenseRef-b AND MIT", "DocumentRef-a:LicenseRef-b AND MIT"),
        ("", None),
        ("MIT License", None),
        ("BSD", None),
        ("MIT/Apache-2.0", None),
        ("MIT OR", None),
        ("OR MIT", None),
        ("MIT MIT", None),
        ("(MIT", None),
        ("MIT)", None),
        ("()", None),
        ("MIT WITH MIT", None),
        ("(MIT) WITH Classpath-exception-2.0", None),
        ("MIT WITH", None),
        ("MIT," * 10, None),
        ("MIT OR " * 2_000 + "MIT", None),
    ],
    ids=lambda value: None if value is None else value[:40] or "empty",
)
def test_spelling(text: str, expected: str | None) -> None:
    assert spelled(text) == expected


def test_the_lists_are_whole() -> None:
    assert len(identifiers()) > 700 and len(exceptions()) > 70
    assert is_single("MIT") and not is_single("MIT OR Apache-2.0")


@given(st.lists(st.sampled_from(["MIT", "or", "AND", "(", ")", "with", "x", "GCC-exception-3.1"])))
def test_what_is_spelled_stays_so(words: list[str]) -> None:
    once = spelled(" ".join(words))
    assert once is None or spelled(once) == once
