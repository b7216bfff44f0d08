"""What is wrong with sources, in words for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from digest.cli.common import hinted
from digest.store.sources import FAILED, Day, Health
from digest.text import count, ended


def failing(health: Mapping[str, Health], days: Mapping[str, Sequence[Day]]) -> dict[str, str]:
    """Name of a source that fails → `trouble`."""
    found = {name: trouble(health.get(name), mine) for name, mine in days.items()}
    return {name: words for name, words in found.items() if words}


def trouble(health: Health | None, days: Sequence[Day]) -> str:
    """What fails, and when it is tried again; "" where nothing does."""
    lost = [one for one in days if one.state == FAILED]
    if health and health.failures:
        since = f" ({health.failures} times in a row)" if health.failures > 1 else ""
        words = f"fails{since}: {health.failure}"
    elif lost:
        some = "" if len(lost) == 1 else f" and {count(len(lost) - 1, 'other day')}"
        words = f"{lost[-1].day}{some} could not be read: {lost[-1].detail}"
    else:
        return ""
    wait = health.next_try_at if health else None
    again = f"not before {wait:%Y-%m-%d %H:%M} UTC" if wait else "with the next `digest collect`"
    return hinted(f"{ended(words)} Next try: {again}")
