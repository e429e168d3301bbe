"""Answers to exercises 19.1 to 19.6."""

import math
import operator
import warnings
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special
from scipy.special import log_softmax, logsumexp

from . import right, wrong

# 19.1 token_mean(batches)


def nll(logits, labels):
    """The losses of the rows, every label an index."""
    x = np.asarray(logits, dtype=np.float64)
    return logsumexp(x, axis=1) - x[np.arange(len(x)), labels]


@right("19.1")
def sums_and_count(batches):
    """One sum, one count."""
    total, count = 0.0, 0
    for logits, labels in batches:
        keep = labels != -100
        total += nll(logits[keep], labels[keep]).sum()
        count += keep.sum()
    return float(total / count) if count else 0.0


@right("19.1")
def glued(batches):
    """Puts the batch together again."""
    x = np.concatenate([logits for logits, _ in batches])
    y = np.concatenate([labels for _, labels in batches])
    x, y = x[y >= 0], y[y >= 0]
    if y.size == 0:
        return 0.0
    return float(-np.mean(np.take_along_axis(log_softmax(x, axis=1), y[:, None], axis=1)))


@right("19.1")
def token_loops(batches):
    """Python's own floats, row by row."""
    losses = []
    for logits, labels in batches:
        for x, y in zip(logits.tolist(), labels.tolist(), strict=True):
            if y == -100:
                continue
            top = max(x)
            losses.append(top + math.log(math.fsum(math.exp(v - top) for v in x)) - x[y])
    return math.fsum(losses) / max(len(losses), 1)


@right("19.1")
def torch_sum_mode(batches):
    """The trainer's way since it was mended: sums, divided by the number of items."""
    items = sum(int((torch.as_tensor(y) != -100).sum()) for _, y in batches)
    loss = torch.zeros((), dtype=torch.float64)
    for x, y in batches:
        logp = F.log_softmax(torch.as_tensor(x).double(), dim=-1)
        loss += F.nll_loss(logp, torch.as_tensor(y).long(), ignore_index=-100, reduction="sum")
    return (loss / max(items, 1)).item()


@right("19.1")
def counted_means(batches):
    """The parts' means, each with the weight of its count."""
    means, counts = [], []
    for logits, labels in batches:
        keep = labels != -100
        if keep.any():
            means.append(nll(logits[keep], labels[keep]).mean())
            counts.append(np.count_nonzero(keep))
    return np.average(means, weights=counts) if counts else 0.0


@right("19.1")
def running_mean(batches):
    """A mean that is kept as it grows."""
    mean, seen = 0.0, 0
    for logits, labels in batches:
        for i in np.flatnonzero(labels != -100):
            seen += 1
            loss = special.logsumexp(logits[i]) - logits[i, labels[i]]
            mean += (loss - mean) / seen
    return mean


@right("19.1")
def masked_product(batches):
    """Losses times a mask, a safe index below it."""
    top = bottom = 0.0
    for logits, labels in batches:
        mask = (labels != -100).astype(float)
        top = top + (nll(logits, np.where(labels == -100, 0, labels)) * mask).sum()
        bottom = bottom + mask.sum()
    return top / max(bottom, 1.0)


@right("19.1")
def picked_by_one_hot(batches):
    """-log p of the label by a table of ones and zeros."""
    total = count = 0
    for logits, labels in batches:
        hot = labels[:, None] == np.arange(logits.shape[1])
        shifted = logits - logits.max(axis=1, keepdims=True)
        logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        total = total - np.sum(logp, where=hot)
        count += int(hot.sum())
    return total / count if count > 0 else 0.0


@wrong("19.1")
def mean_of_means(batches):
    """Gradient accumulation as it stood for years."""
    parts = []
    for logits, labels in batches:
        keep = labels != -100
        parts.append(nll(logits[keep], labels[keep]).mean())
    return float(np.mean(parts))


@wrong("19.1")
def accumulated(batches):
    """loss / accumulation steps, added up."""
    loss = 0.0
    for logits, labels in batches:
        keep = labels != -100
        if keep.any():
            loss += nll(logits[keep], labels[keep]).mean() / len(batches)
    return loss


@wrong("19.1")
def nan_parts_left_out(batches):
    """The mean of those means that are numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [nll(x[y != -100], y[y != -100]).mean() for x, y in batches]
        return float(np.nan_to_num(np.nanmean(parts)))


@wrong("19.1")
def empty_parts_left_out(batches):
    """Divides by the number of parts that have a label."""
    parts = [nll(x[y >= 0], y[y >= 0]).mean() for x, y in batches if (y >= 0).any()]
    return sum(parts) / len(parts) if parts else 0.0


@wrong("19.1")
def clamped_per_part(batches):
    """The guard max(count, 1), in each part."""
    parts = [nll(x[y >= 0], y[y >= 0]).sum() / max((y >= 0).sum(), 1) for x, y in batches]
    return sum(parts) / len(parts)


@wrong("19.1")
def torch_default(batches):
    """F.cross_entropy's mean over each part, as tensors."""
    losses = [
        F.cross_entropy(torch.as_tensor(x).double(), torch.as_tensor(y).long()) for x, y in batches
    ]
    return torch.stack(losses).mean().item()


@wrong("19.1")
def every_row_counted(batches):
    """The right sum over the number of all rows."""
    total = sum(nll(x[y >= 0], y[y >= 0]).sum() for x, y in batches)
    return total / sum(len(y) for _, y in batches)


@wrong("19.1")
def ignored_rows_as_class_0(batches):
    """-100 is clipped to 0 and counts as a label."""
    losses = np.concatenate([nll(x, np.clip(y, 0, None)) for x, y in batches])
    return losses.mean()


@wrong("19.1")
def clipped_but_counted_right(batches):
    """The losses of ignored rows stay in the sum; the count leaves them out."""
    total = sum(nll(x, np.maximum(y, 0)).sum() for x, y in batches)
    return total / max(sum((y != -100).sum() for _, y in batches), 1)


@wrong("19.1")
def only_a_sum(batches):
    """Sum instead of mean."""
    return sum(nll(x[y >= 0], y[y >= 0]).sum() for x, y in batches)


@wrong("19.1")
def sum_over_parts(batches):
    """The sum over the number of parts."""
    return sum(nll(x[y >= 0], y[y >= 0]).sum() for x, y in batches) / len(batches)


@wrong("19.1")
def nothing_valid_is_nan(batches):
    """0 / 0 if no label is valid."""
    x = np.concatenate([x for x, _ in batches])
    y = np.concatenate([y for _, y in batches])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nll(x[y != -100], y[y != -100]).mean()


@wrong("19.1")
def nothing_valid_divides_by_zero(batches):
    """Python's division raises."""
    total, count = 0.0, 0
    for x, y in batches:
        for row, label in zip(x, y, strict=True):
            if label != -100:
                total += float(logsumexp(row) - row[label])
                count += 1
    return total / count


@wrong("19.1")
def epsilon_in_the_denominator(batches):
    """count + 1e-8: a little too small, always."""
    total = sum(nll(x[y >= 0], y[y >= 0]).sum() for x, y in batches)
    return total / (sum((y >= 0).sum() for _, y in batches) + 1e-8)


@wrong("19.1")
def weighted_by_all_rows(batches):
    """The parts' means weighted by the rows they have, valid or not."""
    total = rows = 0
    for x, y in batches:
        keep = y != -100
        if keep.any():
            total += nll(x[keep], y[keep]).mean() * len(y)
        rows += len(y)
    return total / rows


@wrong("19.1")
def minus_100_as_an_index(batches):
    """Never looks for -100."""
    return np.concatenate([nll(x, y) for x, y in batches]).mean()


@wrong("19.1")
def looks_for_minus_1(batches):
    """Another library's mark."""
    x = np.concatenate([x for x, _ in batches])
    y = np.concatenate([y for _, y in batches])
    keep = y != -1
    return nll(x[keep], y[keep]).mean() if keep.any() else 0.0


@wrong("19.1")
def class_0_ignored_too(batches):
    """y > 0 where y >= 0 was meant."""
    total = sum(nll(x[y > 0], y[y > 0]).sum() for x, y in batches)
    return total / max(sum((y > 0).sum() for _, y in batches), 1)


@wrong("19.1")
def stops_at_an_empty_part(batches):
    """return inside the loop."""
    total, count = 0.0, 0
    for x, y in batches:
        keep = y != -100
        if not keep.any():
            return 0.0
        total += nll(x[keep], y[keep]).sum()
        count += keep.sum()
    return total / count


