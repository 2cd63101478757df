"""Admission webhooks: called over HTTPS as the stored configurations say."""

from __future__ import annotations

from typing import Any, Protocol

from tests.fakes.apiserver.intake import Hand
from tests.fakes.apiserver.request import Target

Json = dict[str, Any]


class Webhooks(Protocol):
    def mutate(
        self, target: Target, action: str, old: Json | None, new: Json, hand: Hand
    ) -> Json: ...

    def validate(
        self, target: Target, action: str, old: Json | None, new: Json | None, hand: Hand
    ) -> None: ...
