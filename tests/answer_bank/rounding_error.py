"""Answers to exercises 11.1 to 11.6."""

import decimal
import math
import struct
from fractions import Fraction
from functools import reduce
from itertools import accumulate

import mpmath
import numpy as np
import scipy.special
import torch

from helpers import formats, gradients, kernels

from . import right, wrong

# 11.1 chop(x, precision, min_exponent, largest)


def spacing(x, precision, min_exponent):
    """The format's spacing at |x|, by frexp."""
    _, e = np.frexp(x)
    return np.ldexp(1.0, np.maximum(e - 1, min_exponent) - precision + 1)


@right("11.1")
def frexp_and_rint(x, precision, min_exponent, largest):
    """The exponent by frexp, rint in units of the spacing."""
    q = spacing(x, precision, min_exponent)
    y = np.rint(x / q) * q
    return np.where(np.abs(y) > largest, np.copysign(np.inf, x), y)


def one_fraction(value, precision, min_exponent, largest):
    """One number, in exact rational arithmetic; Fraction's round takes ties to even."""
    value = float(value)
    if math.isnan(value) or math.isinf(value) or value == 0:
        return value
    exponent = max(math.frexp(value)[1] - 1, min_exponent)
    step = Fraction(2) ** (exponent - precision + 1)
    result = float(round(Fraction(value) / step) * step)
    return math.copysign(math.inf, value) if abs(result) > largest else result


@right("11.1")
def fractions_one_by_one(x, precision, min_exponent, largest):
    """np.vectorize over exact rationals."""
    chop = np.vectorize(one_fraction, otypes=[np.float64])
    return chop(x, precision, min_exponent, largest)


@right("11.1")
def magic_constant(x, precision, min_exponent, largest):
    """Adds 1.5 * 2**52 steps and takes them off again."""
    x = np.asarray(x, dtype=np.float64)
    q, c = spacing(x, precision, min_exponent), 1.5 * 2.0**52
    y = ((x / q + c) - c) * q
    return np.where(np.abs(y) > largest, y * np.inf, y)


@right("11.1")
def log2_of_the_finite(x, precision, min_exponent, largest):
    """floor(log2|x|), where |x| is finite and not 0."""
    x = np.asarray(x, dtype=float)
    out = x.copy()
    ok = np.isfinite(x) & (x != 0)
    e = np.maximum(np.floor(np.log2(np.abs(x[ok]))), min_exponent)
    ulp = 2.0 ** (e - precision + 1)
    y = np.round(x[ok] / ulp) * ulp
    out[ok] = np.where(y > largest, np.inf, np.where(y < -largest, -np.inf, y))
    return out


@right("11.1")
def tensor_frexp(x, precision, min_exponent, largest):
    """torch's frexp and round."""
    t = torch.as_tensor(np.array(x, dtype=np.float64))
    e = torch.frexp(t).exponent.clamp(min=min_exponent + 1) - precision
    step = torch.ldexp(torch.ones_like(t), e)
    y = torch.round(t / step) * step
    y = torch.where(y.abs() > largest, t.sign() * torch.inf, y)
    return torch.where(t.isfinite(), y, t)


@right("11.1")
def decimal_integers(x, precision, min_exponent, largest):
    """decimal's half-even rounding to an integer of steps."""

    def one(v):
        if not math.isfinite(v):
            return v
        step = 2.0 ** (max(math.frexp(v)[1] - 1, min_exponent) - precision + 1)
        k = decimal.Decimal(v / step).to_integral_value(decimal.ROUND_HALF_EVEN)
        y = float(k) * step
        return y if abs(y) <= largest else math.copysign(math.inf, v)

    values = np.asarray(x, dtype=float)
    return np.array([one(float(v)) for v in values.ravel()]).reshape(values.shape)


@right("11.1")
def bits_of_float64(x, precision, min_exponent, largest):
    """Rounds the stored bits of the normal numbers; a grid of its own for the others."""
    x = np.asarray(x, dtype=np.float64)
    drop = np.uint64(53 - precision)
    bits = x.view(np.uint64)
    one = np.uint64(1)
    odd = (bits >> drop) & one
    rounded = bits + (((one << drop) >> one) - one + odd)
    y = ((rounded >> drop) << drop).view(np.float64)
    tiny = 2.0 ** (min_exponent - precision + 1)
    y = np.where(np.abs(x) < 2.0**min_exponent, np.rint(x / tiny) * tiny, y)
    y = np.where(np.abs(y) > largest, np.sign(x) * np.inf, y)
    return np.where(np.isfinite(x), y, x)


def finish(x, y, largest):
    """Infinity beyond the largest, NaN and the infinities kept."""
    y = np.where(np.abs(y) > largest, np.copysign(np.inf, x), y)
    return np.where(np.isfinite(x), y, x)


@wrong("11.1")
def cuts_digits(x, precision, min_exponent, largest):
    """Truncates."""
    q = spacing(x, precision, min_exponent)
    return finish(x, np.trunc(x / q) * q, largest)


@wrong("11.1")
def floors(x, precision, min_exponent, largest):
    """Rounds down, also below 0."""
    q = spacing(x, precision, min_exponent)
    return finish(x, np.floor(x / q) * q, largest)


@wrong("11.1")
def half_up(x, precision, min_exponent, largest):
    """floor(t + 1/2): ties upwards."""
    q = spacing(x, precision, min_exponent)
    return finish(x, np.floor(x / q + 0.5) * q, largest)


@wrong("11.1")
def half_away(x, precision, min_exponent, largest):
    """The rounding of school: ties away from zero."""
    q = spacing(x, precision, min_exponent)
    return finish(x, np.sign(x) * np.floor(np.abs(x) / q + 0.5) * q, largest)


