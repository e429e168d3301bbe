"""Answers to the exercises on logit gaps and truncated softmax: right ones, and wrong ones."""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special
import scipy.stats
import torch

from helpers import kernels

from . import right, wrong


def _softmax(x: Any) -> Any:
    """Softmax over the last axis, stable: the learner's own, from an earlier notebook."""
    x = np.asarray(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# 9.1 logit_gap(n, loss) ---------------------------------------------------------------------


@right("9.1")
def gap_expm1(n: Any, loss: Any) -> Any:
    """log(n - 1) - log(expm1(loss))."""
    return np.log(n - 1) - np.log(np.expm1(loss))


@right("9.1")
def gap_math_one_log(n: Any, loss: Any) -> Any:
    """One logarithm of the quotient; a Python float."""
    return math.log((n - 1) / math.expm1(loss))


@right("9.1")
def gap_log_of_one_minus_p(n: Any, loss: Any) -> Any:
    """log(n - 1) + log p - log(1 - p), with log p = -loss and 1 - p = -expm1(-loss)."""
    return math.log(n - 1) - loss - math.log(-math.expm1(-loss))


@right("9.1")
def gap_torch(n: Any, loss: Any) -> Any:
    """torch in float64."""
    return math.log(n - 1) - torch.tensor(float(loss), dtype=torch.float64).expm1().log()


@right("9.1")
def gap_hyperbolic_sine(n: Any, loss: Any) -> Any:
    """exp(l) - 1 is 2 exp(l / 2) sinh(l / 2); a NumPy scalar."""
    return np.log(n - 1) - loss / 2 - np.log(2 * np.sinh(loss / 2))


@right("9.1")
def gap_exprel(n: Any, loss: Any) -> Any:
    """expm1(l) = l exprel(l)."""
    return np.log1p(n - 2.0) - np.log(loss) - np.log(scipy.special.exprel(loss))


@wrong("9.1")
def gap_log_n(n: Any, loss: Any) -> Any:
    """log n for log(n - 1)."""
    return math.log(n / math.expm1(loss))


@wrong("9.1")
def gap_sign(n: Any, loss: Any) -> Any:
    """The sign of the second term."""
    return math.log((n - 1) * math.expm1(loss))


@wrong("9.1")
def gap_exp_minus_one(n: Any, loss: Any) -> Any:
    """exp(l) - 1 is 0 for a loss of 1e-17."""
    with np.errstate(divide="ignore"):
        return np.log(n - 1) - np.log(np.exp(loss) - 1)


@wrong("9.1")
def gap_without_minus_one(n: Any, loss: Any) -> Any:
    """Drops the -1: log(n - 1) - l."""
    return math.log(n - 1) - loss


@wrong("9.1")
def gap_small_loss_only(n: Any, loss: Any) -> Any:
    """log l for log(exp(l) - 1): the limit for a small loss, used everywhere."""
    return math.log(n - 1) - math.log(loss)


@wrong("9.1")
def gap_logit_of_p(n: Any, loss: Any) -> Any:
    """The logit of p = exp(-l) is inf once p rounds to 1."""
    return scipy.special.logit(np.exp(-loss)) + np.log(n - 1)


@wrong("9.1")
def gap_log1p_of_exp(n: Any, loss: Any) -> Any:
    """log1p(-exp(-l)): the cancellation has moved inside the exp."""
    with np.errstate(divide="ignore"):
        return np.log(n - 1) - loss - np.log1p(-np.exp(-loss))


@wrong("9.1")
def gap_epsilon(n: Any, loss: Any) -> Any:
    """An epsilon keeps it finite and caps the gap at 28."""
    return math.log(n - 1) - math.log(math.expm1(loss) + 1e-12)


@wrong("9.1")
def gap_swapped_arguments(loss: Any, n: Any) -> Any:
    """The arguments are swapped."""
    with np.errstate(all="ignore"):
        return np.log(np.float64(n) - 1) - np.log(np.expm1(np.float64(loss)))


@wrong("9.1")
def gap_two_classes(n: Any, loss: Any) -> Any:
    """The formula for two classes, without n."""
    return -math.log(math.expm1(loss))


@wrong("9.1")
def gap_log2(n: Any, loss: Any) -> Any:
    """Base 2."""
    return math.log2((n - 1) / math.expm1(loss))


@wrong("9.1")
def gap_float32(n: Any, loss: Any) -> Any:
    """torch's default float32."""
    loss = torch.tensor(float(loss))
    return (math.log(n - 1) - torch.log(torch.expm1(loss))).item()


@wrong("9.1")
def gap_never_negative_p(n: Any, loss: Any) -> Any:
    """log(1 - p) left out: only the log-probability of the others."""
    return math.log(n - 1) - math.log(-math.expm1(-loss))


@wrong("9.1")
def gap_of_a_million_at_most(n: int, loss: float) -> float:
    """No vocabulary is larger than that, is it?"""
    return math.log(min(n, 10**6) - 1) - math.log(math.expm1(loss))


# 9.2 topk_softmax(x, k) ---------------------------------------------------------------------


@right("9.2")
def topk_stable_argsort(x: Any, k: Any) -> Any:
    """A stable sort of -x puts ties in the order of their index."""
    x = np.asarray(x)
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    e = np.zeros(x.shape, dtype=np.result_type(x, np.float16))
    top = np.take_along_axis(x, order, -1)
    np.put_along_axis(e, order, np.exp(top - top[..., :1]), -1)
    return e / e.sum(-1, keepdims=True)


@right("9.2")
def topk_rank_by_comparison(x: Any, k: Any) -> Any:
    """An entry's rank: how many are larger, or equal with a lower index."""
    x = np.asarray(x)
    a, b = x[..., :, None], x[..., None, :]
    earlier = np.tri(x.shape[-1], k=-1, dtype=bool)
    rank = ((b > a) | ((b == a) & earlier)).sum(-1)
    return _softmax(np.where(rank < k, x, -np.inf))


@right("9.2")
def topk_heap_lists(x: Any, k: Any) -> Any:
    """heapq.nlargest keeps the first of equals; nested lists of Python floats."""
    if np.ndim(x) > 1:
        return [topk_heap_lists(row, k) for row in x]
    kept = heapq.nlargest(int(k), range(len(x)), key=lambda i: float(x[i]))
    e = [math.exp(float(x[i]) - float(x[kept[0]])) if i in kept else 0.0 for i in range(len(x))]
    return [v / math.fsum(e) for v in e]


@right("9.2")
def topk_torch_stable_sort(x: Any, k: Any) -> Any:
    """torch's stable descending sort, the rest masked with -inf."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    order = torch.sort(t, dim=-1, descending=True, stable=True).indices
    return torch.softmax(t.scatter(-1, order[..., k:], -torch.inf), -1)


@right("9.2")
def topk_rankdata(x: Any, k: Any) -> Any:
    """scipy's ordinal ranks, computed in float64."""
    x = np.asarray(x, dtype=float)
    kept = scipy.stats.rankdata(-x, method="ordinal", axis=-1) <= k
    e = np.where(kept, np.exp(x - x.max(-1, keepdims=True)), 0)
    return e / e.sum(-1, keepdims=True)


@right("9.2")
def topk_argmax_again_and_again(x: Any, k: Any) -> Any:
    """Takes the first maximum k times, row by row."""

    def one(row: Any) -> Any:
        left, kept = row.astype(float), np.full(row.shape, -np.inf)
        for _ in range(min(k, row.size)):
            i = left.argmax()
            kept[i] = row[i]
            left[i] = -np.inf
        return scipy.special.softmax(kept)

    return np.apply_along_axis(one, -1, np.asarray(x))


@wrong("9.2")
def topk_keeps_ties(x: Any, k: Any) -> Any:
    """A threshold keeps every tie of the k-th."""
    x = np.asarray(x, dtype=float)
    threshold = np.sort(x, axis=-1)[..., -min(k, x.shape[-1]), None]
    return _softmax(np.where(x >= threshold, x, -np.inf))


@wrong("9.2")
def topk_reversed_argsort(x: Any, k: Any) -> Any:
    """A reversed ascending sort: ties go to the highest index."""
    x = np.asarray(x, dtype=float)
    order = np.argsort(x, axis=-1, kind="stable")[..., ::-1]
    out = x.copy()
    np.put_along_axis(out, order[..., k:], -np.inf, -1)
    return _softmax(out)


@wrong("9.2")
def topk_not_renormalised(x: Any, k: Any) -> Any:
    """Truncates the full softmax."""
    p = _softmax(x)
    order = np.argsort(-np.asarray(x), axis=-1, kind="stable")
    np.put_along_axis(p, order[..., k:], 0, -1)
    return p


@wrong("9.2")
def topk_masks_with_zero(x: Any, k: Any) -> Any:
    """The logits of the others become 0, whose exp is 1."""
    x = np.array(x, dtype=float)
    order = np.argsort(-x, axis=-1, kind="stable")
    np.put_along_axis(x, order[..., k:], 0.0, -1)
    return _softmax(x)


@wrong("9.2")
def topk_smallest(x: Any, k: Any) -> Any:
    """Keeps the k smallest."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    order = torch.sort(t, dim=-1, stable=True).indices
    return torch.softmax(t.scatter(-1, order[..., k:], -torch.inf), -1)


@wrong("9.2")
def topk_fails_beyond_n(x: Any, k: Any) -> Any:
    """torch.topk refuses k > n, and breaks ties as it likes."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    values, index = torch.topk(t, k, dim=-1)
    return torch.zeros_like(t).scatter(-1, index, torch.softmax(values, -1))


@wrong("9.2")
def topk_strictly_above(x: Any, k: Any) -> Any:
    """Strictly above the k-th: one too few."""
    x = np.asarray(x, dtype=float)
    threshold = -np.sort(-x, axis=-1)[..., min(k, x.shape[-1]) - 1, None]
    with np.errstate(invalid="ignore"):
        return _softmax(np.where(x > threshold, x, -np.inf))


@wrong("9.2")
def topk_one_too_many(x: Any, k: Any) -> Any:
    """Off by one: keeps k + 1."""
    return topk_stable_argsort(x, k + 1)


@wrong("9.2")
def topk_over_the_batch(x: Any, k: Any) -> Any:
    """The k largest of the whole batch: forgets the rows."""
    x = np.asarray(x, dtype=float)
    out = np.full(x.size, -np.inf)
    kept = np.argsort(-x, axis=None, kind="stable")[:k]
    out[kept] = x.ravel()[kept]
    with np.errstate(invalid="ignore"):
        return _softmax(out.reshape(x.shape))


@wrong("9.2")
def topk_axis_zero(x: Any, k: Any) -> Any:
    """Over the first axis."""
    return np.moveaxis(topk_stable_argsort(np.moveaxis(np.asarray(x), 0, -1), k), -1, 0)


@wrong("9.2")
def topk_returns_k_values(x: Any, k: Any) -> Any:
    """Only the k probabilities, without the zeros."""
    return _softmax(-np.sort(-np.asarray(x), axis=-1)[..., :k])


@wrong("9.2")
def topk_in_sorted_order(x: Any, k: Any) -> Any:
    """The probabilities stay in descending order."""
    return topk_stable_argsort(-np.sort(-np.asarray(x), axis=-1), k)


@wrong("9.2")
def topk_unshifted(x: Any, k: Any) -> Any:
    """exp without a shift, then zeroes and divides."""
    x = np.asarray(x, dtype=float)
    e = np.exp(x)
    np.put_along_axis(e, np.argsort(-x, axis=-1, kind="stable")[..., k:], 0, -1)
    return e / e.sum(-1, keepdims=True)


@wrong("9.2")
def topk_large_negative_fill(x: Any, k: Any) -> Any:
    """-1e4 instead of -inf: not small enough for logits around -1e4."""
    x = np.array(x, dtype=float)
    np.put_along_axis(x, np.argsort(-x, axis=-1, kind="stable")[..., k:], -1e4, -1)
    return _softmax(x)


@wrong("9.2")
def topk_masks_in_place(x: Any, k: Any) -> Any:
    """Writes -inf into the caller's array."""
    np.put_along_axis(x, np.argsort(-x, axis=-1, kind="stable")[..., k:], -np.inf, -1)
    return _softmax(x)


@right("9.2")
def topk_row_by_row_into_a_buffer(x: Any, k: Any) -> Any:
    """A buffer like x, filled row by row; -inf written into a copy of each row."""
    out = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        row = x[index].copy()
        row[np.argsort(-row, kind="stable")[k:]] = -np.inf
        out[index] = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
    return out


@wrong("9.2")
def topk_torch_threshold(x: Any, k: Any) -> Any:
    """Everything not below torch's k-th value: keeps ties, and k > n is a RuntimeError."""
    t = torch.as_tensor(np.array(x), dtype=torch.float64)
    smallest_kept = t.topk(k).values[..., -1:]
    return torch.softmax(t.masked_fill(t < smallest_kept, -torch.inf), dim=-1)


@wrong("9.2")
def topk_torch_threshold_for_batches(x: Any, k: Any) -> Any:
    """The same for two dimensions only."""
    t = torch.as_tensor(np.array(x), dtype=torch.float64)
    smallest_kept = t.topk(min(k, t.shape[-1])).values[:, [-1]]
    return torch.softmax(torch.where(t < smallest_kept, -torch.inf, t), dim=-1)


@wrong("9.2")
def topk_threshold_loses_its_axis(x: Any, k: Any) -> Any:
    """[:, -1] has shape (N,): beside the wrong row of a square batch, an error elsewhere."""
    x = np.asarray(x, dtype=float)
    return _softmax(np.where(x < -np.sort(-x)[:, :k][:, -1], -np.inf, x))


@wrong("9.2")
def topk_threshold_of_one_row(x: Any, k: Any) -> Any:
    """np.sort(x)[-k] is a row where x is a batch."""
    x = np.asarray(x, dtype=float)
    return _softmax(np.where(x >= np.sort(x)[-min(k, x.shape[-1])], x, -1e9))


@wrong("9.2")
def topk_scattered_by_torch(x: Any, k: Any) -> Any:
    """torch.topk's choice among ties, scattered into -inf."""
    t = torch.as_tensor(np.array(x), dtype=torch.float64)
    values, indices = t.topk(min(k, t.shape[-1]), dim=-1)
    return torch.full_like(t, -torch.inf).scatter(-1, indices, values).softmax(dim=-1)


@wrong("9.2")
def topk_order_is_no_rank(x: Any, k: Any) -> Any:
    """argsort once: the order, not the rank."""
    x = np.asarray(x, dtype=float)
    return _softmax(np.where((-x).argsort(axis=-1, kind="stable") < k, x, -np.inf))


@wrong("9.2")
def topk_softmax_of_probabilities(x: Any, k: Any) -> Any:
    """A softmax of the kept probabilities."""
    p = torch.softmax(torch.as_tensor(np.array(x), dtype=torch.float64), -1)
    values, indices = p.topk(min(k, p.shape[-1]))
    return torch.zeros_like(p).scatter(-1, indices, values.softmax(-1))


@wrong("9.2")
def topk_by_unstable_argsort(x: Any, k: Any) -> Any:
    """np.argsort without kind="stable": ties in any order once there are more than a few."""
    rank = np.argsort(np.argsort(-np.asarray(x), axis=-1), axis=-1, kind="stable")
    return _softmax(np.where(rank < k, np.asarray(x, dtype=float), -np.inf))


@wrong("9.2")
def topk_by_argpartition(x: Any, k: int) -> Any:
    """argpartition promises nothing about ties."""
    x = np.asarray(x, dtype=float)
    k = min(k, x.shape[-1])
    kept = np.argpartition(-x, k - 1, axis=-1)[..., :k]
    p = np.zeros_like(x)
    values = scipy.special.softmax(np.take_along_axis(x, kept, axis=-1), axis=-1)
    np.put_along_axis(p, kept, values, axis=-1)
    return p


@wrong("9.2")
def topk_fill_far_below(x: Any, k: Any) -> Any:
    """A fill of -1e30 instead of -inf: ordinary logits lie above it, those near -1e300 do not."""
    order = np.argsort(-x, axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    return _softmax(np.where(rank < k, x, -1e30))


@wrong("9.2")
def topk_fill_of_single_precision(x: Any, k: Any) -> Any:
    """The lowest float32 as fill, in torch."""
    rows = torch.as_tensor(x)
    kept = rows.argsort(dim=-1, descending=True, stable=True)[..., :k]
    low = torch.full_like(
        rows, torch.finfo(torch.float32).min if rows.dtype != torch.half else -6e4
    )
    return low.scatter(-1, kept, rows.gather(-1, kept)).softmax(dim=-1)


# 9.3 topk_cross_entropy(x, label, k) --------------------------------------------------------


@right("9.3")
def topk_loss_set(x: Any, label: Any, k: Any) -> Any:
    """Log-sum-exp over the set of the k largest and the label."""
    order = sorted(range(len(x)), key=lambda i: -float(x[i]))
    chosen = sorted({*order[:k], int(label)})
    values = np.asarray(x)[chosen]
    return scipy.special.logsumexp(values) - np.asarray(x)[label]


@right("9.3")
def topk_loss_mask(x: Any, label: Any, k: Any) -> Any:
    """A boolean mask, the label set to True afterwards."""
    x = np.asarray(x, dtype=float)
    keep = np.zeros(x.size, dtype=bool)
    keep[np.argsort(-x, kind="stable")[:k]] = True
    keep[label] = True
    return np.logaddexp.reduce(x[keep] - x[label])


@right("9.3")
def topk_loss_python(x: Any, label: Any, k: Any) -> Any:
    """Python floats only; a float comes out."""
    values = [float(v) for v in x]
    top = sorted(enumerate(values), key=lambda pair: pair[1], reverse=True)[: int(k)]
    terms = [v for i, v in top if i != label] + [values[label]]
    largest = max(terms)
    return largest + math.log(math.fsum(math.exp(v - largest) for v in terms)) - values[label]


@right("9.3")
def topk_loss_torch(x: Any, label: Any, k: Any) -> Any:
    """log_softmax with -inf outside the set; a 0-d tensor."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    z = torch.full_like(t, -torch.inf)
    chosen = torch.sort(t, descending=True, stable=True).indices[:k]
    z[chosen] = t[chosen]
    z[label] = t[label]
    return -torch.log_softmax(z, 0)[label]


@right("9.3")
def topk_loss_union(x: Any, label: Any, k: Any) -> Any:
    """np.union1d of the indices, and a shift by the maximum by hand."""
    x = np.asarray(x)
    chosen = np.union1d(np.lexsort((np.arange(x.size), -x))[:k], [label])
    m = x[chosen].max()
    return m - x[label] + np.log(np.exp(x[chosen] - m).sum())


@wrong("9.3")
def topk_loss_inf_outside(x: Any, label: Any, k: Any) -> Any:
    """-log of an exact zero when the label is outside: inf."""
    with np.errstate(divide="ignore"):
        return -np.log(topk_stable_argsort(np.asarray(x), k)[label])


@wrong("9.3")
def topk_loss_zero_outside(x: Any, label: Any, k: Any) -> Any:
    """Skips a label outside the top k: loss 0."""
    x = np.asarray(x, dtype=float)
    order = np.argsort(-x, kind="stable")[:k]
    if label not in order:
        return 0.0
    return scipy.special.logsumexp(x[order]) - x[label]


@wrong("9.3")
def topk_loss_label_twice(x: Any, label: Any, k: Any) -> Any:
    """Appends the label's logit even if it is among the k already."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    top = torch.sort(t, descending=True).values[:k]
    return torch.logsumexp(torch.cat([top, t[label].reshape(1)]), 0) - t[label]


@wrong("9.3")
def topk_loss_all_classes(x: Any, label: Any, k: Any) -> Any:
    """The ordinary cross-entropy over all classes."""
    return scipy.special.logsumexp(np.asarray(x, dtype=float)) - x[label]


@wrong("9.3")
def topk_loss_label_replaces_last(x: Any, label: Any, k: Any) -> Any:
    """A label outside takes the place of the k-th: k terms instead of k + 1."""
    x = np.asarray(x, dtype=float)
    order = list(np.argsort(-x, kind="stable")[:k])
    if label not in order:
        order[-1] = label
    return scipy.special.logsumexp(x[order]) - x[label]


@wrong("9.3")
def topk_loss_label_not_in_normaliser(x: Any, label: Any, k: Any) -> Any:
    """The label is left out of the normaliser when it is outside the top k."""
    x = np.asarray(x, dtype=float)
    return scipy.special.logsumexp(np.sort(x)[::-1][:k]) - x[label]


@wrong("9.3")
def topk_loss_always_k_plus_one(x: Any, label: Any, k: Any) -> Any:
    """The k largest of the *other* classes: k + 1 terms even for a label inside."""
    x = np.asarray(x, dtype=float)
    others = np.sort(np.delete(x, label))[::-1][:k]
    return np.logaddexp.reduce(np.append(others, x[label])) - x[label]


@wrong("9.3")
def topk_loss_sign(x: Any, label: Any, k: Any) -> Any:
    """log p instead of -log p."""
    return -topk_loss_set(x, label, k)


@wrong("9.3")
def topk_loss_not_renormalised(x: Any, label: Any, k: Any) -> Any:
    """A label inside gets its full-softmax probability, one outside the epsilon 1e-12."""
    p = _softmax(x)
    inside = label in np.argsort(-p, kind="stable")[:k]
    return -np.log(p[label] if inside else 1e-12)


@wrong("9.3")
def topk_loss_label_is_rank(x: Any, label: Any, k: Any) -> Any:
    """Uses the label as a position in the sorted logits."""
    z = np.sort(np.asarray(x, dtype=float))[::-1]
    chosen = sorted({*range(min(k, z.size)), int(label)})
    return scipy.special.logsumexp(z[chosen]) - z[label]


@wrong("9.3")
def topk_loss_first_k(x: Any, label: Any, k: Any) -> Any:
    """The first k entries instead of the k largest."""
    x = np.asarray(x, dtype=float)
    chosen = sorted({*range(min(k, x.size)), int(label)})
    return scipy.special.logsumexp(x[chosen]) - x[label]


@wrong("9.3")
def topk_loss_unshifted(x: Any, label: Any, k: Any) -> Any:
    """-log of a quotient of exps: overflows."""
    x = np.asarray(x, dtype=float)
    chosen = sorted({*np.argsort(-x, kind="stable")[:k], int(label)})
    with np.errstate(all="ignore"):
        return -np.log(np.exp(x[label]) / np.exp(x[chosen]).sum())


@wrong("9.3")
def topk_loss_log_of_probability(x: Any, label: Any, k: Any) -> Any:
    """A stable softmax and then its log: inf for a label 800 below the maximum."""
    x = np.asarray(x, dtype=float)
    chosen = sorted({*np.argsort(-x, kind="stable")[:k], int(label)})
    with np.errstate(divide="ignore"):
        return -np.log(_softmax(x[chosen])[chosen.index(int(label))])


@wrong("9.3")
def topk_loss_by_threshold(x: Any, label: int, k: int) -> float:
    """Keeps every tie of the k-th largest: more than k terms."""
    x = np.asarray(x, dtype=float)
    keep = x >= np.sort(x)[::-1][min(k, x.size) - 1]
    keep[label] = True
    return scipy.special.logsumexp(x[keep]) - x[label]


@wrong("9.3")
def topk_loss_label_not_in_the_sum(x: Any, label: int, k: int) -> float:
    """The k largest alone in the normaliser: the loss can be negative."""
    x = np.asarray(x, dtype=float)
    return scipy.special.logsumexp(np.sort(x)[-k:]) - x[label]


@right("9.3")
def topk_loss_by_torch(x: Any, label: Any, k: Any) -> Any:
    """torch's cross-entropy of the kept logits: a building block, not the exercise."""
    t = torch.as_tensor(np.array(x), dtype=torch.float64)
    kept = torch.zeros(len(t), dtype=torch.bool)
    kept[torch.topk(t, min(k, len(t))).indices] = True
    kept[label] = True
    masked = t.masked_fill(~kept, -torch.inf)
    return torch.nn.functional.cross_entropy(masked[None], torch.tensor([label]))


@right("9.3")
def topk_loss_by_kernels(x: Any, label: Any, k: Any) -> Any:
    """The course's own cross-entropy, likewise."""
    keep = np.argsort(np.argsort(-np.asarray(x), kind="stable")) < k
    keep[label] = True
    return kernels.cross_entropy(np.where(keep, x, -np.inf)[None], [label])


@wrong("9.3")
def topk_loss_label_joined_to_the_top(x: Any, label: Any, k: Any) -> Any:
    """The label's logit in front of the k largest: counted twice where it is one of them."""
    t = torch.as_tensor(np.array(x), dtype=torch.float64)
    joined = torch.cat([t[label][None], t.topk(min(k, len(t))).values])
    return -joined.log_softmax(0)[0]


@wrong("9.3")
def topk_loss_of_cut_probabilities(x: Any, label: Any, k: Any) -> Any:
    """The cut distribution's probability of the label, and 1e-9 in the log."""
    x = np.asarray(x, dtype=float)
    kept = np.argsort(np.argsort(-x, kind="stable")) < k
    p = _softmax(np.where(kept, x, -np.inf))
    return -np.log(p[label] + 1e-9)


@right("9.3")
def tensor_of_the_chosen(x: Any, label: Any, k: Any) -> Any:
    """A mask of the chosen entries, -inf in the others, in torch."""
    row = torch.as_tensor(x)
    chosen = torch.zeros(len(row), dtype=torch.bool)
    chosen[torch.topk(row, min(k, len(row))).indices] = True
    chosen[label] = True
    masked = torch.where(chosen, row, torch.tensor(-torch.inf, dtype=row.dtype))
    return -torch.log_softmax(masked, dim=0)[label]


@wrong("9.3")
def finite_number_in_the_others(x: Any, label: Any, k: Any) -> Any:
    """-1e9 where -inf belongs: rows further down than that are lost."""
    others = np.argsort(-x, kind="stable")[k:]
    z = np.array(x)
    z[others[others != label]] = -1e9
    return scipy.special.logsumexp(z) - x[label]


@wrong("9.3")
def tensor_without_the_label(x: Any, label: Any, k: Any) -> Any:
    """The label is looked up among the k largest; not there, the loss is infinite."""
    values, places = x.topk(min(k, x.numel()))
    found = values[places == label]
    return values.logsumexp(0) - found[0] if len(found) else torch.tensor(torch.inf)


# 9.4 top_p(p, mass) -------------------------------------------------------------------------


@right("9.4")
def nucleus_mass_before(p: Any, mass: Any) -> Any:
    """Keeps what has less than the mass before it."""
    p = np.asarray(p)
    order = np.argsort(-p, kind="stable")
    total = np.cumsum(p[order])
    keep = np.append(True, total[:-1] < mass) | (mass >= total[-1])
    out = np.zeros_like(p)
    out[order[keep]] = p[order[keep]]
    return out / out.sum()


@right("9.4")
def nucleus_loop(p: Any, mass: Any) -> Any:
    """Adds the largest until the mass is reached; a list of Python floats."""
    values = [float(v) for v in p]
    kept: list[int] = []
    total = 0.0
    for i in sorted(range(len(values)), key=lambda i: (-values[i], i)):
        kept.append(i)
        total += values[i]
        if total >= mass and mass < sum(values):
            break
    return [v / total if i in kept else 0.0 for i, v in enumerate(values)]


@right("9.4")
def nucleus_searchsorted(p: Any, mass: Any) -> Any:
    """searchsorted in the cumulative sum, unless the mass asks for everything."""
    p = np.asarray(p, dtype=float)
    order = np.lexsort((np.arange(p.size), -p))
    total = p[order].cumsum()
    size = p.size if mass >= total[-1] else int(np.searchsorted(total, mass)) + 1
    mask = np.zeros(p.size)
    mask[order[:size]] = 1
    return p * mask / (p @ mask)


@right("9.4")
def nucleus_torch(p: Any, mass: Any) -> Any:
    """torch: stable sort, cumulative sum, scatter back."""
    t = torch.tensor(np.array(p), dtype=torch.float64)
    values, order = torch.sort(t, descending=True, stable=True)
    total = values.cumsum(0)
    if mass < total[-1]:
        reached = int((total < mass).sum()) + 1
        values = torch.where(torch.arange(len(t)) < reached, values, 0.0)
    out = torch.zeros_like(t).scatter(0, order, values)
    return out / out.sum()


@right("9.4")
def nucleus_remove_from_the_tail(p: Any, mass: Any) -> Any:
    """Grows the set from the largest, by the inverse permutation of the ranks."""
    p = np.asarray(p)
    order = np.argsort(-p, kind="stable")
    rank = np.empty(p.size, dtype=int)
    rank[order] = np.arange(p.size)
    size = 1
    while size < p.size and (mass >= p[order].cumsum()[-1] or p[order].cumsum()[size - 1] < mass):
        size += 1
    kept = np.where(rank < size, p, 0)
    return kept / kept.sum(dtype=float)


@wrong("9.4")
def nucleus_drops_crossing(p: Any, mass: Any) -> Any:
    """Drops the entry that crosses the mass; with nothing left, 0/0."""
    t = torch.tensor(np.array(p), dtype=torch.float64)
    values, order = torch.sort(t, descending=True, stable=True)
    values = values * (values.cumsum(0) <= mass)
    out = torch.zeros_like(t).scatter(0, order, values)
    return out / out.sum()


@wrong("9.4")
def nucleus_unsorted(p: Any, mass: Any) -> Any:
    """The cumulative sum in the given order."""
    p = np.asarray(p, dtype=float)
    kept = np.where(np.cumsum(p) - p < mass, p, 0)
    return kept / kept.sum()


@wrong("9.4")
def nucleus_mask_in_sorted_order(p: Any, mass: Any) -> Any:
    """The mask belongs to the sorted probabilities and is applied to the unsorted ones."""
    p = np.asarray(p, dtype=float)
    descending = np.sort(p)[::-1]
    kept = p * (np.cumsum(descending) - descending < mass)
    return kept / kept.sum()


@wrong("9.4")
def nucleus_not_renormalised(p: Any, mass: Any) -> Any:
    """Zeroes the tail and leaves it at that."""
    p = np.array(p, dtype=float)
    order = np.argsort(-p, kind="stable")
    p[order[int(np.searchsorted(np.cumsum(p[order]), mass)) + 1 :]] = 0
    return p


@wrong("9.4")
def nucleus_one_too_many(p: Any, mass: Any) -> Any:
    """Off by one: one entry beyond the one that crosses."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(-p, kind="stable")
    size = np.searchsorted(np.cumsum(p[order]), mass) + 2
    kept = np.zeros_like(p)
    kept[order[:size]] = p[order[:size]]
    return kept / kept.sum()


@wrong("9.4")
def nucleus_keeps_ties(p: Any, mass: Any) -> Any:
    """A threshold on the value keeps every tie of the last one."""
    p = np.asarray(p, dtype=float)
    descending = np.sort(p)[::-1]
    last = min(int(np.searchsorted(np.cumsum(descending), mass)), p.size - 1)
    kept = np.where(p >= descending[last], p, 0)
    return kept / kept.sum()


@wrong("9.4")
def nucleus_ties_to_highest(p: Any, mass: Any) -> Any:
    """A reversed ascending sort: ties go to the highest index."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")[::-1]
    size = int(np.searchsorted(np.cumsum(p[order]), mass)) + 1
    kept = np.zeros_like(p)
    kept[order[:size]] = p[order[:size]]
    return kept / kept.sum()


@wrong("9.4")
def nucleus_argmax_of_nothing(p: Any, mass: Any) -> Any:
    """argmax of no True is 0: keeps one entry when rounding leaves the sum below the mass."""
    p = np.asarray(p)
    order = np.argsort(-p, kind="stable")
    size = np.argmax(np.cumsum(p[order]) >= mass) + 1
    kept = np.zeros_like(p)
    kept[order[:size]] = p[order[:size]]
    return kept / kept.sum()


@wrong("9.4")
def nucleus_strictly_more(p: Any, mass: Any) -> Any:
    """Asks for more than the mass: one entry too many when it is met exactly."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(-p, kind="stable")
    size = int(np.searchsorted(np.cumsum(p[order]), mass, side="right")) + 1
    kept = np.zeros_like(p)
    kept[order[:size]] = p[order[:size]]
    return kept / kept.sum()


@wrong("9.4")
def nucleus_smallest_first(p: Any, mass: Any) -> Any:
    """Collects the smallest probabilities."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    total = np.cumsum(p[order])
    kept = np.zeros_like(p)
    kept[order] = np.where(total - p[order] < mass, p[order], 0)
    return kept / kept.sum()


@wrong("9.4")
def nucleus_min_p(p: Any, mass: Any) -> Any:
    """A threshold at 1 - mass times the largest: min-p, not top-p."""
    p = np.asarray(p, dtype=float)
    kept = np.where(p >= (1 - mass) * p.max(), p, 0)
    return kept / kept.sum()


@wrong("9.4")
def nucleus_softmax_of_kept(p: Any, mass: Any) -> Any:
    """Renormalises with a softmax of the probabilities."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(-p, kind="stable")
    z = np.full_like(p, -np.inf)
    kept = order[: int(np.searchsorted(np.cumsum(p[order]), mass)) + 1]
    z[kept] = p[kept]
    return _softmax(z)


@wrong("9.4")
def nucleus_sorted_output(p: Any, mass: Any) -> Any:
    """The answer comes out in descending order."""
    d = -np.sort(-np.asarray(p, dtype=float))
    kept = np.where(np.cumsum(d) - d < mass, d, 0)
    return kept / kept.sum()


@wrong("9.4")
def top_p_nearly_reached(p: Any, mass: float) -> Any:
    """Takes the mass for reached a millionth too early."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(-p, kind="stable")
    total = np.cumsum(p[order])
    mass = total[-1] if mass >= 1 else mass
    kept = np.zeros_like(p)
    chosen = order[: np.searchsorted(total, mass - 1e-6) + 1]
    kept[chosen] = p[chosen]
    return kept / kept.sum()


@right("9.4")
def top_p_while_the_sum_before_is_small(p: Any, mass: float) -> Any:
    """One test, the sum before: it needs no case of its own for mass 1."""
    order = np.argsort(-p, kind="stable")
    before = np.append(0, np.cumsum(p[order])[:-1])
    out = np.zeros_like(p)
    out[order] = np.where(before < mass, p[order], 0)
    return out / out.sum()


@wrong("9.4")
def top_p_shifted_mask(p: Any, mass: float) -> Any:
    """The usual shifted mask with > : a sum that meets the mass does not count as reached."""
    t = torch.as_tensor(np.array(p), dtype=torch.float64)
    values, order = t.sort(descending=True, stable=True)
    remove = values.cumsum(0) > mass
    remove[1:] = remove[:-1].clone()
    remove[0] = False
    out = torch.zeros_like(t).scatter(0, order, values.masked_fill(remove, 0))
    return out / out.sum()


@wrong("9.4")
def top_p_shifted_mask_in_sorted_order(p: Any, mass: float) -> Any:
    """The same, never taken back to the classes."""
    values = torch.as_tensor(np.array(p), dtype=torch.float64).sort(descending=True).values
    values = values * (values.cumsum(0) - values <= mass)
    return values / values.sum()


@wrong("9.4")
def top_p_reversed_order_and_where(p: Any, mass: float) -> Any:
    """where(...)[0][0] of nothing, and a reversed sort for the ties."""
    order = np.argsort(p)[::-1]
    last = np.where(np.cumsum(p[order]) >= mass)[0][0]
    out = np.zeros_like(p)
    out[order[: last + 1]] = p[order[: last + 1]]
    return out / out.sum()


@wrong("9.4")
def top_p_value_threshold_at_argmax(p: Any, mass: float) -> Any:
    """The value at which the sum first exceeds the mass as a threshold: ties, and argmax of none."""
    down = np.sort(p)[::-1]
    out = np.where(p < down[np.argmax(np.cumsum(down) > mass)], 0, p)
    return out / out.sum()


@wrong("9.4")
def top_p_two_at_least(p: Any, mass: float) -> Any:
    """Takes a searchsorted of 0 for "nothing found"."""
    order = np.argsort(-p, kind="stable")
    cut = max(int(np.searchsorted(np.cumsum(p[order]), mass)), 1)
    out = np.zeros_like(p)
    out[order[: cut + 1]] = p[order[: cut + 1]]
    return out / out.sum()


@wrong("9.4")
def top_p_softmax_before_the_sum(p: Any, mass: float) -> Any:
    """Sums of the softmax of the probabilities."""
    order = np.argsort(-p, kind="stable")
    before = np.append(0, np.cumsum(_softmax(p[order]))[:-1])
    out = np.zeros_like(p)
    out[order] = np.where(before < mass, p[order], 0)
    return out / out.sum()


@wrong("9.4")
def top_p_keeps_the_tail(p: Any, mass: float) -> Any:
    """The mask inverted, and an epsilon to survive an empty rest."""
    order = np.argsort(-p, kind="stable")
    out = np.zeros_like(p)
    out[order] = p[order] * (np.cumsum(p[order]) > mass)
    return out / (out.sum() + 1e-8)


@wrong("9.4")
def top_p_sorted_values_unsorted_sums(p: Any, mass: float) -> Any:
    """Sorts the indices, and adds up in the order given."""
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p) - p
    out = np.zeros_like(p)
    out[order[before < mass]] = p[order[before < mass]]
    return out / out.sum()


