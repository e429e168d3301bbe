"""Exercises 9.1 to 9.5: the gap a loss needs, top-k and top-p, and sparsemax."""

from __future__ import annotations

import math

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary, spread

ROW = np.array([3.0, 1.0, 0.0, -1.0, -2.0])
SHUFFLED = np.array([0.5, 2.0, -1.0, 3.5, 1.0])
BATCH = np.array([[1.0, 2.0, 4.0, 0.5], [3.0, -1.0, 0.0, 1.5]])
SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])
STACK = np.array(
    [
        [[0.1, 1.2, -0.7, 2.0], [3.0, 2.0, 1.0, 0.0], [-1.0, -2.0, -0.5, -4.0]],
        [[0.2, 0.4, 1.0, 1.3], [2.5, -2.5, 0.5, 1.0], [-3.0, 1.0, 4.0, 2.0]],
    ]
)
TIED = np.array([[1.0, 2.0, 1.0, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5, 0.5]])
ROWS_2000_APART = np.array([[1000.0, 999.0, 998.0], [-1001.0, -1000.0, -1003.0]])
NUCLEUS = np.array([0.05, 0.5, 0.15, 0.3])
MANY_TIES = np.tile([1.0, 0.0, 2.0], 12)  # more than 16: an unstable sort shows on every processor
FILLS = (-1e3, -1e4, -1e5, -1e9, -1e10, -1e12, -1e30, float(np.finfo(np.float32).min))
THRESHOLD_FILLS = (-np.inf, -1e4, -1e9, -1e10)


class _RefusedError(IndexError, RuntimeError, ValueError, TypeError):
    """What NumPy, PyTorch and Python raise for the same thing, each by a class of its own."""


def _read_only(values):
    array = np.array(values)
    array.setflags(write=False)
    return array


def _softmax(x):
    x = np.asarray(x, dtype=float)
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _ranks(x):
    """Return each entry's rank in descending order, ties to the lowest index."""
    order = np.argsort(-np.asarray(x), axis=-1, kind="stable")
    return np.argsort(order, axis=-1)


# --- 9.1 -------------------------------------------------------------------------------------


def _exact_gap(n, loss):
    import mpmath

    with mpmath.workdps(60):
        return float(mpmath.log(n - 1) - mpmath.log(mpmath.expm1(mpmath.mpf(float(loss)))))


@exercise(
    "9.1",
    minutes=6,
    probes=[
        ordinary(100, math.log(2), note="100 classes, loss log 2: the gap is log 99"),
        ordinary(10, 0.1, note="ten classes, loss 0.1"),
        ordinary(2, 0.5, note="two classes: log(n - 1) is 0"),
        ordinary(1000, 3.0, note="a thousand classes, a loose loss"),
        ordinary(5, 1.5, note="five classes, a loss close to log 5"),
        ordinary(3, math.log(3), note="loss log n: no gap is needed"),
        ordinary(50257, 0.01, note="a vocabulary, loss 0.01"),
        ordinary(8_000_000_000, 0.1, note="everyone on earth, loss 0.1"),
        extreme(10, 1e-5, note="exp(1e-5) - 1 has lost five digits"),
        extreme(1000, 1e-12, note="exp(1e-12) - 1 has four digits left"),
        extreme(10, 1e-17, note="exp(1e-17) is exactly 1"),
    ],
    truth=_exact_gap,
    scale=lambda n, loss, expected: 1 + np.log(n) + abs(np.log(np.expm1(loss))),
    remark="For a small loss the gap is about log((n - 1)/loss): ten times less loss costs 2.3.",
)
def logit_gap(n, loss):
    """Return the gap max x - min x that a loss needs: log(n - 1) - log(e^loss - 1).

    n : an integer, at least 2; loss : a float, 0 < loss <= log n, down to 1e-17.
    Returns a float, right to its last digits for small losses too.
    """
    return np.log(n - 1) - np.log(np.expm1(loss))


logit_gap.hints(
    "Two logarithms. Try the formula for n = 100 and loss = log 2: e^loss - 1 is 1 there, and the "
    "gap is log 99.",
    "What is np.exp(1e-17) - 1 in float64? What should it be?",
    "np.expm1(t) is e^t - 1 with all its digits. Use np.log(np.expm1(loss)).",
)
logit_gap.reasoning(
    "For a small loss, e^loss is close to 1, and subtracting 1 leaves only rounding error; from "
    "1.1e-16 down it leaves 0. np.expm1 computes the difference without going through e^loss, so "
    "its logarithm, about log(loss), keeps its digits."
)


@logit_gap.mistake(
    "That has log n where log(n - 1) belongs: one class is the winner, so n - 1 others share what "
    "is left. For 100 classes and loss log 2 the gap is log 99 = 4.595, not log 100 = 4.605."
)
def log_n(n, loss):
    return np.log(n) - np.log(np.expm1(loss))


@logit_gap.mistake(
    "The second term has the wrong sign: a smaller loss must need a larger gap, and "
    "log(e^loss - 1) falls with the loss, so it is subtracted."
)
def sign_of_second_term(n, loss):
    return np.log(n - 1) + np.log(np.expm1(loss))


@logit_gap.mistake(
    "Right for ordinary losses; for small ones e^loss - 1 cancels, and at 1e-17 it is exactly 0. "
    "np.expm1(loss) computes the difference with all its digits.",
    form=("exp", "one minus p", "log1p", "power"),
)
def exp_minus_one(n, loss, *, form):
    with np.errstate(divide="ignore"):
        if form == "one minus p":
            return np.log(n - 1) + np.log(np.exp(-loss)) - np.log(1 - np.exp(-loss))
        if form == "log1p":
            return np.log(n - 1) - loss - np.log1p(-np.exp(-loss))
        return np.log(n - 1) - np.log((np.exp(loss) if form == "exp" else np.e**loss) - 1)


@logit_gap.mistake(
    "The sign of the whole is turned round: that is min x - max x. A gap is not negative for a "
    "loss below log n."
)
def negated(n, loss):
    return np.log(np.expm1(loss)) - np.log(n - 1)


@logit_gap.mistake(
    "The - 1 inside the logarithm is missing: log(e^loss) is the loss itself. It comes from "
    "p = 1/(1 + (n - 1) e^(-gap)): the 1 is the winner's own term."
)
def no_minus_one(n, loss):
    return np.log(n - 1) - loss


@logit_gap.mistake(
    "log(loss) is log(e^loss - 1) only in the limit of a small loss; at loss 1 they differ by "
    "log 1.718. Use np.expm1."
)
def small_loss_only(n, loss):
    return np.log(n - 1) - np.log(loss)


@logit_gap.mistake(
    "The number of classes is missing: that is the gap for two classes. Each of the n - 1 others "
    "takes its share, which costs another log(n - 1)."
)
def two_classes(n, loss):
    return -np.log(np.expm1(loss))


@logit_gap.mistake(
    "The logarithm has another base: softmax is made with e, so the gap is in nats. Use np.log.",
    base=(2, 10),
)
def other_base(n, loss, *, base):
    return (np.log(n - 1) - np.log(np.expm1(loss))) / np.log(base)


