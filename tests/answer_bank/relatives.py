"""Answers to exercises 17.1 to 17.6."""

# ruff: noqa: N803 (exercise 17.6 calls its weights W)

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from scipy.optimize import brentq, linprog, nnls
from scipy.spatial import ConvexHull
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

from helpers import kernels

from . import right, wrong

# 17.1 entmax(x, alpha)


def _entmax(x, alpha, steps=80):
    """Bisection on the shifted row, for the answers that spoil something around it."""
    z = (alpha - 1) * (x - np.max(x))
    low, high = -1.0, 0.0
    for _ in range(steps):
        t = (low + high) / 2
        if np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) >= 1:
            low = t
        else:
            high = t
    return np.maximum(z - low, 0) ** (1 / (alpha - 1))


@right("17.1")
def bisection(x, alpha):
    """Shift, then halve [-1, 0] until nothing moves; the rest is divided away."""
    z = (alpha - 1) * (x - x.max())
    low, high = -1.0, 0.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if (np.maximum(z - middle, 0) ** (1 / (alpha - 1))).sum() > 1:
            low = middle
        else:
            high = middle
    p = np.maximum(z - low, 0) ** (1 / (alpha - 1))
    return p / p.sum()


@right("17.1")
def by_brentq(x, alpha):
    """A root finder between -1 and the t at which even n equal entries sum to 1."""
    power = 1 / (alpha - 1)
    z = (alpha - 1) * (x - np.max(x))

    def excess(t):
        return np.sum(np.clip(z - t, 0, None) ** power) - 1

    if excess(-1.0) == 0:
        t = -1.0
    else:
        t = brentq(excess, -1.0, 0.0, xtol=1e-15, rtol=1e-14, maxiter=500)
    return np.clip(z - t, 0, None) ** power


@right("17.1")
def plain_python(x, alpha):
    """Lists and math.fsum."""
    top = max(float(v) for v in x)
    z = [(alpha - 1) * (float(v) - top) for v in x]

    def entries(t):
        return [(v - t) ** (1 / (alpha - 1)) if v > t else 0.0 for v in z]

    low, high = -1.0, 0.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if math.fsum(entries(middle)) >= 1:
            low = middle
        else:
            high = middle
    return np.array(entries(low))


@right("17.1")
def by_torch(x, alpha):
    """torch in float64, with the bracket of the entmax package."""
    z = torch.tensor(x, dtype=torch.float64) * 1.0
    z = (z - z.max()) * (alpha - 1)
    n = len(z)
    low = torch.tensor(-1.0, dtype=torch.float64)
    width = 1.0 - (1.0 / n) ** (alpha - 1)
    for _ in range(60):
        width /= 2
        middle = low + width
        if torch.clamp(z - middle, min=0).pow(1 / (alpha - 1)).sum() >= 1:
            low = middle
    p = torch.clamp(z - low, min=0).pow(1 / (alpha - 1))
    return (p / p.sum()).numpy()


@right("17.1")
def by_support(x, alpha):
    """Sort, find the size of the support first, then the threshold within it."""
    z = np.sort((alpha - 1) * (x - x.max()))[::-1]
    power = 1 / (alpha - 1)
    size = 1
    while size < len(z) and np.sum((z[:size] - z[size]) ** power) < 1:
        size += 1
    low, high = -1.0, z[size - 1]
    for _ in range(90):
        t = (low + high) / 2
        if np.sum(np.maximum(z[:size] - t, 0) ** power) > 1:
            low = t
        else:
            high = t
    return np.maximum((alpha - 1) * (x - x.max()) - low, 0) ** power


@right("17.1")
def around_the_maximum(x, alpha):
    """The threshold sought without a shift of the row: between the top's 1 and the top itself."""
    gap = (np.max(x) - x) * (alpha - 1)
    low, high = 0.0, 1.0
    for _ in range(100):
        u = (low + high) / 2
        total = sum((u - g) ** (1 / (alpha - 1)) for g in gap if g < u)
        low, high = (u, high) if total < 1 else (low, u)
    return np.where(gap < high, np.abs(high - gap) ** (1 / (alpha - 1)), 0.0)


@wrong("17.1")
def unscaled_logits(x, alpha):
    """alpha - 1 is missing in front of x."""
    z = x - x.max()
    t = brentq(lambda t: np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) - 1, -1.5, 0)
    return np.maximum(z - t, 0) ** (1 / (alpha - 1))


@wrong("17.1")
def scaled_by_alpha(x, alpha):
    """alpha in front of x instead of alpha - 1."""
    z = alpha * (x - x.max())
    t = brentq(lambda t: np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) - 1, -1.5, 0)
    return np.maximum(z - t, 0) ** (1 / (alpha - 1))


@wrong("17.1")
def exponent_not_inverted(x, alpha):
    """The power alpha - 1."""
    z = (alpha - 1) * (x - x.max())
    t = brentq(lambda t: np.sum(np.maximum(z - t, 0) ** (alpha - 1)) - 1, -1.5, 0)
    return np.maximum(z - t, 0) ** (alpha - 1)


@wrong("17.1")
def exponent_one_over_alpha(x, alpha):
    """The power 1 / alpha."""
    z = (alpha - 1) * (x - x.max())
    t = brentq(lambda t: np.sum(np.maximum(z - t, 0) ** (1 / alpha)) - 1, -1.5, 0)
    return np.maximum(z - t, 0) ** (1 / alpha)


@wrong("17.1")
def power_left_out_at_the_end(x, alpha):
    """The right t, but the entries are not raised to the power; divided by their sum."""
    z = (alpha - 1) * (x - x.max())
    t = brentq(lambda t: np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) - 1, -1.5, 0)
    p = np.maximum(z - t, 0)
    return p / p.sum()


@wrong("17.1")
def sparsemax_instead(x, alpha):
    """alpha is not looked at: sparsemax."""
    return kernels.sparsemax(x)


@wrong("17.1")
def sparsemax_of_the_scaled(x, alpha):
    """sparsemax of (alpha - 1) x."""
    return kernels.sparsemax((alpha - 1) * x)


@wrong("17.1")
def softmax_instead(x, alpha):
    """An ordinary softmax."""
    return softmax(x)


@wrong("17.1")
def softmax_with_temperature(x, alpha):
    """alpha taken for a temperature."""
    return softmax(x / alpha)


@wrong("17.1")
def sharpened_softmax(x, alpha):
    """softmax to the power alpha, normalised."""
    return softmax(alpha * x)


@wrong("17.1")
def between_softmax_and_sparsemax(x, alpha):
    """A straight line between alpha = 1 and alpha = 2."""
    return (2 - alpha) * softmax(x) + (alpha - 1) * kernels.sparsemax(x)


