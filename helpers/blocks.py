"""What makes the kernels fast on NumPy, and nothing else.

The functions are those of `kernels`, in the same order, for rows of shape (..., n). Three things
pay. Entries are taken in blocks that stay in the processor's cache, and worked on in place. A row
whose exponentials neither overflow nor lose digits is not shifted: no subtraction, no rounding
error to mend. And an array is worked on as it lies in memory: a block holds rows, shape (N, n),
where the class axis is contiguous, and columns, shape (n, N), where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

_BLOCK_BYTES = 2**20  # about what a core's own cache holds
_PIECE = 2**14  # entries that are shifted at once: four arrays of these fit in that cache, too
_NARROW = 32  # with fewer classes than this, rows are turned into columns
_PAIRWISE = 32  # columns are added up in pieces of this length
_SHORT_ROW = 256  # below this a matrix product adds a row up faster than a sum, as accurately

Order = tuple[int, ...] | None


@np.errstate(all="ignore")
def softmax(x: np.ndarray) -> np.ndarray:
    """Return exp(x − m) / Σ exp(x − m), shape (..., n)."""
    order, shape = _memory_order(x), x.shape
    x = _arranged(x, order)
    out = np.empty_like(x)
    for block, p, buffer, axis, _ in _blocks(x, out, turn_short_rows=False):
        e = np.exp(block, out=buffer)
        s = _sum(e, axis)
        np.divide(e, s, out=p)
        easy = _in_range(block, s)
        if not easy.all():
            hard = _picked(~easy, axis)
            x_hard = block[hard]
            e = _shifted_exp(x_hard, x_hard.max(axis=axis, keepdims=True), e[hard])
            p[hard] = np.divide(e, _sum(e, axis), out=e)
    return _restored(out, order, shape)


@np.errstate(all="ignore")
def log_softmax(x: np.ndarray) -> np.ndarray:
    """Return (x − m) − log1p(rest), shape (..., n)."""
    order, shape = _memory_order(x), x.shape
    x = _arranged(x, order)
    out = np.empty_like(x)
    for block, y, buffer, axis, _ in _blocks(x, out):
        m, rest = _maximum_and_rest(block, buffer, axis)
        log_sum = np.log1p(rest)
        lse = m + log_sum
        # Every −log p is at least log1p(rest). Where that is not small beside m, one subtraction
        # does; elsewhere m + log1p(rest) would round away what is asked.
        if ((rest >= 1) & (np.abs(lse) < 4 * log_sum)).all():
            np.subtract(block, lse, out=y)
        else:
            d = np.subtract(block, m, out=buffer)
            np.subtract(d, log_sum, out=y)
    return _restored(out, order, shape)


@np.errstate(all="ignore")
def logsumexp(x: np.ndarray) -> np.ndarray:
    """Return m + log1p(rest), shape (..., 1)."""
    order, shape = _memory_order(x), x.shape
    x = _arranged(x, order)
    out = np.empty((len(x), 1, x.shape[-1]), x.dtype)
    for block, y, buffer, axis, _ in _blocks(x, out):
        m, rest = _maximum_and_rest(block, buffer, axis, for_their_sum=True)
        np.add(m, np.log1p(rest), out=y)
    return _restored(out, order, shape)


@np.errstate(all="ignore")
def cross_entropy(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return log1p(rest) + (m − x_y), shape (..., 1) in at least float32, for labels (..., 1)."""
    order, shape = _memory_order(x), x.shape
    x, labels = _arranged(x, order), _arranged(labels, order)
    out = np.empty(labels.shape, _wide(x))
    for block, y, buffer, axis, chosen in _blocks(x, out, labels):
        each = np.arange(chosen.size)
        x_y = block[each, chosen[:, 0]][:, None] if axis == 1 else block[chosen[0], each][None]
        m, rest = _maximum_and_rest(block, buffer, axis)
        np.subtract(m, x_y, out=y)
        y += np.log1p(rest)
    return _restored(out, order, shape)


# --- one block ------------------------------------------------------------------------------


