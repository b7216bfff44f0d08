"""A page saved as HTML, taken like one saved as text."""

from __future__ import annotations

import os
import threading
import time

import pytest
import sqlalchemy as sa
from command import Digest
from saved_pages import CLOCKS, DAY, OAKS, daily_page, data

from digest.config import load
from digest.model import Link
from digest.service import Service
from digest.store import papers
from digest.store.opening import open_store
from digest.store.tables import listing

ON = "2026-03-14"


def stored(digest: Digest) -> tuple[list[papers.Paper], list[tuple[int, int | None]]]:
    """The papers, and place and votes of each listing."""
    store = open_store(f"sqlite:///{digest.home}/digest.db")
    with store.read() as connection:
        rows = connection.execute(sa.select(listing.c.position, listing.c.votes).order_by(listing.c.paper_id)).all()
        found = papers.corpus(connection)
    store.close()
    return found, [(row.position, row.votes) for row in rows]


def test_a_page_as_text_and_then_as_html_is_known_once_and_gains(digest: Digest) -> None:
    text = digest.page("day", [(one.title, one.abstract) for one in DAY])
    html = digest.write("pages/day.html", daily_page(DAY))
    assert digest("ingest", text, "--year", "2026", "--json").json[0]["new"] == 3
    (before, *_), listed = stored(digest)
    assert (before.authors, listed) == ((), [(1, None), (2, None), (3, None)])

    answer = digest("ingest", html, "--json").json[0]
    assert (answer["day"], answer["new"], answer["merged"], answer["listings"]) == (ON, 0, 3, 0)
    (oaks, *others), listed = stored(digest)
    assert len(others) == 2
    assert oaks.authors == OAKS.authors
    assert set(oaks.keys) == {"title:slowoakmeasuringgardengrowthwithfortytrees", "arxiv:2603.10001"}
    assert Link("abstract", "https://arxiv.org/abs/2603.10001") in oaks.links
    assert listed == [(1, 73), (2, 1204), (3, 0)]

    for page in (html, text):  # the other one takes nothing away
        again = digest("ingest", page, "--year", "2026", "--json").json[0]
        assert (again["new"], again["known"], again["listings"]) == (0, 3, 0)
    assert stored(digest) == ([oaks, *others], listed)


def test_votes_that_grew_are_taken_and_none_are_lost(digest: Digest) -> None:
    for votes, expected in ((5, 5), (9, 9), (7, 9), (None, 9)):
        told = data([OAKS.but(votes=votes)])
        digest("ingest", digest.write("day.html", daily_page([OAKS.but(votes=votes)], told=told)))
        assert stored(digest)[1] == [(1, expected)]


def test_what_the_page_lacks_is_said(digest: Digest) -> None:
    lost = digest.write("404.html", "<!DOCTYPE html><html><body><h1>404</h1><p>Not here.</p></body></html>")
    week = digest.write(
        "week.html", daily_page(DAY, told=data(DAY, "2026-W11", periodType="week"), printed="", day="w")
    )
    gone = CLOCKS.but(more=(("withdrawnAt", "2026-03-12T08:00:00Z"),))
    good = digest.write("good.html", daily_page([OAKS, gone]))
    answer = digest("ingest", lost, week, good, code=1)
    assert "404.html: no papers found; is it a page of trending papers, saved as HTML or plain text?" in answer.err
    assert "week.html: there is no date above its papers. Say the day with --day YYYY-MM-DD" in answer.err
    assert "withdrawn on 2026-03-12" in answer.err
    assert digest("status", "--json").json["papers"] == 1
    assert digest("ingest", week, "--day", ON, "--json").json[0]["papers"] == 3


def test_the_letter_shows_authors_and_links_of_a_page_in_html(digest: Digest) -> None:
    digest.profile("alice", "floor = 0")
    digest("profiles", "apply")
    digest("ingest", digest.write("day.html", daily_page(DAY)))
    letter = digest("preview", "alice", "--day", ON, "--text").out
    for shown in ("Ada Oak, Bo Elm", "https://arxiv.org/abs/2603.10001", "https://github.com/oak/slow"):
        assert shown in letter


def test_the_inbox_takes_html_and_tells_of_a_page_without_papers(
    digest: Digest, caplog: pytest.LogCaptureFixture
) -> None:
    then = time.time() - 60
    for name, text in (("day", daily_page(DAY)), ("login", "<html><body><form>Log in</form></body></html>")):
        os.utime(digest.write(f"inbox/{name}.txt", text), (then, then))
    store = open_store(f"sqlite:///{digest.home}/digest.db")
    Service(store, load(digest.home), threading.Event()).take_pages()
    store.close()
    assert "login.txt: no papers found" in caplog.text
    found, listed = stored(digest)
    assert [one.title for one in found][:2] == [OAKS.title, CLOCKS.title]
    assert len(listed) == 3
