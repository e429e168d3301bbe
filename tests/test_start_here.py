"""Notebook 00 shows a hint, a solution and the progress as somebody new sees them.

What these show depends on who asks, so nbval does not compare them; here they are compared, with
a learner who has done nothing.
"""

from __future__ import annotations

import pytest

from tests.course import FOLDER, NOTEBOOKS, PATHS, code_cells
from tests.test_notebooks_solved import said_by
from tools.notebooks import fresh_learner

PATH = FOLDER / "00_start_here.ipynb"
pytestmark = pytest.mark.skipif(not PATH.exists(), reason="no notebook 00 yet")


def stored(source: str) -> str:
    """Return what the cell with this source says as stored."""
    (cell,) = (cell for cell in code_cells(PATH) if cell.source == source)
    return said_by(cell)


def test_shows_the_first_hint() -> None:
    from helpers import hint

    with fresh_learner():
        assert stored('hint("0.1")') == repr(hint("0.1"))


def test_shows_what_asking_for_a_solution_too_early_says() -> None:
    from helpers import solution

    with fresh_learner():
        assert stored('solution("0.1")') == repr(solution("0.1"))


@pytest.mark.skipif(len(PATHS) < NOTEBOOKS, reason="the course is not complete yet")
def test_shows_the_progress_of_every_exercise() -> None:
    from helpers import progress

    with fresh_learner():
        assert stored("progress()") == repr(progress()), "run `make notebooks N=00`"
