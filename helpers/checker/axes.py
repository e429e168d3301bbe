"""General diagnoses by axes, rows and arguments: along another axis, rows mixed, one left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from helpers.checker.calling import Outcome, fresh, run
from helpers.checker.cases import (
    Again,
    Case,
    Diagnosis,
    agree,
    failing_first,
    first_array,
    is_real,
    member_outcome,
    members,
    recognised,
    same_values,
)
from helpers.checker.comparing import as_numbers
from helpers.checker.declaration import Exercise, Mistake, Probe
from helpers.checker.layout import capitalised
from helpers.checker.transforms import holds


def along_another_axis(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Compare with the reference along other axes, and over the whole array."""
    if "axis" in exercise.signature.parameters:
        return None
    first, before_last, whole = _swapped(0), _swapped(-2), "over the whole array at once"
    layouts: tuple[tuple[str, Callable[[Any], Any], Callable[[Any, Any], Any]], ...] = (
        ("along the first axis", first, lambda r, x: first(r)),
        ("along the first axis", first, lambda r, x: r),
        ("along the axis before the last", before_last, lambda r, x: before_last(r)),
        (whole, lambda a: a.reshape(1, -1), lambda r, x: r.reshape(x.shape)),
        (whole, lambda a: a.reshape(1, -1), lambda r, x: r.reshape(())),
    )
    for words, arrange, restore in layouts:

        def transform(e: Any, case: Case, arrange: Any = arrange, restore: Any = restore) -> Any:
            x = first_array(case.probe)
            if x is None or x.ndim < 2:
                return e
            others = [
                arrange(a) if isinstance(a, np.ndarray) and a.shape == x.shape else fresh(a)
                for a in case.probe.arguments[1:]
            ]
            return restore(np.asarray(exercise.reference(arrange(x), *others)), x)

        if holds(exercise, cases, transform):
            return Diagnosis(
                f"You worked {words}; the classes lie along the last one.",
                "Look at the `axis` of every sum and maximum: axis=-1 is the last.",
            )
    return None


