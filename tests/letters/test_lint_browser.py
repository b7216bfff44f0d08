"""The linter sees what a browser sees: the same colours, sizes and weights, for each element in each medium."""

from __future__ import annotations

import chromium
import pytest
from good_letter import HTML
from sample_letters import CONFIG, daily

from digest.letters.compose import Composer
from digest.letters.lint.letter import MEDIA, LetterPage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Colour, size, weight and underline of every element but those that the browser adds, in order; null if not shown.
COMPUTED = """
[...document.querySelectorAll("body, body *:not(tbody)")].map(e => {
  const s = getComputedStyle(e), n = s.color.match(/[\\d.]+/g).map(Number);
  return e.checkVisibility() ? [n[0], n[1], n[2], parseFloat(s.fontSize), Number(s.fontWeight),
                                s.textDecorationLine.includes("underline")] : null;
})
"""
ODD = """<!doctype html><html><head><meta name="color-scheme" content="light dark"><style>
p { color: #123456 } .a p { color: #234567; font-size: 80% } #i { color: #345678 }
p.b.b { color: #456789 !important }
[title] { font: 700 1.5em/1 serif } div > b { color: navy; font-weight: lighter } b + i { color: teal }
@media (prefers-color-scheme: dark) { p { color: #fedcba } @media (max-width: 400px) { .a { font-size: 2rem } } }
@media (max-width: 400px) { div { font-size: 14pt } .a { text-decoration: none } } @media print { p { color: red } }
@media not all and (max-width: 400px) { i { color: rgb(1 2 3) } } @media only screen { u { font-size: larger } }
</style></head><body text="#111111"><div class="a"><p>1</p><p id="i" style="color: hsl(120 50% 25%)">2</p>
<p class="b" style="color: red">3</p><b>4<b>5</b></b><i>6</i></div><p title="x">7 <small>8 <sub>9</sub></small></p>
<a href="https://example.org/">10</a><a href="https://example.org/" style="text-decoration: none">11</a><a>12</a>
<font color="008000">13</font><p style="display: none">14</p><p style="color: red !important; color: blue">15</p>
<h1>16 <b>17</b></h1><h3 style="font-weight: 300; font-size: x-large">18</h3></body></html>"""


@pytest.mark.parametrize("medium", [one for one in MEDIA if one.sheet], ids=lambda one: one.name)
@pytest.mark.parametrize("name", ["good", "daily", "odd"])
def test_the_linter_and_the_browser_agree(browser: chromium.Browser, name: str, medium) -> None:
    html = {"good": HTML, "daily": Composer(CONFIG).render(daily()).html, "odd": ODD}[name]
    browser.show(html, medium.width, medium.dark)
    page = LetterPage(html)
    looks = page.looks[medium]
    ours = []
    for node in page.body.nodes():
        look = looks[node]
        assert look.colour is not None
        red, green, blue = (round(part * 255) for part in look.colour[:3])
        told = [red, green, blue, pytest.approx(look.size, abs=0.2), look.weight, look.underlined]
        ours.append((node.tag, node.line, told if not look.hidden else None))
    theirs = browser.evaluate(COMPUTED)
    for (tag, line, mine), other in zip(ours, theirs, strict=True):
        assert mine == other, f"<{tag}> in line {line}"
