"""Hostile material: any text anywhere, positions that make no sense, many findings."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st
from msgspec.structs import replace

from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import Finding, FindingState
from haechi.model.location import Location
from haechi.model.scan import Risk, Step
from haechi.model.severity import Severity
from haechi.report.material import Material
from tests.report.fixture import shop

MEAN = (
    "<script>alert(1)</script>",
    "\x1b[2J\x1b]0;title\x07",
    "\u202e\u2066\u200b\ufeff",
    "' onmouseover='x' \" y=\"",
    "]]>--><!--</style></title>",
    "| `a` | **b** | [c](d)\n\n# h @all",
    "파드가 특권으로 실행됨",
    "\ud800\udfff\udc80",
    "a" * 300,
    "{0} {{1}} %s",
    "\x00\x01\x0b\x85\u2028\u2029",
)
text = st.one_of(
    st.sampled_from(MEAN),
    st.text(max_size=30),
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.tuples(st.text(max_size=5), st.sampled_from(MEAN), st.text(max_size=5)).map("".join),
)
positions = st.integers(-2, 60)
locations = st.builds(
    Location,
    path=st.one_of(text, st.sampled_from(["k8s/cart.yaml", "", "/etc/passwd", "a//b:c"])),
    line=positions,
    column=positions,
    end_line=positions,
    end_column=positions,
)
_date = st.none() | st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1))
findings = st.builds(
    Finding,
    rule=st.sampled_from(["k8s-privileged", "docker-secret-in-env", "k8s-image-latest"]) | text,
    severity=st.sampled_from(Severity),
    title=text,
    message=text,
    location=locations,
    resource=text,
    label=text,
    path=st.lists(text | st.integers(0, 9), max_size=3).map(tuple),
    fingerprint=st.uuids().map(lambda value: value.hex),
    tags=st.lists(text | st.just("dead-control"), max_size=3).map(tuple),
    cwe=st.lists(st.just("CWE-250") | text, max_size=2).map(tuple),
    owner=st.none() | text,
    due=_date,
    state=st.sampled_from(FindingState),
    waiver=st.none() | text | st.just("haechi.waivers.yaml:3"),
    fix=st.none() | text,
)
gaps = st.builds(Gap, kind=text, path=text, reason=text, do=text, accepted=st.booleans())
risks = st.builds(
    Risk,
    score=st.floats(),
    severity=st.sampled_from(Severity),
    sentence=text,
    sentence_ko=text,
    change=text,
    change_ko=text,
    location=locations,
    steps=st.lists(st.builds(Step, text=text, location=st.none() | locations), max_size=3).map(
        tuple
    ),
    findings=st.lists(text, max_size=2).map(tuple),
)


@st.composite
def materials(draw: st.DrawFn) -> Material:
    """The shop's run with hostile parts in place of its own."""
    base = shop()
    found = tuple(draw(st.lists(findings, max_size=8)))
    looked = draw(st.dictionaries(text, st.integers(0, 9), max_size=3))
    scan = replace(
        base.scan,
        root=draw(text),
        only=tuple(draw(st.lists(text, max_size=2))),
        findings=found,
        risks=tuple(draw(st.lists(risks, max_size=4))),
        coverage=Coverage(
            looked=looked,
            gaps=tuple(draw(st.lists(gaps, max_size=6))),
            evaluated=frozenset(draw(st.lists(text, max_size=3))),
        ),
    )
    decision = replace(
        base.decision,
        exit_code=draw(st.sampled_from([0, 1, 2, 3])),
        blocks=draw(st.booleans()),
        fail_on=draw(st.sampled_from(Severity)),
        reasons=tuple(draw(st.lists(text, max_size=6))),
        blocking=frozenset(finding.fingerprint for finding in found[:2]),
        baseline=draw(st.none() | text),
    )
    source = draw(text)
    return replace(base, scan=scan, decision=decision, read=lambda _: source)
