"""Sending over SMTP: a pool of plain aiosmtplib, our plain conversation and our pipelined one, with the same bytes.

python -m benchmarks.sending [--letters 4000] [--kilobytes 25]

Into Postfix's smtp-sink, and into a server that answers 10 ms after it was spoken to, as one at some distance does.
The server has the other core where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import aiosmtplib

from benchmarks.common import setup
from digest.config import SmtpConfig
from digest.delivery.smtp import Smtp
from digest.delivery.transport import Parcel
from digest.model import LetterState, Outcome

ROUNDS = 3
SINK = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Letters:
    """So many letters, all ready."""

    def __init__(self, number: int, message: bytes, connections: int) -> None:
        self.connections = connections
        self.sent = 0
        self._left, self._message = number, message

    def take(self) -> Parcel | None:
        if not self._left:
            return None
        self._left -= 1
        return Parcel("digest@example.org", f"reader{self._left}@example.org", "<1@example.org>", self._message)

    async def more(self) -> bool:
        return self._left > 0

    def leaving(self, parcel: Parcel) -> bool:
        return True

    def done(self, parcel: Parcel, outcome: Outcome) -> None:
        assert outcome.state is LetterState.SENT, outcome
        self.sent += 1

    def back(self, parcel: Parcel, why: str) -> None:
        raise AssertionError(why)


async def ours(port: int, number: int, message: bytes, connections: int) -> None:
    config = SmtpConfig(host="127.0.0.1", port=port, tls="none", connections=connections, messages_per_connection=0)
    transport = Smtp(config, None, "localhost")
    letters = Letters(number, message, connections)
    await transport.open()
    await transport.carry(letters)
    await transport.close()
    assert letters.sent == number


async def usual(port: int, number: int, message: bytes, connections: int) -> None:
    letters = Letters(number, message, connections)

    async def one() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            while parcel := letters.take():
                await client.sendmail(parcel.sender, [parcel.recipient], parcel.message)

    await asyncio.gather(*(one() for _ in range(connections)))


class Distant(asyncio.Protocol):
    """A server that takes everything, and answers what it was told at once after 10 ms."""

    def __init__(self, pipelining: bool) -> None:
        self._offer = b"250-distant\r\n250-PIPELINING\r\n250 8BITMIME\r\n" if pipelining else b"250 distant\r\n"
        self._unread, self._in_data = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 distant ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        data, said = self._unread + data, []
        while data:
            if self._in_data:
                end = data.find(b"\r\n.\r\n")
                if end < 0:
                    data = data[-4:]
                    break
                data, self._in_data = data[end + 5 :], False
                said.append(b"250 2.0.0 taken\r\n")
                continue
            line, feed, rest = data.partition(b"\n")
            if not feed:
                break
            data = rest
            verb = line[:4].upper()
            self._in_data = verb == b"DATA"
            said.append(self._offer if verb == b"EHLO" else b"354 go\r\n" if self._in_data else b"250 2.1.0 ok\r\n")
        self._unread = data
        if said:
            asyncio.get_running_loop().call_later(0.01, self._transport.write, b"".join(said))


async def _distant(port: int, pipelining: bool) -> None:
    loop = asyncio.get_running_loop()
    await (await loop.create_server(lambda: Distant(pipelining), "127.0.0.1", port)).serve_forever()


@contextmanager
def listening(*command: str) -> Iterator[int]:
    """A server as a process of its own, on the last core."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [word.replace("PORT", str(port)) for word in command]
    if len(CORES) > 1 and shutil.which("taskset"):
        words = ["taskset", "-c", str(CORES[-1]), *words]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


Way = Callable[[int, int, bytes, int], Awaitable[None]]
CORES = sorted(os.sched_getaffinity(0))


def measure(name: str, way: Way, port: int, number: int, message: bytes, connections: int, base: float) -> float:
    rates, costs = [], []
    for _ in range(ROUNDS):
        start, cpu = time.perf_counter(), time.process_time()
        asyncio.run(way(port, number, message, connections))  # type: ignore[arg-type]
        rates.append(number / (time.perf_counter() - start))
        costs.append((time.process_time() - cpu) / number * 1e6)
    rate = statistics.median(rates)
    ratio = f"{rate / base:6.2f} ×" if base else f"{1:6.2f} ×"
    print(f"  {name:<28}{rate:9,.0f} /s{ratio}{statistics.median(costs):9.0f} µs of CPU a letter", flush=True)
    return rate


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--letters", type=int, default=4000)
    arguments.add_argument("--kilobytes", type=int, default=25)
    arguments.add_argument("--serve", nargs=2, metavar=("PORT", "PIPELINING"), help=argparse.SUPPRESS)
    wanted = arguments.parse_args()
    if wanted.serve:
        asyncio.run(_distant(int(wanted.serve[0]), wanted.serve[1] == "1"))
        return
    dice = random.Random(1)
    line = bytes(dice.choice(b"abcdefghijklmnop =<>/") for _ in range(74)) + b"\r\n"
    message = b"Subject: x\r\n\r\n" + line * (wanted.kilobytes * 1000 // len(line))
    if len(CORES) > 1:
        os.sched_setaffinity(0, CORES[:-1][:1])
    print(setup())
    print(f"{wanted.letters} letters of {len(message) / 1000:.1f} kB; one core, {ROUNDS} rounds, the median")

    me = (sys.executable, "-m", "benchmarks.sending", "--serve", "PORT")
    servers = [("a server 10 ms away", (*me, "0"), (*me, "1"), 64)]
    if SINK:
        sink = (SINK, *(["-u", "nobody"] if os.getuid() == 0 else []), "127.0.0.1:PORT", "256")
        servers.insert(0, ("smtp-sink", (SINK, "-p", *sink[1:]), sink, 8))
    else:
        print("no smtp-sink here (Debian: postfix), so only the other server")
    for what, plain, pipelining, connections in servers:
        print(f"into {what}, {connections} connections")
        number = wanted.letters
        with listening(*plain) as port:
            base = measure("aiosmtplib", usual, port, number // 4, message, connections, 0)
            measure("ours, plain", ours, port, number // 2, message, connections, base)
        with listening(*pipelining) as port:
            measure("ours, pipelined", ours, port, number, message, connections, base)


if __name__ == "__main__":
    main()
