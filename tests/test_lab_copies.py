"""``make lab``: a learner's copies are brought once and never overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from pathlib import Path

import nbformat
import pytest

from tests.course import PATHS, exercise_id, read
from tools import lab
from tools.notebooks import normalise, text_of


@pytest.fixture
def course(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    store(folder / "00_start_here.ipynb", "first edition of 00")
    store(folder / "03_max_shift.ipynb", "first edition of 03")
    return folder


def store(path: Path, title: str, *, printed: str = "2", stub: str = "answer = ...") -> None:
    """Write a small notebook, executed, with an exercise."""
    v4 = nbformat.v4
    cells = [
        v4.new_markdown_cell(title, id="title"),
        v4.new_code_cell(
            "print(1 + 1)",
            id="run",
            execution_count=1,
            outputs=[v4.new_output("stream", text=f"{printed}\n")],
        ),
        v4.new_code_cell(stub, id="ex-3-1", execution_count=2),
    ]
    notebook = v4.new_notebook(cells=cells)
    normalise(notebook)
    path.write_text(text_of(notebook), encoding="utf-8")


def title(path: Path) -> str:
    """Return the text of the notebook's first cell."""
    return str(read(path).cells[0].source)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def names(work: Path) -> list[str]:
    return sorted(path.name for path in work.glob("*.ipynb"))


def test_each_notebook_is_copied_once(course: Path, work: Path) -> None:
    assert lab.bring_copies(course, work) == []
    assert names(work) == ["00_start_here.ipynb", "03_max_shift.ipynb"]
    (work / "03_max_shift.ipynb").write_text("my answers")
    assert lab.bring_copies(course, work) == []
    assert (work / "03_max_shift.ipynb").read_text() == "my answers"
    assert names(work) == ["00_start_here.ipynb", "03_max_shift.ipynb"]


def test_a_newer_edition_is_put_beside_and_told_once(course: Path, work: Path) -> None:
    lab.bring_copies(course, work)
    (work / "03_max_shift.ipynb").write_text("my answers")
    store(course / "03_max_shift.ipynb", "second edition of 03")
    (news,) = lab.bring_copies(course, work)
    assert "03_max_shift.ipynb" in news
    assert "03_max_shift.new-edition-1.ipynb" in news
    assert (work / "03_max_shift.ipynb").read_text() == "my answers"
    assert title(work / "03_max_shift.new-edition-1.ipynb") == "second edition of 03"
    assert lab.bring_copies(course, work) == []

    (work / "03_max_shift.new-edition-1.ipynb").write_text("answers in the second edition")
    store(course / "03_max_shift.ipynb", "third edition of 03")
    assert len(lab.bring_copies(course, work)) == 1
    assert (work / "03_max_shift.new-edition-1.ipynb").read_text() == (
        "answers in the second edition"
    )
    assert title(work / "03_max_shift.new-edition-2.ipynb") == "third edition of 03"


def test_a_copy_has_no_outputs_and_no_execution_counts(course: Path, work: Path) -> None:
    lab.bring_copies(course, work)
    lab.reset(course, work, "03")
    for path in work.glob("*.ipynb"):
        notebook = read(path)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * 2
        assert notebook.metadata.language_info.version == platform.python_version()
        assert [cell.source for cell in notebook.cells] == [
            cell.source for cell in read(course / path.name.replace(".kept-1", "")).cells
        ]


@pytest.mark.skipif(not PATHS, reason="no notebook yet")
def test_every_notebook_is_copied_in_a_valid_form(tmp_path: Path) -> None:
    lab.bring_copies(PATHS[0].parent, tmp_path)
    for path in PATHS:
        copy, stored = read(tmp_path / path.name), read(path)
        nbformat.validate(copy)
        assert [(c.id, c.source, c.metadata) for c in copy.cells] == [
            (c.id, c.source, c.metadata) for c in stored.cells
        ]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in copy.cells)


