"""Public collections of policies: what loads, and how many of their own tests come out right.

Sections are functions in ``SECTIONS`` that give lines; each says so when its material is not there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator


def admission_policies() -> Iterator[str]:
    """ValidatingAdmissionPolicy: kubescape's tests, vap-library's, and what else is mirrored."""
    from tests.conformance import admission_policies as public
    from tests.conformance import vap_library

    if public.KUBESCAPE.is_dir():
        results = list(public.kubescape_results())
        right = sum(result.right for result in results)
        yield f"kubescape/cel-admission-library: {right} of {len(results)} tests right"
        yield from (f"  wrong: {r.control} {r.name}: {r.found}" for r in results if not r.right)
    else:
        yield f"kubescape/cel-admission-library is not in {public.KUBESCAPE}"
    if public.clone_of(vap_library.REPOSITORY).is_dir():
        found = list(vap_library.results())
        right = sum(result.right for result in found)
        yield f"{vap_library.REPOSITORY}: {right} of {len(found)} steps of its tests right"
        yield from (f"  wrong: {r.control} {r.name}: {r.found}" for r in found if not r.right)
    for repository in public.COLLECTIONS:
        if public.clone_of(repository).is_dir():
            one = public.load_collection(repository)
            count = f"{one.policies} policies, {one.bindings} bindings"
            yield f"{repository}: {count}, {len(one.faults)} refused"
            yield from (f"  {fault.kind}: {fault.what}" for fault in one.doubts)
        else:
            yield f"{repository} is not mirrored"


def gatekeeper() -> Iterator[str]:
    """Gatekeeper's library: its own suites by Rego and by CEL, and gator's own."""
    from collections import Counter

    from tests.conformance.test_gatekeeper_library import LIBRARY

    from haechi.admit.gatekeeper import Engine
    from haechi.admit.gatekeeper.running import Outcome, run_suites
    from haechi.admit.gatekeeper.suites import find_suites

    if not LIBRARY.is_dir():
        yield f"gatekeeper-library is not in {LIBRARY.parent}"
        return
    suites, unreadable = find_suites([LIBRARY])
    yield f"{len(suites)} suites, {len(unreadable)} unreadable"
    for engine in (Engine.REGO, Engine.CEL):
        counts: Counter[Outcome] = Counter()
        for suite in suites:
            for result in run_suites([suite], engine=engine, wanted=lambda _test, _case: True):
                counts[result.outcome] += 1
                if result.outcome in (Outcome.FAILED, Outcome.ERROR):
                    yield f"  wrong: {result.file}:{result.line}: {result.case}: {result.reason}"
        asked = counts.total() - counts[Outcome.SKIPPED]
        yield f"{engine}: {counts[Outcome.PASSED]} of {asked} cases right"


def cel() -> Iterator[str]:
    """cel-spec's tests of what Kubernetes' CEL has."""
    from tests.conformance import cel_spec
    from tests.conformance.admission_policies import clone_of

    if not clone_of(cel_spec.REPOSITORY).is_dir():
        yield f"{cel_spec.REPOSITORY} is not mirrored"
        return
    results = list(cel_spec.results())
    right = sum(result.right for result in results)
    yield f"{cel_spec.REPOSITORY}: {right} of {len(results)} tests right"
    for one in results:
        if not one.right:
            yield f"  {cel_spec.KNOWN.get(one.key, 'wrong')}: {one.key}: {one.found}"


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "cel": cel,
    "gatekeeper": gatekeeper,
    "vap": admission_policies,
}


def main(argv: list[str]) -> None:
    """Print the sections, or those named."""
    parser = argparse.ArgumentParser(prog="./dev bench conformance", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], metavar="SECTION")
    for name in parser.parse_args(argv).sections or SECTIONS:
        start = time.process_time()
        print(f"{name}: {(SECTIONS[name].__doc__ or '').splitlines()[0]}")
        for line in SECTIONS[name]():
            print(f"  {line}")
        print(f"  {time.process_time() - start:.1f} s CPU")
