"""Answers to exercises 13.1 to 13.6."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import expit, logsumexp

from . import right, wrong


def weights(x, axis=-1):
    """Softmax with a shift, as every answer to 3.1."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# 13.1 attention(Q, K, V)


@right("13.1")
def plain(Q, K, V):
    """The formula, axes swapped so that stacks work."""
    return weights(Q @ K.swapaxes(-1, -2) / np.sqrt(Q.shape[-1])) @ V


@right("13.1")
def by_einsum(Q, K, V):
    """einsum twice, the queries scaled first."""
    scores = np.einsum("...id,...jd->...ij", Q * Q.shape[-1] ** -0.5, K)
    return np.einsum("...ij,...jv->...iv", weights(scores), V)


@right("13.1")
def root_shared(Q, K, V):
    """The fourth root of d on either side."""
    root = K.shape[-1] ** 0.25
    return weights(np.matmul(Q / root, np.moveaxis(K / root, -1, -2))) @ V


@right("13.1")
def recursion(Q, K, V):
    """Recursion into the stack, then Python's math."""
    if Q.ndim > 2:
        return [recursion(*parts) for parts in zip(Q, K, V, strict=True)]
    out = []
    for q in Q.tolist():
        x = [math.fsum(a * b for a, b in zip(q, k, strict=True)) for k in K.tolist()]
        x = [value / math.sqrt(len(q)) for value in x]
        e = [math.exp(value - max(x)) for value in x]
        total = math.fsum(e)
        columns = zip(*V.tolist(), strict=True)
        out.append(
            [sum(a * v for a, v in zip(e, column, strict=True)) / total for column in columns]
        )
    return out


@right("13.1")
def by_tensors(Q, K, V):
    """torch, softmax written out."""
    Q, K, V = (torch.as_tensor(a).double() for a in (Q, K, V))
    x = torch.matmul(Q, K.transpose(-2, -1)) / math.sqrt(Q.size(-1))
    p = torch.exp(x - torch.logsumexp(x, dim=-1, keepdim=True))
    return p @ V


@right("13.1")
def sums_last(Q, K, V):
    """Divides by the sum only after the values have been added up."""
    x = np.inner(Q, K) if Q.ndim == 2 else Q @ np.swapaxes(K, -2, -1)
    x = x / math.sqrt(K.shape[-1])
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return (e @ V) / np.sum(e, axis=-1, keepdims=True)


@right("13.1")
def log_weights(Q, K, V):
    """exp of the log-softmax."""
    x = np.matmul(Q, np.swapaxes(K, -1, -2)) / np.sqrt(K.shape[-1])
    return np.exp(x - logsumexp(x, axis=-1, keepdims=True)) @ V


@right("13.1")
def one_query_at_a_time(Q, K, V):
    """A buffer filled query by query."""
    out = np.empty(Q.shape[:-1] + V.shape[-1:], dtype=np.result_type(Q, K, V, np.float32))
    for place in np.ndindex(*Q.shape[:-1]):
        keys, values = K[place[:-1]], V[place[:-1]]
        p = weights(keys @ Q[place] / np.sqrt(keys.shape[-1]))
        out[place] = p @ values
    return out


@wrong("13.1")
def unscaled(Q, K, V):
    """Plain dot products."""
    return weights(Q @ np.swapaxes(K, -1, -2)) @ V


@wrong("13.1")
def divided_by_width(Q, K, V):
    """d instead of its root."""
    return weights(Q @ np.swapaxes(K, -1, -2) / Q.shape[-1]) @ V


@wrong("13.1")
def multiplied(Q, K, V):
    """Times the root."""
    return weights(Q @ np.swapaxes(K, -1, -2) * np.sqrt(Q.shape[-1])) @ V


@wrong("13.1")
def scaled_twice(Q, K, V):
    """Queries and keys are both divided by the whole root."""
    root = np.sqrt(Q.shape[-1])
    return weights((Q / root) @ np.swapaxes(K / root, -1, -2)) @ V


@wrong("13.1")
def width_of_values(Q, K, V):
    """The root of d_v."""
    return weights(Q @ np.swapaxes(K, -1, -2) / np.sqrt(V.shape[-1])) @ V


@wrong("13.1")
def number_of_keys(Q, K, V):
    """The root of n_k."""
    return weights(Q @ np.swapaxes(K, -1, -2) / np.sqrt(K.shape[-2])) @ V


@wrong("13.1")
def length_of_queries(Q, K, V):
    """len(Q): the number of queries, or of the stack."""
    return weights(Q @ np.swapaxes(K, -1, -2) / math.sqrt(len(Q))) @ V


@wrong("13.1")
def scaled_too_late(Q, K, V):
    """The weights are divided, not the scores."""
    return weights(Q @ np.swapaxes(K, -1, -2)) / np.sqrt(Q.shape[-1]) @ V


@wrong("13.1")
def over_queries(Q, K, V):
    """softmax over the queries."""
    return weights(Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]), axis=-2) @ V


@wrong("13.1")
def over_first_axis(Q, K, V):
    """softmax along axis 0."""
    x = np.einsum("...id,...jd->...ij", Q, K) / np.sqrt(Q.shape[-1])
    return weights(x, axis=0) @ V


@wrong("13.1")
def over_second_axis(Q, K, V):
    """softmax along axis 1: the keys of a matrix, the queries of a stack."""
    x = np.einsum("...id,...jd->...ij", Q, K) / np.sqrt(Q.shape[-1])
    return weights(x, axis=1) @ V


