"""Names that SBOMs go by; light, because every run asks whether its path is one."""

from __future__ import annotations

_ENDINGS = (
    ".cdx.json",
    ".cdx.xml",
    ".cyclonedx.json",
    ".cyclonedx.xml",
    ".spdx",
    ".spdx.json",
    ".spdx.tag",
    ".spdx.tv",
    ".sbom.json",
    ".bom.json",
    ".intoto.jsonl",
)
_NAMES = frozenset({"bom.json", "bom.xml", "sbom.json", "sbom.xml", "sbom-cyclonedx.json"})


def is_sbom_name(path: str) -> bool:
    """True for names that SBOMs go by; says nothing about the content."""
    name = path.rpartition("/")[2].lower()
    return name in _NAMES or name.endswith(_ENDINGS)
