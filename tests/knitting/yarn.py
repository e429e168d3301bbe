"""Yarn: how much is held at once, what can be read once, and tests that a learner writes."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, ordinary


class Skein:
    """Lengths of yarn that can be wound off once."""

    def __init__(self, *lengths: float) -> None:
        self._left = list(lengths)

    def __iter__(self) -> Skein:
        return self

    def __next__(self) -> float:
        if not self._left:
            raise StopIteration
        return self._left.pop(0)


class Ball(Skein):
    """A skein that is not its own iterator: all that is left is handed out once."""

    __next__ = None  # type: ignore[assignment]

    def __iter__(self):
        left, self._left = self._left, []
        return iter(left)


@exercise(
    "2.1",
    minutes=2,
    probes=[
        ordinary(Skein(3.0, 4.0, 1.5), note="three lengths"),
        ordinary(Skein(2.0), note="one length"),
        ordinary(Ball(3.0, 0.5), note="a ball"),
    ],
    truth=lambda skein: float(np.sum(list(skein))),
)
def total(skein):
    """Return the length of all the yarn; it can be read once."""
    return sum(skein)


total.hints("Add up.", "Once.", "`sum`.")
total.reasoning("One pass is enough.")


@total.mistake("It was read twice, and the second time nothing is left. Keep what you read.")
def read_twice(skein):
    return 0.5 * (sum(skein) + sum(skein))


@exercise(
    "2.2",
    minutes=4,
    probes=[
        ordinary(np.arange(6.0), note="six"),
        ordinary(np.arange(1500.0), note="so many that a table of all pairs is too large",
                 memory=200_000),
    ],
    truth=lambda x: float(x @ x + 0.0),
)  # fmt: skip
def squares(x):
    """Return the sum of all squares, without a table of all pairs."""
    return x @ x


squares.hints("One number.", "`x * x`.", "`(x * x).sum()`.")
squares.reasoning("Only the diagonal of the table is needed.")


@squares.mistake("A table of all pairs was made for its diagonal alone. Multiply entry by entry.")
def table_of_pairs(x):
    return np.trace(np.outer(x, x))


def doubles(x):
    return 2 * x


def doubles_by_adding(x):
    return x + x


def adds_two(x):
    return x + 2


def forgets_the_sign(x):
    return 2 * abs(x)


def breaks_down(x):
    raise KeyError(x)


@exercise(
    "2.3",
    minutes=5,
    probes=[
        ordinary(doubles, note="doubles"),
        ordinary(doubles_by_adding, note="doubles by adding"),
        ordinary(adds_two, note="adds two", raises=Exception),
        ordinary(forgets_the_sign, note="forgets the sign", raises=Exception),
        ordinary(breaks_down, note="breaks down", raises=Exception),
    ],
    truth=lambda f: None,
)
def check_doubling(f):
    """Raise if `f` does not double every number; else return None."""
    for x in (1.0, 3.0, -2.0):
        if f(x) != 2 * x:
            raise AssertionError(x)


check_doubling.hints("Try numbers.", "A negative one too.", "`assert f(-2) == -4`.")
check_doubling.reasoning("Each wrong function fails on one of the three.")


@check_doubling.mistake("Only 2 is tried, where adding 2 and doubling are the same. Try 3.")
def only_two(f):
    assert f(2.0) == 4.0


@check_doubling.mistake("Everything is refused, the right ones too. Compare with `2 * x`.")
def refuses_all(f):
    raise AssertionError
