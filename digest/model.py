"""The nouns of Digest, frozen. Everything else passes these around.

Times are timezone-aware UTC, days are `datetime.date` in the reader's own zone, scores run from 0 to 100,
weights and knobs are plain numbers whose range stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal


class SubscriberState(StrEnum):
    """What we may do with an address."""

    PENDING = "pending"  # asked for the letter, has not confirmed
    ACTIVE = "active"  # gets letters
    PAUSED = "paused"  # gets none for now; memory is kept
    UNSUBSCRIBED = "unsubscribed"  # asked us to stop; only the reader can undo it
    BOUNCED = "bounced"  # the address refuses mail


class LetterState(StrEnum):
    """Where a letter stands. `digest/store/transitions.py` holds the ways between them."""

    EMPTY = "empty"  # nothing to send; `note` says why
    READY = "ready"  # written, waiting for a courier
    SENDING = "sending"  # a courier holds it under a lease and may have started to send it
    SENT = "sent"  # accepted by the relay or filed in the Maildir
    DEFERRED = "deferred"  # a temporary refusal; tried again at `next_try_at`
    UNCERTAIN = "uncertain"  # may or may not have left; held, never sent again unasked
    FAILED = "failed"  # refused for good
    EXPIRED = "expired"  # could not leave in time
    SUPPRESSED = "suppressed"  # the address must not be written to


# A paper in one of these letters never reached its reader, so it may be picked again.
UNDELIVERED = (LetterState.FAILED, LetterState.EXPIRED, LetterState.SUPPRESSED)


@dataclass(frozen=True, slots=True)
class Link:
    label: Literal["abstract", "pdf", "code", "page"]
    url: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper as we know it. `title` and `abstract` are readable, safe text; the raw ones are the source's."""

    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    keys: tuple[str, ...] = ()  # ways to recognise it, e.g. "arxiv:2502.12345", "title:deepnets…"
    raw_title: str = ""
    raw_abstract: str = ""
    categories: tuple[str, ...] = ()  # arXiv's names, the primary one first, e.g. "cs.CL"
    id: int = 0  # its row in the store; 0 = not stored


@dataclass(frozen=True, slots=True)
class Listing:
    """A paper seen on a source on a day."""

    source: str  # e.g. "page:3f9a…"
    day: date
    position: int  # 1 is the top
    size: int  # how many papers the source listed that day
    votes: int | None = None  # None is unknown, not zero


@dataclass(frozen=True, slots=True)
class Entry:
    """One paper as a source shows it, with its place there."""

    paper: Paper
    position: int
    line: int  # where it starts in the source, for messages
    votes: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something in a source that cannot be taken, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """What a source tells of one paper, as it came but in fields; `digest/sources/record.py` makes it a Paper."""

    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # its arXiv id and DOI, e.g. "arxiv:2502.12345"; no key of its title
    links: tuple[Link, ...] = ()
    categories: tuple[str, ...] = ()
    html: bool = False  # title and abstract are HTML, else text with LaTeX
    day: date | None = None  # on which the source listed it, where the record says so
    position: int = 0  # 1 is the top; 0 is after the one before
    votes: int | None = None  # None is unknown, not zero
    line: int = 0  # where it starts in the source, for messages
    paper: Paper | None = None  # where it was made readable already


