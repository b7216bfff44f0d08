"""Fetching, from a real server that does all that servers do."""

from __future__ import annotations

import gzip
import itertools
import os
import socket
import ssl
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from misbehaving_http import Endless, HttpServer, Raw, Reply, leading_to, packed

from digest import __version__, dns, fetch
from digest.errors import FetchFailed, FetchStopped
from digest.fetch import Client, Fetched, Validators
from digest.route import is_public, shown
from digest.turns import Turns

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PUBLIC = "93.184.216.34"  # only looked at, never connected to
OK = b"HTTP/1.1 200 OK\r\n"


class Time:
    """Passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at, self.slept = 1000.0, list[float]()

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at - 1000)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def server(time: Time) -> Iterator[HttpServer]:
    with HttpServer(clock=time.monotonic) as running:
        yield running


New = Callable[..., Client]


@pytest.fixture
def new(time: Time) -> New:
    """A client to whom every name is this machine, and time is ours."""

    def made(**settings: Any) -> Client:
        ours = {
            "private_addresses": True,
            "now": time.now,
            "sleep": time.sleep,
            "jitter": lambda: 0.5,
            "turns": Turns(time.monotonic),
            "resolve": lambda host, seconds: ["127.0.0.1"],
        }
        return Client("ann@example.org", **{**ours, **settings})

    return made


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """One that this machine trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return made


def speaking_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


class Net:
    """An Internet: `names` have addresses, and every address leads to this machine, to the same port."""

    def __init__(self, names: dict[str, Sequence[str]]) -> None:
        self.names, self.connected = names, list[tuple[str, int]]()

    def resolve(self, host: str, seconds: float) -> Sequence[str]:
        return self.names.get(host, ())

    def connect(self, address: tuple[str, int], seconds: float) -> socket.socket:
        self.connected.append(address)
        return socket.create_connection(("127.0.0.1", address[1]), seconds)


def failure(client: Client, url: str, **how: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        client.get(url, **how)
    return caught.value


# ---- what is asked


def test_a_body_and_what_was_asked(server: HttpServer, new: New) -> None:
    url = server.serve("/p?a=1&b=%20", Reply(b"[]", headers={"Content-Type": "application/json; charset=utf-8"}))
    with new() as client:
        got = client.get(url, accept="application/json")
    assert got == Fetched(b"[]", False, url, "application/json; charset=utf-8", Validators())
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("GET", "/p?a=1&b=%20")
    assert asked.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"Digest/{__version__} (+mailto:ann@example.org)",
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "connection": "close",
    }


