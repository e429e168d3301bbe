"""Answers to the exercises on the Jacobian of softmax: right ones, and wrong ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special
import torch

from . import right, wrong


def _softmax(x: Any) -> Any:
    """Softmax over the last axis, stable: the learner's own, from an earlier notebook."""
    x = np.asarray(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# 6.1 softmax_jacobian(x) --------------------------------------------------------------------


@right("6.1")
def jacobian_diag_minus_outer(x: Any) -> Any:
    """The formula as it is written: diag(p) - p pT."""
    p = _softmax(x)
    return np.diag(p) - np.outer(p, p)


@right("6.1")
def jacobian_python_loops(x: Any) -> Any:
    """Nothing but Python floats; returns a list of lists."""
    values = [float(v) for v in x]
    top = max(values)
    e = [math.exp(v - top) for v in values]
    total = math.fsum(e)
    p = [v / total for v in e]
    return [[p[i] * ((i == j) - p[j]) for j in range(len(p))] for i in range(len(p))]


@right("6.1")
def jacobian_eye_broadcast(x: Any) -> Any:
    """p_i (delta_ij - p_j) by broadcasting; np.eye is float64, so float32 is promoted."""
    p = scipy.special.softmax(x)
    return p[:, None] * (np.eye(len(p)) - p)


@right("6.1")
def jacobian_torch_autograd(x: Any) -> Any:
    """torch's reverse mode, row by row; returns a tensor."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    return torch.autograd.functional.jacobian(lambda v: torch.softmax(v, 0), t)


@right("6.1")
def jacobian_for_tensors_only(x: Any) -> Any:
    """Refuses NumPy arrays, as torch does; right on tensors."""
    p = torch.softmax(x, 0, dtype=torch.float64)
    return torch.diag_embed(p) - p[:, None] * p[None, :]


@right("6.1")
def jacobian_complex_step(x: Any) -> Any:
    """The complex step: no subtraction, so exact to rounding."""
    x = np.asarray(x, dtype=np.float64)
    h = 2.0**-27
    columns = []
    for j in range(x.size):
        z = (x - x.max()).astype(complex)
        z[j] += 1j * h
        e = np.exp(z)
        columns.append((e / e.sum()).imag / h)
    return np.stack(columns, axis=1)


class _CallableJacobian:
    """An object with __call__ instead of a function."""

    __name__ = "jacobian_callable_object"

    def __call__(self, x: Any) -> Any:
        p = _softmax(x)
        j = -p[:, np.newaxis] @ p[np.newaxis, :]
        j[np.diag_indices_from(j)] += p
        return j


right("6.1")(_CallableJacobian())


@wrong("6.1")
def jacobian_loop_fills_diagonal_only(x: Any) -> Any:
    """The diagonal only: a loop that never visits i != j."""
    p = _softmax(x)
    j = np.zeros((len(p), len(p)))
    for i, v in enumerate(p):
        j[i, i] = v * (1 - v)
    return j


@wrong("6.1")
def jacobian_einsum_plus(x: Any) -> Any:
    """Plus instead of minus off the diagonal."""
    p = _softmax(x)
    outer = np.einsum("i,j->ij", p, p)
    return np.where(np.eye(len(p), dtype=bool), np.diag(p) - outer, outer)


@wrong("6.1")
def jacobian_sigmoid_habit(x: Any) -> Any:
    """p(1 - p) as a vector: the derivative of the sigmoid."""
    p = torch.softmax(torch.tensor(np.array(x), dtype=torch.float64), -1)
    return p * (1 - p)


@wrong("6.1")
def jacobian_textbook_softmax(x: Any) -> Any:
    """exp overflows at 1000: unstable softmax inside."""
    e = np.exp(np.asarray(x, dtype=float))
    p = e / sum(e)
    return np.diag(p) - np.outer(p, p)


@wrong("6.1")
def jacobian_outer_p_one_minus_p(x: Any) -> Any:
    """p_i (1 - p_j) everywhere: forgets that delta_ij is 0 off the diagonal."""
    p = _softmax(x)
    return np.outer(p, 1 - p)


@wrong("6.1")
def jacobian_negated(x: Any) -> Any:
    """The sign of the whole matrix."""
    p = _softmax(x)
    return np.outer(p, p) - np.diag(p)


@wrong("6.1")
def jacobian_identity_minus_outer(x: Any) -> Any:
    """I instead of diag(p)."""
    p = _softmax(x)
    return np.identity(p.size) - np.outer(p, p)


@wrong("6.1")
def jacobian_of_log_softmax(x: Any) -> Any:
    """The Jacobian of the log-probabilities."""
    p = _softmax(x)
    return np.eye(p.size) - p


@right("6.1")
def jacobian_buffer_like_x(x: Any) -> Any:
    """A buffer of x's own dtype, filled: the logits are floats."""
    p = _softmax(x)
    j = np.zeros_like(x, shape=(p.size, p.size))
    j[:] = np.diag(p) - np.outer(p, p)
    return j


@wrong("6.1")
def jacobian_central_differences(x: Any) -> Any:
    """Numerical differentiation: half of the digits are lost."""
    x = np.asarray(x, dtype=float)
    h = 1e-6
    eye = np.eye(x.size)
    return np.stack([(_softmax(x + h * e) - _softmax(x - h * e)) / (2 * h) for e in eye], axis=1)


@wrong("6.1")
def jacobian_shifts_in_place(x: Any) -> Any:
    """Shifts the caller's array in place."""
    x -= x.max()
    p = np.exp(x)
    p /= p.sum()
    return np.diag(p) - np.outer(p, p)


@wrong("6.1")
def jacobian_torch_default_float32(x: Any) -> Any:
    """torch.tensor of a list is float32: half of float64's digits."""
    t = torch.tensor([float(v) for v in x])
    return torch.autograd.functional.jacobian(lambda v: torch.softmax(v, 0), t).numpy()


@wrong("6.1")
def jacobian_three_classes(x: Any) -> Any:
    """Hard-coded for three classes."""
    p = _softmax(x)
    a, b, c = p[0], p[1], p[2]
    rows = [[a - a * a, -a * b, -a * c], [-b * a, b - b * b, -b * c], [-c * a, -c * b, c - c * c]]
    return np.array(rows)


@wrong("6.1")
def jacobian_of_unnormalised_logits(x: Any) -> Any:
    """Takes the logits for the softmax's output."""
    column = np.reshape(x, (-1, 1))
    return np.diagflat(column) - column @ column.T


# 6.2 batch_jacobian(x) ----------------------------------------------------------------------


@right("6.2")
def batch_jacobian_einsum(x: Any) -> Any:
    """One einsum for the diagonal, one for the outer products."""
    p = _softmax(x)
    eye = np.eye(p.shape[1], dtype=p.dtype)
    return np.einsum("bi,ij->bij", p, eye) - np.einsum("bi,bj->bij", p, p)


@right("6.2")
def batch_jacobian_row_by_row(x: Any) -> Any:
    """A list comprehension over the rows."""
    return np.array([np.diag(p) - np.outer(p, p) for p in _softmax(x)])


@right("6.2")
def batch_jacobian_apply_along_axis(x: Any) -> Any:
    """apply_along_axis with a function that returns a matrix."""
    return np.apply_along_axis(lambda p: np.diag(p) - np.outer(p, p), -1, _softmax(x))


@right("6.2")
def batch_jacobian_vmap(x: Any) -> Any:
    """torch.func: jacrev of one row, mapped over the batch."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    return torch.func.vmap(torch.func.jacrev(lambda row: torch.softmax(row, 0)))(t)


@right("6.2")
def batch_jacobian_autograd_whole_batch(x: Any) -> Any:
    """The (N, n, N, n) Jacobian of the batch; rows do not interact, so summing N out is exact."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    return torch.autograd.functional.jacobian(lambda v: torch.softmax(v, 1), t).sum(dim=2)


@right("6.2")
def batch_jacobian_triple_loop(x: Any) -> Any:
    """Three loops and Python floats."""
    out = []
    for row in x:
        e = [math.exp(float(v) - float(max(row))) for v in row]
        p = [v / sum(e) for v in e]
        n = range(len(p))
        out.append([[(p[i] if i == j else 0.0) - p[i] * p[j] for j in n] for i in n])
    return out


@wrong("6.2")
def batch_jacobian_flat_outer(x: Any) -> Any:
    """One outer product over the whole batch: shape (N n, N n)."""
    p = _softmax(x).ravel()
    return np.diag(p) - np.outer(p, p)


@wrong("6.2")
def batch_jacobian_matmul_mixes_rows(x: Any) -> Any:
    """p.T @ p sums the outer products over the batch: every row gets the same matrix."""
    p = _softmax(x)
    return np.stack([np.diag(row) - p.T @ p for row in p])


@wrong("6.2")
def batch_jacobian_next_row(x: Any) -> Any:
    """Mixes rows: the second factor comes from the neighbouring row."""
    p = _softmax(x)
    return p[:, :, None] * (np.eye(p.shape[1]) - np.roll(p, 1, axis=0)[:, None, :])


@wrong("6.2")
def batch_jacobian_batch_last(x: Any) -> Any:
    """The batch comes out as the last axis: (n, n, N)."""
    p = _softmax(x).T
    return np.eye(len(p))[:, :, None] * p[:, None] - p[:, None] * p[None, :]


@wrong("6.2")
def batch_jacobian_softmax_over_batch(x: Any) -> Any:
    """softmax over axis 0: normalised over the batch."""
    p = scipy.special.softmax(x, axis=0)
    return p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])


