"""Exercises 8.1 to 8.5: temperature, entropy, calibration and distillation."""

from __future__ import annotations

import math

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary, spread

ROW = np.array([1.0, 2.0, 8.0])
BATCH = np.array([[1.0, 2.0, 4.0, 0.5], [3.0, -1.0, 0.0, 1.5]])
SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])
STACK = np.array(
    [
        [[0.1, 1.2, -0.7, 2.0], [3.0, 2.0, 1.0, 0.0], [-1.0, -2.0, -0.5, -4.0]],
        [[0.0, 0.0, 1.0, 1.0], [2.5, -2.5, 0.5, 1.0], [-3.0, 1.0, 4.0, 2.0]],
    ]
)
ROWS_2000_APART = np.array([[1000.0, 999.0, 998.0], [-1000.0, -1001.0, -1003.0]])


def _read_only(values):
    array = np.array(values)
    array.setflags(write=False)
    return array


def _softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _log_softmax(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def _entropy(p):
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)


def _refuse(tau, checked=True):
    if checked and not tau > 0:
        raise ValueError("the temperature must be positive")


# --- 8.1 -------------------------------------------------------------------------------------


def _exact_softmax_temperature(x, tau):
    import mpmath

    def row(values):
        gaps = [mpmath.mpf(float(v)) - float(max(values)) for v in values]
        terms = [mpmath.exp(gap / mpmath.mpf(float(tau))) for gap in gaps]
        return [float(term / mpmath.fsum(terms)) for term in terms]

    with mpmath.workdps(40):
        rows = [row(values) for values in np.reshape(x, (-1, np.shape(x)[-1]))]
    return np.reshape(rows, np.shape(x))


def _temperature_condition(x, tau):
    size = spread(x) + np.max(np.abs(np.asarray(x, dtype=float)), axis=-1, keepdims=True)
    with np.errstate(over="ignore"):
        return size / tau


