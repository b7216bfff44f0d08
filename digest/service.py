"""`digest serve`: a tick every minute, beside it the sources, and now and then the mailbox of what came back.

What is due comes from the store, so a restart forgets nothing.
"""

from __future__ import annotations

import logging
import shlex
import signal
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler

from digest import clock
from digest.bounces import Desk, in_mailbox, keys_of, pause_if_too_many
from digest.collect import Collected, collect
from digest.config import Config
from digest.delivery.replies import clean_reply
from digest.edition import Press, due_now
from digest.errors import DeliveryPaused, DigestError, PageDayUnclear, StoreError
from digest.ingest import ingest, pages_in
from digest.model import LetterState
from digest.recovery import gone
from digest.run import run
from digest.store import outbox, pauses, subscribers
from digest.store.opening import Store, open_store
from digest.store.pauses import EVERYTHING
from digest.text import count, ended

MAILBOX_EVERY = timedelta(minutes=15)
LONGEST_WAIT = timedelta(minutes=15)  # between two tries of a relay that is down
PATIENCE = timedelta(minutes=1)  # for the pace; then other things are due, and the next tick goes on
MOST_TOLD = 3  # failures of one source in one round
SETTLED = timedelta(seconds=2)  # a file that was written to a moment ago may not be whole yet

log = logging.getLogger("digest")


def serve(config: Config) -> None:
    """Tick until SIGTERM or SIGINT; then finish the letters that are under way and return."""
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        log.info("%s: finishing what is under way", signal.Signals(number).name)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    store = open_store(config.store_url, create=False)
    try:
        service = Service(store, config, stopping)
        # One process, its jobs kept in memory: the scheduler only ticks. One tick of a job at a time; what was
        # missed while one ran long or the machine slept becomes a single one, however late.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(timezone="UTC")
        jobs = {service.tick: timedelta(seconds=config.serve.tick_seconds)}
        # Apart: however long a source or a mailbox takes, no letter waits for it.
        if config.sources:
            jobs[service.ask_sources] = timedelta(minutes=config.collect.every_minutes)
        if config.bounces.imap.host:
            jobs[service.look_into_mailbox] = MAILBOX_EVERY
        for job, every in jobs.items():
            scheduler.add_job(
                job,
                "interval",
                seconds=every.total_seconds(),
                next_run_time=clock.now(),
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
            )
        scheduler.start()
        log.info("serving %s; a look every %d s", config.home.resolve(), config.serve.tick_seconds)
        if config.sources:
            log.info("%s, asked every %d min", count(len(config.sources), "source"), config.collect.every_minutes)
        stopping.wait()
        scheduler.shutdown(wait=True)
        log.info("ended")
    finally:
        store.close()


