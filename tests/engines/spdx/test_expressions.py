"""Licence expressions: parsed and written back, policies, and what packages write instead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.licences import identifiers
from haechi.engines.spdx import MAX_DEPTH, MAX_LENGTH, Expression, Joint, Term, parse, terms
from haechi.engines.spdx.kinds import Kind, kind_of, licences
from haechi.engines.spdx.policy import satisfies
from haechi.engines.spdx.spellings import normalised
from haechi.errors import InputError

WRITTEN = [
    ("MIT", "MIT"),
    ("mit", "MIT"),
    ("(MIT)", "MIT"),
    ("MIT or apache-2.0", "MIT OR Apache-2.0"),
    ("MIT AND ISC OR Zlib", "MIT AND ISC OR Zlib"),
    ("MIT AND (ISC OR Zlib)", "MIT AND (ISC OR Zlib)"),
    ("(MIT OR ISC) OR (Zlib)", "MIT OR ISC OR Zlib"),
    ("((MIT AND ISC) AND Zlib)", "MIT AND ISC AND Zlib"),
    ("EPL-1.0+", "EPL-1.0+"),
    ("GPL-2.0+", "GPL-2.0+"),
    (
        "gpl-2.0-only with classpath-exception-2.0",
        "GPL-2.0-only WITH Classpath-exception-2.0",
    ),
    ("LicenseRef-Own.1", "LicenseRef-Own.1"),
    ("DocumentRef-a:LicenseRef-b OR MIT", "DocumentRef-a:LicenseRef-b OR MIT"),
]


@pytest.mark.parametrize(("text", "canonical"), WRITTEN, ids=[row[0] for row in WRITTEN])
def test_writes_expressions_canonically(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_with_binds_before_and_before_or() -> None:
    assert parse("MIT OR ISC AND GPL-2.0-only WITH Classpath-exception-2.0") == Joint(
        "OR",
        (
            Term("MIT"),
            Joint(
                "AND",
                (Term("ISC"), Term("GPL-2.0-only", exception="Classpath-exception-2.0")),
            ),
        ),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "NOASSERTION",
        "MIT ISC",
        "MIT OR",
        "AND MIT",
        "(MIT",
        "MIT)",
        "()",
        "MIT WITH",
        "MIT WITH ISC",
        "(MIT OR ISC) WITH Classpath-exception-2.0",
        "Apache 2.0",
        "MIT; ISC",
        "LicenseRef-",
        "MIT" + " OR MIT" * MAX_LENGTH,
        "(" * (MAX_DEPTH + 1) + "MIT" + ")" * (MAX_DEPTH + 1),
    ],
    ids=lambda it: it[:20] or "empty",
)
def test_refuses_what_is_no_expression(wrong: str) -> None:
    with pytest.raises(InputError, match="no licence expression") as caught:
        parse(wrong)
    assert caught.value.why
    assert caught.value.do


def _joint(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    operator = st.sampled_from(["AND", "OR"])
    return st.tuples(operator, st.lists(inner, min_size=2, max_size=3)).map(
        lambda it: parse(f" {it[0]} ".join(f"({part})" for part in it[1]))
    )


TERMS = st.builds(
    Term,
    st.sampled_from(["MIT", "ISC", "GPL-2.0-only", "EPL-1.0", "LicenseRef-a", "AGPL-3.0-only"]),
    st.just(False),
    st.sampled_from(["", "", "Classpath-exception-2.0"]),
)
EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(TERMS, _joint, max_leaves=8)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_reads_back_what_it_wrote(expression: Expression) -> None:
    assert parse(str(expression)) == expression
    assert all(str(term) in str(expression) for term in terms(expression))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(["MIT", "GPL-2.0+", "AND", "or", "WITH", "(", ")", "v2", "License"])
    ).map(" ".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except InputError:
        pass
    else:
        assert parse(str(found)) == found
    meant = normalised(text)
    assert not meant or str(parse(meant)) == meant


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    EXPRESSIONS,
    st.sets(st.sampled_from(["MIT", "ISC", "GPL-2.0-only", "weak"])),
    st.sets(st.sampled_from(["network", "EPL-1.0", "strong"])),
)
def test_policies_see_or_as_the_best_and_and_as_all(
    expression: Expression, allow: set[str], deny: set[str]
) -> None:
    def holds(part: Expression) -> bool:
        if isinstance(part, Term):
            return satisfies(part, allow, deny).ok
        each = [holds(inner) for inner in part.parts]
        return any(each) if part.operator == "OR" else all(each)

    verdict = satisfies(expression, allow, deny)
    assert verdict.ok is holds(expression)
    assert verdict.ok is not bool(verdict.offending)


POLICIES = [
    # expression, allowed, denied, what offends
    ("MIT", "MIT", "", ""),
    ("MIT OR GPL-3.0-only", "MIT", "", ""),
    ("MIT AND GPL-3.0-only", "MIT", "", "GPL-3.0-only"),
    ("MIT AND GPL-3.0-only", "", "strong", "GPL-3.0-only"),
    ("MIT AND ISC", "permissive", "", ""),
    ("MIT", "permissive", "MIT", "MIT"),
    ("AGPL-3.0-or-later", "", "network", "AGPL-3.0-or-later"),
    ("GPL-2.0", "GPL-2.0-only", "", ""),
    ("GPL-2.0+", "GPL-2.0-or-later", "", ""),
    ("GPL-2.0-or-later", "GPL-3.0-only", "", ""),
    ("GPL-2.0-only", "GPL-3.0-only", "", "GPL-2.0-only"),
    ("GPL-3.0-only", "", "GPL-2.0-or-later", "GPL-3.0-only"),
    ("GPL-2.0-or-later", "", "GPL-3.0-only", ""),
    ("LGPL-2.1-only", "weak permissive", "strong", ""),
    ("GPL-2.0-only WITH Classpath-exception-2.0", "weak", "", ""),
    ("GPL-2.0-only WITH Classpath-exception-2.0", "", "GPL-2.0-only", None),
    ("GPL-2.0-only", "GPL-2.0-only\tWITH\tClasspath-exception-2.0", "", "GPL-2.0-only"),
    ("LicenseRef-Own", "permissive", "", "LicenseRef-Own"),
    ("LicenseRef-Own", "LicenseRef-Own", "", ""),
    ("LicenseRef-BSD", "permissive", "", ""),
    ("SSPL-1.0 OR BUSL-1.1 AND JSON", "permissive", "", "SSPL-1.0"),
    ("MIT", "", "", ""),
]


@pytest.mark.parametrize(
    ("expression", "allow", "deny", "offending"),
    POLICIES,
    ids=[f"{row[0]} +{row[1]} -{row[2]}" for row in POLICIES],
)
def test_policies(expression: str, allow: str, deny: str, offending: str | None) -> None:
    entries = [entry.replace("\t", " ") for entry in allow.split(" ") if entry]
    verdict = satisfies(expression, entries, deny.split())
    expected = (expression,) if offending is None else tuple(offending.split())
    assert verdict.offending == expected


@pytest.mark.parametrize("entry", ["MIT OR ISC", "Apache 2", "copyleft"])
def test_refuses_entries_that_are_no_single_licence(entry: str) -> None:
    with pytest.raises(InputError):
        satisfies("MIT", [entry])


SPELLINGS = [
    ("Apache 2.0", "Apache-2.0"),
    ("Apache License, Version 2.0", "Apache-2.0"),
    ("MIT License", "MIT"),
    ("The MIT License (MIT)", "MIT"),
    ("BSD-3-Clause AND MIT", "BSD-3-Clause AND MIT"),
    ("BSD 3-Clause", "BSD-3-Clause"),
    ("New BSD License", "BSD-3-Clause"),
    ("BSD", "LicenseRef-BSD"),
    ("License :: OSI Approved :: MIT License", "MIT"),
    ("License :: OSI Approved :: BSD License", "LicenseRef-BSD"),
    ("License :: OSI Approved :: Apache Software License", "LicenseRef-Apache"),
    ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
    (
        "License :: OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)",
        "LGPL-3.0-or-later",
    ),
    ("License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("License :: OSI Approved :: ISC License (ISCL)", "ISC"),
    ("License :: Public Domain", "LicenseRef-public-domain"),
    ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
    ("BSD-3-Clause, MIT", "BSD-3-Clause AND MIT"),
    ("GNU General Public License, version 2", "GPL-2.0-only"),
    ("GPL v2 or later", "GPL-2.0-or-later"),
    ("GPLv3+", "GPL-3.0-or-later"),
    ("GNU AGPLv3", "AGPL-3.0-only"),
    ("Eclipse Public License - v 2.0", "EPL-2.0"),
    ("MIT License or Apache License 2.0", "MIT OR Apache-2.0"),
    ("SEE LICENSE IN LICENSE.txt", "LicenseRef-see-LICENSE.txt"),
    ("UNLICENSED", "LicenseRef-UNLICENSED"),
    ("Unlicense", "Unlicense"),
    ("Proprietary", "LicenseRef-UNLICENSED"),
    ("SPDX-License-Identifier: MIT", "MIT"),
    ("UNKNOWN", ""),
    ("see the file COPYING", ""),
    ("MIT or something", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "meant"), SPELLINGS, ids=[row[0] or "-" for row in SPELLINGS])
def test_understands_what_packages_write(text: str, meant: str) -> None:
    assert normalised(text) == meant


def test_the_table_has_every_licence_of_the_list() -> None:
    assert set(licences()) == set(identifiers().values())
    assert licences()["GPL-2.0"].deprecated
    assert licences()["MIT"].osi_approved
    assert not licences()["JSON"].osi_approved
    assert {it.kind for it in licences().values()} == set(Kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("MIT", Kind.PERMISSIVE),
        ("MPL-2.0", Kind.WEAK),
        ("LGPL-3.0-or-later", Kind.WEAK),
        ("GPL-3.0-only", Kind.STRONG),
        ("GPL-3.0-only WITH GCC-exception-3.1", Kind.WEAK),
        ("AGPL-3.0-only", Kind.NETWORK),
        ("BUSL-1.1", Kind.OTHER),
        ("CC-BY-NC-4.0", Kind.OTHER),
        ("LicenseRef-Own", Kind.OTHER),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    (term,) = terms(parse(text))
    assert kind_of(term) == kind