@exercise(
    "8.1",
    minutes=8,
    probes=[
        ordinary(ROW, 2.0, note="one row, τ = 2"),
        ordinary(ROW, 0.5, note="the same row, τ = 0.5"),
        ordinary(ROW, 1.0, note="τ = 1: the plain softmax"),
        ordinary(BATCH, 3.0, note="two rows of four"),
        ordinary(SQUARE, 0.7, note="a square batch: a lost axis does not show in its shape"),
        ordinary(STACK, 5.0, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(np.array([[4.0, 4.0, 1.0]]), 1.5, note="a batch of one, with a tie at the top"),
        ordinary(np.array([3.5]), 0.1, note="one class alone"),
        ordinary(np.array([[3, 1, 0], [0, 2, 2]]), 2, note="integers, and an integer τ"),
        ordinary(_read_only([[2.0, 1.0, 0.0], [0.5, 0.25, 4.0]]), 1.7, note="a read-only batch"),
        ordinary(BATCH.astype(np.float32), 2.0, note="float32"),
        ordinary(BATCH.astype(np.float16), 2.0, note="float16"),
        ordinary(ROW, 0.0, raises=ValueError, note="τ = 0 has to be refused"),
        ordinary(ROW, -1.0, raises=ValueError, note="τ = -1 has to be refused"),
        extreme(
            np.array([1000.0, 0.0]), 500.0, note="softmax(x) underflows; softmax(x/τ) does not"
        ),
        extreme(ROWS_2000_APART, 1.0, note="two rows 2000 apart: each needs its own shift"),
        extreme(ROWS_2000_APART, 0.01, note="x/τ reaches ±100 000"),
        extreme(ROW, 1e-308, note="τ = 1e-308: x/τ overflows"),
        extreme(np.array([[-7.0, -5.0], [-5.0, -6.0]]), 1e-308, note="all x/τ overflow to -inf"),
        extreme(np.array([6.0, 2.0, 6.0]), 1e-308, note="τ = 1e-308 with a tie"),
        extreme(np.array([2e-300, 0.0]), 1e-300, note="tiny logits, as tiny a temperature"),
        extreme(np.array([1e-13, 0.0]), 1e-308, note="a gap of 1e-13 at τ = 1e-308"),
        extreme(ROW, math.inf, note="τ = inf: every class alike"),
        extreme(np.array([1000.0, -1000.0, 0.0]), math.inf, note="τ = inf, logits ±1000"),
    ],
    truth=_exact_softmax_temperature,
    relative=_temperature_condition,
    library=("softmax_temperature",),
    remark="Shift first, divide second: what overflows then is -inf, and exp(-inf) is 0.",
)
def softmax_temperature(x, tau):
    """Return softmax(x / tau) over the last axis: the softmax at temperature `tau`.

    x : array of finite logits, shape (..., n): floats, and integers too. It stays unchanged.
    tau : number > 0; in float64 also as small as 1e-308, or math.inf.
    Returns an array of the shape of x. Raises ValueError where tau <= 0.
    """
    if not tau > 0:
        raise ValueError(f"the temperature must be positive; got {tau}")
    gaps = x - np.max(x, axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # a gap divided by a tiny tau may be -inf: exp gives 0
        e = np.exp(gaps / tau)
    return e / np.sum(e, axis=-1, keepdims=True)


softmax_temperature.hints(
    "For moderate numbers it is one division before your softmax. At τ = 2, is the result flatter "
    "or sharper than at τ = 1? It has to be flatter.",
    "8 / 1e-308 overflows to inf, and inf - inf is NaN. What is the largest number that x - max(x) "
    "can hold, and what happens when you divide that by a tiny τ?",
    "Subtract each row's maximum first: the gaps are at most 0, gap / τ is at most 0 or -inf, and "
    "exp(-inf) = 0 is what you want.",
    "if not tau > 0: raise ValueError(...), then "
    "e = np.exp((x - x.max(axis=-1, keepdims=True)) / tau), then divide e by its sums.",
)
softmax_temperature.reasoning(
    "softmax(x/τ) depends on the gaps (x - max x)/τ only. A gap is 0 for a maximum, and 0/τ stays "
    "0 whatever τ; all other gaps are negative, so the worst that division can do is -inf, with "
    "the weight 0. Divide first and the maximum itself may become inf: inf - inf is NaN. At "
    "τ = inf every gap becomes 0: the uniform distribution."
)


@softmax_temperature.mistake(
    "You multiplied by τ, or raised the probabilities to the power τ, which is the same: a higher "
    "τ then sharpens. Divide the logits by τ.",
    way=("multiply", "multiply gaps", "no shift", "whole array", "power"),
    checked=(True, False),
)
def multiplies_by_tau(x, tau, *, way, checked):
    _refuse(tau, checked)
    if way in ("no shift", "whole array"):
        e = np.exp(x * tau)
        return e / (np.sum(e, axis=-1, keepdims=True) if way == "no shift" else np.sum(e))
    if way == "multiply":
        return _softmax(np.asarray(x) * tau)
    if way == "multiply gaps":
        return _softmax((x - np.max(x, axis=-1, keepdims=True)) * tau)
    w = _softmax(x) ** tau
    return w / np.sum(w, axis=-1, keepdims=True)


@softmax_temperature.mistake(
    "Your rows do not sum to 1: τ was applied to the probabilities after they were normalised. "
    "It belongs to the logits, before the exponential.",
    way=("divide", "power", "root"),
    checked=(True, False),
)
def not_renormalised(x, tau, *, way, checked):
    _refuse(tau, checked)
    if way == "divide":
        return _softmax(x) / tau
    return _softmax(x) ** (tau if way == "power" else 1.0 / tau)


@softmax_temperature.mistake(
    "Your result does not depend on τ: this is the plain softmax of x. Divide the logits by τ.",
    checked=(True, False),
)
def ignores_tau(x, tau, *, checked):
    _refuse(tau, checked)
    return _softmax(x)


@softmax_temperature.mistake(
    "The division x / τ overflows before anything is subtracted, and inf - inf is NaN. Subtract "
    "the row's maximum first, then divide: the gaps can only run off to -inf, where exp is 0."
)
def divides_before_the_shift(x, tau):
    _refuse(tau)
    return _softmax(x / tau)


@softmax_temperature.mistake(
    "Two things are missing: a ValueError unless τ > 0, and the shift before the division. For a "
    "tiny τ the quotient x / τ overflows; the gaps x - max x can only run off to -inf."
)
def divides_first_by_any_tau(x, tau):
    return _softmax(x / tau)


@softmax_temperature.mistake(
    "Nothing is subtracted before exp, which overflows from 709.8 on: a small τ gets you there "
    "with ordinary logits. Subtract the row's maximum first, then divide by τ.",
    checked=(True, False),
)
def unshifted(x, tau, *, checked):
    _refuse(tau, checked)
    e = np.exp(x / tau)
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax_temperature.mistake(
    "The power p^(1/τ), renormalised, is right on paper. But a probability that underflowed to 0 "
    "stays 0 at any τ, and a small τ turns all of them into 0. Work with the logits.",
    checked=(True, False),
)
def root_of_the_probabilities(x, tau, *, checked):
    _refuse(tau, checked)
    w = _softmax(x) ** (1.0 / tau)
    return w / np.sum(w, axis=-1, keepdims=True)


@softmax_temperature.mistake(
    "A temperature τ ≤ 0 came through. A negative one silently turns the order of the classes "
    "round, and τ = 0 is 0/0 at the maximum. Raise ValueError unless τ > 0.",
    way=("nothing", "zero", "one-hot"),
)
def accepts_tau_not_positive(x, tau, *, way):
    if way in {"zero", "one-hot"} and tau < 0:
        raise ValueError("negative temperature")
    if way == "one-hot" and tau == 0:
        return np.eye(np.shape(x)[-1])[np.argmax(x, axis=-1)]
    return _softmax((x - np.max(x, axis=-1, keepdims=True)) / tau)


@softmax_temperature.mistake(
    "The shift is not divided by τ: exp(x/τ - max x) overflows for a small τ and underflows for a "
    "large one. Subtract inside the bracket: (x - max x) / τ.",
    checked=(True, False),
)
def shift_not_divided(x, tau, *, checked):
    _refuse(tau, checked)
    e = np.exp(x / tau - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax_temperature.mistake(
    "The maximum of the whole batch was subtracted: a row far below it underflows to 0/0. "
    "Give np.max axis=-1 and keepdims=True."
)
def global_maximum(x, tau):
    _refuse(tau)
    e = np.exp((x - np.max(x)) / tau)
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax_temperature.mistake(
    "The temperature was kept away from 0, by a floor or a small number added to it. That changes "
    "the result for small τ, and it is not needed: shift first, and a tiny τ does no harm.",
    way=("floor", "added"),
    epsilon=(1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12),
)
def tau_kept_away_from_zero(x, tau, *, way, epsilon):
    _refuse(tau)
    tau = max(tau, epsilon) if way == "floor" else tau + epsilon
    return _softmax((x - np.max(x, axis=-1, keepdims=True)) / tau)


def _exp_in_order(x, tau, order, **axis):
    """Return the exponentials as people write them, with the maximum over this axis or none."""
    if order == "no shift":
        return np.exp(x / tau)
    if order == "divide first":
        return np.exp(x / tau - np.max(x / tau, **axis))
    return np.exp((x - np.max(x, **axis)) / tau)


ORDERS = ("shift first", "divide first", "no shift")


@softmax_temperature.mistake(
    "You normalised over the first axis: your columns sum to 1. The classes lie along the last.",
    order=ORDERS,
    checked=(True, False),
)
def wrong_axis(x, tau, *, order, checked):
    _refuse(tau, checked)
    e = _exp_in_order(x, tau, order, axis=0, keepdims=True)
    return e / np.sum(e, axis=0, keepdims=True)


@softmax_temperature.mistake(
    "axis=1 holds the classes of a batch, shape (N, n), alone: a single row has no axis 1, and in "
    "a stack it is another one. axis=-1 is the last, whatever the shape.",
    order=ORDERS,
    checked=(True, False),
)
def axis_one(x, tau, *, order, checked):
    _refuse(tau, checked)
    e = _exp_in_order(x, tau, order, axis=1, keepdims=True)
    return e / np.sum(e, axis=1, keepdims=True)


@softmax_temperature.mistake(
    "Your sum runs over the whole array: right for a single row, but in a batch all rows together "
    "sum to 1. Give the sum and the maximum axis=-1 and keepdims=True.",
    order=ORDERS,
    checked=(True, False),
)
def sum_over_the_whole_array(x, tau, *, order, checked):
    _refuse(tau, checked)
    e = _exp_in_order(x, tau, order)
    return e / np.sum(e)


@softmax_temperature.mistake(
    "Python's max and a sum over everything serve a single row: of a batch, max compares whole "
    "rows. Take np.max and np.sum with axis=-1 and keepdims=True.",
    divided=("first", "after the shift"),
    checked=(True, False),
)
def pythons_max(x, tau, *, divided, checked):
    _refuse(tau, checked)
    z = x / tau if divided == "first" else x
    e = np.exp(z - max(z) if divided == "first" else (z - max(z)) / tau)
    return e / np.sum(e)


@softmax_temperature.mistake(
    "keepdims=True is missing: a shape of (N,) does not stand beside (N, n), and in a square batch "
    "it meets the numbers of other rows.",
    order=ORDERS,
    shift_keeps=(True, False),
    checked=(True, False),
)
def missing_keepdims(x, tau, *, order, shift_keeps, checked):
    _refuse(tau, checked)
    e = _exp_in_order(x, tau, order, axis=-1, keepdims=shift_keeps)
    return e / np.sum(e, axis=-1)


@softmax_temperature.mistake(
    "The sum below the fraction bar is not that of the terms above it: each exp needs its logit "
    "divided by τ, in both places.",
    below=("exp(x)", "exp(x) / τ"),
    rows=(True, False),
    checked=(True, False),
)
def another_sum_below(x, tau, *, below, rows, checked):
    _refuse(tau, checked)
    axis = {"axis": -1, "keepdims": True} if rows else {}
    gaps = x - np.max(x, **axis)
    e = np.exp(gaps) / tau if below.endswith("τ") else np.exp(gaps)
    return np.exp(gaps / tau) / np.sum(e, **axis)


# --- 8.2 -------------------------------------------------------------------------------------


def _exact_entropy(p):
    from scipy.special import entr

    return np.sum(entr(np.asarray(p, dtype=float)), axis=-1)


@exercise(
    "8.2",
    minutes=5,
    probes=[
        ordinary(np.array([0.2, 0.5, 0.3]), note="one row"),
        ordinary(np.array([0.5, 0.5]), note="a fair coin: ln 2 = 0.693 nats"),
        ordinary(np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]]), note="two rows of four"),
        ordinary(
            np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9]]),
            note="a square batch, not symmetric",
        ),
        ordinary(_softmax(STACK), note="a stack, shape (2, 3, 4)"),
        ordinary(np.array([[0.25, 0.6, 0.15]]), note="a batch of one row"),
        ordinary(np.full(7, 1.0) / 7, note="uniform over seven: ln 7"),
        ordinary(_read_only([[0.3, 0.7], [0.9, 0.1], [0.4, 0.6]]), note="a read-only batch"),
        ordinary(np.array([0.125, 0.5, 0.375], dtype=np.float32), note="float32"),
        ordinary(np.array([[0.125, 0.5, 0.375], [0.25, 0.5, 0.25]], np.float16), note="float16"),
        ordinary(np.array([0.9989, 0.001, 0.0001]), note="rare classes count too"),
        ordinary(np.array([1.0]), note="one class alone: 0"),
        extreme(np.array([0.5, 0.0, 0.5]), note="a zero: 0 log 0 counts 0"),
        extreme(np.array([0.0, 1.0, 0.0]), note="one-hot: the entropy is exactly 0"),
        extreme(np.array([[0.2, 0.5, 0.3], [0.0, 0.4, 0.6]]), note="a zero in one row of two"),
        extreme(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), note="two one-hot rows"),
        extreme(np.array([1.0, 1e-300]), note="a probability of 1e-300"),
    ],
    truth=_exact_entropy,
    library=("entropy",),
    remark="scipy.special.entr(p).sum(axis=-1) is the same; xlogy(p, p) knows 0 log 0 = 0 too.",
)
def entropy(p):
    """Return the entropy -sum(p * log(p)) over the last axis, in nats, with 0 log 0 = 0.

    p : float array of probabilities, shape (..., n); every row sums to 1, and entries may be 0.
    Returns an array of shape (...,). Write it yourself: no ready-made entropy of a distribution.
    """
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


