"""JSON syntax gives the tree that native syntax gives."""

from __future__ import annotations

import pytest

from haechi.engines.hcl.parse import parse
from haechi.engines.hcl.parse_json import parse_json
from haechi.errors import LimitExceeded
from tests.engines.hcl.test_parse import outline

PAIRS = [
    (
        "resource",
        '{"resource": {"a": {"b": {"c": "x-${var.d}", "e": [1, 2.5, true, null]}}}}',
        'resource a b {\n c = "x-${var.d}"\n e = [1, 2.5, true, null]\n}\n',
    ),
    (
        "own-blocks",
        '{"resource": [{"a": {"b": {"lifecycle": {"ignore_changes": ["tags"]},'
        ' "depends_on": ["c.d"], "dynamic": {"e": {"for_each": "${f}", "content": {"g": 1}}},'
        ' "provisioner": [{"local-exec": {"command": "x"}}]}}}]}',
        "resource a b {\n depends_on = [c.d]\n lifecycle {\n ignore_changes = [tags]\n }\n"
        ' dynamic e {\n for_each = "${f}"\n content {\n g = 1\n }\n }\n'
        ' provisioner local-exec {\n command = "x"\n }\n}\n',
    ),
    (
        "locals-twice",
        '{"locals": [{"a": 1}, {"b": {"c": 2}}]}',
        'locals {\n a = 1\n}\nlocals {\n b = {"c" = 2}\n}\n',
    ),
    (
        "several-bodies-of-a-label",
        '{"provider": {"aws": [{"region": "a"}, {"alias": "b"}]}}',
        'provider aws {\n region = "a"\n}\nprovider aws {\n alias = "b"\n}\n',
    ),
    (
        "terraform",
        '{"terraform": {"backend": {"s3": {"encrypt": true}}, "required_version": "1"}}',
        'terraform {\n required_version = "1"\n backend s3 {\n encrypt = true\n }\n}\n',
    ),
    ("comment", '{"//": "why", "variable": {"a": {"//": "x"}}}', "variable a {}\n"),
    ("escapes", r'{"a": "\u00e9\n$${b}"}', 'a = "é\\n$${b}"\n'),
    ("empty", "{}", ""),
]


@pytest.mark.parametrize(
    ("text", "native"), [case[1:] for case in PAIRS], ids=[case[0] for case in PAIRS]
)
def test_same_tree(text: str, native: str) -> None:
    got = parse_json(text.encode())
    assert not got.faults
    assert outline(got.body) == outline(parse(native.encode()).body)


def test_places() -> None:
    got = parse_json(b'{\n "resource": {"a": {"b": {\n  "c": "x${d.e}"\n }}}}')
    block = got.body.blocks[0]
    c = block.body.attributes["c"]
    assert block.span == (2, 21, 4, 3)
    assert (c.span, c.name_span, c.value.span) == ((3, 3, 3, 17), (3, 3, 3, 6), (3, 8, 3, 17))
    assert c.value.parts[1].span == (3, 12, 3, 15)  # type: ignore[attr-defined]


WRONG = [
    ('{"a": }', "a value is missing before '}'", 1),
    ('{"a": 1\n"b": 2}', "',' or '}' must follow, not a text", 2),
    ('{"a" 1}', "':' must follow a key, not '1'", 1),
    ("{a: 1}", "'a: 1}' means nothing in JSON", 1),
    ('{"a": 1', "',' or '}' must follow, not the end of the file", 1),
    ('{"a": 1} x', "'x' means nothing in JSON", 1),
    ('{"a": "${b"}', "a value is missing", 1),
    ('{"a": "\\ud800\\q"}', "a wrong escape", 1),
    ("[1]", "an object is needed here", 1),
    ('{"resource": 1}', "an object is needed here", 1),
    ('{"a": 1, "a": 2}', "'a' is set twice", 1),
    ("", "a value is missing before the end of the file", 1),
]


@pytest.mark.parametrize(("text", "message", "line"), WRONG, ids=[case[0] for case in WRONG])
def test_faults(text: str, message: str, line: int) -> None:
    faults = parse_json(text.encode()).faults
    assert len(faults) == 1
    if "${b" not in text:
        assert faults[0].message == message
    assert faults[0].line == line


def test_what_stands_before_a_fault_is_kept() -> None:
    got = parse_json(b'{"locals": {"a": 1}, "output": {"b": {"value": 2, ]')
    assert outline(got.body) == "locals{a=1} output b{value=2}"


@pytest.mark.parametrize("text", [b"[" * 200, b'{"a":' * 200, b"[" + b"1," * 250_000 + b"1]"])
def test_limits(text: bytes) -> None:
    with pytest.raises(LimitExceeded):
        parse_json(text)
