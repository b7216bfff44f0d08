"""A trending page saved as HTML gives the papers that its text gives, and more of each."""

from __future__ import annotations

import base64
import quopri
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from saved_pages import CLOCKS, DAY, LOOM, OAKS, card, daily_page, data

from digest.errors import PageDayUnclear, PageError, PageUnreadable
from digest.model import Link, Page
from digest.sources.days import resolve_day
from digest.sources.saved import parse

TODAY = date(2026, 3, 16)


def read(text: str) -> Page:
    return parse(text.encode(), "page.html")


def body(inside: str) -> Page:
    return read(f"<!DOCTYPE html><html><body>{inside}</body></html>")


def day_of(page: Page) -> date:
    return resolve_day(page, TODAY)


# ---- the page of daily papers


def test_the_data_of_a_page_tell_each_paper_in_full() -> None:
    page = read(daily_page(DAY))
    assert [entry.paper.title for entry in page.entries] == [
        OAKS.title,
        CLOCKS.title,
        "Loom-∞: Weaving without an End",
    ]
    assert [(entry.position, entry.votes) for entry in page.entries] == [(1, 73), (2, 1204), (3, 0)]
    assert (page.rejected, page.flagged, page.repeated) == ((), (), 0)
    oaks = page.entries[0].paper
    assert oaks.abstract.endswith("the watered trees gain 12% on the dry ones.")
    assert oaks.raw_abstract == OAKS.abstract
    assert oaks.authors == ("Ada Oak", "Bo Elm")
    assert oaks.links == (
        Link("abstract", "https://arxiv.org/abs/2603.10001"),
        Link("pdf", "https://arxiv.org/pdf/2603.10001"),
        Link("code", "https://github.com/oak/slow"),
        Link("page", "https://oaks.example.org/"),
    )
    assert oaks.keys == ("arxiv:2603.10001", "title:slowoakmeasuringgardengrowthwithfortytrees")
    assert day_of(page) == date(2026, 3, 14)


def test_the_cards_of_a_page_without_data_tell_titles_links_and_votes() -> None:
    page = read(daily_page([OAKS, CLOCKS, LOOM.but(votes=None)], told=""))
    assert [(entry.paper.title, entry.votes) for entry in page.entries] == [
        (OAKS.title, 73),
        (CLOCKS.title, 1200),
        ("Loom-∞: Weaving without an End", None),
    ]
    assert [entry.paper.keys[0] for entry in page.entries] == [f"arxiv:{one.name}" for one in DAY]
    assert all(entry.paper.links[0].label == "abstract" for entry in page.entries)
    assert ["without an abstract" in thing.reason for thing in page.flagged] == [True] * 3
    assert day_of(page) == date(2026, 3, 14)


@pytest.mark.parametrize("told", ["{&quot;dailyPapers&quot;:[{&quot;paper&quot;", "{&quot;dailyPapers&quot;:7}"])
def test_data_that_are_cut_off_leave_the_cards(told: str) -> None:
    assert [e.paper.title for e in read(daily_page(DAY[:2], told=told)).entries] == [OAKS.title, CLOCKS.title]


def test_what_only_a_card_knows_is_added_to_the_data() -> None:
    told = data([OAKS.but(votes=None)])
    page = read(daily_page([OAKS, CLOCKS], told=told))
    assert [(e.paper.title, e.votes, bool(e.paper.abstract)) for e in page.entries] == [
        (OAKS.title, 73, True),
        (CLOCKS.title, 1200, False),
    ]


def test_a_script_of_data_is_read_and_no_other() -> None:
    told = data([CLOCKS]).replace("&quot;", '"').replace("&amp;", "&")
    script = f'<script type="application/json">{told}</script>'
    assert [e.paper.abstract for e in body(script).entries] == [CLOCKS.abstract]
    assert body(f"<script>{told}</script>").entries == ()


