"""General diagnoses by where an answer fails: on extreme inputs, at ties, in its last digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from helpers.checker.calling import run
from helpers.checker.cases import Again, Case, Diagnosis, first_array, is_real, members, smallest
from helpers.checker.comparing import (
    Failure,
    Findings,
    as_list,
    as_numbers,
    compare,
    difference,
    expected_outcomes,
)
from helpers.checker.declaration import Exercise, Probe
from helpers.checker.wording import shown_pair


def instability(exercise: Exercise, findings: Findings, again: Again) -> Diagnosis | None:
    """Say what overflowed or was lost on the smallest extreme input."""
    if findings.status != "unstable":
        return None
    failure = smallest(findings)
    value, error = failure.outcome.value, failure.outcome.error
    if error is None and not is_real(value):
        return None
    why, look = _vanished(failure) if error is None else (None, "")
    if why is None:
        why, look = _out_of_range(exercise, findings, failure, again)
    return Diagnosis(f"The formula is right, its computation is not: {why}.", look)


def _vanished(failure: Failure) -> tuple[str | None, str]:
    """Explain a result that is finite, and wrong all the same."""
    mine, wanted = as_numbers(failure.outcome.value), as_numbers(failure.expected.value)
    if mine.shape != wanted.shape or not np.isfinite(mine).all():
        return None, ""
    cover = "Look for clip, maximum, an ε and nan_to_num: they hide an inf or a 0, not its cause."
    if not np.isfinite(wanted).all():
        return "the answer is infinite here, and a finite number came back", cover
    error = np.abs(1.0 * mine - wanted) / np.maximum(np.abs(wanted), 1e-300)
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


def _out_of_range(
    exercise: Exercise, findings: Findings, failure: Failure, again: Again
) -> tuple[str, str]:
    """Explain a result that is inf or NaN: by the size of what was passed, and by trying it out."""
    x = first_array(failure.probe)
    finite = x[np.isfinite(x)] if x is not None else np.zeros(0)
    said = " ".join(failure.outcome.warnings)
    overflowed = isinstance(failure.outcome.error, OverflowError) or "overflow" in said
    if not overflowed and all(_holds_infinity(f.probe) for f in findings.failures):
        return (
            "infinite entries are legitimate here, and ∞ − ∞ and 0 · ∞ are NaN",
            "Treat the infinite entries before they meet each other.",
        )
    if finite.size and _shift_helps(exercise, failure, again):
        if _far_apart(x) and not overflowed:
            return (
                "a row far below the others becomes 0 throughout, and 0/0 is NaN, log 0 is -inf",
                "What is subtracted from this row? It has to be its own maximum.",
            )
        if finite.max() > 709:
            return (
                f"exp({finite.max():g}) is past the largest float64, so it becomes inf",
                "What is the largest exponent that your exp gets? Subtract the row's maximum "
                "first.",
            )
        if finite.max() < -700:
            return (
                f"exp({finite.max():g}) is below the smallest float64, so every term becomes 0",
                "Subtract the row's maximum first: then one term is exp(0) = 1.",
            )
    lowest = min(-_widest(x), finite.min(initial=0.0)) if x is not None else 0.0
    if lowest < -700 and not overflowed:
        return (
            f"exp({lowest:g}) underflows to 0, and what depends on it is lost",
            "Stay with logarithms: do not pass through a probability that is 0.",
        )
    return (
        "an intermediate result leaves the range of floating point",
        "Print the intermediate results on this input; the first inf, 0 or NaN is the cause.",
    )


def _holds_infinity(probe: Probe) -> bool:
    x = first_array(probe)
    return x is not None and not np.isfinite(x).all()


def _tops(x: Any) -> Any:
    """Return the maximum of every row's finite entries; 0 where a row has none."""
    tops = np.max(x, axis=-1, keepdims=True, where=np.isfinite(x), initial=-np.inf)
    return np.where(np.isfinite(tops), tops, 0.0)


def _widest(x: Any) -> float:
    """Return how far below its row's maximum a finite entry lies at most."""
    if x.ndim == 0 or x.size == 0:
        return 0.0
    below = np.where(np.isfinite(x), _tops(x) - x, 0.0)
    return float(below.max(initial=0.0))


