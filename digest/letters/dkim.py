"""A DKIM signature for a mail (RFC 6376, with Ed25519 as in RFC 8463), and the DNS record it is checked with.

Relaxed canonicalisation, worked out with a few passes in C over the whole text instead of line by line, and not at
all for a body that was written in relaxed form: what a signature costs is to be RSA.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

LEAST_BITS = 2048  # RFC 8301: what a signer should use at least; a receiver may take less for no signature at all
LINE = 78

# What a reader sees, what a mail program acts on, and what says how the body is read. Nothing a relay may rewrite.
SIGNED = (
    *(b"from", b"to", b"reply-to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"),
    *(b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id"),
)
# Signed once more than they occur: one that is put beside ours, or where we have none, breaks the signature. Not so
# what a relay may well add on its own.
OVERSIGNED = frozenset(SIGNED) - {b"message-id", b"mime-version", b"list-id", b"feedback-id"}
_SIGNED = frozenset(SIGNED)
_PADDING, _HASH = PKCS1v15(), SHA256()
_RUN = re.compile(b"  +")  # begins with a constant, which is looked for as fast as memory is read


class Signer:
    """Signs mails as `domain` with one private key.

    Raises ValueError, as "what is wrong — what to do", for a key that nobody should sign with.
    """

    def __init__(self, selector: str, domain: str, pem: bytes) -> None:
        self.selector, self.domain = selector, domain
        self._key = _load(pem)
        self.kind = "rsa" if isinstance(self._key, RSAPrivateKey) else "ed25519"
        self.bits = self._key.key_size if isinstance(self._key, RSAPrivateKey) else 256
        self._tags = ("v=1", f"a={self.kind}-sha256", "c=relaxed/relaxed", f"d={domain}", f"s={selector}")

    @property
    def record_name(self) -> str:
        """Where in the DNS the TXT record stands."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The TXT record in one piece; a zone file holds it in strings of at most 255 characters."""
        public = self._key.public_key()
        if isinstance(self._key, RSAPrivateKey):
            data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            data = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={self.kind}; p={b64encode(data).decode('ascii')}"

    def sign(self, mail: bytes, at: datetime) -> bytes:
        """`mail`, whose lines end with CRLF, with a DKIM-Signature before its first header.

        The same mail and `at` (with a zone) give the same bytes. Raises ValueError for a mail without a From.
        """
        head, _, body = mail.partition(b"\r\n\r\n")
        return self.header(head, sha256(relaxed_body(body)).digest(), at) + mail

    def header(self, head: bytes, body_hash: bytes, at: datetime) -> bytes:
        """The DKIM-Signature alone, with its line end, where the SHA-256 of the relaxed body is known."""
        if at.tzinfo is None:
            raise ValueError("a time without a zone is not the same time everywhere")
        fields = _fields(head)
        if b"from" not in fields:
            raise ValueError("a mail without a From cannot be signed")
        names: list[bytes] = []
        lines: list[bytes] = []
        for name in SIGNED:
            values = fields.get(name, [])
            # A verifier takes the last one of a name first, and for a name that is told once more finds nothing.
            lines += [name + b":" + value for value in reversed(values)]
            names += [name] * (len(values) + (name in OVERSIGNED))
        opening = _opening(self._tags, tuple(names))
        tags = opening + b"\r\n t=%d; bh=%b;\r\n " % (at.timestamp(), b64encode(body_hash))
        # What is signed has our own header at its end, as it is with an empty b=, and no line end after it.
        lines.append(b"dkim-signature:" + (tags + b"b=").replace(b"\r\n ", b" "))
        signature = b"b=" + b64encode(self._signature(b"\r\n".join(lines)))
        pieces = [signature[start : start + LINE - 1] for start in range(0, len(signature), LINE - 1)]
        return b"DKIM-Signature: " + tags + b"\r\n ".join(pieces) + b"\r\n"

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, _PADDING, _HASH)
        return self._key.sign(sha256(data).digest())


def relaxed_body(body: bytes) -> bytes:
    """The body as it is hashed (RFC 6376, 3.4.4): a run of blanks is one space, none before a line end, no empty
    lines at the end, and a line end after the last line."""
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    body = _RUN.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    if body.endswith(b" "):  # on its way it gets the line end that it lacks
        body = body[:-1]
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    if end == len(body) - 2 > 0:
        return body
    return body[:end] + b"\r\n" if end else b""


def _fields(head: bytes) -> dict[bytes, list[bytes]]:
    """The values of the headers that are signed, by name, in relaxed form (RFC 6376, 3.4.2)."""
    found: dict[bytes, list[bytes]] = {}
    for line in head.replace(b"\t", b" ").replace(b"\r\n ", b" ").split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip(b" ").lower()
        if name in _SIGNED:
            found.setdefault(name, []).append(b" ".join(filter(None, value.split(b" "))))
    return found


@lru_cache(maxsize=64)  # letters differ in their texts, hardly ever in which headers they have
def _opening(tags: tuple[str, ...], names: tuple[bytes, ...]) -> bytes:
    """The tags that do not hang on the letter's text, folded; a fold is always one space."""
    signed = [f"{name.decode('ascii')}:" for name in names]
    signed[0], signed[-1] = f" h={signed[0]}", f"{signed[-1][:-1]};"
    return _folded([*[f" {tag};" for tag in tags], *signed], len("DKIM-Signature:")).encode("ascii")


def _folded(words: Iterable[str], used: int) -> str:
    """The words, without the first one's blank, on lines that fit where `used` of the first is taken."""
    lines, line = [], ""
    for word in words:
        if line and used + len(line) + len(word) > LINE:
            lines.append(line)
            line, used = " " + word.lstrip(), 0
        else:
            line += word
    return "\r\n".join([*lines, line])[1:]


def _load(pem: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    new = "make one with `digest dkim new`"
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError(
            "the key is locked with a passphrase — unlock a copy with `openssl pkey`, or " + new
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        if b"PUBLIC KEY" in pem or b"CERTIFICATE" in pem:
            raise ValueError("this is what everybody may see, not the private key — name its file") from None
        raise ValueError(f"not a private key in PEM — {new}") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"neither RSA nor Ed25519, so no mail server can check it — {new}")
    if key.key_size < LEAST_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits can be broken; {LEAST_BITS} is the least — {new}")
    return key