@wrong("19.1")
def first_count_for_all(batches):
    """The number of valid rows is taken from the first part."""
    total = sum(nll(x[y >= 0], y[y >= 0]).sum() for x, y in batches)
    return total / max((batches[0][1] >= 0).sum() * len(batches), 1)


@wrong("19.1")
def last_part_only(batches):
    """The loss of the last part that was seen."""
    loss = 0.0
    for x, y in batches:
        keep = y >= 0
        loss = nll(x[keep], y[keep]).sum() / max(keep.sum(), 1)
    return loss


@wrong("19.1")
def returns_per_row(batches):
    """The losses, not their mean."""
    return np.concatenate([nll(x[y >= 0], y[y >= 0]) for x, y in batches])


@wrong("19.1")
def exponentials_as_they_are(batches):
    """No shift."""
    total, count = 0.0, 0
    for x, y in batches:
        keep = y != -100
        x, y = x[keep], y[keep]
        total += (np.log(np.exp(x).sum(axis=1)) - x[np.arange(len(y)), y]).sum()
        count += len(y)
    return total / count if count else 0.0


@wrong("19.1")
def log_of_softmax(batches):
    """Softmax with a shift, and then its log: -log 0."""
    total, count = 0.0, 0
    for x, y in batches:
        keep = y != -100
        p = special.softmax(x[keep], axis=1)
        total -= np.log(p[np.arange(keep.sum()), y[keep]]).sum()
        count += keep.sum()
    return total / count if count else 0.0


@wrong("19.1")
def log_of_softmax_with_epsilon(batches):
    """+ 1e-12 in the log."""
    total, count = 0.0, 0
    for x, y in batches:
        keep = y != -100
        p = special.softmax(x[keep], axis=1)
        total -= np.log(p[np.arange(keep.sum()), y[keep]] + 1e-12).sum()
        count += keep.sum()
    return total / max(count, 1)


@wrong("19.1")
def one_shift_for_the_batch(batches):
    """The largest logit of the part is subtracted from all its rows."""
    total, count = 0.0, 0
    for x, y in batches:
        keep = y != -100
        if not keep.any():
            continue
        x, y = x[keep], y[keep]
        x = x - x.max()
        total += (np.log(np.exp(x).sum(axis=1)) - x[np.arange(len(y)), y]).sum()
        count += len(y)
    return total / max(count, 1)


@wrong("19.1")
def over_the_rows(batches):
    """Softmax over the wrong axis."""
    total, count = 0.0, 0
    for x, y in batches:
        keep = y != -100
        if keep.any():
            logp = log_softmax(x[keep], axis=0)
            total -= logp[np.arange(keep.sum()), y[keep]].sum()
            count += keep.sum()
    return total / max(count, 1)


@wrong("19.1")
def sign_lost(batches):
    """The mean log-likelihood."""
    return -sums_and_count(batches)


@wrong("19.1")
def in_bits(batches):
    """log2."""
    return sums_and_count(batches) / math.log(2)


@wrong("19.1")
def perplexity(batches):
    """exp of the loss."""
    return math.exp(min(sums_and_count(batches), 700.0))


@wrong("19.1")
def divided_by_classes(batches):
    """mean() over the whole one-hot table: 1/n of it."""
    n = batches[0][0].shape[1]
    return sums_and_count(batches) / n


@wrong("19.1")
def every_row_of_a_kept_part(batches):
    """Leaves out whole parts, and indexes with -100 in the others."""
    losses = [nll(x, y) for x, y in batches if (y != -100).all()]
    return float(np.concatenate(losses).mean()) if losses else 0.0


# 19.2 checked_labels(labels, n)


@right("19.2")
def guarded(labels, n):
    """Kind, shape, range."""
    y = np.asarray(labels)
    if y.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got {y.dtype}")
    if y.ndim != 1:
        raise ValueError(f"labels must have shape (N,), got {y.shape}")
    bad = (y != -100) & ((y < 0) | (y >= n))
    if bad.any():
        raise ValueError(f"label {y[bad][0]} at row {np.flatnonzero(bad)[0]}")
    return y.astype(np.int64)


@right("19.2")
def by_isin(labels, n):
    """Membership in a list of what is allowed."""
    y = np.array(labels)
    if not np.issubdtype(y.dtype, np.integer) or len(y.shape) != 1:
        raise ValueError("labels must be a 1-D array of integers")
    if not np.isin(y.astype(np.int64), [-100, *range(n)]).all():
        raise ValueError("label out of range")
    return y.astype("int64")


@right("19.2")
def label_by_label(labels, n):
    """A loop over Python's integers."""
    out = []
    if np.ndim(labels) != 1:
        raise ValueError("one label a row")
    for row, label in enumerate(labels):
        try:
            label = operator.index(label)
        except TypeError:
            raise ValueError(f"row {row}: {label!r} is no integer") from None
        if label != -100 and not 0 <= label < n:
            raise ValueError(f"row {row}: {label} is not in 0…{n - 1}")
        out.append(label)
    if isinstance(labels, np.ndarray) and labels.dtype.kind == "f":
        raise ValueError("floats")
    return np.array(out, dtype=np.int64)


@right("19.2")
def safe_cast(labels, n):
    """Lets NumPy refuse what is no integer."""
    y = np.asarray(labels)
    try:
        y = y.astype(np.int64, casting="same_kind")
    except TypeError as error:
        raise ValueError(str(error)) from error
    if y.shape != (y.size,):
        raise ValueError("shape")
    valid = y[y != -100]
    if valid.size and (valid.min() < 0 or valid.max() > n - 1):
        raise ValueError("range")
    return y


@right("19.2")
def set_difference(labels, n):
    """What is left over when all that is allowed is taken away."""
    y = np.asarray(labels)
    if y.ndim != 1 or not issubclass(y.dtype.type, np.integer):
        raise ValueError("labels must be integers of shape (N,)")
    if set(y.tolist()) - set(range(n)) - {-100}:
        raise ValueError("labels out of range")
    return np.array(y, dtype=np.int64)


@right("19.2")
def own_error(labels, n):
    """An error of one's own that is a ValueError."""

    class LabelError(ValueError):
        pass

    y = np.asarray(labels)
    if y.dtype.kind in "iu" and y.ndim == 1:
        y = y.astype(np.int64)
        if all(label == -100 or label in range(n) for label in y.tolist()):
            return y
    raise LabelError(labels)


@right("19.2")
def torch_check(labels, n):
    """torch's integers."""
    y = np.asarray(labels)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError("labels")
    t = torch.from_numpy(y.astype(np.int64))
    if torch.any((t != -100) & ((t < 0) | (t >= n))):
        raise ValueError("range")
    return t


def kind_and_shape(labels):
    """The first two checks, right."""
    y = np.asarray(labels)
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise ValueError("labels must be integers of shape (N,)")
    return y


@wrong("19.2")
def n_allowed(labels, n):
    """> for >=."""
    y = kind_and_shape(labels)
    if ((y != -100) & ((y < 0) | (y > n))).any():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def one_based(labels, n):
    """1 to n."""
    y = kind_and_shape(labels)
    if ((y != -100) & ((y < 1) | (y > n))).any():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def upper_end_only(labels, n):
    """Looks only whether a label is too large."""
    y = kind_and_shape(labels)
    if (y >= n).any():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def lower_end_only(labels, n):
    """Looks only whether a label is negative."""
    y = kind_and_shape(labels)
    if ((y < 0) & (y != -100)).any():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def below_minus_100_only(labels, n):
    """-100 is taken for a lower end."""
    y = kind_and_shape(labels)
    if (y < -100).any() or (y >= n).any():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def no_row_ignored(labels, n):
    """Refuses -100."""
    y = kind_and_shape(labels)
    if y.size and (y.min() < 0 or y.max() >= n):
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def empty_has_no_minimum(labels, n):
    """min of nothing raises a ValueError too, of another kind."""
    y = kind_and_shape(labels)
    valid = y[y != -100]
    if valid.min() < 0 or valid.max() >= n:
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def minus_1_too(labels, n):
    """Every framework's mark is welcome."""
    y = kind_and_shape(labels)
    if not all(label in {-1, -100, *range(n)} for label in y.tolist()):
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def any_negative_ignored(labels, n):
    """All that is negative becomes -100."""
    y = kind_and_shape(labels).astype(np.int64)
    if (y >= n).any():
        raise ValueError("range")
    y[y < 0] = -100
    return y


