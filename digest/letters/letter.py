"""A letter as HTML and as text. Pure: the same letter gives the same bytes.

The wording and the look live in templates, which an operator may replace one by one:

    letter/letter.html   the HTML part
    letter/card.html     one paper in it
    letter/letter.txt    the text part

Each sees one name, `letter`, a `LetterView`; `card.html` also sees `card`, a `CardView`. Every string in them is
plain text: HTML templates escape it by themselves, text templates print it. The text template has the filter
`wrap(width=72, first="", rest="")`. A name that these classes do not have is an error in a template, not a gap.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

import jinja2

from digest.config import LetterConfig
from digest.letters.subject import (
    WEEKDAYS,
    clean_words,
    count,
    long_day,
    main_reason,
    preheader,
    short_day,
    shorten,
    subject,
)
from digest.letters.wrap import WIDTH, wrap
from digest.model import Letter, Paper, Pick, Profile, Reason, Subscriber
from digest.text import clean, sentences

TEMPLATES = ("letter/letter.html", "letter/card.html", "letter/letter.txt")
HTML_BUDGET = 90_000  # bytes; Gmail clips at about 102 KB, and with the end the way to unsubscribe
TITLE_LIMIT = 300  # characters; a longer one is a mistake of the source
AUTHORS_SHOWN = 3
REASONS_SHOWN = 3
MANY = 9  # liked papers; more are not counted before a reader
TERMS_SHOWN = 5
ABSTRACT_LIMIT = 420  # characters: two or three sentences
TOLD_FROM = 0.1  # share of the score from which a further reason is told
POPULAR_FROM = 0.2  # share of the score from which a pick is marked as popular, too

_LABELS = {"abstract": "Abstract", "pdf": "PDF", "code": "Code", "page": "Page"}
# Only these may become a link: a feed could otherwise hand us `javascript:` or a URL that breaks a line.
_WEB_URL = re.compile(r"https?://[^\s\x00-\x20\x7f-\xa0\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069<>\"]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a letter says, before it is made a mail."""

    subject: str
    preheader: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class LinkView:
    label: str  # "Abstract", "PDF", "Code", "Page"
    url: str  # http or https


@dataclass(frozen=True, slots=True)
class WhyView:
    """One line on why a paper is here; read `before`, `words` and `after` as one sentence."""

    before: str  # 'Because you follow “'
    words: str = ""  # "tool use by language models": the reader's own; may be written from right to left
    after: str = ""  # "”"
    terms: str = ""  # "tool, language models": what matched; empty where it would repeat the words


@dataclass(frozen=True, slots=True)
class CardView:
    number: int  # 1 is the first
    title: str
    url: str  # where the title leads; empty when no link is known
    authors: str  # "Jane Doe, Li Wei, Ana Cruz and 5 more"; empty when none is known
    whys: tuple[WhyView, ...]  # at most three, the weightiest first
    abstract: str  # its first two or three sentences; may be empty
    score: str  # "match 73", or "popularity 73" where nothing but that counted
    popular: bool  # popularity helped, but is not the main reason
    listed: str  # "listed today", "listed yesterday", "listed on 17 Nov"; empty when unknown
    links: tuple[LinkView, ...]


@dataclass(frozen=True, slots=True)
class FooterView:
    address: str  # "ada@example.org"
    cadence: str  # "every day", "every weekday", "every Monday"; empty for a letter that is sent but once
    hour: str  # "07:00"
    zone: str  # "Europe/Berlin time", "UTC"
    reply_to: str  # "letters@example.org"
    change_subject: str  # "preferences ada@example.org"
    change_url: str  # "mailto:letters@example.org?subject=preferences%20ada%40example.org"
    stop_subject: str  # "unsubscribe ada@example.org"
    stop_url: str
    postal_address: str  # may be empty


@dataclass(frozen=True, slots=True)
class LetterView:
    name: str  # "Trending papers"
    subject: str
    preheader: str
    date: str  # "Friday 20 November 2026"
    count: str  # "7 papers"
    greeting: str  # "Hello Ada,"; empty when there is no name
    lede: str  # "7 of 212 papers listed over 3 days, chosen for your 4 interests."
    no_interests: bool  # the profile names none, so these are trending papers
    cards: tuple[CardView, ...]
    more: int  # papers that did not fit
    footer: FooterView
    width: int = WIDTH  # columns of the text part