def test_hidden_authors_withdrawn_papers_and_odd_values() -> None:
    odd = LOOM.but(
        votes=-3,
        more=(("authors", [{"name": "Di Yew", "hidden": True}, {"name": 7}, None, {"name": " Ed  Fir "}]),),
    )
    gone = CLOCKS.but(more=(("withdrawnAt", "2026-03-12T08:00:00.000Z"),))
    page = read(daily_page([gone, odd, OAKS.but(more=(("githubRepo", "javascript:alert(1)"),))]))
    assert [(e.paper.title, e.position) for e in page.entries] == [
        ("Loom-∞: Weaving without an End", 1),
        (OAKS.title, 2),
    ]
    assert page.entries[0].paper.authors == ("Ed Fir",)
    assert page.entries[0].votes is None
    assert [link.label for link in page.entries[1].paper.links] == ["abstract", "pdf"]
    (rejected,) = page.rejected
    assert "withdrawn on 2026-03-12" in rejected.reason
    assert "Harbour Clocks" in rejected.reason


def test_a_paper_that_stands_twice_is_taken_once() -> None:
    for told in (None, ""):
        page = read(daily_page([OAKS, CLOCKS, OAKS], told=told))
        assert [e.paper.title for e in page.entries] == [OAKS.title, CLOCKS.title]
        assert page.repeated == 1


def test_what_is_rejected_has_its_line_and_reason() -> None:
    page = read(daily_page([OAKS, CLOCKS.but(title=""), LOOM.but(title="?!")], told=""))
    assert [e.paper.title for e in page.entries] == [OAKS.title]
    text = daily_page([OAKS, CLOCKS.but(title=""), LOOM.but(title="?!")], told="")
    lines = [text[: text.index(name)].count("\n") + 1 for name in (CLOCKS.name, LOOM.name)]
    assert [thing.line for thing in page.rejected] == lines
    assert all("title" in thing.reason for thing in page.rejected)
    long = read(daily_page([OAKS.but(title="Oak " * 200)]))
    assert "799 characters" in long.rejected[0].reason


def test_mark_up_in_a_title_is_text_and_nothing_is_run() -> None:
    page = body(
        '<article><h3><a href="/papers/2603.00001"><svg><g><title>!</title></g></svg>Oaks <em>&lt;b&gt;</em> '
        "H<sub>2</sub>O<script>x()</script> &amp; <mark>co</mark></a></h3></article>"
    )
    assert [e.paper.title for e in page.entries] == ["Oaks <b> H2O & co"]


# ---- the day


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('<link href="https://huggingface.co/papers/date/2026-03-14" rel="canonical">', date(2026, 3, 14)),
        (
            "<!-- saved with SingleFile\n url: https://huggingface.co/papers/date/2026-03-14 \n-->",
            date(2026, 3, 14),
        ),
        ('<meta property="og:url" content="https://huggingface.co/papers?date=2026-03-14">', date(2026, 3, 14)),
        ('<time datetime="2026-03-14T09:00:00Z">today</time>', date(2026, 3, 14)),
        ("<div>Mar 14</div>", date(2026, 3, 14)),
        ("<p>Sat, 14 March 2026</p>", date(2026, 3, 14)),
        ('<link rel="canonical" href="https://huggingface.co/papers/week/2026-W11">', None),
        ('<link rel="canonical" href="https://huggingface.co/papers/date/2026-02-30">', None),
        ("", None),
    ],
)
def test_the_day_stands_in_the_address_or_above_the_papers(head: str, expected: date | None) -> None:
    page = body(head + "<ul>" + "".join(f"<li>{card(one)}<time>2026-03-01</time></li>" for one in DAY) + "</ul>")
    assert len(page.entries) == 3
    if expected:
        assert day_of(page) == expected
    else:
        with pytest.raises(PageDayUnclear):
            day_of(page)


def test_the_day_of_the_data_goes_before_the_one_that_was_asked_for() -> None:
    text = daily_page(DAY, told=data(DAY, "2026-03-13"))
    assert day_of(read(text)) == date(2026, 3, 13)
    with pytest.raises(PageDayUnclear, match="two dates"):
        day_of(read(daily_page(DAY, told="", printed="Mar 13")))


