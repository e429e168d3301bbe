"""Exercises 5.1 to 5.6: log-probabilities to losses, smoothing, floors, soft and masked targets."""

from __future__ import annotations

import functools

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

LOGITS = np.array([[2.0, 0.5, 6.0], [0.1, 0.0, 3.0], [1.0, -2.0, 0.5], [0.0, 1.5, 1.0]])
LABELS = np.array([2, 1, 0, 0])
WIDE = np.array([[0.5, -1.0, 2.0, 1.5, 0.0], [3.0, 1.0, -2.0, 0.25, 1.0]])
WIDE_LABELS = np.array([3, 0])
SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])
SQUARE_LABELS = np.array([1, 2, 0])  # not their own inverse
EPSILONS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-300)


def _log_softmax(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def _softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _one_hot(labels, n):
    return np.eye(n)[np.asarray(labels)]


def _picked(values, labels):
    """Return values[i, labels[i]] for every row i."""
    return values[np.arange(len(labels)), labels]


# --- 5.1 -------------------------------------------------------------------------------------


def _exact_nll(log_p, labels):
    import math

    terms = [-float(row[label]) for row, label in zip(log_p, labels, strict=True)]
    return math.fsum(terms) / len(terms)


@exercise(
    "5.1",
    minutes=5,
    probes=[
        ordinary(_log_softmax(LOGITS), LABELS, note="four rows of three"),
        ordinary(_log_softmax(WIDE), WIDE_LABELS, note="two rows of five: a label above N"),
        ordinary(_log_softmax(SQUARE), SQUARE_LABELS, note="a square batch"),
        ordinary(np.log([[0.7, 0.2, 0.1]]), np.array([1]), note="a batch of one"),
        ordinary(_log_softmax(LOGITS), np.array([2, 2, 2, 2]), note="the same label four times"),
        ordinary(_log_softmax(LOGITS).astype(np.float32), LABELS, note="float32"),
        ordinary(_log_softmax(LOGITS).astype(np.float16), LABELS, note="float16"),
        extreme(
            np.array([[-np.inf, 0.0, -np.inf], [-1.0, -800.0, np.log1p(-np.exp(-1))]]),
            np.array([1, 0]),
            note="log-probabilities of -inf and -800, beside the label",
        ),
        extreme(
            np.array([[-np.inf, 0.0, -np.inf], *_log_softmax(LOGITS[:1])]),
            np.array([2, 0]),
            note="the label's own log-probability is -inf: the loss is inf",
        ),
    ],
    truth=_exact_nll,
    scale=lambda log_p, labels, expected: 1.0,
    library=("nll_loss", "NLLLoss", "cross_entropy", "CrossEntropyLoss"),
    remark="This is torch.nn.NLLLoss: it takes log-probabilities, and takes no log itself.",
)
def nll(log_p, labels):
    """Return the mean negative log-likelihood of the labels, a scalar.

    Write it yourself: no ready-made nll_loss or cross_entropy.

    log_p : float array of log-probabilities, shape (N, n); entries may be -inf.
    labels : integer array, shape (N,), each in 0 ... n - 1.
    """
    return -np.mean(log_p[np.arange(len(labels)), labels])


nll.hints(
    "Each row contributes one number: which one? The loss is its negative, averaged over the rows.",
    "You need log_p[0, labels[0]], log_p[1, labels[1]], and so on: index rows and columns "
    "together.",
    "log_p[np.arange(len(labels)), labels] has shape (N,). Its mean, with a minus, is the answer.",
)
nll.reasoning(
    "Two index arrays of the same length are read in pairs: (0, labels[0]), (1, labels[1]), … "
    "The entries beside the label never enter, so an impossible class, log-probability -inf, "
    "costs nothing as long as it is not the label."
)


@nll.mistake("The minus is missing: log-probabilities are at most 0, and a loss is at least 0.")
def sign_forgotten(log_p, labels):
    return np.mean(_picked(log_p, labels))


@nll.mistake("The sum was taken over the rows; the task asks for the mean.")
def sum_over_rows(log_p, labels):
    return -np.sum(_picked(log_p, labels))


@nll.mistake(
    "`log_p[:, labels]` takes every row's entry for every label, an N × N table. To pair row i "
    "with label i, index rows too: `log_p[np.arange(len(labels)), labels]`."
)
def every_row_with_every_label(log_p, labels):
    return -np.mean(log_p[:, labels])


@nll.mistake(
    "`log_p[labels]` picks whole rows, by their number. The label is a column: "
    "`log_p[np.arange(len(labels)), labels]`."
)
def labels_pick_rows(log_p, labels):
    return -np.mean(log_p[labels])


@nll.mistake(
    "The mean runs over all N·n entries, zeros of the one-hot matrix included: it is n times too "
    "small. Sum over the classes, average over the rows.",
    one_hot=(True, False),
)
def mean_over_all_entries(log_p, labels, *, one_hot):
    if one_hot:
        return -np.mean(_one_hot(labels, log_p.shape[-1]) * log_p)
    return -np.sum(_picked(log_p, labels)) / np.size(log_p)


@nll.mistake(
    "The mean was taken twice: after `np.mean` over the rows there is nothing left to divide by N."
)
def mean_taken_twice(log_p, labels):
    return -np.mean(_picked(log_p, labels)) / len(labels)


@nll.mistake(
    "Another log was taken: the input already holds log-probabilities, at most 0, and the log of "
    "a negative number is NaN."
)
def another_log(log_p, labels):
    return -np.mean(np.log(_picked(log_p, labels)))


@nll.mistake(
    "A one-hot matrix times `log_p` is NaN where a log-probability beside the label is -inf: "
    "0 · inf has no value. Pick the entries by index, or by `np.where`."
)
def one_hot_times_infinity(log_p, labels):
    return -np.mean(np.sum(_one_hot(labels, log_p.shape[-1]) * log_p, axis=-1))


@nll.mistake(
    "NaN and -inf were replaced by a number: where the label itself has probability 0, a loss of "
    "inf is hidden with them. Pick the entries by index, and there is nothing to repair.",
    floor=(np.finfo(float).min, 0.0),
)
def repaired_afterwards(log_p, labels, *, floor):
    terms = np.nan_to_num(_one_hot(labels, log_p.shape[-1]) * log_p, neginf=floor)
    return -np.mean(np.sum(terms, axis=-1))


@nll.mistake(
    "The exp of the log-probability was taken: the mean of −p_label. The loss stays in logs."
)
def probability_instead_of_its_log(log_p, labels):
    return -np.mean(np.exp(_picked(log_p, labels)))


@nll.mistake(
    "The largest log-probability of each row was taken, whatever its label. Pick the label's."
)
def largest_instead_of_the_label(log_p, labels):
    return -np.mean(np.max(log_p, axis=-1))


@nll.mistake("That is one loss a row; the task asks for their mean, a scalar.")
def not_averaged(log_p, labels):
    return -_picked(log_p, labels)


@nll.mistake(
    "Only the first row's loss is in the result: all N rows count, each with 1/N.",
    divided=(False, True),
)
def first_row_alone(log_p, labels, *, divided):
    return -_picked(log_p, labels)[0] / (len(labels) if divided else 1)


@nll.mistake(
    "The width of the one-hot matrix was taken from the labels, `labels.max() + 1`: a batch in "
    "which the last classes do not occur does not fit. The number of classes is log_p.shape[-1]."
)
def classes_counted_from_the_labels(log_p, labels):
    q = np.eye(np.max(labels) + 1)[labels]
    return -np.sum(q * log_p) / len(labels)


@nll.mistake(
    "The sum was divided by n, the number of classes: the mean runs over the N rows.",
)
def divided_by_the_classes(log_p, labels):
    return -np.sum(_picked(log_p, labels)) / log_p.shape[-1]


# --- 5.2 -------------------------------------------------------------------------------------


def _exact_cross_entropy(logits, labels):
    import mpmath

    total = mpmath.mpf(0)
    with mpmath.workdps(60):
        for row, label in zip(np.asarray(logits, dtype=float), labels, strict=True):
            exps = [mpmath.exp(mpmath.mpf(float(v))) for v in row]
            total += mpmath.log(mpmath.fsum(exps)) - mpmath.mpf(float(row[label]))
        return float(total / len(labels))


def _gap_size(logits, *_, expected):
    """Return the largest distance to a row's maximum: the size of the terms after the shift."""
    x = np.asarray(logits, dtype=float)
    gap = np.abs(x - np.max(x, axis=-1, keepdims=True))
    return max(1.0, float(np.max(gap[np.isfinite(gap)])))


def _logit_size(logits, *_, expected):
    """Return the largest finite logit: LSE(x) − x_y cannot be more accurate than that times eps."""
    x = np.asarray(logits, dtype=float)
    return max(1.0, float(np.max(np.abs(x[np.isfinite(x)]))))


@exercise(
    "5.2",
    minutes=10,
    probes=[
        ordinary(LOGITS, LABELS, note="four rows of three"),
        ordinary(WIDE, WIDE_LABELS, note="two rows of five: a label above N"),
        ordinary(SQUARE, SQUARE_LABELS, note="a square batch"),
        ordinary(np.array([[1.0, -0.5, 0.25]]), np.array([2]), note="a batch of one"),
        ordinary(
            np.array([[2.0, 2.0], [1.0, 1.0]]), np.array([0, 1]), note="ties: the loss is ln 2"
        ),
        ordinary(LOGITS.astype(np.float32), LABELS, note="float32"),
        ordinary(LOGITS.astype(np.float16), LABELS, note="float16"),
        ordinary(
            LOGITS, np.array([2, -1, 0, 0]), raises=ValueError, note="a label of -1: ValueError"
        ),
        ordinary(
            LOGITS,
            np.array([2, 3, 0, 0]),
            raises=(ValueError, IndexError),
            note="a label of 3 for three classes: ValueError or IndexError",
        ),
        extreme(np.array([[0.0, 40.0], [20.0, 0.0]]), np.array([0, 1]), note="confident and wrong"),
        extreme(
            np.array([[0.0, 45.0], [690.0, 0.0]]),
            np.array([0, 1]),
            note="more confident, and wrong",
        ),
        extreme(np.array([[-800.0, 0.0]]), np.array([0]), note="no exp overflows, p_label is 0"),
        extreme(
            np.array([[0.0, 800.0]]), np.array([0]), note="so wrong that p_label is 0: loss 800"
        ),
        extreme(
            np.array([[0.0, 800.0], [1.0, 0.0]]),
            np.array([1, 0]),
            note="right, and the other p is 0",
        ),
        extreme(
            np.array([[1000.0, 999.0], [-1000.0, -1001.0]]),
            np.array([1, 1]),
            note="two rows 2000 apart",
        ),
        extreme(
            np.array([[1.0, -np.inf, 2.0], [0.0, 1.0, -np.inf]]),
            np.array([0, 1]),
            note="masked classes, logit -inf, beside the label",
        ),
        extreme(np.array([[1e17, 1e17]]), np.array([1]), note="two logits of 1e17: loss ln 2"),
    ],
    truth=_exact_cross_entropy,
    scale=_gap_size,
    library=(
        "cross_entropy",
        "CrossEntropyLoss",
        "log_loss",
        "softmax_cross_entropy",
        "softmax_cross_entropy_with_integer_labels",
        "sparse_categorical_crossentropy",
    ),
    remark="torch.nn.functional.cross_entropy(logits, labels) does the same, from logits.",
)
def cross_entropy(logits, labels):
    """Return the mean cross-entropy of integer labels, a scalar, stably from the logits.

    Write it yourself: no ready-made cross_entropy. Leave the logits unchanged.

    logits : float array, shape (N, n), of any size: two equal logits of 1e17 cost ln 2. A class
    other than the label may be masked by -inf.
    labels : integer array, shape (N,).
    Raises ValueError when a label is negative; for a label of n or more, ValueError or IndexError.
    """
    n = logits.shape[-1]
    if np.any((labels < 0) | (labels >= n)):
        raise ValueError(f"labels must lie in 0 ... {n - 1}; got {labels}")
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(shifted), axis=-1))
    return np.mean(log_sum - shifted[np.arange(len(labels)), labels])


