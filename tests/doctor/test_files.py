"""Files, disks and packages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from digest import clock, config
from digest.dns import Resolver
from digest.doctor import files, machine
from digest.doctor.machine import Room, judge_packages, judge_room, room
from digest.doctor.result import Patient, Result, Verdict
from digest.signing import write_key


def look(home: Path, toml: str = "", check: Any = files.files) -> dict[str, Result]:
    patient = Patient(config.parse(toml.encode(), home), Resolver(), clock.now, lambda: "")
    return {one.check: one for one in asyncio.run(check(patient))}


def test_a_new_home_is_in_order(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert {one.verdict for one in found.values()} == {Verdict.OK}
    assert [*found] == [f"files.{one}" for one in ("config", "home", "maildir", "templates", "secret", "password")]
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize(("mode", "verdict"), [(0o644, "warn"), (0o640, "ok")])
def test_a_password_in_the_configuration(tmp_path: Path, mode: int, verdict: str) -> None:
    toml = '[store]\nurl = "postgresql://joe:h7nter-2@localhost/digest"\n'
    (tmp_path / "config.toml").write_text(toml)
    (tmp_path / "config.toml").chmod(mode)
    assert look(tmp_path, toml)["files.config"].verdict == verdict


def test_what_cannot_be_written_to(tmp_path: Path) -> None:
    found = files.writable("files.home", tmp_path / "gone")
    assert (found.verdict, "No such file" in found.seen) == (Verdict.FAIL, True)
    (tmp_path / "mail").write_text("a file")
    assert look(tmp_path)["files.maildir"].verdict is Verdict.FAIL


PAGES = '[web]\nbase_url = "https://digest.example.org"\n'
LOGIN = '[delivery]\nkind = "smtp"\n[delivery.smtp]\nuser = "joe"\npassword_file = "password"\n'
KEY = '[[dkim.keys]]\nselector = "a"\nfile = "key.pem"\n'
SECRET = f"{'a1' * 32}\n"


@pytest.mark.parametrize(
    ("name", "toml", "file", "check"),
    [
        ("secret", PAGES, SECRET, "secret"),
        ("password", LOGIN, "h7nter-2", "password"),
        ("key.pem", KEY, "", "dkim.a"),
    ],
)
@pytest.mark.parametrize(
    ("mode", "verdict"),
    [(0o600, "ok"), (0o640, "warn"), (0o660, "warn"), (0o644, "fail"), (0o602, "fail"), (None, "fail")],
)
def test_what_is_secret(
    tmp_path: Path, name: str, toml: str, file: str, check: str, mode: int | None, verdict: str
) -> None:
    if mode is not None:
        if file:
            (tmp_path / name).write_text(file)
        else:
            write_key(tmp_path / name, "ed25519", 256)
        (tmp_path / name).chmod(mode)
    found = look(tmp_path, toml)[f"files.{check}"]
    assert (found.verdict, bool(found.remedy)) == (verdict, verdict != "ok"), found
    assert file.strip() not in found.seen or not file, "a secret is not told"
    if mode and verdict != "ok":
        assert f"chmod 600 {tmp_path / name}" in found.remedy


def test_what_root_lets_our_group_read_is_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o640)
    monkeypatch.setattr("os.geteuid", lambda: path.stat().st_uid + 1)
    assert look(tmp_path, PAGES)["files.secret"].verdict is Verdict.OK


def test_a_password_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = LOGIN.replace("password_file", "password_env").replace('"password"', '"DIGEST_TEST_PASSWORD"')
    assert look(tmp_path, toml)["files.password"].verdict is Verdict.FAIL
    monkeypatch.setenv("DIGEST_TEST_PASSWORD", "")
    assert "is empty" in look(tmp_path, toml)["files.password"].seen
    monkeypatch.setenv("DIGEST_TEST_PASSWORD", "pass-word")
    found = look(tmp_path, toml)["files.password"]
    assert (found.verdict, "pass-word" in found.seen) == (Verdict.OK, False)


@pytest.mark.parametrize(
    ("card", "verdict", "part"),
    [
        ("{{ card.title }}", "ok", "sample letters can be made"),
        ("{{ card.titel }}", "fail", "card.html:1"),
        (None, "fail", "letter.templates: no such folder"),
    ],
)
def test_templates(tmp_path: Path, card: str | None, verdict: str, part: str) -> None:
    if card is not None:
        (tmp_path / "own/letter").mkdir(parents=True)
        (tmp_path / "own/letter/card.html").write_text(card)
    found = look(tmp_path, '[letter]\ntemplates = "own"\n')["files.templates"]
    assert (found.verdict, part in found.seen) == (verdict, True), found
    found = look(tmp_path, f'[letter]\ntemplates = "own"\n{PAGES}')["files.templates"]
    assert found.verdict == ("fail" if card is None else "unknown"), "without the secret there are no links"


# ---- disks


@pytest.mark.parametrize(
    ("left", "verdict"),
    [
        (Room(50_000_000_000, 1_000_000), "ok"),
        (Room(50_000_000_000, None), "ok"),  # some file systems have no limit
        (Room(999_999_999, 1_000_000), "warn"),
        (Room(50_000_000_000, 49_999), "warn"),
        (Room(99_999_999, 1_000_000), "fail"),
        (Room(50_000_000_000, 1_999), "fail"),
    ],
)
def test_room_on_a_disk(left: Room, verdict: str) -> None:
    assert judge_room("disk.home", Path("/x"), left).verdict == verdict


def test_each_disk_is_looked_at_once(tmp_path: Path) -> None:
    found = look(tmp_path, '[delivery]\nmaildir = "not/yet/there"\n', machine.disk)
    assert [*found] == ["disk.home"], "the store and the Maildir lie on the same one"
    assert str(tmp_path) in found["disk.home"].seen
    assert room(tmp_path).free > 0


def test_another_disk_is_looked_at_too(tmp_path: Path) -> None:
    here = tmp_path.stat().st_dev
    others = [
        one for one in (Path("/dev/shm"), Path(__file__).parent) if one.is_dir() and one.stat().st_dev != here
    ]
    if not others:
        pytest.skip("there is no other file system")
    other = others[0]
    found = look(tmp_path, f'[delivery]\nmaildir = "{other}/none"\n', machine.disk)
    assert [*found] == ["disk.home", "disk.maildir"]


# ---- packages


@pytest.mark.parametrize(
    ("needs", "verdict", "part"),
    [
        (["numpy>=2.0", "rich"], "ok", "2 packages are new enough"),
        (["numpy>=999"], "fail", "numpy is "),
        (["no-such-package>=1"], "fail", "no-such-package is not installed"),
        (["no-such-package>=1; extra == 'more'"], "ok", "0 packages"),
        (["numpy>=999; extra == 'more'"], "warn", ">=999 is needed"),
    ],
)
def test_packages(needs: list[str], verdict: str, part: str) -> None:
    found = judge_packages(needs, "Python 3")
    assert (found.verdict, part in found.seen) == (verdict, True)


def test_what_is_installed_here_is_new_enough(tmp_path: Path) -> None:
    (found,) = look(tmp_path, check=machine.software).values()
    assert found.verdict is Verdict.OK
    assert found.seen.startswith("Python 3.")
