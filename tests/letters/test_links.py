"""Where a letter leads to: pages of ours that its reader may open, and nobody else's."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from sample_letters import ADA, CONFIG, LINKS, PICKS, daily, letter

from digest.letters.compose import Composer
from digest.letters.links import VERDICTS, Links
from digest.letters.mime import message_id
from digest.model import Letter
from digest.tokens import Keys

KEYS = LINKS.keys


def targets(one: Letter, links: Links = LINKS) -> list[str]:
    """The addresses in the HTML part, in their order."""
    html = Composer(CONFIG, links=links).render(one).html
    return [unescape(url) for url in re.findall(r'href="([^"]+)"', html)]


def ours(one: Letter, act: str) -> list[list[str]]:
    """What stands after the act in the addresses of our pages."""
    found = [url.removeprefix(f"{LINKS.base_url}/") for url in targets(one) if url.startswith(LINKS.base_url)]
    return [path.split("/")[1:] for path in found if path.startswith(f"{act}/")]


def test_the_readers_acts_are_signed_for_the_reader() -> None:
    for act, purpose in (("preferences", "reader"), ("pause", "reader"), ("unsubscribe", "unsubscribe")):
        ((token,),) = ours(daily(), act)
        assert KEYS.valid(purpose, token, ADA.secret)
        assert token.startswith(f"{ADA.id:x}-")
        assert not KEYS.valid(purpose, token, "")
    assert ADA.secret not in " ".join(targets(daily()))


def test_an_address_that_passes_to_another_subscriber_takes_no_rights_along() -> None:
    ((token,),) = ours(daily(), "preferences")
    assert not KEYS.valid("reader", token, replace(ADA, secret="another").secret)


def test_who_sees_how_to_unsubscribe_can_do_nothing_else() -> None:
    """Mail providers read it in the headers, and call it."""
    ((token,),) = ours(daily(), "unsubscribe")
    assert not KEYS.valid("reader", token, ADA.secret)


def test_the_letter_and_its_verdicts_are_signed_for_the_letter() -> None:
    one = letter(message_id=message_id(ADA, daily().slot, "letters@example.org"))
    *said, (token,) = ours(one, "letter")
    assert KEYS.valid("letter", token, one.message_id)
    assert not KEYS.valid("letter", token, "<another@example.org>")
    assert [verdict for _, _, verdict in said] == list(VERDICTS) * len(PICKS)
    assert [int(place) for _, place, _ in said[:: len(VERDICTS)]] == [1, 2, 3, 4, 5, 6]
    assert {token for token, _, _ in said} == {token}


def test_the_text_part_has_the_same_addresses_by_number() -> None:
    """Each paper's links are counted by themselves, as they stand right there, and so are the letter's own."""
    text = Composer(CONFIG, links=LINKS).render(daily()).text
    parts = re.split(r"(?m)^ *\d+\. |^=+$", text)[2:]
    assert len(parts) == len(PICKS) + 1
    for part in parts:
        numbers = re.findall(r"(?m)^ *\[(\d+)\] ", part)
        assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 3
    assert set(targets(daily())) <= set(text.split())


def test_without_pages_everything_is_done_by_mail() -> None:
    html = Composer(CONFIG).render(daily()).html
    mail = [unescape(url) for url in re.findall(r'href="(mailto:[^"]+)"', html)]
    assert mail == [
        f"mailto:editor@example.org?subject={act}%20ada%40example.org"
        for act in ("preferences", "pause", "unsubscribe")
    ]
    assert "More like this" not in html
    assert "View in browser" not in html


def test_a_single_letter_links_to_nothing_that_is_subscribed_to() -> None:
    one = letter(replace(ADA, cadence=""), picks=PICKS[:1])
    for act in ("preferences", "pause", "unsubscribe", "letter"):
        assert [path for path in ours(one, act) if len(path) == 1] == []
    assert "single test letter" in Composer(CONFIG, links=LINKS).render(one).text


def test_pages_in_a_folder_of_a_site() -> None:
    links = Links("https://example.org/digest", Keys([b"k" * 32]))
    assert f"https://example.org/digest/unsubscribe/{KEYS.token('unsubscribe', ADA.id, ADA.secret)}" in targets(
        daily(), links
    )
