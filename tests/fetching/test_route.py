"""Where a URL and its redirects may lead, and to which address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest
import trustme
from fetch_world import PUBLIC, Net, New, Time, failure, speaking_tls
from misbehaving_http import HttpServer, Reply, leading_to

from digest.fetch import Client, Validators
from digest.route import is_public, shown
from digest.turns import Turns

# ---- where it leads


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


def test_https_of_a_server_that_has_none(new: New) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(1)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        error = failure(new(tries=1), f"https://a.example.org:{listener.getsockname()[1]}/")
    assert "TLS with a.example.org did not come about" in error.detail


def test_hosts_beyond_ascii_and_addresses_in_brackets(server: HttpServer, new: New) -> None:
    server.serve("/p", Reply(b"well"))
    asked: list[str] = []

    def resolve(host: str, seconds: float) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with new(resolve=resolve) as client:
        for host in ("[2001:DB8::1]", "bücher.example.org", "a.example.org."):
            client.get(server.url("/p", host))
    assert asked == ["2001:db8::1", "xn--bcher-kva.example.org", "a.example.org"]
    hosts = ["[2001:db8::1]", "xn--bcher-kva.example.org", "a.example.org"]
    assert [one.headers["host"] for one in server.requests] == [f"{host}:{server.port}" for host in hosts]


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
        ("https://./", "names no host"),
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
