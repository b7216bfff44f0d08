"""How much a letter holds, in what order, and in which direction."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from sample_letters import ADA, CONFIG, LINKS, PICKS, TOOLS, daily, letter, render
from test_letter_render import Page

from digest.letters.compose import HTML_BUDGET, Composer
from digest.letters.links import Links
from digest.letters.wrap import WIDTH
from digest.model import Reason

LONG = tuple(replace(one, paper=replace(one.paper, title=f"{n} {'漢' * 290}")) for n, one in enumerate(PICKS * 9))

# ---- size


def test_a_letter_over_the_budget_drops_cards_from_the_end_and_says_so() -> None:
    picks = tuple(
        replace(pick, paper=replace(pick.paper, title=f"No. {n} {'long title ' * 26}"))
        for n, pick in enumerate(PICKS * 20, 1)
    )
    rendered = render(letter(picks=picks))
    page = Page(rendered.html)
    shown = len(page.all("h2")) - 1
    assert 20 < shown < len(picks)
    assert HTML_BUDGET - 4000 < len(rendered.html.encode()) <= HTML_BUDGET
    assert f"and {len(picks) - shown} more, for which there was no room" in page.text
    assert f"and {len(picks) - shown} more, for which there was no room" in rendered.text
    assert f"No. {shown} long" in rendered.text
    assert f"No. {shown + 1} long" not in rendered.text
    assert "Unsubscribe" in page.text
    assert "Unsubscribe:" in rendered.text


def test_what_is_also_trending_goes_first_where_there_is_too_little_room() -> None:
    most = next(n for n in range(20, 54) if "no room" in render(letter(picks=LONG[: n + 1])).text)
    rendered = render(letter(picks=LONG[:most], also=LONG[50:]))
    assert f"{most - 1} 漢" in rendered.html, "no paper that was chosen is left out for one that was not"
    assert "no room" not in rendered.text
    for said in (rendered.html, rendered.text):
        assert "50 漢" not in said
    less = render(letter(picks=LONG[: most - 9], also=LONG[50:]))
    for said in (less.html, less.text):
        assert "50 漢" in said


@pytest.mark.parametrize("cadence", ["daily", "weekly:fri"])
@pytest.mark.parametrize(("links", "number"), [(None, 50), (LINKS, 40)], ids=["by mail", "with pages"])
def test_an_ordinary_letter_fits(links: Links | None, number: int, cadence: str) -> None:
    """Each paper's three links to say what one thinks of it take room, too."""
    many = letter(replace(ADA, cadence=cadence), (PICKS * 9)[:number])
    rendered = Composer(CONFIG, links=links).render(many)
    assert "no room" not in rendered.text
    assert len(rendered.html.encode()) <= 90_000


def test_headings_without_papers_are_left_out_with_these() -> None:
    """The last interest's papers have no room, so its heading would stand alone."""
    first = tuple(replace(one, reasons=(Reason("phrase", TOOLS, (), 9.0),)) for one in LONG)
    last = tuple(replace(one, reasons=(Reason("phrase", "tide tables", (), 8.0),)) for one in LONG[:3])
    rendered = render(letter(replace(ADA, cadence="weekly:fri"), first + last))
    assert "no room" in rendered.text
    headings = [line for line in rendered.text.split("\n") if line in (TOOLS, "tide tables")]
    assert headings == [TOOLS]
    assert "tide tables" not in rendered.html.partition("<body")[2].partition("About this letter")[0]
    assert "Unsubscribe" in rendered.html


# ---- a week


def of_a_week(*mains: Reason | None) -> tuple[Page, str]:
    picks = tuple(
        replace(
            PICKS[n % 6], paper=replace(PICKS[n % 6].paper, title=f"Paper {n}"), reasons=(main,) if main else ()
        )
        for n, main in enumerate(mains, 1)
    )
    rendered = Composer(CONFIG, links=LINKS).render(letter(replace(ADA, cadence="weekly:fri"), picks))
    return Page(rendered.html), rendered.text