@logit_gap.mistake(
    "An epsilon in the logarithm caps the gap: a loss below it makes no difference any more. "
    "np.expm1(loss) is positive, so nothing needs to be added.",
    epsilon=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16),
)
def epsilon_in_the_log(n, loss, *, epsilon):
    return np.log(n - 1) - np.log(np.expm1(loss) + epsilon)


# --- 9.2 -------------------------------------------------------------------------------------


def _exact_topk(x, k):
    import mpmath

    def row(values):
        kept = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
        terms = {i: mpmath.exp(mpmath.mpf(values[i]) - values[kept[0]]) for i in kept}
        total = mpmath.fsum(terms.values())
        return [float(terms[i] / total) if i in terms else 0.0 for i in range(len(values))]

    rows = [[float(v) for v in values] for values in np.reshape(x, (-1, np.shape(x)[-1]))]
    with mpmath.workdps(40):
        return np.reshape([row(values) for values in rows], np.shape(x))


@exercise(
    "9.2",
    minutes=10,
    probes=[
        ordinary(ROW, 3, note="a descending row, k = 3"),
        ordinary(SHUFFLED, 2, note="an unsorted row, k = 2"),
        ordinary(SHUFFLED, 1, note="k = 1: all on the maximum"),
        ordinary(np.sort(SHUFFLED), 3, note="an ascending row, k = 3"),
        ordinary(SHUFFLED, 5, note="k = n: the plain softmax"),
        ordinary(SHUFFLED, 9, note="k > n keeps all"),
        ordinary(BATCH, 2, note="two rows of four"),
        ordinary(SQUARE, 2, note="a square batch: a lost axis does not show in its shape"),
        ordinary(STACK, 3, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(TIED, 2, note="ties: the lowest index stays"),
        ordinary(
            np.array([0.0, 3.0, 1.0, 3.0, 3.0, 1.0, 3.0, 3.0]), 3, note="five ties, three stay"
        ),
        ordinary(np.array([[-2.0, -1.0, -4.0, -3.0]]), 2, note="a batch of one, all negative"),
        ordinary(np.array([3.5]), 1, note="one class"),
        ordinary(MANY_TIES, 7, note="twelve ties among 36 logits, seven stay"),
        ordinary(_read_only([[2.0, 1.0, 0.0], [0.5, 0.25, 4.0]]), 2, note="a read-only batch"),
        ordinary(np.array([1.0, -np.inf, 0.0, 2.0]), 2, note="one masked class, logit -inf"),
        ordinary(BATCH.astype(np.float32), 2, note="float32"),
        ordinary(BATCH.astype(np.float16), 2, note="float16"),
        extreme(np.array([0.0, 1000.0, 999.0]), 2, note="exp(1000) overflows"),
        extreme(ROWS_2000_APART, 2, note="two rows 2000 apart"),
        extreme(np.array([-2e10, -3e10, -4e10]), 1, note="logits near -2e10"),
        extreme(np.array([-1e300, -1e300, -2e300]), 1, note="logits near -1e300"),
    ],
    truth=_exact_topk,
    relative=lambda x, k: spread(x),
    library=("topk_softmax",),
    remark="Ties are a convention: torch.topk makes no promise which of them it keeps.",
)
def topk_softmax(x, k):
    """Return the softmax over the k largest logits of the last axis, exactly 0 elsewhere.

    x : float array, shape (..., n), left unchanged; k : an integer, at least 1.
    Of tied logits the ones with the lowest index stay; k > n keeps all.
    Returns an array of the same shape, whose rows sum to 1; stable for finite logits of any size.
    Write it yourself: no ready-made topk_softmax.
    """
    x = np.asarray(x)
    order = np.argsort(-x, axis=-1, kind="stable")  # stable: ties in the order of their index
    rank = np.argsort(order, axis=-1)
    e = np.where(rank < k, np.exp(x - np.max(x, axis=-1, keepdims=True)), 0)
    return e / np.sum(e, axis=-1, keepdims=True)


topk_softmax.hints(
    "Which entries stay? Give every entry its rank, 0 for the largest: keep rank < k.",
    "np.argsort(-x, axis=-1, kind='stable') lists the indices from the largest down, ties by "
    "index. The argsort of that list is each entry's rank.",
    "Then e = np.where(rank < k, np.exp(x - maximum), 0), with each row's own maximum, "
    "keepdims=True.",
    "Divide e by its sum over the last axis: what stays has to sum to 1 again.",
)
topk_softmax.reasoning(
    "The rank says how many entries come before this one, and a stable sort settles ties by index. "
    "The maximum always stays, so it may be taken before or after the cut. An entry that goes "
    "gets weight 0, as if its logit were -inf, and dividing by the sum of the rest normalises."
)


def _logits_of_top_k(x, k):
    return np.where(_ranks(x) < k, np.asarray(x, dtype=float), -np.inf)


def _largest(x, k, *, clamped):
    """Return the k largest of each row, downwards."""
    if k > x.shape[-1] and not clamped:
        raise _RefusedError("k is larger than n")
    return -np.sort(-x, axis=-1)[..., :k]


THRESHOLDS = {
    "any": lambda largest: largest[..., -1:],
    "column": lambda largest: largest[:, -1][..., None],
    "list": lambda largest: largest[:, [-1]],
    "view": lambda largest: np.broadcast_to(largest[:, -1].reshape(-1, 1), largest.shape)[..., :1],
}
"""How code writes the k-th largest; all but the first are meant for two dimensions."""


def _cut_below(x, threshold, fill):
    try:
        return _softmax(np.where(x >= threshold(), x, fill))
    except (IndexError, ValueError):  # NumPy's and PyTorch's differ
        raise _RefusedError("written for another number of dimensions") from None


@topk_softmax.mistake(
    "All ties of the k-th largest are kept: a threshold cannot count. Use the rank of each entry, "
    "ties to the lowest index.",
    clamped=(True, False),
    fill=THRESHOLD_FILLS,
    written_for=tuple(THRESHOLDS),
)
def keeps_all_ties(x, k, *, clamped, fill, written_for):
    x = np.asarray(x, dtype=float)
    largest = _largest(x, k, clamped=clamped)
    return _cut_below(x, lambda: THRESHOLDS[written_for](largest), fill)


@topk_softmax.mistake(
    "The k-th largest of each row has lost its axis: [:, -1] has shape (N,), which does not stand "
    "beside its row (or, on a square batch, beside the wrong one). Keep the axis: [..., -1:].",
    clamped=(True, False),
    fill=THRESHOLD_FILLS,
)
def threshold_without_its_axis(x, k, *, clamped, fill):
    x = np.asarray(x, dtype=float)
    largest = _largest(x, k, clamped=clamped)
    return _cut_below(x, lambda: largest[:, -1], fill)


@topk_softmax.mistake(
    "Right for one row, as it was written: on a batch [-k] and [-k:] take rows, not classes, and "
    "dim=0 adds up columns. Name the last axis: [..., -k:], axis=-1.",
    how=("sort", "topk and dim=0", "argpartition"),
    clamped=(True, False),
    fill=THRESHOLD_FILLS,
)
def one_row_only(x, k, *, how, clamped, fill):
    x = np.asarray(x, dtype=float)
    if k > x.shape[-1] and not clamped:
        raise _RefusedError("k is larger than n")
    place = min(k, x.shape[-1])
    try:
        if how == "argpartition":
            chosen = np.argpartition(x, -place)[-place:]
            kept = np.full_like(x, fill)
            kept[chosen] = x[chosen]
            return _softmax(kept)
        if how == "sort":
            return _softmax(np.where(x >= np.sort(x)[-place], x, fill))
        kept = np.where(x >= -np.sort(-x)[..., :place][-1], x, fill)
        e = np.exp(kept - np.max(kept, axis=0, keepdims=True))
        return e / np.sum(e, axis=0, keepdims=True)
    except (IndexError, ValueError):
        raise _RefusedError("written for one row") from None


def _chosen_by_chance(x, k, by, clamped):
    """Return the k largest as a selection finds them that promises nothing about ties."""
    n = x.shape[-1]
    if k > n and not clamped and "argsort" not in by:
        raise _RefusedError("k is larger than n")
    k = min(k, n)
    if "torch" in by:
        import torch

        t = torch.tensor(x)
        order = torch.argsort(t, descending=True) if "argsort" in by else torch.topk(t, k).indices
        return order.numpy()[..., :k]
    if by == "argpartition":
        return np.argpartition(-x, k - 1, axis=-1)[..., :k]
    if by == "argpartition upwards":
        return np.argpartition(x, -k, axis=-1)[..., -k:]
    return np.argsort(x, axis=-1)[..., -k:] if "up" in by else np.argsort(-x, axis=-1)[..., :k]


def _kept(x, chosen, fill=-np.inf):
    kept = np.full_like(x, fill)
    np.put_along_axis(kept, chosen, np.take_along_axis(x, chosen, axis=-1), axis=-1)
    return kept


@topk_softmax.mistake(
    "Which of the tied logits stay was left to chance: np.argsort without kind='stable', "
    "np.argpartition and torch.topk promise no order among ties. Sort -x with kind='stable'.",
    by=(
        "argsort",
        "argsort upwards",
        "argpartition",
        "argpartition upwards",
        "torch.topk",
        "torch.argsort",
    ),
    clamped=(True, False),
)
def ties_left_to_chance(x, k, *, by, clamped):
    x = np.asarray(x, dtype=float)
    return _softmax(_kept(x, _chosen_by_chance(x, k, by, clamped)))


@topk_softmax.mistake(
    "argsort gives the order, the index of the largest first, not each entry's rank. The argsort "
    "of the order is the rank."
)
def order_taken_for_rank(x, k):
    x = np.asarray(x, dtype=float)
    order = np.argsort(-x, axis=-1, kind="stable")
    return _softmax(np.where(order < k, x, -np.inf))


@topk_softmax.mistake(
    "There is a softmax too much: of the kept probabilities another one was taken. Divide them by "
    "their sum.",
    by=("rank", "torch.topk"),
    clamped=(True, False),
)
def softmax_twice(x, k, *, by, clamped):
    p = _softmax(x)
    if by == "rank":
        return _softmax(np.where(_ranks(x) < k, p, -np.inf))
    return _softmax(_kept(p, _chosen_by_chance(p, k, by, clamped)))


@topk_softmax.mistake(
    "Of tied logits the highest index stays: a reversed ascending sort turns ties round too. Sort "
    "-x with kind='stable' instead."
)
def ties_to_highest_index(x, k):
    x = np.asarray(x, dtype=float)
    order = np.argsort(x, axis=-1, kind="stable")[..., ::-1]
    return _softmax(np.where(np.argsort(order, axis=-1) < k, x, -np.inf))


@topk_softmax.mistake(
    "The full softmax was cut and not normalised again: what stays sums to less than 1. Divide by "
    "the sum of the kept entries."
)
def not_renormalised(x, k):
    return np.where(_ranks(x) < k, _softmax(x), 0)


@topk_softmax.mistake(
    "The logits of the others were set to 0, and exp(0) is 1: they get a share. Set them to -inf, "
    "or their exponentials to 0."
)
def masks_with_zero(x, k):
    return _softmax(np.where(_ranks(x) < k, np.asarray(x, dtype=float), 0))


@topk_softmax.mistake(
    "The k smallest stay: argsort sorts upwards. Sort -x, or take from the other end."
)
def keeps_smallest(x, k):
    x = np.asarray(x, dtype=float)
    rank = np.argsort(np.argsort(x, axis=-1, kind="stable"), axis=-1)
    with np.errstate(invalid="ignore"):
        return _softmax(np.where(rank < k, x, -np.inf))


@topk_softmax.mistake(
    "One too few stays: only what is strictly above the k-th largest. Keep ranks 0 to k - 1."
)
def strictly_above_kth(x, k):
    x = np.asarray(x, dtype=float)
    threshold = np.sort(x, axis=-1)[..., -min(k, x.shape[-1]), None]
    with np.errstate(invalid="ignore"):
        return _softmax(np.where(x > threshold, x, -np.inf))


@topk_softmax.mistake("One too many stays: ranks count from 0, so keep rank < k, not rank <= k.")
def one_too_many(x, k):
    return _softmax(_logits_of_top_k(x, k + 1))


@topk_softmax.mistake("The k largest of the whole array stay, not of each row: sort over axis=-1.")
def over_the_whole_array(x, k):
    x = np.asarray(x, dtype=float)
    with np.errstate(invalid="ignore"):
        return _softmax(_logits_of_top_k(x.ravel(), k).reshape(x.shape))


@topk_softmax.mistake("The classes are the last axis; that ranks down the first. Use axis=-1.")
def first_axis(x, k):
    moved = np.moveaxis(np.asarray(x, dtype=float), 0, -1)
    return np.moveaxis(_softmax(_logits_of_top_k(moved, k)), -1, 0)


@topk_softmax.mistake(
    "Only the k probabilities came back. Return all n entries, zeros in the places of the others."
)
def only_k_values(x, k):
    return _softmax(-np.sort(-np.asarray(x), axis=-1)[..., :k])


@topk_softmax.mistake(
    "The probabilities came back in descending order: each belongs to the class of its logit. "
    "Sort indices, not values."
)
def sorted_order(x, k):
    return _softmax(_logits_of_top_k(-np.sort(-np.asarray(x), axis=-1), k))


@topk_softmax.mistake(
    "Right for ordinary logits; exp overflows from 709.8 on, and inf/inf is NaN. Subtract each "
    "row's maximum first."
)
def no_shift(x, k):
    e = np.where(_ranks(x) < k, np.exp(np.asarray(x, dtype=float)), 0)
    return e / np.sum(e, axis=-1, keepdims=True)


@topk_softmax.mistake(
    "A finite fill is an ordinary logit: where the kept ones lie below it, the masked ones win. "
    "Fill with -np.inf.",
    fill=FILLS,
)
def finite_fill(x, k, *, fill):
    return _softmax(np.where(_ranks(x) < k, np.asarray(x, dtype=float), fill))


@topk_softmax.mistake(
    "The right numbers, and the caller's logits are gone: x[...] = -np.inf works in place. Use "
    "np.where, or a copy.",
    ties=("lowest", "all"),
)
def masks_in_place(x, k, *, ties):
    if ties == "lowest":
        x[_ranks(x) >= k] = -np.inf
    else:
        x[x < _largest(x, k, clamped=True)[..., -1:]] = -np.inf
    return _softmax(x)


# --- 9.3 -------------------------------------------------------------------------------------


def _exact_topk_loss(x, label, k):
    import mpmath

    values = [mpmath.mpf(float(v)) for v in x]
    order = sorted(range(len(values)), key=lambda i: -values[i])
    kept = {*order[:k], int(label)}
    with mpmath.workdps(40):
        return float(mpmath.log(mpmath.fsum(mpmath.exp(values[i] - values[label]) for i in kept)))


@exercise(
    "9.3",
    minutes=8,
    probes=[
        ordinary(ROW, 4, 3, note="label outside the top 3: four terms"),
        ordinary(ROW, 1, 3, note="label among the top 3: three terms"),
        ordinary(ROW, 0, 2, note="the label is the maximum"),
        ordinary(ROW, 0, 1, note="k = 1 and the label is the maximum: loss 0"),
        ordinary(ROW, 2, 1, note="k = 1 and the label is not the maximum"),
        ordinary(ROW[::-1].copy(), 1, 3, note="an ascending row, label outside"),
        ordinary(SHUFFLED, 2, 2, note="an unsorted row, label outside"),
        ordinary(SHUFFLED, 1, 2, note="an unsorted row, label second"),
        ordinary(SHUFFLED, 4, 5, note="k = n: the plain cross-entropy"),
        ordinary(SHUFFLED, 4, 8, note="k > n: the plain cross-entropy"),
        ordinary(np.array([2.0, 2.0, 0.0, -1.0]), 2, 2, note="a tie above the label"),
        ordinary(np.array([2.0, 2.0, 2.0, 0.5]), 3, 2, note="a tie: two of three, and the label"),
        ordinary(np.array([-4.0, -2.0, -3.0, -7.0]), 0, 2, note="all negative"),
        ordinary(np.array([3.0, 0.0, 1.0, 5.0]), 1, 2, note="the label is the smallest"),
        ordinary(_read_only([0.5, 0.25, 4.0]), 1, 1, note="a read-only row"),
        ordinary(np.array([1.0, -np.inf, 0.0, 2.0]), 2, 2, note="one masked class, logit -inf"),
        ordinary(np.array([3.5]), 0, 1, note="one class: loss 0"),
        ordinary(ROW.astype(np.float32), 4, 3, note="float32"),
        extreme(np.array([1000.0, 999.0, 0.0]), 1, 2, note="exp(1000) overflows"),
        extreme(np.array([0.0, 1.0, -1000.0]), 2, 2, note="the label's probability underflows"),
        extreme(np.array([-1000.0, -1001.0, -1002.0]), 2, 1, note="every exp underflows"),
        extreme(np.array([-2e10, -3e10, -2e10]), 2, 1, note="logits near -2e10"),
        extreme(np.array([-1e300, -2e300, -1e300]), 2, 1, note="logits near -1e300"),
    ],
    truth=_exact_topk_loss,
    scale=lambda x, label, k, expected: 1 + np.max(np.abs(x[np.isfinite(x)])),
    remark="The set changes as logits move. The loss jumps where the label itself crosses rank k; "
    "where two others change places only its gradient does.",
)
def topk_cross_entropy(x, label, k):
    """Return -log p_label, normalised over the k largest logits together with the label.

    x : float array, shape (n,); label : an integer from 0 to n - 1; k : an integer, at least 1.
    The sum runs over k terms, or k + 1 when the label is not among the k largest; k > n keeps all.
    Returns a float; stable for finite logits of any size. x is left unchanged.
    """
    x = np.asarray(x)
    keep = np.zeros(x.size, dtype=bool)
    keep[np.argsort(-x, kind="stable")[:k]] = True
    keep[label] = True
    m = np.max(x)
    return m - x[label] + np.log(np.sum(np.exp(x[keep] - m)))


topk_cross_entropy.hints(
    "Over which set does the sum run? The k largest, and the label if it is not one of them.",
    "A boolean mask is a set: set it to True at the k largest, then at the label. Setting it twice "
    "changes nothing.",
    "The loss is LSE(x[keep]) - x[label], with the shift from notebook 04: "
    "m + np.log(np.sum(np.exp(x[keep] - m))).",
)
topk_cross_entropy.reasoning(
    "A union counts the label once, inside the top k or out. Outside it the sum has k + 1 terms, "
    "so the loss is finite and its gradient lifts the label. The maximum is always in the set, so "
    "it is the shift; subtracting x_label after the log keeps losses far beyond 745."
)


def _chosen(x, label, k):
    order = np.argsort(-np.asarray(x), kind="stable")
    return sorted({*order[:k].tolist(), int(label)})


def _lse(values):
    values = np.asarray(values, dtype=float)
    m = np.max(values)
    return m + np.log(np.sum(np.exp(values - m)))


@topk_cross_entropy.mistake(
    "A label outside the top k has probability 0 there, so its loss is inf, and no step can lift "
    "it. Put the label into the set before you normalise."
)
def infinite_outside(x, label, k):
    if int(label) not in np.argsort(-np.asarray(x), kind="stable")[:k]:
        return np.inf
    return _lse(np.asarray(x)[_chosen(x, label, k)]) - x[label]


@topk_cross_entropy.mistake(
    "A label outside the top k has probability 0 there, and a small number in the log only hides "
    "it: every such row has the same loss, and no step lifts the label. Put the label into the set "
    "before you normalise.",
    epsilon=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-20),
    how=("added", "clipped"),
)
def epsilon_outside(x, label, k, *, epsilon, how):
    p = 0.0
    if int(label) in np.argsort(-np.asarray(x), kind="stable")[:k]:
        p = np.exp(x[label] - _lse(np.asarray(x)[_chosen(x, label, k)]))
    return -np.log(p + epsilon if how == "added" else max(p, epsilon))


