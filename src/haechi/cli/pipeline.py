"""The main job, put together: open → look → rank → decide → material for the reports.

The command line and, later, the server call this one function, so that a verdict, a waiver and
an exit code mean the same in both.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from haechi import __version__
from haechi.cli.named import Named
from haechi.cli.project import Project, load_lock, open_project, project_key, read_text
from haechi.engines.globs import compile_glob
from haechi.errors import ConfigError, InputError, UsageError
from haechi.gate.decide import decide
from haechi.gate.extent import extent_of
from haechi.gate.owners import Owners, annotated_owner, parse_codeowners
from haechi.graph.risks import rank_risks
from haechi.model.advisory import is_vulnerability
from haechi.model.scan import Scan
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver
from haechi.report.material import Material
from haechi.rules.catalogue import Catalogue, load_catalogue
from haechi.rules.user import load_user_rules
from haechi.scan.look import DOMAINS, Looked, look
from haechi.scan.setup import Ask, Asked, Progress, Setup, pod_templates
from haechi.world.files import Tree

if TYPE_CHECKING:
    from haechi.engines.cel import CelEngine
    from haechi.gate.baseline import Baseline
    from haechi.gate.lock import Lock
    from haechi.rules.schema import Rule
    from haechi.scan.deps.look import Dependencies

WAIVERS = "haechi.waivers.yaml"
COMMIT = "git:"
"""A baseline that is a commit, not a file, begins so."""
_CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
_PLANNED = ("code", "image", "api", "crypto")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    path: Path
    only: tuple[str, ...] = ()
    fail_on: Severity | None = None
    baseline: str | None = None
    history: bool = True
    since: str = ""
    branch: str = ""
    staged: bool = False
    ignored: bool = False
    verify: str | None = None
    progress: Progress | None = None
    waivers: tuple[Waiver, ...] = ()
    """Those of the server that the run is pushed to."""
    sboms: tuple[Path, ...] = ()
    vex: tuple[Path, ...] = ()
    product: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a command may want to show or go on with."""

    project: Project
    looked: Looked
    material: Material
    tree: Tree
    owners: Owners


def run(options: Options, *, today: dt.date | None = None) -> Outcome:
    """Scan, rank, decide. Raises ConfigError and UsageError (exit code 2)."""
    _check_only(options.only)
    if options.staged:
        options = replace(options, only=options.only or ("secrets",))
    day = today or dt.datetime.now(dt.UTC).date()
    project = open_project(options.path)
    waivers = (*_waivers(project.root, day), *options.waivers)
    catalogue = load_catalogue()
    setup = _setup(project, catalogue, options)
    documents = _documents(project, options)
    asked = {*(waiver.rule for waiver in waivers), *documents.vulnerabilities}
    setup = replace(
        setup,
        vulnerabilities=frozenset(filter(is_vulnerability, asked)),
        sboms=documents.files,
    )
    passing = setup.secrets.key is None and (options.baseline or "").startswith(COMMIT)
    if passing:
        # Both looks of this run must tell whether two credentials are the same one.
        setup = replace(setup, secrets=replace(setup.secrets, key=token_bytes()))
    baseline = _baseline(options.baseline, project, setup, day)
    tree = _tree(project.root, project, ignored=options.ignored)
    looked, policies = _policies(look(tree, setup), project)
    looked, stated, notes = _heard(looked, documents, project, options.product)
    advised = looked.dependencies
    every = {rule.id: rule for rule in (*catalogue.rules, *setup.user_rules)} | policies
    every |= advised.rules if advised else {}
    judged = (*looked.inventory.resources, *looked.dockerfiles, *looked.workflows)
    owners = _owners(project, looked)
    scan, decision = decide(
        looked.scan,
        config=project.config,
        today=day,
        waivers=(*waivers, *stated),
        baseline=baseline,
        lock=_agreed(load_lock(project.root), policies, advised),
        fail_on=options.fail_on,
        rules=every,
        owners=owners,
        extent=extent_of(looked.files, judged, whole=not project.within and not options.only),
        notes=notes,
    )
    if passing:
        unnamed = tuple(replace(finding, secret_id=None) for finding in scan.findings)
        scan = replace(scan, findings=unnamed)
    risks = rank_risks(
        scan.findings,
        looked.inventory,
        every,
        pod_templates(project.config),
        dockerfiles=[resource.file for resource in looked.dockerfiles],
    )
    scan = replace(scan, risks=risks)
    found = {finding.rule for finding in scan.findings}
    material = Material(
        scan=scan,
        decision=decision,
        rules={key: rule for key, rule in every.items() if key in found},
        read=_reader(tree),
        version=__version__,
    )
    return Outcome(
        project=project,
        looked=replace(looked, scan=scan),
        material=material,
        tree=tree,
        owners=owners,
    )


