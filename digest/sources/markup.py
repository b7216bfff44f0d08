"""HTML from a feed → text. Pure."""

from __future__ import annotations

from html import unescape

import nh3


def plain(html: str) -> str:
    """The text of a piece of HTML: no tags, no scripts, entities decoded; blocks and line breaks leave a space."""
    spaced = html.replace("<br", " <br").replace("<p", " <p").replace("</p>", "</p> ")
    return unescape(nh3.clean(spaced, tags=set()))