@wrong("13.1")
def whole_matrix(Q, K, V):
    """One softmax over everything."""
    x = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    e = np.exp(x - x.max())
    return e / e.sum() @ V


@wrong("13.1")
def unshifted(Q, K, V):
    """No shift."""
    e = np.exp(Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]))
    return e / e.sum(-1, keepdims=True) @ V


@wrong("13.1")
def unshifted_tensors(Q, K, V):
    """No shift, in torch."""
    Q, K, V = (torch.as_tensor(a).double() for a in (Q, K, V))
    e = (Q @ K.mT / Q.shape[-1] ** 0.5).exp()
    return e / e.sum(-1, keepdim=True) @ V


@wrong("13.1")
def global_maximum(Q, K, V):
    """One shift for all queries."""
    x = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    e = np.exp(x - x.max())
    return e / e.sum(axis=-1, keepdims=True) @ V


@wrong("13.1")
def transposed_stack(Q, K, V):
    """K.T turns a stack inside out."""
    return weights(Q @ K.T / np.sqrt(Q.shape[-1])) @ V


@wrong("13.1")
def dot_of_stacks(Q, K, V):
    """np.dot pairs every matrix of a stack with every other."""
    x = np.dot(Q, np.swapaxes(K, -1, -2)) / np.sqrt(Q.shape[-1])
    return np.dot(weights(x), V)


@wrong("13.1")
def returns_weights(Q, K, V):
    """The weights without the values."""
    return weights(Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]))


@wrong("13.1")
def returns_both(Q, K, V):
    """Output and weights."""
    p = weights(Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]))
    return p @ V, p


@wrong("13.1")
def no_softmax(Q, K, V):
    """The scores themselves as weights."""
    return Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]) @ V


@wrong("13.1")
def not_normalised(Q, K, V):
    """exp without the division."""
    x = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    return np.exp(x - x.max(-1, keepdims=True)) @ V


@wrong("13.1")
def mixes_keys(Q, K, V):
    """Mixes the keys."""
    return weights(Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])) @ K


@wrong("13.1")
def scores_of_values(Q, K, V):
    """Compares the queries with the values."""
    return weights(Q @ np.swapaxes(V, -1, -2) / np.sqrt(Q.shape[-1])) @ V


@wrong("13.1")
def hard(Q, K, V):
    """The value of the best key alone."""
    best = (Q @ np.swapaxes(K, -1, -2)).argmax(-1)
    return np.take_along_axis(V, best[..., None], axis=-2)


@wrong("13.1")
def clipped(Q, K, V):
    """Scores clipped at ±50 instead of shifted."""
    e = np.exp(np.clip(Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]), -50, 50))
    return e / e.sum(-1, keepdims=True) @ V


@wrong("13.1")
def base_two(Q, K, V):
    """exp2, log2 e forgotten."""
    x = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    e = np.exp2(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ V


@wrong("13.1")
def epsilon(Q, K, V):
    """1e-6 in the denominator."""
    x = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / (e.sum(-1, keepdims=True) + 1e-6) @ V


@wrong("13.1")
def missing_keepdims(Q, K, V):
    """The sums stand along the wrong axis."""
    x = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1) @ V


@wrong("13.1")
def half_precision(Q, K, V):
    """Computed in float32 whatever came in."""
    Q, K, V = (np.asarray(a, dtype=np.float32) for a in (Q, K, V))
    return plain(Q, K, V)


@wrong("13.1")
def in_place(Q, K, V):
    """Scales the caller's queries."""
    Q /= np.sqrt(Q.shape[-1])
    return weights(Q @ np.swapaxes(K, -1, -2)) @ V


@wrong("13.1")
def ready_made(Q, K, V):
    """The exercise itself, from the library."""
    return F.scaled_dot_product_attention(*(torch.as_tensor(a).double() for a in (Q, K, V)))


# 13.2 causal_mask(n_q, n_k)


@right("13.2")
def tri(n_q, n_k):
    """np.tri with the offset."""
    return np.tri(n_q, n_k, n_k - n_q, dtype=bool)


@right("13.2")
def tril(n_q, n_k):
    """tril of ones, cast."""
    return np.tril(np.ones((n_q, n_k)), k=n_k - n_q).astype(bool)


@right("13.2")
def not_triu(n_q, n_k):
    """What is not the future."""
    return ~np.triu(np.ones((n_q, n_k), dtype=bool), k=n_k - n_q + 1)


@right("13.2")
def positions(n_q, n_k):
    """Key position against the query's own."""
    own = np.arange(n_q)[:, None] + (n_k - n_q)
    return np.arange(n_k) <= own


@right("13.2")
def nested(n_q, n_k):
    """Lists of bools."""
    return [[n_k - 1 - j >= n_q - 1 - i for j in range(n_k)] for i in range(n_q)]


@right("13.2")
def turned_round(n_q, n_k):
    """Both ends turned round: the last beside the last."""
    return np.triu(np.ones((n_q, n_k), dtype=bool))[::-1, ::-1]


@right("13.2")
def by_tensor_mask(n_q, n_k):
    """torch's tril."""
    return torch.ones(n_q, n_k, dtype=torch.bool).tril(diagonal=n_k - n_q)


@right("13.2")
def filled_row_by_row(n_q, n_k):
    """How many keys each query may see, never fewer than none."""
    mask = np.zeros((n_q, n_k), dtype=bool)
    for i in range(n_q):
        mask[i, : max(0, i + 1 + n_k - n_q)] = True
    return mask


@wrong("13.2")
def top_left(n_q, n_k):
    """The first query beside the first key."""
    return np.tril(np.ones((n_q, n_k), dtype=bool))


