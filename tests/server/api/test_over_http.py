"""The same handlers asked as HTTP asks them: bodies, queries, twins, refusals."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from haechi.server.api import all_operations
from tests.server.api.rig import URL, Rig
from tests.server.serving import asked
from tests.server.work.stored import push
from tests.trees import TODAY

BASE = f"{URL}/api/v1"


def ask(api: Rig, method: str, path: str, who: str = "admin", **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {who}", **more.pop("headers", {})}
    request = httpx.Request(method, f"{BASE}{path}", headers=headers, **more)
    (response,) = asked(api.world, request, operations=all_operations())
    return response


def finding() -> dict[str, Any]:
    return {
        "rule": "k8s-privileged",
        "severity": "high",
        "title": "Container runs privileged",
        "fingerprint": "a" * 32,
        "location": {"path": "deploy/a.yaml", "line": 3},
        "resource": "k8s:-/apps/Deployment/shop/a",
    }


def send(api: Rig, who: str = "operator") -> httpx.Response:
    return ask(
        api,
        "POST",
        "/scans",
        who,
        content=msgspec.json.encode(push(findings=[finding()])),
        headers={"Content-Type": "application/json"},
    )


def test_push_is_answered_with_what_changed_and_where_to_look(api: Rig) -> None:
    answer = send(api)
    assert answer.status_code == 201
    assert answer.json()["scan"]["changes"]["new"] == 1
    assert answer.json()["url"].startswith(f"{URL}/findings?source=repo")
    assert send(api, "viewer").status_code == 403


def test_lists_have_twins_filters_and_refuse_what_they_do_not_know(api: Rig) -> None:
    send(api)
    page = ask(api, "GET", "/findings?severity=high&severity=critical&limit=10").json()
    assert (page["total"], page["items"][0]["rule"]) == (1, "k8s-privileged")
    lines = ask(api, "GET", "/findings?format=csv").text.splitlines()
    assert len(lines) == 2
    assert "k8s-privileged" in lines[1]
    for path in ("/scans", "/rules", "/resources", "/waivers", "/events", "/audit"):
        assert ask(api, "GET", f"{path}?format=ndjson").status_code == 200, path
    groups = ask(api, "GET", "/findings/groups?by=rule&format=ndjson").text.splitlines()
    assert len(groups) == 1
    for wrong in ("severity=awful", "colour=red", "limit=0", "cursor=x", "sort=colour"):
        refused = ask(api, "GET", f"/findings?{wrong}")
        assert refused.status_code == 400, wrong
        assert refused.headers["content-type"] == "application/problem+json"


def test_finding_is_tended_and_waived(api: Rig) -> None:
    send(api)
    (one,) = ask(api, "GET", "/findings").json()["items"]
    done = ask(api, "PATCH", f"/findings/{one['id']}", "operator", json={"owner": "@ana"})
    assert done.json()["owner"] == "@ana"
    waiver = {
        "reason": "it is replaced in spring",
        "owner": "@ana",
        "expires": TODAY.replace(year=TODAY.year + 1, month=1).isoformat(),
        "fingerprints": ["a" * 32],
    }
    assert ask(api, "POST", "/waivers", "operator", json=waiver).status_code == 403
    assert ask(api, "POST", "/waivers/preview", "approver", json=waiver).json()["count"] == 1
    made = ask(api, "POST", "/waivers", "approver", json=waiver)
    assert (made.status_code, made.json()["count"]) == (201, 1)
    short = ask(api, "POST", "/waivers", "approver", json={**waiver, "reason": "so"})
    assert (short.status_code, "fewer than 10" in short.text) == (400, True)
    assert ask(api, "DELETE", f"/waivers/{made.json()['id']}", "approver").status_code == 200


def test_every_read_answers(api: Rig) -> None:
    send(api)
    for path in (
        "/now",
        "/now?namespace=shop&cluster=-",
        "/findings/facets?text=priv",
        "/resources/kinds",
        "/resources/show?key=k8s%3A-%2Fapps%2FDeployment%2Fshop%2Fcart",
        "/rules/k8s-privileged",
        "/events/series?by=priority",
        "/audit/head",
        "/audit/0/proof",
        "/audit/consistency?from=0",
        "/health",
    ):
        answer = ask(api, "GET", path)
        assert answer.status_code == 200, f"{path}: {answer.text}"


def test_search_streams_lines_and_ends_with_what_was_searched(api: Rig) -> None:
    answer = ask(api, "GET", "/events/search?text=nothing")
    assert answer.headers["content-type"] == "application/x-ndjson"
    last = msgspec.json.decode(answer.text.splitlines()[-1])
    assert last["done"]["found"] == 0
    assert last["done"]["complete"] is True
