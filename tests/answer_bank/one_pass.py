"""Answers to exercises 14.1 to 14.6."""

# ruff: noqa: E741 (the exercise calls the output O)

import itertools
import math

import numpy as np
import torch
from scipy.special import expit

from . import right, wrong

# 14.1 rescalings(x)


@right("14.1")
def moved(x):
    """The loop itself."""
    m, count = -math.inf, 0
    for value in x:
        if value > m:
            m, count = value, count + 1
    return count


@right("14.1")
def distinct_maxima(x):
    """The distinct values of the running maximum."""
    running = np.unique(np.maximum.accumulate(x))
    return int(np.sum(running > -np.inf))


@right("14.1")
def against_what_went_before(x):
    """Each entry against the running maximum before it."""
    before = np.concatenate([[-np.inf], np.maximum.accumulate(x)[:-1]])
    return np.count_nonzero(x > before)


@right("14.1")
def one_line(x):
    """A set of running maxima, -inf taken out."""
    return len(set(itertools.accumulate(x.tolist(), max)) - {-math.inf})


@right("14.1")
def by_cummax(x):
    """torch's cummax."""
    running = torch.cummax(torch.as_tensor(x), dim=0).values
    return int(torch.isfinite(torch.unique(running)).sum())


@right("14.1")
def quadratic(x):
    """An entry counts if all before it are smaller."""
    return sum(bool(np.all(x[:i] < x[i])) for i in range(len(x)) if x[i] > -np.inf)


@wrong("14.1")
def ties_counted(x):
    """An equal value counts."""
    m, count = -math.inf, 0
    for value in x:
        if value >= m:
            m, count = value, count + 1
    return count


@wrong("14.1")
def finite_ties_counted(x):
    """An equal value counts, -inf does not."""
    running = np.maximum.accumulate(x)
    return np.count_nonzero((x == running) & (x > -np.inf))


@wrong("14.1")
def first_forgotten(x):
    """The first entry is the start and is not counted."""
    m, count = x[0], 0
    for value in x[1:]:
        if value > m:
            m, count = value, count + 1
    return count


@wrong("14.1")
def rises(x):
    """The steps of the running maximum: the first is missing."""
    return int((np.diff(np.maximum.accumulate(x)) > 0).sum())


@wrong("14.1")
def first_always(x):
    """One for the first entry, even if it is -inf."""
    m, count = x[0], 1
    for value in x[1:]:
        if value > m:
            m, count = value, count + 1
    return count


@wrong("14.1")
def distinct_with_infinity(x):
    """-inf counts as a maximum."""
    return len(np.unique(np.maximum.accumulate(x)))


@wrong("14.1")
def neighbours(x):
    """Every rise from one entry to the next."""
    return int(np.sum(x > np.concatenate([[-np.inf], x[:-1]])))


@wrong("14.1")
def from_zero(x):
    """The maximum starts at 0."""
    m, count = 0.0, 0
    for value in x:
        if value > m:
            m, count = value, count + 1
    return count


@wrong("14.1")
def from_minus_ten_thousand(x):
    """The maximum starts at -1e4."""
    m, count = -1e4, 0
    for value in x:
        if value > m:
            m, count = value, count + 1
    return count


@wrong("14.1")
def from_minus_fifty_thousand(x):
    """The maximum starts at -5e4."""
    m, count = -5e4, 0
    for value in x:
        if value > m:
            m, count = value, count + 1
    return count


@wrong("14.1")
def from_minus_billion(x):
    """The maximum starts at -1e9."""
    m, count = -1e9, 0
    for value in x:
        if value > m:
            m, count = value, count + 1
    return count


@wrong("14.1")
def from_the_right(x):
    """Read from its end."""
    return moved(x[::-1])


@wrong("14.1")
def returns_maxima(x):
    """The running maximum."""
    return np.maximum.accumulate(x)


@wrong("14.1")
def returns_places(x):
    """Where it is replaced."""
    return [i for i in range(len(x)) if x[i] > max(x[:i], default=-math.inf)]


@wrong("14.1")
def distinct_values(x):
    """How many values are different."""
    return len(set(x.tolist()) - {-math.inf})


@wrong("14.1")
def place_of_maximum(x):
    """Where the maximum stands."""
    return int(np.argmax(x)) + 1


@wrong("14.1")
def maximum_never_moved(x):
    """Compares with the start for ever."""
    return sum(value > -math.inf for value in x)


# 14.2 merge(m1, s1, m2, s2)


@right("14.2")
def guarded(m1, s1, m2, s2):
    """The difference is guarded, the state is not."""
    m = np.maximum(m1, m2)
    shift = np.where(np.isneginf(m), 0, m)
    return m, s1 * np.exp(m1 - shift) + s2 * np.exp(m2 - shift)


@right("14.2")
def sum_guarded(m1, s1, m2, s2):
    """0 wherever a part is empty."""
    m = np.maximum(m1, m2)
    with np.errstate(invalid="ignore"):
        first = np.where(s1 == 0, 0, s1 * np.exp(m1 - m))
        second = np.where(s2 == 0, 0, s2 * np.exp(m2 - m))
    return m, first + second


@right("14.2")
def winner_keeps(m1, s1, m2, s2):
    """The higher part is left alone, the lower one moved."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(m1 - m2)
    factor = np.exp(-np.where(np.isnan(distance), 0, distance))
    first = m1 >= m2
    s = np.where(first, s1, s2) + np.where(first, s2, s1) * factor
    return np.where(first, m1, m2), s


@right("14.2")
def pairs(m1, s1, m2, s2):
    """Python's math, one pair at a time."""
    ms, ss = np.empty_like(m1), np.empty_like(s1)
    for place in np.ndindex(np.shape(m1)):
        m = max(m1[place], m2[place])
        ms[place] = m
        if m == -math.inf:
            ss[place] = 0
        else:
            ss[place] = s1[place] * math.exp(m1[place] - m) + s2[place] * math.exp(m2[place] - m)
    return ms, ss


@right("14.2")
def merged_tensors(m1, s1, m2, s2):
    """torch."""
    m1, s1, m2, s2 = (torch.as_tensor(a) for a in (m1, s1, m2, s2))
    m = torch.maximum(m1, m2)
    shift = torch.where(torch.isneginf(m), torch.zeros_like(m), m)
    return m, torch.exp(m1 - shift) * s1 + torch.exp(m2 - shift) * s2