@wrong("13.2")
def rows_of_square(n_q, n_k):
    """The first rows of the square mask."""
    return np.tri(max(n_q, n_k), dtype=bool)[:n_q, :n_k]


@wrong("13.2")
def last_rows_of_square(n_q, n_k):
    """The last rows of the mask of the keys: too few where there are more queries."""
    return np.tri(n_k, dtype=bool)[-n_q:]


@wrong("13.2")
def never_negative(n_q, n_k):
    """The offset cut off at 0."""
    return np.tri(n_q, n_k, max(0, n_k - n_q), dtype=bool)


@wrong("13.2")
def absolute_offset(n_q, n_k):
    """The offset without its sign."""
    return np.tri(n_q, n_k, abs(n_k - n_q), dtype=bool)


@wrong("13.2")
def without_itself(n_q, n_k):
    """The diagonal is missing."""
    return np.arange(n_k) < np.arange(n_q)[:, None] + (n_k - n_q)


@wrong("13.2")
def inverted(n_q, n_k):
    """True where the key is masked."""
    return np.triu(np.ones((n_q, n_k), dtype=bool), k=n_k - n_q + 1)


@wrong("13.2")
def future_from_top_left(n_q, n_k):
    """triu(…, 1), True for the future."""
    return torch.triu(torch.ones(n_q, n_k), diagonal=1).bool()


@wrong("13.2")
def upper(n_q, n_k):
    """The upper triangle."""
    return np.triu(np.ones((n_q, n_k), dtype=bool))


@wrong("13.2")
def upper_right(n_q, n_k):
    """The upper triangle, from the lower right corner."""
    return np.triu(np.ones((n_q, n_k), dtype=bool), k=n_k - n_q)


@wrong("13.2")
def offset_the_other_way(n_q, n_k):
    """n_q - n_k."""
    return np.tri(n_q, n_k, n_q - n_k, dtype=bool)


@wrong("13.2")
def sees_one_more(n_q, n_k):
    """One key of the future."""
    return np.tri(n_q, n_k, n_k - n_q + 1, dtype=bool)


@wrong("13.2")
def across(n_q, n_k):
    """Keys down, queries across."""
    return np.tri(n_q, n_k, n_k - n_q, dtype=bool).T


@wrong("13.2")
def to_be_added(n_q, n_k):
    """0 and -inf, to be added to scores."""
    return np.where(np.tri(n_q, n_k, n_k - n_q, dtype=bool), 0.0, -np.inf)


@wrong("13.2")
def large_negative(n_q, n_k):
    """0 and -1e9."""
    return np.triu(np.ones((n_q, n_k)), k=1) * -1e9


@wrong("13.2")
def with_batch_axes(n_q, n_k):
    """Two axes more, for batch and heads."""
    return np.tri(n_q, n_k, n_k - n_q, dtype=bool)[None, None]


@wrong("13.2")
def square(n_q, n_k):
    """A square of the keys."""
    return np.tri(n_k, dtype=bool)


@wrong("13.2")
def everything(n_q, n_k):
    """Nothing is masked."""
    return np.ones((n_q, n_k), dtype=bool)


@wrong("13.2")
def window(n_q, n_k):
    """No further back than there are queries."""
    distance = np.arange(n_q)[:, None] + (n_k - n_q) - np.arange(n_k)
    return (distance >= 0) & (distance < n_q)


# 13.3 masked_attention(Q, K, V, mask)


def scores(Q, K):
    """Scaled scores of two matrices."""
    return Q @ K.T / np.sqrt(Q.shape[-1])


@right("13.3")
def kept_keys_alone(Q, K, V, mask):
    """Each query meets only the keys it may see."""
    out = np.zeros((len(Q), V.shape[1]), dtype=np.result_type(Q, K, V, np.float32))
    for i, row in enumerate(mask):
        if row.any():
            out[i] = weights(K[row] @ Q[i] / np.sqrt(Q.shape[1])) @ V[row]
    return out


@right("13.3")
def where_argument(Q, K, V, mask):
    """Reductions that skip what is masked."""
    seen = mask.any(axis=0)[:, None]
    x = scores(Q, np.where(seen, K, 0))
    m = x.max(axis=-1, keepdims=True, initial=-np.inf, where=mask)
    e = np.exp(x - m, where=mask, out=np.zeros_like(x))
    s = e.sum(axis=-1, keepdims=True)
    return e / np.where(s == 0, 1, s) @ np.where(seen, V, 0)


@right("13.3")
def unseen_keys_dropped(Q, K, V, mask):
    """Drops the padding before anything is multiplied."""
    seen = mask.any(0)
    out = np.zeros((len(Q), V.shape[1]), dtype=V.dtype)
    if not seen.any():
        return out
    x = np.where(mask[:, seen], scores(Q, K[seen]), -np.inf)
    some = mask.any(1)
    out[some] = weights(x[some]) @ V[seen]
    return out


@right("13.3")
def repaired_padding(Q, K, V, mask):
    """nan_to_num over the padding, -inf over the scores, a finite shift for empty rows."""
    with np.errstate(all="ignore"):
        x = np.where(mask, scores(Q, np.nan_to_num(K)), -np.inf)
    m = x.max(-1, keepdims=True)
    e = np.exp(x - np.where(np.isneginf(m), 0, m))
    return e @ np.nan_to_num(V) / np.maximum(e.sum(-1, keepdims=True), np.finfo(x.dtype).tiny)