def test_a_week_has_no_day() -> None:
    told = data(DAY, "2026-W11", periodType="week")
    page = read(daily_page(DAY, told=told, day="week", printed="Week 11"))
    assert len(page.entries) == 3
    with pytest.raises(PageDayUnclear):
        day_of(page)


# ---- other pages


def test_headings_with_links_and_paragraphs_between_them() -> None:
    page = body(
        f"""<h1>Trending</h1><p>March 14, 2026</p>
        <h2><a href="https://arxiv.org/abs/2603.00001v2">Oaks in a Row</a></h2>
        <p>{OAKS.abstract}</p><p>120 points</p>
        <h2><a href="https://www.alphaxiv.org/abs/2603.00002">Clocks</a></h2>
        <p>Authors: Ada Oak, Bo Elm and Cy Ash</p><p>Abstract: {CLOCKS.abstract}</p>
        <h2>Looms</h2><p>{LOOM.abstract}</p><a href="https://arxiv.org/pdf/2603.00003">PDF</a>
        <a href="https://arxiv.org/abs/2603.00003">arXiv</a> <a href="https://github.com/loom/endless">Code 8</a>"""
    )
    assert [(e.paper.title, e.paper.raw_abstract, e.votes) for e in page.entries] == [
        ("Oaks in a Row", OAKS.abstract, 120),
        ("Clocks", CLOCKS.abstract, None),
        ("Looms", LOOM.abstract, None),
    ]
    assert page.entries[1].paper.authors == ("Ada Oak", "Bo Elm", "Cy Ash")
    assert Link("code", "https://github.com/loom/endless") in page.entries[2].paper.links
    assert day_of(page) == date(2026, 3, 14)


def test_a_list_of_links() -> None:
    page = body(
        """<ol><li><a href="http://arxiv.org/abs/2603.00001">A list of oaks</a> <b>12 likes</b></li>
        <li><a href="https://arxiv.org/abs/cs/0703041">Clocks that drift</a>
        <button>7</button><button>9</button></li>
        <li><a href="https://huggingface.co/papers/2603.00003?ref=x">Quiet engines</a>
        [<a href="q.pdf">pdf</a>]</li>
        <li><a href="https://arxiv.org/pdf/2603.00009">[pdf]</a></li></ol>"""
    )
    assert [(e.paper.title, e.paper.keys[0], e.votes) for e in page.entries] == [
        ("A list of oaks", "arxiv:2603.00001", 12),
        ("Clocks that drift", "arxiv:cs/0703041", None),  # two numbers, and neither says what it counts
        ("Quiet engines", "arxiv:2603.00003", None),
    ]
    assert [thing.reason for thing in page.rejected] == ["a paper without a title: arxiv:2603.00009"]


def test_whole_cards_that_are_links_and_labelled_lists() -> None:
    page = body(
        f"""<div><a href="/papers/2603.00001"><img><h4>Oaks</h4><p>{OAKS.abstract}</p></a><p>5</p></div>
        <div><a href="/papers/2603.00002"><img><h4>Clocks</h4><p>{CLOCKS.abstract}</p></a></div>
        <article><footer><b>7 votes</b><a href="/papers/2603.00004">Engines</a></footer></article>
        <dl><dt><a href="/abs/2603.00003">arXiv:2603.00003</a> [<a href="/pdf/2603.00003">pdf</a>]</dt>
        <dd><div><span>Title:</span> Looms</div><p>{LOOM.abstract}</p></dd></dl>"""
    )
    assert [(e.paper.title, e.paper.raw_abstract) for e in page.entries] == [
        ("Oaks", OAKS.abstract),
        ("Clocks", CLOCKS.abstract),
        ("Engines", ""),
        ("Looms", LOOM.abstract),
    ]
    assert [e.votes for e in page.entries] == [5, None, 7, None]


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><title>404</title><h1>404</h1><p>Sorry, we can't find the page you are looking for.</p>",
        "<html><body><form action='/login'><label>Password<input></label></form></body></html>",
        "<html><body><h1>Are you a robot?</h1><div hidden><a href='/papers/2603.00001'>A Trap for Robots</a></div>",
        "<html>",
        "<!doctype html>",
        "<p>",
    ],
)
def test_a_page_without_papers_is_no_error(text: str) -> None:
    assert read(text).entries == ()