@wrong("17.1")
def alpha_of_one_and_a_half(x, alpha):
    """entmax15, whatever alpha is."""
    return _entmax(x, 1.5)


@wrong("17.1")
def twenty_steps(x, alpha):
    """Twenty halvings, no division: right to six digits."""
    return _entmax(x, alpha, steps=20)


@wrong("17.1")
def twenty_steps_divided(x, alpha):
    """Twenty halvings, then a sum of exactly 1."""
    p = _entmax(x, alpha, steps=20)
    return p / p.sum()


@wrong("17.1")
def from_the_smallest_logit(x, alpha):
    """The bracket goes from the least to the largest entry: t lies below it if all are positive."""
    z = (alpha - 1) * (x - x.max())
    low, high = z.min(), z.max()
    for _ in range(80):
        t = (low + high) / 2
        if np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) > 1:
            low = t
        else:
            high = t
    return np.maximum(z - low, 0) ** (1 / (alpha - 1))


@wrong("17.1")
def bracket_without_a_shift(x, alpha):
    """t sought in [-1, 0] although x is not shifted."""
    z = (alpha - 1) * x
    low, high = -1.0, 0.0
    for _ in range(80):
        t = (low + high) / 2
        if np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) > 1:
            low = t
        else:
            high = t
    p = np.maximum(z - low, 0) ** (1 / (alpha - 1))
    return p / p.sum()


@wrong("17.1")
def wide_fixed_bracket(x, alpha):
    """t sought in [-100, 100], unshifted: enough for small logits only."""
    z = (alpha - 1) * x
    low, high = -100.0, 100.0
    for _ in range(100):
        t = (low + high) / 2
        if np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) > 1:
            low = t
        else:
            high = t
    p = np.maximum(z - low, 0) ** (1 / (alpha - 1))
    return p / p.sum()


@wrong("17.1")
def absolute_value(x, alpha):
    """abs for the clipping: what lies below the threshold comes back."""
    z = (alpha - 1) * (x - x.max())
    low, high = -1.0, 0.0
    for _ in range(80):
        t = (low + high) / 2
        if np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) > 1:
            low = t
        else:
            high = t
    return np.abs(z - low) ** (1 / (alpha - 1))


@wrong("17.1")
def clipped_after_the_power(x, alpha):
    """The power first, of negative numbers too, then the clipping."""
    z = (alpha - 1) * (x - x.max())
    low, high = -1.0, 0.0
    for _ in range(80):
        t = (low + high) / 2
        if np.sum(np.maximum((z - t) ** (1 / (alpha - 1)), 0)) > 1:
            low = t
        else:
            high = t
    return np.maximum((z - low) ** (1 / (alpha - 1)), 0)


@wrong("17.1")
def divided_instead_of_a_threshold(x, alpha):
    """t = -1 for every row and a division by the sum."""
    p = np.maximum((alpha - 1) * (x - x.max()) + 1, 0) ** (1 / (alpha - 1))
    return p / p.sum()


@wrong("17.1")
def small_number_for_zero(x, alpha):
    """1e-10 where the statement wants exact zeros."""
    return np.maximum(_entmax(x, alpha), 1e-10)


@wrong("17.1")
def softmax_cut_off(x, alpha):
    """A softmax whose small entries are dropped."""
    p = softmax(x)
    p = np.where(p < 0.05 * alpha, 0, p)
    return p / p.sum()


@wrong("17.1")
def in_single_precision(x, alpha):
    """float32 on the way."""
    return _entmax(x.astype(np.float32), alpha).astype(np.float32)


@wrong("17.1")
def shifted_in_place(x, alpha):
    """Changes the caller's row."""
    x -= x.max()
    return _entmax(x, alpha)


@wrong("17.1")
def the_threshold(x, alpha):
    """Returns t."""
    z = (alpha - 1) * (x - x.max())
    return brentq(lambda t: np.sum(np.maximum(z - t, 0) ** (1 / (alpha - 1))) - 1, -1.5, 0)


# 17.2 sparsemax_loss(x, label)


@right("17.2")
def differences_first(x, label):
    """Differences to the true logit before the product."""
    p = kernels.sparsemax(x)
    return float(p @ (x - x[label]) - p @ p / 2 + 0.5)


@right("17.2")
def loop_of_sparsemax(x, label):
    """The sparsemax written out, in Python floats."""
    top = max(x)
    z = [float(v - top) for v in x]
    total = 0.0
    for k, value in enumerate(sorted(z, reverse=True), start=1):
        if 1 + k * value <= total + value:
            break
        total += value
        tau = (total - 1) / k
    loss = 0.5
    for v in z:
        p = max(v - tau, 0.0)
        loss += p * (v - z[label]) - p * p / 2
    return max(loss, 0.0)


@right("17.2")
def in_fractions(x, label):
    """Exact rational arithmetic throughout."""
    z = [Fraction(float(v)) for v in x]
    ordered = sorted(z, reverse=True)
    tau = max((sum(ordered[:k]) - 1) / k for k in range(1, len(z) + 1))
    p = [max(v - tau, Fraction(0)) for v in z]
    return float(
        sum(a * b for a, b in zip(p, z, strict=True))
        - sum(a * a for a in p) / 2
        + Fraction(1, 2)
        - z[label]
    )


@right("17.2")
def over_the_support(x, label):
    """Martins and Astudillo's form, of the shifted row."""
    z = x - np.max(x)
    p = kernels.sparsemax(z)
    support = p > 0
    tau = (z[support].sum() - 1) / support.sum()
    return 0.5 * np.sum(z[support] ** 2 - tau**2) + 0.5 - z[label]


@right("17.2")
def by_torch_sort(x, label):
    """torch: sort, cumsum, threshold."""
    z = torch.as_tensor(np.array(x), dtype=torch.float64)
    z = z - z.max()
    ordered, _ = torch.sort(z, descending=True)
    k = torch.arange(1, len(z) + 1, dtype=torch.float64)
    tau = ((ordered.cumsum(0) - 1) / k).max()
    p = (z - tau).clamp(min=0)
    return (p * (z - z[label]) - p**2 / 2).sum().item() + 0.5


@wrong("17.2")
def minus_log(x, label):
    """Cross-entropy of sparsemax: infinite at a zero."""
    return -np.log(kernels.sparsemax(x)[label])


@wrong("17.2")
def minus_log_with_eps(x, label):
    """The same with 1e-12 in the log."""
    return -np.log(kernels.sparsemax(x)[label] + 1e-12)


