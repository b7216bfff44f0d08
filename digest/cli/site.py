"""Everyone's next letter as files: an index, and for each reader the letter as a page, as text and as a mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from urllib.parse import quote

from digest.assembly import compose, render_letter, tried_composer_of
from digest.cli.common import cannot_write
from digest.config import Config
from digest.edition import Press
from digest.errors import DigestError, Problem
from digest.letters.compose import Composer
from digest.letters.templates import environment
from digest.model import Letter, LetterState, Subscriber, SubscriberState
from digest.text import count

LETTERS = "letters"  # the folder of the letters, beside the index
KINDS = ("html", "txt", "eml")


@dataclass(frozen=True, slots=True)
class Row:
    """A reader in the index."""

    handle: str
    address: str = ""
    slot: date | None = None
    state: str = ""  # the letter's, or the reader's who gets none; "error"
    papers: int = 0
    subject: str = ""
    why: str = ""  # there is no letter, or what else is to be known
    page: str = ""  # "letters/alice", quoted; ".html" and so on follow. Empty where there is no letter

    @property
    def wrong(self) -> bool:
        return self.state == "error"


def write_site(
    folder: Path,
    press: Press,
    readers: Sequence[Subscriber],
    problems: Mapping[str, Sequence[Problem]],
    now: datetime,
    day: date | None,
    progress: Callable[[int], None],
) -> list[Row]:
    """Write the files and say what is in them. What is wrong with one reader stands in their row.

    Raises `CannotWrite`, and `TemplateInvalid` or `FileInvalid` for what would spoil every letter.
    """
    composer = tried_composer_of(press.config)
    active = [one for one in readers if one.state is SubscriberState.ACTIVE]
    rows = {row.handle: row for row in _without_letters(readers, problems)}
    try:
        (folder / LETTERS).mkdir(parents=True, exist_ok=True)
        for letter in press.previews(active, now, day):
            row = _write(folder, letter, press.config, composer)
            if row.handle in problems:
                row = replace(row, state="error", why=f"shown as applied, since {_told(problems[row.handle])}")
            rows[row.handle] = row
            progress(1)
        for handle, row in rows.items():
            if not row.page:
                _clear(folder / LETTERS, handle)
        shown = [rows[handle] for handle in sorted(rows)]
        _index(folder / "index.html", shown, press.config, now)
    except OSError as error:
        raise cannot_write(error, folder, "Name a folder that this user may write with --out") from None
    return shown


def _without_letters(readers: Sequence[Subscriber], problems: Mapping[str, Sequence[Problem]]) -> Iterator[Row]:
    """What stands in the index of those for whom no letter comes."""
    for handle, some in problems.items():
        yield Row(handle, state="error", why=_told(some))
    for one in readers:
        if one.state is SubscriberState.ACTIVE:
            why = f"this machine does not know the time zone {one.time_zone}"
            yield Row(one.handle, one.address, state="error", why=why)
        else:
            why = _told(problems[one.handle]) if one.handle in problems else one.state_reason
            yield Row(one.handle, one.address, state=one.state.value, why=why)


def _write(folder: Path, letter: Letter, config: Config, composer: Composer) -> Row:
    reader = letter.subscriber
    row = Row(reader.handle, reader.address, letter.slot, letter.state.value, len(letter.picks), why=letter.note)
    if letter.state is LetterState.FAILED and not letter.id:
        return replace(row, state="error")
    if not letter.picks:
        return row
    try:
        rendered = render_letter(letter, config, composer)
        mail = compose(letter, config, composer).message
    except DigestError as error:
        return replace(row, state="error", why=str(error))
    except Exception as error:  # one letter that cannot be written never stops the others
        return replace(row, state="error", why=f"it could not be composed: {type(error).__name__}: {error}")
    stem = folder / LETTERS / reader.handle
    parts = (rendered.html.encode("utf-8"), rendered.text.encode("utf-8"), mail)
    for kind, data in zip(KINDS, parts, strict=True):
        stem.with_name(f"{stem.name}.{kind}").write_bytes(data)
    return replace(row, subject=rendered.subject, page=f"{LETTERS}/{quote(reader.handle)}")


def _clear(folder: Path, handle: str) -> None:
    """Take away what an earlier call left of a letter that is no longer there."""
    for kind in KINDS:
        with suppress(OSError, ValueError):
            (folder / f"{Path(handle).name}.{kind}").unlink(missing_ok=True)


def _index(path: Path, rows: Sequence[Row], config: Config, now: datetime) -> None:
    wrong, written = sum(row.wrong for row in rows), sum(bool(row.page) for row in rows)
    lead = f"The next letters as of {now:%Y-%m-%d %H:%M} UTC: {written} for {count(len(rows), 'reader')}"
    lead += f"; {count(wrong, 'reader')} with an error." if wrong else "."
    page = environment().get_template("site.html").stream(title=config.letter.name, lead=lead, rows=rows)
    page.enable_buffering(100)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for part in page:
            file.write(part)


def _told(problems: Sequence[Problem]) -> str:
    return "; ".join(map(str, problems))
