"""``haechi rules``: what is judged, why, and how to put it right."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

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
      haechi rules check policy/           check a directory of your own rules
    """


@command.command(name="list")
@click.option(
    "--severity",
    type=click.Choice([str(severity) for severity in Severity]),
    help="only this severity or worse",
)
@click.option("--tag", help="only rules with this tag, e.g. dead-control")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
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
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(rules), indent=2).decode())
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
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.pass_context
def check(ctx: click.Context, directory: Path) -> None:
    """Check a directory of your own rules. Loads them and runs every example.

    \b
    Example:
      haechi rules check policy/

    Exit codes: 0 every rule loads and its examples hold, 2 something is wrong.
    """
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
    ctx.exit(2 if lines else 0)


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
