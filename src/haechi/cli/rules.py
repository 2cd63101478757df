"""``haechi rules``: what is judged, why, and how to put it right."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from haechi.cli.asking import echo_json, format_option
from haechi.cli.output import save
from haechi.cli.plain import plain
from haechi.errors import UsageError
from haechi.model.counting import counted
from haechi.model.severity import Severity
from haechi.rules.catalogue import Catalogue, load_catalogue
from haechi.rules.schema import Rule


@click.group(name="rules")
def command() -> None:
    """List, explain and document the rules.

    \b
    Examples:
      haechi rules list --severity high
      haechi rules show k8s-privileged
      haechi rules check falco_rules.yaml  dead and always-true Falco rules
      haechi rules check policy/           check a directory of your own rules
    """


@command.command(name="list")
@click.option(
    "--severity",
    type=click.Choice([str(severity) for severity in Severity]),
    help="only this severity or worse",
)
@click.option("--tag", help="only rules with this tag, e.g. dead-control")
@format_option
@click.argument("word", default="")
def list_(word: str, severity: str | None, tag: str | None, format_: str) -> None:
    """List the rules, one a line. WORD narrows to ids, titles and references that contain it.

    \b
    Examples:
      haechi rules list --severity high
      haechi rules list CKV_K8S_ --format json
    """
    rules = [rule for rule in _all().rules if _matches(rule, word)]
    if severity:
        rules = [rule for rule in rules if rule.severity.at_least(Severity(severity))]
    if tag:
        rules = [rule for rule in rules if tag in rule.tags]
    if format_ == "json":
        echo_json(rules)
        return
    width = max((len(rule.id) for rule in rules), default=0)
    for rule in rules:
        click.echo(f"{rule.severity:<8} {rule.id:<{width}}  {rule.title}")
    click.echo(counted(len(rules), "rule"), err=True)


@command.command()
@click.argument("rule_id", metavar="ID")
@click.option("--lang", type=click.Choice(["en", "ko"]), default="en")
def show(rule_id: str, lang: str) -> None:
    """Explain a rule: why, fix, examples. ID may be CKV_K8S_16 and such.

    \b
    Examples:
      haechi rules show k8s-privileged
      haechi rules show DL3002 --lang ko
    """
    rules = _find(_all(), rule_id)
    for number, rule in enumerate(rules):
        if number:
            click.echo("")
        click.echo(_explained(rule, lang))


@command.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def docs(directory: Path) -> None:
    """Write the pages of the rules. One Markdown page a family, into DIRECTORY.

    \b
    Example:
      haechi rules docs docs/rules
    """
    from haechi.rules.pages import pages

    for name, text in pages(_all()).items():
        save(directory / name, text)
        click.echo(f"wrote {directory / name}")


@command.command()
@click.argument(
    "paths",
    metavar="PATH...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True),
)
@format_option
@click.option(
    "--severity",
    type=click.Choice([str(severity) for severity in Severity]),
    help="Falco: faults of this severity or worse",
)
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...], format_: str, severity: str | None) -> None:
    """Check your own rules: files of Falco rules, or a directory of rules for haechi scan.

    Falco rules are loaded as Falco does, in the order given, and then looked through for
    rules that can never fire, that always do, that exclude nothing, and for ways around them.
    Of a directory of your own rules every example is run.

    \b
    Examples:
      haechi rules check falco_rules.yaml local_rules.yaml
      haechi rules check falco/ --severity medium --format json
      haechi rules check policy/

    \b
    Exit codes: 0 nothing of weight, 1 a Falco rule with a fault of high severity,
    2 something does not load or an example does not hold.
    """
    from haechi.cli.rules_falco import check_files, is_falco

    if all(is_falco(path) for path in paths):
        ctx.exit(check_files(paths, format_, severity))
    if len(paths) > 1:
        raise UsageError(
            "directories of your own rules are checked one at a time",
            do="haechi rules check POLICY/, and the files of Falco rules in a run of their own",
        )
    if format_ == "json" or severity:
        raise UsageError("--format json and --severity are for files of Falco rules")
    ctx.exit(_check_own(paths[0]))


@command.command()
@click.option("--falco", is_flag=True, help="as a rule file of Falco (the only format so far)")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="instead of standard output")
def export(falco: bool, output: Path | None) -> None:
    """Write the runtime detections as rules that Falco itself loads.

    The rules for flows and application logs stay out: Falco has no such events.

    \b
    Examples:
      haechi rules export --falco > haechi_rules.yaml
      haechi rules export --falco -o /etc/falco/rules.d/haechi.yaml
    """
    if not falco:
        raise UsageError("the format to export is not named", do="haechi rules export --falco")
    from haechi.rules.detections import falco_file

    if output:
        save(output, falco_file())
    else:
        click.echo(falco_file(), nl=False)


def _check_own(directory: Path) -> int:
    """Load a directory of rules for ``haechi scan`` and run every example."""
    from haechi.rules.user import load_user_rules
    from haechi.scan.examples import example_faults

    root = directory.resolve()
    rules, faults = load_user_rules(root.parent, [root.name], _all().by_id)
    lines = [str(fault) for fault in faults]
    lines += [fault for rule in rules for fault in example_faults(rule)]
    if not rules and not lines:
        lines = [f"{directory}: no rules in *.yaml files here"]
    for line in lines:
        click.echo(plain(line))
    click.echo(f"{counted(len(rules), 'rule')} read, {counted(len(lines), 'fault')}", err=True)
    return 2 if lines else 0


def _all() -> Catalogue:
    return load_catalogue()


def _matches(rule: Rule, word: str) -> bool:
    lowered = word.lower()
    refs = " ".join(ref for ids in rule.refs.values() for ref in ids)
    return lowered in f"{rule.id} {rule.title} {refs}".lower()


def _find(catalogue: Catalogue, rule_id: str) -> list[Rule]:
    rule = catalogue.by_id.get(rule_id)
    if rule is not None:
        return [rule]
    wanted = rule_id.lower()
    found = [
        rule
        for rule in catalogue.rules
        if any(wanted == ref.lower() for ids in rule.refs.values() for ref in ids)
    ]
    if found:
        return found
    import difflib

    if rule_id.startswith(("CVE-", "GHSA-", "GO-", "PYSEC-", "MAL-", "RUSTSEC-")):
        raise UsageError(
            f"{rule_id} names a vulnerability, which is no rule of the catalogue",
            do="`haechi scan --only deps` tells where it is and what to do; a waiver that names it "
            "accepts it",
        )
    near = difflib.get_close_matches(rule_id, catalogue.by_id, n=3, cutoff=0.5)
    raise UsageError(
        f"no rule {rule_id!r}",
        do=f"did you mean {', '.join(near)}?" if near else "haechi rules list shows them all",
    )


def _explained(rule: Rule, lang: str) -> str:
    text = rule.ko if lang == "ko" and rule.ko else rule
    parts = [
        f"{rule.id}  ({rule.severity})",
        text.title,
        "",
        *_paragraph("Why", text.why),
        *_paragraph("Fix", text.fix),
    ]
    if rule.snippet:
        parts += ["", textwrap.indent(rule.snippet.rstrip(), "    ")]
    if rule.fixer:
        risk = "; it changes behaviour" if rule.fixer.startswith("risky ") else ""
        parts += ["", f"haechi fix {rule.id} makes this change{risk}."]
    refs = ", ".join(f"{name}: {' '.join(ids)}" for name, ids in rule.refs.items())
    about = [f"applies to {', '.join(rule.applies_to.kinds)}", f"judge {rule.judge}"]
    if rule.cwe:
        about.append(" ".join(rule.cwe))
    if refs:
        about.append(refs)
    parts += [
        "",
        "; ".join(about),
        "",
        "Bad:",
        _example(rule.bad),
        "",
        "Good:",
        _example(rule.good),
    ]
    return "\n".join(parts)


def _paragraph(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        f"{head}: {' '.join(text.split())}", 88, subsequent_indent="     ", break_long_words=False
    )


def _example(examples: list[str]) -> str:
    return textwrap.indent(examples[0].rstrip(), "    ") if examples else ""