@right("13.3")
def lowest_double(Q, K, V, mask):
    """The lowest float64 as the fill, and a rule for empty rows."""
    Q, K, V = (np.asarray(a, dtype=np.float64) for a in (Q, K, V))
    x = np.where(mask, scores(Q, K), np.finfo(np.float64).min)
    out = weights(x) @ np.where(mask.any(0)[:, None], V, 0)
    return np.where(mask.any(1)[:, None], out, 0)


@right("13.3")
def masked_tensors(Q, K, V, mask):
    """masked_fill, the values' product divided by the sum."""
    Q, K, V = (torch.as_tensor(a).double() for a in (Q, K, V))
    mask = torch.as_tensor(mask)
    V = V.masked_fill(~mask.any(0)[:, None], 0)
    x = (Q @ K.T / math.sqrt(Q.shape[-1])).masked_fill(~mask, -torch.inf)
    m = x.amax(-1, keepdim=True)
    e = torch.exp(x - m.masked_fill(m.isneginf(), 0))
    return (e @ V) / e.sum(-1, keepdim=True).clamp(min=1)


@right("13.3")
def masked_lists(Q, K, V, mask):
    """Python's floats, key by key."""
    out = []
    for q, row in zip(Q.tolist(), mask.tolist(), strict=True):
        kept = [j for j, may in enumerate(row) if may]
        x = [math.fsum(a * float(b) for a, b in zip(q, K[j], strict=True)) for j in kept]
        x = [value / math.sqrt(len(q)) for value in x]
        e = [math.exp(value - max(x)) for value in x]
        mixed = [0.0] * V.shape[1]
        for a, j in zip(e, kept, strict=True):
            mixed = [b + a / sum(e) * float(v) for b, v in zip(mixed, V[j], strict=True)]
        out.append(mixed)
    return out


@wrong("13.3")
def the_other_way_round(Q, K, V, mask):
    """True taken for "masked", as in a key padding mask."""
    return kept_keys_alone(Q, K, V, ~mask)


@wrong("13.3")
def multiplied_scores(Q, K, V, mask):
    """Scores times mask: a masked score is 0."""
    return weights(scores(Q, K) * mask) @ V


@wrong("13.3")
def masked_afterwards(Q, K, V, mask):
    """The weights are masked, not the scores."""
    return weights(scores(Q, K)) * mask @ V


@wrong("13.3")
def renormalised_afterwards(Q, K, V, mask):
    """Masked after the softmax and divided anew: the shift may be a masked score."""
    p = weights(scores(Q, np.nan_to_num(K))) * mask
    s = p.sum(-1, keepdims=True)
    return p / np.where(s == 0, 1, s) @ np.nan_to_num(V)


@wrong("13.3")
def nan_on_empty_rows(Q, K, V, mask):
    """-inf - (-inf)."""
    seen = mask.any(0)[:, None]
    x = np.where(mask, scores(Q, np.where(seen, K, 0)), -np.inf)
    return weights(x) @ np.where(seen, V, 0)


@wrong("13.3")
def mean_on_empty_rows(Q, K, V, mask):
    """A fill without a rule for empty rows: the mean of all values."""
    seen = mask.any(0)[:, None]
    x = np.where(mask, scores(Q, np.where(seen, K, 0)), np.finfo(np.float64).min)
    return weights(x) @ np.where(seen, V, 0)


@wrong("13.3")
def poisoned_values(Q, K, V, mask):
    """0 times NaN."""
    x = np.where(mask, scores(Q, K), -np.inf)
    some = mask.any(1, keepdims=True)
    p = np.where(mask, weights(np.where(some, x, 0)), 0)
    return p @ V


@wrong("13.3")
def poisoned_scores(Q, K, V, mask):
    """The mask is added as a logarithm: NaN - inf is NaN."""
    with np.errstate(divide="ignore"):
        x = scores(Q, K) + np.log(mask.astype(float))
    some = mask.any(1, keepdims=True)
    p = np.where(some, weights(np.where(some, x, 0)), 0)
    return p @ np.where(mask.any(0)[:, None], V, 0)


@wrong("13.3")
def nan_hidden(Q, K, V, mask):
    """nan_to_num over the output: one bad value turns a whole row to zero."""
    return np.nan_to_num(weights(np.where(mask, scores(Q, K), -np.inf)) @ V)


@wrong("13.3")
def minus_ten_thousand(Q, K, V, mask):
    """-1e4 added."""
    return weights(scores(Q, K) + (1.0 - mask) * -1e4) @ V


@wrong("13.3")
def minus_billion(Q, K, V, mask):
    """-1e9 in place of the score."""
    return weights(np.where(mask == 0, -1e9, scores(Q, K))) @ V


@wrong("13.3")
def minus_billion_with_rule(Q, K, V, mask):
    """-1e9, padding and empty rows seen to: a kept score may lie below."""
    seen = mask.any(0)[:, None]
    x = np.where(mask, scores(Q, np.where(seen, K, 0)), -1e9)
    return weights(x) @ np.where(seen, V, 0) * mask.any(1)[:, None]


@wrong("13.3")
def lowest_single(Q, K, V, mask):
    """float32's lowest number as the fill in float64."""
    seen = mask.any(0)[:, None]
    x = np.where(mask, scores(Q, np.where(seen, K, 0)), np.finfo(np.float32).min)
    return np.where(mask.any(1)[:, None], weights(x) @ np.where(seen, V, 0), 0)


@wrong("13.3")
def added_booleans(Q, K, V, mask):
    """True adds 1."""
    return weights(scores(Q, K) + mask) @ V


@wrong("13.3")
def infinity_times_zero(Q, K, V, mask):
    """(1 - mask) * -inf: 0 times infinity."""
    return weights(scores(Q, K) + (1 - mask) * -np.inf) @ V


