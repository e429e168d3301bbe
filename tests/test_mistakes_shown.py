"""Every declared mistake can be shown, and run, as a cell of a learner's: the website does."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from helpers.exercises import course
from tests.course import ROOT

pytestmark = pytest.mark.slow

EXERCISES = course.exercises()


@pytest.fixture(scope="module")
def verdicts() -> ModuleType:
    sys.path.insert(0, str(ROOT / "book"))
    try:
        return importlib.import_module("verdicts")
    finally:
        sys.path.remove(str(ROOT / "book"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXERCISES)
def test_each_mistake_runs_as_a_cell_of_its_own(name: str, verdicts: ModuleType) -> None:
    """Whatever it takes from where it is declared has to come with it."""
    exercise = EXERCISES[name]
    for mistake in exercise.mistakes:
        code, answer = verdicts.learners(exercise, mistake)
        value = verdicts.executed(code, answer, exercise, mistake)
        assert exercise.value or callable(value), mistake.name
