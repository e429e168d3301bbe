"""Answers to exercises 16.1 to 16.6."""

import bisect
import heapq
import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import torch
from scipy import special, stats
from scipy.special import logsumexp, softmax

from . import right, wrong

# 16.1 inverse_cdf(p, u)


@right("16.1")
def searched(p, u):
    """NumPy's search, at the side that passes over equal sums."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, u * sums[-1], side="right")


@right("16.1")
def walked(p, u):
    """Two loops."""
    weights = [float(value) for value in p]
    total = 0.0
    for weight in weights:
        total += weight
    drawn = []
    for number in u:
        running = 0.0
        for i, weight in enumerate(weights):
            running += weight
            if running > number * total:
                drawn.append(i)
                break
    return drawn


@right("16.1")
def first_true(p, u):
    """A table of comparisons, the first that holds in each row."""
    sums = p.astype(np.float64).cumsum()
    return (sums[None, :] > sums[-1] * u[:, None]).argmax(axis=1)


@right("16.1")
def counted(p, u):
    """As many classes lie before it as sums are not above the mark."""
    sums = np.cumsum(np.asarray(p, dtype=float))
    return np.array([np.count_nonzero(sums <= number * sums[-1]) for number in u])


@right("16.1")
def bisected(p, u):
    """The standard library's bisection."""
    sums = list(itertools.accumulate(p.astype(float).tolist()))
    return [bisect.bisect_right(sums, number * sums[-1]) for number in u.tolist()]


@right("16.1")
def with_torch(p, u):
    """torch's search."""
    sums = torch.cumsum(torch.from_numpy(p).double(), dim=0)
    return torch.searchsorted(sums, torch.from_numpy(u) * sums[-1], right=True)


@right("16.1")
def digitised(p, u):
    """Bins that are closed on the left."""
    sums = np.cumsum(p.astype(np.float64))
    return np.digitize(u * sums[-1], sums)


@right("16.1")
def in_fractions(p, u):
    """Without rounding."""
    sums = list(itertools.accumulate(Fraction(float(value)) for value in p))
    return np.array(
        [next(i for i, s in enumerate(sums) if s > Fraction(float(a)) * sums[-1]) for a in u]
    )


@wrong("16.1")
def left_side(p, u):
    """Draws a class of probability 0."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, u * sums[-1])


@wrong("16.1")
def at_least(p, u):
    """>= for >."""
    sums = np.cumsum(p, dtype=np.float64)
    return [next(i for i, s in enumerate(sums) if s >= a * sums[-1]) for a in u]


@wrong("16.1")
def not_scaled(p, u):
    """Takes the sum for 1, and falls off the end."""
    return np.searchsorted(np.cumsum(p, dtype=np.float64), u, side="right")


@wrong("16.1")
def clipped_to_the_last(p, u):
    """What falls off the end goes to the last class, of whatever probability."""
    drawn = np.searchsorted(np.cumsum(p, dtype=np.float64), u, side="right")
    return np.minimum(drawn, len(p) - 1)


@wrong("16.1")
def end_set_to_one(p, u):
    """The last sum is overwritten."""
    sums = np.cumsum(p, dtype=np.float64)
    sums[-1] = 1.0
    return np.searchsorted(sums, u, side="right")


@wrong("16.1")
def end_set_to_infinity(p, u):
    """The last sum catches everything."""
    sums = np.append(np.cumsum(p, dtype=np.float64)[:-1], np.inf)
    return np.searchsorted(sums, u, side="right")


@wrong("16.1")
def scaled_by_another_sum(p, u):
    """np.sum adds in another order than np.cumsum: the ends differ."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, u * p.sum(dtype=np.float64), side="right")


@wrong("16.1")
def divided_first(p, u):
    """Each p is divided by the sum; the new sums do not end at 1 either."""
    shares = p.astype(np.float64) / p.astype(np.float64).sum()
    return np.searchsorted(np.cumsum(shares), u, side="right")


@wrong("16.1")
def in_the_input_s_precision(p, u):
    """float32 sums of float32 probabilities."""
    sums = np.cumsum(p)
    return np.searchsorted(sums, u * sums[-1], side="right")


@wrong("16.1")
def float32_throughout(p, u):
    """Also the uniform numbers are rounded."""
    sums = np.cumsum(p, dtype=np.float32)
    return np.searchsorted(sums, u.astype(np.float32) * sums[-1], side="right")


@wrong("16.1")
def uniforms_in_float32(p, u):
    """Only the uniform numbers are rounded: 1 - 2**-53 becomes 1."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, u.astype(np.float32) * sums[-1], side="right")


@wrong("16.1")
def argmax_of_nothing(p, u):
    """Where no sum is above u, argmax says 0."""
    return (np.cumsum(p, dtype=np.float64) > u[:, None]).argmax(axis=1)


@wrong("16.1")
def subtracted_one_by_one(p, u):
    """Takes each p off u, which rounds, and says 0 if something is left."""
    drawn = []
    for number in u:
        left, found = number, 0
        for i, weight in enumerate(p):
            left -= float(weight)
            if left < 0:
                found = i
                break
        drawn.append(found)
    return drawn


@wrong("16.1")
def single_probabilities(p, u):
    """Compares with p, not with its sums."""
    return (p > u[:, None]).argmax(axis=1)


@wrong("16.1")
def uniform_classes(p, u):
    """Every class alike."""
    return (u * len(p)).astype(int)


@wrong("16.1")
def likely_first_lost(p, u):
    """Sorts, and reports the place in the sorted order."""
    sums = np.cumsum(np.sort(p.astype(np.float64))[::-1])
    return np.searchsorted(sums, u * sums[-1], side="right")


@wrong("16.1")
def likely_first(p, u):
    """Sorts and maps back: the law is right, the order another."""
    order = np.argsort(-p, kind="stable")
    sums = np.cumsum(p[order].astype(np.float64))
    return order[np.searchsorted(sums, u * sums[-1], side="right")]


@wrong("16.1")
def mirrored(p, u):
    """1 - u for u."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, (1 - u) * sums[-1], side="right").clip(max=len(p) - 1)


@wrong("16.1")
def backwards(p, u):
    """Counts the classes from the end."""
    sums = np.cumsum(p[::-1], dtype=np.float64)
    return len(p) - 1 - np.searchsorted(sums, u * sums[-1], side="right")


@wrong("16.1")
def closest_sum(p, u):
    """The sum nearest to u."""
    return np.abs(np.cumsum(p, dtype=np.float64) - u[:, None]).argmin(axis=1)


