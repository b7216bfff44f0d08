"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ON_CI = any(os.environ.get(name, "") not in ("", "0") for name in ("CI", "DIGEST_CI"))

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if ON_CI else "local")


def shared_folder(name: str) -> Path:
    """A folder of real input beside the project. Without it the test skips, or fails where DIGEST_CI=1."""
    folder = Path(__file__).parents[1].parent / "shared" / name
    if not folder.is_dir():
        (pytest.fail if os.environ.get("DIGEST_CI") == "1" else pytest.skip)(f"needs real input in {folder}")
    return folder
