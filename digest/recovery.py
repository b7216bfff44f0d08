"""Couriers that died: their letters are settled, and no more of them held than may have left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from digest.bounces import note_reply
from digest.delivery import journal
from digest.delivery.transport import Transport
from digest.model import Letter, LetterState, Outcome
from digest.store import couriers, letters, outbox
from digest.store.couriers import Courier
from digest.store.opening import Store


async def settle_abandoned(
    store: Store, transport: Transport, now: Callable[[], datetime]
) -> list[tuple[Letter, Outcome]]:
    """Settle the letters of couriers that are gone; those that had left, and what became of them.

    What had not been let go waits again at once, what the relay had answered is recorded, and what nobody knows is
    held as uncertain. A courier of this machine counts as gone when its process is; another one, and one that is
    asleep, when its lease has run out.
    """
    with store.read() as connection:
        others = gone(connection, now())
    settled: list[tuple[Letter, Outcome]] = []
    for one in others:
        path = Path(one.journal)
        fates = await _ask(store, transport, one)
        with store.write() as connection:
            # Whoever strikes it off the list settles its letters; a courier that has woken up meanwhile keeps them.
            lapsed = None if _is_dead(one) else now()
            wanted = couriers.sign_off(connection, one.token, lapsed)
            if one.place and wanted is None:
                continue
            told = None
            if one.journal:
                with suppress(OSError):  # it is not on this machine
                    told = journal.strike(path)
            outcomes = _settle(connection, one, told, fates, now(), cancelled=wanted == "cancel")
            found, _ = letters.readable(connection, list(outcomes))
            for letter in found:
                note_reply(connection, letter.id, letter.subscriber.address, outcomes[letter.id], now())
        if told and not told.alive:
            journal.remove(path)
        settled += [(letter, outcomes[letter.id]) for letter in found]
    return settled


def gone(connection: sa.Connection, now: datetime) -> list[Courier]:
    """The couriers whose letters may be taken; for letters that nobody answers for one without a place."""
    working = [one for one in couriers.everyone(connection) if one.lease_until <= now or _is_dead(one)]
    return working + [Courier(token, "", now, now) for token in couriers.strays(connection)]


def _is_dead(one: Courier) -> bool:
    # A lock that is free says that its process is dead, but only on the machine that the process ran on.
    return bool(one.journal) and _is_here(one) and journal.is_held(Path(one.journal)) is False


def _is_here(one: Courier) -> bool:
    """Whether it ran on this machine, since it was switched on."""
    return one.boot == journal.boot() != ""


async def _ask(store: Store, transport: Transport, one: Courier) -> dict[str, Outcome]:
    """What the place that its letters went to knows of them: Message-ID → outcome.

    Asked before the transaction that decides, which keeps everybody else from writing. Whoever struck it off first,
    or a courier that woke up, makes the answers void; should one file a letter that we have just not found, the
    letter is found when it is about to be filed again.
    """
    if one.place != transport.name:  # another place, as after a change of configuration, knows nothing of them
        return {}
    with store.read() as connection:
        held = outbox.held_by(connection, one.token)
    return await transport.settle([message_id for message_id, _ in held.values()]) if held else {}


def _settle(
    connection: sa.Connection,
    one: Courier,
    told: journal.Told | None,
    fates: Mapping[str, Outcome],
    now: datetime,
    *,
    cancelled: bool,
) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    untouched: list[int] = []
    if not one.place:
        couriers.mark_strays(connection)
    for letter_id, (message_id, attempt) in outbox.held_by(connection, one.token).items():
        # What it says of an earlier try is old.
        current = told is not None and told.attempts.get(letter_id) == attempt
        said = told.heard.get(letter_id) if told and current else None
        if said:
            outcomes[letter_id] = said
            continue
        # What a journal from before the last boot does not say may have been lost with the machine.
        if told and _is_here(one) and not (current and letter_id in told.left):
            untouched.append(letter_id)
            continue
        found = fates.get(message_id)
        if found and found.state is LetterState.DEFERRED:  # certainly not delivered
            untouched.append(letter_id)
            continue
        outcomes[letter_id] = found or Outcome(
            LetterState.UNCERTAIN,
            "the run that was sending it ended without a word; it may or may not have left",
            kind="unknown-fate",
        )
    outbox.record(connection, one.token, outcomes, now)
    outbox.give_back(connection, one.token, untouched, "", now)
    if cancelled:  # also what the relay refused for now
        outbox.cancel(connection, now, [*untouched, *outcomes])
    return outcomes
