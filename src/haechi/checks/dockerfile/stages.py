"""How stages refer to one another: names, copies, arguments, and stages that nobody needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.view import StageView, Step, view_of
from haechi.model.review import Hit, Review
from haechi.rules.tables import eol_table

_USED = re.compile(r"(?<![\\$])\$\{?([A-Za-z_]\w*)(?!\w|:?[-+])")
_MAX_NAMES = 50
_CHECK_TOOLS = re.compile(
    r"\b(?:trivy|grype|snyk|semgrep|bandit|pip-audit|safety check|gosec|govulncheck|checkov"
    r"|gitleaks|trufflehog|npm audit|yarn audit|hadolint|cargo audit|cargo deny|brakeman"
    r"|bundle-audit|dependency-check|npm (?:run )?test|yarn (?:run )?test|pytest|go test"
    r"|cargo test|mvn test|gradle test)\b"
)


def from_itself(review: Review) -> Iterator[Hit]:
    """COPY --from names the stage that it stands in."""
    for stage in view_of(review).stages:
        for step in stage.of("COPY", "ADD"):
            wanted = (step.what.flag("from") or "").lower()
            itself = wanted and wanted in (stage.stage.name, str(stage.stage.index))
            shadowed = view_of(review).stage_named(wanted, stage.stage.index) if itself else None
            if itself and shadowed is None:
                yield step.hit(f"COPY --from={wanted} reads from the stage that it is part of")


def from_unknown(review: Review) -> Iterator[Hit]:
    """COPY --from names no earlier stage and does not look like an image."""
    view = view_of(review)
    official = {name for product in eol_table().products for name in product.images}
    for stage in view.stages:
        for step in stage.of("COPY", "ADD"):
            wanted = step.what.flag("from") or ""
            if not wanted or "$" in wanted or any(mark in wanted for mark in "/:@."):
                continue
            if wanted.lower() == stage.stage.name or wanted in official:
                continue
            if view.stage_named(wanted, stage.stage.index) is None:
                later = any(s.stage.name == wanted.lower() for s in view.stages)
                fault = "a later stage" if later else "no stage of this file"
                yield step.hit(f"COPY --from={wanted[:60]} names {fault}")


def duplicate_stage(review: Review) -> Iterator[Hit]:
    """Two stages carry the same name."""
    seen: set[str] = set()
    for stage in view_of(review).stages:
        name = stage.stage.name
        if name and name in seen:
            yield stage.source.hit(f'the stage name "{name}" is used twice')
        seen.add(name)


def argument_out_of_scope(review: Review) -> Iterator[Hit]:
    """A stage uses an ARG that is only declared before the first FROM: it is empty there."""
    view = view_of(review)
    names = {pair.name for pair in view.dockerfile.global_args}
    for stage in view.stages if names else ():
        checked: set[str] = set()
        for step in stage.steps[1:]:
            for name in dict.fromkeys(_USED.findall(_substituted(step))):
                if name not in names or name in step.env or name in checked:
                    continue
                checked.add(name)
                if len(checked) <= _MAX_NAMES and not _assigns(step, name):
                    yield step.hit(f"{step.name} uses {name}, which {stage.label} does not declare")


def _substituted(step: Step) -> str:
    """The text in which variables are replaced; in single quotes only RUN's nested shells do."""
    if "$" not in step.text or step.what.exec_form:
        return ""
    return step.text if step.name == "RUN" else re.sub(r"'[^']*'", "''", step.text)


def _assigns(step: Step, name: str) -> bool:
    """True when a RUN's own shell sets the variable."""
    written = re.escape(name)
    pattern = rf"\b{written}\+?=|\b(?:for|read)\s+{written}\b"
    return step.name == "RUN" and bool(re.search(pattern, step.text))


def skipped_check(review: Review) -> Iterator[Hit]:
    """A stage that tests or scans, but on which the final image does not depend, is not built."""
    view = view_of(review)
    if not view.stages:
        return
    needed = _needed(view.stages, view.final)
    for stage in view.stages:
        if stage.stage.index in needed:
            continue
        for step in stage.of("RUN"):
            match = _CHECK_TOOLS.search(step.text)
            if match:
                message = f"{stage.label} runs {match.group()}, but a plain build skips the stage"
                yield step.hit(message)
                break


def _needed(stages: tuple[StageView, ...], final: StageView) -> set[int]:
    """Stages that the final one is built on or copies from, transitively."""
    needed: set[int] = set()
    queue = [final]
    while queue:
        stage = queue.pop()
        if stage.stage.index in needed:
            continue
        needed.add(stage.stage.index)
        if stage.parent is not None:
            queue.append(stage.parent)
        for step in stage.of("COPY", "ADD", "RUN"):
            wanted = [step.what.flag("from") or "", *(m.get("from", "") for m in step.mounts())]
            for name in filter(None, wanted):
                queue.extend(
                    s for s in stages if name.lower() in (s.stage.name, str(s.stage.index))
                )
    return needed


def whole_filesystem(review: Review) -> Iterator[Hit]:
    """COPY --from=stage / / brings everything that the stages were meant to leave behind."""
    view = view_of(review)
    for stage in view.kept:
        for step in stage.of("COPY"):
            wanted = step.what.flag("from")
            if not wanted or step.what.args[:1] != ("/",) or step.what.args[-1:] != ("/",):
                continue
            other = view.stage_named(wanted, stage.stage.index)
            built = other is not None and any(step.name == "RUN" for step in other.history)
            if other is not None and built and not stage.from_scratch:
                yield step.hit(f"COPY takes the whole file system of {other.label}")
