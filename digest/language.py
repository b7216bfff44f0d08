"""The language of a letter: its fixed words, its dates, its lists. The words are catalogues in digest/locale."""

from __future__ import annotations

import gettext
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.resources import files
from io import BytesIO

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE = "en"  # the language that the code is written in
# What a language without a country means: its dates, above all.
_USUAL = {"en": "en_GB"}


class Language:
    """One language, as in "en", "en-US" or "de-AT"."""

    def __init__(self, code: str) -> None:
        """`code` is one that `known` accepts."""
        self.code = code
        self._locale = Locale.parse(_USUAL.get(code, code.replace("-", "_")))
        self.direction = self._locale.text_direction  # "ltr" or "rtl"
        self.words = _words(self._locale.language)

    def say(self, message: str, **values: object) -> str:
        """A sentence with its values, as `%(name)s`."""
        return self.words.gettext(message) % values if values else self.words.gettext(message)

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        """A sentence that changes with `number`, which it calls `%(number)s`."""
        return self.words.ngettext(one, many, number) % {"number": number, **values}

    def join(self, items: Sequence[str]) -> str:
        """ "a, b and c"."""
        return format_list(list(items), locale=self._locale)

    def long_day(self, day: date) -> str:
        """ "Friday 20 November 2026"."""
        said = format_date(day, "full", self._locale)
        # The newest tables put a comma that few who write it would.
        return said.replace(",", "", 1) if str(self._locale) == "en_GB" else said

    def short_day(self, day: date) -> str:
        """ "20 Nov"."""
        return format_skeleton("MMMd", day, locale=self._locale)

    def weekday(self, number: int) -> str:
        """ "Monday" for 0."""
        name: str = self._locale.days["format"]["wide"][number]
        return name


@lru_cache
def language(code: str) -> Language:
    """Raises `ValueError` for one that `known` refuses."""
    return Language(known(code))


@lru_cache
def language_of(code: str, usual: str) -> Language:
    """The language of a reader, `usual` for one who has named none or whose catalogue has gone."""
    try:
        return language(code or usual)
    except ValueError:
        return language(usual)


def known(code: str) -> str:
    """The code as we write it, "de-AT" for "de_at", or a `ValueError` that names those with a catalogue."""
    try:
        locale = Locale.parse(code.strip().replace("_", "-"), sep="-")
    except (ValueError, LookupError, TypeError, UnknownLocaleError):
        locale = None
    if locale is None or locale.language not in languages():
        there = " or ".join(map(repr, languages()))
        raise ValueError(
            f"no letters are written in {code!r} — use {there}, with a country if you like, as in 'en-US'"
        )
    return "-".join(filter(None, [locale.language, locale.script, locale.territory]))


@lru_cache
def languages() -> tuple[str, ...]:
    """The languages that there are words of."""
    there = (one.name for one in (files("digest") / "locale").iterdir() if one.is_dir() and one.name != SOURCE)
    return SOURCE, *sorted(there)


@lru_cache
def _words(name: str) -> gettext.NullTranslations:
    if name == SOURCE:
        return gettext.NullTranslations()
    source = files("digest") / "locale" / name / "LC_MESSAGES" / "digest.po"
    # Compiled here, so that the one file that people edit is the one that is read.
    compiled = BytesIO()
    with source.open("rb") as lines:
        write_mo(compiled, read_po(lines, locale=name))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
