"""What a learner sees of a notebook: open cells hold the experiment, folded ones all the rest.

An *open* code cell is what a learner reads, changes and runs again. A *folded* one (hidden in
JupyterLab, behind a prompt on the website) holds what only a test needs, or what only a figure
needs. Stubs and checks of exercises, and the set-up cell, are neither.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.course import PATHS, exercise_id, is_folded, is_open, python_of, read, tags
from tools.notebooks import governed_by_a_prediction

OPEN_LINES = 15
FOLDED_LINES = 40
# What the first line of a folded cell begins with. JupyterLab shows that line on the bar.
FOLDED = re.compile(r"# (Checks|Drawing|Figures?|Slider|Table)\b")
PLOTTING = {"ax", "axes", "fig", "plt", "matplotlib"}
PLOTTING_KEYWORDS = {"alt", "caption"}
FIGURES_ALLOWED = {"slider", "use_house_style"}


# -- the contract -------------------------------------------------------------------------------


def lines_of(cell: NotebookNode) -> int:
    """Return the number of the cell's lines that are not blank."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def asserts(tree: ast.AST) -> list[ast.Assert]:
    """Return every assert of the tree."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def is_published_values(node: ast.AST) -> bool:
    """Tell whether the node is ``with published_values(): …``."""
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Name)
        and item.context_expr.func.id == "published_values"
        for item in node.items
    )


def bare_asserts(tree: ast.AST) -> list[ast.Assert]:
    """Return every assert that stands under no ``with published_values():``."""
    held = {
        statement
        for node in ast.walk(tree)
        if is_published_values(node)
        for statement in asserts(node)
    }
    return [node for node in asserts(tree) if node not in held]


def plotting(tree: ast.AST) -> list[str]:
    """Return what in the tree draws, or describes a drawing."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in PLOTTING:
            found.add(node.id)
        if isinstance(node, ast.keyword) and node.arg in PLOTTING_KEYWORDS:
            found.add(f"{node.arg}=")
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "figures"
            and node.attr not in FIGURES_ALLOWED
        ):
            found.add(f"figures.{node.attr}")
    return sorted(found)


def troubles(cell: NotebookNode) -> list[str]:
    """Return what in a code cell breaks the contract, a phrase each."""
    hidden = bool(cell.metadata.get("jupyter", {}).get("source_hidden"))
    if hidden != ("hide-input" in tags(cell)):
        return ["`jupyter.source_hidden` and the tag `hide-input` go together"]
    if exercise_id(cell, "(?:ex|check)"):
        return ["an exercise's cell is folded"] if hidden else []
    tree = ast.parse(python_of(cell))
    found = []
    if is_open(cell):
        if lines_of(cell) > OPEN_LINES:
            found.append(f"{lines_of(cell)} lines in an open cell")
        if asserts(tree):
            found.append("an assert in an open cell")
        found += [f"{name} in an open cell" for name in plotting(tree)]
        if any(is_published_values(node) for node in ast.walk(tree)):
            found.append("published_values in an open cell")
    elif is_folded(cell):
        if not FOLDED.match(cell.source):
            found.append("the first line of a folded cell says what it is: `# Checks: …`")
        if lines_of(cell) > FOLDED_LINES:
            found.append(f"{lines_of(cell)} lines in a folded cell")
        if bare_asserts(tree):
            found.append("an assert outside `with published_values():`")
        if cell.source.startswith("# Checks") and not asserts(tree):
            found.append("checks without an assert")
        if cell.source.startswith("# Checks") and cell.outputs:
            found.append("checks with an output")
    elif asserts(tree):
        found.append("an assert in the set-up cell")
    return found


def is_figure(cell: NotebookNode) -> bool:
    """Tell whether a folded cell shows something."""
    return is_folded(cell) and not cell.source.startswith("# Checks")


def all_troubles(cells: Sequence[NotebookNode]) -> list[str]:
    """Return what in a notebook breaks the contract, with the cells' names."""
    found = [
        f"{cell.id}: {trouble}"
        for cell in cells
        if cell.cell_type == "code"
        for trouble in troubles(cell)
    ]
    for prediction, governed in governed_by_a_prediction(cells):
        if not any(is_open(cell) or is_figure(cell) for cell in governed):
            found.append(f"{prediction.id}: a prediction with no experiment or figure below it")
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_open_cells_hold_the_experiment_and_nothing_else(path: Path) -> None:
    assert all_troubles(read(path).cells) == []


