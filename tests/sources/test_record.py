"""From what a source tells to the paper that is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from digest.model import Link, Record
from digest.sources.identity import split_key
from digest.sources.record import LONGEST_ABSTRACT, fold, paper_of

BEES = Record("Bees & \\emph{Oaks}", "They count to $x_i$.", ("Ann Li",), ("arxiv:2603.00017", "doi:10.1000/bees"))


def test_text_is_read_as_latex_and_html_as_html() -> None:
    paper = paper_of(BEES)
    assert (paper.title, paper.abstract) == ("Bees & Oaks", "They count to xᵢ.")
    assert (paper.raw_title, paper.raw_abstract) == (BEES.title, BEES.abstract)
    html = paper_of(
        replace(BEES, title="Bees &amp; <i>Oaks</i>", abstract="They count to x<sub>i</sub>.", html=True)
    )
    assert (html.title, html.abstract, html.keys) == (paper.title, paper.abstract, paper.keys)
    assert html.raw_title == "Bees &amp; <i>Oaks</i>", "what came is kept"
    assert split_key(html) == split_key(paper), "and what spellings are compared by has no mark-up"


def test_links_follow_from_the_keys_and_none_is_doubled() -> None:
    own = (
        Link("pdf", "https://bees.example.org/b.pdf"),
        Link("page", "https://bees.example.org"),
        Link("page", "https://x"),
    )
    assert [(link.label, link.url) for link in paper_of(replace(BEES, links=own)).links] == [
        ("abstract", "https://arxiv.org/abs/2603.00017"),
        ("pdf", "https://bees.example.org/b.pdf"),
        ("page", "https://bees.example.org"),
    ]
    by_doi = paper_of(replace(BEES, keys=("doi:10.1000/a<b>",)))
    assert by_doi.links == (Link("page", "https://doi.org/10.1000/a%3Cb%3E"),)
    assert len(paper_of(BEES).links) == 2, "arXiv's page is enough"
    assert paper_of(replace(BEES, keys=())).links == ()


def test_a_fold_stands_for_the_paper_and_not_for_its_listing() -> None:
    listed = replace(BEES, day=date(2026, 3, 3), position=4, votes=9, line=7)
    assert fold(listed) == fold(BEES)
    for other in (
        replace(BEES, title="Oaks"),
        replace(BEES, abstract=""),
        replace(BEES, authors=()),
        replace(BEES, keys=()),
        replace(BEES, html=True),
        replace(BEES, links=(Link("page", "https://x"),)),
    ):
        assert fold(other) != fold(BEES)


def test_an_abstract_has_an_end() -> None:
    assert len(paper_of(Record("Bees", "x " * LONGEST_ABSTRACT)).abstract) <= LONGEST_ABSTRACT
