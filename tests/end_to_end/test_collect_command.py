"""`digest collect`, `sources`, `papers` and `paper` as a person uses them, with sources on a server of our own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from command import PAPERS, Digest
from misbehaving_http import HttpServer, Reply
from source_answers import BREAD, KNOTS, OWLS, TIDES, Told, announced, daily, rss
from test_serve import Serving

from digest import clock

TODAY = date(2026, 3, 12)
CONFIG = '[letter]\nfrom_address = "letters@example.org"\n[collect]\nprivate_addresses = true\n'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    monkeypatch.setattr("digest.fetch.GAP", 0.0)
    with HttpServer() as one:
        yield one


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The time, to be moved by the test."""
    at = [datetime(2026, 3, 12, 9, tzinfo=UTC)]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    return at


@pytest.fixture
def home(digest: Digest, server: HttpServer, now: list[datetime]) -> Digest:
    """Two sources: Hugging Face, which has today and lacks yesterday, and a journal."""
    digest.write(
        "config.toml",
        f"""{CONFIG}
[[sources]]
name = "hf"
kind = "huggingface"
url = "{server.url("/hf")}"
look_back_days = 1

[[sources]]
name = "journal"   # of baking
kind = "feed"
url = "{server.url("/journal")}"
""",
    )
    few, many = (replace(TIDES, votes=votes) for votes in (3, 41))
    serve_day(server, TODAY, (few, BREAD), (BREAD, many))
    server.serve(f"/hf?date={TODAY - timedelta(days=1)}", Reply(status=403), Reply(daily(KNOTS)))
    server.serve("/journal", Reply(rss(replace(OWLS, day=TODAY), replace(TIDES, day=TODAY - timedelta(days=3)))))
    return digest


def serve_day(server: HttpServer, day: date, *answers: tuple[Told, ...]) -> None:
    server.serve(f"/hf?date={day}", *(Reply(daily(*one)) for one in answers))


def test_a_table_of_what_came_and_a_line_for_what_did_not(home: Digest) -> None:
    answer = home("collect", code=1)
    rows = [line.split() for line in answer.out.splitlines()]
    assert rows == [
        ["source", "days", "fetched", "new", "known", "merged", "rejected", "failed"],
        ["hf", "1", "2", "2", "0", "0", "0", "1"],
        ["journal", "4", "2", "1", "0", "1", "0", "0"],
    ]
    assert "hf: failed: 2026-03-11: " in answer.err
    assert "403 Forbidden" in answer.err
    assert "Next try: with the next `digest collect`" in answer.err
    again = home("collect")  # the day that failed is there now
    assert [line.split()[:4] for line in again.out.splitlines()[1:]] == [
        ["hf", "2", "3", "1"],
        ["journal", "4", "2", "0"],
    ]


def test_json_has_the_same(home: Digest) -> None:
    hf, journal = home("collect", "--json", code=1).json
    assert (hf["source"], hf["days"], hf["new"], hf["known"]) == ("hf", ["2026-03-12"], 2, 0)
    assert hf["failures"][0]["days"] == ["2026-03-11"]
    assert (journal["new"], journal["merged"], journal["failures"]) == (1, 1, [])


def test_one_source_is_asked_by_its_name(home: Digest, server: HttpServer) -> None:
    assert [one["source"] for one in home("collect", "--source", "journal", "--json").json] == ["journal"]
    assert {one.path for one in server.requests} == {"/journal"}
    assert "did you mean journal?" in home("collect", "--source", "jurnal", code=2).err
    assert "lies ahead" in home("collect", "--since", "2026-03-13", code=2).err


def test_a_dry_run_stores_nothing(home: Digest) -> None:
    answer = home("collect", "--source", "journal", "--dry-run")
    assert answer.out.splitlines()[1].split() == ["journal", "4", "2", "2", "0", "0", "0", "0"]
    assert "Nothing was stored." in answer.out
    assert home("status", "--json").json["papers"] == 0
    assert home("sources", "--json").json[1]["succeeded_at"] is None


def test_without_sources_it_shows_what_to_write(digest: Digest) -> None:
    shown = digest("collect").out
    block = "\n".join(line[2:] for line in shown.splitlines() if line.startswith("  "))
    assert [one["kind"] for one in tomllib.loads(block)["sources"]] == ["huggingface", "arxiv"]
    digest.write("config.toml", CONFIG + block)
    assert digest("sources").code == 0  # and it is what can stand there
    assert "never" in digest("sources").out


