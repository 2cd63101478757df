"""Terraform of a tree: its files, its plans in JSON, its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from haechi.engines.values import LIMITS
from haechi.errors import InputError
from haechi.model.config import VariableFiles
from haechi.scan.iac.intake import Intake
from haechi.scan.iac.sources import PLAN, WIDE, Source
from haechi.world.files import Entry

MAX_PLAN = 64 * 1024 * 1024
"""Bytes of a plan or state of Terraform."""


class TerraformFiles:
    """Keeps plans while other JSON is read, and hands over everything at the end."""

    def __init__(self, intake: Intake, var_files: Sequence[VariableFiles]) -> None:
        self._intake = intake
        self._var_files = var_files
        self._plans: dict[str, bytes] = {}

    def plan(self, entry: Entry) -> bool:
        """Keep a JSON file that is a plan of Terraform; True when it is one."""
        if not entry.path.endswith(".json"):
            return False
        if entry.size > LIMITS.size and not self._intake.holds(entry, PLAN):
            return False
        if entry.size > MAX_PLAN:
            self._intake.too_large(entry, MAX_PLAN)
            return True
        try:
            data = self._intake.tree.read(entry.path, limit=MAX_PLAN)
        except InputError:
            return False
        if data[:2] in WIDE:  # what a shell of Windows writes
            data = data.decode("utf-16", "replace").encode()
        if not all(needle in data for needle in PLAN):
            return False
        if self._intake.within_budget(len(data), entry.path):
            self._plans[entry.path] = data
        return True

    def take(self, entries: Mapping[Source, list[Entry]]) -> None:
        """Everything of Terraform is imported when there is any."""
        found, terragrunt = entries[Source.TERRAFORM], entries[Source.TERRAGRUNT]
        states = {
            entry.path: data
            for entry in entries[Source.TERRAFORM_STATE]
            if (data := self._intake.read(entry, MAX_PLAN)) is not None
        }
        if not found and not terragrunt and not states and not self._plans:
            return
        from haechi.scan.iac.terraform.collect import Found, collect_terraform, terragrunt_gap

        intake = self._intake
        if terragrunt:
            intake.out.gaps.append(terragrunt_gap([entry.path for entry in terragrunt]))
        intake.tick(0, 1, "Terraform")
        everything = Found(found, self._plans, states)
        collect_terraform(intake.tree, everything, intake.out, intake.index, self._var_files)
