"""An unsolved stub follows its declaration; a learner's code in its place is left alone."""

from __future__ import annotations

import nbformat

from helpers.exercises import check, course
from tools.notebooks import renew_stubs


def notebook_with(source: str) -> nbformat.NotebookNode:
    """Return a notebook that holds the stub of exercise 3.1 with this source."""
    cell = nbformat.v4.new_code_cell(source, id="ex-3-1")
    return nbformat.v4.new_notebook(cells=[cell])


def test_another_statement_is_renewed() -> None:
    notebook = notebook_with('def softmax_stable(x, axis):\n    """An older statement."""\n    ...')
    renew_stubs(notebook)
    stub = notebook.cells[0].source
    assert stub == course.exercises()["3.1"].stub
    assert "An older statement" not in stub
    namespace: dict = {}
    exec(stub, namespace)
    assert check("3.1", namespace["softmax_stable"]).status == "not started"


def test_an_answer_stays() -> None:
    written = "def softmax_stable(x):\n    return x"
    notebook = notebook_with(written)
    renew_stubs(notebook)
    assert notebook.cells[0].source == written


def test_every_stub_can_be_run_and_is_not_started() -> None:
    for exercise in course.exercises().values():
        namespace: dict = {}
        exec(exercise.stub, namespace)
        name = f"answer_{exercise.id.replace('.', '_')}" if exercise.value else exercise.name
        assert check(exercise.id, namespace[name]).status == "not started"