cross_entropy.hints(
    "The loss of a row is −log p_label. Which exercise of notebook 04 gives log p without p?",
    "−log p_y = log Σ exp(x_j − m) − (x_y − m): shift, then pick the label's entry by index, then "
    "average.",
    "NumPy takes index −1 for the last class without a word. Test the labels first: "
    "`if np.any((labels < 0) | (labels >= n)): raise ValueError(...)`.",
    "shifted = logits − row maximum; mean of np.log(np.exp(shifted).sum(axis=-1)) − "
    "shifted[np.arange(len(labels)), labels].",
)
cross_entropy.reasoning(
    "The probability is never formed, so it cannot underflow: a loss of 800 is an ordinary number "
    "although exp(−800) is 0 in float64. Indexing leaves the other classes out, so −inf beside "
    "the label does no harm. The test of the labels costs a line and turns a silently wrong loss "
    "(−1 counts from the end) into an error."
)


def _mistake_of_5_2(sentence, **constants):
    """Declare a wrong answer twice: with the labels tested, and without."""

    def declare(function):
        @functools.wraps(function)
        def checked(logits, labels, **choice):
            n = logits.shape[-1]
            if np.any((labels < 0) | (labels >= n)):
                raise ValueError(f"labels must lie in 0…{n - 1}")
            return function(logits, labels, **choice)

        @functools.wraps(function)
        def unchecked(logits, labels, **choice):
            return function(logits, labels, **choice)

        unchecked.__name__ = f"{function.__name__}_and_labels_not_tested"
        cross_entropy.mistake(sentence, **constants)(checked)
        cross_entropy.mistake(
            f"Two things. {sentence} And the labels are not tested: −1 counts from the end, where "
            "ValueError is due.",
            **constants,
        )(unchecked)
        return function

    return declare


@_mistake_of_5_2(
    "The log of a probability: once p_label underflows to 0, the loss is inf instead of a few "
    "hundred. Take log Σ exp(x − m) − (x_label − m), straight from the logits.",
)
def log_of_probabilities(logits, labels):
    return -np.mean(np.log(_picked(_softmax(logits), labels)))


