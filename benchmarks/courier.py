"""The whole courier: claim, compose, send, record. Beside a pool of plain aiosmtplib that sends the same letters.

    python -m benchmarks.courier [--letters 20000] [--connections 16] [--pages FOLDER] [--flat 1000000]

Into Postfix's smtp-sink on the other core, and into a server that answers after 10 ms. `--flat` delivers so many
more in one run and looks at the memory.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from email.message import EmailMessage
from multiprocessing import get_context
from pathlib import Path

import aiosmtplib
import sqlalchemy as sa

from benchmarks.common import NOW, SAMPLES, readers, setup, take_pages
from benchmarks.run import fresh_database, postgresql
from benchmarks.sending import CORES, SINK, listening
from digest import config
from digest.config import Config
from digest.courier import deliver
from digest.edition import Press
from digest.letters import twin
from digest.letters.templates import Templates
from digest.model import Letter, LetterState
from digest.store import letters, subscribers
from digest.store.opening import Store, open_store
from digest.store.tables import letter

ROUNDS = 3
USUAL = 2000  # letters that the pool sends, as it takes long
RENDERED = 200  # of them those that are written the usual way, too


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--letters", type=int, default=20_000)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--pages", type=Path, default=SAMPLES)
    arguments.add_argument("--flat", type=int, default=0)
    wanted = arguments.parse_args()
    if not SINK:
        raise SystemExit("error: smtp-sink is not there; Debian's postfix has it")
    print(setup())
    print(f"{wanted.letters} letters, {wanted.connections} connections, {ROUNDS} rounds, median ± half the spread")
    print(f"{'':<58}{'letters/s':>16}{'CPU each':>11}{'ratio':>8}")
    if len(CORES) > 1:
        import os

        os.sched_setaffinity(0, {CORES[0]})
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        store, settings = _store(home, f"sqlite:///{home}/digest.db", wanted.letters, wanted.pages)
        with listening(SINK, "-u", "nobody", "127.0.0.1:PORT", "1024") as port:
            some = _some(store, USUAL)
            ready = [_message(one) for one in some]
            base = _measure("aiosmtplib pool, messages ready", lambda: _pool(port, ready, wanted.connections))
            few = some[:RENDERED]
            _measure(
                "aiosmtplib pool, Jinja and EmailMessage for each",
                lambda: _pool(port, few, wanted.connections),
                base,
            )
            _courier("the courier, SQLite", store, settings, port, wanted.connections, base)
            with postgresql() as url:
                there, same = _store(home, fresh_database(url), wanted.letters, wanted.pages)
                _courier("the courier, PostgreSQL", there, same, port, wanted.connections, base)
                there.close()
            if wanted.flat:
                # A process of its own, as this one's memory is that of all that it has made and thrown away.
                flat = get_context("spawn").Process(target=_flat, args=(home, settings.store_url, port, wanted))
                flat.start()
                flat.join()
        with listening(sys.executable, "-m", "benchmarks.sending", "--serve", "PORT", "1") as port:
            few_messages = ready[:1000]
            far = _measure("10 ms a reply: aiosmtplib pool, 64", lambda: _pool(port, few_messages, 64))
            _courier("10 ms a reply: the courier, SQLite, 64", store, settings, port, 64, far)
        store.close()


def _courier(name: str, store: Store, settings: Config, port: int, connections: int, base: float) -> None:
    configured = _settings(settings.home, settings.store.url, port, connections)

    def once() -> int:
        with store.write() as connection:
            ready = {"state": "ready", "next_try_at": NOW, "attempts": 0, "sent_at": None}
            connection.execute(sa.update(letter).where(letter.c.state == "sent").values(**ready))
        start.append((time.perf_counter(), time.process_time()))
        done = deliver(store, configured, lambda: NOW)
        if done.stopped or set(done.counts) != {LetterState.SENT}:
            raise SystemExit(f"error: {done.counts}, {done.stopped}")
        return done.counts[LetterState.SENT]

    start: list[tuple[float, float]] = []
    _measure(name, once, base, start)


def _measure(
    name: str, once: Callable[[], int], base: float | None = None, start: list[tuple[float, float]] | None = None
) -> float:
    """Letters a second. `once` may say when it began, after what is not to be measured."""
    rates, cpu = [], 0.0
    for _ in range(ROUNDS):
        began = (time.perf_counter(), time.process_time())
        number = once()
        began = start.pop() if start else began
        rates.append(number / (time.perf_counter() - began[0]))
        cpu = (time.process_time() - began[1]) / number
    rate, spread = statistics.median(rates), (max(rates) - min(rates)) / 2
    ratio = f"{rate / base:7.2f}×" if base else ""
    print(f"{name:<58}{rate:>9,.0f} ±{spread:>5,.0f}{cpu * 1e6:>8.0f} µs{ratio}")
    return rate


def _pool(port: int, messages: list[EmailMessage] | list[Letter], connections: int) -> int:
    left = list(messages)

    async def one() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            while left:
                message = left.pop()
                await client.send_message(message if isinstance(message, EmailMessage) else _message(message))

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(connections)))

    asyncio.run(all_of_them())
    return len(messages)


def _message(one: Letter) -> EmailMessage:
    """A mail as most programs make one."""
    rendered = twin.render(one, Config().letter, TEMPLATES)
    message = EmailMessage()
    message["From"], message["To"] = "digest@example.org", one.subscriber.address
    message["Subject"], message["Message-ID"] = rendered.subject, one.message_id
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message


TEMPLATES = Templates()


def _some(store: Store, number: int) -> list[Letter]:
    with store.read() as connection:
        ids = connection.execute(sa.select(letter.c.id).where(letter.c.state == "ready").limit(number)).scalars()
        return letters.by_ids(connection, list(ids))


def _store(home: Path, url: str, number: int, pages: Path) -> tuple[Store, Config]:
    settings = _settings(home, url, 25, 1)
    store = open_store(settings.store_url)
    day = take_pages(store, pages)
    with store.write() as connection:
        subscribers.add(connection, readers(number))
    with store.read() as connection:
        everyone = subscribers.everyone(connection)
    Press(store, settings).write([(reader, day) for reader in everyone], NOW)
    return store, settings


def _settings(home: Path, url: str, port: int, connections: int) -> Config:
    text = (
        f'[store]\nurl = "{url}"\n[letter]\nfrom_address = "digest@example.org"\n[delivery]\nkind = "smtp"\n'
        f'group_by = "domain"\n[delivery.smtp]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
        f"connections = {connections}\nmessages_per_connection = 0\n"
    )
    return config.parse(text.encode(), home)


def _flat(home: Path, url: str, port: int, wanted: argparse.Namespace) -> None:
    """One run of so many letters: those that are sent wait again, so that it does not end before."""
    store, configured, sent, waiting = open_store(url), _settings(home, url, port, wanted.connections), 0, 0

    def again() -> int:
        with store.write() as connection:
            values = {"state": "ready", "next_try_at": NOW, "attempts": 0, "sent_at": None}
            statement = sa.update(letter).where(letter.c.state == "sent").values(**values)
            return int(connection.execute(statement).rowcount)

    def told(number: int) -> None:
        nonlocal sent, waiting
        sent, waiting = sent + number, waiting - number
        if waiting < wanted.letters // 2 and sent < wanted.flat:
            waiting += again()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            print(f"{sent:>9,} letters: {pages * resource.getpagesize() / 2**20:6.0f} MiB", flush=True)

    waiting = again()
    done = deliver(store, configured, lambda: NOW, progress=told)
    if done.stopped or set(done.counts) != {LetterState.SENT}:
        raise SystemExit(f"error: {done.counts}, {done.stopped}")


if __name__ == "__main__":
    main()