def mistaken_along_another_axis(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Find a declared wrong answer, or the right one, worked along axis 0 or 1 throughout.

    Every case is compared, those too where there is no such axis: one row alone has no axis 1.
    """
    if "axis" in exercise.signature.parameters or exercise.canonical is not None:
        return None
    if not any(case.mine.error is None or _misses_an_axis(case.mine.error) for case in cases):
        return None
    if any(callable(argument) for case in cases for argument in case.probe.arguments):
        return None  # the axes are those of the function that is passed, not the answer's choice
    everyone: list[tuple[Mistake | None, Callable[..., Any]]] = [(None, exercise.reference)]
    everyone += members(exercise)
    ordered = failing_first(cases)
    told = [c for c in cases if c.failure is not None and c.failure.kind != "dtype"]
    dimensions = {x.ndim for x in (first_array(case.probe) for case in told) if x is not None}
    for axis, words in (
        (1, "axis 1, which is the last one of a batch (N, n) alone"),
        (0, "axis 0"),
    ):
        if not dimensions - ({0, 2} if axis else {0, 1}):  # there it is the last one all the same
            continue
        for mistake, function in everyone:
            if mistake is None and axis == 0:  # told by `along_another_axis`
                continue
            if not all(
                agree(exercise, c.probe, c.mine, _along(exercise, function, axis, c))
                for c in ordered
            ):
                continue
            said = f"you worked along {words}: the last axis is always axis=-1."
            if mistake is None:
                return Diagnosis(capitalised(said), "Look at every `axis`, `dim` and shape[1].")
            return recognised(mistake, name=f"{mistake.name} + axis_{axis}", also=f"And {said}")
    return None


def _misses_an_axis(error: BaseException) -> bool:
    """Whether an exception says that there is no such axis: other indices say nothing of axes."""
    return isinstance(error, np.exceptions.AxisError) or "Dimension out of range" in str(error)


def _along(exercise: Exercise, function: Callable[..., Any], axis: int, case: Case) -> Outcome:
    """Return what a function would do on a probe if it worked along `axis`, not the last one."""
    x = first_array(case.probe)
    if x is None or x.ndim == 0:
        return run(function, case.probe, exercise)
    if axis >= x.ndim:
        return Outcome(error=np.exceptions.AxisError(axis, x.ndim))
    arguments = tuple(
        np.moveaxis(a, axis, -1) if isinstance(a, np.ndarray) and a.shape == x.shape else a
        for a in case.probe.arguments
    )
    outcome = run(function, dataclasses.replace(case.probe, arguments=arguments), exercise)
    if not isinstance(outcome.value, np.ndarray) or outcome.value.ndim != x.ndim:
        return outcome
    return dataclasses.replace(outcome, value=np.moveaxis(outcome.value, -1, axis))


def _swapped(axis: int) -> Callable[[Any], Any]:
    return lambda a: np.swapaxes(a, axis, -1) if a.ndim > 1 else a


def mixed_rows(exercise: Exercise, broken: Sequence[Case], again: Again) -> Diagnosis | None:
    """Give every row of a wrong batch to the answer alone: and compare one by one."""
    if "axis" in exercise.signature.parameters or any(_is_one_row(case) for case in broken):
        return None
    for case in broken:
        rows = _alone(case)
        if len(rows) < 2:
            continue
        outcomes = [again(probe) for probe in rows]
        wanted = np.asarray(case.expected.value)
        right = [
            outcome.error is None and same_values(exercise, probe, outcome.value, wanted[i : i + 1])
            for i, (probe, outcome) in enumerate(zip(rows, outcomes, strict=True))
        ]
        if all(right):
            return Diagnosis(
                "Every row alone is right, but in a batch they influence each other.",
                "Which sum, maximum or product runs over all rows? Each row needs its own.",
            )
        return None
    return None


def _is_one_row(case: Case) -> bool:
    array = first_array(case.probe)
    return array is not None and (array.ndim < 2 or array.shape[0] == 1)


def _alone(case: Case) -> list[Probe]:
    """Return a probe for each row of a batch, where the result has a row for each too."""
    x, expected = case.probe.arguments[0] if case.probe.arguments else None, case.expected.value
    if not isinstance(x, np.ndarray) or x.ndim < 2 or expected.ndim < 1:
        return []
    count = x.shape[0]
    if expected.shape[0] != count or (expected.ndim == 1 and x.shape[-1] == count):
        return []
    return [
        Probe(
            tuple(
                a[i : i + 1] if isinstance(a, np.ndarray) and a.shape[:1] == (count,)
                and (a.ndim == x.ndim or a.dtype.kind in "iu") else a
                for a in case.probe.arguments
            )
        )
        for i in range(count)
    ]  # fmt: skip


def mistaken_and_negated(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Find a declared wrong answer that, besides, was negated or transposed."""
    extras: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        ("the sign is turned round", lambda v: -v),
        ("rows and columns are exchanged", lambda v: np.swapaxes(v, -1, -2)),
    )
    for mistake, function in members(exercise):
        for words, change in extras:

            def transform(e: Any, case: Case, f: Any = function, change: Any = change) -> Any:
                return change(np.asarray(member_outcome(exercise, f, case.index).value))

            if holds(exercise, cases, transform):
                return recognised(mistake, name=mistake.name, also=f"Besides, {words}.")
    return None


def idle_argument(exercise: Exercise, broken: Sequence[Case], again: Again) -> Diagnosis | None:
    """Change one argument after the other: one that changes nothing was left out."""
    for i, name in enumerate(exercise.signature.parameters):
        moved = [(case, _with_another(case.probe, i)) for case in broken[:3]]
        if len(moved) > 1 and all(
            probe is not None and _idle(exercise, case, probe, again) for case, probe in moved
        ):
            array = isinstance(broken[0].probe.arguments[i], np.ndarray)
            changed = "another order of its entries" if array and i else "another value of it"
            return Diagnosis(
                f"The argument `{name}` makes no difference: {changed} gives the same result.",
                f"Where does {name} have to enter?",
            )
    return None


def _with_another(probe: Probe, i: int) -> Probe | None:
    """Return a probe in which one argument has another value."""
    other = probe.arguments[i]
    if isinstance(other, np.ndarray) and i == 0 and other.dtype.kind == "f" and other.size > 1:
        other = 0.75 * np.roll(other, 1, axis=-1)
    elif isinstance(other, float) and i > 0 and np.isfinite(other) and other > 0:
        other = 0.75 * other
    elif isinstance(other, np.ndarray) and i > 0 and other.ndim and other.shape[-1] > 1:
        other = np.roll(other, 1, axis=-1)
    else:
        return None
    return Probe((*probe.arguments[:i], other, *probe.arguments[i + 1 :]))


def _idle(exercise: Exercise, case: Case, probe: Probe, again: Again) -> bool:
    mine = again(probe)
    if mine.error is not None or case.mine.error is not None or not is_real(mine.value):
        return False
    if not np.isfinite(as_numbers(mine.value)).any():
        return False
    expected = run(exercise.reference, probe, exercise)
    return same_values(exercise, case.probe, mine.value, case.mine.value) and (
        expected.error is None
        and not same_values(exercise, case.probe, expected.value, case.expected.value)
    )
