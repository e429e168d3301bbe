"""Finding the cause: a named mistake, two of them, a general one, else the first difference.

Every hypothesis is held against all float64 probes, never against some of them: partial agreement
only misleads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from helpers.checker.axes import mistaken_along_another_axis
from helpers.checker.calling import Outcome, refused_to_write
from helpers.checker.cases import (
    Again,
    Case,
    Diagnosis,
    agree,
    cases_of,
    failing_first,
    is_real,
    member_outcome,
    members,
    recognised,
    same_values,
)
from helpers.checker.comparing import Findings, argument_names, as_numbers, difference
from helpers.checker.declaration import Exercise, Mistake
from helpers.checker.general import general
from helpers.checker.places import first_difference
from helpers.checker.shapes import mistaken_in_some_dimensions


def diagnose(exercise: Exercise, findings: Findings, again: Again) -> Diagnosis:
    """Return the cause of the failures in `findings`.

    Parameters
    ----------
    exercise : Exercise
    findings : Findings
        What the answer did on every probe; at least one failure.
    again : callable
        Calls the answer once more, on another probe.
    """
    cases = cases_of(exercise, findings)
    for find in (_named, _named_and_modifying, _named_and_warning, _product):
        diagnosis = find(exercise, cases)
        if diagnosis is not None:
            return diagnosis
    if all(case.failure is None for case in cases):  # a mistake that shows in narrow formats alone
        diagnosis = _named(exercise, cases_of(exercise, findings, narrow=True))
        if diagnosis is not None:
            return diagnosis
    with np.errstate(all="ignore"):
        composed = mistaken_along_another_axis(exercise, cases) or mistaken_in_some_dimensions(
            exercise, cases
        )
        if composed is not None and not exercise.value:
            return composed
        return general(exercise, findings, cases, again) or first_difference(exercise, findings)


# --- named mistakes ------------------------------------------------------------------------------


def _named(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Find the declared wrong answer that does the same on every probe."""
    ordered = failing_first(cases)
    if not any(_differs(exercise, case) for case in ordered):
        return None
    for mistake, function in members(exercise):
        outcomes = ((c, member_outcome(exercise, function, c.index)) for c in ordered)
        if all(
            agree(exercise, c.probe, c.mine, outcome) and _as_right(exercise, c, outcome)
            for c, outcome in outcomes
        ):
            return recognised(mistake, name=mistake.name, beside=("dtype",))
    return None


def _as_right(exercise: Exercise, case: Case, outcome: Outcome) -> bool:
    """Whether a wrong answer's value is right where mine is: of NaN and inf one may be right."""
    if case.mine.error is not None or outcome.error is not None or case.probe.raises is not None:
        return True
    if case.failure is not None and case.failure.kind == "dtype":
        return True
    problem = difference(exercise, case.probe, outcome.value, case.expected.value)
    mine = difference(exercise, case.probe, case.mine.value, case.expected.value)
    return (problem is None) == (mine is None)


def _differs(exercise: Exercise, case: Case) -> bool:
    """Whether a case is wrong by more than the rounding of its own, perhaps narrow, dtype."""
    if case.failure is None or case.failure.kind != "dtype":
        return case.failure is not None
    return not same_values(exercise, case.probe, case.mine.value, case.expected.value)


