"""The exercises of notebook 01: softmax from its definition."""

from __future__ import annotations

import math

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary, spread


def _read_only(values):
    array = np.array(values)
    array.setflags(write=False)
    return array


def _exact_softmax(x):
    from helpers import oracle

    return oracle.softmax(x, as_float=True)


# --- 1.1 -------------------------------------------------------------------------------------


def _exact_normalise(w):
    sums = [math.fsum(float(entry) for entry in row) for row in w]
    return np.array([[float(e) / s for e in row] for row, s in zip(w, sums, strict=True)])


@exercise(
    "1.1",
    minutes=4,
    probes=[
        ordinary(np.array([[1.0, 2.0], [3.0, 5.0]]), note="a square batch, not symmetric"),
        ordinary(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 1.0]]), note="two rows of three"),
        ordinary(np.array([[0.2, 0.0, 0.7, 0.4]]), note="a batch of one row, with a zero"),
        ordinary(np.array([[3.0], [0.5], [2.0], [1.0], [4.0]]), note="rows of length 1"),
        ordinary(
            np.array([[9.0, 1.0, 1.0], [2.0, 7.0, 3.0], [4.0, 4.0, 8.0]]), note="a 3 × 3 batch"
        ),
        ordinary(_read_only([[0.5, 1.5, 2.5], [1.0, 1.0, 1.0]]), note="a read-only array"),
        ordinary(np.array([[1e-3, 1e3], [5.0, 7.0], [1.0, 2.0]]), note="weights far apart"),
        ordinary(np.array([[1.0, 2.0, 5.0], [3.0, 1.0, 1.0]], dtype=np.float32), note="float32"),
        ordinary(np.array([[1.0, 2.0, 5.0], [3.0, 1.0, 1.0]], dtype=np.float16), note="float16"),
    ],
    truth=_exact_normalise,
    library=("normalize",),
    remark="`w / w.sum(axis=-1, keepdims=True)` says the same for a stack of any depth.",
)
def normalise(w):
    """Return the weights `w` with every row divided by its sum.

    `w` is a float array of shape (N, n) without negative entries; every row has a positive one.
    The result is a new array of shape (N, n), and each of its rows sums to 1.
    """
    return w / w.sum(axis=1, keepdims=True)


normalise.hints(
    "Each row needs its own divisor: how many divisors are there, and along which axis do you sum?",
    "The sums have shape (N,). For row i to meet sum i, they need the shape (N, 1).",
    "`w.sum(axis=1, keepdims=True)` has the shape (N, 1); divide `w` by it.",
)
normalise.reasoning(
    "Dividing a row by its own sum makes it sum to 1. `keepdims=True` leaves the summed axis in "
    "place with length 1, so that broadcasting stretches sum i along row i. Without it NumPy lines "
    "the N sums up with the columns: an error when N ≠ n, silently wrong when N = n."
)


@normalise.mistake(
    "Your columns sum to 1, not your rows: axis 0 was summed, and the entries of a row lie "
    "along axis 1."
)
def columns_sum_to_one(w):
    return w / w.sum(axis=0, keepdims=True)


@normalise.mistake(
    "The whole matrix sums to 1, not each row: `sum()` without an axis adds everything up. "
    "Give it `axis=1`."
)
def whole_matrix_sums_to_one(w):
    return w / w.sum()


@normalise.mistake(
    "`keepdims=True` is missing: sums of shape (N,) are lined up with the columns, so entry (i, j) "
    "is divided by the sum of row j. On a square batch NumPy does not complain; where N and n "
    "differ, the shapes mostly clash."
)
def missing_keepdims(w):
    return w / w.sum(axis=1)


@normalise.mistake(
    "You divided by the largest entry: that makes the largest entry 1. For the row to sum to 1, "
    "divide by its sum.",
    axis=(1, None),
)
def divides_by_the_maximum(w, *, axis):
    return w / w.max(axis=axis, keepdims=True)


@normalise.mistake(
    "You divided by the Euclidean length of each row, as `np.linalg.norm` does: then the squares "
    "sum to 1. Divide by the plain sum.",
    epsilon=(0.0, 1e-12, 1e-10, 1e-8, 1e-6),
)
def divides_by_the_length(w, *, epsilon):
    return w / (np.sqrt((w * w).sum(axis=1, keepdims=True)) + epsilon)


