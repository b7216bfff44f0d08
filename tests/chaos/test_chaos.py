"""Couriers that are killed at any point: nothing is lost, nothing arrives twice. More of it: `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .experiment import SETUPS, Result, Setup, experiment
from .relay import authority
from .world import Database

SEEDS = 20
RECIPIENTS = 100


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Database]:
    """Those that were filled with letters before, by kind."""
    return {"sqlite": Database(tmp_path_factory.mktemp("filled"))}


@pytest.fixture
def database(setup: Setup, databases: dict[str, Database], request: pytest.FixtureRequest) -> Database:
    if setup.database not in databases:
        server = request.getfixturevalue("postgresql_server")
        databases[setup.database] = Database(databases["sqlite"].folder, server)
    return databases[setup.database]


@pytest.mark.slow
@pytest.mark.parametrize(
    "setup",
    [
        pytest.param(
            one,
            marks=[pytest.mark.postgresql, pytest.mark.xdist_group("postgresql")] * (one.database == "postgresql"),
            id=str(one),
        )
        for one in SETUPS
    ],
)
def test_killed_couriers_lose_nothing_and_repeat_nothing(setup: Setup, database: Database, tmp_path: Path) -> None:
    vouched, whole = authority(tmp_path), Result()
    seeds = [seed for seed in range(SEEDS) if SETUPS[seed % len(SETUPS)] == setup]
    for seed in seeds:
        result = experiment(setup, seed, RECIPIENTS, database, vouched)
        again = f"python -m tests.chaos --recipients {RECIPIENTS} --seed {seed} --only '{setup}'"
        assert not result.broken, f"{again}\n" + "\n".join(result.broken)
        whole.add(result)
    assert whole.kills >= len(seeds)  # or this tested less than it says


@pytest.mark.parametrize(
    ("lie", "found"), [("forget", "is sent and has not arrived"), ("repeat", "nobody asked for it")]
)
def test_a_broken_promise_would_be_found(
    lie: str, found: str, databases: dict[str, Database], tmp_path: Path
) -> None:
    """Here the relay breaks it, behind the courier's back."""
    broken = experiment(SETUPS[0], 1, 40, databases["sqlite"], authority(tmp_path), lie).broken
    assert any(found in what for what in broken)
