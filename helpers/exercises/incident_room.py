"""Exercises 19.1 to 19.6: one denominator, labels, smoothing, a test of masks, triage, a log."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(19)


def _logits(rows, n, scale=2.0):
    return (scale * _rng.standard_normal((rows, n))).round(2)


def _labels(*labels):
    return np.array(labels, dtype=np.int64)


def _log_softmax(x):
    x = np.asarray(x, dtype=np.float64)
    d = x - x.max(axis=-1, keepdims=True)
    return d - np.log(np.exp(d).sum(axis=-1, keepdims=True))


def _losses(logits, labels):
    """Return the losses of the rows that have a label."""
    valid = labels != -100
    return -_log_softmax(logits)[valid, labels[valid]]


# --- 19.1 ----------------------------------------------------------------------------------------


def _of_the_whole_batch(batches):
    """Put the parts together again, and let PyTorch do it."""
    import torch

    labels = torch.tensor(np.concatenate([y for _, y in batches]))
    if not bool((labels != -100).any()):
        return 0.0
    logits = torch.tensor(np.concatenate([x for x, _ in batches]).astype(float))
    return float(torch.nn.functional.cross_entropy(logits, labels))


_FAR = 400 * _rng.standard_normal((5, 4)).round(2) + 800
_APART = np.array([[2000.0, 1999.0, 1998.5], [-1.0, 0.5, 0.0]])


@exercise(
    "19.1",
    minutes=8,
    probes=[
        ordinary(
            [(_logits(4, 3), _labels(0, 2, 1, 1)), (_logits(1, 3), _labels(2))],
            note="a part of four rows and one of a single row",
        ),
        ordinary(
            [(_logits(4, 5), _labels(0, 4, 3, 1)), (_logits(4, 5), _labels(2, 2, 0, 1))],
            note="two parts of four rows",
        ),
        ordinary(
            [(_logits(3, 4), _labels(1, -100, -100)), (_logits(2, 4), _labels(3, 0))],
            note="two rows of the first part have no label",
        ),
        ordinary(
            [
                (_logits(2, 3), _labels(0, 1)),
                (_logits(3, 3), _labels(-100, -100, -100)),
                (_logits(1, 3), _labels(2)),
            ],
            note="no row of the second part has a label",
        ),
        ordinary([(_logits(2, 3), _labels(-100, -100))], note="no label at all"),
        ordinary(
            [(_logits(2, 128), _labels(-100, 7)), (_logits(1, 128), _labels(127))],
            note="128 classes, where -100 is an index too",
        ),
        ordinary([(_logits(3, 4), _labels(1, 0, 3))], note="one part"),
        ordinary(
            [
                (np.array([[0, 2, 1], [3, 0, 0]]), _labels(1, 2)),
                (np.array([[1, 1, 4]]), _labels(0)),
            ],
            note="integer logits",
        ),
        extreme(
            [(_FAR[:3], _labels(0, 1, 2)), (_FAR[3:], _labels(3, 0))],
            note="logits of hundreds",
        ),
        extreme([(_APART, _labels(1, 0))], note="a row of thousands and one of units"),
        extreme([(np.array([[0.0, -800, -1]]), _labels(1))], note="the label far behind"),
    ],
    truth=_of_the_whole_batch,
    tolerance=1e-9,
    remark="Gradients follow the same rule: divide each part's sum by the whole batch's count "
    "before you call backward.",
)
def token_mean(batches):
    """Return the cross-entropy of the batch that was cut into parts, as a float.

    batches : a list of pairs (logits, labels), logits of shape (N_i, n) and integer labels of
    shape (N_i,); the label -100 marks a row that does not count.

    The result is the mean over all rows that count, in whichever part they are; 0.0 if none does.
    Any size of logits.
    """
    total, count = 0.0, 0
    for logits, labels in batches:
        valid = labels != -100
        x, y = np.asarray(logits, dtype=np.float64)[valid], labels[valid]
        d = x - x.max(axis=-1, keepdims=True)
        losses = np.log(np.exp(d).sum(axis=-1)) - d[np.arange(len(y)), y]
        total += float(losses.sum())
        count += len(y)
    return total / max(count, 1)


token_mean.hints(
    "What would the loss of the batch be if it had not been cut? Which number is divided by which?",
    "Keep two numbers while you go through the parts: the sum of the losses, and how many rows "
    "counted.",
    "valid = labels != -100 picks the rows that count, before anything is indexed by a label.",
    "return total / max(count, 1)",
)
token_mean.reasoning(
    "A mean of means gives each part the same weight, and so a row of a small part more of it than "
    "a row of a large one. Sums do not care where the batch was cut: add the losses, add the "
    "counts, and divide once, at the end."
)


def _means(batches):
    with np.errstate(all="ignore"):
        return [
            losses.sum() / len(losses) if len(losses) else np.nan
            for losses in (_losses(x, y) for x, y in batches)
        ]


@token_mean.mistake(
    "this is the mean of the parts' means: a row of a small part weighs more than one of a large "
    "part. Add up sums and counts, and divide once."
)
def mean_of_means(batches):
    return float(np.mean(_means(batches)))


@token_mean.mistake(
    "this is the mean of the means of the parts that have a label: still one weight a part, not "
    "one a row. Add up sums and counts, and divide once."
)
def mean_of_means_without_empty_parts(batches):
    means = [m for m in _means(batches) if m == m]
    return float(np.mean(means)) if means else 0.0


@token_mean.mistake(
    "this is the mean of the parts' means, with 0 for a part without labels: that part pulls the "
    "loss down though nothing in it counts. Add up sums and counts, and divide once."
)
def zero_for_an_empty_part(batches):
    return float(np.mean(np.nan_to_num(_means(batches))))


@token_mean.mistake(
    "the sum is divided by all rows, those without a label included. Divide by the rows that count."
)
def divided_by_all_rows(batches):
    total = sum(_losses(x, y).sum() for x, y in batches)
    return float(total / sum(len(y) for _, y in batches))


@token_mean.mistake("this is the sum of the losses. Divide it by the number of rows that count.")
def sum_of_the_losses(batches):
    return float(sum(_losses(x, y).sum() for x, y in batches))


@token_mean.mistake(
    "the sum of the losses is divided by the number of parts. Divide it by the rows that count."
)
def divided_by_the_parts(batches):
    return float(sum(_losses(x, y).sum() for x, y in batches) / len(batches))


@token_mean.mistake(
    "where no row counts this is 0/0, NaN. Return 0.0 there: max(count, 1) does it."
)
def nan_without_labels(batches):
    count = sum((y != -100).sum() for _, y in batches)
    total = sum(_losses(x, y).sum() for x, y in batches)
    return float(total / count) if count else float("nan")


@token_mean.mistake(
    "the parts' means are weighted by all their rows, those without a label included. Weight them "
    "by the rows that count."
)
def weighted_by_all_rows(batches):
    weighted = [
        m * len(y) for m, (_, y) in zip(np.nan_to_num(_means(batches)), batches, strict=True)
    ]
    return float(sum(weighted) / sum(len(y) for _, y in batches))


@token_mean.mistake(
    "-100 was used as an index: with 128 classes it is a class, counted from the end, and with "
    "fewer an IndexError. Leave those rows out before you index.",
    counted=("valid", "all"),
)
def minus_100_as_an_index(batches, *, counted):
    total, count = 0.0, 0
    for logits, labels in batches:
        log_p = _log_softmax(logits)
        losses = -log_p[np.arange(len(labels)), labels]
        valid = labels != -100
        total += float(losses.sum())
        count += int(valid.sum()) if counted == "valid" else len(labels)
    return total / max(count, 1)


@token_mean.mistake(
    "rows without a label are in the sum as if their label were 0: -100 was clipped, or replaced "
    "to have a safe index. Multiply their losses by 0, or leave the rows out.",
    counted=("valid", "all"),
)
def counted_as_class_0(batches, *, counted):
    total = sum(_losses(x, y.clip(0)).sum() for x, y in batches)
    count = sum((y != -100).sum() if counted == "valid" else len(y) for _, y in batches)
    return float(total / max(count, 1))


@token_mean.mistake(
    "rows of class 0 are left out too. A label counts if it is not -100: y >= 0, not y > 0."
)
def class_0_left_out(batches):
    kept = [np.where(y > 0, y, -100) for _, y in batches]
    total = sum(_losses(x, y).sum() for (x, _), y in zip(batches, kept, strict=True))
    return float(total / max(sum((y > 0).sum() for y in kept), 1))


@token_mean.mistake(
    "a small number was added to the count, so that every loss is a little too small. "
    "max(count, 1) is exact.",
    epsilon=(1e-8, 1e-6, 1e-5),
)
def epsilon_in_the_count(batches, *, epsilon):
    total = sum(_losses(x, y).sum() for x, y in batches)
    return float(total / (sum((y != -100).sum() for _, y in batches) + epsilon))


@token_mean.mistake(
    "a part in which one row has no label is left out as a whole. Leave out the row."
)
def whole_parts_left_out(batches):
    losses = [_losses(x, y) for x, y in batches if np.all(y != -100)]
    return float(np.concatenate(losses).mean()) if losses else 0.0


@token_mean.mistake(
    "at a part without labels it returns at once: the parts before and after are lost. Go on with "
    "the next part."
)
def stops_at_a_part_without_labels(batches):
    if any(np.all(y == -100) for _, y in batches):
        return 0.0
    return sum_of_the_losses(batches) / sum((y != -100).sum() for _, y in batches)


@token_mean.mistake("this is the loss of one part alone. Add up all parts.", part=(0, -1))
def one_part_alone(batches, *, part):
    losses = _losses(*batches[part])
    return float(losses.sum() / max(len(losses), 1))


@token_mean.mistake(
    "softmax runs down the column, over the rows of a part. The classes of a row lie along the "
    "last axis."
)
def over_the_rows(batches):
    total, count = 0.0, 0
    for x, y in batches:
        valid = y != -100
        if valid.any():
            columns = np.asarray(x, dtype=np.float64)[valid].T
            total -= _log_softmax(columns)[y[valid], np.arange(valid.sum())].sum()
            count += int(valid.sum())
    return float(total / max(count, 1))


@token_mean.mistake(
    "the result is the mean over the table of rows and classes, n times too small. Each row has "
    "one loss: divide by the number of rows that count."
)
def divided_by_the_classes(batches):
    count = sum((y != -100).sum() * np.shape(x)[1] for x, y in batches)
    return float(sum(_losses(x, y).sum() for x, y in batches) / max(count, 1))


def _from_log_p(batches, log_p):
    total, count = 0.0, 0
    with np.errstate(all="ignore"):
        for x, y in batches:
            valid = y != -100
            if valid.any():
                picked = log_p(np.asarray(x, dtype=np.float64)[valid])
                total -= float(picked[np.arange(valid.sum()), y[valid]].sum())
                count += int(valid.sum())
    return total / max(count, 1)


@token_mean.mistake(
    "the logarithm is taken of the softmax: a probability that underflows to 0 gives inf. Compute "
    "log-softmax directly."
)
def log_of_the_softmax(batches):
    return _from_log_p(batches, lambda x: np.log(np.exp(_log_softmax(x))))


@token_mean.mistake(
    "a small number inside the logarithm hides that a probability underflowed: no loss gets larger "
    "than -log of it, 27.6 for 1e-12. Compute log-softmax directly.",
    epsilon=(1e-12, 1e-10, 1e-9, 1e-8, 1e-7),
    how=("added", "clipped"),
)
def epsilon_in_the_log(batches, *, epsilon, how):
    if how == "added":
        return _from_log_p(batches, lambda x: np.log(np.exp(_log_softmax(x)) + epsilon))
    return _from_log_p(batches, lambda x: np.log(np.exp(_log_softmax(x)).clip(epsilon, 1)))


@token_mean.mistake(
    "one maximum is subtracted from all rows of a part: a row far below it underflows. Take each "
    "row's own maximum, with axis=-1 and keepdims=True."
)
def one_maximum_for_the_part(batches):
    def log_p(x):
        d = x - x.max()
        return d - np.log(np.exp(d).sum(axis=-1, keepdims=True))

    return _from_log_p(batches, log_p)


@token_mean.mistake(
    "nothing is subtracted before exp, so logits of hundreds overflow. Subtract each row's maximum."
)
def unshifted(batches):
    total, count = 0.0, 0
    with np.errstate(all="ignore"):
        for logits, labels in batches:
            valid = labels != -100
            x, y = np.asarray(logits, dtype=np.float64)[valid], labels[valid]
            total += float((np.log(np.exp(x).sum(axis=-1)) - x[np.arange(len(y)), y]).sum())
            count += len(y)
    return total / max(count, 1)


# --- 19.2 ----------------------------------------------------------------------------------------


def _one_by_one(labels, n):
    found = []
    for label in np.asarray(labels).tolist():
        if not isinstance(label, int) or not (label == -100 or 0 <= label < n):
            raise ValueError(label)
        found.append(label)
    return np.array(found, dtype=np.int64)


def _refused(labels, n, note, dtype=None):
    return ordinary(np.array(labels, dtype=dtype), n, note=note, raises=ValueError)


def _int64(result, labels, n):
    """Labels in another format than int64 are not what was asked: NaN stands for each."""
    if isinstance(result, np.ndarray) and result.size and result.dtype.kind in "iuf":
        return result if result.dtype == np.int64 else np.full(result.shape, np.nan)
    return result


@exercise(
    "19.2",
    minutes=6,
    probes=[
        ordinary(_labels(0, 2, 1), 3, note="the first class, the last one, one between"),
        ordinary(_labels(1, -100, 0), 3, note="a row without a label"),
        ordinary(_labels(-100, -100), 2, note="no row has a label"),
        ordinary([3, 0, 2], 4, note="a list"),
        ordinary(np.array([9, 0, 4], dtype=np.uint8), 10, note="uint8"),
        ordinary(np.array([1, -100], dtype=np.int8), 2, note="int8"),
        ordinary(_labels(), 5, note="no rows at all"),
        ordinary(_labels(1, 1, 0, 1, 0), 2, note="five rows, two classes"),
        _refused([0, 3], 3, "a label n"),
        _refused([-1, 0], 3, "a label -1"),
        _refused([-101, 0], 3, "a label -101"),
        _refused([0, -99], 128, "a label -99"),
        _refused([0, 255], 10, "255 in uint8", np.uint8),
        _refused([0.0, 1.0], 3, "whole floats"),
        _refused([0.5, 1.0], 3, "a half"),
        _refused([[0], [1]], 3, "shape (2, 1)"),
        _refused([[0, 1]], 3, "shape (1, 2)"),
    ],
    truth=_one_by_one,
    canonical=_int64,
    remark="One line of this at the door of the training loop is worth an afternoon with the "
    "device-side assert.",
)
def checked_labels(labels, n):
    """Return the labels as an int64 array of shape (N,), or raise ValueError.

    labels : N labels, an array of any integer dtype or a list of integers.
    n : the number of classes.

    Right are the integers 0, ..., n - 1, and -100 for a row without a label; their values come
    back unchanged. Everything else is refused with a ValueError: another integer, a float (a
    whole one too), another shape than (N,).
    """
    y = np.asarray(labels)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape (N,); got {y.dtype} {y.shape}")
    y = y.astype(np.int64)
    wrong = ((y < 0) & (y != -100)) | (y >= n)
    if wrong.any():
        raise ValueError(f"labels must lie in 0...{n - 1} or be -100; got {y[wrong][0]}")
    return y


checked_labels.hints(
    "There are three things to look at: the shape, the kind of number, and the values.",
    "y.ndim == 1, and y.dtype.kind is 'i' or 'u' for integers, signed and unsigned.",
    "Make it int64 before you compare: in uint8 nothing is below 0, and -100 does not exist.",
    "wrong = ((y < 0) & (y != -100)) | (y >= n), and `if wrong.any(): raise ValueError(...)`.",
)
checked_labels.reasoning(
    "A label that is out of range is an IndexError on the CPU, a device-side assert at some later "
    "call on a GPU, and in NumPy, if it is negative, a class counted from the end: no error at "
    "all. A float label is cut, a column of labels broadcasts against a row. Each of them is "
    "cheap to refuse where the data come in."
)


def _integers(labels):
    y = np.asarray(labels)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError
    return y.astype(np.int64)


def _refuse(wrong):
    if np.any(wrong):
        raise ValueError


@checked_labels.mistake(
    "-100 became 0, which is a class like any other: those rows now train it. Keep -100."
)
def minus_100_becomes_0(labels, n):
    y = _integers(labels)
    _refuse(((y < 0) & (y != -100)) | (y >= n))
    return np.where(y == -100, 0, y)


@checked_labels.mistake("a label n is accepted: with n classes the last is n - 1. Refuse y >= n.")
def accepts_n(labels, n):
    y = _integers(labels)
    _refuse(((y < 0) & (y != -100)) | (y > n))
    return y


@checked_labels.mistake(
    "-100 is taken for a lower end, so that -1 and -99 pass: in NumPy they are classes counted "
    "from the end. Refuse what is below 0 and not -100."
)
def minus_100_as_the_lower_end(labels, n):
    y = _integers(labels)
    _refuse((y < -100) | (y >= n))
    return y


@checked_labels.mistake(
    "only the largest label is looked at, so -1 and -99 pass: in NumPy they are classes counted "
    "from the end. Refuse what is below 0 and not -100."
)
def only_the_largest(labels, n):
    y = _integers(labels)
    _refuse(y >= n)
    return y


@checked_labels.mistake(
    "only the smallest label is looked at, so labels of n and more pass. Refuse y >= n."
)
def only_the_smallest(labels, n):
    y = _integers(labels)
    _refuse((y < 0) & (y != -100))
    return y


@checked_labels.mistake(
    "-100 is refused: it marks a row without a label, and is allowed. Leave it out of the test."
)
def refuses_minus_100(labels, n):
    y = _integers(labels)
    _refuse((y < 0) | (y >= n))
    return y


@checked_labels.mistake(
    'every negative label counts as "no label" and comes back as -100: -1 and -99 are mistakes of '
    "whoever made the data. Refuse them."
)
def any_negative_is_no_label(labels, n):
    y = _integers(labels)
    _refuse(y >= n)
    return np.where(y < 0, -100, y)


@checked_labels.mistake(
    "floats are cut to integers: 0.5 becomes class 0 in silence. Look at the dtype first."
)
def floats_cut(labels, n):
    y = np.asarray(labels)
    if y.ndim != 1:
        raise ValueError
    y = y.astype(np.int64)
    _refuse(((y < 0) & (y != -100)) | (y >= n))
    return y


@checked_labels.mistake(
    "another shape is flattened: labels of shape (N, 1) come from a table, and broadcast elsewhere "
    "into N x N. Refuse them."
)
def flattened(labels, n):
    y = _integers(np.ravel(labels))
    _refuse(((y < 0) & (y != -100)) | (y >= n))
    return y


@checked_labels.mistake(
    "labels out of range are moved to the nearest class: the mistake is hidden, and trains. "
    "Raise a ValueError."
)
def clipped(labels, n):
    y = _integers(labels)
    return np.where(y == -100, y, y.clip(0, n - 1))


@checked_labels.mistake(
    "`assert` raises an AssertionError, and nothing at all under `python -O`. Raise a ValueError."
)
def asserted(labels, n):
    y = np.asarray(labels)
    assert y.ndim == 1
    assert y.dtype.kind in "iu"
    y = y.astype(np.int64)
    assert np.all((y == -100) | ((y >= 0) & (y < n)))
    return y


@checked_labels.mistake("True came back: the labels themselves are asked for, as int64.")
def returns_true(labels, n):
    minus_100_becomes_0(labels, n)
    return True


@checked_labels.mistake(
    "rows without a label are dropped, so labels and logits no longer belong together. "
    "Keep -100 where it stands."
)
def drops_what_has_no_label(labels, n):
    minus_100_becomes_0(labels, n)
    y = _integers(labels)
    return y[y != -100]


def _out_of_range(y, n):
    return ((y < 0) & (y != -100)) | (y >= n)


@checked_labels.mistake(
    "the labels come back in the format in which they came: in uint8 nothing is below 0, and "
    "-100 does not exist. Return y.astype(np.int64)."
)
def keeps_the_format(labels, n):
    y = _integers(labels)
    _refuse(_out_of_range(y, n))
    return np.asarray(labels)


@checked_labels.mistake(
    "the labels come back in another format than int64. Return y.astype(np.int64).",
    dtype=("int32", "float64"),
)
def in_another_format(labels, n, *, dtype):
    y = _integers(labels)
    _refuse(_out_of_range(y, n))
    return y.astype(dtype)


@checked_labels.mistake("labels are counted from 1 here: they run from 0 to n - 1.")
def counted_from_1(labels, n):
    y = _integers(labels)
    _refuse((y != -100) & ((y < 1) | (y > n)))
    return y


@checked_labels.mistake(
    "the smallest or largest label is asked for where there is none: of an empty array min and max "
    "raise a ValueError of their own. Use comparisons and .any()."
)
def minimum_of_nothing(labels, n):
    y = _integers(labels)
    valid = y[y != -100]
    if valid.min() < 0 or valid.max() >= n:
        raise ValueError
    return y


@checked_labels.mistake("-1 is accepted too. The mark here is -100 alone; refuse -1.")
def accepts_minus_1(labels, n):
    y = _integers(labels)
    _refuse(_out_of_range(y, n) & (y != -1))
    return y


@checked_labels.mistake(
    "floats pass if they are whole: they are refused here too, since whoever sends floats may "
    "send 0.5 next. Look at the dtype."
)
def whole_floats_pass(labels, n):
    y = np.asarray(labels)
    if y.ndim != 1:
        raise ValueError
    _refuse((y != np.round(y)) | _out_of_range(y, n))
    return y.astype(np.int64)


@checked_labels.mistake(
    "the shape is not looked at: labels of shape (N, 1) come from a table, and broadcast elsewhere "
    "into N x N. Refuse all but y.ndim == 1."
)
def shape_not_looked_at(labels, n):
    y = np.asarray(labels)
    if y.dtype.kind not in "iu":
        raise ValueError
    _refuse(_out_of_range(y.astype(np.int64), n))
    return y.astype(np.int64)


@checked_labels.mistake(
    "labels out of range are wrapped around: the mistake is hidden, and trains. Raise a ValueError."
)
def wrapped_around(labels, n):
    y = _integers(labels)
    return np.where(y == -100, y, y % n)


@checked_labels.mistake(
    "labels out of range become -100: the mistake is hidden, and the rows are lost. Raise a "
    "ValueError."
)
def ignored_instead(labels, n):
    y = _integers(labels)
    return np.where(_out_of_range(y, n), -100, y)


@checked_labels.mistake(
    "rows out of range are dropped: the mistake is hidden, and labels and logits no longer belong "
    "together. Raise a ValueError."
)
def dropped_instead(labels, n):
    y = _integers(labels)
    return y[~_out_of_range(y, n)]


@checked_labels.mistake(
    "it refuses with another exception. Callers wait for a ValueError: raise that.",
    error=(IndexError, TypeError),
    where=("range", "dtype", "dtype and shape", "everywhere"),
)
def another_exception(labels, n, *, error, where):
    y = np.asarray(labels)
    if y.dtype.kind not in "iu":
        raise ValueError if where == "range" else error
    if y.ndim != 1:
        raise ValueError if where in {"range", "dtype"} else error
    y = y.astype(np.int64)
    if np.any(_out_of_range(y, n)):
        raise error if where in {"range", "everywhere"} else ValueError
    return y


@checked_labels.mistake(
    "the answer is True or False: the labels themselves are asked for, and an exception where they "
    "are wrong. Write `raise ValueError(...)` and `return y`."
)
def true_or_false(labels, n):
    try:
        _refuse(_out_of_range(_integers(labels), n))
    except ValueError:
        return False
    return True


@checked_labels.mistake("one-hot rows came back. The labels themselves are asked for, shape (N,).")
def one_hot_rows(labels, n):
    y = _integers(labels)
    _refuse(_out_of_range(y, n))
    return np.eye(n, dtype=np.int64)[y.clip(0)]


@checked_labels.mistake("a list is refused. Start with y = np.asarray(labels).")
def refuses_a_list(labels, n):
    if not isinstance(labels, np.ndarray):
        raise ValueError
    return checked_labels.reference(labels, n)


@checked_labels.mistake(
    "unsigned integers are refused. Every integer format is welcome: y.dtype.kind in 'iu'."
)
def refuses_unsigned(labels, n):
    if np.asarray(labels).dtype.kind != "i":
        raise ValueError
    return checked_labels.reference(labels, n)


@checked_labels.mistake(
    "only int64 is accepted. Every integer format is welcome: y.dtype.kind in 'iu', and then "
    "y.astype(np.int64)."
)
def refuses_all_but_int64(labels, n):
    if np.asarray(labels).dtype != np.int64:
        raise ValueError
    return checked_labels.reference(labels, n)


@checked_labels.mistake("only the first label is looked at. Look at all: `if wrong.any()`.")
def first_label_alone(labels, n):
    y = _integers(labels)
    _refuse(_out_of_range(y[:1], n))
    return y


@checked_labels.mistake(
    "it refuses only if every label is wrong: all() where any() is meant. One is enough."
)
def all_for_any(labels, n):
    y = _integers(labels)
    if y.size and np.all(_out_of_range(y, n)):
        raise ValueError
    return y


@checked_labels.mistake(
    "n is taken for the number of rows. It is the number of classes; any number of rows will do."
)
def n_rows(labels, n):
    y = _integers(labels)
    if len(y) > n or np.any(_out_of_range(y, n)):
        raise ValueError
    return y


@checked_labels.mistake(
    "every class has to occur: a batch need not hold them all. Look whether each label is a class."
)
def every_class_has_to_occur(labels, n):
    y = _integers(labels)
    if set(y.tolist()) - {-100} != set(range(n)):
        raise ValueError
    return y


@checked_labels.mistake(
    "np.unique sorts the labels and drops repeated ones. Return them as they came."
)
def sorted_without_repeats(labels, n):
    return np.unique(checked_labels.reference(labels, n))


# --- 19.3 ----------------------------------------------------------------------------------------


def _smoothed_in_float64(logits, labels, eps):
    """Average against explicit smooth targets, by PyTorch in float64."""
    import torch

    x = torch.tensor(np.asarray(logits, dtype=np.float64))[torch.tensor(labels) != -100]
    y = torch.tensor(labels)[torch.tensor(labels) != -100]
    q = torch.full_like(x, eps / x.shape[1])
    q[torch.arange(len(y)), y] += 1 - eps
    return float(-(q * torch.log_softmax(x, dim=1)).sum(dim=1).mean())


_WIDE = _rng.standard_normal((3, 20_000)).astype(np.float16)
_HALF = _rng.standard_normal((4, 3)).astype(np.float16)


@exercise(
    "19.3",
    minutes=7,
    probes=[
        ordinary(_logits(4, 3), _labels(0, 2, 1, 1), 0.1, note="four rows, three classes"),
        ordinary(_logits(4, 3), _labels(-100, 2, -100, 0), 0.2, note="two rows have no label"),
        ordinary(_logits(3, 5), _labels(4, 0, 2), 0.0, note="eps 0"),
        ordinary(_logits(2, 10), _labels(9, 3), 0.1, note="ten classes"),
        ordinary(
            _logits(3, 128), _labels(5, -100, 100), 0.1, note="128 classes and a row without label"
        ),
        ordinary(_HALF, _labels(1, 0, 2, 2), 0.1, note="float16", relative_tolerance=1e-3),
        extreme(np.array([[1000.0, 0, -5]]), _labels(0), 0.1, note="a logit of 1000"),
        extreme(np.array([[990.0, 995, 1000]]), _labels(0), 0.1, note="logits near 1000"),
        extreme(np.array([[0.0, -800]]), _labels(1), 0.1, note="the label far behind"),
        extreme(
            _WIDE,
            _labels(0, 19_999, 7),
            0.1,
            note="float16, 20 000 classes",
            relative_tolerance=1e-3,
        ),
        extreme(
            np.zeros((1, 70_000), dtype=np.float16),
            _labels(3),
            0.1,
            note="float16, 70 000 equal logits",
            relative_tolerance=1e-3,
        ),
    ],
    truth=_smoothed_in_float64,
    relative_tolerance=1e-9,
)
def smoothed_loss(logits, labels, eps):
    """Return the label-smoothed cross-entropy of a batch, as a float.

    logits : shape (N, n), float16 or float64, any size.
    labels : shape (N,), integers; -100 marks a row that does not count. At least one counts.
    eps : the share that is spread over all n classes, the right one included.

    A row's loss is (1 - eps) * (-log p_y) + eps * (mean over all classes j of -log p_j). The
    result is the mean over the rows that count, right to 1e-3 for float16 and 1e-9 for float64.
    """
    valid = labels != -100
    x, y = np.asarray(logits, dtype=np.float64)[valid], labels[valid]
    d = x - x.max(axis=-1, keepdims=True)
    log_p = d - np.log(np.exp(d).sum(axis=-1, keepdims=True))
    nll = -log_p[np.arange(len(y)), y]
    return float(np.mean((1 - eps) * nll + eps * -log_p.mean(axis=-1)))


smoothed_loss.hints(
    "Two means: over the classes inside a row, over the rows that count outside.",
    "In which format do 20 000 terms of about 10 add up? The largest float16 is 65504.",
    "Turn the logits into float64 first, and take log-softmax, not the log of softmax.",
    "valid = labels != -100 leaves rows out before anything is indexed; both terms then use the "
    "same rows.",
)
smoothed_loss.reasoning(
    "The uniform term is a sum over every class, and each -log p_j is about log n or more: with a "
    "large vocabulary the sum leaves float16 although every term and the mean are ordinary "
    "numbers. A wider format for the sum, or a mean taken before anything is added over rows, "
    "is the whole cure. And rows without a label must leave both terms."
)


def _smooth(logits, labels, eps):
    """Return nll and the mean of -log p_j, of the rows that have a label."""
    valid = labels != -100
    log_p = _log_softmax(np.asarray(logits)[valid])
    return -log_p[np.arange(valid.sum()), labels[valid]], -log_p.mean(axis=-1)


@smoothed_loss.mistake(
    "rows without a label still count in the uniform term. Leave them out of both terms.",
    divided_by=("all", "valid"),
)
def ignored_rows_in_the_uniform_term(logits, labels, eps, *, divided_by):
    nll, _ = _smooth(logits, labels, eps)
    smooth = -_log_softmax(logits).mean(axis=-1)
    rows = len(smooth) if divided_by == "all" else len(nll)
    return float((1 - eps) * nll.mean() + eps * smooth.sum() / rows)


@smoothed_loss.mistake(
    "the sum is divided by all rows, those without a label included. Divide by the rows that count."
)
def divided_by_all_rows_too(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    return float(((1 - eps) * nll + eps * smooth).sum() / len(labels))


@smoothed_loss.mistake(
    "eps is spread over the n - 1 other classes: another convention. Here the right class gets its "
    "share of eps too."
)
def over_the_others(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    n = np.shape(logits)[1]
    return float(np.mean((1 - eps) * nll + eps * (smooth * n - nll) / (n - 1)))


@smoothed_loss.mistake(
    "the uniform term is added to the whole loss. Mix them: 1 - eps of one, eps of the other."
)
def added_not_mixed(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    return float(np.mean(nll + eps * smooth))


@smoothed_loss.mistake(
    "the uniform term is the sum over the classes, n times too large. Take the mean over them."
)
def sum_over_the_classes(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    return float(np.mean((1 - eps) * nll + eps * smooth * np.shape(logits)[1]))


@smoothed_loss.mistake(
    "eps and 1 - eps are swapped: nearly everything is spread. The label keeps 1 - eps."
)
def swapped(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    return float(np.mean(eps * nll + (1 - eps) * smooth))


@smoothed_loss.mistake(
    "-100 was used as an index: with 128 classes it is a class, counted from the end. Leave those "
    "rows out before you index."
)
def minus_100_indexes(logits, labels, eps):
    log_p = _log_softmax(logits)
    nll = -log_p[np.arange(len(labels)), labels]
    return float(np.mean((1 - eps) * nll - eps * log_p.mean(axis=-1)))


@smoothed_loss.mistake(
    "the logarithm is taken of the softmax: a class whose probability underflows to 0 gives inf. "
    "Compute log-softmax directly."
)
def log_of_softmax(logits, labels, eps):
    valid = labels != -100
    with np.errstate(all="ignore"):
        log_p = np.log(np.exp(_log_softmax(np.asarray(logits)[valid])))
        nll = -log_p[np.arange(valid.sum()), labels[valid]]
        return float(np.mean((1 - eps) * nll + eps * -log_p.mean(axis=-1)))


@smoothed_loss.mistake(
    "rows without a label count as rows of class 0: -100 was clipped to have a safe index. Leave "
    "those rows out of both terms."
)
def counted_as_rows_of_class_0(logits, labels, eps):
    nll, smooth = _smooth(logits, labels.clip(0), eps)
    return float(np.mean((1 - eps) * nll + eps * smooth))


@smoothed_loss.mistake(
    "the targets do not sum to 1: where 1 - eps was written, the label's own share eps/n was "
    "overwritten. Add 1 - eps to it."
)
def own_share_overwritten(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    return float(np.mean((1 - eps - eps / np.shape(logits)[1]) * nll + eps * smooth))


@smoothed_loss.mistake(
    "the sum over all n classes is divided by n - 1. The right class is one of them: divide by n."
)
def all_classes_over_n_minus_1(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    n = np.shape(logits)[1]
    return float(np.mean((1 - eps) * nll + eps * smooth * n / (n - 1)))


@smoothed_loss.mistake(
    "the sum over the classes is divided by the number of rows. The mean is over the n classes.",
    rows=("all", "valid"),
)
def classes_over_rows(logits, labels, eps, *, rows):
    nll, smooth = _smooth(logits, labels, eps)
    n, count = np.shape(logits)[1], len(nll) if rows == "valid" else len(logits)
    return float(np.mean((1 - eps) * nll + eps * smooth * n / count))


@smoothed_loss.mistake(
    "the second term is missing: this is (1 - eps) times the plain loss. Add eps times the mean of "
    "-log p_j over all classes."
)
def second_term_missing(logits, labels, eps):
    return float((1 - eps) * _smooth(logits, labels, eps)[0].mean())


@smoothed_loss.mistake(
    "the logarithm is taken of the mean of p, which is 1/n whatever the logits are. Take the mean "
    "of the logarithms."
)
def log_of_the_mean(logits, labels, eps):
    nll, _ = _smooth(logits, labels, eps)
    return float(np.mean((1 - eps) * nll + eps * np.log(np.shape(logits)[1])))


@smoothed_loss.mistake(
    "the prediction is smoothed, not the target: eps/n is added to p inside the logarithm. Mix the "
    "two losses."
)
def prediction_smoothed(logits, labels, eps):
    nll, _ = _smooth(logits, labels, eps)
    return float(np.mean(-np.log((1 - eps) * np.exp(-nll) + eps / np.shape(logits)[1])))


@smoothed_loss.mistake(
    "eps times the entropy is subtracted: a confidence penalty, which is another published loss. "
    "Here the second term is the mean of -log p_j, not weighted by p."
)
def entropy_subtracted(logits, labels, eps):
    nll, _ = _smooth(logits, labels, eps)
    log_p = _log_softmax(np.asarray(logits)[labels != -100])
    return float(np.mean(nll + eps * (np.exp(log_p) * log_p).sum(axis=-1)))


@smoothed_loss.mistake("eps is 0.1 whatever is passed. Use the argument.")
def always_a_tenth(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    return float(np.mean(0.9 * nll + 0.1 * smooth))


@smoothed_loss.mistake("this is the sum over the rows. Take the mean over those that count.")
def sum_over_the_rows(logits, labels, eps):
    nll, smooth = _smooth(logits, labels, eps)
    return float(np.sum((1 - eps) * nll + eps * smooth))


def _smooth_by(log_p, logits, labels, eps):
    valid = labels != -100
    with np.errstate(all="ignore"):
        log_p = log_p(_log_softmax(np.asarray(logits)[valid]))
        nll = -log_p[np.arange(valid.sum()), labels[valid]]
        return float(np.mean((1 - eps) * nll + eps * -log_p.mean(axis=-1)))


@smoothed_loss.mistake(
    "a small number inside the logarithm hides that a probability underflowed: no -log p gets "
    "larger than -log of it, 27.6 for 1e-12. Compute log-softmax directly.",
    epsilon=(1e-12, 1e-10, 1e-9, 1e-8, 1e-7),
)
def epsilon_inside_the_log(logits, labels, eps, *, epsilon):
    return _smooth_by(lambda log_p: np.log(np.exp(log_p) + epsilon), logits, labels, eps)


@smoothed_loss.mistake(
    "-inf became 0, or a large number, before the mean: where a probability underflows the loss is "
    "an invention. Compute log-softmax directly.",
    put=(0.0, None),
)
def infinities_replaced(logits, labels, eps, *, put):
    return _smooth_by(
        lambda log_p: np.nan_to_num(np.log(np.exp(log_p)), neginf=put), logits, labels, eps
    )


@smoothed_loss.mistake(
    "nothing is subtracted before exp, so a logit of 1000 overflows. Subtract each row's maximum."
)
def not_shifted(logits, labels, eps):
    valid = labels != -100
    x = np.asarray(logits, dtype=np.float64)[valid]
    with np.errstate(all="ignore"):
        log_p = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    nll = -log_p[np.arange(valid.sum()), labels[valid]]
    return float(np.mean((1 - eps) * nll + eps * -log_p.mean(axis=-1)))


@smoothed_loss.mistake(
    "eps has no effect: this is the plain cross-entropy. Mix in the second term."
)
def ignores_eps(logits, labels, eps):
    return float(_smooth(logits, labels, eps)[0].mean())


@smoothed_loss.mistake(
    "classes are added up in float16: a sum of 20 000 losses, or of 70 000 exponentials, passes "
    "65504 and is inf. Work in float64.",
    what=("losses", "exponentials"),
)
def sum_in_float16(logits, labels, eps, *, what):
    valid = labels != -100
    x = np.asarray(logits)[valid]
    with np.errstate(all="ignore"):
        d = x - x.max(axis=-1, keepdims=True)
        if what == "exponentials":
            log_p = (d - np.log(np.exp(d).sum(axis=-1, keepdims=True))).astype(np.float64)
        else:
            log_p = _log_softmax(x).astype(x.dtype)
        nll = -log_p[np.arange(len(log_p)), labels[valid]].astype(np.float64)
        total = np.add.reduce(-log_p, axis=-1, dtype=log_p.dtype)
        smooth = (total / log_p.dtype.type(log_p.shape[1])).astype(np.float64)
    return float(np.mean((1 - eps) * nll + eps * smooth))


# --- 19.4 ----------------------------------------------------------------------------------------
# The probes are implementations f(x, keep): four right ones, and twelve that people have shipped.


def _weights(x, keep, fill=-np.inf):
    with np.errstate(all="ignore"):
        x = np.where(keep, np.asarray(x, dtype=np.float64), fill)
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


def minus_inf_and_a_guard(x, keep):
    return np.where(np.any(keep, axis=1, keepdims=True), _weights(x, keep), 0.0)


def in_float32(x, keep):
    return minus_inf_and_a_guard(x, keep).astype(np.float32)


def row_by_row(x, keep):
    out = np.zeros(np.shape(x))
    for i, (row, kept) in enumerate(zip(np.asarray(x, dtype=np.float64), keep, strict=True)):
        if np.any(kept):
            e = np.exp(row[kept] - row[kept].max())
            out[i, kept] = e / e.sum()
    return out


def by_torch(x, keep):
    import torch

    scores = torch.tensor(np.ascontiguousarray(x, dtype=np.float64))
    scores = scores.masked_fill(~torch.tensor(np.ascontiguousarray(keep, dtype=bool)), -torch.inf)
    return torch.nan_to_num(torch.softmax(scores, dim=1)).numpy()


def _zero_where_empty(p, keep):
    return np.where(np.any(keep, axis=1, keepdims=True), p, 0.0)


def scores_times_the_mask(x, keep):
    return _zero_where_empty(_weights(np.where(keep, x, 0.0), True), keep)


def fills_with_1e_9(x, keep):
    return _zero_where_empty(_weights(x, keep, 1e-9), keep)


def fills_with_minus_1e4(x, keep):
    return _zero_where_empty(_weights(x, keep, -1e4), keep)


def throws_the_mask_away(x, keep):
    return _zero_where_empty(_weights(x, True), keep)


def zeroed_afterwards(x, keep):
    return np.where(keep, _weights(x, True), 0.0)


def mask_inverted(x, keep):
    return minus_inf_and_a_guard(x, ~np.asarray(keep, dtype=bool))


def nan_on_an_empty_row(x, keep):
    return _weights(x, keep)


def uniform_on_an_empty_row(x, keep):
    return np.where(np.any(keep, axis=1, keepdims=True), _weights(x, keep), 1 / np.shape(x)[1])


def maximum_over_masked_scores(x, keep):
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        e = np.where(keep, np.exp(x - x.max(axis=1, keepdims=True)), 0.0)
        return _zero_where_empty(e / e.sum(axis=1, keepdims=True), keep)


def maximum_of_the_batch(x, keep):
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        e = np.where(keep, np.exp(x - x.max(where=keep, initial=-np.inf)), 0.0)
        return _zero_where_empty(e / e.sum(axis=1, keepdims=True), keep)


def no_shift(x, keep):
    with np.errstate(all="ignore"):
        e = np.where(keep, np.exp(np.asarray(x, dtype=np.float64)), 0.0)
        return _zero_where_empty(e / e.sum(axis=1, keepdims=True), keep)


def powers_of_two(x, keep):
    return minus_inf_and_a_guard(np.asarray(x, dtype=np.float64) * np.log(2), keep)


_RIGHT = {
    minus_inf_and_a_guard: "a right one: -inf and a guard",
    in_float32: "a right one: float32",
    row_by_row: "a right one: row by row",
    by_torch: "a right one: PyTorch",
}
_BROKEN = {
    scores_times_the_mask: "multiplies the scores by the mask",
    fills_with_1e_9: "fills with 1e-9",
    fills_with_minus_1e4: "fills with -1e4",
    throws_the_mask_away: "throws the mask away",
    zeroed_afterwards: "zeroes the weights afterwards, and does not divide again",
    mask_inverted: "keeps what is masked and masks what is kept",
    nan_on_an_empty_row: "NaN where nothing is kept",
    uniform_on_an_empty_row: "equal shares where nothing is kept",
    maximum_over_masked_scores: "takes the maximum over masked scores too",
    maximum_of_the_batch: "one maximum for the whole batch",
    no_shift: "subtracts nothing before exp",
    powers_of_two: "powers of 2 in place of e",
}


def _lets_nothing_through(f):
    """Compare with masked softmax by exact arithmetic, on rows of our own."""
    from helpers import oracle

    x = np.array([[0.5, 900.0, -1.0], [-3e4, -3e4 - 1, 0.0], [2.0, 1.0, 0.0], [1.0, 2.0, 3.0]])
    keep = np.array([[True, False, True], [True, True, False], [True] * 3, [False] * 3])
    right = [
        np.array(oracle.softmax(np.where(k, row, -np.inf)), dtype=float)
        for row, k in zip(x[:3], keep[:3], strict=True)
    ]
    if not np.allclose(f(x, keep), [*right, [0.0] * 3], atol=1e-5):
        raise AssertionError


@exercise(
    "19.4",
    minutes=12,
    probes=[
        *(ordinary(f, note=note) for f, note in _RIGHT.items()),
        *(ordinary(f, note=note, raises=Exception) for f, note in _BROKEN.items()),
    ],
    truth=_lets_nothing_through,
    remark="A test is a function from code to a verdict, and can be tested like any other.",
)
def check_masked(f):
    """Raise an exception if f is no right masked softmax; return None if it is one.

    f : a function f(x, keep) of scores x, shape (N, n), and a bool array keep of the same shape.
    A right f returns weights, shape (N, n): in each row the softmax of the kept scores at their
    places, 0 at the masked ones, and 0 everywhere where nothing is kept. Any size of scores;
    rounded to float32 or not.

    You choose x and keep. Your test has to pass four right implementations and to stop twelve
    broken ones; what it raises is up to you (`assert` is fine).
    """
    x = np.array([[1.0, 1000.0, 0.0], [-2e4, -2e4, 5.0], [2.0, 1.0, 0.5], [0.3, 0.2, 0.1]])
    keep = np.array([[True, False, True], [True, True, False], [True] * 3, [False] * 3])
    a = 1 / (1 + np.exp(-1.0))
    e = np.exp([2.0, 1.0, 0.5])
    expected = np.array([[a, 0.0, 1 - a], [0.5, 0.5, 0.0], e / e.sum(), [0.0, 0.0, 0.0]])
    assert np.allclose(f(x, keep), expected, atol=1e-5)


check_masked.hints(
    "Which input would part a right masked softmax from one that fills with -1e4? Scores may be "
    "any numbers.",
    "Four kinds of rows, in one batch: a huge score that is masked; kept scores far below the "
    "fill; an ordinary row; a row in which nothing is kept.",
    "Write down the weights you expect, as numbers or by a formula of your own, for every row.",
    "assert np.allclose(f(x, keep), expected, atol=1e-5): exact equality would refuse float32, "
    "and NaN is never close to 0.",
)
check_masked.reasoning(
    "Each row is there for a kind of failure. A masked 1000 shows a fill near 0, an ignored or an "
    "inverted mask, weights that are zeroed afterwards, a maximum over masked scores, and overflow "
    "without a shift. Scores of -20 000 lie below the fill -1e4, and below the maximum of another "
    "row. An ordinary row has weights that are neither 0 nor 1, which only powers of e give. An "
    "empty row parts zeros from NaN "
    "and from equal shares. One comparison of the whole result with expected numbers needs no "
    "further rule."
)

_X = np.array([[1.0, 1000.0, 0.0], [-2e4, -2e4, 5.0], [2.0, 1.0, 0.5], [0.3, 0.2, 0.1]])
_KEEP = np.array([[True, False, True], [True, True, False], [True] * 3, [False] * 3])


def _expected(x, keep):
    return minus_inf_and_a_guard(np.asarray(x), np.asarray(keep))


def _compare(f, x, keep):
    assert np.allclose(f(x, keep), _expected(x, keep), atol=1e-5)


_TAME = np.array([[0.5, 1.0, -1.0], [2.0, 1.0, 0.5], [0.3, 0.2, 0.1]])
_TAME_KEEP = np.array([[True, False, True], [True, True, False], [False] * 3])


@check_masked.mistake(
    "only the sums of the rows are looked at: nearly every broken softmax sums to 1. Compare "
    "the weights themselves with numbers that you know.",
    rows=("hard", "hard, one empty", "tame"),
)
def sums_only(f, *, rows):
    x, keep = (_TAME, _TAME_KEEP) if rows == "tame" else (_X, _KEEP)
    x, keep = (x, keep) if rows == "hard, one empty" else (x[:-1], keep[:-1])
    p = f(x, keep)
    assert np.allclose(np.sum(p, axis=1), np.any(keep, axis=1), atol=1e-5)


@check_masked.mistake(
    "only the masked places are looked at: weights that were zeroed afterwards pass, and so does "
    "anything that is wrong at the kept ones. Compare the whole result."
)
def zeros_only(f):
    p = f(_X, _KEEP)
    assert np.all(np.abs(np.where(_KEEP, 0.0, p)) < 1e-5)


@check_masked.mistake(
    "all scores are small: most broken ones are right there. Add a huge masked score, scores far "
    "below any fill, and a row in which nothing is kept.",
    compared=("weights", "zeros and sums"),
)
def small_scores(f, *, compared):
    x, keep = _X[2:3], np.array([[True, True, False]])
    if compared == "weights":
        _compare(f, x, keep)
    else:
        p = f(x, keep)
        assert np.all(p[~keep] == 0)
        assert np.allclose(np.sum(p, axis=1), 1)


@check_masked.mistake(
    "all scores are small: a fill of -1e4, one maximum for the whole batch, a maximum over masked "
    "scores and no maximum at all pass. Add a huge masked score and scores far below any fill."
)
def small_scores_and_an_empty_row(f):
    _compare(f, _TAME, _TAME_KEEP)


@check_masked.mistake(
    "only one row is compared. Compare the whole result, empty row and all.",
    above=(0.0, 3000.0),
)
def one_hard_row(f, *, above):
    x = _X + np.array([[0.0], [0.0], [above], [0.0]])
    assert np.allclose(f(x, _KEEP)[0], _expected(x, _KEEP)[0], atol=1e-5)


@check_masked.mistake(
    "no masked score lies far above the kept ones: a maximum that is taken over masked scores too "
    "passes. Mask a 1000."
)
def nothing_huge_masked(f):
    x = np.where(_KEEP, _X, np.array([[-1.0], [-2e4], [0.0], [0.0]]))
    x[2] += 1000
    _compare(f, x, _KEEP)


@check_masked.mistake(
    "no weight is compared with a number that tells it from another rule: powers of 2 in place of "
    "e pass. Expect the weights of unequal scores, 0.731 and 0.269 for scores 1 apart."
)
def no_weight_of_unequal_scores(f):
    p = f(_X, _KEEP)
    assert np.all(np.abs(np.where(_KEEP, 0.0, p)) < 1e-5)
    assert np.allclose(np.sum(p, axis=1), np.any(_KEEP, axis=1), atol=1e-5)


@check_masked.mistake(
    "only the place of the largest weight is looked at. Compare the weights themselves.",
    step=(1, -1),
)
def places_only(f, *, step):
    x, keep = _X[:, ::step], _KEEP[:, ::step]
    assert np.array_equal(np.argmax(f(x, keep), axis=1), _expected(x, keep).argmax(axis=1))


@check_masked.mistake(
    "the tolerance is so wide that equal shares and powers of 2 pass. Weights lie between 0 and 1: "
    "1e-5 will do."
)
def tolerance_too_wide(f):
    assert np.allclose(f(_X, _KEEP), _expected(_X, _KEEP), atol=0.4)


@check_masked.mistake(
    "one entry that is right is enough: any() where all() is meant. Use np.allclose."
)
def any_entry(f):
    assert np.isclose(f(_X, _KEEP), _expected(_X, _KEEP), atol=1e-5).any()


@check_masked.mistake(
    "NaN passes the comparison: no NaN is larger than a tolerance. np.allclose, without equal_nan, "
    "refuses it."
)
def nan_passes(f):
    assert not np.any(np.abs(f(_X, _KEEP) - _expected(_X, _KEEP)) > 1e-5)


@check_masked.mistake(
    "equal shares are expected where nothing is kept, so right ones are refused. Expect zeros "
    "there."
)
def equal_shares_expected(f):
    want = np.where(_KEEP.any(axis=1, keepdims=True), _expected(_X, _KEEP), 1 / _X.shape[1])
    assert np.allclose(f(_X, _KEEP), want, atol=1e-5)


@check_masked.mistake(
    "NaN is expected where nothing is kept, so right ones are refused. Expect zeros there."
)
def nan_expected(f):
    want = np.where(_KEEP.any(axis=1, keepdims=True), _expected(_X, _KEEP), np.nan)
    assert np.allclose(f(_X, _KEEP), want, atol=1e-5, equal_nan=True)


@check_masked.mistake(
    "keep is taken for a mask of what goes, so right ones are refused. keep is True where a score "
    "is kept."
)
def keep_the_other_way(f):
    _keep_all_but = ~_KEEP
    assert np.allclose(f(_X, _KEEP), _expected(_X, _keep_all_but), atol=1e-5)


@check_masked.mistake(
    "what is expected is the softmax of the whole row, zeroed at the masked places: it does not "
    "sum to 1. Expect the softmax of the kept scores."
)
def zeroed_weights_expected(f):
    assert np.allclose(f(_X, _KEEP), np.where(_KEEP, _weights(_X, True), 0.0), atol=1e-5)


@check_masked.mistake(
    "something comes back for right ones. A test returns nothing: leave `return` out."
)
def returns_something(f):
    _compare(f, _X, _KEEP)
    return True


@check_masked.mistake(
    "there is no row in which nothing is kept: NaN and equal shares pass. Add one; expect zeros."
)
def no_empty_row(f):
    _compare(f, _X[:3], _KEEP[:3])


@check_masked.mistake(
    "no kept score lies far below the rest: a fill of -1e4, and one maximum for the whole batch, "
    "pass. Add a row of scores near -20 000."
)
def no_score_below_the_fill(f):
    _compare(f, _X[[0, 2, 3]], _KEEP[[0, 2, 3]])


@check_masked.mistake(
    "no kept score lies below -10 000: a fill of -1e4 passes. Add a row of scores near -20 000."
)
def nothing_below_minus_1e4(f):
    x = np.vstack([_X[[0, 2, 3]], [[2000.0, 2001.0, 5.0]]])
    _compare(f, x, np.vstack([_KEEP[[0, 2, 3]], _KEEP[1:2]]))


@check_masked.mistake(
    "everything is kept, so the mask is never used. Mask something: a huge score for instance."
)
def everything_kept(f):
    x = np.array([[1.0, 1000.0, 0.0], [2.0, 1.0, 0.5]])
    _compare(f, x, np.ones_like(x, dtype=bool))


@check_masked.mistake(
    "one maximum for the whole batch passes: the rows are tried one at a time, or are all of one "
    "size. Put rows of very different size into one call."
)
def one_row_at_a_time(f):
    for i in range(len(_X)):
        _compare(f, _X[i : i + 1], _KEEP[i : i + 1])


@check_masked.mistake(
    "NaN is turned into 0 before the comparison, so that NaN where nothing is kept passes. Compare "
    "what f returns."
)
def nan_to_num_first(f):
    assert np.allclose(np.nan_to_num(f(_X, _KEEP)), _expected(_X, _KEEP), atol=1e-5)


@check_masked.mistake(
    "the weights have to agree bit for bit, so right ones in float32 are refused. Allow for "
    "rounding: np.allclose with an atol."
)
def bit_for_bit(f):
    assert np.array_equal(np.asarray(f(_X, _KEEP), dtype=np.float64), _expected(_X, _KEEP))


@check_masked.mistake(
    "right weights in float32 are refused: by a tolerance below its seven digits, or by their "
    "dtype. np.allclose with an atol of 1e-5 takes them."
)
def refuses_float32(f):
    assert np.allclose(f(_X, _KEEP), _expected(_X, _KEEP), rtol=0, atol=1e-12)


@check_masked.mistake(
    "a bool comes back, and nothing is raised: who calls a test does not look at what it returns. "
    "Write `assert` before the comparison."
)
def returns_a_bool(f):
    return bool(np.allclose(f(_X, _KEEP), _expected(_X, _KEEP), atol=1e-5))


@check_masked.mistake(
    "it never fails: f's result is compared with nothing, the comparison is not asserted, or its "
    "error is caught inside. `assert np.allclose(f(x, keep), expected, atol=1e-5)` is the whole "
    "test."
)
def swallows_the_error(f):
    try:
        _compare(f, _X, _KEEP)
    except AssertionError:
        return


@check_masked.mistake(
    "it raises whatever f is, the right ones too. Raise only if a weight is wrong."
)
def always_raises(f):
    raise AssertionError


# --- 19.5 ----------------------------------------------------------------------------------------


def _triage_in_lists(logits, labels):
    """Follow the definitions entry by entry, sums by mpmath."""
    import mpmath

    found, n = set(), np.shape(logits)[1]
    rows = [[mpmath.mpf(float(v)) for v in row] for row in np.asarray(logits)]
    if any(mpmath.isnan(v) or v == mpmath.inf for row in rows for v in row):
        found.add("not finite")
    elif all(all(v >= 0 for v in row) and abs(sum(row) - 1) <= 0.01 for row in rows):
        found.add("probabilities")
    elif all(abs(sum(map(mpmath.exp, row)) - 1) < 0.00995 for row in rows):
        found.add("log-probabilities")
    labels = [int(label) for label in labels]
    if any(label != -100 and not 0 <= label < n for label in labels):
        found.add("label out of range")
    elif all(label == -100 for label in labels):
        found.add("no label")
    elif any(y != -100 and rows[i][y] == -mpmath.inf for i, y in enumerate(labels)):
        found.add("impossible label")
    return found


_SOFT = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
_HALF_SOFT = np.exp(_log_softmax(3 * _rng.standard_normal((3, 40)))).astype(np.float16)
_RAW = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
_WRONG_AXIS = np.array([[0.9, 0.5, 0.2], [0.1, 0.5, 0.8]])


def _case(logits, labels, note, kind=ordinary):
    return kind(np.asarray(logits), _labels(*labels), note=note)


@exercise(
    "19.5",
    minutes=10,
    probes=[
        _case(_RAW, (0, 1), "sound logits"),
        _case(_SOFT, (0, 2), "probabilities"),
        _case(_HALF_SOFT, (0, 2, 39), "probabilities in float16"),
        _case([[0.33, 0.34, 0.325], [0.2, 0.3, 0.5]], (0, 2), "probabilities that sum to 0.995"),
        _case(np.log(_SOFT), (0, 2), "log-probabilities"),
        _case(np.log(_HALF_SOFT.astype(float)).astype(np.float16), (0, 1, 2), "logs in float16"),
        _case([[0.7, 0.2, 0.1], [2.0, -1.0, 0.5]], (0, 2), "one row sums to 1, the other does not"),
        _case([[2.0, -1.0, 0.0], [1.5, -0.5, 0.0]], (0, 0), "rows that sum to 1, with a negative"),
        _case(
            [[2.0, -1.0, 0.5], [0.7, 0.2, 0.1]], (0, 2), "the second row sums to 1, not the first"
        ),
        _case([[0.5, 0.3, 0.1], [0.6, 0.4, 0.1]], (0, 2), "rows that sum to 0.9 and 1.1"),
        _case(
            [[0.9, 0.8, 0.1], [0.7, 0.2, 0.3]], (0, 2), "each entry between 0 and 1, the sums not 1"
        ),
        _case([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]], (0, 2), "probabilities, some of them 0"),
        _case(_WRONG_AXIS, (0, 2), "columns that sum to 1"),
        _case([[0.2, 0.2, 0.1], [0.1, 0.3, 0.1]], (0, 2), "a table that sums to 1 as a whole"),
        _case([np.log(_SOFT[0]), _RAW[0]], (0, 2), "log-probabilities in one row only"),
        _case([[-1.0, -2.0, -3.0], [-0.5, -4.0, -1.0]], (0, 2), "negative logits"),
        _case(
            [[-0.69315, -0.69315, -np.inf], [-0.1054, -2.3026, -np.inf]],
            (0, 1),
            "log-probabilities, one class masked",
        ),
        _case([[np.nan, 1.0, 2.0], [0.0, 1.0, 3.0]], (0, 2), "a NaN"),
        _case([[np.inf, 1.0, 2.0], [0.0, 1.0, 3.0]], (0, 2), "+inf"),
        _case([[-np.inf, 1.0, 2.0], [0.0, 1.0, 3.0]], (1, 2), "-inf, a mask"),
        _case([[-np.inf, 1.0, 2.0], [0.0, 1.0, 3.0]], (0, 2), "the label is masked"),
        _case([[-np.inf, 1.0, 2.0], [0.0, 1.0, 3.0]], (0, -100), "the only label is masked"),
        _case([[-np.inf, 1.0, 2.0], [0.0, 1.0, 3.0]], (-100, 2), "a mask in a row without a label"),
        _case([[-np.inf, 1.0, 2.0], [0.0, 1.0, 3.0]], (0, 3), "a masked label, and a label n"),
        _case([[-30.0, 1.0, 2.0], [0.0, 1.0, 3.0]], (0, 2), "a label that is unlikely"),
        _case(_RAW, (0, -100), "a row without a label"),
        _case(_RAW, (-100, -100), "no row has a label"),
        _case(_RAW, (0, 3), "a label n"),
        _case(_RAW, (-1, 0), "a label -1"),
        _case(_SOFT, (3, 0), "probabilities, and a label n"),
        _case([[np.nan, 1.0, 2.0], [0.0, 1.0, 3.0]], (-100, -100), "a NaN, and no label"),
        _case([[2000.0, -1000.0, 500.0], [0.0, 3000.0, -2000.0]], (0, 1), "large logits", extreme),
    ],
    truth=_triage_in_lists,
    remark="It costs microseconds a step, and names what a log does not.",
)
def triage(logits, labels):
    """Return the set of what is wrong with a batch; the empty set if nothing is.

    logits : shape (N, n), n >= 2, float16 or float64; -inf marks a masked class.
    labels : shape (N,), integers; -100 marks a row without a label.

    About the logits, at most one of
    "not finite" (a NaN or +inf is among them), else
    "probabilities" (in every row no entry is negative, and they sum to 1 within 0.01), else
    "log-probabilities" (in every row |log-sum-exp| < 0.01);
    and about the labels, whatever was found above, at most one of
    "label out of range" (one is neither -100 nor in 0, ..., n - 1), else
    "no label" (all are -100), else
    "impossible label" (a label's logit is -inf).
    """
    x, n = np.asarray(logits, dtype=np.float64), np.shape(logits)[1]
    found = set()
    if np.any(np.isnan(x) | (x == np.inf)):
        found.add("not finite")
    elif np.all((x >= 0).all(axis=1) & (abs(x.sum(axis=1) - 1) <= 0.01)):
        found.add("probabilities")
    else:
        m = x.max(axis=1)
        m = np.where(np.isfinite(m), m, 0.0)
        with np.errstate(divide="ignore"):
            lse = m + np.log(np.exp(x - m[:, None]).sum(axis=1))
        if np.all(abs(lse) < 0.01):
            found.add("log-probabilities")
    valid = labels != -100
    if np.any(valid & ((labels < 0) | (labels >= n))):
        found.add("label out of range")
    elif not valid.any():
        found.add("no label")
    elif np.any(x[valid, labels[valid]] == -np.inf):
        found.add("impossible label")
    return found


triage.hints(
    "Two independent questions, each an if/elif chain: one about the logits, one about the labels.",
    "Convert the logits to float64 first. -inf is allowed, NaN and +inf are not.",
    "Every row has to look like probabilities, not any row: np.all over the rows, and no entry "
    "below 0.",
    "Log-probabilities have a log-sum-exp of 0; compute it with the maximum taken out.",
    "For the labels: out of range, then none at all, then x[valid, labels[valid]] == -np.inf.",
)
triage.reasoning(
    "Each finding is a fact about the batch alone, so it can be had before the loss is computed. "
    "Softmax before a loss that applies it again leaves probabilities; a model that returns "
    "log-softmax leaves rows with a log-sum-exp of 0. A single row can look like either by "
    "accident, a whole batch does not. The bounds leave room for float16."
)


def _about_labels(x, labels, n):
    valid = labels != -100
    if np.any(valid & ((labels < 0) | (labels >= n))):
        return {"label out of range"}
    if not valid.any():
        return {"no label"}
    return {"impossible label"} if np.any(x[valid, labels[valid]] == -np.inf) else set()


def _lse(x):
    m = x.max(axis=1)
    m = np.where(np.isfinite(m), m, 0.0)
    with np.errstate(all="ignore"):
        return m + np.log(np.exp(x - m[:, None]).sum(axis=1))


def _about_logits(x, *, bad=None, every=np.all, within=0.01, positive=True, lse=_lse):
    with np.errstate(all="ignore"):
        if np.any((np.isnan(x) | (x == np.inf)) if bad is None else bad(x)):
            return {"not finite"}
        one = abs(x.sum(axis=1) - 1) <= within
        if every(one & (x >= 0).all(axis=1) if positive else one):
            return {"probabilities"}
        return {"log-probabilities"} if every(abs(lse(x)) < 0.01) else set()


def _wide(logits):
    return np.asarray(logits, dtype=np.float64), np.shape(logits)[1]


@triage.mistake(
    "one row is enough for a finding: a row of logits can sum to 1 by accident. Ask for every row.",
    of=("both", "probabilities"),
)
def any_row(logits, labels, *, of):
    x, n = _wide(logits)
    found = _about_logits(x, every=np.any)
    if of == "probabilities" and found == {"log-probabilities"}:
        found = _about_logits(x)
    return found | _about_labels(x, labels, n)


@triage.mistake("one row is enough for log-probabilities: it can be an accident. Ask every row.")
def any_row_of_logs(logits, labels):
    x, n = _wide(logits)
    found = _about_logits(x)
    if not found and np.any(abs(_lse(x)) < 0.01):
        found = {"log-probabilities"}
    return found | _about_labels(x, labels, n)


@triage.mistake("only the first row of logits is looked at. Ask for every row.")
def first_row_alone(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x[:1]) | _about_labels(x, labels, n)


@triage.mistake(
    "the sums are averaged over the rows before they are compared with 1. Compare each row's."
)
def mean_of_the_sums(logits, labels):
    x, n = _wide(logits)
    found = _about_logits(x)
    if not found and np.all(x >= 0) and abs(x.sum(axis=1).mean() - 1) <= 0.01:
        found = {"probabilities"}
    return found | _about_labels(x, labels, n)


@triage.mistake(
    "entries between 0 and 1 are taken for probabilities, whatever they sum to. Look at each row's "
    "sum too."
)
def entries_alone(logits, labels):
    x, n = _wide(logits)
    found = _about_logits(x)
    if not found and np.all((x >= 0) & (x <= 1)):
        found = {"probabilities"}
    return found | _about_labels(x, labels, n)


@triage.mistake("a probability of 0 is refused: it is one. Ask for x >= 0.")
def zero_is_no_probability(logits, labels):
    x, n = _wide(logits)
    found = _about_logits(x)
    return (set() if found == {"probabilities"} and np.any(x == 0) else found) | _about_labels(
        x, labels, n
    )


@triage.mistake(
    "the sum runs over the whole batch, or down its columns: with more than one row it is not 1. "
    "Sum along axis 1.",
    axis=(None, 0),
)
def other_sums(logits, labels, *, axis):
    x, n = _wide(logits)
    found = _about_logits(x)
    if found <= {"probabilities"}:
        ones = np.all(x >= 0) and np.all(abs(x.sum(axis=axis) - 1) <= 0.01)
        found = {"probabilities"} if ones else set()
    return found | _about_labels(x, labels, n)


@triage.mistake(
    "negative entries are taken for log-probabilities, whatever their log-sum-exp is: logits are "
    "negative too. Ask whether it is 0."
)
def negative_entries(logits, labels):
    x, n = _wide(logits)
    found = _about_logits(x)
    if not found and np.all(x <= 0):
        found = {"log-probabilities"}
    return found | _about_labels(x, labels, n)


@triage.mistake("probabilities are not found. They are at least 0, and each row sums to 1.")
def probabilities_missed(logits, labels):
    x, n = _wide(logits)
    return (_about_logits(x) - {"probabilities"}) | _about_labels(x, labels, n)


@triage.mistake(
    "log-probabilities with rounding are not found: their log-sum-exp is not exactly 0. Allow 0.01."
)
def exact_log_sum_exp(logits, labels):
    x, n = _wide(logits)
    found = _about_logits(x)
    if found == {"log-probabilities"} and np.any(abs(_lse(x)) > 1e-6):
        found = set()
    return found | _about_labels(x, labels, n)


@triage.mistake(
    "the sums have to be exactly 1, or nearly: probabilities in float16 are not found. Allow 0.01.",
    within=(1e-3, 1e-6, 0.0),
)
def exact_sums(logits, labels, *, within):
    x, n = _wide(logits)
    return _about_logits(x, within=within) | _about_labels(x, labels, n)


@triage.mistake("+inf is not found. Look for it beside NaN: x == np.inf.")
def plus_inf_missed(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x, bad=np.isnan) | _about_labels(x, labels, n)


@triage.mistake(
    "NaN is not found: nothing equals NaN, not even NaN, so x == np.nan is never true. Use "
    "np.isnan(x)."
)
def nan_missed(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x, bad=np.isposinf) | _about_labels(x, labels, n)


@triage.mistake(
    "with logits that are not finite it returns at once: the labels are another question. Go on to "
    "the labels."
)
def not_finite_ends_it(logits, labels):
    x, n = _wide(logits)
    found = _about_logits(x)
    return found if found == {"not finite"} else found | _about_labels(x, labels, n)


@triage.mistake(
    "once something is wrong about the labels it returns: the logits are another question. Answer "
    "both."
)
def labels_alone(logits, labels):
    x, n = _wide(logits)
    return _about_labels(x, labels, n) or _about_logits(x)


@triage.mistake("a batch without any label is not found. Look whether every label is -100.")
def no_label_missed(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x) | (_about_labels(x, labels, n) - {"no label"})


@triage.mistake(
    'one row without a label is enough for "no label": that is allowed. Ask whether all are -100.'
)
def any_for_all_labels(logits, labels):
    x, n = _wide(logits)
    found = _about_labels(x, labels, n)
    if found != {"label out of range"} and np.any(labels == -100):
        found = {"no label"}
    return _about_logits(x) | found


@triage.mistake(
    "a label n is not found: with n classes the last is n - 1. Look for y >= n.",
    then=("left out", "moved", "used"),
)
def n_missed(logits, labels, *, then):
    x, n = _wide(logits)
    if then == "used" and n in labels:
        valid = labels != -100
        return _about_logits(x) | set(x[valid, labels[valid]])  # an IndexError
    y = np.where(labels >= n, n - 1 if then == "moved" else -100, labels)
    found = _about_labels(x, y, n)
    return _about_logits(x) | (found - {"no label"} if np.any(y != labels) else found)


@triage.mistake(
    "two findings about the labels come back at once: the first that holds is asked for. Use elif."
)
def two_about_the_labels(logits, labels):
    x, n = _wide(logits)
    inside = np.where((labels >= 0) & (labels < n), labels, -100)
    more = _about_labels(x, inside, n) - {"no label"}
    return _about_logits(x) | _about_labels(x, labels, n) | more


@triage.mistake(
    "a row without a label is looked up as if its label were 0. Leave those rows out: "
    "x[valid, labels[valid]]."
)
def looked_up_as_class_0(logits, labels):
    x, n = _wide(logits)
    found = _about_labels(x, labels, n)
    if not found and np.any(x[np.arange(len(x)), labels.clip(0)] == -np.inf):
        found = {"impossible label"}
    return _about_logits(x) | found


@triage.mistake(
    "-100 was used as an index, which is an IndexError with fewer than 100 classes. Leave those "
    "rows out: x[valid, labels[valid]]."
)
def minus_100_looked_up(logits, labels):
    x, n = _wide(logits)
    found = _about_labels(x, labels, n)
    if found <= {"impossible label"}:
        picked = x[np.arange(len(x)), labels]
        found = {"impossible label"} if np.any(picked == -np.inf) else set()
    return _about_logits(x) | found


@triage.mistake(
    "a label is called impossible only if all are: all() where any() is meant. One is enough."
)
def all_impossible(logits, labels):
    x, n = _wide(logits)
    found = _about_labels(x, labels, n)
    valid = labels != -100
    if found == {"impossible label"} and not np.all(x[valid, labels[valid]] == -np.inf):
        found = set()
    return _about_logits(x) | found


@triage.mistake("any masked class makes the label impossible. Only the label's own logit counts.")
def any_mask(logits, labels):
    x, n = _wide(logits)
    found = _about_labels(x, labels, n)
    if not found and np.any(x[labels != -100] == -np.inf):
        found = {"impossible label"}
    return _about_logits(x) | found


@triage.mistake(
    "an unlikely label is called impossible. Its loss is large, and finite: ask whether its logit "
    "is -inf.",
    below=(-3.0, -6.0, -20.0),
)
def unlikely_label(logits, labels, *, below):
    x, n = _wide(logits)
    found, valid = _about_labels(x, labels, n), labels != -100
    if not found and np.any((x - _lse(x)[:, None])[valid, labels[valid]] < below):
        found = {"impossible label"}
    return _about_logits(x) | found


@triage.mistake(
    "rows that sum to 1 count as probabilities though an entry is negative. Ask for both."
)
def sums_alone(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x, positive=False) | _about_labels(x, labels, n)


@triage.mistake(
    "-100 is taken for a label out of range: it marks a row without a label. Leave those rows out."
)
def minus_100_out_of_range(logits, labels):
    x, n = _wide(logits)
    if np.any((labels < 0) | (labels >= n)):
        return _about_logits(x) | {"label out of range"}
    return _about_logits(x) | _about_labels(x, labels, n)


@triage.mistake("-inf counts as not finite: it is a mask, and allowed. Look for NaN and +inf only.")
def minus_inf_not_finite(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x, bad=lambda x: ~np.isfinite(x)) | _about_labels(x, labels, n)


@triage.mistake(
    "a label whose logit is -inf is not found: its loss is infinite. Look at the logits of the "
    "labels."
)
def impossible_label_missed(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x) | (_about_labels(x, labels, n) - {"impossible label"})


@triage.mistake("log-probabilities are not found. Their log-sum-exp is 0 in every row.")
def log_probabilities_missed(logits, labels):
    x, n = _wide(logits)
    return (_about_logits(x) - {"log-probabilities"}) | _about_labels(x, labels, n)


@triage.mistake(
    "negative labels other than -100 are not found: -1 is the last class in NumPy, an error "
    "elsewhere. Refuse what is below 0."
)
def negative_labels_missed(logits, labels):
    x, n = _wide(logits)
    kept = np.where(labels < 0, -100, labels)
    both = np.any(labels >= 0)
    return _about_logits(x) | (
        _about_labels(x, kept, n) if both or np.all(labels == -100) else set()
    )


@triage.mistake(
    "only the first finding comes back: logits and labels are two questions, and each has its own "
    "answer."
)
def one_finding_only(logits, labels):
    x, n = _wide(logits)
    return _about_logits(x) or _about_labels(x, labels, n)


@triage.mistake(
    "log-sum-exp is computed without the shift, and its overflow is taken for a fault of the "
    "logits: large logits are allowed. Take the maximum out."
)
def unshifted_check(logits, labels):
    x, n = _wide(logits)
    with np.errstate(all="ignore"):
        s = np.exp(x).sum(axis=1)
    if np.any(np.isnan(s) | (s == np.inf)):
        return {"not finite"} | _about_labels(x, labels, n)
    return _about_logits(x) | _about_labels(x, labels, n)


@triage.mistake(
    "other words came back than those that the task lists. Copy them: small letters, a space or a "
    "hyphen.",
    between=("_", "-", ""),
)
def other_words(logits, labels, *, between):
    x, n = _wide(logits)
    found = _about_logits(x) | _about_labels(x, labels, n)
    return {finding.replace(" ", between) for finding in found}


# --- 19.6 ----------------------------------------------------------------------------------------

_CLUES = {"outputs": 4, "twice": 6, "means": 9}


def _as_numbers(answer):
    """Return the numbers as a set; 5 for 4, which is the same fault, seen one line later."""
    try:
        numbers = {float(number) for number in answer}
    except (TypeError, ValueError):
        return answer
    if not all(number.is_integer() for number in numbers):
        return answer
    numbers = {int(number) for number in numbers}
    if 5 in numbers and 4 not in numbers:
        numbers = numbers - {5} | {4}
    return numbers


@exercise(
    "19.6",
    minutes=12,
    probes=[ordinary(note="three of the twelve numbered lines")],
    truth=lambda: set(_CLUES.values()),
    value=True,
    canonical=_as_numbers,
    remark="The outputs that no class uses are numbered 4 where they are made and 5 where nobody "
    "masks them: either counts.",
)
def answer_19_6():
    """Give the set of the numbers of the three lines that are wrong.

    The log above came from the script above it. The loss call (8) and the cut of the batch (7)
    stay as they are: three other numbers, of those from 1 to 12.
    """
    return {4, 6, 9}


answer_19_6.hints(
    "Three clues: the first loss; a loss that stops falling while the accuracy grows; the second "
    "and third column, which should be equal.",
    "A loss of 2.773 at the start is ln 16. How many classes are there?",
    "A mean confidence that cannot pass 0.153 and a loss that cannot fall below 1.875: what "
    "does a second softmax do to probabilities?",
    "Parts of 60 and of 4 rows: what does a mean of their means weigh?",
)
answer_19_6.reasoning(
    "With equal outputs the loss is the logarithm of their number: ln 16, so six outputs that no "
    "class uses take part (4, or 5 where they are not masked). The loss call takes logits; "
    "probabilities lie between 0 and 1, and softmax of them is at most e/(e + 15) = 0.153, with a "
    "loss of at least ln(1 + 15/e) = 1.875 (6). And the mean of two parts' means, of 60 and of 4 "
    "rows, is not the batch's mean (9)."
)


@answer_19_6.mistake(
    "one clue is not explained yet: the first loss, 2.773, before anything was learnt. It is the "
    "logarithm of how many outputs?",
    numbers=((6, 9),),
)
def first_loss_unexplained(*, numbers):
    return set(numbers)


@answer_19_6.mistake(
    "one clue is not explained yet: the loss stays near 1.9 and the confidence below 0.153, while "
    "the accuracy grows. What goes into the loss?",
    numbers=((4, 9), (5, 9)),
)
def floor_unexplained(*, numbers):
    return set(numbers)


@answer_19_6.mistake(
    "one clue is not explained yet: the second and the third column are losses of the same rows, "
    "and differ. What is averaged how?",
    numbers=((4, 6), (5, 6)),
)
def columns_unexplained(*, numbers):
    return set(numbers)


@answer_19_6.mistake(
    "4 and 5 are one fault: sixteen outputs are made in 4, and not masked in 5. One number for it "
    "is enough, and three are asked.",
    numbers=((4, 5, 6, 9), (4, 5, 6), (4, 5, 9)),
)
def four_and_five(*, numbers):
    return set(numbers)


@answer_19_6.mistake(
    "one line is named, and two clues are not explained yet. The log has three: its first loss, a "
    "floor under the loss, and two columns that should be equal.",
    number=(4, 5, 6, 9),
)
def two_clues_unexplained(*, number):
    return {number}


@answer_19_6.mistake("all twelve are named: each number has to be explained by a clue in the log.")
def all_twelve():
    return set(range(1, 13))


_FAULTS = ((), (4,), (5,), (6,), (9,), (4, 6), (4, 9), (5, 6), (5, 9), (6, 9), (4, 6, 9), (5, 6, 9))


def _declare_decoy(number, name, sentence):
    def decoy(*, number, others):
        return {number, *others}

    decoy.__name__ = name
    answer_19_6.mistake(sentence, number=(number,), others=_FAULTS)(decoy)


for _number, _name, _sentence in (
    (1, "the_pixels", "line 1 is right: pixels from 0 to 16, divided by 16."),
    (2, "the_generator", "line 2 is right: a generator with a seed makes the run repeatable."),
    (3, "the_split", "line 3 is right: no row is both fitted and judged."),
    (
        7,
        "the_cut",
        "line 7 is right as it stands: any cut will do, if the parts are put together "
        "again rightly. A mend here would do as well, but the text leaves the cut as it is.",
    ),
    (
        8,
        "the_loss_call",
        "line 8 is right as it stands: the loss call takes logits. A mend here would do as well, "
        "but the text leaves the call as it is: what is it given?",
    ),
    (10, "the_accuracy", "line 10 is right: arg max along the classes, compared with the labels."),
    (11, "the_gradient", "line 11 is right: the gradient of the loss by its two parameters."),
    (12, "the_update", "line 12 is right: gradient descent, outside autograd."),
):
    _declare_decoy(_number, _name, _sentence)