@normalise.mistake(
    "You took a softmax: weights are positive already, so no exponential is needed. Divide by the "
    "sum of the row."
)
def takes_a_softmax(w):
    e = np.exp(w - w.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@normalise.mistake(
    "You added an ε to the sum: then the rows no longer sum to 1. Every row here has a positive "
    "entry, so nothing has to be guarded.",
    epsilon=(1e-12, 1e-10, 1e-9, 1e-8, 1e-6, 1e-3),
)
def adds_epsilon(w, *, epsilon):
    return w / (w.sum(axis=1, keepdims=True) + epsilon)


@normalise.mistake(
    "You divided every row by the sum of the first row: `sum(axis=1)[0]` or a sum outside the loop "
    "over the rows. Each row needs its own."
)
def first_sum_for_all(w):
    return w / w[0].sum()


@normalise.mistake(
    "You wrote the results into w: the caller finds other numbers in it afterwards. Divide into a "
    "new array, `w / …`, and return that.",
    returns=("w", "nothing"),
)
def writes_into_the_rows(w, *, returns):
    for i in range(len(w)):
        w[i] = w[i] / w[i].sum()
    return w if returns == "w" else None


@normalise.mistake(
    "You stretched the numbers from 0 to 1 by minimum and maximum: that is another normalisation. "
    "Here each row has to sum to 1.",
    axis=(1, None),
)
def stretches_to_zero_and_one(w, *, axis):
    low = w.min(axis=axis, keepdims=True)
    return (w - low) / (w.max(axis=axis, keepdims=True) - low)


# --- 1.2 -------------------------------------------------------------------------------------


@exercise(
    "1.2",
    minutes=5,
    probes=[
        ordinary(np.array([1.0, 2.0, 4.0]), note="one row"),
        ordinary(np.array([[1.0, 2.0], [3.0, 5.0]]), note="a square batch, not symmetric"),
        ordinary(np.array([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]]), note="two rows of three"),
        ordinary(np.linspace(-3.0, 4.0, 24).reshape(2, 3, 4), note="a 3-D stack"),
        ordinary(np.array([[[1.0, 2.0], [3.0, 5.0]]]), note="a stack of one batch"),
        ordinary(np.array([3.0, 1.0, -2.0, -2.5]), note="descending, with negative logits"),
        ordinary(np.array([2.0, 2.0, 2.0]), note="three ties"),
        ordinary(np.array([-1.5]), note="one class alone"),
        ordinary(np.array([[0.3, -0.6, 2.0]]), note="a batch of one row"),
        ordinary(np.array([1, 2, 4]), note="one row of integers"),
        ordinary(np.array([[0, 1, -1], [2, 5, 3]]), note="a batch of integers"),
        ordinary(_read_only([[0.5, 1.5], [2.5, -1.0], [0.0, 1.0]]), note="a read-only array"),
        ordinary(np.array([[20.0, -20.0, 3.0], [-30.0, -31.0, -29.0]]), note="logits up to ±31"),
        ordinary(np.array([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]], dtype=np.float32), note="float32"),
        ordinary(np.array([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]], dtype=np.float16), note="float16"),
    ],
    truth=_exact_softmax,
    relative=spread,
    library=("softmax", "log_softmax"),
    remark="This is the textbook form. Try it on (1000, 0): notebooks 02 and 03 are about that.",
)
def softmax_textbook(x):
    """Return the softmax of `x` over its last axis, straight from the definition.

    `x` is an array of logits of shape (..., n), floats or integers too: one row, or any stack of
    rows. It is left unchanged. The result has the same shape; every row of n entries is positive
    and sums to 1. Very large logits may overflow; stability comes later.
    Write it yourself: no ready-made softmax or log-softmax.
    """
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


softmax_textbook.hints(
    "The definition has two steps: make every entry positive, then let every row sum to 1.",
    "The second step is exercise 1.1, over the last axis: which axis number works for any stack?",
    "`e = np.exp(x)`, then divide `e` by `e.sum(axis=-1, keepdims=True)`.",
)
softmax_textbook.reasoning(
    "The exponential makes every logit a positive weight, and dividing by the sum of the row makes "
    "the weights probabilities. `axis=-1` is the last axis of a row, of a batch and of a stack "
    "alike; `keepdims=True` keeps each sum beside its own row. Nothing is written into `x`, and "
    "integers become floats in `np.exp`."
)


@softmax_textbook.mistake(
    "You normalised over the first axis: your columns sum to 1. The classes lie along the last "
    "axis, `axis=-1`."
)
def wrong_axis(x):
    e = np.exp(x)
    return e / e.sum(axis=0, keepdims=True)


@softmax_textbook.mistake(
    "You divided by the sum over the whole array: all rows together sum to 1. Each row needs its "
    "own sum, `axis=-1`."
)
def no_axis(x):
    e = np.exp(x)
    return e / e.sum()


@softmax_textbook.mistake(
    "`keepdims=True` is missing: the sums line up with the columns instead of the rows. One row "
    "alone hides it, a square batch is silently wrong, other shapes clash."
)
def no_keepdims(x):
    e = np.exp(x)
    return e / e.sum(axis=-1)


