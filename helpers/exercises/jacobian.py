"""Exercises 6.1 to 6.6: softmax's Jacobian, its products without a matrix, a numerical check."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary, spread

_rng = np.random.default_rng(6)

ROW = np.array([0.5, 2.0, -1.0])
LONGER = np.array([2.0, -0.5, 1.0, 0.25, -3.0])
BATCH = np.array([[1.0, 2.0, 4.0, 0.5], [3.0, -1.0, 0.0, 1.5]])
SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])


def _read_only(array):
    array.flags.writeable = False
    return array


def _softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _textbook(x):
    e = np.exp(x)
    return e / np.sum(e, axis=-1, keepdims=True)


def _matrices(p):
    """Return diag(p) - p pᵀ for every row of p."""
    return p[..., :, None] * (np.eye(p.shape[-1]) - p[..., None, :])


def _rows_of_p(x, expected):
    """Return p_i: each entry of J's row i is a difference of terms no larger than it."""
    return _softmax(np.asarray(x, dtype=float))[..., :, None]


def _differentiated(name):
    """Return the Jacobian of a torch function over the last axis, by autograd, row by row."""

    def truth(x):
        import torch

        function = getattr(torch, name)
        rows = torch.tensor(np.array(x, dtype=float)).reshape(-1, np.shape(x)[-1])
        of_one = torch.autograd.functional.jacobian
        matrices = [of_one(lambda v: function(v, dim=0), row) for row in rows]
        return torch.stack(matrices).reshape(*np.shape(x), np.shape(x)[-1]).numpy()

    return truth


# --- 6.1 -----------------------------------------------------------------------------------------


@exercise(
    "6.1",
    minutes=6,
    probes=[
        ordinary(ROW, note="one row of three"),
        ordinary(LONGER, note="a row of five, in no order"),
        ordinary(np.array([3.0, 2.0]), note="two classes, descending"),
        ordinary(np.array([-2.0, 1.0, 1.0, -2.0]), note="ties"),
        ordinary(np.array([1.5]), note="one class: its probability never moves"),
        ordinary(_read_only(np.array([1.0, 4.0, 2.0])), note="a read-only row"),
        ordinary(np.array([1.0, -np.inf, 2.5]), note="a masked class, -inf"),
        ordinary(ROW.astype(np.float32), note="float32"),
        ordinary(ROW.astype(np.float16), note="float16"),
        extreme(np.array([1000.0, 999.0, 0.0]), note="exp(1000) overflows"),
        extreme(np.array([-1000.0, -1001.0, -1003.0]), note="every exp of the logits is 0"),
    ],
    truth=_differentiated("softmax"),
    scale=_rows_of_p,
    relative=lambda x: spread(x).max(),
    library=("softmax_jacobian",),
    remark="In one line: np.diag(p) - np.outer(p, p). It is symmetric, and its rows sum to 0.",
)
def softmax_jacobian(x):
    """Return the Jacobian of softmax at one row of logits: J[i, j] = dp_i / dx_j.

    Write it yourself: autograd is welcome, the course's own `gradients` are not.

    x : 1-D float array of n logits, of any size (exp(x) may overflow), or -inf for a masked class;
    it stays unchanged.
    Returns an array of shape (n, n).
    """
    e = np.exp(x - np.max(x))
    p = e / np.sum(e)
    return np.diag(p) - np.outer(p, p)


softmax_jacobian.hints(
    "Every logit moves every probability, since they share one sum: you need a full n × n matrix.",
    "On the diagonal stands p_i (1 - p_i), off the diagonal -p_i p_j. Both are p_i (δ_ij - p_j).",
    "p_i p_j for all i and j at once is np.outer(p, p); p on the diagonal is np.diag(p).",
    "Compute p stably first: e = np.exp(x - np.max(x)); p = e / e.sum().",
)
softmax_jacobian.reasoning(
    "p_i δ_ij is the matrix diag(p), p_i p_j the outer product p pᵀ. Their difference holds both "
    "cases of the derivation: p_i - p_i² on the diagonal and -p_i p_j off it. The shift by the "
    "maximum changes no probability, so it changes no derivative either."
)


@softmax_jacobian.mistake(
    "only the diagonal is there: raising x_j also lowers every other probability. "
    "Off the diagonal stands -p_i p_j."
)
def diagonal_only(x):
    p = _softmax(x)
    return np.diag(p * (1 - p))


@softmax_jacobian.mistake(
    "the vector p(1 - p) is the derivative of the sigmoid: softmax has n outputs that each "
    "depend on n logits, so its derivative is an n × n matrix."
)
def vector_of_p_one_minus_p(x):
    p = _softmax(x)
    return p * (1 - p)


@softmax_jacobian.mistake(
    "the off-diagonal entries have a plus: raising one logit lowers the other probabilities, so "
    "they are -p_i p_j.",
    everywhere=(False, True),
)
def plus_off_the_diagonal(x, *, everywhere):
    p = _softmax(x)
    plus = np.diag(p) + np.outer(p, p)
    if not everywhere:
        np.fill_diagonal(plus, p * (1 - p))
    return plus


@softmax_jacobian.mistake(
    "the softmax inside overflows or underflows: subtract the maximum before exp. "
    "The derivative does not change by it."
)
def unstable_softmax(x):
    p = _textbook(x)
    return np.diag(p) - np.outer(p, p)


@softmax_jacobian.mistake(
    "that is the Jacobian of log-softmax, δ_ij - p_j: the factor p_i is missing."
)
def jacobian_of_log_softmax(x):
    p = _softmax(x)
    return np.eye(p.size) - p


@softmax_jacobian.mistake(
    "the identity stands where diag(p) belongs: p_i (δ_ij - p_j) has the factor p_i in front of "
    "the δ too."
)
def identity_instead_of_diag(x):
    p = _softmax(x)
    return np.eye(p.size) - np.outer(p, p)


@softmax_jacobian.mistake(
    "the δ is forgotten, so p_i (1 - p_j) stands everywhere: δ_ij is 1 on the diagonal and 0 off "
    "it, where only -p_i p_j is left."
)
def delta_forgotten(x):
    p = _softmax(x)
    return np.outer(p, 1 - p)