@dataclass(frozen=True, slots=True)
class Batch:
    """What one answer of a source holds."""

    records: tuple[Record, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    repeated: int = 0  # records that it holds twice; only the first is in `records`


@dataclass(frozen=True, slots=True)
class StatedDay:
    """A day as a page prints it; saved pages leave out the year."""

    month: int
    day: int
    year: int | None
    line: int
    text: str  # as printed, e.g. "Mar 14"


@dataclass(frozen=True, slots=True)
class Page:
    """What one saved page says."""

    name: str
    stated_days: tuple[StatedDay, ...]  # more than one is an ambiguity
    entries: tuple[Entry, ...]
    rejected: tuple[Rejected, ...]
    flagged: tuple[Rejected, ...]  # kept all the same, e.g. a title without an abstract
    repeated: int = 0  # entries that the page holds twice; only the first is in `entries`


FeedbackKind = Literal["liked", "disliked", "saved"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a reader said of one paper. There is one verdict for each reader and paper: the newest."""

    paper_id: int
    kind: FeedbackKind
    at: datetime
    source: str  # "cli", or "import:refs.bib" for what a library file says


InterestKind = Literal["phrase", "author", "category", "liked", "disliked", "saved", "others"]


@dataclass(frozen=True, slots=True)
class Interest:
    """Something a reader cares about, in the reader's own words."""

    text: str
    weight: float = 1.0  # above 0; 1 is usual, 2 counts twice
    kind: InterestKind = "phrase"


@dataclass(frozen=True, slots=True)
class Profile:
    """What one subscriber cares about."""

    interests: tuple[Interest, ...] = ()
    muted: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()  # followed
    categories: tuple[str, ...] = ()  # followed: arXiv's names; "stat.*" is all of stat
    liked: tuple[str, ...] = ()  # a title or an arXiv id
    disliked: tuple[str, ...] = ()
    papers: int = 7  # per letter, at most
    floor: float = 10.0  # 0–100: a paper below it is not sent
    trending: float = 0.2  # 0–1: 0 is relevance alone, 1 is popularity alone
    variety: float = 0.3  # 0–1: 0 is score alone, 1 avoids what resembles an earlier pick
    also_trending: int = 0  # per letter, at most: papers below the picks that are popular outside the profile

    @property
    def is_empty(self) -> bool:
        """Nothing to rank by, so the letter is trending papers and says so."""
        return not (self.interests or self.authors or self.categories or self.liked)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An address that may get a letter on its due days."""

    handle: str  # the profile file's name: profiles/alice.toml is "alice"
    address: str
    name: str = ""
    time_zone: str = "UTC"  # IANA name
    cadence: str = "daily"  # daily, weekdays, weekly:mon … weekly:sun
    hour: int = 7  # 0–23, local
    profile: Profile = field(default_factory=Profile)
    state: SubscriberState = SubscriberState.ACTIVE
    state_reason: str = ""
    next_due_at: datetime | None = None
    language: str = ""  # of the letter: "de", "en-US"; empty is the installation's
    secret: str = ""  # random; signed into the links of this subscriber's letters
    id: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a paper was picked, in the reader's own words. The shares of all of a pick's reasons sum to its score."""

    # "others" is what readers with like likes say; "more" sums up the reasons that there is no room for.
    kind: Literal["phrase", "author", "category", "liked", "saved", "others", "more", "trending"]
    text: str  # the interest as the reader wrote it; for "more" how many there are; else empty
    terms: tuple[str, ...] = ()  # the words that matched, heaviest first
    share: float = 0.0  # points of the score
    beside: int = 0  # of a liked paper: how many others that the reader liked speak for it as much


@dataclass(frozen=True, slots=True)
class Pick:
    """A paper in a letter."""

    paper: Paper
    score: float  # 0–100
    relevance: float  # 0–1
    trending: float  # 0–1
    reasons: tuple[Reason, ...] = ()
    listed: date | None = None  # the last day it was listed
    votes: int | None = None  # the most it had; None is unknown


@dataclass(frozen=True, slots=True)
class Letter:
    """One subscriber's digest for one slot."""

    subscriber: Subscriber
    slot: date
    picks: tuple[Pick, ...]
    also: tuple[Pick, ...] = ()  # popular outside the profile; as picks they are remembered, without reasons
    state: LetterState = LetterState.READY
    subject: str = ""
    message_id: str = ""  # with its angle brackets; the same for a resend
    note: str = ""  # why it is empty, or the last reply
    candidates: int = 0  # papers it was chosen from
    days: int = 0  # distinct days these were listed on
    created_at: datetime | None = None
    expires_at: datetime | None = None
    next_try_at: datetime | None = None
    sent_at: datetime | None = None
    attempts: int = 0
    where: str = ""  # the file it was delivered to, when there is one
    id: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How much attention a paper gets, and the listing that says most of it."""

    trending: float  # 0–1
    listing: Listing | None = None  # None: not listed by the day
    strength: float = 0.0  # how it stands in that list, 0–1
    sure: float = 0.0  # 0–1: how far votes made that; 0 is position alone
    rank: int | None = None  # by votes, where these count; 1 is the most, and equal votes share a rank
    rated: int = 0  # papers of that list whose votes are known; 0 where votes do not count
    days: int = 0  # on which it was listed anew


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one candidate for one subscriber: a row of `digest preview --explain`."""

    pick: Pick
    included: bool
    why: str  # "in, place 2" · "sent on 2026-03-14" · "muted: crypto" · "below the floor of 10" · …
    redundancy: float = 0.0  # 0–1: likeness to the nearest earlier pick, which variety weighs
    standing: Standing = Standing(0.0)  # what made the pick's trending


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transport says of one letter."""

    state: Literal[LetterState.SENT, LetterState.DEFERRED, LetterState.UNCERTAIN, LetterState.FAILED]
    reply: str  # the server's words, cleaned, or ours
    where: str = ""
    kind: str = ""  # the policy's short name: "accepted", "greylisted", "no-mailbox", …, "lost", "unknown-fate"
    wait: timedelta | None = None  # what the server asked for: "try again in 4 minutes"