@wrong("11.1")
def no_gradual_underflow(x, precision, min_exponent, largest):
    """The exponent range has no lower end."""
    _, e = np.frexp(x)
    q = np.ldexp(1.0, e - precision)
    return finish(x, np.rint(x / q) * q, largest)


@wrong("11.1")
def flushes_to_zero(x, precision, min_exponent, largest):
    """Everything below the smallest normal number becomes 0."""
    y = frexp_and_rint(x, precision, min_exponent, largest)
    return np.where(np.abs(y) < 2.0**min_exponent, 0.0, y)


@wrong("11.1")
def smallest_cut_before_rounding(x, precision, min_exponent, largest):
    """Zeroes what is below the smallest subnormal before it rounds."""
    tiny = 2.0 ** (min_exponent - precision + 1)
    y = frexp_and_rint(x, precision, min_exponent, largest)
    return np.where(np.abs(x) < tiny, 0.0, y)


@wrong("11.1")
def saturates(x, precision, min_exponent, largest):
    """Clips at the largest number."""
    q = spacing(x, precision, min_exponent)
    return np.clip(np.rint(x / q) * q, -largest, largest)


@wrong("11.1")
def saturates_but_infinity(x, precision, min_exponent, largest):
    """Clips finite numbers, keeps the infinities."""
    q = spacing(x, precision, min_exponent)
    return np.where(np.isinf(x), x, np.clip(np.rint(x / q) * q, -largest, largest))


@wrong("11.1")
def never_overflows(x, precision, min_exponent, largest):
    """`largest` is not used."""
    q = spacing(x, precision, min_exponent)
    return np.rint(x / q) * q


@wrong("11.1")
def tests_range_first(x, precision, min_exponent, largest):
    """Compares with the largest before the rounding."""
    q = spacing(x, precision, min_exponent)
    return np.where(np.abs(x) > largest, np.copysign(np.inf, x), np.rint(x / q) * q)


@wrong("11.1")
def infinity_without_sign(x, precision, min_exponent, largest):
    """+inf for large negative numbers."""
    q = spacing(x, precision, min_exponent)
    y = np.rint(x / q) * q
    return np.where(np.abs(y) > largest, np.inf, y)


@wrong("11.1")
def negative_side_forgotten(x, precision, min_exponent, largest):
    """y > largest: what lies below -largest stays finite."""
    q = spacing(x, precision, min_exponent)
    y = np.rint(x / q) * q
    return np.where(y > largest, np.inf, y)


@wrong("11.1")
def largest_counts_as_beyond(x, precision, min_exponent, largest):
    """>= for >: the largest number itself becomes inf."""
    q = spacing(x, precision, min_exponent)
    y = np.rint(x / q) * q
    return np.where(np.abs(y) >= largest, np.copysign(np.inf, x), y)


@wrong("11.1")
def epsilon_grid(x, precision, min_exponent, largest):
    """One grid, eps apart, for all sizes."""
    q = 2.0 ** (1 - precision)
    return finish(x, np.rint(x / q) * q, largest)


@wrong("11.1")
def one_bit_too_few(x, precision, min_exponent, largest):
    """The hidden bit counted twice."""
    return frexp_and_rint(x, precision - 1, min_exponent, largest)


@wrong("11.1")
def one_bit_too_many(x, precision, min_exponent, largest):
    """Hidden bit on top of `precision`."""
    return frexp_and_rint(x, precision + 1, min_exponent, largest)


@wrong("11.1")
def frexp_exponent_as_it_is(x, precision, min_exponent, largest):
    """frexp's significand lies in [1/2, 1): the exponent is one too large."""
    _, e = np.frexp(x)
    q = np.ldexp(1.0, np.maximum(e, min_exponent) - precision + 1)
    return finish(x, np.rint(x / q) * q, largest)


@wrong("11.1")
def decimal_places(x, precision, min_exponent, largest):
    """Rounds to decimals."""
    return finish(x, np.round(x, precision), largest)


@wrong("11.1")
def decimal_digits(x, precision, min_exponent, largest):
    """Significant decimal digits, as many as the bits are worth."""
    digits = int(precision * math.log10(2))
    y = np.vectorize(lambda v: float(f"{v:.{digits}g}"), otypes=[float])(x)
    return finish(x, y, largest)


@wrong("11.1")
def nan_at_zero(x, precision, min_exponent, largest):
    """log2(0) is -inf and 0/0 NaN: the exponent is not bounded below."""
    e = np.floor(np.log2(np.abs(x)))
    q = 2.0 ** (e - precision + 1)
    y = np.rint(x / q) * q
    return np.where(np.abs(y) > largest, np.copysign(np.inf, x), y)


@wrong("11.1")
def nan_at_infinity(x, precision, min_exponent, largest):
    """inf/inf: the infinities become NaN."""
    e = np.maximum(np.floor(np.log2(np.abs(x))), min_exponent)
    q = 2.0 ** (e - precision + 1)
    y = np.rint(x / q) * q
    return np.where(np.abs(y) > largest, np.sign(x) * np.inf, y)


@wrong("11.1")
def nan_becomes_zero(x, precision, min_exponent, largest):
    """nan_to_num in front."""
    return frexp_and_rint(np.nan_to_num(x), precision, min_exponent, largest)


@wrong("11.1")
def half_precision_cast(x, precision, min_exponent, largest):
    """Casts to float16, whatever the format."""
    return np.float64(np.float16(x))


