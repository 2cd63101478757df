"""Gradle's build scripts and version catalogues, as far as they are plain text.

A build script is a program; it is not run here. Coordinates that stand in it as constants (with
variables that are set once, to a text) are told as what the build asks for. Every other line that
adds a dependency is counted in one gap: its version comes from a platform, a plugin or code.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from haechi.errors import LimitExceeded
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, table, text_of, toml_of, word
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.places import Lines
from haechi.scan.deps.formats.toml_lines import key_lines

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "Maven"
_LARGEST = 2 * 1024 * 1024
_LITTER = re.compile(
    r"(\"\"\".{0,20000}?\"\"\"|'''.{0,20000}?'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|//[^\n]*|/\*.*?(?:\*/|\Z)",
    re.DOTALL,
)
_CONFIGURATION = (
    r"(?:[a-z][A-Za-z0-9]{0,60}?)?(?:[iI]mplementation|[cC]ompileOnly|[rR]untimeOnly|[aA]pi|"
    r"[aA]nnotationProcessor|[kK]apt|[kK]sp|[cC]lasspath|[cC]ompile|[rR]untime|[pP]rovided|"
    r"[dD]evelopmentOnly|[cC]oreLibraryDesugaring|[cC]ompileOnlyApi)"
)
_ADDS = re.compile(
    rf"^[ \t]*(?:add\(\s*)?[\"']?(?P<where>{_CONFIGURATION})[\"']?"
    r"(?P<rest>[ \t]{0,40}[(,][^\n]*|[ \t]{1,40}[^\s={.:][^\n]*)$",
    re.MULTILINE,
)
_TEXT = re.compile(r"\"([^\"\n]{3,600})\"|'([^'\n]{3,600})'")
_COORDINATES = re.compile(
    r"([\w.${}-]{1,200}):([\w.${}-]{1,200})(?::([^:@\s]{1,200}))?(?::[^:@\s]{1,100})?(?:@\w{1,20})?"
)
_NAMED = re.compile(
    r"\b(group|name|version)\s*[:=]\s*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([A-Za-z_][\w.]*))"
)
_ELSEWHERE = re.compile(
    r"\b(?:project|files|fileTree|gradleApi|localGroovy|gradleTestKit|npm)\s*\(|"
    r"\bprojects\.|\b(?:libs|[a-z]\w*Libs|libs[A-Z]\w*)\.|\blibs\b|sourceSets"
)
_SET = re.compile(
    r"^[ \t]*(?:(?:final\s+)?(?:def|String|val|var|const val)\s+|(?:project\.)?ext\.|set\(\s*)?"
    r"[\"']?([A-Za-z_][\w.]{0,100})[\"']?\s{0,40}[=,]\s{0,40}"
    r"(?:\"([^\"$\n]{1,200})\"|'([^'\n]{1,200})')\s{0,20}\)?[ \t;]{0,20}$",
    re.MULTILINE,
)
_EXTRA = re.compile(r"val\s+(\w{1,100})\s+by\s+extra\(\s*\"([^\"$\n]{1,200})\"\s*\)")
_PROPERTY = re.compile(
    r"^[ \t]{0,40}([A-Za-z_][\w.-]{0,100})[ \t]{0,40}[=:][ \t]{0,40}(\S{1,200})[ \t\r]{0,40}$",
    re.MULTILINE,
)
_REFERENCE = re.compile(
    r"\$\{?(?:rootProject\.|project\.)?(?:ext\.|extra\[\")?([A-Za-z_][\w.]*)(?:\"\])?\}?"
)
_TEST = re.compile(r"^(?:test|androidTest|integrationTest|jmh)|Test[A-Z]|^debug|^developmentOnly")
_TOOLS = frozenset({"annotationProcessor", "kapt", "ksp", "classpath"})
_EXACT = re.compile(r"[\w.+-]*\d[\w.-]*")


class _Added(NamedTuple):
    """One dependency of a script; ``version`` is raw."""

    module: str
    version: str
    configuration: str
    line: int


def read_build(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``build.gradle`` and ``build.gradle.kts``."""
    if len(data) > _LARGEST:
        raise LimitExceeded(f"a build script of more than {_LARGEST:,} bytes", where=path)
    text = _LITTER.sub(_without_comment, text_of(data, path))
    values = _values(text, posixpath.dirname(path), around)
    drafts: dict[tuple[str, str], Draft] = {}
    left = 0
    for one in _added(text):
        version = _filled(one.version, values) if one is not None else None
        module = _filled(one.module, values) if one is not None else None
        if one is None or not module:
            left += 1
            continue
        exact = version if version and _EXACT.fullmatch(version) and "+" not in version else ""
        left += not exact
        draft = Draft(
            module,
            exact,
            line=one.line,
            constraint=version or one.version,
            development=_for_development(one.configuration),
        )
        known = drafts.setdefault((module, exact), draft)
        known.development = known.development and draft.development
        if len(drafts) > MAX_PACKAGES:
            raise LimitExceeded(f"more than {MAX_PACKAGES:,} dependencies", where=path)
    return [_file(path, posixpath.basename(path), list(drafts.values()), left)]


