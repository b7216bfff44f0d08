"""The skeleton of the page: what reading programs ask for, tables, images, headings, what must not be there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from unicodedata import bidirectional

from digest.letters.lint.finding import Finding, error, warning
from digest.letters.lint.letter import LIGHT, LetterPage
from digest.letters.lint.page import BLOCKS, HEADINGS, Node, Page, Text, for_word
from digest.letters.lint.sheet import functions, inline

TOP = "HTML line 1"
READABLE = 15  # words that a letter with images must have without them
FORBIDDEN = re.compile(
    "script|form|input|button|select|textarea|iframe|frame|frameset|object|embed|applet|portal|base|audio|video"
)
SOURCES = ("src", "srcset", "background", "poster", "data")
_LANGUAGE = re.compile(
    r"[A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?(-([A-Za-z\d]{5,8}|\d[A-Za-z\d]{3}))*"
)


def structure(page: LetterPage) -> Iterator[Finding]:
    yield from page.findings
    told = {(one.rule, one.message) for one in page.findings}
    # Outlook for Windows reads what other programs take for a comment, so its page must be whole as well.
    for one in Page(for_word(page.html)).findings:
        if (one.rule, one.message) not in told:
            yield error(one.rule, one.where, f"{one.message}, for Outlook on Windows", one.remedy)
    if page.doctype != "html":
        yield error("doctype", TOP, "the page does not begin with <!doctype html>", "Put it into the first line")
    roots = page.all("html")
    if len(roots) != 1:
        yield error("lang", TOP, f"there are {len(roots)} <html> elements", "Have one, with a lang")
    for root in roots[:1]:
        lang = root.get("lang", "")
        if not _LANGUAGE.fullmatch(lang):
            what = f"lang is “{lang}”" if lang else "<html> has no lang"
            yield error("lang", root.where, what, 'Name the language, as in lang="en" or lang="pt-BR"')
    titles = page.all("title")
    if not any("".join(one.text for one in title.texts()).strip() for title in titles):
        yield error("title", TOP, "there is no <title>, or it is empty", "Put the subject into it")
    yield from _metas(page)
    for name, number in Counter(one.get("id", "") for one in page.all() if "id" in one.attrib).items():
        if number > 1 or not name.strip():
            places = [one for one in page.all() if one.get("id") == name]
            yield error(
                "duplicate-id", places[-1].where, f"the id “{name}” stands {number} times", "Name each once"
            )
    yield from _tables(page)


def _metas(page: LetterPage) -> Iterator[Finding]:
    named = {one.get("name", "").lower(): one.get("content", "").lower() for one in page.all("meta")}
    charsets = [one.get("charset", "").lower() for one in page.all("meta") if "charset" in one.attrib]
    charsets += re.findall(
        r"charset=([\w-]+)", " ".join(one.get("content", "") for one in page.all("meta")).lower()
    )
    if charsets != ["utf-8"]:
        yield error("charset", TOP, "the page does not say once that it is UTF-8", '<meta charset="utf-8">')
    if "width=device-width" not in named.get("viewport", "").replace(" ", ""):
        remedy = '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield error("viewport", TOP, "phones are not told the width of the page", remedy)
    if set(named.get("color-scheme", "").split()) != {"light", "dark"}:
        remedy = '<meta name="color-scheme" content="light dark">'
        yield error("color-scheme", TOP, "the page does not say that it can be light and dark", remedy)


def _tables(page: LetterPage) -> Iterator[Finding]:
    for table in page.all("table"):
        own = [one for one in table.nodes("th") if next(up for up in one.up() if up.tag == "table") is table]
        if table.get("role", "").lower() in ("presentation", "none"):
            if own:
                yield error(
                    "table-role", table.where, "a table for layout has <th>", "Remove the role, or use <td>"
                )
        elif not own:
            what = 'a table has neither role="presentation" nor <th>'
            yield error("table-role", table.where, what, "Give it the role if it is for layout, <th> if it is data")
    for line, comment in page.comments:
        for tag in re.findall(r"<table\b[^>]*>", comment, re.IGNORECASE):
            if not re.search(r"role=[\"']?(presentation|none)", tag):
                what = 'a table in a comment for Outlook has no role="presentation"'
                yield error("table-role", f"HTML line {line}", what, "Give it the role")


def direction(page: LetterPage) -> Iterator[Finding]:
    """Text written from right to left must say so, or let the client look."""
    strong: dict[Node, bool | None] = {}
    for text in page.flow:
        if _strong(text.text) is not True or not page.seen(text.node):
            continue
        around = next((one for one in text.node.up() if "dir" in one.attrib or one.tag == "bdi"), None)
        if around is not None and (around.get("dir", "auto").lower() in ("auto", "rtl")):
            continue
        block = next((one for one in text.node.up() if one.tag in BLOCKS), text.node)
        if block not in strong:
            strong[block] = _strong("".join(one.text for one in block.texts()))
        say = error if strong[block] else warning
        what = "text from right to left stands where nothing says so"
        yield say("dir", text.where, what, f'Give the <{text.node.tag}> dir="auto", or put the words into <bdi>')


def _strong(text: str) -> bool | None:
    """Does the first letter that has a direction go from right to left? None where there is none."""
    for letter in text:
        kind = bidirectional(letter)
        if kind in ("R", "AL", "L"):
            return kind != "L"
    return None


def images(page: LetterPage) -> Iterator[Finding]:
    found = page.all("img")
    for image in found:
        if "alt" not in image.attrib:
            yield error(
                "img-alt", image.where, "an image has no alt", 'Say what it shows, or alt="" for decoration'
            )
        for name in ("width", "height"):
            if not re.fullmatch(r"\d+%?", image.get(name, "")):
                yield error(
                    "img-size", image.where, f"an image has no {name}", "Give it in pixels, as an attribute"
                )
        look = page.looks[LIGHT].get(image)
        small = any(image.get(name, "").strip() in ("0", "1") for name in ("width", "height"))
        declared = {one.name: one.text for one in inline(image)[0]}
        small |= any(re.fullmatch(r"[01](\.\d+)?(px)?", declared.get(name, "")) for name in ("width", "height"))
        if small or (look is not None and not look.seen):
            yield error(
                "tracking-pixel", image.where, "an image is not to be seen", "Remove it: letters watch nobody"
            )
    pictures = bool(found) or any("background" in one.attrib for one in page.all())
    if pictures and len(page.words.split()) < READABLE:
        yield error("images-only", TOP, "without its images the letter says nothing", "Write it in text")


def safety(page: LetterPage) -> Iterator[Finding]:
    """Nothing runs, nothing watches, nothing is fetched in the clear."""
    for node in page.all():
        if FORBIDDEN.fullmatch(node.tag):
            yield error("forbidden-tag", node.where, f"<{node.tag}> has no place in a letter", "Remove it")
        if node.tag == "meta" and node.get("http-equiv", "").lower() == "refresh":
            yield error("forbidden-tag", node.where, "the page loads another", "Remove the <meta>")
        for name in node.attrib:
            if name.startswith("on"):
                yield error(
                    "event-handler", node.where, f"<{node.tag}> has {name}", "Remove it: mail runs no script"
                )
        if node.tag == "link":
            yield error("remote", node.where, "<link> fetches a style or a font", "Put the style into the page")
        for name in (one for one in SOURCES if one in node.attrib):
            for part in node.get(name, "").split(",") if name == "srcset" else [node.get(name, "")]:
                yield from _source(part.strip().split(" ")[0], node.where, f"{name} of <{node.tag}>")
        for one in inline(node)[0]:
            yield from _urls(one.value, node.where)
    for rule in page.sheet.rules:
        for one in rule.declarations:
            yield from _urls(one.value, f"HTML line {one.line}")
    for at in page.sheet.at_rules:
        if at.name in ("font-face", "import"):
            yield error(
                "remote", f"HTML line {at.line}", f"@{at.name} fetches a style or a font", "Use what is there"
            )


def _urls(value: tuple[object, ...], where: str) -> Iterator[Finding]:
    for one in functions(value):
        if one.type == "url":
            yield from _source(one.value, where, "a url() in the style")
        elif one.lower_name in ("url", "src", "image-set"):
            for argument in one.arguments:
                if argument.type == "string":
                    yield from _source(argument.value, where, "a url() in the style")


def _source(url: str, where: str, what: str) -> Iterator[Finding]:
    if not re.match(r"(https://|cid:)", url, re.IGNORECASE):
        shown = url if len(url) <= 40 else url[:39] + "…"
        remedy = "Use https, or a part of the mail (cid:)"
        yield error("resource-url", where, f"{what} is “{shown}”, not https", remedy)


def headings(page: LetterPage) -> Iterator[Finding]:
    found = [one for one in page.all(*HEADINGS) if page.seen(one)]
    first = [one for one in found if one.tag == "h1"]
    if len(first) != 1:
        where = first[1].where if first else TOP
        yield error("h1", where, f"there are {len(first)} <h1>", "Have one: the letter's name")
    before = 0
    for one in found:
        level = int(one.tag[1])
        if level > before + 1:
            what = f"<{one.tag}> comes after {f'<h{before}>' if before else 'no heading'}"
            yield error("heading-order", one.where, what, f"Make it <h{before + 1}>")
        before = level
        if not one.words() and not any(image.get("alt") for image in one.nodes("img")):
            yield error("heading-empty", one.where, f"<{one.tag}> is empty", "Say what follows, or remove it")
    for node in page.all():
        if (node.tag == "article" or "card" in node.classes()) and not list(node.nodes(*HEADINGS)):
            yield error("card-heading", node.where, "a card has no heading", "Put its title into <h2>")


def extras(page: LetterPage) -> Iterator[Finding]:
    """The preheader, and the links at the end."""
    first: Text | None = next((one for one in page.body.texts() if one.text.strip() and not one.node.unseen), None)
    if first is None or page.seen(first.node):
        what = "the letter does not begin with a hidden line for the inbox (preheader)"
        yield error("preheader", first.where if first else TOP, what, 'Put it into a <div style="display:none">')
    last: Node | None = page.sections[-1].nodes[0] if page.sections[-1].nodes else None
    if not page.sections[-1].links():
        what = "the letter ends without a link"
        yield error(
            "footer-links", last.where if last is not None else TOP, what, "End it with the reader's choices"
        )
