"""Each fault of a page is found, by its rule and in its place; a good page has none."""

from __future__ import annotations

import pytest
from good_letter import HTML, TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.letters.lint import Severity, lint_html

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def spoiled(old: str, new: str, html: str = HTML) -> str:
    assert old in html
    return html.replace(old, new, 1)


def found(html: str, text: str = "") -> set[tuple[Severity, str]]:
    return {(one.severity, one.rule) for one in lint_html(html, text)}


def test_a_good_letter_has_no_findings() -> None:
    assert lint_html(HTML, TEXT) == []
    assert lint_html(HTML) == []


P = "<p>They count to four."
IMAGE = '<img src="https://example.org/bee.png" alt="A bee" width="80" height="80">'


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        # structure
        ("doctype", "<!doctype html>", ""),
        ("doctype", "<!doctype html>", '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">'),
        ("doctype", "<!doctype html>\n<html", "<p>Hello</p><!doctype html>\n<html"),
        ("lang", ' lang="en"', ""),
        ("lang", 'lang="en"', 'lang="english language"'),
        ("lang", "</html>", '</html><html lang="en"></html>'),
        ("title", "<title>Two papers on bees</title>", ""),
        ("title", "Two papers on bees</title>", " </title>"),
        ("charset", '<meta charset="utf-8">', ""),
        ("charset", 'charset="utf-8"', 'charset="latin1"'),
        ("viewport", 'name="viewport"', 'name="port"'),
        ("color-scheme", 'content="light dark"', 'content="light"'),
        ("table-role", '<table role="presentation" class', "<table class"),
        ("table-role", '<table role="presentation" width="600">', '<table width="600">'),
        ("table-role", '<td class="ink"', '<th>x</th><td class="ink"'),
        ("nesting", "</h1>", ""),
        ("nesting", "Clover, mapped.", "Clover, <b><i>mapped.</b></i>"),
        ("nesting", "</td></tr>\n</table>\n<!--", "</td></tr></div>\n</table>\n<!--"),
        ("nesting", P, f"<p><div>x</div></p>{P}"),
        ("nesting", "<tr><td class", "<tr>words<td class"),
        ("nesting", "<!--[if mso]></td></tr></table><![endif]-->", ""),
        ("nesting", '<p class="authors"', '<p class="authors" class="x"'),
        ("nesting", P, "<![odd[" + P),
        ("duplicate-id", "<h1", '<p id="a">x</p><p id="a">y</p><h1'),
        ("dir", P, "<p>نص عربي."),
        ("dir", P, '<p dir="ltr">טקסט בעברית'),
        # images and what is fetched
        ("img-alt", P, P + IMAGE.replace(' alt="A bee"', "")),
        ("img-size", P, P + IMAGE.replace(' width="80"', "")),
        ("tracking-pixel", P, P + IMAGE.replace('"80"', '"1"')),
        ("tracking-pixel", P, P + IMAGE.replace("<img", '<img style="display:none"')),
        ("resource-url", P, P + IMAGE.replace("https:", "http:")),
        ("resource-url", P, P + IMAGE.replace("https:", "data:")),
        ("resource-url", ".ink {", ".ink { background: url(http://example.org/x.png);"),
        ("resource-url", "margin:0;", "margin:0;background-image:url('//example.org/x.png');"),
        ("remote", "</style>", "@font-face { font-family: X; src: url(https://example.org/x.woff); }</style>"),
        ("remote", "<style>", "<style>@import 'https://example.org/x.css';"),
        ("remote", "<title>", '<link rel="stylesheet" href="https://example.org/x.css"><title>'),
        ("forbidden-tag", P, f"<script>alert(1)</script>{P}"),
        ("forbidden-tag", P, f'<form action="https://example.org/">x</form>{P}'),
        ("forbidden-tag", P, f'<iframe src="https://example.org/"></iframe>{P}'),
        ("forbidden-tag", "<title>", '<meta http-equiv="refresh" content="0"><title>'),
        ("event-handler", "<h1", '<h1 onclick="x()"'),
        # headings
        ("h1", "The Bee Letter</h1>", "The Bee Letter</h1><h1>Again</h1>"),
        ("heading-order", '<h2 class="title"><a', "<h4>x</h4><h2><a"),
        ("heading-empty", "<h2>About", "<h2> </h2><h2>About"),
        ("card-heading", P, f'<div class="card">{P}</p></div><p>x'),
        # links
        ("link-text", ">PDF</a>", "> </a>"),
        ("link-text", ">PDF</a>", ">Click here</a>"),
        ("link-text", ">PDF</a>", ">here…</a>"),
        ("link-text", ">PDF</a>", f">https://example.org/{'x' * 40}</a>"),
        ("link-url", "https://example.org/1.pdf", "javascript:alert(1)"),
        ("link-url", "https://example.org/1.pdf", "data:text/html,x"),
        ("link-url", "https://example.org/1.pdf", "/1.pdf"),
        ("link-url", "https://example.org/1.pdf", ""),
        ("link-twice", "They count", '<a href="https://example.org/x">PDF</a>'),
        ("link-shows", 'class="link" href="https://example.org/1.pdf" style="', 'href="https://example.org/1.pdf" '
         'style="color:#222222;text-decoration:none;" title="'),
        ("unsubscribe", 'subject=unsubscribe" style="color:#0b57d0;">unsubscribe', 'subject=stop">stop'),
        ("footer-links", "</td></tr>\n</table>\n<!--", "<h2>Legal</h2></td></tr>\n</table>\n<!--"),
        # reading
        ("preheader", "display:none;max-height:0;overflow:hidden;", ""),
        ("font-size", P, '<p style="font-size:11px">They'),
        ("font-size", "h1 { font-size: 24px", ".ink { font-size: 60% !important; } h1 { font-size: 24px"),
        # styles
        ("css-nesting", ".ink { color: #222222; }", ".ink { color: #222222; .x { color: red; } }"),
        ("css-nesting", "</style>", "@media screen { @media (max-width: 9px) { .x { color: red; } } }</style>"),
        ("css-syntax", "</style>", ".x { color }</style>"),
        ("css-syntax", "margin:0;", "margin;"),
        ("style-size", "</style>", ".x { color: red; }" * 1000 + "</style>"),
        ("client-css", "margin:0;", "margin:0;position:absolute;"),
        ("client-css", "margin:0;", "margin:0;display:flex;"),
        ("client-css", ".ink {", ".ink { display: grid;"),
        ("client-css", ".ink {", ":root { --x: #222222; } .ink {"),
        ("client-css", "<h1", "<style>.x { color: red; }</style><h1"),
        ("client-tag", P, f"<svg></svg>{P}"),
        ("size", "<h1", "<!--" + "x" * 90_000 + "--><h1"),
    ],
)  # fmt: skip
def test_each_fault_is_an_error_of_its_rule(rule: str, old: str, new: str) -> None:
    assert (ERROR, rule) in found(spoiled(old, new))


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("font-size", P, '<p style="font-size:12px">They'),
        ("dir", P, "<p>They say نص عربي <b>نص</b>"),
        ("link-url", ">PDF</a>", '>PDF</a> <b id="top">x</b> <a href="#top" style="color:#0b57d0;">Up there</a>'),
        ("client-css", "margin:0;", "margin:0;float:left;"),
        ("client-css", "margin:0;", "margin:0;shiny:very;"),
        ("client-css", "margin:0;", "margin:0 !important;"),
        ("client-css", "margin:0;", "margin:-4px;"),
        ("client-css", "@media (max-width: 480px)", "@media (hover: none)"),
        ("client-css", ".ink {", "td[class] { margin: 0; } .ink {"),
        ("client-css", "h1 { font-size", "h1 { display: flex; font-size"),
        ("client-tag", P, f"<blink2></blink2>{P}"),
        ("css-syntax", ".ink {", ".x:shiny(2) { color: red; } .ink {"),
    ],
)
def test_what_only_looks_wrong_somewhere_is_a_warning(rule: str, old: str, new: str) -> None:
    html = spoiled(old, new)
    assert (WARNING, rule) in found(html)
    assert (ERROR, rule) not in found(html)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (P, P + IMAGE),
        (P, P + IMAGE.replace("A bee", "")),
        (P, '<p dir="auto">نص عربي. They'),
        (P, "<p>By <bdi>نص عربي</bdi>. They"),
        (P, "<table><tr><th>a</th></tr><tr><td>b</td></tr></table><p>They"),
        (
            "They count",
            '<a class="link" href="https://example.org/x" title="The map" style="color:#0b57d0;">PDF</a>',
        ),
        ("margin:0;", "margin:0;border-radius:3px;box-shadow:0 1px 2px #888;overflow-wrap:anywhere;"),
        (".ink {", "a:hover { color: #0b57d0; } [data-ogsc] .ink { color: #eeeeee; } .ink {"),
        ("</h1>", '</h1><p style="font-size:13px;line-height:1.5">20 November</p>'),
    ],
)
def test_what_degrades_gracefully_is_not_told(old: str, new: str) -> None:
    assert lint_html(spoiled(old, new)) == []


