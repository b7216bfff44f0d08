"""What is there is documented, and what is documented is there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from digest import cli, config, errors
from digest.cli.common import app
from digest.config import Config
from digest.library.profile_file import ProfileFile
from digest.tomlfile import dotted_keys

Command = TyperCommand | TyperGroup
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLE = (ROOT / "config.example.toml").read_text("utf-8")


def commands() -> list[tuple[str, Command]]:
    """Every command with its full name, groups included."""
    cli.register()
    found: list[tuple[str, Command]] = []

    def walk(name: str, command: Command) -> None:
        if isinstance(command, TyperGroup):
            if command.invoke_without_command:
                found.append((name, command))
            for key, one in command.commands.items():
                walk(f"{name} {key}", one)
        else:
            found.append((name, command))

    walk("digest", typer.main.get_command(app))
    return [one for one in found if one[0] != "digest"]


@pytest.mark.parametrize(("name", "command"), commands())
def test_each_command_is_in_the_readme_with_its_options_and_has_an_example(name: str, command: Command) -> None:
    line = next((line for line in README.splitlines() if line.startswith(f"| `{name}")), None)
    assert line is not None, f"README's table of commands lacks `{name}`"
    options = [o.opts[0] for o in command.params if isinstance(o, TyperOption) and o.opts[0] != "--help"]
    missing = [option for option in options if option not in README]
    assert not missing, f"README does not name {missing} of `{name}`"
    assert command.help
    assert re.search(rf"Example: .*{name.split()[-1]}", command.epilog or ""), f"`{name} --help` has no example"


def test_each_command_is_found_in_its_file() -> None:
    """A command is loaded by its name alone; one that stands elsewhere would not be found."""
    for name, command in commands():
        words = name.removeprefix("digest ")
        file = cli.COMMANDS.get(words) or cli.COMMANDS[words.split(" ")[0]]
        assert command.callback is not None
        assert command.callback.__module__ == f"digest.cli.{file}", words
    groups = {"profiles", "outbox", "dkim", "templates", "secret"}
    assert {name.split(" ")[0] for name in cli.COMMANDS} == {name.split(" ")[1] for name, _ in commands()} | groups


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "",
        "preview x --help",
        "evaluate --help",
        "status",
        "--home run status",
        "profiles check",
        "outbox",
        "why x",
    ],
)
def test_what_ranks_nothing_loads_nothing_to_rank_with(words: str) -> None:
    code = f"import sys; from digest import cli; cli.register({words.split()!r}); print('scipy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False"]


def test_the_readme_names_no_command_that_is_not_there() -> None:
    known = {name for name, _ in commands()}
    told = {m[1] for m in re.finditer(r"^\| `(digest [a-z -]+?)(?: [A-Z….]+)*`", README, re.MULTILINE)}
    assert told == known


def test_the_example_has_every_key_with_its_default() -> None:
    tree = tomllib.loads(EXAMPLE)
    flat = {f"{section}.{key}": value for section, keys in _flat(tree) for key, value in keys.items()}
    keys = dotted_keys(Config)
    in_many = [key for key in keys if "[]" in key or "*" in key]
    assert in_many, "tables of which there may be many stand there as comments"
    many = {re.split(r"\[\]|\.\*", key)[0] for key in in_many}
    assert sorted(flat) == sorted({*keys} - {*in_many} - many)
    for key in in_many:
        section, is_list, name = re.fullmatch(r"(.*?)(?:(\[\])|\.\*)\.(.*)", key).groups()
        header = rf"\[\[{section}\]\]" if is_list else rf"\[{section}\..+\]"
        assert re.search(rf"^# {header}.*\n(?:# .*\n)*?# {name} = ", EXAMPLE, re.MULTILINE), key
    assert config.parse(EXAMPLE.encode(), ROOT) == config.parse(b"", ROOT)


def test_every_key_of_a_profile_is_in_the_readme() -> None:
    table = README.partition("## A profile, key by key")[2]
    for key in ProfileFile.model_fields:
        assert re.search(rf"^\|[^|]*`{key}`", table, re.MULTILINE), f"README's table lacks the profile key {key}"


def test_the_exit_codes_are_all_documented() -> None:
    codes = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    for code in codes | {0, 2}:
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE)


def test_files_that_the_readme_points_to_are_there() -> None:
    for target in re.findall(r'(?:src(?:set)?="|\]\()([^")]+)', README):
        assert (ROOT / target).exists(), target


def _flat(tree: dict[str, object], prefix: str = "") -> list[tuple[str, dict[str, object]]]:
    out = []
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves = {k: v for k, v in value.items() if not isinstance(v, dict)}
            out.append((prefix + name, leaves))
            out += _flat({k: v for k, v in value.items() if isinstance(v, dict)}, f"{prefix}{name}.")
    return out
