"""Collecting from sources that answer, fail, lie and hang up: real HTTP, real files, both stores."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from misbehaving_http import HttpServer, Raw, Reply
from source_answers import BREAD, KNOTS, OWLS, TIDES, Told, announced, api_error, daily, lines, rss, submitted

from digest import config
from digest.collect import Collected, collect
from digest.collecting import files
from digest.fetch import Client
from digest.sources import arxiv
from digest.store import listings, sources
from digest.store.opening import Store
from digest.store.tables import listing, metadata, paper
from digest.turns import Turns

TODAY = date(2026, 3, 12)  # a Thursday


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


class World:
    """Sources on a server of our own, and a store that they fill."""

    def __init__(self, store: Store, server: HttpServer, home: Path) -> None:
        self.store, self.server, self.home = store, server, home
        self.at = datetime(2026, 3, 12, 9, tzinfo=UTC)
        self.blocks: list[str] = []
        self.stop = threading.Event()

    def source(self, name: str, kind: str, **keys: object) -> None:
        here = {"url": self.server.url("") + f"/{name}"} if kind in ("huggingface", "arxiv") else {}
        told = "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in (here | keys).items())
        self.blocks.append(f'[[sources]]\nname = "{name}"\nkind = "{kind}"\n{told}')

    def daily(self, name: str, day: date, *replies: Reply | Raw | tuple[Told, ...]) -> None:
        wired = [Reply(daily(*one)) if isinstance(one, tuple) else one for one in replies]
        self.server.serve(f"/{name}?date={day}", *wired)

    def collect(self, **options: object) -> dict[str, Collected]:
        text = "[collect]\nprivate_addresses = true\n" + "".join(self.blocks)
        settings = config.parse(text.encode(), self.home)
        client = Client(
            "me@example.org",
            private_addresses=True,
            sleep=lambda _: None,
            now=lambda: self.at,
            turns=Turns(),  # nobody waits for what another test was told
        )
        done = collect(self.store, settings, lambda: self.at, client=client, stop=self.stop, **options)  # type: ignore[arg-type]
        return {one.source: one for one in done}

    def states(self, name: str) -> dict[date, tuple[str, int]]:
        with self.store.read() as connection:
            return {
                one.day: (one.state, one.items)
                for one in sources.days(connection, [name], date(2000, 1, 1), date(2100, 1, 1))
            }

    def listed(self, name: str) -> list[tuple[date, str]]:
        """(day, title), in the source's order."""
        asked = sa.select(listing.c.day, paper.c.title).join(paper, paper.c.id == listing.c.paper_id)
        asked = asked.where(listing.c.source == name).order_by(listing.c.day, listing.c.position)
        with self.store.read() as connection:
            return [(row.day, row.title) for row in connection.execute(asked)]

    def asked(self, part: str = "") -> list[str]:
        return [one.path for one in self.server.requests if part in one.path]

    def everything(self) -> dict[str, list[tuple[object, ...]]]:
        with self.store.read() as connection:
            return {
                name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
                for name, table in metadata.tables.items()
            }


