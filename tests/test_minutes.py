"""Readers are told the computed minutes, and the syllabus holds every notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient

from tests.course import FOLDER, PATHS, exercise_id, read
from tools import minutes
from tools.notebooks import fresh_learner
from tools.ways import AFTERWARDS, PARTS, WAYS, Step, Way

MEND = "run `python tools/minutes.py --write`"
STATING = [entry for entry in minutes.lessons() if minutes.in_step(entry) is not None]


@pytest.mark.parametrize("entry", STATING, ids=lambda entry: entry.path.stem)
def test_each_notebook_states_its_minutes(entry: minutes.Lesson) -> None:
    assert minutes.in_step(entry), MEND


def test_the_readme_holds_the_syllabus() -> None:
    text = minutes.README.read_text(encoding="utf-8")
    assert {found[1] for found in minutes.COMPUTED.finditer(text)} == {"syllabus", "ways"}
    assert text == minutes.expected_readme(minutes.lessons()), MEND


@pytest.mark.skipif(not (FOLDER / minutes.START).exists(), reason="no notebook 00 yet")
def test_the_first_notebook_holds_the_syllabus() -> None:
    path = FOLDER / minutes.START
    sources = [cell.source for cell in read(path).cells]
    found = {mark[1] for source in sources for mark in minutes.COMPUTED.finditer(source)}
    assert found == {"syllabus", "ways"}
    assert sources == minutes.expected_cells(minutes.lessons(), path), MEND


def links(path: Path) -> set[str]:
    """Return the numbers of the notebooks that a notebook says it builds on."""
    line = re.search(r"\*\*Builds on:\*\*(.*)", read(path).cells[0].source)
    return set(re.findall(r"\((\d\d)_\w+\.ipynb\)", line[1] if line else "")) - {"00"}


def closure(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return for each notebook all that it builds on, directly or not."""
    found: dict[str, set[str]] = {}
    for number in sorted(edges):
        found[number] = set().union(edges[number], *(found[other] for other in edges[number]))
    return found


@pytest.mark.skipif(not (FOLDER / minutes.START).exists(), reason="no notebook 00 yet")
def test_the_map_shows_what_the_notebooks_say_they_build_on() -> None:
    (cell,) = (c for c in read(FOLDER / minutes.START).cells if c.id == "fig-map")
    stated = {path.stem[:2]: links(path) for path in PATHS[1:]}
    drawn: dict[str, set[str]] = {number: set() for number in stated}
    for start, end in re.findall(r"\b(\d\d)-(\d\d)\b", cell.source):
        drawn.setdefault(end, set()).add(start)
    shown, said = closure(drawn), closure(stated)
    assert {number: shown[number] for number in said} == said


# -- ways ---------------------------------------------------------------------------------------


def test_every_notebook_is_in_one_part_and_says_what_one_can_do_after_it() -> None:
    numbers = [int(path.stem[:2]) for path in PATHS]
    for number in numbers:
        assert sum(first <= number <= last for first, last in PARTS.values()) == 1
        line = AFTERWARDS[number]
        assert 5 <= len(line.split()) <= 18 and not line.endswith("."), line
    assert len(set(AFTERWARDS.values())) == len(AFTERWARDS)


def minutes_of(words: str) -> int:
    """Return a length of time, as written, in minutes."""
    found = re.fullmatch(r"(?:(\d+) h )?(\d+) min", words)
    assert found, words
    return 60 * int(found[1] or 0) + int(found[2])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.title)
def test_what_a_way_takes_is_the_sum_of_its_steps(way: Way) -> None:
    """As a reader adds it up, in README.md."""
    text = minutes.README.read_text(encoding="utf-8").partition("<!-- ways -->")[2]
    head, _, told = text.partition(f"**{way.title}**, about ")[2].partition("\n\n")
    lines = [line for line in told.partition("\n\n")[0].splitlines() if line.startswith("- ")]
    steps = [[int(step) for step in re.findall(r"\((\d+) min\)", line)] for line in lines]
    whole = sum(map(sum, steps))
    assert sum(map(len, steps)) == sum(map(len, way.days))
    assert abs(minutes_of(head.partition(".")[0]) - whole) <= 2.5
    assert 0.8 * way.most <= whole <= way.most
    if len(way.days) > 1:
        for line, taken in zip(lines, steps, strict=True):
            assert abs(minutes_of(line[2:].partition(",")[0]) - sum(taken)) <= 2.5


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.title)
def test_a_way_leaves_out_nothing_that_its_notebooks_build_on(way: Way) -> None:
    numbers = [step.number for day in way.days for step in day]
    assert numbers == sorted(set(numbers))
    needed = closure({path.stem[:2]: links(path) for path in PATHS[1:]})
    for number in numbers[1:]:
        assert {int(other) for other in needed[f"{number:02}"]} <= set(numbers)


