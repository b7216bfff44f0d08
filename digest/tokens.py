"""Signed tokens: what a link in a letter lets its reader do, without a login.

A token is `<number>-<signature>`, both in hexadecimal, so it survives programs that change case or cut a URL at
punctuation. It serves one purpose, for one subscriber or letter, and does not run out. The signature is 16 bytes of
HMAC-SHA-256 under a key that is derived from the installation's secret for this purpose alone.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

SECRET_BYTES = 32
_SIGNATURE_BYTES = 16
_TOKEN = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{32})")


class Keys:
    """Signs with the first of its secrets and accepts the signatures of all, so that a secret can be replaced."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets:
            raise ValueError("no secret to sign with")
        self._secrets = tuple(secrets)
        self._derived: dict[str, tuple[bytes, ...]] = {}

    def token(self, purpose: str, number: int, holder: str = "") -> str:
        """A token for `number`, a subscriber's or a letter's. `holder` is signed, but not shown."""
        return f"{number:x}-{_signature(self._keys(purpose)[0], number, holder)}"

    def valid(self, purpose: str, token: str, holder: str = "") -> bool:
        """Was this token made by `token` for the same purpose and holder?"""
        found = _TOKEN.fullmatch(token.lower())
        if not found:
            return False
        number, given = int(found[1], 16), found[2]
        return any(hmac.compare_digest(_signature(key, number, holder), given) for key in self._keys(purpose))

    def _keys(self, purpose: str) -> tuple[bytes, ...]:
        if purpose not in self._derived:
            label = f"digest token {purpose}".encode()
            self._derived[purpose] = tuple(hmac.digest(one, label, "sha256") for one in self._secrets)
        return self._derived[purpose]


def number_of(token: str) -> int | None:
    """What a token is about, before anybody has looked whether it is genuine; None where it is no token at all."""
    found = _TOKEN.fullmatch(token.lower())
    return int(found[1], 16) if found else None


def _signature(key: bytes, number: int, holder: str) -> str:
    return hmac.digest(key, f"{number:x}:{holder}".encode(), "sha256")[:_SIGNATURE_BYTES].hex()
