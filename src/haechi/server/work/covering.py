"""What a push really covered: only there does "not found any more" mean "fixed".

Everything here errs on the side of "not covered": a finding that stays open too long is looked
at by a person; one that is called fixed by mistake is looked at by nobody.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec

from haechi.engines.purl import package_of_purl
from haechi.errors import InputError
from haechi.model.advisory import is_vulnerability
from haechi.model.finding import DEPENDENCIES
from haechi.model.keys import without_repository, without_version
from haechi.model.push import UNJUDGED, Push
from haechi.server.work.bills import UPLOADED
from haechi.store.records import StoredFinding

Covered = Callable[[StoredFinding], bool]

_LINE = re.compile(r":\d+\Z")
_RULE = re.compile(r"rule ([a-z0-9-]+)\b")
_GIT = ".git"
_RENDERED = frozenset({"helm-chart", "kustomize", "helmfile", "jsonnet", "template"})
"""Gaps behind which whole objects may hide, wherever their files lie."""
_WHOLE_FOLDER = frozenset({"helm-chart", "kustomize", "helmfile"})
_EVERYTHING = frozenset({"too-much", "unknown"})
"""Gaps that name one file of those that were left out."""
_HARMLESS = frozenset({"too-large"})
"""Gaps of git's history behind which no finding can lie: what was never read was never found."""
_LOOKED = {"iac": "files", "secrets": "files for secrets", "deps": "lock files"}
"""The count that every run of a domain gives."""
_MAY_BE_NONE = frozenset({"deps"})
"""Domains that counted nothing where nothing is left to count."""
_ADVISORIES = "advisories:"
_ABOUT_PACKAGES = frozenset(
    {
        *("no-advisories", "stale-advisories", "unpinned-package", "package-source", "computed"),
        *("go-excluded", "go-transitive", "gradle-not-evaluated", "maven-transitive"),
        *("maven-unresolved", "nuget-transitive", "no-lock-file", "ignored-lock-file"),
    }
)
"""Gaps that say which packages of a file could not be judged. They hide no file: the push names
those packages, and ecosystems without advisories are not among what was evaluated."""
_ABOUT_VALUES = frozenset({"terraform-computed", "terraform-unknown"})
"""Gaps of values that nobody knows: the rules that wait for them are not among what was
evaluated."""
_UNLOCKED = frozenset({"no-lock-file", "ignored-lock-file"})
"""Gaps by which nobody knows what is installed in a folder."""


class _Gap(msgspec.Struct, frozen=True):
    kind: str
    path: str
    reason: str

    @property
    def area(self) -> str:
        """The file or folder that the gap hides; empty for everything."""
        path = _LINE.sub("", self.path)
        if self.kind in _WHOLE_FOLDER:
            path = posixpath.dirname(path)
        return "" if path == "." else path.removeprefix("./").rstrip("/")

    @property
    def in_history(self) -> bool:
        return self.path == _GIT or self.path.startswith(f"{_GIT}/")


