"""Exercises 11.1 to 11.6: rounding, steps between floats, floors, rounded algorithms, bounds."""

from __future__ import annotations

import math

import numpy as np

from helpers import formats
from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(11)

# precision, smallest exponent, largest number: what 11.1 is called with
FLOAT16 = (11, -14, 65504.0)
BFLOAT16 = (8, -126, 3.3895313892515355e38)
E4M3 = (4, -6, 448.0)
E5M2 = (3, -14, 57344.0)
NAMES = {
    FLOAT16: "float16",
    BFLOAT16: "bfloat16",
    E4M3: "float8_e4m3fn",
    E5M2: "float8_e5m2",
}


def _read_only(array):
    array.flags.writeable = False
    return array


def _softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _logsumexp(x):
    m = np.max(x)
    return m + np.log(np.sum(np.exp(x - m)))


# --- 11.1 ----------------------------------------------------------------------------------------


def _rounded_exactly(x, precision, min_exponent, largest):
    return formats.round_to(x, NAMES[precision, min_exponent, largest])


_NORMALS = _rng.standard_normal(40) * 2.0 ** _rng.integers(-10, 10, 40)
_TIES = np.array([2049.0, 2051.0, -2053.0, 1.00048828125, 1.00146484375])


@exercise(
    "11.1",
    minutes=10,
    probes=[
        ordinary(np.array([0.1, -1.7, 2.75, 1000.3]), *FLOAT16, note="four numbers, to float16"),
        ordinary(_TIES, *FLOAT16, note="half way between two numbers of float16"),
        ordinary(np.array([1.0 + 3 * 2.0**-12, -1.0 - 3 * 2.0**-12]), *FLOAT16,
                 note="three quarters of a step above 1"),
        ordinary(np.array([0.0, 1.0, -2.0]), *FLOAT16, note="numbers of the format"),
        ordinary(np.array([1.0 + 2.0**-11 + 2.0**-40, 3.0 - 2.0**-10 - 2.0**-40]), *FLOAT16,
                 note="a little beyond half way"),
        ordinary(_NORMALS.reshape(8, 5), *FLOAT16, note="a matrix, to float16"),
        ordinary(_read_only(_NORMALS.copy()), *BFLOAT16, note="a read-only array, to bfloat16"),
        ordinary(np.array([0.3, -0.07, 9.5, 17.0, 100.0, 300.0]), *E4M3, note="to E4M3"),
        ordinary(np.array([0.3, -0.07, 9.0, 11.0, 100.0, 3e4]), *E5M2, note="to E5M2"),
        ordinary(0.7, *FLOAT16, note="a single number"),
        extreme(np.array([0.7 * 2.0**-24, 2.0**-20, 3.3 * 2.0**-24, -1e-6]), *FLOAT16,
                note="below the smallest normal number"),
        extreme(np.array([2.0**-9, 0.013, -0.001]), *E4M3, note="below E4M3's smallest normal"),
        extreme(np.array([7e4, -7e4, 65519.0, 65520.0, 1e300]), *FLOAT16,
                note="beyond the largest number"),
        extreme(np.array([65510.0, -65510.0]), *FLOAT16,
                note="beyond the largest number before rounding only"),
        extreme(np.array([448.0, 463.0, 465.0, -500.0]), *E4M3, note="where E4M3 ends"),
        extreme(np.array([np.nan, np.inf, -np.inf, 0.0, 2.5]), *FLOAT16, note="NaN and infinities"),
    ],
    truth=_rounded_exactly,
    tolerance=0.0,
    remark="formats.round_to does it by name, for numbers with any number of digits.",
)  # fmt: skip
def chop(x, precision, min_exponent, largest):
    """Return x rounded to the nearest number of a floating-point format, ties to even.

    x : float64 array of any shape, or a number. It is left unchanged.
    precision : the bits of the significand, the hidden one included.
    min_exponent : the exponent of the smallest normal number, 2**min_exponent.
    largest : the largest finite number.

    The format's numbers lie 2**(max(e, min_exponent) - precision + 1) apart where
    2**e <= |x| < 2**(e + 1). What is beyond `largest` after rounding becomes inf or -inf. NaN,
    the infinities and 0 stay. The result is float64, of the shape of x. (No cast to the format:
    the function has to work for formats that NumPy lacks.)
    """
    _, exponent = np.frexp(x)  # 2**(exponent - 1) <= |x| < 2**exponent
    step = np.ldexp(1.0, np.maximum(exponent - 1, min_exponent) - precision + 1)
    rounded = np.rint(x / step) * step
    return np.where(np.abs(rounded) > largest, np.copysign(np.inf, x), rounded)


chop.hints(
    "Rounding to a format is rounding to a whole number of steps: x / step, to the nearest "
    "integer, times step. Everything is in the size of the step.",
    "np.frexp(x) gives (fraction, exponent) with 2**(exponent - 1) <= |x| < 2**exponent, for "
    "every number at once, without a logarithm.",
    "np.rint rounds ties to even, as the formats do. Below 2**min_exponent the step stays that of "
    "the smallest normal number.",
    "Compare with `largest` after rounding: np.where(np.abs(rounded) > largest, ..., rounded).",
)
chop.reasoning(
    "Between two powers of two a format's numbers are equally far apart, so there rounding is "
    "rounding to integers, with a step that is a power of two: dividing and multiplying by it is "
    "exact in float64. Below the smallest normal exponent the step shrinks no further: those are "
    "the subnormal numbers, 0 among them. A number overflows if, rounded as if there were no end, "
    "it lies beyond the largest; so the comparison comes last."
)


def _step(x, precision, min_exponent):
    _, exponent = np.frexp(x)
    return np.ldexp(1.0, np.maximum(exponent - 1, min_exponent) - precision + 1)


def _ended(rounded, x, largest):
    return np.where(np.abs(rounded) > largest, np.copysign(np.inf, x), rounded)


