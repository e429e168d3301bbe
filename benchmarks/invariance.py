"""Whether a row's bits are its own: what changes them, in our kernels and in the libraries'.

A trial takes one row of a batch and lets something else change: the other rows' values, their
number, the row's place. The row's result should not notice. It does where an implementation picks
its way by the whole array (a shortcut that every row must allow, a matrix product whose order of
summation follows from its shape); the last digits then depend on who shares the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

FORMATS = ("float64", "float32", "float16")
CHANGES = (
    "the other rows get other values",
    "the row is computed alone",
    "it stands elsewhere in the batch",
    "the batch is cut",
)
Kernel = Callable[[np.ndarray, np.ndarray], Any]  # logits and labels in, one result a row out


def logits(rng: np.random.Generator, rows: int, n: int, format_name: str) -> np.ndarray:
    """Return rows of logits: standard normal ones alone, or every kind at once.

    The kinds are narrow and wide, shifted by up to 3000, tied, masked, confident, all −inf, and
    with a NaN.
    """
    x = rng.standard_normal((rows, n))
    if rng.integers(2):
        x *= rng.choice([1e-3, 1.0, 5.0, 30.0, 1000.0], (rows, 1))
        x += rng.choice([0.0, 0.0, -40.0, 3000.0, -3000.0], (rows, 1))
        kind = rng.integers(0, 12, rows)
        x[kind == 0] = np.round(x[kind == 0])
        x[kind == 1, :: rng.integers(1, n + 1)] = -np.inf
        x[kind == 2, rng.integers(0, n)] += rng.choice([50.0, 91.0, 712.0])  # the rest is faint
        x[kind == 3] = -np.inf
        x[kind == 4, rng.integers(0, n)] = np.nan
    return x.astype(format_name)


def batches(
    rng: np.random.Generator, x: np.ndarray, i: int
) -> Iterator[tuple[str, np.ndarray, slice | np.ndarray]]:
    """Yield (what is changed, a batch that holds row i of `x`, which rows of `x` it was made of).

    The rows that say where the logits came from hold for the labels, too. Row i comes first where
    it stands alone, else wherever those rows say.
    """
    others = logits(rng, len(x), x.shape[1], x.dtype.name)
    others[i] = x[i]
    everywhere = np.arange(len(x))
    yield CHANGES[0], others, everywhere
    yield CHANGES[1], x[i : i + 1], everywhere[i : i + 1]
    elsewhere = rng.permutation(len(x))
    yield CHANGES[2], x[elsewhere], elsewhere
    start, stop = rng.integers(0, i + 1), rng.integers(i + 1, len(x) + 1)
    yield CHANGES[3], x[start:stop], everywhere[start:stop]


def changed(kernel: Kernel, x: np.ndarray, y: np.ndarray, i: int, seed: int) -> Iterator[str]:
    """Yield what changes the bits of row i of kernel(x, y)."""
    expected = _bits(kernel(x, y)[i])
    for what, batch, origin in batches(np.random.default_rng(seed), x, i):
        place = int(np.flatnonzero(origin == i)[0])
        if _bits(kernel(batch, y[origin])[place]) != expected:
            yield what


def _bits(result: Any) -> bytes:
    a = np.array(result)
    a[a != a] = np.nan  # NaN is NaN, whatever its sign and payload
    return a.tobytes()


def trials(count: int) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
    """Yield (logits, labels, row, seed): 1 to 300 rows of 1 to 5000 classes, in three formats."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        rows, n = (round(np.exp(rng.uniform(0, np.log(most)))) for most in (300, 5000))
        x = logits(rng, rows, n, FORMATS[seed % len(FORMATS)])
        yield x, rng.integers(0, n, rows), int(rng.integers(rows)), seed


def count(kernels: dict[str, Kernel], trials_each: int) -> dict[str, dict[str, int]]:
    """Return how many trials changed the row's bits: by what is changed, then by function."""
    found = {what: dict.fromkeys(kernels, 0) for what in CHANGES}
    for x, y, i, seed in trials(trials_each):
        for name, kernel in kernels.items():
            with np.errstate(all="ignore"):
                for what in changed(kernel, x, y, i, seed):
                    found[what][name] += 1
    return found
