"""A letter in words: the views of its parts, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from digest.clock import WEEKDAYS
from digest.config import LetterConfig
from digest.language import Language
from digest.letters.cards import LIKES
from digest.letters.links import Links, mailto, quoted
from digest.letters.subject import clean_words, main_reason, preheader, shorten, subject
from digest.letters.views import ActView, FooterView, LetterView
from digest.letters.wrap import WIDTH
from digest.model import Letter, Pick, Profile, Reason, Subscriber
from digest.text import clean

# What a reader may do, and whose token the page for it wants (`links.Tokens`). Viewing the letter is no act.
ACTS = {"preferences": "reader", "pause": "reader", "unsubscribe": "unsubscribe"}
# The slots of a letter: what many say in the same words, and what only one does.
SHARED = ("subject", "preheader", "count", "lede", "how", "more")
URLS = ("how_url", *(f"acts.{place}.url" for place in range(len(ACTS) + 1)))
LINES = tuple(f"acts.{place}.line" for place in range(len(ACTS) + 1))
PERSONAL = ("greeting", "footer.why", *LINES)


# ---- the letter


def letter_view(letter: Letter, config: LetterConfig, words: Language, own: Mapping[str, Any]) -> LetterView:
    """`own` is what differs from letter to letter: `letter_words`, "cards" and "also"."""
    single = not letter.subscriber.cadence
    labels = [words.say("Preferences"), words.say("Pause"), words.say("Unsubscribe"), words.say("View in browser")]
    there = [place for place in range(len(labels)) if own[f"acts.{place}.url"]]
    acts = [
        ActView(labels[place], own[f"acts.{place}.url"], str(number), own[f"acts.{place}.line"])
        for number, place in enumerate(there, 1)
    ]
    return LetterView(
        language=words.code,
        direction=words.direction,
        name=config.name,
        date=words.long_day(letter.slot),
        no_interests=not_by_interests(letter),
        footer=FooterView(own["footer.why"], single, tuple(acts), _person(config, words), config.postal_address),
        width=WIDTH,
        **{name: own[name] for name in LetterView.OWN},
    )


def letter_words(
    letter: Letter, config: LetterConfig, words: Language, links: Links | None, shown: int
) -> dict[str, str]:
    """What only this letter says: `SHARED`, `URLS` and `PERSONAL`. `shown` of its picks have room in it."""
    reader = letter.subscriber
    held = {"address": quoted(reader.address)} | (links.tokens(letter)._asdict() if links else {})
    own = own_words(letter, config, words, shown) | act_lines(not reader.cadence, config, words, links)
    urls = targets(letter, own, config, words, links)
    own |= {name: own[name].replace("\0", reader.address) for name in ("footer.why", *LINES)}
    return own | {name: url and url.replace("\0", held[holder]) for name, (url, holder) in urls.items()}


def own_words(letter: Letter, config: LetterConfig, words: Language, shown: int) -> dict[str, str]:
    """`SHARED`, the greeting, and "footer.why" with a NUL for the reader's address."""
    reader, number = letter.subscriber, len(letter.picks)
    name = clean(reader.name)
    return {
        "subject": letter.subject or subject(letter.picks, letter.slot, reader.profile, words),
        "preheader": preheader(letter.picks, words),
        "count": _papers(number, words),
        "greeting": _greeting(words).replace("\0", shorten(name, 80)) if name else "",
        "lede": _lede(letter, words),
        "how": _how(words) if not_by_interests(letter) else "",
        "more": _more(number - shown, words) if number > shown else "",
        "footer.why": _schedule(config.name, reader.cadence, reader.hour, reader.time_zone, words),
    }


