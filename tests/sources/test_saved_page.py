"""A saved trending page gives its papers, however it was saved."""

from __future__ import annotations

import json
import random
import textwrap
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_input import shared_folder

from digest.errors import PageError, PageUnreadable
from digest.model import Page
from digest.sources.saved_page import parse

HEADER = [
    "new",
    "Get trending papers in your email inbox!",
    "Subscribe",
    "byAK and the research community",
    "Mar 14",
]
PAPERS = [
    (
        "SlowOak: Measuring Garden Growth with Forty Trees",
        "Oaks grow slowly, and nobody has measured how slowly in gardens. We planted forty of them behind a "
        "library and watered every second row. Over nine years the watered trees gain 12\\% on the dry ones, and a "
        "simple model of rain explains most of what is left. Our tables are available at https://github.com/oak/slow.",
    ),
    (
        "Do Harbour Clocks Drift with the Moon?",
        "Harbour clocks drift with salt and wind, which makes them poor instruments. In this paper, we compare "
        "eleven northern ports and separate the tide from the weather with a filter of two parameters. The moon "
        "alone accounts for 85.1% of the drift, e.g. in winter, when the wind is steady",
    ),
    (
        r"Loom-$\infty$: Weaving without an End",
        "Weaving machines stop when a spool is empty. We present a loom that splices the next spool while it runs, "
        "analyse the strength of ``spliced'' cloth, and show that {careful} knots cost only 3\\% of it. The design "
        "needs no electronics and was built from parts of two older looms.",
    ),
    (
        "A Short Reply on Bread",
        "This note answers two questions about the bread of our earlier paper.",
    ),
    (
        "Quiet Engines",
        "Recent engines are loud because their valves close at the same moment. Although this has been known for a "
        "century, no design has changed the order of closing. We change it, measure a drop of eleven decibels and "
        "discuss what it costs. See https://quiet-engines.github.io",
    ),
    (
        "Counting birds from a moving train.",
        "There is no easy way to count birds from a train, since the near ones pass too fast. We mount two cameras "
        "at different angles, match what both have seen, and correct for speed. On six lines the counts agree with "
        "those of walkers to within five percent. The data will be released.",
    ),
]


def render(
    papers: list[tuple[str, str]], header: list[str] = HEADER, gap: str = "\n\n", inner: str = "\n\n"
) -> str:
    return "".join(line + gap for line in header) + gap.join(t + inner + a for t, a in papers) + "\n"


def read(text: str) -> Page:
    return parse(text.encode(), "page.txt")


def found(page: Page) -> list[tuple[str, str]]:
    return [(" ".join(e.paper.raw_title.split()), " ".join(e.paper.raw_abstract.split())) for e in page.entries]


def wrap(text: str, width: int = 72) -> str:
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False))


