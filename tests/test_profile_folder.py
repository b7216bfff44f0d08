"""What is wrong with a profile file is said, and stops no other."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from profile_files import write

from digest import tomlfile
from digest.model import Interest
from digest.profile_folder import Reading, handle_problem, read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "profiles"
    made.mkdir()
    return made


def test_a_folder_of_profiles(folder: Path) -> None:
    write(folder, "bob", text='interests = ["x"]')
    write(folder, "ada")
    reading = read(folder)
    assert [one.handle for one in reading.subscribers] == ["ada", "bob"]
    assert reading.subscribers[1].profile.interests == (Interest("x"),)
    assert reading.problems == ()
    assert dict(reading.files) == {"ada": folder / "ada.toml", "bob": folder / "bob.toml"}
    assert dict(reading.refused) == {}


def test_what_editors_leave_behind_and_other_files_are_ignored(folder: Path) -> None:
    for name in (".ada.toml", "ada.toml~", "#ada.toml#", ".#ada.toml", "ada.toml.bak", "~$ada.toml", "ada~.toml"):
        (folder / name).write_text("not a profile")
    (folder / "notes.txt").write_text("x")
    (folder / "old").mkdir()
    write(folder / "old", "ada")
    assert read(folder) == Reading()


def test_a_suffix_in_capitals_counts(folder: Path) -> None:
    (folder / "ada.TOML").write_text('address = "ada@example.org"')
    assert [one.handle for one in read(folder).subscribers] == ["ada"]


def test_no_folder_is_a_problem(tmp_path: Path) -> None:
    (problem,) = read(tmp_path / "profiles").problems
    assert "no such folder" in str(problem)
    assert "digest init" in problem.remedy


def test_files_that_cannot_be_read_are_problems(folder: Path) -> None:
    (folder / "a.toml").mkdir()
    (folder / "b.toml").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "c.toml")
    (folder / "d.toml").write_bytes(b"\xff")
    (folder / "e.toml").write_bytes(b"")
    (folder / "f.toml").symlink_to("f.toml")
    (folder / "g.toml").write_bytes(b"#" * (tomlfile.MOST_BYTES + 1))
    (folder / "h.toml").symlink_to("/dev/zero")
    write(folder, "ada")
    reading = read(folder)
    assert [one.handle for one in reading.subscribers] == ["ada"]
    assert [Path(one.path).name for one in reading.problems] == [f"{letter}.toml" for letter in "abcdefgh"]
    assert all(one.remedy for one in reading.problems)
    assert sorted(reading.refused) == list("abcdefgh")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_a_problem(folder: Path) -> None:
    write(folder, "ada").chmod(0)
    (problem,) = read(folder).problems
    assert "Permission denied" in problem.what


def test_paths_are_shown_as_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    (folder / "ada.toml").write_text('address = "ada@example.org"\nhour = 99')
    (problem,) = read(Path("profiles")).problems
    assert str(problem).startswith("profiles/ada.toml:2: hour: ")


@pytest.mark.parametrize("handle", ["ada", "Ada-Lovelace", "a.b_c", "7", "béla", "陈", "x" * 64, "a-", "a..b"])
def test_handles_that_are_taken(handle: str) -> None:
    assert handle_problem(handle) == ""


@pytest.mark.parametrize(
    ("handle", "says"),
    [
        ("", "empty"),
        ("-ada", "starts with '-'"),
        (".ada", "starts with '.'"),
        ("ada (copy)", "other signs"),
        ("a/b", "other signs"),
        ("a@b", "other signs"),
        ("a~3", "other signs"),
        ("a\n", "other signs"),
        ("a\u202eb", "other signs"),
        ("a\udcff", "other signs"),
        ("x" * 65, "65 characters"),
    ],
)
def test_handles_that_are_refused(handle: str, says: str) -> None:
    assert says in handle_problem(handle)


@pytest.mark.skipif(sys.platform == "darwin", reason="needs a file system that takes any bytes")
def test_no_file_name_can_steer_a_terminal(folder: Path) -> None:
    for name in (b"\x1b[31m.toml", "a\u202eb.toml".encode(), b"\xff.toml", b"a\nb.toml", b"a b.toml", b"-x.toml"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text('address = "a@example.org"\n')
    reading = read(folder)
    assert reading.subscribers == ()
    assert len(reading.refused) == 6
    assert all(str(one).isprintable() for one in reading.problems)
    assert all(handle.isprintable() for handle in reading.refused)


def test_names_that_differ_in_capitals_are_both_refused(folder: Path) -> None:
    write(folder, "ada", "a@example.org")
    write(folder, "Ada", "b@example.org")
    write(folder, "bob")
    reading = read(folder)
    assert [one.handle for one in reading.subscribers] == ["bob"]
    assert sorted(reading.refused) == ["Ada", "ada"]
    assert "ada.toml but for capital letters" in reading.problems[0].what


def test_an_accent_is_one_letter_however_it_is_stored(folder: Path) -> None:
    write(folder, "be\u0301la", "bela@example.org")
    assert read(folder).subscribers[0].handle == "b\u00e9la"


def test_two_files_with_one_address_are_both_refused_with_their_lines(folder: Path) -> None:
    write(folder, "ada", "same@example.org")
    (folder / "bob.toml").write_text('name = "Bob"\n\naddress = "Same@Example.org"\n')
    write(folder, "chen")
    reading = read(folder)
    assert [one.handle for one in reading.subscribers] == ["chen"]
    first, second = reading.problems
    assert (first.line, first.key, second.line, second.key) == (1, "address", 3, "address")
    assert "bob.toml:3" in first.what
    assert "ada.toml:1" in second.what


def test_an_invalid_file_holds_its_address_against_a_copy(folder: Path) -> None:
    write(folder, "ada", "same@example.org", "hour = 99")
    write(folder, "copy", "same@example.org")
    reading = read(folder)
    assert reading.subscribers == ()
    assert dict(reading.refused) == {"ada": "same@example.org", "copy": "same@example.org"}
