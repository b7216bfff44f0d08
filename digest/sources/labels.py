"""What each line of a page saved as text is: a title, an abstract, or more of either. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from digest.sources.lines import IMPOSSIBLE, Line, Look, look_of

# ---- hard-wrapped pages


def unwrapped(lines: list[Line]) -> list[Line]:
    """The lines, each wrapped paragraph joined to one if the page sets titles and abstracts apart by blank lines.

    Where it does not, the label of each line says what it belongs to.
    """
    width = _wrap_width(lines, [look_of(line) for line in lines])
    if not width:
        return lines
    paragraphs: list[list[Line]] = []
    for line in lines:
        if line.apart or not paragraphs:
            paragraphs.append([])
        paragraphs[-1].append(line)
    titles = sum(sum(len(line.text) for line in paragraph) <= 260 for paragraph in paragraphs)
    if not 0.4 <= titles / len(paragraphs) <= 0.7:
        return lines
    joined: list[Line] = []
    for paragraph in paragraphs:
        groups = [[paragraph[0]]]
        for before, line in pairwise(paragraph):
            filled = len(before.text) / width
            if line.text[0].islower() or filled >= 0.7 or (filled >= 0.4 and not look_of(before).ends):
                groups[-1].append(line)
            else:
                groups.append([line])
        for group in groups:
            raw, text = "\n".join(line.raw for line in group), " ".join(line.text for line in group)
            joined.append(group[0]._replace(raw=raw, text=text))
    return joined


def _wrap_width(lines: Sequence[Line], looks: Sequence[Look]) -> int:
    """The width at which the page is hard-wrapped; 0 if it is not."""
    if not lines:
        return 0
    beside = [i for i in range(1, len(lines)) if not lines[i].apart]
    if len(beside) < 0.4 * len(lines) or sum(looks[i].starts_low for i in beside) < 0.35 * len(beside):
        return 0
    width = sorted(len(line.text) for line in lines)[int(0.95 * (len(lines) - 1))]
    return width if width <= 140 else 0


# ---- labels

TITLE, MORE_TITLE, ABSTRACT, MORE_ABSTRACT = range(4)

# What an irregularity costs. A line looks like a title or an abstract for at most six points, so one odd line in a
# regular page does not break the alternation, and two do where something is really missing.
_NO_ABSTRACT = -5.0
_NO_TITLE = -6.0
_NEXT_PARAGRAPH = -3.0


def labels_of(lines: Sequence[Line]) -> list[int]:
    """The best reading of the page: for each line TITLE, MORE_TITLE, ABSTRACT or MORE_ABSTRACT (Viterbi)."""
    if not lines:
        return []
    looks = [look_of(line) for line in lines]
    width = _wrap_width(lines, looks)
    beside = sum(not line.apart for line in lines[1:]) / max(1, len(lines) - 1)
    # Where no line stands apart, a missing blank line says nothing.
    unspaced = 0.0 if beside > 0.9 else -3.0 if width else -1.0

    scores = [looks[0].as_title, IMPOSSIBLE * 10, looks[0].as_abstract + _NO_TITLE, IMPOSSIBLE * 10]
    back: list[tuple[int, int, int, int]] = []
    for index in range(1, len(lines)):
        line, look, before, last = lines[index], looks[index], looks[index - 1], lines[index - 1]
        apart = line.apart
        gap = 0.0 if apart else unspaced
        # In a page that is not wrapped, a long line is a whole abstract and a line below it the next title.
        whole = not width and (before.ends or len(last.text) >= 250)
        goes_on = 0.0 if before.ends else 0.5 if whole else 2.0
        as_abstract = look.as_abstract
        if width and not apart:
            as_abstract = max(as_abstract, 0.5)  # the first of many short lines; its length says nothing
        elif width and index + 1 < len(lines) and not lines[index + 1].apart:
            as_abstract = max(as_abstract, 2.0 - 3 * (look.titled - 0.4))
        if apart:
            more = _NEXT_PARAGRAPH + look.as_abstract + (0.5 if not before.ends and len(last.text) >= 120 else 0.0)
            more_title = IMPOSSIBLE * 10
        else:
            more = (
                goes_on
                + 1.5 * (look.starts_low and not before.ends)
                - 2.0 * whole
                - 2 * (look.titled - 0.4)
                + (1.0 if len(line.text) >= 300 else 0.0)
            )
            full = bool(width) and len(last.text) >= 0.6 * width
            more_title = (
                (-2.5 if full or before.hangs or look.starts_low else -9.0)
                + (3.0 if before.hangs else 1.0)
                + min(0.0, look.as_title + look.hangs * 2)
            )
        if width and not apart and before.ends:
            # A paragraph that ended before the margin is over; one that filled its line may go on.
            gap += 1.5 if len(last.text) < 0.8 * width else 0.0
        as_title = look.as_title + gap - (0.0 if apart else goes_on)
        # Each label's best predecessor; the order of candidates breaks ties for the regular reading.
        moves = (
            ((ABSTRACT, as_title), (MORE_ABSTRACT, as_title), (TITLE, as_title + _NO_ABSTRACT),
             (MORE_TITLE, as_title + _NO_ABSTRACT)),
            ((TITLE, more_title), (MORE_TITLE, more_title)),
            ((TITLE, as_abstract + gap / 3), (MORE_TITLE, as_abstract + gap / 3),
             (ABSTRACT, as_abstract + _NO_TITLE), (MORE_ABSTRACT, as_abstract + _NO_TITLE)),
            ((ABSTRACT, more), (MORE_ABSTRACT, more + 0.5)),
        )  # fmt: skip
        steps = [max(((scores[a] + gain, -rank, a) for rank, (a, gain) in enumerate(move))) for move in moves]
        scores = [step[0] for step in steps]
        back.append((steps[0][2], steps[1][2], steps[2][2], steps[3][2]))
    label = max(range(4), key=lambda a: scores[a])
    labels = [label]
    for step_back in reversed(back):
        label = step_back[label]
        labels.append(label)
    labels.reverse()
    return labels