@_mistake_of_5_2(
    "A small number was added inside the log: it changes the loss a little everywhere, and no "
    "loss can exceed −log ε, however wrong the prediction. Stay in logs, from the logits.",
    epsilon=EPSILONS,
)
def epsilon_inside_the_log(logits, labels, *, epsilon):
    return -np.mean(np.log(_picked(_softmax(logits), labels) + epsilon))


@_mistake_of_5_2(
    "The probabilities were clipped: no loss can exceed −log ε (16.12 for 1e-7), and beyond it "
    "the gradient is 0, just where the prediction is most wrong. Stay in logs, from the logits.",
    epsilon=EPSILONS,
    both_sides=(True, False),
)
def clipped_probabilities(logits, labels, *, epsilon, both_sides):
    p = np.clip(_softmax(logits), epsilon, 1 - epsilon if both_sides else 1.0)
    return -np.mean(np.log(_picked(p, labels)))


@_mistake_of_5_2(
    "A one-hot matrix times log p: where a p beside the label underflows, 0 · log 0 is NaN. "
    "Pick the label's entry by index, and stay in logs.",
)
def zero_times_log_zero(logits, labels):
    q = _one_hot(labels, logits.shape[-1])
    return -np.mean(np.sum(q * np.log(_softmax(logits)), axis=-1))


@_mistake_of_5_2(
    "A one-hot matrix times log-softmax is NaN where a masked class has log p = −inf: 0 · inf "
    "has no value. Pick the label's entry by index.",
)
def one_hot_times_minus_infinity(logits, labels):
    return -np.mean(np.sum(_one_hot(labels, logits.shape[-1]) * _log_softmax(logits), axis=-1))


@_mistake_of_5_2(
    "The binary formula, q log p + (1 − q) log(1 − p), was used for every class. It belongs to "
    "one sigmoid per class; softmax couples the classes, and only −log p_label counts.",
    over_all=(True, False),
    epsilon=(None, 0.0, *EPSILONS),
)
def binary_formula(logits, labels, *, over_all, epsilon):
    p = _softmax(logits)
    q = _one_hot(labels, logits.shape[-1])
    if epsilon is None:  # 0 · log 0 = 0, as scipy.special.xlogy has it
        terms = -np.where(q == 1, np.log(p), np.log1p(-p))
    else:
        p = np.clip(p, epsilon, 1 - epsilon)
        terms = -(q * np.log(p) + (1 - q) * np.log(1 - p))
    return np.mean(terms) if over_all else np.mean(np.sum(terms, axis=-1))


@_mistake_of_5_2(
    "The binary loss of each logit was added up, log(1 + eˣ) − q x: that is one sigmoid for each "
    "class. Softmax couples the classes, and the loss is LSE(x) − x_label.",
    over_all=(True, False),
)
def binary_loss_of_each_logit(logits, labels, *, over_all):
    terms = np.logaddexp(0, logits) - _one_hot(labels, logits.shape[-1]) * logits
    return np.mean(terms) if over_all else np.mean(np.sum(terms, axis=-1))


@_mistake_of_5_2("The sum over the rows; the task asks for the mean.")
def summed(logits, labels):
    return -np.sum(_picked(_log_softmax(logits), labels))


@_mistake_of_5_2(
    "The maximum is added back before the label's logit is subtracted: log Σ exp(x − m) is lost in "
    "a large m, and the loss of two logits of 1e17 comes out as 0. Subtract within the shifted "
    "row: log Σ exp(x − m) − (x_label − m).",
)
def maximum_added_back(logits, labels):
    m = np.max(logits, axis=-1)
    lse = m + np.log(np.sum(np.exp(logits - m[:, None]), axis=-1))
    return np.mean(lse - _picked(logits, labels))


@_mistake_of_5_2(
    "The softmax runs over the whole batch at once, so that all entries together sum to 1: each "
    "row is a distribution of its own. Use axis=-1 and keepdims=True.",
    in_logs=(True, False),
    maximum_of_each_row=(False, True),
)
def softmax_over_the_whole_array(logits, labels, *, in_logs, maximum_of_each_row):
    top = np.max(logits, axis=-1, keepdims=True) if maximum_of_each_row else np.max(logits)
    shifted = logits - top
    if in_logs:
        return np.mean(np.log(np.sum(np.exp(shifted))) - _picked(shifted, labels))
    e = np.exp(shifted)
    return -np.mean(np.log(_picked(e / np.sum(e), labels)))


@cross_entropy.mistake(  # a label of −1 meets the same ValueError, tested or not
    "The sum over the classes lost its axis: shape (N,) is broadcast along the classes, which "
    "fails for most shapes and is silently wrong for a square batch. Use keepdims=True.",
    in_logs=(True, False),
)
def sum_lost_its_axis(logits, labels, *, in_logs):
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    if in_logs:
        return -np.mean(_picked(shifted - np.log(np.sum(np.exp(shifted), axis=-1)), labels))
    e = np.exp(shifted)
    return -np.mean(np.log(_picked(e / np.sum(e, axis=-1), labels)))


@_mistake_of_5_2(
    "Only the first row's loss is in the result: all N rows count, each with 1/N.",
    divided=(False, True),
    in_logs=(True, False),
)
def first_row_only(logits, labels, *, divided, in_logs):
    log_p = _log_softmax(logits) if in_logs else np.log(_softmax(logits))
    return -_picked(log_p, labels)[0] / (len(labels) if divided else 1)


@_mistake_of_5_2(
    "A sigmoid of each logit stands in place of the softmax: the classes then do not compete, and "
    "the probabilities of a row do not sum to 1.",
)
def sigmoid_for_softmax(logits, labels):
    return np.mean(np.log1p(np.exp(-_picked(logits, labels))))


@cross_entropy.mistake(
    "Right on valid labels, but a label of −1 does not raise: NumPy indexes from the end, and the "
    "loss of the last class comes back. Test 0 ≤ label < n, and raise ValueError."
)
def negative_label_indexes(logits, labels):
    return -np.mean(_picked(_log_softmax(logits), labels))


@_mistake_of_5_2(
    "The exp was taken of the raw logits: it overflows above 709 and vanishes below −745. "
    "Subtract each row's maximum first.",
)
def not_shifted(logits, labels):
    return np.mean(np.log(np.sum(np.exp(logits), axis=-1)) - _picked(logits, labels))


@_mistake_of_5_2(
    "The softmax itself is not shifted: exp overflows above 709 and vanishes below −745. "
    "Work from the logits: log Σ exp(x − m) − (x_label − m).",
)
def log_of_textbook_softmax(logits, labels):
    e = np.exp(logits)
    return -np.mean(np.log(_picked(e / np.sum(e, axis=-1, keepdims=True), labels)))


@_mistake_of_5_2(
    "Softmax was applied twice: its output went into a loss that takes logits. The loss then "
    "cannot fall below ln(1 + (n − 1)/e).",
)
def softmax_twice(logits, labels):
    return -np.mean(_picked(_log_softmax(_softmax(logits)), labels))


