"""Claim letters → compose → send → record.

The order is the promise. A letter is claimed before anything is sent and recorded after the relay's word, so a
killed courier leaves at most the parcels that were under way in doubt, and what is in doubt is never sent unasked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import uuid4

import jinja2

from digest import config as configuration
from digest.config import FILE_NAME, Config
from digest.delivery.maildir import Maildir
from digest.delivery.smtp import Smtp
from digest.delivery.transport import Parcel, Transport, deliver_one
from digest.errors import (
    DigestError,
    FileInvalid,
    NotMailable,
    NotRecorded,
    Problem,
    RelayUnusable,
    StoreError,
    TemplateInvalid,
)
from digest.letters.check import first_fault
from digest.letters.compose import Composer, Rendered
from digest.letters.faults import of_error
from digest.letters.links import Links
from digest.letters.subject import count
from digest.letters.templates import NAMES, Templates
from digest.model import Letter, LetterState, Outcome
from digest.signing import signers_of
from digest.store import letters
from digest.store.opening import Store
from digest.tokens import Keys

RECORD_TRIES = 6  # the store waits by itself each time; what was sent must be written down

log = logging.getLogger(__name__)


class Stop(Protocol):
    """Anything that can be asked whether to stop: a threading.Event."""

    def is_set(self) -> bool: ...


@dataclass(slots=True)
class Delivered:
    """What a round of deliveries came to."""

    counts: Counter[LetterState] = field(default_factory=Counter)
    troubles: list[tuple[Letter, Outcome]] = field(default_factory=list)  # everything that is not `sent`
    expired: int = 0
    suppressed: int = 0
    stopped: DigestError | None = None  # why the round ended early; what had not been sent waits


def transport_of(config: Config) -> Transport:
    """The transport that the configuration names. Raises `FileInvalid` where its password cannot be read."""
    delivery = config.delivery
    if delivery.kind == "maildir":
        # Where a letter lies is stored, and must still be right when asked from another folder.
        return Maildir(config.path(delivery.maildir).resolve())
    smtp = delivery.smtp
    password = configuration.password(smtp, config.home) if smtp.user else None
    return Smtp(smtp, password, None, home=config.home)


def templates_of(config: Config) -> Templates:
    """The letter's templates, the operator's own first. Raises `FileInvalid` for a folder that replaces none."""
    if not config.letter.templates:
        return Templates()
    folder = config.path(config.letter.templates)
    try:
        if not folder.is_dir():
            what = f"no such folder: {folder}"
        elif any((folder / name).is_file() for name in NAMES):
            return Templates(folder)
        else:
            what = f"the folder {folder} replaces no template"
    except OSError as error:
        what = f"cannot look into {folder}: {error.strerror or error}"
    remedy = f'put a file into it that is named {" or ".join(NAMES[:3])} …, or set it to "" for the shipped letter'
    raise FileInvalid([Problem(str(config.home / FILE_NAME), None, "letter.templates", what, remedy)])


def composer_of(config: Config, *, sign: bool = True) -> Composer:
    """What writes the letters of this configuration, and signs them where it names keys. Raises `FileInvalid` for
    templates, keys or a secret that are not there, `NotMailable` for an address of our own that is none."""
    signers = signers_of(config) if sign else []
    return Composer(config.letter, templates_of(config), links_of(config), signers)


def tried_composer_of(config: Config) -> Composer:
    """`composer_of`, tried on samples: raises `TemplateInvalid` for a template that cannot be rendered, too."""
    composer = composer_of(config)
    if config.letter.templates and (place := first_fault(templates_of(config), config.letter, links_of(config))):
        raise TemplateInvalid(path=place, detail=place.what)
    return composer


def links_of(config: Config) -> Links | None:
    """The links to our own pages; None without `web.base_url`."""
    if not config.web.base_url:
        return None
    return Links(config.web.base_url, Keys(configuration.secrets(config.web, config.home)))


def check(config: Config) -> None:
    """Raise what would stop letters, before anything is written.

    `FileInvalid` for templates, a secret, keys or a password that are not there; `TemplateInvalid` for a template
    that cannot be rendered.
    """
    tried_composer_of(config)
    transport_of(config)


def render_letter(letter: Letter, config: Config, composer: Composer | None = None) -> Rendered:
    """What the letter says. Raises `TemplateInvalid` where an operator's template is wrong."""
    with _faults_of_templates(config):
        return (composer or composer_of(config, sign=False)).render(letter)


def compose(letter: Letter, config: Config, composer: Composer) -> Parcel:
    """A letter, ready to go. Raises `NotMailable` for this letter alone, `TemplateInvalid` for any."""
    with _faults_of_templates(config):
        return Parcel(
            sender=config.letter.from_address,
            recipient=letter.subscriber.address,
            message_id=letter.message_id,
            message=composer.mail(letter),
        )


@contextmanager
def _faults_of_templates(config: Config) -> Iterator[None]:
    try:
        yield
    except NotMailable:
        raise
    except Exception as error:
        # `{{ letter.language + 1 }}` is a fault of the template, too, where it is not one of ours.
        ours = not config.letter.templates and not isinstance(error, jinja2.TemplateError)
        place = None if ours else of_error(error)
        if place is None:
            raise
        raise TemplateInvalid(path=place, detail=place.what) from error


