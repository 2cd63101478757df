"""``./dev bench [NAME]``: run one benchmark, or list them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def names() -> list[str]:
    """Every module of this folder with a ``main``."""
    here = Path(__file__).parent
    return sorted(path.stem for path in here.glob("[a-z]*.py"))


def main(argv: list[str]) -> int:
    """Run ``bench.<NAME>`` with the rest of the arguments; ``diff-falco`` is ``diff_falco``."""
    argv = [*(name.replace("-", "_") for name in argv[:1]), *argv[1:]]
    if not argv or argv[0] not in names():
        for name in names():
            text = importlib.import_module(f"bench.{name}").__doc__ or ""
            print(f"{name:<10} {text.strip().splitlines()[0] if text.strip() else ''}")
        return 0 if not argv else 2
    importlib.import_module(f"bench.{argv[0]}").main(argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