def test_a_letter_of_one_picture_says_nothing_without_it() -> None:
    head, tail = HTML.split("<h2", 1)[0], '<p><a href="mailto:bees@example.org?subject=unsubscribe">Leave</a></p>'
    html = f"{head}{IMAGE}{tail}</td></tr></table><!--[if mso]></td></tr></table><![endif]--></body></html>"
    assert (ERROR, "images-only") in found(html)


def test_a_finding_says_where_and_is_told_once() -> None:
    html = HTML.replace('<p class="authors"', '<p class="authors" onclick="x()"')
    lines = [number for number, line in enumerate(html.splitlines(), 1) if "onclick" in line]
    [one] = lint_html(html, TEXT)
    assert one.where == f"HTML line {lines[0]} and 1 more"
    assert str(one) == f"error: event-handler: {one.where}: <p> has onclick — Remove it: mail runs no script"


def test_outlooks_own_tables_are_checked_as_outlook_reads_them() -> None:
    broken = spoiled(
        '<table role="presentation" width="600"><tr><td>', '<table role="presentation" width="600"><tr>'
    )
    assert any("Outlook" in one.message and one.rule == "nesting" for one in lint_html(broken))
    others = spoiled("<h1", "<!--[if !mso]><!--><p>For all others</p><!--<![endif]--><h1")
    assert lint_html(others) == []