@wrong("16.1")
def last_below(p, u):
    """The last sum that is not above, one too few."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.maximum(np.searchsorted(sums, u * sums[-1], side="right") - 1, 0)


@wrong("16.1")
def from_one(p, u):
    """Counts from 1."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, u * sums[-1], side="right") + 1


@wrong("16.1")
def zeros_dropped(p, u):
    """Leaves out the impossible classes and numbers the others anew."""
    sums = np.cumsum(p[p > 0], dtype=np.float64)
    return np.searchsorted(sums, u * sums[-1], side="right")


@wrong("16.1")
def in_ascending_order_of_u(p, u):
    """Sorts the uniform numbers, and does not put the draws back."""
    sums = np.cumsum(p, dtype=np.float64)
    return np.searchsorted(sums, -np.sort(-u) * sums[-1], side="right")


@wrong("16.1")
def first_number_only(p, u):
    """One draw."""
    sums = np.cumsum(p, dtype=np.float64)
    return int(np.searchsorted(sums, u[0] * sums[-1], side="right"))


@wrong("16.1")
def most_likely(p, u):
    """The mode, however u falls."""
    return np.full(len(u), np.argmax(p))


@wrong("16.1")
def own_numbers(p, u):
    """Draws by its own generator."""
    p = p.astype(np.float64)
    return np.random.default_rng(0).choice(len(p), size=len(u), p=p / p.sum())


# 16.2 gumbel(v)


@right("16.2")
def by_log1p(v):
    """log1p inside."""
    return -np.log(-np.log1p(-v))


@right("16.2")
def one_at_a_time(v):
    """The standard library, number by number."""
    flat = [-math.log(-math.log1p(-float(value))) for value in np.ravel(v)]
    return np.array(flat).reshape(np.shape(v))


@right("16.2")
def torch_s_log1p(v):
    """torch in the input's precision."""
    return -torch.log(-torch.log1p(-torch.as_tensor(v)))


@right("16.2")
def wide(v):
    """In long doubles."""
    wide_v = np.asarray(v, dtype=np.longdouble)
    return -np.log(-np.log1p(-wide_v))


@right("16.2")
def by_two_functions(v):
    """The exponential number has a function of its own."""

    def exponential(share):
        return np.negative(np.log1p(np.negative(share)))

    return np.negative(np.log(exponential(v)))


@right("16.2")
def by_xlog1py(v):
    """SciPy's y log(1 + x)."""
    return -np.log(-special.xlog1py(1.0, -np.asarray(v, dtype=np.float64)))


@right("16.2")
def exponential_first(v):
    """An exponential number by SciPy, then its logarithm."""
    return -np.log(stats.expon.ppf(np.asarray(v, dtype=np.float64)))


@right("16.2")
def by_artanh(v):
    """-log(1 - v) = 2 artanh(v / (2 - v))."""
    v = np.asarray(v, dtype=np.float64)
    return -np.log(2 * np.arctanh(v / (2 - v)))


@wrong("16.2")
def as_written(v):
    """1 - v rounds to 1: unstable."""
    return -np.log(-np.log(1 - v))


@wrong("16.2")
def as_written_in_float64(v):
    """Wider, and still 1: unstable."""
    return -np.log(-np.log(1 - v.astype(np.float64)))


@wrong("16.2")
def as_written_by_torch(v):
    """Unstable."""
    return -torch.log(-torch.log(1 - torch.as_tensor(v)))


@wrong("16.2")
def repaired_too_late(v):
    """log v for the smallest only; between 1e-12 and 1e-3 most digits are gone: unstable."""
    v = v.astype(np.float64)
    return np.where(v < 1e-12, -np.log(v), -np.log(-np.log(1 - v)))


@wrong("16.2")
def repaired_below_1e_7(v):
    """Two terms of the series below 1e-7; at 1e-6 and 1e-4 digits are missing: unstable."""
    v = v.astype(np.float64)
    return np.where(v < 1e-7, -np.log(v) - v / 2, -np.log(-np.log(1 - v)))


@wrong("16.2")
def logarithm_of_v_below_a_thousandth(v):
    """-log v is good to v / 2 only."""
    v = v.astype(np.float64)
    return np.where(v < 1e-3, -np.log(v), -np.log(-np.log1p(-v)))


@wrong("16.2")
def usual_noise(v):
    """-log(-log v): the same law, but not this end of it."""
    return -np.log(-np.log(v))


@wrong("16.2")
def one_logarithm(v):
    """An exponential number."""
    return -np.log1p(-v)


@wrong("16.2")
def one_logarithm_of_v(v):
    """-log v: near it for small v only."""
    return -np.log(v)


@wrong("16.2")
def sign_forgotten(v):
    """The law of the smallest."""
    return np.log(-np.log1p(-v))


@wrong("16.2")
def inner_sign_forgotten(v):
    """The logarithm of a negative number."""
    return -np.log(np.log1p(-v))


@wrong("16.2")
def log1p_of_plus_v(v):
    """log(1 + v)."""
    return -np.log(np.log1p(v))


@wrong("16.2")
def log1p_twice(v):
    """log1p outside too."""
    return -np.log1p(-np.log1p(-v))


@wrong("16.2")
def epsilons_within(v):
    """1e-20 in both logarithms, as in many repositories."""
    return -np.log(-np.log(1 - v + 1e-20) + 1e-20)


@wrong("16.2")
def epsilon_outside(v):
    """log1p, and 1e-10 all the same."""
    return -np.log(-np.log1p(-v) + 1e-10)


@wrong("16.2")
def tiny_outside(v):
    """log1p with float32's tiniest in float32, 1e-30: 2**-100 is near it."""
    return -np.log(-np.log1p(-v.astype(np.float64)) + 1e-30)


@wrong("16.2")
def clamped_below(v):
    """v at least 1e-7."""
    return -np.log(-np.log1p(-np.maximum(v, 1e-7)))


@wrong("16.2")
def clamped_at_eps(v):
    """v at least its format's eps."""
    return -np.log(-np.log1p(-np.maximum(v, np.finfo(v.dtype).eps)))


@wrong("16.2")
def clamped_above(v):
    """v at most 1 - 1e-6."""
    return -np.log(-np.log1p(-np.minimum(v, 1 - 1e-6)))


@wrong("16.2")
def logit(v):
    """The logistic law."""
    return special.logit(v)


@wrong("16.2")
def probit(v):
    """The normal law."""
    return special.ndtri(1 - v.astype(np.float64))


@wrong("16.2")
def in_base_2(v):
    """Logarithms to base 2."""
    return -np.log2(-np.log2(1 - v.astype(np.float64)))


