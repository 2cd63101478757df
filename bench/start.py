"""What starting costs: CPU and modules of `haechi --help`, an empty folder, the install's size."""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from bench.measure import HAECHI, median

RUN_PACKAGES = (
    "ahocorasick_rs",
    "cel_expr_python",
    "click",
    "hyperscan",
    "msgspec",
    "re2",
    "yaml",
    "_yaml",
)
_COUNT = "import sys; n = len(sys.modules); {body}; print(len(sys.modules) - n)"


def main(argv: list[str]) -> None:
    """Print the figures of the start."""
    parser = argparse.ArgumentParser(prog="./dev bench start", description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args(argv)
    bare = median([sys.executable, "-c", "pass"], runs=options.runs)
    help_ = median([*HAECHI, "--help"], runs=options.runs)
    with tempfile.TemporaryDirectory(prefix="haechi-empty-") as name:
        empty = median([*HAECHI], runs=options.runs, cwd=Path(name))
    print(f"median of {options.runs} runs")
    print(f"bare interpreter   {bare.cpu * 1000:6.0f} ms CPU")
    print(f"haechi --help      {help_.cpu * 1000:6.0f} ms CPU, {modules()} modules over bare")
    print(f"empty folder       {empty.cpu * 1000:6.0f} ms CPU, {empty.memory:.0f} MiB")
    print(f"install            {installed_size() / 1e6:6.1f} MB (haechi and its {_names()})")


def modules() -> int:
    """Modules that ``haechi --help`` imports beyond a bare interpreter."""
    body = (
        "import io, contextlib, haechi.cli.main as m; "
        "c = contextlib.redirect_stdout(io.StringIO()); c.__enter__(); "
        "m.cli.main(['--help'], standalone_mode=False); c.__exit__(None, None, None)"
    )
    code = _COUNT.format(body=body)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return int(done.stdout)


def installed_size() -> int:
    """Bytes of the packages that a scan needs, compiled files included."""
    site = Path(sysconfig.get_path("purelib"))
    own = Path(__file__).parents[1] / "src/haechi"
    folders = [own, *(site / name for name in RUN_PACKAGES)]
    folders += [p for p in site.glob("*.dist-info") if p.name.lower().startswith(_DIST)]
    program = Path(sysconfig.get_path("scripts")) / "zizmor"
    files = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
    return sum(f.stat().st_size for f in (*files, *([program] if program.is_file() else [])))


_DIST = (
    "ahocorasick_rs",
    "cel_expr_python",
    "click",
    "google_re2",
    "hyperscan",
    "msgspec",
    "pyyaml",
    "zizmor",
)


def _names() -> str:
    return ", ".join((*RUN_PACKAGES[:-1], "zizmor"))
