"""``haechi policy list``: the policies of a folder, and which protect nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from haechi.cli.policy_inputs import policy_options, read_policies

EPILOG = """\b
Examples:
  haechi policy list --policies policies/
  haechi policy list --pack sensible --format json

\b
Exit codes: 0 all are in force, 2 wrong use, 3 something cannot be loaded or protects nothing.
"""


@click.command(name="list", epilog=EPILOG)
@policy_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context, policies: tuple[Path, ...], packs: tuple[str, ...], form: str
) -> None:
    """List policies with their effect, and name what does not do what it looks like."""
    from haechi.cli.policy_words import fault_json, told_faults, told_gaps

    given = read_policies(policies, packs)
    held = given.policies
    if form == "json":
        made = {
            "generation": held.generation,
            "policies": [msgspec.to_builtins(info) for info in held.infos()],
            "faults": [fault_json(fault) for fault in held.faults],
            "not_read": [msgspec.to_builtins(gap) for gap in given.gaps],
        }
        sys.stdout.write(msgspec.json.encode(made).decode() + "\n")
    else:
        from haechi.cli.screen import screen
        from haechi.report.ink import Ink
        from haechi.report.text import inert, one_line

        on = screen(sys.stdout)
        ink = Ink(width=on.width, colour=on.colour, ascii=on.ascii)
        width = max((len(policy.info.id) for policy in held.policies), default=0)
        lines = []
        for policy in held.policies:
            info = policy.info
            effects = "+".join(effect.value for effect in info.effects)
            title = one_line(info.title)
            lines.append(
                f"{info.id:<{min(width, 60)}}  {effects:<10}  {info.failure.value:<6}  {title}"
            )
        lines += told_faults(held.faults, ink)
        lines += told_gaps(given.gaps, ink)
        mutators = f", {len(held.mutators)} mutations" if held.mutators else ""
        lines += ["", f"{len(held.policies)} policies{mutators}, generation {held.generation}"]
        sys.stdout.write(inert("\n".join(lines).lstrip("\n")) + "\n")
    ctx.exit(3 if given.gaps or any(fault.fatal for fault in held.faults) else 0)
