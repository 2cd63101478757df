"""``haechi policy``: policies at the door, tried before the door."""

from __future__ import annotations

import click

from haechi.cli.lazy import LazyGroup

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


class _Commands(LazyGroup):
    known = COMMANDS
    module = "haechi.cli.policy_{}"


@click.group(name="policy", cls=_Commands, epilog=EPILOG)
def command() -> None:
    """Judge by the policies of the door: check, explain, test, simulate, export."""
