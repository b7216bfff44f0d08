"""The fast way of writing a letter says what the slow one says, whatever stands in the letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mails import EVIL, NAMES, ONE_LINES, WORDS, check, parse, parts, raw_header, shown_name
from sample_letters import CONFIG, LINKS, SLOT, daily, letter, trending_only, worst_case

from digest.config import LetterConfig
from digest.letters import compose, twin
from digest.letters.compose import Composer
from digest.letters.links import Links
from digest.letters.mime import display_name, message_id, one_line
from digest.letters.subject import ENGLISH
from digest.letters.templates import Templates
from digest.letters.wording import placed
from digest.library.profile_file import ProfileFile
from digest.model import Interest, Letter, Link, Paper, Pick, Profile, Reason, Subscriber

TEMPLATES = Templates()
REASON_KINDS = ("phrase", "author", "category", "liked", "saved", "others", "more", "trending")

# ---- letters

URLS = st.sampled_from(
    [
        "https://example.org/a?b=1&c='%20%b'",
        "http://example.org/%(number)s/{{7*7}}",
        "https://example.org/" + "long/" * 390,
        "https://example.org/" + "x" * 3000,
        "https://xn--e1afmkfd.example/é/漢",
        "javascript:alert(1)",
        "https://example.org/\r\nBcc: x",
    ]
) | WORDS.map(lambda text: f"https://example.org/{text}")
ADDRESSES = st.sampled_from(
    [
        "ada@example.org",
        "a=b%c'd+e@example.org",
        "Ada.B@EXAMPLE.org",
        f"{'x' * 64}@{'deep.' * 12}org",
        "x&y@localhost",
    ]
)
REASONS = st.builds(
    Reason,
    st.sampled_from(REASON_KINDS),
    WORDS | st.sampled_from(["", "1", "17", "²"]),
    st.lists(WORDS, max_size=6).map(tuple),
    st.floats(0, 100),
    st.integers(0, 12),
)
PAPERS = st.builds(
    Paper,
    WORDS,
    WORDS | st.lists(WORDS, max_size=4).map(". ".join),
    st.lists(WORDS, max_size=5).map(tuple),
    st.lists(st.builds(Link, st.sampled_from(["abstract", "pdf", "code", "page"]), URLS), max_size=5).map(tuple),
    id=st.integers(0, 3),
)
PICKS = st.builds(
    Pick,
    PAPERS,
    st.floats(0, 100),
    st.just(0.5),
    st.sampled_from([0.0, 0.69, 0.7, 1.0]),
    st.lists(REASONS, max_size=4).map(tuple),
    st.none() | st.integers(-1, 40).map(lambda days: SLOT - timedelta(days)),
    st.none() | st.integers(0, 3) | st.just(12_345),
)
PROFILES = st.builds(
    Profile,
    st.lists(WORDS.map(Interest), max_size=3).map(tuple),
    authors=st.lists(WORDS, max_size=2).map(tuple),
    categories=st.sampled_from([(), ("cs.CL",)]),
    liked=st.lists(WORDS, max_size=2).map(tuple),
) | st.just(Profile())


@st.composite
def letters(draw: st.DrawFn) -> Letter:
    reader = Subscriber(
        "ada",
        draw(ADDRESSES),
        draw(WORDS),
        draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])),
        draw(st.sampled_from(["daily", "weekdays", "weekly:mon", "weekly:sun", ""])),
        draw(st.integers(0, 23)),
        draw(PROFILES),
        language=draw(st.sampled_from(["", "en", "en-US", "de"])),
        secret="00ff00ff00ff00ff",
        id=draw(st.integers(0, 2**40)),
    )
    some = draw(st.lists(PICKS, max_size=4))
    picks = (some * draw(st.integers(1, 15)))[:60]
    slot = draw(st.sampled_from([SLOT, date(2027, 3, 1)]))
    one = Letter(
        reader,
        slot,
        tuple(picks),
        also=tuple(draw(st.just([]) | st.lists(PICKS, max_size=5))),
        subject=draw(st.just("") | WORDS),
        message_id=message_id(reader, slot, "letters@example.org"),
        candidates=draw(st.sampled_from([0, 1, 60, 9000])),
        days=draw(st.integers(0, 3)),
        created_at=daily().created_at,
        id=draw(st.integers(0, 2**40)),
    )
    # Others were stored before their readers had letters of a week.
    if draw(st.booleans()):
        one = replace(one, picks=tuple(one.picks[place] for place in placed(one.subscriber, one.picks, ENGLISH)))
    return one


CONFIGS = st.builds(
    LetterConfig,
    name=st.just("Trending papers") | NAMES,
    from_address=st.just("letters@example.org"),
    contact=st.sampled_from(["", "editor@example.org", "a=b%c@example.org"]),
    postal_address=ONE_LINES,
    language=st.sampled_from(["en", "en-US", "de"]),
)


def shown(html: str) -> int:
    """How many cards a letter has, by its HTML."""
    return html.count('<td class="number rule ')


@cache
def composer(config: LetterConfig, links: Links | None) -> Composer:
    """The one of the other letters, too: what it keeps of them must not get into the next."""
    return Composer(config, TEMPLATES, links)


def compare(one: Letter, config: LetterConfig, links: Links | None, fast: Composer) -> None:
    rendered = fast.render(one)
    cards = shown(rendered.html)
    # What is also trending goes first where there is too little room.
    also = cards == len(one.picks) and twin.render(one, config, TEMPLATES, links) == rendered
    slow = twin.render(one if also else replace(one, also=()), config, TEMPLATES, links, cards)
    assert rendered == slow
    assert shown(slow.html) == cards
    assert len(rendered.html.encode()) <= compose.HTML_BUDGET
    raw = fast.mail(one)
    check(raw, config, links if one.subscriber.cadence else None)  # a single letter has nothing to leave
    usual = twin.mail(slow, one, config).as_bytes()
    assert parts(raw) == (rendered.text, rendered.html)
    message, wanted = parse(raw), parse(usual)
    text, html = wanted.iter_parts()
    assert parts(raw) == tuple(part.get_content().replace("\r\n", "\n") for part in (text, html))
    assert raw_header(raw, "Message-ID") == one.message_id == wanted["Message-ID"]
    assert message["Subject"] == one_line(rendered.subject)
    # Python 3.11 puts a second space between an encoded word and the next one.
    assert wanted["Subject"].split() == message["Subject"].split()
    if not one.subject:
        assert len(message["Subject"]) <= 78
    for header, name, address in (
        ("From", config.name, config.from_address),
        ("To", one.subscriber.name, one.subscriber.address),
    ):
        assert [who.addr_spec for who in message[header].addresses] == [address]
        assert [who.addr_spec for who in wanted[header].addresses] == [address]
        assert shown_name(raw, header, address) == display_name(name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(letters(), CONFIGS, st.sampled_from([None, LINKS]))
def test_any_letter_is_that_of_the_slow_way(one: Letter, config: LetterConfig, links: Links | None) -> None:
    compare(one, config, links, Composer(config, TEMPLATES, links))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(letters(), min_size=2, max_size=4), st.sampled_from([None, LINKS]))
def test_letters_leave_nothing_in_one_another(several: list[Letter], links: Links | None) -> None:
    for one in several:
        compare(one, CONFIG, links, composer(CONFIG, links))


# ---- letters that must be among them


def weekly() -> Letter:
    return letter(replace(daily().subscriber, cadence="weekly:fri"))


def single() -> Letter:
    return letter(replace(daily().subscriber, cadence=""))


def nothing() -> Letter:
    return letter(picks=())


def without_reasons() -> Letter:
    return letter(picks=tuple(replace(pick, reasons=()) for pick in daily().picks))


def too_long() -> Letter:
    return letter(
        replace(daily().subscriber, cadence="weekly:fri"),
        tuple(
            replace(pick, paper=replace(pick.paper, abstract=pick.paper.abstract * 9, title=f"{n} {'漢' * 290}"))
            for n, pick in enumerate(daily().picks * 10)
        ),
    )


def also_trending() -> Letter:
    return letter(picks=daily().picks[:2], also=daily().picks[2:])


def as_long_as_profiles_allow() -> Letter:
    """Each paper with a link of every kind."""
    most = {
        name: next(one.le for one in ProfileFile.model_fields[name].metadata if hasattr(one, "le"))
        for name in ("papers", "also_trending")
    }
    links = tuple(Link(label, f"https://a.example/{label}") for label in ("abstract", "pdf", "page", "code"))
    pick = Pick(Paper("A", links=links), 50.0, 1.0, 1.0)
    return letter(picks=(pick,) * most["papers"], also=(pick,) * most["also_trending"])


def also_without_room() -> Letter:
    return replace(too_long(), picks=too_long().picks[:30], also=too_long().picks[30:36])


KINDS = (
    daily,
    weekly,
    single,
    nothing,
    without_reasons,
    too_long,
    also_trending,
    as_long_as_profiles_allow,
    also_without_room,
    trending_only,
    worst_case,
)


@pytest.mark.parametrize("language", ["", "en-US", "de"])
@pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "with pages"])
@pytest.mark.parametrize("written", KINDS, ids=lambda f: f.__name__)
def test_each_kind_of_letter_is_that_of_the_slow_way(written, links: Links | None, language: str) -> None:
    one = written()
    one = replace(one, subscriber=replace(one.subscriber, language=language))
    compare(one, CONFIG, links, composer(CONFIG, links))
    cards = shown(composer(CONFIG, links).render(one).html)
    if written in (too_long, worst_case):
        assert 10 < cards < len(one.picks)
    elif written is not also_without_room:
        assert cards == len(one.picks)


@pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "with pages"])
@pytest.mark.parametrize("evil", EVIL, ids=lambda text: ascii(text[:24]))
def test_hostile_words_in_every_place_at_once(evil: str, links: Links | None) -> None:
    """Each place of the twin escapes by itself, so a place that lets words through differs from it."""
    urls = (Link("abstract", f"https://example.org/{evil}"), Link("pdf", evil))
    picks = tuple(
        Pick(
            Paper(evil, f"{evil}. {evil}", (evil, evil), urls), 50, 1, 1, (Reason(kind, evil, (evil, evil), 50.0),)
        )
        for kind in REASON_KINDS
    )
    profile = Profile((Interest(evil),), authors=(evil,), liked=(evil,))
    reader = replace(weekly().subscriber, name=evil, profile=profile)
    stored = letter(reader, picks, subject=evil)
    compare(stored, CONFIG, links, composer(CONFIG, links))
    compare(replace(stored, subject=""), CONFIG, links, composer(CONFIG, links))
    subject = parse(composer(CONFIG, links).mail(stored))["Subject"]
    assert "=?" not in subject
    assert "\u202e" not in subject


def test_a_number_of_reasons_that_is_none_stops_no_letter() -> None:
    picks = (replace(daily().picks[0], reasons=(Reason("more", "²"),)),)
    compare(letter(picks=picks), CONFIG, LINKS, composer(CONFIG, LINKS))


def test_a_composer_that_forgets_its_pieces_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is bounded, and only saves time."""
    every = [
        replace(one, subscriber=replace(one.subscriber, name=f"Reader {n}", id=n), id=n)
        for n, one in enumerate([written() for written in KINDS] * 2)
    ]
    wanted = [Composer(CONFIG, TEMPLATES, LINKS).mail(one) for one in every]
    for few in (1, 7, 100):
        monkeypatch.setattr(compose, "PIECES", few)
        fast = Composer(CONFIG, TEMPLATES, LINKS)
        assert [fast.mail(one) for one in every] == wanted
        assert [fast.mail(one) for one in reversed(every)] == wanted[::-1]
