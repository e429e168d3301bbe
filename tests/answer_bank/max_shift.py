"""Answers to exercises 3.1 to 3.5."""

import math

import numpy as np
import scipy.special
import torch
from scipy.special import softmax as ready_made

from . import right, wrong

# 3.1 softmax_stable(x)


@right("3.1")
def max_shift(x):
    """The plain form."""
    z = np.exp(x - x.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


@right("3.1")
def lists(x):
    """Recursion to the rows, Python's math, nested lists."""
    if x.ndim > 1:
        return [lists(row) for row in x]
    row = x.tolist()
    exponentials = [math.exp(value - max(row)) for value in row]
    return [value / math.fsum(exponentials) for value in exponentials]


@right("3.1")
def by_tensor(x):
    """torch, without its softmax."""
    x = torch.tensor(x)
    x = x if x.is_floating_point() else x.double()
    e = (x - x.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


@right("3.1")
def by_einsum(x):
    """einsum for the sums."""
    e = np.exp(x - np.maximum.reduce(x, axis=-1)[..., None])
    return np.einsum("...i,...->...i", e, 1 / np.einsum("...i->...", e))


@right("3.1")
def harmless_epsilon(x):
    """The sum is at least 1, so that 1e-30 changes no digit."""
    e = np.exp(x - np.max(x, -1, keepdims=True))
    return e / (e.sum(-1, keepdims=True) + 1e-30)


@right("3.1")
def two_steps_in_logs(x):
    """exp of the log-softmax that keeps x - max apart from log s."""
    z = x - x.max(axis=-1, keepdims=True)
    return np.exp(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


@right("3.1")
def in_place_on_copy(x):
    """In place, but on a copy."""
    out = np.array(x, dtype=np.result_type(x, np.float16) if x.dtype.kind == "f" else float)
    out -= out.max(axis=-1, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=-1, keepdims=True)
    return out


class Softmax:
    """A callable object that goes through flat rows."""

    def __call__(self, x):
        """Shift, exponentiate and divide each row."""
        rows = np.asarray(x, dtype=np.float64).reshape(-1, np.shape(x)[-1])
        return np.stack([self.row(row) for row in rows]).reshape(np.shape(x))

    @staticmethod
    def row(row):
        """One row."""
        e = np.exp(row - row.max())
        return e / e.sum()


right("3.1")(Softmax())
right("3.1")(lambda x: np.apply_along_axis(Softmax.row, -1, x))


@wrong("3.1")
def unshifted_tensor(x):
    """No shift, in torch."""
    e = torch.tensor(x).exp()
    return e / e.sum(-1, keepdim=True)


@wrong("3.1")
def nested_unshifted(x):
    """No shift, in lists: raises on 1000."""
    if x.ndim > 1:
        return [nested_unshifted(row) for row in x]
    e = [math.exp(value) for value in x]
    return [value / sum(e) for value in e]


@wrong("3.1")
def global_maximum(x):
    """The maximum of the whole batch: rows 2000 apart give 0/0."""
    e = np.exp(x - max(np.ravel(x)))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def clamped_maximum(x):
    """The maximum clamped at 0: a row all below -745 gives 0/0."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True, initial=0))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def first_entry_shift(x):
    """The first entry as the shift."""
    e = np.exp(x - x[..., :1])
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def shift_above_only(x):
    """Shifted above the fraction bar only."""
    m = x.max(-1, keepdims=True)
    return np.exp(x - m) / np.einsum("...i->...", np.exp(x))[..., None]


@wrong("3.1")
def shift_below_only(x):
    """Shifted below the fraction bar only."""
    m = np.amax(x, axis=-1)[..., np.newaxis]
    bottom = np.sum(np.exp(x - m), axis=-1)[..., np.newaxis]
    return np.exp(x) / bottom


@wrong("3.1")
def scaled_by_maximum(x):
    """Divides by the maximum."""
    e = np.exp(x / np.abs(x).max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def mean_shift(x):
    """The mean as the shift."""
    return np.apply_along_axis(lambda r: np.exp(r - r.mean()) / np.exp(r - r.mean()).sum(), -1, x)


@wrong("3.1")
def minimum_shift(x):
    """The minimum as the shift: nothing above 709 is safe."""
    e = np.exp(x - x.min(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def missing_keepdims(x):
    """Missing keepdims in both reductions."""
    e = np.exp((x.T - x.max(-1).T).T)
    return e / e.sum(-1)


@wrong("3.1")
def clipped(x):
    """Clips the logits: (800, 1000) becomes a tie."""
    e = np.exp(np.clip(x, -500, 500) * 1.0)
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def clipped_difference(x):
    """Clips the shifted logits at -50: e^-60 is not e^-50."""
    e = np.exp(np.maximum(x - x.max(-1, keepdims=True), -50))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def epsilon_below(x):
    """An epsilon of 1e-8 in the denominator changes digits."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / (e.sum(-1, keepdims=True) + 1e-8)


@wrong("3.1")
def nan_repaired(x):
    """nan_to_num over the unshifted form."""
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return np.nan_to_num(e / e.sum(-1, keepdims=True))


@wrong("3.1")
def nan_where(x):
    """NaN taken for 1: (800, 800) gives (1, 1)."""
    with np.errstate(all="ignore"):
        e = np.exp(x)
        p = e / e.sum(-1, keepdims=True)
    return np.where(np.isnan(p), 1.0, p)


@wrong("3.1")
def in_place(x):
    """Modifies its argument."""
    x -= x.max(-1, keepdims=True)
    np.exp(x, x)
    x /= x.sum(-1, keepdims=True)
    return x


@wrong("3.1")
def alias_of_library(x):
    """The library call under another name."""
    return ready_made(x, -1)


@wrong("3.1")
def tensor_method(x):
    """torch's own softmax."""
    return torch.tensor(x, dtype=torch.float64).softmax(dim=-1)


@wrong("3.1")
def first_axis(x):
    """Normalises over the first axis."""
    e = np.exp(x - x.max(0))
    return e / e.sum(0)


@wrong("3.1")
def absorbed_log(x):
    """exp(x - lse): at 1e8 the log of the sum is lost in m + log s."""
    m = x.max(-1, keepdims=True)
    return np.exp(x - (m + np.log(np.exp(x - m).sum(-1, keepdims=True))))


@wrong("3.1")
def pairwise(x):
    """1 / sum_j exp(x_j - x_i): exp overflows where e^-720 is still a number."""
    with np.errstate(over="ignore"):
        return 1 / np.exp(x[..., None, :] - x[..., :, None]).sum(-1)


@wrong("3.1")
def shift_beyond(x):
    """max - 600 keeps float64 right but overflows float32 and float16."""
    e = np.exp(x - (x.max(-1, keepdims=True) - 600))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def largest_magnitude(x):
    """The largest |x| as the shift: (-1000, 0) gives 0/0."""
    e = np.exp(x - np.abs(x).max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def only_when_large(x):
    """Shifts only if the maximum is above 700: forgets the rows far below 0."""
    if x.max() > 700:
        x = x - x.max(-1, keepdims=True)
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def half_precision(x):
    """Rounds to float16 on the way."""
    z = (x - x.max(-1, keepdims=True)).astype(np.float16)
    e = np.exp(z).astype(np.float64)
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def single_precision(x):
    """Returns float32 whatever comes in."""
    e = np.exp((x - x.max(-1, keepdims=True)).astype(np.float32))
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def sorts(x):
    """Sorts to find the maximum and forgets to sort back."""
    x = np.sort(x, axis=-1)
    e = np.exp(x - x[..., -1:])
    return e / e.sum(-1, keepdims=True)


@wrong("3.1")
def one_row_only(x):
    """Works on 1-D only: flattens anything else."""
    flat = [float(value) for value in x.ravel()]
    e = [math.exp(value - max(flat)) for value in flat]
    return [value / sum(e) for value in e]


@wrong("3.1")
def softmax_small_is_nothing(x):
    """Takes whatever lies 30 below the maximum for 0."""
    z = x - x.max(axis=-1, keepdims=True)
    return np.where(z < -30, 0, np.exp(z)) / np.exp(z).sum(axis=-1, keepdims=True)


@wrong("3.1")
def softmax_cut_at_700(x):
    """Cuts off at 700 below the maximum, where exp is still a normal number."""
    z = x - x.max(axis=-1, keepdims=True)
    e = np.exp(z) * (z > -700)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("3.1")
def softmax_epsilon_in_every_term(x):
    """Adds an epsilon to each exponential, above and below the bar."""
    e = np.exp(x - x.max(axis=-1, keepdims=True)) + 1e-12
    return e / e.sum(axis=-1, keepdims=True)


@wrong("3.1")
def maximum_as_a_pair(x):
    """torch.max with dim gives values and indices; the pair is subtracted."""
    e = torch.exp(x - torch.max(x, dim=-1, keepdim=True))
    return e / e.sum(dim=-1, keepdim=True)


# 3.2 softmax_axis(x, axis)


def softmax(v):
    """Softmax over the last axis, the answer to 3.1."""
    e = np.exp(v - v.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@right("3.2")
def passes_axis(x, axis):
    """The axis handed through."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@right("3.2")
def moves_axis(x, axis):
    """Moves the axis to the end and back; uses the answer to 3.1, named softmax."""
    return np.moveaxis(softmax(np.moveaxis(x, axis, -1)), -1, axis)


@right("3.2")
def swaps_axes(x, axis):
    """Swaps the axis with the last one, twice."""
    return softmax(x.swapaxes(axis, -1)).swapaxes(axis, -1)


right("3.2")(lambda x, axis: np.apply_along_axis(Softmax.row, axis, x))


@right("3.2")
def tensor_axis(x, axis):
    """torch's dim."""
    t = torch.tensor(x, dtype=torch.float64)
    e = torch.exp(t - t.max(dim=axis, keepdim=True).values)
    return e / e.sum(dim=axis, keepdim=True)


@right("3.2")
def expands(x, axis):
    """expand_dims instead of keepdims."""
    e = np.exp(x - np.expand_dims(np.max(x, axis), axis))
    return e / np.expand_dims(np.sum(e, axis), axis)


@wrong("3.2")
def ignores_axis(x, axis):
    """Always the last axis."""
    return softmax(x)


@wrong("3.2")
def first_axis_always(x, axis):
    """Always the first axis."""
    return passes_axis(x, 0)


@wrong("3.2")
def axis_without_keepdims(x, axis):
    """Missing keepdims: broadcasts along the wrong axis."""
    e = np.exp(x - np.max(x, axis))
    return e / np.sum(e, axis)


@wrong("3.2")
def reshapes(x, axis):
    """Reshapes instead of transposing."""
    length = x.shape[axis]
    return softmax(np.reshape(x, (-1, length))).reshape(x.shape)


@wrong("3.2")
def stays_moved(x, axis):
    """Moves the axis and does not move it back."""
    return softmax(np.moveaxis(x, axis, -1))


@wrong("3.2")
def moves_the_wrong_way(x, axis):
    """moveaxis with source and destination exchanged: the same for matrices only."""
    return np.moveaxis(softmax(np.moveaxis(x, -1, axis)), axis, -1)


@wrong("3.2")
def matrices_only(x, axis):
    """Transposes for axis 0: negative axes and 3-D arrays go wrong."""
    return softmax(x.T).T if axis == 0 else softmax(x)


@wrong("3.2")
def positive_axes(x, axis):
    """Drops the sign of a negative axis."""
    return passes_axis(x, abs(axis) % x.ndim)


@wrong("3.2")
def negative_raises(x, axis):
    """Walks through the axes by number, so that a negative one raises."""
    order = [a for a in range(x.ndim) if a != axis] + [axis]
    return softmax(x.transpose(order)).transpose(np.argsort(order))


@wrong("3.2")
def unshifted_axis(x, axis):
    """No shift."""
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


@wrong("3.2")
def last_axis_maximum(x, axis):
    """The maximum over the last axis, the sum over the given one: each entry scaled anew."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@wrong("3.2")
def global_shift(x, axis):
    """One maximum for the whole array."""
    e = np.exp(x - x.max())
    return e / e.sum(axis=axis, keepdims=True)


@wrong("3.2")
def library_axis(x, axis):
    """The library call."""
    return scipy.special.softmax(x, axis=axis)


@wrong("3.2")
def all_other_axes(x, axis):
    """Sums over all the other axes."""
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    e = np.exp(x - x.max(axis=others, keepdims=True))
    return e / e.sum(axis=others, keepdims=True)


@wrong("3.2")
def softmax_axis_log_space(x, axis):
    """x minus its log-sum-exp: digits are lost beside a large maximum."""
    x = np.asarray(x) * 1.0
    return np.exp(x - np.logaddexp.reduce(x, axis=axis, keepdims=True))


@wrong("3.2")
def softmax_axis_moved_there_reshaped_back(x, axis):
    """Moves the axis to the end, and reshapes where it has to be moved back."""
    z = np.moveaxis(x, axis, -1)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).reshape(x.shape)


@wrong("3.2")
def batches_always_by_rows(x, axis):
    """A branch for matrices that forgets the axis."""
    axis = 1 if x.ndim == 2 else axis
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# 3.3 a set

# Written down.
right("3.3")({"max", "max - 600", "max + 600"})
# From a list.
right("3.3")(set(["max + 600", "max - 600", "max"]))  # noqa: C405
# A frozen set.
right("3.3")(frozenset(("max - 600", "max", "max + 600")))
# NumPy strings.
right("3.3")(set(np.array(["max", "max - 600", "max + 600"])))
# Tried out.
SHIFTS = {
    "none": 0.0,
    "min": -1000.0,
    "mean": -1000 / 3,
    "median": -1000.0,
    "max": 1000.0,
    "max - 600": 400.0,
    "max + 600": 1600.0,
    "max + 800": 1800.0,
}
with np.errstate(all="ignore"):
    right("3.3")(
        {
            name
            for name, shift in SHIFTS.items()
            if 0 < np.exp(np.array([-1000.0, 1000.0, -1000.0]) - shift).sum() < np.inf
        }
    )

# Believes "any constant".
wrong("3.3")(set(SHIFTS))
# Believes any constant but none.
wrong("3.3")(set(SHIFTS) - {"none"})
# Only the maximum itself.
wrong("3.3")({"max"})
# Only shifts of the maximum or below it.
wrong("3.3")({"max", "max - 600"})
# Only shifts of the maximum or above it.
wrong("3.3")({"max", "max + 600", "max + 800"})
# All the maxima.
wrong("3.3")({"max", "max - 600", "max + 600", "max + 800"})
# Something in the middle of the data.
wrong("3.3")({"mean", "median", "max"})
# The list of what fails.
wrong("3.3")({"none", "min", "mean", "median", "max + 800"})
# Nothing.
wrong("3.3")(set())
# One string, not a set.
wrong("3.3")("max")
# A set of one long string.
wrong("3.3")({"max, max - 600, max + 600"})
# The shifts that are not the maximum.
wrong("3.3")({"max - 600", "max + 600"})
# The mean counted in.
wrong("3.3")({"mean", "max", "max - 600", "max + 600"})


# An array of the names.
right("3.3")(np.array(["max", "max - 600", "max + 600"]))

# One name, and no set.
wrong("3.3")("max")

# Names that nobody asked for.
wrong("3.3")({"max", "max-600", "max+600"})


# 3.4 masked_softmax(x, mask)


@right("3.4")
def filled_with_minus_inf(x, mask):
    """Fills with -inf; guards the maximum and the sum of an empty row."""
    z = np.where(mask, x, -np.inf)
    m = z.max(axis=-1, keepdims=True)
    e = np.exp(z - np.where(np.isneginf(m), 0, m))
    s = e.sum(axis=-1, keepdims=True)
    return e / np.where(s == 0, 1, s)


@right("3.4")
def row_by_row(x, mask):
    """Softmax of the kept entries alone, put back in place."""
    out = np.zeros(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        keep = mask[index]
        if keep.any():
            kept = x[index][keep].astype(np.float64)
            e = np.exp(kept - kept.max())
            out[index][keep] = e / e.sum()
    return out


@right("3.4")
def masked_tensor(x, mask):
    """masked_fill twice; torch's softmax is not the exercise here."""
    x, mask = torch.tensor(x, dtype=torch.float64), torch.tensor(mask)
    p = x.masked_fill(~mask, -torch.inf).softmax(-1)
    return p.masked_fill(~mask.any(-1, keepdim=True), 0.0)


@right("3.4")
def lists_of_kept(x, mask):
    """Recursion and lists."""
    if x.ndim > 1:
        return [lists_of_kept(row, keep) for row, keep in zip(x, mask, strict=True)]
    top = max((float(v) for v, k in zip(x, mask, strict=True) if k), default=0.0)
    e = [math.exp(float(v) - top) if k else 0.0 for v, k in zip(x, mask, strict=True)]
    return [value / (sum(e) or 1.0) for value in e]


@right("3.4")
def where_arguments(x, mask):
    """The where= of NumPy's reductions."""
    x = np.asarray(x, dtype=np.float64)
    m = np.max(x, axis=-1, keepdims=True, where=mask, initial=-np.inf)
    e = np.exp(x - m, where=mask, out=np.zeros_like(x))
    s = e.sum(axis=-1, keepdims=True)
    return np.divide(e, s, where=s > 0, out=np.zeros_like(x))


@right("3.4")
def masked_array(x, mask):
    """NumPy's masked arrays; masked results become 0."""
    kept = np.ma.array(x, mask=~mask, dtype=np.float64)
    e = np.ma.exp(kept - kept.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).filled(0)


@wrong("3.4")
def mask_times_logits(x, mask):
    """Multiplies the logits by the mask: a masked entry keeps e^0."""
    z = x * mask
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("3.4")
def small_fill(x, mask):
    """Fills with 1e-9, a small number but an ordinary logit."""
    z = np.where(mask, x, 1e-9)
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("3.4")
def zeroes_afterwards(x, mask):
    """Zeroes afterwards and does not renormalise."""
    p = softmax(np.asarray(x, dtype=float))
    p[~np.asarray(mask)] = 0
    return p


@wrong("3.4")
def renormalises_afterwards(x, mask):
    """The maximum over masked entries: a masked 2000 above makes 0/0."""
    p = softmax(x) * mask
    s = p.sum(-1, keepdims=True)
    return p / np.where(s == 0, 1, s)


@wrong("3.4")
def inverted(x, mask):
    """The mask inverted, as PyTorch's key_padding_mask has it."""
    return row_by_row(x, ~mask)


@wrong("3.4")
def nan_when_empty(x, mask):
    """NaN on a fully masked row."""
    z = np.where(mask, x, -np.inf)
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("3.4")
def uniform_when_empty(x, mask):
    """Uniform on a fully masked row."""
    z = np.where(mask, x, -np.inf)
    z = np.where(mask.any(-1, keepdims=True), z, 0.0)
    return softmax(z)


@wrong("3.4")
def ten_thousand(x, mask):
    """A fill of -1e4, above logits of -2e4; uniform on a fully masked row."""
    return softmax(np.where(mask, x, -1e4))


@wrong("3.4")
def additive_billion(x, mask):
    """Adds -1e9 to the masked logits: not enough against 1e10; uniform if all are masked."""
    e = softmax(x + np.where(mask, 0.0, -1e9))
    return e * mask.any(-1, keepdims=True)


@wrong("3.4")
def lowest_number(x, mask):
    """finfo.min, then zeroed on empty rows: a tie where the kept logits are finfo.min too."""
    x = np.asarray(x, dtype=np.float64)
    p = softmax(np.where(mask, x, np.finfo(x.dtype).min))
    return np.where(mask.any(-1, keepdims=True), p, 0.0)


@wrong("3.4")
def squeezes_row(x, mask):
    """Drops the masked entries, so that the shape shrinks to one flat row."""
    return softmax(x[mask].astype(float))


@wrong("3.4")
def empty_check_of_batch(x, mask):
    """Looks for an empty mask in the batch as a whole, not in each row."""
    if not mask.any():
        return np.zeros(x.shape)
    z = np.where(mask, x, -np.inf)
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("3.4")
def unshifted_masked(x, mask):
    """No shift."""
    e = np.exp(x) * mask
    s = e.sum(-1, keepdims=True)
    return e / np.where(s == 0, 1, s)


@wrong("3.4")
def guarded_by_epsilon(x, mask):
    """Clears the fully masked row by an epsilon that changes the others' digits."""
    z = np.where(mask, x, -np.inf)
    m = z.max(-1, keepdims=True)
    e = np.exp(z - np.where(np.isfinite(m), m, 0))
    return e / (e.sum(-1, keepdims=True) + 1e-6)


@wrong("3.4")
def overwrites_logits(x, mask):
    """Right numbers, but -inf is written into the caller's array."""
    x[~mask] = -np.inf
    return filled_with_minus_inf(x, mask)


@wrong("3.4")
def global_masked_maximum(x, mask):
    """One maximum for all rows: rows 2000 apart lose everything."""
    z = np.where(mask, x, -np.inf)
    e = np.exp(z - (z.max() if mask.any() else 0))
    s = e.sum(-1, keepdims=True)
    return e / np.where(s == 0, 1, s)


# What published code does, in our own words: axes, branches on the number of dimensions, buffers,
# masks that multiply, epsilons.


@right("3.1")
def softmax_transposed_twice(x):
    """The classes first, so that the reductions need no keepdims; then back."""
    z = np.moveaxis(np.asarray(x, dtype=float), -1, 0)
    z = np.exp(z - z.max(axis=0))
    return np.moveaxis(z / z.sum(axis=0), 0, -1)


@right("3.1")
def softmax_in_a_float_buffer(x):
    """Row by row into an array of floats."""
    p = np.empty(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        terms = np.exp(x[index] - x[index].max())
        p[index] = terms / terms.sum()
    return p


@right("3.1")
def softmax_tensor_as_it_comes(x):
    """The tensor's own methods: nothing but a tensor will do."""
    top, _ = x.max(dim=-1, keepdim=True)
    terms = (x - top).exp()
    return terms / terms.sum(dim=-1, keepdim=True)


@wrong("3.1")
def softmax_in_a_buffer_like_x(x):
    """Row by row into an array like x: integers cut the probabilities off."""
    p = np.zeros_like(x)
    for index in np.ndindex(x.shape[:-1]):
        terms = np.exp(x[index] - x[index].max())
        p[index] = terms / terms.sum()
    return p


@wrong("3.1")
def one_number_below_columns_above(x):
    """One maximum for everything, and column sums: what is often copied."""
    terms = np.exp(x - np.max(x))
    return terms / terms.sum(axis=0)


@wrong("3.1")
def axis_one_everywhere(x):
    """Axis 1: right for a batch alone."""
    terms = np.exp(x - x.max(axis=1, keepdims=True))
    return terms / terms.sum(axis=1, keepdims=True)


@wrong("3.1")
def axis_one_below_one_number_above(x):
    """One maximum for everything, and sums over axis 1."""
    return np.exp(x - np.max(x)) / np.exp(x - np.max(x)).sum(axis=1, keepdims=True)


@wrong("3.1")
def axis_one_without_shift(x):
    """Axis 1, nothing subtracted, as tensors' methods have it."""
    return x.exp() / x.exp().sum(1, keepdim=True)


@wrong("3.1")
def whole_array_without_shift(x):
    """The whole array at once, nothing subtracted."""
    return np.exp(x) / np.sum(np.exp(x))


@wrong("3.1")
def row_maximum_total_sum(x):
    """Each row's maximum, and one sum for all rows."""
    terms = np.exp(x - x.max(axis=-1, keepdims=True))
    return terms / terms.sum()


@wrong("3.1")
def batch_by_newaxis(x):
    """[:, np.newaxis] for keepdims: a batch and nothing else."""
    terms = np.exp(x - x.max(-1)[:, np.newaxis])
    return terms / terms.sum(-1)[:, np.newaxis]


@wrong("3.1")
def branch_on_two_dimensions(x):
    """A branch for a batch, and everything else at once."""
    if x.ndim == 2:
        terms = np.exp(x.T - x.T.max(axis=0))
        return (terms / terms.sum(axis=0)).T
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


@wrong("3.1")
def branch_that_forgets_stacks(x):
    """A branch for a batch, one for a row, none for a stack."""
    if x.ndim == 2:
        x = np.exp(x - x.max(axis=1, keepdims=True))
        return x / x.sum(axis=1, keepdims=True)
    if x.ndim == 1:
        x = np.exp(x - x.max())
        return x / x.sum()
    return x


@wrong("3.1")
def entry_by_entry(x):
    """Python loops over a single row, in a copy of x."""
    p = x.copy()
    top = p[0]
    for value in p:
        if value > top:
            top = value
    for i, value in enumerate(p):
        p[i] = math.exp(value - top)
    return p / p.sum()


@wrong("3.1")
def subtracted_too_late(x):
    """exp first, the maximum off it afterwards."""
    terms = np.exp(x) - np.max(x, axis=-1, keepdims=True)
    return terms / terms.sum(axis=-1, keepdims=True)


@wrong("3.1")
def logistic_of_each(x):
    """The sigmoid of each logit."""
    return 1.0 / (1.0 + np.exp(-x))


@wrong("3.1")
def hundred_above(x):
    """The maximum and 100 more."""
    terms = np.exp(x - x.max(axis=-1, keepdims=True) - 100)
    return terms / terms.sum(axis=-1, keepdims=True)


@wrong("3.2")
def row_as_table(x, axis):
    """At least two dimensions, flattened again: axis 0 of a row has become another."""
    table = np.atleast_2d(x)
    terms = np.exp(table - np.expand_dims(table.max(axis=axis), axis))
    p = terms / np.expand_dims(terms.sum(axis=axis), axis)
    return p.ravel() if x.ndim == 1 else p


@wrong("3.2")
def sums_put_back_last(x, axis):
    """The sums get their axis back at the end."""
    terms = np.exp(x)
    return terms / terms.sum(axis=axis)[..., np.newaxis]


@wrong("3.2")
def in_place_along_the_axis(x, axis):
    """The caller's array is overwritten."""
    x -= x.max(axis=axis, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=axis, keepdims=True)
    return x


@right("3.4")
def nan_cleaned_afterwards(x, mask):
    """The dead row's NaN set to 0: the values are right."""
    z = np.where(mask, x, -np.inf)
    with np.errstate(invalid="ignore"):
        terms = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.nan_to_num(terms / terms.sum(axis=-1, keepdims=True))


@right("3.4")
def tensor_cleaned_afterwards(x, mask):
    """The same with tensors that come as tensors."""
    return torch.nan_to_num(x.masked_fill(~mask, -torch.inf).softmax(dim=-1))


@right("3.4")
def written_into_a_copy(x, mask):
    """A copy of x, -inf written into it: x is a float array."""
    z = x.copy()
    z[~mask] = -np.inf
    z[~mask.any(axis=-1)] = 0
    return softmax(z) * mask


@wrong("3.4")
def mask_times_logits_renormalised(x, mask):
    """Logits times mask, softmax, mask, renormalised with an epsilon."""
    p = softmax(x * mask) * mask
    return p / (p.sum(-1, keepdims=True) + 1e-13)


@wrong("3.4")
def mask_times_logits_and_tiny(x, mask):
    """The same with an epsilon that changes no digit: the zeros are in the maximum."""
    p = softmax(x * mask) * mask
    return p / (p.sum(-1, keepdims=True) + 1e-30)


@wrong("3.4")
def maximum_of_all_with_epsilon(x, mask):
    """The maximum of all entries, and 1e-8 below the bar."""
    terms = np.exp(x - x.max(-1, keepdims=True)) * mask
    return terms / (terms.sum(-1, keepdims=True) + 1e-8)


@wrong("3.4")
def inverted_without_a_guard(x, mask):
    """-inf where the mask is True, and nothing against an empty row."""
    return softmax(np.where(mask, -np.inf, x))


@wrong("3.4")
def inverted_with_a_finite_fill(x, mask):
    """1 for masked, as additive masks have it."""
    hidden = mask.astype(float)
    return softmax((1 - hidden) * x + hidden * -1e30)


@wrong("3.4")
def finite_fill_then_zeroed(x, mask):
    """A finite fill, and the masked entries set to 0 at the end."""
    return softmax(np.where(mask, x, -1e9)) * mask


@wrong("3.4")
def tensor_finite_fill(x, mask):
    """A fill of -1e4 in a tensor."""
    return x.masked_fill(mask == 0, -1e4).softmax(dim=-1)


@wrong("3.4")
def masked_array_unshifted(x, mask):
    """A masked array of unshifted exponentials."""
    terms = np.ma.masked_array(np.exp(x), mask=~mask)
    return (terms / terms.sum(axis=-1, keepdims=True)).filled(0)


# 3.5 masked_log_softmax(x, mask)


@right("3.5")
def logs_of_the_kept(x, mask):
    """Row by row, the kept entries alone."""
    out = np.full(x.shape, -np.inf)
    for index in np.ndindex(x.shape[:-1]):
        keep = mask[index]
        if keep.any():
            z = x[index][keep].astype(float)
            z = z - z.max()
            out[index][keep] = z - np.log(np.exp(z).sum())
    return out


@right("3.5")
def library_on_minus_inf(x, mask):
    """SciPy's log-softmax of the filled logits; the dead rows are put right."""
    alive = mask.any(axis=-1, keepdims=True)
    z = np.where(mask, x, np.where(alive, -np.inf, 0.0))
    return np.where(mask, scipy.special.log_softmax(z, axis=-1), -np.inf)


@right("3.5")
def tensor_log_filled_twice(x, mask):
    """Tensors: log_softmax between two fills."""
    alive = mask.any(-1, keepdim=True)
    z = x.masked_fill(~mask, -torch.inf).masked_fill(~alive, 0.0)
    return torch.log_softmax(z, dim=-1).masked_fill(~mask, -torch.inf)


@right("3.5")
def nan_afterwards_in_logs(x, mask):
    """NaN only in dead rows, replaced by -inf."""
    z = np.where(mask, x, -np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = z - z.max(axis=-1, keepdims=True)
        z = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return np.where(np.isnan(z), -np.inf, z)


@right("3.5")
def lists_in_logs(x, mask):
    """Recursion and lists."""
    if x.ndim > 1:
        return [lists_in_logs(row, keep) for row, keep in zip(x, mask, strict=True)]
    kept = [float(v) for v, k in zip(x, mask, strict=True) if k]
    if not kept:
        return [-math.inf] * len(x)
    top = max(kept)
    log_sum = math.log(math.fsum(math.exp(v - top) for v in kept))
    return [float(v) - top - log_sum if k else -math.inf for v, k in zip(x, mask, strict=True)]


@right("3.5")
def where_in_the_reductions(x, mask):
    """NumPy's where= in maximum and sum."""
    top = np.max(x, axis=-1, keepdims=True, where=mask, initial=np.finfo(x.dtype).min)
    z = x - top
    terms = np.exp(z, where=mask, out=np.zeros_like(z))
    total = terms.sum(axis=-1, keepdims=True)
    return np.where(mask, z - np.log(np.where(total > 0, total, 1)), -np.inf)


@wrong("3.5")
def log_after_masked_softmax(x, mask):
    """The log of a right masked softmax: a kept class at -800 gives -inf."""
    with np.errstate(divide="ignore"):
        return np.log(row_by_row(x, mask))


@wrong("3.5")
def log_after_adding_1e_10(x, mask):
    """The log of the masked softmax and 1e-10."""
    return np.log(row_by_row(x, mask) + 1e-10)


@wrong("3.5")
def log_clipped(x, mask):
    """Clipped at 1e-12."""
    return np.log(np.clip(row_by_row(x, mask), 1e-12, 1))


def stable_logs(v):
    """Log-softmax over the last axis."""
    z = v - v.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


@wrong("3.5")
def mask_logs_by_1e9(x, mask):
    """A fill of -1e9."""
    return stable_logs(np.where(mask, x, -1e9))


@wrong("3.5")
def mask_logs_by_finfo(x, mask):
    """A fill of finfo.min, in a tensor."""
    return torch.log_softmax(torch.where(mask, x, torch.finfo(x.dtype).min), dim=-1)


@wrong("3.5")
def mask_logs_by_log_of_mask(x, mask):
    """The log of the mask and 1e-45."""
    return stable_logs(x + np.log(mask.astype(np.float64) + 1e-45))


@wrong("3.5")
def masked_after_the_log(x, mask):
    """The mask comes after the log-softmax of everything."""
    return np.where(mask, stable_logs(x), -np.inf)


@wrong("3.5")
def nan_in_dead_rows(x, mask):
    """Nothing against a row without entries."""
    with np.errstate(invalid="ignore"):
        return stable_logs(np.where(mask, x, -np.inf))


@wrong("3.5")
def dead_rows_uniform(x, mask):
    """Dead rows get the logits 0."""
    z = np.where(mask, x, -np.inf)
    z[~mask.any(axis=-1)] = 0
    return stable_logs(z)


@wrong("3.5")
def logs_of_the_masked(x, mask):
    """The mask inverted."""
    return logs_of_the_kept(x, ~mask)


@wrong("3.5")
def zero_for_masked(x, mask):
    """0 at masked entries."""
    return np.where(mask, logs_of_the_kept(x, mask), 0)


@wrong("3.5")
def logs_times_mask(x, mask):
    """The log-softmax of x times mask, times mask."""
    return stable_logs(x * mask) * mask


@wrong("3.5")
def logs_unshifted(x, mask):
    """No shift."""
    total = (np.exp(x) * mask).sum(axis=-1, keepdims=True)
    return np.where(mask, x - np.log(np.where(total == 0, 1, total)), -np.inf)


@wrong("3.5")
def logs_shifted_by_all(x, mask):
    """The maximum of all entries: those far below a masked one are lost."""
    z = x - x.max(axis=-1, keepdims=True)
    total = np.where(mask, np.exp(z), 0).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mask, z - np.log(total), -np.inf)


@wrong("3.5")
def logs_minus_lse(x, mask):
    """x minus its log-sum-exp: digits are lost beside a large maximum."""
    z = np.where(mask, x, -np.inf)
    lse = np.logaddexp.reduce(z, axis=-1, keepdims=True)
    return np.where(mask, z - np.where(np.isfinite(lse), lse, 0), -np.inf)


@wrong("3.5")
def logs_not_filled(x, mask):
    """The sum of the kept subtracted from everything."""
    top = np.max(x * mask, axis=-1, keepdims=True)
    total = (np.exp(x - top) * mask).sum(axis=-1, keepdims=True)
    return x - top - np.log(total + 1e-7)


@wrong("3.5")
def logs_without_mask(x, mask):
    """The mask is not used."""
    return stable_logs(x)


@wrong("3.5")
def probabilities_of_the_kept(x, mask):
    """The masked softmax, no log."""
    return row_by_row(x, mask)


@wrong("3.5")
def logs_in_place(x, mask):
    """-inf written into the caller's array."""
    x[~mask] = -np.inf
    return logs_of_the_kept(x, mask)


@wrong("3.4")
def masked_along_axis_one(x, mask):
    """Axis 1, and an epsilon against empty rows."""
    terms = np.exp(x - x.max(axis=1, keepdims=True)) * mask
    return terms / (terms.sum(axis=1, keepdims=True) + 1e-10)


@wrong("3.5")
def minus_inf_times_zero(x, mask):
    """-inf at the masked entries, and then the mask as a factor: NaN."""
    with np.errstate(invalid="ignore"):
        return stable_logs(np.where(mask, x, -np.inf)) * mask
