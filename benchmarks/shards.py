"""Memory and overhead of `distributed`: Dask arrays in blocks, torch shards on real processes."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import numpy as np
import scipy.special
import torch

from helpers import distributed, kernels, ranks

BLOCK = 200_000  # entries; 1.6 MB of float64
# shape, chunks: 16 blocks each
LOGITS = {
    "one row": ((16 * BLOCK,), (BLOCK,)),
    "200 rows, classes cut": ((200, 16_000), (200, 1000)),
    "800 rows, both cut": ((800, 4000), (200, 1000)),
}
ROWS, CLASSES = 64, 32_000  # of the torch shards, float32
SIZES = (1, 2, 4)
ROUNDS = 7


def made(name: str) -> da.Array:
    """Return an array whose blocks are made when they are needed."""
    shape, chunks = LOGITS[name]

    def block(block_info: Any = None) -> np.ndarray:
        place = block_info[None]
        return np.random.default_rng(place["chunk-location"]).normal(size=place["chunk-shape"])

    sizes = da.core.normalize_chunks(chunks, shape)
    return da.map_blocks(block, chunks=sizes, dtype=float, meta=np.empty((0,) * len(shape)))


def _maximum_first(x: da.Array) -> da.Array:
    m = x.max(axis=-1, keepdims=True)
    return m[..., 0] + da.log(da.exp(x - m).sum(axis=-1))


def _labels(x: da.Array) -> np.ndarray:
    return np.random.default_rng(0).integers(0, x.shape[-1], x.shape[:-1])


WAYS: dict[str, Callable[[da.Array], Any]] = {
    "**ours, logsumexp**": distributed.logsumexp,
    "**ours, cross_entropy**": lambda x: distributed.cross_entropy(x, _labels(x)),
    "the maximum first, the sum second": _maximum_first,
    "SciPy's logsumexp, which loads all": lambda x: da.from_array(
        np.asarray(scipy.special.logsumexp(x, axis=-1))
    ),
    "**ours, softmax**, its result kept": distributed.softmax,
}


def memory_table() -> list[str]:
    """Return the peaks of memory in blocks, of 16, as Markdown lines."""
    lines = ["| peak, in blocks of 16 | " + " | ".join(LOGITS) + " |", "|---" + "|---:" * 3 + "|"]
    with dask.config.set(scheduler="synchronous"):
        for way, run in WAYS.items():
            peaks = [_peak(lambda name=name, run=run: run(made(name)).compute()) for name in LOGITS]
            cells = " | ".join(f"{peak / (8 * BLOCK):.1f}" for peak in peaks)
            lines.append(f"| {way} | {cells} |")
    return lines


def _peak(call: Callable[[], object]) -> int:
    call()  # so that what is imported on the way does not count
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def overhead_table() -> list[str]:
    """Return the time of the ranks as a share of one process with all classes, one thread each."""
    rng = np.random.default_rng(0)
    x = torch.tensor(3 * rng.standard_normal((ROWS, CLASSES)), dtype=torch.float32)
    y = torch.tensor(rng.integers(0, CLASSES, ROWS))
    lines = [
        "| classes on | cross_entropy | and its gradient | logsumexp | softmax |",
        "|---" + "|---:" * 4 + "|",
    ]
    for size in SIZES:
        found = ranks.run(_times, list(torch.chunk(x, size, dim=-1)), x, y, seconds=600)
        calls = len(found[0]) // 2
        alone, together = found[0][:calls], [max(t) for t in zip(*found, strict=True)][calls:]
        cells = " | ".join(f"{t / b:.2f}" for t, b in zip(together, alone, strict=True))
        lines.append(f"| {size} rank{'s' * (size > 1)} | {cells} |")
    ranks.stop()
    return lines


def dask_overhead() -> dict[str, float]:
    """Return the time of Dask with its blocks in memory as a share of one call of the kernel."""
    shape, chunks = LOGITS["200 rows, classes cut"]
    x = np.random.default_rng(0).standard_normal(shape)
    lazy = distributed.logsumexp(da.from_array(x, chunks=chunks))
    runs = {"kernel": lambda: kernels.logsumexp(x)}
    for scheduler in ("synchronous", "threads"):
        runs[scheduler] = lambda scheduler=scheduler: lazy.compute(scheduler=scheduler)
    medians = dict(zip(runs, _medians(list(runs.values())), strict=True))
    return {
        name: median / medians["kernel"] for name, median in medians.items() if name != "kernel"
    }


def _medians(calls: list[Callable[[], object]], before: Callable[[], object] = int) -> list[float]:
    """Return each call's median time; the calls take turns, since a machine's speed drifts."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS + 1):
        for call, found in zip(calls, times, strict=True):
            before()
            begun = time.perf_counter()
            call()
            found.append(time.perf_counter() - begun)
    return [statistics.median(found[1:]) for found in times]


def _times(shard: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> list[float]:
    """Time the kernels on all classes, which rank 0 does alone, and the same on all the shards."""
    import torch.distributed as dist

    rank = dist.get_rank()
    first = rank * shard.shape[-1]

    def whole_gradient() -> None:
        leaf = x.clone().requires_grad_()
        kernels.cross_entropy(leaf, y).backward()

    def gradient() -> None:
        leaf = shard.clone().requires_grad_()
        distributed.cross_entropy(leaf, y, first).backward()

    alone: list[Callable[[], object]] = [
        lambda: kernels.cross_entropy(x, y),
        whole_gradient,
        lambda: kernels.logsumexp(x),
        lambda: kernels.softmax(x),
    ]
    together: list[Callable[[], object]] = [
        lambda: distributed.cross_entropy(shard, y, first),
        gradient,
        lambda: distributed.logsumexp(shard),
        lambda: distributed.softmax(shard),
    ]
    return _medians([*(alone if rank == 0 else [int] * 4), *together], before=dist.barrier)


def section() -> list[str]:
    """Return the part of the tables that is about shards and blocks."""
    memory, overhead, dask_times = memory_table(), overhead_table(), dask_overhead()
    print("\n".join([*memory, *overhead]), dask_times, flush=True)
    return [
        "## Logits on many machines",
        "",
        "Peak memory over Dask arrays of 16 blocks of 1.6 MB (synchronous scheduler, tracemalloc):",
        "",
        *memory,
        "",
        f"Time over torch shards, {ROWS} rows of {CLASSES} classes in float32, as a share of the",
        "kernels' in one process with all classes; one thread a rank, all ranks on this machine",
        "(so more of them than cores gain nothing):",
        "",
        *overhead,
        "",
        "Log-sum-exp of 200×16 000 float64 logits in memory, as a Dask array of 16 blocks, as",
        "a share of the time of one call of the kernel: "
        + ", ".join(f"{name} {share:.2f}" for name, share in dask_times.items())
        + ".",
    ]
