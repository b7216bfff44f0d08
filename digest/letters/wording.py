"""A letter in words: the views of its parts, in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from digest.config import LetterConfig
from digest.language import Language
from digest.letters.links import VERDICTS, Links, mailto
from digest.letters.subject import clean_words, main_reason, preheader, shorten, subject
from digest.letters.views import ActView, CardView, FooterView, LetterView, LinkView, SayView, WhyView
from digest.letters.wrap import WIDTH
from digest.model import Letter, Paper, Pick, Profile, Reason, Subscriber
from digest.text import clean, sentences

TITLE_LIMIT = 300  # characters; a longer one is a mistake of the source
URL_LIMIT = 2000  # characters; no browser promises to take more
AUTHORS_SHOWN = 3
REASONS_SHOWN = 3
MANY = 9  # liked papers; more are not counted before a reader
TERMS_SHOWN = 5
ABSTRACT_LIMIT = 420  # characters: two or three sentences
TOLD_FROM = 0.1  # share of the score from which a further reason is told
TRENDING_FROM = 0.7  # of 1: with so much attention a paper is marked as trending

# Only these may become a link: a feed could otherwise hand us `javascript:` or a URL that breaks a line.
_WEB_URL = re.compile(r"https?://[^\s\x00-\x20\x7f-\xa0\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069<>\"]+")
_LIKES = ("liked", "saved")
ACTS = ("preferences", "pause", "unsubscribe")  # what a reader may do about the letters; viewing one is no act


# ---- the letter


def letter_view(letter: Letter, config: LetterConfig, words: Language, own: Mapping[str, Any]) -> LetterView:
    """`own` is what differs from letter to letter: `letter_words`, and "cards" and "acts.<place>.number"."""
    single = not letter.subscriber.cadence
    labels = [words.say("Preferences"), words.say("Pause"), words.say("Unsubscribe"), words.say("View in browser")]
    acts = [
        ActView(label, *(own[f"acts.{place}.{name}"] for name in ActView.OWN))
        for place, label in enumerate(labels)
        if f"acts.{place}.url" in own
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
    """What only this letter says, by the names of the slots for it; `shown` of its picks have room in it."""
    reader, number = letter.subscriber, len(letter.picks)
    name = clean_words(reader.name)
    acts = _acts(letter, config, words, links)
    own = {
        "subject": letter.subject or subject(letter.picks, letter.slot, reader.profile, words),
        "preheader": preheader(letter.picks, words),
        "count": words.count("%(number)s paper", "%(number)s papers", number),
        "greeting": words.say("Hello %(name)s,", name=shorten(name, 80)) if name else "",
        "lede": _lede(letter, words),
        "how": "",
        "how_url": "",
        "more": _more(number - shown, words) if number > shown else "",
        "footer.why": _why_sent(reader, config, words),
    }
    if not_by_interests(letter):
        own["how"] = words.say(
            "Your profile names no interests yet. Say in your own words what you like to read about, and the "
            "letters after that will follow it."
        )
        own["how_url"] = acts[0][0] if acts else mailto(config.reply_to, f"preferences {reader.address}")
    for place, (url, line) in enumerate(acts):
        own[f"acts.{place}.url"], own[f"acts.{place}.line"] = url, line
    return own


def not_by_interests(letter: Letter) -> bool:
    """Is this letter what is popular, since its reader has named nothing? Likes are interests, too."""
    by_likes = any(reason.kind != "trending" for pick in letter.picks for reason in pick.reasons)
    return letter.subscriber.profile.is_empty and not by_likes


def _acts(letter: Letter, config: LetterConfig, words: Language, links: Links | None) -> list[tuple[str, str]]:
    """(URL, how it is done by mail) of what the reader may do about the letters, in the order of their labels."""
    reader = letter.subscriber
    if not reader.cadence:
        return []
    if links:
        return [*((links.of_reader(act, reader), "") for act in ACTS), (links.letter(letter), "")]
    found = []
    for act in ACTS:
        # The address stands in the subject because people write from another one than they read at.
        line = f"{act} {reader.address}"
        told = words.say(
            "write to %(address)s with the subject “%(subject)s”", address=config.reply_to, subject=line
        )
        found.append((mailto(config.reply_to, line), told))
    return found


def _lede(letter: Letter, words: Language) -> str:
    """How the picks were chosen, in one sentence."""
    number, pool = len(letter.picks), letter.candidates
    papers = words.count("%(number)s paper", "%(number)s papers", number)
    if pool >= number > 0:
        papers = words.count("%(picks)s of %(number)s paper", "%(picks)s of %(number)s papers", pool, picks=number)
        if letter.days:
            days = letter.days
            papers = words.count("%(papers)s from one day", "%(papers)s from %(number)s days", days, papers=papers)
    wanted = _wanted(letter, words)
    if not wanted:
        return words.say("%(papers)s, by how much attention they get.", papers=papers)
    # Translators: "7 of 212 papers from 3 days; you follow 4 interests, 2 authors and 3 liked papers."
    return words.say("%(papers)s; you follow %(interests)s.", papers=papers, interests=words.join(wanted))


def _wanted(letter: Letter, words: Language) -> list[str]:
    """ "4 interests", "2 authors", "3 liked papers"; empty for an empty profile."""
    profile: Profile = letter.subscriber.profile
    kinds = [interest.kind for interest in profile.interests]
    phrases, authors = kinds.count("phrase"), kinds.count("author") + len(profile.authors)
    categories, liked = len(profile.categories), kinds.count("liked") + len(profile.liked)
    found = [
        words.count("%(number)s interest", "%(number)s interests", phrases) if phrases else "",
        words.count("%(number)s author", "%(number)s authors", authors) if authors else "",
        words.count("%(number)s category", "%(number)s categories", categories) if categories else "",
        words.count("%(number)s liked paper", "%(number)s liked papers", liked) if liked else "",
    ]
    if not liked and any(reason.kind in _LIKES for pick in letter.picks for reason in pick.reasons):
        found.append(words.say("what you liked"))
    return [one for one in found if one]


def _more(number: int, words: Language) -> str:
    return words.count(
        "and %(number)s more, for which there was no room in this letter",
        "and %(number)s more, for which there was no room in this letter",
        number,
    )


def _why_sent(reader: Subscriber, config: LetterConfig, words: Language) -> str:
    if not reader.cadence:
        return words.say(
            "This is a single test letter to %(address)s; no more will follow.", address=reader.address
        )
    zone = reader.time_zone.replace("_", " ")
    # Translators: %(cadence)s is "every Monday", "every weekday" or "every day"; %(zone)s is "Europe/Berlin time".
    return words.say(
        "%(address)s gets %(name)s %(cadence)s at %(hour)s, %(zone)s, because it is on our list of readers.",
        address=reader.address,
        name=config.name,
        cadence=_cadence(reader.cadence, words),
        hour=f"{reader.hour:02}:00",
        zone="UTC" if zone == "UTC" else words.say("%(zone)s time", zone=zone),
    )


def _cadence(cadence: str, words: Language) -> str:
    kind, _, day = cadence.partition(":")
    if kind == "weekly":
        number = ("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day)
        return words.say("every %(weekday)s", weekday=words.weekday(number))
    return words.say("every weekday") if cadence == "weekdays" else words.say("every day")


def _person(config: LetterConfig, words: Language) -> str:
    return words.say("Questions? Answer this mail: a person at %(address)s reads it.", address=config.reply_to)


# ---- groups


def grouped(letter: Letter, words: Language) -> list[tuple[str, list[int]]]:
    """(heading, places of picks) in the order of the letter; one group without a heading where none is needed.

    The letter of a week is longer than a glance, so its papers stand by what they are there for.
    """
    every = list(range(len(letter.picks)))
    if not letter.subscriber.cadence.startswith("weekly"):
        return [("", every)]
    groups: dict[str, list[int]] = {}
    for place in every:
        groups.setdefault(_heading(main_reason(letter.picks[place]), words), []).append(place)
    return list(groups.items()) if len(groups) > 1 else [("", every)]


def _heading(reason: Reason | None, words: Language) -> str:
    if reason is None or reason.kind in ("trending", "more"):
        return words.say("Popular")
    if reason.kind in _LIKES:
        return words.say("Like what you liked")
    if reason.kind == "others":
        return words.say("From readers like you")
    said = shorten(clean_words(reason.text), 120)
    if reason.kind == "author":
        return words.say("By %(words)s", words=said)
    return words.say("In %(words)s", words=said) if reason.kind == "category" else said


# ---- a paper


def card_view(pick: Pick, slot: date, words: Language, *, said: bool, grouped: bool) -> CardView:
    """What is the same for all readers; the fields of `CardView.OWN` are empty, and of `say` the URL is the verdict
    alone. `said` is whether readers can say what they think of a paper, on pages of ours.
    """
    paper = pick.paper
    links = _links(paper, words)
    votes = pick.votes
    verdicts = {"more": words.say("More like this"), "less": words.say("Less like this"), "save": words.say("Save")}
    return CardView(
        number="",
        mark="",
        title=shorten(clean_words(paper.title), TITLE_LIMIT) or words.say("Untitled"),
        # Code is no place to read a paper.
        url=next((link.url for kind, link in links if kind != "code"), ""),
        authors=_authors(paper.authors, words),
        whys="",
        abstract=sentences(clean(paper.abstract), ABSTRACT_LIMIT),
        score="",
        votes="" if votes is None else words.count("%(number)s vote", "%(number)s votes", votes),
        trending=is_trending(pick),
        listed=_listed(pick.listed, slot, words),
        links=tuple(link for _, link in links),
        say=tuple(SayView(verdicts[verdict], verdict) for verdict in VERDICTS) if said else (),
        grouped=grouped,
    )


def is_trending(pick: Pick) -> bool:
    return pick.trending >= TRENDING_FROM


def score_words(pick: Pick, words: Language) -> str:
    points = round(pick.score)
    if pick.reasons and all(reason.kind == "trending" for reason in pick.reasons):
        return words.say("popularity %(points)s", points=points)
    # Translators: how well a paper suits its reader, of 100.
    return words.say("match %(points)s", points=points)


def _links(paper: Paper, words: Language) -> list[tuple[str, LinkView]]:
    """One of each kind, in a fixed order; what is not a plain web address is left out."""
    labels = {
        "abstract": words.say("Abstract"),
        "pdf": words.say("PDF"),
        "page": words.say("Page"),
        "code": words.say("Code"),
    }
    urls: dict[str, str] = {}
    for link in paper.links:
        if len(link.url) <= URL_LIMIT and _WEB_URL.fullmatch(link.url):
            urls.setdefault(link.label, link.url)
    return [(label, LinkView(said, urls[label])) for label, said in labels.items() if label in urls]


def _authors(authors: Sequence[str], words: Language) -> str:
    names = [name for author in authors if (name := shorten(clean_words(author), 80))]
    rest = len(names) - AUTHORS_SHOWN
    shown = ", ".join(names[:AUTHORS_SHOWN])
    if rest <= 0:
        return shown
    return words.count("%(names)s and %(number)s more", "%(names)s and %(number)s more", rest, names=shown)


def _listed(listed: date | None, slot: date, words: Language) -> str:
    if listed is None:
        return ""
    if listed == slot:
        return words.say("listed today")
    if (slot - listed).days == 1:
        return words.say("listed yesterday")
    return words.say("listed on %(day)s", day=words.short_day(listed))


# ---- reasons


def told_reasons(pick: Pick) -> Iterator[Reason]:
    """The reasons that are worth a line, at most three, the weightiest first."""
    ranked = sorted(pick.reasons, key=lambda reason: (reason.kind == "more", -reason.share))
    # Popularity has a small part in nearly every pick; it is worth a line only where it decided. Nor is an interest
    # that brought a point or two a reason that a reader would believe.
    least, told = TOLD_FROM * pick.score, 0
    for place, reason in enumerate(ranked):
        if told < REASONS_SHOWN and (not place or (reason.kind != "trending" and reason.share >= least)):
            told += 1
            yield reason


def age_of(pick: Pick, slot: date) -> int:
    """How long ago a paper was listed, as far as words tell it: 0 a day, 1 a week, 2 more."""
    days = (slot - pick.listed).days if pick.listed else 0
    return 0 if days <= 1 else 1 if days <= 7 else 2


def why_view(reason: Reason, age: int, words: Language) -> WhyView:
    """`age` is that of the pick: `age_of`."""
    said = shorten(clean_words(reason.text), 160)
    terms = [term for term in map(clean_words, reason.terms[:TERMS_SHOWN]) if term]
    # “tool use”: tool, use — says nothing twice.
    repeated = set(" ".join(terms).casefold().split()) == set(re.findall(r"\w+", said.casefold()))
    matched = "" if repeated else shorten(", ".join(terms), 120)
    sentence = _why(reason, age, words)
    if "\0" not in sentence:
        said = matched = ""
    before, _, after = sentence.partition("\0")
    line = before + said + after + (f": {matched}" if matched else "")
    return WhyView(before, said, after, matched, line)


def _why(reason: Reason, age: int, words: Language) -> str:
    """The sentence, with a NUL for the reader's words."""
    kind, spot = reason.kind, "\0"
    if kind == "trending":
        lately = (words.say("Popular today"), words.say("Popular this week"), words.say("Popular lately"))
        return lately[age]
    if kind == "others":
        return words.say("Readers who like what you like would like it")
    if kind == "more":
        more = int(reason.text) if reason.text.isdigit() else 1
        return words.count(
            "And %(number)s more of what you follow or like", "And %(number)s more of what you follow or like", more
        )
    if kind == "author":
        return words.say("By %(words)s, whom you follow", words=spot)
    if kind == "category":
        return words.say("In %(words)s, which you follow", words=spot)
    if kind not in _LIKES:
        return words.say("Because you follow “%(words)s”", words=spot)
    saved, beside = kind == "saved", reason.beside
    if beside > MANY and saved:
        return words.say("Because you saved “%(words)s” and many others like it", words=spot)
    if beside > MANY:
        return words.say("Because you liked “%(words)s” and many others like it", words=spot)
    if beside and saved:
        return words.count(
            "Because you saved “%(words)s” and %(number)s other like it",
            "Because you saved “%(words)s” and %(number)s others like it",
            beside,
            words=spot,
        )
    if beside:
        return words.count(
            "Because you liked “%(words)s” and %(number)s other like it",
            "Because you liked “%(words)s” and %(number)s others like it",
            beside,
            words=spot,
        )
    if saved:
        return words.say("Because you saved “%(words)s”", words=spot)
    return words.say("Because you liked “%(words)s”", words=spot)
