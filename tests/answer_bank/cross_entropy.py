"""Answers to exercises 5.1 to 5.6."""

import math

import mpmath
import numpy as np
import scipy.special
import torch
import torch.nn.functional as torch_functional

from . import right, wrong


def log_softmax(x):
    """Stable log-softmax, the answer to 4.4."""
    z = x - np.max(x, axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def checked(labels, n):
    """Return the labels, or raise if one is out of range."""
    labels = np.asarray(labels)
    if labels.min() < 0 or labels.max() >= n:
        raise ValueError(f"labels must lie in 0…{n - 1}")
    return labels


# 5.1 nll(log_p, labels)


@right("5.1")
def picks(log_p, labels):
    """Fancy indexing."""
    return -log_p[np.arange(len(labels)), labels].mean()


@right("5.1")
def picks_in_loop(log_p, labels):
    """A loop; a Python float."""
    return sum(-float(row[k]) for row, k in zip(log_p, labels, strict=True)) / len(labels)


@right("5.1")
def takes_along(log_p, labels):
    """take_along_axis."""
    picked = np.take_along_axis(log_p, np.expand_dims(labels, 1), axis=1)
    return -np.mean(picked)


@right("5.1")
def gathers(log_p, labels):
    """torch's gather; a tensor without dimensions."""
    picked = torch.tensor(log_p).gather(1, torch.tensor(labels, dtype=torch.int64)[:, None])
    return picked.mean().neg()


@right("5.1")
def one_hot_where(log_p, labels):
    """A one-hot mask through where, so that 0 times -inf never happens."""
    hit = np.arange(log_p.shape[1]) == labels[:, None]
    return -np.where(hit, log_p, 0).sum() / len(log_p)


@right("5.1")
def diagonal(log_p, labels):
    """The diagonal of log_p[:, labels] is what was wanted."""
    return -np.diagonal(log_p[:, labels]).mean()


@wrong("5.1")
def sign(log_p, labels):
    """The sign."""
    return np.mean([row[k] for row, k in zip(log_p, labels, strict=True)])


@wrong("5.1")
def total(log_p, labels):
    """The sum."""
    return -np.take_along_axis(log_p, labels[:, None], 1).sum()


@wrong("5.1")
def all_columns(log_p, labels):
    """Every label's column for every row."""
    return -np.take(log_p, labels, axis=1).mean()


@wrong("5.1")
def over_all_entries(log_p, labels):
    """The mean over N n entries."""
    hit = np.arange(log_p.shape[1]) == labels[:, None]
    return -np.where(hit, log_p, 0).mean()


@wrong("5.1")
def mean_twice(log_p, labels):
    """The mean taken twice."""
    return picks(log_p, labels) / len(labels)


@wrong("5.1")
def another_log(log_p, labels):
    """Takes another log."""
    with np.errstate(all="ignore"):
        return -np.log(np.abs(log_p[range(len(labels)), labels])).mean()


@wrong("5.1")
def one_hot_product(log_p, labels):
    """One-hot times log_p: NaN where a log-probability is -inf."""
    return -np.einsum("ij,ij->", np.eye(log_p.shape[1])[labels], log_p) / len(labels)


@wrong("5.1")
def nan_ignored(log_p, labels):
    """nansum hides the NaN, and -inf at the label's own place with the next one."""
    hot = np.eye(log_p.shape[1])[labels]
    picked = np.nan_to_num(hot * log_p, nan=0.0, neginf=0.0)
    return -picked.sum() / len(labels)


@wrong("5.1")
def per_row(log_p, labels):
    """Forgets the mean."""
    return -log_p[np.arange(len(labels)), labels]


@wrong("5.1")
def labels_from_one(log_p, labels):
    """Takes the labels to start at 1."""
    return -log_p[np.arange(len(labels)), labels - 1].mean()


@wrong("5.1")
def row_and_label_swapped(log_p, labels):
    """Row and column exchanged."""
    return -log_p[labels, np.arange(len(labels))].mean()


@wrong("5.1")
def best_class(log_p, labels):
    """The largest log-probability, whatever the label."""
    return -log_p.max(1).mean()


@wrong("5.1")
def divides_by_classes(log_p, labels):
    """Divides by n, the number of classes."""
    return -sum(row[k] for row, k in zip(log_p, labels, strict=True)) / log_p.shape[1]


@wrong("5.1")
def library_nll(log_p, labels):
    """The library call."""
    return torch_functional.nll_loss(torch.tensor(log_p), torch.tensor(labels).long()).item()


@wrong("5.1")
def likelihood(log_p, labels):
    """The mean of the probabilities, then the log."""
    return -np.log(np.exp(log_p[np.arange(len(labels)), labels]).mean())


@wrong("5.1")
def median_loss(log_p, labels):
    """The median."""
    return -np.median(log_p[np.arange(len(labels)), labels])


@wrong("5.1")
def nll_turned_round_where_square(log_p, labels):
    """Exchanges rows and labels where the shape does not tell."""
    rows = np.arange(len(labels))
    if log_p.shape[0] == log_p.shape[1]:
        return -log_p[labels, rows].mean()
    return -log_p[rows, labels].mean()


@right("5.1")
def gathers_from_tensors(log_p, labels):
    """gather with a view of the labels, which NumPy arrays do not have."""
    return torch.gather(log_p, 1, labels.view(-1, 1)).mean() * -1


@wrong("5.1")
def first_row_of_all(log_p, labels):
    """One element instead of the sum."""
    losses = -log_p[range(labels.shape[0]), labels]
    return losses[0] / labels.shape[0]


@wrong("5.1")
def one_hot_as_wide_as_the_labels(log_p, labels):
    """n taken from the labels."""
    hot = np.equal.outer(labels, np.arange(max(labels) + 1))
    return -np.where(hot, log_p, 0).sum(axis=1).mean()


@wrong("5.1")
def library_of_logits(log_p, labels):
    """Log-softmax leaves log-probabilities alone, so the library's other loss does it too."""
    return torch_functional.cross_entropy(torch.tensor(log_p), torch.tensor(labels).long()).item()


# 5.2 cross_entropy(logits, labels)


@right("5.2")
def from_log_softmax(logits, labels):
    """Checks, log-softmax, picks."""
    labels = checked(labels, logits.shape[-1])
    return -log_softmax(logits)[np.arange(len(labels)), labels].mean()


@right("5.2")
def loops(logits, labels):
    """Loops in Python."""
    losses = []
    for row, k in zip(logits.tolist(), labels.tolist(), strict=True):
        if not 0 <= k < len(row):
            raise ValueError(f"no class {k}")
        top = max(row)
        log_sum = math.log(math.fsum(math.exp(value - top) for value in row))
        losses.append(log_sum - (row[k] - top))
    return sum(losses) / len(losses)


@right("5.2")
def index_error_above(logits, labels):
    """Checks below 0 only: NumPy's IndexError answers for label n."""
    if (np.asarray(labels) < 0).any():
        raise ValueError("negative label")
    z = logits - logits.max(1, keepdims=True)
    picked = np.take_along_axis(z, np.asarray(labels)[:, None], 1)[:, 0]
    return (np.log(np.exp(z).sum(1)) - picked).mean()


@right("5.2")
def differences(logits, labels):
    """LSE of the differences to the label's logit; inf where that is -inf."""
    labels = checked(labels, logits.shape[1])
    logits = np.asarray(logits, dtype=np.float64)
    picked = logits[np.arange(len(labels)), labels]
    finite = np.where(np.isneginf(picked), 0, picked)
    losses = np.logaddexp.reduce(logits - finite[:, None], axis=1)
    return np.where(np.isneginf(picked), np.inf, losses).mean()


@right("5.2")
def tensor_losses(logits, labels):
    """torch's log_softmax and gather."""
    labels = torch.tensor(checked(labels, logits.shape[1])).long()
    log_p = torch.tensor(logits, dtype=torch.float64).log_softmax(1)
    return -log_p.gather(1, labels.unsqueeze(1)).mean()


@right("5.2")
def label_in_range_by_isin(logits, labels):
    """isin for the check, the library's log-softmax, the diagonal."""
    if not np.isin(labels, range(logits.shape[1])).all():
        raise ValueError("label out of range")
    return float(
        -np.trace(scipy.special.log_softmax(logits * 1.0, axis=1)[:, labels]) / len(labels)
    )


@wrong("5.2")
def log_of_softmax(logits, labels):
    """Log of probabilities: inf where the loss is 1000."""
    labels = checked(labels, logits.shape[1])
    p = scipy.special.softmax(np.asarray(logits, dtype=float), axis=1)
    with np.errstate(divide="ignore"):
        return -np.log(p[np.arange(len(labels)), labels]).mean()


@wrong("5.2")
def epsilon_in_log(logits, labels):
    """An epsilon inside the log."""
    labels = checked(labels, logits.shape[1])
    p = np.exp(log_softmax(logits))
    return -np.log(p[np.arange(len(labels)), labels] + 1e-10).mean()


@wrong("5.2")
def clipped_like_keras(logits, labels):
    """Probabilities clipped at 1e-7: no loss above 16.12."""
    labels = checked(labels, logits.shape[1])
    p = np.clip(np.exp(log_softmax(logits)), 1e-7, 1 - 1e-7)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


@wrong("5.2")
def zero_times_log_zero(logits, labels):
    """One-hot times the log of probabilities: 0 log 0."""
    hot = np.eye(logits.shape[1])[checked(labels, logits.shape[1])]
    with np.errstate(all="ignore"):
        return -(hot * np.log(np.exp(log_softmax(logits)))).sum(1).mean()


@wrong("5.2")
def zero_times_minus_inf(logits, labels):
    """Stable, but a logit of -inf gives 0 times -inf."""
    hot = np.eye(logits.shape[1])[checked(labels, logits.shape[1])]
    return -(hot * log_softmax(logits)).sum(1).mean()


@wrong("5.2")
def binary_formula(logits, labels):
    """The binary formula, class by class."""
    hot = np.eye(logits.shape[1])[checked(labels, logits.shape[1])]
    return (np.logaddexp(0, logits) - hot * logits).sum(1).mean()


@wrong("5.2")
def summed(logits, labels):
    """The sum."""
    labels = checked(labels, logits.shape[1])
    return -sum(log_softmax(row)[k] for row, k in zip(logits, labels, strict=True))


@wrong("5.2")
def indexes_silently(logits, labels):
    """Label -1 means the last class, silently."""
    return -log_softmax(logits)[np.arange(len(labels)), labels].mean()


@wrong("5.2")
def clips_labels(logits, labels):
    """Clips the labels into the range instead of raising."""
    labels = np.clip(labels, 0, logits.shape[1] - 1)
    return -log_softmax(logits)[np.arange(len(labels)), labels].mean()


@wrong("5.2")
def one_hot_comparison(logits, labels):
    """No class equals -1, so that its row counts as 0 and nothing is raised."""
    hit = np.arange(logits.shape[1]) == np.asarray(labels)[:, None]
    return -np.where(hit, log_softmax(logits), 0).sum(1).mean()


@wrong("5.2")
def assertion(logits, labels):
    """An assertion is not a ValueError."""
    assert np.min(labels) >= 0
    return indexes_silently(logits, labels)


@wrong("5.2")
def index_error_below(logits, labels):
    """An IndexError for the label -1."""
    if np.min(labels) < 0:
        raise IndexError("negative label")
    return indexes_silently(logits, labels)


@wrong("5.2")
def unshifted_loss(logits, labels):
    """No shift."""
    labels = checked(labels, logits.shape[1])
    picked = logits[np.arange(len(labels)), labels]
    return (np.log(np.exp(logits).sum(1)) - picked).mean()


@wrong("5.2")
def softmax_twice(logits, labels):
    """Softmax before the log-softmax."""
    p = np.exp(log_softmax(logits))
    return from_log_softmax(p, labels)


@wrong("5.2")
def global_shift_loss(logits, labels):
    """One maximum for the batch: rows 2000 apart give log 0."""
    labels = checked(labels, logits.shape[1])
    z = logits - logits.max()
    picked = z[np.arange(len(labels)), labels]
    with np.errstate(divide="ignore"):
        return (np.log(np.exp(z).sum(1)) - picked).mean()


@wrong("5.2")
def library_cross_entropy(logits, labels):
    """The library call."""
    labels = checked(labels, logits.shape[1])
    return torch_functional.cross_entropy(torch.tensor(logits), torch.tensor(labels).long()).item()


@wrong("5.2")
def loss_in_bits(logits, labels):
    """Bits."""
    return from_log_softmax(logits, labels) / math.log(2)


@wrong("5.2")
def log_softmax_over_rows(logits, labels):
    """Log-softmax over the batch."""
    labels = checked(labels, logits.shape[1])
    return -log_softmax(logits.T).T[np.arange(len(labels)), labels].mean()


@wrong("5.2")
def cross_entropy_binary_careful(logits, labels):
    """The binary formula with 0 log 0 = 0: once it took the checker five seconds to refuse."""
    if np.min(labels) < 0 or np.max(labels) >= logits.shape[1]:
        raise ValueError("no such label")
    p = scipy.special.softmax(logits, axis=1)
    q = np.eye(logits.shape[1])[labels]
    return -(scipy.special.xlogy(q, p) + scipy.special.xlog1py(1 - q, -p)).sum(axis=1).mean()


@wrong("5.2")
def cross_entropy_tests_the_upper_end_only(logits, labels):
    """Refuses a label n and takes -1."""
    if np.max(labels) >= logits.shape[1]:
        raise ValueError("no such label")
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


@wrong("5.2")
def log_sum_exp_less_the_logit(logits, labels):
    """SciPy's log-sum-exp, then the logit: 0 for two equal logits of 1e17."""
    labels = checked(labels, logits.shape[1])
    return (scipy.special.logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]).mean()


