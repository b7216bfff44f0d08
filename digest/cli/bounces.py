"""`digest bounces`: read the mails that came back."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from digest import clock
from digest.bounces import MEANINGS, Desk, Taken, in_mailbox, keys_of, pause_if_too_many
from digest.cli.common import (
    Json,
    app,
    complain,
    load_config,
    note,
    opened,
    paused,
    row,
    say,
    say_json,
    show,
    table,
)
from digest.config import Config
from digest.delivery.bounces import MOST_BYTES
from digest.delivery.incoming import NoMails, Waiting, mails_in
from digest.errors import DigestError, Problem
from digest.text import count

EX_TEMPFAIL = 75  # what tells a mail server to keep the mail and try again


@app.command(epilog="Example: digest bounces /var/mail/bounces --dry-run")
def bounces(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="A Maildir, an mbox, a mail; “-” is one mail on standard input.", metavar="PATH"),
    ] = None,
    imap: Annotated[bool, typer.Option("--imap", help="Read the mailbox that [bounces.imap] names.")] = False,
    recipient: Annotated[
        str, typer.Option(help="The address that the mail was delivered to, as the mail server knows it.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what they are, and change nothing.")] = False,
    json: Json = False,
) -> None:
    """Read mails that came back, and stop where nobody is.

    Bounces, complaints and “unsubscribe” mails. A mail counts once, however often it is read, and only if it bears
    the signature of one of our letters. With “-” the exit code is 75 where the mail could not be stored, so that
    the mail server keeps it.
    """
    if not paths and not imap:
        raise typer.BadParameter("name a Maildir, an mbox or a mail, “-” for standard input, or say --imap")
    if "-" not in (paths or []):
        _read(paths or [], imap, recipient, dry_run, json)
        return
    try:
        _read(paths or [], imap, recipient, dry_run, json)
    except typer.Exit:
        raise
    except Exception as error:
        # Whatever it is, the mail server must not take it for a refusal of the mail, and bounce the bounce.
        complain(error if isinstance(error, DigestError) else DigestError(detail=f"not stored: {error}"))
        raise typer.Exit(EX_TEMPFAIL) from None


def _read(paths: list[str], imap: bool, recipient: str, dry_run: bool, json: bool) -> None:
    settings = load_config()
    keys = keys_of(settings)
    if not settings.bounces.address:
        note("`[bounces] address` is empty: letters carry no signed return address, so few bounces can be proven")
    taken: list[tuple[str, Taken]] = []
    problems: list[Problem] = []
    try:
        with opened(settings, create=False) as store:
            desk = Desk(store, keys, clock.now)
            for mail in _mails(settings, paths, imap, problems):
                taken.append((mail.name, desk.take(mail.data, recipient, dry_run=dry_run)))
                if not dry_run:
                    try:
                        mail.seen()
                    except OSError as error:
                        what = f"was stored, but cannot be moved to cur/: {error.strerror or error}"
                        remedy = "it counts once, however often it is read"
                        problems.append(Problem(mail.name, None, "", what, remedy))
            if made := None if dry_run else pause_if_too_many(store, clock.now()):
                note(paused(made))
    except DigestError:  # of the store or the mailbox; what was read until then is told all the same
        if taken:
            _tell(taken, problems, dry_run, json)
        raise
    _tell(taken, problems, dry_run, json)
    if problems:
        raise typer.Exit(1)


def _mails(settings: Config, paths: list[str], imap: bool, problems: list[Problem]) -> Iterator[Waiting]:
    """Every mail there is; a place that cannot be read stops no other."""
    for path in paths:
        if path == "-":
            yield Waiting("standard input", _standard_input(), lambda: None)
            continue
        try:
            yield from mails_in(Path(path))
        except NoMails as error:
            what, _, remedy = str(error).partition(" — ")
            problems.append(Problem(path, None, "", what, remedy))
        except OSError as error:
            what = f"cannot be read: {error.strerror or error}"
            problems.append(Problem(path, None, "", what, "name what this user may read"))
    if imap:
        yield from in_mailbox(settings)


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(MOST_BYTES)
    while sys.stdin.buffer.read(MOST_BYTES):
        pass  # a mail server whose pipe is closed early takes that for a failure
    return data


def _tell(taken: list[tuple[str, Taken]], problems: list[Problem], dry_run: bool, json: bool) -> None:
    counts = Counter(one.kind for _, one in taken)
    if json:
        say_json(
            {
                "mails": [{"source": name, **asdict(one)} for name, one in taken],
                "counts": {kind: counts[kind] for kind in MEANINGS},
                "repeated": sum(one.repeated for _, one in taken),
                "suppressed": sum(one.suppressed for _, one in taken),
                "problems": [one.as_dict() for one in problems],
            }
        )
        return
    if taken:
        made = table("kind", "mails", "what it means", right=["mails"], wide={"what it means": 1})
        for kind, meaning in MEANINGS.items():
            if counts[kind]:
                row(made, kind, counts[kind], meaning)
        show(made)
    else:
        say("there is no mail to read")
    for name, one in taken:
        if one.suppressed:
            said = f"suppressed ({one.kind}{': ' if one.detail else ''}{one.detail})"
            say(f"{one.address}: {said}")
        elif one.is_operators:
            about = f"{one.address}: " if one.address else ""
            note(f"{one.kind}: {name}: {about}{one.detail}")
    for problem in problems:
        complain(problem)
    repeated = sum(one.repeated for _, one in taken)
    if repeated:
        note(f"{count(repeated, 'mail')} had been counted before")
    if dry_run and taken:
        note("nothing was changed")