@pytest.mark.parametrize(
    "step",
    [step for way in WAYS for day in way.days for step in day if step.sections],
    ids=lambda step: f"{step.number:02}",
)
def test_a_steps_sections_stand_in_order_and_hold_its_exercises(step: Step) -> None:
    (path,) = FOLDER.glob(f"{step.number:02}_*.ipynb")
    order = list(minutes.sections(path))
    assert [name for name in order if name in step.sections] == list(step.sections)
    section, found = "", []
    for cell in read(path).cells:
        section = cell.id if cell.id in order else section
        if section in step.sections and (exercise := exercise_id(cell, "ex")):
            found.append(exercise)
    assert [name for name in found if name in step.exercises] == list(step.exercises)


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [step for way in WAYS for day in way.days for step in day if step.sections],
    ids=lambda step: f"{step.number:02}",
)
def test_a_steps_cells_run_without_what_it_leaves_out(step: Step) -> None:
    """The set-up cell, then the sections' own."""
    (path,) = FOLDER.glob(f"{step.number:02}_*.ipynb")
    notebook, section, kept = read(path), "", []
    order = minutes.sections(path)
    for cell in notebook.cells:
        section = cell.id if cell.id in order else section
        if cell.id == "setup" or section in step.sections:
            kept.append(cell)
    notebook.cells = kept
    with fresh_learner():
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": FOLDER}}).execute()


# -- the estimate -------------------------------------------------------------------------------


def text_cell(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "text", "source": source}


def store(path: Path, *cells: dict[str, Any]) -> None:
    """Write a notebook of these cells."""
    whole = [{**cell, "id": f"cell-{i}", "metadata": {}} for i, cell in enumerate(cells)]
    notebook = {"cells": whole, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook), encoding="utf-8")


def code_cell(source: str, name: str = "run") -> dict[str, Any]:
    return {"cell_type": "code", "id": name, "source": source}


def test_words_are_read_at_the_stated_pace() -> None:
    cells = [text_cell("word " * minutes.WORDS_A_MINUTE)]
    assert minutes.reading_minutes(cells) == pytest.approx(1)


def test_addresses_and_marks_are_not_words() -> None:
    plain = minutes.reading_minutes([text_cell("Answer the link")])
    linked = text_cell("<details><summary>Answer</summary> the [link](https://a.b/c-d-e)")
    assert minutes.reading_minutes([linked]) == pytest.approx(plain)


def test_a_formula_costs_its_own_time_and_no_words() -> None:
    cells = [text_cell("$$\na + b + c + d\n$$")]
    assert minutes.reading_minutes(cells) == pytest.approx(minutes.SECONDS_A_FORMULA / 60)


def test_an_experiment_costs_its_own_time_and_its_lines() -> None:
    seconds = minutes.SECONDS_AN_EXPERIMENT + 2 * minutes.SECONDS_A_LINE
    assert minutes.reading_minutes([code_cell("a = 1\n\nb = 2")]) == pytest.approx(seconds / 60)


def test_a_prediction_costs_its_own_time() -> None:
    asked = minutes.reading_minutes([text_cell("**Predict:** one or two?")])
    told = minutes.reading_minutes([text_cell("**It is:** one or two?")])
    seconds = minutes.SECONDS_A_PREDICTION - 60 / minutes.WORDS_A_MINUTE
    assert asked - told == pytest.approx(seconds / 60)


def test_of_folded_cells_only_what_they_show_costs_time() -> None:
    folded = {"metadata": {"tags": ["hide-input"]}}
    figure = code_cell("# Figure: a curve\n" + "x = 1\n" * 20) | folded
    checks = code_cell("# Checks: the curve\n" + "x = 1\n" * 20) | folded
    assert minutes.reading_minutes([figure]) == pytest.approx(minutes.SECONDS_A_FIGURE / 60)
    assert minutes.reading_minutes([checks]) == 0


def test_exercises_and_the_syllabus_itself_are_left_out() -> None:
    cells = [
        code_cell("...", "ex-3-1"),
        code_cell("check()", "check-3-1"),
        text_cell("<!-- syllabus -->\n\n| many words |\n\n<!-- /syllabus -->"),
    ]
    assert minutes.reading_minutes(cells) == 0


@pytest.mark.parametrize(("estimate", "told"), [(0.4, 5), (7.4, 5), (7.6, 10), (38, 40)])
def test_minutes_are_told_in_fives(estimate: float, told: int) -> None:
    assert minutes.rounded(estimate) == told


def test_writing_puts_minutes_and_syllabus_in_and_then_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    title = (
        "# 00 · Start\n\n**The question:** what? And why?\n\n**Time:** soon. **Builds on:** air.\n"
    )
    first = tmp_path / minutes.START
    store(first, text_cell(title), text_cell("<!-- syllabus --><!-- /syllabus -->"))
    (tmp_path / "README.md").write_text("<!-- syllabus --><!-- /syllabus -->\nend\n")
    monkeypatch.setattr(minutes, "README", tmp_path / "README.md")

    course = minutes.lessons(tmp_path)
    assert minutes.write(course, [tmp_path / "03_x.ipynb"]) == []
    assert minutes.write(course) == [first, tmp_path / "README.md"]
    block, table = (cell.source for cell in read(first).cells)
    assert (
        "**Time:** about 5 minutes to read and run, 3 for the exercise. **Builds on:** air."
        in block
    )
    can = AFTERWARDS[0]
    assert f"| [00 · Start](00_start_here.ipynb) | {can} | 5 min | 3 min |" in table
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"| [00 · Start](notebooks/00_start_here.ipynb) | {can} | 5 min" in readme
    assert readme.endswith("end\n")
    assert minutes.write(minutes.lessons(tmp_path)) == []


def test_a_notebook_without_a_title_block_is_named(tmp_path: Path) -> None:
    store(tmp_path / "03_x.ipynb", text_cell("Hello."))
    with pytest.raises(ValueError, match=r"03_x\.ipynb: the first cell needs a title"):
        minutes.lessons(tmp_path)
