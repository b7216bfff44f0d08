"""`digest evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.common import Json, app


def _kind(text: str) -> str:
    from digest.ranking.evaluate import parse_kind

    try:
        parse_kind(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _picture(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in (".png", ".svg"):
        raise typer.BadParameter(f"{path} ends in neither .png nor .svg")
    return path


@app.command(name="evaluate", epilog="Example: digest evaluate --by likes:3 --picture quality.svg")
def evaluate_ranking(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="With papers.jsonl, likes.jsonl and, if you like, readers.jsonl.",
            metavar="FOLDER",
            show_default="the store",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            parser=_kind,
            metavar="KIND",
            help="What is known of a reader: library (all of it), likes:3, titles:3, phrases. Again for another.",
            show_default="library",
        ),
    ] = None,
    svm: Annotated[bool, typer.Option("--svm", help="Also a linear SVM for each reader; slow.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", callback=_picture, metavar="FILE", help="Draw the ratios, as .png or .svg."),
    ] = None,
    json: Json = False,
) -> None:
    """How good is the ranking for real readers?

    Ranks papers that nobody had liked before, for readers of whom something is known, and looks where those stand
    that they went on to like, beside plain TF-IDF. Likes with dates are split by time. Without FOLDER, the readers
    are those of the store and their likes what they said with `digest like` and `digest save`.
    """
    from digest.cli.quality import measure  # loads all that ranks, which `--help` need not wait for

    measure(folder, by, svm=svm, picture=picture, json=json)
