"""What is shipped: an installed wheel has its templates, migrations and samples, and runs the demo."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_holds_all_it_needs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for name in (
        "digest/templates/letter/letter.html",
        "digest/templates/letter/letter.txt",
        "digest/templates/board.html",
        "digest/locale/de/LC_MESSAGES/digest.po",
        "digest/migrations/versions/0001_first_tables.py",
        "digest/samples/config.toml",
        "digest/py.typed",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]
    # From the wheel alone: the project's own folder is not on the path.
    program = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from digest.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "demo", "shown"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "No paper went to a reader twice." in done.stdout