@softmax_textbook.mistake(
    "The exponential is missing below the fraction bar: you divided exp(x) by the sum of x. The "
    "sum has to run over the same exp(x)."
)
def exp_only_in_the_numerator(x):
    return np.exp(x) / x.sum(axis=-1, keepdims=True)


@softmax_textbook.mistake(
    "There is no exponential at all: you divided x by its sum, which can be negative or divide "
    "by 0. Take np.exp(x) first."
)
def no_exp(x):
    return x / x.sum(axis=-1, keepdims=True)


@softmax_textbook.mistake(
    "These are the weights exp(x); they do not sum to 1 yet. Divide each row by its sum."
)
def weights_only(x):
    return np.exp(x)


@softmax_textbook.mistake(
    "The exponential comes too late: you took exp of the sum, and a sum of exponentials is asked. "
    "Take np.exp(x) first, then sum."
)
def exp_of_the_sum(x):
    return np.exp(x) / np.exp(x.sum(axis=-1, keepdims=True))


@softmax_textbook.mistake(
    "You rounded the result: the probabilities lose digits, and no longer sum to 1. Round only "
    "what you print.",
    decimals=(2, 3, 4, 5, 6),
)
def rounds(x, *, decimals):
    e = np.exp(x)
    return (e / e.sum(axis=-1, keepdims=True)).round(decimals)


@softmax_textbook.mistake(
    "It works for one row alone: a loop over single numbers (math.exp, a list of floats) stops at "
    "a batch, whose elements are rows. np.exp takes an array of any shape, and `axis=-1` sums each "
    "row.",
    decimals=(None, 4),
    shifted=(False, True),
)
def one_row_only(x, *, decimals, shifted):
    largest = max(x) if shifted else 0
    e = [math.exp(value - largest) for value in x]
    p = [value / sum(e) for value in e]
    return p if decimals is None else [round(value, decimals) for value in p]


@softmax_textbook.mistake(
    "It works for one row and for a batch, and a stack of batches (3-D) falls through: a case for "
    "each number of dimensions, a transpose or a reshape. `axis=-1` with `keepdims=True` needs no "
    "cases.",
    stack=("transposed", "one sum for all", "reshaped", "nothing"),
)
def one_and_two_dimensions_only(x, *, stack):
    e = np.exp(x)
    if x.ndim <= 2 or stack == "transposed":
        return (e.T / e.sum(axis=-1)).T
    if stack == "nothing":
        return None
    return e / e.sum() if stack == "one sum for all" else e / e.sum(axis=1).reshape((len(x), 1))


@softmax_textbook.mistake(
    "One row alone was made a column: `x.reshape(-1, 1)` gives n rows with one class each, and "
    "every probability is 1. As a batch, one row has the shape (1, n); `axis=-1` needs neither.",
    axis=(-1, 1),
)
def one_row_taken_for_a_column(x, *, axis):
    e = np.exp(x.reshape(-1, 1) if x.ndim == 1 else x)
    return e / e.sum(axis=axis, keepdims=True)


@softmax_textbook.mistake(
    "You took the sigmoid of each logit: it looks at one logit alone. Softmax divides exp(x) by "
    "the sum over all classes.",
    then=("nothing", "rows", "everything"),
)
def sigmoid_for_softmax(x, *, then):
    s = 1.0 / (1.0 + np.exp(-x))
    if then == "nothing":
        return s
    return s / s.sum(axis=-1 if then == "rows" else None, keepdims=True)


@softmax_textbook.mistake(
    "You subtracted the maximum after the exponential: exp(x) − max x is no weight, and may be "
    "negative. A shift belongs inside: exp(x − max x). Here you need none.",
    maximum=(None, -1),
    axis=(None, 0, -1),
)
def subtracts_after_the_exponential(x, *, maximum, axis):
    e = np.exp(x) - x.max(axis=maximum, keepdims=True)
    return e / e.sum(axis=axis, keepdims=True)


@softmax_textbook.mistake(
    "The maximum is subtracted above the fraction bar only: below it the sum runs over exp(x) "
    "without it, so the common factor no longer cancels. Use the same exponentials in both places.",
    maximum=(None, -1),
    axis=(None, 0, -1),
)
def shifts_the_numerator_only(x, *, maximum, axis):
    e = np.exp(x - x.max(axis=maximum, keepdims=True))
    return e / np.exp(x).sum(axis=axis, keepdims=True)


