"""A Falco condition as a filter: of any source, of detections by their origin's."""

from __future__ import annotations

import pytest

from haechi.errors import UsageError
from haechi.model.event import Event
from haechi.runtime.detect import Detector
from haechi.runtime.filters import LONGEST, made
from tests.runtime.events import audit, engine, execve

FALCO = execve(source="falco", fields={"falco.source": "syscall"})
FALCO_AUDIT = audit(source="falco", fields={"falco.source": "k8s_audit", "ka.verb": "list"})


@pytest.mark.parametrize(
    ("condition", "event", "holds"),
    [
        ("proc.name = bash", execve(), True),
        ("proc.name = zsh", execve(), False),
        ("evt.type in (execve, list)", audit(), True),
        ("ka.verb = list", audit(), True),
        ("ka.verb = list", execve(), False),
        ("not ka.verb = list", execve(), False),
        ("spawned_process and proc.pname = nginx", execve(), True),
        ("proc.name = bash", FALCO, True),
        ("ka.verb = list", FALCO_AUDIT, True),
        ("proc.name = bash", execve(source="somebody"), False),
    ],
)
def test_holds(condition: str, event: Event, holds: bool) -> None:
    assert made(condition).holds(event) is holds


def test_a_detection_is_judged_as_what_it_was_made_of() -> None:
    [shell], [listed] = (Detector(engine()).detect(one) for one in (execve(), audit()))
    assert made("proc.pname = nginx").holds(shell)
    assert made("ka.user.name = eve").holds(listed)
    assert not made("ka.user.name = eve").holds(shell)


@pytest.mark.parametrize(
    "condition",
    ["", "proc.name", "proc.name =", "no.such.field = 1", "(proc.name = a", "x" * (LONGEST + 1)],
    ids=["nothing", "no operator", "no value", "no field", "open", "too long"],
)
def test_what_is_no_condition_is_said(condition: str) -> None:
    with pytest.raises(UsageError, match="filter"):
        made(condition)


@pytest.mark.parametrize(
    ("condition", "where"),
    [
        ("proc.name = ", 13),
        ("proc.name = bash and", 21),
        ("proc.nam = bash", 1),
        ("proc.name = bash and proc.nam = a", 22),
        ('proc.name = "a b" and proc.nam = a', 23),
        ("ka.verb = create and ka.nam = a", 22),
    ],
    ids=["end", "after and", "first field", "later field", "after a quotation", "audit"],
)
def test_the_place_of_a_fault_is_told(condition: str, where: int) -> None:
    with pytest.raises(UsageError) as raised:
        made(condition)
    assert raised.value.where == f"query.filter:{where}"
