"""SBOMs that were pushed or sent, where packages are used, and proposals of upgrades."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.errors import Forbidden, InputError
from haechi.model.access import ANY, Role
from haechi.model.keys import repository_key
from haechi.server.endpoint import MIB, Answer, Call, Operation
from haechi.server.shapes_dependencies import (
    PackagesAsk,
    ProposalDismissal,
    ProposalsAsk,
    SbomAnswer,
    SbomAsk,
    SbomFormat,
    SbomsAsk,
    SbomUpload,
)
from haechi.store.dependency_records import PackageUse, Proposal, Sbom
from haechi.store.records import Page

LARGEST = 64 * MIB
_NAMES = {SbomFormat.CYCLONEDX: "cdx.json", SbomFormat.SPDX: "spdx.json"}


def sboms(call: Call) -> Page[Sbom]:
    """One page of the list."""
    return _sboms(call, call.query)


def _sboms(call: Call, ask: SbomsAsk) -> Page[Sbom]:
    return call.world.store.state.bills.page(
        within=call.within,
        source=ask.source,
        cluster=ask.cluster,
        name=ask.package,
        ecosystem=ask.ecosystem,
        version=ask.version,
        current=not ask.all,
        limit=ask.limit,
        cursor=ask.cursor,
    )


def sbom_rows(call: Call) -> Iterator[Sbom]:
    """All rows, for the twins."""
    ask = msgspec.structs.replace(call.query, limit=500)
    while True:
        page = _sboms(call, ask)
        yield from page.items
        if page.next is None:
            return
        ask = msgspec.structs.replace(ask, cursor=page.next)


def sbom(call: Call) -> Answer:
    """One SBOM as a document."""
    from haechi.server.work.bills import rendered

    record, stored = call.world.store.state.bills.detail(call.params["id"], within=call.within)
    form = call.query.format
    text = rendered(record, stored, form)
    name = f"sbom-{record.id}.{_NAMES[form]}"
    return Answer(
        value=msgspec.Raw(text.encode()),
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def sent(call: Call) -> Answer:
    """Take somebody else's SBOM."""
    from haechi.server.work.bills_sent import receive

    ask: SbomUpload = call.query
    if not ask.repository.strip():
        raise InputError("it does not say which repository", where="query.repository")
    if not call.principal.may_push(ask.repository, ask.ref):
        raise Forbidden(
            f"{call.principal.name} may not push for {ask.repository[:200]}",
            do="use a token that names this repository and branch",
        )
    if not any(one.namespace == ANY and one.covers(ask.cluster, "-") for one in call.within):
        raise Forbidden(
            "an SBOM is about a whole repository",
            why=f"the operator's role does not reach all of cluster {ask.cluster[:80]}",
            do="use a token with the role operator in all namespaces of the cluster",
        )
    id_, changes = receive(call.world, call.body, ask, by=call.principal.id)
    record, _ = call.world.store.state.bills.detail(id_, within=call.within)
    return Answer(value=SbomAnswer(sbom=record, changes=changes), status=201)


def packages(call: Call) -> Page[PackageUse]:
    """Where packages are used."""
    ask: PackagesAsk = call.query
    found = call.world.store.state.bills.uses(
        within=call.within,
        name=ask.name,
        ecosystem=ask.ecosystem,
        version=ask.version,
        limit=ask.limit,
        skip=ask.skip,
    )
    return Page(items=found)


def proposals(call: Call) -> Page[Proposal]:
    """One page of the list."""
    return _proposals(call, call.query)


def _proposals(call: Call, ask: ProposalsAsk) -> Page[Proposal]:
    from haechi.server.work.proposals_words import title_of

    page = call.world.store.state.proposals.page(
        within=call.within,
        states=ask.state,
        source=_source(ask.source),
        cluster=ask.cluster,
        ecosystem=ask.ecosystem,
        package=ask.package,
        vulnerability=ask.vulnerability,
        fingerprint=ask.fingerprint,
        limit=ask.limit,
        skip=ask.skip,
    )
    items = [msgspec.structs.replace(one, title=title_of(one)) for one in page.items]
    return msgspec.structs.replace(page, items=items)


def _source(source: str) -> str:
    return source if not source or source.startswith("repo:") else repository_key(source)


def proposal_rows(call: Call) -> Iterator[Proposal]:
    """All rows, for the twins."""
    ask: ProposalsAsk = msgspec.structs.replace(call.query, limit=1000)
    while True:
        page = _proposals(call, ask)
        yield from page.items
        if len(page.items) < ask.limit:
            return
        ask = msgspec.structs.replace(ask, skip=ask.skip + len(page.items))


def proposal(call: Call) -> Proposal:
    """One with its words."""
    from haechi.server.work.proposals_words import with_words

    found = call.world.store.state.proposals.one(call.params["id"], within=call.within)
    return with_words(found)


def dismissed(call: Call) -> Proposal:
    """Say why it is not made."""
    from haechi.server.work.proposals_words import with_words

    body: ProposalDismissal = call.body
    done = call.world.store.state.proposals.dismiss(
        call.params["id"], body.reason, by=call.principal.id, within=call.within
    )
    return with_words(done)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="sboms.list",
        method="GET",
        path="/sboms",
        role=Role.VIEWER,
        summary="List stored SBOMs, newest first: what each repository is made of",
        handler=sboms,
        query=SbomsAsk,
        answer=Page[Sbom],
        rows=sbom_rows,
    ),
    Operation(
        id="sboms.send",
        method="POST",
        path="/sboms",
        role=Role.OPERATOR,
        summary="Store an SBOM of somebody else's (CycloneDX or SPDX 2, JSON) and judge it",
        handler=sent,
        query=SbomUpload,
        body=bytes,
        answer=SbomAnswer,
        status=201,
        limit=LARGEST,
    ),
    Operation(
        id="sboms.show",
        method="GET",
        path="/sboms/{id}",
        role=Role.VIEWER,
        summary="One SBOM as a document: CycloneDX 1.6 or SPDX 2.3",
        handler=sbom,
        query=SbomAsk,
        answer=dict[str, Any],
    ),
    Operation(
        id="packages.list",
        method="GET",
        path="/packages",
        role=Role.VIEWER,
        summary="Where packages are used, by the beginning of their names",
        handler=packages,
        query=PackagesAsk,
        answer=Page[PackageUse],
    ),
    Operation(
        id="proposals.list",
        method="GET",
        path="/proposals",
        role=Role.VIEWER,
        summary="List proposals: upgrades that clear what is known against packages, worst first",
        handler=proposals,
        query=ProposalsAsk,
        answer=Page[Proposal],
        rows=proposal_rows,
    ),
    Operation(
        id="proposals.show",
        method="GET",
        path="/proposals/{id}",
        role=Role.VIEWER,
        summary="One proposal, with title and text for a pull request",
        handler=proposal,
        answer=Proposal,
    ),
    Operation(
        id="proposals.dismiss",
        method="POST",
        path="/proposals/{id}/dismiss",
        role=Role.OPERATOR,
        summary="Say that an upgrade is not made, and why; its findings stay",
        handler=dismissed,
        body=ProposalDismissal,
        answer=Proposal,
    ),
)
