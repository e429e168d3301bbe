"""The exercise of notebook 00: a first answer, to see how checking works."""

from __future__ import annotations

import math

import numpy as np

from helpers.checker.declaration import exercise, ordinary


def _exact_row_sums(p):
    return np.array([math.fsum(float(entry) for entry in row) for row in p])


_READ_ONLY = np.array([[0.5, 0.25, 0.25], [2.0, -1.0, 4.0]])
_READ_ONLY.setflags(write=False)


@exercise(
    "0.1",
    minutes=3,
    probes=[
        ordinary(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), note="two rows of three"),
        # The smallest of all: none of the usual mistakes looks right on it.
        ordinary(np.array([[0.5, 0.25], [0.75, 1.0]]), note="a square matrix, not symmetric"),
        ordinary(np.array([[0.1, -0.7, 2.5, 0.0, 1.0]]), note="a batch of one row"),
        ordinary(np.array([[3.0], [-1.0], [2.0], [0.5], [4.0]]), note="rows of length 1"),
        ordinary(_READ_ONLY, note="a read-only array"),
        ordinary(np.array([[0.5, 1.5], [2.5, 3.0], [0.0, 1.0]], dtype=np.float32), note="float32"),
        ordinary(np.array([[0.5, 1.5, 2.0], [2.5, 3.0, 0.5]], dtype=np.float16), note="float16"),
    ],
    truth=_exact_row_sums,
    scale=lambda p, expected: np.abs(p).sum(axis=1),
    remark="axis=-1, the last axis, says the same for a batch of any number of dimensions.",
)
def row_sums(p):
    """Return the sum of each row of `p`.

    `p` is a 2-D float array of shape (N, n): N rows, n entries in each; it is left unchanged.
    The result has shape (N,). `p.sum` and its like are welcome: the axis is the exercise.
    """
    return p.sum(axis=1)


row_sums.hints(
    "The result has one number per row. Which axis has to disappear: the first or the second?",
    "`p.sum(axis=k)` adds along axis k, and that axis is gone afterwards.",
    "Rows lie along axis 1: `p.sum(axis=1)`, or `p.sum(axis=-1)`.",
)
row_sums.reasoning(
    "An array of shape (N, n) has its rows along axis 0 and the entries of a row along axis 1. "
    "The axis that you name is the one that is added up and disappears: axis 1 leaves N sums."
)


@row_sums.mistake(
    "You summed each column, not each row: the axis you name is the one that disappears, "
    "and here the entries within a row, axis 1, have to go."
)
def column_sums(p):
    return p.sum(axis=0)


@row_sums.mistake(
    "You summed the whole array to one number: name the axis to be added up, `axis=1`, "
    "and every row keeps its own sum.",
    boxed=(False, True),
)
def grand_total(p, *, boxed):
    return np.array([p.sum()]) if boxed else p.sum()


@row_sums.mistake("These are the means of the rows: a mean is the sum divided by n. Use `sum`.")
def row_means(p):
    return p.mean(axis=1)


@row_sums.mistake(
    "The sums are right, but the summed axis is still there with length 1: shape (N, 1) where "
    "(N,) was asked. Look at `keepdims`."
)
def keeps_the_axis(p):
    return p.sum(axis=1, keepdims=True)


@row_sums.mistake(
    "Only one row's sum came back: `return` stands inside the loop, so the first row ends it. "
    "Collect the sums, and return them after the loop."
)
def returns_from_the_loop(p):
    return p[0].sum()


@row_sums.mistake(
    "These are running sums, all n of them: of each row only the last one is its sum. Take `sum` "
    "in place of `cumsum`."
)
def running_sums(p):
    return p.cumsum(axis=1)


@row_sums.mistake(
    "The sums came back cut off to whole numbers: an array made with `dtype=int` cannot hold 0.5. "
    "Make it with `np.zeros(len(p))`."
)
def integer_buffer(p):
    sums = np.zeros(len(p), dtype=int)
    for i, row in enumerate(p):
        sums[i] = row.sum()
    return sums


@row_sums.mistake(
    "The last column is left out: a range that ends at n − 1, or a slice `[:-1]`, stops one entry "
    "too early."
)
def leaves_the_last_column_out(p):
    return p[:, :-1].sum(axis=1)
