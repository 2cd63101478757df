"""A process whose files may not grow past a size: what a full disk does, without one.

Prints a line of JSON: the numbers acknowledged before, during and after.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from pathlib import Path

from haechi.errors import StoreFull
from haechi.store.events.events import Events
from tests.store.events.made import HOUR, NOW, NOW_NS, event


def main(folder: Path, size: int) -> None:
    """Append until it is full; then with room again."""
    store = Events(folder, clock=lambda: NOW)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    acknowledged, refused = fill(store)
    told = {"acknowledged": acknowledged, "refused": refused, "full": store.figures()["state"]}
    told["why"] = store.figures()["why"]
    try:
        store.seal(NOW_NS + HOUR)
        told["sealed"] = True
    except StoreFull:
        told["sealed"] = False
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    told["again"] = append(store, refused, refused + 10)
    told["after"] = store.figures()["state"]
    told["sealed_after"] = store.seal(NOW_NS + HOUR)
    told["finally"] = store.figures()["state"]
    store.close()
    print(json.dumps(told))


def fill(store: Events) -> tuple[int, int]:
    """How many were acknowledged, and the first of the batch that was not."""
    number = 0
    while True:
        try:
            append(store, number, number + 10)
        except StoreFull:
            return number, number
        number += 10


def append(store: Events, first: int, last: int) -> int:
    """Events that hardly compress; how many were accepted."""
    told = [
        event(n, ago_ns=n, fields={"blob": hashlib.shake_128(b"%d" % n).hexdigest(8000)})
        for n in range(first, last)
    ]
    return store.append(told).result().accepted


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