@wrong("17.2")
def softmax_loss(x, label):
    """The loss of softmax."""
    return logsumexp(x) - x[label]


@wrong("17.2")
def as_written(x, label):
    """The formula as it stands: its terms of 1e12 lose the digits."""
    p = kernels.sparsemax(x)
    return p @ x - p @ p / 2 + 0.5 - x[label]


@wrong("17.2")
def as_written_fsum(x, label):
    """A careful sum of products that are rounded already."""
    p = kernels.sparsemax(x)
    return math.fsum([*(p * x), *(-p * p / 2), 0.5, -x[label]])


@wrong("17.2")
def shifted_by_the_mean(x, label):
    """x_y from the row as given, the rest from the shifted row."""
    z = x - x.max()
    p = kernels.sparsemax(z)
    return p @ z - p @ p / 2 + 0.5 - x[label]


@wrong("17.2")
def support_unshifted(x, label):
    """The support's squares of logits near 1e12."""
    p = kernels.sparsemax(x)
    support = p > 0
    tau = (x[support].sum() - 1) / support.sum()
    return 0.5 * np.sum(x[support] ** 2 - tau**2) + 0.5 - x[label]


@wrong("17.2")
def squares_of_distances(x, label):
    """Half |y - x|² less half |p - x|², unshifted."""
    p = kernels.sparsemax(x)
    one_hot = np.eye(len(x))[label]
    return 0.5 * np.sum((one_hot - x) ** 2) - 0.5 * np.sum((p - x) ** 2)


@wrong("17.2")
def half_forgotten(x, label):
    """The whole |p|² instead of half of it."""
    p = kernels.sparsemax(x)
    return p @ (x - x[label]) - p @ p + 0.5


@wrong("17.2")
def half_forgotten_twice(x, label):
    """1 - |p|² instead of its half."""
    p = kernels.sparsemax(x)
    return p @ (x - x[label]) + 1 - p @ p


@wrong("17.2")
def constant_forgotten(x, label):
    """Without + 1/2."""
    p = kernels.sparsemax(x)
    return p @ (x - x[label]) - p @ p / 2


@wrong("17.2")
def norm_for_its_square(x, label):
    """np.linalg.norm, not squared."""
    p = kernels.sparsemax(x)
    return p @ (x - x[label]) - np.linalg.norm(p) / 2 + 0.5


@wrong("17.2")
def plus_the_squares(x, label):
    """+ |p|²/2."""
    p = kernels.sparsemax(x)
    return p @ (x - x[label]) + p @ p / 2 + 0.5


@wrong("17.2")
def no_regulariser(x, label):
    """p·x - x_y alone."""
    p = kernels.sparsemax(x)
    return p @ (x - x[label])


@wrong("17.2")
def best_logit(x, label):
    """The largest logit for p·x."""
    p = kernels.sparsemax(x)
    return x.max() - x[label] - p @ p / 2 + 0.5


@wrong("17.2")
def softmax_for_p(x, label):
    """p from a softmax."""
    p = softmax(x)
    return p @ (x - x[label]) - p @ p / 2 + 0.5


@wrong("17.2")
def probability_for_logit(x, label):
    """p_y taken for x_y."""
    z = x - x.max()
    p = kernels.sparsemax(z)
    return p @ z - p @ p / 2 + 0.5 - p[label]


@wrong("17.2")
def squared_error(x, label):
    """The squared distance of p from the one-hot."""
    return np.sum((kernels.sparsemax(x) - np.eye(len(x))[label]) ** 2)


@wrong("17.2")
def half_squared_error(x, label):
    """Half the squared distance of p from the one-hot."""
    return np.sum((kernels.sparsemax(x) - np.eye(len(x))[label]) ** 2) / 2


@wrong("17.2")
def missing_probability(x, label):
    """1 - p_y."""
    return 1 - kernels.sparsemax(x)[label]


@wrong("17.2")
def margin(x, label):
    """A hinge of margin 1."""
    rivals = np.delete(x, label)
    return max(0.0, 1 + rivals.max(initial=-np.inf) - x[label])


@wrong("17.2")
def negative(x, label):
    """The sign turned."""
    p = kernels.sparsemax(x)
    return -(p @ (x - x[label]) - p @ p / 2 + 0.5)


@wrong("17.2")
def gradient(x, label):
    """The gradient, p less the one-hot."""
    return kernels.sparsemax(x) - np.eye(len(x))[label]


@wrong("17.2")
def zero_if_best(x, label):
    """0 as soon as the true class has the largest logit."""
    p = kernels.sparsemax(x)
    return 0.0 if np.argmax(x) == label else p @ (x - x[label]) - p @ p / 2 + 0.5


@wrong("17.2")
def class_from_one(x, label):
    """Classes counted from 1."""
    p = kernels.sparsemax(x)
    return p @ (x - x[label - 1]) - p @ p / 2 + 0.5


# 17.3 multilabel_loss(logits, targets)


@right("17.3")
def softplus_of_signed(logits, targets):
    """log(1 + e^-s) with s = x or -x."""
    return np.logaddexp(0, np.where(targets == 1, -logits, logits)).mean()


@right("17.3")
def by_log_expit(logits, targets):
    """scipy's log of the sigmoid, on either side."""
    return float(-np.mean(targets * log_expit(logits) + (1 - targets) * log_expit(-logits)))


@right("17.3")
def as_in_tensorflow(logits, targets):
    """max(x, 0) - x t + log1p(e^-|x|)."""
    costs = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return costs.sum() / logits.size


@right("17.3")
def two_loops(logits, targets):
    """Entry by entry, with math."""
    costs = []
    for row, wanted in zip(logits, targets, strict=True):
        for value, target in zip(row, wanted, strict=True):
            s = float(value) if target else -float(value)
            if s >= 0:
                costs.append(math.log1p(math.exp(-s)))
            else:
                costs.append(-s + math.log1p(math.exp(s)))
    return math.fsum(costs) / len(costs)


@right("17.3")
def by_logsigmoid(logits, targets):
    """torch's logsigmoid of the signed logit."""
    sign = 2 * torch.from_numpy(targets.copy()) - 1
    return -torch.nn.functional.logsigmoid(sign * torch.from_numpy(logits.copy())).mean().item()


@right("17.3")
def two_class_softmax(logits, targets):
    """A softmax over (x, 0) for each entry."""
    pairs = np.stack([logits, np.zeros_like(logits)])
    shifted = pairs - pairs.max(axis=0)
    lowest = shifted.min(axis=0)
    log_z = np.log1p(np.exp(lowest))
    chosen = np.where(targets == 1, shifted[0], shifted[1])
    return np.mean(log_z - chosen)


