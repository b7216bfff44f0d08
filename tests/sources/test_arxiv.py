"""arXiv's feeds and its API."""

from __future__ import annotations

from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from real_input import shared_folder
from source_samples import ARXIV_API, ARXIV_ATOM, ARXIV_RSS, RSS, announced, api_answer, atom_feed, found

from digest.errors import SourceUnreadable
from digest.model import Record
from digest.sources import arxiv
from digest.sources.record import paper_of

DAY = date(2026, 3, 3)
ALL = ("new", "cross", "replace", "replace-cross")


def read(*entries: str) -> list[Record]:
    return list(arxiv.parse_feed(atom_feed(*entries), "arxiv", ALL).batch.records)


def asked(*entries: str) -> list[Record]:
    return list(arxiv.parse_api(api_answer(*entries), "arxiv").batch.records)


# ---- addresses


def test_the_address_of_a_feed_joins_the_categories() -> None:
    assert arxiv.feed_url(["cs.AI", "stat.*", "hep-th"]) == "https://rss.arxiv.org/atom/cs.AI+stat+hep-th"
    assert arxiv.feed_url(["cs.AI"], "http://127.0.0.1:9/rss/") == "http://127.0.0.1:9/rss/cs.AI"


def test_the_address_of_a_query_spans_days_and_pages() -> None:
    url = arxiv.api_url(["cs.AI", "stat.*", "math", "hep-th"], date(2026, 2, 28), DAY, 100, 50)
    assert url.startswith("https://export.arxiv.org/api/query?")
    query = {key: value for key, (value,) in parse_qs(urlsplit(url).query).items()}
    among = "(cat:cs.AI OR cat:stat.* OR cat:math.* OR cat:hep-th)"
    assert query == {
        "search_query": f"{among} AND submittedDate:[202602280000 TO 202603032359]",
        "sortBy": "submittedDate",
        "sortOrder": "ascending",
        "start": "100",
        "max_results": "50",
    }


# ---- feeds


def test_a_feed_that_is_made_late_in_the_evening_of_new_york_has_that_day() -> None:
    late = (b"<updated>2026-03-03T05:00:10.5+00:00</updated>", b"<updated>2026-03-04T01:30:00+00:00</updated>")
    for feed in (ARXIV_ATOM, atom_feed()):
        assert late[0] in feed
        assert arxiv.parse_feed(feed.replace(*late), "arxiv", ALL).day == DAY
    rss = "<rss><channel><lastBuildDate>Wed, 04 Mar 2026 01:30:00 +0000</lastBuildDate></channel></rss>"
    assert arxiv.parse_feed(rss.encode(), "arxiv", ALL).day == DAY


def test_an_atom_feed_tells_what_was_announced() -> None:
    answer = arxiv.parse_feed(ARXIV_ATOM, "arxiv", ("new", "cross"))
    assert (answer.day, answer.total, answer.skipped) == (DAY, 3, 1)
    first, second = answer.batch.records
    assert (first.keys, second.keys) == (("arxiv:2603.00017",), ("arxiv:2603.00018",))
    assert first.abstract == "We ask bees to count, if $n < 5$.", "without the words before it"
    assert first.authors == ("Ann Li", "Bo Day")
    assert first.categories == ("cs.CL", "stat.ML")
    assert (first.day, first.html, first.votes) == (DAY, False, None)
    assert [link.label for link in paper_of(first).links] == ["abstract", "pdf"], "also without a link to a PDF"


def test_an_rss_feed_tells_the_same() -> None:
    answer = arxiv.parse_feed(ARXIV_RSS, "arxiv", ["replace-cross"])
    (record,) = answer.batch.records
    assert answer.day == record.day == DAY, "the announcement's day, in New York"
    assert record.keys == ("arxiv:2603.00017", "doi:10.1000/bees.7")
    assert record.abstract == "We ask bees to count."
    assert record.authors == ("Ann Li", "Bo Day Jr.", "Cy Roe")
    assert record.categories == ("cs.CL", "math.GT")
    assert arxiv.parse_feed(ARXIV_RSS, "arxiv", ["new"]).skipped == 1


def test_the_kind_of_an_announcement_is_also_found_in_its_text() -> None:
    bare = announced(kind="replace").replace("<arxiv:announce_type>replace</arxiv:announce_type>", "")
    assert arxiv.parse_feed(atom_feed(bare), "arxiv", ["new"]).skipped == 1
    without = bare.replace("Announce Type: replace", "")
    assert len(arxiv.parse_feed(atom_feed(without), "arxiv", ["new"]).batch.records) == 1


