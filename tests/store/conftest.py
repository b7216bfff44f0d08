from __future__ import annotations

import pytest
from given import add, letter, paper, stored_papers, subscribe, write

from digest.model import Subscriber
from digest.store.opening import Store


@pytest.fixture
def ready(store: Store) -> list[Subscriber]:
    """Three readers, each with a letter that waits."""
    add(store, paper("Bees"), paper("Wasps"), paper("Ants"))
    readers = subscribe(store, "alice", "bela", "chen")
    bees, wasps, _ = stored_papers(store)
    assert write(store, *(letter(reader, bees, wasps) for reader in readers)) == 3
    return readers