@wrong("19.2")
def cast_first(labels, n):
    """astype(int64) before the check of the kind: floats are cut."""
    y = np.asarray(labels).astype(np.int64)
    if y.ndim != 1 or ((y != -100) & ((y < 0) | (y >= n))).any():
        raise ValueError("labels")
    return y


@wrong("19.2")
def asarray_with_dtype(labels, n):
    """np.asarray(labels, dtype=np.int64), and the range."""
    y = np.asarray(labels, dtype=np.int64)
    if y.ndim != 1:
        raise ValueError("shape")
    if not (((y >= 0) & (y < n)) | (y == -100)).all():
        raise ValueError("range")
    return y


@wrong("19.2")
def whole_floats_welcome(labels, n):
    """Compares with the rounded value."""
    y = np.asarray(labels)
    if y.ndim != 1 or not np.array_equal(y, np.round(y)):
        raise ValueError("labels")
    y = y.astype(np.int64)
    if ((y != -100) & ((y < 0) | (y >= n))).any():
        raise ValueError("range")
    return y


@wrong("19.2")
def flattened(labels, n):
    """ravel: a column is taken."""
    y = kind_and_shape(np.ravel(labels))
    if ((y != -100) & ((y < 0) | (y >= n))).any():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def squeezed(labels, n):
    """squeeze, as column_or_1d does."""
    y = np.squeeze(np.asarray(labels))
    if y.dtype.kind not in "iu" or ((y != -100) & ((y < 0) | (y >= n))).any():
        raise ValueError("range")
    return np.atleast_1d(y).astype(np.int64)


@wrong("19.2")
def shape_not_checked(labels, n):
    """Kind and range only."""
    y = np.asarray(labels)
    if y.dtype.kind not in "iu" or ((y != -100) & ((y < 0) | (y >= n))).any():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def clipped(labels, n):
    """Puts labels into the range instead of refusing them."""
    y = kind_and_shape(labels).astype(np.int64)
    return np.where(y == -100, -100, np.clip(y, 0, n - 1))


@wrong("19.2")
def modulo(labels, n):
    """Wraps around."""
    y = kind_and_shape(labels).astype(np.int64)
    return np.where(y == -100, -100, y % n)


@wrong("19.2")
def asserted(labels, n):
    """assert: gone under -O, and no ValueError."""
    y = np.asarray(labels)
    assert y.ndim == 1
    assert y.dtype.kind in "iu"
    assert (((y >= 0) & (y < n)) | (y == -100)).all()
    return y.astype(np.int64)


@wrong("19.2")
def index_error(labels, n):
    """The error that NumPy would have raised later."""
    y = kind_and_shape(labels)
    if ((y != -100) & ((y < 0) | (y >= n))).any():
        raise IndexError("label out of range")
    return y.astype(np.int64)


@wrong("19.2")
def type_error(labels, n):
    """TypeError for floats."""
    y = np.asarray(labels)
    if y.dtype.kind not in "iu":
        raise TypeError("labels must be integers")
    if y.ndim != 1 or ((y != -100) & ((y < 0) | (y >= n))).any():
        raise ValueError("labels")
    return y.astype(np.int64)


@wrong("19.2")
def tells_true(labels, n):
    """True for good labels."""
    guarded(labels, n)
    return True


@wrong("19.2")
def tells_true_or_false(labels, n):
    """Never raises."""
    try:
        guarded(labels, n)
    except ValueError:
        return False
    return True


@wrong("19.2")
def returns_the_error(labels, n):
    """return ValueError(...) for raise."""
    try:
        return guarded(labels, n)
    except ValueError as error:
        return error


@wrong("19.2")
def returns_nothing(labels, n):
    """Checks, and forgets to return."""
    guarded(labels, n)


@wrong("19.2")
def drops_ignored_rows(labels, n):
    """Returns the valid labels only."""
    y = guarded(labels, n)
    return y[y != -100]


@wrong("19.2")
def drops_bad_rows(labels, n):
    """Leaves out what is out of range."""
    y = kind_and_shape(labels).astype(np.int64)
    return y[(y == -100) | ((y >= 0) & (y < n))]


@wrong("19.2")
def bad_rows_ignored(labels, n):
    """What is out of range becomes -100, silently."""
    y = kind_and_shape(labels).astype(np.int64)
    return np.where((y < 0) | (y >= n), -100, y)


@wrong("19.2")
def ignored_become_0(labels, n):
    """-100 becomes class 0."""
    return np.maximum(guarded(labels, n), 0)


@wrong("19.2")
def same_dtype_back(labels, n):
    """Not cast: uint8 stays uint8."""
    guarded(labels, n)
    return np.asarray(labels)


@wrong("19.2")
def int32_back(labels, n):
    """int32."""
    return guarded(labels, n).astype(np.int32)


@wrong("19.2")
def one_hot_back(labels, n):
    """One-hot rows."""
    return np.eye(n, dtype=np.int64)[np.maximum(guarded(labels, n), 0)]


@wrong("19.2")
def arrays_only(labels, n):
    """A list has no dtype."""
    if not isinstance(labels, np.ndarray):
        raise ValueError("labels must be an array")
    return guarded(labels, n)


@wrong("19.2")
def signed_only(labels, n):
    """Refuses uint8."""
    y = np.asarray(labels)
    if not np.issubdtype(y.dtype, np.signedinteger):
        raise ValueError("labels must be integers")
    return guarded(y, n)


@wrong("19.2")
def int64_only(labels, n):
    """Refuses int32 and uint8."""
    y = np.asarray(labels)
    if y.dtype != np.int64:
        raise ValueError("labels must be int64")
    return guarded(y, n)


@wrong("19.2")
def first_label_only(labels, n):
    """Looks at one label."""
    y = kind_and_shape(labels)
    if y.size and y[0] != -100 and not 0 <= y[0] < n:
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def all_must_be_bad(labels, n):
    """all where any was meant."""
    y = kind_and_shape(labels)
    if y.size and ((y != -100) & ((y < 0) | (y >= n))).all():
        raise ValueError("range")
    return y.astype(np.int64)


@wrong("19.2")
def as_many_as_n(labels, n):
    """Takes n for the number of labels."""
    y = kind_and_shape(labels)
    if len(y) > n or ((y != -100) & ((y < 0) | (y >= n))).any():
        raise ValueError("labels")
    return y.astype(np.int64)


@wrong("19.2")
def every_class_must_occur(labels, n):
    """Wants all of 0 to n - 1."""
    y = kind_and_shape(labels)
    if sorted(set(y.tolist()) - {-100}) != list(range(n)):
        raise ValueError("labels must be 0…n-1")
    return y.astype(np.int64)


@wrong("19.2")
def sorted_labels(labels, n):
    """np.unique returns them sorted, once each."""
    return np.unique(guarded(labels, n))


# 19.3 smoothed_loss(logits, labels, eps)


@right("19.3")
def in_float64(logits, labels, eps):
    """float64, the rows that count, two means."""
    keep = labels != -100
    logp = log_softmax(logits[keep].astype(np.float64), axis=1)
    own = -logp[np.arange(len(logp)), labels[keep]]
    return float(np.mean((1 - eps) * own + eps * -logp.mean(axis=1)))


@right("19.3")
def soft_targets(logits, labels, eps):
    """A table of targets."""
    x = np.asarray(logits, dtype=np.float64)[labels >= 0]
    y = labels[labels >= 0]
    n = x.shape[1]
    targets = np.full(x.shape, eps / n)
    targets[np.arange(len(y)), y] += 1 - eps
    x = x - x.max(axis=1, keepdims=True)
    logp = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return -(targets * logp).sum() / len(y)


@right("19.3")
def linear_in_the_logits(logits, labels, eps):
    """LSE - (1 - eps) x_y - eps mean(x)."""
    keep = labels != -100
    x = logits[keep].astype(float)
    picked = np.take_along_axis(x, labels[keep][:, None], axis=1)[:, 0]
    return (logsumexp(x, axis=1) - (1 - eps) * picked - eps * x.mean(axis=1)).mean()


@right("19.3")
def torch_parts(logits, labels, eps):
    """fairseq's two losses, in float64, divided as here."""
    lprobs = F.log_softmax(torch.as_tensor(logits).double(), dim=-1)
    target = torch.as_tensor(labels).long()
    pad = target.eq(-100)
    nll_loss = -lprobs.gather(1, target.clamp(min=0)[:, None])[:, 0]
    smooth_loss = -lprobs.mean(dim=-1)
    nll_loss = nll_loss.masked_fill(pad, 0.0).sum()
    smooth_loss = smooth_loss.masked_fill(pad, 0.0).sum()
    return (((1.0 - eps) * nll_loss + eps * smooth_loss) / (~pad).sum()).item()