def test_no_cookie_is_kept_and_no_proxy_is_used(
    server: HttpServer, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = server.serve("/p", Reply(b"x", headers={"Set-Cookie": "who=you; Path=/"}))
    with new() as client:
        client.get(url)
        client.get(url)
    assert [one.headers.get("cookie") for one in server.requests] == [None, None]


def test_a_contact_cannot_add_a_header(server: HttpServer) -> None:
    url = server.serve("/p", Reply(b"x"))
    Client("ann@example.org)\r\nX-Evil: 1", private_addresses=True).get(url)
    (asked,) = server.requests
    assert "x-evil" not in asked.headers
    assert asked.headers["user-agent"].endswith("(+mailto:ann@example.org%29%0D%0AX-Evil%3A%201)")


@pytest.mark.parametrize("etag", ['"one"', 'W/"a weak one"', "without-quotes", '"caf\xe9 \xff"', '"', "0"])
def test_what_has_not_changed_is_not_sent_again(server: HttpServer, new: New, etag: str) -> None:
    date = "Fri, 20 Nov 2026 08:00:00 GMT"
    url = server.serve("/p", Reply(b"x", headers={"ETag": etag, "Last-Modified": date}), Reply(status=304))
    with new() as client:
        first = client.get(url)
        assert first.validators == Validators(etag, date)
        assert client.get(url, validators=first.validators) == Fetched(b"", True, url, "", first.validators)
    asked = server.requests[1].headers
    assert (asked["if-none-match"], asked["if-modified-since"]) == (etag, date)
    assert "if-none-match" not in server.requests[0].headers


def test_new_validators_come_with_304_as_well(server: HttpServer, new: New) -> None:
    url = server.serve("/p", Reply(status=304, headers={"ETag": '"2"'}))
    got = new().get(url, validators=Validators('"1"', "long ago"))
    assert got.validators == Validators('"2"', "long ago")


@pytest.mark.parametrize("stored", ['"1"\r\nX-Evil: 1', '"\n"', " ", '"\x00"', '"☃"', "x" * 1001, "\x7f"])
def test_what_cannot_stand_in_a_header_is_left_out(server: HttpServer, new: New, stored: str) -> None:
    url = server.serve("/p", Reply(b"whole"))
    assert new().get(url, validators=Validators(stored, stored)).body == b"whole"
    assert {"if-none-match", "if-modified-since", "x-evil"}.isdisjoint(server.requests[0].headers)


def test_304_to_who_asked_for_no_change_is_not_an_empty_success(server: HttpServer, new: New) -> None:
    error = failure(new(), server.serve("/p", Reply(status=304)))
    assert "304" in error.detail


@pytest.mark.parametrize(
    "reply", [Reply(b""), Reply(status=204), packed(b""), Reply(headers={"Content-Encoding": "gzip"})]
)
def test_empty_is_what_the_source_said_is_empty(server: HttpServer, new: New, reply: Reply) -> None:
    got = new().get(server.serve("/p", reply))
    assert (got.body, got.unchanged) == (b"", False)


# ---- bodies


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "wire"),
    [
        ("gzip", gzip.compress(b"papers")),
        ("X-GZip", gzip.compress(b"papers")),
        ("gzip", gzip.compress(b"pap") + gzip.compress(b"ers")),
        ("deflate", zlib.compress(b"papers")),
        ("deflate", bare(b"papers")),
        ("identity", b"papers"),
    ],
)
def test_packed_bodies(server: HttpServer, new: New, coding: str, wire: bytes) -> None:
    url = server.serve("/p", Reply(wire, headers={"Content-Encoding": coding}))
    assert new().get(url).body == b"papers"


@pytest.mark.parametrize(
    ("coding", "wire"),
    [
        ("gzip", b"<html>not packed</html>"),
        ("gzip", gzip.compress(b"papers" * 100)[:-9]),
        ("gzip", gzip.compress(b"papers")[:-8] + bytes(8)),
        ("gzip", gzip.compress(b"papers") + b"more"),
        ("deflate", zlib.compress(b"papers")[:-1]),
        ("deflate", bare(b"papers" * 9)[:-1]),
        ("deflate", zlib.compress(b"papers") + b"more"),
        ("deflate", b"\x00"),
    ],
)
def test_what_is_damaged_is_no_shorter_success(server: HttpServer, new: New, coding: str, wire: bytes) -> None:
    url = server.serve("/p", Reply(wire, headers={"Content-Encoding": coding}))
    assert failure(new(tries=2), url).detail == f"it is packed as {coding}, and damaged, after 2 tries"
    server.serve("/p", Reply(wire, headers={"Content-Encoding": coding}), packed(b"whole"))
    assert new().get(url).body == b"whole"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "\x9b31m"])
def test_what_was_not_asked_for_is_not_unpacked(server: HttpServer, new: New, coding: str) -> None:
    url = server.serve("/p", Reply(b"x", headers={"Content-Encoding": coding}))
    error = failure(new(), url)
    assert error.detail.startswith("it is packed as '")
    assert error.detail.isprintable()
    assert len(server.requests) == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_ends_at_the_cap(server: HttpServer, new: New, coding: str) -> None:
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
    wire = b"".join(packer.compress(bytes(1_000_000)) for _ in range(500)) + packer.flush()
    assert len(wire) < 1_000_000
    url = server.serve("/p", Reply(wire, headers={"Content-Encoding": coding}))
    tracemalloc.start()
    try:
        error = failure(new(largest=1_000_000), url)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.detail == "it is larger than 1 MB, which no page of papers is"
    assert most < 10_000_000
    assert len(server.requests) == 1, "it will not be smaller the next time"