def test_a_width_that_outlook_does_not_know_needs_a_table_for_it() -> None:
    html = HTML.replace('<!--[if mso]><table role="presentation" width="600"><tr><td><![endif]-->', "")
    html = html.replace("<!--[if mso]></td></tr></table><![endif]-->", "")
    [one] = lint_html(html)
    assert (one.severity, one.rule) == (WARNING, "client-css")
    assert "max-width" in one.message


# ---- the text part


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("parity", "A Map of Clover", "A Map"),
        ("parity", "Ines Rocha", "I. Rocha"),
        ("parity", "    https://example.org/2.pdf\n", ""),
        ("parity", "bees@example.org", "us"),
        ("unsubscribe", "unsubscribe", "stop"),
        ("text-markup", "Clover, mapped.", "<b>Clover</b>, mapped."),
        ("text-markup", "Clover, mapped.", "Clover &amp; bees."),
        ("text-line", "Clover, mapped.", "clover " * 12),
        ("text-line", "Clover, mapped.", "花" * 40),
        ("card-heading", "Clover, mapped.", "Clover.\n\n 3. A Third"),
    ],
)
def test_the_text_part_says_the_same_in_plain_words(rule: str, old: str, new: str) -> None:
    assert (ERROR, rule) in found(HTML, spoiled(old, new, TEXT))


def test_an_address_may_be_longer_than_a_line_best_alone() -> None:
    url = "https://example.org/" + "x" * 80
    html = spoiled("https://example.org/1.pdf", url)
    assert found(html, spoiled("https://example.org/1.pdf", url, TEXT)) == set()
    assert found(html, spoiled("https://example.org/1.pdf", f"PDF  {url}", TEXT)) == {(WARNING, "text-line")}


def test_a_title_may_speak_of_tags() -> None:
    html = spoiled("Bees That Count", "Bees That &lt;b&gt; &amp;amp; Count")
    assert lint_html(html, spoiled("Bees That\n    Count", "Bees That <b> &amp; Count", TEXT)) == []


# ---- nothing can make it fall over


@pytest.mark.parametrize(
    ("opened", "after", "what"),
    [
        ("<!--", " >", "a comment"),
        ("<!-- -- ", "->", "a comment"),
        ("<!--", "", "a tag or comment"),
        ("<a ", "", "a tag or comment"),
        ("</", "", "a tag or comment"),
    ],
)
def test_what_never_ends_is_named_with_its_line_however_much_of_it_there_is(
    opened: str, after: str, what: str
) -> None:
    """A parser that looks for the end from each beginning takes hours for these."""
    page = HTML + "\n" + opened * (900_000 // len(opened)) + after
    [told] = [one for one in lint_html(page) if "never closed" in one.message]
    line = page.count("\n") + 1
    assert (told.rule, told.message, told.where) == ("nesting", f"{what} is never closed", f"HTML line {line}")
    assert told.remedy == "Close it; nothing after it was looked at"


def test_a_comment_that_never_ends_is_named_with_its_line_behind_an_attribute_that_never_ends() -> None:
    page = f"<!-- so -->{HTML}\n\n<p title='x>\n<!-- y>"
    [told] = [one for one in lint_html(page) if "a comment is never closed" in one.message]
    assert told.where == f"HTML line {page.count(chr(10)) + 1}"


def test_a_tag_may_have_very_many_attributes() -> None:
    page = spoiled(P, f"<p {'a b ' * 100_000}>They count to four.")
    assert "<p> has a twice" in {one.message for one in lint_html(page)}


def test_a_block_may_hold_very_many_words_from_right_to_left() -> None:
    page = spoiled(P, f"<p>{'<b>שלום</b> ' * 30_000}</p>{P}")
    assert (ERROR, "dir") in found(page)


def test_a_page_of_open_tags_is_refused_in_words() -> None:
    assert any("tags are open" in one.message for one in lint_html(HTML + "<div>" * 50_000))


@pytest.mark.parametrize("css", ["@media x{" * 3000, "a " * 3000 + "{color:red}", "a{" + "b{" * 3000])
def test_rules_without_end_are_refused_in_words(css: str) -> None:
    found = lint_html(HTML.replace("</style>", f"{css}</style>"))
    assert {"nesting", "css-syntax", "css-nesting"} & {one.rule for one in found}


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from([*HTML.split("<"), "<", ">", "<!", "<![", "style='a:b(", "<td", "{", "}", "\0", "\ud800"])
    )
)
def test_no_page_makes_it_fall_over(pieces: list[str]) -> None:
    lint_html("<".join(pieces), "".join(pieces))