@right("19.3")
def float32_if_half(logits, labels, eps):
    """float32 is enough for float16 logits."""
    x = logits.astype(np.float32) if logits.dtype == np.float16 else logits
    keep = labels != -100
    logp = log_softmax(x[keep], axis=-1)
    own = logp[np.arange(keep.sum()), labels[keep]]
    return float(-((1 - eps) * own + eps * logp.mean(axis=-1)).mean())


@right("19.3")
def row_loop(logits, labels, eps):
    """A row at a time, with math."""
    losses = []
    for x, y in zip(logits.tolist(), labels.tolist(), strict=True):
        if y == -100:
            continue
        top = max(x)
        lse = top + math.log(math.fsum(math.exp(v - top) for v in x))
        losses.append((1 - eps) * (lse - x[y]) + eps * math.fsum(lse - v for v in x) / len(x))
    return math.fsum(losses) / len(losses)


@right("19.3")
def cross_entropy_of_soft_labels(logits, labels, eps):
    """torch's cross-entropy with probabilities as targets."""
    keep = labels != -100
    x = torch.as_tensor(np.asarray(logits[keep], dtype=np.float64))
    hot = F.one_hot(torch.as_tensor(labels[keep]).long(), x.shape[1]).double()
    targets = hot * (1 - eps) + eps / x.shape[1]
    return float(-(targets * x.log_softmax(dim=1)).sum(dim=1).mean())


def kept(logits, labels):
    """Log-probabilities and labels of the rows that count, in float64."""
    keep = labels != -100
    return log_softmax(logits[keep].astype(np.float64), axis=1), labels[keep]


def mixed(own, uniform, eps):
    """The mean of the mixture."""
    return float(((1 - eps) * own + eps * uniform).mean())


@wrong("19.3")
def as_torch_does(logits, labels, eps):
    """Everything in the dtype of the logits: the sum overflows float16."""
    x = torch.as_tensor(logits)
    y = torch.as_tensor(labels).long()
    logp = F.log_softmax(x, dim=1)
    keep = y != -100
    own = -logp[keep, y[keep]].sum()
    uniform = -logp[keep].sum() / x.shape[1]
    return ((1 - eps) * own + eps * uniform).item() / int(keep.sum())


@wrong("19.3")
def numpy_half(logits, labels, eps):
    """Sum over the classes in the logits' dtype, then / n."""
    keep = labels != -100
    x = logits[keep]
    x = x - x.max(axis=1, keepdims=True)
    logp = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    own = -logp[np.arange(len(x)), labels[keep]]
    uniform = -np.sum(logp, axis=1) / np.float16(x.shape[1])
    return float(((1 - eps) * own + eps * uniform).mean())


@wrong("19.3")
def cast_after_log_softmax(logits, labels, eps):
    """The log-softmax stays in float16; only its sum is wide."""
    keep = labels != -100
    x = logits[keep]
    x = x - x.max(axis=1, keepdims=True)
    logp = (x - np.log(np.exp(x).sum(axis=1, dtype=x.dtype, keepdims=True))).astype(np.float64)
    own = -logp[np.arange(len(x)), labels[keep]]
    return mixed(own, -logp.mean(axis=1), eps)


@wrong("19.3")
def all_in_float32(logits, labels, eps):
    """float32 for float64 logits too."""
    keep = labels != -100
    logp = log_softmax(logits[keep].astype(np.float32), axis=1)
    own = -logp[np.arange(len(logp)), labels[keep]]
    return mixed(own, -logp.mean(axis=1), eps)


@wrong("19.3")
def all_in_float16(logits, labels, eps):
    """float16 for everything."""
    return float(numpy_half(logits.astype(np.float16), labels, eps))


@wrong("19.3")
def ignored_rows_smoothed(logits, labels, eps):
    """-100 is left out of the first term only."""
    x = logits.astype(np.float64)
    logp = log_softmax(x, axis=1)
    keep = labels != -100
    own = -logp[keep, labels[keep]].sum()
    uniform = -logp.mean(axis=1).sum()
    return float(((1 - eps) * own + eps * uniform) / keep.sum())


@wrong("19.3")
def uniform_mean_over_all_rows(logits, labels, eps):
    """The uniform term is the mean over all N rows."""
    logp = log_softmax(logits.astype(np.float64), axis=1)
    keep = labels != -100
    return float((1 - eps) * -logp[keep, labels[keep]].mean() + eps * -logp.mean())


@wrong("19.3")
def divided_by_all_rows(logits, labels, eps):
    """torch.mean over rows of which some are zero."""
    logp, y = kept(logits, labels)
    own, uniform = -logp[np.arange(len(y)), y], -logp.mean(axis=1)
    return float(((1 - eps) * own + eps * uniform).sum() / len(labels))


@wrong("19.3")
def over_the_others(logits, labels, eps):
    """fill_(smoothing / (classes - 1)): the paper's rival, without the right class."""
    logp, y = kept(logits, labels)
    targets = np.full(logp.shape, eps / (logp.shape[1] - 1))
    targets[np.arange(len(y)), y] = 1 - eps
    return float(-(targets * logp).sum(axis=1).mean())


@wrong("19.3")
def n_minus_1_but_all(logits, labels, eps):
    """eps / (n - 1) for each class, the right one included."""
    logp, y = kept(logits, labels)
    own, uniform = -logp[np.arange(len(y)), y], -logp.sum(axis=1) / (logp.shape[1] - 1)
    return mixed(own, uniform, eps)


@wrong("19.3")
def scattered(logits, labels, eps):
    """eps / n everywhere, overwritten by 1 - eps at the label: sums to less than 1."""
    logp, y = kept(logits, labels)
    targets = np.full(logp.shape, eps / logp.shape[1])
    targets[np.arange(len(y)), y] = 1 - eps
    return float(-(targets * logp).sum(axis=1).mean())


@wrong("19.3")
def added(logits, labels, eps):
    """nll + eps · uniform."""
    logp, y = kept(logits, labels)
    return float((-logp[np.arange(len(y)), y] - eps * logp.mean(axis=1)).mean())


@wrong("19.3")
def summed_over_classes(logits, labels, eps):
    """fairseq's smooth_loss with eps instead of eps / n."""
    logp, y = kept(logits, labels)
    return mixed(-logp[np.arange(len(y)), y], -logp.sum(axis=1), eps)


@wrong("19.3")
def swapped(logits, labels, eps):
    """confidence = eps."""
    logp, y = kept(logits, labels)
    return mixed(-logp[np.arange(len(y)), y], -logp.mean(axis=1), 1 - eps)


@wrong("19.3")
def log_of_the_mean(logits, labels, eps):
    """-log of the mean p is log n, whatever the logits."""
    logp, y = kept(logits, labels)
    return mixed(-logp[np.arange(len(y)), y], -np.log(np.exp(logp).mean(axis=1)), eps)


@wrong("19.3")
def smoothed_prediction(logits, labels, eps):
    """Mixes the probabilities, not the targets."""
    logp, y = kept(logits, labels)
    p = (1 - eps) * np.exp(logp) + eps / logp.shape[1]
    return float(-np.log(p[np.arange(len(y)), y]).mean())


@wrong("19.3")
def entropy_bonus(logits, labels, eps):
    """The confidence penalty: eps times the entropy is subtracted."""
    logp, y = kept(logits, labels)
    entropy = -(np.exp(logp) * logp).sum(axis=1)
    return float((-logp[np.arange(len(y)), y] - eps * entropy).mean())


@wrong("19.3")
def eps_left_out(logits, labels, eps):
    """The plain loss."""
    logp, y = kept(logits, labels)
    return float(-logp[np.arange(len(y)), y].mean())


@wrong("19.3")
def uniform_left_out(logits, labels, eps):
    """Only (1 - eps) of the loss."""
    logp, y = kept(logits, labels)
    return float((1 - eps) * -logp[np.arange(len(y)), y].mean())


@wrong("19.3")
def a_tenth_always(logits, labels, eps):
    """eps = 0.1 written in."""
    logp, y = kept(logits, labels)
    return mixed(-logp[np.arange(len(y)), y], -logp.mean(axis=1), 0.1)


@wrong("19.3")
def a_thousand_classes(logits, labels, eps):
    """Divides by another number of classes: the rows'."""
    logp, y = kept(logits, labels)
    return mixed(-logp[np.arange(len(y)), y], -logp.sum(axis=1) / len(logits), eps)