# -- the contract can fail ----------------------------------------------------------------------


def code(source: str, name: str = "run", *, folded: bool = False) -> NotebookNode:
    """Return a code cell."""
    metadata = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]} if folded else {}
    return nbformat.v4.new_code_cell(source, id=name, metadata=metadata)


def text(source: str, name: str = "text") -> NotebookNode:
    """Return a text cell."""
    return nbformat.v4.new_markdown_cell(source, id=name)


GOOD = [
    code("import matplotlib.pyplot as plt\nfigures.use_house_style()" + "\nx = 1" * 20, "setup"),
    text("## Shift\n\n**Predict:** what comes?", "predict"),
    code("total = x + 1\nprint(total)"),
    code("figures.slider(draw, c=(0, 1, 0.1))", "slider"),
    code("def f(x):\n    ...", "ex-3-1"),
    code('check("3.1", f)', "check-3-1"),
    code("# Checks: the shift\nwith published_values():\n    assert total == 2", folded=True),
    code('# Figure: the shift\nfig, ax = plt.subplots()\nfigures.Figure(fig, alt="")', folded=True),
]


def test_a_notebook_in_order_has_no_troubles() -> None:
    assert all_troubles(GOOD) == []


BAD = {
    "16 lines in an open cell": code("x = 1\n\n" * 16),
    "an assert in an open cell": code("for x in ():\n    assert x"),
    "published_values in an open cell": code("with published_values():\n    pass"),
    "ax in an open cell": code("ax.plot([1])"),
    "figures.Figure in an open cell": code("figures.Figure(drawn)"),
    "figures.COLOURS in an open cell": code("c = figures.COLOURS[0]"),
    "alt= in an open cell": code('show(alt="a figure")'),
    "an assert in the set-up cell": code("assert True is not None", "setup"),
    "the first line of a folded cell says what it is: `# Checks: …`": code("x = 1", folded=True),
    "41 lines in a folded cell": code("# Figure: long" + "\nx = 1" * 40, folded=True),
    "checks without an assert": code("# Checks: none", folded=True),
    "an assert outside `with published_values():`": code(
        "# Checks: one is held\nwith published_values():\n    assert a == 1\nassert b == 1",
        folded=True,
    ),
    "an exercise's cell is folded": code("...", "ex-3-1", folded=True),
}


@pytest.mark.parametrize("trouble", BAD)
def test_each_trouble_is_seen(trouble: str) -> None:
    cell = BAD[trouble]
    assert all_troubles([cell]) == [f"{cell.id}: {trouble}"]


def test_checks_print_nothing() -> None:
    cell = code("# Checks: x\nwith published_values():\n    assert x\nprint(1)", folded=True)
    cell.outputs = [nbformat.v4.new_output("stream", text="1\n")]
    assert all_troubles([cell]) == ["run: checks with an output"]


@pytest.mark.parametrize(
    "metadata", [{"jupyter": {"source_hidden": True}}, {"tags": ["hide-input"]}]
)
def test_a_cell_is_folded_in_jupyterlab_and_on_the_website_alike(metadata) -> None:
    cell = nbformat.v4.new_code_cell("# Checks", id="run", metadata=metadata)
    assert "go together" in all_troubles([cell])[0]


def test_a_prediction_governs_the_cells_up_to_the_next_heading_or_prediction() -> None:
    cells = [
        code("1", "before"),
        text("**Predict:** a?", "first"),
        code("2", "in-first"),
        text("That was it.", "after"),
        code("3", "in-first-too"),
        text("Now **Predict** again", "second"),
        code("4", "in-second"),
        text("```\n# a comment\n```\n\n## Next", "heading"),
        code("5", "free"),
        text("## Third\n\n**Predict:** c?", "third"),
        code("6", "in-third"),
    ]
    assert [(p.id, [cell.id for cell in g]) for p, g in governed_by_a_prediction(cells)] == [
        ("first", ["in-first", "in-first-too"]),
        ("second", ["in-second"]),
        ("third", ["in-third"]),
    ]


def test_a_prediction_needs_an_experiment_or_a_figure() -> None:
    prediction = text("**Predict:** a?", "p")
    trouble = ["p: a prediction with no experiment or figure below it"]
    assert all_troubles([prediction, text("## Next"), code("1")]) == trouble
    checks = code("# Checks: a\nwith published_values():\n    assert a", folded=True)
    assert all_troubles([prediction, checks]) == trouble
    assert all_troubles([prediction, code("# Figure: a", folded=True)]) == []
