"""From findings to words: the verdict's sentence, the input, yours and expected."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from helpers.checker import answers
from helpers.checker.calling import Unusable, refused_to_write
from helpers.checker.cases import Diagnosis, sentence, smallest
from helpers.checker.comparing import Failure, Findings, error_names
from helpers.checker.declaration import Exercise, Probe
from helpers.checker.guard import TimeLimit
from helpers.checker.verdict import LIBRARY_CALL, SCORES, Verdict

MOST_CHARACTERS = 400
MOST_SHOWN = 40  # numbers of an array, before the middle is left out


def verdict(exercise: Exercise, status: str, headline: str, **details: Any) -> Verdict:
    """Return a verdict whose message is its headline, explanation and look."""
    parts = (sentence(headline), *(details.get(k, "") for k in ("explanation", "remedy", "look")))
    message = " ".join(part for part in parts if part)
    return Verdict(
        status, exercise.id, message, score=SCORES.get(status, 0.0), headline=headline, **details
    )


def not_started(exercise: Exercise) -> Verdict:
    """Return the verdict on a stub."""
    thing = "a value" if exercise.value else "your code"
    return verdict(
        exercise,
        "not started",
        f"Exercise {exercise.id} is not started: write {thing} in place of the three dots, "
        "run that cell, then this one.",
        look=f"hint({exercise.id!r}) gives a first hint.",
    )


def unfit(exercise: Exercise, answer: Any) -> Verdict | None:
    """Return the verdict on an answer that cannot be called as the exercise calls it, or None."""
    kind = type(answer).__name__
    if exercise.value:
        if not callable(answer):
            return None
        return verdict(
            exercise,
            "error",
            f"Exercise {exercise.id} asks for a value, and a function was passed.",
            look=f"Pass what it returns: check({exercise.id!r}, {exercise.name}).",
        )
    call = f"{exercise.name}{exercise.signature}"
    if not callable(answer):
        return verdict(
            exercise,
            "error",
            f"Exercise {exercise.id} asks for the function {call}, and not for its result: "
            f"type {kind} was passed.",
            look=f"Pass the function itself, without parentheses: "
            f"check({exercise.id!r}, {exercise.name}).",
        )
    taken = answers.misfit(answer, exercise.probes[0].arguments)
    if taken is None:
        return None
    return verdict(
        exercise,
        "error",
        f"Your function cannot be called as {call}: it takes {taken}.",
        look="Keep the first line of the stub as it was.",
    )


def right(exercise: Exercise, notes: tuple[str, ...]) -> Verdict:
    """Return the verdict on a right answer: what was tested, and the remark."""
    return verdict(
        exercise, "right", f"Right: {tested(exercise)}.", notes=notes, remark=exercise.remark
    )


def library(exercise: Exercise, name: str) -> Verdict:
    """Return the kind refusal of a right answer that lets a library do the exercise."""
    return verdict(
        exercise,
        "wrong",
        "Library call",
        explanation="The values are right; this exercise asks you to write the function itself.",
        look=f"Which lines would `{name}` have to contain? hint({exercise.id!r}) helps.",
        mistake=LIBRARY_CALL,
    )


def timed_out(exercise: Exercise, findings: Findings) -> Verdict:
    """Return the verdict on an answer that used up its time."""
    stopped = [f for f in findings.failures if isinstance(f.outcome.error, TimeLimit)]
    failure = (stopped or findings.failures)[0]
    return verdict(
        exercise,
        "error",
        f"Your code was stopped: the check had not ended after {exercise.time_limit:g} seconds.",
        explanation="An endless loop, or far more work than needed.",
        look="Does the condition of every `while` become false at some time?",
        probe=failure.probe.arguments,
        rows=(("input", shown_input(exercise, failure.probe)),),
    )


def refused(
    exercise: Exercise,
    answer: Any,
    findings: Findings,
    diagnosis: Diagnosis,
    notes: tuple[str, ...],
) -> Verdict:
    """Return the verdict on an answer with failures."""
    failure = smallest(findings, diagnosis.beside)
    quoted = tuple(f"NumPy warned: {text}" for text in failure.outcome.warnings)
    if findings.status == "error" and diagnosis.mistake is None:
        look = diagnosis.look if diagnosis.explanation else _error_look(failure.outcome.error)
        diagnosis = Diagnosis(diagnosis.explanation, look)
    look = diagnosis.look
    if not look:
        ask = f'`hint("{exercise.id}")`'
        look = f"{ask} helps."
        if not (exercise.value or diagnosis.remedy):
            look = f"Follow the input below through your code; {ask} helps."
    return verdict(
        exercise,
        findings.status,
        _headline(exercise, findings, failure),
        explanation=diagnosis.explanation,
        remedy=diagnosis.remedy,
        look=look,
        mistake=diagnosis.mistake,
        probe=failure.probe.arguments,
        rows=_rows(exercise, answer, failure),
        notes=quoted + notes,
    )


def _headline(exercise: Exercise, findings: Findings, failure: Failure) -> str:
    note = f", labelled “{failure.probe.note}”" if failure.probe.note else ""
    reason = failure.reason if len(failure.reason) < 200 else failure.reason[:199] + "…"
    count = f"{len(findings.failures)} of {len(exercise.probes)} inputs"
    if findings.status == "error":
        return f"Your code stops on {count}. Smallest such input{note}: {reason}."
    if findings.status == "unstable":
        ordinary = "right on ordinary inputs, not on extreme ones"
        return f"Unstable: {ordinary}. Smallest failing input{note}: {reason}."
    if exercise.value:
        return f"Wrong: {reason}."
    return f"Wrong on {count}. Smallest failing input{note}: {reason}."


def _error_look(error: BaseException | None) -> str:
    """Return what to do about an exception."""
    said = str(error)
    if isinstance(error, NameError):
        return "Is the name spelt right, and was the cell that defines it run?"
    if "could not be broadcast" in said or "mismatch" in said:
        return "Print the shapes of both sides of that line; keepdims=True often settles it."
    if "out of bounds for array of dimension" in said:
        return "The input may have any number of dimensions: axis=-1 is always the last."
    if refused_to_write(error):
        if "read-only" in said:
            return "That line writes into an array that must stay as it is: make a new one."
        return "That line writes fractions into an array of integers: give it dtype=float."
    if "math domain error" in said:
        return "math.log(0) is an error where np.log(0) is -inf: which one do you need here?"
    if "must have different signs" in said:
        return "The root lies outside the two ends that you gave: move them apart."
    if isinstance(error, RecursionError):
        return "The function calls itself without end: where should it stop?"
    if isinstance(error, MemoryError):
        return "Nothing large is needed here: print the shapes of what you build."
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return "Use `return` to leave a function."
    return "Run your function on the input below, in a cell of its own, and read the traceback."


def _rows(exercise: Exercise, answer: Any, failure: Failure) -> tuple[tuple[str, str], ...]:
    """Return what is shown side by side; of a value not the expected one, which is the solution."""
    rows = [] if exercise.value else [("input", shown_input(exercise, failure.probe))]
    error = failure.outcome.error
    if error is not None and not isinstance(error, Unusable):
        line = answers.own_line(answer, error)
        if line is not None and line[1]:
            rows.append((f"line {line[0]}", line[1]))
        rows.append(("yours", f"{type(error).__name__} was raised"))
    elif error is not None:
        rows.append(("yours", str(error)))
    else:
        rows.append(("yours", ""))
    if failure.probe.raises is not None:
        expected = f"{error_names(failure.probe.raises)} raised"
        yours = shown(failure.outcome.value)
    else:
        mine, wanted, several = _compared(exercise, failure)
        yours, expected = shown_pair(mine, wanted, _digits(exercise, failure))
        expected += "\n(one of several right results)" if several else ""
    if error is None:
        rows[-1] = ("yours", yours)
    if failure.kind == "modified":
        rows[-1] = ("yours", f"{yours}, and {failure.reason}")
    return tuple(rows) if exercise.value else (*rows, ("expected", expected))


def _compared(exercise: Exercise, failure: Failure) -> tuple[Any, Any, bool]:
    """Return yours and expected as they are shown, and whether other results are right too.

    Where numbers are compared in another form than they were returned, what was returned is shown.
    """
    pairs = [(outcome.returned, outcome.value) for outcome in (failure.outcome, failure.expected)]
    if exercise.canonical is not None and all(
        isinstance(part, np.ndarray) and part.dtype.kind in "biuf"
        for part in itertools.chain.from_iterable(pairs)
    ):
        return pairs[0][0], pairs[1][0], not np.array_equal(*pairs[1], equal_nan=True)
    return pairs[0][1], pairs[1][1], False


def _digits(exercise: Exercise, failure: Failure) -> tuple[int, ...]:
    """Return the numbers of digits that may tell two values apart: none beyond the tolerance."""
    if failure.kind != "value":
        return (6,)
    most = 17 if not exercise.tolerance else max(6, math.ceil(-math.log10(exercise.tolerance)))
    return tuple(digits for digits in (6, 9, 12, 17) if digits <= most)


# --- values --------------------------------------------------------------------------------------


def shown_input(exercise: Exercise, probe: Probe) -> str:
    """Return "x = [1, 2], tau = 0.5"."""
    names = exercise.signature.parameters
    pairs = zip(names, probe.arguments, strict=False)
    parts = [
        f"{name} = "
        + shown(value, _input_digits(value), dtype=True).replace("\n", "\n" + " " * (len(name) + 3))
        for name, value in pairs
    ]
    return (",\n" if any("\n" in part for part in parts) else ", ").join(parts)


def _input_digits(value: Any) -> int:
    """Return 6, or what shows how large numbers differ: three near 1e12 are not 1e+12.

    A learner runs the input in a cell of their own, so its numbers have to be those of the probe.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.size > MOST_SHOWN:
        return 6
    large = np.unique(value[np.isfinite(value) & (np.abs(value) >= 1e5)].astype(np.float64))
    if len(large) < 2:
        return 6
    steps = np.abs(large).max() / np.diff(large).min()
    return int(np.clip(math.ceil(math.log10(steps)) + 2, 6, 17))