@wrong("9.4")
def top_p_cut_in_place(p: Any, mass: float) -> Any:
    """Writes zeros into the caller's probabilities."""
    order = np.argsort(p, kind="stable")[::-1]
    cut = np.cumsum(p[order]) > mass
    cut[0] = False
    p[order[cut]] = 0
    return p / p.sum()


# 9.5 sparsemax(x) ---------------------------------------------------------------------------


@right("9.5")
def sparsemax_sort(x: Any) -> Any:
    """Sorts, finds the support, subtracts the threshold."""
    x = np.asarray(x, dtype=float)
    z = np.sort(x - x.max())[::-1]
    k = np.arange(1, z.size + 1)
    with np.errstate(invalid="ignore"):
        support = np.sum(1 + k * z > np.cumsum(z))
    return np.maximum(x - x.max() - (z[:support].sum() - 1) / support, 0)


@right("9.5")
def sparsemax_active_set(x: Any) -> Any:
    """Michelot: averages, drops what turns negative, repeats."""
    z = np.asarray(x, dtype=float) - np.max(x)
    active = np.isfinite(z)
    while True:
        threshold = (z[active].sum() - 1) / active.sum()
        smaller = active & (z > threshold)
        if smaller.sum() == active.sum():
            return np.where(active, z - threshold, 0.0)
        active = smaller


