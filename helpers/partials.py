"""Part of a row: its state, and how the states of two parts make that of both.

A log-sum-exp can be computed from pieces of the row that nobody ever holds together: tiles in a
kernel, shards on several machines, a stream. The state of a piece is

    m = max x,    rest = Σ_{j ≠ k} exp(x_j − m),    x_k = m,

the maximum, and the sum of the exponentials *without* the maximum's own 1, as in `kernels`: so a
small rest keeps its digits. States merge in any order and any grouping, and (−inf, 0) is the state
of nothing: they are a commutative monoid, exactly where nothing is rounded, else up to rounding.

Source: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax" (2018),
https://arxiv.org/abs/1805.02867, which carries the whole sum, 1 + rest.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from . import blocks
from .kernels import _peel
from .rows import Array, Axis, floating, rows

__all__ = ["Partial", "merge", "partial"]


class Partial(NamedTuple):
    """The state of a part of each row: its maximum, and the sum of all else.

    Attributes
    ----------
    m : array, shape (...)
        The maximum of the part's logits; −inf where it has none.
    rest : array, shape (...)
        Σ exp(x_j − m) over the part's logits without one maximum; 0 where it has at most one.

    Examples
    --------
    >>> float(Partial(np.array(0.0), np.array(1e-18)).logsumexp())
    1e-18
    """

    m: Array
    rest: Array

    def logsumexp(self) -> Array:
        """Return the log-sum-exp of the part: m + log1p(rest), −inf where there is nothing."""
        rest, xp = floating(self.rest)
        with np.errstate(all="ignore"):
            return self.m + xp.log1p(rest)


def partial(x: Array, axis: Axis = -1) -> Partial:
    """Return the state of logits along an axis, as one part of longer rows.

    Parameters
    ----------
    x : array_like
        Logits, real; −inf is a masked class. Of float16 and bfloat16 the state is float32, for
        more is to be added to it.
    axis : int, tuple of int, or None
        The class axis (or axes, taken together; None takes all). It may have length 0.

    Returns
    -------
    Partial
        One state a row; (−inf, 0) for a row of −inf and for no classes at all.

    Raises
    ------
    TypeError
        For complex, object and string input.
    ValueError
        If `axis` is out of range.

    Examples
    --------
    >>> partial([0.0, -40.0])
    Partial(m=np.float64(0.0), rest=np.float64(4.248354255291589e-18))
    """
    r = rows(x, axis)
    shape = tuple(n for i, n in enumerate(r.shape) if i not in r.axes)
    if r.n == 0:
        wide = r.wide().dtype
        m, rest = (r.xp.astype(r.constant(value), wide) for value in (-math.inf, 0.0))
    elif r.is_numpy:
        both = blocks.partial(r.values)
        m, rest = both[..., 0], both[..., 1]
    else:
        peeled = _peel(r)
        m, rest = peeled.m, peeled.rest
    return Partial(r.xp.reshape(m, shape)[()], r.xp.reshape(rest, shape)[()])


def merge(*parts: Partial) -> Partial:
    """Merge the states of parts of the same rows, from left to right.

    The part with the larger maximum keeps its rest. The other one's maximum is now one of the
    others: it brings (1 + rest) · exp(m_other − m). Of a tie the part with the larger rest wins,
    so that a + b and b + a are the same sum.

    Parameters
    ----------
    *parts : Partial
        Of one array library; their arrays broadcast against each other.

    Returns
    -------
    Partial
        The state of all the parts together; (−inf, 0) for none. The order of two parts changes no
        bit; the grouping of three changes the rounding of `rest`, whose relative error is at most
        a few eps at each merge.

    Examples
    --------
    >>> merge(partial([0.0]), partial([-40.0]), partial([])).logsumexp()
    np.float64(4.248354255291589e-18)
    """
    nothing = Partial(np.float64(-math.inf), np.float64(0.0))
    return functools.reduce(_merge_two, parts) if parts else nothing


def _merge_two(a: Partial, b: Partial) -> Partial:
    (m_a, xp), (m_b, _) = floating(a.m), floating(b.m)
    with np.errstate(all="ignore"):
        first = (m_a > m_b) | ((m_a == m_b) & (a.rest >= b.rest))
        m, low = xp.where(first, m_a, m_b), xp.where(first, m_b, m_a)
        rest, rest_low = xp.where(first, a.rest, b.rest), xp.where(first, b.rest, a.rest)
        # Two empty parts: −inf − (−inf) is NaN, −inf − 0 is not. The state itself stays −inf.
        shift = xp.where(xp.isfinite(m), m, xp.zeros_like(m))
        # What rounding takes from low − m comes back, as in `kernels._peel`; and exp of the half,
        # twice, does not underflow before it meets a large rest.
        d = low - shift
        back = d - low
        lost = (low - (d - back)) - (shift + back)
        lost = xp.where(xp.isfinite(lost), lost, xp.zeros_like(lost))
        half = xp.exp(d / 2)
        moved = ((1 + rest_low) * half) * half * (1 + lost)
        return Partial(m[()], (rest + moved)[()])