entropy.hints(
    "Write the formula first: the sum of p log p over the last axis, with a minus. Where does "
    "NumPy give NaN?",
    "0 * log(0) is 0 * -inf = NaN. The term has to be 0, so the log may be that of any finite "
    "number where p is 0.",
    "np.where(p > 0, p, 1) is p with 1 in place of 0, and log 1 = 0. Multiply its log by p itself.",
)
entropy.reasoning(
    "p log p tends to 0 as p goes to 0, so a class that never comes adds nothing. Replace the "
    "argument of the log by 1 there: 0 · log 1 = 0, no NaN, no warning, and all other terms stay "
    "as they are. A small number inside the log does not do it: log(1 + ε) > 0 makes the entropy "
    "of a certain event negative."
)


@entropy.mistake(
    "NaN at p = 0: log 0 is -inf and 0 · (-inf) is NaN, yet 0 log 0 counts 0. Take the log of "
    "np.where(p > 0, p, 1) instead.",
    weight=("p", "exp of log p"),
)
def nan_at_zero(p, *, weight):
    log_p = np.log(p)
    return -np.sum((p if weight == "p" else np.exp(log_p)) * log_p, axis=-1)


ZEROS = ("kept", "nan", 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)


def _terms(p, zeros):
    """Return p log p as people write it: 0 at 0, NaN at 0, or with an epsilon inside the log."""
    if zeros == "kept":
        return p * np.log(np.where(p > 0, p, 1.0))
    return p * np.log(p if zeros == "nan" else p + zeros)


@entropy.mistake(
    "This is the entropy in bits, with log to the base 2. Nats need the natural log: a fair coin "
    "has ln 2 = 0.693, not 1.",
    zeros=ZEROS,
)
def bits(p, *, zeros):
    return -np.sum(_terms(p, zeros), axis=-1) / np.log(2.0)


@entropy.mistake(
    "The sign is turned round: log p is negative, so the sum needs a minus in front. An entropy is "
    "never negative."
)
def wrong_sign(p):
    return -_entropy(np.asarray(p))


@entropy.mistake(
    "An epsilon inside the log moves every entry, not just the zeros: a one-hot row gets a "
    "negative entropy. Replace only the zeros: np.where(p > 0, p, 1).",
    epsilon=(
        *(10.0**-k for k in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)),
        *(1e-20, 1e-30, 1e-40, 1e-45, 1e-100, 2.0**-52, 2.0**-23, 2.0**-1022, 2.0**-126),
    ),
)
def epsilon_inside_log(p, *, epsilon):
    return -np.sum(p * np.log(p + epsilon), axis=-1)


@entropy.mistake(
    "You clipped p away from 0: every zero now adds a little, -ε log ε. Replace the argument of "
    "the log only, and multiply by p itself, which is 0.",
    epsilon=(
        *(10.0**-k for k in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16)),
        *(1e-20, 1e-30, 1e-40, 1e-45, 2.0**-52, 2.0**-23),
    ),
    top=(True, False),
)
def clipped(p, *, epsilon, top):
    p = np.clip(p, epsilon, 1.0 - epsilon if top else 1.0)
    return -np.sum(p * np.log(p), axis=-1)


