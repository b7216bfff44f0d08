"""Profile files and subscribers: what applying would change, that it does exactly this, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from profile_files import write

from digest import clock, roster
from digest.model import Profile, Subscriber, SubscriberState
from digest.profile_folder import Reading, handle_problem, read
from digest.roster import FILE_REMOVED, Plan
from digest.store import subscribers, suppressions
from digest.store.opening import Store, open_store
from digest.store.suppressions import Suppression, hash_of

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)  # a Tuesday
LATER = NOW + timedelta(days=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'digest.db'}")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "profiles"
    made.mkdir()
    return made


def apply(store: Store, folder: Path, now: datetime = NOW) -> Plan:
    done = roster.apply(store, read(folder), now)
    with store.read() as connection:
        held = roster.held(connection, read(folder))
    again = roster.plan(read(folder), everyone(store), held)
    assert again.changes == (), "applying once must be enough"
    assert [str(one) for one in again.problems] == [str(one) for one in done.problems]
    return done


def everyone(store: Store) -> list[Subscriber]:
    with store.read() as connection:
        return subscribers.everyone(connection)


def by_handle(store: Store) -> dict[str, Subscriber]:
    return {one.handle: one for one in everyone(store)}


def set_state(store: Store, handle: str, state: SubscriberState, reason: str = "") -> Subscriber:
    one = replace(by_handle(store)[handle], state=state, state_reason=reason)
    with store.write() as connection:
        subscribers.update(connection, one)
    return one


def kinds(plan: Plan) -> dict[str, str]:
    return {change.handle: change.kind for change in plan.changes}


# ---- planning and applying


def test_a_folder_that_is_a_file_is_a_problem_and_pauses_nobody(tmp_path: Path, store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    (tmp_path / "file").write_text("")
    reading = read(tmp_path / "file")
    assert "Not a directory" in str(reading.problems[0])
    plan = roster.plan(reading, everyone(store))
    assert plan.changes == ()
    assert not plan.pauses_everyone


def test_new_subscribers_and_nothing_the_second_time(store: Store, folder: Path) -> None:
    write(folder, "ada", text='time_zone = "Asia/Kathmandu"\nhour = 6')
    write(folder, "bob", text='cadence = "weekly:fri"')
    done = apply(store, folder)
    assert kinds(done) == {"ada": "new", "bob": "new"}
    assert done.counts == {"new": 2}
    stored = by_handle(store)
    assert stored["ada"].state is SubscriberState.ACTIVE
    assert stored["ada"].next_due_at == datetime(2026, 3, 4, 0, 15, tzinfo=UTC)
    assert stored["bob"].next_due_at == datetime(2026, 3, 6, 7, 0, tzinfo=UTC)
    assert apply(store, folder, LATER) == Plan(unchanged=2)
    assert by_handle(store) == stored


def test_a_change_is_stored_and_said_in_words(store: Store, folder: Path) -> None:
    text = 'interests = ["a", "b", {text = "c", weight = 2}]\nmuted = ["robot"]\nliked = ["L"]'
    write(folder, "ada", text=text)
    apply(store, folder)
    text = (
        'name = "Ada"\nhour = 9\ncadence = "weekdays"\ntime_zone = "Europe/Berlin"\npapers = 5\nfloor = 12.5\n'
        "trending = 0\nvariety = 1\n"
        'interests = [{text = "long context", weight = 1.5}, "a", {text = "c", weight = 3}]\n'
        'muted = ["video"]\nauthors = ["E. M."]\ncategories = ["cs.CL"]\ndisliked = ["D"]'
    )
    write(folder, "ada", text=text)
    done = apply(store, folder)
    assert done.changes[0].details == (
        '+ name "Ada"',
        "time_zone: UTC → Europe/Berlin",
        "cadence: daily → weekdays",
        "hour: 7 → 9",
        '+ interest "long context" ×1.5',
        'interest "c": ×2 → ×3',
        '- interest "b"',
        '+ muted "video"',
        '- muted "robot"',
        '+ author "E. M."',
        '+ category "cs.CL"',
        '- liked "L"',
        '+ disliked "D"',
        "papers: 7 → 5",
        "floor: 10 → 12.5",
        "trending: 0.2 → 0",
        "variety: 0.3 → 1",
    )
    assert roster.merged(by_handle(store)["ada"], read(folder).subscribers[0]) == by_handle(store)["ada"]
    assert by_handle(store)["ada"].next_due_at == datetime(2026, 3, 4, 8, 0, tzinfo=UTC)


def test_a_new_subscribers_details_are_what_is_not_the_default(folder: Path) -> None:
    write(folder, "ada", text='papers = 5\ninterests = ["a"]')
    (change,) = roster.plan(read(folder), []).changes
    assert change.details == ("+ address ada@example.org", '+ interest "a"', "+ papers 5")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("floor = 10.0", "floor = 10.0000001"),
        ('interests = ["a", "b"]', 'interests = ["b", "a"]'),
        ('interests = ["a"]', 'interests = ["A"]'),
        ('interests = [{text = "a", weight = 1.5}]', 'interests = [{text = "a", weight = 1.50000001}]'),
        ('muted = ["a"]', "muted = []"),
    ],
)
def test_no_change_is_too_small_to_be_seen(store: Store, folder: Path, before: str, after: str) -> None:
    write(folder, "ada", text=before)
    apply(store, folder)
    write(folder, "ada", text=after)
    (stored,), (file,) = everyone(store), read(folder).subscribers
    assert roster.differs(stored, file)
    assert apply(store, folder).changes[0].fields
    assert not roster.differs(everyone(store)[0], file)
    assert everyone(store)[0].profile == file.profile


def test_what_differs_only_in_layout_is_no_change(store: Store, folder: Path) -> None:
    write(folder, "ada", text='interests = ["a  b"]')
    apply(store, folder)
    write(folder, "ada", "ada@EXAMPLE.org", '# comment\n[[interests]]\ntext = "a b"\nweight = 1')
    assert apply(store, folder) == Plan(unchanged=1)


def test_a_due_letter_stays_due_unless_the_schedule_changes(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    due = by_handle(store)["ada"].next_due_at
    write(folder, "ada", text="papers = 3")
    apply(store, folder, LATER)
    assert by_handle(store)["ada"].next_due_at == due
    write(folder, "ada", text="papers = 3\nhour = 8")
    apply(store, folder, LATER)
    assert by_handle(store)["ada"].next_due_at == clock.next_due_at("daily", 8, "UTC", after=LATER)


def test_a_renamed_file_is_the_same_subscriber(store: Store, folder: Path) -> None:
    path = write(folder, "ada")
    apply(store, folder)
    before = by_handle(store)["ada"]
    path.rename(folder / "lovelace.toml")
    done = apply(store, folder)
    assert kinds(done) == {"lovelace": "renamed"}
    assert done.changes[0].details == ("handle: ada → lovelace",)
    assert everyone(store) == [replace(before, handle="lovelace")]


def test_a_new_address_keeps_the_subscriber(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    before = by_handle(store)["ada"]
    write(folder, "ada", "lovelace@example.com")
    done = apply(store, folder)
    assert kinds(done) == {"ada": "changed"}
    assert done.changes[0].details == ("address: ada@example.org → lovelace@example.com",)
    assert everyone(store) == [replace(before, address="lovelace@example.com")]


def test_the_spelling_of_an_address_is_taken_over(store: Store, folder: Path) -> None:
    write(folder, "ada", "ada@example.org")
    apply(store, folder)
    write(folder, "ada", "Ada@example.org")
    assert kinds(apply(store, folder)) == {"ada": "changed"}
    assert everyone(store)[0].address == "Ada@example.org"


def test_two_files_can_swap_names(store: Store, folder: Path) -> None:
    write(folder, "ada", "a@example.org", "papers = 1")
    write(folder, "bob", "b@example.org", "papers = 2")
    apply(store, folder)
    ids = {one.address: one.id for one in everyone(store)}
    (folder / "ada.toml").rename(folder / "x")
    (folder / "bob.toml").rename(folder / "ada.toml")
    (folder / "x").rename(folder / "bob.toml")
    done = apply(store, folder)
    assert kinds(done) == {"ada": "renamed", "bob": "renamed"}
    assert {one.address: (one.id, one.handle, one.profile.papers) for one in everyone(store)} == {
        "a@example.org": (ids["a@example.org"], "bob", 1),
        "b@example.org": (ids["b@example.org"], "ada", 2),
    }


def test_names_can_go_round_in_a_ring_while_others_come_and_go(store: Store, folder: Path) -> None:
    for name in "abcd":
        write(folder, name, f"{name}@example.org")
    apply(store, folder)
    ids = {one.address: one.id for one in everyone(store)}
    for path in folder.iterdir():
        path.unlink()
    # a → b → c → a, and an unknown address under the name of d is d with a new address.
    for handle, address in (("b", "a"), ("c", "b"), ("a", "c"), ("d", "new"), ("e", "e")):
        write(folder, handle, f"{address}@example.org")
    done = apply(store, folder)
    assert kinds(done) == {"a": "renamed", "b": "renamed", "c": "renamed", "d": "changed", "e": "new"}
    stored = by_handle(store)
    assert stored["b"].id == ids["a@example.org"]
    assert stored["d"].id == ids["d@example.org"]


def test_a_removed_file_pauses_and_a_restored_one_resumes(store: Store, folder: Path) -> None:
    write(folder, "ada")
    write(folder, "bob")
    apply(store, folder)
    (folder / "ada.toml").unlink()
    done = apply(store, folder)
    assert kinds(done) == {"ada": "paused"}
    assert done.unchanged == 1
    assert not done.pauses_everyone
    paused = by_handle(store)["ada"]
    assert (paused.state, paused.state_reason) == (SubscriberState.PAUSED, FILE_REMOVED)
    write(folder, "ada", text="papers = 3")
    done = apply(store, folder, LATER)
    assert kinds(done) == {"ada": "resumed"}
    assert "papers: 7 → 3" in done.changes[0].details
    back = by_handle(store)["ada"]
    assert (back.id, back.state, back.state_reason) == (paused.id, SubscriberState.ACTIVE, "")
    assert back.next_due_at == clock.next_due_at("daily", 7, "UTC", after=LATER), "no letters for the days away"


def test_a_file_restored_under_another_name_resumes(store: Store, folder: Path) -> None:
    path = write(folder, "ada")
    apply(store, folder)
    path.unlink()
    apply(store, folder)
    write(folder, "lovelace", "ada@example.org")
    assert kinds(apply(store, folder)) == {"lovelace": "resumed"}
    assert len(everyone(store)) == 1


@pytest.mark.parametrize(
    ("state", "reason", "says"),
    [
        (SubscriberState.UNSUBSCRIBED, "by link", "stays unsubscribed: only the reader can undo it"),
        (SubscriberState.BOUNCED, "550 no such user", "stays bounced (550 no such user)"),
        (SubscriberState.PAUSED, "asked by the reader", "stays paused (asked by the reader)"),
        (SubscriberState.PENDING, "", "stays pending"),
    ],
)
def test_a_file_never_brings_back_who_has_left(
    store: Store, folder: Path, state: SubscriberState, reason: str, says: str
) -> None:
    write(folder, "ada")
    write(folder, "bob")
    apply(store, folder)
    set_state(store, "ada", state, reason)
    assert apply(store, folder) == Plan(unchanged=2)
    write(folder, "ada", text="papers = 3")
    done = apply(store, folder)
    assert kinds(done) == {"ada": "changed"}
    assert done.changes[0].details[-1].startswith(says)
    (folder / "ada.toml").rename(folder / "lovelace.toml")
    assert kinds(apply(store, folder)) == {"lovelace": "renamed"}
    (folder / "lovelace.toml").unlink()
    assert apply(store, folder) == Plan(unchanged=1)
    write(folder, "back", "ada@example.org", "papers = 3")
    assert kinds(apply(store, folder)) == {"back": "renamed"}
    stored = by_handle(store)["back"]
    assert (stored.state, stored.state_reason, stored.profile.papers) == (state, reason, 3)


def suppress(store: Store, address: str) -> None:
    with store.write() as connection:
        one = Suppression(hash_of(address), address, "hard", "550 unknown", NOW, "bounce")
        assert suppressions.add(connection, one)


def test_a_file_with_a_suppressed_address_waits_and_says_how_to_let_it_in(store: Store, folder: Path) -> None:
    suppress(store, "ada@example.org")
    write(folder, "ada", "Ada@example.org")
    write(folder, "bob")
    done = apply(store, folder)
    assert kinds(done) == {"bob": "new"}
    (problem,) = done.problems
    assert str(problem).startswith(f"{folder / 'ada.toml'}: address: Ada@example.org is on the suppression list")
    assert "since 2026-03-03 (mail to this address came back: 550 unknown)" in problem.what
    assert "`digest suppressions remove Ada@example.org`" in problem.remedy
    with store.write() as connection:
        suppressions.remove(connection, "ada@example.org", NOW)
    assert kinds(apply(store, folder)) == {"ada": "new"}


def test_no_file_changes_a_readers_address_to_a_suppressed_one(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    suppress(store, "other@example.org")
    write(folder, "ada", "other@example.org", "papers = 3")
    done = apply(store, folder)
    assert (done.changes, len(done.problems)) == ((), 1)
    stays = by_handle(store)["ada"]
    assert (stays.address, stays.state, stays.profile.papers) == ("ada@example.org", SubscriberState.ACTIVE, 7)


def test_a_file_that_is_back_does_not_resume_who_was_suppressed_meanwhile(store: Store, folder: Path) -> None:
    path = write(folder, "ada")
    apply(store, folder)
    path.unlink()
    apply(store, folder)
    suppress(store, "ada@example.org")
    write(folder, "ada", text="papers = 3")
    assert kinds(apply(store, folder)) == {"ada": "changed"}
    assert by_handle(store)["ada"].state is SubscriberState.BOUNCED


def test_who_bounced_gets_letters_again_at_another_address(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    suppress(store, "ada@example.org")
    write(folder, "ada", "lovelace@example.org")
    assert kinds(apply(store, folder)) == {"ada": "resumed"}
    back = by_handle(store)["ada"]
    assert (back.state, back.state_reason, back.address) == (SubscriberState.ACTIVE, "", "lovelace@example.org")
    write(folder, "ada", "ada@example.org")
    assert apply(store, folder).changes == (), "the old address is still on the list"


def test_an_unsubscribed_address_is_not_forgotten_by_changing_the_file(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    set_state(store, "ada", SubscriberState.UNSUBSCRIBED)
    write(folder, "ada", "other@example.org")
    done = apply(store, folder)
    assert done.changes == ()
    (problem,) = done.problems
    assert "ada unsubscribed as ada@example.org" in problem.what
    assert [(one.address, one.state) for one in everyone(store)] == [
        ("ada@example.org", SubscriberState.UNSUBSCRIBED)
    ]
    write(folder, "again", "ada@example.org")
    apply(store, folder)
    assert by_handle(store)["again"].state is SubscriberState.UNSUBSCRIBED


def test_the_name_of_one_who_is_gone_can_be_given_to_another(store: Store, folder: Path) -> None:
    write(folder, "ada")
    write(folder, "bob")
    apply(store, folder)
    gone = set_state(store, "ada", SubscriberState.UNSUBSCRIBED)
    (folder / "bob.toml").rename(folder / "ada.toml")  # over ada's file
    done = apply(store, folder)
    assert [(change.kind, change.handle) for change in done.changes] == [("renamed", "ada"), ("renamed", "ada")]
    parked = f"ada~{gone.id}"
    assert {handle: one.address for handle, one in by_handle(store).items()} == {
        "ada": "bob@example.org",
        parked: "ada@example.org",
    }
    assert by_handle(store)[parked].state is SubscriberState.UNSUBSCRIBED
    assert handle_problem(parked), "no file can be called so"


def test_pausing_and_giving_the_name_away_at_once(store: Store, folder: Path) -> None:
    write(folder, "ada")
    write(folder, "bob")
    apply(store, folder)
    (folder / "bob.toml").rename(folder / "ada.toml")
    done = apply(store, folder)
    assert done.counts == {"paused": 1, "renamed": 1}
    write(folder, "lovelace", "ada@example.org")
    assert kinds(apply(store, folder)) == {"lovelace": "resumed"}


# ---- files that are wrong


@pytest.mark.parametrize(
    "data",
    [
        b'address = "ada@example.org"\nhour = 99',
        b'address = "ada@example.org"\nhour = [',
        b"hour = 99",
        b"",
        b"\xff\xfe",
        b'address = "new@example.org"\nhour = 99',
        b'address = "not an address"',
    ],
)
def test_an_invalid_file_leaves_its_subscriber_alone(store: Store, folder: Path, data: bytes) -> None:
    write(folder, "ada")
    write(folder, "bob")
    apply(store, folder)
    before = everyone(store)
    (folder / "ada.toml").write_bytes(data)
    done = apply(store, folder)
    assert done == Plan(unchanged=1, untouched=("ada",))
    assert everyone(store) == before


def test_a_file_renamed_and_broken_at_once_leaves_its_subscriber_alone(store: Store, folder: Path) -> None:
    path = write(folder, "ada")
    apply(store, folder)
    path.unlink()
    (folder / "lovelace.toml").write_text('address = "ada@example.org"\nhour = [')
    done = apply(store, folder)
    assert done.untouched == ("ada",)
    assert done.changes == ()
    assert not done.pauses_everyone


def test_an_address_copied_by_mistake_pauses_neither(store: Store, folder: Path) -> None:
    write(folder, "ada")
    write(folder, "bob")
    apply(store, folder)
    write(folder, "bob", "ada@example.org")
    done = apply(store, folder)
    assert done == Plan(untouched=("ada", "bob"))


def test_a_file_waits_for_a_name_that_is_still_taken(store: Store, folder: Path) -> None:
    write(folder, "ada")
    write(folder, "bob")
    write(folder, "chen")
    apply(store, folder)
    before = everyone(store)
    # ada → broken, bob takes her name, chen takes his: none of it can be done yet.
    (folder / "broken.toml").write_text('address = "ada@example.org"\nhour = 99')
    (folder / "bob.toml").rename(folder / "ada.toml")
    (folder / "chen.toml").rename(folder / "bob.toml")
    done = apply(store, folder)
    assert done.changes == ()
    assert done.untouched == ("ada", "bob", "chen")
    assert [Path(one.path).name for one in done.problems] == ["ada.toml", "bob.toml"]
    assert everyone(store) == before
    write(folder, "broken", "ada@example.org")
    assert apply(store, folder).counts == {"renamed": 3}


def test_a_new_file_waits_for_a_name_that_is_still_taken(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    (folder / "broken.toml").write_text('address = "ada@example.org"\nhour = 99')
    write(folder, "ada", "new@example.org")
    done = apply(store, folder)
    assert (done.changes, done.untouched, len(done.problems)) == ((), ("ada",), 1)


# ---- nobody left


def test_an_empty_or_missing_folder_would_pause_everyone(store: Store, folder: Path) -> None:
    assert not roster.plan(read(folder), []).pauses_everyone
    write(folder, "ada")
    write(folder, "bob")
    apply(store, folder)
    set_state(store, "bob", SubscriberState.UNSUBSCRIBED)
    (folder / "ada.toml").unlink()
    (folder / "bob.toml").unlink()
    plan = roster.plan(read(folder), everyone(store))
    assert plan.pauses_everyone
    assert kinds(plan) == {"ada": "paused"}
    assert roster.plan(read(folder / "nowhere"), everyone(store)).pauses_everyone
    apply(store, folder)
    assert not roster.plan(read(folder), everyone(store)).pauses_everyone, "nobody is active any more"


def test_replacing_the_only_profile_is_not_pausing_everyone(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    (folder / "ada.toml").unlink()
    write(folder, "bob")
    assert not roster.plan(read(folder), everyone(store)).pauses_everyone


# ---- the store as it is at that moment


def test_apply_plans_against_the_store_of_the_moment(store: Store, folder: Path) -> None:
    write(folder, "ada")
    apply(store, folder)
    (folder / "ada.toml").unlink()
    apply(store, folder)
    write(folder, "ada")
    reading = read(folder)
    assert roster.plan(reading, everyone(store)).changes[0].kind == "resumed"
    set_state(store, "ada", SubscriberState.UNSUBSCRIBED)
    assert roster.apply(store, reading, NOW) == Plan(unchanged=1)
    assert by_handle(store)["ada"].state is SubscriberState.UNSUBSCRIBED


def test_nothing_is_written_when_something_fails(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "ada")
    apply(store, folder)
    before = everyone(store)
    write(folder, "ada", text="papers = 3")
    write(folder, "bob")

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(subscribers, "add", fail)
    with pytest.raises(RuntimeError):
        roster.apply(store, read(folder), NOW)
    assert everyone(store) == before


def test_many_profiles_are_quick(store: Store) -> None:
    many = Reading(subscribers=tuple(Subscriber(f"r{n}", f"r{n}@example.org") for n in range(5_000)))
    assert roster.apply(store, many, NOW).counts == {"new": 5_000}
    assert roster.apply(store, many, NOW) == Plan(unchanged=5_000)


# ---- any history


NAMES = st.sampled_from(["ada", "Ada", "bob", "chen", "dana"])
FILES = st.dictionaries(
    NAMES, st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["", "papers = 3", "hour = 99", "["]))
)
LEAVES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(list(SubscriberState))), max_size=2)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FILES, LEAVES), min_size=2, max_size=4))
def test_any_history_of_files_keeps_the_promises(
    store: Store, folder: Path, history: list[tuple[dict[str, tuple[str, str]], list[tuple[str, SubscriberState]]]]
) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM subscriber")
    left: dict[str, bool] = {}
    for files, leaves in history:
        for path in folder.iterdir():
            path.unlink()
        for handle, (address, text) in files.items():
            write(folder, handle, f"{address}@example.org", text)
        before = {one.id: one for one in everyone(store)}
        done = apply(store, folder)
        after = {one.id: one for one in everyone(store)}
        assert before.keys() <= after.keys(), "nobody is deleted"
        for handle in done.untouched:
            assert next(one for one in before.values() if one.handle == handle) in after.values()
        for one in after.values():
            if left.get(one.address):
                assert one.state is SubscriberState.UNSUBSCRIBED, "who left stays gone"
            if one.state is SubscriberState.ACTIVE and one.id not in before:
                assert files[one.handle][0] == one.address[0]
        for address, state in leaves:
            for one in everyone(store):
                if one.address[0] == address and one.state is not SubscriberState.UNSUBSCRIBED:
                    set_state(store, one.handle, state)
                    left[one.address] = state is SubscriberState.UNSUBSCRIBED


def test_the_default_profile_shows_no_difference() -> None:
    assert (
        roster.differences(Subscriber("a", "a@example.org"), Subscriber("a", "a@example.org", profile=Profile()))
        == ()
    )
