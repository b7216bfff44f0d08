"""A collector of garbage that waits, for work that makes many objects and no circles of them."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 100_000  # objects that are made before the collector looks at them

_lock = threading.Lock()
_waiting = 0  # how many ask for it at the moment, each in a thread of its own
_usual: tuple[int, int, int] = gc.get_threshold()


@contextmanager
def patient_collector() -> Iterator[None]:
    """What is there by now stays, and the collector need not look through all of it again and again; nor through
    what is in hand. Anybody else in the process has it, too, for so long."""
    global _waiting, _usual
    with _lock:
        if not _waiting:
            _usual = gc.get_threshold()
            gc.freeze()
            gc.set_threshold(YOUNG, *_usual[1:])
        _waiting += 1
    try:
        yield
    finally:
        with _lock:
            _waiting -= 1
            if not _waiting:
                gc.set_threshold(*_usual)
                gc.unfreeze()