@wrong("17.3")
def one_softmax(logits, targets):
    """Softmax cross-entropy with several ones."""
    return -(targets * log_softmax(logits, axis=1)).sum(axis=1).mean()


@wrong("17.3")
def spread_targets(logits, targets):
    """Softmax cross-entropy with the ones shared out to a sum of 1."""
    shares = targets / np.maximum(targets.sum(axis=1, keepdims=True), 1)
    return -(shares * log_softmax(logits, axis=1)).sum(axis=1).mean()


@wrong("17.3")
def yes_or_no_of_softmax(logits, targets):
    """Binary cross-entropy of a softmax's entries."""
    p = softmax(logits, axis=1)
    return -np.mean(np.where(targets == 1, np.log(p), np.log1p(-p)))


@wrong("17.3")
def logs_of_expit(logits, targets):
    """log sigmoid and log(1 - sigmoid), as written, the unused branch left out."""
    p = expit(logits)
    return -np.mean(np.log(np.where(targets == 1, p, 1 - p)))


@wrong("17.3")
def logs_of_expit_both_sides(logits, targets):
    """Log of the sigmoid of the signed logit: 1 rounds away the small losses."""
    return -np.mean(np.log(expit(np.where(targets == 1, logits, -logits))))


@wrong("17.3")
def products_of_logs(logits, targets):
    """t log p + (1 - t) log(1 - p): 0 times -inf."""
    p = expit(logits)
    return -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))


@wrong("17.3")
def with_eps(logits, targets):
    """1e-7 in the logs."""
    p = expit(logits)
    return -np.mean(targets * np.log(p + 1e-7) + (1 - targets) * np.log(1 - p + 1e-7))


@wrong("17.3")
def clipped_probabilities(logits, targets):
    """Probabilities kept in [1e-15, 1 - 1e-15], as in scikit-learn."""
    p = np.clip(expit(logits), 1e-15, 1 - 1e-15)
    return -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))


@wrong("17.3")
def clamped_logs(logits, targets):
    """Logs not below -100, as in torch's BCELoss."""
    p = expit(logits)
    yes, no = np.maximum(np.log(p), -100), np.maximum(np.log(1 - p), -100)
    return -np.mean(targets * yes + (1 - targets) * no)


@wrong("17.3")
def clipped_logits(logits, targets):
    """Logits kept in [-50, 50]."""
    x = np.clip(logits, -50, 50)
    return np.logaddexp(0, np.where(targets == 1, -x, x)).mean()


@wrong("17.3")
def log_of_one_plus(logits, targets):
    """log(1 + e^-s), no log1p and no shift."""
    s = np.where(targets == 1, logits, -logits)
    return np.mean(np.log(1 + np.exp(-s)))


@wrong("17.3")
def log1p_without_a_shift(logits, targets):
    """log1p(e^-s): overflows at s = -1000."""
    s = np.where(targets == 1, logits, -logits)
    return np.mean(np.log1p(np.exp(-s)))


@wrong("17.3")
def shifted_but_no_log1p(logits, targets):
    """The known form with log(1 + .)."""
    return np.mean(np.maximum(logits, 0) - logits * targets + np.log(1 + np.exp(-np.abs(logits))))


@wrong("17.3")
def small_terms_cancel(logits, targets):
    """log(1 + e^x) - t x: the small loss of a large x is a difference of large numbers."""
    return np.mean(np.logaddexp(0, logits) - targets * logits)


@wrong("17.3")
def total(logits, targets):
    """The sum."""
    return np.logaddexp(0, np.where(targets == 1, -logits, logits)).sum()


@wrong("17.3")
def sum_over_the_labels(logits, targets):
    """Summed over K, averaged over N."""
    return np.logaddexp(0, np.where(targets == 1, -logits, logits)).sum(axis=1).mean()


@wrong("17.3")
def sum_over_the_rows(logits, targets):
    """Summed over N, averaged over K."""
    return np.logaddexp(0, np.where(targets == 1, -logits, logits)).sum(axis=0).mean()


@wrong("17.3")
def one_number_a_row(logits, targets):
    """N numbers."""
    return np.logaddexp(0, np.where(targets == 1, -logits, logits)).mean(axis=1)


@wrong("17.3")
def ones_only(logits, targets):
    """The zeros cost nothing."""
    return np.mean(targets * np.logaddexp(0, -logits))


@wrong("17.3")
def mean_of_the_ones(logits, targets):
    """The mean over the ones alone."""
    return np.sum(targets * np.logaddexp(0, -logits)) / max(targets.sum(), 1)


@wrong("17.3")
def signs_swapped(logits, targets):
    """Ones and zeros exchanged."""
    return np.logaddexp(0, np.where(targets == 1, logits, -logits)).mean()


@wrong("17.3")
def sigmoid_of_sigmoid(logits, targets):
    """Probabilities handed to a function of logits."""
    x = expit(logits)
    return np.logaddexp(0, np.where(targets == 1, -x, x)).mean()


@wrong("17.3")
def sign_forgotten(logits, targets):
    """Without the minus."""
    return np.mean(log_expit(np.where(targets == 1, logits, -logits)))


@wrong("17.3")
def squared_differences(logits, targets):
    """The Brier score."""
    return np.mean((expit(logits) - targets) ** 2)


@wrong("17.3")
def in_bits(logits, targets):
    """The logarithm to base 2."""
    return np.logaddexp(0, np.where(targets == 1, -logits, logits)).mean() / np.log(2)


@wrong("17.3")
def ready_made(logits, targets):
    """torch's own loss, which the statement rules out."""
    return torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(logits), torch.tensor(targets)
    ).item()


@wrong("17.3")
def balanced(logits, targets):
    """Ones and zeros weighted to equal shares."""
    costs = np.logaddexp(0, np.where(targets == 1, -logits, logits))
    share = targets.mean()
    return np.mean(np.where(targets == 1, 1 - share, share) * costs) * 2


# 17.4 sampled_loss(x_y, x_s, log_q)


