"""The store, its clock, and whether the sums of the letters are right."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from digest.doctor.pages import judge_clock
from digest.doctor.relay import NO_NETWORK
from digest.doctor.result import Patient, Result, fail, ok, see, unknown, warn
from digest.errors import StoreError, StoreMissing
from digest.model import LetterState
from digest.store import health
from digest.store.health import Database, Sums
from digest.text import count
from digest.threads import in_thread

PATIENCE = 4.5  # seconds, for the connection and for each statement
OLDEST_POSTGRESQL = 14
SLOW = 0.1  # seconds for a word and its answer: every group of letters costs a few
WAITS_LONG = timedelta(hours=24)  # after which a letter expires


async def store(patient: Patient) -> list[Result]:
    url = patient.config.store_url
    try:
        if patient.offline and not health.is_local(url):
            return [unknown("store.database", "--offline, and the store is on another machine")]
        database = await in_thread(lambda: health.examine(url, patient.now, PATIENCE))
    except StoreMissing as error:
        return [unknown("store.database", str(error))]
    except StoreError as error:
        if any(os.strerror(number) in str(error) for number in NO_NETWORK):
            return [unknown("store.database", str(error))]
        return [fail("store.database", str(error), "`digest status` says the same until it is mended")]
    results = judge(database)
    if not database.current:
        return [*results, *(see(name, "store.schema") for name in NAMES if name.startswith("letters."))]
    found = await in_thread(lambda: health.sums(url, PATIENCE))
    return [*results, *judge_letters(found, patient.now())]


NAMES = ("store.database", "store.schema", "letters.sums", "letters.doubt", "letters.waiting", "letters.run")


def judge(database: Database) -> list[Result]:
    results = [_sqlite(database) if database.kind == "sqlite" else _postgresql(database), _schema(database)]
    if database.clock and database.asked_at:
        ahead = database.asked_at - database.clock
        results.append(
            judge_clock("clock.database", ahead, f"the database says {database.clock:%Y-%m-%d %H:%M:%S %Z}")
        )
    return results


def _sqlite(database: Database) -> Result:
    name = "store.database"
    version = ".".join(map(str, database.version))
    seen = f"SQLite {version}, {database.size / 1e6:,.1f} MB, journal mode {database.journal}"
    if database.damage:
        remedy = "stop Digest and put a copy back; `sqlite3 digest.db .recover` saves what can be read"
        return fail(name, f"{seen}; quick_check: {database.damage}", remedy)
    if database.journal != "wal":
        return warn(name, seen, "any command that opens the store sets it to wal; not on a network drive")
    if database.damage is None:
        return unknown(name, f"{seen}; quick_check was not done in {PATIENCE:g} s", "PRAGMA quick_check does it")
    return ok(name, f"{seen}; quick_check: ok")


def _postgresql(database: Database) -> Result:
    name = "store.database"
    seen = f"PostgreSQL {'.'.join(map(str, database.version))}, {database.latency * 1000:.1f} ms for an answer"
    if database.version[:1] < (OLDEST_POSTGRESQL,):
        return warn(name, seen, f"nobody mends what is older than {OLDEST_POSTGRESQL}: upgrade it")
    if database.latency > SLOW:
        return warn(name, seen, "put the database nearer: it is asked a few times for each group of letters")
    return ok(name, seen)


def _schema(database: Database) -> Result:
    name = "store.schema"
    if database.schema is None:
        remedy = "`digest ingest` or `digest profiles apply` makes them; else check `[store] url`"
        return warn(name, "there are no tables of Digest in it", remedy)
    if database.current:
        return ok(name, f"{database.schema}, the newest")
    if database.known_schema:
        seen = f"{database.schema}; this Digest has {database.newest_schema}"
        return warn(
            name, seen, "the next command that opens the store, such as `digest status`, brings it up to date"
        )
    seen = f"{database.schema}; this Digest knows no newer than {database.newest_schema}"
    return fail(name, seen, "a newer Digest wrote the store: upgrade this one")


def judge_letters(sums: Sums, now: datetime) -> list[Result]:
    results = [_sum(sums)]
    doubt = sums.by_state.get(LetterState.UNCERTAIN.value, 0)
    if doubt:
        remedy = "`digest outbox --state uncertain` lists them; `digest outbox resend` or `settle` decides"
        results.append(warn("letters.doubt", f"{count(doubt, 'letter')} may or may not have arrived", remedy))
    else:
        results.append(ok("letters.doubt", "no letter is uncertain"))
    results.append(_waiting(sums, now))
    results.append(_run(sums, now))
    return results


def _sum(sums: Sums) -> Result:
    name = "letters.sums"
    known = {state.value for state in LetterState}
    said = ", ".join(f"{number} {state}" for state, number in sums.by_state.items()) or "none"
    seen = f"{said}; {sums.total} in all"
    if strange := sorted(set(sums.by_state) - known):
        return fail(name, f"{seen}: no letter of ours is {', '.join(strange)}", "something else wrote to the store")
    if sum(sums.by_state.values()) != sums.total:
        return fail(name, f"{seen}: the states do not add up", "the store is damaged: put a copy back")
    return ok(name, seen)


def _waiting(sums: Sums, now: datetime) -> Result:
    name = "letters.waiting"
    if sums.oldest_waiting is None:
        return ok(name, "no letter waits")
    seen = f"the oldest that waits was written {sums.oldest_waiting:%Y-%m-%d %H:%M} UTC"
    if now - sums.oldest_waiting > WAITS_LONG:
        return warn(name, seen, "`digest outbox` says why; `digest run` sends what can be sent")
    return ok(name, seen)


def _run(sums: Sums, now: datetime) -> Result:
    name = "letters.run"
    last = sums.last_run
    if last is None:
        seen = "nothing has run yet"
    elif last.ended_at is None:
        seen = f"one runs since {last.started_at:%Y-%m-%d %H:%M} UTC"
        if now - last.started_at > WAITS_LONG:
            return warn(name, f"{seen}, or was killed", "`digest run` takes up what it left")
    else:
        seen = f"the last ended {last.ended_at:%Y-%m-%d %H:%M} UTC: {last.outcome}"
        if last.outcome != "done":
            return warn(name, seen, "see “The mail server”; then `digest run` sends what waits")
    if sums.longest_due and now - sums.longest_due > WAITS_LONG:
        due = f"{seen}; a subscriber is due since {sums.longest_due:%Y-%m-%d %H:%M} UTC"
        return warn(name, due, "keep `digest serve` running, or call `digest run` each day")
    return ok(name, seen)
