"""What a reader's likes say that their profile does not say yet, and how it gets into the profile file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from digest import userfile
from digest.errors import FileInvalid, UserFileError
from digest.library import profile_edit, profile_file
from digest.model import Profile, Subscriber
from digest.sources.identity import paper_key, title_key
from digest.store import feedback, papers
from digest.store.opening import Store

if TYPE_CHECKING:  # takes a second to load, and `--help` need not wait for it
    from digest.ranking.suggest import Suggestion

LEAST_LIKES = 3  # of fewer, nothing can be said
SMALL_CORPUS = 200  # papers; in a smaller one the likes themselves help to tell which words are rare


@dataclass(frozen=True, slots=True)
class Suggested:
    """`likes` papers that the reader liked or saved are known here; fewer than LEAST_LIKES suggest nothing."""

    likes: int
    found: tuple[Suggestion, ...] = ()


def of(store: Store, reader: Subscriber, profile: Profile, now: datetime, half_life_days: float) -> Suggested:
    """What `profile`, which may be newer than the one in the store, does not say yet of what the reader liked."""
    from digest.ranking.ranker import in_order
    from digest.ranking.space import Space
    from digest.ranking.suggest import suggest

    with store.read() as connection:
        said = feedback.of(connection, [reader.id]).get(reader.id, ())
        corpus = papers.corpus(connection)
        keys = [paper_key(text) or title_key(text) for text in profile.liked]
        listed = {one.id for one in corpus}  # another reader's library is not this one's
        weights = dict.fromkeys(listed.intersection(papers.ids_by_key(connection, keys).values()), 1.0)
        for one in said:
            age = max((now - one.at).days, 0)
            weights[one.paper_id] = 0.0 if one.kind == "disliked" else 2.0 ** (-age / half_life_days)
        liked = papers.by_ids(connection, [paper_id for paper_id, weight in weights.items() if weight > 0])
        if len(liked) < LEAST_LIKES:
            return Suggested(len(liked))
    if len(corpus) < SMALL_CORPUS:
        corpus = list({paper.id: paper for paper in (*corpus, *liked)}.values())
    space = Space(in_order(corpus))
    return Suggested(len(liked), tuple(suggest(space, [(one, weights[one.id]) for one in liked], profile)))


def profile_of(reader: Subscriber, path: Path) -> Profile:
    """What the reader's file says where it is valid, else what the store says."""
    try:
        return profile_file.parse(path.read_bytes(), str(path), reader.handle).profile
    except (OSError, FileInvalid):
        return reader.profile


def accept(path: Path, name: str, handle: str, chosen: Sequence[Suggestion]) -> None:
    """Add these to a profile file; all else in it stays byte for byte.

    `name` is the file as messages should show it. Raises `FileInvalid` where the file is invalid, or would be, and
    `UserFileError` where it is not there; then nothing was changed.
    """
    path = path.resolve()  # a link stays a link
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        remedy = f"`digest profiles edit {handle}` makes one"
        raise UserFileError(path=name, detail=f"no such file, so nothing was added; {remedy}") from None
    made = profile_edit.add(data, name, handle, [one.interest for one in chosen])
    userfile.replace(path, made)
