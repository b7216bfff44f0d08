"""The addresses of our own pages, as letters link to them. The pages parse the same paths.

    <base_url>/unsubscribe/<token>       GET shows a page, POST stops the letters (RFC 8058)
    <base_url>/preferences/<token>
    <base_url>/pause/<token>
    <base_url>/letter/<token>            the letter in a browser
    <base_url>/letter/<token>/<place>/<verdict>

There are three tokens: one to unsubscribe, which mail providers see and use, one for whatever else the subscriber
wants changed, and the letter's. `place` is that of the paper in the letter, 1 the first; `verdict` is "more",
"less" or "save". GET changes nothing at any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from digest.model import FeedbackKind, Letter
from digest.tokens import Keys

VERDICTS: dict[str, FeedbackKind] = {"more": "liked", "less": "disliked", "save": "saved"}


class Tokens(NamedTuple):
    """What the links of one letter are signed with."""

    reader: str
    unsubscribe: str
    letter: str


@dataclass(frozen=True, slots=True)
class Links:
    base_url: str  # without a slash at its end
    keys: Keys

    def tokens(self, letter: Letter) -> Tokens:
        reader, keys = letter.subscriber, self.keys
        return Tokens(
            keys.token("reader", reader.id, reader.secret),
            keys.token("unsubscribe", reader.id, reader.secret),
            keys.token("letter", letter.id, letter.message_id),
        )

    def unsubscribe(self, token: str) -> str:
        return f"{self.base_url}/unsubscribe/{token}"


def mailto(address: str, subject: str) -> str:
    """A mailto URL in which neither part can end early."""
    return f"mailto:{quote(address, safe='@')}?subject={quote(subject, safe='')}"


def quoted(address: str) -> str:
    """A mail address as a part of such a subject."""
    return address.replace("@", "%40") if _SIMPLE.fullmatch(address) else quote(address, safe="")


_SIMPLE = re.compile(r"[A-Za-z0-9._~@-]*")
