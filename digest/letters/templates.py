"""The templates of the letter: the shipped ones, and those that an operator puts before them.

    letter/letter.html  .txt    the two parts
    letter/card.html    .txt    one paper
    letter/why.html     .txt    one reason for it
    letter/group.html   .txt    a heading above the papers of one interest
    letter/also.html    .txt    a paper that is popular outside the profile, in brief

The names that each sees are in `views`, and in docs/templates.md for those who write one. A name that is not there
is an error, not a gap. Fixed words are written as `{{ _("Preferences") }}`, in English, and looked up in the
catalogue of the letter's language.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from digest.language import Language, language
from digest.letters.faults import Missing
from digest.letters.slots import careful, wrap_filter

NAMES = tuple(
    f"letter/{part}.{kind}" for part in ("letter", "card", "why", "group", "also") for kind in ("html", "txt")
)

PRINTING = ("default", "d", "e", "escape", "forceescape", "safe", "string")  # filters that leave words as they are


class Templates:
    def __init__(self, override: Path | None = None) -> None:
        """The templates in the folder `override` come before the shipped ones of the same names."""
        self.override = override
        self._of: dict[str, jinja2.Environment] = {}

    def of(self, words: Language) -> jinja2.Environment:
        """The templates with the fixed words of a language."""
        if words.code not in self._of:
            self._of[words.code] = self._environment(words)
        return self._of[words.code]

    def _environment(self, words: Language) -> jinja2.Environment:
        shipped = jinja2.PackageLoader("digest", "templates")
        folders: list[jinja2.BaseLoader] = [] if self.override is None else [_Folder(self.override)]
        made = jinja2.Environment(
            loader=jinja2.ChoiceLoader([*folders, shipped]),
            extensions=["jinja2.ext.i18n"],
            # Everything but text is escaped, also under a name that we did not think of.
            autoescape=jinja2.select_autoescape(disabled_extensions=("txt",), default=True),
            undefined=Missing,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,  # one run, one look: without it every letter asks the disk for changes
        )
        made.filters |= {name: careful(name, one) for name, one in made.filters.items() if name not in PRINTING}
        made.filters["wrap"] = wrap_filter
        spoken: Any = made  # the extension's methods are not declared
        spoken.install_gettext_callables(words.words.gettext, words.words.ngettext, newstyle=True)
        return made


class _Folder(jinja2.FileSystemLoader):
    """A folder in which a file that cannot be read is a fault of the template, as any other."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        path = Path(self.searchpath[0], template)
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            why = "not text in UTF-8; save it as such"
            raise jinja2.TemplateSyntaxError(why, line, template, str(path)) from None
        except jinja2.TemplateNotFound:
            raise
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
            raise jinja2.TemplateSyntaxError(why, 1, template, str(path)) from None


def environment() -> jinja2.Environment:
    """The shipped templates, in English."""
    return Templates().of(language("en"))
