"""The files of an installation: there, readable to us and, where they are secret, to nobody else."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from digest import config as configuration
from digest import privacy
from digest.assembly import links_of, templates_of
from digest.config import FILE_NAME, Config
from digest.doctor.result import Patient, Result, fail, ok, unknown, warn
from digest.errors import FileInvalid, Problem
from digest.letters.check import first_fault
from digest.signing import signer_of
from digest.threads import in_thread


async def files(patient: Patient) -> list[Result]:
    return await in_thread(lambda: _files(patient.config))


def _files(config: Config) -> list[Result]:
    results = [_config(config), writable("files.home", config.home)]
    if config.delivery.kind == "maildir":
        folder = config.path(config.delivery.maildir)
        results.append(writable("files.maildir", _there(folder), f"{folder} can be made, or is there"))
    results += [_templates(config), _secret(config), *_keys(config), _password(config)]
    return results


def _config(config: Config) -> Result:
    name, path = "files.config", config.home / FILE_NAME
    try:
        if urlsplit(config.store.url).password and path.stat().st_mode & stat.S_IROTH:
            seen = f"{path} is in order, but everybody on this machine may read the password in `[store] url`"
            return warn(name, seen, privacy.remedy(path))
    except (OSError, ValueError):
        pass  # it has been read; a strange URL is the store's to tell
    return ok(name, f"{path} is in order")


def writable(name: str, folder: Path, seen: str = "") -> Result:
    """Tries it: permissions alone do not tell of a disk that is read-only, or of who is root."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ok(name, seen or f"{folder} can be written to")
    except OSError as error:
        what = f"{folder}: {error.strerror or error}"
        return fail(name, what, f"let this user (number {os.getuid()}) write there")


def secret_file(name: str, path: Path, seen: str) -> Result:
    """A file that is in order as far as others may not read it. Raises OSError."""
    shown = f"{path} (mode {stat.S_IMODE(path.stat().st_mode):04o})"
    if who := privacy.exposure(path):
        return (fail if privacy.everybody_may(path) else warn)(name, f"{shown}: {who}", privacy.remedy(path))
    return ok(name, f"{shown}: {seen}")


def _there(path: Path) -> Path:
    """The path, or the nearest folder above that is there."""
    return next((one for one in (path, *path.parents) if one.exists()), path)


def _templates(config: Config) -> Result:
    name = "files.templates"
    if not config.letter.templates:
        return ok(name, "the shipped ones")
    try:
        templates = templates_of(config)
        links = links_of(config)
    except FileInvalid as error:
        if error.problems[0].key == "web.secret_file":
            return unknown(name, "without the secret no letter can be tried")
        return _wrong(name, error.problems[0])
    if place := first_fault(templates, config.letter, links):
        return fail(name, f"{place}: {place.what}", "`digest templates check` says all that is wrong")
    return ok(name, f"{templates.override}: sample letters can be made")


def _secret(config: Config) -> Result:
    name = "files.secret"
    if not config.web.base_url:
        return ok(name, "none is needed: letters link to no pages of ours")
    try:
        number = len(configuration.secrets(config.web, config.home))
        held = f"{number} secret" + "s" * (number > 1)
        return secret_file(name, config.path(config.web.secret_file), held)
    except FileInvalid as error:
        return _wrong(name, error.problems[0])


def _keys(config: Config) -> list[Result]:
    results = []
    for place, key in enumerate(config.dkim.keys):
        name = f"files.dkim.{key.selector}"
        try:
            signer = signer_of(config, place)
            kind = f"RSA, {signer.bits} bits" if signer.kind == "rsa" else "Ed25519"
            results.append(secret_file(name, config.path(key.file), kind))
        except FileInvalid as error:
            results.append(_wrong(name, error.problems[0]))
    return results


def _password(config: Config) -> Result:
    name, smtp = "files.password", config.delivery.smtp
    if config.delivery.kind != "smtp" or not smtp.user:
        return ok(name, "none is needed: there is no login")
    try:
        empty = not configuration.password(smtp, config.home)
        if empty:
            where = smtp.password_env or str(config.path(smtp.password_file))
            return fail(name, f"{where} is empty", "put the password, and nothing else, into it")
        if smtp.password_env:
            return ok(name, f"in the environment, {smtp.password_env}")
        return secret_file(name, config.path(smtp.password_file), "a password")
    except FileInvalid as error:
        return _wrong(name, error.problems[0])


def _wrong(name: str, problem: Problem) -> Result:
    return fail(name, f"{problem.key}: {problem.what}", problem.remedy)
