"""What makes the kernels fast on NumPy, and nothing else.

The functions are those of `kernels`, in the same order, for rows of shape (..., n). Three things
pay. Rows are taken in blocks that stay in the processor's cache, and worked on in place. A row
whose exponentials neither overflow nor lose digits is not shifted: no subtraction, no rounding
error to mend. And arrays whose class axis is not the contiguous one are worked on as they lie, in
columns, instead of being turned round.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK_BYTES = 2**19  # a block and the buffer beside it stay in a second-level cache of 1 MiB
_SHORT_ROW = 256  # below this a matrix product adds a row up faster than a sum, as accurately


@np.errstate(all="ignore")
def softmax(x: np.ndarray) -> np.ndarray:
    """Return exp(x − m) / (1 + rest), shape (..., n)."""
    out = np.empty_like(x)
    for block, e, axis in _blocks(x, out):
        s = _sum(np.exp(block, out=e), axis)
        easy = _in_range(s)
        e /= s
        if not easy.all():
            hard, e_rows = ~easy.ravel(), np.moveaxis(e, axis, -1)
            k, _, one, f, rest = _peel(np.moveaxis(block, axis, -1)[hard])
            np.put_along_axis(f, k, one, axis=-1)
            e_rows[hard] = f / (one + rest)
    return out


@np.errstate(all="ignore")
def log_softmax(x: np.ndarray) -> np.ndarray:
    """Return (x − m) − log1p(rest), shape (..., n)."""
    out = np.empty_like(x)
    for block, d, axis in _blocks(x, out):
        m, rest = _maximum_and_rest(block, d, axis)
        np.subtract(block, m, out=d)
        d -= np.log1p(rest) + (m - m)  # m − m is NaN where m is not finite
    return out


@np.errstate(all="ignore")
def logsumexp(x: np.ndarray) -> np.ndarray:
    """Return m + log1p(rest), shape (..., 1)."""
    out = np.empty_like(x, shape=(*x.shape[:-1], 1))
    for block, y, axis in _blocks(x, out):
        m, rest = _maximum_and_rest(block, np.empty_like(block), axis)
        np.add(m, np.log1p(rest), out=y)
    return out


@np.errstate(all="ignore")
def cross_entropy(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return log1p(rest) + (m − x_y), shape (..., 1), for labels y of shape (..., 1)."""
    out = np.empty_like(x, shape=(*x.shape[:-1], 1))
    np.copyto(out, np.take_along_axis(x, labels, axis=-1))
    for block, y, axis in _blocks(x, out):
        m, rest = _maximum_and_rest(block, np.empty_like(block), axis)
        np.subtract(m, y, out=y)
        y += np.log1p(rest)
    return out


def _maximum_and_rest(
    x: np.ndarray, e: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return m and rest = Σ exp(x_j − m) without the maximum's own term; `e` is a buffer."""
    np.exp(x, out=e)
    if axis == -1:
        k = x.argmax(axis=-1, keepdims=True)
        m, top = np.take_along_axis(x, k, axis=-1), np.take_along_axis(e, k, axis=-1)
        np.put_along_axis(e, k, 0, axis=-1)
        rest = _sum(e, axis)
        easy = _in_range(top) & _in_range(rest + top)
        rest /= top
    else:
        # Down columns argmax is slow. Where the maximum's term is less than half of the sum,
        # taking it away afterwards costs no digits.
        m = x.max(axis=axis, keepdims=True)
        s = _sum(e, axis)
        rest = s / np.exp(m) - 1
        easy = _in_range(s) & (rest > 1)
    if not easy.all():
        hard = ~easy.ravel()
        _, m_hard, _, _, rest_hard = _peel(np.moveaxis(x, axis, -1)[hard])
        rest.reshape(-1, 1)[hard] = rest_hard
    return m, rest


def _in_range(s: np.ndarray) -> np.ndarray:
    """Return where sums of unshifted exponentials have all their digits.

    With s ≥ 1 a term that underflows would be lost after the shift as well; the upper bound leaves
    room for the rounding of the sum. NaN is out of range.
    """
    return (s >= 1) & (s <= np.finfo(s.dtype).max / 16)


def _peel(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return k, m, exp(m − m), e and rest, line by line as `kernels._peel` does."""
    k = x.argmax(axis=-1, keepdims=True)
    m = np.take_along_axis(x, k, axis=-1)
    shift = np.where(np.isfinite(m), m, 0)
    d = x - shift
    back = d - x
    lost = (x - (d - back)) - (shift + back)
    lost[~np.isfinite(lost)] = 0
    e = np.exp(d, out=d)
    lost += 1
    e *= lost
    np.put_along_axis(e, k, 0, axis=-1)
    return k, m, np.exp(m - m), e, e.sum(axis=-1, keepdims=True)


def _sum(e: np.ndarray, axis: int) -> np.ndarray:
    n = e.shape[axis]
    if axis == -1 and n < _SHORT_ROW:
        return e @ np.ones((n, 1), e.dtype)
    return e.sum(axis=axis, keepdims=True)


def _blocks(x: np.ndarray, out: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield x and out in pieces: (block, work, class axis), the class axis −1 or 0.

    What is written to `work`, in at least float32, ends in `out`.
    """
    if x.ndim > 2 and not x.flags.c_contiguous:
        for x_part, out_part in zip(x, out, strict=True):
            yield from _blocks(x_part, out_part)
        return
    x, out = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
    wide = np.promote_types(x.dtype, np.float32)
    axis = -1
    if abs(x.strides[0]) < abs(x.strides[1]):
        x, out, axis = x.T, out.T, 0
    batch_axis = 1 + axis  # of length N; axis −1 and 0 are the classes
    n, number = x.shape[axis], x.shape[batch_axis]
    step = max(1, _BLOCK_BYTES // (n * wide.itemsize))
    if axis == 0:
        step = max(step, 128)  # shorter runs of memory are slow to read
    for start in range(0, number, step):
        part = (slice(None),) * batch_axis + (slice(start, start + step),)
        block, target = x[part].astype(wide, copy=False), out[part]
        if target.dtype == wide:
            yield block, target, axis
        else:
            work = target.astype(wide)
            yield block, work, axis
            target[...] = work
