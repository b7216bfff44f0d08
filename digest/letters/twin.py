"""The same letter the slow and usual way: every template rendered for this letter alone, the mail built by `email`.

Nothing here is shared with `compose` but the wording and the templates, so that tests can hold the two against each
other, and `digest templates check` an operator's templates.
"""

from __future__ import annotations

from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import jinja2
from markupsafe import Markup

from digest.config import LetterConfig
from digest.language import Language, language_of
from digest.letters import cards, mime, qp, wording
from digest.letters.compose import Rendered
from digest.letters.links import Links
from digest.letters.templates import Templates
from digest.letters.views import GroupView
from digest.model import Letter


def render(
    letter: Letter,
    config: LetterConfig,
    templates: Templates,
    links: Links | None = None,
    shown: int | None = None,
) -> Rendered:
    """What `Composer.render` says, where `shown` of the cards (by default all) have room, and `Letter.also` has."""
    words = language_of(letter.subscriber.language, config.language)
    files = templates.of(words)
    shown = len(letter.picks) if shown is None else shown
    own: dict[str, Any] = wording.letter_words(letter, config, words, links, shown)
    parts = {}
    for kind in ("html", "txt"):
        papers = {
            "cards": _cards(letter, files, kind, config, links, shown),
            "also": _also(letter, files, kind, words),
        }
        view = wording.letter_view(letter, config, words, own | papers)
        text = qp.readable(files.get_template(f"letter/letter.{kind}").render(letter=view))
        parts[kind] = text if text.endswith("\n") else f"{text}\n"
    return Rendered(own["subject"], own["preheader"], parts["html"], parts["txt"])


def mail(rendered: Rendered, letter: Letter, config: LetterConfig) -> EmailMessage:
    """A mail of the standard library with what `Composer.mail` says in its headers and parts."""
    message = EmailMessage(policy=SMTP)
    reader = letter.subscriber
    message["From"] = Address(mime.display_name(config.name), addr_spec=config.from_address)
    message["To"] = Address(mime.display_name(reader.name), addr_spec=reader.address)
    message["Subject"] = mime.one_line(rendered.subject)
    message["Message-ID"] = letter.message_id
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message


def _cards(
    letter: Letter, files: jinja2.Environment, kind: str, config: LetterConfig, links: Links | None, shown: int
) -> Markup:
    """The cards and headings."""
    words = language_of(letter.subscriber.language, config.language)
    found: list[str] = []
    number = 0
    base = f"{links.base_url}/letter/{links.tokens(letter).letter}" if links else ""
    for heading, places in wording.grouped(letter.subscriber, letter.picks, words):
        if number >= shown:
            break
        if heading:
            found.append(files.get_template(f"letter/group.{kind}").render(group=GroupView(heading)))
        for place in places[: shown - number]:
            pick, number = letter.picks[place], number + 1
            view = cards.card_view(pick, letter.slot, words, said=links is not None, grouped=bool(heading))
            age = cards.age_of(pick, letter.slot)
            whys = [
                files.get_template(f"letter/why.{kind}").render(why=cards.why_view(reason, age, words))
                for reason in cards.told_reasons(pick)
            ]
            view = replace(
                view,
                say=tuple(replace(one, url=f"{base}/{number}/{one.url}") for one in view.say),
                number=str(number),
                mark=f"{number:>2}. ",
                score=cards.score_words(pick, words),
                whys=Markup("".join(whys)),  # noqa: S704 - made by templates, which have escaped it
            )
            found.append(files.get_template(f"letter/card.{kind}").render(card=view))
    return Markup("".join(found))  # noqa: S704 - the same


def _also(letter: Letter, files: jinja2.Environment, kind: str, words: Language) -> Markup:
    template = files.get_template(f"letter/also.{kind}")
    views = [cards.card_view(pick, letter.slot, words, said=False, grouped=False) for pick in letter.also]
    return Markup("".join(template.render(card=cards.in_brief(view)) for view in views))  # noqa: S704 - the same