@softmax_textbook.mistake(
    "Each row is shifted by its own maximum, but the sum runs over the whole array: all rows "
    "together sum to 1. Each row needs its own sum, `axis=-1`."
)
def own_shift_common_sum(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum()


@softmax_textbook.mistake(
    "You divided before the exponential: exp(x / Σ exp(x)). Take np.exp(x) first, then divide by "
    "its sum.",
    axis=(None, 0, 1, -1),
    keepdims=(True, False),
)
def divides_before_the_exponential(x, *, axis, keepdims):
    return np.exp(x / np.exp(x).sum(axis=axis, keepdims=keepdims))


@softmax_textbook.mistake(
    "You took the exponentials of the indices 0, 1, 2, …, not of the logits: `range(len(x))` "
    "counts, and x itself never enters. Loop over the values of x, or take np.exp(x).",
    as_array=(False, True),
)
def exponentials_of_the_indices(x, *, as_array):
    e = np.exp(np.arange(len(x), dtype=float))
    return e / e.sum() + (0 * x if as_array else 0)


@softmax_textbook.mistake(
    "Two things at once. You summed along axis 1, which is the last axis of a batch alone; the "
    "last axis is always `axis=-1`. And `keepdims=True` is missing: the sums line up with the "
    "wrong axis.",
    one_row=(0, 1),
)
def axis_one_without_keepdims(x, *, one_row):
    e = np.exp(x)
    return e / e.sum(axis=1 if x.ndim > 1 else one_row)


@softmax_textbook.mistake(
    "Two things at once. This is the logarithm of a softmax: leave the last log out. And it works "
    "along axis 1, which is the last axis of a batch alone; the last axis is always `axis=-1`."
)
def logarithm_along_axis_one(x):
    e = np.exp(x)
    return np.log(e / e.sum(axis=1, keepdims=True))


@softmax_textbook.mistake(
    "You loop over the first axis: that suits a batch, but one row alone falls apart into single "
    "logits, and a stack into whole batches. `axis=-1` needs no loop."
)
def loops_over_the_first_axis(x):
    return np.array([np.exp(row) / np.exp(row).sum() for row in x])


@softmax_textbook.mistake(
    "Integer logits came back truncated: a buffer made by `zeros_like(x)` or `empty_like(x)` has "
    "the integer type of x and cuts 0.7 off to 0. Give it `dtype=float`.",
    holds=("probabilities", "exponentials"),
)
def integer_buffer_truncates(x, *, holds):
    result, e = np.zeros_like(x), np.exp(x)
    if holds == "exponentials":
        result[...] = e
        return result / result.sum(axis=-1, keepdims=True)
    result[...] = e / e.sum(axis=-1, keepdims=True)
    return result


@softmax_textbook.mistake(
    "You wrote into x, the caller's own array: whoever passed it finds other logits afterwards. "
    "Make a new array, `e = np.exp(x)`, and leave x alone.",
    way=("subtract", "out", "assign"),
)
def modifies_its_argument(x, *, way):
    if way == "subtract":
        x -= x.max(axis=-1, keepdims=True)
        e = np.exp(x)
    elif way == "out":
        e = np.exp(x, out=x)
    else:
        x[...] = np.exp(x)
        e = x
    e /= e.sum(axis=-1, keepdims=True)
    return e


@softmax_textbook.mistake(
    "You worked along axis 1: that is the last axis of a batch, but not of a 3-D stack, and one "
    "row alone has no axis 1 at all. The last axis is always `axis=-1`.",
    one_row=(0, 1),
)
def axis_one(x, *, one_row):
    axis = 1 if x.ndim > 1 else one_row
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


@softmax_textbook.mistake(
    "The base is 2 (or 10), not e: softmax is built on exp. Exercise 1.4 is about other bases.",
    base=(2.0, 10.0),
)
def another_base(x, *, base):
    e = base**x
    return e / e.sum(axis=-1, keepdims=True)


@softmax_textbook.mistake(
    "The sign of the exponent is turned round: you took exp(−x), so the smallest logit gets the "
    "largest probability."
)
def exp_of_minus_x(x):
    e = np.exp(-x)
    return e / e.sum(axis=-1, keepdims=True)


@softmax_textbook.mistake(
    "You squared the logits to make them positive: then −3 counts as much as 3. Softmax uses "
    "exp(x), which keeps their order."
)
def squares_instead(x):
    return x * x / (x * x).sum(axis=-1, keepdims=True)


@softmax_textbook.mistake(
    "An ε was added to the denominator: the rows no longer sum to 1. A sum of exponentials is "
    "positive, so nothing has to be guarded.",
    epsilon=(1e-12, 1e-10, 1e-9, 1e-8, 1e-6),
)
def adds_an_epsilon(x, *, epsilon):
    e = np.exp(x)
    return e / (e.sum(axis=-1, keepdims=True) + epsilon)


# --- 1.3 -------------------------------------------------------------------------------------


def _exact_log_odds(x, i, j):
    from fractions import Fraction

    return float(Fraction(float(x[i])) - Fraction(float(x[j])))


@exercise(
    "1.3",
    minutes=4,
    probes=[
        ordinary(np.array([1.0, 3.0]), 0, 1, note="two logits"),
        ordinary(np.array([0.5, -1.0, 2.0]), 2, 0, note="the larger over the smaller"),
        ordinary(np.array([0.5, -1.0, 2.0]), 1, 2, note="the smaller over the larger"),
        ordinary(np.array([2.718281828459, 0.123456789012]), 0, 1, note="many digits, descending"),
        ordinary(np.array([4.0, 4.0, 1.0]), 0, 1, note="a tie: the odds are even"),
        ordinary(np.array([2.5, 0.5]), 0, 0, note="a class with itself"),
        ordinary(_read_only([7.0, -7.0, 0.0, 1.0]), 3, 1, note="a read-only array"),
        ordinary(np.array([1.0, 3.0, -2.0], dtype=np.float32), 0, 2, note="float32"),
        ordinary(np.array([1.0, 3.0, -2.0], dtype=np.float16), 0, 2, note="float16"),
        extreme(np.array([1000.0, 0.0]), 0, 1, note="exp(1000) overflows"),
        extreme(np.array([0.0, -1000.0, 3.0]), 1, 0, note="exp(-1000) underflows to 0"),
        extreme(np.array([-1000.0, -1001.0]), 0, 1, note="every exp underflows to 0"),
        extreme(np.array([2000.0, 1999.5, 0.0]), 1, 0, note="every large exp overflows"),
    ],
    truth=_exact_log_odds,
    scale=lambda x, i, j, expected: max(1.0, float(np.abs(x).max())),
    remark="The whole softmax cancels: only the difference of two logits is left.",
)
def log_odds(x, i, j):
    """Return log(p_i / p_j), the log-odds of class i over class j, where p = softmax(x).

    `x` is one row of n finite logits, a float array, however large they are; `i` and `j` are
    indices into it. The result is a scalar.
    """
    return x[i] - x[j]


log_odds.hints(
    "Write p_i / p_j with the definition of softmax. What do numerator and denominator share?",
    "The sum over all classes cancels: p_i / p_j = exp(x_i) / exp(x_j). Now take the log.",
    "log(exp(x_i) / exp(x_j)) = x_i − x_j: no exponential has to be computed at all.",
)
log_odds.reasoning(
    "Both probabilities have the same denominator, so it cancels: p_i / p_j = exp(x_i − x_j), and "
    "the log undoes the exponential. A difference of logits *is* the log-odds, exact for logits of "
    "any size, where exp(1000) would be inf and exp(−1000) would be 0."
)


@log_odds.mistake(
    "You went through the probabilities: exp overflows or underflows for large logits, and the log "
    "of what is left is inf or NaN. On paper everything but x_i and x_j cancels.",
    way=("textbook", "shifted", "terms", "difference"),
)
def through_probabilities(x, i, j, *, way):
    if way == "difference":
        return np.log(np.exp(x[i] - x[j]))
    p = np.exp(x - x.max()) if way == "shifted" else np.exp(x)
    if way != "terms":
        p = p / p.sum()
    return np.log(p[i] / p[j])


@log_odds.mistake(
    "The probabilities, or their ratio, were clipped or given an ε, so that no log is infinite: "
    "then the answer for far-apart logits is the log of that constant. On paper everything but x_i "
    "and x_j cancels.",
    constant=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30, 1e-100, 1e-300),
    way=("clip", "add", "clip the ratio"),
)
def clips_the_probabilities(x, i, j, *, constant, way):
    e = np.exp(x - x.max())
    p = e / e.sum()
    if way == "clip the ratio":
        textbook = np.exp(x) / np.exp(x).sum()
        return np.log(np.clip(textbook[i] / textbook[j], constant, 1.0 / constant))
    p = np.maximum(p, constant) if way == "clip" else p + constant
    return np.log(p[i] / p[j])


