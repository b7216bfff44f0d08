"""`digest collect` against servers that misbehave and answers that are strange, through to what the store says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
import sqlalchemy as sa
from command import Digest
from misbehaving_http import Endless, HttpServer, Raw, Reply, leading_to, packed
from source_answers import BREAD, TIDES, announced, api_error, daily, rss

from digest import clock
from digest.fetch import Client
from digest.sources import arxiv
from digest.store.opening import open_store
from digest.store.tables import paper
from digest.turns import Turns

NOW = datetime(2026, 3, 12, 9, tzinfo=UTC)  # a Thursday
TODAY = NOW.date()
PATHS = {"huggingface": f"/x?date={TODAY}", "arxiv": "/x/cs.CL", "feed": "/x"}
GOOD = {
    "huggingface": daily(TIDES),
    "arxiv": announced(TODAY, TIDES),
    "feed": rss(TIDES),
}
DEFAULTS: dict[str, Any] = Client.__init__.__kwdefaults__ or {}
KEYS = {"huggingface": "look_back_days = 0", "arxiv": 'categories = ["cs.CL"]', "feed": ""}


class World:
    """One source of a kind, on a server of our own."""

    def __init__(self, digest: Digest, server: HttpServer, patch: pytest.MonkeyPatch) -> None:
        self.digest, self.server, self.patch = digest, server, patch

    def source(self, kind: str, *replies: Reply | Raw, keys: str = "", private: bool = True) -> None:
        url = self.server.url("/x")
        self.server.serve(PATHS[kind], *replies)
        self.digest.write(
            "config.toml",
            f'[letter]\nfrom_address = "letters@example.org"\n[collect]\ntimeout_seconds = 1\n'
            f"private_addresses = {str(private).lower()}\n"
            f'[[sources]]\nname = "x"\nkind = "{kind}"\nurl = "{url}"\n{keys or KEYS[kind]}\n',
        )

    def later(self) -> None:
        """As another process, to which no server has said anything."""
        self.patch.setitem(DEFAULTS, "turns", Turns())

    def days(self) -> dict[str, tuple[str, int]]:
        (told,) = self.digest("sources", "--json").json
        return {one["day"]: (one["state"], one["items"]) for one in told["days"]}

    def papers(self) -> list[dict[str, Any]]:
        return [self.digest("paper", one["keys"][0], "--json").json for one in self.digest("papers", "--json").json]


@pytest.fixture
def world(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr("digest.fetch.GAP", 0.0)
    # Nobody waits between two tries, nor for what another test was told.
    own: dict[str, Any] = {"now": lambda: NOW, "sleep": lambda _: None, "turns": Turns(), "tries": 2}
    for name, value in own.items():
        monkeypatch.setitem(DEFAULTS, name, value)
    with HttpServer() as server:
        yield World(digest, server, monkeypatch)


HEAD = b"HTTP/1.1 200 OK\r\n"
PAGE = Reply(b"<!DOCTYPE html><html><body>We are busy</body></html>", headers={"Content-Type": "text/html"})
FAILURES: dict[str, tuple[str, Reply | Raw, str]] = {
    "429 until a date": (
        "huggingface",
        Reply(status=429, headers={"Retry-After": format_datetime(NOW.replace(hour=15), usegmt=True)}),
        "Next try: not before 2026-03-12 15:00 UTC",
    ),
    "429 for seconds": (
        "feed",
        Reply(status=429, headers={"Retry-After": "7200"}),
        "not before 2026-03-12 11:00 UTC",
    ),
    "503": ("arxiv", Reply(status=503), "503 Service Unavailable, after 2 tries"),
    "slow loris in the headers": ("feed", Raw(Endless(HEAD, b"X: y\r\n"), pause=0.3), "no whole answer within 1 s"),
    "slow loris in the body": (
        "huggingface",
        Raw(Endless(HEAD + b"Content-Length: 9999\r\n\r\n[", b" "), pause=0.3),
        "no whole answer within 1 s",
    ),
    "silence": ("feed", Raw([b""], then="silence"), "no whole answer within 1 s"),
    "hung up": (
        "feed",
        Raw([HEAD + b"Content-Length: 999\r\n\r\n" + rss(TIDES)[:200]]),
        "broke off after 200 bytes",
    ),
    "JSON cut off": ("huggingface", Reply(daily(TIDES, BREAD)[:-40]), "not JSON, or breaks off"),
    "XML cut off": ("arxiv", Reply(announced(TODAY, TIDES, BREAD)[:-40]), "not well-formed XML"),
    "gzip bomb": ("feed", packed(b"\0" * 30_000_000), "larger than 20 MB"),
    "gzip cut off": (
        "feed",
        Reply(gzip.compress(rss(TIDES))[:-9], headers={"Content-Encoding": "gzip"}),
        "packed as gzip, and damaged",
    ),
    "page for JSON": ("huggingface", PAGE, "a web page, not JSON"),
    "page for arXiv": ("arxiv", PAGE, "a web page, not a feed"),
    "page for a feed": ("feed", PAGE, "a web page, not a feed"),
    "nothing": ("huggingface", Reply(status=204), "the answer is empty"),
    "an error as an object": ("huggingface", Reply(b'{"error": "Invalid date"}'), "the server says: Invalid date"),
    "a redirect to http": ("feed", leading_to("http://example.org/feed"), "only followed to https:"),
    "nothing can be taken": (
        "huggingface",
        Reply(b'[{"paper": {"title": ""}}]'),
        "none of what it holds can be taken",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_fails_is_told_is_no_empty_day_and_is_made_up_for(world: World, case: str) -> None:
    kind, reply, words = FAILURES[case]
    world.source(kind, reply)
    answer = world.digest("collect", code=1)
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert answer.out.splitlines()[1].split()[1:] == ["0", "0", "0", "0", "0", answer.out.split()[-2], "1"]
    assert world.days() == {str(TODAY): ("failed", 0)}
    assert words.partition(", after")[0] in world.digest("sources").err

    world.server.serve(PATHS[kind], Reply(GOOD[kind]))
    world.later()
    world.digest("collect", "--source", "x")
    assert world.days() == {str(TODAY): ("filled", 1)}
    assert [one["title"] for one in world.papers()] == [TIDES.title]
    assert world.digest("sources").err == ""


def test_an_error_that_arxiv_tells_as_a_paper(world: World) -> None:
    world.source("arxiv", keys='categories = ["cs.CL"]\nvia = "api"\nlook_back_days = 0')
    query = arxiv.api_url(["cs.CL"], TODAY, TODAY, 0, 200, world.server.url("/x"))
    world.server.serve(query.removeprefix(world.server.url("")), Reply(api_error("incorrect id format")))
    assert "arXiv says: incorrect id format" in world.digest("collect", code=1).err
    assert world.days()[str(TODAY)] == ("failed", 0)
    assert world.papers() == []


def test_an_address_of_this_network_is_asked_only_where_that_is_allowed(world: World) -> None:
    world.source("feed", Reply(rss(TIDES)), private=False)
    assert "no address of the Internet" in world.digest("collect", code=1).err
    assert world.server.requests == []


EMPTY_RSS = b"""<?xml version='1.0' encoding='UTF-8'?><rss version="2.0"><channel><title>cs.CL updates</title>
<lastBuildDate>Thu, 12 Mar 2026 04:00:02 +0000</lastBuildDate><pubDate>Thu, 12 Mar 2026 00:00:00 -0400</pubDate>
<skipDays><day>Saturday</day><day>Sunday</day></skipDays></channel></rss>"""


def test_a_feed_without_entries_is_an_empty_day(world: World) -> None:
    world.source("arxiv", Reply(EMPTY_RSS))
    assert world.digest("collect").err == ""
    assert world.days() == {str(TODAY): ("empty", 0)}


def hf(**paper: Any) -> Reply:
    """An answer with one paper; what is outside of it is wrong, as the site's own is."""
    whole = {"id": "2603.00001", "title": "Tides", "summary": TIDES.abstract, "authors": []} | paper
    return Reply(json.dumps([{"paper": whole, "title": "No", "publishedAt": "2026-03-13T23:00:00.000Z"}]).encode())