@pytest.mark.parametrize(
    "channel",
    [
        "<lastBuildDate>Mon, 02 Mar 2026 05:00 Z</lastBuildDate><pubDate>Sun, 01 Mar 2026 00:00:00 -0500</pubDate>",
        "<pubDate>Sun, 1 Mar 2026 00:00:00 EST</pubDate>",
        "<pubDate>2026-3-1</pubDate>",
    ],
)
def test_a_feed_of_a_weekend_is_empty_and_has_its_day(channel: str) -> None:
    data = f"<rss version='2.0'><channel><title>x</title>{channel}</channel></rss>".encode()
    answer = arxiv.parse_feed(data, "arxiv", ALL)
    assert (answer.batch.records, answer.total, answer.day) == ((), 0, date(2026, 3, 1))
    assert arxiv.parse_feed(atom_feed(), "arxiv", ALL).day == DAY


@pytest.mark.parametrize(
    ("own_id", "key"),
    [
        ("oai:arXiv.org:2603.00017v1", "arxiv:2603.00017"),
        ("oai:arXiv.org:hep-ex/0307015v1", "arxiv:hep-ex/0307015"),
        ("oai:arXiv.org:math.GT/0309136", "arxiv:math/0309136"),
        ("http://arxiv.org/abs/hep-ex/0307015v1", "arxiv:hep-ex/0307015"),
        ("tag:something else", "arxiv:2603.00017"),  # then its link tells
    ],
)
def test_ids_old_and_new(own_id: str, key: str) -> None:
    (record,) = read(announced().replace("oai:arXiv.org:2603.00017v1", own_id))
    assert record.keys == (key,)


@pytest.mark.parametrize(
    ("creator", "names"),
    [
        ("Ann Li, Bo Day", ("Ann Li", "Bo Day")),
        ("Ann Li,\n  Bo Day and Cy Roe", ("Ann Li", "Bo Day", "Cy Roe")),
        ("J\\'er\\^ome M&amp;uuml;ller, Ann Li", ("J\\'er\\^ome Müller", "Ann Li")),
        ("Ann Li (1 and 2), Bo Day (2) ((1) Bees, Berlin, (2) Oaks)", ("Ann Li", "Bo Day")),
        ("Sam Dee, Jr., Tom Poe, III, Ann Li", ("Sam Dee Jr.", "Tom Poe III", "Ann Li")),
        ("BEES Collaboration: Ann Li, Bo Day, et al.", ("BEES Collaboration", "Ann Li", "Bo Day")),
        ("Ann Li et al", ("Ann Li",)),
        ("Ann Li, Ann Li, , 7", ("Ann Li",)),
        ("Ann Li, OPERA", ("Ann Li", "OPERA")),
        ("", ()),
    ],
)
def test_authors_in_one_line(creator: str, names: tuple[str, ...]) -> None:
    (record,) = read(announced().replace("Ann Li, Bo Day", creator))
    assert record.authors == names


@pytest.mark.parametrize(
    "words",
    [
        "This paper has been withdrawn by the authors.",
        "Withdrawn: see version 1",
        "Wrong. The article was withdrawn.",
    ],
)
def test_a_withdrawn_paper_is_not_taken(words: str) -> None:
    abstract = "We ask bees to count, if $n &lt; 5$."
    answer = arxiv.parse_feed(atom_feed(announced().replace(abstract, words)), "arxiv", ALL)
    assert [one.reason for one in answer.batch.rejected] == ["withdrawn: 2603.00017"]
    answer = arxiv.parse_api(api_answer(found(more=f"<arxiv:comment>9 pages. {words}</arxiv:comment>")), "arxiv")
    assert [one.reason for one in answer.batch.rejected] == ["withdrawn: 2603.00017"]


@pytest.mark.parametrize(
    "words", ["Replaces the withdrawn paper of May", "Money is withdrawn from banks", "not withdrawn"]
)
def test_a_paper_about_withdrawing_is_taken(words: str) -> None:
    assert len(asked(found(more=f"<arxiv:comment>{words}</arxiv:comment>"))) == 1


def test_one_bad_entry_does_not_lose_the_others() -> None:
    nameless = "<entry><title>Bees</title><id>x</id></entry>"
    answer = arxiv.parse_feed(
        atom_feed(announced(title=""), nameless, announced("2603.00018"), "<entry/>"), "arxiv", ALL
    )
    assert [one.keys for one in answer.batch.records] == [("arxiv:2603.00018",)]
    reasons = ["there is no title", "there is no arXiv id: 'Bees'", "there is no arXiv id: ''"]
    assert [one.reason for one in answer.batch.rejected] == reasons


