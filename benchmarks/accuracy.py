"""Worst error in ulp, of our kernels and of the libraries', against exact arithmetic.

The rows are those where softmax goes wrong: scales from 1e-3 to 1e3, offsets up to 1e6, one
dominant entry with gaps from 1 to 700, ties, log-sum-exp near 0, masks, one class and many. The
tests hold our kernels to bounds on the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np

from helpers import formats, oracle

FUNCTIONS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")
Implementation = dict[str, Callable[..., Any]]
Conversion = Callable[[np.ndarray], Any]


def rows(format_name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (what is hard about them, rows of logits): float64 numbers exact in the format."""
    rng = np.random.default_rng(20)
    largest = 0.9 * formats.FORMATS[format_name].max
    for name, x in _unrounded(rng):
        with np.errstate(over="ignore"):
            rounded = np.asarray(formats.round_to(x, format_name), dtype=np.float64)
        if np.abs(rounded[np.isfinite(rounded)]).max(initial=0) < largest:
            yield name, rounded


def _unrounded(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    for scale in (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0):
        for n in (1, 2, 3, 10, 100):
            yield f"scale {scale:g}", scale * rng.standard_normal((max(2, 60 // n), n))
    for offset in (100.0, -100.0, 1e4, 1e6, -1e6):
        yield f"offset {offset:g}", offset + 10 * rng.standard_normal((6, 10))
    gaps = np.concatenate([np.arange(1.0, 41.0), [50, 60, 75, 87, 100, 200, 350, 500, 700]])
    yield "gap from 0", np.stack([0 * gaps, -gaps], axis=-1)
    yield "gap from 0.3", np.stack([0.3 + 0 * gaps, 0.3 - gaps], axis=-1)
    others = -gaps[:, None] + 0.1 * rng.standard_normal((gaps.size, 5))
    yield "gap from 7.7", 7.7 + np.concatenate([0 * gaps[:, None], others], axis=-1)
    for edge in (87.5, 708.5):  # where exp turns subnormal, in float32 and in float64
        for m in (0.0, 7.7, 1000.0, -1000.0):
            far = edge + np.array([-2.0, 0.0, 2.0, 3.5, 4.2])
            many = m - far[:, None] + 0.1 * rng.standard_normal((far.size, 100))
            yield "a subnormal each, many together", np.insert(many, 0, m, axis=-1)
    yield "ties", np.array([[1.5, 1.5, -3.0], [2.0, 2.0, 2.0], [-7.0, -40.0, -7.0]])
    p = rng.dirichlet(np.ones(8), size=8)
    yield "log-sum-exp near 0", np.log(p)
    masked = 3 * rng.standard_normal((8, 9))
    masked[:, ::3] = -np.inf
    yield "masked", masked


def labels(x: np.ndarray) -> np.ndarray:
    """Return one label a row: the first half of them the winner, the others any class."""
    winners = x.argmax(axis=-1)
    anything = np.random.default_rng(3).integers(0, x.shape[-1], len(x))
    return np.where(np.arange(len(x)) % 2 == 0, winners, anything)


def exact(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the four functions of rows x as mpmath numbers."""
    log_p = oracle.log_softmax(x)
    with mpmath.workdps(60):
        p = np.vectorize(mpmath.exp, otypes=[object])(log_p)
        top = np.arange(len(x)), x.argmax(axis=-1)
        lse = np.array([mpmath.mpf(float(a)) - b for a, b in zip(x[top], log_p[top], strict=True)])
        loss = -log_p[np.arange(len(x)), labels(x)]
    return {"softmax": p, "log_softmax": log_p, "logsumexp": lse, "cross_entropy": loss}


def errors(actual: Any, truth: np.ndarray, function: str, x: np.ndarray, name: str) -> np.ndarray:
    """Return errors in ulp where they are asked for, and 0 elsewhere.

    Asked for is where the truth is a normal number of the format. Log-sum-exp near 0 is
    ill-conditioned: where |LSE| < max|x|/4, and the maximum is not 0, the error is counted in units
    of eps · max|x|.
    """
    kind = formats.FORMATS[name]
    ulps = oracle.ulp_error(actual, truth, name)
    with np.errstate(invalid="ignore"):  # a masked class has a logarithm of −inf
        size = np.abs(np.vectorize(float)(truth))
    normal = (size >= kind.smallest_normal) & (size <= kind.max)
    if function == "logsumexp":
        largest = np.abs(np.where(np.isfinite(x), x, 0)).max(axis=-1)
        ill = (size < largest / 4) & (x.max(axis=-1) != 0)
        difference = [
            abs(float(mpmath.mpf(float(a)) - t)) for a, t in zip(actual, truth, strict=True)
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            ulps = np.where(ill, np.array(difference) / (kind.eps * largest), ulps)
        normal |= ill
    return np.where(normal, ulps, 0.0)


def worst(
    implementation: Implementation, format_name: str, convert: Conversion
) -> dict[str, float]:
    """Return each function's worst error in ulp over all rows; `convert` makes the input array."""
    found = dict.fromkeys(FUNCTIONS, 0.0)
    for _, x in rows(format_name):
        truth = exact(x)
        for function, compute in implementation.items():
            y = labels(x)
            with np.errstate(all="ignore"):
                actual = (
                    compute(convert(x), y) if function == "cross_entropy" else compute(convert(x))
                )
            actual = actual.double().numpy() if hasattr(actual, "double") else actual
            actual = np.asarray(actual, dtype=np.float64)
            error = errors(actual, truth[function], function, x, format_name)
            found[function] = max(found[function], float(error.max(initial=0.0)))
    return found
