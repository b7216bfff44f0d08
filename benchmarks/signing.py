"""Signing letters with DKIM, beside dkimpy; and beside the RSA operation alone, which nobody can sign faster than.

python -m benchmarks.signing [--letters 300]
"""

from __future__ import annotations

import argparse
import tempfile
from base64 import b64encode
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from benchmarks.common import NOW, SAMPLES, line, setup, timed
from benchmarks.letters import some_letters
from digest.config import Config
from digest.letters.compose import Composer
from digest.letters.dkim import SIGNED, Signer
from digest.signing import write_key


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--letters", type=int, default=300)
    arguments.add_argument("--pages", type=Path, default=SAMPLES)
    wanted = arguments.parse_args()
    config = Config()
    composer = Composer(config.letter)
    letters = some_letters(wanted.letters, wanted.pages, config)
    mails = [composer.mail(one) for one in letters]
    number, domain = len(mails), config.letter.domain
    print(setup())
    size = sum(map(len, mails)) / number / 1000
    print(f"{number} letters of {size:.1f} kB, relaxed/relaxed, one core; 5 rounds, median ± half the spread")

    for kind in ("rsa", "ed25519"):
        with tempfile.TemporaryDirectory() as folder:
            pem = write_key(Path(folder) / "key.pem", kind, 2048)
        key = load_pem_private_key(pem, None)
        # dkimpy wants the bare seed of an Ed25519 key.
        theirs = (
            pem if kind == "rsa" else b64encode(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
        )
        signer = Signer("s", domain, pem)
        for mail in (signer.sign(mails[0], NOW), _theirs(mails[0], theirs, domain, kind) + mails[0]):
            assert dkim.verify(mail, dnsfunc=lambda name, timeout=5, record=signer.record: record.encode())
        usual, spread = timed(lambda key=theirs, kind=kind: [_theirs(m, key, domain, kind) for m in mails])
        ours, ours_spread = timed(lambda signer=signer: [signer.sign(m, NOW) for m in mails])
        title = "RSA-2048" if kind == "rsa" else "Ed25519"
        print(line(f"{title}: dkimpy", usual, spread, number, usual))
        print(line(f"{title}: ours", ours, ours_spread, number, usual))
        if kind == "rsa":
            alone, alone_spread = timed(lambda key=key: [key.sign(m[:1000], PKCS1v15(), SHA256()) for m in mails])
            print(line(f"{title}: the operation alone", alone, alone_spread, number, usual))


def _theirs(mail: bytes, key: bytes, domain: str, kind: str) -> bytes:
    head = mail.partition(b"\r\n\r\n")[0].lower()
    names = [name for name in SIGNED if b"\n" + name + b":" in b"\n" + head]
    return dkim.sign(
        mail,
        b"s",
        domain.encode(),
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=names,
        signature_algorithm=f"{kind}-sha256".encode(),
    )


if __name__ == "__main__":
    main()
