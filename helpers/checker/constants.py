"""General diagnoses by a constant: a factor or an offset, by its name where it has one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from helpers.checker.cases import Case, Diagnosis, first_array
from helpers.checker.comparing import as_numbers
from helpers.checker.declaration import Exercise
from helpers.checker.transforms import Transform, holds


def _sizes(case: Case) -> tuple[int, int]:
    """Return N, the number of rows, and n, the number of classes, of the first array passed."""
    array = first_array(case.probe)
    if array is None or array.ndim == 0:
        return 1, 1
    return int(np.prod(array.shape[:-1])), int(array.shape[-1])


def _constants(exercise: Exercise, case: Case) -> dict[str, float]:
    """Return the constants that answers are often off by, with their values on one probe."""
    rows, n = _sizes(case)
    basic: dict[str, float] = {
        "N": rows,
        "n": n,
        "(N·n)": rows * n,
        "(n − 1)": n - 1,
        "2": 2,
        "ln 2": np.log(2),
        "ln 10": np.log(10),
        "ln n": np.log(n),
        "ln N": np.log(rows),
        "log2 n": np.log2(n),
        "log10 n": np.log10(n),
    }
    for name, value in zip(exercise.signature.parameters, case.probe.arguments, strict=False):
        if isinstance(value, int | float) and not isinstance(value, bool):
            symbol = {"tau": "τ", "alpha": "α", "lam": "λ", "eps": "ε"}.get(name, name)
            basic |= {symbol: value, f"{symbol}²": value**2, f"ln {symbol}": np.log(abs(value))}
            basic |= {f"(1 − {symbol})": 1 - value}
    return basic


def _meaning(name: str) -> str:
    """Return what the letters of a constant stand for."""
    meanings = {"N": "N is the number of rows", "n": "n the number of classes"}
    letters = [letter for letter in meanings if letter in name.replace("ln", "").split("the")[0]]
    return f"; {', '.join(meanings[letter] for letter in letters)}" if letters else ""


def scaled(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Diagnose a constant factor, by its name where it has one."""

    def by(name: str, power: int, sign: int) -> Transform:
        return lambda e, case: sign * e * _constants(exercise, case)[name] ** float(power)

    for name in _constants(exercise, cases[0]):
        for power, sign in itertools.product((1, -1), (1, -1)):
            if holds(exercise, cases, by(name, power, sign)):
                factor = ("−" if sign < 0 else "") + (name if power == 1 else f"1/{name}")
                return Diagnosis(
                    f"Off by a constant factor: yours is {factor} times what was asked"
                    f"{_meaning(name)}.",
                    "Where does this factor come in, or get lost: a mean for a sum, a base of the "
                    "logarithm, a derivative?",
                )
    number = _common(cases, lambda mine, e: mine / e, lambda e: np.abs(e) > 1e-300)
    if number is None or abs(number - 1) < 1e-3:  # those are lost digits
        return None
    if not holds(exercise, cases, lambda e, case: number * e):
        return None
    return Diagnosis(
        f"Off by a constant factor: yours is {number:.6g} times what was asked.",
        "Which line brings this factor in?",
    )


def shifted(exercise: Exercise, cases: Sequence[Case]) -> Diagnosis | None:
    """Diagnose a constant offset, by its name where it has one."""

    def by(name: str, sign: int) -> Transform:
        return lambda e, case: e + sign * _offsets(exercise, case, e)[name]

    first = as_numbers(cases[0].expected.value)
    for name in _offsets(exercise, cases[0], first):
        for sign in (1, -1):
            if holds(exercise, cases, by(name, sign)):
                much = "too large" if sign > 0 else "too small"
                return Diagnosis(
                    f"Off by a constant: yours is {much} by {name}{_meaning(name)}.",
                    f"Where is {name} added, subtracted or forgotten?",
                )
    offset = _common(cases, lambda mine, e: mine - e, np.isfinite)
    if offset is None or not holds(exercise, cases, lambda e, case: e + offset):
        return None
    return Diagnosis(
        f"Off by a constant: yours is what was asked plus {offset:.6g}.",
        "Which line brings this constant in?",
    )


def _offsets(exercise: Exercise, case: Case, expected: Any) -> dict[str, Any]:
    """Return the terms that answers often add or forget, with their values on one probe."""
    terms: dict[str, Any] = {"1": 1.0, **_constants(exercise, case)}
    array = first_array(case.probe)
    if array is not None and array.ndim and array.size:
        keep = expected.ndim == array.ndim
        terms["the row's maximum"] = array.max(axis=-1, keepdims=keep)
        terms["twice the row's maximum"] = 2 * terms["the row's maximum"]
        terms["the row's minimum"] = array.min(axis=-1, keepdims=keep)
        terms["the row's mean"] = array.mean(axis=-1, keepdims=keep)
        terms["the row's sum"] = array.sum(axis=-1, keepdims=keep)
    return terms


def _common(
    cases: Sequence[Case], relate: Callable[[Any, Any], Any], usable: Callable[[Any], Any]
) -> float | None:
    """Return the one constant that relates answer and expectation in several entries, or None."""
    found: list[float] = []
    for case in cases:
        mine, expected = as_numbers(case.mine.value), as_numbers(case.expected.value)
        if mine.shape != expected.shape:
            return None
        ratio = np.asarray(relate(mine.astype(float), expected.astype(float)))
        where = np.isfinite(ratio) & usable(expected)
        found.extend(ratio[where].ravel().tolist())
    if len(found) < 4 or len({round(float(f), 9) for f in found}) > len(found) // 2:
        return None
    return float(np.median(found))
