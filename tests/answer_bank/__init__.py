"""Answers that people write to the exercises, right ones and wrong ones.

Each module of this package holds the answers to one notebook's exercises and files them in the two
tables under the exercise's ID::

    from . import right, wrong

    @right("0.1")
    def sum_method(p):
        '''The array's own method.'''
        return p.sum(axis=1)

An answer that is a value rather than a function is filed by a call: ``right("2.1")({...})``. The
checker must accept all that is in ``RIGHT`` and refuse all that is in ``WRONG``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")

RIGHT: dict[str, list[Any]] = {}
WRONG: dict[str, list[Any]] = {}


def right(exercise: str) -> Callable[[Answer], Answer]:
    """Return a decorator that files an answer as a right one to `exercise`."""
    return _filing(RIGHT, exercise)


def wrong(exercise: str) -> Callable[[Answer], Answer]:
    """Return a decorator that files an answer as a wrong one to `exercise`."""
    return _filing(WRONG, exercise)


def _filing(table: dict[str, list[Any]], exercise: str) -> Callable[[Answer], Answer]:
    def file(answer: Answer) -> Answer:
        table.setdefault(exercise, []).append(answer)
        return answer

    return file
