"""Pictures of the sample letters: those in the README, and more to look at.

python docs/pictures.py [FOLDER]     (make pictures; needs Chromium)
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "letters"))

from chromium import Browser  # noqa: E402

from digest import config, roster  # noqa: E402
from digest.courier import render_letter  # noqa: E402
from digest.edition import Press  # noqa: E402
from digest.ingest import ingest, pages_in  # noqa: E402
from digest.store import subscribers  # noqa: E402
from digest.store.opening import open_store  # noqa: E402

SAMPLES = ROOT / "digest" / "samples"
DAY = date(2026, 3, 3)
NOW = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary, Browser(Path(temporary) / "browser") as browser:
        settings = config.parse((SAMPLES / "config.toml").read_bytes(), Path(temporary))
        store = open_store(settings.store_url)
        for page in pages_in([SAMPLES / "pages"]):
            ingest(store, page, NOW.date(), NOW, year=DAY.year)
        roster.apply(store, roster.read(SAMPLES / "profiles"), NOW)
        press = Press(store, settings)
        with store.read() as connection:
            everyone = subscribers.everyone(connection)
        for reader in everyone:
            html = render_letter(press.preview(reader, DAY, NOW), settings).html
            for scheme in ("light", "dark"):
                for name, width in (("desktop", 720), ("phone", 360)):
                    browser.show(html, width, scheme == "dark")
                    browser.png(folder / f"{reader.handle}-{name}-{scheme}.png", width)
                if reader.handle == "alice":
                    browser.show(html, 720, scheme == "dark")
                    name = "letter.png" if scheme == "light" else "letter-dark.png"
                    browser.png(ROOT / "docs" / name, 720, 1180)
        store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "digest-pictures")
