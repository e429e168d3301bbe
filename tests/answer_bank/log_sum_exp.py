"""Answers to exercises 4.1 to 4.6."""

import math
from collections import namedtuple
from functools import reduce

import numpy as np
import scipy.special
import torch

from . import right, wrong

# 4.1 logsumexp(x)


@right("4.1")
def guarded_shift(x):
    """Shifts by the maximum where it is finite, by 0 where not."""
    m = x.max(axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - m).sum(axis=-1)) + m[..., 0]


@wrong("4.1")
def logaddexp_reduce(x):
    """NumPy's log-sum-exp in one call."""
    return np.logaddexp.reduce(x, axis=-1)


@right("4.1")
def recursion_in_python(x):
    """Recursion to the rows; Python's math, lists of floats."""
    if x.ndim > 1:
        return [recursion_in_python(row) for row in x]
    row = [float(value) for value in x]
    top = max(row)
    if math.isinf(top):
        return top
    return top + math.log(sum(math.exp(value - top) for value in row))


@right("4.1")
def tensor_fold(x):
    """torch's logaddexp over the entries of each row."""
    columns = torch.tensor(x, dtype=torch.float64).unbind(-1)
    return reduce(torch.logaddexp, columns)


def online(row):
    """One pass: a running maximum and a running sum."""
    top, total = -math.inf, 0.0
    for value in map(float, row):
        if value == math.inf:
            return math.inf
        if value > top:
            total = total * math.exp(top - value) + 1
            top = value
        elif value > -math.inf:
            total += math.exp(value - top)
    return top + math.log(total) if total else -math.inf


right("4.1")(lambda x: np.apply_along_axis(online, -1, x))


@right("4.1")
def infinities_afterwards(x):
    """Plain shift, the infinite rows put right afterwards."""
    m = np.max(x, axis=-1)
    with np.errstate(invalid="ignore"):
        finite = m + np.log(np.einsum("...i->...", np.exp(x - m[..., None])))
    return np.where(np.isinf(m), m, finite)


@wrong("4.1")
def unshifted(x):
    """Unshifted."""
    return np.log(np.einsum("...i->...", np.exp(x)))


@wrong("4.1")
def unshifted_lists(x):
    """Unshifted, in Python: OverflowError at 1000."""
    if x.ndim > 1:
        return [unshifted_lists(row) for row in x]
    return math.log(sum(map(math.exp, x)))


@wrong("4.1")
def maximum_not_added(x):
    """The maximum is not added back."""
    e = np.exp(x - np.where(np.isinf(x.max(-1)), 0, x.max(-1))[..., None])
    return np.log(e.sum(-1))


@wrong("4.1")
def maximum_added_only(x):
    """The maximum is added but not subtracted inside."""
    return x.max(-1) + np.log(np.exp(x).sum(-1))


@wrong("4.1")
def nan_at_infinity(x):
    """NaN at +inf and for a row of -inf: inf - inf."""
    m = np.amax(x, -1, keepdims=True)
    return np.squeeze(m + np.log(np.sum(np.exp(x - m), -1, keepdims=True)), -1)


@wrong("4.1")
def nan_at_plus_infinity(x):
    """Guards -inf only."""
    m = x.max(-1)
    m = np.where(m == -np.inf, 0.0, m)
    return m + np.log(np.exp(x - m[..., None]).sum(-1))


@wrong("4.1")
def lowest_for_empty(x):
    """nan_to_num turns -inf into a huge finite number."""
    x = np.nan_to_num(np.asarray(x, dtype=np.float64))
    m = x.max(-1)
    return m + np.log(np.exp(x - m[..., None]).sum(-1))


@wrong("4.1")
def base_ten(x):
    """Base 10."""
    m = x.max(-1)
    return m + np.log10(np.exp(x - m[..., None]).sum(-1))


@wrong("4.1")
def whole_maximum(x):
    """Global maximum: rows 2000 apart give -inf."""
    m = x.max()
    return m + np.log(np.exp(x - m).sum(-1))