def environment(override: Path | None = None) -> jinja2.Environment:
    """The shipped templates; those in the folder `override` come first."""
    shipped = jinja2.PackageLoader("digest", "templates")
    folders: list[jinja2.BaseLoader] = [] if override is None else [jinja2.FileSystemLoader(override)]
    templates = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*folders, shipped]),
        # Everything but text is escaped, also under a name that we did not think of.
        autoescape=jinja2.select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # one run, one look: without it every letter asks the disk for changes
    )
    templates.filters["wrap"] = wrap
    return templates


def render(letter: Letter, config: LetterConfig, templates: jinja2.Environment) -> Rendered:
    """Write a letter. Cards that would make the HTML part too large are left out from the end, and counted."""
    line = letter.subject or subject(letter.picks, letter.slot, letter.subscriber.profile)
    cards = _cards(letter.picks, letter.slot)
    page = templates.get_template("letter/letter.html")

    def html(shown: int) -> str:
        return page.render(letter=_view(letter, config, line, cards, shown))

    def fits(written: str) -> bool:
        return len(written.encode("utf-8", "replace")) <= HTML_BUDGET

    shown, written = len(cards), html(len(cards))
    if not fits(written):
        # Size only grows with the number of cards, so halving finds the most that fit.
        low, high = 0, len(cards)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(html(middle)) else (low, middle)
        shown, written = low, html(low)
    view = _view(letter, config, line, cards, shown)
    text = templates.get_template("letter/letter.txt").render(letter=view)
    return Rendered(line, view.preheader, written, text)


def mailto(address: str, subject: str) -> str:
    """A mailto URL in which neither part can end early."""
    return f"mailto:{quote(address, safe='@')}?subject={quote(subject, safe='')}"


def _view(letter: Letter, config: LetterConfig, line: str, cards: tuple[CardView, ...], shown: int) -> LetterView:
    reader = letter.subscriber
    name = clean_words(reader.name)
    return LetterView(
        name=config.name,
        subject=line,
        preheader=preheader(letter.picks),
        date=long_day(letter.slot),
        count=count(len(cards), "paper"),
        greeting=f"Hello {shorten(name, 80)}," if name else "",
        lede=_lede(letter),
        no_interests=reader.profile.is_empty and not _by_likes(letter),
        cards=cards[:shown],
        more=len(cards) - shown,
        footer=_footer(reader, config),
    )


def _lede(letter: Letter) -> str:
    """How the picks were chosen, in one sentence."""
    number, pool = len(letter.picks), letter.candidates
    days = "one day" if letter.days == 1 else f"{letter.days} days"
    spread = f" listed {'on' if letter.days == 1 else 'over'} {days}" if letter.days else ""
    papers = f"{number} of {count(pool, 'paper')}{spread}" if pool >= number > 0 else count(number, "paper")
    wanted = " and ".join(filter(None, [_wanted(letter.subscriber.profile), _liked(letter)]))
    return f"{papers}, chosen for {wanted}." if wanted else f"{papers}, by how much attention they get."


def _liked(letter: Letter) -> str:
    """ "what you liked", where that has chosen papers and the profile's own list does not say so."""
    kinds = {reason.kind for pick in letter.picks for reason in pick.reasons}
    return "what you liked" if kinds & {"liked", "saved"} and not letter.subscriber.profile.liked else ""


def _by_likes(letter: Letter) -> bool:
    """Was anything chosen for more than popularity? Without interests in the profile, likes have done it."""
    return any(reason.kind != "trending" for pick in letter.picks for reason in pick.reasons)


def _wanted(profile: Profile) -> str:
    """ "your 4 interests, 2 followed authors and 3 liked papers"; empty for an empty profile."""
    kinds = [interest.kind for interest in profile.interests]
    parts = [
        (kinds.count("phrase"), "interest"),
        (kinds.count("author") + len(profile.authors), "followed author"),
        (len(profile.categories), "followed category"),
        (kinds.count("liked") + len(profile.liked), "liked paper"),
    ]
    said = [count(number, noun).replace("ys", "ies") for number, noun in parts if number]
    if len(said) == 1 and said[0].startswith("1 "):
        return "your " + said[0].removeprefix("1 ")
    return "your " + " and ".join(filter(None, [", ".join(said[:-1]), said[-1]])) if said else ""


def _footer(reader: Subscriber, config: LetterConfig) -> FooterView:
    # The address stands in the subject because people write from another one than they read at.
    change, stop = f"preferences {reader.address}", f"unsubscribe {reader.address}"
    return FooterView(
        address=reader.address,
        cadence=_cadence(reader.cadence),
        hour=f"{reader.hour:02}:00",
        zone="UTC" if reader.time_zone == "UTC" else f"{reader.time_zone.replace('_', ' ')} time",
        reply_to=config.reply_to,
        change_subject=change,
        change_url=mailto(config.reply_to, change),
        stop_subject=stop,
        stop_url=mailto(config.reply_to, stop),
        postal_address=config.postal_address,
    )


