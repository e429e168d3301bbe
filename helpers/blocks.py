"""What makes the kernels fast on NumPy, and nothing else.

The functions are those of `kernels`, in the same order, for rows of shape (..., n). Three things
pay. Entries are taken in blocks that stay in the processor's cache, and worked on in place. A row
whose exponentials neither overflow nor lose digits is not shifted: no subtraction, no rounding
error to mend. And an array is worked on as it lies in memory: a block holds rows, shape (N, n),
where the class axis is contiguous, and columns, shape (n, N), where it is not.

One thing must not be given for speed: what a row comes to depends on that row alone. So every
choice (to shift or not, to subtract once or twice) is made row by row, and a row is added up in an
order that follows from n. What shares the block with it, and where, changes no bit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_BLOCK_BYTES = 2**20  # about what a core's own cache holds
_PIECE = 2**14  # entries that are shifted at once: four arrays of these fit in that cache, too
_SHORT = 32  # with fewer classes than this, the maximum is found class by class
_CLOSE = 0.95  # others that weigh less, relative to the maximum, are not found by a subtraction
_RUN = 256  # rows are added up in runs of this length, and these in turn: fewer roundings a chain
_PAIRWISE = 32  # columns likewise

Order = tuple[int, ...] | None
Index = tuple[slice | np.ndarray, ...]


@np.errstate(all="ignore")
def softmax(x: np.ndarray) -> np.ndarray:
    """Return exp(x − m) / Σ exp(x − m), shape (..., n)."""
    order, shape = _memory_order(x), x.shape
    x = _arranged(x, order)
    out = np.empty(x.shape, x.dtype)
    for block, p, buffer, axis, _ in _blocks(x, out):
        e = np.exp(block, out=buffer)
        s = _sum(e, axis)
        np.divide(e, s, out=p)
        easy = _in_range(block, s, axis)
        if not _every(easy):
            hard = _index(~easy, axis)
            x_hard = _taken(block, hard)
            e = _shifted_exp(x_hard, x_hard.max(axis=axis, keepdims=True), _taken(e, hard))
            p[hard] = np.divide(e, _sum(e, axis), out=e)
    return _restored(out, order, shape)


@np.errstate(all="ignore")
def log_softmax(x: np.ndarray) -> np.ndarray:
    """Return (x − m) − log1p(rest), shape (..., n)."""
    order, shape = _memory_order(x), x.shape
    x = _arranged(x, order)
    out = np.empty(x.shape, x.dtype)
    for block, y, buffer, axis, _ in _blocks(x, out):
        m, rest = _maximum_and_rest(block, buffer, axis)
        log_sum = np.log1p(rest)
        lse = m + log_sum
        # Every −log p is at least log1p(rest). Where that is not small beside m, one subtraction
        # does; elsewhere m + log1p(rest) would round away what is asked.
        once = (rest >= 1) & (np.abs(lse) < 4 * log_sum)
        if _every(once):
            np.subtract(block, lse, out=y)
        elif axis == 1:
            np.subtract(block, lse, out=y)
            twice = _index(~once, axis)
            d = _taken(block, twice) - m[twice]
            y[twice] = np.subtract(d, log_sum[twice], out=d)
        else:  # some columns are slow to take and to put back; zero taken away changes nothing
            np.subtract(block, np.where(once, lse, m), out=y)
            np.subtract(y, np.where(once, 0, log_sum), out=y)
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


@np.errstate(all="ignore")
def partial(x: np.ndarray) -> np.ndarray:
    """Return m and rest side by side, shape (..., 2) in at least float32; rest is 0 at m = ±inf."""
    order, shape = _memory_order(x), x.shape
    x = _arranged(x, order)
    out = np.empty((len(x), 2, x.shape[-1]), _wide(x))
    for block, y, buffer, axis, _ in _blocks(x, out):
        m, rest = _maximum_and_rest(block, buffer, axis, for_their_sum=True)
        np.concatenate([m, rest], axis=axis, out=y)
    return _restored(out, order, shape)


# --- one block ------------------------------------------------------------------------------


def _maximum_and_rest(
    x: np.ndarray, e: np.ndarray, axis: int, for_their_sum: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return m and rest = Σ exp(x_j − m) without the maximum's own term; `e` is a buffer.

    Where m is infinite rest is NaN. For m + log1p(rest) it is 0 there; and where m is negative, and
    cancels part of log1p(rest), it has to be sharper: those rows are shifted.
    """
    if axis == 1 and len(x) == 1 and (found := _of_one_row(x, e)):
        return found
    np.exp(x, out=e)
    m, k = _maximum(x, axis)
    top = np.exp(m)
    rest = _others(x, m, k, e, top, axis)
    easy = _in_range(x, top + rest, axis)
    rest /= top
    if for_their_sum:
        easy &= m >= 0
    if not _every(easy):
        hard = _index(~easy, axis)
        of_hard = _rest_of(hard, x, m, k, e, axis)
        rest[hard] = np.where(np.isinf(m[hard]), 0.0 if for_their_sum else np.nan, of_hard)
    faint = (rest > 0) & (rest < _limits(x.dtype).faint)
    if np.count_nonzero(faint):
        few = _index(faint, axis)
        rest[few] = _rest_of(few, x, m, k, e, axis, _limits(x.dtype).lift)
    return m, rest