@wrong("4.1")
def library_logsumexp(x):
    """The library call."""
    return scipy.special.logsumexp(x, axis=-1)


@wrong("4.1")
def tensor_logsumexp(x):
    """torch's own."""
    return torch.tensor(x, dtype=torch.float64).logsumexp(-1)


@wrong("4.1")
def keeps_axis(x):
    """Keeps the axis."""
    return np.expand_dims(infinities_afterwards(x), -1)


@wrong("4.1")
def maximum_only(x):
    """The maximum: right where one entry dominates."""
    return x.max(-1)


@wrong("4.1")
def over_batch(x):
    """Over the first axis."""
    return np.logaddexp.reduce(x)


@wrong("4.1")
def log1p_of_all(x):
    """log1p of the whole sum counts the maximum's own term twice."""
    m = x.max(-1)
    with np.errstate(invalid="ignore"):
        value = m + np.log1p(np.exp(x - m[..., None]).sum(-1))
    return np.where(np.isinf(m), m, value)


@wrong("4.1")
def subtracts_maximum(x):
    """The sign: the maximum taken off a second time."""
    m = x.max(-1)
    with np.errstate(invalid="ignore"):
        value = np.log(np.exp(x - m[..., None]).sum(-1)) - m
    return np.where(np.isinf(m), m, value)


