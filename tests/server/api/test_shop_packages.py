"""A vulnerable package of the shop: seen by a push, fixed by its upgrade and by nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples.history import materialise

from haechi.cli.pipeline import Options, run
from haechi.store.records import Life, StoredFinding
from tests.server.api.rig import Rig, pushed, rig

REQUIREMENTS = "services/cart/requirements.txt"
BOTH = ["CVE-2020-14343", "CVE-2020-1747"]


def states(api: Rig, *rules: str) -> list[Life]:
    found: list[StoredFinding] = api.findings(rule=list(rules))
    return [one.state for one in sorted(found, key=lambda one: one.rule)]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("PyYAML==5.4", Life.FIXED),
        ("PyYAML==5.3", Life.OPEN),
        ("PyYAML>=5.3", Life.OPEN),
        ("", Life.FIXED),
    ],
    ids=["upgraded", "as it was", "no longer pinned", "taken out"],
)
def test_what_a_change_of_a_requirement_does(tmp_path: Path, text: str, state: Life) -> None:
    shop = tmp_path / "shop"
    materialise(shop)
    with rig(tmp_path / "store") as api:

        def scan(*only: str) -> dict[str, int]:
            outcome = run(Options(path=shop, only=only), today=api.clock().date())
            changes: dict[str, int] = api.push(pushed(outcome))
            return changes

        scan("deps")
        assert states(api, *BOTH) == [Life.OPEN, Life.OPEN]
        assert states(api, "CVE-2021-44906", "CVE-2021-38561") == [Life.OPEN, Life.OPEN]
        file = shop / REQUIREMENTS
        kept = file.read_text(encoding="utf-8").replace("PyYAML==5.3", text)
        file.write_text(kept, encoding="utf-8")
        scan("secrets")
        assert states(api, *BOTH) == [Life.OPEN, Life.OPEN], "nobody looked at packages"
        scan("deps")
        assert states(api, *BOTH) == [state, state]
        assert states(api, "CVE-2021-44906", "CVE-2021-38561") == [Life.OPEN, Life.OPEN]