def deliver(
    store: Store,
    config: Config,
    now: Callable[[], datetime],
    *,
    only: int | None = None,
    stop: Stop | None = None,
    progress: Callable[[int], None] = lambda _: None,
    transport: Transport | None = None,
) -> Delivered:
    """Send every letter that may go out now (of subscriber `only`), and say what came of it.

    Ends early, with `stopped` set, where nothing can be sent at all; between two chunks where `stop` is set.
    """
    round_ = _Round(store, config, now, only, stop, progress)
    with store.write() as connection:
        round_.done.suppressed += letters.suppress(connection)
        round_.done.expired += letters.expire(connection, now())
        waiting = letters.next_try(connection)
        abandoned = letters.abandoned(connection, now())
    if not abandoned and (waiting is None or waiting > now()):
        return round_.done  # a relay that is down need not be asked when there is nothing to say
    try:
        asyncio.run(round_.go(transport or transport_of(config), composer_of(config)))
    except (RelayUnusable, TemplateInvalid) as error:
        round_.done.stopped = error
    return round_.done


class _Round:
    def __init__(
        self,
        store: Store,
        config: Config,
        now: Callable[[], datetime],
        only: int | None,
        stop: Stop | None,
        progress: Callable[[int], None],
    ) -> None:
        self.store, self.config, self.now, self.only, self.stop = store, config, now, only, stop
        self.progress = progress
        self.done = Delivered()

    async def go(self, transport: Transport, composer: Composer) -> None:
        await transport.open()
        try:
            await self._settle(transport)
            while not (self.stop and self.stop.is_set()):
                lease = f"{transport.name} {uuid4().hex}"
                with self.store.write() as connection:
                    claimed = letters.claim(
                        connection, lease, self.now(), transport.patience, transport.in_flight, self.only
                    )
                    chunk = letters.by_ids(connection, claimed)
                if not chunk:
                    return
                await self._send(transport, composer, lease, chunk)
                self.progress(len(chunk))
        finally:
            await transport.close()

    async def _settle(self, transport: Transport) -> None:
        """Letters whose courier died: ask where that can be answered, hold the others."""
        with self.store.read() as connection:
            abandoned = letters.abandoned(connection, self.now())
        for letter_id, message_id, lease in abandoned:
            # Another place, as after a change of configuration, knows nothing of this parcel.
            same = lease.rpartition(" ")[0] == transport.name
            outcome = (await transport.settle(message_id) if same else None) or Outcome(
                LetterState.UNCERTAIN,
                "the run that was sending it ended without a word; it may or may not have left",
            )
            with self.store.write() as connection:
                if letters.settle(connection, letter_id, outcome, self.now()):
                    # Deferred means: certainly not delivered, so it goes out with the others.
                    if outcome.state is not LetterState.DEFERRED:
                        self.done.counts[outcome.state] += 1
                    if outcome.state is LetterState.UNCERTAIN:
                        self.done.troubles.append((letters.by_ids(connection, [letter_id])[0], outcome))

    async def _send(self, transport: Transport, composer: Composer, lease: str, chunk: Sequence[Letter]) -> None:
        outcomes: dict[int, Outcome] = {}
        untouched: list[int] = []
        stopped: DigestError | None = None
        parcels: dict[int, Parcel] = {}
        for letter in chunk:
            try:
                parcels[letter.id] = compose(letter, self.config, composer)
            except TemplateInvalid as error:
                untouched, stopped, parcels = [one.id for one in chunk if one.id not in outcomes], error, {}
                break
            except NotMailable as error:
                outcomes[letter.id] = Outcome(LetterState.FAILED, str(error))
            except Exception as error:  # one letter that cannot be written never stops the others
                log.exception("%s: the letter could not be composed", letter.subscriber.handle)
                outcomes[letter.id] = Outcome(
                    LetterState.FAILED, f"it could not be composed: {type(error).__name__}: {error}"
                )

        async def hand_over(letter_id: int) -> None:
            nonlocal stopped
            try:
                outcomes[letter_id] = await deliver_one(transport, parcels[letter_id])
            except RelayUnusable as error:
                untouched.append(letter_id)
                stopped = error
            except Exception as error:  # a defect of ours, at an unknown moment: the letter may have left
                log.exception("delivery failed in an unforeseen way")
                outcomes[letter_id] = Outcome(LetterState.UNCERTAIN, f"{type(error).__name__}: {error}")

        try:
            await asyncio.gather(*map(hand_over, parcels))
        finally:
            # Also when we are interrupted: what the relay has answered is known, and must be written down.
            self._record(lease, outcomes, untouched, str(stopped) if stopped else "")
        for letter in chunk:
            outcome = outcomes.get(letter.id)
            if outcome:
                self.done.counts[outcome.state] += 1
                if outcome.state is not LetterState.SENT:
                    self.done.troubles.append((letter, outcome))
        if stopped:
            raise stopped

    def _record(self, lease: str, outcomes: Mapping[int, Outcome], untouched: Sequence[int], why: str) -> None:
        for attempt in range(RECORD_TRIES):
            try:
                with self.store.write() as connection:
                    recorded = letters.record(connection, lease, outcomes, self.now())
                    if untouched:
                        letters.give_back(connection, lease, untouched, why, self.now())
                break
            except StoreError as error:
                if attempt == RECORD_TRIES - 1:
                    raise NotRecorded(letters=count(len(outcomes), "letter"), detail=error) from error
                time.sleep(1)
        if recorded < len(outcomes):
            log.warning("%d letters were taken over by another courier meanwhile", len(outcomes) - recorded)
