"""Filing letters in Maildirs, on a real file system, with real faults."""

from __future__ import annotations

import asyncio
import email
import email.policy
import mailbox
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path

import pytest
from supply import carried

from digest.delivery.maildir import NAME_LIMIT, Maildir, file_name, folder_name
from digest.delivery.transport import Parcel
from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

MESSAGE = b"From: d@example.org\r\nTo: a@example.org\r\nSubject: Hi\r\n\r\n.dot\r\nbody\r\n"


def parcel(recipient: str = "a@example.org", message_id: str = "<1@example.org>", body: bytes = MESSAGE) -> Parcel:
    return Parcel("d@example.org", recipient, message_id, body)


def deliver(folder: Path, *parcels: Parcel) -> list[Outcome]:
    async def run() -> list[Outcome]:
        transport = Maildir(folder)
        await transport.open()
        try:
            outcomes = []
            for one in await carried(transport, parcels):
                if isinstance(one, BaseException):
                    raise one
                outcomes.append(one)
            return outcomes
        finally:
            await transport.close()

    return asyncio.run(run())


def settle(folder: Path, message_id: str) -> Outcome | None:
    return asyncio.run(Maildir(folder).settle([message_id])).get(message_id)


def files(folder: Path, part: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*/{part}/*") if path.is_file())


# ---- filing


def test_a_letter_is_filed_where_a_mail_reader_finds_it(tmp_path: Path) -> None:
    [outcome] = deliver(tmp_path, parcel())
    assert outcome.state is LetterState.SENT
    path = Path(outcome.where)
    assert path.parent == tmp_path / "a@example.org" / "new"
    assert path.read_bytes() == MESSAGE.replace(b"\r\n", b"\n")
    assert path.stat().st_mode & 0o077 == 0
    box = mailbox.Maildir(str(tmp_path / "a@example.org"), create=False)
    [message] = list(box)
    assert message["Subject"] == "Hi"
    assert message.get_payload() == ".dot\nbody\n"
    assert files(tmp_path, "tmp") == []


def test_each_recipient_has_a_maildir(tmp_path: Path) -> None:
    outcomes = deliver(tmp_path, *(parcel(f"r{i}@example.org", f"<{i}@x>") for i in range(20)))
    assert {o.state for o in outcomes} == {LetterState.SENT}
    assert len(files(tmp_path, "new")) == 20
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"r{i}@example.org" for i in range(20))


def test_a_repeat_never_doubles(tmp_path: Path) -> None:
    [first] = deliver(tmp_path, parcel())
    [second] = deliver(tmp_path, parcel())
    assert (second.state, second.where) == (LetterState.SENT, first.where)
    assert len(files(tmp_path, "new")) == 1


def test_a_repeat_never_doubles_what_the_reader_has_seen(tmp_path: Path) -> None:
    [first] = deliver(tmp_path, parcel())
    seen = tmp_path / "a@example.org" / "cur" / (Path(first.where).name + ":2,FS")
    Path(first.where).rename(seen)
    [second] = deliver(tmp_path, parcel())
    assert (second.state, second.where) == (LetterState.SENT, str(seen))
    assert files(tmp_path, "new") == []


def test_the_same_letters_at_the_same_time_from_many_threads_are_filed_once(tmp_path: Path) -> None:
    """Each opens the Maildir for each letter, so that the clearing meets files that are just being made."""
    outcomes: list[Outcome] = []

    def work() -> None:
        for i in range(25):
            outcomes.extend(deliver(tmp_path, parcel(message_id=f"<{i}@x>")))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [o.state for o in outcomes] == [LetterState.SENT] * 200
    assert len(files(tmp_path, "new")) == 25
    assert files(tmp_path, "tmp") == []


def test_a_message_already_in_lf_stays_as_it_is(tmp_path: Path) -> None:
    [outcome] = deliver(tmp_path, parcel(body=b"Subject: x\n\nbody\n"))
    assert Path(outcome.where).read_bytes() == b"Subject: x\n\nbody\n"


@pytest.mark.parametrize("body", [b"Subject: x\rBcc: y\r\n\r\n.", b"Subject: x\nBcc: y\r\n\r\nb\r\n", b"a\rb\n"])
def test_a_message_with_mixed_line_ends_is_refused(tmp_path: Path, body: bytes) -> None:
    bad, good = deliver(tmp_path, parcel(body=body), parcel(message_id="<2@x>"))
    assert bad.state is LetterState.FAILED
    assert "line ends" in bad.reply
    assert good.state is LetterState.SENT


# ---- names


@pytest.mark.parametrize(
    "address",
    [
        "..",
        ".",
        "../../etc/passwd",
        "/etc/x@y",
        ".hidden@x",
        "a/b@x",
        "a\0b@x",
        "a\nb@x",
        "new",
        "cur",
        "tmp",
        "~root@x",
    ],
)
def test_no_address_leads_out_of_the_folder(tmp_path: Path, address: str) -> None:
    folder = tmp_path / "mail"
    [outcome] = deliver(folder, parcel(address))
    assert outcome.state is LetterState.SENT
    assert Path(outcome.where).resolve().parent.parent.parent == folder.resolve()
    assert [p.name for p in tmp_path.iterdir()] == ["mail"]
    assert not folder_name(address).startswith(".")
    found = settle(folder, "<1@example.org>")
    assert found is not None
    assert found.state is LetterState.SENT


def test_names_are_told_apart_and_plain_ones_stay_readable() -> None:
    addresses = [
        "a b@x",
        "a%20b@x",
        "a+b@x",
        "ä@x",
        "a@x",
        "A@x",
        ".a@x",
        "%2Ea@x",
        "x" * 300 + "@a",
        "x" * 300 + "@b",
    ]
    names = [folder_name(address) for address in addresses]
    assert len(set(names)) == len(names)
    assert folder_name("jane.doe+papers@example.org") == "jane.doe+papers@example.org"
    assert all(len(name) <= NAME_LIMIT for name in names)


def test_an_endless_address_gets_a_short_folder(tmp_path: Path) -> None:
    [outcome] = deliver(tmp_path, parcel("é" * 5000 + "@example.org"))
    assert outcome.state is LetterState.SENT


def test_no_recipient_is_a_failure(tmp_path: Path) -> None:
    [outcome] = deliver(tmp_path, parcel(""))
    assert outcome.state is LetterState.FAILED


@pytest.mark.parametrize(
    "message_id", ["<a/b@x>", "<a:2,S@x>", "<../../x>", "<>", "", "<\0>", "<" + "y" * 999 + ">"]
)
def test_any_message_id_makes_a_file_name(tmp_path: Path, message_id: str) -> None:
    [outcome] = deliver(tmp_path, parcel(message_id=message_id))
    assert Path(outcome.where).name == file_name(message_id)


# ---- after a crash


def test_what_was_filed_settles_as_sent_and_what_was_not_can_be_sent_again(tmp_path: Path) -> None:
    outcomes = deliver(tmp_path, *(parcel(f"r{i}@x", f"<{i}@x>") for i in range(5)))
    seen = Path(outcomes[3].where)
    moved = seen.parent.parent / "cur" / f"{seen.name}:2,S"
    seen.rename(moved)
    assert settle(tmp_path, "<1@x>") == Outcome(
        LetterState.SENT, "found in the Maildir", outcomes[1].where, "accepted"
    )
    assert settle(tmp_path, "<3@x>") == Outcome(LetterState.SENT, "found in the Maildir", str(moved), "accepted")
    missing = settle(tmp_path, "<9@x>")
    assert missing is not None
    assert missing.state is LetterState.DEFERRED


def test_many_are_settled_with_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = deliver(tmp_path, *(parcel(f"r{i}@x", f"<{i}@x>") for i in range(5)))
    looked = Counter[str]()
    scandir = os.scandir

    def count(path: Path) -> object:
        looked[str(path)] += 1
        return scandir(path)

    monkeypatch.setattr(os, "scandir", count)
    found = asyncio.run(Maildir(tmp_path).settle([f"<{i}@x>" for i in range(9)]))
    monkeypatch.undo()
    assert [found[f"<{i}@x>"].where for i in range(5)] == [one.where for one in outcomes]
    assert {found[f"<{i}@x>"].state for i in range(5, 9)} == {LetterState.DEFERRED}
    assert set(looked.values()) == {1}


def test_settling_before_there_is_a_folder(tmp_path: Path) -> None:
    outcome = settle(tmp_path / "none", "<1@x>")
    assert outcome is not None
    assert outcome.state is LetterState.DEFERRED


def test_settling_is_not_disturbed_by_what_is_no_maildir(tmp_path: Path) -> None:
    [filed] = deliver(tmp_path, parcel("z@x"))
    (tmp_path / "a@x").write_text("a file")
    (tmp_path / "b@x").mkdir()
    (tmp_path / "b@x" / "cur").write_text("a file")
    (tmp_path / "b@x" / "new").write_text("a file")
    outcome = settle(tmp_path, "<1@example.org>")
    assert outcome is not None
    assert outcome.where == filed.where


KILLED = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from digest.delivery.maildir import Maildir
    from digest.delivery.transport import Parcel, deliver_one

    def die(handle):  # in the middle: the file is written, and has no name in new/ yet
        os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = die if sys.argv[2] == "killed" else os.fsync
    async def main():
        transport = Maildir(Path(sys.argv[1]))
        await deliver_one(transport, Parcel("s@x", "a@x", "<1@x>", b"Subject: x\\r\\n\\r\\n" + b"y" * 100000))
    for part in ("tmp", "new", "cur"):
        os.makedirs(f"{sys.argv[1]}/a@x/{part}", exist_ok=True)
    asyncio.run(main())
"""


def test_kill_9_leaves_nothing_in_new_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), "killed"], check=False)
    assert done.returncode == -9
    assert len(files(tmp_path, "tmp")) == 1
    assert files(tmp_path, "new") == []
    outcome = settle(tmp_path, "<1@x>")
    assert outcome is not None
    assert outcome.state is LetterState.DEFERRED

    theirs = tmp_path / "a@x" / "tmp" / "1234.M5P6.otherhost"
    theirs.write_text("another program's")
    [again] = deliver(tmp_path, parcel("a@x", "<1@x>"))
    assert again.state is LetterState.SENT
    assert files(tmp_path, "tmp") == [theirs]
    assert len(files(tmp_path, "new")) == 1


def test_a_file_that_is_being_written_is_not_cleaned_away(tmp_path: Path) -> None:
    import fcntl

    deliver(tmp_path, parcel("a@x"))
    busy = tmp_path / "a@x" / "tmp" / f"{file_name('<2@x>')}.{'0' * 16}"
    with busy.open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        deliver(tmp_path)
        assert busy.exists()
    deliver(tmp_path)
    assert not busy.exists()


# ---- one recipient's fault


def test_a_file_in_the_place_of_a_recipients_folder_hurts_only_that_one(tmp_path: Path) -> None:
    (tmp_path / "bad@x").write_text("not a folder")
    (tmp_path / "loop@x").symlink_to("loop@x")
    (tmp_path / "half@x").mkdir()
    (tmp_path / "half@x" / "new").write_text("not a folder")
    bad, loop, half, good = deliver(
        tmp_path, *(parcel(f"{name}@x", f"<{name}@x>") for name in ("bad", "loop", "half", "good"))
    )
    assert [o.state for o in (bad, loop, half)] == [LetterState.FAILED] * 3
    assert "a file is where the folder should be" in bad.reply
    assert str(tmp_path / "bad@x") in bad.reply
    assert good.state is LetterState.SENT
    assert (tmp_path / "bad@x").read_text() == "not a folder"


# ---- a fault of the place


def test_a_file_in_the_place_of_the_folder_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("x")
    with pytest.raises(RelayUnusable, match="a file is where the folder should be"):
        deliver(tmp_path / "mail", parcel())


IN_ANOTHER_PROCESS = """
    import asyncio, resource, sys
    from pathlib import Path
    from digest.delivery.maildir import Maildir
    from digest.delivery.transport import Parcel, deliver_one
    from digest.errors import RelayUnusable

    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    async def main():
        transport = Maildir(folder)
        for name in sys.argv[3:]:
            who, size = name.split("=")
            try:
                await transport.open()
                body = b"Subject: x\\r\\n\\r\\n" + (b"y" * 70 + b"\\r\\n") * (int(size) // 72)
                outcome = await deliver_one(transport, Parcel("s@x", who, f"<{who}>", body))
                print(outcome.state, outcome.reply, sep="|")
            except RelayUnusable as error:
                print("unusable", error, sep="|")

    asyncio.run(main())
"""


# Root may write anywhere. Without these two capabilities (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) root is as bound
# by permissions as anybody; for a normal user the calls fail and change nothing.
AS_A_PLAIN_USER = """
    import ctypes, os, sys
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    os.execv(sys.argv[1], sys.argv[1:])
"""


def elsewhere(
    folder: Path, *parcels: str, limit: int = 0, plain_user: bool = False, before: str = ""
) -> list[tuple[str, str]]:
    """Deliver in a process of its own, whose limits can be changed. `before` runs as root of a namespace."""
    command = [sys.executable, "-c", textwrap.dedent(IN_ANOTHER_PROCESS), str(folder), str(limit), *parcels]
    if plain_user:
        command = [sys.executable, "-c", textwrap.dedent(AS_A_PLAIN_USER), *command]
    if before:
        namespace = ["unshare", "--user", "--map-root-user", "--mount"]
        command = [*namespace, "sh", "-ec", before + '\nexec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [(line.split("|")[0], line.split("|", 1)[1]) for line in done.stdout.splitlines()]


def mounts_are_allowed() -> bool:
    """Whether this user may make a small disk of his own (a user namespace; some systems forbid it)."""
    try:
        probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not mounts_are_allowed(), reason="this system lets nobody mount a small disk")
class TestOnASmallDisk:
    """A disk of 256 KB. What is left on it is copied out, because it goes with the process."""

    def run(
        self, tmp_path: Path, options: str, *parcels: str, after: str = ""
    ) -> tuple[list[tuple[str, str]], Path]:
        disk, copy = tmp_path / "disk", tmp_path / "copy"
        disk.mkdir()
        before = f'mount -t tmpfs -o {options} tmpfs "{disk}"\n{after}'
        before += f'\n"$@"; cp -r "{disk}" "{copy}"; exit 0'
        return elsewhere(disk / "mail", *parcels, before=before), copy / "mail"

    def test_a_full_disk_stops_the_run_and_leaves_no_half_letter(self, tmp_path: Path) -> None:
        results, mail = self.run(tmp_path, "size=256k", "a@x=20000", "b@x=900000", "c@x=20000")
        assert [state for state, _ in results] == ["sent", "unusable", "sent"]
        assert "the disk is full" in results[1][1]
        assert "b@x" in results[1][1]
        assert [p.parent.parent.name for p in files(mail, "new")] == ["a@x", "c@x"]
        assert files(mail, "tmp") == []

    def test_a_disk_that_fills_up_letter_by_letter(self, tmp_path: Path) -> None:
        results, mail = self.run(tmp_path, "size=256k", *(f"r{i:02}@x=30000" for i in range(12)))
        states = [state for state, _ in results]
        sent = states.count("sent")
        assert 0 < sent < 12
        assert states == ["sent"] * sent + ["unusable"] * (12 - sent)
        complete = [p for p in files(mail, "new") if p.read_bytes().endswith(b"y\n") and p.stat().st_size > 29_000]
        assert len(complete) == len(files(mail, "new")) == sent
        assert files(mail, "tmp") == []

    def test_a_disk_out_of_inodes(self, tmp_path: Path) -> None:
        results, mail = self.run(tmp_path, "nr_inodes=8", "a@x=1000", "b@x=1000")
        assert [state for state, _ in results] == ["sent", "unusable"]
        assert "the disk is full" in results[1][1]
        assert len(files(mail, "new")) == 1

    def test_a_read_only_disk(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        readonly = f'mkdir "{disk}/mail"; mount -o remount,ro tmpfs "{disk}"'
        results, _ = self.run(tmp_path, "size=256k", "a@x=1000", after=readonly)
        assert [state for state, _ in results] == ["unusable"]
        assert "the disk is read-only" in results[0][1]


def test_a_folder_that_may_not_be_written_stops_the_run(tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.mkdir(0o555)
    [(state, text)] = elsewhere(mail, "a@x=1000", plain_user=True)
    assert state == "unusable"
    assert "this user may not write there" in text
    assert "Give the folder to the user" in text


def test_one_recipients_folder_that_may_not_be_used_hurts_only_that_one(tmp_path: Path) -> None:
    (tmp_path / "a@x").mkdir(0o555)
    (tmp_path / "b@x").mkdir(0o000)
    results = elsewhere(tmp_path, "a@x=1000", "b@x=1000", "c@x=1000", plain_user=True)
    assert [state for state, _ in results] == ["failed", "failed", "sent"]
    assert "may not write there" in results[0][1]
    (tmp_path / "b@x").chmod(0o700)


def test_the_message_survives_the_way_to_disk_and_back(tmp_path: Path) -> None:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = "Größe"
    message.set_content("Zeile\n.punkt\n..zwei\n\nFrom here on\n" + "x" * 2000)
    message.add_alternative("<p>größer</p>", subtype="html")
    [outcome] = deliver(tmp_path, parcel(body=message.as_bytes()))
    back = email.message_from_bytes(Path(outcome.where).read_bytes(), policy=email.policy.default)
    assert back["Subject"] == "Größe"
    text = back.get_body(("plain",))
    assert text is not None
    assert text.get_content() == "Zeile\n.punkt\n..zwei\n\nFrom here on\n" + "x" * 2000 + "\n"
