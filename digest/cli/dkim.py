"""`digest dkim`: keys to sign letters with, and the DNS records that they are checked with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tomlkit
import typer

from digest.cli.common import Json, app, cannot_write, complain, here, home, load_config, note, say, say_json
from digest.config import FILE_NAME, Config
from digest.errors import CannotWrite, FileInvalid
from digest.fields import check_selector
from digest.signing import MOST_BITS, signer_of, write_key

if TYPE_CHECKING:  # takes a while to load, which other commands should not
    from digest.letters.dkim import Signer

PIECE = 68  # of a record, on a line of a zone file; the DNS takes up to 255 and joins them without a blank
# Reserved for examples and tests (RFC 2606, RFC 6761), or for networks without names.
NOBODYS = (
    ".example.org",
    ".example.com",
    ".example.net",
    ".example",
    ".test",
    ".invalid",
    ".localhost",
    ".localdomain",
)


class Kind(StrEnum):
    RSA = "rsa"
    ED25519 = "ed25519"


def _selector_argument(text: str) -> str:
    try:
        return check_selector(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Selector = Annotated[
    str | None,
    typer.Option(help="Its name in the DNS.", parser=_selector_argument, metavar="NAME", show_default=False),
]

dkim_app = typer.Typer(
    help="Keys to sign letters with (DKIM), and their DNS records.",
    epilog="Example: digest dkim new",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(dkim_app, name="dkim")


@dkim_app.command(epilog="Example: digest dkim new --selector digest-2026")
def new(
    selector: Selector = None,
    kind: Annotated[
        Kind, typer.Option("--type", help="rsa, which every receiver can check; ed25519 beside it.")
    ] = Kind.RSA,
    out: Annotated[
        Path | None,
        typer.Option(help="The file for the private key.", metavar="FILE", show_default="dkim-NAME.pem"),
    ] = None,
    bits: Annotated[
        int | None, typer.Option(help="Length of an RSA key.", min=2048, max=MOST_BITS, show_default="2048")
    ] = None,
    json: Json = False,
) -> None:
    """Make a private key; print its DNS record and the lines for config.toml.

    No file is overwritten and nothing is signed until config.toml names the key.
    """
    from digest.letters.dkim import Signer

    config = load_config()
    if bits is not None and kind is not Kind.RSA:
        raise typer.BadParameter("an Ed25519 key has but one length", param_hint="--bits")
    selector = selector or ("digest" if kind is Kind.RSA else "digest-ed25519")
    if any(key.selector == selector for key in config.dkim.keys):
        what = f"{FILE_NAME} has a key with the selector {selector!r}; give the new one another"
        raise typer.BadParameter(what, param_hint="--selector")
    path = out or home() / f"dkim-{selector}.pem"
    domain = config.signing_domain
    if "." not in domain or f".{domain}".endswith(NOBODYS):
        note(
            f"{domain} is no domain whose DNS can be yours: set `letter.from_address` in {FILE_NAME}; "
            "`digest dkim show` then prints the record of its domain"
        )
    try:
        pem = write_key(path, kind.value, bits or 2048)
    except FileExistsError:
        remedy = "Give the new key another --selector or --out; no key is ever overwritten"
        raise CannotWrite(path=here(path), detail="there is a file already", remedy=remedy) from None
    except OSError as error:
        raise cannot_write(error, path, "Name a file in a folder that this user may write with --out") from None
    signer = Signer(selector, domain, pem)
    file = _as_configured(path, config)
    if json:
        say_json(_plain(signer, file))
        return
    say(f"wrote {here(path)}: {_words(signer)}; keep it to yourself")
    say()
    say(f"1. Put this TXT record into the DNS of {signer.domain}:")
    say()
    _tell(signer)
    say()
    say(f"2. When the DNS has it (dig TXT {signer.record_name}),")
    say(f"   add to {FILE_NAME}:")
    say()
    say(f"[[dkim.keys]]\nselector = {_quoted(selector)}\nfile = {_quoted(file)}")


@dkim_app.command(epilog="Example: digest dkim show --selector digest")
def show(selector: Selector = None, json: Json = False) -> None:
    """Print the DNS records of the keys in config.toml."""
    config = load_config()
    known = [key.selector for key in config.dkim.keys]
    if selector and selector not in known:
        there = f"there: {', '.join(known)}" if known else "there is no key"
        raise typer.BadParameter(
            f"no key in {FILE_NAME} has the selector {selector!r}; {there}", param_hint="--selector"
        )
    shown: list[tuple[Signer, str]] = []
    bad = False
    for place, key in enumerate(config.dkim.keys):
        if selector in (None, key.selector):
            try:
                shown.append((signer_of(config, place), key.file))
            except FileInvalid as error:
                bad = True
                complain(error)
    if json:
        say_json([_plain(signer, file) for signer, file in shown])
    for place, (signer, file) in enumerate(shown if not json else []):
        say(("\n" if place else "") + f"{file}: {_words(signer)}")
        say()
        _tell(signer)
    if not known and not json:
        note(f"{FILE_NAME} names no key, so letters are not signed; `digest dkim new` makes one")
    if bad:
        raise typer.Exit(FileInvalid.exit_code)


def _tell(signer: Signer) -> None:
    say(f"name:  {signer.record_name}")
    say(f"       (only {signer.selector}._domainkey where a form adds the domain by itself)")
    say(f"value: {signer.record}")
    say()
    say("or, as a zone file has it:")
    say()
    say(f"{signer.record_name}. IN TXT (")
    say("\n".join(f'  "{piece}"' for piece in _pieces(signer.record)) + " )")


def _pieces(record: str) -> list[str]:
    return [record[start : start + PIECE] for start in range(0, len(record), PIECE)]


def _words(signer: Signer) -> str:
    return f"RSA, {signer.bits} bits" if signer.kind == "rsa" else "Ed25519"


def _as_configured(path: Path, config: Config) -> str:
    """The path as config.toml has it: from the home folder where it lies in there."""
    whole, folder = path.resolve(), config.home.resolve()
    return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)


def _quoted(text: str) -> str:
    return tomlkit.item(text).as_string()


def _plain(signer: Signer, file: str) -> dict[str, object]:
    return {
        "selector": signer.selector,
        "domain": signer.domain,
        "file": file,
        "type": signer.kind,
        "bits": signer.bits,
        "name": signer.record_name,
        "value": signer.record,
        "strings": _pieces(signer.record),
    }
