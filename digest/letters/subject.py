"""What the inbox shows before the letter is opened: the subject and the preheader.

A subject is the promise of a letter, so it is built only from counts, a date and the reader's own words. Nothing
that a feed says ever gets into it. The preheader may quote titles: it lives in the body, where they are escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from digest.model import Pick, Profile, Reason
from digest.text import clean

LIMIT = 78  # characters; phones show about half of it, so what matters comes first
# Written out here because strftime answers in whatever language the machine speaks.
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def subject(picks: Sequence[Pick], slot: date, profile: Profile) -> str:
    """E.g. "5 papers on tool use and long context · 20 Nov", at most 78 characters.

    It names the one or two interests that most picks are mainly there for, and says "and more" where some picks
    are there for something else. Words that do not stand in the profile are never used.
    """
    tail = f" · {short_day(slot)}"
    if not picks:
        return f"No new papers{tail}"
    papers = count(len(picks), "paper")
    trending = f"{count(len(picks), 'trending paper')}{tail}"
    topics = _topics(picks, profile)
    if not topics:
        mains = [reason for pick in picks if (reason := main_reason(pick))]
        liked = any(reason.kind in ("liked", "saved") for reason in mains)
        return f"{papers} like those you liked{tail}" if liked else trending

    first = topics[0]
    for named in (topics[:2], topics[:1]):
        rest = sum(number for _, number in named) < len(picks)
        line = f"{papers} {_join([topic for topic, _ in named], rest)}{tail}"
        if len(line) <= LIMIT:
            return line
    room = LIMIT - len(f"{papers} {tail}")
    return f"{papers} {shorten(first[0], room)}{tail}"


def preheader(picks: Sequence[Pick]) -> str:
    """The line that inboxes show after the subject: the first titles, shortened."""
    titles = [shorten(clean_words(pick.paper.title), limit) for pick, limit in zip(picks, (80, 60), strict=False)]
    rest = len(picks) - len(titles)
    return " · ".join([*(title for title in titles if title), *([f"and {rest} more"] if rest else [])])


def main_reason(pick: Pick) -> Reason | None:
    """The reason that paid most for a pick, of those with a name; the first of equals."""
    return max(pick.reasons, key=lambda reason: (reason.kind != "more", reason.share), default=None)


def short_day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1][:3]}"


def long_day(day: date) -> str:
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shorten(text: str, limit: int) -> str:
    """Cut at a space where there is one in the last third, and show that something is missing."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    head, space, _ = cut.rpartition(" ")
    if space and len(head) * 3 >= limit * 2:
        cut = head
    return cut.rstrip(" ,;:.–—-") + "…"


@lru_cache(maxsize=4096)  # the same few interests recur in every letter of an edition
def clean_words(text: str) -> str:
    """Somebody's words on one line, without anything that a mail header could be talked into decoding."""
    return " ".join(clean(text).split()).replace("=?", "= ?")


def _topics(picks: Sequence[Pick], profile: Profile) -> list[tuple[str, int]]:
    """What the picks are mainly there for, with the number of picks, most first."""
    phrases = {clean_words(interest.text) for interest in profile.interests if interest.kind == "phrase"}
    authors = {clean_words(name) for name in profile.authors}
    authors |= {clean_words(interest.text) for interest in profile.interests if interest.kind == "author"}
    numbers: Counter[str] = Counter()
    shares: Counter[str] = Counter()
    for pick in picks:
        reason = main_reason(pick)
        if reason is None:
            continue
        words = clean_words(reason.text)
        if reason.kind == "phrase" and words in phrases:
            topic = f"on {words.rstrip(' .,;:')}"
        elif reason.kind == "author" and words in authors:
            topic = f"by {words}"
        else:
            continue
        numbers[topic] += 1
        shares[topic] += round(reason.share * 1000)
    ranked = sorted(numbers, key=lambda topic: (-numbers[topic], -shares[topic], topic))
    return [(topic, numbers[topic]) for topic in ranked if len(topic) > len("on ")]


def _join(topics: Sequence[str], more: bool) -> str:
    """ "on a", "on a and b", "on a, b and more", "on a and by c"."""
    parts = [topics[0]]
    for topic in topics[1:]:
        # The preposition is said once: "on a and b", but "on a and by c".
        parts.append(topic[3:] if topic[:3] == topics[0][:3] else topic)
    parts += ["more"] if more else []
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