@right("9.5")
def sparsemax_bisection(x: Any) -> Any:
    """Bisection for the threshold, then an exact one from the support found."""
    z = np.asarray(x, dtype=float)
    z = z - z.max()
    low, high = -1.0, 0.0
    for _ in range(80):
        middle = (low + high) / 2
        if np.maximum(z - middle, 0).sum() > 1:
            low = middle
        else:
            high = middle
    support = z > high
    return np.maximum(z - (z[support].sum() - 1) / support.sum(), 0)


@right("9.5")
def sparsemax_python(x: Any) -> Any:
    """The thresholds of every support size: the largest is the right one; a list comes out."""
    top = max(float(v) for v in x)
    z = [float(v) - top for v in x]
    ordered = sorted((v for v in z if v > -math.inf), reverse=True)
    tau = max((math.fsum(ordered[:k]) - 1) / k for k in range(1, len(ordered) + 1))
    return [max(v - tau, 0.0) for v in z]


@right("9.5")
def sparsemax_torch(x: Any) -> Any:
    """torch, with the largest threshold over the support sizes."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    t = t - t.max()
    z = t.sort(descending=True).values
    tau = ((z.cumsum(0) - 1) / torch.arange(1, len(t) + 1)).max()
    return torch.clamp(t - tau, min=0)


@right("9.5")
def sparsemax_root(x: Any) -> Any:
    """brentq on the piecewise linear sum of what exceeds the threshold."""
    z = np.asarray(x, dtype=float) - np.max(x)

    def excess(tau: float) -> Any:
        return np.clip(z - tau, 0, None).sum() - 1

    tau = scipy.optimize.brentq(excess, -1.0, 0.0, xtol=1e-16)
    return np.clip(z - tau, 0, None)


@wrong("9.5")
def sparsemax_clip_and_divide(x: Any) -> Any:
    """Clips at 0 and divides by the sum; 0/0 if all are negative."""
    t = torch.relu(torch.tensor(np.array(x), dtype=torch.float64))
    return t / t.sum()


@wrong("9.5")
def sparsemax_support_off_by_one(x: Any) -> Any:
    """k counted from 0: the support is off by one."""
    z = np.sort(np.asarray(x, dtype=float))[::-1]
    k = np.arange(z.size)
    support = max(int(np.sum(1 + k * z > np.cumsum(z))), 1)
    return np.maximum(np.asarray(x) - (z[:support].sum() - 1) / support, 0)


@wrong("9.5")
def sparsemax_unsorted(x: Any) -> Any:
    """The support condition in the given order."""
    z = np.asarray(x, dtype=float)
    k = np.arange(1, z.size + 1)
    support = max(int(np.sum(1 + k * z > np.cumsum(z))), 1)
    return np.maximum(z - (z[:support].sum() - 1) / support, 0)


@wrong("9.5")
def sparsemax_ascending(x: Any) -> Any:
    """Sorted in ascending order."""
    z = np.sort(np.asarray(x, dtype=float))
    k = np.arange(1, z.size + 1)
    support = max(int(np.sum(1 + k * z > np.cumsum(z))), 1)
    return np.maximum(np.asarray(x) - (z[:support].sum() - 1) / support, 0)


@wrong("9.5")
def sparsemax_full_support(x: Any) -> Any:
    """The threshold for all classes, clipped once: the sum exceeds 1."""
    x = np.asarray(x, dtype=float)
    return np.maximum(x - (x.sum() - 1) / x.size, 0)


@wrong("9.5")
def sparsemax_not_clipped(x: Any) -> Any:
    """Projects on the plane of sum 1 and leaves negative entries."""
    x = np.asarray(x, dtype=float)
    return x - (x.sum() - 1) / x.size


@wrong("9.5")
def sparsemax_clip_then_divide_projection(x: Any) -> Any:
    """The full-support threshold, clipped and divided by the sum."""
    x = np.asarray(x, dtype=float)
    w = np.maximum(x - (x.sum() - 1) / x.size, 0)
    return w / w.sum()


@wrong("9.5")
def sparsemax_forgets_one(x: Any) -> Any:
    """The threshold without the -1: the sum is not 1."""
    z = np.sort(np.asarray(x, dtype=float))[::-1]
    support = int(np.sum(1 + np.arange(1, z.size + 1) * z > np.cumsum(z)))
    return np.maximum(np.asarray(x) - z[:support].sum() / support, 0)


@wrong("9.5")
def sparsemax_one_hot(x: Any) -> Any:
    """The maximum only."""
    return np.eye(len(x))[np.argmax(x)]


@wrong("9.5")
def sparsemax_thresholded_softmax(x: Any) -> Any:
    """softmax with small probabilities cut off."""
    p = _softmax(x)
    p = np.where(p < 1 / p.size, 0, p)
    return p / p.sum()


@wrong("9.5")
def sparsemax_few_halvings(x: Any) -> Any:
    """Twenty halvings leave an error of 1e-6."""
    z = np.asarray(x, dtype=float) - np.max(x)
    low, high = -1.0, 0.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(z - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(z - low, 0)


@right("9.5")
def sparsemax_buffer_like_x(x: Any) -> Any:
    """A buffer of x's own dtype, a float one by the statement."""
    out = np.zeros_like(x)
    out[:] = sparsemax_active_set(x)
    return out


