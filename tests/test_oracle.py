"""The oracle against independent arithmetic: plain sums at many digits, SciPy, and known values."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from helpers import oracle

INF = np.inf
rows = st.lists(st.floats(min_value=-700, max_value=700), min_size=1, max_size=8)


@given(rows)
def test_agrees_with_the_definition_at_a_thousand_digits(row):
    with mpmath.workdps(1000):  # no max-shift, no log1p: nothing in common with the oracle's form
        weights = [mpmath.exp(mpmath.mpf(v)) for v in row]
        total = mpmath.fsum(weights)
        p = [w / total for w in weights]
        log_p, lse = [mpmath.log(value) for value in p], mpmath.log(total)
        for got, truth in zip(oracle.softmax(row), p, strict=True):
            assert abs(got - truth) <= mpmath.mpf("1e-55") * truth
        for got, truth in zip(oracle.log_softmax(row), log_p, strict=True):
            assert abs(got - truth) <= mpmath.mpf("1e-50") * abs(truth)
        assert abs(oracle.logsumexp(row) - lse) <= mpmath.mpf("1e-56") * max(1, *map(abs, row))


def test_agrees_with_scipy_where_scipy_is_accurate():
    x = np.random.default_rng(0).normal(0, 3, (4, 5, 6))
    np.testing.assert_allclose(oracle.softmax(x, as_float=True), special.softmax(x, -1), rtol=1e-13)
    np.testing.assert_allclose(
        oracle.log_softmax(x, as_float=True), special.log_softmax(x, -1), rtol=1e-12
    )
    np.testing.assert_allclose(
        oracle.logsumexp(x, as_float=True), special.logsumexp(x, -1), rtol=1e-13
    )


def test_keeps_tiny_results():
    assert oracle.logsumexp([0, -40], as_float=True) == pytest.approx(4.248354255291589e-18)
    assert oracle.log_softmax([0, -700], as_float=True)[0] == pytest.approx(-np.exp(-700))
    assert mpmath.log10(oracle.softmax([0, -1e6])[1]) == pytest.approx(-434294.4819032518)
    assert oracle.cross_entropy([0.0, 40.0], 1, as_float=True) == pytest.approx(4.248354255e-18)


def test_masks_and_rows_without_an_answer():
    x = np.array([[0, 0, -INF], [-INF, -INF, -INF], [INF, 0, 0], [np.nan, 0, 0]])
    nan = np.full(3, np.nan)
    np.testing.assert_array_equal(oracle.softmax(x, as_float=True), [[0.5, 0.5, 0], nan, nan, nan])
    log_p = oracle.log_softmax(x, as_float=True)
    np.testing.assert_array_equal(log_p, [[-np.log(2), -np.log(2), -INF], nan, nan, nan])
    lse = oracle.logsumexp(x, as_float=True)
    np.testing.assert_array_equal(lse, [np.log(2), -INF, INF, np.nan])


def test_cross_entropy():
    logits = np.array([[2.0, 0.5, 6.0], [0.1, 0.0, 3.0]])
    losses = oracle.cross_entropy(logits, [2, 1], reduction="none", as_float=True)
    np.testing.assert_allclose(losses, -special.log_softmax(logits, -1)[[0, 1], [2, 1]], rtol=1e-13)
    assert oracle.cross_entropy(logits, [2, 1], as_float=True) == pytest.approx(losses.mean())
    total = oracle.cross_entropy(logits, [2, 1], reduction="sum", as_float=True)
    assert total == pytest.approx(losses.sum())
    one_hot = np.eye(3)[[2, 1]]
    assert oracle.cross_entropy(logits, one_hot) == oracle.cross_entropy(logits, [2, 1])
    # q = 0 contributes nothing, even where log p is -inf.
    assert oracle.cross_entropy([0.0, -INF], [1.0, 0.0]) == 0


@pytest.mark.parametrize(
    ("targets", "message"), [([0, 3], "0…2 for 3"), ([-1, 0], "0…2"), ([0], "shape")]
)
def test_cross_entropy_refuses_other_targets(targets, message):
    with pytest.raises(ValueError, match=message):
        oracle.cross_entropy(np.zeros((2, 3)), targets)


def test_takes_lists_integers_tensors_and_every_number_of_axes():
    tensor = torch.tensor([[0.0, 1.0], [2.0, 3.0]], dtype=torch.bfloat16, requires_grad=True)
    expected = oracle.softmax([[0, 1], [2, 3]])
    assert (oracle.softmax(tensor) == expected).all()
    assert expected.shape == (2, 2)
    assert expected.dtype == object
    assert oracle.softmax(np.zeros((0, 3))).shape == (0, 3)
    assert isinstance(oracle.logsumexp([1, 2]), mpmath.mpf)


def test_ulp_error():
    with mpmath.workdps(60):
        exact = [mpmath.mpf(1), mpmath.mpf(1) + mpmath.mpf(2) ** -53, mpmath.mpf("1e-320")]
    error = oracle.ulp_error([1.0, 1.0, 1e-320], exact, "float64")
    np.testing.assert_allclose(error[:2], [0, 0.5])
    assert 0 < error[2] < 0.5  # in units of the smallest subnormal
    assert oracle.ulp_error(2.0, 1.0, "float16") == 1024
    assert oracle.ulp_error(torch.tensor([1.0]), [1.0], "bfloat16") == [0]


def test_ulp_error_of_special_values():
    actual = [np.nan, INF, -INF, np.nan, 1.0, INF, INF, 0.0]
    exact = [np.nan, INF, INF, 1.0, np.nan, mpmath.mpf("1e400"), 1.0, INF]
    expected = [0, 0, INF, INF, INF, 0, INF, INF]
    np.testing.assert_array_equal(oracle.ulp_error(actual, exact, "float64"), expected)
    with pytest.raises(ValueError, match="shapes"):
        oracle.ulp_error([1.0, 2.0], [1.0], "float64")
