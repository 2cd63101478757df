"""The sample shop with its history, pushed as ``haechi scan --push`` does, shown and worked on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.history import materialise

from haechi.cli.pipeline import Options, run
from haechi.model.access import Role
from haechi.model.severity import Severity
from haechi.server.shapes import Now, WaiverRequest
from haechi.store.records import Life
from tests.server.api.rig import DAY, HOUR, SOURCE, Rig, principal, pushed, rig

SHIPPER = "deploy/base/log-shipper.yaml"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop") / "shop"
    materialise(root)
    return root


@pytest.fixture(scope="module")
def api(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("store") / "store") as made:
        outcome = run(Options(path=shop), today=made.clock().date())
        made.push(pushed(outcome))
        yield made


def now(api: Rig, who: object = None, **query: object) -> Now:
    more = {"who": who} if who else {}
    shown: Now = api.call("now.show", **more, **query)  # type: ignore[arg-type]
    return shown


def test_first_screen_says_what_matters_in_both_languages(api: Rig) -> None:
    shown = now(api)
    first = shown.items[0]
    assert first.sentence.startswith("The internet reaches cart, which can read every Secret")
    assert first.sentence_ko.startswith("인터넷에서 cart에 닿고")
    assert first.severity is Severity.CRITICAL
    assert [step.path for step in first.steps if step.path]
    assert first.owner
    ids = {one.id for one in api.findings(Life.OPEN)}
    assert all(set(item.findings) <= ids for item in shown.items)
    assert 10 <= len(shown.items) <= 20


def test_dials_tell_what_the_store_has(api: Rig) -> None:
    dials = {dial.id: dial for dial in now(api).dials}
    open_ = api.findings(Life.OPEN)
    assert dials["open_critical"].value == sum(f.severity is Severity.CRITICAL for f in open_) > 0
    assert dials["open_high"].value == sum(f.severity is Severity.HIGH for f in open_) > 0
    assert dials["waived"].value == len(api.findings(Life.WAIVED)) > 0
    assert dials["gate"].value == 0.0
    assert dials["days_to_fix"].value is None
    assert "nothing was fixed" in dials["days_to_fix"].why
    assert 0.5 < (dials["covered"].value or 0) < 1


def test_coverage_names_the_shop_and_what_was_not_seen(api: Rig) -> None:
    line = now(api).coverage[0]
    assert line.source.id == SOURCE
    assert line.command.endswith("--push http://127.0.0.1:8420")


def test_every_finding_is_about_a_resource_that_leads_back_to_the_repository(api: Rig) -> None:
    for finding in api.findings(Life.OPEN, Life.WAIVED):
        told = api.call("resources.show", key=finding.resource)
        assert told.lineage[0] == SOURCE, finding.resource
        assert told.lineage[-1] == finding.resource


def test_image_leads_from_the_repository_over_its_dockerfile_to_what_runs_it(api: Rig) -> None:
    told = api.call("resources.show", key="image:registry.shop.example/cart:latest")
    assert [key.rpartition("/")[2] for key in told.lineage[1:2]] == ["Dockerfile"]
    assert "Deployment" in {one.kind for one in told.around}


def test_whoever_sees_one_namespace_sees_no_path_that_leads_out_of_it(api: Rig) -> None:
    shown = now(api, principal((Role.VIEWER, "shop")))
    assert shown.items, "what lies within the namespace is told"
    assert {item.namespace for item in shown.items} == {"shop"}
    every = {one.id: one.namespace for one in api.findings()}
    assert {every[id_] for item in shown.items for id_ in item.findings} == {"shop"}
    assert not [line for line in shown.coverage if line.source.id == SOURCE]
    nobody = now(api, principal((Role.VIEWER, "billing")))
    assert nobody.items == []
    assert nobody.delta.new == 0


def test_narrowing_to_a_namespace_keeps_paths_that_touch_it(api: Rig) -> None:
    narrowed = now(api, namespace=["shop"])
    assert 0 < len(narrowed.items) <= len(now(api).items)
    assert now(api, namespace=["billing"]).items == []


def test_life_of_a_finding_in_the_shop(api: Rig, shop: Path) -> None:
    """Last: it changes the store that the others read."""
    waiver = api.call(
        "waivers.create",
        WaiverRequest(
            reason="the log shipper is replaced in spring",
            owner="@platform",
            expires=(api.clock() + 5 * DAY).date(),
            rule="k8s-privileged",
            path=SHIPPER,
        ),
    )
    assert waiver.count == 1
    shown = now(api)
    assert not [item for item in shown.items if "runs privileged" in item.sentence]
    assert [item.due for item in shown.items if item.sentence.startswith("The waiver for")] == [
        waiver.expires
    ]

    api.clock.pass_(DAY + HOUR)
    file = shop / SHIPPER
    broken = file.read_text(encoding="utf-8")
    file.write_text(broken.replace("privileged: true", "privileged: false"), encoding="utf-8")
    changes = rescan(api, shop, only=("secrets",))
    assert changes["fixed"] == 0
    assert rescan(api, shop / "services")["fixed"] == 0
    assert rescan(api, shop, only=("iac",))["fixed"] == 1
    (fixed,) = api.findings(rule=["k8s-privileged"])
    assert fixed.state is Life.FIXED

    dials = {dial.id: dial for dial in now(api).dials}
    assert dials["days_to_fix"].value == 1.0
    assert (dials["waived"].before or 0) - (dials["waived"].value or 0) == 1.0
    assert now(api).items[0].sentence.startswith("The internet reaches cart"), (
        "a look at a part does not take away what the whole said"
    )

    api.call("waivers.revoke", params={"id": waiver.id})
    file.write_text(broken, encoding="utf-8")
    assert rescan(api, shop, only=("iac",))["reopened"] == 1
    (back,) = api.findings(rule=["k8s-privileged"])
    assert back.state is Life.REOPENED
    assert [item for item in now(api).items if "runs privileged" in item.sentence]


def rescan(api: Rig, path: Path, only: tuple[str, ...] = ()) -> dict[str, int]:
    outcome = run(Options(path=path, only=only), today=api.clock().date())
    return api.push(pushed(outcome))


def test_events_of_the_shops_pods_belong_to_its_workloads(api: Rig) -> None:
    """Falco's alert names pod and container; later events of that container name neither."""
    from haechi.model.access import EVERYWHERE
    from haechi.model.event import Event
    from haechi.runtime.decode import falco
    from haechi.runtime.enrich import Enricher, look_in
    from haechi.store.events.encoding import encode_events
    from haechi.store.events.shapes import Limits

    enricher = Enricher(look_in(api.world.store.state))
    at_ns = 1_795_348_800 * 10**9

    def placed(*events: Event) -> list[tuple[str, str]]:
        batch = encode_events(events, Limits(), now_ns=at_ns, within=(EVERYWHERE,))
        rows = enricher.enriched(batch, (EVERYWHERE,)).rows
        return [(row[3], row[2][3]) for row in rows]

    def alert(pod: str, container: str) -> list[Event]:
        fields = {"k8s.pod.name": pod, "k8s.ns.name": "shop", "container.id": container}
        said = {"rule": "R", "priority": "Error", "output": "o", "time": "2026-11-22T12:00:00Z"}
        return falco.read(
            said | {"source": "syscall", "output_fields": fields | {"evt.type": "execve"}},
            cluster="prod",
            now_ns=at_ns,
        ).events

    shop = "k8s:-/apps"
    pods = {
        "web-7d4b9c8f6d-x2x4z": f"{shop}/Deployment/shop/web",
        "db-0": f"{shop}/StatefulSet/shop/db",
        "log-shipper-x2x4z": f"{shop}/DaemonSet/shop/log-shipper",
    }
    for number, (pod, key) in enumerate(pods.items()):
        container = f"{number}f1d2c3b5a69"
        assert placed(*alert(pod, container)) == [(key, "shop")]
        sensor = Event(
            id=f"s{number}",
            ts_ns=at_ns,
            source="sensor",
            type="execve",
            cluster="prod",
            container_id=f"{container}0000",
            fields={"container.id": container},
        )
        assert placed(sensor) == [(key, "shop")]
    (strange,) = placed(*alert("nobody-7d4b9c8f6d-x2x4z", "9f1d2c3b5a69"))
    assert strange == ("k8s:prod/core/Pod/shop/nobody-7d4b9c8f6d-x2x4z", "shop")