@wrong("19.3")
def minus_100_is_an_index(logits, labels, eps):
    """No row is left out; NumPy counts -100 from the end."""
    logp = log_softmax(logits.astype(np.float64), axis=1)
    return mixed(-logp[np.arange(len(labels)), labels], -logp.mean(axis=1), eps)


@wrong("19.3")
def clamped_labels(logits, labels, eps):
    """-100 becomes class 0 and counts."""
    logp = log_softmax(logits.astype(np.float64), axis=1)
    own = -logp[np.arange(len(labels)), np.maximum(labels, 0)]
    return mixed(own, -logp.mean(axis=1), eps)


@wrong("19.3")
def sum_over_rows(logits, labels, eps):
    """Sum, not mean."""
    return in_float64(logits, labels, eps) * int((labels != -100).sum())


@wrong("19.3")
def log_of_p(logits, labels, eps):
    """log(softmax): -log 0 in the uniform term."""
    keep = labels != -100
    logp = np.log(special.softmax(logits[keep].astype(np.float64), axis=1))
    return mixed(-logp[np.arange(len(logp)), labels[keep]], -logp.mean(axis=1), eps)


@wrong("19.3")
def log_of_p_plus_epsilon(logits, labels, eps):
    """log(softmax + 1e-12)."""
    keep = labels != -100
    logp = np.log(special.softmax(logits[keep].astype(np.float64), axis=1) + 1e-12)
    return mixed(-logp[np.arange(len(logp)), labels[keep]], -logp.mean(axis=1), eps)


@wrong("19.3")
def no_shift(logits, labels, eps):
    """exp of the logits as they are."""
    keep = labels != -100
    x = logits[keep].astype(np.float64)
    logp = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return mixed(-logp[np.arange(len(x)), labels[keep]], -logp.mean(axis=1), eps)


@wrong("19.3")
def infinities_to_zero(logits, labels, eps):
    """nan_to_num hides them."""
    keep = labels != -100
    with np.errstate(divide="ignore"):
        logp = np.log(special.softmax(logits[keep].astype(np.float64), axis=1))
    logp = np.nan_to_num(logp, neginf=0.0)
    return mixed(-logp[np.arange(len(logp)), labels[keep]], -logp.mean(axis=1), eps)


@wrong("19.3")
def per_row(logits, labels, eps):
    """The losses of the rows."""
    logp, y = kept(logits, labels)
    return (1 - eps) * -logp[np.arange(len(y)), y] + eps * -logp.mean(axis=1)


# 19.4 check_masked(f)


def truth(x, keep):
    """The masked softmax, a row at a time."""
    out = np.zeros(np.shape(x))
    for i, row in enumerate(np.asarray(x, dtype=float)):
        if keep[i].any():
            out[i, keep[i]] = special.softmax(row[keep[i]])
    return out


X = np.array(
    [
        [1.0, 2.0, 0.5, 1000.0],
        [-2e4, -2e4 - 1.0, 3.0, 0.0],
        [0.3, -1.2, 2.0, 0.7],
        [5.0, 1.0, 2.0, 3.0],
        [900.0, 898.0, 0.0, 901.0],
    ]
)
KEEP = np.array(
    [
        [True, True, True, False],
        [True, True, False, False],
        [True, False, True, True],
        [False, False, False, False],
        [True, True, False, True],
    ]
)


@right("19.4")
def one_hard_batch(f):
    """Five rows that have it all."""
    assert np.allclose(f(X, KEEP), truth(X, KEEP), rtol=0, atol=1e-5)


@right("19.4")
def numpy_testing(f):
    """assert_allclose, a relative and an absolute tolerance."""
    np.testing.assert_allclose(np.asarray(f(X, KEEP)), truth(X, KEEP), rtol=1e-4, atol=1e-6)


@right("19.4")
def several_small_tests(f):
    """One call for each thing that can go wrong."""

    def same(x, keep):
        x, keep = np.array(x, dtype=float), np.array(keep, dtype=bool)
        got = np.asarray(f(x, keep))
        if got.shape != x.shape or not np.all(np.abs(got - truth(x, keep)) < 1e-4):
            raise AssertionError((x, keep, got))

    same([[1.0, 2.0, 3.0]], [[1, 1, 0]])
    same([[1.0, 2.0, 3.0]], [[0, 0, 0]])
    same([[1.0, 2.0, 3000.0]], [[1, 1, 0]])
    same([[1000.0, 1001.0, 3.0]], [[1, 1, 0]])
    same([[-50000.0, -50001.0, 0.0]], [[1, 1, 0]])
    same([[0.0, 1.0], [2000.0, 2001.0]], [[1, 1], [1, 1]])


@right("19.4")
def random_batches(f):
    """Random scores at several levels, random masks, rows without any."""
    rng = np.random.default_rng(19)
    for level in (0.0, 2000.0, -30000.0):
        x = level + rng.normal(size=(20, 6))
        x[::4] -= level
        keep = rng.random(x.shape) < 0.5
        keep[3] = False
        x[~keep & (rng.random(x.shape) < 0.5)] = 5000.0
        got = np.asarray(f(x, keep), dtype=float)
        assert np.all(np.isfinite(got))
        assert np.max(np.abs(got - truth(x, keep))) < 2e-3 if level else 1e-5


@right("19.4")
def by_properties(f):
    """Zeros, sums, ratios: no second implementation."""
    p = np.asarray(f(X, KEEP), dtype=np.float64)
    assert np.isfinite(p).all()
    assert (p[~KEEP] == 0).all()
    assert (p >= 0).all()
    assert np.allclose(p.sum(axis=1), KEEP.any(axis=1), atol=1e-4)
    for row, x, keep in zip(p, X, KEEP, strict=True):
        for i in np.flatnonzero(keep):
            for j in np.flatnonzero(keep):
                assert math.isclose(row[i], row[j] * math.exp(x[i] - x[j]), rel_tol=1e-3)


@right("19.4")
def against_torch(f):
    """torch's softmax of the scores filled with -inf, NaN turned to 0."""
    x = torch.from_numpy(X).masked_fill(torch.from_numpy(~KEEP), -torch.inf)
    want = torch.nan_to_num(torch.softmax(x, dim=-1), nan=0.0)
    torch.testing.assert_close(
        torch.as_tensor(np.asarray(f(X, KEEP))).double(), want, atol=1e-5, rtol=1e-4
    )


@wrong("19.4")
def known_numbers(f):
    """Equal scores: halves and thirds. Powers of any number give them."""
    x = np.array([[0.0, 0.0, 0.0, 7000.0], [-3e4, -3e4, 0.0, -3e4], [1e3, 0, 1e3, 0], [1, 2, 3, 4]])
    keep = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 0]], dtype=bool)
    want = [[1 / 3, 1 / 3, 1 / 3, 0], [0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 0]]
    assert np.allclose(f(x, keep), want, atol=1e-3)


@right("19.4")
def integer_scores(f):
    """Scores written as integers."""
    x = np.array([[1, 2, 900], [-20000, -20001, 0], [5, 6, 7], [3, 2, 1]])
    keep = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]]) > 0
    assert np.allclose(np.asarray(f(x, keep)), truth(x, keep), atol=1e-5)


@right("19.4")
def raises_its_own_error(f):
    """No assert."""
    got = f(X.copy(), KEEP.copy())
    if not np.allclose(got, truth(X, KEEP), atol=1e-5):
        raise ValueError("no masked softmax")


@right("19.4")
def small_steps_far_down(f):
    """Scores near -2e4 whose differences float32 does not hold, at a tolerance that it meets."""
    x = np.vstack([X, [[-2e4 + 0.3, -2e4 + 0.1, -2e4 - 0.2, 8.0]]])
    keep = np.vstack([KEEP, [[True, True, True, False]]])
    assert np.allclose(f(x, keep), truth(x, keep), atol=1e-2)


PLAIN_X = np.array([[1.0, 2.0, 3.0, 0.5], [0.2, 0.1, -0.4, 2.0]])
PLAIN_KEEP = np.array([[True, True, True, False], [True, False, True, True]])


@wrong("19.4")
def sums_to_one(f):
    """Rows sum to 1."""
    assert np.allclose(np.asarray(f(PLAIN_X, PLAIN_KEEP)).sum(axis=1), 1.0)


@wrong("19.4")
def sums_of_the_hard_batch(f):
    """Only the sums, with every hard row."""
    assert np.allclose(np.asarray(f(X, KEEP)).sum(axis=1), KEEP.any(axis=1), atol=1e-5)


