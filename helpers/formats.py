"""The floating-point formats of the course, and the limits of exp in each.

Nothing here is typed in but the three numbers that define a format: the bits of its significand
and its smallest and largest exponent. Every limit follows from them. Those of exp are found
by looking at neighbouring numbers of the format, with exp itself computed to 60 digits and rounded
once, so that they are right to the last bit.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import numpy as np

__all__ = ["COMPUTING", "FORMATS", "Format", "round_to", "ulp"]

_DIGITS = 60


@dataclass(frozen=True)
class Format:
    """A binary floating-point format with subnormal numbers, as IEEE 754 defines them.

    Parameters
    ----------
    name : str
        As NumPy or PyTorch call it.
    precision : int
        Bits of the significand, the hidden one included.
    min_exponent, max_exponent : int
        Exponents of the smallest normal number and of the largest power of two.
    largest : float, optional
        The largest finite number where it is not the last before the next power of two: in E4M3,
        whose last bit pattern is NaN's.

    Examples
    --------
    >>> FORMATS["float16"].max
    65504.0
    >>> FORMATS["float32"].exp_last_finite
    88.72283172607422
    """

    name: str
    precision: int
    min_exponent: int
    max_exponent: int
    largest: float | None = None

    @property
    def eps(self) -> float:
        """The distance from 1 to the next larger number."""
        return math.ldexp(1.0, 1 - self.precision)

    @property
    def unit_roundoff(self) -> float:
        """The largest relative error of one rounding, u = eps / 2."""
        return self.eps / 2

    @property
    def max(self) -> float:
        """The largest finite number."""
        if self.largest is not None:
            return self.largest
        return math.ldexp(2.0 - self.eps, self.max_exponent)

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number that has all its digits."""
        return math.ldexp(1.0, self.min_exponent)

    @property
    def smallest_subnormal(self) -> float:
        """The smallest positive number."""
        return math.ldexp(1.0, self.min_exponent - self.precision + 1)

    @cached_property
    def exp_last_finite(self) -> float:
        """The largest x of the format whose exp(x), rounded to the format, is finite."""
        edge = math.log(self.max)
        return self._last_where(edge, up=True, holds=lambda y: y < math.inf)

    @cached_property
    def exp_last_normal(self) -> float:
        """The smallest x of the format whose exp(x), rounded to the format, is normal."""
        edge = math.log(2) * self.min_exponent
        return self._last_where(edge, up=False, holds=lambda y: y >= self.smallest_normal)

    @cached_property
    def exp_last_nonzero(self) -> float:
        """The smallest x of the format whose exp(x), rounded to the format, is not zero."""
        # Half the smallest subnormal is where rounding to nearest turns to zero.
        edge = math.log(2) * (self.min_exponent - self.precision)
        return self._last_where(edge, up=False, holds=lambda y: y > 0)

    def _last_where(self, edge: float, *, up: bool, holds: Any) -> float:
        """Walk along the format's numbers to the last one whose exp satisfies `holds`."""

        def exp_rounded(x: float) -> float:
            with mpmath.workdps(_DIGITS):
                return float(round_to(mpmath.exp(x), self.name))

        away = 1 if up else -1
        x = float(round_to(edge, self.name))
        while not holds(exp_rounded(x)):
            x -= away * ulp(x, self.name)
        while holds(exp_rounded(x + away * ulp(x, self.name))):
            x += away * ulp(x, self.name)
        return x


FORMATS: dict[str, Format] = {
    "float64": Format("float64", precision=53, min_exponent=-1022, max_exponent=1023),
    "float32": Format("float32", precision=24, min_exponent=-126, max_exponent=127),
    "float16": Format("float16", precision=11, min_exponent=-14, max_exponent=15),
    "bfloat16": Format("bfloat16", precision=8, min_exponent=-126, max_exponent=127),
    "float8_e4m3fn": Format("float8_e4m3fn", 4, min_exponent=-6, max_exponent=8, largest=448.0),
    "float8_e5m2": Format("float8_e5m2", 3, min_exponent=-14, max_exponent=15),
}
"""Six formats by name.

Beyond the largest number of float8_e4m3fn, which has no infinity, this course rounds to ±inf as in
the others; libraries differ there (NaN, or the largest number).
"""

COMPUTING: dict[str, Format] = {name: form for name, form in FORMATS.items() if form.precision > 4}
"""The four in which NumPy or PyTorch compute a softmax; the two of 8 bits are for storage."""


def _format(name: str) -> Format:
    try:
        return FORMATS[name]
    except KeyError:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; got {name!r}") from None


def ulp(value: Any, name: str) -> float:
    """Return the unit in the last place: the distance between a format's numbers at a value.

    Parameters
    ----------
    value : float or mpmath.mpf
        Any finite real number; it need not belong to the format.
    name : str
        A key of `FORMATS`.

    Returns
    -------
    float
        2^(e - p + 1) for 2^e <= |value| < 2^(e + 1) and p bits, and never less than
        the smallest subnormal.

    Examples
    --------
    >>> ulp(1.0, "float16") == FORMATS["float16"].eps
    True
    """
    form = _format(name)
    _, exponent = mpmath.frexp(value)  # value = fraction · 2^exponent, ½ ≤ |fraction| < 1
    exponent = max(int(exponent) - 1, form.min_exponent) if value else form.min_exponent
    return math.ldexp(1.0, min(exponent, form.max_exponent) - form.precision + 1)


def round_to(value: Any, name: str) -> Any:
    """Round to the nearest number of a format, ties to even: once, from the exact value.

    Parameters
    ----------
    value : float, mpmath.mpf or array_like
        What to round. An `mpf` (or an array of them) is rounded from all its digits.
    name : str
        A key of `FORMATS`.

    Returns
    -------
    float or numpy.ndarray of float64
        Every number of the six formats is one of float64, so nothing is lost in the container.
        Beyond the largest number by half a step or more: ±inf.

    Examples
    --------
    >>> round_to(0.1, "bfloat16")
    0.10009765625
    >>> round_to([1.0, 70000.0], "float16")
    array([ 1., inf])
    """
    _format(name)
    if isinstance(value, mpmath.mpf):
        return _round_mpf(value, name)
    array = np.asarray(value)
    if array.dtype == object:
        flat = [_round_mpf(mpmath.mpf(v), name) for v in array.ravel()]
        rounded = np.array(flat, dtype=np.float64).reshape(array.shape)
    else:
        rounded = _round_float64(array.astype(np.float64), name)
    return float(rounded) if rounded.ndim == 0 else rounded


def _round_mpf(value: Any, name: str) -> float:
    if not mpmath.isfinite(value):
        return float(value)
    form, quantum = FORMATS[name], ulp(value, name)
    with mpmath.workprec(max(mpmath.mp.prec, value.bc + 1)):  # no digit of the value is dropped
        rounded = mpmath.nint(value / quantum) * quantum  # a power of two: nint alone rounds
        # Formats end where the next power of two would begin.
        return float(rounded) if abs(rounded) <= form.max else math.copysign(math.inf, value)


def _round_float64(value: Any, name: str) -> Any:
    form = FORMATS[name]
    _, exponent = np.frexp(value)
    last = np.maximum(exponent, form.min_exponent + 1) - form.precision  # exponent of the ulp
    with np.errstate(over="ignore"):  # infinity is the answer there
        rounded = np.ldexp(np.rint(np.ldexp(value, -last)), last)
    return np.where(np.abs(rounded) > form.max, np.copysign(np.inf, value), rounded)