def targets(
    letter: Letter, own: Mapping[str, str], config: LetterConfig, words: Language, links: Links | None
) -> dict[str, tuple[str, str]]:
    """`URLS`, each with a NUL for what differs from reader to reader, and what that is: a field of `links.Tokens`,
    or "address" for what `links.quoted` makes of the reader's. Empty where a letter that says `own` has none."""
    if links:
        acts = [(f"{links.base_url}/{act}/\0", holder) for act, holder in (ACTS | {"letter": "letter"}).items()]
    else:
        acts = [*((url, "address") for url, _ in _acts_by_mail(config.reply_to, words)), ("", "")]
    how = acts[0]
    if not letter.subscriber.cadence:
        how = mailto(config.reply_to, "preferences ") + "\0", "address"
        acts = [("", "")] * len(acts)
    return dict(zip(URLS, [how if own["how"] else ("", ""), *acts], strict=True))


def act_lines(single: bool, config: LetterConfig, words: Language, links: Links | None) -> dict[str, str]:
    """`LINES`: how acts are done by mail, with a NUL for the reader's address; nothing where there are pages."""
    if links or single:
        return dict.fromkeys(LINES, "")
    return dict(zip(LINES, [*(line for _, line in _acts_by_mail(config.reply_to, words)), ""], strict=True))


@lru_cache(maxsize=1000)
def _how(words: Language) -> str:
    return words.say(
        "Your profile names no interests yet. Say in your own words what you like to read about, and the "
        "letters after that will follow it."
    )


@lru_cache(maxsize=1000)
def _greeting(words: Language) -> str:
    return words.say("Hello %(name)s,", name="\0")


@lru_cache(maxsize=1000)
def _papers(number: int, words: Language) -> str:
    return words.count("%(number)s paper", "%(number)s papers", number)


def not_by_interests(letter: Letter) -> bool:
    """Is this letter what is popular, since its reader has named nothing? Likes are interests, too."""
    if not letter.subscriber.profile.is_empty:
        return False
    return all(reason.kind == "trending" for pick in letter.picks for reason in pick.reasons)


@lru_cache(maxsize=1000)
def _acts_by_mail(address: str, words: Language) -> list[tuple[str, str]]:
    """(URL, what to do) for each act, with a NUL for the reader's address."""
    found = []
    for act in ACTS:
        # The reader's address stands in the subject because people write from another one than they read at.
        told = words.say(
            "write to %(address)s with the subject “%(subject)s”", address=address, subject=f"{act} \0"
        )
        found.append((mailto(address, f"{act} ") + "\0", told))
    return found


def _lede(letter: Letter, words: Language) -> str:
    """How the picks were chosen, in one sentence."""
    profile: Profile = letter.subscriber.profile
    phrases, authors, liked = len(profile.interests), len(profile.authors), len(profile.liked)
    for interest in profile.interests:
        phrases -= interest.kind != "phrase"
        authors += interest.kind == "author"
        liked += interest.kind == "liked"
    by_likes = not liked and _by_likes(letter.picks)
    followed = phrases, authors, len(profile.categories), liked, by_likes
    return _lede_of(len(letter.picks), letter.candidates, letter.days, followed, words)


def _by_likes(picks: Sequence[Pick]) -> bool:
    """Has anything that the reader liked chosen a paper?"""
    for pick in picks:
        for reason in pick.reasons:
            if reason.kind in LIKES:
                return True
    return False


@lru_cache(maxsize=10_000)
def _lede_of(number: int, pool: int, days: int, followed: tuple[int, int, int, int, bool], words: Language) -> str:
    papers = _papers(number, words)
    if pool >= number > 0:
        papers = words.count("%(picks)s of %(number)s paper", "%(picks)s of %(number)s papers", pool, picks=number)
        if days:
            papers = words.count("%(papers)s from one day", "%(papers)s from %(number)s days", days, papers=papers)
    wanted = _wanted(followed, words)
    if not wanted:
        return words.say("%(papers)s, by how much attention they get.", papers=papers)
    # Translators: "7 of 212 papers from 3 days; you follow 4 interests, 2 authors and 3 papers you liked."
    return words.say("%(papers)s; you follow %(interests)s.", papers=papers, interests=words.join(wanted))