WEEK = (
    Reason("phrase", TOOLS, (), 9.0),
    Reason("trending", "", (), 8.0),
    Reason("author", "Mirela Kovač", (), 7.0),
    Reason("phrase", TOOLS, (), 6.0),
    Reason("saved", "Notes", (), 5.0),
    Reason("category", "cs.CL", (), 5.0),
    Reason("liked", "More notes", (), 5.0),
    Reason("others", "", (), 4.0),
    None,
)


def test_the_papers_of_a_week_stand_by_what_they_are_there_for() -> None:
    page, text = of_a_week(*WEEK)
    lines = text.split("\n")
    headings = [one for one, rule in pairwise(lines) if rule == "-" * WIDTH]
    assert sorted(headings) == sorted(
        [TOOLS, "Popular", "By Mirela Kovač", "Similar to what you liked", "In cs.CL", "From readers like you"]
    )
    assert headings[0] == TOOLS, "what the week's best paper is there for"
    assert len(page.all("h2")) == len(headings) + 1
    assert len(page.all("h3")) == len(WEEK)
    told = [line.split(".")[1].strip() for line in lines if re.match(r" ?\d+\. Paper", line)]
    assert sorted(told) == sorted(f"Paper {n}" for n in range(1, len(WEEK) + 1)), "each once"
    assert told[:2] == ["Paper 1", "Paper 4"]
    assert told.index("Paper 7") == told.index("Paper 5") + 1
    numbers = [int(line.split(".")[0]) for line in lines if re.match(r" ?\d+\. Paper", line)]
    assert numbers == list(range(1, len(WEEK) + 1))


def test_the_number_of_a_paper_is_its_place_in_the_store() -> None:
    """By the number a reader names a paper, and pages look it up by its place."""
    _, text = of_a_week(*WEEK)
    said = re.findall(r"(?m)^ ?(\d+)\. Paper(?:.|\n)*?/letter/[0-9a-f-]+/(\d+)/more", text)
    assert said == [(str(n), str(n)) for n in range(1, len(WEEK) + 1)]


def test_no_heading_moves_a_paper_when_the_cadence_has_changed_since_it_was_stored() -> None:
    picks = tuple(
        replace(PICKS[0], paper=replace(PICKS[0].paper, title=f"Paper {n}"), reasons=(main,) if main else ())
        for n, main in enumerate(WEEK, 1)
    )
    written = letter(ADA, picks)
    assert written.picks == picks
    text = render(replace(written, subscriber=replace(ADA, cadence="weekly:fri"))).text
    assert re.findall(r"(?m)^ ?(\d+)\. Paper (\d+)", text) == [(str(n), str(n)) for n in range(1, len(WEEK) + 1)]


def test_a_week_with_one_kind_of_reason_needs_no_headings() -> None:
    page, text = of_a_week(*[WEEK[0]] * 3)
    assert "-" * WIDTH not in text
    assert page.all("h3") == []
    assert len(page.all("h2")) == 3 + 1


def test_the_letter_of_a_day_has_no_headings() -> None:
    assert Page(render(daily()).html).all("h3") == []


# ---- other scripts


def test_words_of_other_scripts_run_in_their_own_direction() -> None:
    words = "استدلال سببي"
    pick = replace(
        PICKS[4], reasons=(Reason("phrase", words, ("سببي",), 9.0), Reason("author", "ليلى حداد", (), 8.0))
    )
    rendered = render(letter(replace(ADA, name="ليلى", cadence="weekly:fri"), (pick, PICKS[2], PICKS[0])))
    page = Page(rendered.html)
    for tag in ("h2", "h3"):
        assert all(one["dir"] == "auto" for one in page.all(tag)[: None if tag == "h3" else -1])
    assert f"<bdi>{words}</bdi>" in rendered.html, "a sentence around it keeps its own direction"
    assert "<bdi>ليلى حداد</bdi>" in rendered.html
    for said in (pick.paper.authors[0], pick.paper.abstract, "Hello ليلى,"):
        (before,) = re.findall(rf"<p([^>]*)>{re.escape(said)}", rendered.html)
        assert 'dir="auto"' in before
    assert PICKS[2].paper.title in page.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", rendered.html + rendered.text)
