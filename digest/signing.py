"""The private keys that letters are signed with: the only place that reads and writes their files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from digest import privacy
from digest.config import FILE_NAME, Config
from digest.errors import FileInvalid, Problem

if TYPE_CHECKING:  # `cryptography` takes a while to load, and who signs nothing need not wait for it
    from digest.letters.dkim import Signer

MOST_BYTES = 100_000  # a key has some thousands
MOST_BITS = 4096  # RFC 8301: what every receiver can check; a longer record is also too long for many a name server
NEW = "make one with `digest dkim new`"


def signers_of(config: Config) -> list[Signer]:
    """A signer for each key that the configuration names. Raises `FileInvalid` with what is wrong with each."""
    made: list[Signer] = []
    problems: list[Problem] = []
    for place in range(len(config.dkim.keys)):
        try:
            made.append(signer_of(config, place))
            privacy.warn_of_exposure(config.path(config.dkim.keys[place].file))
        except FileInvalid as error:
            problems += error.problems
    if problems:
        raise FileInvalid(problems)
    return made


def signer_of(config: Config, place: int) -> Signer:
    """The signer of one key of the configuration. Raises `FileInvalid`, which names file, key and remedy."""
    from digest.letters.dkim import Signer

    key = config.dkim.keys[place]
    path = config.path(key.file)
    try:
        return Signer(key.selector, config.signing_domain, _read(path))
    except FileNotFoundError:
        what, remedy = f"no such file: {path}", NEW
    except OSError as error:
        what, remedy = f"cannot read {path}: {error.strerror or error}", "name a file that this user may read"
    except ValueError as error:
        what, _, remedy = str(error).partition(" — ")
        what = f"{path}: {what}"
    raise FileInvalid([Problem(str(config.home / FILE_NAME), None, f"dkim.keys[{place + 1}].file", what, remedy)])


def write_key(path: Path, kind: Literal["rsa", "ed25519"], bits: int) -> bytes:
    """Make a private key and write it, as PEM, to a new file that only this user may read.

    Raises OSError; FileExistsError where there is a file already, which stays as it is.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            key = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65537, bits)
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())  # its record is about to be published
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return pem


def _read(path: Path) -> bytes:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise ValueError("it is not a file — name the file with the private key")
    if privacy.everybody_may(path):
        raise ValueError(f"{privacy.exposure(path)}, and so sign as you — {privacy.remedy(path)}")
    with path.open("rb") as file:
        return file.read(MOST_BYTES)