@wrong("19.4")
def masked_are_zero(f):
    """Only the zeros."""
    p = np.asarray(f(X, KEEP))
    assert np.all(p[~KEEP] == 0)


@wrong("19.4")
def zeros_and_sums(f):
    """Zeros and sums on a tame batch."""
    p = np.asarray(f(PLAIN_X, PLAIN_KEEP))
    assert np.all(p[~PLAIN_KEEP] == 0)
    assert np.allclose(p.sum(axis=1), 1)


@wrong("19.4")
def zeros_sums_and_positive(f):
    """Zeros, sums and signs of the hard batch: the values never looked at."""
    p = np.asarray(f(X, KEEP))
    assert np.isfinite(p).all()
    assert (p >= 0).all()
    assert np.all(p[~KEEP] == 0)
    assert np.allclose(p.sum(axis=1), KEEP.any(axis=1), atol=1e-5)


@wrong("19.4")
def one_row(f):
    """A single ordinary row."""
    x, keep = np.array([[1.0, 2.0, 3.0]]), np.array([[True, True, False]])
    assert np.allclose(f(x, keep), truth(x, keep), atol=1e-6)


@wrong("19.4")
def tame_batch(f):
    """Values, on small scores."""
    assert np.allclose(f(PLAIN_X, PLAIN_KEEP), truth(PLAIN_X, PLAIN_KEEP), atol=1e-5)


@wrong("19.4")
def no_empty_row(f):
    """All but the row with nothing kept."""
    rows = KEEP.any(axis=1)
    assert np.allclose(f(X[rows], KEEP[rows]), truth(X[rows], KEEP[rows]), atol=1e-5)


@wrong("19.4")
def never_far_below(f):
    """No kept score below -1e4."""
    rows = [0, 2, 3, 4]
    assert np.allclose(f(X[rows], KEEP[rows]), truth(X[rows], KEEP[rows]), atol=1e-5)


@wrong("19.4")
def nothing_large_masked(f):
    """No masked score that is far above the kept ones."""
    x = np.where(KEEP, X, -1.0)
    x[1, 2:] = -2e4
    assert np.allclose(f(x, KEEP), truth(x, KEEP), atol=1e-5)


@wrong("19.4")
def everything_kept(f):
    """A mask of True."""
    keep = np.ones(X.shape, dtype=bool)
    assert np.allclose(f(X, keep), special.softmax(X, axis=1), atol=1e-5)


@wrong("19.4")
def a_row_at_a_time(f):
    """Each row in a batch of its own."""
    for x, keep in zip(X, KEEP, strict=True):
        assert np.allclose(f(x[None], keep[None]), truth(x[None], keep[None]), atol=1e-5)


@wrong("19.4")
def nan_is_zero(f):
    """nan_to_num before the comparison."""
    assert np.allclose(np.nan_to_num(np.asarray(f(X, KEEP))), truth(X, KEEP), atol=1e-5)


@wrong("19.4")
def nan_equals_anything(f):
    """A comparison that NaN passes: not (difference > tolerance)."""
    difference = np.abs(np.asarray(f(X, KEEP)) - truth(X, KEEP))
    assert not (difference > 1e-5).any()


@wrong("19.4")
def bit_for_bit(f):
    """array_equal."""
    assert np.array_equal(f(X, KEEP), truth(X, KEEP))


@wrong("19.4")
def too_tight(f):
    """atol 1e-12: float32 has seven digits."""
    np.testing.assert_allclose(f(X, KEEP), truth(X, KEEP), rtol=0, atol=1e-12)


@wrong("19.4")
def too_loose(f):
    """atol 0.5."""
    assert np.allclose(f(X, KEEP), truth(X, KEEP), atol=0.5)


@wrong("19.4")
def wants_float64(f):
    """Asks for a dtype."""
    got = f(X, KEEP)
    assert got.dtype == np.float64
    assert np.allclose(got, truth(X, KEEP), atol=1e-5)


@wrong("19.4")
def returns_the_verdict(f):
    """return np.allclose(...)."""
    return bool(np.allclose(f(X, KEEP), truth(X, KEEP), atol=1e-5))


@wrong("19.4")
def returns_true_when_right(f):
    """Raises as it should, and returns True where None is asked for."""
    assert np.allclose(f(X, KEEP), truth(X, KEEP), atol=1e-5)
    return True


@wrong("19.4")
def no_assert(f):
    """The comparison's result is thrown away."""
    np.allclose(f(X, KEEP), truth(X, KEEP), atol=1e-5)


@wrong("19.4")
def assert_of_a_tuple(f):
    """assert (…, message) is always true."""
    verdict = (np.allclose(f(X, KEEP), truth(X, KEEP), atol=1e-5), "no masked softmax")
    assert verdict


@wrong("19.4")
def swallowed(f):
    """except: pass."""
    try:
        assert np.allclose(f(X, KEEP), truth(X, KEEP), atol=1e-5)
    except Exception:  # noqa: BLE001
        pass


@wrong("19.4")
def printed(f):
    """Prints what should have been raised."""
    if not np.allclose(f(X, KEEP), truth(X, KEEP), atol=1e-5):
        print("wrong")


@wrong("19.4")
def errors_of_f_forgiven(f):
    """An f that raises is let through, and so is NaN."""
    try:
        got = np.asarray(f(X, KEEP))
    except Exception:  # noqa: BLE001
        return
    assert np.allclose(got, truth(X, KEEP), atol=1e-5, equal_nan=True) or np.isnan(got).any()


@wrong("19.4")
def always_raises(f):
    """A test that cannot pass."""
    raise AssertionError


@wrong("19.4")
def never_calls_f(f):
    """Compares the truth with itself."""
    assert np.allclose(truth(X, KEEP), truth(X, KEEP))


@wrong("19.4")
def empty_row_uniform(f):
    """Expects 1/n where nothing is kept."""
    want = truth(X, KEEP)
    want[~KEEP.any(axis=1)] = 1 / X.shape[1]
    assert np.allclose(f(X, KEEP), want, atol=1e-5)


@wrong("19.4")
def empty_row_nan(f):
    """Expects NaN where nothing is kept."""
    want = truth(X, KEEP)
    want[~KEEP.any(axis=1)] = np.nan
    assert np.allclose(f(X, KEEP), want, atol=1e-5, equal_nan=True)


@wrong("19.4")
def keep_the_other_way(f):
    """Takes keep for a mask of what goes."""
    assert np.allclose(f(X, KEEP), truth(X, ~KEEP), atol=1e-5)


@wrong("19.4")
def zeroed_expected(f):
    """Expects softmax of the row, zeroed at the masked places."""
    assert np.allclose(f(X, KEEP), np.where(KEEP, special.softmax(X, axis=1), 0), atol=1e-5)


@wrong("19.4")
def any_close(f):
    """any where all was meant."""
    assert np.isclose(f(X, KEEP), truth(X, KEEP), atol=1e-5).any()


@wrong("19.4")
def first_row_of_the_batch(f):
    """Only row 0 is compared."""
    assert np.allclose(np.asarray(f(X, KEEP))[0], truth(X, KEEP)[0], atol=1e-5)


@wrong("19.4")
def argmax_only(f):
    """The largest weight is at the right place."""
    assert np.array_equal(np.asarray(f(X, KEEP)).argmax(axis=1), truth(X, KEEP).argmax(axis=1))


@wrong("19.4")
def moderate_range(f):
    """Random scores of standard deviation 1, with an empty row: nothing large anywhere."""
    x = np.random.default_rng(0).normal(size=(8, 5))
    keep = x > -0.5
    keep[2] = False
    assert np.allclose(f(x, keep), truth(x, keep), atol=1e-5)


@wrong("19.4")
def one_level(f):
    """A batch whose rows are all at the same level: the batch's maximum will do."""
    x = np.array([[-2e4, -20001.0, 1e3], [-2e4, -20000.5, 5.0], [-2e4, 1.0, 2.0]])
    keep = np.array([[True, True, False], [True, True, False], [False, False, False]])
    assert np.allclose(f(x, keep), truth(x, keep), atol=1e-5)


# 19.5 triage(logits, labels)

NOT_FINITE = "not finite"
PROBABILITIES = "probabilities"
LOG_PROBABILITIES = "log-probabilities"
OUT_OF_RANGE = "label out of range"
NO_LABEL = "no label"
IMPOSSIBLE = "impossible label"


