"""What a letter says, and that nothing from outside can say it in our place."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sample_letters import ADA, CONFIG, NEWCOMER, PICKS, SLOT, daily, letter, render, trending_only, worst_case

from digest.letters.links import mailto
from digest.letters.templates import Templates
from digest.letters.wrap import WIDTH, columns, wrap
from digest.model import Interest, Letter, Link, Paper, Pick, Profile, Reason

ALL = pytest.mark.parametrize("written", [daily, trending_only, worst_case], ids=lambda f: f.__name__)
VOID = {"meta", "br", "col", "hr", "img", "link", "input", "base", "source"}


class Page(HTMLParser):
    """Every tag with its attributes, the text outside <style>, and whether the tags are well nested."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in names]


def flat(text: str) -> str:
    return " ".join(text.split())


def one(pick: Pick, **changes: object) -> tuple[Page, str]:
    """A letter with this pick alone: its page, and its text on one line."""
    rendered = render(letter(picks=(pick,), **changes))
    return Page(rendered.html), flat(rendered.text)


# ---- structure


@ALL
def test_the_page_is_well_formed_and_fetches_nothing(written) -> None:
    html = render(written()).html
    page = Page(html)
    assert html.startswith("<!doctype html>\n<html lang=")
    assert page.all("html") == [{"lang": "en", "dir": "ltr"}]
    assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")
    assert len(page.all("title")) == len(page.all("style")) == 1
    assert page.all("table")
    assert all(table["role"] == "presentation" for table in page.all("table"))
    assert page.all("img", "script", "link", "iframe", "object", "form", "base", "video", "svg") == []
    for attrs in (attrs for _, attrs in page.tags):
        assert not {"src", "srcset", "background", "action", "poster", "data"} & set(attrs)
        assert not [name for name in attrs if name.startswith("on")]
    assert "url(" not in html
    assert "@import" not in html
    assert all(a["href"].startswith(("https://", "http://", "mailto:")) for a in page.all("a"))


@ALL
def test_headings_are_in_order(written) -> None:
    page = Page(render(written()).html)
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}
    assert [a["dir"] for a in page.all("h2")[:-1]] == ["auto"] * (len(headings) - 2)


@ALL
def test_same_letter_same_bytes(written) -> None:
    assert render(written()) == render(written())


def test_colours_have_contrast_in_both_schemes() -> None:
    html = render(daily()).html
    style, dark = html[html.index("<style>") : html.index("</style>")], "#17181a"
    body = html[html.index("</style>") :]
    light_texts = set(re.findall(r"[;\"]color:(#\w{6})", body)) - {"#fdfcf9"}  # the hidden preheader
    dark_texts = set(re.findall(r"[ {]color: (#\w{6})", style))
    assert len(light_texts) == len(dark_texts) == 4
    assert all(contrast(colour, "#fdfcf9") >= 4.5 for colour in light_texts)
    assert all(contrast(colour, dark) >= 4.5 for colour in dark_texts)
    # Whoever sets a colour inline names the class that changes it in the dark.
    for _, attrs in Page(html).tags:
        if re.search(r"[;\"]?color:#(?!fdfcf9)", attrs.get("style") or ""):
            assert set((attrs.get("class") or "").split()) & {"ink", "prose", "quiet", "accent"}


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# ---- what it says


def test_a_daily_letter_says_who_when_and_how_it_was_chosen() -> None:
    rendered = render(daily())
    for said in (Page(rendered.html).text, flat(rendered.text)):
        assert "Trending papers" in said
        assert "Friday 20 November 2026" in said
        assert "Hello Ada," in said
        assert "6 of 212 papers from 3 days; you follow 3 interests, 1 author and 1 paper you liked." in said
        assert "names no interests" not in said
        assert "Mirela Kovač, Tomás Arriaga, Wen Zhao and 2 more" in said
        assert "Because you follow “tool use by language models”: tool, language models, calls" in said
        assert "By Mirela Kovač, whom you follow" in said
        assert "Because you liked “Reading with a Pencil: Notes as Memory”: notes, memory" in said
        assert "134 votes" in said
        assert said.count("votes") == 1, "of the others nobody knows"
        assert "ada@example.org gets Trending papers every weekday at 07:00, Europe/Berlin time" in said
        assert "The Reading Room, 12 Canal Street" in said


def test_html_and_text_say_the_same_of_every_paper() -> None:
    rendered = render(daily())
    page = Page(rendered.html)
    hrefs = {a["href"] for a in page.all("a")}
    # Wrapped CJK is cut inside a word, so compare without spaces.
    html, text = (re.sub(r"\s", "", said) for said in (page.text, rendered.text))
    for pick in PICKS:
        for said in (html, text):
            assert re.sub(r"\s", "", pick.paper.title) in said
            assert f"match{round(pick.score)}" in said
        assert {link.url for link in pick.paper.links} <= hrefs
        assert all(link.url in rendered.text.split() for link in pick.paper.links)


