"""Which failure is which status, and that nothing internal is told."""

from __future__ import annotations

import pytest

from haechi import errors
from haechi.server.problems import Refusal, answer, told


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.NotFound("x"), 404, {}),
        (errors.Unauthenticated("x"), 401, {"WWW-Authenticate": 'Bearer realm="haechi"'}),
        (errors.Forbidden("x"), 403, {}),
        (errors.Conflict("x"), 409, {}),
        (errors.TooManyRequests("x", retry_after=7), 429, {"Retry-After": "7"}),
        (errors.LimitExceeded("x"), 413, {}),
        (errors.InputError("x"), 400, {}),
        (errors.UsageError("x"), 400, {}),
        (errors.ConfigError("x"), 400, {}),
        (errors.StoreFull("x"), 503, {"Retry-After": "30"}),
        (errors.StoreBusy("x"), 503, {"Retry-After": "1"}),
        (Refusal(415, "x", headers={"Accept": "a/b"}), 415, {"Accept": "a/b"}),
    ],
)
def test_tells_what_the_asker_can_do(
    error: Exception, status: int, headers: dict[str, str]
) -> None:
    found = told(error, "r1", "/api/v1/x")
    assert (found.problem.status, found.headers, found.fault) == (status, headers, False)
    assert (found.problem.detail, found.problem.request) == ("x", "r1")
    assert found.problem.instance == "/api/v1/x"


@pytest.mark.parametrize(
    "error",
    [
        errors.StoreError("/secret/place is damaged"),
        errors.AuditError("/secret/place"),
        errors.RuleError("/secret/place"),
        ZeroDivisionError("/secret/place"),
        TimeoutError("/secret/place"),
    ],
)
def test_keeps_its_own_faults_to_the_log(error: Exception) -> None:
    found = told(error, "r1", "/api/v1/x")
    assert (found.problem.status, found.fault) == (500, True)
    response = answer(found)
    assert b"secret" not in bytes(response.body)
    assert b"r1" in bytes(response.body)
    assert response.media_type == "application/problem+json"


def test_carries_why_what_to_do_and_where() -> None:
    error = errors.UsageError("too short", why="of the rule", do="write more", where="body.reason")
    problem = told(error, "r1", "/x").problem
    assert (problem.detail, problem.do) == ("too short (of the rule)", "write more")
    assert problem.errors == [{"where": "body.reason", "what": "too short"}]
