"""Composer: lock files with the project's wishes, manifests alone."""

from __future__ import annotations

import json

import pytest

from haechi.errors import InputError
from haechi.model.package import Source
from tests.scan.deps.formats.written import (
    Written,
    development,
    direct,
    lines,
    named,
    needs,
    survives,
    told,
    versions,
)

_PACKAGIST = "https://packagist.org/downloads/"
_LOCK = json.dumps(
    {
        "packages": [
            {
                "name": "Monolog/Monolog",
                "version": "2.9.1",
                "source": {"type": "git", "url": "https://github.com/x.git", "reference": "a"},
                "dist": {"type": "zip", "url": "https://t:k@api.example/z", "shasum": "abcd"},
                "require": {"php": ">=7.2", "psr/log-implementation": "*", "ext-json": "*"},
                "license": ["MIT", "GPL-2.0 or later"],
                "notification-url": _PACKAGIST,
                "authors": [{"name": "psr/log", "email": "a@b.example"}],
            },
            {
                "name": "psr/log",
                "version": "v3.0.0",
                "provide": {"psr/log-implementation": "1.0"},
                "license": "MIT",
                "abandoned": "psr/other",
                "notification-url": _PACKAGIST,
            },
            {
                "name": "own/plugin",
                "version": "dev-main",
                "type": "composer-plugin",
                "source": {"type": "git", "url": "https://me:pw@git.example/p.git"},
            },
            {"name": "own/local", "version": "1.0", "dist": {"type": "path", "url": "./local"}},
        ],
        "packages-dev": [
            {
                "name": "phpunit/phpunit",
                "version": "10.0.0",
                "abandoned": True,
                "require": {"psr/log": "*"},
            }
        ],
        "aliases": [{"package": "own/plugin", "version": "dev-main", "alias": "1.0"}],
        "platform": {"php": ">=8"},
    },
    indent=4,
).replace("psr/log", "psr\\/log")
_MANIFEST = json.dumps(
    {
        "name": "org/shop",
        "require": {"php": ">=8", "ext-gd": "*", "monolog/monolog": "^2", "own/local": "1.0"},
        "require-dev": {"phpunit/phpunit": "^10"},
    },
    indent=2,
)


def test_packages_edges_licences_and_places() -> None:
    file = Written({"composer.lock": _LOCK, "composer.json": _MANIFEST}).told("composer.lock")
    assert versions(file) == {
        "monolog/monolog": "2.9.1",
        "psr/log": "v3.0.0",
        "own/plugin": "dev-main",
        "own/local": "1.0",
        "phpunit/phpunit": "10.0.0",
    }
    assert needs(file) == {"monolog/monolog": ["psr/log"], "phpunit/phpunit": ["psr/log"]}
    assert direct(file) == {"monolog/monolog", "own/local", "phpunit/phpunit"}
    assert development(file) == {"phpunit/phpunit"}
    monolog = named(file, "monolog/monolog")
    assert monolog.spelled == "Monolog/Monolog"
    assert monolog.licence == "MIT OR (GPL-2.0 or later)"
    assert monolog.digests == ("sha1:abcd",)
    assert named(file, "psr/log").yanked == "abandoned: psr/other takes its place"
    assert named(file, "phpunit/phpunit").yanked == "abandoned"
    assert named(file, "own/plugin").install_script
    assert file.name == "org/shop"
    found = _LOCK.splitlines()
    for name, line in lines(file).items():
        if name != "psr/log":  # an author is called so, too
            assert name in found[line - 1].lower()


def test_sources_without_credentials() -> None:
    file = told("composer.lock", _LOCK)
    assert named(file, "own/plugin").source is Source.GIT
    assert named(file, "own/plugin").url == "https://git.example/p.git"
    assert named(file, "own/local").source is Source.PATH
    assert "t:k" not in "".join(package.url for package in file.packages)
    assert file.packages[0].direct is None, "no composer.json"


def test_manifest_alone_asks() -> None:
    file = told("composer.json", _MANIFEST)
    assert not file.pins
    assert versions(file) == {"monolog/monolog": "", "own/local": "1.0", "phpunit/phpunit": ""}
    assert lines(file) == {"monolog/monolog": 6, "own/local": 7, "phpunit/phpunit": 10}
    assert development(file) == {"phpunit/phpunit"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("{", "composer.lock:1", id="cut off"),
        pytest.param("[]", "composer.lock", id="no object"),
        pytest.param("{}", "composer.lock", id="no packages"),
        pytest.param('{"packages": ' + "[" * 5_000, "composer.lock", id="deep"),
    ],
)
def test_broken_files_are_told(text: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        told("composer.lock", text)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "text",
    ['{"packages": [1, {}, {"name": 3}]}', '{"packages": []}'],
    ids=["no packages", "empty"],
)
def test_odd_shapes_hold_no_packages(text: str) -> None:
    assert told("composer.lock", text).packages == ()


def test_damaged_files_never_crash() -> None:
    survives("composer.lock", _LOCK, {"composer.json": _MANIFEST})
    survives("composer.json", _MANIFEST)