# ---- bytes


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "koi8-r", "shift_jis"]
)
def test_the_charset_of_a_page_is_honoured(encoding: str) -> None:
    title = {"koi8-r": "Дубы в саду", "shift_jis": "庭の樫の木"}.get(encoding, "Chênes à la fenêtre")
    declared = encoding.removesuffix("-sig")
    text = f'<!doctype html><meta charset="{declared}"><h3><a href="/papers/2603.00001">{title}</a></h3>'
    assert [e.paper.title for e in parse(text.encode(encoding), "x").entries] == [title]


def test_utf_8_is_seen_where_something_else_is_declared() -> None:
    text = '<!doctype html><meta charset="iso-8859-1"><h3><a href="/papers/2603.00001">Chênes</a></h3>'
    assert [e.paper.title for e in read(text).entries] == ["Chênes"]
    undeclared = '<html><h3><a href="/papers/2603.00001">Chênes</a></h3>'.encode("latin-1")
    assert [e.paper.title for e in parse(undeclared, "x").entries] == ["Chênes"]


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
def test_a_web_archive_holds_the_page(encoding: str) -> None:
    page = daily_page([OAKS.but(title="Chênes lents")], told="", printed="").encode()
    packed = {"quoted-printable": quopri.encodestring, "base64": base64.encodebytes}.get(encoding, bytes)(page)
    archive = (
        b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://huggingface.co/papers/date/2026-03-14\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n\ttype="text/html";\r\n\tboundary="--b--"\r\n'
        b"\r\n----b--\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: "
        + encoding.encode()
        + b"\r\nContent-Location: https://huggingface.co/papers/date/2026-03-14\r\n\r\n"
        + packed
        + b"\r\n----b--\r\nContent-Type: text/css\r\n\r\np {}\r\n----b----\r\n"
    )
    read_back = parse(archive, "page.mhtml")
    assert [(e.paper.title, e.votes) for e in read_back.entries] == [("Chênes lents", 73)]
    assert day_of(read_back) == date(2026, 3, 14)


@pytest.mark.parametrize(
    "data",
    [b"MIME-Version: 1.0\n\nno page", b"MIME-Version: 1.0\nContent-Type: multipart/related\n\n", b"\xff\xfe<"],
)
def test_an_archive_without_a_page_and_bytes_that_are_none(data: bytes) -> None:
    with pytest.raises(PageUnreadable):
        parse(data, "page.mhtml")


def test_the_form_is_told_by_the_bytes_and_not_by_the_name() -> None:
    assert len(parse(daily_page(DAY).encode(), "page.txt").entries) == 3
    bracketed = "<T>: A Title in Brackets"
    text = f"{bracketed}\n\n{CLOCKS.abstract}\n\n{OAKS.title}\n\n{OAKS.abstract}\n"
    assert [e.paper.title for e in parse(text.encode(), "page.html").entries] == [bracketed, OAKS.title]


def test_the_example_of_the_readme_is_such_a_page() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    page = read(readme.split("```text\n")[1].split("```")[0])
    assert [e.paper.title for e in page.entries] == [OAKS.title, "Do Harbour Clocks Drift with the Moon?"]
    assert day_of(page) == date(2026, 3, 14)


# ---- whatever comes


def check(page: Page) -> None:
    assert [entry.position for entry in page.entries] == list(range(1, len(page.entries) + 1))
    for entry in page.entries:
        assert entry.paper.title
        assert entry.paper.keys[-1] != "title:"
        assert entry.line >= 1
        assert all(link.url.startswith(("https://", "http://")) for link in entry.paper.links)


