"""Polite HTTP, the only one for sources: GET with what makes it conditional, one request at a time and host,
waiting where a server asks for it, and bounds on size, time and where it leads.

A body is whole or there is none: what ends too early, is damaged or is too large is a failure, never a shorter
success. No cookie is kept, no login is sent, and each request has a connection of its own, so that arXiv, which
wants one over all of its hosts, never sees two.
"""

from __future__ import annotations

import gzip
import io
import random
import re
import ssl
import threading
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from socket import create_connection
from types import TracebackType
from urllib.parse import quote

import httpcore2
import httpx2

from digest import __version__, clock
from digest.errors import FetchFailed, FetchStopped
from digest.route import Connect, Deadline, Fault, Resolve, Stopped, Way, accepted, found, look_up, shown
from digest.text import clean
from digest.turns import MOST_SECONDS, NotYet, Taken, Turns

ARXIV, ARXIV_GAP = "arxiv.org", 3.0  # its terms: one request per 3 s and one connection, over all of its hosts
GAP = 0.2
PATIENCE = 120.0  # whoever wants to be left alone for longer is asked another time
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # between tries, before the jitter
REDIRECTS = 5
AGAIN = (408, 425, 429, 500, 502, 503, 504)
REDIRECTING = (301, 302, 303, 307, 308)
REMEDIES = {
    401: "it wants a login, and Digest has none; is there a public URL?",
    403: "it does not let Digest in; is there a public URL, or a rule against programs?",
    404: "check the URL for a slip",
    410: "it is gone for good; take the source out of the configuration",
}
_TURNS = Turns()  # of this process
_NEXT = re.compile(r";\s*rel\s*=\s*\"?next\b", re.IGNORECASE)
_VALIDATOR = re.compile(r"[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]{0,998}[\x21-\x7e\x80-\xff])?")


