"""Time of the kernels as a share of SciPy's, from one interleaved run in one process.

A machine's speed drifts, so absolute times say little. Each round runs every implementation once,
one after the other; a cell of the table is the median over the rounds of time / SciPy's time.
"""

from __future__ import annotations

import statistics
import time
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special
import torch

from helpers import kernels

SHAPES = ((128, 1_000), (32, 50_257), (4_096, 4_096), (1_000_000, 10))
FUNCTIONS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")
Runs = dict[str, Callable[[], object]]


def _scipy_cross_entropy(x: np.ndarray, y: np.ndarray, axis: int = -1) -> float:
    log_p = scipy.special.log_softmax(x, axis=axis)
    return float(-np.take_along_axis(log_p, np.expand_dims(y, axis), axis=axis).mean())


def _naive(x: np.ndarray, y: np.ndarray, function: str) -> object:
    """Compute the definition: no shift."""
    e = np.exp(x)
    s = e.sum(axis=-1, keepdims=True)
    if function == "softmax":
        return e / s
    if function == "log_softmax":
        return np.log(e / s)
    if function == "logsumexp":
        return np.log(s)
    return -np.log((e / s)[np.arange(len(x)), y]).mean()


def _textbook(x: np.ndarray, y: np.ndarray, function: str) -> object:
    """Shift by the maximum, in plain NumPy."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    e = np.exp(d)
    s = e.sum(axis=-1, keepdims=True)
    if function == "softmax":
        return e / s
    if function == "logsumexp":
        return m + np.log(s)
    log_p = d - np.log(s)
    return log_p if function == "log_softmax" else -log_p[np.arange(len(x)), y].mean()


def _torch(t: torch.Tensor, y: torch.Tensor, function: str, threads: int) -> object:
    torch.set_num_threads(threads)
    if function == "cross_entropy":
        return torch.nn.functional.cross_entropy(t, y)
    return getattr(torch, function)(t, dim=-1)


def pair(x: np.ndarray, y: np.ndarray, function: str, axis: int) -> Runs:
    """Return SciPy's function and ours along any axis."""
    ours: Any = getattr(kernels, function)
    theirs: Any = getattr(scipy.special, function, None)
    if function == "cross_entropy":
        return {
            "SciPy": lambda: _scipy_cross_entropy(x, y, axis),
            "ours": lambda: ours(x, y, axis=axis),
        }
    return {"SciPy": lambda: theirs(x, axis=axis), "ours": lambda: ours(x, axis=axis)}


def runs(x: np.ndarray, y: np.ndarray, function: str) -> Runs:
    """Return what is timed for one function on rows of logits: SciPy first."""
    t, labels, buffer = torch.from_numpy(x), torch.from_numpy(y), np.empty_like(x)
    return pair(x, y, function, -1) | {
        "torch, 1 thread": lambda: _torch(t, labels, function, 1),
        "torch, 2 threads": lambda: _torch(t, labels, function, 2),
        "naive NumPy": lambda: _naive(x, y, function),
        "textbook NumPy": lambda: _textbook(x, y, function),
        "np.exp into a buffer": lambda: np.exp(x, out=buffer),
        "copy": lambda: np.copyto(buffer, x),
    }


def layouts() -> Iterator[tuple[str, str, np.ndarray, int]]:
    """Yield (description, dtype, array, class axis): what does not lie as rows."""
    rng = np.random.default_rng(2)
    for dtype in ("float32", "float64"):
        square = rng.standard_normal((4_096, 4_096)).astype(dtype)
        yield "4096×4096, axis 0", dtype, square, 0
        yield "4096×4096, Fortran", dtype, np.asfortranarray(square), 1
        yield "31×150×271, axis 1", dtype, rng.standard_normal((31, 150, 271)).astype(dtype), 1
    yield "1024×1024", "float16", rng.standard_normal((1_024, 1_024)).astype(np.float16), 1


def one_small_row() -> dict[str, float]:
    """Return the best time for 1×10 logits in microseconds: ours, and SciPy's softmax beside it."""
    x, y = inputs((1, 10), "float32")
    timed = {function: pair(x, y, function, -1)["ours"] for function in FUNCTIONS}
    timed["SciPy's softmax"] = pair(x, y, "softmax", -1)["SciPy"]
    found = dict.fromkeys(timed, float("inf"))
    for _ in range(100):
        for name, run in timed.items():
            found[name] = min(found[name], timeit.timeit(run, number=200) / 200 * 1e6)
    return found


def ratios(timed: Runs, rounds: int) -> dict[str, float]:
    """Return the median of each one's time divided by SciPy's in the same round."""
    found: dict[str, list[float]] = {name: [] for name in timed}
    for run in timed.values():
        run()
    for _ in range(rounds):
        seconds = {}
        for name, run in timed.items():
            start = time.perf_counter()
            run()
            seconds[name] = time.perf_counter() - start
        for name in timed:
            found[name].append(seconds[name] / seconds["SciPy"])
    return {name: statistics.median(values) for name, values in found.items()}


def peak_memory(run: Callable[[], object], x: np.ndarray) -> float:
    """Return the most memory a call held, its result included, as a share of the input's."""
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / x.nbytes
    finally:
        tracemalloc.stop()


def inputs(shape: tuple[int, int], dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal logits and random labels."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype(dtype), rng.integers(0, shape[1], shape[0])
