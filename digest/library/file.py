"""A library file → a Library: its encoding and its format, told by what is in it.

Pure: bytes in, papers out. Reading files and writing the store is for the floors above.
"""

from __future__ import annotations

import re

from digest.errors import LibraryUnreadable
from digest.library import bibtex, plain_list, ris, zotero
from digest.library.material import Library

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_BINARY = (
    (b"%PDF", "a PDF; export the references, not the papers"),
    (b"PK\x03\x04", "a ZIP archive; unpack it"),
    (b"\x1f\x8b", "compressed with gzip; unpack it"),
    (b"SQLite format 3", "a database; export it as BibTeX, RIS or Zotero JSON"),
)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_MARKUP = re.compile(r"\s*<(?:[!?]|[a-z])", re.IGNORECASE)
_OTHER_EXPORT = re.compile(r"^(?:PMID- |%0 |FN [A-Z]|DN {2})", re.MULTILINE)


def parse(data: bytes, name: str) -> Library:
    """What the library file says; `name` is the file as messages should show it. Raises `LibraryUnreadable`."""
    text, notes = _decoded(data, name)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise LibraryUnreadable(path=name, detail="the file is empty")
    if zotero.START.match(text):
        kind, parser = "Zotero JSON", zotero.parse
    elif _MARKUP.match(text):
        raise LibraryUnreadable(path=name, detail="it is HTML or XML")
    elif bibtex.START.search(text):
        kind, parser = "BibTeX", bibtex.parse
    elif ris.START.search(text):
        kind, parser = "RIS", ris.parse
    elif _OTHER_EXPORT.search(text[:5000]):
        raise LibraryUnreadable(path=name, detail="it is an export in another format")
    else:
        kind, parser = "list", plain_list.parse
    items, rejected = parser(text)
    return Library(kind, tuple(items), tuple(rejected), tuple(notes))


def _decoded(data: bytes, name: str) -> tuple[str, list[str]]:
    for start, what in _BINARY:
        if data.startswith(start):
            raise LibraryUnreadable(path=name, detail=f"it is {what}")
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data.removeprefix(b"\xef\xbb\xbf").decode(encoding), []
            except UnicodeDecodeError as error:
                if encoding != "utf-8":
                    detail = f"its first bytes say {encoding.upper()}, and it breaks off at byte {error.start}"
                    raise LibraryUnreadable(path=name, detail=detail) from None
                data = data.removeprefix(mark)
                break
    if b"\x00" in data:
        raise LibraryUnreadable(path=name, detail="it is not text: it has NUL bytes")
    try:
        text, notes = data.decode("utf-8"), list[str]()
    except UnicodeDecodeError:
        text, notes = _mixed(data)
    if len(_CONTROLS.findall(text)) > len(text) // 100:
        raise LibraryUnreadable(path=name, detail="it is not text")
    return text, notes


def _mixed(data: bytes) -> tuple[str, list[str]]:
    """Line by line, since files that were put together from several hold lines in several encodings."""
    lines: list[str] = []
    others: list[int] = []
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", data), 1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            others.append(number)
            # Five bytes have no character in Windows-1252; ISO 8859-1 has one for each.
            cp1252 = not re.search(rb"[\x81\x8d\x8f\x90\x9d]", line)
            lines.append(line.decode("cp1252" if cp1252 else "latin-1"))
    named = ", ".join(map(str, others[:5])) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    return "\n".join(lines), [f"not UTF-8, read as Windows-1252: line{'s' * (len(others) > 1)} {named}"]
