"""`digest status` and `digest why`: what is there, and what happened to every letter."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from digest import clock
from digest.cli.common import (
    NO_SUBSCRIBERS,
    Json,
    app,
    find_subscriber,
    gist,
    here,
    hinted,
    load_config,
    local,
    narrow,
    note,
    opened,
    paused,
    row,
    say,
    say_json,
    show,
    table,
)
from digest.cli.health import failing
from digest.model import LetterState, Subscriber
from digest.store import couriers, editions, letters, outbox, papers, pauses, sources, subscribers, transitions
from digest.text import count


@app.command(epilog="Example: digest status --subscribers")
def status(
    everyone: Annotated[bool, typer.Option("--subscribers", help="List the subscribers.")] = False,
    json: Json = False,
) -> None:
    """Papers, subscribers, letters, pauses, the last run."""
    config = load_config()
    with opened(config, create=False) as store, store.read() as connection:
        stored, listings = papers.count(connection)
        newest = papers.newest_listing(connection)
        readers = subscribers.everyone(connection)
        by_state = subscribers.count_by_state(connection)
        by_letter = outbox.count_by_state(connection)
        last = editions.last_run(connection)
        at_work = bool(couriers.everyone(connection))
        stops = pauses.in_force(connection, clock.now())
        names = [one.name for one in config.sources]
        troubles = failing(sources.health(connection), sources.recent(connection, names, clock.now().date()))
    waits = by_letter.get("ready", 0) + by_letter.get("deferred", 0)
    active = [one.next_due_at for one in readers if one.state.value == "active" and one.next_due_at]
    if json:
        say_json(
            {
                "store": store.url,
                "papers": stored,
                "listings": listings,
                "newest_listing": newest,
                "subscribers": by_state,
                "letters": {state.value: by_letter.get(state.value, 0) for state in LetterState},
                "paused": [asdict(stop) for stop in stops.values()],
                "failing_sources": troubles,
                "next_due_at": min(active, default=None),
                "last_run": last
                and {
                    "started_at": last.started_at,
                    "ended_at": last.ended_at,
                    "outcome": last.outcome,
                    **last.counts,
                },
            }
            | ({"subscriber_list": [_subscriber(one) for one in readers]} if everyone else {})
        )
        return
    made = table("what", "how it stands", wide={"how it stands": 1})
    made.show_header = False
    row(
        made,
        "papers",
        f"{stored}, in {count(listings, 'listing')}" + (f"; the newest of {newest}" if newest else ""),
    )
    if troubles:
        first, *others = (f"{name}: {words}" for name, words in troubles.items())
        more = f" (and {count(len(others), 'other source')}; `digest sources` lists them)" if others else ""
        row(made, "sources", hinted(first + more))
    row(made, "subscribers", _counts(by_state) or hinted(f"none; {NO_SUBSCRIBERS}"))
    row(
        made,
        "letters",
        (_counts(by_letter) or "none yet") + (hinted("; `digest run` sends what is ready") if waits else ""),
    )
    for stop in stops.values():
        row(made, "paused", paused(stop))
    row(made, "last run", _run(last, at_work) if last else "none yet")
    row(made, "next due", local(min(active)) if active else "nobody")
    show(made)
    if everyone:
        say()
        because = ["because"] if any(one.state_reason for one in readers) else []
        columns = ["subscriber", "address", "state", "cadence", "next due there", *because]
        people = table(*columns, wide={"address": 2, "next due there": 2, "because": 1})
        for one in readers:
            due = f"{local(one.next_due_at, one.time_zone)} {one.time_zone}" if one.state.value == "active" else ""
            cells = [one.handle, one.address, one.state.value, one.cadence, due, one.state_reason]
            row(people, *cells[: len(columns)])
        show(people)


@app.command(epilog="Example: digest why alice")
def why(
    name: Annotated[str, typer.Argument(help="The subscriber: handle or address.", metavar="NAME")],
    limit: Annotated[
        int, typer.Option(help="At most so many letters, newest first.", min=1, max=10_000, metavar="N")
    ] = 30,
    json: Json = False,
) -> None:
    """What became of each of NAME's letters, step by step.

    When it was chosen, each try with the server's reply as it was given, the next try; newest first.
    """
    config = load_config()
    with opened(config, create=False) as store:
        reader = find_subscriber(store, name)
        with store.read() as connection:
            mine = letters.of_subscriber(connection, reader.id, limit)
            happened = outbox.histories(connection, [one.id for one in mine])
            stops = pauses.in_force(connection, clock.now())
    timelines = [(one, outbox.timeline(one, happened.get(one.id, []))) for one in mine]
    if json:
        say_json(
            [
                {
                    "slot": one.slot,
                    "state": one.state.value,
                    "note": one.note,
                    "subject": one.subject,
                    "papers": [pick.paper.title for pick in one.picks],
                    "candidates": one.candidates,
                    "attempts": one.attempts,
                    "sent_at": one.sent_at,
                    "next_try_at": one.next_try_at,
                    "message_id": one.message_id,
                    "file": one.where,
                    "timeline": [asdict(step) for step in steps],
                }
                for one, steps in timelines
            ]
        )
        return
    state = reader.state.value + (f" ({reader.state_reason})" if reader.state_reason else "")
    due = f"; next due {local(reader.next_due_at, reader.time_zone)}" if reader.state.value == "active" else ""
    say(
        f"{reader.handle} <{reader.address}>: {state}, "
        f"{reader.cadence} at {reader.hour:02}:00 {reader.time_zone}{due}"
    )
    if not mine:
        say("no letter yet")
        return
    made = table("slot", "state", "when", "what", wide={"what": 1})
    for one, steps in timelines:
        first = f"{count(len(one.picks), 'paper')} of {one.candidates}: {one.subject}" if one.picks else gist(one)
        row(made, one.slot, one.state.value, local(one.created_at, reader.time_zone), first)
        for step in steps:
            what = step.state.value + (f": {step.note}" if step.note else "")
            if step.next_try_at:
                what += f" — next try {local(step.next_try_at, reader.time_zone)}"
            if step.state is LetterState.SENT and one.where and not narrow():
                what += f" — {here(one.where)}"
            row(made, "", "", local(step.at, reader.time_zone), what)
    show(made)
    if any(one.state in transitions.WAITING for one in mine):
        for stop in stops.values():
            note(paused(stop))


def _subscriber(one: Subscriber) -> dict[str, object]:
    return {
        "handle": one.handle,
        "address": one.address,
        "state": one.state.value,
        "reason": one.state_reason,
        "cadence": one.cadence,
        "hour": one.hour,
        "time_zone": one.time_zone,
        "next_due_at": one.next_due_at,
    }


def _counts(by_state: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in by_state.items() if number)


def _run(last: editions.Run, at_work: bool) -> str:
    """When, what came of it, and last, since it may be long, what stopped it."""
    words = {"ready": "written", "already": "written before", "unwritten": "could not be chosen"}
    counts = [f"{number} {words.get(what, what)}" for what, number in last.counts.items()]
    took = [f"{(last.ended_at - last.started_at).total_seconds():.0f} s"] if last.ended_at else []
    age = (clock.now() - last.started_at).total_seconds()
    going = age < 3600 or at_work
    state = last.outcome if last.ended_at else "still going" if going else "did not end: it was killed"
    if state == "done" and not counts:
        state = "nothing was due"
    return ", ".join([local(last.started_at), *took, *counts, state])