@wrong("6.2")
def batch_jacobian_softmax_without_axis(x: Any) -> Any:
    """scipy's softmax without an axis normalises the whole matrix."""
    p = scipy.special.softmax(x)
    return p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])


@wrong("6.2")
def batch_jacobian_global_maximum(x: Any) -> Any:
    """Shifts by the maximum of the batch: a row 2000 lower becomes 0/0."""
    x = np.asarray(x, dtype=float)
    e = np.exp(x - x.max())
    p = e / e.sum(1, keepdims=True)
    return p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])


@wrong("6.2")
def batch_jacobian_mean(x: Any) -> Any:
    """Averages the matrices over the batch."""
    return np.mean([np.diag(p) - np.outer(p, p) for p in _softmax(x)], axis=0)


@wrong("6.2")
def batch_jacobian_first_row_only(x: Any) -> Any:
    """Forgets the batch: the first row's matrix, repeated."""
    p = _softmax(x)[0]
    return np.repeat((np.diag(p) - np.outer(p, p))[None], len(x), axis=0)


@wrong("6.2")
def batch_jacobian_without_diagonal(x: Any) -> Any:
    """-p_i p_j alone."""
    p = _softmax(x)
    return -p[:, :, None] * p[:, None, :]


@wrong("6.2")
def batch_jacobian_log_softmax(x: Any) -> Any:
    """The derivative of the log-probabilities, for every row."""
    p = _softmax(x)
    return np.eye(p.shape[1]) - p[:, None, :]


