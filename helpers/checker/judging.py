"""Judging an answer: called under guard on every probe, compared, diagnosed, put into words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from helpers.checker import answers, comparing, guard, wording
from helpers.checker.calling import Outcome
from helpers.checker.declaration import Exercise, Probe
from helpers.checker.diagnosis import diagnose
from helpers.checker.guard import Watch
from helpers.checker.verdict import Verdict


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """Judge an answer to a declared exercise.

    It never raises, and writes nothing: whatever the answer does becomes a verdict.
    """
    comparing.expected_outcomes(exercise)  # before the clock runs
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
    if answers.is_stub(answer):
        return wording.not_started(exercise)
    answers.import_libraries(answer)
    with guard.watch(exercise.time_limit) as watch:
        return _judge_guarded(exercise, answer, watch)


def _judge_guarded(exercise: Exercise, answer: Any, watch: Watch) -> Verdict:
    unfit = wording.unfit(exercise, answer)
    if unfit is not None:
        return unfit
    function = (lambda: answer) if exercise.value else answer
    findings = comparing.examine(exercise, function, call=_caller(watch))
    if watch.timed_out:
        return wording.timed_out(exercise, findings)
    if findings.stops and "torch" in sys.modules:  # which takes no NumPy arrays
        tensors = comparing.examine(exercise, function, tensors=True, call=_caller(watch))
        if tensors.works_better_than(findings) and not watch.timed_out:
            findings = tensors
    notes = _notes(watch)
    if findings.status == "right":
        name = answers.library_call(answer, exercise.library, exercise.package)
        return wording.library(exercise, name) if name else wording.right(exercise, notes)

    def again(probe: Probe) -> Outcome:
        return comparing.try_out(
            exercise, function, probe, tensors=findings.tensors, call=_caller(watch)
        )

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


def _notes(watch: Watch) -> tuple[str, ...]:
    """Return what else the answer did: what was put back, what was printed."""
    notes = [f"Your code changed {change}; it was put back." for change in watch.changes]
    printed = watch.stdout.strip()
    if printed:
        notes.append(f"Your code printed: {printed[:200]}{'…' if len(printed) > 200 else ''}")
    return tuple(notes)
