"""The fixed words of letters: every one is in the catalogues, and a German letter has no English ones."""

from __future__ import annotations

import ast
import html
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import jinja2
import jinja2.nodes
import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from sample_letters import ADA, CONFIG, SLOT, letter, worst_case

from digest.language import SOURCE, language, languages
from digest.letters.compose import Composer
from digest.letters.links import Links
from digest.letters.subject import LIMIT, subject
from digest.model import Interest, Letter, Link, Paper, Pick, Profile, Reason
from digest.tokens import Keys

ROOT = Path(__file__).parents[2]
LOCALE = ROOT / "digest" / "locale"
OTHERS = [code for code in languages() if code != SOURCE]
GERMAN = language("de")
Said = str | tuple[str, str]


def read(file: Path) -> dict[Said, Message]:
    with file.open("rb") as lines:
        found = read_po(lines, locale=file.parts[-3] if file.suffix == ".po" else None)
    return {message.id: message for message in found if message.id}


TEMPLATE = read(LOCALE / "digest.pot")
CATALOGUES = {code: read(LOCALE / code / "LC_MESSAGES" / "digest.po") for code in OTHERS}


# ---- the code and the catalogues


def in_code() -> Iterator[Said]:
    """What the code says. Fails for what no extractor could find."""
    for file in sorted((ROOT / "digest").rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        for argument in (one for one in ast.walk(tree) if isinstance(one, ast.arg) and one.annotation):
            if ast.unparse(argument.annotation) == "Language":
                assert argument.arg == "words", f"{file}:{argument.lineno}: a Language is called `words` everywhere"
        for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("say", "count"):
                continue
            if not re.search(r"(^|[._])words$", ast.unparse(call.func.value)):
                continue
            said = call.args[: 1 if call.func.attr == "say" else 2]
            fixed = [one.value for one in said if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            assert len(fixed) == len(said) > 0, f"{file}:{call.lineno}: {ast.unparse(call)} is not extracted"
            yield fixed[0] if call.func.attr == "say" else (fixed[0], fixed[1])


def in_templates() -> Iterator[str]:
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for file in sorted((ROOT / "digest" / "templates" / "letter").iterdir()):
        for call in environment.parse(file.read_text("utf-8")).find_all(jinja2.nodes.Call):
            if isinstance(call.node, jinja2.nodes.Name) and call.node.name == "_":
                (said,) = call.args
                assert isinstance(said, jinja2.nodes.Const), f"{file}:{call.lineno}: not extracted"
                yield said.value


def test_every_fixed_word_is_extracted_and_nothing_else() -> None:
    code, templates = set(in_code()), set(in_templates())
    assert len(code) > 50
    assert len(templates) > 3
    assert code | templates == set(TEMPLATE)


def test_the_catalogues_are_in_step_with_the_code(tmp_path: Path) -> None:
    """`make messages` changes nothing, not even a date."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "digest", tmp_path / "digest", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "ready").touch()
    # A new language starts as a copy of the template.
    new = tmp_path / "digest" / "locale" / "pl" / "LC_MESSAGES" / "digest.po"
    new.parent.mkdir(parents=True)
    shutil.copy(LOCALE / "digest.pot", new)
    make = ["make", "messages", f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for file in (LOCALE / "digest.pot", *LOCALE.rglob("*.po")):
        now = (tmp_path / file.relative_to(ROOT)).read_text("utf-8")
        assert now == file.read_text("utf-8"), f"{file.name}: call `make messages`"
    assert "nplurals=3" in new.read_text("utf-8")
    assert read(new).keys() == TEMPLATE.keys()


# ---- each catalogue


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_is_complete(code: str) -> None:
    found = CATALOGUES[code]
    assert found.keys() == TEMPLATE.keys()
    for message in found.values():
        said = [message.string] if isinstance(message.string, str) else list(message.string)
        assert all(said), f"{message.id}: not translated"
        assert not message.fuzzy, f"{message.id}: not certain"
    assert "fuzzy" not in (LOCALE / code / "LC_MESSAGES" / "digest.po").read_text("utf-8")


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_the_placeholders_of_its_source(code: str) -> None:
    with (LOCALE / code / "LC_MESSAGES" / "digest.po").open("rb") as lines:
        plurals = read_po(lines, locale=code).num_plurals
    for message in CATALOGUES[code].values():
        if isinstance(message.id, str):
            assert isinstance(message.string, str)
            assert names(message.string) == names(message.id), message.id
            continue
        assert len(message.string) == plurals, message.id
        for form in message.string:
            # One of something may be spelt out, "from one day"; all else stands in every form.
            assert names(form) | {"number"} == names(message.id[1]) | {"number"}, message.id
        assert names(message.string[-1]) == names(message.id[1]), message.id


def names(text: str) -> set[str]:
    placeholders = re.findall(r"%\((\w+)\)s", text)
    assert text.count("%") == len(placeholders), f"{text}: % stands for something else"
    assert len(placeholders) == len(set(placeholders)), f"{text}: said twice"
    return set(placeholders)


@pytest.mark.parametrize("number", [0, 1, 2, 21])
def test_plurals_are_those_of_the_language(number: int) -> None:
    said = "Arbeit" if number == 1 else "Arbeiten"
    assert GERMAN.count("%(number)s paper", "%(number)s papers", number) == f"{number} {said}"


def test_german_is_typeset_as_german() -> None:
    for message in CATALOGUES["de"].values():
        for said in [message.string] if isinstance(message.string, str) else message.string:
            assert not set("\"'”") & set(said), said
            assert said.count("„") == said.count("“"), said


# ---- German letters

# All that is not ours is Greek: what stands in a letter in Latin is a fixed word, a date or an address.
CONFIG_DE = CONFIG.model_copy(update={"language": "de", "name": "Αλφα", "postal_address": "Οδος 12"})
LINKS = Links("https://letters.example.org", Keys([b"k" * 32]))
READER = replace(
    ADA,
    name="Αδα",
    profile=Profile(
        (Interest("βητα"), Interest("γαμμα"), Interest("δελτα", kind="author")),
        categories=("εψιλον",),
        liked=("ζητα",),
    ),
)
ONE_OF_EACH = Profile(
    (Interest("βητα"),), authors=("δελτα", "μυ"), categories=("εψιλον", "ωμεγα"), liked=("ζητα", "ητα")
)
URLS = tuple(Link(kind, f"https://example.org/{kind}") for kind in ("abstract", "pdf", "page", "code"))
SAME = {"browser", "code", "in", "mail", "pdf", "person", "was"}  # words of both languages, as in "E-Mail"


def pick(*reasons: Reason, title: str = "Θητα", authors: int = 0, **changes: object) -> Pick:
    paper = Paper(title, "Ιωτα καππα.", ("Λαμδα",) * authors, URLS)
    one = Pick(paper, 50.0, 0.5, 0.9, reasons, SLOT)
    return replace(one, **changes)  # type: ignore[arg-type]


def reason(kind: str, text: str = "", beside: int = 0) -> Reason:
    return Reason(kind, text, (), 20.0, beside)  # type: ignore[arg-type]


POPULAR = (
    pick(reason("trending"), title="", votes=1),
    pick(reason("trending"), authors=4, votes=30, listed=date(2026, 11, 19)),
    pick(reason("trending"), authors=5, listed=date(2026, 11, 16)),
    pick(reason("trending"), listed=date(2026, 11, 2)),
)
CHOSEN = (
    pick(reason("phrase", "βητα"), reason("author", "δελτα"), reason("more", "1")),
    pick(reason("author", "δελτα"), reason("category", "εψιλον"), reason("more", "2")),
    pick(reason("category", "εψιλον"), reason("others")),
    pick(reason("others")),
    *(pick(reason(kind, "ζητα", beside)) for kind in ("liked", "saved") for beside in (0, 1, 3, 12)),
    *POPULAR,
)


def german_letters() -> list[Letter]:
    empty = replace(READER, profile=Profile(), name="")
    likes = replace(READER, profile=Profile((Interest("βητα"), Interest("γαμμα"))))
    return [
        letter(READER, CHOSEN, also=POPULAR),
        letter(replace(READER, cadence="weekly:fri", profile=ONE_OF_EACH), CHOSEN, days=1),
        letter(replace(READER, cadence="daily", time_zone="UTC"), CHOSEN[:1], candidates=1, days=0),
        letter(replace(likes, cadence=""), CHOSEN[4:6], candidates=0),
        letter(likes, CHOSEN[5:6]),
        letter(empty, POPULAR),
        letter(empty, POPULAR[:1]),
        letter(replace(empty, cadence=""), ()),
        letter(READER, CHOSEN * 12),  # too many for one mail
    ]


def seen(written: Letter, links: Links | None) -> str:
    """All that a reader may see or hear of a letter, on one line."""
    made = Composer(CONFIG_DE, links=links).render(written)
    page = re.sub(r"(?s)<style>.*?</style>|<!--.*?-->", " ", made.html)
    labels = re.findall(r'aria-label="([^"]*)"', page)
    shown = html.unescape(" ".join([re.sub(r"<[^>]*>", "", page), *labels]))
    return " ".join(" ".join([made.subject, made.preheader, shown, made.text]).split())


def words_of(texts: Sequence[str]) -> set[str]:
    plain = (re.sub(r"%\(\w+\)s", " ", text) for text in texts)
    return {word.casefold() for text in plain for word in re.findall(r"[A-Za-zÄÖÜäöüß]+", text)}


def both_forms(said: str | Sequence[str]) -> list[str]:
    return [said] if isinstance(said, str) else list(said)


ENGLISH_WORDS = words_of([form for said in TEMPLATE for form in both_forms(said)])
GERMAN_WORDS = words_of([form for message in CATALOGUES["de"].values() for form in both_forms(message.string)])


@pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "by links"])
@pytest.mark.parametrize("place", range(len(german_letters())))
def test_a_german_letter_has_no_english_words(place: int, links: Links | None) -> None:
    said = seen(german_letters()[place], links)
    # Programs read these: addresses, and the subjects of mails to us.
    said = re.sub(r"https?://\S+|„(preferences|pause|unsubscribe) \S+“|\S+@\S+|Europe/Berlin|UTC", " ", said)
    found = words_of([said])
    assert "zusammenfassung" in found or place == 7
    assert found & ENGLISH_WORDS <= SAME
    assert found <= GERMAN_WORDS | {"freitag", "november", "nov"}
    assert ENGLISH_WORDS & GERMAN_WORDS == SAME


def test_these_letters_say_all_that_can_be_said() -> None:
    said = " ".join(seen(one, links) for one in german_letters() for links in (None, LINKS))
    for message in CATALOGUES["de"].values():
        for form in both_forms(message.string):
            pieces = [re.escape(piece) for piece in re.split(r"%\(\w+\)s", form)]
            assert re.search(".+?".join(pieces), said), f"no letter says {form}"


@given(
    st.lists(st.text("aW ", min_size=1, max_size=90), min_size=1, max_size=3),
    st.sampled_from(["phrase", "author"]),
    st.integers(1, 50),
)
def test_a_german_subject_is_short(phrases: list[str], kind: str, number: int) -> None:
    interests = tuple(Interest(text, kind=kind) for text in phrases)  # type: ignore[arg-type]
    mains = [pick(reason(kind, phrases[place % len(phrases)])) for place in range(number)]
    for picks in (mains, [*mains, POPULAR[0]]):
        assert len(subject(picks, date(2026, 9, 30), Profile(interests), GERMAN)) <= LIMIT


def test_german_subjects() -> None:
    profile = Profile((Interest("Werkzeuge"), Interest("lange Kontexte")), authors=("Mirela Kovač",))
    tools, context = pick(reason("phrase", "Werkzeuge")), pick(reason("phrase", "lange Kontexte"))
    by = pick(reason("author", "Mirela Kovač"))

    def of(*picks: Pick) -> str:
        return subject(picks, SLOT, profile, GERMAN)

    assert of(tools, tools, tools, context, context) == "5 Arbeiten über Werkzeuge und lange Kontexte · 20. Nov."
    assert of(tools) == "1 Arbeit über Werkzeuge · 20. Nov."
    assert of(tools, tools, by, POPULAR[0]) == "4 Arbeiten über Werkzeuge, von Mirela Kovač und mehr · 20. Nov."
    assert of(POPULAR[0]) == "1 viel beachtete Arbeit · 20. Nov."
    assert of(pick(reason("liked", "ζητα")), POPULAR[0]) == "2 Arbeiten nach Ihrem Geschmack · 20. Nov."
    assert of() == "Keine neuen Arbeiten · 20. Nov."


def test_german_sentences_are_whole() -> None:
    daily, weekly, *_ = (seen(one, LINKS) for one in german_letters())
    assert "Freitag, 20. November 2026" in daily
    assert (
        "16 von 212 Arbeiten aus 3 Tagen, ausgewählt nach 2 Themen, 1 Person, 1 Kategorie und 1 Arbeit, "
        "die Ihnen gefallen hat." in daily
    )
    assert (
        "16 von 212 Arbeiten aus einem Tag, ausgewählt nach 1 Thema, 2 Personen, 2 Kategorien und 2 Arbeiten, "
        "die Ihnen gefallen haben." in weekly
    )
    assert (
        "ada@example.org erhält „Αλφα“ jeden Freitag um 07:00 Uhr (Zeitzone Europe/Berlin), "
        "weil die Adresse in unserem Verteiler steht." in weekly
    )
    assert "Weil Ihnen „ζητα“ und 3 ähnliche Arbeiten gefallen haben" in daily


def test_the_worst_letter_in_german_is_whole() -> None:
    made = Composer(CONFIG_DE, links=LINKS).render(worst_case())
    assert len(made.subject) <= LIMIT
    assert "für die in dieser Ausgabe kein Platz war" in made.html
    assert 'lang="de"' in made.html


def test_a_german_country_has_german_words() -> None:
    austria = replace(READER, language="de-AT")
    assert "2 Arbeiten" in Composer(CONFIG).render(letter(austria, CHOSEN[:2])).subject