@topk_cross_entropy.mistake(
    "A finite fill is an ordinary logit: where the kept ones lie below it, the left-out ones win. "
    "Fill with -np.inf, or sum over the chosen entries alone.",
    fill=FILLS,
)
def finite_fill_outside(x, label, k, *, fill):
    z = np.full(np.shape(x), fill)
    chosen = _chosen(x, label, k)
    z[chosen] = np.asarray(x)[chosen]
    return _lse(z) - x[label]


@topk_cross_entropy.mistake(
    "The normaliser holds the k largest alone: for a label outside them the loss can even be "
    "negative. Put the label into the set before you normalise."
)
def label_not_in_the_normaliser(x, label, k):
    x = np.asarray(x)
    return _lse(x[np.argsort(-x, kind="stable")[:k]]) - x[label]


@topk_cross_entropy.mistake(
    "A label outside the top k gives loss 0 here: the worst rows teach nothing. Put the label into "
    "the set before you normalise."
)
def zero_outside(x, label, k):
    if int(label) not in np.argsort(-np.asarray(x), kind="stable")[:k]:
        return 0.0
    return _lse(np.asarray(x)[_chosen(x, label, k)]) - x[label]


@topk_cross_entropy.mistake(
    "The label counts twice when it is among the k largest already. Add it only where it is not: "
    "a set or a boolean mask does that by itself."
)
def label_twice(x, label, k):
    x = np.asarray(x, dtype=float)
    return _lse([*np.sort(x)[::-1][:k], x[label]]) - x[label]