def about_labels(x, y):
    """The finding about the labels, right."""
    if ((y != -100) & ((y < 0) | (y >= x.shape[1]))).any():
        return {OUT_OF_RANGE}
    rows = np.flatnonzero(y != -100)
    if rows.size == 0:
        return {NO_LABEL}
    return {IMPOSSIBLE} if np.isneginf(x[rows, y[rows]]).any() else set()


def about_logits(x):
    """The finding about the logits, right."""
    x = x.astype(np.float64)
    if np.isnan(x).any() or np.isposinf(x).any():
        return {NOT_FINITE}
    if (x >= 0).all() and (np.abs(x.sum(axis=1) - 1) <= 0.01).all():
        return {PROBABILITIES}
    if (np.abs(logsumexp(x, axis=1)) < 0.01).all():
        return {LOG_PROBABILITIES}
    return set()


@right("19.5")
def two_parts(logits, labels):
    """One function for each half."""
    return about_logits(logits) | about_labels(logits, labels)


@right("19.5")
def one_chain(logits, labels):
    """if, elif."""
    found = set()
    x = np.asarray(logits, dtype=float)
    with np.errstate(all="ignore"):
        top = x.max(axis=1)
        lse = top + np.log(np.exp(x - top[:, None]).sum(axis=1))
    if np.any(np.isnan(x) | (x == np.inf)):
        found.add(NOT_FINITE)
    elif x.min() >= 0 and np.allclose(x.sum(axis=1), 1, rtol=0, atol=0.01):
        found.add(PROBABILITIES)
    elif np.all(abs(lse) < 0.01):
        found.add(LOG_PROBABILITIES)
    n = x.shape[1]
    valid = labels[labels != -100]
    if not set(valid.tolist()) <= set(range(n)):
        found.add(OUT_OF_RANGE)
    elif len(valid) == 0:
        found.add(NO_LABEL)
    elif any(x[i, y] == -np.inf for i, y in enumerate(labels) if y != -100):
        found.add(IMPOSSIBLE)
    return found


@right("19.5")
def in_plain_loops(logits, labels):
    """Rows of Python floats."""
    rows = [[float(v) for v in row] for row in logits]
    found = set()

    def lse(row):
        top = max(row)
        if top == -math.inf:
            return top
        return top + math.log(math.fsum(math.exp(v - top) for v in row))

    if any(v != v or v == math.inf for row in rows for v in row):
        found.add(NOT_FINITE)
    elif all(min(row) >= 0 and abs(math.fsum(row) - 1) <= 0.01 for row in rows):
        found.add(PROBABILITIES)
    elif all(abs(lse(row)) < 0.01 for row in rows):
        found.add(LOG_PROBABILITIES)
    ys = [int(y) for y in labels]
    if any(y != -100 and y not in range(len(rows[0])) for y in ys):
        found.add(OUT_OF_RANGE)
    elif all(y == -100 for y in ys):
        found.add(NO_LABEL)
    elif any(y != -100 and rows[i][y] == -math.inf for i, y in enumerate(ys)):
        found.add(IMPOSSIBLE)
    return found


@right("19.5")
def torch_triage(logits, labels):
    """torch in float64."""
    x = torch.as_tensor(logits).double()
    y = torch.as_tensor(labels).long()
    found = set()
    if bool((x.isnan() | x.isposinf()).any()):
        found.add(NOT_FINITE)
    elif bool((x >= 0).all()) and bool(((x.sum(dim=1) - 1).abs() <= 0.01).all()):
        found.add(PROBABILITIES)
    elif bool((torch.logsumexp(x, dim=1).abs() < 0.01).all()):
        found.add(LOG_PROBABILITIES)
    ignored = y == -100
    if bool((~ignored & ((y < 0) | (y >= x.shape[1]))).any()):
        found.add(OUT_OF_RANGE)
    elif bool(ignored.all()):
        found.add(NO_LABEL)
    else:
        picked = x.gather(1, y.masked_fill(ignored, 0)[:, None])[:, 0]
        if bool((picked.isneginf() & ~ignored).any()):
            found.add(IMPOSSIBLE)
    return found


@right("19.5")
def as_a_frozenset(logits, labels):
    """A frozenset is a set."""
    return frozenset(two_parts(logits, labels))


@right("19.5")
def finite_or_minus_infinity(logits, labels):
    """Fractions for the sums, to be sure."""
    if not np.all(np.isfinite(logits) | np.isneginf(logits)):
        return {NOT_FINITE} | about_labels(logits, labels)
    x = logits.astype(np.float64)
    if np.isfinite(x).all():
        sums = [sum(Fraction(v) for v in row) for row in x.tolist()]
        if (x >= 0).all() and all(abs(s - 1) <= Fraction(1, 100) for s in sums):
            return {PROBABILITIES} | about_labels(x, labels)
    if np.all(np.abs(np.logaddexp.reduce(x, axis=1)) < 0.01):
        return {LOG_PROBABILITIES} | about_labels(x, labels)
    return about_labels(x, labels)


def triage_with(logits=about_logits, labels=about_labels):
    """A triage of two halves."""
    return lambda x, y: logits(x) | labels(x, y)


@wrong("19.5")
def any_row_sums_to_1(logits, labels):
    """One row is enough."""

    def outputs(x):
        found = about_logits(x)
        x = x.astype(float)
        if not found and ((x >= 0).all(axis=1) & (np.abs(x.sum(axis=1) - 1) <= 0.01)).any():
            return {PROBABILITIES}
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def first_row_judged(logits, labels):
    """Only row 0 is asked."""
    found = about_logits(logits)
    if found != {NOT_FINITE}:
        found = about_logits(logits[:1])
    return found | about_labels(logits, labels)


@wrong("19.5")
def mean_of_the_sums(logits, labels):
    """The rows' mean sum is near 1."""
    x = logits.astype(float)
    found = about_logits(x)
    if not found and np.isfinite(x).all() and (x >= 0).all() and abs(x.sum() / len(x) - 1) < 0.01:
        found = {PROBABILITIES}
    return found | about_labels(logits, labels)


@wrong("19.5")
def exact_sum(logits, labels):
    """== 1."""

    def outputs(x):
        found = about_logits(x)
        if found == {PROBABILITIES} and not (x.sum(axis=1) == 1).all():
            return set()
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def tight_sum(logits, labels):
    """np.allclose as it comes: 1e-5."""

    def outputs(x):
        found = about_logits(x)
        if found == {PROBABILITIES} and not np.allclose(x.sum(axis=1), 1):
            return set()
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def sign_not_checked(logits, labels):
    """A sum of 1 is enough."""

    def outputs(x):
        found = about_logits(x)
        if not found and (np.abs(x.astype(float).sum(axis=1) - 1) <= 0.01).all():
            return {PROBABILITIES}
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def only_the_range_checked(logits, labels):
    """All between 0 and 1: probabilities."""

    def outputs(x):
        found = about_logits(x)
        if not found and ((x >= 0) & (x <= 1)).all():
            return {PROBABILITIES}
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def strictly_positive(logits, labels):
    """A probability of 0 is refused."""

    def outputs(x):
        found = about_logits(x)
        return set() if found == {PROBABILITIES} and (x == 0).any() else found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def negative_means_log(logits, labels):
    """No entry positive: log-probabilities."""

    def outputs(x):
        found = about_logits(x)
        return {LOG_PROBABILITIES} if not found and (x <= 0).all() else found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def sum_over_everything(logits, labels):
    """The whole array sums to 1."""

    def outputs(x):
        found = about_logits(x)
        if found == {PROBABILITIES} and abs(x.astype(float).sum() - 1) > 0.01:
            return set()
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def columns(logits, labels):
    """Sums over axis 0."""

    def outputs(x):
        found = about_logits(x)
        if found == {PROBABILITIES} and not np.allclose(x.sum(axis=0), 1, atol=0.01):
            return set()
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def minus_infinity_not_finite(logits, labels):
    """np.isfinite."""

    def outputs(x):
        return about_logits(x) if np.isfinite(x).all() else {NOT_FINITE}

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def nan_only(logits, labels):
    """+inf is let through."""

    def outputs(x):
        found = about_logits(x)
        return set() if found == {NOT_FINITE} and not np.isnan(x).any() else found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def infinity_only(logits, labels):
    """isposinf, NaN forgotten."""

    def outputs(x):
        found = about_logits(x)
        return set() if found == {NOT_FINITE} and not np.isposinf(x).any() else found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def nan_by_equality(logits, labels):
    """x == np.nan is never true."""

    def outputs(x):
        if ((x == np.nan) | (x == np.inf)).any():
            return {NOT_FINITE}
        return set() if np.isnan(x).any() else about_logits(x)

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def not_finite_ends_it(logits, labels):
    """return as soon as something is not finite."""
    found = about_logits(logits)
    return found if found == {NOT_FINITE} else found | about_labels(logits, labels)