SAMPLE = (daily_page(DAY) + daily_page(DAY[:2], told="")).encode()


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(SAMPLE)),
            st.integers(0, 400),
            st.one_of(
                st.binary(max_size=20),
                st.sampled_from(
                    [b"<", b'"', b"&quot;", b"</div>", b"<table>", b"<!--", b"<script>", b"\x00", b"\xff",
                     b"&#xD800;", b"&#0;", b"\\ud800", b"\\u0000", b"<a href=/papers/2603.99999>", b"9" * 5000,
                     b"[" * 2000]
                ),
            ),
        ),
        max_size=8,
    )
)  # fmt: skip
@example([(0, len(SAMPLE), b"<p>\xed\xa0\x80")])
def test_a_damaged_page_gives_a_page_or_a_page_error(cuts: list[tuple[int, int, bytes]]) -> None:
    damaged = SAMPLE
    for at, length, instead in cuts:
        damaged = damaged[:at] + instead + damaged[at + length :]
    try:
        check(parse(damaged, "x"))
    except PageError:
        return


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            ["<div>", "</div>", "<p>", "</p>", "<h3>", "</h3>", "<li>", "<table>", "<td>", "</td>", "<svg>",
             '<a href="/papers/2603.00001">', '<a href="https://arxiv.org/abs/2603.00002">', '<a href="//[">',
             "</a>", "<br>", "A Title of Oaks", "7", "1.2k", "-", "9 authors", OAKS.abstract, "<label>", "</label>",
             "<time datetime=x>", "<footer>", "</footer>", "<script>", "</script>", "<b hidden>", "</b>", "<title>",
             "<template>", "&lt;"]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_order_of_tags_gives_a_page(parts: list[str]) -> None:
    check(body("".join(parts)))


@pytest.mark.parametrize(
    "part",
    ["<div>", "<b>", "<p>", "<ul><li>", "<table><tr><td>", "<a href='/papers/2603.00001'>", "<!-- ", "<", "</div>",
     "<p>\x00", "<h3><a href='/abs/2603.00002'>x", "<label>7", "<svg><g>", "<select><option>", "<font size=1>",
     "<template>", "<time datetime='2026-03-01'>Mar 1</time>"],
)  # fmt: skip
def test_thirty_thousand_of_one_tag_end(part: str) -> None:
    check(body(part * 30_000))


@pytest.mark.parametrize("start", [" " * 60_000, "<!--a-->" * 7_000, "<!--" * 9_000, "<?xml " * 9_000])
@pytest.mark.parametrize("then", ["x", "<html>" + card(OAKS)])
def test_whatever_stands_before_the_first_tag_ends(start: str, then: str) -> None:
    try:
        check(read(start + then))
    except PageUnreadable:
        assert "xml" in start


def test_a_list_of_authors_that_is_mostly_blank_ends() -> None:
    page = body(f"<h3><a href='/abs/2603.00001'>Oaks</a></h3><p>Authors: Ada Oak{' ' * 200_000}and Bo Elm</p>")
    assert page.entries[0].paper.authors == ("Ada Oak", "Bo Elm")


def test_tags_that_are_nested_beyond_measure_are_refused() -> None:
    with pytest.raises(PageUnreadable, match=r"nested more than 500,000 deep.*plain text"):
        body("<div>" * 600_000)


def test_an_attribute_of_ten_megabytes_ends() -> None:
    check(body(f"<div data-props='{'&quot;' * 1_700_000}'></div>" + card(OAKS)))


def test_four_thousand_papers_are_read() -> None:
    papers = [OAKS.but(name=f"2603.{number:05}", title=f"Oaks, Part {number}") for number in range(4_000)]
    assert len(read(daily_page(papers, told="")).entries) == 4_000
    one_line = "".join(f'<a href="/abs/{one.name}">{one.title}</a>, ' for one in papers)
    assert len(body(f"<p>{one_line}</p>").entries) == 4_000