def halves(text: str) -> str:
    middle = text.index(". ", len(text) // 3) + 1 if ". " in text[len(text) // 3 :] else len(text)
    return (text[:middle] + "\n\n" + text[middle:].strip()).strip()


VARIANTS: dict[str, Callable[[], str]] = {
    "as it is": lambda: render(PAPERS),
    "no header": lambda: render(PAPERS, []),
    "half a header": lambda: render(PAPERS, HEADER[2:]),
    "header twice": lambda: render(PAPERS, HEADER + HEADER),
    "header in capitals and reversed": lambda: render(PAPERS, [line.upper() for line in reversed(HEADER)]),
    "header without blank lines": lambda: "\n".join(HEADER) + "\n" + render(PAPERS, []),
    "a menu above the header": lambda: render(PAPERS, ["Hugging Face", "Models", "Datasets", "Log In", *HEADER]),
    "no final newline": lambda: render(PAPERS).rstrip(),
    "CRLF": lambda: render(PAPERS).replace("\n", "\r\n"),
    "CR": lambda: render(PAPERS).replace("\n", "\r"),
    "byte order mark": lambda: "\ufeff" + render(PAPERS),
    "tabs and trailing spaces": lambda: render(PAPERS).replace("\n", " \t\n\t"),
    "non-breaking spaces": lambda: render(PAPERS).replace("\n\n", "\n\u00a0\n"),
    "extra blank lines": lambda: render(PAPERS).replace("\n\n", "\n\n \n\n\n"),
    "no blank line below titles": lambda: render(PAPERS, inner="\n"),
    "no blank line above titles": lambda: "\n\n".join(HEADER) + "\n\n" + render(PAPERS, [], gap="\n"),
    "no blank lines": lambda: render(PAPERS, gap="\n", inner="\n"),
    "hard-wrapped abstracts": lambda: render([(t, wrap(a)) for t, a in PAPERS]),
    "hard-wrapped at 60": lambda: render([(t, wrap(a, 60)) for t, a in PAPERS]),
    "one hard-wrapped abstract": lambda: render([(t, wrap(a) if "Loom" in t else a) for t, a in PAPERS]),
    "an abstract in two paragraphs": lambda: render([(t, halves(a) if "Quiet" in t else a) for t, a in PAPERS]),
    "a footer": lambda: (
        render(PAPERS) + "\n\nLoad more\n\nPrevious\n\nNext\n\n© 2025 Papers Ltd\n\nTerms\n\nPrivacy\n"
    ),
    "a footer without blank lines": lambda: render(PAPERS) + "Previous\n1\n2\nNext\nTOS\nModels\nDocs\n",
    "votes above titles": lambda: render([(f"Upvote 34\n\n{t}", f"{a}\n\n· 12 authors") for t, a in PAPERS]),
    "votes and names, close": lambda: render(
        [(f"34\n{t}", f"Submitted by Ann Li\n{a}\n5") for t, a in PAPERS], inner="\n"
    ),
    "two pages joined": lambda: render(PAPERS[:3]) + "\n" + render(PAPERS[3:]),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_papers_are_found_however_the_page_was_saved(variant: str) -> None:
    page = read(VARIANTS[variant]())
    assert found(page) == PAPERS
    assert (page.rejected, page.flagged, page.repeated) == ((), (), 0)
    assert [entry.position for entry in page.entries] == [1, 2, 3, 4, 5, 6]


def test_a_paper_is_readable_and_keeps_what_the_source_said() -> None:
    page = read(render(PAPERS))
    loom = page.entries[2]
    assert loom.paper.title == "Loom-∞: Weaving without an End"
    assert loom.paper.keys == ("title:loominftyweavingwithoutanend",)
    assert "“spliced” cloth, and show that careful knots cost only 3% of it" in loom.paper.abstract
    assert (loom.paper.raw_title, loom.paper.raw_abstract) == PAPERS[2]
    assert loom.line == 19


def test_links_are_clean_and_only_of_the_web() -> None:
    abstract = (
        "We release everything that is needed to repeat this work. Code: github.com/oak/slow_er, "
        r"page (https://oak.github.io/a\_b). It extends https://arxiv.org/abs/2001.00001 and not "
        "https://user@evil.example/x nor javascript:alert(1) nor https://localhost/x nor https://exämple.org."
    )
    (entry,) = read(render([("A Title of Some Length", abstract)])).entries
    assert [(link.label, link.url) for link in entry.paper.links] == [
        ("code", "https://github.com/oak/slow_er"),
        ("page", "https://oak.github.io/a_b"),
    ]


# ---- what is missing


def test_a_title_without_an_abstract_is_kept_and_flagged() -> None:
    papers = [(t, "" if "Harbour" in t else a) for t, a in PAPERS]
    page = read(render(papers).replace("\n\n\n\n", "\n\n"))
    assert found(page) == papers
    assert [(flag.line, "without an abstract" in flag.reason) for flag in page.flagged] == [(15, True)]


@pytest.mark.parametrize("missing", range(len(PAPERS)))
def test_an_abstract_without_a_title_is_rejected_and_the_rest_is_read(missing: int) -> None:
    text = render(LONG)
    title = LONG[missing][0]
    line = text[: text.index(title)].count("\n") + 1
    page = read(text.replace(title + "\n\n", "", 1))
    assert found(page) == LONG[:missing] + LONG[missing + 1 :]
    assert [(r.line, r.reason) for r in page.rejected] == [(line, "an abstract without a title")]


LONG = [
    (t, " ".join([a.rstrip(". ") + "."] * max(1, round(700 / len(a))))) for t, a in PAPERS
]  # abstracts of like lengths, as real pages have them


def test_the_same_paper_twice_is_counted_once() -> None:
    again = (r"\textbf{SLOWOAK}: measuring garden growth with forty trees", PAPERS[0][1].replace("\\%", "%"))
    page = read(render([*PAPERS, again]))
    assert found(page) == PAPERS
    assert page.repeated == 1


def test_a_repeat_brings_the_abstract_that_the_first_lacked() -> None:
    page = read(render([*PAPERS[1:], ("Lone Title Without Words", ""), PAPERS[0]]).replace("\n\n\n\n", "\n\n"))
    assert len(page.flagged) == 1
    text = render([PAPERS[1], (PAPERS[0][0], ""), *PAPERS[2:], PAPERS[0]]).replace("\n\n\n\n", "\n\n")
    page = read(text)
    assert [entry.paper.raw_title for entry in page.entries][:2] == [PAPERS[1][0], PAPERS[0][0]]
    assert page.entries[1].paper.raw_abstract == PAPERS[0][1]
    assert (page.flagged, page.repeated) == ((), 1)


def test_two_papers_of_one_title_are_both_kept() -> None:
    page = read(render([("Reply to Comments", PAPERS[0][1]), ("Reply to Comments", PAPERS[1][1])]))
    assert len(page.entries) == 2
    assert page.repeated == 0


def test_titles_that_are_header_words_are_titles_below_the_header() -> None:
    papers = [("New", PAPERS[0][1]), PAPERS[1], ("Subscribe", PAPERS[2][1]), ("Spaces", PAPERS[4][1])]
    assert found(read(render(papers))) == papers


def test_a_title_of_no_letters_or_of_a_page_is_rejected_with_its_line() -> None:
    page = read(render([PAPERS[0], ("???!", PAPERS[1][1]), PAPERS[2]]))
    assert found(page) == [PAPERS[0], PAPERS[2]]
    assert [r.line for r in page.rejected] == [15]
    page = read(render([PAPERS[0], ("Endless " * 80, PAPERS[1][1]), PAPERS[2]]))
    assert [title for title, _ in found(page)] == [PAPERS[0][0], PAPERS[2][0]]


@pytest.mark.parametrize(
    "text", ["", "\n \n", "\ufeff", "\n\n".join(HEADER), "\n".join(HEADER * 2) + "\nLoad more\n"]
)
def test_a_page_without_papers_has_no_entries(text: str) -> None:
    page = read(text)
    assert (page.entries, page.rejected, page.flagged) == ((), (), ())


# ---- days


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Mar 14", (3, 14, None)),
        ("March 14", (3, 14, None)),
        ("MAR 14", (3, 14, None)),
        ("14 Mar", (3, 14, None)),
        ("14 March 2025", (3, 14, 2025)),
        ("Mar 14, 2025", (3, 14, 2025)),
        ("March 14th, 2025", (3, 14, 2025)),
        ("Fri, Mar 14", (3, 14, None)),
        ("Friday, 14 March", (3, 14, None)),
        ("2025-03-14", (3, 14, 2025)),
        ("Sept 5", (9, 5, None)),
        ("May 1", (5, 1, None)),
        ("Feb 29", (2, 29, None)),
        ("Feb 30", None),
        ("Feb 29, 2025", None),
        ("2025-13-01", None),
    ],
)
def test_the_day_is_read_as_printed(printed: str, expected: tuple[int, int, int | None] | None) -> None:
    page = read(render(PAPERS, [*HEADER[:4], printed]))
    assert [(day.month, day.day, day.year) for day in page.stated_days] == ([expected] if expected else [])
    assert [(day.line, day.text) for day in page.stated_days] == ([(9, printed)] if expected else [])
    assert found(page) == PAPERS