def _cadence(cadence: str) -> str:
    kind, _, day = cadence.partition(":")
    for name in WEEKDAYS:
        if kind == "weekly" and name[:3].lower() == day:
            return f"every {name}"
    return {"daily": "every day", "weekdays": "every weekday"}.get(cadence, cadence)


def _cards(picks: Sequence[Pick], slot: date) -> tuple[CardView, ...]:
    return tuple(_card(number, pick, slot) for number, pick in enumerate(picks, 1))


def _card(number: int, pick: Pick, slot: date) -> CardView:
    paper = pick.paper
    links = _links(paper)
    by_label = {link.label: link.url for link in links}
    main = main_reason(pick)
    only_popular = main is not None and all(reason.kind == "trending" for reason in pick.reasons)
    trend = sum(reason.share for reason in pick.reasons if reason.kind == "trending")
    return CardView(
        number=number,
        title=shorten(clean_words(paper.title), TITLE_LIMIT) or "Untitled",
        url=next((by_label[label] for label in ("Abstract", "PDF", "Page") if label in by_label), ""),
        authors=_authors(paper.authors),
        whys=_whys(pick, slot),
        abstract=sentences(clean(paper.abstract), ABSTRACT_LIMIT),
        score=f"{'popularity' if only_popular else 'match'} {round(pick.score)}",
        popular=main is not None and main.kind != "trending" and trend >= POPULAR_FROM * pick.score > 0,
        listed=_listed(pick.listed, slot),
        links=links,
    )


def _links(paper: Paper) -> tuple[LinkView, ...]:
    """One of each kind, in a fixed order; what is not a plain web address is left out."""
    urls: dict[str, str] = {}
    for link in paper.links:
        if _WEB_URL.fullmatch(link.url):
            urls.setdefault(link.label, link.url)
    return tuple(LinkView(said, urls[label]) for label, said in _LABELS.items() if label in urls)


def _authors(authors: Sequence[str]) -> str:
    names = [name for author in authors if (name := shorten(clean_words(author), 80))]
    shown = ", ".join(names[:AUTHORS_SHOWN])
    rest = len(names) - AUTHORS_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def _whys(pick: Pick, slot: date) -> tuple[WhyView, ...]:
    ranked = sorted(pick.reasons, key=lambda reason: (reason.kind == "more", -reason.share))
    # Popularity has a small part in nearly every pick; it is worth a line only where it decided. Nor is an interest
    # that brought a point or two a reason that a reader would believe.
    told = [
        reason
        for place, reason in enumerate(ranked)
        if place == 0 or (reason.kind != "trending" and reason.share >= TOLD_FROM * pick.score)
    ]
    return tuple(_why(reason, pick.listed, slot) for reason in told[:REASONS_SHOWN])


def _why(reason: Reason, listed: date | None, slot: date) -> WhyView:
    if reason.kind == "trending":
        age = (slot - listed).days if listed else 0
        return WhyView("Popular today" if age <= 1 else "Popular this week" if age <= 7 else "Popular lately")
    words = shorten(clean_words(reason.text), 160)
    if reason.kind == "author":
        return WhyView("By ", words, ", whom you follow")
    if reason.kind == "category":
        return WhyView("In ", words, ", which you follow")
    if reason.kind == "others":
        return WhyView("Readers who like what you like would like it")
    if reason.kind == "more":
        return WhyView(f"And {reason.text} more of what you follow or like")
    terms = [term for term in map(clean_words, reason.terms[:TERMS_SHOWN]) if term]
    # “tool use”: tool, use — says nothing twice.
    repeated = set(" ".join(terms).casefold().split()) == set(re.findall(r"\w+", words.casefold()))
    verb = reason.kind if reason.kind in ("liked", "saved") else "follow"
    number = count(reason.beside, "other") if reason.beside <= MANY else "many others"
    others = f" and {number} like it" if reason.beside else ""
    return WhyView(f"Because you {verb} “", words, f"”{others}", "" if repeated else shorten(", ".join(terms), 120))


def _listed(listed: date | None, slot: date) -> str:
    if listed is None:
        return ""
    near = {0: "listed today", 1: "listed yesterday"}
    return near.get((slot - listed).days) or f"listed on {short_day(listed)}"