@right("14.2")
def differences_repaired(m1, s1, m2, s2):
    """nan_to_num over the differences alone."""
    m = np.fmax(m1, m2)
    with np.errstate(invalid="ignore"):
        d1, d2 = np.nan_to_num(m1 - m), np.nan_to_num(m2 - m)
    return m, s1 * np.exp(d1) + s2 * np.exp(d2)


@wrong("14.2")
def unguarded(m1, s1, m2, s2):
    """-inf - (-inf)."""
    m = np.maximum(m1, m2)
    return m, s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)


@wrong("14.2")
def sums_added(m1, s1, m2, s2):
    """The sums are added as they are."""
    return np.maximum(m1, m2), s1 + s2


@wrong("14.2")
def first_moved(m1, s1, m2, s2):
    """Only the first part is moved, as in a loop over entries."""
    m = np.maximum(m1, m2)
    shift = np.where(np.isneginf(m), 0, m)
    return m, s1 * np.exp(m1 - shift) + s2


@wrong("14.2")
def second_moved(m1, s1, m2, s2):
    """Only the second part is moved."""
    m = np.maximum(m1, m2)
    shift = np.where(np.isneginf(m), 0, m)
    return m, s1 + s2 * np.exp(m2 - shift)


@wrong("14.2")
def exponent_upside_down(m1, s1, m2, s2):
    """exp grows."""
    m = np.maximum(m1, m2)
    shift = np.where(np.isneginf(m), 0, m)
    return m, s1 * np.exp(shift - m1) + s2 * np.exp(shift - m2)


@wrong("14.2")
def through_plain_sums(m1, s1, m2, s2):
    """Unshifted sums."""
    m = np.maximum(m1, m2)
    shift = np.where(np.isneginf(m), 0, m)
    return m, (s1 * np.exp(m1) + s2 * np.exp(m2)) / np.exp(shift)


@wrong("14.2")
def never_below_zero(m1, s1, m2, s2):
    """The shift is never below 0."""
    m = np.maximum(m1, m2)
    shift = np.maximum(m, 0)
    return m, s1 * np.exp(m1 - shift) + s2 * np.exp(m2 - shift)


@wrong("14.2")
def maximum_above_ten_thousand(m1, s1, m2, s2):
    """Maxima no lower than -1e4."""
    m = np.maximum(np.maximum(m1, m2), -1e4)
    return m, s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)


@wrong("14.2")
def shift_above_lowest(m1, s1, m2, s2):
    """A finite stand-in for -inf in the shift: -1e30."""
    m = np.maximum(m1, m2)
    shift = np.maximum(m, -1e30)
    return m, s1 * np.exp(m1 - shift) + s2 * np.exp(m2 - shift)


@wrong("14.2")
def guard_returned(m1, s1, m2, s2):
    """The guard's 0 is returned as the maximum."""
    m = np.maximum(m1, m2)
    m = np.where(np.isneginf(m), 0, m)
    return m, s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)


@wrong("14.2")
def nan_to_num_over_all(m1, s1, m2, s2):
    """nan_to_num over both: -inf becomes -1.8e308."""
    m = np.maximum(m1, m2)
    s = s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)
    return np.nan_to_num(m), np.nan_to_num(s)


@wrong("14.2")
def guard_too_wide(m1, s1, m2, s2):
    """Shifts by 0 as soon as one part is empty."""
    m = np.maximum(m1, m2)
    shift = np.where(np.isneginf(m1) | np.isneginf(m2), 0, m)
    return m, s1 * np.exp(m1 - shift) + s2 * np.exp(m2 - shift)


@wrong("14.2")
def sums_forgotten(m1, s1, m2, s2):
    """As if each part held its maximum alone."""
    m = np.maximum(m1, m2)
    shift = np.where(np.isneginf(m), 0, m)
    return m, np.exp(m1 - shift) + np.exp(m2 - shift)


@wrong("14.2")
def returns_lse(m1, s1, m2, s2):
    """The logarithm at once."""
    m, s = guarded(m1, s1, m2, s2)
    with np.errstate(divide="ignore"):
        return m, m + np.log(s)


@wrong("14.2")
def empty_counts_one(m1, s1, m2, s2):
    """Both empty: a sum of 1."""
    m, s = guarded(m1, s1, m2, s2)
    return m, np.where(np.isneginf(m), 1, s)


@wrong("14.2")
def first_maximum_stays(m1, s1, m2, s2):
    """The first maximum is the shift, whichever is larger."""
    shift = np.where(np.isneginf(m1), m2, m1)
    shift = np.where(np.isneginf(shift), 0, shift)
    return np.where(np.isneginf(m1), m2, m1), s1 * np.exp(m1 - shift) + s2 * np.exp(m2 - shift)


@wrong("14.2")
def smaller_maximum(m1, s1, m2, s2):
    """The smaller of the two."""
    m = np.minimum(m1, m2)
    return m, s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)


@wrong("14.2")
def one_maximum(m1, s1, m2, s2):
    """One maximum for all pairs."""
    m = max(np.max(m1), np.max(m2))
    return np.maximum(m1, m2), s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)


@wrong("14.2")
def truth_of_an_array(m1, s1, m2, s2):
    """`if` on whole arrays."""
    if m1 > m2:
        return m1, s1 + s2 * np.exp(m2 - m1)
    return m2, s2 + s1 * np.exp(m1 - m2)


@wrong("14.2")
def sum_first(m1, s1, m2, s2):
    """(s, m) instead of (m, s)."""
    return guarded(m1, s1, m2, s2)[::-1]


@wrong("14.2")
def weighted_mean(m1, s1, m2, s2):
    """Divided by the sum of both sums."""
    m, s = guarded(m1, s1, m2, s2)
    return m, s / (s1 + s2)


# 14.3 merge_rest(m1, r1, m2, r2)


@right("14.3")
def loser_brings_its_own(m1, r1, m2, r2):
    """The loser's 1 joins the rest."""
    first = m1 >= m2
    low, top = np.minimum(m1, m2), np.maximum(m1, m2)
    own, brought = np.where(first, r1, r2), np.where(first, r2, r1)
    return top, own + (1 + brought) * np.exp(low - top)


@right("14.3")
def two_branches(m1, r1, m2, r2):
    """Both branches, one chosen."""
    with np.errstate(over="ignore"):
        one = r1 + (1 + r2) * np.exp(np.minimum(m2 - m1, 0))
        two = r2 + (1 + r1) * np.exp(np.minimum(m1 - m2, 0))
    return np.maximum(m1, m2), np.where(m1 >= m2, one, two)