@wrong("4.1")
def epsilon_in_log(x):
    """An epsilon for log 0: a row of -inf gives -27.6."""
    m = np.max(x, -1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    return np.log(np.exp(x - m).sum(-1) + 1e-12) + m[..., 0]


@wrong("4.1")
def sum_of_maximum_inside(x):
    """log(m + sum) for m + log(sum)."""
    m = x.max(-1)
    return np.log(m + np.exp(x - m[..., None]).sum(-1))


# 4.2 lse_bounds(x)

Bounds = namedtuple("Bounds", "lower upper")


@right("4.2")
def plain_bounds(x):
    """The maximum, and log n above it."""
    m = x.max(axis=-1)
    return m, m + np.log(x.shape[-1])


@right("4.2")
def named_bounds(x):
    """A named tuple of float64 arrays."""
    m = np.sort(x, axis=-1)[..., -1].astype(np.float64)
    return Bounds(m, m + math.log(np.size(x, -1)))


@right("4.2")
def tensor_bounds(x):
    """Two tensors."""
    m = torch.tensor(x, dtype=torch.float64).amax(-1)
    return m, m + math.log(x.shape[-1])


@right("4.2")
def lists_of_bounds(x):
    """Two nested lists of Python floats."""
    if x.ndim == 1:
        return float(max(x)), float(max(x)) + math.log(len(x))
    pairs = [lists_of_bounds(row) for row in x]
    return tuple([pair[side] for pair in pairs] for side in (0, 1))


@right("4.2")
def equal_entries(x):
    """The upper bound as the log-sum-exp of n equal entries."""
    m = np.maximum.reduce(x, axis=-1)
    return m, m + np.log(np.ones_like(x, dtype=np.float64).sum(axis=-1))


@wrong("4.2")
def counts_rows(x):
    """The n of the wrong axis: counts the rows of a matrix."""
    m = x.max(-1)
    return m, m + math.log(len(x))


@wrong("4.2")
def counts_everything(x):
    """Counts the whole array."""
    m = x.max(-1)
    return m, m + math.log(x.size)


@wrong("4.2")
def second_axis(x):
    """shape[1]: raises on 1-D, wrong on 3-D."""
    m = x.max(-1)
    return m, m + np.log(x.shape[1])


@wrong("4.2")
def bits(x):
    """log2."""
    m = np.amax(x, -1)
    return m, m + math.log2(x.shape[-1])


@wrong("4.2")
def swapped_bounds(x):
    """Bounds swapped."""
    return plain_bounds(x)[::-1]


@wrong("4.2")
def adds_n(x):
    """m + n without the log."""
    m = x.max(-1)
    return m, m + x.shape[-1]


@wrong("4.2")
def times_n(x):
    """m log n: multiplies instead of adding."""
    m = x.max(-1)
    return m, m * np.log(x.shape[-1])


@wrong("4.2")
def minimum_below(x):
    """The minimum as the lower bound."""
    return x.min(-1), x.max(-1) + np.log(x.shape[-1])


@wrong("4.2")
def global_bounds(x):
    """The maximum of the whole batch."""
    return x.max(), x.max() + np.log(x.shape[-1])


@wrong("4.2")
def exact_twice(x):
    """The value itself, as both bounds."""
    value = infinities_afterwards(x)
    return value, value


@wrong("4.2")
def one_bound(x):
    """The upper bound alone."""
    return x.max(-1) + np.log(x.shape[-1])


@wrong("4.2")
def around_maximum(x):
    """Symmetric about the maximum."""
    m, c = x.max(-1), np.log(x.shape[-1])
    return m - c, m + c


@wrong("4.2")
def log_n_minus_one(x):
    """log(n - 1): the others only."""
    m = x.max(-1)
    with np.errstate(divide="ignore"):
        return m, m + np.log(x.shape[-1] - 1)


# 4.3 smooth_max(x, alpha)


@right("4.3")
def scaled_difference(x, alpha):
    """Shifts first, scales then."""
    m = x.max(-1, keepdims=True)
    return m[..., 0] + np.log(np.exp(alpha * (x - m)).sum(-1)) / alpha


@right("4.3")
def library_of_difference(x, alpha):
    """SciPy's logsumexp of the scaled differences."""
    x = np.asarray(x, dtype=np.float64)
    m = np.max(x, axis=-1)
    return m + scipy.special.logsumexp(alpha * (x - m[..., None]), axis=-1) / alpha


@right("4.3")
def smooth_lists(x, alpha):
    """Recursion and lists."""
    if x.ndim > 1:
        return [smooth_lists(row, alpha) for row in x]
    top = float(max(x))
    return top + math.log(math.fsum(math.exp(alpha * (float(v) - top)) for v in x)) / alpha


@right("4.3")
def smooth_tensor(x, alpha):
    """torch, in double precision."""
    x = torch.tensor(x, dtype=torch.float64)
    m = x.amax(-1, keepdim=True)
    return (m + ((x - m) * alpha).exp().sum(-1, keepdim=True).log() / alpha).squeeze(-1)


@right("4.3")
def by_temperature(x, alpha):
    """A temperature in place of alpha."""
    tau = 1 / alpha
    z = x - np.max(x, axis=-1, keepdims=True)
    return np.max(x, axis=-1) + tau * np.log(np.einsum("...i->...", np.exp(z / tau)))


@wrong("4.3")
def forgets_one_over_alpha(x, alpha):
    """Forgets 1/alpha."""
    m = x.max(-1, keepdims=True)
    return m[..., 0] + np.log(np.exp(alpha * (x - m)).sum(-1))


@wrong("4.3")
def lse_of_scaled(x, alpha):
    """Forgets 1/alpha altogether: LSE(alpha x)."""
    return scipy.special.logsumexp(alpha * np.asarray(x, dtype=float), axis=-1)


@wrong("4.3")
def multiplies_result(x, alpha):
    """Multiplies by alpha instead of dividing."""
    m = x.max(-1, keepdims=True)
    return m[..., 0] + alpha * np.log(np.exp(alpha * (x - m)).sum(-1))


@wrong("4.3")
def boltzmann_mean(x, alpha):
    """The softmax-weighted mean."""
    w = np.exp(alpha * (x - x.max(-1, keepdims=True)))
    return (w * x).sum(-1) / w.sum(-1)


@wrong("4.3")
def scales_first(x, alpha):
    """alpha x overflows before the shift: 1e308 times 10."""
    y = alpha * np.asarray(x, dtype=np.float64)
    m = y.max(-1, keepdims=True)
    return (m[..., 0] + np.log(np.exp(y - m).sum(-1))) / alpha


@wrong("4.3")
def unshifted_smooth(x, alpha):
    """No shift."""
    return np.log(np.exp(alpha * x).sum(-1)) / alpha


@wrong("4.3")
def divides_inside(x, alpha):
    """alpha taken for a temperature."""
    m = x.max(-1, keepdims=True)
    return m[..., 0] + alpha * np.log(np.exp((x - m) / alpha).sum(-1))


@wrong("4.3")
def hard_maximum(x, alpha):
    """The hard maximum."""
    return x.max(-1)


@wrong("4.3")
def power_mean(x, alpha):
    """A power mean: the mean, not the sum, under the log."""
    m = x.max(-1, keepdims=True)
    return m[..., 0] + np.log(np.exp(alpha * (x - m)).mean(-1)) / alpha


@wrong("4.3")
def vector_norm(x, alpha):
    """The norm of order alpha, another smooth maximum."""
    return (np.abs(x) ** alpha).sum(-1) ** (1 / alpha)


@wrong("4.3")
def ignores_alpha(x, alpha):
    """alpha = 1 always."""
    return scaled_difference(x, 1.0)


@wrong("4.3")
def smooth_of_batch(x, alpha):
    """Forgets the batch."""
    m = x.max()
    return m + np.log(np.exp(alpha * (x - m)).sum()) / alpha


@wrong("4.3")
def divides_maximum_too(x, alpha):
    """Divides the maximum by alpha as well."""
    m = x.max(-1, keepdims=True)
    return (m[..., 0] + np.log(np.exp(alpha * (x - m)).sum(-1))) / alpha


@wrong("4.3")
def shift_not_scaled(x, alpha):
    """Shifts alpha x by max x: stable for alpha = 1 only."""
    m = x.max(-1, keepdims=True)
    return (m[..., 0] + np.log(np.exp(alpha * x - m).sum(-1))) / alpha


# 4.4 log_softmax(x)


@right("4.4")
def shifted_log(x):
    """The plain max-shift form."""
    z = x - x.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


@right("4.4")
def log_lists(x):
    """Recursion and lists."""
    if x.ndim > 1:
        return [log_lists(row) for row in x]
    z = [float(v) - float(max(x)) for v in x]
    log_sum = math.log(math.fsum(map(math.exp, z)))
    return [v - log_sum for v in z]


@right("4.4")
def log_tensor(x):
    """torch's logsumexp of the shifted logits."""
    x = torch.tensor(x, dtype=torch.float64)
    z = x - x.amax(-1, keepdim=True)
    return z - torch.logsumexp(z, dim=-1, keepdim=True)


@right("4.4")
def log_folded(x):
    """logaddexp over the shifted logits."""
    z = x - np.maximum.reduce(x, axis=-1, keepdims=True)
    return z - np.logaddexp.reduce(z, axis=-1, keepdims=True)


@right("4.4")
def log_with_log1p(x):
    """log1p of all the terms but the maximum's own."""
    rows = np.asarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
    out = np.empty_like(rows)
    for i, row in enumerate(rows):
        top = np.argmax(row)
        z = row - row[top]
        out[i] = z - np.log1p(np.exp(np.delete(z, top)).sum())
    return out.reshape(x.shape)


right("4.4")(lambda x: np.apply_along_axis(lambda r: r - max(r) - online(r - max(r)), -1, x))


@wrong("4.4")
def log_of_probabilities(x):
    """Log of softmax: -inf where the answer is -1000."""
    e = np.exp(x - x.max(-1, keepdims=True))
    with np.errstate(divide="ignore"):
        return np.log(e / e.sum(-1, keepdims=True))


@wrong("4.4")
def log_of_library(x):
    """Log of the library's softmax."""
    with np.errstate(divide="ignore"):
        return np.log(scipy.special.softmax(np.asarray(x, dtype=float), axis=-1))


@wrong("4.4")
def log_with_epsilon(x):
    """log(softmax + eps): nothing below -27.6."""
    e = np.exp(x - np.max(x, -1, keepdims=True))
    return np.log(1e-12 + e / np.sum(e, -1, keepdims=True))


@wrong("4.4")
def adds_log_sum(x):
    """Adds the log-sum."""
    z = x - x.max(-1, keepdims=True)
    return z + np.log(np.exp(z).sum(-1, keepdims=True))


@wrong("4.4")
def lse_only(x):
    """Returns the LSE."""
    m = x.max(-1)
    return m + np.log(np.exp(x - m[..., None]).sum(-1))


@wrong("4.4")
def absorbing(x):
    """x - LSE(x): at 1e8 in float32 log s is lost in m."""
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


@wrong("4.4")
def absorbing_library(x):
    """The same with SciPy's logsumexp."""
    return x - np.expand_dims(scipy.special.logsumexp(x, axis=-1), -1)


@wrong("4.4")
def unshifted_log(x):
    """No shift."""
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@wrong("4.4")
def library_log_softmax(x):
    """The library call."""
    return scipy.special.log_softmax(x, axis=-1)


@wrong("4.4")
def tensor_log_softmax(x):
    """torch's own."""
    return torch.log_softmax(torch.tensor(x, dtype=torch.float64), -1)


@wrong("4.4")
def forgets_shift_outside(x):
    """Takes log s off x, not off x - m."""
    z = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(z).sum(-1, keepdims=True))