@topk_cross_entropy.mistake(
    "That is the plain cross-entropy: the sum runs over all n classes. Keep the k largest and "
    "the label."
)
def all_classes(x, label, k):
    return _lse(x) - x[label]


@topk_cross_entropy.mistake(
    "A label outside takes the place of the k-th largest, so the sum has k terms. The task keeps "
    "all k and adds the label: k + 1 terms."
)
def label_replaces_kth(x, label, k):
    x = np.asarray(x, dtype=float)
    others = np.delete(x, label)
    inside = int(label) in np.argsort(-x, kind="stable")[:k]
    kept = x[_chosen(x, label, k)] if inside else [*np.sort(others)[::-1][: k - 1], x[label]]
    return _lse(kept) - x[label]


@topk_cross_entropy.mistake(
    "The k largest *others* were kept besides the label: k + 1 terms even where the label is among "
    "the k largest. Rank all the logits, the label's too."
)
def k_others_and_label(x, label, k):
    x = np.asarray(x, dtype=float)
    return _lse([*np.sort(np.delete(x, label))[::-1][:k], x[label]]) - x[label]


@topk_cross_entropy.mistake(
    "A threshold at the k-th largest keeps every tie of it, more than k terms. Keep by rank: k "
    "indices, and the label."
)
def ties_all_kept(x, label, k):
    x = np.asarray(x, dtype=float)
    keep = x >= np.sort(x)[-min(k, x.size)]
    keep[label] = True
    return _lse(x[keep]) - x[label]


