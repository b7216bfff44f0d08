"""Calls that block, beside the event loop or what may be told to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
LOOK = 0.2  # seconds between two looks whether to stop
GRACE = 1.0  # seconds that a call has when it is time to stop


class Stopped(Exception):
    """The call was still under way when it was time to stop."""


async def in_thread(call: Callable[[], T]) -> T:
    """What `call` returns or raises.

    Unlike `asyncio.to_thread` nobody waits for it once the caller has given up, not even the end of the program: a
    look-up that hangs for a minute, or a dead network drive, must not hold up who set a deadline.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(value)  # type: ignore[arg-type]
        else:
            answer.set_exception(error)

    def run() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = call()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has closed: nobody waits
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, daemon=True).start()
    return await answer


def unless_stopped(stop: threading.Event, call: Callable[[], T]) -> T:
    """What `call` returns or raises. Raises `Stopped` where it is not done soon after `stop` is set; then nobody
    waits for it, as above."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not (answer.done() or stop.is_set()):
        wait([answer], LOOK)
    if not wait([answer], GRACE).done:
        raise Stopped
    return answer.result()
