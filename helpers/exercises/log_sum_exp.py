"""Exercises 4.1 to 4.6: log-sum-exp, its bounds, its relatives, and the last digit."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

ROW = np.array([0.5, 2.0, -1.0])
BATCH = np.array([[1.0, 2.0, 4.0, 0.5], [3.0, -1.0, 0.0, 1.5]])
SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])
STACK = np.array(
    [
        [[0.1, 1.2, -0.7, 2.0], [3.0, 2.0, 1.0, 0.0], [-1.0, -2.0, -0.5, -4.0]],
        [[0.0, 0.0, 1.0, 1.0], [2.5, -2.5, 0.5, 1.0], [-3.0, 1.0, 4.0, 2.0]],
    ]
)
ROWS_2000_APART = np.array([[1000.0, 999.0, 998.0], [-1000.0, -1001.0, -1003.0]])
READ_ONLY = np.array([[2.0, 1.0, 0.0], [0.5, 0.25, 4.0]])
READ_ONLY.flags.writeable = False
EPSILONS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 2**-52, 1e-16, 1e-20, 1e-300)


def _size(x):
    """Return the largest finite magnitude in each row, at least 1: the size of the shift."""
    x = np.asarray(x, dtype=float)
    return np.maximum(1.0, np.max(np.where(np.isfinite(x), np.abs(x), 0.0), axis=-1))


def _exact_logsumexp(x):
    from scipy.special import logsumexp as scipy_logsumexp

    return scipy_logsumexp(np.asarray(x, dtype=float), axis=-1)


# --- 4.1 -------------------------------------------------------------------------------------


@exercise(
    "4.1",
    minutes=8,
    probes=[
        ordinary(ROW, note="one row, whose maximum is 2"),
        ordinary(BATCH, note="two rows of four"),
        ordinary(SQUARE, note="a square batch: a lost axis does not show in its shape"),
        ordinary(STACK, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(np.array([[4.0, 4.0, 1.0]]), note="a batch of one, with a tie at the maximum"),
        ordinary(np.array([3.5]), note="one class: the answer is the logit itself"),
        ordinary(np.log([0.2, 0.3, 0.5]), note="log-probabilities: the answer is 0"),
        ordinary(READ_ONLY, note="a read-only batch"),
        ordinary(BATCH.astype(np.float32), note="float32"),
        ordinary(BATCH.astype(np.float16), note="float16"),
        extreme(np.array([1000.0, 999.0]), note="exp(1000) overflows"),
        extreme(np.array([-1000.0, -1001.0]), note="exp(-1000) underflows, and log 0 is -inf"),
        extreme(ROWS_2000_APART, note="two rows 2000 apart: each needs its own shift"),
        extreme(np.array([[100.0, 90.0], [0.0, 20.0]], dtype=np.float32), note="100 in float32"),
        extreme(np.array([0.0, -np.inf, 1.0]), note="one masked class, logit -inf"),
        extreme(np.array([[0.0, 1.0], [-np.inf, -np.inf]]), note="a row of -inf: answer -inf"),
        extreme(np.array([[0.0, 1.0], [np.inf, 2.0]]), note="an entry +inf: answer +inf"),
    ],
    truth=_exact_logsumexp,
    scale=lambda x, expected: _size(x),
    library=("logsumexp", "logaddexp.reduce"),
    remark=(
        "scipy.special.logsumexp, torch.logsumexp and np.logaddexp.reduce(x, axis=-1) are the "
        "same in one call: they shift inside."
    ),
)
def logsumexp(x):
    """Return log(sum(exp(x))) over the last axis, without overflow or underflow.

    x : float array, shape (..., n).
    Returns an array of shape (...,): -inf for a row of nothing but -inf,
    +inf for a row with an entry +inf. x itself is left unchanged.
    Write it yourself: a ready-made log-sum-exp does not count.
    """
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)  # inf - inf is NaN: rows with an infinite maximum stay
    with np.errstate(over="ignore", divide="ignore"):
        return np.log(np.sum(np.exp(x - m), axis=-1)) + m[..., 0]


logsumexp.hints(
    "Which number c makes every exponent of exp(x - c) at most 0?",
    "Σ exp(x_j) = exp(c) · Σ exp(x_j - c). Take the log of both sides: log exp(c) is c.",
    "With m = np.max(x, axis=-1, keepdims=True): "
    "np.log(np.sum(np.exp(x - m), axis=-1)) + m[..., 0].",
    "When m itself is infinite, x - m holds inf - inf, which is NaN. Shift such rows by 0 instead: "
    "np.where(np.isfinite(m), m, 0).",
)
logsumexp.reasoning(
    "The maximum leaves the sum as a factor exp(m), and the log turns that factor into + m. What "
    "stays in the sum lies between 1 (the maximum's own term) and n, so its log is between 0 and "
    "log n: nothing can overflow, and log never sees 0. A row of -inf has nothing to subtract: "
    "unshifted, it is log 0 = -inf, which is the right answer, and a row with +inf gives log inf."
)


@logsumexp.mistake(
    "Nothing is subtracted before exp: exp overflows from 709.8 on and is 0 below -745, so the "
    "log sees inf or 0. Subtract each row's maximum first, and add it back after the log."
)
def unshifted(x):
    return np.log(np.sum(np.exp(x), axis=-1))


@logsumexp.mistake(
    "The maximum was subtracted and never added back: log Σ exp(x - m) is LSE(x) - m. "
    "Taking exp(m) out of the sum leaves + m outside the log.",
    guarded=(True, False),
)
def maximum_not_added_back(x, *, guarded):
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m), axis=-1))


@logsumexp.mistake(
    "The maximum is added outside and not subtracted inside, so it counts twice. "
    "Use exp(x - m) in the sum."
)
def maximum_not_subtracted(x):
    return np.max(x, axis=-1) + np.log(np.sum(np.exp(x), axis=-1))


@logsumexp.mistake(
    "Right for finite logits, NaN where a maximum is infinite, +inf or -inf: inf - inf is NaN. "
    "Shift both kinds of rows by 0: log 0 = -inf and log inf = inf are then the right answers by "
    "themselves.",
    guarded=("neither", "-inf", "+inf"),
)
def nan_at_infinity(x, *, guarded):
    m = np.max(x, axis=-1, keepdims=True)
    m = m if guarded == "neither" else np.where(m == float(guarded), 0, m)
    return np.log(np.sum(np.exp(x - m), axis=-1)) + m[..., 0]


@logsumexp.mistake(
    "The logarithm to base 10 was taken: exp and log must share the base e, or they do not undo "
    "each other. Use np.log, not np.log10.",
    form=("shifted", "unshifted", "whole"),
)
def base_ten(x, *, form):
    m = np.zeros((*np.shape(x)[:-1], 1)) if form == "unshifted" else np.max(x, -1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    log_sum = np.log10(np.sum(np.exp(x - m), axis=-1))
    return log_sum + m[..., 0] / (np.log(10) if form == "whole" else 1)


@logsumexp.mistake(
    "The maximum of the whole batch was subtracted, not each row's own: a row far below it "
    "underflows to log 0. Give max axis=-1 and keepdims=True.",
    guarded=(True, False),
)
def global_maximum(x, *, guarded):
    m = np.max(x)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m), axis=-1)) + m


@logsumexp.mistake(
    "The sum runs down the columns: the last axis is the classes, so sum and max over axis=-1.",
    guarded=(True, False),
)
def wrong_axis(x, *, guarded):
    m = np.max(x, axis=0, keepdims=True)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return (np.log(np.sum(np.exp(x - m), axis=0, keepdims=True)) + m)[0]


@logsumexp.mistake(
    "Axis 1 is the classes' axis in a batch (N, n) only: a single row has no axis 1, and in a "
    "stack it is another one. The last axis is axis=-1, whatever the shape.",
    guarded=(True, False),
    shift=(True, False),
)
def second_axis(x, *, guarded, shift):
    if np.ndim(x) == 1:
        raise Exception("no axis 1")  # whatever an answer raises here agrees with it
    m = np.max(x, axis=1) if shift else np.zeros_like(np.max(x, axis=1))
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - np.expand_dims(m, 1)), axis=1)) + m


@logsumexp.mistake(
    "Each row's maximum was subtracted, and then everything was summed into one number. "
    "The sum needs axis=-1 too.",
    added=("each row's maximum", "with its axis"),
    guarded=(True, False),
    shapes=("all", "batches"),
)
def one_sum_for_all_rows(x, *, added, guarded, shapes):
    if shapes == "batches" and np.ndim(x) != 2:
        raise Exception("not a batch")
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    log_sum = np.log(np.sum(np.exp(x - m)))
    return log_sum + (m if added == "with its axis" else m[..., 0])


@logsumexp.mistake(
    "This takes one row, kept as a table of shape (1, n), and gives one number for it; a plain "
    "row, a larger batch and a stack stop it. With axis=-1 the same formula takes every shape.",
)
def a_table_of_one_row(x):
    if np.ndim(x) != 2 or len(x) > 1:
        raise Exception("not a table of one row")
    m = np.max(x)
    return m + np.log(np.sum(np.exp(x - m)))


@logsumexp.mistake(
    "This takes a batch (N, n) and nothing else: a single row or a stack stops it. "
    "With axis=-1 and keepdims=True the same lines take every shape.",
    guarded=(True, False),
    stack=("stops", "works"),
)
def batches_only(x, *, guarded, stack):
    if np.ndim(x) == 1 or (np.ndim(x) > 2 and stack == "stops"):
        raise Exception("not a batch")
    m = np.max(x, axis=-1)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m[..., None]), axis=-1)) + m


@logsumexp.mistake(
    "Sum and max run over the whole array, so a batch gives one number. Give both axis=-1.",
    guarded=(True, False),
)
def no_axis(x, *, guarded):
    m = np.max(x)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m))) + m


@logsumexp.mistake(
    "Everything is summed into one number, and nothing is subtracted before exp, which overflows. "
    "Each row needs its own maximum and its own sum: axis=-1."
)
def no_axis_and_no_shift(x):
    return np.log(np.sum(np.exp(x)))


@logsumexp.mistake(
    "The maxima lost their axis before the subtraction: shape (N,) broadcasts along the classes, "
    "which fails for most shapes and is silently wrong for a square batch. Use keepdims=True.",
    guarded=(True, False),
)
def missing_keepdims(x, *, guarded):
    m = np.max(x, axis=-1)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m), axis=-1)) + m


@logsumexp.mistake(
    "The result keeps the summed axis with length 1. The task asks for shape (...,): "
    "drop it, for instance by [..., 0].",
    guarded=(True, False),
)
def kept_axis(x, *, guarded):
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m), axis=-1, keepdims=True)) + m


@logsumexp.mistake(
    "The maximum still has its axis when it is added back: (N, 1) plus (N,) is an N × N table. "
    "Keep the axis for the subtraction, and add m[..., 0].",
    guarded=(True, False),
)
def maximum_keeps_its_axis(x, *, guarded):
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m), axis=-1)) + m


@logsumexp.mistake(
    "The mean of the exponentials was taken, not their sum: the answer is too small by log n."
)
def mean_instead_of_sum(x):
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    return np.log(np.mean(np.exp(x - m), axis=-1)) + m[..., 0]


@logsumexp.mistake(
    "That is the maximum alone: the log of the shifted sum, between 0 and log n, is missing."
)
def maximum_only(x):
    return np.max(x, axis=-1)


@logsumexp.mistake("The shifted sum was added without its log: LSE is m + log Σ exp(x - m).")
def log_forgotten(x):
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    return np.sum(np.exp(x - m), axis=-1) + m[..., 0]


@logsumexp.mistake(
    "A small number was added inside the log: it changes the digits and is not needed, since the "
    "shifted sum is at least 1.",
    epsilon=(1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-13),
    guarded=(False, True),
)
def epsilon_in_the_log(x, *, epsilon, guarded):
    m = np.max(x, axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0) if guarded else m
    return np.log(np.sum(np.exp(x - m), axis=-1) + epsilon) + m[..., 0]


# --- 4.2 -------------------------------------------------------------------------------------


@exercise(
    "4.2",
    minutes=4,
    probes=[
        ordinary(ROW, note="one row of three"),
        ordinary(BATCH, note="two rows of four: n is 4, N is 2"),
        ordinary(SQUARE, note="a square batch"),
        ordinary(STACK, note="a stack of batches, shape (2, 3, 4): n is 4"),
        ordinary(np.array([[2.0, 2.0, 2.0, 2.0, 2.0]]), note="five equal logits, a batch of one"),
        ordinary(np.array([3.5]), note="one class: both bounds are the logit"),
        ordinary(np.array([[-5.0, -7.0], [-3.0, -2.0], [-4.0, -9.0]]), note="negative logits"),
        ordinary(BATCH.astype(np.float32), note="float32"),
        ordinary(BATCH.astype(np.float16), note="float16"),
        extreme(ROWS_2000_APART, note="two rows 2000 apart"),
    ],
    truth=lambda x: _exact_bounds(x),
    canonical=lambda result, x: _pair(result),
    scale=lambda x, expected: _size(x),
    remark="The upper bound is reached when all logits are equal, the lower one never quite.",
)
def lse_bounds(x):
    """Return the pair (lower, upper) = (m, m + log n), the two simple bounds of log-sum-exp.

    x : float array, shape (..., n); m is the maximum over the last axis, n its length.
    Returns two arrays of shape (...,); x itself is left unchanged.
    """
    m = np.max(x, axis=-1)
    return m, m + np.log(np.shape(x)[-1])


def _pair(result):
    """Return two results as a tuple of arrays: a list or a stacked array will do."""
    if not isinstance(result, tuple) and (np.ndim(result) == 0 or len(result) != 2):
        raise TypeError("two results were asked, the pair (lower, upper)")
    return tuple(np.asarray(part) for part in result)


def _exact_bounds(x):
    """Bound LSE by what a sum of n terms, one equal to exp(m), can be at least and at most."""
    rows = np.sort(np.asarray(x, dtype=float), axis=-1)
    m = rows[..., -1]
    lower = _exact_logsumexp(np.stack([m, np.full_like(m, -np.inf)], axis=-1))
    upper = _exact_logsumexp(np.broadcast_to(m[..., None], rows.shape))
    return lower, upper


lse_bounds.hints(
    "The sum of exponentials holds the largest term once, and other positive terms. What is the "
    "least it can be? Take the log.",
    "No term exceeds exp(m), and there are n of them: what is the most that the sum can be?",
    "lower = max over the last axis; upper = lower + np.log(number of classes), "
    "where the number of classes is x.shape[-1].",
)
lse_bounds.reasoning(
    "exp(m) ≤ Σ exp(x_j) ≤ n exp(m), since every term is positive and at most exp(m). The log is "
    "increasing, so it keeps both inequalities: m ≤ LSE ≤ m + log n."
)


@lse_bounds.mistake(
    "You took n from the wrong axis: log of the batch size was added. "
    "The number of classes is the length of the last axis, x.shape[-1]."
)
def n_of_the_batch(x):
    m = np.max(x, axis=-1)
    return m, m + np.log(np.shape(x)[0])


@lse_bounds.mistake(
    "You took n as the number of all entries, x.size, instead of the classes in one row, "
    "x.shape[-1]."
)
def n_of_everything(x):
    m = np.max(x, axis=-1)
    return m, m + np.log(np.size(x))


@lse_bounds.mistake(
    "The logarithm has the wrong base: exp undoes the natural log, so the bound is m + np.log(n).",
    log=(np.log2, np.log10),
)
def log_in_another_base(x, *, log):
    m = np.max(x, axis=-1)
    return m, m + log(np.shape(x)[-1])


@lse_bounds.mistake(
    "The number of the others, n - 1, was counted: all n terms may be as large as exp(m), "
    "so the bound is m + log n."
)
def others_counted(x):
    m = np.max(x, axis=-1)
    return m, m + np.log(np.shape(x)[-1] - 1)


@lse_bounds.mistake("The maximum was multiplied by log n: log(n · exp(m)) is a sum, log n + m.")
def multiplied_instead_of_added(x):
    m = np.max(x, axis=-1)
    return m, m * np.log(np.shape(x)[-1])


@lse_bounds.mistake(
    "That is the log-sum-exp itself, twice: the task asks for the two simple bounds around it, "
    "which need the maximum and n alone."
)
def the_value_itself(x):
    m = np.max(x, axis=-1, keepdims=True)
    lse = m[..., 0] + np.log(np.sum(np.exp(x - m), axis=-1))
    return lse, lse


@lse_bounds.mistake("The two bounds are swapped: the task asks for (lower, upper).")
def bounds_swapped(x):
    m = np.max(x, axis=-1)
    return m + np.log(np.shape(x)[-1]), m


@lse_bounds.mistake(
    "You added n itself, not its log: the bound of the sum is n · exp(m), and its log m + log n."
)
def n_without_log(x):
    m = np.max(x, axis=-1)
    return m, m + np.shape(x)[-1]


@lse_bounds.mistake(
    "The lower bound is the minimum: true, and far from tight. The sum holds exp(m), "
    "so its log is at least m."
)
def minimum_below(x):
    return np.min(x, axis=-1), np.max(x, axis=-1) + np.log(np.shape(x)[-1])


@lse_bounds.mistake(
    "One maximum was taken for the whole array: each row has its own. Give max axis=-1."
)
def one_maximum_for_all(x):
    m = np.max(x)
    return m, m + np.log(np.shape(x)[-1])


@lse_bounds.mistake(
    "The maximum runs down the columns; the classes are the last axis, so use axis=-1."
)
def maximum_per_column(x):
    m = np.max(x, axis=0)
    return m, m + np.log(np.shape(x)[-1])


@lse_bounds.mistake("The shift is not undone: these are the bounds of LSE(x) - m. Add m to both.")
def bounds_of_the_shifted_sum(x):
    zero = np.zeros(np.shape(x)[:-1])
    return zero, zero + np.log(np.shape(x)[-1])


# --- 4.3 -------------------------------------------------------------------------------------


def _exact_smooth_max(x, alpha):
    import mpmath

    def row(values):
        with mpmath.workdps(60):
            total = mpmath.fsum(mpmath.exp(mpmath.mpf(alpha) * mpmath.mpf(v)) for v in values)
            return float(mpmath.log(total) / mpmath.mpf(alpha))

    return np.apply_along_axis(row, -1, np.asarray(x, dtype=float))


@exercise(
    "4.3",
    minutes=6,
    probes=[
        ordinary(ROW, 1.0, note="α = 1: plain log-sum-exp"),
        ordinary(ROW, 3.0, note="one row, α = 3"),
        ordinary(BATCH, 0.5, note="two rows of four, α = 0.5"),
        ordinary(SQUARE, 2.0, note="a square batch, α = 2"),
        ordinary(STACK, 2.5, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(
            np.array([[4.0, 4.0, 1.0]]), 2.0, note="a tie at the maximum: above it by ln 2 / α"
        ),
        ordinary(np.array([3.5]), 4.0, note="one class: the logit itself"),
        ordinary(np.array([[-5.0, -7.0], [-3.0, -2.0]]), 3.0, note="negative logits"),
        ordinary(BATCH.astype(np.float32), 2.0, note="float32"),
        ordinary(BATCH.astype(np.float16), 2.0, note="float16"),
        extreme(np.array([100.0, 99.0]), 50.0, note="exp(50 · 100) overflows"),
        extreme(np.array([-100.0, -99.0]), 50.0, note="exp(-50 · 99) underflows"),
        extreme(ROWS_2000_APART, 2.0, note="two rows 2000 apart"),
        extreme(np.array([100.0, 99.0]), 1e307, note="α x itself overflows, α (x - m) does not"),
    ],
    truth=_exact_smooth_max,
    scale=lambda x, alpha, expected: np.maximum(_size(x), 1 / alpha),
    library=("smooth_max",),
    remark="α is an inverse temperature: LSE_α is a soft maximum, softmax(α x) its gradient.",
)
def smooth_max(x, alpha):
    """Return LSE_α(x) = (1/α) log(sum(exp(α x))) over the last axis, stably.

    x : float array, shape (..., n); alpha : a float > 0, also when α x is too large for float64.
    Returns an array of shape (...,). A library's log-sum-exp may be a part of it.
    """
    m = np.max(x, axis=-1, keepdims=True)
    with np.errstate(over="ignore"):
        return m[..., 0] + np.log(np.sum(np.exp(alpha * (x - m)), axis=-1)) / alpha


smooth_max.hints(
    "α = 1 is plain log-sum-exp. For another α, which part of (1/α) log Σ exp(α x_j) is LSE?",
    "Shift x before you multiply: exp(α x_j) = exp(α m) · exp(α (x_j - m)).",
    "After (1/α) log, the factor exp(α m) becomes m: the answer is "
    "m + np.log(np.sum(np.exp(alpha * (x - m)), axis=-1)) / alpha.",
)
smooth_max.reasoning(
    "α (x - m) is at most 0 whatever α is, so exp cannot overflow; a product that overflows "
    "downwards gives exp(-inf) = 0, which is the right limit. The factor exp(α m) leaves the "
    "logarithm as α m, and 1/α makes it m. What is left, log(…)/α, is between 0 and log(n)/α: "
    "that is the whole distance from the maximum."
)


@smooth_max.mistake(
    "The factor 1/α is missing: log Σ exp(α x) grows like α · max, so divide by α at the end.",
    missing=("everywhere", "at the log", "at the maximum"),
)
def not_divided_by_alpha(x, alpha, *, missing):
    m = np.max(x, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(alpha * (x - m)), axis=-1))
    m = m[..., 0] if missing == "at the log" else alpha * m[..., 0]
    return m + (log_sum / alpha if missing == "at the maximum" else log_sum)


@smooth_max.mistake(
    "The result was multiplied by α where it must be divided: (1/α) log Σ exp(α x).",
    maximum=("multiplied too", "right"),
)
def multiplied_by_alpha(x, alpha, *, maximum):
    m = np.max(x, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(alpha * (x - m)), axis=-1))
    return alpha * log_sum + (m[..., 0] if maximum == "right" else alpha**2 * m[..., 0])


@smooth_max.mistake(
    "That is the softmax-weighted mean Σ p_i x_i, another smooth maximum: it lies below max x, "
    "LSE_α above it. Take the log of the sum of exponentials."
)
def softmax_weighted_mean(x, alpha):
    e = np.exp(alpha * (x - np.max(x, axis=-1, keepdims=True)))
    return np.sum(x * e, axis=-1) / np.sum(e, axis=-1)


@smooth_max.mistake(
    "The product α x is formed before the shift and can overflow to inf, and inf - inf is NaN. "
    "Subtract the maximum from x first: α (x - m)."
)
def product_overflows(x, alpha):
    z = alpha * x
    m = np.max(z, axis=-1, keepdims=True)
    return (m[..., 0] + np.log(np.sum(np.exp(z - m), axis=-1))) / alpha


@smooth_max.mistake(
    "Nothing is subtracted before exp, so α x overflows or underflows. "
    "Shift by the maximum: exp(α (x - m)), and add m at the end."
)
def no_shift(x, alpha):
    return np.log(np.sum(np.exp(alpha * x), axis=-1)) / alpha


@smooth_max.mistake(
    "The factor α is missing inside exp: LSE(x)/α was computed. The exponent is α x, "
    "shifted: α (x - m)."
)
def alpha_only_outside(x, alpha):
    m = np.max(x, axis=-1, keepdims=True)
    return (m[..., 0] + np.log(np.sum(np.exp(x - m), axis=-1))) / alpha


@smooth_max.mistake(
    "You used α the other way round, as a temperature: α · log Σ exp(x/α). "
    "Here a large α must be sharp: multiply inside, divide outside."
)
def alpha_as_temperature(x, alpha):
    m = np.max(x, axis=-1, keepdims=True)
    return m[..., 0] + alpha * np.log(np.sum(np.exp((x - m) / alpha), axis=-1))


@smooth_max.mistake(
    "The shift does not balance: m was subtracted from α x, so exp(m), not exp(α m), left the "
    "sum, and m/α, not m, must come back."
)
def shift_not_scaled(x, alpha):
    m = np.max(x, axis=-1, keepdims=True)
    return m[..., 0] + np.log(np.sum(np.exp(alpha * x - m), axis=-1)) / alpha


@smooth_max.mistake(
    "You divided m by α as well: exp(α m) leaves the log as α m, and 1/α makes it m, not m/α."
)
def maximum_divided_by_alpha(x, alpha):
    m = np.max(x, axis=-1, keepdims=True)
    return (m[..., 0] + np.log(np.sum(np.exp(alpha * (x - m)), axis=-1))) / alpha


@smooth_max.mistake(
    "The mean of the exponentials was taken: that is too small by log(n)/α. Use the sum."
)
def mean_of_exponentials(x, alpha):
    m = np.max(x, axis=-1, keepdims=True)
    return m[..., 0] + np.log(np.mean(np.exp(alpha * (x - m)), axis=-1)) / alpha


@smooth_max.mistake("That is the hard maximum: log(Σ exp(α (x - m)))/α is missing.")
def hard_maximum(x, alpha):
    return np.max(x, axis=-1)


# --- 4.4 -------------------------------------------------------------------------------------


def _exact_log_softmax(x):
    from scipy.special import log_softmax as scipy_log_softmax

    return scipy_log_softmax(np.asarray(x, dtype=float), axis=-1)


def _shifted_size(x):
    """Return max(1, |x - max x|): the size of the terms that the shifted form adds."""
    x = np.asarray(x, dtype=float)
    gap = np.abs(x - np.max(x, axis=-1, keepdims=True))
    return np.maximum(1.0, np.where(np.isfinite(gap), gap, 0.0))


@exercise(
    "4.4",
    minutes=8,
    probes=[
        ordinary(ROW, note="one row"),
        ordinary(BATCH, note="two rows of four"),
        ordinary(SQUARE, note="a square batch: a lost axis does not show in its shape"),
        ordinary(STACK, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(np.array([[4.0, 4.0, 1.0]]), note="a batch of one, with a tie"),
        ordinary(np.array([3.5]), note="one class: log 1 = 0"),
        ordinary(READ_ONLY, note="a read-only batch"),
        ordinary(BATCH.astype(np.float32), note="float32"),
        ordinary(BATCH.astype(np.float16), note="float16"),
        extreme(np.array([0.0, -45.0, -690.0]), note="p of 3e-20 and 2e-300"),
        extreme(np.array([0.0, -800.0]), note="p is too small for float64, log p = -800 is not"),
        extreme(np.array([1000.0, 0.0, 999.0]), note="exp(1000) overflows"),
        extreme(np.array([-1000.0, -1001.0]), note="every exp is 0"),
        extreme(ROWS_2000_APART, note="two rows 2000 apart: each needs its own shift"),
        extreme(np.array([1e17, 1e17]), note="1e17 + log 2 is 1e17: the log is absorbed"),
        extreme(np.array([1e8, 1e8], dtype=np.float32), note="the same at 1e8 in float32"),
        extreme(np.array([0.0, -np.inf, 1.0]), note="one masked class, logit -inf"),
    ],
    truth=_exact_log_softmax,
    scale=lambda x, expected: _shifted_size(x),
    library=("log_softmax", "LogSoftmax"),
    remark="torch.log_softmax and scipy.special.log_softmax compute this same shifted form.",
)
def log_softmax(x):
    """Return log(softmax(x)) over the last axis, without overflow, underflow or lost digits.

    x : float array, shape (..., n), with entries as large as 1e17.
    Returns an array of the same shape; x itself is left unchanged.
    Write it yourself: a ready-made log-softmax does not count, a ready-made log-sum-exp may help.
    """
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


log_softmax.hints(
    "Write log(exp(x_i) / Σ exp(x_j)) as a difference of two logs. Which exp cancels?",
    "log softmax(x)_i = x_i - LSE(x). Put in LSE(x) = m + log Σ exp(x_j - m).",
    "Mind the order: (x_i - m) first, which is exact enough, then minus log Σ exp(x_j - m). "
    "Adding m and the log first can lose the log altogether.",
    "shifted = x - x.max(axis=-1, keepdims=True); return shifted - "
    "np.log(np.exp(shifted).sum(axis=-1, keepdims=True)).",
)
log_softmax.reasoning(
    "The probability may be too small for any float; its logarithm is an ordinary number, so the "
    "probability is never formed. x - m is small wherever it matters, and log Σ is between 0 and "
    "log n: both keep their digits. m + log Σ would not, once m is some 10^16 times larger."
)


@log_softmax.mistake(
    "The log of a softmax: once a probability underflows to 0, its log is -inf, although the "
    "true value is an ordinary number. Stay in logs: (x - m) - log Σ exp(x - m)."
)
def log_of_softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return np.log(e / np.sum(e, axis=-1, keepdims=True))


@log_softmax.mistake(
    "The log of an unshifted softmax: it overflows above 709 and underflows below -745. "
    "Shift, and stay in logs: (x - m) - log Σ exp(x - m)."
)
def log_of_unshifted_softmax(x):
    e = np.exp(x)
    return np.log(e / np.sum(e, axis=-1, keepdims=True))


@log_softmax.mistake(
    "A small number was added to the probability before the log: it changes the digits and puts "
    "a floor at log ε, so no probability can be told from another below it. Stay in logs.",
    epsilon=EPSILONS,
    shift=(True, False),
)
def epsilon_added(x, *, epsilon, shift):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True) if shift else x)
    return np.log(e / np.sum(e, axis=-1, keepdims=True) + epsilon)


@log_softmax.mistake(
    "The probabilities are formed along axis 1, which a single row has not and a stack has "
    "elsewhere, and ε is added before the log. Use axis=-1, and stay in logs.",
    epsilon=(1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12),
    shift=(True, False),
)
def log_of_softmax_along_axis_1(x, *, epsilon, shift):
    if np.ndim(x) == 1:
        raise Exception("no axis 1")
    e = np.exp(x - np.max(x, axis=1, keepdims=True) if shift else x)
    return np.log(e / np.sum(e, axis=1, keepdims=True) + epsilon)


@log_softmax.mistake(
    "The probabilities were clipped before the log: every value below log ε becomes log ε. "
    "Stay in logs, and there is nothing to clip.",
    epsilon=EPSILONS,
)
def probabilities_clipped(x, *, epsilon):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return np.log(np.maximum(e / np.sum(e, axis=-1, keepdims=True), epsilon))


@log_softmax.mistake("The log of the sum was added; dividing by the sum means subtracting its log.")
def log_sum_added(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted + np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


@log_softmax.mistake(
    "That is the log-sum-exp, one number a row. The log-softmax is x minus it, one a class.",
    keepdims=(False, True),
)
def returns_the_lse(x, *, keepdims):
    m = np.max(x, axis=-1, keepdims=True)
    lse = m + np.log(np.sum(np.exp(x - m), axis=-1, keepdims=True))
    return lse if keepdims else lse[..., 0]


@log_softmax.mistake(
    "The sum m + log Σ was formed first: a large m absorbs the log, and x minus it has lost its "
    "digits. Subtract m from x first: (x - m) - log Σ exp(x - m).",
    via=("formula", "logaddexp"),
)
def maximum_absorbs_the_log(x, *, via):
    if via == "logaddexp":
        x = np.asarray(x, dtype=float)
        return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)
    m = np.max(x, axis=-1, keepdims=True)
    return x - (m + np.log(np.sum(np.exp(x - m), axis=-1, keepdims=True)))


@log_softmax.mistake(
    "The log-sum-exp inside is not shifted: exp overflows or gives log 0. "
    "Subtract each row's maximum before exp."
)
def unshifted_sum(x):
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


@log_softmax.mistake(
    "The maximum was subtracted from x, not inside the sum: the shift only cancels when both "
    "places have it."
)
def shift_only_outside(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


@log_softmax.mistake(
    "The maximum was subtracted inside the sum only: subtract it from the x in front as well."
)
def shift_only_inside(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return x - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


@log_softmax.mistake(
    "One maximum was used for the whole batch: a row far below it gives log 0. "
    "Each row needs its own: axis=-1, keepdims=True."
)
def maximum_of_the_batch(x):
    shifted = x - np.max(x)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


@log_softmax.mistake(
    "The sum runs down the columns: the classes are the last axis, so use axis=-1."
)
def over_the_columns(x):
    shifted = x - np.max(x, axis=0, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=0, keepdims=True))


@log_softmax.mistake(
    "Axis 1 is the classes' axis in a batch (N, n) only: a single row has no axis 1, and in a "
    "stack it is another one. The last axis is axis=-1, whatever the shape.",
    form=("(x - m) - log Σ", "x - LSE", "unshifted"),
)
def along_axis_1(x, *, form):
    if np.ndim(x) == 1:
        raise Exception("no axis 1")
    m = np.max(x, axis=1, keepdims=True) if form != "unshifted" else 0.0
    log_sum = np.log(np.sum(np.exp(x - m), axis=1, keepdims=True))
    return x - (m + log_sum) if form == "x - LSE" else x - m - log_sum


@log_softmax.mistake(
    "This takes a batch (N, n) and nothing else: a single row or a stack stops it. "
    "With axis=-1 and keepdims=True the same lines take every shape.",
    form=("(x - m) - log Σ", "x - LSE", "unshifted"),
    stack=("stops", "works"),
)
def batches_alone(x, *, form, stack):
    if np.ndim(x) == 1 or (np.ndim(x) > 2 and stack == "stops"):
        raise Exception("not a batch")
    m = np.max(x, axis=-1, keepdims=True) if form != "unshifted" else 0.0
    log_sum = np.log(np.sum(np.exp(x - m), axis=-1, keepdims=True))
    return x - (m + log_sum) if form == "x - LSE" else x - m - log_sum


@log_softmax.mistake(
    "Right for a row and for a batch (N, n), not for a stack: with axis=-1 no branch on the number "
    "of dimensions is needed.",
    stack=("stops", "everything at once", "axis 0", "axis 1"),
)
def rows_and_batches_alone(x, *, stack):
    axis = -1
    if np.ndim(x) > 2:
        if stack == "stops":
            raise Exception("a stack")
        axis = {"everything at once": None, "axis 0": 0, "axis 1": 1}[stack]
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@log_softmax.mistake(
    "The log of the sum is missing: x minus the maximum alone is how far each logit lies below "
    "the largest.",
    maximum=("per row", "of everything"),
)
def maximum_alone_subtracted(x, *, maximum):
    return x - np.max(x, axis=-1 if maximum == "per row" else None, keepdims=True)


@log_softmax.mistake(
    "The maximum was added, where it must be subtracted: x - LSE(x) is x - m - log Σ exp(x - m)."
)
def maximum_added_back(x):
    m = np.max(x, axis=-1, keepdims=True)
    return x + m - np.log(np.sum(np.exp(x - m), axis=-1, keepdims=True))


@log_softmax.mistake(
    "Sum and maximum run over the whole array, so the rows do not sum to 1. Give both axis=-1."
)
def over_everything(x):
    shifted = x - np.max(x)
    return shifted - np.log(np.sum(np.exp(shifted)))


@log_softmax.mistake(
    "What is subtracted has lost its axis and broadcasts along the classes: an error for most "
    "shapes, silently wrong for a square batch. Use keepdims=True.",
    subtracted=("log Σ", "LSE"),
)
def keepdims_missing(x, *, subtracted):
    m = np.max(x, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(x - m), axis=-1))
    return x - (m[..., 0] + log_sum) if subtracted == "LSE" else x - m - log_sum


@log_softmax.mistake(
    "The log of the sum has another base than e: exp and log must share it. Use np.log.",
    log=(np.log2, np.log10),
)
def sum_in_another_base(x, *, log):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


@log_softmax.mistake("The log of the sum is missing: the sum itself was subtracted.")
def sum_without_log(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.sum(np.exp(shifted), axis=-1, keepdims=True)


@log_softmax.mistake(
    "That is softmax itself: the task asks for its log, from logs, without exp at the end."
)
def softmax_without_log(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@log_softmax.mistake(
    "The right numbers, and the caller's array changed: x -= m works in place. "
    "Write shifted = x - m."
)
def in_place(x):
    x -= np.max(x, axis=-1, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


# --- 4.5 -------------------------------------------------------------------------------------


def _exact_row(x):
    import mpmath

    with mpmath.workdps(400):
        terms = [mpmath.exp(mpmath.mpf(float(v))) for v in np.asarray(x)]
        return float(mpmath.log(mpmath.fsum(terms)))


@exercise(
    "4.5",
    minutes=10,
    probes=[
        ordinary(np.array([0.0, -1.0]), note="maximum 0, nothing tiny"),
        ordinary(np.array([-2.0, 0.0, -1.0]), note="the maximum in the middle"),
        ordinary(np.array([2.0, 1.0, 1.5]), note="a maximum of 2"),
        ordinary(np.array([0.0, 0.0]), note="a tie at the maximum: log 2"),
        ordinary(np.array([3.0, 3.0, 3.0]), note="three times the same: 3 + log 3"),
        ordinary(np.array([1.5]), note="one entry"),
        ordinary(np.array([1.0, -2.0], dtype=np.float16), note="float16"),
        extreme(np.array([0.0, -40.0]), note="the answer is 4.248e-18: 1 + 4e-18 rounds to 1"),
        extreme(np.array([-40.0, -41.0, 0.0]), note="the same, with the maximum last"),
        extreme(np.array([-41.0, 0.0, -40.0]), note="the same, with the maximum in the middle"),
        extreme(np.array([0.0, -20.0, -25.0]), note="1 + 2e-9 keeps half of its digits"),
        extreme(np.array([1e-18, -40.0]), note="a tiny maximum and a tiny rest: both count"),
        extreme(np.array([0.0, -700.0]), note="the answer is about 1e-304"),
        extreme(np.array([0.0, -40.0], dtype=np.float32), note="float32"),
        extreme(np.array([0.0, -40.0, -np.inf]), note="a masked entry beside a tiny one"),
        extreme(np.array([1000.0, 1000.0, 0.0]), note="exp(1000) overflows"),
    ],
    truth=_exact_row,
    library=("logsumexp", "logaddexp.reduce"),
    remark=(
        "torch.logsumexp([0, -40]) is exactly 0: you beat it. SciPy has used log1p here "
        "since its 1.15; kernels.logsumexp does too."
    ),
)
def logsumexp_precise(x):
    """Return log(sum(exp(x))) of one row, every digit right even where the answer is tiny.

    x : 1-D float array whose maximum is at least 0, so that nothing cancels.
    Returns a float: for (0, -40) it is 4.248e-18, not 0.
    Write it yourself: a ready-made log-sum-exp does not count.
    """
    k = np.argmax(x)
    others = np.delete(x, k)  # one maximum leaves the sum, its ties stay
    return x[k] + np.log1p(np.sum(np.exp(others - x[k])))


logsumexp_precise.hints(
    "np.exp(0) + np.exp(-40) is exactly 1.0. Which of the two terms is known without computing?",
    "The maximum's own term is exp(0) = 1. Leave it out of the sum; np.log1p(t) is log(1 + t), "
    "accurate for tiny t.",
    "Leave out exactly one entry, the one at np.argmax(x): other entries equal to the maximum "
    "must stay in the sum.",
    "k = np.argmax(x); return x[k] + np.log1p(np.sum(np.exp(np.delete(x, k) - x[k]))).",
)
logsumexp_precise.reasoning(
    "The sum of the others may be as small as it likes: it is never added to 1, so it never "
    "rounds away, and log1p keeps all its digits. Only one maximum may leave the sum; a tie is "
    "an ordinary other with the term exp(0) = 1. With a maximum of at least 0, m + log1p(rest) "
    "adds two numbers that are not negative, and nothing cancels."
)


@logsumexp_precise.mistake(
    "The sum 1 + tiny rounds to 1, and log 1 is 0: the digits are gone before the log. Leave the "
    "maximum's own term out of the sum, and let np.log1p add the 1.",
    form=("log of the sum", "log of 1 + the others", "log1p of the sum - 1"),
)
def one_plus_tiny(x, *, form):
    k = np.argmax(x)
    if form == "log of 1 + the others":
        return x[k] + np.log(1 + np.sum(np.exp(np.delete(x, k) - x[k])))
    total = np.sum(np.exp(x - x[k]))
    return x[k] + (np.log(total) if form == "log of the sum" else np.log1p(total - 1))


@logsumexp_precise.mistake(
    "Every entry equal to the maximum left the sum: of a tie only one may. "
    "np.argmax picks one; a comparison with the maximum picks all."
)
def ties_dropped(x):
    m = np.max(x)
    return m + np.log1p(np.sum(np.exp(x[x != m] - m)))


@logsumexp_precise.mistake(
    "That is LSE(x) - m, the log1p of the others: right only where the maximum is 0. "
    "Add the maximum."
)
def maximum_forgotten(x):
    k = np.argmax(x)
    return np.log1p(np.sum(np.exp(np.delete(x, k) - x[k])))


@logsumexp_precise.mistake(
    "The others were not shifted by the maximum: log1p(Σ exp(x_j)) is right only where it is 0.",
    add=(True, False),
)
def others_not_shifted(x, *, add):
    k = np.argmax(x)
    rest = np.log1p(np.sum(np.exp(np.delete(x, k))))
    return x[k] + rest if add else rest


@logsumexp_precise.mistake(
    "The maximum's own term is counted twice: once in the sum, and once as the 1 in log1p. "
    "Leave it out of the sum."
)
def maximum_counted_twice(x):
    m = np.max(x)
    return m + np.log1p(np.sum(np.exp(x - m)))


@logsumexp_precise.mistake(
    "The log1p was taken of each term, before they were added up: the log of a sum is not a sum of "
    "logs. Sum the exponentials of the others first, then take log1p.",
    added=(False, True),
)
def log1p_of_each_term(x, *, added):
    k = np.argmax(x)
    terms = np.log1p(np.exp(np.delete(x, k) - x[k]))
    return x[k] + (np.sum(terms) if added else terms)


@logsumexp_precise.mistake("The first entry was taken for the maximum: find it with np.argmax.")
def first_taken_for_maximum(x):
    return x[0] + np.log1p(np.sum(np.exp(x[1:] - x[0])))


@logsumexp_precise.mistake(
    "The minimum was taken where the maximum belongs: the others then lie above what is "
    "subtracted, so exp can overflow, and the small terms are still lost. Use np.argmax.",
    log=(np.log1p, lambda t: np.log(1 + t)),
)
def minimum_for_maximum(x, *, log):
    k = np.argmin(x)
    return x[k] + log(np.sum(np.exp(np.delete(x, k) - x[k])))


@logsumexp_precise.mistake(
    "An entry is taken for the maximum if it is larger than the first one: compare it with the "
    "largest so far. np.argmax does that."
)
def compared_with_the_first(x):
    larger = np.flatnonzero(x > x[0])
    k = larger[-1] if larger.size else 0
    return x[k] + np.log1p(np.sum(np.exp(np.delete(x, k) - x[k])))


@logsumexp_precise.mistake(
    "That is m plus the sum of the others: log(1 + t) is close to t only while t is tiny. "
    "Use np.log1p."
)
def log_left_out(x):
    k = np.argmax(x)
    return x[k] + np.sum(np.exp(np.delete(x, k) - x[k]))


@logsumexp_precise.mistake(
    "No shift: exp(1000) overflows, and 1 + tiny rounds to 1. Subtract the maximum and leave its "
    "own term to np.log1p."
)
def plain_definition(x):
    return np.log(np.sum(np.exp(x)))


# --- 4.6 -------------------------------------------------------------------------------------


def _exact_log_mean_exp(x):
    x = np.asarray(x, dtype=float)
    return np.logaddexp.reduce(x - np.log(x.shape[-1]), axis=-1)


@exercise(
    "4.6",
    minutes=5,
    probes=[
        ordinary(np.array([0.5, 2.0, 1.0]), note="one row, all positive"),
        ordinary(np.abs(BATCH) + 0.25, note="two rows of four, all positive"),
        ordinary(BATCH, note="two rows of four"),
        ordinary(SQUARE, note="a square batch"),
        ordinary(STACK, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(np.array([[2.0, 2.0, 2.0, 2.0, 2.0]]), note="five equal entries: the mean is one"),
        ordinary(np.array([3.5]), note="one entry: itself"),
        ordinary(BATCH.astype(np.float32), note="float32"),
        ordinary(BATCH.astype(np.float16), note="float16"),
        extreme(np.array([1000.0, 999.0]), note="exp(1000) overflows"),
        extreme(np.array([-1000.0, -1001.0]), note="every exp is 0"),
        extreme(ROWS_2000_APART, note="two rows 2000 apart"),
    ],
    truth=_exact_log_mean_exp,
    scale=lambda x, expected: _size(x),
    library=("log_mean_exp", "logmeanexp"),
    remark="This is how log-likelihoods of several models or samples are averaged.",
)
def log_mean_exp(x):
    """Return log(mean(exp(x))) over the last axis, stably.

    x : float array, shape (..., n).
    Returns an array of shape (...,); x itself is left unchanged.
    A library's log-sum-exp may be a part of it.
    """
    m = np.max(x, axis=-1, keepdims=True)
    return m[..., 0] + np.log(np.mean(np.exp(x - m), axis=-1))


log_mean_exp.hints(
    "A mean is a sum divided by n. What does dividing by n become after the log?",
    "log mean exp(x) = LSE(x) - log n, with n = x.shape[-1]. Or shift, and use np.mean for np.sum.",
    "m = np.max(x, axis=-1, keepdims=True); return m[..., 0] + "
    "np.log(np.mean(np.exp(x - m), axis=-1)).",
)
log_mean_exp.reasoning(
    "Constants go through a mean as they go through a sum: mean exp(x) = exp(m) · mean exp(x - m). "
    "The shifted mean lies between 1/n and 1, so its log is between -log n and 0. "
    "Equal entries give that entry back, which is what a mean should do."
)


@log_mean_exp.mistake("That is the log of the sum: a mean divides by n, so subtract log n.")
def log_n_not_subtracted(x):
    m = np.max(x, axis=-1, keepdims=True)
    return m[..., 0] + np.log(np.sum(np.exp(x - m), axis=-1))


@log_mean_exp.mistake(
    "That is the mean of x. The log of a mean is not the mean of the logs: exp comes first, then "
    "the mean, then the log, and the result is never smaller than the mean of x."
)
def mean_of_x(x):
    return np.mean(x, axis=-1)


@log_mean_exp.mistake("That is the log of the mean of x: the exp is missing.")
def log_of_the_mean(x):
    return np.log(np.mean(x, axis=-1))


@log_mean_exp.mistake(
    "No shift: exp overflows above 709 and vanishes below -745. Subtract each row's maximum "
    "before exp, and add it after the log."
)
def mean_without_shift(x):
    return np.log(np.mean(np.exp(x), axis=-1))


@log_mean_exp.mistake(
    "The log was divided by n, or n taken from it: the division stands inside the log, so outside "
    "it becomes - log n.",
    how=("all divided", "the log divided", "n subtracted"),
)
def divided_by_n_outside(x, *, how):
    m = np.max(x, axis=-1, keepdims=True)
    n, log_sum = np.shape(x)[-1], np.log(np.sum(np.exp(x - m), axis=-1))
    if how == "n subtracted":
        return m[..., 0] + log_sum - n
    return m[..., 0] + log_sum / n if how == "the log divided" else (m[..., 0] + log_sum) / n


@log_mean_exp.mistake(
    "The log of the wrong number was subtracted: n is the length of the last axis, x.shape[-1].",
    count=(np.size, len),
)
def wrong_n(x, *, count):
    m = np.max(x, axis=-1, keepdims=True)
    return m[..., 0] + np.log(np.sum(np.exp(x - m), axis=-1)) - np.log(count(x))


@log_mean_exp.mistake("You added log n; dividing by n means subtracting it.")
def log_n_added(x):
    m = np.max(x, axis=-1, keepdims=True)
    return m[..., 0] + np.log(np.sum(np.exp(x - m), axis=-1)) + np.log(np.shape(x)[-1])


@log_mean_exp.mistake(
    "The maximum was not added back: exp(m) left the mean as a factor, so + m stands outside."
)
def shift_not_undone(x):
    m = np.max(x, axis=-1, keepdims=True)
    return np.log(np.mean(np.exp(x - m), axis=-1))


@log_mean_exp.mistake(
    "One maximum was subtracted from the whole batch: a row far below it gives log 0. "
    "Use axis=-1 and keepdims=True."
)
def batch_maximum(x):
    m = np.max(x)
    return m + np.log(np.mean(np.exp(x - m), axis=-1))


@log_mean_exp.mistake(
    "The mean runs over the whole array or down the columns: the last axis is the one to average.",
    axis=(None, 0),
)
def averaged_over_another_axis(x, *, axis):
    m = np.max(x, axis=axis, keepdims=True)
    mean = m + np.log(np.mean(np.exp(x - m), axis=axis, keepdims=True))
    return mean.ravel()[0] if axis is None else mean[0]


@log_mean_exp.mistake(
    "The maxima lost their axis before the subtraction: shape (N,) broadcasts along the classes, "
    "which fails for most shapes and is silently wrong for a square batch. Use keepdims=True."
)
def axis_of_the_maxima_lost(x):
    m = np.max(x, axis=-1)
    return m + np.log(np.mean(np.exp(x - m), axis=-1))


@log_mean_exp.mistake(
    "The result keeps the averaged axis with length 1. The task asks for shape (...,): "
    "drop it, for instance by [..., 0].",
)
def averaged_axis_kept(x):
    m = np.max(x, axis=-1, keepdims=True)
    return m + np.log(np.mean(np.exp(x - m), axis=-1, keepdims=True))