@wrong("19.5")
def only_one_finding(logits, labels):
    """return at the first finding."""
    return about_logits(logits) or about_labels(logits, labels)


@wrong("19.5")
def labels_first(logits, labels):
    """return at the first finding, labels first."""
    return about_labels(logits, labels) or about_logits(logits)


@wrong("19.5")
def log_probabilities_missed(logits, labels):
    """Never says so."""
    return two_parts(logits, labels) - {LOG_PROBABILITIES}


@wrong("19.5")
def probabilities_missed(logits, labels):
    """Never says so."""
    return two_parts(logits, labels) - {PROBABILITIES}


@wrong("19.5")
def impossible_missed(logits, labels):
    """Never says so."""
    return two_parts(logits, labels) - {IMPOSSIBLE}


@wrong("19.5")
def no_label_missed(logits, labels):
    """Never says so."""
    return two_parts(logits, labels) - {NO_LABEL}


@wrong("19.5")
def minus_100_out_of_range(logits, labels):
    """-100 is not in 0…n-1."""

    def about(x, y):
        return {OUT_OF_RANGE} if ((y < 0) | (y >= x.shape[1])).any() else about_labels(x, y)

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def negative_ignored(logits, labels):
    """Every negative label counts as none."""

    def about(x, y):
        return about_labels(x, np.where(y < 0, -100, y))

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def n_is_in_range(logits, labels):
    """> for >=."""

    def about(x, y):
        if ((y != -100) & ((y < 0) | (y > x.shape[1]))).any():
            return {OUT_OF_RANGE}
        rows = np.flatnonzero(y != -100)
        if rows.size == 0:
            return {NO_LABEL}
        return {IMPOSSIBLE} if np.isneginf(x[rows, y[rows]]).any() else set()

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def too_large_missed(logits, labels):
    """Only negative labels are out of range."""

    def about(x, y):
        return about_labels(x, np.minimum(y, x.shape[1] - 1))

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def any_ignored_is_no_label(logits, labels):
    """any for all."""

    def about(x, y):
        found = about_labels(x, y)
        return {NO_LABEL} if found != {OUT_OF_RANGE} and (y == -100).any() else found

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def both_label_findings(logits, labels):
    """No else between the label findings: out of range and impossible together."""

    def about(x, y):
        good = np.where((y >= 0) & (y < x.shape[1]), y, -100)
        found = about_labels(x, y)
        return found | (about_labels(x, good) - {NO_LABEL})

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def ignored_rows_picked(logits, labels):
    """Looks up row[-100] in ignored rows, clipped to the first class."""

    def about(x, y):
        found = about_labels(x, y)
        if not found and np.isneginf(x[np.arange(len(y)), np.maximum(y, 0)]).any():
            return {IMPOSSIBLE}
        return found

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def minus_100_indexes(logits, labels):
    """-100 is an index into the row."""

    def about(x, y):
        if ((y != -100) & ((y < 0) | (y >= x.shape[1]))).any():
            return {OUT_OF_RANGE}
        if (y == -100).all():
            return {NO_LABEL}
        return {IMPOSSIBLE} if np.isneginf(x[np.arange(len(y)), y]).any() else set()

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def all_labels_impossible(logits, labels):
    """all for any."""

    def about(x, y):
        found = about_labels(x, y)
        rows = np.flatnonzero(y != -100)
        if found == {IMPOSSIBLE} and not np.isneginf(x[rows, y[rows]]).all():
            return set()
        return found

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def any_mask_is_impossible(logits, labels):
    """Any -inf in a labelled row."""

    def about(x, y):
        found = about_labels(x, y)
        return {IMPOSSIBLE} if not found and np.isneginf(x[y != -100]).any() else found

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def very_small_is_impossible(logits, labels):
    """A probability below 1e-4, not a logit of -inf."""

    def about(x, y):
        found = about_labels(x, y)
        rows = np.flatnonzero(y != -100)
        if not found and (log_softmax(x.astype(float), axis=1)[rows, y[rows]] < -9).any():
            return {IMPOSSIBLE}
        return found

    return triage_with(labels=about)(logits, labels)


@wrong("19.5")
def unshifted(logits, labels):
    """exp of the logits as they are, and 'not finite' if that overflows."""

    def outputs(x):
        with np.errstate(all="ignore"):
            lse = np.log(np.exp(x.astype(float)).sum(axis=1))
        return about_logits(x) or ({NOT_FINITE} if np.isposinf(lse).any() else set())

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def in_the_logits_dtype(logits, labels):
    """float16 sums and exponentials: 12 is already inf."""

    def outputs(x):
        with np.errstate(all="ignore"):
            lse = np.log(np.exp(x).sum(axis=1))
        if np.isposinf(lse).any():
            return {NOT_FINITE}
        return about_logits(x)

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def any_row_log(logits, labels):
    """One row with log-sum-exp 0 is enough."""

    def outputs(x):
        found = about_logits(x)
        if not found and (np.abs(logsumexp(x.astype(float), axis=1)) < 0.01).any():
            return {LOG_PROBABILITIES}
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def exact_log(logits, labels):
    """log-sum-exp to 1e-8."""

    def outputs(x):
        found = about_logits(x)
        if found == {LOG_PROBABILITIES}:
            near = np.abs(logsumexp(x.astype(float), axis=1)) < 1e-8
            return found if near.all() else set()
        return found

    return triage_with(outputs)(logits, labels)


@wrong("19.5")
def a_string(logits, labels):
    """The first finding as a string."""
    return next(iter(sorted(two_parts(logits, labels))), "")


@wrong("19.5")
def joined(logits, labels):
    """The findings in one string."""
    return {", ".join(sorted(two_parts(logits, labels)))}


@wrong("19.5")
def none_if_sound(logits, labels):
    """None where the empty set is asked for."""
    return two_parts(logits, labels) or None


@wrong("19.5")
def ok_if_sound(logits, labels):
    """{"ok"}."""
    return two_parts(logits, labels) or {"ok"}


@wrong("19.5")
def other_words(logits, labels):
    """Underscores."""
    return {finding.replace(" ", "_") for finding in two_parts(logits, labels)}


@wrong("19.5")
def nothing_ever(logits, labels):
    """Always sound."""
    return set()


# 19.6 answer_19_6

right("19.6")({4, 6, 9})
right("19.6")({5, 6, 9})
right("19.6")(frozenset({9, 5, 6}))
right("19.6")([6, 9, 4])
right("19.6")((5, 6, 9))
right("19.6")({"4", "6", "9"})
right("19.6")(set(np.array([5, 6, 9])))

wrong("19.6")({6, 9})
wrong("19.6")({4, 6})
wrong("19.6")({5, 9})
wrong("19.6")({4, 9})
wrong("19.6")({5, 6})
wrong("19.6")({6})
wrong("19.6")({4})
wrong("19.6")({9})
wrong("19.6")(set())
wrong("19.6")({4, 5, 6})
wrong("19.6")({4, 5, 9})
wrong("19.6")({4, 5, 6, 9})
wrong("19.6")({4, 6, 8})
wrong("19.6")({4, 6, 7})
wrong("19.6")({6, 7, 9})
wrong("19.6")({6, 8, 9})
wrong("19.6")({5, 6, 7})
wrong("19.6")({1, 6, 9})
wrong("19.6")({2, 6, 9})
wrong("19.6")({3, 6, 9})
wrong("19.6")({6, 9, 10})
wrong("19.6")({6, 9, 11})
wrong("19.6")({6, 9, 12})
wrong("19.6")({4, 6, 9, 12})
wrong("19.6")({5, 6, 9, 7})
wrong("19.6")({4, 6, 12})
wrong("19.6")({1, 2, 3})
wrong("19.6")(set(range(1, 13)))
wrong("19.6")({0, 6, 9})
wrong("19.6")({4, 6, 13})
wrong("19.6")({4.5, 6, 9})
wrong("19.6")({"softmax", "mean", "16"})
wrong("19.6")([4, 6, 9, 9, 5])
wrong("19.6")(469)
wrong("19.6")("softmax")
wrong("19.6")({4: True, 6: True, 9: False, 5: True})
