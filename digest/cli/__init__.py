"""The command line: one file for each group of commands. They read arguments, call floor 3 and print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise

from digest.cli.common import app, complain
from digest.errors import DigestError, UserFileError

# The file of each command, in the order of the help.
COMMANDS = {
    "init": "setup",
    "collect": "collect",
    "ingest": "pages",
    "sources": "sources",
    "papers": "papers",
    "paper": "papers",
    "profiles check": "profiles",
    "profiles diff": "profiles",
    "profiles apply": "profiles",
    "profiles edit": "profiles",
    "profiles import": "libraries",
    "profiles suggest": "suggestions",
    "preview": "preview",
    "lint-letter": "lint",
    "like": "verdicts",
    "dislike": "verdicts",
    "save": "verdicts",
    "run": "run",
    "status": "ask",
    "why": "ask",
    "outbox": "outbox",
    "pause": "outbox",
    "resume": "outbox",
    "cancel": "outbox",
    "check": "check",
    "test-mail": "mail",
    "doctor": "doctor",
    "bounces": "bounces",
    "suppressions": "suppressions",
    "dkim": "dkim",
    "templates": "templates",
    "secret": "secret",
    "serve": "serve",
    "evaluate": "evaluate",
    "demo": "demo",
}


def register(arguments: Sequence[str] = ()) -> None:
    """Add the command that the arguments name to `app`, or else every one.

    All of them take a while to load. What ranks takes a second more, so each file loads that in its commands.
    """
    words = [word for before, word in pairwise(["", *arguments]) if word[:1] != "-" and before != "--home"]
    named = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else "".join(words[:1])
    wanted = {COMMANDS[named]} if named in COMMANDS else set(COMMANDS.values())
    for name in dict.fromkeys(COMMANDS.values()):
        if name in wanted:
            import_module(f"digest.cli.{name}")


def main() -> None:
    """The console script. What a user can mend is said in a line or two, never with a traceback."""
    register(sys.argv[1:])
    try:
        app()
    except DigestError as error:
        complain(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        # Whoever opened it had nothing better to say; the file and the reason are what can be mended.
        complain(UserFileError(path=error.filename, detail=error.strerror or str(error)))
        sys.exit(UserFileError.exit_code)
