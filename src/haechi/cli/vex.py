"""``haechi vex``: what this project says of the vulnerabilities in its dependencies."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from haechi import __version__
from haechi.cli.output import save
from haechi.cli.plain import plain
from haechi.errors import UsageError
from haechi.model.counting import counted

if TYPE_CHECKING:
    from haechi.cli.pipeline import Outcome
    from haechi.report.vex.claims import Gone

FORMATS = ("openvex", "cyclonedx", "csaf")

EPILOG = """\b
Examples:
  haechi vex -o shop.openvex.json
  haechi vex --product pkg:oci/shop@sha256:… --author "Shop <https://shop.example>" --format csaf
  haechi vex --baseline last-release.json -o shop.openvex.json

\b
Findings whose waiver has a `justification` are stated as not_affected; other waived ones as
affected, with the waiver's reason as what was decided; open ones as affected, with the fix.
--baseline: an earlier JSON report; what it holds and this scan does not is stated as fixed.
Exit codes: 0 written, 2 wrong use, 3 written, and something could not be evaluated.
"""


@click.command(name="vex", epilog=EPILOG)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--format", "format_", type=click.Choice(FORMATS), default=FORMATS[0])
@click.option("-o", "--output", type=click.Path(path_type=Path), help="a file  [standard output]")
@click.option(
    "--product", metavar="PURL", help="what is spoken of  [deps.product, else the folder]"
)
@click.option("--author", metavar="'NAME <URL>'", help="who says so; CSAF needs the URL, too")
@click.option("--under-investigation", is_flag=True, help="state open findings as such")
@click.option("--baseline", type=click.Path(path_type=Path), help="an earlier JSON report")
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    format_: str,
    output: Path | None,
    product: str | None,
    author: str | None,
    under_investigation: bool,
    baseline: Path | None,
) -> None:
    """Write a VEX document about PATH (this folder by default), from a scan and its waivers."""
    from haechi.cli.pipeline import Options, run
    from haechi.cli.product import product_of
    from haechi.report.sbom_frame import Origin, time_told
    from haechi.report.vex import render
    from haechi.report.vex.claims import claims_of

    outcome = run(Options(path=path, only=("deps",)))
    claims = claims_of(
        outcome.material,
        gone=tuple(_gone(baseline, outcome)) if baseline else (),
        investigating=under_investigation,
    )
    origin = Origin(
        made=time_told(os.environ, dt.datetime.now(dt.UTC)),
        version=__version__,
        author=(author or "").strip(),
    )
    text = render(claims, product_of(outcome.project, product), origin, format_)
    if output is None:
        sys.stdout.write(text)
    else:
        save(output, text)
        click.echo(plain(f"wrote {output}: {counted(len(claims), 'statement')}"), err=True)
    gaps = outcome.material.scan.coverage.open_gaps
    for gap in gaps[:10]:
        click.echo(plain(f"haechi: not evaluated: {gap.path}: {gap.reason}"), err=True)
    ctx.exit(3 if gaps else 0)


class _Place(msgspec.Struct, frozen=True):
    path: str = ""


class _Earlier(msgspec.Struct, frozen=True):
    rule: str
    fingerprint: str
    domain: str = ""
    resource: str = ""
    aliases: tuple[str, ...] = ()
    location: _Place = _Place()


class _Report(msgspec.Struct, frozen=True):
    findings: list[_Earlier]


def _gone(baseline: Path, outcome: Outcome) -> Iterator[Gone]:
    """Vulnerabilities of an earlier report that this scan does not find any more, in files that
    it has looked at: of others nothing can be said."""
    from haechi.report.vex.claims import Gone

    try:
        report = msgspec.json.decode(baseline.read_bytes(), type=_Report)
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the baseline {baseline} cannot be read", do="give a haechi.scan/1 file"
        ) from error
    now = {finding.fingerprint for finding in outcome.material.scan.findings}
    for each in report.findings:
        if (
            each.domain == "deps"
            and each.resource.startswith("pkg:")
            and not each.rule.startswith("deps-")
            and each.fingerprint not in now
            and each.location.path in outcome.looked.files
        ):
            yield Gone(
                vulnerability=each.rule,
                aliases=each.aliases,
                package=each.resource,
                path=each.location.path,
            )
