"""Each notebook run as a learner leaves it: with every exercise solved, and with none.

The stored outputs are those of the unsolved notebook, which nbval compares; here every stub is
replaced by its declaration's reference solution, and every check has to say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.course import PATHS, code_cells, exercise_id, read
from tools.notebooks import execute

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(not PATHS, reason="no notebook yet"),
]


def solution_of(name: str) -> str:
    """Return the cell that a learner with the reference solution would have."""
    from helpers.exercises import course

    exercise = course.exercises()[name]
    if not exercise.value:
        return f"import numpy as np\n\n{exercise.source}"
    answer = f"answer_{name.replace('.', '_')}"
    return f"import numpy as np\n\n{exercise.source}\n\n{answer} = {exercise.name}()"


def said_by(cell: Any) -> str:
    """Return the plain text of a cell's outputs."""
    return "\n".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def with_sliders_moved(notebook: Any) -> tuple[list[Any], list[Any]]:
    """Let the notebook print what its sliders show, where they stand and again at its end."""
    first, again, cells = [], [], []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code" and "figures.slider(" in cell.source:
            first.append(nbformat.v4.new_code_cell("print(Out[max(Out)].children[-1].value)"))
            again += [nbformat.v4.new_code_cell(cell.source), first[-1].copy()]
            cells.append(first[-1])
    notebook.cells = cells + again
    return first, again[1::2]


def solve(notebook: Any) -> dict[str, Any]:
    """Put the reference solutions into a notebook's stubs; return its check cells by exercise."""
    checks = {}
    for cell in notebook.cells:
        if name := exercise_id(cell, "ex"):
            cell.source = solution_of(name)
        elif name := exercise_id(cell, "check"):
            # The status itself, whatever words the verdict chooses.
            cell.source = f"verdict = {cell.source}\nprint(verdict.status, '|', verdict.message)"
            checks[name] = cell
    return checks


def not_right(checks: dict[str, Any]) -> dict[str, str]:
    said = {name: said_by(cell) for name, cell in checks.items()}
    return {name: text for name, text in said.items() if not text.startswith("right |")}


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_solved_notebook_runs_from_top_to_bottom(path: Path) -> None:
    notebook = read(path)
    checks = solve(notebook)
    first, again = with_sliders_moved(notebook)
    execute(notebook)
    # A slider is moved when everything has run: no later cell may take its names away.
    assert [said_by(cell) for cell in again] == [said_by(cell) for cell in first]
    assert not_right(checks) == {}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_check_of_the_stored_notebook_says_not_started(path: Path) -> None:
    for cell in code_cells(path):
        if exercise_id(cell, "check"):
            assert "not started" in said_by(cell).lower(), cell.id
