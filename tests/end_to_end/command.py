"""The command line as a person uses it, in this process: arguments in; exit code, answer and notes out."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import alembic.command
import once
import pytest
import typer.main
from once import upgrade_by

from digest import cli


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Digest:
    """`digest …` with HOME as DIGEST_HOME. A call that fails unexpectedly fails the test, with what it printed."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, new_store: Path | None = None) -> None:
        """With `new_store`, the path of one, a store in SQLite is not made by all migrations."""
        self.home = home
        self._patch = monkeypatch
        self._upgrade = upgrade_by(new_store, alembic.command.upgrade) if new_store else alembic.command.upgrade

    def __call__(self, *arguments: str | Path, code: int = 0, typed: str = "") -> Answer:
        out, err = io.StringIO(), io.StringIO()
        with self._patch.context() as patch:
            patch.setenv("DIGEST_HOME", str(self.home))
            patch.setattr(sys, "argv", ["digest", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.StringIO(typed))
            patch.setattr(typer.main, "get_command", once.command)
            patch.setattr(alembic.command, "upgrade", self._upgrade)
            ended: int | str | None = 0
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    cli.main()
                except SystemExit as end:
                    ended = end.code
        answer = Answer(ended if isinstance(ended, int) else 0, out.getvalue(), err.getvalue())
        assert answer.code == code, f"exit code {answer.code}\n{answer.out}\n{answer.err}"
        return answer

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def profile(self, handle: str, extra: str = "", address: str = "") -> Path:
        return self.write(f"profiles/{handle}.toml", f'address = "{address or handle + "@example.org"}"\n{extra}\n')

    def page(self, name: str, papers: list[tuple[str, str]], day: str = "Mar 14") -> Path:
        """A saved page in the usual form."""
        head = [
            "new",
            "Get trending papers in your email inbox!",
            "Subscribe",
            "byAK and the research community",
            day,
        ]
        body = [part for paper in papers for part in paper]
        return self.write(f"pages/{name}.txt", "\n\n".join([*head, *body]) + "\n")

    def mails(self, folder: str = "mail") -> list[EmailMessage]:
        """Every mail in the Maildirs, by file name."""
        files = sorted((self.home / folder).glob("*/new/*"))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]  # type: ignore[misc]


ABSTRACTS = {
    "tools": "A language model that calls a calculator and a search engine makes fewer mistakes. We train it to "
    "choose the right tool for each step of a long task and report where tool use still fails.",
    "proteins": "Enzymes fold differently when heated. We design proteins by editing few residues and measure how "
    "stable the folded structures are in the laboratory.",
    "weather": "Forecasts of rain for the next six hours rest on radar images. A small network predicts the "
    "movement of clouds over one region, and we compare its forecasts with those of a physical model.",
    "speech": "Overlapping voices are hard to transcribe. We separate the speakers of a recorded meeting before "
    "recognition and give word error rates for three languages.",
    "graphs": "Molecules and road maps are graphs. We count what message passing can and cannot tell apart, "
    "with proofs for trees and examples for everything else.",
}
PAPERS = [
    ("Calling for Help: Tool Use by Small Language Models", ABSTRACTS["tools"]),
    ("Designing Proteins That Withstand Heat", ABSTRACTS["proteins"]),
    ("Rain in Six Hours: Forecasting Weather from Radar", ABSTRACTS["weather"]),
    ("Who Spoke? Transcribing Meetings with Overlapping Speech", ABSTRACTS["speech"]),
    ("What Message Passing on Graphs Cannot See", ABSTRACTS["graphs"]),
]