@softmax_jacobian.mistake(
    "the term diag(p) is missing: -p_i p_j is right off the diagonal, on it p_i is to be added."
)
def diagonal_forgotten(x):
    p = _softmax(x)
    return -np.outer(p, p)


@softmax_jacobian.mistake(
    "the sign of the whole matrix is turned: raising x_i raises p_i, so the diagonal is positive."
)
def negative(x):
    p = _softmax(x)
    return np.outer(p, p) - np.diag(p)


@softmax_jacobian.mistake(
    "the values are right, but the caller's logits were changed in place: write "
    "x - np.max(x), which makes a new array."
)
def modifies_the_logits(x):
    x -= np.max(x)
    p = _softmax(x)
    return np.diag(p) - np.outer(p, p)


@softmax_jacobian.mistake(
    "the transpose `.T` does nothing to a 1-D array: p * p.T is the vector p², and p @ p.T one "
    "number. All the products p_i p_j are np.outer(p, p).",
    product=(np.multiply, np.matmul),
)
def transpose_of_one_row(x, *, product):
    p = _softmax(x)
    return np.diag(p) - product(p, p.T)


@softmax_jacobian.mistake(
    "the logits were taken for the probabilities: the formula is right for p, and x still has to "
    "go through softmax first."
)
def logits_taken_for_probabilities(x):
    return np.diag(x) - np.outer(x, x)


# --- 6.2 -----------------------------------------------------------------------------------------


@exercise(
    "6.2",
    minutes=6,
    probes=[
        ordinary(BATCH, note="two rows of four"),
        ordinary(SQUARE, note="a square batch: axes that are mixed up do not show in its shape"),
        ordinary(np.array([[0.5, -1.0], [2.0, 2.0], [-3.0, 1.0]]), note="three rows of two"),
        ordinary(np.array([[1.0, 0.0, 2.0]]), note="a batch of one"),
        ordinary(np.array([[1.0], [2.0]]), note="one class: two matrices of one 0"),
        ordinary(_read_only(SQUARE[:2].copy()), note="a read-only batch"),
        ordinary(np.array([[1.0, -np.inf, 2.0], [0.0, 1.0, 3.0]]), note="a masked class, -inf"),
        ordinary(BATCH.astype(np.float32), note="float32"),
        ordinary(BATCH.astype(np.float16), note="float16"),
        extreme(
            np.array([[1000.0, 999.0, 998.0], [-1000.0, -1001.0, -1003.0]]),
            note="rows 2000 apart",
        ),
        extreme(np.array([[1000.0, 999.0]]), note="exp(1000) overflows"),
    ],
    truth=_differentiated("softmax"),
    scale=_rows_of_p,
    relative=lambda x: spread(x).max(),
    time_limit=10.0,  # torch.func alone takes seconds to load
    library=("softmax_jacobian", "batch_jacobian"),
    remark="Rows never touch: these N blocks hold all of the (N, n, N, n) Jacobian.",
)
def batch_jacobian(x):
    """Return the Jacobian of softmax for every row of a batch.

    Write it yourself: autograd is welcome, the course's own `gradients` are not.

    x : float array of logits, shape (N, n), of any size, or -inf for a masked class.
    Returns an array of shape (N, n, n): J[b, i, j] = dp[b, i] / dx[b, j].
    """
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return p[:, :, None] * (np.eye(p.shape[-1]) - p[:, None, :])


batch_jacobian.hints(
    "The rows do not influence each other: you need one n × n matrix for each, N in all. "
    "A loop over the rows is a good start.",
    "Without a loop: p[:, :, None] has shape (N, n, 1) and carries p_i, p[:, None, :] has shape "
    "(N, 1, n) and carries p_j.",
    "p_i (δ_ij - p_j) is p[:, :, None] * (np.eye(n) - p[:, None, :]).",
    "Take the softmax of each row by itself: maximum and sum over the last axis, keepdims=True.",
)
batch_jacobian.reasoning(
    "np.eye(n) has the shape (n, n) and is broadcast over the batch. The new axes put p_i along "
    "the second axis and p_j along the third; the first is the batch, and stays in step in all "
    "factors, so no row meets another."
)


@batch_jacobian.mistake(
    "one outer product was taken over the whole flattened batch, shape (N·n, N·n): rows do not "
    "influence each other. Take one n × n matrix for each row."
)
def one_outer_product_for_the_batch(x):
    p = _softmax(x).ravel()
    return np.diag(p) - np.outer(p, p)


@batch_jacobian.mistake(
    "the rows are mixed: p.T @ p sums the outer products over the batch. Each row needs its own, "
    "p[:, :, None] * p[:, None, :].",
    mean=(False, True),
)
def mixes_rows(x, *, mean):
    p = _softmax(x)
    together = p.T @ p / (len(p) if mean else 1)
    return np.stack([np.diag(row) - together for row in p])


@batch_jacobian.mistake(
    "the batch axis comes out last, shape (n, n, N): the task asks for (N, n, n)."
)
def batch_axis_last(x):
    return np.moveaxis(_matrices(_softmax(x)), 0, -1)


@batch_jacobian.mistake(
    "the softmax runs down the columns: the classes are the last axis, so normalise each row."
)
def softmax_over_the_batch(x):
    return _matrices(_softmax(np.asarray(x).T).T)


@batch_jacobian.mistake(
    "the softmax was taken over the whole batch, so all entries together sum to 1: "
    "each row is a distribution of its own."
)
def softmax_over_everything(x):
    return _matrices(_softmax(np.ravel(x)).reshape(np.shape(x)))


@batch_jacobian.mistake(
    "one maximum was subtracted from the whole batch: a row far below it becomes 0/0. "
    "Subtract each row's own maximum."
)
def one_maximum_for_the_batch(x):
    e = np.exp(x - np.max(x))
    return _matrices(e / e.sum(axis=-1, keepdims=True))


@batch_jacobian.mistake(
    "the softmax inside overflows or underflows: subtract each row's maximum before exp."
)
def unstable_softmax_in_the_batch(x):
    return _matrices(_textbook(x))


@batch_jacobian.mistake(
    "the matrices were averaged or summed over the batch: the task asks for one per row.",
    reduce=(np.mean, np.sum),
)
def reduced_over_the_batch(x, *, reduce):
    return reduce(_matrices(_softmax(x)), axis=0)


