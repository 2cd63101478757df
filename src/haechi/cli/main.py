"""The ``haechi`` command: finds the subcommand, loads only its module, maps errors to exit codes.

Exit codes: 0 clean or below the threshold, 1 the gate blocks, 2 wrong use or configuration,
3 something in the asked scope could not be evaluated. Precedence 2 > 1 > 3 > 0.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import Any

import click

from haechi import __version__
from haechi.cli.lazy import LazyGroup
from haechi.cli.plain import plain
from haechi.errors import HaechiError

COMMANDS = {
    "scan": "judge a folder: findings, formats, gate",
    "fix": "make the mechanical corrections, with a diff and a proof",
    "patch": "a git branch with the fixes of one scan and the text of a pull request",
    "db": "advisories that dependencies are judged by: import, status",
    "sbom": "what a project is made of, as CycloneDX or SPDX",
    "vex": "what is to be said of its vulnerabilities, as OpenVEX, CycloneDX or CSAF",
    "rules": "list, explain and document the rules",
    "lock": "pin the rules that may block (haechi.lock)",
    "policy": "would it be let in: check files by admission policies, test, simulate",
    "webhook": "the admission webhook: serve, register, certificates",
    "runtime": "try rules in Falco's language on events",
    "sensor": "watch this machine: processes, files, connections, by rules (root)",
    "up": "the server with its page: scan a folder into it, keep, show, stream",
    "hunt": "run rules over stored events: what would have fired",
    "profile": "learnt behaviour of workloads: show, learn, freeze, explain",
    "incidents": "what detections mean together: list, show, acknowledge, close, silence",
    "respond": "responses to incidents: plan, approve, apply, undo, stop, policy",
    "alerts": "who is told of incidents: routes, deliveries, a test of a receiver",
    "api": "call a server's API",
    "store": "check, back up, restore and export what a server keeps",
    "audit": "read, prove and verify the signed audit log",
}
"""Name → one line of help. The module ``haechi.cli.<name>`` holds ``command``."""

TRACE = "HAECHI_TRACE"
EPILOG = """\b
Examples:
  haechi                              look at this folder, say what matters most
  haechi scan deploy/ --fail-on critical
  haechi scan --format sarif -o haechi.sarif --format markdown -o comment.md
  haechi scan --baseline git:origin/main
  haechi fix                          show safe corrections as a diff
  haechi rules show k8s-privileged

\b
Exit codes: 0 clean or below the threshold, 1 the gate blocks, 2 wrong use or
configuration, 3 something could not be evaluated (precedence 2 > 1 > 3 > 0).
"""


class _Haechi(LazyGroup):
    known = COMMANDS

    def invoke(self, ctx: click.Context) -> Any:
        """click would end a closed pipe with 1, which here means that the gate blocks."""
        try:
            try:
                result = super().invoke(ctx)
            except click.exceptions.Abort:
                raise
            except Exception:
                sys.stdout.flush()
                raise
            # Not when it was stopped: the pipe may be full, and nobody reading it.
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            raise _Closed from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(error.message + _hint(args[0]), ctx) from error


def _hint(name: str) -> str:
    """What somebody who wrote an unknown command may have meant."""
    if "/" in name or "." in name:
        return f"\nto scan it, write: haechi scan {name}"
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"\ndid you mean: haechi {near[0]}" if near else ""


@click.group(
    cls=_Haechi,
    invoke_without_command=True,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="haechi %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keep a cloud-native system safe from commit to cluster.

    Without a command: look at this folder and say, in at most 25 lines, what matters most,
    what cannot work, what was not looked at, and what the gate would say. Nothing leaves the
    machine.
    """
    if ctx.invoked_subcommand is None:
        from haechi.cli.scan import bare

        ctx.exit(bare())


class _Closed(Exception):
    """Whoever read our output went away."""


def main() -> None:
    """Entry point: turns every error into a sentence and an exit code."""
    # A run makes many values and few cycles: collecting them often costs a tenth of its time.
    gc.set_threshold(200_000, 20, 20)
    try:
        code = cli.main(prog_name="haechi", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _drop_output()
        _fail("stopped", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except HaechiError as error:
        _fail(error.explain(), error.exit_code)
    except _Closed:
        _leave_quietly()
    except Exception as error:  # noqa: BLE001 - Python would exit with 1, which means that the gate blocks
        click.echo(plain(_told(error)), err=True)
        _fail("this is a fault of haechi itself; nothing was decided, please report it", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _told(error: BaseException) -> str:
    """Where it happened. The message may quote what was scanned, a secret even, and what is
    printed here ends up in CI logs and bug reports: it is shown to who asks for it."""
    import traceback

    if os.environ.get(TRACE):
        return traceback.format_exc()
    frames = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error).__name__
    return f"{frames}{kind} (set {TRACE}=1 for its message, which may quote scanned files)"


def _leave_quietly() -> None:
    """End as a program does that SIGPIPE stops."""
    _drop_output()
    sys.exit(141)


def _drop_output() -> None:
    """The interpreter flushes once more when it ends: into a pipe that is closed that fails, and
    into one that is full and that nobody reads it waits for ever."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> None:
    click.echo(f"haechi: {plain(message)}", err=True)
    sys.exit(code)
