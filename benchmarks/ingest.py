"""How fast do papers come in? A file of JSON lines, taken by `digest collect`'s own function, then once more.

    make bench-ingest                       (100,000 invented papers; NUMBER=… for more or fewer)
    make bench-ingest CURVE=1000000         (what a paper costs as the store grows to so many)

Every paper is invented: title, five authors, an abstract of 160 words with the frequencies of a language, votes,
a day. One in fifty is a second telling of an earlier one, without its id, under a changed title and with a
polished abstract, so that the near-duplicate check has something to find. Each measurement is a process of its
own, on SQLite, with its peak of memory. Beside it stands what a script would do: `json.loads`, a look for the
arXiv id, an INSERT a row by the same library in transactions of the same size, without titles, abstracts or near-
duplicates.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate, islice
from pathlib import Path

import sqlalchemy as sa

from benchmarks.common import NOW, setup
from digest import config
from digest.collect import collect
from digest.store import papers
from digest.store.opening import open_store

BATCH = 2000
STEP = 10_000
TWICE = 50  # one of so many is told twice


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--number", type=int, default=100_000)
    arguments.add_argument("--curve", type=int, default=0)
    arguments.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    wanted = arguments.parse_args()
    if wanted.part:
        {"ours": _ours, "script": _script, "curve": _curve}[wanted.part[0]](Path(wanted.part[1]))
        return
    print(setup())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        number = wanted.curve or wanted.number
        twice = write(home / "papers.jsonl", number)
        size = (home / "papers.jsonl").stat().st_size / 1e6
        print(f"{number:,} papers, {size:.0f} MB; {twice:,} are told twice\n")
        if wanted.curve:
            _part("curve", home)
            return
        script = _part("script", home)
        first = _part("ours", home)
        os.utime(home / "papers.jsonl", (0, 0))  # or it would be known for the same file, and not be read at all
        again = _part("ours", home)
        print(f"\nfirst time {first / script:.2f} × the script, which knows papers by their id alone; ", end="")
        print(f"a second time {again / first:.1f} × the first")


def _part(name: str, home: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.ingest", "--part", name, str(home)]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            last = line
            if not line.startswith("rate "):
                print(line, end="", flush=True)
    if running.returncode:
        raise SystemExit(f"{name} ended with {running.returncode}")
    return float(last.split()[1])


def _ours(home: Path) -> None:
    settings = _settings(home, "papers.jsonl")
    store = open_store(settings.store_url)
    number = sum(1 for _ in (home / "papers.jsonl").open("rb"))
    with store.read() as connection:
        before, _ = papers.count(connection)
    began, cpu = time.perf_counter(), time.process_time()
    done = collect(store, settings, lambda: NOW)[0]
    took, used = time.perf_counter() - began, time.process_time() - cpu
    what = "again" if before else "first time"
    added = done.added
    print(
        f"{what}: {added.new:,} new, {added.known:,} known, {added.merged:,} merged; {number / took:,.0f}/s,",
        end=" ",
    )
    print(f"{used / number * 1e6:.0f} µs of CPU each, at most {_memory():.0f} MB")
    store.close()
    print(f"rate {number / took}")


def _settings(home: Path, lines: str) -> config.Config:
    (home / config.FILE_NAME).write_text(f'[[sources]]\nname = "lines"\nkind = "jsonl"\npath = "{lines}"\n')
    return config.load(home)


def _curve(home: Path) -> None:
    """The same in files of 10,000, and what the one costs with which the store reaches a size."""
    settings = _settings(home, "part.jsonl")
    store, number, first = open_store(settings.store_url), 0, 0.0
    with (home / "papers.jsonl").open("rb") as lines:
        while some := list(islice(lines, STEP)):
            (home / "part.jsonl").write_bytes(b"".join(some))
            began, cpu = time.perf_counter(), time.process_time()
            collect(store, settings, lambda: NOW)
            took, used = time.perf_counter() - began, time.process_time() - cpu
            number += len(some)
            first = first or used
            if number in (STEP, 2 * STEP, 5 * STEP) or number % (10 * STEP) == 0:
                each = f"{used / len(some) * 1e6:.0f} µs of CPU each = {used / first:.2f} × the first {STEP:,}"
                print(f"at {number:9,}: {len(some) / took:6,.0f}/s, {each}; at most {_memory():.0f} MB", flush=True)
    store.close()
    size = sum(one.stat().st_size for one in home.glob("digest.db*"))
    print(f"the store: {size / number:,.0f} bytes a paper\nrate {number}")


def _script(home: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{home / 'script.db'}")
    table = sa.Table(
        "paper",
        sa.MetaData(),
        *(sa.Column(name, sa.Text, primary_key=name == "id") for name in ("id", "title", "abstract", "authors")),
    )
    table.create(engine)
    began, cpu, number = time.perf_counter(), time.process_time(), 0
    with (home / "papers.jsonl").open("rb") as lines:
        while some := list(islice(lines, BATCH)):
            with engine.begin() as connection:
                for line in some:
                    one = json.loads(line)
                    key = one.get("id", one["title"])
                    if connection.execute(sa.select(table.c.id).where(table.c.id == key)).first() is None:
                        row = {"id": key, "title": one["title"], "abstract": one["abstract"]}
                        connection.execute(sa.insert(table).values(authors=json.dumps(one["authors"]), **row))
            number += len(some)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    print(f"script: {number / took:,.0f}/s, {used / number * 1e6:.0f} µs of CPU each, at most {_memory():.0f} MB")
    print(f"rate {number / took}")


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def write(path: Path, number: int) -> int:
    """Write so many invented papers; how many of them are second tellings."""
    twice = 0
    with path.open("w", encoding="utf-8") as lines:
        for one in _invented(number):
            twice += "id" not in one
            lines.write(json.dumps(one) + "\n")
    return twice


def _invented(number: int) -> Iterator[dict[str, object]]:
    dice = random.Random(1)
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]
    words = ["".join(dice.choices(syllables, k=dice.randint(1, 4))) for _ in range(20_000)]
    share = list(accumulate(1 / (rank + 5) for rank in range(len(words))))
    earlier: list[dict[str, object]] = []
    for one in range(number):
        said = dice.choices(words, cum_weights=share, k=170)
        told: dict[str, object] = {
            "id": f"{1000 + one // 20_000:04}.{one % 20_000:05}",
            "title": " ".join(said[:10]).capitalize(),
            "abstract": ". ".join(" ".join(said[at : at + 16]).capitalize() for at in range(10, 170, 16)) + ".",
            "authors": [f"{a} {b}".title() for a, b in zip(said[:5], said[5:10], strict=True)],
        }
        if one % TWICE == TWICE - 1 and earlier:
            first = earlier.pop(dice.randrange(len(earlier)))
            polished = str(first["abstract"]).split()
            for place in dice.sample(range(len(polished)), 5):
                polished[place] = dice.choice(words)
            title = " ".join([*dice.sample(words, 3), *str(first["title"]).split()[3:]])
            told = {"title": title, "abstract": " ".join(polished), "authors": first["authors"]}
        elif len(earlier) < 1000:
            earlier.append(told)
        yield told | {"date": str(date(2026, 1, 1) + timedelta(days=one // 2000 % 60)), "votes": one % 90}


if __name__ == "__main__":
    main()
