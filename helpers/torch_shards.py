"""The torch back end of `distributed`: logits whose classes are split over the ranks of a group.

Every function has the same three steps. Each rank makes the state of its own classes,
(m, rest) and for a loss also x_y, 0 where the label is another rank's. One all-gather brings the
states of all shards to every rank. Each rank merges them in the order of the classes, so that all
come to the same bits. The gradient of a result by a rank's own logits needs m and rest alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from .partials import Partial, merge, partial
from .rows import as_labels, floating

Group = Any  # a torch.distributed.ProcessGroup, or None for the default one


def logsumexp(x: Tensor, axis: Any, keepdims: bool, group: Group, tile: int | None) -> Tensor:
    """See `distributed.logsumexp`."""
    x = _shard(x, axis)
    whole, _ = _meet(x, group, tile)
    value = whole.logsumexp()[..., None]

    def vjp(g: Tensor, x: Tensor, m: Tensor, rest: Tensor) -> Tensor:
        return g * _softmax(x, m, rest)

    found = _with_gradient(x, value, vjp, whole.m, whole.rest)
    return found if keepdims else found[..., 0]


def softmax(x: Tensor, axis: Any, group: Group, tile: int | None) -> Tensor:
    """See `distributed.softmax`."""
    x = _shard(x, axis)
    whole, _ = _meet(x, group, tile, classes_needed_by="softmax")

    def vjp(g: Tensor, x: Tensor, m: Tensor, rest: Tensor) -> Tensor:
        p = _softmax(x, m, rest)
        return p * (g - _sum_of_all(p * g, group))

    return _with_gradient(x, _softmax(_wide(x.detach()), *whole), vjp, *whole)


def log_softmax(x: Tensor, axis: Any, group: Group, tile: int | None) -> Tensor:
    """See `distributed.log_softmax`."""
    x = _shard(x, axis)
    whole, _ = _meet(x, group, tile, classes_needed_by="log_softmax")
    d, _ = _shifted(_wide(x.detach()), whole.m)
    value = d - torch.log1p(whole.rest)[..., None] + _nan_unless_finite(whole.m)[..., None]

    def vjp(g: Tensor, x: Tensor, m: Tensor, rest: Tensor) -> Tensor:
        return g - _softmax(x, m, rest) * _sum_of_all(g, group)

    return _with_gradient(x, value, vjp, *whole)


def cross_entropy(
    x: Tensor,
    targets: Any,
    start: int,
    group: Group,
    reduction: str,
    label_smoothing: float,
    tile: int | None,
) -> Tensor:
    """See `distributed.cross_entropy`."""
    x = _shard(x, -1)
    labels = _Labels(x, targets, start, label_smoothing > 0)
    whole, more = _meet(x, group, tile, labels, classes_needed_by="cross_entropy")
    m, rest = whole
    target_gap = m - more.x_y  # with log1p(rest), the loss: two terms, neither of them negative
    if label_smoothing > 0:
        smooth = label_smoothing * more.gaps / more.n
        kept = (1 - label_smoothing) * target_gap if label_smoothing < 1 else 0
        target_gap = kept + smooth
    losses = torch.log1p(rest) + target_gap + _nan_unless_finite(m)
    divisor = max(losses.numel(), 1) if reduction == "mean" else 1
    value = losses if reduction == "none" else losses.sum() / divisor

    def vjp(g: Tensor, x: Tensor, m: Tensor, rest: Tensor) -> Tensor:
        grad = _softmax(x, m, rest)
        if x.shape[-1]:
            here, place = labels.within(0, x.shape[-1])
            # p − 1 at the label. Where that is the maximum, Σ of the others: nothing cancels.
            p = grad.gather(-1, place)
            others = (rest / (1 + rest))[..., None]
            less = torch.where(x.gather(-1, place) == m[..., None], -others, p - 1)
            less = less + label_smoothing
            grad.scatter_(-1, place, torch.where(here, less, p))
            grad = grad - label_smoothing / more.n
        return grad * (g[..., None] / divisor)

    return _with_gradient(x, value, vjp, m, rest)


# -- what a shard says, and what all of them say --------------------------------------------------


class _Labels:
    """Global class labels, as a shard that starts at class `start` sees them."""

    def __init__(self, x: Tensor, targets: Any, start: int, smoothing: bool) -> None:
        self.start, self.smoothing = start, smoothing
        self.fault: Exception | None = None
        batch = tuple(x.shape[:-1])
        self.values = torch.zeros(batch, dtype=torch.int64, device=x.device)
        try:
            targets = torch.as_tensor(targets, device=x.device)
            if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
                raise TypeError(f"labels must be integers; got dtype {targets.dtype}")
            if tuple(targets.shape) != batch:
                raise ValueError(f"labels must have shape {batch}; got {tuple(targets.shape)}")
            if isinstance(start, bool) or not isinstance(start, int) or start < 0:
                raise ValueError(f"start must be the number of a class; got {start!r}")
            self.values = targets.to(torch.int64)
        except (TypeError, ValueError) as error:
            self.fault = error  # told after the others have been told that there is one
            self.start = 0

    def within(self, first: int, n: int) -> tuple[Tensor, Tensor]:
        """Return, shape (..., 1), whether the label is one of n classes from `first`, and which."""
        place = (self.values - self.start - first)[..., None]
        return (place >= 0) & (place < n), place.clamp(0, n - 1)

    def summary(self) -> list[int]:
        """Return what the other ranks check: smallest, largest, and a sum that tells them apart."""
        if not self.values.numel():
            return [0, -1, 0]
        y = self.values.reshape(-1)
        odd = 2 * torch.arange(len(y), device=y.device) + 1
        return [int(y.min()), int(y.max()), int((y * odd).sum())]


class _More(NamedTuple):
    """What a loss needs beside the state of the whole row."""

    n: int  # classes of all shards
    x_y: Tensor
    gaps: Tensor  # Σ (m − x_j) over all classes, where labels are smoothed


def _meet(
    x: Tensor,
    group: Group,
    tile: int | None,
    labels: _Labels | None = None,
    classes_needed_by: str | None = None,
) -> tuple[Partial, _More]:
    """Exchange the states of all shards, once, and merge them in the order of the classes.

    Raises
    ------
    ValueError
        On every rank alike, from what all of them know after the exchange.
    """
    n_local = x.shape[-1]
    with torch.no_grad():
        tiles = _states(_wide(x), tile, labels)
        here = [n_local, len(tiles), *_said(labels)]
        said, states = _gather(here, tiles, group, tile)
        order = _checked(said, labels, tile, classes_needed_by)
        parts, sizes = [], []
        for rank in order:
            parts += list(states[rank][: said[rank][1]])
            sizes += _sizes(said[rank][0], tile)
        whole = merge(*(Partial(part[..., 0], part[..., 1]) for part in parts))
        x_y = gaps = whole.m
        if labels is not None:
            x_y = torch.stack([part[..., 2] for part in parts]).sum(0)
            if labels.smoothing:
                gaps = torch.zeros_like(whole.m)
                for n, part in zip(sizes, parts, strict=True):
                    if n:
                        gaps = gaps + (part[..., 3] + n * (whole.m - _finite(part[..., 0])))
    return whole, _More(sum(sizes), x_y, gaps)


def _sizes(n: int, tile: int | None) -> list[int]:
    """Return the numbers of classes that the states of a shard are about."""
    return [n] if tile is None else [min(tile, n - a) for a in range(0, n, tile)] or [0]


def _states(x: Tensor, tile: int | None, labels: _Labels | None) -> Tensor:
    """Return the states of the shard, or of its tiles one after the other, shape (·, ..., 2 to 4).

    A tile is computed by itself, whatever stands beside it in memory: so its bits are its own.
    """
    found, first = [], 0
    for n in _sizes(x.shape[-1], tile):
        part = x[..., first : first + n].contiguous()
        state = partial(part)
        columns = [state.m, state.rest]
        if labels is not None:
            columns.append(_of_label(part, first, labels))
            if labels.smoothing:  # Σ (m − x_j): no term is negative, so that nothing cancels
                columns.append((_finite(state.m)[..., None] - part).sum(-1))
        found.append(torch.stack(columns, dim=-1))
        first += n
    return torch.stack(found)


def _of_label(part: Tensor, first: int, labels: _Labels) -> Tensor:
    """Return x_y, or 0 where the label is not among these classes."""
    n = part.shape[-1]
    if n == 0:
        return part.new_zeros(part.shape[:-1])
    here, place = labels.within(first, n)
    x_y = part.gather(-1, place)
    return torch.where(here, x_y, torch.zeros_like(x_y))[..., 0]


def _said(labels: _Labels | None) -> list[int]:
    if labels is None:
        return [0, 0, 0, 0, 0]
    return [labels.start, int(labels.fault is not None), *labels.summary()]


def _gather(
    here: list[int], tiles: Tensor, group: Group, tile: int | None
) -> tuple[list[list[int]], list[Tensor]]:
    """Return, of every rank, the integers and the states, both in one message.

    Messages of one all-gather are of one size. So where a shard has as many states as tiles, which
    the others do not know, the integers go first, in a message of their own.
    """
    if not dist.is_initialized():
        return [here], [tiles]
    integers = torch.tensor(here, device=tiles.device).view(torch.uint8)
    if tile is None:
        message = torch.cat([integers, tiles.contiguous().reshape(-1).view(torch.uint8)])
        found = _all_gather(message, group)
        said = [one[: len(integers)].clone().view(torch.int64).tolist() for one in found]
        bodies = [one[len(integers) :].clone() for one in found]
        return said, [body.view(tiles.dtype).reshape(tiles.shape) for body in bodies]
    said = [one.view(torch.int64).tolist() for one in _all_gather(integers, group)]
    most = max(count for _, count, *_ in said)
    padded = tiles.new_zeros((most, *tiles.shape[1:]))
    padded[: len(tiles)] = tiles
    return said, _all_gather(padded, group)


def _all_gather(mine: Tensor, group: Group) -> list[Tensor]:
    everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everyone, mine, group=group)
    return everyone


def _checked(
    said: list[list[int]], labels: _Labels | None, tile: int | None, classes_needed_by: str | None
) -> list[int]:
    """Return the ranks in the order of their classes; raise on every rank if something is wrong."""
    sizes = [one[0] for one in said]
    n = sum(sizes)
    order = list(range(len(said)))
    if labels is not None:
        _check_labels(said, labels, n)
        order.sort(key=lambda rank: (said[rank][2], sizes[rank]))
        first = 0
        for rank in order:
            if said[rank][2] != first:
                raise ValueError(
                    f"the shards must follow each other: one of {sizes[rank]} classes starts at "
                    f"{said[rank][2]} (rank {rank}), where {first} was due"
                )
            first += sizes[rank]
    if n == 0 and classes_needed_by:
        raise ValueError(f"{classes_needed_by} needs at least one class; no shard has any")
    if tile is not None:
        full = [rank for rank in order if sizes[rank]][:-1]
        for rank in full:
            if sizes[rank] % tile:
                raise ValueError(
                    f"every shard but the last must be a multiple of tile={tile} classes; "
                    f"rank {rank} has {sizes[rank]}"
                )
    return order


def _check_labels(said: list[list[int]], labels: _Labels, n: int) -> None:
    if labels.fault is not None:
        raise labels.fault
    for rank, (_, _, _, fault, *_) in enumerate(said):
        if fault:
            raise ValueError(f"rank {rank} was given labels, or a start, that it had to refuse")
    if n:
        with contextlib.suppress(TypeError):
            as_labels(labels.values, n)
        for rank, (*_, low, high, _) in enumerate(said):
            if low < 0 or high >= n:
                raise ValueError(
                    f"labels must lie in 0…{n - 1} for {n} classes; rank {rank} got {low} to {high}"
                )
    if len({tuple(one[4:]) for one in said}) > 1:
        raise ValueError("the ranks were given different labels; each needs those of all rows")


# -- numbers --------------------------------------------------------------------------------------


def _shard(x: Tensor, axis: Any) -> Tensor:
    x, _ = floating(x)
    if x.ndim == 0 or axis not in (-1, x.ndim - 1) or isinstance(axis, bool):
        raise ValueError(f"the classes of a shard are its last axis; got axis={axis!r}")
    return x


def _wide(x: Tensor) -> Tensor:
    """Return the logits in at least float32."""
    return x.float() if torch.finfo(x.dtype).bits < 32 else x


def _finite(m: Tensor) -> Tensor:
    """Return what to shift by: m, but 0 where it is infinite or NaN."""
    return torch.where(torch.isfinite(m), m, torch.zeros_like(m))


def _nan_unless_finite(m: Tensor) -> Tensor:
    """Return 0, or NaN for a row that has no softmax: of −inf alone, or with a +inf or a NaN."""
    return torch.where(torch.isfinite(m), 0.0, torch.nan).to(m.dtype)


def _shifted(x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """Return d = x − m as rounded, and what the rounding took (as `kernels` does)."""
    shift = _finite(m)[..., None]
    d = x - shift
    back = d - x
    lost = (x - (d - back)) - (shift + back)
    return d, torch.where(torch.isfinite(lost), lost, torch.zeros_like(lost))


def _softmax(x: Tensor, m: Tensor, rest: Tensor) -> Tensor:
    d, lost = _shifted(x, m)
    e = torch.exp(d).mul_(1 + lost)
    return e.div_((1 + rest + _nan_unless_finite(m))[..., None])


def _sum_of_all(x: Tensor, group: Group) -> Tensor:
    """Return Σ over the classes of all shards, shape (..., 1): one number a row is exchanged."""
    total = x.sum(-1, keepdim=True)
    if dist.is_initialized():
        dist.all_reduce(total, group=group)
    return total


def _with_gradient(x: Tensor, value: Tensor, vjp: Callable[..., Tensor], *saved: Tensor) -> Tensor:
    """Return `value` in the dtype of x, with vjp(g, x, *saved) as its gradient by x."""
    found: Tensor = _Result.apply(x, value.to(x.dtype), vjp, *saved)
    return found


class _Result(torch.autograd.Function):
    """A value that is known, and how its gradient is computed when it is asked for."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, value: Tensor, vjp: Callable[..., Tensor], *saved: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, *saved)
        ctx.vjp = vjp
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, *saved = ctx.saved_tensors
        grad = ctx.vjp(_wide(g), _wide(x), *saved)
        return grad.to(x.dtype), *[None] * (2 + len(saved))
