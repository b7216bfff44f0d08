"""Fetching, from a real server that does all that servers do."""

from __future__ import annotations

import socket
import threading
import tracemalloc
import zlib
from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime

import pytest
import trustme
from fetch_world import NOON, OK, New, Time, failure, speaking_tls, zipped
from misbehaving_http import Endless, HttpServer, Raw, Reply, packed

from digest import __version__, dns, fetch
from digest.fetch import Client, Fetched, Validators
from digest.route import shown

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


@pytest.mark.parametrize("host", ["xn--..a", "xn--", "a..b", "-", "%2e", ".", "xn--\ud800", "a" * 300, ":", "[::"])
def test_whatever_a_host_looks_like_it_is_asked_for_or_refused(new: New, host: str) -> None:
    failure(new(resolve=lambda name, seconds: ()), f"https://{host}/")
    assert "\ud800" not in shown(f"https://{host}/")


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
        ("gzip", zipped(b"papers")),
        ("X-GZip", zipped(b"papers")),
        ("gzip", zipped(b"pap") + zipped(b"ers")),
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
        ("gzip", zipped(b"papers" * 100)[:-9]),
        ("gzip", zipped(b"papers")[:-8] + bytes(8)),
        ("gzip", zipped(b"papers") + b"more"),
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
        OK + b"Content-Encoding: gzip\r\n\r\n" + zipped(b"without a length")[:-10],
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
