"""A real Alertmanager (Debian's), and what it makes of our alerts.

It is taken from ``HAECHI_TEST_ALERTMANAGER`` or PATH; without one these tests are skipped:
``apt-get download prometheus-alertmanager && dpkg -x *.deb folder`` is enough.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from haechi.model.alert import Status
from haechi.world.receivers.alertmanager import AHEAD, Alertmanager
from haechi.world.receivers.sending import Known, NotSent
from tests.fakes.receivers.web import Web, as_json, web
from tests.world.receivers.made import LINK, item, message, news, over, settings

BINARY = os.environ.get("HAECHI_TEST_ALERTMANAGER") or shutil.which("prometheus-alertmanager") or ""
TEMPLATE = Path("/usr/share/prometheus/alertmanager/default.tmpl")
CONFIG = """
route: {{receiver: hook, group_by: [incident, severity], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: hook
    webhook_configs: [{{url: {url}, send_resolved: true}}]
"""


@pytest.fixture(scope="module")
def hook() -> Iterator[Web]:
    """What Alertmanager itself tells."""
    with web() as made:
        yield made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, hook: Web) -> Iterator[str]:
    if not BINARY or not Path(BINARY).is_file():
        pytest.skip("no Alertmanager here: HAECHI_TEST_ALERTMANAGER names none, nor is it in PATH")
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text(CONFIG.format(url=hook.url))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*_before(), BINARY, "--config.file=config.yml", "--storage.path=data"]
    command.append("--cluster.listen-address=")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], cwd=folder, stderr=log
        )
    made = f"http://127.0.0.1:{port}"
    try:
        _ready(made, process, folder / "log")
        yield made
    finally:
        process.terminate()
        process.wait(10)


def _before() -> list[str]:
    """Debian's binary opens a template below /usr/share. Where the package is only unpacked, it
    gets its own /usr/share in a mount namespace."""
    share = Path(BINARY).resolve().parents[1] / "share"
    if TEMPLATE.exists() or not (share / TEMPLATE.relative_to("/usr/share")).exists():
        return []
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip(f"Alertmanager needs {TEMPLATE}, or root to mount it")
    script = 'mount --bind "$0" /usr/share && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(share)]


def _ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"Alertmanager did not start: {log.read_text()[-500:]}")


def there(url: str, incident: str) -> list[dict[str, Any]]:
    """Its active alerts about the incident."""
    query = {"filter": f'incident="{incident}"', "active": "true"}
    rows = httpx.get(f"{url}/api/v2/alerts", params=query, trust_env=False).json()
    assert isinstance(rows, list)
    return rows


def about(incident: str, **more: Any) -> Any:
    now = int(time.time() * 1e9)
    return news(topic=f"incident:{incident}", incident=incident, at_ns=now, opened_ns=now, **more)


def test_it_shows_an_incident_until_its_end(url: str) -> None:
    mine = Alertmanager(settings("alertmanager", url=url, resend=60))
    sent = mine.send(message(item(about("life"))), {})
    mine.send(message(item(about("life"))), {})
    (alert,) = there(url, "life")
    assert alert["labels"] == {
        "alertname": "HaechiIncident",
        "severity": "high",
        "topic": "incident:life",
        "incident": "life",
        "cluster": "prod",
        "namespace": "shop",
        "resource": "k8s:prod/apps/Deployment/shop/web",
        "node": "node-1",
    }
    assert alert["generatorURL"] == LINK
    assert alert["annotations"]["evidence"] == "bash started by nginx"
    known = {"incident:life": Known(remote=sent.stands["incident:life"].remote)}
    ended = about("life", what="resolved", status=Status.RESOLVED)
    mine.send(message(item(ended)), known)
    assert there(url, "life") == []


def test_a_raised_incident_is_one_alert_with_its_new_severity(url: str) -> None:
    mine = Alertmanager(settings("alertmanager", url=url))
    first = mine.send(message(item(about("up", level="medium"))), {})
    known = {"incident:up": Known(remote=first.stands["incident:up"].remote)}
    mine.send(message(item(about("up", what="raised", level="critical"))), known)
    assert [one["labels"]["severity"] for one in there(url, "up")] == ["critical"]


def test_it_tells_its_own_receivers_at_once(url: str, hook: Web) -> None:
    mine = Alertmanager(settings("alertmanager", url=url))
    mine.send(message(item(about("told"))), {})
    end = time.monotonic() + 20
    told: list[str] = []
    while "told" not in told and time.monotonic() < end:
        time.sleep(0.05)
        told = [one.json["groupLabels"].get("incident") for one in list(hook.asked)]
    assert "told" in told


def test_it_takes_hostile_texts(url: str) -> None:
    hostile = about("hostile", title='x"}\\', node="a\u202eb{{ .Status }}", rules=("\ud7ff",))
    mine = Alertmanager(settings("alertmanager", url=url))
    mine.send(message(item(hostile, heading="{{ template }}\n\x00")), {})
    assert len(there(url, "hostile")) == 1


def test_what_lasts_is_told_for_some_resends_ahead() -> None:
    now = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    with web() as server:
        mine = Alertmanager(settings("alertmanager", url=server.url, resend=30), clock=lambda: now)
        mine.send(message(), {})
        mine.send(over(), {})
    (first,), (last,) = (one.json for one in server.asked)
    assert first["endsAt"] == (now + dt.timedelta(seconds=30 * AHEAD)).isoformat()
    assert last["endsAt"] == now.isoformat()
    assert last["labels"] == first["labels"]


def test_a_clock_of_a_node_that_is_ahead_starts_nothing_in_the_future() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with web() as server:
        mine = Alertmanager(settings("alertmanager", url=server.url), clock=lambda: now)
        mine.send(message(), {})
    assert server.asked[0].json[0]["startsAt"] == now.isoformat()


def test_a_refusal_is_for_good() -> None:
    with web(lambda _: as_json("bad labels", 400)) as server, pytest.raises(NotSent) as raised:
        Alertmanager(settings("alertmanager", url=server.url)).send(message(), {})
    assert raised.value.permanent
