"""Who may do what in Azure and its directory: roles at wide scopes, roles that may do all, and
outside identities that are trusted too widely."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_unknown,
    known,
    text,
    texts,
    truth,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

_ROLES = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
_OWNERS = (
    "Owner",
    "User Access Administrator",
    "Role Based Access Control Administrator",
)
_TENANT = {
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
    "7be44c8a-adaf-4e2a-84d6-ab2649e08a13": "Privileged Authentication Administrator",
}
_GRAPH = {
    "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8": "RoleManagement.ReadWrite.Directory",
    "06b708a9-e830-4db3-a914-8e69da51d44f": "AppRoleAssignment.ReadWrite.All",
    "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9": "Application.ReadWrite.All",
    "19dbc75e-c2e2-444c-a770-ec69d8559fc7": "Directory.ReadWrite.All",
}
_SUBSCRIPTION = re.compile(r"/subscriptions/[^/]+/?\Z", re.IGNORECASE)
_MANAGEMENT = re.compile(r"/providers/Microsoft\.Management/managementGroups/", re.IGNORECASE)
_WIDE_SOURCES = {
    "data.azurerm_subscription": "a subscription",
    "azurerm_subscription": "a subscription",
    "data.azurerm_management_group": "a management group",
    "azurerm_management_group": "a management group",
}
_GITHUB = "token.actions.githubusercontent.com"
_YEARS = timedelta(days=2 * 366)


def wide_scope(found: Any) -> str:
    """``a subscription`` or ``a management group`` when a scope is one; empty when narrower.
    Raises NotEvaluated when nobody knows."""
    if found is None:
        return ""
    if is_unknown(found):
        return _wide_unknown(found)
    word = text(found) or ""
    if _MANAGEMENT.search(word):
        return "a management group"
    return "a subscription" if _SUBSCRIPTION.match(word) or word == "/" else ""


def _wide_unknown(found: Any) -> str:
    if found.parts:
        whole = "".join(one if not is_unknown(one) else "0" for one in found.parts)
        if _MANAGEMENT.search(whole):
            return "a management group"
        if "/resourceGroups/" in whole:
            return ""
        if _SUBSCRIPTION.match(whole) and whole.startswith("/subscriptions/"):
            return "a subscription"
    for reference in found.refs:
        kind = _kind(reference.address)
        if kind in _WIDE_SOURCES:
            return _WIDE_SOURCES[kind] if reference.path[-1:] == ("id",) else ""
    if found.given and found.refs:
        return ""
    known(found)
    return ""


def _kind(address: str) -> str:
    steps = re.sub(r"\[[^\]]*\]", "", address).split(".")
    while steps[:1] == ["module"]:
        steps = steps[2:]
    return ".".join(steps[:-1])


def role_of(resource: Resource) -> str:
    """The name of the role that an assignment gives."""
    name = resource.data.get("role_definition_name")
    if name is not None:
        return text(name) or ""
    word = resource.data.get("role_definition_id")
    if is_unknown(word):
        for piece in word.parts:
            if not is_unknown(piece) and isinstance(piece, str):
                for key, role in _ROLES.items():
                    if key in piece.lower():
                        return role
        return "" if word.given else (text(known(word)) or "")
    last = (text(word) or "").rpartition("/")[2].lower()
    return _ROLES.get(last, "")


def owner_assigned(review: Review) -> Iterator[Hit]:
    """A role that may give roles, over a whole subscription or more."""
    role = role_of(review.resource)
    if role in _OWNERS and not is_narrowed(review.resource):
        scope = wide_scope(review.resource.data.get("scope"))
        if scope:
            yield fails(f"{role} of {scope}", "scope")


def is_narrowed(resource: Resource) -> bool:
    """A condition says which roles may be given to whom."""
    return resource.data.get("condition") is not None


def contributor_assigned(review: Review) -> Iterator[Hit]:
    """Contributor over a whole subscription or more."""
    if role_of(review.resource) == "Contributor":
        scope = wide_scope(review.resource.data.get("scope"))
        if scope:
            yield fails(f"Contributor of {scope}", "scope")


def all_actions(review: Review) -> Iterator[Hit]:
    """A role of one's own that may do everything."""
    for block in blocks(review.resource, "permissions"):
        if "*" in texts(block.get("actions")):
            yield Hit("it may do everything", block.at("actions"))


def gives_roles(review: Review) -> Iterator[Hit]:
    """A role of one's own that may give itself more, under another name."""
    for block in blocks(review.resource, "permissions"):
        actions = list(texts(block.get("actions")))
        if "*" in actions:
            continue  # role-all-actions tells of it
        refused = {action.lower() for action in texts(block.get("not_actions"))}
        for action in actions:
            low = action.lower()
            if low in _GIVES and not _GIVES & refused:
                yield Hit(f"{action} lets it give itself any role", block.at("actions"))
                return


_GIVES = frozenset({
    "microsoft.authorization/*",
    "microsoft.authorization/*/write",
    "microsoft.authorization/roleassignments/*",
    "microsoft.authorization/roleassignments/write",
    "microsoft.authorization/roledefinitions/*",
    "microsoft.authorization/roledefinitions/write",
    "*/write",
})  # fmt: skip