@right("14.3")
def one_pair_at_a_time(m1, r1, m2, r2):
    """A loop that swaps."""
    ms, rs = np.empty_like(m1), np.empty_like(r1)
    for place in np.ndindex(np.shape(m1)):
        a, b = (m1[place], r1[place]), (m2[place], r2[place])
        if b[0] > a[0]:
            a, b = b, a
        ms[place], rs[place] = a[0], a[1] + (1 + b[1]) * math.exp(b[0] - a[0])
    return ms, rs


@right("14.3")
def rest_of_tensors(m1, r1, m2, r2):
    """torch."""
    m1, r1, m2, r2 = (torch.as_tensor(a) for a in (m1, r1, m2, r2))
    first = m1 >= m2
    factor = torch.exp(-(m1 - m2).abs())
    r = torch.where(first, r1 + factor * (1 + r2), r2 + factor * (1 + r1))
    return torch.where(first, m1, m2), r


@right("14.3")
def multiplied_out(m1, r1, m2, r2):
    """e + r e instead of (1 + r) e."""
    e = np.exp(-np.abs(m1 - m2))
    first = m1 >= m2
    r = np.where(first, r1, r2) + e + np.where(first, r2, r1) * e
    return np.fmax(m1, m2), r


@right("14.3")
def ones_where_they_lose(m1, r1, m2, r2):
    """Both parts moved, the 1 counted on the loser's side only."""
    m = np.maximum(m1, m2)
    first = m1 >= m2
    return m, (r1 + ~first) * np.exp(m1 - m) + (r2 + first) * np.exp(m2 - m)


@wrong("14.3")
def own_one_forgotten(m1, r1, m2, r2):
    """The rests are moved, the loser's maximum is lost."""
    m = np.maximum(m1, m2)
    return m, r1 * np.exp(m1 - m) + r2 * np.exp(m2 - m)


@wrong("14.3")
def winner_counted(m1, r1, m2, r2):
    """The winner's 1 is counted too: this is s."""
    m = np.maximum(m1, m2)
    return m, (1 + r1) * np.exp(m1 - m) + (1 + r2) * np.exp(m2 - m)


@wrong("14.3")
def through_the_sum(m1, r1, m2, r2):
    """s - 1."""
    m = np.maximum(m1, m2)
    return m, (1 + r1) * np.exp(m1 - m) + (1 + r2) * np.exp(m2 - m) - 1


@wrong("14.3")
def through_lse(m1, r1, m2, r2):
    """expm1 of LSE - m."""
    m = np.maximum(m1, m2)
    return m, np.expm1(np.logaddexp(m1 + np.log1p(r1), m2 + np.log1p(r2)) - m)


@wrong("14.3")
def rests_added(m1, r1, m2, r2):
    """The rests are added as they are."""
    return np.maximum(m1, m2), r1 + r2


@wrong("14.3")
def rests_and_one(m1, r1, m2, r2):
    """The rests and one more."""
    return np.maximum(m1, m2), r1 + r2 + 1


@wrong("14.3")
def first_wins(m1, r1, m2, r2):
    """The first part always wins."""
    return m1, r1 + (1 + r2) * np.exp(m2 - m1)


@wrong("14.3")
def tie_loses_both(m1, r1, m2, r2):
    """A tie leaves both maxima out."""
    m = np.maximum(m1, m2)
    return m, (r1 + (m1 < m)) * np.exp(m1 - m) + (r2 + (m2 < m)) * np.exp(m2 - m)


@wrong("14.3")
def tie_counts_both(m1, r1, m2, r2):
    """A tie counts both maxima."""
    m = np.maximum(m1, m2)
    return m, (r1 + (m1 <= m2)) * np.exp(m1 - m) + (r2 + (m2 <= m1)) * np.exp(m2 - m)


@wrong("14.3")
def factor_upside_down(m1, r1, m2, r2):
    """exp(top - low)."""
    first = m1 >= m2
    low, top = np.minimum(m1, m2), np.maximum(m1, m2)
    return top, np.where(first, r1, r2) + (1 + np.where(first, r2, r1)) * np.exp(top - low)


@wrong("14.3")
def difference_as_it_stands(m1, r1, m2, r2):
    """exp(m1 - m2) whichever won."""
    first = m1 >= m2
    e = np.exp(m1 - m2)
    return np.maximum(m1, m2), np.where(first, r1, r2) + (1 + np.where(first, r2, r1)) * e


@wrong("14.3")
def one_on_the_winner(m1, r1, m2, r2):
    """The 1 stands on the winner's side."""
    first = m1 >= m2
    e = np.exp(-np.abs(m1 - m2))
    return np.maximum(m1, m2), 1 + np.where(first, r1, r2) + np.where(first, r2, r1) * e


@wrong("14.3")
def one_unmoved(m1, r1, m2, r2):
    """The loser's maximum comes as 1, unmoved."""
    first = m1 >= m2
    e = np.exp(-np.abs(m1 - m2))
    return np.maximum(m1, m2), np.where(first, r1, r2) + 1 + np.where(first, r2, r1) * e


@wrong("14.3")
def rest_of_the_loser_forgotten(m1, r1, m2, r2):
    """Only the loser's maximum is brought."""
    own = np.where(m1 >= m2, r1, r2)
    return np.maximum(m1, m2), own + np.exp(-np.abs(m1 - m2))


@wrong("14.3")
def logarithm_returned(m1, r1, m2, r2):
    """The log-sum-exp instead of the rest."""
    m, r = loser_brings_its_own(m1, r1, m2, r2)
    return m, m + np.log1p(r)


# 14.4 merge_attention(o1, lse1, o2, lse2)


@right("14.4")
def by_sigmoid(o1, lse1, o2, lse2):
    """The sigmoid of the difference."""
    both = np.isneginf(lse1) & np.isneginf(lse2)
    with np.errstate(invalid="ignore"):
        difference = np.where(both, 0, lse1 - lse2)
    w = expit(difference)[:, None]
    return w * o1 + expit(-difference)[:, None] * o2, np.logaddexp(lse1, lse2)


@right("14.4")
def shares_of_lse(o1, lse1, o2, lse2):
    """exp(lse - the joint one)."""
    lse = np.logaddexp(lse1, lse2)
    shift = np.where(np.isneginf(lse), 0, lse)
    o = np.exp(lse1 - shift)[:, None] * o1 + np.exp(lse2 - shift)[:, None] * o2
    return o, lse


@right("14.4")
def by_maximum(o1, lse1, o2, lse2):
    """Shifted by the maximum, divided by the sum."""
    m = np.maximum(lse1, lse2)
    shift = np.where(m == -np.inf, 0, m)
    a, b = np.exp(lse1 - shift), np.exp(lse2 - shift)
    s = a + b
    divisor = np.where(s == 0, 1, s)
    o = (a[:, None] * o1 + b[:, None] * o2) / divisor[:, None]
    with np.errstate(divide="ignore"):
        return o, shift + np.log(s)


