"""A check says so when the cell that defines the answer failed: seen in a real kernel."""

from __future__ import annotations

import os

import nbformat
import pytest
from nbclient import NotebookClient

RIGHT = "def row_sums(p):\n    return p.sum(axis=1)"
CHECK = 'check("0.1", row_sums)'


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Run cells in one kernel after the other; return what each check showed."""

    def run(*sources: str) -> list[str]:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        notebook = nbformat.v4.new_notebook(cells=cells)
        state = tmp_path_factory.mktemp("state")
        os.environ["SOFTMAX_COURSE_STATE"] = str(state)
        NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
        texts = ["".join(o.get("data", {}).get("text/plain", "") for o in c.outputs) for c in cells]
        return [text for source, text in zip(sources, texts, strict=True) if "check(" in source]

    before = os.environ.get("SOFTMAX_COURSE_STATE")
    yield run
    if before is not None:
        os.environ["SOFTMAX_COURSE_STATE"] = before


def told(text: str) -> str:
    return " ".join(text.split())


def test_an_earlier_definition_is_not_judged_in_silence(shown):
    cells = shown(
        "from helpers import check\nimport numpy as np",
        RIGHT,
        CHECK,
        "def row_sums(p)\n    return p.sum(axis=0)",  # no colon
        CHECK,
        RIGHT,
        CHECK,
        "scale = undefined\n\ndef row_sums(p):\n    return scale * p",  # fails above
        CHECK,
        RIGHT + "\n\nrow_sums(3)",  # fails below: this definition is the one judged
        CHECK,
        "np.array([1]).reshape(7)  # another cell that fails",
        CHECK,
        "%time 1\n" + RIGHT + "\n1 / 0",
        CHECK,
        "row_sums = lambda p: p.nothing +",
        CHECK,
    )
    outdated = "The cell that defines `row_sums` last ended in"
    found = [told(text).partition(outdated) for text in cells]
    assert [text.split()[1] for text in cells] == ["Right"] * len(cells)
    assert [after.split(",")[0].strip() for _, _, after in found] == [
        "", "SyntaxError", "", "NameError", "", "", "", "SyntaxError",
    ]  # fmt: skip
    first = told(cells[1].splitlines()[1])
    assert first.startswith(outdated), "it is the first thing said"


def test_outside_ipython_nothing_is_said():
    from helpers.checker import history

    history.follow()
    assert history.outdated("surely_nobody_defined_this") == ""
    assert history.outdated("<lambda>") == ""


def test_a_name_is_looked_for_as_a_whole():
    from helpers.checker.history import _end

    assert _end("x = 1\n%time\ndef f(a):\n    return a\ny: int = 2", "f") == 4
    assert _end("x = 1\n%time\ndef f(a):\n    return a\ny: int = 2", "y") == 5
