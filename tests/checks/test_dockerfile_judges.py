"""Judges know the stages, err on the side of silence, and take any text."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.checks.dockerfile.secret_words import (
    is_literal_secret,
    is_secret_file,
    is_secret_name,
    known_token,
    may_hold_credentials,
)
from haechi.engines.dockerfile import resource_of
from haechi.errors import NotEvaluated
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from haechi.rules.schema import Rule, RuleFile
from tests.checks.object_reviews import document

DATA = Path(__file__).parents[2] / "src/haechi/rules/data/dockerfile"
Judge = Callable[[Review], Iterator[Hit]]


def _judges() -> dict[str, Judge]:
    found: dict[str, Judge] = {}
    for path in sorted(DATA.glob("*.yaml")):
        rules: list[Rule] = msgspec.convert(document(path.read_text()), RuleFile).rules
        for rule in rules:
            module, _, name = rule.function.partition(":")
            found[rule.id] = getattr(importlib.import_module(f"haechi.checks.{module}"), name)
    return found


JUDGES = _judges()

# A front end as guides show it: an old base, and a builder without its build tools.
NEXT = """\
FROM node:18-alpine AS base
RUN addgroup -g 1001 -S nodejs
RUN adduser -S web -u 1001
FROM base AS deps
WORKDIR /app
COPY package*.json ./
RUN npm ci --only=production && npm cache clean --force
FROM base AS builder
WORKDIR /app
COPY --from=deps /app/node_modules ./node_modules
COPY . .
RUN npm run build
FROM base AS runner
WORKDIR /app
ENV NODE_ENV production
USER web
COPY --from=builder --chown=web:nodejs /app/.next/standalone ./
HEALTHCHECK --interval=30s \\
  CMD node healthcheck.js
