"""When two papers are one."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_input import shared_folder

from digest.model import Paper
from digest.sources.identity import paper_key, same_paper, split_key, title_key
from digest.sources.saved_page import parse

OAKS = (
    "Oaks grow slowly, and nobody has measured how slowly in gardens. We planted forty of them behind a library, "
    "watered every second row, and report their heights over nine years. Watered oaks gain 12\\% on dry ones."
)
TIDES = (
    "Harbour clocks drift with salt and wind. This note corrects an error of sign in our earlier reply, thanks a "
    "careful reader, and gives tables for eleven northern ports in which the moon alone explains what is left."
)


def paper(abstract: str, title: str = "Reply to comments") -> Paper:
    return Paper(title=title, abstract=abstract)


def test_the_key_of_a_title_ignores_its_spelling() -> None:
    assert title_key(r"Grow-$\infty$: \textbf{Oaks}") == title_key("Grow-infty: oaks") == "title:growinftyoaks"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2502.12345", "arxiv:2502.12345"),
        (" arXiv:2502.12345v3 [cs.CL] ", "arxiv:2502.12345"),
        ("https://arxiv.org/pdf/2502.12345v2.pdf", "arxiv:2502.12345"),
        ("http://arxiv.org/abs/hep-th/9901001?context=gr-qc#top", "arxiv:hep-th/9901001"),
        ("math.GT/0309136", "arxiv:math/0309136"),
        ("https://huggingface.co/papers/2502.12345", "arxiv:2502.12345"),
        ("https://doi.org/10.48550/arXiv.2502.12345", "arxiv:2502.12345"),
        ("10.48550/arXiv.hep-th/9901001", "arxiv:hep-th/9901001"),
        ("doi:10.1000/XYZ.12(3)", "doi:10.1000/xyz.12(3)"),
        ("https://dx.doi.org/10.1000%2FXyz.", "doi:10.1000/xyz"),
        ("title:bees", "title:bees"),
        ("2502.123", None),
        ("On 2502.12345 and its sequel", None),
        ("https://example.org/2502.12345", None),
        ("10.1000/x y", None),
        ("doi:10.1000/" + "x" * 5000, None),
        ("", None),
    ],
)
def test_what_names_a_paper(text: str, key: str | None) -> None:
    assert paper_key(text) == key


@given(st.text() | st.from_regex(r"(doi:|https://arxiv\.org/abs/)?[0-9./%a-zA-Z-]{0,60}", fullmatch=True))
def test_a_key_names_itself(text: str) -> None:
    key = paper_key(text)
    assert key is None or paper_key(key) == key


@pytest.mark.parametrize(
    "other",
    [
        OAKS,
        OAKS.upper(),
        OAKS.replace("\\%", "%"),
        OAKS.replace("slowly", "slow").replace("report", "present") + " Code is available.",
        OAKS[: len(OAKS) // 2],
        "",
        "Withdrawn by the authors.",
    ],
)
def test_a_repeat_a_revision_or_a_cut_abstract_is_the_same_paper(other: str) -> None:
    assert same_paper(paper(OAKS), paper(other))
    assert same_paper(paper(other), paper(OAKS))


def test_a_generic_title_is_shared_by_different_papers() -> None:
    assert not same_paper(paper(OAKS), paper(TIDES))
    chinese = "橡树生长缓慢，没有人测量过它们在花园里生长得有多慢。我们在图书馆后面种了四十棵，每隔一行浇水。"
    other = "港口的钟会随着盐和风漂移。本文纠正了我们先前答复中的符号错误，并感谢一位细心的读者提供的表格。"
    assert not same_paper(paper(chinese), paper(other))
    assert same_paper(paper(chinese), paper(chinese + "代码已公开。"))


def test_the_second_paper_under_a_title_has_a_key_of_its_own() -> None:
    key = split_key(paper(TIDES))
    assert key.startswith("title:replytocomments~")
    assert len(key.partition("~")[2]) == 8
    assert key == split_key(paper(TIDES.replace(" ", "  ").upper()))
    assert key != split_key(paper(OAKS))


@pytest.mark.shared
def test_the_threshold_divides_real_pages_with_room_on_both_sides() -> None:
    papers = [
        entry.paper
        for file in sorted(shared_folder("pages").glob("*.txt"))
        for entry in parse(file.read_bytes(), file.name).entries
    ]
    pairs = 0
    for a, b in combinations(papers, 2):
        assert same_paper(a, b) == (a.keys == b.keys)
        pairs += a.keys == b.keys
    assert pairs >= 35
