"""Exercises 3.1 to 3.5: the max shift, over any axis, with any constant, and under a mask."""

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary, spread

_rng = np.random.default_rng(3)


def _read_only(array):
    array.flags.writeable = False
    return array


# --- 3.1 -----------------------------------------------------------------------------------------


def _softmax_truth(x, axis=-1):
    from scipy import special

    return special.softmax(np.asarray(x, dtype=np.float64), axis=axis)


@exercise(
    "3.1",
    minutes=6,
    probes=[
        ordinary(np.array([1.0, 2.0, 3.0]), note="one ordinary row"),
        ordinary(np.array([3.0, 1.0, 2.0, 0.5]), note="a row in no order"),
        ordinary(np.array([-3.0, -1.5, -2.0]), note="a row of negative logits"),
        ordinary(np.array([2.0, 2.0, 1.0]), note="a tie at the maximum"),
        ordinary(np.array([5.0]), note="a single class"),
        ordinary(np.array([0.5, -40.0]), note="a probability of 3e-18: small, and not 0"),
        ordinary(np.array([[1.0, 2.0], [3.0, 5.0]]), note="a square batch, not symmetric"),
        ordinary(np.array([[0.3, -1.0, 2.0], [4.0, 1.0, 3.5]]), note="a batch of two rows"),
        ordinary(np.array([[0.3, -1.0, 2.0]]), note="a batch of one row"),
        ordinary(_rng.normal(size=(2, 3, 4)), note="a three-dimensional stack"),
        ordinary(_read_only(np.array([1.0, 4.0, 2.0])), note="a read-only array"),
        ordinary(np.array([1, 3, 2]), note="a row of integers"),
        ordinary(np.array([1.0, 2.5, -np.inf]), note="a masked class, -inf"),
        ordinary(np.array([0.5, 2.0, 1.0], dtype=np.float32), note="float32"),
        ordinary(np.array([0.5, 2.0, 1.0], dtype=np.float16), note="float16"),
        extreme(np.array([1000.0, 0.0]), note="exp(1000) overflows"),
        extreme(np.array([800.0, 800.0]), note="two equal logits, both too large for exp"),
        extreme(np.array([-1000.0, 1000.0, -1000.0]), note="a row 2000 wide"),
        extreme(np.array([-1000.0, -1001.0]), note="every exp of the logits is 0"),
        extreme(np.array([[1000.0, 999.0], [-1000.0, -1002.0]]), note="rows 2000 apart"),
        extreme(np.array([[0.0, 1.0], [800.0, 802.0]]), note="rows 800 apart"),
        extreme(np.array([710.2, 700.0]), note="just past the edge of exp"),
        extreme(np.array([709.5, 709.5]), note="each exp is finite, their sum is not"),
        extreme(np.array([730.0, 710.0]), note="two exps past the edge, 20 apart"),
        extreme(np.array([850.0, 820.0]), note="two exps past the edge, 30 apart"),
        extreme(np.array([-740.0, -744.0]), note="exps that are subnormal: they keep few digits"),
        extreme(np.array([-1.0, -800.0]), note="a small maximum and a term that vanishes"),
        extreme(np.array([0.5, -705.0]), note="a probability of 4e-307: still not 0"),
        extreme(np.array([1.0, -800.0, 0.0]), note="the largest magnitude is negative"),
        extreme(np.array([0.0, 1000.0, 999.0]), note="the first logit is far below the maximum"),
        extreme(np.array([20000.0, 19999.0]), note="too large for long double too"),
        extreme(np.array([12.0, 11.0], dtype=np.float16), note="past the edge of exp in float16"),
        extreme(np.array([100.0, 99.0], dtype=np.float32), note="past the edge of exp in float32"),
    ],
    truth=_softmax_truth,
    relative=spread,
    library=("softmax", "log_softmax", "logsumexp", "Softmax", "LogSoftmax"),
    remark="torch.softmax and scipy.special.softmax subtract the row's maximum in the same way.",
)
def softmax_stable(x):
    """Return the softmax of x over its last axis, right for logits of any size.

    x has the shape (..., n): a row of n logits, a batch (N, n) or a stack of them; floats, and
    integers too. An entry may be -inf (its probability is 0), but no row is all -inf. The result
    has the shape of x, and each row sums to 1. x itself is left unchanged.
    Write it yourself, without a ready-made softmax or log-sum-exp.
    """
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


softmax_stable.hints(
    "Which constant can you subtract from a row without changing its softmax? "
    "And what is the largest exponent you are willing to compute?",
    "Subtract each row's own maximum before exp. Then every exponent is at most 0.",
    "np.max(x, axis=-1, keepdims=True) gives one maximum per row, with the shape (N, 1), so that "
    "it is subtracted from its own row.",
    "e = np.exp(x - np.max(x, axis=-1, keepdims=True)), and then divide e by its own row sums, "
    "again with keepdims=True.",
)
softmax_stable.reasoning(
    "Subtracting c from every logit divides numerator and denominator by exp(c): the quotient "
    "stays. With c = max x the largest exponent is 0, so no exp overflows. The term exp(0) = 1 is "
    "in the sum, so the sum is at least 1 and never 0. Terms that vanish are less than 1e-323 of "
    "that sum. The maximum is taken per row: a row far below the largest one would vanish "
    "completely."
)


@softmax_stable.mistake(
    "nothing is subtracted before exp: exp(1000) is inf and inf/inf is NaN, exp(-1000) is 0 and "
    "0/0 is NaN. Subtract each row's maximum first.",
    dtype=(np.float64, np.longdouble),
)
def no_shift(x, *, dtype):
    e = np.exp(np.asarray(x, dtype=np.promote_types(np.asarray(x).dtype, dtype)))
    return (e / e.sum(axis=-1, keepdims=True)).astype(np.float64)