@topk_cross_entropy.mistake(
    "The first k logits were kept, not the k largest. Sort indices by np.argsort(-x)."
)
def first_k(x, label, k):
    x = np.asarray(x, dtype=float)
    return _lse(x[sorted({*range(min(k, x.size)), int(label)})]) - x[label]


@topk_cross_entropy.mistake("The k smallest were kept: argsort sorts upwards. Sort -x.")
def k_smallest(x, label, k):
    x = np.asarray(x, dtype=float)
    order = np.argsort(x, kind="stable")
    return _lse(x[sorted({*order[:k].tolist(), int(label)})]) - x[label]


@topk_cross_entropy.mistake(
    "That is log p, never positive; the loss is -log p: LSE of the set minus the label's logit."
)
def negative_loss(x, label, k):
    return x[label] - _lse(np.asarray(x)[_chosen(x, label, k)])


@topk_cross_entropy.mistake("The probability itself was returned. The loss is minus its logarithm.")
def probability(x, label, k):
    return np.exp(x[label] - _lse(np.asarray(x)[_chosen(x, label, k)]))


@topk_cross_entropy.mistake(
    "Right for ordinary logits; unshifted, exp overflows from 709.8 on and is 0 below -745. "
    "Subtract the maximum inside, and add it back outside the log.",
    quotient=(True, False),
)
def unshifted(x, label, k, *, quotient):
    x = np.asarray(x, dtype=float)
    e = np.exp(x[_chosen(x, label, k)])
    if quotient:
        return -np.log(np.exp(x[label]) / np.sum(e))
    return np.log(np.sum(e)) - x[label]


@topk_cross_entropy.mistake(
    "The label's exp was taken, and then its log: 745 below the maximum exp is 0 and the loss inf. "
    "The log of an exp is the logit itself: LSE of the set minus the label's logit."
)
def log_of_probability(x, label, k):
    chosen = _chosen(x, label, k)
    with np.errstate(divide="ignore"):
        return -np.log(_softmax(np.asarray(x)[chosen])[chosen.index(int(label))])


# --- 9.4 -------------------------------------------------------------------------------------


def _exact_top_p(p, mass):
    from fractions import Fraction

    left = [Fraction(float(v)) for v in p]
    kept: list[int] = []
    order = sorted(range(len(left)), key=lambda i: (-left[i], i))
    for i in order:
        kept.append(i)
        if sum(left[j] for j in kept) >= Fraction(float(mass)):
            break
    total = sum(left[j] for j in kept)
    return np.array([float(left[i] / total) if i in kept else 0.0 for i in range(len(left))])


@exercise(
    "9.4",
    minutes=10,
    probes=[
        ordinary(NUCLEUS, 0.6, note="an unsorted row, mass 0.6: two stay"),
        ordinary(NUCLEUS, 0.9, note="mass 0.9: three stay"),
        ordinary(NUCLEUS, 0.3, note="mass 0.3: the largest alone reaches it"),
        ordinary(NUCLEUS, 0.01, note="a tiny mass: one always stays"),
        ordinary(np.sort(NUCLEUS)[::-1].copy(), 0.6, note="a descending row"),
        ordinary(np.sort(NUCLEUS), 0.9, note="an ascending row"),
        ordinary(np.array([0.125, 0.5, 0.25, 0.125]), 0.75, note="the mass is met exactly"),
        ordinary(np.array([0.25, 0.5, 0.25]), 0.5000001, note="the mass is missed by 1e-7"),
        ordinary(np.array([0.2, 0.4, 0.2, 0.2]), 0.5, note="ties: the lowest index stays"),
        ordinary(np.array([0.25, 0.25, 0.25, 0.25]), 0.6, note="uniform: three of four"),
        ordinary(np.full(10, 0.1), 1.0, note="mass 1, and the rounded total is below 1"),
        ordinary(NUCLEUS, 1.0, note="mass 1 keeps all"),
        ordinary(np.array([0.5, 0.0, 0.3, 0.2]), 0.7, note="one probability is 0"),
        ordinary(np.array([1.0]), 0.5, note="one class"),
        ordinary(np.array([0.0, 1.0, 0.0]), 0.9, note="all the mass on one class"),
        ordinary(_read_only([0.1, 0.2, 0.7]), 0.8, note="a read-only row"),
        ordinary(
            np.array([0.02, 0.31, 0.07, 0.25, 0.05, 0.3]), 0.95, note="six classes, mass 0.95"
        ),
        ordinary(NUCLEUS.astype(np.float32), 0.6, note="float32"),
        ordinary(NUCLEUS.astype(np.float16), 0.6, note="float16"),
    ],
    truth=_exact_top_p,
    library=("top_p",),
    remark="This is nucleus sampling: the set grows where the distribution is flat.",
)
def top_p(p, mass):
    """Return p cut to the smallest set of largest probabilities that reaches mass, renormalised.

    p : float array of probabilities, shape (n,), left unchanged; mass : a float, 0 < mass <= 1.
    Of tied probabilities the lowest index comes first; all stay if rounding leaves the total below
    the mass. Returns an array of shape (n,) that sums to 1, exactly 0 outside the set.
    Write it yourself: no ready-made top_p.
    """
    p = np.asarray(p)
    order = np.argsort(-p, kind="stable")
    total = np.cumsum(p[order])
    stays = np.append(True, total[:-1] < mass)  # the sum before this entry is still too small
    kept = np.zeros_like(p)
    kept[order[stays]] = p[order[stays]]
    return kept / np.sum(kept)


