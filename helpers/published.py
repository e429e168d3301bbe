"""The asserts on what a notebook prints, which must not trip up a learner who experiments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["STRICT", "published_values"]

STRICT = "SOFTMAX_COURSE_STRICT"
"""The environment variable under which the asserts raise: tests and ``make notebooks`` set it."""


@contextmanager
def published_values() -> Iterator[None]:
    """Hold asserts that are about the notebook as published.

    In tests they raise like any other. A learner who has changed an experiment above is told in
    one line that the checks do not apply to it, and goes on; the line is an output that the stored
    notebook does not have, so a comparison fails on it as well.

    Examples
    --------
    >>> with published_values():
    ...     assert 1 + 1 == 2
    """
    try:
        yield
    except Exception as error:
        if os.environ.get(STRICT):
            raise
        print(
            "The folded checks here belong to the cells as published, and something above differs "
            f"({type(error).__name__}). Your experiment is fine: go on."
        )
