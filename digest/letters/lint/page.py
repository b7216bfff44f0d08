"""The HTML of a letter as a tree that knows its lines, and what is wrong with the nesting of its tags.

Nothing is mended here as a browser would: a tag that is left open is a fault, since no two mail clients mend alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import cast
from xml.etree import ElementTree

from digest.letters.lint.finding import Finding, error


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOID = _set("area base br col embed hr img input link meta source track wbr")
BLOCKS = _set(
    "address article aside blockquote body center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table tbody td tfoot th thead tr ul"
)
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
DEEPEST = 250  # open tags; no letter needs a tenth of it
UNSEEN = frozenset(("head", "style", "script", "title", "template"))
_CHILDREN = {
    "table": {"caption", "colgroup", "thead", "tbody", "tfoot", "tr"},
    "thead": {"tr"},
    "tbody": {"tr"},
    "tfoot": {"tr"},
    "tr": {"td", "th"},
    "ul": {"li"},
    "ol": {"li"},
}
_MSO = re.compile(r"<!--\[if ([^\]]{0,200})\]>(.*?)<!\[endif\]-->", re.DOTALL)
_END, _NOT_END = "<![endif]-->", "<!--<![endif]-->"
_BEGINS = re.compile(r"<[A-Za-z/!?]")
_NOT_MSO = re.compile(r"<!--\[if !mso\]><!-->(.*?)<!--<!\[endif\]-->", re.DOTALL)


class Node(ElementTree.Element):
    """An element that knows its line, its parent, and which of the page's texts it holds."""

    def __init__(self, page: Page, tag: str, attrib: dict[str, str], line: int, parent: Node | None) -> None:
        super().__init__(tag, attrib)
        self.page, self.line, self.parent = page, line, parent
        self.first, self.last = len(page.flow), -1  # its texts in the flow; -1: to the end
        self.unseen: bool = tag in UNSEEN or (parent is not None and parent.unseen)

    @property
    def where(self) -> str:
        return f"HTML line {self.line}"

    def nodes(self, *tags: str) -> Iterator[Node]:
        """This element and all below, in order; of these tags, if any are named."""
        for one in self.iter():
            if not tags or one.tag in tags:
                yield cast(Node, one)

    def up(self) -> Iterator[Node]:
        """This element and those around it, the nearest first."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def texts(self) -> list[Text]:
        return self.page.flow[self.first : self.last if self.last >= 0 else None]

    def words(self) -> str:
        """All text in it, in order, with single spaces; that of <style> and the like is none."""
        return " ".join("".join(one.text for one in self.texts() if not one.node.unseen).split())

    def classes(self) -> list[str]:
        return self.get("class", "").lower().split()

    def inside(self, *tags: str) -> bool:
        return any(one.tag in tags for one in self.up())


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text, directly in `node`."""

    node: Node
    line: int
    text: str

    @property
    def where(self) -> str:
        return f"HTML line {self.line}"