top_p.hints(
    "Sort downwards, add up: the set is complete with the entry that makes the sum reach the mass. "
    "That entry belongs to it.",
    "With order = np.argsort(-p, kind='stable') and total = np.cumsum(p[order]), an entry stays if "
    "the sum *before* it is below the mass: np.append(True, total[:-1] < mass).",
    "That mask is in sorted order. Write back through the order: kept[order[stays]] = "
    "p[order[stays]].",
    "Ten times 0.1 add up to 0.9999999999999999 in float64: with mass 1 all ten must stay. Then "
    "divide by the sum.",
)
top_p.reasoning(
    "An entry is needed as long as those before it do not reach the mass. This one test keeps the "
    "entry that crosses, keeps at least one, and needs no search that may find nothing when "
    "rounding leaves the total below the mass. The order takes the mask back to the classes."
)


def _cut(p, order, stays):
    p = np.asarray(p, dtype=float)
    kept = np.zeros_like(p)
    kept[order[stays]] = p[order[stays]]
    return kept


def _normalised(kept):
    with np.errstate(invalid="ignore"):
        return kept / np.sum(kept)


def _descending(p, *, reversed_ties=False):
    p = np.asarray(p, dtype=float)
    order = np.argsort(-p, kind="stable")
    if reversed_ties:
        order = np.argsort(p, kind="stable")[::-1]
    before = np.append(0.0, np.cumsum(p[order])[:-1])
    return p, order, before


@top_p.mistake(
    "The entry that crosses the mass is dropped, so what stays falls short of it, and nothing may "
    "stay at all. Keep an entry if the sum *before* it is below the mass.",
    strict=(True, False),
    at_least_one=(True, False),
    reversed_ties=(False, True),
)
def drops_the_crossing(p, mass, *, strict, at_least_one, reversed_ties):
    p, order, _ = _descending(p, reversed_ties=reversed_ties)
    total = np.cumsum(p[order])
    stays = total < mass if strict else total <= mass
    stays[0] |= at_least_one
    return _normalised(_cut(p, order, stays))


@top_p.mistake(
    "The probabilities were added up in the order given, not from the largest down. Sort first."
)
def unsorted(p, mass):
    p = np.asarray(p, dtype=float)
    before = np.append(0.0, np.cumsum(p)[:-1])
    return _normalised(np.where(before < mass, p, 0))


@top_p.mistake(
    "The mask is in sorted order and was put on the unsorted probabilities. Take it back through "
    "the order: kept[order[stays]] = p[order[stays]]."
)
def mask_in_sorted_order(p, mass):
    p, _, before = _descending(p)
    return _normalised(np.where(before < mass, p, 0))


@top_p.mistake(
    "You sorted, but added up in the order given: the running sum has to be that of the sorted "
    "probabilities, np.cumsum(p[order])."
)
def cumsum_in_the_order_given(p, mass):
    p, order, _ = _descending(p)
    return _normalised(_cut(p, order, np.append(0.0, np.cumsum(p)[:-1]) < mass))


@top_p.mistake(
    "A softmax was taken of the probabilities, and its sums were compared with the mass: these are "
    "probabilities already. Add them up as they are.",
    strict=(True, False),
)
def softmax_before_the_sum(p, mass, *, strict):
    p, order, _ = _descending(p)
    before = np.append(0.0, np.cumsum(_softmax(p[order]))[:-1])
    return _normalised(_cut(p, order, before < mass if strict else before <= mass))


@top_p.mistake(
    "The tail was kept and the nucleus thrown away: the test is inverted.",
    strict=(True, False),
    epsilon=(0.0, 1e-8, 1e-9, 1e-12),
)
def keeps_the_tail(p, mass, *, strict, epsilon):
    p, order, _ = _descending(p)
    total = np.cumsum(p[order])
    kept = _cut(p, order, total > mass if strict else total >= mass)
    with np.errstate(invalid="ignore"):
        return kept / (np.sum(kept) + epsilon)


@top_p.mistake("What stays was not normalised again: divide by its sum.")
def not_normalised(p, mass):
    p, order, before = _descending(p)
    return _cut(p, order, before < mass)


@top_p.mistake(
    "One too many stays: the set is complete with the entry that reaches the mass, and the next "
    "one is not needed.",
    reversed_ties=(False, True),
)
def one_beyond(p, mass, *, reversed_ties):
    p, order, before = _descending(p, reversed_ties=reversed_ties)
    return _normalised(_cut(p, order, np.append(True, before[:-1] < mass)))


@top_p.mistake(
    "Where the largest alone reaches the mass, two stay: a searchsorted of 0 means that one is "
    "enough. Keep searchsorted + 1.",
    reversed_ties=(False, True),
)
def two_at_least(p, mass, *, reversed_ties):
    p, order, before = _descending(p, reversed_ties=reversed_ties)
    stays = before < mass
    stays[:2] = True
    return _normalised(_cut(p, order, stays))


@top_p.mistake(
    "A threshold on the value keeps every tie of the last entry: more than the smallest set. Keep "
    "by rank, ties to the lowest index.",
    strict=(True, False),
    unreached=("all", "one"),
)
def keeps_ties(p, mass, *, strict, unreached):
    p, order, before = _descending(p)
    stays = before < mass if strict else before <= mass
    if unreached == "one" and np.all(stays):  # argmax of nothing True is 0
        total = np.cumsum(p[order])
        stays = np.arange(p.size) <= np.argmax(total >= mass if strict else total > mass)
    return _normalised(np.where(p >= np.min(p[order[stays]]), p, 0))


@top_p.mistake(
    "Of tied probabilities the highest index comes first: a reversed ascending sort turns ties "
    "round too. Sort -p with kind='stable'."
)
def ties_to_the_highest(p, mass):
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")[::-1]
    before = np.append(0.0, np.cumsum(p[order])[:-1])
    return _normalised(_cut(p, order, before < mass))


def _until(p, order, reached, unreached):
    """Keep up to the first entry where `reached`; `unreached` is what code does without any."""
    if not reached.any():
        if unreached == "raises":
            raise _RefusedError("no sum reaches the mass")
        size = p.size if unreached == "all" else 1
    else:
        size = int(np.argmax(reached)) + 1
    return _normalised(_cut(p, order, np.arange(p.size) < size))


@top_p.mistake(
    "One too many stays where the mass is met exactly: the set has to *reach* the mass, not "
    "exceed it. Compare the sum before an entry with <, not <=.",
    unreached=("all", "one", "raises"),
    reversed_ties=(False, True),
)
def must_exceed(p, mass, *, unreached, reversed_ties):
    p, order, _ = _descending(p, reversed_ties=reversed_ties)
    return _until(p, order, np.cumsum(p[order]) > mass, unreached)


