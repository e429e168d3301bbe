"""Exact values, and errors in ulp: what the figures and the tests compare with.

Every function takes the numbers it is given as exact, computes with 60 digits in a form
that loses none of them (mpmath has no largest and no smallest number), and works over the last
axis. It is slow, some 20 microseconds an entry, and shares no code with `kernels`.
"""

from typing import Any

import mpmath
import numpy as np

from helpers import formats

__all__ = ["cross_entropy", "log_softmax", "logsumexp", "softmax", "ulp_error"]

_DIGITS = 60
_NAN, _INF = mpmath.mpf("nan"), mpmath.mpf("inf")


def _numbers(x: Any) -> Any:
    """Take lists, arrays and torch tensors as float64, which holds all four formats exactly."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().double().numpy()
    return np.asarray(x, dtype=np.float64)


def _log_sum(row: Any) -> tuple[Any, Any]:
    """Maximum m and log Σ exp(x_j - m), with one maximum left out of the sum for log1p."""
    top = int(np.argmax(row))
    m = mpmath.mpf(float(row[top]))
    rest = (mpmath.exp(mpmath.mpf(float(v)) - m) for j, v in enumerate(row) if j != top)
    return m, mpmath.log1p(mpmath.fsum(rest))


def _log_softmax_row(row: Any) -> list[Any]:
    if row.size == 0 or np.isnan(row).any() or not np.isfinite(row.max()):
        return [_NAN] * row.size
    m, log_sum = _log_sum(row)
    return [(mpmath.mpf(float(v)) - m) - log_sum for v in row]


def _softmax_row(row: Any) -> list[Any]:
    if row.size == 0 or np.isnan(row).any() or not np.isfinite(row.max()):
        return [_NAN] * row.size
    terms = [mpmath.exp(mpmath.mpf(float(v)) - mpmath.mpf(float(row.max()))) for v in row]
    total = mpmath.fsum(terms)
    return [term / total for term in terms]


def _logsumexp_row(row: Any) -> Any:
    if np.isnan(row).any():
        return _NAN
    if row.size == 0 or row.max() == -np.inf:
        return -_INF
    if row.max() == np.inf:
        return _INF
    m, log_sum = _log_sum(row)
    return m + log_sum


def _cross_entropy_row(row: Any, q: Any) -> Any:
    log_p = _log_softmax_row(row)
    # A class with q = 0 contributes nothing, even where its log p is -inf.
    return -mpmath.fsum(mpmath.mpf(float(w)) * lp for w, lp in zip(q, log_p, strict=True) if w)


def _finish(result: Any, as_float: bool) -> Any:
    if as_float:
        return formats.round_to(result, "float64")
    return result[()]  # a number, not an array without axes, when one row was given


def _over_rows(row_function: Any, x: Any, as_float: bool, keeps_axis: bool) -> Any:
    x = _numbers(x)
    x = x[None] if x.ndim == 0 else x
    result = np.empty(x.shape if keeps_axis else x.shape[:-1], dtype=object)
    with mpmath.workdps(_DIGITS):
        for index in np.ndindex(x.shape[:-1]):
            result[index] = row_function(x[index])
    return _finish(result, as_float)


def softmax(x: Any, *, as_float: bool = False) -> Any:
    """Exact softmax, exp(x_i) / Σ_j exp(x_j), over the last axis.

    Parameters
    ----------
    x : array_like
        Logits, shape (..., n). An entry -inf is a masked class.
    as_float : bool
        Round each value once to float64 instead of returning `mpmath.mpf`.

    Returns
    -------
    numpy.ndarray
        Same shape; dtype object, or float64. NaN for a row with NaN or +inf, or of -inf alone.

    Examples
    --------
    >>> softmax([1000, 0, -np.inf], as_float=True)
    array([1., 0., 0.])
    >>> float(mpmath.log10(softmax([1000, 0])[1]))
    -434.29448190325184
    """
    return _over_rows(_softmax_row, x, as_float, keeps_axis=True)


def log_softmax(x: Any, *, as_float: bool = False) -> Any:
    """Exact log-softmax, x_i - log Σ_j exp(x_j), over the last axis.

    Parameters and return value are those of `softmax`; a masked class has -inf.

    Examples
    --------
    >>> log_softmax([0, -40], as_float=True)
    array([-4.24835426e-18, -4.00000000e+01])
    """
    return _over_rows(_log_softmax_row, x, as_float, keeps_axis=True)


def logsumexp(x: Any, *, as_float: bool = False) -> Any:
    """Exact log Σ_j exp(x_j) over the last axis, which disappears.

    A row of -inf gives -inf, a +inf gives +inf, a NaN gives NaN.

    Examples
    --------
    >>> logsumexp([0, -40], as_float=True)
    4.248354255291589e-18
    """
    return _over_rows(_logsumexp_row, x, as_float, keeps_axis=False)


def cross_entropy(
    logits: Any, targets: Any, *, reduction: str = "mean", as_float: bool = False
) -> Any:
    """Exact cross-entropy -Σ_j q_j log p_j over the last axis, p = softmax(logits).

    Parameters
    ----------
    logits : array_like
        Shape (..., n).
    targets : array_like
        Class indices, integers of shape (...), or probabilities q of shape (..., n).
    reduction : {"mean", "sum", "none"}
        The mean over all rows (as `kernels.cross_entropy`), their sum, or one loss for each row.
    as_float : bool
        Round each value once to float64 instead of returning `mpmath.mpf`.

    Raises
    ------
    ValueError
        If an index does not lie in 0...n - 1, or the shapes do not fit.

    Examples
    --------
    >>> cross_entropy([[0.0, 40.0], [0.0, 0.0]], [1, 0], reduction="none", as_float=True)
    array([4.24835426e-18, 6.93147181e-01])
    """
    logits = _numbers(logits)
    q = _probabilities(targets, logits.shape)
    losses = np.empty(logits.shape[:-1], dtype=object)
    with mpmath.workdps(_DIGITS):
        for index in np.ndindex(losses.shape):
            losses[index] = _cross_entropy_row(logits[index], q[index])
        if reduction == "none":
            return _finish(losses, as_float)
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none'; got {reduction!r}")
        total = mpmath.fsum(losses.ravel())
        total = total / losses.size if reduction == "mean" else total
    return formats.round_to(total, "float64") if as_float else total


def _probabilities(targets: Any, shape: tuple[int, ...]) -> Any:
    if hasattr(targets, "detach"):
        targets = targets.detach().cpu().numpy()
    targets = np.asarray(targets)
    if targets.shape == shape and targets.dtype.kind == "f":
        return targets.astype(np.float64)
    n = shape[-1]
    if targets.shape != shape[:-1] or targets.dtype.kind not in "iu":
        raise ValueError(f"targets must be integers of shape {shape[:-1]} or floats of {shape}")
    if ((targets < 0) | (targets >= n)).any():
        raise ValueError(f"labels must lie in 0…{n - 1} for {n} classes; got {targets.tolist()}")
    return np.eye(n)[targets]


def ulp_error(actual: Any, exact: Any, format_name: str) -> Any:
    """How far a computed value is from the exact one, in units of the exact one's last place.

    A correctly rounded value is off by at most 0.5.

    Parameters
    ----------
    actual : array_like or torch.Tensor
        What was computed, in the format or wider.
    exact : array_like of mpmath.mpf or float
        The truth, of the same shape.
    format_name : str
        A key of `formats.FORMATS`.

    Returns
    -------
    numpy.ndarray of float64
        Non-negative. 0 where both are the same infinity or both NaN, or where the truth lies
        beyond the format's largest number and the infinity of its sign was returned; inf where
        only one of them is finite, or only one is NaN.

    Examples
    --------
    >>> ulp_error([1.0, 1.5], [1.0, 1.5 + 2**-25], "float32").tolist()
    [0.0, 0.25]
    """
    actual, exact = _numbers(actual), np.asarray(exact, dtype=object)
    if actual.shape != exact.shape:
        raise ValueError(f"shapes must agree; got {actual.shape} and {exact.shape}")
    with mpmath.workdps(_DIGITS):
        pairs = zip(actual.ravel(), exact.ravel(), strict=True)
        errors = [_one_ulp_error(float(a), mpmath.mpf(e), format_name) for a, e in pairs]
    return np.array(errors, dtype=np.float64).reshape(actual.shape)


def _one_ulp_error(actual: float, exact: Any, name: str) -> float:
    if mpmath.isnan(exact) or np.isnan(actual):
        return 0.0 if mpmath.isnan(exact) and np.isnan(actual) else np.inf
    if not np.isfinite(actual):
        return 0.0 if actual == formats.round_to(exact, name) else np.inf
    if mpmath.isinf(exact):
        return np.inf
    return float(abs(mpmath.mpf(actual) - exact) / formats.ulp(exact, name))
