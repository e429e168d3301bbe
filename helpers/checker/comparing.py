"""Comparing what an answer does with what the reference does: outcomes, tolerance, failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helpers.checker.calling import (
    Call,
    Outcome,
    Unusable,
    as_tensor,
    directly,
    is_arithmetic,
    refused_to_write,
    run,
    shown_type,
    widened,
    with_floats,
)
from helpers.checker.declaration import Exercise, Probe
from helpers.checker.guard import TimeLimit


@dataclass(frozen=True)
class Failure:
    """One probe that an answer got wrong, and how."""

    probe: Probe
    outcome: Outcome
    expected: Outcome
    kind: str
    reason: str
    where: tuple[int, ...] | None = None

    @property
    def raised(self) -> bool:
        """Whether it is an exception, one that arithmetic in NumPy would not have been."""
        arithmetic = is_arithmetic(self.outcome.error) and self.probe.extreme
        return self.kind == "error" and not arithmetic


@dataclass
class Findings:
    """All outcomes of one answer, in the order of the probes, and the failures among them."""

    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    tensors: bool = False
    any_ordinary: bool = True

    @property
    def stops(self) -> int:
        """On how many probes the code stopped for a reason of its own: not arithmetic."""
        errors = [failure.outcome.error for failure in self.failures]
        return sum(
            not (error is None or is_arithmetic(error) or isinstance(error, Unusable))
            and not refused_to_write(error)
            for error in errors
        )

    def works_better_than(self, other: Findings) -> bool:
        """Whether more of the answer works in this run; less that stops, where nothing does.

        Where nothing works and as much stops, a run that PyTorch ended for want of a tensor says
        less than one that has tensors.
        """
        right, others = (len(run.outcomes) - len(run.failures) for run in (self, other))
        if right or others or self.stops != other.stops:
            return right > others or (right == others == 0 and self.stops < other.stops)
        return bool(other.failures) and all(
            isinstance(f.outcome.error, TypeError) and "Tensor" in str(f.outcome.error)
            for f in other.failures
        )

    @property
    def status(self) -> str:
        """One of right, unstable, error, wrong: read off the failures alone."""
        if not self.failures:
            return "right"
        if all(failure.raised for failure in self.failures):
            return "error"
        unstable = self.any_ordinary and all(failure.probe.extreme for failure in self.failures)
        return "unstable" if unstable else "wrong"


def expected_outcomes(exercise: Exercise) -> list[Outcome]:
    """Return the reference's outcome on every probe, computed once."""
    cached: list[Outcome] | None = exercise.__dict__.get("_expected")
    if cached is None:
        cached = [
            run(exercise.reference, probe, exercise, prepare=widened) for probe in exercise.probes
        ]
        exercise.__dict__["_expected"] = cached
    return cached


def try_out(
    exercise: Exercise,
    function: Callable[..., Any],
    probe: Probe,
    *,
    tensors: bool = False,
    call: Call = directly,
) -> Outcome:
    """Call an answer on one probe, with NumPy arrays or with tensors."""
    if tensors:
        return run(function, with_floats(exercise, probe), exercise, prepare=as_tensor, call=call)
    return run(function, probe, exercise, call=call)


def examine(
    exercise: Exercise,
    function: Callable[..., Any],
    *,
    tensors: bool = False,
    call: Call = directly,
) -> Findings:
    """Run an answer on every probe and compare each outcome with the reference's."""
    any_ordinary = not all(probe.extreme for probe in exercise.probes)
    findings = Findings(tensors=tensors, any_ordinary=any_ordinary)
    for probe, expected in zip(exercise.probes, expected_outcomes(exercise), strict=True):
        outcome = try_out(exercise, function, probe, tensors=tensors, call=call)
        findings.outcomes.append(outcome)
        failure = compare(exercise, probe, outcome, expected)
        if failure is not None:
            findings.failures.append(failure)
    return findings


