"""The built-in pack: from the cache like from the files, judged by the one engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.engines.falco.engine import Engine
from haechi.engines.falco.watch import watch
from haechi.model.event import PRIORITIES
from haechi.rules import detections
from haechi.rules.detection_examples import example_event
from haechi.rules.detections import entries, load_detections
from haechi.rules.schema import Falco
from haechi.rules.schema import Rule as Entry
from haechi.runtime.decode import kubernetes_audit
from haechi.runtime.pack import builtin

ROOT = Path(__file__).parents[2]


def test_the_pack_has_a_rule_for_each_entry_in_their_order() -> None:
    rules = builtin().rules
    assert [rule.id for rule in rules] == [entry.id for entry, _ in entries()]
    assert [rule.name for rule in rules] == [entry.title for entry, _ in entries()]
    assert len(rules) >= 60
    assert {rule.priority for rule in rules} <= set(PRIORITIES)
    assert builtin().problems == ()
    assert builtin() is builtin()


def test_the_pack_comes_from_the_cache_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_detections(cache=tmp_path)

    def read(_: object) -> None:
        raise AssertionError("the rules were read again")

    monkeypatch.setattr(detections, "resolve", read)
    second = load_detections(cache=tmp_path)
    assert second == first
    assert second.rules[0].condition == first.rules[0].condition


def test_a_warm_start_reads_no_yaml(tmp_path: Path) -> None:
    program = (
        "import sys; from haechi.runtime.pack import builtin; "
        "print(len(builtin().rules), 'yaml' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    count = str(len(builtin().rules))
    assert said == [[count, "True"], [count, "False"]]


def test_rules_about_reads_say_where_the_sensor_must_look() -> None:
    """Rules about credentials in any home are bounded by the homes that the sensor finds."""
    places = watch(builtin().rules)
    named = {rule.name: rule.id for rule in builtin().rules}
    assert {named[name] for name in places.open_ended} == {
        "detect-ssh-key-read",
        "detect-cloud-credentials-read",
        "detect-kubeconfig-read",
        "detect-developer-credentials-read",
        "detect-browser-secrets-read",
        "detect-install-script-reads-credentials",
    }
    assert {"/etc/shadow", "/proc/"} <= set(places.prefixes)
    assert not {"/", "/home", "/root", "/usr", "/var"} & set(places.prefixes)


AUDIT = [(entry, falco) for entry, falco in entries() if falco.source == "k8s_audit"]


@pytest.mark.parametrize(("entry", "falco"), AUDIT, ids=lambda one: getattr(one, "id", ""))
def test_audit_examples_are_judged_alike_when_they_come_through_the_decoder(
    entry: Entry, falco: Falco
) -> None:
    engine = Engine(builtin().rules)
    for text in (*entry.bad, *entry.good):
        made = example_event(falco, text)
        found = kubernetes_audit.read(made.fields["jevt.obj"], cluster="prod")
        assert found.refusals == []
        assert [engine.judge(one) for one in found.events] == [engine.judge(made)], text