def test_equal_days_count_once_and_different_ones_are_all_told() -> None:
    assert len(read(render(PAPERS, HEADER + HEADER)).stated_days) == 1
    assert [d.day for d in read(render(PAPERS, [*HEADER, "Mar 15"])).stated_days] == [14, 15]
    joined = render(PAPERS[:3]) + "\n" + render(PAPERS[3:], [*HEADER[:4], "Mar 18"])
    assert [d.day for d in read(joined).stated_days] == [14, 18]


# ---- not a page


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"new\n\nSome t\xeftle", ["not UTF-8", "0xef", "offset 11", "line 3"]),
        (b"one\r\ntwo\r\nthr\x00ee", ["NUL", "offset 13", "line 3"]),
        ("new\n\nTitle".encode("utf-16"), ["UTF-16"]),
        (b"  <!DOCTYPE html><html><body>x", ["HTML"]),
        (b"\n<html lang='en'>", ["HTML"]),
        (b"%PDF-1.7\n\xff", ["PDF"]),
        (b'{"papers": []}', ["JSON"]),
        (json.dumps(["a", "b"]).encode(), ["JSON"]),
        (b'<?xml version="1.0"?><feed>', ["XML"]),
        (b"PK\x03\x04\x00", ["ZIP"]),
    ],
)
def test_another_format_is_named(data: bytes, said: list[str]) -> None:
    with pytest.raises(PageUnreadable) as caught:
        parse(data, "downloads/page.txt")
    for words in ["downloads/page.txt: ", "plain text in UTF-8", *said]:
        assert words in str(caught.value)


@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
)
@example(b"\x0c\n\xc2\x85\n\xe2\x80\xa8")
def test_any_bytes_give_a_page_or_a_page_error(data: bytes) -> None:
    try:
        page = parse(data, "x")
    except PageError:
        return
    for entry in page.entries:
        assert entry.paper.title
        assert entry.paper.keys[0] != "title:"