class Covering:
    """Answers for one push. ``known`` are the ids of the catalogue's rules; ``history_counts``
    says that earlier looks at this repository read its history: then a credential that left the
    tree is gone only if history was read again. ``judged`` are the ecosystems by whose advisories
    the server itself judged the push's packages; None: it has no advisories."""

    def __init__(
        self,
        push: Push,
        known: Collection[str],
        *,
        history_counts: bool,
        judged: Collection[str] | None = None,
    ) -> None:
        coverage, summary = _mapping(push.report, "coverage"), _mapping(push.report, "summary")
        self._scope = push.scope
        self._bill = push.packages is not None
        self._within = push.scope.within.strip("/")
        self._domains = frozenset(push.scope.domains)
        self._known = known
        self._judged = judged
        self._history_counts = history_counts
        self._evaluated = frozenset(_texts(_mapping(coverage, "evaluated_rules").get("ids")))
        self._resources = frozenset(without_repository(one.key) for one in push.resources)
        self._looked = _mapping(coverage, "looked")
        self._nothing = summary.get("answer") in ("nothing", "invalid")
        gaps = list(_gaps(coverage.get("gaps")))
        past = [gap for gap in gaps if gap.in_history]
        tree = [gap for gap in gaps if not gap.in_history]
        self._history = push.scope.history == "full" and self._read_history(past)
        self._unsure_rules = frozenset(_rules_of(tree))
        self._user_rules_ran = not any(gap.kind.startswith("rule-") for gap in tree)
        self._everything = any(gap.kind in _EVERYTHING for gap in tree)
        self._unrendered = any(gap.kind in _RENDERED for gap in tree)
        self._hidden = frozenset(gap.area for gap in tree if _hides_a_place(gap))
        self._unlocked = frozenset(
            posixpath.dirname(gap.area) for gap in tree if gap.kind in _UNLOCKED
        )
        self._unjudged = frozenset(
            one.key for one in push.resources if one.attributes.get(UNJUDGED)
        )

    def __call__(self, finding: StoredFinding) -> bool:
        """True when this push would have found it if it were still there."""
        return (
            not self._nothing
            and finding.domain in self._domains
            and self._domain_ran(finding.domain)
            and self._time(finding)
            and self._place(finding)
            and self._rule(finding)
        )

    def _domain_ran(self, domain: str) -> bool:
        count = self._looked.get(_LOOKED.get(domain, domain))
        # A domain that this version does not know may count as it likes, but it has to count.
        least = 0 if domain in _MAY_BE_NONE else 1
        return isinstance(count, int) and count >= least

    def _read_history(self, gaps: Iterable[_Gap]) -> bool:
        read = any(str(name).startswith("git ") for name in self._looked)
        return read and all(gap.kind in _HARMLESS for gap in gaps)

    def _time(self, finding: StoredFinding) -> bool:
        """What only history holds needs all of it; a credential that left the tree may be there
        still."""
        if finding.commit is not None:
            return self._history
        if finding.domain == "secrets" and self._history_counts:
            return self._scope.tree and self._history
        return self._scope.tree

    def _place(self, finding: StoredFinding) -> bool:
        path = finding.path
        if path.startswith(UPLOADED):
            return False  # of an SBOM that was sent: no file of the repository
        if self._within and path != self._within and not path.startswith(f"{self._within}/"):
            return False
        if self._everything or (finding.commit is None and self._is_hidden(path)):
            return False
        # An overlay or chart that was not rendered hides objects whose files lie elsewhere.
        return not (
            self._unrendered and finding.resource.startswith("k8s:") and not self._seen(finding)
        )

    def _seen(self, finding: StoredFinding) -> bool:
        """True when the run saw what the finding is about."""
        return without_repository(finding.resource) in self._resources

    def _is_hidden(self, path: str) -> bool:
        if "" in self._hidden or path in self._hidden:
            return True
        return any(parent in self._hidden for parent in _parents(path))

    def _rule(self, finding: StoredFinding) -> bool:
        rule = finding.rule
        if rule in self._unsure_rules:
            return False
        if finding.domain == DEPENDENCIES and is_vulnerability(rule):
            return self._advised(finding)
        if rule in self._evaluated:
            return True
        if finding.domain == "iac" and not self._seen(finding):
            return True  # what it was about is gone, so there was nothing left to judge
        return rule not in self._known and self._user_rules_ran

    def _advised(self, finding: StoredFinding) -> bool:
        """Whether advisories of the package's ecosystem were at hand. Where no package at all is
        left nobody has to ask."""
        if self._judged is not None and not self._bill:
            return False  # the server may know more, and cannot tell of which packages
        if self._looked.get(_LOOKED["deps"]) == 0:
            return True
        if posixpath.dirname(finding.path) in self._unlocked:
            return False
        if without_version(finding.resource) in self._unjudged:
            return False
        if finding.rule in self._evaluated:
            return True  # one of the repository's own, or found elsewhere
        try:
            package = package_of_purl(finding.resource)
        except InputError:
            return False
        if package is None:
            return False
        if self._judged is not None and package.ecosystem in self._judged:
            return True
        return f"{_ADVISORIES}{package.ecosystem}" in self._evaluated


def _rules_of(gaps: Iterable[_Gap]) -> Iterable[str]:
    """Rules that could not judge everything that they apply to."""
    for gap in gaps:
        if gap.kind in ("rule-error", "not-evaluated"):
            named = _RULE.match(gap.reason)
            yield named[1] if named else gap.path
        elif gap.kind.startswith("rule-"):
            yield gap.path


def _hides_a_place(gap: _Gap) -> bool:
    """False for gaps that name a rule or packages, and for zizmor's absence: its rules are then
    not among those that were evaluated."""
    if gap.kind.startswith("rule-") or gap.kind == "not-evaluated":
        return False
    if gap.kind in _ABOUT_PACKAGES or gap.kind in _ABOUT_VALUES:
        return False
    return not (gap.kind == "zizmor" and not gap.area)


def _parents(path: str) -> Iterable[str]:
    at = path.rfind("/")
    while at > 0:
        yield path[:at]
        at = path.rfind("/", 0, at)


def _gaps(value: Any) -> Iterable[_Gap]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield _Gap(*(str(one.get(key) or "") for key in ("kind", "path", "reason")))


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> Iterable[str]:
    return (one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
