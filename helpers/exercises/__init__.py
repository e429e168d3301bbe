"""The exercises: `check`, `hint`, `solution` and `progress` are all that a learner needs to know.

Each exercise is declared in the module named as its notebook (`definition`, `max_shift`, …); what
is said about an answer follows from its declaration alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.exercises import records
from helpers.exercises.surface import hint, progress, solution
from helpers.exercises.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.exercises.declaration import Exercise, Probe
    from helpers.exercises.guard import Watch

__all__ = ["Verdict", "check", "hint", "progress", "solution"]

_MISSING: Any = object()


def check(exercise: str = "", answer: Any = _MISSING) -> Verdict:
    """Judge an answer to an exercise.

    It never raises, and writes nothing: whatever the answer does becomes a verdict.

    Parameters
    ----------
    exercise : str
        The exercise's ID, ``"3.1"``.
    answer : callable or value
        The learner's function, or value where one is asked.

    Returns
    -------
    Verdict
        Its `status` is "not started", "error", "wrong", "unstable" or "right".

    Examples
    --------
    >>> check("0.1", lambda p: p.sum(axis=1)).status
    'right'
    """
    from helpers.exercises.declaration import find

    declared = find(exercise)
    if isinstance(declared, str):
        name = exercise if isinstance(exercise, str) else ""
        return Verdict("error", name, declared, headline=declared)
    if answer is _MISSING:
        line = (
            f"check needs your answer too: check({declared.id!r}, {declared.name}), once the cell "
            f"that defines {declared.name} has been run."
        )
        return Verdict("error", declared.id, line, headline=line)
    verdict = judge(declared, answer)
    records.note(declared.id, verdict.status)
    return verdict


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """Judge an answer to a declared exercise."""
    from helpers.exercises import checking, guard, wording

    checking.expected_outcomes(exercise)  # before the clock runs
    # The inner watch is for the learner's function. The outer one is for whatever else looking at
    # an answer may set off: an attribute that raises, a comparison that never ends.
    with guard.watch(2 * exercise.time_limit + 5) as outer:
        outcome = outer.call(_judge_watched, exercise, answer)
    if outcome.error is None:
        return outcome.value
    return wording.verdict(
        exercise,
        "error",
        f"Your answer could not be judged: looking at it raised {type(outcome.error).__name__}.",
        look="Return plain numbers or arrays from a plain function.",
    )


def _judge_watched(exercise: Exercise, answer: Any) -> Verdict:
    from helpers.exercises import answers, guard, wording

    if answers.is_stub(answer):
        return wording.not_started(exercise)
    answers.import_libraries(answer)
    with guard.watch(exercise.time_limit) as watch:
        return _judge_guarded(exercise, answer, watch)


def _judge_guarded(exercise: Exercise, answer: Any, watch: Watch) -> Verdict:
    from helpers.exercises import answers, checking, wording
    from helpers.exercises.diagnosis import diagnose

    unfit = wording.unfit(exercise, answer)
    if unfit is not None:
        return unfit
    function = (lambda: answer) if exercise.value else answer
    findings = checking.examine(exercise, function, call=_caller(watch))
    if watch.timed_out:
        return wording.timed_out(exercise, findings)
    if findings.failures and _wants_tensors(findings.failures[0]):
        tensors = checking.examine(exercise, function, tensors=True, call=_caller(watch))
        if not any(failure.raised for failure in tensors.failures):
            findings = tensors
    notes = _notes(watch)
    if findings.status == "right":
        name = answers.library_call(answer, exercise.library)
        return wording.library(exercise, name) if name else wording.right(exercise, notes)

    def again(probe: Probe) -> checking.Outcome:
        prepare = checking.as_tensor if findings.tensors else checking.fresh
        return checking.run(function, probe, exercise, prepare=prepare, call=_caller(watch))

    diagnosis = diagnose(exercise, findings, again)
    return wording.refused(exercise, answer, findings, diagnosis, notes)


def _caller(watch: Watch) -> Callable[[Callable[..., Any], tuple[Any, ...]], Any]:
    """Return a way to call a learner's function under guard that returns or raises, as usual."""

    def call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        outcome = watch.call(function, *arguments)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    return call


def _wants_tensors(failure: Any) -> bool:
    """Whether the first failure may only say that PyTorch takes no NumPy arrays."""
    import sys

    refusals = (TypeError, AttributeError, RuntimeError)
    return "torch" in sys.modules and isinstance(failure.outcome.error, refusals)


def _notes(watch: Watch) -> tuple[str, ...]:
    """Return what else the answer did: what was put back, what was printed."""
    notes = [f"Your code changed {change}; it was put back." for change in watch.changes]
    printed = watch.stdout.strip()
    if printed:
        notes.append(f"Your code printed: {printed[:200]}{'…' if len(printed) > 200 else ''}")
    return tuple(notes)