@right("14.4")
def query_by_query(o1, lse1, o2, lse2):
    """A loop."""
    o, lse = np.zeros_like(o1), np.full_like(lse1, -np.inf)
    for i, (a, b) in enumerate(zip(lse1.tolist(), lse2.tolist(), strict=True)):
        m = max(a, b)
        if m > -math.inf:
            p, q = math.exp(a - m), math.exp(b - m)
            o[i] = (p * o1[i] + q * o2[i]) / (p + q)
            lse[i] = m + math.log(p + q)
    return o, lse


@right("14.4")
def outputs_of_tensors(o1, lse1, o2, lse2):
    """torch."""
    o1, lse1, o2, lse2 = (torch.as_tensor(a) for a in (o1, lse1, o2, lse2))
    lse = torch.logaddexp(lse1, lse2)
    w = torch.nan_to_num(torch.exp(torch.stack([lse1, lse2]) - lse), nan=0.0)
    return w[0, :, None] * o1 + w[1, :, None] * o2, lse


@right("14.4")
def only_what_is_there(o1, lse1, o2, lse2):
    """Copies where one part is empty, mixes where none is."""
    o = np.where(np.isneginf(lse2)[:, None], o1, o2)
    lse = np.where(np.isneginf(lse2), lse1, lse2)
    both = (lse1 > -np.inf) & (lse2 > -np.inf)
    d = lse2[both] - lse1[both]
    w = (1 / (1 + np.exp(np.minimum(d, 700))))[:, None]
    w = np.where(d[:, None] > 700, 0, w)
    o[both] = w * o1[both] + (1 - w) * o2[both]
    lse[both] = np.maximum(lse1, lse2)[both] + np.log1p(np.exp(-np.abs(d)))
    return o, lse


@wrong("14.4")
def nan_for_nothing(o1, lse1, o2, lse2):
    """-inf - (-inf)."""
    lse = np.logaddexp(lse1, lse2)
    return np.exp(lse1 - lse)[:, None] * o1 + np.exp(lse2 - lse)[:, None] * o2, lse


@wrong("14.4")
def nan_for_nothing_after_shift(o1, lse1, o2, lse2):
    """The maximum of two empty parts is -inf, as in a kernel that trusts its input."""
    m = np.maximum(lse1, lse2)
    a, b = np.exp(lse1 - m), np.exp(lse2 - m)
    o = (a / (a + b))[:, None] * o1 + (b / (a + b))[:, None] * o2
    return o, m + np.log(a + b)


@wrong("14.4")
def mean_of_outputs(o1, lse1, o2, lse2):
    """Half and half."""
    return (o1 + o2) / 2, np.logaddexp(lse1, lse2)


@wrong("14.4")
def sum_of_outputs(o1, lse1, o2, lse2):
    """Added."""
    return o1 + o2, np.logaddexp(lse1, lse2)


@wrong("14.4")
def lse_as_weight(o1, lse1, o2, lse2):
    """The LSEs themselves as weights."""
    s = (lse1 + lse2)[:, None]
    return (lse1[:, None] * o1 + lse2[:, None] * o2) / s, np.logaddexp(lse1, lse2)


@wrong("14.4")
def unshifted(o1, lse1, o2, lse2):
    """Plain exponentials."""
    a, b = np.exp(lse1), np.exp(lse2)
    s = a + b
    o = (a[:, None] * o1 + b[:, None] * o2) / np.where(s == 0, 1, s)[:, None]
    return o, np.log(s)


@wrong("14.4")
def stable_lse_unshifted_weights(o1, lse1, o2, lse2):
    """logaddexp for the LSE, plain exponentials for the weights."""
    a, b = np.exp(lse1)[:, None], np.exp(lse2)[:, None]
    o = (a * o1 + b * o2) / np.where(a + b == 0, 1, a + b)
    return o, np.logaddexp(lse1, lse2)


@wrong("14.4")
def not_divided(o1, lse1, o2, lse2):
    """Shifted by the maximum, not divided."""
    m = np.maximum(lse1, lse2)
    m = np.where(np.isneginf(m), 0, m)
    o = np.exp(lse1 - m)[:, None] * o1 + np.exp(lse2 - m)[:, None] * o2
    return o, np.logaddexp(lse1, lse2)


@wrong("14.4")
def lses_added(o1, lse1, o2, lse2):
    """The LSEs are added."""
    return by_sigmoid(o1, lse1, o2, lse2)[0], lse1 + lse2


@wrong("14.4")
def larger_lse(o1, lse1, o2, lse2):
    """The larger LSE."""
    return by_sigmoid(o1, lse1, o2, lse2)[0], np.maximum(lse1, lse2)


@wrong("14.4")
def weights_swapped(o1, lse1, o2, lse2):
    """Each output with the other's weight."""
    return by_sigmoid(o2, lse1, o1, lse2)


@wrong("14.4")
def winner_takes_all(o1, lse1, o2, lse2):
    """The output of the larger LSE."""
    return np.where((lse1 >= lse2)[:, None], o1, o2), np.logaddexp(lse1, lse2)


@wrong("14.4")
def zero_for_empty(o1, lse1, o2, lse2):
    """LSE 0 where both are empty."""
    o, lse = by_sigmoid(o1, lse1, o2, lse2)
    return o, np.where(np.isneginf(lse), 0, lse)


@wrong("14.4")
def nan_to_num_at_the_end(o1, lse1, o2, lse2):
    """nan_to_num over both results."""
    o, lse = nan_for_nothing(o1, lse1, o2, lse2)
    return np.nan_to_num(o), np.nan_to_num(lse)


@wrong("14.4")
def lowest_for_empty(o1, lse1, o2, lse2):
    """-1e30 for -inf."""
    o, lse = by_sigmoid(o1, np.maximum(lse1, -1e30), o2, np.maximum(lse2, -1e30))
    return o, lse


@wrong("14.4")
def one_maximum_for_all(o1, lse1, o2, lse2):
    """One shift for all queries."""
    m = max(lse1.max(), lse2.max())
    m = m if np.isfinite(m) else 0.0
    a, b = np.exp(lse1 - m), np.exp(lse2 - m)
    s = a + b
    o = (a[:, None] * o1 + b[:, None] * o2) / np.where(s == 0, 1, s)[:, None]
    return o, np.logaddexp(lse1, lse2)


