"""The three measured numbers of README.md, out of the tables of ``make bench``."""

from __future__ import annotations

import re

__all__ = ["three_numbers"]


def cell(tables: str, row: str, column: str) -> str:
    """Return a cell of the first table that has this row and this column.

    Parameters
    ----------
    tables : str
        Tables in Markdown.
    row : str
        How the row's line begins.
    column : str
        The column's name.

    Raises
    ------
    LookupError
        If there is no such cell.
    """
    names: list[str] = []
    for line in tables.splitlines():
        cells = [part.strip() for part in line.strip("|").split("|")]
        if not line.startswith("|"):
            names = []
        elif not names:
            names = cells
        elif line.startswith(row) and column in names:
            return cells[names.index(column)]
    raise LookupError(f"no cell {column} in a row {row}")


def three_numbers(tables: str) -> str:
    """Return the list for README.md.

    Parameters
    ----------
    tables : str
        benchmarks/results/tables.md.
    """
    loss = "cross_entropy"
    ours = cell(tables, "| float32 | **ours, NumPy** |", loss)
    theirs = {cell(tables, f"| float32 | {name} |", loss) for name in ("SciPy", "torch", "JAX")}
    large = cell(tables, "| 4096×4096 | float32 |", "softmax")
    small = re.search(r"One row of ten logits .*: softmax (\d+)", tables)
    measured = re.match(r"Measured on ([\d-]+) \((.*?);", tables)
    if small is None or measured is None:
        raise LookupError("the tables do not say when they were measured, or one row's time")
    return "\n".join(
        [
            f"- **{ours} ulp**, steps from one float to the next, is the worst error of our "
            f"float32 cross-entropy on rows where softmax goes wrong. "
            f"SciPy's, PyTorch's and JAX's: {' to '.join(sorted(theirs))}, "
            f"which is no digit right.",
            f"- **{large}** of SciPy's time for the softmax of 4096×4096 logits in float32, "
            f"on one thread.",
            f"- **{small[1]} µs** for the softmax of a single row of ten logits.",
            "",
            f"Measured on {measured[1]} ({measured[2]}).",
        ]
    )
