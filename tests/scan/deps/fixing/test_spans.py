"""Spans say where values stand: what is there is what the decoders read."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rtoml
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.scan.deps.fixing.slots import Sought, slots_of
from haechi.scan.deps.fixing.spans import Path, json_spans, toml_spans
from haechi.scan.deps.fixing.xml_spans import xml_nodes
from haechi.scan.fix.changes import Refused

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
_VALUES = st.recursive(
    st.one_of(_TEXT, st.integers(-9, 9), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=12,
)


def strings(value: Any, path: Path = ()) -> dict[Path, str]:
    """All strings of a decoded document."""
    if isinstance(value, str):
        return {path: value}
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return {place: text for key, one in inner for place, text in strings(one, (*path, key)).items()}


@settings(max_examples=150, deadline=None)
@given(value=st.dictionaries(_TEXT, _VALUES, max_size=4), indent=st.sampled_from([None, 2]))
def test_json(value: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    found = {span.path: json.loads(f'"{span.of(text)}"') for span in json_spans(text)}
    assert found == strings(value)


_KEY = st.text("abc-_. \"'#=é", min_size=1, max_size=5)
_PLAIN = st.text("abc 1.=#[]{}^~<>é,", max_size=8)
_TABLES = st.dictionaries(
    _KEY,
    st.one_of(
        _PLAIN,
        st.integers(-9, 9),
        st.lists(_PLAIN, max_size=3),
        st.dictionaries(_KEY, _PLAIN, max_size=3),
        st.lists(st.dictionaries(_KEY, _PLAIN, min_size=1, max_size=2), min_size=1, max_size=2),
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(value=_TABLES, pretty=st.booleans())
def test_toml(value: dict[str, Any], pretty: bool) -> None:
    text = rtoml.dumps(value, pretty=pretty)
    found = {span.path: span.of(text) for span in toml_spans(text)}
    wanted = {path: one for path, one in strings(rtoml.loads(text)).items() if path in found}
    assert found == wanted
    if "'''" not in text and '"""' not in text:
        assert found == strings(rtoml.loads(text))


@settings(max_examples=200, deadline=None)
@given(text=st.text("ab=[]{}\"'#,.\n <>/!-", max_size=40))
def test_nothing_but_a_refusal_comes_of_noise(text: str) -> None:
    for read in (json_spans, toml_spans, lambda one: [xml_nodes(one)]):
        try:
            list(read(text))
        except Refused:
            continue


@pytest.mark.parametrize(
    ("path", "ecosystem", "unit"),
    [
        ("pom.xml", "Maven", "<!--"),
        ("pom.xml", "Maven", '<a "'),
        ("a.csproj", "NuGet", "<a>"),
        ("package.json", "npm", '\\"'),
        ("package.json", "npm", "["),
        ("pyproject.toml", "PyPI", 'a = """\n'),
        ("pyproject.toml", "PyPI", "a = [[[[\n"),
        ("pyproject.toml", "PyPI", "a.a.a."),
        ("build.gradle", "Maven", "/*"),
        ("build.gradle", "Maven", '\\"'),
        ("build.gradle", "Maven", "'a:b:"),
        ("Gemfile", "RubyGems", "gem 'x', "),
        ("requirements.txt", "PyPI", "x==1 \\\n"),
        ("go.mod", "Go", "require ( x v1\n"),
    ],
)
def test_large_hostile_files_are_answered(path: str, ecosystem: str, unit: str) -> None:
    """Half a million characters of what costs bad patterns a square of it."""
    text = unit * (500_000 // len(unit))
    try:
        slots = slots_of(path, text, Sought(ecosystem=ecosystem, name="x", version="1"))
    except Refused:
        return
    assert len(slots) <= len(text)


def test_xml_passes_over_comments_and_keeps_attributes() -> None:
    text = "<a><!-- <b>no</b> --><b x='1'> yes </b><![CDATA[<b>no</b>]]></a>"
    found = xml_nodes(text)
    node = found.first("a", "b")
    assert node is not None
    assert node.text is not None
    assert (node.text.value, node.attributes["x"].value) == ("yes", "1")
    assert text[node.text.start : node.text.end] == "yes"
