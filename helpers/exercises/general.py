"""General diagnoses, for answers that nobody foresaw: a transpose, a factor, a lost axis."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from helpers.exercises.cases import (
    Case,
    Diagnosis,
    failing_first,
    first_array,
    is_real,
    member_outcome,
    members,
    refused_to_write,
    same_values,
    sentence,
    smallest,
)
from helpers.exercises.checking import (
    Failure,
    Findings,
    Outcome,
    argument_names,
    as_list,
    as_numbers,
    difference,
    expected_outcomes,
    run,
)
from helpers.exercises.declaration import Exercise, Probe
from helpers.exercises.wording import shown_pair

Again = Callable[[Probe], Outcome]


def general(
    exercise: Exercise, findings: Findings, cases: Sequence[Case], again: Again
) -> Diagnosis | None:
    """Return the first general diagnosis that explains the answer."""
    kinds = {failure.kind for failure in findings.failures}
    usual = [c for c in cases if c.numeric and c.probe.raises is None and not c.probe.extreme]
    usual = usual or [c for c in cases if c.numeric and c.probe.raises is None]
    broken = [case for case in usual if case.failure is not None]
    return (
        _unchanging_kind(exercise, findings, kinds)
        or _written_and_put_back(findings)
        or _unrepeatable(exercise, cases, again)
        or _one_of_several(exercise, cases)
        or (_transformed(exercise, usual) if broken else None)
        or (_scaled(exercise, usual) if broken else None)
        or (_shifted(exercise, usual) if broken else None)
        or (_along_another_axis(exercise, usual) if broken else None)
        or (_mixed_rows(exercise, broken, again) if broken else None)
        or (_mistaken_and_negated(exercise, usual) if broken else None)
        or _unraised(exercise, findings)
        or _idle_argument(exercise, broken, again)
        or _instability(findings)
        or _only_where(exercise, findings)
        or _misshapen(exercise, findings)
        or (_few_digits(exercise, usual) if broken else None)
    )


def _unchanging_kind(exercise: Exercise, findings: Findings, kinds: set[str]) -> Diagnosis | None:
    """Diagnose an answer that fails in one way only, which says it all."""
    if len(kinds) != 1:
        if kinds == {"modified", "error"} and all(
            f.kind == "modified" or refused_to_write(f.outcome.error) for f in findings.failures
        ):
            kinds = {"modified"}
        else:
            return None
    failure = smallest(findings)
    match kinds.pop():
        case "modified":
            names = argument_names(exercise, failure.outcome.modified) or "its argument"
            return Diagnosis(
                f"The values are right, but {names} was modified: the caller finds other numbers "
                "in it afterwards.",
                "Make a new array; look for +=, -=, *=, /=, out= and assignments to elements.",
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
        case "warning":
            return Diagnosis(
                "The values are right, but NumPy warns, and that was to be avoided.",
                "Which line overflows or divides by 0? np.errstate silences just that one.",
            )
        case "type":
            return Diagnosis("", _what_to_return(exercise))
    return None


def _what_to_return(exercise: Exercise) -> str:
    """Say in which form a result is asked, for an answer of another type."""
    wanted = expected_outcomes(exercise)[0].value
    if exercise.canonical is not None and not isinstance(wanted, tuple):
        return "Look at the task again: what has to be returned?"
    if isinstance(wanted, dict):
        return "Write a dict: {name: number, …}, with the names that the task lists."
    if isinstance(wanted, frozenset):
        return "Write a set of the names, in braces: {'…', '…'}."
    if isinstance(wanted, tuple):
        return f"Return {len(wanted)} results, with a comma between them: `return a, b`."
    if isinstance(wanted, str):
        return "Return one of the words that the task lists."
    return "Return numbers: np.array(...) helps."


def _written_and_put_back(findings: Findings) -> Diagnosis | None:
    """Diagnose writing into an argument that is given back as it was."""
    refused = [f for f in findings.failures if refused_to_write(f.outcome.error)]
    others = [f for f in findings.failures if not refused_to_write(f.outcome.error)]
    if not refused or any(f.outcome.modified or not _holds_integers(f.probe) for f in others):
        return None
    return Diagnosis(
        "Your code writes into its argument: a read-only array refuses that, and an integer one "
        "cuts off what is written.",
        "Work on a copy of your own: np.array(x, dtype=float).",
    )


def _holds_integers(probe: Probe) -> bool:
    return any(isinstance(a, np.ndarray) and a.dtype.kind in "iu" for a in probe.arguments)


def _unraised(exercise: Exercise, findings: Findings) -> Diagnosis | None:
    """Diagnose an answer that is right except that it accepts what it should refuse."""
    if {failure.kind for failure in findings.failures} != {"raises"}:
        return None
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
        cause = (
            _transformed(exercise, parts) or _scaled(exercise, parts) or _shifted(exercise, parts)
        )
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
    ("Only 1 at the largest entry and 0 elsewhere came back.", "argmax is not softmax.",
     lambda e, case: (e == e.max(axis=-1, keepdims=True)).astype(float)
     if _distribution(e) else None),
    ("Everything came back as 0.", "Is the result ever assigned?", lambda e, case: 0.0 * e),
    ("Everything came back as 1.", "Is each entry divided by itself?", lambda e, case: 0.0 * e + 1),
    ("Every class came back with the same share, 1/n.", "Do the logits enter at all?",
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
    return case.exercise.reference(expected, *case.probe.arguments[1:])


def holds(exercise: Exercise, cases: Sequence[Case], transform: Transform) -> bool:
    """Whether the transformed expectation is the answer on every probe, a wrong one among them."""
    seen = False
    for case in failing_first(cases):
        expected = as_numbers(case.expected.value).astype(np.float64)
        try:
            transformed = transform(expected, case)
        except Exception:  # not defined for this probe
            return False
        if transformed is None or not same_values(
            exercise, case.probe, case.mine.value, np.asarray(transformed)
        ):
            return False
        finite = np.isfinite(as_numbers(case.mine.value)).any()  # NaN throughout says nothing
        seen = seen or (
            bool(finite) and not same_values(exercise, case.probe, case.mine.value, expected)
        )
    return seen


def _transformed(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    for explanation, look, transform in TRANSFORMS:
        if holds(exercise, cases, transform):
            return Diagnosis(explanation, look)
    return None


# --- constants -----------------------------------------------------------------------------------


def _sizes(case: Case) -> tuple[int, int]:
    """Return N, the number of rows, and n, the number of classes, of the first array passed."""
    array = first_array(case.probe)
    if array is None or array.ndim == 0:
        return 1, 1
    return int(np.prod(array.shape[:-1])), int(array.shape[-1])


def _constants(exercise: Exercise, case: Case) -> dict[str, float]:
    """Return the constants that answers are often off by, with their values on one probe."""
    rows, n = _sizes(case)
    basic: dict[str, float] = {
        "N": rows,
        "n": n,
        "(N·n)": rows * n,
        "(n − 1)": n - 1,
        "2": 2,
        "ln 2": np.log(2),
        "ln 10": np.log(10),
        "ln n": np.log(n),
        "ln N": np.log(rows),
        "log2 n": np.log2(n),
        "log10 n": np.log10(n),
    }
    for name, value in zip(exercise.signature.parameters, case.probe.arguments, strict=False):
        if isinstance(value, int | float) and not isinstance(value, bool):
            symbol = {"tau": "τ", "alpha": "α", "lam": "λ", "eps": "ε"}.get(name, name)
            basic |= {symbol: value, f"{symbol}²": value**2, f"ln {symbol}": np.log(abs(value))}
            basic |= {f"(1 − {symbol})": 1 - value}
    return basic


def _meaning(name: str) -> str:
    """Return what the letters of a constant stand for."""
    meanings = {"N": "N is the number of rows", "n": "n the number of classes"}
    letters = [letter for letter in meanings if letter in name.replace("ln", "").split("the")[0]]
    return f"; {', '.join(meanings[letter] for letter in letters)}" if letters else ""


def _scaled(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Diagnose a constant factor, by its name where it has one."""

    def by(name: str, power: int, sign: int) -> Transform:
        return lambda e, case: sign * e * _constants(exercise, case)[name] ** float(power)

    for name in _constants(exercise, cases[0]):
        for power, sign in itertools.product((1, -1), (1, -1)):
            if holds(exercise, cases, by(name, power, sign)):
                factor = ("−" if sign < 0 else "") + (name if power == 1 else f"1/{name}")
                return Diagnosis(
                    f"Off by a constant factor: yours is {factor} times what was asked"
                    f"{_meaning(name)}.",
                    "Where does this factor come in, or get lost: a mean for a sum, a base of the "
                    "logarithm, a derivative?",
                )
    number = _common(cases, lambda mine, e: mine / e, lambda e: np.abs(e) > 1e-300)
    if number is None or abs(number - 1) < 1e-3:  # those are lost digits
        return None
    if not holds(exercise, cases, lambda e, case: number * e):
        return None
    return Diagnosis(
        f"Off by a constant factor: yours is {number:.6g} times what was asked.",
        "Which line brings this factor in?",
    )