@_mistake_of_5_2(
    "The log-sum-exp is missing: that is the mean of −x_label. The loss is LSE(x) − x_label.",
)
def logits_taken_for_log_probabilities(logits, labels):
    return -np.mean(_picked(logits, labels))


@_mistake_of_5_2(
    "The log is missing: that is the mean of −p_label. The loss is −log p_label.",
)
def log_forgotten(logits, labels):
    return -np.mean(_picked(_softmax(logits), labels))


@_mistake_of_5_2(
    "The minus is missing, or both parts changed places: a cross-entropy is at least 0.",
)
def sign_reversed(logits, labels):
    return np.mean(_picked(_log_softmax(logits), labels))


@_mistake_of_5_2(
    "`[:, labels]` pairs every row with every label, an N × N table. Index rows and columns "
    "together: `[np.arange(len(labels)), labels]`.",
)
def every_label_for_every_row(logits, labels):
    return -np.mean(_log_softmax(logits)[:, labels])


@_mistake_of_5_2(
    "The softmax runs down the columns, over the batch: the classes are the last axis.",
)
def softmax_over_the_batch(logits, labels):
    return -np.mean(_picked(_log_softmax(logits.T).T, labels))


@_mistake_of_5_2(
    "One maximum was subtracted from the whole batch: a row far below it gives log 0. "
    "Each row needs its own.",
)
def maximum_of_the_batch(logits, labels):
    shifted = logits - np.max(logits)
    return np.mean(np.log(np.sum(np.exp(shifted), axis=-1)) - _picked(shifted, labels))


@_mistake_of_5_2(
    "The mean runs over all N·n entries: it is n times too small. Average over the N rows.",
)
def mean_over_rows_and_classes(logits, labels):
    return -np.sum(_picked(_log_softmax(logits), labels)) / np.size(logits)


@_mistake_of_5_2("That is one loss a row; the task asks for their mean.")
def one_loss_per_row(logits, labels):
    return -_picked(_log_softmax(logits), labels)


# --- 5.3 -------------------------------------------------------------------------------------


def _smoothed_by_loops(labels, n, eps):
    rows = []
    for label in labels:
        row = [eps / n] * n
        row[int(label)] += 1.0 - eps
        rows.append(row)
    return np.array(rows)


@exercise(
    "5.3",
    minutes=5,
    probes=[
        ordinary(np.array([2, 0]), 5, 0.1, note="two labels, five classes, none of them 4"),
        ordinary(np.array([1, 3, 0, 1]), 4, 0.2, note="four labels, four classes"),
        ordinary(np.array([0, 1, 1]), 2, 0.3, note="two classes"),
        ordinary(np.array([7]), 10, 0.1, note="a batch of one"),
        ordinary(np.array([0, 0, 1]), 6, 0.4, note="six classes, of which only two occur"),
        ordinary(np.array([2, 1, 0]), 3, 0.0, note="ε = 0: plain one-hot"),
    ],
    truth=_smoothed_by_loops,
    scale=lambda labels, n, eps, expected: 1.0,
    library=("label_smoothing",),
    remark="torch.nn.functional.cross_entropy(..., label_smoothing=eps) uses these targets.",
)
def smooth_labels(labels, n, eps):
    """Return smoothed targets, PyTorch's convention: (1 - eps) times one-hot, plus eps / n.

    Write it yourself: no ready-made label_smoothing.

    labels : integer array, shape (N,), each in 0 ... n - 1.
    n : the number of classes; eps : a float, 0 <= eps < 1.
    Returns a float array of shape (N, n) whose rows sum to 1.
    """
    return (1 - eps) * np.eye(n)[labels] + eps / n


smooth_labels.hints(
    "Mix two distributions: the one-hot vector with weight 1 − ε, and the uniform one with "
    "weight ε. What is the uniform probability of one class?",
    "np.eye(n) is the identity matrix; its row k is the one-hot vector of label k.",
    "(1 - eps) * np.eye(n)[labels] + eps / n: the uniform part goes to every class, the label "
    "included.",
)
smooth_labels.reasoning(
    "A mixture of two distributions with weights 1 − ε and ε is a distribution, so each row sums "
    "to 1. The label gets 1 − ε + ε/n, every other class ε/n: the label stays ahead by 1 − ε."
)


@smooth_labels.mistake(
    "You shared ε among the n − 1 other classes. That is the other convention, and the label then "
    "gets 1 − ε; PyTorch shares ε among all n, the label included: 1 − ε + ε/n.",
    added=(False, True),
)
def shared_among_the_others(labels, n, eps, *, added):
    q = np.full((len(labels), n), eps / (n - 1))
    at_labels = np.arange(len(labels)), labels
    q[at_labels] = 1 - eps + (q[at_labels] if added else 0)
    return q


@smooth_labels.mistake(
    "The label gets 1 − ε and the others ε/n: the rows sum to 1 − ε/n. The uniform part goes to "
    "the label as well."
)
def rows_below_one(labels, n, eps):
    q = np.full((len(labels), n), eps / n)
    q[np.arange(len(labels)), labels] = 1 - eps
    return q


@smooth_labels.mistake(
    "The width was taken from the labels, `labels.max() + 1`: a batch in which the last classes "
    "do not occur gets too narrow. The number of classes is n."
)
def width_from_the_labels(labels, n, eps):
    width = int(np.max(labels)) + 1
    return (1 - eps) * np.eye(width)[labels] + eps / n


@smooth_labels.mistake("That is plain one-hot: ε was not used.")
def not_smoothed(labels, n, eps):
    return np.eye(n)[labels]


@smooth_labels.mistake("Every class got ε added, not ε/n: the rows sum to more than 1.")
def epsilon_not_shared(labels, n, eps):
    return (1 - eps) * np.eye(n)[labels] + eps


@smooth_labels.mistake(
    "The one-hot part keeps its full weight: rows sum to 1 + ε. Multiply it by 1 − ε."
)
def one_hot_at_full_weight(labels, n, eps):
    return np.eye(n)[labels] + eps / n


@smooth_labels.mistake("The weights are swapped: the one-hot part gets 1 − ε, the uniform part ε.")
def weights_swapped(labels, n, eps):
    return eps * np.eye(n)[labels] + (1 - eps) / n


@smooth_labels.mistake(
    "The one-hot vectors were clipped to ε and 1 − ε: the rows do not sum to 1 for n > 2."
)
def clipped_one_hot(labels, n, eps):
    return np.clip(np.eye(n)[labels], eps, 1 - eps)


@smooth_labels.mistake(
    "You shared ε among n − 2 classes: that is for a vocabulary in which one class, the padding, "
    "never is a target. Here every class is one, and PyTorch shares ε among all n.",
    padding=(False, True),
)
def shared_among_all_but_two(labels, n, eps, *, padding):
    q = np.full((len(labels), n), eps / (n - 2))
    q[np.arange(len(labels)), labels] = 1 - eps
    if padding:
        q[:, 0] = 0
    return q


@smooth_labels.mistake(
    "ε was divided by the number of labels, not by the number of classes: `shape[0]` is N."
)
def divided_by_the_batch(labels, n, eps):
    return (1 - eps) * np.eye(n)[labels] + eps / len(labels)


