"""Signed addresses of our own, so that what comes back says for certain which letter it is about.

    <local>+<token>@<domain>     the envelope sender of one letter (VERP): its bounces go there
    <local>+u<token>@<domain>    whoever writes there unsubscribes; it stands in one reader's List-Unsubscribe

`<local>@<domain>` is `bounces.address`. The first token is bound to the letter and its Message-ID, the second to
the subscriber and its secret, as the links in letters are, each with a purpose of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from digest.model import Letter, Subscriber
from digest.tokens import Keys, number_of

Purpose = Literal["bounce", "unsubscribe-mail", "unsubscribe"]
MOST_TAGS = 50  # of one text that are looked at: each costs a look into the store

_SIGNED = r"((?:0|[1-9a-f][0-9a-f]{0,15})-[0-9a-f]{32})(?![0-9a-f])"
_TAG = re.compile(rf"\+(u?){_SIGNED}|/(unsubscribe)/{_SIGNED}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Returns:
    """The addresses that letters come back to."""

    address: str
    keys: Keys

    def sender(self, letter: Letter) -> str:
        """The envelope sender of a letter."""
        return self._tagged(self.keys.token("bounce", letter.id, letter.message_id))

    def unsubscribe(self, reader: Subscriber) -> str:
        """Where a mail of any content stops the letters to this reader."""
        return self._tagged("u" + self.keys.token("unsubscribe-mail", reader.id, reader.secret))

    def _tagged(self, tag: str) -> str:
        local, _, domain = self.address.rpartition("@")
        return f"{local}+{tag}@{domain}"


@dataclass(frozen=True, slots=True)
class Tag:
    """A token as somebody wrote it; nobody has looked yet whether it is genuine."""

    purpose: Purpose
    token: str

    @property
    def number(self) -> int:
        """The letter's id for "bounce", else the subscriber's; -1, which is nobody's, for no token of ours."""
        found = number_of(self.token)
        return -1 if found is None else found


def tags(text: str) -> tuple[Tag, ...]:
    """Every token of one of our addresses, or of a link to unsubscribe, in a text: each once, as they come.

    It does not matter how the address is spelt: in capitals, quoted, in brackets, as a part of a URL, with another
    domain. The signature is what counts.
    """
    found: dict[Tag, None] = {}
    for one in _TAG.finditer(text.replace("%2B", "+").replace("%2b", "+")):
        purpose: Purpose = "unsubscribe" if one[3] else "unsubscribe-mail" if one[1] else "bounce"
        found.setdefault(Tag(purpose, (one[2] or one[4]).lower()))
        if len(found) == MOST_TAGS:
            break
    return tuple(found)
