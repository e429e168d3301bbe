"""Exercises 16.1 to 16.6: drawing from probabilities, and testing that the draws are right."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(16)
_INF = np.inf
_LAST = 1 - 2.0**-53
"""The largest float64 below 1."""


def _read_only(array):
    array.flags.writeable = False
    return array


def _row(*numbers, dtype=np.float64):
    return np.array(numbers, dtype=dtype)


def _normal(*shape):
    return _rng.normal(size=shape)


def _noise(*shape):
    return _rng.gumbel(size=shape)


def _softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _place(weights, u, *, side="right", scaled=True):
    """Return where u falls among the running sums of weights."""
    sums = np.cumsum(weights, dtype=np.float64)
    return np.searchsorted(sums, u * sums[-1] if scaled else u, side=side)


# --- 16.1 ----------------------------------------------------------------------------------------


def _first_above(p, u):
    """Find each class by adding up fractions, without any rounding."""
    weights = [Fraction(float(weight)) for weight in p]

    def one(number):
        total = Fraction(0)
        for i, weight in enumerate(weights):
            total += weight
            if total > Fraction(float(number)) * sum(weights):
                return i
        raise AssertionError("the last sum is above u times itself")

    return np.array([one(number) for number in u])


_GRID = _row(0, 0.125, 0.25, 0.4, 0.5, 0.75, 0.999)
_TENTHS = np.full(10, 0.1)
_SMALL_STEPS = np.concatenate([[0.5], np.full(1024, 2.0**-26), [0.5 - 2.0**-16]])


@exercise(
    "16.1",
    minutes=7,
    probes=[
        ordinary(_row(0.25, 0.25, 0.5), _GRID, note="three classes, seven draws"),
        ordinary(_row(0.125, 0.5, 0.375), _GRID, note="the likely class in the middle"),
        ordinary(_row(0.5, 0.25, 0.125, 0.125), _GRID, note="four classes, descending"),
        ordinary(_row(0, 0.5, 0.5), _row(0), note="p = (0, ½, ½), u = 0"),
        ordinary(_row(0.5, 0, 0.5), _row(0.5), note="p = (½, 0, ½), u = ½"),
        ordinary(_row(1), _row(0, 0.5, 0.75), note="one class"),
        ordinary(_read_only(_row(0.375, 0.625)), _row(0.25, 0.875), note="a read-only row"),
        extreme(_row(0.5, 0.5, 0), _row(_LAST), note="p = (½, ½, 0), u just below 1"),
        extreme(_TENTHS, _row(_LAST), note="ten times 0.1, u just below 1"),
        extreme(np.append(_TENTHS, 0), _row(_LAST), note="ten times 0.1, then 0; u just below 1"),
        extreme(_SMALL_STEPS, _row(0.5 + 2.0**-17), note="1026 classes, most of them 2⁻²⁶"),
        extreme(
            _SMALL_STEPS.astype(np.float32), _row(0.5 + 2.0**-17),
            note="1026 classes in float32, most of them 2⁻²⁶",
        ),
    ],
    truth=_first_above,
    remark="A class of probability 0 never comes, and no u falls off the end.",
)  # fmt: skip
def inverse_cdf(p, u):
    """Return the class that each uniform number draws, by the inverse CDF.

    p : float array (n,), float32 or float64, no entry below 0; the sum is 1 up to rounding.
    u : float64 array (m,), each number in [0, 1).

    Returns (m,) integers: for each u the first i with
    p[0] + ... + p[i] > u * (p[0] + ... + p[n - 1]). The classes keep their order, and the sums are
    formed in float64.
    """
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, u * sums[-1], side="right")


inverse_cdf.hints(
    "The running sums p[0], p[0] + p[1], … are np.cumsum(p). Which of them is the first above u?",
    "Greater, not at least as large: with p = (0, ½, ½) and u = 0 the class is 1. "
    "np.searchsorted has an argument for it.",
    "The last sum may end below 1, and u above it. Compare with u times the last sum.",
    "A sum in float32 cannot see a small step behind ½: np.cumsum(p, dtype=np.float64).",
)
inverse_cdf.reasoning(
    "The sums cut [0, total) into one piece per class, as long as its probability; u · total falls "
    'into one of them. side="right" finds the first sum that is *greater*, so that a piece of '
    "length 0 is never hit. u is below 1, so u · total is below the last sum, also after rounding: "
    "no draw falls off. float64 sums, because in float32 a step below 2⁻²⁵ behind ½ is rounded "
    "away, and its class cannot come."
)


@inverse_cdf.mistake(
    "the first sum that is *at least* u was taken, and a class of probability 0 can be drawn. Take "
    'the first that is greater: side="right", or >.',
    scaled=(True, False),
)
def left(p, u, *, scaled):
    return _place(p, u, side="left", scaled=scaled)


@inverse_cdf.mistake(
    "u is compared with sums whose last one may be below 1: then it falls off the end. Compare "
    "with u times the last sum."
)
def not_scaled(p, u):
    return _place(p, u, scaled=False)


@inverse_cdf.mistake(
    "what falls off the end goes to the last class, and that may have probability 0. Compare "
    "with u times the last sum: then nothing falls off.",
    how=("the index is clipped", "the last sum is set to 1", "a 1 is put behind"),
)
def clipped(p, u, *, how):
    if how == "the index is clipped":
        return np.minimum(_place(p, u, scaled=False), len(p) - 1)
    sums = np.cumsum(p, dtype=np.float64)
    sums[-1] = 1
    return np.searchsorted(sums, u, side="right")


@inverse_cdf.mistake(
    "the sums are formed in float32, where small steps vanish and their classes never come. Form "
    "them in float64: np.cumsum(p, dtype=np.float64).",
    cast=(True, False),
    scaled=("by the last sum", "divided", "no", "clipped"),
)
def float32_sums(p, u, *, cast, scaled):
    sums = np.cumsum(p.astype(np.float32) if cast else p)
    if scaled == "divided":
        return np.searchsorted(sums / sums[-1], u, side="right")
    if scaled == "by the last sum":
        return np.searchsorted(sums, u * sums[-1], side="right")
    if not cast:  # in float64 these would be mistakes of their own
        return np.searchsorted(sums, u * sums[-1], side="right")
    found = np.searchsorted(sums, u, side="right")
    return np.minimum(found, len(p) - 1) if scaled == "clipped" else found


@inverse_cdf.mistake(
    "where no sum is greater than u, argmax of nothing but False is 0: the *first* class. Compare "
    "with u times the last sum.",
)
def argmax_of_all_false(p, u):
    return np.argmax(np.cumsum(p, dtype=np.float64) > u[:, None], axis=1)


@inverse_cdf.mistake(
    "u is compared with the probabilities themselves. Compare it with their running sums, "
    "np.cumsum(p).",
    how=("first greater", "searchsorted"),
)
def compares_with_p(p, u, *, how):
    if how == "searchsorted":
        return np.searchsorted(p, u, side="right")
    return np.argmax(p > u[:, None], axis=1)


@inverse_cdf.mistake(
    "p is not used: each class comes equally often. A class gets a piece of [0, 1) as long as its "
    "probability: np.cumsum(p)."
)
def ignores_p(p, u):
    return (u * len(p)).astype(int)


def _in_sorted_order(p, u, descending, back):
    order = np.argsort(-p if descending else p, kind="stable")
    found = _place(p[order], u)
    return order[found] if back else found


@inverse_cdf.mistake(
    "the probabilities were sorted, and the place in the sorted row came back. Leave them in "
    "their order: it does not have to be sorted.",
    descending=(True, False),
)
def sorted_not_mapped_back(p, u, *, descending):
    return _in_sorted_order(p, u, descending, back=False)


@inverse_cdf.mistake(
    "the law is right, but the classes were taken in another order than asked: sorted. Leave them "
    "as they are given.",
    descending=(True, False),
)
def sorted_mapped_back(p, u, *, descending):
    return _in_sorted_order(p, u, descending, back=True)


@inverse_cdf.mistake(
    "the law is right, but the classes were taken from the other end. Start with class 0: u = 0 "
    "draws the first class that has a probability.",
    how=("backwards", "1 - u", "1 - u, greater", "1 - u, clipped"),
)
def from_the_other_end(p, u, *, how):
    if how == "backwards":
        return len(p) - 1 - _place(p[::-1], u)
    if how == "1 - u, clipped":
        return np.minimum(_place(p, 1 - u), len(p) - 1)
    return _place(p, 1 - u, side="left" if how == "1 - u" else "right")


@inverse_cdf.mistake(
    "the nearest sum was taken. Take the first that is greater than u, near or far.",
)
def nearest(p, u):
    sums = np.cumsum(p, dtype=np.float64)
    return np.argmin(abs(sums - u[:, None] * sums[-1]), axis=1)


@inverse_cdf.mistake(
    "the classes are counted from 1. The first one is class 0.", scaled=(True, False)
)
def one_based(p, u, *, scaled):
    return _place(p, u, scaled=scaled) + 1


@inverse_cdf.mistake(
    "the class before came back: the last whose sum is not greater. Take the first that is "
    "greater.",
    clipped=(True, False),
)
def one_too_low(p, u, *, clipped):
    found = _place(p, u) - 1
    return np.maximum(found, 0) if clipped else found


@inverse_cdf.mistake(
    "the classes of probability 0 were left out, and the others numbered anew. Leave them in: the "
    "first sum that is *greater* passes over them."
)
def zeros_left_out(p, u):
    return _place(p[p > 0], u)


@inverse_cdf.mistake(
    "the uniform numbers are rounded to float32, where the largest become 1 and fall off the end. "
    "Leave u in float64.",
    sums=("float64", "float32"),
)
def uniforms_rounded(p, u, *, sums):
    running = np.cumsum(p, dtype=sums)
    return np.searchsorted(running, u.astype(np.float32) * running[-1], side="right")


@inverse_cdf.mistake(
    "the most likely class came back, whatever u is. Each class has to come as often as its "
    "probability says."
)
def mode(p, u):
    return np.full(len(u), np.argmax(p))


# --- 16.2 ----------------------------------------------------------------------------------------


def _gumbel_exactly(v):
    import mpmath

    def one(number):
        with mpmath.workdps(80):
            return float(-mpmath.log(-mpmath.log(1 - mpmath.mpf(float(number)))))

    return np.reshape([one(number) for number in np.ravel(v)], np.shape(v))


_FINE = _row(2.0**-24, 2.0**-31, 2.0**-64)


@exercise(
    "16.2",
    minutes=5,
    probes=[
        ordinary(_row(0.5, 0.25, 0.9, 0.632), note="four numbers"),
        ordinary(_row(0.75), note="one number"),
        ordinary(_row(0.125, 0.375, 0.875, 0.5, 0.0625, 0.9375).reshape(2, 3), note="2 × 3"),
        ordinary(np.array(0.3), note="a 0-D array"),
        ordinary(_row(0.5, 0.25, 0.875, dtype=np.float32), note="float32"),
        ordinary(_read_only(_row(0.1, 0.6)), note="a read-only array"),
        extreme(_FINE, note="2⁻²⁴, 2⁻³¹, 2⁻⁶⁴"),
        extreme(_row(2.0**-100), note="2⁻¹⁰⁰"),
        extreme(_row(1e-4, 1e-6, 1e-8, 1e-10), note="10⁻⁴ to 10⁻¹⁰"),
        extreme(_row(1 - 2.0**-24), note="1 − 2⁻²⁴"),
        extreme(_FINE.astype(np.float32), note="2⁻²⁴, 2⁻³¹, 2⁻⁶⁴ in float32"),
        extreme(_row(1 - 2.0**-24, dtype=np.float32), note="1 − 2⁻²⁴ in float32"),
    ],
    truth=_gumbel_exactly,
    scale=lambda v, expected: 1.0,
    library=("isf",),
    remark="The largest noise decides, and it comes from the small v: floats are fine there.",
)
def gumbel(v):
    """Return Gumbel noise: -log(-log(1 - v)) of uniform numbers, without losing the small ones.

    v : float array of any shape, float32 or float64, each number in (0, 1). Numbers near 0 are
        fine: 2**-64 and less occur.

    Returns an array of v's shape, in its precision or a wider one, each number right to
    64 eps * max(1, |number|).
    """
    return -np.log(-np.log1p(-v))


gumbel.hints(
    "What is 1 - v in float32 where v = 2⁻³¹? What is its log, and the log of that?",
    "np.log1p(t) is log(1 + t), and keeps the digits of a small t.",
    "log(1 - v) is np.log1p(-v). No epsilon, and nothing to clip.",
)
gumbel.reasoning(
    "Near 1 floats are 2⁻²⁴ apart in float32, so 1 − v forgets a smaller v. log1p(−v) never forms "
    "1 − v: for small v it is −v, and the noise is −log v, 21.5 at 2⁻³¹. The large noise, which "
    "wins races, is made of the small v, where floats are dense."
)


@gumbel.mistake(
    "1 - v forgets a small v: it is exactly 1, its log 0, and the noise infinite. "
    "np.log1p(-v) is log(1 - v) with all digits."
)
def log_of_one_minus(v):
    return -np.log(-np.log(1 - v))


@gumbel.mistake(
    "v is taken for 1 - v: the law is right, but the large noise then comes from numbers near 1, "
    "where floats are coarse. Take log(1 - v), as np.log1p(-v)."
)
def other_tail(v):
    return -np.log(-np.log(v))


@gumbel.mistake(
    "the outer log is missing: -log(1 - v) is exponential noise. Gumbel noise is minus the log of "
    "it.",
    of=("log1p", "1 - v", "v"),
)
def exponential(v, *, of):
    if of == "v":
        return -np.log(v)
    return -np.log1p(-v) if of == "log1p" else -np.log(1 - v)


@gumbel.mistake(
    "a minus sign is missing. There are two, outside and inside: -log(-log(1 - v)).",
    which=("outside", "outside, of 1 - v", "outside, of v", "inside", "both"),
)
def sign(v, *, which):
    if which == "inside":
        return -np.log(np.log1p(-v))
    if which == "both":
        return np.log(np.log1p(-v))
    inside = {"outside": np.log1p(-v), "outside, of v": np.log(v)}
    return np.log(-inside.get(which, np.log(1 - v)))


@gumbel.mistake(
    "an epsilon stands in the log: it hides the small v, and with it the large noise. With log1p "
    "nothing has to be added.",
    epsilon=(1e-20, 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6),
    form=("log1p", "1 - v", "1 - v, outside", "1 - v, inside"),
)
def epsilon_in_the_log(v, *, epsilon, form):
    inner = 0 if form.endswith("outside") else epsilon
    outer = 0 if form.endswith("inside") and epsilon > 1e-15 else epsilon
    inside = np.log1p(-v) if form == "log1p" else np.log(1 - v + inner)
    return -np.log(-inside + outer)


@gumbel.mistake(
    "v is clipped, which cuts the large noise off. Leave v as it is: every number in (0, 1) has a "
    "finite noise.",
    bound=(1e-20, 1e-16, float(np.finfo(float).eps), 1e-15, 1e-12, 1e-10, 1e-8, 1e-7,
           float(np.finfo(np.float32).eps), 1e-6, 1e-5),
    form=("log1p", "1 - v"),
    both=(True, False),
)  # fmt: skip
def clips(v, *, bound, form, both):
    v = np.clip(v, bound, 1 - bound) if both else np.maximum(v, bound)
    return -np.log(-np.log(1 - v) if form == "1 - v" and bound > 1e-18 else -np.log1p(-v))


@gumbel.mistake(
    "the smallest v are treated apart, but 1 - v loses digits long before it is 1, and a short "
    "series is good for the smallest only. np.log1p(-v) is right for every v, without a threshold.",
    below=(1e-16, 1e-15, 1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3),
    terms=(1, 2),
)
def small_ones_apart(v, *, below, terms):
    series = -np.log(v) - (v / 2 if terms == 2 else 0)
    return np.where(v < below, series, -np.log(-np.log(1 - v)))


@gumbel.mistake(
    "the large v are clipped: numbers near 1 have a finite noise too. Leave v as it is.",
    bound=(2.0**-23, 1e-6, 1e-5, 1e-4),
)
def clips_above(v, *, bound):
    return -np.log(-np.log1p(-np.minimum(v, 1 - bound)))


@gumbel.mistake(
    "log1p stands at the wrong place, or has the wrong sign: log(1 - v) is np.log1p(-v), and the "
    "outer logarithm is a plain np.log.",
    how=("log1p(v)", "outside too", "outside only"),
)
def log1p_misplaced(v, *, how):
    with np.errstate(all="ignore"):
        if how == "log1p(v)":
            return -np.log(np.log1p(v))
        return -np.log1p(-np.log1p(-v)) if how == "outside too" else -np.log1p(-np.log(1 - v))


@gumbel.mistake(
    "this is logistic noise, the log-odds of v. That is the difference of *two* Gumbel noises.",
    negative=(True, False),
)
def logistic(v, *, negative):
    return np.log1p(-v) - np.log(v) if negative else np.log(v) - np.log1p(-v)


@gumbel.mistake(
    "this is normal noise. Only Gumbel noise makes the winner a draw from the softmax: "
    "-log(-log(1 - v)).",
    negative=(True, False),
)
def normal(v, *, negative):
    from scipy.special import ndtri

    return -ndtri(v) if negative else ndtri(v)


@gumbel.mistake(
    "a logarithm has another base. Both are natural: softmax is made with e.",
    base=(2, 10),
    which=("both", "outside", "inside"),
)
def other_base(v, *, base, which):
    outside = 1 if which == "inside" else np.log(base)
    inside = 1 if which == "outside" else np.log(base)
    return -np.log(-np.log1p(-v) / inside) / outside


@gumbel.mistake(
    "Euler's constant was subtracted, to make the mean 0. A shift changes no winner, but the "
    "formula asked has none."
)
def centred(v):
    return -np.log(-np.log1p(-v)) - np.euler_gamma


# --- 16.3 ----------------------------------------------------------------------------------------


def _drawn_one_by_one(x, g, k):
    """Draw the largest k times, in plain Python."""
    rows = np.reshape(x, (-1, np.shape(x)[-1])).tolist()
    noise = np.reshape(g, (-1, np.shape(x)[-1])).tolist()
    found = []
    for row, of_row in zip(rows, noise, strict=True):
        left = dict(enumerate(a + b for a, b in zip(row, of_row, strict=True)))
        drawn = []
        for _ in range(k):
            drawn.append(max(left, key=left.__getitem__))
            del left[drawn[-1]]
        found.append(drawn)
    return np.array(found).reshape(*np.shape(x)[:-1], k)


_LOGITS = _row(2, 1, 0.5, 0, -1)
_OF_LOGITS = _row(-0.25, 0.5, 2.5, 0.125, 2.0)
_MASKED = _row(-_INF, 0, -3, -_INF)
_OF_MASKED = _row(9, 0.1, 0.2, 5)


def _with_noise(*shape):
    return 2 * _normal(*shape), _noise(*shape)


@exercise(
    "16.3",
    minutes=5,
    probes=[
        ordinary(_LOGITS, _OF_LOGITS, 1, note="five logits, k = 1"),
        ordinary(_LOGITS, _OF_LOGITS, 2, note="five logits, k = 2"),
        ordinary(_LOGITS, _OF_LOGITS, 3, note="five logits, k = 3"),
        ordinary(_LOGITS, _OF_LOGITS, 5, note="five logits, all of them"),
        ordinary(*_with_noise(7), 4, note="seven logits, k = 4"),
        ordinary(*_with_noise(2000), 1000, note="2000 logits, k = 1000"),
        ordinary(*_with_noise(2, 5), 3, note="2 rows of 5, k = 3"),
        ordinary(*_with_noise(4, 4), 2, note="4 rows of 4, k = 2"),
        ordinary(*_with_noise(3, 3), 3, note="3 rows of 3, k = 3"),
        ordinary(*_with_noise(2, 3, 4), 2, note="shape (2, 3, 4), k = 2"),
        ordinary(_MASKED, _OF_MASKED, 2, note="two of four are masked"),
        ordinary(np.zeros(6), _noise(6), 3, note="equal logits"),
        ordinary(*(a.astype(np.float32) for a in _with_noise(2, 5)), 3, note="float32"),
        ordinary(*map(_read_only, _with_noise(5)), 2, note="read-only arrays"),
        extreme(_row(1000, -1000, 999, 998), _row(0.5, 3, 2.5, 1), 3, note="logits of ±1000"),
        extreme(_row(-1000, -1001, -1002), _row(0.25, 2.5, 0.75), 2, note="all near −1000"),
        extreme(
            _row(1000, -1002, -1000, -1001), _row(0.25, 0.75, 1.5, 0.5), 4, note="one far above"
        ),
    ],
    truth=_drawn_one_by_one,
    remark="The same noise serves every k: the first draws do not depend on how many follow.",
)
def gumbel_topk(x, g, k):
    """Return k classes drawn without replacement, by Gumbel noise.

    x, g : float arrays (..., n): logits, and a Gumbel number for each. A logit of -inf is masked:
        it is never drawn while others are left.
    k : an integer, at least 1, at most the number of finite logits of any row.

    Returns (..., k) indices, for each row those of the k largest x + g, first drawn first: the
    largest first. No two sums of a row are equal.
    """
    return np.argsort(-(x + g), axis=-1)[..., :k]


gumbel_topk.hints(
    "Where k = 1 this is Gumbel-max: the arg max of x + g along the last axis.",
    "np.argsort sorts upwards. Sort what has the other sign, and cut the *last* axis.",
    "np.argsort(-(x + g), axis=-1) lists each row from the largest down; [..., :k] keeps the "
    "first k of each.",
)
gumbel_topk.reasoning(
    "The winner of x + g is a draw from the softmax. Take it away: the noise of the others, given "
    "that they lost, still orders them like a fresh race among those left. So the second largest "
    "is a draw from the softmax of the rest, and so on. −inf stays −inf, whatever its noise."
)


def _largest_first(scores, k):
    return np.argsort(-scores, axis=-1, kind="stable")[..., :k]


@gumbel_topk.mistake(
    "the noise is not used: the same classes come every time. Add g to the logits."
)
def no_noise(x, g, k):
    return _largest_first(x, k)


@gumbel_topk.mistake(
    "the noise is subtracted. Gumbel noise is not symmetric: the draw is exact for x + g only."
)
def minus_noise(x, g, k):
    return _largest_first(x - g, k)


@gumbel_topk.mistake(
    "the noise is added to the probabilities, which all lie within 1 of each other: it decides "
    "nearly alone, and masked classes come. Add it to the logits."
)
def noise_on_probabilities(x, g, k):
    return _largest_first(_softmax(x) + g, k)


@gumbel_topk.mistake(
    "the probabilities are multiplied with the noise. Add it to the logits: x + g.",
    log=(False, True),
)
def probabilities_times_noise(x, g, k, *, log):
    return _largest_first(x * g if log else _softmax(x) * g, k)


@gumbel_topk.mistake("the logits are not used: the noise decides alone. Take x + g.")
def noise_only(x, g, k):
    return _largest_first(g, k)


@gumbel_topk.mistake("the noise is added twice, or scaled. Add it once: x + g.", times=(2.0, 0.5))
def noise_twice(x, g, k, *, times):
    return _largest_first(x + times * g, k)


@gumbel_topk.mistake(
    "the k smallest came back. Sort the sums downwards: np.argsort(-(x + g)).",
    smallest_first=(True, False),
)
def smallest(x, g, k, *, smallest_first):
    found = np.argsort(x + g, axis=-1)[..., :k]
    return found if smallest_first else found[..., ::-1]


@gumbel_topk.mistake(
    "the right classes, in the wrong order: the first drawn stands last. The largest comes first."
)
def last_first(x, g, k):
    return _largest_first(x + g, k)[..., ::-1]


@gumbel_topk.mistake(
    "the right classes, but the order of the draws is lost: argpartition and a sort by index do "
    "not keep it. The largest comes first.",
    how=("by index", "argpartition from the end", "argpartition from the start", "by logit"),
)
def by_index(x, g, k, *, how):
    n, scores = x.shape[-1], x + g
    if how == "by logit":
        found = _largest_first(scores, k)
        order = np.argsort(-np.take_along_axis(x, found, axis=-1), axis=-1, kind="stable")
        return np.take_along_axis(found, order, axis=-1)
    if how == "argpartition from the end":
        return np.argpartition(scores, n - k, axis=-1)[..., n - k :]
    if how == "argpartition from the start":
        return np.argpartition(-scores, k - 1, axis=-1)[..., :k]
    return np.sort(_largest_first(scores, k), axis=-1)


@gumbel_topk.mistake(
    "the whole batch was sorted as one row. Each row draws for itself: axis=-1.",
)
def whole_batch(x, g, k):
    return np.argsort(-(x + g), axis=None, kind="stable")[:k]


@gumbel_topk.mistake(
    "sorted, or cut, along another axis than the classes. Both go along the last one: axis=-1, "
    "[..., :k].",
    how=("sorted and cut", "sorted", "cut"),
)
def wrong_axis(x, g, k, *, how):
    order = np.argsort(-(x + g), axis=-1 if how == "cut" else 0, kind="stable")
    return order[..., :k] if how == "sorted" else order[:k]


@gumbel_topk.mistake(
    "the values came back. Their indices were asked: np.argsort, not np.sort.",
    of=("sums", "logits"),
)
def values(x, g, k, *, of):
    found = _largest_first(x + g, k)
    return np.take_along_axis(x + g if of == "sums" else x, found, axis=-1)


@gumbel_topk.mistake(
    "the ranks of the first k classes came back. The indices of the k largest were asked: argsort "
    "once, not twice."
)
def ranks(x, g, k):
    return np.argsort(np.argsort(-(x + g), axis=-1), axis=-1)[..., :k]


@gumbel_topk.mistake("a mask came back, true for the drawn. Their indices were asked, in order.")
def mask(x, g, k):
    return np.argsort(np.argsort(-(x + g), axis=-1), axis=-1) < k


@gumbel_topk.mistake(
    "only the winner came back. Draw k classes: the k largest of x + g.",
    keeps_the_axis=(False, True),
)
def only_the_winner(x, g, k, *, keeps_the_axis):
    return np.argmax(x + g, axis=-1, keepdims=keeps_the_axis)


@gumbel_topk.mistake(
    "the winner came back k times: that is with replacement. Once drawn, a class is out: take the "
    "k largest."
)
def winner_repeated(x, g, k):
    return np.repeat(np.argmax(x + g, axis=-1, keepdims=True), k, axis=-1)


@gumbel_topk.mistake(
    "the k largest logits came back, put in order by the noise. The noise decides *which* classes "
    "come, too: take the k largest of x + g."
)
def likely_ones_shuffled(x, g, k):
    likely = _largest_first(x, k)
    order = _largest_first(np.take_along_axis(x + g, likely, axis=-1), k)
    return np.take_along_axis(likely, order, axis=-1)


@gumbel_topk.mistake(
    "a masked class got a finite logit, and is drawn while others are left. Leave the -inf: "
    "-inf + g is -inf.",
    filling=(0.0, -1.0),
)
def mask_filled(x, g, k, *, filling):
    return _largest_first(np.where(np.isneginf(x), filling, x) + g, k)


@gumbel_topk.mistake(
    "exp of the logits overflows, or is 0 for several, and the order is lost. Add the noise to "
    "the logits as they are.",
    form=("product", "race", "log", "softmax"),
)
def exponentiated(x, g, k, *, form):
    if form == "softmax":
        return _largest_first(_softmax(x + g), k)
    if form == "race":
        return np.argsort(np.exp(-g) / np.exp(x), axis=-1, kind="stable")[..., :k]
    weights = np.exp(x)
    return _largest_first(weights * np.exp(g) if form == "product" else np.log(weights) + g, k)


# --- 16.4 ----------------------------------------------------------------------------------------


def _order_exactly(x, order):
    import mpmath

    with mpmath.workdps(60):
        left = {i: mpmath.mpf(float(v)) for i, v in enumerate(x) if v > -_INF}
        total = mpmath.mpf(0)
        for i in map(int, order):
            top = max(left.values())
            total += left[i] - top - mpmath.log(sum(mpmath.exp(v - top) for v in left.values()))
            del left[i]
        return float(total)


def _size_of_logits(x, order, expected):
    return max(1.0, np.max(np.abs(x[np.isfinite(x)])))


_FAR = _row(0, -40, -41)


@exercise(
    "16.4",
    minutes=9,
    probes=[
        ordinary(_LOGITS, np.array([0, 3]), note="five logits, two drawn"),
        ordinary(_LOGITS, np.array([4, 0, 1]), note="five logits, three drawn"),
        ordinary(_LOGITS, np.array([2]), note="one drawn"),
        ordinary(_LOGITS, np.array([1, 4, 0, 2, 3]), note="all five drawn"),
        ordinary(_row(0.5, -1, 1.5), np.array([1, 2]), note="three logits"),
        ordinary(_row(1, -_INF, 0, 2), np.array([2, 0]), note="a masked class, not drawn"),
        ordinary(_row(3), np.array([0]), note="one class"),
        ordinary(_row(1, 0, 1, 1), np.array([2, 1]), note="equal logits"),
        ordinary(_read_only(_row(1, 0, 2, -1)), np.array([2, 1]), note="a read-only row"),
        extreme(_FAR, np.array([0, 1]), note="x = (0, −40, −41), order (0, 1)"),
        extreme(_FAR, np.array([0, 2, 1]), note="x = (0, −40, −41), order (0, 2, 1)"),
        extreme(_row(0, -800, -801), np.array([2, 1]), note="x = (0, −800, −801), order (2, 1)"),
        extreme(_row(0, -800, -801), np.array([0, 1]), note="x = (0, −800, −801), order (0, 1)"),
        extreme(_row(1000, 999, -1000), np.array([1, 0]), note="logits of ±1000"),
        extreme(_row(-1000, -1001, -1000.5), np.array([2, 0]), note="all near −1000"),
        extreme(_row(-3e10, -2e10, -2e10), np.array([1, 2]), note="all near −2e10"),
        extreme(_row(-1e300, -1e300, -2e300), np.array([0, 1]), note="all near −1e300"),
    ],
    truth=_order_exactly,
    scale=_size_of_logits,
    remark="Summed over all orders of k classes, these probabilities make 1.",
)
def order_log_prob(x, order):
    """Return the log-probability of drawing just these classes, in this order, without replacement.

    x : float64 array (n,), logits of any size, left unchanged; -inf is a class that cannot come.
    order : integer array (k,), k different classes, none of them -inf. The first drawn is first.

    The first class is drawn from the softmax of x, each further one from the softmax of those that
    are left. Returns one number, right to 64 eps * max(1, the largest finite |x|).
    """
    left = np.array(x, dtype=np.float64)
    total = 0.0
    for i in order:
        top = left.max()
        total += left[i] - top - np.log(np.sum(np.exp(left - top)))
        left[i] = -np.inf
    return total


order_log_prob.hints(
    "The log of a product is a sum: one log-softmax for each draw. Over which classes?",
    "A class that was drawn is out: in a *copy* of x, its logit becomes -inf.",
    "p[j] / (1 - p[i]) is the same on paper. What is 1 - p[0] for x = (0, -40, -41)?",
    "In a loop over order: add left[i] minus the log-sum-exp of left (with its maximum taken out), "
    "then set left[i] = -np.inf.",
)
order_log_prob.reasoning(
    "Each draw is a softmax over who is left, so the log-probability is a sum of x_i − LSE(left). "
    "The −inf takes a drawn class out of the sum without moving the others. 1 − p₀ would be the "
    "same number, but it is 0 once p₀ rounds to 1, while the log-sum-exp of those left has all its "
    "digits."
)


def _log_softmax(x):
    d = x - np.max(x)
    return d - np.log(np.sum(np.exp(d)))


def _ordered(x, order, *, fill=-_INF, shifted=True):
    """Add up one log-softmax per draw, over those that are left."""
    left, total = np.array(x, dtype=np.float64), 0.0
    for i in order:
        top = left.max() if shifted else 0.0
        total += left[i] - top - np.log(np.sum(np.exp(left - top)))
        left[i] = fill
    return total


@order_log_prob.mistake(
    "each draw is from all classes: that is with replacement. A class that was drawn is out: "
    "its logit becomes -inf."
)
def with_replacement(x, order):
    return np.sum(_log_softmax(x)[order])


@order_log_prob.mistake(
    "1 - p is 0 where p rounds to 1, and what is left has lost its digits. Take the log-sum-exp of "
    "the classes that are left.",
    form=("logs", "log1p", "ratio", "product"),
)
def one_minus(x, order, *, form):
    log_p = _log_softmax(x)
    p, gone, total, product = np.exp(log_p), 0.0, 0.0, 1.0
    for i in order:
        if form == "logs":
            total += log_p[i] - np.log(1 - gone)
        elif form == "log1p":
            total += log_p[i] - np.log1p(-gone)
        elif form == "ratio":
            total += np.log(p[i] / (1 - gone))
        product *= p[i] / (1 - gone)
        gone += p[i]
    return np.log(product) if form == "product" else total


@order_log_prob.mistake(
    "the probabilities are formed, and their product or a single one is 0 where its log is an "
    "ordinary number. Add logs: x[i] minus a log-sum-exp.",
    form=("product", "logs"),
)
def product(x, order, *, form):
    left, factors = np.array(x, dtype=np.float64), []
    for i in order:
        factors.append(_softmax(left)[i])
        left[i] = -_INF
    return np.log(np.prod(factors)) if form == "product" else np.sum(np.log(factors))


@order_log_prob.mistake(
    "exp of the logits overflows, or all of them are 0. Take the maximum of those left out of "
    "the sum first.",
    form=("log", "ratio"),
)
def unshifted(x, order, *, form):
    if form == "log":
        return _ordered(x, order, shifted=False)
    e, total = np.exp(x), 0.0
    for i in order:
        total += np.log(e[i] / np.sum(e))
        e[i] = 0
    return total


@order_log_prob.mistake(
    "the maximum of *all* classes is subtracted, and what is left can be 0 throughout. Each draw "
    "has the maximum of those left."
)
def maximum_of_all(x, order):
    e, d, total = np.exp(x - np.max(x)), x - np.max(x), 0.0
    for i in order:
        total += d[i] - np.log(np.sum(e))
        e[i] = 0
    return total


@order_log_prob.mistake(
    "a drawn class was taken out by its value, and all of the same logit went along. Take it out "
    "by its index."
)
def equal_ones_go_too(x, order):
    left, total = np.array(x, dtype=np.float64), 0.0
    for i in order:
        top = np.max(left, initial=x[i])
        total += x[i] - top - np.log(np.sum(np.exp(left - top)) if left.size else 1)
        left = left[left != x[i]]
    return total


@order_log_prob.mistake(
    "the class that is drawn is missing from its own denominator. It is taken out afterwards.",
    alone=("-inf", "0"),
)
def excludes_itself(x, order, *, alone):
    left, total = np.array(x, dtype=np.float64), 0.0
    for i in order:
        drawn, left[i] = left[i], -_INF
        top = left.max()
        if alone == "0" and top == -_INF:
            total += drawn
            continue
        total += drawn - top - np.log(np.sum(np.exp(left - top)))
    return total


@order_log_prob.mistake(
    "a drawn class got the logit 0, which is a weight of 1. Out means -inf: weight 0.",
    multiplied=(False, True),
)
def filled_with_zero(x, order, *, multiplied):
    return _ordered(np.where(x == -_INF, 0, x) if multiplied else x, order, fill=0.0)


@order_log_prob.mistake(
    "a drawn class got a finite logit, and others may lie below it. Out means -np.inf.",
    fill=(-50.0, -99.0, -100.0, -999.0, -1e3, -1e4, -1e5, -1e6, -1e8, -1e9, -1e10, -1e20, -1e30,
          float(np.finfo(np.float32).min)),
)  # fmt: skip
def finite_fill(x, order, *, fill):
    return _ordered(x, order, fill=fill)


@order_log_prob.mistake(
    "an epsilon stands in the log or the denominator. Add up logs, and nothing has to be added.",
    epsilon=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30, 1e-300),
    where=("log", "denominator", "both"),
)
def epsilon_added(x, order, *, epsilon, where):
    p, gone, total = _softmax(x), 0.0, 0.0
    log, below = (epsilon if where in (place, "both") else 0 for place in ("log", "denominator"))
    for i in order:
        total += np.log(p[i] / (1 - gone + below) + log)
        gone += p[i]
    return total


@order_log_prob.mistake("the order is read from its end. order[0] was drawn first.")
def reversed_order(x, order):
    return _ordered(x, order[::-1])


@order_log_prob.mistake(
    "only one draw is counted. Each draw has its factor: add their logs.", which=("first", "last")
)
def first_only(x, order, *, which):
    if which == "first":
        return _log_softmax(x)[order[0]]
    left = np.array(x, dtype=np.float64)
    left[order[:-1]] = -_INF
    return _log_softmax(left)[order[-1]]


@order_log_prob.mistake(
    "only the drawn classes are in the denominators. The others could have come as well: all that "
    "are left belong in."
)
def only_the_drawn(x, order):
    return _ordered(x[order], range(len(order)))


@order_log_prob.mistake(
    "this is the probability of the set, in any order: the sum over its orders. One order was "
    "asked.",
    how=("sum over the orders", "factorial", "divided"),
)
def any_order(x, order, *, how):
    from math import lgamma

    if how != "sum over the orders":
        count = lgamma(len(order) + 1)
        return _ordered(x, order) + (count if how == "factorial" else -count)
    logs = [_ordered(x, other) for other in itertools.permutations(order)]
    return np.logaddexp.reduce(logs)


@order_log_prob.mistake("the probability came back. Its log was asked.")
def probability(x, order):
    return np.exp(_ordered(x, order))


@order_log_prob.mistake("the logs are averaged over the draws. Add them.")
def mean(x, order):
    return _ordered(x, order) / len(order)


@order_log_prob.mistake("the sign is wrong: this is a loss. A log-probability is never above 0.")
def negated(x, order):
    return -_ordered(x, order)


@order_log_prob.mistake(
    "the log of each draw came back. Add them up to one number.", summed=(False, True)
)
def one_by_one(x, order, *, summed):
    parts = np.array([_ordered(x, order[: i + 1]) for i in range(len(order))])
    return parts if summed else np.diff(parts, prepend=0.0)


@order_log_prob.mistake(
    "the places move when a class is deleted, and order then names others. Keep the row's length: "
    "set the logit to -inf."
)
def places_move(x, order):
    left, total = np.array(x, dtype=np.float64), 0.0
    for i in order:
        total += _log_softmax(left)[i]
        left = np.delete(left, i)
    return total


@order_log_prob.mistake(
    "x was changed: the caller's logits are -inf now. Work on a copy: np.array(x)."
)
def in_place(x, order):
    total = 0.0
    for i in order:
        top = x.max()
        total += x[i] - top - np.log(np.sum(np.exp(x - top)))
        x[i] = -_INF
    return total


# --- 16.5 ----------------------------------------------------------------------------------------


def _chi_square_exactly(counts, p, least=5):
    """Add up the cells one after the other, and the tail by mpmath."""
    import mpmath

    total = sum(map(int, counts))
    kept, pooled, impossible = [], [0, 0.0], False
    for count, probability in zip(map(int, counts), map(float, p), strict=True):
        impossible |= probability == 0 and count > 0
        if total * probability < least:
            pooled = [pooled[0] + count, pooled[1] + total * probability]
        else:
            kept.append([count, total * probability])
    kept += [pooled] if pooled[1] > 0 else []
    degrees = len(kept) - 1
    if impossible:
        return _INF, degrees, 0.0
    statistic = sum((mpmath.mpf(o) - e) ** 2 / e for o, e in kept)
    tail = mpmath.gammainc(mpmath.mpf(degrees) / 2, statistic / 2, regularized=True)
    return float(statistic), degrees, float(tail)


def _counts(*numbers):
    return np.array(numbers, dtype=np.int64)


@exercise(
    "16.5",
    minutes=10,
    probes=[
        ordinary(_counts(30, 18, 52), _row(0.25, 0.25, 0.5), note="no small cell"),
        ordinary(_counts(11, 24, 15, 14), _row(0.25, 0.25, 0.25, 0.25), note="four equal cells"),
        ordinary(
            _counts(70, 21, 6, 3), _row(0.625, 0.25, 0.09375, 0.03125), note="one small cell"
        ),
        ordinary(
            _counts(70, 22, 6, 2), _row(0.625, 0.3125, 0.03125, 0.03125), note="two small cells"
        ),
        ordinary(
            _counts(58, 3, 1, 2, 29, 1, 6),
            _row(0.5, 0.03125, 0.015625, 0.03125, 0.375, 0.015625, 0.03125),
            note="five small cells",
        ),
        ordinary(
            _counts(9, 1, 70, 80), _row(0.03125, 0.03125, 0.4375, 0.5), note="two cells of just 5"
        ),
        ordinary(
            _counts(9, 4, 61, 85, 1), _row(0.03125, 0.03125, 0.4375, 0.46875, 0.03125),
            note="three cells of just 5",
        ),
        ordinary(
            _counts(40, 13, 5, 6), _row(0.5, 0.25, 0.125, 0.125), 10, note="least = 10"
        ),
        ordinary(
            _counts(40, 13, 5, 4, 2), _row(0.5, 0.25, 0.125, 0.0625, 0.0625), 1, note="least = 1"
        ),
        ordinary(_counts(26, 14, 0), _row(0.5, 0.5, 0), note="a class of p = 0, not hit"),
        ordinary(_counts(26, 13, 1), _row(0.5, 0.5, 0), note="a class of p = 0, hit once"),
        ordinary(
            _counts(50, 40, 7, 1, 2), _row(0.5, 0.4375, 0.03125, 0, 0.03125),
            note="small cells, and a class of p = 0 that is hit",
        ),
        ordinary(_counts(40, 40), _row(0.5, 0.5), note="just as expected"),
        ordinary(
            _read_only(_counts(20, 44)), _read_only(_row(0.375, 0.625)), note="read-only arrays"
        ),
    ],
    truth=_chi_square_exactly,
    tolerance=1e-7,
    remark="Choose N, least and the level before looking at the counts.",
)  # fmt: skip
def chi_square(counts, p, least=5):
    """Test counts against probabilities, small cells pooled.

    counts : integer array (n,), how often each class was drawn. p : float array (n,), its
        probability; the sum is 1. With N draws, class i is expected N p[i] times.
    least : all classes that are expected less than `least` times become *one* cell, whose count
        and expectation are their sums. It is left out if its expectation is 0.

    Returns (statistic, degrees, p_value): the sum of (count - expected)**2 / expected over the
    cells; the number of cells minus 1; the probability that a chi-square variable of so many
    degrees of freedom is above the statistic. If a class with p = 0 was drawn, the statistic is
    inf and the p_value 0. At least two cells are left.
    """
    from scipy.stats import chi2

    expected = counts.sum() * p
    small = expected < least
    counted = np.append(counts[~small], counts[small].sum())
    expected = np.append(expected[~small], expected[small].sum())
    counted, expected = counted[expected > 0], expected[expected > 0]
    statistic = np.sum((counted - expected) ** 2 / expected)
    if np.any(counts[p == 0] > 0):
        statistic = np.inf
    degrees = len(expected) - 1
    return statistic, degrees, chi2.sf(statistic, degrees)


chi_square.hints(
    "First what is expected: N p, N the sum of the counts. Which cells are below `least`?",
    "small = expected < least. One cell takes counts[small].sum() and expected[small].sum().",
    "If nothing is small, that cell is empty: 0/0. Leave it out, and do not count it.",
    "scipy.stats.chi2.sf(statistic, degrees) is the tail above. A count where p is 0 settles it: "
    "statistic inf.",
)
chi_square.reasoning(
    "The statistic follows a χ² law only where each cell's count is nearly normal, so small "
    "expectations are added up first: by *expectation*, which the data cannot move. One degree is "
    "lost because the counts sum to N. A draw that is impossible needs no statistics: it refutes p "
    "at once, and a pool would hide it."
)


def _tested(counts, p, least=5, **changes):
    """The test with one thing done otherwise."""
    from scipy.stats import chi2

    total, impossible = counts.sum(), np.any(counts[p == 0] > 0)
    expected = total * p
    if changes.get("zero") == "left out":
        counts, expected = counts[p > 0], expected[p > 0]
    small = changes.get("small", lambda o, e: e < least)(counts, expected)
    kept, of_kept = counts[~small].astype(float), expected[~small]
    if changes.get("pool", True) and (
        small.any() or "if any is small" not in changes.get("empty", "")
    ):
        kept = np.append(kept, counts[small].sum())
        of_kept = np.append(of_kept, expected[small].sum())
    if changes.get("empty") is None:
        kept, of_kept = kept[of_kept > 0], of_kept[of_kept > 0]
    cells = changes.get("cells", lambda o, e: (o - e) ** 2 / e)
    with np.errstate(all="ignore"):
        parts = cells(kept, of_kept)
        if changes.get("empty", "").startswith("counted"):
            parts = np.where(of_kept > 0, parts, 0)
        statistic = changes.get("together", np.sum)(parts)
        if changes.get("per_draw"):
            statistic = statistic / total
    if impossible and "zero" not in changes:
        statistic = _INF
    degrees = len(kept) - 1 if "degrees" not in changes else changes["degrees"](kept, p)
    return statistic, degrees, changes.get("tail", chi2.sf)(statistic, degrees)


@chi_square.mistake(
    "small cells are not pooled: one chance hit where 0.01 is expected decides the test. Add up "
    "the cells that are expected less than `least` times.",
    zero=("inf", "0/0 counts as 0", "0/0"),
)
def no_pooling(counts, p, least=5, *, zero):
    if zero == "0/0":
        return _tested(
            counts, p, least, small=lambda o, e: e < 0, pool=False, empty="0/0", zero="not seen"
        )
    if zero == "inf":
        return _tested(counts, p, least, small=lambda o, e: e < 0)
    return _tested(counts, p, least, small=lambda o, e: e < 0, empty="counted")


@chi_square.mistake(
    "small cells are dropped, and a tail that never comes is never missed. Add them up to one cell."
)
def drops_small_cells(counts, p, least=5):
    return _tested(counts, p, least, pool=False)


@chi_square.mistake(
    "cells were pooled by what was counted, so chance decides which. Pool by what is expected: "
    "N p < least."
)
def pools_by_observed(counts, p, least=5):
    return _tested(counts, p, least, small=lambda o, e: o < least)


@chi_square.mistake(
    "a cell that is expected just `least` times was pooled. Pool below it: <, not <=."
)
def pools_at_least_too(counts, p, least=5):
    return _tested(counts, p, least, small=lambda o, e: e <= least)


@chi_square.mistake("cells are pooled below 5, whatever `least` is. Use the argument.")
def always_5(counts, p, least=5):
    return _tested(counts, p)


@chi_square.mistake(
    "cells are pooled by their probability, not by what is expected. Compare N p with least.",
    percent=(False, True),
)
def pools_by_probability(counts, p, least=5, *, percent):
    return _tested(
        counts, p, least, small=lambda o, e: (100 if percent else 1) * e / o.sum() < least
    )


@chi_square.mistake(
    "the degrees of freedom are the number of cells. The counts sum to N: one is not free."
)
def degrees_are_cells(counts, p, least=5):
    return _tested(counts, p, least, degrees=lambda kept, p: len(kept))


@chi_square.mistake(
    "the degrees of freedom are counted before pooling. Count the cells that are left, minus 1.",
    of=("all", "p > 0"),
)
def degrees_before_pooling(counts, p, least=5, *, of):
    free = (lambda kept, p: len(p) - 1) if of == "all" else (lambda kept, p: np.sum(p > 0) - 1)
    return _tested(counts, p, least, degrees=free)


@chi_square.mistake(
    "a pooled cell that expects nothing is counted as a cell. Where its expectation is 0, leave it "
    "out.",
    empty=("counted", "counted if any is small", "0/0", "0/0 if any is small"),
    zero=("inf", "not seen"),
)
def empty_cell_counts(counts, p, least=5, *, empty, zero):
    also = {} if zero == "inf" else {"zero": zero}
    return _tested(counts, p, least, empty=empty, **also)


@chi_square.mistake(
    "divided by what was counted. Divide by what is expected: that is the variance under p."
)
def divides_by_observed(counts, p, least=5):
    return _tested(counts, p, least, cells=lambda o, e: (o - e) ** 2 / o)


@chi_square.mistake(
    "the squares are not divided by what is expected. A miss of 10 means much where 12 are "
    "expected, little where 1000 are.",
    power=(0, 2),
)
def not_divided(counts, p, least=5, *, power):
    return _tested(counts, p, least, cells=lambda o, e: (o - e) ** 2 / e**power)


@chi_square.mistake(
    "frequencies were compared with probabilities, and N is lost: more draws would prove nothing. "
    "Compare counts with N p."
)
def frequencies(counts, p, least=5):
    return _tested(counts, p, least, per_draw=True)


def _lower(statistic, degrees):
    from scipy.stats import chi2

    return chi2.cdf(statistic, degrees)


@chi_square.mistake(
    "the p-value is the lower tail. It is the probability of a statistic *above* the one seen: "
    "chi2.sf."
)
def lower_tail(counts, p, least=5):
    return _tested(counts, p, least, tail=_lower)


@chi_square.mistake(
    "a draw of a class with p = 0 is not noticed. It cannot happen under p: statistic inf, p-value "
    "0.",
    how=("pooled", "left out"),
)
def zero_class_ignored(counts, p, least=5, *, how):
    return _tested(counts, p, least, zero=how)


@chi_square.mistake(
    "this is the G-test, 2 Σ O log(O/E): a good test, not this one. Take Σ (O − E)²/E."
)
def g_test(counts, p, least=5):
    from scipy.special import xlogy

    return _tested(counts, p, least, cells=lambda o, e: 2 * xlogy(o, o / e))


@chi_square.mistake(
    "the statistic is one cell's, or a mean. Add up all cells.",
    how=("largest", "mean", "root"),
)
def largest_residual(counts, p, least=5, *, how):
    together = {"largest": np.max, "mean": np.mean, "root": lambda parts: np.sqrt(np.sum(parts))}
    return _tested(counts, p, least, together=together[how])


@chi_square.mistake(
    "the differences are not squared. (O − E)²/E: else what is too much here pays for what is too "
    "little there.",
    absolute=(True, False),
)
def not_squared(counts, p, least=5, *, absolute):
    return _tested(counts, p, least, cells=lambda o, e: abs(o - e) / e if absolute else (o - e) / e)


@chi_square.mistake(
    "small cells were joined to their neighbours, so several pooled cells came out. All classes "
    "that are expected less than `least` times become one cell."
)
def pools_neighbours(counts, p, least=5):
    return _regrouped(counts, p, least, _runs_of_neighbours)


@chi_square.mistake(
    "the pooled cell was pooled once more, because it is still small. It stays a cell of its own, "
    "whatever it is expected.",
    how=("left out", "added to the smallest"),
)
def pooled_cell_still_small(counts, p, least=5, *, how):
    def regroup(counts, expected, least):
        small = expected < least
        seen, hoped = list(counts[~small]), list(expected[~small])
        pool = counts[small].sum(), expected[small].sum()
        if pool[1] >= least or (how != "left out" and 0 < pool[1] and len(hoped) < 2):
            return [*seen, pool[0]], [*hoped, pool[1]]
        if how != "left out" and pool[1] > 0:
            smallest = int(np.argmin(hoped))
            seen[smallest] += pool[0]
            hoped[smallest] += pool[1]
        return seen, hoped

    return _regrouped(counts, p, least, regroup)


def _regrouped(counts, p, least, regroup):
    """The test on cells that were formed otherwise."""
    from scipy.stats import chi2

    seen, hoped = map(np.array, regroup(counts, counts.sum() * p, least))
    statistic = np.sum((seen - hoped) ** 2 / hoped)
    if np.any(counts[p == 0] > 0):
        statistic = _INF
    return statistic, len(hoped) - 1, chi2.sf(statistic, len(hoped) - 1)


def _runs_of_neighbours(counts, expected, least):
    """Add up classes in their order until enough is expected; the rest goes to the last cell."""
    seen, hoped, count, hope = [], [], 0, 0.0
    for a, b in zip(counts, expected, strict=True):
        count, hope = count + a, hope + b
        if hope >= least:
            seen.append(count)
            hoped.append(hope)
            count, hope = 0, 0.0
    seen[-1] += count
    hoped[-1] += hope
    return seen, hoped


@chi_square.mistake(
    "two degrees of freedom too few, as if a parameter had been fitted. Nothing was: the number of "
    "cells minus 1."
)
def two_degrees_less(counts, p, least=5):
    statistic, degrees, tail = _tested(counts, p, least, degrees=lambda kept, p: len(kept) - 2)
    return statistic, degrees, 0.0 if statistic == _INF else tail


@chi_square.mistake(
    "this has Yates's correction, a half off each difference. It is for tables of two by two; here "
    "take (O − E)²/E."
)
def continuity_correction(counts, p, least=5):
    return _tested(counts, p, least, cells=lambda o, e: np.maximum(np.abs(o - e) - 0.5, 0) ** 2 / e)


@chi_square.mistake(
    "divided by N p (1 − p), a count's variance. Pearson's statistic divides by N p: the counts "
    "depend on one another, and that makes up for the 1 − p."
)
def divides_by_variance(counts, p, least=5):
    total = counts.sum()
    return _tested(counts, p, least, cells=lambda o, e: (o - e) ** 2 / (e * (1 - e / total)))


@chi_square.mistake("the expectation is N/n for each class, whatever p says. It is N p.")
def equal_expectations(counts, p, least=5):
    statistic, degrees, tail = _tested(counts, np.full(len(p), 1 / len(p)), least)
    return statistic, degrees, tail


@chi_square.mistake(
    "the third number is no upper tail of the χ² law. Take chi2.sf(statistic, degrees).",
    instead=("density", "both sides", "normal"),
)
def another_p_value(counts, p, least=5, *, instead):
    from scipy.stats import chi2, norm

    def both_sides(statistic, degrees):
        tail = chi2.sf(statistic, degrees)
        return 2 * min(tail, 1 - tail)

    def normal(statistic, degrees):
        return norm.sf((statistic - degrees) / (2 * degrees) ** 0.5)

    tails = {"density": chi2.pdf, "both sides": both_sides, "normal": normal}
    return _tested(counts, p, least, tail=tails[instead])


@chi_square.mistake(
    "where a class with p = 0 was drawn, the p-value is NaN. It is 0: what cannot happen has "
    "happened."
)
def nan_for_the_impossible(counts, p, least=5):
    statistic, degrees, tail = _tested(counts, p, least)
    return statistic, degrees, np.nan if statistic == _INF else tail


@chi_square.mistake(
    "the results come in another order. First the statistic, then the degrees, then the p-value.",
    order=((0, 2, 1), (2, 0, 1), (1, 0, 2)),
)
def another_order(counts, p, least=5, *, order):
    found = _tested(counts, p, least)
    return tuple(found[k] for k in order)


# --- 16.6 ----------------------------------------------------------------------------------------


def _speculated_exactly(p, q, token, u, v):
    """Decide and draw in fractions."""
    target, draft = ([Fraction(float(w)) for w in row] for row in (p, q))
    if Fraction(float(u)) * draft[token] < target[token]:
        return token
    rest = [max(a - b, Fraction(0)) for a, b in zip(target, draft, strict=True)]
    return int(_first_above([float(w) for w in rest], [v])[0])


_THREE = _row(0.5, 0.3, 0.2), _row(0.2, 0.3, 0.5)
_FOUR = _row(0.1, 0.4, 0.2, 0.3), _row(0.4, 0.1, 0.3, 0.2)

_NEVER = _row(0, 0.5, 0.5), _row(0.5, 0.25, 0.25)
_TWO_MISS = _row(0.25, 0.125, 0.25, 0.375), _row(0.125, 0.5, 0.25, 0.125)


def _decisions(rows, pairs):
    p, q = rows
    return [
        ordinary(p, q, token, u, v, note=f"{len(p)} classes, token {token}, u = {u}, v = {v}")
        for token in range(len(p))
        for u, v in pairs
    ]


@exercise(
    "16.6",
    minutes=8,
    probes=[
        *_decisions(_THREE, [(0.0, 0.6), (0.3, 0.9), (0.6, 0.3), (0.95, 0.0)]),
        *_decisions(_FOUR, [(0.0, 0.3), (0.3, 0.0), (0.6, 0.9), (0.95, 0.6), (0.9, 0.0)]),
        ordinary(*_FOUR, 0, 0.95, 0.0, note="four classes, rejected, v = 0"),
        ordinary(*_FOUR, 2, 0.7, 0.8, note="four classes, v = 0.8"),
        ordinary(*_NEVER, 0, 0.0, 0.25, note="p[token] = 0, u = 0"),
        ordinary(*_NEVER, 0, 0.75, 0.75, note="p[token] = 0, u = 0.75"),
        *_decisions(_TWO_MISS, [(0.5, 0.2), (0.5, 0.6)]),
        ordinary(_row(0.5, 0.375, 0.125), _row(0.4375, 0.0625, 0.5), 2, 0.5, 0.5,
                 note="three classes, token 2, u = v = 0.5"),
        ordinary(_THREE[0], _THREE[0], 0, 0.99, 0.5, note="p = q, token 0"),
        ordinary(_THREE[0], _THREE[0], 2, 0.5, 0.1, note="p = q, token 2"),
        ordinary(*map(_read_only, (_row(0.25, 0.75), _row(0.75, 0.25))), 0, 0.5, 0.5,
                 note="read-only rows"),
        extreme(np.append(_TENTHS, 0), np.append(np.zeros(10), 1), 10, 0.5, _LAST,
                note="ten times 0.1 are missing, v just below 1"),
    ],
    truth=_speculated_exactly,
    remark="Summed over token, u and v, what comes out has the law p, for every q.",
)  # fmt: skip
def speculative(p, q, token, u, v):
    """Return one token of the target model, by a token of the draft model.

    p, q : float64 arrays (n,), the probabilities of the target and of the draft model.
    token : an integer, drawn from q: q[token] > 0. u, v : uniform numbers in [0, 1).

    Returns an integer: `token` if u < p[token] / q[token]. Else a class drawn with v from what p
    has more than q: the weights max(p - q, 0), divided by their sum, by the inverse CDF as in 16.1.
    A token with p[token] = 0 is never accepted, also where u = 0.
    """
    if u * q[token] < p[token]:
        return token
    sums = np.cumsum(np.maximum(p - q, 0))
    return int(np.searchsorted(sums, v * sums[-1], side="right"))


speculative.hints(
    "Accept where u is *below* p[token] / q[token]. Where p is larger, that is always.",
    "q drew some tokens too often; those are rejected. Which tokens did it draw too seldom, and by "
    "how much?",
    "The weights are np.maximum(p - q, 0). They do not sum to 1.",
    "16.1 does the rest: the first running sum that is greater than v times the last one.",
)
speculative.reasoning(
    "A token i is drawn and accepted with probability q_i · min(1, p_i/q_i) = min(p_i, q_i). What "
    "is missing to p is (p_i − q_i)₊, and its sum is just the probability that a token was "
    "rejected. Drawing from it then adds what is missing, class by class, whatever q is."
)


def _redrawn(weights, v, instead=None):
    return int(_place(weights if instead is None or np.any(weights) else instead, v))


def _rest(p, q):
    return np.maximum(p - q, 0)


def _accepted(p, q, token, u):
    return u * q[token] < p[token]


@speculative.mistake(
    "the draft's token is always accepted: what comes out has the law q. Accept it where "
    "u < p[token] / q[token]."
)
def always_accepts(p, q, token, u, v):
    return token


@speculative.mistake(
    "the draft's token is never accepted. Where u < p[token] / q[token], it is the answer.",
    of=("rest", "rest or p", "p"),
)
def never_accepts(p, q, token, u, v, *, of):
    return _redrawn(p if of == "p" else _rest(p, q), v, p if of == "rest or p" else None)


@speculative.mistake(
    "the ratio is upside down. Reject what the draft model draws too often: u < p[token] / "
    "q[token].",
    zero=("accepted", "rejected"),
)
def ratio_inverted(p, q, token, u, v, *, zero):
    accepted = u * p[token] < q[token] and (zero == "accepted" or p[token] > 0)
    return token if accepted else _redrawn(_rest(p, q), v, p)


@speculative.mistake(
    "accepted with probability p[token]. The token has been drawn from q already: divide by "
    "q[token].",
    fallback=(False, True),
    larger=(False, True),
)
def accepts_with_p(p, q, token, u, v, *, fallback, larger):
    accepted = u < p[token] or (larger and p[token] > q[token])
    return token if accepted else _redrawn(_rest(p, q), v, p if fallback else None)


@speculative.mistake(
    "accepted with another probability than min(1, p[token] / q[token]). Compare u with just this "
    "ratio.",
    how=("1 - u", "p / (p + q)"),
    fallback=(False, True),
)
def accepts_otherwise(p, q, token, u, v, *, how, fallback):
    ratio = p[token] / q[token]
    accepted = 1 - u < ratio if how == "1 - u" else u < p[token] / (p[token] + q[token])
    return token if accepted else _redrawn(_rest(p, q), v, p if fallback else None)


@speculative.mistake(
    "u and v are exchanged, or v is not used. u decides whether the token is accepted, v draws "
    "the other one.",
    how=("exchanged", "u stretched"),
)
def numbers_exchanged(p, q, token, u, v, *, how):
    if how == "exchanged":
        return token if _accepted(p, q, token, v) else _redrawn(_rest(p, q), u)
    ratio = p[token] / q[token]
    return token if u < ratio else _redrawn(_rest(p, q), (u - ratio) / (1 - ratio))


@speculative.mistake(
    "the second draw has other weights than what is missing. The weights are the differences "
    "themselves, max(p - q, 0).",
    how=("p where larger", "alike", "squared", "relative"),
)
def other_weights(p, q, token, u, v, *, how):
    if _accepted(p, q, token, u):
        return token
    rest = _rest(p, q)
    weights = {
        "p where larger": np.where(rest > 0, p, 0),
        "alike": (rest > 0).astype(float),
        "squared": rest**2,
        "relative": rest / np.maximum(q, 1e-12),
    }
    return _redrawn(weights[how], v)


@speculative.mistake(
    "the classes that miss nothing were left out, and the others numbered anew. Map the index "
    "back, or leave them in with the weight 0."
)
def numbered_anew(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else _redrawn((p - q)[p > q], v)


@speculative.mistake(
    "accepted only where p is at least q, and u is not used. Where p is smaller, accept with "
    "probability p[token] / q[token]."
)
def only_where_p_ge_q(p, q, token, u, v):
    return token if p[token] >= q[token] else _redrawn(_rest(p, q), v)


@speculative.mistake(
    "u = 0 accepts a token with p[token] = 0. Accept where u is smaller than the ratio: <, not <=."
)
def accepts_at_zero(p, q, token, u, v):
    return token if u * q[token] <= p[token] else _redrawn(_rest(p, q), v)


@speculative.mistake(
    "accepted where u is *above* the ratio. Where p is larger, the ratio is above 1 and the token "
    "always accepted.",
    fallback=(False, True),
)
def accepts_above(p, q, token, u, v, *, fallback):
    again = _redrawn(_rest(p, q), v, p if fallback else None)
    return again if _accepted(p, q, token, u) else token


@speculative.mistake(
    'a class of weight 0 can be drawn: the sums were searched with side="left". Take the first sum '
    "that is greater."
)
def wrong_side(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else int(_place(_rest(p, q), v, side="left"))


@speculative.mistake(
    "the second draw is from p: what the first has given already is given twice. Draw from what is "
    "missing, max(p - q, 0)."
)
def redraws_from_p(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else _redrawn(p, v)


@speculative.mistake(
    "the second draw is from q, the draft model again. Draw from what is missing, max(p - q, 0)."
)
def redraws_from_q(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else _redrawn(q, v)


@speculative.mistake(
    "the rejected token was taken out of p. That is not what is missing: draw from max(p - q, 0)."
)
def removes_the_token(p, q, token, u, v):
    return (
        token
        if _accepted(p, q, token, u)
        else _redrawn(np.where(np.arange(len(p)) == token, 0, p), v)
    )


@speculative.mistake(
    "the second draw has the weights |p - q|. What q has too much is not missing: max(p - q, 0)."
)
def absolute_difference(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else _redrawn(abs(p - q), v)


@speculative.mistake(
    "the second draw is from what the draft has too much. Draw from what the target has more: "
    "max(p - q, 0)."
)
def draft_minus_target(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else _redrawn(_rest(q, p), v)


@speculative.mistake(
    "p - q is not clipped, and sums to 0. Only what is missing counts: np.maximum(p - q, 0).",
    how=("searchsorted", "first", "first of the rest", "divided", "unscaled"),
)
def unclipped(p, q, token, u, v, *, how):
    if _accepted(p, q, token, u):
        return token
    sums = np.cumsum(p - q)
    with np.errstate(all="ignore"):
        if how == "first":
            return int(np.argmax(sums > v * sums[-1]))
        if how == "first of the rest":
            return int(np.argmax(sums > v * np.sum(_rest(p, q))))
        if how == "divided":
            rest = (p - q) / np.sum(p - q)
            return int(np.searchsorted(np.cumsum(rest), v, side="right"))
    return int(np.searchsorted(sums, v if how == "unscaled" else v * sums[-1], side="right"))


@speculative.mistake(
    "the weights max(p - q, 0) sum to less than 1, and v falls off their end. Compare with v times "
    "their sum.",
    how=("falls off", "clipped", "argmax"),
)
def not_rescaled(p, q, token, u, v, *, how):
    if _accepted(p, q, token, u):
        return token
    if how == "argmax":
        return int(np.argmax(np.cumsum(_rest(p, q)) > v))
    found = int(_place(_rest(p, q), v, scaled=False))
    return min(found, len(p) - 1) if how == "clipped" else found


@speculative.mistake(
    "the weights were divided by their sum, and their running sums still end below 1: v falls off. "
    "Compare with v times the last running sum.",
    how=("falls off", "clipped", "argmax"),
)
def ends_below_one(p, q, token, u, v, *, how):
    if _accepted(p, q, token, u):
        return token
    rest = _rest(p, q) / np.sum(_rest(p, q))
    if how == "argmax":
        return int(np.argmax(np.cumsum(rest) > v))
    found = int(_place(rest, v, scaled=False))
    return min(found, len(p) - 1) if how == "clipped" else found


@speculative.mistake(
    "u decides twice. Once it has rejected, it is known to be large: the second draw needs v."
)
def u_again(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else _redrawn(_rest(p, q), u)


@speculative.mistake("the class that misses most came back. Draw from max(p - q, 0) with v.")
def most_likely_residual(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else int(np.argmax(p - q))


@speculative.mistake("the target's most likely class came back. Draw from max(p - q, 0) with v.")
def most_likely_target(p, q, token, u, v):
    return token if _accepted(p, q, token, u) else int(np.argmax(p))
