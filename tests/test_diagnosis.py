"""Causes: a named mistake, a product of two, general diagnoses, else the first difference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from helpers.exercises import check
from helpers.exercises.declaration import _REGISTRY, exercise, ordinary


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
    """Exercises of this file's own, known to the registry while its tests run."""
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

    yield rows_and_tau
    del _REGISTRY["99.1"]


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
    verdict = check("99.1", answer)
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
    verdict = check("99.1", answer)
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
