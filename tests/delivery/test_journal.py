"""The courier's journal: real files, real processes, real kills."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from digest.delivery import journal
from digest.delivery.journal import Journal, Told
from digest.model import LetterState, Outcome

SENT = Outcome(LetterState.SENT, "250 2.0.0 queued as 4Xy", "", "accepted")
LATER = Outcome(
    LetterState.DEFERRED, "451 日本 “later”\n\t\x85\u2028", "", "greylisted", timedelta(minutes=4, seconds=0.5)
)
LOST = Outcome(LetterState.UNCERTAIN, "no answer", "mail/x", "unknown-fate")


@pytest.fixture
def kept(tmp_path: Path) -> Journal:
    return Journal(tmp_path, "token")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def copied(one: Journal, to: Path) -> Path:
    """The journal as it lies on the disk, as a kill would leave it."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    for path in one.path.parent.glob(f"{one.path.name}.*"):
        shutil.copy(path, to)
    return to / one.path.name


def child(folder: Path, code: str) -> subprocess.Popen[str]:
    """A process that keeps the journal "child" in `folder`."""
    head = (
        "from digest.delivery.journal import Journal\n"
        "from digest.model import LetterState, Outcome\n"
        "import itertools, pathlib, resource, sys, time\n"
        f"kept = Journal(pathlib.Path({str(folder)!r}), 'child')\n"
        "SENT = Outcome(LetterState.SENT, '250 accepted')\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def read_until(running: subprocess.Popen[str], word: str) -> list[str]:
    assert running.stdout is not None
    lines = list(itertools.takewhile(lambda line: line != f"{word}\n", running.stdout))
    return [line.strip() for line in lines]


# ---- what is said is read back


def test_what_was_said_is_read_back(kept: Journal) -> None:
    for one in (7, 8, 9, 2**31 - 1):
        assert kept.leaving(one)
    kept.heard(7, SENT)
    kept.heard(8, LATER)
    kept.heard(9, LOST)
    kept.close(remove=False)
    told = journal.strike(kept.path)
    assert told == Told(False, {7, 8, 9, 2**31 - 1}, {7: SENT, 8: LATER, 9: LOST})


def test_a_letter_that_leaves_once_more_is_in_doubt_again(kept: Journal) -> None:
    kept.leaving(7)
    kept.heard(7, LATER)
    kept.leaving(7)
    kept.close(remove=False)
    assert journal.strike(kept.path) == Told(False, {7}, {})


def test_who_ends_well_leaves_nothing_behind(kept: Journal) -> None:
    kept.leaving(7)
    kept.close(remove=True)
    assert files(kept.path.parent) == []
    assert journal.is_held(kept.path) is None
    with pytest.raises(FileNotFoundError):
        journal.strike(kept.path)


def test_what_is_settled_is_taken_away(kept: Journal) -> None:
    kept.leaving(7)
    kept.close(remove=False)
    assert journal.is_held(kept.path) is False
    assert len(files(kept.path.parent)) == 2
    journal.remove(kept.path)
    journal.remove(kept.path)
    assert files(kept.path.parent) == []


@pytest.mark.parametrize("where", ["missing", "file/journal"])
def test_a_place_that_can_keep_none_is_said_at_once(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=where):
        Journal(tmp_path / where, "token")
    assert files(tmp_path) == ["file"]


def test_a_second_of_the_same_name_leaves_the_first_alone(kept: Journal) -> None:
    kept.leaving(7)
    with pytest.raises(FileExistsError):
        Journal(kept.path.parent, "token")
    assert kept.leaving(8)
    assert journal.strike(kept.path).left == {7, 8}


# ---- processes that die


def test_kill_9_frees_the_lock_and_leaves_one_letter_in_doubt_at_most(tmp_path: Path) -> None:
    """The child tells us of each letter that may go, and of each that it heard of; then it is killed."""
    code = """
for one in itertools.count(1):
    assert kept.leaving(one)
    print('left', one, flush=True)
    kept.heard(one, SENT)
    print('heard', one, flush=True)
"""
    running = child(tmp_path, code)
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(500)]
    path = tmp_path / f"{journal.NAME}child"
    assert journal.is_held(path) is True
    running.kill()
    lines += running.stdout.readlines()  # `communicate` would leave out what is buffered here
    running.wait()
    assert journal.is_held(path) is False
    told = journal.strike(path)
    assert not told.alive
    said = [line.split() for line in lines if line.endswith("\n")]
    assert {int(one) for what, one in said if what == "left"} <= told.left
    assert {int(one) for what, one in said if what == "heard"} <= told.heard.keys() <= told.left
    assert len(told.left - told.heard.keys()) <= 1


