"""Mails that came back → proof → the store. One mail at a time, each in a transaction of its own.

Anybody can write to the address that bounces go to. So a mail is believed only as far as a signed token goes that
was in the letter it is about: in the envelope sender, which the mail is then addressed to, or in the headers of the
letter that it returns. What names a letter or a reader of ours without one is refused as forged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event
from typing import Literal

import sqlalchemy as sa

from digest import config as configuration
from digest import privacy
from digest.config import Config
from digest.delivery import bounces as came_back
from digest.delivery.bounces import Mail, Severity
from digest.delivery.breakers import Breakers, Figures
from digest.delivery.imap import Mailbox, Unread
from digest.delivery.incoming import Waiting
from digest.errors import FileInvalid, Problem
from digest.letters.verp import Returns, Tag
from digest.model import Outcome, Subscriber
from digest.store import bounces, pauses, subscribers
from digest.store.bounces import Bounce, Sent
from digest.store.opening import Store
from digest.store.pauses import EVERYTHING, Pause
from digest.threads import Stopped, unless_stopped
from digest.tokens import Keys

Kind = Literal["hard", "soft", "refused", "complaint", "unsubscribe", "ignored", "forged", "unknown"]
COUNTED = timedelta(days=1)  # the letters of so much time count as one run, however often a courier went out
LATEST = timedelta(days=30)  # after a letter was written; a report that claims another time is dated by its letter
MEANINGS: dict[Kind, str] = {
    "hard": "no such mailbox: suppressed at once",
    "soft": "full, or out of reach: suppressed after 5 days of it within 30",
    "refused": "refused for good, for no known reason: suppressed at the second within 72 hours",
    "complaint": "reported as spam: suppressed at once",
    "unsubscribe": "a mail to a signed unsubscribe address: no more letters",
    "ignored": "automatic replies, delays, and what is not the address's fault",
    "forged": "without the signature that a letter of ours has: nothing was done",
    "unknown": "no bounce of a letter of ours: have a look",
}
TOLD: tuple[Kind, ...] = ("refused", "forged", "unknown")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one mail came to."""

    kind: Kind
    detail: str
    address: str = ""
    letter_id: int | None = None
    repeated: bool = False  # the same mail, or another one of its kind on its day, had been counted before
    suppressed: bool = False  # the address was put on the suppression list for it

    @property
    def is_operators(self) -> bool:
        """Whether an operator should have a look."""
        # So is a refusal that is held against no reader: spam, block lists, DMARC.
        return self.kind in TOLD or (self.kind == "ignored" and self.detail.startswith("5"))


@dataclass(frozen=True, slots=True)
class _Proof:
    address: str
    letter: Sent | None


class Desk:
    """Takes mails that came back."""

    def __init__(self, store: Store, keys: Keys, now: Callable[[], datetime]) -> None:
        self._store, self._keys, self._now = store, keys, now

    def take(self, data: bytes, recipient: str = "", *, dry_run: bool = False) -> Taken:
        """Do what a mail asks for and can prove; `recipient` is the address it was delivered to, where known.

        The mail may be forgotten once this returns. Raises `StoreError` where it could not be stored.
        """
        mail = came_back.read(data, recipient)
        if dry_run:
            with self._store.read() as connection:
                return self._judge(connection, mail)[0]
        with self._store.write() as connection:
            taken, bounce = self._judge(connection, mail)
            if bounce is None:
                return taken
            noted = bounces.note(connection, bounce, self._now(), "bounce")
        return Taken(taken.kind, taken.detail, taken.address, taken.letter_id, not noted.new, noted.suppressed)

    def _judge(self, connection: sa.Connection, mail: Mail) -> tuple[Taken, Bounce | None]:
        if mail.what == "unknown":
            return Taken("unknown", _unsigned(mail) or mail.detail), None
        if mail.what == "ignored":
            return Taken("ignored", mail.detail), None
        leaves = mail.what == "unsubscribe"  # for that no other token will do
        proof = self._proof(
            connection, mail, [one for one in mail.tags if one.purpose == "unsubscribe-mail" or not leaves]
        )
        if proof is None:
            return self._without_proof(connection, mail), None
        letter_id = proof.letter.id if proof.letter else None
        kind: Severity | Literal["complaint", "unsubscribe"]
        if mail.what in ("complaint", "unsubscribe"):
            kind, detail = mail.what, mail.detail
        else:
            report = mail.report_on(proof.address)
            kind, detail = report.severity, report.detail
        taken = Taken(kind, detail, proof.address, letter_id)
        if kind == "ignored":
            return taken, None
        said = mail.detail if mail.what == "complaint" else "" if mail.what == "unsubscribe" else detail
        return taken, Bounce(proof.address, kind, self._time(mail, proof), said, letter_id, mail.identity)

    def _proof(self, connection: sa.Connection, mail: Mail, tags: list[Tag]) -> _Proof | None:
        sent = bounces.letters_by_id(connection, [one.number for one in tags if one.purpose == "bounce"])
        readers = _readers(connection, [one.number for one in tags if one.purpose != "bounce"])
        for tag in tags:
            if tag.purpose == "bounce":
                letter = sent.get(tag.number)
                if letter and self._keys.valid("bounce", tag.token, letter.message_id):
                    return _Proof(letter.address, letter)
                continue
            reader = readers.get(tag.number)
            if reader and self._keys.valid(tag.purpose, tag.token, reader.secret):
                named = bounces.letters_by_message_id(connection, mail.message_ids)
                mine = next((one for one in named if one.subscriber_id == reader.id), None)
                return _Proof(mine.address if mine else reader.address, mine)
        return None

    def _without_proof(self, connection: sa.Connection, mail: Mail) -> Taken:
        names_ours = (
            mail.tags
            or bounces.letters_by_message_id(connection, mail.message_ids)
            or any(subscribers.find(connection, one) for one in mail.recipients[:20] if "@" in one)
        )
        if not names_ours:
            return Taken("unknown", f"not about a letter of ours: {mail.detail}")
        if any(one.purpose == "bounce" and one.number == 0 for one in mail.tags):
            return Taken("unknown", f"about a test letter: {mail.detail}")
        why = "its signature is wrong" if mail.tags else "it has no signature"
        return Taken("forged", f"{why}: {mail.detail}", (mail.recipients or ("",))[0])

    def _time(self, mail: Mail, proof: _Proof) -> datetime:
        """When it happened, as far as that can be believed. The same for a mail that is read again."""
        if proof.letter is None:
            now = self._now()
            return mail.at if mail.at and mail.at <= now + timedelta(days=1) else now
        written = proof.letter.created_at.astimezone(UTC)
        believed = mail.at and written - timedelta(days=1) <= mail.at <= written + LATEST
        return mail.at if mail.at and believed else written


