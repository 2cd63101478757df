"""What a receiver may and must have, named with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.errors import ConfigError
from haechi.server.settings import load_settings
from haechi.world.receivers.open import opened
from haechi.world.receivers.settings import Kind, ReceiverSettings

GOOD: dict[str, dict[str, Any]] = {
    "webhook": {"url": "https://hook.example/x", "secret_env": "K"},
    "slack": {"url_file": "/etc/haechi/slack"},
    "alertmanager": {"url": "http://127.0.0.1:9093"},
    "smtp": {"host": "mail.example", "sender": "a@b.example", "to": ["c@d.example"]},
    "pagerduty": {"secret_file": "/etc/haechi/key"},
    "jira": {"url": "https://acme.example", "project": "SEC", "secret_env": "T"},
    "github": {"repository": "acme/shop", "secret_env": "T"},
    "gitlab": {"repository": "group/sub/shop", "secret_env": "T"},
    "otlp": {"url": "https://otel.example:4318"},
    "syslog": {"host": "log.example"},
}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("webhook", {"secret_env": ""}, "needs a secret"),
    ("webhook", {"url": "http://hook.example"}, "not https"),
    ("webhook", {"url": "ftp://hook.example"}, "no URL"),
    ("webhook", {"url": "https://a:b@hook.example"}, "holds a login"),
    ("webhook", {"url": "https://[::"}, "no URL"),
    ("webhook", {"url": ""}, "missing"),
    ("webhook", {"url_file": "x"}, "named twice"),
    ("webhook", {"secret_file": "x"}, "exclude each other"),
    ("webhook", {"secret_env": "HAECHI_SERVER_X"}, "names of settings"),
    ("webhook", {"project": "SEC"}, "means nothing to a receiver of the kind webhook"),
    ("webhook", {"name": "Not A Name"}, "is no name"),
    ("smtp", {"tls": "none"}, "mail without TLS"),
    ("smtp", {"to": []}, "`to` is missing"),
    ("smtp", {"host": "a b"}, "no host"),
    ("github", {"repository": "acme"}, "no owner/name"),
    ("github", {"repository": "a/b/../../c"}, "no owner/name"),
    ("jira", {"project": 'SEC" OR 1'}, "no key of a project"),
    ("syslog", {"host": ""}, "no host"),
    ("slack", {"secret_env": "X"}, "means nothing"),
]


@pytest.mark.parametrize("kind", Kind.__args__)  # type: ignore[attr-defined]
def test_every_kind_can_be_set_up(kind: str) -> None:
    made = ReceiverSettings(name="one", kind=kind, **GOOD[kind])  # type: ignore[arg-type]
    made.check("alerts.receivers[0]")
    assert opened(made)
    assert "@" not in made.address


@pytest.mark.parametrize(("kind", "more", "words"), BAD, ids=str)
def test_a_fault_is_named(kind: str, more: dict[str, Any], words: str) -> None:
    values = {"name": "one", "kind": kind} | GOOD[kind] | more
    with pytest.raises(ConfigError) as raised:
        ReceiverSettings(**values).check("alerts.receivers[0]")
    assert words in raised.value.explain()
    assert "alerts.receivers[0]" in raised.value.explain()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  routes: [{name: a, receivers: [b]}]", "there is no receiver 'b'"),
        ("  routes: [{name: a, receivers: []}]", "no receiver is named"),
        ("  receivers: [{name: a, kind: smoke}]", "haechi.server.yaml:2"),
        (
            "  receivers: [{name: a, kind: slack, url: 'https://x', urll: y}]",
            "unknown field `urll`",
        ),
        ("  routes: [{name: a, receivers: [b], match: {level: loud}}]", "haechi.server.yaml:2"),
        ("  receivers: [{name: a, kind: slack, url: 'https://x', rate: 0}]", "rate"),
        (
            "  receivers: [{name: a, kind: slack, url: 'https://x'},"
            " {name: a, kind: slack, url: 'https://x'}]",
            "two are named 'a'",
        ),
    ],
)
def test_a_fault_of_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "haechi.server.yaml"
    file.write_text(f"alerts:\n{text}\n")
    with pytest.raises(ConfigError) as raised:
        load_settings(file, environ={})
    assert words in raised.value.explain()


def test_the_guide_s_example_is_valid(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs/guide/alerts.md").read_text()
    file = tmp_path / "haechi.server.yaml"
    file.write_text(guide.partition("```yaml\n")[2].partition("```")[0])
    found = load_settings(file, environ={}).alerts
    assert [one.kind for one in found.receivers] == ["slack", "pagerduty", "github", "smtp"]
    assert found.routes[0].continue_


def test_every_kind_stands_in_the_guide() -> None:
    guide = (Path(__file__).parents[3] / "docs/guide/alerts.md").read_text()
    assert [kind for kind in GOOD if f"`{kind}`" not in guide] == []
