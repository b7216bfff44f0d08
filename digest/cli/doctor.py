"""`digest doctor`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from textwrap import fill
from typing import Annotated

import typer
from rich.text import Text

from digest.cli import common
from digest.cli.common import Json, app, hinted, home, row, say, say_json, show, table
from digest.doctor.result import Result, Verdict
from digest.letters.subject import shorten

COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "dim"}
OFTEN = 3  # what so many checks say is said once, for all of them
LONGEST = 300  # characters of evidence in the table; --json has all


@app.command(epilog="Example: digest doctor --offline")
def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody over the network.")] = False,
    json: Json = False,
) -> None:
    """Is everything in order that letters need on their way?

    Files and their permissions, the domain's SPF, DKIM and DMARC records, reverse DNS, where bounces go, the mail
    server, one-click unsubscribing, the clock, the disk, the store. Sends no letter and changes nothing. Each check
    says what was seen and what to do. Exits with 1 where one fails.
    """
    from digest.doctor.examine import examine  # asks the DNS, mail servers and pages: much to load

    results = asyncio.run(examine(home(), offline=offline))
    if json:
        say_json([_plain(one) for one in results])
    else:
        _tell(results)
    if any(one.verdict is Verdict.FAIL for one in results):
        raise typer.Exit(1)


def _tell(results: Sequence[Result]) -> None:
    results = [one for one in results if not one.is_told_elsewhere]
    again = Counter((one.seen, one.remedy) for one in results)
    often = {why for why, number in again.items() if number >= OFTEN}
    single = [one for one in results if (one.seen, one.remedy) not in often]
    for area, group in groupby(single, key=lambda one: one.area):
        say(area)
        _rows([(one.verdict, one.check.partition(".")[2], one) for one in group])
    for why in sorted(often):
        alike = [one for one in results if (one.seen, one.remedy) == why]
        areas = ", ".join(dict.fromkeys(one.area.partition(":")[0] for one in alike))
        say(fill(areas, common.out.width) if common.out.is_terminal else areas)
        _rows([(alike[0].verdict, "all of it", alike[0])])
    number = Counter(one.verdict for one in results)
    say(", ".join(f"{number[verdict]} {word}" for verdict, word in _WORDS.items() if number[verdict]))


def _rows(rows: Sequence[tuple[Verdict, str, Result]]) -> None:
    made = table("verdict", "check", "seen", wide={"seen": 1})
    made.show_header = False
    made.columns[0].min_width, made.columns[1].min_width = 9, 10
    for verdict, name, one in rows:
        row(made, Text(f"  {verdict.value}", COLOURS[verdict]), name, _said(one))
    show(made)
    say()


_WORDS = {Verdict.FAIL: "fail", Verdict.WARN: "warn", Verdict.UNKNOWN: "not checked", Verdict.OK: "ok"}


def _said(one: Result) -> str:
    seen = shorten(one.seen, LONGEST)
    if not one.remedy:
        return seen
    # A row of a pipe is one line.
    return f"{seen}\n→ {hinted(one.remedy)}" if common.out.is_terminal else f"{seen} — {hinted(one.remedy)}"


def _plain(one: Result) -> dict[str, str]:
    return {
        "check": one.check,
        "area": one.area,
        "verdict": one.verdict.value,
        "seen": one.seen,
        "remedy": one.remedy,
    }