@wrong("16.2")
def outer_in_base_2(v):
    """Only the outer logarithm is to base 2."""
    return -np.log2(-np.log1p(-v))


@wrong("16.2")
def centred(v):
    """Mean 0: Euler's constant taken off."""
    return -np.log(-np.log1p(-v)) - np.euler_gamma


@wrong("16.2")
def narrowed(v):
    """float32 for float64."""
    return (-np.log(-np.log1p(-v))).astype(np.float32)


@wrong("16.2")
def flattened(v):
    """The shape is lost."""
    return -np.log(-np.log1p(-np.ravel(v)))


@wrong("16.2")
def infinities_replaced(v):
    """What overflows becomes a large number: unstable."""
    return np.nan_to_num(-np.log(-np.log(1 - v)), posinf=100.0)


# 16.3 gumbel_topk(x, g, k)


@right("16.3")
def sorted_descending(x, g, k):
    """A whole sort of the negated sums."""
    return np.argsort(-(x + g), axis=-1)[..., :k]


@right("16.3")
def by_topk(x, g, k):
    """torch.topk is in order."""
    return torch.topk(torch.as_tensor(x + g), k, dim=-1).indices


@right("16.3")
def partitioned_then_sorted(x, g, k):
    """The k largest first, their order then."""
    sums = x + g
    some = np.argpartition(sums, -k, axis=-1)[..., -k:]
    within = np.argsort(np.take_along_axis(sums, some, axis=-1), axis=-1)[..., ::-1]
    return np.take_along_axis(some, within, axis=-1)


@right("16.3")
def one_winner_after_another(x, g, k):
    """The largest, taken out, k times."""
    sums = np.array(x + g, dtype=np.float64)
    drawn = []
    for _ in range(k):
        best = sums.argmax(axis=-1)
        drawn.append(best)
        np.put_along_axis(sums, best[..., None], -np.inf, axis=-1)
    return np.stack(drawn, axis=-1)


@right("16.3")
def from_a_heap(x, g, k):
    """heapq, row by row."""
    n = x.shape[-1]
    rows = (x + g).reshape(-1, n).tolist()
    drawn = [heapq.nlargest(k, range(n), key=row.__getitem__) for row in rows]
    return np.array(drawn).reshape(*x.shape[:-1], k)


@right("16.3")
def normalised_first(x, g, k):
    """log-softmax moves all alike."""
    scores = special.log_softmax(x, axis=-1) + g
    return np.flip(np.argsort(scores, axis=-1), axis=-1)[..., :k]


@wrong("16.3")
def greedy(x, g, k):
    """The k likeliest."""
    return np.argsort(-x, axis=-1)[..., :k]


@wrong("16.3")
def noise_alone(x, g, k):
    """The logits do not count, not even those of -inf."""
    return np.argsort(-g, axis=-1)[..., :k]


@wrong("16.3")
def noise_subtracted(x, g, k):
    """x - g."""
    return np.argsort(-(x - g), axis=-1)[..., :k]


@wrong("16.3")
def on_probabilities(x, g, k):
    """softmax(x) + g."""
    return np.argsort(-(softmax(x, axis=-1) + g), axis=-1)[..., :k]


@wrong("16.3")
def probability_times_noise(x, g, k):
    """softmax(x) * g."""
    return np.argsort(-(softmax(x, axis=-1) * g), axis=-1)[..., :k]


@wrong("16.3")
def logit_times_noise(x, g, k):
    """x * g."""
    return np.argsort(-(x * g), axis=-1)[..., :k]


@wrong("16.3")
def log_of_softmax(x, g, k):
    """log(softmax): far logits are all -inf. Unstable."""
    return np.argsort(-(np.log(softmax(x, axis=-1)) + g), axis=-1)[..., :k]


@wrong("16.3")
def softmax_of_the_sums(x, g, k):
    """Sorts the softmax of x + g, where the small ones are all 0: unstable."""
    return np.argsort(-softmax(x + g, axis=-1), axis=-1)[..., :k]


@wrong("16.3")
def race_of_exponentials(x, g, k):
    """exp(-(x + g)), the smallest first: overflows."""
    return np.argsort(np.exp(-g) / np.exp(x), axis=-1)[..., :k]


@wrong("16.3")
def noise_made_again(x, g, k):
    """Takes g for uniform numbers."""
    return np.argsort(-(x - np.log(-np.log(np.abs(g) % 1))), axis=-1)[..., :k]


@wrong("16.3")
def noise_doubled(x, g, k):
    """x + 2 g."""
    return np.argsort(-(x + 2 * g), axis=-1)[..., :k]


@wrong("16.3")
def temperature_of_two(x, g, k):
    """(x / 2) + g."""
    return np.argsort(-(x / 2 + g), axis=-1)[..., :k]


@wrong("16.3")
def ascending(x, g, k):
    """The smallest."""
    return np.argsort(x + g, axis=-1)[..., :k]


@wrong("16.3")
def largest_last(x, g, k):
    """The right ones, the first drawn at the end."""
    return np.argsort(x + g, axis=-1)[..., -k:]


@wrong("16.3")
def in_order_of_index(x, g, k):
    """The right ones, sorted by their number."""
    return np.sort(np.argsort(-(x + g), axis=-1)[..., :k], axis=-1)


@wrong("16.3")
def as_partitioned(x, g, k):
    """argpartition promises no order."""
    return np.argpartition(-(x + g), k - 1, axis=-1)[..., :k]


@wrong("16.3")
def likely_ones_shuffled(x, g, k):
    """The k largest logits, put in order by the noise."""
    best = np.argsort(-x, axis=-1)[..., :k]
    scores = np.take_along_axis(x + g, best, axis=-1)
    return np.take_along_axis(best, np.argsort(-scores, axis=-1), axis=-1)


@wrong("16.3")
def masked_as_zero(x, g, k):
    """-inf becomes 0."""
    return np.argsort(-(np.where(np.isinf(x), 0.0, x) + g), axis=-1)[..., :k]


@wrong("16.3")
def flat_batch(x, g, k):
    """The k largest of all rows together."""
    return np.argsort(-(x + g), axis=None)[:k]


@wrong("16.3")
def first_axis(x, g, k):
    """Sorts along the first axis."""
    return np.argsort(-(x + g), axis=0)[..., :k]


@wrong("16.3")
def first_row_s_noise(x, g, k):
    """All rows share the first row's noise."""
    shared = g.reshape(-1, g.shape[-1])[0]
    return np.argsort(-(x + shared), axis=-1)[..., :k]