@wrong("11.1")
def torch_bfloat16_cast(x, precision, min_exponent, largest):
    """Casts to bfloat16, whatever the format."""
    return torch.as_tensor(np.array(x)).to(torch.bfloat16).double().numpy()


@wrong("11.1")
def single_precision_first(x, precision, min_exponent, largest):
    """Rounds twice: to float32, then to the format."""
    single = np.float64(np.float32(x))
    return frexp_and_rint(single, precision, min_exponent, largest)


@wrong("11.1")
def loses_sign(x, precision, min_exponent, largest):
    """Works on |x| and never puts the sign back."""
    return frexp_and_rint(np.abs(x), precision, min_exponent, largest)


@wrong("11.1")
def exponent_of_the_array(x, precision, min_exponent, largest):
    """One exponent, the largest element's, for the whole array: block floating point."""
    top = np.max(np.abs(np.where(np.isfinite(x), x, 0)))
    q = spacing(top, precision, min_exponent)
    return finish(x, np.rint(x / q) * q, largest)


@wrong("11.1")
def rounds_up_exponent(x, precision, min_exponent, largest):
    """ceil(log2) for floor: right only at powers of two."""
    a = np.where(np.isfinite(x) & (x != 0), np.abs(x), 1.0)
    q = 2.0 ** (np.maximum(np.ceil(np.log2(a)), min_exponent) - precision + 1)
    return finish(x, np.rint(x / q) * q, largest)


@wrong("11.1")
def in_place(x, precision, min_exponent, largest):
    """Overwrites the caller's array."""
    x = np.asarray(x)
    x[...] = frexp_and_rint(x, precision, min_exponent, largest)
    return x


# 11.2 ulps_between(a, b)