@smooth_labels.mistake("Rows and columns are exchanged: one row per label, one column per class.")
def one_column_per_label(labels, n, eps):
    return ((1 - eps) * np.eye(n)[labels] + eps / n).T


# --- 5.4 -------------------------------------------------------------------------------------


def _floor_by_mpmath(n):
    import mpmath

    with mpmath.workdps(40):
        return float(-mpmath.log(mpmath.e / (mpmath.e + n - 1)))


@exercise(
    "5.4",
    minutes=6,
    probes=[
        ordinary(2, note="two classes"),
        ordinary(3, note="three classes"),
        ordinary(10, note="ten classes: the famous 1.461"),
        ordinary(100, note="a hundred classes"),
        ordinary(1000, note="a thousand classes"),
        ordinary(50257, note="a vocabulary of 50 257"),
    ],
    truth=_floor_by_mpmath,
    scale=lambda n, expected: 1.0,
    remark="A training loss that stalls at this number for your n has two softmaxes in it.",
)
def double_softmax_floor(n):
    """Return the lowest loss that n classes can reach when softmax is applied once too often.

    The model ends in a softmax, and its output p goes into a cross-entropy that takes logits
    and applies softmax again: the loss is -log softmax(p)[label]. Find the p that makes it
    smallest, and return that loss, a float in double precision. n is an integer, at least 2.
    """
    return np.log(1 + (n - 1) / np.e)


double_softmax_floor.hints(
    "The outer softmax sees numbers between 0 and 1 that sum to 1. Which p is the best one for "
    "the label?",
    "At best p is one-hot at the label: the outer softmax sees one 1 and n − 1 zeros.",
    "The label's outer probability is e / (e + (n − 1)). Take −log, and divide through by e.",
)
double_softmax_floor.reasoning(
    "Probabilities used as logits can be at most 1 apart. The best case is p = one-hot: "
    "softmax(p)_y = e/(e + n − 1), so the loss is −log of that, ln(1 + (n − 1)/e). For n = 10 it "
    "is 1.461, and no training gets below."
)


@double_softmax_floor.mistake(
    "The floor is not 0: probabilities differ by at most 1, so the outer softmax can never be "
    "sure. What does it give for (1, 0, …, 0)?"
)
def zero(n):
    return 0.0


@double_softmax_floor.mistake(
    "That is ln n, the loss of a model that knows nothing: uniform p. The best p is one-hot "
    "at the label."
)
def loss_of_the_uniform_guess(n):
    return np.log(n)


@double_softmax_floor.mistake(
    "That is the value for n = 10 only, 1.461: let it depend on n.",
    digits=(17, 6, 5, 4, 3, 2),
)
def ten_classes_only(n, *, digits):
    return round(np.log(1 + 9 / np.e), digits)


@double_softmax_floor.mistake(
    "That is ln(e + n − 1), the ceiling: the loss when p is one-hot at a wrong class. Or did you "
    "forget to subtract the label's own logit, 1?"
)
def ceiling_instead(n):
    return np.log(np.e + n - 1)


@double_softmax_floor.mistake(
    "All n classes were counted among the zeros; the label is not one of them: n − 1."
)
def n_zeros(n):
    return np.log(1 + n / np.e)


@double_softmax_floor.mistake(
    "The e stands on the wrong side: the label's term is e, the others' are 1 each: ln((e + "
    "n − 1)/e)."
)
def e_upside_down(n):
    return np.log(1 + (n - 1) * np.e)


@double_softmax_floor.mistake(
    "The label's own term is missing from the sum: ln((n − 1)/e) has the others alone. The 1 of "
    "ln(1 + (n − 1)/e) is the label's."
)
def label_left_out_of_the_sum(n):
    return np.log((n - 1) / np.e)


@double_softmax_floor.mistake("The sign: −log of a probability is positive.")
def negative_floor(n):
    return -np.log(1 + (n - 1) / np.e)


@double_softmax_floor.mistake(
    "That is the label's outer probability, e/(e + n − 1); the loss is −log of it."
)
def probability_instead_of_loss(n):
    return np.e / (np.e + n - 1)


# --- 5.5 -------------------------------------------------------------------------------------


def _exact_soft_cross_entropy(logits, q):
    import mpmath

    total = mpmath.mpf(0)
    if np.isnan(logits).any():
        return float("nan")
    with mpmath.workdps(60):
        for row, weights in zip(np.asarray(logits, dtype=float), q, strict=True):
            lse = mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(float(v))) for v in row))
            for v, w in zip(row, weights, strict=True):
                if w > 0:
                    total += mpmath.mpf(float(w)) * (lse - mpmath.mpf(float(v)))
        return float(total / len(logits))


SOFT = np.array([[0.2, 0.1, 0.7], [0.6, 0.3, 0.1], [0.25, 0.5, 0.25], [0.9, 0.05, 0.05]])
WIDE_SOFT = np.array([[0.1, 0.2, 0.3, 0.4, 0.0], [0.05, 0.05, 0.8, 0.05, 0.05]])


@exercise(
    "5.5",
    minutes=8,
    probes=[
        ordinary(LOGITS, SOFT, note="four rows of three, soft targets"),
        ordinary(WIDE, WIDE_SOFT, note="two rows of five, with one q = 0"),
        ordinary(SQUARE, SOFT[:3], note="a square batch"),
        ordinary(LOGITS, np.eye(3)[LABELS], note="one-hot targets: the loss of 5.2"),
        ordinary(np.array([[1.0, -0.5, 0.25]]), np.array([[0.5, 0.2, 0.3]]), note="a batch of one"),
        ordinary(LOGITS.astype(np.float32), SOFT.astype(np.float32), note="float32"),
        ordinary(LOGITS.astype(np.float16), SOFT.astype(np.float16), note="float16"),
        extreme(
            np.array([[1.0, -np.inf, 2.0], [0.0, 1.0, -np.inf]]),
            np.array([[0.3, 0.0, 0.7], [0.5, 0.5, 0.0]]),
            note="q = 0 where the logit is -inf: contributes 0",
        ),
        extreme(
            np.array([[1.0, -np.inf, 2.0], [0.0, 1.0, 2.0]]),
            np.array([[0.3, 0.1, 0.6], [0.5, 0.5, 0.0]]),
            note="q > 0 where the logit is -inf: the loss is inf",
        ),
        extreme(
            np.array([[0.0, 800.0], [1.0, 0.0]]),
            np.array([[0.25, 0.75], [0.5, 0.5]]),
            note="p underflows, log p does not",
        ),
        extreme(
            np.array([[1000.0, 999.0], [-1000.0, -1001.0]]),
            np.array([[0.25, 0.75], [0.5, 0.5]]),
            note="two rows 2000 apart",
        ),
        extreme(
            np.array([[1.0, np.nan, 2.0], [0.0, 1.0, 2.0]]),
            np.array([[0.3, 0.1, 0.6], [0.5, 0.5, 0.0]]),
            note="a logit of NaN: the loss is NaN, and says so",
        ),
    ],
    truth=_exact_soft_cross_entropy,
    scale=_logit_size,
    library=(
        "cross_entropy",
        "CrossEntropyLoss",
        "softmax_cross_entropy",
        "safe_softmax_cross_entropy",
        "softmax_cross_entropy_with_logits",
    ),
    remark="F.cross_entropy takes such targets too, and gives NaN where q = 0 meets -inf.",
)
def soft_cross_entropy(logits, q):
    """Return the mean over the rows of -sum(q * log softmax(logits)), a scalar, stably.

    Write it yourself: no ready-made cross_entropy.

    logits : float array, shape (N, n); an entry may be -inf, so that its log softmax is too.
    q : target probabilities, shape (N, n), rows that sum to 1; an entry q = 0 contributes 0,
    whether its logit is finite or -inf. Where q > 0 meets a logit of -inf, the loss is inf.
    A logit of NaN is a fault of the model, and makes the loss NaN.
    """
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    log_p = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    log_p = np.where(q > 0, log_p, 0)  # 0 · (−inf) would be NaN
    return -np.mean(np.sum(q * log_p, axis=-1))


