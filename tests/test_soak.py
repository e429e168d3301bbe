"""``make soak`` varies what it says, and sees a cell that depends on it."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest

from tools import soak


def test_nine_runs_meet_every_combination() -> None:
    runs = [soak.conditions(run, "X86_V4") for run in range(9)]
    met = {(run["OMP_NUM_THREADS"], run["ATEN_CPU_CAPABILITY"]) for run in runs}
    assert met == {(threads, torch) for threads in soak.THREADS for torch in soak.TORCH}
    assert {run["PYTHONHASHSEED"] for run in runs} == {str(seed) for seed in range(9)}
    assert {run.get("OPENBLAS_CORETYPE", "") for run in runs} == set(soak.OPENBLAS)
    assert [run.get("NPY_DISABLE_CPU_FEATURES") for run in runs[:2]] == [None, "X86_V4"]


@pytest.mark.slow
def test_a_cell_that_depends_on_the_conditions_is_seen(tmp_path: Path) -> None:
    v4 = nbformat.v4
    sources = {"1": "print(1)", "0": 'import os; print(os.environ["PYTHONHASHSEED"])'}
    cells = [
        v4.new_code_cell(
            source, execution_count=1, outputs=[v4.new_output("stream", text=f"{stored}\n")]
        )
        for stored, source in sources.items()
    ]
    path = tmp_path / "seeded.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    stable, differing = (
        soak.compare(sys.executable, [path], soak.conditions(run, "")) for run in (0, 1)
    )
    assert stable == (2, [])
    assert differing[0] == 2
    (difference,) = differing[1]
    assert "Cell 1: Notebook cell execution failed" in difference
    assert "\x1b" not in difference


def test_cells_that_are_not_compared_are_counted_apart(tmp_path: Path) -> None:
    v4 = nbformat.v4
    cells = [
        v4.new_code_cell("1"),
        v4.new_code_cell("2", metadata={"tags": ["nbval-ignore-output", "claim-L3"]}),
        v4.new_markdown_cell("3", metadata={"tags": ["nbval-ignore-output"]}),
    ]
    path = tmp_path / "measured.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    assert soak.only_run([path, path]) == 2
