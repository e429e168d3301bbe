"""Make an nbgrader course of the notebooks: ``python tools/classroom.py FOLDER [03 04 …]``.

Each notebook becomes an assignment of its own in ``FOLDER/source``; `FOLDER` also gets an
``nbgrader_config.py`` where it has none.  From there on it is plain nbgrader, whose commands the
page for teachers lists.

The teacher's edition differs from the learner's in one thing: every check cell starts with a
hidden test that imports `check` afresh.  nbgrader cuts it out of the release and puts it back for
grading, so that a `check` which the learner's notebook defines itself awards nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.notebooks import find, read, text_of

FRESH_CHECK = """\
### BEGIN HIDDEN TESTS
from helpers.exercises import check
### END HIDDEN TESTS
"""

CONFIGURATION = '''\
"""nbgrader's settings for the softmax course."""

import os
import tempfile

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "softmax"
c.ClearSolutions.enabled = False  # the notebooks hold none, and the stubs stay as they are
c.OverwriteCells.add_missing_cells = True  # a deleted check comes back, and fails
c.ExecutePreprocessor.timeout = 300

# What is graded here is nobody's progress, and the graded code asks for no solutions.
os.environ["SOFTMAX_COURSE_STATE"] = tempfile.mkdtemp(prefix="softmax-course-grading-")
os.environ["SOFTMAX_COURSE_SOLUTIONS"] = "off"
'''


def make_source(notebook: Path, folder: Path) -> Path:
    """Write the teacher's edition of one notebook into the course in `folder`; return its path."""
    edition = read(notebook)
    for cell in edition.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = FRESH_CHECK + cell.source
    path = folder / "source" / notebook.stem / notebook.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(edition), encoding="utf-8", newline="\n")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="nbgrader's course directory, made if missing")
    parser.add_argument("notebooks", nargs="*", help="names or numbers; all by default")
    options = parser.parse_args(arguments)
    for notebook in find(options.notebooks):
        print(make_source(notebook, options.folder).relative_to(options.folder))
    configuration = options.folder / "nbgrader_config.py"
    if not configuration.exists():
        configuration.write_text(CONFIGURATION, encoding="utf-8", newline="\n")
        print(configuration.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