def test_nothing_is_said_of_what_is_not_known() -> None:
    page, text = one(Pick(Paper("A Bare Title"), 12.0, 0.1, 0.0))
    card = page.text[page.text.index("1 A Bare Title") : page.text.index("About this letter")]
    assert flat(card) == "1 A Bare Title match 12"
    assert "1. A Bare Title match 12 =" in text
    assert len(page.all("a")) == 3, "only the footer's"


def test_no_name_no_greeting_and_no_postal_address_no_line() -> None:
    rendered = render(letter(NEWCOMER), CONFIG.model_copy(update={"postal_address": ""}))
    assert "Hello" not in rendered.html + rendered.text
    assert "Canal Street" not in rendered.html + rendered.text


def test_an_empty_profile_is_told_so_and_how_to_change_it() -> None:
    rendered = render(trending_only())
    for said in (Page(rendered.html).text, flat(rendered.text)):
        assert "6 of 212 papers from 3 days, by how much attention they get." in said
        assert "Your profile names no interests yet." in said
        assert "Popular today" in said
        assert "popularity 81" in said
        assert "match" not in said
        assert "every Monday at 07:00, America/New York time" in said


@pytest.mark.parametrize(
    ("profile", "candidates", "days", "said"),
    [
        (Profile((Interest("a"),)), 9, 1, "1 of 9 papers from one day; you follow 1 interest."),
        (
            Profile((Interest("a"), Interest("b", kind="author"))),
            1,
            0,
            "1 of 1 paper; you follow 1 interest and 1 author.",
        ),
        (Profile(authors=("X", "Y")), 0, 0, "1 paper; you follow 2 authors."),
        (Profile(categories=("cs.CL",)), 0, 0, "1 paper; you follow 1 category."),
    ],
)
def test_the_lede_counts_in_english(profile: Profile, candidates: int, days: int, said: str) -> None:
    changed = letter(replace(ADA, profile=profile), PICKS[:1], candidates=candidates, days=days)
    rendered = render(changed)
    assert said in flat(rendered.text)
    assert said in Page(rendered.html).text


def test_at_most_three_reasons_and_popularity_only_where_it_decided() -> None:
    many = tuple(Reason("phrase", f"topic {n}", (), 10.0 - n) for n in range(5))
    _, text = one(replace(PICKS[0], score=50.0, reasons=(*many, Reason("trending", "", (), 9.5))))
    assert text.count("Because you follow") == 3
    assert "Popular" not in text
    _, text = one(replace(PICKS[0], reasons=(many[0], Reason("trending", "", (), 30.0))))
    assert "Popular today Because you follow “topic 0”" in text


def test_what_gets_more_attention_than_most_is_marked() -> None:
    page, text = one(replace(PICKS[0], score=40.0, trending=0.5))
    assert "match 40 · 134 votes · trending · listed today" in text
    assert "match 40 · 134 votes · trending · listed today" in page.text
    page, text = one(replace(PICKS[0], score=40.0, trending=0.49, votes=1))
    assert "match 40 · 1 vote · listed today" in text
    assert "match 40 · 1 vote · listed today" in page.text


def test_terms_that_repeat_the_words_are_not_printed() -> None:
    _, text = one(replace(PICKS[0], reasons=(Reason("phrase", "Tool use", ("tool", "use"), 9.0),)))
    assert "Because you follow “Tool use” Small models" in text


@pytest.mark.parametrize(
    ("ago", "said"),
    [(0, "listed today"), (1, "listed yesterday"), (3, "listed on 17 Nov"), (-2, "listed on 22 Nov")],
)
def test_how_recently_it_was_listed(ago: int, said: str) -> None:
    page, text = one(replace(PICKS[0], listed=SLOT - timedelta(days=ago)))
    assert said in text
    assert said in page.text


def test_the_title_leads_to_the_abstract_else_the_pdf_else_the_page() -> None:
    links = [Link("code", "https://c/"), Link("page", "https://p/"), Link("pdf", "https://f/")]
    page, _ = one(Pick(Paper("T", links=(*links, Link("abstract", "https://a/"))), 1, 1, 1))
    assert [a["href"] for a in page.all("a")][:5] == [
        "https://a/",
        "https://a/",
        "https://f/",
        "https://p/",
        "https://c/",
    ]
    assert one(Pick(Paper("T", links=tuple(links)), 1, 1, 1))[0].all("a")[0]["href"] == "https://f/"
    assert one(Pick(Paper("T", links=tuple(links[:2])), 1, 1, 1))[0].all("a")[0]["href"] == "https://p/"


def test_the_stored_subject_wins() -> None:
    assert render(letter(subject="As promised")).subject == "As promised"


