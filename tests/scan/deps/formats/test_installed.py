"""Environments as they are installed."""

from __future__ import annotations

from haechi.model.package import Source
from tests.scan.deps.formats.written import Written, named, needs

SITE = "env/lib/python3.11/site-packages"


def _tree() -> Written:
    return Written(
        {
            f"{SITE}/Flask-2.0.dist-info/METADATA": """\
                Metadata-Version: 2.1
                Name: Flask
                Version: 2.0
                License: BSD-3-Clause
                Requires-Dist: Werkzeug>=2
                Requires-Dist: asgiref>=3; extra == 'async'

                Version: 9.9 in the description
                """,
            f"{SITE}/Flask-2.0.dist-info/REQUESTED": "",
            f"{SITE}/werkzeug-2.1.dist-info/METADATA": "Name: werkzeug\nVersion: 2.1\n"
            "License-Expression: MIT\n",
            f"{SITE}/asgiref-3.0-py3.11.egg-info/PKG-INFO": "Name: asgiref\nVersion: 3.0\n"
            "Classifier: License :: OSI Approved :: BSD License\n",
            f"{SITE}/old-1.2-py3.11.egg-info": "no headers",
            f"{SITE}/ours-0.1.dist-info/METADATA": "Name: ours\nVersion: 0.1\n",
            f"{SITE}/ours-0.1.dist-info/direct_url.json": '{"url": "https://u:p@h/o.git", '
            '"vcs_info": {"vcs": "git"}}',
            f"{SITE}/empty-1.dist-info/RECORD": "",
        }
    )


def test_environment() -> None:
    (file,) = _tree().all(f"{SITE}/Flask-2.0.dist-info/METADATA")
    assert (file.path, file.format) == (SITE, "site-packages")
    assert [(one.name, one.version, one.licence) for one in file.packages] == [
        ("flask", "2.0", "BSD-3-Clause"),
        ("asgiref", "3.0", "BSD License"),
        ("old", "1.2", ""),
        ("ours", "0.1", ""),
        ("werkzeug", "2.1", "MIT"),
    ]
    assert needs(file) == {"flask": ["werkzeug", "asgiref"]}
    assert [file.packages[at].name for at in file.requires] == ["flask"]
    ours = named(file, "ours")
    assert (ours.source, ours.url) == (Source.GIT, "https://h/o.git")
    assert ours.location.path == f"{SITE}/ours-0.1.dist-info/METADATA"
    (gap,) = file.gaps
    assert gap.path == f"{SITE}/empty-1.dist-info"


def test_egg_info_of_sources_is_no_environment() -> None:
    tree = Written({"src/shop.egg-info/PKG-INFO": "Name: shop\nVersion: 1\n"})
    assert tree.all("src/shop.egg-info/PKG-INFO") == []
