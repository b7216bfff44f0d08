"""A paper in words: its card, and the reasons for it, in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache

from digest.language import Language
from digest.letters.links import VERDICTS
from digest.letters.subject import clean_words, shorten
from digest.letters.views import CardView, LinkView, SayView, WhyView
from digest.model import Paper, Pick, Reason
from digest.text import clean, sentences

TITLE_LIMIT = 300  # characters; a longer one is a mistake of the source
URL_LIMIT = 2000  # characters; no browser promises to take more
AUTHORS_SHOWN = 3
REASONS_SHOWN = 3
MANY = 9  # liked papers; more are not counted before a reader
TERMS_SHOWN = 5
ABSTRACT_LIMIT = 420  # characters: two or three sentences
TOLD_FROM = 0.1  # share of the score from which a further reason is told
TRENDING_FROM = 0.5  # of 1: with so much attention a paper is marked as trending

# Only these may become a link: a feed could otherwise hand us `javascript:` or a URL that breaks a line.
_WEB_URL = re.compile(r"https?://[^\s\x00-\x20\x7f-\xa0\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069<>\"]+")
LIKES = ("liked", "saved")  # kinds of reasons


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
        say=tuple(SayView(verdicts[one], one, str(n)) for n, one in enumerate(VERDICTS, len(links) + 1) if said),
        grouped=grouped,
    )


def in_brief(view: CardView) -> CardView:
    """The same for the strip of what is also trending: one link, and nothing to say of it."""
    return replace(view, links=view.links[: bool(view.url)], say=())


def is_trending(pick: Pick) -> bool:
    """Is it marked as trending? Not where that is its reason, which says so."""
    if pick.trending < TRENDING_FROM:
        return False
    for reason in pick.reasons:
        if reason.kind != "trending":
            return True
    return not pick.reasons


def is_popular(pick: Pick) -> bool:
    """Is it there for nothing but the attention that it gets?"""
    reasons = pick.reasons
    if not reasons or reasons[0].kind != "trending":
        return False
    return all(one.kind == "trending" for one in reasons)


def score_words(pick: Pick, words: Language) -> str:
    return _popularity(round(pick.score), words) if is_popular(pick) else _match(round(pick.score), words)


@lru_cache(maxsize=1000)
def _popularity(points: int, words: Language) -> str:
    return words.say("popularity %(points)s", points=points)


@lru_cache(maxsize=1000)
def _match(points: int, words: Language) -> str:
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
    there = [label for label in labels if label in urls]
    return [(label, LinkView(labels[label], urls[label], str(n))) for n, label in enumerate(there, 1)]


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


def told_reasons(pick: Pick) -> Sequence[Reason]:
    """The reasons that are worth a line, at most three, the weightiest first."""
    reasons: Sequence[Reason] = pick.reasons
    if len(reasons) < 2:
        return reasons
    # Popularity has a small part in nearly every pick; it is worth a line only where it decided. Nor is an interest
    # that brought a point or two a reason that a reader would believe.
    least = TOLD_FROM * pick.score
    told: list[Reason] = [reasons[0]]
    weight, last = reasons[0].share, reasons[0].kind == "more"
    for reason in reasons[1:]:
        share, more = reason.share, reason.kind == "more"
        if (last and not more) or (share > weight and last is more):
            return told_reasons(replace(pick, reasons=tuple(sorted(reasons, key=_by_weight))))
        weight, last = share, more
        if share >= least and reason.kind != "trending":
            told.append(reason)
    return told if len(told) <= REASONS_SHOWN else told[:REASONS_SHOWN]


def _by_weight(reason: Reason) -> tuple[bool, float]:
    return reason.kind == "more", -reason.share


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
        return words.say("Suits readers who like what you like")
    if kind == "more":
        more = int(reason.text) if reason.text.isdecimal() else 1
        return words.count(
            "And %(number)s more of what you follow or like", "And %(number)s more of what you follow or like", more
        )
    if kind == "author":
        return words.say("By %(words)s, whom you follow", words=spot)
    if kind == "category":
        return words.say("In %(words)s, which you follow", words=spot)
    if kind not in LIKES:
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