def compare(
    exercise: Exercise, probe: Probe, outcome: Outcome, expected: Outcome
) -> Failure | None:
    """Return how an outcome differs from the expected one, or None where it is right."""

    def failure(kind: str, reason: str, where: tuple[int, ...] | None = None) -> Failure:
        return Failure(probe, outcome, expected, kind, reason, where)

    if probe.raises is not None:
        ended = isinstance(outcome.error, TimeLimit | Unusable)
        if isinstance(outcome.error, probe.raises) and not ended:
            return None
        wanted = error_names(probe.raises)
        returned = outcome.error is None or isinstance(outcome.error, Unusable)
        got = "nothing" if returned else type(outcome.error).__name__
        return failure("raises", f"{wanted} should have been raised, and {got} was")
    if isinstance(outcome.error, Unusable):
        return failure("type", str(outcome.error))
    if expected.value is None and isinstance(outcome.error, AssertionError):
        return failure("value", "it should have passed, and AssertionError was raised")
    if outcome.error is not None:
        said = f": {outcome.error}" if str(outcome.error) else ""
        return failure("error", f"{type(outcome.error).__name__}{said}")
    if outcome.value is None and expected.value is not None:
        return failure("nothing", "nothing was returned (None)")
    problem = difference(exercise, probe, outcome.value, expected.value)
    if problem is not None:
        return failure(*problem)
    if too_large(probe, outcome):
        held, most = outcome.peak / 1e6, (probe.memory or 0) / 1e6
        reason = f"right, but it holds {held:.3g} MB at once, where {most:.3g} MB are enough"
        return failure("memory", reason)
    if outcome.modified:
        return failure("modified", f"{argument_names(exercise, outcome.modified)} was modified")
    if exercise.quiet and outcome.warnings:
        return failure("warning", f"right, but it warns: {outcome.warnings[0]}")
    return None


def too_large(probe: Probe, outcome: Outcome) -> bool:
    """Whether a call held more memory than its probe allows."""
    return probe.memory is not None and outcome.peak > probe.memory


def error_names(errors: Any) -> str:
    """Return "ValueError", "ValueError or IndexError", or "an exception" for any."""
    if errors is Exception:
        return "an exception"
    classes = errors if isinstance(errors, tuple) else (errors,)
    return " or ".join(error.__name__ for error in classes)


def argument_names(exercise: Exercise, positions: tuple[int, ...]) -> str:
    """Return the names of the arguments at these positions."""
    names = list(exercise.signature.parameters)
    return " and ".join(names[i] for i in positions)


Problem = tuple[str, str, tuple[int, ...] | None]


def difference(exercise: Exercise, probe: Probe, value: Any, expected: Any) -> Problem | None:
    """Return kind, reason and place of the first difference between two settled values."""
    if expected is None:
        return None if value is None else ("value", "something was returned, not None", None)
    if isinstance(expected, np.ndarray):
        return _array_difference(exercise, probe, value, expected)
    if isinstance(expected, dict):
        return _mapping_difference(exercise, probe, value, expected)
    if isinstance(expected, tuple):
        return _tuple_difference(exercise, probe, value, expected)
    if isinstance(expected, frozenset):
        elements = as_list(value)
        if not isinstance(elements, list):
            return "type", f"{shown_type(value)} came back; a set was asked", None
        same = frozenset(elements) == expected
        return None if same else ("value", "another set came back", None)
    value = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if isinstance(value, type(expected)) and value == expected:
        return None
    plain = isinstance(value, str | bool | int | float) and isinstance(expected, str)
    return "value", f"{value!r} instead of {expected!r}" if plain else "another value", None