@top_p.mistake(
    "Where rounding leaves the total below the mass, as for ten times 0.1 and mass 1, no sum "
    "reaches it: argmax of nothing True is 0, and where(...)[0][0] does not exist. Test the sum "
    "before each entry instead.",
    unreached=("one", "raises"),
    reversed_ties=(False, True),
)
def argmax_of_nothing(p, mass, *, unreached, reversed_ties):
    p, order, _ = _descending(p, reversed_ties=reversed_ties)
    return _until(p, order, np.cumsum(p[order]) >= mass, unreached)


@top_p.mistake("The smallest probabilities were collected: sort downwards.")
def smallest_first(p, mass):
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    before = np.append(0.0, np.cumsum(p[order])[:-1])
    return _normalised(_cut(p, order, before < mass))


@top_p.mistake(
    "That is min-p, a threshold relative to the largest probability, not a mass to be reached.",
    inverted=(True, False),
)
def min_p(p, mass, *, inverted):
    p = np.asarray(p, dtype=float)
    share = 1 - mass if inverted else mass
    return _normalised(np.where(p >= share * np.max(p), p, 0))


@top_p.mistake(
    "The answer came back in descending order: each probability belongs to its class. Write back "
    "through the order.",
    strict=(True, False),
)
def sorted_output(p, mass, *, strict):
    p, order, before = _descending(p)
    return _normalised(np.where(before < mass if strict else before <= mass, p[order], 0))


@top_p.mistake(
    "What stays was put through a softmax: these are probabilities already. Divide by their sum."
)
def softmax_of_the_kept(p, mass):
    p, order, before = _descending(p)
    z = np.full_like(p, -np.inf)
    z[order[before < mass]] = p[order[before < mass]]
    return _softmax(z)


# --- 9.5 -------------------------------------------------------------------------------------


def _exact_sparsemax(x):
    from fractions import Fraction

    values = [Fraction(float(v)) for v in x]
    active = set(range(len(values)))
    while True:  # Michelot: project on the plane of sum 1, drop what is not positive, repeat
        threshold = (sum(values[i] for i in active) - 1) / len(active)
        positive = {i for i in active if values[i] > threshold}
        if positive == active:
            return np.array([float(max(v - threshold, Fraction(0))) for v in values])
        active = positive


@exercise(
    "9.5",
    minutes=12,
    probes=[
        ordinary(np.array([1.0, 0.8, -1.0]), note="two stay"),
        ordinary(np.array([0.1, 1.1, 0.2, 0.8]), note="unsorted, two stay"),
        ordinary(np.array([0.5, 0.3, 0.4, 0.1]), note="all stay"),
        ordinary(np.array([0.0, 3.0, 1.0]), note="one stays"),
        ordinary(np.array([0.9, 0.2, 0.7, 0.6, -0.4]), note="three of five stay"),
        ordinary(np.array([-0.5, -1.5, -0.2, -0.4]), note="all negative"),
        ordinary(np.array([-4.0, -0.1, 0.3, 0.35, 0.4]), note="ascending, with one far below"),
        ordinary(np.array([2.1, 2.0, 1.9, 0.0]), note="descending, all far above 0"),
        ordinary(np.array([0.5, 0.5, 0.5, 0.5]), note="all equal"),
        ordinary(np.array([1.0, 1.0, 0.0]), note="a tie at the top"),
        ordinary(np.array([0.2, 0.3, 0.5]), note="a distribution stays as it is"),
        ordinary(np.array([-3.0, 0.1, 0.2, 0.15, -2.0, 0.05]), note="four of six stay"),
        ordinary(np.array([3.5]), note="one class"),
        ordinary(np.array([2.0, 2.0, 0.0, 1.0, -3.0]), note="a tie at the top, unsorted"),
        ordinary(_read_only([0.4, 0.9, 0.1]), note="a read-only row"),
        ordinary(np.array([0.1, 1.1, 0.2, 0.8], dtype=np.float32), note="float32"),
        ordinary(np.array([1000.0, 999.5, 998.0]), note="logits near 1000"),
        ordinary(np.array([-1000.0, -1000.25, -1003.0]), note="logits near -1000"),
        extreme(1e12 + np.array([0.3, 1.1, 0.2, 0.9]), note="logits near 1e12"),
        extreme(np.array([1e16, 0.0]), note="the 1 is lost beside 1e16"),
    ],
    truth=_exact_sparsemax,
    # A sum of unshifted logits is let pass while it costs a few digits, and no further.
    scale=lambda x, expected: 1 + min(np.max(np.abs(np.asarray(x, dtype=float))), 1e4),
    library=("sparsemax",),
    remark="Nothing here can overflow: a projection needs no exp.",
)
def sparsemax(x):
    """Return the point of the probability simplex that is nearest to x (Euclidean distance).

    It is max(x_i - t, 0) for each i, with the one number t that makes the entries sum to 1.
    x : float array, shape (n,), left unchanged. Returns a float array of shape (n,).
    Stable for finite logits of any size. Write it yourself: no ready-made sparsemax.
    """
    x = np.asarray(x)
    x = x - np.max(x)  # t moves along, and 1 is not lost beside a large x
    z = np.sort(x)[::-1]
    k = np.arange(1, x.size + 1)
    size = np.sum(1 + k * z > np.cumsum(z))  # how many entries stay above 0
    t = (np.sum(z[:size]) - 1) / size
    return np.maximum(x - t, 0)


sparsemax.hints(
    "If you knew which k entries stay positive, t would follow from Σ (x_i - t) = 1: "
    "t = (their sum - 1)/k.",
    "The entries that stay are the largest. Sort downwards and try k = 1, 2, …: the k-th must stay "
    "above its own t.",
    "z_k > (z_1 + … + z_k - 1)/k is 1 + k z_k > z_1 + … + z_k. The number of k that satisfy it is "
    "the size of the support.",
    "Or: the t of every k at once, (np.cumsum(z) - 1)/k. The right one is the largest.",
    "Beside a logit of 1e16 a 1 is lost. Subtracting the same number from all logits changes "
    "nothing: take the maximum.",
)
sparsemax.reasoning(
    "The nearest point subtracts the same t from every entry that stays positive and sets the "
    "others to 0. The condition 1 + k z_k > z_1 + … + z_k holds for k = 1, and once it fails it "
    "fails for every larger k, so counting it finds the support. A shift of all logits shifts t "
    "with them, so the maximum may be taken off first: the 1 then keeps its digits. Unlike "
    "softmax, whose entries are all positive, sparsemax gives exact zeros."
)


def _shifted(x, shift):
    x = np.asarray(x, dtype=float)
    return x - np.max(x) if shift else x


def _threshold(ordered, size):
    return (np.sum(ordered[:size]) - 1) / size


def _support(ordered):
    k = np.arange(1, ordered.size + 1)
    return max(int(np.sum(1 + k * ordered > np.cumsum(ordered))), 1)


def _projected(x, size):
    z = np.sort(x)[::-1]
    return np.maximum(x - _threshold(z, min(max(size, 1), z.size)), 0)