@batch_jacobian.mistake("every row got the first row's matrix: each row has its own p.")
def first_row_for_all(x):
    j = _matrices(_softmax(x))
    return np.broadcast_to(j[:1], j.shape).copy()


@batch_jacobian.mistake(
    "only the diagonals are there: off the diagonal of each matrix stands -p_i p_j."
)
def diagonals_only(x):
    p = _softmax(x)
    return (p * (1 - p))[:, :, None] * np.eye(p.shape[-1])


@batch_jacobian.mistake(
    "the term diag(p) is missing: -p_i p_j is right off the diagonal, on it p_i is to be added."
)
def diagonals_forgotten(x):
    p = _softmax(x)
    return -p[:, :, None] * p[:, None, :]


@batch_jacobian.mistake("these are the Jacobians of log-softmax: the factor p_i is missing.")
def jacobians_of_log_softmax(x):
    p = _softmax(x)
    return np.eye(p.shape[-1]) - p[:, None, :]


@batch_jacobian.mistake(
    "the formula of one row was applied to the batch: np.diag takes the diagonal out of a 2-D "
    "array, and np.outer flattens it. Loop over the rows, or use p[:, :, None] and p[:, None, :]."
)
def formula_of_one_row(x):
    p = _softmax(x)
    return np.diag(p) - np.outer(p, p)


@batch_jacobian.mistake(
    "the rows are multiplied with each other: p @ p.T has the shape (N, N). Within each row the "
    "products are p[:, :, None] * p[:, None, :]."
)
def multiplies_rows_with_rows(x):
    p = _softmax(x)
    return p[:, :, None] * np.eye(p.shape[-1]) - p @ p.T


@batch_jacobian.mistake(
    "the two factors carry the same index, so the products are p_i² or p_j²: one of them needs "
    "the other new axis, p[:, :, None] * p[:, None, :].",
    axis=(1, 2),
)
def one_index_twice(x, *, axis):
    p = _softmax(x)
    return p[:, :, None] * np.eye(p.shape[-1]) - np.expand_dims(p, axis) ** 2


@batch_jacobian.mistake(
    "the product p(1 - p) has one entry a class: it is the diagonal of each matrix, and the "
    "derivative of the sigmoid. Each row needs an n × n matrix."
)
def rows_of_p_one_minus_p(x):
    p = _softmax(x)
    return p * (1 - p)


@batch_jacobian.mistake(
    "there is one matrix for each class, over the rows of the batch: the samples were taken for "
    "columns. Each row needs one, over its classes."
)
def one_matrix_for_each_class(x):
    return _matrices(_softmax(x).T)


@batch_jacobian.mistake(
    "that is the Jacobian of the whole batch, (N, n, N, n): each row by every row, and 0 wherever "
    "they differ. Keep the N blocks of a row by itself, or map one row's Jacobian over the batch."
)
def jacobian_of_the_whole_batch(x):
    rows = np.arange(len(x))
    every = np.zeros((*np.shape(x), *np.shape(x)))
    every[rows, :, rows, :] = _matrices(_softmax(x))
    return every


# --- 6.3 -----------------------------------------------------------------------------------------


def _backward(name):
    """Return a torch function's own backward pass: it gives dL/dx for log p in and g coming back.

    Log-probabilities are logits that softmax takes back to p, and log-softmax leaves alone.
    """

    def truth(log_p, g):
        import torch

        x = torch.tensor(np.array(log_p, dtype=float), requires_grad=True)
        out = getattr(torch, name)(x, dim=-1)
        return torch.autograd.grad(out, x, torch.tensor(np.array(g, dtype=float)))[0].numpy()

    return truth


def _exact_vjp(p, g):
    with np.errstate(divide="ignore"):
        return _backward("softmax")(np.log(np.asarray(p, dtype=float)), g)


def _size_of_vjp(p, g, expected):
    return p * (np.abs(g) + np.sum(p * np.abs(g), axis=-1, keepdims=True))


_P = np.array([0.2, 0.7, 0.1])
_P_BATCH = _softmax(BATCH)
_P_SQUARE = _softmax(SQUARE)
_G_BATCH = np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 1.0, 2.0, -1.5]])
_G_SQUARE = np.array([[1.0, -2.0, 0.5], [3.0, 0.5, 1.0], [-1.0, 2.0, 4.0]])
_P_STACK = _softmax(_rng.normal(size=(2, 3, 4)))
_G_STACK = _rng.normal(size=(2, 3, 4)) + 0.5

# A vocabulary: the n × n matrix of one such row takes more than 3 GB, and the check stops it.
_P_WIDE = _softmax(_rng.normal(size=20_000))
_G_WIDE = _rng.choice([-2.0, 1.0, 3.0], size=20_000)


def _needs_the_matrix(p, error=MemoryError):
    """Raise, as NumPy (or PyTorch) does in a check, where a matrix for each row would not fit."""
    if p.shape[-1] > 10_000:
        raise error("no room for n × n numbers")


