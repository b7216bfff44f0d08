"""Each fault of a mail around a letter is found, by its rule and in its header."""

from __future__ import annotations

import pytest
from good_letter import HEADERS, HTML, TEXT, mail
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.letters.lint import lint

LIST = "List-Unsubscribe: <mailto:bees@example.org?subject=unsubscribe>"


def found(mail: bytes) -> set[str]:
    return {one.rule for one in lint(mail)}


def test_a_good_mail_has_no_findings() -> None:
    assert lint(mail()) == []


def test_one_click_is_good_with_both_headers() -> None:
    both = f"{LIST}, <https://example.org/u/1>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click"
    assert lint(mail(HEADERS.replace(LIST, both))) == []


@pytest.mark.parametrize(
    ("rule", "where", "old", "new"),
    [
        *(("header", name, f"{name}: ", f"X-{name}: ") for name in ("From", "To", "Subject", "Date", "Message-ID")),
        ("header", "To", "To: ada", "To: bob@example.net\nTo: ada"),
        ("header", "Date", "Fri, 20 Nov 2026 06:00:00 +0000", "yesterday"),
        ("header", "From", "<bees@example.org>", "bees"),
        ("header", "header 2", "To: ada", "no header\nTo: ada"),
        ("message-id", "Message-ID", "abc123@example.org", "abc123@mail.example.com"),
        ("message-id", "Message-ID", "<abc123@example.org>", "abc123"),
        ("bcc", "Bcc", "To: ada", "Bcc: bob@example.net\nTo: ada"),
        ("auto-submitted", "Auto-Submitted", "To: ada", "Auto-Submitted: auto-generated\nTo: ada"),
        ("subject", "Subject", "Two papers on bees", "bees " * 16),
        ("subject", "Subject", "Two papers on bees", "=?utf-8?q?two=0ABcc=3A_x?="),
        ("ascii", "Subject", "Two papers", "Zwei Aufsätze"),
        ("list-unsubscribe", "List-Unsubscribe", f"{LIST}\n", ""),
        ("list-unsubscribe", "List-Unsubscribe", "<mailto:bees", "\n <mailto:bees"),
        ("list-unsubscribe", "List-Unsubscribe", LIST, "List-Unsubscribe: =?utf-8?q?=3Cmailto=3Abees=3E?="),
        ("list-unsubscribe", "List-Unsubscribe", "<mailto:bees@example.org?subject=unsubscribe>",
         "<https://example.org/u>"),
        ("list-unsubscribe", "List-Unsubscribe", LIST, f"{LIST}, <http://example.org/u>"),
        ("one-click", "List-Unsubscribe-Post", LIST, f"{LIST}, <https://example.org/u>"),
        ("one-click", "List-Unsubscribe-Post", LIST,
         f"{LIST}, <https://example.org/u>\nList-Unsubscribe-Post: List-Unsubscribe=One-click"),
        ("one-click", "List-Unsubscribe-Post", LIST, f"{LIST}\nList-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        ("list-id", "List-Id", "<bees.example.org>", "bees"),
        ("list-id", "List-Id", "List-Id", "X-List-Id"),
        ("parts", "Content-Type", "multipart/alternative", "multipart/mixed"),
    ],
)  # fmt: skip
def test_each_fault_of_the_headers(rule: str, where: str, old: str, new: str) -> None:
    assert old in HEADERS
    findings = lint(mail(HEADERS.replace(old, new, 1)))
    assert (rule, where) in {(one.rule, one.where) for one in findings}
    assert all(one.severity == "error" for one in findings)


def test_the_text_part_comes_first() -> None:
    text, html = (f"--=_b\r\nContent-Type: text/{kind}".encode() for kind in ("plain", "html"))
    swapped = mail().replace(text, b"@").replace(html, text).replace(b"@", html)
    assert "parts" in found(swapped)
    only = HEADERS.replace('multipart/alternative; boundary="=_b"', "text/html") + "\n" + HTML
    assert "parts" in found(only.replace("\n", "\r\n").encode())


def test_lines_end_in_crlf_and_are_not_too_long() -> None:
    assert "crlf" in found(mail().replace(b"\r\n", b"\n", 1))
    assert "crlf" in found(mail().replace(b"\r\n", b"\n"))
    assert "crlf" in found(mail().replace(b"bees", b"be\res", 1))
    assert "line-length" in found(mail(html=HTML.replace("<h1", f"<!--{'x' * 990}--><h1")))
    assert "line-length" not in found(mail(html=HTML.replace("<h1", f"<!--{'x' * 950}-->\n<h1")))


def test_the_body_is_seven_bits_and_utf_8() -> None:
    assert "8-bit" in found(mail(text=TEXT.replace("Varga", "Várga")))
    said = mail().replace(b"charset=utf-8\r\n", b"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", 1)
    assert "8-bit" in found(said)
    quoted = "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    other = mail().replace(b"charset=utf-8\r\n", quoted.replace("utf-8", "latin1").encode(), 1)
    assert "charset" in found(other.replace(b"Clover, mapped.", b"Clover, m=E4pped.", 1))
    assert "charset" in found(other.replace(b"latin1", b"utf-8").replace(b"Clover, mapped.", b"m=E4pped.", 1))


def test_the_parts_are_looked_into() -> None:
    assert "h1" in found(mail(html=HTML.replace("h1", "h2")))
    assert "parity" in found(mail(text=TEXT.replace("A Map of Clover", "A Map")))
    assert "unsubscribe" in found(mail(text=TEXT.replace("unsubscribe", "stop")))


def test_parts_without_end_are_refused_in_words() -> None:
    assert "parts" in found(b"Content-Type: message/rfc822\r\n\r\n" * 3000)


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from([*mail().split(b":")[:12], b":", b"\r\n", b"\n\n", b"=?utf-8?b?x?=", b"\xff", b"--=_b"])
    )
)
def test_no_bytes_make_it_fall_over(pieces: list[bytes]) -> None:
    lint(b":".join(pieces))