@wrong("16.3")
def with_replacement(x, g, k):
    """The winner, k times."""
    best = (x + g).argmax(axis=-1)
    return np.repeat(best[..., None], k, axis=-1)


@wrong("16.3")
def one_winner(x, g, k):
    """Only the first."""
    return (x + g).argmax(axis=-1)


@wrong("16.3")
def sums_for_indices(x, g, k):
    """The sums, not where they are."""
    return -np.sort(-(x + g), axis=-1)[..., :k]


@wrong("16.3")
def places(x, g, k):
    """Each class's rank."""
    return np.argsort(np.argsort(-(x + g), axis=-1), axis=-1)[..., :k]


@wrong("16.3")
def chosen_or_not(x, g, k):
    """A mask."""
    sums = x + g
    return sums >= -np.sort(-sums, axis=-1)[..., k - 1 : k]


@wrong("16.3")
def all_of_them(x, g, k):
    """Not cut at k."""
    return np.argsort(-(x + g), axis=-1)


@wrong("16.3")
def numbered_from_one(x, g, k):
    """Counts from 1."""
    return np.argsort(-(x + g), axis=-1)[..., :k] + 1


@wrong("16.3")
def second_to_last(x, g, k):
    """[-k:-1] reversed: one is missing."""
    return np.argsort(x + g, axis=-1)[..., -k:-1][..., ::-1]


# 16.4 order_log_prob(x, order)


@right("16.4")
def rest_by_rest(x, order):
    """The log-sum-exp of those that are left, draw by draw."""
    left = np.ones(len(x), dtype=bool)
    total = 0.0
    for i in order:
        total += x[i] - logsumexp(x[left])
        left[i] = False
    return total


@right("16.4")
def from_the_last_draw_back(x, order):
    """Adds the drawn to the undrawn, last first."""
    undrawn = np.delete(x, order)
    start = np.logaddexp.reduce(undrawn) if len(undrawn) else -np.inf
    norms = np.logaddexp.accumulate(np.concatenate([[start], x[order][::-1]]))[1:]
    return np.sum(x[order][::-1] - norms)


@right("16.4")
def lists(x, order):
    """Pure Python, shifted by the largest that is left."""
    rest = dict(enumerate(x.tolist()))
    terms = []
    for i in order.tolist():
        top = max(rest.values())
        terms.append(rest[i] - top)
        terms.append(-math.log(math.fsum(math.exp(value - top) for value in rest.values())))
        del rest[i]
    return math.fsum(terms)


@right("16.4")
def torch_masks(x, order):
    """torch's log_softmax, the drawn masked."""
    rest = torch.tensor(x)
    total = torch.zeros((), dtype=rest.dtype)
    for i in order.tolist():
        total = total + torch.log_softmax(rest, dim=0)[i]
        rest[i] = -torch.inf
    return total


@right("16.4")
def gaps(x, order):
    """Each term is -log of a sum of exponentials of gaps to what is drawn."""
    x = x.copy()
    total = 0.0
    for i in order:
        total -= logsumexp(x - x[i])
        x[i] = -np.inf
    return float(total)


@right("16.4")
def in_decimals(x, order):
    """Fifty digits."""
    with localcontext() as context:
        context.prec = 50
        rest = {i: Decimal(value) for i, value in enumerate(x.tolist()) if value > -math.inf}
        total = Decimal(0)
        for i in order.tolist():
            top = max(rest.values())
            total += rest[i] - top - sum((value - top).exp() for value in rest.values()).ln()
            del rest[i]
        return float(total)


@right("16.4")
def triangle(x, order):
    """A table of who is left at each draw."""
    place = np.full(len(x), len(x))
    place[order] = np.arange(len(order))
    left = place[None, :] >= np.arange(len(order))[:, None]
    table = np.where(left, x, -np.inf)
    return (x[order] - logsumexp(table, axis=1)).sum()


@wrong("16.4")
def put_back(x, order):
    """Drawn with replacement."""
    return special.log_softmax(x)[order].sum()


@wrong("16.4")
def divided_by_what_is_left(x, order):
    """p over 1 - what is drawn, which may round to 0: unstable."""
    p = softmax(x)
    drawn, total = 0.0, 0.0
    for i in order:
        total += np.log(p[i] / (1 - drawn))
        drawn += p[i]
    return total


@wrong("16.4")
def log1p_of_what_is_drawn(x, order):
    """log1p(-drawn): no better, since drawn is 1. Unstable."""
    logp = special.log_softmax(x)
    before = np.concatenate([[0.0], np.cumsum(np.exp(logp[order]))[:-1]])
    return np.sum(logp[order] - np.log1p(-before))


@wrong("16.4")
def norm_updated(x, order):
    """log(Z - e^x) from log Z: cancels. Unstable."""
    norm = logsumexp(x)
    total = 0.0
    for i in order:
        total += x[i] - norm
        norm += np.log(-np.expm1(x[i] - norm))
    return total


@wrong("16.4")
def exponentials_subtracted(x, order):
    """The sum of exponentials, less each that is drawn: cancels. Unstable."""
    e = np.exp(x - x.max())
    total, result = e.sum(), 0.0
    for i in order:
        result += np.log(e[i]) - np.log(total)
        total -= e[i]
    return result


@wrong("16.4")
def one_shift_for_all(x, order):
    """Shifted by the largest of all, also when that is drawn: underflows. Unstable."""
    e = np.exp(x - x.max())
    left = np.ones(len(x), dtype=bool)
    result = 0.0
    for i in order:
        result += np.log(e[i] / e[left].sum())
        left[i] = False
    return result


@wrong("16.4")
def log_of_the_product(x, order):
    """The logarithm at the end: the product underflows. Unstable."""
    rest, result = x.copy(), 1.0
    for i in order:
        result *= softmax(rest)[i]
        rest[i] = -np.inf
    return np.log(result)


@wrong("16.4")
def log_of_each_softmax(x, order):
    """log(softmax) draw by draw: a single small p is 0. Unstable."""
    rest, result = x.copy(), 0.0
    for i in order:
        result += np.log(softmax(rest)[i])
        rest[i] = -np.inf
    return result


@wrong("16.4")
def bare_exponentials(x, order):
    """Not shifted: overflows. Unstable."""
    left = np.ones(len(x), dtype=bool)
    result = 0.0
    for i in order:
        result += x[i] - np.log(np.exp(x[left]).sum())
        left[i] = False
    return result


@wrong("16.4")
def an_epsilon(x, order):
    """1e-12 in the logarithm."""
    rest, result = x.copy(), 0.0
    for i in order:
        result += np.log(softmax(rest)[i] + 1e-12)
        rest[i] = -np.inf
    return result


