"""Runtimes of Azure and Google Cloud: what gets fixes and what does not, by the table of ends."""

from __future__ import annotations

import pytest

from haechi.checks.terraform.azure_apps import old_runtime as azure
from haechi.checks.terraform.google_services import old_runtime as google
from tests.checks.terraform.judged import told


@pytest.mark.parametrize(
    ("name", "version", "since"),
    [
        ("node_version", "18-lts", "2025-04-30"),
        ("node_version", "~20", "2026-04-30"),
        ("node_version", "~22", ""),
        ("python_version", "3.9", "2025-10-31"),
        ("python_version", "3.10", "2026-10-31"),
        ("python_version", "3.12", ""),
        ("php_version", "7.4", "2022-11-28"),
        ("php_version", "8.3", ""),
        ("dotnet_version", "v6.0", "2024-11-12"),
        ("dotnet_version", "8.0", "2026-11-10"),
        ("dotnet_version", "10.0", ""),
        ("dotnet_framework_version", "v4.0", ""),
        ("java_version", "1.7.0_80", "2022-07-29"),
        ("java_version", "1.8", ""),
        ("java_version", "17", ""),
        ("powershell_core_version", "7.2", "2024-11-08"),
    ],
)
def test_an_app_of_azure(name: str, version: str, since: str) -> None:
    text = (
        'resource "azurerm_linux_web_app" "a" {\n  site_config {\n    application_stack {\n'
        f'      {name} = "{version}"\n    }}\n  }}\n}}\n'
    )
    [*found] = told(azure, "azurerm_linux_web_app.a", text)
    assert [one.rpartition("since ")[2] for one in found] == ([since] if since else [])


@pytest.mark.parametrize(
    ("runtime", "since"),
    [
        ("nodejs18", "2025-04-30"),
        ("nodejs22", ""),
        ("python37", "2023-06-27"),
        ("python310", "2026-10-31"),
        ("python313", ""),
        ("go121", "2024-08-13"),
        ("ruby32", "2026-03-31"),
        ("php82", ""),
        ("dotnet6", "2024-11-12"),
        ("dotnet10", ""),
        ("java11", "2024-10-31"),
        ("java21", ""),
    ],
)
def test_a_function_of_google(runtime: str, since: str) -> None:
    text = f'resource "google_cloudfunctions_function" "f" {{\n  runtime = "{runtime}"\n}}\n'
    [*found] = told(google, "google_cloudfunctions_function.f", text)
    assert [one.rpartition("since ")[2] for one in found] == ([since] if since else [])