@right("17.4")
def one_log_sum_exp(x_y, x_s, log_q):
    """All summands in one row."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y, x_s - log_q - np.log(m)]), axis=1) - x_y


@right("17.4")
def reduced(x_y, x_s, log_q):
    """np.logaddexp over the sample, then with the target."""
    rest = np.logaddexp.reduce(x_s - log_q, axis=1) - math.log(x_s.shape[1])
    return np.logaddexp(x_y, rest) - x_y


@right("17.4")
def differences_to_the_target(x_y, x_s, log_q):
    """log1p of a mean of ratios, the largest taken out."""
    gaps = x_s - log_q - x_y[:, None]
    top = np.maximum(gaps.max(axis=1), 0)
    mean = np.exp(gaps - top[:, None]).mean(axis=1)
    return top + np.log(np.exp(-top) + mean)


@right("17.4")
def rows_in_a_loop(x_y, x_s, log_q):
    """Row by row, in Python floats."""
    losses = []
    for target, sample, logs in zip(x_y, x_s, log_q, strict=True):
        terms = [float(a - b) - math.log(len(sample)) for a, b in zip(sample, logs, strict=True)]
        terms.append(float(target))
        top = max(terms)
        losses.append(top - float(target) + math.log(math.fsum(math.exp(t - top) for t in terms)))
    return np.array(losses)


@right("17.4")
def by_cross_entropy(x_y, x_s, log_q):
    """torch's cross-entropy of class 0 among the corrected logits."""
    corrected = np.concatenate([x_y[:, np.newaxis], x_s - log_q - np.log(x_s.shape[1])], axis=1)
    target = torch.zeros(len(x_y), dtype=torch.long)
    loss = torch.nn.functional.cross_entropy(torch.tensor(corrected), target, reduction="none")
    return loss.numpy()


@right("17.4")
def with_weights(x_y, x_s, log_q):
    """Weights in scipy's logsumexp, q as it is."""
    x = np.hstack([x_y[:, None], x_s])
    b = np.hstack([np.ones((len(x_y), 1)), np.exp(-log_q) / x_s.shape[1]])
    return logsumexp(x, axis=1, b=b) - x_y


@wrong("17.4")
def uncorrected(x_y, x_s, log_q):
    """A softmax over target and sample: neither q nor m."""
    return logsumexp(np.column_stack([x_y, x_s]), axis=1) - x_y


@wrong("17.4")
def q_forgotten(x_y, x_s, log_q):
    """1/m without 1/q."""
    return logsumexp(np.column_stack([x_y, x_s - np.log(x_s.shape[1])]), axis=1) - x_y


@wrong("17.4")
def m_forgotten(x_y, x_s, log_q):
    """1/q without 1/m."""
    return logsumexp(np.column_stack([x_y, x_s - log_q]), axis=1) - x_y


@wrong("17.4")
def q_added(x_y, x_s, log_q):
    """log q added."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y, x_s + log_q - np.log(m)]), axis=1) - x_y


@wrong("17.4")
def m_added(x_y, x_s, log_q):
    """log m added."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y, x_s - log_q + np.log(m)]), axis=1) - x_y


@wrong("17.4")
def log_taken_again(x_y, x_s, log_q):
    """log q taken for q: its size in a logarithm."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y, x_s - np.log(-log_q) - np.log(m)]), axis=1) - x_y


@wrong("17.4")
def q_subtracted(x_y, x_s, log_q):
    """q itself subtracted from the logits."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y, x_s - np.exp(log_q) - np.log(m)]), axis=1) - x_y


@wrong("17.4")
def rows_for_m(x_y, x_s, log_q):
    """The number of rows for m."""
    m = len(x_s)
    return logsumexp(np.column_stack([x_y, x_s - log_q - np.log(m)]), axis=1) - x_y


@wrong("17.4")
def all_entries_for_m(x_y, x_s, log_q):
    """x_s.size for m."""
    return logsumexp(np.column_stack([x_y, x_s - log_q - np.log(x_s.size)]), axis=1) - x_y


@wrong("17.4")
def target_counted_in_m(x_y, x_s, log_q):
    """m + 1 for m."""
    m = x_s.shape[1] + 1
    return logsumexp(np.column_stack([x_y, x_s - log_q - np.log(m)]), axis=1) - x_y


@wrong("17.4")
def target_in_the_mean(x_y, x_s, log_q):
    """The mean over all m + 1, the target among them."""
    m = x_s.shape[1] + 1
    return logsumexp(np.column_stack([x_y, x_s - log_q]), axis=1) - np.log(m) - x_y


@wrong("17.4")
def target_missing(x_y, x_s, log_q):
    """The target is not in its own sum."""
    return logsumexp(x_s - log_q, axis=1) - np.log(x_s.shape[1]) - x_y


@wrong("17.4")
def target_two_times(x_y, x_s, log_q):
    """The target twice in the sum."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y, x_y, x_s - log_q - np.log(m)]), axis=1) - x_y


@wrong("17.4")
def weights_to_one(x_y, x_s, log_q):
    """The weights 1/q divided by their sum, as in self-normalised importance sampling."""
    weights = log_softmax(-log_q, axis=1)
    return logsumexp(np.column_stack([x_y, x_s + weights]), axis=1) - x_y


@wrong("17.4")
def mean_of_logs(x_y, x_s, log_q):
    """The mean before the exp."""
    return np.logaddexp(x_y, np.mean(x_s - log_q, axis=1)) - x_y


@wrong("17.4")
def largest_only(x_y, x_s, log_q):
    """The maximum for the sum."""
    m = x_s.shape[1]
    return np.column_stack([x_y, x_s - log_q - np.log(m)]).max(axis=1) - x_y


@wrong("17.4")
def averaged(x_y, x_s, log_q):
    """One number."""
    m = x_s.shape[1]
    return np.mean(logsumexp(np.column_stack([x_y, x_s - log_q - np.log(m)]), axis=1) - x_y)


@wrong("17.4")
def log_z(x_y, x_s, log_q):
    """log Z alone."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y, x_s - log_q - np.log(m)]), axis=1)


@wrong("17.4")
def other_sign(x_y, x_s, log_q):
    """x_y - log Z."""
    m = x_s.shape[1]
    return x_y - logsumexp(np.column_stack([x_y, x_s - log_q - np.log(m)]), axis=1)


@wrong("17.4")
def no_shift(x_y, x_s, log_q):
    """The formula as written."""
    z = np.exp(x_y) + np.mean(np.exp(x_s) / np.exp(log_q), axis=1)
    return np.log(z) - x_y


@wrong("17.4")
def ratio_without_a_shift(x_y, x_s, log_q):
    """log1p of the mean ratio: good for a large target, not for a large sample."""
    return np.log1p(np.mean(np.exp(x_s - x_y[:, None] - log_q), axis=1))


@wrong("17.4")
def shifted_by_the_target_row(x_y, x_s, log_q):
    """One shift for the whole batch: a row far below the top underflows."""
    m = x_s.shape[1]
    x = np.column_stack([x_y, x_s - log_q - np.log(m)])
    top = x.max()
    return top + np.log(np.exp(x - top).sum(axis=1)) - x_y


