"""Pipelines push by the token of their run: theirs, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.model.access import Role
from haechi.server.auth.config import AuthSettings, PipelineIssuer, PipelineRule
from tests.server.auth.conftest import MakeRig
from tests.server.auth.provider import Provider, by_password, new_key, unsigned
from tests.server.auth.rig import Rig

SHOP = "https://github.com/acme/shop"
RUN = {
    "sub": "repo:acme/shop:ref:refs/heads/main",
    "aud": "https://haechi.example",
    "repository": "acme/shop",
    "ref": "refs/heads/main",
    "environment": "prod",
}


def settings_for(provider: Provider, **more: Any) -> AuthSettings:
    rules = (
        PipelineRule(
            claims={"repository": ("acme/*",), "ref": ("refs/heads/main", "refs/tags/v*")},
            clusters=("east",),
        ),
        PipelineRule(
            claims={"repository": ("acme/*",), "environment": ("ci",)},
            role=Role.VIEWER,
            permissions=("waivers.list",),
        ),
    )
    one = PipelineIssuer(
        name="ci",
        issuer=provider.issuer,
        audience="https://haechi.example",
        rules=rules,
        allow_http=True,
        **more,
    )
    settings = AuthSettings(pipelines=(one,))
    settings.check()
    return settings


@pytest.fixture
def ci(make_rig: MakeRig, provider: Provider) -> Rig:
    return make_rig(settings_for(provider))


def test_pushes_for_its_own_repository_only(ci: Rig, provider: Provider) -> None:
    token = provider.token(**RUN)
    answer = ci.ask("POST", "/scans", bearer=token, body=SHOP)
    assert answer.json() == {
        "by": f"oidc:{provider.issuer}#repo:acme/shop:ref:refs/heads/main",
        "may": False,  # the stand-in names no branch
    }
    for repository in ("https://github.com/acme/other", "dir:shop", ""):
        assert ci.ask("POST", "/scans", bearer=token, body=repository).json()["may"] is False


@pytest.mark.parametrize(
    ("claims", "repository", "ref", "may"),
    [
        (RUN, SHOP, "main", True),
        (RUN, f"{SHOP}.git", "main", True),
        (RUN, SHOP, "feature", False),
        (RUN, SHOP, "", False),
        (RUN, "https://github.com/acme/shop2", "main", False),
        ({**RUN, "ref": "refs/tags/v1"}, SHOP, "v1", True),
        (
            {**RUN, "ref": "refs/pull/7/merge", "head_ref": "fix", "environment": "ci"},
            SHOP,
            "fix",
            True,
        ),
    ],
)
def test_a_run_is_bound_to_its_repository_and_branch(
    provider: Provider, claims: dict[str, str], repository: str, ref: str, may: bool
) -> None:
    from haechi.server.auth.memory import AuthMemory
    from haechi.server.auth.pipelines import pipeline_principal
    from tests.server.auth.rig import START

    memory = AuthMemory()
    principal = pipeline_principal(provider.token(**claims), settings_for(provider), memory, START)
    assert principal.may_push(repository, ref) is may
    assert principal.expires is not None


def test_may_do_what_its_rule_names_within_its_clusters(ci: Rig, provider: Provider) -> None:
    token = provider.token(**RUN)
    for method, path in (("GET", "/me"), ("GET", "/tokens"), ("DELETE", "/session")):
        assert ci.ask(method, path, bearer=token).status_code == 403
    second = provider.token(**{**RUN, "ref": "refs/heads/x", "environment": "ci"})
    assert ci.ask("POST", "/scans", bearer=second, body=SHOP).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://other.example"},
        {"aud": "https://github.com/acme"},
        {"iss": "https://token.actions.githubusercontent.com"},
        {"repository": "evil/shop"},
        {"repository": "evil/acme/shop"},
        {"repository": None},
        {"repository": ["acme/shop", "evil/x"]},
        {"repository": "acme/*"},
        {"repository": "acme/../evil/x"},
        {"repository": "acme/shop\nx"},
        {"ref": "refs/heads/feature"},
        {"ref": None},
        {"exp": 1},
        {"sub": None},
    ],
    ids=str,
)
def test_a_run_that_matches_no_rule_stays_outside(
    ci: Rig, provider: Provider, wrong: dict[str, Any]
) -> None:
    claims = {name: value for name, value in {**RUN, **wrong}.items() if value is not None}
    if "iss" in wrong:
        provider.spoil = lambda every: {**every, "iss": wrong["iss"]}
    answer = ci.ask("POST", "/scans", bearer=provider.token(**claims), body=SHOP)
    assert answer.status_code == 401


def test_a_run_with_a_false_signature_stays_outside(ci: Rig, provider: Provider) -> None:
    foreign = new_key()
    for sign in (unsigned, by_password, lambda claims, key: foreign.sign(claims)):
        provider.sign = sign
        answer = ci.ask("POST", "/scans", bearer=provider.token(**RUN), body=SHOP)
        assert answer.status_code == 401
    assert provider.hits["/jwks"] == 1


def test_an_issuer_that_nobody_named_is_never_asked(make_rig: MakeRig, provider: Provider) -> None:
    rig = make_rig()
    answer = rig.ask("POST", "/scans", bearer=provider.token(**RUN), body=SHOP)
    assert answer.status_code == 401
    assert not provider.hits


def test_an_expired_run_is_told_so(ci: Rig, provider: Provider) -> None:
    token = provider.token(**RUN)
    ci.pass_(minutes=7)
    answer = ci.ask("POST", "/scans", bearer=token, body=SHOP)
    assert answer.status_code == 401
    assert "expired" in answer.text
