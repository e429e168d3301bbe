"""Counting stitches: what kinds of answers and tolerances there are."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary


@exercise(
    "1.1",
    minutes=2,
    probes=[
        ordinary(np.array([20.0, 30.5]), 2.2, note="two widths"),
        ordinary(np.array([10.0, 0.4, 7.0]), 1.9, note="three widths"),
        ordinary(np.array([[5.0], [6.5]]), 3.0, note="two pieces"),
    ],
    truth=lambda width, per_cm: np.array(np.asarray(width) * per_cm // 1, dtype=int),
)
def stitches(width, per_cm):
    """Return how many whole stitches fit into each width, as integers."""
    return np.floor(width * per_cm).astype(int)


stitches.hints("How many fit?", "Whole ones only.", "`np.floor`, then `astype(int)`.")
stitches.reasoning("Half a stitch cannot be knitted.")


@stitches.mistake("A stitch that does not fit whole is counted. Cut off with `np.floor`.")
def rounded_up(width, per_cm):
    return np.ceil(width * per_cm).astype(int)


@exercise(
    "1.2",
    minutes=2,
    probes=[
        ordinary(12, 4, note="a multiple"),
        ordinary(13, 4, note="one too many"),
        ordinary(3, 4, note="fewer than one repeat"),
        ordinary(0, 4, note="none at all"),
    ],
    truth=lambda count, repeat: count / repeat == count // repeat,
)
def fits(count, repeat):
    """Return whether `count` stitches are a whole number of repeats: True or False."""
    return count % repeat == 0


fits.hints("What is left over?", "`%` says it.", "Compare it with 0.")
fits.reasoning("The remainder is 0 for multiples alone.")


@fits.mistake("That at least one repeat fits is told, not that nothing is left. Look at `%`.")
def one_fits(count, repeat):
    return count >= repeat


@exercise(
    "1.3",
    minutes=3,
    probes=[
        ordinary(40, 6, note="some left"),
        ordinary(42, 6, note="none left"),
        ordinary(5, 6, note="fewer than one repeat"),
    ],
    truth=lambda count, repeat: (count // repeat, count % repeat, count / repeat),
)
def repeats(count, repeat):
    """Return (whole repeats, stitches left over, repeats as a fraction)."""
    return count // repeat, count % repeat, count / repeat


repeats.hints("Three results.", "`//` and `%`.", "`return a, b, c`.")
repeats.reasoning("Division with and without remainder.")


@repeats.mistake("What is lacking to the next repeat came back, not what is left over. Use `%`.")
def lacking(count, repeat):
    return count // repeat, -count % repeat, count / repeat


@exercise(
    "1.4",
    minutes=3,
    probes=[
        ordinary(np.float32(3.0), note="single precision", rounding=2),
        ordinary(2.0, note="a rough one", tolerance=1e-2),
        ordinary(1e-6, note="a small one", relative_tolerance=1e-3),
        extreme(5.0, note="an exact one"),
    ],
    truth=lambda side: side * 1.4142135623730951,
)
def diagonal(side):
    """Return the diagonal of a square."""
    return np.sqrt(2.0) * side


diagonal.hints("Pythagoras.", "Two equal sides.", "`np.sqrt(2) * side`.")
diagonal.reasoning("side² + side² under the root.")


@diagonal.mistake("Both sides were added. Their squares have to be.")
def walked(side):
    return 2 * side