@wrong("4.4")
def negative_log_softmax(x):
    """The sign: the surprise instead of the log-probability."""
    return -shifted_log(x)


@wrong("4.4")
def log_of_batch(x):
    """Global maximum and sum."""
    z = x - x.max()
    return z - np.log(np.exp(z).sum())


@wrong("4.4")
def log_without_keepdims(x):
    """Missing keepdims."""
    z = x - x.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1))


@wrong("4.4")
def clipped_log(x):
    """Probabilities clipped at the smallest normal number: nothing below -708."""
    e = np.exp(x - x.max(-1, keepdims=True))
    p = np.maximum(e / e.sum(-1, keepdims=True), np.finfo(np.float64).tiny)
    return np.log(p)


@wrong("4.4")
def log_in_bits(x):
    """log2 of the sum, mixed with natural logits."""
    z = x - x.max(-1, keepdims=True)
    return z - np.log2(np.exp(z).sum(-1, keepdims=True))


# 4.5 logsumexp_precise(x)


@right("4.5")
def without_maximum(x):
    """log1p of the sum over all but one maximum."""
    x = np.asarray(x, dtype=np.float64)
    top = np.argmax(x)
    return x[top] + np.log1p(np.exp(np.delete(x, top) - x[top]).sum())


@right("4.5")
def sorted_tail(x):
    """Sorted, the last one taken off; fsum; a Python float."""
    *rest, top = sorted(float(value) for value in x)
    return top + math.log1p(math.fsum(math.exp(value - top) for value in rest))