@wrong("6.2")
def batch_jacobian_diagonals_only(x: Any) -> Any:
    """The diagonal of each matrix, off-diagonal entries left at 0."""
    p = torch.softmax(torch.tensor(np.array(x), dtype=torch.float64), -1)
    return torch.diag_embed(p * (1 - p))


@wrong("6.2")
def batch_jacobian_one_number_a_class(x: Any) -> Any:
    """p (1 - p) for each entry: no matrix at all."""
    p = _softmax(x)
    return p - p**2


@wrong("6.2")
def batch_jacobian_samples_in_columns(x: Any) -> Any:
    """An einsum for samples that stand in the columns."""
    p = _softmax(x)
    return np.einsum("bc,bd->cbd", p, np.eye(len(p))) - np.einsum("bc,dc->cbd", p, p)


@right("6.2")
def batch_by_a_map_over_rows(x: Any) -> Any:
    """The derivative of one row's softmax, mapped over the batch."""
    return torch.func.vmap(torch.func.jacfwd(lambda row: row.softmax(dim=0)))(torch.tensor(x))


@wrong("6.2")
def batch_derived_at_once(x: Any) -> Any:
    """The derivative of the whole batch by the whole batch: four axes."""
    return torch.func.jacrev(lambda rows: rows.softmax(dim=1))(torch.tensor(x))


# 6.3 softmax_vjp(p, g) ----------------------------------------------------------------------


@right("6.3")
def vjp_plain(p: Any, g: Any) -> Any:
    """p (g - sum of p g)."""
    return p * (g - (p * g).sum(axis=-1, keepdims=True))


@right("6.3")
def vjp_einsum(p: Any, g: Any) -> Any:
    """The inner product by einsum, multiplied out."""
    inner = np.einsum("...i,...i->...", p, g)
    return p * g - inner[..., None] * p


@right("6.3")
def vjp_recursive_lists(p: Any, g: Any) -> Any:
    """Python floats and recursion over the leading axes."""
    if np.ndim(p) > 1:
        return [vjp_recursive_lists(a, b) for a, b in zip(p, g, strict=True)]
    inner = math.fsum(float(a) * float(b) for a, b in zip(p, g, strict=True))
    return [float(a) * (float(b) - inner) for a, b in zip(p, g, strict=True)]


