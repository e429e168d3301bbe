"""Causes: a named mistake, a product of two, general diagnoses, else the first difference."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from helpers.checker.declaration import exercise, ordinary
from helpers.checker.judging import judge
from helpers.exercises import check


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTMAX_COURSE_STATE", str(tmp_path))


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def mean_square(x):
    return (x * x).mean(axis=-1)


@pytest.fixture(scope="module")
def sandbox():
    """An exercise of this file's own."""
    probes = [
        ordinary(np.array([[1.0, 2.0], [3.0, 5.0]]), 2.0, note="square"),
        ordinary(np.array([[1.0, -2.0, 3.0], [4.0, 0.5, 1.0]]), 0.5, note="two by three"),
        ordinary(np.array([[0.5, 1.0, 4.0, 2.0]]), 3.0, note="one row"),
        ordinary(np.array([[0.5], [1.5], [2.5]]), 4.0, note="one column"),
    ]

    @exercise("99.1", minutes=1, probes=probes, truth=lambda x, tau: x)
    def rows_and_tau(x, tau):
        """Return x − tau·(mean of its row)."""
        return x - tau * x.mean(axis=-1, keepdims=True)

    @rows_and_tau.mistake("the sign of the second term")
    def plus(x, tau):
        return x + tau * x.mean(axis=-1, keepdims=True)

    @rows_and_tau.mistake("the first term is doubled")
    def doubled(x, tau):
        return 2 * x - tau * x.mean(axis=-1, keepdims=True)

    @rows_and_tau.mistake("written into its argument")
    def in_place(x, tau):
        x -= tau * x.mean(axis=-1, keepdims=True)
        return x

    return rows_and_tau


def right(x, tau):
    return x - tau * x.mean(axis=-1, keepdims=True)


def added_to_itself(x, tau):
    x += tau * x.mean(axis=-1, keepdims=True)
    return x


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x, tau: x + tau * x.mean(axis=-1, keepdims=True), "plus"),
        (lambda x, tau: 2 * x + tau * x.mean(axis=-1, keepdims=True), "plus + doubled"),
        (added_to_itself, "plus + in_place"),
    ],
)
def test_mistakes_and_their_products_are_named(sandbox, answer, name):
    verdict = judge(sandbox, answer)
    assert (verdict.status, verdict.mistake) == ("wrong", name), verdict.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, tau: -right(x, tau), "negative"),
        (lambda x, tau: right(x, tau).T, "transpose"),
        (lambda x, tau: right(x, tau)[:, ::-1], "reversed"),
        (lambda x, tau: right(x, tau) * len(x), "yours is N times"),
        (lambda x, tau: right(x, tau) / len(x), "yours is 1/N times"),
        (lambda x, tau: right(x, tau) * x.shape[-1], "yours is n times"),
        (lambda x, tau: right(x, tau) * np.log(2), "ln 2 times"),
        (lambda x, tau: right(x, tau) / np.log(10), "1/ln 10 times"),
        (lambda x, tau: right(x, tau) * tau, "τ times"),
        (lambda x, tau: right(x, tau) / tau**2, "1/τ² times"),
        (lambda x, tau: -right(x, tau) / len(x), "−1/N times"),
        (lambda x, tau: right(x, tau) * 0.123, "0.123 times"),
        (lambda x, tau: right(x, tau) + np.log(x.shape[-1]), "too large by ln n"),
        (lambda x, tau: right(x, tau) - 0.25, "plus -0.25"),
        (lambda x, tau: right(x, tau) - x.max(-1, keepdims=True), "the row's maximum"),
        (lambda x, tau: np.exp(right(x, tau)), "exponential"),
        (lambda x, tau: right(x, tau) ** 2, "square"),
        (lambda x, tau: 1 - right(x, tau), "one minus"),
        (lambda x, tau: right(x.T, tau).T, "along the first axis"),
        (lambda x, tau: x - tau * x.mean(), "over the whole array"),
        (lambda x, tau: right(x, tau).ravel(), "flat row"),
        (lambda x, tau: right(x, tau)[0], "first row"),
        (lambda x, tau: right(x, tau).astype(np.float32), "float32 instead of float64"),
        (lambda x, tau: np.cumsum(right(x, tau), -1), "cumulative"),
        (lambda x, tau: right(x, tau) * (1 + 1e-7), "digits"),
        (lambda x, tau: None, "nothing was returned"),
        (lambda x, tau: right(x, tau) if len(x) > 1 else right(x, tau)[0] * 5, "has one row"),
    ],
)
def test_general_diagnoses_name_the_cause(sandbox, answer, words):
    verdict = judge(sandbox, answer)
    assert verdict.status == "wrong"
    assert words.lower() in verdict.message.lower(), verdict.message


def test_a_log_is_recognised():
    with np.errstate(all="ignore"):
        verdict = check("1.2", lambda x: np.log(softmax(x)))
    assert "log of what was asked" in verdict.message


