"""Admission webhooks: called over HTTPS as the stored configurations say."""

from __future__ import annotations

from typing import Any, Protocol

from tests.fakes.apiserver.request import Target
from tests.fakes.apiserver.writing import Hand

Json = dict[str, Any]


class Webhooks(Protocol):
    def mutate(
        self, target: Target, action: str, old: Json | None, new: Json, hand: Hand
    ) -> Json: ...

    def validate(
        self, target: Target, action: str, old: Json | None, new: Json | None, hand: Hand
    ) -> None: ...
