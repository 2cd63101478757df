"""Package URLs (ECMA-427, github.com/package-url/purl-spec): read, written, and from packages.

``pkg:type/namespace/name@version?qualifiers#subpath``. Each type has its own rules of spelling, so
that one package has one package URL. A purl names an ecosystem only as far as OSV knows it;
distributions are told by the namespace and the ``distro`` qualifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote

import msgspec

from haechi.errors import InputError
from haechi.model.package import Package, Source

MAX_LENGTH = 4096

_TYPE = re.compile(r"[a-z][a-z0-9.-]*").fullmatch
_QUALIFIER = re.compile(r"[a-z][a-z0-9._-]*").fullmatch
_NOT_LOWER_ALNUM = re.compile(r"[^a-z0-9]")
_DASHES = re.compile(r"[-_.]+")

_FOLDED = frozenset(
    (
        "alpm",
        "apk",
        "bitbucket",
        "bitnami",
        "brew",
        "composer",
        "deb",
        "github",
        "hex",
        "oci",
        "pub",
        "pypi",
    )
)
"""Types whose names are compared without case; for these the lower case is canonical."""
_FOLDED_NAMESPACES = frozenset(
    ("alpm", "apk", "bitbucket", "brew", "composer", "deb", "github", "hex", "qpkg", "rpm")
)
_NO_NAMESPACE = frozenset(
    (
        "bazel",
        "bitnami",
        "cargo",
        "chrome-extension",
        "cocoapods",
        "conda",
        "cran",
        "gem",
        "hackage",
        "julia",
        "mlflow",
        "nuget",
        "oci",
        "opam",
        "otp",
        "pub",
        "pypi",
        "vcpkg",
    )
)
_NEEDS_NAMESPACE = frozenset(
    (
        "alpm",
        "apk",
        "bitbucket",
        "composer",
        "deb",
        "github",
        "huggingface",
        "maven",
        "qpkg",
        "rpm",
        "swift",
        "vscode-extension",
    )
)


class Purl(msgspec.Struct, frozen=True, kw_only=True):
    """The parts, decoded and normalised; "" where there is none. ``str`` writes it."""

    type: str
    namespace: str = ""
    name: str
    version: str = ""
    qualifiers: Mapping[str, str] = {}
    subpath: str = ""

    def __str__(self) -> str:
        path = "/".join(map(_quoted, self.namespace.split("/"))) + "/" if self.namespace else ""
        text = f"pkg:{self.type}/{path}{_quoted(self.name)}"
        if self.version:
            text += "@" + _quoted(self.version)
        if self.qualifiers:
            pairs = sorted(self.qualifiers.items())
            text += "?" + "&".join(f"{key}={_quoted(value)}" for key, value in pairs)
        if self.subpath:
            text += "#" + "/".join(map(_quoted, self.subpath.split("/")))
        return text


def parse_purl(text: str) -> Purl:
    """Read a package URL; InputError (what, why) for what is none."""
    if len(text) > MAX_LENGTH:
        raise _wrong(text, f"it has {len(text)} characters, at most {MAX_LENGTH} are read")
    scheme, colon, rest = text.strip().partition(":")
    if not colon or scheme.lower() != "pkg":
        raise _wrong(text, "it does not begin with pkg:")
    rest, _, subpath = rest.partition("#")
    rest, _, qualifiers = rest.partition("?")
    type_, _, rest = rest.strip("/").partition("/")
    before, at, version = rest.rpartition("@")
    if at and "/" not in version and before and not before.endswith("/"):
        rest = before
    else:
        version = ""
    if rest.rpartition("/")[2].startswith("@"):
        raise _wrong(text, "it has no name before its version")
    *namespace, name = [unquote(part) for part in rest.split("/") if part] or [""]
    return made(
        type_,
        name,
        namespace="/".join(namespace),
        version=unquote(version),
        qualifiers=_qualifiers(qualifiers),
        subpath="/".join(unquote(part) for part in subpath.split("/")),
    )


def made(
    type_: str,
    name: str,
    *,
    namespace: str = "",
    version: str = "",
    qualifiers: Mapping[str, str] | None = None,
    subpath: str = "",
) -> Purl:
    """A package URL from its decoded parts, normalised as the type asks; InputError where the
    type refuses them."""
    kind = type_.lower()
    if not _TYPE(kind):
        raise _wrong(type_, "the type has letters, digits, dots and hyphens only")
    spaces = "/".join(part for part in namespace.split("/") if part)
    if kind in _FOLDED_NAMESPACES:
        spaces = spaces.lower()
    spelled = _name(kind, name, qualifiers or {})
    _check(kind, spaces, spelled)
    wrong = next((key for key in qualifiers or {} if not _QUALIFIER(key.lower())), None)
    if wrong is not None:
        raise _wrong(type_, f"{wrong[:40]!r} is no key of a qualifier")
    path = "/".join(part for part in subpath.split("/") if part not in ("", ".", ".."))
    return Purl(
        type=kind,
        namespace=spaces,
        name=spelled,
        version=version.lower() if kind in ("huggingface", "oci", "pypi") else version,
        qualifiers={key.lower(): value for key, value in (qualifiers or {}).items() if value},
        subpath=path,
    )


def _name(kind: str, name: str, qualifiers: Mapping[str, str]) -> str:
    if kind == "mlflow":  # Databricks' registries do not tell case apart
        return name.lower() if "databricks" in qualifiers.get("repository_url", "") else name
    if kind not in _FOLDED:
        return name
    lower = name.lower()
    if kind == "pypi":
        return lower.replace("_", "-")
    return _NOT_LOWER_ALNUM.sub("_", lower) if kind == "pub" else lower


def _check(kind: str, namespace: str, name: str) -> None:
    shown = f"pkg:{kind}/{namespace}/{name}"
    if not name or (kind == "cpan" and "::" in name):  # a module is no distribution
        raise _wrong(shown, "it has no name")
    if kind in _NO_NAMESPACE and namespace:
        raise _wrong(shown, f"{kind} knows no namespaces")
    if kind in _NEEDS_NAMESPACE and not namespace:
        raise _wrong(shown, f"{kind} needs a namespace")


def _qualifiers(written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in written.split("&"):
        key, _, value = pair.partition("=")
        if value:
            found[key] = unquote(value)
    return found


def _quoted(part: str) -> str:
    return quote(part, safe=":", errors="replace")


def _wrong(text: str, why: str) -> InputError:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return InputError(
        f"{shown!r} is no package URL", why=why, do="write it as pkg:type/namespace/name@version"
    )


_TYPES = {
    "PyPI": "pypi",
    "npm": "npm",
    "Go": "golang",
    "crates.io": "cargo",
    "Maven": "maven",
    "RubyGems": "gem",
    "Packagist": "composer",
    "NuGet": "nuget",
    "Hex": "hex",
    "Pub": "pub",
    "SwiftURL": "swift",
    "Bitnami": "bitnami",
    "GitHub Actions": "github",
    "CRAN": "cran",
    "Hackage": "hackage",
    "ConanCenter": "conan",
    "Julia": "julia",
}
_ECOSYSTEMS = {type_: ecosystem for ecosystem, type_ in _TYPES.items()}
_DISTRIBUTIONS = {
    # ecosystem: type, namespace (which begins the value of the distro qualifier, too)
    "Debian": ("deb", "debian"),
    "Ubuntu": ("deb", "ubuntu"),
    "Alpine": ("apk", "alpine"),
    "Chainguard": ("apk", "chainguard"),
    "Wolfi": ("apk", "wolfi"),
    "Red Hat": ("rpm", "redhat"),
    "Rocky Linux": ("rpm", "rocky"),
    "AlmaLinux": ("rpm", "almalinux"),
    "SUSE": ("rpm", "suse"),
    "openSUSE": ("rpm", "opensuse"),
    "openEuler": ("rpm", "openeuler"),
    "Mageia": ("rpm", "mageia"),
    "Azure Linux": ("rpm", "azurelinux"),
    "Photon OS": ("rpm", "photon"),
    "Fedora": ("rpm", "fedora"),
    "CentOS": ("rpm", "centos"),
    "Amazon Linux": ("rpm", "amzn"),
    "Oracle Linux": ("rpm", "oracle"),
}
_BY_MAJOR = frozenset({"Debian", "Rocky Linux", "AlmaLinux"})
_ROLLING = frozenset({"Chainguard", "Wolfi"})
"""Of these OSV names no releases, though tools write the day of one."""
_UBUNTU_LTS = re.compile(r"\d[02468]\.04").fullmatch
"""Every second April's release is supported long, and OSV says so in its name."""
_BY_NAMESPACE = {pair: ecosystem for ecosystem, pair in _DISTRIBUTIONS.items()}
_BY_NAMESPACE |= {
    ("rpm", "rhel"): "Red Hat",
    ("rpm", "rocky-linux"): "Rocky Linux",
    ("rpm", "rockylinux"): "Rocky Linux",
    ("rpm", "alma"): "AlmaLinux",
    ("rpm", "sles"): "SUSE",
    ("rpm", "azure-linux"): "Azure Linux",
    ("rpm", "ol"): "Oracle Linux",
    ("rpm", "amazon"): "Amazon Linux",
}