def test_just_as_large_as_may_be(server: HttpServer, new: New) -> None:
    for reply in (Reply(bytes(1000)), packed(bytes(1000))):
        url = server.serve("/p", reply)
        assert len(new(largest=1000).get(url).body) == 1000
        assert "larger than" in failure(new(largest=999), url).detail


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"x", headers={"Content-Length": "99999999999"}),
        Raw(Endless(OK + b"\r\n", b"x" * 10_000)),
        Raw(Endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nxxxxx\r\n" * 1000)),
    ],
    ids=["told", "without an end", "chunks without an end"],
)
def test_larger_than_may_travel(server: HttpServer, new: New, reply: Reply | Raw) -> None:
    error = failure(new(largest=100_000), server.serve("/p", reply))
    assert error.detail == "it is larger than 0.1 MB, which no page of papers is"


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"Content-Length: 10\r\n\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"without a length")[:-10],
    ],
)
def test_a_body_cut_short_is_asked_for_again(server: HttpServer, new: New, wire: bytes) -> None:
    url = server.serve("/p", Raw([wire]), Raw([wire], then="reset"), Reply(b"whole"))
    assert new().get(url).body == b"whole"
    server.serve("/p", Raw([wire]))
    assert failure(new(), url).detail.endswith("after 4 tries")


def test_over_tls_even_a_body_without_a_length_must_end_well(authority: trustme.CA, new: New) -> None:
    with HttpServer(speaking_tls(authority, "a.example.org")) as server:
        server.serve("/p", Raw([OK + b"\r\nhalf"]))
        error = failure(new(tries=1), server.url("/p", "a.example.org"))
    assert error.detail == "the answer broke off after 4 bytes"


# ---- trying again


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again_ever_later(server: HttpServer, new: New, time: Time, status: int) -> None:
    url = server.serve("/p", *[Reply(status=status)] * 3, Reply(b"well"))
    assert new(jitter=lambda: 1.0).get(url).body == b"well"
    assert time.slept == [2.0, 4.0, 8.0]


def test_in_the_end_it_says_how_often_it_tried(server: HttpServer, new: New) -> None:
    error = failure(new(), server.serve("/p", Reply(status=503)))
    assert str(error) == f"{server.url('/p')}: the server said 503 Service Unavailable, after 4 tries"
    assert (error.next_try, len(server.requests)) == (None, 4)


def test_the_pauses_are_spread(server: HttpServer, new: New, time: Time) -> None:
    numbers = iter([0.25, 0.75, 0.5])
    failure(new(jitter=lambda: next(numbers)), server.serve("/p", Reply(status=500)))
    assert time.slept == [0.5, 3.0, 4.0]


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (400, "400 Bad Request"),
        (401, "Digest has none"),
        (403, "does not let Digest in"),
        (404, "check the URL"),
        (410, "gone for good"),
        (451, "451"),
        (501, "501 Not Implemented"),
        (599, "599"),
        (202, "202 Accepted"),
        (206, "206"),
        (300, "300"),
        (305, "305"),
        (302, "302 Found"),
    ],
)
def test_what_will_not_pass_is_not_asked_again(server: HttpServer, new: New, status: int, part: str) -> None:
    error = failure(new(), server.serve("/p", Reply(b"<html>", status=status)))
    assert part in error.detail
    assert (error.next_try, len(server.requests)) == (None, 1)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["30", "030", format_datetime(NOON + timedelta(seconds=30), usegmt=True)])
def test_who_asks_for_time_gets_it(server: HttpServer, new: New, time: Time, status: int, value: str) -> None:
    url = server.serve("/p", Reply(status=status, headers={"Retry-After": value}), Reply(b"well"))
    assert new().get(url).body == b"well"
    assert time.slept == [30.0]
    assert [one.at for one in server.requests] == [1000.0, 1030.0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("600", 600),
        (format_datetime(NOON + timedelta(hours=2), usegmt=True), 7200),
        ("Sat Nov 21 14:00:00 2026", 7200),
        ("9" * 20, 86_400),
        ("9" * 5000, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
    ],
)
def test_who_asks_for_long_is_left_alone(
    server: HttpServer, new: New, time: Time, value: str, seconds: int
) -> None:
    url = server.serve("/p", Reply(status=429, headers={"Retry-After": value}), Reply(b"well"))
    client = new()
    error = failure(client, url)
    assert error.next_try == NOON + timedelta(seconds=seconds)
    assert "429 Too Many Requests, and wants to be left alone until 2026-11-2" in error.detail
    other = failure(client, server.serve("/other", Reply(b"of the same host")))
    assert other.next_try == error.next_try
    assert "it was not asked" in other.detail
    assert (len(server.requests), time.slept) == (1, [])
    time.at += seconds
    assert client.get(url).body == b"well"


