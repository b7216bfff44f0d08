"""A headless Chromium for tests and screenshots, spoken to over its debugging pipe.

The pipe is what makes narrow screens and dark mode honest: the command line cannot set a window narrower than about
500 px, nor a colour scheme in every version, but the protocol's emulation can do both, many times per start.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing we show may need the network
    "--remote-debugging-pipe",
)
DEADLINE = 60.0  # seconds for one answer; a cold start on a busy machine takes several


# Whatever ends outside the window, with its text; a clipped element has no say.
STICKS_OUT = """
[...document.querySelectorAll("body *")].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width > 1 && box.right > window.innerWidth + 0.5;
}).map(e => e.tagName + ": " + e.textContent.slice(0, 40))
"""


def find() -> str | None:
    """The program, or None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Browser:
    """One Chromium with one page. `workdir` takes its profile and the pages that it is shown."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.requests: list[str] = []  # every URL that a page has asked for since `show`
        self._number = 0
        self._unread = b""
        self._loaded = False

    def __enter__(self) -> Self:
        program = find()
        if program is None:
            raise RuntimeError("no chromium on this machine")
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.profile = Path(tempfile.mkdtemp(prefix="profile-", dir=self.workdir))
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4; ours must not stand there when they are moved.
        child_in, child_out = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (down_read, up_write))

        def move() -> None:
            os.dup2(child_in, 3)
            os.dup2(child_out, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=move,
            start_new_session=True,
        )
        for fd in (down_read, up_write, child_in, child_out):
            os.close(fd)
        self._write, self._read = down_write, up_read
        try:
            target = self._call("Target.createTarget", {"url": "about:blank"}, session=None)["targetId"]
            attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True}, session=None)
            self.session: str = attached["sessionId"]
            self._call("Page.enable")
            self._call("Network.enable")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        os.close(self._write)
        os.close(self._read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its own group: `start_new_session`
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def show(self, html: str, width: int, dark: bool, height: int = 900) -> None:
        """Load a page at this width and colour scheme, and wait until it is there."""
        file = self.workdir / "shown.html"
        file.write_text(html, "utf-8")
        self.visit(file.as_uri(), width, dark, height)

    def visit(self, url: str, width: int, dark: bool, height: int = 900) -> None:
        """The same for a page at an address of this machine."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.requests.clear()
        self._loaded = False
        self._call("Page.navigate", {"url": url})
        deadline = time.monotonic() + DEADLINE
        while not self._loaded:
            self._receive(deadline)

    def evaluate(self, expression: str) -> Any:
        found = self._call("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def png(self, path: Path, width: int, height: int | None = None) -> None:
        """What is shown, `height` px of it; without a height the whole page."""
        height = height or self.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._call("Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(
        self, method: str, params: Mapping[str, Any] | None = None, session: str | None = ""
    ) -> dict[str, Any]:
        """Ask for something and wait for the answer. A session of None is the browser's own."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": dict(params or {})}
        if session is not None:
            message["sessionId"] = session or self.session
        data = memoryview(json.dumps(message).encode() + b"\0")
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + DEADLINE
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self, deadline: float) -> dict[str, Any]:
        """The next message; events that we care about are noted on the way."""
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("chromium does not answer")
            more = os.read(self._read, 1 << 20)
            if not more:
                raise RuntimeError("chromium has ended")
            self._unread += more
        line, self._unread = self._unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Page.loadEventFired":
            self._loaded = True
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message


def screenshot(html: str, png: Path, width: int, dark: bool, height: int | None, workdir: Path) -> None:
    """A picture of a page, `height` px of it or all. Starts a Chromium; keep a `Browser` for more than one."""
    with Browser(workdir) as browser:
        browser.show(html, width, dark)
        browser.png(png, width, height)
