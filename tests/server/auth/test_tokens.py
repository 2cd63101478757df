"""Tokens and users through the API: nobody gives more than they have, somebody stays in charge."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.model.access import Grant, Role
from haechi.server.api import all_operations
from haechi.server.auth.config import PIPELINE_MAY
from haechi.store.state.access_users import OWNER, Person
from tests.server.auth.rig import FULL, Rig

VIEWER = {"role": "viewer"}


@pytest.fixture
def admin(rig: Rig) -> str:
    rig.state.access.users.owner()
    return rig.token(FULL, user=OWNER)


def make(rig: Rig, bearer: str, **wanted: Any) -> Any:
    body = {"name": "ci", "grants": [VIEWER], **wanted}
    return rig.ask("POST", "/tokens", bearer=bearer, body=body)


def test_a_secret_is_shown_once(rig: Rig, admin: str) -> None:
    made = make(rig, admin, name="CI shop", days=7, permissions=["session.show"])
    assert made.status_code == 201
    secret, record = made.json()["secret"], made.json()["token"]
    assert record["id"].startswith("token:ci-shop-")
    assert record["user"] == OWNER
    assert record["expires"] == "2026-03-08T12:00:00Z"
    assert rig.ask("GET", "/me", bearer=secret).json()["operations"] == sorted(
        one.id for one in all_operations() if one.role is None or one.id == "session.show"
    )
    listed = rig.ask("GET", "/tokens", bearer=admin)
    assert secret not in listed.text
    assert record["prefix"] in listed.text
    assert made.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"days": 0}, 400),
        ({"days": 366}, 400),
        ({"days": 10**30}, 400),
        ({"name": " "}, 400),
        ({"name": "a" * 101}, 400),
        ({"name": "a\nb"}, 400),
        ({"name": "\u202ea"}, 400),
        ({"grants": []}, 400),
        ({"grants": [VIEWER] * 101}, 400),
        ({"grants": [{"role": "root"}]}, 422),
        ({"grants": [{"role": "viewer", "reach": {"cluster": ""}}]}, 400),
        ({"grants": [{"role": "viewer", "reach": {"namespace": "a*"}}]}, 400),
        ({"permissions": ["scans.pull"]}, 400),
        ({"repositories": ["*" * 9]}, 400),
        ({"repositories": ["a" * 401]}, 400),
        ({"repositories": ["x"] * 101}, 400),
        ({"admin": True}, 422),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_refused(
    rig: Rig, admin: str, wanted: dict[str, Any], status: int
) -> None:
    assert make(rig, admin, **wanted).status_code == status
    assert rig.ask("GET", "/tokens", bearer=admin).json()["total"] == 1


def test_a_narrowed_administrator_makes_narrow_tokens_only(rig: Rig) -> None:
    narrow = rig.token(
        FULL, permissions=["tokens.create", "scans.push"], repositories=["https://x.example/a"]
    )
    ours = {"permissions": ["scans.push"], "repositories": ["https://x.example/a"], "days": 30}
    assert make(rig, narrow, **ours).status_code == 201
    for more in (
        {"permissions": None},
        {"permissions": ["tokens.revoke"]},
        {"repositories": None},
        {"repositories": ["*"]},
        {"days": 120},
    ):
        assert make(rig, narrow, **{**ours, **more}).status_code == 403, more


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.APPROVER])
def test_only_administrators_manage(rig: Rig, role: Role) -> None:
    bearer = rig.token(Grant(role=role))
    assert make(rig, bearer).status_code == 403
    assert rig.ask("GET", "/tokens", bearer=bearer).status_code == 403
    patch = rig.ask("PATCH", f"/users/{OWNER}", bearer=bearer, body={"disabled": True})
    assert patch.status_code == 403


def test_revoking(rig: Rig, admin: str) -> None:
    made = make(rig, admin).json()
    path = f"/tokens/{made['token']['id']}"
    assert rig.ask("DELETE", path, bearer=admin).json()["revoked"] == "2026-03-01T12:00:00Z"
    assert rig.ask("GET", "/me", bearer=made["secret"]).status_code == 401
    assert rig.ask("DELETE", path, bearer=admin).status_code == 409
    assert rig.ask("DELETE", "/tokens/token:none", bearer=admin).status_code == 404


def test_the_last_administrator_cannot_go(rig: Rig, admin: str) -> None:
    mine = rig.ask("GET", "/me", bearer=admin).json()["id"]
    assert rig.ask("DELETE", f"/tokens/{mine}", bearer=admin).status_code == 409
    patch = rig.ask("PATCH", f"/users/{OWNER}", bearer=admin, body={"disabled": True})
    assert patch.status_code == 409
    assert rig.ask("GET", "/me", bearer=admin).status_code == 200


def test_users_are_listed_and_changed(rig: Rig, admin: str) -> None:
    for number in range(3):
        person = Person(
            issuer="https://id.example",
            subject=str(number),
            name=f"P{number}",
            email="",
            grants=(Grant(role=Role.VIEWER),),
        )
        user = rig.state.access.users.arrived(person)
    first = rig.ask("GET", "/users?limit=3", bearer=admin).json()
    rest = rig.ask("GET", f"/users?limit=3&cursor={first['next']}", bearer=admin).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (3, 1, None)
    assert rig.ask("GET", "/users?cursor=x", bearer=admin).status_code == 400
    lines = rig.ask("GET", "/users?format=ndjson", bearer=admin).text.splitlines()
    assert len(lines) == 4
    path = f"/users/{user.id}"
    operator = {"grants": [{"role": "operator", "reach": {"cluster": "a"}}, VIEWER]}
    changed = rig.ask("PATCH", path, bearer=admin, body=operator).json()
    assert {one["role"] for one in changed["grants"]} == {"viewer", "operator"}
    assert rig.ask("PATCH", path, bearer=admin, body={"disabled": True}).json()["disabled"]
    assert rig.ask("PATCH", path, bearer=admin, body={}).status_code == 400
    assert rig.ask("PATCH", path, bearer=admin, body={"grants": []}).status_code == 409
    assert rig.ask("PATCH", "/users/user:none", bearer=admin, body=operator).status_code == 404


def test_a_narrowed_administrator_raises_nobody(rig: Rig, admin: str) -> None:
    narrow = rig.token(FULL, permissions=["users.change"])
    body = {"grants": [{"role": "admin"}]}
    assert rig.ask("PATCH", f"/users/{OWNER}", bearer=narrow, body=body).status_code == 403
    assert (
        rig.ask("PATCH", f"/users/{OWNER}", bearer=narrow, body={"disabled": False}).status_code
        == 403
    )


def test_what_pipelines_may_have_are_operations() -> None:
    assert {one.id for one in all_operations()} >= PIPELINE_MAY
