"""What costs much and is the same whoever does it is done once in a process, not in each test anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
import typer
from alembic.config import Config
from alembic.script import ScriptDirectory
from typer.main import get_command

from digest.letters.templates import Templates


def migrations_are_read_once(patch: pytest.MonkeyPatch) -> None:
    """Each `open_store` asks them for the newest."""
    read, found = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def from_config(config: Config) -> ScriptDirectory:
        folder = config.get_main_option("script_location")
        if folder not in found:
            found[folder] = read(config)
        return found[folder]

    patch.setattr(ScriptDirectory, "from_config", staticmethod(from_config))


def templates_are_compiled_once(patch: pytest.MonkeyPatch) -> None:
    kept, make = Kept(), Templates._environment

    def environment(self: Templates, *arguments: Any) -> jinja2.Environment:
        made = make(self, *arguments)
        made.bytecode_cache = kept
        return made

    patch.setattr(Templates, "_environment", environment)


class Kept(jinja2.BytecodeCache):
    """By name and source."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        bucket.code = self._of.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._of[bucket.key, bucket.checksum] = bucket.code


def command(app: typer.Typer) -> Any:
    """What Typer makes of the functions of an application, as long as there are no more of them."""
    return _command(app, _number(app))


@cache
def _command(app: typer.Typer, _number: int) -> Any:
    return get_command(app)


def _number(app: typer.Typer) -> int:
    groups = (one.typer_instance for one in app.registered_groups)
    return len(app.registered_commands) + sum(_number(one) for one in groups if one)


def upgrade_by(new_store: Path, usual: Callable[..., None]) -> Callable[..., None]:
    """Alembic's `upgrade`, which fills an empty SQLite store with what stands in one that it has filled before."""

    def upgrade(config: Config, revision: str) -> None:
        connection = config.attributes["connection"]
        told = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        if connection.dialect.name != "sqlite" or connection.exec_driver_sql(told).first():
            usual(config, revision)
            return
        with sqlite3.connect(new_store) as made:
            for (statement,) in made.execute(told):
                connection.exec_driver_sql(statement)
            for (version,) in made.execute("SELECT version_num FROM alembic_version"):
                connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (version,))
        made.close()

    return upgrade
