"""Answers to exercise 0.1."""

from functools import partial, reduce
from operator import add

import numpy as np
import torch

from . import right, wrong


@right("0.1")
def method(p):
    """The array's own method."""
    return p.sum(axis=1)


@right("0.1")
def list_of_sums(p):
    """A list of Python floats."""
    return [sum(float(value) for value in row) for row in p]


@right("0.1")
def by_einsum(p):
    """Repeated index kept, the other one summed."""
    return np.einsum("ij->i", p)


@right("0.1")
def product_with_ones(p):
    """A matrix times a vector of ones."""
    return p @ np.ones(p.shape[1])


@right("0.1")
def by_torch(p):
    """A tensor comes back."""
    return torch.tensor(p).sum(dim=-1)


@right("0.1")
def adds_columns(p):
    """Adds the columns one after the other."""
    return reduce(add, p.T)


right("0.1")(partial(np.sum, axis=-1))
right("0.1")(lambda p: np.apply_along_axis(np.sum, 1, p))
right("0.1")(lambda p: np.cumsum(p, axis=1, dtype=np.float64)[:, -1])


@right("0.1")
def sums_in_a_buffer_like_the_input(p):
    """A buffer of the input's own type, filled entry by entry."""
    sums = np.zeros_like(p[:, 0])
    for i, row in enumerate(p):
        for value in row:
            sums[i] += value
    return sums


@wrong("0.1")
def column_sums_by_hand(p):
    """Column sums: adds the rows to each other."""
    total = np.zeros(p.shape[1])
    for row in p:
        total += row
    return total


@wrong("0.1")
def builtin_sum(p):
    """Python's sum runs over the first axis: column sums."""
    return sum(p)


@wrong("0.1")
def grand_total(p):
    """The grand total."""
    return np.einsum("ij->", p)


@wrong("0.1")
def column_vector(p):
    """Keeps the axis: (N, 1)."""
    return p @ np.ones((p.shape[1], 1))


@wrong("0.1")
def row_means(p):
    """Means, off by the factor n."""
    return p.mean(axis=1)


@wrong("0.1")
def all_ones(p):
    """Hard-coded: true of probabilities only."""
    return np.ones(len(p))


@wrong("0.1")
def running_sums(p):
    """Running sums, all of them."""
    return np.cumsum(p, axis=1)


@wrong("0.1")
def sums_of_square_only(p):
    """Goes over as many columns as there are rows: right on a square array only."""
    size = len(p)
    return np.array([sum(p[i, j] for j in range(size)) for i in range(size)])


@wrong("0.1")
def skips_last_column(p):
    """Off by one: the last column is left out."""
    return np.array([sum(row[:-1]) for row in p])


@wrong("0.1")
def sums_as_integers(p):
    """An integer buffer truncates."""
    sums = np.zeros(len(p), dtype=int)
    for i, row in enumerate(p):
        sums[i] = row.sum()
    return sums


@wrong("0.1")
def first_row_only(p):
    """Returns from inside the loop."""
    for row in p:
        return row.sum()
    return None


@wrong("0.1")
def overwrites(p):
    """Right sums, but the caller's array is changed on the way."""
    for j in range(1, p.shape[1]):
        p[:, 0] += p[:, j]
    return p[:, 0].copy()


@wrong("0.1")
def prints_only(p):
    """Forgets to return."""
    str(p.sum(axis=1))
