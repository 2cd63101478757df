"""A group of commands that knows them by name and imports one only when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """``known`` are names with one line of help each; the module of one is ``module`` with its
    name filled in (``haechi.cli.policy_{}``), dashes as underscores, and holds ``command``."""

    known: Mapping[str, str] = {}
    module = "haechi.cli.{}"

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.known:
            return None
        module = importlib.import_module(self.module.format(cmd_name.replace("-", "_")))
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.known.items()))
