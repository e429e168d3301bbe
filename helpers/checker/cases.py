"""What an answer and the declared wrong ones do on the widest probes, and whether they agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.checker.calling import Outcome, Unusable, is_arithmetic, refused_to_write, run
from helpers.checker.comparing import (
    Failure,
    Findings,
    as_numbers,
    closeness,
    difference,
    expected_outcomes,
    too_large,
)
from helpers.checker.declaration import Exercise, Mistake, Probe
from helpers.checker.layout import capitalised

Again = Callable[[Probe], Outcome]
"""Calls the answer once more, on another probe."""


@dataclass(frozen=True)
class Diagnosis:
    """The cause of a wrong answer, and one thing to look at next.

    `remedy` is what to do about a recognised mistake, which is told on request. `beside` are the
    kinds of failure that it tells by the way: no example of what it is about.
    """

    explanation: str = ""
    look: str = ""
    mistake: str | None = None
    beside: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Case:
    """One probe of the widest format: what the answer did and what was expected."""

    exercise: Exercise
    index: int
    probe: Probe
    mine: Outcome
    expected: Outcome
    failure: Failure | None

    @property
    def numeric(self) -> bool:
        """Whether both sides are numbers that can be compared entry by entry."""
        expected = self.expected.value
        return isinstance(expected, np.ndarray) and is_real(expected) and is_real(self.mine.value)


def is_real(value: Any) -> bool:
    """Whether a settled value consists of real numbers."""
    return isinstance(as_numbers(value), np.ndarray) and as_numbers(value).dtype.kind in "biuf"


def cases_of(exercise: Exercise, findings: Findings, *, narrow: bool = False) -> list[Case]:
    """Return outcome, expectation and failure of each probe that diagnosis reads.

    With `narrow` those of narrower formats are among them.
    """
    failures = {id(failure.probe): failure for failure in findings.failures}
    expected = expected_outcomes(exercise)
    return [
        Case(exercise, i, probe, findings.outcomes[i], expected[i], failures.get(id(probe)))
        for i, probe in enumerate(exercise.probes)
        if (narrow or exercise.is_read(probe))
        and i < len(findings.outcomes)
        and not (findings.tensors and is_read_only(probe))
    ]


def is_read_only(probe: Probe) -> bool:
    """Whether an array of a probe is read-only: no tensor is."""
    return any(isinstance(a, np.ndarray) and not a.flags.writeable for a in probe.arguments)


def member_outcome(exercise: Exercise, function: Callable[..., Any], index: int) -> Outcome:
    """Return what one wrong answer does on one probe, computed once."""
    cache: dict[Any, Outcome] = exercise.__dict__.setdefault("_members", {})
    key = (id(function), index)
    if key not in cache:
        cache[key] = run(function, exercise.probes[index], exercise)
    return cache[key]


def agree(
    exercise: Exercise,
    probe: Probe,
    mine: Outcome,
    theirs: Outcome,
    *,
    modified: bool = True,
    warned: bool = True,
) -> bool:
    """Whether two outcomes are the same: arguments changed, elements finite, finite values."""
    if modified and set(mine.modified) != set(theirs.modified):
        return False
    if warned and exercise.quiet and bool(mine.warnings) != bool(theirs.warnings):
        return False
    if not _as_much(probe, mine, theirs):
        return False
    if mine.error is None and theirs.error is None:
        return same_values(exercise, probe, mine.value, theirs.value)
    if mine.error is not None and theirs.error is not None:
        both = (mine.error, theirs.error)
        wanted = probe.raises is not None and all(isinstance(e, probe.raises) for e in both)
        return wanted or _same_errors(mine.error, theirs.error)
    error = mine.error or theirs.error
    value = theirs.value if mine.error is not None else mine.value
    return is_arithmetic(error) and is_real(value) and not np.isfinite(value).all()


def _as_much(probe: Probe, mine: Outcome, theirs: Outcome) -> bool:
    """Whether two calls held too much memory, about as much of it, or neither did."""
    both = too_large(probe, mine), too_large(probe, theirs)
    return not any(both) or (all(both) and 0.5 < mine.peak / theirs.peak < 2)


_COMPLAINTS = (
    ("could not be broadcast", "must match the size", "mismatch", "cannot be multiplied"),
    ("out of bounds", "out of range"),
)
"""What NumPy and PyTorch say of the same mistake, by exceptions of different types."""


def _same_errors(mine: BaseException, theirs: BaseException) -> bool:
    if isinstance(mine, Unusable) or isinstance(theirs, Unusable):
        return type(mine) is type(theirs)
    both = mine, theirs
    return (
        isinstance(mine, type(theirs))
        or isinstance(theirs, type(mine))
        or all(map(refused_to_write, both))
        or all(map(_out_of_memory, both))
        or any(
            all(any(words in str(error) for words in complaint) for error in both)
            for complaint in _COMPLAINTS
        )
    )


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def same_values(exercise: Exercise, probe: Probe, a: Any, b: Any) -> bool:
    """Whether two values agree in shape, in which entries are finite, and in those."""
    if isinstance(a, tuple) and isinstance(b, tuple) and not (is_real(a) and is_real(b)):
        pairs = zip(a, b, strict=False)
        return len(a) == len(b) and all(same_values(exercise, probe, *pair) for pair in pairs)
    if not (is_real(a) and is_real(b)):
        return (a is None and b is None) or _same_things(exercise, probe, a, b)
    a, b = as_numbers(a), as_numbers(b)
    if a.shape != b.shape:
        return False
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        return False
    return bool(np.all(closeness(exercise, probe, a, b.astype(np.float64)) | ~finite))


def _same_things(exercise: Exercise, probe: Probe, a: Any, b: Any) -> bool:
    return a is not None and b is not None and difference(exercise, probe, a, b) is None


def members(exercise: Exercise) -> Iterator[tuple[Mistake, Callable[..., Any]]]:
    """Yield every declared wrong answer, each member of a family by itself."""
    for mistake in exercise.mistakes:
        for function in mistake.functions:
            yield mistake, function


def failing_first(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with the wrong ones first: they tell mistakes apart soonest."""
    return sorted(cases, key=lambda case: case.failure is None)