@wrong("5.2")
def normalises_the_whole_batch(logits, labels):
    """Softmax without an axis."""
    p = scipy.special.softmax(logits)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


@wrong("5.2")
def row_maximum_and_total_sum(logits, labels):
    """The maximum of each row, the sum of all of them."""
    labels = checked(labels, logits.shape[1])
    z = logits - logits.max(axis=1, keepdims=True)
    return (np.log(np.exp(z).sum()) - z[np.arange(len(labels)), labels]).mean()


@wrong("5.2")
def sum_without_keepdims(logits, labels):
    """The sums along the classes instead of the rows."""
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1))
    return -log_p[np.arange(len(labels)), labels].mean()


@wrong("5.2")
def first_loss_of_the_batch(logits, labels):
    """One element instead of the sum."""
    p = np.exp(log_softmax(logits))
    return -np.log(p[range(len(labels)), labels])[0] / len(labels)


@wrong("5.2")
def one_sigmoid_a_class(logits, labels):
    """A sigmoid for each class."""
    p = scipy.special.expit(logits)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


# 5.3 smooth_labels(labels, n, eps)


@right("5.3")
def mixes(labels, n, eps):
    """(1 - eps) one-hot + eps / n."""
    return (1 - eps) * np.eye(n)[labels] + eps / n


