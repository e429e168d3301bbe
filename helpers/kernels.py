"""Softmax and its relatives, numerically stable, for NumPy arrays, torch tensors and their kin.

Read this file from top to bottom: each function is its formula. All of them rest on one idea,
which `_peel` spells out: take the row's maximum out of the sum of exponentials. What is left,

    rest = Σ_{j ≠ k} exp(x_j − m),        m = x_k = max x,

cannot overflow, and because the maximum's own term, exp(0) = 1, is *not* in it, a small `rest`
keeps all its digits. It enters the results through log1p(rest) = log(1 + rest):

    logsumexp(x)   = m + log1p(rest)
    log_softmax(x) = (x − m) − log1p(rest)
    softmax(x)     = exp(x − m) / (1 + rest)

Adding the 1 first, as most libraries do, rounds a `rest` below the unit roundoff away: the
log-softmax of a confident row's winner comes out as 0 where the truth is a small ordinary number.

Two lines in each function turn to `blocks`, which holds the same lines in the form that makes
NumPy fast. The mathematics is here.

A row's bits are its own: they depend on its values, dtype and n, not on the other rows, their
number or its place among them. This holds for NumPy arrays whose classes lie side by side in
memory, however the rows do, and for torch tensors on the CPU, but for single rows so long (tens of
thousands of classes) that PyTorch's threads share their sum. In other layouts the last bits can
differ from those, and between a column of many and the same column alone.

Source: P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and
softmax functions", IMA Journal of Numerical Analysis 41 (2021), Algorithm 4.1,
https://doi.org/10.1093/imanum/draa038.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from array_api_compat import device

from . import blocks
from .rows import Array, Axis, Rows, as_labels, floating, ranks, rows, targets_for

# --- the three everybody uses ---------------------------------------------------------------


def softmax(x: Array, axis: Axis = -1) -> Array:
    """Turn logits into probabilities: p_i = exp(x_i) / Σ_j exp(x_j).

    Parameters
    ----------
    x : array_like
        Logits, real. Integers and bools become the default float first. −inf is a masked class.
    axis : int, tuple of int, or None
        The class axis (or axes, taken together; None takes all).

    Returns
    -------
    array
        Same shape as `x`; same dtype if that is floating. float16 and bfloat16 are computed in
        float32 and rounded once. A row of −inf, and a row with a +inf, is all NaN; a NaN stays
        on its row. No other row changes a bit of a row whose classes are contiguous in memory.

    Raises
    ------
    TypeError
        For complex, object and string input.
    ValueError
        If there are no classes (the class axis has length 0), or `axis` is out of range.

    Examples
    --------
    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    r = rows(x, axis, classes_needed_by="softmax")
    if r.is_numpy:
        return r.restore(blocks.softmax(r.values))
    peeled = _peel(r)
    e = r.xp.where(peeled.top, peeled.one, peeled.e)
    return r.restore(e / (peeled.one + peeled.rest))


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """Logarithm of softmax, without computing softmax: (x_i − m) − log1p(rest).

    Parameters, errors and special rows are those of `softmax`. Every entry keeps its digits, the
    winner of a confident row included.

    Examples
    --------
    >>> log_softmax([0.0, -40.0])
    array([-4.24835426e-18, -4.00000000e+01])
    """
    r = rows(x, axis, classes_needed_by="log_softmax")
    if r.is_numpy:
        return r.restore(blocks.log_softmax(r.values))
    peeled = _peel(r)
    return r.restore(peeled.d - r.xp.log1p(peeled.rest) + (peeled.one - 1))


def logsumexp(x: Array, axis: Axis = -1, keepdims: bool = False) -> Array:
    """Log-sum-exp, the smooth maximum: log Σ_j exp(x_j) = m + log1p(rest).

    Parameters
    ----------
    x, axis
        As for `softmax`.
    keepdims : bool
        Keep the class axes, with length 1.

    Returns
    -------
    array
        One value a row. −inf for a row of −inf and for no classes at all, +inf where an entry is
        +inf, NaN where one is NaN.

    Raises
    ------
    TypeError
        For complex, object and string input.

    Examples
    --------
    >>> float(logsumexp([1000.0, 1000.0]))  # 1000 + log 2
    1000.6931471805599
    """
    r = rows(x, axis)
    if r.n == 0:  # a sum of nothing is 0, and its logarithm −inf
        return r.restore_reduced(r.constant(-math.inf), keepdims)
    if r.is_numpy:
        return r.restore_reduced(blocks.logsumexp(r.values), keepdims)
    peeled = _peel(r)
    return r.restore_reduced(peeled.m + r.xp.log1p(peeled.rest), keepdims)


