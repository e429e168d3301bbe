"""The kernels' documented behaviour: shapes, dtypes, edges, errors, properties."""

import inspect
import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from array_api_compat import torch as xp_torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers import blocks, gradients, kernels, oracle
from helpers.rows import rows

INF, NAN = np.inf, np.nan
ELEMENTWISE = (kernels.softmax, kernels.log_softmax)
CORE = (*ELEMENTWISE, kernels.logsumexp)
REFERENCE = {
    kernels.softmax: scipy.special.softmax,
    kernels.log_softmax: scipy.special.log_softmax,
    kernels.logsumexp: scipy.special.logsumexp,
}
logits = hnp.arrays(
    np.float64, hnp.array_shapes(max_dims=3, max_side=6), elements=st.floats(-800, 800)
)


def both(x):
    """Return the same numbers as a NumPy array and as a torch tensor."""
    return np.asarray(x), torch.tensor(np.asarray(x))


# --- the NumPy form is the readable form ------------------------------------------------------


def layouts():
    rng = np.random.default_rng(0)
    x = 3 * rng.standard_normal((70, 50))
    yield "contiguous", x, -1
    yield "columns", x, 0
    yield "Fortran", np.asfortranarray(x), -1
    yield "short rows", 3 * rng.standard_normal((900, 5)), -1
    yield "narrow columns", 3 * rng.standard_normal((900, 5)), 0
    yield "middle axis", rng.standard_normal((3, 6, 40)), 1
    yield "two axes", rng.standard_normal((3, 4, 5, 36)), (0, 2)
    yield "four axes", rng.standard_normal((2, 3, 4, 36)), 1
    yield "every axis", x, None
    yield "hard rows among easy ones", x * np.where(np.arange(70) % 3, 1, 400)[:, None], -1
    yield "hard columns among easy ones", (x * np.where(np.arange(70) % 3, 1, 400)[:, None]).T, 0
    yield "larger than a block", rng.standard_normal((3, 200_000)), -1
    yield "many blocks", rng.standard_normal((40_000, 12)), -1
    yield "many blocks of columns", rng.standard_normal((300, 2_000)), 0


@pytest.mark.parametrize(("name", "x", "axis"), list(layouts()), ids=[c[0] for c in layouts()])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("function", CORE)
def test_blocks_agree_with_the_readable_form(function, name, x, axis, dtype):
    x = x.astype(dtype, order="K")
    fast, readable = function(x, axis=axis), function(torch.tensor(x.copy()), axis=axis).numpy()
    assert fast.dtype == dtype
    assert fast.shape == readable.shape
    eps = np.finfo(dtype).eps
    # Log-sum-exp near 0 is ill-conditioned: its error is measured against the logits.
    scale = np.abs(x).max() if function is kernels.logsumexp else 0
    atol = np.finfo(dtype).tiny + eps * scale
    np.testing.assert_allclose(fast, readable, rtol=8 * eps, atol=atol)


VIEWS = {
    "strided": lambda a: a[::2, ::3],
    "reversed": lambda a: a[::-1, ::-1],
    "one row again and again": lambda a: np.broadcast_to(a[0], (40, 50)),
    "one logit again and again": lambda a: np.broadcast_to(a[:, :1], (70, 45)),
    "axes swapped": lambda a: a[::2, None, 3:].swapaxes(0, 2),
    "axes of length one": lambda a: a[None, :, None, :, None],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("function", CORE)
def test_views_of_any_kind_give_what_their_copies_give(function, axis, view):
    x = VIEWS[view](3 * np.random.default_rng(2).standard_normal((70, 50)))
    x.setflags(write=False)
    readable = function(torch.tensor(x.copy()), axis=axis).numpy()
    np.testing.assert_allclose(function(x, axis=axis), readable, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray])