@right("6.3")
def vjp_torch(p: Any, g: Any) -> Any:
    """torch in and out, computed in float64."""
    tp = torch.tensor(np.array(p), dtype=torch.float64)
    tg = torch.tensor(np.array(g), dtype=torch.float64)
    return tp * (tg - torch.linalg.vecdot(tp, tg).unsqueeze(-1))


@right("6.3")
def vjp_matmul(p: Any, g: Any) -> Any:
    """The inner product as a batched 1 x n by n x 1 product."""
    p, g = np.asarray(p), np.asarray(g)
    inner = (p[..., None, :] @ g[..., :, None])[..., 0]
    return p * (g - inner)


right("6.3")(np.vectorize(lambda p, g: p * (g - p @ g), signature="(n),(n)->(n)"))


@wrong("6.3")
def vjp_diagonal_einsum(p: Any, g: Any) -> Any:
    """p (1 - p) g: the diagonal of J only."""
    return np.einsum("...i,...i,...i->...i", p, 1 - p, g)


@wrong("6.3")
def vjp_without_factor(p: Any, g: Any) -> Any:
    """g - sum of p g: the factor p is missing."""
    tp, tg = torch.as_tensor(np.array(p)), torch.as_tensor(np.array(g))
    return tg - (tp * tg).sum(-1, keepdim=True)


@wrong("6.3")
def vjp_sum_over_everything(p: Any, g: Any) -> Any:
    """One inner product for the whole batch."""
    return p * (g - np.vdot(p, g))


@wrong("6.3")
def vjp_unweighted(p: Any, g: Any) -> Any:
    """Subtracts the unweighted sum of g."""
    return p * (g - np.sum(g, axis=-1, keepdims=True))


@wrong("6.3")
def vjp_mean_of_g(p: Any, g: Any) -> Any:
    """Subtracts the plain mean of g: right only for uniform p."""
    return p * (g - np.mean(g, axis=-1, keepdims=True))


@wrong("6.3")
def vjp_swapped_arguments(p: Any, g: Any) -> Any:
    """p and g exchanged."""
    return g * (p - (p * g).sum(-1, keepdims=True))


@wrong("6.3")
def vjp_plus(p: Any, g: Any) -> Any:
    """Adds the inner product."""
    return p * (g + (p * g).sum(-1, keepdims=True))


@wrong("6.3")
def vjp_axis_zero(p: Any, g: Any) -> Any:
    """The inner product over axis 0: right for one row only."""
    return p * (g - (p * g).sum(axis=0))


@wrong("6.3")
def vjp_missing_keepdims(p: Any, g: Any) -> Any:
    """Row sums without keepdims broadcast over the columns, silently on a square batch."""
    inner = (np.asarray(p) * g).sum(-1)
    return p * (g - inner)


@wrong("6.3")
def vjp_assumes_zero_mean(p: Any, g: Any) -> Any:
    """p g alone: right only where the weighted mean of g is 0."""
    return np.multiply(p, g)


@wrong("6.3")
def vjp_log_softmax(p: Any, g: Any) -> Any:
    """The product for log-softmax: g - p times the sum of g."""
    return g - p * np.sum(g, axis=-1, keepdims=True)


@wrong("6.3")
def vjp_centres_g_in_place(p: Any, g: Any) -> Any:
    """Right values, but g is overwritten."""
    g -= (p * g).sum(-1, keepdims=True)
    return p * g


@wrong("6.3")
def vjp_probabilities_again(p: Any, g: Any) -> Any:
    """Takes p for logits and applies softmax once more."""
    p = _softmax(p)
    return p * (g - (p * g).sum(-1, keepdims=True))


@wrong("6.3")
def vjp_by_a_matrix_for_each_row(p: Any, g: Any) -> Any:
    """Right for any shape, and builds J: n × n numbers for each row."""
    p, g = np.asarray(p), np.asarray(g)
    matrix = p[..., :, None] * (np.eye(p.shape[-1]) - p[..., None, :])
    return (g[..., None, :] @ matrix)[..., 0, :]


@wrong("6.3")
def vjp_matrix_of_tensors(p: Any, g: Any) -> Any:
    """torch's diag_embed: a matrix for each row, on tensors."""
    matrix = torch.diag_embed(p) - p.unsqueeze(-1) @ p.unsqueeze(-2)
    return (g.unsqueeze(-2) @ matrix).squeeze(-2)


@wrong("6.3")
def vjp_row_by_row_with_a_matrix(p: Any, g: Any) -> Any:
    """A loop over the rows of a batch: one row alone, or a stack, does not fit."""
    out = np.empty_like(g)
    for k, (row, upstream) in enumerate(zip(p, g, strict=True)):
        column = row.reshape(-1, 1)
        out[k] = (np.diagflat(column) - column @ column.T) @ upstream
    return out


