"""Who the container runs as, and what lets it become root again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.view import StageView, Step, view_of
from haechi.engines.dockerfile.shell import Command
from haechi.errors import NotEvaluated
from haechi.model.review import Hit, Review
from haechi.rules.tables import image_table, matches

_ROOT = frozenset({"root", "0", "containeradministrator"})
_DROPS_PRIVILEGES = frozenset({"gosu", "su-exec", "setpriv", "s6-setuidgid", "chpst", "runuser"})
# Scripts and packages create accounts as well, and so does useradd with a variable.
_CREATES_UNSEEN = re.compile(
    r"\.sh\b|ansible|puppet|/etc/passwd|\b(?:apt|apt-get|apk|yum|dnf)\b|user(?:add|mod)?\b.{0,200}\$"
)
_PASSWD = ("/etc/passwd", "/etc", "/etc/", "/")


def _user(stage: StageView) -> tuple[Step, str] | None:
    """The USER in force at the end with its name or number; None when unset or unknown."""
    step = stage.last("USER")
    if step is None:
        return None
    text = step.expanded(step.what.value)
    return (step, text.partition(":")[0].strip()) if text is not None else None


def missing(review: Review) -> Iterator[Hit]:
    """No USER in the final stage or below it, on a base that starts as root."""
    view = view_of(review)
    final = view.final
    nothing_runs = final.from_scratch and not (final.last("CMD") or final.last("ENTRYPOINT"))
    if nothing_runs or final.last("USER") is not None:
        return
    if final.base_unknown:
        raise NotEvaluated("the base image, and with it its user, is chosen at build time")
    base = final.base
    if base is None or not any(matches(base, pattern) for pattern in image_table().nonroot):
        named = "scratch" if base is None else str(base)
        yield final.source.hit(f"{final.label} on {named} sets no USER, so the image runs as root")


def _drops_itself(stage: StageView) -> bool:
    """True when the entry point visibly switches to another user."""
    for name in ("ENTRYPOINT", "CMD"):
        step = stage.last(name)
        words = re.split(r"[\s/]", " ".join(step.what.args)) if step else []
        if not _DROPS_PRIVILEGES.isdisjoint(words):
            return True
    return False


def root(review: Review) -> Iterator[Hit]:
    """The USER in force at the end is root."""
    final = view_of(review).final
    user = _user(final)
    if user and user[1].lower() in _ROOT and not _drops_itself(final):
        yield user[0].hit(f"the last USER of {final.label} is {user[1]}")


def by_name(review: Review) -> Iterator[Hit]:
    """A named user: Kubernetes cannot verify runAsNonRoot by a name."""
    user = _user(view_of(review).final)
    if user and user[1] and not user[1].isdecimal() and user[1].lower() not in _ROOT:
        yield user[0].hit(f"USER {user[1]} is a name; runAsNonRoot can only be verified by number")


def not_created(review: Review) -> Iterator[Hit]:
    """USER names an account that neither the base image has nor any step creates."""
    final = view_of(review).final
    user, base = _user(final), final.base
    if user is None or not user[1] or user[1].isdecimal():
        return
    step, name = user
    if base is None or not base.official or base.short_name not in image_table().users:
        return
    known = {*image_table().users["*"], *image_table().users[base.short_name]}
    if name not in known and not _may_create(final, name):
        yield step.hit(f"user {name} exists neither in {base} nor is it created before USER")


def _may_create(stage: StageView, name: str) -> bool:
    """True when some step could create the account: it names it, or does what cannot be seen."""
    for step in stage.history:
        if step.name == "RUN" and (name in step.text or _CREATES_UNSEEN.search(step.text)):
            return True
        copies = step.name in ("COPY", "ADD") and bool(step.what.args)
        if copies and step.what.args[-1] in _PASSWD:
            return True
    return False


def _runs(command: Command, name: str) -> bool:
    return command.name == name or name in command.wrappers


def sudo(review: Review) -> Iterator[Hit]:
    """A build step already is root, or should not become it."""
    for step in view_of(review).steps("RUN"):
        if any(_runs(command, "sudo") for command in step.commands):
            yield step.hit("RUN uses sudo")


def su(review: Review) -> Iterator[Hit]:
    """Switching users inside RUN instead of by USER."""
    for step in view_of(review).steps("RUN"):
        if any(command.name == "su" and command.args for command in step.commands):
            yield step.hit("RUN switches the user with su")


def passwordless_sudo(review: Review) -> Iterator[Hit]:
    """NOPASSWD makes every other USER as good as root."""
    for step in view_of(review).kept_steps("RUN", "COPY"):
        if "NOPASSWD" in step.text:
            yield step.hit("the image lets a user become root by sudo without a password")


def password(review: Review) -> Iterator[Hit]:
    """A login password set while building is in every copy of the image."""
    for step in view_of(review).kept_steps("RUN"):
        for command in step.commands:
            account = _sets_password(command)
            if account:
                yield step.hit(f"RUN {account}")
                break


def _sets_password(command: Command) -> str:
    if command.name == "chpasswd":
        return "sets a password with chpasswd"
    if command.name == "passwd" and command.has("-d", "--delete", "--stdin"):
        return "removes or sets a password with passwd"
    if command.name in ("useradd", "usermod"):
        for option, value in zip(command.args, command.args[1:], strict=False):
            if re.fullmatch(r"-[a-zA-Z]*p|--password", option) and value not in ("*", "!", "!!"):
                return f"sets a password with {command.name}"
    return ""
