"""When whose turn it is, over hosts, threads and processes; and being told to end."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from fetch_world import OK, New, Time, failure
from misbehaving_http import HttpServer, Raw, Reply

from digest import fetch
from digest.errors import FetchFailed, FetchStopped
from digest.turns import Taken, Turn, Turns

# ---- turns


def test_arxiv_is_asked_once_in_three_seconds_over_all_of_its_hosts(
    server: HttpServer, new: New, time: Time
) -> None:
    for path in ("/a", "/b"):
        server.serve(path, Reply(b"well"))
    server.serve("/c", Reply(status=503), Reply(b"well"))
    with new(jitter=lambda: 0.0) as client:
        hosts = ("rss.arxiv.org", "export.arxiv.org", "arxiv.org", "ARXIV.ORG.", "oaipmh.arxiv.org")
        for host, path in zip(hosts, "abcab", strict=True):
            client.get(server.url(f"/{path}", host))
    # Six requests, as the third of them was asked again.
    assert [one.at for one in server.requests] == [1000.0 + 3 * number for number in range(6)]
    assert server.connections == 6


def test_the_gap_is_counted_from_the_end(new: New, time: Time) -> None:
    def pieces() -> Iterator[bytes]:
        yield OK + b"Content-Length: 1\r\n\r\n"
        time.at += 50
        yield b"x"

    with HttpServer(clock=time.monotonic) as server:
        server.serve("/p", Raw(pieces()), Reply(b"well"))
        with new() as client:
            client.get(server.url("/p", "arxiv.org"))
            client.get(server.url("/p", "arxiv.org"))
    assert [one.at for one in server.requests] == [1000.0, 1053.0]


@pytest.mark.parametrize("host", ["notarxiv.org", "arxiv.org.example.org"])
def test_other_hosts_each_have_a_small_gap(server: HttpServer, new: New, host: str) -> None:
    server.serve("/p", Reply(b"well"))
    with new() as client:
        for one in (host, host, "a.example.org", host):
            client.get(server.url("/p", one))
    assert [one.at for one in server.requests] == pytest.approx([1000.0, 1000.2, 1000.2, 1000.4])


@pytest.mark.parametrize(("hosts", "at_once"), [(["arxiv.org", "rss.arxiv.org"], 1), (["a.example.org"], 1)])
def test_one_at_a_time_over_all_threads(
    server: HttpServer, new: New, hosts: list[str], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "ARXIV_GAP", 0.01)
    server.serve("/p", Reply(b"well", delay=0.02))
    turns = Turns()
    clients = [new(turns=turns, sleep=None) for _ in range(4)]
    threads = [
        threading.Thread(target=client.get, args=(server.url("/p", host),)) for client in clients for host in hosts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(server.requests) == 4 * len(hosts)
    assert server.at_once == at_once


def test_hosts_do_not_wait_for_each_other(server: HttpServer, new: New) -> None:
    client = new(sleep=None, turns=Turns())
    there = threading.Event()
    server.serve("/slow", Raw([], then="silence"))
    server.serve("/p", Reply(b"well"))

    def slow() -> None:
        there.set()
        failure(client, server.url("/slow", "a.example.org"))

    slowly = threading.Thread(target=slow, daemon=True)
    slowly.start()
    there.wait(10)
    assert client.get(server.url("/p", "b.example.org")).body == b"well"
    assert slowly.is_alive()


def test_two_processes_share_arxivs_turn(server: HttpServer, new: New, time: Time, tmp_path: Path) -> None:
    """As far as one can be told from two clients that share nothing but the file; and the clock of the machine."""
    server.serve("/p", Reply(b"well"), Reply(b"well"), Reply(status=429, headers={"Retry-After": "600"}))
    here, there = (new(state=tmp_path, turns=Turns(time.monotonic)) for _ in range(2))
    here.get(server.url("/p", "rss.arxiv.org"))
    there.get(server.url("/p", "export.arxiv.org"))
    failure(here, server.url("/p", "rss.arxiv.org"))
    assert [one.at for one in server.requests] == [1000.0, 1003.0, 1006.0]
    error = failure(there, server.url("/p", "export.arxiv.org"))
    assert error.next_try == time.now() + timedelta(seconds=600)
    assert len(server.requests) == 3


def test_who_was_killed_while_asking_still_counts(server: HttpServer, new: New, time: Time, tmp_path: Path) -> None:
    server.serve("/p", Reply(b"well"))
    left = b""

    class Killed(BaseException):
        pass

    def connect(address: tuple[str, int], seconds: float) -> socket.socket:
        nonlocal left
        left = (tmp_path / ".asking-arxiv.org").read_bytes()
        raise Killed

    with pytest.raises(Killed):
        new(state=tmp_path, connect=connect).get(server.url("/p", "arxiv.org"))
    (tmp_path / ".asking-arxiv.org").write_bytes(left)
    new(state=tmp_path).get(server.url("/p", "arxiv.org"))
    assert [one.at for one in server.requests] == [1003.0]


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"1 2 3", b"5000.0 5003.0", b"nan nan", b"1000 nan", b"\xff" * 500, b"inf inf"]
)
def test_a_file_that_says_nothing_of_now_holds_nobody_up(
    server: HttpServer, new: New, time: Time, tmp_path: Path, content: bytes
) -> None:
    """Damaged, or from before the machine was started, when its clock was later than now."""
    (tmp_path / ".asking-arxiv.org").write_bytes(content)
    server.serve("/p", Reply(b"well"))
    new(state=tmp_path).get(server.url("/p", "arxiv.org"))
    new(state=tmp_path).get(server.url("/p", "arxiv.org"))
    assert [one.at for one in server.requests] == [1000.0, 1003.0]


def test_without_a_place_for_the_file_arxiv_is_not_asked(server: HttpServer, new: New, tmp_path: Path) -> None:
    client = new(state=tmp_path / "missing")
    error = failure(client, server.url("/p", "arxiv.org"))
    assert f"{tmp_path}/missing/.asking-arxiv.org: No such file or directory" in error.detail
    server.serve("/p", Reply(b"well"))
    assert client.get(server.url("/p", "a.example.org")).body == b"well"
    assert len(server.requests) == 1


def test_the_file_is_had_by_one_process_at_a_time(tmp_path: Path) -> None:
    def turn(nap: Callable[[float], None]) -> AbstractContextManager[Turn]:
        return Turns().turn("arxiv.org", 3.0, file=tmp_path / "file", patience=9.0, pause=pytest.fail, nap=nap)

    other = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(Taken), turn(lambda seconds: None):
        pytest.fail("another process has it, and hangs")
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            os.close(other)

    with turn(nap):
        assert len(naps) == 3


ASKING = """
import sys
from pathlib import Path
from digest import fetch
fetch.ARXIV_GAP = 0.1
with fetch.Client("ann@example.org", private_addresses=True, state=Path(sys.argv[1]),
                  resolve=lambda host, seconds: ["127.0.0.1"]) as client:
    for url in sys.argv[2:]:
        client.get(url)