@entropy.mistake(
    "You summed over the whole array: one number for all rows. Each row has an entropy of its own: "
    "axis=-1.",
    zeros=ZEROS,
)
def summed_over_the_batch(p, *, zeros):
    return -np.sum(_terms(p, zeros))


@entropy.mistake(
    "You summed over the first axis. The classes lie along the last: axis=-1.", zeros=ZEROS
)
def wrong_axis_summed(p, *, zeros):
    return -np.sum(_terms(p, zeros), axis=0)


@entropy.mistake(
    "axis=1 holds the classes of a batch, shape (N, n), alone: a single row has no axis 1, and in "
    "a stack it is another one. axis=-1 is the last, whatever the shape.",
    zeros=ZEROS,
)
def axis_one_summed(p, *, zeros):
    return -np.sum(_terms(p, zeros), axis=1)


@entropy.mistake(
    "The mean over the rows was taken as well: each row has an entropy of its own, and the result "
    "has the shape (...,).",
    zeros=ZEROS,
)
def averaged_over_the_batch(p, *, zeros):
    return np.mean(-np.sum(_terms(p, zeros), axis=-1))


@entropy.mistake(
    "This is the mean over the classes. The entropy is the sum: the weights p are in it already."
)
def mean_over_classes(p):
    return _entropy(np.asarray(p)) / np.shape(p)[-1]


@entropy.mistake(
    "This is 1 - Σ p², the Gini impurity: large where the entropy is large, but another number."
)
def gini_impurity(p):
    return 1.0 - np.sum(np.square(p), axis=-1)


@entropy.mistake(
    "This is exp of the entropy, the perplexity: the number of equally likely classes it amounts "
    "to. The entropy is its log."
)
def perplexity(p):
    return np.exp(_entropy(np.asarray(p)))


@entropy.mistake(
    "This is the entropy divided by log n, a share of its largest value. Nats were asked: leave "
    "the division out."
)
def share_of_the_largest(p):
    return _entropy(np.asarray(p)) / np.log(max(np.shape(p)[-1], 2))


@entropy.mistake("You took p for logits and applied a softmax first. Its rows sum to 1 already.")
def softmax_of_probabilities(p):
    return _entropy(_softmax(np.asarray(p, dtype=float)))


# --- 8.3 -------------------------------------------------------------------------------------


def _entropy_at(x, tau):
    gaps = np.asarray(x, dtype=float) - np.max(x)
    with np.errstate(over="ignore"):
        e = np.exp(gaps / tau)
    p = e / np.sum(e)
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)))


def _entropy_reached(tau, x, h):
    """Return, by name, the entropy at the temperature that came back; NaN for one that is none."""
    tau = float(tau)
    return {"the entropy reached": float(_entropy_at(x, tau)) if tau > 0 else math.nan}


def _bisected(x, h, low, high):
    """Return the temperature between two of them that reaches h, or the nearer end."""
    low, high = math.log(low), math.log(high)
    for _ in range(70):
        middle = (low + high) / 2
        if _entropy_at(x, math.exp(middle)) < h:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _solved(x, h):
    return _bisected(x, h, 1e-20, 1e20)


def _exact_temperature_for_entropy(x, h):
    from scipy.optimize import brentq
    from scipy.special import entr, softmax

    def excess(log_beta):
        return entr(softmax(math.exp(log_beta) * (x - np.max(x)))).sum() - h

    return math.exp(-brentq(excess, -30.0, 30.0, xtol=1e-13))


@exercise(
    "8.3",
    minutes=12,
    probes=[
        ordinary(ROW, 0.5, note="three logits, h = 0.5"),
        ordinary(np.array([0.0, 1.0]), 0.3, note="two logits"),
        ordinary(np.array([2.0, -1.0, 0.5, 0.0]), 1.0, note="four logits, h = 1"),
        ordinary(np.array([2.0, -1.0, 0.5, 0.0]), 1.38, note="close to uniform, ln 4 = 1.386"),
        ordinary(np.array([5.0, 4.0, 3.0]), 0.05, note="a low entropy needs a small τ"),
        ordinary(np.array([3.0, 0.0, 3.0]), 0.9, note="a tie at the top: h above ln 2"),
        ordinary(np.array([3.0, 1.0, 0.0, 2.0, 5.0]), 1.2, note="five logits"),
        ordinary(_read_only([0.4, 0.1, -0.3]), 0.6, note="a read-only row"),
        extreme(np.array([0.003, 0.001, 0.0]), 0.4, note="logits of 1e-3: τ is as small"),
        extreme(np.array([3e-7, 1e-7, 0.0, -2e-7]), 0.7, note="logits of 1e-7"),
        extreme(np.array([1000.0, 0.0, 400.0]), 0.8, note="logits up to 1000: τ is as large"),
        extreme(np.array([-2e6, 3e6, 1e6]), 0.5, note="logits up to 3 000 000"),
        extreme(np.array([0.0, -1.0, -50.0]), 0.001, note="h = 0.001, close to one-hot"),
    ],
    truth=_exact_temperature_for_entropy,
    canonical=_entropy_reached,
    tolerance=1e-6,
    remark="t-SNE sets its bandwidths by such a search: its perplexity is exp of the entropy.",
)
def temperature_for_entropy(x, h):
    """Return the temperature tau > 0 at which softmax(x / tau) has the entropy `h` (in nats).

    x : float array of n finite logits, shape (n,), not all equal, of any size.
    h : float between log(number of tied maxima) and log(n).
    Returns a float. It is judged by the entropy that it reaches, to 1e-6.
    """

    def reached(tau):
        e = np.exp((x - np.max(x)) / tau)
        p = e / e.sum()
        return -np.sum(p * np.log(np.where(p > 0, p, 1)))

    low = high = 1.0
    while reached(low) > h:
        low /= 2
    while reached(high) < h:
        high *= 2
    for _ in range(100):
        middle = np.sqrt(low * high)
        if reached(middle) < h:
            low = middle
        else:
            high = middle
    return middle


