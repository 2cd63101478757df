"""Packages that run a program when they are installed."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.deps.names import is_known
from haechi.checks.deps.view import about_package, file_of
from haechi.model.package import Source
from haechi.model.review import Hit, Review


def on_install(review: Review) -> Iterator[Hit]:
    """An install script of a package that few use, from a registry."""
    for index, one in enumerate(file_of(review).packages):
        if not one.install_script or one.ecosystem != "npm" or one.source is not Source.REGISTRY:
            continue
        if not is_known("npm", one.name):
            message = f"{one.name} {one.version} runs a program of its own when it is installed"
            yield about_package(message, one, index)
