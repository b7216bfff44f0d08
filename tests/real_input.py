"""Real input that lies beside the project, never in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_folder(name: str) -> Path:
    """A folder of real input beside the project. Without it the test skips, or fails where DIGEST_CI=1."""
    folder = Path(__file__).parents[1].parent / "shared" / name
    if not folder.is_dir():
        (pytest.fail if os.environ.get("DIGEST_CI") == "1" else pytest.skip)(f"needs real input in {folder}")
    return folder