@softmax_stable.mistake(
    "the maximum of the whole batch was subtracted, not each row's own: a row far below it "
    "vanishes completely and gives 0/0. Look at the axis of np.max."
)
def global_maximum(x):
    e = np.exp(x - np.max(x))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the maximum starts at 0, so for a row of negative logits nothing is subtracted: "
    "(-1000, -1001) still gives 0/0. Start from the row's first logit, or from -inf."
)
def maximum_clamped_at_zero(x):
    e = np.exp(x - np.maximum(np.max(x, axis=-1, keepdims=True), 0))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the shift is only above the fraction bar: numerator and denominator are divided by different "
    "numbers, so the rows no longer sum to 1. Use the same shifted exp in both."
)
def shift_only_above(x):
    return np.exp(x - np.max(x, axis=-1, keepdims=True)) / np.exp(x).sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the shift is only below the fraction bar: numerator and denominator are divided by different "
    "numbers, so the rows no longer sum to 1. Use the same shifted exp in both."
)
def shift_only_below(x):
    shifted = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return np.exp(x) / shifted.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the logits are divided by their maximum, not shifted by it: that changes the distances "
    "between them, and so the result. Subtract.",
    of=(np.asarray, np.abs),
)
def divides_by_the_maximum(x, *, of):
    e = np.exp(x / np.max(of(x), axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the mean was subtracted: it may lie hundreds below the maximum, whose exp then overflows "
    "as before. Subtract the maximum."
)
def mean_as_shift(x):
    e = np.exp(x - np.mean(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the minimum was subtracted: then the smallest exponent is 0 and the largest is as large as "
    "the whole range. Subtract the maximum."
)
def minimum_as_shift(x):
    e = np.exp(x - np.min(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the first logit of the row was subtracted: nothing says that it is near the maximum. "
    "Subtract the maximum."
)
def first_logit_as_shift(x):
    e = np.exp(x - np.asarray(x)[..., :1])
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the largest magnitude was subtracted: if that is a negative logit's, the shift lies far above "
    "the maximum and every term vanishes. Leave out the absolute value."
)
def largest_magnitude_as_shift(x):
    e = np.exp(x - np.max(np.abs(x), axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the shift is made only if a logit is large: a row far below 0 still gives 0/0. "
    "Shift always; it costs nothing.",
    limit=(0.0, 10.0, 50.0, 88.0, 100.0, 500.0, 600.0, 700.0, 709.0),
)
def shifts_only_if_large(x, *, limit):
    if np.max(x) > limit:
        x = x - np.max(x, axis=-1, keepdims=True)
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the logits are rounded to a smaller format first: the result has only that format's digits. "
    "Compute in the format of x.",
    dtype=(np.float32, np.float16),
    back=(True, False),
)
def computes_in_a_smaller_format(x, *, dtype, back):
    narrow = np.asarray(x, dtype=dtype)
    e = np.exp(narrow - np.max(narrow, axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.astype(np.float64) if back else p


@softmax_stable.mistake(
    "the log of the sum was added to the maximum first: in m + log(sum) a large m swallows digits "
    "of the log. Divide by the sum instead."
)
def log_absorbed_by_the_maximum(x):
    m = np.max(x, axis=-1, keepdims=True)
    return np.exp(x - (m + np.log(np.exp(x - m).sum(axis=-1, keepdims=True))))


@softmax_stable.mistake(
    "differences of all pairs are taken: with an entry of -inf, -inf - (-inf) is NaN, and exp of a "
    "large difference overflows. Subtract the maximum alone."
)
def differences_of_pairs(x):
    x = np.asarray(x)
    return 1 / np.exp(x[..., None, :] - x[..., :, None]).sum(axis=-1)


@softmax_stable.mistake(
    "the same constant was subtracted from every row: it suits one size of logits and no other. "
    "Subtract the row's own maximum.",
    constant=(10.0, 50.0, 88.0, 100.0, 200.0, 300.0, 500.0, 600.0, 700.0, 709.0, 710.0, 1000.0),
)
def constant_as_shift(x, *, constant):
    e = np.exp(x - constant)
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "without keepdims=True the maxima (or sums) of a batch have the shape (N,) and are laid along "
    "the columns, not the rows. A square batch hides it.",
    where=("maximum", "sum", "both"),
)
def missing_keepdims(x, *, where):
    e = np.exp(x - np.max(x, axis=-1, keepdims=where == "sum"))
    return e / e.sum(axis=-1, keepdims=where == "maximum")


def _shifted_by(x, maximum, axis=-1):
    """Subtract the maximum of each slice along an axis, of everything, or nothing."""
    if maximum == "nothing":
        return np.asarray(x, dtype=float)
    return x - np.max(x, axis=None if maximum == "of everything" else axis, keepdims=True)


@softmax_stable.mistake(
    "the sums run down the columns (axis 0): each row of the last axis is one distribution. "
    "Use axis=-1 for the maximum and for the sum.",
    maximum=("per column", "of everything"),
)
def first_axis(x, *, maximum):
    e = np.exp(_shifted_by(x, maximum, axis=0))
    return e / e.sum(axis=0, keepdims=True)


@softmax_stable.mistake(
    "the sums run down the columns (axis 0), and nothing is subtracted before exp, which "
    "overflows. Use axis=-1, and subtract each row's maximum first."
)
def first_axis_and_no_shift(x):
    e = np.exp(x)
    return e / e.sum(axis=0, keepdims=True)


def _rows_and_stacks_by_axis_1(x, maximum):
    if np.ndim(x) == 1:
        raise Exception("no axis 1")  # whatever an answer raises here agrees with it
    e = np.exp(_shifted_by(x, maximum, axis=1))
    return e / e.sum(axis=1, keepdims=True)


@softmax_stable.mistake(
    "axis 1 is the axis of the classes in a batch (N, n) only: a single row has no axis 1, and in "
    "a stack it is another one. The last axis is axis=-1, whatever the shape.",
    maximum=("per row",),
)
def second_axis(x, *, maximum):
    return _rows_and_stacks_by_axis_1(x, maximum)


@softmax_stable.mistake(
    "axis 1 is the last axis of a batch (N, n) only, and one maximum for everything lets the rows "
    "far below it vanish. Use axis=-1 in the sum and in the maximum.",
)
def second_axis_and_global_maximum(x):
    return _rows_and_stacks_by_axis_1(x, "of everything")


@softmax_stable.mistake(
    "axis 1 is the last axis of a batch (N, n) only, and nothing is subtracted before exp, which "
    "overflows. Use axis=-1, and subtract each row's maximum first.",
)
def second_axis_and_no_shift(x):
    return _rows_and_stacks_by_axis_1(x, "nothing")


@softmax_stable.mistake(
    "the whole array is normalised at once, so its total is 1: each row has to sum to 1 on its "
    "own. Use axis=-1 and keepdims=True.",
    maximum=("of everything", "per row"),
)
def no_axis(x, *, maximum):
    e = np.exp(_shifted_by(x, maximum))
    return e / e.sum()


@softmax_stable.mistake(
    "the whole array is normalised at once, and nothing is subtracted before exp, which "
    "overflows. Each row has to sum to 1 on its own (axis=-1), and needs its own shift."
)
def no_axis_and_no_shift(x):
    e = np.exp(x)
    return e / e.sum()


@softmax_stable.mistake(
    "this takes a batch (N, n) and nothing else: a single row or a stack stops it. "
    "With axis=-1 and keepdims=True the same lines take every shape.",
    maximum=("per row", "of everything", "nothing"),
    stack=("stops", "works"),
)
def batches_only(x, *, maximum, stack):
    if np.ndim(x) == 1 or (np.ndim(x) > 2 and stack == "stops"):
        raise Exception("not a batch")
    e = np.exp(_shifted_by(x, maximum))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "this takes a single row and no batch: its entries are taken one by one, and those of a batch "
    "are rows. Let NumPy do it along axis=-1, with keepdims=True.",
    shift=(True, False),
    buffer=("float", "as x"),
    one_row=("stops", "gives 1"),
)
def single_rows_only(x, *, shift, buffer, one_row):
    if np.ndim(x) > 1:
        if one_row == "gives 1" and len(x) == 1:
            return np.ones(np.shape(x))
        raise Exception("not a row")
    dtype = float if buffer == "float" else np.asarray(x).dtype
    e = np.exp(x - np.max(x) if shift else x).astype(dtype)
    return (e / e.sum()).astype(dtype)


@softmax_stable.mistake(
    "right for a row and for a batch (N, n), not for a stack: with the maximum and the sum along "
    "axis=-1 no branch on the number of dimensions is needed.",
    stack=("everything at once", "axis 0", "axis 1", "stops", "left as it is"),
)
def rows_and_batches_only(x, *, stack):
    if np.ndim(x) > 2:
        if stack == "stops":
            raise Exception("a stack")
        if stack == "left as it is":
            return np.array(x)
        axis = {"everything at once": None, "axis 0": 0, "axis 1": 1}[stack]
    else:
        axis = -1
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@softmax_stable.mistake(
    "the result is written into an array of the dtype of x: with integer logits every probability "
    "is cut off to 0 or 1. Make the array with dtype=float.",
    holds=("probabilities", "exponentials"),
)
def integer_buffer(x, *, holds):
    dtype = np.asarray(x).dtype
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    e = e.astype(dtype) if holds == "exponentials" else e
    return (e / e.sum(axis=-1, keepdims=True)).astype(dtype)


@softmax_stable.mistake(
    "the maximum is subtracted from exp(x), after it: exp has overflowed by then, and the ratios "
    "are changed. Subtract inside: exp(x - m).",
    maximum=("per row", "of everything"),
    normalised=(True, False),
)
def subtracts_after_exp(x, *, maximum, normalised):
    e = np.exp(x) - np.max(x, axis=-1 if maximum == "per row" else None, keepdims=True)
    return e / e.sum(axis=-1, keepdims=True) if normalised else e


@softmax_stable.mistake(
    "that is the sigmoid of each logit on its own: softmax lets the logits of a row compete, "
    "exp(x_i) divided by the sum of all exp(x_j).",
    normalised=(False, True),
)
def sigmoid_of_each(x, *, normalised):
    s = 1 / (1 + np.exp(-np.asarray(x, dtype=float)))
    return s / s.sum(axis=-1, keepdims=True) if normalised else s


@softmax_stable.mistake(
    "a constant was added to the maximum, or taken from it, before it was subtracted: the largest "
    "exponent is then not 0, which costs digits, and lets terms vanish or overflow sooner. "
    "Subtract the maximum itself.",
    offset=(-700.0, -600.0, -500.0, 50.0, 88.0, 100.0, 300.0, 500.0, 600.0, 700.0),
)
def shift_beside_the_maximum(x, *, offset):
    e = np.exp(x - (np.max(x, axis=-1, keepdims=True) + offset))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the logits are clipped before exp: two logits beyond the clip become equal, and their ratio "
    "is lost. Shift them instead.",
    limit=(10.0, 20.0, 50.0, 80.0, 88.0, 100.0, 500.0, 600.0, 700.0, 709.0),
    low=(True, False),
)
def clips_the_logits(x, *, limit, low):
    e = np.exp(np.clip(x, -limit if low else -np.inf, limit))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "the shifted logits are clipped from below: after the shift small terms do no harm, and the "
    "clip turns them into wrong numbers. Leave it out.",
    limit=(10.0, 20.0, 30.0, 50.0, 64.0, 80.0, 88.0, 100.0, 700.0),
)
def clips_after_the_shift(x, *, limit):
    e = np.exp(np.maximum(x - np.max(x, axis=-1, keepdims=True), -limit))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_stable.mistake(
    "an epsilon was added to the denominator: the rows no longer sum to 1, and with the shift the "
    "denominator is at least 1 and needs no help. Leave it out.",
    epsilon=(1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4),
    shifted=(True, False),
)
def epsilon_in_the_denominator(x, *, epsilon, shifted):
    e = np.exp(x - (np.max(x, axis=-1, keepdims=True) if shifted else 0))
    return e / (e.sum(axis=-1, keepdims=True) + epsilon)