@wrong("6.3")
def vjp_second_axis(p: Any, g: Any) -> Any:
    """axis=1: right for a batch only."""
    weighted = p * g
    return weighted - p * weighted.sum(axis=1, keepdims=True)


@wrong("6.3")
def vjp_second_axis_of_a_tensor(p: Any, g: Any) -> Any:
    """dim=1, on tensors."""
    return p * (g - torch.sum(p * g, dim=1, keepdim=True))


@wrong("6.3")
def vjp_as_if_after_cross_entropy(p: Any, g: Any) -> Any:
    """p - g: takes the upstream gradient for the target."""
    return np.subtract(p, g)


@wrong("6.3")
def vjp_passes_the_gradient_on(p: Any, g: Any) -> Any:
    """g itself."""
    return 1.0 * g


# 6.4 log_softmax_jacobian(x) ----------------------------------------------------------------


@right("6.4")
def log_jacobian_eye_minus_p(x: Any) -> Any:
    """I - p, broadcast over the rows; np.eye is float64, so float32 is promoted."""
    return np.eye(len(x)) - _softmax(x)


@right("6.4")
def log_jacobian_loops(x: Any) -> Any:
    """Two loops and a Python list."""
    top = float(max(x))
    e = [math.exp(float(v) - top) for v in x]
    total = sum(e)
    n = len(e)
    out = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            out[i][j] = (1.0 if i == j else 0.0) - e[j] / total
    return out


@right("6.4")
def log_jacobian_outer_with_ones(x: Any) -> Any:
    """I - 1 pT with an explicit outer product, in the precision of p."""
    p = _softmax(x)
    one = np.ones_like(p)
    return np.diag(one) - np.outer(one, p)


@right("6.4")
def log_jacobian_autograd(x: Any) -> Any:
    """Autograd through torch.log_softmax."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    return torch.autograd.functional.jacobian(lambda v: torch.log_softmax(v, -1), t).numpy()


@right("6.4")
def log_jacobian_tile_then_add(x: Any) -> Any:
    """A tile of -p with 1 added on the diagonal."""
    p = scipy.special.softmax(x)
    j = -np.tile(p, (p.size, 1))
    j.flat[:: p.size + 1] += 1
    return j


@wrong("6.4")
def log_jacobian_diagonal_only(x: Any) -> Any:
    """The diagonal only: 1 - p_i."""
    return np.diagflat(1 - _softmax(x))


@wrong("6.4")
def log_jacobian_transposed_loop(x: Any) -> Any:
    """Transposed: p_i where p_j belongs."""
    p = _softmax(x)
    return [[float(i == j) - p[i] for j in range(len(p))] for i in range(len(p))]


@wrong("6.4")
def log_jacobian_softmax_own(x: Any) -> Any:
    """softmax's own Jacobian, by autograd."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    return torch.autograd.functional.jacobian(lambda v: v.softmax(0), t)


@wrong("6.4")
def log_jacobian_divides_by_p(x: Any) -> Any:
    """J_softmax / p: the chain rule taken literally is 0/0 where p underflows."""
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)) / p[:, None]


@wrong("6.4")
def log_jacobian_negated(x: Any) -> Any:
    """The sign: p_j - delta_ij."""
    p = _softmax(x)
    return p - np.eye(p.size)


@wrong("6.4")
def log_jacobian_no_delta(x: Any) -> Any:
    """1 - p_j in every row: a one instead of the identity."""
    p = _softmax(x)
    return np.ones((p.size, p.size)) - p


@wrong("6.4")
def log_jacobian_minus_log_p(x: Any) -> Any:
    """Subtracts log p instead of p."""
    x = np.asarray(x, dtype=float)
    return np.eye(x.size) - (x - scipy.special.logsumexp(x))


@wrong("6.4")
def log_jacobian_outer(x: Any) -> Any:
    """p_i p_j where p_j belongs."""
    p = _softmax(x)
    return np.eye(p.size) - np.outer(p, p)


@wrong("6.4")
def log_jacobian_sum_of_outputs(x: Any) -> Any:
    """backward() on the sum: the column sums 1 - n p_j, a vector."""
    t = torch.tensor(np.array(x), dtype=torch.float64, requires_grad=True)
    torch.log_softmax(t, 0).sum().backward()
    return t.grad


@wrong("6.4")
def log_jacobian_textbook(x: Any) -> Any:
    """Textbook softmax: inf/inf at 1000."""
    x = np.asarray(x, dtype=float)
    return np.eye(x.size) - np.exp(x) / np.exp(x).sum()