@wrong("14.4")
def epsilon_below(o1, lse1, o2, lse2):
    """1e-6 in the denominator."""
    m = np.maximum(lse1, lse2)
    m = np.where(np.isneginf(m), 0, m)
    a, b = np.exp(lse1 - m)[:, None], np.exp(lse2 - m)[:, None]
    return (a * o1 + b * o2) / (a + b + 1e-6), np.logaddexp(lse1, lse2)


@wrong("14.4")
def sigmoid_upside_down(o1, lse1, o2, lse2):
    """The sigmoid of lse2 - lse1 for the first part."""
    both = np.isneginf(lse1) & np.isneginf(lse2)
    w = expit(np.where(both, 0, lse2 - lse1))[:, None]
    return w * o1 + (1 - w) * o2, np.logaddexp(lse1, lse2)


@wrong("14.4")
def output_alone(o1, lse1, o2, lse2):
    """The LSE is not returned."""
    return by_sigmoid(o1, lse1, o2, lse2)[0]


# 14.5 tiled_attention(Q, K, V, mask, block)


@right("14.5")
def tiles(Q, K, V, mask, block):
    """(m, s, o), moved at every tile."""
    m = np.full(len(Q), -np.inf)
    s, o = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for start in range(0, len(K), block):
        part = slice(start, start + block)
        x = np.where(mask[:, part], Q @ K[part].T / np.sqrt(Q.shape[1]), -np.inf)
        top = np.maximum(m, x.max(axis=1))
        shift = np.where(np.isneginf(top), 0, top)
        factor, e = np.exp(m - shift), np.exp(x - shift[:, None])
        s = s * factor + e.sum(axis=1)
        o = o * factor[:, None] + e @ V[part]
        m = top
    with np.errstate(divide="ignore"):
        return o / np.where(s == 0, 1, s)[:, None], m + np.log(s)


@right("14.5")
def normalised_tiles(Q, K, V, mask, block):
    """Each tile an attention of its own, merged by its LSE."""
    O = np.zeros((len(Q), V.shape[1]))
    total = np.full(len(Q), -np.inf)
    for start in range(0, len(K), block):
        k, v, may = (
            K[start : start + block],
            V[start : start + block],
            mask[:, start : start + block],
        )
        x = np.where(may, Q @ k.T / math.sqrt(Q.shape[1]), -np.inf)
        lse = np.logaddexp.reduce(x, axis=1)
        own = np.exp(x - np.where(np.isneginf(lse), 0, lse)[:, None]) @ v
        joint = np.logaddexp(total, lse)
        shift = np.where(np.isneginf(joint), 0, joint)
        O = np.exp(total - shift)[:, None] * O + np.exp(lse - shift)[:, None] * own
        total = joint
    return O, total


@right("14.5")
def tiles_of_queries_too(Q, K, V, mask, block):
    """Two loops, a state for each tile of queries."""
    O = np.zeros((len(Q), V.shape[1]))
    lse = np.full(len(Q), -np.inf)
    for i in range(0, len(Q), block):
        rows = slice(i, i + block)
        q = Q[rows] / np.sqrt(Q.shape[1])
        m, s, o = np.full(len(q), -np.inf), np.zeros(len(q)), np.zeros((len(q), V.shape[1]))
        for j in range(0, len(K), block):
            may = mask[rows, j : j + block]
            if not may.any():
                continue
            x = np.where(may, q @ K[j : j + block].T, -np.inf)
            top = np.maximum(m, x.max(1))
            shift = np.where(top == -np.inf, 0, top)
            e = np.exp(x - shift[:, None])
            factor = np.exp(m - shift)
            m, s = top, s * factor + e.sum(1)
            o = o * factor[:, None] + e @ V[j : j + block]
        some = s > 0
        O[rows][some] = o[some] / s[some, None]
        lse[rows][some] = m[some] + np.log(s[some])
    return O, lse


@right("14.5")
def tensor_tiles(Q, K, V, mask, block):
    """torch.split."""
    Q, K, V, mask = (torch.as_tensor(a) for a in (Q, K, V, mask))
    m = Q.new_full((len(Q), 1), -torch.inf)
    s, o = torch.zeros_like(m), Q.new_zeros(len(Q), V.shape[1])
    parts = zip(K.split(block), V.split(block), mask.split(block, dim=1), strict=True)
    for k, v, may in parts:
        x = (Q @ k.T * Q.shape[1] ** -0.5).masked_fill(~may, -torch.inf)
        top = torch.maximum(m, x.amax(1, keepdim=True))
        shift = top.masked_fill(top.isneginf(), 0)
        e, factor = (x - shift).exp(), (m - shift).exp()
        m, s, o = top, s * factor + e.sum(1, keepdim=True), o * factor + e @ v
    return o / s.masked_fill(s == 0, 1), (m + s.log()).squeeze(1)


@right("14.5")
def output_kept_normalised(Q, K, V, mask, block):
    """The output is divided at every tile, by the new sum over the old."""
    n = Q.shape[0]
    m, s, o = np.full((n, 1), -np.inf), np.zeros((n, 1)), np.zeros((n, V.shape[1]))
    for start in range(0, K.shape[0], block):
        part = slice(start, min(start + block, K.shape[0]))
        may = mask[:, part]
        x = (Q / np.sqrt(Q.shape[1])) @ K[part].T
        top = np.maximum(m, np.max(x, axis=1, keepdims=True, where=may, initial=-np.inf))
        shift = np.where(np.isneginf(top), 0, top)
        e = np.exp(np.where(may, x - shift, -np.inf))
        kept = s * np.exp(m - shift)
        s = kept + e.sum(1, keepdims=True)
        o = (kept * o + e @ V[part]) / np.where(s > 0, s, 1)
        m = top
    lse = np.where(s > 0, m + np.log(np.where(s > 0, s, 1)), -np.inf)
    return o, lse[:, 0]


def tiled(Q, K, V, mask, block, start=-np.inf, scale=None, fill=-np.inf, move=(True, True)):
    """A loop over tiles that can start, scale, fill and move as some answers do."""
    scale = np.sqrt(Q.shape[1]) if scale is None else scale
    m = np.full(len(Q), start)
    s, o = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for j in range(0, len(K), block):
        x = np.where(mask[:, j : j + block], Q @ K[j : j + block].T / scale, fill)
        top = np.maximum(m, x.max(axis=1))
        shift = np.where(np.isneginf(top), 0, top)
        factor, e = np.exp(m - shift), np.exp(x - shift[:, None])
        s = (s * factor if move[0] else s) + e.sum(axis=1)
        o = (o * factor[:, None] if move[1] else o) + e @ V[j : j + block]
        m = top
    return m, s, o


