"""The page for teachers: lessons that fit their minutes, mistakes for every exercise."""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType

import pytest

from helpers.exercises import course
from tests.course import PATHS, ROOT, exercise_id, read
from tools import minutes

pytestmark = pytest.mark.slow  # it needs what the website is built with


@pytest.fixture(scope="module")
def material() -> ModuleType:
    sys.path.insert(0, str(ROOT / "book"))
    try:
        material = importlib.import_module("material")
    finally:
        sys.path.remove(str(ROOT / "book"))
    return material


def test_every_plan_fits_its_lesson_and_fills_it(material: ModuleType) -> None:
    assert {plan.minutes for plan in material.PLANS} == {45, 90}
    for plan in material.PLANS:
        needed = material.planned_minutes(plan)
        assert 0.75 * plan.minutes <= needed <= 0.95 * plan.minutes, (plan.title, needed)


def test_a_plans_sections_stand_in_order_and_hold_its_exercises(material: ModuleType) -> None:
    for plan in material.PLANS:
        for number, names, done in plan.steps:
            path = material.notebook_of(number)
            order = list(minutes.sections(path))
            assert [name for name in order if name in names] == list(names), plan.title
            assert len(set(names)) == len(names)
            section, found = "", []
            for cell in read(path).cells:
                section = cell.id if cell.id in order else section
                if section in names and (exercise := exercise_id(cell, "ex")):
                    found.append(exercise)
            assert [name for name in found if name in done] == list(done), plan.title


def test_the_sections_are_the_whole_notebook(material: ModuleType) -> None:
    for path in PATHS:
        told = sum(length for _, length in minutes.sections(path).values())
        assert told == pytest.approx(minutes.reading_minutes(read(path).cells))


def test_every_exercise_has_its_three_mistakes(material: ModuleType) -> None:
    page = material.mistakes()
    assert page.count(":::{dropdown}") == len(PATHS)
    for name, exercise in course.exercises().items():
        part = page[page.index(f"**{name}** `{exercise.name}`") :]
        part = re.split(r"\n\*\*\d|\n:::", part)[0]
        assert len(re.findall(r"^- \*", part, re.MULTILINE)) == min(3, len(exercise.mistakes)) > 0


def test_a_sentence_stands_in_markdown_as_it_is_written(material: ModuleType) -> None:
    assert material.in_markdown("x_i * y_i < |z| of `a_b * c`") == (
        r"X\_i \* y\_i \< \|z\| of `a_b * c`"
    )