@wrong("13.3")
def maximum_of_everything(Q, K, V, mask):
    """The shift is taken before the mask."""
    seen = mask.any(0)[:, None]
    x = scores(Q, np.where(seen, K, 0))
    e = np.exp(x - x.max(-1, keepdims=True)) * mask
    s = e.sum(-1, keepdims=True)
    return np.divide(e, s, out=np.zeros_like(e), where=s > 0) @ np.where(seen, V, 0)


@wrong("13.3")
def unshifted_masked(Q, K, V, mask):
    """No shift."""
    seen = mask.any(0)[:, None]
    e = np.exp(np.where(mask, scores(Q, np.where(seen, K, 0)), -np.inf))
    s = e.sum(-1, keepdims=True)
    return e / np.where(s == 0, 1, s) @ np.where(seen, V, 0)


@wrong("13.3")
def epsilon_for_empty_rows(Q, K, V, mask):
    """1e-9 below, so that 0 / 0 does not happen."""
    seen = mask.any(0)[:, None]
    x = np.where(mask, scores(Q, np.where(seen, K, 0)), -np.inf)
    m = x.max(-1, keepdims=True)
    e = np.exp(x - np.where(np.isneginf(m), 0, m))
    return e / (e.sum(-1, keepdims=True) + 1e-9) @ np.where(seen, V, 0)


@wrong("13.3")
def weights_by_lse(Q, K, V, mask):
    """exp(x - LSE): at scores of -7e41 the log of the sum is lost in the LSE."""
    seen = mask.any(0)[:, None]
    x = np.where(mask, scores(Q, np.where(seen, K, 0)), -np.inf)
    lse = logsumexp(x, axis=-1, keepdims=True)
    return np.exp(x - np.where(np.isneginf(lse), 0, lse)) @ np.where(seen, V, 0)


@wrong("13.3")
def unscaled_masked(Q, K, V, mask):
    """No root of d."""
    return kept_keys_alone(Q * np.sqrt(Q.shape[-1]), K, V, mask)


@wrong("13.3")
def logarithm_of_mask(Q, K, V, mask):
    """log(mask + 1e-9)."""
    return weights(scores(Q, K) + np.log(mask + 1e-9)) @ V


@wrong("13.3")
def empty_rows_see_all(Q, K, V, mask):
    """Empty rows are opened."""
    mask = mask | ~mask.any(1, keepdims=True)
    return kept_keys_alone(Q, K, V, mask)


@wrong("13.3")
def mask_forgotten(Q, K, V, mask):
    """The mask is not used."""
    return weights(scores(Q, K)) @ V


@wrong("13.3")
def masked_library(Q, K, V, mask):
    """The exercise itself, from the library."""
    tensors = (torch.as_tensor(a).double() for a in (Q, K, V))
    return torch.nn.functional.scaled_dot_product_attention(
        *tensors, attn_mask=torch.as_tensor(mask)
    )


# 13.4 softmax_with_sink(x, s)


@right("13.4")
def joined_maximum(x, s):
    """The sink joins the maximum."""
    m = np.maximum(x.max(axis=-1, keepdims=True), s)
    e = np.exp(x - m)
    return e / (e.sum(axis=-1, keepdims=True) + np.exp(s - m))


@right("13.4")
def column_dropped(x, s):
    """A column more, softmax, a column less."""
    column = np.full((*x.shape[:-1], 1), s, dtype=x.dtype)
    return weights(np.concatenate([x, column], axis=-1))[..., :-1]


@right("13.4")
def by_logsumexp(x, s):
    """exp(x - LSE) with the sink in the LSE."""
    with np.errstate(divide="ignore"):
        return np.exp(x - np.logaddexp(logsumexp(x, axis=-1, keepdims=True), s))


@right("13.4")
def gate_in_logs(x, s):
    """The plain softmax times the sigmoid of LSE - s, the sigmoid by its logarithm."""
    x = np.asarray(x, dtype=np.float64)
    lse = logsumexp(x, axis=-1, keepdims=True)
    p = np.exp(x - np.where(np.isneginf(lse), 0, lse))
    return p * np.exp(-np.logaddexp(0, s - lse))


@right("13.4")
def sink_of_tensors(x, s):
    """torch.cat, its softmax."""
    x = torch.as_tensor(x)
    sink = torch.full_like(x[..., :1], float(s))
    z = torch.cat([sink, x], dim=-1)
    e = (z - z.amax(-1, keepdim=True)).exp()
    return (e / e.sum(-1, keepdim=True))[..., 1:]


@right("13.4")
def sink_in_lists(x, s):
    """Python's math."""
    if np.ndim(x) > 1:
        return [sink_in_lists(row, s) for row in x]
    row = [float(value) for value in x]
    m = max(*row, float(s))
    total = math.exp(s - m) + math.fsum(math.exp(value - m) for value in row)
    return [math.exp(value - m) / total for value in row]


@wrong("13.4")
def sink_unmoved(x, s):
    """e^s is added after the scores were shifted."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / (e.sum(-1, keepdims=True) + np.exp(s))


@wrong("13.4")
def one_unmoved(x, s):
    """softmax off by one, its 1 added after the shift; s unused."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / (1 + e.sum(-1, keepdims=True))


@wrong("13.4")
def off_by_one(x, s):
    """softmax off by one, correct for s = 0 only."""
    return joined_maximum(x, 0.0)


@wrong("13.4")
def maximum_without_sink(x, s):
    """The sink is not in the maximum."""
    m = x.max(-1, keepdims=True)
    e = np.exp(x - m)
    return e / (e.sum(-1, keepdims=True) + np.exp(s - m))