def test_special_values_stay_in_their_column(make):
    x = np.random.default_rng(4).standard_normal((12, 600))
    x[3, 0], x[4, 1], x[5, 2], x[:, 3], x[6, 4] = NAN, INF, -INF, -INF, 5000
    x[1:3, 5] = 9  # ties above the rest
    x = make(x)
    for function in CORE:
        fast = function(x, axis=0)
        readable = function(torch.tensor(x), axis=0).numpy()
        np.testing.assert_allclose(fast, readable, rtol=1e-14, atol=1e-15)
    y = np.full(600, 2)
    np.testing.assert_allclose(
        kernels.cross_entropy(x, y, axis=0, reduction="none"),
        kernels.cross_entropy(torch.tensor(x), torch.tensor(y), axis=0, reduction="none"),
        rtol=1e-14,
    )


@pytest.mark.parametrize("shape", [(5, 7), (6, 900), (900, 6)])
@pytest.mark.parametrize("scale", [1, 300])
def test_cross_entropy_blocks_agree_with_the_readable_form(shape, scale):
    rng = np.random.default_rng(1)
    x = scale * rng.standard_normal(shape)
    for axis in (0, 1):
        y = rng.integers(0, shape[axis], shape[1 - axis])
        fast = kernels.cross_entropy(x, y, axis=axis, reduction="none")
        readable = kernels.cross_entropy(
            torch.tensor(x), torch.tensor(y), axis=axis, reduction="none"
        )
        np.testing.assert_allclose(fast, readable.numpy(), rtol=1e-14)


def test_blocks_has_the_kernels_functions_in_the_same_order():
    order = ["softmax", "log_softmax", "logsumexp", "cross_entropy"]
    for module in (kernels, blocks):
        functions = [inspect.unwrap(getattr(module, name)) for name in order]
        lines = [function.__code__.co_firstlineno for function in functions]
        assert lines == sorted(lines)
        assert all(function.__module__ == module.__name__ for function in functions)


@pytest.mark.parametrize("function", CORE)
def test_half_precision_is_rounded_once_where_it_is_subnormal_too(function):
    x = np.random.default_rng(3).normal(scale=5, size=(40, 60)).astype(np.float16)
    once = function(x.astype(np.float32)).astype(np.float16)
    np.testing.assert_array_equal(function(x), once)
    subnormal = np.abs(once) < np.finfo(np.float16).tiny
    assert function is not kernels.softmax or subnormal.mean() > 0.3


# --- against independent implementations ------------------------------------------------------


@given(logits)
def test_close_to_scipy(x):
    for function, reference in REFERENCE.items():
        scale = 1 + np.abs(x).max()
        np.testing.assert_allclose(
            function(x), reference(x, axis=-1), rtol=1e-12, atol=1e-15 * scale
        )


@given(logits, st.floats(-100, 100))
def test_shift_changes_nothing(x, c):
    np.testing.assert_allclose(kernels.softmax(x + c), kernels.softmax(x), rtol=1e-12, atol=1e-300)
    lse = kernels.logsumexp(x)
    np.testing.assert_allclose(kernels.logsumexp(x + c), lse + c, rtol=1e-13, atol=1e-12)


@given(logits)
def test_sums_order_and_bounds(x):
    p, lse, m = kernels.softmax(x), kernels.logsumexp(x), x.max(axis=-1)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-14)
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.take_along_axis(p, x.argmax(axis=-1)[..., None], -1)[..., 0] == p.max(axis=-1)).all()
    assert (m <= lse).all()
    assert (lse <= m + np.log(x.shape[-1]) * (1 + 1e-15) + 1e-15 * np.abs(m)).all()


@given(hnp.arrays(np.float64, (6,), elements=st.floats(-300, 300)))
def test_logsumexp_is_a_monoid(x):
    parts = np.array([kernels.logsumexp(x[:2]), kernels.logsumexp(x[2:])])
    np.testing.assert_allclose(
        kernels.logsumexp(parts), kernels.logsumexp(x), rtol=1e-13, atol=1e-13
    )


@given(logits)
def test_the_smooth_maximum_of_log_probabilities_is_zero(x):
    again = kernels.logsumexp(kernels.log_softmax(x))
    np.testing.assert_allclose(again, 0, atol=1e-12)


