"""A push of a folder and what is known of the rest of its repository, as one bill.

What the push says holds for its own folder alone. The rest keeps its files, owners and gaps; and
it was judged by older advisories, whose days stay where the rest has packages of that ecosystem.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import islice

from msgspec.structs import replace

from haechi.model.bill import Bill
from haechi.model.package import PackageFile
from haechi.server.work.bills import MOST_LISTED
from haechi.server.work.bills_judged import run_day


class Rest:
    """What is known of a repository outside a folder."""

    def __init__(self, bill: Bill, files: Iterable[PackageFile], within: str) -> None:
        self._folder = within.strip("/")
        self._bill = bill
        self.files = tuple(file for file in files if not self._is_inside(file.path))

    def with_pushed(self, files: Iterable[PackageFile]) -> tuple[PackageFile, ...]:
        """The whole repository's files."""
        return (*self.files, *(file for file in files if self._is_inside(file.path)))

    def facts(self, pushed: Bill, files: Sequence[PackageFile]) -> Bill:
        """What is said of the whole: of the repository by the push, of each file by whoever saw
        it last."""
        if not self.files:
            return pushed
        before = self._bill
        owners = {path: one for path, one in before.owners.items() if not self._is_inside(path)}
        missing = [one for one in before.missing if not self._is_inside(one.path)]
        return replace(
            pushed,
            data=self._days(pushed, files),
            own=tuple(islice(dict.fromkeys((*pushed.own, *before.own)), MOST_LISTED)),
            owners=dict(islice({**owners, **pushed.owners}.items(), MOST_LISTED)),
            missing=tuple(islice(dict.fromkeys((*pushed.missing, *missing)), MOST_LISTED)),
            left_out=max(pushed.left_out, before.left_out),
        )

    def _days(self, pushed: Bill, files: Sequence[PackageFile]) -> dict[str, dt.date]:
        """Up to which day all packages of an ecosystem were judged."""
        mine, others = _ecosystems(files), _ecosystems(self.files)
        found: dict[str, dt.date] = {}
        for ecosystem in sorted(mine | others):
            days = [run_day(pushed, ecosystem)] if ecosystem in mine else []
            days += [run_day(self._bill, ecosystem)] if ecosystem in others else []
            known = [day for day in days if day is not None]
            if len(known) == len(days):
                found[ecosystem] = min(known)
        return found

    def _is_inside(self, path: str) -> bool:
        return path == self._folder or path.startswith(f"{self._folder}/")


def _ecosystems(files: Iterable[PackageFile]) -> set[str]:
    return {one.ecosystem for file in files for one in file.packages}
