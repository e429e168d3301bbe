"""General diagnoses, for answers that nobody foresaw, in the order in which they are tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from helpers.checker.axes import (
    along_another_axis,
    idle_argument,
    mistaken_and_negated,
    mixed_rows,
)
from helpers.checker.calling import Outcome, refused_to_write, with_floats
from helpers.checker.cases import Again, Case, Diagnosis, is_read_only, same_values, smallest
from helpers.checker.comparing import (
    Findings,
    argument_names,
    as_numbers,
    compare,
    expected_outcomes,
)
from helpers.checker.constants import scaled, shifted
from helpers.checker.declaration import Exercise, Probe
from helpers.checker.guard import TimeLimit
from helpers.checker.places import few_digits, instability, misshapen, only_where, what_to_return
from helpers.checker.shapes import lost_axis, rows_apart, some_dimensions
from helpers.checker.transforms import transformed


def general(
    exercise: Exercise, findings: Findings, cases: Sequence[Case], again: Again
) -> Diagnosis | None:
    """Return the first general diagnosis that explains the answer."""
    kinds = {failure.kind for failure in findings.failures}
    usual = [c for c in cases if c.numeric and c.probe.raises is None and not c.probe.extreme]
    usual = usual or [c for c in cases if c.numeric and c.probe.raises is None]
    broken = [case for case in usual if case.failure is not None]
    if 2 * sum(case.numeric for case in cases) < len(cases):  # too few values to tell anything
        broken = []
    return (
        _unchanging_kind(exercise, findings, kinds)
        or _written_and_put_back(findings)
        or _integers_cut_off(exercise, findings, again)
        or _unrepeatable(exercise, cases, again)
        or _one_of_several(exercise, cases)
        or lost_axis(findings)
        or (transformed(exercise, usual) if broken else None)
        or (scaled(exercise, usual) if broken else None)
        or (shifted(exercise, usual) if broken else None)
        or (along_another_axis(exercise, usual) if broken else None)
        or (mixed_rows(exercise, broken, again) if broken else None)
        or (mistaken_and_negated(exercise, usual) if broken else None)
        or some_dimensions(cases)
        or (rows_apart(usual) if broken else None)
        or _unraised(exercise, findings)
        or idle_argument(exercise, broken, again)
        or instability(exercise, findings, again)
        or only_where(exercise, findings)
        or misshapen(exercise, findings)
        or (few_digits(exercise, usual) if broken else None)
    )


def _unchanging_kind(exercise: Exercise, findings: Findings, kinds: set[str]) -> Diagnosis | None:
    """Diagnose an answer that fails in one way only, which says it all."""
    if len(kinds) != 1:
        if kinds != {"modified", "error"}:
            return None
        kinds = {"modified"}
    if kinds == {"dtype"} and not all(
        same_values(exercise, f.probe, f.outcome.value, f.expected.value) for f in findings.failures
    ):
        return None
    failure = smallest(findings, ("error",))
    match kinds.pop():
        case "modified":
            names = argument_names(exercise, failure.outcome.modified) or "its argument"
            returns = all(
                f.kind == "modified" or refused_to_write(f.outcome.error) for f in findings.failures
            )
            values = "The values are" if returns else "Where your code returns, the values are"
            return Diagnosis(
                f"{values} right, but {names} was modified: the caller finds other numbers in it "
                "afterwards.",
                "Make a new array; look for +=, -=, *=, /=, out= and assignments to elements.",
                beside=("error",),
            )
        case "nothing":
            return Diagnosis(
                "Nothing was returned: without `return` a function gives None.",
                "Does every path through your function end in `return`?",
            )
        case "dtype":
            return Diagnosis(
                f"The values are right, but in a narrower format: {failure.reason}. Digits that "
                "were given are lost.",
                "Keep the dtype of the input, or a wider one.",
            )
        case "memory":
            return Diagnosis(
                f"The values are {failure.reason}.",
                "Which array is the largest? Work on a part of it at a time.",
            )
        case "warning":
            return Diagnosis(
                "The values are right, but NumPy warns, and that was to be avoided.",
                "Which line overflows or divides by 0? np.errstate silences just that one.",
            )
        case "type":
            return Diagnosis("", what_to_return(exercise))
    return None


def _written_and_put_back(findings: Findings) -> Diagnosis | None:
    """Diagnose writing into an argument that is given back as it was: a read-only one refuses."""
    refused = [f for f in findings.failures if "read-only" in str(f.outcome.error or "")]
    others = [f for f in findings.failures if "read-only" not in str(f.outcome.error or "")]
    if not refused or not all(is_read_only(f.probe) for f in refused):
        return None
    if any(f.outcome.modified or not _holds_integers(f.probe) for f in others):
        return None
    return Diagnosis(
        "Your code writes into its argument: a read-only array refuses that.",
        "Work on a copy of your own: np.array(x, dtype=float).",
    )


def _integers_cut_off(exercise: Exercise, findings: Findings, again: Again) -> Diagnosis | None:
    """Diagnose an array of integers that was to hold fractions, where integers are passed."""
    for failure in findings.failures:
        if failure.probe.raises is not None:  # floats may be what is to be refused
            return None
        floats = with_floats(exercise, failure.probe)
        same = zip(floats.arguments, failure.probe.arguments, strict=True)
        if all(given is passed for given, passed in same) or not _was_cut_off(failure.outcome):
            return None
        if compare(exercise, floats, again(floats), failure.expected) is not None:
            return None
    return Diagnosis(
        "Right for floats; where integers are passed, an array of integers cuts off what is "
        "written into it.",
        "copy, zeros_like and empty_like make an array of the input's dtype: give dtype=float.",
    )


def _was_cut_off(outcome: Outcome) -> bool:
    """Whether integers came back, or refused a fraction, an inf or a NaN."""
    said = str(outcome.error or "")
    value = as_numbers(outcome.value)
    whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
    return whole or refused_to_write(outcome.error) or ("convert float" in said)


def _holds_integers(probe: Probe) -> bool:
    return any(isinstance(a, np.ndarray) and a.dtype.kind in "iu" for a in probe.arguments)


def _unraised(exercise: Exercise, findings: Findings) -> Diagnosis | None:
    """Diagnose an answer that is right except that it accepts what it should refuse."""
    if {failure.kind for failure in findings.failures} != {"raises"}:
        return None
    if all(outcome.value is None for outcome in expected_outcomes(exercise)):  # a learner's test
        passed = [f"“{failure.probe.note}”" for failure in findings.failures]
        more = f" and {len(passed) - 3} more" if len(passed) > 3 else ""
        return Diagnosis(
            f"It passes what is right, and also {', '.join(passed[:3])}{more}.",
            "Find an input on which the first of these goes wrong.",
        )
    return Diagnosis(
        f"Right wherever a value is asked, but {findings.failures[0].reason}.",
        "Test for this input first, and `raise` the exception with a helpful message.",
    )


def _unrepeatable(exercise: Exercise, cases: Sequence[Case], again: Again) -> Diagnosis | None:
    """Call the answer again on some probes: the same input has to give the same result."""
    if exercise.value:
        return None
    for case in cases[:2]:
        if case.mine.error is not None:
            continue
        repeated = again(case.probe)
        if isinstance(repeated.error, TimeLimit):  # which says nothing about the answer's result
            return None
        if repeated.error is not None or not same_values(
            exercise, case.probe, case.mine.value, repeated.value
        ):
            return Diagnosis(
                "The same input gives another result the second time: your function depends on an "
                "earlier call, or on random numbers.",
                "Look for global variables, default arguments that are lists or arrays, "
                "and np.random.",
            )
    return None


def _one_of_several(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Diagnose one part of a result of several, the others being right or diagnosed later."""
    several = [
        case
        for case in cases
        if isinstance(case.expected.value, tuple)
        and isinstance(case.mine.value, tuple)
        and len(case.mine.value) == len(case.expected.value)
    ]
    if not several or len(several) < sum(isinstance(c.expected.value, tuple) for c in cases):
        return None
    if _exchanged(exercise, several):
        return Diagnosis("The results are right, but in another order.", "Exchange them.")
    for part in range(len(several[0].expected.value)):
        parts = [_part(case, part) for case in several]
        if not all(case.numeric for case in parts):
            return None
        cause = transformed(exercise, parts) or scaled(exercise, parts) or shifted(exercise, parts)
        if cause is not None:
            where = f"In result {part + 1} of {len(several[0].expected.value)}: "
            return Diagnosis(where + cause.explanation, cause.look)
    return None


def _exchanged(exercise: Exercise, cases: Sequence[Case]) -> bool:
    return all(
        same_values(exercise, case.probe, case.mine.value[::-1], case.expected.value)
        for case in cases
    )


def _part(case: Case, part: int) -> Case:
    """Return a case that looks at one of several results."""
    mine = dataclasses.replace(case.mine, value=case.mine.value[part])
    expected = dataclasses.replace(case.expected, value=case.expected.value[part])
    return dataclasses.replace(case, mine=mine, expected=expected)
