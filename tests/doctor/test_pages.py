"""One-click unsubscribing, asked of real HTTP and HTTPS servers, and what their answers say of the clock."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from local_dns import NameServer

from digest import clock, config
from digest.doctor.pages import NOBODY, pages
from digest.doctor.result import Patient, Result, Verdict
from digest.tokens import number_of

Said = list[tuple[str, str, bytes, str]]


class Answers(ThreadingHTTPServer):
    """Answers each method as told: (status, headers)."""

    daemon_threads = True

    def __init__(self, given: dict[str, tuple[int, dict[str, str]]], date: datetime | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.given, self.date = given, date
        self.said: Said = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # whoever does not trust us hangs up


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.said.append((self.command, self.path, body, self.headers.get("Content-Type", "")))
        status, headers = self.server.given[self.command]
        self.send_response_only(status)
        if self.server.date:
            self.send_header("Date", format_datetime(self.server.date))
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_POST = _answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """One that this machine trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return made


@contextmanager
def serving(
    post: tuple[int, dict[str, str]] = (404, {}),
    get: tuple[int, dict[str, str]] = (404, {}),
    *,
    by: trustme.CA | None,
    date: datetime | None = None,
    name: str = "localhost",
) -> Iterator[Answers]:
    server = Answers({"POST": post, "GET": get}, date)
    if by:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        by.issue_cert(name).configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def look(base_url: str, now: Callable[[], datetime] = clock.now) -> dict[str, Result]:
    settings = config.parse(f'[web]\nbase_url = "{base_url}"\n'.encode(), Path())
    with NameServer({}) as names:
        patient = Patient(settings, names.resolver(), now, lambda: "")
        return {one.check: one for one in asyncio.run(pages(patient))}


def test_what_a_mailbox_sends_is_sent_and_nobody_is_unsubscribed(authority: trustme.CA) -> None:
    with serving(by=authority) as server:
        found = look(f"https://localhost:{server.server_port}/letters")
    posted, got = server.said
    path = f"/letters/unsubscribe/{NOBODY}"
    assert posted == ("POST", path, b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
    assert got[:3] == ("GET", path, b"")
    assert number_of(NOBODY) == 0
    assert found["pages.post"].verdict == found["pages.get"].verdict == "ok"
    assert re.search(r"POST https://localhost:\d+/letters/unsubscribe/0-0+ → 404", found["pages.post"].seen)


@pytest.mark.parametrize(
    ("status", "headers", "verdict", "part"),
    [
        (400, {"Content-Type": "text/html"}, "ok", "400"),
        (410, {}, "ok", "410"),
        (200, {"Content-Type": "text/plain"}, "ok", "200"),
        (200, {"Content-Type": "text/html; charset=utf-8"}, "fail", "a login?"),
        (302, {"Location": "/login"}, "fail", "to /login"),
        (308, {"Location": "https://www.example.org/"}, "fail", "to https://www.example.org/"),
        (401, {}, "fail", "401"),
        (405, {}, "fail", "405"),
        (500, {}, "fail", "500"),
        (429, {}, "unknown", "too often"),
    ],
)
def test_each_answer_to_one_click(
    authority: trustme.CA, status: int, headers: dict[str, str], verdict: str, part: str
) -> None:
    with serving((status, headers), by=authority) as server:
        found = look(f"https://localhost:{server.server_port}")
    assert (found["pages.post"].verdict, part in found["pages.post"].seen) == (verdict, True)
    assert [method for method, *_ in server.said] == ["POST", "GET"], "no redirect is followed"


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "ok"), (302, "ok"), (404, "ok"), (500, "fail"), (502, "fail")]
)
def test_the_page_itself_must_not_break(authority: trustme.CA, status: int, verdict: str) -> None:
    with serving(get=(status, {}), by=authority) as server:
        assert look(f"https://localhost:{server.server_port}")["pages.get"].verdict == verdict


def test_without_tls_no_mailbox_follows() -> None:
    with serving(by=None) as server:
        found = look(f"http://localhost:{server.server_port}")["pages.post"]
    assert (found.verdict, "without TLS" in found.seen) == (Verdict.WARN, True)


def test_a_certificate_that_nobody_trusts_or_for_another_name(authority: trustme.CA) -> None:
    for by, name in ((trustme.CA(), "localhost"), (authority, "other.example.org")):
        with serving(by=by, name=name) as server:
            found = look(f"https://localhost:{server.server_port}")
        assert found["pages.post"].verdict is Verdict.FAIL
        assert "certificate" in found["pages.post"].seen.lower()
        assert "certificate" in found["pages.post"].remedy
        assert found["pages.get"].verdict is Verdict.UNKNOWN
        assert server.said == []


def test_nobody_answers(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr("digest.doctor.pages.PATIENCE", 0.3)
        found = look(f"https://127.0.0.1:{port}")["pages.post"]
        assert (found.verdict, "no answer within 0.3 s" in found.seen) == (Verdict.FAIL, True)
    found = look(f"https://127.0.0.1:{port}")["pages.post"]
    assert (found.verdict, "start what serves the pages" in found.remedy) == (Verdict.FAIL, True)


def test_a_name_that_is_not_there_and_no_pages() -> None:
    found = look("https://no..name")
    assert found["pages.post"].verdict is Verdict.FAIL
    assert look("")["pages.post"].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("seconds", "verdict", "part"),
    [
        (0, "ok", "so it is here"),
        (10, "ok", "so it is here"),
        (40, "warn", "40 s ahead"),
        (-40, "warn", "40 s behind"),
        (3600, "fail", "3,600 s ahead"),
        (-3600, "fail", "3,600 s behind"),
    ],
)
def test_a_clock_that_is_off(authority: trustme.CA, seconds: int, verdict: str, part: str) -> None:
    there = clock.now()
    with serving(by=authority, date=there) as server:
        found = look(f"https://localhost:{server.server_port}", lambda: there + timedelta(seconds=seconds))
    assert (found["clock.web"].verdict, part in found["clock.web"].seen) == (verdict, True), found["clock.web"]


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}])
def test_an_answer_that_tells_no_time(authority: trustme.CA, date: dict[str, str]) -> None:
    with serving((404, date), by=authority) as server:
        assert look(f"https://localhost:{server.server_port}")["clock.web"].verdict is Verdict.UNKNOWN
