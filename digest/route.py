"""The way to a host that somebody named: which URLs and addresses are in order, and a connection to the very
address that was looked at, all of it within one deadline.

No proxy is used, whatever the environment says: it would look up names by itself, and what was looked at here would
not be what is connected to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import httpcore2
import httpx2

from digest import dns
from digest.text import clean

Resolve = Callable[[str, float], Sequence[str]]  # a name, seconds → addresses; raises dns.Unanswered
Connect = Callable[[tuple[str, int], float], socket.socket]  # address and port, seconds; raises OSError

CONNECT_SECONDS = 10.0  # for an address that is not the last one of a name
LOOK_SECONDS = 1.0  # how soon a wait for bytes notices that it is to stop
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SECRET = re.compile(r"((?:^|[?&])[^=&#]*(?:key|token|secret|auth|pass|sig)[^=&#]*=)[^&#]*", re.IGNORECASE)


class Fault(Exception):
    """Why nothing was fetched, in plain words; `again`: it may go well a moment later; `asked`: seconds for which
    the server wants to be left alone."""

    def __init__(self, words: str, *, again: bool = False, asked: float | None = None) -> None:
        self.words, self.again, self.asked = words, again, asked
        super().__init__(words)


class Stopped(Exception):
    """We are to end."""


class Deadline:
    """For everything that belongs to one request; in real time."""

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self._end, self._stop = time.monotonic() + seconds, stop

    def left(self) -> float:
        """Seconds, more than 0. Raises `TimeoutError`, `Stopped`."""
        if self._stop.is_set():
            raise Stopped
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


# ---- URLs


def accepted(url: str) -> httpx2.URL:
    """The URL, read; raises `Fault` for one that is not to be asked."""
    try:
        read = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        # The words may quote a password: what is wrong, without what is there.
        raise Fault(f"this is no URL: {str(error).partition(':')[0].lower()}") from None
    if read.scheme not in ("http", "https"):
        found = f"{read.scheme}:" if read.scheme else "a URL without a scheme"
        raise Fault(f"only https: and http: are fetched, not {found} — write the whole URL, https://…")
    if read.userinfo:
        raise Fault("a URL with a user name or password in it is not fetched — take out what stands before the @")
    host = read.raw_host.decode("ascii").rstrip(".").lower()
    if not re.fullmatch(r"[a-z0-9_.:-]+", host):
        raise Fault("the URL names no host — write the whole URL, https://…")
    # Below 1024 live other services than the web's, which a URL from somewhere must not make us talk to.
    if read.port is not None and read.port not in (80, 443) and not 1024 <= read.port <= 65535:
        raise Fault(f"port {read.port} is none of the web's — name 80, 443, or one from 1024 to 65535")
    return read.copy_with(fragment=None, host=host)


def shown(url: str) -> str:
    """The URL as it may be told: without a password, and without what a query calls a key or token."""
    try:
        read = accepted(url)
    except Fault:
        # Whatever stands before an @ may be a password, slashes included.
        url = re.sub(r"^([^:/?#]*:/*)?.*@", r"\1…@", url, flags=re.DOTALL)
    else:
        url = str(read)
    before, mark, query = url.partition("?")
    return clean(before + mark + _SECRET.sub(r"\1…", query))[:300]


# ---- addresses


def is_public(address: str) -> bool:
    """Whether an address belongs to a machine of the Internet, and not to this one, its network, or nobody."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour
        if found in NAT64:
            within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if within is None:
            return found in GLOBAL_UNICAST and found.is_global
        found = within
    return found.is_global and not found.is_multicast and not found.is_reserved


def look_up(host: str, seconds: float) -> Sequence[str]:
    """Where `host` is, as this machine sees it. Raises `dns.Unanswered`."""
    return asyncio.run(dns.addresses(host, min(seconds, dns.PATIENCE)))


def found(host: str, private: bool, resolve: Resolve, deadline: Deadline) -> list[str]:
    """The addresses of `host` that may be connected to. Raises `Fault`."""
    try:
        addresses = resolve(host, deadline.left())
    except dns.Unanswered as error:
        raise Fault(str(error), again=True) from None
    if not addresses:
        raise Fault(
            f"there is no machine called {host!r} — check the URL for a slip, and that this machine is online"
        )
    public = [one for one in addresses if private or is_public(one)]
    if not public:
        raise Fault(
            f"{host} is at {addresses[0]}, which is no address of the Internet but of this machine, its network or "
            "nobody; such are only asked where the configuration allows it"
        )
    return public


# ---- the connection


class Way(httpcore2.NetworkBackend):
    """Leads to `addresses`, whatever name is asked for; TLS and the request still go by the name."""

    def __init__(self, addresses: Sequence[str], deadline: Deadline, connect: Connect) -> None:
        self._addresses, self._deadline, self._connect = addresses, deadline, connect
        self.line: Line | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        fault: OSError = TimeoutError()
        for rest in range(len(self._addresses), 0, -1):
            try:
                left = self._deadline.left()
                patience = left if rest == 1 else min(left, CONNECT_SECONDS)
                made = self._connect((self._addresses[-rest], port), patience)
            except OSError as error:
                fault = error
                continue
            self.line = Line(made, self._deadline)
            return self.line
        raise fault


class Line(httpcore2.NetworkStream):
    """A connection whose every wait ends at the deadline, which h11's and TLS's own patience knows nothing of."""

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        self._socket, self._deadline = opened, deadline
        self.heard = False  # a first byte

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            self._socket.settimeout(min(self._deadline.left(), LOOK_SECONDS))
            try:
                data = self._socket.recv(max_bytes)
            except TimeoutError:
                continue
            self.heard = self.heard or bool(data)
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(self._deadline.left())
        try:
            self._socket.sendall(buffer)
        except TimeoutError:
            raise
        except OSError as error:
            # httpcore goes on to read: the server may have answered before it hung up.
            raise httpcore2.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        self._socket.settimeout(self._deadline.left())  # of the whole handshake
        # A connection that is cut is told from an answer that has ended.
        self._socket = ssl_context.wrap_socket(
            self._socket, server_hostname=server_hostname, suppress_ragged_eofs=False
        )
        return self

    def close(self) -> None:
        self._socket.close()
