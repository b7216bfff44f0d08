"""The addresses of our own pages, as letters link to them. The pages parse the same paths.

    <base_url>/unsubscribe/<token>       GET shows a page, POST stops the letters (RFC 8058)
    <base_url>/preferences/<token>
    <base_url>/pause/<token>
    <base_url>/letter/<token>            the letter in a browser
    <base_url>/say/<token>/<place>/<verdict>

The first three tokens are the subscriber's, the last two the letter's. `place` is that of the paper in the letter,
1 the first; `verdict` is "more", "less" or "save". GET changes nothing at any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from digest.model import FeedbackKind, Letter, Subscriber
from digest.tokens import Keys

VERDICTS: dict[str, FeedbackKind] = {"more": "liked", "less": "disliked", "save": "saved"}


@dataclass(frozen=True, slots=True)
class Links:
    base_url: str  # without a slash at its end
    keys: Keys

    def of_reader(self, act: str, reader: Subscriber) -> str:
        """`act` is "unsubscribe", "preferences" or "pause"."""
        return f"{self.base_url}/{act}/{self.keys.token(act, reader.id, reader.secret)}"

    def letter(self, letter: Letter) -> str:
        return f"{self.base_url}/letter/{self.keys.token('letter', letter.id, letter.message_id)}"

    def say(self, letter: Letter) -> str:
        """What stands before the place and the verdict in the links of a letter's papers."""
        return f"{self.base_url}/say/{self.keys.token('say', letter.id, letter.message_id)}"


def mailto(address: str, subject: str) -> str:
    """A mailto URL in which neither part can end early."""
    return f"mailto:{quote(address, safe='@')}?subject={quote(subject, safe='')}"


def quoted(address: str) -> str:
    """A mail address as a part of such a subject."""
    return address.replace("@", "%40") if _SIMPLE.fullmatch(address) else quote(address, safe="")


_SIMPLE = re.compile(r"[A-Za-z0-9._~@-]*")
