"""`digest preview NAME --serve` as its own process: what it shows, to whom, and that it follows the files."""

from __future__ import annotations

import html
import http.client
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import PAPERS, Digest
from markupsafe import escape

from digest.cli.live_page import Maker, Wish

PATIENCE = 60.0  # seconds; a machine under load is slow, not wrong
DAY = "2026-03-14"
SHIPPED = Path(__file__).parents[2] / "digest/templates/letter"


class Live:
    """A running preview."""

    def __init__(self, home: Path, *arguments: str) -> None:
        code = "from digest.cli import main; main()"
        command = [sys.executable, "-c", code, "--home", str(home), "preview", *arguments, "--serve", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.said = self.process.stdout.readline()
        self.port = int(re.findall(r"127\.0\.0\.1:(\d+)/", self.said)[0])

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode("utf-8"), answer.headers
        connection.close()
        return found

    def page(self, query: str = "") -> str:
        status, text, _ = self.ask(f"/{query}")
        assert status == 200
        return text

    def becomes(self, what: str) -> str:
        """The page, as soon as it has another version and says so."""
        deadline = time.monotonic() + PATIENCE
        while what not in (text := html.unescape(self.page())):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        return text

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.fixture
def home(digest: Digest) -> Digest:
    digest.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\ntemplates = "mine"\n')
    digest.write("mine/letter/why.txt", (SHIPPED / "why.txt").read_text("utf-8"))
    digest(
        "ingest",
        digest.page("one", [("<script>alert(1)</script> & Tools", PAPERS[0][1]), *PAPERS[1:]]),
        "--day",
        DAY,
    )
    digest.profile("alice", 'floor = 0\ntrending = 0.5\ninterests = ["<b>tools</b>"]')
    digest.profile("bela", "floor = 0\npapers = 2")
    digest("profiles", "apply")
    return digest


@pytest.fixture
def live(home: Digest) -> Iterator[Callable[..., Live]]:
    started: list[Live] = []

    def start(*arguments: str) -> Live:
        started.append(Live(home.home, *(arguments or ("alice", "--day", DAY))))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def version(text: str) -> str:
    return re.findall(r'data-version="([0-9a-f]+)"', text)[0]


def test_it_shows_the_letter_and_why_and_nothing_runs_in_it(home: Digest, live: Callable[..., Live]) -> None:
    one = live()
    page = one.page()
    told = home("preview", "alice", "--day", DAY, "--json").json
    assert told["subject"] in html.unescape(page)
    for candidate in told["candidates"]:
        assert str(escape(candidate["title"])) in page
        assert candidate["why"] in html.unescape(page)
        assert f"trending: place {candidate['standing']['listing']['position']} of 5 (page, {DAY})" in page
    assert page.count("<script") == 1
    assert "<b>tools" not in page
    assert version(page) == one.ask("/version")[1] == version(one.page())
    _, letter, headers = one.ask(html.unescape(re.findall(r'<iframe[^>]*sandbox="" src="([^"]+)"', page)[0]))
    assert letter.count("&lt;script&gt;") >= 1
    assert "<script" not in letter
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    _, _, headers = one.ask("/")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]

    dark = one.ask(f"/letter?name=alice&day={DAY}&scheme=dark")[1]
    assert "prefers-color-scheme" not in letter + dark
    assert "@media (max-width: 0)" in letter
    assert "@media (min-width: 0)" in dark
    assert '<meta name="color-scheme" content="dark">' in dark
    files = home.home / "out"
    home("preview", "alice", "--day", DAY, "--out", files)
    assert "prefers-color-scheme" in next(files.glob("*.html")).read_text("utf-8"), "the letter itself is as it was"
    text = html.unescape(one.page("?part=text"))
    assert next(files.glob("*.txt")).read_text("utf-8") in text
    assert "Content-Transfer-Encoding: quoted-printable" in one.page("?part=source")

    assert "bela, 2026-03-14" in one.page(f"?name=bela&day={DAY}")
    assert "did you mean alice" in html.unescape(one.page("?name=alcie")).lower()
    for day in ("tomorrow", "0001-01-01", "9999-12-31"):
        assert "this is no day" in one.page(f"?day={day}")
    assert "No letter" in one.page("?name=alice&day=2001-01-01")
    code, out, err = one.end()
    assert (code, out) == (0, "The preview has ended.\n")
    assert "Traceback" not in err
    assert home("status", "--json").json["letters"]["ready"] == 0, "nothing is written to the store"


