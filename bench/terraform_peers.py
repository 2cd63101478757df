"""Rules for Terraform against Checkov's own test cases: agreement for each CKV id, and why not.

Checkov's tests name, for each of its checks, the resources that have to fail and those that have
to pass. For every rule of ours that refers to the check (``refs.ckv``) the same files are judged:
it should fail on the first and not on the second. Not every difference is a fault of ours (a
provider's default that has become safe; a peer that does not follow references): each that was
judged is explained in ``bench/terraform_peers.yaml`` and counted apart.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

CORPUS = Path("/tmp/pub/checkov-tf")
EXPLAINED = Path(__file__).with_suffix(".yaml")
_ID = re.compile(r"""\bid\s*[:=]\s*["']?(CKV2?_[A-Z]+_\d+)""")
_FOLDER = re.compile(r"[\w-]{3,100}\Z")
_CLOUDS = ("aws", "azure", "gcp", "kubernetes", "github", "gitlab", "oci", "alicloud")


class Case(msgspec.Struct, frozen=True):
    """A check's test: where its files lie, which resources fail and which pass."""

    check: str
    folder: Path
    fails: frozenset[str]
    passes: frozenset[str]


class Outcome(msgspec.Struct, frozen=True):
    """One resource of one case: what is said to be right, what our rules say."""

    check: str
    folder: str
    resource: str
    expected: str
    ours: str

    @property
    def agrees(self) -> bool:
        """A resource that fails has to fail; one that passes has only not to."""
        return self.ours == "fail" if self.expected == "fail" else self.ours != "fail"


def main(argv: list[str]) -> None:
    """Print a row for each CKV id, the sums, and the differences."""
    parser = argparse.ArgumentParser(prog="./dev bench terraform-peers", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="a checkout of Checkov")
    parser.add_argument("--cloud", choices=_CLOUDS, help="only the checks of one provider")
    parser.add_argument("--only", action="append", default=[], help="a CKV id, or a rule's id")
    parser.add_argument("--differences", action="store_true", help="each resource that differs")
    parser.add_argument("--every", action="store_true", help="rows of full agreement, too")
    options = parser.parse_args(argv)
    outcomes = compare(options.corpus, cloud=options.cloud, only=options.only)
    show(outcomes, explained(), differences=options.differences, every=options.every)


def compare(corpus: Path, *, cloud: str | None = None, only: Iterable[str] = ()) -> list[Outcome]:
    """Judge every case of which a rule names the check."""
    from haechi.rules.catalogue import load_catalogue
    from haechi.rules.schema import Rule

    by_check: dict[str, list[Rule]] = defaultdict(list)
    for rule in load_catalogue().rules:
        if rule.id.startswith("tf-"):
            for check in rule.refs.get("ckv", ()):
                by_check[check].append(rule)
    wanted = set(only)
    out: list[Outcome] = []
    for case in cases(corpus, cloud):
        rules = by_check.get(case.check, [])
        if wanted and case.check not in wanted and not any(rule.id in wanted for rule in rules):
            continue
        if rules:
            out += judged(case, rules)
    return out


def cases(corpus: Path, cloud: str | None = None) -> Iterator[Case]:
    """What Checkov's tests say, of checks in Python and of those over its graph."""
    tests, checks = corpus / "tests/terraform", corpus / "checkov/terraform/checks"
    ids = _ids(checks)
    for path in sorted(tests.glob("checks/*/*/test_*.py")):
        if cloud and path.parent.name != cloud:
            continue
        yield from _python_case(path, checks)
    from haechi.engines.documents import Fault, parse_documents

    for path in sorted(tests.glob("graph/checks/resources/*/expected.yaml")):
        check = ids.get(path.parent.name, "")
        if not check or (cloud and f"_{cloud.upper()}_" not in check):
            continue
        for document in parse_documents(path.read_bytes()):
            if not isinstance(document, Fault) and isinstance(document.data, Mapping):
                said = document.data
                fails, passes = (_texts(said.get(key)) for key in ("fail", "pass"))
                yield Case(check, path.parent, fails, passes)


def _texts(listed: object) -> frozenset[str]:
    return frozenset(str(one) for one in listed) if isinstance(listed, list) else frozenset()


def _ids(checks: Path) -> dict[str, str]:
    found = {}
    for path in checks.rglob("*.yaml"):
        match = _ID.search(path.read_text())
        if match:
            found[path.stem] = match[1]
    return found