def shown_pair(mine: Any, wanted: Any, choice: tuple[int, ...] = (6, 9, 12, 17)) -> tuple[str, str]:
    """Return two values as text, with as many digits as it takes to tell them apart."""
    texts = shown(mine), shown(wanted)
    for digits in choice:
        texts = shown(mine, digits), shown(wanted, digits)
        if texts[0] != texts[1]:
            break
    return texts


def shown(value: Any, digits: int = 6, *, dtype: bool = False) -> str:
    """Return a value as short text; `dtype` adds the type where it is not float64."""
    if isinstance(value, type):
        return f"np.{value.__name__}" if issubclass(value, np.generic) else value.__name__
    if callable(value):
        return getattr(value, "__name__", "a function")
    if isinstance(value, tuple):
        return f"({', '.join(shown(part, digits) for part in value)})"
    if isinstance(value, dict):
        pairs = [f"{key!r}: {shown(part, digits)}" for key, part in value.items()]
        between = ", " if sum(map(len, pairs)) < 90 else ",\n "
        return _short(f"{{{between.join(pairs)}}}")
    if isinstance(value, frozenset):
        if not value:
            return "set()"
        return _short(f"{{{', '.join(sorted(map(repr, value)))}}}")
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "O":
        text = _array_text(np.asarray(value), digits)
        plain = value.dtype == np.float64 or value.dtype.kind in "bU"
        return text if plain or not dtype else f"{text} ({value.dtype})"
    kind: Any = type(value)
    if kind.__repr__ is object.__repr__:
        return f"a {kind.__name__}"
    return _short(f"{value:.{digits}g}" if isinstance(value, float) else repr(value))