@log_odds.mistake(
    "The sign is turned round: this is log(p_j / p_i). When p_i is the larger one, the log-odds "
    "of i over j are positive."
)
def wrong_sign(x, i, j):
    return x[j] - x[i]


@log_odds.mistake(
    "This is the ratio p_i / p_j itself, not its log. Take the log, on paper first: it undoes the "
    "exponential.",
    way=("difference", "textbook", "shifted"),
)
def ratio_not_its_log(x, i, j, *, way):
    if way == "difference":
        return np.exp(x[i] - x[j])
    p = np.exp(x - x.max()) if way == "shifted" else np.exp(x)
    p = p / p.sum()
    return p[i] / p[j]


@log_odds.mistake(
    "This is the log of p_i / (1 − p_i): class i against all others together. Here it is against "
    "class j alone."
)
def against_all_others(x, i, j):
    e = np.exp(x - x.max())
    return np.log(e[i]) - np.log(np.delete(e, i).sum())


@log_odds.mistake(
    "The logarithm has base 2 or 10: log here is the natural one, which undoes exp.",
    base=(2.0, 10.0),
)
def another_logarithm(x, i, j, *, base):
    return (x[i] - x[j]) / np.log(base)


@log_odds.mistake(
    "You divided the logits themselves, or took their logs: x_i / x_j has no meaning for logits, "
    "which may be negative or 0. Their difference is the log of the ratio of the probabilities.",
    log=(False, True),
)
def ratio_of_logits(x, i, j, *, log):
    ratio = np.divide(x[i], x[j])
    return np.log(ratio) if log else ratio