@given(
    st.lists(
        st.sampled_from(
            [*HEADER, "", "", "34", "Next", "Mar 99", "·", "a title", "A Title In Capitals", "An end.",
             "lower case, and", PAPERS[0][1], wrap(PAPERS[1][1]), "x" * 600, "$" * 50, "\u202e", "???"]
        ),
        max_size=30,
    )
)  # fmt: skip
def test_any_order_of_lines_gives_a_page(lines: list[str]) -> None:
    page = read("\n".join(lines))
    assert [entry.position for entry in page.entries] == list(range(1, len(page.entries) + 1))
    assert len({*page.rejected}) == len(page.rejected)


NOUNS = st.sampled_from(
    [
        "Oak",
        "Harbour",
        "Loom",
        "Bread",
        "Engine",
        "Bird",
        "Valve",
        "Tide",
        "River",
        "Clock",
        "Garden",
        "Stone",
        "Lamp",
        "Mirror",
    ]
)
VERBS = st.sampled_from(
    ["measure", "compare", "weave", "bake", "close", "count", "repair", "explain", "predict", "sort"]
)
THINGS = st.sampled_from(
    ["the old trees", "wide rivers", "a hundred clocks", "most of the noise", "every second row"]
)
TITLES = st.lists(NOUNS, min_size=2, max_size=12).map(" ".join)
SENTENCES = st.builds(
    "We {} {} and then {} {} in {} {}.".format, VERBS, THINGS, VERBS, THINGS, st.integers(2, 99), THINGS
)
ABSTRACTS = st.lists(SENTENCES, min_size=1, max_size=12).map(" ".join)


@given(
    st.lists(st.tuples(TITLES, ABSTRACTS), min_size=1, max_size=8, unique_by=lambda paper: paper[0].lower()),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_a_rendered_page_reads_back(papers: list[tuple[str, str]], newline: str, spaced: bool) -> None:
    text = render(papers, gap="\n\n" if spaced else "\n", inner="\n\n" if spaced else "\n")
    page = read(text.replace("\n", newline))
    assert found(page) == papers
    assert (page.rejected, page.flagged, page.repeated) == ((), (), 0)


# ---- size


def test_a_page_of_four_megabytes_is_read() -> None:
    papers = []
    size = number = 0
    while size < 4_000_000:
        title, abstract = LONG[number % len(LONG)]
        papers.append((f"{title.rstrip('.')} Part {number}", abstract))
        size += len(title) + len(abstract)
        number += 1
    page = read(render(papers))
    assert len(page.entries) == number
    assert (page.rejected, page.flagged, page.repeated) == ((), (), 0)


@pytest.mark.parametrize("line", ["$" * 1000, "{a, " * 250, "\\(" * 500, "word " * 200, "34", "a", PAPERS[0][1]])
def test_a_quarter_of_a_megabyte_of_one_line_ends(line: str) -> None:
    read((line + "\n") * (250_000 // (len(line) + 1)))


def test_one_title_four_thousand_times_ends() -> None:
    shuffled = random.Random(1)
    words = PAPERS[0][1].split() + PAPERS[1][1].split() + PAPERS[4][1].split()
    papers = [("Reply to Comments", " ".join(shuffled.sample(words, 40)) + ".") for _ in range(4_000)]
    read(render(papers))


# ---- real pages


@pytest.mark.shared
def test_real_pages_are_read_in_full() -> None:
    pages = [parse(f.read_bytes(), f.name) for f in sorted(shared_folder("pages").glob("*.txt"))]
    assert [len(page.entries) for page in pages] == [65, 96, 85]
    assert [(page.rejected, page.flagged, page.repeated) for page in pages] == [((), (), 0)] * 3
    assert [[day.text for day in page.stated_days] for page in pages] == [["Mar 14"], ["Mar 18"], ["Mar 14"]]
    keys = [key for page in pages for entry in page.entries for key in entry.paper.keys]
    assert (len(keys), len(set(keys))) == (246, 211)


@pytest.mark.shared
@pytest.mark.parametrize("gap", ["\n", "\n\n", "\n\n\n"])
def test_real_papers_survive_another_layout(gap: str) -> None:
    for file in sorted(shared_folder("pages").glob("*.txt")):
        papers = found(parse(file.read_bytes(), file.name))
        assert found(read(render(papers, gap=gap, inner="\n"))) == papers
        wrapped = [(title, wrap(abstract, 80)) for title, abstract in papers]
        assert found(read(render(wrapped))) == papers