def _python_case(path: Path, checks: Path) -> Iterator[Case]:
    """The sets that a test compares with, and the module that it takes the check from."""
    tree = ast.parse(path.read_text())
    check = folder = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "checkov.terraform.checks."
        ):
            module = checks / Path(*(node.module or "").split(".")[3:])
            match = _ID.search(module.with_suffix(".py").read_text())
            check = match[1] if match else check
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.strip("/")
            if not folder and _FOLDER.match(name) and (path.parent / name).is_dir():
                folder = name
    named = {
        _target(node): _constants(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
    }
    fails = next((v for k, v in named.items() if "fail" in k and v), frozenset())
    passes = next((v for k, v in named.items() if "pass" in k and v), frozenset())
    if check and folder and (fails or passes):
        yield Case(check, path.parent / folder, fails, passes)


def _target(node: ast.Assign) -> str:
    first = node.targets[0]
    return first.id.lower() if isinstance(first, ast.Name) else ""


def _constants(node: ast.expr) -> frozenset[str]:
    if not isinstance(node, (ast.Set, ast.List, ast.Tuple)):
        return frozenset()
    return frozenset(
        one.value
        for one in node.elts
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )


def judged(case: Case, rules: Iterable[object]) -> Iterator[Outcome]:
    """What our rules say about each resource that the case names: the worst of all rules."""
    from haechi.checks.judge import Judge
    from haechi.engines.cel import CelEngine
    from haechi.model.review import Review
    from haechi.scan.iac.kubernetes import Inventory
    from haechi.scan.iac.terraform.read import read_texts

    files = {
        str(path.relative_to(case.folder)): path.read_bytes()
        for path in case.folder.rglob("*")
        if path.is_file() and path.suffix in (".tf", ".tfvars")
    }
    resources = read_texts(files).resources
    scope, judge, shared = Inventory(resources), Judge(rules, CelEngine()), {}  # type: ignore[arg-type, var-annotated]
    states: dict[str, set[str]] = defaultdict(set)
    for resource in resources:
        review = Review(resource=resource, scope=scope, shared=shared)
        said = {str(verdict.state) for verdict in judge.review(review)}
        whole = resource.name.removeprefix("data.")
        for name in {whole, re.sub(r"\[[^]]*\]", "", whole)}:
            states[name] |= said or {"no rule"}
    folder = case.folder.name
    for expected, names in (("fail", case.fails), ("pass", case.passes)):
        for name in sorted(names):
            said = states.get(name, {"absent"})
            worst = next((s for s in _ORDER if s in said), "pass")
            yield Outcome(case.check, folder, name, expected, worst)


_ORDER = ("error", "fail", "not_evaluated", "pass", "no rule", "absent")


def explained() -> dict[str, dict[str, str]]:
    """By CKV id: resources (``*`` for all) whose difference is meant, each with the reason."""
    import yaml

    if not EXPLAINED.exists():
        return {}
    found: dict[str, dict[str, str]] = yaml.safe_load(EXPLAINED.read_text()) or {}
    return found


def reason_of(outcome: Outcome, reasons: Mapping[str, Mapping[str, str]]) -> str:
    """Why a difference is meant; empty when nobody has said."""
    said = reasons.get(outcome.check, {})
    return said.get(outcome.resource) or said.get(f"{outcome.expected} *") or said.get("*") or ""


def show(
    outcomes: list[Outcome],
    reasons: Mapping[str, Mapping[str, str]],
    *,
    differences: bool,
    every: bool,
) -> None:
    """The rows and the sums."""
    by_check: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_check[outcome.check].append(outcome)
    print(f"{'check':<15} {'fail':>9} {'pass':>9}  differences")
    sums: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for check, found in sorted(by_check.items(), key=lambda item: _natural(item[0])):
        wrong = [one for one in found if not one.agrees]
        open_ = [one for one in wrong if not reason_of(one, reasons)]
        for one in wrong:
            why[reason_of(one, reasons) or f"not explained: {one.expected} is {one.ours}"] += 1
        sums.update(all=len(found), agree=len(found) - len(wrong), open=len(open_))
        sums.update(checks=1, whole=not wrong, settled=not open_)
        if wrong or every:
            told = ", ".join(f"{one.resource} {one.ours}" for one in open_[:3])
            if not open_:
                told = "explained" if wrong else ""
            print(f"{check:<15} {_share(found, 'fail'):>9} {_share(found, 'pass'):>9}  {told}")
        if differences:
            for one in wrong:
                said = reason_of(one, reasons) or "?"
                print(f"    {one.folder}: {one.resource} should {one.expected}, {one.ours}: {said}")
    print(
        f"{sums['checks']} checks, {sums['whole']} agree wholly, {sums['settled']} with what is"
        f" explained; {sums['agree']} of {sums['all']} resources agree, {sums['open']} differences"
        " are not explained"
    )
    for reason, count in why.most_common():
        print(f"  {count:4} {reason}")


def _share(found: list[Outcome], expected: str) -> str:
    mine = [one for one in found if one.expected == expected]
    return f"{sum(one.agrees for one in mine)}/{len(mine)}"


def _natural(check: str) -> tuple[str, int]:
    head, _, number = check.rpartition("_")
    return head, int(number)
