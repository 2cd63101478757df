"""Fixes of Dockerfiles as tables of before and after."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.dockerfile import parse
from haechi.errors import LimitExceeded
from haechi.scan.fix.changes import Refused
from haechi.scan.fix.docker_fixers import DOCKER
from haechi.scan.fix.docker_text import changed_raws, edit_dockerfile


def fixed(fixer: str, text: str, argument: str = "", index: int = -1) -> str:
    """The text after the fix of the instruction, by default the last one that is no USER."""
    dockerfile = parse(text)
    if index < 0:
        index = max(i.index for i in dockerfile.instructions if i.name != "USER")
    changes = DOCKER[fixer](dockerfile, dockerfile.instructions[index], argument)
    after = edit_dockerfile(text, dockerfile, changes)
    assert [i.raw for i in parse(after).instructions] == changed_raws(dockerfile, changes)
    return after


LISTS = "rm -rf /var/lib/apt/lists/*"

ROWS: list[tuple[str, str, str, str]] = [
    (
        "apt-yes",
        "",
        "RUN apt-get update && apt-get install curl\n",
        "RUN apt-get update && apt-get install -y curl\n",
    ),
    (
        "apt-yes",
        "",
        "RUN apt-get install -qqy a && apt-get -q install \\\n  # c\n  b; apt-get upgrade -y\n",
        "RUN apt-get install -qqy a && apt-get -q install -y \\\n  # c\n  b; apt-get upgrade -y\n",
    ),
    (
        "apt-yes",
        "",
        "RUN echo my-apt-get install && x/apt-get install z\r\n",
        "RUN echo my-apt-get install && x/apt-get install -y z\r\n",
    ),
    (
        "apt-no-recommends",
        "",
        "FROM a\r\nRUN apt-get install -y \\\r\n    curl\r\n",
        "FROM a\r\nRUN apt-get install --no-install-recommends -y \\\r\n    curl\r\n",
    ),
    ("apk-no-cache", "", "RUN apk add curl", "RUN apk add --no-cache curl"),
    (
        "pip-no-cache",
        "",
        "RUN pip3 install a && python -m pip install b",
        "RUN pip3 install --no-cache-dir a && python -m pip install --no-cache-dir b",
    ),
    ("rpm-yes", "", "RUN dnf install a && yum -y update", "RUN dnf install -y a && yum -y update"),
    ("clean-up", LISTS, "RUN apt-get install -y a\n", f"RUN apt-get install -y a && {LISTS}\n"),
    (
        "clean-up",
        LISTS,
        "RUN apt-get update \\\n && apt-get install -y \\\n    a\nUSER 1\n",
        f"RUN apt-get update \\\n && apt-get install -y \\\n    a \\\n    && {LISTS}\nUSER 1\n",
    ),
    (
        "clean-up",
        LISTS,
        "RUN <<EOF\n  apt-get install -y a\nEOF\nUSER 1\n",
        f"RUN <<EOF\n  apt-get install -y a\n  {LISTS}\nEOF\nUSER 1\n",
    ),
    ("clean-up", "", "RUN microdnf install a", "RUN microdnf install a && microdnf clean all"),
    (
        "maintainer-label",
        "",
        'MAINTAINER Ann "A" <a@b.c>\n',
        'LABEL org.opencontainers.image.authors="Ann \\"A\\" <a@b.c>"\n',
    ),
    ("maintainer-label", "", 'MAINTAINER "Ann"', 'LABEL org.opencontainers.image.authors="Ann"'),
    ("add-to-copy", "", "ADD --chown=1 a b /c/", "COPY --chown=1 a b /c/"),
    ("add-to-copy", "", "add a /c", "copy a /c"),
    ("add-to-copy", "", "ONBUILD ADD a /c", "ONBUILD COPY a /c"),
    ("pair-equals", "", "ENV A b", "ENV A=b"),
    ("pair-equals", "", "  env A  b c ", '  env A="b c"'),
    ("pair-equals", "", 'LABEL a.b "c d"', 'LABEL a.b="c d"'),
    ("apt-get", "", "RUN apt update; apt -y install a", "RUN apt-get update; apt-get -y install a"),
    ("exec-form", "", "CMD java -jar /app.jar", 'CMD ["java", "-jar", "/app.jar"]'),
    ("exec-form", "", "ENTRYPOINT exec ./run --a=b", 'ENTRYPOINT ["./run", "--a=b"]'),
    ("exec-form", "", "CMD ['node', 'a.js']", 'CMD ["node", "a.js"]'),
    ("trailing-slash", "", "COPY a b /c", "COPY a b /c/"),
    ("trailing-slash", "", 'COPY ["a", "b", "/c d"]', 'COPY ["a", "b", "/c d/"]'),
    ("no-sudo", "", "RUN sudo a && sudo -E b", "RUN a && b"),
    ("drop-option", "--network", "RUN --network=host a", "RUN a"),
    ("verify-downloads", "", "RUN curl -sk x && curl -k y", "RUN curl -s x && curl y"),
    ("verify-downloads", "", "RUN wget --no-check-certificate x", "RUN wget x"),
    ("verify-downloads", "", "RUN tar -xk && sort -k 2", "RUN tar -xk && sort -k 2"),
    (
        "pipefail-shell",
        "",
        "FROM alpine:3\n# fetch\nRUN a | b\n",
        'FROM alpine:3\nSHELL ["/bin/ash", "-eo", "pipefail", "-c"]\n# fetch\nRUN a | b\n',
    ),
    (
        "pipefail-shell",
        "",
        "FROM debian AS a\nFROM a\nRUN a | b",
        'FROM debian AS a\nFROM a\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN a | b',
    ),
    ("declare-argument", "", "ARG V\nFROM a\nRUN b $V", "ARG V\nFROM a\nARG V\nRUN b $V"),
    ("remove-instruction", "", "FROM a\n# old\nCMD b", "FROM a"),
]


@pytest.mark.parametrize(("fixer", "argument", "before", "after"), ROWS)
def test_corrects_the_instruction_alone(fixer: str, argument: str, before: str, after: str) -> None:
    assert fixed(fixer, before, argument) == after


def test_other_stages_are_corrected_from_where_the_fault_shows() -> None:
    before = "FROM a AS d\nRUN npm ci --only=production\nFROM a AS b\nRUN npm run build\nFROM c\n"
    after = fixed("all-dependencies", before, "--only", index=3)
    assert after == before.replace(" --only=production", "")


REFUSED: list[tuple[str, str]] = [
    ("apt-yes", 'RUN ["apt-get", "install", "a"]'),
    ("apt-yes", "RUN <<EOF\n#!/usr/bin/python\napt-get install\nEOF"),
    ("apt-yes", "RUN cat <<EOF > x\napt-get install\nEOF"),
    ("apt-yes", "# escape=`\nRUN apt-get install a"),
    ("clean-up", "RUN apt-get install a # why"),
    ("clean-up", "RUN a &"),
    ("clean-up", "RUN make"),
    ("add-to-copy", "ADD a.tar.gz /b"),
    ("add-to-copy", "ADD $FILE /b"),
    ("add-to-copy", "ADD https://a.b/c /b"),
    ("add-to-copy", "ADD a* /b"),
    ("add-to-copy", "ADD --checksum=sha256:0 a /b"),
    ("pair-equals", 'ENV A b "c" d'),
    ("pair-equals", "ENV A \\\n b"),
    ("pair-equals", "ENV A=b"),
    ("exec-form", "CMD a && b"),
    ("exec-form", "CMD a $B"),
    ("exec-form", "CMD A=b c"),
    ("exec-form", "CMD cd /x"),
    ("exec-form", 'CMD ["a"]'),
    ("trailing-slash", "COPY <<A <<B /c\nx\nA\ny\nB"),
    ("pipefail-shell", 'FROM a\nSHELL ["/bin/sh"]\nRUN a | b'),
]


@pytest.mark.parametrize(("fixer", "text"), REFUSED)
def test_refuses_what_may_mean_something_else(fixer: str, text: str) -> None:
    with pytest.raises(Refused):
        fixed(fixer, text)


def test_refuses_an_entrypoint_that_would_begin_to_take_arguments() -> None:
    with pytest.raises(Refused, match="arguments"):
        fixed("exec-form", "FROM a\nENTRYPOINT a\nCMD b", index=1)


def test_refuses_mixed_line_ends() -> None:
    with pytest.raises(Refused, match="mixes"):
        fixed("apk-no-cache", "FROM a\r\nRUN apk add b\nUSER 1\n", index=1)


LINES = st.sampled_from(
    [
        *("FROM a", "RUN apt-get install \\", "  b", "# c", "", "CMD x y", "ADD a b", "ENV a b"),
        *("RUN <<E", "E", 'COPY ["a","b","c"]', "RUN curl -k x | y", "MAINTAINER x", "\\"),
        *("ONBUILD ADD a b", "ARG V", "RUN x $V && sudo y", "LABEL a b"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(LINES, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(sorted(DOCKER)),
    st.integers(0, 7),
)
def test_every_other_instruction_stays(
    lines: list[str], newline: str, fixer: str, index: int
) -> None:
    text = newline.join(lines)
    try:
        dockerfile = parse(text)
    except LimitExceeded:
        return
    if index >= len(dockerfile.instructions):
        return
    try:
        changes = DOCKER[fixer](dockerfile, dockerfile.instructions[index], "")
        after = edit_dockerfile(text, dockerfile, changes)
    except Refused:
        return
    touched = {change.index for change in changes}
    kept = [i.raw for i in dockerfile.instructions if i.index not in touched]
    raws = [i.raw for i in parse(after).instructions]
    assert all(raw in raws for raw in kept)