def divided(m, s, o):
    """The output and the LSE of a state."""
    with np.errstate(divide="ignore"):
        return o / np.where(s == 0, 1, s)[:, None], np.where(s == 0, -np.inf, m + np.log(s))


@wrong("14.5")
def unguarded_tiles(Q, K, V, mask, block):
    """-inf - (-inf) where the first tile of a row is masked."""
    m = np.full((len(Q), 1), -np.inf)
    s, o = np.zeros_like(m), np.zeros((len(Q), V.shape[1]))
    for j in range(0, len(K), block):
        x = np.where(mask[:, j : j + block], Q @ K[j : j + block].T / np.sqrt(Q.shape[1]), -np.inf)
        top = np.maximum(m, x.max(1, keepdims=True))
        factor, e = np.exp(m - top), np.exp(x - top)
        m, s, o = top, s * factor + e.sum(1, keepdims=True), o * factor + e @ V[j : j + block]
    return o / s, (m + np.log(s))[:, 0]


@wrong("14.5")
def nothing_by_nothing(Q, K, V, mask, block):
    """0 / 0 for a query that sees nothing."""
    m, s, o = tiled(Q, K, V, mask, block)
    return o / s[:, None], m + np.log(s)


@wrong("14.5")
def started_at_zero(Q, K, V, mask, block):
    """The running maximum starts at 0."""
    return divided(*tiled(Q, K, V, mask, block, start=0.0))


@wrong("14.5")
def started_at_fifty_thousand(Q, K, V, mask, block):
    """The running maximum starts at -5e4."""
    return divided(*tiled(Q, K, V, mask, block, start=-5e4))


@wrong("14.5")
def started_at_billion(Q, K, V, mask, block):
    """The running maximum starts at -1e9."""
    return divided(*tiled(Q, K, V, mask, block, start=-1e9))


@wrong("14.5")
def started_very_low(Q, K, V, mask, block):
    """The running maximum starts at -1e30."""
    return divided(*tiled(Q, K, V, mask, block, start=-1e30))


@wrong("14.5")
def filled_finite(Q, K, V, mask, block):
    """-1e9 for masked: a query that sees nothing gets the mean."""
    return divided(*tiled(Q, K, V, mask, block, fill=-1e9))


@wrong("14.5")
def filled_lowest_single(Q, K, V, mask, block):
    """float32's lowest number for masked, started there."""
    low = float(np.finfo(np.float32).min)
    m, s, o = tiled(Q, K, V, mask, block, start=low, fill=low)
    return o / s[:, None], m + np.log(s)


@wrong("14.5")
def output_not_moved(Q, K, V, mask, block):
    """The output keeps its old factor."""
    return divided(*tiled(Q, K, V, mask, block, move=(True, False)))


@wrong("14.5")
def sum_not_moved(Q, K, V, mask, block):
    """The sum keeps its old factor."""
    return divided(*tiled(Q, K, V, mask, block, move=(False, True)))


@wrong("14.5")
def nothing_moved(Q, K, V, mask, block):
    """Neither is moved."""
    return divided(*tiled(Q, K, V, mask, block, move=(False, False)))


@wrong("14.5")
def last_tile_dropped(Q, K, V, mask, block):
    """Whole tiles only."""
    whole = len(K) // block * block
    return divided(*tiled(Q, K[:whole], V[:whole], mask[:, :whole], block))


@wrong("14.5")
def tiles_unscaled(Q, K, V, mask, block):
    """No root of d."""
    return divided(*tiled(Q, K, V, mask, block, scale=1.0))


@wrong("14.5")
def tiles_divided_by_width(Q, K, V, mask, block):
    """d instead of its root."""
    return divided(*tiled(Q, K, V, mask, block, scale=Q.shape[1]))


@wrong("14.5")
def never_divided(Q, K, V, mask, block):
    """The output is not divided by the sum."""
    m, s, o = tiled(Q, K, V, mask, block)
    return o, divided(m, s, o)[1]


@wrong("14.5")
def maximum_for_lse(Q, K, V, mask, block):
    """lse = m."""
    m, s, o = tiled(Q, K, V, mask, block)
    return divided(m, s, o)[0], m


@wrong("14.5")
def log_of_sum_alone(Q, K, V, mask, block):
    """lse = log s."""
    m, s, o = tiled(Q, K, V, mask, block)
    with np.errstate(divide="ignore"):
        return divided(m, s, o)[0], np.log(s)


@wrong("14.5")
def sum_unlogged(Q, K, V, mask, block):
    """lse = m + s."""
    m, s, o = tiled(Q, K, V, mask, block)
    return divided(m, s, o)[0], m + s


@wrong("14.5")
def lse_as_column(Q, K, V, mask, block):
    """lse of shape (n, 1)."""
    O, lse = tiles(Q, K, V, mask, block)
    return O, lse[:, None]


@wrong("14.5")
def zero_lse_for_nothing(Q, K, V, mask, block):
    """lse 0 for a query that sees nothing."""
    O, lse = tiles(Q, K, V, mask, block)
    return O, np.where(np.isneginf(lse), 0, lse)


@wrong("14.5")
def one_maximum_per_tile(Q, K, V, mask, block):
    """One maximum for all queries of a tile."""
    m = -np.inf
    s, o = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for j in range(0, len(K), block):
        x = np.where(mask[:, j : j + block], Q @ K[j : j + block].T / np.sqrt(Q.shape[1]), -np.inf)
        top = max(m, x.max())
        shift = top if np.isfinite(top) else 0.0
        factor, e = np.exp(m - shift), np.exp(x - shift)
        m, s, o = top, s * factor + e.sum(1), o * factor + e @ V[j : j + block]
    return divided(m, s, o)


@wrong("14.5")
def maximum_of_the_tile(Q, K, V, mask, block):
    """Shifts by each tile's own maximum, however low: the past grows beyond all bounds."""
    m = np.full(len(Q), -np.inf)
    s, o = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for j in range(0, len(K), block):
        x = np.where(mask[:, j : j + block], Q @ K[j : j + block].T / np.sqrt(Q.shape[1]), -np.inf)
        top = x.max(1)
        top = np.where(np.isneginf(top), m, top)
        shift = np.where(np.isneginf(top), 0, top)
        factor, e = np.exp(m - shift), np.exp(x - shift[:, None])
        m, s, o = top, s * factor + e.sum(1), o * factor[:, None] + e @ V[j : j + block]
    return divided(m, s, o)