def test_how_it_goes_with_each_source(home: Digest, now: list[datetime]) -> None:
    home("collect", code=1)
    now[0] += timedelta(hours=2)
    answer = home("sources")
    hf, journal = (line.split() for line in answer.out.splitlines()[1:])
    assert hf == ["hf", "huggingface", "2", "h", "ago,", "03-12", "09:00", "UTC", "············×█", "2"]
    assert journal[-2:] == ["··········█00█", "1"]
    assert "hf: 2026-03-11 could not be read: " in answer.err
    assert "hf: 2026-03-11 could not be read" in home("status").out
    told = home("sources", "--json").json[0]
    assert [(one["day"], one["state"], one["items"]) for one in told["days"]] == [
        ("2026-03-11", "failed", 0),
        ("2026-03-12", "filled", 2),
    ]
    home("collect")
    assert home("sources").err == ""
    assert "could not be read" not in home("status").out


def test_papers_are_found_by_words_days_and_sources(home: Digest) -> None:
    home("collect", code=1)

    def found(*words: str) -> list[str]:
        return [one["title"] for one in home("papers", *words, "--json").json]

    assert found() == [OWLS.title, BREAD.title, TIDES.title] or found()[0] in (OWLS.title, TIDES.title)
    assert sorted(found()) == sorted([OWLS.title, BREAD.title, TIDES.title])
    assert found("FRICTION", "estuar") == [TIDES.title]
    assert found("friction", "dough") == []
    assert found("100%") == []
    assert found("ada", "dough") == [BREAD.title]
    assert found("--day", "2026-03-09") == [TIDES.title]
    assert sorted(found("--source", "journal")) == sorted([OWLS.title, TIDES.title])
    table = home("papers", "estuaries").out.splitlines()
    assert table[1].split()[0] == "arxiv:2603.00001"
    assert table[1].endswith("2026-03-12 +1      3")
    home.write("config.toml", CONFIG + '[[sources]]\nname = "saved"\nkind = "pages"\npath = "saved"\n')
    home.write("saved/page.txt", "Daily Papers\nMar 12\n\nFlour and Salt\n\nWe weigh flour and salt by the sea.\n")
    home("collect")
    assert found("--source", "saved") == found("--source", "page") == ["Flour and Salt"]
    limited = home("papers", "--limit", "1")
    assert len(limited.out.splitlines()) == 2
    assert "there are more" in limited.err
    assert "no paper" in home("papers", "unheard").out


@pytest.mark.parametrize(
    "words",
    ["2603.00001", "https://arxiv.org/abs/2603.00001v2", "arxiv:2603.00001", "TIDES in narrow estuaries", "Narrow"],
)
def test_all_of_one_paper(home: Digest, now: list[datetime], words: str) -> None:
    home("collect", code=1)
    now[0] += timedelta(days=1)
    serve_day_tomorrow = TODAY + timedelta(days=1)
    home("collect", code=1)  # tomorrow is not served
    told = home("paper", words, "--json").json
    assert told["title"] == TIDES.title
    assert [(one["source"], one["day"], one["votes"]) for one in told["listings"]] == [
        ("journal", "2026-03-09", None),
        ("hf", "2026-03-12", 41),
    ]
    assert [one["votes"] for one in told["votes_over_time"]] == [3, 41]
    shown = home("paper", words).out
    assert "▁█ 3→41 in 1 d" in shown
    assert TIDES.abstract in shown
    assert "Ada Example" in shown
    assert "Sent to 0 subscribers." in shown
    assert str(serve_day_tomorrow) not in shown


def test_what_readers_did_with_a_paper_is_counted_without_names(home: Digest) -> None:
    home("collect", code=1)
    for name in ("ann", "ben"):
        home.profile(name, "floor = 0\npapers = 3")
    home("profiles", "apply")
    home("run", "--day", "2026-03-12")
    home("like", "ann", "2603.00001")
    shown = home("paper", "2603.00001").out
    assert "Sent to 2 subscribers; liked by 1." in shown
    assert "ann" not in shown.replace("hannel", "")
    assert "example.org" not in shown
    told = home("paper", "2603.00001", "--json").json
    assert (told["sent_to"], told["said"]) == (2, {"liked": 1})


def test_a_paper_that_is_not_there_or_may_be_several(home: Digest) -> None:
    home("collect", code=1)
    assert "no such paper" in home("paper", "2699.99999", code=6).err
    assert "no such paper" in home("paper", "unheard", code=6).err
    several = home("paper", "in", code=1).err
    assert TIDES.title + " (arxiv:2603.00001)" in several
    assert BREAD.title in several


# ---- feeds of a feed reader