def _named_and_modifying(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Find a declared wrong answer that, besides, was computed in place."""
    changed = sorted({i for case in cases for i in case.mine.modified})
    if not changed:
        return None
    readable = [case for case in cases if not refused_to_write(case.mine.error)]
    if 2 * len(readable) < len(cases):
        return None
    mistake = _besides(exercise, readable, modified=False)
    if mistake is None:
        return None
    also = f"Besides, {argument_names(exercise, tuple(changed))} was modified."
    name = f"{mistake.name} + {_in_place_name(exercise)}"
    return recognised(mistake, name=name, also=also, beside=("modified",))


def _named_and_warning(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Find a declared wrong answer that, besides, warns where that is a mistake."""
    if not exercise.quiet or not any(case.mine.warnings for case in cases):
        return None
    mistake = _besides(exercise, cases, warned=False)
    if mistake is None:
        return None
    also = "Besides, it warns: np.errstate silences the line that does."
    name = f"{mistake.name} + warns"
    return recognised(mistake, name=name, also=also, beside=("warning",))


def _besides(exercise: Exercise, cases: Sequence[Case], **leaving_out: bool) -> Mistake | None:
    """Return the declared wrong answer that this is, leaving out what it does besides."""
    for mistake, function in members(exercise):
        outcomes = [(c, member_outcome(exercise, function, c.index)) for c in cases]
        same = all(agree(exercise, c.probe, c.mine, o, **leaving_out) for c, o in outcomes)
        if same and not all(
            same_values(exercise, c.probe, c.expected.value, o.value) for c, o in outcomes
        ):
            return mistake
    return None


def _in_place_name(exercise: Exercise) -> str:
    """Return the name this exercise gives to working in place."""
    for mistake in exercise.mistakes:
        if any(word in mistake.name for word in ("modif", "in_place", "inplace")):
            return mistake.name
    return "in_place"


def _product(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Find two declared wrong answers whose factors multiply, or whose differences add, to this."""
    cases = [case for case in failing_first(cases) if case.probe.raises is None]
    wrong = [case for case in cases if case.failure is not None]
    if exercise.value or len(wrong) < 2 or not all(case.numeric for case in wrong[:2]):
        return None
    if not any(_differs(exercise, case) for case in wrong):
        return None
    for (first, f), (second, g), combine in _promising(exercise, cases):
        if _combines(exercise, cases, f, g, combine):
            return recognised(first, second, name=f"{first.name} + {second.name}")
    return None


Member = tuple[Mistake, Callable[..., Any]]
Combination = Callable[[Any, Any, Any], Any]


def _promising(
    exercise: Exercise, cases: Sequence[Case]
) -> Iterator[tuple[Member, Member, Combination]]:
    """Yield the pairs that come near the answer: a coarse test of all pairs at once."""
    known = [case for case in cases if case.numeric and case.expected.value.size]
    mine = np.concatenate([_flat(case, case.mine) for case in known])
    expected = np.concatenate([_flat(case, case.expected) for case in known])
    everyone = list(members(exercise))
    values = np.array(
        [
            np.concatenate([_flat(case, member_outcome(exercise, f, case.index)) for case in known])
            for _, f in everyone
        ]
    )
    for i, one in enumerate(everyone):
        for combine in (_multiplied, _added):
            together = _together(combine, values[i], values[i + 1 :], expected)
            with np.errstate(all="ignore"):
                far = np.abs(together - mine) > 1e-6 * (np.abs(mine) + np.abs(values[i]))
            far |= np.isfinite(together) != np.isfinite(mine)
            for j in np.flatnonzero(~far.any(axis=1)):
                other = everyone[i + 1 + int(j)]
                if one[0] is not other[0]:
                    yield one, other, combine


def _flat(case: Case, outcome: Outcome) -> Any:
    """Return an outcome's entries in a row, NaN for each where they cannot be compared."""
    size = case.expected.value.size
    if outcome.error is not None or not is_real(outcome.value):
        return np.full(size, np.nan)
    values = as_numbers(outcome.value)
    if values.shape != case.expected.value.shape:
        return np.full(size, np.nan)
    return np.where(np.isfinite(values), values, np.nan).ravel()


def _multiplied(a: Any, b: Any, expected: Any) -> Any:
    return a * b / expected


def _added(a: Any, b: Any, expected: Any) -> Any:
    return a + b - expected


def _together(combine: Combination, p: Any, q: Any, expected: Any) -> Any:
    """Return what two wrong results make together; p's entry where only their combination fails."""
    with np.errstate(all="ignore"):
        together = combine(p, q, expected)
    together = np.where(np.isfinite(together), together, p)
    return np.where(np.isfinite(p) & np.isfinite(q), together, np.nan)


def _combines(
    exercise: Exercise,
    cases: Sequence[Case],
    f: Callable[..., Any],
    g: Callable[..., Any],
    combine: Combination,
) -> bool:
    """Whether both mistakes together explain every probe, and neither is idle throughout."""
    compared = moved_by_f = moved_by_g = 0
    for case in cases:
        a, b = (member_outcome(exercise, h, case.index) for h in (f, g))
        if set(case.mine.modified) != set(a.modified) | set(b.modified):
            return False
        if case.mine.error is not None or a.error is not None or b.error is not None:
            if case.mine.error is None or (a.error is None and b.error is None):
                return False
            continue
        if not case.numeric or not is_real(a.value) or not is_real(b.value):
            return False
        e, p, q = as_numbers(case.expected.value), as_numbers(a.value), as_numbers(b.value)
        if not p.shape == q.shape == e.shape == as_numbers(case.mine.value).shape:
            return False
        together = _together(combine, p.astype(float), q.astype(float), e)
        if not same_values(exercise, case.probe, as_numbers(case.mine.value), together):
            return False
        compared += 1
        moved_by_f += not same_values(exercise, case.probe, p, e) or bool(a.modified)
        moved_by_g += not same_values(exercise, case.probe, q, e) or bool(b.modified)
    return compared >= 2 and moved_by_f > 0 and moved_by_g > 0
