"""What the inbox shows before the letter is opened: the subject and the preheader.

A subject is the promise of a letter, so it is built only from counts, a date and the reader's own words. Nothing
that a feed says ever gets into it. The preheader may quote titles: it lives in the body, where they are escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from digest.language import Language, language
from digest.model import Pick, Profile, Reason
from digest.text import clean

LIMIT = 78  # characters; phones show about half of it, so what matters comes first
ENGLISH = language("en")


def subject(picks: Sequence[Pick], slot: date, profile: Profile, words: Language = ENGLISH) -> str:
    """E.g. "5 papers on tool use and long context · 20 Nov", at most 78 characters.

    It names the one or two interests that most picks are mainly there for, and says "and more" where some picks
    are there for something else. Words that do not stand in the profile are never used.
    """
    day, number = words.short_day(slot), len(picks)
    if not picks:
        return words.say("No new papers · %(day)s", day=day)
    topics = _topics(picks, profile)
    if not topics:
        mains = [reason for pick in picks if (reason := main_reason(pick))]
        if any(reason.kind in ("liked", "saved") for reason in mains):
            return words.count(
                "%(number)s paper like those you liked · %(day)s",
                "%(number)s papers like those you liked · %(day)s",
                number,
                day=day,
            )
        return words.count(
            "%(number)s trending paper · %(day)s", "%(number)s trending papers · %(day)s", number, day=day
        )

    def line(topics: str) -> str:
        return words.count(
            "%(number)s paper %(topics)s · %(day)s",
            "%(number)s papers %(topics)s · %(day)s",
            number,
            topics=topics,
            day=day,
        )

    for named in (topics[:2], topics[:1]):
        rest = sum(part for _, _, part in named) < number
        found = line(_join([(kind, topic) for kind, topic, _ in named], rest, words))
        if len(found) <= LIMIT:
            return found
    kind, topic, _ = topics[0]
    room = LIMIT - len(line(_about(kind, "", words)))
    return line(_about(kind, shorten(topic, room), words))


def preheader(picks: Sequence[Pick], words: Language = ENGLISH) -> str:
    """The line that inboxes show after the subject: the first titles, shortened."""
    titles = tuple([pick.paper.title for pick in picks[:2]])
    return _preheader(titles, len(picks) - len(titles), words)


@lru_cache(maxsize=10_000)
def _preheader(titles: Sequence[str], rest: int, words: Language) -> str:
    said = [shorten(clean_words(title), limit) for title, limit in zip(titles, (80, 60), strict=False)]
    more = words.count("and %(number)s more", "and %(number)s more", rest) if rest else ""
    return " · ".join([one for one in (*said, more) if one])


def main_reason(pick: Pick) -> Reason | None:
    """The reason that paid most for a pick, of those with a name; the first of equals."""
    return max(pick.reasons, key=lambda reason: (reason.kind != "more", reason.share), default=None)


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
    return clean(text).replace("=?", "= ?")


def _topics(picks: Sequence[Pick], profile: Profile) -> list[tuple[str, str, int]]:
    """What the picks are mainly there for, "on" something or "by" somebody, and how many; most first."""
    phrases = {clean_words(interest.text) for interest in profile.interests if interest.kind == "phrase"}
    authors = {clean_words(name) for name in profile.authors}
    authors |= {clean_words(interest.text) for interest in profile.interests if interest.kind == "author"}
    numbers: Counter[tuple[str, str]] = Counter()
    shares: Counter[tuple[str, str]] = Counter()
    for pick in picks:
        reason = main_reason(pick)
        if reason is None:
            continue
        words = clean_words(reason.text)
        if reason.kind == "phrase" and words in phrases:
            topic = "on", words.rstrip(" .,;:")
        elif reason.kind == "author" and words in authors:
            topic = "by", words
        else:
            continue
        numbers[topic] += 1
        shares[topic] += round(reason.share * 1000)
    ranked = sorted(numbers, key=lambda topic: (-numbers[topic], -shares[topic], topic))
    return [(*topic, numbers[topic]) for topic in ranked if topic[1]]


def _about(kind: str, topic: str, words: Language) -> str:
    # Translators: "5 papers on tool use · 20 Nov". The topic is in the reader's own words, which do not inflect.
    on = words.say("on %(topic)s", topic=topic)
    return on if kind == "on" else words.say("by %(author)s", author=topic)


def _join(topics: Sequence[tuple[str, str]], rest: bool, words: Language) -> str:
    """ "on a", "on a and b", "on a, b and more", "on a and by c"."""
    parts = [_about(*topics[0], words)]
    for kind, topic in topics[1:]:
        # The preposition is said once: "on a and b", but "on a and by c".
        parts.append(topic if kind == topics[0][0] else _about(kind, topic, words))
    # Translators: the end of "on tool use, long context and more".
    more = words.say("more")
    return words.join([*parts, more] if rest else parts)
