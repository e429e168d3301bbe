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

_BLOCK_BYTES = 2**20  # about what a core's own cache holds
_GATHERED = 2**14  # rows whose labelled logits are picked at once
_NARROW = 32  # with fewer columns than this, turning them into rows is cheaper
_PAIRWISE = 32  # columns are added up in pieces of this length
_SHORT_ROW = 256  # below this a matrix product adds a row up faster than a sum, as accurately


@np.errstate(all="ignore")
def softmax(x: np.ndarray) -> np.ndarray:
    """Return exp(x − m) / (1 + rest), shape (..., n)."""
    out = np.empty_like(x)
    for block, p, buffer, axis in _blocks(x, out, turn_short_rows=False):
        e = p if axis == -1 else buffer
        s = _sum(np.exp(block, out=e), axis)
        np.divide(e, s, out=p)
        easy = _in_range(s)
        if not easy.all():
            hard = ~np.squeeze(easy, axis)
            k, _, one, f, rest = _peel(np.moveaxis(block, axis, -1)[hard])
            np.put_along_axis(f, k, one, axis=-1)
            np.moveaxis(p, axis, -1)[hard] = f / (one + rest)
    return out


@np.errstate(all="ignore")
def log_softmax(x: np.ndarray) -> np.ndarray:
    """Return (x − m) − log1p(rest), shape (..., n)."""
    out = np.empty_like(x)
    for block, y, buffer, axis in _blocks(x, out):
        d = y if axis == -1 else buffer
        m, rest = _maximum_and_rest(block, d, axis)
        np.subtract(block, m, out=d)
        np.subtract(d, np.log1p(rest) + (m - m), out=y)  # m − m is NaN where m is not finite
    return out


@np.errstate(all="ignore")
def logsumexp(x: np.ndarray) -> np.ndarray:
    """Return m + log1p(rest), shape (..., 1)."""
    out = np.empty_like(x, shape=(*x.shape[:-1], 1), order="C")
    for block, y, buffer, axis in _blocks(x, out):
        m, rest = _maximum_and_rest(block, buffer, axis)
        np.add(m, np.log1p(rest), out=y)
    return out