@right("5.3")
def fills(labels, n, eps):
    """Full of eps / n, the target's share added."""
    q = np.full((len(labels), n), eps / n)
    q[np.arange(len(labels)), labels] += 1 - eps
    return q


@right("5.3")
def nested(labels, n, eps):
    """Lists of lists."""
    return [[eps / n + (1 - eps) * (j == int(k)) for j in range(n)] for k in labels]


@right("5.3")
def scatters(labels, n, eps):
    """torch's scatter_add."""
    index = torch.tensor(labels).long()[:, None]
    q = torch.full((len(labels), n), eps / n, dtype=torch.float64)
    return q.scatter_add(1, index, torch.full_like(q, 1 - eps))


@right("5.3")
def compares(labels, n, eps):
    """A comparison gives the one-hot rows; a convex combination with the uniform ones."""
    hot = np.equal.outer(np.asarray(labels), np.arange(n))
    return np.average([hot, np.full(hot.shape, 1 / n)], axis=0, weights=[1 - eps, eps])


@wrong("5.3")
def others_only(labels, n, eps):
    """eps / (n - 1) for the others, 1 - eps for the target."""
    return np.where(np.eye(n)[labels] == 1, 1 - eps, eps / (n - 1))


@wrong("5.3")
def sums_below_one(labels, n, eps):
    """Target 1 - eps and the others eps / n."""
    q = np.full((len(labels), n), eps / n)
    q[np.arange(len(labels)), labels] = 1 - eps
    return q


