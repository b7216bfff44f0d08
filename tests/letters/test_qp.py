"""Quoted-printable in pieces, as the standard library reads it."""

from __future__ import annotations

import re
from binascii import a2b_qp
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mails import BODIES, EVIL, check, parts
from sample_letters import CONFIG, daily

from digest.letters import mime, qp

LENGTHS = st.integers(60, 160)
STARTS = st.sampled_from([".", "From ", "\n", "x" * 75, "=", " ", "  ", "é", "\t", "a"])
MISREAD = st.lists(STARTS, max_size=40).map("".join)
TEXTS = BODIES | MISREAD | LENGTHS.map(lambda n: "a" * n + " ") | LENGTHS.map(lambda n: "." * n + "From x")


def decoded(data: bytes) -> str:
    return a2b_qp(data.replace(b"\r\n", b"\n")).decode("utf-8")


@settings(max_examples=300)
@given(TEXTS)
@example("a" * 75)
@example("a" * 76)
@example("a" * 74 + "é")
@example("a" * 75 + " ")
@example("a" * 74 + "\t\n")
@example("a" * 73 + "   \n")
@example("From  me")
@example("." * 200 + "From me")
@example("From " * 40)
@example("F")
@example(".")
@example(" ")
@example("\n")
@example("=" * 60)
def test_a_piece_decodes_to_its_text_on_lines_that_nothing_misreads(text: str) -> None:
    piece = qp.encode(text)
    assert decoded(piece) == qp.readable(text)
    assert piece.isascii()
    assert piece == b"" or piece.endswith(b"\r\n"), "the next piece starts a line"
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", piece)
    for line in piece.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From ", b"--=_"))
        assert not line.endswith((b" ", b"\t")), "mail servers cut what a line ends with"
        assert not re.search(rb"\t|  ", line), "relaxed canonicalisation leaves one blank of several"


@settings(max_examples=300)
@given(TEXTS, st.lists(st.integers(0, 500), max_size=12))
def test_pieces_join_to_the_text_wherever_it_is_split(text: str, places: list[int]) -> None:
    text = qp.readable(text)  # "\r\n" cannot be split: each half is a newline of its own
    cuts = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    pieces = [qp.encode(text[one:other]) for one, other in pairwise(cuts)]
    assert decoded(b"".join(pieces)) == text


@settings(max_examples=100)
@given(TEXTS, TEXTS)
@example(EVIL[0], EVIL[0])
@example("a" * 73 + "é \nx", "\n".join("a" * n + "\t" for n in range(60, 90)))
@example(" \n" * 50, "." * 9000)
def test_a_mail_of_any_two_texts_holds_them(text: str, html: str) -> None:
    raw = mime.join(mime.Head(CONFIG).of(daily(), "s"), qp.encode(text), qp.encode(html))
    check(raw, CONFIG)
    assert parts(raw) == (qp.readable(text), qp.readable(html))


def test_what_no_mail_can_hold_is_left_out_and_newlines_are_one_kind() -> None:
    assert qp.readable("a\x00b\x1b[1m\x85c\x0b\x7f") == "ab[1mc"
    assert qp.readable("one\r\ntwo\rthree\nfour\tfive") == "one\ntwo\nthree\nfour\tfive"
    assert qp.readable("lone \ud83d here, 👍 whole") == "lone \ufffd here, 👍 whole"
    assert qp.readable("\u202eשלום\u202c") == "\u202eשלום\u202c"
