"""``haechi policy simulate --history``: recorded requests of a server's clusters, asked again.

The requests stay where they are: the new policies are sent to the server, which judges them beside
those in force and answers with the difference, narrowed to what the asker may see. Every cluster
that the server follows is asked about.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.admit.simulate import Change, WhatIf
    from haechi.model.coverage import Gap

MOST_DAYS, MOST_FILES, MOST_BYTES = 90, 100, 1 << 20
_ANSWERS = {"denied": "refused", "error": "refused", "unjudged": "unjudged", "warned": "warned"}


def simulated_history(
    policies: Sequence[Path],
    packs: Sequence[str],
    history: str,
    server: str | None,
    form: str,
) -> int:
    """Ask the server and print what it answers; the exit code of ``haechi policy simulate``.

    Raises UsageError, and what a server that refuses is raised as.
    """
    from haechi.cli.asking import answer, connected

    days = _days(history)
    documents, gaps = _documents(policies)
    with connected(server) as client:
        listed = answer(client, "GET", "clusters")["items"]
        names = [str(one["name"]) for one in listed]
        if not names:
            raise UsageError(
                "the server follows no cluster that you may see",
                do="name one in its settings (`clusters`), or use --dump or --cluster",
            )
        found = {
            name: answer(
                client,
                "POST",
                "policies/what-if",
                body={
                    "cluster": name,
                    "policies": documents or [{"name": "none", "text": ""}],
                    "packs": list(packs),
                    "over": "history",
                    "days": days,
                },
            )
            for name in names
        }
    if form == "json":
        made = {"days": days, "clusters": found, "not_read": [msgspec.to_builtins(g) for g in gaps]}
        sys.stdout.write(msgspec.json.encode(made).decode() + "\n")
    else:
        _print(found, gaps)
    return _code(found, gaps)


def _days(history: str) -> int:
    """Whole days of a span, begun ones counted."""
    from haechi.engines.spans import span_seconds

    seconds = span_seconds(history)
    if not seconds or seconds < 0:
        raise UsageError(f"--history {history!r} is no span", do="for example: 30d, 12h")
    days = math.ceil(seconds / 86_400)
    if days > MOST_DAYS:
        raise UsageError(f"requests are kept for {MOST_DAYS} days at most", do="say --history 90d")
    return days


def _documents(policies: Sequence[Path]) -> tuple[list[dict[str, str]], tuple[Gap, ...]]:
    """The texts as they are: the server reads them, so that its faults name their lines."""
    from haechi.world.manifests import read_manifests

    if not policies:
        return [], ()
    found = read_manifests(policies)
    if not found.files:
        raise UsageError(f"{', '.join(map(str, policies))}: no policies there")
    if len(found.files) > MOST_FILES:
        raise UsageError(
            f"{len(found.files)} files of policies; a server takes {MOST_FILES}",
            do="join some of them with `---` lines",
        )
    documents = []
    for name in found.files:
        data = Path(name).read_bytes()
        if len(data) > MOST_BYTES:
            raise UsageError(f"{name} is larger than {MOST_BYTES >> 20} MiB", do="part it")
        documents.append({"name": name[-400:], "text": data.decode("utf-8-sig", "replace")})
    return documents, found.gaps


# --- telling ----------------------------------------------------------------------------------


def _print(found: Mapping[str, Any], gaps: Sequence[Gap]) -> None:
    from haechi.cli.policy_simulate import changes_told, totals_told
    from haechi.cli.screen import screen
    from haechi.report.ink import Ink
    from haechi.report.text import inert, one_line

    on = screen(sys.stdout)
    ink = Ink(width=on.width, colour=on.colour, ascii=on.ascii)
    lines: list[str] = []
    for name, told in found.items():
        heading = [ink.paint(f"cluster {one_line(name)}", "bold")] if name != "-" else []
        changes = as_simulated(told)
        lines += ["", *heading, *changes_told(changes, ink)]
        lines += [f"! {one_line(text)}" for text in told["faults"]]
        lines += [f"? {one_line(text)}" for text in told["gaps"]]
        unjudged = told["counts"]["not_evaluated"]
        lines += [f"{unjudged:,} could not be judged by the new policies"] if unjudged else []
        lines += totals_told(changes)
    lines += [f"? {one_line(gap.path)}: {one_line(gap.reason)}" for gap in gaps]
    sys.stdout.write(inert("\n".join(lines).lstrip("\n")) + "\n")


def as_simulated(told: Mapping[str, Any]) -> WhatIf:
    """A server's answer in the terms of a simulation in this process."""
    from haechi.admit.simulate import WhatIf

    counts = told["counts"]
    changes = tuple(_changes(told))
    fresh = Counter[str]()
    for one in told["appeared"]:
        if _answer(one["after"]) == "refused":
            fresh[one["namespace"]] += 1
    return WhatIf(
        judged=counts["judged"],
        before={"refused": counts["denied_before"], "warned": counts["warned_before"]},
        after={"refused": counts["denied_after"], "warned": counts["warned_after"]},
        changes=changes,
        changed=len(changes) + told["left_out"],
        policies=(),
        by_namespace=dict(sorted(fresh.items())),
    )


def _changes(told: Mapping[str, Any]) -> Iterator[Change]:
    from haechi.admit.simulate import Answer, Change

    for one in (*told["appeared"], *told["changed"], *told["disappeared"]):
        space = f"{one['namespace']}/" if one["namespace"] not in ("", "-") else ""
        words = [one["operation"], one["kind"], f"{space}{one['name']}"]
        if one["user"]:
            words.append(f"by {one['user']}")
        if one["count"] > 1:
            words.append(f"({one['count']:,} times)")
        yield Change(
            resource=one["object"],
            label=" ".join(word for word in words if word),
            namespace=one["namespace"],
            operation=one["operation"],
            before=Answer(_answer(one["before"])),
            after=Answer(_answer(one["after"])),
            appeared=tuple(one["appeared"]),
            disappeared=tuple(one["disappeared"]),
            policies=tuple(one["policies"]),
            user=one["user"],
        )


def _answer(outcome: str) -> str:
    return _ANSWERS.get(outcome, "let-in")


def _code(found: Mapping[str, Any], gaps: Sequence[Gap]) -> int:
    """As without a server: 1 more would be refused, 3 something could not be judged."""
    if any(as_simulated(told).newly_refused for told in found.values()):
        return 1
    unknown = any(
        told["faults"] or told["gaps"] or told["counts"]["not_evaluated"] for told in found.values()
    )
    return 3 if unknown or gaps else 0