@wrong("5.3")
def width_from_labels(labels, n, eps):
    """The width taken from the labels."""
    return (1 - eps) * np.eye(max(labels) + 1)[labels] + eps / n


@wrong("5.3")
def distinct_labels(labels, n, eps):
    """One column for each label that occurs."""
    classes, index = np.unique(labels, return_inverse=True)
    return (1 - eps) * np.eye(len(classes))[index] + eps / n


@wrong("5.3")
def sums_above_one(labels, n, eps):
    """The target keeps all of its 1."""
    return np.eye(n)[labels] + eps / n


@wrong("5.3")
def weights_swapped(labels, n, eps):
    """eps on the label, the rest spread."""
    return eps * np.eye(n)[labels] + (1 - eps) / n


@wrong("5.3")
def adds_eps(labels, n, eps):
    """eps without the division by n."""
    return (1 - eps) * np.eye(n)[labels] + eps


@wrong("5.3")
def divides_by_batch(labels, n, eps):
    """Spreads over the batch, not over the classes."""
    return (1 - eps) * np.eye(n)[labels] + eps / len(labels)


@wrong("5.3")
def transposed(labels, n, eps):
    """The shape (n, N)."""
    return mixes(labels, n, eps).T


@wrong("5.3")
def unsmoothed(labels, n, eps):
    """Plain one-hot rows."""
    return np.eye(n)[labels]


