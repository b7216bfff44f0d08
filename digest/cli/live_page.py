"""What `digest preview --serve` shows: a letter as its reader would see it, and why each candidate is in or out.

Everything is made anew when one of the files behind it changes; what is wrong with one is a page, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from digest import clock, config, profile_folder
from digest.assembly import compose, composer_of, render_letter
from digest.cli import readers
from digest.cli.common import what_paid, what_trends
from digest.config import FILE_NAME, Config
from digest.edition import Press
from digest.errors import DigestError, FileInvalid, Problem, StoreError, UserFileError
from digest.letters.compose import Rendered
from digest.letters.templates import environment
from digest.model import Letter, Subscriber, Verdict
from digest.store import outbox, papers, subscribers
from digest.store.opening import Store, open_store

CANDIDATES_SHOWN = 60
READERS_OFFERED = 300
FILES_WATCHED = 5000
CHOICES = {"width": ("phone", "desk"), "scheme": ("light", "dark"), "part": ("letter", "text", "source")}
SHIPPED = Path(__file__).parents[1] / "templates"

_STYLE = re.compile(r"<style\b.*?</style\s*>|<meta\b[^>]*>", re.DOTALL | re.IGNORECASE)
_PREFERS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(\w[\w-]*)\s*\)", re.IGNORECASE)
_DECLARED = re.compile(r"(?<![\w-])(color-scheme\s*:\s*)[^;}]+", re.IGNORECASE)
_META = re.compile(r"""(name=["']?color-scheme["']?[^>]*content=)("[^"]*"|'[^']*')""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown, and how."""

    name: str
    day: date | None = None  # None is the next letter
    width: str = "desk"
    scheme: str = "light"
    part: str = "letter"

    @classmethod
    def of(cls, query: Mapping[str, str], start: Wish) -> Wish:
        """Raises `UserFileError` for a day that is none; what else is not known is as at the start."""
        chosen = {key: query[key] for key, known in CHOICES.items() if query.get(key) in known}
        name, day = query.get("name", start.name), start.day if "name" not in query else None
        try:
            day = date.fromisoformat(query["day"]) if query.get("day") else day
            if day and not 1900 < day.year < 2200:
                raise ValueError
        except ValueError:
            raise UserFileError(path=query["day"][:40], detail="this is no day; write it as 2026-03-14") from None
        return replace(start, name=name.strip() or start.name, day=day, **chosen)

    def url(self, path: str = "/", **changes: Any) -> str:
        values = {key: getattr(self, key) for key in ("name", "day", *CHOICES)} | changes
        return f"{path}?{urlencode({key: one for key, one in values.items() if one})}"


@dataclass(frozen=True, slots=True)
class Made:
    """A letter with all that is shown of it."""

    reader: Subscriber
    letter: Letter
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    rendered: Rendered | None = None  # None where there is nothing to send
    source: str = ""
    newest: date | None = None  # the last day with papers, where the letter's own has none


class Maker:
    """Makes pages, one at a time, and keeps what is still true."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = Lock()
        self._config: Config | None = None
        self._config_stamp: object = None
        self._store: Store | None = None
        self._press: Press | None = None
        self._opened: object = None
        self._made: dict[object, Made] = {}
        self._read: tuple[object, profile_folder.Reading] | None = None
        self._names: dict[str, None] = {}  # who was shown, and is watched however many there are

    def close(self) -> None:
        if self._store:
            self._store.close()

    def version(self) -> str:
        """Another one as soon as a template, a profile, the configuration or the store has changed."""
        with self._lock:
            return self._version()

    def letter(self, wish: Wish) -> str:
        """The HTML part in the colours that were asked for; empty where there is none."""
        with self._lock:
            rendered = self._make(wish).rendered
        return in_scheme(rendered.html, wish.scheme) if rendered else ""

    def page(self, wish: Wish, nonce: str) -> str:
        with self._lock:
            made, problems = None, []
            with suppress(DigestError):
                self._open(config.load(self._home))  # which may make files that are watched
            if "/" not in wish.name and len(self._names) < FILES_WATCHED // 10:
                self._names[wish.name] = None
            version = self._version()  # before anything is read, so that what changes meanwhile is seen
            try:
                made = self._make(wish)
            except DigestError as error:
                problems = _told(error)
            return _page(wish, nonce, version, made, problems, self._offered())

    def trouble(self, wish: Wish, nonce: str, error: DigestError) -> str:
        """A page that says what is wrong with the question itself."""
        return _page(wish, nonce, self.version(), None, _told(error), [])

    def _make(self, wish: Wish) -> Made:
        key = (self._version(), wish.name, wish.day, clock.now().date())
        if key not in self._made:
            if len(self._made) >= 8:
                self._made.clear()
            self._made[key] = self._fresh(wish)
        return self._made[key]

    def _fresh(self, wish: Wish) -> Made:
        settings = config.load(self._home)
        composer = composer_of(settings)
        store, press = self._open(settings)
        found = readers.find(settings, store, wish.name, draft=True, reading=self._profiles(settings))
        now = clock.now()
        slot = wish.day or press.next_slot(found.reader, now)
        letter = press.preview(found.reader, slot, now)
        notes = list(found.notes)
        if letter.id:
            when = f"written {letter.created_at:%Y-%m-%d %H:%M} UTC"
            notes.append(f"{when}, {letter.state.value}: shown as it stands")
        verdicts = tuple(press.explain(found.reader, slot))
        made = Made(found.reader, letter, verdicts, tuple(notes))
        if not letter.picks:
            return replace(made, newest=None if letter.candidates else press.open(slot).newest)
        rendered = render_letter(letter, settings, composer)
        source = compose(letter, settings, composer).message.decode("utf-8", "replace")
        return replace(made, rendered=rendered, source=source)

    def _open(self, settings: Config) -> tuple[Store, Press]:
        """The store of this configuration; another one where the file itself is another."""
        wanted = (settings, settings.home, *(_stamp(path)[:2] for path in _store_files(settings)[:1]))
        if self._store is None or self._press is None or wanted != self._opened:
            self.close()
            self._store = None
            self._store = open_store(settings.store_url, create=False)
            self._press = Press(self._store, settings)
            self._opened = wanted
        return self._store, self._press

    def _profiles(self, settings: Config) -> profile_folder.Reading:
        """What the profile files say, read anew when one of them has changed."""
        folder = settings.path(settings.edition.profiles)
        stamps = [_stamp(folder), *map(_stamp, sorted(folder.glob("*.toml")))]
        if self._read is None or self._read[0] != stamps:
            self._read = stamps, profile_folder.read(folder)
        return self._read[1]

    def _offered(self) -> list[str]:
        """Names to choose from."""
        return [one.handle for one in self._read[1].subscribers[:READERS_OFFERED]] if self._read else []

    def _version(self) -> str:
        if (stamp := _stamp(self._home / FILE_NAME)) != self._config_stamp:
            self._config_stamp = stamp
            with suppress(DigestError):  # what was watched before is watched until it is mended
                self._config = config.load(self._home)
        fold = sha256()
        for path in islice(self._watched(), FILES_WATCHED):
            fold.update(repr(_stamp(path)).encode("utf-8", "replace"))
        if self._store and self._config and not _store_files(self._config):
            fold.update(_asked(self._store).encode())
        return fold.hexdigest()[:16]

    def _watched(self) -> Iterator[Path]:
        yield self._home / FILE_NAME
        yield from sorted(SHIPPED.glob("letter/*"))
        if not self._config:
            return
        settings = self._config
        yield from _store_files(settings)
        yield settings.path(settings.web.secret_file)
        if settings.letter.templates:
            folder = settings.path(settings.letter.templates)
            yield folder
            yield from sorted((*folder.glob("*.*"), *folder.glob("*/*")))
        profiles = settings.path(settings.edition.profiles)
        yield from (profiles, *(profiles / f"{name}.toml" for name in self._names))
        yield from sorted(profiles.glob("*.toml"))


def in_scheme(html: str, scheme: str) -> str:
    """A letter that is light or dark whatever the browser prefers; nothing but its style sheets is touched."""

    def settled(found: re.Match[str]) -> str:
        if found[0][:5].lower() == "<meta":
            return _META.sub(rf'\g<1>"{scheme}"', found[0])
        # What holds always and what never holds, also as a part of a longer condition.
        style = _PREFERS.sub(
            lambda one: "(min-width: 0)" if one[1].lower() == scheme else "(max-width: 0)", found[0]
        )
        return _DECLARED.sub(rf"\g<1>{scheme}", style)

    return _STYLE.sub(settled, html)


def _page(
    wish: Wish, nonce: str, version: str, made: Made | None, problems: list[Problem], offered: list[str]
) -> str:
    day = made.letter.slot if made else wish.day
    step = timedelta(days=1)
    shown: dict[str, Any] = {
        "wish": wish,
        "nonce": nonce,
        "version": version,
        "made": made,
        "problems": problems,
        "offered": offered,
        "day": day,
        "before": wish.url(day=day - step) if day else "",
        "after": wish.url(day=day + step) if day else "",
        "choices": [
            (key, [(one, wish.url(**{key: one}), getattr(wish, key) == one) for one in known])
            for key, known in CHOICES.items()
        ],
        "frame": wish.url("/letter"),
        "rows": list(_rows(made.verdicts)) if made else [],
        "left": 0,
        "newest": wish.url(day=made.newest) if made and made.newest else "",
    }
    shown["left"] = len(made.verdicts) - len(shown["rows"]) if made else 0
    return environment().get_template("preview.html").render(shown)


def _rows(verdicts: tuple[Verdict, ...]) -> Iterator[dict[str, object]]:
    """The best candidates, and whatever is in."""
    for place, one in enumerate(verdicts):
        if place < CANDIDATES_SHOWN or one.included:
            pick = one.pick
            yield {
                "included": one.included,
                "title": pick.paper.title,
                "score": f"{pick.score:.1f}",
                "relevance": f"{pick.relevance:.2f}",
                "trending": f"{pick.trending:.2f}",
                "likeness": f"{one.redundancy:.2f}",
                "standing": what_trends(one.standing),
                "why": one.why,
                "reasons": what_paid(pick, 160),
            }


def _told(error: DigestError) -> list[Problem]:
    if isinstance(error, FileInvalid):
        return list(error.problems)
    if isinstance(error, UserFileError) and {"path", "detail"} <= set(error.fields):
        path, _, line = str(error.fields["path"]).rpartition(":")
        if not path or not line.isdigit():
            path, line = str(error.fields["path"]), ""
        return [Problem(path, int(line) if line else None, "", str(error.fields["detail"]))]
    return [Problem("", None, "", str(error))]


def _store_files(settings: Config) -> list[Path]:
    """The files of an SQLite store; none for another."""
    scheme, _, name = settings.store_url.partition(":///")
    name = name.partition("?")[0]
    return [Path(name), Path(f"{name}-wal")] if scheme.startswith("sqlite") else []


def _asked(store: Store) -> str:
    """What a store without files of ours holds, in numbers."""
    try:
        with store.read() as connection:
            found = (
                papers.count(connection),
                papers.newest_listing(connection),
                outbox.count_by_state(connection),
                subscribers.count_by_state(connection),
            )
    except StoreError as error:
        return str(error)
    return repr(found)


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return str(path), 0, 0, 0
    return str(path), found.st_ino, found.st_mtime_ns, found.st_size