@wrong("16.4")
def floored(x, order):
    """Probabilities of at least 1e-300."""
    rest, result = x.copy(), 0.0
    for i in order:
        result += np.log(max(softmax(rest)[i], 1e-300))
        rest[i] = -np.inf
    return result


@wrong("16.4")
def set_to_zero(x, order):
    """The drawn get the logit 0."""
    rest, result = x.copy(), 0.0
    for i in order:
        result += special.log_softmax(rest)[i]
        rest[i] = 0.0
    return result


@wrong("16.4")
def set_to_minus_hundred(x, order):
    """The drawn get the logit -100: not low enough for logits of any size."""
    rest, result = x.copy(), 0.0
    for i in order:
        result += special.log_softmax(rest)[i]
        rest[i] = -100.0
    return result


@wrong("16.4")
def set_to_minus_ten_thousand(x, order):
    """The drawn get the logit -1e4: low enough in float16's world."""
    rest, result = x.copy(), 0.0
    for i in order:
        result += special.log_softmax(rest)[i]
        rest[i] = -1e4
    return result


@wrong("16.4")
def equal_ones_go_too(x, order):
    """Takes out by value: a class of the same logit goes along."""
    rest, result = x.copy(), 0.0
    for i in order:
        result += x[i] - logsumexp(rest)
        rest = rest[rest != x[i]]
    return result


@wrong("16.4")
def indices_slip(x, order):
    """After a deletion the indices mean other classes."""
    rest, result = x.copy(), 0.0
    for i in order:
        i = min(i, len(rest) - 1)
        result += special.log_softmax(rest)[i]
        rest = np.delete(rest, i)
    return result


@wrong("16.4")
def without_itself(x, order):
    """The drawn class is missing in its own denominator."""
    left = np.ones(len(x), dtype=bool)
    result = 0.0
    for i in order:
        left[i] = False
        result += x[i] - (logsumexp(x[left]) if left.any() else 0.0)
    return result


@wrong("16.4")
def last_first(x, order):
    """The other way round."""
    return rest_by_rest(x, order[::-1])


@wrong("16.4")
def first_only(x, order):
    """The first draw."""
    return special.log_softmax(x)[order[0]]


@wrong("16.4")
def last_only(x, order):
    """The last draw, given those before."""
    return special.log_softmax(np.delete(x, order[:-1]))[
        order[-1] - np.sum(np.asarray(order[:-1]) < order[-1])
    ]


@wrong("16.4")
def last_forgotten(x, order):
    """All but the last draw."""
    return rest_by_rest(x, order[:-1])


@wrong("16.4")
def among_the_drawn(x, order):
    """The order among those that are drawn, as if there were no others."""
    drawn = x[order]
    return sum(drawn[t] - logsumexp(drawn[t:]) for t in range(len(drawn)))


@wrong("16.4")
def in_any_order(x, order):
    """The probability of the set."""
    return logsumexp([rest_by_rest(x, list(o)) for o in itertools.permutations(order.tolist())])


@wrong("16.4")
def times_the_orders(x, order):
    """Plus log k!, as if all orders were alike."""
    return rest_by_rest(x, order) + math.lgamma(len(order) + 1)


@wrong("16.4")
def mean_per_draw(x, order):
    """Divided by k."""
    return rest_by_rest(x, order) / len(order)


@wrong("16.4")
def negative(x, order):
    """The loss."""
    return -rest_by_rest(x, order)


@wrong("16.4")
def exponentiated(x, order):
    """The probability."""
    return np.exp(rest_by_rest(x, order))


@wrong("16.4")
def in_bits(x, order):
    """To base 2."""
    return rest_by_rest(x, order) / np.log(2)


@wrong("16.4")
def draw_by_draw(x, order):
    """One number for each draw, not added."""
    return np.array([x[i] - logsumexp(np.delete(x, order[:t])) for t, i in enumerate(order)])


@wrong("16.4")
def writes_into_x(x, order):
    """The logits are left masked."""
    result = 0.0
    for i in order:
        result += x[i] - logsumexp(x)
        x[i] = -np.inf
    return result


@wrong("16.4")
def in_float32(x, order):
    """Seven digits."""
    return float(rest_by_rest(x.astype(np.float32), order))


# 16.5 chi_square(counts, p, least=5)


def cells(counts, p, least):
    """Return the counts and the expectations of the cells."""
    expected = np.sum(counts) * np.asarray(p, dtype=np.float64)
    small = expected < least
    seen, hoped = counts[~small].astype(float), expected[~small]
    if expected[small].sum() > 0:
        seen = np.append(seen, counts[small].sum())
        hoped = np.append(hoped, expected[small].sum())
    return seen, hoped


def impossible(counts, p):
    """Whether a class of probability 0 was drawn."""
    return bool(np.any(np.asarray(counts)[np.asarray(p) == 0] > 0))


def finish(statistic, degrees, counts, p):
    """Return the three numbers."""
    if impossible(counts, p):
        return math.inf, degrees, 0.0
    return float(statistic), degrees, float(stats.chi2.sf(statistic, degrees))


@right("16.5")
def by_the_survival_function(counts, p, least=5):
    """Cells, statistic, SciPy's sf."""
    seen, hoped = cells(counts, p, least)
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen) - 1, counts, p)


@right("16.5")
def by_chisquare(counts, p, least=5):
    """SciPy's own test on the pooled cells."""
    seen, hoped = cells(counts, p, least)
    if impossible(counts, p):
        return np.inf, len(seen) - 1, 0.0
    found = stats.chisquare(seen, hoped * (seen.sum() / hoped.sum()))
    return found.statistic, len(seen) - 1, found.pvalue


@right("16.5")
def by_the_incomplete_gamma(counts, p, least=5):
    """Loops, and the regularised incomplete gamma function."""
    draws = sum(int(c) for c in counts)
    pairs, rest_seen, rest_hoped, never = [], 0, 0.0, False
    for c, share in zip(counts.tolist(), p.tolist(), strict=True):
        if share == 0 and c > 0:
            never = True
        if draws * share < least:
            rest_seen, rest_hoped = rest_seen + c, rest_hoped + draws * share
        else:
            pairs.append((c, draws * share))
    if rest_hoped > 0:
        pairs.append((rest_seen, rest_hoped))
    degrees = len(pairs) - 1
    if never:
        return math.inf, degrees, 0.0
    statistic = sum((c - e) ** 2 / e for c, e in pairs)
    return statistic, degrees, special.gammaincc(degrees / 2, statistic / 2)


