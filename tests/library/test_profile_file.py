"""Profile files: what is taken, what is refused, and what is said about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.errors import FileInvalid, Problem
from digest.library import profile_file
from digest.library.profile_file import ProfileFile
from digest.model import Interest, Profile, Subscriber, SubscriberState
from digest.tomlfile import dotted_keys

SAMPLES = Path(profile_file.__file__).parents[1] / "samples"
EXAMPLE = SAMPLES / "example.toml"


def parse(text: str | bytes) -> Subscriber:
    return profile_file.parse(text if isinstance(text, bytes) else text.encode(), "profiles/ada.toml", "ada")


def with_address(text: str) -> Subscriber:
    return parse(f'address = "ada@example.org"\n{text}')


def problem(text: str | bytes) -> Problem:
    """The one problem of a file whose second line is `text`."""
    start = b'address = "ada@example.org"\n'
    with pytest.raises(FileInvalid) as raised:
        parse(start + (text if isinstance(text, bytes) else text.encode()))
    (one,) = raised.value.problems
    assert one.path == "profiles/ada.toml"
    return one


def test_an_address_is_enough() -> None:
    assert with_address("") == Subscriber(handle="ada", address="ada@example.org")
    assert with_address("").profile == Profile()
    assert with_address("").state is SubscriberState.ACTIVE


def test_every_key_is_taken() -> None:
    one = with_address(
        """
        name = "Ada"
        time_zone = "Asia/Kathmandu"
        cadence = "weekly:fri"
        hour = 0
        papers = 3
        floor = 0
        trending = 1
        variety = 0.25
        interests = ["a phrase", { text = "b", weight = 2 }, { text = "c" }]
        muted = ["d"]
        authors = ["e"]
        categories = ["cs.CL", "stat.*", "cs.cl", "hep-th", "cond-mat.str-el"]
        liked = ["f"]
        disliked = ["g"]
        """
    )
    assert one == Subscriber(
        handle="ada",
        address="ada@example.org",
        name="Ada",
        time_zone="Asia/Kathmandu",
        cadence="weekly:fri",
        hour=0,
        profile=Profile(
            interests=(Interest("a phrase"), Interest("b", 2.0), Interest("c")),
            muted=("d",),
            authors=("e",),
            categories=("cs.CL", "stat.*", "hep-th", "cond-mat.str-el"),
            liked=("f",),
            disliked=("g",),
            papers=3,
            floor=0.0,
            trending=1.0,
            variety=0.25,
        ),
    )


@pytest.mark.parametrize("path", [*sorted((SAMPLES / "profiles").glob("*.toml")), EXAMPLE], ids=lambda p: p.name)
def test_the_samples_are_valid(path: Path) -> None:
    assert profile_file.parse(path.read_bytes(), path.name, path.stem).address.endswith("@example.org")


def test_interests_may_be_written_as_tables() -> None:
    one = with_address('[[interests]]\ntext = "a"\n[[interests]]\ntext = "b"\nweight = 1.5\n')
    assert one.profile.interests == (Interest("a"), Interest("b", 1.5))


@pytest.mark.parametrize(
    ("text", "key", "what", "remedy"),
    [
        ("intrests = []", "intrests", "unknown key", "did you mean `interests`?"),
        ("timezone = 'UTC'", "timezone", "unknown key", "did you mean `time_zone`?"),
        (
            "interests = [{ text = 'a', wieght = 2 }]",
            "interests[1].wieght",
            "unknown key",
            "did you mean `weight`?",
        ),
        ("interests = [{ weight = 2 }]", "interests[1].text", "missing", "add this key"),
        ("interests = ['a', 5]", "interests[2]", "must be text in quotes or a table", "text = …"),
        ("interests = 'a'", "interests", "must be a list in [brackets], found the text 'a'", 'interests = ["…"]'),
        ("muted = 'a'", "muted", "must be a list in [brackets]", 'muted = ["…"]'),
        ("categories = ['cs.CL', '*']", "categories[2]", "'*' is not an arXiv category", "write one as cs.CL"),
        ("categories = ['cs CL']", "categories[1]", "'cs CL' is not an arXiv category", "stat.*"),
        ("categories = ['cs.C*']", "categories[1]", "'cs.C*' is not an arXiv category", "stat.*"),
        ("time_zone = 'Europe/Berln'", "time_zone", "unknown time zone", "did you mean 'Europe/Berlin'?"),
        ("time_zone = 'berlin'", "time_zone", "unknown time zone", "did you mean 'Europe/Berlin'?"),
        ("time_zone = 'New York'", "time_zone", "unknown time zone", "did you mean 'America/New_York'?"),
        ("time_zone = ''", "time_zone", "unknown time zone", "Europe/Berlin"),
        ("time_zone = 'localtime'", "time_zone", "unknown time zone", ""),
        ("time_zone = '../../etc/passwd'", "time_zone", "unknown time zone", ""),
        ("time_zone = 'right/Europe/Berlin'", "time_zone", "unknown time zone", "did you mean 'Europe/Berlin'?"),
        ("time_zone = 'Europe'", "time_zone", "unknown time zone", ""),
        ("time_zone = 1", "time_zone", "must be text in quotes, found 1", 'time_zone = "UTC"'),
        ("cadence = 'weekly'", "cadence", "unknown cadence 'weekly'", "weekly:"),
        ("cadence = 'weekly:friday'", "cadence", "unknown cadence", "did you mean 'weekly:fri'?"),
        ("cadence = 'dayly'", "cadence", "unknown cadence", "did you mean 'daily'?"),
        ("cadence = ''", "cadence", "unknown cadence", "write daily"),
        ("hour = 24", "hour", "must be at most 23, found 24", "hour = 7"),
        ("hour = -1", "hour", "must be at least 0, found -1", "hour = 7"),
        ("hour = 07:00:00", "hour", "must be a whole number, found the time 07:00:00", "hour = 7"),
        ("papers = 0", "papers", "must be at least 1, found 0", "papers = 7"),
        ("papers = 51", "papers", "must be at most 50, found 51", "papers = 7"),
        ("papers = 1.5", "papers", "must be a whole number, found 1.5", "papers = 7"),
        ("papers = true", "papers", "must be a whole number, found true", "papers = 7"),
        ("papers = '7'", "papers", "must be a whole number, found the text '7'", "papers = 7"),
        ("floor = -0.1", "floor", "must be at least 0, found -0.1", "floor = 10"),
        ("floor = 100.1", "floor", "must be at most 100, found 100.1", "floor = 10"),
        ("floor = true", "floor", "must be a number, found true", "floor = 10"),
        ("name = 5", "name", "must be text in quotes, found 5", ""),
        ("name = '" + "x" * 101 + "'", "name", "101 characters where there must be at most 100", ""),
        ('name = "a\\u001b[31m"', "name", "control characters", "one line"),
        ('name = "a\\nb"', "name", "control characters", "one line"),
        ("muted = ['']", "muted[1]", "an empty text", "remove it"),
        ("liked = ['a', '  ']", "liked[2]", "an empty text", "remove it"),
        ('authors = ["\\u200b\\u202e"]', "authors[1]", "an empty text", "remove it"),
        ("interests = ['']", "interests[1].text", "an empty text", "remove it"),
        ("interests = [{ text = '' }]", "interests[1].text", "an empty text", "remove it"),
        ("muted = ['" + "x" * 2001 + "']", "muted[1]", "2001 characters where there must be at most 2000", ""),
        ("liked = ['A']\ndisliked = ['b', 'a']", "disliked[2]", "'a' is in `liked` as well", "keep one"),
        ("interests = ['a', {text = 'A', weight = 2}]", "interests[2]", "with the weights 1 and 2", "keep one"),
    ],
)
def test_each_slip_names_its_key_and_remedy(text: str, key: str, what: str, remedy: str) -> None:
    one = problem(text)
    assert one.key.removesuffix(".text") == key.removesuffix(".text")
    assert one.line == text.count("\n") + 2
    assert what in one.what
    assert remedy in one.remedy


@pytest.mark.parametrize("knob", ["floor", "trending", "variety"])
@pytest.mark.parametrize("value", ["nan", "+nan", "inf", "-inf", "1e999", "-1", "101", "'0.5'", "0x" + "f" * 400])
def test_knobs_out_of_range(knob: str, value: str) -> None:
    one = problem(f"{knob} = {value}")
    assert (one.line, one.key) == (2, knob)
    assert f"{knob} = " in one.remedy


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("0", "1 is usual"),
        ("-0.0", "1 is usual"),
        ("-2", "use `disliked` or `muted`"),
        ("100.5", "1 is usual"),
        ("1e300", "1 is usual"),
        ("nan", "1 is usual"),
        ("inf", "1 is usual"),
        ("-inf", "use `disliked` or `muted`"),
        ("'2'", "weight = 1.0"),
        ("true", "weight = 1.0"),
        ("1" + "0" * 400, "weight = 1.0"),
    ],
)
def test_weights_out_of_range(value: str, remedy: str) -> None:
    one = problem(f"interests = [\n  'a',\n  {{ text = 'b', weight = {value} }},\n]")
    assert (one.line, one.key) == (4, "interests[2].weight")
    assert remedy in one.remedy


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("", "is not a mail address"),
        ("ada", "is not a mail address"),
        ("ada@", "is not a mail address"),
        ("@example.org", "is not a mail address"),
        ("ada@example", "is not a mail address"),
        ("ada@example.org ", "is not a mail address"),
        (" ada@example.org", "is not a mail address"),
        ("ada@example.org, bob@example.org", "is not a mail address"),
        ("Ada <ada@example.org>", "only the bare address"),
        ("<ada@example.org>", "only the bare address"),
        ("ada@example.org\\nBcc: x@example.org", "line break"),
        ("ada@example.org\\r", "line break"),
        ("ada\\u0000@example.org", "line break"),
        ("ada\\u202e@example.org", "is not a mail address"),
        ('\\"a b\\"@example.org', "is not a mail address"),
        ("ada@[127.0.0.1]", "is not a mail address"),
        ("ädä@example.org", "is not a mail address"),
        ("ada@" + "x" * 1_000_000 + ".org", "is not a mail address"),
        ("a..b@example.org", "is not a mail address"),
        ("ada@-example.org", "is not a mail address"),
    ],
)
def test_addresses_that_are_refused(address: str, what: str) -> None:
    with pytest.raises(FileInvalid) as raised:
        parse(f'name = "Ada"\naddress = "{address}"')
    (one,) = raised.value.problems
    assert (one.line, one.key) == (2, "address")
    assert what in one.what
    assert one.remedy
    assert str(one).isprintable()
    assert len(str(one)) < 800


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("ada+papers@example.org", "ada+papers@example.org"),
        ("Ada@Example.ORG", "Ada@example.org"),
        ("ada@example.photography", "ada@example.photography"),
        ("ada@example.xn--vermgensberatung-pwb", "ada@example.xn--vermgensberatung-pwb"),
        ("ada@exämple.org", "ada@xn--exmple-cua.org"),
        ("ada@localhost", "ada@localhost"),
        ("o'neil@example.org", "o'neil@example.org"),
    ],
)
def test_addresses_that_are_taken(address: str, taken: str) -> None:
    assert parse(f'address = "{address}"').address == taken


def test_an_empty_file_lacks_the_address() -> None:
    for data in (b"", b"\xef\xbb\xbf", b"# only a comment\n"):
        with pytest.raises(FileInvalid) as raised:
            parse(data)
        assert str(raised.value) == "profiles/ada.toml: address: missing — add this key"


@pytest.mark.parametrize("cadence", ["daily", "Daily", "weekdays", "weekly:mon", "weekly: sun", "WEEKLY:FRI"])
def test_cadences_in_any_spelling(cadence: str) -> None:
    assert with_address(f'cadence = "{cadence}"').cadence == cadence.lower().replace(" ", "")


def test_the_number_of_interests_is_bounded() -> None:
    many = [f'"interest {n}"' for n in range(501)]
    assert len(with_address(f"interests = [{','.join(many[:500])}]").profile.interests) == 500
    assert "501 entries where there must be at most 500" in problem(f"interests = [{','.join(many)}]").what


def test_what_is_written_twice_counts_once() -> None:
    profile = with_address('interests = ["Long context", "long  context", "b"]\nmuted = ["x", "X"]').profile
    assert profile.interests == (Interest("Long context"), Interest("b"))
    assert profile.muted == ("x",)


def test_what_is_invisible_is_dropped() -> None:
    one = with_address('name = "\\u202eAda \\u200b L"\ninterests = ["a\\u001b[31m\\tb\\u2028c"]')
    assert one.name == "Ada L"
    assert one.profile.interests == (Interest("a[31m b c"),)


def test_a_byte_order_mark_and_windows_line_ends() -> None:
    assert parse(b'\xef\xbb\xbfaddress = "ada@example.org"\r\nhour = 9\r\n').hour == 9
    assert problem(b"hour = 9\r\nhuor = 3\r\n").line == 3


def test_a_large_library_of_liked_papers_is_read() -> None:
    liked = ",\n".join(f'"Paper number {n} about something or other"' for n in range(20_000))
    assert len(with_address(f"liked = [{liked}]").profile.liked) == 20_000


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"[" * 5000)
@example(b"a=" + b"[" * 5000)
@example(b"a=" + b"[" * 300 + b"]" * 300)
@example(b"papers=" + b"9" * 5000)
@example(b"papers=0x" + b"f" * 5000)
@example(b"address=[]\n[address]")
@example(b"\xff\xfe")
def test_any_bytes_are_a_subscriber_or_explained(data: bytes) -> None:
    profile_file.address_in(data)
    try:
        parse(data)
    except FileInvalid as error:
        found = error.problems
    else:
        return
    assert found
    assert all(str(one).isprintable() for one in found)


VALUE = st.sampled_from(
    [
        "1",
        "-1",
        "0",
        "1e999",
        "nan",
        "true",
        '""',
        '"a"',
        '"\\u0000"',
        "[]",
        "[[]]",
        "{}",
        "[{}]",
        '[{text="a"}]',
        "[1]",
        '["a","A"]',
        "2024-01-01",
        "07:00:00",
        '"ada@example.org"',
        '"UTC"',
        '[{text="a",weight=[]}]',
        "{a=1}",
    ]
)


@given(st.dictionaries(st.sampled_from([*ProfileFile.model_fields, "x", "interests.text", '"\\u001b"']), VALUE))
def test_any_value_at_any_key_is_a_subscriber_or_explained(tree: dict[str, str]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in tree.items())
    try:
        parse(text)
    except FileInvalid as error:
        for one in error.problems:
            assert str(one).isprintable()
            assert one.line is not None or (one.key, one.what) == ("address", "missing") or "TOML" in one.what


# ---- the address of a file that is wrong


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'address = "a@example.org"\nhour = 99', ("a@example.org", 1)),
        (b"hour = [\n  'address' = 'a@example.org' # mine", ("a@example.org", 2)),
        (b'\xef\xbb\xbfaddress = "a@example.org"\n\xff', ("a@example.org", 1)),
        (b'# address = "a@example.org"', None),
        (b'address = "a@', None),
        (b'address = "nobody"', None),
        (b'"' * 100_000, None),
        (b"\x00\xff" * 1000, None),
    ],
)
def test_the_address_is_found_even_in_a_broken_file(data: bytes, found: tuple[str, int] | None) -> None:
    assert profile_file.address_in(data) == found


# ---- the example

DEFAULT = re.compile(r"^# (?P<line>(?P<key>[a-z_]+) = (?P<value>\S+|\".*?\")) +#", re.MULTILINE)


def test_the_example_shows_every_key_with_its_default() -> None:
    text = EXAMPLE.read_text("utf-8")
    given_here = parse(text)
    assert given_here.address == "you@example.org"
    assert 2 <= len(given_here.profile.interests) <= 3
    shown = {found["key"] for found in DEFAULT.finditer(text)}
    assert shown | {"address", "interests"} == set(ProfileFile.model_fields)
    assert "weight" in text
    assert {key.rpartition(".")[2] for key in dotted_keys(ProfileFile)} - shown == {
        "address", "interests", "text", "weight"
    }  # fmt: skip
    # Taking the "#" away from any of them, or from all, changes nothing: they are the defaults.
    for found in DEFAULT.finditer(text):
        assert parse(text.replace("# " + found["line"], found["line"])) == given_here
    assert parse(DEFAULT.sub(lambda found: found[0][2:], text)) == given_here


def test_the_example_list_in_each_comment_is_valid() -> None:
    text = EXAMPLE.read_text("utf-8")
    lists = re.findall(r"^# (\w+) = \[\] .*?e\.g\. (\[.*?\])", text, re.MULTILINE)
    assert [key for key, _ in lists] == ["authors", "categories", "liked", "muted"]
    profile = with_address("\n".join(f"{key} = {value}" for key, value in lists)).profile
    assert profile.authors
    assert profile.liked
    assert profile.muted