temperature_for_entropy.hints(
    "Entropy rises with τ, from the log of the number of tied maxima to log n. So there is exactly "
    "one τ, and you can close in on it from both sides.",
    "Start with τ = 1 at both ends. Halve the lower end while its entropy is above h; double the "
    "upper end while its entropy is below h. Now the answer lies between them.",
    "Bisect: take middle = sqrt(low * high), and move the end whose entropy is on the same side of "
    "h. A hundred halvings are more than enough.",
    "For the entropy at τ use the shifted form, exp((x - max x) / τ) normalised, and 0 log 0 = 0. "
    "Otherwise small τ gives NaN, and every comparison with NaN is False.",
)
temperature_for_entropy.reasoning(
    "dH/dβ = -β Var_p(x) with β = 1/τ: the entropy falls in β, so it rises in τ, and strictly "
    "where the logits differ. A monotone function has one root, and bisection cannot miss it once "
    "it is enclosed. The logits may have any size, so the bracket has to grow by itself: doubling "
    "and halving reach 1e-7 or 1e6 in some twenty steps; the geometric middle treats both alike."
)


@temperature_for_entropy.mistake(
    "You returned 1/τ, the factor β that multiplies the logits. The temperature is what they are "
    "divided by."
)
def returns_the_inverse(x, h):
    return 1.0 / _solved(x, h)


@temperature_for_entropy.mistake(
    "Your search does not reach small temperatures: for logits of 1e-3 the answer is of that size. "
    "Halve the lower end until its entropy is below h.",
    low=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0),
)
def no_bracket_for_small_tau(x, h, *, low):
    return _bisected(x, h, low, 1e20)


@temperature_for_entropy.mistake(
    "Your search keeps within fixed ends, and the answer can lie below or above them: τ grows with "
    "the logits. Halve and double the ends until they enclose h.",
    low=(1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0),
    high=(10.0, 100.0, 1e3, 1e4, 1e6),
    raises=(False, True),
)
def fixed_bracket(x, h, *, low, high, raises):
    if raises and not _entropy_at(x, low) <= h <= _entropy_at(x, high):
        raise ValueError("f(a) and f(b) must have different signs")
    return _bisected(x, h, low, high)


@temperature_for_entropy.mistake(
    "Your search goes the wrong way and runs to an end of its bracket. Entropy rises with τ: where "
    "it is above h, τ has to come down.",
    low=(1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.1),
    high=(10.0, 100.0, 1e3, 1e4, 1e6, 1e9),
    middle_of=("the exponents", "the ends"),
)
def wrong_direction(x, h, *, low, high, middle_of):
    for _ in range(60):
        middle = (low + high) / 2 if middle_of == "the ends" else math.sqrt(low * high)
        if _entropy_at(x, middle) > h:
            low = middle
        else:
            high = middle
    return middle


@temperature_for_entropy.mistake(
    "Your search stops as soon as the entropy is within its tolerance, as in t-SNE, or after some "
    "fifty tries. 1e-6 was asked: go on until the bracket is as narrow as floating point allows.",
    tolerance=(1e-3, 1e-4, 1e-5),
    tries=(50, 100, 200),
)
def stops_at_a_tolerance(x, h, *, tolerance, tries):
    beta, low, high = 1.0, 0.0, math.inf
    for _ in range(tries + 1):
        excess = _entropy_at(x, 1.0 / beta) - h
        if abs(excess) <= tolerance:
            break
        low, high = (beta, high) if excess > 0 else (low, beta)
        if low == 0.0:
            beta /= 2.0
        else:
            beta = 2.0 * beta if high == math.inf else (low + high) / 2.0
    return 1.0 / beta


@temperature_for_entropy.mistake(
    "You measured the entropy in bits; h is in nats. Use the natural log."
)
def entropy_in_bits(x, h):
    return _solved(x, h * math.log(2.0))


@temperature_for_entropy.mistake(
    "You took h for a share of the largest entropy, log n. It is in nats already."
)
def h_taken_for_a_share(x, h):
    return _solved(x, h * math.log(len(x)))


@temperature_for_entropy.mistake(
    "You returned log τ: the search may well run over log τ, but the answer is its exp."
)
def returns_the_logarithm(x, h):
    return math.log(_solved(x, h))


# --- 8.4 -------------------------------------------------------------------------------------

OVERCONFIDENT = np.array(
    [
        [9.0, 1.0, 0.0],
        [2.0, 8.0, -3.0],
        [0.0, 7.0, 6.0],
        [-1.0, 2.0, 11.0],
        [6.0, 0.0, 1.0],
        [1.0, 4.0, 10.0],
        [5.0, -2.0, 3.0],
    ]
)
OVERCONFIDENT_LABELS = np.array([0, 1, 2, 2, 2, 2, 0])
TIMID = np.array(
    [
        [0.9, 0.1, 0.0, 0.2],
        [0.2, 0.6, -0.3, 0.1],
        [0.0, 0.1, 0.7, 0.3],
        [0.3, 0.2, 0.1, 0.8],
        [0.5, 0.6, 0.1, 0.0],
        [0.4, -0.2, 0.7, 0.1],
    ]
)
TIMID_LABELS = np.array([0, 1, 2, 3, 0, 2])
FITTED_SQUARE = np.array([[4.0, 1.0, 0.0], [3.0, 2.0, -1.0], [0.0, 5.0, 1.0]])
FITTED_SQUARE_LABELS = np.array([0, 1, 1])
TWO_CLASSES = np.array([[3.0, 0.0], [0.0, 2.0], [4.0, 1.0], [2.0, 0.0], [0.0, 5.0]])
TWO_CLASSES_LABELS = np.array([0, 1, 0, 1, 1])


def _mean_loss(logits, labels, tau):
    log_p = _log_softmax(np.asarray(logits, dtype=float) / tau)
    return -np.mean(log_p[np.arange(len(labels)), labels])


def _fitted(logits, labels):
    """Return the best temperature, by bisecting the slope of the loss in β = 1/τ."""
    x = np.asarray(logits, dtype=float)
    x = x - np.max(x, axis=1, keepdims=True)
    own = np.mean(x[np.arange(len(x)), labels])
    low, high = 1e-6, 1e6
    for _ in range(60):
        beta = math.sqrt(low * high)
        if np.mean(np.sum(_softmax(beta * x) * x, axis=1)) > own:
            high = beta
        else:
            low = beta
    return 1.0 / beta


def _least(loss):
    """Return the τ between 0.01 and 100 where a smooth function of one variable is least."""
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    low, high = math.log(0.01), math.log(100.0)
    while high - low > 1e-6:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if loss(math.exp(a)) < loss(math.exp(b)):
            high = b
        else:
            low = a
    return math.exp((low + high) / 2)


def _exact_fit_temperature(logits, labels):
    from scipy.optimize import brentq
    from scipy.special import softmax

    x = np.asarray(logits, dtype=float)
    own = x[np.arange(len(x)), labels]

    def slope(beta):
        return np.mean((softmax(beta * x, axis=1) * x).sum(axis=1) - own)

    return 1.0 / brentq(slope, 0.02, 50.0, xtol=1e-14)