@softmax_stable.mistake(
    "NaN and inf are replaced afterwards: the row looks clean, but its probabilities are gone. "
    "Keep the overflow from happening: subtract each row's maximum.",
    where=("result", "exp"),
    nan=(0.0, 1.0),
)
def nan_to_num_over_an_unshifted_form(x, *, where, nan):
    e = np.exp(x)
    if where == "exp":
        e = np.nan_to_num(e)
    return np.nan_to_num(e / e.sum(axis=-1, keepdims=True), nan=nan)


@softmax_stable.mistake(
    "the argument was changed in place: the values are right, but the caller's logits are gone. "
    "Write x = x - ... instead of x -= ..., and no out=x.",
    steps=("shift", "all"),
)
def in_place(x, *, steps):
    x -= np.max(x, axis=-1, keepdims=True)
    e = np.exp(x, out=x) if steps == "all" else np.exp(x)
    e /= e.sum(axis=-1, keepdims=True)
    return e


@softmax_stable.mistake(
    "the shifted exponentials are not divided by their sum: the largest entry of each row is 1. "
    "Divide each row by its sum."
)
def not_normalised(x):
    return np.exp(x - np.max(x, axis=-1, keepdims=True))


# --- 3.2 -----------------------------------------------------------------------------------------


def _spread_along(x, axis):
    return np.moveaxis(spread(np.moveaxis(np.asarray(x), axis, -1)), -1, axis)


_stack = _rng.normal(scale=2.0, size=(2, 3, 4))
_cube = _rng.normal(scale=2.0, size=(3, 3, 3))


@exercise(
    "3.2",
    minutes=4,
    probes=[
        ordinary(np.array([1.0, 3.0, 2.0]), 0, note="one row: axis 0 is the only axis"),
        ordinary(np.array([1.0, 3.0, 2.0]), -1, note="one row, negative axis"),
        ordinary(np.array([[1.0, 2.0], [4.0, 7.0]]), 0, note="a square batch, columns"),
        ordinary(np.array([[1.0, 2.0], [4.0, 7.0]]), 1, note="a square batch, rows"),
        ordinary(np.array([[1.0, 2.0, 4.0], [3.0, 0.0, 1.0]]), 0, note="a 2 × 3 batch, columns"),
        ordinary(np.array([[1.0, 2.0, 4.0], [3.0, 0.0, 1.0]]), -2, note="columns, negative axis"),
        ordinary(np.array([[1.0, 2.0, 4.0], [3.0, 0.0, 1.0]]), -1, note="a 2 × 3 batch, rows"),
        *(ordinary(_stack, axis, note=f"a 2 × 3 × 4 stack, axis {axis}") for axis in range(-3, 3)),
        *(ordinary(_cube, axis, note=f"a 3 × 3 × 3 stack, axis {axis}") for axis in range(3)),
        ordinary(np.array([[2.0], [5.0]]), 1, note="an axis of length 1"),
        ordinary(np.array([[0.5, 2.0], [1.0, 3.0]], dtype=np.float32), 0, note="float32"),
        extreme(np.array([[1000.0, -1000.0], [999.0, -1002.0]]), 0, note="columns 2000 apart"),
        extreme(np.array([[1000.0, -1000.0], [999.0, -1002.0]]), 1, note="rows 2000 wide"),
        extreme(np.array([[-1000.0, 800.0], [-1001.0, 802.0]]), -2, note="a column near -1000"),
    ],
    truth=_softmax_truth,
    relative=_spread_along,
    library=("softmax", "log_softmax", "logsumexp", "Softmax", "LogSoftmax"),
    remark="In PyTorch the argument is called dim.",
)
def softmax_axis(x, axis):
    """Return the stable softmax of x over the given axis, which may be negative.

    x is a float array of any shape, its logits of any finite size; axis is an integer as NumPy
    takes it (-1 is the last). The result has the shape of x, and sums to 1 along that axis.
    Write it yourself, without a ready-made softmax or log-sum-exp.
    """
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


softmax_axis.hints(
    "Nothing in the max shift needs the last axis. Where does your 3.1 name it?",
    "Both the maximum and the sum run over the axis: pass axis on to both.",
    "keepdims=True leaves the axis in place with length 1, so the shapes fit for any axis, "
    "with no transposing at all.",
)
softmax_axis.reasoning(
    "With keepdims=True the maxima and the sums keep the reduced axis at length 1, so "
    "broadcasting pairs each of them with its own slice, whichever axis it is. Without it you "
    "would have to move the axis to the end and back (np.moveaxis), and reshape is not the same "
    "as moving: it deals out the same numbers in another order."
)