def as_list(value: Any) -> Any:
    """Return a settled set, list or array of names as a list of its elements."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return value.tolist()
    return list(value) if isinstance(value, frozenset | tuple) else value


def _mapping_difference(
    exercise: Exercise, probe: Probe, value: Any, expected: dict[Any, Any]
) -> Problem | None:
    if not isinstance(value, dict):
        return "type", f"{shown_type(value)} came back; a dict was asked", None
    if value.keys() != expected.keys():
        unknown, missing = value.keys() - expected.keys(), expected.keys() - value.keys()
        parts = (("unknown", unknown), ("missing", missing))
        words = [f"{word}: {', '.join(sorted(map(repr, keys)))}" for word, keys in parts if keys]
        return "keys", f"other keys than asked ({'; '.join(words)})", None
    for key, part in expected.items():
        problem = difference(exercise, probe, value[key], part)
        if problem is not None and isinstance(part, np.ndarray) and part.dtype.kind == "b":
            return "value", f"not so: {key}", None
        if problem is not None:
            return problem[0], f"at {key!r}: {problem[1]}", None
    return None


def _tuple_difference(
    exercise: Exercise, probe: Probe, value: Any, expected: tuple[Any, ...]
) -> Problem | None:
    if not isinstance(value, tuple | np.ndarray):
        return "type", f"{shown_type(value)} came back; a tuple was asked", None
    count = 1 if isinstance(value, np.ndarray) and value.ndim == 0 else len(value)
    if count != len(expected):
        return "shape", f"{count} result{'s' * (count != 1)} instead of {len(expected)}", None
    for i, part in enumerate(expected):
        mine = np.asarray(np.atleast_1d(value)[i]) if isinstance(value, np.ndarray) else value[i]
        problem = difference(exercise, probe, mine, part)
        if problem is not None:
            return problem[0], f"in result {i + 1} of {len(expected)}: {problem[1]}", None
    return None


def _array_difference(
    exercise: Exercise, probe: Probe, value: Any, expected: np.ndarray
) -> Problem | None:
    value = as_numbers(value)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        kind = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else shown_type(value)
        return "type", f"{kind} came back; real numbers were asked", None
    if value.shape != expected.shape:
        return "shape", f"shape {value.shape} instead of {expected.shape}", None
    exact = probe.tolerance is None and exercise.tolerance is None
    needed = narrowest(probe) if exact else 2
    if value.dtype.kind == "f" and value.dtype.itemsize < needed and expected.dtype.kind == "f":
        return "dtype", f"{value.dtype} instead of float{8 * needed}", None
    close = closeness(exercise, probe, value, expected)
    if close.all():
        return None
    where = tuple(int(i) for i in np.argwhere(~close)[0])
    if close.size == 1 and expected.dtype.kind == "b":
        return "value", f"{bool(value[where])} instead of {bool(expected[where])}", where
    if close.size == 1:
        return "value", "the number is wrong", where
    return "value", f"wrong in {np.count_nonzero(~close)} of {close.size} entries", where


def as_numbers(value: Any) -> Any:
    """Return a tuple of numbers as an array: taken where an array was asked."""
    if isinstance(value, tuple):
        try:
            return np.array(value)
        except ValueError:
            return value
    return value


def narrowest(probe: Probe) -> int:
    """Return the bytes a floating result needs: those of the narrowest float array passed.

    Where only integers are, PyTorch's float32 is taken too.
    """
    sizes = [
        a.dtype.itemsize
        for a in probe.arguments
        if isinstance(a, np.ndarray | np.generic) and a.dtype.kind == "f"
    ]
    integers = any(isinstance(a, np.ndarray) and a.ndim > 0 for a in probe.arguments)
    return min(sizes, default=4 if integers else 8)


def _has_floats(probe: Probe) -> bool:
    return any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in probe.arguments)


def closeness(exercise: Exercise, probe: Probe, value: np.ndarray, expected: Any) -> Any:
    """Return elementwise whether `value` is as near to `expected` as rounding allows."""
    with np.errstate(all="ignore"):
        dtype = value.dtype
        target = expected.astype(dtype if dtype.kind == "f" else np.float64)
        target, value = target.astype(np.float64), value.astype(np.float64)
        same = (value == target) | (np.isnan(value) & np.isnan(target))
        if same.all():  # to the last bit, as most are: nothing to allow for
            return same
        coarse = [np.dtype(f"f{narrowest(probe)}")] if _has_floats(probe) else [np.dtype("f8")]
        coarse += [dtype] if dtype.kind == "f" else []
        info = max((np.finfo(dtype) for dtype in coarse), key=lambda info: info.eps)
        error = np.abs(value - target)
        allowed = allowance(exercise, probe, target, float(info.eps))
        near = error <= allowed + float(info.smallest_subnormal)
        near &= np.isfinite(value)
        return near | same


def allowance(exercise: Exercise, probe: Probe, target: Any, eps: float) -> Any:
    """Return the error that is still taken for rounding, elementwise."""
    size = np.abs(np.where(np.isfinite(target), target, 0.0))
    for source in (probe, exercise):
        if source.tolerance is not None:
            return source.tolerance * np.maximum(1.0, size)
        if source.relative_tolerance is not None:
            return source.relative_tolerance * size
    arguments = tuple(widened(argument) for argument in probe.arguments)
    if exercise.scale is not None:
        size = np.maximum(size, _fitted(exercise.scale(*arguments, expected=target), size))
    units: Any = exercise.rounding if probe.rounding is None else probe.rounding
    if exercise.relative is not None:
        units = units + _fitted(exercise.relative(*arguments), size)
    return eps * units * size


def _fitted(term: Any, target: Any) -> Any:
    """Return a term of the tolerance in a shape that broadcasts to the target's, by its maximum."""
    term = np.asarray(term, dtype=np.float64)
    term = np.where(np.isfinite(term), term, 0.0)
    try:
        fits = np.broadcast_shapes(term.shape, target.shape) == target.shape
    except ValueError:
        fits = False
    return term if fits else term.max(initial=0.0)