@wrong("14.5")
def factor_the_other_way(Q, K, V, mask, block):
    """exp(new - old)."""
    m = np.full(len(Q), -np.inf)
    s, o = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for j in range(0, len(K), block):
        x = np.where(mask[:, j : j + block], Q @ K[j : j + block].T / np.sqrt(Q.shape[1]), -np.inf)
        top = np.maximum(m, x.max(1))
        shift = np.where(np.isneginf(top), 0, top)
        factor = np.where(np.isneginf(m), 0, np.exp(shift - np.where(np.isneginf(m), 0, m)))
        e = np.exp(x - shift[:, None])
        m, s, o = top, s * factor + e.sum(1), o * factor[:, None] + e @ V[j : j + block]
    return divided(m, s, o)


@wrong("14.5")
def divided_at_every_tile(Q, K, V, mask, block):
    """The output is divided after each tile and not multiplied back."""
    m = np.full(len(Q), -np.inf)
    s, o = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for j in range(0, len(K), block):
        x = np.where(mask[:, j : j + block], Q @ K[j : j + block].T / np.sqrt(Q.shape[1]), -np.inf)
        top = np.maximum(m, x.max(1))
        shift = np.where(np.isneginf(top), 0, top)
        factor, e = np.exp(m - shift), np.exp(x - shift[:, None])
        s = s * factor + e.sum(1)
        o = (o * factor[:, None] + e @ V[j : j + block]) / np.where(s == 0, 1, s)[:, None]
        m = top
    return o, divided(m, s, o)[1]


@wrong("14.5")
def mean_over_tiles(Q, K, V, mask, block):
    """A softmax in each tile, the mean of the tiles."""
    outputs, lses = [], []
    for j in range(0, len(K), block):
        part = slice(j, j + block)
        O, lse = tiles(Q, K[part], V[part], mask[:, part], block)
        outputs.append(O)
        lses.append(lse)
    return np.mean(outputs, axis=0), np.logaddexp.reduce(lses)


@wrong("14.5")
def first_columns_of_mask(Q, K, V, mask, block):
    """Every tile is masked by the first columns."""
    width = len(K)
    again = np.stack([mask[:, j % block] for j in range(width)], axis=1)
    return tiles(Q, K, V, again, block)


@wrong("14.5")
def mask_forgotten(Q, K, V, mask, block):
    """The mask is not used."""
    return tiles(Q, K, V, np.ones_like(mask), block)


@wrong("14.5")
def mask_the_other_way_round(Q, K, V, mask, block):
    """True taken for "masked"."""
    return tiles(Q, K, V, ~mask, block)


@wrong("14.5")
def unshifted_tiles(Q, K, V, mask, block):
    """No maximum at all."""
    s, o = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for j in range(0, len(K), block):
        e = np.exp(Q @ K[j : j + block].T / np.sqrt(Q.shape[1])) * mask[:, j : j + block]
        s, o = s + e.sum(1), o + e @ V[j : j + block]
    return divided(0.0, s, o)


@wrong("14.5")
def whole_matrix(Q, K, V, mask, block):
    """Right values from all scores at once: what the tiles are there to avoid."""
    return tiles(Q, K, V, mask, len(K))


# 14.6 attention_backward(Q, K, V, O, lse, dO)


def probabilities(Q, K, lse):
    """P from the saved LSE."""
    return np.exp(Q @ K.T / np.sqrt(Q.shape[1]) - lse[:, None])


@right("14.6")
def from_output(Q, K, V, O, lse, dO):
    """D from dO · O."""
    P = probabilities(Q, K, lse)
    dS = P * (dO @ V.T - np.sum(dO * O, axis=1, keepdims=True)) / np.sqrt(Q.shape[1])
    return dS @ K, dS.T @ Q, P.T @ dO


@right("14.6")
def from_weights(Q, K, V, O, lse, dO):
    """D from P · dP."""
    P = probabilities(Q, K, lse)
    dP = np.einsum("iv,jv->ij", dO, V)
    dS = P * (dP - np.einsum("ij,ij->i", P, dP)[:, None])
    root = math.sqrt(K.shape[1])
    return np.einsum("ij,jd->id", dS, K) / root, np.einsum("ij,id->jd", dS, Q) / root, P.T @ dO


@right("14.6")
def by_jacobian(Q, K, V, O, lse, dO):
    """The Jacobian of softmax, query by query."""
    root = np.sqrt(Q.shape[1])
    dQ, dK, dV = np.zeros_like(Q), np.zeros_like(K), np.zeros_like(V)
    for i, q in enumerate(Q):
        p = np.exp(K @ q / root - lse[i])
        ds = (np.diag(p) - np.outer(p, p)) @ (V @ dO[i])
        dQ[i] = K.T @ ds / root
        dK += np.outer(ds, q) / root
        dV += np.outer(p, dO[i])
    return dQ, dK, dV


@right("14.6")
def in_tiles(Q, K, V, O, lse, dO):
    """Tiles of three keys."""
    scale = Q.shape[1] ** -0.5
    D = (dO * O).sum(-1)
    dQ, dK, dV = np.zeros_like(Q), np.empty_like(K), np.empty_like(V)
    for j in range(0, len(K), 3):
        k, v = K[j : j + 3], V[j : j + 3]
        P = np.exp((Q * scale) @ k.T - lse[:, None])
        dS = P * (dO @ v.T - D[:, None])
        dQ += dS @ k * scale
        dK[j : j + 3] = dS.T @ Q * scale
        dV[j : j + 3] = P.T @ dO
    return dQ, dK, dV


@right("14.6")
def by_autograd(Q, K, V, O, lse, dO):
    """Autograd through an attention of one's own."""
    q, k, v = (torch.as_tensor(a).detach().clone().requires_grad_() for a in (Q, K, V))
    x = q @ k.T / math.sqrt(q.shape[1])
    out = torch.exp(x - torch.logsumexp(x, 1, keepdim=True)) @ v
    out.backward(torch.as_tensor(dO))
    return q.grad, k.grad, v.grad


@right("14.6")
def backward_of_tensors(Q, K, V, O, lse, dO):
    """torch without autograd."""
    Q, K, V, O, lse, dO = (torch.as_tensor(a) for a in (Q, K, V, O, lse, dO))
    scale = 1 / math.sqrt(Q.shape[-1])
    P = torch.exp(Q @ K.mT * scale - lse.unsqueeze(-1))
    D = (O * dO).sum(-1, keepdim=True)
    dS = P * (dO @ V.mT - D) * scale
    return dS @ K, dS.mT @ Q, P.mT @ dO


