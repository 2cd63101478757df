"""``haechi policy``: policies at the door, tried before the door."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "check": "would these files be let in: one answer per object, by every policy",
    "eval": "one object, one answer, explained: policy, rule, line, value",
    "test": "run gator suites",
    "pod-security": "judge pods by a level of the Pod Security Standards",
    "simulate": "what new policies would change, in files, a cluster or recorded requests",
    "export": "write policies as ValidatingAdmissionPolicy or Gatekeeper objects",
    "list": "the policies of a folder, what they match, and which protect nothing",
}
"""Name → one line of help. The module ``haechi.cli.policy_<name>`` holds ``command``."""
EPILOG = """\b
Examples:
  haechi policy check deploy/                           by haechi's sensible defaults
  haechi policy check deploy/ --policies policies/      by yours
  haechi policy eval --policies policies/ --resource pod.yaml
  haechi policy test policies/ --format json
  haechi policy pod-security --level restricted --version v1.33 deploy/*.yaml
  haechi policy simulate --policies policies-next/ --dump cluster/

\b
Policies: Gatekeeper's templates and constraints, ValidatingAdmissionPolicies with their
bindings, PolicyPack, ImagePolicy and PolicyRollout of haechi.dev, in any mixture.
Exit codes: 0 all let in, 1 something is refused, 2 wrong use, 3 something could not be judged.
"""


class _Lazy(click.Group):
    """Imports one subcommand when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"haechi.cli.policy_{cmd_name.replace('-', '_')}"
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(name="policy", cls=_Lazy, epilog=EPILOG)
def command() -> None:
    """Judge by the policies of the door: check, explain, test, simulate, export."""