@pytest.mark.parametrize(
    "value",
    ["-5", "0", "", "soon", "1e3", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 99 Foo 2026", "٣", "\xff", "inf", "nan"],
)
def test_what_says_nothing_of_time_is_not_heard(server: HttpServer, new: New, time: Time, value: str) -> None:
    wire = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: " + value.encode() + b"\r\n\r\n"
    url = server.serve("/p", Raw([wire]), Reply(b"well"))
    assert new().get(url).body == b"well"
    assert time.slept == [1.0]


def test_the_last_try_still_tells_what_was_asked_for(server: HttpServer, new: New, time: Time) -> None:
    url = server.serve("/p", Reply(status=503, headers={"Retry-After": "60"}))
    error = failure(new(tries=2), url)
    assert error.next_try == NOON + timedelta(seconds=120)
    assert time.slept == [60.0]


# ---- lines that break


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (Raw([]), "the server hung up without an answer"),
        (Raw([], then="reset"), "the server hung up without an answer"),
        (Raw([OK + b"Content-"]), "the server hung up in the middle of the headers"),
        (Raw([b"220 mail.example.org ESMTP\r\n\r\n"]), "what came back is no HTTP, or more"),
        (Raw([bytes(range(256)) * 10]), "what came back is no HTTP, or more"),
        (Raw([b"HTTP/1.1 200\xff\r\n: \r\n\r\n"]), "what came back is no HTTP, or more"),
        (Raw([OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"]), "what came back is no HTTP, or more"),
        (Raw([OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"]), "what came back is no HTTP, or more"),
        (Raw([OK, *[b"X-More: and more\r\n" * 1000] * 20]), "what came back is no HTTP, or more"),
        (Raw([OK + b"X: ", *[b"y" * 10_000] * 20]), "what came back is no HTTP, or more"),
        (Raw([OK + b"Content-Length: 9\r\n\r\nhalf"], then="reset"), "the answer broke off after "),
    ],
)
def test_a_line_that_breaks_is_made_anew(server: HttpServer, new: New, raw: Raw, words: str) -> None:
    url = server.serve("/p", raw, Reply(b"well"))
    assert new().get(url).body == b"well"
    server.serve("/p", raw)
    error = failure(new(), url)
    assert error.detail.startswith(words)
    assert error.detail.endswith(", after 4 tries")
    assert error.detail.isprintable()


def test_nobody_listens(new: New, time: Time) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = failure(new(), f"http://127.0.0.1:{port}/")
    assert error.detail == "nothing listens there (connection refused), after 4 tries"
    assert len(time.slept) == 3


def test_a_name_that_is_not_there_and_a_name_server_that_is_silent(new: New, time: Time) -> None:
    error = failure(new(resolve=lambda host, seconds: ()), "https://no.example.org/")
    assert "there is no machine called 'no.example.org'" in error.detail
    assert time.slept == []

    def silent(host: str, seconds: float) -> Sequence[str]:
        raise dns.Unanswered("no name server answered")

    assert failure(new(resolve=silent), "https://a.example.org/").detail == "no name server answered, after 4 tries"


def test_the_next_address_where_the_first_is_dead(server: HttpServer, new: New) -> None:
    url = server.serve("/p", Reply(b"well"))
    assert new(resolve=lambda host, seconds: ["127.0.0.2", "127.0.0.1"]).get(url).body == b"well"


@pytest.mark.parametrize(
    "raw",
    [
        Raw([], then="silence"),
        Raw(Endless(OK, b"x"), pause=0.02),
        Raw(Endless(OK + b"Content-Length: 9999\r\n\r\n", b"x"), pause=0.02),
        Raw(
            Endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
            pause=0.02,
        ),
        Raw(Endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), pause=0.02),
        Raw([OK + b"Content-Length: 10\r\n\r\nhalf"], then="silence"),
    ],
    ids=["silent", "headers", "body", "chunks", "continue", "half a body"],
)
@pytest.mark.parametrize("tls", [False, True])
def test_who_is_slow_ends_at_the_deadline(new: New, raw: Raw, tls: bool, authority: trustme.CA) -> None:
    """Each byte comes soon; without a deadline over all of them this would go on until somebody kills it."""
    with HttpServer(speaking_tls(authority, "a.example.org") if tls else None) as server:
        server.serve("/p", raw)
        error = failure(new(seconds=0.3, tries=1), server.url("/p", "a.example.org"))
    assert error.detail == "there was no whole answer within 0.3 s"


def test_tls_that_never_comes_about_ends_at_the_deadline(new: New) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(new(seconds=0.2, tries=2), f"https://a.example.org:{silent.getsockname()[1]}/")
    assert error.detail == "there was no whole answer within 0.2 s, after 2 tries"


def test_a_name_server_that_is_slow_ends_at_the_deadline(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    awake = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: awake.wait(20))
    error = failure(new(seconds=0.2, tries=1, resolve=fetch.look_up), "https://a.example.org/")
    assert "no answer where a.example.org is" in error.detail
    awake.set()


# ---- where it leads


@pytest.fixture
def secure(authority: trustme.CA, time: Time) -> Iterator[HttpServer]:
    with HttpServer(speaking_tls(authority, "a.example.org", "b.example.org"), clock=time.monotonic) as running:
        yield running


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_https_are_followed(server: HttpServer, secure: HttpServer, new: New, status: int) -> None:
    secure.serve("/deep/er", leading_to("../last", status))
    secure.serve("/last", Reply(b"well", headers={"ETag": '"1"'}))
    url = server.serve("/p", leading_to(secure.url("/deep/er", "a.example.org"), status))
    got = new().get(url, validators=Validators('"0"'))
    assert (got.body, got.url) == (b"well", secure.url("/last", "a.example.org"))
    assert [one.path for one in secure.requests] == ["/deep/er", "/last"]
    assert secure.requests[1].headers["if-none-match"] == '"0"'


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://a.example.org/", "a redirect is only followed to https:"),
        ("/the/same/host", "a redirect is only followed to https:"),
        ("file:///etc/passwd", "only https: and http: are fetched, not file:"),
        ("data:text/plain,x", "not data:"),
        ("https://ann:secret@a.example.org/", "with a user name or password"),
        ("https://a.example.org:25/", "port 25"),
        ("https://", "names no host"),
        ("http://[", "names no host"),
        ("https://a.example.org/\x01", "which is no URL"),
    ],
)
def test_redirects_to_anything_else_are_not(server: HttpServer, new: New, location: str, words: str) -> None:
    error = failure(new(), server.serve("/p", leading_to(location)))
    assert words in error.detail
    assert "secret" not in str(error)
    assert [one.path for one in server.requests] == ["/p"]


def test_a_redirect_that_downgrades_is_not_followed(server: HttpServer, secure: HttpServer, new: New) -> None:
    secure.serve("/p", leading_to(server.serve("/x", Reply(b"in the clear"))))
    assert "only followed to https:" in failure(new(), secure.url("/p", "a.example.org")).detail
    assert server.requests == []


def test_redirects_end(secure: HttpServer, new: New) -> None:
    secure.serve("/p", leading_to(secure.url("/p", "b.example.org")))
    assert "more than 5 redirects" in failure(new(), secure.url("/p", "a.example.org")).detail
    assert len(secure.requests) == 6


def test_each_hop_has_its_turn(secure: HttpServer, new: New, time: Time) -> None:
    secure.serve("/p", leading_to("/q"))
    secure.serve("/q", Reply(b"well"))
    new().get(secure.url("/p", "a.example.org"))
    assert time.slept == [pytest.approx(0.2)]


def test_the_deadline_is_over_all_hops(secure: HttpServer, new: New) -> None:
    secure.serve("/p", Reply(status=302, headers={"Location": "/p"}, delay=0.15))
    error = failure(new(seconds=0.4, tries=1), secure.url("/p", "a.example.org"))
    assert error.detail == "there was no whole answer within 0.4 s"


@pytest.mark.parametrize("private", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "64:ff9b::a00:1"])
def test_redirects_do_not_lead_inside(server: HttpServer, secure: HttpServer, new: New, private: str) -> None:
    net = Net({"a.example.org": [PUBLIC], "b.example.org": [private]})
    secure.serve("/p", leading_to(secure.url("/p", "b.example.org")))
    client = new(private_addresses=False, resolve=net.resolve, connect=net.connect)
    error = failure(client, secure.url("/p", "a.example.org"))
    assert f"b.example.org is at {private}" in error.detail
    assert net.connected == [(PUBLIC, secure.port)]


# ---- addresses


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "[::1]", "0",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.1.", "LOCALHOST", "10.1.2.3", "169.254.169.254"],
)  # fmt: skip
def test_this_machine_and_its_network_are_not_asked(server: HttpServer, host: str) -> None:
    """However the address is written, as the system reads it."""
    server.serve("/p", Reply(b"inside"))
    with Client("ann@example.org", turns=Turns()) as client:
        error = failure(client, f"http://{host}:{server.port}/p")
    assert "is no address of the Internet" in error.detail
    assert server.requests == []
    assert server.connections == 0


