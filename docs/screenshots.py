"""Screenshots of letters: the README's picture, and every kind of letter to look at.

    python docs/screenshots.py [FOLDER]     (make screenshots; needs Chromium)

The folder gets a daily, a weekly, an empty-profile and a worst-case letter, each in light and dark at 375 and 640
pixels, and as text.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "letters"))

from chromium import Browser  # noqa: E402
from sample_letters import CONFIG, LINKS, daily, trending_only, weekly, worst_case  # noqa: E402

from digest.letters.compose import Composer  # noqa: E402
from digest.model import Letter  # noqa: E402

KINDS: dict[str, Callable[[], Letter]] = {
    "daily": daily,
    "weekly": weekly,
    "empty-profile": trending_only,
    "worst-case": worst_case,
}
WIDTHS = (375, 640)
SCHEMES = ("light", "dark")


def shoot(browser: Browser, folder: Path, kind: str) -> list[Path]:
    """Write the pictures of one kind of letter."""
    rendered = Composer(CONFIG, links=LINKS).render(KINDS[kind]())
    made = []
    for scheme in SCHEMES:
        for width in WIDTHS:
            browser.show(rendered.html, width, scheme == "dark")
            made.append(folder / f"{kind}-{width}-{scheme}.png")
            browser.png(made[-1], width)
    page = f'<meta charset="utf-8"><pre style="font:14px/1.4 monospace;margin:24px">{escape(rendered.text)}</pre>'
    browser.show(page, 760, dark=False)
    made.append(folder / f"{kind}-text.png")
    browser.png(made[-1], 760)
    return made


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, Browser(Path(temporary)) as browser:
        for kind in KINDS:
            shoot(browser, folder, kind)
        html = Composer(CONFIG, links=LINKS).render(daily()).html
        for name, dark in (("letter.png", False), ("letter-dark.png", True)):
            browser.show(html, 720, dark)
            browser.png(ROOT / "docs" / name, 720, 1180)
    sys.stdout.write(f"{len(KINDS) * (len(WIDTHS) * len(SCHEMES) + 1)} pictures in {folder}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "digest-screenshots")