@chop.mistake(
    "digits are cut off, not rounded: every result lies on the side of 0. "
    "Take the nearest number, by np.rint."
)
def truncates(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    return _ended(np.trunc(x / step) * step, x, largest)


@chop.mistake("everything was rounded down, towards −∞. Take the nearest number, by np.rint.")
def rounds_down(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    return _ended(np.floor(x / step) * step, x, largest)


@chop.mistake(
    "ties do not go to the even neighbour, as they do in the formats, so that on average nothing "
    "drifts: np.rint does that, floor(… + 0.5) does not.",
    up=(False, True),
)
def half_away_from_zero(x, precision, min_exponent, largest, *, up):
    step = _step(x, precision, min_exponent)
    if up:
        return _ended(np.floor(x / step + 0.5) * step, x, largest)
    return _ended(np.copysign(np.floor(np.abs(x) / step + 0.5) * step, x), x, largest)


@chop.mistake(
    "two roundings: x was rounded to float32 first, and then to the format. A number a little "
    "beyond half way lands on the tie, and then on the wrong side. Stay in float64."
)
def rounded_twice(x, precision, min_exponent, largest):
    with np.errstate(over="ignore"):
        single = np.float64(np.float32(x))
    return _ended(np.rint(single / _step(single, precision, min_exponent))
                  * _step(single, precision, min_exponent), single, largest)  # fmt: skip


@chop.mistake(
    "a cast to one format, whatever the arguments say: `precision`, `min_exponent` and `largest` "
    "describe the format.",
    name=("float16", "bfloat16"),
)
def casts_to_one_format(x, precision, min_exponent, largest, *, name):
    return formats.round_to(x, name)


@chop.mistake(
    "one step for the whole array, that of its largest number: each number has a step of its own."
)
def one_step_for_the_array(x, precision, min_exponent, largest):
    top = np.max(np.abs(np.where(np.isfinite(x), x, 0.0)))
    step = _step(top, precision, min_exponent)
    return np.where(np.isfinite(x), _ended(np.rint(x / step) * step, x, largest), x)


@chop.mistake("the sign is lost: take |x| for the size of the step only, and round x itself.")
def sign_lost(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    return np.abs(_ended(np.rint(x / step) * step, x, largest))


@chop.mistake(
    "tiny numbers keep all their bits: below 2**min_exponent the step has to stay as it is, "
    "since the exponent can go no lower."
)
def no_subnormals(x, precision, min_exponent, largest):
    step = _step(x, precision, -1000)
    return _ended(np.rint(x / step) * step, x, largest)


@chop.mistake(
    "everything below the smallest normal number became 0: the format has subnormal numbers "
    "there, with fewer bits. Only what is nearer to 0 than to the smallest of them is 0."
)
def flushes_subnormals(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    rounded = _ended(np.rint(x / step) * step, x, largest)
    return np.where(np.abs(rounded) < 2.0**min_exponent, 0.0, rounded)


@chop.mistake(
    "numbers below the smallest subnormal were set to 0 before rounding: what is nearer to it "
    "than to 0 becomes that number. Rounding decides by itself."
)
def zeroed_before_rounding(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    smallest = 2.0 ** (min_exponent - precision + 1)
    return np.where(np.abs(x) < smallest, 0.0, _ended(np.rint(x / step) * step, x, largest))


@chop.mistake(
    "what is too large came back as the largest number: here it overflows to an infinity of "
    "its sign."
)
def stops_at_the_largest(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    return np.clip(np.rint(x / step) * step, -largest, largest)


@chop.mistake("nothing overflows: beyond `largest` the format has no numbers, only ±inf.")
def no_overflow(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    return np.rint(x / step) * step


@chop.mistake(
    "x was compared with `largest` before rounding: a number a little beyond it still rounds "
    "down to it. Round first, compare after."
)
def compares_before_rounding(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    return np.where(np.abs(x) > largest, np.copysign(np.inf, x), np.rint(x / step) * step)


@chop.mistake("a large negative number became +inf: keep its sign, by np.copysign.")
def infinity_without_its_sign(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    rounded = np.rint(x / step) * step
    return np.where(np.abs(rounded) > largest, np.inf, rounded)


@chop.mistake("only the positive side overflows: compare |…| with `largest`, and keep the sign.")
def negative_side_forgotten(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    rounded = np.rint(x / step) * step
    return np.where(rounded > largest, np.inf, rounded)


@chop.mistake("`largest` itself became infinite: it is a number of the format. Take >, not >=.")
def largest_overflows(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    rounded = np.rint(x / step) * step
    return np.where(np.abs(rounded) >= largest, np.copysign(np.inf, x), rounded)


@chop.mistake(
    "the infinities became NaN: log2(inf) is inf, so the step is, and inf/inf follows. np.frexp "
    "knows no such exception."
)
def infinities_become_nan(x, precision, min_exponent, largest):
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.floor(np.log2(np.abs(x))), min_exponent)
        step = 2.0 ** (exponent - precision + 1)
        return _ended(np.rint(x / step) * step, x, largest)


@chop.mistake("NaN was replaced by a number: NaN stays NaN.")
def nan_replaced(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent)
    rounded = _ended(np.rint(x / step) * step, x, largest)
    return np.where(np.isnan(x), 0.0, rounded)


@chop.mistake(
    "one step for all numbers: that is fixed point. In floating point the step doubles with "
    "every power of two; it depends on x."
)
def one_grid(x, precision, min_exponent, largest):
    step = 2.0 ** (1 - precision)
    return _ended(np.rint(x / step) * step, x, largest)


@chop.mistake(
    "the results have one bit too many: `precision` counts the hidden bit already, so the step "
    "at 1 is 2**(1 - precision)."
)
def hidden_bit_counted_twice(x, precision, min_exponent, largest):
    step = _step(x, precision, min_exponent) / 2
    return _ended(np.rint(x / step) * step, x, largest)


@chop.mistake(
    "the results have one bit too few, a step twice as wide: np.frexp's fraction lies in "
    "[1/2, 1), so its exponent is one larger than e, and so is ceil(log2 |x|); or the hidden bit "
    "was counted off twice.",
    frexp=(True, False),
)
def one_bit_too_few(x, precision, min_exponent, largest, *, frexp):
    if frexp:
        step = np.ldexp(1.0, np.maximum(np.frexp(x)[1], min_exponent) - precision + 1)
    else:
        step = 2 * _step(x, precision, min_exponent)
    return _ended(np.rint(x / step) * step, x, largest)


@chop.mistake(
    "you rounded to decimal digits: the format's numbers are multiples of powers of two.",
    significant=(False, True),
    digits=("as many", "fewer", "precision"),
)
def decimals(x, precision, min_exponent, largest, *, significant, digits):
    worth = precision * math.log10(2)
    digits = {"as many": math.ceil(worth), "fewer": int(worth), "precision": precision}[digits]
    if not significant:
        return _ended(np.round(x, digits), x, largest)
    rounded = [float(f"{value:.{digits - 1}e}") for value in np.ravel(x)]
    return _ended(np.reshape(rounded, np.shape(x)), x, largest)


@chop.mistake(
    "0 became NaN: log2(0) is −inf, so its step is 0 and 0/0 follows. np.frexp knows no such "
    "exception."
)
def nan_at_zero(x, precision, min_exponent, largest):
    exponent = np.floor(np.log2(np.abs(x)))
    step = 2.0 ** (exponent - precision + 1)
    return _ended(np.rint(x / step) * step, x, largest)


# --- 11.2 ----------------------------------------------------------------------------------------


def _f32(*values):
    return np.array(values, dtype=np.float32)


def _place_by_arithmetic(x):
    """Return the number of positive floats up to each |x|, by exponent and fraction; signed."""
    places = []
    for value in np.ravel(np.asarray(x, dtype=np.float64)):
        fraction, exponent = math.frexp(abs(float(value)))
        if exponent <= -126 or value == 0:  # subnormal or 0
            place = round(abs(float(value)) * 2.0**149)
        else:
            place = (exponent + 126) * 2**23 + round((2 * fraction - 1) * 2**23)
        places.append(-place if value < 0 else place)
    return np.array(places, dtype=np.int64).reshape(np.shape(x))


_PAIR = _rng.standard_normal((2, 4, 3)).astype(np.float32)
_TINY = 1.401298464324817e-45


@exercise(
    "11.2",
    minutes=9,
    probes=[
        ordinary(_f32(1.0), _f32(1.0000001192092896), note="neighbours"),
        ordinary(_f32(2.0), _f32(2.000000238418579), note="neighbours above 2"),
        ordinary(_f32(1.0), _f32(4.0), note="two powers of two apart"),
        ordinary(_f32(4.0, 1.5, 0.3), _f32(1.0, 1.5, 0.1), note="the first one larger"),
        ordinary(_PAIR[0], np.abs(_PAIR[0]) * np.sign(_PAIR[0]) * _f32(1.5), note="a matrix"),
        ordinary(_PAIR[0], _PAIR[1], note="both signs"),
        ordinary(_f32(-_TINY), _f32(_TINY), note="on both sides of 0"),
        ordinary(_f32(0.0, -0.0, 0.0), _f32(-0.0, 0.0, _TINY), note="the two zeros"),
        ordinary(_f32(1e-9, 3e-30), _f32(1.1e-9, 3.1e-30), note="small numbers"),
        ordinary(_read_only(_f32(-2.5, -7.0)), _read_only(_f32(-2.25, -100.0)),
                 note="negative ones, in read-only arrays"),
        ordinary(_f32(-3e38, 3.4028234663852886e38), _f32(3e38, -3.4028234663852886e38),
                 note="from one end to the other"),
        ordinary(_f32(), _f32(), note="no numbers"),
    ],
    truth=lambda a, b: np.abs(_place_by_arithmetic(a) - _place_by_arithmetic(b)),
    tolerance=0.0,
    remark="With it you can say that two float32 softmaxes agree to 3 steps; allclose cannot.",
)  # fmt: skip
def ulps_between(a, b):
    """Return how many steps of float32 lie between a and b, element by element.

    a, b : float32 arrays of one shape, all finite.
    Returns an int64 array of that shape, nowhere negative: 0 for equal numbers, 1 for neighbours.
    0.0 and -0.0 are one number. It has to be right for any two finite numbers, whatever their
    sizes and signs.
    """

    def place(x):
        bits = np.asarray(x, dtype=np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    return np.abs(place(a) - place(b))


ulps_between.hints(
    "The bits of positive floats, read as integers, are in the same order as the floats, and "
    "neighbours differ by 1. So number the floats.",
    "x.view(np.int32) reads the same four bytes as an integer; x.astype would convert.",
    "The sign is a bit of its own: a negative float's bits are those of |x| with the topmost bit "
    "set. Its place is minus that of |x|: bits & 0x7FFFFFFF are those of |x|.",
    "The difference of two places can be larger than an int32: subtract in int64.",
)
ulps_between.reasoning(
    "A positive float's bits hold the exponent first and then the fraction, so counting up the "
    "integer walks through the floats in order, over the powers of two too. That numbers the "
    "positive ones 1, 2, 3, …; the negative ones get the same numbers with a minus, and both "
    "zeros are 0. The number of steps is then a difference of integers, exact, up to 2^32."
)


@ulps_between.mistake(
    "|a − b| was divided by one eps: that is the step between 1 and 2 only. Steps grow with the "
    "numbers and shrink with them.",
    whole=(False, True),
)
def in_steps_at_one(a, b, *, whole):
    steps = np.abs(a.astype(np.float64) - b) / float(np.finfo(np.float32).eps)
    return np.round(steps).astype(np.int64) if whole else steps


@ulps_between.mistake(
    "you used one step for the whole way: from 1 to 4 the step doubles at 2, so the way has "
    "fewer steps than |a − b| over the step at one end.",
    end=("a", "b", "larger", "smaller"),
)
def one_step_for_the_whole_way(a, b, *, end):
    at_a, at_b = np.abs(np.spacing(a)), np.abs(np.spacing(b))
    step = {"a": at_a, "b": at_b, "larger": np.maximum(at_a, at_b),
            "smaller": np.minimum(at_a, at_b)}[end]  # fmt: skip
    return np.round(np.abs(a.astype(np.float64) - b) / step).astype(np.int64)


@ulps_between.mistake(
    "the raw bit patterns were subtracted: that is right for two numbers of one sign only. "
    "A negative float's bits begin with a 1, and grow as the float falls.",
    bits=("int32", "uint32"),
)
def raw_bit_patterns(a, b, *, bits):
    return np.abs(a.view(bits).astype(np.int64) - b.view(bits).astype(np.int64))


@ulps_between.mistake(
    "unsigned integers wrap round: below 0 they go on at 2^32. Subtract in int64."
)
def wraps_in_uint32(a, b):
    return np.abs(a.view(np.uint32) - b.view(np.uint32)).astype(np.int64)


@ulps_between.mistake(
    "every way across 0 is one step too long: 0.0 and −0.0 count as two numbers there. Number the "
    "negative floats by minus the bits of |x|, not by their complement.",
    equal_zeros=(False, True),
)
def two_zeros(a, b, *, equal_zeros):
    def place(x):
        bits = (x + 0 if equal_zeros else x).view(np.int32).astype(np.int64)
        return np.where(bits < 0, ~(bits & 0x7FFFFFFF), bits)

    return np.abs(place(a) - place(b))


@ulps_between.mistake(
    "the negative floats got places above the positive ones: 2^31 − bits, in int64, is positive "
    "where bits is negative. The place of a negative float is −2^31 − bits.",
    positive=(0, 2**31),
)
def negative_floats_on_top(a, b, *, positive):
    def place(x):
        bits = x.view(np.int32).astype(np.int64)
        return np.where(bits < 0, 2**31 - bits, bits + positive)

    return np.abs(place(a) - place(b))


@ulps_between.mistake(
    "the sign is masked off: 1 and −1 are no step apart then. A negative float's place is minus "
    "that of |x|."
)
def magnitudes_only(a, b):
    return np.abs(np.abs(_place_by_arithmetic(a)) - np.abs(_place_by_arithmetic(b)))


@ulps_between.mistake(
    "these are float64's steps, 2^29 to each of float32's: view the float32 numbers as int32."
)
def steps_of_float64(a, b):
    def place(x):
        bits = x.astype(np.float64).view(np.int64)
        return np.where(bits < 0, -(bits & (2**63 - 1)), bits)

    return np.abs(place(a) - place(b))


@ulps_between.mistake(
    "one too few: these are the numbers that lie between. Neighbours are 1 step apart."
)
def numbers_between(a, b):
    return np.maximum(np.abs(_place_by_arithmetic(a) - _place_by_arithmetic(b)) - 1, 0)


@ulps_between.mistake(
    "the places went through float32, which skips integers from 2^24 on: keep them in int64."
)
def places_in_float32(a, b):
    places = [_place_by_arithmetic(x).astype(np.float32) for x in (a, b)]
    return np.abs(places[0] - places[1]).astype(np.int64)


@ulps_between.mistake(
    "a walk with np.nextafter that gives up: there may be thousands of millions of steps.",
    limit=(100, 1000, 10000),
)
def walk_gives_up(a, b, *, limit):
    return np.minimum(np.abs(_place_by_arithmetic(a) - _place_by_arithmetic(b)), limit)


@ulps_between.mistake(
    "the difference does not fit in an int32 and wraps round: from one end of float32 to the "
    "other there are more than 2^31 steps. Subtract in int64."
)
def wraps_in_int32(a, b):
    def place(x):
        bits = x.view(np.int32)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits).astype(np.int32)

    return np.abs(place(a) - place(b)).astype(np.int64)


@ulps_between.mistake("the number of steps has a sign: it was asked how many, so take np.abs.")
def signed(a, b):
    return _place_by_arithmetic(b) - _place_by_arithmetic(a)


@ulps_between.mistake(
    "the numbers were converted to integers, and their bits were wanted: x.view(np.int32) reads "
    "the bytes as they are, x.astype(np.int32) cuts off the fraction."
)
def converts_instead_of_viewing(a, b):
    return np.abs(a.astype(np.int64) - b.astype(np.int64))


@ulps_between.mistake(
    "this is the relative difference in eps, which is not a whole number of steps: the step is "
    "the same for 1 and for 1.99, relative to them it is not.",
    whole=(False, True),
)
def relative_difference(a, b, *, whole):
    larger = np.maximum(np.abs(a), np.abs(b)).astype(np.float64)
    ratio = np.abs(a.astype(np.float64) - b) / np.where(larger > 0, larger, 1.0)
    steps = ratio / float(np.finfo(np.float32).eps)
    return np.round(steps).astype(np.int64) if whole else steps


# --- 11.3 ----------------------------------------------------------------------------------------

_U16, _U32 = 2.0**-11, 2.0**-24


def _floor_exactly(x, u):
    import mpmath

    with mpmath.workdps(50):
        values = [mpmath.mpf(float(v)) for v in x]
        terms = [mpmath.exp(v - max(values)) for v in values]
        p = [term / mpmath.fsum(terms) for term in terms]
        # 1 - p_i as the sum of the others, so that no digit is lost
        away = [mpmath.fsum(q for j, q in enumerate(p) if j != i) for i in range(len(p))]
        sums = [
            mpmath.fsum((away[i] if i == j else p[j]) * abs(v) for j, v in enumerate(values))
            for i in range(len(p))
        ]
        return np.array([float(u * s) for s in sums])


@exercise(
    "11.3",
    minutes=7,
    probes=[
        ordinary(np.array([2.0, 1.0, -1.0]), _U16, note="three logits"),
        ordinary(np.array([3.0, -2.0]), _U32, note="two classes"),
        ordinary(np.array([1.0, 1.0, 1.0, 1.0]), 2.0**-8, note="ties"),
        ordinary(np.array([4.0]), _U16, note="one class"),
        ordinary(_read_only(np.array([-3.0, -1.0, -2.0, -0.5])), _U16,
                 note="negative ones, in a read-only array"),
        ordinary(_rng.standard_normal(12) * 4, 2.0**-53, note="twelve classes"),
        extreme(np.array([1000.0, 998.0, -500.0]), _U16, note="exp(1000) overflows"),
        extreme(np.array([-900.0, -901.0, -905.0]), _U32, note="every exp of the logits is 0"),
    ],
    truth=_floor_exactly,
    scale=lambda x, u, expected: u * np.max(np.abs(x)) * np.ones(len(x)),
    relative=lambda x, u: 4500.0,  # with the 64 that all have: 1e-12
    remark="Divided by u it is a condition number: the factor by which log p feels the rounding.",
)  # fmt: skip
def rounding_floor(x, u):
    """Return, for every class, how far rounding the logits alone can move log p, to first order.

    x : 1-D float64 array of n logits, of any size (exp(x) may overflow).
    u : the unit roundoff of the format they are rounded to, a float.
    Returns an array of n numbers, the i-th u * Σ_j |δ_ij - p_j| |x_j|, with p the softmax of x.
    A library's softmax may be used.
    """
    e = np.exp(x - np.max(x))
    p = e / np.sum(e)
    return u * np.abs(np.eye(len(x)) - p) @ np.abs(x)


rounding_floor.hints(
    "Rounding moves x_j by at most u |x_j|. How far does log p_i move with x_j? The log-softmax "
    "Jacobian of notebook 06 says: by δ_ij - p_j times that.",
    "In the worst case all n moves add up, whatever their signs: absolute values inside the sum.",
    "The matrix |δ_ij - p_j| is np.abs(np.eye(n) - p): p is broadcast over the rows.",
    "Then a matrix-vector product with np.abs(x), times u. Shift x by its maximum for p, not in "
    "the product.",
)
rounding_floor.reasoning(
    "log p_i has the derivative δ_ij − p_j with respect to x_j, and rounding moves x_j by up to "
    "u |x_j|. The worst case takes every absolute value, so the bound is the matrix of absolute "
    "values times |x|, times u. No algorithm can beat it: it is lost before the first operation."
)


def _solved(x, u, matrix, sizes=None):
    return u * matrix @ (np.abs(x) if sizes is None else sizes)


@rounding_floor.mistake(
    "this is softmax's Jacobian: it moves p_i, and log p_i was asked. Leave the factor p_i out."
)
def jacobian_of_softmax(x, u):
    p = _softmax(x)
    return _solved(x, u, p[:, None] * np.abs(np.eye(len(x)) - p))


@rounding_floor.mistake(
    "absolute values were taken after the sum: then the moves cancel, and roundings need not. "
    "The worst case needs |δ_ij − p_j| |x_j| inside the sum."
)
def signs_cancel(x, u):
    return u * np.abs((np.eye(len(x)) - _softmax(x)) @ x)


@rounding_floor.mistake(
    "the matrix kept its signs: |x_j| alone is not enough, δ_ij − p_j is negative off the "
    "diagonal. Take np.abs of the matrix too."
)
def matrix_with_signs(x, u):
    return _solved(x, u, np.eye(len(x)) - _softmax(x))


@rounding_floor.mistake(
    "only the class's own logit is there: p_i feels the rounding of every logit, through the sum."
)
def diagonal_alone(x, u):
    return u * (1 - _softmax(x)) * np.abs(x)


@rounding_floor.mistake(
    "the matrix is transposed: the row is the class whose log p moves, the column the logit that "
    "is rounded. In row i stands |δ_ij − p_j|, with p_j along the row."
)
def transposed(x, u):
    return _solved(x, u, np.abs(np.eye(len(x)) - _softmax(x)).T)


@rounding_floor.mistake(
    "this is the coarse bound 2u·max|x| for every class: true, and larger than what was asked."
)
def coarse_bound(x, u):
    return 2 * u * np.max(np.abs(x)) * np.ones(len(x))


@rounding_floor.mistake(
    "this is the simpler bound u (|x_i| + Σ p_j |x_j|): the class's own logit enters with "
    "1 − p_i, not with 1 + p_i."
)
def own_logit_in_full(x, u):
    return u * (np.abs(x) + _softmax(x) @ np.abs(x))


@rounding_floor.mistake("the class's own logit is missing: it enters with 1 − p_i.")
def own_logit_missing(x, u):
    p = _softmax(x)
    return u * (p @ np.abs(x) - p * np.abs(x))


@rounding_floor.mistake(
    "the largest term was taken: all roundings may go the wrong way at once, so add them."
)
def largest_term(x, u):
    return u * np.max(np.abs(np.eye(len(x)) - _softmax(x)) * np.abs(x), axis=1)


@rounding_floor.mistake(
    "the sum runs over i, the class whose log p moves: sum over j, the logit that is rounded."
)
def summed_over_the_classes(x, u):
    return u * np.sum(np.abs(np.eye(len(x)) - _softmax(x)) * np.abs(x), axis=0)


@rounding_floor.mistake(
    "a root of a sum of squares: that is for independent errors. The worst case adds sizes."
)
def root_of_squares(x, u):
    return u * np.sqrt(np.sum(((np.eye(len(x)) - _softmax(x)) * x) ** 2, axis=1))


@rounding_floor.mistake("p is the softmax of x, not of |x|: the sizes stand in the product only.")
def softmax_of_sizes(x, u):
    return _solved(x, u, np.abs(np.eye(len(x)) - _softmax(np.abs(x))))


@rounding_floor.mistake("u is missing: the rounding moves x_j by u |x_j|.")
def without_u(x, u):
    return _solved(x, 1.0, np.abs(np.eye(len(x)) - _softmax(x)))


@rounding_floor.mistake(
    "softmax's Jacobian was divided by p_i: where p_i underflows, 0/0 follows. log-softmax's has "
    "no p_i in the first place."
)
def divided_by_p(x, u):
    p = _softmax(x)
    with np.errstate(all="ignore"):
        return _solved(x, u, np.abs(p[:, None] * (np.eye(len(x)) - p) / p[:, None]))


@rounding_floor.mistake(
    "distances from the maximum were taken for the logits: that is the floor after the shift, "
    "and here x itself was rounded."
)
def distances_from_the_maximum(x, u):
    return _solved(x, u, np.abs(np.eye(len(x)) - _softmax(x)), np.abs(x - np.max(x)))


@rounding_floor.mistake(
    "a factor 2: u is the unit roundoff, half of eps, and one rounding errs by at most u |x_j|.",
    factor=(2.0, 0.5),
)
def eps_for_u(x, u, *, factor):
    return _solved(x, factor * u, np.abs(np.eye(len(x)) - _softmax(x)))


@rounding_floor.mistake(
    "the softmax inside overflows or underflows: subtract the maximum before exp."
)
def softmax_without_shift(x, u):
    e = np.exp(x)
    return _solved(x, u, np.abs(np.eye(len(x)) - e / np.sum(e)))


# --- 11.4 ----------------------------------------------------------------------------------------


def to_float16(value):
    """Round to float16: one of the functions that 11.4 is called with."""
    return formats.round_to(value, "float16")


def to_bfloat16(value):
    """Round to bfloat16."""
    return formats.round_to(value, "bfloat16")


def to_e4m3(value):
    """Round to float8 E4M3."""
    return formats.round_to(value, "float8_e4m3fn")


def to_e5m2(value):
    """Round to float8 E5M2."""
    return formats.round_to(value, "float8_e5m2")


def _row(n, scale, rounding):
    return rounding(_rng.standard_normal(n) * scale)


def _rounded_with_exact_exp(x, rnd):
    """Compute as 11.4 asks, one class after the other, with exp and the quotient in 50 digits."""
    import mpmath

    with mpmath.workdps(50):
        m = max(float(v) for v in x)
        e = [float(rnd(mpmath.exp(float(rnd(mpmath.mpf(float(v)) - m))))) for v in x]
        total = e[0]
        for term in e[1:]:
            total = float(rnd(mpmath.mpf(total) + term))
        return np.array([float(rnd(mpmath.mpf(term) / total)) for term in e])


@exercise(
    "11.4",
    minutes=8,
    probes=[
        ordinary(np.array([1.0, 0.0, -1.0, 0.5]), to_float16, note="four classes in float16"),
        ordinary(_row(8, 2.0, to_float16), to_float16, note="eight classes in float16"),
        ordinary(_row(12, 3.0, to_float16), to_float16, note="twelve classes in float16"),
        ordinary(_row(6, 1.0, to_bfloat16), to_bfloat16, note="six classes in bfloat16"),
        ordinary(_row(11, 4.0, to_bfloat16), to_bfloat16, note="eleven classes in bfloat16"),
        ordinary(_row(7, 1.0, to_e4m3), to_e4m3, note="seven classes in E4M3"),
        ordinary(_row(10, 2.0, to_e4m3), to_e4m3, note="ten classes in E4M3"),
        ordinary(_row(5, 1.0, to_e5m2), to_e5m2, note="five classes in E5M2"),
        ordinary(_row(9, 3.0, to_e5m2), to_e5m2, note="nine classes in E5M2"),
        ordinary(np.array([2.0]), to_float16, note="one class"),
        ordinary(_read_only(_row(6, 2.0, to_float16)), to_float16, note="a read-only row"),
        extreme(to_float16(np.array([300.0, 299.0, 297.5, 290.0])), to_float16,
                note="exp(300) is beyond float16"),
        extreme(to_float16(np.array([-30.0, -31.0, -32.5, -30.25])), to_float16,
                note="exp(-30) is 0 in float16"),
    ],
    truth=_rounded_with_exact_exp,
    tolerance=0.0,
    remark="Any algorithm can be run like this, in a format that no machine has.",
)  # fmt: skip
def softmax_rounded(x, rnd):
    """Return the softmax of x by the max shift, rounded by rnd after every single operation.

    x : 1-D float64 array of n logits that are numbers of the format already.
    rnd : a function that rounds a number, or each number of an array, to the format.

    Round after each of these, in this order: the subtraction of the maximum; the exp; each
    addition of the n terms, from left to right; the division. Returns an array of n numbers of
    the format. (exp and the division themselves are float64's; two roundings are as good as one.)
    """
    e = rnd(np.exp(rnd(x - np.max(x))))
    total = e[0]
    for term in e[1:]:
        total = rnd(total + term)
    return rnd(e / total)


softmax_rounded.hints(
    "Write the shifted softmax, and put rnd(...) round each operation. Which line holds more than "
    "one operation?",
    "np.sum adds n times in float64. In the format every addition rounds: a loop, from left to "
    "right.",
    "total = e[0]; for term in e[1:]: total = rnd(total + term)",
    "The division is one operation, rounded once: rnd(e / total).",
)
softmax_rounded.reasoning(
    "A format's arithmetic is: the exact result of one operation, rounded. float64 is wide enough "
    "to hold the exact sum, difference and (nearly) quotient of two short numbers, so rounding "
    "each of its results emulates the narrow machine. A call to np.sum would hide n − 1 "
    "operations behind one rounding."
)


def _added(e, rnd):
    total = e[0]
    for term in e[1:]:
        total = rnd(total + term)
    return total


@softmax_rounded.mistake(
    "only the result was rounded: inside, everything ran in float64. That is the ideal, "
    "one rounding; a machine rounds after each operation."
)
def rounded_at_the_end(x, rnd):
    return rnd(_softmax(x))


@softmax_rounded.mistake(
    "the sum ran in float64 and was rounded once: n − 1 additions are n − 1 roundings here. "
    "(Accumulating in a wider format is what good libraries do, and not what was asked.)",
    rounded=(True, False),
)
def wide_sum(x, rnd, *, rounded):
    e = rnd(np.exp(rnd(x - np.max(x))))
    total = np.sum(e)
    return rnd(e / (rnd(total) if rounded else total))


@softmax_rounded.mistake("the difference x − max(x) was not rounded: it is an operation too.")
def difference_unrounded(x, rnd):
    e = rnd(np.exp(x - np.max(x)))
    return rnd(e / _added(e, rnd))


@softmax_rounded.mistake("exp's results were not rounded before they were added and divided.")
def exp_unrounded(x, rnd):
    e = np.exp(rnd(x - np.max(x)))
    return rnd(e / _added(e, rnd))


@softmax_rounded.mistake("the quotient was not rounded: the results are no numbers of the format.")
def quotient_unrounded(x, rnd):
    e = rnd(np.exp(rnd(x - np.max(x))))
    return e / _added(e, rnd)


@softmax_rounded.mistake(
    "you multiplied by 1/total, rounded: that is two operations and two roundings, where the "
    "division is one."
)
def times_the_reciprocal(x, rnd):
    e = rnd(np.exp(rnd(x - np.max(x))))
    return rnd(e * rnd(1 / _added(e, rnd)))


@softmax_rounded.mistake(
    "this is exp(x − LSE), the form without a division: another algorithm, with several times "
    "the error. Asked is the quotient.",
    shifted=(False, True),
)
def without_a_division(x, rnd, *, shifted):
    m = np.max(x)
    d = rnd(x - m)
    lse = rnd(np.log(_added(rnd(np.exp(d)), rnd)))
    return rnd(np.exp(rnd(d - lse))) if shifted else rnd(np.exp(rnd(x - rnd(m + lse))))


@softmax_rounded.mistake(
    "the maximum is not subtracted: in a narrow format exp leaves the range at 11 already."
)
def not_shifted(x, rnd):
    e = rnd(np.exp(x))
    return rnd(e / _added(e, rnd))


@softmax_rounded.mistake(
    "the terms were added from the right: each order rounds differently, and the left one comes "
    "first here."
)
def from_the_right(x, rnd):
    e = rnd(np.exp(rnd(x - np.max(x))))
    return rnd(e / _added(e[::-1], rnd))


@softmax_rounded.mistake(
    "another order of the additions. That is sound arithmetic, and it rounds differently: asked "
    "is from left to right, all n terms, the maximum's own among them.",
    order=("maximum last", "ascending", "descending", "tree"),
)
def another_order(x, rnd, *, order):
    e = rnd(np.exp(rnd(x - np.max(x))))
    if order == "tree":
        level = list(e)
        while len(level) > 1:
            pairs = [rnd(a + b) for a, b in zip(level[::2], level[1::2], strict=False)]
            level = pairs + level[2 * len(pairs) :]
        return rnd(e / level[0])
    if order == "maximum last":
        others = np.delete(e, np.argmax(x))
        return rnd(e / (rnd(1 + _added(others, rnd)) if len(others) else e[0]))
    return rnd(e / _added(np.sort(e)[:: 1 if order == "ascending" else -1], rnd))


@softmax_rounded.mistake(
    "the sum runs over the unrounded exps: what is added is what is divided, the rounded ones."
)
def sum_of_unrounded(x, rnd):
    e = np.exp(rnd(x - np.max(x)))
    return rnd(rnd(e) / _added(e, rnd))


@softmax_rounded.mistake("the division is missing: these are the exps.")
def not_divided(x, rnd):
    return rnd(np.exp(rnd(x - np.max(x))))


@softmax_rounded.mistake("the minimum was subtracted: then exp grows, and may overflow.")
def shifted_by_the_minimum(x, rnd):
    e = rnd(np.exp(rnd(x - np.min(x))))
    return rnd(e / _added(e, rnd))


@softmax_rounded.mistake("float16, whatever `rnd` says: the format is what `rnd` rounds to.")
def float16_for_rnd(x, rnd):
    e = to_float16(np.exp(to_float16(x - np.max(x))))
    return to_float16(e / _added(e, to_float16))


# --- 11.5 ----------------------------------------------------------------------------------------


def _bound_exactly(x, u):
    import mpmath

    with mpmath.workdps(50):
        values = [mpmath.mpf(float(v)) for v in x]
        m = max(values)
        y = m + mpmath.log(mpmath.fsum(mpmath.exp(v - m) for v in values))
        return np.array(float((abs(y) + y + len(values) - 1 - min(values)) * mpmath.mpf(u)))


@exercise(
    "11.5",
    minutes=7,
    probes=[
        ordinary(np.array([1.0, 2.0, -3.0, 0.5]), _U16, note="four logits"),
        ordinary(np.array([8.03125, 7.96484375]), _U16, note="two that are nearly equal"),
        ordinary(np.array([-4.0, -6.0, -5.0]), 2.0**-8, note="a negative log-sum-exp"),
        ordinary(np.array([3.0, 3.0, 3.0]), _U32, note="ties"),
        ordinary(np.array([2.5]), _U16, note="one class"),
        ordinary(np.array([-1.5]), _U16, note="one class, negative"),
        ordinary(_read_only(np.array([0.25, -0.5, 4.0, 1.0, 2.0])), _U32,
                 note="five, in a read-only array"),
        extreme(np.array([1000.0, 999.0]), _U16, note="exp(1000) overflows"),
        extreme(np.array([-1000.0, -1001.0, -1004.0]), _U16, note="every exp of the logits is 0"),
    ],
    truth=_bound_exactly,
    scale=lambda x, u, expected: np.array(u * (2 * np.max(np.abs(x)) + 2 * len(x))),
    relative=lambda x, u: 4500.0,  # with the 64 that all have: 1e-12
    remark="With the factor s/(1 + s) kept on the sum's part the bound is sharper, and longer.",
)  # fmt: skip
def lse_bound(x, u):
    """Return the bound on the error of log-sum-exp computed as m + log1p(rest), to first order.

    x : 1-D float64 array of n logits, of any size (exp(x) may overflow).
    u : the unit roundoff of the format computed in, a float.
    Returns one number: (|y| + y + n - 1 - min x) u, with y the log-sum-exp of x.
    """
    m = np.max(x)
    y = m + np.log(np.sum(np.exp(x - m)))
    return (abs(y) + y + len(x) - 1 - np.min(x)) * u


lse_bound.hints(
    "Compute y, the log-sum-exp, first, stably: the bound itself must not overflow.",
    "|y| comes from the last addition, n − 1 + m − x_min from the sum and its exponents, y − m "
    "from log1p. Added up, m cancels.",
    "m = np.max(x); y = m + np.log(np.sum(np.exp(x - m)))",
    "(abs(y) + y + len(x) - 1 - np.min(x)) * u; for a negative y the first two cancel.",
)
lse_bound.reasoning(
    "Each operation contributes its own rounding: the exponents and the n − 1 terms of the sum "
    "n − 1 + m − x_min, log1p y − m, and the last addition |y|, each times u. Their sum is "
    "|y| + y + n − 1 − x_min. The last addition rounds like any other: who forgets it promises "
    "more than rounding the exact answer can keep."
)


@lse_bound.mistake(
    "the last addition, m + log1p(rest), is missing. It alone can err by |y| u.",
    script=(True, False),
)
def without_the_last_addition(x, u, *, script):
    y = _logsumexp(x)
    return abs(y + len(x) - np.min(x)) * u if script else (y + len(x) - 1 - np.min(x)) * u


@lse_bound.mistake("this is the relative bound: leave the division by |y| out.")
def relative_bound(x, u):
    y = _logsumexp(x)
    return (abs(y) + y + len(x) - 1 - np.min(x)) * u / abs(y)


@lse_bound.mistake(
    "the maximum stands where the minimum belongs: the largest distance is m − x_min, and m "
    "cancels against log1p's part."
)
def maximum_for_minimum(x, u):
    y = _logsumexp(x)
    return (abs(y) + y + len(x) - 1 - np.max(x)) * u


@lse_bound.mistake(
    "the minimum enters as −min x, sign and all: of distances, and a distance m − x_min is not "
    "m − |x_min|.",
    part=("plus", "minus size", "plus size", "smallest size"),
)
def minimum_without_its_sign(x, u, *, part):
    y, smallest = _logsumexp(x), np.min(x)
    part = {"plus": smallest, "minus size": -abs(smallest), "plus size": abs(smallest),
            "smallest size": -np.min(np.abs(x))}[part]  # fmt: skip
    return (abs(y) + y + len(x) - 1 + part) * u


@lse_bound.mistake(
    "twice y for |y| + y: they are the same for a positive y only. For a negative one the two "
    "cancel to 0.",
    size=(False, True),
)
def twice_y(x, u, *, size):
    y = _logsumexp(x)
    return (2 * (abs(y) if size else y) + len(x) - 1 - np.min(x)) * u


@lse_bound.mistake(
    "the maximum stands where y belongs: the log-sum-exp lies up to log n above it.",
    both=(True, False),
)
def maximum_for_y(x, u, *, both):
    m = np.max(x)
    return (abs(m if both else _logsumexp(x)) + m + len(x) - 1 - np.min(x)) * u


@lse_bound.mistake("u is missing: the bound counts roundings, and each is worth u.")
def u_left_out(x, u):
    y = _logsumexp(x)
    return abs(y) + y + len(x) - 1 - np.min(x)


@lse_bound.mistake(
    "n − 1 for the sum is missing, or only its logarithm is there: exp rounds once, and the other "
    "n − 1 terms, added one after the other, n − 2 times.",
    tree=(False, True),
)
def additions_not_counted(x, u, *, tree):
    y = _logsumexp(x)
    return (abs(y) + y + (math.ceil(math.log2(len(x))) if tree else 0) - np.min(x)) * u


@lse_bound.mistake("the maximum was not added back: y = m + log Σ exp(x − m).")
def shift_not_undone(x, u):
    y = np.log(np.sum(np.exp(x - np.max(x))))
    return (abs(y) + y + len(x) - 1 - np.min(x)) * u


@lse_bound.mistake("a factor 2: u is the unit roundoff, half of eps.", factor=(2.0, 0.5))
def eps_and_u_confused(x, u, *, factor):
    y = _logsumexp(x)
    return factor * (abs(y) + y + len(x) - 1 - np.min(x)) * u


@lse_bound.mistake(
    "n for n − 1: one rounding is exp's, and n − 1 terms, the maximum's left out, take n − 2 "
    "additions."
)
def n_additions(x, u):
    y = _logsumexp(x)
    return (abs(y) + y + len(x) - np.min(x)) * u


@lse_bound.mistake(
    "this is the sharper form, with the factor s/(1 + s) on the sum's part: a bound too, and a "
    "better one. Asked is the simple form, without it."
)
def sharper_form(x, u):
    m, y = np.max(x), _logsumexp(x)
    rest = np.expm1(y - m)
    return (abs(y) + (y - m) + (len(x) - 1 + m - np.min(x)) * rest / (1 + rest)) * u


@lse_bound.mistake("the log-sum-exp inside overflows or underflows: shift it by the maximum.")
def unshifted_inside(x, u):
    y = np.log(np.sum(np.exp(x)))
    return (abs(y) + y + len(x) - 1 - np.min(x)) * u


# --- 11.6 ----------------------------------------------------------------------------------------


def _softmax_exactly(x):
    from helpers import oracle

    return oracle.softmax(x, as_float=True)


def _logits32(*shape, scale):
    return (_rng.standard_normal(shape) * scale).astype(np.float32)


@exercise(
    "11.6",
    minutes=12,
    probes=[
        ordinary(_f32(0.5, -0.25, 1.0), note="three small logits"),
        ordinary(_logits32(4, 6, scale=0.5), note="a batch of small logits"),
        ordinary(_logits32(2, 3, 4, scale=0.4), note="a stack of small logits"),
        ordinary(_f32(1.5), note="one class"),
        ordinary(_f32(0.75, 0.75, 0.75, 0.75), note="ties"),
        ordinary(_read_only(_logits32(3, 5, scale=0.5)), note="a read-only batch"),
        extreme(_logits32(40, 10, scale=10.0), note="logits of size 10"),
        extreme(_logits32(40, 10, scale=12.0), note="logits of size 12"),
        extreme(_f32(33.1, -26.7, 0.3, 17.9, -41.3), note="75 between largest and smallest"),
        extreme(_f32(-0.3, 0.7, -60.1, -33.3), note="a maximum smaller than the distances"),
        extreme(_f32([1000.0, 999.3, 941.7], [-1000.0, -1000.6, -1061.9]),
                note="at 1000 and at -1000"),
        extreme(_f32(1000.0, 0.0, -1000.0), note="2000 apart"),
    ],
    truth=_softmax_exactly,
    rounding=8.0,  # in eps: 16 u
    remark="float64 inside is the shortest route, at twice the width; the two-sum is the one for "
    "a machine that has no wider format.",
)  # fmt: skip
def softmax_sharp(x):
    """Return the softmax of x over its last axis, every entry right to a few units of float32.

    x : float32 array of shape (..., n), all finite, of any size.
    Returns an array of that shape, float32 or wider. An entry whose exact value p is above 1e-35
    must lie within 16 u p of it, u = 2**-24, however small p is beside the largest.
    """
    wide = np.asarray(x, dtype=np.float64)
    e = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).astype(np.float32)


softmax_sharp.hints(
    "Which operation of the shifted softmax loses digits? x − m is rounded to float32, and exp "
    "turns that absolute error into a relative one of its result.",
    "One way: subtract, exponentiate and add in float64, where the difference of two float32 "
    "numbers is exact, and round at the end.",
    "The other: find what the subtraction lost. d = x − m; b = d − x; "
    "lost = (x − (d − b)) + (−m − b) is it exactly (a two-sum).",
    "exp(d + lost) = exp(d) · exp(lost) ≈ e + e · lost. Do not add lost to d: it is too small.",
)
softmax_sharp.reasoning(
    "x − m errs by up to u |x − m|, and exp makes of that a relative error of the entry: half the "
    "range of the logits, in u. So the small probabilities lose what the large ones never notice. "
    "In float64 the difference is exact; or a two-sum returns the part that was rounded away, "
    "and e + e · lost puts it back where it still counts."
)


def _shifted32(x):
    m = x.max(axis=-1, keepdims=True)
    d = x - m
    return m, d, np.exp(d)


def _normalised(e):
    return e / e.sum(axis=-1, keepdims=True)


@softmax_sharp.mistake("without a shift exp overflows: 88.8 is too much for float32.")
def overflows(x):
    return _normalised(np.exp(x))


@softmax_sharp.mistake(
    "this is the plain max shift, as accurate: what x − m rounds away is lost, and exp makes a "
    "relative error of it, the larger the farther an entry is from the maximum. (Where you did "
    "compute what was lost, see that it survives: (x − m) − d is 0, and d + lost rounds it off.)"
)
def plain_shift(x):
    return _normalised(_shifted32(x)[2])


@softmax_sharp.mistake(
    "the lost part has the wrong sign: the error is doubled, not mended. e^(d + lost) is "
    "e + e · lost, with lost = (x − m) − d, exactly."
)
def lost_with_the_wrong_sign(x):
    m, d, e = _shifted32(x)
    b = d - x
    lost = (x - (d - b)) + (-m - b)
    return _normalised(e - e * lost)


@softmax_sharp.mistake(
    "the short form of the two-sum is exact if its first number is the larger one in size. "
    "m is larger than x, and not in size: |x| may exceed |m|. Take the form with six operations.",
    first=("x", "m"),
)
def short_two_sum(x, *, first):
    m, d, e = _shifted32(x)
    lost = (-m - (d - x)) if first == "x" else (x - (d + m))
    return _normalised(e + e * lost)


@softmax_sharp.mistake(
    "lost was added to e as it is: it is an error of the exponent, so e grows by e · lost."
)
def lost_added_to_e(x):
    m, d, e = _shifted32(x)
    b = d - x
    return _normalised(e + ((x - (d - b)) + (-m - b)))


@softmax_sharp.mistake(
    "the maximum of the whole batch was subtracted: rows far below it underflow. Each row has its "
    "own: max(axis=-1, keepdims=True).",
    wide=(True, False),
)
def global_maximum(x, *, wide):
    x = x.astype(np.float64) if wide else x
    with np.errstate(all="ignore"):
        return _normalised(np.exp(x - x.max()))


@softmax_sharp.mistake("the mean was subtracted: the largest exponent may still overflow.")
def shifted_by_the_mean(x):
    with np.errstate(all="ignore"):
        return _normalised(np.exp(x - x.mean(axis=-1, keepdims=True)))


@softmax_sharp.mistake(
    "this is exp(x − LSE): the rounding of LSE, up to u |LSE|, goes into every entry. "
    "It needs no division, and loses more.",
    shifted=(False, True),
)
def by_log_softmax(x, *, shifted):
    m, d, e = _shifted32(x)
    log_sum = np.log(e.sum(axis=-1, keepdims=True))
    return np.exp(d - log_sum) if shifted else np.exp(x - (m + log_sum))