def test_unless_the_configuration_says_so(server: HttpServer) -> None:
    server.serve("/p", Reply(b"inside"))
    with Client("ann@example.org", private_addresses=True, turns=Turns()) as client:
        assert client.get(server.url("/p", "localhost")).body == b"inside"


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "10.0.0.1", "100.64.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "192.0.2.1", "192.168.1.1",
     "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:10.0.0.1",
     "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "ff0e::1", "2001:db8::1", "2001::1",
     "2002:7f00:1::", "2002:a00:1::", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
     "nonsense", "::ffff:100.64.0.1"],
)  # fmt: skip
def test_addresses_of_nobody_outside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2002:5db8:d822::1"]
)
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


def test_what_was_looked_at_is_connected_to(secure: HttpServer, new: New) -> None:
    """A name that is asked for twice may lead elsewhere the second time; TLS still goes by the name."""
    answers = iter([[PUBLIC, "127.0.0.1"], ["127.0.0.1"]])
    net = Net({})
    secure.serve("/p", Reply(b"well"))
    client = new(private_addresses=False, resolve=lambda host, seconds: next(answers), connect=net.connect)
    assert client.get(secure.url("/p", "a.example.org")).body == b"well"
    assert net.connected == [(PUBLIC, secure.port)]
    assert secure.requests[0].headers["host"] == f"a.example.org:{secure.port}"


