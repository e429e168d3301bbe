"""Derivatives of softmax and its relatives: Jacobians, vector-Jacobian products, a numerical check.

The Jacobian of p = softmax(x) is J = diag(p) − p pᵀ. A backward pass never builds it: what it
needs is gᵀJ for one upstream gradient g, which takes one dot product and no matrix.

None of them subtracts from a probability that rounds to 1: there 1 − p_i is the sum of the *other*
probabilities, and a confident row's winner keeps all its digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import device

from .kernels import log_softmax, softmax
from .rows import Array, floating, rows, targets_for


def softmax_jacobian(x: Array) -> Array:
    """Jacobian of softmax over the last axis: J_ij = ∂p_i/∂x_j = p_i (δ_ij − p_j).

    Parameters
    ----------
    x : array_like, shape (..., n)
        Logits.

    Returns
    -------
    array, shape (..., n, n)
        Symmetric; its rows sum to 0. The dtype of `softmax(x)`.

    Examples
    --------
    >>> softmax_jacobian([0.0, 0.0])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    x, xp = floating(x)
    p = softmax(x)
    diagonal = p * _complement(p, xp)
    off_diagonal = -p[..., :, None] * p[..., None, :]
    return xp.where(_identity(p, xp), diagonal[..., None, :], off_diagonal)


def softmax_vjp(p: Array, g: Array) -> Array:
    """Vector-Jacobian product of softmax, gᵀJ = p ⊙ (g − Σ_j p_j g_j), without the Jacobian.

    Parameters
    ----------
    p : array_like, shape (..., n)
        Probabilities, the output of softmax.
    g : array_like, shape (..., n)
        Upstream gradient ∂L/∂p.

    Returns
    -------
    array, shape (..., n)
        ∂L/∂x. A constant g gives 0: adding a constant to the logits changes nothing.

    Examples
    --------
    >>> softmax_vjp([0.5, 0.5], [1.0, 0.0])
    array([ 0.25, -0.25])
    """
    p, xp = floating(p)
    g = xp.asarray(g, dtype=p.dtype, device=device(p))
    # J does not see a constant in g. Take the winner's entry off: where its p rounds to 1, its
    # g − Σ p g would cancel to nothing, and so only the others, with all their digits, are left.
    g = g - xp.take_along_axis(g, xp.argmax(p, axis=-1, keepdims=True), axis=-1)
    return p * (g - xp.sum(p * g, axis=-1, keepdims=True))


def log_softmax_jacobian(x: Array) -> Array:
    """Jacobian of log-softmax over the last axis: ∂ log p_i/∂x_j = δ_ij − p_j. Not symmetric.

    Parameters
    ----------
    x : array_like, shape (..., n)
        Logits.

    Returns
    -------
    array, shape (..., n, n)
        Its rows sum to 0.

    Examples
    --------
    >>> log_softmax_jacobian([0.0, 0.0])
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    x, xp = floating(x)
    p = softmax(x)
    return xp.where(_identity(p, xp), _complement(p, xp)[..., None, :], -p[..., None, :])


def log_softmax_vjp(log_p: Array, g: Array) -> Array:
    """Vector-Jacobian product of log-softmax: g − p Σ_j g_j, with p = exp(log_p).

    Parameters
    ----------
    log_p : array_like, shape (..., n)
        Log-probabilities, the output of log-softmax.
    g : array_like, shape (..., n)
        Upstream gradient ∂L/∂(log p).

    Returns
    -------
    array, shape (..., n)
        ∂L/∂x.

    Examples
    --------
    >>> log_softmax_vjp([np.log(0.5), np.log(0.5)], [1.0, 0.0])
    array([ 0.5, -0.5])
    """
    log_p, xp = floating(log_p)
    g = xp.asarray(g, dtype=log_p.dtype, device=device(log_p))
    p, top = xp.exp(log_p), _is_largest(log_p, xp)
    others = _sum_without(top, g, xp)
    # The winner's g − p Σ g, with 1 − p = −expm1(log p): the subtraction would cancel.
    at_top = -g * xp.expm1(log_p) - p * others
    return xp.where(top, at_top, g - p * xp.sum(g, axis=-1, keepdims=True))


def cross_entropy_grad(logits: Array, targets: Array) -> Array:
    """Gradient of the mean cross-entropy with respect to the logits: (p Σ_j q_j − q) / N.

    Parameters
    ----------
    logits : array_like, shape (..., n)
        Logits; N is the number of rows.
    targets : array_like
        Class indices, shape (...), or probabilities q, shape (..., n).

    Returns
    -------
    array, shape (..., n)
        At a label it is −(the sum of the other probabilities)/N, with all its digits.

    Raises
    ------
    ValueError
        If a label is out of range, or the shapes do not fit.

    Examples
    --------
    >>> cross_entropy_grad([0.0, 0.0], 0)
    array([-0.5,  0.5])
    """
    r = rows(logits, -1, classes_needed_by="cross_entropy_grad")
    xp, x = r.xp, r.wide()
    q = targets_for(r, targets, -1)
    if q.ndim < x.ndim:
        p = softmax(x)
        at_label = xp.arange(r.n, device=device(p)) == q[..., None]
        grad = xp.where(at_label, -_complement(p, xp), p)
    else:
        grad = -log_softmax_vjp(log_softmax(x), q)
    return r.restore(grad / max(math.prod(r.values.shape[:-1]), 1))


def jacobian(f: Callable[[Any], Any], x: Array) -> np.ndarray:
    """Jacobian of any f: Rⁿ → Rᵐ by central differences, in float64.

    Parameters
    ----------
    f : callable
        Takes an array of shape (n,), returns m numbers.
    x : array_like, shape (n,)
        Where to differentiate. It is not modified.

    Returns
    -------
    numpy.ndarray, shape (m, n)
        J_ij = ∂f_i/∂x_j. The step is ε^⅓ max(1, |x_j|), which balances the truncation error, h²,
        against the rounding error, ε/h: about ten digits are right where x, f and its derivatives
        are of order 1.

    Examples
    --------
    >>> bool(np.allclose(jacobian(np.square, [1.0, 3.0]), [[2.0, 0.0], [0.0, 6.0]]))
    True
    """
    x = np.array(x, dtype=np.float64)
    columns = []
    for j in range(x.size):
        step = np.finfo(np.float64).eps ** (1 / 3) * max(1.0, abs(x[j]))
        above, below = x.copy(), x.copy()
        above[j] += step
        below[j] -= step
        difference = np.asarray(f(above), np.float64) - np.asarray(f(below), np.float64)
        columns.append(np.ravel(difference) / (above[j] - below[j]))
    return np.stack(columns, axis=-1)


def _complement(p: Array, xp: Any) -> Array:
    """Return 1 − p_i, as the sum of the others where p_i is the largest.

    Only one p_i can exceed ½, so the subtraction cancels nowhere else.
    """
    top = _is_largest(p, xp)
    return xp.where(top, _sum_without(top, p, xp), 1 - p)


def _sum_without(left_out: Array, x: Array, xp: Any) -> Array:
    return xp.sum(xp.where(left_out, xp.zeros_like(x), x), axis=-1, keepdims=True)


def _is_largest(p: Array, xp: Any) -> Array:
    """Return True at the (first) largest entry of each row, False elsewhere."""
    return xp.arange(p.shape[-1], device=device(p)) == xp.argmax(p, axis=-1, keepdims=True)


def _identity(p: Array, xp: Any) -> Array:
    n = p.shape[-1]
    classes = xp.arange(n, device=device(p))
    return classes[:, None] == classes[None, :]
