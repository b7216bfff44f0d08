"""A saved page of trending papers, whatever it was saved as → its papers. Pure: bytes in, `Page` out."""

from __future__ import annotations

from digest.model import Page
from digest.sources import saved_html, saved_page
from digest.sources.encoding import is_html


def parse(data: bytes, name: str) -> Page:
    """HTML, a web archive or plain text, told by what the bytes look like; `name` is what messages call it.

    A page without papers has no entries; that is not an error. Raises PageUnreadable for bytes that are no page.
    """
    return saved_html.parse(data, name) if is_html(data) else saved_page.parse(data, name)
