"""General diagnoses by shape: a lost axis, and answers for some numbers of dimensions alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from helpers.checker.calling import is_arithmetic
from helpers.checker.cases import (
    Case,
    Diagnosis,
    agree,
    first_array,
    member_outcome,
    members,
    recognised,
)
from helpers.checker.comparing import Findings, as_numbers
from helpers.checker.declaration import Exercise

DIMENSIONS = {0: "a single number", 1: "one row (1-D)", 2: "a batch (2-D)", 3: "a stack (3-D)"}
REMEDY = "axis=-1 with keepdims=True suits every number of dimensions."


def lost_axis(findings: Findings) -> Diagnosis | None:
    """Read off an exception that a row's sum or maximum has lost the axis it was taken over."""
    for failure in findings.failures:
        said = str(failure.outcome.error or "")
        if "could not be broadcast" not in said:
            continue
        shapes = [
            tuple(map(int, re.findall(r"\d+", shape))) for shape in re.findall(r"\([\d, ]+\)", said)
        ]
        if len(shapes) < 2:
            continue
        wide, narrow = sorted(shapes[:2], key=len, reverse=True)
        if len(wide) > 1 and narrow == wide[:-1]:
            return Diagnosis(
                f"Shapes {wide} and {narrow} meet: a sum, mean or maximum over the last axis has "
                "lost that axis. On a square batch nothing stops you, and the wrong numbers meet.",
                "keepdims=True keeps the axis with length 1.",
            )
    return None


def _dimensions(case: Case) -> int | None:
    array = first_array(case.probe)
    return None if array is None else array.ndim


def some_dimensions(cases: Sequence[Case]) -> Diagnosis | None:
    """Say for which numbers of dimensions an answer is right, where it is for some alone."""
    found: dict[int, list[bool]] = {}
    for case in cases:
        dimensions = _dimensions(case)
        if dimensions is None:
            return None
        if not case.probe.extreme and case.probe.raises is None:
            found.setdefault(dimensions, []).append(case.failure is None)
    right = [d for d, outcomes in found.items() if all(outcomes)]
    wrong = [d for d, outcomes in found.items() if not any(outcomes)]
    if not (right and wrong) or len(right) + len(wrong) < len(found):
        return None
    if sum(len(found[d]) for d in right) < 2:
        return None
    return Diagnosis(f"Right for {_named(right)}, but not for {_named(wrong)}.", REMEDY)


def _named(dimensions: Sequence[int]) -> str:
    return " and ".join(DIMENSIONS.get(d, f"{d} dimensions") for d in sorted(dimensions))


def mistaken_in_some_dimensions(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Find a declared wrong answer that, besides, stops for some numbers of dimensions."""
    stopped: dict[int, list[bool]] = {}
    for case in cases:
        dimensions = _dimensions(case)
        if dimensions is None:
            return None
        error = case.mine.error
        stopped.setdefault(dimensions, []).append(error is not None and not is_arithmetic(error))
    stops = [d for d, outcomes in stopped.items() if all(outcomes)]
    rest = [case for case in cases if _dimensions(case) not in stops]
    if not stops or len(rest) < 3 or all(case.failure is None for case in rest):
        return None
    for mistake, function in members(exercise):
        if all(
            agree(exercise, c.probe, c.mine, member_outcome(exercise, function, c.index))
            for c in sorted(rest, key=lambda case: case.failure is None)
        ):
            return recognised(
                mistake,
                name=f"{mistake.name} + some_dimensions_only",
                also=f"And your code stops for {_named(stops)}: {REMEDY}",
            )
    return None


def rows_apart(cases: Sequence[Case]) -> Diagnosis | None:
    """Find that each row is right up to a factor, or a constant, of its own."""
    batches = [
        (as_numbers(case.mine.value).astype(float), case.expected.value)
        for case in cases
        if case.numeric and case.expected.value.ndim > 0 and case.expected.value.shape[-1] > 1
    ]
    if len(batches) < 2 or any(
        mine.shape != wanted.shape or not (np.isfinite(mine) & np.isfinite(wanted)).all()
        for mine, wanted in batches
    ):
        return None
    apart = [mine - wanted for mine, wanted in batches]
    sizes = [np.abs(mine) + np.abs(wanted) for mine, wanted in batches]
    if all(map(_same_along, apart, sizes)) and _differ(apart):
        return Diagnosis(
            "Within each row the differences are right, but the row is off by a constant of its "
            "own.",
            "What is added to, or subtracted from, the whole row?",
        )
    if not all((wanted != 0).all() for _, wanted in batches):
        return None
    factors = [mine / wanted for mine, wanted in batches]
    if all(_same_along(factor, np.abs(factor)) for factor in factors) and _differ(factors):
        return Diagnosis(
            "Within each row the proportions are right, but the row is off by a factor of its own.",
            "What is the whole row divided by, or multiplied with?",
        )
    return None


def _differ(of_rows: Sequence[np.ndarray]) -> bool:
    """Whether the rows have different values: one value throughout is no matter of rows."""
    values = np.concatenate([value[..., 0].ravel() for value in of_rows])
    return bool(np.ptp(values) > 1e-3 * np.abs(values).max())


def _same_along(values: np.ndarray, size: np.ndarray) -> bool:
    """Whether the values are the same along the last axis, up to rounding."""
    return bool((np.ptp(values, axis=-1) <= 1e-12 * size.max(axis=-1)).all())
