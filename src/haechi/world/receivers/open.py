"""Settings into a receiver: the one place that knows which module is for which kind.

A module is imported when a receiver of its kind is there: a server without alerts loads none.
"""

from __future__ import annotations

from importlib import import_module

from haechi.world.receivers.sending import Receiver
from haechi.world.receivers.settings import ReceiverSettings

_CLASSES = {
    "webhook": "Webhook",
    "slack": "Slack",
    "alertmanager": "Alertmanager",
    "smtp": "Mail",
    "pagerduty": "PagerDuty",
    "jira": "Jira",
    "github": "GitHub",
    "gitlab": "GitLab",
    "otlp": "Otlp",
    "syslog": "Syslog",
}


def opened(settings: ReceiverSettings) -> Receiver:
    """The receiver. Nothing is connected before it sends."""
    module = import_module(f"haechi.world.receivers.{settings.kind}")
    made: Receiver = getattr(module, _CLASSES[settings.kind])(settings)
    return made
