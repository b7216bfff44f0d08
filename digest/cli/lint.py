"""`digest lint-letter`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from digest import clock
from digest.assembly import compose, composer_of
from digest.cli.common import (
    NO_SUBSCRIBERS,
    Day,
    Json,
    app,
    complain,
    here,
    hinted,
    load_config,
    note,
    opened,
    progress,
    row,
    say,
    say_json,
    show,
    table,
)
from digest.cli.readers import find
from digest.edition import Press
from digest.errors import DigestError, UserFileError
from digest.letters.lint import Finding, Severity, lint, lint_html
from digest.model import SubscriberState
from digest.store import subscribers
from digest.text import count

MAIL, PAGE, TEXT = ".eml", (".html", ".htm"), ".txt"


@dataclass(frozen=True, slots=True)
class Checked:
    """A letter that was looked at, or why it could not be."""

    name: str
    findings: tuple[Finding, ...] = ()
    note: str = ""
    error: DigestError | None = None
    there: bool = True  # False: the subscriber gets no letter on that day

    def number(self, severity: Severity) -> int:
        return sum(one.severity is severity for one in self.findings)


@app.command(epilog="Example: digest lint-letter alice mail/")
def lint_letter(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Mails (.eml), pages (.html, with the .txt beside), folders and Maildirs of them; or subscribers, "
            "for their next letters. Without any: every active subscriber.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    day: Day = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    json: Json = False,
) -> None:
    """Look for what is wrong with letters, before readers do.

    Contrast in light and dark, mark-up, images, links, headers, what mail clients cannot show, and whether the text
    part says what the HTML says. Sends nothing and writes nothing. Exits with 1 where there is an error.
    """
    files = [name for name in names or [] if _is_path(name)]
    readers = [name for name in names or [] if not _is_path(name)]
    checked = _files([Path(name) for name in files])
    if readers or not names:
        checked += _letters(readers, day)
    if json:
        say_json([_plain(one) for one in checked])
    else:
        _tell(checked)
    bad = [one for one in checked if one.number(Severity.ERROR) or (strict and one.findings)]
    failed = [one.error for one in checked if one.error]
    if failed and len(failed) == len(checked):
        raise typer.Exit(failed[0].exit_code)
    if failed or bad:
        raise typer.Exit(1)


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith((MAIL, *PAGE, TEXT)) or Path(name).exists()


# ---- files


def _files(paths: Sequence[Path]) -> list[Checked]:
    found: list[Path] = []
    checked: list[Checked] = []
    for path in paths:
        try:
            inside = _within(path) if path.is_dir() else [path]
        except OSError as error:
            checked.append(_unread(path, error.strerror or str(error)))
            continue
        found += inside
        if not inside:
            checked.append(_unread(path, "there is no mail and no page in this folder"))
    with progress(("files", len(found))) as [advance]:
        for file in found:
            try:
                checked.append(_file(file))
            except OSError as error:
                checked.append(_unread(file, error.strerror or str(error)))
            except UnicodeDecodeError as error:
                checked.append(_unread(file, f"byte {error.start + 1} is not UTF-8; save the page as UTF-8"))
            advance(1)
    return checked


def _within(folder: Path) -> list[Path]:
    """The letters in a folder: a Maildir's mails, a folder of Maildirs, or mails and pages."""
    inner = [one for name in ("cur", "new") if (one := folder / name).is_dir()]
    if inner:
        return sorted(file for one in inner for file in one.iterdir() if file.is_file() and file.name[0] != ".")
    found = []
    for one in sorted(folder.iterdir()):
        if one.is_dir() and ((one / "new").is_dir() or (one / "cur").is_dir()):
            found += _within(one)
        elif one.suffix in (MAIL, *PAGE) and one.is_file():
            found.append(one)
    return found


