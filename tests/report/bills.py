"""Package files with everything in them that an SBOM can tell."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st

from haechi.model.coverage import Gap
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source
from haechi.report.sbom_frame import Origin

ORIGIN = Origin(made=dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC), version="1.0", author="Shop")


def package(name: str, version: str = "1.0.0", *, line: int = 1, **more: object) -> Package:
    path = str(more.pop("path", "package-lock.json"))
    return Package(
        **{  # type: ignore[arg-type]
            "ecosystem": "npm",
            "name": name,
            "version": version,
            "location": Location(path=path, line=line),
            **more,
        }
    )


NPM = PackageFile(
    path="web/package-lock.json",
    format="package-lock.json",
    ecosystem="npm",
    name="web",
    version="1.2.3",
    packages=(
        package(
            "@scope/a",
            line=4,
            path="web/package-lock.json",
            needs=(1, 2),
            direct=True,
            licence="mit or apache-2.0",
            digests=("sha512-" + "A" * 86 + "==",),
        ),
        package("b", line=9, path="web/package-lock.json", direct=False, licence="Own words"),
        package(
            "b",
            "2.0.0",
            line=14,
            path="web/package-lock.json",
            direct=False,
            optional=True,
            needs=(0,),
            install_script=True,
        ),
        package(
            "test-only",
            line=20,
            path="web/package-lock.json",
            direct=True,
            development=True,
            licence="MIT",
            yanked="broken",
        ),
        package(
            "member",
            "0.0.0",
            line=30,
            path="web/package-lock.json",
            source=Source.WORKSPACE,
            direct=True,
        ),
        package(
            "fork",
            "1.0.0",
            line=40,
            path="web/package-lock.json",
            source=Source.GIT,
            url="https://git.example/fork#0123",
            direct=True,
            digests=("h1:abc=",),
        ),
    ),
    requires=(0, 3, 4, 5),
)
PYTHON = PackageFile(
    path="requirements.txt",
    format="requirements.txt",
    ecosystem="PyPI",
    packages=(
        Package(
            ecosystem="PyPI",
            name="requests",
            version="2.31.0",
            location=Location(path="requirements.txt", line=1),
            digests=("sha256:" + "ab" * 32, "sha256:" + "cd" * 32),
        ),
        Package(
            ecosystem="PyPI",
            name="flask",
            constraint=">=3",
            location=Location(path="requirements.txt", line=2),
        ),
    ),
)
GAP = Gap(kind="syntax", path="Cargo.lock", reason="not TOML")


@st.composite
def files(draw: st.DrawFn) -> PackageFile:
    """A lock file with any graph over a few packages."""
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True))
    path = draw(st.sampled_from(["a/package-lock.json", "b/package-lock.json"]))
    indices = range(len(names))
    told = draw(st.booleans())
    requires = draw(st.lists(st.sampled_from(indices), max_size=4, unique=True)) if told else []
    packages = tuple(
        package(
            name,
            draw(st.sampled_from(["1.0.0", "2.0.0-rc.1", "3.0.0+x"])),
            line=number + 1,
            path=path,
            needs=tuple(
                each
                for each in draw(st.lists(st.sampled_from(indices), max_size=3, unique=True))
                if each != number
            ),
            direct=(number in requires) if told else None,
            development=draw(st.booleans()),
            licence=draw(st.sampled_from(["", "MIT", "MIT OR Apache-2.0", "something else"])),
            digests=draw(st.sampled_from([(), ("sha256:" + "0" * 64,)])),
        )
        for number, name in enumerate(names)
    )
    return PackageFile(
        path=path,
        format="package-lock.json",
        ecosystem="npm",
        packages=packages,
        requires=tuple(requires),
    )