def back(P, inner, scale, Q, K, dO):
    """The three products from P and the bracket."""
    dS = P * inner * scale
    return dS @ K, dS.T @ Q, P.T @ dO


@wrong("14.6")
def no_inner_sum(Q, K, V, O, lse, dO):
    """D is missing."""
    return back(probabilities(Q, K, lse), dO @ V.T, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def unweighted_sum(Q, K, V, O, lse, dO):
    """D is the plain sum of dP."""
    dP = dO @ V.T
    inner = dP - dP.sum(1, keepdims=True)
    return back(probabilities(Q, K, lse), inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def mean_of_dp(Q, K, V, O, lse, dO):
    """D is the mean of dP."""
    dP = dO @ V.T
    inner = dP - dP.mean(1, keepdims=True)
    return back(probabilities(Q, K, lse), inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def mean_of_output(Q, K, V, O, lse, dO):
    """D is a mean over d_v."""
    inner = dO @ V.T - (dO * O).mean(1, keepdims=True)
    return back(probabilities(Q, K, lse), inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def sum_over_queries(Q, K, V, O, lse, dO):
    """One D for all queries."""
    inner = dO @ V.T - (dO * O).sum()
    return back(probabilities(Q, K, lse), inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def inner_sum_along_a_row(Q, K, V, O, lse, dO):
    """D without keepdims: it needs as many keys as queries to run at all."""
    inner = dO @ V.T - (dO * O).sum(1)
    return back(probabilities(Q, K, lse), inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def weights_missing(Q, K, V, O, lse, dO):
    """P is missing in dS."""
    P, scale = probabilities(Q, K, lse), Q.shape[1] ** -0.5
    dS = (dO @ V.T - (dO * O).sum(1, keepdims=True)) * scale
    return dS @ K, dS.T @ Q, P.T @ dO


@wrong("14.6")
def scale_missing(Q, K, V, O, lse, dO):
    """1/√d is missing in dQ and dK."""
    inner = dO @ V.T - (dO * O).sum(1, keepdims=True)
    return back(probabilities(Q, K, lse), inner, 1.0, Q, K, dO)


@wrong("14.6")
def scale_missing_in_dq(Q, K, V, O, lse, dO):
    """1/√d is missing in dQ."""
    dQ, dK, dV = from_output(Q, K, V, O, lse, dO)
    return dQ * np.sqrt(Q.shape[1]), dK, dV


@wrong("14.6")
def scale_missing_in_dk(Q, K, V, O, lse, dO):
    """1/√d is missing in dK."""
    dQ, dK, dV = from_output(Q, K, V, O, lse, dO)
    return dQ, dK * np.sqrt(Q.shape[1]), dV


@wrong("14.6")
def scaled_twice(Q, K, V, O, lse, dO):
    """1/d: the scale once in dS and once more in the products."""
    dQ, dK, dV = from_output(Q, K, V, O, lse, dO)
    return dQ / np.sqrt(Q.shape[1]), dK / np.sqrt(Q.shape[1]), dV


@wrong("14.6")
def unscaled_scores(Q, K, V, O, lse, dO):
    """P from unscaled scores."""
    P = np.exp(Q @ K.T - lse[:, None])
    inner = dO @ V.T - (dO * O).sum(1, keepdims=True)
    return back(P, inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def lse_unused(Q, K, V, O, lse, dO):
    """P not normalised."""
    P = np.exp(Q @ K.T / np.sqrt(Q.shape[1]))
    inner = dO @ V.T - (dO * O).sum(1, keepdims=True)
    return back(P, inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def maximum_for_lse_backward(Q, K, V, O, lse, dO):
    """The row's maximum instead of the LSE."""
    x = Q @ K.T / np.sqrt(Q.shape[1])
    P = np.exp(x - x.max(1, keepdims=True))
    inner = dO @ V.T - (dO * O).sum(1, keepdims=True)
    return back(P, inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def divided_by_lse(Q, K, V, O, lse, dO):
    """exp(x) / lse."""
    P = np.exp(Q @ K.T / np.sqrt(Q.shape[1])) / lse[:, None]
    inner = dO @ V.T - (dO * O).sum(1, keepdims=True)
    return back(P, inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def quotient_of_exponentials(Q, K, V, O, lse, dO):
    """exp(x) / exp(lse)."""
    P = np.exp(Q @ K.T / np.sqrt(Q.shape[1])) / np.exp(lse)[:, None]
    inner = dO @ V.T - (dO * O).sum(1, keepdims=True)
    return back(P, inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def values_from_scores(Q, K, V, O, lse, dO):
    """dV from dS."""
    P, scale = probabilities(Q, K, lse), Q.shape[1] ** -0.5
    dS = P * (dO @ V.T - (dO * O).sum(1, keepdims=True))
    return dS @ K * scale, dS.T @ Q * scale, dS.T @ dO


@wrong("14.6")
def values_from_output(Q, K, V, O, lse, dO):
    """dV = PᵀO."""
    dQ, dK, _ = from_output(Q, K, V, O, lse, dO)
    return dQ, dK, probabilities(Q, K, lse).T @ O


@wrong("14.6")
def sign(Q, K, V, O, lse, dO):
    """D - dP."""
    dQ, dK, dV = from_output(Q, K, V, O, lse, dO)
    return -dQ, -dK, dV


@wrong("14.6")
def swapped(Q, K, V, O, lse, dO):
    """dK, dQ."""
    dQ, dK, dV = from_output(Q, K, V, O, lse, dO)
    return dK, dQ, dV


@wrong("14.6")
def diagonal_alone(Q, K, V, O, lse, dO):
    """p (1 - p), as for a sigmoid."""
    P, scale = probabilities(Q, K, lse), Q.shape[1] ** -0.5
    dS = P * (1 - P) * (dO @ V.T) * scale
    return dS @ K, dS.T @ Q, P.T @ dO


@wrong("14.6")
def values_scaled(Q, K, V, O, lse, dO):
    """dV divided by √d too."""
    dQ, dK, dV = from_output(Q, K, V, O, lse, dO)
    return dQ, dK, dV / np.sqrt(Q.shape[1])


@wrong("14.6")
def softmax_over_queries(Q, K, V, O, lse, dO):
    """The sum in D runs over the queries."""
    P, dP = probabilities(Q, K, lse), dO @ V.T
    inner = dP - (P * dP).sum(0, keepdims=True)
    return back(P, inner, Q.shape[1] ** -0.5, Q, K, dO)


@wrong("14.6")
def values_first(Q, K, V, O, lse, dO):
    """(dV, dK, dQ)."""
    return from_output(Q, K, V, O, lse, dO)[::-1]
