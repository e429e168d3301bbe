"""A row's bits are its own: they follow from its values, format and n, and nothing beside it."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks import invariance
from helpers import gradients, kernels

pytestmark = pytest.mark.many

ENTRIES = 300_000  # more than two blocks in every format
LENGTHS = [1, 2, 3, 7, 8, 10, 16, 31, 32, 33, 255, 256, 257, 512, 600, 1000, 4097, 5000]


def mask(x, y):
    return (np.arange(x.shape[1]) + y[:, None]) % 7 != 0


def weights(x, y):
    """Return targets, a prior or an upstream gradient that follow from the row's label."""
    return ((np.arange(x.shape[1]) * (y[:, None] + 3)) % 11 / 64).astype(x.dtype)


def always_300_rows(x, y):
    """Fill a batch up: a mean over it has the factor 1/N."""
    missing = 300 - len(x)
    return np.pad(x, ((0, missing), (0, 0))), np.pad(y, (0, missing))


CORE = {
    "softmax": lambda x, y: kernels.softmax(x),
    "log_softmax": lambda x, y: kernels.log_softmax(x),
    "logsumexp": lambda x, y: kernels.logsumexp(x),
    "cross_entropy": lambda x, y: kernels.cross_entropy(x, y, reduction="none"),
}
RELATIVES = {
    "cross_entropy of probabilities": lambda x, y: kernels.cross_entropy(
        x, weights(x, y), reduction="none"
    ),
    "low temperature": lambda x, y: kernels.softmax_temperature(x, 0.7),
    "high temperature": lambda x, y: kernels.softmax_temperature(x, 30.0),
    "masked": lambda x, y: kernels.masked_softmax(x, mask(x, y)),
    "top-k": lambda x, y: kernels.topk_softmax(x, 3),
    "posterior": lambda x, y: kernels.posterior(x, weights(x, y)),
    "log_mean_exp": lambda x, y: kernels.log_mean_exp(x),
    "smooth_max": lambda x, y: kernels.smooth_max(x, 2.5),
    "entropy": lambda x, y: kernels.entropy(weights(x, y)),
    "sparsemax": lambda x, y: kernels.sparsemax(x),
    "top-p": lambda x, y: kernels.top_p(weights(x, y), 0.9),
    "softmax_vjp": lambda x, y: gradients.softmax_vjp(kernels.softmax(x), weights(x, y)),
    "log_softmax_vjp": lambda x, y: gradients.log_softmax_vjp(
        kernels.log_softmax(x), weights(x, y)
    ),
    "cross_entropy_grad": lambda x, y: gradients.cross_entropy_grad(*always_300_rows(x, y)),
    "cross_entropy_grad of probabilities": lambda x, y: gradients.cross_entropy_grad(
        always_300_rows(x, y)[0], weights(*always_300_rows(x, y))
    ),
}
JACOBIANS = {
    "softmax_jacobian": lambda x, y: gradients.softmax_jacobian(x),
    "log_softmax_jacobian": lambda x, y: gradients.log_softmax_jacobian(x),
}


def assert_nothing_changes(kernel, n, rows, format_name, seed):
    rng = np.random.default_rng(seed)
    x, y = invariance.logits(rng, rows, n, format_name), rng.integers(0, n, rows)
    with np.errstate(all="ignore"):
        assert not list(invariance.changed(kernel, x, y, int(rng.integers(rows)), seed))


cases = given(
    n=st.one_of(st.sampled_from(LENGTHS), st.integers(1, 5000)),
    rows=st.integers(1, 300),
    format_name=st.sampled_from(invariance.FORMATS),
    seed=st.integers(0, 2**32 - 1),
)


