"""`digest run`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from digest import assembly, clock, profile_folder, roster
from digest.cli.common import (
    NO_SUBSCRIBERS,
    Day,
    Json,
    app,
    complain,
    find_subscriber,
    here,
    letter_rows,
    load_config,
    local,
    note,
    opened,
    progress,
    say,
    say_json,
    show,
    stopping,
)
from digest.config import Config
from digest.edition import Due, Press, by_slot, due_by_hand
from digest.model import Letter, LetterState, Subscriber, SubscriberState
from digest.run import Ran
from digest.run import run as run_edition
from digest.store import letters, outbox, subscribers
from digest.store.opening import Store
from digest.text import count

SHOWN = 30  # letters in the table; a run for thousands is summed up


@app.command(epilog="Example: digest run --day 2026-03-14 --dry-run")
def run(
    day: Day = None,
    only: Annotated[str | None, typer.Option(help="This subscriber alone.", metavar="NAME")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Write and deliver today's letters.

    The whole edition: rank, drop what was already sent, write letters, deliver them.
    Writes to everyone whose cadence falls on the day; the hour is not waited for. Running it again sends nothing
    again, and delivers what is still waiting. A letter that was empty is written after all where papers came in.
    """
    config = load_config()
    now = clock.now()
    if day and day > now.date() + timedelta(days=1) and not dry_run:
        # Its pool is not there yet, and a letter is never written twice.
        raise typer.BadParameter(f"{day} lies ahead; --dry-run shows what there is for it", param_hint="--day")
    assembly.check(config)
    with opened(config, create=False) as store:
        one = None if only is None else find_subscriber(store, only)
        with store.read() as connection:
            everyone = subscribers.everyone(connection)
        _warn_of_unapplied(config, everyone)
        if one and one.state is not SubscriberState.ACTIVE:
            note(f"{one.handle} is {one.state.value} and gets no letters ({one.state_reason})")
        due = due_by_hand([one] if one else everyone, now, day)
        if one and not due and one.state is SubscriberState.ACTIVE:
            on = f"on {day}" if day else "today"
            note(
                f"no letter of {one.handle} is due {on}: {one.cadence}, "
                f"next {local(one.next_due_at, one.time_zone)}"
            )
        press = Press(store, config)
        if dry_run:
            _dry(store, press, due, now, json)
            return
        with progress(("writing", len(due)), ("sending", len(due))) as [writing, sending], stopping() as stop:
            ran = run_edition(
                *(press, due, clock.now),
                only=one.id if one else None,
                reopen=True,
                stop=stop,
                writing=writing,
                sending=sending,
            )
        done = _load(store, due) if json or len(due) <= SHOWN else []
    if json:
        say_json(_plain(ran, done))
    else:
        _tell(ran, done)
        if not everyone:
            note(f"there are no subscribers; {NO_SUBSCRIBERS}")
        elif not due and not only:
            note("nobody is due")
        if config.delivery.kind == "maildir" and ran.delivered.counts[LetterState.SENT]:
            note(f"filed in {here(config.path(config.delivery.maildir))}/")
    if ran.delivered.stopped:
        complain(ran.delivered.stopped)
        raise typer.Exit(ran.delivered.stopped.exit_code)
    counts = ran.delivered.counts
    if ran.written.failed or counts[LetterState.FAILED] or counts[LetterState.UNCERTAIN]:
        raise typer.Exit(1)


def summary(ran: Ran) -> str:
    """ "3 letters written, 1 empty · 3 sent"."""
    written = [f"{count(ran.written.ready, 'letter')} written"]
    written += [f"{ran.written.empty} empty"] if ran.written.empty else []
    written += [f"{ran.written.failed} could not be chosen"] if ran.written.failed else []
    written += [f"{ran.written.already} written before"] if ran.written.already else []
    sent = ["none sent"] if ran.delivered.stopped and not ran.delivered.counts else []
    sent += [f"{number} {state.value}" for state, number in sorted(ran.delivered.counts.items()) if number]
    sent += [f"{ran.delivered.expired} expired"] if ran.delivered.expired else []
    sent += [f"{ran.delivered.suppressed} suppressed"] if ran.delivered.suppressed else []
    sent += ["the rest waits for the next run"] if ran.delivered.stopped else []
    return ", ".join(written) + " · " + (", ".join(sent) or "nothing to send")