@exercise(
    "6.3",
    minutes=7,
    probes=[
        ordinary(_P, np.array([1.0, -2.0, 0.5]), note="one row"),
        ordinary(_P, np.array([3.0, 3.0, 3.0]), note="a constant g: the answer is 0"),
        ordinary(_P_BATCH, _G_BATCH, note="two rows of four; no g sums to 0"),
        ordinary(_P_SQUARE, _G_SQUARE, note="a square batch: a lost axis does not show"),
        ordinary(_P_STACK, _G_STACK, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(_P[None], np.array([[2.0, 1.0, -4.0]]), note="a batch of one"),
        ordinary(np.array([1.0]), np.array([5.0]), note="one class: the answer is 0"),
        ordinary(
            np.array([1.0, 0.0, 0.0]), np.array([3.0, -1.0, 2.0]), note="a p of exact 0 and 1"
        ),
        ordinary(_P_WIDE, _G_WIDE, note="20 000 classes: J would take 3.2 GB"),
        ordinary(_read_only(_P.copy()), _read_only(np.array([1.0, 0.0, -3.0])), note="read-only"),
        ordinary(_P_BATCH.astype(np.float32), _G_BATCH.astype(np.float32), note="float32"),
        ordinary(_P_BATCH.astype(np.float16), _G_BATCH.astype(np.float16), note="float16"),
    ],
    truth=_exact_vjp,
    scale=_size_of_vjp,
    library=("softmax_vjp", "_softmax_backward_data", "softmax_backward"),
    remark="One dot product per row and no matrix: libraries' backward passes do just this.",
)
def softmax_vjp(p, g):
    """Return the vector-Jacobian product of softmax, gᵀJ for every row, without building J.

    Write it yourself: the course's own `gradients` do not count.

    p : float array of probabilities, shape (..., n), what softmax returned; n may be 20 000.
    g : float array of the same shape, the upstream gradient dL/dp.
    Returns dL/dx, of the same shape. p and g stay unchanged.
    """
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


softmax_vjp.hints(
    "Write entry j of gᵀJ as a sum over i: Σ_i g_i p_i (δ_ij - p_j). What does the δ leave over?",
    "Σ_i g_i p_i δ_ij = g_j p_j, and Σ_i g_i p_i p_j = p_j Σ_i g_i p_i. The last sum is one number "
    "for the whole row.",
    "The answer is p ⊙ (g - Σ_i p_i g_i): subtract the p-weighted mean of g, multiply by p.",
    "np.sum(p * g, axis=-1, keepdims=True) is that mean, one for each row.",
)
softmax_vjp.reasoning(
    "gᵀ(diag(p) - p pᵀ) = (g ⊙ p)ᵀ - (gᵀp) pᵀ. The number gᵀp is the mean of g under p, so each "
    "row of g is centred and then weighted by p. A constant g has nothing left after centring: 0. "
    "It costs n multiplications instead of n², and no memory."
)


@softmax_vjp.mistake(
    "the product p(1 - p) g uses the diagonal of J alone, as if softmax worked on each entry by "
    "itself. Try a constant g: the answer must be 0, and this is not."
)
def diagonal_of_j_only(p, g):
    return p * (1 - p) * g


@softmax_vjp.mistake(
    "the factor p in front is missing: the mean of g is subtracted, and then each entry is to be "
    "multiplied by its p."
)
def factor_p_missing(p, g):
    return g - np.sum(p * g, axis=-1, keepdims=True)


@softmax_vjp.mistake(
    "the sum of p g runs over the batch too: each row has its own. Use axis=-1 and keepdims=True.",
    axis=(None, 0),
)
def sum_over_the_batch(p, g, *, axis):
    return p * (g - np.sum(p * g, axis=axis, keepdims=True))


@softmax_vjp.mistake(
    "the plain sum of g was subtracted: it has to be weighted by p, Σ p_i g_i. "
    "Try a constant g: the answer must be 0."
)
def unweighted_sum_of_g(p, g):
    return p * (g - np.sum(g, axis=-1, keepdims=True))


@softmax_vjp.mistake(
    "the plain mean of g was subtracted: the mean under p is meant, Σ p_i g_i. "
    "The two agree only where p is uniform."
)
def unweighted_mean_of_g(p, g):
    return p * (g - np.mean(g, axis=-1, keepdims=True))


@softmax_vjp.mistake(
    "the product p g alone leaves out the second term, -p Σ p_i g_i: it is right only where g has "
    "the mean 0 under p."
)
def second_term_missing(p, g):
    return p * g


@softmax_vjp.mistake("the sum of p g is added: J is diag(p) minus p pᵀ, so subtract it.")
def plus_instead_of_minus(p, g):
    return p * (g + np.sum(p * g, axis=-1, keepdims=True))


@softmax_vjp.mistake(
    "the row sums lost their axis: shape (N,) is broadcast along the classes, which fails for "
    "most shapes and is silently wrong for a square batch. Use keepdims=True."
)
def missing_keepdims(p, g):
    return p * (g - np.sum(p * g, axis=-1))


@softmax_vjp.mistake(
    "that is the product of log-softmax, g - p Σ g, whose upstream gradient is dL/d(log p). "
    "For softmax: p ⊙ (g - Σ p_i g_i)."
)
def formula_of_log_softmax(p, g):
    return g - p * np.sum(g, axis=-1, keepdims=True)


@softmax_vjp.mistake(
    "the arguments are exchanged: the probabilities stand in front of the bracket."
)
def arguments_exchanged(p, g):
    return g * (p - np.sum(p * g, axis=-1, keepdims=True))


@softmax_vjp.mistake(
    "softmax was applied to p once more: p already holds the probabilities, not the logits."
)
def softmax_once_more(p, g):
    p = _softmax(p)
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


@softmax_vjp.mistake(
    "the values are right, but the upstream gradient was changed in place: another branch of the "
    "network may still need it. Write g - …, which makes a new array."
)
def modifies_g(p, g):
    g -= np.sum(p * g, axis=-1, keepdims=True)
    return p * g


@softmax_vjp.mistake(
    "the product p @ g is the sum you need for one row only: for a batch it multiplies matrices. "
    "Write np.sum(p * g, axis=-1, keepdims=True)."
)
def matrix_product_of_a_batch(p, g):
    return p * (g - p @ g)


@softmax_vjp.mistake(
    "a matrix was built from p as if it were one row: of a batch np.diag takes the diagonal, and "
    "np.outer flattens it. The product needs no matrix: p ⊙ (g - Σ p_i g_i)."
)
def one_matrix_for_all_rows(p, g):
    _needs_the_matrix(p)
    return g @ (np.diag(p) - np.outer(p, p))


@softmax_vjp.mistake(
    "the values are right, but J was built: n × n numbers for each row, which do not fit into "
    "memory for a vocabulary. The product needs no matrix: p ⊙ (g - Σ p_i g_i).",
    error=(MemoryError, RuntimeError),
)
def builds_the_matrix(p, g, *, error):
    _needs_the_matrix(p, error)
    return np.einsum("...i,...ij->...j", g, _matrices(p))


@softmax_vjp.mistake(
    "a matrix was built for each row of a batch, by a loop or an einsum that expects two axes: one "
    "row, or a stack of batches, does not fit. The product needs no matrix: p ⊙ (g - Σ p_i g_i).",
    loop=(True, False),
)
def builds_a_matrix_for_each_row(p, g, *, loop):
    if loop:
        return np.array([(np.diagflat(q) - np.outer(q, q)) @ h for q, h in zip(p, g, strict=True)])
    return np.einsum("ij,ijk,ik->ij", p, np.eye(p.shape[1]) - p[:, None, :], g)


@softmax_vjp.mistake(
    "axis=1 is the last axis of a batch only: one row has no such axis, and a stack of batches has "
    "its classes along another. Use axis=-1."
)
def second_axis_for_the_last(p, g):
    return p * (g - np.sum(p * g, axis=1, keepdims=True))


@softmax_vjp.mistake(
    "that is a difference of p and g: p - q is the gradient of cross-entropy, where q is the "
    "target. Here g is the gradient that comes in, and J still has to act on it.",
    swapped=(False, True),
)
def difference_of_p_and_g(p, g, *, swapped):
    return g - p if swapped else p - g


@softmax_vjp.mistake(
    "the gradient g came back unchanged, as if softmax did nothing: multiply it by J."
)
def gradient_passed_on(p, g):
    return np.array(g)


# --- 6.4 -----------------------------------------------------------------------------------------


@exercise(
    "6.4",
    minutes=5,
    probes=[
        ordinary(ROW, note="one row of three: not symmetric"),
        ordinary(LONGER, note="a row of five, in no order"),
        ordinary(np.array([3.0, 2.0]), note="two classes"),
        ordinary(np.array([-2.0, 1.0, 1.0, -2.0]), note="ties"),
        ordinary(np.array([1.5]), note="one class: log 1 never moves"),
        ordinary(_read_only(np.array([1.0, 4.0, 2.0])), note="a read-only row"),
        ordinary(ROW.astype(np.float32), note="float32"),
        ordinary(ROW.astype(np.float16), note="float16"),
        extreme(np.array([1000.0, 999.0, 0.0]), note="exp(1000) overflows"),
        extreme(np.array([-1000.0, -1001.0, -1003.0]), note="every exp of the logits is 0"),
        extreme(np.array([0.0, -800.0, 1.0]), note="a probability of 0, whose log still moves"),
        extreme(np.array([0.0, -40.0, 1.0]), note="a probability of 1e-18"),
    ],
    truth=_differentiated("log_softmax"),
    scale=lambda x, expected: np.eye(np.size(x)),
    relative=lambda x: spread(x).max(),
    library=("log_softmax_jacobian",),
    remark="Each row is a row of the identity minus p: no factor p_i, so nothing underflows.",
)
def log_softmax_jacobian(x):
    """Return the Jacobian of log-softmax at one row of logits: J[i, j] = d(log p_i) / dx_j.

    Write it yourself: autograd is welcome, the course's own `gradients` are not.

    x : 1-D float array of n finite logits, of any size (exp(x) may overflow).
    Returns an array of shape (n, n).
    """
    e = np.exp(x - np.max(x))
    p = e / np.sum(e)
    return np.eye(len(p)) - p


log_softmax_jacobian.hints(
    "log p_i = x_i - LSE(x). What is the derivative of x_i by x_j, and the gradient of LSE?",
    "dx_i/dx_j = δ_ij, and dLSE/dx_j = p_j: so J_ij = δ_ij - p_j. Which index does p carry?",
    "np.eye(n) - p subtracts p from every row of the identity: entry (i, j) loses p_j.",
)
log_softmax_jacobian.reasoning(
    "d(log p_i)/dx_j = δ_ij - p_j. The row index i appears in the δ alone: every row loses the "
    "same p. NumPy's broadcasting of a 1-D array does just that. The chain rule through p gives "
    "the same, (1/p_i) p_i (δ_ij - p_j), but divides 0 by 0 where p_i has underflowed."
)


@log_softmax_jacobian.mistake(
    "only the diagonal 1 - p_i is there: it is true, and only the diagonal. Off it stands -p_j, "
    "since every log-probability falls when another logit rises.",
    vector=(False, True),
)
def diagonal_of_log_softmax_only(x, *, vector):
    p = _softmax(x)
    return 1 - p if vector else np.diag(1 - p)


@log_softmax_jacobian.mistake(
    "the matrix is transposed: column j must hold p_j. `np.eye(n) - p` does it; with p[:, None] it "
    "is turned over. Unlike softmax's, this Jacobian is not symmetric."
)
def transposed(x):
    p = _softmax(x)
    return np.eye(p.size) - p[:, None]


@log_softmax_jacobian.mistake("that is softmax's own Jacobian: the log takes away the factor p_i.")
def jacobian_of_softmax(x):
    return _matrices(_softmax(x))


@log_softmax_jacobian.mistake(
    "softmax's Jacobian was divided by p_i: right over the reals, 0/0 where p_i underflows. "
    "The division can be done on paper: δ_ij - p_j.",
    by_autograd=(False, True),
)
def divided_by_p(x, *, by_autograd):
    p = _softmax(x)
    if by_autograd:  # the derivative of log p comes back as 1/p, and 0/0 spreads along the row
        upstream = np.eye(p.size) / p
        return p * (upstream - np.sum(p * upstream, axis=-1, keepdims=True))
    return _matrices(p) / p[:, None]


@log_softmax_jacobian.mistake(
    "an ε was added inside the log: the derivative of log(p + ε) goes to 0 where p is below ε, "
    "while the true one stays 1 - p_i. Start from x_i - LSE(x).",
    epsilon=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15),
)
def epsilon_in_the_log(x, *, epsilon):
    p = _softmax(x)
    return _matrices(p) / (p + epsilon)[:, None]


