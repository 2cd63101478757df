"""Public collections of ValidatingAdmissionPolicies load, and their own tests come out right."""

from __future__ import annotations

import pytest

from tests.conformance import vap_library
from tests.conformance.admission_policies import (
    COLLECTIONS,
    KUBESCAPE,
    clone_of,
    kubescape_results,
    load_collection,
)

REAL_FAULTS = {
    "datreeio/validating-admission-policy": [
        # the values of a ConfigMap are texts
        "object.data[…]: it is text, and compared with a truth value",
        # the Pod of a CronJob lies one template deeper
        "object.spec.jobTemplate.spec.volumes: JobSpec has no field 'volumes' (Kubernetes 1.37)",
    ]
}
"""What is told of these collections, each read by hand: nothing else is."""


@pytest.mark.skipif(
    not KUBESCAPE.is_dir(),
    reason=f"kubescape/cel-admission-library is not in {KUBESCAPE} (HAECHI_KUBESCAPE_VAP)",
)
def test_kubescapes_tests() -> None:
    """A part of the 628; `./dev bench conformance` runs all of them."""
    results = list(kubescape_results(every=5))
    assert [result for result in results if not result.right] == []
    assert len(results) >= 120


@pytest.mark.skipif(
    not clone_of(vap_library.REPOSITORY).is_dir(),
    reason=f"{vap_library.REPOSITORY} is not mirrored (HAECHI_MIRROR)",
)
def test_the_tests_of_vap_library() -> None:
    results = list(vap_library.results())
    assert [result for result in results if not result.right] == []
    assert len(results) >= 100


@pytest.mark.parametrize("repository", sorted(COLLECTIONS))
def test_a_collection_loads(repository: str) -> None:
    if not clone_of(repository).is_dir():
        pytest.skip(f"{repository} is not mirrored (HAECHI_MIRROR)")
    found = load_collection(repository)
    assert found.policies >= COLLECTIONS[repository]
    assert [fault for fault in found.faults if fault.fatal] == []
    doubts = [fault.what.rpartition("expression: ")[2] for fault in found.doubts]
    assert doubts == REAL_FAULTS.get(repository, [])