def _policies(looked: Looked, project: Project) -> tuple[Looked, dict[str, Rule]]:
    """What the policies that haechi.yaml names say of the objects, in the same scan."""
    section = project.config.admission
    if not section.policies and not section.packs:
        return looked, {}
    from haechi.cli.policy_findings import with_policies

    return with_policies(looked, project.root, project.config)


def _documents(project: Project, options: Options) -> Named:
    """The SBOMs and VEX documents that were named for the run; hardly any run has some."""
    from haechi.scan.deps.sbom_names import is_sbom_name

    within = project.within
    alone = within if is_sbom_name(within) and (project.root / within).is_file() else ""
    section = project.config.deps
    if not (alone or section.sboms or section.vex or options.sboms or options.vex):
        return Named()
    from haechi.cli.sboms import named_documents

    return named_documents(project, options.sboms, options.vex, alone=alone)


def _heard(
    looked: Looked, documents: Named, project: Project, product: str | None
) -> tuple[Looked, tuple[Waiver, ...], tuple[str, ...]]:
    """What VEX says of the findings: evidence, waivers, sentences."""
    if not documents.vex and not documents.gaps:
        return looked, (), ()
    from haechi.cli.sboms import heard

    return heard(looked, documents, project, product)


def _agreed(
    lock: Lock | None, policies: Mapping[str, Rule], advised: Dependencies | None
) -> Lock | None:
    """The lock with what was not chosen by an upgrade: policies and advisories of the repository
    itself, and advisories that were out when the lock was written."""
    known = advised.known if advised else {}
    if lock is None or not (policies or known):
        return lock
    from haechi.gate.lock import advisory_pins, pins

    advisories = advisory_pins(lock, known)
    return replace(lock, rules={**pins(policies.values()), **advisories, **lock.rules})


def _check_only(only: tuple[str, ...]) -> None:
    for name in only:
        if name in _PLANNED:
            raise UsageError(
                f"--only {name}: this version does not look at {name} yet",
                do=f"it looks at: {', '.join(DOMAINS)}; docs/roadmap.md says what comes",
            )
        if name not in DOMAINS:
            known = ", ".join((*DOMAINS, *_PLANNED))
            raise UsageError(f"--only {name}: no such domain", do=f"one of: {known}")


def _setup(project: Project, catalogue: Catalogue, options: Options) -> Setup:
    config = project.config
    places: dict[str, str] = {}
    user_rules, faults = load_user_rules(project.root, config.rules, catalogue.by_id, places)
    return Setup(
        config=config,
        rules=catalogue.rules,
        expressions=lambda: _expressions(catalogue),
        user_rules=user_rules,
        rule_faults=faults,
        rule_places=places,
        progress=options.progress,
        only=options.only,
        secrets=_asked(project, options),
    )


def _expressions(catalogue: Catalogue) -> CelEngine:
    from haechi.engines.cel import CelEngine

    return CelEngine(catalogue.cel)


def _asked(project: Project, options: Options) -> Asked:
    """What of git's history the run looks at for secrets."""
    part = bool(options.since or options.branch or options.staged)
    history = options.history and (project.config.secrets.history or part)
    return Asked(
        repository=project.root if history else None,
        since=options.since,
        branch=options.branch,
        staged=options.staged,
        key=project_key(),
        ask=_ask(options.verify),
    )


def _ask(asked: str | None) -> Ask | None:
    """Who asks the providers; None when nobody is to be asked, which is the default."""
    if asked is None:
        return None
    from haechi.scan.secrets.ask import verified
    from haechi.world.verify.providers import chosen_providers
    from haechi.world.verify.verifier import online_verifier

    table = chosen_providers("" if asked == "all" else asked)
    verifier = online_verifier(table)
    return lambda leaks: verified(leaks, verifier, frozenset(table))


def tree_of(project: Project) -> Tree:
    """The files of a project, within what was asked for."""
    return _tree(project.root, project)


