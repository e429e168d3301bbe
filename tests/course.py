"""The course's notebooks and what they owe, as the tests about them read it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from tools.notebooks import FOLDED

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
NOTEBOOKS = 20  # when the course is complete

# Every statement that the course owes an executed cell: letter of the part, number of statements.
CLAIMS_IN_PART = {
    "D": 15, "O": 6, "M": 5, "L": 9, "C": 6, "J": 6, "T": 3, "K": 4, "P": 4,  # part one
    "R": 5, "S": 5, "A": 5, "F": 4, "H": 5, "Q": 5, "I": 5, "G": 5, "E": 6,
}  # fmt: skip
CLAIMS = frozenset(
    f"{letter}{number}"
    for letter, count in CLAIMS_IN_PART.items()
    for number in range(1, count + 1)
)


def read(path: Path) -> nbformat.NotebookNode:
    """Return the notebook as stored."""
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    """Return the notebook's code cells."""
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def markdown_cells(path: Path) -> list[nbformat.NotebookNode]:
    """Return the notebook's text cells."""
    return [cell for cell in read(path).cells if cell.cell_type == "markdown"]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """Return the cell's tags."""
    return list(cell.metadata.get("tags", []))


def exercise_id(cell: nbformat.NotebookNode, kind: str) -> str | None:
    """Return "3.1" for the cell ``ex-3-1`` (`kind` "ex") or ``check-3-1`` ("check"), else None."""
    match = re.fullmatch(rf"{kind}-(\d+)-(\d+)", cell.get("id", ""))
    return f"{match[1]}.{match[2]}" if match else None


def is_folded(cell: nbformat.NotebookNode) -> bool:
    """Tell whether a code cell is hidden until asked for: checks, figures, sliders."""
    return FOLDED in tags(cell)


def is_open(cell: nbformat.NotebookNode) -> bool:
    """Tell whether a code cell is an experiment, to be read and changed."""
    special = cell.get("id") == "setup" or exercise_id(cell, "(?:ex|check)") is not None
    return cell.cell_type == "code" and not (special or is_folded(cell))


def python_of(cell: nbformat.NotebookNode) -> str:
    """Return the cell's source without IPython's magics and shell lines."""
    return "\n".join("" if re.match(r"\s*[%!]", li) else li for li in cell.source.splitlines())
