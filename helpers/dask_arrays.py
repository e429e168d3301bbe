"""The Dask back end of `distributed`: logits in blocks that nobody needs to hold together.

Each block becomes its state, a few numbers a row, as soon as it is there; states are merged up a
tree. Only softmax and log_softmax come back to the blocks, with the state of the whole row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask.array import Array
from dask.core import flatten

from .partials import Partial, merge, partial
from .rows import Axis, _checked_axes, as_labels

AT_ONCE = 2**16  # entries of a block that are worked on together: what is in between stays small


def logsumexp(x: Array, axis: Axis, keepdims: bool) -> Array:
    """See `distributed.logsumexp`."""
    x, axes = _checked(x, axis)
    found = da.map_blocks(_logsumexp_of, _of_whole_rows(x, axes), dtype=_wide(x.dtype)).astype(
        x.dtype
    )
    return found if keepdims else da.squeeze(found, axis=axes)


def softmax(x: Array, axis: Axis) -> Array:
    """See `distributed.softmax`."""
    return _every_entry(_softmax_of, x, axis, "softmax")


def log_softmax(x: Array, axis: Axis) -> Array:
    """See `distributed.log_softmax`."""
    return _every_entry(_log_softmax_of, x, axis, "log_softmax")


def cross_entropy(x: Array, targets: Any, reduction: str, label_smoothing: float) -> Array:
    """See `distributed.cross_entropy`."""
    x, _ = _checked(x, -1)
    batch, n = x.shape[:-1], x.shape[-1]
    if np.isnan(n):
        raise ValueError("the number of classes is unknown; call x.compute_chunk_sizes() first")
    if n == 0:
        raise ValueError("cross_entropy needs at least one class; the class axis is empty")
    if not isinstance(targets, Array):
        targets = da.from_array(np.asarray(as_labels(targets, n)[0]), chunks=-1)
    if targets.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers; got dtype {targets.dtype}")
    if targets.shape != batch and not np.isnan([*targets.shape, *batch]).any():
        raise ValueError(f"labels must have shape {batch}; got {targets.shape}")
    if targets.ndim:
        targets = targets.rechunk(x.chunks[:-1])
    targets = targets.map_blocks(_checked_labels, n, dtype=np.int64)
    whole = _of_whole_rows(x, (x.ndim - 1,), targets, label_smoothing > 0)
    losses = da.map_blocks(_losses_of, whole, label_smoothing, dtype=_wide(x.dtype))
    losses = da.squeeze(losses, axis=-1)
    if reduction == "none":
        return losses.astype(x.dtype)
    return (losses.mean() if reduction == "mean" and losses.size else losses.sum()).astype(x.dtype)


# -- the tree -------------------------------------------------------------------------------------


def _of_whole_rows(
    x: Array, axes: tuple[int, ...], labels: Array | None = None, smoothing: bool = False
) -> Array:
    """Return one state a row, a structured array in which the class axes have length 1."""
    fields = ["m", "rest"]
    if labels is not None:
        fields += ["x_y", "gaps", "n"] if smoothing else ["x_y"]
    dtype = np.dtype([(name, _wide(x.dtype)) for name in fields])
    index = tuple(range(x.ndim))
    arguments: list[Any] = [x, index]
    if labels is not None:
        # One number a block of classes: the first one's, so that a block finds its own labels.
        ends = np.cumsum([0, *x.chunks[-1]])[:-1]
        arguments += [labels, index[:-1], da.from_array(ends, chunks=1), index[-1:]]
    states = da.blockwise(
        functools.partial(_state_of_block, axes=axes, dtype=dtype),
        index,
        *arguments,
        adjust_chunks={axis: lambda n: 1 for axis in axes},
        align_arrays=False,
        dtype=dtype,
        meta=np.empty((0,) * x.ndim, dtype),
    )
    return da.reduction(
        states,
        chunk=_merge_blocks,
        combine=_merge_blocks,
        aggregate=_merge_blocks,
        axis=axes,
        keepdims=True,
        concatenate=False,
        dtype=dtype,
        meta=np.empty((0,) * x.ndim, dtype),
    )


def _state_of_block(
    x: np.ndarray,
    labels: np.ndarray | None = None,
    first: np.ndarray | None = None,
    *,
    axes: tuple[int, ...],
    dtype: np.dtype,
) -> np.ndarray:
    """Return the states of a block's rows, the class axes kept with length 1."""
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    found = np.empty(shape, dtype)
    state = partial(x, axes)
    found["m"], found["rest"] = np.reshape(state.m, shape), np.reshape(state.rest, shape)
    if labels is not None and first is not None:  # then the classes are the last axis
        n = x.shape[-1]
        values, flat = x.reshape(found.size, n), found.reshape(-1)
        place = np.reshape(labels, -1) - first[0]
        here = np.flatnonzero((place >= 0) & (place < n))
        flat["x_y"] = 0
        flat["x_y"][here] = values[here, place[here]]
        if "gaps" in found.dtype.names:
            few = max(AT_ONCE // max(n, 1), 1)
            for rows in (slice(a, a + few) for a in range(0, len(values), few)):
                flat["gaps"][rows] = _gaps(values[rows], flat["m"][rows])
            flat["n"] = n
    return found


def _gaps(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return Σ (m − x_j), at a maximum of ±inf as if it were 0: no term that counts is negative."""
    with np.errstate(all="ignore"):
        return np.sum(_finite(m)[:, None] - x, axis=-1, dtype=m.dtype)


def _merge_blocks(blocks: Any, axis: Any, keepdims: bool) -> np.ndarray:
    """Merge nested lists of states in the order of the blocks, whoever computed them first."""
    parts: list[np.ndarray] = list(flatten(blocks)) if isinstance(blocks, list) else [blocks]
    if len(parts) == 1:
        return parts[0]
    whole = merge(*(Partial(part["m"], part["rest"]) for part in parts))
    found = np.empty(np.shape(whole.m), parts[0].dtype)
    found["m"], found["rest"] = whole
    with np.errstate(all="ignore"):
        for name in ("x_y", "n"):
            if name in found.dtype.names:
                found[name] = sum(part[name] for part in parts)
        if "gaps" in found.dtype.names:
            further = (
                part["gaps"]
                + np.where(part["n"] > 0, part["n"] * (whole.m - _finite(part["m"])), 0)
                for part in parts
            )
            found["gaps"] = sum(further)
    return found


# -- from the state of the whole row to what was asked for ----------------------------------------


def _every_entry(of: Callable[..., np.ndarray], x: Array, axis: Axis, name: str) -> Array:
    x, axes = _checked(x, axis)
    if 0 in [x.shape[i] for i in axes]:
        raise ValueError(f"{name} needs at least one class; the class axis is empty")
    index = tuple(range(x.ndim))
    whole = _of_whole_rows(x, axes)
    return da.blockwise(of, index, x, index, whole, index, align_arrays=False, dtype=x.dtype)


def _logsumexp_of(whole: np.ndarray) -> np.ndarray:
    return np.asarray(Partial(whole["m"], whole["rest"]).logsumexp())


def _softmax_of(x: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        d, lost = _shifted(x.astype(whole["m"].dtype, copy=False), whole["m"])
        p = np.exp(d) * (1 + lost) / (1 + whole["rest"] + _nan_unless_finite(whole["m"]))
        return np.asarray(p.astype(x.dtype))


def _log_softmax_of(x: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        d, _ = _shifted(x.astype(whole["m"].dtype, copy=False), whole["m"])
        log_p = d - np.log1p(whole["rest"]) + _nan_unless_finite(whole["m"])
        return np.asarray(log_p.astype(x.dtype))


def _losses_of(whole: np.ndarray, epsilon: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        loss = np.log1p(whole["rest"]) + _nan_unless_finite(whole["m"])
        if epsilon < 1:
            loss = loss + (1 - epsilon) * (whole["m"] - whole["x_y"])
        if epsilon > 0:
            loss = loss + epsilon * whole["gaps"] / whole["n"]
        return np.asarray(loss)


def _shifted(x: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return d = x − m as rounded, and what the rounding took (as `kernels` does)."""
    shift = _finite(m)
    d = x - shift
    back = d - x
    lost = (x - (d - back)) - (shift + back)
    return d, np.where(np.isfinite(lost), lost, 0)


def _finite(m: np.ndarray) -> np.ndarray:
    """Return what to shift by: m, but 0 where it is infinite or NaN."""
    return np.where(np.isfinite(m), m, np.zeros_like(m))


def _nan_unless_finite(m: np.ndarray) -> np.ndarray:
    """Return 0, or NaN for a row that has no softmax: of −inf alone, or with a +inf or a NaN."""
    return np.where(np.isfinite(m), np.zeros_like(m), np.full_like(m, np.nan))


# -- arguments ------------------------------------------------------------------------------------


def _checked(x: Array, axis: Axis) -> tuple[Array, tuple[int, ...]]:
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    if x.dtype.kind != "f":
        raise TypeError(f"softmax and its relatives are for real numbers; got dtype {x.dtype}")
    return x, _checked_axes(axis, x.ndim)


def _checked_labels(labels: np.ndarray, n: int) -> np.ndarray:
    return np.asarray(as_labels(labels, n)[0])


def _wide(dtype: np.dtype) -> np.dtype:
    """Return the format to compute in: half precision is too coarse to add up in."""
    return np.dtype(np.float32) if dtype.itemsize < 4 else dtype
