"""Profile files in a folder ↔ subscribers in the store.

`plan` says what the files would change, `apply` does it. A file that is wrong changes
nothing: its subscriber stays as it is. A file that is gone pauses its subscriber; nothing is ever deleted, memory
least of all. Who asked us to stop, or whose address refuses mail, does not come back because a file says so; who
bounced does with another address, if that is not on the suppression list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import sqlalchemy as sa

from digest import clock
from digest.errors import Problem
from digest.model import Profile, Subscriber, SubscriberState
from digest.profile_folder import Reading, shown
from digest.store import subscribers as stored_subscribers
from digest.store import suppressions
from digest.store.opening import Store
from digest.store.suppressions import Suppression
from digest.text import clean

FILE_REMOVED = "profile file removed"  # the only pause that a file can end

Kind = Literal["new", "changed", "renamed", "paused", "resumed"]


class Difference(NamedTuple):
    """One thing that differs, in words. An empty side is something that is not there."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"+ {self.field} {self.after}"
        if not self.after:
            return f"- {self.field} {self.before}"
        return f"{self.field}: {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one subscriber."""

    kind: Kind
    handle: str
    subscriber: Subscriber  # as it will be stored; `next_due_at` is set when it is
    before: Subscriber | None = None
    fields: tuple[Difference, ...] = ()
    note: str = ""

    @property
    def details(self) -> tuple[str, ...]:
        """What differs and what to know about it, a line each."""
        return (*map(str, self.fields), *([self.note] if self.note else []))


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying a reading changes, in the order of handles."""

    changes: tuple[Change, ...] = ()
    unchanged: int = 0  # subscribers whose valid file says what is stored
    untouched: tuple[str, ...] = ()  # handles of subscribers that stay as they are since their file is invalid
    problems: tuple[Problem, ...] = ()  # valid files that cannot be taken over as things stand
    pauses_everyone: bool = False  # no profile is left: more likely a wrong folder than a wish

    @property
    def counts(self) -> Counter[str]:
        """How many changes of each kind."""
        return Counter(change.kind for change in self.changes)


def held(connection: sa.Connection, reading: Reading) -> dict[str, Suppression]:
    """Case-folded address → why it must not be written to, for those that the files name."""
    return suppressions.held(connection, [one.address for one in reading.subscribers])


def plan(
    reading: Reading, stored: Sequence[Subscriber], held: Mapping[str, Suppression] = MappingProxyType({})
) -> Plan:
    """What the files change. Subscribers are recognised by address first, then by handle. Writes nothing.

    A file that would bring an address back that is `held`, on the suppression list, waits.
    """
    matched, untouched, problems = _match(reading, stored, held)
    changes: list[Change] = []
    unchanged = 0
    for one, before in matched:
        if before is None:
            changes.append(Change("new", one.handle, one, None, differences(None, one)))
        elif change := _change(before, one):
            changes.append(change)
        else:
            unchanged += 1
    here = {before.id for _, before in matched if before} | untouched
    taken = {one.handle.casefold(): one for one, _ in matched}
    for one in stored:
        if one.id in here or reading.unreadable:
            continue
        if change := _gone(one, taken.get(one.handle.casefold())):
            changes.append(change)
    paused = {change.before.id for change in changes if change.kind == "paused" and change.before}
    active = {one.id for one in stored if one.state is SubscriberState.ACTIVE}
    return Plan(
        changes=tuple(sorted(changes, key=lambda change: (change.handle.casefold(), change.handle))),
        unchanged=unchanged,
        untouched=tuple(one.handle for one in stored if one.id in untouched),
        problems=tuple(problems),
        pauses_everyone=bool(active) and active == paused and not reading.subscribers,
    )


def apply(store: Store, reading: Reading, now: datetime) -> Plan:
    """Bring the store to what the files say, in one transaction. Returns the plan that was carried out.

    The plan is made inside the transaction: who has left us a moment ago stays gone.
    """
    with store.write() as connection:
        stored = stored_subscribers.everyone(connection, lock=True)
        done = plan(reading, stored, held(connection, reading))
        _write(connection, done.changes, now)
    return done


def differences(before: Subscriber | None, after: Subscriber) -> tuple[Difference, ...]:
    """What a reader sees differ; against None, all that is not the default."""
    fresh = before is None
    old = before or Subscriber(handle=after.handle, address="")
    found = [
        Difference("handle", old.handle, after.handle),
        Difference("address", old.address, after.address),
        Difference("name", _quoted(old.name), _quoted(after.name)),
        Difference("time_zone", old.time_zone, after.time_zone),
        Difference("cadence", old.cadence, after.cadence),
        Difference("hour", str(old.hour), str(after.hour)),
        Difference("language", old.language, after.language),
        *_profile_differences(old.profile, after.profile),
    ]
    changed = [one for one in found if one.before != one.after]
    # Of a new subscriber there is no "before" to show.
    return tuple(one._replace(before="") if fresh else one for one in changed)


def differs(stored: Subscriber, file: Subscriber) -> bool:
    """Does the file say something else than what is stored?"""
    return bool(differences(stored, file))


def merged(stored: Subscriber, file: Subscriber) -> Subscriber:
    """The stored subscriber with what the file says; its state and its next letter stay its own."""
    return replace(
        file,
        id=stored.id,
        state=stored.state,
        state_reason=stored.state_reason,
        next_due_at=stored.next_due_at,
        secret=stored.secret,
    )


def _match(
    reading: Reading, stored: Sequence[Subscriber], held: Mapping[str, Suppression]
) -> tuple[list[tuple[Subscriber, Subscriber | None]], set[int], list[Problem]]:
    """Each valid file with its subscriber or None; the ids to leave alone; the files that must wait."""
    by_address = {one.address.casefold(): one for one in stored}
    by_handle = {one.handle.casefold(): one for one in reversed(stored)}
    files = list(reading.subscribers)
    owner: dict[str, Subscriber] = {}  # handle of a file → its subscriber
    for one in files:
        if found := by_address.get(one.address.casefold()):
            owner[one.handle] = found
    known = {one.id for one in owner.values()}
    untouched: set[int] = set()
    for handle, address in reading.refused.items():
        # An address may have been mistyped into the file of another: then both are in doubt.
        for found in (by_address.get(address.casefold()), by_handle.get(handle.casefold())):
            if found and found.id not in known:
                untouched.add(found.id)
    problems: list[Problem] = []
    waiting: set[str] = set()

    def wait(one: Subscriber, key: str, what: str, remedy: str) -> None:
        waiting.add(one.handle)
        problems.append(Problem(shown(reading.files.get(one.handle, Path(one.handle))), None, key, what, remedy))

    for one in files:
        found = by_handle.get(one.handle.casefold())
        if one.handle in owner or found is None or found.id in known | untouched:
            continue
        if found.state is SubscriberState.UNSUBSCRIBED:
            # With the new address the old one's wish would be forgotten.
            what = f"{found.handle} unsubscribed as {found.address}, and a file cannot change that address"
            wait(one, "address", what, "only the reader can undo it; give another reader another file name")
            continue
        owner[one.handle] = found
        known.add(found.id)
    for one in files:
        found, listed = owner.get(one.handle), held.get(one.address.casefold())
        if listed is None or one.handle in waiting:
            continue
        back = found and found.state is SubscriberState.PAUSED and found.state_reason == FILE_REMOVED
        if found and found.address.casefold() == one.address.casefold() and not back:
            continue  # it stays what the list made of it
        what = f"{one.address} is on the suppression list since {listed.at:%Y-%m-%d} ({clean(listed.in_words)})"
        wait(one, "address", what, f"`digest suppressions remove {one.address}` lets it back")
        if found:
            untouched.add(found.id)
    # A file that would take the handle of a subscriber who must stay as they are waits, and then its own
    # subscriber stays as they are, too.
    settled = False
    while not settled:
        settled = True
        kept = {one.handle.casefold(): one for one in stored if one.id in untouched}
        for one in files:
            holder = kept.get(one.handle.casefold())
            if one.handle in waiting or holder is None:
                continue
            what = f"{one.handle} is still the name of {holder.address}, whose own file is invalid or waits"
            wait(one, "", what, "mend that file first")
            if mine := owner.get(one.handle):
                untouched.add(mine.id)
            settled = False
    # Whoever has the name of a file that waits is not without a file.
    untouched |= {found.id for handle in waiting if (found := by_handle.get(handle.casefold()))}
    matched = [(one, owner.get(one.handle)) for one in files if one.handle not in waiting]
    return matched, untouched - {before.id for _, before in matched if before}, problems


def _change(before: Subscriber, file: Subscriber) -> Change | None:
    after = merged(before, file)
    fields = differences(before, after)
    kind: Kind = "changed" if before.handle == after.handle else "renamed"
    if before.state is SubscriberState.PAUSED and before.state_reason == FILE_REMOVED:
        after = replace(after, state=SubscriberState.ACTIVE, state_reason="")
        return Change("resumed", after.handle, after, before, fields, "the profile file is back")
    if before.state is SubscriberState.BOUNCED and before.address.casefold() != after.address.casefold():
        after = replace(after, state=SubscriberState.ACTIVE, state_reason="")
        return Change("resumed", after.handle, after, before, fields, "mail to the old address came back")
    if not fields:
        return None
    return Change(kind, after.handle, after, before, fields, _stays(before))


def _stays(one: Subscriber) -> str:
    why = f" ({clean(one.state_reason)})" if one.state_reason else ""
    return {
        SubscriberState.ACTIVE: "",
        SubscriberState.PENDING: "stays pending: the reader has not confirmed yet",
        SubscriberState.PAUSED: f"stays paused{why}",
        SubscriberState.UNSUBSCRIBED: "stays unsubscribed: only the reader can undo it",
        SubscriberState.BOUNCED: f"stays bounced{why}: a file does not undo it, but "
        f"`digest suppressions remove {one.address}` does",
    }[one.state]


def _gone(one: Subscriber, heir: Subscriber | None) -> Change | None:
    """What becomes of a subscriber without a file, whose handle may now be `heir`'s."""
    after, notes = one, []
    if one.state is SubscriberState.ACTIVE:
        after = replace(after, state=SubscriberState.PAUSED, state_reason=FILE_REMOVED)
        notes.append(f"{FILE_REMOVED}; what was sent is remembered")
    if heir:
        # No file can be called so: "~" is not part of a handle.
        after = replace(after, handle=f"{one.handle.partition('~')[0]}~{one.id}")
        notes.append(f"{one.handle} is now the name of {heir.address}")
    if after == one:
        return None
    kind: Kind = "paused" if after.state is not one.state else "renamed"
    return Change(kind, one.handle, after, one, differences(one, after), "; ".join(notes))