@dataclass(frozen=True, slots=True)
class Validators:
    """What makes the next request conditional; to be stored in the transaction that stores what the body held.
    One character is one byte of the header (Latin-1), so that it goes back as it came."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    body: bytes  # decoded; b"" when unchanged
    unchanged: bool
    url: str  # where it came from at last
    content_type: str  # as told, e.g. "application/json; charset=utf-8"
    validators: Validators
    more: bool = False  # it told of a next page (RFC 8288)


class Client:
    """`with Client("me@example.org") as client:`, one for a whole collection; any thread may call it.

    `contact` is the mail address that servers are told. `largest`: bytes of a body, both as it travels and decoded.
    `seconds`: for all that belongs to one try, redirects included, waiting for our turn not. `sleep` gets seconds,
    `jitter` gives a number from 0 to 1. `state` is a folder: arXiv's turn is kept there, over all processes.
    """

    def __init__(
        self,
        contact: str,
        *,
        private_addresses: bool = False,
        largest: int = 20_000_000,
        seconds: float = 60.0,
        tries: int = 4,
        state: Path | None = None,
        now: Callable[[], datetime] = clock.now,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
        stop: threading.Event | None = None,
        turns: Turns = _TURNS,
        resolve: Resolve = look_up,
        connect: Connect = create_connection,
    ) -> None:
        self._agent = f"Digest/{__version__} (+mailto:{quote(contact, safe='@+')})".encode("ascii")
        self._private, self._largest, self._seconds, self._tries = private_addresses, largest, seconds, tries
        self._state, self._now, self._jitter, self._turns = state, now, jitter, turns
        self._stop = stop or threading.Event()
        self._sleep = sleep or self._stop.wait
        self._resolve, self._connect = resolve, connect

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open between requests; a context manager so that something may."""

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The authorities that the system trusts; SSL_CERT_FILE names others."""
        return ssl.create_default_context()

    def get(self, url: str, *, validators: Validators = Validators(), accept: str = "*/*") -> Fetched:
        """What `url` gives, or that it is what it was when it gave `validators`.

        It blocks, so not in the thread of an event loop. Raises `FetchFailed`; and `FetchStopped`, which is one,
        when we are to end.
        """
        tried = 1
        try:
            start = accepted(url)
            for number in range(1, self._tries + 1):
                try:
                    return self._follow(start, validators, accept)
                except Fault as fault:
                    tried, asked = number, fault.asked or 0.0
                    if not fault.again or number == self._tries or asked > PATIENCE:
                        raise
                self._pause(max(asked, self._backoff(number)))
        except Stopped:
            raise FetchStopped(url=shown(url), detail="not fetched: Digest was told to end") from None
        except Fault as fault:
            raise self._failed(url, fault, tried) from None
        raise AssertionError("the last try returns or raises")

    def _backoff(self, number: int) -> float:
        """Seconds before the next try: with full jitter, so that not all come back together who failed together."""
        return self._jitter() * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (number - 1))

    def _failed(self, url: str, fault: Fault, tried: int) -> FetchFailed:
        detail = fault.words + (f", after {tried} tries" if tried > 1 else "")
        if not fault.asked:
            return FetchFailed(url=shown(url), detail=detail)
        next_try = self._now() + timedelta(seconds=min(fault.asked, MOST_SECONDS))
        detail += f", and wants to be left alone until {next_try.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return FetchFailed(url=shown(url), detail=detail, next_try=next_try)

    def _pause(self, seconds: float) -> None:
        if not self._stop.is_set():
            self._sleep(seconds)
        if self._stop.is_set():
            raise Stopped

    def _nap(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    # ---- one try

    def _follow(self, url: httpx2.URL, validators: Validators, accept: str) -> Fetched:
        """Ask, and where it leads; each place is looked at, waited for and connected to as if it were the first."""
        left = self._seconds
        for _ in range(REDIRECTS + 1):
            outcome = self._in_turn(url, validators, accept, left)
            if isinstance(outcome, Fetched):
                return outcome
            url, left = outcome
        raise Fault(f"it leads on and on: more than {REDIRECTS} redirects, at last to {shown(str(url))}")

    def _in_turn(
        self, url: httpx2.URL, validators: Validators, accept: str, left: float
    ) -> Fetched | tuple[httpx2.URL, float]:
        """What came, or where it leads and the seconds that are left for it."""
        host = url.raw_host.decode("ascii")
        is_arxiv = f".{host}".endswith(f".{ARXIV}")
        place, gap = (ARXIV, ARXIV_GAP) if is_arxiv else (host, GAP)
        file = self._state / f".asking-{ARXIV}" if self._state and is_arxiv else None
        try:
            with self._turns.turn(
                place, gap, file=file, patience=PATIENCE, pause=self._pause, nap=self._nap
            ) as turn:
                deadline = Deadline(left, self._stop)
                try:
                    outcome = self._asked(url, host, validators, accept, deadline)
                    return outcome if isinstance(outcome, Fetched) else (outcome, deadline.left())
                except TimeoutError:
                    raise Fault(f"there was no whole answer within {self._seconds:g} s", again=True) from None
                except Fault as fault:
                    turn.rest = max(turn.rest, fault.asked or 0.0)
                    raise
        except NotYet as error:
            raise Fault(f"it was not asked: {place} said that it has too much to do", asked=error.seconds) from None
        except Taken:
            raise Fault(f"it was not asked: another Digest has been asking {place} for many minutes") from None
        except OSError as error:
            raise Fault(
                f"it was not asked: {file}: {error.strerror or error}, and {ARXIV} must not be asked by two at once"
                " — let this user write there"
            ) from None

    def _asked(
        self, url: httpx2.URL, host: str, validators: Validators, accept: str, deadline: Deadline
    ) -> Fetched | httpx2.URL:
        """One request. Raises `TimeoutError`, `Fault`, `Stopped`."""
        way = Way(found(host, self._private, self._resolve, deadline), deadline, self._connect)
        conditions = _conditions(validators)
        asked = httpcore2.Request(
            "GET",
            httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=[
                (b"Host", url.netloc),
                (b"User-Agent", self._agent),
                (b"Accept", accept.encode("ascii")),
                (b"Accept-Encoding", b"gzip, deflate"),
                (b"Connection", b"close"),
                *conditions,
            ],
        )
        try:
            tls = self._tls if url.scheme == "https" else None
            line = httpcore2.HTTPConnection(asked.url.origin, tls, network_backend=way)
            with closing(line.handle_request(asked)) as answer:
                headers = _headers(answer)
                if answer.status in (200, 203, 204):
                    body = _decoded(self._body(answer, headers), headers, self._largest)
                    return _fetched(url, headers, body=body)
                if answer.status == 304 and conditions:
                    return _fetched(url, headers, before=validators)
                if answer.status in REDIRECTING and "location" in headers:
                    return _led_to(url, headers["location"])
                raise _refusal(answer.status, headers, self._now())
        except TimeoutError:
            raise
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, ValueError) as error:
            raise _broken(error, host, way) from None
        finally:
            if way.line:
                way.line.close()

    def _body(self, answer: httpcore2.Response, headers: dict[str, str]) -> bytes:
        """All of it, as it travels. Raises `Fault`, `TimeoutError`, `Stopped`."""
        told = headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._largest:
            raise _too_large(self._largest)
        body = bytearray()
        try:
            for piece in answer.iter_stream():
                body += piece
                if len(body) > self._largest:
                    raise _too_large(self._largest)
        except TimeoutError:
            raise
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError):
            raise Fault(f"the answer broke off after {len(body):,} bytes", again=True) from None
        return bytes(body)


# ---- what is asked, and what an answer says


def _conditions(validators: Validators) -> list[tuple[bytes, bytes]]:
    """Only what can stand in a header: the store may have been written by anybody."""
    pairs = ((b"If-None-Match", validators.etag), (b"If-Modified-Since", validators.last_modified))
    return [(name, value.encode("latin-1")) for name, value in pairs if _VALIDATOR.fullmatch(value)]


def _headers(answer: httpcore2.Response) -> dict[str, str]:
    """By small names; one that comes again is a list, as in one line."""
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        small, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[small] = f"{headers[small]}, {text}" if small in headers else text
    return headers


def _fetched(
    url: httpx2.URL, headers: dict[str, str], *, body: bytes = b"", before: Validators | None = None
) -> Fetched:
    """`before`: what it was asked with, where it said that nothing has changed; it need not say them again."""
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    told = Validators(
        etag if _VALIDATOR.fullmatch(etag) else "", modified if _VALIDATOR.fullmatch(modified) else ""
    )
    if before:
        told = Validators(told.etag or before.etag, told.last_modified or before.last_modified)
    kind, more = clean(headers.get("content-type", ""))[:200], _NEXT.search(headers.get("link", "")) is not None
    return Fetched(body, before is not None, str(url), kind, told, more)


def _led_to(url: httpx2.URL, location: str) -> httpx2.URL:
    """Where a redirect leads: https only, or whoever sits in between could lead us anywhere."""
    target = location.encode("latin-1").decode("utf-8", "replace")
    try:
        target = str(url.join(target))
        leads = accepted(target)
        if leads.scheme != "https":
            raise Fault("a redirect is only followed to https:")
    except (httpx2.InvalidURL, ValueError):
        raise Fault(f"it leads to {shown(target)}, which is no URL") from None
    except Fault as fault:
        raise Fault(f"it leads to {shown(target)}: {fault.words}") from None
    return leads


def _refusal(status: int, headers: dict[str, str], now: datetime) -> Fault:
    try:
        words = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = str(status)
    remedy = f" — {REMEDIES[status]}" if status in REMEDIES else ""
    if status == 304:
        remedy = " (not changed) where nothing was asked about changes"
    if status not in AGAIN:
        return Fault(f"the server said {words}{remedy}")
    return Fault(f"the server said {words}", again=True, asked=_seconds_asked(headers.get("retry-after", ""), now))


def _seconds_asked(value: str, now: datetime) -> float | None:
    """What Retry-After asks for, in either of its forms; None where it asks for nothing."""
    if re.fullmatch(r"[0-9]+", value):
        seconds = float(value)
    else:
        try:
            until = parsedate_to_datetime(value)
            seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(seconds, MOST_SECONDS) if seconds > 0 else None


def _too_large(largest: int) -> Fault:
    return Fault(f"it is larger than {largest / 1e6:g} MB, which no page of papers is")


def _decoded(body: bytes, headers: dict[str, str], largest: int) -> bytes:
    """What was packed, as long as that is at most `largest` bytes; no more is ever unpacked."""
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity") or not body:
        return body
    try:
        if coding in ("gzip", "x-gzip"):
            unpacked = gzip.GzipFile(fileobj=io.BytesIO(body)).read(largest + 1)
        elif coding == "deflate":
            # Some send it bare, without the two bytes of zlib in front (RFC 9110, 8.4.1.2).
            is_zlib = body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
            unpacker = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
            unpacked = unpacker.decompress(body, largest + 1)
            if len(unpacked) <= largest and (not unpacker.eof or unpacker.unused_data):
                raise EOFError
        else:
            raise Fault(f"it is packed as {clean(coding)[:40]!r}, which was not asked for")
    except (EOFError, OSError, zlib.error):
        raise Fault(f"it is packed as {coding}, and damaged", again=True) from None
    if len(unpacked) > largest:
        raise _too_large(largest)
    return unpacked


def _broken(error: Exception, host: str, way: Way) -> Fault:
    """Why no answer began."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fault(
            f"the certificate of {host} is not in order: {clean(error.verify_message)} — look whether the URL has "
            "the right name, and this machine the right time and authorities"
        )
    if isinstance(error, ssl.SSLError) and not (way.line and way.line.heard):
        return Fault(f"TLS with {host} did not come about: {clean(error.reason or str(error))}", again=True)
    if isinstance(error, ConnectionRefusedError):
        return Fault("nothing listens there (connection refused)", again=True)
    if isinstance(error, httpcore2.ProtocolError | ValueError) and "disconnected" not in str(error):
        return Fault("what came back is no HTTP, or more of its headers than anybody needs", again=True)
    if way.line:
        told = "in the middle of the headers" if way.line.heard else "without an answer"
        return Fault(f"the server hung up {told}", again=True)
    words = error.strerror if isinstance(error, OSError) else None
    return Fault(f"no connection came about: {clean(words or str(error) or type(error).__name__)}", again=True)
