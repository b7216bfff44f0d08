"""The command line: one file for each group of commands. They read arguments, call floor 3 and print."""

from __future__ import annotations

import sys

from digest.cli.common import app, complain
from digest.errors import DigestError, UserFileError


def register() -> None:
    """Add every command to `app`; the order here is the order of the help."""
    from digest.cli import setup  # noqa: F401  isort: skip
    from digest.cli import pages  # noqa: F401  isort: skip
    from digest.cli import profiles  # noqa: F401  isort: skip
    from digest.cli import libraries  # noqa: F401  isort: skip
    from digest.cli import suggestions  # noqa: F401  isort: skip
    from digest.cli import preview  # noqa: F401  isort: skip
    from digest.cli import lint  # noqa: F401  isort: skip
    from digest.cli import verdicts  # noqa: F401  isort: skip
    from digest.cli import run  # noqa: F401  isort: skip
    from digest.cli import ask  # noqa: F401  isort: skip
    from digest.cli import mail  # noqa: F401  isort: skip
    from digest.cli import dkim  # noqa: F401  isort: skip
    from digest.cli import templates  # noqa: F401  isort: skip
    from digest.cli import secret  # noqa: F401  isort: skip
    from digest.cli import serve  # noqa: F401  isort: skip
    from digest.cli import evaluate  # noqa: F401  isort: skip
    from digest.cli import demo  # noqa: F401  isort: skip


def main() -> None:
    """The console script. What a user can mend is said in a line or two, never with a traceback."""
    register()
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