@pytest.mark.parametrize("name", CORE)
@settings(max_examples=150)
@example(n=5000, rows=300, format_name="float64", seed=0)
@example(n=255, rows=300, format_name="float32", seed=1)
@example(n=31, rows=300, format_name="float16", seed=3)
@cases
def test_nothing_beside_a_row_changes_its_bits(name, n, rows, format_name, seed):
    assert_nothing_changes(CORE[name], n, min(rows, 1 + ENTRIES // n), format_name, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", RELATIVES)
@settings(max_examples=40)
@cases
def test_nor_the_bits_of_what_rests_on_them(name, n, rows, format_name, seed):
    assert_nothing_changes(RELATIVES[name], n, min(rows, 1 + 30_000 // n), format_name, seed)


@pytest.mark.parametrize("name", JACOBIANS)
@settings(max_examples=40)
@cases
def test_nor_those_of_its_jacobian(name, n, rows, format_name, seed):
    assert_nothing_changes(JACOBIANS[name], 1 + n % 40, rows, format_name, seed)


@pytest.mark.parametrize("name", CORE)
@settings(max_examples=40)
@cases
def test_tensors_keep_the_promise_too(name, n, rows, format_name, seed):
    def kernel(x, y):
        x = torch.tensor(x)
        if name == "cross_entropy":
            return kernels.cross_entropy(x, torch.tensor(y), reduction="none").numpy()
        return getattr(kernels, name)(x).numpy()

    assert_nothing_changes(kernel, n, min(rows, 1 + 30_000 // n), format_name, seed)


def written(row, shape):
    """Return an array of the shape whose last axis holds the row everywhere."""
    return np.ascontiguousarray(np.broadcast_to(row, (*shape, len(row))))


PLACES = {
    "alone, without a batch": lambda row: (row, ()),
    "in a batch of three axes": lambda row: (written(row, (3, 4, 2)), (2, 1, 0)),
    "in every other row": lambda row: (written(row, (9,))[::2], (3,)),
    "in rows upside down": lambda row: (written(row, (9,))[::-1], (3,)),
    "among longer rows": lambda row: (written(np.pad(row, 3), (9,))[:, 3 : 3 + len(row)], (5,)),
    "with its batch axes swapped": lambda row: (written(row, (3, 4)).swapaxes(0, 1), (3, 1)),
    "again and again": lambda row: (np.broadcast_to(row, (40, len(row))), (7,)),
    "again and again, in threes": lambda row: (
        np.broadcast_to(written(row, (3,)), (4, 3, len(row))), (3, 1)
    ),
    "backwards in memory": lambda row: (written(row[::-1], (5,))[:, ::-1], (4,)),
    "off the machine's word": lambda row: (
        np.frombuffer(b"." + 2 * row.tobytes(), np.uint8)[1:].view(row.dtype).reshape(2, -1), (1,)
    ),
    "read-only": lambda row: (np.frombuffer(3 * row.tobytes(), row.dtype).reshape(3, -1), (1,)),
    "of the other byte order": lambda row: (row.astype(row.dtype.newbyteorder()), ()),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("format_name", invariance.FORMATS)
@pytest.mark.parametrize("n", [1, 2, 10, 31, 32, 257, 1000])
def test_wherever_a_contiguous_row_stands(n, format_name, place):
    for seed in range(8):
        (row,) = invariance.logits(np.random.default_rng(seed), 1, n, format_name)
        x, index = PLACES[place](row)
        for name in ("softmax", "log_softmax", "logsumexp"):
            function = getattr(kernels, name)
            expected, found = function(row[None])[0], function(x)[index]
            np.testing.assert_array_equal(found, expected, err_msg=f"{name}, {seed}")
        y = np.full(x.shape[:-1], n // 2)
        np.testing.assert_array_equal(
            kernels.cross_entropy(x, y, reduction="none")[index],
            kernels.cross_entropy(row[None], [n // 2], reduction="none")[0],
        )


@pytest.mark.parametrize(("format_name", "gap"), [("float32", 91.0), ("float64", 712.0)])
@pytest.mark.parametrize("n", [20, 32, 100])
def test_a_faint_row_alone_and_in_a_batch(n, format_name, gap):
    x = np.random.default_rng(n).standard_normal((6, n)).astype(format_name)
    x[2:4] -= gap
    x[2, 5], x[3, 7] = 0, 3
    for name in ("log_softmax", "logsumexp"):
        function = getattr(kernels, name)
        for i in range(6):
            np.testing.assert_array_equal(function(x[i]), function(x)[i])


@pytest.mark.parametrize("format_name", ["float32", "float64"])
def test_a_row_whose_smallest_exponential_is_just_normal(format_name):
    least = np.log(np.finfo(format_name).tiny)
    x = np.random.default_rng(0).uniform(-9, -3, (20, 10)).astype(format_name)
    x[:, 4] = least
    below = np.full((1, 10), 2 * least, format_name)
    for name in ("softmax", "log_softmax", "logsumexp"):
        function = getattr(kernels, name)
        np.testing.assert_array_equal(function(np.concatenate([x, below]))[:20], function(x))


def test_lists_and_class_axes_that_do_not_come_last():
    x = invariance.logits(np.random.default_rng(1), 6, 9, "float64")
    for name in ("softmax", "log_softmax"):
        function = getattr(kernels, name)
        expected = function(x)
        np.testing.assert_array_equal(function(x.tolist()), expected)
        np.testing.assert_array_equal(function(x.tolist()[3]), expected[3])
        np.testing.assert_array_equal(function(x.T, axis=0).T, expected)
        np.testing.assert_array_equal(
            function(x.reshape(6, 3, 3), axis=(1, 2)).reshape(6, 9), expected
        )


# --- what NumPy does, and does not promise: the orders of summation the promise rests on ---------


@pytest.mark.parametrize("format_name", ["float32", "float64"])
@pytest.mark.parametrize("n", LENGTHS)
def test_numpy_adds_every_row_in_an_order_that_follows_from_n(n, format_name):
    rng = np.random.default_rng(n)
    rows = 1 + 40_000 // n
    e = rng.lognormal(0, 5, (rows, n)).astype(format_name)
    sums = np.einsum("ij->i", e)
    runs = np.einsum("ijk->ij", e[:, : n - n % 2].reshape(rows, 2, n // 2))
    for i in rng.integers(0, rows, 20):
        np.testing.assert_array_equal(np.einsum("ij->i", e[i : i + 1])[0], sums[i])
        np.testing.assert_array_equal(e[i : i + 1].sum(axis=-1)[0], e.sum(axis=-1)[i])
        some = e[i : i + 1, : n - n % 2].reshape(1, 2, n // 2)
        np.testing.assert_array_equal(np.einsum("ijk->ij", some)[0], runs[i])


@pytest.mark.parametrize("format_name", ["float32", "float64"])
@pytest.mark.parametrize("function", [np.exp, np.log, np.log1p])
def test_numpy_maps_a_number_to_the_same_bits_wherever_it_stands(function, format_name):
    x = np.abs(np.random.default_rng(0).normal(0, 20, 4096)).astype(format_name)
    expected = function(x)
    for start, step in ((1, 1), (3, 2), (5, 7), (0, 100)):
        np.testing.assert_array_equal(function(x[start::step]), expected[start::step])
    for i in (0, 1, 17, 4095):
        assert function(x[i]) == expected[i]
        assert function(x[i : i + 1]) == expected[i]
