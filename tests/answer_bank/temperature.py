"""Answers to the exercises on temperature: right ones, and wrong ones with the reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special
import torch
import torch.nn.functional as F  # noqa: N812

from . import right, wrong


def _softmax(x: Any) -> Any:
    """Softmax over the last axis, stable: the learner's own, from an earlier notebook."""
    x = np.asarray(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _log_softmax(x: Any) -> Any:
    """Log-softmax over the last axis, stable."""
    x = np.asarray(x)
    z = x - x.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


# 8.1 softmax_temperature(x, tau) ------------------------------------------------------------


@right("8.1")
def temperature_shift_then_divide(x: Any, tau: Any) -> Any:
    """Shifts first, so that x / tau cannot overflow upwards."""
    if tau <= 0:
        raise ValueError("the temperature must be positive")
    x = np.asarray(x)
    e = np.exp((x - x.max(axis=-1, keepdims=True)) / tau)
    return e / e.sum(axis=-1, keepdims=True)


@right("8.1")
def temperature_quiet(x: Any, tau: Any) -> Any:
    """The same with the overflow to -inf silenced, and scipy for the rest."""
    if not tau > 0:
        raise ValueError(f"tau must be > 0; got {tau}")
    gap = np.subtract(x, np.max(x, axis=-1, keepdims=True))
    with np.errstate(over="ignore"):
        return scipy.special.softmax(gap / tau, axis=-1)


@right("8.1")
def temperature_recursive_lists(x: Any, tau: Any) -> Any:
    """Python floats, recursion over the leading axes, lists out."""
    if tau <= 0:
        raise ValueError
    if np.ndim(x) > 1:
        return [temperature_recursive_lists(row, tau) for row in x]
    top = max(float(v) for v in x)
    e = [math.exp((float(v) - top) / float(tau)) for v in x]
    return [v / math.fsum(e) for v in e]


@right("8.1")
def temperature_torch(x: Any, tau: Any) -> Any:
    """torch in float64."""
    if tau <= 0.0:
        raise ValueError("tau")
    t = torch.tensor(np.array(x), dtype=torch.float64)
    return torch.softmax((t - t.amax(-1, keepdim=True)) / tau, dim=-1)


@right("8.1")
def temperature_moves_axis(x: Any, tau: Any) -> Any:
    """Works with the classes in front, so no keepdims anywhere."""
    if tau <= 0:
        raise ValueError("tau must be positive")
    t = np.moveaxis(np.asarray(x), -1, 0)
    e = np.exp((t - t.max(0)) / tau)
    return np.moveaxis(e / e.sum(0), 0, -1)


@wrong("8.1")
def temperature_power(x: Any, tau: Any) -> Any:
    """p to the power tau, renormalised: the same as multiplying by tau."""
    if tau <= 0:
        raise ValueError
    w = _softmax(x) ** tau
    return w / w.sum(-1, keepdims=True)


@wrong("8.1")
def temperature_divides_probabilities(x: Any, tau: Any) -> Any:
    """p / tau, not renormalised."""
    if tau <= 0:
        raise ValueError
    return _softmax(x) / tau


@wrong("8.1")
def temperature_ignored(x: Any, tau: Any) -> Any:
    """Checks tau and then forgets it."""
    if tau <= 0:
        raise ValueError
    return torch.softmax(torch.tensor(np.array(x), dtype=torch.float64), -1)


@wrong("8.1")
def temperature_divides_first(x: Any, tau: Any) -> Any:
    """x / tau overflows before the shift when tau is small."""
    if tau <= 0:
        raise ValueError
    return scipy.special.softmax(np.asarray(x) / tau, axis=-1)


@wrong("8.1")
def temperature_root_of_p(x: Any, tau: Any) -> Any:
    """p to the power 1/tau: right on paper, but what underflowed in p stays 0 when tau is large."""
    if tau <= 0:
        raise ValueError
    w = _softmax(x) ** (1 / tau)
    return w / w.sum(-1, keepdims=True)


@wrong("8.1")
def temperature_no_check(x: Any, tau: Any) -> Any:
    """No ValueError: a negative temperature turns the order round silently."""
    x = np.asarray(x)
    return _softmax((x - x.max(-1, keepdims=True)) / tau)


@wrong("8.1")
def temperature_zero_allowed(x: Any, tau: Any) -> Any:
    """Refuses tau < 0 only; tau = 0 gives a one-hot row instead of ValueError."""
    if tau < 0:
        raise ValueError
    x = np.asarray(x, dtype=float)
    if tau == 0:
        return np.eye(x.shape[-1])[x.argmax(-1)]
    return _softmax((x - x.max(-1, keepdims=True)) / tau)


@wrong("8.1")
def temperature_assertion(x: Any, tau: Any) -> Any:
    """An AssertionError where a ValueError is asked for."""
    assert tau > 0
    x = np.asarray(x)
    return _softmax((x - x.max(-1, keepdims=True)) / tau)


@wrong("8.1")
def temperature_clamped(x: Any, tau: Any) -> Any:
    """tau below 0.01 is raised to 0.01."""
    if tau <= 0:
        raise ValueError
    x = np.asarray(x)
    return _softmax((x - x.max(-1, keepdims=True)) / max(tau, 1e-2))


@wrong("8.1")
def temperature_global_maximum(x: Any, tau: Any) -> Any:
    """Shifted by the maximum of the whole batch."""
    if tau <= 0:
        raise ValueError
    e = np.exp((np.asarray(x) - np.max(x)) / tau)
    return e / e.sum(-1, keepdims=True)


@wrong("8.1")
def temperature_shift_not_divided(x: Any, tau: Any) -> Any:
    """The shift is not divided by tau: exp(x / tau - max x) overflows for small tau."""
    if tau <= 0:
        raise ValueError
    x = np.asarray(x, dtype=float)
    e = np.exp(x / tau - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("8.1")
def temperature_sum_of_batch(x: Any, tau: Any) -> Any:
    """Normalises over the whole array: the batch sums to 1."""
    if tau <= 0:
        raise ValueError
    x = np.asarray(x)
    return scipy.special.softmax((x - x.max()) / tau)


@wrong("8.1")
def temperature_integer_division(x: Any, tau: Any) -> Any:
    """Floor division."""
    if tau <= 0:
        raise ValueError
    x = np.asarray(x)
    return _softmax((x - x.max(-1, keepdims=True)) // tau)


@wrong("8.1")
def temperature_on_log_p_swapped(tau: Any, x: Any) -> Any:
    """The arguments are swapped: tau comes first."""
    if np.any(np.asarray(tau) <= 0):
        raise ValueError
    return _softmax(np.asarray(x) / tau)


@wrong("8.1")
def temperature_axis_one(x: Any, tau: Any) -> Any:
    """axis=1, as in a batch: fails for one row, is another axis in a stack."""
    e = np.exp(x / tau)
    return e / e.sum(axis=1, keepdims=True)


@wrong("8.1")
def temperature_one_row_shifted(x: Any, tau: Any) -> Any:
    """Written for one row: maximum and sum of the whole array."""
    if tau <= 0:
        raise ValueError
    w = np.exp((x - np.max(x)) / tau)
    return w / w.sum()


@wrong("8.1")
def temperature_one_row_plain(x: Any, tau: Any) -> Any:
    """The definition, written for one row."""
    return np.exp(x / tau) / np.sum(np.exp(x / tau))


@wrong("8.1")
def temperature_only_above(x: Any, tau: Any) -> Any:
    """The denominator divides exp by tau instead of the logits."""
    gaps = x - np.max(x)
    return np.exp(gaps / tau) / np.sum(np.exp(gaps) / tau)


@wrong("8.1")
def temperature_sum_without_keepdims(x: Any, tau: Any) -> Any:
    """The sums lose their axis."""
    if tau <= 0:
        raise ValueError
    e = np.exp((x - np.max(x, axis=-1, keepdims=True)) / tau)
    return e / e.sum(axis=-1)


@wrong("8.1")
def temperature_times_tau_plain(x: Any, tau: Any) -> Any:
    """exp(x tau), never shifted."""
    e = np.exp(x * tau)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("8.1")
def temperature_builtin_max(x: Any, tau: Any) -> Any:
    """Divided first, then shifted by Python's max."""
    z = x / tau
    e = np.exp(z - max(z))
    return e / e.sum()


@wrong("8.1")
def temperature_times_tau_one_row(x: Any, tau: Any) -> Any:
    """exp(tau x) over the sum of everything."""
    e = np.exp(tau * x)
    return e / e.sum()


# 8.2 entropy(p) -----------------------------------------------------------------------------


@right("8.2")
def entropy_xlogy(p: Any) -> Any:
    """scipy's xlogy knows 0 log 0 = 0."""
    return -scipy.special.xlogy(p, p).sum(axis=-1)


@right("8.2")
def entropy_where_one(p: Any) -> Any:
    """log of 1 wherever p is 0."""
    p = np.asarray(p)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


@right("8.2")
def entropy_loops(p: Any) -> Any:
    """Python floats; a float for one row, nested lists for a stack."""
    if np.ndim(p) > 1:
        return [entropy_loops(row) for row in p]
    return math.fsum(-float(v) * math.log(float(v)) for v in p if v > 0)


@right("8.2")
def entropy_torch_entr(p: Any) -> Any:
    """torch's elementwise entr."""
    return torch.special.entr(torch.tensor(np.array(p), dtype=torch.float64)).sum(-1)


@right("8.2")
def entropy_log_out(p: Any) -> Any:
    """log with where and out: zeros stay zeros."""
    p = np.asarray(p, dtype=float)
    log_p = np.log(p, where=p > 0, out=np.zeros_like(p))
    return -np.einsum("...i,...i->...", p, log_p)


@right("8.2")
def entropy_nansum(p: Any) -> Any:
    """Lets 0 log 0 become NaN and leaves it out of the sum."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.nansum(p * np.log(p), axis=-1)


@wrong("8.2")
def entropy_nan_at_zero(p: Any) -> Any:
    """0 times -inf is NaN."""
    with np.errstate(all="ignore"):
        return -np.einsum("...i,...i->...", p, np.log(p))


@wrong("8.2")
def entropy_bits(p: Any) -> Any:
    """Bits: nats divided by ln 2."""
    return scipy.special.entr(p).sum(-1) / np.log(2)


@wrong("8.2")
def entropy_negative(p: Any) -> Any:
    """The sign."""
    return scipy.special.xlogy(p, p).sum(axis=-1)


@wrong("8.2")
def entropy_epsilon(p: Any) -> Any:
    """An epsilon inside the log: an entropy of 0 becomes negative."""
    t = torch.tensor(np.array(p), dtype=torch.float64)
    return -(t * torch.log(t + 1e-9)).sum(-1)


@wrong("8.2")
def entropy_clipped(p: Any) -> Any:
    """Clips p itself: every zero contributes 2.8e-11."""
    p = np.clip(np.asarray(p, dtype=float), 1e-12, 1)
    return -(p * np.log(p)).sum(axis=-1)


@wrong("8.2")
def entropy_whole_batch(p: Any) -> Any:
    """Sums over the batch as well."""
    return scipy.special.entr(p).sum()


@wrong("8.2")
def entropy_axis_zero(p: Any) -> Any:
    """Sums over axis 0."""
    return scipy.special.entr(p).sum(axis=0)


@wrong("8.2")
def entropy_mean(p: Any) -> Any:
    """The mean over the classes instead of the sum."""
    return scipy.special.entr(p).mean(axis=-1)


@wrong("8.2")
def entropy_gini(p: Any) -> Any:
    """The Gini impurity, 1 - sum of p squared."""
    return 1 - np.square(p).sum(axis=-1)


@wrong("8.2")
def entropy_collision(p: Any) -> Any:
    """The Renyi entropy of order 2."""
    return -np.log(np.square(p).sum(axis=-1))


@wrong("8.2")
def entropy_perplexity(p: Any) -> Any:
    """exp of the entropy."""
    return np.exp(scipy.special.entr(p).sum(axis=-1))


@wrong("8.2")
def entropy_normalised(p: Any) -> Any:
    """Divided by log n, so that it lies between 0 and 1."""
    return scipy.special.entr(p).sum(-1) / np.log(max(np.shape(p)[-1], 2))


@wrong("8.2")
def entropy_keeps_axis(p: Any) -> Any:
    """Keeps the axis of length 1."""
    return scipy.special.entr(p).sum(axis=-1, keepdims=True)


@wrong("8.2")
def entropy_drops_rare(p: Any) -> Any:
    """Leaves out every class below 1e-3."""
    p = np.asarray(p)
    return np.where(p > 1e-3, scipy.special.entr(p), 0).sum(-1)


@wrong("8.2")
def entropy_of_softmax(p: Any) -> Any:
    """Takes p for logits."""
    return scipy.special.entr(_softmax(p)).sum(-1)


@right("8.2")
def entropy_log_where(p: Any) -> Any:
    """The log of the positive entries into zeros like p."""
    return -np.sum(p * np.log(p, out=np.zeros_like(p), where=p > 0), axis=-1)


@wrong("8.2")
def entropy_machine_epsilon(p: Any) -> Any:
    """The machine's own epsilon inside the log."""
    return -np.sum(p * np.log(p + np.finfo(np.float64).eps), axis=-1)


@wrong("8.2")
def entropy_large_epsilon(p: Any) -> Any:
    """1e-3 inside the log."""
    return -np.sum(p * np.log(p + 1e-3), axis=-1)


@wrong("8.2")
def entropy_sixteen(p: Any) -> Any:
    """1e-16 inside the log."""
    return -np.sum(p * np.log(p + 1e-16), axis=-1)


@wrong("8.2")
def entropy_axis_one_epsilon(p: Any) -> Any:
    """axis=1 and an epsilon: for a batch alone."""
    return -(p * np.log(p + 1e-9)).sum(axis=1)


@wrong("8.2")
def entropy_total_epsilon(p: Any) -> Any:
    """No axis and an epsilon."""
    return -np.sum(p * np.log(p + 1e-12))


@wrong("8.2")
def entropy_bits_as_written(p: Any) -> Any:
    """log2, NaN at zeros."""
    with np.errstate(all="ignore"):
        return -np.sum(p * np.log2(p), axis=-1)


@wrong("8.2")
def entropy_mean_of_the_rows(p: Any) -> Any:
    """The mean over the batch, as a training log reports it."""
    return np.mean(scipy.special.entr(p).sum(axis=-1))


@wrong("8.2")
def entropy_from_log_p(p: Any) -> Any:
    """exp(log p) log p, as with a network's log-probabilities: NaN where p is 0."""
    with np.errstate(all="ignore"):
        log_p = np.log(p)
        return -np.sum(np.exp(log_p) * log_p, axis=-1)


# 8.3 temperature_for_entropy(x, h) ----------------------------------------------------------


def _entropy_at(x: Any, tau: float) -> float:
    """Entropy of softmax(x / tau), with 0 log 0 = 0."""
    x = np.asarray(x, dtype=float)
    with np.errstate(over="ignore"):
        return float(scipy.special.entr(_softmax((x - x.max()) / tau)).sum())


@right("8.3")
def solve_bisection(x: Any, h: Any) -> Any:
    """Bisection in log tau over all of float64."""
    low, high = math.log(1e-300), math.log(1e300)
    for _ in range(120):
        middle = (low + high) / 2
        if _entropy_at(x, math.exp(middle)) < h:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


@right("8.3")
def solve_brentq(x: Any, h: Any) -> Any:
    """brentq in log tau; the bracket grows until it encloses the root."""
    low = high = 0.0
    while _entropy_at(x, math.exp(low)) >= h:
        low -= 1
    while _entropy_at(x, math.exp(high)) <= h:
        high += 1
    root = scipy.optimize.brentq(lambda t: _entropy_at(x, math.exp(t)) - h, low, high, xtol=1e-14)
    return np.exp(root)


@right("8.3")
def solve_newton_guarded(x: Any, h: Any) -> Any:
    """Newton in beta = 1 / tau (dH/dbeta = -beta Var) inside a bracket; falls back to halving."""
    x = np.asarray(x, dtype=float)
    z = x - x.max()
    low, high = 0.0, 1.0 / np.ptp(x)
    while _entropy_at(z, 1 / high) > h:
        low, high = high, 2 * high
    beta = (low + high) / 2
    for _ in range(200):
        p = _softmax(beta * z)
        error = scipy.special.entr(p).sum() - h
        if error > 0:
            low = beta
        else:
            high = beta
        slope = -beta * (p @ z**2 - (p @ z) ** 2)
        step = beta - error / slope if slope != 0 else low
        beta = step if low < step < high else (low + high) / 2
    return 1 / beta


@right("8.3")
def solve_torch_doubling(x: Any, h: Any) -> Any:
    """torch in float64: a bracket from 1, bisected geometrically; a tensor comes out."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    t = t - t.max()

    def entropy(tau: Any) -> Any:
        return torch.special.entr(torch.softmax(t / tau, 0)).sum()

    low = high = torch.tensor(1.0, dtype=torch.float64)
    while entropy(low) > h:
        low = low / 2
    while entropy(high) < h:
        high = high * 2
    for _ in range(200):
        middle = torch.sqrt(low * high)
        low, high = (middle, high) if entropy(middle) < h else (low, middle)
    return high


@right("8.3")
def solve_root_scalar(x: Any, h: Any) -> Any:
    """root_scalar on beta, entropy by log-sum-exp minus the mean logit; a NumPy scalar."""
    gaps = np.asarray(x, dtype=float) - np.max(x)

    def excess(log_beta: float) -> Any:
        z = np.exp(log_beta) * gaps
        return scipy.special.logsumexp(z) - _softmax(z) @ z - h

    edge = -math.log(np.ptp(gaps))
    top = edge + 1
    while excess(top) > 0:
        top += 1
    while excess(edge) < 0:
        edge -= 1
    solution = scipy.optimize.root_scalar(excess, bracket=(edge, top), xtol=1e-14)
    return np.float64(math.exp(-solution.root))


@wrong("8.3")
def solve_inverse(x: Any, h: Any) -> Any:
    """Solves for beta and returns it: 1/tau."""
    return 1 / solve_bisection(x, h)


@wrong("8.3")
def solve_fixed_bracket(x: Any, h: Any) -> Any:
    """No bracket below 0.1 or above 10: brentq raises."""
    return scipy.optimize.brentq(lambda tau: _entropy_at(x, tau) - h, 0.1, 10.0)


@wrong("8.3")
def solve_starts_at_one(x: Any, h: Any) -> Any:
    """Bisects between 1 and 1000: never finds a tau below 1."""
    low, high = 1.0, 1000.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _entropy_at(x, middle) < h else (low, middle)
    return middle


@wrong("8.3")
def solve_wrong_direction(x: Any, h: Any) -> Any:
    """Believes that the entropy falls with tau: runs to the end of the bracket."""
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        if _entropy_at(x, middle) > h:
            low = middle
        else:
            high = middle
    return middle


@wrong("8.3")
def solve_bits(x: Any, h: Any) -> Any:
    """Takes h for bits."""
    return solve_bisection(x, h * math.log(2))


@wrong("8.3")
def solve_normalised(x: Any, h: Any) -> Any:
    """Takes h for a share of the largest entropy."""
    return solve_bisection(x, h * math.log(len(x)))


@wrong("8.3")
def solve_returns_log(x: Any, h: Any) -> Any:
    """Returns log tau."""
    return math.log(solve_bisection(x, h))


@wrong("8.3")
def solve_coarse_grid(x: Any, h: Any) -> Any:
    """The nearest point of a coarse grid."""
    taus = np.linspace(0.1, 10, 100)
    return taus[np.argmin([abs(_entropy_at(x, tau) - h) for tau in taus])]


@wrong("8.3")
def solve_few_steps(x: Any, h: Any) -> Any:
    """Ten halvings only."""
    low, high = 1e-4, 1e4
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if _entropy_at(x, middle) < h else (low, middle)
    return (low + high) / 2


@wrong("8.3")
def solve_newton_unguarded(x: Any, h: Any) -> Any:
    """Newton from tau = 1 without a bracket: the slope is 0 in the flat ends."""
    x = np.asarray(x, dtype=float)
    tau = 1.0
    with np.errstate(all="ignore"):
        for _ in range(50):
            p = _softmax(x / tau)
            slope = (p @ x**2 - (p @ x) ** 2) / tau**3
            tau = tau - (scipy.special.entr(p).sum() - h) / slope
    return tau


@wrong("8.3")
def solve_nan_entropy(x: Any, h: Any) -> Any:
    """The entropy is NaN once a probability underflows, and NaN < h is False."""
    x = np.asarray(x, dtype=float)
    low, high = 1e-6, 1e6
    with np.errstate(all="ignore"):
        for _ in range(100):
            middle = (low + high) / 2 if low > 0.1 else math.sqrt(low * high)
            p = _softmax(x / middle)
            if -(p * np.log(p)).sum() < h:
                low = middle
            else:
                high = middle
    return middle


@wrong("8.3")
def solve_linear_guess(x: Any, h: Any) -> Any:
    """Assumes that the entropy is proportional to tau."""
    return h / _entropy_at(x, 1.0)


@wrong("8.3")
def solve_spread(x: Any, h: Any) -> Any:
    """The standard deviation of the logits: standardising, not solving."""
    return np.std(x)


@wrong("8.3")
def solve_wrong_direction_arithmetic(x: Any, h: Any) -> Any:
    """The wrong way between 1e-3 and 1e3, halving the ends."""
    low, high = 1e-3, 1e3
    for _ in range(100):
        middle = (low + high) / 2
        if _entropy_at(x, middle) > h:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@wrong("8.3")
def solve_as_in_tsne(x: Any, h: Any) -> Any:
    """Doubles and halves beta from 1, stops within 1e-5 or after 50 tries."""
    beta, least, most = 1.0, -np.inf, np.inf
    for _ in range(50):
        excess = _entropy_at(x, 1 / beta) - h
        if abs(excess) < 1e-5:
            break
        if excess > 0:
            least = beta
            beta = beta * 2 if np.isinf(most) else (beta + most) / 2
        else:
            most = beta
            beta = beta / 2 if np.isinf(least) else (beta + least) / 2
    return 1 / beta


# 8.4 fit_temperature(logits, labels) --------------------------------------------------------


def _mean_loss(logits: Any, labels: Any, tau: Any) -> Any:
    """Mean cross-entropy of softmax(logits / tau)."""
    log_p = _log_softmax(np.asarray(logits, dtype=float) / tau)
    return -log_p[np.arange(len(log_p)), labels].mean()


@right("8.4")
def calibrate_bounded(logits: Any, labels: Any) -> Any:
    """scipy's bounded minimiser in log tau."""
    found = scipy.optimize.minimize_scalar(
        lambda t: _mean_loss(logits, labels, math.exp(t)),
        bounds=(-12, 12),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return math.exp(found.x)


@right("8.4")
def calibrate_root_of_derivative(logits: Any, labels: Any) -> Any:
    """The loss is convex in beta = 1 / tau: the root of its derivative, E_p[x] - x_y."""
    x = np.asarray(logits, dtype=float)
    x = x - x.max(axis=1, keepdims=True)
    own = x[np.arange(len(x)), labels].mean()

    def slope(log_beta: float) -> Any:
        p = _softmax(math.exp(log_beta) * x)
        return (p * x).sum(axis=1).mean() - own

    low = high = -math.log(np.ptp(x))
    while slope(low) >= 0:
        low -= 1
    while slope(high) <= 0:
        high += 1
    return math.exp(-scipy.optimize.brentq(slope, low, high, xtol=1e-12))


@right("8.4")
def calibrate_golden_section(logits: Any, labels: Any) -> Any:
    """Golden-section search written by hand."""
    phi = (math.sqrt(5) - 1) / 2
    low, high = math.log(1e-5), math.log(1e5)
    while high - low > 1e-8:
        a, b = high - phi * (high - low), low + phi * (high - low)
        if _mean_loss(logits, labels, math.exp(a)) < _mean_loss(logits, labels, math.exp(b)):
            high = b
        else:
            low = a
    return np.exp((low + high) / 2)


@right("8.4")
def calibrate_torch_newton(logits: Any, labels: Any) -> Any:
    """Bisection on the sign of torch's derivative by beta; a 0-d tensor comes out."""
    t = torch.tensor(np.array(logits), dtype=torch.float64)
    y = torch.tensor(np.array(labels)).long()
    low, high = -15.0, 15.0
    for _ in range(60):
        middle = torch.tensor((low + high) / 2, dtype=torch.float64, requires_grad=True)
        F.cross_entropy(t * torch.exp(middle), y).backward()
        assert middle.grad is not None
        if middle.grad > 0:
            high = middle.item()
        else:
            low = middle.item()
    return torch.exp(torch.tensor(-(low + high) / 2))


@right("8.4")
def calibrate_grid_refined(logits: Any, labels: Any) -> Any:
    """A logarithmic grid, zoomed in on its best point again and again."""
    low, high = -10.0, 10.0
    for _ in range(12):
        grid = np.linspace(low, high, 41)
        best = min(grid, key=lambda t: _mean_loss(logits, labels, np.exp(t)))
        width = (high - low) / 40
        low, high = best - 2 * width, best + 2 * width
    return float(np.exp(best))


@wrong("8.4")
def calibrate_inverse(logits: Any, labels: Any) -> Any:
    """Fits the factor beta and returns it: 1/tau."""
    return 1 / calibrate_root_of_derivative(logits, labels)


@wrong("8.4")
def calibrate_accuracy(logits: Any, labels: Any) -> Any:
    """Maximises the accuracy, which does not depend on tau."""
    taus = np.geomspace(0.05, 20, 200)
    scores = [np.mean(np.argmax(np.asarray(logits) / t, 1) == labels) for t in taus]
    return taus[int(np.argmax(scores))]


@wrong("8.4")
def calibrate_maximises(logits: Any, labels: Any) -> Any:
    """Maximises the loss."""
    found = scipy.optimize.minimize_scalar(
        lambda t: -_mean_loss(logits, labels, t), bounds=(0.05, 20), method="bounded"
    )
    return found.x


@wrong("8.4")
def calibrate_coarse_grid(logits: Any, labels: Any) -> Any:
    """A grid in steps of 0.1."""
    return min(np.arange(0.1, 10, 0.1), key=lambda t: _mean_loss(logits, labels, t))


@wrong("8.4")
def calibrate_few_steps(logits: Any, labels: Any) -> Any:
    """Ten steps of gradient descent from 1 do not get there."""
    t = torch.tensor(np.array(logits), dtype=torch.float64)
    tau = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([tau], lr=0.01)
    for _ in range(10):
        optimiser.zero_grad()
        F.cross_entropy(t / tau, torch.tensor(np.array(labels)).long()).backward()
        optimiser.step()
    return tau.item()


@wrong("8.4")
def calibrate_only_cools(logits: Any, labels: Any) -> Any:
    """Believes that a model is always overconfident: searches from 1 upwards."""
    found = scipy.optimize.minimize_scalar(
        lambda t: _mean_loss(logits, labels, t), bounds=(1, 100), method="bounded"
    )
    return found.x


@wrong("8.4")
def calibrate_returns_log(logits: Any, labels: Any) -> Any:
    """Returns log tau."""
    return math.log(calibrate_bounded(logits, labels))


@wrong("8.4")
def calibrate_returns_loss(logits: Any, labels: Any) -> Any:
    """Returns the smallest loss instead of where it is reached."""
    return _mean_loss(logits, labels, calibrate_bounded(logits, labels))


@wrong("8.4")
def calibrate_multiplies(logits: Any, labels: Any) -> Any:
    """Multiplies by tau in the loss that it minimises."""
    found = scipy.optimize.minimize_scalar(
        lambda t: _mean_loss(np.asarray(logits) * math.exp(t), labels, 1.0), bounds=(-9, 9)
    )
    return math.exp(found.x)


@wrong("8.4")
def calibrate_entropy_matches_loss(logits: Any, labels: Any) -> Any:
    """The confidence is matched to the accuracy on average, not the loss minimised."""
    x = np.asarray(logits, dtype=float)
    accuracy = np.mean(x.argmax(1) == labels)
    low, high = 1e-3, 1e3
    for _ in range(80):
        middle = math.sqrt(low * high)
        if _softmax(x / middle).max(1).mean() > accuracy:
            low = middle
        else:
            high = middle
    return middle


@wrong("8.4")
def calibrate_squared_error(logits: Any, labels: Any) -> Any:
    """Minimises the Brier score."""
    target = np.eye(np.shape(logits)[1])[labels]
    found = scipy.optimize.minimize_scalar(
        lambda t: np.square(_softmax(np.asarray(logits) / math.exp(t)) - target).sum(),
        bounds=(-9, 9),
    )
    return math.exp(found.x)


@wrong("8.4")
def calibrate_right_rows_only(logits: Any, labels: Any) -> Any:
    """Fits on the rows that are right already: tau runs to the lower bound."""
    x = np.asarray(logits, dtype=float)
    keep = x.argmax(1) == labels
    found = scipy.optimize.minimize_scalar(
        lambda t: _mean_loss(x[keep], np.asarray(labels)[keep], t), bounds=(0.01, 100)
    )
    return found.x


@wrong("8.4")
def calibrate_usual_value(logits: Any, labels: Any) -> Any:
    """The value that a paper reports."""
    return 1.5


@wrong("8.4")
def calibrate_newton_in_beta(logits: Any, labels: Any) -> Any:
    """Full Newton steps in beta from 1, without a bracket."""
    x, i, beta = np.asarray(logits, dtype=float), np.arange(len(labels)), 1.0
    with np.errstate(all="ignore"):
        for _ in range(50):
            p = _softmax(beta * x)
            mean = (p * x).sum(axis=1)
            slope = (mean - x[i, labels]).mean()
            beta -= slope / ((p * x * x).sum(axis=1) - mean**2).mean()
    return 1 / beta


@wrong("8.4")
def calibrate_lbfgs_recipe(logits: Any, labels: Any) -> Any:
    """L-BFGS from 1.5 in float32 with a rate of 0.01 and fifty iterations."""
    z, y = torch.tensor(np.array(logits)).float(), torch.tensor(np.array(labels)).long()
    tau = torch.nn.Parameter(torch.ones(1) * 1.5)
    optimiser = torch.optim.LBFGS([tau], lr=0.01, max_iter=50)

    def closure() -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(z / tau, y)
        loss.backward()
        return loss

    optimiser.step(closure)
    return tau.item()


# 8.5 distillation_loss(student, teacher, tau) -----------------------------------------------


@right("8.5")
def distil_plain(student: Any, teacher: Any, tau: Any) -> Any:
    """tau squared times the mean of sum p (log p - log q)."""
    log_p = _log_softmax(np.asarray(teacher) / tau)
    log_q = _log_softmax(np.asarray(student) / tau)
    return tau**2 * (np.exp(log_p) * (log_p - log_q)).sum(axis=-1).mean()


@right("8.5")
def distil_kl_div(student: Any, teacher: Any, tau: Any) -> Any:
    """torch's kl_div with batchmean; a tensor comes out."""
    s = torch.tensor(np.array(student), dtype=torch.float64)
    t = torch.tensor(np.array(teacher), dtype=torch.float64)
    loss = F.kl_div(
        F.log_softmax(s / tau, -1),
        F.log_softmax(t / tau, -1),
        reduction="batchmean",
        log_target=True,
    )
    return loss * tau * tau


@right("8.5")
def distil_loops(student: Any, teacher: Any, tau: Any) -> Any:
    """Row by row with Python floats."""

    def log_p(row: Any) -> list[float]:
        z = [float(v) / float(tau) for v in row]
        log_total = max(z) + math.log(sum(math.exp(v - max(z)) for v in z))
        return [v - log_total for v in z]

    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        total += sum(math.exp(a) * (a - b) for a, b in zip(log_p(t), log_p(s), strict=True))
    return float(tau) ** 2 * total / len(student)


@right("8.5")
def distil_cross_entropy_minus_entropy(student: Any, teacher: Any, tau: Any) -> Any:
    """KL as the cross-entropy less the teacher's entropy, in float64."""
    log_p = scipy.special.log_softmax(np.divide(teacher, tau, dtype=float), axis=1)
    log_q = scipy.special.log_softmax(np.divide(student, tau, dtype=float), axis=1)
    p = np.exp(log_p)
    cross = -np.einsum("ij,ij->i", p, log_q)
    return (cross - scipy.special.entr(p).sum(1)).mean() * tau**2


@right("8.5")
def distil_bregman(student: Any, teacher: Any, tau: Any) -> Any:
    """KL as a Bregman divergence of log-sum-exp: lse(s) - lse(t) - p (s - t)."""
    s = np.asarray(student, dtype=float) / tau
    t = np.asarray(teacher, dtype=float) / tau
    s, t = s - s.max(1, keepdims=True), t - t.max(1, keepdims=True)
    lse = scipy.special.logsumexp
    rows = lse(s, axis=1) - lse(t, axis=1) - (_softmax(t) * (s - t)).sum(axis=1)
    return tau * tau * np.mean(rows)


@wrong("8.5")
def distil_no_tau_squared(student: Any, teacher: Any, tau: Any) -> Any:
    """tau squared is missing."""
    s, t = (torch.tensor(np.array(a), dtype=torch.float64) / tau for a in (student, teacher))
    return F.kl_div(s.log_softmax(1), t.softmax(1), reduction="batchmean")


@wrong("8.5")
def distil_reversed(student: Any, teacher: Any, tau: Any) -> Any:
    """KL(student || teacher)."""
    return distil_plain(teacher, student, tau)


@wrong("8.5")
def distil_tau_on_teacher_only(student: Any, teacher: Any, tau: Any) -> Any:
    """The student is left at temperature 1."""
    log_p, log_q = _log_softmax(np.asarray(teacher) / tau), _log_softmax(student)
    return tau**2 * (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()


@wrong("8.5")
def distil_mean_over_everything(student: Any, teacher: Any, tau: Any) -> Any:
    """kl_div's default reduction divides by N n."""
    s, t = (torch.tensor(np.array(a), dtype=torch.float64) / tau for a in (student, teacher))
    return tau**2 * F.kl_div(s.log_softmax(1), t.log_softmax(1), reduction="mean", log_target=True)


@wrong("8.5")
def distil_tau_once(student: Any, teacher: Any, tau: Any) -> Any:
    """tau instead of tau squared."""
    log_p = _log_softmax(np.asarray(teacher) / tau)
    log_q = _log_softmax(np.asarray(student) / tau)
    return tau * (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()


@wrong("8.5")
def distil_cross_entropy(student: Any, teacher: Any, tau: Any) -> Any:
    """The cross-entropy: the teacher's entropy is not subtracted."""
    p = _softmax(np.asarray(teacher) / tau)
    return -(tau**2) * (p * _log_softmax(np.asarray(student) / tau)).sum(-1).mean()


@wrong("8.5")
def distil_sum_over_batch(student: Any, teacher: Any, tau: Any) -> Any:
    """The sum over the rows."""
    log_p = _log_softmax(np.asarray(teacher) / tau)
    log_q = _log_softmax(np.asarray(student) / tau)
    return tau**2 * (np.exp(log_p) * (log_p - log_q)).sum()


@wrong("8.5")
def distil_multiplies(student: Any, teacher: Any, tau: Any) -> Any:
    """Multiplies the logits by tau."""
    log_p = _log_softmax(np.asarray(teacher) * tau)
    log_q = _log_softmax(np.asarray(student) * tau)
    return tau**2 * (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()


@wrong("8.5")
def distil_rel_entr_of_probabilities(student: Any, teacher: Any, tau: Any) -> Any:
    """rel_entr of probabilities is inf where the student's underflows: unstable."""
    p, q = _softmax(np.asarray(teacher) / tau), _softmax(np.asarray(student) / tau)
    return tau**2 * scipy.special.rel_entr(p, q).sum(-1).mean()


@wrong("8.5")
def distil_probabilities_to_kl_div(student: Any, teacher: Any, tau: Any) -> Any:
    """kl_div wants the student's log-probabilities and gets probabilities."""
    s, t = (torch.tensor(np.array(a), dtype=torch.float64) / tau for a in (student, teacher))
    return tau**2 * F.kl_div(s.softmax(1), t.softmax(1), reduction="batchmean")


@wrong("8.5")
def distil_over_batch_axis(student: Any, teacher: Any, tau: Any) -> Any:
    """softmax over axis 0."""
    log_p = scipy.special.log_softmax(np.asarray(teacher) / tau, axis=0)
    log_q = scipy.special.log_softmax(np.asarray(student) / tau, axis=0)
    return tau**2 * (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()


@wrong("8.5")
def distil_divides_by_tau_squared(student: Any, teacher: Any, tau: Any) -> Any:
    """Divides by tau squared."""
    return distil_plain(student, teacher, tau) / tau**4


@wrong("8.5")
def distil_squared_logits(student: Any, teacher: Any, tau: Any) -> Any:
    """The squared difference of the logits: the limit for large tau only."""
    s, t = np.asarray(student, dtype=float), np.asarray(teacher, dtype=float)
    d = (s - s.mean(1, keepdims=True)) - (t - t.mean(1, keepdims=True))
    return np.square(d).sum(1).mean() / (2 * s.shape[1])


@wrong("8.5")
def distil_without_temperature(student: Any, teacher: Any, tau: Any) -> Any:
    """tau squared in front, and both sides at temperature 1."""
    log_p, log_q = _log_softmax(teacher), _log_softmax(student)
    return tau**2 * (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()


@wrong("8.5")
def distil_batchmean_and_mean(student: Any, teacher: Any, tau: Any) -> Any:
    """batchmean, divided by the number of rows once more."""
    s, t = (torch.tensor(np.array(a), dtype=torch.float64) / tau for a in (student, teacher))
    return F.kl_div(s.log_softmax(1), t.softmax(1), reduction="batchmean") * tau**2 / len(student)
