"""``haechi webhook``: the admission webhook: serve it, register it, look at its certificates."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "serve": "answer admission reviews over TLS by policies",
    "replay": "put recorded requests to a webhook that is started for them",
    "manifest": "write what registers and deploys the webhook, for these policies only",
    "certs": "show the webhook's certificates, and whether API servers trust them",
}
"""Name → one line of help. The module ``haechi.cli.webhook_<name>`` holds ``command``."""
EPILOG = """\b
Examples:
  haechi webhook manifest --policies policies/ --deploy | kubectl apply -f -
  haechi webhook serve --policies policies/ --certificates /var/lib/haechi
  haechi webhook serve --git /srv/policies --ref main --in-cluster
  haechi webhook serve --cluster --in-cluster --server https://haechi.example.org
  haechi webhook certs --certificates /var/lib/haechi --in-cluster

\b
Guide: docs/guide/admission.md
"""


class _Lazy(click.Group):
    """Imports one subcommand when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"haechi.cli.webhook_{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(name="webhook", cls=_Lazy, epilog=EPILOG)
def command() -> None:
    """The admission webhook: policies where objects enter the cluster."""