@right("16.5")
def with_bincount(counts, p, least=5):
    """Cells by number."""
    draws = counts.sum()
    expected = draws * np.asarray(p, dtype=float)
    big = expected >= least
    cell = np.where(big, np.cumsum(big), 0)
    hoped = np.bincount(cell, weights=expected)
    seen = np.bincount(cell, weights=counts)
    seen, hoped = seen[hoped > 0], hoped[hoped > 0]
    degrees = len(hoped) - 1
    if (counts[p == 0] != 0).any():
        return float("inf"), degrees, 0.0
    statistic = np.sum((seen - hoped) ** 2 / hoped)
    return statistic, degrees, special.chdtrc(degrees, statistic)


@right("16.5")
def tail_in_torch(counts, p, least=5):
    """torch's incomplete gamma function."""
    c, share = torch.as_tensor(counts).double(), torch.as_tensor(p).double()
    expected = c.sum() * share
    small = expected < least
    seen, hoped = c[~small], expected[~small]
    if expected[small].sum() > 0:
        seen = torch.cat([seen, c[small].sum()[None]])
        hoped = torch.cat([hoped, expected[small].sum()[None]])
    degrees = len(seen) - 1
    if bool((c[share == 0] > 0).any()):
        return math.inf, degrees, 0.0
    statistic = ((seen - hoped).square() / hoped).sum()
    half = torch.tensor(degrees / 2, dtype=torch.float64)
    return statistic.item(), degrees, torch.special.gammaincc(half, statistic / 2).item()


@wrong("16.5")
def nothing_pooled(counts, p, least=5):
    """Every class of p > 0 is a cell."""
    return by_the_survival_function(counts, p, 0)


@wrong("16.5")
def small_ones_left_out(counts, p, least=5):
    """Drops the small cells."""
    expected = counts.sum() * p
    big = expected >= least
    statistic = ((counts[big] - expected[big]) ** 2 / expected[big]).sum()
    return finish(statistic, big.sum() - 1, counts, p)


@wrong("16.5")
def pooled_by_count(counts, p, least=5):
    """Pools what was seen less than `least` times."""
    expected = counts.sum() * p
    small = counts < least
    seen, hoped = counts[~small], expected[~small]
    if expected[small].sum() > 0:
        seen = np.append(seen, counts[small].sum())
        hoped = np.append(hoped, expected[small].sum())
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def pooled_at_the_bound(counts, p, least=5):
    """<= for <."""
    return by_the_survival_function(counts, p, np.nextafter(least, np.inf))


@wrong("16.5")
def always_five(counts, p, least=5):
    """Does not look at `least`."""
    return by_the_survival_function(counts, p, 5)


@wrong("16.5")
def pooled_by_probability(counts, p, least=5):
    """p < 0.05 for a small cell."""
    return by_the_survival_function(counts, p, least / 100 * counts.sum())


@wrong("16.5")
def pooled_with_the_neighbour(counts, p, least=5):
    """Collects classes until the expectation suffices: several pooled cells."""
    expected = counts.sum() * np.asarray(p, dtype=float)
    seen, hoped, c, e = [], [], 0, 0.0
    for a, b in zip(counts, expected, strict=True):
        c, e = c + a, e + b
        if e >= least:
            seen.append(c)
            hoped.append(e)
            c, e = 0, 0.0
    seen[-1] += c
    hoped[-1] += e
    seen, hoped = np.array(seen), np.array(hoped)
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def pooled_into_the_smallest(counts, p, least=5):
    """A pooled cell that is still small is put to the smallest of the others."""
    seen, hoped = cells(counts, p, least)
    if hoped[-1] < least and len(hoped) > 2:
        to = np.argmin(hoped[:-1])
        seen[to] += seen[-1]
        hoped[to] += hoped[-1]
        seen, hoped = seen[:-1], hoped[:-1]
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def pooled_if_large(counts, p, least=5):
    """The pooled cell counts only if it is expected `least` times."""
    seen, hoped = cells(counts, p, least)
    keep = hoped >= least
    seen, hoped = seen[keep], hoped[keep]
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def as_many_degrees_as_cells(counts, p, least=5):
    """Not minus 1."""
    seen, hoped = cells(counts, p, least)
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen), counts, p)


@wrong("16.5")
def degrees_of_all_classes(counts, p, least=5):
    """n - 1, pooled or not."""
    seen, hoped = cells(counts, p, least)
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(p) - 1, counts, p)


@wrong("16.5")
def two_degrees_too_few(counts, p, least=5):
    """cells - 2, as if something had been fitted."""
    seen, hoped = cells(counts, p, least)
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen) - 2, counts, p)


@wrong("16.5")
def empty_cell_has_a_degree(counts, p, least=5):
    """The pooled cell counts also if it is expected 0 times."""
    seen, hoped = cells(counts, p, least)
    small = counts.sum() * p < least
    more = bool(small.any()) and p[small].sum() == 0
    return finish(((seen - hoped) ** 2 / hoped).sum(), len(seen) - 1 + more, counts, p)


@wrong("16.5")
def empty_cell_divides(counts, p, least=5):
    """Always a pooled cell, also of nothing: 0 / 0."""
    expected = counts.sum() * p
    small = expected < least
    seen = np.append(counts[~small], counts[small].sum())
    hoped = np.append(expected[~small], expected[small].sum())
    with np.errstate(all="ignore"):
        statistic = ((seen - hoped) ** 2 / hoped).sum()
    return finish(statistic, len(seen) - 1, counts, p)