class Service:
    """What the ticks do. Each step is on its own: a page that cannot be read delays no letter."""

    def __init__(self, store: Store, config: Config, stopping: threading.Event) -> None:
        self.store, self.config, self.stopping = store, config, stopping
        self.press = Press(store, config)
        self._failures = 0  # runs in a row that a relay or the store stopped
        self._quiet_until: datetime | None = None
        self._seen: dict[Path, tuple[int, int]] = {}  # page → (mtime in ns, size) when it was last taken

    def tick(self) -> None:
        self._each(self.take_pages, self.send_letters)

    def look_into_mailbox(self) -> None:
        # Also what was taken before the mailbox broke down may be too much.
        self._each(self.take_bounces, self.heed_bounces)

    def _each(self, *steps: Callable[[], None]) -> None:
        for step in steps:
            if self.stopping.is_set():
                return
            try:
                step()
            except DigestError as error:
                log.error("%s", error)
            except Exception:
                log.exception("this tick failed; the next one tries again")

    def take_pages(self) -> None:
        """Ingest what is new or changed in the inbox folder. Taking a page twice adds nothing, so a restart may."""
        folder = self.config.path(self.config.edition.inbox)
        if not folder.is_dir():
            return
        now = clock.now()
        for path in pages_in([folder]):
            try:
                found = path.stat()
            except OSError:
                continue  # moved away between the look and now
            version = (found.st_mtime_ns, found.st_size)
            age = (now - datetime.fromtimestamp(found.st_mtime, UTC)).total_seconds()
            if self._seen.get(path) == version or 0 <= age < SETTLED.total_seconds():
                continue
            # A page without a year means the year in which it was saved, also when it is read again years later.
            saved = now - timedelta(seconds=max(age, 0))
            self._seen[path] = version
            try:
                done = ingest(self.store, path, clock.machine_day(saved), now)
            except StoreError:
                del self._seen[path]  # not the page's fault: it is taken with the next look
                raise
            except Exception:
                log.exception("%r could not be taken", path.name)
                continue
            if isinstance(done.error, PageDayUnclear):
                # What the error says of --day is said to somebody who typed a command.
                home, page = (shlex.quote(str(one.resolve())) for one in (self.config.home, path))
                remedy = f"digest --home {home} ingest {page} --day YYYY-MM-DD"
                log.error("%s: %s. Take it by hand: %s", path.name, done.error.fields["detail"], remedy)
                continue
            if done.error:
                log.error("%s", done.error)
                continue
            if not done.papers:
                log.warning("%s: no papers found in it", path.name)
                continue
            if not done.added.listings:
                continue  # it was taken before; after a restart all of them were
            log.info(
                "%s: %s, %s: %d new, %d known, %d merged, %d rejected",
                *(path.name, done.day, count(done.papers, "paper")),
                *(done.added.new, done.added.known, done.added.merged, len(done.rejected)),
            )

    def take_bounces(self) -> None:
        """Read what came back to the mailbox of `[bounces.imap]`. What is not stored stays unread there."""
        desk = Desk(self.store, keys_of(self.config), clock.now)
        counts: Counter[str] = Counter()
        try:
            for mail in in_mailbox(self.config, self.stopping):
                try:
                    taken = desk.take(mail.data)
                except StoreError:
                    raise
                except Exception:
                    log.exception("%s could not be taken", mail.name)
                    continue
                mail.seen()
                counts[taken.kind] += 1
                if taken.suppressed:
                    log.info("%s: suppressed (%s: %s)", taken.address, taken.kind, clean_reply(taken.detail))
                elif taken.is_operators:
                    log.warning("%s: %s: %s", taken.kind, mail.name, clean_reply(taken.detail))
                if self.stopping.is_set():
                    return
        finally:
            if counts:
                kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
                log.info("%s came back: %s", count(counts.total(), "mail"), kinds)

    def heed_bounces(self) -> None:
        if made := pause_if_too_many(self.store, clock.now()):
            log.error("delivery is paused: %s", made.reason)

    def ask_sources(self) -> None:
        """Ask every source; a line for each that had news or failed."""
        try:
            done = collect(self.store, self.config, clock.now, stop=self.stopping, settle=SETTLED)
        except DigestError as error:
            log.error("%s", error)
        except Exception:
            log.exception("the sources could not be asked; the next time tries again")
        else:
            for one in done:
                _log_of(one)

    def send_letters(self) -> None:
        """Write the letters of those whose hour has come; deliver these and whatever else may go out."""
        now = clock.now()
        with self.store.read() as connection:
            due = due_now(subscribers.due(connection, now), now)
            waiting = outbox.next_try(connection)
            abandoned = gone(connection, now)
            if EVERYTHING in pauses.in_force(connection, now):
                waiting = None
        if not due and not abandoned and (waiting is None or waiting > now):
            return
        if not due and self._quiet_until and now < self._quiet_until:
            return
        ran = run(self.press, due, clock.now, stop=self.stopping, patience=PATIENCE)
        for alert in ran.delivered.alerts:
            log.error("%s", alert)
        for letter, outcome in ran.delivered.troubles:
            log.warning(
                "%s: letter of %s %s: %s", letter.subscriber.handle, letter.slot, outcome.state, outcome.reply
            )
        log.info(
            "%d due: %s written, %d empty; %d sent",
            *(
                len(due),
                count(ran.written.ready, "letter"),
                ran.written.empty,
                ran.delivered.counts[LetterState.SENT],
            ),
        )
        stopped = ran.delivered.stopped
        if isinstance(stopped, DeliveryPaused):  # it goes on with the tick after `digest resume`
            log.error("%s", stopped)
            return
        self._failures = self._failures + 1 if stopped else 0
        if stopped:
            # A relay that is down is not asked every minute.
            wait = min(timedelta(minutes=2 ** min(self._failures - 1, 4)), LONGEST_WAIT)
            self._quiet_until = now + wait
            minutes = count(int(wait.total_seconds() // 60), "minute")
            log.error("%s Next try in %s.", ran.delivered.stopped, minutes)


def _log_of(one: Collected) -> None:
    if one.added.new or one.added.merged or one.added.listings:
        log.info(
            "%s: %s fetched: %d new, %d known, %d merged, %d rejected",
            *(one.source, count(one.fetched, "paper")),
            *(one.added.new, one.added.known, one.added.merged, one.refused),
        )
    for failure in one.failures[:MOST_TOLD]:
        at = failure.next_try_at
        until = f"not before {at:%Y-%m-%d %H:%M} UTC" if at else "when they are asked again"
        log.error("%s: %s Next try: %s", one.source, ended(failure.detail), until)
    if len(one.failures) > MOST_TOLD:
        log.error("%s: … and %d more", one.source, len(one.failures) - MOST_TOLD)
