"""Every declaration keeps what the checker rests on, generated from the registry."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools

import numpy as np
import pytest

from helpers.checker.calling import Outcome, fresh, settled, widened
from helpers.checker.cases import agree, member_outcome, members
from helpers.checker.comparing import difference, expected_outcomes
from helpers.checker.declaration import Exercise
from helpers.checker.judging import judge
from helpers.exercises import course

EXERCISES = list(course.exercises().values())

each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)


def answer_of(exercise: Exercise, function):
    """Return what a learner would pass: the function, or the value where a value is asked."""
    return function() if exercise.value else function


def error_classes(raises) -> tuple[type[BaseException], ...]:
    """Return what a probe may raise as a tuple."""
    return raises if isinstance(raises, tuple) else (raises,)


def is_right(exercise: Exercise, function, index: int) -> bool:
    """Whether a wrong answer is right on one probe: an infinity may be, where NaN is not."""
    outcome, expected = (
        member_outcome(exercise, function, index),
        expected_outcomes(exercise)[index],
    )
    if outcome.error is not None or expected.error is not None:
        return outcome.error is not None and expected.error is not None
    return difference(exercise, exercise.probes[index], outcome.value, expected.value) is None


def disagreements(exercise: Exercise, function) -> list[str]:
    """Return the notes of the probes on which a function is not what its truth says."""
    found = []
    for probe in exercise.probes:
        if probe.raises is not None:
            with contextlib.suppress(*error_classes(probe.raises)):
                function(*map(fresh, probe.arguments))
                found.append(f"{probe.note}: nothing was raised")
            continue
        with np.errstate(all="ignore"):
            try:
                value = function(*map(widened, probe.arguments))
            except Exception as error:
                found.append(f"{probe.note}: {error}")
                continue
            truth = exercise.truth(*map(widened, probe.arguments))
            truth = None if truth is None else settled(truth)
            if exercise.canonical is not None:
                value = exercise.canonical(settled(value), *map(fresh, probe.arguments))
                truth = exercise.canonical(truth, *map(fresh, probe.arguments))
        if value is None and truth is None:  # a test that lets a right one pass
            continue
        problem = difference(exercise, probe, settled(value), settled(truth))
        if problem is not None:
            found.append(f"{probe.note}: {problem[1]}")
    return found


@each_exercise
def test_the_reference_is_right_by_an_independent_truth(exercise):
    assert disagreements(exercise, exercise.reference) == []


@pytest.mark.many
@each_exercise
def test_the_truth_would_notice_the_first_mistake(exercise):
    telling = [
        mistake.functions[0]
        for mistake in exercise.mistakes[:1]
        if disagreements(exercise, mistake.functions[0])
    ]
    assert telling or not exercise.mistakes[:1]


@pytest.mark.many
@each_exercise
def test_the_check_notices_a_reference_that_is_its_own_first_mistake(exercise):
    wrong = exercise.mistakes[0].functions[0]
    # Whether it is refused is asked, not by what name: that would be looked for among all mistakes.
    swapped = dataclasses.replace(exercise, reference=wrong, mistakes=[])
    swapped.__dict__.pop("_expected", None)
    if all(outcome.value is None for outcome in expected_outcomes(exercise)):
        return  # what is right stands in the probes alone, and the truth has been asked about it
    assert judge(swapped, answer_of(exercise, exercise.reference)).status != "right"


@each_exercise
def test_the_reference_is_accepted(exercise):
    verdict = judge(exercise, answer_of(exercise, exercise.reference))
    assert verdict.status == "right", verdict.message
    assert verdict.score == 1.0


def every_mistake():
    """Yield each declared wrong answer; of a family, all but the first are slow."""
    for exercise in EXERCISES:
        for mistake in exercise.mistakes:
            count = len(mistake.functions)
            for i, function in enumerate(mistake.functions):
                yield pytest.param(
                    exercise,
                    mistake,
                    function,
                    id=f"{exercise.id}-{mistake.name}" + (f"-{i}" if count > 1 else ""),
                    marks=pytest.mark.slow if i else (),
                )


@pytest.mark.many
@pytest.mark.parametrize(("exercise", "mistake", "function"), list(every_mistake()))
def test_a_mistake_is_refused_under_its_own_name(exercise, mistake, function):
    verdict = judge(exercise, answer_of(exercise, function))
    assert verdict.status in ("wrong", "unstable", "error"), verdict.message
    assert verdict.mistake == mistake.name, verdict.message
    assert mistake.sentence.strip()[1:20] in verdict.message
    assert verdict.score < 1.0


@pytest.mark.slow
@each_exercise
def test_no_two_mistakes_do_the_same(exercise):
    probes = [i for i, probe in enumerate(exercise.probes) if exercise.is_read(probe)]
    alike = collections.defaultdict(list)  # right and wrong on the same probes
    for mistake, function in members(exercise):
        where = tuple(is_right(exercise, function, i) for i in probes)
        alike[where].append((mistake, function))
    for together in alike.values():
        for (first, f), (second, g) in itertools.combinations(together, 2):
            if first is second:
                continue
            assert not all(
                agree(
                    exercise,
                    exercise.probes[i],
                    member_outcome(exercise, f, i),
                    member_outcome(exercise, g, i),
                )
                for i in probes
            ), f"{first.name} and {second.name} have the same outcomes on all float64 probes"


@each_exercise
def test_a_stub_is_not_started(exercise):
    if exercise.value:
        assert judge(exercise, ...).status == "not started"
        return
    namespace: dict = {}
    exec(f"def {exercise.name}{exercise.signature}:\n    '''The task.'''\n    ...", namespace)
    verdict = judge(exercise, namespace[exercise.name])
    assert verdict.status == "not started"
    assert verdict.score == 0.0


@each_exercise
def test_it_helps_and_explains(exercise):
    assert len(exercise.hint_texts) >= 3
    assert len(set(exercise.hint_texts)) == len(exercise.hint_texts)
    assert exercise.reasoning_text
    assert exercise.statement
    assert exercise.minutes > 0
    assert exercise.mistakes
    names = [mistake.name for mistake in exercise.mistakes]
    assert len(set(names)) == len(names)
    assert all(probe.note for probe in exercise.probes) or exercise.value


@pytest.mark.many
@each_exercise
def test_the_solution_can_be_pasted_into_a_notebook(exercise):
    namespace: dict = {"np": np}
    exec(f"import math\nimport numpy as np\n{exercise.source}", namespace)
    pasted = namespace[exercise.name]
    assert judge(exercise, answer_of(exercise, pasted)).status == "right"


@each_exercise
def test_probes_survive_the_reference(exercise):
    """Whatever is shared between calls must not have been changed by the calls so far."""
    assert all(outcome.modified == () for outcome in expected_outcomes(exercise))
    assert isinstance(expected_outcomes(exercise)[0], Outcome)


def test_the_draws_of_16_3_have_no_ties():
    for probe in course.exercises()["16.3"].probes:
        x, g, _ = probe.arguments
        for row in np.reshape(x + g, (-1, x.shape[-1])):
            finite = row[np.isfinite(row)]
            assert len(np.unique(finite)) == len(finite), probe.note