@right("4.5")
def boolean_mask(x):
    """A boolean mask for the first maximum."""
    x = x * 1.0 if x.dtype.kind == "f" and x.dtype.itemsize > 2 else x.astype(np.float64)
    others = np.arange(x.size) != x.argmax()
    return x.max() + np.log1p(np.sum(np.exp(x - x.max()), where=others))


@right("4.5")
def folded(x):
    """logaddexp is precise for two, so fold with it."""
    return reduce(np.logaddexp, np.sort(np.asarray(x, dtype=np.float64))[::-1])


@right("4.5")
def precise_tensor(x):
    """torch's log1p and topk."""
    t = torch.tensor(x, dtype=torch.float64)
    ordered = torch.topk(t, len(t)).values
    return ordered[0] + (ordered[1:] - ordered[0]).exp().sum().log1p()


@right("4.5")
def ties_counted(x):
    """Counts the ties: log1p((ties - 1) + the rest)."""
    x = np.asarray(x, dtype=np.float64)
    m = x.max()
    return m + np.log1p((np.sum(x == m) - 1) + np.exp(x[x < m] - m).sum())


@wrong("4.5")
def plain_log(x):
    """log(1 + tiny) = 0."""
    return x.max() + np.log(np.exp(x - x.max()).sum())


@wrong("4.5")
def log_of_one_plus(x):
    """Leaves the maximum out, then adds the 1 before the log."""
    top = x.argmax()
    return x[top] + math.log(1 + math.fsum(np.exp(np.delete(x, top) - x[top])))


