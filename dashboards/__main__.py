"""``python -m dashboards`` writes grafana/*.json anew (a test holds them equal)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dashboards.boards import BOARDS
from dashboards.builder import bare, wrapped

FOLDER = Path(__file__).parent / "grafana"


def files() -> Mapping[str, dict[str, Any]]:
    """File names and contents: each dashboard bare, and wrapped for Grafana's API."""
    made: dict[str, dict[str, Any]] = {}
    for name, board in BOARDS.items():
        made[f"{name}.json"] = bare(board)
        made[f"{name}.api.json"] = wrapped(board)
    return made


def text(value: dict[str, Any]) -> str:
    """As the files hold it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, value in files().items():
        (FOLDER / name).write_text(text(value), encoding="utf-8")
