"""Imports only go down the floors, and what is pure asks nobody for the time."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "digest"
FLOORS: dict[str, int] = {
    # words
    **dict.fromkeys(
        (
            "model",
            "errors",
            "fields",
            "source_config",
            "config",
            "tomlfile",
            "text",
            "latex",
            "latex_names",
            "fingerprint",
            "clock",
            "language",
            "tokens",
            "patience",
            "privacy",
            "frozen",
        ),
        0,
    ),
    # pure
    **dict.fromkeys(("sources", "library", "ranking", "letters"), 1),
    # adapters
    **dict.fromkeys(("store", "delivery", "migrations", "semantic", "signing", "threads", "dns"), 2),
    **dict.fromkeys(("fetch", "route", "turns", "userfile", "profile_folder"), 2),
    # the day
    **dict.fromkeys(("collecting", "collect", "feeds"), 3),
    **dict.fromkeys(("ingest", "roster", "gaps", "pool", "edition", "assembly", "recovery", "ledger"), 3),
    **dict.fromkeys(("courier", "run"), 3),
    **dict.fromkeys(("bounces", "suppressions", "verdicts", "libraries", "suggestions", "evaluation", "doctor"), 3),
    # doors
    **dict.fromkeys(("cli", "service"), 4),
}
WORDS_MAY_USE = {"pydantic", "pydantic_core", "email_validator", "babel"}
PURE_MUST_NOT_USE = {
    "sqlalchemy",
    "alembic",
    "sqlite3",
    "psycopg",
    "socket",
    "ssl",
    "smtplib",
    "urllib.request",
    "aiosmtplib",
    "asyncio",
    "subprocess",
    "apscheduler",
    "rich",
}
STANDARD = sys.stdlib_module_names
# How such a call ends. How long something takes may be asked: time.monotonic, time.perf_counter.
ASKS_THE_TIME = (
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(source: str) -> set[str]:
    """Every module that a source imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            name = node.module or ""
            found.update(f"{name}.{alias.name}" for alias in node.names) if name == "digest" else found.add(name)
    return found


def faults(own: str, source: str) -> list[str]:
    """What is wrong with the imports of a module in the room `own`."""
    floor = FLOORS[own]
    wrong = []
    for name in imported(source):
        outer, _, rest = name.partition(".")
        if outer == "digest" and rest and not rest.startswith("__"):
            other = rest.partition(".")[0]
            if other != own and FLOORS.get(other, 9) > floor:
                wrong.append(f"{own} (floor {floor}) imports {name}, which lives above it")
            if floor == 4 and other != own and FLOORS.get(other) == 4 and other != "service":
                wrong.append(f"{own} imports the door {name}")
        elif floor == 0 and outer not in STANDARD and outer not in (*WORDS_MAY_USE, "digest"):
            wrong.append(f"{own} (words) imports {name}")
        elif floor <= 1 and {outer, name} & PURE_MUST_NOT_USE:
            wrong.append(f"{own} is pure and imports {name}")
        if "sqlalchemy" in name and own not in (
            "store",
            "migrations",
            "roster",
            "edition",
            "pool",
            "verdicts",
            "libraries",
            "ledger",
            "recovery",
            "bounces",
        ):
            wrong.append(f"{own} imports {name}; the only SQL is in the store")
    return wrong


def clocks(source: str) -> list[str]:
    """Calls that ask the time of day, under whatever name their module was imported."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            before = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names.update({alias.asname or alias.name: before + alias.name for alias in node.names})
    asked = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            call = names.get(first, first) + dot + rest
            if f".{call}".endswith(tuple(f".{end}" for end in ASKS_THE_TIME)):
                asked.append(call)
    return asked


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_keeps_to_its_floor(path: Path) -> None:
    if path.parent == PACKAGE and path.name == "__init__.py":
        return
    assert room(path) in FLOORS, f"{room(path)} is on no floor yet: place it in FLOORS"
    source = path.read_text("utf-8")
    assert faults(room(path), source) == []
    if room(path) != "clock":
        assert clocks(source) == []


def test_each_room_says_what_lives_there() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))) or path.parent == PACKAGE


@pytest.mark.parametrize(
    ("own", "source"),
    [
        ("ranking", "from digest.store import papers"),
        ("model", "import numpy"),
        ("sources", "def f():\n    import socket"),
        ("ranking", "from urllib.request import urlopen"),
        ("letters", "from digest import edition"),
        ("ingest", "import sqlalchemy as sa"),
        ("service", "from digest.cli.common import app"),
    ],
)
def test_the_guard_sees_what_is_wrong(own: str, source: str) -> None:
    assert faults(own, source)


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\nx = datetime.datetime.now(datetime.UTC)",
        "from datetime import date as day\ndef f():\n    return day.today()",
        "import time as t\nx = t.time()",
        "from time import time\nx = time()",
    ],
)
def test_the_guard_sees_who_asks_the_time(source: str) -> None:
    assert clocks(source)


@pytest.mark.parametrize(
    "source", ["from digest import clock\nx = clock.now()", "import time\nx = time.monotonic()"]
)
def test_the_guard_lets_pass_who_does_not(source: str) -> None:
    assert not clocks(source)
