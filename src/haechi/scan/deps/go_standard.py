"""Go's standard library: what a ``go.mod`` says of it, and which of its faults are told.

A ``toolchain`` or ``go`` line with a release (``1.25.3``) is the least that builds the module; what
really builds it may be newer. So what is told of that release is narrow: a vulnerability counts
where code of the module imports the package that it is in and names something of what is
vulnerable there, or imports a package that hands its input on to it.
The rest is counted in one sentence. A line without a release (``go 1.25``) is about the language;
nothing follows from it, and that is said, too.

An SBOM of a built program names the version that is linked. There all of it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from haechi.model.counting import counted
from haechi.model.finding import Finding
from haechi.model.package import Package, PackageFile, Source

NAME = "stdlib"
LEAST = "least"
"""The key of the evidence that says that a version is the least that may be built with."""
_LISTED = 3
_WAYS = """
crypto/internal/fips140/nistec crypto/ecdsa crypto/elliptic crypto/ecdh crypto/x509 net/http
crypto/internal/nistec crypto/ecdsa crypto/elliptic crypto/ecdh crypto/tls crypto/x509 net/http
crypto/tls net/http net/smtp net/http/httputil
crypto/x509 crypto/tls net/http net/smtp net/http/httputil
encoding/asn1 crypto/x509 crypto/tls net/http net/smtp
encoding/pem crypto/x509 crypto/tls
go/build/constraint go/parser go/build
go/scanner go/parser go/format go/build
internal/safefilepath path/filepath net/http
mime net/http mime/multipart net/mail
mime/multipart net/http
net net/http crypto/tls net/smtp
net/http net/http/httputil net/http/cgi net/http/fcgi net/http/pprof
net/http/internal net/http net/http/httputil
net/http/internal/http2 net/http net/http/httputil
net/textproto net/http net/http/httputil net/mail net/smtp mime/multipart
net/url net/http net/http/httputil
regexp/syntax regexp
"""
"""A package, then those by which what comes from outside gets to it."""


def ways_to(path: str) -> tuple[str, ...]:
    """The packages of the library that lead to one of it, besides itself."""
    return _TABLE.get(path, ())


_TABLE = {path: tuple(ways) for path, *ways in map(str.split, _WAYS.strip().splitlines())}


def is_least(package: Package) -> bool:
    """Whether a package is the library of the least release that builds a module."""
    return package.source is Source.STDLIB and bool(package.constraint)


def told(findings: Sequence[Finding], *, whole: bool = True) -> tuple[list[Finding], int]:
    """The findings without those of the library in which nothing leads from this code to what is
    vulnerable, and how many these are. A record that names no package counts always, and all do
    where not the ``whole`` code was looked at."""
    if not whole:
        return list(findings), 0
    kept = [one for one in findings if not _is_unused(one)]
    return kept, len(findings) - len(kept)


def _is_unused(finding: Finding) -> bool:
    evidence = finding.evidence
    if LEAST not in evidence or evidence.get("reach") in ("called", "imported"):
        return False
    return any(one["path"] for one in evidence.get("symbols") or ())


def sentences(files: Iterable[PackageFile], left_out: int) -> tuple[str, ...]:
    """What is said of the library besides findings."""
    silent = [
        file.path
        for file in files
        if file.format == "go.mod" and not any(one.name == NAME for one in file.packages)
    ]
    said = []
    if left_out:
        verb = "is" if left_out == 1 else "are"
        known = counted(left_out, "known vulnerability", "known vulnerabilities")
        said.append(
            f"{known} of Go's standard library {verb} left out: no code here imports what "
            f"{verb} vulnerable"
        )
    if silent:
        more = f" and {len(silent) - _LISTED:,} more" if len(silent) > _LISTED else ""
        said.append(
            "Go's standard library is not judged where no release of Go is named (a line such as "
            f"`toolchain go1.25.5` does): {', '.join(silent[:_LISTED])}{more}"
        )
    return tuple(said)
