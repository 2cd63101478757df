"""``haechi webhook``: the admission webhook: serve it, register it, look at its certificates."""

from __future__ import annotations

import click

from haechi.cli.lazy import LazyGroup

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


class _Commands(LazyGroup):
    known = COMMANDS
    module = "haechi.cli.webhook_{}"


@click.group(name="webhook", cls=_Commands, epilog=EPILOG)
def command() -> None:
    """The admission webhook: policies where objects enter the cluster."""