def _profile_differences(old: Profile, new: Profile) -> list[Difference]:
    weights = [{one.text: one.weight for one in each.interests} for each in (old, new)]
    found = [_interest_difference(text, *(each.get(text) for each in weights)) for text in _ordered(*weights)]
    for name, before, after in (
        ("muted", old.muted, new.muted),
        ("author", old.authors, new.authors),
        ("category", old.categories, new.categories),
        ("liked", old.liked, new.liked),
        ("disliked", old.disliked, new.disliked),
    ):
        for text in _ordered(before, after):
            found.append(
                Difference(name, _quoted(text) if text in before else "", _quoted(text) if text in after else "")
            )
    for name in ("papers", "floor", "trending", "variety", "also_trending"):
        found.append(Difference(name, _number(getattr(old, name)), _number(getattr(new, name))))
    if old != new and all(one.before == one.after for one in found):
        # The order breaks ties, so it is taken over as well.
        found.append(Difference("order of entries", "as stored", "as in the file"))
    return found


def _interest_difference(text: str, before: float | None, after: float | None) -> Difference:
    if before is not None and after is not None:
        return Difference(f"interest {_quoted(text)}", f"×{_number(before)}", f"×{_number(after)}")
    return Difference("interest", _weighted(text, before), _weighted(text, after))


