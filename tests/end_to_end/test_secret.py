"""`digest secret new`: links are signed, and those already sent stay valid."""

from __future__ import annotations

import stat

import pytest
from command import Digest

from digest import config, privacy
from digest.tokens import Keys


def keys(digest: Digest) -> Keys:
    settings = config.load(digest.home)
    return Keys(config.secrets(settings.web, settings.home))


def test_a_new_secret_signs_and_the_old_one_still_counts(digest: Digest) -> None:
    said = digest("secret", "new")
    assert "wrote a new secret into secret" in said.out
    assert "base_url" in said.err
    path = digest.home / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    token = keys(digest).token("unsubscribe", 7)

    assert "1 older secret kept" in digest("secret", "new").out
    assert path.read_text().endswith(first)
    assert path.read_text() != first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys(digest).token("unsubscribe", 7) != token
    assert keys(digest).valid("unsubscribe", token)

    assert "no longer work" in digest("secret", "new", "--drop-old").out
    assert len(path.read_text().split()) == 1
    assert not keys(digest).valid("unsubscribe", token)
    assert sorted(one.name for one in digest.home.iterdir()) == ["config.toml", "profiles", "secret"]


def test_a_file_that_holds_something_else_is_not_overwritten(digest: Digest) -> None:
    digest.write("config.toml", '[web]\nsecret_file = "keys/mine"\nbase_url = "https://digest.example.org"\n')
    path = digest.write("keys/mine", "my diary\n")
    said = digest("secret", "new", code=3)
    assert "not a list of secrets" in said.err
    assert "--drop-old" in said.err
    assert path.read_text() == "my diary\n"
    digest("secret", "new", "--drop-old")
    assert keys(digest)


def test_a_folder_that_cannot_be_made_is_named(digest: Digest) -> None:
    digest.write("config.toml", '[web]\nsecret_file = "profiles/alice.toml/secret"\n')
    digest.profile("alice")
    assert "a file is where the folder should be" in digest("secret", "new", code=3).err


def test_who_else_may_read_what_is_secret_is_said_once(digest: Digest, caplog: pytest.LogCaptureFixture) -> None:
    digest("secret", "new")
    digest("dkim", "new")
    digest.write(
        "config.toml",
        '[letter]\nfrom_address = "letters@example.org"\n[web]\nbase_url = "https://digest.example.org"\n'
        '[bounces]\naddress = "back@example.org"\n[[dkim.keys]]\nselector = "digest"\nfile = "dkim-digest.pem"\n',
    )
    digest.profile("alice")
    digest("profiles", "apply")
    digest("run")
    assert not caplog.messages, "both were made for their owner alone"
    (digest.home / "secret").chmod(0o644)
    (digest.home / "dkim-digest.pem").chmod(0o640)
    privacy.warn_of_exposure.cache_clear()
    digest("run")
    digest("run")
    told = [
        f"{digest.home}/{name}: {who}, and so sign as you — `chmod 600 {digest.home}/{name}`"
        for name, who in (
            ("dkim-digest.pem", "its group may read it"),
            ("secret", "everybody on this machine may read or write it"),
        )
    ]
    assert sorted(caplog.messages) == told
