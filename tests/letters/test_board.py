"""The board shows letters without letting them out of their frames."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from sample_letters import ADA, daily, letter, render, trending_only

from digest.letters.board import board
from digest.letters.compose import Rendered


class Frames(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.frames: list[dict[str, str | None]] = []
        self.links: list[str | None] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "iframe":
            self.frames.append(dict(attrs))
        if tag == "a":
            self.links.append(dict(attrs)["href"])


def test_each_letter_stands_whole_in_a_sandboxed_frame() -> None:
    letters = [daily(), trending_only()]
    shown = [(one, render(one), f"mail/new/{n} #1.eml") for n, one in enumerate(letters)]
    page = board("Demo", shown, "Two letters.")
    seen = Frames(page)
    assert [frame["srcdoc"] for frame in seen.frames] == [rendered.html for _, rendered, _ in shown]
    assert [frame["sandbox"] for frame in seen.frames] == ["", ""]
    assert seen.links == ["mail/new/0%20%231.eml", "mail/new/1%20%231.eml"]
    assert "script" not in seen.tags
    for said in ("Demo", "Two letters.", "Ada", "noor@example.org", "Friday 20 November 2026", "6 papers"):
        assert said in page


def test_days_of_one_subscriber_stand_in_one_row_in_their_order() -> None:
    first, second = daily(), replace(daily(), slot=daily().slot.replace(day=21))
    other = letter(replace(ADA, address="b@example.org", name="Ben"))
    named = [
        (one, Rendered(f"subject {n}", "", "<p>x</p>", ""), "") for n, one in enumerate([second, other, first])
    ]
    page = board("Demo", named, "")
    assert page.count("<section>") == 2
    assert page.index("subject 2") < page.index("subject 0") < page.index("subject 1")
    assert Frames(page).links == []


def test_captions_are_escaped() -> None:
    evil = '"><script>alert(1)</script>'
    one = letter(replace(ADA, name=evil, address=evil))
    page = board(evil, [(one, Rendered(evil, "", evil, ""), f"javascript:{evil}")], evil)
    assert "<script>" not in page
    assert "javascript:" not in page
    assert Frames(page).frames[0]["srcdoc"] == evil


def test_an_empty_board_is_a_page() -> None:
    assert "<main>" in board("Demo", [], "Nothing yet.")