def _softmax_last(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_axis.mistake(
    "the argument axis is ignored: the result is the same for every axis. "
    "Pass axis to np.max and to the sum.",
    fixed=(-1, 0, 1),
)
def ignores_axis(x, axis, *, fixed):
    e = np.exp(x - np.max(x, axis=fixed, keepdims=True))
    return e / e.sum(axis=fixed, keepdims=True)


@softmax_axis.mistake(
    "without keepdims=True the maxima (or sums) lose the axis and are laid along another one. "
    "A square array hides it.",
    where=("maximum", "sum", "both"),
)
def without_keepdims(x, axis, *, where):
    e = np.exp(x - np.max(x, axis=axis, keepdims=where == "sum"))
    return e / e.sum(axis=axis, keepdims=where == "maximum")


@softmax_axis.mistake(
    "the array is reshaped where its axes should be swapped: reshape keeps the order of the "
    "numbers in memory and so mixes slices. Use keepdims=True, or np.moveaxis there and back.",
    there=("reshape", "moveaxis"),
)
def reshapes_instead_of_transposing(x, axis, *, there):
    x = np.asarray(x)
    rows = np.moveaxis(x, axis, -1) if there == "moveaxis" else x.reshape(-1, x.shape[axis])
    return _softmax_last(rows).reshape(x.shape)


@softmax_axis.mistake(
    "np.atleast_2d makes a row of n logits a table of shape (1, n), in which axis 0 is another "
    "axis: each logit is then alone and gets 1. Leave x as it is; keepdims=True suits 1-D too."
)
def row_made_a_table(x, axis):
    table = np.atleast_2d(x)
    e = np.exp(table - np.max(table, axis=axis, keepdims=True))
    return (e / e.sum(axis=axis, keepdims=True)).reshape(np.shape(x))


@softmax_axis.mistake(
    "the axis that was summed is put back at the end, by [..., None], wherever it came from: that "
    "is right for the last axis only. keepdims=True leaves it in its place.",
    where=("sum", "both"),
)
def axis_put_back_at_the_end(x, axis, *, where):
    m = np.max(x, axis=axis)[..., None] if where == "both" else 0
    e = np.exp(x - m)
    return e / e.sum(axis=axis)[..., None]


@softmax_axis.mistake(
    "the log of the sum was added to the maximum, or x - log-sum-exp taken: beside a large "
    "maximum the log loses digits. Subtract the maximum first, then divide by the sum.",
    via=("formula", "logaddexp"),
)
def log_absorbed_along_the_axis(x, axis, *, via):
    if via == "logaddexp":
        x = np.asarray(x, dtype=float)
        return np.exp(x - np.logaddexp.reduce(x, axis=axis, keepdims=True))
    m = np.max(x, axis=axis, keepdims=True)
    return np.exp(x - (m + np.log(np.exp(x - m).sum(axis=axis, keepdims=True))))


@softmax_axis.mistake(
    "the axis was moved to the end and never moved back: the shape of the result is not that of x. "
    "Move it back with np.moveaxis(result, -1, axis)."
)
def not_moved_back(x, axis):
    return _softmax_last(np.moveaxis(x, axis, -1))


@softmax_axis.mistake(
    "the whole array is transposed for any axis but the last: that is right for two axes only. "
    "Use keepdims=True, or np.moveaxis."
)
def transposes_everything(x, axis):
    if axis in (-1, np.ndim(x) - 1):
        return _softmax_last(x)
    return _softmax_last(np.transpose(x)).transpose()


@softmax_axis.mistake(
    "negative axes are taken for the last one: -2 counts from the end. NumPy understands negative "
    "axes itself, so pass axis on unchanged."
)
def negative_is_last(x, axis):
    axis = -1 if axis < 0 else axis
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@softmax_axis.mistake(
    "moveaxis has its source and destination exchanged: for two axes that is the same, for three "
    "it is not. Move axis to -1, and afterwards -1 to axis."
)
def moved_the_wrong_way(x, axis):
    return np.moveaxis(_softmax_last(np.moveaxis(x, -1, axis)), axis, -1)


@softmax_axis.mistake(
    "the sign of a negative axis is dropped: -1 is the last axis, not axis 1. "
    "NumPy understands negative axes itself, so pass axis on unchanged."
)
def sign_dropped(x, axis):
    axis = abs(axis) % np.ndim(x)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@softmax_axis.mistake(
    "the maximum is taken along the last axis, and the sum along the given one: the entries of one "
    "slice are then shifted by different amounts. Use the same axis in both."
)
def maximum_along_the_last_axis(x, axis):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@softmax_axis.mistake(
    "the maximum is taken along the given axis, and the sum along the last one: "
    "use the same axis in both."
)
def sum_along_the_last_axis(x, axis):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@softmax_axis.mistake(
    "nothing is subtracted before exp: right for small logits, NaN for large ones. "
    "Subtract the maximum along the axis."
)
def unshifted(x, axis):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


@softmax_axis.mistake(
    "the maximum of the whole array was subtracted: a slice far below it vanishes completely and "
    "gives 0/0. Take the maximum along the axis."
)
def maximum_of_everything(x, axis):
    e = np.exp(x - np.max(x))
    return e / e.sum(axis=axis, keepdims=True)


# --- 3.3 -----------------------------------------------------------------------------------------


def _constants_that_work():
    """Try all eight constants on the row, with math.exp and no NumPy."""
    import math
    import statistics

    row = (-1000.0, 1000.0, -1000.0)
    constants = {
        "none": 0.0,
        "min": min(row),
        "mean": statistics.fmean(row),
        "median": statistics.median(row),
        "max": max(row),
        "max - 600": max(row) - 600,
        "max + 600": max(row) + 600,
        "max + 800": max(row) + 800,
    }
    working = set()
    for name, constant in constants.items():
        try:
            terms = [math.exp(value - constant) for value in row]
            if [term / sum(terms) for term in terms] == [0.0, 1.0, 0.0]:
                working.add(name)
        except (OverflowError, ZeroDivisionError):
            pass
    return working


@exercise(
    "3.3",
    minutes=4,
    probes=[extreme(note="the constants that keep (-1000, 1000, -1000) right in float64")],
    truth=_constants_that_work,
    value=True,
    remark="The maximum is the one choice that is safe for every row; near it there is room.",
)
def answer_3_3():
    """Give the set of the constants c that keep exp(x - c) / sum(exp(x - c)) right.

    The row is x = (-1000, 1000, -1000), in float64, and the right result is (0, 1, 0). Choose from
    "none", "min", "mean", "median", "max", "max - 600", "max + 600" and "max + 800".
    """
    return {"max", "max - 600", "max + 600"}


answer_3_3.hints(
    "For each constant work out the largest exponent, max x - c. When is its exp inf, "
    "and when is it 0?",
    "exp of the largest exponent must be finite and must not be 0: "
    "max x - c has to lie between -745 and 709.",
    "max - 600 leaves the exponent 600, max + 600 leaves -600, max + 800 leaves -800. "
    "The mean of the row is -333, its median -1000.",
)
answer_3_3.reasoning(
    "Only the largest exponent decides: with c it is max x - c. Above 709 its exp is inf, and "
    "inf/inf is NaN. Below -745 even the largest term is 0, and 0/0 is NaN. In between the result "
    "is right: max and max ± 600 qualify. Nothing, the minimum and the median leave 1000 or 2000, "
    "the mean leaves 1333; max + 800 leaves -800. So 'any constant' is true over the reals alone."
)


@answer_3_3.mistake(
    "all eight are in the set: over the reals any constant works, but in float64 exp of the "
    "largest exponent, max x - c, has to be finite and not 0."
)
def any_constant_will_do():
    return {"none", "min", "mean", "median", "max", "max - 600", "max + 600", "max + 800"}


@answer_3_3.mistake(
    "every constant but 'none' is in the set: a shift helps only if it brings the maximum near 0. "
    "Work out max x - c for the minimum and the mean."
)
def any_shift_will_do():
    return {"min", "mean", "median", "max", "max - 600", "max + 600", "max + 800"}


@answer_3_3.mistake(
    "only the maximum itself is in the set: it is the safe choice for every row, but near it there "
    "is room. exp(600) and exp(-600) are neither inf nor 0."
)
def only_the_maximum():
    return {"max"}


@answer_3_3.mistake(
    "with max + 800 no exp overflows, but the largest term, exp(-800), is 0, and so is the sum: "
    "0/0. Take it out of the set.",
    below=(("max - 600",), ()),
)
def nothing_underflows(*, below):
    return {"max", "max + 600", "max + 800", *below}


@answer_3_3.mistake(
    "constants below the maximum are left out: exp(600) is about 1e260, which float64 holds easily."
)
def only_from_the_maximum_on():
    return {"max", "max + 600"}


@answer_3_3.mistake(
    "constants above the maximum are left out: exp(-600) is about 1e-261, far from 0, "
    "and the quotient is right."
)
def only_up_to_the_maximum():
    return {"max", "max - 600"}


@answer_3_3.mistake(
    "these are the constants that fail: the question is which ones keep the row right."
)
def the_ones_that_fail():
    return {"none", "min", "mean", "median", "max + 800"}


@answer_3_3.mistake(
    "the mean or the median is in the set: the mean of this row is -333 and its median -1000, so "
    "the largest exponent is 1333 or 2000. Centring is not bounding.",
    extra=(("mean",), ("median",), ("mean", "median")),
)
def centring_will_do(*, extra):
    return {"max", "max - 600", "max + 600", *extra}


# --- 3.4 -----------------------------------------------------------------------------------------


def _masked_softmax_truth(x, mask):
    from scipy import special

    result = np.zeros(np.shape(x))
    for index in np.ndindex(*np.shape(x)[:-1]):
        if mask[index].any():
            kept = np.asarray(x[index], dtype=np.float64)[mask[index]]
            result[index][mask[index]] = special.softmax(kept)
    return result


def _spread_of_kept(x, mask):
    return spread(np.where(mask, x, -np.inf))


_T, _F = True, False
_LOWEST = float(np.finfo(np.float64).min)
_LOWEST_SINGLE = float(np.finfo(np.float32).min)
_FILLS = (
    *(-(10.0**k) for k in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 20, 30, 32)),
    -65504.0,
    _LOWEST_SINGLE,
    _LOWEST,
)