@log_odds.mistake(
    "The sign is lost: this is |x_i − x_j|. When class i is the less probable one, its log-odds "
    "are negative."
)
def lost_sign(x, i, j):
    return abs(x[i] - x[j])


# --- 1.4 -------------------------------------------------------------------------------------


def _exact_softmax_base(x, b):
    import mpmath

    result = np.empty(x.shape)
    with mpmath.workdps(40):
        for index in np.ndindex(x.shape[:-1]):
            terms = [mpmath.mpf(b) ** float(entry) for entry in x[index]]
            result[index] = [float(term / mpmath.fsum(terms)) for term in terms]
    return result


@exercise(
    "1.4",
    minutes=4,
    probes=[
        ordinary(np.array([1.0, 2.0, 4.0]), 2.0, note="base 2"),
        ordinary(np.array([0.5, -1.0, 2.0]), 10.0, note="base 10"),
        ordinary(np.array([[1.0, 2.0], [3.0, 5.0]]), 3.0, note="a square batch, not symmetric"),
        ordinary(np.array([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]]), 1.5, note="two rows of three"),
        ordinary(np.array([1.0, 2.0, 4.0]), 0.5, note="a base below 1 turns the order round"),
        ordinary(np.array([1.0, -2.0, 3.0]), 1.0, note="base 1: every class alike"),
        ordinary(np.array([0.3, 0.1, -0.4]), math.e, note="base e is the ordinary softmax"),
        ordinary(np.array([2.5]), 2.0, note="one class alone"),
        ordinary(np.linspace(-1.0, 2.0, 12).reshape(2, 3, 2), 4.0, note="a 3-D stack"),
        ordinary(_read_only([[0.5, 1.5], [2.5, -1.0], [0.0, 1.0]]), 5.0, note="a read-only array"),
        ordinary(np.array([[1.0, 2.0, 3.0]], dtype=np.float32), 2.0, note="float32"),
        ordinary(np.array([1.0, 2.0, 3.0], dtype=np.float16), 2.0, note="float16"),
    ],
    truth=_exact_softmax_base,
    relative=lambda x, b: spread(x) * (1.0 + abs(float(np.log(b)))),
    remark="Base b is temperature 1 / log b: notebook 08 turns that knob.",
)
def softmax_base(x, b):
    """Return the softmax of `x` over its last axis with the base `b` in place of e.

    `x` is a float array of logits of shape (..., n), left unchanged, and `b` a positive float:
    p_i = b^x_i / Σ_k b^x_k. The result has the shape of `x`. Very large logits may overflow;
    stability comes later. A ready-made softmax (base e) may help.
    """
    e = np.exp(x * np.log(b))
    return e / e.sum(axis=-1, keepdims=True)


softmax_base.hints(
    "Where does e stand in the definition of softmax? Put b there.",
    "`b ** x` are the weights; normalise them as in 1.2. Or write b^x with the exponential.",
    "b^x = exp(x · log b): softmax_base(x, b) is the softmax of x · log(b).",
)
softmax_base.reasoning(
    "Since b^x = exp(x · log b), another base only multiplies the logits by log b. A base above e "
    "sharpens the distribution, one between 1 and e flattens it, 1 makes it uniform, and one below "
    "1 turns the order round."
)


@softmax_base.mistake(
    "You multiplied the logits by b: b^x is exp(x · log b), so the factor is log b. Base e, factor "
    "1, is a good test."
)
def multiplies_by_b(x, b):
    e = np.exp(b * x)
    return e / e.sum(axis=-1, keepdims=True)


@softmax_base.mistake(
    "You divided the logits by b, as by a temperature: b^x is exp(x · log b), so the logits are "
    "multiplied, and the factor is log b. Base e, factor 1, is a good test."
)
def divides_by_b(x, b):
    e = np.exp(x / b)
    return e / e.sum(axis=-1, keepdims=True)


@softmax_base.mistake(
    "Two things at once. The factor of the logits is log b, since b^x = exp(x · log b), not b or "
    "1/b. And the sum runs along the wrong axis: each row needs its own sum, `axis=-1`.",
    factor=("b", "1/b"),
    axis=(None, 0),
)
def another_factor_and_another_axis(x, b, *, factor, axis):
    e = np.exp(b * x if factor == "b" else x / b)
    return e / e.sum(axis=axis, keepdims=True)


