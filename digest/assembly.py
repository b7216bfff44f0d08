"""What the configuration names, put together: templates, links, the composer, the transport."""

from __future__ import annotations

import jinja2

from digest import config as configuration
from digest.bounces import keys_of, returns_of
from digest.config import FILE_NAME, Config
from digest.delivery.maildir import Maildir
from digest.delivery.smtp import Smtp
from digest.delivery.transport import Parcel, Transport
from digest.errors import FileInvalid, NotMailable, Problem, TemplateInvalid
from digest.frozen import maker
from digest.letters.check import first_fault
from digest.letters.compose import Composer, Rendered
from digest.letters.faults import of_error
from digest.letters.links import Links
from digest.letters.templates import NAMES, Templates
from digest.model import Letter
from digest.signing import signers_of


def transport_of(config: Config) -> Transport:
    """The transport that the configuration names. Raises `FileInvalid` where its password cannot be read."""
    delivery = config.delivery
    if delivery.kind == "maildir":
        # Where a letter lies is stored, and must still be right when asked from another folder.
        return Maildir(config.path(delivery.maildir).resolve())
    smtp = delivery.smtp
    password = configuration.password(smtp, config.home) if smtp.user else None
    return Smtp(smtp, password, None, home=config.home)


def templates_of(config: Config) -> Templates:
    """The letter's templates, the operator's own first. Raises `FileInvalid` for a folder that replaces none."""
    if not config.letter.templates:
        return Templates()
    folder = config.path(config.letter.templates)
    try:
        if not folder.is_dir():
            what = f"no such folder: {folder}"
        elif any((folder / name).is_file() for name in NAMES):
            return Templates(folder)
        else:
            what = f"the folder {folder} replaces no template"
    except OSError as error:
        what = f"cannot look into {folder}: {error.strerror or error}"
    remedy = f'put a file into it that is named {" or ".join(NAMES[:3])} …, or set it to "" for the shipped letter'
    raise FileInvalid([Problem(str(config.home / FILE_NAME), None, "letter.templates", what, remedy)])


def composer_of(config: Config, *, sign: bool = True) -> Composer:
    """What writes the letters of this configuration, and signs them where it names keys. Raises `FileInvalid` for
    templates, keys or a secret that are not there, `NotMailable` for an address of our own that is none."""
    signers = signers_of(config) if sign else []
    return Composer(config.letter, templates_of(config), links_of(config), signers, returns_of(config))


def tried_composer_of(config: Config) -> Composer:
    """`composer_of`, tried on samples: raises `TemplateInvalid` for a template that cannot be rendered, too."""
    composer = composer_of(config)
    if config.letter.templates and (place := first_fault(templates_of(config), config.letter, links_of(config))):
        raise TemplateInvalid(path=place, detail=place.what)
    return composer


def links_of(config: Config) -> Links | None:
    """The links to our own pages; None without `web.base_url`."""
    if not config.web.base_url:
        return None
    return Links(config.web.base_url, keys_of(config))


def check(config: Config) -> None:
    """Raise what would stop letters, before anything is written.

    `FileInvalid` for templates, a secret, keys or a password that are not there; `TemplateInvalid` for a template
    that cannot be rendered.
    """
    tried_composer_of(config)
    transport_of(config)


def render_letter(letter: Letter, config: Config, composer: Composer | None = None) -> Rendered:
    """What the letter says. Raises `TemplateInvalid` where an operator's template is wrong."""
    try:
        return (composer or composer_of(config, sign=False)).render(letter)
    except NotMailable:
        raise
    except Exception as error:
        _blame_template(config, error)
        raise


def compose(letter: Letter, config: Config, composer: Composer) -> Parcel:
    """A letter, ready to go. Raises `NotMailable` for this letter alone, `TemplateInvalid` for any."""
    try:
        message = composer.mail(letter)
    except NotMailable:
        raise
    except Exception as error:
        _blame_template(config, error)
        raise
    sender = composer.returns.sender(letter) if composer.returns else config.letter.from_address
    return _parcel(sender, letter.subscriber.address, letter.message_id, message, True)


_parcel = maker(Parcel)


def _blame_template(config: Config, error: Exception) -> None:
    """Raise `TemplateInvalid` where an operator's template is to blame."""
    # `{{ letter.language + 1 }}` is a fault of the template, too, where it is not one of ours.
    ours = not config.letter.templates and not isinstance(error, jinja2.TemplateError)
    if not ours and (place := of_error(error)):
        raise TemplateInvalid(path=place, detail=place.what) from error
