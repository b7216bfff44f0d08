"""Real days, one after the other: each is collected, letters are written and delivered into Maildirs.

    make replay DAYS=../shared/feeds/trending-days-2026-03-01..04-15.jsonl     (or a folder)

DAYS is a file of papers as JSON lines (docs/jsonl.md), each with its day; a saved page; or a folder of such files.
Every day from the first to the last is lived through with the whole of Digest: at noon UTC what is known of the day
is collected, and at one o'clock whoever has a profile gets a letter. What arrived is then read from the Maildirs: a
paper that stands in two letters of one inbox is a repeat. PROFILES is a folder of profiles; without it three of our
own are used, of which one is empty.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path

from digest import clock, config, profile_folder, roster
from digest.collect import collect
from digest.edition import Press, due_by_hand
from digest.errors import DigestError
from digest.fingerprint import fingerprint
from digest.model import LetterState, Record
from digest.run import run
from digest.sources import jsonl, saved
from digest.sources.days import resolve_day
from digest.store import letters, papers, subscribers
from digest.store.opening import Store, open_store

CONFIG = """
[[sources]]
name = "lines"
kind = "jsonl"
path = "lines"

[[sources]]
name = "pages"
kind = "pages"
path = "pages"
"""
PROFILES = {
    "agents": 'interests = ["language model agents that use tools", "reinforcement learning"]',
    "pictures": 'interests = ["image and video generation with diffusion models"]\npapers = 5',
    "trending": "",
}


@dataclass(slots=True)
class Day:
    """What became of one day."""

    day: date
    fetched: int = 0
    new: int = 0
    letters: dict[str, int] = field(default_factory=dict)  # profile → papers in its letter; 0 is an empty one
    notes: dict[str, str] = field(default_factory=dict)  # profile → why its letter is empty


@dataclass(slots=True)
class Replay:
    days: list[Day] = field(default_factory=list)
    papers: int = 0
    listings: int = 0
    rejected: list[str] = field(default_factory=list)
    arrived: dict[str, int] = field(default_factory=dict)  # profile → letters in its Maildir
    held: dict[str, int] = field(default_factory=dict)  # profile → papers in these letters
    repeats: list[str] = field(default_factory=list)

    @property
    def quiet(self) -> list[Day]:
        """The days on which something was listed and nothing of it was new."""
        return [one for one in self.days if one.fetched and not one.new]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--days", type=Path, required=True)
    arguments.add_argument("--profiles", type=Path)
    wanted = arguments.parse_args()
    files = sorted(wanted.profiles.glob("*.toml")) if wanted.profiles else []
    texts = {one.stem: one.read_text("utf-8") for one in files} or _ours()
    with tempfile.TemporaryDirectory() as home:
        done = replay(wanted.days, Path(home), texts)
    names = list(done.arrived)
    width = max(map(len, names))
    print(f"day             listed  new  {'  '.join(name.rjust(width) for name in names)}   papers in each letter")
    for one in done.days:
        row = "  ".join(str(one.letters.get(name) or "–").rjust(width) for name in names)
        print(f"{one.day} {one.day:%a} {one.fetched:7} {one.new:4}  {row}")
    quiet = done.quiet
    silent = [one for one in quiet if not any(one.letters.values())]
    print(f"\n{done.papers} papers, {done.listings} listings, {len(done.rejected)} rejected")
    print(f"letters that arrived: {done.arrived}; papers in them: {done.held}; sent twice: {len(done.repeats)}")
    print(f"days on which nothing listed was new: {len(quiet)}; of these without any letter: {len(silent)}")
    for one in quiet[:3]:
        print(f"  {one.day:%a} {one.day}: {next(iter(one.notes.values()), '')}")
    for line in (*done.rejected, *done.repeats):
        print(line)


def replay(days: Path, home: Path, profiles: Mapping[str, str]) -> Replay:
    """Live through the days in `home`, an empty folder. `profiles`: the text of each profile's file, by handle."""
    for folder in ("lines", "pages", "profiles"):
        (home / folder).mkdir()
    (home / config.FILE_NAME).write_text(CONFIG, "utf-8")
    for handle, text in profiles.items():
        (home / "profiles" / f"{handle}.toml").write_text(text, "utf-8")
    settings = config.load(home)
    done, store = Replay(), open_store(settings.store_url)
    try:
        coming = dict(_by_day(days, done.rejected))
        if not coming:
            raise SystemExit(f"{days} holds no day that can be replayed: {done.rejected or 'no files'}")
        press = Press(store, settings)
        on, last = min(coming), max(coming)
        roster.apply(store, profile_folder.read(home / "profiles"), datetime.combine(on, time(0), UTC))
        while on <= last:
            done.days.append(_live(store, press, on, coming.get(on, {}), home))
            on += timedelta(days=1)
        with store.read() as connection:
            done.papers, done.listings = papers.count(connection)
            known = {fingerprint(one.title) for one in papers.corpus(connection)}
    finally:
        store.close()
    for handle in profiles:
        seen: Counter[str] = Counter()
        mails = sorted((home / "mail").glob(f"{handle}@*/new/*"))
        done.arrived[handle] = len(mails)
        for mail in mails:
            seen.update(title for title in _headings(mail.read_bytes()) if title in known)
        done.held[handle] = seen.total()
        done.repeats += [f"{handle} was sent {key} {times} times" for key, times in seen.items() if times > 1]
    return done


