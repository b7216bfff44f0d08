"""Web addresses that a source names, as links of a paper. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from digest.model import Link

_WEB_ADDRESS = re.compile(
    r"(?<![\w/.@])(?:(?i:https?)://|(?=(?:www\.)?git(?:hub|lab)\.com/))((?:[^\s<>\"{}|\\^`\x00-\x20\x7f-\U0010ffff]"
    r"|\\[_%#&~])+)"
)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?::[0-9]{2,5})?")
_PLAIN = re.compile(r"(?i:https?)://[^\s<>\"{}|\\^`\x00-\x20\x7f-\U0010ffff]+")
_MOST_LINKS = 8
CODE_HOSTS = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")


def links_in(abstract: str) -> tuple[Link, ...]:
    """Code and project pages that an abstract names.

    An arXiv address in an abstract is left out: it is another paper's more often than the paper's own.
    """
    links: dict[str, Link] = {}
    for found in _WEB_ADDRESS.finditer(abstract):
        url = _trimmed(re.sub(r"\\([_%#&~])", r"\1", found[0]))
        if not url.lower().startswith("http"):
            url = "https://" + url
        link = web_link(url)
        if link is None or _host(url).endswith("arxiv.org"):
            continue
        links.setdefault(url, link)
        if len(links) == _MOST_LINKS:
            break
    return tuple(links.values())


def web_link(url: str) -> Link | None:
    """A link to code or to another page; None for what is no ordinary address on the web."""
    host = _host(url)
    if len(url) > 500 or not _PLAIN.fullmatch(url) or not _HOST.fullmatch(host):
        return None
    return Link("code" if host.removeprefix("www.") in CODE_HOSTS else "page", url)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _trimmed(url: str) -> str:
    """Without the punctuation of the sentence around it."""
    while url and (url[-1] in ".,;:!?'*_~]$" or (url[-1] == ")" and url.count(")") > url.count("("))):
        url = url[:-1]
    return url
