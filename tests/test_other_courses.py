"""The engine serves any course: here one on knitting, with what none of softmax's needs yet."""

from __future__ import annotations

import time

import numpy as np
import pytest

from helpers.checker.course import Course
from tests.knitting import yarn

course = Course("tests.knitting", "knitting-course")
check = course.check
EXERCISES = list(course.exercises().values())


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("KNITTING_COURSE_STATE", str(tmp_path))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_the_reference_passes_and_every_mistake_is_named(exercise):
    assert check(exercise.id, exercise.reference).status == "right"
    for mistake in exercise.mistakes:
        for function in mistake.functions:
            verdict = check(exercise.id, function)
            assert (verdict.status, verdict.mistake) == ("wrong", mistake.name), verdict.message


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_a_check_is_quick(exercise):
    for answer in (exercise.reference, exercise.mistakes[0].functions[0]):
        check(exercise.id, answer)
        start = time.process_time()
        check(exercise.id, answer)
        assert time.process_time() - start < 0.3


def test_its_progress_is_its_own(tmp_path):
    check("1.2", lambda count, repeat: count % repeat == 0)
    assert course.records.folder() == tmp_path
    assert "1 of 7 exercises done" in repr(course.progress())
    assert check("1.1", EXERCISES[0].reference).standing == "2 of 4 in this notebook; next: 1.3."


# --- kinds of answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [int, np.int32, np.uint8, float])
def test_whole_numbers_may_come_in_any_type(kind):
    assert check("1.1", lambda w, g: np.floor(w * g).astype(kind)).status == "right"


def test_a_fraction_where_an_integer_is_due_is_wrong():
    verdict = check("1.1", lambda w, g: w * g)
    assert verdict.status == "wrong"
    assert verdict.mistake is None


@pytest.mark.parametrize("kind", [bool, np.bool_, np.array, int])
def test_truth_may_come_in_any_type(kind):
    assert check("1.2", lambda count, repeat: kind(count % repeat == 0)).status == "right"


def test_a_wrong_truth_value_is_shown():
    verdict = check("1.2", lambda count, repeat: False)
    assert "False instead of True" in verdict.message
    assert dict(verdict.rows)["expected"] == "True"
    assert check("1.2", lambda count, repeat: "yes").status == "wrong"
    assert check("1.2", lambda count, repeat: count % repeat).status == "wrong"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda c, r: [c // r, c % r, c / r], "right"),
        (lambda c, r: np.array([c // r, c % r, c / r]), "right"),
        (lambda c, r: (c // r, c % r), "wrong"),
        (lambda c, r: (c // r, c % r, c / r, 0), "wrong"),
        (lambda c, r: c // r, "wrong"),
    ],
)
def test_several_results_are_compared_one_by_one(answer, status):
    assert check("1.3", answer).status == status


# --- tolerances -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "failing"),
    [
        (lambda side: 1.4142135623730951 * side, 0),
        (lambda side: 1.4142135623730951 * side * (1 + 1e-6), 2),  # single precision, exact
        (lambda side: 1.4142135623730951 * side * (1 + 5e-3), 3),  # and the small one
        (lambda side: 1.4142135623730951 * side * (1 + 5e-2), 4),
        (lambda side: 1.4142135623730951 * side * (1 + 4 * float(np.finfo(np.float32).eps)), 2),
    ],
)
def test_every_probe_has_its_own_tolerance(answer, failing):
    verdict = check("1.4", answer)
    if not failing:
        assert verdict.status == "right"
    else:
        assert f"{failing} of 4 inputs" in verdict.message or verdict.status == "unstable"
        assert verdict.status == "wrong"


# --- memory ---------------------------------------------------------------------------------------


def test_right_values_that_need_too_much_memory_are_wrong():
    verdict = check("2.2", lambda x: np.einsum("ii->", x[:, None] * x))
    assert verdict.status == "wrong"
    assert verdict.mistake == "table_of_pairs"
    verdict = check("2.2", lambda x: (x * x).sum() + 0 * np.zeros(60_000).sum())
    assert verdict.mistake is None
    assert "holds 0.48" in verdict.message and "0.2 MB are enough" in verdict.message
    assert "at once" in verdict.explanation


def test_memory_is_measured_without_a_trace_left():
    import tracemalloc

    check("2.2", lambda x: x @ x)
    assert not tracemalloc.is_tracing()


# --- what can be read once ------------------------------------------------------------------------


def test_a_reader_is_fresh_for_every_call_and_reading_it_is_no_change():
    def by_hand(skein):
        length = 0.0
        for part in skein:
            length += part
        return length

    verdict = check("2.1", by_hand)
    assert verdict.status == "right", verdict.message
    verdict = check("2.1", lambda skein: sum(list(skein) + list(skein)) + 1)
    assert "skein = a Skein" in dict(verdict.rows)["input"]


# --- functions as probes, any exception -----------------------------------------------------------


def test_whatever_is_raised_will_do():
    def strict(f):
        for x in (3.0, -2.0):
            if f(x) != 2 * x:
                raise SystemError

    assert check("2.3", strict).status == "right"


def test_what_a_test_lets_through_is_named():
    def positive_only(f):
        assert f(3.0) == 6.0

    verdict = check("2.3", positive_only)
    assert verdict.status == "wrong"
    assert "labelled “forgets the sign”" in verdict.message
    assert "an exception should have been raised, and nothing was" in verdict.message
    assert dict(verdict.rows)["input"] == "f = forgets_the_sign"


def test_a_test_that_refuses_a_right_one_is_wrong_not_broken():
    def by_name(f):
        assert f.__name__ == "doubles"

    verdict = check("2.3", by_name)
    assert verdict.status == "wrong"
    assert "labelled “doubles by adding”: it should have passed" in verdict.message


def test_an_endless_test_is_not_taken_for_a_refusal(monkeypatch):
    exercise = course.exercises()["2.3"]
    monkeypatch.setattr(exercise, "time_limit", 0.3)

    def endless(f):
        while f is yarn.adds_two:
            pass
        for x in (3.0, -2.0):
            assert f(x) == 2 * x

    assert check("2.3", endless).status == "error"


def test_returning_something_is_not_passing_in_silence():
    assert check("2.3", lambda f: f(-3.0) == -6.0).status == "wrong"