@wrong("13.4")
def maximum_with_zero(x, s):
    """0 joins the maximum instead of the sink."""
    m = np.maximum(x.max(-1, keepdims=True), 0)
    e = np.exp(x - m)
    return e / (e.sum(-1, keepdims=True) + np.exp(s - m))


@wrong("13.4")
def sink_unshifted(x, s):
    """No shift."""
    e = np.exp(x)
    return e / (e.sum(-1, keepdims=True) + np.exp(s))


@wrong("13.4")
def column_returned(x, s):
    """The sink's own column is returned."""
    column = np.full((*x.shape[:-1], 1), s, dtype=x.dtype)
    return weights(np.concatenate([x, column], axis=-1))


@wrong("13.4")
def wrong_column_dropped(x, s):
    """The sink stands first, the last column is dropped."""
    column = np.full((*x.shape[:-1], 1), s, dtype=x.dtype)
    return weights(np.concatenate([column, x], axis=-1))[..., :-1]


@wrong("13.4")
def renormalised(x, s):
    """The rest is made to sum to 1 again."""
    p = joined_maximum(x, s)
    return p / p.sum(-1, keepdims=True)


@wrong("13.4")
def added_to_all(x, s):
    """s is added to every score."""
    return weights(x + s)


@wrong("13.4")
def gate(x, s):
    """The plain softmax times the sigmoid of LSE - s: SciPy's expit is 0 at -720, e^-720 is not."""
    x = np.asarray(x, dtype=np.float64)
    lse = logsumexp(x, axis=-1, keepdims=True)
    p = np.exp(x - np.where(np.isneginf(lse), 0, lse))
    return p * expit(lse - s)


@wrong("13.4")
def upside_down(x, s):
    """The sigmoid of s - LSE."""
    lse = logsumexp(x, axis=-1, keepdims=True)
    return np.exp(x - lse) * expit(s - lse)


@wrong("13.4")
def logit_as_mass(x, s):
    """s instead of e^s."""
    m = x.max(-1, keepdims=True)
    e = np.exp(x - m)
    return e / (e.sum(-1, keepdims=True) + s * np.exp(-m))


@wrong("13.4")
def one_denominator(x, s):
    """One sum for the whole batch."""
    m = max(x.max(), s)
    e = np.exp(x - m)
    return e / (e.sum() + np.exp(s - m))


@wrong("13.4")
def one_maximum(x, s):
    """One maximum for the whole batch."""
    m = max(x.max(), s)
    e = np.exp(x - m)
    return e / (e.sum(-1, keepdims=True) + np.exp(s - m))


@wrong("13.4")
def sink_ignored(x, s):
    """Plain softmax."""
    return weights(x)


@wrong("13.4")
def sign_of_sink(x, s):
    """e^-s."""
    return joined_maximum(x, -s)


@wrong("13.4")
def sink_per_place(x, s):
    """The sink is counted once per score."""
    m = np.maximum(x.max(-1, keepdims=True), s)
    e = np.exp(x - m)
    return e / (e + np.exp(s - m)).sum(-1, keepdims=True)


@wrong("13.4")
def epsilon_above(x, s):
    """1e-6 in the numerator."""
    return joined_maximum(x, s) + 1e-6


@wrong("13.4")
def down_the_columns(x, s):
    """Along axis 0."""
    m = np.maximum(x.max(axis=0, keepdims=True), s)
    e = np.exp(x - m)
    return e / (e.sum(axis=0, keepdims=True) + np.exp(s - m))


@wrong("13.4")
def sigmoid_of_difference(x, s):
    """Each score against the sink alone."""
    return expit(x - s)


# 13.5 capped_scores(x, cap, mask)


@right("13.5")
def capped_where(x, cap, mask):
    """Cap, then mask."""
    return np.where(mask, cap * np.tanh(x / cap), -np.inf)


@right("13.5")
def capped_assigned(x, cap, mask):
    """Indexed assignment into a new array."""
    out = np.tanh(np.asarray(x) / cap) * cap
    out[~mask] = -np.inf
    return out


@right("13.5")
def capped_log_mask(x, cap, mask):
    """log(1) = 0 and log(0) = -inf are added."""
    with np.errstate(divide="ignore"):
        return cap * np.tanh(x / cap) + np.log(mask.astype(float))


@right("13.5")
def capped_lists(x, cap, mask):
    """Python's math."""
    rows = zip(x.tolist(), mask.tolist(), strict=True)
    return [
        [cap * math.tanh(v / cap) if may else -math.inf for v, may in zip(*row, strict=True)]
        for row in rows
    ]


@right("13.5")
def capped_tensors(x, cap, mask):
    """masked_fill."""
    x = torch.as_tensor(x)
    x = x if x.is_floating_point() else x.double()
    return (cap * torch.tanh(x / cap)).masked_fill(~torch.as_tensor(mask), float("-inf"))


@right("13.5")
def capped_where_argument(x, cap, mask):
    """tanh only where it is needed."""
    out = np.full(np.shape(x), -np.inf)
    np.tanh(x / cap, out=out, where=mask)
    return cap * out


@wrong("13.5")
def masked_first(x, cap, mask):
    """-inf becomes -cap."""
    return cap * np.tanh(np.where(mask, x, -np.inf) / cap)


@wrong("13.5")
def masked_first_finite(x, cap, mask):
    """-1e9 becomes -cap."""
    return cap * np.tanh((x + (1.0 - mask) * -1e9) / cap)


