"""Settings of all tests: no timed assertion, not even hypothesis' own; machines are shared. And no
advisories but those that a test imports: what is known against a package changes by the day. And
Ctrl-C works: a shell's `&` starts with it ignored, which every process of a test would inherit."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.schedule import WholeFiles

os.environ.pop("HAECHI_DB", None)
os.environ["XDG_DATA_HOME"] = "/nonexistent"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("haechi", deadline=None, print_blob=True)
settings.load_profile("haechi")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: looking through it for garbage, again and again,
    would cost a quarter of collecting it, and then a part of the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WholeFiles | None:
    """Ours for ``--dist loadfile``."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.schedule import WholeFiles

    return WholeFiles(config, log)
