"""Answers to exercises 1.1 to 1.5."""

import math
from functools import partial

import numpy as np
import scipy.special
import torch

from . import right, wrong

# 1.1 normalise(w)


@right("1.1")
def keeps_the_axis(w):
    """Divides by the sums, axis kept."""
    return w / w.sum(axis=1, keepdims=True)


@right("1.1")
def transposes_twice(w):
    """Columns broadcast without keepdims, so it works on the transpose."""
    return (w.T / w.sum(axis=1)).T


@right("1.1")
def lists_of_shares(w):
    """Nested lists of Python floats."""
    return [[float(value) / math.fsum(row) for value in row] for row in w.tolist()]


@right("1.1")
def tensor_shares(w):
    """A torch tensor in double precision."""
    weights = torch.tensor(w, dtype=torch.float64)
    return weights / weights.sum(1)[:, None]


@right("1.1")
def shares_by_einsum(w):
    """Sums by einsum, new axis by indexing."""
    return w / np.einsum("ij->i", w)[:, np.newaxis]


@right("1.1")
def copy_then_in_place(w):
    """In place, but on a float copy."""
    shares = np.array(w, dtype=np.float64)
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


right("1.1")(lambda w: np.apply_along_axis(lambda row: row / row.sum(), 1, w))


@right("1.1")
def fills_a_buffer_of_the_same_type(w):
    """A buffer made like w, filled row by row."""
    shares = np.empty_like(w)
    for place, row in enumerate(w):
        shares[place] = row / np.add.reduce(row)
    return shares


@right("1.1")
def scaled_by_a_diagonal(w):
    """The reciprocal sums on a diagonal, times the matrix."""
    return np.diag(1.0 / w.sum(axis=1)) @ w


@right("1.1")
def guarded_torch_sum(w):
    """Tensors only; a floor under the sums that no row reaches."""
    rows = torch.as_tensor(w.copy())
    return rows / rows.sum(dim=1, keepdim=True).clamp(min=1e-30)


@wrong("1.1")
def ready_made(w):
    """A library's L1 normalisation is the exercise itself."""
    from sklearn.preprocessing import normalize

    return normalize(w, norm="l1")


@wrong("1.1")
def writes_and_returns_nothing(w):
    """In place, row by row, and no return."""
    for place in range(w.shape[0]):
        w[place, :] = w[place, :] / np.sum(w[place, :])


@wrong("1.1")
def unit_length_with_a_guard(w):
    """Euclidean length, kept away from 0."""
    length = np.linalg.norm(w, axis=1)[:, None]
    return w / (length + 1e-8)


@wrong("1.1")
def stretches_the_whole(w):
    """Minimum and maximum of everything."""
    return (w - w.min()) / np.ptp(w)


@wrong("1.1")
def normalises_columns(w):
    """Columns sum to 1."""
    return np.apply_along_axis(lambda column: column / column.sum(), 0, w)


@wrong("1.1")
def normalises_matrix(w):
    """The whole matrix sums to 1."""
    total = sum(sum(row) for row in w)
    return np.array([[value / total for value in row] for row in w])


@wrong("1.1")
def missing_axis(w):
    """Missing keepdims: raises, or divides column j by the sum of row j."""
    return np.divide(w, np.einsum("ij->i", w))


@wrong("1.1")
def by_largest(w):
    """Divides by the row maximum."""
    return np.array([row / max(row) for row in w])


@wrong("1.1")
def euclidean(w):
    """Divides by the Euclidean norm."""
    return w / np.linalg.norm(w, axis=1, keepdims=True)


@wrong("1.1")
def min_max_scaled(w):
    """Scales each row to [0, 1] instead."""
    low, high = w.min(1, keepdims=True), w.max(1, keepdims=True)
    return (w - low) / (high - low)


@wrong("1.1")
def divides_callers_array(w):
    """Modifies its argument (and raises on integers)."""
    w /= w.sum(axis=1, keepdims=True)
    return w


@wrong("1.1")
def floor_divides(w):
    """Floor division gives zeros."""
    return w // w.sum(axis=1, keepdims=True)


