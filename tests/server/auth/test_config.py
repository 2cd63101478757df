"""The settings of signing in: what would let too many in is refused when it is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from haechi.errors import ConfigError
from haechi.server.auth.config import AuthSettings

ROOT = Path(__file__).parents[3]
PROVIDER = {"name": "id", "issuer": "https://id.example", "client_id": "x"}
PIPELINE: dict[str, Any] = {
    "name": "ci",
    "issuer": "https://ci.example",
    "audience": "https://haechi.example",
    "rules": [{"claims": {"repository": ["acme/*"]}}],
}
RULE = PIPELINE["rules"][0]


def test_what_the_guide_shows_is_right() -> None:
    text = (ROOT / "docs/guide/identity.md").read_text("utf-8")
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    made = [msgspec.convert(one["auth"], AuthSettings) for one in shown]
    for one in made:
        one.check()
    assert [len(one.providers) for one in made] == [1, 0]
    assert made[1].pipelines[0].rules[0].permissions == ("scans.push", "waivers.list")


def test_the_smallest_settings_are_enough() -> None:
    msgspec.convert({"providers": [PROVIDER], "pipelines": [PIPELINE]}, AuthSettings).check()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"providers": [{**PROVIDER, "issuer": "http://id.example"}]}, "https"),
        ({"providers": [{**PROVIDER, "issuer": "http://127.0.0.1:1"}]}, "https"),
        (
            {"providers": [{**PROVIDER, "issuer": "http://id.example", "allow_http": True}]},
            "https",
        ),
        ({"providers": [{**PROVIDER, "issuer": "https://a@id.example"}]}, "https"),
        ({"providers": [{**PROVIDER, "issuer": "https://["}]}, "no URL"),
        ({"providers": [{**PROVIDER, "name": "A b"}]}, "no name"),
        ({"providers": [PROVIDER, PROVIDER]}, "same name"),
        ({"providers": [{**PROVIDER, "scopes": ["email"]}]}, "openid"),
        ({"pipelines": [{**PIPELINE, "audience": ""}]}, "audience"),
        ({"pipelines": [{**PIPELINE, "repository": "https://x"}]}, "claim"),
        ({"pipelines": [{**PIPELINE, "rules": [{"claims": {}}]}]}, "claims is empty"),
        ({"pipelines": [{**PIPELINE, "rules": [{"claims": {"ref": []}}]}]}, "claims is empty"),
        (
            {"pipelines": [{**PIPELINE, "rules": [{**RULE, "permissions": ["tokens.create"]}]}]},
            "may not have tokens.create",
        ),
        ({"pipelines": [{**PIPELINE, "rules": [{**RULE, "role": "admin"}]}]}, "may not be admin"),
        ({"session_hours": 0}, "session"),
        ({"session_idle_hours": 25}, "session"),
        ({"limits": {"burst": 0}}, "limits"),
    ],
)
def test_what_is_unsafe_is_refused(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        msgspec.convert(data, AuthSettings).check()


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"provider": []}, AuthSettings)
