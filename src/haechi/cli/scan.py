"""``haechi`` and ``haechi scan``: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi.cli.output import save
from haechi.cli.screen import Screen, clear_progress, language, progress, screen
from haechi.errors import UsageError
from haechi.model.severity import Severity
from haechi.report import FORMATS, write
from haechi.report.text import inert

if TYPE_CHECKING:
    from haechi.cli.push import Receiver
    from haechi.report.material import Material

EPILOG = """\b
Examples:
  haechi scan
  haechi scan deploy/ --only iac --fail-on critical
  haechi scan --baseline git:origin/main --format markdown -o comment.md
  haechi scan --only secrets --since origin/main..HEAD
  haechi scan --staged
  haechi scan --format sarif -o haechi.sarif --format html -o report.html
  haechi scan --push https://haechi.example.org

\b
Each --format takes the -o that follows in order; without -o it goes to standard output.
When all go to files, the first screen is shown.
--baseline: findings that were there already are `known` and do not block.
--push: the token comes from HAECHI_TOKEN, HAECHI_TOKEN_FILE or the pipeline's OpenID token.
"""

_MARKUP = {"hash_": "&#35;", "colon": "&#58;"}
_JSON = {"hash_": "\\u0023"}
_SIGNS = {"json": _JSON, "sarif": _JSON, "html": _MARKUP, "junit": _MARKUP}
"""How a format writes the signs that CI servers take for commands; see ``inert``."""


@click.command(name="scan", epilog=EPILOG)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--only", multiple=True, metavar="DOMAIN", help="look at this alone: iac, secrets, deps"
)
@click.option(
    "--fail-on",
    type=click.Choice([str(severity) for severity in Severity]),
    help="block at this severity or worse  [haechi.yaml, else high]",
)
@click.option("--baseline", metavar="FILE|git:REF", help="an earlier JSON report, or a commit")
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(list(FORMATS)), help="repeatable"
)
@click.option("-o", "--output", "outputs", multiple=True, type=click.Path(path_type=Path))
@click.option("--since", metavar="A..B", help="secrets: commits of this range")
@click.option("--branch", metavar="NAME", help="secrets: the history of this branch")
@click.option("--staged", is_flag=True, help="secrets: what is about to be committed, alone")
@click.option("--no-history", is_flag=True, help="secrets: files alone, not git's history")
@click.option(
    "--verify",
    is_flag=False,
    flag_value="all",
    metavar="[NAMES]",
    help="secrets: ask their providers (all, or github,aws) whether they still work",
)
@click.option(
    "--push",
    is_flag=False,
    flag_value="",
    metavar="[URL]",
    help="send the result to a server (HAECHI_SERVER), and honour its waivers",
)
@click.option(
    "--sbom", multiple=True, type=click.Path(path_type=Path), help="deps: judge this SBOM, too"
)
@click.option(
    "--vex", multiple=True, type=click.Path(path_type=Path), help="deps: honour this VEX document"
)
@click.option("--product", metavar="PURL", help="deps: what VEX documents call this project")
@click.option("--no-ignore", is_flag=True, help="look at what .gitignore leaves out, too")
@click.option("-v", "--verbose", is_flag=True, help="known and waived findings, reasons, repeats")
@click.option("--summary", is_flag=True, help="the first screen instead of every finding")
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    only: tuple[str, ...],
    fail_on: str | None,
    baseline: str | None,
    formats: tuple[str, ...],
    outputs: tuple[Path, ...],
    since: str | None,
    branch: str | None,
    staged: bool,
    no_history: bool,
    verify: str | None,
    push: str | None,
    sbom: tuple[Path, ...],
    vex: tuple[Path, ...],
    product: str | None,
    no_ignore: bool,
    verbose: bool,
    summary: bool,
) -> None:
    """Judge PATH (this folder by default) and decide whether a pipeline may go on."""
    from haechi.cli.pipeline import Options, run

    _check_targets(formats, outputs)
    domains = tuple(name for value in only for name in value.split(",") if name)
    _check_history(
        {"--since": since, "--branch": branch, "--verify": verify},
        {"--staged": staged, "--no-history": no_history},
        domains,
    )
    receiver = None if push is None else _receiver(push, path)
    if receiver:
        ctx.call_on_close(receiver.close)
    options = Options(
        path=path,
        waivers=receiver.waivers() if receiver else (),
        history=not no_history,
        since=since or "",
        branch=branch or "",
        staged=staged,
        ignored=no_ignore,
        verify=verify,
        only=domains,
        fail_on=Severity(fail_on) if fail_on else None,
        baseline=baseline,
        progress=progress(),
        sboms=sbom,
        vex=vex,
        product=product,
    )
    outcome = run(options)
    clear_progress()
    material = outcome.material
    for name, target in zip(formats, outputs, strict=False):
        plain = Screen(width=100, colour=False, ascii=False)
        save(target, _text(material, name, verbose, plain))
    rest = formats[len(outputs) :]
    for name in rest:
        text = _text(material, name, verbose, screen(sys.stdout))
        text = inert(text, **_SIGNS.get(name, {}))
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    if not rest and (summary or (formats and not verbose)):
        _show_summary(material)
    elif not rest:
        sys.stdout.write(inert(_text(material, "terminal", verbose, screen(sys.stdout))))
    code = material.decision.exit_code
    if receiver:
        from haechi.gate.decide import worst_exit

        code = worst_exit([code, receiver.take(outcome, options)])
    ctx.exit(code)


def _receiver(url: str, path: Path) -> Receiver:
    from haechi.cli.push import receiver

    return receiver(url, path)


def bare() -> int:
    """``haechi`` alone: the first screen for this folder."""
    from haechi.cli.pipeline import Options, run

    outcome = run(Options(path=Path(), progress=progress()))
    clear_progress()
    _show_summary(outcome.material)
    return outcome.material.decision.exit_code


def _check_history(
    texts: dict[str, str | None], flags: dict[str, bool], only: tuple[str, ...]
) -> None:
    """Options that choose a part of what is looked at for secrets.

    An empty text is what a script passes whose variable is not set: it must not mean everything
    (or, worse, nothing).
    """
    for name, text in texts.items():
        if text is not None and not text.strip():
            raise UsageError(f"{name} is empty", do="is a variable of the script not set?")
    asked = {name: text is not None for name, text in texts.items()} | flags
    named = [name for name, value in asked.items() if value and name != "--verify"]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} exclude each other", do="name one of them")
    if only and "secrets" not in only:
        idle = [name for name, value in asked.items() if value and name != "--no-history"]
        if idle:
            raise UsageError(
                f"{idle[0]} is about secrets, which --only {','.join(only)} leaves out",
                do=f"leave {idle[0]} out, or add --only secrets",
            )


def _check_targets(formats: tuple[str, ...], outputs: tuple[Path, ...]) -> None:
    if len(outputs) > len(formats):
        raise UsageError("more -o than --format", do="write --format F -o FILE for each file")
    if len(formats) - len(outputs) > 1:
        raise UsageError(
            "several formats on standard output", do="give all but one of them -o FILE"
        )


def _text(material: Material, name: str, verbose: bool, on: Screen) -> str:
    if name == "terminal":
        from haechi.report.terminal import full

        return full(material, width=on.width, colour=on.colour, verbose=verbose, ascii=on.ascii)
    if name == "html":
        from haechi.report.html import render

        return render(material, lang=language())
    return write(material, name)


def _show_summary(material: Material) -> None:
    from haechi.report.terminal_summary import summary

    out = screen(sys.stdout)
    sys.stdout.write(inert(summary(material, width=out.width, colour=out.colour, ascii=out.ascii)))