@wrong("6.4")
def log_jacobian_float32(x: Any) -> Any:
    """Casts to float32: too few digits for float64 logits."""
    p = _softmax(np.asarray(x, dtype=np.float32))
    return np.eye(p.size, dtype=np.float32) - p


@wrong("6.4")
def log_jacobian_epsilon(x: Any) -> Any:
    """Differentiates log(p + eps): the rows of small p go to 0."""
    t = torch.tensor(np.array(x), dtype=torch.float64)
    return torch.autograd.functional.jacobian(lambda v: torch.log(v.softmax(0) + 1e-12), t)


# 6.5 log_softmax_vjp(log_p, g) --------------------------------------------------------------


@right("6.5")
def log_vjp_plain(log_p: Any, g: Any) -> Any:
    """g - p times the sum of g."""
    return g - np.exp(log_p) * np.sum(g, axis=-1, keepdims=True)


@right("6.5")
def log_vjp_einsum(log_p: Any, g: Any) -> Any:
    """The sum of g inside one einsum."""
    return g - np.einsum("...i,...j->...i", np.exp(log_p), g)


@right("6.5")
def log_vjp_apply_over_rows(log_p: Any, g: Any) -> Any:
    """Flattens to rows, loops, restores the shape; computed in float64."""
    shape = np.shape(g)
    rows_p = np.asarray(log_p, dtype=np.float64).reshape(-1, shape[-1])
    rows_g = np.asarray(g, dtype=np.float64).reshape(-1, shape[-1])
    out = [b - np.exp(a) * math.fsum(b) for a, b in zip(rows_p, rows_g, strict=True)]
    return np.array(out).reshape(shape)


@right("6.5")
def log_vjp_autograd(log_p: Any, g: Any) -> Any:
    """Autograd: log_softmax leaves log-probabilities as they are."""
    t = torch.tensor(np.array(log_p), requires_grad=True)
    out = torch.log_softmax(t, dim=-1)
    return torch.autograd.grad(out, t, torch.tensor(np.array(g), dtype=t.dtype))[0]


@wrong("6.5")
def log_vjp_matrix_of_ones(log_p: Any, g: Any) -> Any:
    """The row sums as a product with a matrix of ones: n × n numbers all the same."""
    g = np.asarray(g)
    n = g.shape[-1]
    return g - np.exp(log_p) * (g @ np.ones((n, n), dtype=g.dtype))


@wrong("6.5")
def log_vjp_diagonal(log_p: Any, g: Any) -> Any:
    """g (1 - p): the diagonal only, by expm1."""
    return -g * np.expm1(log_p)


@wrong("6.5")
def log_vjp_softmax_formula(log_p: Any, g: Any) -> Any:
    """softmax's product p (g - sum of p g)."""
    p = torch.tensor(np.array(log_p)).exp()
    t = torch.tensor(np.array(g))
    return p * (t - (p * t).sum(-1, keepdim=True))


@wrong("6.5")
def log_vjp_identity(log_p: Any, g: Any) -> Any:
    """g itself: right only when g sums to 0."""
    return np.array(g)


@wrong("6.5")
def log_vjp_transposed(log_p: Any, g: Any) -> Any:
    """J g instead of gT J: g - sum of p g."""
    return g - np.sum(np.exp(log_p) * g, axis=-1, keepdims=True)


@wrong("6.5")
def log_vjp_forgets_exp(log_p: Any, g: Any) -> Any:
    """Multiplies by log p, not by p."""
    return g - log_p * np.sum(g, axis=-1, keepdims=True)


@wrong("6.5")
def log_vjp_mean(log_p: Any, g: Any) -> Any:
    """The mean of g instead of its sum."""
    return g - np.exp(log_p) * np.mean(g, axis=-1, keepdims=True)


@wrong("6.5")
def log_vjp_sum_of_batch(log_p: Any, g: Any) -> Any:
    """The sum of g over the whole batch."""
    return g - np.exp(log_p) * np.sum(g)


@wrong("6.5")
def log_vjp_sum_over_axis_zero(log_p: Any, g: Any) -> Any:
    """The sum of g over the batch axis."""
    return g - np.exp(log_p) * np.sum(g, axis=0, keepdims=True)


@wrong("6.5")
def log_vjp_missing_keepdims(log_p: Any, g: Any) -> Any:
    """The row sums lose their axis: wrong row on a square batch."""
    return g - np.exp(log_p) * np.asarray(g).sum(axis=-1)