def _live(store: Store, press: Press, on: date, coming: Mapping[str, bytes], home: Path) -> Day:
    for name, data in coming.items():
        (home / name).write_bytes(data)
    noon = datetime.combine(on, time(12), UTC)
    collected = collect(store, press.config, lambda: noon)
    one = Day(on, sum(source.fetched for source in collected), sum(source.added.new for source in collected))
    for name in coming:
        (home / name).unlink()  # a file holds one day, and each is counted once
    with store.read() as connection:
        due = due_by_hand(subscribers.everyone(connection), noon, on)
    later = noon + timedelta(hours=1)
    run(press, due, lambda: later)
    with store.read() as connection:
        for reader, slot in due:
            letter = letters.of_subscriber(connection, reader.id, limit=1)[0]
            assert letter.slot == slot
            assert letter.state in (LetterState.SENT, LetterState.EMPTY), letter
            one.letters[reader.handle] = len(letter.picks)
            if not letter.picks:
                one.notes[reader.handle] = letter.note
    return one


def _by_day(days: Path, rejected: list[str]) -> Iterator[tuple[date, dict[str, bytes]]]:
    """Each day with the files that come on it, by their place in the home folder."""
    lines: dict[date, list[bytes]] = {}
    files: dict[date, dict[str, bytes]] = {}
    for number, path in enumerate(sorted(days.iterdir()) if days.is_dir() else [days]):
        data = path.read_bytes()
        if path.suffix == ".jsonl":
            for line in data.splitlines(keepends=True):
                (told,) = [*jsonl.records([line], path.name), None][:1]
                if isinstance(told, Record) and told.day:
                    lines.setdefault(told.day, []).append(line)
                elif told is not None:
                    rejected.append(f"{path.name}: {told}")
        elif path.suffix in (".txt", ".html", ".htm", ".mhtml"):
            try:
                on = resolve_day(saved.parse(data, path.name), clock.now().date())
            except DigestError as error:
                rejected.append(str(error))
                continue
            files.setdefault(on, {})[f"pages/{number:05}-{path.name}"] = data
    for on in sorted({*lines, *files}):
        listed = {f"lines/{on}.jsonl": b"".join(lines[on])} if on in lines else {}
        yield on, listed | files.get(on, {})


def _headings(mail: bytes) -> list[str]:
    """The headings of a letter, folded: most are its papers' titles."""
    body = message_from_bytes(mail, policy=policy.default).get_body(("html",))
    assert body is not None
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", body.get_content(), re.DOTALL)
    return [fingerprint(re.sub(r"<[^>]*>", "", unescape(one))) for one in headings]


def _ours() -> dict[str, str]:
    return {handle: f'address = "{handle}@example.org"\n{text}\n' for handle, text in PROFILES.items()}


if __name__ == "__main__":
    main()
