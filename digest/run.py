"""One run: write what is due, deliver what waits, keep a record. `digest run` and `digest serve` both do this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.courier import Delivered, Stop, deliver
from digest.delivery.transport import Transport
from digest.edition import Due, Press, Written
from digest.store import editions

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Ran:
    written: Written
    delivered: Delivered


def run(
    press: Press,
    due: Sequence[Due],
    now: Callable[[], datetime],
    *,
    only: int | None = None,
    reopen: bool = False,
    stop: Stop | None = None,
    writing: Progress = lambda _: None,
    sending: Progress = lambda _: None,
    transport: Transport | None = None,
) -> Ran:
    """Write the letters of `due` and deliver every letter that may go out (of subscriber `only`).

    With `reopen` an empty letter of `due` is written anew where there are papers for it by now.
    """
    store = press.store
    with store.write() as connection:
        run_id = editions.begin_run(connection, now())
    outcome = "stopped by an error"
    written, delivered = Written(), Delivered()
    try:
        written = press.write(due, now(), writing, reopen=reopen)
        delivered = deliver(store, press.config, now, only=only, stop=stop, progress=sending, transport=transport)
        outcome = f"stopped: {delivered.stopped}" if delivered.stopped else "done"
    finally:
        counts = {"ready": written.ready, "empty": written.empty, "already": written.already}
        counts |= {state.value: number for state, number in sorted(delivered.counts.items())}
        counts |= {"expired": delivered.expired, "suppressed": delivered.suppressed, "unwritten": written.failed}
        with store.write() as connection:
            editions.end_run(connection, run_id, now(), outcome, {k: v for k, v in counts.items() if v})
    return Ran(written, delivered)