def _shifted(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Diagnose a constant offset, by its name where it has one."""

    def by(name: str, sign: int) -> Transform:
        return lambda e, case: e + sign * _offsets(exercise, case, e)[name]

    first = as_numbers(cases[0].expected.value)
    for name in _offsets(exercise, cases[0], first):
        for sign in (1, -1):
            if holds(exercise, cases, by(name, sign)):
                much = "too large" if sign > 0 else "too small"
                return Diagnosis(
                    f"Off by a constant: yours is {much} by {name}{_meaning(name)}.",
                    f"Where is {name} added, subtracted or forgotten?",
                )
    offset = _common(cases, lambda mine, e: mine - e, np.isfinite)
    if offset is None or not holds(exercise, cases, lambda e, case: e + offset):
        return None
    return Diagnosis(
        f"Off by a constant: yours is what was asked plus {offset:.6g}.",
        "Which line brings this constant in?",
    )


def _offsets(exercise: Exercise, case: Case, expected: Any) -> dict[str, Any]:
    """Return the terms that answers often add or forget, with their values on one probe."""
    terms: dict[str, Any] = {"1": 1.0, **_constants(exercise, case)}
    array = first_array(case.probe)
    if array is not None and array.ndim and array.size:
        keep = expected.ndim == array.ndim
        terms["the row's maximum"] = array.max(axis=-1, keepdims=keep)
        terms["twice the row's maximum"] = 2 * terms["the row's maximum"]
        terms["the row's minimum"] = array.min(axis=-1, keepdims=keep)
        terms["the row's mean"] = array.mean(axis=-1, keepdims=keep)
        terms["the row's sum"] = array.sum(axis=-1, keepdims=keep)
    return terms


def _common(
    cases: Sequence[Case], relate: Callable[[Any, Any], Any], usable: Callable[[Any], Any]
) -> float | None:
    """Return the one constant that relates answer and expectation in several entries, or None."""
    found: list[float] = []
    for case in cases:
        mine, expected = as_numbers(case.mine.value), as_numbers(case.expected.value)
        if mine.shape != expected.shape:
            return None
        ratio = np.asarray(relate(mine.astype(float), expected.astype(float)))
        where = np.isfinite(ratio) & usable(expected)
        found.extend(ratio[where].ravel().tolist())
    if len(found) < 4 or len({round(float(f), 9) for f in found}) > len(found) // 2:
        return None
    return float(np.median(found))


# --- axes and rows -------------------------------------------------------------------------------


def _along_another_axis(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
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
                arrange(a) if isinstance(a, np.ndarray) and a.shape == x.shape else a
                for a in case.probe.arguments[1:]
            ]
            return restore(np.asarray(exercise.reference(arrange(x), *others)), x)

        if holds(exercise, cases, transform):
            return Diagnosis(
                f"You worked {words}; the classes lie along the last one.",
                "Look at the `axis` of every sum and maximum: axis=-1 is the last.",
            )
    return None


def _swapped(axis: int) -> Callable[[Any], Any]:
    return lambda a: np.swapaxes(a, axis, -1) if a.ndim > 1 else a


def _mixed_rows(exercise: Exercise, broken: Sequence[Case], again: Again) -> Diagnosis | None:
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


def _mistaken_and_negated(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
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
                return Diagnosis(
                    f"{sentence(mistake.sentence)} Besides, {words}.", "", mistake.name
                )
    return None


def _idle_argument(exercise: Exercise, broken: Sequence[Case], again: Again) -> Diagnosis | None:
    """Change one argument after the other: one that changes nothing was left out."""
    for i, name in enumerate(exercise.signature.parameters):
        moved = [(case, _with_another(case.probe, i)) for case in broken[:3]]
        if len(moved) > 1 and all(
            probe is not None and _idle(exercise, case, probe, again) for case, probe in moved
        ):
            array = isinstance(broken[0].probe.arguments[i], np.ndarray)
            changed = "another order of its entries" if array else "another value of it"
            return Diagnosis(
                f"The argument `{name}` makes no difference: {changed} gives the same result.",
                f"Where does {name} have to enter?",
            )
    return None


def _with_another(probe: Probe, i: int) -> Probe | None:
    """Return a probe in which one argument after the first has another value."""
    other = probe.arguments[i]
    if isinstance(other, float) and i > 0 and np.isfinite(other) and other > 0:
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


# --- where it is right, and where not ------------------------------------------------------------


def _instability(findings: Findings) -> Diagnosis | None:
    """Say what overflowed or was lost on the smallest extreme input."""
    if findings.status != "unstable":
        return None
    failure = smallest(findings)
    value, error = failure.outcome.value, failure.outcome.error
    if error is None and not is_real(value):
        return None
    why, look = _vanished(failure) if error is None else (None, "")
    if why is None:
        why, look = _out_of_range(failure)
    return Diagnosis(f"The formula is right, its computation is not: {why}.", look)


def _vanished(failure: Failure) -> tuple[str | None, str]:
    """Explain a result that is finite, and wrong all the same."""
    mine, wanted = as_numbers(failure.outcome.value), as_numbers(failure.expected.value)
    if mine.shape != wanted.shape or not np.isfinite(mine).all():
        return None, ""
    cover = "Look for clip, maximum, an ε and nan_to_num: they hide an inf or a 0, not its cause."
    if not np.isfinite(wanted).all():
        return "the answer is infinite here, and a finite number came back", cover
    error = np.abs(mine - wanted) / np.maximum(np.abs(wanted), 1e-300)
    if error.max(initial=0.0) < 1e-3:
        return (
            "digits are lost: large terms cancel, or a small one is swallowed by a large one",
            "Where is a small number added to a large one, or two near ones subtracted?",
        )
    return (
        "a term leaves the range of floating point, is swallowed by a larger one or is clipped, "
        "and no inf or NaN tells you",
        f"Print the intermediate results on this input. {cover}",
    )


def _out_of_range(failure: Failure) -> tuple[str, str]:
    """Explain a result that is inf or NaN, by the size of what was passed."""
    x = first_array(failure.probe)
    finite = x[np.isfinite(x)] if x is not None else np.zeros(0)
    overflowed = isinstance(failure.outcome.error, OverflowError) or any(
        "overflow" in text for text in failure.outcome.warnings
    )
    if x is not None and x.size and not np.isfinite(x).all() and not overflowed:
        return (
            "infinite logits are legitimate here, and ∞ − ∞ and 0 · ∞ are NaN",
            "Treat the infinite entries before they meet each other.",
        )
    if finite.size and finite.max() > 709 and (overflowed or not _far_apart(x)):
        return (
            f"exp({finite.max():g}) is past the largest float64, so it becomes inf",
            "What is the largest exponent that your exp gets? Subtract the row's maximum first.",
        )
    if finite.size and _far_apart(x) and not overflowed:
        return (
            "a row far below the others becomes 0 throughout, and 0/0 is NaN, log 0 is -inf",
            "What is subtracted from this row? It has to be its own maximum.",
        )
    if finite.size and finite.max() < -700:
        return (
            f"exp({finite.max():g}) is below the smallest float64, so every term becomes 0",
            "Subtract the row's maximum first: then one term is exp(0) = 1.",
        )
    if finite.size and finite.min() < -700 and not overflowed:
        return (
            f"exp({finite.min():g}) underflows to 0, and what depends on it is lost",
            "Stay with logarithms: do not pass through a probability that is 0.",
        )
    return (
        "an intermediate result leaves the range of floating point",
        "Print the intermediate results on this input; the first inf, 0 or NaN is the cause.",
    )


def _far_apart(x: Any) -> bool:
    """Whether one row lies so far below another that its exponentials vanish beside it."""
    if x is None or x.ndim < 2 or x.size == 0:
        return False
    tops = x.max(axis=-1)
    return bool(np.ptp(tops[np.isfinite(tops)]) > 700) if np.isfinite(tops).any() else False


def _has_ties(probe: Probe) -> bool:
    x = first_array(probe)
    if x is None or x.ndim == 0 or x.shape[-1] < 2:
        return False
    return bool((np.sum(x == x.max(axis=-1, keepdims=True), axis=-1) > 1).any())


def _some(test: Callable[[Any], Any]) -> Callable[[Probe], bool]:
    """Return whether an array argument passes a test."""
    return lambda probe: any(test(a) for a in probe.arguments if isinstance(a, np.ndarray))


def _floats(test: Callable[[Any], Any]) -> Callable[[Probe], bool]:
    return _some(lambda a: a.dtype.kind == "f" and bool(np.any(test(a))))


PLACES: tuple[tuple[str, Callable[[Probe], bool]], ...] = (
    ("the largest entries are tied", _has_ties),
    ("a row is −inf throughout",
     _floats(lambda a: np.all(a == -np.inf, axis=-1) if a.ndim and a.size else False)),
    ("an entry is +inf", _floats(lambda a: a == np.inf)),
    ("an entry is −inf", _floats(lambda a: a == -np.inf)),
    ("a row is masked throughout",
     _some(lambda a: a.dtype.kind == "b" and bool((~a.any(axis=-1)).any()))),
    ("an entry is masked", _some(lambda a: a.dtype.kind == "b" and not a.all())),
    ("the batch has one row", _some(lambda a: a.ndim == 2 and a.shape[0] == 1)),
    ("there is one class alone", _some(lambda a: a.ndim > 0 and a.shape[-1] == 1)),
    ("the input holds integers",
     lambda probe: bool(probe.arguments) and isinstance(probe.arguments[0], np.ndarray)
     and probe.arguments[0].dtype.kind in "iu"),
    ("the input is float16", _some(lambda a: a.dtype == np.float16)),
    ("the input is float32", _some(lambda a: a.dtype == np.float32)),
    ("the input is a single number, shape ()", _some(lambda a: a.ndim == 0)),
    ("the input is one row, 1-D", _some(lambda a: a.ndim == 1 and a.dtype.kind == "f")),
    ("the input is a 3-D stack", _some(lambda a: a.ndim > 2)),
    ("the batch is square",
     _some(lambda a: a.ndim == 2 and a.shape[0] == a.shape[1] and a.shape[0] > 1)),
    ("the batch is not square", _some(lambda a: a.ndim == 2 and a.shape[0] != a.shape[1])),
    ("there is more than one row", _some(lambda a: a.ndim > 1 and a.shape[0] > 1)),
    ("every logit is negative", _floats(lambda a: np.all(a < 0))),
    ("an entry is 0", _floats(lambda a: a == 0)),
    ("an entry is negative", _floats(lambda a: a < 0)),
    ("the numbers are large", _floats(lambda a: np.isfinite(a) & (np.abs(a) > 100))),
)  # fmt: skip


def _only_where(exercise: Exercise, findings: Findings) -> Diagnosis | None:
    """Find what the failing probes share and the others do not."""
    failing = {id(failure.probe) for failure in findings.failures}
    if 2 * len(failing) > len(exercise.probes) or any(f.raised for f in findings.failures):
        return None
    best: tuple[float, str] | None = None
    for words, test in PLACES:
        there = [probe for probe in exercise.probes if test(probe)]
        if failing <= {id(probe) for probe in there}:
            share = len(failing) / len(there)
            if share >= 0.6 and (best is None or share > best[0]):
                best = share, words
    if best is None:
        return None
    return Diagnosis(
        f"Right except where {best[1]}.", "Follow this input through your code, line by line."
    )


def _misshapen(exercise: Exercise, findings: Findings) -> Diagnosis | None:
    """Say that the shape is wrong, where it always is."""
    shapes = [failure for failure in findings.failures if failure.kind == "shape"]
    if 2 * len(shapes) < len(findings.failures):
        return None
    failure = smallest(findings)
    wanted = failure.expected.value
    if isinstance(wanted, tuple) and failure.reason.endswith(f"instead of {len(wanted)}"):
        look = f"Return exactly {len(wanted)} results, with a comma between them: `return a, b`."
        return Diagnosis("", look)
    if failure.kind == "type":
        return Diagnosis("", _what_to_return(exercise))
    words = "" if failure.kind == "shape" else "On most inputs the shape is wrong."
    return Diagnosis(words, "Print the shape after each line: which line adds or loses an axis?")


def _few_digits(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Say how many digits are right, where some are throughout."""
    errors, sizes = [], []
    for case in cases:
        mine, expected = as_numbers(case.mine.value), as_numbers(case.expected.value)
        if mine.shape != expected.shape or not np.isfinite(mine).all():
            return None
        errors.append(float(np.max(np.abs(mine - expected), initial=0.0)))
        sizes.append(float(np.max(np.abs(expected), initial=0.0)))
    scale = np.maximum(sizes, 0.01 * float(np.median(sizes)) or 1.0)  # where 0 is expected
    worst = float(np.max(np.array(errors) / scale))
    if not 0 < worst < 1e-3:
        return None
    return Diagnosis(
        f"Right to about {int(-np.log10(worst))} digits, where 15 are to be had.",
        "Look for an ε that was added, a rounded constant, a step too large, or float32 inside.",
    )


def first_difference(exercise: Exercise, findings: Findings) -> Diagnosis:
    """Fall back on the first differing element of the smallest failing probe."""
    failure = smallest(findings)
    mine, wanted = failure.outcome.value, failure.expected.value
    hint = f"hint({exercise.id!r}) helps."
    if isinstance(wanted, frozenset) and failure.kind == "value":
        return Diagnosis(_elements(exercise, frozenset(as_list(mine)), wanted), hint)
    words = None
    # To say what a value should have been would be to give the exercise away.
    if failure.outcome.error is None and failure.kind == "value" and not exercise.value:
        words = _first(exercise, failure.probe, mine, wanted)
    if words is None or words.startswith("here"):  # a single number stands beside the expected one
        look = hint if exercise.value else f"Follow this input through your code; {hint}"
        return Diagnosis("", look)
    look = f"Compute this entry by hand; {hint}" if exercise.canonical is None else hint
    if "nan" in words or "inf, expected" in words:
        look = f"Which line gives the first inf or nan? Print the intermediate results; {hint}"
    return Diagnosis(f"The first difference is {words}.", look)


def _first(exercise: Exercise, probe: Probe, mine: Any, wanted: Any) -> str | None:
    """Return "at index 0: yours is 1, expected 2" for the first difference within two values."""
    if isinstance(wanted, dict | tuple) and not isinstance(mine, str):
        keys = wanted if isinstance(wanted, dict) else range(len(wanted))
        for key in keys:
            if difference(exercise, probe, mine[key], wanted[key]) is None:
                continue
            words = _first(exercise, probe, mine[key], wanted[key])
            if words is None or isinstance(wanted, dict):
                return words and words.replace("here", f"at {key!r}", 1)
            return f"in result {key + 1}, {words}"
        return None
    problem = difference(exercise, probe, mine, wanted)
    if problem is None or problem[2] is None or not is_real(mine) or wanted.dtype == bool:
        return None
    where = problem[2]
    yours, expected = as_numbers(mine)[where], np.asarray(wanted)[where]
    place = f"at index {', '.join(map(str, where))}" if where else "here"
    mine, wanted = shown_pair(float(yours), float(expected))
    return f"{place}: yours is {mine}, expected {wanted}"


def _elements(exercise: Exercise, mine: frozenset[Any], wanted: frozenset[Any]) -> str:
    """Say what is wrong about a set: names that nobody knows, which are too many, how many lack."""
    known = wanted.union(*(function() for _, function in members(exercise)))
    unknown, extra = (
        ", ".join(sorted(map(repr, part))) for part in (mine - known, (mine & known) - wanted)
    )
    if unknown:
        return f"No such name is in the task: {unknown}."
    missing = len(wanted - mine)
    lines = [f"Too many: {extra}."] * bool(extra) + [f"Missing: {missing}."] * bool(missing)
    return " ".join(lines)
