"""The state of part of a row: exact values, the laws of a monoid, NumPy and torch."""

from __future__ import annotations

import functools
import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import kernels, oracle
from helpers.partials import Partial, merge, partial

EPS = float(np.finfo(np.float64).eps)
NOTHING = Partial(np.float64(-math.inf), np.float64(0.0))
logits = st.lists(
    st.one_of(st.floats(-50, 50), st.just(-math.inf), st.sampled_from([0.0, 1.0, -40.0])),
    max_size=6,
).map(np.array)


def exact(x):
    """Return the state of a row in 60 digits: its maximum, and the sum of all else."""
    x = [mpmath.mpf(float(v)) for v in x if v > -math.inf]
    if not x:
        return -math.inf, mpmath.mpf(0)
    m = max(x)
    others = sorted(x)[:-1]
    return float(m), mpmath.fsum(mpmath.exp(v - m) for v in others)


def check(state: Partial, x, units: float) -> None:
    """Compare a state with the exact one, the rest by its relative error."""
    with mpmath.workdps(60):
        m, rest = exact(x)
        assert float(state.m) == m
        error = abs(mpmath.mpf(float(state.rest)) - rest)
        assert error <= units * EPS * rest, (x, state, rest)


@given(logits)
def test_the_state_of_a_row_is_exact_up_to_rounding(x):
    check(partial(x), x, 8)


@given(logits, logits)
def test_two_parts_make_the_whole(x, y):
    check(merge(partial(x), partial(y)), [*x, *y], 64)


@given(logits, st.lists(st.integers(0, 6), max_size=3))
def test_a_row_may_be_cut_anywhere(x, cuts):
    cuts = sorted(min(cut, len(x)) for cut in cuts)
    parts = [partial(x[a:b]) for a, b in itertools.pairwise([0, *cuts, len(x)])]
    whole = merge(*parts)
    check(whole, x, 64)
    expected = float(oracle.logsumexp(x)) if len(x) else -math.inf
    lse = float(whole.logsumexp())
    assert lse == expected or abs(lse - expected) <= 4 * EPS * max(1, abs(float(whole.m)))


@given(logits, logits)
def test_it_commutes_bit_for_bit(x, y):
    a, b = partial(x), partial(y)
    assert merge(a, b) == merge(b, a)


@given(logits)
def test_nothing_changes_nothing(x):
    a = partial(x)
    assert merge(a, NOTHING) == a == merge(NOTHING, a) == merge(a)


@given(logits, logits, logits)
def test_it_associates_up_to_rounding(x, y, z):
    a, b, c = map(partial, (x, y, z))
    left, right = merge(merge(a, b), c), merge(a, merge(b, c))
    assert left.m == right.m
    assert abs(left.rest - right.rest) <= 64 * EPS * left.rest


def test_nothing_at_all():
    assert merge() == NOTHING
    assert merge(NOTHING, NOTHING) == NOTHING
    assert partial([]) == partial([-math.inf, -math.inf]) == NOTHING
    assert merge().logsumexp() == -math.inf


def test_a_small_rest_keeps_its_digits():
    lse = merge(partial([0.0]), partial([-40.0]), partial([-41.0])).logsumexp()
    assert abs(lse / float(oracle.logsumexp([0.0, -40.0, -41.0])) - 1) < 2 * EPS


def test_single_logits_of_any_size_and_order():
    x = np.random.default_rng(0).permutation([-1e308, -1e4, -1e4 + 1, 3.0, 3.0, 1e4, 1e4 - 0.5])
    whole = functools.reduce(merge, map(partial, x[:, None]))
    check(whole, x, 8)


def test_axes_and_shapes():
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    halves = merge(partial(x[:, :1], axis=1), partial(x[:, 1:], axis=1))
    assert halves.m.shape == (2, 4)
    np.testing.assert_allclose(halves.logsumexp(), kernels.logsumexp(x, axis=1), rtol=1e-15)
    everything = partial(x, axis=None)
    np.testing.assert_allclose(everything.logsumexp(), kernels.logsumexp(x, axis=None), rtol=1e-15)
    none = partial(np.zeros((2, 0)))
    assert none.m.tolist() == [-math.inf, -math.inf] and none.rest.tolist() == [0, 0]


def test_rows_of_which_some_parts_are_empty():
    masked = np.where(np.tri(4, dtype=bool), np.arange(4.0), -math.inf)
    parts = [partial(masked[:, i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(
        merge(*reversed(parts)).logsumexp(), kernels.logsumexp(masked), rtol=1e-15
    )


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_infinity_and_nan_come_through(bad):
    for parts in itertools.permutations([partial([1.0]), partial([bad, 2.0]), NOTHING]):
        lse = merge(*parts).logsumexp()
        assert lse == bad or (math.isnan(bad) and math.isnan(lse))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_state_is_at_least_float32(dtype):
    x = np.zeros((2, 100_000), dtype=dtype)  # in float16 the sum would stop at 2048
    state = merge(partial(x[:, :30_000]), partial(x[:, 30_000:]))
    wide = np.float64 if dtype == np.float64 else np.float32
    assert state.m.dtype == state.rest.dtype == state.logsumexp().dtype == wide
    np.testing.assert_allclose(state.logsumexp(), math.log(100_000), rtol=1e-6)


def test_what_is_not_real_is_refused():
    with pytest.raises(TypeError):
        partial(np.array([1j]))
    with pytest.raises(ValueError, match="axis 2"):
        partial(np.zeros((2, 2)), axis=2)


def test_warnings_stay_away(recwarn):
    merge(partial([]), partial([]), partial([1000.0]), partial([-1000.0])).logsumexp()
    assert not recwarn.list


def test_torch_tensors_and_their_gradients():
    torch = pytest.importorskip("torch")
    x = torch.tensor(
        [[1.0, 1.0, 0.5, 1.0], [-math.inf, -math.inf, 2.0, -40.0], [0.0, -40.0, -41.0, 0.0]],
        dtype=torch.float64,
        requires_grad=True,
    )
    lse = merge(partial(x[:, :2]), partial(x[:, 2:3]), partial(x[:, 3:])).logsumexp()
    expected = torch.logsumexp(x.detach(), dim=1)
    assert torch.allclose(lse, expected, rtol=1e-15)
    lse.sum().backward()
    assert torch.allclose(x.grad, torch.softmax(x.detach(), dim=1), rtol=1e-14, atol=0)


def test_torch_halves_are_kept_in_float32():
    torch = pytest.importorskip("torch")
    state = partial(torch.zeros(2, 3, dtype=torch.bfloat16))
    assert state.rest.dtype == torch.float32 and state.rest.tolist() == [2.0, 2.0]


def test_gradients_of_rows_with_nothing_are_zero():
    torch = pytest.importorskip("torch")
    x = torch.full((1, 4), -math.inf, requires_grad=True)
    rest = merge(partial(x[:, :2]), partial(x[:, 2:])).rest
    rest.sum().backward()
    assert x.grad.tolist() == [[0.0] * 4]