def test_a_courier_that_is_struck_lets_go_of_nothing_that_was_not_read(tmp_path: Path) -> None:
    """It runs while it is struck: of each letter either the line is read or it does not leave."""
    code = """
print('ready', flush=True)
last = 0
for one in itertools.count(1):
    if not kept.leaving(one):
        break
    last = one
print(last, kept.fault, kept.leaving(one + 1), flush=True)
sys.stdin.read()
"""
    running = child(tmp_path, code)
    path = tmp_path / f"{journal.NAME}child"
    read_until(running, "ready")
    while not (path.parent / f"{path.name}.0").stat().st_size > 5000:
        assert running.poll() is None
    told = journal.strike(path)
    assert told.alive
    assert running.stdout is not None
    last, fault, another = running.stdout.readline().split()
    assert (fault, another) == ("None", "False")
    assert set(range(1, int(last) + 1)) <= told.left
    running.communicate()
    assert journal.strike(path).alive is False


def test_one_that_was_struck_may_still_say_what_it_heard(kept: Journal) -> None:
    assert kept.leaving(7)
    assert journal.strike(kept.path) == Told(True, {7}, {})
    kept.heard(7, SENT)
    assert not kept.leaving(8)
    assert not kept.fault
    assert journal.strike(kept.path) == Told(True, {7, 8}, {7: SENT})


# ---- a disk that is full


def test_on_a_full_disk_nothing_leaves_and_what_was_written_is_read(tmp_path: Path) -> None:
    code = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1001, 1001))
last = 0
for one in itertools.count(1):
    if not kept.leaving(one):
        break
    last = one
print(last, kept.fault is not None, kept.leaving(one), flush=True)
kept.heard(last, SENT)
kept.close(remove=False)
"""
    out, _ = child(tmp_path, code).communicate()
    last, fault, again = out.split()
    assert int(last) > 100
    assert (fault, again) == ("True", "False")
    told = journal.strike(tmp_path / f"{journal.NAME}child")
    assert told == Told(False, set(range(1, int(last) + 1)), {})


def test_one_that_cannot_write_down_what_it_heard_lets_nothing_more_go(
    kept: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.leaving(7)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _full)
        kept.heard(7, SENT)
    assert kept.fault is not None
    assert kept.fault.errno == errno.ENOSPC
    assert not kept.leaving(8)
    kept.close(remove=False)
    assert journal.strike(kept.path) == Told(False, {7}, {})


def _full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "no space left on device")


# ---- segments


def test_a_long_journal_stays_small(kept: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 300)
    for one in range(1, 1000):
        assert kept.leaving(one)
        kept.heard(one, SENT)
        kept.forget({1000: 1}, {one: SENT})
    assert len(files(kept.path.parent)) == 2
    assert sum(path.stat().st_size for path in kept.path.parent.iterdir()) < 600
    told = journal.strike(kept.path)
    assert 1000 in told.left
    assert told.heard[999] == SENT


@pytest.mark.parametrize("fault", ["unlink", "write"])
def test_a_kill_while_the_next_segment_begins_loses_nothing(
    kept: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str
) -> None:
    """Killed before it writes the new one, and before it takes the old one away."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 10)
    for one in range(1, 9):
        kept.leaving(one)
    kept.heard(8, SENT)
    reading = tmp_path / "read"
    found: list[Told] = []

    def stop(*_: object) -> None:
        found.append(journal.strike(copied(kept, reading)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, fault, stop)
        with pytest.raises(KeyboardInterrupt):
            kept.forget({6: 1, 7: 1}, {8: SENT})
    assert [(told.left >= {6, 7}, told.heard) for told in found] == [(True, {8: SENT})]


def test_without_room_for_the_next_segment_the_old_one_goes_on(
    kept: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 10)
    for one in range(1, 9):
        kept.leaving(one)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _full)
        kept.forget({8: 1}, {})
    assert not kept.fault
    assert kept.leaving(9)
    assert journal.strike(kept.path).left == set(range(1, 10))
    assert len(files(kept.path.parent)) == 2