def _dry(store: Store, press: Press, due: list[Due], now: datetime, json: bool) -> None:
    with store.read() as connection:
        there = letters.existing(connection, [(reader.id, slot) for reader, slot in due])
        waiting = outbox.count_by_state(connection)
        would: list[Letter] = []
        for slot, readers in by_slot(due).items():
            edition = press.open(slot)
            new = [reader for reader in readers if (reader.id, slot) not in there]
            would += press.compose(connection, edition, new, now)
            would += press.anew(connection, edition, readers, now).values()
    before = len(due) - len(would)
    if json:
        say_json({"would_write": [_letter(letter) for letter in would], "written_before": before})
        return
    if would and len(would) <= SHOWN:
        show(letter_rows(would))
    ready = sum(letter.state is LetterState.READY for letter in would)
    held = waiting.get("ready", 0) + waiting.get("deferred", 0)
    say(
        f"Would write {count(ready, 'letter')} and {len(would) - ready} empty; {before} written before; "
        f"{held} {'waits' if held == 1 else 'wait'} from earlier runs. Nothing was changed."
    )


def _load(store: Store, due: list[Due]) -> list[Letter]:
    with store.read() as connection:
        ids = letters.existing(connection, [(reader.id, slot) for reader, slot in due])
        return sorted(
            letters.by_ids(connection, list(ids.values())), key=lambda one: (one.subscriber.handle, one.slot)
        )


def _tell(ran: Ran, done: list[Letter]) -> None:
    if done:
        show(letter_rows(done))
    told = {letter.id for letter in done}
    for letter, outcome in ran.delivered.troubles[:SHOWN]:
        if letter.id not in told or outcome.state is not LetterState.FAILED:
            note(f"{letter.subscriber.handle}, {letter.slot}: {outcome.state.value}: {outcome.reply}")
    say(summary(ran))
    left = ran.delivered
    if left.waiting and left.next_try_at and not left.stopped:
        note(f"{count(left.waiting, 'letter')} left for a later run; the next try is due {local(left.next_try_at)}")
    for alert in ran.delivered.alerts:
        note(alert)
    if ran.delivered.counts[LetterState.UNCERTAIN]:
        note("uncertain letters are held and never sent again unasked; `digest outbox` lists them")


def _warn_of_unapplied(config: Config, everyone: list[Subscriber]) -> None:
    reading = profile_folder.read(config.path(config.edition.profiles))
    plan = roster.plan(reading, everyone)
    problems = len(reading.problems) + len(plan.problems)
    if problems:
        note(f"{count(problems, 'problem')} in the profiles; `digest profiles diff` shows them")
    if plan.changes:
        note(f"{count(len(plan.changes), 'profile change')} not applied; `digest profiles diff` shows them")


def _plain(ran: Ran, done: list[Letter]) -> dict[str, Any]:
    return {
        "written": {name: value for name, value in asdict(ran.written).items() if name != "gaps"},
        "gaps": [str(gap) for gap in ran.written.gaps],
        "delivered": {state.value: number for state, number in ran.delivered.counts.items()},
        "expired": ran.delivered.expired,
        "suppressed": ran.delivered.suppressed,
        "waiting": ran.delivered.waiting,
        "next_try_at": ran.delivered.next_try_at,
        "alerts": ran.delivered.alerts,
        "stopped": str(ran.delivered.stopped) if ran.delivered.stopped else None,
        "letters": [_letter(letter) for letter in done],
    }


def _letter(letter: Letter) -> dict[str, Any]:
    return {
        "subscriber": letter.subscriber.handle,
        "slot": letter.slot,
        "state": letter.state.value,
        "note": letter.note,
        "subject": letter.subject,
        "message_id": letter.message_id,
        "file": letter.where,
        "sent_at": letter.sent_at,
        "picks": [
            {
                "title": pick.paper.title,
                "keys": pick.paper.keys,
                "score": pick.score,
                "reasons": [asdict(reason) for reason in pick.reasons],
            }
            for pick in letter.picks
        ],
    }
