"""In the classroom: nbgrader releases notebooks and grades what comes back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.course import PATHS, exercise_id, read
from tests.test_notebooks_solved import solution_of
from tools import classroom
from tools.notebooks import grading, text_of

GRADED = [path for path in PATHS if path.stem in ("01_definition", "03_max_shift")]
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)

Student = Callable[[nbformat.NotebookNode], None]


# -- what the notebooks carry -------------------------------------------------------------------


@every_notebook
def test_every_exercise_carries_what_nbgrader_needs(path: Path) -> None:
    for cell in read(path).cells:
        known = cell.metadata.get("nbgrader")
        if exercise_id(cell, "check"):
            assert known["schema_version"] == 3
            assert (known["grade"], known["locked"], known["points"]) == (True, True, 1)
        elif exercise_id(cell, "ex"):
            assert known["schema_version"] == 3
            assert (known["grade"], known["locked"], known["solution"]) == (False, False, True)
        else:
            assert known is None, f"{cell.id} is no exercise"
        assert known is None or known["grade_id"] == cell.id


def test_only_exercises_are_told_to_nbgrader() -> None:
    assert grading("sec-axis-1") == grading("example-1-2") == grading("check-3") == {}
    assert grading("check-3-10")["nbgrader"]["grade_id"] == "check-3-10"
    assert "points" not in grading("ex-3-1")["nbgrader"]


# -- what the teacher's command writes -----------------------------------------------------------


@every_notebook
def test_the_teachers_edition_differs_by_the_hidden_line_only(tmp_path: Path, path: Path) -> None:
    edition = read(classroom.make_source(path, tmp_path))
    checks = 0
    for cell in edition.cells:
        if exercise_id(cell, "check"):
            assert cell.source.startswith(classroom.FRESH_CHECK)
            cell.source = cell.source.removeprefix(classroom.FRESH_CHECK)
            checks += 1
    assert checks > 0
    assert text_of(edition) == path.read_text(encoding="utf-8")


def test_the_teachers_settings_are_kept(tmp_path: Path) -> None:
    settings = tmp_path / "nbgrader_config.py"
    settings.write_text("# mine\n")
    assert classroom.main(["assignments", str(tmp_path), "1"]) == 0
    assert settings.read_text() == "# mine\n"
    assert (tmp_path / "source/01_definition/01_definition.ipynb").is_file()


# -- grading, end to end ------------------------------------------------------------------------


def blank(notebook: nbformat.NotebookNode) -> None:
    """Hand in what was released."""


def solved(notebook: nbformat.NotebookNode) -> None:
    """Solve every exercise."""
    for cell in notebook.cells:
        if name := exercise_id(cell, "ex"):
            cell.source = solution_of(name)


UNSTABLE = """\
def softmax_stable(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
"""


def partly(notebook: nbformat.NotebookNode) -> None:
    """Solve 1.1 and 1.3, fail at 1.2; give an answer to 3.1 that overflows."""
    for cell in notebook.cells:
        name = exercise_id(cell, "ex")
        if name in ("1.1", "1.3"):
            cell.source = solution_of(name)
        elif name == "1.2":
            cell.source = "def softmax_textbook(x):\n    raise RuntimeError('no idea')"
        elif name == "3.1":
            cell.source = UNSTABLE


def numbers(notebook: nbformat.NotebookNode) -> None:
    """Replace every check cell by the points, and delete the first one altogether."""
    checks = [cell for cell in notebook.cells if exercise_id(cell, "check")]
    for cell in checks:
        cell.source = "1.0"
    notebook.cells.remove(checks[0])


def rebound(notebook: nbformat.NotebookNode) -> None:
    """Define a `check` that awards the points, in every stub cell."""
    for cell in notebook.cells:
        if exercise_id(cell, "ex"):
            cell.source = f"check = lambda *anything: 1.0\n{cell.source}"


STUDENTS: dict[str, Student] = {
    student.__name__: student for student in (blank, solved, partly, numbers, rebound)
}
# Those who tamper do so in one notebook: what they write depends on none, and grading takes time.
SUBMITTED = [
    (name, path)
    for path in GRADED
    for name in STUDENTS
    if path == GRADED[0] or name not in ("numbers", "rebound")
]


def nbgrader(course: Path, *arguments: str) -> None:
    """Run one of nbgrader's commands in the course's folder."""
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env={
            **os.environ,
            # nbgrader calls its tools by their bare names, as in an activated environment
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "JUPYTER_CONFIG_DIR": str(course / "jupyter"),
            "SOFTMAX_COURSE_STATE": str(course / "teacher"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a course that was released, handed in by every student, and graded."""
    folder = tmp_path_factory.mktemp("course")
    assert classroom.main(["assignments", str(folder), *(path.stem for path in GRADED)]) == 0
    for path in GRADED:
        nbgrader(folder, "generate_assignment", path.stem)
        for name, student in STUDENTS.items():
            if (name, path) not in SUBMITTED:
                continue
            notebook = read(folder / "release" / path.stem / path.name)
            student(notebook)
            submitted = folder / "submitted" / name / path.stem / path.name
            submitted.parent.mkdir(parents=True)
            submitted.write_text(text_of(notebook), encoding="utf-8")
        nbgrader(folder, "autograde", path.stem)
        nbgrader(folder, "generate_feedback", path.stem)
    return folder


def feedback(course: Path, student: str, path: Path) -> str:
    """Return the page that nbgrader makes for a student to read."""
    page = course / "feedback" / student / path.stem / f"{path.stem}.html"
    return page.read_text(encoding="utf-8")


def points(course: Path, student: str, assignment: str) -> dict[str, float]:
    """Return a student's points by exercise."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(assignment, assignment, student)
        grades: list[Any] = notebook.grades
        assert {grade.max_score for grade in grades} == {1}
        return {
            grade.name.removeprefix("check-").replace("-", "."): grade.score for grade in grades
        }


graded = [
    pytest.mark.slow,
    pytest.mark.skipif(len(GRADED) < 2, reason="the notebooks are not there yet"),
]
every_assignment = pytest.mark.parametrize("path", GRADED, ids=lambda path: path.stem)


class TestGraded:
    pytestmark = graded

    @every_assignment
    def test_the_release_is_the_learners_notebook(self, course: Path, path: Path) -> None:
        released = read(course / "release" / path.stem / path.name).cells
        assert [(cell.id, cell.source) for cell in released] == [
            (cell.id, cell.source) for cell in read(path).cells
        ]
        assert not any(cell.get("outputs") for cell in released)

    @pytest.mark.parametrize(
        ("student", "path"),
        [(name, path) for name, path in SUBMITTED if name not in ("solved", "partly")],
        ids=lambda value: getattr(value, "stem", value),
    )
    def test_nothing_solved_earns_nothing(self, course: Path, student: str, path: Path) -> None:
        earned = points(course, student, path.stem)
        assert earned == dict.fromkeys(earned, 0)
        assert len(earned) == sum(exercise_id(cell, "ex") is not None for cell in read(path).cells)

    @every_assignment
    def test_everything_solved_earns_everything(self, course: Path, path: Path) -> None:
        earned = points(course, "solved", path.stem)
        assert earned == dict.fromkeys(earned, 1)

    def test_right_answers_earn_a_point_and_an_unstable_one_half(self, course: Path) -> None:
        first, third = (points(course, "partly", path.stem) for path in GRADED)
        assert {name: point for name, point in first.items() if point} == {"1.1": 1, "1.3": 1}
        assert {name: point for name, point in third.items() if point} == {"3.1": 0.5}

    def test_the_feedback_shows_the_whole_verdict(self, course: Path) -> None:
        first, third = (feedback(course, "partly", path) for path in GRADED)
        cards = re.findall(r'<div class="course-card".*?</div>', third, flags=re.DOTALL)
        unstable = next(card for card in cards if "≈ Unstable" in card)
        assert "exercise 3.1 · no shift" in unstable
        assert "Smallest failing input" in unstable
        for label in ("input", "yours", "expected"):
            assert re.search(rf"<th[^>]*>{label}</th>", unstable)
        assert "x = [" in unstable
        assert "RuntimeError: no idea" in first
        assert "✓ Right" in first
        assert "○ Not started" in feedback(course, "blank", GRADED[0])

    def test_grading_leaves_the_teachers_own_progress_alone(self, course: Path) -> None:
        assert not (course / "teacher").exists()