def read_catalogue(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``gradle/libs.versions.toml``: its libraries, and plugins as what they resolve to. The lock
    file of the root says more."""
    if "gradle.lockfile" in around.names(posixpath.dirname(posixpath.dirname(path))):
        return []
    text = text_of(data, path)
    told = toml_of(text, path)
    lines = key_lines(text)
    versions = table(told.get("versions"))
    drafts = []
    for section, plugin in (("libraries", False), ("plugins", True)):
        for alias, value in table(told.get(section)).items():
            module, constraint = _entry(value, versions, plugin=plugin)
            if module:
                exact = constraint if _EXACT.fullmatch(constraint) and "+" not in constraint else ""
                line = lines.get((section, alias), 1)
                drafts.append(
                    Draft(module, exact, line=line, constraint=constraint, development=plugin)
                )
    if len(drafts) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} dependencies", where=path)
    return [_file(path, "libs.versions.toml", drafts, sum(not one.version for one in drafts))]


def _entry(value: Any, versions: dict[str, Any], *, plugin: bool) -> tuple[str, str]:
    """Module and what is asked of it: ``"g:a:v"``, or a table with ``version`` or a reference."""
    if isinstance(value, str):
        name, _, version = value.rpartition(":")
    else:
        told = table(value)
        name = word(told.get("id")) or word(told.get("module"))
        if not name and word(told.get("group")):
            name = f"{word(told.get('group'))}:{word(told.get('name'))}"
        raw = told.get("version")
        if isinstance(raw, dict) and word(raw.get("ref")):
            raw = versions.get(word(raw.get("ref")))
        version = word(raw)
        if isinstance(raw, dict):
            version = next(
                (word(raw[k]) for k in ("strictly", "require", "prefer") if k in raw), ""
            )
    if plugin and name:
        name = f"{name}:{name}.gradle.plugin"
    return (name if ":" in name else ""), version


def _file(path: str, format: str, drafts: list[Draft], left: int) -> PackageFile:
    packages, requires = settle(
        drafts, Roots(production=range(len(drafts))), ecosystem=ECOSYSTEM, path=path, scopes=False
    )
    gaps: tuple[Gap, ...] = ()
    if left or drafts:
        unknown = f"{left} dependencies have no version as a constant, and " if left else ""
        gaps = (
            Gap(
                kind="gradle-not-evaluated",
                path=path,
                reason=f"a build script is not run: {unknown}what dependencies bring in is not "
                "written",
                do="lock dependencies (gradle dependencies --write-locks) or scan an SBOM",
            ),
        )
    return PackageFile(
        path=path,
        format=format,
        ecosystem=ECOSYSTEM,
        packages=packages,
        requires=requires,
        pins=False,
        gaps=gaps,
    )


def _without_comment(match: re.Match[str]) -> str:
    return match[1] or "\n" * match[0].count("\n")


def _added(text: str) -> Iterator[_Added | None]:
    """Every line that adds a dependency; None for one that says it in code. What the build
    itself holds (projects, files) and entries of the catalogue are told elsewhere."""
    lines = Lines(text)
    for match in _ADDS.finditer(text):
        rest = match["rest"]
        line = lines.at(match.start("where"))
        found = _module(rest)
        if found is not None:
            yield _Added(*found, match["where"], line)
        elif not _ELSEWHERE.search(rest) and (_TEXT.search(rest) or _NAMED.search(rest)):
            yield None


def _module(rest: str) -> tuple[str, str] | None:
    named = {m[1]: m[2] or m[3] or (f"${m[4]}" if m[4] else "") for m in _NAMED.finditer(rest)}
    if "group" in named and "name" in named:
        return f"{named['group']}:{named['name']}", named.get("version", "")
    for text in _TEXT.finditer(rest):
        found = _COORDINATES.fullmatch(text[1] or text[2] or "")
        if found is not None:
            return f"{found[1]}:{found[2]}", found[3] or ""
    return None


def _values(text: str, folder: str, around: Around) -> dict[str, str]:
    """Names that are set to a text: in the script, in ``gradle.properties`` and the root's
    script. A name that is set to two texts has none."""
    found: dict[str, str] = {}
    clash: set[str] = set()
    pairs = [(m[1], m[2] or m[3]) for m in _SET.finditer(text)]
    pairs += [(m[1], m[2]) for m in _EXTRA.finditer(text)]
    for name, value in pairs:
        short = name.removeprefix("ext.")
        if found.setdefault(short, value) != value:
            clash.add(short)
    here = folder
    for _ in range(12):
        if "gradle.properties" in around.names(here):
            data = around.read(posixpath.join(here, "gradle.properties")) or b""
            for match in _PROPERTY.finditer(data[:200_000].decode(errors="replace")):
                found.setdefault(match[1], match[2])
        if not here:
            break
        here = posixpath.dirname(here)
    return {name: value for name, value in found.items() if name not in clash}


def _filled(raw: str, values: dict[str, str]) -> str | None:
    """The text with its variables; None when one is not known."""
    names = _REFERENCE.findall(raw)
    if any(name not in values for name in names):
        return None
    text = _REFERENCE.sub(lambda match: values[match[1]], raw)
    return None if "$" in text else text


def _for_development(configuration: str) -> bool:
    return configuration in _TOOLS or _TEST.search(configuration) is not None
