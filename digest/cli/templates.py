"""`digest templates check|copy`: the letter's look, for those who change it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from digest import tomlfile
from digest.assembly import templates_of
from digest.cli.common import app, cannot_write, here, home, load_config, note, say
from digest.config import Config
from digest.errors import ConfigMissing, FileInvalid, Problem
from digest.language import languages
from digest.letters.check import check as faults_of
from digest.letters.samples import sample_letters
from digest.letters.templates import NAMES, Templates
from digest.text import count

templates_app = typer.Typer(
    help="Check or copy the letter's templates.",
    rich_markup_mode=None,
    no_args_is_help=True,
    epilog="Example: digest templates copy templates",
)
app.add_typer(templates_app, name="templates")


@templates_app.command(epilog="Example: digest templates check templates")
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder of templates; by default what config.toml names.", metavar="DIR"),
    ] = None,
) -> None:
    """Try the letter's templates on invented letters.

    Names file, line and remedy of whatever is wrong: unknown variables, what is not escaped, a letter without its
    papers or without a way to unsubscribe, too large an HTML part. Exit code 3 if there is anything.
    """
    try:
        config = load_config()
    except ConfigMissing:
        config = Config()
    templates = _in(folder) if folder else templates_of(config)
    problems = faults_of(templates, config.letter)
    own = [name for name in NAMES if templates.override and (templates.override / name).is_file()]
    if templates.override:
        _tell_strangers(templates.override)
    if problems:
        raise FileInvalid(problems)
    letters = len(sample_letters(config.letter)) * len(languages()) * 2
    whose = f"{len(own)} of them yours" if own else "all of them the shipped ones"
    said = f"{len(NAMES)} templates, {whose}: nothing is wrong in {count(letters, 'sample letter')}"
    say(f"{said} ({', '.join(languages())}; with and without pages of ours)")


@templates_app.command(epilog="Example: digest templates copy templates card.html card.txt")
def copy(
    folder: Annotated[Path, typer.Argument(help="Where your templates are to lie.", metavar="DIR")],
    names: Annotated[
        list[str] | None, typer.Argument(help="These alone, as card.html; by default all.", metavar="NAME")
    ] = None,
) -> None:
    """Copy the shipped templates into a folder to start from.

    Never overwrites. A template that you delete again is the shipped one.
    """
    shipped = files("digest") / "templates"
    for name in [_named(one) for one in names] if names else NAMES:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write((shipped / name).read_bytes())
        except FileExistsError:
            if not path.is_file():
                raise cannot_write(FileExistsError(), path, "Name another folder") from None
            note(f"{here(path)} is there already; it stays as it is")
            continue
        except OSError as error:
            raise cannot_write(error, path, "Name a folder that this user may write") from None
        say(f"wrote {here(path)}")
    say()
    say("Next: name the folder in config.toml, change what you like, and look at it:")
    say(f"  [letter]\n  templates = {_toml(_from_home(folder))}")
    say(f"  digest templates check {here(folder)}")
    say("  digest preview NAME --serve")
    note("keep only what you change: a file that is not there is the shipped one (docs/templates.md)")


def _in(folder: Path) -> Templates:
    """The templates of a folder that was named by hand. Raises `FileInvalid` for one without any."""
    if any((folder / name).is_file() for name in NAMES):
        return Templates(folder)
    what = "this folder replaces no template" if folder.is_dir() else "no such folder"
    remedy = f"`digest templates copy {folder}` puts the shipped ones into it"
    raise FileInvalid([Problem(str(folder), None, "", what, remedy)])


def _tell_strangers(folder: Path) -> None:
    """Files that no template is named as may be misspelt, or taken in by others."""
    misplaced = (path for name in NAMES if (path := folder / Path(name).name).is_file())
    for path in sorted([*folder.glob("letter/*"), *misplaced]):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".html", ".txt") and name not in NAMES:
            guess = tomlfile.nearest(name, NAMES)
            meant = f" (did you mean {guess}?)" if guess else ""
            note(f"{here(path)} is no template's name{meant}; it is used only if another one includes it")


def _named(name: str) -> str:
    found = f"letter/{name.removeprefix('letter/')}"
    if found in NAMES:
        return found
    guess = tomlfile.nearest(found, NAMES)
    told = f"did you mean {guess.removeprefix('letter/')}?" if guess else f"there are {', '.join(NAMES)}"
    raise typer.BadParameter(f"there is no template {name!r}; {told}", param_hint="NAME")


def _from_home(folder: Path) -> str:
    """As config.toml would name it."""
    try:
        return folder.resolve().relative_to(home().resolve()).as_posix()
    except ValueError:
        return str(folder.resolve())


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
