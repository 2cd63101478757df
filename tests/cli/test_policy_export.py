"""``haechi policy export``: files, exit codes, what is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from haechi.cli.policy_export import command
from haechi.errors import UsageError

EXAMPLE = Path(__file__).parents[2] / "examples" / "policies"


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words), catch_exceptions=False)


@pytest.mark.parametrize(
    ("form", "kinds"),
    [
        ("--vap", {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}),
        ("--gatekeeper", {"ConstraintTemplate", "ThreeReplicas", "ShopOwner"}),
    ],
)
def test_the_example_is_written_to_a_file(tmp_path: Path, form: str, kinds: set[str]) -> None:
    file = tmp_path / "out.yaml"
    result = run(form, "-p", str(EXAMPLE), "-o", str(file))
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "not exported" in result.stderr and "protects nothing" in result.stderr
    assert "pod-security.kubernetes.io/enforce: baseline" in result.stderr
    documents = [one for one in yaml.safe_load_all(file.read_text()) if one]
    assert kinds <= {one["kind"] for one in documents}
    assert run(form, "-p", str(EXAMPLE), "--skip").exit_code == 0


def test_many_reasons_that_are_alike_are_told_once() -> None:
    result = run("--vap", "--pack", "nsa")
    assert result.exit_code == 3
    assert result.stderr.count("judged in Python") == 1
    assert "more: it is judged in Python" in result.stderr


def test_a_level_alone_needs_no_policy() -> None:
    result = run("--gatekeeper", "--pack", "pss-restricted")
    assert result.exit_code == 0
    assert "0 exported, 1 needed none, 0 left out" in result.stderr


def test_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no format"):
        run("-p", str(EXAMPLE))
    with pytest.raises(UsageError, match="cannot be written"):
        run("--vap", "-p", str(EXAMPLE), "-o", str(tmp_path / "no" / "x.yaml"))
