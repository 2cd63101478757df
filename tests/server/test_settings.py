"""Settings: file, environment, options; strict, with the line; all of them in the guide."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.server.settings import Settings, keys, load_settings

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "server-configuration.md"


def load(tmp_path: Path, text: str, **given: object) -> Settings:
    """The settings of a file with this text."""
    path = tmp_path / "haechi.server.yaml"
    path.write_text(text)
    environ = {str(key): str(value) for key, value in given.items()}
    return load_settings(path, environ=environ)


def test_the_defaults_are_this_machine_only() -> None:
    settings = load_settings(None, environ={"HAECHI_TOKEN": "x", "PATH": "/bin"})
    assert settings == Settings()
    assert (settings.listen.address, settings.listen.port) == ("127.0.0.1", 8420)
    assert {row.origin for row in settings.rows()} == {"default"}


def test_an_option_goes_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "haechi.server.yaml"
    path.write_text("listen:\n  port: 1\nlimits:\n  threads: 2\n  waiting: 3\n")
    environ = {"HAECHI_SERVER_LIMITS_THREADS": "4", "HAECHI_SERVER_LIMITS_WAITING": "5"}
    settings = load_settings(
        path, environ=environ, options={"limits.waiting": 6, "limits.seconds": None}
    )
    limits = settings.limits
    assert (settings.listen.port, limits.threads, limits.waiting) == (1, 4, 6)
    origins = {row.key: row.origin for row in settings.rows() if row.origin != "default"}
    assert origins == {
        "listen.port": "file",
        "limits.threads": "environment",
        "limits.waiting": "option",
    }


def test_lists_of_the_environment_are_parted_by_commas() -> None:
    environ = {"HAECHI_SERVER_LISTEN_HOSTS": "a.example, b.example,"}
    assert load_settings(None, environ=environ).listen.hosts == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listen:\n  prot: 1\n", ["haechi.server.yaml:2", "unknown key `prot`", "`port`"]),
        ("listne: {}\n", ["haechi.server.yaml:1", "did you mean `listen`?"]),
        ("listen:\n  port: 70000\n", ["haechi.server.yaml:2", "listen.port"]),
        ("listen:\n  port: yes\n", ["haechi.server.yaml:2", "listen.port"]),
        ("listen: null\n", ["haechi.server.yaml:1"]),
        ("limits:\n  threads: 0\n  waiting: 0\n", ["haechi.server.yaml:2"]),
        ("listen:\n  port: 1\n  port: 2\n", ["written twice"]),
        ("listen: [\n", ["haechi.server.yaml:"]),
        ("logging:\n  level: loud\n", ["haechi.server.yaml:2", "logging.level"]),
        ("origins:\n  a: b\n", ["unknown key `origins`"]),
        ("listen:\n  address: example.com\n", ["listen.address", "no IP address"]),
        ("listen:\n  address: 0.0.0.0\n", ["listen.address", "without TLS", "tls.self_made"]),
        ("listen:\n  trusted_proxies: [10.0.0.1/8]\n", ["listen.trusted_proxies"]),
        ("listen:\n  public_url: haechi.example\n", ["listen.public_url"]),
        ("listen:\n  public_url: https://a.example/path\n", ["listen.public_url"]),
        ("tls:\n  certificate: a.pem\n", ["tls", "go together"]),
        ("tls:\n  certificate: a\n  key: b\n  self_made: true\n", ["tls", "either"]),
        ("auth:\n  session_hours: 1\n  session_idle_hours: 2\n", ["session_idle_hours"]),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    said = raised.value.explain()
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    "environ",
    [
        {"HAECHI_SERVER_LISTEN_PROT": "1"},
        {"HAECHI_SERVER_LISTEN_PORT": "one"},
        {"HAECHI_SERVER_LISTEN_PORT": ""},
        {"HAECHI_SERVER_LISTEN_ALLOW_PLAIN": "maybe"},
        {"HAECHI_SERVER_AUTH_PROVIDERS": "[]"},
    ],
)
def test_a_fault_of_the_environment_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        load_settings(None, environ=environ)


def test_other_machines_are_let_in_with_tls_or_by_leave(tmp_path: Path) -> None:
    head = "listen:\n  address: 0.0.0.0\n"
    assert load(tmp_path, head + "tls:\n  self_made: true\n").tls.self_made
    assert load(tmp_path, head + "  allow_plain: true\n").listen.allow_plain


def test_a_missing_or_oversized_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_settings(tmp_path / "nothing.yaml", environ={})
    with pytest.raises(ConfigError):
        load(tmp_path, "# " + "x" * 2_000_000)
    assert load(tmp_path, "# nothing\n") == Settings()


def test_every_key_says_what_it_means_and_stands_in_the_guide() -> None:
    guide = GUIDE.read_text()
    for key, _, _, what in keys():
        assert what, key
        assert f"`{key}`" in guide, f"{key} is not in {GUIDE.name}"
    assert len(list(keys())) > 25


def test_rows_show_no_structure_of_python() -> None:
    for row in Settings().rows():
        assert "(" not in row.value, row


@given(st.text(max_size=200))
def test_any_file_is_read_or_refused(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "haechi.server.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load_settings(path, environ={})
        except ConfigError:
            return


def test_a_file_may_set_every_section(tmp_path: Path) -> None:
    file = tmp_path / "haechi.server.yaml"
    for section in sorted({section for _, section, _, _ in keys()}):
        file.write_text(f"{section}: {{}}\n", encoding="utf-8")
        load_settings(file, environ={})
    file.write_text("tracing: {endpoint: 'http://127.0.0.1:4318/v1/traces'}\n", encoding="utf-8")
    made = load_settings(file, environ={})
    assert made.tracing.endpoint == "http://127.0.0.1:4318/v1/traces"
    assert made.origins == {"tracing.endpoint": "file"}
