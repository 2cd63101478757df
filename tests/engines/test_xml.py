"""XML of hostile files: what is refused, where things stand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines import xml
from haechi.errors import InputError, LimitExceeded

_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<project>&c;</project>"""


def test_elements_keep_name_text_attributes_and_line() -> None:
    root = xml.parse(
        b'<a xmlns="urn:x">\n  <p:b xmlns:p="y" k="v"> text <!-- no --> more </p:b>\n</a>'
    )
    (child,) = root.children
    assert (root.name, child.name, child.line, child.column) == ("a", "b", 2, 3)
    assert child.attributes["k"] == "v"
    assert child.text == "text  more"
    assert [one.name for one in root.walk()] == ["a", "b"]


def test_paths_lead_to_first_and_all() -> None:
    root = xml.parse(b"<r><a><b>1</b></a><a><b>2</b><b>3</b></a></r>")
    assert root.value("a", "b") == "1"
    assert [one.text for one in root.all("a", "b")] == ["1", "2", "3"]
    assert root.first("a", "c") is None
    assert root.value("x", "y") == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(_LAUGHS, "DOCTYPE", id="billion laughs"),
        pytest.param(
            b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE", id="external document type"
        ),
        pytest.param(b"<a>&unknown;</a>", "undefined entity", id="entity"),
        pytest.param(b"<a><b></a>", "line 1: mismatched tag", id="mismatch"),
        pytest.param(b"", "no element found", id="empty"),
        pytest.param(b"\x00\x01", "line 1", id="binary"),
        pytest.param(b'<?xml version="1.0" encoding="utf-7"?><a/>', "encoding", id="utf-7"),
    ],
)
def test_refuses(data: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        xml.parse(data)
    assert words in caught.value.what


def test_depth_and_count_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LimitExceeded, match="levels deep"):
        xml.parse(b"<a>" * 200_000)
    monkeypatch.setattr(xml, "ELEMENTS", 100)
    with pytest.raises(LimitExceeded, match="100 elements"):
        xml.parse(b"<r>" + b"<a/>" * 101 + b"</r>")
    monkeypatch.setattr(xml, "TEXT", 10)
    with pytest.raises(LimitExceeded, match="10 characters"):
        xml.parse(b"<r>12345678901</r>")
    monkeypatch.setattr(xml, "SIZE", 10)
    with pytest.raises(LimitExceeded, match="MiB"):
        xml.parse(b"<r>12345678901</r>")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text("<>/ab =\"'&;!?-[]", max_size=200).map(str.encode))
def test_any_bytes_give_a_tree_or_an_input_error(data: bytes) -> None:
    try:
        root = xml.parse(data)
    except InputError:
        return
    assert root.name
