"""cel-spec's own tests, in the API server's environment, come out as it says."""

from __future__ import annotations

import pytest

from tests.conformance import cel_spec
from tests.conformance.admission_policies import clone_of
from tests.conformance.textproto import Malformed, parse


@pytest.mark.skipif(
    not clone_of(cel_spec.REPOSITORY).is_dir(),
    reason=f"{cel_spec.REPOSITORY} is not mirrored (HAECHI_MIRROR)",
)
def test_the_tests_of_cel_spec() -> None:
    results = list(cel_spec.results())
    assert [one for one in results if not one.right and one.key not in cel_spec.KNOWN] == []
    assert len(results) >= 1_200


def test_the_text_format_is_read() -> None:
    text = """# comment
    name: "a" 'b\\n\\303\\251'  section { n: -1, n: 2.5; flag: true } section: < list: [1, 0x10] >
    [type.googleapis.com/x.Y] { s: 'q' }"""
    assert parse(text) == {
        "name": [b"ab\n\xc3\xa9"],
        "section": [{"n": [-1, 2.5], "flag": ["true"]}, {"list": [1, 16]}],
        "[type.googleapis.com/x.Y]": [{"s": [b"q"]}],
    }


@pytest.mark.parametrize("text", ["a {", "a: }", "1: 2", "a: 'x", "}"])
def test_what_is_no_text_format_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)
