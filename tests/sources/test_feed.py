"""Feeds of any kind."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_samples import ARXIV_ATOM, ATOM, JSON_FEED, RDF, RSS, RSS_ITEM, rss

from digest.errors import SourceUnreadable
from digest.model import Batch, Link, Paper, Record
from digest.sources import feed
from digest.sources.record import paper_of

BASE = "https://example.org/feeds/all.xml"


def read(data: bytes | str, content_type: str = "") -> Batch:
    return feed.parse(data if isinstance(data, bytes) else data.encode(), "notes", content_type, BASE)


def one(data: bytes | str, content_type: str = "") -> tuple[Record, Paper]:
    (record,) = read(data, content_type).records
    return record, paper_of(record)


def item(*parts: str) -> bytes:
    return rss(f"<item><title>Bees</title>{''.join(parts)}</item>")


# ---- the formats


def test_rss() -> None:
    record, paper = one(RSS)
    assert (paper.title, paper.abstract) == ("Bees & Oaks", "One. Two.")
    assert record.authors == ("Ann Li",)
    assert record.links == (Link("page", "https://example.org/notes/1?a=1&b=2"),)
    assert record.categories == ("cs.CL",), "other words are not arXiv's"
    assert (record.day, record.votes, record.keys) == (date(2026, 3, 3), None, ())


def test_atom() -> None:
    record, paper = one(ATOM)
    assert (paper.title, paper.abstract) == ("If p < q & r", "Oaks grow slowly.")
    assert record.authors == ("Ann Li", "Bo Day")
    assert record.links == (Link("page", "https://oaks.example.org/blog/one.html"),), "from where the feed says"
    assert record.keys == (), "a related paper is another one"
    assert record.day == date(2026, 3, 1), "in the feed's own time zone"


def test_rdf() -> None:
    record, paper = one(RDF)
    assert (paper.title, record.authors) == ("Salt Clocks", ("Ann Li", "Bo Day"))
    assert (record.keys, record.day) == (("doi:10.1000/tide.7",), date(2026, 2, 3))


def test_json_feed() -> None:
    record, paper = one(JSON_FEED)
    assert (paper.title, paper.abstract, record.authors) == ("If p < q", "One. Two.", ("Ann Li", "Bo Day"))
    assert record.links == (Link("page", "https://example.org/feeds/notes/1"),)
    assert (record.day, record.categories) == (date(2026, 3, 3), ("cs.CL",))


def test_json_feed_of_the_first_version_and_with_bad_items() -> None:
    items: list[Any] = [
        {
            "id": 1,
            "title": "Bees",
            "content_text": "a < b & c",
            "author": {"name": "Ann Li"},
            "url": "javascript:x",
        },
        "no item",
        {"id": "x", "title": None},
        {"title": "Oaks", "content_html": ["no text"], "tags": 3, "authors": 4, "attachments": [1]},
        {"id": "n", "title": "Clocks", "attachments": [{"mime_type": "application/pdf", "url": "c.pdf"}]},
        {"id": "n", "title": "Clocks"},
    ]
    batch = read(json.dumps({"version": "https://jsonfeed.org/version/1", "items": items}))
    papers = [paper_of(record) for record in batch.records]
    assert [(p.title, p.abstract, p.authors) for p in papers] == [
        ("Bees", "a < b & c", ("Ann Li",)),
        ("Oaks", "", ()),
        ("Clocks", "", ()),
    ]
    assert papers[0].links == ()
    assert papers[2].links == (Link("pdf", "https://example.org/feeds/c.pdf"),)
    assert [(no.line, no.reason) for no in batch.rejected] == [(2, "item 2 is no object"), (3, "there is no title")]
    assert batch.repeated == 1


def test_arxivs_own_feed_gives_its_ids() -> None:
    assert read(ARXIV_ATOM).records[0].keys == ("arxiv:2603.00017",)


# ---- what an entry says


@pytest.mark.parametrize(
    ("parts", "keys"),
    [
        ("<link>https://arxiv.org/abs/2603.00017v2</link>", ("arxiv:2603.00017",)),
        ("<guid>oai:arXiv.org:hep-th/9901001</guid>", ("arxiv:hep-th/9901001",)),
        ("<link>https://doi.org/10.1000/ABC</link>", ("doi:10.1000/abc",)),
        ("<link>https://pub.example.org/doi/full/10.1000/ABC?af=R</link>", ("doi:10.1000/abc",)),
        ("<guid>10.1000/ABC</guid>", ("doi:10.1000/abc",)),
        ("<dc:identifier>2603.00017</dc:identifier>", ("arxiv:2603.00017",)),
        ("<guid>2603.00017</guid>", ()),  # may be any number
        ("<link>https://example.org/2603.00017</link>", ()),
        ("<description>See https://arxiv.org/abs/2603.00017</description>", ()),
        (
            "<link>https://arxiv.org/abs/2603.00017</link><guid>https://arxiv.org/abs/2603.00018</guid>"
            "<dc:identifier>doi:10.1000/X</dc:identifier>",
            ("arxiv:2603.00018", "doi:10.1000/x"),
        ),
    ],
)
def test_an_entry_has_the_keys_that_name_it(parts: str, keys: tuple[str, ...]) -> None:
    record, _ = one(item(parts))
    assert record.keys == keys


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ("<dc:creator>Ann Li and Bo Day</dc:creator>", ("Ann Li", "Bo Day")),
        ("<dc:creator>Ann Li, Bo Day &amp;amp; Cy Roe</dc:creator>", ("Ann Li", "Bo Day", "Cy Roe")),
        ("<dc:creator>Li, Ann</dc:creator>", ("Ann Li",)),
        ("<dc:creator>Li, Ann</dc:creator><dc:creator>van der Day, Bo</dc:creator>", ("Ann Li", "Bo van der Day")),
        ("<dc:creator>Li, Ann; Day, Bo Cy</dc:creator>", ("Ann Li", "Bo Cy Day")),
        ("<dc:creator>Li Wu, Ann Eve</dc:creator><dc:creator>OAKS</dc:creator>", ("Ann Eve Li Wu", "OAKS")),
        (
            "<dc:creator>Ann Li, Bo Day</dc:creator><dc:creator>Cy, Di, Eve</dc:creator>",
            ("Ann Li", "Bo Day", "Cy", "Di", "Eve"),
        ),
        ("<dc:creator>&lt;a href='x'&gt;Ann Li&lt;/a&gt;, Bo Day</dc:creator>", ("Ann Li", "Bo Day")),
        ("<author>ann@example.org</author>", ()),
        ("<author>Ann Li &lt;ann@example.org&gt;</author>", ("Ann Li",)),
        ("<dc:creator>  </dc:creator><author>Ann Li</author>", ("Ann Li",)),
    ],
)
def test_authors_however_they_are_written(parts: str, names: tuple[str, ...]) -> None:
    record, _ = one(item(parts))
    assert record.authors == names


@pytest.mark.parametrize(
    ("parts", "links"),
    [
        ("<link>javascript:alert(1)</link>", ()),
        ("<link>//other.example.org/x</link>", (Link("page", "https://other.example.org/x"),)),
        ("<link>https://[</link>", ()),
        ('<link>https://example.org/a b"c</link>', (Link("page", "https://example.org/a%20b%22c"),)),
        ("<guid>https://example.org/g</guid>", (Link("page", "https://example.org/g"),)),
        ("<guid isPermaLink='false'>https://example.org/g</guid>", ()),
        ("<enclosure type='application/pdf' url='/p.pdf'/>", (Link("pdf", "https://example.org/p.pdf"),)),
        ("<link>https://user:word@example.org/</link>", ()),
    ],
)
def test_links_lead_to_the_web_or_nowhere(parts: str, links: tuple[Link, ...]) -> None:
    record, _ = one(item(parts))
    assert record.links == links


def test_a_paper_with_a_doi_alone_is_found_by_it() -> None:
    _, paper = one(item("<guid isPermaLink='false'>doi:10.1000/A(1)b</guid>"))
    assert paper.links == (Link("page", "https://doi.org/10.1000/a(1)b"),)


@pytest.mark.parametrize(
    ("date_of", "day"),
    [
        ("<pubDate>Tue, 3 Mar 26 01:00:00 +0900</pubDate>", date(2026, 3, 3)),
        ("<dc:date>2026-3-3T01:00+09:00</dc:date>", date(2026, 3, 3)),
        ("<pubDate>soon</pubDate><dc:date>2026-03-03</dc:date>", date(2026, 3, 3)),
        ("<pubDate>March 3, 2026</pubDate>", date(2026, 3, 3)),
        ("<pubDate>Tue Mar  3 01:00:00 2026</pubDate>", date(2026, 3, 3)),
        ("<pubDate>2026-02-30</pubDate>", None),
        ("<pubDate>9999999-1-1</pubDate>", None),
        ("", None),
    ],
)
def test_the_day_of_an_entry(date_of: str, day: date | None) -> None:
    record, _ = one(item(date_of))
    assert record.day == day


def test_a_teaser_gives_way_to_the_content() -> None:
    long = "Bees count. " * 40
    _, paper = one(item("<description>Bees …</description>", f"<content:encoded>&lt;p&gt;{long}</content:encoded>"))
    assert paper.abstract == long.strip()
    _, paper = one(item(f"<description>{long}</description><content:encoded>{long * 2}</content:encoded>"))
    assert paper.abstract == long.strip()


def test_raw_texts_are_kept_and_spellings_compare_without_mark_up() -> None:
    _, paper = one(RSS)
    assert (paper.raw_title, paper.keys) == ("Bees &amp; <i>Oaks</i>", ("title:beesoaks",))


def test_a_title_is_measured_without_its_mark_up() -> None:
    title = "Bees" + "&lt;span class='of the journal'&gt;&lt;/span&gt;" * 100
    assert one(rss(f"<item><title>{title}</title></item>"))[1].title == "Bees"


@pytest.mark.parametrize("title", ["", "&lt;p&gt;&lt;/p&gt;", "&amp;nbsp;", "…", "x" * 2001])
def test_one_bad_entry_does_not_lose_the_others(title: str) -> None:
    batch = read(rss(f"<item><title>{title}</title></item>", RSS_ITEM, "<item/>"))
    assert (len(batch.records), len(batch.rejected)) == (1, 2)


def test_an_entry_that_is_there_twice_counts_once() -> None:
    again = RSS_ITEM.replace("One.", "Changed.")
    other = RSS_ITEM.replace("Oaks", "Clocks")  # under one id, as from a feed that gives all the same
    batch = read(rss(RSS_ITEM, again, other, "<item><title>B</title></item>", "<item><title>B</title></item>"))
    assert (len(batch.records), batch.repeated) == (3, 2)


# ---- encodings


@pytest.mark.parametrize(
    ("declared", "encoding", "content_type"),
    [
        ("", "utf-8", ""),
        ("", "utf-8", "text/xml; charset=iso-8859-1"),
        ("utf-8", "utf-8-sig", "text/xml; charset=us-ascii"),
        ("iso-8859-1", "cp1252", ""),
        ("utf-8", "cp1252", "application/rss+xml; charset=utf-8"),
        ("", "cp1252", "application/rss+xml"),
        ("utf-16", "utf-16", ""),
        ("utf-16", "utf-16-le", ""),
        ("utf-16", "utf-8", ""),
        ("windows-1251", "cp1251", ""),
        ("utf-8", "cp1251", "text/xml; charset=windows-1251"),
        ("iso-2022-jp", "iso-2022-jp", ""),
        ("no-such-thing", "utf-8", "text/xml; charset=unicode_escape"),
    ],
)
def test_the_encoding_is_found_though_servers_lie(declared: str, encoding: str, content_type: str) -> None:
    title = {"cp1251": "Пчёлы", "iso-2022-jp": "蜜蜂"}.get(encoding, "Café “noir”")
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    data = f"{head}<rss><channel><item><title>{title}</title></item></channel></rss>".encode(encoding)
    _, paper = one(data, content_type)
    assert paper.title == title


# ---- what is not well-formed, and what is no feed


@pytest.mark.parametrize(
    ("broken", "title"),
    [
        ("<rss><channel><item><title>Bees & Oaks", "Bees & Oaks"),
        ("<rss><channel><item><title>Bees &nbsp;&eacute; Oaks</title></item>", "Bees é Oaks"),
        ("<rss><channel><item><title>p < 5 &undefined; x</title></channel>", "p < 5 &undefined; x"),
        ("<rss><channel><item><dc:title>Bees</dc:title></item></channel></rss>", "Bees"),
        ("<rss><item><title>Be\x00es\x0b &#0;&#x1F;&#xD800;&#X0000000D801;&#55296</title></item></rss>", "Bees"),
        ("<rss a='<![CDATA['><item><title>Be&#xD800;es &#38; &#x3C;</title></item></rss>", "Bees & <"),
        ("\n\n <?xml version='1.0'?><rss><item><title>Bees</title></item></rss>trailing", "Bees"),
        ('<!DOCTYPE rss PUBLIC "-//N//DTD RSS 0.91//EN" "http://n.example.org/r.dtd"><rss><item><title>B&uuml;'
         "</title></item></rss>", "Bü"),
    ],
)  # fmt: skip
def test_a_broken_feed_gives_what_can_be_read_of_it(broken: str, title: str) -> None:
    _, paper = one(broken)
    assert paper.title == title


def test_an_honestly_empty_feed_is_empty() -> None:
    assert read(rss()) == Batch()
    assert read('<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title></feed>') == Batch()
    assert read('{"version": "https://jsonfeed.org/version/1.1", "items": []}') == Batch()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "empty"),
        ("Too many requests", "it is not XML: it starts with 'Too many requests'"),
        ("<rss><channel><title>cut", "not well-formed"),
        ("<opml><body/></opml>", "<opml>"),
        ('{"error": "x"}', "no list of `items`"),
        ('{"items": [', "breaks off"),
        ("[]", "no list of `items`"),
        ("\x89PNG\r\n", "not XML"),
        ("<!DOCTYPE rss [<!ENTITY a 'x'>]><rss><item><title>&a;</title></item></rss>", "entities of its own"),
        (
            "<?xml version='1.0'?><!-- x --><!doctype rss\n[<!ENTITY % a SYSTEM 'http://e.org/'> %a;]><rss/>",
            "entities",
        ),
    ],
)
def test_what_is_no_feed_is_never_an_empty_day(data: str, says: str) -> None:
    with pytest.raises(SourceUnreadable) as error:
        read(data.encode("latin-1"))
    assert says in str(error.value)
    assert str(error.value).startswith("notes: ")


def test_a_page_in_place_of_a_feed_names_its_feeds() -> None:
    head = "<link rel=stylesheet href=a.css>"
    head += "<link rel='alternate' type=\"application/rss+xml\" href='../rss?a=1&amp;b=2'>"
    with pytest.raises(SourceUnreadable, match=r"web page.*this feed: https://example\.org/rss\?a=1&b=2\.$"):
        read(f"<!DOCTYPE html><html><head>{head}</head></html>")
    with pytest.raises(SourceUnreadable, match="web page, not a feed"):
        read("<html><body>Sign in</body></html>")


# ---- nothing is read twice, nothing is fetched


def test_what_would_hang_other_parsers_is_read() -> None:
    """Some of these take hours where each part is looked at from every other; most have no title that is one."""
    many = 200_000
    for start, unit in (
        ("<rss><item><title>Bees</title><author>a@", "a."),
        ("<rss><item><title>Bees</title><dc:creator>", "((a) "),
        ("<rss><item><title>Bees</title>", "<"),
        ("<rss><item><title>Bees</title>", "<a b='"),
        ("<rss><item><title>Bees</title>", "<a>"),
        ("<rss><item><title>Bees ", "<![CDATA["),
        ("<rss><item><title>Bees ", "&a"),
        ("<rss><item><title>Bees</title></item>", "<item>"),
    ):
        batch = read(start + unit * (many // len(unit)))
        assert batch.records or batch.rejected, start
        assert all(paper_of(record).title.startswith("Bees") for record in batch.records)


def test_no_entity_reads_a_file() -> None:
    hostile = "<!DOCTYPE rss SYSTEM 'file:///etc/passwd'><rss><item><title>Bees &x; Oaks</title></item></rss>"
    _, paper = one(hostile)
    assert paper.title == "Bees &x; Oaks"


@given(st.recursive(st.text(max_size=20), lambda inner: st.lists(inner, max_size=4), max_leaves=20))
def test_any_tree_of_elements_gives_records_or_one_clear_error(tree: object) -> None:
    names = ("item", "title", "link", "entry", "dc:creator", "pubDate", "content", "guid", "description", "author")

    def written(node: object, depth: int) -> str:
        if isinstance(node, list):
            return "".join(f"<{names[(i + depth) % 10]}>{written(n, depth + 1)}</{names[(i + depth) % 10]}>"
                           for i, n in enumerate(node))  # fmt: skip
        return str(node)

    try:
        batch = read(f"<rss><item><title>Bees</title>{written(tree, 0)}</item></rss>".encode("utf-8", "replace"))
    except SourceUnreadable:
        return
    for record in batch.records:
        paper_of(record)