soft_cross_entropy.hints(
    "With log p from exercise 4.4, one line does nearly all: −Σ q log p along each row, then the "
    "mean. What goes wrong at q = 0, log p = −inf?",
    "0 · inf is NaN, and one NaN spoils the mean. The terms with q = 0 must not be multiplied at "
    "all.",
    "np.where(q > 0, log_p, 0) replaces log p by 0 exactly where it does not count. Then multiply, "
    "sum over the classes, and average over the rows.",
)
soft_cross_entropy.reasoning(
    "t · log p tends to 0 as t → 0 for any fixed p > 0, and a class that the target rules out "
    "should cost nothing even when the model rules it out too. np.where takes the infinite log "
    "away before the product; repairing the product afterwards (nan_to_num) would also hide real "
    "NaNs. Sum over classes first, then mean over rows: the mean over all entries is n times "
    "smaller."
)


@soft_cross_entropy.mistake(
    "The product 0 · inf is NaN: where q is 0 and the logit −inf, it has no value. Replace log p "
    "there before multiplying: `np.where(q > 0, log_p, 0)`."
)
def zero_times_infinity(logits, q):
    return -np.mean(np.sum(q * _log_softmax(logits), axis=-1))


@soft_cross_entropy.mistake(
    "That is the Kullback-Leibler divergence Σ q log(q/p): smaller by the entropy of q. The two "
    "agree for one-hot q only.",
    careful=(True, False),
)
def kl_instead(logits, q, *, careful):
    log_p = _log_softmax(logits)
    if careful:
        log_p = np.where(q > 0, log_p, 0)
        return np.mean(np.sum(q * (np.log(np.where(q > 0, q, 1)) - log_p), axis=-1))
    return np.mean(np.sum(q * (np.log(q) - log_p), axis=-1))


@soft_cross_entropy.mistake(
    "The mean runs over all N·n terms: it is n times too small. Sum over the classes first.",
    careful=(True, False),
)
def mean_over_every_term(logits, q, *, careful):
    log_p = _log_softmax(logits)
    return -np.mean(q * (np.where(q > 0, log_p, 0) if careful else log_p))


@soft_cross_entropy.mistake(
    "The sum over the rows; the task asks for their mean.", careful=(True, False)
)
def rows_summed(logits, q, *, careful):
    log_p = _log_softmax(logits)
    return -np.sum(q * (np.where(q > 0, log_p, 0) if careful else log_p))


@soft_cross_entropy.mistake(
    "The minus is missing: log p is at most 0, and a loss at least 0.", careful=(True, False)
)
def minus_forgotten(logits, q, *, careful):
    log_p = _log_softmax(logits)
    return np.mean(np.sum(q * (np.where(q > 0, log_p, 0) if careful else log_p), axis=-1))


@soft_cross_entropy.mistake(
    "The roles are exchanged, −Σ p log q: the target weighs, the prediction stands in the log.",
    careful=(False, True),
)
def roles_exchanged(logits, q, *, careful):
    p = _softmax(logits)
    terms = p * np.log(q)
    return -np.mean(np.sum(np.where(p == 0, 0, terms) if careful else terms, axis=-1))


@soft_cross_entropy.mistake(
    "The log-sum-exp is missing: that is −Σ q x. The loss is LSE(x) − Σ q x.", careful=(False, True)
)
def log_sum_exp_missing(logits, q, *, careful):
    return -np.mean(np.sum(np.where(q == 0, 0, q * logits) if careful else q * logits, axis=-1))


@soft_cross_entropy.mistake(
    "The binary loss of each logit was added up, log(1 + eˣ) − q x: that is one sigmoid for each "
    "class. Softmax couples the classes, and the loss is LSE(x) − Σ q x.",
    careful=(False, True),
    over_all=(False, True),
)
def binary_loss_of_every_logit(logits, q, *, careful, over_all):
    linear = np.where(q == 0, 0, q * logits) if careful else q * logits
    terms = np.logaddexp(0, logits) - linear
    return np.mean(terms) if over_all else np.mean(np.sum(terms, axis=-1))


@soft_cross_entropy.mistake(
    "The targets were hardened to their largest class: soft targets use every q."
)
def targets_hardened(logits, q):
    return -np.mean(_picked(_log_softmax(logits), np.argmax(q, axis=-1)))


@soft_cross_entropy.mistake(
    "The log of a softmax: where p underflows, log p is −inf, or 0 · inf. Stay in logs, from the "
    "logits.",
    careful=(True, False),
)
def log_after_softmax(logits, q, *, careful):
    log_p = np.log(_softmax(logits))
    return -np.mean(np.sum(q * (np.where(q > 0, log_p, 0) if careful else log_p), axis=-1))


@soft_cross_entropy.mistake(
    "A small number was added inside the log, or the probabilities were clipped: no term can "
    "exceed −log ε. Stay in logs, from the logits.",
    epsilon=EPSILONS,
    clip=(True, False),
)
def floor_under_the_probabilities(logits, q, *, epsilon, clip):
    p = _softmax(logits)
    return -np.mean(np.sum(q * np.log(np.maximum(p, epsilon) if clip else p + epsilon), axis=-1))


@soft_cross_entropy.mistake(
    "The exp was taken of the raw logits: subtract each row's maximum first.", careful=(True, False)
)
def raw_exponentials(logits, q, *, careful):
    log_p = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    return -np.mean(np.sum(q * (np.where(q > 0, log_p, 0) if careful else log_p), axis=-1))


@soft_cross_entropy.mistake(
    "A finite number stands for -inf, as a logit or as log p: a logit of 0 gives the masked class "
    "a share, and a large negative number hides a true loss of inf, where q > 0. Leave out the "
    "terms with q = 0 instead.",
    fill=(0.0, -1e2, -1e3, -1e4, -1e5, -1e6, -1e9, -1e10, -1e20, -1e30, np.finfo(float).min),
    of=("logit", "log p", "every log p"),
)
def finite_number_for_minus_infinity(logits, q, *, fill, of):
    if of == "logit":
        log_p = _log_softmax(np.where(np.isinf(logits), fill, logits))
    else:
        log_p = _log_softmax(logits)
        log_p = (
            np.maximum(log_p, fill)
            if of == "every log p"
            else np.where(np.isinf(log_p), fill, log_p)
        )
    return -np.mean(np.sum(q * log_p, axis=-1))


