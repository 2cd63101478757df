"""Which worker of pytest-xdist runs what: whole files, the long ones first.

A file at a time means that what a module sets up is set up once, not once on each worker. The long
ones go first, so that at the end no worker waits for the other. And the books are kept in constant
time: xdist's own by groups looks through all that was done after every test, which for tens of
thousands of tests takes more than the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TOGETHER = ("tests/e2e",)
"""Folders that one worker runs as a whole. They share a server and a browser; and while Playwright
runs, its thread has a running event loop, in which no other test could start one."""
FIRST = (
    "tests/e2e",
    "tests/examples/test_check.py",
    "tests/server/test_matrix.py",
    "tests/server/test_schemathesis.py",
    "tests/scan/secrets/test_values_stay_inside.py",
    "tests/conformance/test_admission_policies.py",
    "tests/cli/test_hunt.py",
    "tests/cli/test_sensor.py",
    "tests/server/test_clusters.py",
    "tests/server/webhook/test_faults.py",
    "tests/admit/export/test_documents.py",
    "tests/respond/test_crash.py",
    "tests/respond/test_engine.py",
    "tests/examples/test_main_job.py",
    "tests/server/work/test_auditing_live.py",
    "tests/respond/test_isolate.py",
)
"""What takes ten seconds and more, by `./dev test --durations=0`."""


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc] # xdist says nothing of types
    """By files, and by the folders in ``TOGETHER``."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((one for one in TOGETHER if file.startswith(f"{one}/")), file)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, collection)
        self._places = {nodeid: place for place, nodeid in enumerate(collection)}

    def _assign_work_unit(self, node: WorkerController) -> None:
        waiting = (one for one in (*FIRST, *self.workqueue) if one in self.workqueue)
        scope = next(waiting)
        unit = self.assigned_work[node][scope] = self.workqueue.pop(scope)
        node.send_runtest_some([self._places[nodeid] for nodeid in unit])

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        nodeid = self.registered_collections[node][item_index]
        scope = self._split_scope(nodeid)
        unit = self.assigned_work[node][scope]
        del unit[nodeid]
        if not unit:
            del self.assigned_work[node][scope]
        self._reschedule(node)

    def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
        return sum(map(len, workload.values()))