Step = tuple[str, int]
steps = some.lists(
    some.tuples(some.sampled_from(["leave", "hear", "back", "record"]), some.integers(1, 12)), max_size=60
)


@settings(max_examples=60)
@given(steps)
def test_whatever_happens_what_is_under_way_and_what_is_not_recorded_is_there(
    tmp_path_factory: pytest.TempPathFactory, happens: list[Step]
) -> None:
    """Read as after a kill at each step. What the store knows of may be there or not."""
    folder = tmp_path_factory.mktemp("journal")
    kept = Journal(folder, "token")
    kept_size, journal.SEGMENT_BYTES = journal.SEGMENT_BYTES, 120
    under_way: set[int] = set()
    unrecorded: dict[int, Outcome] = {}
    try:
        for act, one in happens:
            if act == "leave" and one not in under_way and one not in unrecorded:
                assert kept.leaving(one)
                under_way.add(one)
            elif act in ("hear", "back") and one in under_way:
                under_way.remove(one)
                if act == "hear":
                    unrecorded[one] = SENT if one % 2 else LATER
                    kept.heard(one, unrecorded[one])
            elif act == "record":
                unrecorded.clear()
                kept.forget(dict.fromkeys(under_way, 1), unrecorded)
            told = journal.strike(copied(kept, folder / "read"))
            assert under_way <= told.left - told.heard.keys()
            assert unrecorded.items() <= told.heard.items()
    finally:
        journal.SEGMENT_BYTES = kept_size
        kept.close(remove=True)
        shutil.rmtree(folder)


# ---- files that were cut


def test_cut_anywhere_it_says_of_each_letter_before_the_cut_that_it_left(kept: Journal, tmp_path: Path) -> None:
    sizes: list[tuple[int, int]] = []  # letter, size of the file when it might leave
    file = tmp_path / f"{kept.path.name}.0"
    for one in (1, 23, 456, 7, 89):
        kept.leaving(one)
        sizes.append((one, file.stat().st_size))
        if one != 7:
            kept.heard(one, LATER)
    kept.close(remove=False)
    whole = file.read_bytes()
    assert whole.count(b"\n") == 9
    for cut in range(len(whole) + 1):
        file.write_bytes(whole[:cut])
        told = journal.strike(kept.path)
        assert told.left == {one for one, size in sizes if size <= cut}
        assert told.heard.keys() <= told.left
        assert set(told.heard.values()) <= {LATER}
        assert len(told.left - told.heard.keys() - {7}) <= 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b"\0" * 50 + b"\n",
        lambda data: data + b'< [1,\n> x\n< {}\n< [1, "flying", "", "", "", null]\n',
        lambda data: data + b'< null\n\xff\xfe\n< [[], "sent", "", "", "", null]\n',
        lambda data: data + b'< [1, "sent", "", "", "", 1e999]\n< 7\n',
        lambda data: data + b"> 99999999999999999999999999\n",
    ],
)
def test_what_a_failing_disk_adds_hides_nothing(kept: Journal, spoil: Callable[[bytes], bytes]) -> None:
    kept.leaving(7)
    kept.leaving(8)
    kept.heard(8, SENT)
    kept.close(remove=False)
    file = kept.path.parent / f"{kept.path.name}.0"
    file.write_bytes(spoil(file.read_bytes()))
    told = journal.strike(kept.path)
    assert told.left >= {7, 8}
    assert told.heard == {8: SENT}


def test_a_segment_that_is_gone_is_no_error(kept: Journal) -> None:
    kept.leaving(7)
    kept.close(remove=False)
    (kept.path.parent / f"{kept.path.name}.0").unlink()
    assert journal.strike(kept.path) == Told(False)


def test_the_boot_of_a_machine_stays_the_same() -> None:
    assert journal.boot() == journal.boot() != ""
