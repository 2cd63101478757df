"""What goes over the wire beside the store's records: requests, and answers put together.

OpenAPI and the page's types are generated from these.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from haechi.model.access import Grant, Reach
from haechi.model.severity import Severity
from haechi.store.records import (
    Bucket,
    Record,
    ScanRun,
    SourceStatus,
    StoredEvent,
    StoredFinding,
    StoredWaiver,
    TokenRecord,
)


class Problem(Record, frozen=True, kw_only=True):
    """RFC 9457. ``type`` is ``about:blank`` or a page of the guide; ``do`` says what to do;
    ``request`` is the request's id, which stands in the log, too."""

    title: str
    status: int
    detail: str = ""
    type: str = "about:blank"
    instance: str = ""
    do: str = ""
    request: str = ""
    errors: list[dict[str, str]] = []  # {"where": "body.reason", "what": "…"}


class Me(Record, frozen=True, kw_only=True):
    """Who is signed in. ``csrf`` goes into ``X-CSRF-Token`` of every changing request of a
    session; ``role`` is the highest; ``operations`` are the ids of what may be called."""

    id: str
    name: str
    role: str
    grants: list[Grant]
    operations: list[str]
    csrf: str = ""
    expires: dt.datetime | None = None


class SignIn(Record, frozen=True, kw_only=True):
    """Exactly one of them: an API token, or the code of a sign-in link."""

    token: str = ""
    code: str = ""


class SignInWays(Record, frozen=True, kw_only=True):
    """What the sign-in page offers: names of OpenID providers."""

    providers: list[str]
    version: str


class NowItem(Record, frozen=True, kw_only=True):
    """One thing that needs a person. ``sentence`` and ``change`` in both languages; ``steps``
    is the picture, from outside to the harm; ``findings`` are ids in the store."""

    score: float
    severity: Severity
    sentence: str
    sentence_ko: str
    change: str
    change_ko: str
    source: str
    path: str
    line: int
    cluster: str
    namespace: str
    resource: str
    steps: list[NowStep]
    findings: list[str]
    owner: str | None
    due: dt.date | None
    overdue: bool
    since: dt.datetime | None


class NowStep(Record, frozen=True, kw_only=True):
    """One hop of the picture."""

    text: str
    path: str = ""
    line: int = 0


class Dial(Record, frozen=True, kw_only=True):
    """One figure. ``value`` None means that it cannot be told, and ``why`` says so. ``good`` is
    the mark to keep (``better``: higher or lower). ``link`` is a view of the page."""

    id: str  # open_critical, open_high, overdue, days_to_fix, covered, waived, gate
    value: float | None
    unit: str  # count, days, ratio
    good: float | None = None
    better: str = "lower"
    before: float | None = None  # a day ago
    why: str = ""
    why_ko: str = ""
    link: str = ""


class Delta(Record, frozen=True, kw_only=True):
    """What changed in the last 24 hours."""

    since: dt.datetime
    new: int
    fixed: int
    reopened: int
    waived: int
    waivers_ended: int
    scans: int
    events: int
    latest: list[StoredFinding]  # newest, worst first, at most 8


class CoverageLine(Record, frozen=True, kw_only=True):
    """One line of the coverage strip. ``command`` is what connects or refreshes it, exactly as
    to be typed; ``unseen`` names what is not looked at."""

    source: SourceStatus
    unseen: list[UnseenGap]
    command: str


class UnseenGap(Record, frozen=True, kw_only=True):
    """Things of one kind in a scope that were not evaluated."""

    kind: str
    count: int
    example: str
    reason: str
    do: str


class Now(Record, frozen=True, kw_only=True):
    """The first screen. ``items`` are at most 20, worst first."""

    as_of: dt.datetime
    items: list[NowItem]
    dials: list[Dial]
    delta: Delta
    coverage: list[CoverageLine]


class FindingFacets(Record, frozen=True, kw_only=True):
    """Counts by facet (state, severity, domain, rule, owner, source, namespace, cluster); each
    facet ignores its own part of the filter. ``total`` is of the whole filter."""

    total: int
    overdue: int
    facets: dict[str, list[Bucket]]


class FindingPatch(Record, frozen=True, kw_only=True):
    """What a person tends. Absent keys stay; null takes away."""

    owner: str | msgspec.UnsetType | None = msgspec.UNSET
    due: dt.date | msgspec.UnsetType | None = msgspec.UNSET


