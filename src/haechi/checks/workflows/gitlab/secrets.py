"""Secrets in a pipeline's file and log, and texts of strangers that become commands.

Variables of the project are not in the file; one counts as a secret by its name. Values are
looked at and never said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.secret_words import (
    is_literal_secret,
    is_secret_name,
    known_token,
)
from haechi.checks.secret_objects import is_placeholder
from haechi.checks.workflows.gitlab.view import GitlabJob, Line, pipeline_of
from haechi.checks.workflows.plain import listed, sequence, text
from haechi.checks.workflows.printing import environment_dump, read_by, to_log, traces
from haechi.checks.workflows.scripts import reads_variable
from haechi.engines.dockerfile.shell import SHELLS, walk
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import action_table

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]{0,100})")
_SERVICE = re.compile(
    r"(?:POSTGRES|PG|MYSQL|MARIADB|MONGO|MONGODB|RABBITMQ|REDIS|MSSQL|SA|DB|DATABASE|MINIO|TEST)_",
    re.IGNORECASE,
)
"""Databases that live as long as the job take passwords that protect nothing."""
_SERVICE_URL = re.compile(r"://[^\s/@]{1,200}@[A-Za-z0-9_-]{1,60}(?:[:/]|\Z)")
"""A host without a dot is a service of the job itself."""
_STRONG = re.compile(r"(?=.*\d)(?=.*[A-Za-z])\S{10,}\Z")
_FOREIGN = (
    "CI_COMMIT_MESSAGE", "CI_COMMIT_TITLE", "CI_COMMIT_DESCRIPTION", "CI_COMMIT_AUTHOR",
    "CI_COMMIT_REF_NAME", "CI_COMMIT_BRANCH", "CI_COMMIT_TAG_MESSAGE", "CI_MERGE_REQUEST_TITLE",
    "CI_MERGE_REQUEST_DESCRIPTION", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME", "GITLAB_USER_NAME",
)  # fmt: skip
_TRACES = ("CI_DEBUG_TRACE", "CI_DEBUG_SERVICES")
_REMOTE = frozenset({"ssh", "eval"})


def literal(review: Review) -> Iterator[Hit]:
    """A variable with a secret's value in the file."""
    for label, name, value, path in _variables(review):
        kind = known_token(value)
        if kind and not _SERVICE_URL.search(value):
            yield Hit(f"{label} holds {kind} in the variable {name}", path)
        elif (
            is_secret_name(name)
            and not _SERVICE.match(name)
            and is_literal_secret(value)
            and not is_placeholder(value)
            and _STRONG.match(value)
        ):
            yield Hit(f"{label} holds the value of {name}", path)


def debug_trace(review: Review) -> Iterator[Hit]:
    """The switch that writes every variable to the log."""
    for label, name, value, path in _variables(review):
        if name in _TRACES and value.strip().lower() in ("true", "1", "yes"):
            yield Hit(f"{label} switches {name} on", path)


def _variables(review: Review) -> Iterator[tuple[str, str, str, AttrPath]]:
    pipeline = pipeline_of(review)
    seen: set[AttrPath] = set()
    sources = [("the pipeline", pipeline.variables)]
    sources += [(job.label, job.variables) for job in pipeline.jobs]
    for label, found in sources:
        for name, (value, path) in found.items():
            if path not in seen:
                seen.add(path)
                yield label, name, value, path


def printed(review: Review) -> Iterator[Hit]:
    """A secret variable in the log, as it is or changed."""
    for job, line in pipeline_of(review).lines():
        held = _secrets_of(line)
        if not held:
            continue
        names = [
            name
            for changed in (False, True)
            for command in to_log(line.script, changed=changed)
            for name in read_by(command.words, held)
        ]
        for body in line.script.shown_documents():
            names += read_by((body,), held)
        if names:
            yield Hit(f"{job.label} prints {listed(names)} to the log", line.path)


def exposed(review: Review) -> Iterator[Hit]:
    """The whole environment, or every command with its values, in the log."""
    for job, line in pipeline_of(review).lines():
        dump = environment_dump(line.script)
        if dump:
            yield Hit(f"{job.label} prints every variable ({dump})", line.path)
        elif traces(line.script, ""):
            names = [name for other in job.lines for name in _secrets_of(other)]
            if names:
                yield Hit(
                    f"{job.label} traces its commands, among them some with {listed(names)}",
                    line.path,
                )


def _secrets_of(line: Line) -> dict[str, list[str]]:
    names = dict.fromkeys(match[1] for match in _VARIABLE.finditer(line.text))
    return {name: [name] for name in names if is_secret_name(name)}


def injected(review: Review) -> Iterator[Hit]:
    """A text of a stranger in a script that is made from it."""
    for job, line in pipeline_of(review).lines():
        for command in walk(line.script.commands):
            made = command.name in _REMOTE or (
                command.name in SHELLS and any(arg.endswith("c") for arg in command.args[:2])
            )
            if not made:
                continue
            names = [
                name
                for name in _FOREIGN
                if any(reads_variable(arg, name) for arg in command.args)
                and not _in_single_quotes(line.text, name)
            ]
            if names:
                yield Hit(
                    f"{job.label} builds a command for {command.name} from {listed(names)}",
                    line.path,
                )
                break


def _in_single_quotes(text_: str, name: str) -> bool:
    """True when the variable stands in single quotes: then the inner shell expands it, safely."""
    return bool(re.search(rf"'[^'\n]*\$\{{?{name}\b[^'\n]*'", text_))


def long_lived_key(review: Review) -> Iterator[Hit]:
    """A stored cloud key where the job's own identity would serve."""
    table = action_table()
    told: set[AttrPath] = set()
    for job in pipeline_of(review).jobs:
        if job.own("id_tokens") is not None:
            continue
        for line in job.lines:
            cloud = next(
                (
                    cloud
                    for name, cloud in table.cloud_variables.items()
                    if reads_variable(line.text, name)
                ),
                _service_account(line),
            )
            if cloud and line.path not in told:
                told.add(line.path)
                yield Hit(f"{job.label} signs in to {cloud} with a stored key", line.path)


def _service_account(line: Line) -> str:
    for command in walk(line.script.commands):
        if command.name == "gcloud" and "activate-service-account" in command.args:
            return "Google Cloud"
    return ""


def docker_without_tls(review: Review) -> Iterator[Hit]:
    """Docker in Docker whose socket is open to the network of the job in clear text."""
    pipeline = pipeline_of(review)
    told: set[AttrPath] = set()
    for job in pipeline.jobs:
        if not _dind(job):
            continue
        variables = {**pipeline.variables, **job.variables}
        certificates, at = variables.get("DOCKER_TLS_CERTDIR", ("set", ()))
        host, host_at = variables.get("DOCKER_HOST", ("", ()))
        path = at if not certificates else host_at if ":2375" in host else ()
        if path and path not in told:
            told.add(path)
            yield Hit(f"{job.label} talks to Docker in Docker without TLS", path)


def docker_in_docker(review: Review) -> Iterator[Hit]:
    """Docker in Docker, which works on privileged runners alone."""
    told: set[AttrPath] = set()
    for job in pipeline_of(review).jobs:
        path = _dind(job)
        if path and path not in told:
            told.add(path)
            yield Hit(f"{job.label} runs Docker in Docker, which needs a privileged runner", path)


def _dind(job: GitlabJob) -> AttrPath:
    services, at = job.field("services")
    for number, service in enumerate(sequence(services)):
        name = text(service.get("name")) if isinstance(service, dict) else text(service)
        if "dind" in name and "rootless" not in name:
            return (*at, number)
    return ()