@exercise(
    "8.4",
    minutes=10,
    probes=[
        ordinary(OVERCONFIDENT, OVERCONFIDENT_LABELS, note="one confident error: τ above 1"),
        ordinary(TIMID, TIMID_LABELS, note="too timid: τ below 1"),
        ordinary(FITTED_SQUARE, FITTED_SQUARE_LABELS, note="a square batch"),
        ordinary(TWO_CLASSES, TWO_CLASSES_LABELS, note="two classes"),
        ordinary(
            np.array([[4.0, 1.0, 0.0], [3.0, 2.0, -1.0], [0.0, 5.0, 1.0], [1.0, 0.0, 2.0]]),
            np.array([0, 1, 1, 2]),
            note="four rows of three",
        ),
        ordinary(_read_only(3.0 * FITTED_SQUARE), _read_only([0, 1, 1]), note="logits times 3"),
        ordinary(OVERCONFIDENT.astype(np.float32), OVERCONFIDENT_LABELS, note="float32"),
        extreme(
            OVERCONFIDENT + 1000.0 * np.array([[1.0], [-1], [0], [1], [-1], [1], [0]]),
            OVERCONFIDENT_LABELS,
            note="rows 2000 apart: exp overflows or is 0",
        ),
    ],
    truth=_exact_fit_temperature,
    tolerance=1e-3,
    library=("CalibratedClassifierCV",),
    time_limit=10.0,
    remark="The loss is convex in β = 1/τ, so there is one minimum; accuracy is the same at any τ.",
)
def fit_temperature(logits, labels):
    """Return the temperature tau that minimises the mean cross-entropy of softmax(logits / tau).

    logits : float array, shape (N, n). labels : integers, shape (N,).
    Some rows are right and some wrong, so there is one best tau; it lies between 0.05 and 20.
    Returns a float, to 1e-3. The logits may be of any size.
    """
    gaps = logits - np.max(logits, axis=1, keepdims=True)
    rows = np.arange(len(labels))

    def loss(log_tau):
        z = gaps / np.exp(log_tau)
        return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[rows, labels])

    low, high = np.log(0.02), np.log(50.0)
    while high - low > 1e-6:
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if loss(a) < loss(b):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


fit_temperature.hints(
    "It is a minimum of one variable: write the mean loss as a function of τ, with your stable "
    "cross-entropy of logits / τ.",
    "The loss has a single valley. scipy.optimize.minimize_scalar with method='bounded' finds its "
    "floor; so does cutting a third off the worse side of an interval again and again.",
    "Search over log τ between log 0.02 and log 50, so that small and large τ get equal attention, "
    "and return exp of what you find. Ask for a tolerance of 1e-6: the default is coarser.",
)
fit_temperature.reasoning(
    "With β = 1/τ the loss of a row is LSE(βx) - βx_y: a convex function of β, so the mean is too, "
    "and it has one minimum. There, the average of E_p[x] equals the average of x_y. In log τ it "
    "is still a single valley, which any bracketing search follows down. The order of the classes "
    "does not depend on τ, and so neither does the accuracy: only the confidence is repaired."
)


@fit_temperature.mistake(
    "You returned 1/τ, or multiplied by τ in the loss, which comes to the same: overconfident "
    "logits need τ > 1, and they are divided by it."
)
def returns_one_over_tau(logits, labels):
    return 1.0 / _fitted(logits, labels)


@fit_temperature.mistake(
    "You maximised the accuracy. It is the same at every τ, since dividing by τ keeps the order: "
    "you get the search's first candidate, not the best. Minimise the mean cross-entropy.",
    first=(0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0),
)
def maximises_accuracy(logits, labels, *, first):
    taus = np.geomspace(first, 20.0, 30)
    accuracies = [np.mean(np.argmax(logits / tau, axis=1) == labels) for tau in taus]
    return taus[np.argmax(accuracies)]


@fit_temperature.mistake(
    "You returned log τ: the search may run over log τ, but the answer is its exp."
)
def returns_log_tau(logits, labels):
    return math.log(_fitted(logits, labels))


@fit_temperature.mistake(
    "You returned the smallest loss. The τ at which it is reached was asked: `.x`, not `.fun`."
)
def returns_the_loss(logits, labels):
    return _mean_loss(logits, labels, _fitted(logits, labels))


@fit_temperature.mistake(
    "You searched from τ = 1 upwards only. A model that is too timid needs a τ below 1."
)
def only_above_one(logits, labels):
    return max(1.0, _fitted(logits, labels))


@fit_temperature.mistake(
    "You minimised the squared error of the probabilities, the Brier score. The mean cross-entropy "
    "was asked; its best τ is another."
)
def minimises_squared_error(logits, labels):
    target = np.eye(np.shape(logits)[1])[labels]
    return _least(lambda tau: np.sum((_softmax(logits / tau) - target) ** 2))


@fit_temperature.mistake(
    "You matched the mean confidence to the accuracy. That is near the best τ, not at it: minimise "
    "the mean cross-entropy."
)
def matches_confidence_to_accuracy(logits, labels):
    accuracy = np.mean(np.argmax(logits, axis=1) == labels)
    low, high = math.log(1e-3), math.log(1e3)
    for _ in range(60):
        middle = (low + high) / 2
        confidence = np.mean(np.max(_softmax(logits / math.exp(middle)), axis=1))
        low, high = (middle, high) if confidence > accuracy else (low, middle)
    return math.exp(middle)


@fit_temperature.mistake(
    "Your result is NaN: a search without bounds has stepped to τ = 0 or below. Give it bounds, "
    "or search over log τ, which may be any number."
)
def search_without_bounds(logits, labels):
    from scipy.optimize import minimize_scalar

    return minimize_scalar(lambda tau: _mean_loss(logits, labels, tau)).x


@fit_temperature.mistake(
    "Newton's steps run away: far from the minimum the loss hardly bends, and a full step lands "
    "anywhere, below 0 too. Keep to a bracket, or halve a step that raises the loss; or search "
    "over log τ.",
    variable=("tau", "beta", "log tau"),
    steps=(10, 20, 50, 100),
)
def newton_without_a_safeguard(logits, labels, *, variable, steps):
    x = np.asarray(logits, dtype=float)
    own, tau = np.mean(x[np.arange(len(x)), labels]), 1.0
    for _ in range(steps):
        beta = 1.0 / tau
        p = _softmax(beta * x)
        mean = np.sum(p * x, axis=1)
        slope = np.mean(mean) - own  # of the loss in beta
        bend = np.mean(np.sum(p * x * x, axis=1) - mean**2)
        if variable == "beta":
            tau = 1.0 / (beta - slope / bend)
        elif variable == "tau":  # dβ/dτ = -β², d²β/dτ² = 2β³
            tau -= -slope * beta**2 / (bend * beta**4 + 2 * slope * beta**3)
        else:  # dβ/d log τ = -β
            tau *= np.exp(slope * beta / (bend * beta**2 + slope * beta))
    return tau


