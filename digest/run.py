"""One run: write what is due, deliver what waits, keep a record. `digest run` and `digest serve` both do this."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from digest.courier import PATIENCE, Delivered, Stop, deliver
from digest.delivery.transport import Transport
from digest.edition import Due, Press, Written
from digest.gaps import in_words
from digest.store import editions, pauses
from digest.store.pauses import EVERYTHING, Pause

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Ran:
    written: Written
    delivered: Delivered


SEEN = ".last-run"  # beside the configuration, so that a store that was put back is known for one
RESTORED = (
    "the store does not know of the run of {at:%Y-%m-%d %H:%M} UTC, so an older copy was put back. What waits in"
    " it, and what is written now, may have been sent since. See `digest outbox`; `digest cancel` takes it back"
)

log = logging.getLogger(__name__)


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
    patience: timedelta = PATIENCE,
) -> Ran:
    """Write the letters of `due` and deliver every letter that may go out (of subscriber `only`).

    With `reopen` an empty letter of `due` is written anew where there are papers for it by now.
    """
    store = press.store
    with store.write() as connection:
        last = _last_seen(press.config.home, store.url)
        restored = RESTORED.format(at=last[1]) if last and not editions.has_run(connection, *last) else ""
        if restored:
            pauses.pause(connection, Pause(EVERYTHING, restored, "restore", now()))
        at = now()
        run_id = editions.begin_run(connection, at)
    _see(press.config.home, store.url, run_id, at, ended=False)
    outcome = "stopped by an error"
    written, delivered = Written(), Delivered()
    try:
        stopped = stop.is_set if stop else lambda: False
        written = press.write(due, now(), writing, reopen=reopen, stopped=stopped)
        delivered = deliver(
            *(store, press.config, now),
            only=only,
            stop=stop,
            progress=sending,
            transport=transport,
            patience=patience,
        )
        delivered.alerts += [restored] if restored and not delivered.stopped else []
        delivered.alerts += [f"{words}; the letters stand on what is there" for words in in_words(written.gaps)]
        outcome = f"stopped: {delivered.stopped}" if delivered.stopped else "done"
    finally:
        counts = {"ready": written.ready, "empty": written.empty, "already": written.already}
        counts |= {state.value: number for state, number in sorted(delivered.counts.items())}
        counts |= {"expired": delivered.expired, "suppressed": delivered.suppressed, "unwritten": written.failed}
        with store.write() as connection:
            editions.end_run(connection, run_id, now(), outcome, {k: v for k, v in counts.items() if v})
        _see(press.config.home, store.url, run_id, at, ended=True)
    return Ran(written, delivered)


def _last_seen(home: Path, url: str) -> tuple[int, datetime, bool] | None:
    """The last run that this machine saw begin on the store, and whether it saw it end."""
    try:
        seen = json.loads((home / SEEN).read_text("utf-8"))
        last = int(seen["run"]), datetime.fromisoformat(seen["at"]), bool(seen["ended"])
        return last if seen["store"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none yet, or not to be read: then nothing is known


def _see(home: Path, url: str, run_id: int, at: datetime, *, ended: bool) -> None:
    seen = {"store": url, "run": run_id, "at": at.isoformat(), "ended": ended}
    try:
        (home / SEEN).write_text(json.dumps(seen), "utf-8")
    except OSError as error:
        log.warning("%s: %s; a copy of the store that is put back will not be known for one", home / SEEN, error)
