"""`digest secret new`: what the links in letters are signed with."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from digest import config as configuration
from digest.cli.common import app, cannot_write, here, load_config, note, say
from digest.errors import FileInvalid, Problem
from digest.text import count
from digest.tokens import SECRET_BYTES

secret_app = typer.Typer(
    help="Make what links are signed with.",
    rich_markup_mode=None,
    no_args_is_help=True,
    epilog="Example: digest secret new",
)
app.add_typer(secret_app, name="secret")


@secret_app.callback()
def _group() -> None:
    pass  # with one command alone typer would drop its name


@secret_app.command(epilog="Example: digest secret new --drop-old")
def new(
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Keep only the new one: links in letters already sent stop working.")
    ] = False,
) -> None:
    """Make a secret that signs the links in letters.

    It goes into the file that `[web] secret_file` names, before those that are there: new links are signed with it,
    and links in letters already sent stay valid.
    """
    config = load_config()
    path = config.path(config.web.secret_file)
    old = [] if drop_old or not path.exists() else _old(config)
    dropped = drop_old and path.exists()
    _write(path, [token_hex(SECRET_BYTES), *old])
    say(f"wrote a new secret into {here(path)}, which only you can read")
    if old:
        say(f"{count(len(old), 'older secret')} kept after it: links in letters already sent work on")
    elif dropped:
        say("no older secret is left: links in letters already sent no longer work")
    say("copy the file to every machine that sends letters or serves their pages")
    if not config.web.base_url:
        note("letters link to no pages of yours yet; set `[web] base_url` in config.toml")


def _old(config: configuration.Config) -> list[str]:
    try:
        return [one.hex() for one in configuration.secrets(config.web, config.home)]
    except FileInvalid as error:
        wrong = error.problems[0]
        remedy = "mend the file or move it away; --drop-old replaces it"
        raise FileInvalid([Problem(wrong.path, wrong.line, wrong.key, wrong.what, remedy)]) from None


def _write(path: Path, lines: list[str]) -> None:
    """All at once, and never readable to others, not even for a moment."""
    target = path.resolve()
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="ascii", dir=target.parent, delete=False) as file:  # mode 0600
            temporary = file.name
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
        raise cannot_write(error, path, "Name a file that this user may write in `[web] secret_file`") from None