@wrong("13.5")
def clipped_scores(x, cap, mask):
    """A hard clip."""
    return np.where(mask, np.clip(x, -cap, cap), -np.inf)


@wrong("13.5")
def not_multiplied_back(x, cap, mask):
    """Between -1 and 1."""
    return np.where(mask, np.tanh(x / cap), -np.inf)


@wrong("13.5")
def not_divided(x, cap, mask):
    """cap tanh(x)."""
    return np.where(mask, cap * np.tanh(x), -np.inf)


@wrong("13.5")
def the_other_way(x, cap, mask):
    """tanh(cap x) / cap."""
    return np.where(mask, np.tanh(cap * x) / cap, -np.inf)


@wrong("13.5")
def zero_for_masked(x, cap, mask):
    """0 where it is masked."""
    return np.where(mask, cap * np.tanh(x / cap), 0)


@wrong("13.5")
def times_mask(x, cap, mask):
    """Times the mask."""
    return cap * np.tanh(x / cap) * mask


@wrong("13.5")
def keeps_masked(x, cap, mask):
    """The mask the other way round."""
    return np.where(mask, -np.inf, cap * np.tanh(x / cap))


@wrong("13.5")
def sigmoid_cap(x, cap, mask):
    """A sigmoid: between 0 and cap."""
    return np.where(mask, cap * expit(x / cap), -np.inf)


@wrong("13.5")
def from_above_only(x, cap, mask):
    """Negative scores are left alone."""
    return np.where(mask, np.where(x > 0, cap * np.tanh(x / cap), x), -np.inf)


@wrong("13.5")
def no_mask(x, cap, mask):
    """The mask is not used."""
    return cap * np.tanh(x / cap)


@wrong("13.5")
def no_cap(x, cap, mask):
    """The cap is not used."""
    return np.where(mask, x, -np.inf)


@wrong("13.5")
def cap_times_nothing(x, cap, mask):
    """0 times infinity."""
    return cap * np.tanh(x / cap) + (1 - mask) * -np.inf


@wrong("13.5")
def finite_for_masked(x, cap, mask):
    """-1e9 for masked."""
    return np.where(mask, cap * np.tanh(x / cap), -1e9)


@wrong("13.5")
def lowest_for_masked(x, cap, mask):
    """The lowest number for masked."""
    return np.where(mask, cap * np.tanh(x / cap), np.finfo(np.float64).min)


@wrong("13.5")
def softsign(x, cap, mask):
    """x / (1 + |x| / cap)."""
    return np.where(mask, x / (1 + np.abs(x) / cap), -np.inf)


@wrong("13.5")
def tanh_by_exponentials(x, cap, mask):
    """tanh from four exponentials: inf / inf."""
    z = x / cap
    t = (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))
    return np.where(mask, cap * t, -np.inf)


@wrong("13.5")
def in_the_buffer(x, cap, mask):
    """Writes into the caller's scores."""
    x[:] = cap * np.tanh(x / cap)
    x[~mask] = -np.inf
    return x


@wrong("13.5")
def kept_only(x, cap, mask):
    """Only the kept ones, flat."""
    return cap * np.tanh(x[mask] / cap)


# 13.6 multi_head_attention(X, Wq, Wk, Wv, heads)


def single_head(q, k, v):
    """One head."""
    return weights(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])) @ v


def split_heads(a, heads):
    """(n, w) → (heads, n, w / heads)."""
    return a.reshape(len(a), heads, -1).transpose(1, 0, 2)


def join_heads(a):
    """(heads, n, width) → (n, w)."""
    return a.transpose(1, 0, 2).reshape(a.shape[1], -1)


@right("13.6")
def reshaped(X, Wq, Wk, Wv, heads):
    """Reshape, swap, attend, swap, reshape."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return join_heads(single_head(q, k, v))


@right("13.6")
def slices(X, Wq, Wk, Wv, heads):
    """Head by head, columns side by side."""
    width = Wq.shape[1] // heads
    parts = []
    for h in range(heads):
        own = slice(h * width, (h + 1) * width)
        parts.append(single_head(X @ Wq[:, own], X @ Wk[:, own], X @ Wv[:, own]))
    return np.hstack(parts)


@right("13.6")
def three_splits(X, Wq, Wk, Wv, heads):
    """np.split along the columns."""
    parts = zip(*(np.split(X @ W, heads, axis=1) for W in (Wq, Wk, Wv)), strict=True)
    return np.concatenate([single_head(*part) for part in parts], axis=-1)


@right("13.6")
def heads_by_einsum(X, Wq, Wk, Wv, heads):
    """einsum with a head index."""
    n, width = len(X), Wq.shape[1] // heads
    q, k, v = ((X @ W).reshape(n, heads, width) for W in (Wq, Wk, Wv))
    p = weights(np.einsum("ihd,jhd->hij", q, k) / math.sqrt(width))
    return np.einsum("hij,jhd->ihd", p, v).reshape(n, heads * width)


@right("13.6")
def heads_of_tensors(X, Wq, Wk, Wv, heads):
    """view, transpose, contiguous."""
    X, Wq, Wk, Wv = (torch.as_tensor(a).double() for a in (X, Wq, Wk, Wv))
    n, w = X.shape[0], Wq.shape[1]
    q, k, v = ((X @ W).view(n, heads, w // heads).transpose(0, 1) for W in (Wq, Wk, Wv))
    x = q @ k.transpose(-2, -1) * (w // heads) ** -0.5
    p = torch.exp(x - x.logsumexp(-1, keepdim=True))
    return (p @ v).transpose(0, 1).contiguous().view(n, w)


@right("13.6")
def masked_columns(X, Wq, Wk, Wv, heads):
    """Every head on the full width, foreign columns set to zero."""
    q, k, v = X @ Wq, X @ Wk, X @ Wv
    w = q.shape[1]
    owner = np.arange(w) // (w // heads)
    out = 0
    for h in range(heads):
        own = owner == h
        out = out + weights((q * own) @ k.T / np.sqrt(own.sum())) @ (v * own)
    return out


@wrong("13.6")
def full_width(X, Wq, Wk, Wv, heads):
    """The root of the full width."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return join_heads(weights(q @ k.transpose(0, 2, 1) / np.sqrt(Wq.shape[1])) @ v)


