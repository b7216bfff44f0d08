"""What `digest evaluate` measures, the likes in a folder or in the store; and a picture of what came of it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from digest.errors import ExtraMissing, TooFewReaders, UserFileError
from digest.library import likes
from digest.library.likes import Dataset
from digest.ranking.evaluate import FEWEST, PERCENT, Result, Task
from digest.ranking.tasks import from_feedback
from digest.store import feedback, papers, subscribers
from digest.store.opening import Store
from digest.text import count

PAPERS, LIKES, READERS = "papers.jsonl", "likes.jsonl", "readers.jsonl"
COLOURS = {"ours": "#1d4f91", "others": "#3a7d44", "svm": "#7d838a"}
NAMES = {
    "ours": "Digest",
    "others": "with other readers",
    "semantic": "with the model",
    "svm": "linear SVM",
    "plain": "plain TF-IDF",
}
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
INK, FAINT = "#24292f", "#c3c8ce"


def read(folder: Path) -> Dataset:
    """The papers, likes and readers in a folder. Raises `UserFileError` for a file that cannot be read."""
    if not folder.is_dir():
        raise UserFileError(path=folder, detail=f"no such folder; name one that holds {PAPERS} and {LIKES}")
    with ExitStack() as files:
        try:
            lines: list[Iterable[bytes]] = []
            for path in (folder / PAPERS, folder / LIKES, folder / READERS):
                if path.is_file():
                    lines.append(files.enter_context(path.open("rb")))
                elif path.name == READERS and not path.exists():
                    lines.append(())
                else:  # also a pipe, which would keep us waiting for ever
                    detail = "no such file; write one JSON object on each line of it"
                    raise UserFileError(path=path, detail=detail)
            return likes.parse(lines[0], lines[1], lines[2], name=lambda name: str(folder / name))
        except OSError as error:
            raise UserFileError(path=error.filename or folder, detail=error.strerror or str(error)) from None


def stored(store: Store) -> Task:
    """The task in what the store's own readers said of papers, with their phrases."""
    with store.read() as connection:
        said = feedback.everyone(connection)
        readers = subscribers.everyone(connection)
        known = {one.id: one for one in papers.corpus(connection)}
        # Papers of a reader's library that no source listed are no part of the corpus.
        unlisted = papers.by_ids(connection, {one.paper_id for _, one in said} - known.keys())
    return from_feedback(
        [*known.values(), *unlisted],
        # A library was there before it was imported: nobody foresees the day of that.
        [
            (reader, one.paper_id, one.kind, LONG_AGO if one.source.startswith("import:") else one.at)
            for reader, one in said
        ],
        {one.id: tuple(interest.text for interest in one.profile.interests) for one in readers},
    )


def told(task: Task) -> str:
    """How the task was made, and whom it leaves out."""
    made = task.split
    if not made.likes:
        return f"{count(made.readers, 'reader')} and {count(len(task.papers), 'paper')}, but no likes."
    if made.since:
        since = f"{made.since:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
        how = f"liked by nobody before {since}"
    elif made.one_moment:
        how = "a fifth, by a hash of their keys, as all likes are of one moment"
    else:
        how = f"a fifth, by a hash of their keys, as no date is given for {count(made.undated, 'like')}"
    said = (
        f"{count(made.readers, 'reader')}, {count(made.likes, 'like')}, {count(len(task.papers), 'paper')}; "
        f"{len(task.candidates)} of these are to be ranked ({how})."
    )
    if made.late:
        said += f" Unused: {count(made.late, 'later like')} of papers that somebody had liked before."
    if made.without_truth:
        said += f" Left out: {count(made.without_truth, 'reader')} who liked none of them."
    if made.without_profile:
        said += f" Left out: {count(made.without_profile, 'reader')} of whom nothing is known before."
    return said


def require_readers(task: Task, where: str) -> None:
    """Raises `TooFewReaders`, with what was found, where the figures would say nothing."""
    if len(task.known) < FEWEST:
        raise TooFewReaders(where=where, number=len(task.known), least=FEWEST, found=told(task))


def require_pictures() -> None:
    """Raises `ExtraMissing` where pictures cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise ExtraMissing(what="a picture", extra="pictures")


def picture(results: Sequence[Result], base: str, form: str) -> bytes:
    """A dot and its interval for each ranker and kind of profile: the ratio of mean NDCG@10 to that of `base`.

    `form` is png or svg. What has no ratio is left out. The same results give the same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.transforms import blended_transform_factory

    shown = [one for one in results if one.ranker != base and one.ratio.mean == one.ratio.mean]
    opens = [not number or one.kind != shown[number - 1].kind for number, one in enumerate(shown)]
    places = [number + 0.6 * sum(opens[1 : number + 1]) for number in range(len(shown))]
    depth = (places[-1] if places else 0.0) + 1.0
    with rc_context({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "svg.hashsalt": "digest"}):
        height = 1.3 + 0.36 * depth
        figure = Figure(figsize=(7.6, height), dpi=160, facecolor="white")
        top, bottom = 0.78 / height, 0.4 / height
        axes = figure.add_axes((0.30, bottom, 0.44, 1 - top - bottom))
        beside = axes.get_yaxis_transform()
        edge = blended_transform_factory(figure.transFigure, axes.transData)
        figure.text(0.03, 1 - 0.3 / height, f"Ranking beside {NAMES.get(base, base)}", size=12, weight="bold")
        words = f"ratio of mean NDCG@10, with {PERCENT} % intervals over {_readers(shown)}"
        figure.text(0.03, 1 - 0.52 / height, words, size=9)
        axes.axvline(1, color=FAINT, linewidth=1, zorder=0)
        for place, opening, one in zip(places, opens, shown, strict=True):
            mean, low, high = one.ratio
            colour = COLOURS.get(one.ranker, INK)
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([mean], [place], "o", color=colour, markersize=7)
            if opening:
                axes.text(0.03, place, one.kind, transform=edge, va="center", weight="bold")
            axes.text(-0.03, place, NAMES.get(one.ranker, one.ranker), transform=beside, va="center", ha="right")
            axes.text(1.03, place, f"{mean:.2f}  [{low:.2f}, {high:.2f}]", transform=beside, va="center")
        axes.set_ylim(depth - 0.4, -0.6)
        ends = [1.0, *(end for one in shown for end in one.ratio)]
        room = max(0.06 * (max(ends) - min(ends)), 0.02)
        axes.set_xlim(min(ends) - room, max(ends) + room)
        axes.set_yticks([])
        axes.tick_params(axis="x", color=FAINT, labelcolor=INK, labelsize=9)
        axes.locator_params(axis="x", nbins=6)
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(FAINT)
        made = io.BytesIO()
        figure.savefig(made, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})
    return made.getvalue()


def _readers(shown: Sequence[Result]) -> str:
    numbers = sorted({one.readers for one in shown}) or [0]
    return f"{numbers[0]:,} readers" if len(numbers) == 1 else f"{numbers[0]:,} to {numbers[-1]:,} readers"