@wrong("4.5")
def drops_ties(x):
    """Drops every tie of the maximum."""
    m = x.max()
    return m + np.log1p(np.exp(x[x != m] - m).sum())


@wrong("4.5")
def set_of_values(x):
    """A set loses equal entries, maxima and others."""
    *rest, top = sorted({float(value) for value in x})
    return top + math.log1p(sum(math.exp(value - top) for value in rest))


@wrong("4.5")
def tiny_only(x):
    """Returns tiny even if the maximum is not 0."""
    x = np.asarray(x, dtype=np.float64)
    rest = np.delete(x, x.argmax())
    return np.log1p(np.exp(rest - x.max()).sum())


@wrong("4.5")
def subtracts_one(x):
    """log1p(sum - 1): the digits went before."""
    z = np.exp(x - x.max())
    return x.max() + np.log1p(z.sum() - 1)


@wrong("4.5")
def counts_maximum(x):
    """log1p of the full sum counts the maximum twice."""
    return x.max() + np.log1p(np.exp(x - x.max()).sum())


@wrong("4.5")
def second_largest_only(x):
    """Only the two largest."""
    second, first = np.sort(x)[-2:] if len(x) > 1 else (-np.inf, x[0])
    return np.logaddexp(first, second)


@wrong("4.5")
def assumes_zero_maximum(x):
    """Takes the maximum for 0: overflows, and wrong if it is not."""
    top = x.argmax()
    return np.log1p(np.exp(np.delete(x, top)).sum())


@wrong("4.5")
def first_is_maximum(x):
    """Takes the first entry for the maximum: log1p loses small sums no longer."""
    with np.errstate(over="ignore"):
        return x[0] + np.log1p(np.exp(x[1:] - x[0]).sum())


@wrong("4.5")
def first_order(x):
    """The tiny sum itself in place of log1p: good only when it is tiny."""
    x = np.asarray(x, dtype=np.float64)
    top = x.argmax()
    return x[top] + np.exp(np.delete(x, top) - x[top]).sum()


@wrong("4.5")
def library_in_long_double(x):
    """Extra digits of long double put the loss off, from e^-36 to e^-44."""
    z = np.exp(np.asarray(x, dtype=np.longdouble) - x.max())
    return float(x.max() + np.log(z.sum()))


@wrong("4.5")
def thresholded(x):
    """A cut at 1e-12: what is smaller counts as nothing."""
    x = np.asarray(x, dtype=np.float64)
    top = x.argmax()
    rest = np.exp(np.delete(x, top) - x[top])
    return x[top] + np.log1p(rest[rest > 1e-12].sum())


# 4.6 log_mean_exp(x)


@right("4.6")
def mean_of_shifted(x):
    """The mean in place of the sum."""
    m = x.max(-1, keepdims=True)
    return m[..., 0] + np.log(np.exp(x - m).mean(-1))


@right("4.6")
def minus_log_n(x):
    """SciPy's logsumexp less log n."""
    x = np.asarray(x, dtype=np.float64)
    return scipy.special.logsumexp(x, axis=-1) - math.log(x.shape[-1])


@right("4.6")
def weighted_library(x):
    """SciPy's logsumexp with weights 1/n."""
    x = np.asarray(x, dtype=np.float64)
    return scipy.special.logsumexp(x, axis=-1, b=1 / x.shape[-1])


