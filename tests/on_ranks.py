"""What the tests that start ranks share."""

from __future__ import annotations

from collections.abc import Iterator

import cloudpickle
import pytest

from helpers import ranks


@pytest.fixture(autouse=True, scope="module")
def by_value_and_nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Send a file's functions as a cell's are sent: ranks need not import what tests do."""
    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)
    ranks.stop()