class WaiverRequest(Record, frozen=True, kw_only=True):
    """An acceptance. One of ``fingerprints``, ``path``, ``resource`` says where; a reason of at
    least ten characters, an owner and an end within 365 days are required."""

    reason: str
    owner: str
    expires: dt.date
    rule: str = "*"
    fingerprints: list[str] = []
    path: str = ""
    resource: str = ""
    source: str = ""
    reach: Reach = Reach()


class WaiverPreview(Record, frozen=True, kw_only=True):
    """What a waiver would cover now: how many open findings, how many of them by severity, how
    many are waived already, and the first of them, worst first. ``reach`` is what it would be
    narrowed to; ``complete`` is false when there are more than were counted."""

    reach: Reach
    count: int
    severities: dict[str, int]
    waived: int
    findings: list[StoredFinding]
    complete: bool


class WaiverDetail(Record, frozen=True, kw_only=True):
    """A waiver, and what its end would bring now: how many findings open again, how many of them
    by severity (what another waiver takes over is not among them). ``complete`` is false when it
    covers more than were counted."""

    waiver: StoredWaiver
    reopens: int
    severities: dict[str, int]
    complete: bool


class RuleRow(Record, frozen=True, kw_only=True):
    """A rule and how many open findings it has here. Texts of rules that the server does not
    know come from the push."""

    id: str
    title: str
    title_ko: str
    severity: Severity
    domain: str
    tags: list[str]
    open: int
    waived: int
    known: bool


class RuleDetail(Record, frozen=True, kw_only=True):
    """A rule with its words, references and examples."""

    rule: RuleRow
    why: str
    why_ko: str
    fix: str
    fix_ko: str
    snippet: str
    refs: dict[str, list[str]]
    cwe: list[str]
    bad: list[str]
    good: list[str]


class PushAnswer(Record, frozen=True, kw_only=True):
    """What became of a push; ``url`` shows it on the page."""

    scan: ScanRun
    url: str


class Refused(Record, frozen=True, kw_only=True):
    """An event of a batch that was not taken, by its place in the batch (from 0)."""

    index: int
    why: str


class IngestAnswer(Record, frozen=True, kw_only=True):
    """Given only after the accepted events are durable. ``duplicates`` were there already.
    ``detections`` came out of this batch and were not known yet; ``by_rule`` counts them."""

    accepted: int
    duplicates: int
    refused: list[Refused]
    detections: int = 0
    by_rule: dict[str, int] = {}


class EventPage(Record, frozen=True, kw_only=True):
    """Newest first. ``searched_from``/``searched_to`` is the range that was really searched;
    ``complete`` is false when it ended early (limit of rows or time), ``next`` goes on."""

    items: list[StoredEvent]
    next: str | None
    searched_from: dt.datetime
    searched_to: dt.datetime
    complete: bool


class FeedAnswer(Record, frozen=True, kw_only=True):
    """Given only after what was accepted is durable. ``refused`` names records by their place in
    the body (from 0); ``skipped`` are well-formed ones that are no event; ``lost`` is how many
    events their source says that it could not send. ``detections`` came out of this batch and
    were not known yet; ``by_rule`` counts them."""

    accepted: int
    duplicates: int
    refused: list[Refused]
    skipped: int = 0
    lost: int = 0
    detections: int = 0
    by_rule: dict[str, int] = {}


class RuleProblem(Record, frozen=True, kw_only=True):
    """Something wrong with a rule file, in Falco's own terms. Line and column count from 1."""

    error: bool
    code: str
    message: str
    file: str
    line: int
    column: int
    item: str = ""


class RuleFault(Record, frozen=True, kw_only=True):
    """A rule that loads and yet does not do what it seems to. ``code``: never, always, negation,
    unused-macro, unused-list, undefined, shadowed, evasion …"""

    code: str
    severity: str
    rule: str
    message: str
    why: str
    file: str
    line: int
    column: int


class RuntimeRule(Record, frozen=True, kw_only=True):
    """A rule that judges events. ``source``: syscall, k8s_audit, flow, application. ``origin``:
    builtin, file (named in the configuration), saved (by the page or the API). ``condition`` is
    as written; ``event_types`` what it can hold for, null: any. ``hits`` are its detections in
    the last 30 days within the asker's reach. ``resolved`` is the condition with macros, lists
    and exceptions in their places, where it is asked for."""

    name: str
    id: str
    source: str
    priority: str
    tags: list[str]
    enabled: bool
    origin: str
    file: str
    line: int
    description: str
    condition: str
    output: str
    event_types: list[str] | None
    hits: int
    faults: list[RuleFault]
    resolved: str = ""


class RuleExample(Record, frozen=True, kw_only=True):
    """An event that a rule is tested with, as YAML, and whether it must hold."""

    holds: bool
    event: str