def test_it_answers_this_machine_alone_and_is_only_looked_at(live: Callable[..., Live]) -> None:
    one = live()
    for host in ("evil.example", f"evil.example:{one.port}", "127.0.0.1", f"127.0.0.1.evil.example:{one.port}"):
        status, text, _ = one.ask("/", Host=host)
        assert status == 403
        assert "alice" not in text
    assert one.ask("/", Host=f"localhost:{one.port}")[0] == 200
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        status, _, headers = one.ask("/", method)
        assert (status, headers["Allow"]) == (405, "GET")
    assert one.ask("/../config.toml")[0] == 404
    assert one.ask("/?name=" + "x" * 5000)[0] == 200
    assert one.ask("/?" + "&".join(f"a{n}=1" for n in range(100)))[0] < 600
    code, out, _ = one.end(signal.SIGTERM)
    assert (code, out) == (0, "The preview has ended.\n")


def test_a_browser_that_goes_away_or_asks_nonsense_is_no_news(live: Callable[..., Live]) -> None:
    one = live()
    assert one.ask("x://[")[0] == 400
    assert one.ask("/?" + "&".join("a" * 50))[0] == 400
    for asked in (b"GET", b"GET /nowhere HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n" % one.port):
        with socket.create_connection(("127.0.0.1", one.port)) as browser:
            browser.sendall(asked)
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
    assert "Tools" in one.page()
    code, _, err = one.end()
    assert code == 0
    assert err.splitlines()[1:] == [], "beside how to end it"


def test_it_follows_the_files_and_outlives_their_faults(home: Digest, live: Callable[..., Live]) -> None:
    one = live()
    before = version(one.page())
    home.write("mine/letter/letter.txt", "one\n{{ letter.cuont }}\n")
    page = one.becomes("letter.cuont: there is no such variable; did you mean letter.count?")
    assert f"{home.home}/mine/letter/letter.txt:2" in page
    assert version(page) == one.ask("/version")[1] != before
    home.write("mine/letter/letter.txt", "mended {{ letter.count }}\n")
    one.becomes("alice, 2026-03-14")
    assert re.search("mended [0-9] papers?$", one.page("?part=text"), re.MULTILINE)

    home.profile("alice", "hour = 99")
    page = one.becomes("alice.toml:2")
    assert "hour" in page
    assert "write e.g. hour = 7" in page
    home.profile("alice", "floor = 0\npapers = 3\nmuted = ['proteins']")
    assert "3 of 5 candidates" in one.becomes("changes that are not applied")

    config = (home.home / "config.toml").read_text()
    home.write("config.toml", config + "colour = 1\n")
    one.becomes("config.toml:4")
    home.write("config.toml", config.replace("letters@", "editor@"))
    one.becomes("3 of 5 candidates")
    assert "editor@example.org" in one.page("?part=source")

    home("ingest", home.page("two", [("A Sixth Paper on Tools", PAPERS[0][1])]), "--day", DAY)
    one.becomes("3 of 6 candidates")
    (home.home / "digest.db").rename(home.home / "away.db")
    one.becomes("there is no store yet")
    (home.home / "away.db").rename(home.home / "digest.db")
    one.becomes("3 of 6 candidates")
    code, _, err = one.end()
    assert code == 0
    assert "Traceback" not in err


def test_what_cannot_be_served_is_said(home: Digest, live: Callable[..., Live]) -> None:
    one = live()
    said = home("preview", "alice", "--serve", "--port", str(one.port), code=1)
    assert f"port {one.port} of this machine cannot be used" in said.err
    assert "leave the other options out" in home("preview", "alice", "--serve", "--json", code=2).err
    (home.home / "config.toml").unlink()
    assert "digest init" in home("preview", "alice", "--serve", code=3).err


def test_a_change_in_the_store_is_seen_whichever_it_is(digest: Digest, store_url: str) -> None:
    digest.write("config.toml", f'[store]\nurl = "{store_url}"\n')
    digest.profile("alice", "floor = 0")
    digest("profiles", "apply")
    maker = Maker(digest.home)
    page = maker.page(Wish("alice"), "once")
    assert version(page) == maker.version()
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    assert maker.version() != version(page)
    maker.close()
