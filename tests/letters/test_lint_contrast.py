"""Contrast is computed as the eye gets it: from the colours that win, in light and in dark."""

from __future__ import annotations

from dataclasses import replace

import pytest
from good_letter import HTML
from sample_letters import ADA, CONFIG, LINKS, PICKS, daily, letter, trending_only, worst_case

from digest.letters.compose import Composer
from digest.letters.links import Links
from digest.letters.lint import Finding, Severity, lint, lint_html
from digest.letters.lint.look import contrast
from digest.model import Letter

Colour = tuple[float, float, float, float]


def colour(text: str) -> Colour:
    red, green, blue = (int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue, 1.0


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
        ("#ff0000", "#ffffff", 4.00),
        ("#ffff00", "#ffffff", 1.07),
        ("#595959", "#ffffff", 7.00),
    ],
)
def test_known_pairs(one: str, other: str, ratio: float) -> None:
    assert contrast(colour(one), colour(other)) == pytest.approx(ratio, abs=0.005)
    assert contrast(colour(other), colour(one)) == contrast(colour(one), colour(other))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="{scheme}"><style>{css}</style></head>
<body {attributes}>{body}</body></html>"""


def faults(body: str, css: str = "", attributes: str = 'style="background:#fff;color:#000"', scheme: str = "light"
           ) -> list[Finding]:  # fmt: skip
    html = PAGE.format(body=body, css=css, attributes=attributes, scheme=scheme)
    return [one for one in lint_html(html) if one.rule == "contrast"]


DARK = "@media (prefers-color-scheme: dark) {{ {} }}".format


@pytest.mark.parametrize(
    "body",
    [
        '<p style="color:#767676">x</p>',
        '<p style="color:#949494;font-size:24px">x</p>',
        '<p style="color:#949494;font:bold 14pt/1 serif">x</p>',
        '<h1 style="color:#949494">x</h1>',
        '<p style="color:rgb(0 0 0 / 60%)">x</p>',
        '<p style="color:rebeccapurple">x</p>',
        '<p style="color:hsl(0, 0%, 20%)">x</p>',
        '<div style="color:#fff"><p style="background:url(x.png)"></p><p style="background:navy">x</p></div>',
        '<table bgcolor="000080"><tr><td style="color:#fff">x</td></tr></table>',
        '<p style="color:#fff;display:none">x</p>',
        '<p style="color:#fff;max-height:0;overflow:hidden">x</p>',
        '<p style="color:#fff"><span style="color:#000">x</span></p>',
        '<div style="opacity:.2"><p style="opacity:0">x</p></div>',
        '<p style="color:#fff;color:#000">x</p>',
        '<p style="color:#000 !important;color:#fff">x</p>',
        '<p style="color:inherit">x</p>',
        '<font color="navy">x</font>',
        '<a href="https://example.org/">x</a>',
    ],
)
def test_what_can_be_read_passes(body: str) -> None:
    assert faults(body) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<p style="color:#777">x</p>', "#777777 on #ffffff is 4.47:1, below 4.5:1"),
        ('<p style="color:#959595;font-size:24px">x</p>', "below 3:1"),
        ('<p style="color:#949494;font-size:23px">x</p>', "below 4.5:1"),
        ('<p style="color:#949494;font:bold 13pt serif">x</p>', "below 4.5:1"),
        ('<h1 style="color:#949494;font:normal 20px serif">x</h1>', "below 4.5:1"),
        ('<p style="color:rgba(0,0,0,.5)">x</p>', "#808080 on #ffffff"),
        ('<div style="opacity:.5"><p>x</p></div>', "#808080 on #ffffff"),
        ('<div style="opacity:.5;background:#000;color:#fff"><p>x</p></div>', "#ffffff on #808080"),
        ('<div style="background:#222"><p>x</p></div>', "#000000 on #222222"),
        ('<div style="background:no-repeat #222 top"><p>x</p></div>', "#000000 on #222222"),
        ('<table bgcolor="#222222"><tr><td>x</td></tr></table>', "#000000 on #222222"),
        ('<font color="silver">x</font>', "#c0c0c0 on #ffffff"),
        ('<p style="color:transparent">x</p>', "#ffffff on #ffffff"),
        ('<p style="color:#12345">x</p>', "the colour “#12345” is not known"),
        ('<p style="color:var(--ink)">x</p>', "the colour “var(--ink)” is not known"),
        ('<p style="color:color-mix(in srgb, red, blue)">x</p>', "is not known"),
        ('<p style="color:oklch(50% 0.1 20)">x</p>', "is not known"),
        ('<p style="color:Canvas">x</p>', "the colour “Canvas” is not known"),
        ('<p style="background:shiny">x</p>', "the ground “shiny” is not a colour that is known"),
        ('<p style="background:#fff url(https://example.org/x.png)">x</p>', "the ground is a picture"),
        ('<p style="background-image:linear-gradient(red, blue)">x</p>', "the ground is a picture"),
        ('<font color="no such">x</font>', "the colour “no such” is not known"),
    ],
)
def test_what_cannot_be_read_or_computed_is_an_error(body: str, said: str) -> None:
    [one] = faults(body)
    assert said in one.message
    assert one.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("css", "wins"),
    [
        ("p { color: #eee }", False),  # an inline style is stronger
        ("p { color: #eee !important }", True),
        (".x { color: #eee !important } p { color: #111 !important }", True),  # by specificity
        ("#i { color: #111 !important } .x { color: #eee !important }", False),
        ("p { color: #eee !important } p { color: #111 !important }", False),  # by order
        ("div p.x[id] { color: #eee !important }", True),
        ("div > b, h1 p { color: #eee !important }", False),
        ("p:hover, p::before { color: #eee !important }", False),
        ("@media print { p { color: #eee !important } }", False),
        ("@media screen and (max-width: 480px) { p { color: #eee !important } }", True),
        ("@media (min-width: 2000px) { p { color: #eee !important } }", False),
        ("@media not all and (prefers-color-scheme: dark) { p { color: #eee !important } }", True),
    ],
)
def test_the_colour_that_wins_counts(css: str, wins: bool) -> None:
    assert bool(faults('<div><p id="i" class="x" style="color:#000">x</p></div>', css)) is wins


def test_dark_is_looked_at_apart() -> None:
    body = '<p style="color:#333">x</p>'
    assert faults(body, DARK("p { color: #ddd !important; }"))[0].message.endswith("(dark)")
    assert faults(body, DARK("body { background: #111 !important; }"))[0].message.endswith("(dark)")
    assert faults(body, DARK("body { background: #111 !important; } p { color: #ddd !important; }")) == []
    assert faults(body, DARK("body { background: #111; } p { color: #ddd; }")) == [], "the inline styles stay"
    phone = "@media (max-width: 400px) and (prefers-color-scheme: dark) { p { color: #eee !important } }"
    assert faults(body, phone)[0].message.endswith("(dark, on a phone)")


def test_a_page_that_can_be_dark_has_a_dark_ground_of_its_own() -> None:
    assert faults('<p style="color:#333">x</p>', attributes="") == []
    [one] = faults('<p style="color:#333">x</p>', attributes="", scheme="light dark")
    assert "#333333 on #121212" in one.message


def test_a_client_that_drops_the_style_block_is_looked_at_too() -> None:
    [one] = faults('<p style="color:#ddd">x</p>', "p { color: #111 !important; }")
    assert one.message.endswith("(a client that drops <style>)")


def test_a_link_without_a_line_needs_a_colour_of_its_own() -> None:
    def bare(style: str) -> bool:
        html = HTML.replace('style="color:#0b57d0;">PDF', f'style="text-decoration:none;{style}">PDF', 1)
        assert html != HTML
        return any(one.rule == "link-shows" for one in lint_html(html))

    assert bare("color:#333333;")
    assert bare("color:#0b57d0;"), "it is 2.6:1 to the text"
    assert not bare("border:1px solid #000000;color:#333333;")
    assert not bare("text-decoration:underline;color:#333333;")


def weekly() -> Letter:
    return letter(replace(ADA, cadence="weekly:fri", language="de"), also=PICKS[:3])


@pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "with links"])
@pytest.mark.parametrize("written", [daily, trending_only, weekly, worst_case], ids=lambda f: f.__name__)
def test_our_own_letters_have_no_findings(written, links: Links | None) -> None:
    assert lint(Composer(CONFIG, links=links).mail(written())) == []
