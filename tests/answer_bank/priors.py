"""Answers to the exercises on priors: right ones, and wrong ones with the reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special
import torch
import torch.nn.functional as F  # noqa: N812

from . import right, wrong


def _softmax(x: Any) -> Any:
    """Softmax over the last axis, stable: the learner's own, from an earlier notebook."""
    x = np.asarray(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _nll(logits: Any, labels: Any) -> Any:
    """Mean cross-entropy of logits, stable."""
    x = np.asarray(logits)
    z = x - x.max(axis=-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return -log_p[np.arange(len(log_p)), labels].mean()


# 10.1 posterior(logits, prior) --------------------------------------------------------------


@right("10.1")
def posterior_add_log(logits: Any, prior: Any) -> Any:
    """softmax(logits + log prior), log 0 = -inf taken quietly."""
    with np.errstate(divide="ignore"):
        return _softmax(logits + np.log(prior))


@right("10.1")
def posterior_torch(logits: Any, prior: Any) -> Any:
    """torch, where log 0 is -inf without a warning."""
    x = torch.tensor(np.array(logits), dtype=torch.float64)
    return torch.softmax(x + torch.tensor(np.array(prior), dtype=torch.float64).log(), dim=-1)


@right("10.1")
def posterior_selected_classes(logits: Any, prior: Any) -> Any:
    """Works on the classes that can occur and leaves zeros elsewhere."""
    prior = np.asarray(prior, dtype=float)
    possible = prior > 0
    out = np.zeros(np.shape(logits))
    allowed = np.asarray(logits, dtype=float)[..., possible]
    out[..., possible] = scipy.special.softmax(allowed + np.log(prior[possible]), axis=-1)
    return out


@right("10.1")
def posterior_recursive_lists(logits: Any, prior: Any) -> Any:
    """Python floats; nested lists for a batch."""
    if np.ndim(logits) > 1:
        return [posterior_recursive_lists(row, prior) for row in logits]
    pairs = zip(logits, prior, strict=True)
    z = [float(a) + math.log(float(b)) if b > 0 else -math.inf for a, b in pairs]
    w = [math.exp(v - max(z)) for v in z]
    return [v / math.fsum(w) for v in w]


@right("10.1")
def posterior_by_logsumexp(logits: Any, prior: Any) -> Any:
    """exp of the log-joint less its log-sum-exp."""
    log_prior = np.full(np.shape(prior), -np.inf)
    np.log(prior, out=log_prior, where=np.asarray(prior) > 0)
    joint = logits + log_prior
    return np.exp(joint - scipy.special.logsumexp(joint, axis=-1, keepdims=True))


@wrong("10.1")
def posterior_adds_prior(logits: Any, prior: Any) -> Any:
    """Adds the prior itself."""
    return torch.softmax(torch.tensor(np.array(logits)) + torch.tensor(np.array(prior)), -1)


@wrong("10.1")
def posterior_multiplies_logits(logits: Any, prior: Any) -> Any:
    """Multiplies the logits by the prior."""
    return _softmax(np.einsum("...k,k->...k", logits, prior))


@wrong("10.1")
def posterior_not_renormalised(logits: Any, prior: Any) -> Any:
    """p times the prior: the rows no longer sum to 1."""
    return np.multiply(_softmax(logits), prior)


@wrong("10.1")
def posterior_epsilon(logits: Any, prior: Any) -> Any:
    """log(prior + 1e-9): an impossible class becomes possible."""
    return scipy.special.softmax(logits + np.log(np.asarray(prior) + 1e-9), axis=-1)


@wrong("10.1")
def posterior_renormalised_probabilities(logits: Any, prior: Any) -> Any:
    """p times the prior, renormalised: 0/0 where p underflows on every class that can occur."""
    joint = _softmax(logits) * prior
    return joint / joint.sum(axis=-1, keepdims=True)


@wrong("10.1")
def posterior_textbook(logits: Any, prior: Any) -> Any:
    """exp(logits) times the prior overflows at 1000."""
    joint = np.exp(np.asarray(logits, dtype=float)) * prior
    return joint / joint.sum(axis=-1, keepdims=True)


@wrong("10.1")
def posterior_divides(logits: Any, prior: Any) -> Any:
    """Subtracts the log prior: divides by the prior instead of multiplying."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _softmax(logits - np.log(prior))


@wrong("10.1")
def posterior_log2(logits: Any, prior: Any) -> Any:
    """log2 of the prior added to natural logits."""
    with np.errstate(divide="ignore"):
        return _softmax(logits + np.log2(prior))


@wrong("10.1")
def posterior_zero_prior_as_one(logits: Any, prior: Any) -> Any:
    """log with where= leaves 0 at a zero prior, which is the log of a prior of 1."""
    prior = np.asarray(prior, dtype=float)
    return _softmax(logits + np.log(prior, where=prior > 0, out=np.zeros_like(prior)))


@wrong("10.1")
def posterior_whole_batch(logits: Any, prior: Any) -> Any:
    """Normalises over the whole batch."""
    with np.errstate(divide="ignore"):
        return scipy.special.softmax(logits + np.log(prior))


@wrong("10.1")
def posterior_over_batch(logits: Any, prior: Any) -> Any:
    """Normalises over axis 0."""
    with np.errstate(divide="ignore"):
        return scipy.special.softmax(logits + np.log(prior), axis=0)


@wrong("10.1")
def posterior_ignores_prior(logits: Any, prior: Any) -> Any:
    """The uniform prior, always."""
    return _softmax(logits)


@wrong("10.1")
def posterior_log_after_softmax(logits: Any, prior: Any) -> Any:
    """Adds the log prior to the probabilities instead of the logits."""
    with np.errstate(divide="ignore"):
        return _softmax(_softmax(logits) + np.log(prior))


@wrong("10.1")
def posterior_returns_logits(logits: Any, prior: Any) -> Any:
    """Stops before the softmax."""
    with np.errstate(divide="ignore"):
        return logits + np.log(prior)


@right("10.1")
def posterior_row_by_row_into_a_buffer(logits: Any, prior: Any) -> Any:
    """A buffer of the logits' dtype, filled row by row."""
    out = np.empty_like(logits)
    possible = prior > 0
    log_prior = np.where(possible, np.log(np.where(possible, prior, 1)), -np.inf)
    for index in np.ndindex(logits.shape[:-1]):
        out[index] = scipy.special.softmax(logits[index] + log_prior)
    return out


@wrong("10.1")
def posterior_dim_1(logits: Any, prior: Any) -> Any:
    """torch's softmax over dim 1: an IndexError for a row, another axis in a stack."""
    t = torch.as_tensor(np.array(logits), dtype=torch.float64)
    return torch.softmax(t + torch.as_tensor(np.array(prior), dtype=torch.float64).log(), dim=1)


@wrong("10.1")
def posterior_axis_1_and_floor(logits: Any, prior: Any) -> Any:
    """Axis 1, and the prior clipped at 1e-12."""
    joint = logits + np.log(np.clip(prior, 1e-12, None))
    return np.exp(joint - scipy.special.logsumexp(joint, axis=1, keepdims=True))


@wrong("10.1")
def posterior_prior_gets_an_axis(logits: Any, prior: Any) -> Any:
    """prior[None, :] turns a single row into a batch of one."""
    with np.errstate(divide="ignore"):
        return _softmax(logits + np.log(prior)[None, :])


@wrong("10.1")
def posterior_log_of_probabilities(logits: Any, prior: Any) -> Any:
    """log(p + 1e-8) + log(π + 1e-8): a floor under both."""
    return _softmax(np.log(_softmax(logits) + 1e-8) + np.log(prior + 1e-8))


@wrong("10.1")
def posterior_tiny_floor(logits: Any, prior: Any) -> Any:
    """Clips the prior at the least normal float32."""
    return _softmax(logits + np.log(np.maximum(prior, np.finfo(np.float32).tiny)))


@wrong("10.1")
def posterior_textbook_over_the_batch(logits: Any, prior: Any) -> Any:
    """Likelihood times prior over the sum of everything."""
    joint = np.exp(logits) * prior
    return joint / joint.sum()


@wrong("10.1")
def posterior_finite_number_for_log_zero(logits: Any, prior: Any) -> Any:
    """-1e9 instead of log 0, added to the logit."""
    possible = prior > 0
    return _softmax(logits + np.where(possible, np.log(np.where(possible, prior, 1)), -1e9))


@wrong("10.1")
def posterior_finite_fill(logits: Any, prior: Any) -> Any:
    """Impossible classes are filled with -1e12, in torch."""
    joint = torch.as_tensor(logits) + torch.as_tensor(prior).log()
    fill = -1e12 if joint.dtype != torch.half else -6e4
    return joint.masked_fill(torch.as_tensor(prior) == 0, fill).softmax(dim=-1)


# 10.2 shift_prior(logits, old, new) ---------------------------------------------------------


@right("10.2")
def shift_two_logs(logits: Any, old: Any, new: Any) -> Any:
    """Adds the log of the new prior and takes away that of the old."""
    return logits + np.log(new) - np.log(old)


@right("10.2")
def shift_log_of_ratio(logits: Any, old: Any, new: Any) -> Any:
    """The log of the ratio."""
    return np.add(logits, np.log(np.divide(new, old)))


@right("10.2")
def shift_normalised(logits: Any, old: Any, new: Any) -> Any:
    """Normalised log-probabilities: another constant in each row."""
    z = torch.tensor(np.array(logits), dtype=torch.float64)
    z = z - torch.tensor(np.array(old), dtype=torch.float64).log()
    return torch.log_softmax(z + torch.tensor(np.array(new), dtype=torch.float64).log(), dim=-1)


@right("10.2")
def shift_loops(logits: Any, old: Any, new: Any) -> Any:
    """math.log and nested lists."""
    if np.ndim(logits) > 1:
        return [shift_loops(row, old, new) for row in logits]
    rows = zip(logits, old, new, strict=True)
    return [float(v) + math.log(float(b)) - math.log(float(a)) for v, a, b in rows]


@right("10.2")
def shift_relative_to_first_class(logits: Any, old: Any, new: Any) -> Any:
    """The change of the log odds against class 0; class 0 keeps its logit."""
    old, new = np.asarray(old, dtype=float), np.asarray(new, dtype=float)
    change = (np.log(new) - np.log(new[0])) - (np.log(old) - np.log(old[0]))
    return np.asarray(logits) + change


@wrong("10.2")
def shift_sign(logits: Any, old: Any, new: Any) -> Any:
    """The sign: old and new exchanged."""
    return logits + np.log(np.divide(old, new))


@wrong("10.2")
def shift_only_new(logits: Any, old: Any, new: Any) -> Any:
    """Adds the new prior and leaves the old one in."""
    return torch.tensor(np.array(logits)) + torch.tensor(np.array(new)).log()


@wrong("10.2")
def shift_ratio_without_log(logits: Any, old: Any, new: Any) -> Any:
    """Adds the ratio, not its log."""
    return logits + np.asarray(new) / np.asarray(old)


@wrong("10.2")
def shift_multiplies_by_ratio(logits: Any, old: Any, new: Any) -> Any:
    """Multiplies the logits by the ratio, as one does with probabilities."""
    return logits * (np.asarray(new) / old)


@wrong("10.2")
def shift_only_old(logits: Any, old: Any, new: Any) -> Any:
    """Takes the old prior away and never adds the new one."""
    return logits - np.log(old)


@wrong("10.2")
def shift_log_of_difference(logits: Any, old: Any, new: Any) -> Any:
    """The difference of the priors instead of that of their logs."""
    return logits + (np.asarray(new) - np.asarray(old))


@wrong("10.2")
def shift_log10(logits: Any, old: Any, new: Any) -> Any:
    """log10."""
    return logits + np.log10(new) - np.log10(old)


@wrong("10.2")
def shift_returns_probabilities(logits: Any, old: Any, new: Any) -> Any:
    """Probabilities come out instead of logits."""
    return scipy.special.softmax(logits + np.log(new) - np.log(old), axis=-1)


@wrong("10.2")
def shift_through_probabilities(logits: Any, old: Any, new: Any) -> Any:
    """log(p new / old): -inf where p underflows."""
    with np.errstate(divide="ignore"):
        return np.log(_softmax(logits) * new / old)


@wrong("10.2")
def shift_epsilon(logits: Any, old: Any, new: Any) -> Any:
    """An epsilon inside both logs moves the small priors."""
    return logits + np.log(np.asarray(new) + 1e-6) - np.log(np.asarray(old) + 1e-6)


@wrong("10.2")
def shift_adds_both(logits: Any, old: Any, new: Any) -> Any:
    """Adds both logs."""
    return logits + np.log(old) + np.log(new)


@wrong("10.2")
def shift_kl_constant(logits: Any, old: Any, new: Any) -> Any:
    """One number for all classes: it cancels in softmax and changes nothing."""
    return logits + np.sum(np.asarray(new) * np.log(np.divide(new, old)))


@right("10.2")
def shift_into_a_buffer(logits: Any, old: Any, new: Any) -> Any:
    """A buffer of the logits' dtype."""
    out = np.empty_like(logits)
    out[...] = logits + np.log(new) - np.log(old)
    return out


@wrong("10.2")
def shift_adds_the_old(logits: Any, old: Any, new: Any) -> Any:
    """The training-time form, and no new prior."""
    return logits + np.log(old)


@wrong("10.2")
def shift_by_odds(logits: Any, old: Any, new: Any) -> Any:
    """The odds π/(1 - π) of each class, as for two outputs that stand alone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return logits + scipy.special.logit(new) - scipy.special.logit(old)


@wrong("10.2")
def shift_with_an_axis_too_many(logits: Any, old: Any, new: Any) -> Any:
    """The priors as rows of a batch: a single row comes back with two axes."""
    return logits + np.log(new)[None, :] - np.log(old)[None, :]


@wrong("10.2")
def shift_recalibrated_axis_1(logits: Any, old: Any, new: Any) -> Any:
    """Probabilities along axis 1, corrected, and their log."""
    p = scipy.special.softmax(logits, axis=1) * new / old
    with np.errstate(divide="ignore"):
        return np.log(p / p.sum(axis=1, keepdims=True))


# 10.3 mix_prior(p, prior, lam) --------------------------------------------------------------

right("10.3")(lambda p, prior, lam: (1 - lam) * p + lam * prior)


@right("10.3")
def mix_from_p(p: Any, prior: Any, lam: Any) -> Any:
    """p moved a fraction lam towards the prior."""
    return p + lam * (np.asarray(prior) - p)


@right("10.3")
def mix_lerp(p: Any, prior: Any, lam: Any) -> Any:
    """torch.lerp."""
    tp = torch.tensor(np.array(p), dtype=torch.float64)
    return torch.lerp(tp, torch.tensor(np.array(prior), dtype=torch.float64), float(lam))


@right("10.3")
def mix_average(p: Any, prior: Any, lam: Any) -> Any:
    """A weighted average of the two."""
    both = np.stack(np.broadcast_arrays(p, prior))
    return np.average(both, axis=0, weights=[1 - lam, lam])


@right("10.3")
def mix_nested_lists(p: Any, prior: Any, lam: Any) -> Any:
    """Lists of Python floats."""
    if np.ndim(p) > 1:
        return [mix_nested_lists(row, prior, lam) for row in p]
    pairs = zip(p, prior, strict=True)
    return [(1.0 - float(lam)) * float(a) + float(lam) * float(b) for a, b in pairs]


@right("10.3")
def mix_apply_along_axis(p: Any, prior: Any, lam: Any) -> Any:
    """Row by row with apply_along_axis."""
    return np.apply_along_axis(lambda row: row * (1 - lam) + np.multiply(prior, lam), -1, p)


@wrong("10.3")
def mix_adds_on_top(p: Any, prior: Any, lam: Any) -> Any:
    """p + lam prior: the rows sum to 1 + lam."""
    return torch.tensor(np.array(p)) + lam * torch.tensor(np.array(prior))


@wrong("10.3")
def mix_equal_parts(p: Any, prior: Any, lam: Any) -> Any:
    """p + prior, renormalised: right at lam = 1/2 only."""
    w = np.add(p, prior)
    return w / w.sum(-1, keepdims=True)


@wrong("10.3")
def mix_wrong_side(p: Any, prior: Any, lam: Any) -> Any:
    """lam on p instead of the prior."""
    return np.asarray(prior) + lam * (p - np.asarray(prior))


@wrong("10.3")
def mix_renormalised(p: Any, prior: Any, lam: Any) -> Any:
    """(p + lam prior) / (1 + lam): the wrong weights, though the rows sum to 1."""
    w = p + lam * np.asarray(prior)
    return w / w.sum(axis=-1, keepdims=True)


@wrong("10.3")
def mix_geometric(p: Any, prior: Any, lam: Any) -> Any:
    """The geometric mixture, normalised."""
    w = np.power(p, 1 - lam) * np.power(prior, lam)
    return w / w.sum(axis=-1, keepdims=True)


@wrong("10.3")
def mix_prior_dropped(p: Any, prior: Any, lam: Any) -> Any:
    """(1 - lam) p alone."""
    return (1 - lam) * p


@wrong("10.3")
def mix_uniform_prior(p: Any, prior: Any, lam: Any) -> Any:
    """Always mixes with the uniform prior."""
    return (1 - lam) * p + lam / np.shape(p)[-1]


@wrong("10.3")
def mix_fixed_lam(p: Any, prior: Any, lam: Any) -> Any:
    """Always one tenth."""
    return 0.9 * p + 0.1 * np.asarray(prior)


@wrong("10.3")
def mix_in_place(p: Any, prior: Any, lam: Any) -> Any:
    """Overwrites p."""
    p *= 1 - lam
    p += lam * np.asarray(prior)
    return p


@wrong("10.3")
def mix_prior_as_column(p: Any, prior: Any, lam: Any) -> Any:
    """The prior as a column: wrong on a square batch, an error on others."""
    return (1 - lam) * p + lam * np.asarray(prior)[:, None]


@wrong("10.3")
def mix_product(p: Any, prior: Any, lam: Any) -> Any:
    """Multiplies by the prior instead of adding it."""
    return (1 - lam) * p * (lam * np.asarray(prior))


@wrong("10.3")
def mix_softmax_of_mixture(p: Any, prior: Any, lam: Any) -> Any:
    """A softmax on top, 'to make it sum to 1'."""
    return _softmax((1 - lam) * p + lam * np.asarray(prior))


@wrong("10.3")
def mix_divided_along_axis_1(p: Any, prior: Any, lam: Any) -> Any:
    """A needless division, along an axis that a single row has not."""
    mixed = p * (1 - lam) + prior * lam
    return mixed / mixed.sum(1, keepdims=True)


@wrong("10.3")
def mix_with_a_floor(p: Any, prior: Any, lam: Any) -> Any:
    """Keeps every entry above 1e-10: an impossible class becomes possible."""
    mixed = np.clip(p * (1 - lam) + prior * lam, 1e-10, None)
    return mixed / mixed.sum(-1, keepdims=True)


@right("10.3")
def mixture_by_lerp(p: Any, prior: Any, lam: Any) -> Any:
    """torch's linear interpolation, from p to the prior."""
    return p.lerp(prior.expand(p.shape), lam)


@wrong("10.3")
def mixture_by_lerp_the_other_way(p: Any, prior: Any, lam: Any) -> Any:
    """From the prior to p."""
    return prior.lerp(p, lam)


# 10.4 attention_bias(n, slope) --------------------------------------------------------------


@right("10.4")
def bias_where(n: Any, slope: Any) -> Any:
    """np.where on the distance i - j."""
    distance = np.arange(n)[:, None] - np.arange(n)
    return np.where(distance >= 0, -slope * distance, -np.inf)


@right("10.4")
def bias_loops(n: Any, slope: Any) -> Any:
    """Nested lists of Python floats."""
    return [
        [-float(slope) * (i - j) if j <= i else float("-inf") for j in range(n)] for i in range(n)
    ]


@right("10.4")
def bias_masked_fill(n: Any, slope: Any) -> Any:
    """torch's masked_fill above the diagonal."""
    k = torch.arange(n, dtype=torch.float64)
    later = torch.ones(n, n).triu(1).bool()
    return (slope * (k[None, :] - k[:, None])).masked_fill(later, -torch.inf)


@right("10.4")
def bias_fill_lower(n: Any, slope: Any) -> Any:
    """All -inf, then the lower triangle filled."""
    out = np.full((n, n), -np.inf)
    i, j = np.tril_indices(n)
    out[i, j] = -slope * (i - j)
    return out


@right("10.4")
def bias_toeplitz(n: Any, slope: Any) -> Any:
    """A Toeplitz matrix: only the distance matters."""
    row = np.full(n, -np.inf)
    row[0] = 0.0
    return scipy.linalg.toeplitz(-slope * np.arange(n, dtype=float), row)


@wrong("10.4")
def bias_transposed(n: Any, slope: Any) -> Any:
    """-inf below the diagonal: transposed."""
    out = np.full((n, n), -np.inf)
    j, i = np.tril_indices(n)
    out[i, j] = -slope * (j - i)
    return out


@wrong("10.4")
def bias_zero_above(n: Any, slope: Any) -> Any:
    """np.tril leaves 0 above the diagonal: nothing is masked."""
    k = np.arange(n)
    return np.tril(-slope * (k[:, None] - k))


@wrong("10.4")
def bias_positive_slope(n: Any, slope: Any) -> Any:
    """A positive slope favours what is far away."""
    return [[slope * (i - j) if j <= i else -math.inf for j in range(n)] for i in range(n)]


@wrong("10.4")
def bias_inf_times_zero(n: Any, slope: Any) -> Any:
    """-inf times a 0/1 mask is NaN on and below the diagonal."""
    k = np.arange(n)
    with np.errstate(invalid="ignore"):
        return -slope * (k[:, None] - k) + np.triu(np.ones((n, n)), 1) * -np.inf


@wrong("10.4")
def bias_masks_diagonal(n: Any, slope: Any) -> Any:
    """-inf on the diagonal too: a token cannot see itself."""
    distance = np.arange(n)[:, None] - np.arange(n)
    return np.where(distance > 0, -slope * distance, -np.inf)


@wrong("10.4")
def bias_large_number(n: Any, slope: Any) -> Any:
    """-1e9 instead of -inf."""
    distance = np.arange(n)[:, None] - np.arange(n)
    return np.where(distance >= 0, -slope * distance, -1e9)


@wrong("10.4")
def bias_symmetric(n: Any, slope: Any) -> Any:
    """The absolute distance, no mask: looks ahead."""
    return -slope * np.abs(np.subtract.outer(np.arange(n), np.arange(n)))


@wrong("10.4")
def bias_mask_only(n: Any, slope: Any) -> Any:
    """The causal mask without the slope."""
    return torch.full((n, n), -torch.inf, dtype=torch.float64).triu(1)


@wrong("10.4")
def bias_distance_plus_one(n: Any, slope: Any) -> Any:
    """Off by one: the diagonal gets -slope."""
    distance = np.arange(n)[:, None] - np.arange(n)
    return np.where(distance >= 0, -slope * (distance + 1), -np.inf)


@wrong("10.4")
def bias_by_column(n: Any, slope: Any) -> Any:
    """slope j in every row: the same after softmax, but not the matrix that is asked for."""
    out = np.tile(slope * np.arange(n, dtype=float), (n, 1))
    out[np.triu_indices(n, 1)] = -np.inf
    return out


@wrong("10.4")
def bias_integer_distance(n: Any, slope: Any) -> Any:
    """The slope is truncated to an integer."""
    distance = np.arange(n)[:, None] - np.arange(n)
    return np.where(distance >= 0, -int(slope) * distance, -np.inf)


@wrong("10.4")
def bias_squared_distance(n: Any, slope: Any) -> Any:
    """The square of the distance."""
    distance = np.arange(n)[:, None] - np.arange(n)
    return np.where(distance >= 0, -slope * distance**2, -np.inf)


@wrong("10.4")
def bias_one_row(n: Any, slope: Any) -> Any:
    """The last row only: shape (n,)."""
    return -slope * np.arange(n - 1, -1, -1.0)


@right("10.4")
def bias_float32(n: Any, slope: Any) -> Any:
    """torch's default, float32."""
    i = torch.arange(n, dtype=torch.float32)
    later = torch.ones(n, n, dtype=torch.bool).tril().logical_not()
    return (slope * (i - i[:, None])).masked_fill(later, -torch.inf)


@wrong("10.4")
def bias_log_of_a_geometric_prior(n: Any, slope: Any) -> Any:
    """The log of r^distance: 0 beyond a penalty of 745, and log 0 masks what should be seen."""
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    with np.errstate(divide="ignore"):
        return np.log(np.tril(math.exp(-slope) ** distance))


@wrong("10.4")
def bias_mask_times_slope(n: Any, slope: Any) -> Any:
    """slope · (mask + distances): NaN at slope 0."""
    i = torch.arange(n, dtype=torch.float64)
    mask = torch.full((n, n), -torch.inf, dtype=torch.float64).triu(1)
    return slope * (mask + (i - i[:, None]))


@wrong("10.4")
def bias_mask_from_the_penalty(n: Any, slope: Any) -> Any:
    """Masks where the penalty is positive: nowhere at slope 0."""
    i = np.arange(n, dtype=float)
    penalty = slope * (i - i[:, None])
    penalty[penalty > 0] = -np.inf
    return penalty


@wrong("10.4")
def bias_unmasked_distance(n: Any, slope: Any) -> Any:
    """slope · (i - j), of the wrong sign and without a mask."""
    i = torch.arange(n)
    return slope * (i[:, None] - i).float()


@wrong("10.4")
def bias_one_based_and_zero_above(n: Any, slope: Any) -> Any:
    """Distances from 1, and 0 above the diagonal."""
    distance = np.arange(1, n + 1)[:, None] - np.arange(n)
    return -slope * np.where(distance < 1, 0, distance)


@wrong("10.4")
def bias_row_of_a_batch(n: Any, slope: Any) -> Any:
    """One row, shape (1, n), to be broadcast by somebody else."""
    return (np.arange(1 - n, 1) * slope)[None]


# 10.5 logit_adjusted_loss(logits, labels, prior) --------------------------------------------


@right("10.5")
def adjusted_plain(logits: Any, labels: Any, prior: Any) -> Any:
    """Cross-entropy of logits + log prior."""
    return _nll(logits + np.log(prior), labels)


@right("10.5")
def adjusted_torch(logits: Any, labels: Any, prior: Any) -> Any:
    """torch's cross_entropy; a 0-d tensor."""
    z = torch.tensor(np.array(logits), dtype=torch.float64)
    z = z + torch.tensor(np.array(prior), dtype=torch.float64).log()
    return F.cross_entropy(z, torch.tensor(np.array(labels)).long())


@right("10.5")
def adjusted_logsumexp(logits: Any, labels: Any, prior: Any) -> Any:
    """Log-sum-exp less the label's adjusted logit; a Python float."""
    z = np.asarray(logits, dtype=float) + np.log(np.asarray(prior, dtype=float))
    own = np.take_along_axis(z, np.asarray(labels)[:, None], axis=1)[:, 0]
    return float(np.mean(scipy.special.logsumexp(z, axis=1) - own))


@right("10.5")
def adjusted_loops(logits: Any, labels: Any, prior: Any) -> Any:
    """Row by row with math."""
    total = 0.0
    for row, y in zip(logits, labels, strict=True):
        z = [float(v) + math.log(float(w)) for v, w in zip(row, prior, strict=True)]
        total += max(z) + math.log(math.fsum(math.exp(v - max(z)) for v in z)) - z[y]
    return total / len(labels)


@right("10.5")
def adjusted_pairwise(logits: Any, labels: Any, prior: Any) -> Any:
    """Log-sum-exp as a reduction with logaddexp; a NumPy scalar."""
    z = logits + np.log(prior)
    own = z[np.arange(len(z)), labels]
    return (np.logaddexp.reduce(z, axis=1) - own).mean()


@wrong("10.5")
def adjusted_subtracts(logits: Any, labels: Any, prior: Any) -> Any:
    """Subtracts the log prior: the post-hoc form."""
    z = torch.tensor(np.array(logits)) - torch.tensor(np.array(prior)).log()
    return F.cross_entropy(z, torch.tensor(np.array(labels)).long())


@wrong("10.5")
def adjusted_adds_prior(logits: Any, labels: Any, prior: Any) -> Any:
    """Adds the prior, not its log."""
    return _nll(np.add(logits, prior), labels)


@wrong("10.5")
def adjusted_log_of_softmax(logits: Any, labels: Any, prior: Any) -> Any:
    """The log of a probability that underflows: inf, unstable."""
    p = _softmax(logits + np.log(prior))
    with np.errstate(divide="ignore"):
        return -np.log(p[np.arange(len(p)), labels]).mean()


@wrong("10.5")
def adjusted_unshifted(logits: Any, labels: Any, prior: Any) -> Any:
    """log of the sum of prior exp(logits): overflows."""
    e = np.exp(np.asarray(logits, dtype=float)) * prior
    return np.mean(np.log(e.sum(1)) - np.log(e[np.arange(len(e)), labels]))


@wrong("10.5")
def adjusted_ignores_prior(logits: Any, labels: Any, prior: Any) -> Any:
    """Plain cross-entropy."""
    return _nll(logits, labels)


@wrong("10.5")
def adjusted_sum(logits: Any, labels: Any, prior: Any) -> Any:
    """The sum over the rows."""
    return _nll(logits + np.log(prior), labels) * len(labels)


@wrong("10.5")
def adjusted_rows_not_averaged(logits: Any, labels: Any, prior: Any) -> Any:
    """A loss for each row: not averaged."""
    z = logits + np.log(prior)
    return scipy.special.logsumexp(z, axis=1) - z[np.arange(len(z)), labels]


@wrong("10.5")
def adjusted_weighted_loss(logits: Any, labels: Any, prior: Any) -> Any:
    """Weights each row by 1 / prior: reweighting, not logit adjustment."""
    z = torch.tensor(np.array(logits), dtype=torch.float64)
    weight = 1 / torch.tensor(np.array(prior), dtype=torch.float64)
    return F.cross_entropy(z, torch.tensor(np.array(labels)).long(), weight=weight)


@wrong("10.5")
def adjusted_label_only(logits: Any, labels: Any, prior: Any) -> Any:
    """Adds the log prior of the label after the softmax: it does not enter the normaliser."""
    return _nll(logits, labels) - np.log(np.asarray(prior)[labels]).mean()


@wrong("10.5")
def adjusted_clipped(logits: Any, labels: Any, prior: Any) -> Any:
    """Clips the probability at 1e-12: the loss has a ceiling of 27.6."""
    p = _softmax(logits + np.log(prior))[np.arange(len(labels)), labels]
    return -np.log(np.clip(p, 1e-12, 1)).mean()


@wrong("10.5")
def adjusted_prior_of_label(logits: Any, labels: Any, prior: Any) -> Any:
    """Adds each row's label prior to all its logits: a constant, which cancels."""
    return _nll(logits + np.log(np.asarray(prior)[labels])[:, None], labels)


@wrong("10.5")
def adjusted_sign(logits: Any, labels: Any, prior: Any) -> Any:
    """The sign of the loss."""
    return -_nll(logits + np.log(prior), labels)


@wrong("10.5")
def adjusted_colon_labels(logits: Any, labels: Any, prior: Any) -> Any:
    """log_p[:, labels] takes every row's loss at every label."""
    z = logits + np.log(prior)
    return -scipy.special.log_softmax(z, axis=1)[:, labels].mean()


@right("10.5")
def adjusted_counts_scaled(logits: Any, labels: Any, prior: Any) -> Any:
    """Counts in place of the prior: a factor is a constant in the log."""
    return _nll(logits + np.log(1000 * prior), labels)


@wrong("10.5")
def adjusted_epsilon_in_the_prior(logits: Any, labels: Any, prior: Any) -> Any:
    """log(π + 1e-9) moves a class of π = 0.001 by a millionth."""
    return _nll(logits + np.log(prior + 1e-9), labels)


@wrong("10.5")
def adjusted_subtracts_with_epsilon(logits: Any, labels: Any, prior: Any) -> Any:
    """Subtracts log(π + 1e-8)."""
    return _nll(logits - np.log(prior + 1e-8), labels)


@wrong("10.5")
def adjusted_softmax_first(logits: Any, labels: Any, prior: Any) -> Any:
    """Softmax, then a cross-entropy that does it again."""
    return _nll(_softmax(logits + np.log(prior)), labels)


@wrong("10.5")
def adjusted_margin_of_the_label(logits: Any, labels: Any, prior: Any) -> Any:
    """A margin: log π taken from the label's own logit only."""
    x = np.array(logits, dtype=float)
    x[np.arange(len(x)), labels] -= np.log(prior)[labels]
    return _nll(x, labels)


@wrong("10.5")
def adjusted_weights_of_mean_one(logits: Any, labels: Any, prior: Any) -> Any:
    """Inverse frequencies scaled to mean 1 as weights of the rows."""
    weight = torch.as_tensor((1 / prior) / np.mean(1 / prior))
    z = torch.tensor(np.array(logits), dtype=torch.float64)
    rows = F.cross_entropy(z, torch.tensor(np.array(labels)).long(), reduction="none")
    return (weight[torch.tensor(np.array(labels)).long()] * rows).mean()
