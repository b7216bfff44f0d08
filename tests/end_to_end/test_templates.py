"""`digest templates`: whoever changes a template is told what is wrong with it, where, and what to do."""

# ruff: noqa: E501 - one fault, one line
from __future__ import annotations

from pathlib import Path

import pytest
from command import PAPERS, Digest

from digest.letters.templates import NAMES

SHIPPED = Path(__file__).parents[2] / "digest/templates"


def mend(digest: Digest, name: str, before: str, after: str) -> tuple[str, int]:
    """A copy of a shipped template with one change; its path and the line of the change."""
    text = (SHIPPED / "letter" / name).read_text("utf-8")
    assert before in text
    digest.write(f"mine/letter/{name}", text.replace(before, after, 1))
    return str(digest.home / "mine/letter" / name), text[: text.index(before)].count("\n") + 1


def test_the_shipped_templates_pass_and_so_do_their_copies(digest: Digest) -> None:
    assert "nothing is wrong" in digest("templates", "check").out
    said = digest("templates", "copy", digest.home / "mine")
    assert 'templates = "mine"' in said.out
    assert sorted(p.relative_to(digest.home / "mine").as_posix() for p in (digest.home / "mine").rglob("*.*")) == (
        sorted(NAMES)
    )
    assert "10 of them yours" in digest("templates", "check", digest.home / "mine").out
    digest.write("config.toml", '[letter]\ntemplates = "mine"\n')
    assert "10 of them yours" in digest("templates", "check").out


@pytest.mark.parametrize(
    "said",
    [
        "{% if card.url %}{% set u = 1 %}{% else %}{% set u = 2 %}{% endif %}{{ u }}",
        "{% if true %}{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{{ twice('-') }}{% endif %}",
    ],
)
def test_a_name_that_the_template_itself_gives_is_known(digest: Digest, said: str) -> None:
    mend(digest, "card.html", "{{ card.title }}", f"{{{{ card.title }}}}{said}")
    assert "nothing is wrong" in digest("templates", "check", digest.home / "mine").out


def test_a_copy_never_overwrites(digest: Digest) -> None:
    own = digest.write("mine/letter/card.txt", "my own words\n")
    said = digest("templates", "copy", digest.home / "mine", "card.txt", "letter/why.txt")
    assert "stays as it is" in said.err
    assert own.read_text() == "my own words\n"
    assert [p.name for p in sorted(own.parent.iterdir())] == ["card.txt", "why.txt"]
    assert "did you mean card.txt" in digest("templates", "copy", digest.home / "mine", "crad.txt", code=2).err


def test_a_folder_without_templates_is_named(digest: Digest) -> None:
    assert "no such folder" in digest("templates", "check", digest.home / "nix", code=3).err
    assert "replaces no template" in digest("templates", "check", digest.home / "profiles", code=3).err
    mend(digest, "card.html", "number", "number")
    digest.write("mine/letter/leter.html", "")
    digest.write("mine/why.txt", "")  # beside letter/, where nobody looks
    said = digest("templates", "check", digest.home / "mine").err
    assert "did you mean letter/letter.html?" in said
    assert "did you mean letter/why.txt?" in said


