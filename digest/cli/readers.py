"""Whom a preview is for: as the store has them, or with `--draft` as the profile files do."""

from __future__ import annotations

from dataclasses import dataclass

from digest import roster
from digest.cli.common import unknown
from digest.config import Config
from digest.errors import FileInvalid, Problem, UserFileError
from digest.model import Subscriber, SubscriberState
from digest.profile_folder import Reading, read
from digest.store import subscribers
from digest.store.opening import Store


@dataclass(frozen=True, slots=True)
class Shown:
    """A reader, and what to know beside the letter."""

    reader: Subscriber
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Everyone:
    readers: tuple[Subscriber, ...]  # by handle
    problems: dict[str, list[Problem]]  # of profile files, by their handles


def find(config: Config, store: Store, name: str, draft: bool, reading: Reading | None = None) -> Shown:
    """The subscriber as applied, else as the file has it; a note where the two differ.

    `reading` is of the profile files, for who has read them already. Raises `UnknownSubscriber`, and with `draft`
    `FileInvalid` for a profile file that is wrong.
    """
    with store.read() as connection:
        stored = subscribers.find(connection, name)
        everyone = subscribers.everyone(connection)
    reading = reading or read(config.path(config.edition.profiles))
    handle = stored.handle if stored else name
    mine = next(
        (one for one in reading.subscribers if name in (one.handle, one.address) or one.handle == handle), None
    )
    path = f"{config.edition.profiles}/{handle}.toml"
    if mine is None and handle in reading.refused and (draft or not stored):
        raise FileInvalid(_of_file(reading, handle) or reading.problems)
    if stored is None and mine is None:
        raise unknown(name, [one.handle for one in (*everyone, *reading.subscribers)])
    if stored is None and mine is not None:
        return Shown(mine, (f"{path} is not applied yet; `digest profiles apply` takes it over",))
    assert stored is not None
    if draft and mine is None:
        raise UserFileError(path=path, detail="there is no valid profile file of this name to preview")
    notes = []
    if mine and roster.differs(stored, mine):
        shown = "these are shown" if draft else "--draft shows the letter with them"
        notes.append(f"{path} has changes that are not applied; {shown}")
    if stored.state is not SubscriberState.ACTIVE:
        notes.append(f"{stored.handle} is {stored.state.value} and gets no letters ({stored.state_reason})")
    return Shown(roster.merged(stored, mine) if draft and mine else stored, tuple(notes))


def everyone(config: Config, store: Store, draft: bool) -> Everyone:
    """Every subscriber; with `draft` as applying the profile files would leave them, and what is wrong in these."""
    with store.read() as connection:
        stored = subscribers.everyone(connection)
        if not draft:
            return Everyone(tuple(stored), {})
        reading = read(config.path(config.edition.profiles))
        plan = roster.plan(reading, stored, roster.held(connection, reading))
    after = {one.handle: one for one in stored}
    for change in plan.changes:
        if change.before:
            after.pop(change.before.handle, None)
    after |= {change.subscriber.handle: change.subscriber for change in plan.changes}
    problems: dict[str, list[Problem]] = {}
    files = {str(path): handle for handle, path in reading.files.items()}
    for one in (*reading.problems, *plan.problems):
        problems.setdefault(files.get(one.path, one.path), []).append(one)
    return Everyone(tuple(after[handle] for handle in sorted(after)), problems)


def _of_file(reading: Reading, handle: str) -> list[Problem]:
    path = reading.files.get(handle)
    return [one for one in reading.problems if path is not None and one.path == str(path)]