@softmax_base.mistake(
    "Your columns sum to 1, not your rows: the sum ran along the first axis, and the classes lie "
    "along the last one. Use `axis=-1` with `keepdims=True`."
)
def columns_for_rows(x, b):
    w = b**x
    return w / w.sum(axis=0, keepdims=True)


@softmax_base.mistake(
    "One sum for the whole array: all rows together sum to 1. Each row needs its own sum, "
    "`axis=-1` with `keepdims=True`."
)
def one_sum_for_everything(x, b):
    w = b**x
    return w / w.sum()


@softmax_base.mistake(
    "You worked along axis 1: that is the last axis of a batch, but not of a 3-D stack, and one "
    "row alone has no axis 1 at all. The last axis is always `axis=-1`."
)
def along_axis_one(x, b):
    w = b**x
    return w / w.sum(axis=1, keepdims=True)


@softmax_base.mistake(
    "You divided the logits by log b, as for a logarithm with base b: for a power it is a factor, "
    "b^x = exp(x · log b)."
)
def divides_by_log_b(x, b):
    e = np.exp(x / np.log(b))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_base.mistake(
    "The base is always e: b changes nothing in your result. Put it where e stands."
)
def always_base_e(x, b):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@softmax_base.mistake(
    "These are the weights b^x; they do not sum to 1 yet. Divide each row by its sum."
)
def not_normalised(x, b):
    return b**x


@softmax_base.mistake(
    "You raised the logits to the power b, x^b: the base is b and the logit is the exponent, b^x."
)
def base_and_exponent_exchanged(x, b):
    e = np.power(x, b)
    return e / e.sum(axis=-1, keepdims=True)


@softmax_base.mistake(
    "The logarithm of the base has base 2 or 10: b^x = exp(x · ln b) holds for the natural one, "
    "np.log.",
    base=(2.0, 10.0),
)
def another_logarithm_of_b(x, b, *, base):
    e = np.exp(x * np.log(b) / np.log(base))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_base.mistake(
    "b stands only above the fraction bar: you divided b^x by a sum of exp(x). The sum has to run "
    "over the same b^x."
)
def b_only_in_the_numerator(x, b):
    return b**x / np.exp(x).sum(axis=-1, keepdims=True)


@softmax_base.mistake(
    "`keepdims=True` is missing: the sums line up with the columns instead of the rows."
)
def sums_lose_their_axis(x, b):
    e = np.exp(x * np.log(b))
    return e / e.sum(axis=-1)


@softmax_base.mistake(
    "The base is always 2 (or 10): b changes nothing in your result. Put it where the number "
    "stands.",
    base=(2.0, 10.0),
)
def always_the_same_base(x, b, *, base):
    e = base**x
    return e / e.sum(axis=-1, keepdims=True)


# --- 1.5 -------------------------------------------------------------------------------------


def _exact_sigmoid(t):
    from scipy.special import expit

    return expit(np.asarray(t, dtype=np.float64))


@exercise(
    "1.5",
    minutes=4,
    probes=[
        ordinary(np.array([-2.0, 0.0, 1.0]), note="three numbers"),
        ordinary(np.array(1.5), note="a single number, shape ()"),
        ordinary(np.array([0.7]), note="an array of length 1"),
        ordinary(np.array([[1.0, -2.0], [3.0, 0.5]]), note="a square matrix"),
        ordinary(np.array([[1.0, 2.0, -3.0], [4.0, 0.0, -1.0]]), note="a matrix of shape (2, 3)"),
        ordinary(np.linspace(-5.0, 6.0, 12).reshape(2, 3, 2), note="a 3-D array"),
        ordinary(np.array([5.0, 5.0]), note="two equal numbers"),
        ordinary(_read_only([8.0, -8.0]), note="a read-only array"),
        ordinary(np.array([-2.0, 0.0, 1.0], dtype=np.float32), note="float32"),
        ordinary(np.array([-2.0, 0.0, 1.0], dtype=np.float16), note="float16"),
    ],
    truth=_exact_sigmoid,
    scale=lambda t, expected: 1.0,
    library=("expit", "sigmoid"),
    remark="So a network with one output and a sigmoid is a two-class softmax with a logit at 0.",
)
def sigmoid_via_softmax(t):
    """Return the logistic function σ(t) of every entry of `t`, from a two-class softmax.

    `t` is a float array of any shape, and the result has the same shape: each entry is the
    probability of the first class when the two logits are (t, 0). Stability is not asked. A softmax
    of yours or a library's may help, and so may a formula that you derive from it; a ready-made
    sigmoid does not count.
    """
    e = np.exp(t)
    return e / (e + 1.0)