@wrong("17.4")
def shift_not_put_back(x_y, x_s, log_q):
    """The maximum is subtracted and not added again."""
    m = x_s.shape[1]
    x = np.column_stack([x_y, x_s - log_q - np.log(m)])
    return np.log(np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1)) - x_y


@wrong("17.4")
def duplicates_dropped(x_y, x_s, log_q):
    """A logit that was drawn twice is counted once."""
    losses = []
    for target, sample, logs in zip(x_y, x_s, log_q, strict=True):
        pairs = np.unique(np.column_stack([sample, logs]), axis=0)
        rest = logsumexp(pairs[:, 0] - pairs[:, 1]) - np.log(len(pairs))
        losses.append(np.logaddexp(target, rest) - target)
    return np.array(losses)


@wrong("17.4")
def target_corrected_as_well(x_y, x_s, log_q):
    """The target weighted by 1/m like the sample."""
    m = x_s.shape[1]
    return logsumexp(np.column_stack([x_y - np.log(m), x_s - log_q - np.log(m)]), axis=1) - x_y


@wrong("17.4")
def changed_in_place(x_y, x_s, log_q):
    """Subtracts within the caller's array."""
    x_s -= log_q
    return logsumexp(np.column_stack([x_y, x_s - np.log(x_s.shape[1])]), axis=1) - x_y


# 17.5 in_batch_loss(scores, log_q)


@right("17.5")
def diagonal_of_log_softmax(scores, log_q):
    """scipy's log_softmax, the diagonal of it."""
    return -np.diag(log_softmax(scores - log_q, axis=1)).mean()


@right("17.5")
def trace(scores, log_q):
    """The trace over B."""
    s = scores - log_q[None, :]
    return (logsumexp(s, axis=1).sum() - np.trace(s)) / len(s)


@right("17.5")
def cross_entropy_of_arange(scores, log_q):
    """torch's cross-entropy with the labels 0 ... B - 1."""
    s = torch.tensor(scores) - torch.tensor(log_q)
    return torch.nn.functional.cross_entropy(s, torch.arange(len(s))).item()


@right("17.5")
def query_by_query(scores, log_q):
    """Loops and floats."""
    losses = []
    for i, row in enumerate(scores.tolist()):
        corrected = [score - lq for score, lq in zip(row, log_q.tolist(), strict=True)]
        top = max(corrected)
        z = math.fsum(math.exp(c - top) for c in corrected)
        losses.append(top - corrected[i] + math.log(z))
    return sum(losses) / len(losses)


@right("17.5")
def differences_to_own(scores, log_q):
    """log-sum-exp of the differences to the own item."""
    s = scores - log_q
    gaps = s - np.diagonal(s)[:, None]
    return float(np.logaddexp.reduce(gaps, axis=1).mean())


@right("17.5")
def columns_turned(scores, log_q):
    """The same on the transpose, corrected by rows."""
    s = (scores.T - log_q[:, None]).T
    s = s - s.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(s)), np.arange(len(s))])


@wrong("17.5")
def added(scores, log_q):
    """log q added."""
    return -np.diag(log_softmax(scores + log_q, axis=1)).mean()


@wrong("17.5")
def left_out(scores, log_q):
    """No correction."""
    return -np.diag(log_softmax(scores, axis=1)).mean()


@wrong("17.5")
def by_query(scores, log_q):
    """log q of the row's item: softmax does not see it."""
    return -np.diag(log_softmax(scores - log_q[:, None], axis=1)).mean()


@wrong("17.5")
def rivals_only(scores, log_q):
    """Corrected off the diagonal alone."""
    s = np.where(np.eye(len(scores), dtype=bool), scores, scores - log_q)
    return -np.diag(log_softmax(s, axis=1)).mean()


@wrong("17.5")
def own_item_only(scores, log_q):
    """Corrected on the diagonal alone."""
    return -np.diag(log_softmax(scores - np.diag(log_q), axis=1)).mean()


@wrong("17.5")
def sum_corrected_numerator_not(scores, log_q):
    """log Z of the corrected scores, the own score uncorrected."""
    return np.mean(logsumexp(scores - log_q, axis=1) - np.diag(scores))


@wrong("17.5")
def numerator_corrected_sum_not(scores, log_q):
    """The own score corrected, log Z not."""
    return np.mean(logsumexp(scores, axis=1) - np.diag(scores) + log_q)


@wrong("17.5")
def own_item_left_out_of_the_sum(scores, log_q):
    """The sum runs over the others."""
    s = scores - log_q
    others = np.where(np.eye(len(s), dtype=bool), -np.inf, s)
    return np.mean(logsumexp(others, axis=1) - np.diag(s))


@wrong("17.5")
def over_the_queries(scores, log_q):
    """Softmax down the columns."""
    return -np.diag(log_softmax(scores - log_q, axis=0)).mean()


@wrong("17.5")
def both_directions(scores, log_q):
    """CLIP's mean of both directions."""
    s = scores - log_q
    rows, columns = log_softmax(s, axis=1), log_softmax(s, axis=0)
    return -(np.diag(rows).mean() + np.diag(columns).mean()) / 2


@wrong("17.5")
def probabilities_subtracted(scores, log_q):
    """q instead of log q."""
    return -np.diag(log_softmax(scores - np.exp(log_q), axis=1)).mean()


@wrong("17.5")
def divided_by_q(scores, log_q):
    """The scores divided by q."""
    return -np.diag(log_softmax(scores / np.exp(log_q), axis=1)).mean()


@wrong("17.5")
def divided_by_log_q(scores, log_q):
    """The scores divided by log q."""
    return -np.diag(log_softmax(scores / log_q, axis=1)).mean()


@wrong("17.5")
def times_q(scores, log_q):
    """The scores times q."""
    return -np.diag(log_softmax(scores * np.exp(log_q), axis=1)).mean()


@wrong("17.5")
def weighted_by_q(scores, log_q):
    """Uncorrected losses, weighted by 1/q."""
    losses = -np.diag(log_softmax(scores, axis=1))
    return np.mean(losses / np.exp(log_q))


@wrong("17.5")
def two_times(scores, log_q):
    """Corrected twice."""
    return -np.diag(log_softmax(scores - 2 * log_q, axis=1)).mean()


@wrong("17.5")
def half_the_correction(scores, log_q):
    """log of the root of q."""
    return -np.diag(log_softmax(scores - log_q / 2, axis=1)).mean()


@wrong("17.5")
def duplicates_masked(scores, log_q):
    """Columns that equal the own item's are masked."""
    s = scores - log_q
    same = np.all(s[:, :, None] == s[:, None, :], axis=0) & ~np.eye(len(s), dtype=bool)
    return -np.diag(log_softmax(np.where(same, -np.inf, s), axis=1)).mean()