# --- edges ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_row_of_minus_infinity(make):
    x = make([[-INF, -INF], [0.0, 0.0]])
    assert np.isnan(np.asarray(kernels.softmax(x))).tolist() == [[True, True], [False, False]]
    assert np.isnan(np.asarray(kernels.log_softmax(x))).tolist() == [[True, True], [False, False]]
    assert np.asarray(kernels.logsumexp(x))[0] == -INF
    assert np.asarray(kernels.masked_softmax(x, x > -INF)).tolist() == [[0, 0], [0.5, 0.5]]


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_plus_infinity_and_nan_stay_on_their_row(make):
    x = make([[INF, 0.0], [NAN, 0.0], [0.0, 0.0], [INF, INF]])
    bad = [[True, True], [True, True], [False, False], [True, True]]
    assert np.isnan(np.asarray(kernels.softmax(x))).tolist() == bad
    assert np.isnan(np.asarray(kernels.log_softmax(x))).tolist() == bad
    lse = np.asarray(kernels.logsumexp(x))
    assert lse[[0, 3]].tolist() == [INF, INF]
    assert np.isnan(lse[1])


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_a_masked_class_has_probability_zero(make):
    x = make([1.0, -INF, 1.0])
    assert np.asarray(kernels.softmax(x)).tolist() == [0.5, 0.0, 0.5]
    assert np.asarray(kernels.log_softmax(x))[1] == -INF


@pytest.mark.parametrize("others", [[], [0.0, 1.0, 2.0]], ids=["alone", "in a batch"])
@pytest.mark.parametrize(("format_name", "height"), [("float32", 88.5), ("float64", 709.5)])
@pytest.mark.parametrize("n", [10, 40])
def test_a_sum_that_overflows_where_no_exponential_does(n, format_name, height, others):
    x = np.array([[height] * n, *([v] * n for v in others)], format_name)
    assert np.isfinite(np.exp(x)).all()
    eps = np.finfo(format_name).eps
    np.testing.assert_allclose(kernels.softmax(x), 1 / n, rtol=4 * eps)
    np.testing.assert_allclose(kernels.log_softmax(x), -math.log(n), rtol=4 * eps)
    np.testing.assert_allclose(kernels.logsumexp(x), x[:, 0] + math.log(n), rtol=4 * eps)
    loss = kernels.cross_entropy(x, np.zeros(len(x), int), reduction="none")
    np.testing.assert_allclose(loss, math.log(n), rtol=4 * eps)


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_no_classes(make):
    for function in ELEMENTWISE:
        with pytest.raises(ValueError, match="at least one class"):
            function(make((3, 0)))
    with pytest.raises(ValueError, match="at least one class"):
        kernels.cross_entropy(make((0, 0)), [])
    assert np.asarray(kernels.logsumexp(make((3, 0)))).tolist() == [-INF] * 3
    assert np.asarray(kernels.logsumexp(make((2, 3, 0)))).tolist() == [[-INF] * 3] * 2


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_empty_batch(make):
    assert kernels.softmax(make((0, 3))).shape == (0, 3)
    assert kernels.logsumexp(make((0, 3))).shape == (0,)
    assert kernels.cross_entropy(make((0, 3)), np.zeros(0, int), reduction="none").shape == (0,)


def test_a_scalar_is_one_class():
    assert kernels.softmax(3.0) == 1.0
    assert kernels.log_softmax(3) == 0.0
    assert kernels.logsumexp(torch.tensor(3.0)) == 3.0
    assert kernels.softmax(3.0, axis=0) == 1.0
    with pytest.raises(ValueError, match="axis"):
        kernels.softmax(3.0, axis=1)


@pytest.mark.parametrize(
    "bad", [1j * np.ones(3), np.array(["a", "b"]), np.array([None, 1]), torch.ones(2) * 1j]
)
def test_input_that_is_not_real(bad):
    for function in CORE:
        with pytest.raises(TypeError, match="real numbers"):
            function(bad)


