"""HTML as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.latex import readable
from digest.sources.markup import entities_decoded, plain

TEX = r'<annotation encoding="application/x-tex">x^{2}</annotation>'


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("One", "One"),
        ("<p>One</p><p>Two</p>", "One Two"),
        ("One<br>two<br/>three<BR />four", "One two three four"),
        ("<ul><li>One</li><li>two</li></ul><h2>Three</h2>four", "One two Three four"),
        ("<i>On</i>e <b>t</b>wo", "One two"),
        (
            "<jats:title>Abstract</jats:title><jats:p>One <jats:italic>two</jats:italic></jats:p>",
            "Abstract One two",
        ),
        ("One<script>if (a < b) alert('<p>')</script>, two<style>p {}</style>", "One, two"),
        ("One<SCRIPT src=x></SCRIPT >two<script/>three", "Onetwothree"),
        ("One<script>never closed", "One"),
        ("One<!-- no <p> --> two<!-- never closed", "One two"),
        ("<?php no ?><!DOCTYPE html>One<![CDATA[ two", "One two"),
        ("<img alt='a bee' src=x>One <svg><text>no</text></svg>two", "One two"),
        ("R&amp;D, caf&eacute; &#233; &#xE9;, a&nbsp;b", "R&D, café é é, a b"),
        ("R&amp;amp;D, a &amp;lt; b", "R&D, a < b"),
        ("&lt;p&gt;One&lt;/p&gt;&lt;p&gt;two H&lt;sub&gt;2&lt;/sub&gt;O", "One two H₂O"),
        ("AT&T &unknown; &copy=1 &", "AT&T &unknown; &copy=1 &"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("if a<b then", "if a<b then"),
        ("if x <y and y> z", "if x <y and y> z"),
        ("p<0.05 and 3<5>2", "p<0.05 and 3<5>2"),
        ("<a href=\"x>y\" title='a'>One</a> <a href='b>c'>two</a>", "One two"),
        ("std::vector<int> and <unknown tag='x'>", "std::vector<int> and <unknown tag='x'>"),
        ("H<sub>2</sub>O at 10<sup>&minus;3</sup> m<sup>2</sup>", "H₂O at 10⁻³ m²"),
        ("x<sub>i</sub>, K<sub>max</sub>, the 5<sup>th</sup>", "xᵢ, K_max, the 5th"),
        ("x<sub>never closed", "x_(never closed)"),
        ("x</sub></sup> y<sub></sub>", "x y"),
        ("It costs $5, H<sub>2</sub>O costs $7", "It costs $5, H₂O costs $7"),
        (f'<math alttext="no"><semantics><mi>no</mi>{TEX}</semantics></math> holds', "x² holds"),
        ('<math alttext="x^{2}"><mi>no</mi></math> holds', "x² holds"),
        ("<mml:math><mml:msup><mml:mi>x</mml:mi><mml:mn>2</mml:mn></mml:msup><mml:mo>=</mml:mo></mml:math>", "x²="),
        ("<tex-math>$x^{2}$</tex-math> <mml:math><mml:mi>no</mml:mi></mml:math> holds", "x² holds"),
        ("<math><mi>x</mi> never closed", "x never closed"),
        ("\x00\ud800<p>", ""),
        ("", ""),
    ],
)
def test_html_is_read_as_people_see_it(html: str, text: str) -> None:
    assert " ".join(readable(plain(html)).split()) == readable(text)


def test_entities_that_are_none_stay() -> None:
    assert entities_decoded("&#9999999; &#x110000; &nosuch; &amp") == "\ufffd \ufffd &nosuch; &amp"


@given(
    st.text()
    | st.text(alphabet="<>&;/!-'\"ab subpmth=x:[]")
    | st.from_regex(r"(</?(p|sub|math|script|b)>?|&lt;){0,20}")
)
def test_any_text_is_taken(html: str) -> None:
    assert isinstance(plain(html), str)


@given(st.text(alphabet=st.characters(exclude_characters="<>&")))
def test_text_without_mark_up_stays(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    "unit",
    ["<b>", "<div>", "<", "<!--", "<!", '<a "', "<a b='", "<math>", "<svg>", "<sub>", "<sub></sup>", "&amp;", "</",
     "<p </p>", "<script></script>", "<math></math>", "<x:math ", "<math><annotation tex ", "&lt;p&gt;"],
)  # fmt: skip
def test_a_megabyte_of_one_thing_is_read_once(unit: str) -> None:
    """What is read again from each part would take hours here."""
    assert isinstance(plain(unit * (1_000_000 // len(unit))), str)
