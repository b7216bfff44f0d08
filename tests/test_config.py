"""config.toml: defaults, what is refused and what is said about it, where relative paths lead."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest import config
from digest.config import Config, ImapConfig, SmtpConfig
from digest.errors import ConfigMissing, FileInvalid, Problem
from digest.tomlfile import dotted_keys

HOME = Path("/srv/letters")
KEYS = [key for key in dotted_keys(Config) if "[]" not in key and "*" not in key]  # the rest has no default
SAMPLE = Path(config.__file__).parent / "samples" / "config.toml"


def parse(text: str | bytes) -> Config:
    return config.parse(text if isinstance(text, bytes) else text.encode(), HOME)


def problem(text: str | bytes) -> Problem:
    with pytest.raises(FileInvalid) as raised:
        parse(text)
    (one,) = raised.value.problems
    assert one.path == "config.toml"
    return one


def value(of: object, key: str) -> object:
    for step in key.split("."):
        of = getattr(of, step)
    return of


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_a_default_and_the_sample_shows_it(key: str) -> None:
    assert value(parse(b""), key) == value(parse(SAMPLE.read_bytes()), key)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_refuses_what_it_cannot_be(key: str) -> None:
    one = problem(f"\n{key} = [[1]]\n")
    assert (one.line, one.key.removesuffix("[1]")) == (2, key)
    assert "a list of 1" in one.what


@pytest.mark.parametrize(
    ("text", "line", "key", "what", "remedy"),
    [
        ("[leter]\n", 1, "leter", "unknown key", "did you mean `letter`?"),
        (
            "[smtp]\nhost = 'a'",
            1,
            "smtp",
            "unknown key",
            "collect, delivery, dkim, edition, letter, ranking, serve, sources, store",
        ),
        ("[letter]\nnmae = 'a'", 2, "letter.nmae", "unknown key", "did you mean `name`?"),
        ("[delivery.smtp]\n\npasword_env = 'a'", 3, "delivery.smtp.pasword_env", "unknown key", "`password_env`"),
        ("[delivery.smtp]\npassword = 'a'", 2, "delivery.smtp.password", "unknown key", "password_"),
        ("[delivery]\nkind = 'smpt'", 2, "delivery.kind", "must be 'maildir' or 'smtp'", "did you mean 'smtp'?"),
        ("[delivery.smtp]\ntls = 'ssl'", 2, "delivery.smtp.tls", "must be 'starttls', 'implicit' or 'none'", ""),
        ("[delivery.smtp]\nport = 0", 2, "delivery.smtp.port", "must be at least 1, found 0", "port = 587"),
        ("[delivery.smtp]\nport = 65536", 2, "delivery.smtp.port", "must be at most 65535", "port = 587"),
        ("[delivery.smtp]\ntimeout_seconds = nan", 2, "delivery.smtp.timeout_seconds", "must be", "= 30.0"),
        ("[delivery.smtp]\ntimeout_seconds = inf", 2, "delivery.smtp.timeout_seconds", "at most 600", "= 30.0"),
        ('[delivery.smtp]\nhost = "a\\r\\nb"', 2, "delivery.smtp.host", "control characters", "one line"),
        ("[letter]\nname = ''", 2, "letter.name", "an empty text", "remove"),
        ("[letter]\nname = '  '", 2, "letter.name", "an empty text", "remove"),
        ("[letter]\nname = '" + "x" * 61 + "'", 2, "letter.name", "61 characters", "length"),
        (
            "[letter]\nfrom_address = 'A <a@example.org>'",
            2,
            "letter.from_address",
            "only the bare address",
            "`name`",
        ),
        ("[letter]\ncontact = 'a'", 2, "letter.contact", "is not a mail address", "me@example.org"),
        ("[edition]\nwindow_days = 0", 2, "edition.window_days", "must be at least 1", "window_days = 7"),
        ("[dkim]\ndomain = 'exa mple'", 2, "dkim.domain", "is not the domain of an address", "example.org"),
        ("[dkim]\ndomain = 'org'", 2, "dkim.domain", "is not the domain of an address", "example.org"),
        ("[dkim]\n[[dkim.keys]]\nfile = 'a'", 2, "dkim.keys[1].selector", "missing", "add"),
        ("[[dkim.keys]]\nselector = 'a'\nfile = ''", 3, "dkim.keys[1].file", "an empty text", "remove"),
        ("[dkim]\nkeys = ['a.pem']", 2, "dkim.keys[1]", "must be a table", "{ file = …, selector = … }"),
        ("[dkim]\nkeys = [{selector = 'a b', file = 'a'}]", 2, "dkim.keys[1].selector", "not a sel", "hyphens"),
        ("[dkim]\nkeys = [{selector = 'a;d=x', file = 'a'}]", 2, "dkim.keys[1].selector", "not a sel", "hyphens"),
        (
            "[[dkim.keys]]\nselector = 'a'\nfile = 'a'\n[[dkim.keys]]\nfile = 'b'\nselector = 'A'",
            6,
            "dkim.keys[2].selector",
            "another key has the selector 'a' too",
            "of its own",
        ),
        *(
            (
                f"[web]\nbase_url = 'https://x{port}'",
                2,
                "web.base_url",
                f"the port of 'https://x{port}' is no",
                ":8443",
            )
            for port in (":99999", ":abc", ":0", ":-1", ":80:80/x")
        ),
        ("[web]\nbase_url = 'https://[::1'", 2, "web.base_url", "is no address of pages", "https://digest"),
        ("[delivery]\ngroup_by = 'dns'", 2, "delivery.group_by", "must be 'mx' or 'domain'", ""),
        ("[delivery.pace]\nper_hour = 3", 2, "delivery.pace.per_hour", "unknown key", "per_window, window_minutes"),
        ("[delivery.pace]\nper_second = -1", 2, "delivery.pace.per_second", "must be at least 0", "= 0.0"),
        ("[delivery.pace]\nper_second = inf", 2, "delivery.pace.per_second", "must be at most 100000", "= 0.0"),
        ("[delivery.pace]\nper_window = 0.5", 2, "delivery.pace.per_window", "must be a whole number", "= 0"),
        ("[delivery.pace]\nwindow_minutes = 0", 2, "delivery.pace.window_minutes", "at least 1", "= 60.0"),
        (
            "[delivery]\nproviders = 3",
            2,
            "delivery.providers",
            "must be a section, found 3",
            "[delivery.providers]",
        ),
        (
            "[delivery.providers.default]\nconections = 3",
            2,
            "delivery.providers.default.conections",
            "unknown key",
            "did you mean `connections`?",
        ),
        (
            "[delivery.providers.'google.com']\nconnections = 257",
            2,
            "delivery.providers.'google.com'.connections",
            "must be at most 256",
            "connections = 0",
        ),
        (
            "[delivery.providers.google.com]\nconnections = 3",
            1,
            "delivery.providers.google.com",
            "a name with a dot needs quotes",
            '[delivery.providers."google.com"]',
        ),
        (
            "[delivery.providers.Default]\nconnections = 3",
            1,
            "delivery.providers.Default",
            "'Default' is not the domain of an address",
            "",
        ),
        (
            "[delivery.providers.'a.org']\n[delivery.providers.'A.org']",
            2,
            "delivery.providers.'A.org'",
            "'a.org' is the same provider",
            "keep one",
        ),
        ("[delivery.providers]\ndefault = 3", 2, "delivery.providers.default", "must be a section", "default]"),
        ("delivery = 'smtp'", 1, "delivery", "must be a section", "[delivery]"),
        ("[[letter]]\nname = 'a'", 1, "letter", "must be a section", "[letter]"),
        (
            "[delivery]\n[delivery.smtp]\npassword_env = 'A'\npassword_file = 'b'",
            2,
            "delivery.smtp",
            "both `password_env` and `password_file` are set",
            "keep one",
        ),
        ("[delivery.smtp]\nuser = 'a'", 1, "delivery.smtp", "`user` is set without a password", "`password_env`"),
        (
            "[delivery.smtp]\nuser = 'a'\npassword_env = 'A'\ntls = 'none'",
            1,
            "delivery.smtp",
            "a login without TLS would send the password in the clear",
            "starttls",
        ),
    ],
)
def test_each_slip_names_its_line_key_and_remedy(text: str, line: int, key: str, what: str, remedy: str) -> None:
    one = problem(text)
    assert (one.line, one.key) == (line, key)
    assert what in one.what
    assert remedy in one.remedy


def test_a_provider_has_its_own_limits_or_those_of_all() -> None:
    text = "[delivery.providers.default]\nper_window = 9\n[delivery.providers.'Google.COM']\nconnections = 3"
    ours = parse(text).delivery
    google, other = ours.provider("google.com"), ours.provider("example.org")
    assert (google.connections, google.per_window, google.window_minutes) == (3, 0, 60.0)
    assert (other.connections, other.per_window) == (0, 9)
    assert parse("").delivery.provider("google.com").per_window == 0


def test_a_login_with_tls_is_fine() -> None:
    smtp = parse("[delivery.smtp]\nuser = 'a'\npassword_env = 'A'").delivery.smtp
    assert (smtp.user, smtp.tls) == ("a", "starttls")


def test_a_byte_order_mark_and_windows_line_ends() -> None:
    assert parse(b"\xef\xbb\xbf[letter]\r\nname = 'Ours'\r\n").letter.name == "Ours"


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("sqlite:///digest.db", "sqlite:////srv/letters/digest.db"),
        ("sqlite:///data/digest.db", "sqlite:////srv/letters/data/digest.db"),
        ("sqlite:////var/lib/digest.db", "sqlite:////var/lib/digest.db"),
        ("sqlite:///digest.db?timeout=5", "sqlite:////srv/letters/digest.db?timeout=5"),
        ("postgresql://me:pass%40word@host/digest", "postgresql://me:pass%40word@host/digest"),
        ("postgresql+psycopg:///digest?host=/run/pg", "postgresql+psycopg:///digest?host=/run/pg"),
    ],
)
def test_a_relative_store_lies_in_the_home_folder(url: str, resolved: str) -> None:
    assert parse(f"[store]\nurl = '{url}'").store_url == resolved


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite+pysqlite://",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_a_store_in_memory_is_refused_since_it_keeps_nothing(url: str) -> None:
    one = problem(f"[store]\nurl = '{url}'")
    assert (one.line, one.key) == (2, "store.url")
    assert "keeps nothing" in one.what
    assert "sqlite:///digest.db" in one.remedy


def test_relative_paths_start_at_home_and_a_tilde_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    ours = parse(b"")
    assert ours.home == HOME
    assert ours.path(ours.edition.profiles) == HOME / "profiles"
    assert ours.path("/var/mail") == Path("/var/mail")
    assert ours.path("~/mail") == Path("/home/ada/mail")


def test_replies_go_to_the_contact_else_to_the_sender() -> None:
    assert parse("[letter]\nfrom_address = 'a@example.org'").letter.reply_to == "a@example.org"
    ours = parse("[letter]\nfrom_address = 'a@example.org'\ncontact = 'b@example.com'").letter
    assert (ours.reply_to, ours.domain) == ("b@example.com", "example.org")


@pytest.mark.parametrize(
    ("domain", "signed"),
    [
        ("", "news.example.org"),
        ("example.org", "example.org"),
        ("Example.ORG", "example.org"),
        ("news.example.org", "news.example.org"),
    ],
)
def test_letters_are_signed_as_the_senders_domain_or_a_parent_of_it(domain: str, signed: str) -> None:
    ours = parse(f"[letter]\nfrom_address = 'a@news.example.org'\n[dkim]\ndomain = '{domain}'")
    assert ours.signing_domain == signed


@pytest.mark.parametrize("domain", ["example.com", "ample.org", "news.example.org", "org.example"])
def test_another_domains_signature_would_be_worth_nothing_and_is_refused(domain: str) -> None:
    one = problem(f"[letter]\nfrom_address = 'a@example.org'\n[dkim]\ndomain = '{domain}'")
    assert (one.line, one.key) == (4, "dkim.domain")
    assert "does not speak for a@example.org" in one.what
    assert "'example.org'" in one.remedy


def test_a_configuration_is_loaded_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[letter]\nname = 'Ours'\n", "utf-8")
    ours = config.load(tmp_path)
    assert (ours.letter.name, ours.home) == ("Ours", tmp_path)


def test_no_file_and_no_readable_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing, match="digest init"):
        config.load(tmp_path)
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(FileInvalid, match="readable file"):
        config.load(tmp_path)


def test_the_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_TEST_PASSWORD", "sésame ")
    smtp = SmtpConfig(user="a", password_env="DIGEST_TEST_PASSWORD")
    assert config.password(smtp, HOME) == "sésame "
    monkeypatch.delenv("DIGEST_TEST_PASSWORD")
    with pytest.raises(
        FileInvalid, match=r"password_env: the environment variable 'DIGEST_TEST_PASSWORD' is not set"
    ):
        config.password(smtp, HOME)


def test_the_password_of_a_mailbox_is_named_by_its_own_key(tmp_path: Path) -> None:
    imap = ImapConfig(host="imap.example.org", user="a", password_file="secret")
    with pytest.raises(FileInvalid, match=r"bounces\.imap\.password_file: no such file"):
        config.password(imap, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[bounces]\naddress = "bounces"', "bounces.address: 'bounces' is not a mail address"),
        ('[bounces]\naddress = "returned-letters-of-ours@example.org"', "too long to add a token to"),
        ('[bounces.imap]\nhost = "imap.example.org"', "`host` is set without a login"),
        ('[bounces.imap]\nuser = "a"\npassword_env = "A"\npassword_file = "b"', "keep one"),
        (
            '[bounces.imap]\nhost = "imap.example.org"\nuser = "a"\npassword_env = "A"\ntls = "none"',
            "would send the password in the clear",
        ),
    ],
)
def test_what_is_wrong_with_the_return_address_or_its_mailbox_is_said(text: str, says: str) -> None:
    with pytest.raises(FileInvalid) as wrong:
        config.parse(text.encode(), HOME)
    assert says in str(wrong.value)


def test_the_password_comes_from_a_file(tmp_path: Path) -> None:
    smtp = SmtpConfig(user="a", password_file="secret")
    (tmp_path / "secret").write_bytes("sésame\r\n".encode())
    assert config.password(smtp, tmp_path) == "sésame"
    (tmp_path / "secret").write_bytes(b"\xff")
    with pytest.raises(FileInvalid, match=r"password_file: .*secret.* — "):
        config.password(smtp, tmp_path)
    (tmp_path / "secret").unlink()
    with pytest.raises(FileInvalid, match=r"password_file: .*secret.* — "):
        config.password(smtp, tmp_path)


@given(st.binary(max_size=120) | st.text(max_size=120).map(str.encode))
@example(b"a=" + b"[" * 5000)
@example(b"delivery.smtp.port=" + b"9" * 5000)
def test_any_bytes_are_a_configuration_or_explained(data: bytes) -> None:
    try:
        parse(data)
    except FileInvalid as error:
        found = error.problems
    else:
        return
    assert found
    assert all(str(one).isprintable() for one in found)