@fit_temperature.mistake(
    "You took the best of a list of candidates, and its steps are wider than the 1e-3 asked. "
    "Search on between the two neighbours, or let minimize_scalar do it.",
    candidates=(
        (np.linspace, 0.05, 20, 200),
        (np.linspace, 0.05, 20, 400),
        (np.linspace, 0.05, 20, 500),
        (np.linspace, 0.05, 20, 1000),
        (np.linspace, 0.05, 20, 2000),
        (np.linspace, 0.05, 5, 1000),
        (np.linspace, 0.1, 10, 100),
        (np.linspace, 0.1, 5, 100),
        (np.linspace, 0.1, 5, 50),
        (np.linspace, 0.5, 5, 100),
        (np.linspace, 0.5, 3, 100),
        (np.linspace, 0.1, 10, 1000),
        (np.arange, 0.1, 10, 0.1),
        (np.arange, 0.1, 5, 0.1),
        (np.arange, 0.1, 10, 0.01),
        (np.arange, 0.05, 20, 0.1),
        (np.arange, 0.05, 20, 0.05),
        (np.arange, 0.05, 20, 0.01),
        (np.geomspace, 0.05, 20, 100),
        (np.geomspace, 0.05, 20, 200),
        (np.geomspace, 0.05, 20, 500),
        (np.geomspace, 0.05, 20, 1000),
        (np.logspace, -1, 1, 100),
    ),
)
def best_of_a_list(logits, labels, *, candidates):
    listed, *numbers = candidates
    taus = listed(*numbers)
    log_p = _log_softmax(np.asarray(logits, dtype=float) / taus[:, None, None])
    return taus[np.argmax(np.sum(log_p[:, np.arange(len(labels)), labels], axis=1))]


@fit_temperature.mistake(
    "L-BFGS with a small rate and few iterations, as a well-known recipe has it, stops on its way. "
    "Give it line_search_fn='strong_wolfe', a rate of 1 and double precision, or use a bracket.",
    start=(1.0, 1.5),
    rate=(0.01, 0.1),
    iterations=(20, 50, 100),
)
def lbfgs_stops_on_its_way(logits, labels, *, start, rate, iterations):
    import torch

    x = torch.tensor(np.array(logits, dtype=np.float32))
    y = torch.tensor(np.array(labels)).long()
    tau = torch.full((), start, requires_grad=True)
    optimiser = torch.optim.LBFGS([tau], lr=rate, max_iter=iterations)

    def loss():
        optimiser.zero_grad()
        value = torch.nn.functional.cross_entropy(x / tau, y)
        value.backward()
        return value

    optimiser.step(loss)
    return tau.item()


# --- 8.5 -------------------------------------------------------------------------------------

STUDENT = np.array([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]])
TEACHER = np.array([[3.0, 1.0, -2.0], [-1.0, 4.0, 3.0]])
STUDENT_SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])
TEACHER_SQUARE = np.array([[0.5, 3.0, 2.0], [2.0, 1.0, 0.0], [4.0, -1.0, 1.5]])


def _exact_distillation_loss(student, teacher, tau):
    import mpmath

    from helpers import oracle

    def at_temperature(logits):
        return oracle.log_softmax([[mpmath.mpf(float(v)) / float(tau) for v in r] for r in logits])

    total = mpmath.mpf(0)
    for s, t in zip(at_temperature(student), at_temperature(teacher), strict=True):
        total += mpmath.fsum(mpmath.exp(b) * (b - a) for a, b in zip(s, t, strict=True))
    return float(float(tau) ** 2 * total / len(student))


def _divergence(log_q, log_p):
    """Return KL(q ‖ p) of each row from log-probabilities."""
    return np.sum(np.exp(log_q) * (log_q - log_p), axis=-1)


def _pair(student, teacher, tau):
    return _log_softmax(np.asarray(teacher) / tau), _log_softmax(np.asarray(student) / tau)


@exercise(
    "8.5",
    minutes=8,
    probes=[
        ordinary(STUDENT, TEACHER, 2.0, note="two rows of three, τ = 2"),
        ordinary(STUDENT, TEACHER, 1.0, note="τ = 1"),
        ordinary(STUDENT, TEACHER, 0.5, note="τ = 0.5"),
        ordinary(STUDENT_SQUARE, TEACHER_SQUARE, 4.0, note="a square batch"),
        ordinary(BATCH, BATCH[::-1] + 0.5, 10.0, note="two rows of four, τ = 10"),
        ordinary(STUDENT[:1], TEACHER[:1], 3.0, note="a batch of one row"),
        ordinary(TEACHER, TEACHER, 2.0, note="student and teacher alike: 0"),
        ordinary(TEACHER + 5.0, TEACHER, 2.0, note="a student shifted by 5 is the same: 0"),
        ordinary(
            np.array([[1.0, 0.0, 2.0]]), np.array([[3.0, 1.0, 0.0]]), 6.0, note="one row, τ = 6"
        ),
        ordinary(_read_only(STUDENT), _read_only(TEACHER), 1.5, note="read-only arrays"),
        ordinary(STUDENT.astype(np.float32), TEACHER.astype(np.float32), 2.0, note="float32"),
        extreme(
            np.array([[0.0, 2000.0]]),
            np.array([[0.0, 1.0]]),
            1.0,
            note="the student's probability underflows to 0",
        ),
        extreme(
            np.array([[0.0, 1.0]]),
            np.array([[0.0, 2000.0]]),
            1.0,
            note="the teacher's underflows: 0 log 0",
        ),
        extreme(ROWS_2000_APART, ROWS_2000_APART[:, ::-1].copy(), 2.0, note="rows 2000 apart"),
    ],
    truth=_exact_distillation_loss,
    scale=lambda student, teacher, tau, expected: (
        tau**2 + tau * max(np.abs(student).max(), np.abs(teacher).max())
    ),
    remark="As τ grows a row tends to Σ d² / (2n), d the difference of the centred logits.",
)
def distillation_loss(student, teacher, tau):
    """Return tau**2 times the mean over the rows of KL(teacher_tau || student_tau).

    student, teacher : float arrays of logits, shape (N, n). tau : float > 0.
    teacher_tau = softmax(teacher / tau), and student_tau alike; the mean is over the N rows.
    KL(q || p) = sum of q * (log q - log p) over the classes. Returns a scalar, finite for
    finite logits.
    """

    def log_softmax(x):
        z = x - np.max(x, axis=-1, keepdims=True)
        return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))

    log_q, log_p = log_softmax(teacher / tau), log_softmax(student / tau)
    return tau**2 * np.mean(np.sum(np.exp(log_q) * (log_q - log_p), axis=-1))


