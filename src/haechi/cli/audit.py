"""``haechi audit``: read the signed log, prove from it, verify it, look after its key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.asking import echo_json, format_option
from haechi.cli.moments import moment
from haechi.cli.output import save
from haechi.cli.plain import plain
from haechi.errors import ConfigError, NotFound, UsageError

if TYPE_CHECKING:
    from haechi.store.audit.keys import Anchor
    from haechi.store.audit.log import AuditLog
    from haechi.store.audit.verify_report import Note, Report
    from haechi.store.records import AuditRow

DEFAULT = Path(".haechi")
EPILOG = """\b
Examples:
  haechi audit log --action waiver.create --since 7d
  haechi audit anchor -o anchor.json         once; keep it where the store's owner cannot write
  haechi audit verify --anchor anchor.json --witness /mnt/elsewhere/heads.log
  haechi audit prove 1042 -o proof.json
  haechi audit verify --proof proof.json --anchor anchor.json

\b
Reading needs no server and no lock. rotate and redact need the server to be stopped.
"""
_MOST_FILE = 8 << 20

_File = click.Path(path_type=Path, exists=True, dir_okay=False)
_store = click.option(
    "--store",
    "folder",
    type=click.Path(path_type=Path),
    default=DEFAULT,
    show_default=True,
    help="the server's folder",
)
_output = click.option("-o", "--output", type=click.Path(path_type=Path), help="write to this file")
_by = click.option("--by", default="", help="who asks for it; default: this machine's user")


@click.group(name="audit", epilog=EPILOG)
def command() -> None:
    """Read, prove and verify the signed audit log."""


class _Moment(click.ParamType[dt.datetime]):
    """A time in ISO 8601 (UTC unless it says otherwise), or how long ago: 90m, 24h, 7d."""

    name = "TIME"

    def convert(self, value: Any, param: Any, ctx: Any) -> dt.datetime:
        if isinstance(value, dt.datetime):
            return value
        try:
            return moment(value, dt.datetime.now(dt.UTC))
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-11-22, 2026-11-22T09:00Z or 24h")


@command.command()
@_store
@click.option("--since", type=_Moment(), help="from this time on (2026-11-22, 24h, 7d)")
@click.option("--until", type=_Moment(), help="up to this time")
@click.option("--action", default="", help="finding.waive, or a beginning: finding.")
@click.option("--actor", default="", help="user:ana, token:ci")
@click.option("--object", "object_", default="", help="an id or key")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@click.option("--before", type=click.IntRange(min=0), help="only records before this number")
@format_option
def log(
    folder: Path,
    since: dt.datetime | None,
    until: dt.datetime | None,
    action: str,
    actor: str,
    object_: str,
    limit: int,
    before: int | None,
    format_: str,
) -> None:
    """Show records, newest first.

    \b
    Examples:
      haechi audit log --since 24h
      haechi audit log --actor user:ana --action token. --format json
    """
    from haechi.store.audit.offline import reading
    from haechi.store.audit.rows import Ask

    ask = Ask(
        before_seq=before,
        newest_first=True,
        actor=actor,
        action=action,
        object=object_,
        since=since,
        until=until,
    )
    with reading(folder / "audit") as reader:
        found = reader.page(ask, limit=limit)
    if format_ == "json":
        echo_json(found)
        return
    for row in found.items:
        click.echo(plain(_line(row)))
    if found.next is not None:
        click.echo(
            f"looked at records {found.searched_from} to {found.searched_to - 1};"
            f" go on with --before {found.next}",
            err=True,
        )


@command.command()
@_store
@_output
@click.argument("seq", type=click.IntRange(min=0))
def prove(folder: Path, seq: int, output: Path | None) -> None:
    """Write a proof that record SEQ is in the log. It needs nothing else to be verified but an
    anchor.

    \b
    Example:
      haechi audit prove 1042 -o proof.json
    """
    from haechi.store.audit.offline import reading

    with reading(folder / "audit") as reader:
        _put(reader.prove(seq), output)


@command.command()
@_store
@_output
def head(folder: Path, output: Path | None) -> None:
    """Write the newest signed head. Kept elsewhere, it shows later that nothing was cut off.

    \b
    Example:
      haechi audit head -o head-2026-11-22.json
    """
    import msgspec

    from haechi.store.audit.offline import reading

    with reading(folder / "audit") as reader:
        _put(msgspec.json.decode(reader.head()), output)


@command.command()
@_store
@click.option("--proof", type=_File, help="verify this proof instead of a store")
@click.option("--anchor", "anchor_", type=_File, help="the key to trust, from outside of the store")
@click.option("--witness", type=_File, help="heads that another place has seen")
@click.option("--seen-head", type=_File, help="a head that was kept before")
@format_option
@click.pass_context
def verify(
    ctx: click.Context,
    folder: Path,
    proof: Path | None,
    anchor_: Path | None,
    witness: Path | None,
    seen_head: Path | None,
    format_: str,
) -> None:
    """Verify the whole log, or one proof, and name what does not hold.

    \b
    Examples:
      haechi audit verify --anchor ~/anchor.json --witness /mnt/elsewhere/heads.log
      haechi audit verify --anchor ~/anchor.json --seen-head head-2026-11-22.json
      haechi audit verify --proof proof.json --anchor ~/anchor.json

    \b
    Exit codes: 0 verified, 1 it does not hold, 2 wrong use, 3 could not be fully verified
    (without an anchor nobody can tell by whom it was signed).
    """
    from haechi.store.audit.keys import read_anchor
    from haechi.store.audit.verify import read_seen
    from haechi.store.audit.verify import verify as run
    from haechi.store.audit.verify_proof import verify_proof

    trusted = read_anchor(anchor_) if anchor_ else None
    record: dict[str, Any] | None = None
    if proof:
        if witness or seen_head:
            raise UsageError("--proof goes with --anchor alone")
        report, record = verify_proof(_read(proof), anchor=trusted)
    else:
        seen = read_seen(_read(seen_head)) if seen_head else None
        report = run(folder / "audit", anchor=trusted, witness=witness, seen=seen)
    if format_ == "json":
        echo_json({"report": report, "record": record})
    else:
        _tell(report, record)
    ctx.exit({"verified": 0, "failed": 1, "incomplete": 3}[report.result])


@command.command()
@_store
@_output
def anchor(folder: Path, output: Path | None) -> None:
    """Write the public key in force: what `verify --anchor` trusts. Take it once where you trust
    the store, and keep it where nobody who can write the store can change it.

    \b
    Example:
      haechi audit anchor -o anchor.json
    """
    from haechi.store.audit.offline import reading

    with reading(folder / "audit") as reader:
        _anchor_out(reader.anchor(), output)


@command.command()
@_store
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def witness(folder: Path, file: Path) -> None:
    """Add all heads that FILE lacks to it. FILE lies outside of the store, best on another
    machine; the server may be running.

    \b
    Example:
      haechi audit witness /mnt/elsewhere/heads.log
    """
    from haechi.store.audit.heads import NAME, Witness, end_of

    heads = folder / "audit" / NAME
    if not heads.exists():
        raise NotFound("there is no audit log here", where=str(folder))
    if file.resolve().is_relative_to(folder.resolve()):
        raise UsageError("a witness inside of the store witnesses nothing")
    copy = Witness(file, heads)
    copy.follow()
    if copy.problem:
        raise ConfigError("the witness cannot be written", where=str(file), why=copy.problem)
    last = end_of(file).last
    if last:
        click.echo(f"{file}: up to head {last.link.counter} over {last.link.size} records")


@command.command()
@_store
@_output
@_by
def rotate(folder: Path, output: Path | None, by: str) -> None:
    """Go on with a new key, signed by the old and the new one; writes the new anchor. The
    anchors of earlier keys go on to verify.

    \b
    Example:
      haechi audit rotate -o anchor-2.json
    """
    with _open(folder) as opened:
        opened.rotate(by=by or _me())
        made = opened.anchor()
    _anchor_out(made, output)


@command.command()
@_store
@_by
@click.argument("seq", type=click.IntRange(min=0))
@click.argument("name")
def redact(folder: Path, seq: int, name: str, by: str) -> None:
    """Erase the private value NAME of record SEQ. The log stays valid and says that it was done.

    \b
    Example:
      haechi audit redact 1042 address
    """
    _settle(folder)
    with _open(folder) as opened:
        opened.redact(seq, name, by=by or _me())
    click.echo(plain(f"{name} of record {seq} is erased; backups may still have it"))


def _settle(folder: Path) -> None:
    """After a crash the database's journal still has the words of records that it handed over.
    Opening hands over the rest, closing leaves no journal."""
    if (folder / "state.db").is_file():
        from haechi.store.store import Store

        Store.open(folder).close()


@contextmanager
def _open(folder: Path) -> Iterator[AuditLog]:
    """The log for writing, under the store's lock."""
    from haechi.store.audit.log import AuditLog
    from haechi.store.folder import Folder

    if not (folder / "audit" / "heads.log").exists():
        raise NotFound("there is no audit log here", where=str(folder))
    owned = Folder(folder)
    try:
        opened = AuditLog(owned.path, clock=lambda: dt.datetime.now(dt.UTC))
        try:
            yield opened
        finally:
            opened.close()
    finally:
        owned.close()