@wrong("6.5")
def log_vjp_sign(log_p: Any, g: Any) -> Any:
    """The sign of the whole product."""
    return np.exp(log_p) * np.sum(g, axis=-1, keepdims=True) - g


@wrong("6.5")
def log_vjp_softmax_over_batch(log_p: Any, g: Any) -> Any:
    """Normalises exp(log_p) once more, over the batch."""
    p = np.exp(log_p)
    return g - p / p.sum(axis=0) * np.sum(g, axis=-1, keepdims=True)


@wrong("6.5")
def log_vjp_divides_softmax_jacobian(log_p: Any, g: Any) -> Any:
    """The chain rule over log: g / p is inf where p underflows, and 0 times inf is NaN."""
    p = np.exp(log_p)
    h = g / p
    return p * (h - (p * h).sum(-1, keepdims=True))


@right("6.5")
def log_vjp_on_tensors(log_p: Any, g: Any) -> Any:
    """torch's exp and sum: tensors only."""
    return g - torch.exp(log_p) * torch.sum(g, dim=-1, keepdim=True)


@wrong("6.5")
def log_vjp_adds_p(log_p: Any, g: Any) -> Any:
    """g + p: the sign, and the sum of g is missing."""
    return np.exp(log_p) + g


@wrong("6.5")
def log_vjp_second_axis(log_p: Any, g: Any) -> Any:
    """axis=1: right for a batch only."""
    total = np.add.reduce(g, axis=1, keepdims=True)
    return g - total * np.exp(log_p)


@wrong("6.5")
def log_vjp_through_the_jacobian(log_p: Any, g: Any) -> Any:
    """Builds I - 1 pT for each row."""
    p = np.exp(log_p)
    matrix = np.eye(p.shape[-1]) - np.broadcast_to(p[..., None, :], (*p.shape, p.shape[-1]))
    return np.squeeze(np.asarray(g)[..., None, :] @ matrix, axis=-2)


@wrong("6.5")
def log_vjp_by_softmax_backward(log_p: Any, g: Any) -> Any:
    """The backward pass of softmax, in torch."""
    weighted = g * log_p.exp()
    return weighted - log_p.exp() * weighted.sum(dim=-1, keepdim=True)


# 6.6 numerical_jacobian(f, x) ---------------------------------------------------------------


@right("6.6")
def numerical_columns(f: Any, x: Any) -> Any:
    """A column for each unit vector, step the cube root of eps."""
    x = np.asarray(x, dtype=np.float64)
    h = np.cbrt(np.finfo(np.float64).eps)
    return np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)], axis=-1)


@right("6.6")
def numerical_copies(f: Any, x: Any) -> Any:
    """Copies of x with one entry moved, and the step as it was really taken."""
    columns = []
    for j in range(len(x)):
        up, down = np.array(x, dtype=float), np.array(x, dtype=float)
        up[j] += 1e-5
        down[j] -= 1e-5
        columns.append((np.asarray(f(up)) - np.asarray(f(down))) / (up[j] - down[j]))
    return np.column_stack(columns)


@right("6.6")
def numerical_along_axis(f: Any, x: Any) -> Any:
    """apply_along_axis over the unit vectors."""
    h = 5e-6
    return np.apply_along_axis(
        lambda e: (f(x + h * e) - f(x - h * e)) / (2 * h), 1, np.eye(len(x))
    ).T


@right("6.6")
def numerical_fourth_order(f: Any, x: Any) -> Any:
    """The five-point central difference: a larger step, a smaller error."""
    x = np.array(x, dtype=float)
    h = 5e-4
    out = []
    for e in h * np.eye(x.size):
        out.append((8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h))
    return np.transpose(out)


@right("6.6")
def numerical_richardson(f: Any, x: Any) -> Any:
    """Central differences with two steps, extrapolated; returns a list of rows."""
    x = np.asarray(x).astype(float)

    def central(j: int, h: float) -> Any:
        e = np.zeros(x.size)
        e[j] = h
        return (f(x + e) - f(x - e)) / (2 * h)

    columns = [(4 * central(j, 5e-4) - central(j, 1e-3)) / 3 for j in range(x.size)]
    return [list(row) for row in zip(*columns, strict=True)]


@wrong("6.6")
def numerical_forward(f: Any, x: Any) -> Any:
    """Forward differences: error of the order of h."""
    h = 1.5e-8
    fx = f(np.array(x, dtype=float))
    return np.stack([(f(x + h * e) - fx) / h for e in np.eye(len(x))], axis=1)