@soft_cross_entropy.mistake(
    "NaN and -inf were replaced by a number, so a true loss of inf, q > 0 on a class that the "
    "model rules out, is hidden with them. Leave the terms with q = 0 out before multiplying.",
    floor=(np.finfo(float).min, 0.0),
)
def infinity_hidden(logits, q, *, floor):
    return -np.mean(np.sum(np.nan_to_num(q * _log_softmax(logits), neginf=floor), axis=-1))


@soft_cross_entropy.mistake(
    "NaNs were replaced after the fact, infinities with them: a true loss of inf or NaN would be "
    "hidden as well. Leave the terms with q = 0 out before multiplying.",
)
def nan_to_num_of_the_softmax(logits, q):
    return -np.mean(np.sum(np.nan_to_num(q * np.log(_softmax(logits))), axis=-1))


@soft_cross_entropy.mistake(
    "Where p underflows to 0 its log was set to 0, as if that class cost nothing: a loss of "
    "hundreds, or of inf, disappears. It is q = 0 that silences a term, not p = 0."
)
def log_of_zero_taken_for_zero(logits, q):
    p = _softmax(logits)
    return -np.mean(np.sum(q * np.log(p, out=np.zeros_like(p), where=p > 0), axis=-1))


@soft_cross_entropy.mistake(
    "`nansum` leaves out every NaN: the 0 · inf that it was meant for, and a logit of NaN too, "
    "so that a broken model reports a loss. Leave the terms with q = 0 out before multiplying.",
)
def nan_skipped_in_the_sum(logits, q):
    return -np.mean(np.nansum(q * _log_softmax(logits), axis=-1))


@soft_cross_entropy.mistake(
    "The softmax runs down the columns, over the batch: the classes are the last axis.",
    careful=(True, False),
)
def softmax_down_the_columns(logits, q, *, careful):
    log_p = _log_softmax(logits.T).T
    return -np.mean(np.sum(q * (np.where(q > 0, log_p, 0) if careful else log_p), axis=-1))


@soft_cross_entropy.mistake(
    "That is one loss a row; the task asks for their mean.", careful=(True, False)
)
def loss_of_each_row(logits, q, *, careful):
    log_p = _log_softmax(logits)
    return -np.sum(q * (np.where(q > 0, log_p, 0) if careful else log_p), axis=-1)


# --- 5.6 -------------------------------------------------------------------------------------


def _exact_masked_cross_entropy(logits, labels, ignore):
    kept = [i for i, label in enumerate(labels) if int(label) != ignore]
    return _exact_cross_entropy(logits[kept], labels[kept]) if kept else 0.0


def _kept_logit_size(logits, labels, ignore, expected):
    kept = np.asarray(logits, dtype=float)[np.asarray(labels) != ignore]
    return _logit_size(kept, expected=expected) if kept.size else 1.0


@exercise(
    "5.6",
    minutes=8,
    probes=[
        ordinary(LOGITS, np.array([2, -100, 0, 0]), -100, note="one row of four is ignored"),
        ordinary(WIDE, np.array([-100, 4]), -100, note="two rows of five, the first ignored"),
        ordinary(LOGITS, LABELS, 0, note="ignore = 0, a class: two rows are left"),
        ordinary(SQUARE, SQUARE_LABELS, 2, note="ignore = 2, the last class of a square batch"),
        ordinary(LOGITS, np.array([0, -100, 2, 0]), -100, note="ignore = -100, and class 0 counts"),
        ordinary(LOGITS, np.array([-1, 1, -1, 0]), -1, note="ignore = -1, which NumPy can index"),
        ordinary(LOGITS, LABELS, -100, note="nothing is ignored"),
        ordinary(LOGITS, np.array([-100] * 4), -100, note="no row is left: 0.0"),
        ordinary(
            np.array([[1.0, -0.5, 0.25]]), np.array([1]), 1, note="one row, and it is ignored"
        ),
        ordinary(np.array([[1.0, -0.5, 0.25]]), np.array([2]), 1, note="one row, and it counts"),
        ordinary(LOGITS.astype(np.float32), np.array([2, -100, 0, 0]), -100, note="float32"),
        ordinary(LOGITS.astype(np.float16), np.array([2, -100, 0, 0]), -100, note="float16"),
        extreme(
            np.array([[0.0, 800.0], [1.0, 0.0], [3.0, 1.0]]),
            np.array([0, -100, 0]),
            -100,
            note="so wrong that p_label is 0",
        ),
        extreme(
            np.array([[-800.0, 0.0], [1.0, 0.0]]),
            np.array([0, -100]),
            -100,
            note="no exp overflows, p_label is 0",
        ),
        extreme(
            np.array([[1000.0, 999.0], [-1000.0, -1001.0], [0.5, 0.0]]),
            np.array([1, 1, -100]),
            -100,
            note="two rows 2000 apart",
        ),
        extreme(
            np.array([[0.5, np.nan, 1.0], [1.0, -2.0, 0.5], [-np.inf, -np.inf, -np.inf]]),
            np.array([-100, 0, -100]),
            -100,
            note="the ignored rows hold NaN and -inf, as padding may",
        ),
    ],
    truth=_exact_masked_cross_entropy,
    scale=_kept_logit_size,
    library=("cross_entropy", "CrossEntropyLoss", "nll_loss", "NLLLoss"),
    remark="F.cross_entropy(..., ignore_index=ignore) does the same, and gives NaN where none is "
    "left.",
)
def masked_cross_entropy(logits, labels, ignore):
    """Return the mean cross-entropy over the rows whose label is not `ignore`, stably, a scalar.

    Write it yourself: no ready-made cross_entropy or nll_loss.

    logits : float array, shape (N, n); an ignored row may hold anything, NaN and -inf too.
    labels : integer array, shape (N,); each is `ignore` or a class, 0 ... n - 1.
    ignore : an integer: no class, such as -100 or -1, or a class, such as 0 for padding.
    Returns 0.0 when every row is ignored.
    """
    keep = labels != ignore
    if not np.any(keep):
        return 0.0
    logits, labels = logits[keep], labels[keep]
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(shifted), axis=-1))
    return np.mean(log_sum - shifted[np.arange(len(labels)), labels])


masked_cross_entropy.hints(
    "Which rows count? A mask of booleans, one for each row, says it: labels != ignore.",
    "Drop the other rows before anything else: logits[keep] and labels[keep] are a smaller batch, "
    "and exercise 5.2 is its loss. What is the mean of nothing?",
    "If not np.any(keep), return 0.0. Else shift the rows that are kept, take log Σ exp(x − m) − "
    "(x_label − m), and average: the mean now divides by the number of rows kept.",
)
masked_cross_entropy.reasoning(
    "A row that is dropped can do no harm: its label is never used as an index, its NaN is never "
    "multiplied by 0, and the mean divides by what is left. Setting its loss to 0 instead leaves "
    "three traps: NaN · 0 is NaN, −100 is no index, and N is the wrong divisor. The mean of no "
    "rows is 0/0; a batch of padding alone should cost nothing, so 0.0 is returned before."
)


