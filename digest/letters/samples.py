"""Invented letters that templates are tried on: the usual ones, and one whose words want to do harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from digest.config import LetterConfig
from digest.letters.mime import message_id
from digest.model import Interest, Letter, LetterState, Link, Paper, Pick, Profile, Reason, Subscriber

SLOT = date(2026, 3, 6)  # a Friday
# What escaped words must not become in HTML: an element x-<what>, or an attribute y-<what>.
HARM = "\"'><x-{0} y-{0}=1> y-{0}=1 "

_BEES, _MAPS = "bees that count", "maps without words"


def sample_letters(config: LetterConfig) -> dict[str, Letter]:
    """Every kind of letter, by what it is."""
    ada = Subscriber(
        handle="ada",
        address="ada@example.org",
        name="Ada",
        time_zone="Europe/Berlin",
        cadence="weekdays",
        profile=Profile(
            interests=(Interest(_BEES), Interest(_MAPS, 2.0)),
            authors=("Nora Lindqvist",),
            categories=("q-bio.NC",),
            liked=("Arithmetic in Small Brains",),
        ),
        secret="not a secret",  # noqa: S106 - of an invented reader
        id=7,
    )
    weekly = replace(ada, cadence="weekly:fri", name="")
    newcomer = Subscriber(handle="noor", address="noor@example.org", cadence="daily", id=8)
    popular = [replace(one, reasons=(Reason("trending", "", (), one.score),), trending=0.9) for one in _PICKS[:2]]
    return {
        "a letter of a day": _letter(ada, _PICKS, config),
        "a letter of a week": replace(_letter(weekly, _PICKS[:3], config), also=_PICKS[3:]),
        "a letter to a reader without interests": _letter(newcomer, popular, config),
        "a letter of one paper": _letter(newcomer, popular[:1], config),
        "a test letter": _letter(replace(ada, cadence=""), _PICKS[:1], config),
        "a letter with hostile words": replace(
            _letter(_hostile_reader(weekly), _hostile_picks(), config), also=tuple(_hostile_picks()[:1])
        ),
    }


def _letter(reader: Subscriber, picks: tuple[Pick, ...] | list[Pick], config: LetterConfig) -> Letter:
    return Letter(
        subscriber=reader,
        slot=SLOT,
        picks=tuple(picks),
        state=LetterState.READY,
        message_id=message_id(reader, SLOT, config.from_address),
        candidates=120,
        days=5,
        id=11,
    )


def _paper(number: int, title: str, abstract: str, *authors: str, code: bool = False) -> Paper:
    url = f"https://arxiv.org/abs/2603.{number:05}"
    links = [Link("abstract", url), Link("pdf", url.replace("abs", "pdf"))]
    links += [Link("code", f"https://example.org/code/{number}?a=1&b=2")] if code else []
    return Paper(title, abstract, authors, tuple(links), id=number)


_PICKS = (
    Pick(
        _paper(
            101,
            "Honeybees Keep a Tally: Counting Landmarks on the Way Home",
            "We train honeybees to stop at the third of five coloured gates. They still do so when the gates stand "
            "closer together. A small model with four neurons does as well.",
            "Nora Lindqvist",
            "Tom Abara",
            "Yuki Sato",
            "Ines Prat",
            code=True,
        ),
        *(88.2, 0.9, 0.8),
        reasons=(
            Reason("phrase", _BEES, ("bees", "count"), 60.0),
            Reason("author", "Nora Lindqvist", (), 20.0),
            Reason("liked", "Arithmetic in Small Brains", ("small", "numbers"), 8.2, beside=2),
        ),
        listed=SLOT,
        votes=134,
    ),
    Pick(
        _paper(102, "A Subway Map That Can Be Drawn by Touch", "Raised lines replace every label. " * 4, "Li Na"),
        *(61.0, 0.6, 0.2),
        reasons=(Reason("phrase", _MAPS, ("maps", "without words"), 55.0), Reason("trending", "", (), 6.0)),
        listed=date(2026, 3, 5),
    ),
    Pick(
        _paper(103, "Where Wasps Sleep", "", "A. Okoye", "B. Stein"),
        *(33.3, 0.3, 0.4),
        reasons=(Reason("category", "q-bio.NC", (), 20.0), Reason("others", "", (), 13.3)),
        listed=date(2026, 3, 2),
        votes=1,
    ),
    Pick(
        Paper("Counting Without Numbers", "An essay. It has two sentences.", id=104),
        *(20.0, 0.2, 0.0),
        reasons=(Reason("saved", "Arithmetic in Small Brains", (), 20.0), Reason("more", "2", (), 0.0)),
    ),
)


def _hostile_reader(reader: Subscriber) -> Subscriber:
    texts = HARM.format("words"), "% of {{ 7 * 7 }} %(x)s %s", "הספירה של דבורים"
    return replace(reader, name=HARM.format("reader"), profile=Profile(interests=tuple(map(Interest, texts))))


def _hostile_picks() -> list[Pick]:
    strange = (
        (HARM.format("title"), f". From {HARM.format('abstract')}\u202e\x1b[31m End. " * 3, HARM.format("author")),
        (f"{'Endless' * 60}", "{% if %} {{ 7 * 7 }} %(x)s %s 100 % \0\x07 From here.\r\n.\r\n", "O'Neill & “Sons”"),
        ("数える蜂と地図" * 9, "=?utf-8?q?x?= مرحبا بالعالم. " * 9, "נחל־ים"),
    )
    reasons = [
        Reason("phrase", HARM.format("words"), (HARM.format("terms"),), 50.0),
        Reason("phrase", "% of {{ 7 * 7 }} %(x)s %s", (), 50.0),
        Reason("phrase", "הספירה של דבורים", ("דבורים",), 50.0),
    ]
    picks = []
    for number, ((title, abstract, author), reason) in enumerate(zip(strange, reasons, strict=True), 105):
        links = (Link("page", "javascript:alert(1)"), Link("pdf", "https://example.org/?q='&r=;%22"))
        paper = Paper(title, abstract, (author,) * 5, links, id=number)
        picks.append(Pick(paper, 50.0, 0.5, 0.1, (reason,), listed=SLOT, votes=10**9))
    return picks