def _file(path: Path) -> Checked:
    if path.suffix == TEXT:
        page = next((one for suffix in PAGE if (one := path.with_suffix(suffix)).is_file()), None)
        if page is None:
            raise FileNotFoundError(2, "there is no .html beside it", str(path))
        path = page
    if path.suffix not in PAGE:
        mail = path.read_bytes()
        # A file has the line ends of its disk; only a mail that mixes them is wrong.
        return Checked(here(path), tuple(lint(mail if b"\r\n" in mail else mail.replace(b"\n", b"\r\n"))))
    beside = path.with_suffix(TEXT)
    text = beside.read_text("utf-8") if beside.is_file() else ""
    said = "" if text.strip() else "there is no text part beside it, so only the HTML was looked at"
    return Checked(here(path), tuple(lint_html(path.read_text("utf-8"), text)), said)


def _unread(path: Path, detail: str) -> Checked:
    return Checked(here(path), error=UserFileError(path=path, detail=detail))


# ---- subscribers


def _letters(names: Sequence[str], day: date | None) -> list[Checked]:
    """The next letters of these subscribers, else of every active one, as `digest preview` shows them."""
    config = load_config()
    now = clock.now()
    checked: list[Checked] = []
    with opened(config, create=False) as store:
        press, composer = Press(store, config), composer_of(config, sign=False)
        readers = []
        for name in names:
            try:
                found = find(config, store, name, draft=False)
                for one in found.notes:
                    note(one)
                readers.append(found.reader)
            except DigestError as error:
                checked.append(Checked(name, error=error))
        if not names:
            with store.read() as connection:
                everyone = subscribers.everyone(connection)
            readers = [one for one in everyone if one.state is SubscriberState.ACTIVE]
            if not readers:
                note(f"no active subscriber; {NO_SUBSCRIBERS}")
        with progress(("letters", len(readers))) as [advance]:
            for reader in readers:
                advance(1)
                slot = day or press.next_slot(reader, now)
                letter = press.preview(reader, slot, now)
                name = f"{reader.handle}, letter of {slot}"
                if not letter.picks:
                    checked.append(Checked(name, note=hinted(f"no letter: {letter.note}"), there=False))
                    continue
                try:
                    checked.append(Checked(name, tuple(lint(compose(letter, config, composer).message))))
                except DigestError as error:
                    checked.append(Checked(name, error=error))
    return checked


# ---- telling


def _tell(checked: Sequence[Checked]) -> None:
    """A template's fault is in every letter: letters with the same findings are told together."""
    alike: dict[tuple[object, ...], list[Checked]] = {}
    for one in checked:
        if one.error:
            complain(one.error)
            continue
        if one.note:
            note(f"{one.name}: {one.note}")
        if one.findings:
            alike.setdefault(tuple(replace(each, where="") for each in one.findings), []).append(one)
        elif one.there:
            say(f"{one.name}: nothing found")
    for first, *others in alike.values():
        say(f"{first.name}{f', and {len(others)} more' if others else ''}: {_sum(first)}")
        made = table("", "rule", "where", "what", wide={"where": 2, "what": 5})
        for finding in first.findings:
            row(made, finding.severity.value, finding.rule, finding.where, f"{finding.message} — {finding.remedy}")
        show(made)
        say()
    looked = [one for one in checked if one.there and not one.error]
    if len(looked) > 1:
        wrong = sum(1 for one in looked if one.number(Severity.ERROR))
        say(f"{count(len(looked), 'letter')}, {wrong or 'none'} with errors")


def _sum(one: Checked) -> str:
    numbers = [(one.number(Severity.ERROR), "error"), (one.number(Severity.WARNING), "warning")]
    return ", ".join(count(number, what) for number, what in numbers if number)


def _plain(one: Checked) -> dict[str, object]:
    return {
        "letter": one.name,
        "errors": one.number(Severity.ERROR),
        "warnings": one.number(Severity.WARNING),
        "findings": [asdict(finding) for finding in one.findings],
        "note": one.note,
        "error": str(one.error) if one.error else None,
    }
