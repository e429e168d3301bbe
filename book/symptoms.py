"""What somebody sees who made a mistake, told from what came out: NaN, zeros, sums that are not 1.

Nothing here is declared by hand: a symptom is read off the outcomes on an exercise's probes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from helpers.checker import comparing
from helpers.checker.axes import along_another_axis
from helpers.checker.cases import Case, cases_of, is_real, member_outcome
from helpers.checker.comparing import Failure, Findings, as_numbers
from helpers.checker.constants import scaled, shifted
from helpers.checker.declaration import Exercise, Mistake
from helpers.checker.transforms import transformed

# In the order of a list to choose from: its key, what is seen, and in a few more words.
SYMPTOMS: dict[str, tuple[str, str]] = {
    "nan": ("NaN", "NaN comes out where a number is due."),
    "inf": ("inf", "inf or −inf comes out where a finite number is due."),
    "zeros": ("zeros", "0 comes out where another number is due."),
    "finite": ("no inf, no NaN", "A finite number comes out where inf, −inf or NaN is due."),
    "sums": ("rows do not sum to 1", "Probabilities are due, and a row does not sum to 1."),
    "negative": ("negative", "A negative number comes out where none can be."),
    "sign": ("sign", "The result is the negative of what is due."),
    "ln-n": ("off by ln n", "The result is off by the logarithm of the number of classes."),
    "constant": ("off by a constant", "The result is off by the same constant throughout."),
    "factor": ("off by a factor", "The result is off by the same factor throughout."),
    "transposed": ("transposed", "The rows and columns of the result are exchanged."),
    "axis": ("another axis", "The result is right along another axis, or over the whole array."),
    "function": (
        "its log, square, order, …",
        "The result is a plain function of what is due: its logarithm, its square, sorted, "
        "summed, …",
    ),
    "shape": ("wrong shape", "The result has another shape than is due."),
    "digits": ("digits lost", "Every number is nearly right: only digits are lost."),
    "plausible": ("other numbers", "The numbers look plausible, and are wrong."),
    "names": ("another answer", "A name, a set or a table comes out, and it is not the right one."),
    "dtype": ("another dtype", "The numbers are right, in another format than is due."),
    "raises": ("an exception", "The code stops with an exception."),
    "silent": ("no exception", "Nothing is raised where an exception is due."),
    "changed": ("arguments changed", "The caller's arrays have changed afterwards."),
    "memory": ("too much memory", "The result is right, and took too much memory."),
    "warns": ("a warning", "The result is right, and a warning is printed."),
    "large": ("only on extreme inputs", "Ordinary inputs come out right; large or long ones not."),
}

NEARLY = 1e-3
"""The relative error up to which a number is nearly right."""


def symptoms(exercise: Exercise, mistake: Mistake, status: str) -> list[str]:
    """Return the keys of all symptoms that a wrong answer shows on the exercise's probes."""
    expected = comparing.expected_outcomes(exercise)
    findings = Findings()
    with np.errstate(all="ignore"):
        for index, probe in enumerate(exercise.probes):
            outcome = member_outcome(exercise, mistake.functions[0], index)
            findings.outcomes.append(outcome)
            failure = comparing.compare(exercise, probe, outcome, expected[index])
            if failure is not None:
                findings.failures.append(failure)
        found = {key for failure in findings.failures for key in _of_failure(exercise, failure)}
        found |= set(_of_all(exercise, cases_of(exercise, findings)))
    if status == "unstable":
        found.add("large")
    if "plausible" in found:
        found.discard("digits")
    if found - {"large", "raises", "plausible"}:
        found.discard("plausible")
    return [key for key in SYMPTOMS if key in found]


def _of_failure(exercise: Exercise, failure: Failure) -> Iterator[str]:
    """Yield what is seen on one probe."""
    kinds = {
        "shape": "shape",
        "dtype": "dtype",
        "raises": "silent",
        "memory": "memory",
        "modified": "changed",
        "warning": "warns",
        "error": "raises",
        "nothing": "names",
        "type": "names",
        "keys": "names",
    }
    if failure.outcome.modified:
        yield "changed"
    if failure.kind in kinds:
        yield kinds[failure.kind]
        return
    pairs = list(_pairs(failure.outcome.value, failure.expected.value))
    if not pairs:
        yield "names"
    for mine, due in pairs:
        yield from _of_numbers(exercise, failure, mine, due)


