"""Signed tokens: what a link in a letter lets its reader do, without a login.

A token is `<number>-<signature>`, both in hexadecimal, so it survives programs that change case or cut a URL at
punctuation. It serves one purpose, for one subscriber or letter, and does not run out. The signature is 16 bytes of
BLAKE2b, which takes a key by itself (RFC 7693), with the purpose as its personalisation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest

SECRET_BYTES = 32
_SIGNATURE_BYTES = 16
# A number as we write it, so that there is one token for one thing, and small enough for a column of a database.
_TOKEN = re.compile(r"(0|[1-9a-f][0-9a-f]{0,14}|[1-7][0-9a-f]{15})-([0-9a-f]{32})")


class Keys:
    """Signs with the first of its secrets and accepts the signatures of all, so that a secret can be replaced."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """Each secret has 32 to 64 bytes."""
        if not secrets:
            raise ValueError("no secret to sign with")
        self._secrets = tuple(secrets)

    def token(self, purpose: str, number: int, holder: str = "") -> str:
        """A token for `number`, a subscriber's or a letter's. `holder` is signed, but not shown; a purpose is told
        by its first 16 characters."""
        name = f"{number:x}"
        return f"{name}-{_signature(self._secrets[0], purpose, name, holder)}"

    def valid(self, purpose: str, token: str, holder: str = "") -> bool:
        """Was this token made by `token` for the same purpose and holder?"""
        found = _TOKEN.fullmatch(token.lower())
        if not found:
            return False
        return any(compare_digest(_signature(one, purpose, found[1], holder), found[2]) for one in self._secrets)


def number_of(token: str) -> int | None:
    """What a token is about, before anybody has looked whether it is genuine; None where it is no token at all."""
    found = _TOKEN.fullmatch(token.lower())
    return int(found[1], 16) if found else None


def _signature(secret: bytes, purpose: str, name: str, holder: str) -> str:
    signed = _keyed(secret, purpose).copy()
    signed.update(f"{name}:{holder}".encode())
    return signed.hexdigest()


@lru_cache(maxsize=64)
def _keyed(secret: bytes, purpose: str) -> blake2b:
    """Nothing signed yet. Taking in the key costs as much as signing, and there are few keys and purposes."""
    return blake2b(digest_size=_SIGNATURE_BYTES, key=secret, person=purpose[:16].encode())
