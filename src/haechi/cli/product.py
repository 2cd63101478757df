"""What the scanned project is called in SBOMs and VEX documents."""

from __future__ import annotations

from urllib.parse import quote

from haechi.cli.project import Project
from haechi.errors import ConfigError, HaechiError, UsageError
from haechi.report.vex.claims import Product


def product_of(project: Project, given: str | None) -> Product:
    """``--product``, else ``deps.product`` in haechi.yaml, else ``pkg:generic/<folder>``.

    Raises UsageError or ConfigError for one that is no package URL.
    """
    configured = project.config.deps.product
    if given:
        return _product(given, "--product")
    if configured:
        return _product(configured, "deps.product")
    name = project.root.name or "project"
    return Product(purl=f"pkg:generic/{quote(name, safe='.-_~')}", name=name)


def _product(text: str, where: str) -> Product:
    from haechi.engines.purl import parse_purl

    kind = UsageError if where.startswith("--") else ConfigError
    try:
        purl = parse_purl(text)
    except HaechiError as error:
        raise kind(
            f"{where}: {text[:200]!r} is no package URL",
            why=error.what,
            do="write it as pkg:TYPE/NAME@VERSION, such as pkg:generic/shop@1.4.0",
        ) from error
    if purl.subpath:
        raise kind(f"{where}: a product has no subpath", do="leave out what follows `#`")
    return Product(purl=text, name=purl.name, version=purl.version)
