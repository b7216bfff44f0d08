"""What mail clients make of tags and styles: a table, and the rule that reads it.

The table is general knowledge, put down by hand. Where a client has learnt more since, it is stricter than need be;
what is in no line of it is not known to work, and is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from digest.letters.lint.finding import Finding, error, warning
from digest.letters.lint.letter import LetterPage
from digest.letters.lint.page import Node
from digest.letters.lint.sheet import Declaration, functions, inline

GMAIL_STYLE = 16_384  # bytes in <style>, then Gmail drops all of it
CLIENTS = {
    "g": "Gmail",
    "a": "Gmail app",
    "w": "Outlook (Windows)",
    "o": "Outlook (new, web)",
    "m": "Apple Mail",
    "y": "Yahoo",
    "t": "Thunderbird",
    "s": "Samsung",
}
# A line: what comes of it, the clients that fail, and the names.
#   fine    every client does it
#   ok      degrades gracefully: the letter is as good without, and nothing is said
#   warn    the letter looks wrong there
#   error   it cannot be read or used there
_TAGS = """
fine - html head meta title style body div span p br hr a img table caption colgroup col thead tbody tfoot tr th
fine - td h1 h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote pre center b strong i em u s small sub sup code abbr
fine - cite q del ins font tt
ok w bdi bdo wbr mark time kbd samp var dfn address
warn w header footer main section article aside nav figure figcaption
warn gaow details summary dialog
error gawoy svg math canvas picture template slot
error gaow marquee blink
"""
_PROPERTIES = """
fine - color background background-color font font-family font-size font-style font-weight line-height
fine - letter-spacing text-align text-decoration text-indent text-transform vertical-align white-space direction
fine - list-style list-style-type list-style-position padding padding-top padding-right padding-bottom
fine - padding-left margin margin-top margin-right margin-bottom margin-left width height display table-layout
fine - border border-top border-right border-bottom border-left border-collapse border-spacing border-color
fine - border-width border-style border-top-color border-right-color border-bottom-color border-left-color
fine - border-top-width border-right-width border-bottom-width border-left-width border-top-style
fine - border-right-style border-bottom-style border-left-style font-variant word-break quotes
ok w border-radius border-top-left-radius border-top-right-radius border-bottom-left-radius
ok w border-bottom-right-radius max-height overflow overflow-x overflow-y opacity min-width text-overflow
ok w overflow-wrap word-wrap hyphens unicode-bidi word-spacing caption-side empty-cells visibility
ok gwy text-decoration-line text-decoration-color text-decoration-thickness text-decoration-style
ok gwy text-underline-offset
ok gaowy color-scheme supported-color-schemes forced-color-adjust print-color-adjust color-adjust
ok gaow text-size-adjust font-smoothing text-wrap font-feature-settings font-variant-numeric font-kerning
ok gaow font-variant-ligatures font-optical-sizing text-rendering text-shadow box-shadow outline outline-offset
ok w cursor transition break-inside page-break-inside line-break tab-size orphans widows object-fit max-width
warn w background-image background-position background-repeat background-size background-clip background-origin
warn w float clear box-sizing min-height aspect-ratio font-stretch writing-mode
warn gawoy filter transform animation animation-name animation-duration clip clip-path mix-blend-mode
warn gawoy pointer-events
warn gaw gap column-count columns column-gap column-width row-gap content counter-reset counter-increment
error gawoy position top right bottom left z-index inset
error aw flex flex-direction flex-wrap flex-flow flex-grow flex-shrink flex-basis justify-content align-items
error aw align-self align-content order
error gaw grid grid-template grid-template-columns grid-template-rows grid-area
error gaw grid-column grid-row grid-gap grid-template-areas place-items place-content
"""
_DISPLAYS = """
fine - none block inline inline-block table table-row table-cell list-item inherit initial
ok w table-row-group table-header-group table-footer-group inline-table
warn gaw contents flow-root
error aw flex inline-flex
error gaw grid inline-grid
"""
_FUNCTIONS = """
fine - rgb url
warn w rgba hsl hsla
warn w calc min max clamp
warn w linear-gradient radial-gradient
error gawoy var env oklch oklab lab lch color color-mix light-dark
"""
_AT_RULES = """
ok w media charset
warn gawo supports page
warn gawoy keyframes
ok gawoy font-face import
error gawoy layer container property scope namespace
"""
# @font-face and @import are errors of the rule `remote`, which need not be told twice.

Table = dict[str, tuple[str, str]]
_ADVICE = {
    "tag": "Use <table>, <div>, <p> or <span>",
    "property": "Lay it out with tables and padding, or leave it out",
    "display": "Lay it out with tables",
    "function": "Write the value itself",
    "at-rule": "Keep to @media",
}


def _table(text: str) -> Table:
    made: Table = {}
    for line in text.strip().splitlines():
        verdict, clients, *names = line.split()
        made |= dict.fromkeys(names, (clients, verdict))
    return made


TAGS, PROPERTIES, DISPLAYS = _table(_TAGS), _table(_PROPERTIES), _table(_DISPLAYS)
FUNCTIONS, AT_RULES = _table(_FUNCTIONS), _table(_AT_RULES)


def support(page: LetterPage) -> Iterator[Finding]:
    yield from page.sheet.findings
    has_mso = any("mso" in comment for _, comment in page.comments)
    for node in page.all():
        if node.tag not in ("script", "form", "link", "base") and ":" not in node.tag:
            yield from _verdict("tag", f"<{node.tag}>", TAGS.get(node.tag), node.where)
        declarations, faults = inline(node)
        yield from faults
        for one in declarations:
            yield from _declaration(one, node.where)
            if one.important:
                what = f"Outlook (Windows) skips what is !important in a style attribute, as {one.name} here"
                yield warning("client-css", node.where, what, "Leave !important to <style>")
            if one.name == "max-width" and not (has_mso or _is_wide(node)) and not _closed(one):
                what = f"Outlook (Windows) does not know max-width, so this <{node.tag}> is as wide as the window"
                remedy = "Put it into a table of that width, in a comment for Outlook: <!--[if mso]>"
                yield warning("client-css", node.where, what, remedy)
    yield from _sheet(page)


def _sheet(page: LetterPage) -> Iterator[Finding]:
    if page.sheet.size > GMAIL_STYLE:
        what = f"<style> has {page.sheet.size} bytes; Gmail drops all of it over {GMAIL_STYLE}"
        yield error("style-size", page.all("style")[0].where, what, "Shorten it")
    for node in page.all("style"):
        if not node.inside("head"):
            what = "<style> stands outside <head>, where Gmail and Yahoo drop it"
            yield error("client-css", node.where, what, "Move it into <head>")
    for at in page.sheet.at_rules:
        where = f"HTML line {at.line}"
        yield from _verdict("at-rule", f"@{at.name}", AT_RULES.get(at.name), where)
        if at.inside:
            what = f"@{at.name} stands in @{at.inside}: Gmail drops the whole <style>"
            yield error("css-nesting", where, what, "Write “@media a and b” instead")
        for feature in re.findall(r"\(\s*([a-z-]+)", at.prelude.lower()) if at.name == "media" else ():
            if feature not in (
                "prefers-color-scheme",
                "max-width",
                "min-width",
                "max-device-width",
                "min-device-width",
            ):
                what = f"@media ({feature}) is not known to work in mail, and was not computed with"
                yield warning("client-css", where, what, "Ask for the width or the colour scheme only")
    for rule in page.sheet.rules:
        where = f"HTML line {rule.line}"
        # Selectors that only one client's own attributes match are meant for that client.
        if "[" in rule.selector and not re.search(r"\[(data-og|owa|x-apple)", rule.selector):
            what = "Gmail skips rules that select by attribute"
            yield warning("client-css", where, what, "Select by class")
        if re.search(r":(has|is|where|not|nth-|first-of|last-of|checked|target)", rule.selector):
            what = f"Gmail and Outlook skip the rule of “{rule.selector}”"
            yield warning("client-css", where, what, "Select by class")
        for one in rule.declarations:
            yield from _declaration(one, f"HTML line {one.line}", at_best=bool(rule.media))


def _declaration(one: Declaration, where: str, at_best: bool = False) -> Iterator[Finding]:
    """`at_best`: it stands in a media query, hence is no client's only layout."""
    name = one.name
    if name.startswith("--"):
        yield from _verdict("function", "a variable of CSS", FUNCTIONS["var"], where, at_best)
        return
    if name.startswith(("mso-", "-ms-", "-webkit-", "-moz-")):
        return  # each is for its own client, and skipped by the others
    # What makes `position` harmless is what is there by default anyway.
    harmless = name == "position" and one.text.lower() in ("static", "relative")
    yield from () if harmless else _verdict("property", name, PROPERTIES.get(name), where, at_best)
    if name == "display":
        value = one.text.lower()
        yield from _verdict("display", f"display: {value}", DISPLAYS.get(value), where, at_best)
    if name.startswith("margin") and any(_negative(token) for token in one.value):
        what = f"a negative {name}, which Gmail and Outlook skip"
        yield warning("client-css", where, what, "Lay it out without")
    for function in functions(one.value):
        called = "url" if function.type == "url" else function.lower_name
        yield from _verdict("function", f"{called}() in {name}", FUNCTIONS.get(called), where, at_best)
    if name == "background" and any(one.type == "url" for one in functions(one.value)):
        yield from _verdict("property", "a picture as background", PROPERTIES["background-image"], where)


def _verdict(
    kind: str, what: str, row: tuple[str, str] | None, where: str, at_best: bool = False
) -> Iterator[Finding]:
    rule, remedy = "client-tag" if kind == "tag" else "client-css", _ADVICE[kind]
    if row is None:
        yield warning(rule, where, f"{what} is not known to work in mail clients", remedy)
        return
    clients, verdict = row
    if verdict in ("warn", "error"):
        names = ", ".join(CLIENTS[one] for one in clients)
        say = error if verdict == "error" and not at_best else warning
        yield say(rule, where, f"{what} fails in {names}", remedy)


def _is_wide(node: Node) -> bool:
    return node.get("width", "").removesuffix("px").isdigit()


def _closed(one: Declaration) -> bool:
    """max-width: 0 hides the preheader; 100% limits to what is there."""
    return one.text in ("0", "0px", "100%", "none")


def _negative(token: Any) -> bool:
    return token.type in ("number", "dimension", "percentage") and token.value < 0