def _shift_helps(exercise: Exercise, failure: Failure, again: Again) -> bool:
    """Whether the answer is right once every row's maximum is subtracted from the input."""
    x = failure.probe.arguments[0]
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.ndim and x.size):
        return False
    probe = Probe((x - _tops(x), *failure.probe.arguments[1:]))
    expected = run(exercise.reference, probe, exercise)
    finite = is_real(expected.value) and bool(np.isfinite(as_numbers(expected.value)).any())
    return finite and compare(exercise, probe, again(probe), expected) is None


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
    ("every entry is negative", _floats(lambda a: np.all(a < 0))),
    ("an entry is 0", _floats(lambda a: a == 0)),
    ("an entry is negative", _floats(lambda a: a < 0)),
    ("the numbers are large", _floats(lambda a: np.isfinite(a) & (np.abs(a) > 100))),
)  # fmt: skip


COINCIDENCES = {
    "every entry is negative", "an entry is 0", "an entry is negative", "the numbers are large",
}  # fmt: skip
"""What so many probes share that it is told only of several, all of them wrong."""


def only_where(exercise: Exercise, findings: Findings) -> Diagnosis | None:
    """Find what the failing probes share and the others do not."""
    failing = {id(failure.probe) for failure in findings.failures}
    if 2 * len(failing) > len(exercise.probes) or any(f.raised for f in findings.failures):
        return None
    best: tuple[float, str] | None = None
    for words, test in PLACES:
        there = {id(probe) for probe in exercise.probes if test(probe)}
        if not failing <= there or (words in COINCIDENCES and (failing < there or len(there) < 2)):
            continue
        share = len(failing) / len(there)
        if share >= 0.6 and (best is None or share > best[0]):
            best = share, words
    if best is None:
        return None
    return Diagnosis(
        f"Right except where {best[1]}.", "Follow this input through your code, line by line."
    )


def misshapen(exercise: Exercise, findings: Findings) -> Diagnosis | None:
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
        return Diagnosis("", what_to_return(exercise))
    words = "" if failure.kind == "shape" else "On most inputs the shape is wrong."
    return Diagnosis(words, "Print the shape after each line: which line adds or loses an axis?")


def few_digits(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Say how many digits are right, where some are throughout."""
    if any(case.failure is not None and case.failure.kind != "value" for case in cases):
        return None
    errors, sizes, formats = [], [], []
    for case in cases:
        mine, expected = as_numbers(case.mine.value), as_numbers(case.expected.value)
        if mine.shape != expected.shape or not np.isfinite(mine).all():
            return None
        if mine.dtype == bool and expected.dtype == bool:  # they have no digits
            return None
        dtype = np.asarray(case.mine.returned).dtype
        formats.append(np.finfo(dtype).precision if dtype.kind == "f" else 15)
        errors.append(float(np.max(np.abs(mine - expected), initial=0.0)))
        sizes.append(float(np.max(np.abs(expected), initial=0.0)))
    scale = np.maximum(sizes, 0.01 * float(np.median(sizes)) or 1.0)  # where 0 is expected
    worst = float(np.max(np.array(errors) / scale))
    available = min(formats)
    if exercise.tolerance:
        available = min(available, int(-np.log10(exercise.tolerance)))
    if not 10.0 ** -(available - 1) < worst < 1e-3:
        return None
    return Diagnosis(
        f"Right to about {int(-np.log10(worst))} digits, where {available} are to be had.",
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
    # What is compared in a form of its own is not what was returned.
    as_returned = exercise.canonical is None or isinstance(wanted, dict)
    plain = failure.outcome.error is None and failure.kind == "value"
    if plain and as_returned and not exercise.value:
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
    known = wanted.union(*(outcome.value for outcome in expected_outcomes(exercise)))
    if exercise.value:
        known = known.union(*(function() for _, function in members(exercise)))
    unknown, extra = (
        ", ".join(sorted(map(repr, part))) for part in (mine - known, (mine & known) - wanted)
    )
    if unknown:
        return f"No such name is in the task: {unknown}."
    missing = len(wanted - mine)
    lines = [f"Too many: {extra}."] * bool(extra) + [f"Missing: {missing}."] * bool(missing)
    return " ".join(lines)


def what_to_return(exercise: Exercise) -> str:
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