class _Added(float):
    """A fill that is added to the masked logits, in place of them otherwise."""


def _filled(x, mask, fill):
    return x + np.where(mask, 0.0, fill) if isinstance(fill, _Added) else np.where(mask, x, fill)


_LARGE_KEPT = (
    extreme(np.array([1000.0, 999.0, 0.0]), np.array([_T, _T, _F]), note="large kept logits"),
    extreme(np.array([-1000.0, -1001.0]), np.array([_T, _T]), note="kept logits near -1000"),
    extreme(
        np.array([0.0, 1.0, 2000.0]),
        np.array([_T, _T, _F]),
        note="a masked logit 2000 above the kept ones",
    ),
    extreme(
        np.array([[1000.0, 998.0], [-1000.0, -1001.0]]),
        np.array([[_T, _T], [_T, _T]]),
        note="rows 2000 apart",
    ),
    extreme(np.array([-100.0, 3.0, -101.0]), np.array([_T, _F, _T]), note="kept logits near -100"),
    extreme(
        np.array([-1000.0, 3.0, -1001.0]),
        np.array([_T, _F, _T]),
        note="kept logits near -1000, one masked",
    ),
    extreme(
        np.array([-10000.0, 5.0, -10001.0]),
        np.array([_T, _F, _T]),
        note="kept logits near -1e4: no masked value may look like them",
    ),
    extreme(np.array([-1e9, 5.0, -1e9 - 2]), np.array([_T, _F, _T]), note="kept logits near -1e9"),
    extreme(
        np.array([_LOWEST, 5.0]), np.array([_T, _F]), note="the kept logit is finfo.min itself"
    ),
)
"""Kept and masked logits far from 0 and from each other: probes of 3.4 and of 3.5."""


@exercise(
    "3.4",
    minutes=8,
    probes=[
        ordinary(np.array([1.0, 3.0, 2.0]), np.array([_T, _F, _T]), note="the largest is masked"),
        ordinary(np.array([1.0, 3.0, 2.0]), np.array([_F, _T, _T]), note="the smallest is masked"),
        ordinary(np.array([0.5, -1.0, 2.0]), np.array([_T, _T, _T]), note="nothing is masked"),
        ordinary(np.array([-2.0, -5.0, -3.0]), np.array([_T, _F, _T]), note="negative logits"),
        ordinary(np.array([4.0, 7.0]), np.array([_T, _F]), note="one entry is kept"),
        ordinary(
            np.array([[1.0, 2.0], [5.0, 3.0]]),
            np.array([[_T, _F], [_T, _T]]),
            note="a square batch, another mask in each row",
        ),
        ordinary(
            np.array([[1.0, 4.0, 2.0], [3.0, 0.0, 1.0]]),
            np.array([[_T, _T, _F], [_F, _T, _T]]),
            note="a batch of two rows",
        ),
        ordinary(
            _rng.normal(size=(2, 2, 3)),
            np.array([[[_T, _F, _T], [_T, _T, _T]], [[_F, _F, _T], [_T, _T, _F]]]),
            note="a three-dimensional stack",
        ),
        ordinary(
            np.array([0.5, 3.0, 2.0], dtype=np.float32), np.array([_T, _F, _T]), note="float32"
        ),
        ordinary(
            _read_only(np.array([1.0, 3.0, 2.0])),
            _read_only(np.array([_T, _T, _F])),
            note="read-only arrays",
        ),
        ordinary(np.array([1.0, 3.0]), np.array([_F, _F]), note="a fully masked row: zeros"),
        ordinary(
            np.array([[1.0, 3.0, 2.0], [0.5, 1.0, 4.0]]),
            np.array([[_F, _F, _F], [_T, _F, _T]]),
            note="one of two rows is fully masked",
        ),
        *_LARGE_KEPT,
    ],
    truth=_masked_softmax_truth,
    relative=_spread_of_kept,
    library=("masked_softmax", "masked.softmax"),
    remark="-inf is the one fill that no finite logit can reach: exp(-inf - m) is exactly 0. "
    "If you set the NaN of a fully masked row to 0 afterwards, the values are right, and in "
    "PyTorch the gradients still NaN: the row must not become NaN in the first place.",
)
def masked_softmax(x, mask):
    """Return the softmax of x over its last axis, taken over the kept entries only.

    x is a float array of shape (..., n), mask a boolean array of the same shape: True keeps an
    entry, False masks it. Masked entries get exactly 0, the kept ones of each row sum to 1, and a
    fully masked row gives zeros. Finite logits of any size must work, whatever stands at the
    masked places. Leave x and mask unchanged. The softmax inside may be a library's.
    """
    kept = np.where(mask, x, -np.inf)
    top = np.max(kept, axis=-1, keepdims=True)
    e = np.exp(kept - np.where(np.isfinite(top), top, 0))
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


masked_softmax.hints(
    "Which logit gets exactly the probability 0, whatever the others are?",
    "np.where(mask, x, -np.inf) puts -inf at the masked entries. After that the stable softmax "
    "does the rest, and its maximum runs over the kept entries by itself.",
    "A fully masked row has the maximum -inf, and -inf - (-inf) is NaN. Give such a row a finite "
    "maximum, for instance 0.",
    "Its sum of exps is then 0. Replace a sum of 0 by 1 before you divide: 0/1 = 0.",
)
masked_softmax.reasoning(
    "exp(-inf) is exactly 0, so a masked entry takes no part in the maximum, in the sum or in the "
    "result. Any finite fill is a logit like others: a row whose kept logits are of its size gives "
    "mass to the masked entries. A fully masked row has nothing to normalise, 0/0. What it should "
    "give is a matter of policy; zeros say 'nothing was chosen' and let training go on."
)