def _me() -> str:
    import getpass

    try:
        return f"local:{getpass.getuser()}"
    except (OSError, KeyError, ImportError):
        return "local:unknown"


def _line(row: AuditRow) -> str:
    parts = [str(row.seq), f"{row.at:%Y-%m-%dT%H:%M:%SZ}", row.actor, row.action, row.object]
    if (row.cluster, row.namespace) != ("-", "-"):
        parts.append(f"{row.cluster}/{row.namespace}")
    parts += [f"{name}={_word(value)}" for name, value in sorted(row.detail.items())]
    parts += [
        f"{name}={'(erased)' if value is None else _word(value)}"
        for name, value in sorted(row.private.items())
    ]
    return "  ".join(parts)


def _word(value: Any) -> str:
    import msgspec

    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text.replace("\n", " ")


def _tell(report: Report, record: dict[str, Any] | None) -> None:
    keys = ", ".join(key[:16] for key in report.keys) or "nobody"
    lines = [
        f"{report.result}: log {report.log or '?'}, {report.records} records, {report.heads}"
        f" heads; {report.vouched} records vouched for by {keys}"
    ]
    if report.root:
        lines.append(f"root {report.root}")
    lines += [f"fault    {_note(note)}" for note in report.faults]
    lines += [f"warning  {_note(note)}" for note in report.warnings]
    lines += [f"redacted {one.name} of record {one.seq}" for one in report.redacted]
    if report.untold:
        lines.append(f"and {report.untold} more")
    if record is not None:
        import msgspec

        lines += ["the record:", msgspec.json.format(msgspec.json.encode(record)).decode()]
    click.echo(plain("\n".join(lines)))


def _note(note: Note) -> str:
    where = f" ({note.file}, byte {note.offset})" if note.offset is not None else ""
    record = f" record {note.seq}:" if note.seq is not None else ""
    return f"{note.kind}:{record} {note.what}{where}"


def _anchor_out(anchor_: Anchor, output: Path | None) -> None:
    from haechi.store.audit.keys import anchor_text

    if output:
        save(output, anchor_text(anchor_))
        click.echo(f"{output}: anchor {anchor_.key.id[:16]} of log {anchor_.log}")
    else:
        click.echo(anchor_text(anchor_), nl=False)


def _put(value: Any, output: Path | None) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    if output:
        save(output, text)
        click.echo(f"wrote {output}")
    else:
        click.echo(text, nl=False)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST_FILE)
    except OSError as error:
        raise UsageError(f"cannot read {path}", why=error.strerror or "") from error