def place(x):
    """The place of each float32 on the line of floats: 0 at zero, negative below."""
    bits = np.asarray(x, dtype=np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


@right("11.2")
def signed_magnitudes(a, b):
    """Sign times the 31 other bits."""
    return np.abs(place(a) - place(b))


@right("11.2")
def biased_unsigned(a, b):
    """The biased representation of a well-known C++ test framework."""

    def biased(x):
        bits = x.view(np.uint32)
        negative = (bits >> 31) == 1
        return np.where(negative, ~bits + np.uint32(1), bits | np.uint32(0x80000000))

    u, v = biased(a), biased(b)
    return np.where(u > v, u - v, v - u).astype(np.int64)


@right("11.2")
def copysign_of_magnitudes(a, b):
    """The bits of |x|, with the sign of x; copysign in float64 is exact here."""
    u = np.copysign(np.abs(a).view(np.int32).astype(np.float64), a)
    v = np.copysign(np.abs(b).view(np.int32).astype(np.float64), b)
    return np.abs(u - v).astype(np.int64)


@right("11.2")
def tensor_views(a, b):
    """torch's view, in int64."""

    def index(x):
        bits = torch.from_numpy(np.array(x)).view(torch.int32).to(torch.int64)
        return torch.where(bits >= 0, bits, -(2**31) - bits)

    return (index(a) - index(b)).abs()


@right("11.2")
def packed_bytes(a, b):
    """struct, number by number."""

    def index(v):
        (bits,) = struct.unpack("<i", struct.pack("<f", v))
        return bits if bits >= 0 else -(bits + 2**31)

    pairs = zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
    return np.array([abs(index(u) - index(v)) for u, v in pairs], dtype=np.int64).reshape(a.shape)


@right("11.2")
def counted_by_arithmetic(a, b):
    """No bits: binades below, plus steps inside the binade, in float64."""

    def index(x):
        x = x.astype(np.float64)
        _, e = np.frexp(np.abs(x))
        e = np.maximum(e - 1, -126)
        steps = np.abs(x) / np.ldexp(1.0, e - 23)
        return np.sign(x) * ((e + 126) * 2.0**23 + steps)

    return np.abs(index(a) - index(b)).astype(np.int64)


@right("11.2")
def same_sign_or_through_zero(a, b):
    """Two cases: difference of magnitudes, or their sum."""
    u = (a.view(np.uint32) & np.uint32(0x7FFFFFFF)).astype(np.int64)
    v = (b.view(np.uint32) & np.uint32(0x7FFFFFFF)).astype(np.int64)
    return np.where(np.signbit(a) == np.signbit(b), np.abs(u - v), u + v)


@wrong("11.2")
def in_eps(a, b):
    """|a - b|/eps, whatever their size."""
    return np.rint(np.abs(a.astype(float) - b) / np.finfo(np.float32).eps).astype(np.int64)


@wrong("11.2")
def in_steps_at_a(a, b):
    """The spacing at a, all the way."""
    gap = np.spacing(np.abs(a)).astype(float)
    return np.rint(np.abs(a.astype(float) - b) / gap).astype(np.int64)


@wrong("11.2")
def in_steps_at_larger(a, b):
    """The spacing at the larger of the two."""
    gap = np.spacing(np.maximum(np.abs(a), np.abs(b))).astype(float)
    return np.rint(np.abs(a.astype(float) - b) / gap).astype(np.int64)


@wrong("11.2")
def in_steps_at_smaller(a, b):
    """The spacing at the smaller of the two."""
    gap = np.spacing(np.minimum(np.abs(a), np.abs(b))).astype(float)
    return np.rint(np.abs(a.astype(float) - b) / gap).astype(np.int64)


@wrong("11.2")
def raw_patterns(a, b):
    """Differences of signed bit patterns."""
    return np.abs(a.view(np.int32).astype(np.int64) - b.view(np.int32).astype(np.int64))


@wrong("11.2")
def raw_unsigned_patterns(a, b):
    """Differences of unsigned bit patterns."""
    return np.abs(a.view(np.uint32).astype(np.int64) - b.view(np.uint32).astype(np.int64))


@wrong("11.2")
def patterns_in_int32(a, b):
    """Right map, but the difference wraps round in int32."""
    u, v = place(a).astype(np.int32), place(b).astype(np.int32)
    return np.abs(u - v).astype(np.int64)


@wrong("11.2")
def unsigned_difference_wraps(a, b):
    """uint32 minus uint32: where a < b, four thousand million."""
    return np.abs(a.view(np.uint32) - b.view(np.uint32)).astype(np.int64)


@wrong("11.2")
def with_a_sign(a, b):
    """Without abs."""
    return place(b) - place(a)


@wrong("11.2")
def converted(a, b):
    """astype converts the values where view reads the bits."""
    return np.abs(a.astype(np.int64) - b.astype(np.int64))


@wrong("11.2")
def relative_in_eps(a, b):
    """The relative difference in eps."""
    scale = np.maximum(np.maximum(np.abs(a), np.abs(b)), np.float32(1e-45)).astype(float)
    return np.rint(np.abs(a.astype(float) - b) / scale / 2.0**-23).astype(np.int64)


@wrong("11.2")
def two_zeros(a, b):
    """The radix sort's trick: 0.0 and -0.0 are neighbours, not one number."""
    u = a.view(np.int32).astype(np.int64)
    v = b.view(np.int32).astype(np.int64)
    u = np.where(u < 0, ~(u & 0x7FFFFFFF), u)
    v = np.where(v < 0, ~(v & 0x7FFFFFFF), v)
    return np.abs(u - v)


@wrong("11.2")
def magnitudes_only(a, b):
    """The sign bit masked off: 1 and -1 are no step apart."""
    u = a.view(np.uint32) & np.uint32(0x7FFFFFFF)
    v = b.view(np.uint32) & np.uint32(0x7FFFFFFF)
    return np.abs(u.astype(np.int64) - v.astype(np.int64))


@wrong("11.2")
def as_doubles(a, b):
    """float64's steps."""
    u = a.astype(np.float64).view(np.int64)
    v = b.astype(np.float64).view(np.int64)
    return np.abs(np.where(u < 0, -(u & (2**63 - 1)), u) - np.where(v < 0, -(v & (2**63 - 1)), v))


@wrong("11.2")
def numbers_strictly_between(a, b):
    """One fewer than the steps."""
    return np.maximum(np.abs(place(a) - place(b)) - 1, 0)


@wrong("11.2")
def walks_a_thousand_steps(a, b):
    """nextafter, and gives up after a thousand."""
    count = np.zeros(a.shape, dtype=np.int64)
    here = a.copy()
    for _ in range(1000):
        count += here != b
        here = np.nextafter(here, b)
    return count


@wrong("11.2")
def largest_distance_only(a, b):
    """One number for the whole array."""
    return np.abs(place(a) - place(b)).max()


@wrong("11.2")
def numpy_testing(a, b):
    """NumPy's own test helper, whose difference is taken in 32 bits."""
    return np.testing.assert_array_max_ulp(a, b, maxulp=2.0**40).astype(np.int64).reshape(a.shape)


@wrong("11.2")
def difference_in_float32(a, b):
    """The places as float32: large distances lose their last bits."""
    return np.abs(place(a).astype(np.float32) - place(b).astype(np.float32)).astype(np.int64)


@wrong("11.2")
def in_logarithms(a, b):
    """2**23 steps a binade, taken as if they were equal ratios."""
    tiny = np.float32(1e-45)
    u = np.log2(np.maximum(np.abs(a), tiny).astype(float))
    v = np.log2(np.maximum(np.abs(b), tiny).astype(float))
    return np.rint(np.abs(u - v) * 2.0**23).astype(np.int64)


# 11.3 rounding_floor(x, u)


@right("11.3")
def matrix_of_distances(x, u):
    """|I - p| |x|, p as the rows."""
    p = scipy.special.softmax(x)
    return u * np.abs(np.eye(x.size) - p) @ np.abs(x)


@right("11.3")
def two_loops(x, u):
    """Every pair, in Python."""
    top = max(x)
    e = [math.exp(v - top) for v in x]
    p = [v / sum(e) for v in e]
    return [u * sum(abs((i == j) - p[j]) * abs(x[j]) for j in range(len(x))) for i in range(len(x))]


@right("11.3")
def autograd_jacobian(x, u):
    """torch's Jacobian of log_softmax."""
    t = torch.tensor(x, dtype=torch.float64)
    J = torch.autograd.functional.jacobian(lambda z: torch.log_softmax(z, 0), t)
    return u * (J.abs() @ t.abs())


@right("11.3")
def mean_and_own_part(x, u):
    """Sum over the others, and the own part with 1 - p."""
    p = kernels.softmax(x)
    weighted = p * np.abs(x)
    others = np.array([np.delete(weighted, i).sum() for i in range(x.size)])
    return u * (np.abs(x) * (1 - p) + others)


@right("11.3")
def einsum_form(x, u):
    """einsum over the log-softmax Jacobian."""
    e = np.exp(x - np.max(x))
    jacobian = np.identity(len(x)) - (e / e.sum())[None, :]
    return np.einsum("ij,j->i", abs(jacobian), abs(x)) * u


@right("11.3")
def rows_of_vjps(x, u):
    """The Jacobian row by row, from the course's vector-Jacobian product."""
    log_p = kernels.log_softmax(x)
    J = np.stack([gradients.log_softmax_vjp(log_p, row) for row in np.eye(x.size)])
    return u * (np.abs(J) * np.abs(x)).sum(axis=1)


@right("11.3")
def exact_then_float(x, u):
    """mpmath, forty digits."""
    with mpmath.workdps(40):
        e = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
        total = mpmath.fsum(e)
        return np.array(
            [
                float(
                    u
                    * mpmath.fsum(
                        abs((i == j) - e[j] / total) * abs(float(x[j])) for j in range(len(x))
                    )
                )
                for i in range(len(x))
            ]
        )


@wrong("11.3")
def softmax_jacobian(x, u):
    """How far p moves, not log p."""
    return u * np.abs(gradients.softmax_jacobian(x)) @ np.abs(x)


@wrong("11.3")
def signs_may_cancel(x, u):
    """|J x| for |J| |x|."""
    p = scipy.special.softmax(x)
    return u * np.abs((np.eye(x.size) - p) @ x)


@wrong("11.3")
def abs_of_logits_only(x, u):
    """J |x|, the Jacobian with its signs."""
    p = scipy.special.softmax(x)
    return u * (np.eye(x.size) - p) @ np.abs(x)


@wrong("11.3")
def own_logit_only(x, u):
    """The diagonal alone."""
    return u * (1 - scipy.special.softmax(x)) * np.abs(x)


@wrong("11.3")
def p_down_the_columns(x, u):
    """delta_ij - p_i: transposed."""
    p = scipy.special.softmax(x)
    return u * np.abs(np.eye(x.size) - p[:, None]) @ np.abs(x)


@wrong("11.3")
def crude_bound(x, u):
    """Twice the largest logit, for all."""
    return np.full(x.shape, 2 * u * np.abs(x).max())


@wrong("11.3")
def simpler_bound(x, u):
    """|x_i| + sum of p_j |x_j|: a bound of the bound."""
    return u * (np.abs(x) + scipy.special.softmax(x) @ np.abs(x))


@wrong("11.3")
def after_the_shift(x, u):
    """Distances from the maximum in place of the logits."""
    d = np.abs(x - x.max())
    return u * np.abs(np.eye(x.size) - scipy.special.softmax(x)) @ d


@wrong("11.3")
def twice_u(x, u):
    """eps for u."""
    return 2 * matrix_of_distances(x, u)


@wrong("11.3")
def half_u(x, u):
    """Half of it."""
    return matrix_of_distances(x, u) / 2


@wrong("11.3")
def without_u(x, u):
    """u left out."""
    return matrix_of_distances(x, 1.0)


@wrong("11.3")
def overflowing(x, u):
    """exp(x) as it is."""
    p = np.exp(x) / np.exp(x).sum()
    return u * np.abs(np.eye(x.size) - p) @ np.abs(x)


@wrong("11.3")
def largest_term(x, u):
    """The largest term for the sum of them."""
    p = scipy.special.softmax(x)
    return u * (np.abs(np.eye(x.size) - p) * np.abs(x)).max(axis=1)


@wrong("11.3")
def down_the_classes(x, u):
    """Sums over i."""
    p = scipy.special.softmax(x)
    return u * (np.abs(np.eye(x.size) - p) * np.abs(x)).sum(axis=0)


@wrong("11.3")
def norm_of_the_rows(x, u):
    """A Euclidean norm for the sum."""
    p = scipy.special.softmax(x)
    return u * np.sqrt((((np.eye(x.size) - p) * x) ** 2).sum(axis=1))


@wrong("11.3")
def one_number(x, u):
    """The sum of all."""
    return matrix_of_distances(x, u).sum()


@wrong("11.3")
def spread_around_mean(x, u):
    """|x_i - mean|: the signs cancel inside."""
    p = scipy.special.softmax(x)
    return u * np.abs(x - p @ x)


@wrong("11.3")
def only_the_others(x, u):
    """The own logit's part forgotten."""
    p = scipy.special.softmax(x)
    return u * (p @ np.abs(x) - p * np.abs(x))


@wrong("11.3")
def softmax_of_sizes(x, u):
    """Softmax of |x|."""
    a = np.abs(x)
    return u * np.abs(np.eye(x.size) - scipy.special.softmax(a)) @ a


@wrong("11.3")
def jacobian_over_p(x, u):
    """J / p_i: 0/0 where p underflows."""
    p = scipy.special.softmax(x)
    return u * np.abs(gradients.softmax_jacobian(x) / p[:, None]) @ np.abs(x)


# 11.4 softmax_rounded(x, rnd)


@right("11.4")
def plain_loop(x, rnd):
    """A loop for the sum."""
    e = rnd(np.exp(rnd(x - x.max())))
    s = e[0]
    for term in e[1:]:
        s = rnd(s + term)
    return rnd(e / s)


@right("11.4")
def everything_one_by_one(x, rnd):
    """Numbers only, lists and math."""
    top = max(x)
    e = [rnd(math.exp(rnd(v - top))) for v in x]
    total = 0.0
    for term in e:
        total = rnd(total + term)
    return [float(rnd(term / total)) for term in e]


@right("11.4")
def reduced(x, rnd):
    """functools.reduce."""
    e = rnd(np.exp(rnd(np.subtract(x, np.amax(x)))))
    return rnd(np.divide(e, reduce(lambda s, t: rnd(s + t), e)))


@right("11.4")
def accumulated(x, rnd):
    """itertools.accumulate, its last value."""
    e = rnd(np.exp(rnd(x - np.max(x))))
    *_, total = accumulate(e, lambda s, t: float(rnd(s + t)))
    return np.array([rnd(term / total) for term in e], dtype=np.float64)


@right("11.4")
def wider_exp(x, rnd):
    """exp and the quotient in long double, then float64, then the format."""
    d = np.asarray(rnd(x - x.max()), dtype=np.longdouble)
    e = rnd(np.exp(d).astype(np.float64))
    s = np.float64(0)
    for i in range(len(e)):
        s = rnd(s + e[i])
    return rnd((e.astype(np.longdouble) / s).astype(np.float64))


@right("11.4")
def rounds_logits_again(x, rnd):
    """Rounds the logits too, which changes nothing."""
    x = rnd(x)
    e = rnd(np.exp(rnd(x - rnd(x.max()))))
    s = rnd(e[0])
    for i in range(1, e.shape[0]):
        s = rnd(s + e[i])
    return np.stack([rnd(v / s) for v in e])


def folded(e, rnd):
    """The terms from left to right."""
    return reduce(lambda s, t: rnd(s + t), e)


@wrong("11.4")
def rounds_once(x, rnd):
    """One rounding at the end."""
    return rnd(scipy.special.softmax(x))


@wrong("11.4")
def logits_and_result(x, rnd):
    """Rounds what goes in and what comes out."""
    return rnd(scipy.special.softmax(rnd(x)))


@wrong("11.4")
def wide_sum(x, rnd):
    """The sum in float64, rounded once."""
    e = rnd(np.exp(rnd(x - x.max())))
    return rnd(e / rnd(e.sum()))


@wrong("11.4")
def sum_never_rounded(x, rnd):
    """The sum in float64, not rounded at all."""
    e = rnd(np.exp(rnd(x - x.max())))
    return rnd(e / e.sum())


@wrong("11.4")
def difference_wide(x, rnd):
    """x - m unrounded."""
    e = rnd(np.exp(x - x.max()))
    return rnd(e / folded(e, rnd))


@wrong("11.4")
def exp_wide(x, rnd):
    """The exp unrounded."""
    e = np.exp(rnd(x - x.max()))
    return rnd(e / folded(e, rnd))


@wrong("11.4")
def quotient_wide(x, rnd):
    """The quotient unrounded."""
    e = rnd(np.exp(rnd(x - x.max())))
    return e / folded(e, rnd)


@wrong("11.4")
def reciprocal(x, rnd):
    """Multiplies by the rounded 1/s."""
    e = rnd(np.exp(rnd(x - x.max())))
    return rnd(e * rnd(1 / folded(e, rnd)))


@wrong("11.4")
def without_division(x, rnd):
    """exp(x - LSE)."""
    top = x.max()
    e = rnd(np.exp(rnd(x - top)))
    lse = rnd(top + rnd(np.log(folded(e, rnd))))
    return rnd(np.exp(rnd(x - lse)))


@wrong("11.4")
def shifted_without_division(x, rnd):
    """exp(d - log s)."""
    d = rnd(x - x.max())
    s = folded(rnd(np.exp(d)), rnd)
    return rnd(np.exp(rnd(d - rnd(np.log(s)))))


@wrong("11.4")
def unshifted(x, rnd):
    """No shift."""
    e = rnd(np.exp(x))
    return rnd(e / folded(e, rnd))


@wrong("11.4")
def from_the_right(x, rnd):
    """The sum from the right."""
    e = rnd(np.exp(rnd(x - x.max())))
    return rnd(e / folded(e[::-1], rnd))


@wrong("11.4")
def smallest_first(x, rnd):
    """The sum in ascending order."""
    e = rnd(np.exp(rnd(x - x.max())))
    return rnd(e / folded(np.sort(e), rnd))


@wrong("11.4")
def largest_first(x, rnd):
    """The sum in descending order."""
    e = rnd(np.exp(rnd(x - x.max())))
    return rnd(e / folded(np.sort(e)[::-1], rnd))


@wrong("11.4")
def pairwise(x, rnd):
    """Sums in a tree."""
    e = rnd(np.exp(rnd(x - x.max())))
    level = list(e)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [rnd(a + b) for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return rnd(e / level[0])


@wrong("11.4")
def maximum_kept_for_last(x, rnd):
    """The maximum's 1 is added last."""
    e = rnd(np.exp(rnd(x - x.max())))
    rest = np.delete(e, np.argmax(x))
    s = rnd(1 + folded(rest, rnd)) if rest.size else 1.0
    return rnd(e / s)


@wrong("11.4")
def cumulative_sum_rounded(x, rnd):
    """rnd of a cumsum rounds the running sums, but never goes on from the rounded one."""
    e = rnd(np.exp(rnd(x - x.max())))
    return rnd(e / rnd(np.cumsum(e))[-1])


@wrong("11.4")
def half_precision_always(x, rnd):
    """Casts to float16 in place of rnd."""
    h = x.astype(np.float16)
    e = np.exp(h - h.max())
    s = np.float16(0)
    for term in e:
        s = s + term
    return (e / s).astype(np.float64)


@wrong("11.4")
def sums_the_wide_terms(x, rnd):
    """Rounds the numerator, sums the unrounded terms."""
    e = np.exp(rnd(x - x.max()))
    return rnd(rnd(e) / folded(e, rnd))


@wrong("11.4")
def not_normalised(x, rnd):
    """No division."""
    return rnd(np.exp(rnd(x - x.max())))


@wrong("11.4")
def smallest_as_shift(x, rnd):
    """Shifts by the minimum."""
    e = rnd(np.exp(rnd(x - x.min())))
    return rnd(e / folded(e, rnd))


# 11.5 lse_bound(x, u)


@right("11.5")
def by_scipy(x, u):
    """SciPy's log-sum-exp."""
    y = scipy.special.logsumexp(x)
    return (abs(y) + y + x.size - 1 - x.min()) * u


@right("11.5")
def by_logaddexp(x, u):
    """Folds logaddexp."""
    y = np.logaddexp.reduce(x)
    return u * (np.abs(y) + (y - np.min(x)) + (len(x) - 1))


@right("11.5")
def line_by_line(x, u):
    """The parts, in Python."""
    m = max(x)
    y = m + math.log(sum(math.exp(v - m) for v in x))
    bound = 0.0
    bound += abs(y)
    bound += y - m
    bound += len(x) - 1 + m - min(x)
    return bound * u


@right("11.5")
def by_tensor(x, u):
    """torch."""
    t = torch.tensor(x, dtype=torch.float64)
    y = t.logsumexp(0)
    return ((y.abs() + y + t.numel() - 1 - t.min()) * u).item()


@right("11.5")
def by_kernel(x, u):
    """The course's kernel; twice the positive part for |y| + y."""
    y = float(kernels.logsumexp(x))
    return (2 * max(y, 0) + x.shape[0] - 1 - np.sort(x)[0]) * u


@right("11.5")
def by_mpmath(x, u):
    """mpmath."""
    with mpmath.workdps(40):
        y = mpmath.log(mpmath.fsum(mpmath.exp(float(v)) for v in x))
        return float((abs(y) + y + len(x) - 1 - float(min(x))) * u)


def lse(x):
    """Stable log-sum-exp."""
    return scipy.special.logsumexp(x)


@wrong("11.5")
def term_of_the_script(x, u):
    """The term without the last addition's."""
    return abs(lse(x) + x.size - x.min()) * u


@wrong("11.5")
def last_addition_missing(x, u):
    """y + n - 1 - min x, |y| left out."""
    return (lse(x) + x.size - 1 - x.min()) * u


@wrong("11.5")
def as_relative_error(x, u):
    """Divided by |y|."""
    return by_scipy(x, u) / abs(lse(x))


@wrong("11.5")
def maximum_for_minimum(x, u):
    """max x."""
    y = lse(x)
    return (abs(y) + y + x.size - 1 - x.max()) * u


@wrong("11.5")
def minimum_added(x, u):
    """+ min x."""
    y = lse(x)
    return (abs(y) + y + x.size - 1 + x.min()) * u


@wrong("11.5")
def size_of_minimum(x, u):
    """|min x|."""
    y = lse(x)
    return (abs(y) + y + x.size - 1 - abs(x.min())) * u


@wrong("11.5")
def size_of_minimum_added(x, u):
    """+ |min x|: right where the minimum is negative."""
    y = lse(x)
    return (abs(y) + y + x.size - 1 + abs(x.min())) * u


@wrong("11.5")
def smallest_size(x, u):
    """min |x|."""
    y = lse(x)
    return (abs(y) + y + x.size - 1 - np.abs(x).min()) * u


@wrong("11.5")
def twice_y(x, u):
    """2y."""
    return (2 * lse(x) + x.size - 1 - x.min()) * u


@wrong("11.5")
def twice_size_of_y(x, u):
    """2|y|."""
    return (2 * abs(lse(x)) + x.size - 1 - x.min()) * u


@wrong("11.5")
def in_machine_epsilon(x, u):
    """eps for u."""
    return 2 * by_scipy(x, u)


@wrong("11.5")
def u_left_out(x, u):
    """No u."""
    return by_scipy(x, 1.0)


@wrong("11.5")
def n_for_n_minus_one(x, u):
    """n."""
    return by_scipy(x, u) + u


@wrong("11.5")
def terms_not_counted(x, u):
    """n - 1 left out."""
    y = lse(x)
    return (abs(y) + y - x.min()) * u


@wrong("11.5")
def logarithm_of_n(x, u):
    """log2 n for n - 1, as for a tree."""
    y = lse(x)
    return (abs(y) + y + math.ceil(math.log2(x.size)) - x.min()) * u


@wrong("11.5")
def unstable_lse(x, u):
    """No shift."""
    y = np.log(np.exp(x).sum())
    return (abs(y) + y + x.size - 1 - x.min()) * u


@wrong("11.5")
def maximum_not_added_back(x, u):
    """The shift is not undone."""
    y = np.log(np.exp(x - x.max()).sum())
    return (abs(y) + y + x.size - 1 - x.min()) * u


@wrong("11.5")
def maximum_for_y(x, u):
    """The maximum in place of the log-sum-exp."""
    y = x.max()
    return (abs(y) + y + x.size - 1 - x.min()) * u


@wrong("11.5")
def sharper_form(x, u):
    """The weight s/(1 + s) kept."""
    m = x.max()
    s = np.delete(np.exp(x - m), np.argmax(x)).sum()
    y = m + np.log1p(s)
    return (abs(y) + (y - m) + (x.size - 1 + m - x.min()) * s / (1 + s)) * u


@wrong("11.5")
def range_twice(x, u):
    """max - min in place of y - min."""
    y = lse(x)
    return (abs(y) + x.max() + x.size - 1 - x.min()) * u


@wrong("11.5")
def measured_error(x, u):
    """The error of one run in float32, not a bound."""
    y = lse(x.astype(np.float32))
    return abs(float(y) - lse(x))


@wrong("11.5")
def per_logit(x, u):
    """An array: each logit in place of the smallest."""
    y = lse(x)
    return (abs(y) + y + x.size - 1 - x) * u


# 11.6 softmax_sharp(x)


@right("11.6")
def double_inside(x):
    """float64 inside."""
    z = x.astype(np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@right("11.6")
def double_inside_and_back(x):
    """float64 inside, float32 outside."""
    return scipy.special.softmax(x.astype(float), axis=-1).astype(np.float32)


@right("11.6")
def two_sum_shift(x):
    """Knuth's two-sum of x and -m; e grows by e times what was lost."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    back = d - x
    lost = (x - (d - back)) + (-m - back)
    e = np.exp(d)
    e = e + e * lost
    return e / e.sum(axis=-1, keepdims=True)


@right("11.6")
def ordered_fast_two_sum(x):
    """Dekker's fast two-sum, the larger operand first."""
    m = np.broadcast_to(np.max(x, axis=-1, keepdims=True), x.shape)
    d = x - m
    lost = np.where(np.abs(x) >= np.abs(m), (x - d) - m, x - (d + m))
    e = np.exp(d) * (np.float32(1) + lost)
    return e / np.sum(e, axis=-1, keepdims=True)


@right("11.6")
def tensor_double(x):
    """torch in float64."""
    return torch.softmax(torch.tensor(x).double(), dim=-1)


@right("11.6")
def long_double_log_softmax(x):
    """exp of a log-softmax, wide enough."""
    z = x.astype(np.longdouble)
    z = z - z.max(axis=-1, keepdims=True)
    z = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return np.exp(z).astype(np.float64)


@right("11.6")
def exact_rows(x):
    """Row by row in Python floats."""
    if x.ndim > 1:
        return np.array([exact_rows(row) for row in x]).reshape(x.shape)
    top = float(max(x))
    e = [math.exp(float(v) - top) for v in x]
    total = math.fsum(e)
    return np.array([v / total for v in e])


@right("11.6")
def difference_wide_only(x):
    """Only the difference is wide; exp of its head, times exp of its tail."""
    d = x.astype(np.float64) - x.max(axis=-1, keepdims=True)
    head = d.astype(np.float32)
    tail = (d - head).astype(np.float32)
    e = np.exp(head) * np.exp(tail)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def plain_shift(x):
    """The plain shift in float32."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def scipy_float32(x):
    """SciPy, in float32."""
    return scipy.special.softmax(x, axis=-1)


@wrong("11.6")
def torch_float32(x):
    """torch, in float32."""
    return torch.softmax(torch.tensor(x), dim=-1)


@wrong("11.6")
def widened_afterwards(x):
    """Cast to float64 when it is too late."""
    return plain_shift(x).astype(np.float64)


@wrong("11.6")
def widened_after_the_shift(x):
    """The difference is taken in float32, the rest in float64."""
    e = np.exp((x - x.max(axis=-1, keepdims=True)).astype(np.float64))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def wide_sum_only(x):
    """Only the sum in float64."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True, dtype=np.float64)


@wrong("11.6")
def exp_of_log_softmax(x):
    """exp(log_softmax) in float32."""
    return np.exp(scipy.special.log_softmax(x, axis=-1))


@wrong("11.6")
def division_free(x):
    """exp(x - LSE) in float32."""
    m = x.max(axis=-1, keepdims=True)
    return np.exp(x - (m + np.log(np.exp(x - m).sum(axis=-1, keepdims=True))))


@wrong("11.6")
def unshifted_float32(x):
    """No shift, float32."""
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def unshifted_double(x):
    """No shift, float64: NaN from 710 on."""
    e = np.exp(x.astype(np.float64))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def lost_part_is_zero(x):
    """(x - m) - d is d - d."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    lost = (x - m) - d
    e = np.exp(d)
    e = e + e * lost
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def lost_part_added_to_d(x):
    """exp(d + lost): the sum rounds it away again."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    back = d - x
    lost = (x - (d - back)) + (-m - back)
    e = np.exp(d + lost)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def lost_with_wrong_sign(x):
    """1 - lost."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    back = d - x
    lost = (x - (d - back)) + (-m - back)
    e = np.exp(d) * (1 - lost)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def lost_added_to_e(x):
    """e + lost in place of e + e * lost."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    back = d - x
    lost = (x - (d - back)) + (-m - back)
    e = np.exp(d) + lost
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def smaller_operand_first(x):
    """Fast two-sum that takes |x| >= |m| for granted."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    lost = (x - d) - m
    e = np.exp(d)
    e = e + e * lost
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def maximum_taken_as_larger(x):
    """Fast two-sum that takes |m| >= |x| for granted."""
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    lost = x - (d + m)
    e = np.exp(d)
    e = e + e * lost
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def global_maximum_double(x):
    """float64, but the maximum of the whole batch."""
    z = x.astype(np.float64)
    e = np.exp(z - z.max())
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def batch_axis(x):
    """float64, over the first axis."""
    return scipy.special.softmax(x.astype(np.float64), axis=0)


@wrong("11.6")
def whole_array(x):
    """float64, over everything."""
    return scipy.special.softmax(x.astype(np.float64))


@wrong("11.6")
def mean_shift(x):
    """Shifts by the mean."""
    e = np.exp(x - x.mean(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def rounded_by_helper(x):
    """Rounds the wide result to float16."""
    return formats.round_to(double_inside(x), "float16").astype(np.float32)


@wrong("11.6")
def clipped_range(x):
    """Clips d at -80: small entries become too large."""
    z = x.astype(np.float64)
    e = np.exp(np.clip(z - z.max(axis=-1, keepdims=True), -60, 0))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("11.6")
def epsilon_in_denominator(x):
    """float64, and an epsilon against division by zero."""
    z = x.astype(np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / (e.sum(axis=-1, keepdims=True) + 1e-5)
