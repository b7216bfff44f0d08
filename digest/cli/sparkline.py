"""Numbers as a row of small bars."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[int | str]) -> str:
    """A bar for each number above 0, the highest being the largest; "0" for 0, and signs as they are."""
    most = max((one for one in values if isinstance(one, int)), default=0)
    return "".join(one if isinstance(one, str) else _bar(one, most) for one in values)


def _bar(value: int, most: int) -> str:
    return BARS[-(-value * len(BARS) // most) - 1] if value > 0 else "0"