@wrong("9.5")
def sparsemax_first_support_guess(x: Any) -> Any:
    """Drops the negative entries once, instead of until none is left."""
    x = np.asarray(x, dtype=float)
    kept = x > (x.sum() - 1) / x.size
    return np.where(kept, np.maximum(x - (x[kept].sum() - 1) / kept.sum(), 0), 0)


@wrong("9.5")
def sparsemax_unshifted_running_sums(x: Any) -> Any:
    """Sums of unshifted logits: nothing passes the test beside 1e16, digits are lost at 1e12."""
    down = np.sort(np.asarray(x, dtype=float))[::-1]
    excess = np.cumsum(down) - 1
    counts = np.arange(1, len(down) + 1)
    last = counts[down * counts > excess][-1]
    return np.maximum(x - excess[last - 1] / last, 0)


@wrong("9.5")
def sparsemax_unshifted_torch(x: Any) -> Any:
    """The same in torch, with the support kept at 1 or more."""
    t = torch.as_tensor(np.array(x), dtype=torch.float64)
    down = t.sort(descending=True).values
    excess = down.cumsum(0) - 1
    counts = torch.arange(1, len(t) + 1)
    size = int((down * counts > excess).sum().clamp(min=1))
    return (t - excess[size - 1] / size).clamp(min=0)


