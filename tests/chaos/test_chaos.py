"""Couriers that are killed at any point: nothing is lost, nothing arrives twice. More of it: `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .experiment import SETUPS, Result, experiment
from .relay import authority
from .world import Database

SEEDS = 20
RECIPIENTS = 100


def database_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> Database:
    return Database(folder, request.getfixturevalue("postgresql_server") if kind == "postgresql" else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.xdist_group("postgresql")]),
    ],
)
def test_killed_couriers_lose_nothing_and_repeat_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database, vouched, whole = database_of(kind, tmp_path, request), authority(tmp_path), Result()
    for seed in range(SEEDS):
        if (setup := SETUPS[seed % len(SETUPS)]).database == kind:
            result = experiment(setup, seed, RECIPIENTS, database, vouched)
            again = f"python -m tests.chaos --recipients {RECIPIENTS} --seed {seed} --only '{setup}'"
            assert not result.broken, f"{again}\n" + "\n".join(result.broken)
            whole.add(result)
    assert whole.kills >= SEEDS // 2  # or this tested less than it says


@pytest.mark.parametrize(
    ("lie", "found"), [("forget", "is sent and has not arrived"), ("repeat", "nobody asked for it")]
)
def test_a_broken_promise_would_be_found(lie: str, found: str, tmp_path: Path) -> None:
    """Here the relay breaks it, behind the courier's back."""
    broken = experiment(SETUPS[0], 1, 40, Database(tmp_path), authority(tmp_path), lie).broken
    assert any(found in what for what in broken)
