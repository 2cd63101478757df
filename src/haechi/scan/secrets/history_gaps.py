"""What of a history was not looked at, in words. An incomplete clone never looks clean."""

from __future__ import annotations

from collections.abc import Mapping

from haechi.model.counting import counted
from haechi.model.coverage import Gap
from haechi.scan.secrets.bounds import cut_short
from haechi.world.objects.attribution import Attribution
from haechi.world.objects.listing import Listing
from haechi.world.objects.reader import LARGEST, Named, ObjectReader
from haechi.world.objects.repository import Repository
from haechi.world.objects.scope import Scope

_PLACE = ".git"


def listing_gaps(listing: Listing, repository: Repository, scope: Scope) -> list[Gap]:
    """What the list of blobs lacks."""
    gaps = []
    if listing.lost.count:
        gaps.append(_corrupt(listing.lost))
    elif not listing.complete:
        gaps.append(
            Gap(
                kind="corrupt-objects",
                path=_PLACE,
                reason="git could not list all objects",
                do="see `git fsck`",
            )
        )
    if repository.borrows and scope.whole:
        gaps.append(
            Gap(
                kind="alternates",
                path=f"{_PLACE}/objects/info/alternates",
                reason="objects are borrowed from another repository: those that no ref, reflog "
                "or index leads to were not looked at",
                do="git repack -a -d, then remove the alternates file; or accept it",
            )
        )
    return gaps


def reading_gaps(reader: ObjectReader, repository: Repository) -> list[Gap]:
    """What could not be read of the contents."""
    gaps = []
    if repository.partial and reader.corrupt.count and not reader.unread:
        # An older git ends when it may not fetch what it was asked for.
        gaps.append(_missing(reader.corrupt, complete=True))
    elif reader.corrupt.count or reader.unread:
        gaps.append(_corrupt(reader.corrupt, reader.unread))
    if reader.missing.count:
        gaps.append(_missing(reader.missing, complete=True))
    if reader.silent.count:
        gaps.append(
            Gap(
                kind="git",
                path=_PLACE,
                reason=f"git did not answer in time about {_named(reader.silent)}",
                do="see `git fsck`",
            )
        )
    if reader.too_large.count:
        gaps.append(
            Gap(
                kind="too-large",
                path=_PLACE,
                reason=f"over {LARGEST // 1024**2} MiB: {_named(reader.too_large)}",
                do="look into them by themselves: git cat-file -p ID",
            )
        )
    return gaps


def walking_gaps(attribution: Attribution) -> list[Gap]:
    """What the commits lack: cut off, left behind, or broken."""
    repository, walked = attribution.repository, attribution.walked
    gaps = []
    if walked.cut or (attribution.scope.whole and repository.shallow):
        gaps.append(
            Gap(
                kind="shallow-history",
                path=f"{_PLACE}/shallow",
                reason="a shallow clone: what lies before the commits that were fetched is not "
                "here, and their first commits are not the first",
                do="git fetch --unshallow (in GitHub Actions: fetch-depth: 0 of actions/checkout)",
            )
        )
    if walked.missing.count or not walked.complete:
        gaps.append(_missing(walked.missing, complete=walked.complete))
    if not attribution.complete:
        gaps.append(
            Gap(
                kind="corrupt-objects",
                path=_PLACE,
                reason="commits or trees could not be read or are endless, so some places are not "
                "known",
                do="see `git fsck`",
            )
        )
    return gaps


def cut_gaps(cut: Mapping[bytes, frozenset[str]]) -> list[Gap]:
    """Blobs that hold more than is looked at."""
    if not cut:
        return []
    named = Named()
    for id_ in cut:
        named.add(id_)
    return [cut_short(_PLACE, _named(named), frozenset().union(*cut.values()))]


def too_many(rule: str, number: int) -> Gap:
    """Hits past the bound."""
    return Gap(
        kind="too-many-findings",
        path=_PLACE,
        reason=f"{counted(number, 'further hit')} of {rule} in the history are not listed",
        do="correct the first ones, or exclude what they are in",
    )


def _missing(named: Named, *, complete: bool) -> Gap:
    what = _named(named) if named.count else "commits or trees"
    least = "" if complete else "at least "
    return Gap(
        kind="missing-objects",
        path=_PLACE,
        reason=f"the history needs {least}{what}, not there or not readable (a partial clone, or "
        "a damaged one)",
        do="git fetch --refetch --no-filter, or clone again without --filter",
    )


def _corrupt(named: Named, unread: int = 0) -> Gap:
    rest = f", and {counted(unread, 'object')} after them" if unread else ""
    return Gap(
        kind="corrupt-objects",
        path=_PLACE,
        reason=f"git cannot read {_named(named)}{rest}",
        do="see `git fsck`",
    )


def _named(named: Named) -> str:
    ids = ", ".join(id_[:12] for id_ in named.ids[:5])
    more = " …" if named.count > 5 else ""
    return f"{counted(named.count, 'object')} ({ids}{more})"
