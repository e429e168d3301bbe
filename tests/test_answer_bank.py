"""Every right answer of the bank is accepted by the checker, every wrong one is refused."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from typing import Any

import pytest
import torch._dynamo  # noqa: F401  an optimiser loads it: seconds that no answer is to be charged

from helpers.exercises import check
from tests import answer_bank
from tests.answer_bank import RIGHT, WRONG

for module in pkgutil.iter_modules(answer_bank.__path__):
    importlib.import_module(f"{answer_bank.__name__}.{module.name}")

pytestmark = pytest.mark.many

LEAST_RIGHT, LEAST_WRONG = 4, 8  # answers to each exercise that has any


def cases(bank: dict[str, list[Any]], quick: float = float("inf")) -> list[Any]:
    """Return a parameter for each answer of the bank, named by exercise, number and name.

    Beyond the first `quick` of each exercise they are slow tests.
    """
    return [
        pytest.param(
            exercise,
            answer,
            id=f"{exercise}-{number}-{getattr(answer, '__name__', type(answer).__name__)}",
            marks=() if number <= quick else pytest.mark.slow,
        )
        for exercise in sorted(bank, key=lambda name: [int(part) for part in name.split(".")])
        for number, answer in enumerate(bank[exercise], start=1)
    ]


def status(exercise: str, answer: Any) -> str:
    """Return the verdict's status; an answer's own floating-point warnings are no concern here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check(exercise, answer).status


@pytest.mark.parametrize(("exercise", "answer"), cases(RIGHT))
def test_right_answer_is_accepted(exercise: str, answer: Any) -> None:
    assert status(exercise, answer) == "right"


@pytest.mark.parametrize(("exercise", "answer"), cases(WRONG, quick=LEAST_WRONG))
def test_wrong_answer_is_refused(exercise: str, answer: Any) -> None:
    assert status(exercise, answer) not in {"right", "not started"}


def test_bank_is_rich_enough() -> None:
    assert RIGHT.keys() == WRONG.keys()
    assert all(len(answers) >= LEAST_RIGHT for answers in RIGHT.values())
    assert all(len(answers) >= LEAST_WRONG for answers in WRONG.values())