class Coordinates(NamedTuple):
    """Ecosystem (OSV's name, with the release of a distribution), name there, version."""

    ecosystem: str
    name: str
    version: str


def purl_of(package: Package) -> str:
    """The package URL of a package. An ecosystem without a type of its own is ``generic``."""
    ecosystem, _, release = package.ecosystem.partition(":")
    known = _DISTRIBUTIONS.get(ecosystem)
    if known is not None:
        return str(_of_distribution(package, *known, release))
    kind = _TYPES.get(ecosystem, "generic")
    namespace, name = _split(kind, package.name)
    if kind in _NEEDS_NAMESPACE and not namespace:
        kind = "generic"
    origin = _origin(package)
    return str(made(kind, name, namespace=namespace, version=package.version, qualifiers=origin))


def _split(kind: str, name: str) -> tuple[str, str]:
    if kind == "maven":
        namespace, _, artifact = name.rpartition(":")
        return namespace, artifact
    if kind in _NO_NAMESPACE or kind == "generic":
        return "", name
    namespace, _, last = name.rpartition("/")
    return namespace, last


def _origin(package: Package) -> dict[str, str]:
    """Where a package comes from that no registry has."""
    if not package.url or package.source in (Source.REGISTRY, Source.STDLIB):
        return {}
    if package.source == Source.GIT:
        scheme = "" if package.url.startswith("git") else "git+"
        return {"vcs_url": scheme + package.url}
    return {"download_url": package.url} if package.source == Source.URL else {}


