"""Proposals in words: the title and the text of a pull request, in Markdown.

Whoever wrote the lock file chose the names in it, so they stand as code or with their signs
escaped.
"""

from __future__ import annotations

import msgspec

from haechi.store.dependency_records import Proposal, ProposedFix


def with_words(one: Proposal) -> Proposal:
    """The proposal with the title and the text of a pull request."""
    return msgspec.structs.replace(one, title=title_of(one), body=_body(one))


def title_of(one: Proposal) -> str:
    """In one line."""
    targets = list(dict.fromkeys(each.target for each in one.upgrades)) or [one.target]
    more = f" and {len(targets) - 3} more" if len(targets) > 3 else ""
    return f"Upgrade {one.package} to {', '.join(targets[:3])}{more} in {one.path}"


def _body(one: Proposal) -> str:
    cleared = [each for each in one.fixes if each.cleared]
    left = [each for each in one.fixes if not each.cleared]
    count = len(cleared)
    noun = "vulnerability" if count == 1 else "vulnerabilities"
    moves = ", ".join(
        f"from {_code(each.version)} to {_code(each.target)}{' (major)' if each.major else ''}"
        for each in one.upgrades
    )
    lowest = "the lowest version" if len(one.upgrades) == 1 else "the lowest versions"
    clear = "clears" if len(one.upgrades) == 1 else "clear"
    lines = [
        f"Upgrades {_code(one.package)} ({one.ecosystem}) in {_code(one.path)} {moves}: {lowest}"
        f" known that {clear} {count} known {noun}.",
        "",
        "| Advisory | Severity | What | Fixed in |",
        "| --- | --- | --- | --- |",
        *(_row(each) for each in cleared),
        "",
        *_way(one),
    ]
    if left:
        names = ", ".join(_linked(each) for each in left)
        lines += ["", f"Not cleared by this: {names}."]
    lines += [
        "",
        "To apply it: `haechi patch` makes a branch with this and the other upgrades of the"
        " repository, and scans it again.",
    ]
    return "\n".join(lines) + "\n"


def _way(one: Proposal) -> list[str]:
    if one.via:
        top = _code(one.via[0])
        way = " → ".join(map(_code, (*one.via, one.package)))
        return [
            f"The project asks for it through {top} ({way}): upgrade {top} to a version that"
            f" allows {_code(one.target)}, or pin {_code(one.package)} itself."
        ]
    if one.direct:
        return ["The project asks for it itself."]
    return ["The file does not tell what brings it in."]


def _row(one: ProposedFix) -> str:
    cells = (_linked(one), one.severity.value, _plain(one.title), _code(one.fixed))
    return f"| {' | '.join(cells)} |"


def _linked(one: ProposedFix) -> str:
    if one.url.startswith("https://") and not set(one.url) & set(" ()<>|\n"):
        return f"[{_plain(one.id)}]({one.url})"
    return _plain(one.id)


def _code(text: str) -> str:
    """A name in Markdown; whoever wrote the lock file chose it."""
    return f"`{_plain(text, code=True)}`"


def _plain(text: str, *, code: bool = False) -> str:
    flat = " ".join(text.split()).replace("`", "'").replace("|", "/")
    if code:
        return flat
    for sign in "\\[]<>*_#@!":
        flat = flat.replace(sign, f"\\{sign}")
    return flat