def _rest_of(
    some: Index,
    x: np.ndarray,
    m: np.ndarray,
    k: np.ndarray | None,
    e: np.ndarray,
    axis: int,
    lift: float = 0.0,
) -> np.ndarray:
    """Return the rest of some rows or columns from exponentials shifted by m, and lifted."""
    x, m, k = _taken(x, some), m[some], None if k is None else k[some[0]]
    top = np.exp(np.full_like(m, lift))
    return _others(x, m, k, _shifted_exp(x, m, _taken(e, some), lift), top, axis) / top


def _of_one_row(x: np.ndarray, e: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Take the same steps for one row, shape (1, n), in scalars, which cost less; None if hard."""
    np.exp(x, out=e)
    k = x.argmax()
    top = e[0, k]
    others = _sum(e, 1)[0, 0] - top if x.size < _SHORT else 0 * top
    if others < _CLOSE * top:
        e[0, k] = 0
        others = _sum(e, 1)[0, 0]
    rest = others / top
    if x[0, k] >= 0 and top + others < np.inf and not 0 < rest < _limits(x.dtype).faint:
        return x[:, k : k + 1], np.array([[rest]])
    return None


def _maximum(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the maximum, and where it stands, which is slow to find in short rows and columns."""
    if axis == 0:
        return x.max(axis=0, keepdims=True), None
    if x.shape[1] < _SHORT:
        if len(x) < _SHORT * 4:
            return x.max(axis=1, keepdims=True), None
        # class by class, all rows at once
        return functools.reduce(np.maximum, x.T)[:, None], None
    k = x.argmax(axis=1)
    return x[np.arange(len(x)), k][:, None], k


def _others(
    x: np.ndarray,
    m: np.ndarray,
    k: np.ndarray | None,
    e: np.ndarray,
    top: np.ndarray,
    axis: int,
) -> np.ndarray:
    """Return Σ e without the maximum's own term, `top`: left out of the sum, at k.

    Where k is unknown it is taken away from the sum. If the others weigh as much as the maximum,
    as they do when there are ties, that costs no digits; else the maximum is looked for after all.
    """
    if k is not None:
        e[np.arange(len(e)), k] = 0
        return _sum(e, axis)
    others = _sum(e, axis) - top
    close = others < _CLOSE * top
    if np.count_nonzero(close):
        few = _index(close, axis)
        e = _taken(e, few)
        e *= _taken(x, few) != m[few]
        others[few] = _sum(e, axis)
    return others


def _shifted_exp(x: np.ndarray, m: np.ndarray, out: np.ndarray, lift: float = 0.0) -> np.ndarray:
    """Return exp(x − m + lift), the rounding error of x − m made good, as in `kernels._peel`."""
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
            if lift:
                d += lift
            np.exp(d, out=d)
            d *= lost
    return out


def _in_range(x: np.ndarray, s: np.ndarray, axis: int) -> np.ndarray:
    """Return where sums of unshifted exponentials have all their digits; NaN has none.

    With s ≥ 1, a term that underflows unshifted would not be seen after the shift either. A
    smaller s is as good where no term underflows.
    """
    easy = s < np.inf
    large = s >= 1
    least = _limits(x.dtype).least
    if not _every(large) and not x.min() > least:
        easy &= large | (x.min(axis=axis, keepdims=True) > least)
    return easy


class _Limits(NamedTuple):
    """Where a format's exponentials end."""

    least: float  # below it exp(x) is subnormal
    faint: float  # a smaller rest may be a sum of subnormal numbers
    lift: float  # added to a faint row's x − m, it gives its exponentials their digits back


@functools.cache
def _limits(dtype: np.dtype) -> _Limits:
    kind = np.finfo(dtype)
    least = float(np.log(kind.tiny))
    return _Limits(least, float(kind.tiny / kind.eps), -0.75 * least)


def _every(which: np.ndarray) -> bool:
    """Return which.all(), in less than half the time where rows are few."""
    return bool(np.count_nonzero(which) == which.size)


def _index(which: np.ndarray, axis: int) -> Index:
    """Return the index of some rows or columns of a block; a slice, for a view, if it is all."""
    some = slice(None) if _every(which) else np.flatnonzero(which)
    return (some, slice(None)) if axis == 1 else (slice(None), some)


def _taken(x: np.ndarray, index: Index) -> np.ndarray:
    """Return x[index], contiguous if it is a copy: x[:, some] would come transposed."""
    return x.take(index[1], axis=1) if isinstance(index[1], np.ndarray) else x[index]


def _sum(e: np.ndarray, axis: int) -> np.ndarray:
    """Add up along the class axis, each row or column in the same order."""
    n = e.shape[axis]
    if axis == 1:
        if n > _RUN:
            whole = n - n % _RUN
            runs = np.einsum("ijk->ij", e[:, :whole].reshape(len(e), -1, _RUN))
            return _sum(runs, 1) + _sum(e[:, whole:], 1)
        return np.einsum("ij->i", e)[:, None]
    if n > _PAIRWISE:  # down columns NumPy adds one after the other, and errs more
        whole = n - n % _PAIRWISE
        parts = e[:whole].reshape(-1, _PAIRWISE, e.shape[1]).sum(axis=1)
        return _sum(parts, axis) + e[whole:].sum(axis=0, keepdims=True)
    return e.sum(axis=axis, keepdims=True)


# --- the blocks -----------------------------------------------------------------------------


def _memory_order(x: np.ndarray) -> Order:
    """Return the axes of an array from the slowest to the fastest; None if they are in order."""
    if x.flags.c_contiguous:
        return None
    return tuple(sorted(range(x.ndim), key=lambda i: -abs(x.strides[i] or math.inf)))


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
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, int, Any]]:
    """Yield x, shape (B, n, C), in pieces: (block, work, buffer, class axis, labels).

    Block and work are in at least float32. What is written to `work` ends in `out`; `buffer` is
    contiguous scratch of the shape of the block, and may be `work` itself.
    """
    depth, n, width = x.shape
    wide = _wide(x)
    axis = 1 if width == 1 else 0
    across = max(128, _BLOCK_BYTES // (n * wide.itemsize))  # shorter runs are slow to read
    deep = max(1, _BLOCK_BYTES // (n * min(width, across) * wide.itemsize))
    if axis == 1 and x.dtype == wide and x.nbytes <= _BLOCK_BYTES:  # one block, without ado
        chosen = None if labels is None else labels[:, :, 0]
        block, work = x[:, :, 0], out[:, :, 0]
        buffer = work if work.shape == block.shape else np.empty(block.shape, wide)
        yield block, work, buffer, axis, chosen
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
