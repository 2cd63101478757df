"""Whatever a text says: it is read in bounds, and what was read stands inside it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.hcl.evaluate import Budget, EvalFault, evaluate
from haechi.engines.hcl.parse import parse, parse_expression, parse_template
from haechi.engines.hcl.parse_json import parse_json
from haechi.engines.hcl.tree import Body, File, Node
from haechi.errors import LimitExceeded
from tests.engines.hcl.test_evaluate import NAMES, VALUES
from tests.engines.hcl.values import Scope, attribute, unset

SAMPLE = """# why
variable "region" {
  type    = list(object({ a = string, b = optional(number, 3) }))
  default = [{ a = "x" }]
}

resource "aws_s3_bucket" "b" {
  bucket = "é-${var.region}-%{ if var.on ~} on %{~ else }off%{ endif }"
  tags   = { for k, v in local.tags : k => upper(v)... if v != null }
  policy = <<-EOT
    { "Resource": "${aws_s3_bucket.b.arn}/*" }
  EOT
  ids    = aws_instance.web[*].network[0].id /* all */
  size   = -1 + 2 * (3 - var.x ? 4 : 5) // sum

  dynamic "rule" {
    for_each = [1, 2,]
    content { enabled = !true && f(a, b...) }
  }
}
"""
JSON = '{"resource": {"a": {"b": {"c": "x-${var.d}", "e": [1, null], "lifecycle": {}}}}}'
PIECES = ['"', "${", "%{", "}", "{", "<<E\n", "E\n", "(", "[", "]", "\n", "\\", "/*", "#", "é", "~"]


@st.composite
def mutated(draw: st.DrawFn, sample: str) -> str:
    """The sample with a few pieces cut out and put in."""
    text = sample
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 6))
        text = text[:at] + draw(st.sampled_from([*PIECES, ""])) + text[at + cut :]
    return text


def spans(value: Any) -> list[tuple[int, int, int, int]]:
    """Every span in a tree."""
    found: list[tuple[int, int, int, int]] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, (tuple, list)):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, msgspec.Struct):
            found.extend(
                getattr(item, name) for name in ("span", "head", "name_span") if hasattr(item, name)
            )
            stack.extend(
                getattr(item, name)
                for name in item.__struct_fields__
                if name not in ("span", "head", "name_span")
            )
    return found


def assert_inside(file: File, text: str) -> None:
    lines = text.removeprefix("\ufeff").split("\n")
    assert isinstance(file.body, Body)
    for line, column, end_line, end_column in spans(file.body):
        assert 1 <= line <= end_line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
        assert 1 <= end_column <= len(lines[end_line - 1]) + 1
        assert (line, column) <= (end_line, end_column)
    for fault in file.faults:
        assert 1 <= fault.line <= len(lines)
        assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1
    for comment in file.comments:
        assert 1 <= comment.line <= comment.end_line <= len(lines)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_is_read(text: str) -> None:
    data = text.encode("utf-8", "replace")
    assert_inside(parse(data), data.decode())
    assert_inside(parse_json(data), data.decode())
    parse_template(text)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read(data: bytes) -> None:
    parse(data)
    parse_json(data)


@settings(max_examples=300, deadline=None)
@given(mutated(SAMPLE))
def test_mutated_files_are_read(text: str) -> None:
    assert_inside(parse(text.encode()), text)


@settings(max_examples=100, deadline=None)
@given(mutated(JSON))
def test_mutated_json_is_read(text: str) -> None:
    assert_inside(parse_json(text.encode()), text)


ATOMS = st.sampled_from(
    ["1", '"a"', "u", "arn", "null", "true", "one", "rows", "table", "names", "0.5", '"${u}x"']
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: f"({p[0]} + {p[1]})"),
        pair.map(lambda p: f"({p[0]} == {p[1]})"),
        pair.map(lambda p: f"({p[0]} && {p[1]})"),
        pair.map(lambda p: f"[{p[0]}, {p[1]}]"),
        pair.map(lambda p: f"{{a = {p[0]}, (try({p[1]}, 1)) = 2}}"),
        pair.map(lambda p: f"[for k, v in {p[0]} : {p[1]}]"),
        pair.map(lambda p: f"({p[0]} ? {p[1]} : {p[0]})"),
        inner.map(lambda e: f"{e}[0]"),
        inner.map(lambda e: f"{e}[*].a"),
        inner.map(lambda e: f'"x${{{e}}}"'),
        st.tuples(
            st.sampled_from(
                ["jsonencode", "length", "flatten", "toset", "keys", "merge", "concat", "upper"]
            ),
            inner,
        ).map(lambda p: f"{p[0]}({p[1]})"),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(ATOMS, compound, max_leaves=12))
def test_evaluation_gives_a_value_or_a_placed_fault(text: str) -> None:
    node, faults = parse_expression(text)
    assert not faults
    budget = Budget(steps=20_000, size=200_000)
    try:
        evaluate(node, Scope({**NAMES, "u": unset(), "arn": attribute()}), budget)
    except EvalFault as fault:
        assert fault.span is not None
    except LimitExceeded:
        pass
    assert budget.depth == Budget().depth


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([text for text, _ in VALUES]), st.data())
def test_unknown_in_place_of_a_known_value_never_changes_what_is_known(
    text: str, data: st.DataObject
) -> None:
    """Make one name unknown: a result that is still known must be the same."""
    name = data.draw(st.sampled_from(sorted(NAMES)))
    node, _ = parse_expression(text)
    known = evaluate(node, Scope(NAMES), Budget())
    try:
        got = evaluate(node, Scope({**NAMES, name: unset(name)}), Budget())
    except EvalFault:
        return  # asked of a value of another type: Terraform tells that of unknown ones later
    assert agrees(got, known)


def agrees(got: Any, known: Any) -> bool:
    from haechi.model.unknown import Unknown

    if isinstance(got, Unknown):
        return True
    if isinstance(got, dict) and isinstance(known, dict):
        return got.keys() == known.keys() and all(agrees(got[key], known[key]) for key in got)
    if isinstance(got, list) and isinstance(known, list):
        return len(got) == len(known) and all(map(agrees, got, known))
    return bool(got == known)


def test_spans_are_looked_at() -> None:
    file = parse(SAMPLE.encode())
    assert not file.faults
    assert len(spans(file.body)) > 80
    assert isinstance(file.body.blocks[1].body.attributes["tags"].value, Node)