@wrong("17.5")
def ties_masked(scores, log_q):
    """Every other column with the own item's score is masked."""
    s = scores - log_q
    ties = (scores == np.diag(scores)[:, None]) & ~np.eye(len(s), dtype=bool)
    return -np.diag(log_softmax(np.where(ties, -1e9, s), axis=1)).mean()


@wrong("17.5")
def label_always_0(scores, log_q):
    """Column 0 is everyone's own item."""
    return -log_softmax(scores - log_q, axis=1)[:, 0].mean()


@wrong("17.5")
def best_column(scores, log_q):
    """The largest score for the own."""
    return -log_softmax(scores - log_q, axis=1).max(axis=1).mean()


@wrong("17.5")
def all_summed(scores, log_q):
    """The sum over the queries."""
    return -np.trace(log_softmax(scores - log_q, axis=1))


@wrong("17.5")
def over_all_entries(scores, log_q):
    """The mean of one-hot times log p over B x B entries."""
    return -np.mean(np.eye(len(scores)) * log_softmax(scores - log_q, axis=1))


@wrong("17.5")
def every_entry(scores, log_q):
    """The mean of all the log-probabilities."""
    return -np.mean(log_softmax(scores - log_q, axis=1))


@wrong("17.5")
def one_for_each_query(scores, log_q):
    """B numbers."""
    return -np.diag(log_softmax(scores - log_q, axis=1))


@wrong("17.5")
def log_b_taken_off(scores, log_q):
    """log B subtracted, for a bound on the mutual information."""
    return -np.diag(log_softmax(scores - log_q, axis=1)).mean() - np.log(len(scores))


@wrong("17.5")
def mean_in_the_sum(scores, log_q):
    """log-mean-exp... of the others, with the own item."""
    s = scores - log_q
    z = logsumexp(s, axis=1, b=np.where(np.eye(len(s), dtype=bool), 1, 1 / len(s)))
    return np.mean(z - np.diag(s))


@wrong("17.5")
def exp_as_written(scores, log_q):
    """No shift."""
    e = np.exp(scores - log_q)
    return -np.mean(np.log(np.diag(e) / e.sum(axis=1)))


@wrong("17.5")
def softmax_then_log(scores, log_q):
    """A safe softmax and its log: -inf where a probability underflows."""
    return -np.mean(np.log(np.diag(softmax(scores - log_q, axis=1))))


@wrong("17.5")
def shifted_by_the_largest_of_all(scores, log_q):
    """One shift for all rows."""
    s = scores - log_q
    s = s - s.max()
    return np.mean(np.log(np.exp(s).sum(axis=1)) - np.diag(s))


@wrong("17.5")
def eps_in_the_log(scores, log_q):
    """1e-8 in the log."""
    return -np.mean(np.log(np.diag(softmax(scores - log_q, axis=1)) + 1e-8))


@wrong("17.5")
def plus_sign(scores, log_q):
    """The mean log-probability."""
    return np.diag(log_softmax(scores - log_q, axis=1)).mean()


@wrong("17.5")
def sigmoid_pairs(scores, log_q):
    """SigLIP's pairwise sigmoid."""
    sign = 2 * np.eye(len(scores)) - 1
    return np.mean(np.logaddexp(0, -sign * (scores - log_q)).sum(axis=1))


@wrong("17.5")
def written_into_scores(scores, log_q):
    """Subtracts within the caller's array."""
    scores -= log_q
    return -np.diag(log_softmax(scores, axis=1)).mean()


# 17.6 argmaxable(W, i)


@right("17.6")
def feasible_with_margin_one(W, i):
    """Any strict win can be scaled to a margin of 1: a feasible program."""
    rivals = np.delete(W, i, axis=0)
    if len(rivals) == 0:
        return True
    result = linprog(
        np.zeros(W.shape[1]), A_ub=rivals - W[i], b_ub=-np.ones(len(rivals)), bounds=(None, None)
    )
    return result.status == 0


@right("17.6")
def largest_margin(W, i):
    """The largest margin with h in a box."""
    n, d = W.shape
    if n == 1:
        return True
    gaps = W[i] - np.delete(W, i, axis=0)
    a = np.hstack([-gaps, np.ones((n - 1, 1))])
    result = linprog(
        np.r_[np.zeros(d), -1.0],
        A_ub=a,
        b_ub=np.zeros(n - 1),
        bounds=[(-1, 1)] * d + [(None, None)],
    )
    return bool(-result.fun > 1e-9)


@right("17.6")
def outside_the_hull(W, i):
    """Class i can win unless it is a mixture of the others."""
    others = np.delete(W, i, axis=0)
    if not len(others):
        return True
    result = linprog(
        np.zeros(len(others)),
        A_eq=np.vstack([others.T, np.ones(len(others))]),
        b_eq=np.append(W[i], 1.0),
    )
    return not result.success


@right("17.6")
def by_nnls(W, i):
    """The distance to a mixture of the others, by non-negative least squares."""
    others = np.array([row for j, row in enumerate(W) if j != i])
    if others.size == 0:
        return True
    a = np.vstack([(others - W[i]).T, np.ones(len(others))])
    _, residual = nnls(a, np.append(np.zeros(W.shape[1]), 1.0))
    return residual > 1e-8


@right("17.6")
def elimination(W, i):
    """Fourier and Motzkin's elimination of strict inequalities, in fractions."""
    system = {
        tuple(Fraction(float(a)) - Fraction(float(b)) for a, b in zip(W[i], row, strict=True))
        for j, row in enumerate(W)
        if j != i
    }
    for _ in range(W.shape[1]):
        above = [row for row in system if row[0] > 0]
        below = [row for row in system if row[0] < 0]
        system = {row[1:] for row in system if row[0] == 0}
        for a, b in itertools.product(above, below):
            combined = [a[k] * -b[0] + b[k] * a[0] for k in range(1, len(a))]
            size = max(map(abs, combined), default=0) or 1
            system.add(tuple(c / size for c in combined))
    return not system


@wrong("17.6")
def default_bounds(W, i):
    """linprog keeps h from being negative."""
    rivals = np.delete(W, i, axis=0)
    if len(rivals) == 0:
        return True
    result = linprog(np.zeros(W.shape[1]), A_ub=rivals - W[i], b_ub=-np.ones(len(rivals)))
    return result.success


@wrong("17.6")
def margin_of_zero(W, i):
    """h = 0 satisfies the program."""
    rivals = np.delete(W, i, axis=0)
    if len(rivals) == 0:
        return True
    result = linprog(
        np.zeros(W.shape[1]), A_ub=rivals - W[i], b_ub=np.zeros(len(rivals)), bounds=(None, None)
    )
    return result.success


