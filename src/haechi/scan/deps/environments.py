"""Where the packages of a project that has no lock file are installed, if they are: beside it."""

from __future__ import annotations

import posixpath

from haechi.scan.deps.formats import Around

_ENVIRONMENTS = (".venv", "venv", "env")


def installed_beside(folder: str, ecosystem: str, around: Around) -> str:
    """A file whose reader tells what is installed for the project in ``folder``; "" if none."""
    if ecosystem == "npm":
        listing = posixpath.join(folder, "node_modules/.package-lock.json")
        return listing if around.read(listing) is not None else ""
    return _environment(folder, around) if ecosystem == "PyPI" else ""


def _environment(folder: str, around: Around) -> str:
    for name in _ENVIRONMENTS:
        home = posixpath.join(folder, name)
        if "pyvenv.cfg" not in around.names(home):
            continue
        for library in ("lib", "Lib"):
            inside = posixpath.join(home, library)
            pythons = [one for one in sorted(around.names(inside)) if one.startswith("python")]
            for python in (*pythons, ""):
                packages = posixpath.join(inside, python, "site-packages")
                for one in sorted(around.names(packages)):
                    if one.endswith(".dist-info"):
                        return posixpath.join(packages, one, "METADATA")
    return ""