@right("4.6")
def mean_lists(x):
    """Recursion and lists."""
    if x.ndim > 1:
        return [mean_lists(row) for row in x]
    top = float(max(x))
    return top + math.log(sum(math.exp(float(value) - top) for value in x) / len(x))


@right("4.6")
def mean_tensor(x):
    """torch."""
    t = torch.tensor(x, dtype=torch.float64)
    return t.logsumexp(-1) - math.log(t.shape[-1])


@wrong("4.6")
def forgets_n(x):
    """Forgets -log n."""
    return np.logaddexp.reduce(x, axis=-1)


@wrong("4.6")
def arithmetic_mean(x):
    """The mean of x."""
    return np.einsum("...i->...", x) / x.shape[-1]


@wrong("4.6")
def log_arithmetic_mean(x):
    """Log of the arithmetic mean of x."""
    with np.errstate(all="ignore"):
        return np.log(x.mean(-1))


@wrong("4.6")
def unshifted_mean(x):
    """No shift."""
    return np.log(np.exp(x).mean(-1))


@wrong("4.6")
def divides_log_by_n(x):
    """Divides the log by n."""
    m = x.max(-1, keepdims=True)
    return m[..., 0] + np.log(np.exp(x - m).sum(-1)) / x.shape[-1]


@wrong("4.6")
def divides_lse_by_n(x):
    """Divides the LSE by n."""
    return scipy.special.logsumexp(np.asarray(x, dtype=float), axis=-1) / x.shape[-1]


@wrong("4.6")
def adds_log_n(x):
    """The sign of log n."""
    return scipy.special.logsumexp(np.asarray(x, dtype=float), axis=-1) + np.log(x.shape[-1])


@wrong("4.6")
def counts_batch(x):
    """log of the number of rows."""
    return np.logaddexp.reduce(x, axis=-1) - np.log(len(x))


@wrong("4.6")
def subtracts_n(x):
    """n itself, not its log."""
    return np.logaddexp.reduce(x, axis=-1) - x.shape[-1]


@wrong("4.6")
def batch_mean(x):
    """One number for the whole batch."""
    m = x.max()
    return m + np.log(np.exp(x - m).mean())


@wrong("4.6")
def mean_without_maximum(x):
    """The maximum not added back."""
    return np.log(np.exp(x - x.max(-1, keepdims=True)).mean(-1))


@wrong("4.6")
def mean_over_rows(x):
    """Over the first axis."""
    m = x.max(0)
    return m + np.log(np.exp(x - m).mean(0))


@wrong("4.6")
def exp_of_mean(x):
    """The log of the exp of the mean: Jensen's other side."""
    return np.log(np.exp(x.mean(-1)))


# What published code does, in our own words: axes, sums over everything, branches, tensors.


@right("4.1")
def tensor_as_it_comes(x):
    """The tensor's own methods, with a guard."""
    top = x.amax(dim=-1, keepdim=True)
    top = torch.where(top.isfinite(), top, 0)
    return (top + (x - top).exp().sum(dim=-1, keepdim=True).log()).squeeze(-1)


@right("4.1")
def two_at_a_time(x):
    """A loop over the entries with the two-argument logaddexp: the fold is one's own."""
    total = np.full(x.shape[:-1], -np.inf)
    for j in range(x.shape[-1]):
        total = np.logaddexp(total, x[..., j])
    return total


@wrong("4.1")
def axis_one(x):
    """Axis 1 throughout: a batch alone."""
    top = x.max(axis=1)
    return top + np.log(np.exp(x - top[:, None]).sum(axis=1))


@wrong("4.1")
def tensor_dim_one(x):
    """dim=1, as tensors' code often has it."""
    top = x.max(dim=1, keepdim=True).values
    return (top + (x - top).exp().sum(dim=1, keepdim=True).log()).squeeze(1)


@wrong("4.1")
def batch_alone(x):
    """[:, None] for keepdims: a batch and nothing else."""
    top = x.max(-1)
    return top + np.log(np.exp(x - top[:, None]).sum(-1))


