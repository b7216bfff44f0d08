"""`make chaos`: many seeds over all set-ups, and a table. Exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from . import world
from .experiment import SETUPS, Result, Setup, alone
from .relay import authority

COLUMNS = ("letters", "kills", "doubted", "uncertain", "worst", "lost", "doubles", "resent_doubles")
HEADS = ("letters", "kills", "by relay", "by kill", "worst kill", "lost", "doubles", "resent twice")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--recipients", type=int, default=500)
    parser.add_argument("--seed", type=int, help="this one alone, in each set-up")
    parser.add_argument("--only", default="", metavar="WORD", help="set-ups with this in their name: 'sqlite, 4'")
    told = parser.parse_args()
    setups = [one for one in SETUPS if told.only in str(one)]
    if told.seed is not None:
        todo = [(one, told.seed) for one in setups]
    else:
        todo = [(setups[seed % len(setups)], seed) for seed in range(told.seeds)]
    with ExitStack() as stack:
        # Not under the folder of the project: what a failure leaves behind is to be looked at.
        folder = Path(tempfile.mkdtemp(prefix="digest-chaos-"))
        results = run(todo, told.recipients, folder, stack)
    if any(result.broken for result in results.values()):
        print(f"what the broken ones left: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'database, couriers, relay':28}" + "".join(f"{head:>13}" for head in HEADS))
    whole = Result()
    for setup, result in results.items():
        print(f"{setup!s:28}" + "".join(f"{getattr(result, column):13}" for column in COLUMNS))
        whole.add(result)
    print(f"{'all':28}" + "".join(f"{getattr(whole, column):13}" for column in COLUMNS))
    return 1 if whole.broken else 0


def run(todo: list[tuple[Setup, int]], recipients: int, folder: Path, stack: ExitStack) -> dict[Setup, Result]:
    vouched = authority(folder)
    server = ""
    if any(setup.database == "postgresql" for setup, _ in todo):
        server = stack.enter_context(world.postgresql(folder / "server"))
    pool = stack.enter_context(ProcessPoolExecutor(os.cpu_count(), get_context("spawn")))
    started = time.monotonic()
    pending = {pool.submit(alone, *one, recipients, folder, server, vouched): one for one in todo}
    results: dict[Setup, Result] = {}
    for number, one in enumerate(as_completed(pending), 1):
        (setup, seed), result = pending[one], one.result()
        for what in result.broken:
            print(f"BROKEN, seed {seed} of “{setup}”: {what}", flush=True)
        if result.broken:
            print(f"  again: python -m tests.chaos --recipients {recipients} --seed {seed} --only '{setup}'")
        gone = time.monotonic() - started
        print(f"{number} of {len(todo)}, {gone:.0f} s: seed {seed}, {setup}: {result.kills} kills", file=sys.stderr)
        results.setdefault(setup, Result()).add(result)
    return {setup: results[setup] for setup in SETUPS if setup in results}


if __name__ == "__main__":
    sys.exit(main())
