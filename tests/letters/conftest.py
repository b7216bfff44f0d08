"""What the tests of letters share: a browser for those that look at pages."""

from __future__ import annotations

import os
from collections.abc import Iterator

import chromium
import pytest


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    if chromium.find() is None:
        if os.environ.get("DIGEST_CI") == "1":
            pytest.fail("DIGEST_CI=1, and there is no chromium")
        pytest.skip("there is no chromium on this machine")
    with chromium.Browser(tmp_path_factory.mktemp("browser")) as one:
        yield one
