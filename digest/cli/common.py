"""What all commands share: the home folder, printing for people and for scripts, progress."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import signal
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from digest import __version__, config, tomlfile
from digest.config import Config
from digest.errors import CannotWrite, DigestError, FileInvalid, Problem, UnknownSubscriber
from digest.letters.subject import main_reason, shorten
from digest.model import Letter, Pick, Reason, Standing, Subscriber
from digest.store import subscribers
from digest.store.opening import Store, open_store
from digest.store.pauses import EVERYTHING, Pause
from digest.text import count

app = typer.Typer(
    name="digest",
    help="Trending papers in, interests in, one honest letter out.",
    epilog="Exit codes: 0 done · 1 some of it was refused, the rest is done · 2 wrong call · 3 a file of yours is "
    "wrong · 4 the store · 5 the mail · 6 no such subscriber or paper. Every command: digest COMMAND --help",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Titles and names come from elsewhere: they are printed as they are, never read as markup.
out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
err = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
NO_SUBSCRIBERS = "`digest profiles apply` takes them from the profile files"
WORTH_TELLING = 0.5  # points of the score
_home, _home_said = Path(), False


def _version(asked: bool) -> None:
    if asked:
        say(f"digest {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    home: Annotated[
        Path, typer.Option(envvar="DIGEST_HOME", help="The folder with config.toml.", show_default="this folder")
    ] = Path(),
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    global _home, _home_said
    _home = home
    source = context.get_parameter_source("home")
    _home_said = source is not None and source.name == "COMMANDLINE"


def home() -> Path:
    return _home


def load_config() -> Config:
    return config.load(_home)


@contextmanager
def opened(settings: Config, *, create: bool = True) -> Iterator[Store]:
    """The store of the home folder, closed at the end."""
    store = open_store(settings.store_url, create=create)
    try:
        yield store
    finally:
        store.close()


def find_subscriber(store: Store, name: str) -> Subscriber:
    """By handle or address. Raises `UnknownSubscriber` with the nearest handle."""
    with store.read() as connection:
        found = subscribers.find(connection, name)
        if found:
            return found
        handles = [one.handle for one in subscribers.everyone(connection)]
    raise unknown(name, handles)


def unknown(name: str, handles: Sequence[str]) -> UnknownSubscriber:
    guess = tomlfile.nearest(name, list(handles))
    return UnknownSubscriber(
        name=name if name.strip() else f"“{name}”", nearest=f" Did you mean {guess}?" if guess else ""
    )


# ---- arguments


def day_argument(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-03-14") from None


Day = Annotated[
    date | None, typer.Option("--day", help="This day, not today.", parser=day_argument, metavar="YYYY-MM-DD")
]


# ---- printing


def say(text: str = "") -> None:
    """The answer, on standard output."""
    out.print(Text(_harmless(text)), soft_wrap=True)


def note(text: str) -> None:
    """What a person should know beside the answer, on standard error."""
    err.print(Text(_harmless(hinted(text))), soft_wrap=True)


def complain(error: DigestError | Problem) -> None:
    for one in error.problems if isinstance(error, FileInvalid) else [error]:
        err.print(Text.assemble(("error: ", "bold red"), _harmless(hinted(str(one)))), soft_wrap=True)


def hinted(text: str) -> str:
    """The commands that a text of ours suggests, with --home where this one needed it."""
    if not _home_said:
        return text
    named = f"digest --home {shlex.quote(str(_home))} "
    return re.sub(r"(^ *|`)digest (?=[a-z])", lambda found: found[1] + named, text, flags=re.MULTILINE)


def say_json(value: Any) -> None:
    def plain(one: object) -> str:
        return one.isoformat() if isinstance(one, date | datetime) else str(one)

    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain))


def table(*columns: str, right: Sequence[str] = (), wide: Mapping[str, int] | None = None) -> Table:
    """A table without lines. `wide` columns share what room a terminal leaves, in these proportions, and wrap."""
    wide = wide or {}
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=bool(wide))
    for name in columns:
        if name in wide:
            made.add_column(name, overflow="fold", ratio=wide[name])
        else:
            made.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return made


def row(made: Table, *cells: object) -> None:
    made.add_row(*[cell if isinstance(cell, Text) else Text(_harmless(str(cell))) for cell in cells])


def _harmless(text: str) -> str:
    """A file's name may hold what steers a terminal."""
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def show(made: Table) -> None:
    if out.is_terminal:
        out.print(made, soft_wrap=False)
        return
    # A file or a pipe has no width to keep to, and a row that is wrapped is no use to grep: each is one line.
    made.expand = False
    for column in made.columns:
        column.no_wrap, column.ratio = True, None
    endless = Console(
        width=100_000, highlight=False, markup=False, emoji=False, color_system=None, file=io.StringIO()
    )
    with endless.capture() as captured:
        endless.print(made, soft_wrap=False)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def local(instant: datetime | None, zone: str | None = None) -> str:
    """A time as a person reads it: in the given zone, else in this machine's, which is then named."""
    if instant is None:
        return ""
    if zone is None:
        return f"{instant.astimezone():%Y-%m-%d %H:%M %Z}"
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def paused(one: Pause) -> str:
    """ "delivery is paused since … by operator: the relay moves"."""
    what = "delivery" if one.scope == EVERYTHING else f"sending to {one.scope.partition(':')[2]}"
    until = f", until {local(one.until)}" if one.until else ""
    return f"{what} is paused since {local(one.at)}{until}, by {one.by}: {one.reason}"


