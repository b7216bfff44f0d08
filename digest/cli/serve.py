"""`digest serve`."""

from __future__ import annotations

import logging
import sys

from digest import assembly
from digest.cli.common import app, load_config


@app.command(epilog="Example: digest --home /srv/letters serve")
def serve() -> None:
    """Run until told to stop.

    Asks the sources for papers, takes new pages from the inbox folder and sends each letter at its reader's hour.
    Every 15 minutes it reads what came back to the mailbox that [bounces.imap] names.
    SIGTERM finishes what is under way and exits with 0. A restart forgets nothing and sends nothing twice.
    """
    from digest import service  # its scheduler and its clients for the network take a while to load

    config = load_config()
    assembly.check(config)  # a folder that is not there should be said now, not at the first letter
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    service.serve(config)
