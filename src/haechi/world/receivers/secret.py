"""Secrets of receivers: read where the settings say, each time they are used, and kept nowhere.

A file is read anew, so a secret that is renewed counts at once. What goes wrong names the place,
never the value; ``hidden`` takes the value out of any text that a receiver answers with.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.settings import ReceiverSettings

_LARGEST = 64 << 10
_SHORTEST = 4


def secret_of(settings: ReceiverSettings) -> str:
    """The receiver's secret; empty when none is named. NotSent when it cannot be read."""
    return read_secret(settings.secret_file, settings.secret_env)


def url_of(settings: ReceiverSettings) -> str:
    """The receiver's address, from where it stands. NotSent."""
    if settings.url_file or settings.url_env:
        return read_secret(settings.url_file, settings.url_env)
    return settings.web_address


def read_secret(file: str, variable: str) -> str:
    """What stands in the file (0600 is asked of whoever made it) or the variable; one line."""
    if file:
        try:
            with Path(file).open("rb") as stream:
                data = stream.read(_LARGEST + 1)
        except OSError as error:
            raise NotSent(f"the secret cannot be read: {file}: {error.strerror}") from None
        try:
            found = data.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise NotSent(f"the secret in {file} is no text") from None
        if len(data) > _LARGEST:
            raise NotSent(f"the secret in {file} is larger than 64 KiB")
        where = file
    elif variable:
        found, where = os.environ.get(variable, "").strip(), f"${variable}"
    else:
        return ""
    if not found:
        raise NotSent(f"the secret in {where} is empty or not set")
    if not found.isprintable():
        raise NotSent(f"the secret in {where} is not one line of text")
    return found


def standing(settings: ReceiverSettings) -> str:
    """``set``, ``not set`` (none is named), or ``missing`` (named, but it cannot be read)."""
    named = settings.secret_set or settings.url_file or settings.url_env
    if not named:
        return "not set"
    try:
        secret_of(settings)
        url_of(settings)
    except NotSent:
        return "missing"
    return "set"


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets."""
    for one in sorted(secrets, key=len, reverse=True):
        if len(one) >= _SHORTEST:
            text = text.replace(one, "***")
    return text
