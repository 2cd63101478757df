"""``haechi policy export``: policies as the API server's or Gatekeeper's own objects."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi.cli.policy_inputs import policy_options, read_policies
from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.admit.export.portable import Export, Left
    from haechi.model.coverage import Gap

EPILOG = """\b
Examples:
  haechi policy export --vap -p policies/ -o vap.yaml
  haechi policy export --gatekeeper -p policies/ --skip | kubectl apply -f -
  haechi policy export --vap --pack pss-baseline

\b
A policy is written only where the target says the same; every other is named with the reason, on
standard error and in the file. A PolicyRollout is written as it stands today.
Exit codes: 0 all written (or --skip), 2 wrong use, 3 something could not be expressed.
"""
_SHOWN = 4


@click.command(name="export", epilog=EPILOG)
@click.option("--vap", "form", flag_value="vap", help="ValidatingAdmissionPolicies and bindings")
@click.option(
    "--gatekeeper", "form", flag_value="gatekeeper", help="constraint templates and constraints"
)
@policy_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="instead of the screen"
)
@click.option("--skip", is_flag=True, help="what cannot be expressed is no error")
@click.pass_context
def command(
    ctx: click.Context,
    form: str | None,
    policies: tuple[Path, ...],
    packs: tuple[str, ...],
    output: Path | None,
    skip: bool,
) -> None:
    """Write policies as ValidatingAdmissionPolicy or Gatekeeper objects with the same meaning."""
    if form not in ("vap", "gatekeeper"):
        raise UsageError("no format is named", do="say --vap or --gatekeeper")
    from haechi.admit.export import exported
    from haechi.admit.export.writing import written

    given = read_policies(policies, packs)
    today = dt.datetime.now(dt.UTC).date()
    found = exported(given.policies, given.documents, form=form, today=today)  # type: ignore[arg-type]
    _put(written(found, form=form, today=today), output)
    _tell(found, given.gaps)
    ctx.exit(3 if (found.left or given.gaps) and not skip else 0)


def _put(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error


def _tell(found: Export, gaps: tuple[Gap, ...]) -> None:
    """What was and was not written, on standard error: standard output is the file."""
    from haechi.report.text import inert, one_line

    lines = []
    alike: dict[tuple[str, str], list[Left]] = {}
    for left in found.left:
        alike.setdefault((left.reason, left.do), []).append(left)
    for (reason, do), several in alike.items():
        first = several[0]
        place = f"  {first.file}:{first.line}" if first.file and len(several) == 1 else ""
        names = ", ".join(one.policy for one in several[:_SHOWN])
        if len(several) > _SHOWN:
            names += f" and {len(several) - _SHOWN} more"
        lines.append(f"not exported  {one_line(names)}: {one_line(reason)}{place}")
        if do:
            lines.append(f"    {one_line(do)}")
    for hint in found.hints:
        lines.append(f"no policy needed  {one_line(hint.policy)}: {hint.text}")
        lines += [f"    {line}" for line in hint.lines]
    lines += [f"not read  {one_line(gap.path)}: {one_line(gap.reason)}" for gap in gaps]
    count = len({part.policy for part in found.parts})
    lines.append(f"{count} exported, {len(found.hints)} needed none, {len(found.left)} left out")
    sys.stderr.write(inert("\n".join(lines)) + "\n")
