"""Execute the course's notebooks afresh and store them in one canonical form.

``python tools/notebooks.py`` runs every notebook of ``notebooks/`` from top to bottom in a fresh
kernel and writes it back; with nothing changed the file stays the same byte for byte.  Name
notebooks (or their numbers) to do only those.  ``--normalise`` leaves the outputs alone and only
puts the file into its canonical form; ``--check`` writes nothing and fails where it would.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers.published import STRICT

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# The same in every file, whichever machine and patch release executed it.
NOTEBOOK_METADATA: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
# What the cells of a notebook are told apart by, besides their ids.
PREDICT = "**Predict"  # in a text cell that asks for a prediction
FOLDED = "hide-input"  # the tag of a code cell that is hidden until asked for

CELL_METADATA = ("deletable", "editable", "jupyter", "tags")

# One thread, a fixed hash seed and no debugger warning: what an output could depend on. And the
# asserts on published values raise.
KERNEL_ENVIRONMENT = {
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYTHONHASHSEED": "0",
    STRICT: "1",
}


@contextmanager
def fresh_learner() -> Iterator[None]:
    """Give the kernels started inside the progress store and settings of somebody new."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        new = {
            **KERNEL_ENVIRONMENT,
            "IPYTHONDIR": f"{folder}/ipython",
            "SOFTMAX_COURSE_STATE": f"{folder}/state",
        }
        old = {name: os.environ.get(name) for name in new}
        os.environ.update(new)
        try:
            yield
        finally:
            for name, value in old.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def execute(notebook: nbformat.NotebookNode, timeout: float = 120) -> None:
    """Run every cell in a fresh kernel and keep the outputs in the notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.
    timeout : float
        Seconds a single cell may take.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises that is not tagged ``raises-exception``.
    """
    with fresh_learner():
        NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=timeout,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(NOTEBOOKS)}},
        ).execute()


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Put a notebook into its canonical form, in place: nothing that differs between two runs.

    Raises
    ------
    ValueError
        If a cell has no id, or two cells have the same.
    """
    ids = [cell.get("id") for cell in notebook.cells]
    for position, name in enumerate(ids):
        if not name or name in ids[:position]:
            raise ValueError(f"cell {position} needs an id of its own; got {name!r}")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in CELL_METADATA if cell.metadata.get(key)}
            | grading(cell.id)
        )
        cell.source = cell.source.rstrip()
        if cell.cell_type == "code":
            _normalise_outputs(cell)


def renew_stubs(notebook: nbformat.NotebookNode) -> None:
    """Let every unsolved stub say what its exercise's declaration says today, in place."""
    from helpers.exercises import course

    for cell in notebook.cells:
        match = re.fullmatch(r"ex-(\d+)-(\d+)", cell.id)
        exercise = course.exercises().get(f"{match[1]}.{match[2]}") if match else None
        if exercise is not None and cell.source.rstrip().endswith("..."):
            cell.source = exercise.stub


def grading(cell_id: str) -> dict[str, Any]:
    """Return what nbgrader must know of an exercise's cell, by its id; nothing for other cells.

    The stub is the learner's answer, the check below it a locked test of one point.
    """
    if not re.fullmatch(r"(ex|check)-\d+-\d+", cell_id):
        return {}
    is_check = cell_id.startswith("check")
    known = {
        "grade": is_check,
        "grade_id": cell_id,
        "locked": is_check,
        "schema_version": 3,
        "solution": not is_check,
        "task": False,
    }
    return {"nbgrader": known | ({"points": 1} if is_check else {})}


def governed_by_a_prediction(
    cells: Sequence[nbformat.NotebookNode],
) -> list[tuple[nbformat.NotebookNode, list[nbformat.NotebookNode]]]:
    """Return each text cell that asks for a prediction, with the code cells that answer it.

    A text cell with `PREDICT` governs every code cell up to the next text cell that holds a
    heading or asks for another prediction.
    """
    found: list[tuple[nbformat.NotebookNode, list[nbformat.NotebookNode]]] = []
    governs = False
    for cell in cells:
        if cell.cell_type == "code":
            if governs:
                found[-1][1].append(cell)
        elif PREDICT in cell.source:
            found.append((cell, []))
            governs = True
        elif _holds_a_heading(cell.source):
            governs = False
    return found


def _holds_a_heading(source: str) -> bool:
    """Tell whether a Markdown text has a heading; a comment in a listing is none."""
    text = re.sub(r"^(```|~~~).*?^\1", "", source, flags=re.DOTALL | re.MULTILINE)
    return re.search(r"^#{1,6} ", text, flags=re.MULTILINE) is not None


def _normalise_outputs(cell: nbformat.NotebookNode) -> None:
    """Name the cell's widgets after the cell, and drop what only one run knows."""
    for position, output in enumerate(cell.outputs):
        output.pop("transient", None)
        view = output.get("data", {}).get(WIDGET_VIEW)
        if view:
            name = hashlib.sha256(f"{cell.id}/{position}".encode()).hexdigest()[:32]
            view["model_id"] = name


def text_of(notebook: nbformat.NotebookNode) -> str:
    """Return the file's text: sorted keys, one space of indentation, one newline at the end."""
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook file."""
    return nbformat.read(path, as_version=4)


def find(names: Sequence[str]) -> list[Path]:
    """Return the course's notebooks, or those that are named by path, name or number."""
    course = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if not names:
        return course
    found = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        stem = stem.zfill(2) if stem.isdigit() else stem
        matches = [path for path in course if path.stem == stem or path.stem[:2] == stem]
        if not matches:
            known = ", ".join(path.stem for path in course)
            raise SystemExit(f"there is no notebook {name!r}; there are: {known}")
        found += matches
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if a notebook failed or, under ``--check``, differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("notebooks", nargs="*", help="paths, names or numbers; all by default")
    parser.add_argument("--normalise", action="store_true", help="do not execute")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    options = parser.parse_args(arguments)
    failed = False
    for path in find(options.notebooks):
        before = path.read_text(encoding="utf-8")
        notebook = read(path)
        try:
            renew_stubs(notebook)
            if not options.normalise:
                execute(notebook)
            normalise(notebook)
        except (CellExecutionError, ValueError) as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            failed = True
            continue
        after = text_of(notebook)
        state = "unchanged" if after == before else "differs" if options.check else "written"
        failed |= state == "differs"
        if state == "written":
            path.write_text(after, encoding="utf-8", newline="\n")
        print(f"{path.name}: {state}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