def test_a_certificate_that_nobody_trusts_or_for_another_name(authority: trustme.CA, new: New) -> None:
    for by, name in ((trustme.CA(), "a.example.org"), (authority, "other.example.org")):
        with HttpServer(speaking_tls(by, name)) as server:
            error = failure(new(), server.url("/p", "a.example.org"))
            assert "the certificate of a.example.org is not in order" in error.detail
            assert (server.requests, server.connections) == ([], 1)


def test_https_of_a_server_that_has_none(server: HttpServer, new: New) -> None:
    error = failure(new(tries=1), f"https://a.example.org:{server.port}/")
    assert "TLS with a.example.org did not come about" in error.detail


# ---- URLs


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "only https: and http:"),
        ("ftp://example.org/", "not ftp:"),
        ("example.org/feed", "a URL without a scheme"),
        ("", "a URL without a scheme"),
        ("//example.org/", "without a scheme"),
        ("https://", "names no host"),
        ("https:///feed", "names no host"),
        ("https://a b/", "names no host"),
        ("https://exa%6dple.org/", "names no host"),
        ("https://[fe80::1%25eth0]/", "names no host"),
        ("https://[::1/", "no"),
        ("https://example.org:0/", "port 0"),
        ("https://example.org:22/", "port 22"),
        ("https://example.org:99999/", "port 99999"),
        ("https://example.org:http/", "invalid port"),
        ("https://0177.0.0.1/", "invalid ipv4"),
        ("https://example.org/\r\nX: y", "this is no URL"),
        ("https://ann:hunter2@example.org/", "with a user name or password"),
        ("https://hunter2@example.org/", "with a user name or password"),
        ("https://ann:hunt/er2@example.org/", "this is no URL"),
        ("https:ann:hunter2@example.org", "names no host"),
        ("ann:hunter2@example.org", "not ann:"),
        ("https://hunter2\\@example.org/", "with a user name"),
        ("https://" + "a" * 70_000, "this is no URL"),
    ],
)
def test_a_url_that_is_none_is_refused_and_tells_no_password(new: New, url: str, words: str) -> None:
    error = failure(new(), url)
    assert words in error.detail
    assert "hunt" not in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.org/@ann?date=2026-11-21", "https://example.org/@ann?date=2026-11-21"),
        ("https://example.org/?a=1&api_key=hunter2&b=2", "https://example.org/?a=1&api_key=…&b=2"),
        ("https://example.org/?access_token=hunter2", "https://example.org/?access_token=…"),
    ],
)
def test_what_is_told_of_a_url(url: str, told: str) -> None:
    assert shown(url) == told


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