@wrong("16.5")
def over_what_was_seen(counts, p, least=5):
    """Divided by the counts."""
    seen, hoped = cells(counts, p, least)
    with np.errstate(all="ignore"):
        return finish(((seen - hoped) ** 2 / seen).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def undivided(counts, p, least=5):
    """The squares alone."""
    seen, hoped = cells(counts, p, least)
    return finish(((seen - hoped) ** 2).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def unsquared(counts, p, least=5):
    """|count - expected| / expected."""
    seen, hoped = cells(counts, p, least)
    return finish((np.abs(seen - hoped) / hoped).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def of_frequencies(counts, p, least=5):
    """Frequencies against probabilities: N is missing."""
    seen, hoped = cells(counts, p, least)
    draws = counts.sum()
    return finish(((seen - hoped) ** 2 / hoped).sum() / draws, len(seen) - 1, counts, p)


@wrong("16.5")
def continuity_corrected(counts, p, least=5):
    """Yates's half."""
    seen, hoped = cells(counts, p, least)
    gap = np.maximum(np.abs(seen - hoped) - 0.5, 0)
    return finish((gap**2 / hoped).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def binomial_variance(counts, p, least=5):
    """Divided by N p (1 - p)."""
    seen, hoped = cells(counts, p, least)
    variance = hoped * (1 - hoped / counts.sum())
    return finish(((seen - hoped) ** 2 / variance).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def likelihood_ratio(counts, p, least=5):
    """The G-test."""
    seen, hoped = cells(counts, p, least)
    return finish(2 * special.xlogy(seen, seen / hoped).sum(), len(seen) - 1, counts, p)


@wrong("16.5")
def equal_expectations(counts, p, least=5):
    """Against N / n."""
    return by_the_survival_function(counts, np.full(len(p), 1 / len(p)), least)


@wrong("16.5")
def largest_cell(counts, p, least=5):
    """The largest cell's part alone."""
    seen, hoped = cells(counts, p, least)
    return finish(((seen - hoped) ** 2 / hoped).max(), len(seen) - 1, counts, p)


@wrong("16.5")
def below_the_statistic(counts, p, least=5):
    """The cdf for the p-value."""
    statistic, degrees, _ = by_the_survival_function(counts, p, least)
    return statistic, degrees, float(stats.chi2.cdf(statistic, degrees))


@wrong("16.5")
def density(counts, p, least=5):
    """The density for the p-value."""
    statistic, degrees, _ = by_the_survival_function(counts, p, least)
    return statistic, degrees, float(stats.chi2.pdf(statistic, degrees))


@wrong("16.5")
def on_both_sides(counts, p, least=5):
    """A two-sided p-value."""
    statistic, degrees, tail = by_the_survival_function(counts, p, least)
    return statistic, degrees, 2 * min(tail, 1 - tail)


@wrong("16.5")
def normal_tail(counts, p, least=5):
    """The chi-square distribution taken for a normal one."""
    statistic, degrees, _ = by_the_survival_function(counts, p, least)
    return statistic, degrees, float(stats.norm.sf((statistic - degrees) / (2 * degrees) ** 0.5))


@wrong("16.5")
def impossible_class_pooled(counts, p, least=5):
    """A hit where p = 0 goes into the pooled cell, or nowhere."""
    seen, hoped = cells(counts, p, least)
    statistic = ((seen - hoped) ** 2 / hoped).sum()
    return statistic, len(seen) - 1, stats.chi2.sf(statistic, len(seen) - 1)


@wrong("16.5")
def impossible_class_raises(counts, p, least=5):
    """Refuses counts where p = 0."""
    if impossible(counts, p):
        raise ValueError("a class of probability 0 was drawn")
    return by_the_survival_function(counts, p, least)


@wrong("16.5")
def impossible_class_is_not_a_number(counts, p, least=5):
    """NaN for a hit where p = 0."""
    statistic, degrees, tail = by_the_survival_function(counts, p, least)
    return (statistic, degrees, tail) if statistic < math.inf else (statistic, degrees, math.nan)


@wrong("16.5")
def without_degrees(counts, p, least=5):
    """Two numbers, as SciPy does."""
    statistic, _, tail = by_the_survival_function(counts, p, least)
    return statistic, tail


@wrong("16.5")
def tail_second(counts, p, least=5):
    """Another order of the three."""
    statistic, degrees, tail = by_the_survival_function(counts, p, least)
    return statistic, tail, degrees


# 16.6 speculative(p, q, token, u, v)


def by_inverse_cdf(weights, v):
    """Return the first class whose running sum is above v times the whole."""
    sums = np.cumsum(weights)
    return int(np.searchsorted(sums, v * sums[-1], side="right"))


@right("16.6")
def accept_or_residual(p, q, token, u, v):
    """As it is told."""
    if u < p[token] / q[token]:
        return token
    return by_inverse_cdf(np.maximum(p - q, 0), v)


@right("16.6")
def one_with_clip(p, q, token, u, v):
    """min(1, ratio), residual normalised, comparison table."""
    if u < min(1.0, p[token] / q[token]):
        return int(token)
    residual = np.clip(p - q, 0, None)
    residual /= residual.sum()
    sums = residual.cumsum()
    return int(np.argmax(sums > v * sums[-1]))


@right("16.6")
def loops_only(p, q, token, u, v):
    """Pure Python."""
    if u < p[token] / q[token]:
        return token
    weights = [max(a - b, 0.0) for a, b in zip(p.tolist(), q.tolist(), strict=True)]
    running, mark = 0.0, v * sum(weights)
    for i, weight in enumerate(weights):
        running += weight
        if running > mark:
            return i
    raise AssertionError("no class is left")


@right("16.6")
def less_the_overlap(p, q, token, u, v):
    """p - min(p, q), in torch."""
    p, q = torch.as_tensor(p), torch.as_tensor(q)
    if u < p[token] / q[token]:
        return token
    sums = torch.cumsum(p - torch.minimum(p, q), dim=0)
    return torch.searchsorted(sums, v * sums[-1], right=True)


@right("16.6")
def only_the_gainers(p, q, token, u, v):
    """Draws among the classes that p favours, and maps back."""
    if u < p[token] / q[token]:
        return np.int64(token)
    gainers = np.flatnonzero(p > q)
    sums = list(itertools.accumulate((p - q)[gainers].tolist()))
    return gainers[bisect.bisect_right(sums, v * sums[-1])]


@wrong("16.6")
def drafts_all(p, q, token, u, v):
    """Accepts everything."""
    return token


@wrong("16.6")
def drafts_none(p, q, token, u, v):
    """Always from the residual, from p where there is none."""
    residual = np.maximum(p - q, 0)
    return by_inverse_cdf(residual if residual.sum() > 0 else p, v)


@wrong("16.6")
def target_alone(p, q, token, u, v):
    """Always from p: the law is right, and nothing is gained."""
    return by_inverse_cdf(p, v)


@wrong("16.6")
def ratio_upside_down(p, q, token, u, v):
    """q / p."""
    if p[token] > 0 and u < q[token] / p[token]:
        return token
    residual = np.maximum(p - q, 0)
    return by_inverse_cdf(residual if residual.sum() > 0 else p, v)


@wrong("16.6")
def by_p_alone(p, q, token, u, v):
    """Accepts if u < p."""
    if u < p[token]:
        return token
    residual = np.maximum(p - q, 0)
    return by_inverse_cdf(residual if residual.sum() > 0 else p, v)


@wrong("16.6")
def one_minus_the_ratio(p, q, token, u, v):
    """1 - u for u."""
    if 1 - u < p[token] / q[token]:
        return token
    residual = np.maximum(p - q, 0)
    return by_inverse_cdf(residual if residual.sum() > 0 else p, v)


@wrong("16.6")
def share_of_both(p, q, token, u, v):
    """p / (p + q)."""
    if u < p[token] / (p[token] + q[token]):
        return token
    residual = np.maximum(p - q, 0)
    return by_inverse_cdf(residual if residual.sum() > 0 else p, v)


@wrong("16.6")
def only_where_p_is_larger(p, q, token, u, v):
    """No chance for a token that the draft overrates."""
    return token if p[token] >= q[token] else by_inverse_cdf(np.maximum(p - q, 0), v)


@wrong("16.6")
def only_where_p_is_strictly_larger(p, q, token, u, v):
    """p = q is not accepted outright: then u against p."""
    if p[token] > q[token] or u < p[token]:
        return token
    residual = np.maximum(p - q, 0)
    return by_inverse_cdf(residual if residual.sum() > 0 else p, v)


@wrong("16.6")
def accepted_at_equality(p, q, token, u, v):
    """<= : a token with p = 0 is accepted at u = 0."""
    if u <= p[token] / q[token]:
        return token
    return by_inverse_cdf(np.maximum(p - q, 0), v)


@wrong("16.6")
def rejected_unless_above(p, q, token, u, v):
    """if u > ratio: reject. The same."""
    if u > p[token] / q[token]:
        return by_inverse_cdf(np.maximum(p - q, 0), v)
    return token


@wrong("16.6")
def swapped_branches(p, q, token, u, v):
    """Accepts if u is above."""
    if u > p[token] / q[token]:
        return token
    residual = np.maximum(p - q, 0)
    return by_inverse_cdf(residual if residual.sum() > 0 else p, v)


@wrong("16.6")
def v_accepts(p, q, token, u, v):
    """u and v changed over."""
    if v < p[token] / q[token]:
        return token
    return by_inverse_cdf(np.maximum(p - q, 0), u)


@wrong("16.6")
def u_twice(p, q, token, u, v):
    """Draws with u again: it is known to be large."""
    if u < p[token] / q[token]:
        return token
    return by_inverse_cdf(np.maximum(p - q, 0), u)


@wrong("16.6")
def u_stretched(p, q, token, u, v):
    """Draws with what u has above the ratio: a right law, but v was to be used."""
    ratio = p[token] / q[token]
    if u < ratio:
        return token
    return by_inverse_cdf(np.maximum(p - q, 0), (u - ratio) / (1 - ratio))


@wrong("16.6")
def again_from_p(p, q, token, u, v):
    """A rejected token is drawn anew from p."""
    return token if u < p[token] / q[token] else by_inverse_cdf(p, v)


@wrong("16.6")
def again_from_q(p, q, token, u, v):
    """A rejected token is drawn anew from q."""
    return token if u < p[token] / q[token] else by_inverse_cdf(q, v)


@wrong("16.6")
def p_without_the_token(p, q, token, u, v):
    """From p, the rejected token taken out."""
    if u < p[token] / q[token]:
        return token
    return by_inverse_cdf(np.where(np.arange(len(p)) == token, 0.0, p), v)


@wrong("16.6")
def absolute_difference(p, q, token, u, v):
    """|p - q|."""
    return token if u < p[token] / q[token] else by_inverse_cdf(np.abs(p - q), v)


@wrong("16.6")
def squared_difference(p, q, token, u, v):
    """The excess, squared."""
    return token if u < p[token] / q[token] else by_inverse_cdf(np.maximum(p - q, 0) ** 2, v)


@wrong("16.6")
def excess_of_the_draft(p, q, token, u, v):
    """max(q - p, 0)."""
    return token if u < p[token] / q[token] else by_inverse_cdf(np.maximum(q - p, 0), v)


@wrong("16.6")
def difference_as_it_is(p, q, token, u, v):
    """Negative weights are left in."""
    if u < p[token] / q[token]:
        return token
    return int(np.argmax(np.cumsum(p - q) > v * np.sum(np.maximum(p - q, 0))))


@wrong("16.6")
def excess_ratio(p, q, token, u, v):
    """max(p / q - 1, 0), where q allows."""
    if u < p[token] / q[token]:
        return token
    with np.errstate(all="ignore"):
        return by_inverse_cdf(np.maximum(p / np.maximum(q, 1e-12) - 1, 0), v)


@wrong("16.6")
def where_p_is_larger(p, q, token, u, v):
    """From p, restricted to the classes it favours."""
    return token if u < p[token] / q[token] else by_inverse_cdf(np.where(p > q, p, 0.0), v)


@wrong("16.6")
def every_gainer_alike(p, q, token, u, v):
    """Uniformly over the classes that p favours."""
    return token if u < p[token] / q[token] else by_inverse_cdf((p > q).astype(float), v)


@wrong("16.6")
def excess_not_scaled(p, q, token, u, v):
    """Sums that end at the total variation, compared with v."""
    if u < p[token] / q[token]:
        return token
    sums = np.cumsum(np.maximum(p - q, 0))
    return min(int(np.searchsorted(sums, v, side="right")), len(p) - 1)


@wrong("16.6")
def excess_not_scaled_first(p, q, token, u, v):
    """The same, and argmax says 0 where nothing is above."""
    if u < p[token] / q[token]:
        return token
    return int(np.argmax(np.cumsum(np.maximum(p - q, 0)) > v))


@wrong("16.6")
def excess_from_the_left(p, q, token, u, v):
    """side="left": v = 0 draws class 0, whatever its weight."""
    if u < p[token] / q[token]:
        return token
    sums = np.cumsum(np.maximum(p - q, 0))
    return int(np.searchsorted(sums, v * sums[-1]))


@wrong("16.6")
def place_among_the_gainers(p, q, token, u, v):
    """The index in the shorter list."""
    if u < p[token] / q[token]:
        return token
    return by_inverse_cdf((p - q)[p > q], v)


@wrong("16.6")
def largest_excess(p, q, token, u, v):
    """The class that gains most."""
    return token if u < p[token] / q[token] else int(np.argmax(p - q))


@wrong("16.6")
def target_s_best(p, q, token, u, v):
    """The likeliest of p."""
    return token if u < p[token] / q[token] else int(np.argmax(p))


@wrong("16.6")
def nothing_if_rejected(p, q, token, u, v):
    """-1 for a rejected token."""
    return token if u < p[token] / q[token] else -1


@wrong("16.6")
def says_whether(p, q, token, u, v):
    """Whether it is accepted."""
    return bool(u < p[token] / q[token])