@wrong("5.3")
def integer_rows(labels, n, eps):
    """An integer buffer swallows the fractions."""
    q = np.zeros((len(labels), n), dtype=int)
    q[:] = eps / n
    q[np.arange(len(labels)), labels] = 1 - eps + eps / n
    return q


@wrong("5.3")
def ten_percent(labels, n, eps):
    """The usual eps of 0.1, whatever is asked for."""
    return mixes(labels, n, 0.1)


@wrong("5.3")
def fills_columns(labels, n, eps):
    """q[:, labels] fills whole columns."""
    q = np.full((len(labels), n), eps / n)
    q[:, labels] += 1 - eps
    return q


@wrong("5.3")
def smoothed_by_softmax(labels, n, eps):
    """A softmax of the one-hot rows."""
    return scipy.special.softmax(np.eye(n)[labels] / max(eps, 1e-3), axis=1)


@wrong("5.3")
def leaves_out_the_padding(labels, n, eps):
    """eps over n - 2: a class for padding never gets any."""
    q = np.full((len(labels), n), eps / (n - 2))
    q[np.arange(len(labels)), labels] = 1 - eps
    return q


@wrong("5.3")
def classes_from_the_first_axis(labels, n, eps):
    """The number of rows for the number of classes."""
    hot = np.eye(n)[labels]
    return hot * (1 - eps) + eps / hot.shape[0]


@wrong("5.3")
def library_smoothing(labels, n, eps):
    """The course's own function."""
    from helpers import kernels

    return kernels.label_smoothing(labels, n, eps)


# 5.4 double_softmax_floor(n)

right("5.4")(lambda n: math.log(math.e + n - 1) - 1)
right("5.4")(lambda n: np.log1p((n - 1) / np.e))


@right("5.4")
def loss_of_one_hot(n):
    """The loss of a one-hot row used as logits."""
    p = torch.zeros(1, n, dtype=torch.float64)
    p[0, 0] = 1
    return torch_functional.cross_entropy(p, torch.tensor([0]))


@right("5.4")
def by_logsumexp(n):
    """LSE of (1, 0, …, 0), less 1."""
    return scipy.special.logsumexp([1.0] + [0.0] * (n - 1)) - 1


@right("5.4")
def exactly(n):
    """mpmath; a Python float."""
    return float(mpmath.log(1 + (n - 1) * mpmath.exp(-1)))


@right("5.4")
def from_probability(n):
    """-log of the softmax of (1, 0, …, 0)."""
    return -math.log(math.exp(1) / (math.exp(1) + (n - 1) * math.exp(0)))


wrong("5.4")(lambda n: 0.0)  # believes the loss can still vanish
wrong("5.4")(lambda n: math.log(n))  # the loss of guessing
wrong("5.4")(lambda n: 1.4611501717344442)  # the value for n = 10 only
wrong("5.4")(lambda n: math.log(math.e + n - 1))  # forgets the label's own 1
wrong("5.4")(lambda n: math.log(1 + n / math.e))  # n others instead of n - 1
wrong("5.4")(lambda n: math.log(1 + (n - 1) * math.e))  # the highest loss, not the lowest
wrong("5.4")(lambda n: math.log2(1 + (n - 1) / math.e))  # bits
wrong("5.4")(lambda n: math.e / (math.e + n - 1))  # the probability, not its loss
wrong("5.4")(lambda n: math.log(math.e / (math.e + n - 1)))  # the sign
wrong("5.4")(lambda n: math.log(n) - 1 / n)  # the loss at a uniform q with one p of 1
wrong("5.4")(lambda n: math.log(1 + 1 / math.e))  # right for two classes only
wrong("5.4")(lambda n: math.log(n) - 1)  # e taken for 1 in the sum


