"""Reference libraries: what is read from each format, what is refused, and what is said about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.errors import LibraryUnreadable
from digest.library import file
from digest.library.material import LONGEST_ABSTRACT, Item, Library, moment
from digest.model import Paper


def parse(text: str | bytes) -> Library:
    return file.parse(text if isinstance(text, bytes) else text.encode(), "refs.bib")


def only(text: str | bytes) -> Item:
    (item,) = parse(text).items
    return item


def told(library: Library) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in library.rejected]


def titles(library: Library) -> list[str]:
    return [item.paper.title for item in library.items]


# ---- BibTeX

BIB = r"""
This line is a comment.
@string{bees = "Journal of {Bees}"}
@article{fekete26,
  title        = {{LaTeX} in {\'E}t{\'e}: \emph{Counting} $\alpha$-Bees},
  author       = {Fekete, B{\'e}la and {\AA}se Sk{\o}gen and van der Berg, Jan and {The Hive Collaboration}
                  and others},
  journal      = bees,
  abstract     = "We count 30\% more
                  bees.",
  doi          = {10.1000/Bees.1},
  eprint       = {2603.00001v2},
  archivePrefix = {arXiv},
  primaryClass = {q-bio.PE},
  date-added   = {2026-03-14 10:00:00 +0200},
}
"""


def test_a_bibtex_entry_is_read_as_people_read_it() -> None:
    library = parse(BIB)
    assert library.format == "BibTeX"
    (item,) = library.items
    assert (item.line, item.added) == (4, datetime(2026, 3, 14, 8, 0, tzinfo=UTC))
    one = item.paper
    assert one.title == "LaTeX in Été: Counting α-Bees"
    assert one.abstract == "We count 30% more bees."
    assert one.authors == ("Béla Fekete", "Åse Skøgen", "Jan van der Berg", "The Hive Collaboration")
    assert one.keys == ("arxiv:2603.00001", "doi:10.1000/bees.1", "title:latexinetecountingalphabees")
    assert one.categories == ("q-bio.PE",)


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ("journal = {arXiv preprint arXiv:2603.00001}", ["arxiv:2603.00001"]),
        ("journal = {CoRR}, volume = {abs/2603.00001}", ["arxiv:2603.00001"]),
        ("url = {http://arxiv.org/abs/2603.00001v3}", ["arxiv:2603.00001"]),
        ("eprint = {hep-th/9901001}, archivePrefix = {arXiv}", ["arxiv:hep-th/9901001"]),
        ("doi = {10.48550/arXiv.2603.00001}", ["arxiv:2603.00001"]),
        ("doi = {https://doi.org/10.1000/A_b}", ["doi:10.1000/a_b"]),
        ("DOI = {10.1000/x}, EPRINT = {2603.00001}", ["arxiv:2603.00001", "doi:10.1000/x"]),
        ("url = {https://example.org/bees}, eprint = {12345}", []),
    ],
)
def test_where_bibtex_keeps_its_identifiers(fields: str, keys: list[str]) -> None:
    assert only(f"@misc{{x, title = {{Bees}}, {fields}}}").paper.keys == (*keys, "title:bees")


def test_one_broken_entry_leaves_the_others() -> None:
    library = parse(
        "@misc{a, title = {One}}\n@misc{b, title = {No end,\n author = {X}\n@misc{c, title = {Three}}\n"
        "@misc{d, author = {Nobody}}\n@misc{e, title = {…}}\n@misc(f, title = {Six})\n@misc{g, title = {Open"
    )
    assert titles(library) == ["One", "Three", "Six"]
    assert [item.line for item in library.items] == [1, 4, 7]
    assert [line for line, _ in told(library)] == [2, 5, 6, 8]
    assert "broken from here on: '@misc{b, title = {No end," in told(library)[0][1]
    assert told(library)[1][1] == "d: no title, arXiv id or DOI"


def test_two_entries_with_one_citation_key_and_fields_that_stand_twice() -> None:
    library = parse("@misc{a, title = {One}, year = 1, year = 2}\n@misc{a, title = {Two}}")
    assert titles(library) == ["One", "Two"]
    assert told(library) == []


# ---- RIS


def test_a_ris_entry() -> None:
    item = only(
        "TY  - JOUR\r\nAU  - Fekete, Béla\r\nAU  - King, Martin, Jr.\r\nTI  - Bees of\r\n  the <i>Moor</i>\r\n"
        "AB  - Bees fly.\r\n They sleep.\r\nDO  - 10.1000/X\r\nUR  - https://arxiv.org/abs/2603.00001\r\n"
        "Y2  - 2026/03/14/\r\nER  - \r\n"
    )
    assert item.paper.title == "Bees of the Moor"
    assert item.paper.abstract == "Bees fly. They sleep."
    assert item.paper.authors == ("Béla Fekete", "Martin King Jr.")
    assert item.paper.keys == ("doi:10.1000/x", "arxiv:2603.00001", "title:beesofthemoor")
    assert item.added == datetime(2026, 3, 14, tzinfo=UTC)


def test_ris_that_is_not_quite_right() -> None:
    library = parse(
        "\ufeffProvider: Example\n\nTY - JOUR\nT1 - No Space Enough\nER -\n"
        "TY  - JOUR\nTI  - No End\nTY  - JOUR\nAU  - Nobody\nER  - \nTY  - JOUR\nZZ  - what\nTI  - The Last"
    )
    assert titles(library) == ["No Space Enough", "No End", "The Last"]
    assert told(library) == [(8, "no title, arXiv id or DOI")]


# ---- JSON


def test_items_of_the_zotero_api() -> None:
    library = parse(
        json.dumps(
            [
                {
                    "key": "ABCD",
                    "data": {
                        "itemType": "preprint",
                        "title": "Bees",
                        "creators": [
                            {"creatorType": "author", "firstName": "Béla", "lastName": "Fekete"},
                            {"creatorType": "editor", "firstName": "Ed", "lastName": "Itor"},
                            {"creatorType": "author", "name": "The Hive"},
                        ],
                        "abstractNote": "Bees fly.",
                        "archiveID": "arXiv:2603.00001",
                        "DOI": "10.48550/arXiv.2603.00001",
                        "extra": "arXiv:2603.00001 [q-bio.PE]\nDOI: 10.1000/x",
                        "dateAdded": "2026-03-14T08:00:00Z",
                    },
                },
                {"key": "N", "data": {"itemType": "note", "note": "mine"}},
            ],
            indent=1,
        )
    )
    assert library.format == "Zotero JSON"
    (item,) = library.items
    assert item.paper.authors == ("Béla Fekete", "The Hive")
    assert item.paper.keys == ("arxiv:2603.00001", "doi:10.1000/x", "title:bees")
    assert (item.paper.abstract, item.paper.categories) == ("Bees fly.", ("q-bio.PE",))
    assert item.added == datetime(2026, 3, 14, 8, 0, tzinfo=UTC)


def test_csl_json_and_better_bibtex_json() -> None:
    csl = '[{"id": 1, "type": "article", "title": "Bees", "author": [{"family": "Berg", "given": "Jan"}], \
"DOI": "10.1000/x", "accessed": {"date-parts": [["2026", 3, 14]]}}]'
    item = only(csl)
    assert (item.paper.authors, item.paper.keys) == (("Jan Berg",), ("doi:10.1000/x", "title:bees"))
    assert item.added == datetime(2026, 3, 14, tzinfo=UTC)
    assert only('{"config": {"id": "x"}, "items": [{"itemType": "report", "title": "Bees"}]}').paper.title == "Bees"


def test_json_that_is_not_what_it_should_be() -> None:
    library = parse('[\n{"title": "One"},\n7,\n{"title": ["Two"]},\n{"data": 1},\n{"title": "Five"}\n]')
    assert titles(library) == ["One", "Five"]
    assert [line for line, _ in told(library)] == [3, 4, 5]
    torn = parse('[\n{"title": "One"},\n{"title": "Tw')
    assert titles(torn) == ["One"]
    assert told(torn)[0][0] == 3
    assert "nothing after it was read" in told(torn)[0][1]
    assert "nested too deeply" in told(parse('[{"a":' + "[" * 200_000))[0][1]
    assert "no list of items" in told(parse('{"title": "One"}'))[0][1]
    assert parse("[]").items == ()


# ---- lists


def test_a_list_of_ids_and_titles() -> None:
    library = parse(
        "# mine\n2603.00001v2  # liked it\n- https://arxiv.org/abs/2603.00002\n\n10.1000/X\n"
        "3. arXiv:2603.00004: Bees of the Moor\nWhat C# Is, and C++\nhttps://example.org/paper\n— – —\n"
    )
    assert library.format == "list"
    found = [(item.line, item.paper.title, item.paper.keys[0]) for item in library.items]
    assert found == [
        (2, "", "arxiv:2603.00001"),
        (3, "", "arxiv:2603.00002"),
        (5, "", "doi:10.1000/x"),
        (6, "Bees of the Moor", "arxiv:2603.00004"),
        (7, "What C# Is, and C++", "title:whatcsharpisandcplusplus"),
    ]
    assert told(library) == [
        (8, "https://example.org/paper names no arXiv id or DOI; give the title"),
        (9, "no letter or digit in the title '— – —'"),
    ]


# ---- encodings, and what is no library


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_in_its_encodings(encoding: str) -> None:
    library = parse("@misc{a, title = {Žofie’s Été}}".encode(encoding))
    assert (titles(library), library.notes) == (["Žofie’s Été"], ())


def test_lines_in_several_encodings_are_read_and_named() -> None:
    lines = ["@misc{a, title = {Été}}".encode(), "@misc{b, title = {Été “–”}}".encode("cp1252")]
    library = parse(b"\r\n".join([*lines, b"@misc{c, title = {\x81\xc9t\xe9}}", lines[0]]))
    assert titles(library) == ["Été", "Été “–”", "Été", "Été"]
    assert library.notes == ("not UTF-8, read as Windows-1252: lines 2, 3",)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n\t", "empty"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"PK\x03\x04abc", "ZIP"),
        (b"\x1f\x8b\x08abc", "gzip"),
        (b"SQLite format 3\x00", "database"),
        (b"title\x00", "NUL"),
        (bytes(range(1, 256)) * 4, "not text"),
        ("@misc{a, title={B}}".encode("utf-16")[:-1], "UTF-16"),
        (b"<!doctype html><title>Bees</title>", "HTML"),
        (b"PMID- 1234\nTI  - Bees\n", "another format"),
        (b"%0 Journal Article\n%T Bees\n", "another format"),
    ],
)
def test_what_is_no_library_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(LibraryUnreadable, match=rf"refs\.bib: .*{said}.* Give BibTeX, RIS"):
        parse(data)


def test_a_file_without_entries_has_none() -> None:
    assert parse("@comment{nothing here}\n").items == ()
    assert parse("# nothing here\n").items == ()


@pytest.mark.parametrize(
    "text",
    [
        "@misc{a, title = {Bees}, author = {%s}, abstract = {%s}}",
        "TY  - JOUR\nTI  - Bees\nAU  - %s\nAB  - %s\nER  - \n",
        '[{"title": "Bees", "author": [{"family": "%s"}], "abstract": "%s"}]',
    ],
)
def test_a_huge_field_is_cut(text: str) -> None:
    library = parse(text % ("x" * 2_000_000, "{$_} " * 800_000))
    (item,) = library.items
    assert len(item.paper.raw_abstract) == LONGEST_ABSTRACT
    assert sum(map(len, item.paper.authors)) <= 200


def test_a_title_that_is_a_whole_text_is_refused() -> None:
    assert told(parse("@misc{a, title = {" + "bees " * 1000 + "}}")) == [
        (1, "a: a title of 4999 characters; at most 1000 are taken")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-14T08:00:00Z", datetime(2026, 3, 14, 8, tzinfo=UTC)),
        ("2026-03-14 08:00:00 -0130", datetime(2026, 3, 14, 9, 30, tzinfo=UTC)),
        ("2026.03.14", datetime(2026, 3, 14, tzinfo=UTC)),
        ("2026-02-30", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("Mon, 03 Sep 2018 12:15:29 +0200", None),
        ("", None),
    ],
)
def test_when_it_was_added(text: str, expected: datetime | None) -> None:
    assert moment(text) == expected


# ---- anything

PIECES = [
    *(
        "@misc{a,",
        "title = {",
        "}",
        '"',
        "author",
        " and ",
        ",",
        "=",
        "@",
        "(",
        ")",
        "#",
        "\\",
        "{",
        "\n",
        "@string{a",
    ),
    *("TY  - ", "ER  - ", "TI  - ", "AU  - ", "UR  - ", "  - ", ";", "AB  - \n x"),
    *("[", "]", '{"title": "x"}', '{"data":', '"items":', "null", "1e999", '"\\ud800"', ":"),
    *("2603.00001", "10.1000/x", "https://doi.org/", "é", "\x00", "\x1f", "\ufeff", "$", "\\'", "<i>", "\r"),
]
ANYTHING = st.binary() | st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).flatmap(
    lambda parts: st.sampled_from(["utf-8", "utf-16", "cp1252"]).map(
        lambda encoding: "".join(parts).encode(encoding, "replace")
    )
)


@settings(max_examples=300)
@given(ANYTHING)
@example(b"@misc{a, title=}")
@example(b"@{a, title={x}}")
@example(b"@misc{,}")
@example(b"TY  - \nUR  - \n;\nER  - ")
@example(b'[{"title": "\\ud800", "creators": [{"name": 7}], "accessed": {"date-parts": [[1e400]]}}]')
def test_any_bytes_are_a_library_or_refused(data: bytes) -> None:
    try:
        library = parse(data)
    except LibraryUnreadable:
        return
    lines = data.count(b"\n") + data.count(b"\r") + 1
    for item in library.items:
        assert isinstance(item.paper, Paper)
        assert item.paper.keys
        assert bool(item.paper.title) == any(key.startswith("title:") for key in item.paper.keys)
        assert 1 <= item.line <= lines
    for one in library.rejected:
        assert one.reason
        assert 1 <= one.line <= lines