def test_what_a_feed_holds_twice_counts_once() -> None:
    answer = arxiv.parse_feed(atom_feed(announced(), announced(kind="cross")), "arxiv", ALL)
    assert (len(answer.batch.records), answer.batch.repeated) == (1, 1)


def test_mark_up_in_an_abstract_stays_text() -> None:
    (record,) = read(announced().replace("We ask", "&lt;script&gt;alert(1)&lt;/script&gt; We ask"))
    assert paper_of(record).abstract.startswith("<script>alert(1)</script> We ask"), "each output escapes it"


# ---- the API


def test_an_answer_of_the_api() -> None:
    answer = arxiv.parse_api(ARXIV_API, "arxiv")
    assert (answer.day, answer.total) == (None, 40)
    first, second = answer.batch.records
    assert (first.title, first.abstract) == ("Bees That Count", "We ask bees\nto count.")
    assert first.authors == ("Ann Li", "Bo Day")
    assert first.categories == ("cs.CL", "stat.ML"), "the primary one first, and no other classification's"
    assert first.day == date(2026, 3, 2), "of the first version, in UTC"
    assert second.keys == ("arxiv:math/0309136", "doi:10.1000/k")


@pytest.mark.parametrize(
    ("published", "day"),
    [
        ("2026-03-02T23:30:00-04:00", date(2026, 3, 3)),
        ("2026-3-2T23:30:00Z", date(2026, 3, 2)),
        ("0001-01-01T00:00:00+20:00", date(1, 1, 1)),
        ("soon", None),
    ],
)
def test_the_day_of_a_submission(published: str, day: date | None) -> None:
    (record,) = asked(found().replace("2026-03-02T23:30:00Z", published))
    assert record.day == day


def test_an_error_that_looks_like_a_paper_is_an_error() -> None:
    error = found("http://arxiv.org/api/errors#bad_query", "Error").replace("We ask bees\nto count.", "bad query")
    with pytest.raises(SourceUnreadable, match="arXiv says: bad query"):
        arxiv.parse_api(api_answer(error), "arxiv")


def test_an_answer_without_papers() -> None:
    answer = arxiv.parse_api(api_answer(total=0), "arxiv")
    assert (answer.batch.records, answer.total) == ((), 0)


# ---- no feed at all


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"Rate exceeded.", "it is not XML"),
        (b"<!DOCTYPE html><html><head></head></html>", "a web page"),
        (ARXIV_ATOM[:-100], "not well-formed"),
        (ARXIV_RSS.replace(b"<rss", b"<!DOCTYPE rss [<!ENTITY a 'bbbb'><!ENTITY b '&a;&a;&a;'>]><rss"), "entities"),
        (
            ARXIV_RSS.replace(
                b"<rss", b"<!DOCTYPE rss><!DOCTYPE rss [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><rss"
            ),
            "entit",
        ),
        (b"<opml/>", "<opml>"),
    ],
)
def test_what_is_no_whole_feed_is_never_an_empty_day(data: bytes, says: str) -> None:
    with pytest.raises(SourceUnreadable, match=says):
        arxiv.parse_feed(data, "arxiv", ALL)
    with pytest.raises(SourceUnreadable):
        arxiv.parse_api(data, "arxiv")


def test_a_stray_control_or_ampersand_does_not_lose_a_day() -> None:
    broken = ARXIV_ATOM.replace(b"We ask bees", b"We & they \x0b ask &nbsp; bees")
    (record, _) = arxiv.parse_feed(broken, "arxiv", ("new", "cross")).batch.records
    assert paper_of(record).abstract.startswith("We & they ask bees")


def test_another_feed_has_no_ids_of_arxiv() -> None:
    answer = arxiv.parse_feed(RSS, "arxiv", ALL)
    assert (answer.batch.records, len(answer.batch.rejected)) == ((), 1)


# ---- real answers


@pytest.mark.shared
def test_real_feeds() -> None:
    folder = shared_folder("feeds")
    day = arxiv.parse_feed((folder / "arxiv_rss_atom_csAI_2025-08-20.xml").read_bytes(), "arxiv", ALL)
    assert day.day == date(2025, 8, 20)
    assert len(day.batch.records) == day.total > 0
    for record in day.batch.records:
        assert record.authors
        assert record.abstract
        assert "Announce Type" not in record.abstract
    empty = arxiv.parse_feed((folder / "arxiv_rss_empty_2025-12-31.xml").read_bytes(), "arxiv", ALL)
    assert (empty.total, empty.day) == (0, date(2025, 12, 31))
    with pytest.raises(SourceUnreadable, match="incorrect id format"):
        arxiv.parse_api((folder / "arxiv_api_error_feed.xml").read_bytes(), "arxiv")
