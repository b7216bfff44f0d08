"""What an operator's template can do with what differs from reader to reader, and what it is told."""

from __future__ import annotations

import re
from binascii import a2b_qp
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest
from mails import check
from sample_letters import ADA, CAUSAL, CONFIG, LINKS, PICKS, TOOLS, daily, letter, render, trending_only, weekly

from digest.letters import qp, twin
from digest.letters.check import first_fault
from digest.letters.compose import Composer
from digest.letters.slots import Misused, Shell, Slot, Wrapped
from digest.letters.templates import Templates
from digest.letters.wrap import wrap
from digest.model import Interest, Letter, Profile, Reason


def mine(folder: Path, name: str, said: str) -> Templates:
    path = folder / "letter" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(said, "utf-8")
    return Templates(folder)


@pytest.mark.parametrize(
    "said",
    [
        '{{ letter.subject + "!" }}',
        '{{ "!" + letter.subject }}',
        '{{ letter.subject == "x" }}',
        '{{ letter.subject != "x" }}',
        "{{ letter.subject < letter.lede }}",
        '{{ "a" in letter.subject }}',
        '{{ letter.subject in ["abc"] }}',
        "{{ {letter.subject: 1} }}",
        "{{ letter.subject | upper }}",
        "{{ letter.subject | title }}",
        "{{ letter.subject | lower }}",
        "{{ letter.subject | capitalize }}",
        "{{ letter.subject | length }}",
        "{{ letter.subject | list }}",
        "{{ letter.subject | first }}",
        "{{ letter.subject | reverse }}",
        "{{ letter.subject | truncate(5) }}",
        '{{ letter.subject | replace("papers", "x") }}',
        "{{ letter.subject | urlencode }}",
        "{{ letter.subject | wordcount }}",
        "{{ letter.subject | trim }}x{{ letter.subject | int }}",
        "{{ letter.subject[0] }}",
        "{{ letter.subject[:5] }}",
        "{{ letter.subject.upper() }}",
        '{{ letter.subject.split(" ") }}',
        "{% for word in letter.subject %}{{ word }}{% endfor %}",
        "{% for card in letter.cards %}{{ card }}{% endfor %}",
        '{{ (letter.greeting ~ " " ~ letter.lede) | wrap }}',
        '{{ "You follow" | wrap(first=letter.lede) }}',
        "{{ letter.lede | wrap(first=letter.greeting) }}",
        "{{ letter.cards | wrap }}",
    ],
)
def test_what_a_template_cannot_know_it_cannot_compute_with(said: str, tmp_path: Path) -> None:
    name = "subject" if "subject" in said else "cards" if "cards" in said else "lede"
    with pytest.raises(jinja2.TemplateError) as caught:
        render(daily(), templates=mine(tmp_path, "letter.txt", said))
    message = str(caught.value)
    assert isinstance(caught.value, jinja2.TemplateRuntimeError)
    assert name in message or "greeting" in message or "a template has changed" in message
    assert re.search("differs from reader to reader|no fixed width|cannot be wrapped|has no attribute", message)


def test_the_error_names_what_is_misused_and_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(Misused, match=r"`count` differs from reader to reader: a template can print it, test"):
        render(daily(), templates=mine(tmp_path, "letter.html", "{{ letter.count == '1 paper' }}"))
    (tmp_path / "letter" / "letter.html").unlink()
    with pytest.raises(Misused, match=r"wrapped by itself: {{ letter.lede | wrap }}"):
        render(daily(), templates=mine(tmp_path, "letter.txt", "{{ (letter.count ~ letter.date) | wrap }}"))
    with pytest.raises(Misused, match=r"`\| length` cannot change what differs from reader to reader"):
        render(daily(), templates=mine(tmp_path, "letter.txt", "{{ (letter.count ~ letter.date) | length }}"))
    (tmp_path / "letter" / "letter.txt").unlink()
    with pytest.raises(Misused, match=r"`score` has no fixed width"):
        render(daily(), templates=mine(tmp_path, "card.txt", "{{ card.title | wrap(first=card.score) }}"))
    with pytest.raises(Misused, match=r"`score` cannot be wrapped: print it as it is"):
        render(daily(), templates=mine(tmp_path, "card.txt", "{{ card.score | wrap }}"))


def same(one: Letter, templates: Templates) -> str:
    """The text of a letter, which both ways of writing it agree on."""
    rendered = Composer(CONFIG, templates, LINKS).render(one)
    assert rendered == twin.render(one, CONFIG, templates, LINKS)
    return rendered.text