@wrong("5.4")
def mean_over_classes(n):
    """Divides the loss by n."""
    return (math.log(math.e + n - 1) - 1) / n


@wrong("5.4")
def short_search(n):
    """A search that stops early: logits of 5 are far from infinite."""
    p = scipy.special.softmax([5.0] + [0.0] * (n - 1))
    return scipy.special.logsumexp(p) - p[0]


@wrong("5.4")
def others_alone(n):
    """The label's own term is left out of the sum."""
    return math.log(n - 1) - 1


# 5.5 soft_cross_entropy(logits, q)


@right("5.5")
def where_q(logits, q):
    """where() drops the entries with q = 0."""
    with np.errstate(invalid="ignore"):
        return -np.where(q == 0, 0, q * log_softmax(logits)).sum(axis=-1).mean()


@right("5.5")
def soft_loops(logits, q):
    """Loops in Python."""
    losses = []
    for row, target in zip(logits.tolist(), q.tolist(), strict=True):
        top = max(row)
        log_sum = math.log(math.fsum(math.exp(value - top) for value in row))
        losses.append(
            math.fsum(t * (log_sum - (v - top)) for v, t in zip(row, target, strict=True) if t)
        )
    return sum(losses) / len(losses)


@right("5.5")
def finite_logs(logits, q):
    """Replaces the log-probability before multiplying."""
    log_p = np.where(np.asarray(q) > 0, log_softmax(logits), 0.0)
    return -np.einsum("ij,ij->", log_p, q) / len(q)


@right("5.5")
def soft_tensor(logits, q):
    """torch's log_softmax, masked_fill."""
    q = torch.tensor(q, dtype=torch.float64)
    log_p = torch.log_softmax(torch.tensor(logits, dtype=torch.float64), dim=1)
    return -(q * log_p.masked_fill(q == 0, 0)).sum() / q.shape[0]


@right("5.5")
def where_in_sum(logits, q):
    """The where= of the sum."""
    with np.errstate(invalid="ignore"):
        terms = np.multiply(q, log_softmax(logits))
    return np.mean(-np.sum(terms, axis=1, where=q != 0))


@right("5.5")
def through_divergence(logits, q):
    """Entropy plus KL divergence, with SciPy's entr and a guarded ratio."""
    log_p = log_softmax(np.asarray(logits, dtype=np.float64))
    keep = np.asarray(q) > 0
    log_q = np.log(q, where=keep, out=np.zeros(q.shape))
    divergence = np.where(keep, q * (log_q - np.where(keep, log_p, 0)), 0).sum(1)
    return (scipy.special.entr(q).sum(1) + divergence).mean()


@wrong("5.5")
def plain_product(logits, q):
    """NaN from 0 times -inf."""
    return -np.einsum("ij,ij->i", q, log_softmax(logits)).mean()


@wrong("5.5")
def divergence_only(logits, q):
    """KL instead of cross-entropy: the same for one-hot q only."""
    return scipy.special.rel_entr(q, np.exp(log_softmax(logits))).sum(1).mean()


@wrong("5.5")
def mean_over_entries(logits, q):
    """The mean over N n."""
    with np.errstate(invalid="ignore"):
        return -np.where(q == 0, 0, q * log_softmax(logits)).mean()


@wrong("5.5")
def total_over_rows(logits, q):
    """The sum over the rows."""
    return where_q(logits, q) * len(q)


@wrong("5.5")
def swapped_roles(logits, q):
    """-sum p log q: the roles exchanged."""
    return -scipy.special.xlogy(np.exp(log_softmax(logits)), q).sum(1).mean()


@wrong("5.5")
def hardens(logits, q):
    """Hardens q to its largest entry."""
    return -log_softmax(logits)[np.arange(len(q)), np.argmax(q, 1)].mean()


