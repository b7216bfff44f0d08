"""What each life needs and is the same for all of them: made once, in the process that they are forked from."""

from __future__ import annotations

import tempfile

import pytest
import typer.main

import digest.cli.ask
import digest.cli.mail
import digest.cli.outbox
import digest.cli.run
import digest.pool  # noqa: F401
from digest.cli.common import app
from digest.language import language
from digest.letters.templates import NAMES, Templates
from digest.store.opening import open_store
from tests import once

patch = pytest.MonkeyPatch()  # for good: this process does nothing else
once.migrations_are_read_once(patch)
once.templates_are_compiled_once(patch)
patch.setattr(typer.main, "get_command", once.command)
once.command(app)
for name in NAMES:
    Templates().of(language("en")).get_template(name)
with tempfile.TemporaryDirectory() as folder:
    open_store(f"sqlite:///{folder}/digest.db").close()
