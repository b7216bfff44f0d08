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
_MOST_LINKS = 8


def links_in(abstract: str) -> tuple[Link, ...]:
    """Code and project pages that an abstract names.

    An arXiv address in an abstract is left out: it is another paper's more often than the paper's own.
    """
    links: dict[str, Link] = {}
    for found in _WEB_ADDRESS.finditer(abstract):
        url = _trimmed(re.sub(r"\\([_%#&~])", r"\1", found[0]))
        if not url.lower().startswith("http"):
            url = "https://" + url
        try:
            host = urlsplit(url).netloc.lower()
        except ValueError:
            continue
        if not _HOST.fullmatch(host) or len(url) > 500 or host.endswith("arxiv.org"):
            continue
        is_code = host.removeprefix("www.") in ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")
        links.setdefault(url, Link("code" if is_code else "page", url))
        if len(links) == _MOST_LINKS:
            break
    return tuple(links.values())


def _trimmed(url: str) -> str:
    """Without the punctuation of the sentence around it."""
    while url and (url[-1] in ".,;:!?'*_~]$" or (url[-1] == ")" and url.count(")") > url.count("("))):
        url = url[:-1]
    return url
