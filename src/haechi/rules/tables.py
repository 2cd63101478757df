"""Facts that change with time (base images, others' ids): data files, read when asked.

The tables live in data/tables and are no rule files. Dates are compared with the table's own
``as_of``, not with the clock: a verdict changes with an upgrade of haechi, never overnight.
"""

from __future__ import annotations

import datetime as dt
import re
from fnmatch import fnmatchcase
from functools import cache

import msgspec

from haechi.engines.image_ref import ImageRef
from haechi.rules.compiled import table

_VERSION = re.compile(r"v?(\d+(?:\.\d+){0,3})")
_ALPINE = re.compile(r"alpine-?(\d+\.\d+)(?:\.\d+)?\Z")


class Product(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product with releases. ``variants`` also finds it in other images' tags (-buster)."""

    name: str
    images: list[str]
    eol: dict[str, dt.date]
    aliases: dict[str, str] = {}
    variants: bool = False


class Deprecated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image that its publisher no longer updates, whatever the tag."""

    image: str
    since: dt.date
    instead: str


class EolTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """data/tables/eol.yaml."""

    as_of: dt.date
    products: list[Product]
    deprecated: list[Deprecated]


class ImageTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """data/tables/images.yaml."""

    nonroot: list[str]
    shell_less: list[str]
    bare_debian: list[str]
    slim_debian: list[str]
    alpine: list[str]
    users: dict[str, list[str]]
    official: frozenset[str] = frozenset()


class TfsecTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """data/tables/tfsec.yaml."""

    names: dict[str, str]


class Ended(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A release that is past its end of life."""

    product: str
    version: str
    date: dt.date
    as_of: dt.date


@cache
def eol_table() -> EolTable:
    """The table of ends of life."""
    return table("eol", EolTable)


@cache
def tfsec_names() -> dict[str, str]:
    """tfsec's names of checks (``aws-s3-enable-bucket-logging``) → Trivy's ids."""
    return table("tfsec", TfsecTable).names


@cache
def image_table() -> ImageTable:
    """What well-known base images bring along."""
    return table("images", ImageTable)


def matches(image: ImageRef, pattern: str) -> bool:
    """True when an image fits ``name`` or ``name:tag``; both parts may hold ``*``."""
    name, colon, tag = pattern.partition(":")
    if not fnmatchcase(image.short_name, name):
        return False
    return not colon or fnmatchcase(image.tag or "", tag)


def ended(image: ImageRef) -> tuple[Ended, ...]:
    """The releases in an image (its product, its distribution) that are past their end."""
    return _ended(image.short_name, image.tag or "")


@cache
def _by_image() -> dict[str, Product]:
    return {name: product for product in eol_table().products for name in product.images}


def _product(name: str) -> Product | None:
    found = _by_image().get(name)
    if found is None:
        namespace = name.rpartition("/")[0]
        found = _by_image().get(f"{namespace}/*") if namespace else None
    return found


def _ended(name: str, tag: str) -> tuple[Ended, ...]:
    found = []
    product = _product(name)
    if product is not None:
        found.append(_release(product, _version(product, tag)))
    if tag:
        others = (other for other in eol_table().products if other.variants)
        found.extend(
            _release(other, _variant(other, tag)) for other in others if other is not product
        )
    return tuple(item for item in found if item is not None)


def ended_release(product: str, version: str) -> Ended | None:
    """The release of a product by its name in the table (``Node.js``), if it is past its end."""
    found = next((one for one in eol_table().products if one.name == product), None)
    return None if found is None else _release(found, version)


def _version(product: Product, tag: str) -> str:
    match = _VERSION.match(tag)
    if match:
        return match.group(1)
    for word in tag.split("-"):
        if word in product.aliases:
            return product.aliases[word]
    return ""


def _variant(product: Product, tag: str) -> str:
    """The distribution that a tag names besides its own version: ``3.8-slim-buster``."""
    for word in tag.split("-"):
        if word in product.aliases:
            return product.aliases[word]
    match = _ALPINE.search(tag) if "alpine" in product.images else None
    return match.group(1) if match else ""


def _release(product: Product, version: str) -> Ended | None:
    table = eol_table()
    parts = version.split(".") if version else []
    keys = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    for key in (*keys, "*"):
        date = product.eol.get(key)
        if date is not None:
            if date > table.as_of:
                return None
            shown = key if key != "*" else version
            return Ended(product=product.name, version=shown, date=date, as_of=table.as_of)
    return None


def deprecated(image: ImageRef) -> Deprecated | None:
    """The entry of an image that its publisher gave up."""
    for entry in eol_table().deprecated:
        if matches(image, entry.image):
            return entry
    return None