def _tree(root: Path, project: Project, *, ignored: bool = False) -> Tree:
    exclude = [compile_glob(glob) for glob in project.config.exclude]
    return Tree(
        root=root, exclude=exclude, within=project.within, source=project.root, ignored=ignored
    )


def _baseline(text: str | None, project: Project, setup: Setup, today: dt.date) -> Baseline | None:
    if text is None:
        return None
    from haechi.gate.baseline import baseline_from_json, baseline_from_scan

    if not text.startswith(COMMIT):
        try:
            content = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the baseline {text} cannot be read", do="a haechi.scan/1 file or git:REF"
            ) from error
        return baseline_from_json(content, text)
    ref = text.removeprefix(COMMIT)
    return baseline_from_scan(_scan_of(ref, project, setup, today), text)


def _scan_of(ref: str, project: Project, setup: Setup, today: dt.date) -> Scan:
    """The same look at another commit, with today's rules and configuration.

    It is gated with the waivers of that commit: what was waived there was not simply "known".
    """
    import tempfile

    from haechi.world.git import extract, top_level

    top = top_level(project.root)
    if top is None:
        raise UsageError(
            f"{project.root} is not in a git repository that git can read",
            why="git refuses folders of another user unless safe.directory names them",
            do="use a baseline file",
        )
    if not project.root.resolve().is_relative_to(top.resolve()):
        raise UsageError(
            f"git takes {top} for the work tree of {project.root}",
            why="core.worktree in .git/config says so",
            do="use a baseline file",
        )
    inner = project.root.resolve().relative_to(top.resolve()).as_posix()
    with tempfile.TemporaryDirectory(prefix="haechi-baseline-") as name:
        target = Path(name)
        extract(top, ref, target, within="" if inner == "." else inner)
        base = target / inner
        if not (base / project.within).exists():
            base = target / ".haechi-nothing"
            base.mkdir()
            tree = Tree(root=base, source=project.root)
        else:
            tree = _tree(base, project)
        # History up to that commit: a secret that it brought in is known, a later one is not.
        past = replace(setup.secrets, since="", branch=ref, staged=False, ask=None)
        then = replace(project, root=base)
        documents = _documents_then(then)
        before = replace(setup, progress=None, secrets=past, sboms=documents.files)
        looked, _ = _policies(look(tree, before), project)
        looked, stated, _ = _heard(looked, documents, project, None)
        try:
            waivers = _waivers(base, today)
        except ConfigError as error:
            raise ConfigError(error.what, do=error.do, where=f"{ref}:{error.where}") from error
        waivers = (*waivers, *stated)
        gated, _ = decide(looked.scan, config=project.config, today=today, waivers=waivers)
        return gated


def _documents_then(project: Project) -> Named:
    """What haechi.yaml names today, as it was at another commit; what was not there yet, or could
    not be read, said nothing then."""
    section = project.config.deps
    there = replace(
        section,
        sboms=[name for name in section.sboms if (project.root / name).is_file()],
        vex=[name for name in section.vex if (project.root / name).is_file()],
    )
    try:
        return _documents(
            replace(project, within="", config=replace(project.config, deps=there)),
            Options(path=project.root),
        )
    except ConfigError:
        return Named()


def _waivers(root: Path, today: dt.date) -> tuple[Waiver, ...]:
    text = read_text(root, WAIVERS)
    if not text:
        return ()
    from haechi.gate.waivers import load_waivers

    return load_waivers(text, WAIVERS, today)


def _owners(project: Project, looked: Looked) -> Owners:
    text = next(
        (text for name in _CODEOWNERS if (text := read_text(project.root, name)) is not None), ""
    )
    annotated: dict[str, str] = {}
    for resource in looked.inventory.resources:
        owner = annotated_owner(resource.data)
        if owner:
            annotated[resource.key] = owner
    return Owners(
        codeowners=parse_codeowners(text), configured=project.config.owners, annotated=annotated
    )


def _reader(tree: Tree) -> Callable[[str], str | None]:
    cache: dict[str, str | None] = {}

    def read(path: str) -> str | None:
        if path not in cache:
            try:
                cache[path] = tree.read(path, limit=4 << 20).decode("utf-8-sig", "replace")
            except InputError:
                cache[path] = None
        return cache[path]

    return read
