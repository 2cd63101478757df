"""Scripts of steps: expressions stay whole, and what is read and shown is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.workflows.expressions import secrets_in
from haechi.checks.workflows.scripts import parse_script, reads_variable


def test_keeps_expressions_whole() -> None:
    script = parse_script("echo ${{ a || 'b; c' }} | tee x; ls ${{ d }}")
    words = [command.words for command in script.commands]
    assert words == [("echo", "${{ a || 'b; c' }}"), ("tee", "x"), ("ls", "${{ d }}")]


def test_puts_expressions_back_into_nested_commands() -> None:
    (command,) = parse_script('x="$(fetch ${{ secrets.A }})"').commands
    assert command.inner[0].words == ("fetch", "${{ secrets.A }}")


def test_an_expression_that_never_ends_is_text() -> None:
    assert parse_script("echo ${{ a").commands[0].name == "echo"


@pytest.mark.parametrize(
    ("word", "reads"),
    [
        ("$TOKEN", True),
        ("a${TOKEN}b", True),
        ("${TOKEN:-x}", True),
        ("${TOKEN%%.*}", True),
        ("${TOKEN:0:4}", True),
        ("$TOKENS", False),
        ("${TOKEN_FILE}", False),
        ("${#TOKEN}", False),
        ("${TOKEN:+set}", False),
        ("TOKEN", False),
        ("$OTHER $TOKEN", True),
    ],
)
def test_tells_when_a_variable_is_read(word: str, reads: bool) -> None:
    assert reads_variable(word, "TOKEN") is reads


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("cat <<EOF\nx\nEOF\n", ["x"]),
        ("cat <<-'END'\n\tx\n\tEND\n", ["\tx"]),
        ("cat <<EOF > file\nx\nEOF\n", []),
        ("cat <<EOF | kubectl apply -f -\nx\nEOF\n", []),
        ("kubectl apply -f - <<EOF\nx\nEOF\n", []),
        ("cat <<EOF\nnever closed", []),
    ],
)
def test_finds_documents_that_are_shown(script: str, shown: list[str]) -> None:
    assert list(parse_script(script).shown_documents()) == shown


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("${{ secrets.A }}", ("A",)),
        ("${{ secrets['b-c'] }} ${{ format('{0}', secrets.D) }}", ("b-c", "D")),
        ("${{ secrets.GITHUB_TOKEN }}", ()),
        ("${{ SECRETS.a || secrets.a }}", ("a",)),
        ("see secrets.md", ()),
        ("${{ github.token }}", ()),
    ],
)
def test_names_secrets(text: str, names: tuple[str, ...]) -> None:
    assert secrets_in(text) == names


@given(st.text(alphabet=st.sampled_from("${{}} \n'\"|&;<>()secrets.AECHO`\\\ue000"), max_size=300))
def test_splits_any_script(text: str) -> None:
    script = parse_script(text)
    assert len(script.commands) <= len(text)
    list(script.shown_documents())
    secrets_in(text)