def test_modified_arguments_are_told():
    def answer(x):
        result = softmax(x)
        if x.flags.writeable:
            x[...] = 0
        return result

    verdict = check("1.2", answer)
    assert verdict.mistake == "modifies_its_argument" or "was modified" in verdict.message


def test_memory_of_an_earlier_call_is_told():
    counter = itertools.count()
    verdict = check("1.2", lambda x: softmax(x) * (1 + next(counter)))
    assert verdict.status == "wrong"
    assert "second time" in verdict.message


def test_random_results_are_told():
    generator = np.random.default_rng(0)
    verdict = check("1.2", lambda x: softmax(x + generator.normal(size=x.shape)))
    assert "second time" in verdict.message


def test_mixed_rows_are_told():
    def answer(w):
        return w / w.sum(axis=1, keepdims=True)[::-1]

    assert "Every row alone is right" in check("1.1", answer).message


def test_where_an_answer_fails_is_told():
    def only_floats(x):
        return softmax(x) if x.dtype.kind == "f" else softmax(x) * 0.5

    assert "integers" in check("1.2", only_floats).message


def test_the_first_difference_is_the_last_resort():
    def answer(x):
        p = softmax(x)
        return p + 0.1 * np.sin(17.3 * p) + 0.01 * np.arange(p.shape[-1])

    verdict = check("1.2", answer)
    assert verdict.mistake is None
    assert "first difference" in verdict.message
    assert verdict.look


def test_instability_names_the_input_and_the_reason():
    def answer(x, i, j):
        p = np.exp(x)
        return np.log(p[i]) - np.log(p[j]) + 0 * np.log(np.clip(p[i], 1e-300, 1e300))

    verdict = check("1.3", answer)
    assert verdict.status == "unstable"
    assert "exp(" in verdict.message


def test_instability_is_not_put_down_to_an_overflow_that_left_no_trace():
    def clipped(x):
        x = np.clip(x, -700, 700)
        return np.log(np.exp(x).sum(axis=-1))

    def log_space(x, axis):
        return np.exp(x - np.logaddexp.reduce(x * 1.0, axis=axis, keepdims=True))

    def floor(log_p, labels):
        return -np.maximum(log_p[np.arange(len(labels)), labels], -100).mean()

    for verdict in (check("4.1", clipped), check("3.2", log_space), check("5.1", floor)):
        assert verdict.status == "unstable"
        assert "becomes inf" not in verdict.message
        assert "NaN" not in verdict.message.replace("no inf or NaN", "").replace("nan_to_num", "")


def test_nan_throughout_proves_nothing():
    def answer(x):
        z = x - x.max(axis=-1, keepdims=True)
        with np.errstate(all="ignore"):
            return z - np.log(z.sum(axis=-1, keepdims=True))

    message = check("4.4", answer).message
    assert "log of what was asked" not in message
    assert "first inf or nan" in message


def test_rows_are_not_blamed_where_a_single_row_is_wrong_too():
    def answer(p, g):
        return p * (g - (p * g).sum(-1, keepdims=True)) / len(p)

    assert "Every row alone is right" not in check("6.3", answer).message


def test_one_hot_is_told_only_where_probabilities_are_asked():
    assert "argmax" not in check("6.4", lambda x: np.eye(len(x))).message


def test_an_exception_leaves_no_digits_to_count():
    def answer(x, k):
        if k > x.shape[-1]:
            raise ValueError
        return softmax_of_the_largest(x, k)

    verdict = check("9.2", answer)
    assert verdict.status == "error"
    assert "digits" not in verdict.message
    assert verdict.message.count("ValueError") == 1
    assert "ValueError:" not in verdict.message


def softmax_of_the_largest(x, k):
    order = np.argsort(-x, axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1)
    e = np.where(rank < k, np.exp(x - x.max(axis=-1, keepdims=True)), 0)
    return e / e.sum(axis=-1, keepdims=True)


def test_an_axis_argument_is_not_taken_for_the_wrong_axis():
    def answer(x, axis):
        e = np.exp(x.T - x.T.max(axis=axis, keepdims=True))
        return (e / e.sum(axis=axis, keepdims=True)).T

    assert "the classes lie along the last one" not in check("3.2", answer).message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"max"} | {"max - 600"}, "only_up_to"),
        ({"max", "maximum"}, "No such name is in the task: 'maximum'."),
        ({"max", "mean"}, "Too many: 'mean'. Missing: 2."),
        ("max", "a string came back; a set was asked"),
    ],
)
def test_sets_are_compared_element_by_element(answer, words):
    verdict = check("3.3", answer)
    assert words in verdict.message or words in (verdict.mistake or "")


