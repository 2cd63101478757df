"""Scripts of RUN are split into simple commands."""

from __future__ import annotations

import pytest

from haechi.engines.dockerfile.shell import Command, command_of, split, walk


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a b", [("", "a b")]),
        ("a && b || c; d", [("", "a"), ("&&", "b"), ("||", "c"), (";", "d")]),
        ("a | b |& c", [("", "a"), ("|", "b"), ("|&", "c")]),
        ("a & b\nc", [("", "a"), ("&", "b"), ("\n", "c")]),
        ("a &&\n b", [("", "a"), ("&&", "b")]),
        ("(a; b) | c", [("", "a"), (";", "b"), ("|", "c")]),
        ("a # b && c\nd", [("", "a"), ("\n", "d")]),
        ("a#b", [("", "a#b")]),
        ("if a; then b; else c; fi", [("", "a"), (";", "b"), (";", "c")]),
        ("for x in 1 2; do a $x; done", [("", "for x in 1 2"), (";", "a $x")]),
        ("while ! a; do b; done", [("", "a"), (";", "b")]),
        ("{ a; } && b", [("", "a"), ("&&", "b")]),
        ("case $x in y) a ;; esac", [("", "case $x in y"), (")", "a")]),
        ("a 'b && c' \"d | e\"", [("", "a b && c d | e")]),
        ("a \\\n b", [("", "a b")]),
        ("a b\\ c", [("", "a b c")]),
        ("a >b 2>&1 </dev/null", [("", "a")]),
        ("cat <<EOF >f\na && b\nEOF\nc", [("", "cat"), ("\n", "c")]),
        ("", []),
        ("&& ;; |", []),
    ],
)
def test_splits_commands(script: str, expected: list[tuple[str, str]]) -> None:
    assert [(c.operator, " ".join(c.words)) for c in split(script)] == expected


@pytest.mark.parametrize(
    ("script", "inner"),
    [
        ("a $(b c)", ["b c"]),
        ("a `b c`", ["b c"]),
        ('a "$(b "$(c)")"', ["b $(c)", "c"]),
        ("a <(b)", ["b"]),
        ("a ${X:-y} $((1+2)) '$(b)'", []),
        ("sh -c 'b && c'", ["b", "c"]),
        ("bash -ec 'b'", ["b"]),
        ("eval b c", ["b c"]),
        ("X=$(b) a", ["b"]),
        ("bash x.sh b", []),
    ],
)
def test_finds_nested_commands(script: str, inner: list[str]) -> None:
    nested = [" ".join(c.words) for top in split(script) for c in walk(top.inner)]
    assert nested == inner


@pytest.mark.parametrize(
    ("script", "argv", "wrappers"),
    [
        ("sudo -E -u root apt-get update", ("apt-get", "update"), ("sudo",)),
        ("env A=1 b", ("b",), ("env",)),
        ("sudo env A=1 timeout -s KILL 5 b c", ("b", "c"), ("sudo", "env", "timeout")),
        ("exec /usr/bin/b", ("/usr/bin/b",), ("exec",)),
        ("xargs -n 1 rm", ("rm",), ("xargs",)),
        ("sudo", ("sudo",), ()),
        ("env", ("env",), ()),
    ],
)
def test_takes_wrappers_away(script: str, argv: tuple[str, ...], wrappers: tuple[str, ...]) -> None:
    (command,) = split(script)
    assert (command.argv, command.wrappers) == (argv, wrappers)


def test_reads_assignments_and_redirects() -> None:
    (command,) = split("A=1 B='c d' env E=2 run --x=y >>out")
    assert command.assignments == (("A", "1"), ("B", "c d"), ("E", "2"))
    assert command.redirects == ((">>", "out"),)
    assert (command.name, command.args) == ("run", ("--x=y",))


@pytest.mark.parametrize(
    ("words", "option", "given"),
    [
        ("apt-get -qy install", "-y", True),
        ("apt-get install --yes", "--yes", True),
        ("apt-get install --assume-yes=true", "--assume-yes", True),
        ("apt-get install --yesterday", "--yes", False),
        ("apt-get install", "-y", False),
        ("apt-get --quiet", "-y", False),
    ],
)
def test_knows_options(words: str, option: str, given: bool) -> None:
    assert command_of(words.split()).has(option) is given


def test_nested_scripts_stay_cheap() -> None:
    script = "x"
    for _ in range(12):
        script = f'sh -c "$(sh -c {script!r})"'
    assert len(list(walk(split(script)))) < 500


@pytest.mark.parametrize(
    "script", ["$(" * 3000, "(" * 3000, "`" * 3001, "'", '"', "${" * 3000, "\\"]
)
def test_open_ends_terminate(script: str) -> None:
    assert all(isinstance(command, Command) for command in walk(split(script)))