@wrong("5.5")
def xlogy_of_softmax(logits, q):
    """xlogy minds q = 0, but a probability that underflows gives inf for 1000."""
    p = scipy.special.softmax(np.asarray(logits, dtype=float), axis=1)
    return -scipy.special.xlogy(q, p).sum(1).mean()


@wrong("5.5")
def epsilon_of_soft(logits, q):
    """An epsilon inside the log."""
    p = np.exp(log_softmax(logits))
    return -(q * np.log(p + 1e-12)).sum(1).mean()


@wrong("5.5")
def finite_floor(logits, q):
    """nan_to_num hides an infinite loss where q > 0 meets a logit of -inf."""
    log_p = log_softmax(logits)
    return (
        -np.where(np.isneginf(log_p), 0, q * np.where(np.isneginf(log_p), 0, log_p)).sum(1).mean()
    )


@wrong("5.5")
def positive_sign(logits, q):
    """The sign."""
    return -where_q(logits, q)


@wrong("5.5")
def binary_soft(logits, q):
    """The binary formula, summed over the classes."""
    return (np.logaddexp(0, logits) - np.where(q == 0, 0, q * logits)).sum(1).mean()


@wrong("5.5")
def renormalised_by_classes(logits, q):
    """Divides by n instead of N."""
    return where_q(logits, q) * len(q) / q.shape[1]


@wrong("5.5")
def unshifted_soft(logits, q):
    """No shift."""
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    with np.errstate(invalid="ignore"):
        return -np.where(q == 0, 0, q * log_p).sum(1).mean()


@wrong("5.5")
def library_soft(logits, q):
    """The library call; NaN at -inf as well."""
    return torch_functional.cross_entropy(torch.tensor(logits), torch.tensor(q)).item()


@wrong("5.5")
def log_sum_missing(logits, q):
    """Only the linear part, -sum q x."""
    return -np.where(q == 0, 0, q * logits).sum(1).mean()


@wrong("5.5")
def nan_terms_skipped(logits, q):
    """nansum hides a NaN of the model with the 0 times -inf."""
    with np.errstate(invalid="ignore"):
        return -np.nansum(q * log_softmax(logits)) / len(q)


@wrong("5.5")
def log_of_zero_left_out(logits, q):
    """log p = 0 where p underflows: the largest losses cost nothing."""
    p = np.exp(log_softmax(logits))
    log_p = np.zeros_like(p)
    np.log(p, out=log_p, where=p > 0)
    return -(q * log_p).sum(axis=1).mean()


@wrong("5.5")
def summed_over_the_batch_too(logits, q):
    """One sum over all, and the mean of that one number."""
    log_p = np.where(q == 0, 0, log_softmax(logits))
    return np.mean(np.sum(-q * log_p))


# 5.6 masked_cross_entropy(logits, labels, ignore)


@right("5.6")
def smaller_batch(logits, labels, ignore):
    """Drops the rows, then the loss of 5.2."""
    kept = np.flatnonzero(labels != ignore)
    return from_log_softmax(logits[kept], labels[kept]) if kept.size else 0.0


@right("5.6")
def skips_in_a_loop(logits, labels, ignore):
    """A loop that passes over the ignored labels."""
    losses = []
    for row, k in zip(logits.tolist(), labels.tolist(), strict=True):
        if k == ignore:
            continue
        top = max(row)
        losses.append(math.log(math.fsum(math.exp(v - top) for v in row)) + top - row[k])
    return sum(losses) / len(losses) if losses else 0.0


@right("5.6")
def where_and_one_at_least(logits, labels, ignore):
    """A valid label in place of the ignored one, where() over the losses, max(1, count)."""
    keep = labels != ignore
    with np.errstate(invalid="ignore"):
        log_p = log_softmax(logits)
    picked = np.take_along_axis(log_p, np.where(keep, labels, 0)[:, None], axis=1)[:, 0]
    return -np.where(keep, picked, 0).sum() / max(1, keep.sum())


@right("5.6")
def kept_tensors(logits, labels, ignore):
    """torch: boolean indexing, gather."""
    keep = labels != ignore
    if not keep.any():
        return torch.tensor(0.0, dtype=logits.dtype)
    log_p = torch.log_softmax(logits[keep], dim=-1)
    return -log_p.gather(1, labels[keep].unsqueeze(1)).mean()