def test_axes_count_from_the_end_too():
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    for axis, same in ((-3, 0), (-2, 1), ((-3, -1), (0, 2))):
        np.testing.assert_array_equal(kernels.softmax(x, axis=axis), kernels.softmax(x, axis=same))


RELATIVES = {
    "softmax": kernels.softmax,
    "log_softmax": kernels.log_softmax,
    "logsumexp": kernels.logsumexp,
    "softmax_temperature below 1": lambda x: kernels.softmax_temperature(x, 0.5),
    "softmax_temperature above 1": lambda x: kernels.softmax_temperature(x, 2.0),
    "masked_softmax": lambda x: kernels.masked_softmax(x, x > -1),
    "topk_softmax": lambda x: kernels.topk_softmax(x, 2),
    "posterior": lambda x: kernels.posterior(x, x[..., :1] * 0 + 1 / 5),
    "log_mean_exp": kernels.log_mean_exp,
    "smooth_max": lambda x: kernels.smooth_max(x, 2.0),
    "entropy": lambda x: kernels.entropy(kernels.softmax(x)),
    "sparsemax": kernels.sparsemax,
    "top_p": lambda x: kernels.top_p(kernels.softmax(x), 0.7),
    "cross_entropy of probabilities": lambda x: kernels.cross_entropy(
        x, kernels.softmax(-x), reduction="none"
    ),
    "softmax_jacobian": gradients.softmax_jacobian,
    "log_softmax_jacobian": gradients.log_softmax_jacobian,
    "softmax_vjp": lambda x: gradients.softmax_vjp(kernels.softmax(x), x * x),
    "log_softmax_vjp": lambda x: gradients.log_softmax_vjp(kernels.log_softmax(x), x * x),
}


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("name", RELATIVES)
def test_the_classes_are_the_last_axis_of_a_row_a_batch_and_a_stack(name, index):
    stack = both(np.random.default_rng(0).standard_normal((2, 3, 5)))[index]
    function = RELATIVES[name]
    of_rows = np.stack([np.stack([np.asarray(function(x)) for x in batch]) for batch in stack])
    of_batches = np.stack([np.asarray(function(batch)) for batch in stack])
    np.testing.assert_allclose(of_batches, of_rows, rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(np.asarray(function(stack)), of_rows, rtol=1e-13, atol=1e-16)


def test_one_mask_for_every_head_and_a_mask_for_each():
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((2, 3, n, 4)) for n in (5, 6, 6))
    mask = rng.random((2, 3, 5, 6)) > 0.4
    for whole in (mask, mask[0, 0], mask[:, :1], mask[:, :, :1]):
        each = np.broadcast_to(whole, mask.shape)
        expected = [
            [kernels.attention(q[i, j], k[i, j], v[i, j], each[i, j]) for j in range(3)]
            for i in range(2)
        ]
        np.testing.assert_allclose(kernels.attention(q, k, v, whole), expected, rtol=1e-13)


def test_axis_out_of_range():
    for axis in (2, -3, (0, 0), (0, 5)):
        with pytest.raises(ValueError, match="axis"):
            kernels.softmax(np.zeros((2, 2)), axis=axis)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_integers_become_floats_before_anything_is_subtracted(dtype):
    x = np.array([0, 1, 1], dtype=dtype)
    expected = kernels.softmax(x.astype(np.float64))
    assert kernels.softmax(x).dtype == np.float64
    assert (kernels.softmax(x) == expected).all()
    assert kernels.softmax(torch.tensor(x)).dtype == torch.get_default_dtype()


def test_half_precision_adds_up_in_float32():
    assert kernels.logsumexp(np.zeros(100_000, np.float16)) == np.float16(math.log(100_000))
    for dtype in (torch.float16, torch.bfloat16):
        lse = kernels.logsumexp(torch.zeros(100_000, dtype=dtype))
        assert lse.dtype == dtype
        assert lse == torch.tensor(math.log(100_000), dtype=dtype)
    loss = kernels.cross_entropy(np.full((70_000, 2), [0, 9], np.float16), np.zeros(70_000, int))
    assert loss == np.float16(9)


