"""German letters as a browser lays them out: longer words, and the same two columns."""

from __future__ import annotations

from dataclasses import replace

import chromium
import pytest
from sample_letters import ADA, CONFIG, daily, letter, trending_only, worst_case

from digest.letters.compose import Composer
from digest.letters.links import Links
from digest.model import Letter
from digest.tokens import Keys

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
GERMAN = CONFIG.model_copy(update={"language": "de"})
LINKS = Links("https://letters.example.org", Keys([b"k" * 32]))
NUMBERS = "[...new Set([...document.querySelectorAll('td.number')].map(e => e.getBoundingClientRect().width))]"


def weekly() -> Letter:
    return letter(replace(ADA, cadence="weekly:fri"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "number"), [(360, 28), (640, 36)])
@pytest.mark.parametrize("written", [daily, weekly, trending_only, worst_case], ids=lambda f: f.__name__)
@pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "by links"])
def test_a_german_letter_fits_its_screen(browser, links, written, width: int, number: int, dark: bool) -> None:
    browser.show(Composer(GERMAN, links=links).render(written()).html, width, dark)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(chromium.STICKS_OUT) == []
    assert browser.evaluate(NUMBERS) == [number], "a heading above must not widen the column of numbers"