OPML = """<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0"><head><title>Feeds</title></head><body>
<outline text="Science">
  <outline type="rss" text="A Journal" title="Ä Journal!" xmlUrl="https://journal.example/feed.xml"/>
  <outline text="Deeper"><outline type="rss" text="A Journal" xmlUrl="https://other.example/feed?a=1&amp;b=2"/></outline>
  <outline type="rss" text="Again" xmlUrl="http://journal.example/feed.xml"/>
</outline>
<outline type="rss" text="Secret" xmlUrl="ftp://journal.example/feed"/>
<outline type="rss" text="No address"/>
<outline type="rss" text="" xmlUrl="https://third.example/"/>
</body></opml>
"""


def test_feeds_are_added_and_all_else_stays(home: Digest) -> None:
    path, file = home.home / "config.toml", home.write("feeds.opml", OPML)
    before = path.read_text("utf-8")
    shown = home("sources", "import", file, "--dry-run", code=1)
    assert path.read_text("utf-8") == before
    answer = home("sources", "import", file, code=1)
    assert "3 feeds added to config.toml, 1 known before" in answer.err
    assert "feeds.opml:8: rejected: 'ftp://journal.example/feed' is no address of a feed" in answer.err
    assert "feeds.opml:9: rejected: No address: it has no xmlUrl" in answer.err
    after = path.read_text("utf-8")
    assert after.startswith(before)
    assert shown.out.strip() == after.removeprefix(before).strip()
    added = tomllib.loads(after)["sources"][2:]
    assert [(one["name"], one["url"]) for one in added] == [
        ("a-journal", "https://journal.example/feed.xml"),
        ("a-journal-2", "https://other.example/feed?a=1&b=2"),
        ("third-example", "https://third.example/"),
    ]
    again = home("sources", "import", file, "--json", code=1).json
    assert (again["new"], again["known"], again["written"]) == ([], 4, False)
    assert path.read_text("utf-8") == after


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("<opml><body>\n<outline\n</body>", 3, "no well-formed XML"),
        ("<html>\n</html>", 1, "it is no OPML"),
        ("feeds, please", 1, "no well-formed XML"),
        ('<!DOCTYPE opml [\n<!ENTITY a "aaaa">\n]><opml>&a;</opml>', 2, "declares entities"),
        ("", 1, "no well-formed XML"),
    ],
)
def test_what_is_no_list_of_feeds_is_named_with_its_line(digest: Digest, text: str, line: int, words: str) -> None:
    answer = digest("sources", "import", digest.write("feeds.opml", text), code=3)
    assert f"feeds.opml:{line}: " in answer.err
    assert words in answer.err


def test_a_configuration_that_would_be_wrong_stays_as_it_is(home: Digest) -> None:
    outlines = "".join(f'<outline text="{n}" xmlUrl="https://example.org/{n}"/>\n' for n in range(99))
    before = (home.home / "config.toml").read_bytes()
    answer = home("sources", "import", home.write("many.opml", f"<opml>{outlines}</opml>"), code=3)
    assert "nothing was added" in answer.err
    assert (home.home / "config.toml").read_bytes() == before


# ---- digest serve


def test_serve_collects_by_itself_and_letters_do_not_wait(digest: Digest, server: HttpServer) -> None:
    today = datetime.now(UTC).date()
    slow = Reply(announced(today, TIDES), delay=3600)
    server.serve("/slow/cs.CL", slow)
    server.serve(f"/hf?date={today}", Reply(daily(TIDES, BREAD)))
    digest.write(
        "config.toml",
        f"""{CONFIG}
[serve]
tick_seconds = 1

[[sources]]
name = "hf"
kind = "huggingface"
url = "{server.url("/hf")}"
look_back_days = 0

[[sources]]
name = "gone"
kind = "jsonl"
path = "gone.jsonl"

[[sources]]
name = "slow"
kind = "arxiv"
categories = ["cs.CL"]
url = "{server.url("/slow", host="localhost")}"
""",
    )
    digest.profile("alice", "floor = 0\npapers = 2\nhour = 0")
    digest("ingest", digest.page("one", PAPERS), "--day", str(today - timedelta(days=1)))
    digest("profiles", "apply")
    serving = Serving(digest.home)
    try:
        serving.wait(lambda: any(one.path.startswith("/slow") for one in server.requests))
        serving.wait(lambda: digest("status", "--json").json["papers"] == len(PAPERS) + 2)
        due_now(digest)
        serving.wait(lambda: len(digest.mails()) == 1)
        assert serving.terminate() == 0  # it does not wait for the slow one either
        assert serving.said("hf: 2 papers fetched: 2 new")
        assert serving.said("gone: ")
        assert "Traceback" not in serving.path.read_text()
    finally:
        serving.process.kill()
        serving.process.wait()
        serving.log.close()


def due_now(home: Digest) -> None:
    from test_serve import due

    due(home, datetime.now(UTC) - timedelta(minutes=1))