def _array_text(array: np.ndarray, digits: int) -> str:
    with np.printoptions(threshold=MOST_SHOWN, edgeitems=3, linewidth=100):
        text = np.array2string(
            array,
            separator=", ",
            formatter={"float_kind": lambda number: f"{number:.{digits}g}"},  # type: ignore[dict-item]
        )
    shape = f" of shape {array.shape}" if array.size > MOST_SHOWN or array.size == 0 else ""
    return _short(text) + shape


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def tested(exercise: Exercise) -> str:
    """Return what a right answer passed: "14 inputs, numbers up to ±1000, float16 too"."""
    if exercise.value:
        return "this is the value"
    arrays = [
        argument
        for probe in exercise.probes
        for argument in probe.arguments
        if probe.raises is None and isinstance(argument, np.ndarray) and argument.dtype.kind == "f"
    ]
    closed = any(  # it may hold other numbers, which nobody can look at twice
        isinstance(argument, Iterable) and not isinstance(argument, np.ndarray | Sequence)
        for probe in exercise.probes
        for argument in probe.arguments
    )
    count = f"{len(exercise.probes)} inputs"
    if not arrays or closed:
        return count
    narrow = min((array.dtype for array in arrays), key=lambda dtype: dtype.itemsize)
    finite = np.concatenate([np.abs(a[np.isfinite(a)]).ravel().astype(float) for a in arrays])
    largest = f"{finite.max():g}" if finite.size else "0"
    negative = any(bool((array < 0).any()) for array in arrays)
    too = f", {narrow} too" if narrow.itemsize < 8 else ""
    return f"{count}, numbers up to {'±' if negative else ''}{largest}{too}"