# ---- hostile input


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//example.org/",
        "https://example.org/\r\nBcc: evil@example.org",
        "https://example.org/ onclick=x",
        "https://example.org/\u202egro",
        'https://example.org/"x',
    ],
)
def test_only_a_plain_web_address_becomes_a_link(url: str) -> None:
    page, text = one(Pick(Paper("T", links=(Link("abstract", url),)), 1, 1, 1))
    assert [a["href"][:7] for a in page.all("a")] == ["mailto:"] * 3
    assert "Abstract" not in text


def test_markup_from_outside_stays_text() -> None:
    evil = "</title></style><script>alert(1)</script> <&> <b>x</b> {{ 7*7 }} &amp;lt;"
    paper = Paper(evil, evil, (evil,), (Link("abstract", "https://example.org/?a=1&b='x'"),))
    reasons = (Reason("phrase", evil, (evil,), 1.0), Reason("author", evil, (), 1.0))
    rendered = render(
        letter(replace(ADA, name=evil), (Pick(paper, 1, 1, 1, reasons),), subject=evil),
        CONFIG.model_copy(update={"name": evil, "postal_address": evil}),
    )
    page = Page(rendered.html)
    assert page.all("script", "b") == []
    assert "<script>" not in rendered.html
    assert page.text.count("<script>alert(1)</script> <&> <b>x</b> {{ 7*7 }}") >= 6
    assert page.all("a")[0]["href"] == "https://example.org/?a=1&b='x'"
    assert "<script>alert(1)</script> <&>" in flat(rendered.text)


def test_the_text_part_has_no_entities_and_no_wide_lines() -> None:
    for written in (daily, trending_only, worst_case):
        text = render(written()).text
        assert not re.search(r"&(#\d+|quot|lt|gt|nbsp|#x27);", text)
        # A URL and a subject to copy stay whole, whatever their length.
        whole = re.compile(r"://")
        assert all(columns(line) <= WIDTH for line in text.split("\n") if not whole.search(line))
        assert not re.search(r"[ \t]$|\n{5}", text, re.M)


HOSTILE = st.text(max_size=300) | st.sampled_from(
    [
        "a\r\nBcc: x",
        "\x00\x1b[31m",
        "\u202eevil",
        "=?utf-8?q?x=0ABcc=3A_evil?=",
        "x" * 10_000,
        "<!--",
        "]]>",
        "\ud800",
    ]
)


@settings(max_examples=40, deadline=None)
@given(title=HOSTILE, abstract=HOSTILE, author=HOSTILE, words=HOSTILE, name=HOSTILE)
def test_any_text_gives_a_whole_letter(title: str, abstract: str, author: str, words: str, name: str) -> None:
    pick = Pick(Paper(title, abstract, (author,)), 50, 1, 1, (Reason("phrase", words, (words,), 1.0),))
    rendered = render(letter(replace(ADA, name=name), (pick,)))
    assert len(Page(rendered.html).all("h2")) == 2
    for said in (rendered.html, rendered.text, rendered.subject, rendered.preheader):
        assert not re.search(
            "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", said
        )
    assert len(rendered.html) < 30_000
    titles = [line for line in rendered.text.split("\n") if line.startswith(" 1. ")]
    assert len(titles) == 1


# ---- templates


def test_an_operators_template_comes_first_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "letter").mkdir()
    (tmp_path / "letter" / "card.html").write_text("<tr><td><h2>{{ card.title }}!</h2></td></tr>\n")
    rendered = render(letter(picks=(Pick(Paper("A & B"), 1, 1, 1),)), templates=Templates(tmp_path))
    assert "<h2>A &amp; B!</h2>" in rendered.html
    assert "About this letter" in rendered.html


def test_a_misspelt_name_in_a_template_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "letter").mkdir()
    (tmp_path / "letter" / "card.html").write_text("{{ card.titel }}")
    with pytest.raises(jinja2.UndefinedError, match="titel"):
        render(daily(), templates=Templates(tmp_path))


def test_mailto_cannot_end_early() -> None:
    assert mailto("a+b?c&d@example.org", "stop it & go\r\n") == (
        "mailto:a%2Bb%3Fc%26d@example.org?subject=stop%20it%20%26%20go%0D%0A"
    )


def test_a_letter_without_picks_can_still_be_shown() -> None:
    empty: Letter = letter(picks=())
    assert "0 of" not in render(empty).text


# ---- wrapping


@given(st.text(alphabet=st.sampled_from("ab 漢\u0301é-"), max_size=200), st.integers(10, 80))
@example("aaaaaa \u0301aaaaa漢", 10)
def test_wrapping_keeps_every_letter_and_the_width(text: str, width: int) -> None:
    wrapped = wrap(text, width, first=" 1. ", rest="    ")
    assert all(columns(line) <= width for line in wrapped.split("\n"))
    assert re.sub(r"\s", "", wrapped) == "1." + re.sub(r"\s", "", text)


def test_wrapping_never_cuts_a_url() -> None:
    url = "https://example.org/" + "x" * 100
    assert url in wrap(f"one two three ({url}) four", 40).replace("(", "").replace(")", "").split()
