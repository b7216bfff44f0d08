"""`config.toml` → a frozen Config. Every key has a default, so an empty file is a valid configuration.

`config.example.toml` shows each key with its default and its meaning; a test keeps it and this file in step.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PrivateAttr, field_validator, model_validator

from digest import tomlfile
from digest.errors import ConfigMissing, FileInvalid, Problem
from digest.fields import Address, OneLine, Section, check_address, check_domain, check_selector
from digest.language import known
from digest.source_config import CollectConfig, Sources
from digest.tokens import SECRET_BYTES

FILE_NAME = "config.toml"


class LetterConfig(Section):
    """How the letter presents itself."""

    # masthead, From, List-Id; the length is that of what is left without spaces around it
    name: Annotated[OneLine, Field(min_length=1, max_length=60)] = "Trending papers"
    from_address: Address = "digest@localhost.localdomain"
    contact: Annotated[str, AfterValidator(lambda a: a and check_address(a))] = ""  # "" is from_address
    postal_address: OneLine = ""
    language: Annotated[str, AfterValidator(known)] = "en"  # of letters to those whose profile names none
    templates: str = ""  # a folder whose files replace the shipped templates of the same name

    @property
    def reply_to(self) -> str:
        return self.contact or self.from_address

    @property
    def domain(self) -> str:
        return self.from_address.rpartition("@")[2]


def _lasting(url: str) -> str:
    scheme, _, name = url.partition("://")
    if scheme.startswith("sqlite") and (name.strip("/") in ("", ":memory:") or "mode=memory" in name):
        raise ValueError(f"{url!r} keeps nothing when the command ends — name a file, as in 'sqlite:///digest.db'")
    return url


class StoreConfig(Section):
    url: Annotated[str, AfterValidator(_lasting)] = (
        "sqlite:///digest.db"  # or postgresql+psycopg://user:password@host/database
    )


class EditionConfig(Section):
    window_days: int = Field(7, ge=1, le=365)  # papers listed in so many days up to the slot are candidates
    half_life_days: float = Field(365, gt=0, allow_inf_nan=False)  # in which a like with a date fades to one half
    inbox: str = "inbox"  # `digest serve` ingests pages that appear in this folder
    profiles: str = "profiles"


class SmtpConfig(Section):
    host: OneLine = "localhost"
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: OneLine = ""
    password_env: OneLine = ""  # the name of an environment variable
    password_file: str = ""
    ca_file: str = ""  # "" trusts the system's authorities
    timeout_seconds: float = Field(30.0, gt=0, le=600)
    connections: int = Field(4, ge=1, le=256)
    messages_per_connection: int = Field(100, ge=0)  # 0 is no limit

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.password_env and self.password_file:
            raise ValueError("both `password_env` and `password_file` are set — keep one")
        if self.user and not (self.password_env or self.password_file):
            raise ValueError("`user` is set without a password — add `password_env` or `password_file`")
        if self.user and self.tls == "none":
            raise ValueError(
                "a login without TLS would send the password in the clear — "
                'set tls = "starttls" or "implicit", or remove `user`'
            )
        return self


class RankingConfig(Section):
    semantic: OneLine = ""  # a folder with a model of sentences, or the package that has one; "" is none


class PaceConfig(Section):
    """How many letters may leave; 0 is no limit."""

    per_second: float = Field(0.0, ge=0, le=100_000)
    per_window: int = Field(0, ge=0, le=1_000_000_000)
    window_minutes: float = Field(60.0, ge=1, le=44_640)  # a month


class ProviderConfig(PaceConfig):
    connections: int = Field(0, ge=0, le=256)  # letters under way to it at the same time


def _provider(name: str) -> str:
    return name if name == "default" else check_domain(name)


class DeliveryConfig(Section):
    kind: Literal["maildir", "smtp"] = "maildir"
    maildir: str = "mail"
    group_by: Literal["mx", "domain"] = "mx"  # what makes recipients one provider's
    smtp: SmtpConfig = SmtpConfig()
    grace_seconds: float = Field(30.0, ge=0, le=3600)  # for what is under way when asked to stop
    pace: PaceConfig = PaceConfig()  # of all letters together
    providers: dict[Annotated[str, AfterValidator(_provider)], ProviderConfig] = Field(default_factory=dict)

    @field_validator("providers", mode="before")
    @classmethod
    def _quoted(cls, providers: object) -> object:
        """TOML takes a dot for the start of a table within a table: [delivery.providers.google.com]."""
        seen: dict[str, str] = {}
        for name, keys in providers.items() if isinstance(providers, dict) else ():
            if seen.setdefault(name.lower(), name) != name:
                what = f"{seen[name.lower()]!r} is the same provider — keep one of them"
                raise tomlfile.slip("providers", (name,), name, what)
            inner = next((k for k, v in keys.items() if isinstance(v, dict)), "") if isinstance(keys, dict) else ""
            if inner:
                what = f'a name with a dot needs quotes — write [delivery.providers."{name}.{inner}"]'
                raise tomlfile.slip("providers", (name, inner), keys[inner], what)
        return providers

    def provider(self, name: str) -> ProviderConfig:
        """The limits of one provider: those of its own section, else of `default`."""
        return self.providers.get(name) or self.providers.get("default") or ProviderConfig()


def _base_url(url: str) -> str:
    url = url.rstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket without its partner
        parts = urlsplit("")
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if url and not (parts.hostname and (parts.scheme == "https" or (here and parts.scheme == "http"))):
        raise ValueError(f"{url!r} is no address of pages — write it as 'https://digest.example.org'")
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        what = f"the port of {url!r} is no number from 1 to 65535"
        raise ValueError(f"{what} — write it as in 'https://digest.example.org:8443', or leave it out")
    if not re.fullmatch(r"[A-Za-z0-9:/._~\[\]-]*", url):
        raise ValueError(f"{url!r} holds more than a host and a path — write it as 'https://digest.example.org'")
    return url


class WebConfig(Section):
    """Our own pages, which letters link to."""

    base_url: Annotated[str, AfterValidator(_base_url), Field(max_length=200)] = ""  # "": letters link to none
    secret_file: str = "secret"  # noqa: S105 - a file's name; signs the links


class ImapConfig(Section):
    """A mailbox that bounces go to; it is read with `digest bounces --imap`."""

    host: OneLine = ""  # "": there is none
    port: int = Field(993, ge=1, le=65535)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    user: OneLine = ""
    password_env: OneLine = ""  # the name of an environment variable
    password_file: str = ""
    ca_file: str = ""  # "" trusts the system's authorities
    folder: Annotated[OneLine, Field(min_length=1)] = "INBOX"

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.password_env and self.password_file:
            raise ValueError("both `password_env` and `password_file` are set — keep one")
        if self.host and not (self.user and (self.password_env or self.password_file)):
            raise ValueError("`host` is set without a login — add `user` and `password_env` or `password_file`")
        if self.host and self.tls == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(
                'a login without TLS would send the password in the clear — set tls = "implicit" or "starttls"'
            )
        return self


# With "+u", a token of at most 42 octets and nothing cut, it stays within the 64 that a local part may have.
LONGEST_RETURN = 20


def _return_address(address: str) -> str:
    address = address and check_address(address)
    local = address.rpartition("@")[0]
    if len(local) > LONGEST_RETURN:
        raise ValueError(
            f"{local!r} is too long to add a token to — take at most {LONGEST_RETURN} characters before the @"
        )
    return address


class BouncesConfig(Section):
    """Where what comes back goes: mails that could not be delivered, complaints, and “unsubscribe” mails."""

    # "" is off; else each letter's envelope sender is a signed address of its own, <local>+<token>@<domain>
    address: Annotated[str, AfterValidator(_return_address)] = ""
    imap: ImapConfig = ImapConfig()


class DkimKey(Section):
    selector: Annotated[str, AfterValidator(check_selector)]
    file: Annotated[OneLine, Field(min_length=1)]  # the private key, PEM


class DkimConfig(Section):
    """Who signs the letters. Without a key nobody does."""

    domain: Annotated[str, AfterValidator(lambda d: d and check_domain(d))] = ""  # "" is that of from_address
    keys: list[DkimKey] = Field(default_factory=list, max_length=4)  # each signs every letter

    @model_validator(mode="after")
    def _one_record_each(self) -> Self:
        seen = set()
        for place, key in enumerate(self.keys):
            if key.selector in seen:
                what = f"another key has the selector {key.selector!r} too — each needs one of its own"
                raise tomlfile.slip("dkim", ("keys", place, "selector"), key.selector, what)
            seen.add(key.selector)
        return self


class ServeConfig(Section):
    tick_seconds: int = Field(60, ge=1, le=3600)


class Config(Section):
    letter: LetterConfig = LetterConfig()
    store: StoreConfig = StoreConfig()
    sources: Sources = Field(default_factory=list)
    collect: CollectConfig = CollectConfig()
    edition: EditionConfig = EditionConfig()
    ranking: RankingConfig = RankingConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    bounces: BouncesConfig = BouncesConfig()
    dkim: DkimConfig = DkimConfig()
    serve: ServeConfig = ServeConfig()
    web: WebConfig = WebConfig()
    _home: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        signed, sender = self.dkim.domain, self.letter.domain
        # What a receiver holds a signature against is the domain that the reader sees (DMARC).
        if signed and not f".{sender}".endswith(f".{signed}"):
            what = f"{signed!r} does not speak for {self.letter.from_address} — write {sender!r} or a parent of it"
            raise tomlfile.slip("config", ("dkim", "domain"), signed, what)
        return self

    @property
    def signing_domain(self) -> str:
        """The domain whose DNS holds the DKIM records."""
        return self.dkim.domain or self.letter.domain

    @property
    def home(self) -> Path:
        """The folder of config.toml; every relative path in it starts here."""
        return self._home

    def path(self, name: str) -> Path:
        return self._home / Path(name).expanduser()

    @property
    def store_url(self) -> str:
        """The URL with a relative SQLite path resolved against the home folder."""
        prefix, separator, name = self.store.url.partition("sqlite:///")
        if prefix or not separator:
            return self.store.url
        return f"sqlite:///{self.path(name)}"


def parse(data: bytes, home: Path, name: str = FILE_NAME) -> Config:
    """Check a configuration. Raises `FileInvalid` with every problem at once."""
    config = tomlfile.load(data, name, Config)
    config._home = home
    return config


def load(home: Path) -> Config:
    path = home / FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigMissing(path=path) from None
    except NotADirectoryError:
        remedy = f"name the folder that holds {FILE_NAME}"
        raise FileInvalid([Problem(str(home), None, "", "a file is no home folder", remedy)]) from None
    except OSError as error:
        raise FileInvalid(
            [Problem(str(path), None, "", error.strerror or str(error), "make it a readable file")]
        ) from None
    return parse(data, home, str(path))


def password(login: SmtpConfig | ImapConfig, home: Path) -> str:
    """The password from the place the configuration names. It is never kept in the configuration."""
    section = "delivery.smtp" if isinstance(login, SmtpConfig) else "bounces.imap"
    where, key = (login.password_env, f"{section}.password_env")
    path = home / Path(login.password_file).expanduser()
    try:
        if login.password_env:
            return os.environ[login.password_env]
        key = f"{section}.password_file"
        return path.read_text("utf-8").rstrip("\r\n")
    except KeyError:
        what, remedy = f"the environment variable {where!r} is not set", "set it before starting digest"
    except UnicodeDecodeError:
        what, remedy = f"{path} is not text in UTF-8", "put the password, and nothing else, into it"
    except FileNotFoundError:
        what, remedy = f"no such file: {path}", "put the password, and nothing else, into it"
    except OSError as error:
        what, remedy = f"cannot read {path}: {error.strerror or error}", "name a file that this user may read"
    raise FileInvalid([Problem(str(home / FILE_NAME), None, key, what, remedy)])


def secrets(web: WebConfig, home: Path) -> list[bytes]:
    """What links are signed with, the newest first. Raises `FileInvalid` for a file that holds no secret."""
    path = home / Path(web.secret_file).expanduser()
    try:
        lines = path.read_text("ascii").split()
        found = [bytes.fromhex(line) for line in lines]
        if not found or not all(SECRET_BYTES <= len(one) <= 2 * SECRET_BYTES for one in found):
            raise ValueError
        return found
    except FileNotFoundError:
        what = f"there is no {path} to sign links with"
    except ValueError:
        what = f"{path} is not a list of secrets, each {2 * SECRET_BYTES} hexadecimal digits"
    except OSError as error:
        what = f"cannot read {path}: {error.strerror or error}"
    remedy = "`digest secret new` makes one; copy it to every machine that sends"
    raise FileInvalid([Problem(str(home / FILE_NAME), None, "web.secret_file", what, remedy)])