@right("5.6")
def masked_array(logits, labels, ignore):
    """NumPy's masked arrays; all masked gives `masked`, which fill turns into 0."""
    hidden = labels == ignore
    with np.errstate(invalid="ignore"):
        log_p = log_softmax(np.asarray(logits, dtype=float))
    losses = -log_p[np.arange(len(labels)), np.where(hidden, 0, labels)]
    return float(np.ma.filled(np.ma.array(losses, mask=hidden).mean(), 0.0))


@wrong("5.6")
def mean_of_all_rows(logits, labels, ignore):
    """The mean over N, with zeros for the ignored."""
    keep = labels != ignore
    losses = -log_softmax(logits)[np.arange(len(labels)), labels * keep]
    return np.where(keep, losses, 0).mean()


@wrong("5.6")
def mean_of_nothing(logits, labels, ignore):
    """NaN where no row is left."""
    keep = labels != ignore
    z = logits[keep] - logits[keep].max(axis=1, keepdims=True, initial=-np.inf)
    return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(keep.sum()), labels[keep]]).mean()


@wrong("5.6")
def picks_before_it_masks(logits, labels, ignore):
    """-100 as an index."""
    losses = -log_softmax(logits)[np.arange(len(labels)), labels]
    keep = labels != ignore
    return losses[keep].mean() if keep.any() else 0.0


@wrong("5.6")
def any_negative_label(logits, labels, ignore):
    """A mask of labels >= 0."""
    keep = labels > -1
    return from_log_softmax(logits[keep], labels[keep]) if keep.any() else 0.0


@wrong("5.6")
def pytorchs_default_built_in(logits, labels, ignore):
    """-100, whatever was asked."""
    keep = labels != -100
    return -np.mean(log_softmax(logits[keep])[np.arange(keep.sum()), labels[keep]])


@wrong("5.6")
def zeroes_the_logits(logits, labels, ignore):
    """An ignored row becomes a uniform guess."""
    keep = (labels != ignore)[:, None]
    labels = np.where(labels == ignore, 0, labels)
    log_p = log_softmax(np.where(keep, logits, 0))
    return -log_p[np.arange(len(labels)), labels].mean()


@wrong("5.6")
def weights_of_zero(logits, labels, ignore):
    """Weights 0 and 1: NaN times 0."""
    weights = (labels != ignore).astype(float)
    picked = log_softmax(logits)[np.arange(len(labels)), np.where(weights == 1, labels, 0)]
    return -np.dot(weights, picked) / max(weights.sum(), 1)


@wrong("5.6")
def smallest_weight_in_the_divisor(logits, labels, ignore):
    """An epsilon against 0/0."""
    keep = labels != ignore
    picked = log_softmax(logits)[np.arange(len(labels)), np.where(keep, labels, 0)]
    return -np.where(keep, picked, 0).sum() / (keep.sum() + 1e-8)


@wrong("5.6")
def total_of_the_kept(logits, labels, ignore):
    """The sum."""
    return sum(
        float(np.logaddexp.reduce(row - row[k]))
        for row, k in zip(logits, labels, strict=True)
        if k != ignore
    )


@wrong("5.6")
def probabilities_of_the_kept(logits, labels, ignore):
    """The log of a softmax."""
    keep = labels != ignore
    if not keep.any():
        return 0.0
    p = scipy.special.softmax(logits[keep], axis=-1)
    return -np.log(p[np.arange(len(p)), labels[keep]]).mean()


@wrong("5.6")
def unshifted_and_kept(logits, labels, ignore):
    """No shift."""
    keep = labels != ignore
    x, y = logits[keep], labels[keep]
    return (np.log(np.exp(x).sum(axis=-1)) - x[np.arange(len(y)), y]).mean() if len(y) else 0.0


@wrong("5.6")
def library_masked(logits, labels, ignore):
    """The library call."""
    if (labels == ignore).all():
        return 0.0
    x, y = torch.tensor(logits), torch.tensor(labels).long()
    return torch_functional.cross_entropy(x, y, ignore_index=ignore).item()


@wrong("5.6")
def everything_counts(logits, labels, ignore):
    """Does not look at ignore."""
    return unshifted_loss(logits, labels)