@wrong("4.1")
def row_maxima_one_sum(x):
    """Each row's maximum, and one sum for all."""
    top = x.max(axis=-1, keepdims=True)
    return top + np.log(np.sum(np.exp(x - top)))


@wrong("4.1")
def axis_lost(x):
    """keepdims forgotten, and no guard."""
    top = np.amax(x, axis=-1)
    return top + np.log(np.sum(np.exp(x - top), axis=-1))


@wrong("4.1")
def one_row_one_number(x):
    """Everything at once, and no guard."""
    top = x.max()
    return top + np.log(np.exp(x - top).sum())


@right("4.4")
def log_tensor_as_it_comes(x):
    """The tensor's own methods."""
    top, _ = x.max(dim=-1, keepdim=True)
    return x - top - (x - top).exp().sum(dim=-1, keepdim=True).log()


@wrong("4.4")
def log_dim_one(x):
    """x minus the library's log-sum-exp over axis 1."""
    return x - scipy.special.logsumexp(x, axis=1, keepdims=True)


@wrong("4.4")
def log_transposed(x):
    """By transposing: a batch and nothing else."""
    z = x.T - np.max(x, axis=1)
    return (z - np.log(np.exp(z).sum(axis=0))).T


@wrong("4.4")
def log_refuses_stacks(x):
    """One branch for a row, one for a batch."""
    if x.ndim > 2:
        raise NotImplementedError("rows and batches only")
    z = x - x.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


@wrong("4.4")
def log_of_axis_one_with_epsilon(x):
    """Probabilities over axis 1, 1e-9, and then the log."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.log(e / e.sum(axis=1, keepdims=True) + 1e-9)


@wrong("4.4")
def maximum_taken_off_alone(x):
    """x minus its maximum."""
    return x - x.max(axis=-1, keepdims=True)


@wrong("4.4")
def maximum_put_back(x):
    """The maximum added where it must be subtracted."""
    top = x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x - top).sum(axis=-1, keepdims=True)) + top


@right("4.5")
def loop_with_one_left_out(x):
    """A loop that leaves the first maximum out."""
    top = max(range(len(x)), key=lambda j: x[j])
    rest = sum(math.exp(float(v) - float(x[top])) for j, v in enumerate(x) if j != top)
    return float(x[top]) + math.log1p(rest)


@wrong("4.5")
def larger_than_the_first(x):
    """Every entry compared with the first: the last larger one is taken for the maximum."""
    top = 0
    for j in range(1, len(x)):
        if x[j] > x[0]:
            top = j
    rest = np.exp(np.delete(np.asarray(x, dtype=float), top) - x[top]).sum()
    return x[top] + np.log1p(rest)


@wrong("4.5")
def least_taken_out(x):
    """The minimum left out, and subtracted."""
    low = x.argmin()
    with np.errstate(over="ignore"):
        return x[low] + np.log(1 + np.exp(np.delete(x, low) - x[low]).sum())


@wrong("4.6")
def mean_axis_lost(x):
    """keepdims forgotten."""
    top = np.max(x, axis=-1)
    return top + np.log(np.mean(np.exp(x - top), axis=-1))


@wrong("4.6")
def mean_axis_kept(x):
    """The averaged axis stays."""
    top = np.max(x, axis=-1, keepdims=True)
    return top + np.log(np.mean(np.exp(x - top), axis=-1, keepdims=True))


@wrong("4.1")
def first_row_of_a_table(x):
    """Expects a table of one row, and gives one number."""
    (row,) = x.tolist()
    top = max(row)
    return top + math.log(sum(math.exp(value - top) for value in row))


@wrong("4.5")
def logaddexp_in_one_call(x):
    """NumPy's log-sum-exp in one call, precise as it is."""
    return np.logaddexp.reduce(x)


@wrong("4.6")
def length_of_the_first_axis(x):
    """len(x) counts rows, in torch."""
    return torch.logsumexp(x - math.log(len(x)), dim=-1)
