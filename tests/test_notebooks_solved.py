"""Each notebook run as a learner leaves it: with every exercise solved, and with none.

The stored outputs are those of the unsolved notebook, which nbval compares; here every stub is
replaced by its declaration's reference solution, and every check has to say so, with the network
cut: a notebook that asks for nothing gives with a network what it gives without.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.course import PATHS, code_cells, exercise_id, read
from tests.offline import attempts, cut_off, guard, run

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


def with_sliders_moved(notebook: Any) -> tuple[list[str], list[str]]:
    """Let the notebook print what its sliders show, where they stand and again at its end.

    The ids of the cells that print are returned.
    """
    first, again, cells = [], [], []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code" and "figures.slider(" in cell.source:
            shows = "print(Out[max(Out)].children[-1].value)"
            first.append(nbformat.v4.new_code_cell(shows))
            again.append((nbformat.v4.new_code_cell(cell.source), nbformat.v4.new_code_cell(shows)))
            cells.append(first[-1])
    notebook.cells = cells + [cell for pair in again for cell in pair]
    return [cell.id for cell in first], [shown.id for _, shown in again]


def solve(notebook: Any) -> list[str]:
    """Put the reference solutions into a notebook's stubs; return the exercises."""
    names = []
    for cell in notebook.cells:
        if name := exercise_id(cell, "ex"):
            cell.source = solution_of(name)
            names.append(name)
        elif exercise_id(cell, "check"):
            # The status itself, whatever words the verdict chooses.
            cell.source = f"verdict = {cell.source}\nprint(verdict.status, '|', verdict.message)"
    return names


EXECUTE = """\
import sys
import nbformat
from tools.notebooks import execute

notebook = nbformat.read(sys.argv[1], as_version=4)
execute(notebook)
nbformat.write(notebook, sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_solved_notebook_runs_from_top_to_bottom_without_a_network(
    path: Path, tmp_path: Path
) -> None:
    notebook = read(path)
    names = solve(notebook)
    moved, again = with_sliders_moved(notebook)
    solved = tmp_path / path.name
    nbformat.write(notebook, solved)
    command = [*cut_off(), sys.executable, "-c", EXECUTE, str(solved)]
    done = run(command, guard(tmp_path / "guard"))
    assert attempts(tmp_path / "guard") == []
    assert done.returncode == 0, done.stdout[-4000:]

    said = {cell.id: said_by(cell) for cell in code_cells(solved)}
    # A slider is moved when everything has run: no later cell may take its names away.
    assert [said[cell] for cell in again] == [said[cell] for cell in moved]
    checks = {name: said[f"check-{name.replace('.', '-')}"] for name in names}
    assert {name: text for name, text in checks.items() if not text.startswith("right |")} == {}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_check_of_the_stored_notebook_says_not_started(path: Path) -> None:
    for cell in code_cells(path):
        if exercise_id(cell, "check"):
            assert "not started" in said_by(cell).lower(), cell.id