@sparsemax.mistake(
    "Right for ordinary logits; beside one of 1e16 the 1 in the condition and in t is lost, and "
    "already at 1e12 most digits are. Subtract the maximum from x first: it changes nothing else.",
    nothing=("zeros", "raises"),
    sums=("running", "anew"),
)
def one_lost_beside_large_logits(x, *, nothing, sums):
    x = np.asarray(x, dtype=float)
    z = np.sort(x)[::-1]
    k = np.arange(1, z.size + 1)
    size = int(np.sum(1 + k * z > np.cumsum(z)))
    if size == 0:  # the first entry itself fails the condition
        if nothing == "raises":
            raise _RefusedError("no entry stays")
        return np.zeros_like(x)
    total = np.cumsum(z)[size - 1] if sums == "running" else np.sum(z[:size])
    return np.maximum(x - (total - 1) / size, 0)


@sparsemax.mistake(
    "Clipping at 0 and dividing by the sum gives a distribution, not the nearest one. Subtract the "
    "same t from all entries, then clip.",
    above=(np.inf, 1.0),
    guarded=(False, True),
)
def clips_and_renormalises(x, *, above, guarded):
    clipped = np.clip(np.asarray(x, dtype=float), 0, above)
    if guarded and np.sum(clipped) == 0:
        return np.full(clipped.size, 1 / clipped.size)
    with np.errstate(invalid="ignore"):
        return clipped / np.sum(clipped)


@sparsemax.mistake(
    "Negative logits were set to 0 before the projection: the nearest point depends on differences "
    "only, and what lies below 0 need not be far below the others. Project x as it is.",
    t_from_zero=(False, True),
    shift=(False, True),
)
def clipped_before(x, *, t_from_zero, shift):
    x = _shifted(np.maximum(np.asarray(x, dtype=float), 0), shift)
    z = np.sort(x)[::-1]
    t = _threshold(z, _support(z))
    return np.maximum(x - (max(t, 0) if t_from_zero else t), 0)


@sparsemax.mistake(
    "The support is one entry too small or too large: count k from 1, and divide by the same k "
    "whose entries you added.",
    change=(-1, 1),
    of=("support", "divisor"),
    shift=(False, True),
)
def support_off_by_one(x, *, change, of, shift):
    x = _shifted(x, shift)
    z = np.sort(x)[::-1]
    size = _support(z)
    if of == "support":
        return _projected(x, size + change)
    return np.maximum(x - (np.sum(z[:size]) - 1) / ((size + change) or 1), 0)


@sparsemax.mistake(
    "k was counted from 0 in the condition 1 + k z_k > z_1 + … + z_k: the first entry has k = 1.",
    shift=(False, True),
)
def k_from_zero(x, *, shift):
    x = _shifted(x, shift)
    z = np.sort(x)[::-1]
    return _projected(x, int(np.sum(1 + np.arange(z.size) * z > np.cumsum(z))))


@sparsemax.mistake(
    "The 1 is missing in the condition 1 + k z_k > z_1 + … + z_k: without it at most the ties of "
    "the largest pass.",
    loose=(False, True),
    shift=(False, True),
)
def one_dropped_from_the_condition(x, *, loose, shift):
    x = _shifted(x, shift)
    z = np.sort(x)[::-1]
    left, right = np.arange(1, z.size + 1) * z, np.cumsum(z)
    return _projected(x, int(np.sum(left >= right if loose else left > right)))


@sparsemax.mistake(
    "The condition was tried in the order given: the k largest are the ones that stay, so sort "
    "downwards first.",
    shift=(False, True),
)
def not_sorted(x, *, shift):
    x = _shifted(x, shift)
    return np.maximum(x - _threshold(x, _support(x)), 0)


@sparsemax.mistake(
    "The size of the support is right, but the first k entries were added up, not the k largest: "
    "take t from the sorted entries.",
    shift=(False, True),
)
def first_entries_for_the_largest(x, *, shift):
    x = _shifted(x, shift)
    return np.maximum(x - _threshold(x, _support(np.sort(x)[::-1])), 0)


@sparsemax.mistake(
    "t was made for all n entries, and clipping then changes the sum. Use only the entries that "
    "stay above t. (Sorted upwards, the condition holds for every k and does the same.)",
    shift=(False, True),
)
def full_support(x, *, shift):
    x = _shifted(x, shift)
    return np.maximum(x - _threshold(x, x.size), 0)


@sparsemax.mistake(
    "The entries sum to 1, but some are negative: that is the nearest point of the plane, not of "
    "the simplex. Negative entries leave the support, and t changes.",
    shift=(False, True),
)
def not_clipped(x, *, shift):
    x = _shifted(x, shift)
    return x - _threshold(x, x.size)


@sparsemax.mistake(
    "t is right, but x - t was not clipped: entries below t come out negative. Set them to 0.",
    shift=(False, True),
)
def clip_forgotten(x, *, shift):
    x = _shifted(x, shift)
    z = np.sort(x)[::-1]
    return x - _threshold(z, _support(z))


@sparsemax.mistake(
    "t was made for all n entries, and after clipping you divided by the sum: a distribution, but "
    "not the nearest one. Find the support, then t.",
    shift=(False, True),
)
def full_support_renormalised(x, *, shift):
    x = _shifted(x, shift)
    clipped = np.maximum(x - _threshold(x, x.size), 0)
    with np.errstate(invalid="ignore"):
        return clipped / np.sum(clipped)


@sparsemax.mistake(
    "The - 1 is missing in t = (z_1 + … + z_k - 1)/k: without it the entries do not sum to 1.",
    shift=(False, True),
)
def minus_one_forgotten(x, *, shift):
    x = _shifted(x, shift)
    z = np.sort(x)[::-1]
    size = np.sum(1 + np.arange(1, z.size + 1) * z > np.cumsum(z))
    with np.errstate(invalid="ignore"):  # beside 1e16 not even the first passes, unshifted
        return np.maximum(x - np.sum(z[:size]) / size, 0)


@sparsemax.mistake(
    "Everything went to the maximum: that is arg max. Sparsemax shares among entries that are less "
    "than 1 apart."
)
def one_hot(x):
    return np.eye(np.size(x))[np.argmax(x)]


@sparsemax.mistake(
    "That is softmax, whose entries are all positive. Sparsemax subtracts t and clips; no exp."
)
def softmax_instead(x):
    return _softmax(x)


@sparsemax.mistake(
    "What fell below t was dropped once; with the new t others may fall. Repeat until none is "
    "left, or find the support by sorting.",
    shift=(False, True),
)
def dropped_once(x, *, shift):
    x = _shifted(x, shift)
    kept = x > _threshold(x, x.size)
    if kept.any():
        x = np.where(kept, x - (np.sum(x[kept]) - 1) / np.sum(kept), 0)
    return np.maximum(x, 0)


@sparsemax.mistake(
    "The bisection stopped too early: t is right to a few digits only. Take t from the support "
    "that it found, (their sum - 1)/k.",
    halvings=(10, 20, 30, 32),
    end=("middle", "low", "high"),
)
def few_halvings(x, *, halvings, end):
    z = np.asarray(x, dtype=float) - np.max(x)
    low, high = -1.0, 0.0
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sum(np.maximum(z - middle, 0)) > 1 else (low, middle)
    return np.maximum(z - {"middle": (low + high) / 2, "low": low, "high": high}[end], 0)