def test_a_template_can_ask_whether_there_is_a_way_to_say_what_one_reads(tmp_path: Path) -> None:
    said = "{% if letter.how_url %}{{ letter.how_url }}{% else %}known{% endif %}{{ letter.cards }}"
    templates = mine(tmp_path, "letter.txt", said)
    assert same(daily(), templates).startswith("known")
    assert same(trending_only(), templates).startswith(f"{LINKS.base_url}/preferences/")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "there is none"),
        ("Ada", "there is one"),
    ],
)
def test_whether_it_is_empty_can_be_tested(name: str, said: str, tmp_path: Path) -> None:
    templates = mine(
        tmp_path,
        "letter.txt",
        "{% if letter.greeting %}there is one{% endif %}{{ 'there is none' if not letter.greeting }}"
        "{{ '; ' ~ letter.more if letter.more else '; all here' }}"
        "{{ letter.greeting and '; hello' }}",
    )
    assert same(letter(replace(ADA, name=name)), templates).startswith(f"{said}; all here")


def test_whether_there_are_reasons_and_papers_can_be_tested(tmp_path: Path) -> None:
    templates = mine(tmp_path, "card.txt", "{{ card.title }}: {{ 'told' if card.whys else 'nothing told' }}\n")
    templates = mine(tmp_path, "letter.txt", "{% if letter.cards %}{{ letter.cards }}{% else %}none{% endif %}")
    picks = (PICKS[0], replace(PICKS[0], reasons=()))
    title = PICKS[0].paper.title
    assert same(letter(picks=picks), templates) == f"{title}: told\n{title}: nothing told\n"
    assert same(letter(picks=()), templates) == "none\n"


@pytest.mark.parametrize("silent", ["html", "txt"])
def test_a_reason_that_one_part_leaves_out_stands_in_the_other(silent: str, tmp_path: Path) -> None:
    reasons = Reason("phrase", TOOLS, (), 60.0), Reason("phrase", CAUSAL, ("causal",), 50.0)
    said = "{% if why.terms %}{{ why.words }};{% endif %}"
    for kind in ("html", "txt"):
        mine(tmp_path, f"why.{kind}", said if kind == silent else "{{ why.words }};")
        mine(tmp_path, f"card.{kind}", "{{ card.whys }}")
        templates = mine(tmp_path, f"letter.{kind}", "{{ letter.cards }}")
    one = letter(picks=(replace(PICKS[0], reasons=reasons),))
    rendered = Composer(CONFIG, templates, LINKS).render(one)
    assert rendered == twin.render(one, CONFIG, templates, LINKS)
    both, one_alone = (rendered.text, rendered.html) if silent == "html" else (rendered.html, rendered.text)
    assert (both, one_alone) == (f"{TOOLS};{CAUSAL};\n", f"{CAUSAL};\n")


@pytest.mark.parametrize("name", ["why.html", "why.txt", "also.html", "also.txt"])
def test_what_a_template_makes_nothing_of_is_not_there(name: str, tmp_path: Path) -> None:
    """One who wants no reasons, or no strip, empties its template; no frame is left around nothing."""
    templates = mine(tmp_path, name, "")
    composer = Composer(CONFIG, templates, LINKS)
    mixed = letter(picks=(*PICKS[:2], replace(PICKS[0], reasons=())), also=weekly().also)
    for one in (daily(), weekly(), mixed):
        rendered = composer.render(one)
        assert rendered == twin.render(one, CONFIG, templates, LINKS)
        assert ("Also trending" in rendered.text) == (one.also != () and name != "also.txt")
        assert ("Also trending" in rendered.html) == (one.also != () and name != "also.html")
        assert ('<div class="accent"' in rendered.html) == (name != "why.html")


def test_it_can_be_printed_joined_and_wrapped(tmp_path: Path) -> None:
    templates = mine(
        tmp_path,
        "letter.txt",
        "{{ '<' ~ letter.count ~ '>' }} 100% {{ letter.count }}{{ letter.count }}\n"
        "{{ letter.lede | wrap }}\n{{ letter.lede | wrap(width=20, first='* ', rest='  ') }}\n"
        "{% set where = letter.lede %}{{ where | wrap(rest='> ') }}\n",
    )
    lede = "6 of 212 papers from 3 days; you follow 3 interests, 1 author and 1 paper you liked."
    assert same(daily(), templates) == (
        f"<6 papers> 100% 6 papers6 papers\n{wrap(lede)}\n{wrap(lede, 20, '* ', '  ')}\n{wrap(lede, rest='> ')}\n"
    )