def _maximum_and_rest(
    x: np.ndarray, e: np.ndarray, axis: int, for_their_sum: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return m and rest = Σ exp(x_j − m) without the maximum's own term; `e` is a buffer.

    Where m is infinite rest is NaN. For m + log1p(rest) it is 0 there; and where m is negative, and
    cancels part of log1p(rest), it has to be sharper: those rows are shifted.
    """
    np.exp(x, out=e)
    if axis == 1:
        if len(x) == 1:  # scalars cost less than arrays of one element
            k = x.argmax()
            top = e[0, k]
            rest = np.add.reduce(e[0, :k]) + np.add.reduce(e[0, k + 1 :])
            if top >= 1 and top + rest < np.inf:
                return x[:, k : k + 1], np.array([[rest / top]], e.dtype)
        at_maximum = np.arange(len(x)), x.argmax(axis=1)
        m, top = x[at_maximum][:, None], e[at_maximum][:, None]
        e[at_maximum] = 0
        rest = _sum(e, axis)
        easy = _in_range(x, top, rest)
        rest /= top
    else:  # down columns argmax is slow
        m = x.max(axis=0, keepdims=True)
        s = _sum(e, axis)
        easy = _in_range(x, s)
        rest = _rest(x, m, e, s, np.exp(m), axis)
    if for_their_sum:
        easy &= m >= 0
    if not easy.all():
        hard = _picked(~easy, axis)
        x_hard, m_hard = x[hard], m[hard]
        e = _shifted_exp(x_hard, m_hard, e[hard])
        of_hard = _rest(x_hard, m_hard, e, _sum(e, axis), np.ones_like(m_hard), axis)
        rest[hard] = np.where(np.isinf(m_hard), 0.0 if for_their_sum else np.nan, of_hard)
    return m, rest


def _rest(
    x: np.ndarray, m: np.ndarray, e: np.ndarray, s: np.ndarray, top: np.ndarray, axis: int
) -> np.ndarray:
    """Return Σ e without the maximum's own term, over that term: s = Σ e, top = that term.

    Where the others weigh as much as the maximum, as they do when there are ties, taking it away
    from the sum costs no digits. Elsewhere it has to be left out of the sum.
    """
    rest = s / top - 1
    close = rest < 0.95
    if close.any():
        few = _picked(close, axis)
        others = _sum(e[few] * (x[few] != m[few]), axis) / top[few]
        rest[few] = np.where(rest[few] < 0.95, others, rest[few])
    return rest


def _shifted_exp(x: np.ndarray, m: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return exp(x − m), with the rounding error of x − m made good, as in `kernels._peel`."""
    m = np.broadcast_to(m, x.shape)
    across = min(x.shape[1], _PIECE)
    down = max(1, _PIECE // across)
    for i in range(0, x.shape[0], down):
        for j in range(0, x.shape[1], across):
            piece = slice(i, i + down), slice(j, j + across)
            d = np.subtract(x[piece], m[piece], out=out[piece])
            back = d - x[piece]
            lost = d - back
            np.subtract(x[piece], lost, out=lost)
            back += m[piece]
            lost -= back
            lost[lost != lost] = 0  # where x or m is infinite
            lost += 1
            np.exp(d, out=d)
            d *= lost
    return out


def _in_range(x: np.ndarray, s: np.ndarray, rest: np.ndarray | float = 0.0) -> np.ndarray:
    """Return where sums of unshifted exponentials have all their digits; NaN has none.

    With s ≥ 1, a term that underflows unshifted would not be seen after the shift either. A
    smaller s is as good where no term underflows.
    """
    easy = s + rest < np.inf
    large = s >= 1
    if not large.all() and not x.min() > np.log(np.finfo(x.dtype).tiny):
        easy &= large
    return easy


def _picked(which: np.ndarray, axis: int) -> tuple[slice | np.ndarray, ...]:
    """Return the index of some rows or columns; of all, as a view, where they are not few."""
    few = 2 * np.count_nonzero(which) < which.size
    index = np.flatnonzero(which) if few else slice(None)
    return (index, slice(None)) if axis == 1 else (slice(None), index)


def _sum(e: np.ndarray, axis: int) -> np.ndarray:
    n = e.shape[axis]
    if axis == 1 and n < _SHORT_ROW:
        return e @ np.ones((n, 1), e.dtype)
    if axis == 0 and n > _PAIRWISE:  # down columns NumPy adds one after the other, and errs more
        whole = n - n % _PAIRWISE
        parts = e[:whole].reshape(-1, _PAIRWISE, e.shape[1]).sum(axis=1)
        return _sum(parts, axis) + e[whole:].sum(axis=0, keepdims=True)
    return e.sum(axis=axis, keepdims=True)


# --- the blocks -----------------------------------------------------------------------------


def _memory_order(x: np.ndarray) -> Order:
    """Return the axes of an array from the slowest to the fastest; None if they are in order."""
    if x.flags.c_contiguous:
        return None
    return tuple(sorted(range(x.ndim), key=lambda i: -abs(x.strides[i])))


def _arranged(x: np.ndarray, order: Order) -> np.ndarray:
    """Return rows (..., n) as they lie in memory, shape (B, n, C)."""
    if order is None:
        return x.reshape(-1, x.shape[-1], 1)
    x = x.transpose(order)
    place = order.index(x.ndim - 1)
    before, after = x.shape[:place], x.shape[place + 1 :]
    return x.reshape(math.prod(before), x.shape[place], math.prod(after))


def _restored(y: np.ndarray, order: Order, shape: tuple[int, ...]) -> np.ndarray:
    """Return (B, n, C) as rows (..., n) again; y has n or 1 classes, the batch of `shape`."""
    lengths = (*shape[:-1], y.shape[1])
    if order is None:
        return y.reshape(lengths)
    y = y.reshape([lengths[i] for i in order])
    return y.transpose([order.index(i) for i in range(len(order))])


def _blocks(
    x: np.ndarray,
    out: np.ndarray,
    labels: np.ndarray | None = None,
    turn_short_rows: bool = True,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, int, Any]]:
    """Yield x, shape (B, n, C), in pieces: (block, work, buffer, class axis, labels).

    Block and work are in at least float32. What is written to `work` ends in `out`; `buffer` is
    contiguous scratch of the shape of the block, and may be `work` itself. Short rows are best
    turned into columns, but for softmax, which needs no maximum there.
    """
    depth, n, width = x.shape
    wide = _wide(x)
    small = x.size < _NARROW**2
    axis = 1 if width == 1 and (small or n >= _NARROW or not turn_short_rows) else 0
    across = max(128, _BLOCK_BYTES // (n * wide.itemsize))  # shorter runs are slow to read
    deep = max(1, _BLOCK_BYTES // (n * min(width, across) * wide.itemsize))
    if small and axis == 1 and x.dtype == wide:  # one block, without further ado
        chosen = None if labels is None else labels[:, :, 0]
        yield x[:, :, 0], out[:, :, 0], np.empty((depth, n), wide), 1, chosen
        return
    memory = np.empty(0, wide)
    for i in range(0, depth, deep):
        for j in range(0, width, across):
            part = slice(i, i + deep), slice(None), slice(j, j + across)
            block, target = _block(x[part], axis), out[part]
            block = block.astype(wide, copy=False)
            chosen = None if labels is None else _block(labels[part], axis)
            columns = block.shape[1]
            shape = (target.shape[1], columns) if axis == 0 else (len(block), target.shape[1])
            direct = target.dtype == wide and (axis == 1 or len(target) == 1)  # a view will do
            work = _block(target, axis) if direct else np.empty(shape, wide)
            if work.shape == block.shape and work.flags.c_contiguous:
                buffer = work
            else:
                memory = memory if memory.size >= block.size else np.empty(block.size, wide)
                buffer = memory[: block.size].reshape(block.shape)
            yield block, work, buffer, axis, chosen
            if not direct:
                if target.dtype == np.float16:
                    _round_subnormals(work)
                target[...] = _unblock(work, target.shape, axis)


def _wide(x: np.ndarray) -> np.dtype:
    """Return the format in which `x` is worked on: at least float32."""
    return x.dtype if x.dtype.itemsize >= 4 else np.dtype(np.float32)


def _block(part: np.ndarray, axis: int) -> np.ndarray:
    """Return (B, n, C) as rows (B, n), where C = 1, or as columns (n, B · C)."""
    if axis == 1:
        return part[:, :, 0]
    columns = part.transpose(1, 0, 2)
    if len(part) > 1:
        columns = np.ascontiguousarray(columns)
    return columns.reshape(len(columns), -1)


def _round_subnormals(y: np.ndarray) -> None:
    """Round what is subnormal in float16 as the cast would, which is very slow where it underflows.

    Float32 numbers from 0.5 to 1 are a float16 subnormal apart, 2⁻²⁴.
    """
    np.copyto(y, (y + np.float32(0.75)) - np.float32(0.75), where=np.abs(y) < 2.0**-14)


def _unblock(work: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    if axis == 1:
        return work[:, :, None]
    return work.reshape(shape[1], shape[0], shape[2]).transpose(1, 0, 2)
