"""A cell that failed leaves an earlier answer in place: the verdict says so, in a real kernel."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.checker.cells import Cells
from helpers.exercises import check, course

IMPORT = "import numpy as np\nfrom helpers import check"
COLUMNS = "def row_sums(p):\n    return p.sum(axis=0)"
RIGHT = "def row_sums(p):\n    return p.sum(axis=1)"
CHECK = 'check("0.1", row_sums)'


def said(*sources: str) -> str:
    """Run cells in a fresh kernel, and return what the last one shows."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=60, allow_errors=True).execute()
    return notebook.cells[-1].outputs[0]["data"]["text/plain"]


def test_a_syntax_error_is_told() -> None:
    shown = said(IMPORT, COLUMNS, RIGHT.replace("sum(", "sum(("), CHECK)
    assert "last ended in SyntaxError" in " ".join(shown.split())
    assert "column sums" in shown


def test_a_cell_that_stops_before_its_definition_is_told() -> None:
    assert "last ended in ZeroDivisionError" in " ".join(
        said(IMPORT, COLUMNS, "1 / 0\n" + RIGHT, CHECK).split()
    )


@pytest.mark.parametrize(
    "cells",
    [
        (COLUMNS,),  # simply wrong
        (RIGHT + ")", COLUMNS),  # failed before, mended since
        (COLUMNS + "\n\n1 / 0",),  # stopped after its definition
        (COLUMNS, "def other(p):\n    return p +"),  # another name
    ],
)
def test_nothing_is_told_where_the_newest_definition_is_judged(cells) -> None:
    shown = said(IMPORT, *cells, CHECK)
    assert "column sums" in shown
    assert "ended in" not in shown


def test_without_a_shell_nothing_is_known() -> None:
    assert Cells().earlier_definition("row_sums", None) == ""


def test_right_answers_lead_to_the_next_open_exercise(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path))
    monkeypatch.setattr(course.records, "_memory", None)
    second = [e for e in course.exercises().values() if e.id.startswith("2.")]
    course.records.note("2.2", "right")
    verdict = check("2.1", second[0].reference())
    assert verdict.onward == f"2 of {len(second)} in this notebook; next: 2.3."
    for exercise in second:
        course.records.note(exercise.id, "right")
    assert (
        check("2.1", second[0].reference()).onward
        == f"All {len(second)} in this notebook are done."
    )