def wide_subject(review: Review) -> Iterator[Hit]:
    """A trust in outside workflows that names no repository, or takes any pull request."""
    resource = review.resource
    issuer = text(resource.data.get("issuer")) or ""
    if not issuer.lower().rstrip("/").endswith(_GITHUB):
        return
    for name in ("subject", "claims_matching_expression"):
        found = resource.data.get(name)
        if found is None:
            continue
        word = _shape(found)
        reason = _github_fault(word, name)
        if reason:
            yield fails(reason, name)
        return
    yield fails("it names no subject", "subject")


def _shape(found: Any) -> str:
    """The text, with ``x`` for pieces that are not known."""
    if is_unknown(found) and found.parts:
        return "".join("x" if is_unknown(one) else str(one) for one in found.parts)
    return text(known(found)) or ""


def _github_fault(word: str, name: str) -> str:
    if name == "claims_matching_expression":
        match = re.search(r"repo:([^'\"]*)", word)
        if match is None:
            return "" if "repository" in word else "it names no repository"
        word = match[0]
    if not word.startswith(("repo:", "repository_owner", "repository", "job_workflow_ref", "x")):
        return f"{word!r} names no repository"
    if not word.startswith("repo:"):
        return ""
    owner, _, rest = word.removeprefix("repo:").partition("/")
    repository, _, what = rest.partition(":")
    if "*" in owner or not repository or "*" in repository or repository == "?":
        return "workflows of repositories that are not named are trusted"
    return "workflows of any pull request are trusted" if what == "pull_request" else ""


def tenant_admin(review: Review) -> Iterator[Hit]:
    """A role over the whole directory given to a principal."""
    resource = review.resource
    for name in ("role_id", "role_definition_id", "template_id", "display_name"):
        found = resource.data.get(name)
        if found is None or is_unknown(found):
            continue
        word = text(found) or ""
        role = _TENANT.get(word.lower()) or (word if word in _TENANT.values() else "")
        if role:
            yield fails(f"it is made {role} of the directory", name)
            return


def graph_takeover(review: Review) -> Iterator[Hit]:
    """An application that may make itself administrator of the directory."""
    resource = review.resource
    if resource.kind == "azuread_app_role_assignment":
        found = resource.data.get("app_role_id")
        role = "" if found is None or is_unknown(found) else _GRAPH.get(text(found) or "", "")
        if role:
            yield fails(f"{role} lets it take over the directory", "app_role_id")
        return
    for block in blocks(resource, "required_resource_access"):
        for access in blocks(block, "resource_access"):
            found = access.get("id")
            if found is None or is_unknown(found):
                continue
            role = _GRAPH.get(text(found) or "", "")
            if role and text(access.get("type")) == "Role":
                yield Hit(f"{role} lets it take over the directory", access.at("id"))


def plain_redirect(review: Review) -> Iterator[Hit]:
    """An address for sign-in answers that everybody on the way reads."""
    for kind in ("web", "single_page_application", "public_client"):
        for block in blocks(review.resource, kind):
            for address in texts(block.get("redirect_uris")):
                word = address.lower()
                if word.startswith("http://") and not _is_own(word):
                    yield Hit(f"{address} is without TLS", block.at("redirect_uris"))
                elif "*" in word:
                    yield Hit(f"{address} names more than one place", block.at("redirect_uris"))


def _is_own(word: str) -> bool:
    host = word.removeprefix("http://").partition("/")[0].partition(":")[0]
    return host in ("localhost", "127.0.0.1", "[")


def long_password(review: Review) -> Iterator[Hit]:
    """A password of an application that holds for years."""
    data = review.resource.data
    relative = text(data.get("end_date_relative"))
    if relative:
        hours = re.match(r"(\d+)h", relative)
        if hours and timedelta(hours=int(hours[1])) > _YEARS:
            yield fails(f"it holds for {int(hours[1]) // 8760} years", "end_date_relative")
        return
    end = _moment(data.get("end_date"))
    start = _moment(data.get("start_date"))
    if end is None:
        return
    if (start is not None and end - start > _YEARS) or end.year >= 2090:
        yield fails(f"it holds until {end.year}", "end_date")


def long_signature(review: Review) -> Iterator[Hit]:
    """A signed address (SAS) that opens an account for longer than a month, or over plain HTTP."""
    resource = review.resource
    if not truth(resource.data.get("https_only"), True):
        yield fails("it may be used over plain HTTP", "https_only")
    start, end = _moment(resource.data.get("start")), _moment(resource.data.get("expiry"))
    if start is not None and end is not None and end - start > timedelta(days=31):
        yield fails(f"it holds for {(end - start).days} days", "expiry")


def _moment(found: Any) -> datetime | None:
    if found is None or is_unknown(found):
        return None
    try:
        return datetime.fromisoformat((text(found) or "").replace("Z", "+00:00")[:10])
    except ValueError:
        return None


def vault_policy(review: Review) -> Iterator[Hit]:
    """A policy of a vault that may destroy for good, or may do all."""
    resource = review.resource
    if resource.kind == "azurerm_key_vault_access_policy":
        yield from _wide_policy(resource, ())
        return
    for index, _ in enumerate(blocks(resource, "access_policy")):
        yield from _wide_policy(resource, ("access_policy", index))


def _wide_policy(resource: Resource, at: tuple[str | int, ...]) -> Iterator[Hit]:
    for name in ("key_permissions", "secret_permissions", "certificate_permissions"):
        granted = {word.lower() for word in texts(value(resource, (*at, name)))}
        if "all" in granted or "purge" in granted:
            what = "everything" if "all" in granted else "purge"
            yield Hit(f"{name} hold {what}: what it deletes is gone for good", (*at, name))
            return