def _losses(logits, labels):
    """Return one loss a row; a negative label counts from the end, as NumPy's indices do."""
    return -_picked(_log_softmax(logits), labels)


def _over_the_kept(losses, keep, guarded):
    """Return the mean of what is kept; 0.0 where nothing is, if that is guarded."""
    return 0.0 if guarded and not keep.any() else np.sum(losses[keep]) / np.sum(keep)


@masked_cross_entropy.mistake(
    "The sum was divided by N, all the rows: the loss shrinks with every row that is ignored. "
    "Divide by the number of rows that are left.",
    multiplied=(False, True),
)
def divided_by_all_rows(logits, labels, ignore, *, multiplied):
    keep = labels != ignore
    losses = _losses(logits, np.where(keep, labels, 0))
    return np.mean(losses * keep if multiplied else np.where(keep, losses, 0))


@masked_cross_entropy.mistake(
    "Right while a row is left. With none the mean is 0/0, NaN: return 0.0 first."
)
def nan_where_none_is_left(logits, labels, ignore):
    keep = labels != ignore
    return np.mean(_losses(logits[keep], labels[keep]))


@masked_cross_entropy.mistake(
    "The label `ignore` was used as an index before its row was dropped: −100 is none, and −1 is "
    "the last class. Drop the rows first, or put a valid label in their place.",
    guarded=(False, True),
)
def ignored_label_used_as_an_index(logits, labels, ignore, *, guarded):
    return _over_the_kept(_losses(logits, labels), labels != ignore, guarded)


@masked_cross_entropy.mistake(
    "Nothing was ignored: that is the loss of all rows, and `ignore` was read as a class."
)
def nothing_ignored(logits, labels, ignore):
    return np.mean(_losses(logits, labels))


@masked_cross_entropy.mistake(
    "The logits of the ignored rows were set to 0: such a row is a uniform guess, and adds log n "
    "to the sum.",
    divisor=("all", "kept"),
)
def ignored_rows_guess(logits, labels, ignore, *, divisor):
    keep = labels != ignore
    losses = _losses(np.where(keep[:, None], logits, 0), np.where(keep, labels, 0))
    return np.sum(losses) / (len(labels) if divisor == "all" else np.sum(keep))


@masked_cross_entropy.mistake(
    "Only negative labels are ignored: with ignore = 0 the padding counts as a class. Compare the "
    "labels with `ignore`.",
    guarded=(False, True),
)
def negative_labels_ignored(logits, labels, ignore, *, guarded):
    keep = labels >= 0
    return _over_the_kept(_losses(logits, np.where(keep, labels, 0)), keep, guarded)


@masked_cross_entropy.mistake(
    "One value of `ignore` is built in, whatever was passed: compare the labels with `ignore`.",
    value=(-100, -1, 0),
    guarded=(False, True),
)
def value_built_in(logits, labels, ignore, *, value, guarded):
    keep = labels != value
    return _over_the_kept(_losses(logits[keep], labels[keep]), keep[keep], guarded)


@masked_cross_entropy.mistake("The mask is turned round: the rows with `ignore` were averaged.")
def mask_turned_round(logits, labels, ignore):
    keep = labels == ignore
    return 0.0 if not keep.any() else np.mean(_losses(logits[keep], labels[keep]))


@masked_cross_entropy.mistake("The sum over the rows that are left; the task asks for their mean.")
def kept_rows_summed(logits, labels, ignore):
    keep = labels != ignore
    return np.sum(_losses(logits[keep], labels[keep]))


@masked_cross_entropy.mistake(
    "The losses were multiplied by the mask: NaN · 0 is NaN, so an ignored row that holds NaN or "
    "nothing but −inf spoils the sum. Drop the rows, or take np.where.",
    guarded=(False, True),
)
def losses_times_mask(logits, labels, ignore, *, guarded):
    keep = labels != ignore
    total = np.sum(_losses(logits, np.where(keep, labels, 0)) * keep)
    return total / max(1, np.sum(keep)) if guarded else total / np.sum(keep)


@masked_cross_entropy.mistake(
    "A small number was added to the number of rows, against 0/0: it changes every loss a little. "
    "Test for the empty case instead, or divide by max(1, count).",
    epsilon=[epsilon for epsilon in EPSILONS if epsilon >= 1e-12],  # smaller ones change nothing
    multiplied=(False, True),
)
def epsilon_in_the_divisor(logits, labels, ignore, *, epsilon, multiplied):
    keep = labels != ignore
    losses = _losses(logits, np.where(keep, labels, 0))
    total = np.sum(losses * keep if multiplied else np.where(keep, losses, 0))
    return total / (np.sum(keep) + epsilon)


def _mistake_of_5_6(sentence, **constants):
    """Declare a wrong loss of the kept rows twice: with the empty batch caught, and without."""

    def declare(function):
        @functools.wraps(function)
        def caught(logits, labels, ignore, *, guarded, **choice):
            keep = labels != ignore
            if guarded and not keep.any():
                return 0.0
            return function(logits[keep], labels[keep], **choice)

        masked_cross_entropy.mistake(sentence, guarded=(True, False), **constants)(caught)
        return function

    return declare


@_mistake_of_5_6(
    "The exp was taken of the raw logits: it overflows above 709 and vanishes below −745. "
    "Subtract each row's maximum first."
)
def kept_rows_not_shifted(logits, labels):
    return np.mean(np.log(np.sum(np.exp(logits), axis=-1)) - _picked(logits, labels))


@_mistake_of_5_6(
    "The log of a probability: once p_label underflows to 0, the loss is inf instead of a few "
    "hundred. Take log Σ exp(x − m) − (x_label − m), straight from the logits.",
    shifted=(True, False),
)
def log_of_kept_probabilities(logits, labels, *, shifted):
    e = np.exp(logits)
    p = _softmax(logits) if shifted else e / np.sum(e, axis=-1, keepdims=True)
    return -np.mean(np.log(_picked(p, labels)))


@_mistake_of_5_6(
    "A small number was added inside the log, or the probabilities were clipped: no loss can "
    "exceed −log ε. Stay in logs, from the logits.",
    epsilon=EPSILONS,
    clip=(True, False),
)
def floor_under_kept_probabilities(logits, labels, *, epsilon, clip):
    p = _picked(_softmax(logits), labels)
    return -np.mean(np.log(np.maximum(p, epsilon) if clip else p + epsilon))


@_mistake_of_5_6("The minus is missing: a cross-entropy is at least 0.")
def kept_rows_negated(logits, labels):
    return -np.mean(_losses(logits, labels))


@_mistake_of_5_6("That is one loss a row; the task asks for their mean.")
def losses_of_kept_rows(logits, labels):
    return _losses(logits, labels)


@_mistake_of_5_6(
    "The softmax runs down the columns, over the batch: the classes are the last axis."
)
def kept_rows_normalised_over_the_batch(logits, labels):
    return np.mean(-_picked(_log_softmax(logits.T).T, labels))
