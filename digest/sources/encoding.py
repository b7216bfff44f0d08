"""The bytes of a saved page → its text; what they are if they are no text. Pure."""

from __future__ import annotations

import json
import re
from email.parser import BytesParser
from email.policy import compat32

import webencodings

from digest.errors import PageUnreadable

_FORMATS = (
    (re.compile(rb"%PDF-"), "a PDF file"),
    (re.compile(rb"(?i)<!doctype html|<html[\s>]|<head[\s>]|<body[\s>]"), "an HTML page"),
    (re.compile(rb"<\?xml|(?i:<rss[\s>]|<feed[\s>])"), "an XML document"),
    (re.compile(rb"\{\\rtf"), "a rich-text (RTF) document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an office document"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive"),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), "an image"),
    (re.compile(rb"(?i)From: <Saved by|MIME-Version:"), "a web archive (MHTML)"),
    (re.compile(rb'\{\s*"[^"\n]*"\s*:|\[\s*\{\s*["}]'), "a JSON document"),
)
_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x00\x00\xfe\xff", "UTF-32"))


def decoded(data: bytes, name: str) -> str:
    """The text of a page that was saved as plain text; raises PageUnreadable for anything else, naming it."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            raise PageUnreadable(path=name, detail=f"the byte order mark at its start says {encoding}, not UTF-8")
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, what in _FORMATS:
        if pattern.match(start):
            raise PageUnreadable(path=name, detail=f"it looks like {what}, not like a page saved as text")
    if (nul := data.find(b"\x00")) >= 0:
        raise PageUnreadable(path=name, detail=f"it is not text: a NUL byte at {_place(data, nul)}")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        raise PageUnreadable(
            path=name, detail=f"it is not UTF-8: byte 0x{byte:02x} at {_place(data, error.start)}"
        ) from None
    if start[:1] in (b"[", b"{") and _is_json(text):
        raise PageUnreadable(path=name, detail="it looks like a JSON document, not like a page saved as text")
    return text


# ---- HTML

_HTML_START = re.compile(
    rb"(?>\s+|<!--.*?-->|<\?xml[^>]*>)*+<(?:!doctype\s+html|(?:html|head|body|title|meta|link|base|script|style|main"
    rb"|header|nav|section|article|div|h[1-6]|ul|ol|dl|table|form|p)(?=[\s>/]))",
    re.IGNORECASE | re.DOTALL,
)
_ARCHIVE_START = re.compile(rb"(?i)\s*(?:From: <Saved by|MIME-Version:)")
_CHARSET = re.compile(rb"<meta\s[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_HEAD = 1 << 16  # bytes in which a page says what it is


def is_html(data: bytes) -> bool:
    """Does it look like HTML, or a web archive (MHTML)? What it is called says nothing."""
    head = data[:_HEAD]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    head = head.removeprefix(b"\xef\xbb\xbf")
    return bool(_HTML_START.match(head) or _ARCHIVE_START.match(head))


def html_text(data: bytes, charset: str = "") -> str:
    """Any bytes → text: by the byte order mark, else as UTF-8 where it is valid, else by `charset`, which was sent
    along, or the page's own `<meta charset>`."""
    declared = _CHARSET.search(data[:_HEAD])
    label = charset or (declared[1].decode("ascii", "ignore") if declared else "")
    if not data.isascii():
        # Browsers save UTF-8 and may leave a declaration of something else in place. Hardly another text is valid.
        try:
            return data.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError:
            pass
    encoding = webencodings.lookup(label) or webencodings.lookup("windows-1252")
    return str(webencodings.decode(data, encoding, errors="replace")[0])


def unarchived(data: bytes, name: str) -> tuple[bytes, str, str]:
    """The page in a web archive, the address that it was saved from and its charset; other bytes as they are."""
    if not _ARCHIVE_START.match(data[:_HEAD]):
        return data, "", ""
    try:
        archive = BytesParser(policy=compat32).parsebytes(data.lstrip())
        page = next((part for part in archive.walk() if part.get_content_type() == "text/html"), None)
    except RecursionError:
        page = None
    if page is None:
        raise PageUnreadable(path=name, detail="it is a web archive (MHTML) without a page in it")
    address = page.get("Content-Location") or archive.get("Snapshot-Content-Location") or ""
    content = page.get_payload(decode=True)
    return content if isinstance(content, bytes) else b"", str(address), page.get_content_charset() or ""


# ---- messages


def _place(data: bytes, offset: int) -> str:
    line = data[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
    return f"offset {offset}, line {line}"


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False