def _pairs(mine: Any, due: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the arrays of numbers that are compared, as float64, where their shapes agree."""
    if isinstance(due, tuple) and isinstance(mine, tuple | np.ndarray) and not is_real(due):
        for parts in zip(mine, due, strict=False):
            yield from _pairs(*parts)
    elif isinstance(due, dict) and isinstance(mine, dict):
        for key in due.keys() & mine.keys():
            yield from _pairs(mine[key], due[key])
    elif is_real(mine) and is_real(due):
        a, b = as_numbers(mine).astype(np.float64), as_numbers(due).astype(np.float64)
        if a.shape == b.shape:
            yield a, b


def _of_numbers(exercise: Exercise, failure: Failure, mine: Any, due: Any) -> Iterator[str]:
    """Yield what is seen of numbers beside those that are due."""
    different = ~((mine == due) | (np.isnan(mine) & np.isnan(due)))
    finite = np.isfinite(due)
    both = finite & np.isfinite(mine) & different
    if (np.isnan(mine) & ~np.isnan(due)).any():
        yield "nan"
    if (np.isinf(mine) & finite).any():
        yield "inf"
    if (both & (mine == 0)).any():
        yield "zeros"
    if (np.isfinite(mine) & ~finite).any():
        yield "finite"
    if (both & (mine < 0)).any() and _never_negative(exercise):
        yield "negative"
    wide = failure.probe.width == 8  # in narrow formats rounding alone moves a sum
    if wide and _probabilities(exercise) and _sums_differ(mine, due):
        yield "sums"
    if both.any() and not (different & ~both).any():
        error = np.abs(mine - due)[both] / np.maximum(np.abs(due[both]), 1e-300)
        yield "digits" if error.max() < NEARLY else "plausible"
    elif both.any():
        yield "plausible"


def _expected(exercise: Exercise) -> Iterator[Any]:
    for outcome in comparing.expected_outcomes(exercise):
        if outcome.error is None and is_real(outcome.value):
            yield as_numbers(outcome.value).astype(np.float64)


def _never_negative(exercise: Exercise) -> bool:
    """Whether every number that is due is 0 or more."""
    return all(bool((due >= 0).all()) for due in _expected(exercise) if np.isfinite(due).all())


def _probabilities(exercise: Exercise) -> bool:
    """Whether every row that is due sums to 1, or is empty: all 0."""
    known = [due for due in _expected(exercise) if np.isfinite(due).all()]
    return bool(known) and all(
        due.ndim
        and due.size
        and bool((due >= 0).all())
        and bool(((np.abs(due.sum(axis=-1) - 1) < 2e-2) | (due.sum(axis=-1) == 0)).all())
        for due in known
    )


def _sums_differ(mine: Any, due: Any) -> bool:
    """Whether a finite row sums to something else than the row that is due."""
    rows = np.isfinite(mine).all(axis=-1) & np.isfinite(due).all(axis=-1)
    return bool((rows & (np.abs(mine.sum(axis=-1) - due.sum(axis=-1)) > 1e-12)).any())


def _of_all(exercise: Exercise, cases: Sequence[Case]) -> Iterator[str]:
    """Yield what relates the results to those that are due, the same way on all ordinary probes."""
    usual = [c for c in cases if c.numeric and c.probe.raises is None and not c.probe.extreme]
    usual = usual or [c for c in cases if c.numeric and c.probe.raises is None]
    broken = [case for case in usual if case.failure is not None]
    if exercise.value or not broken or 2 * sum(c.numeric for c in cases) < len(cases):
        return
    relation = transformed(exercise, usual)
    if relation is not None:
        said = relation.explanation
        if "negative of what" in said:
            yield "sign"
        elif "transpose" in said:
            yield "transposed"
        else:
            yield "function"
    for find, key in ((scaled, "factor"), (shifted, "constant"), (along_another_axis, "axis")):
        yield from _related(exercise, usual, find, key)


def _related(
    exercise: Exercise, cases: Sequence[Case], find: Callable[..., Any], key: str
) -> Iterator[str]:
    diagnosis = find(exercise, cases)
    if diagnosis is None:
        return
    if key == "factor" and "−1/2 times" in diagnosis.explanation:
        return
    yield "ln-n" if key == "constant" and "by ln n" in diagnosis.explanation else key
