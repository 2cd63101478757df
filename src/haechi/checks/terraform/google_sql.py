"""Cloud SQL: who reaches the database, and the flags of each engine.

Flags are ``settings.database_flags`` blocks of ``name`` and ``value``; what counts depends on the
engine that ``database_version`` names (``POSTGRES_16``, ``MYSQL_8_0``, ``SQLSERVER_2022_…``).
https://cloud.google.com/sql/docs/postgres/flags
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_set,
    is_unknown,
    number,
    open_to_world,
    text,
    truth,
    value,
)
from haechi.model.review import Review

_IP = "settings.0.ip_configuration.0."
_ENDED = re.compile(r"(?:MYSQL_5_\d|POSTGRES_(?:9_6|1[0-3])|SQLSERVER_2017_\w+)\Z")
_WAITS = {"log_lock_waits": ("on",), "log_temp_files": ("0",)}
_VERBOSE = (
    "log_executor_stats",
    "log_parser_stats",
    "log_planner_stats",
    "log_statement_stats",
)


def world(review: Review) -> Iterator[Hit]:
    """The whole internet may connect."""
    for settings in blocks(review.resource, "settings"):
        for ip in blocks(settings, "ip_configuration"):
            for block in blocks(ip, "authorized_networks", possible=True):
                found = open_to_world(block.get("value"))
                if found:
                    yield Hit(f"{found} may connect", block.at("value"))
                    return


def public_ip(review: Review) -> Iterator[Hit]:
    """A public address, which it has unless that is switched off."""
    resource = review.resource
    if text(resource.data.get("instance_type")) == "ON_PREMISES_INSTANCE":
        return
    if truth(value(resource, _IP + "ipv4_enabled"), True):
        yield fails("it has a public address", "settings", 0, "ip_configuration", 0, "ipv4_enabled")


def plain_connections(review: Review) -> Iterator[Hit]:
    """Connections without TLS are taken."""
    resource = review.resource
    mode = text(value(resource, _IP + "ssl_mode"))
    if mode in ("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"):
        return
    if mode is None and truth(value(resource, _IP + "require_ssl"), False):
        return
    yield fails("connections without TLS are taken", "settings", 0, "ip_configuration", 0)


def no_backup(review: Review) -> Iterator[Hit]:
    """Nothing is kept to go back to."""
    resource = review.resource
    if _is_replica(review):
        return
    if not truth(value(resource, "settings.0.backup_configuration.0.enabled"), False):
        yield fails("no backups are made", "settings", 0, "backup_configuration")


def no_point_in_time(review: Review) -> Iterator[Hit]:
    """What was written since the last backup is lost."""
    resource = review.resource
    at = "settings.0.backup_configuration.0."
    if _is_replica(review) or not truth(value(resource, at + "enabled"), False):
        return
    named = "binary_log_enabled" if _engine(review) == "MYSQL" else "point_in_time_recovery_enabled"
    if not truth(value(resource, at + named), False):
        yield fails(f"{named} is off", "settings", 0, "backup_configuration", 0)


def _is_replica(review: Review) -> bool:
    data = review.resource.data
    return is_set(data.get("master_instance_name")) or (
        text(data.get("instance_type")) == "READ_REPLICA_INSTANCE"
    )


def _engine(review: Review) -> str:
    return (text(review.resource.data.get("database_version")) or "").partition("_")[0].upper()


def _flags(review: Review) -> dict[str, Block]:
    """Flags by name. What is not known among them ends the judge."""
    return {
        text(flag.get("name")) or "": flag
        for settings in blocks(review.resource, "settings")
        for flag in blocks(settings, "database_flags")
    }


def _is(flags: dict[str, Block], name: str, *values: str) -> bool:
    flag = flags.get(name)
    return flag is not None and (text(flag.get("value")) or "").lower() in values


def connections_unlogged(review: Review) -> Iterator[Hit]:
    """PostgreSQL writes down neither who came nor who left."""
    if _engine(review) != "POSTGRES":
        return
    flags = _flags(review)
    off = [n for n in ("log_connections", "log_disconnections") if not _is(flags, n, "on", "1")]
    if off:
        yield fails(f"not on: {', '.join(off)}", "settings", 0, "database_flags")


def statements_unlogged(review: Review) -> Iterator[Hit]:
    """Nobody writes down what was asked."""
    if _engine(review) != "POSTGRES":
        return
    flags = _flags(review)
    audited = _is(flags, "cloudsql.enable_pgaudit", "on")
    if not audited and not _is(flags, "log_statement", "ddl", "mod", "all"):
        yield fails("nobody writes down what is changed in it", "settings", 0, "database_flags")


def waits_unlogged(review: Review) -> Iterator[Hit]:
    """PostgreSQL does not tell of what holds it up."""
    if _engine(review) != "POSTGRES":
        return
    flags = _flags(review)
    off = [name for name, values in _WAITS.items() if not _is(flags, name, *values)]
    if _is(flags, "log_checkpoints", "off"):
        off.append("log_checkpoints")
    if off:
        yield fails(f"not logged: {', '.join(off)}", "settings", 0, "database_flags")


def errors_unlogged(review: Review) -> Iterator[Hit]:
    """PostgreSQL keeps errors for itself."""
    if _engine(review) != "POSTGRES":
        return
    flags = _flags(review)
    for name in ("log_min_messages", "log_min_error_statement"):
        if _is(flags, name, "log", "fatal", "panic"):
            yield Hit(f"{name} leaves out errors", flags[name].at("value"))


def statements_in_logs(review: Review) -> Iterator[Hit]:
    """Statements, with the data in them, go into the logs."""
    if _engine(review) != "POSTGRES":
        return
    flags = _flags(review)
    slow = flags.get("log_min_duration_statement")
    if slow is not None and (number(slow.get("value"), -1) or 0) != -1:
        yield Hit("slow statements are logged, with the data in them", slow.at("value"))
    for name in _VERBOSE:
        if _is(flags, name, "on"):
            yield Hit(f"{name} is on", flags[name].at("value"))


def local_infile(review: Review) -> Iterator[Hit]:
    """A server that asks clients for their files."""
    flags = _flags(review) if _engine(review) == "MYSQL" else {}
    if _is(flags, "local_infile", "on", "1"):
        yield Hit("clients may be asked for their files", flags["local_infile"].at("value"))


def cross_ownership(review: Review) -> Iterator[Hit]:
    """An owner of one database is let into others."""
    yield from _sqlserver(
        review, "cross db ownership chaining", "an owner of one database gets into others"
    )


def contained(review: Review) -> Iterator[Hit]:
    """Databases have users of their own, past the server's rules."""
    yield from _sqlserver(
        review, "contained database authentication", "databases let in users of their own"
    )


def external_scripts(review: Review) -> Iterator[Hit]:
    """Statements run programs."""
    yield from _sqlserver(review, "external scripts enabled", "statements may run programs")
    yield from _sqlserver(review, "remote access", "procedures are run from other servers")


def _sqlserver(review: Review, name: str, told: str) -> Iterator[Hit]:
    flags = _flags(review) if _engine(review) == "SQLSERVER" else {}
    if _is(flags, name, "on", "1"):
        yield Hit(f"{told} ({name})", flags[name].at("value"))


def any_host(review: Review) -> Iterator[Hit]:
    """A user of MySQL who may come from anywhere with no password."""
    data = review.resource.data
    kind = text(data.get("type")) or "BUILT_IN"
    if kind != "BUILT_IN" or (text(data.get("name")) or "") != "root":
        return
    if data.get("password") is None and data.get("password_wo") is None:
        yield fails("the administrator has no password", "password")


def old_version(review: Review) -> Iterator[Hit]:
    """A version that nobody mends."""
    version = review.resource.data.get("database_version")
    name = None if is_unknown(version) else text(version)
    if name and _ENDED.match(name):
        yield fails(f"{name} gets no fixes from its makers any more", "database_version")