def first_array(probe: Probe) -> Any:
    """Return the first array that is passed, as float64, or None."""
    arrays = [a for a in probe.arguments if isinstance(a, np.ndarray) and a.dtype.kind in "iuf"]
    return arrays[0].astype(np.float64) if arrays else None


def smallest(findings: Findings, beside: Sequence[str] = ()) -> Failure:
    """Return the failure that is easiest to read: of the status's own kind, the fewest numbers.

    A wrong result says more than an exception, unless that comes with far fewer numbers. Failures
    of a kind in `beside` are shown only where there is no other.
    """

    def first(failures: Sequence[Failure]) -> Failure:
        plain = [f for f in failures if not f.probe.extreme] or failures
        return min(plain, key=lambda failure: (-failure.probe.width, _amount(failure.probe)))

    told = [f for f in findings.failures if f.kind not in beside] or findings.failures
    wrong = [f for f in told if not f.raised]
    raised = [f for f in told if f.raised]
    if not (wrong and raised):
        return first(wrong or raised)
    shown, stopped = first(wrong), first(raised)
    return stopped if 4 * _amount(stopped.probe) < _amount(shown.probe) else shown


def _amount(probe: Probe) -> int:
    return sum(a.size for a in probe.arguments if isinstance(a, np.ndarray))


def recognised(
    *mistakes: Mistake, name: str, also: str = "", beside: tuple[str, ...] = ()
) -> Diagnosis:
    """Return the diagnosis of declared wrong answers: what each is, and apart what to do about it.

    Parameters
    ----------
    *mistakes : Mistake
    name : str
        What the verdict calls them.
    also : str
        What is wrong besides.
    beside : tuple of str
        See `Diagnosis`.
    """
    parts = [parted(sentence(mistake.sentence)) for mistake in mistakes]
    lead = ["Two things at once."] if len(mistakes) > 1 or also.startswith("And ") else []
    words = [*lead, *(what for what, _ in parts), also]
    remedies = " ".join(remedy for _, remedy in parts if remedy)
    return Diagnosis(" ".join(filter(None, words)), "", name, beside, remedies)


def parted(text: str) -> tuple[str, str]:
    """Return what a mistake is, its first sentence, and what to do about it, the others.

    Examples
    --------
    >>> parted("The sum over the classes is missing. Add it with `np.sum`.")
    ('The sum over the classes is missing.', 'Add it with `np.sum`.')
    """
    for end in re.finditer(r"[.?!] (?=[A-Z`(])", text):
        if end.start() > 25:  # what is shorter, "Two things at once.", says nothing yet
            return text[: end.start() + 1], text[end.end() :]
    return text, ""


def sentence(text: str) -> str:
    """Return a text with a capital at the start and a full stop at the end."""
    text = capitalised(text.strip())
    return text + ("" if text[-1:] in ".?!:" else ".")