def entry(title: str, summary: str = TIDES.abstract, more: str = "", number: str = "2603.00001") -> bytes:
    """arXiv's feed with one entry."""
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns="http://www.w3.org/2005/Atom"><updated>{TODAY}T04:00:00+00:00</updated>
<entry><id>oai:arXiv.org:{number}v1</id><title>{title}</title>{more}
<summary>arXiv:{number}v1 Announce Type: new \nAbstract: {summary}</summary></entry></feed>""".encode()


def item(title: str, description: str = "", day: str = "", head: str = "<?xml version='1.0'?>") -> str:
    date_ = f"<dc:date>{day}</dc:date>" if day else ""
    return (
        f'{head}<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><item><title>{title}</title>'
        f"<link>https://journal.example/1</link><description>{description}</description>{date_}</item></channel></rss>"
    )


LATIN = "<?xml version='1.0' encoding='iso-8859-1'?>"
STRANGE: dict[str, tuple[str, Reply, dict[str, Any]]] = {
    "UTF-8 that is told as Latin-1": (
        "feed",
        Reply(item("Über Öl", head=LATIN).encode(), headers={"Content-Type": "text/xml; charset=iso-8859-1"}),
        {"title": "Über Öl"},
    ),
    "Windows-1252 that is told as UTF-8": (
        "feed",
        Reply(item("Über „Öl“").encode("cp1252"), headers={"Content-Type": "text/xml; charset=utf-8"}),
        {"title": "Über „Öl“"},
    ),
    "a day without zeros": ("feed", Reply(item("Tides", day="2026-3-9").encode()), {"days": ["2026-03-09"]}),
    "an id with a slash": (
        "arxiv",
        Reply(entry("Tides", number="hep-ex/0307015")),
        {"keys": ["arxiv:hep-ex/0307015", "title:tides"]},
    ),
    "no link to the PDF": (
        "arxiv",
        Reply(entry("Tides")),
        {"links": ["https://arxiv.org/abs/2603.00001", "https://arxiv.org/pdf/2603.00001"]},
    ),
    "line breaks in a title": ("arxiv", Reply(entry("Tides\n  in Narrow\r\n Estuaries")), {"title": TIDES.title}),
    "hidden authors": (
        "huggingface",
        hf(authors=[{"name": "Ann Li"}, {"name": "Bo Day", "hidden": True}, {"name": "Cy Roe", "hidden": False}]),
        {"authors": ["Ann Li", "Cy Roe"]},
    ),
    "the time of another zone": ("huggingface", hf(), {"days": [str(TODAY)], "title": "Tides"}),
    "a script in an abstract": (
        "feed",
        Reply(
            item(
                "Tides", "&lt;p&gt;High &lt;script&gt;alert(1)&lt;/script&gt;and &lt;b&gt;low&lt;/b&gt;&lt;/p&gt;"
            ).encode()
        ),
        {
            "abstract": "High and low",
            "raw_abstract": "<p>High <script>alert(1)</script>and <b>low</b></p>",
        },
    ),
    "LaTeX": (
        "huggingface",
        hf(title="Adapt-$\\infty$: a \\textbf{bold} plan", summary="It costs 5\\% of $x^2$."),
        {
            "title": "Adapt-∞: a bold plan",
            "abstract": "It costs 5% of x².",
            "raw_title": "Adapt-$\\infty$: a \\textbf{bold} plan",
            "raw_abstract": "It costs 5\\% of $x^2$.",
        },
    ),
    "what steers a terminal": ("huggingface", hf(title="Ti\u001b[31mdes\u202e\u0007"), {"title": "Ti[31mdes"}),
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_strange_is_read_for_what_it_means(world: World, case: str) -> None:
    kind, reply, wanted = STRANGE[case]
    world.source(kind, reply)
    assert world.digest("collect").err == ""
    (told,) = world.papers()
    told["links"] = [one["url"] for one in told["links"]]
    told["days"] = [one["day"] for one in told["listings"]]
    store = open_store(f"sqlite:///{world.digest.home}/digest.db", create=False)
    try:
        with store.read() as connection:
            told |= connection.execute(sa.select(paper.c.raw_title, paper.c.raw_abstract)).one()._asdict()
    finally:
        store.close()
    assert {key: told[key] for key in wanted} == wanted
    shown = world.digest("paper", told["title"]).out + world.digest("papers").out
    assert "\x1b" not in shown
    assert "<script" not in shown


def test_what_stands_there_twice_counts_once(world: World) -> None:
    world.source("huggingface", Reply(daily(TIDES, BREAD, TIDES)))
    answer = world.digest("collect")
    assert answer.out.splitlines()[1].split() == ["x", "1", "2", "2", "0", "0", "0", "0"]
    assert "x: 1 record stood there twice and counted once" in answer.err
    assert world.days() == {str(TODAY): ("filled", 2)}


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("huggingface", hf(withdrawnAt="2026-03-11T10:00:00.000Z")),
        ("arxiv", Reply(entry("Tides", "This paper has been withdrawn by the authors."))),
    ],
)
def test_what_was_withdrawn_is_left_out_and_told(world: World, kind: str, reply: Reply) -> None:
    world.source(kind, reply)
    assert "withdrawn" in world.digest("collect").err
    assert world.papers() == []
    assert world.days() == {str(TODAY): ("empty", 0)}
