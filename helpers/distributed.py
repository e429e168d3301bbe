"""Log-sum-exp, softmax and cross-entropy of logits that no single process holds.

The four functions of `kernels`, and their numbers, for two kinds of logits:

- **torch shards**: the classes are split over the ranks of a `torch.distributed` group (gloo, nccl,
  ...). Each rank calls the function with its own part, as it would call a collective.
- **Dask arrays**, in blocks of any size along any axis. The result is lazy.

Both rest on `partials`: the state of part of a row is two numbers, its maximum m and the sum of all
else, `rest`, and states merge. So two numbers a row travel (three for a loss), once, whatever the
number of classes. A small loss keeps its digits, which it would not if maxima were exchanged first
and sums second. On a cluster the same calls hold: start the script with `torchrun`, or make a
`dask.distributed.Client` of the scheduler's address first.

torch and Dask are imported when the first of their arrays is met.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .rows import Array, Axis

__all__ = ["cross_entropy", "log_softmax", "logsumexp", "softmax"]

Group = Any  # a torch.distributed.ProcessGroup, or None for the default one


def logsumexp(
    x: Array,
    axis: Axis = -1,
    *,
    keepdims: bool = False,
    group: Group = None,
    tile: int | None = None,
) -> Array:
    """Log-sum-exp over all shards or blocks: log Σ_j exp(x_j) = m + log1p(rest).

    Parameters
    ----------
    x : torch.Tensor or dask.array.Array
        Logits, real. A tensor is this rank's shard, shape (..., n_local); the n_local may differ,
        and be 0. The other axes, and the dtype, are the same on all ranks.
    axis : int, tuple of int, or None
        The class axis (or axes, taken together; None takes all). Of a shard it is the last one.
    keepdims : bool
        Keep the class axes, with length 1.
    group : torch.distributed.ProcessGroup, optional
        The ranks that hold the shards, in the order of the classes; by default all. Without an
        initialised group the shard is the whole.
    tile : int, optional
        Cut the shards into tiles of so many classes and merge the tiles' states: then the bits are
        the same for every number of ranks. All shards but the last hold whole tiles. By default
        one state a shard travels, and the last bits depend on where the cuts are. For shards only.

    Returns
    -------
    array
        One value a row, in the dtype of `x`, on every rank the same; −inf, +inf and NaN as
        `kernels.logsumexp` has them for whole rows. float16 and bfloat16 are computed in float32.

    Raises
    ------
    TypeError
        If `x` is neither a tensor nor a Dask array, or not real.
    ValueError
        If the axis is not the last one of a shard; if a shard but the last does not hold whole
        tiles (on every rank); if `group` or `tile` is given with a Dask array.

    Notes
    -----
    Shards: forward is one all-gather of two numbers a row (with `tile`, of two a row and tile,
    after one of a few integers, since the number of tiles is each shard's own). Backward does not
    communicate: the gradient is softmax of the own shard times the upstream gradient, which must
    be the same on all ranks, as it is for a loss that all of them compute. Gradients of gradients
    are not offered.

    Dask: one state a block is kept, never the blocks.

    Examples
    --------
    >>> import dask.array as da
    >>> x = da.from_array([[0.0, -40.0, 1000.0], [0.0, -40.0, -41.0]], chunks=(2, 1))
    >>> logsumexp(x).compute()
    array([1.00000000e+03, 5.81123644e-18])
    """
    tile = _tile(tile)
    engine = _engine(x, group, tile)
    if engine.__name__.endswith("dask_arrays"):
        return engine.logsumexp(x, axis, keepdims)
    return engine.logsumexp(x, axis, keepdims, group, tile)


def softmax(x: Array, axis: Axis = -1, *, group: Group = None, tile: int | None = None) -> Array:
    """Softmax over all shards or blocks: the own part of exp(x_i − m) / (1 + rest).

    Parameters and errors are those of `logsumexp`; without any class it is a ValueError.

    Returns
    -------
    array
        The shape and dtype of `x`. A row of −inf, and one with a +inf, is all NaN.

    Notes
    -----
    Shards: forward is the one all-gather of `logsumexp`. Backward needs one sum over all classes,
    so it is one all-reduce of one number a row, which every rank must enter.

    Dask: every block is needed twice, before and after the state of the whole row is known, so the
    scheduler keeps the blocks or makes them again.

    Examples
    --------
    >>> import dask.array as da
    >>> softmax(da.from_array([1000.0, 1000.0], chunks=1)).compute()
    array([0.5, 0.5])
    """
    tile = _tile(tile)
    engine = _engine(x, group, tile)
    if engine.__name__.endswith("dask_arrays"):
        return engine.softmax(x, axis)
    return engine.softmax(x, axis, group, tile)


def log_softmax(
    x: Array, axis: Axis = -1, *, group: Group = None, tile: int | None = None
) -> Array:
    """Log-softmax over all shards or blocks: the own part of (x_i − m) − log1p(rest).

    Parameters, errors and notes are those of `softmax`.

    Examples
    --------
    >>> import dask.array as da
    >>> log_softmax(da.from_array([0.0, -40.0], chunks=1)).compute()
    array([-4.24835426e-18, -4.00000000e+01])
    """
    tile = _tile(tile)
    engine = _engine(x, group, tile)
    if engine.__name__.endswith("dask_arrays"):
        return engine.log_softmax(x, axis)
    return engine.log_softmax(x, axis, group, tile)


def cross_entropy(
    x: Array,
    targets: Array,
    start: int = 0,
    *,
    group: Group = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    tile: int | None = None,
) -> Array:
    """Cross-entropy of class labels over all shards or blocks: log1p(rest) + (m − x_y).

    With label smoothing ε it is PyTorch's, the cross-entropy of (1 − ε) · one-hot + ε/n:
    log1p(rest) + (1 − ε)(m − x_y) + (ε/n) Σ_j (m − x_j). No term is negative, so nothing cancels.

    Parameters
    ----------
    x : torch.Tensor or dask.array.Array
        Logits, real, the classes along the last axis. A tensor is this rank's shard, shape
        (..., n_local), of classes start … start + n_local − 1.
    targets : array_like of int
        The labels of all rows, shape (...): numbers among *all* classes, the same on all ranks.
        For a Dask array they may be one, too.
    start : int
        The shard's first class. In which order the ranks hold the shards does not matter. 0 for a
        Dask array.
    group, tile
        As for `logsumexp`.
    reduction : {"mean", "sum", "none"}
        What to do with the losses of the rows.
    label_smoothing : float
        ε, from 0 to 1.

    Returns
    -------
    array
        A 0-d result, or one loss a row for "none", in the dtype of `x`; on every rank the same.

    Raises
    ------
    TypeError
        If `x` is not real, or the labels are no integers.
    ValueError
        On every rank: if a label is out of range, the ranks were given different labels, the
        shards leave a gap or overlap, there are no classes, or a tile is cut. Also if `reduction`
        is none of the three, or ε lies outside [0, 1]. The labels of a Dask array that are one
        themselves are looked at when they are computed.

    Notes
    -----
    Shards: forward is one all-gather, of three numbers a row (four with label smoothing), and with
    `tile` as `logsumexp` says. Backward does not communicate: each rank's gradient, p − one-hot on
    its own classes, is that of *the* loss, not of the sum of the ranks' copies.

    Examples
    --------
    >>> import dask.array as da
    >>> x = da.from_array([[0.0, -40.0], [3.0, 3.0]], chunks=1)
    >>> cross_entropy(x, [0, 1], reduction="none").compute()
    array([4.24835426e-18, 6.93147181e-01])
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction must be "mean", "sum" or "none"; got {reduction!r}')
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must lie in [0, 1]; got {label_smoothing!r}")
    tile = _tile(tile)
    engine = _engine(x, group, tile)
    if engine.__name__.endswith("dask_arrays"):
        if start != 0:
            raise ValueError(f"a Dask array has all classes, so start is 0; got {start}")
        return engine.cross_entropy(x, targets, reduction, label_smoothing)
    return engine.cross_entropy(x, targets, start, group, reduction, label_smoothing, tile)


def _tile(tile: int | None) -> int | None:
    if tile is not None and (isinstance(tile, bool) or not isinstance(tile, int) or tile < 1):
        raise ValueError(f"tile must be a positive number of classes; got {tile!r}")
    return tile


def _engine(x: Array, group: Group, tile: int | None) -> ModuleType:
    """Return the back end for this kind of array; who has one has imported its library."""
    torch, dask_array = sys.modules.get("torch"), sys.modules.get("dask.array")
    if torch is not None and isinstance(x, torch.Tensor):
        from . import torch_shards

        return torch_shards
    if dask_array is not None and isinstance(x, dask_array.Array):
        from . import dask_arrays

        if group is not None or tile is not None:
            raise ValueError("group and tile are for torch shards, not for Dask arrays")
        return dask_arrays
    raise TypeError(
        f"distributed takes a torch.Tensor (a shard) or a dask.array.Array, and kernels an array "
        f"in one piece; got {type(x).__name__}"
    )
