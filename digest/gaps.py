"""Days that a source could not be read for, in the words that readers and operators are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Gap:
    """A day that a source could not be read for; what there is has to do."""

    source: str
    day: date
    detail: str  # in plain words

    def __str__(self) -> str:
        return f"{self.source}: {self.day} could not be read: {self.detail}"


def in_words(gaps: Sequence[Gap]) -> list[str]:
    """A sentence without its end for each source that has gaps, the one that failed last at the end."""
    by_source: dict[str, list[Gap]] = {}
    for gap in sorted(gaps, key=lambda gap: gap.day):
        by_source.setdefault(gap.source, []).append(gap)
    found = []
    for source, some in sorted(by_source.items(), key=lambda one: (one[1][-1].day, one[0])):
        days = f"{len(some)} days from {some[0].day} to {some[-1].day} could not be read, the last"
        found.append(f"{source}: {days}: {some[-1].detail}" if len(some) > 1 else str(some[0]))
    return found
