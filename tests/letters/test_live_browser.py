"""The served preview in a real browser: nothing sticks out or leaves, colours are as asked, changes appear."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SAMPLES = Path(__file__).parents[2] / "digest/samples"
MAIN = [sys.executable, "-c", "from digest.cli import main; main()"]
PATIENCE = 60.0
STICKS_OUT = """
[...document.querySelectorAll("main *, header *, .bar *")].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width > 1 && box.right > window.innerWidth + 0.5 && !e.closest(".letter");
}).map(e => e.tagName + ": " + e.textContent.slice(0, 40))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    shutil.copytree(SAMPLES / "profiles", folder / "profiles")
    (folder / "config.toml").write_text("")
    for arguments in (["ingest", str(SAMPLES / "pages"), "--year", "2026"], ["profiles", "apply"]):
        subprocess.run([*MAIN, "--home", str(folder), *arguments], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def url(home: Path, browser: chromium.Browser) -> Iterator[str]:
    command = [*MAIN, "--home", str(home), "preview", "alice", "--day", "2026-03-04", "--serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield re.findall(r"http://\S+/", process.stdout.readline())[0]
        process.kill()


@pytest.mark.parametrize(("width", "dark"), [(390, True), (900, False), (1440, True)])
def test_the_page_fits_and_asks_nobody_else(browser: chromium.Browser, url: str, width: int, dark: bool) -> None:
    for query in ("?width=phone", "?part=text", "?part=source", "?name=nobody"):
        browser.visit(url + query, width, dark)
        assert browser.evaluate("document.documentElement.scrollWidth") == width
        assert browser.evaluate(STICKS_OUT) == []
        ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(15, 16, 17)" if dark else "rgb(239, 236, 229)")
        assert [one for one in browser.requests if not one.startswith((url, "data:"))] == []


@pytest.mark.parametrize("prefers_dark", [False, True])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_letter_is_in_the_colours_that_are_asked_for(
    browser: chromium.Browser, url: str, scheme: str, prefers_dark: bool
) -> None:
    browser.visit(f"{url}letter?scheme={scheme}", 640, prefers_dark)
    ground = browser.evaluate("getComputedStyle(document.querySelector('.page')).backgroundColor")
    assert ground == ("rgb(23, 24, 26)" if scheme == "dark" else "rgb(253, 252, 249)")


def test_the_frame_is_as_wide_as_a_phone_and_shows_the_letter(browser: chromium.Browser, url: str) -> None:
    browser.visit(url + "?width=phone", 1440, dark=False)
    assert browser.evaluate("document.querySelector('iframe').clientWidth") == 360
    assert any("/letter?" in one for one in browser.requests)
    browser.visit(url, 1440, dark=False)
    assert browser.evaluate("document.querySelector('iframe').clientWidth") >= 640


def test_a_change_appears_by_itself_and_so_does_a_fault(browser: chromium.Browser, url: str, home: Path) -> None:
    browser.visit(url, 1440, dark=False)
    title = browser.evaluate("document.querySelector('h1').textContent")
    profile = home / "profiles/alice.toml"
    before = profile.read_text("utf-8")

    def wait(what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while what not in browser.evaluate("document.body ? document.body.innerText : ''"):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    profile.write_text(f"{before}\nhour = 'late'\n", "utf-8")
    wait("This cannot be shown")
    assert "alice.toml:" in browser.evaluate("document.querySelector('code').textContent")
    profile.write_text(before, "utf-8")
    wait(title)
