"""``haechi sbom``: what a project is made of, as CycloneDX or SPDX."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi import __version__
from haechi.cli.output import save
from haechi.cli.plain import plain
from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.cli.project import Project
    from haechi.model.coverage import Gap
    from haechi.model.package import PackageFile
    from haechi.report.sbom_bill import Bill

FORMATS = ("cyclonedx-json", "spdx-json")

EPILOG = """\b
Examples:
  haechi sbom -o bom.json
  haechi sbom --format spdx-json -o shop.spdx.json
  haechi sbom --with-vulnerabilities --product pkg:generic/shop@1.4.0 -o bom.json

\b
The same files give the same bytes when SOURCE_DATE_EPOCH is set.
Exit codes: 0 written, 2 wrong use, 3 written, and it says itself that it is not complete.
"""


@click.command(name="sbom", epilog=EPILOG)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--format", "format_", type=click.Choice(FORMATS), default=FORMATS[0])
@click.option("--spec", metavar="VERSION", help="1.6 (default) or 1.7; SPDX: 2.3")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="a file  [standard output]")
@click.option(
    "--product", metavar="PURL", help="what is described  [deps.product, else the folder]"
)
@click.option("--author", metavar="NAME", help="who makes the SBOM")
@click.option("--with-vulnerabilities", is_flag=True, help="CycloneDX: what a scan finds, too")
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    format_: str,
    spec: str | None,
    output: Path | None,
    product: str | None,
    author: str | None,
    with_vulnerabilities: bool,
) -> None:
    """List the packages of PATH (this folder by default): versions, licences, digests, edges.

    What lock files and manifests pin is read; nothing is downloaded and nothing is run.
    """
    from haechi.report.sbom_frame import Origin, time_told

    spdx = format_.startswith("spdx")
    if with_vulnerabilities and spdx:
        raise UsageError("SPDX 2.3 has no place for vulnerabilities", do="use cyclonedx-json")
    origin = Origin(
        made=time_told(os.environ, dt.datetime.now(dt.UTC)),
        version=__version__,
        author=(author or "").strip(),
    )
    bill = _bill(path, product)
    entries, gaps = _judged(path, bill) if with_vulnerabilities else ((), ())
    if spdx:
        from haechi.report.spdx import render as as_spdx

        text = as_spdx(bill, origin, spec=spec or "2.3")
    else:
        from haechi.report.cyclonedx import render as as_cyclonedx

        text = as_cyclonedx(bill, origin, spec=spec or "1.6", vulnerabilities=entries)
    if output is None:
        sys.stdout.write(text)
    else:
        save(output, text)
    for sentence in bill.missing[:10]:
        click.echo(plain(f"haechi: not complete: {sentence}"), err=True)
    for gap in gaps[:10]:
        click.echo(plain(f"haechi: not evaluated: {gap.path}: {gap.reason}"), err=True)
    ctx.exit(3 if bill.missing or gaps else 0)


def _bill(path: Path, product: str | None) -> Bill:
    from haechi.cli.product import product_of
    from haechi.cli.project import open_project
    from haechi.report.sbom_bill import bill_of

    project = open_project(path)
    about = product_of(project, product)
    files, gaps = _collected(project)
    return bill_of(files, gaps, name=about.name, version=about.version, purl=about.purl)


def _collected(project: Project) -> tuple[Sequence[PackageFile], Sequence[Gap]]:
    from haechi.cli.pipeline import tree_of
    from haechi.cli.sboms import named_documents
    from haechi.scan.deps.collect import collect
    from haechi.scan.deps.sbom import without_pinned

    found = collect(tree_of(project))
    named = named_documents(project, ())
    sboms = without_pinned(named.files, found.files)
    return (*found.files, *sboms), (*found.gaps, *named.gaps)


def _judged(path: Path, bill: Bill) -> tuple[Sequence[Mapping[str, Any]], Sequence[Gap]]:
    """What a scan finds as CycloneDX has it, pointing at the bill's components, and what it could
    not evaluate (which does not make the list of packages less complete)."""
    from haechi.cli.pipeline import Options, run
    from haechi.report.vex.claims import claims_of
    from haechi.report.vex.cyclonedx import entry

    outcome = run(Options(path=path, only=("deps",)))
    refs: dict[str, str] = {}
    for part in bill.parts:
        refs.setdefault(part.purl, part.ref)
    entries = [
        entry(claim, refs=[refs.get(purl, purl) for purl in claim.packages])
        for claim in claims_of(outcome.material)
    ]
    told = set(bill.missing)
    gaps = outcome.material.scan.coverage.open_gaps
    return entries, [gap for gap in gaps if f"{gap.path}: {gap.reason}" not in told]
