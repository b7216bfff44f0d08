"""The bytes of a feed → the tree of its elements, by libxml2. Pure: nothing that a feed names is fetched.

What a feed is made of is hostile until it is text. No entity can be declared, since a document that declares any is
refused; libxml2 bounds depth and size; and its time is linear, also where it has to mend.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin

import webencodings
from lxml import etree

from digest.errors import SourceUnreadable

Element = Any  # lxml tells no types

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BARE_UTF16 = ((b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"))
_CHARSET = re.compile(r"charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_DECLARED = re.compile(
    rb"\s{0,99}<\?xml\b[^<>]{0,200}?\bencoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})", re.IGNORECASE
)
_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE\b([^<>\[]*)([>\[])", re.IGNORECASE)
_PAGE = re.compile(
    r"<(?:!doctype\s+html\b|(?:html|head|body|script|meta|title|div|p|h1|center)[\s>])", re.IGNORECASE
)
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NUMBERED = re.compile(r"&#[xX]?[0-9a-fA-F]*;?")
_REFERENCE = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<(?=[\s0-9=])|&(?:#[0-9]{1,7};|([A-Za-z][A-Za-z0-9]{1,31});)?", re.DOTALL
)
_ABBREVIATED = 200  # characters of what a parser says


def unreadable(name: str, detail: str, remedy: str = "") -> SourceUnreadable:
    more = {"remedy": remedy} if remedy else {}
    return SourceUnreadable(source=name, detail=detail, **more)


def decoded(data: bytes, content_type: str = "") -> str:
    """The text of a feed, whatever its header and its first line say its encoding is. Never fails.

    What is UTF-8 throughout is UTF-8: no other text is by chance, and servers say `iso-8859-1` of anything. Of the
    rest the header counts, then the document's own word, then Windows-1252, which Latin-1 and a wrong "UTF-8" mean.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    for start, encoding in _BARE_UTF16:
        if data.startswith(start):
            return data.decode(encoding, "replace")
    charset, own = _CHARSET.search(content_type), _DECLARED.match(data)
    labels = [charset[1] if charset else "", own[1].decode("ascii") if own else "", "windows-1252"]
    said = [found for label in labels if label and (found := webencodings.lookup(label))]
    escaped = [one for one in said if one.name == "iso-2022-jp"]  # written in ASCII, hence valid UTF-8
    for one in (*escaped, webencodings.UTF8, *said):
        if one.name.startswith("utf-16") or one.name == "replacement":
            continue  # its own declaration was read, so it is not
        try:
            return str(one.codec_info.decode(data, "strict")[0])
        except ValueError:
            continue
    return data.decode("cp1252", "replace")


def tree(text: str, name: str, *, mend: bool, base: str = "") -> Element:
    """The root of an XML document; `name` is what messages call it, `base` what its relative links start from.

    With `mend` a document that is not well-formed gives what can be read of it; without, stray controls and
    ampersands are mended and nothing else, so that a document that was cut off is never taken for a whole one.
    Raises SourceUnreadable.
    """
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise unreadable(name, "the answer is empty")
    text = _without_doctype(text, name, base)
    try:
        return _parsed(text, base, recover=False)
    except etree.XMLSyntaxError as error:
        reason = " ".join(str(error.msg).split())[:_ABBREVIATED]
    mended = _REFERENCE.sub(_mended, _NUMBERED.sub(_character, _NO_XML.sub("", text)))
    try:
        root = _parsed(mended, base, recover=mend)
    except etree.XMLSyntaxError:
        root = None
    if root is None:
        raise unreadable(name, f"it is not well-formed XML: {reason}")
    return root


def local(element: Element) -> str:
    """The name of an element without its namespace; "" for what is none."""
    tag = element.tag
    return tag.rpartition("}")[2].rpartition(":")[2] if isinstance(tag, str) else ""


def joined(base: str, url: str) -> str:
    """An address, as it stands at `base`; "" where it is none."""
    url = url.strip()
    try:
        return urljoin(base, url) if url else ""
    except ValueError:
        return ""


def _parsed(text: str, base: str, *, recover: bool) -> Element:
    parser = etree.XMLParser(
        encoding="utf-8",
        recover=recover,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return etree.fromstring(text.encode("utf-8", "replace"), parser, base_url=base or None)


def _without_doctype(text: str, name: str, base: str) -> str:
    """The document from its root on. Raises SourceUnreadable for a web page and for a document type of its own."""
    start = _end_of_prolog(text, 0)
    if found := _DOCTYPE.match(text, start):
        if found[1].split()[:1] in (["html"], ["HTML"]):
            raise _page_instead(text, name, base)
        start = _end_of_prolog(text, found.end())
        if found[2] == "[" or _DOCTYPE.match(text, start):
            raise unreadable(name, "its document type declares entities of its own, which feeds do not need")
    if _PAGE.match(text, start):
        raise _page_instead(text, name, base)
    if text[start : start + 1] != "<":
        raise unreadable(name, f"it is not XML: it starts with {text[start : start + 20]!r}")
    return "\n" * text.count("\n", 0, start) + text[start:]  # so that lines keep their numbers


def _end_of_prolog(text: str, at: int) -> int:
    found = _PROLOG.match(text, at)
    return found.end() if found else at


def _page_instead(text: str, name: str, base: str) -> SourceUnreadable:
    """The error for a web page where a feed should be; it tells which feeds the page names."""
    feeds: list[str] = []
    for link in re.findall(r"<link\s[^<>]{0,2000}>", text[:500_000], re.IGNORECASE):
        attributes = {key.lower(): a or b or c for key, a, b, c in _ATTRIBUTE.findall(link)}
        kind = attributes.get("type", "").lower()
        if "alternate" in attributes.get("rel", "").lower() and kind in _FEED_TYPES and attributes.get("href"):
            feeds.append(joined(base, unescape(attributes["href"]))[:_ABBREVIATED])
    remedy = f"The page names this feed: {feeds[0]}" if feeds else ""
    if len(feeds) > 1:
        remedy = f"The page names these feeds: {', '.join(dict.fromkeys(feeds[:5]))}"
    return unreadable(name, "it is a web page, not a feed", remedy)


_ATTRIBUTE = re.compile(r"([\w-]{1,40})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")


def _mended(found: re.Match[str]) -> str:
    """An `&` or `<` that starts nothing is itself; a name that only HTML knows becomes its character."""
    if found[0][0] == "<":
        return "&lt;" if found[0] == "<" else found[0]
    if found[0] == "&":
        return "&amp;"
    if found[1] is None:
        return found[0]
    if found[1] in ("amp", "lt", "gt", "quot", "apos"):
        return found[0]
    character = unescape(found[0])
    return character if character != found[0] else f"&amp;{found[1]};"


def _character(found: re.Match[str]) -> str:
    """The character of a number; none where XML has none, as libxml2 gives half a surrogate pair when it mends."""
    text = unescape(found[0]) if 3 < len(found[0]) <= 12 else ""
    return f"&#{ord(text)};" if text and text in "<>&" else _NO_XML.sub("", text).replace("\ufffd", "")
