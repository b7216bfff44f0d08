"""`digest check`."""

from __future__ import annotations

from typing import Annotated

import typer

from digest import clock
from digest.cli.common import Json, app, load_config, note, opened, row, say, say_json, show, table
from digest.model import LetterState
from digest.store import accounts, outbox
from digest.text import count


@app.command(epilog="Example: digest check --repair")
def check(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended without a guess.")] = False,
    json: Json = False,
) -> None:
    """Check that the accounts of letters add up.

    Every letter is in one state, what is under way is somebody's, and memory holds just what may have reached its
    reader. Exits with 1 where something is wrong. Nothing is ever sent or deleted by this.
    """
    with opened(load_config(), create=False) as store, store.write() if repair else store.read() as connection:
        counts = outbox.count_by_state(connection)
        found = accounts.check(connection, mend_at=clock.now() if repair else None)
        total = accounts.total(connection)
    states = {state.value: counts.get(state.value, 0) for state in LetterState}
    wrong = sum(one.number - one.mended for one in found)
    adds_up = sum(states.values()) == total
    if json:
        rows = [
            {
                "rule": one.rule.says,
                "broken": one.number,
                "examples": one.examples,
                "mended": one.mended,
                "mending": one.rule.mend,
            }
            for one in found
        ]
        say_json({"letters": total, "states": states, "adds_up": adds_up, "rules": rows})
    else:
        parts = " + ".join(f"{number} {state}" for state, number in states.items() if number)
        say(f"{count(total, 'letter')} = {parts or '0'}: {'adds up' if adds_up else 'does not add up'}")
        made = table("must hold", "", wide={"must hold": 1})
        for one in found:
            which = ", ".join(map(str, one.examples)) + (", …" if one.number > len(one.examples) else "")
            verdict = "yes" if not one.number else f"no: {count(one.number, 'letter')} ({which})"
            row(made, one.rule.says, verdict + (f"; {one.rule.mend}" if one.mended else ""))
        show(made)
        if wrong and not repair and any(one.number and one.rule.mend for one in found):
            note("`digest check --repair` mends what can be mended without a guess")
    if wrong or not adds_up:
        raise typer.Exit(1)