"""


def test_processes_that_run_together_ask_arxiv_one_after_the_other(tmp_path: Path) -> None:
    with HttpServer() as server:
        server.serve("/p", Reply(b"well", delay=0.05))
        urls = [server.url("/p", host) for host in ("rss.arxiv.org", "arxiv.org", "export.arxiv.org")]
        command = [sys.executable, "-c", ASKING, str(tmp_path), *urls]
        running = [subprocess.Popen(command, env=os.environ) for _ in range(3)]
        assert [one.wait(60) for one in running] == [0, 0, 0]
        times = [one.at for one in server.requests]
    assert (len(times), server.at_once) == (9, 1)
    assert min(later - sooner for sooner, later in itertools.pairwise(times)) >= 0.1


# ---- told to end


def test_who_is_told_to_end_does_not_sleep_on(server: HttpServer, new: New) -> None:
    stop = threading.Event()
    asked = threading.Event()

    def jitter() -> float:
        asked.set()
        return 1.0

    url = server.serve("/p", Reply(status=503, headers={"Retry-After": "100"}))
    caught: list[FetchFailed] = []
    client = new(stop=stop, sleep=None, jitter=jitter, turns=Turns())
    thread = threading.Thread(target=lambda: caught.append(failure(client, url)), daemon=True)
    thread.start()
    assert asked.wait(20)
    stop.set()
    thread.join(20)
    (error,) = caught
    assert isinstance(error, FetchStopped)
    assert str(error) == f"{url}: not fetched: Digest was told to end"
    assert len(server.requests) == 1
    assert isinstance(failure(client, url), FetchStopped)
    assert len(server.requests) == 1


def test_nor_wait_for_who_is_silent_or_has_the_turn(server: HttpServer, new: New) -> None:
    stop = threading.Event()
    server.serve("/p", Raw([], then="silence"))
    client = new(stop=stop, sleep=None, turns=Turns())
    caught: list[FetchFailed] = []
    threads = [
        threading.Thread(target=lambda: caught.append(failure(client, server.url("/p"))), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(20)
    assert [type(one) for one in caught] == [FetchStopped, FetchStopped]