@pytest.mark.parametrize(
    "said", ['letter.lede | wrap("72")', "letter.lede | wrap(none)", "letter.lede | wrap(40.5)", "url | wrap"]
)
def test_what_cannot_be_wrapped_is_a_fault_of_the_template(said: str, tmp_path: Path) -> None:
    """And not of the letter: it would be found only where the template is filled, and fail every letter."""
    url = "{% set url = letter.footer.acts[0].url %}"
    templates = mine(tmp_path, "letter.txt", f"{url}{{{{ {said} }}}}{{{{ letter.cards }}}}")
    with pytest.raises(Misused, match="wrap"):
        Composer(CONFIG, templates, LINKS).render(daily())
    place = first_fault(templates, CONFIG, LINKS)
    assert place is not None
    assert (place.path, place.line) == (str(tmp_path / "letter" / "letter.txt"), 1)


def test_a_title_is_wrapped_after_its_number(tmp_path: Path) -> None:
    templates = mine(tmp_path, "letter.txt", "{{ letter.cards }}")
    templates = mine(tmp_path, "card.txt", "{{ card.title | wrap(width=24, first=card.mark, rest='    ') }}\n")
    lines = same(letter(picks=PICKS[:1] * 12), templates).splitlines()
    assert lines[:4] == [
        " 1. Knowing When to Ask:",
        "    Calibrated Tool",
        "    Calls in Small",
        "    Language Models",
    ]
    assert lines[-4] == "12. Knowing When to Ask:"


def test_a_shell_is_filled_as_often_as_there_are_readers() -> None:
    marks: dict[str, Wrapped] = {}
    name, more = Slot("name", marks), Slot("more", marks)
    shell = Shell(f"<{name}>: 5 % of {more}% {name}", marks, ["name", "more", "unused"])
    assert shell.names == {"name", "more"}
    for said in ("Ada", "%b", "=?", ". x"):
        filled = b"".join(shell.pieces((qp.encode(said), qp.encode("all"), b"")))
        assert a2b_qp(filled.replace(b"\r\n", b"\n")).decode() == f"<{said}>: 5 % of all% {said}"
    assert Shell("no slots, 5 %", {}, []).pieces(()) == [b"no slots, 5 %=\r\n"]
    assert Shell("", {}, []).pieces(()) == [b""]


@pytest.mark.parametrize("last", ["end", "end ", "\t", "{{ letter.name }}", "{{ letter.cards }}", "", "end\n"])
def test_a_template_is_signed_as_it_stands_whatever_it_is_indented_with(tmp_path: Path, last: str) -> None:
    one = letter(ADA, PICKS)
    for kind in ("html", "txt"):
        templates = mine(tmp_path, f"letter.{kind}", f"   a  b\t\tc \t\n\t{{{{ letter.lede }}}}   \n\n{last}")
    composer = Composer(CONFIG, templates, LINKS)
    assert composer.render(one) == twin.render(one, CONFIG, templates, LINKS)
    mail = composer.mail(one)
    check(mail, CONFIG, LINKS)
    assert b"=\r\n\r\n--=_" not in mail, "a part ends with a line, not with half of one"


CHANGED = ["\0aAstrange\0", "\0aAname", "a\0b", "\0AAname\0", "\0aaname\0", "\0\0", "\0aA\0"]


@pytest.mark.parametrize("said", CHANGED, ids=ascii)
def test_a_mark_that_was_changed_is_no_mark(said: str) -> None:
    with pytest.raises(Misused, match="only be printed"):
        Shell(said, {}, ["name"])


def test_words_of_others_stay_words_where_a_page_wraps_them(tmp_path: Path) -> None:
    """`wrap` is for texts, but a template for a page may use it, too."""
    evil = "<script>alert(1)</script> & co"
    reader = replace(ADA, name=evil, profile=Profile((Interest(evil),)))
    picks = (replace(PICKS[0], reasons=(Reason("phrase", evil, (), 9.0),)),)
    templates = mine(tmp_path, "why.html", "{{ why.line | wrap(first='<') }}")
    templates = mine(tmp_path, "letter.html", "{{ letter.greeting | wrap(width=20, rest='>') }}{{ letter.cards }}")
    one = letter(reader, picks)
    html = Composer(CONFIG, templates, LINKS).render(one).html
    assert html == twin.render(one, CONFIG, templates, LINKS).html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
