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


# Tests written against either name find it.
from real_input import shared_folder as shared_folder  # noqa: E402