def in_mailbox(config: Config, stop: Event | None = None) -> Iterator[Waiting]:
    """The unread mails of the mailbox that `[bounces.imap]` names. Raises `FileInvalid` where it names none, or no
    password that is there, `MailboxUnusable`. It ends soon after `stop` is set, however long the server takes."""
    stop = stop or Event()
    how = config.bounces.imap
    if not how.host:
        where = str(config.home / configuration.FILE_NAME)
        raise FileInvalid([Problem(where, None, "bounces.imap.host", "no mailbox is named", "set it, and a login")])
    box = Mailbox(how, configuration.password(how, config.home), config.home)
    mails = box.unread()
    with suppress(Stopped):
        while found := unless_stopped(stop, lambda: next(mails, None)):
            uid, data, mail = found
            yield Waiting(f"imap {how.folder}, mail {uid}", data, partial(_mark, stop, mail))


def _mark(stop: Event, mail: Unread) -> None:
    with suppress(Stopped):  # it is read again, and counts once
        unless_stopped(stop, mail.seen)


def keys_of(config: Config) -> Keys:
    """What our links and addresses are signed with. Raises `FileInvalid` where there is no secret."""
    keys = Keys(configuration.secrets(config.web, config.home))
    privacy.warn_of_exposure(config.path(config.web.secret_file))
    return keys


def returns_of(config: Config) -> Returns | None:
    """The signed addresses that letters come back to; None without `bounces.address`."""
    return Returns(config.bounces.address, keys_of(config)) if config.bounces.address else None


def _readers(connection: sa.Connection, ids: list[int]) -> dict[int, Subscriber]:
    return subscribers.by_ids(connection, [one for one in ids if 0 < one < 2**31])


def _unsigned(mail: Mail) -> str:
    """What to tell the operator of a wish that anybody may have written."""
    if not mail.asks_for:
        return ""
    return (
        f"{mail.detail} asks for it without a signature. If it is the reader's own wish: "
        f"`digest suppressions add {mail.asks_for} --reason unsubscribe`"
    )


def pause_if_too_many(store: Store, now: datetime) -> Pause | None:
    """Pause delivery where too many letters of the last day came back, or were reported; the pause."""
    with store.write() as connection:
        if EVERYTHING in pauses.in_force(connection, now):
            return None
        since = max(now - COUNTED, pauses.resumed_at(connection, now) or now - COUNTED)
        found = bounces.figures(connection, since)
        breakers = Breakers(Figures(sent=found.sent))
        tripped = breakers.complained(found.complaints) or breakers.bounced(found.hard)
        if tripped is None:
            return None
        until = None if tripped.until is None else now + tripped.until
        made = Pause(tripped.scope, tripped.reason, "breaker", now, until)
        pauses.pause(connection, made)
        return made


SAID: dict[str, bounces.Kind] = {"no-mailbox": "no-mailbox", "refused": "refused", "mailbox-full": "soft"}


def note_reply(connection: sa.Connection, letter_id: int, address: str, outcome: Outcome, now: datetime) -> None:
    """What the relay said of an address while a letter was sent counts as what comes back later does."""
    if kind := SAID.get(outcome.kind):
        bounces.note(connection, bounces.Bounce(address, kind, now, outcome.reply, letter_id), now, "smtp")