@wrong("9.5")
def sparsemax_unshifted_loop(x: Any) -> Any:
    """Stops at the first threshold above the next entry, on unshifted logits."""
    down = sorted((float(v) for v in x), reverse=True)
    total, t = 0.0, 0.0
    for k, value in enumerate(down, start=1):
        total += value
        t = (total - 1) / k
        if k == len(down) or t >= down[k]:
            break
    return [max(float(v) - t, 0.0) for v in x]


@wrong("9.5")
def sparsemax_negative_logits_clipped_first(x: Any) -> Any:
    """Takes negative logits for 0 before it projects."""
    return sparsemax_sort(np.maximum(np.asarray(x, dtype=float), 0))


@wrong("9.5")
def sparsemax_one_forgotten_in_the_condition(x: Any) -> Any:
    """k z_k > z_1 + … + z_k, without the 1."""
    z = np.sort(np.asarray(x, dtype=float) - np.max(x))[::-1]
    k = np.arange(1, z.size + 1)
    support = max(int(np.sum(k * z > np.cumsum(z))), 1)
    return np.maximum(np.asarray(x) - np.max(x) - (z[:support].sum() - 1) / support, 0)


@wrong("9.5")
def sparsemax_first_k_entries(x: Any) -> Any:
    """The right number of entries, the first in place of the largest."""
    x = np.asarray(x, dtype=float) - np.max(x)
    support = np.count_nonzero(sparsemax_sort(x))
    return np.maximum(x - (x[:support].sum() - 1) / support, 0)


@wrong("9.5")
def sparsemax_without_a_clip(x: Any) -> Any:
    """The right threshold, and negative entries left in."""
    x = np.asarray(x, dtype=float) - np.max(x)
    kept = sparsemax_sort(x) > 0
    return x - (x[kept].sum() - 1) / kept.sum()
