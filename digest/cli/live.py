"""`digest preview NAME --serve`: pages for this machine alone, which reload when what they show has changed."""

from __future__ import annotations

import signal
import sys
import webbrowser
from collections.abc import Callable
from datetime import date
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe
from types import FrameType
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from digest.cli.common import note, say
from digest.cli.live_page import Maker, Wish
from digest.errors import DigestError, PortTaken

HERE = "127.0.0.1"
_EVERY = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = (
    "default-src 'none'; style-src 'nonce-{0}'; script-src 'nonce-{0}'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Letters bring their styles inline. Nothing of theirs may run, and nothing be fetched.
_LETTER = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"


def serve(home: Path, name: str, day: date | None, port: int, *, open_: bool) -> None:
    """Serve until told to stop. Raises `PortTaken`."""
    maker = Maker(home)
    try:
        server = _Server((HERE, port), partial(_Handler, maker, Wish(name, day)))
    except OSError as error:
        raise PortTaken(port=port, detail=error.strerror or error) from None
    url = f"http://{HERE}:{server.server_address[1]}/"
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        say(f"The letter of {name}: {url}")
        note("it shows every change of a template, a profile or config.toml by itself; Ctrl-C ends it")
        if open_ and not webbrowser.open(url):
            note("no browser was found; open the address by hand")
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        say("The preview has ended.")
    finally:
        server.server_close()
        maker.close()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away before it has its answer is no news; what is wrong else is one line."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            note(f"a request could not be answered: {type(error).__name__}: {error}")


class _Handler(BaseHTTPRequestHandler):
    timeout = 30  # seconds for a browser that says nothing
    server: ThreadingHTTPServer

    def __init__(self, maker: Maker, start: Wish, *args: Any) -> None:
        self._maker, self._start = maker, start
        super().__init__(*args)

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        try:
            address = urlsplit(self.path)
            query = dict(parse_qsl(address.query, max_num_fields=20))
        except ValueError:
            self._plain(HTTPStatus.BAD_REQUEST, "This is no address of a page.")
            return
        answer = self._pages.get(address.path)
        if answer is None:
            self._plain(HTTPStatus.NOT_FOUND, "There is no such page.")
            return
        try:
            answer(self, query)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # a defect of ours must not end the preview
            what = f"this could not be shown: {type(error).__name__}: {error}"
            note(what)
            self._plain(HTTPStatus.INTERNAL_SERVER_ERROR, what)

    def _refuse(self) -> None:
        if self._is_ours():
            self._plain(HTTPStatus.METHOD_NOT_ALLOWED, "Pages can be looked at, and nothing else.", Allow="GET")

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _page(self, query: dict[str, str]) -> None:
        nonce = token_urlsafe(16)
        try:
            html = self._maker.page(Wish.of(query, self._start), nonce)
        except DigestError as error:
            html = self._maker.trouble(self._start, nonce, error)
        self._send(HTTPStatus.OK, "text/html", html, {"Content-Security-Policy": _PAGE.format(nonce)})

    def _letter(self, query: dict[str, str]) -> None:
        try:
            html = self._maker.letter(Wish.of(query, self._start))
        except DigestError:
            html = ""  # the page around it says what is wrong
        self._send(HTTPStatus.OK, "text/html", html, {"Content-Security-Policy": _LETTER})

    def _version(self, query: dict[str, str]) -> None:
        self._plain(HTTPStatus.OK, self._maker.version())

    _pages: ClassVar[dict[str, Callable[[_Handler, dict[str, str]], None]]] = {
        "/": _page,
        "/letter": _letter,
        "/version": _version,
    }

    def _is_ours(self) -> bool:
        """Was it us who were asked? A site may let its own name lead here, and would then see all we show."""
        port = self.server.server_address[1]
        if self.headers.get("Host", "").lower() in (f"{HERE}:{port}", f"localhost:{port}"):
            return True
        self._plain(HTTPStatus.FORBIDDEN, f"This is only for http://{HERE}:{port}/.")
        return False

    def _plain(self, status: HTTPStatus, text: str, **more: str) -> None:
        self._send(status, "text/plain", text, {"Content-Security-Policy": "default-src 'none'", **more})

    def _send(self, status: HTTPStatus, kind: str, text: str, more: dict[str, str]) -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in {**_EVERY, **more}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "digest"

    def log_message(self, format: str, *args: Any) -> None:
        pass  # a page that looks for changes every second is no news