def cannot_write(error: OSError, path: Path, remedy: str) -> CannotWrite:
    in_the_way = error.errno in (errno.EEXIST, errno.ENOTDIR)
    detail = "a file is where the folder should be" if in_the_way else error.strerror or error
    return CannotWrite(path=error.filename or path, detail=detail, remedy=remedy)


def here(path: str | Path) -> str:
    """A path as short as it can be typed from here."""
    if not str(path):
        return ""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return str(path)
    return relative if not relative.startswith("..") else str(path)


def narrow() -> bool:
    """Is this a terminal on which a table has no room for what `--json` tells as well?"""
    return out.is_terminal and out.width < 120


def letter_rows(letters: Sequence[Letter]) -> Table:
    """What went to whom, and why the first paper is the first; the file where there is room for it."""
    columns = ["subscriber", "day", "papers", "top pick and why", "state"]
    columns += [] if narrow() else ["file"]
    made = table(*columns, right=["papers"], wide={"top pick and why": 3, "file": 2})
    for one in letters:
        cells = [one.subscriber.handle, one.slot, len(one.picks), gist(one), one.state.value, here(one.where)]
        row(made, *cells[: len(columns)])
    return made


def gist(letter: Letter) -> str:
    """The top pick and why; or why there is none."""
    if not letter.picks:
        return letter.note
    top = letter.picks[0]
    said = reason_words(letter)
    line = f"{top.paper.title} — {said}" if said else top.paper.title
    return (
        line if letter.state.value in ("ready", "sent", "sending") or not letter.note else f"{line} ({letter.note})"
    )


def reason_words(letter: Letter, place: int = 0) -> str:
    """The weightiest reason of a pick, in a few words."""
    first = main_reason(letter.picks[place])
    return words_of(first) if first else ""


def words_of(reason: Reason) -> str:
    """A reason in a few words."""
    told = {
        "trending": "popular",
        "others": "readers like you",
        "more": f"{reason.text} more",
        "author": f"by {reason.text}",
        "category": f"in {reason.text}",
        "liked": f"like “{reason.text}”",
        "saved": f"like “{reason.text}”",
    }
    return told.get(reason.kind, f"“{reason.text}”")


def what_paid(pick: Pick, longest: int) -> str:
    """The interests that paid for a pick, with their points; each in at most so many characters."""
    paid = [r for r in sorted(pick.reasons, key=lambda r: -r.share) if r.share >= WORTH_TELLING]
    return " · ".join(f"{shorten(words_of(r), longest)} {r.share:.1f}" for r in paid)


def what_trends(standing: Standing) -> str:
    """What made a paper's trending: "187 votes, 3rd of 12 (hf, 2026-03-14), 2 days"."""
    one = standing.listing
    if one is None:
        return ""
    told = f"place {one.position} of {one.size}"
    if standing.rank is not None:
        told = f"{ordinal(standing.rank)} of {standing.rated}"
    if one.votes is not None:
        told = f"{count(one.votes, 'vote')}, {told}"
    elif standing.rated:
        told = f"votes unknown, {told}"
    days = f", {standing.days} days" if standing.days > 1 else ""
    return f"{told} ({one.source.partition(':')[0]}, {one.day}){days}"


def ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number // 10 % 10 == 1 else ends.get(number % 10, 'th')}"


@contextmanager
def progress(*tasks: tuple[str, int]) -> Iterator[list[Callable[[int], None]]]:
    """A bar for each task (what, how many) on a terminal; elsewhere a line every ten seconds, so that a log shows
    that it goes on. Gives a function for each task, to be told of steps."""
    if err.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as bars:
            ids = [bars.add_task(what, total=total) for what, total in tasks]
            yield [partial(bars.advance, one) for one in ids]
        return
    yield [_PlainProgress(what, total) for what, total in tasks]


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Set by SIGTERM, and by the first Ctrl-C: what is under way may end. A second one ends it at once."""
    asked = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        note(f"{signal.Signals(number).name}: finishing what is under way")
        asked.set()
        signal.signal(number, before[number])

    before = {int(number): signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _PlainProgress:
    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done, self.said = what, total, 0, time.monotonic()

    def __call__(self, steps: int) -> None:
        self.done += steps
        if time.monotonic() - self.said >= 10:
            self.said = time.monotonic()
            note(f"{self.what}: {self.done} of {self.total}")