@wrong("13.6")
def width_of_embedding(X, Wq, Wk, Wv, heads):
    """The root of X's width."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return join_heads(weights(q @ k.transpose(0, 2, 1) / np.sqrt(X.shape[1])) @ v)


@wrong("13.6")
def root_of_heads(X, Wq, Wk, Wv, heads):
    """The root of the number of heads."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return join_heads(weights(q @ k.transpose(0, 2, 1) / np.sqrt(heads)) @ v)


@wrong("13.6")
def heads_unscaled(X, Wq, Wk, Wv, heads):
    """No scale."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return join_heads(weights(q @ k.transpose(0, 2, 1)) @ v)


@wrong("13.6")
def heads_divided_by_width(X, Wq, Wk, Wv, heads):
    """The head's width, without the root."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return join_heads(weights(q @ k.transpose(0, 2, 1) / q.shape[-1]) @ v)


@wrong("13.6")
def reshape_alone(X, Wq, Wk, Wv, heads):
    """Split and joined without swapping the axes."""
    n, w = len(X), Wq.shape[1]
    q, k, v = ((X @ W).reshape(heads, n, w // heads) for W in (Wq, Wk, Wv))
    return single_head(q, k, v).reshape(n, w)


@wrong("13.6")
def swapped_on_the_way_in(X, Wq, Wk, Wv, heads):
    """Joined without the swap."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return single_head(q, k, v).reshape(len(X), -1)


@wrong("13.6")
def swapped_on_the_way_out(X, Wq, Wk, Wv, heads):
    """Split without the swap."""
    n, w = len(X), Wq.shape[1]
    q, k, v = ((X @ W).reshape(heads, n, w // heads) for W in (Wq, Wk, Wv))
    return join_heads(single_head(q, k, v))


@wrong("13.6")
def one_head(X, Wq, Wk, Wv, heads):
    """heads is not used."""
    return single_head(X @ Wq, X @ Wk, X @ Wv)


@wrong("13.6")
def heads_over_queries(X, Wq, Wk, Wv, heads):
    """softmax over the queries."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    x = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    return join_heads(weights(x, axis=1) @ v)


@wrong("13.6")
def heads_over_heads(X, Wq, Wk, Wv, heads):
    """softmax over the heads."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    x = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    return join_heads(weights(x, axis=0) @ v)


@wrong("13.6")
def attends_to_heads(X, Wq, Wk, Wv, heads):
    """No swap at all: each token attends over its own heads."""
    q, k, v = ((X @ W).reshape(len(X), heads, -1) for W in (Wq, Wk, Wv))
    return single_head(q, k, v).reshape(len(X), -1)


@wrong("13.6")
def interleaved(X, Wq, Wk, Wv, heads):
    """Every heads-th column."""
    q, k, v = X @ Wq, X @ Wk, X @ Wv
    out = np.empty_like(q)
    for h in range(heads):
        out[:, h::heads] = single_head(q[:, h::heads], k[:, h::heads], v[:, h::heads])
    return out


@wrong("13.6")
def averaged(X, Wq, Wk, Wv, heads):
    """The mean of the heads."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return single_head(q, k, v).mean(axis=0)


@wrong("13.6")
def stacked(X, Wq, Wk, Wv, heads):
    """The heads are left apart."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    return single_head(q, k, v)


@wrong("13.6")
def heads_unshifted(X, Wq, Wk, Wv, heads):
    """No shift."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    e = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]))
    return join_heads(e / e.sum(-1, keepdims=True) @ v)


@wrong("13.6")
def values_forgotten(X, Wq, Wk, Wv, heads):
    """The keys are mixed."""
    q, k = (split_heads(X @ W, heads) for W in (Wq, Wk))
    return join_heads(single_head(q, k, k))


@wrong("13.6")
def queries_for_keys(X, Wq, Wk, Wv, heads):
    """Wq for queries and keys."""
    q, v = (split_heads(X @ W, heads) for W in (Wq, Wv))
    return join_heads(single_head(q, q, v))


@wrong("13.6")
def residual(X, Wq, Wk, Wv, heads):
    """The values of the own place are added."""
    return reshaped(X, Wq, Wk, Wv, heads) + X @ Wv


@wrong("13.6")
def last_head_only(X, Wq, Wk, Wv, heads):
    """The loop keeps its last head only."""
    width = Wq.shape[1] // heads
    out = np.zeros((len(X), Wq.shape[1]))
    own = slice((heads - 1) * width, heads * width)
    out[:, own] = single_head(X @ Wq[:, own], X @ Wk[:, own], X @ Wv[:, own])
    return out


@wrong("13.6")
def shared_maximum(X, Wq, Wk, Wv, heads):
    """One maximum for all heads and queries."""
    q, k, v = (split_heads(X @ W, heads) for W in (Wq, Wk, Wv))
    x = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    e = np.exp(x - x.max())
    return join_heads(e / e.sum(-1, keepdims=True) @ v)
