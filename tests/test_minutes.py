"""Readers are told the computed minutes, and the syllabus holds every notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.course import FOLDER, PATHS, read
from tools import minutes

MEND = "run `python tools/minutes.py --write`"
STATING = [entry for entry in minutes.lessons() if minutes.in_step(entry) is not None]


@pytest.mark.parametrize("entry", STATING, ids=lambda entry: entry.path.stem)
def test_each_notebook_states_its_minutes(entry: minutes.Lesson) -> None:
    assert minutes.in_step(entry), MEND


def test_the_readme_holds_the_syllabus() -> None:
    text = minutes.README.read_text(encoding="utf-8")
    assert minutes.SYLLABUS.search(text)
    assert text == minutes.expected_readme(minutes.lessons()), MEND


@pytest.mark.skipif(not (FOLDER / minutes.START).exists(), reason="no notebook 00 yet")
def test_the_first_notebook_holds_the_syllabus() -> None:
    path = FOLDER / minutes.START
    sources = [cell.source for cell in read(path).cells]
    assert any(minutes.SYLLABUS.search(source) for source in sources)
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
    assert "| [00 · Start](00_start_here.ipynb) | 5 min | 3 min |" in table
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| [00 · Start](notebooks/00_start_here.ipynb) | What? And why? | 5 min" in readme
    assert readme.endswith("end\n")
    assert minutes.write(minutes.lessons(tmp_path)) == []


def test_a_notebook_without_a_title_block_is_named(tmp_path: Path) -> None:
    store(tmp_path / "03_x.ipynb", text_cell("Hello."))
    with pytest.raises(ValueError, match=r"03_x\.ipynb: the first cell needs a title"):
        minutes.lessons(tmp_path)