class RuntimeRuleDetail(Record, frozen=True, kw_only=True):
    """A rule with its examples and, where it is of our own pack, its words in both languages;
    who turned it on or off by hand, if anybody did."""

    rule: RuntimeRule
    examples: list[RuleExample]
    exceptions: list[str]
    why: str
    why_ko: str
    fix: str
    fix_ko: str
    refs: dict[str, list[str]]
    switched_by: str
    switched_at: dt.datetime | None


class RuleFileRow(Record, frozen=True, kw_only=True):
    """A file of runtime rules as it is now. ``version`` is 0 for one of the configuration.
    ``loaded`` false: it has errors and none of its rules run."""

    name: str
    origin: str
    version: int
    rules: int
    loaded: bool
    problems: list[RuleProblem]
    at: dt.datetime | None
    by: str
    note: str


class RuleFileVersion(Record, frozen=True, kw_only=True):
    """One step in a saved file's life."""

    version: int
    at: dt.datetime
    by: str
    note: str
    removed: bool


class RuleFileDetail(Record, frozen=True, kw_only=True):
    """A file with its text (of the version that was asked for) and all its versions."""

    file: RuleFileRow
    text: str
    versions: list[RuleFileVersion]


class RuleText(Record, frozen=True, kw_only=True):
    """A rule file to look at; nothing is kept. ``name`` is what problems call it: the name of a
    saved file means that the text would take its place."""

    text: str
    name: str = "rules.yaml"


class RuleFileSave(Record, frozen=True, kw_only=True):
    """A rule file to save. ``version`` is the one that was edited, 0 for a new file: another one
    in between is a conflict."""

    text: str
    version: int = 0
    note: str = ""


class RuleCheck(Record, frozen=True, kw_only=True):
    """What a rule file says and what is wrong with it. ``ok``: it could be saved. ``fields`` are
    those that its conditions and outputs use."""

    ok: bool
    problems: list[RuleProblem]
    faults: list[RuleFault]
    rules: list[RuntimeRule]
    fields: list[str]


class RuleSwitched(Record, frozen=True, kw_only=True):
    """Turn a rule on or off, whatever its file says. ``source`` where two rules share a name."""

    enabled: bool
    source: str = ""


class FieldRow(Record, frozen=True, kw_only=True):
    """A field of the Falco language. ``argument``: none, optional, required."""

    name: str
    type: str
    source: str
    many: bool
    argument: str


class HuntRequest(Record, frozen=True, kw_only=True):
    """Rules to run over stored events: those of ``files``, else the server's; of them the ``rules``
    that are named (by name or id), else all that are on. ``limit`` is how many matches are shown;
    all are counted."""

    files: list[RuleText] = []
    rules: list[str] = []
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    cluster: list[str] = []
    namespace: list[str] = []
    limit: int = 1000


class HuntMatch(Record, frozen=True, kw_only=True):
    """A rule that would have fired, and on what. ``output`` is what it would have said."""

    rule: str
    priority: str
    source: str
    tags: list[str]
    output: str
    event: StoredEvent
    would_have_fired: bool = True


class TokenRequest(Record, frozen=True, kw_only=True):
    """A token to make. ``days`` until it expires (1 to 365)."""

    name: str
    grants: list[Grant]
    days: int = 90
    permissions: list[str] | None = None
    repositories: list[str] | None = None


class TokenMade(Record, frozen=True, kw_only=True):
    """The only time that the secret is shown."""

    token: TokenRecord
    secret: str


class UserPatch(Record, frozen=True, kw_only=True):
    """Absent keys stay."""

    grants: list[Grant] | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET


class Part(Record, frozen=True, kw_only=True):
    """One part of the server and how it is. ``state``: ok, degraded, failed."""

    name: str
    state: str
    what: str
    do: str = ""
    figures: dict[str, Any] = {}


class Health(Record, frozen=True, kw_only=True):
    """How the server is. ``ready`` is what /readyz says."""

    ready: bool
    version: str
    started: dt.datetime
    parts: list[Part]


class Setting(Record, frozen=True, kw_only=True):
    """One setting in force. Secrets are never shown (``value`` says that one is set)."""

    key: str
    value: str
    origin: str  # default, file, environment, option
    what: str


class AuditHead(Record, frozen=True, kw_only=True):
    """The newest signed head of the log: how many records, the root (hex), who signed."""

    size: int
    root: str
    at: dt.datetime
    previous: str
    keys: list[str]
    algorithms: list[str]
    unsigned: int  # records after this head, not signed yet