def test_arguments_are_neither_modified_nor_shared():
    for n in (1, 3):
        x = np.random.default_rng(0).standard_normal((4, n))
        x.flags.writeable = False
        for function in CORE:
            assert not np.shares_memory(function(x), x)
        kernels.cross_entropy(x, np.zeros(4, int))
        t = torch.tensor(x.copy())
        before = t.clone()
        for function in CORE:
            result = function(t)
            result += 1
        assert (t == before).all()


def test_big_endian_and_array_likes():
    x = np.array([1.0, 2.0, 3.0])
    swapped = kernels.softmax(x.astype(">f8"))
    assert swapped.dtype.isnative
    assert (swapped == kernels.softmax(x)).all()
    assert (kernels.softmax([1, 2, 3]) == kernels.softmax(x)).all()


def test_keepdims_and_reduced_shapes():
    x = np.zeros((2, 3, 4))
    assert kernels.logsumexp(x, axis=1).shape == (2, 4)
    assert kernels.logsumexp(x, axis=1, keepdims=True).shape == (2, 1, 4)
    assert kernels.logsumexp(x, axis=(0, 2)).shape == (3,)
    assert kernels.logsumexp(x, axis=None) == pytest.approx(math.log(24))


def test_no_warning_reaches_the_caller(recwarn):
    x = np.array([[1000.0, -1000.0], [-INF, -INF], [INF, NAN]])
    with np.errstate(all="raise"):
        for function in CORE:
            function(x)
    assert not recwarn.list