EXPOSE 3000
CMD ["node", "server.js"]
"""


def findings(text: str) -> set[tuple[str, int]]:
    """(rule, line) of everything that is found."""
    resource, _ = resource_of(text, "Dockerfile")
    review = Review(resource=resource)
    found: set[tuple[str, int]] = set()
    for rule, judge in JUDGES.items():
        try:
            found |= {(rule, resource.locate(hit.path).line) for hit in judge(review)}
        except NotEvaluated:
            continue
    return found


def test_judges_a_front_end_of_three_stages() -> None:
    assert findings(NEXT) == {
        ("docker-base-image-end-of-life", 1),
        ("docker-image-without-digest", 1),
        ("docker-build-without-dev-dependencies", 12),
        ("docker-legacy-key-value", 15),
        ("docker-user-by-name", 16),
    }


def test_a_careful_file_has_no_finding() -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    text = f"""\
# syntax=docker/dockerfile:1
FROM golang:1.27@{digest} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /out/app ./cmd/app
FROM gcr.io/distroless/static-debian12:nonroot@{digest}
COPY --from=build /out/app /app
USER 65532:65532
EXPOSE 8080
HEALTHCHECK CMD ["/app", "health"]
ENTRYPOINT ["/app"]
"""
    assert findings(text) == set()


@pytest.mark.parametrize(
    ("rule", "builder", "kept"),
    [
        ("docker-apt-lists-left", "RUN apt-get update && apt-get install -y x", True),
        ("docker-secret-file-copied", "COPY id_rsa /root/", True),
        ("docker-world-writable", "RUN chmod 777 /x", True),
        ("docker-debug-mode", "ENV FLASK_DEBUG=1", True),
        ("docker-compiler-in-image", "RUN apk add --no-cache gcc", True),
        ("docker-secret-in-env", "ENV DB_PASSWORD=abc123def", False),
        ("docker-sudo", "RUN sudo make", False),
        ("docker-package-signature-check-off", "RUN apk add --allow-untrusted x", False),
    ],
)
def test_leftovers_count_only_in_what_the_image_keeps(rule: str, builder: str, kept: bool) -> None:
    apart = f"FROM alpine:3.23 AS a\n{builder}\nFROM alpine:3.23\nCOPY --from=a /o /o\n"
    inherited = f"FROM alpine:3.23 AS a\n{builder}\nFROM a\nCOPY o /o\n"
    assert ((rule, 2) in findings(apart)) is not kept
    assert (rule, 2) in findings(inherited)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('FROM alpine:3.23\nUSER 1\nUSER root\nCMD ["a"]', True),
        ('FROM alpine:3.23\nUSER root\nUSER 1\nCMD ["a"]', False),
        ("FROM alpine:3.23 AS b\nUSER root\nFROM alpine:3.23\nUSER 1", False),
        ('FROM alpine:3.23 AS b\nUSER root\nFROM b\nCMD ["a"]', True),
        ("ARG U=root\nFROM alpine:3.23\nARG U=0\nUSER $U", True),
        ("FROM alpine:3.23\nARG U\nUSER $U", False),
    ],
)
def test_the_last_user_of_the_lineage_counts(text: str, found: bool) -> None:
    assert any(rule == "docker-user-root" for rule, _ in findings(text)) is found


def test_user_of_an_unknown_base_is_not_evaluated() -> None:
    resource, _ = resource_of('ARG BASE\nFROM $BASE\nCMD ["a"]', "Dockerfile")
    with pytest.raises(NotEvaluated):
        list(JUDGES["docker-user-missing"](Review(resource=resource)))


def test_inline_scripts_are_judged() -> None:
    text = "FROM debian:13\nRUN <<EOF\nset -e\ncurl -k https://acme.io/a\nEOF\n"
    assert ("docker-tls-verification-off-download", 2) in findings(text)
    other = text.replace("RUN <<EOF\n", "RUN python3 <<EOF\n")
    assert ("docker-tls-verification-off-download", 2) not in findings(other)


def test_windows_commands_are_no_shell_scripts() -> None:
    text = "FROM mcr.microsoft.com/windows/servercore:ltsc2025\nRUN cd C:\\app && dir | more\n"
    assert not {rule for rule, _ in findings(text)} & {
        "docker-cd-in-run",
        "docker-pipe-without-pipefail",
    }


def test_secret_values_are_never_repeated() -> None:
    secret = "Zx81-spectrum-64k"
    text = (
        f"FROM alpine:3.23\nENV A_TOKEN={secret}\nARG B_PASSWORD={secret}\n"
        f"RUN curl -u me:{secret} https://acme.io && ./x --password={secret}\n"
        f"ENV URL=https://me:{secret}@acme.io/\n"
    )
    resource, _ = resource_of(text, "Dockerfile")
    hits = [
        hit
        for rule in JUDGES
        if rule.startswith("docker-secret")
        for hit in JUDGES[rule](Review(resource=resource))
    ]
    assert len(hits) >= 4
    assert not any(secret in hit.message or secret in str(hit.evidence) for hit in hits)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("DB_PASSWORD", True),
        ("dbPassword", True),
        ("PGPASSWORD", True),
        ("NPM_TOKEN", True),
        ("SECRET_KEY_BASE", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("API_KEY", True),
        ("credentials", True),
        ("DB_PASSWORD_FILE", False),
        ("TOKEN_URL", False),
        ("PUBLIC_KEY", False),
        ("GPG_KEY", False),
        ("COMPASS", False),
        ("PASSWORD_MIN_LENGTH", False),
        ("CSRF_TOKEN", False),
        ("KEY", False),
    ],
)
def test_knows_secret_names(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("hunter2hunter2", True),
        ("changeme", True),
        ("admin", True),
        ("", False),
        ('""', False),
        ("$TOKEN", False),
        ("${TOKEN:-}", False),
        ("<your-token>", False),
        ("xxxx", False),
        ("****", False),
        ("true", False),
        ("/run/secrets/x", False),
        ("https://id.acme.io", False),
        ("dummy-for-build", False),
    ],
)
def test_tells_literals_from_placeholders(value: str, secret: bool) -> None:
    assert is_literal_secret(value) is secret


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AKIA" + "IOSFODNN7EXAMPLE", True),
        ("-----BEGIN RSA " + "PRIVATE KEY-----", True),
        ("postgres://app:s3cretpw@db:5432/x", True),
        ("postgres://app:s3cretpw@localhost/x", False),
        ("https://$USER:$TOKEN@acme.io", False),
        ("git@github.com:acme/x.git", False),
        ("https://acme.io:443/a@b", False),
    ],
)
def test_recognises_tokens(text: str, found: bool) -> None:
    assert bool(known_token(text)) is found


@pytest.mark.parametrize(
    ("path", "secret", "maybe"),
    [
        (".env", True, False),
        ("config/.env.production", True, False),
        (".env.example", False, False),
        ("id_rsa", True, False),
        ("id_rsa.pub", False, False),
        (".ssh", True, False),
        ("/root/.ssh/*", True, False),
        ("known_hosts", False, False),
        ("home/.docker/config.json", True, False),
        ("config.json", False, False),
        (".npmrc", False, True),
        ("server.key", False, True),
        ("docker-apt.key", False, False),
        ("environment.ts", False, False),
    ],
)
def test_knows_secret_files(path: str, secret: bool, maybe: bool) -> None:
    assert (is_secret_file(path), may_hold_credentials(path)) == (secret, maybe)


PIECES = [
    "FROM alpine:3\n", "FROM scratch AS a\n", "FROM a\n", "FROM $X\n", "ARG X\n",
    "ARG X=${Y:-z}\n",
    "RUN ", "RUN --mount=type=secret,id=,target= ", "COPY ", "COPY --from=a ", "ADD ", "CMD ",
    "ENV ",
    "ENTRYPOINT ", "USER ", "WORKDIR ", "VOLUME ", "EXPOSE ", "HEALTHCHECK ", "HEALTHCHECK CMD ",
    "ONBUILD ", "SHELL ", "STOPSIGNAL ", "LABEL ", '["a"]', "[]", '[""]', "apt-get ", "install ",
    "chmod ", "4755 ", "777 ", "a+w ", "pip ", "npm ", "run build ", "curl ", "-k ", "| sh", "&& ",
    "$X", "/a ", "\n", "\\\n", "<<EOF\n", "EOF\n", "'", '"', "$(", ")",
    "go build -o ", "99999999999 ",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=120))
@settings(max_examples=250, deadline=None)
def test_no_text_breaks_a_judge(text: str) -> None:
    last = text.count("\n") + 1
    for _, line in findings(text):
        assert 1 <= line <= last


def test_another_resource_is_not_evaluated() -> None:
    other, _ = resource_of("FROM x", "Dockerfile")
    odd = Resource(key="file:-/x", kind="dockerfile", data={"a": 1}, locate=other.locate)
    for judge in JUDGES.values():
        with pytest.raises(NotEvaluated):
            list(judge(Review(resource=odd)))
