"""Every parser against samples that were spoiled at random: whatever comes in, only a DigestError comes out.

`python -m tests.parser_fuzz --seconds 60 [--only arxiv_feed]` runs each parser for so long and says how many
documents it was given, and the seed of the first that breaks it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import source_samples as samples

from digest.errors import DigestError
from digest.latex import readable
from digest.model import Batch, Record, Rejected
from digest.sources import arxiv, feed, huggingface, jsonl, saved_page
from digest.sources.markup import plain
from digest.sources.record import fold, paper_of

DAY = date(2026, 3, 3)
SLOWEST = 10.0  # seconds for one document of a few KB; a quadratic parser takes longer


def _used(batch: Batch) -> None:
    """Do with every record what is done downstream, and ask of each what all may rely on."""
    for record in batch.records:
        assert isinstance(record, Record)
        assert record.title.strip()
        assert all(name == name.strip() != "" for name in record.authors)
        assert all(
            link.url.startswith(("http://", "https://")) or link.url[:4].lower() == "http" for link in record.links
        )
        assert all(key.startswith(("arxiv:", "doi:")) for key in record.keys)
        assert record.votes is None or record.votes >= 0
        fold(record)
        paper = paper_of(record)
        "".join(
            (paper.title, paper.abstract, paper.raw_title, paper.raw_abstract, *paper.keys, *paper.authors)
        ).encode()
        assert "\0" not in paper.raw_title + paper.raw_abstract
    for rejected in batch.rejected:
        assert isinstance(rejected, Rejected)
        assert rejected.reason


def _huggingface(data: bytes) -> None:
    _used(huggingface.parse(data, "hf", DAY))


def _arxiv_feed(data: bytes) -> None:
    _used(arxiv.parse_feed(data, "arxiv", ("new", "cross")).batch)


def _arxiv_api(data: bytes) -> None:
    _used(arxiv.parse_api(data, "arxiv").batch)


def _feed(data: bytes) -> None:
    _used(
        feed.parse(
            data, "feed", "text/xml; charset=iso-8859-1" if data[-1:] < b"a" else "", "https://example.org/f"
        )
    )


def _jsonl(data: bytes) -> None:
    found = list(jsonl.records(data.splitlines(keepends=True), "lines"))
    records, rejected = (tuple(x for x in found if isinstance(x, kind)) for kind in (Record, Rejected))
    _used(Batch(records, rejected))  # type: ignore[arg-type]


def _markup(data: bytes) -> None:
    plain(data.decode("utf-8", "surrogateescape"))


def _saved_page(data: bytes) -> None:
    saved_page.parse(data, "page")


def _text(data: bytes) -> None:
    readable(data.decode("latin-1"))


PARSERS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "huggingface": (_huggingface, (samples.HF,)),
    "arxiv_feed": (_arxiv_feed, (samples.ARXIV_ATOM, samples.ARXIV_RSS)),
    "arxiv_api": (_arxiv_api, (samples.ARXIV_API,)),
    "feed": (_feed, (samples.RSS, samples.ATOM, samples.RDF, samples.JSON_FEED, samples.ARXIV_ATOM)),
    "jsonl": (_jsonl, (samples.JSONL,)),
    "markup": (_markup, (samples.HTML.encode(),)),
    "saved_page": (_saved_page, (samples.PAGE,)),
    "text": (_text, (samples.PAGE, rb"Adapt-$\infty$: \textbf{Oaks} and {$x_{i}^{2}$} for \$5 --- ``so''")),
}

_SPITEFUL = (
    b"<", b">", b"&", b"\"", b"'", b"[", b"]", b"{", b"}", b"\\", b"$", b"\0", b"\xff", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\r", b"\n", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
    b"&a;", b"&#0;", b"&#xD800;", b"&#99999999999;", b"<script>", b"</",
    b"<?xml version='1.0' encoding='utf-16'?>", b"null", b"NaN", b"-1", b"1e999", b"9" * 5000, b"\\ud800",
    b"\\u0000", b"true", b"{}", b"[]", b"\"\"", b"https://[", b"http://a b/", b"javascript:x", b"2026-13-40",
    b"0000-00-00", b"xml:base='//['", b" xmlns='u'", b"dc:creator", b"10.1000/", b"\xe2\x80\xae", b"\x1f\x8b",
)  # fmt: skip


def spoiled(chance: random.Random, data: bytes) -> bytes:
    """`data` with one to eight changes: bytes flipped, parts cut, doubled, moved; JSON also by value."""
    if chance.random() < 0.3 and data[:1] in b"[{":
        data = _by_value(chance, data)
    for _ in range(chance.randint(1, 8)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(8):
            case 0 if data:
                place = min(at, len(data) - 1)
                data = data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:to] + data[at:to] * chance.randint(1, 3) + data[to:]
            case 3:
                data = data[:at]
            case 4:
                data = data[:at] + chance.choice(_SPITEFUL) * chance.choice((1, 1, 1, 30)) + data[at:]
            case 5:
                data = data[:at] + chance.choice(_SPITEFUL) + data[to:]
            case 6:
                data = data[to:] + data[at:to] + data[:at]
            case _:
                data = data[:at] + bytes(chance.randrange(256) for _ in range(chance.randint(1, 8))) + data[at:]
    return data[:60_000]


_VALUES = (
    None,
    True,
    -3,
    2**70,
    1.5,
    float("inf"),
    "",
    " ",
    "x" * 3000,
    "\ud800",
    "\0",
    [],
    [[]],
    {},
    {"name": 3},
    "<p>",
    "12",
)


def _by_value(chance: random.Random, data: bytes) -> bytes:
    """JSON (or its first line) with values replaced by others."""
    first, newline, rest = data.partition(b"\n") if b"\n{" in data else (data, b"", b"")

    def changed(value: object) -> object:
        if chance.random() < 0.08:
            return chance.choice(_VALUES)
        if isinstance(value, dict):
            return {key: changed(one) for key, one in value.items() if chance.random() < 0.95}
        return [changed(one) for one in value] if isinstance(value, list) else value

    return json.dumps(changed(json.loads(first))).encode() + newline + rest


def attack(name: str, seed: int) -> bytes:
    """Give one spoiled document to one parser; returns it. Raises what the parser should not."""
    parse, originals = PARSERS[name]
    chance = random.Random(seed)
    data = spoiled(chance, chance.choice(originals))
    said = "nothing"
    try:
        parse(data)
    except DigestError as error:
        said = str(error)
    assert len(said.splitlines()) == 1, said
    return data


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--only", choices=PARSERS)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    broken = False
    for name in [asked.only] if asked.only else PARSERS:
        until, seed, slowest = time.monotonic() + asked.seconds, asked.seed, 0.0
        while time.monotonic() < until:
            start = time.process_time()
            try:
                attack(name, seed)
            except Exception:
                traceback.print_exc()
                print(f"{name}: broken by --only {name} --seed {seed}")
                broken = True
                break
            slowest = max(slowest, time.process_time() - start)
            seed += 1
        print(f"{name}: {seed - asked.seed} documents, the slowest took {slowest * 1000:.0f} ms", flush=True)
        broken = broken or slowest > SLOWEST
    sys.exit(broken)


if __name__ == "__main__":
    main()