def _of_distribution(package: Package, kind: str, namespace: str, release: str) -> Purl:
    epoch, version = "", package.version
    if kind == "rpm" and ":" in version:
        epoch, version = version.split(":", 1)
    told = release.lstrip("v").removesuffix(":LTS")
    distro = package.distribution or (f"{namespace}-{told}" if told else "")
    qualifiers = {
        "distro": distro,
        "epoch": epoch if epoch not in ("0", "(none)") else "",
        "rpmmod": package.module_stream,
    }
    return made(kind, package.name, namespace=namespace, version=version, qualifiers=qualifiers)


def package_of_purl(purl: Purl | str) -> Coordinates | None:
    """What a package URL names, as OSV does; None for types that no ecosystem has."""
    found = parse_purl(purl) if isinstance(purl, str) else purl
    if (found.type, found.namespace) in _BY_NAMESPACE:
        return _in_distribution(found, _BY_NAMESPACE[found.type, found.namespace])
    ecosystem = _ECOSYSTEMS.get(found.type)
    if ecosystem is None:
        return None
    joint = ":" if found.type == "maven" else "/"
    name = f"{found.namespace}{joint}{found.name}" if found.namespace else found.name
    if found.type == "pypi":
        name = _DASHES.sub("-", name)
    return Coordinates(ecosystem, name, found.version)


def _in_distribution(found: Purl, ecosystem: str) -> Coordinates:
    _, _, release = found.qualifiers.get("distro", "").rpartition("-")
    if ecosystem in _ROLLING:
        release = ""
    elif ecosystem == "Ubuntu" and _UBUNTU_LTS(release):
        release += ":LTS"
    elif release and ecosystem == "Alpine":
        release = "v" + ".".join(release.lstrip("v").split(".")[:2])
    elif ecosystem in _BY_MAJOR and release[:1].isdigit():
        release = release.partition(".")[0]  # tools write 12.5, advisories 12
    epoch = found.qualifiers.get("epoch", "")
    version = f"{epoch}:{found.version}" if epoch and found.version else found.version
    return Coordinates(f"{ecosystem}:{release}" if release else ecosystem, found.name, version)
