"""Exported documents as YAML that people read: words first, expressions in blocks."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from haechi.admit.export.portable import Document, Export, Part

_NUMBER = re.compile(r"[-+.0-9~]")
_LONG = 80
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class _Dumper(yaml.SafeDumper):
    """Block style, no aliases: what stands in two places is written in both."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None
    if "\n" in value or ("'" in value and '"' in value) or len(value) > _LONG:
        style = "|"
    elif _NUMBER.match(value):
        # 0o17, 1e3, 1_000: readers of YAML disagree about which of these are numbers
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    short = all(isinstance(one, str) and len(one) < 30 for one in value)
    flow = short and sum(map(len, value)) < _LONG
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def document(body: Document) -> str:
    """One document."""
    return yaml.dump(
        dict(body), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000
    )


def documents(bodies: Iterable[Document]) -> str:
    """Several, parted."""
    return "---\n".join(document(body) for body in bodies)


def written(export: Export, *, form: str, today: dt.date) -> str:
    """The whole file. What could not be written is named in it, as whoever applies it must know."""
    lines = [f"# {_FORMS[form]} of haechi policies, exported on {today} by `haechi policy export`."]
    lines += [f"# NOT exported: {_plain(one.policy)}: {_plain(one.reason)}" for one in export.left]
    pieces = ["\n".join(lines) + "\n"]
    pieces += [_hint(hint) for hint in export.hints]
    pieces += _parts(export.parts)
    return "".join(pieces)


_FORMS = {"vap": "ValidatingAdmissionPolicies", "gatekeeper": "Gatekeeper objects"}


def _parts(parts: Iterable[Part]) -> Iterator[str]:
    seen: set[str] = set()
    for part in parts:
        head = [f"# {_plain(part.policy)}", *(f"# {_plain(note)}" for note in part.notes)]
        for body in part.documents:
            text = document(body)
            if text in seen:
                continue
            seen.add(text)
            yield "---\n" + "\n".join(head) + ("\n" if head else "") + text
            head = []


def _hint(hint: Any) -> str:
    lines = [f"# {_plain(hint.policy)}: {hint.text}"]
    lines += [f"#   {_plain(line, strip=False)}" for line in hint.lines]
    return "\n".join(lines) + "\n"


def _plain(text: str, *, strip: bool = True) -> str:
    """One line of a comment: nothing that others wrote may begin a line of the document."""
    found = _CONTROL.sub(" ", text)
    return found.strip() if strip else found.rstrip()