def cross_entropy(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return log1p(rest) + (m − x_y), shape (..., 1) in at least float32, for labels (..., 1)."""
    out = np.empty(labels.shape, np.promote_types(x.dtype, np.float32))
    for start in range(0, len(x) if x.ndim == 2 else 1, _GATHERED):  # indices take memory, too
        part = slice(start, start + _GATHERED) if x.ndim == 2 else ...
        out[part] = _at_labels(x[part], labels[part])
    with np.errstate(all="ignore"):
        for block, y, buffer, axis in _blocks(x, out):
            m, rest = _maximum_and_rest(block, buffer, axis)
            np.subtract(m, y, out=y)
            y += np.log1p(rest) + (m - m)
    return out


def _at_labels(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if x.ndim == 2:  # much faster for a few short rows
        return x[np.arange(len(x)), labels[:, 0]][:, None]
    return np.take_along_axis(x, labels, axis=-1)


def _maximum_and_rest(x: np.ndarray, e: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return m and rest = Σ exp(x_j − m) without the maximum's own term; `e` is a buffer."""
    np.exp(x, out=e)
    if len(x) == 1 and axis == -1:  # scalars cost less than arrays of one element
        k = x.argmax()
        top = e[0, k]
        rest = np.add.reduce(e[0, :k]) + np.add.reduce(e[0, k + 1 :])
        if top >= 1 and top + rest < np.inf:
            return x[:, k : k + 1], np.array([[rest / top]], e.dtype)
    if axis == -1:
        at_maximum = np.arange(len(x)), x.argmax(axis=-1)
        m, top = x[at_maximum][:, None], e[at_maximum][:, None]
        e[at_maximum] = 0
        rest = _sum(e, axis)
        easy = _in_range(top, rest)
        rest /= top
    else:
        # Down columns argmax is slow. Where the maximum's term is less than half of the sum,
        # taking it away afterwards costs no digits.
        m = x.max(axis=axis, keepdims=True)
        s = _sum(e, axis)
        rest = s / np.exp(m) - 1
        easy = _in_range(s) & (rest > 1)
    if not easy.all():
        hard = ~np.squeeze(easy, axis)
        rows = np.moveaxis(x, axis, -1)[hard]
        if axis == -1:
            rest[hard] = _peel(rows)[-1]
        else:
            np.moveaxis(rest, axis, -1)[hard] = _maximum_and_rest(rows, np.empty_like(rows), -1)[1]
    return m, rest


def _in_range(s: np.ndarray, rest: np.ndarray | float = 0.0) -> np.ndarray:
    """Return where sums of unshifted exponentials have all their digits; NaN has none.

    With s ≥ 1, a term that underflows unshifted would not be seen after the shift either.
    """
    return (s >= 1) & (s + rest < np.inf)


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
    if axis == -2 and n > _PAIRWISE:  # down columns NumPy adds one after the other, and errs more
        whole = n - n % _PAIRWISE
        parts = e[:, :whole].reshape(len(e), -1, _PAIRWISE, e.shape[-1]).sum(axis=axis)
        return _sum(parts, axis) + e[:, whole:].sum(axis=axis, keepdims=True)
    return e.sum(axis=axis, keepdims=True)


def _blocks(
    x: np.ndarray, out: np.ndarray, turn_short_rows: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, int]]:
    """Yield x and out in pieces: (block, work, buffer, class axis).

    All are in at least float32. What is written to `work` ends in `out`; `buffer` is scratch, of
    the shape of the block. The class axis is −1, or −2 for columns. Short rows are
    best turned into columns, but for softmax, which needs no maximum there.
    """
    wide = np.promote_types(x.dtype, np.float32)
    if x.ndim == 2 and x.size < _NARROW**2 and x.flags.c_contiguous and x.dtype == wide:
        yield x, out, np.empty_like(x), -1
        return
    if x.ndim > 1 and x.strides[-1] > x.strides[-2] and x.shape[-2] >= _NARROW:
        axis, turned, pieces = -2, False, _columns(x, out, wide.itemsize)
    else:
        turned = turn_short_rows and x.shape[-1] < _NARROW and x.size >= _NARROW**2
        axis, pieces = (-2 if turned else -1), _rows(x, out, wide.itemsize)
    buffer = np.empty(0, wide)
    for block, target in pieces:
        if turned:
            block, target = block.T, target.T
        block = block.astype(wide, order="C" if turned else "K", copy=turned)
        if buffer.size < block.size:
            buffer = np.empty(block.size, wide)
        work = target.astype(wide, order="C" if turned else "K", copy=turned)
        yield block, work, buffer[: block.size].reshape(block.shape), axis
        if work is not target:
            target[...] = work


def _rows(x: np.ndarray, out: np.ndarray, itemsize: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of rows, shape (N, n)."""
    flat_x = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    flat_out = np.ascontiguousarray(out).reshape(-1, out.shape[-1])
    step = max(1, _BLOCK_BYTES // (x.shape[-1] * itemsize))
    for start in range(0, len(flat_x), step):
        yield flat_x[start : start + step], flat_out[start : start + step]
    if not out.flags.c_contiguous:
        out[...] = flat_out.reshape(out.shape)


def _columns(
    x: np.ndarray, out: np.ndarray, itemsize: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of columns, shape (B, n, C)."""
    if x.ndim > 3:
        for x_part, out_part in zip(x, out, strict=True):
            yield from _columns(x_part, out_part, itemsize)
        return
    if x.ndim == 2:
        x, out = x[None], out[None]
    x, out = np.swapaxes(x, -1, -2), np.swapaxes(out, -1, -2)
    batch, n, number = x.shape
    wide = max(128, _BLOCK_BYTES // (n * itemsize))  # shorter runs of memory are slow to read
    deep = max(1, _BLOCK_BYTES // (n * min(number, wide) * itemsize))
    for i in range(0, batch, deep):
        for j in range(0, number, wide):
            yield x[i : i + deep, :, j : j + wide], out[i : i + deep, :, j : j + wide]
