"""The kernels' worst errors, in ulp, against exact arithmetic."""

import mpmath
import numpy as np
import pytest
import torch

from benchmarks import accuracy
from helpers import formats, kernels, oracle

BOUNDS = {
    "float64": {"softmax": 16, "log_softmax": 8, "logsumexp": 6, "cross_entropy": 8},
    "float32": {"softmax": 8, "log_softmax": 8, "logsumexp": 3, "cross_entropy": 8},
    "float16": dict.fromkeys(accuracy.FUNCTIONS, 0.51),
    "bfloat16": dict.fromkeys(accuracy.FUNCTIONS, 0.51),
}


def to_numpy(name):
    return lambda x: x.astype(name)


def to_torch(name):
    return lambda x: torch.tensor(x).to(getattr(torch, name))


def compute(function, x, y, library):
    if library == "columns":  # the same rows, the class axis not the contiguous one
        x = np.ascontiguousarray(x.T)
        if function == "cross_entropy":
            return kernels.cross_entropy(x, y, axis=0, reduction="none")
        return getattr(kernels, function)(x, axis=0).T
    if function == "cross_entropy":
        labels = torch.tensor(y) if library == "torch" else y
        return kernels.cross_entropy(x, labels, reduction="none")
    return getattr(kernels, function)(x)


FORMS = [(name, library) for name in BOUNDS for library in ("numpy", "columns", "torch")]
FORMS = [form for form in FORMS if form[0] != "bfloat16" or form[1] == "torch"]


@pytest.fixture(scope="module")
def truths():
    """Exact values are slow, so that they are computed once for each format."""
    return {
        name: [(what, x, accuracy.exact(x)) for what, x in accuracy.rows(name)] for name in BOUNDS
    }


@pytest.mark.many
@pytest.mark.parametrize("function", accuracy.FUNCTIONS)
@pytest.mark.parametrize(("name", "library"), FORMS)
def test_worst_error_in_ulp(name, library, function, truths):
    convert = to_torch(name) if library == "torch" else to_numpy(name)
    for what, x, truth in truths[name]:
        actual = compute(function, convert(x), accuracy.labels(x), library)
        actual = np.asarray(actual.double() if library == "torch" else actual, dtype=np.float64)
        error = accuracy.errors(actual, truth[function], function, x, name)
        bound = BOUNDS[name][function]
        if function == "logsumexp" and name in ("float32", "float64"):
            bound = 3 if "log-sum-exp" in what else bound
        assert error.max(initial=0) <= bound, (
            what,
            x[np.unravel_index(error.argmax(), error.shape)[0]],
        )


@pytest.mark.parametrize("library", ["numpy", "columns", "torch"])
@pytest.mark.parametrize(("name", "bound"), [("float32", 1e-6), ("float64", 1e-14)])
def test_dominant_entry_keeps_its_digits_at_every_gap(name, bound, library):
    convert = to_torch(name) if library == "torch" else to_numpy(name)
    limit = 87 if name == "float32" else 700
    gaps = np.linspace(0.5, limit, 150).astype(np.float32).astype(np.float64)
    x = np.stack([0 * gaps, -gaps], axis=-1)
    with mpmath.workdps(50):
        truth = np.array([float(mpmath.log1p(mpmath.exp(-g))) for g in gaps])
    winner = np.zeros(len(gaps), int)
    for actual in (
        -compute("log_softmax", convert(x), winner, library)[:, 0],
        compute("cross_entropy", convert(x), winner, library),
        compute("logsumexp", convert(x), winner, library),
    ):
        assert (np.abs(np.asarray(actual, np.float64) - truth) <= bound * truth).all()


@pytest.mark.parametrize("library", ["numpy", "columns", "torch"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("name", "gap"), [("float32", 101.0), ("float64", 742.0)])
def test_many_subnormal_exponentials_add_up(name, gap, rows, library):
    x = np.zeros((rows, 201))
    x[:, 1:] = -gap
    with mpmath.workdps(50):
        truth = float(mpmath.log1p(200 * mpmath.exp(-gap)))
    winner = np.zeros(rows, int)
    convert = to_torch(name) if library == "torch" else to_numpy(name)
    for actual in (
        -compute("log_softmax", convert(x), winner, library)[:, 0],
        compute("cross_entropy", convert(x), winner, library),
        compute("logsumexp", convert(x), winner, library),
    ):
        error = np.abs(np.asarray(actual, np.float64) - truth)
        assert (error <= 2 * float(np.finfo(name).smallest_subnormal)).all()


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("n", [1_000, 20_000])
def test_long_rows(name, n):
    rng = np.random.default_rng(n)
    x = np.stack([rng.standard_normal(n), 30 * rng.standard_normal(n)]).astype(name)
    lse = oracle.logsumexp(x)
    assert oracle.ulp_error(kernels.logsumexp(x), lse, name).max() <= BOUNDS[name]["logsumexp"]
    some = rng.integers(0, n, 50)
    with mpmath.workdps(50):
        log_p = np.array(
            [[mpmath.mpf(float(v)) - m for v in row[some]] for row, m in zip(x, lse, strict=True)]
        )
        p = np.vectorize(mpmath.exp, otypes=[object])(log_p)
    normal = np.vectorize(float)(p) >= formats.FORMATS[name].smallest_normal
    assert oracle.ulp_error(kernels.log_softmax(x)[:, some], log_p, name).max() <= 8
    assert (
        oracle.ulp_error(kernels.softmax(x)[:, some], p, name)[normal].max()
        <= BOUNDS[name]["softmax"]
    )


@pytest.mark.parametrize("rows", [1, 2])
def test_a_million_equal_logits_add_up_in_float32(rows):
    x = np.full((rows, 1_000_000), -0.3, np.float32)
    truth = float(x[0, 0]) + np.log(1e6)
    assert (np.abs(kernels.logsumexp(x) - truth) <= 3 * np.spacing(np.float32(truth))).all()
    np.testing.assert_allclose(kernels.softmax(x), 1e-6, rtol=8 * np.finfo(np.float32).eps)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["float32", "float64", "float16"])
def test_a_hundred_thousand_classes(name):
    x = np.random.default_rng(5).standard_normal(100_000).astype(name)
    lse = np.array([oracle.logsumexp(x)])
    worst = 0.51 if name == "float16" else BOUNDS[name]["logsumexp"]
    assert oracle.ulp_error(np.array([kernels.logsumexp(x)]), lse, name)[0] <= worst