# --- the loss -------------------------------------------------------------------------------


def cross_entropy(logits: Array, targets: Array, axis: int = -1, reduction: str = "mean") -> Array:
    """Cross-entropy −Σ_i q_i log p_i of the targets q with p = softmax(logits).

    For a class index y it is log1p(rest) + (m − x_y): two terms, none negative, so nothing
    cancels. Never LSE(x) − x_y, which loses a confident row's small loss.

    Parameters
    ----------
    logits : array_like
        Logits; the class axis has length n.
    targets : array_like
        Class indices 0 … n−1 (integers, the shape of `logits` without the class axis), or
        probabilities (floating, the shape of `logits`). A class with q = 0 contributes 0, even
        where its logit is −inf.
    axis : int
        The class axis.
    reduction : {"mean", "sum", "none"}
        What to do with the losses of the rows.

    Returns
    -------
    array
        A 0-d result, or one loss a row for "none"; the dtype of `softmax(logits)`.

    Raises
    ------
    TypeError
        For complex, object and string input.
    ValueError
        If a label lies outside 0 … n−1, the shapes do not fit, there are no classes, or
        `reduction` is none of the three.

    Examples
    --------
    >>> float(cross_entropy([[2.0, 0.5, 6.0], [0.1, 0.0, 3.0]], [2, 1]))
    1.5609...
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction must be "mean", "sum" or "none"; got {reduction!r}')
    r = rows(logits, axis, classes_needed_by="cross_entropy")
    xp = r.xp
    targets = targets_for(r, targets, axis)
    are_labels = targets.ndim < r.values.ndim
    if r.is_numpy and are_labels:
        losses = blocks.cross_entropy(r.values, targets[..., None])[..., 0]
    elif are_labels:
        peeled = _peel(r)
        d_y = xp.take_along_axis(peeled.d, targets[..., None], axis=-1)  # x_y − m
        losses = (xp.log1p(peeled.rest) - d_y + (peeled.one - 1))[..., 0]
    else:
        peeled = _peel(r)
        nll = xp.log1p(peeled.rest) - peeled.d + (peeled.one - 1)
        nll = xp.where((targets == 0) & xp.isinf(nll), xp.zeros_like(nll), nll)  # 0 · ∞ is 0 here
        losses = xp.sum(targets * nll, axis=-1)
    if reduction == "none":
        return r.cast(losses)
    total = losses.sum() if r.is_numpy else xp.sum(losses)  # the same, and half the overhead
    return r.cast(total if reduction == "sum" else total / max(math.prod(losses.shape), 1))


# --- relatives ------------------------------------------------------------------------------


def softmax_temperature(x: Array, tau: float, axis: Axis = -1) -> Array:
    """Softmax at temperature τ: softmax(x / τ). Small τ sharpens, large τ flattens.

    Parameters
    ----------
    x, axis
        As for `softmax`.
    tau : float
        Temperature, τ > 0; math.inf gives every unmasked class the same share.

    Raises
    ------
    ValueError
        If τ ≤ 0 or NaN.

    Examples
    --------
    >>> softmax_temperature([1.0, 2.0, 8.0], 1e-308)
    array([0., 0., 1.])
    """
    if not tau > 0:
        raise ValueError(f"the temperature must be positive; got {tau!r}")
    r = rows(x, axis, classes_needed_by="softmax_temperature")
    xp, x = r.xp, r.wide()
    with np.errstate(all="ignore"):
        if tau < 1:  # dividing first could overflow, so shift first
            m = xp.max(x, axis=-1, keepdims=True)
            x = x - xp.where(xp.isfinite(m), m, xp.zeros_like(m))
        return r.restore(softmax(xp.where(xp.isinf(x), x, x / tau)))


def masked_softmax(x: Array, mask: Array, axis: Axis = -1) -> Array:
    """Softmax over the classes where `mask` is True; exactly 0 elsewhere.

    Parameters
    ----------
    x, axis
        As for `softmax`.
    mask : array_like of bool
        True keeps a class; broadcasts against `x`.

    Returns
    -------
    array
        Rows that sum to 1, but for rows with nothing left (all masked, or all −inf): those are
        zeros. What stands at a masked entry, NaN included, does not matter, and its gradient is 0.

    Raises
    ------
    TypeError
        If `mask` is not boolean, or `x` is not real.

    Examples
    --------
    >>> masked_softmax([1.0, 2.0, 3.0], [True, False, False])
    array([1., 0., 0.])
    """
    x, xp = floating(x)
    mask = xp.asarray(mask, device=device(x))
    if not xp.isdtype(mask.dtype, "bool"):
        raise TypeError(f"mask must be boolean (True keeps a class); got dtype {mask.dtype}")
    x, mask = xp.broadcast_arrays(x, mask)
    kept = xp.where(mask, x, xp.full_like(x, -math.inf))
    dead = xp.all(kept == -math.inf, axis=axis, keepdims=True)
    p = softmax(xp.where(dead, xp.zeros_like(kept), kept), axis)
    return xp.where(mask & ~dead, p, xp.zeros_like(p))


def topk_softmax(x: Array, k: int) -> Array:
    """Softmax over the k largest logits of the last axis; exactly 0 elsewhere.

    Of tied logits the ones with the lowest index stay; k > n keeps all.

    Raises
    ------
    ValueError
        If k < 1.

    Examples
    --------
    >>> topk_softmax([0.0, 0.0, 0.0], 2)
    array([0.5, 0.5, 0. ])
    """
    if k < 1:
        raise ValueError(f"k must be at least 1; got {k}")
    x, xp = floating(x)
    return masked_softmax(x, ranks(x, xp) < k)


def posterior(logits: Array, prior: Array) -> Array:
    """Bayes: the softmax of log-likelihoods plus log-prior, softmax(x + log π), last axis.

    Parameters
    ----------
    logits : array_like
        Log-likelihoods up to a constant a row.
    prior : array_like
        Non-negative weights π, broadcast against `logits`; their scale does not matter. A zero
        rules its class out.

    Raises
    ------
    ValueError
        If a prior is negative or NaN.

    Examples
    --------
    >>> posterior([0.0, 0.0], [0.9, 0.1])
    array([0.9, 0.1])
    """
    x, xp = floating(logits)
    weights = xp.asarray(prior, dtype=x.dtype, device=device(x))
    if not xp.all(weights >= 0):
        raise ValueError("a prior holds no negative weight and no NaN")
    with np.errstate(divide="ignore"):  # log 0 = −inf is meant
        return softmax(x + xp.log(weights))


def log_mean_exp(x: Array, axis: Axis = -1) -> Array:
    """Logarithm of the mean of the exponentials: log((1/n) Σ_j exp(x_j)) = m + log((1 + rest)/n).

    Examples
    --------
    >>> float(log_mean_exp([1000.0, 1000.0]))
    1000.0
    """
    r = rows(x, axis, classes_needed_by="log_mean_exp")
    peeled = _peel(r)
    return r.restore_reduced(peeled.m + r.xp.log((1 + peeled.rest) / r.n))


def smooth_max(x: Array, alpha: float, axis: Axis = -1) -> Array:
    """Smooth maximum LSE_α(x) = (1/α) log Σ_j exp(α x_j): at most log(n)/α above max x.

    The shift comes before the factor, so that α x cannot overflow.

    Raises
    ------
    ValueError
        If α ≤ 0 or NaN.

    Examples
    --------
    >>> float(smooth_max([1.0, 1.0], 1e308))
    1.0
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be positive; got {alpha!r}")
    r = rows(x, axis)
    if r.n == 0:
        return r.restore_reduced(r.constant(-math.inf))
    xp, x = r.xp, r.wide()
    m = xp.max(x, axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        shift = xp.where(xp.isfinite(m), m, xp.zeros_like(m))
        smooth = shift + logsumexp(alpha * (x - shift), keepdims=True) / alpha
    return r.restore_reduced(smooth)


def entropy(p: Array, axis: Axis = -1) -> Array:
    """Entropy H(p) = −Σ_i p_i log p_i of probabilities, in nats, with 0 log 0 = 0.

    Examples
    --------
    >>> float(entropy([0.5, 0.5, 0.0]))  # log 2
    0.6931471805599453
    """
    r = rows(p, axis)
    xp, p = r.xp, r.wide()
    terms = p * xp.log(xp.where(p == 0, xp.ones_like(p), p))
    # 0 − Σ rather than −Σ: a certain outcome has entropy 0, not −0.
    return r.restore_reduced(0 - xp.sum(terms, axis=-1, keepdims=True))


def sparsemax(x: Array) -> Array:
    """Euclidean projection of the last axis on the simplex: max(x − t, 0), with t so that Σ = 1.

    Unlike softmax it gives exact zeros. The support is the largest k with
    1 + k x_(k) > x_(1) + … + x_(k), where x_(1) ≥ x_(2) ≥ … are the sorted logits.

    Source: A. Martins and R. Astudillo, "From softmax to sparsemax", ICML 2016, Algorithm 1.

    Examples
    --------
    >>> sparsemax([1.0, 0.8, -1.0])
    array([0.6, 0.4, 0. ])
    """
    r = rows(x, -1, classes_needed_by="sparsemax")
    xp, x = r.xp, r.wide()
    x = x - xp.max(x, axis=-1, keepdims=True)  # the projection does not mind a shift
    descending = xp.flip(xp.sort(x, axis=-1), axis=-1)
    k = xp.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=device(x))
    sums = xp.cumulative_sum(descending, axis=-1)
    in_support = xp.astype(1 + k * descending > sums, x.dtype)
    size = xp.sum(in_support, axis=-1, keepdims=True)
    t = (xp.sum(xp.where(in_support == 1, descending, 0 * k), axis=-1, keepdims=True) - 1) / size
    return r.restore(xp.where(x > t, x - t, xp.zeros_like(x)))