def _weighted(text: str, weight: float | None) -> str:
    if weight is None:
        return ""
    return _quoted(text) if weight == 1 else f"{_quoted(text)} ×{_number(weight)}"


def _number(value: float) -> str:
    """In full: two numbers that differ must look different."""
    return repr(value).removesuffix(".0")


def _quoted(text: str) -> str:
    return f'"{clean(text)}"' if text else ""


def _ordered(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Every text once: as the file orders them, then those that are gone."""
    return list(dict.fromkeys([*after, *before]))


def _write(connection: sa.Connection, changes: Sequence[Change], now: datetime) -> None:
    known = [(change.before, change.subscriber) for change in changes if change.before]
    # Two readers may swap names, so all that change are parked before any is written.
    named = [
        before.id
        for before, after in known
        if (before.handle, before.address.casefold()) != (after.handle, after.address.casefold())
    ]
    stored_subscribers.free_names(connection, named)
    for before, after in known:
        stored_subscribers.update(connection, _scheduled(before, after, now))
        if before.profile != after.profile:
            stored_subscribers.asked(connection, after.id, now)
    new = [_scheduled(None, change.subscriber, now) for change in changes if not change.before]
    stored_subscribers.add(connection, new)


def _scheduled(before: Subscriber | None, after: Subscriber, now: datetime) -> Subscriber:
    """With its next due instant. Where the schedule is what it was, a letter that is due stays due."""
    if before and after.next_due_at:
        resumed = before.state is not after.state is SubscriberState.ACTIVE
        schedules = [(one.cadence, one.hour, one.time_zone) for one in (before, after)]
        if schedules[0] == schedules[1] and not resumed:
            return after
    return replace(after, next_due_at=clock.next_due_at(after.cadence, after.hour, after.time_zone, after=now))
