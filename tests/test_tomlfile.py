"""TOML problems: each names the file, the line, the key and a remedy, whatever the file holds."""

from __future__ import annotations

import json
import time
import tomllib
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from digest import tomlfile
from digest.errors import FileInvalid, Problem


class Fruit(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(min_length=1, max_length=10)
    weight: float = Field(1.0, gt=0, lt=100)


class Crate(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    label: str = "none"
    size: int = Field(3, ge=1, le=9)
    open: bool = False
    kind: Literal["wood", "plastic"] = "wood"
    fruits: list[Fruit] = Field(default_factory=list, max_length=3)
    tags: list[str] = Field(default_factory=list)


class Shop(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    crate: Crate = Crate()
    number: int = 1


def problems(text: str | bytes, model: type[BaseModel] = Shop) -> list[Problem]:
    with pytest.raises(FileInvalid) as raised:
        tomlfile.load(text if isinstance(text, bytes) else text.encode(), "shop.toml", model)
    return list(raised.value.problems)


def problem(text: str | bytes, model: type[BaseModel] = Shop) -> Problem:
    (one,) = problems(text, model)
    return one


def test_a_valid_file_is_its_model() -> None:
    assert tomlfile.load(b"number = 2\n[crate]\nsize = 4\n", "shop.toml", Shop) == Shop(
        number=2, crate=Crate(size=4)
    )


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n", b"# nothing", b"\xef\xbb\xbfnumber = 1\r\n"])
def test_an_empty_file_a_byte_order_mark_and_windows_line_ends_are_fine(data: bytes) -> None:
    assert tomlfile.load(data, "shop.toml", Shop) == Shop()


@pytest.mark.parametrize(
    ("text", "line", "key", "what", "remedy"),
    [
        ("nubmer = 1", 1, "nubmer", "unknown key", "`number`"),
        ("\n\n[carte]\n", 3, "carte", "unknown key", "`crate`"),
        ("[crate]\nsize = 1\nsiez = 2", 3, "crate.siez", "unknown key", "`size`"),
        ("crate.siez = 2", 1, "crate.siez", "unknown key", "`size`"),
        ("crate = {\n siez = 2}", 1, "", "not valid TOML", "brackets"),
        ("[crate]\nzzz = 2", 2, "crate.zzz", "unknown key", "the keys here are fruits, kind, label"),
        (
            "[crate]\nfruits = [\n {name='a'},\n {name='b', wieght=1}]",
            4,
            "crate.fruits[2].wieght",
            "un",
            "`weight`",
        ),
        (
            "[[crate.fruits]]\nname='a'\n[[crate.fruits]]\nnaem='b'\nname='c'",
            4,
            "crate.fruits[2].naem",
            "un",
            "`name`",
        ),
        (
            "[[crate.fruits]]\nname='a'\n[[crate.fruits]]\nweight=1",
            3,
            "crate.fruits[2].name",
            "missing",
            "add this",
        ),
        ("[crate]\nsize = '3'", 2, "crate.size", "must be a whole number, found the text '3'", "size = 3"),
        ("[crate]\nsize = 3.0", 2, "crate.size", "must be a whole number, found 3.0", "size = 3"),
        ("[crate]\nsize = true", 2, "crate.size", "must be a whole number, found true", "size = 3"),
        ("[crate]\nsize = 0", 2, "crate.size", "must be at least 1, found 0", "size = 3"),
        ("[crate]\nsize = 10", 2, "crate.size", "must be at most 9, found 10", "size = 3"),
        ("[crate]\nsize = 0x" + "f" * 9000, 2, "crate.size", "found a huge number", "size = 3"),
        ("[crate]\nopen = 1", 2, "crate.open", "must be true or false, found 1", "open = False"),
        ("[crate]\nlabel = 1979-05-27", 2, "crate.label", "found the time 1979-05-27", 'label = "none"'),
        ("[crate]\nlabel = {a = 1}", 2, "crate.label", "must be text in quotes, found a table", "label"),
        (
            "[crate]\ntags = 'a'",
            2,
            "crate.tags",
            "must be a list in [brackets], found the text 'a'",
            'tags = ["…"]',
        ),
        ("[crate]\ntags = [\n'a',\n\n5]", 5, "crate.tags[2]", "must be text in quotes, found 5", 'write "5"'),
        ("[crate]\nkind = 'plastik'", 2, "crate.kind", "must be 'wood' or 'plastic'", "did you mean 'plastic'?"),
        ("[crate]\nkind = 5", 2, "crate.kind", "must be 'wood' or 'plastic', found 5", "one of these"),
        ("[crate]\nfruits = [5]", 2, "crate.fruits[1]", "must be text in quotes or a table, found 5", "name"),
        ("crate = 5", 1, "crate", "must be a section, found 5", "[crate]"),
        ("[crate]\nfruits = [{name = ''}]", 2, "crate.fruits[1].name", "an empty text", "remove"),
        ("[crate]\nfruits = [{name = 'abcdefghijk'}]", 2, "crate.fruits[1].name", "11 characters", "length"),
        ("[crate]\nfruits = [{name = 'a', weight = nan}]", 2, "crate.fruits[1].weight", "must be ", "weight = 1.0"),
        ("[crate]\nfruits = [{name = 'a', weight = 0}]", 2, "crate.fruits[1].weight", "above 0", "weight = 1.0"),
        ("[crate]\nfruits = [{name = 'a', weight = 100}]", 2, "crate.fruits[1].weight", "below 100", "weight"),
        ("[crate]\nfruits = [" + "{name = 'a'}," * 4 + "]", 2, "crate.fruits", "4 entries where", "length"),
    ],
)
def test_each_problem_has_its_line_key_and_remedy(text: str, line: int, key: str, what: str, remedy: str) -> None:
    found = problem(text)
    assert (found.path, found.line, found.key) == ("shop.toml", line, key)
    assert what in found.what
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("number = \n", 1, "Invalid value"),
        ("number = 1\ncrate\n", 2, "Expected '='"),
        ("number = 1\nnumber = 2\n", 2, "keep one of them"),
        ("[crate]\n[crate]\n", 2, "keep one of them"),
        ("crate = {size = 1, size = 2}", 1, "keep one of them"),
        ("number = one", 1, "write text in quotes"),
        ("[crate]\nlabel = 'a", 2, "not valid TOML"),
        ("[crate]\ntags = ['a'\n", 2, "not valid TOML"),
        ("number = 2024-13-45", 1, "not valid TOML"),
        ("a = '\0'", 1, "not valid TOML"),
        ("number = 1" + "0" * 5000, 1, "a number of thousands of digits"),
    ],
)
def test_malformed_toml_names_the_line(text: str, line: int, says: str) -> None:
    found = problem(text)
    assert found.line == line
    assert says in str(found)


@pytest.mark.parametrize(
    "data", [b"a = '\xff'", "Größe = 1".encode("latin-1"), "a = 1".encode("utf-16"), b"\x89PNG"]
)
def test_other_encodings_are_named(data: bytes) -> None:
    assert str(problem(data)) == "shop.toml:1: not UTF-8 text — save the file as UTF-8"
    assert problem(b"number = 1\n\n" + data).line == 3


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a = " + "[" * 5000, "a = " + "[" * 5000 + "]" * 5000, "a = " + "{b=" * 5000]
)
def test_deep_nesting_is_a_problem_not_a_crash(text: str) -> None:
    assert "shop.toml" in str(problem(text))


def test_nesting_that_the_parser_takes_keeps_its_line() -> None:
    assert problem("\n\na = " + "[" * 150 + "]" * 150).line == 3


def test_a_large_file_is_refused_at_once_and_a_megabyte_read_in_a_moment() -> None:
    start = time.monotonic()
    assert "is it the right file?" in str(problem(b"#" * (tomlfile.MOST_BYTES + 1)))
    many = "[crate]\ntags = [\n" + "5,\n" * 300_000 + "]"
    found = problems(many)
    assert found[0].line == 3
    assert [one.line for one in found[:-1]] == list(range(3, 3 + tomlfile.MOST_PROBLEMS))
    assert "more problems" in found[-1].what
    assert time.monotonic() - start < 10


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(str(problem("[crate]\nsize = '" + "x" * 1_000_000 + "'"))) < 500
    assert len(str(problem("x" * 1_000_000 + " = 1"))) < 500


@pytest.mark.parametrize("nasty", ["\\u001b[31m", "\\u202e", "\\u0085", "\\n", "\\u2028"])
def test_nothing_from_the_file_can_steer_a_terminal(nasty: str) -> None:
    for text in (
        f'"a{nasty}" = 1',
        f'[crate]\nsize = "{nasty}"',
        f'[crate]\nkind = "{nasty}"',
        f'[crate."{nasty}"]',
    ):
        assert str(problem(text)).isprintable()


def test_all_problems_come_at_once_in_the_order_of_lines() -> None:
    assert [one.line for one in problems("numbr = 1\n[crate]\nsize = 0\nfruits = [\n5,\n6]\n")] == [1, 3, 5, 6]


def test_keys_below_a_name_of_the_users_own_have_a_star_for_it() -> None:
    class Town(BaseModel):
        shops: dict[str, Shop] = {}

    assert "shops.*.crate.fruits[].name" in tomlfile.dotted_keys(Town)


def test_dotted_keys_name_every_key_as_it_is_written() -> None:
    assert tomlfile.dotted_keys(Shop) == [
        "crate.label",
        "crate.size",
        "crate.open",
        "crate.kind",
        "crate.fruits",
        "crate.fruits[].name",
        "crate.fruits[].weight",
        "crate.tags",
        "number",
    ]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("nmae", "name"),
        ("Name", "name"),
        ("time-zone", "time_zone"),
        ("zone", "time_zone"),
        ("x", None),
        ("", None),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    assert tomlfile.nearest(word, ["name", "time_zone", "weight"]) == meant


# ---- lines

PLAIN = """# c [x]
a = 1
"b c".d = "x # y"
e = \"\"\"
line "" two
\"\"\" # c
f = [
  "a]", # "
  {text = "b", w.z = [1.5, 2]}, [3,
  4],
]
[t]
x = 1979-05-27 07:32:00.5
y = +1.5e-3
'z.z' = true
[[l]]
a = 1
[[l]]
b = 2
[l.sub]
c = 3
[t.u.v]
g = '\\'
h = '''a''''
i = \"\"\"q\\\"\"\"\"\"
j = 1
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["a"], 2),
        (["b c", "d"], 3),
        (["e"], 4),
        (["f"], 7),
        (["f", 0], 8),
        (["f", 1, "w", "z", 1], 9),
        (["f", 2, 1], 10),
        (["t"], 12),
        (["t", "z.z"], 15),
        (["l", 0, "a"], 17),
        (["l", 1], 18),
        (["l", 1, "sub", "c"], 21),
        (["t", "u", "v", "g"], 23),
        (["t", "u", "v", "j"], 26),
        (["f", 7], 7),
        (["nobody"], None),
        ([], None),
    ],
)
def test_line_of(path: list[str | int], line: int | None, ends: str) -> None:
    assert tomlfile.line_of(PLAIN.replace("\n", ends), path) == line


def written(value: Any) -> str:
    """A value as TOML; lists and some strings over several lines."""
    if isinstance(value, list):
        return "[ # ]\n" + "".join(f"{written(one)}\n,\n" for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}={written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str):
        plain = "'" not in value and value.isprintable()
        return f"'''\n{value}'''" if plain and len(value) > 4 else json.dumps(value)
    return str(value).lower() if isinstance(value, bool | float | int) else str(value)


KEYS = st.text(alphabet="ab-1.é\"' \\#", max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans()
    | st.integers(-99, 99)
    | st.floats(allow_nan=False)
    | st.text(alphabet="a\"'\n\\#[]{}=,. ", max_size=8)
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_place_of_any_valid_file_has_a_line_that_holds_its_key(tree: dict[str, Any]) -> None:
    text = "".join(
        f"# x\n[{json.dumps(key)}]\n" + "".join(f"{json.dumps(k)} = {written(v)}\n" for k, v in value.items())
        if isinstance(value, dict)
        else f"[[x]]\n[x.{json.dumps(key)}]\nv = {written(value)}\n"
        for key, value in tree.items()
    )
    lines = text.split("\n")

    def walk(node: Any, path: list[str | int]) -> None:
        for step, child in node.items() if isinstance(node, dict) else enumerate(node):
            line = tomlfile.line_of(text, [*path, step])
            assert line is not None, (text, path, step)
            if isinstance(step, str) and step.isalpha() and step.isascii():
                assert step in lines[line - 1]
            if isinstance(child, dict | list):
                walk(child, [*path, step])

    walk(tomllib.loads(text), [])