@log_softmax_jacobian.mistake(
    "the softmax inside overflows or underflows: subtract the maximum before exp."
)
def unstable_softmax_under_the_log(x):
    p = _textbook(x)
    return np.eye(p.size) - p


@log_softmax_jacobian.mistake(
    "the sign is turned: log p_i rises with x_i, so the diagonal is 1 - p_i, at least 0."
)
def sign_turned(x):
    p = _softmax(x)
    return p - np.eye(p.size)


@log_softmax_jacobian.mistake(
    "every row holds 1 - p_j: a matrix of ones was used for the identity."
)
def ones_for_the_identity(x):
    p = _softmax(x)
    return np.ones((p.size, p.size)) - p


@log_softmax_jacobian.mistake(
    "the product p_i p_j was subtracted: that is half of softmax's Jacobian. "
    "Here only p_j is subtracted."
)
def outer_product_subtracted(x):
    p = _softmax(x)
    return np.eye(p.size) - np.outer(p, p)


@log_softmax_jacobian.mistake(
    "the log-probabilities were subtracted: the gradient of LSE is p itself, not log p."
)
def log_p_subtracted(x):
    return np.eye(np.size(x)) - np.log(_softmax(x))


@log_softmax_jacobian.mistake(
    "the rows were summed: calling backward on the sum of all outputs gives 1 - n p_j, a vector. "
    "The Jacobian has one row for each output."
)
def sum_of_all_outputs(x):
    p = _softmax(x)
    return 1 - p.size * p


