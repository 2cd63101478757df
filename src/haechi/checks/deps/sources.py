"""How firmly packages are named: which version, which content, whose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.deps.view import about_line, about_package, file_of
from haechi.model.package import Package, Source
from haechi.model.review import Hit, Review

_COMMIT = re.compile(r"[@#=][0-9a-f]{7,64}(?:$|[&#?])")
_WITHDRAWN = frozenset({"PyPI", "crates.io"})
"""Where the mark is of one version; elsewhere it is of a package."""
_GONE = {
    "PyPI": "was yanked by its authors",
    "crates.io": "was yanked by its authors",
    "npm": "is deprecated by its authors",
    "Packagist": "is abandoned by its authors",
}
_LEFT = "was withdrawn or is no longer kept"
_ANY = frozenset({"", "*", "x", "latest", ">=0", ">=0.0.0", ">= 0"})
_PINNED = re.compile(r"#(?:sha256|sha384|sha512|md5|[0-9a-f]{40})")
_UNDER_REQUIREMENTS = "requirements.txt"


def mutable(review: Review) -> Iterator[Hit]:
    """From git without a commit, over plain HTTP, or an address whose content nothing vouches for.

    Lock files name the commit that was found; what they leave open is content by address."""
    file = file_of(review)
    if file.told is None:
        return
    manifest = not file.told.pins or file.told.format == _UNDER_REQUIREMENTS
    told: set[tuple[str, int]] = set()
    for index, one in enumerate(file.packages):
        if one.source is Source.GIT and manifest and not _COMMIT.search(one.url):
            message = f"{one.name} is whatever its git repository holds on the day"
            yield about_package(message, one, index)
        elif one.source is Source.GIT and one.url.startswith(("git://", "git+http://", "http://")):
            yield about_package(f"{one.name} is fetched without TLS", one, index)
        elif one.source is Source.URL and not _vouched(one):
            how = "over plain HTTP " if one.url.startswith("http://") else ""
            where = (one.name, one.location.line)  # one line may hold an address for each platform
            if (how or manifest) and where not in told:
                told.add(where)
                message = f"{one.name} is fetched {how}from an address without a digest"
                yield about_package(message, one, index)


def _vouched(package: Package) -> bool:
    return bool(package.digests) or bool(_PINNED.search(package.url))


def any_version(review: Review) -> Iterator[Hit]:
    """Asked for in any version, and no lock file says which."""
    file = file_of(review)
    told = file.told
    if told is None or (told.pins and told.format != _UNDER_REQUIREMENTS):
        return
    if told.ecosystem not in ("PyPI", "npm", "Packagist") or _is_constraints(file.name):
        return
    names = [one.name for one in told.packages if _is_open(one)]
    if names:
        first = next(one for one in told.packages if _is_open(one))
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")
        verb = "is" if len(names) == 1 else "are"
        message = f"{shown} {verb} taken in whatever version is the newest"
        yield about_line(message, first.location.line, "unpinned")


def _is_open(package: Package) -> bool:
    if package.source is not Source.REGISTRY or package.version:
        return False
    shipped = not package.development and not package.optional
    return shipped and package.constraint.strip() in _ANY


def no_hashes(review: Review) -> Iterator[Hit]:
    """Every version is pinned, but not the content."""
    file = file_of(review)
    told = file.told
    if told is None or told.format != _UNDER_REQUIREMENTS or _is_constraints(file.name):
        return
    named = [one for one in told.packages if one.source is Source.REGISTRY]
    pinned = all(one.version for one in named) and len(named) >= 3
    if pinned and not any(one.digests for one in named):
        message = f"{len(named)} packages are pinned by version, none by its digest"
        yield about_line(message, named[0].location.line, "hashes")


def yanked(review: Review) -> Iterator[Hit]:
    """Withdrawn, deprecated or abandoned, as the lock file itself says."""
    for index, one in enumerate(file_of(review).packages):
        # what a package of others needs, and its authors call old, nobody here can change
        if one.yanked and (one.ecosystem in _WITHDRAWN or one.direct is not False):
            said = "" if one.yanked in ("true", "yanked", "yes") else f": {one.yanked[:200]}"
            version = f" {one.version}" if one.version else ""
            message = f"{one.name}{version} {_GONE.get(one.ecosystem, _LEFT)}{said}"
            yield about_package(message, one, index)


def _is_constraints(name: str) -> bool:
    return "constraint" in name


_REPLACE = re.compile(
    r"^\s*(?:replace\s+)?(?P<old>[\w.~/-]+\.[\w.~/-]+)(?:\s+v\S+)?\s+=>\s+(?P<new>\S+)(?:\s+(?P<version>v\S+))?"
)


def replaced(review: Review) -> Iterator[Hit]:
    """``replace`` puts a fork or a folder outside of the repository in a module's place."""
    file = file_of(review)
    if file.name not in ("go.mod", "go.work"):
        return
    depth = file.path.count("/")
    for number, line in enumerate(file.text().splitlines(), 1):
        match = _REPLACE.match(line.partition("//")[0])
        if match is None:
            continue
        old, new = match["old"], match["new"]
        if new.startswith((".", "/")):
            ups = len(re.findall(r"\.\./", new + "/"))
            if not new.startswith("/") and ups <= depth:
                continue  # a neighbour of the same repository
            message = f"{old} is taken from {new}, which is not in this repository"
        elif _owner(old) != _owner(new):
            message = f"{old} is replaced by {new} of another owner"
        else:
            continue
        yield about_line(message, number, old)


def _owner(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[:2])
