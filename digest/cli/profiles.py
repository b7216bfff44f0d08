"""`digest profiles check|diff|apply|edit`: the files in the profiles folder and the subscribers in the store."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from digest import clock, profile_folder, roster
from digest.cli.common import (
    Json,
    app,
    complain,
    err,
    here,
    hinted,
    load_config,
    note,
    opened,
    say,
    say_json,
    unknown,
)
from digest.cli.setup import EXAMPLE_ADDRESS, SAMPLES
from digest.errors import FileInvalid, Problem, StoreMissing, UserFileError
from digest.library import profile_file
from digest.roster import Plan
from digest.store import subscribers
from digest.text import count

profiles_app = typer.Typer(
    help="Check, compare, apply or edit profile files.",
    rich_markup_mode=None,
    no_args_is_help=True,
    epilog="Example: digest profiles apply",
)
app.add_typer(profiles_app, name="profiles")


@profiles_app.command(epilog="Example: digest profiles check --json")
def check(json: Json = False) -> None:
    """Say what is wrong in the profile files.

    File, line, key and remedy of each problem; exit code 3 if there is any.
    """
    config = load_config()
    reading = profile_folder.read(config.path(config.edition.profiles))
    if json:
        say_json(
            {
                "valid": [one.handle for one in reading.subscribers],
                "problems": [one.as_dict() for one in reading.problems],
            }
        )
    else:
        for problem in reading.problems:
            say(str(problem))
        say(f"{count(len(reading.subscribers), 'valid profile')}, {count(len(reading.problems), 'problem')}")
    if reading.problems:
        raise typer.Exit(3)


@profiles_app.command(epilog="Example: digest profiles diff")
def diff(json: Json = False) -> None:
    """Show what `digest profiles apply` would change. Changes nothing."""
    config = load_config()
    reading = profile_folder.read(config.path(config.edition.profiles))
    try:
        with opened(config, create=False) as store, store.read() as connection:
            plan = roster.plan(reading, subscribers.everyone(connection), roster.held(connection, reading))
    except StoreMissing:
        plan = roster.plan(reading, [])  # nothing is applied yet, so everything is new
    _show(plan, reading, json)


@profiles_app.command(epilog="Example: digest profiles apply")
def apply(
    yes: Annotated[bool, typer.Option("--yes", help="Pause everyone, if that is what it comes to.")] = False,
    json: Json = False,
) -> None:
    """Show the plan and carry it out. A file that was removed pauses its subscriber; memory is never deleted."""
    config = load_config()
    folder = config.path(config.edition.profiles)
    reading = profile_folder.read(folder)
    with opened(config) as store:
        with store.read() as connection:
            plan = roster.plan(reading, subscribers.everyone(connection), roster.held(connection, reading))
        if plan.pauses_everyone and not yes:
            question = f"{here(folder)} holds no profile: this pauses every subscriber. Go on?"
            if not (sys.stdin.isatty() and err.is_terminal and typer.confirm(question, err=True)):
                remedy = (
                    "bring the files back, name the folder in [edition] profiles, or say --yes to pause everyone"
                )
                raise UserFileError(path=folder, detail=f"there is no profile here; {remedy}")
        done = roster.apply(store, reading, clock.now())
    _show(done, reading, json, done=True)


@profiles_app.command(epilog="Example: EDITOR=nano digest profiles edit alice")
def edit(name: Annotated[str, typer.Argument(help="The handle; a new one starts from the example.")]) -> None:
    """Edit a profile file in $VISUAL or $EDITOR. It is only saved once it is valid, as `crontab -e` does it."""
    config = load_config()
    folder = config.path(config.edition.profiles)
    path = folder / f"{name}.toml"
    if problem := profile_folder.handle_problem(name):
        raise UserFileError(path=path, detail=problem)
    if not path.exists():
        reading = profile_folder.read(folder)
        addresses = {one.address: one.handle for one in reading.subscribers}
        if name in addresses or "@" in name:
            raise unknown(name, [addresses.get(name, "")])
        note(f"{here(path)} is new; it starts as the example")
    start = path.read_bytes() if path.exists() else (SAMPLES / "example.toml").read_bytes()
    # The draft lies beside the file, so that a crash of the editor loses nothing and saving it is one rename.
    draft = folder / f".{name}.toml.edit"
    folder.mkdir(parents=True, exist_ok=True)
    if draft.exists() and draft.read_bytes() != start:
        note(f"continuing with what was written last time; delete {here(draft)} to start over")
    else:
        draft.write_bytes(start)
    while True:
        _open_editor(draft)
        data = draft.read_bytes()
        if data == start:
            draft.unlink()
            say(f"{here(path)} is unchanged" if path.exists() else "nothing was changed; no profile was made")
            return
        problems = _problems(data, path, name, folder)
        if not problems:
            break
        for one in problems:
            complain(one)
        try:
            again = typer.confirm("Edit it again?", default=True, err=True)
        except typer.Abort:
            again = False
        if not again:
            note(f"{here(path)} is as it was; what you wrote is in {here(draft)}")
            raise typer.Exit(3)
    draft.replace(path)
    say(hinted(f"saved {here(path)}; `digest profiles apply` takes it over"))


def _open_editor(draft: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        ended = subprocess.run([*shlex.split(editor), str(draft)], check=False).returncode  # noqa: S603
    except (OSError, ValueError) as error:
        raise UserFileError(
            path=draft, detail=f"cannot start the editor {editor!r} ({error}); set EDITOR"
        ) from None
    if ended:
        raise UserFileError(path=draft, detail=f"the editor {editor!r} ended with {ended}; nothing was saved")


def _problems(data: bytes, path: Path, handle: str, folder: Path) -> list[Problem]:
    try:
        reader = profile_file.parse(data, here(path), handle)
    except FileInvalid as error:
        return list(error.problems)
    for other in profile_folder.read(folder).subscribers:
        if other.handle != handle and other.address.casefold() == reader.address.casefold():
            taken = f"{other.handle}.toml has this address already"
            return [Problem(here(path), None, "address", taken, "one address, one profile")]
    return []


def _show(plan: Plan, reading: profile_folder.Reading, json: bool, *, done: bool = False) -> None:
    problems = (*reading.problems, *plan.problems)
    if json:
        say_json(
            {
                "changes": [
                    {"kind": one.kind, "handle": one.handle, "details": list(one.details)} for one in plan.changes
                ],
                "unchanged": plan.unchanged,
                "problems": [one.as_dict() for one in problems],
            }
        )
    else:
        for one in plan.changes:
            say(f"{one.kind:<8} {one.handle}")
            for detail in one.details:
                say(f"         {detail}")
        for problem in problems:
            complain(problem)
        parts = [f"{number} {kind}" for kind, number in plan.counts.items()] + [f"{plan.unchanged} unchanged"]
        parts += [f"{len(reading.refused)} refused"] if reading.refused else []
        say(("applied: " if done else "would apply: ") + ", ".join(parts))
        for reader in reading.subscribers if done else ():
            if reader.address == EXAMPLE_ADDRESS:
                name = reader.handle
                note(f"{name}: the address is still the example's; `digest profiles edit {name}` mends it")
    if problems:  # what was applied is done, whatever else was refused
        raise typer.Exit(1 if done and reading.subscribers else 3)