LETTER = "{{ letter.count }}"
SAY = "{{ letter.footer.person }}"


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("letter.html", LETTER, "{{ letter.cuont }}", "letter.cuont: there is no such variable; did you mean letter.count?"),
        ("letter.txt", "letter.greeting %}", "leter.greeting %}", "leter: there is no such variable; did you mean letter?"),
        ("card.html", "{{ card.title }}", "{{ title }}", "title: there is no such variable; did you mean card.title?"),
        ("card.html", "{{ card.number }}", "{{ letter.count }}", "letter: this template does not see it, but `card`"),
        # A variable that only an unusual letter would come to.
        ("letter.txt", "letter.footer.postal_address | wrap", "letter.footer.adress | wrap", "did you mean letter.footer.postal_address?"),
        ("card.html", "{{ link.label }}", "{{ link.lable }}", "link.lable: there is no such variable; did you mean link.label?"),
        ("why.html", "{% if why.words %}", "{% if why.words }", "unexpected '}'"),
        ("letter.txt", "letter.name | wrap", "letter.name | warp", "there is no filter named 'warp'; did you mean 'wrap'?"),
        ("letter.html", LETTER, '{% include "letter/mast.html" %}', "there is no template 'letter/mast.html'"),
        ("letter.html", LETTER, "{{ letter.count | upper }}", "`letter.count` differs from reader to reader"),
        ("letter.html", LETTER, "{{ letter.count | length }}", "`letter.count` differs from reader to reader"),
        ("letter.html", "{{ letter.greeting }}", "{{ letter.greeting | replace('Hello', 'Dear') }}", "`letter.greeting` differs from reader to reader"),
        ("letter.html", LETTER, "{{ letter.count[:1] }}", "`letter.count` differs from reader to reader"),
        ("letter.html", LETTER, '{{ "one" if letter.count == "1 paper" }}', "`letter.count` differs from reader to reader"),
        ("letter.html", LETTER, "{{ letter.language + 1 }}", "this cannot be computed"),
        ("card.html", "{{ card.title }}</a>", "{{ card.title | safe }}</a>", "card.title is printed unescaped"),
        ("letter.html", "{{ letter.greeting }}", "{{ letter.greeting | safe }}", "letter.greeting is printed unescaped"),
        ("card.html", "{{ card.authors }}</p>", "{% autoescape false %}{{ card.authors }}{% endautoescape %}</p>", "nothing is escaped here"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line(digest: Digest, name: str, before: str, after: str, said: str) -> None:
    path, line = mend(digest, name, before, after)
    answer = digest("templates", "check", digest.home / "mine", code=3)
    assert f"{path}:{line}: {said}" in answer.err or (f"{path}:{line}: " in answer.err and said in answer.err)
    assert answer.err.count("error: ") == 1, answer.err
    for inner in ("digest.letters", "object", "Traceback", "View", "NoneType"):
        assert inner not in answer.err


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("letter.html", "{{ letter.cards }}", "", "the papers are not in the HTML part"),
        ("letter.txt", "{{ letter.cards }}", "", "the papers are not in the text part"),
        ("letter.html", 'href="{{ act.url }}"', 'href="#"', "the HTML part has no way to unsubscribe"),
        ("letter.txt", "{% for act in letter.footer.acts %}", "{% for act in [] %}", "the text part has no way to unsubscribe"),
        ("card.html", "{{ card.number }}", "", "a paper's number is not in it"),
        ("card.txt", "first=card.mark", 'first="  * "', "a paper's number is not in it"),
        ("card.txt", "card.title", '"A paper"', "a paper's title is not in it"),
        ("card.html", '<p dir="auto" style="margin:10px 0 0">', "<p title={{ card.abstract }}>", "comes through unescaped"),
        ("card.html", "{% if card.abstract %}", '{{ "x" * 40000 }}{% if card.abstract %}', "over the budget"),
    ],
)  # fmt: skip
def test_what_a_letter_lacks_is_named(digest: Digest, name: str, before: str, after: str, said: str) -> None:
    mend(digest, name, before, after)
    answer = digest("templates", "check", digest.home / "mine", code=3)
    assert said in answer.err
    assert f"letter/{name}" in answer.err or "comes through" in said or "over the budget" in said


def test_all_faults_are_named_at_once(digest: Digest) -> None:
    mend(digest, "letter.html", LETTER, "{{ letter.cuont }}")
    mend(digest, "card.txt", "card.abstract |", "card.abstrct |")
    mend(digest, "why.txt", "why.line", "why.text")
    assert digest("templates", "check", digest.home / "mine", code=3).err.count("error: ") == 3


def test_a_template_that_is_no_text_is_named(digest: Digest) -> None:
    (digest.home / "mine/letter").mkdir(parents=True)
    (digest.home / "mine/letter/why.txt").write_bytes(b"one\n\xff\xfe\n")
    said = digest("templates", "check", digest.home / "mine", code=3)
    assert "why.txt:2: not text in UTF-8" in said.err


@pytest.mark.parametrize(("name", "spot"), [("letter.txt", "{{ letter.name"), ("group.html", "{{ group.title")])
def test_a_broken_template_stops_a_run_before_anything_is_written(digest: Digest, name: str, spot: str) -> None:
    digest.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\ntemplates = "mine"\n')
    digest.profile("alice", "floor = 0")
    digest("profiles", "apply")
    digest("ingest", digest.page("one", PAPERS), "--day", "2026-03-14")
    path, _ = mend(
        digest,
        name,
        spot,
        "{{ letter.cuont ~ group.foo ~ group.title" if name == "group.html" else "{{ letter.cuont",
    )
    said = digest("run", "--day", "2026-03-14", code=3)
    assert path in said.err
    assert "there is no such variable" in said.err
    assert "digest.letters" not in said.err
    assert digest("why", "alice").out.endswith("no letter yet\n")
    (digest.home / "mine/letter" / name).write_text((SHIPPED / "letter" / name).read_text("utf-8"), "utf-8")
    digest("run", "--day", "2026-03-14")
    assert len(digest.mails()) == 1