def test_a_function_that_returns_another_set_is_judged():
    def a_set(x):
        """Return the signs that occur."""
        return {"plus"} if np.all(x > 0) else {"minus"} if np.all(x < 0) else {"plus", "minus"}

    probes = [ordinary(np.array(x), note=str(x)) for x in ([1.0, 2.0], [-1.0], [1.0, -1.0])]
    signs = exercise("99.2", minutes=1, probes=probes, truth=a_set)(a_set)
    assert "Missing: 1." in judge(signs, lambda x: set()).message
    verdict = judge(signs, lambda x: {"minus", "plus"})
    assert verdict.status == "wrong"
    assert "Too many: 'plus'." in verdict.message
    assert "No such name is in the task: 'none'." in judge(signs, lambda x: {"none"}).message


def test_what_a_test_lets_through_is_told():
    def double(x):
        return 2 * x

    def squares(x):
        return x * x

    def halves(x):
        return x / 2

    def passes(f):
        """Raise if f does not double."""
        assert f(3.0) == 6.0

    probes = [
        ordinary(double, note="doubles"),
        ordinary(squares, note="squares", raises=Exception),
        ordinary(halves, note="halves", raises=Exception),
    ]
    doubling = exercise("99.3", minutes=1, probes=probes, truth=passes)(passes)

    def even(f):
        assert f(2.0) == 4.0

    assert judge(doubling, passes).status == "right"
    assert "It passes what is right, and also “squares”." in judge(doubling, even).message


def test_digits_are_counted_beside_a_result_of_zero_too():
    verdict = check("9.1", lambda n, loss: round(np.log(n - 1) - np.log(np.expm1(loss)), 9))
    assert "digits, where 15 are to be had" in verdict.message


def test_a_difference_is_shown_with_the_digits_that_differ():
    def answer(x):
        p = np.asarray(softmax(x), dtype=float).copy()
        p[..., 0] += 0.01 if p.size > 6 else 1e-8
        return p

    assert "yours is 1.00000001, expected 1." in check("1.2", answer).message


def test_results_of_another_form_are_asked_for_by_their_form():
    verdict = check("7.3", lambda X, W, b, labels: {"dW": W, "db": b})
    assert "a dict came back; a tuple was asked" in verdict.message
    assert "return a, b" in verdict.look
    verdict = check("4.2", lambda x: (x.max(-1), x.max(-1), x.max(-1)))
    assert "3 results instead of 2" in verdict.message


def test_any_refusal_will_do_where_several_are_accepted():
    def upper_end_only(logits, labels):
        if np.max(labels) >= logits.shape[1]:
            raise ValueError("no such label")
        z = logits - logits.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(labels)), labels].mean()

    assert check("5.2", upper_end_only).mistake == "negative_label_indexes"


def test_a_domain_error_of_math_is_an_infinity():
    def through_probabilities(x, i, j):
        p = [math.exp(v - max(x)) for v in x]
        return math.log(p[i]) - math.log(p[j])

    assert check("1.3", through_probabilities).status == "unstable"


def test_a_general_diagnosis_does_not_take_seconds():
    def brier(logits, labels):
        if np.min(labels) < 0 or np.max(labels) >= logits.shape[1]:
            raise ValueError("no such label")
        p = softmax(logits - logits.max(axis=1, keepdims=True))
        return ((p - np.eye(logits.shape[1])[labels]) ** 2).sum(axis=1).mean()

    check("5.2", brier)
    start = time.process_time()
    assert check("5.2", brier).mistake is None
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("identifier", "answer", "words"),
    [
        ("4.3", lambda x, alpha: np.logaddexp.reduce(x, axis=-1), "`alpha` makes no difference"),
        ("5.1", lambda log_p, labels: -log_p[range(len(labels)), np.sort(labels)].mean(),
         "another order of its entries"),
    ],
)  # fmt: skip
def test_an_argument_that_is_left_out_is_told(identifier, answer, words):
    assert words in check(identifier, answer).message


@pytest.mark.parametrize(
    ("exercise", "answer"), [("2.1", {"float64": 700}), ("3.3", {"max"}), ("3.3", {"mean", "max"})]
)
def test_a_wrong_value_does_not_show_the_right_one(exercise, answer):
    verdict = check(exercise, answer)
    assert verdict.status != "right"
    assert [name for name, _ in verdict.rows] == ["yours"]
    assert "'max + 600'" not in repr(verdict)
    assert "709" not in repr(verdict)


def test_an_exception_is_shown_where_a_wrong_result_needs_a_stack_of_numbers():
    def second_axis(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    verdict = check("3.1", second_axis)
    assert verdict.probe[0].ndim == 1
    assert "AxisError" in dict(verdict.rows)["yours"]


def test_a_truth_value_has_no_digits_to_count():
    verdict = check("12.5", lambda f, x: len(x) % 2 == 1)
    assert verdict.status == "wrong", verdict.message
    assert "could not be judged" not in verdict.message


def test_axes_are_not_exchanged_under_a_function_that_is_passed():
    start = time.process_time()
    check("12.5", lambda f, x: len(x) % 2 == 1)
    assert time.process_time() - start < 3.0
