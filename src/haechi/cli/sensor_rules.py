"""What the rules ask of the sensor: places to watch, types of events, costly fields, variables."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from haechi.engines.falco.ruleset import Problem, Rule
    from haechi.world.sensor.sensor import Wants

ETC = ("/etc/",)
_SECRETS = (
    *(".ssh/", ".aws/", ".kube/", ".docker/", ".gnupg/", ".azure/", ".config/gcloud/", ".netrc"),
    *(".git-credentials", ".pgpass", ".bash_history", ".bashrc", ".profile", ".npmrc", ".pypirc"),
    *(".my.cnf", ".vault-token", ".boto", ".oci/", ".terraform.d/", ".cargo/credentials"),
    *(
        ".config/gh/",
        ".config/rclone/",
        ".config/openstack/",
        ".gem/credentials",
        ".m2/settings.xml",
    ),
    *(
        ".mozilla/firefox/",
        ".config/google-chrome/",
        ".config/chromium/",
        ".electrum/",
        ".bitcoin/",
    ),
)
_PLACES = ("/run/secrets/", "/var/run/secrets/", "/var/lib/kubelet/pki/", "/proc/1/environ")
ENVIRONMENT = frozenset({"LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"})
_ENVIRONMENTS = ("proc.env", "proc.aenv")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{1,63}(?==|\Z)")
_MOST_HOMES = 100
"""With all that is looked for in each they fit into the kernel's table beside the rules' places."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that are judged or watched for, and what was wrong with their files."""

    rules: tuple[Rule, ...] = ()
    problems: tuple[Problem, ...] = ()
    untold: int = 0


def known(files: Sequence[Path], *, builtin: bool = True) -> Known:
    """Our own pack, and the rules of ``files``."""
    from haechi.cli.rules_falco import rule_texts
    from haechi.engines.falco.basics import given
    from haechi.engines.falco.load import load

    rules: list[Rule] = []
    problems: list[Problem] = []
    if builtin:
        from haechi.runtime.pack import builtin as pack

        rules += pack().rules
    if files:
        texts = rule_texts(files)
        basic = given(texts).file
        loaded = load([*([basic] if basic else []), *texts])
        rules += loaded.rules
        problems += [one for one in loaded.problems if one.error]
    kept = tuple(one for one in rules if one.enabled and one.source == "syscall")
    return Known(rules=kept, problems=tuple(problems))


def of_rows(rows: Iterable[dict[str, Any]]) -> Known:
    """The rules of the server's list, but for those that are known here as well."""
    from haechi.engines.falco.basics import given
    from haechi.engines.falco.load import load
    from haechi.engines.falco.ruleset import RuleText

    items = [_item(row) for row in rows if row.get("origin") != "builtin"]
    text = RuleText(name="server", text=msgspec.json.encode(items).decode())
    basic = given([text]).file
    loaded = load([*([basic] if basic else []), text])
    return Known(rules=loaded.rules, untold=len(items) - len(loaded.rules))


def _item(row: dict[str, Any]) -> dict[str, Any]:
    """A rule of the API as an item of a rule file (JSON is YAML, too)."""
    return {
        "rule": str(row.get("name") or ""),
        "condition": str(row.get("resolved") or row.get("condition") or ""),
        "desc": "of the server",
        "output": str(row.get("output") or "of the server"),
        "priority": "notice",
    }


def wants(
    rules: Iterable[Rule], also: Sequence[str] = (), *, root: str = "/"
) -> tuple[Wants, tuple[str, ...]]:
    """What these rules need; the names of those whose reads cannot be bounded to places. ``root``
    is where the machine's own ``/`` is mounted."""
    from haechi.engines.falco.watch import watch
    from haechi.world.sensor.sensor import Wants

    listed = tuple(rules)
    found = watch(listed, (*places(root), *also))
    types: set[str] = set()
    fields: set[str] = set()
    environment = set(ENVIRONMENT)
    for rule in listed:
        types |= rule.event_types or set()
        for name, argument in _fields(rule):
            fields.add(name)
            if name in _ENVIRONMENTS and argument and not argument.isdecimal():
                environment.add(argument)
        environment |= set(_variables(rule))
    return (
        Wants(
            watch=found.prefixes,
            types=frozenset(types),
            fields=frozenset(fields),
            environment=frozenset(environment),
        ),
        found.open_ended,
    )


def places(root: str = "/") -> tuple[str, ...]:
    """What is watched without any rule: settings of the machine, credentials in every home."""
    homes = ["/root"]
    with contextlib.suppress(OSError):
        names = sorted(entry.name for entry in os.scandir(Path(root, "home")))
        homes += [f"/home/{name}" for name in names[:_MOST_HOMES]]
    secrets = [f"{home}/{name}" for home in homes for name in _SECRETS]
    return (*ETC, *_PLACES, *secrets)


def _nodes(rule: Rule) -> Iterator[Any]:
    stack: list[Any] = [rule.condition]
    while stack:
        node = stack.pop()
        if isinstance(node, msgspec.Struct):
            yield node
            stack += (getattr(node, name) for name in node.__struct_fields__)
        elif isinstance(node, tuple):
            stack += node


def _variables(rule: Rule) -> Iterator[str]:
    """Variables that a test of the whole environment is about: it is kept by names, so
    ``proc.env icontains HTTP_PROXY`` asks for that one, in either case."""
    from haechi.engines.falco.syntax import Check, Field, Text

    for node in _nodes(rule):
        if not isinstance(node, Check) or not isinstance(node.left, Field):
            continue
        if node.left.name not in _ENVIRONMENTS or node.left.arg:
            continue
        right = node.right
        words = (right,) if isinstance(right, Text) else getattr(right, "values", ())
        for word in words:
            if found := _VARIABLE.match(word.value):
                yield from (found[0], found[0].upper(), found[0].lower())


def _fields(rule: Rule) -> Iterator[tuple[str, str]]:
    from haechi.engines.falco.output import used_fields
    from haechi.engines.falco.syntax import Field

    for node in _nodes(rule):
        if isinstance(node, Field):
            yield node.name, node.arg or ""
    for shown in used_fields(rule.output):
        name, _, argument = shown.partition("[")
        yield name, argument.removesuffix("]")
