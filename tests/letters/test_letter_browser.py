"""Letters as a browser lays them out: nothing sticks out, nothing is fetched, the dark is dark."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import chromium
import pytest
from PIL import Image
from sample_letters import daily, render, trending_only, weekly, worst_case

from digest.letters.board import board

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import screenshots

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
FACTS = """[...document.querySelectorAll(".facts")].map(e => {
  const own = e.getBoundingClientRect(), all = e.parentElement.getBoundingClientRect();
  return [own.left - all.left, e.getClientRects().length, Math.round(own.height)];
})"""
INK = "getComputedStyle(document.querySelector('.title a')).color"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 640])
@pytest.mark.parametrize("written", [daily, weekly, trending_only, worst_case], ids=lambda f: f.__name__)
def test_a_letter_fits_its_screen(browser: chromium.Browser, written, width: int, dark: bool) -> None:
    browser.show(render(written()).html, width, dark)
    assert browser.evaluate("window.innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(chromium.STICKS_OUT) == []
    assert browser.evaluate(BACKGROUND) == ("rgb(23, 24, 26)" if dark else "rgb(253, 252, 249)")
    assert browser.evaluate(INK) == ("rgb(240, 237, 230)" if dark else "rgb(29, 28, 26)")
    assert browser.evaluate("document.querySelector('body > div').offsetHeight") == 0, "the preheader is hidden"
    assert [url for url in browser.requests if not url.startswith("file:")] == []
    assert len(browser.requests) == 1


def test_the_column_is_640_wide_on_a_desk(browser: chromium.Browser) -> None:
    browser.show(render(daily()).html, 1200, dark=False)
    assert browser.evaluate("document.querySelector('.sheet').getBoundingClientRect().width") == 640


def test_on_a_phone_what_is_known_of_a_paper_stands_in_one_line(browser: chromium.Browser) -> None:
    letter = daily()
    much = tuple(replace(one, votes=1187, trending=0.9) for one in letter.picks)
    browser.show(render(replace(letter, picks=much)).html, 375, dark=False)
    assert browser.evaluate(FACTS) == [[0, 1, 21]] * len(much)


@pytest.mark.parametrize("kind", screenshots.KINDS)
def test_each_kind_of_letter_has_its_pictures(browser: chromium.Browser, tmp_path: Path, kind: str) -> None:
    made = screenshots.shoot(browser, Path(os.environ.get("DIGEST_SCREENSHOTS") or tmp_path), kind)
    for path in made:
        with Image.open(path) as picture:
            wide, high = picture.size
            (darkest, brightest) = picture.convert("L").getextrema()
            corner = picture.convert("L").getpixel((2, 2))
        assert wide == (760 if path.stem.endswith("text") else int(path.stem.split("-")[-2]))
        assert high > 900
        assert brightest - darkest > 200, "there is something to read"
        assert (corner < 60) == path.stem.endswith("dark")


@pytest.mark.parametrize("width", [375, 1280])
def test_the_board_fits_too(browser: chromium.Browser, width: int) -> None:
    letters = [(one, render(one), "") for one in (daily(), trending_only(), daily())]
    browser.show(board("A demo", letters, "Three letters."), width, dark=True)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate("document.querySelectorAll('iframe').length") == 3
