"""General diagnoses by one operation: the answer is the expected result negated, sorted, summed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from helpers.checker.calling import fresh
from helpers.checker.cases import Case, Diagnosis, failing_first, first_array, same_values
from helpers.checker.comparing import as_numbers
from helpers.checker.declaration import Exercise

Transform = Callable[[Any, Case], Any]


TRANSFORMS: tuple[tuple[str, str, Transform], ...] = (
    ("This is the negative of what was asked.", "Look for a lost or doubled minus.",
     lambda e, case: -e),
    ("This is the transpose of what was asked.", "Which index is the row, which the column?",
     lambda e, case: np.swapaxes(e, -1, -2) if e.ndim > 1 else None),
    ("This is the negative of the transpose.", "Look at the order of the indices and at the sign.",
     lambda e, case: -np.swapaxes(e, -1, -2) if e.ndim > 1 else None),
    ("The entries are right, but in reversed order.", "Look for [::-1], or an index from the end.",
     lambda e, case: e[..., ::-1] if e.ndim else None),
    ("The rows are right, but in reversed order.", "Look for [::-1] along the batch.",
     lambda e, case: e[::-1] if e.ndim > 1 else None),
    ("The entries are right, but sorted.", "Undo the sort: every entry belongs to its own place.",
     lambda e, case: np.sort(e, axis=-1) if e.ndim else None),
    ("The entries are right, but sorted in descending order.",
     "Undo the sort: every entry belongs to its own place.",
     lambda e, case: -np.sort(-e, axis=-1) if e.ndim else None),
    ("This is the log of what was asked.", "Leave the last log out.", lambda e, case: np.log(e)),
    ("This is the negative log of what was asked.", "Leave the last log out.",
     lambda e, case: -np.log(e)),
    ("This is the exponential of what was asked.", "Take the log, on paper if you can.",
     lambda e, case: np.exp(e)),
    ("This is the exponential of the negative of what was asked.", "Take −log.",
     lambda e, case: np.exp(-e)),
    ("This is the square of what was asked.", "Look for a factor that was taken twice.",
     lambda e, case: e * e),
    ("This is the square root of what was asked.", "Look for a root too many.",
     lambda e, case: np.sqrt(e)),
    ("This is the reciprocal of what was asked.", "Turn the fraction round.",
     lambda e, case: 1.0 / e),
    ("This is one minus what was asked.", "You have the complement: which event do you want?",
     lambda e, case: 1.0 - e),
    ("This is the absolute value of what was asked.", "Keep the sign.", lambda e, case: np.abs(e)),
    ("Negative entries came back as 0.", "Nothing has to be clipped here.",
     lambda e, case: np.maximum(e, 0.0)),
    ("These are cumulative sums of what was asked.", "Look for a cumsum, or a running total.",
     lambda e, case: np.cumsum(e, axis=-1) if e.ndim else None),
    ("Only the diagonal is right; the rest is 0.", "Fill the entries off the diagonal too.",
     lambda e, case: e * np.eye(*e.shape[-2:]) if e.ndim > 1 else None),
    ("The results of all rows were summed.", "Keep one result per row.",
     lambda e, case: e.sum(axis=0) if _row_by_row(e, case) else None),
    ("The results of all rows were averaged.", "Keep one result per row.",
     lambda e, case: e.mean(axis=0) if _row_by_row(e, case) else None),
    ("All entries were summed into one number.", "Look for a sum too many.",
     lambda e, case: e.sum() if e.ndim else None),
    ("All entries were averaged into one number.", "Look for a mean too many.",
     lambda e, case: e.mean() if e.ndim else None),
    ("The summed axis is still there, with length 1.", "Look at keepdims.",
     lambda e, case: e[..., None] if _rows_only(e, case) else None),
    ("An axis of length 1 was added.", "Look at keepdims, [None] and reshape.",
     lambda e, case: e[None]),
    ("Every axis of length 1 is gone.", "Look for squeeze, and for rows of length 1.",
     lambda e, case: np.squeeze(e)),
    ("The numbers are right, but in one flat row.", "Keep the shape: look for ravel or flatten.",
     lambda e, case: e.ravel()),
    ("Only the first row's result came back.", "Return one result per row; look for [0].",
     lambda e, case: e[0] if e.ndim else None),
    ("Only the last row's result came back.", "Collect the rows: look at where `return` stands.",
     lambda e, case: e[-1] if e.ndim else None),
    ("Rounded to whole numbers.", "Look for round, int() or an integer dtype.",
     lambda e, case: np.round(e)),
    ("Cut off to whole numbers.", "Look for int(), // or an integer dtype.",
     lambda e, case: np.trunc(e)),
    ("Your function was applied to its own result: it was taken twice.",
     "Take it once.", lambda e, case: _twice(e, case)),
    ("This is the input itself.", "Return what you computed.",
     lambda e, case: first_array(case.probe)),
    ("Only 1 at the largest entry and 0 elsewhere came back.",
     "Is a comparison all that is left of the input?",
     lambda e, case: (e == e.max(axis=-1, keepdims=True)).astype(float)
     if _distribution(e) else None),
    ("Everything came back as 0.", "Is the result ever assigned?", lambda e, case: 0.0 * e),
    ("Everything came back as 1.", "Is each entry divided by itself?", lambda e, case: 0.0 * e + 1),
    ("Every entry came back with the same share, 1/n.", "Does the input enter at all?",
     lambda e, case: 0.0 * e + 1.0 / e.shape[-1] if _distribution(e) else None),
)  # fmt: skip


def _rows_only(expected: Any, case: Case) -> bool:
    array = first_array(case.probe)
    return array is not None and expected.ndim == array.ndim - 1


def _row_by_row(expected: Any, case: Case) -> bool:
    """Whether there is one result for each row of a batch."""
    array = first_array(case.probe)
    return array is not None and array.ndim > 1 and array.shape[:1] == expected.shape[:1]


def _distribution(expected: Any) -> bool:
    """Whether every row of the expected result sums to 1."""
    if not (expected.ndim and expected.size and np.isfinite(expected).all()):
        return False
    return bool((expected >= 0).all() and (np.abs(expected.sum(axis=-1) - 1) < 1e-6).all())


def _twice(expected: Any, case: Case) -> Any:
    array = first_array(case.probe)
    if array is None or array.shape != expected.shape:
        return None
    return case.exercise.reference(expected, *map(fresh, case.probe.arguments[1:]))


def holds(exercise: Exercise, cases: Sequence[Case], transform: Transform) -> bool:
    """Whether the transformed expectation is the answer on every probe, a wrong one among them."""
    seen = False
    for case in failing_first(cases):
        expected = as_numbers(case.expected.value).astype(np.float64)
        try:
            transformed = transform(expected, case)
            array = None if transformed is None else np.asarray(transformed)
        except Exception:  # not defined for this probe
            return False
        if array is None or not same_values(exercise, case.probe, case.mine.value, array):
            return False
        finite = np.isfinite(as_numbers(case.mine.value)).any()  # NaN throughout says nothing
        seen = seen or (
            bool(finite) and not same_values(exercise, case.probe, case.mine.value, expected)
        )
    return seen


def transformed(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Diagnose a result that is the expected one under one of the operations."""
    for explanation, look, transform in TRANSFORMS:
        if holds(exercise, cases, transform):
            return Diagnosis(explanation, look)
    return None
