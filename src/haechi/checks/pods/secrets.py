"""Credentials in manifests: written out in env, command lines and probes, or handed over widely.

A manifest is stored in git, in etcd and in every controller's cache, and whoever may read pods
reads it. Each place has one finding, by the strongest evidence: a known form of token, then a
URL with a password, then a telling name. Messages name the place and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from haechi.checks.pods.credentials import (
    SHORTEST_TOKEN,
    can_be_secret,
    has_url_password,
    known_token,
    means_secret,
)
from haechi.checks.pods.host import handlers_of
from haechi.checks.pods.view import Container, items, mapping, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_HINTS = (
    "pass",
    "secret",
    "token",
    "key",
    "cred",
    "pw",
    "auth",
    "curl",
    "mysql",
    "mariadb",
    "redis-cli",
    "://",
)
_OPTION = re.compile(
    r"""(?:\A|[\s;&|("'])(?:--?([A-Za-z][\w.-]{1,60})(?:=|\s+)|([A-Za-z_]\w{1,60})=)"""
    r"""(?:"([^"\n]{1,400})"|'([^'\n]{1,400})'|([^\s"';|&)]{1,400}))"""
)
_HEADER = re.compile(r"(?i)\bauthorization\s*[:=]\s*(?:bearer|basic|token)\s+([\w.+/=~-]{8,400})")
_CURL_USER = re.compile(
    r"\bcurl\b[^\n|;]{0,300}?\s(?:-u|--user)[ =]?[\"']?[\w.@-]{1,80}:([^\s\"'$]{3,200})"
)
_MYSQL = re.compile(
    r"\b(?:mysql|mysqladmin|mysqldump|mariadb)\b[^\n|;&]{0,200}?\s-p([^\s\"'$-][^\s\"'$]{2,100})(?=\s|\Z)"
)
_REDIS = re.compile(r"\bredis-cli\b[^\n|;&]{0,200}?\s-a\s+([^\s\"'$-][^\s\"'$]{2,100})")
_LONGEST_COMMAND = 20_000


class Evidence(StrEnum):
    """Why a text counts as a credential, strongest first."""

    TOKEN = "token"  # noqa: S105 - a name of evidence
    URL = "url"
    ENV = "env"
    COMMAND = "command"


class _Exposure(msgspec.Struct, frozen=True):
    evidence: Evidence
    message: str
    path: AttrPath


def _exposures(review: Review) -> list[_Exposure]:
    known: list[_Exposure] | None = review.memo.get("pods.exposures")
    if known is None:
        known = []
        for container in pod_of(review).containers:
            known.extend(_in_env(container))
            known.extend(_in_commands(container))
        review.memo["pods.exposures"] = known
    return known


def _in_env(container: Container) -> Iterator[_Exposure]:
    for index, entry in enumerate(items(container.data.get("env"))):
        value = entry.get("value") if isinstance(entry, dict) else None
        if not isinstance(value, str) or len(value) < 3:
            continue
        name = entry.get("name")
        name = name if isinstance(name, str) else ""
        # Most variables are neither long enough for a token nor named like a secret.
        if len(value) < SHORTEST_TOKEN and "://" not in value and not means_secret(name):
            continue
        found = _judge_variable(name, value)
        if found:
            evidence, said = found
            where = f"environment variable {quoted(name)} of {named(container)}"
            yield _Exposure(
                evidence, f"{where} holds {said}", (*container.path, "env", index, "value")
            )


def _judge_variable(name: str, value: str) -> tuple[Evidence, str] | None:
    kind = known_token(value)
    if kind:
        return Evidence.TOKEN, f"a literal {kind}"
    if has_url_password(value):
        return Evidence.URL, "a URL with a literal password"
    word = means_secret(name)
    if word and can_be_secret(word, value) and not value.startswith(name):
        return Evidence.ENV, "a literal secret"
    return None


def _commands(container: Container) -> Iterator[tuple[AttrPath, list[Any], str]]:
    """(path, words, what) of everything that the container or the kubelet executes."""
    data = container.data
    for key in ("command", "args"):
        if key in data:
            yield (key,), items(data[key]), key
    for path, handler in handlers_of(data):
        if "exec" in handler:
            words = items(mapping(handler["exec"]).get("command"))
            yield (*path, "exec", "command"), words, str(path[-1])


def _in_commands(container: Container) -> Iterator[_Exposure]:
    for path, words, what in _commands(container):
        text = " ".join(word for word in words if isinstance(word, str))[:_LONGEST_COMMAND]
        found = _judge_command(text)
        if found:
            evidence, said = found
            message = f"{named(container)} {said} in its {what}"
            yield _Exposure(evidence, message, (*container.path, *path))


def _judge_command(text: str) -> tuple[Evidence, str] | None:
    kind = known_token(text)
    if kind:
        return Evidence.TOKEN, f"holds a literal {kind}"
    lower = text.lower()
    for hint in _HINTS:  # a loop over `in` costs a tenth of a regular expression here
        if hint in lower:
            break
    else:
        return None
    if has_url_password(text):
        return Evidence.URL, "holds a URL with a literal password"
    for match in _OPTION.finditer(text):
        option, variable, *values = match.groups()
        name = option or variable
        value = next(v for v in values if v is not None)
        word = means_secret(name)
        if word and not value.startswith("-") and can_be_secret(word, value):
            return Evidence.COMMAND, f"passes a literal secret as {quoted(name)}"
    for pattern, said in (
        (_HEADER, "sends a literal Authorization header"),
        (_CURL_USER, "passes a literal password to curl"),
        (_MYSQL, "passes a literal password to a MySQL client"),
        (_REDIS, "passes a literal password to redis-cli"),
    ):
        found = pattern.search(text)
        if found and can_be_secret("password", found.group(1)):
            return Evidence.COMMAND, said
    return None


def _hits(review: Review, wanted: Evidence) -> Iterator[Hit]:
    for exposure in _exposures(review):
        if exposure.evidence is wanted:
            yield Hit(exposure.message, exposure.path)


def literal_token(review: Review) -> Iterator[Hit]:
    """A credential recognisable by its form, in env or a command line."""
    return _hits(review, Evidence.TOKEN)


def url_password(review: Review) -> Iterator[Hit]:
    """``scheme://user:password@host`` in env or a command line."""
    return _hits(review, Evidence.URL)


def literal_env(review: Review) -> Iterator[Hit]:
    """A variable whose name means a secret, with the secret beside it."""
    return _hits(review, Evidence.ENV)


def literal_command(review: Review) -> Iterator[Hit]:
    """A secret on a command line, which every process listing shows."""
    return _hits(review, Evidence.COMMAND)


def from_whole_secret(review: Review) -> Iterator[Hit]:
    """Every key of a Secret as environment."""
    for container in pod_of(review).containers:
        for index, entry in enumerate(items(container.data.get("envFrom"))):
            name = mapping(mapping(entry).get("secretRef")).get("name")
            if name is not None:
                yield Hit(
                    f"{named(container)} takes all of Secret {quoted(name)} into its environment",
                    (*container.path, "envFrom", index, "secretRef"),
                )


def from_secret_key(review: Review) -> Iterator[Hit]:
    """Keys of Secrets as environment rather than as files: one remark per container."""
    for container in pod_of(review).containers:
        for index, entry in enumerate(items(container.data.get("env"))):
            if not isinstance(entry, dict) or "valueFrom" not in entry:
                continue
            if "secretKeyRef" in mapping(entry["valueFrom"]):
                yield Hit(
                    f"{named(container)} receives secrets as environment variables",
                    (*container.path, "env", index, "valueFrom", "secretKeyRef"),
                )
                break
