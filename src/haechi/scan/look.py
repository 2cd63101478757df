"""One look at a tree: every domain that was asked for, joined into one scan.

A domain is imported when it is asked for: what a pre-commit hook waits for is half the program.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from haechi.engines.logins import without_logins
from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import Finding
from haechi.model.resource import Resource
from haechi.model.scan import Scan
from haechi.rules.schema import Rule
from haechi.scan.findings import in_order
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.setup import Part, Setup
from haechi.world.files import Tree

if TYPE_CHECKING:
    from haechi.scan.deps.look import Dependencies
    from haechi.scan.iac.look import Configuration

DOMAINS = ("iac", "secrets", "deps")
"""What this version can look at; more of code, image, api, crypto come."""
_CREDENTIAL = frozenset({"CWE-259", "CWE-321", "CWE-798"})


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """The scan and the resources it saw, for the graph and for fixes; ``files`` were judged.
    ``dependencies`` are what lock files tell, where the run looked at them."""

    scan: Scan
    inventory: Inventory
    dockerfiles: Sequence[Resource] = ()
    workflows: Sequence[Resource] = ()
    files: frozenset[str]
    dependencies: Dependencies | None = None


def look(tree: Tree, setup: Setup) -> Looked:
    """Judge everything under ``tree`` that was asked for and that this version understands."""
    started = setup.clock()
    clock = time.monotonic()
    wanted = setup.only or DOMAINS
    configuration = _configuration(tree, setup) if "iac" in wanted else None
    judged = configuration.part if configuration else Part()
    secrets = _secrets(tree, setup, judged) if "secrets" in wanted else Part()
    dependencies = _dependencies(tree, setup) if "deps" in wanted else None
    packages = dependencies.part if dependencies else Part()
    gaps = _once([*judged.gaps, *secrets.gaps, *packages.gaps])
    gaps = [gap for gap in gaps if gap.kind != "unknown" or gap.path not in packages.files]
    gaps += [
        Gap(kind="rule-error", path=f"{f.path}:{f.line}", reason=f.message, do="correct the rule")
        for f in setup.rule_faults
    ]
    scan = Scan(
        root=str(tree.root),
        only=setup.only,
        started=started,
        duration=time.monotonic() - clock,
        findings=in_order(
            (*_told_once(judged.findings, secrets.findings, setup.rules), *packages.findings)
        ),
        coverage=Coverage(
            looked={**judged.looked, **packages.looked, **secrets.looked},
            gaps=tuple(replace(gap, reason=without_logins(gap.reason)) for gap in gaps),
            evaluated=judged.evaluated | secrets.evaluated | packages.evaluated,
            warnings=packages.warnings,
        ),
        waivers=tuple(dict.fromkeys((*judged.waivers, *secrets.waivers, *packages.waivers))),
    )
    files = judged.files | secrets.files | packages.files
    if configuration is None:
        return Looked(
            scan=scan, inventory=Inventory([], {}), files=files, dependencies=dependencies
        )
    return Looked(
        dependencies=dependencies,
        scan=scan,
        inventory=configuration.inventory,
        dockerfiles=configuration.dockerfiles,
        workflows=configuration.workflows,
        files=files,
    )


def _configuration(tree: Tree, setup: Setup) -> Configuration:
    from haechi.scan.iac.look import look_at_configuration

    return look_at_configuration(tree, setup)


def _dependencies(tree: Tree, setup: Setup) -> Dependencies:
    from haechi.scan.deps.look import look_at_dependencies

    return look_at_dependencies(_afresh(tree), setup)


def _afresh(tree: Tree) -> Tree:
    """The same files, for a walk of its own."""
    return Tree(
        root=tree.root,
        exclude=tree.exclude,
        within=tree.within,
        source=tree.source,
        ignored=tree.ignored,
    )


def _secrets(tree: Tree, setup: Setup, judged: Part) -> Part:
    """The look for secrets, over a walk of its own: it reads every file, not just those it
    knows by name. Waivers that configuration found, too, count once."""
    from haechi.scan.secrets.look import detector_of, look_for_secrets, without_doubles

    disabled = frozenset(setup.config.disable)
    user_rules = setup.enabled(setup.user_rules)
    detector, gaps = detector_of(setup.rules, user_rules, disabled=disabled)
    found = look_for_secrets(
        _afresh(tree),
        detector,
        setup.secrets,
        severities=setup.config.severity,
        progress=setup.progress,
    )
    found = without_doubles(found, judged.waivers)
    return replace(found, gaps=(*gaps, *found.gaps))


def _once(gaps: Sequence[Gap]) -> list[Gap]:
    """What two domains could not read is told once."""
    return list({(gap.kind, gap.path): gap for gap in reversed(gaps)}.values())[::-1]


def _told_once(
    judged: Sequence[Finding], secrets: Sequence[Finding], rules: Sequence[Rule]
) -> list[Finding]:
    """All findings, less what the generic family says of a line in which a rule that knows the
    file's language found the credential."""
    generic = {rule.id for rule in rules if rule.pattern is not None and rule.pattern.generic}
    known = {
        (finding.location.path, finding.location.line)
        for finding in judged
        if not _CREDENTIAL.isdisjoint(finding.cwe)
    }
    kept = [
        finding
        for finding in secrets
        if finding.rule not in generic
        or not finding.in_tree
        or (finding.location.path, finding.location.line) not in known
    ]
    return [*judged, *kept]
