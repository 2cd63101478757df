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
        rare = one.source is Source.REGISTRY and not is_known("npm", one.name)
        if one.install_script and rare:
            message = f"{one.name} {one.version} runs a program of its own when it is installed"
            yield about_package(message, one, index)