# --- 6.5 -----------------------------------------------------------------------------------------


def _size_of_log_vjp(log_p, g, expected):
    p = np.exp(np.asarray(log_p, dtype=float))
    return np.abs(g) + p * np.sum(np.abs(g), axis=-1, keepdims=True) * (1 + np.abs(np.log(p.max())))


@exercise(
    "6.5",
    minutes=5,
    probes=[
        ordinary(np.log(_P), np.array([1.0, -2.0, 0.5]), note="one row; g does not sum to 0"),
        ordinary(np.log(_P), np.array([1.0, 1.0, 1.0]), note="a g of ones: the answer is 1 - n p"),
        ordinary(np.log(_P), np.array([0.0, -1.0, 0.0]), note="one label: the answer is p - q"),
        ordinary(np.log(_P_BATCH), _G_BATCH, note="two rows of four"),
        ordinary(np.log(_P_SQUARE), _G_SQUARE, note="a square batch: a lost axis does not show"),
        ordinary(np.log(_P_STACK), _G_STACK, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(np.log(_P)[None], np.array([[2.0, 1.0, -4.0]]), note="a batch of one"),
        ordinary(np.array([0.0]), np.array([5.0]), note="one class: the answer is 0"),
        ordinary(np.log(_P_WIDE), _G_WIDE, note="20 000 classes: J would take 3.2 GB"),
        ordinary(
            _read_only(np.log(_P)), _read_only(np.array([1.0, 0.5, -3.0])), note="read-only arrays"
        ),
        ordinary(np.log(_P_BATCH).astype(np.float32), _G_BATCH.astype(np.float32), note="float32"),
        ordinary(np.log(_P_BATCH).astype(np.float16), _G_BATCH.astype(np.float16), note="float16"),
        extreme(
            np.array([-800.0, 0.0, -900.0]),
            np.array([-1.0, 2.0, 0.5]),
            note="log-probabilities of -800: p itself is 0",
        ),
        extreme(
            np.array([-np.inf, np.log(0.25), np.log(0.75)]),
            np.array([2.0, 1.0, 0.5]),
            note="a masked class, log-probability -inf",
        ),
    ],
    truth=_backward("log_softmax"),
    scale=_size_of_log_vjp,
    library=("log_softmax_vjp", "_log_softmax_backward_data"),
    remark="With g = -q, the gradient of cross-entropy falls out: p Σq - q.",
)
def log_softmax_vjp(log_p, g):
    """Return the vector-Jacobian product of log-softmax for every row, without the matrix.

    Write it yourself: the course's own `gradients` do not count.

    log_p : float array of log-probabilities, shape (..., n), what log-softmax returned; one may be
    -inf, and n may be 20 000.
    g : float array of the same shape, the upstream gradient dL/d(log p).
    Returns dL/dx, of the same shape. log_p and g stay unchanged.
    """
    return g - np.exp(log_p) * np.sum(g, axis=-1, keepdims=True)


log_softmax_vjp.hints(
    "Entry j of gᵀJ is Σ_i g_i (δ_ij - p_j). What does the δ leave over, and what does p_j share?",
    "Σ_i g_i δ_ij = g_j, and Σ_i g_i p_j = p_j Σ_i g_i: the plain sum of g, one number for a row.",
    "You hold log p, so p is np.exp(log_p). The answer is g - p Σ g, the sum over the last axis "
    "with keepdims=True.",
)
log_softmax_vjp.reasoning(
    "gᵀ(I - 1 pᵀ) = gᵀ - (gᵀ1) pᵀ, and gᵀ1 is the sum of g. Nothing is divided and no log is "
    "taken, so a probability that underflows to 0 does no harm: its entry is g itself."
)


@log_softmax_vjp.mistake(
    "the product g(1 - p) uses the diagonal of the Jacobian alone. Try g = (1, 1, …, 1): the "
    "answer is 1 - n p, and it sums to 0."
)
def diagonal_of_the_matrix_only(log_p, g):
    return g * (1 - np.exp(log_p))


@log_softmax_vjp.mistake(
    "that is softmax's product, p ⊙ (g - Σ p_i g_i): the two are easily confused. "
    "For log-softmax it is g - p Σ g."
)
def formula_of_softmax(log_p, g):
    p = np.exp(log_p)
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


@log_softmax_vjp.mistake(
    "the gradient g came back unchanged: right only where g sums to 0. Subtract p Σ g.",
)
def identity(log_p, g):
    return np.array(g)


@log_softmax_vjp.mistake(
    "J g was computed instead of gᵀJ: the sum is over g alone, and p stands outside it. "
    "This Jacobian is not symmetric, so the side matters."
)
def from_the_wrong_side(log_p, g):
    return g - np.sum(np.exp(log_p) * g, axis=-1, keepdims=True)


@log_softmax_vjp.mistake("the logs were used where p belongs: take np.exp(log_p) first.")
def exp_forgotten(log_p, g):
    return g - log_p * np.sum(g, axis=-1, keepdims=True)


@log_softmax_vjp.mistake("the mean of g was taken; the plain sum is meant.")
def mean_of_g(log_p, g):
    return g - np.exp(log_p) * np.mean(g, axis=-1, keepdims=True)


@log_softmax_vjp.mistake(
    "the sum of g runs over the batch: each row has its own. Use axis=-1 and keepdims=True.",
    axis=(None, 0),
)
def sum_of_g_over_the_batch(log_p, g, *, axis):
    return g - np.exp(log_p) * np.sum(g, axis=axis, keepdims=True)


@log_softmax_vjp.mistake(
    "the row sums lost their axis: shape (N,) is broadcast along the classes. Use keepdims=True."
)
def lost_axis(log_p, g):
    return g - np.exp(log_p) * np.sum(g, axis=-1)


@log_softmax_vjp.mistake("the sign of the whole product is turned: g comes with a plus.")
def turned_sign(log_p, g):
    return np.exp(log_p) * np.sum(g, axis=-1, keepdims=True) - g


@log_softmax_vjp.mistake("the term p Σ g is added: the Jacobian is δ_ij minus p_j, so subtract it.")
def added_instead_of_subtracted(log_p, g):
    return g + np.exp(log_p) * np.sum(g, axis=-1, keepdims=True)


@log_softmax_vjp.mistake(
    "only p was subtracted, without the factor Σ g: right only where g sums to 1."
)
def sum_of_g_forgotten(log_p, g):
    return g - np.exp(log_p)


@log_softmax_vjp.mistake(
    "p is added, and without the factor Σ g: a constant added to all logits changes nothing, so "
    "the entries of the result must sum to 0. It is g - p Σ g."
)
def p_added(log_p, g):
    return g + np.exp(log_p)


@log_softmax_vjp.mistake(
    "axis=1 is the last axis of a batch only: one row has no such axis, and a stack of batches has "
    "its classes along another. Use axis=-1."
)
def axis_one_for_the_last(log_p, g):
    return g - np.exp(log_p) * np.sum(g, axis=1, keepdims=True)


@log_softmax_vjp.mistake(
    "the values are right, but a matrix was built: n × n numbers, which do not fit into memory for "
    "a vocabulary. The product needs none: g - p Σ g.",
    error=(MemoryError, RuntimeError),
)
def builds_the_matrix_of_log_softmax(log_p, g, *, error):
    _needs_the_matrix(log_p, error)
    p = np.exp(log_p)
    return np.einsum("...i,...ij->...j", g, np.eye(p.shape[-1]) - p[..., None, :])


@log_softmax_vjp.mistake(
    "the product goes through the probabilities: g / p is inf where p underflows to 0, and "
    "0 · inf is NaN. Do the division on paper: g - p Σ g."
)
def through_the_probabilities(log_p, g):
    p = np.exp(log_p)
    through_log = g / p
    return p * (through_log - np.sum(p * through_log, axis=-1, keepdims=True))


@log_softmax_vjp.mistake(
    "the values are right, but the upstream gradient was changed in place: write g - …, "
    "which makes a new array."
)
def modifies_the_upstream_gradient(log_p, g):
    g -= np.exp(log_p) * np.sum(g, axis=-1, keepdims=True)
    return g


@log_softmax_vjp.mistake(
    "the sum of g is weighted by p, as in softmax's own product: here the plain sum is meant."
)
def weighted_sum_of_g(log_p, g):
    p = np.exp(log_p)
    return g - p * np.sum(p * g, axis=-1, keepdims=True)


# --- 6.6 -----------------------------------------------------------------------------------------


def _to_the_plane(v):
    """R³ → R²."""
    return np.array([np.sin(v[0]) * v[1], np.exp(0.5 * v[2]) + v[0] * v[2]])


def _to_space(v):
    """R² → R³."""
    return np.array([v[0] * v[1], np.cos(v[0]), v[1] ** 3 - v[0]])


def _to_a_square(v):
    """R³ → R³, with a Jacobian that is not symmetric."""
    return np.array([v[0] * v[1], np.sin(v[2]), np.exp(-v[0]) + v[2] ** 2])


def _curve(v):
    """R¹ → R²."""
    return np.array([np.sin(2 * v[0]), v[0] ** 2])


def _plain_softmax(v):
    e = np.exp(v)
    return e / e.sum()


def _complex_step(f, x):
    """Differentiate an analytic f exactly: no difference is taken, so nothing cancels."""
    x = np.asarray(x, dtype=float)
    steps = 1e-30j * np.eye(x.size)
    return np.stack([np.imag(f(x + step)) / 1e-30 for step in steps], axis=-1)


_STEP = 6e-6  # the cube root of float64's epsilon


def _shifted(f, x, ahead, back, *, own_type=False):
    """Return the difference quotients of f, one column a coordinate.

    Copies of their own type cut a step off where x holds integers.
    """
    columns = []
    for j in range(len(x)):
        up, down = (np.array(x, dtype=None if own_type else float) for _ in range(2))
        up[j] = up[j] + ahead
        down[j] = down[j] - back
        columns.append((f(up) - f(down)) / (ahead + back))
    return np.stack(columns, axis=-1)


@exercise(
    "6.6",
    minutes=8,
    probes=[
        ordinary(_to_the_plane, np.array([0.5, -1.0, 0.75]), note="three inputs, two outputs"),
        ordinary(_to_space, np.array([1.25, -0.5]), note="two inputs, three outputs"),
        ordinary(_to_a_square, np.array([0.3, 1.1, -0.7]), note="a square, non-symmetric Jacobian"),
        ordinary(_to_a_square, np.array([1.0, 0.0, 0.5]), note="a coordinate that is 0"),
        ordinary(_curve, np.array([0.8]), note="one input, two outputs"),
        ordinary(_plain_softmax, np.array([0.5, 1.5, -1.0, 0.0]), note="softmax itself"),
        ordinary(_to_space, np.array([1, 1]), note="integers: a step of 6e-6 must not vanish"),
        ordinary(
            _to_the_plane, _read_only(np.array([0.1, 0.7, -0.3])), note="a read-only x stays as is"
        ),
    ],
    truth=_complex_step,
    tolerance=1e-9,
    library=("approx_derivative", "jacobian"),
    remark="With this in hand you can check any gradient you derive; nine digits are enough to.",
)
def numerical_jacobian(f, x):
    """Return the Jacobian of f at x by central differences: J[i, j] = df_i / dx_j.

    Write it yourself: no ready-made jacobian.

    f : a function that takes a float array of shape (n,) and returns one of shape (m,).
    x : 1-D array of shape (n,), of floats or of integers too; it stays unchanged.
    Returns an array of shape (m, n), right to 1e-9 where x, f and its derivatives are of order 1.
    """
    x = np.array(x, dtype=float)
    h = np.finfo(float).eps ** (1 / 3)
    columns = []
    for j in range(x.size):
        step = np.zeros(x.size)
        step[j] = h
        columns.append((f(x + step) - f(x - step)) / (2 * h))
    return np.stack(columns, axis=1)


numerical_jacobian.hints(
    "Move one coordinate at a time: how does f change when x_j goes up by h, and down by h?",
    "(f(x + h e_j) - f(x - h e_j)) / 2h is column j of the Jacobian: m numbers.",
    "The step: truncation costs about h², rounding about eps/h. The two are equal at "
    "h = eps^(1/3) ≈ 6e-6.",
    "Make x a float array of your own first, np.array(x, dtype=float), and put the columns "
    "side by side with np.stack(columns, axis=1).",
)
numerical_jacobian.reasoning(
    "In the central difference the even terms of the Taylor series cancel: what is left is "
    "f''' h²/6. Each value of f carries a rounding error of about eps, so the quotient carries "
    "eps/h. The sum of both is least near h = eps^(1/3), and is then about eps^(2/3) = 4e-11. "
    "A forward difference never gets below sqrt(eps) = 1.5e-8."
)


@numerical_jacobian.mistake(
    "only one side was moved: a forward or backward difference has an error of the order of h, "
    "about 1e-8 at its best. Move to both sides: (f(x + h) - f(x - h)) / 2h.",
    h=(
        1e-4,
        1e-5,
        6e-6,
        1e-6,
        1e-7,
        1e-8,
        1.5e-8,
        float(np.sqrt(np.finfo(float).eps)),
        1e-9,
        1e-10,
    ),
    backward=(False, True),
    own_type=(False, True),
)
def one_sided_differences(f, x, *, h, backward, own_type):
    ahead, back = (0, h) if backward else (h, 0)
    return _shifted(f, x, ahead, back, own_type=own_type)


@numerical_jacobian.mistake(
    "the step is so small that the two values of f agree in most of their digits, and the "
    "difference keeps few: the error grows as eps/h. Take h near 6e-6.",
    h=(1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-20),
)
def step_too_small(f, x, *, h):
    return _shifted(f, x, h, h)


@numerical_jacobian.mistake(
    "the step is so large that the curve bends inside it: the error is about h²/6. "
    "Take h near 6e-6.",
    h=(0.5, 0.1, 0.05, 0.01, 5e-3, 1e-3, 5e-4, 1e-4),
    own_type=(False, True),
)
def step_too_large(f, x, *, h, own_type):
    return _shifted(f, x, h, h, own_type=own_type)


@numerical_jacobian.mistake(
    "the matrix is transposed: each coordinate of x gives a column, and the shape is (m, n). "
    "Stack along axis=1."
)
def transposed_columns(f, x):
    return _shifted(f, x, _STEP, _STEP).T


@numerical_jacobian.mistake(
    "the difference was divided by h: from x - h to x + h it is 2h, so the answer is twice the "
    "derivative."
)
def divided_by_h(f, x):
    return 2 * _shifted(f, x, _STEP, _STEP)


@numerical_jacobian.mistake(
    "the caller's x was changed in place, and adding h again does not bring every bit back. "
    "Work on a copy of your own.",
    put_back=(False, True),
)
def modifies_x(f, x, *, put_back):
    columns = []
    for j in range(len(x)):
        x[j] += _STEP
        above = f(x)
        x[j] -= 2 * _STEP
        columns.append((above - f(x)) / (2 * _STEP))
        if put_back:
            x[j] += _STEP
    return np.stack(columns, axis=1)


@numerical_jacobian.mistake(
    "your code writes into its argument and puts the old number back: a read-only array refuses "
    "that, and an integer one cuts the step off. Work on a copy of your own, "
    "np.array(x, dtype=float).",
    h=(1e-4, 1e-5, 6e-6, 1e-6),
)
def moves_x_and_restores_it(f, x, *, h):
    columns = []
    for j in range(len(x)):
        kept = x[j]
        x[j] = kept + h
        above = f(x)
        x[j] = kept - h
        below = f(x)
        x[j] = kept
        columns.append((above - below) / (2 * h))
    return np.stack(columns, axis=1)


@numerical_jacobian.mistake(
    "the outputs were added up: that is the gradient of Σ f_i, one number for each x_j. A function "
    "with m outputs needs m numbers for each x_j, a column.",
    in_place=(False, True),
    h=(1e-5, 6e-6, 1e-6),
)
def gradient_of_the_sum(f, x, *, in_place, h):
    if in_place:  # and collected in np.zeros_like(x)
        return np.sum(moves_x_and_restores_it(f, x, h=h), axis=0).astype(x.dtype)
    return np.sum(_shifted(f, x, h, h), axis=0)


@numerical_jacobian.mistake(
    "all coordinates moved at once: that is the derivative along (1, …, 1), the row sums of the "
    "Jacobian. Move one coordinate at a time."
)
def all_at_once(f, x):
    x = np.asarray(x, dtype=float)
    return (f(x + _STEP) - f(x - _STEP)) / (2 * _STEP)


@numerical_jacobian.mistake(
    "a square matrix was set up: f may have more or fewer outputs than x has entries, "
    "so the shape is (m, n)."
)
def square_matrix_assumed(f, x):
    x = np.asarray(x, dtype=float)
    result = np.zeros((x.size, x.size))
    for j, e in enumerate(np.eye(x.size)):
        result[:, j] = (f(x + _STEP * e) - f(x - _STEP * e)) / (2 * _STEP)
    return result


@numerical_jacobian.mistake(
    "a copy of integers stays integer: a step of 6e-6 is cut off. "
    "Make the copy with np.array(x, dtype=float).",
    h=(1e-5, 6e-6, 5e-6, 1e-6),
)
def integers_stay_integers(f, x, *, h):
    return _shifted(f, x, h, h, own_type=True)


@numerical_jacobian.mistake(
    "the step is proportional to x_j: where x_j is 0 the step is 0, and 0/0 is NaN. "
    "Use h · max(1, |x_j|), or h alone."
)
def step_of_zero(f, x):
    x = np.asarray(x, dtype=float)
    columns = []
    for j in range(x.size):
        step = np.zeros(x.size)
        step[j] = _STEP * x[j]
        columns.append((f(x + step) - f(x - step)) / (2 * _STEP * x[j]))
    return np.stack(columns, axis=1)
