"""How good the ranking is, measured and told: what `digest evaluate` does once its options are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import typer

from digest import evaluation, semantic
from digest.cli.common import here, load_config, note, opened, row, say, say_json, show, table
from digest.errors import Problem, UserFileError
from digest.ranking import tasks
from digest.ranking.embedding import Embed
from digest.ranking.evaluate import (
    CUTS,
    FEWEST,
    FIRST,
    PERCENT,
    Fit,
    Interval,
    Result,
    Task,
    evaluate,
    interval,
    ours,
    plain_tfidf,
    svm_per_reader,
    with_model,
    with_others,
)
from digest.ranking.others import enough
from digest.text import count

SHOWN = 5  # bad lines told; --json has all
BASE = "plain"


def measure(folder: Path | None, by: list[str] | None, *, svm: bool, picture: Path | None, json: bool) -> None:
    """Measure on the readers in the folder, else on those of the store; print the result and draw the picture."""
    if picture:
        evaluation.require_pictures()
    problems: list[Problem] = []
    embed: Embed | None = None
    if folder:
        data = evaluation.read(folder)
        task, problems = tasks.split(data.papers, data.likes, data.phrases), data.problems
    else:
        settings = load_config()
        embed = semantic.embedder(settings)
        with opened(settings, create=False) as store:
            task = evaluation.stored(store)
    if not json or len(task.known) < FEWEST:
        _tell_problems(problems)
    evaluation.require_readers(task, str(folder or "the store"))
    kinds = list(dict.fromkeys(by or ["library"]))
    refused = {kind: number for kind in kinds if (number := len(task.by(kind).known)) < FEWEST}
    kinds = [kind for kind in kinds if kind not in refused]
    rankers: dict[str, Fit] = {BASE: plain_tfidf, "ours": ours}
    if enough(dict(enumerate(task.likes))):
        rankers["others"] = with_others
    if embed:
        rankers["semantic"] = with_model(embed)
    if svm:
        rankers["svm"] = svm_per_reader
    results = evaluate(task, kinds, rankers) if kinds else []
    if json:
        say_json(_plain(task, results, problems))
    else:
        say(evaluation.told(task))
        _tell(task, results)
    for kind, number in refused.items():
        note(f"--by {kind}: {count(number, 'reader')} with such a profile, and fewer than {FEWEST} say nothing")
    if picture and results:
        _write(picture, evaluation.picture(results, BASE, picture.suffix.lower()[1:]))
        note(f"wrote {here(picture)}")
    if problems or refused:
        raise typer.Exit(1)


def _tell_problems(problems: Sequence[Problem]) -> None:
    for problem in problems[:SHOWN]:
        note(str(problem))
    if len(problems) > SHOWN:
        note(f"… and {len(problems) - SHOWN} more; --json lists them")
    if problems:
        note(f"{count(len(problems), 'line')} could not be used; the rest is")


def _tell(task: Task, results: Sequence[Result]) -> None:
    # Among fewer candidates than k, recall@k is 1 whatever the ranking.
    recall = next((f"recall@{k}" for k in reversed(CUTS) if k < len(task.candidates)), f"recall@{CUTS[0]}")
    columns = [f"NDCG@{FIRST}", f"ratio to {BASE}", recall, "MRR", "µs each"]
    for kind in dict.fromkeys(one.kind for one in results):
        mine = [one for one in results if one.kind == kind]
        say()
        say(f"{kind}, {count(mine[0].readers, 'reader')}")
        made = table("ranker", *columns, right=columns)
        for one in mine:
            ndcg = interval(one.figures[f"ndcg@{FIRST}"])
            ratio = "1" if one.ranker == BASE else _cell(one.ratio)
            means = [f"{one.figures[name].mean():.3f}" for name in (recall, "mrr")]
            row(made, one.ranker, _cell(ndcg), ratio, *means, f"{one.microseconds:,.0f}")
        show(made)
    if len(task.candidates) <= CUTS[0]:
        note(f"with only {count(len(task.candidates), 'paper')} to rank, every ranking looks good")
    if results:
        note(
            f"in brackets {PERCENT} % of bootstrap draws of the readers; µs each: microseconds to rank for a reader"
        )


def _cell(one: Interval) -> str:
    return f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]" if np.isfinite(one.mean) else "–"


def _plain(task: Task, results: Sequence[Result], problems: Sequence[Problem]) -> dict[str, object]:
    return {
        "papers": len(task.papers),
        "candidates": len(task.candidates),
        "measured": len(task.known),
        "split": asdict(task.split),
        "problems": [one.as_dict() for one in problems],
        "results": [
            {
                "kind": one.kind,
                "ranker": one.ranker,
                "readers": one.readers,
                "ratio": one.ratio._asdict() if np.isfinite(one.ratio.mean) else None,
                **{name: interval(values)._asdict() for name, values in one.figures.items()},
                "microseconds": one.microseconds,
                "fitted_in": one.fitted_in,
            }
            for one in results
        ],
    }


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UserFileError(path=path, detail=error.strerror or str(error)) from None