distillation_loss.hints(
    "Two log-softmaxes at the same τ, one KL per row, one mean, one factor. Which of the two is "
    "the weight in the sum? The one the student has to follow: the teacher.",
    "Stay with logs: log_q = log_softmax(teacher / τ) and log_p = log_softmax(student / τ). A "
    "difference of logs stays finite where a ratio of probabilities is 0/0.",
    "tau**2 * np.mean(np.sum(np.exp(log_q) * (log_q - log_p), axis=-1)): sum over the classes, "
    "mean over the rows.",
)
distillation_loss.reasoning(
    "The gradient with respect to a student logit is τ² · (p_τ - q_τ)/τ per row: one 1/τ from the "
    "chain rule, and p_τ - q_τ itself shrinks like 1/τ, since both tend to the uniform "
    "distribution. The factor τ² cancels both, so that τ can be changed without changing the size "
    "of the gradient beside the loss of the labels."
)


@distillation_loss.mistake(
    "The factor τ² is missing: the gradient shrinks like 1/τ², and the teacher falls silent beside "
    "any other loss."
)
def no_tau_squared(student, teacher, tau):
    return np.mean(_divergence(*_pair(student, teacher, tau)))


@distillation_loss.mistake(
    "The factor is τ, not τ²: one 1/τ comes from the chain rule, a second one from p - q, which "
    "shrinks as τ grows."
)
def tau_once(student, teacher, tau):
    return tau * np.mean(_divergence(*_pair(student, teacher, tau)))


@distillation_loss.mistake(
    "You divided by τ². It is a factor: it makes up for a gradient that shrinks like 1/τ²."
)
def divides_by_tau_squared(student, teacher, tau):
    return np.mean(_divergence(*_pair(student, teacher, tau))) / tau**2


@distillation_loss.mistake(
    "The KL is the wrong way round: the weights have to be the teacher's, "
    "Σ q (log q - log p) with q the teacher and p the student."
)
def reversed_divergence(student, teacher, tau):
    log_q, log_p = _pair(student, teacher, tau)
    return tau**2 * np.mean(_divergence(log_p, log_q))


@distillation_loss.mistake(
    "Only one of the two is at temperature τ. Then even a student equal to the teacher has a loss: "
    "divide both by τ.",
    side=("teacher", "student"),
)
def tau_on_one_side(student, teacher, tau, *, side):
    hot, cold = _pair(student, teacher, tau), _pair(student, teacher, 1.0)
    log_q, log_p = (hot[0], cold[1]) if side == "teacher" else (cold[0], hot[1])
    return tau**2 * np.mean(_divergence(log_q, log_p))


@distillation_loss.mistake(
    "You took the mean over rows and classes: the loss is n times too small. Sum over the classes, "
    "then take the mean over the rows (in kl_div: reduction='batchmean')."
)
def mean_over_rows_and_classes(student, teacher, tau):
    return tau**2 * np.mean(_divergence(*_pair(student, teacher, tau))) / np.shape(student)[-1]


@distillation_loss.mistake(
    "You summed over the rows. The mean was asked, so that the loss does not grow with the batch."
)
def summed_over_the_rows(student, teacher, tau):
    return tau**2 * np.sum(_divergence(*_pair(student, teacher, tau)))


@distillation_loss.mistake(
    "This is the cross-entropy: the teacher's entropy is not subtracted, so a perfect student "
    "still has a loss. KL = Σ q (log q - log p)."
)
def cross_entropy_instead(student, teacher, tau):
    log_q, log_p = _pair(student, teacher, tau)
    return -(tau**2) * np.mean(np.sum(np.exp(log_q) * log_p, axis=-1))


@distillation_loss.mistake(
    "The logits were not divided by τ: both distributions are those of τ = 1, whatever the factor.",
    power=(0, 1, 2),
)
def temperature_forgotten(student, teacher, tau, *, power):
    return tau**power * np.mean(_divergence(*_pair(student, teacher, 1.0)))


@distillation_loss.mistake(
    "The mean over the rows was taken twice: reduction='batchmean' has divided by N already."
)
def divided_by_rows_twice(student, teacher, tau):
    return tau**2 * np.mean(_divergence(*_pair(student, teacher, tau))) / len(student)


@distillation_loss.mistake(
    "You multiplied the logits by τ. Temperature divides them: both distributions get flatter."
)
def multiplies_the_logits(student, teacher, tau):
    return tau**2 * np.mean(_divergence(*_pair(student, teacher, 1.0 / tau)))


@distillation_loss.mistake(
    "You went through probabilities: one that underflowed to 0 has the log -inf, and the loss is "
    "inf or NaN. Compute both log-softmaxes and stay with logs.",
    way=("logs", "ratio", "relative entropy"),
)
def through_probabilities(student, teacher, tau, *, way):
    q, p = _softmax(np.asarray(teacher) / tau), _softmax(np.asarray(student) / tau)
    if way == "logs":
        return tau**2 * np.mean(np.sum(q * (np.log(q) - np.log(p)), axis=-1))
    ratio = np.where(q > 0, q, 1.0) / p if way == "relative entropy" else q / p
    terms = (
        np.where(q > 0, q * np.log(ratio), 0.0) if way == "relative entropy" else q * np.log(ratio)
    )
    return tau**2 * np.mean(np.sum(terms, axis=-1))


@distillation_loss.mistake(
    "Probabilities were given where kl_div wants the student's log-probabilities: "
    "F.kl_div(log p, q), not F.kl_div(p, q)."
)
def probabilities_given_to_kl_div(student, teacher, tau):
    log_q, log_p = _pair(student, teacher, tau)
    return tau**2 * np.mean(_divergence(log_q, np.exp(log_p)))


@distillation_loss.mistake(
    "Your softmax runs over the batch, axis 0. The classes lie along the last axis."
)
def softmax_over_the_batch(student, teacher, tau):
    log_q, log_p = _pair(np.transpose(student), np.transpose(teacher), tau)
    return tau**2 * np.mean(_divergence(log_q.T, log_p.T))