def top_p(p: Array, mass: float) -> Array:
    """Nucleus of a distribution: the fewest largest probabilities whose sum reaches `mass`.

    The rest is set to 0 and what stays is normalised again, along the last axis. Of tied
    probabilities the one with the lowest index comes first. All stay if rounding leaves the total
    below the mass.

    Raises
    ------
    ValueError
        If not 0 < mass ≤ 1.

    Examples
    --------
    >>> top_p([0.5, 0.25, 0.125, 0.125], 0.75)
    array([0.66666667, 0.33333333, 0.        , 0.        ])
    """
    if not 0 < mass <= 1:
        raise ValueError(f"mass must lie in (0, 1]; got {mass!r}")
    r = rows(p, -1)
    xp, p = r.xp, r.wide()
    order = xp.argsort(p, axis=-1, descending=True, stable=True)
    descending = xp.take_along_axis(p, order, axis=-1)
    before = xp.cumulative_sum(descending, axis=-1) - descending
    sizes = xp.sum(xp.astype(before < mass, order.dtype), axis=-1, keepdims=True)
    kept = xp.where(ranks(p, xp) < sizes, p, xp.zeros_like(p))
    return r.restore(kept / xp.sum(kept, axis=-1, keepdims=True))


def label_smoothing(labels: Array, n: int, epsilon: float) -> Array:
    """Smoothed targets (1 − ε) · one-hot + ε/n, PyTorch's convention, shape labels.shape + (n,).

    Raises
    ------
    ValueError
        If ε lies outside [0, 1] or a label outside 0 … n−1.

    Examples
    --------
    >>> label_smoothing([1], 2, 0.1)
    array([[0.05, 0.95]])
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must lie in [0, 1]; got {epsilon!r}")
    labels, xp = as_labels(labels, n)
    classes = xp.arange(n, device=device(labels))
    one_hot = xp.astype(labels[..., None] == classes, xp.zeros(()).dtype)
    return (1 - epsilon) * one_hot + epsilon / n


def attention(q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    """Scaled dot-product attention: masked_softmax(q kᵀ / √d, mask) v.

    Parameters
    ----------
    q : array_like
        Queries, shape (..., n_q, d).
    k : array_like
        Keys, shape (..., n_k, d), at least one.
    v : array_like
        Values, shape (..., n_k, d_v).
    mask : array_like of bool, optional
        True where the query may look; broadcasts against the scores, (..., n_q, n_k).

    Returns
    -------
    array
        Shape (..., n_q, d_v), the dtype that the three have in common; float16 and bfloat16 are
        computed in float32 and rounded once. A query with nothing left gives zeros. A key that no
        query may see does not matter, nor does its value, NaN and inf included; their gradients
        are 0.

    Raises
    ------
    TypeError
        If `mask` is not boolean, or an argument is not real.
    ValueError
        If there are no keys.

    Examples
    --------
    >>> q, k, v = np.zeros((1, 4)), np.ones((3, 4)), np.array([[1.0], [2.0], [np.nan]])
    >>> attention(q, k, v, [[True, True, False]])
    array([[1.5]])
    """
    (q, xp), (k, _), (v, _) = floating(q), floating(k), floating(v)
    dtype = xp.result_type(q, k, v)
    wide = xp.float32 if xp.finfo(dtype).bits < 32 else dtype
    q, k, v = (xp.astype(a, wide) for a in (q, k, v))
    if mask is not None:
        mask = xp.asarray(mask, device=device(q))
        mask = xp.broadcast_to(mask, (*mask.shape[:-2], q.shape[-2], k.shape[-2]))
        seen = xp.any(mask, axis=-2)[..., None]  # a weight of 0 does not keep NaN out: 0 · NaN
        k, v = (xp.where(seen, a, xp.zeros_like(a)) for a in (k, v))
    scores = q @ xp.matrix_transpose(k) / math.sqrt(q.shape[-1])
    p = softmax(scores) if mask is None else masked_softmax(scores, mask)
    return xp.astype(p @ v, dtype)


# --- the idea all of them share -------------------------------------------------------------


class Peeled(NamedTuple):
    """A row without its maximum: what `_peel` returns. Class axis last."""

    m: Array  # the row's maximum, shape (..., 1)
    top: Array  # True at the maximum (at the first one, if there are ties)
    d: Array  # x − m, shape (..., n)
    e: Array  # exp(x − m), but 0 at `top`
    rest: Array  # Σ e, shape (..., 1)
    one: Array  # the maximum's own term, exp(0); NaN where m is infinite or NaN


def _peel(r: Rows) -> Peeled:
    """Split each row into its maximum and the exponentials of everything else.

    Only *one* maximum is taken out. Leaving out all ties would give the same values and wrong
    gradients: autograd would then see a tied entry through m alone. At `top`, d is a constant 0
    for the same reason: through x_k − m autograd would add 1 and −1 to a gradient that may be
    smaller than their rounding.
    """
    xp, x = r.xp, r.wide()
    zero = xp.zeros_like(x)
    with np.errstate(all="ignore"):
        k = xp.argmax(x, axis=-1, keepdims=True)
        m = xp.take_along_axis(x, k, axis=-1)
        top = xp.arange(r.n, device=device(x)) == k
        shift = xp.where(xp.isfinite(m), m, xp.zeros_like(m))
        d = xp.where(top, zero, x - shift)
        # d is rounded, and exp turns its error, up to |d| · eps/2, into a relative error of that
        # size. Knuth's two-sum finds what rounding took: x − shift = d + lost, exactly.
        back = d - x
        lost = (x - (d - back)) - (shift + back)
        lost = xp.where(xp.isfinite(lost), lost, zero)
        # Where exp(d) is subnormal for all the others it has lost digits, which their sum would
        # miss. They are lifted before they are added up; so near to −d, that addition is exact.
        enough = -0.75 * math.log(xp.finfo(x.dtype).smallest_normal)
        others = xp.where(top, xp.full_like(d, -math.inf), d)
        faint = xp.max(others, axis=-1, keepdims=True) < -enough
        lift = xp.where(faint, xp.full_like(m, enough), xp.zeros_like(m))
        e = xp.where(top, zero, xp.exp(d + lift) * (1 + lost))
        lowered = xp.exp(-lift)
        rest = xp.sum(e, axis=-1, keepdims=True) * lowered
        one = xp.where(xp.isfinite(m), xp.ones_like(m), xp.full_like(m, math.nan))
        return Peeled(m, top, d, e * lowered, rest, one)