@wrong("17.6")
def box_and_margin_one(W, i):
    """A margin of 1 within |h| <= 1."""
    rivals = np.delete(W, i, axis=0)
    if len(rivals) == 0:
        return True
    result = linprog(
        np.zeros(W.shape[1]), A_ub=rivals - W[i], b_ub=-np.ones(len(rivals)), bounds=(-1, 1)
    )
    return result.success


@wrong("17.6")
def itself_among_the_rivals(W, i):
    """Row i is to beat itself: never."""
    result = linprog(
        np.zeros(W.shape[1]), A_ub=W - W[i], b_ub=-np.ones(len(W)), bounds=(None, None)
    )
    return result.success


@wrong("17.6")
def smallest_instead(W, i):
    """The margins of the wrong sign are asked for, in h >= 0."""
    rivals = np.delete(W, i, axis=0)
    if len(rivals) == 0:
        return True
    result = linprog(np.zeros(W.shape[1]), A_ub=W[i] - rivals, b_ub=-np.ones(len(rivals)))
    return result.success


@wrong("17.6")
def answer_turned(W, i):
    """True where the class is a mixture of the others."""
    return not outside_the_hull(W, i)


@wrong("17.6")
def mixture_without_sum_one(W, i):
    """The cone of the others for their hull."""
    others = np.delete(W, i, axis=0)
    if not len(others):
        return True
    return nnls(others.T, W[i])[1] > 1e-9


@wrong("17.6")
def mixture_of_either_sign(W, i):
    """The affine span of the others for their hull."""
    others = np.delete(W, i, axis=0)
    if not len(others):
        return True
    a = np.vstack([others.T, np.ones(len(others))])
    b = np.append(W[i], 1.0)
    return not np.allclose(a @ np.linalg.lstsq(a, b, rcond=None)[0], b)


@wrong("17.6")
def its_own_direction(W, i):
    """h = w_i is the only direction tried."""
    scores = W @ W[i]
    return bool(np.all(np.delete(scores, i) < scores[i]))


@wrong("17.6")
def its_own_direction_argmax(W, i):
    """h = w_i and argmax, ties in favour of the first."""
    return bool(np.argmax(W @ W[i]) == i)


@wrong("17.6")
def away_from_the_mean(W, i):
    """h = w_i less the mean."""
    scores = W @ (W[i] - W.mean(axis=0))
    return bool(np.all(np.delete(scores, i) < scores[i]))


@wrong("17.6")
def away_from_the_others(W, i):
    """h = w_i less the mean of the others."""
    if len(W) == 1:
        return True
    scores = W @ (W[i] - np.delete(W, i, axis=0).mean(axis=0))
    return bool(np.all(np.delete(scores, i) < scores[i]))


@wrong("17.6")
def longest(W, i):
    """The longest row wins."""
    return bool(np.argmax(np.linalg.norm(W, axis=1)) == i)


@wrong("17.6")
def longer_than_most(W, i):
    """Longer than the median row."""
    lengths = np.linalg.norm(W, axis=1)
    return bool(lengths[i] >= np.median(lengths))


@wrong("17.6")
def along_the_axes(W, i):
    """h among the unit vectors and their negatives."""
    for h in np.vstack([np.eye(W.shape[1]), -np.eye(W.shape[1])]):
        scores = W @ h
        if np.all(np.delete(scores, i) < scores[i]):
            return True
    return False


@wrong("17.6")
def all_signs(W, i):
    """h among the vectors of -1, 0 and 1."""
    for h in itertools.product([-1, 0, 1], repeat=W.shape[1]):
        scores = W @ np.array(h)
        if np.all(np.delete(scores, i) < scores[i]):
            return True
    return False


@wrong("17.6")
def hundred_draws(W, i):
    """A hundred random h."""
    scores = np.random.default_rng(0).normal(size=(100, W.shape[1])) @ W.T
    return bool(np.any(np.argmax(scores, axis=1) == i))


@wrong("17.6")
def positive_draws(W, i):
    """A thousand random h, none of them negative."""
    scores = np.random.default_rng(1).random((1000, W.shape[1])) @ W.T
    return bool(np.any(np.argmax(scores, axis=1) == i))


@wrong("17.6")
def few_perceptron_steps(W, i):
    """Twenty passes of a perceptron, then given up."""
    h = np.zeros(W.shape[1])
    for _ in range(20):
        for j in range(len(W)):
            if j != i and (W[i] - W[j]) @ h <= 0:
                h = h + W[i] - W[j]
    scores = W @ h
    return bool(np.all(np.delete(scores, i) < scores[i]))


@wrong("17.6")
def rival_by_rival(W, i):
    """Every rival can be beaten, each by an h of its own."""
    return all(np.any(W[i] != W[j]) for j in range(len(W)) if j != i)


@wrong("17.6")
def enough_dimensions(W, i):
    """All can win if there are not more classes than dimensions and one."""
    return len(W) <= W.shape[1] + 1


@wrong("17.6")
def full_rank(W, i):
    """Can win if its row is not a combination of the others."""
    return np.linalg.matrix_rank(W) > np.linalg.matrix_rank(np.delete(W, i, axis=0))


@wrong("17.6")
def beyond_in_a_coordinate(W, i):
    """Largest or smallest in some coordinate."""
    return bool(np.any((W[i] == W.max(axis=0)) | (W[i] == W.min(axis=0))))


@wrong("17.6")
def not_dominated(W, i):
    """No other row is at least as large in all coordinates."""
    return not any(np.all(W[j] >= W[i]) for j in range(len(W)) if j != i)


@wrong("17.6")
def qhull_vertices(W, i):
    """A corner of the convex hull by qhull, which wants a body of full dimension."""
    return i in ConvexHull(W).vertices


@wrong("17.6")
def always(W, i):
    """Every class can win."""
    return True


@wrong("17.6")
def ties_win(W, i):
    """A tie for the first place with some h other than 0 is a win."""
    n, d = W.shape
    if n == 1:
        return True
    gaps = np.delete(W, i, axis=0) - W[i]
    for k, side in itertools.product(range(d), (-1, 1)):
        bounds = [(None, None)] * d
        bounds[k] = (side, side)
        if linprog(np.zeros(d), A_ub=gaps, b_ub=np.zeros(n - 1), bounds=bounds).success:
            return True
    return False


@wrong("17.6")
def one_class_cannot(W, i):
    """One class alone has no one to win against."""
    return len(W) > 1 and outside_the_hull(W, i)