@pytest.fixture
def world(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("digest.fetch.GAP", 0.0)
    with HttpServer() as server:
        yield World(store, server, tmp_path)


# ---- what is known of a day


@pytest.mark.parametrize(
    "broken",
    [
        Reply(status=403),
        Reply(b"<html>We are busy</html>"),
        Reply(daily(BREAD)[:-20]),
        Reply(b""),
        Raw([b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[]"]),
    ],
    ids=["refused", "a page", "cut off", "nothing", "hung up"],
)
def test_a_day_that_failed_is_never_an_empty_one_and_the_next_collect_fills_it(world: World, broken: Reply) -> None:
    world.source("hf", "huggingface", look_back_days=1)
    world.daily("hf", TODAY, (TIDES,))
    world.daily("hf", ago(1), broken)
    done = world.collect()["hf"]
    assert world.states("hf") == {TODAY: ("filled", 1), ago(1): ("failed", 0)}
    assert [one.days for one in done.failures] == [(ago(1),)]
    assert done.days == {TODAY}

    world.at += timedelta(days=8)  # it has long left the days that are looked back at
    for day in range(-8, 0):
        world.daily("hf", ago(day), ())
    world.daily("hf", ago(1), (BREAD, KNOTS))
    world.collect()
    assert world.states("hf")[ago(1)] == ("filled", 2)
    assert (ago(1), BREAD.title) in world.listed("hf")


def test_a_day_is_empty_where_the_source_says_so(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=1)
    world.daily("hf", TODAY, (TIDES,))
    world.daily("hf", ago(1), ())
    assert not world.collect()["hf"].failures
    assert world.states("hf")[ago(1)] == ("empty", 0)


def test_an_empty_day_that_is_not_over_is_asked_again_when_it_is(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, (), (TIDES, BREAD))
    world.collect()
    assert world.states("hf") == {TODAY: ("empty", 0)}
    world.at += timedelta(days=1)
    world.daily("hf", ago(-1), ())
    world.collect()
    assert world.states("hf")[TODAY] == ("filled", 2)
    world.at += timedelta(days=1)
    world.daily("hf", ago(-2), ())
    before = len(world.asked(str(TODAY)))
    world.collect()
    assert len(world.asked(str(TODAY))) == before


def test_days_on_which_nobody_collected_are_made_up_for(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, (TIDES,))
    world.collect()
    world.at += timedelta(days=5)
    for day in range(1, 6):
        world.daily("hf", ago(-day), (BREAD,) if day == 2 else ())
    world.collect()
    assert set(world.states("hf")) == {ago(-day) for day in range(6)}
    assert (ago(-2), BREAD.title) in world.listed("hf")


def test_a_filled_day_stays_so_when_it_fails_later(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, (TIDES,), Reply(status=404))
    world.collect()
    assert world.collect()["hf"].failures
    assert world.states("hf") == {TODAY: ("filled", 1)}
    assert world.listed("hf") == [(TODAY, TIDES.title)]


def test_what_has_not_changed_is_known(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, Reply(daily(TIDES, BREAD), headers={"ETag": '"one"'}), Reply(status=304))
    world.collect()
    done = world.collect()["hf"]
    assert world.server.requests[-1].headers["if-none-match"] == '"one"'
    assert (done.unchanged, done.fetched, done.failures, done.days) == (1, 0, [], {TODAY})
    assert world.states("hf") == {TODAY: ("filled", 2)}


def test_a_source_under_a_new_name_does_not_believe_what_another_one_knows(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, Reply(daily(TIDES), headers={"ETag": '"one"'}))
    world.collect()
    world.blocks = [world.blocks[0].replace('"hf"', '"again"')]
    world.collect()
    assert "if-none-match" not in world.server.requests[-1].headers
    assert world.listed("again") == [(TODAY, TIDES.title)]


def test_since_asks_for_each_day_from_then_on(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    for day in range(40):
        world.daily("hf", ago(day), (BREAD,) if day == 39 else ())
    world.collect(since=ago(39))
    assert len(world.states("hf")) == 40
    assert world.listed("hf") == [(ago(39), BREAD.title)]


@pytest.mark.parametrize("says_so", [True, False])
def test_a_day_of_several_pages_is_read_to_its_end(world: World, says_so: bool) -> None:
    papers = many(60 if says_so else 100)
    of_a_page = 30 if says_so else 50
    first, second = papers[:of_a_page], papers[of_a_page - 1 :]  # one moved on meanwhile
    link = {"Link": f'<{world.server.url("/hf")}?p=1>; rel="next"'} if says_so else {}
    world.source("hf", "huggingface", look_back_days=0)
    tagged = Reply(daily(*first), headers={"ETag": '"one"', **link})
    world.daily("hf", TODAY, tagged)
    world.server.serve(f"/hf?date={TODAY}&p=1", Reply(status=404), Reply(daily(*second)))
    world.server.serve(f"/hf?date={TODAY}&p=2", Reply(daily()))
    assert world.collect()["hf"].failures
    assert world.states("hf") == {TODAY: ("failed", 0)}  # no half of a day
    assert (done := world.collect()["hf"]).failures == []
    assert (done.fetched, done.repeated) == (len(papers), 1)
    assert world.states("hf") == {TODAY: ("filled", len(papers))}
    assert world.listed("hf") == [(TODAY, one.title) for one in papers]
    world.collect()
    assert not any("if-none-match" in one.headers for one in world.server.requests)


def test_a_server_without_pages_is_not_asked_for_ever(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, tuple(many(50)))
    world.server.serve(f"/hf?date={TODAY}&p=1", Reply(daily(*many(50))))
    assert world.collect()["hf"].fetched == 50
    assert len(world.asked()) == 2


# ---- papers, listings, votes


def test_votes_grow_between_two_collects(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    few, many = (replace(TIDES, votes=votes) for votes in (3, 41))
    world.daily("hf", TODAY, (few, BREAD), (BREAD, many))
    first = world.collect()["hf"]
    world.at += timedelta(hours=6)
    second = world.collect()["hf"]
    assert (first.added.new, second.added.new, second.added.known) == (2, 0, 2)
    assert world.listed("hf") == [(TODAY, BREAD.title), (TODAY, TIDES.title)]  # the new order
    with world.store.read() as connection:
        (number,) = connection.execute(sa.select(paper.c.id).where(paper.c.title == TIDES.title)).scalars()
        counts = listings.votes(connection, number)
    assert [(one.votes, one.at) for one in counts] == [(3, world.at - timedelta(hours=6)), (41, world.at)]


def test_two_sources_that_list_a_paper_list_one_paper(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.source("nlp", "arxiv", categories=["cs.CL"])
    world.daily("hf", TODAY, (TIDES, BREAD))
    world.server.serve("/nlp/cs.CL", Reply(announced(TODAY, KNOTS, TIDES)))
    done = world.collect()
    assert (done["hf"].added.new, done["nlp"].added.new) == (2, 1)
    assert world.listed("nlp") == [(TODAY, KNOTS.title), (TODAY, TIDES.title)]
    assert len(world.everything()["paper"]) == 3


# ---- trouble


def test_one_source_that_is_down_stops_no_other(world: World) -> None:
    world.source("gone", "huggingface", url="http://127.0.0.1:1", look_back_days=3)
    world.source("strange", "feed", url=world.server.serve("/strange", Reply(b"no feed at all")))
    world.source("nowhere", "jsonl", path="nowhere.jsonl")
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, (TIDES,))
    done = world.collect()
    assert {name: bool(one.failures) for name, one in done.items()} == {
        "gone": True,
        "strange": True,
        "nowhere": True,
        "hf": False,
    }
    assert world.listed("hf") == [(TODAY, TIDES.title)]
    # It was down, and that holds for the days that it was not asked for as well.
    assert set(world.states("gone").values()) == {("failed", 0)}
    assert len(world.states("gone")) == 4
    assert "nowhere.jsonl" in done["nowhere"].failures[0].detail


def test_a_fault_of_our_own_in_one_source_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.source("news", "feed", url=world.server.serve("/news", Reply(rss(replace(OWLS, day=TODAY)))))
    world.daily("hf", TODAY, (TIDES,))

    def fault(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("digest.sources.huggingface.parse", fault)
    done = world.collect()
    assert "ZeroDivisionError" in done["hf"].failures[0].detail
    assert world.states("hf") == {TODAY: ("failed", 0)}
    assert world.listed("news") == [(TODAY, OWLS.title)]


@pytest.mark.parametrize("kind", ["feed", "arxiv"])
def test_what_could_not_be_stored_is_no_empty_day_and_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "feed":
        entries = rss(replace(TIDES, day=ago(3)), replace(BREAD, day=TODAY))
        world.source("x", "feed", url=world.server.serve("/x", Reply(entries, headers={"ETag": '"one"'})))
    else:
        keys = {"categories": ["cs.CL"], "via": "api", "look_back_days": 1}
        world.source("x", "arxiv", **keys | {"url": world.server.url("/api")})
        serve_api(world, ago(1), TODAY, Reply(submitted(replace(TIDES, day=ago(1)), replace(BREAD, day=TODAY))))

    def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr("digest.store.merging.take", fault)
        done = world.collect()["x"]
    assert len(done.failures) == 1
    assert world.states("x") == {TODAY: ("failed", 0)}
    world.collect()
    assert "if-none-match" not in world.server.requests[-1].headers
    assert [title for _, title in world.listed("x")] == [TIDES.title, BREAD.title]


def test_who_wants_to_be_left_alone_is(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=2)
    world.server.serve("/news", Reply(rss(replace(OWLS, day=TODAY))))
    world.source("news", "feed", url=world.server.url("/news", host="localhost"))
    world.daily("hf", TODAY, Reply(status=429, headers={"Retry-After": "3600"}), (TIDES,))
    done = world.collect()
    until = world.at + timedelta(hours=1)
    assert done["hf"].failures[0].next_try_at == until
    assert len(world.asked("/hf?")) == 1  # nor for the other days
    assert world.listed("news")

    world.at += timedelta(minutes=59)
    done = world.collect()
    assert (done["hf"].waits_until, done["hf"].failures) == (until, [])
    assert len(world.asked("/hf?")) == 1
    assert len(world.asked("/news")) == 2

    for day in (1, 2):
        world.daily("hf", ago(day), ())
    assert not world.collect(only=["hf"])["hf"].failures  # whoever names it means it
    assert world.listed("hf") == [(TODAY, TIDES.title)]
    assert world.collect()["hf"].waits_until is None


def test_a_clock_that_was_ahead_keeps_no_source_from_being_asked(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=0)
    world.at += timedelta(days=400)
    world.daily("hf", world.at.date(), Reply(status=429, headers={"Retry-After": "3600"}))
    assert world.collect()["hf"].failures
    world.at -= timedelta(days=400)
    world.daily("hf", TODAY, (TIDES,))
    assert world.collect()["hf"].waits_until is None
    assert world.listed("hf") == [(TODAY, TIDES.title)]


def test_what_failed_before_it_was_stored_is_asked_for_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end between the answer and its commit, as of a process that is killed."""
    world.source("hf", "huggingface", look_back_days=0)
    world.daily("hf", TODAY, Reply(daily(TIDES), headers={"ETag": '"one"'}))
    before = world.everything()
    with monkeypatch.context() as patch:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("digest.store.sources.remember", killed)
        with pytest.raises(KeyboardInterrupt):
            world.collect()
    assert world.everything() == before
    world.collect()
    assert "if-none-match" not in world.server.requests[-1].headers
    assert world.listed("hf") == [(TODAY, TIDES.title)]


def test_told_to_end_it_asks_nobody(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=3)
    world.source("news", "feed", url=world.server.serve("/news", Reply(rss(TIDES))))
    world.stop.set()
    done = world.collect()
    assert all(one.stopped and not one.failures for one in done.values())
    assert world.asked() == []


def test_a_rehearsal_counts_and_stores_nothing(world: World) -> None:
    world.source("hf", "huggingface", look_back_days=1)
    world.source("news", "feed", url=world.server.serve("/news", Reply(rss(TIDES, OWLS))))
    world.source("lines", "jsonl", path="papers.jsonl")
    world.source("gone", "feed", url=world.server.url("/gone"))
    (world.home / "papers.jsonl").write_bytes(lines([OWLS, KNOTS]))
    world.daily("hf", TODAY, (TIDES, BREAD))
    world.daily("hf", ago(1), (TIDES,))
    before = world.everything()
    done = world.collect(dry_run=True)
    assert world.everything() == before
    # A paper that one source would bring is known to the next.
    assert {name: (one.added.new, one.added.known + one.added.merged) for name, one in done.items()} == {
        "hf": (2, 1),
        "news": (1, 1),
        "lines": (1, 1),
        "gone": (0, 0),
    }
    assert done["gone"].failures
    again = world.collect()
    assert {name: one.added.new for name, one in again.items()} == {"hf": 2, "news": 1, "lines": 1, "gone": 0}


# ---- arXiv


def serve_api(world: World, first: date, last: date, *replies: Reply, start: int = 0) -> None:
    """As the query for what was submitted in these days is asked."""
    url = arxiv.api_url(["cs.CL"], first, last, start, 200, world.server.url("/api"))
    world.server.serve(url.removeprefix(world.server.url("")), *replies)


def test_an_announcement_that_was_missed_is_asked_of_the_api(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arxiv, "API", world.server.url("/api"))
    world.source("nlp", "arxiv", categories=["cs.CL"])
    world.server.serve("/nlp/cs.CL", Reply(announced(ago(6), TIDES)), Reply(announced(TODAY, BREAD)))
    world.at -= timedelta(days=6)
    assert world.collect()["nlp"].notes == []

    world.at += timedelta(days=6)
    # From Friday to Thursday: Monday to Wednesday were missed, and the weekend was not.
    serve_api(
        world, ago(6), ago(1), Reply(submitted(replace(KNOTS, day=ago(2)), replace(OWLS, day=ago(5)), total=2))
    )
    done = world.collect()["nlp"]
    assert done.failures == []
    assert len(done.notes) == 1
    assert world.states("nlp") == {
        ago(6): ("filled", 1),
        ago(3): ("filled", 1),  # a Monday: what was submitted on Saturday
        ago(2): ("empty", 0),
        ago(1): ("filled", 1),
        TODAY: ("filled", 1),
    }
    assert (ago(1), KNOTS.title) in world.listed("nlp")
    assert (ago(3), OWLS.title) in world.listed("nlp")
    before = len(world.asked("/api?"))
    world.collect()
    assert len(world.asked("/api?")) == before


def test_an_error_that_arxiv_tells_as_an_entry_is_a_failure(world: World) -> None:
    world.source("nlp", "arxiv", categories=["cs.CL"], via="api", url=world.server.url("/api"), look_back_days=1)
    serve_api(world, ago(1), TODAY, Reply(api_error("max_results must be less")))
    done = world.collect()["nlp"]
    assert "max_results must be less" in done.failures[0].detail
    assert world.states("nlp") == {ago(1): ("failed", 0), TODAY: ("failed", 0)}
    assert world.everything()["paper"] == []


def test_the_api_is_read_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.collecting.arxiv.PAGE", 200)
    world.source("nlp", "arxiv", categories=["cs.CL"], via="api", url=world.server.url("/api"), look_back_days=2)
    papers = [Told(f"2603.{n:05}", f"Paper {n:b}", "", day=ago(0 if n < 150 else 1)) for n in range(250)]
    serve_api(world, ago(2), TODAY, Reply(submitted(*papers[:200], total=250)))
    serve_api(world, ago(2), TODAY, Reply(submitted(*papers[200:], total=250, start=200)), start=200)
    done = world.collect()["nlp"]
    assert (done.fetched, done.added.new) == (250, 250)
    assert world.states("nlp") == {TODAY: ("filled", 150), ago(1): ("filled", 100), ago(2): ("empty", 0)}
    with world.store.read() as connection:
        rows = connection.execute(
            sa.select(
                listing.c.day, listing.c.size, sa.func.min(listing.c.position), sa.func.max(listing.c.position)
            )
            .group_by(listing.c.day, listing.c.size)
            .order_by(listing.c.day)
        )
        assert [tuple(row) for row in rows] == [(ago(1), 100, 1, 100), (TODAY, 150, 1, 150)]


def test_what_was_submitted_and_is_announced_days_later_is_not_missed(world: World) -> None:
    world.source("nlp", "arxiv", categories=["cs.CL"], via="api", url=world.server.url("/api"), look_back_days=0)
    serve_api(world, TODAY, TODAY, Reply(submitted()))
    world.collect()
    assert world.states("nlp") == {TODAY: ("empty", 0)}
    world.at += timedelta(days=4)  # after a weekend
    serve_api(world, TODAY, ago(-4), Reply(submitted(replace(TIDES, day=TODAY))))
    world.collect()
    assert world.listed("nlp") == [(TODAY, TIDES.title)]
    world.at += timedelta(days=2)
    serve_api(world, TODAY, ago(-6), Reply(submitted()))
    assert world.collect()["nlp"].failures == []
    world.at += timedelta(days=1)
    serve_api(world, ago(-1), ago(-7), Reply(submitted()))  # nobody waits for the first day any more
    assert world.collect()["nlp"].failures == []


def test_a_page_that_the_api_leaves_empty_is_a_failure(world: World) -> None:
    world.source("nlp", "arxiv", categories=["cs.CL"], via="api", url=world.server.url("/api"), look_back_days=0)
    papers = [Told(f"2603.{n:05}", f"Paper {n:b}", "", day=TODAY) for n in range(200)]
    serve_api(world, TODAY, TODAY, Reply(submitted(*papers, total=250)))
    serve_api(world, TODAY, TODAY, Reply(submitted(total=250, start=200)), start=200)
    assert world.collect()["nlp"].failures
    assert world.states("nlp") == {TODAY: ("failed", 0)}


def test_a_failed_page_of_the_api_asks_for_no_more(world: World) -> None:
    world.source("nlp", "arxiv", categories=["cs.CL"], via="api", url=world.server.url("/api"), look_back_days=20)
    done = world.collect()["nlp"]
    assert len(world.asked()) == 1  # three weeks are three questions
    assert len(done.failures) == 1
    world.server.requests.clear()
    for week in range(3):
        serve_api(world, max(ago(week * 7 + 6), ago(20)), ago(week * 7), Reply(submitted()))
    assert world.collect()["nlp"].failures == []
    assert len(world.states("nlp")) == 21


# ---- feeds


def test_an_entry_without_a_day_is_listed_on_the_first_that_it_was_seen(world: World) -> None:
    url = world.server.serve("/news", Reply(rss(TIDES)), Reply(rss(BREAD, TIDES)))
    world.source("news", "feed", url=url)
    world.collect()
    world.at += timedelta(days=1)
    world.collect()
    assert world.listed("news") == [(TODAY, TIDES.title), (ago(-1), BREAD.title)]


def test_an_entry_is_listed_on_its_own_day_and_never_on_one_to_come(world: World) -> None:
    entries = (replace(TIDES, day=ago(-3)), replace(BREAD, day=ago(2)), replace(OWLS, day=ago(90)))
    world.source("news", "feed", url=world.server.serve("/news", Reply(rss(*entries))))
    world.collect()
    assert world.listed("news") == [(ago(90), OWLS.title), (ago(2), BREAD.title), (TODAY, TIDES.title)]
    # It reaches back that far, so a day without an entry is one without news.
    assert world.states("news")[ago(1)] == ("empty", 0)
    assert ago(60) not in world.states("news")


def test_a_feed_that_failed_is_asked_again(world: World) -> None:
    answers = Reply(status=404), Reply(rss(replace(BREAD, day=ago(1)), replace(TIDES, day=TODAY)))
    world.source("news", "feed", url=world.server.serve("/news", *answers))
    world.collect()
    assert world.states("news") == {TODAY: ("failed", 0)}
    world.collect()
    assert world.states("news") == {ago(1): ("filled", 1), TODAY: ("filled", 1)}


# ---- files


def many(number: int) -> list[Told]:
    return [Told(f"2604.{n:05}", f"Paper {n:b}", "", day=ago(n % 2)) for n in range(number)]


def test_json_lines_are_taken_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BATCH", 10)
    world.source("lines", "jsonl", path="data")
    (world.home / "data").mkdir()
    (world.home / "data/a.jsonl").write_bytes(lines(many(25)) + b"{broken\n")
    (world.home / "data/b.jsonl.gz").write_bytes(gzip.compress(lines([TIDES])))
    (world.home / "data/readme.txt").write_bytes(b"not for Digest")
    saved = (world.at - timedelta(days=3)).timestamp()
    os.utime(world.home / "data/b.jsonl.gz", (saved, saved))
    done = world.collect()["lines"]
    assert (done.fetched, done.added.new, done.refused) == (26, 26, 1)
    assert done.rejected[0].line == 26
    assert world.states("lines") == {TODAY: ("filled", 13), ago(1): ("filled", 12), ago(3): ("filled", 1)}
    with world.store.read() as connection:
        places = connection.execute(
            sa.select(listing.c.position, listing.c.size).where(listing.c.day == TODAY).order_by(listing.c.position)
        )
        assert [tuple(row) for row in places] == [(n, 13) for n in range(1, 14)]
    again = world.collect()["lines"]
    assert (again.unchanged, again.fetched, again.failures) == (2, 0, [])


def test_of_a_damaged_archive_what_stands_before_the_damage_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BATCH", 10)
    world.source("lines", "jsonl", path="a.jsonl.gz")
    whole = gzip.compress(lines(many(2000)))
    (world.home / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    done = world.collect()["lines"]
    assert 10 <= done.fetched < 2000
    assert "a.jsonl.gz" in done.failures[0].detail
    (world.home / "a.jsonl.gz").write_bytes(whole)
    mended = world.collect()["lines"]
    assert (mended.fetched, mended.added.new, mended.failures) == (2000, 2000 - done.fetched, [])


def test_what_is_no_file_keeps_nobody_waiting_and_stops_no_other(world: World) -> None:
    os.mkfifo(world.home / "pipe")
    for kind in ("jsonl", "pages"):
        world.source(kind, kind, path="pipe")
    world.source("lines", "jsonl", path="a.jsonl")
    (world.home / "a.jsonl").write_bytes(lines([TIDES]))
    done = world.collect()
    assert all("pipe: it is not an ordinary file" in done[one].failures[0].detail for one in ("jsonl", "pages"))
    assert done["lines"].fetched == 1


def test_a_file_that_cannot_be_read_is_not_called_damaged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.source("lines", "jsonl", path="a.jsonl")
    (world.home / "a.jsonl").write_bytes(lines([TIDES]))

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # whoever runs the tests may be allowed to read everything
    (failure,) = world.collect()["lines"].failures
    assert failure.detail.endswith("a.jsonl: Permission denied; check that this user may read it")


def test_what_is_rejected_is_told_with_its_file(world: World) -> None:
    world.source("lines", "jsonl", path="data")
    (world.home / "data").mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        (world.home / "data" / name).write_bytes(b"{broken\n")
    told = [(one.line, one.reason.partition(": ")[0]) for one in world.collect()["lines"].rejected]
    assert told == [(1, "a.jsonl"), (1, "b.jsonl")]


def test_a_saved_page_without_a_day_is_told_with_a_command_that_takes_it(world: World) -> None:
    world.source("saved", "pages", path="saved")
    page = world.home / "saved/no day.txt"
    page.parent.mkdir()
    page.write_text(f"Daily Papers\nbyAK and the research community\n\n{TIDES.title}\n\n{TIDES.abstract}\n")
    (failure,) = world.collect()["saved"].failures
    assert f"`digest ingest '{page}' --day YYYY-MM-DD`" in failure.detail


def test_saved_pages_are_taken_once_and_a_bad_one_stops_none(world: World) -> None:
    world.source("saved", "pages", path="saved")
    (world.home / "saved").mkdir()
    head = "new\n\nGet trending papers in your email inbox!\n\nSubscribe\n\nbyAK and the research community\n\n"
    page = world.home / "saved/b.txt"
    page.write_text(f"{head}Mar 11\n\n{TIDES.title}\n\n{TIDES.abstract}\n", "utf-8")
    (world.home / "saved/a.txt").write_bytes(b"\xff\xfe\x00")
    saved = world.at.timestamp()
    os.utime(page, (saved, saved))
    done = world.collect()["saved"]
    assert "a.txt" in done.failures[0].detail
    assert (done.fetched, done.added.new, done.days) == (1, 1, {ago(1)})
    with world.store.read() as connection:
        assert sources.health(connection)["saved"].failures == 1
    (world.home / "saved/a.txt").unlink()
    again = world.collect()["saved"]
    assert (again.unchanged, again.fetched, again.failures) == (1, 0, [])
    with world.store.read() as connection:
        assert sources.health(connection)["saved"].failures == 0


def test_a_file_that_is_being_written_waits(world: World) -> None:
    world.source("lines", "jsonl", path="a.jsonl")
    (world.home / "a.jsonl").write_bytes(lines([TIDES]))
    written = world.at.timestamp()
    os.utime(world.home / "a.jsonl", (written, written))
    assert world.collect(settle=timedelta(seconds=2))["lines"].fetched == 0
    world.at += timedelta(seconds=3)
    assert world.collect(settle=timedelta(seconds=2))["lines"].fetched == 1