class Page(HTMLParser):
    """A parsed page. `root` is the <html> element, or what stands in for it; `findings` tell of the mark-up."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.doctype = ""
        self.comments: list[tuple[int, str]] = []
        self.findings: list[Finding] = []
        self.flow: list[Text] = []  # every text, in order; blocks and breaks are spaces in it
        self._deep = 0
        self._top = self._open = Node(self, "#page", {}, 1, None)
        # Where nothing ends any more, the parser would look to the end of the page from each beginning.
        self._last_comment = html.rfind("-->")
        unclosed = _BEGINS.search(html, html.rfind(">") + 1)
        self._fed = unclosed.start() if unclosed else len(html)
        try:
            self.feed(html[: self._fed])
            self.close()
        except AssertionError as fault:  # how html.parser says that it gives up, as at <![odd[
            what = f"the mark-up cannot be read: {fault}"
            self._say(self.getpos()[0], what, "Mend it; nothing after it was looked at")
        else:
            if unclosed:
                self._cut(unclosed.start(), "a tag or comment is never closed")
        for node in self._open.up():
            if node is not self._top:
                self._say(node.line, f"<{node.tag}> is never closed", f"Close it with </{node.tag}>")
        self.root = next((one for one in self._top.nodes("html") if one.parent is self._top), self._top)

    @property
    def body(self) -> Node:
        return next(self.root.nodes("body"), self.root)

    def all(self, *tags: str) -> list[Node]:
        return [one for one in self._top.nodes(*tags) if one is not self._top]

    def handle_decl(self, decl: str) -> None:
        if decl.lower().startswith("doctype") and not self.doctype:
            early = not len(self._top) and not self._top.words()
            self.doctype = decl[7:].strip().lower() if early else "late"

    def parse_comment(self, i: int, report: bool = True) -> int:
        place = self._fed - len(self.rawdata) + i  # at the end the parser keeps only what it has not read
        if place <= self._last_comment:
            return super().parse_comment(i, report)
        self._cut(place, "a comment is never closed")
        return len(self.rawdata)

    def handle_comment(self, data: str) -> None:
        self.comments.append((self.getpos()[0], data))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line, around = self.getpos()[0], self._open
        if self._deep >= DEEPEST:
            self._say(line, f"more than {DEEPEST} tags are open here", "Close them; nothing below was looked at")
            return
        for name, number in Counter(name for name, _ in attrs).items():
            if number > 1:
                self._say(line, f"<{tag}> has {name} twice", "Keep one; clients disagree on which counts")
        outer = next((one.tag for one in around.up() if one.tag in BLOCKS), "")
        if tag in BLOCKS and outer in ("p", *HEADINGS):
            what = f"<{tag}> stands in <{outer}>, which has room for words only"
            self._say(line, what, f"Close the <{outer}> before")
        elif tag in ("td", "th") and around.tag != "tr":
            self._say(line, f"<{tag}> stands outside <tr>", "Put it into a row")
        if tag == "a" and around.inside("a"):
            self._say(line, "a link stands in a link", "Close the first one before it")
        if around.tag in _CHILDREN and tag not in _CHILDREN[around.tag]:
            self._say(line, f"<{tag}> stands directly in <{around.tag}>", "Put it into a cell or an item")
        self._gap(tag)
        node = Node(self, tag, {name: value or "" for name, value in reversed(attrs)}, line, around)
        around.append(node)
        if tag in VOID:
            node.last = len(self.flow)
        else:
            self._open, self._deep = node, self._deep + 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # as HTML has it, the slash closes nothing

    def handle_endtag(self, tag: str) -> None:
        line = self.getpos()[0]
        if tag in VOID:
            self._say(line, f"</{tag}> closes what has no end", "Remove it")
            return
        opened = next((one for one in self._open.up() if one.tag == tag), None)
        if opened is None or opened.parent is None:
            self._say(line, f"</{tag}> closes nothing", "Remove it, or open it before")
            return
        for node in self._open.up():
            node.last, self._deep = len(self.flow), self._deep - 1
            if node is opened:
                break
            self._say(node.line, f"<{node.tag}> is still open where </{tag}> comes", f"Close it with </{node.tag}>")
        self._open = opened.parent
        self._gap(tag)

    def handle_data(self, data: str) -> None:
        line = self.getpos()[0] + data[: len(data) - len(data.lstrip())].count("\n")
        if data.strip() and (self._open.tag in _CHILDREN or self._open.parent is None):
            self._say(line, "text stands where only tags may", "Put it into a cell, an item or the <body>")
        self.flow.append(Text(self._open, line, data))

    def _gap(self, tag: str) -> None:
        """A block or a break parts words as a space does."""
        if tag in BLOCKS or tag == "br":
            self.flow.append(Text(self._open, self.getpos()[0], " "))

    def _cut(self, place: int, what: str) -> None:
        line = self.html.count("\n", 0, place) + 1
        self._say(line, what, "Close it; nothing after it was looked at")

    def _say(self, line: int, what: str, remedy: str) -> None:
        self.findings.append(error("nesting", f"HTML line {line}", what, remedy))


def for_word(html: str) -> str:
    """The page as Outlook for Windows reads it: conditional comments opened or left out, the lines kept."""

    def blank(text: str) -> str:
        return "\n" * text.count("\n")

    def opened(found: re.Match[str]) -> str:
        return found[2] if "mso" in found[1] and "!" not in found[1] else blank(found[0])

    def replaced(pattern: re.Pattern[str], how: Callable[[re.Match[str]], str], html: str, last: str) -> str:
        # Beyond the last end nothing can match, and looking for it from each beginning would take long.
        end = html.rfind(last) + len(last)
        return pattern.sub(how, html[:end]) + html[end:]

    html = replaced(_NOT_MSO, lambda found: blank(found[0]), html, _NOT_END)
    return replaced(_MSO, opened, html, _END)


def squeezed(text: str) -> str:
    """Without any white space, so that wrapping makes no difference."""
    return "".join(text.split())
