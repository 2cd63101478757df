"""Tables about base images: sound, and read by the longest version prefix."""

from __future__ import annotations

import datetime as dt

import pytest

from haechi.engines.image_ref import parse_image
from haechi.rules.tables import deprecated, ended, eol_table, image_table, matches


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("node:18-alpine", [("Node.js", "18")]),
        ("node:18.20.4-bookworm", [("Node.js", "18")]),
        ("node:hydrogen", [("Node.js", "18")]),
        ("docker.io/library/node:18", [("Node.js", "18")]),
        ("node:24", []),
        ("node:lts", []),
        ("node", []),
        ("node:180", []),
        ("acme/node:18", []),
        ("python:3.8-slim-buster", [("Python", "3.8"), ("Debian", "10")]),
        ("python:3", []),
        ("python:2.7", [("Python", "2")]),
        ("debian:buster-slim", [("Debian", "10")]),
        ("debian:13", []),
        ("ubuntu:18.04", [("Ubuntu", "18.04")]),
        ("ubuntu:bionic-20230530", [("Ubuntu", "18.04")]),
        ("ubuntu:24.04", []),
        ("alpine:3.18.4", [("Alpine Linux", "3.18")]),
        ("alpine:3.2", [("Alpine Linux", "3.2")]),
        ("alpine:3.22", []),
        ("golang:1.21-alpine3.18", [("Go", "1.21"), ("Alpine Linux", "3.18")]),
        ("golang:1.2", []),
        ("centos", [("CentOS Linux", "")]),
        ("centos:centos7", [("CentOS Linux", "")]),
        ("centos:8", [("CentOS Linux", "8")]),
        ("mysql:8.0.36", [("MySQL", "8.0")]),
        ("mysql:8", []),
        ("mcr.microsoft.com/dotnet/aspnet:6.0-alpine", [(".NET", "6.0")]),
        ("registry.access.redhat.com/ubi7/ubi-minimal", [("Red Hat Universal Base Image", "")]),
        ("eclipse-temurin:17-jdk-focal", [("Ubuntu", "20.04")]),
        ("debian:buster@sha256:" + "0" * 64, [("Debian", "10")]),
    ],
)
def test_finds_ended_releases(image: str, expected: list[tuple[str, str]]) -> None:
    assert [(item.product, item.version) for item in ended(parse_image(image))] == expected


def test_dates_after_the_table_do_not_count() -> None:
    table = eol_table()
    later = [
        (product, version)
        for product in table.products
        for version, date in product.eol.items()
        if date > table.as_of and version != "*"
    ]
    assert later
    for product, version in later:
        names = {item.product for item in ended(parse_image(f"{product.images[0]}:{version}"))}
        assert product.name not in names


def test_table_is_sound() -> None:
    table = eol_table()
    assert table.as_of >= dt.date(2026, 11, 21)
    names = [name for product in table.products for name in product.images]
    assert len(names) == len(set(names))
    for product in table.products:
        assert product.eol
        assert set(product.aliases.values()) <= set(product.eol) | {"12", "24.04"}
        for version, date in product.eol.items():
            assert version == "*" or version[0].isdigit()
            assert dt.date(2005, 1, 1) < date < table.as_of + dt.timedelta(days=1500)
    assert all(entry.since <= table.as_of for entry in table.deprecated)


@pytest.mark.parametrize(
    ("image", "is_deprecated"),
    [
        ("openjdk:17", True),
        ("adoptopenjdk/openjdk11:alpine", True),
        ("microsoft/dotnet:2.1", True),
        ("acme/openjdk", False),
        ("eclipse-temurin:21", False),
    ],
)
def test_knows_abandoned_images(image: str, is_deprecated: bool) -> None:
    assert (deprecated(parse_image(image)) is not None) is is_deprecated


@pytest.mark.parametrize(
    ("image", "pattern", "fits"),
    [
        ("gcr.io/distroless/static-debian12:nonroot", "gcr.io/distroless/*:*nonroot*", True),
        ("gcr.io/distroless/static-debian12", "gcr.io/distroless/*:*nonroot*", False),
        ("bitnami/redis:7", "bitnami/*", True),
        ("redis:7", "bitnami/*", False),
        ("jenkins/jenkins", "jenkins/jenkins", True),
    ],
)
def test_matches_patterns(image: str, pattern: str, fits: bool) -> None:
    assert matches(parse_image(image), pattern) is fits


def test_image_table_is_read() -> None:
    table = image_table()
    assert "scratch" in table.shell_less
    assert "node" in table.users["node"]