@wrong("1.1")
def adds_epsilon(w):
    """A large epsilon in the denominator changes digits."""
    return w / (w.sum(axis=1, keepdims=True) + 1e-3)


@wrong("1.1")
def applies_softmax(w):
    """Takes exponentials that nobody asked for."""
    e = np.exp(w - w.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@wrong("1.1")
def first_row_sum(w):
    """Divides every row by the first row's sum."""
    return w / w[0].sum()


@wrong("1.1")
def rounds_shares(w):
    """Rounds to three decimals."""
    return np.round(w / w.sum(1, keepdims=True), 3)


# 1.2 softmax_textbook(x)


@right("1.2")
def ratio(x):
    """The definition."""
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@right("1.2")
def nested_lists(x):
    """Recursion down to the rows; Python floats come back."""
    if np.ndim(x) > 1:
        return [nested_lists(row) for row in x]
    exponentials = [math.exp(value) for value in x]
    total = sum(exponentials)
    return [value / total for value in exponentials]


@right("1.2")
def tensor_ratio(x):
    """torch's exp and sum, in double precision."""
    e = torch.tensor(x, dtype=torch.float64).exp()
    return e / e.sum(dim=-1).unsqueeze(-1)


@right("1.2")
def stable_anyway(x):
    """Shifts by the maximum although nobody asked."""
    z = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return z / np.sum(z, axis=-1, keepdims=True)


@right("1.2")
def powers_of_e(x):
    """e ** x instead of exp."""
    e = np.e ** np.asarray(x, dtype=np.float64)
    return e / np.einsum("...i->...", e)[..., None]


@right("1.2")
def float_buffer(x):
    """Fills a float64 buffer row by row."""
    out = np.empty(x.shape, dtype=np.float64)
    for index in np.ndindex(x.shape[:-1]):
        e = np.exp(x[index].astype(np.float64))
        out[index] = e / e.sum()
    return out


class Textbook:
    """A callable object."""

    def __call__(self, x):
        """Divide by an exact sum, row by row."""
        e = np.exp(np.asarray(x, dtype=float))
        return np.apply_along_axis(lambda row: row / math.fsum(row), -1, e)


right("1.2")(Textbook())
right("1.2")(partial(np.apply_along_axis, lambda v: np.exp(v) / np.exp(v).sum(), -1))


@wrong("1.2")
def single_row_in_plain_python(x):
    """math.exp on each element, the largest taken off: stops at a batch."""
    top = max(x)
    weights = [math.exp(value - top) for value in x]
    return [weight / sum(weights) for weight in weights]


@wrong("1.2")
def transposed_twice(x):
    """Right for one row and a batch; a stack is transposed as a whole."""
    columns = np.exp(x).T
    return (columns / columns.T.sum(axis=-1)).T


@wrong("1.2")
def two_cases(x):
    """One case for a batch, one for all the rest."""
    if x.ndim == 2:
        shifted = x.T - x.max(axis=1)
        return (np.exp(shifted) / np.exp(shifted).sum(axis=0)).T
    shifted = x - x.max()
    return np.exp(shifted) / np.exp(shifted).sum()


@wrong("1.2")
def row_as_a_column(x):
    """One row alone becomes n rows of one class."""
    x = np.asarray(x, dtype=float)
    if x.ndim == 1:
        x = x[:, None]
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.2")
def logistic_of_each(x):
    """A sigmoid for each logit."""
    return scipy.special.expit(x)


@wrong("1.2")
def normalised_sigmoids(x):
    """Sigmoids, normalised over everything."""
    s = scipy.special.expit(x)
    return s / s.sum()


@wrong("1.2")
def maximum_taken_off_too_late(x):
    """exp(x) - max x."""
    e = np.exp(x) - x.max()
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.2")
def shifted_above_only(x):
    """The shift does not reach the sum."""
    return np.exp(x - np.max(x)) / np.sum(np.exp(x))


@wrong("1.2")
def own_maximum_and_one_total(x):
    """Row maxima, and one sum for all."""
    e = np.exp(x - np.amax(x, axis=-1, keepdims=True))
    return e / np.sum(e)


@wrong("1.2")
def quotient_in_the_exponent(x):
    """exp(x / sum exp x)."""
    return np.exp(x / np.exp(x).sum(axis=-1, keepdims=True))


@wrong("1.2")
def counts_instead_of_reading(x):
    """range(len(x)) where the values of x are meant."""
    total = sum(math.exp(i) for i in range(len(x)))
    return [math.exp(i) / total for i in range(len(x))]


@wrong("1.2")
def second_axis_without_keepdims(x):
    """Axis 1, and the sums lose their axis."""
    return np.exp(x) / np.exp(x).sum(axis=1)


@wrong("1.2")
def tensor_along_dim_one(x):
    """torch style along dim=1: right for a batch alone."""
    e = torch.exp(x)
    return e / e.sum(1, keepdim=True)


@wrong("1.2")
def over_rows(x):
    """Wrong axis: the first one."""
    e = np.exp(x)
    return e / sum(e)


@wrong("1.2")
def axis_one(x):
    """Axis 1 is the last one of matrices only: fails on 1-D, wrong on 3-D."""
    e = np.exp(x)
    return e / e.sum(1, keepdims=True)


@wrong("1.2")
def everything_together(x):
    """No axis: the whole array sums to 1."""
    return np.exp(x) / np.sum([math.exp(v) for v in np.ravel(x)])


@wrong("1.2")
def dropped_axis(x):
    """Missing keepdims."""
    return np.exp(x) / np.einsum("...i->...", np.exp(x))


@wrong("1.2")
def exp_above_only(x):
    """Exp only in the numerator."""
    return np.exp(x) / np.sum(x, axis=-1, keepdims=True)


@wrong("1.2")
def no_exp(x):
    """No exp at all."""
    return np.apply_along_axis(lambda row: row / row.sum(), -1, x)


@wrong("1.2")
def buffer_like_input(x):
    """A buffer with the input's dtype truncates on integers."""
    out = np.zeros_like(x)
    for index in np.ndindex(x.shape[:-1]):
        e = np.exp(x[index])
        out[index] = e / e.sum()
    return out


@wrong("1.2")
def exp_into_argument(x):
    """Modifies its argument through out=."""
    np.exp(x, out=x)
    return x / x.sum(axis=-1, keepdims=True)


@wrong("1.2")
def library(x):
    """The library's own softmax."""
    return scipy.special.softmax(x, axis=-1)


@wrong("1.2")
def powers_of_two(x):
    """Base 2 instead of e."""
    e = np.exp2(x)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.2")
def exp_minus(x):
    """The Boltzmann sign: exp(-x)."""
    e = np.exp(-x)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.2")
def log_instead(x):
    """Returns the logarithm of the softmax."""
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


@wrong("1.2")
def one_hot_argmax(x):
    """The hard maximum."""
    return (x == x.max(axis=-1, keepdims=True)).astype(float)


@wrong("1.2")
def sorted_result(x):
    """Probabilities in ascending order."""
    e = np.sort(np.exp(x), axis=-1)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.2")
def squares_instead(x):
    """Squares are positive too, but they are not exponentials."""
    return x**2 / (x**2).sum(axis=-1, keepdims=True)


@wrong("1.2")
def flattens(x):
    """Flattens a batch into one row."""
    e = np.exp(np.ravel(x))
    return e / e.sum()


# 1.3 log_odds(x, i, j)

right("1.3")(lambda x, i, j: x[i] - x[j])


@right("1.3")
def python_float(x, i, j):
    """A Python float."""
    return float(x[i]) - float(x[j])


@right("1.3")
def contrast(x, i, j):
    """A contrast vector times the logits."""
    c = np.zeros(len(x))
    c[i] += 1
    c[j] -= 1
    return c @ x


@right("1.3")
def tensor_difference(x, i, j):
    """A tensor without dimensions."""
    row = torch.tensor(x)
    return row[i].sub(row[j])


@right("1.3")
def taken(x, i, j):
    """np.take and np.subtract."""
    first, second = np.take(x, [i, j])
    return np.subtract(first, second)


@right("1.3")
def difference_of_log_probabilities(x, i, j):
    """By a library's log-softmax: it is not the exercise itself."""
    log_p = scipy.special.log_softmax(x)
    return log_p[i] - log_p[j]


@right("1.3")
def difference_of_torch_log_probabilities(x, i, j):
    """torch's log-softmax, on a tensor made from the row."""
    log_p = torch.log_softmax(torch.tensor(x), dim=0)
    return log_p[i] - log_p[j]


@wrong("1.3")
def epsilon_in_both(x, i, j):
    """An epsilon beside each probability."""
    p = scipy.special.softmax(x)
    return math.log(p[i] + 1e-8) - math.log(p[j] + 1e-8)


@wrong("1.3")
def clipped_ratio(x, i, j):
    """The ratio is kept between 1e-12 and 1e12."""
    e = np.exp(x)
    return np.log(np.clip((e / e.sum())[i] / (e / e.sum())[j], 1e-12, 1e12))


@wrong("1.3")
def through_probabilities(x, i, j):
    """Computes through probabilities and overflows."""
    p = np.exp(x) / np.exp(x).sum()
    return np.log(p[i] / p[j])


@wrong("1.3")
def through_exp_difference(x, i, j):
    """log(exp(a - b)): overflows for a gap above 709."""
    return np.log(np.exp(x[i] - x[j]))


@wrong("1.3")
def through_stable_probabilities(x, i, j):
    """Stable probabilities, but a small one is 0 and its log -inf."""
    e = np.exp(x - x.max())
    p = e / e.sum()
    return np.log(p[i]) - np.log(p[j])


@wrong("1.3")
def clipped_probabilities(x, i, j):
    """Probabilities clipped at 1e-12: a gap of 1000 becomes 27.6."""
    e = np.exp(x - x.max())
    p = np.clip(e / e.sum(), 1e-12, 1)
    return np.log(p[i]) - np.log(p[j])


@wrong("1.3")
def swapped(x, i, j):
    """Sign: the arguments are swapped."""
    return np.subtract(*np.take(x, [j, i]))


@wrong("1.3")
def plain_ratio(x, i, j):
    """The ratio, not its log."""
    return math.exp(min(x[i] - x[j], 700))


@wrong("1.3")
def ratio_of_logits(x, i, j):
    """The ratio of the logits."""
    return x[i] / x[j]


@wrong("1.3")
def log_of_difference(x, i, j):
    """Log of the difference."""
    return np.log(x[i] - x[j])


@wrong("1.3")
def magnitude(x, i, j):
    """Right for i above j only."""
    return abs(x[i] - x[j])


@wrong("1.3")
def versus_the_rest(x, i, j):
    """The log odds of i against all others."""
    rest = np.delete(x, i)
    m = rest.max()
    return x[i] - m - np.log(np.exp(rest - m).sum())


@wrong("1.3")
def first_two(x, i, j):
    """Hard-coded indices."""
    return x[0] - x[1]


@wrong("1.3")
def in_bits(x, i, j):
    """Base 2: off by the factor log 2."""
    return (x[i] - x[j]) / math.log(2)


@wrong("1.3")
def sorted_first(x, i, j):
    """Sorts the logits, so that the indices mean ranks."""
    x = np.sort(x)[::-1]
    return x[i] - x[j]


@wrong("1.3")
def log_odds_six_digits(x, i, j):
    """Rounded to six digits: right on every short number."""
    return round(float(x[i] - x[j]), 6)


@wrong("1.3")
def log_odds_later_minus_earlier(x, i, j):
    """Turned round where j comes before i."""
    return x[i] - x[j] if i < j else x[j] - x[i]


# 1.4 softmax_base(x, b)


@right("1.4")
def power(x, b):
    """b ** x, normalised."""
    w = b**x
    return w / w.sum(axis=-1, keepdims=True)


@right("1.4")
def change_of_base(x, b):
    """b ** x = exp(x log b)."""
    e = np.exp(x * np.log(b))
    return e / e.sum(axis=-1, keepdims=True)


@right("1.4")
def shifted_change_of_base(x, b):
    """The maximum of x log b taken off first; right for b < 1 too."""
    y = np.asarray(x, dtype=np.float64) * math.log(b)
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@right("1.4")
def library_of_scaled(x, b):
    """SciPy's softmax of the scaled logits: base b is the exercise, not softmax."""
    return scipy.special.softmax(np.asarray(x, dtype=float) * math.log(b), axis=-1)


@right("1.4")
def list_of_powers(x, b):
    """Rows by recursion, Python floats."""
    if x.ndim > 1:
        return [list_of_powers(row, b) for row in x]
    powers = [b ** float(value) for value in x]
    return [value / sum(powers) for value in powers]


@right("1.4")
def tensor_power(x, b):
    """torch's pow."""
    w = torch.pow(b, torch.tensor(x, dtype=torch.float64))
    return w / w.sum(-1, keepdim=True)


@wrong("1.4")
def like_a_temperature(x, b):
    """Divides by b."""
    return scipy.special.softmax(x / b, axis=-1)


@wrong("1.4")
def times_base_over_first_axis(x, b):
    """Multiplies by b, and sums along the first axis."""
    return np.exp(b * x) / np.exp(b * x).sum(axis=0)


@wrong("1.4")
def second_axis(x, b):
    """Axis 1: the last one of a batch alone."""
    return b**x / np.sum(b**x, axis=1, keepdims=True)


@wrong("1.4")
def times_base(x, b):
    """Multiplies by b instead of log b."""
    e = np.exp(np.multiply(b, x))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.4")
def base_e(x, b):
    """Always base e."""
    e = np.exp(x)
    return e / np.sum(e, -1)[..., None]


@wrong("1.4")
def bare_powers(x, b):
    """b^x without normalising."""
    return np.float_power(b, x)


@wrong("1.4")
def normalised_with_e(x, b):
    """b above the bar, e below it."""
    return b**x / np.exp(x).sum(axis=-1, keepdims=True)


@wrong("1.4")
def divides_by_log(x, b):
    """Divides by log b, as in changing the base of a logarithm."""
    e = np.exp(x / np.log(b))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.4")
def x_to_the_b(x, b):
    """Swapped: x ** b."""
    w = np.abs(x) ** b
    return w / w.sum(axis=-1, keepdims=True)


@wrong("1.4")
def base_two_always(x, b):
    """Hard-coded base 2."""
    w = np.exp2(x)
    return w / w.sum(axis=-1, keepdims=True)


@wrong("1.4")
def absolute_log(x, b):
    """|log b|: wrong for b < 1."""
    e = np.exp(x * abs(np.log(b)))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.4")
def log2_of_base(x, b):
    """log2 b instead of the natural log."""
    e = np.exp(x * np.log2(b))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.4")
def base_over_first_axis(x, b):
    """Wrong axis on a batch."""
    w = np.power(b, x)
    return w / w.sum(axis=0)


@wrong("1.4")
def base_of_whole(x, b):
    """Forgets the batch."""
    w = np.power(b, x)
    return w / w.sum()


@wrong("1.4")
def integer_base(x, b):
    """Truncates the base to an integer."""
    w = float(int(b)) ** x
    return w / w.sum(axis=-1, keepdims=True)


# 1.5 sigmoid_via_softmax(t)


@right("1.5")
def stacked(t):
    """Stacks (t, 0), normalises and takes the first class."""
    e = np.exp(np.stack([t, np.zeros_like(t)], axis=-1))
    return (e / e.sum(axis=-1, keepdims=True))[..., 0]


@right("1.5")
def written_out(t):
    """e^t / (e^t + e^0)."""
    return np.exp(t) / (np.exp(t) + 1)


@right("1.5")
def simplified(t):
    """1 / (1 + e^-t)."""
    return 1 / (1 + np.exp(-np.asarray(t, dtype=np.float64)))


@right("1.5")
def library_pair(t):
    """SciPy's softmax over the pair."""
    pair = np.stack(np.broadcast_arrays(np.asarray(t, dtype=float), 0.0))
    return scipy.special.softmax(pair, axis=0)[0]


@right("1.5")
def tensor_pair(t):
    """torch's softmax over the pair."""
    t = torch.tensor(t, dtype=torch.float64)
    return torch.stack((t, 0 * t), dim=-1).softmax(-1)[..., 0]


right("1.5")(np.vectorize(lambda v: math.exp(v) / (math.exp(v) + 1.0), otypes=[float]))


@right("1.5")
def split_by_sign(t):
    """A buffer like t, filled where t is positive and where it is not."""
    out = np.empty_like(t)
    positive = t >= 0
    out[positive] = 1 / (1 + np.exp(-t[positive]))
    out[~positive] = 1 - 1 / (1 + np.exp(t[~positive]))
    return out


@right("1.5")
def by_logaddexp(t):
    """The log of the denominator, then exp."""
    return np.exp(t - np.logaddexp(t, 0.0))


@right("1.5")
def torch_pair(t):
    """torch's softmax over the stack, no conversion of the type."""
    t = torch.as_tensor(t.copy())
    return torch.softmax(torch.stack([torch.zeros_like(t), t]), dim=0)[1]


@wrong("1.5")
def ready_made_sigmoid(t):
    """The exercise itself, from a library."""
    return scipy.special.expit(t)


@wrong("1.5")
def branches_on_an_array(t):
    """An if that suits one number."""
    return 1 / (1 + np.exp(-t)) if t > 0 else np.exp(t) / (1 + np.exp(t))


@wrong("1.5")
def lost_brackets(t):
    """1 / 1 + e^-t."""
    return 1 / 1 + np.exp(-t)


@wrong("1.5")
def nested_sigmoid(t):
    """A library's sigmoid where the exponential belongs."""
    return 1 / (1 + scipy.special.expit(-t))


@wrong("1.5")
def second_of_two(t):
    """Stacks (0, t) and takes the first."""
    return scipy.special.softmax(np.stack([np.zeros_like(t), t]), axis=0)[0]


@wrong("1.5")
def other_class(t):
    """The other class's probability."""
    e = np.exp(np.stack([t, np.zeros_like(t)]))
    return e[1] / e.sum(axis=0)


@wrong("1.5")
def other_class_simplified(t):
    """1 / (1 + e^t): the sign lost."""
    return 1 / (1 + np.exp(t))


@wrong("1.5")
def over_elements(t):
    """Softmax over the elements of t."""
    return scipy.special.softmax(np.asarray(t, dtype=float))


@wrong("1.5")
def plus_minus(t):
    """Classes (t, -t): the sigmoid of 2 t."""
    return np.exp(t) / (np.exp(t) + np.exp(-t))


@wrong("1.5")
def classes_t_one(t):
    """Classes (t, 1) instead of (t, 0)."""
    return np.exp(t) / (np.exp(t) + np.exp(1.0))


@wrong("1.5")
def both_classes(t):
    """Returns both probabilities."""
    e = np.exp(np.stack([t, np.zeros_like(t)], axis=-1))
    return e / e.sum(axis=-1, keepdims=True)


@wrong("1.5")
def scalar_only(t):
    """Works for a single number only."""
    return math.exp(t) / (math.exp(t) + 1)


@wrong("1.5")
def hyperbolic_tangent(t):
    """tanh, another sigmoid."""
    return np.tanh(t)


@wrong("1.5")
def half_angle(t):
    """tanh(t) for tanh(t / 2)."""
    return (1 + np.tanh(t)) / 2


@wrong("1.5")
def flattened_sigmoid(t):
    """Loses the shape."""
    t = np.ravel(t)
    return np.exp(t) / (np.exp(t) + 1)


@wrong("1.5")
def odds(t):
    """e^t: the odds, not the probability."""
    return np.exp(t)


@wrong("1.5")
def one_over_one_plus(t):
    """The logit 0 is not exponentiated: always 1."""
    return np.exp(t) / (np.exp(t) + 0)


@wrong("1.5")
def rounded_class(t):
    """The decision instead of the probability."""
    return (np.asarray(t) > 0).astype(float)
