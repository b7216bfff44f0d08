"""One seed: letters, a relay that misbehaves, couriers that are killed and started again, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from math import log2
from pathlib import Path
from random import Random

from digest.model import LetterState

from . import world
from .courier import DONE, ERROR, STOPPED, Death, Life, begin, command
from .processes import TRACEBACK, Process, last_word
from .relay import ARRIVED, BEGUN, DOUBT, REFUSED, Plan, Running

STATES = {state.value for state in LetterState}
WAITING = {"ready", "deferred", "sending"}
ROUNDS = 3  # with kills; the clock jumps ahead between them, when nobody is at work
QUIET_AFTER = 20  # runs without kills in which everything must have left
CONNECTIONS = 3
LOOK_EVERY = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Setup:
    database: str  # "sqlite" or "postgresql"
    couriers: int
    pipelining: bool

    def __str__(self) -> str:
        return f"{self.database}, {self.couriers}, {'pipelined' if self.pipelining else 'plain'}"


SETUPS = [
    Setup(database, couriers, pipelining)
    for database in ("sqlite", "postgresql")
    for couriers in (1, 4)
    for pipelining in (False, True)
]


@dataclass(slots=True)
class Result:
    letters: int = 0
    kills: int = 0
    doubted: int = 0  # uncertain because of what the relay did
    uncertain: int = 0  # uncertain because of a kill
    worst: int = 0  # of those, at one kill
    lost: int = 0
    doubles: int = 0  # while what is uncertain is held
    resent_doubles: int = 0  # after `outbox resend all`; each of a letter that was uncertain
    broken: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        for name in ("letters", "kills", "doubted", "uncertain", "lost", "doubles", "resent_doubles"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.worst = max(self.worst, other.worst)
        self.broken += other.broken


def experiment(
    setup: Setup, seed: int, recipients: int, database: world.Database, authority: tuple[Path, Path], lie: str = ""
) -> Result:
    """Run one seed. What is wrong is in `broken` of the result, a sentence each."""
    url = database.copy(recipients)
    home = database.folder / f"home_{world.name_of(url)}"
    home.mkdir()
    rng = Random(f"{setup}/{seed}")
    tls = rng.random() < 0.5
    plan = Plan(
        seed=str(rng.random()),
        pipelining=setup.pipelining,
        tls=tls,
        on_connection=rng.choice((0.0, 0.04)),
        on_letter=rng.choice((0.0, 0.03, 0.15)),
        lie=lie,
    )
    ca, certificate = authority if tls else (None, None)
    relay = Running(plan, home, certificate)
    try:
        world.settle_in(home, url, relay.port, connections=CONNECTIONS, ca=ca)
        one = _Experiment(setup, rng, url, home, relay, recipients)
        one.play()
        assert not (fault := relay.fault()), f"the relay itself is wrong: {fault}"
    finally:
        relay.stop()
    if not one.result.broken:  # otherwise it is there to be looked at
        database.remove(url)
        shutil.rmtree(home)
    return one.result


def alone(
    setup: Setup, seed: int, recipients: int, folder: Path, server: str, authority: tuple[Path, Path]
) -> Result:
    """The same in a process that keeps its filled stores for the next one."""
    if setup.database not in _databases:
        place = folder / f"{setup.database}_{os.getpid()}"
        place.mkdir()
        _databases[setup.database] = world.Database(place, server if setup.database == "postgresql" else None)
    return experiment(setup, seed, recipients, _databases[setup.database], authority)


_databases: dict[str, world.Database] = {}


class _Experiment:
    def __init__(self, setup: Setup, rng: Random, url: str, home: Path, relay: Running, recipients: int) -> None:
        self.setup, self.rng, self.url, self.home, self.relay = setup, rng, url, home, relay
        self.result = Result(letters=recipients)
        self.ahead = timedelta()
        self.names = iter(range(1_000_000))
        self.killed: set[str] = set()  # names of couriers that were killed
        # address of a letter that somebody was sending at a kill → who was killed, where it was the only courier
        self.left: dict[str, str] = {}
        self.once_sent: set[int] = set()
        self.released: set[str] = set()  # addresses whose uncertain letter was resent by the operator's word
        self.first = world.look(url)
        self.looked_at = 0.0

    def play(self) -> None:
        for _ in range(ROUNDS):
            self._round()
            minutes = self.rng.choice((0, 1, 6, 20, 200))
            self.ahead += timedelta(minutes=minutes)
            self._resume()
        self.relay.be_good()
        rows = self._calm()
        self._judge(rows)
        self._resend(rows)

    # ---- what happens

    def _round(self) -> None:
        """As many couriers as the set-up has, some killed and started again, until all have ended."""
        kills = self.rng.randint(2, 5) if self.setup.couriers == 1 else self.rng.randint(3, 7)
        alive: list[
            tuple[Process, Life, int, float]
        ] = []  # … how far the relay's log grows before it dies, when born
        starts = self.setup.couriers + kills
        while alive or starts:
            while starts and len(alive) < self.setup.couriers:
                death = self._death() if kills > 0 else Death()
                kills -= death.kind != "never"
                starts -= 1
                life = self._life(death)
                reach = self.relay.grown() + int(self.rng.expovariate(1 / (30 * self.result.letters)))
                alive.append((begin(life), life, reach, time.monotonic()))
            for one in list(alive):
                process, life, reach, born = one
                reached = self.relay.grown() >= reach or time.monotonic() > born + 1.5
                if life.death.kind == "outside" and reached:
                    time.sleep(self.rng.random() * 0.003)
                    process.kill()
                    process.join()
                if process.exitcode is not None:
                    alive.remove(one)
                    self._ended(life, process.exitcode)
            if time.monotonic() - self.looked_at > LOOK_EVERY:
                self._look()
            time.sleep(0.002)
        self._look()

    def _resume(self) -> None:
        """A relay that refuses so much may have paused the delivery; the operator does not mind."""
        command(self._life(), "resume")

    def _life(self, death: Death | None = None) -> Life:
        return Life(self.home, f"life{next(self.names)}", self.ahead, death or Death())

    def _death(self) -> Death:
        kind = self.rng.choice(("outside", "outside", "before commit", "after commit", "call", "send", "never"))
        most = {"call": 60 * self.result.letters, "send": 6 * self.result.letters}.get(
            kind, self.result.letters // 5
        )
        return Death(kind, int(2 ** (self.rng.random() * log2(most))))  # type: ignore[arg-type]

    def _ended(self, life: Life, code: int) -> None:
        if code == -signal.SIGKILL:
            self.result.kills += 1
            self.killed.add(who := f"{life.name}.courier.test")
            for row in world.look(self.url).values():
                if row.state == "sending":
                    self.left.setdefault(row.address, who if self.setup.couriers == 1 else "")
        elif code not in (DONE, STOPPED, ERROR):
            self._break(f"{life.name} ended with {code}: {last_word(self.home / 'lives.log')}")

    def _calm(self) -> dict[int, world.Row]:
        """Run without kills, later and later, until nothing waits."""
        for _ in range(QUIET_AFTER):
            self._resume()
            process = begin(life := self._life())
            process.join()
            assert process.exitcode is not None
            self._ended(life, process.exitcode)
            self.relay.wait_until_idle()
            rows = self._look()
            if process.exitcode == TRACEBACK or not WAITING & {row.state for row in rows.values()}:
                break
            self.ahead += timedelta(hours=5)
        return rows

    def _resend(self, before: dict[int, world.Row]) -> None:
        uncertain = {row.address for row in before.values() if row.state == "uncertain"}
        self.released |= uncertain
        had = Counter(line.recipient for line in self.relay.of(ARRIVED))
        command(self._life(), "outbox", "resend", "all")
        rows = self._calm()
        arrived = Counter(line.recipient for line in self.relay.of(ARRIVED))
        self.result.resent_doubles = sum(number - 1 for number in arrived.values()) - self.result.doubles
        for i, row in rows.items():
            if before[i].state == "uncertain" and row.state != "sent":
                self._break(f"letter {i} was sent again by hand, to a good relay, and is {row.state}")
        for address in arrived:
            if arrived[address] - had[address] > (address in uncertain):
                self._break(f"{address} got {arrived[address] - had[address]} more after the resend")
        self._judge(rows)
        # What the program itself says.
        status = json.loads(command(self._life(), "status", "--json"))["letters"]
        if {state: status.get(state, 0) for state in STATES} != {
            state: world.by_state(rows)[state] for state in STATES
        }:
            self._break(f"`digest status` says {status}, and the store holds {world.by_state(rows)}")
        if json.loads(command(self._life(), "outbox", "--json")):
            self._break("`digest outbox` is not empty at the end")

    # ---- what must hold

    def _break(self, what: str) -> None:
        if len(self.result.broken) < 5:
            self.result.broken.append(what)

    def _look(self) -> dict[int, world.Row]:
        """What must hold at every moment."""
        rows = world.look(self.url)
        self.looked_at = time.monotonic()
        arrived: dict[str, list[str]] = {}
        for line in self.relay.of(ARRIVED):
            arrived.setdefault(line.recipient, []).append(line.message_id)
        if rows.keys() != self.first.keys():
            self._break(f"{len(self.first)} letters were written, and {len(rows)} are there")
        if strange := {row.state for row in rows.values()} - STATES:
            self._break(f"letters are in a state that does not exist: {strange}")
        for i, row in rows.items():
            if row.state == "sent" and row.message_id not in arrived.get(row.address, ()):
                self._break(f"letter {i} to {row.address} is sent and has not arrived")
            if i in self.once_sent and row.state != "sent":
                self._break(f"letter {i} was sent and is {row.state}")
            if row.state == "sent":
                self.once_sent.add(i)
        doubles = {who: len(ids) for who, ids in arrived.items() if len(ids) > 1 and who not in self.released}
        if doubles and sum(doubles.values()) - len(doubles) > self.result.doubles:
            self.result.doubles = sum(doubles.values()) - len(doubles)
            self._break(f"arrived more than once, and nobody asked for it: {doubles}")
        return rows

    def _judge(self, rows: dict[int, world.Row]) -> None:
        """What must hold when all is quiet."""
        by_address = {row.address: row for row in self.first.values()}
        refused = {line.recipient for line in self.relay.of(REFUSED)}
        contents: dict[str, set[tuple[str, str]]] = {}
        for line in self.relay.of(ARRIVED):
            contents.setdefault(line.recipient, set()).add((line.message_id, line.hashed))
            if by_address[line.recipient].message_id != line.message_id:
                self._break(f"{line.recipient} got {line.message_id}, which is not its letter")
        lost = []
        for i, row in rows.items():
            why = {
                "sent": True,
                "uncertain": not self.released,
                "failed": row.address in refused,
                "expired": i % 20 == 12,
                "suppressed": i % 20 == 14,
                "empty": i % 20 == 8,
            }
            if not why.get(row.state, False):
                lost.append(i)
                self._break(f"letter {i} to {row.address} is {row.state} at the end, without a reason")
            if row.state in ("failed", "expired", "suppressed", "empty") and row.address in contents:
                self._break(f"letter {i} to {row.address} is {row.state} and has arrived")
        self.result.lost = max(self.result.lost, len(lost))
        for address, found in contents.items():
            if len(found) > 1:
                self._break(f"{address} got letters that differ: {found}")
        if not self.released:
            self._blame(row.address for row in rows.values() if row.state == "uncertain")

    def _blame(self, uncertain: Iterable[str]) -> None:
        """What is uncertain is the relay's doing, or was in flight at a kill."""
        doubted = {(line.recipient, line.who) for line in self.relay.of(DOUBT)}
        last = {line.recipient: line.who for line in self.relay.lines() if line.kind in (BEGUN, ARRIVED, DOUBT)}
        at_kill: Counter[str] = Counter()
        for address in uncertain:
            who = last.get(address, "")
            if (address, who) in doubted:
                self.result.doubted += 1
            elif who in self.killed:
                at_kill[who] += 1
            elif address in self.left:  # it died before it said a word of it
                at_kill[self.left[address]] += 1
            else:
                self._break(f"{address} is uncertain, and neither a kill nor the relay was the reason")
        self.result.uncertain = at_kill.total()
        self.result.worst = max((number for who, number in at_kill.items() if who), default=0)
        if self.result.uncertain > CONNECTIONS * self.result.kills:
            self._break(
                f"{self.result.uncertain} uncertain after {self.result.kills} kills of {CONNECTIONS} in flight"
            )
        for who, number in at_kill.items():
            if who and number > CONNECTIONS:
                self._break(f"{number} uncertain after the kill of {who} with {CONNECTIONS} in flight")