sigmoid_via_softmax.hints(
    "Write the softmax of the two logits (t, 0) on paper. What is exp(0)?",
    "The first class has exp(t) / (exp(t) + exp(0)), for each entry of t by itself.",
    "With e = np.exp(t), return e / (e + 1); no axis is involved. Or stack t with zeros along a "
    "new last axis, take the softmax over that, and return its entry [..., 0].",
)
sigmoid_via_softmax.reasoning(
    "softmax(t, 0) has the entries exp(t) / (exp(t) + 1) = 1 / (1 + exp(−t)) = σ(t) and 1 − σ(t). "
    "Only the difference of two logits matters, so one of them may as well be 0."
)


@sigmoid_via_softmax.mistake(
    "This is the probability of the other class, 1 − σ(t): the logit t belongs to the first class, "
    "so a large t has to give a probability near 1."
)
def the_other_class(t):
    return 1.0 / (1.0 + np.exp(t))


@sigmoid_via_softmax.mistake(
    "You took a softmax over the entries of t, which makes them compete with each other. Each "
    "entry is a problem of its own: its two classes have the logits t and 0.",
    axis=(None, -1),
)
def softmax_over_the_entries(t, *, axis):
    e = np.exp(t)
    return e / e.sum(axis=axis, keepdims=True)


@sigmoid_via_softmax.mistake(
    "You stacked t upon a row of zeros, which is right, and then took the softmax along the last "
    "axis: there the entries of t compete with each other. The two classes lie along axis 0.",
)
def stacks_and_takes_the_last_axis(t):
    e = np.exp(np.stack([t, np.zeros_like(t)]))
    return (e / e.sum(axis=-1, keepdims=True))[0]


@sigmoid_via_softmax.mistake(
    "Your two classes are (t, −t): the difference is 2t, so this is σ(2t). The second logit is 0."
)
def classes_t_and_minus_t(t):
    return np.exp(t) / (np.exp(t) + np.exp(-t))


@sigmoid_via_softmax.mistake(
    "Your second logit is not 0 but 1: exp(0) is 1, so the denominator is exp(t) + 1. With the "
    "logits (t, 1) it is exp(t) + e."
)
def classes_t_and_one(t):
    return np.exp(t) / (np.exp(t) + np.exp(1.0))


@sigmoid_via_softmax.mistake(
    "These are the odds, exp(t): divide by the sum of both classes, exp(t) + 1."
)
def the_odds(t):
    return np.exp(t)


@sigmoid_via_softmax.mistake(
    "This is the hyperbolic tangent, between −1 and 1: tanh(t) = 2 σ(2t) − 1. A probability lies "
    "between 0 and 1."
)
def hyperbolic_tangent(t):
    return np.tanh(t)


@sigmoid_via_softmax.mistake(
    "Both probabilities came back, along a new last axis. Return the first class's alone: [..., 0]."
)
def both_classes(t):
    e = np.exp(t)
    return np.stack([e / (e + 1.0), 1.0 / (e + 1.0)], axis=-1)


@sigmoid_via_softmax.mistake(
    "It works for a single number: math.exp and `if t >= 0` take one number at a time, and t is an "
    "array. np.exp takes the whole array, and `np.where` chooses entry by entry.",
    way=("exp(t)", "exp(-t)", "float", "if", "one entry"),
)
def one_number_only(t, *, way):
    if way == "one entry":  # what math.exp does with a tensor
        return 1.0 / (1.0 + math.exp(-t.item()))
    if way == "exp(t)":
        return math.exp(t) / (math.exp(t) + 1.0)
    if way == "exp(-t)":
        return 1.0 / (1.0 + math.exp(-t))
    number = float(t) if way == "float" else t
    return 1.0 / (1.0 + np.exp(-number)) if number >= 0 else np.exp(number) / (1 + np.exp(number))


@sigmoid_via_softmax.mistake(
    "Brackets are missing: `1 / 1 + np.exp(-t)` divides first and adds afterwards. Write "
    "`1 / (1 + np.exp(-t))`."
)
def missing_brackets(t):
    return 1.0 + np.exp(-t)


@sigmoid_via_softmax.mistake(
    "You took a sigmoid of a sigmoid: 1 / (1 + σ(−t)). Below the fraction bar stands the "
    "exponential itself, exp(−t)."
)
def sigmoid_of_a_sigmoid(t):
    return 1.0 / (1.0 + 1.0 / (1.0 + np.exp(t)))


@sigmoid_via_softmax.mistake(
    "This is the class, 0 or 1, not its probability: a comparison forgets how clear the case is. "
    "Return σ(t) itself."
)
def the_decision(t):
    return np.where(t > 0, 1.0, 0.0)
