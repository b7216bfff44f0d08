"""`digest init`."""

from __future__ import annotations

from pathlib import Path

from digest.cli.common import app, cannot_write, here, hinted, home, note, say
from digest.config import FILE_NAME

SAMPLES = Path(__file__).parents[1] / "samples"
EXAMPLE_ADDRESS = "you@example.org"  # of samples/example.toml


@app.command(epilog="Example: mkdir letters && cd letters && digest init")
def init() -> None:
    """Write a commented config.toml and profiles/you.toml. Files that are there stay as they are."""
    folder = home()
    made = write_home(folder)
    for path in made:
        say(f"wrote {here(path)}")
    if not made:
        note("everything is here already; nothing was changed")
        return
    say()
    say("Next: put your address and interests into profiles/you.toml, then")
    say(hinted("  digest profiles apply        take the profiles over"))
    say(hinted("  digest collect               ask the sources that config.toml names, or"))
    say(hinted("  digest ingest PAGE…          take saved pages of trending papers"))
    say(hinted("  digest preview you --open    look at the letter"))
    say(hinted("  digest run                   write and deliver today's letters"))


def write_home(folder: Path) -> list[Path]:
    """Make what is missing of a home folder; the files that were written."""
    made = []
    try:
        for name, sample in ((FILE_NAME, "config.toml"), ("profiles/you.toml", "example.toml")):
            path = folder / name
            # One profile of the user's own is example enough.
            if path.parent != folder and path.parent.is_dir() and any(path.parent.glob("*.toml")):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with path.open("xb") as file:  # never overwrites, not even in a race
                    file.write((SAMPLES / sample).read_bytes())
            except FileExistsError:
                continue
            made.append(path)
        (folder / "inbox").mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(error, folder, "Name a folder that this user may write with --home") from None
    return made
