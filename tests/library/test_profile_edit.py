"""Adding to a profile file that a person keeps: what they wrote stays as they wrote it."""

from __future__ import annotations

import tomllib

import pytest

from digest.errors import FileInvalid
from digest.library.profile_edit import add, written
from digest.model import Interest

ADDRESS = 'address = "a@example.org"'
NEW = [Interest("sea ice", 1.5), Interest('the "big" melt'), Interest("Jane Doe", kind="author")]
ADDED = [{"text": "sea ice", "weight": 1.5}, 'the "big" melt']


def added(text: str) -> str:
    return add(text.encode(), "a.toml", "a", NEW).decode()


def removed(before: str, after: str) -> list[str]:
    """The lines of a file that another one has not."""
    there = after.splitlines()
    return [line for line in before.splitlines() if line not in there]


@pytest.mark.parametrize(
    ("before", "first"),
    [
        (f"{ADDRESS}\n", []),
        (ADDRESS, []),
        (f"# mine\n{ADDRESS}  # home\n\n# interests = []\nhour = 8\t# early\n", []),
        (
            f'{ADDRESS}\ninterests = [\n  {{ text = "a", weight = 2.0 }},   # why\n  "b",\n  # "c",\n]\nhour = 8\n',
            2,
        ),
        (f'interests = [\n\t"a",\n\t"b",\n]\n# end\n{ADDRESS}', 2),
        (f'{ADDRESS}\ninterests = [\n  # nothing yet\n]\nauthors = [\n  "Bo Li",\n]\n', 0),
        (f'\ufeff{ADDRESS}\n# one\n[[interests]]\ntext = "a"\n\n# two\n[[interests]]\ntext = "b"\n', 2),
    ],
)
def test_all_else_stays(before: str, first: int | list[object]) -> None:
    after = added(before)
    assert removed(before, after) == []
    tree = tomllib.loads(after.removeprefix("\ufeff"))
    interests = [one if set(one) != {"text"} else one["text"] for one in tree["interests"]]
    assert interests[first or 0 :] == ADDED
    assert tree["authors"][-1] == "Jane Doe"
    assert tree["address"] == "a@example.org"


def test_a_list_on_one_line_stays_on_it() -> None:
    assert added(f'{ADDRESS}\ninterests = ["a"]  # mine\nhour = 8').splitlines()[1:3] == [
        'interests = ["a", { text = "sea ice", weight = 1.5 }, "the \\"big\\" melt"]  # mine',
        "hour = 8",
    ]


def test_the_line_ends_of_the_file_are_kept() -> None:
    after = added(f'{ADDRESS}\r\ninterests = [\r\n  "a",\r\n]\r\n')
    assert after.count("\r\n") == after.count("\n") == 9


def test_a_line_to_paste_is_what_is_written() -> None:
    assert [written(one) for one in NEW] == [
        '{ text = "sea ice", weight = 1.5 }',
        r'"the \"big\" melt"',
        '"Jane Doe"',
    ]


@pytest.mark.parametrize(
    "text",
    ["hour = 8\n", f"{ADDRESS}\ninterests = [\n", f'{ADDRESS}\ninterest = ["a"]\n', f"{ADDRESS}\nhour = 99\n"],
)
def test_an_invalid_file_is_left_alone(text: str) -> None:
    with pytest.raises(FileInvalid, match=r"a\.toml"):
        added(text)


def test_more_than_a_file_may_hold_is_refused() -> None:
    many = ", ".join(f'"word {n}"' for n in range(499))
    with pytest.raises(FileInvalid, match="501 entries"):
        added(f"{ADDRESS}\ninterests = [{many}]\n")