def _stable(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _zero_where_fully_masked(p, mask):
    return np.where(mask.any(axis=-1, keepdims=True), p, 0)


def _normalised(e, policy):
    """Divide each row by its sum; a sum of 0 gives NaN, zeros, or has a number added to it."""
    total = e.sum(axis=-1, keepdims=True)
    if policy == "zeros":
        return e / np.where(total == 0, 1, total)
    return e / total if policy == "NaN" else e / (total + policy)


@masked_softmax.mistake(
    "the logits are multiplied by the mask: a masked entry becomes the logit 0, not the "
    "probability 0, and exp(0) = 1 takes its share. Fill with -inf.",
    zeroed=(False, True),
)
def multiplies_the_logits_by_the_mask(x, mask, *, zeroed):
    p = _stable(x * mask)
    return _zero_where_fully_masked(p, mask) if zeroed else p


@masked_softmax.mistake(
    "masked logits were replaced by a small number: a small logit is not a small probability, for "
    "exp(1e-9) is 1. Fill with -inf.",
    fill=(1e-12, 1e-10, 1e-9, 1e-8, 1e-6, 1e-5),
)
def fills_with_a_small_number(x, mask, *, fill):
    return _stable(np.where(mask, x, fill))


@masked_softmax.mistake(
    "masked entries are set to 0 after the softmax, and the rest is not renormalised: the kept "
    "entries no longer sum to 1. Mask before the sum."
)
def zeroes_afterwards(x, mask):
    return _stable(x) * mask


@masked_softmax.mistake(
    "the masked entries are removed after the shift, so the maximum runs over them too. Where all "
    "are masked, 0/0 is left; where a masked logit is far above the kept ones, these have "
    "vanished. Mask first: np.where(mask, x, -np.inf), and then the shift.",
    policy=("zeros", "NaN"),
    of=("exp", "softmax"),
)
def maximum_over_masked_entries(x, mask, *, policy, of):
    e = _stable(x) if of == "softmax" else np.exp(x - np.max(x, axis=-1, keepdims=True))
    return _normalised(np.where(mask, e, 0), policy)


@masked_softmax.mistake(
    "the logits are multiplied by the mask before the shift, so a masked entry stands at 0 and "
    "takes part in the maximum: kept logits far below 0 vanish. Fill with -inf.",
    policy=("zeros", "NaN", 1e-20, 1e-30, 1e-35),
)
def maximum_over_zeros(x, mask, *, policy):
    return _normalised(np.where(mask, _stable(x * mask), 0), policy)


@masked_softmax.mistake(
    "the mask is inverted: True means keep. (Some library functions take the opposite: "
    "True means masked.)",
    fill=(-np.inf, -1e4, -1e9, -1e30, _LOWEST),
    policy=("zeros", "NaN"),
)
def inverted_mask(x, mask, *, fill, policy):
    kept = np.where(mask, fill, x)
    top = np.max(kept, axis=-1, keepdims=True)
    e = np.exp(kept - (np.where(np.isfinite(top), top, 0) if policy == "zeros" else top))
    return _normalised(e, policy)


@masked_softmax.mistake(
    "the log of the sum was added to the maximum, or x - log-sum-exp taken: beside a large "
    "maximum the log loses digits. Subtract the maximum first, then divide by the sum.",
    via=("formula", "logaddexp"),
)
def log_absorbed_by_the_maximum_kept(x, mask, *, via):
    kept = np.where(mask, x, -np.inf)
    if via == "logaddexp":
        lse = np.logaddexp.reduce(kept, axis=-1, keepdims=True)
    else:
        m = np.max(kept, axis=-1, keepdims=True)
        m = np.where(np.isfinite(m), m, 0)
        lse = m + np.log(np.exp(kept - m).sum(axis=-1, keepdims=True))
    return np.where(mask, np.exp(np.where(mask, kept - lse, 0)), 0)


@masked_softmax.mistake(
    "a fully masked row gives NaN: its maximum is -inf, and -inf - (-inf) is NaN. "
    "The contract asks for zeros there."
)
def nan_on_a_fully_masked_row(x, mask):
    return _stable(np.where(mask, x, -np.inf))


@masked_softmax.mistake(
    "a fully masked row comes out uniform: 1/n for entries that are all masked. "
    "The contract asks for zeros there."
)
def uniform_on_a_fully_masked_row(x, mask):
    p = _stable(np.where(mask, x, -np.inf))
    return np.where(mask.any(axis=-1, keepdims=True), p, 1 / np.shape(x)[-1])


@masked_softmax.mistake(
    "a finite fill stands for -inf: it is a logit like any other, and where the kept logits are of "
    "its size the masked entries take their share. Fill with -inf.",
    fill=(*_FILLS, *(_Added(fill) for fill in _FILLS)),
    zeroed=("nothing", "fully masked rows", "masked entries"),
)
def finite_fill(x, mask, *, fill, zeroed):
    p = _stable(_filled(x, mask, fill))
    if zeroed == "masked entries":
        return np.where(mask, p, 0)
    return _zero_where_fully_masked(p, mask) if zeroed == "fully masked rows" else p


@masked_softmax.mistake(
    "masked terms are computed and then multiplied by 0: where a masked logit is large, exp of it "
    "is inf, and inf · 0 is NaN. Use np.where before exp."
)
def inf_times_zero(x, mask):
    top = np.max(np.where(mask, x, -np.inf), axis=-1, keepdims=True)
    e = np.exp(x - np.where(np.isfinite(top), top, 0)) * mask
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


@masked_softmax.mistake(
    "nothing is subtracted before exp: right for small logits, NaN or zeros for large ones. "
    "Subtract the maximum of the kept entries.",
    policy=("zeros", "NaN", 1e-20),
    product=(False, True),
    cleaned=(False, True),
)
def without_a_shift(x, mask, *, policy, product, cleaned):
    p = _normalised(np.exp(x) * mask if product else np.where(mask, np.exp(x), 0), policy)
    return np.nan_to_num(p, nan=0) if cleaned else p


@masked_softmax.mistake(
    "an epsilon in the denominator guards the fully masked row: it also changes the digits of all "
    "others. Replace the denominator only where it is 0.",
    epsilon=(1e-13, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5),
    of=(
        "exp, maximum of the kept",
        "exp, maximum of all",
        "exp, maximum of x times the mask",
        "exp, no maximum",
        "softmax of x",
        "softmax of x times the mask",
    ),
)
def epsilon_for_fully_masked_rows(x, mask, *, epsilon, of):
    logits = x * mask if "times" in of else x
    if "softmax" in of:
        return _normalised(_stable(logits) * mask, epsilon)
    top = np.max(np.where(mask, x, -np.inf) if "kept" in of else logits, axis=-1, keepdims=True)
    if of == "exp, no maximum":
        top = np.zeros_like(top)
    e = np.exp(logits - np.where(np.isfinite(top), top, 0))
    return _normalised(e * mask, epsilon)


@masked_softmax.mistake(
    "one maximum is subtracted from the whole batch: a row far below it vanishes and looks fully "
    "masked. Take each row's own maximum."
)
def one_maximum_for_the_batch(x, mask):
    kept = np.where(mask, x, -np.inf)
    e = np.exp(kept - (np.max(kept) if mask.any() else 0))
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


@masked_softmax.mistake(
    "axis 1 is the axis of the classes in a batch (N, n) only: a single row has no axis 1, and in "
    "a stack it is another one. The last axis is axis=-1, whatever the shape.",
    maximum=("of the kept", "of all", "none"),
    epsilon=(0.0, 1e-13, 1e-10, 1e-8, 1e-6, 1e-5),
    cleaned=(False, True),
)
def along_axis_1(x, mask, *, maximum, epsilon, cleaned):
    if np.ndim(x) == 1:
        raise Exception("no axis 1")
    top = 0.0
    if maximum != "none":
        top = np.max(np.where(mask | (maximum == "of all"), x, -np.inf), axis=1, keepdims=True)
    e = np.where(mask, np.exp(x - np.where(np.isfinite(top), top, 0)), 0)
    p = e / (e.sum(axis=1, keepdims=True) + epsilon)
    return np.nan_to_num(p, nan=0) if cleaned else p


@masked_softmax.mistake(
    "the argument was changed in place: the values are right, but the caller's logits are gone. "
    "Use np.where(mask, x, -np.inf), which makes a new array."
)
def writes_into_the_logits(x, mask):
    x[~mask] = -np.inf
    top = np.max(x, axis=-1, keepdims=True)
    e = np.exp(x - np.where(np.isfinite(top), top, 0))
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


@masked_softmax.mistake(
    "the mask is ignored: this is the softmax of all entries. Put -inf where mask is False."
)
def ignores_the_mask(x, mask):
    return _stable(x)


# --- 3.5 -----------------------------------------------------------------------------------------


def _masked_log_softmax_truth(x, mask):
    import mpmath

    result = np.full(np.shape(x), -np.inf)
    with mpmath.workdps(40):
        for index in np.ndindex(*np.shape(x)[:-1]):
            kept = [mpmath.mpf(float(value)) for value in np.asarray(x)[index][mask[index]]]
            if kept:
                top = max(kept)
                log_sum = mpmath.log(mpmath.fsum(mpmath.exp(value - top) for value in kept))
                result[index][mask[index]] = [float(value - top - log_sum) for value in kept]
    return result


def _size_of_kept(x, mask, expected):
    """Return max(1, |x - max x|) at the kept entries: the size of the terms that are added."""
    kept = np.where(mask, np.asarray(x, dtype=float), -np.inf)
    gap = np.abs(kept - np.max(kept, axis=-1, keepdims=True))
    return np.maximum(1.0, np.where(np.isfinite(gap), gap, 0.0))


@exercise(
    "3.5",
    minutes=8,
    probes=[
        ordinary(np.array([1.0, 3.0, 2.0]), np.array([_T, _F, _T]), note="the largest is masked"),
        ordinary(np.array([1.0, 3.0, 2.0]), np.array([_F, _T, _T]), note="the smallest is masked"),
        ordinary(np.array([0.5, -1.0, 2.0]), np.array([_T, _T, _T]), note="nothing is masked"),
        ordinary(np.array([-2.0, -5.0, -3.0]), np.array([_T, _F, _T]), note="negative logits"),
        ordinary(np.array([4.0, 7.0]), np.array([_T, _F]), note="one entry is kept: log 1 is 0"),
        ordinary(
            np.array([[1.0, 2.0, 0.5], [5.0, 3.0, 4.0], [0.0, 2.0, 1.0]]),
            np.array([[_T, _F, _T], [_T, _T, _T], [_F, _T, _T]]),
            note="a square batch, another mask in each row",
        ),
        ordinary(
            np.array([[1.0, 4.0, 2.0], [3.0, 0.0, 1.0]]),
            np.array([[_T, _T, _F], [_F, _T, _T]]),
            note="a batch of two rows",
        ),
        ordinary(
            _rng.normal(size=(2, 2, 3)),
            np.array([[[_T, _F, _T], [_T, _T, _T]], [[_F, _F, _T], [_T, _T, _F]]]),
            note="a three-dimensional stack",
        ),
        ordinary(
            np.array([0.5, 3.0, 2.0], dtype=np.float32), np.array([_T, _F, _T]), note="float32"
        ),
        ordinary(
            _read_only(np.array([1.0, 3.0, 2.0])),
            _read_only(np.array([_T, _T, _F])),
            note="read-only arrays",
        ),
        ordinary(np.array([1.0, 3.0]), np.array([_F, _F]), note="a fully masked row: -inf, -inf"),
        ordinary(
            np.array([[1.0, 3.0, 2.0], [0.5, 1.0, 4.0]]),
            np.array([[_F, _F, _F], [_T, _F, _T]]),
            note="one of two rows is fully masked",
        ),
        extreme(
            np.array([0.0, -800.0, 1.0]),
            np.array([_T, _T, _F]),
            note="a kept probability too small for float64; its log is -800",
        ),
        extreme(np.array([0.0, -30.0, 5.0]), np.array([_T, _T, _F]), note="a kept log p of -30"),
        *_LARGE_KEPT,
    ],
    truth=_masked_log_softmax_truth,
    scale=_size_of_kept,
    library=("masked_log_softmax", "masked.log_softmax"),
    remark="A loss that picks a masked class is then inf, which is the truth: the model gives that "
    "class no chance at all.",
)
def masked_log_softmax(x, mask):
    """Return the log-softmax of x over its last axis, taken over the kept entries only.

    x is a float array of shape (..., n), mask a boolean array of the same shape: True keeps an
    entry, False masks it. Masked entries get -inf, and so does every entry of a fully masked row;
    nothing is NaN. Finite logits of any size must work, with all their digits, whatever stands at
    the masked places. Leave x and mask unchanged. The log-softmax inside may be a library's.
    """
    kept = np.where(mask, x, -np.inf)
    top = np.max(kept, axis=-1, keepdims=True)
    shifted = kept - np.where(np.isfinite(top), top, 0)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    return shifted - np.log(np.where(total == 0, 1, total))


masked_log_softmax.hints(
    "log(e^a / S) is a - log S. Which a gives the log-probability -inf, whatever S is?",
    "Fill the masked entries with -inf, as in 3.4. For the kept ones the answer is "
    "(x - m) - log(sum of exp(x - m)), and no probability is formed on the way.",
    "In a fully masked row m is -inf, and -inf - (-inf) is NaN: give it the shift 0. Its sum is "
    "then 0, and log 0 is -inf, so that -inf - (-inf) would come back: take log 1 there.",
    "shifted = kept - np.where(np.isfinite(top), top, 0), and then subtract "
    "np.log(np.where(total == 0, 1, total)).",
)
masked_log_softmax.reasoning(
    "A masked entry stays -inf through both subtractions, since what is subtracted is finite. A "
    "kept one is (x - m) - log(sum): the probability itself may be too small for any float, its "
    "logarithm is an ordinary number, so the probability is never formed. In a fully masked row "
    "both subtrahends are 0, and -inf stays -inf. A small number in place of -inf, or a small "
    "number added before the log, is a probability that you invented."
)


def _log_softmax(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@masked_log_softmax.mistake(
    "the log was taken of the masked softmax: where a probability underflows to 0 its log is -inf, "
    "although the class was kept and its log is an ordinary number. Stay in logs: "
    "(x - m) - log(sum).",
)
def log_of_masked_softmax(x, mask):
    return np.log(masked_softmax.reference(x, mask))


@masked_log_softmax.mistake(
    "a small number was added to the probabilities before the log: masked entries get log ε in "
    "place of -inf, and the digits of the others change. Stay in logs, and leave it out.",
    epsilon=(1e-300, 1e-45, 1e-30, 1e-20, 1e-16, 1e-15, 1e-13, 1e-12, 1e-10, 1e-9, 1e-8, 1e-6),
    how=("added", "clipped", "added twice", "added twice, one maximum"),
)
def epsilon_before_the_log(x, mask, *, epsilon, how):
    p = masked_softmax.reference(x, mask)
    if "twice" in how:  # in the masked softmax as well
        top = np.max(x if "one" in how else np.where(mask, x, -np.inf), axis=-1, keepdims=True)
        e = np.where(mask, np.exp(x - np.where(np.isfinite(top), top, 0)), 0)
        p = _normalised(e, epsilon)
    return np.log(np.maximum(p, epsilon) if how == "clipped" else p + epsilon)


@masked_log_softmax.mistake(
    "a finite fill stands for -inf: masked entries get a finite log-probability, a fully masked "
    "row looks like an ordinary one, and kept logits of the fill's size lose their share. Fill "
    "with -inf.",
    fill=(
        *_FILLS,
        *(_Added(fill) for fill in _FILLS),
        -float(np.float32(1e30)),
        -float(np.float32(1e32)),
    ),
    after=("nothing", "-inf at the masked"),
)
def finite_fill_in_logs(x, mask, *, fill, after):
    log_p = _log_softmax(_filled(x, mask, fill))
    return log_p if after == "nothing" else np.where(mask, log_p, -np.inf)


@masked_log_softmax.mistake(
    "masked logits were replaced by 0 or by a small number: that is an ordinary logit, and exp of "
    "it, 1 or nearly so, takes its share. Fill with -inf.",
    fill=(0.0, 1e-12, 1e-10, 1e-9, 1e-8, 1e-6),
    after=("nothing", "-inf at the masked", "0 at the masked"),
)
def ordinary_logit_at_masked_entries(x, mask, *, fill, after):
    log_p = _log_softmax(np.where(mask, x, fill))
    if after == "nothing":
        return log_p
    return np.where(mask, log_p, -np.inf if after == "-inf at the masked" else 0.0)


@masked_log_softmax.mistake(
    "the log of the mask plus ε is added: log ε is a finite fill, about -100 for 1e-45, and kept "
    "logits that low lose their share. Fill with -inf.",
    epsilon=(1e-45, 1e-40, 1e-35, 1e-32, 1e-30, 1e-20, 1e-13, 1e-12, 1e-10),
    dtype=(np.float64, np.float32),
)
def log_of_mask_plus_epsilon(x, mask, *, epsilon, dtype):
    return _log_softmax(x + np.log(mask.astype(dtype) + dtype(epsilon)))


@masked_log_softmax.mistake(
    "the masked entries are in the normaliser: the kept probabilities do not sum to 1. Mask before "
    "the sum, not after it.",
)
def masked_entries_in_the_normaliser(x, mask):
    return np.where(mask, _log_softmax(x), -np.inf)


@masked_log_softmax.mistake(
    "the sum is taken over the kept entries, and then subtracted from every logit: a masked entry "
    "gets a finite number, perhaps above 0. Put -inf there.",
    epsilon=(0.0, 1e-7, 1e-8, 1e-10, 1e-12),
    maximum=("of the kept", "of x times the mask"),
)
def masked_entries_keep_their_logits(x, mask, *, epsilon, maximum):
    candidates = x * mask if maximum == "of x times the mask" else np.where(mask, x, -np.inf)
    top = np.max(candidates, axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.where(mask, np.exp(x - top), 0).sum(axis=-1, keepdims=True)
    return (x - top) - np.log(total + epsilon)


@masked_log_softmax.mistake(
    "NaN stands where -inf is due. In a fully masked row the maximum is -inf, and -inf - (-inf) is "
    "NaN; and -inf multiplied by a mask's 0 is NaN too. Give a fully masked row the shift 0 and "
    "the log-sum 0, and mask by np.where.",
    masked_entries=("-inf", "NaN"),
)
def nan_for_minus_inf(x, mask, *, masked_entries):
    log_p = _log_softmax(np.where(mask, x, -np.inf))
    return log_p if masked_entries == "-inf" else log_p * mask


@masked_log_softmax.mistake(
    "a fully masked row is treated as if nothing were masked in it, or all its logits were 0: it "
    "gets finite log-probabilities. The task asks for -inf throughout.",
    logits=("zeros", "its own"),
)
def dead_row_comes_back(x, mask, *, logits):
    dead = ~mask.any(axis=-1, keepdims=True)
    kept = np.where(mask, x, -np.inf)
    return _log_softmax(np.where(dead, x if logits == "its own" else 0.0, kept))


@masked_log_softmax.mistake(
    "the mask is inverted: True means keep. (Some library functions take the opposite: "
    "True means masked.)",
    dead=("-inf", "NaN"),
)
def mask_turned_round(x, mask, *, dead):
    if dead == "NaN":
        return _log_softmax(np.where(mask, -np.inf, x))
    return masked_log_softmax.reference(x, ~mask)


@masked_log_softmax.mistake(
    "masked entries came back as 0: 0 is the log of the probability 1, of certainty. The log of "
    "the probability 0 is -inf.",
    dead=("0", "NaN"),
)
def zero_at_masked_entries(x, mask, *, dead):
    log_p = _log_softmax(np.where(mask, x, -np.inf))
    if dead == "NaN":
        log_p = np.where(mask.any(axis=-1, keepdims=True), np.where(mask, log_p, 0.0), np.nan)
    return np.where(mask, log_p, 0.0) if dead == "0" else log_p


@masked_log_softmax.mistake(
    "nothing is subtracted before exp: it overflows above 709, and below -745 the log sees 0. "
    "Subtract the maximum of the kept entries, in front and inside.",
    dead=("-inf", "NaN"),
)
def unshifted_in_logs(x, mask, *, dead):
    total = np.where(mask, np.exp(x), 0).sum(axis=-1, keepdims=True)
    if dead == "-inf":
        total = np.where(mask.any(axis=-1, keepdims=True), total, 1)
    return np.where(mask, x, -np.inf) - np.log(total)


@masked_log_softmax.mistake(
    "the maximum runs over the masked entries too: one far above the kept ones makes these vanish "
    "in the sum. Mask first, and then take the maximum.",
    dead=("-inf", "NaN"),
    product=(False, True),
)
def maximum_over_all_entries(x, mask, *, dead, product):
    shifted = x - np.max(x * mask if product else x, axis=-1, keepdims=True)
    total = np.where(mask, np.exp(shifted), 0).sum(axis=-1, keepdims=True)
    if dead == "-inf":
        total = np.where(mask.any(axis=-1, keepdims=True), total, 1)
    return np.where(mask, shifted, -np.inf) - np.log(total)


@masked_log_softmax.mistake(
    "the maximum and the log of the sum were added first, or x minus its log-sum-exp taken: beside "
    "a large maximum the log loses digits. Subtract the maximum from x first.",
    dead=("-inf", "NaN"),
)
def log_absorbed_in_logs(x, mask, *, dead):
    kept = np.where(mask, x, -np.inf)
    lse = np.logaddexp.reduce(kept, axis=-1, keepdims=True)
    return kept - (np.where(np.isfinite(lse), lse, 0) if dead == "-inf" else lse)


@masked_log_softmax.mistake(
    "an ε stands in the sum, so that a fully masked row has something to take the log of: it "
    "changes the digits of all other rows. Replace the sum only where it is 0.",
    epsilon=(1e-13, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5),
    maximum=("of the kept", "of all", "of x times the mask"),
)
def epsilon_in_the_sum(x, mask, *, epsilon, maximum):
    kept = np.where(mask, x, -np.inf)
    candidates = {"of the kept": kept, "of all": x, "of x times the mask": x * mask}
    top = np.max(candidates[maximum], axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.where(mask, np.exp(x - top), 0).sum(axis=-1, keepdims=True)
    return kept - top - np.log(total + epsilon)


@masked_log_softmax.mistake(
    "one maximum is subtracted from the whole batch: a row far below it vanishes and looks fully "
    "masked. Take each row's own maximum."
)
def one_maximum_for_all_rows(x, mask):
    kept = np.where(mask, x, -np.inf)
    shifted = kept - (np.max(kept) if mask.any() else 0)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    return shifted - np.log(np.where(mask.any(axis=-1, keepdims=True), total, 1))


@masked_log_softmax.mistake(
    "the argument was changed in place: the values are right, but the caller's logits are gone. "
    "Use np.where(mask, x, -np.inf), which makes a new array."
)
def changes_the_logits(x, mask):
    x[~mask] = -np.inf
    return masked_log_softmax.reference(x, mask)


@masked_log_softmax.mistake(
    "the mask is ignored: this is the log-softmax of all entries. Put -inf where mask is False."
)
def mask_left_out(x, mask):
    return _log_softmax(x)


@masked_log_softmax.mistake(
    "that is the masked softmax: the task asks for its log, from logs, without exp at the end."
)
def masked_softmax_without_log(x, mask):
    return masked_softmax.reference(x, mask)