def test_torch_stays_out_until_a_tensor_comes():
    code = (
        "import sys, helpers; from helpers import kernels; kernels.softmax([1.0]);"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- cross-entropy ----------------------------------------------------------------------------


def test_cross_entropy_of_labels_and_of_probabilities():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    q = rng.dirichlet(np.ones(4), 6)
    for targets in (y, q):
        expected = torch.nn.functional.cross_entropy(torch.tensor(x), torch.tensor(targets))
        assert kernels.cross_entropy(x, targets) == pytest.approx(expected.item(), rel=1e-14)
        ours = kernels.cross_entropy(torch.tensor(x), torch.tensor(targets))
        assert ours.item() == pytest.approx(expected.item(), rel=1e-14)
    total = kernels.cross_entropy(x, y, reduction="sum")
    assert total == pytest.approx(kernels.cross_entropy(x, y, reduction="none").sum())
    np.testing.assert_allclose(
        kernels.cross_entropy(x.T, y, axis=0, reduction="none"),
        kernels.cross_entropy(x, y, reduction="none"),
        rtol=1e-14,
    )


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_impossible_class_with_zero_target_contributes_nothing(make):
    loss = kernels.cross_entropy(make([[0.0, -INF, 0.0]]), make([[0.5, 0.0, 0.5]]))
    assert float(loss) == pytest.approx(math.log(2))
    assert float(kernels.cross_entropy(make([[0.0, -INF]]), make([1]))) == INF
    assert float(kernels.cross_entropy(make([[0.0, -INF]]), make([[0.5, 0.5]]))) == INF


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_cross_entropy_refuses(make):
    x = make([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="labels must lie in 0…2 for 3 classes; got -1 at row 1"):
        kernels.cross_entropy(x, make([0, -1]))
    with pytest.raises(ValueError, match="got 3 at row 0"):
        kernels.cross_entropy(x, make([3, 0]))
    with pytest.raises(ValueError, match="shape"):
        kernels.cross_entropy(x, make([0]))
    with pytest.raises(ValueError, match="shape"):
        kernels.cross_entropy(x, make([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="reduction"):
        kernels.cross_entropy(x, make([0, 1]), reduction="average")


@pytest.mark.parametrize("make", [np.array, torch.tensor])
@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "int64"])
def test_labels_of_any_integer_type(kind, make):
    x = np.random.default_rng(0).standard_normal((4, 3))
    y = np.array([2, 0, 1, 1], kind)
    expected = scipy.special.logsumexp(x, axis=-1) - x[np.arange(4), [2, 0, 1, 1]]
    found = kernels.cross_entropy(make(x), make(y), reduction="none")
    np.testing.assert_allclose(found, expected, rtol=1e-13)


# --- relatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1])
def test_temperature(index):
    x = both([[1.0, 2.0, 8.0], [3.0, 3.0, -INF]])[index]
    for tau in (0.1, 1.0, 7.0):
        expected = scipy.special.softmax(np.asarray(x) / tau, axis=-1)
        np.testing.assert_allclose(kernels.softmax_temperature(x, tau), expected, rtol=1e-13)
    cold = kernels.softmax_temperature(x, 1e-308)
    np.testing.assert_allclose(cold, [[0, 0, 1], [0.5, 0.5, 0]])
    np.testing.assert_allclose(kernels.softmax_temperature(x, INF), [[1 / 3] * 3, [0.5, 0.5, 0]])
    for tau in (0, -1, NAN):
        with pytest.raises(ValueError, match="temperature"):
            kernels.softmax_temperature(x, tau)


@pytest.mark.parametrize("index", [0, 1])
def test_masked(index):
    x = both([[1.0, 1e300, NAN, 2.0]])[index]
    mask = both([[True, False, False, True]])[index]
    expected = [[1 / (1 + math.e), 0, 0, math.e / (1 + math.e)]]
    np.testing.assert_allclose(kernels.masked_softmax(x, mask), expected)
    assert np.asarray(kernels.masked_softmax(x, ~mask & mask)).tolist() == [[0, 0, 0, 0]]
    impossible = kernels.masked_softmax(both([-INF, 5.0, -INF])[index], [True, False, True])
    assert np.asarray(impossible).tolist() == [0, 0, 0]  # nothing masked is left, all of it −inf
    with pytest.raises(TypeError, match="boolean"):
        kernels.masked_softmax(x, [1, 0, 0, 1])


@pytest.mark.parametrize("index", [0, 1])
def test_top_k_and_top_p(index):
    x = both([[0.0, 2.0, 2.0, 2.0, -1.0]])[index]
    assert np.asarray(kernels.topk_softmax(x, 2)).tolist() == [[0, 0.5, 0.5, 0, 0]]
    assert np.asarray(kernels.topk_softmax(x, 1)).tolist() == [[0, 1, 0, 0, 0]]
    np.testing.assert_allclose(kernels.topk_softmax(x, 9), kernels.softmax(x))
    p = both([0.15, 0.5, 0.05, 0.3])[index]
    np.testing.assert_allclose(kernels.top_p(p, 0.6), [0, 0.625, 0, 0.375])
    np.testing.assert_allclose(kernels.top_p(p, 1.0), p)
    np.testing.assert_allclose(kernels.top_p(p, 0.5), [0, 1, 0, 0])
    tenths = both(np.full(10, 0.1))[index]  # they add up to less than 1
    np.testing.assert_array_equal(kernels.top_p(tenths, 1.0) > 0, True)
    assert np.asarray(kernels.top_p(both([1.0, 1e-20])[index], 1.0)).tolist() == [1, 0]
    with pytest.raises(ValueError, match="k must"):
        kernels.topk_softmax(x, 0)
    for mass in (0.0, 1.5):
        with pytest.raises(ValueError, match="mass"):
            kernels.top_p(p, mass)


@given(hnp.arrays(np.float64, (3, 5), elements=st.floats(-20, 20)))
def test_sparsemax_is_the_nearest_point_of_the_simplex(x):
    p = kernels.sparsemax(x)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-13)
    # The projection's optimality: x − p is the same where p > 0, and no larger elsewhere.
    gap = x - p
    level = np.where(p > 0, gap, INF).min(axis=-1, keepdims=True)
    assert (gap <= level + 1e-12).all()
    np.testing.assert_allclose(np.where(p > 0, gap - level, 0), 0, atol=1e-12)
    np.testing.assert_allclose(kernels.sparsemax(torch.tensor(x)), p, atol=1e-15)


@pytest.mark.parametrize("index", [0, 1])
def test_sparsemax_of_large_logits_and_of_a_batch_of_two_axes(index):
    x = both([4e15, 4e15 - 0.5, -4e15])[index]
    assert np.asarray(kernels.sparsemax(x)).tolist() == [0.75, 0.25, 0]
    batch = both(np.random.default_rng(0).standard_normal((2, 3, 4)))[index]
    np.testing.assert_array_equal(kernels.sparsemax(batch)[1, 2], kernels.sparsemax(batch[1, 2]))


@pytest.mark.parametrize("index", [0, 1])
def test_posterior(index):
    x = both([[1.0, 2.0, 3.0]])[index]
    prior = [0.2, 0.0, 0.8]
    expected = np.exp([1, 2, 3]) * prior
    np.testing.assert_allclose(kernels.posterior(x, prior), [expected / expected.sum()], rtol=1e-15)
    with pytest.raises(ValueError, match="negative"):
        kernels.posterior(x, [0.5, -0.5, 1.0])


def test_means_smooth_maxima_and_entropy():
    x = np.array([[0.5, 2.0, -1.0], [1000.0, 999.0, -INF]])
    expected = scipy.special.logsumexp(x, axis=-1) - math.log(3)
    np.testing.assert_allclose(kernels.log_mean_exp(x), expected, rtol=1e-14)
    assert kernels.smooth_max([1.0, 1.0], 2.0) == pytest.approx(1 + math.log(2) / 2)
    assert kernels.smooth_max([1.0, 1.0], 0.5) == pytest.approx(1 + 2 * math.log(2))
    assert kernels.smooth_max([3.0, 1e3], 1e306) == 1e3
    assert kernels.smooth_max([-INF, -INF], 2.0) == -INF
    assert kernels.smooth_max([3.0], 2.0) == 3.0
    assert kernels.smooth_max(np.zeros((2, 0)), 2.0).tolist() == [-INF, -INF]
    with pytest.raises(ValueError, match="alpha"):
        kernels.smooth_max(x, 0)
    p = kernels.softmax(x)
    np.testing.assert_allclose(kernels.entropy(p), scipy.stats.entropy(p, axis=-1), rtol=1e-14)
    np.testing.assert_allclose(kernels.entropy(torch.tensor(p)), kernels.entropy(p), rtol=1e-14)


def test_label_smoothing_is_pytorchs():
    x, y = torch.randn(5, 4, dtype=torch.float64), torch.tensor([0, 3, 2, 1, 1])
    q = kernels.label_smoothing(y, 4, 0.1)
    expected = torch.nn.functional.cross_entropy(x, y, label_smoothing=0.1)
    assert kernels.cross_entropy(x, q.double()).item() == pytest.approx(expected.item(), rel=1e-6)
    np.testing.assert_allclose(kernels.label_smoothing([1], 2, 0.1), [[0.05, 0.95]], rtol=1e-15)
    assert kernels.label_smoothing([1], 2, 0).tolist() == [[0.0, 1.0]]
    assert kernels.label_smoothing([1], 2, 1).tolist() == [[0.5, 0.5]]
    for epsilon in (1.1, -0.1, NAN):
        with pytest.raises(ValueError, match="epsilon"):
            kernels.label_smoothing([1], 2, epsilon)
    with pytest.raises(ValueError, match="labels"):
        kernels.label_smoothing([2], 2, 0.1)
    for labels in both([0.0, 1.0]):
        with pytest.raises(TypeError, match="integers"):
            kernels.label_smoothing(labels, 2, 0.1)


# --- attention --------------------------------------------------------------------------------


def scores_to_look_up(dtype="float64"):
    """Return queries, keys and values whose scores are exact in every format: d = 4, √d = 2."""
    rng = np.random.default_rng(13)
    q, k = rng.integers(-8, 9, (2, 5, 4)), rng.integers(-8, 9, (2, 7, 4))
    return [a.astype(dtype) for a in (q, k, rng.standard_normal((2, 7, 3)))]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_attention_by_exact_arithmetic(index, dtype):
    q, k, v = scores_to_look_up(dtype)
    mask = np.random.default_rng(0).random((5, 7)) < 0.6
    actual = np.asarray(kernels.attention(*(both(a)[index] for a in (q, k, v, mask))))
    assert actual.dtype == dtype
    for batch, query in np.ndindex(2, 5):
        kept = mask[query]
        scores = [sum(map(float, q[batch, query] * key)) / 2 for key in k[batch, kept]]
        p = oracle.softmax(np.array(scores))
        for column in range(3):
            terms = [w * float(value) for w, value in zip(p, v[batch, kept, column], strict=True)]
            error = abs(float(actual[batch, query, column]) - float(sum(terms)))
            assert error <= 4 * np.finfo(dtype).eps * float(sum(map(abs, terms)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_attention_is_pytorchs_where_that_is_right(dtype):
    g = torch.Generator().manual_seed(0)
    q = torch.randn(2, 3, 8, 16, generator=g, dtype=dtype)
    k, v = torch.randn(2, 2, 3, 12, 16, generator=g, dtype=dtype)
    mask = torch.rand(8, 12, generator=g) < 0.7
    sdpa = torch.nn.functional.scaled_dot_product_attention
    room = {"rtol": 0, "atol": 8 * torch.finfo(dtype).eps}
    torch.testing.assert_close(kernels.attention(q, k, v), sdpa(q, k, v), **room)
    torch.testing.assert_close(kernels.attention(q, k, v, mask), sdpa(q, k, v, mask), **room)
    numbers = kernels.attention(q.numpy(), k.numpy(), v.numpy(), mask.numpy())
    torch.testing.assert_close(torch.from_numpy(numbers), sdpa(q, k, v, mask), **room)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_attention_ignores_what_nobody_sees(bad):
    q, k, v = (torch.tensor(a, requires_grad=True) for a in scores_to_look_up())
    mask = torch.ones(5, 7, dtype=torch.bool)
    mask[:, 6] = mask[2] = False
    dirty = [a.detach().clone() for a in (k, v)]
    for a in dirty:
        a[:, 6] = bad
        a.requires_grad_()
    expected, actual = kernels.attention(q, k, v, mask), kernels.attention(q, *dirty, mask)
    assert torch.equal(actual, expected)
    assert not actual[:, 2].any(), "a query with nothing left gives zeros"
    actual.sum().backward()
    assert all(a.grad.isfinite().all() for a in (q, *dirty))
    assert not q.grad[:, 2].any() and not dirty[0].grad[:, 6].any()
    numbers = kernels.attention(*(a.detach().numpy() for a in (q, *dirty, mask)))
    np.testing.assert_allclose(numbers, expected.detach(), rtol=1e-13)


def test_attention_takes_integers_lists_and_one_mask_for_all_queries():
    out = kernels.attention([[1, 0], [0, 1]], [[0, 0], [0, 0]], [[2], [4]], [True, False])
    assert out.dtype == np.float64 and out.tolist() == [[2.0], [2.0]]
    with pytest.raises(TypeError, match="boolean"):
        kernels.attention([[1.0]], [[1.0]], [[1.0]], [[1]])
    with pytest.raises(ValueError, match="at least one class"):
        kernels.attention(np.ones((2, 3)), np.ones((0, 3)), np.ones((0, 3)))


def test_attention_of_half_precision_scores_beyond_its_range():
    q = np.full((1, 16), 100, dtype=np.float16)  # q · k = 160 000, beyond float16's 65 504
    out = kernels.attention(q, np.stack([q[0], -q[0]]), np.array([[1], [2]], dtype=np.float16))
    assert out.dtype == np.float16 and out.tolist() == [[1.0]]


def test_rows_are_views_where_they_can_be():
    x = np.zeros((4, 5))
    assert np.shares_memory(rows(x, 0).values, x)
    assert rows(torch.zeros(2, 3), -1).xp is xp_torch