def _wanted(followed: tuple[int, int, int, int, bool], words: Language) -> list[str]:
    """ "4 interests", "2 authors", "3 papers you liked"; empty for an empty profile."""
    phrases, authors, categories, liked, by_likes = followed
    found = [
        words.count("%(number)s interest", "%(number)s interests", phrases) if phrases else "",
        words.count("%(number)s author", "%(number)s authors", authors) if authors else "",
        words.count("%(number)s category", "%(number)s categories", categories) if categories else "",
        words.count("%(number)s paper you liked", "%(number)s papers you liked", liked) if liked else "",
        words.say("what you liked") if by_likes else "",
    ]
    return [one for one in found if one]


def _more(number: int, words: Language) -> str:
    return words.count(
        "and %(number)s more, for which there was no room in this letter",
        "and %(number)s more, for which there was no room in this letter",
        number,
    )


@lru_cache(maxsize=10_000)
def _schedule(name: str, cadence: str, hour: int, zone: str, words: Language) -> str:
    """When and why the letter comes, with a NUL for the address."""
    if not cadence:
        return words.say("This is a single test letter to %(address)s; no more will follow.", address="\0")
    zone = zone.replace("_", " ")
    # Translators: %(cadence)s is "every Monday", "every weekday" or "every day"; %(zone)s is "Europe/Berlin time".
    return words.say(
        "%(address)s gets %(name)s %(cadence)s at %(hour)s, %(zone)s, because it is on our list of readers.",
        address="\0",
        name=name,
        cadence=_cadence(cadence, words),
        hour=f"{hour:02}:00",
        zone="UTC" if zone == "UTC" else words.say("%(zone)s time", zone=zone),
    )


def _cadence(cadence: str, words: Language) -> str:
    kind, _, day = cadence.partition(":")
    if kind == "weekly":
        return words.say("every %(weekday)s", weekday=words.weekday(WEEKDAYS.index(day)))
    return words.say("every weekday") if cadence == "weekdays" else words.say("every day")


def _person(config: LetterConfig, words: Language) -> str:
    return words.say("Questions? Answer this mail: a person at %(address)s reads it.", address=config.reply_to)


# ---- groups


def placed(reader: Subscriber, picks: Sequence[Pick], words: Language) -> list[int]:
    """The picks in the order of the letter, for those who store it: a pick's place is the number a reader sees."""
    return [place for places in _groups(reader, picks, words).values() for place in places]


def grouped(reader: Subscriber, picks: Sequence[Pick], words: Language) -> list[tuple[str, Sequence[int]]]:
    """(heading, places of picks) in the order of the letter; one group without a heading where none is needed.

    The letter of a week is longer than a glance, so its papers stand by what they are there for. No heading moves a
    paper: where the picks are in another order, as after a change of cadence, there are none.
    """
    every = range(len(picks))
    if not reader.cadence.startswith("weekly"):
        return [("", every)]
    groups = _groups(reader, picks, words)
    if len(groups) > 1 and [place for places in groups.values() for place in places] == [*every]:
        return list(groups.items())
    return [("", every)]


def _groups(reader: Subscriber, picks: Sequence[Pick], words: Language) -> dict[str, list[int]]:
    """Heading → places of picks, in the order of each heading's first."""
    if not reader.cadence.startswith("weekly"):
        return {"": list(range(len(picks)))}
    groups: dict[str, list[int]] = {}
    for place, pick in enumerate(picks):
        groups.setdefault(_heading(main_reason(pick), words), []).append(place)
    return groups


def _heading(reason: Reason | None, words: Language) -> str:
    if reason is None or reason.kind in ("trending", "more"):
        return words.say("Popular")
    if reason.kind in LIKES:
        return words.say("Similar to what you liked")
    if reason.kind == "others":
        return words.say("From readers like you")
    said = shorten(clean_words(reason.text), 120)
    if reason.kind == "author":
        return words.say("By %(words)s", words=said)
    return words.say("In %(words)s", words=said) if reason.kind == "category" else said