@wrong("6.6")
def numerical_tiny_step(f: Any, x: Any) -> Any:
    """A step of 1e-12 cancels all but four digits."""
    h = 1e-12
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))]).T


@wrong("6.6")
def numerical_transposed(f: Any, x: Any) -> Any:
    """(n, m): the unit vectors become rows, and nobody transposes."""
    h = 6e-6
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


@wrong("6.6")
def numerical_moves_x(f: Any, x: Any) -> Any:
    """Moves the caller's x and does not put it back."""
    h = 6e-6
    columns = []
    for j in range(len(x)):
        x[j] += h
        up = f(x)
        x[j] -= 2 * h
        columns.append((up - f(x)) / (2 * h))
    return np.column_stack(columns)


@wrong("6.6")
def numerical_moves_x_and_back(f: Any, x: Any) -> Any:
    """Puts x back by adding h again: off by a rounding error, and fails on a read-only array."""
    h = 6e-6
    columns = []
    for j in range(len(x)):
        x[j] += h
        up = f(x)
        x[j] -= 2 * h
        down = f(x)
        x[j] += h
        columns.append((up - down) / (2 * h))
    return np.column_stack(columns)


@wrong("6.6")
def numerical_large_step(f: Any, x: Any) -> Any:
    """A step of 0.01: truncation error 1e-5."""
    h = 0.01
    return np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))], axis=1)


@wrong("6.6")
def numerical_divides_by_h(f: Any, x: Any) -> Any:
    """Divides by h instead of 2h: twice the derivative."""
    h = 6e-6
    return np.stack([(f(x + h * e) - f(x - h * e)) / h for e in np.eye(len(x))], axis=1)


@wrong("6.6")
def numerical_all_at_once(f: Any, x: Any) -> Any:
    """Moves every coordinate at once: the directional derivative along (1, ..., 1)."""
    h = 6e-6
    return (f(x + h) - f(x - h)) / (2 * h)


@wrong("6.6")
def numerical_square_buffer(f: Any, x: Any) -> Any:
    """A buffer of (n, n): assumes m = n."""
    n = len(x)
    h = 6e-6
    out = np.zeros((n, n))
    for j, e in enumerate(np.eye(n)):
        out[:, j] = (f(x + h * e) - f(x - h * e)) / (2 * h)
    return out


@wrong("6.6")
def numerical_integer_copy(f: Any, x: Any) -> Any:
    """x.copy() of integers stays integer: the step vanishes and every derivative is 0."""
    h = 6e-6
    columns = []
    for j in range(len(x)):
        up, down = x.copy(), x.copy()
        up[j] = up[j] + h
        down[j] = down[j] - h
        columns.append((f(up) - f(down)) / (2 * h))
    return np.stack(columns, axis=1)


@wrong("6.6")
def numerical_relative_step(f: Any, x: Any) -> Any:
    """A step proportional to x is 0 where x is 0: 0/0."""
    steps = 6e-6 * np.asarray(x, dtype=float)
    columns = []
    for j, h in enumerate(steps):
        e = np.zeros(len(x))
        e[j] = h
        columns.append((f(x + e) - f(x - e)) / (2 * h))
    return np.stack(columns, axis=1)


@wrong("6.6")
def numerical_backward(f: Any, x: Any) -> Any:
    """Backward differences."""
    h = 1e-7
    return np.stack([(f(x + 0.0) - f(x - h * e)) / h for e in np.eye(len(x))], axis=1)


@wrong("6.6")
def numerical_float32(f: Any, x: Any) -> Any:
    """float32 inside: the differences keep four digits."""
    x = np.asarray(x, dtype=np.float32)
    h = np.float32(5e-3)
    eye = np.eye(x.size, dtype=np.float32)
    return np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in eye], axis=1)


@wrong("6.6")
def numerical_library_jacobian(f: Any, x: Any) -> Any:
    """SciPy's own numerical Jacobian."""
    import scipy.differentiate

    return scipy.differentiate.jacobian(lambda v: np.apply_along_axis(f, 0, v), 1.0 * x).df


@wrong("6.6")
def numerical_gradient_of_all_outputs(f: Any, x: Any) -> Any:
    """One number for each coordinate, in a buffer like x, with x moved and put back."""
    gradient = np.zeros_like(x)
    for j, kept in enumerate(x.tolist()):
        x[j] = kept + 1e-5
        above = np.array(f(x))
        x[j] = kept - 1e-5
        gradient[j] = (above - f(x)).sum() / 2e-5
        x[j] = kept
    return gradient