def test_a_re_execution_and_a_fold_are_no_new_edition(course: Path, work: Path) -> None:
    lab.bring_copies(course, work)
    source = course / "03_max_shift.ipynb"
    store(source, "first edition of 03", printed="another output")
    notebook = read(source)
    notebook.cells[1].metadata.tags = ["hide-input"]
    source.write_text(text_of(notebook), encoding="utf-8")
    assert lab.bring_copies(course, work) == []
    store(source, "second edition of 03")
    assert len(lab.bring_copies(course, work)) == 1


def as_earlier_versions_did(course: Path, work: Path) -> None:
    """Bring the copies whole, and record them by their bytes."""
    work.mkdir()
    record = {}
    for path in course.glob("*.ipynb"):
        shutil.copyfile(path, work / path.name)
        record[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    (work / lab.EDITIONS).write_text(json.dumps(record))


def test_who_has_copies_from_before_keeps_them_and_hears_of_newer_editions_only(
    course: Path, work: Path
) -> None:
    as_earlier_versions_did(course, work)
    store(work / "03_max_shift.ipynb", "first edition of 03", stub="answer = 42")
    answered = (work / "03_max_shift.ipynb").read_bytes()
    store(course / "03_max_shift.ipynb", "first edition of 03", printed="another output")
    assert lab.bring_copies(course, work) == []
    assert (work / "03_max_shift.ipynb").read_bytes() == answered

    store(course / "00_start_here.ipynb", "second edition of 00")
    (news,) = lab.bring_copies(course, work)
    assert "00_start_here.new-edition-1.ipynb" in news
    assert lab.bring_copies(course, work) == []


def test_who_has_copies_from_before_is_told_of_a_newer_edition(course: Path, work: Path) -> None:
    as_earlier_versions_did(course, work)
    store(course / "03_max_shift.ipynb", "second edition of 03")
    (news,) = lab.bring_copies(course, work)
    assert "03_max_shift.new-edition-1.ipynb" in news
    assert title(work / "03_max_shift.ipynb") == "first edition of 03"
    assert title(work / "03_max_shift.new-edition-1.ipynb") == "second edition of 03"
    assert lab.bring_copies(course, work) == []


@pytest.mark.parametrize("name", lab.PAGES)
def test_a_page_beside_the_notebooks_follows_the_course_unless_the_learner_changed_it(
    course: Path, work: Path, name: str
) -> None:
    page = work / name
    for text in ("first", "second"):
        (course / name).write_text(text)
        lab.bring_copies(course, work)
        assert page.read_text() == text
    page.write_text("with my notes")
    (course / name).write_text("third")
    lab.bring_copies(course, work)
    assert page.read_text() == "with my notes"


@pytest.mark.skipif(not PATHS, reason="no notebook yet")
def test_answers_survive_an_update_of_the_course(tmp_path: Path, work: Path) -> None:
    """Solve an exercise in a real notebook, bring a newer edition, and find the answer."""
    edition, command = tmp_path / "course", ["--copy", "--course", str(tmp_path / "course")]
    command += ["--work", str(work)]
    name = PATHS[-1].name
    shutil.copytree(PATHS[-1].parent, edition)
    assert lab.main(command) == 0

    def stub(path: Path) -> nbformat.NotebookNode:
        return next(cell for cell in read(path).cells if exercise_id(cell, "ex"))

    def write(path: Path, cell_id: str, source: str) -> None:
        notebook = read(path)
        next(cell for cell in notebook.cells if cell.id == cell_id).source = source
        path.write_text(text_of(notebook), encoding="utf-8")

    blank = stub(work / name)
    write(work / name, blank.id, "my = 'answer'")
    title = read(edition / name).cells[0]
    write(edition / name, title.id, f"{title.source} A sentence more.")
    for _ in range(2):
        assert lab.main(command) == 0

    beside = work / name.replace(".ipynb", ".new-edition-1.ipynb")
    assert stub(work / name).source == "my = 'answer'"
    assert stub(beside).source == blank.source
    assert read(beside).cells[0].source.endswith("A sentence more.")
    assert len(names(work)) == len(PATHS) + 1


def test_a_new_notebook_of_the_course_is_copied(course: Path, work: Path) -> None:
    lab.bring_copies(course, work)
    store(course / "04_log_sum_exp.ipynb", "first edition of 04")
    assert lab.bring_copies(course, work) == []
    assert title(work / "04_log_sum_exp.ipynb") == "first edition of 04"


def test_a_deleted_copy_comes_back(course: Path, work: Path) -> None:
    lab.bring_copies(course, work)
    (work / "03_max_shift.ipynb").unlink()
    assert lab.bring_copies(course, work) == []
    assert title(work / "03_max_shift.ipynb") == "first edition of 03"


@pytest.mark.parametrize("damage", ["", "{", "[1, 2]"])
def test_a_damaged_record_costs_no_answer(course: Path, work: Path, damage: str) -> None:
    lab.bring_copies(course, work)
    (work / "03_max_shift.ipynb").write_text("my answers")
    (work / lab.EDITIONS).write_text(damage)
    lab.bring_copies(course, work)
    assert (work / "03_max_shift.ipynb").read_text() == "my answers"
    assert not (work / "00_start_here.new-edition-1.ipynb").exists()
    assert lab.bring_copies(course, work) == []


def test_the_course_itself_is_only_read(course: Path, work: Path) -> None:
    before = {path.name: path.read_bytes() for path in course.iterdir()}
    lab.bring_copies(course, work)
    lab.reset(course, work, "3")
    assert {path.name: path.read_bytes() for path in course.iterdir()} == before


@pytest.mark.parametrize("number", ["03", "3", "03_max_shift", "notebooks/03_max_shift.ipynb"])
def test_reset_brings_a_pristine_copy_and_keeps_the_old_one(
    course: Path, work: Path, number: str
) -> None:
    lab.bring_copies(course, work)
    for attempt in (1, 2):
        (work / "03_max_shift.ipynb").write_text(f"answers {attempt}")
        said = lab.reset(course, work, number)
        assert f"03_max_shift.kept-{attempt}.ipynb" in said
        assert title(work / "03_max_shift.ipynb") == "first edition of 03"
        assert (work / f"03_max_shift.kept-{attempt}.ipynb").read_text() == f"answers {attempt}"
    assert lab.bring_copies(course, work) == []


def test_reset_works_before_the_first_lab(course: Path, work: Path) -> None:
    assert lab.main(["--reset", "3", "--course", str(course), "--work", str(work)]) == 0
    assert names(work) == ["03_max_shift.ipynb"]


def test_reset_of_an_unknown_notebook_says_which_there_are(course: Path, work: Path) -> None:
    with pytest.raises(SystemExit, match=r"no notebook '12'.*00_start_here, 03_max_shift"):
        lab.reset(course, work, "12")


def test_put_never_overwrites(tmp_path: Path) -> None:
    store(tmp_path / "a", "new")
    (tmp_path / "b").write_text("mine")
    with pytest.raises(FileExistsError):
        lab.put(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_copy_command_tells_the_news(
    course: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--copy", "--course", str(course), "--work", str(work)]
    assert lab.main(command) == 0
    store(course / "03_max_shift.ipynb", "second edition of 03")
    assert lab.main(command) == 0
    assert "03_max_shift.new-edition-1.ipynb" in capsys.readouterr().out


def test_jupyterlab_listens_on_loopback_only_and_keeps_its_token_out_of_the_command(
    monkeypatch: pytest.MonkeyPatch, work: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    command = lab.lab_command(work, "00_start_here.ipynb", 8888, screen=False)
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert {"--allow-root", "--no-browser"} <= set(command)
    assert not any("token" in argument.lower() for argument in command)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    command = lab.lab_command(work, "00_start_here.ipynb", 8888, screen=True)
    assert not {"--allow-root", "--no-browser"} & set(command)


def test_a_screen_is_found_where_there_is_one() -> None:
    assert lab.has_screen({"DISPLAY": ":0"}, "linux")
    assert not lab.has_screen({}, "linux")
    assert lab.has_screen({}, "darwin")
    assert not lab.has_screen({"SSH_CONNECTION": "1 2 3 4"}, "darwin")
