"""Exercises 7.1 to 7.6: the gradient of cross-entropy, a fitted model, and losses that fail."""

from __future__ import annotations

import math
from functools import cache, cached_property

import numpy as np

from helpers.checker.declaration import Probe, exercise, extreme, ordinary, spread

LOGITS = np.array([[2.0, 0.5, 6.0], [0.1, 0.0, 3.0], [1.0, -2.0, 0.5], [0.0, 1.5, 1.0]])
LABELS = np.array([2, 1, 0, 0])
WIDE = np.array([[0.5, -1.0, 2.0, 1.5, 0.0], [3.0, 1.0, -2.0, 0.25, 1.0]])
WIDE_LABELS = np.array([3, 0])
SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])
SQUARE_LABELS = np.array([1, 2, 0])  # not their own inverse


def _read_only(array):
    array.flags.writeable = False
    return array


def _softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _textbook(x):
    e = np.exp(x)
    return e / np.sum(e, axis=-1, keepdims=True)


def _one_hot(labels, n):
    return np.eye(n)[np.asarray(labels)]


def _autograd(loss, *arrays):
    """Return the gradients of a torch loss by the arrays it is called with."""
    import torch

    tensors = [torch.tensor(np.array(a, dtype=float), requires_grad=True) for a in arrays]
    loss(*tensors).backward()
    return tuple(tensor.grad.numpy() for tensor in tensors)


def _cross_entropy(logits, labels, smoothing=0.0):
    import torch

    target = torch.tensor(np.array(labels)).long()
    return torch.nn.functional.cross_entropy(logits, target, label_smoothing=float(smoothing))


# --- 7.1 -----------------------------------------------------------------------------------------


def _terms_subtracted(logits, labels, expected):
    n_rows, n = np.shape(logits)
    return _one_hot(labels, n) / n_rows


@exercise(
    "7.1",
    minutes=6,
    probes=[
        ordinary(LOGITS, LABELS, note="four rows of three"),
        ordinary(WIDE, WIDE_LABELS, note="two rows of five"),
        ordinary(SQUARE, SQUARE_LABELS, note="a square batch, labels that are not symmetric"),
        ordinary(
            LOGITS, np.array([1, 1, 0, 1]), note="labels among which the last class is missing"
        ),
        ordinary(np.array([[0.5, -1.0, 2.0]]), np.array([1]), note="a batch of one"),
        ordinary(np.array([[1.0], [2.0]]), np.array([0, 0]), note="one class: nothing to learn"),
        ordinary(
            np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 2.0]]), np.array([1, 2]), note="two rows, a tie"
        ),
        ordinary(
            _read_only(SQUARE[:2].copy()), _read_only(np.array([2, 0])), note="read-only arrays"
        ),
        ordinary(LOGITS.astype(np.float32), LABELS, note="float32"),
        ordinary(LOGITS.astype(np.float16), LABELS, note="float16"),
        extreme(np.array([[1000.0, 999.0, 0.0]]), np.array([1]), note="exp(1000) overflows"),
        extreme(
            np.array([[1000.0, 998.0], [-1000.0, -1001.0]]),
            np.array([1, 0]),
            note="rows 2000 apart",
        ),
        extreme(
            np.array([[40.0, 0.0], [0.0, 2.0]]),
            np.array([1, 1]),
            note="a confident error: the label has p = 4e-18, its gradient is -1/2",
        ),
        extreme(np.array([[800.0, 0.0, 5.0]]), np.array([1]), note="the label has p = 0"),
    ],
    truth=lambda logits, labels: _autograd(lambda x: _cross_entropy(x, labels), logits)[0],
    scale=_terms_subtracted,
    relative=lambda logits, labels: spread(logits).max(),
    library=("cross_entropy_grad",),
    remark="No log and no division by p is left: that is why a confident error does no harm.",
)
def cross_entropy_grad(logits, labels):
    """Return the gradient of the mean cross-entropy with respect to the logits.

    logits : float array, shape (N, n), of any size (exp may overflow).
    labels : integer array, shape (N,), each in 0 ... n - 1.
    Returns an array of shape (N, n). The arguments stay unchanged.
    Write it yourself: no ready-made cross_entropy_grad.
    """
    n_rows, n = np.shape(logits)
    e = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return (p - np.eye(n)[labels]) / n_rows


cross_entropy_grad.hints(
    "For one row the gradient is p - q. What is q for a label, and what does a mean over N rows "
    "put in front?",
    "q is the one-hot row of the label: np.eye(n)[labels] gives all N of them.",
    "The loss is a mean, so every row's gradient is divided by N, the number of rows.",
    "Compute p with each row's maximum subtracted; then (p - np.eye(n)[labels]) / N.",
)
cross_entropy_grad.reasoning(
    "The chain rule multiplies -q/p by the Jacobian diag(p) - p pᵀ: every p in a denominator "
    "cancels, and p - q is left. At the label that is p - 1, between -1 and 0; elsewhere p. "
    "Each row sums to 0. The loss is a mean over N rows, hence 1/N."
)


@cross_entropy_grad.mistake(
    "that is the gradient of the sum: the loss is a mean over N rows, so divide by N."
)
def no_one_over_n(logits, labels):
    return _softmax(logits) - _one_hot(labels, np.shape(logits)[1])


@cross_entropy_grad.mistake(
    "the sign is turned, q - p: descending along it would raise the loss. "
    "At the label the gradient is negative, so that a step against it raises that logit."
)
def sign_turned(logits, labels):
    n_rows, n = np.shape(logits)
    return (_one_hot(labels, n) - _softmax(logits)) / n_rows


@cross_entropy_grad.mistake(
    "softmax's derivative was applied once more: p - q is already the gradient by the logits, "
    "the Jacobian is in it. Multiplying again makes a confident error invisible.",
    how=("diagonal", "whole Jacobian"),
)
def softmax_derivative_once_more(logits, labels, *, how):
    n_rows, n = np.shape(logits)
    p = _softmax(logits)
    g = (p - _one_hot(labels, n)) / n_rows
    if how == "diagonal":
        return g * p * (1 - p)
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


@cross_entropy_grad.mistake(
    "the values are right, but the caller's logits were overwritten. Start with a new array: "
    "logits - maximum makes one."
)
def modifies_the_logits(logits, labels):
    logits -= np.max(logits, axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= np.sum(logits, axis=-1, keepdims=True)
    logits[np.arange(len(logits)), labels] -= 1
    return logits / len(logits)


@cross_entropy_grad.mistake(
    "the softmax inside overflows or underflows: subtract each row's maximum before exp."
)
def unstable_softmax(logits, labels):
    n_rows, n = np.shape(logits)
    return (_textbook(logits) - _one_hot(labels, n)) / n_rows


@cross_entropy_grad.mistake(
    "one maximum was subtracted from the whole batch: a row far below it becomes 0/0. "
    "Subtract each row's own maximum."
)
def one_maximum_for_the_batch(logits, labels):
    n_rows, n = np.shape(logits)
    return (_textbook(logits - np.max(logits)) - _one_hot(labels, n)) / n_rows


@cross_entropy_grad.mistake("the gradient was divided by N·n: the mean runs over the N rows alone.")
def divided_by_rows_and_classes(logits, labels):
    n = np.shape(logits)[1]
    return (_softmax(logits) - _one_hot(labels, n)) / np.size(logits)


@cross_entropy_grad.mistake(
    "the gradient was divided by the number of classes: the mean runs over the rows, len(logits)."
)
def divided_by_classes(logits, labels):
    n = np.shape(logits)[1]
    return (_softmax(logits) - _one_hot(labels, n)) / n


@cross_entropy_grad.mistake(
    "`p[:, labels] -= 1` subtracts in every row, in each column that occurs as a label. To pair "
    "row i with label i, write `p[np.arange(N), labels] -= 1`."
)
def every_row_at_every_label(logits, labels):
    p = np.array(_softmax(logits))
    p[:, labels] -= 1
    return p / len(p)


@cross_entropy_grad.mistake(
    "only the label's entry has a gradient: the other logits stand in the sum of exps too, "
    "and get p."
)
def label_entry_only(logits, labels):
    n_rows, n = np.shape(logits)
    q = _one_hot(labels, n)
    return q * (_softmax(logits) - q) / n_rows


@cross_entropy_grad.mistake(
    "that is the gradient with respect to the probabilities, -q/p: the Jacobian of softmax is "
    "still to come, and with it p - q.",
    filled=("everywhere", "at the labels"),
    mean=(True, False),
    epsilon=(0.0, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15),
)
def with_respect_to_p(logits, labels, *, filled, mean, epsilon):
    n_rows, n = np.shape(logits)
    q, p = _one_hot(labels, n), _softmax(logits) + epsilon
    by_p = -q / p if filled == "everywhere" else -q / np.where(q > 0, p, 1.0)
    return by_p / n_rows if mean else by_p


@cross_entropy_grad.mistake(
    "the softmax is right and p - q would be; but the way through -q/p is 0/0 or infinity times 0 "
    "where p is 0. On paper every p in a denominator cancels: subtract q from p.",
    filled=("everywhere", "at the labels"),
)
def the_long_way_round(logits, labels, *, filled):
    n_rows, n = np.shape(logits)
    q, p = _one_hot(labels, n), _softmax(logits)
    by_p = -q / p if filled == "everywhere" else -q / np.where(q > 0, p, 1.0)
    return p * (by_p - np.sum(p * by_p, axis=-1, keepdims=True)) / n_rows


@cross_entropy_grad.mistake(
    "the label's probability was clipped: below the clip the gradient is 0 or too small, just "
    "where the error is largest. It should be -1/N there, and p - q needs no clip.",
    how=("before the log", "under the fraction bar"),
    clip=(1e-7, 1e-12, 1e-15),
)
def clipped_probability(logits, labels, *, how, clip):
    n_rows, n = np.shape(logits)
    p, q = _softmax(logits), _one_hot(labels, n)
    p_label = np.sum(p * q, axis=-1, keepdims=True)
    if how == "before the log":
        return (p - q) * (p_label > clip) / n_rows
    return (p - q) * p_label / np.maximum(p_label, clip) / n_rows


@cross_entropy_grad.mistake(
    "the softmax runs over the whole batch, so that all rows together sum to 1: give the sum, and "
    "the maximum, axis=-1 and keepdims=True.",
    shifted=(True, False),
)
def softmax_of_the_whole_array(logits, labels, *, shifted):
    n_rows, n = np.shape(logits)
    e = np.exp(logits - np.max(logits) if shifted else logits)
    return (e / np.sum(e) - _one_hot(labels, n)) / n_rows


@cross_entropy_grad.mistake(
    "keepdims=True is missing: a shape of (N,) does not stand beside (N, n), and in a square batch "
    "it divides, or shifts, by the numbers of other rows.",
    where=("sum", "maximum", "both", "sum, unshifted"),
    width_of=("logits", "p"),
)
def missing_keepdims(logits, labels, *, where, width_of):
    n_rows, n = np.shape(logits)
    keep_maximum, keep_sum = where == "sum", where == "maximum"
    x = logits if "unshifted" in where else logits - np.max(logits, -1, keepdims=keep_maximum)
    e = np.exp(x)
    p = e / np.sum(e, axis=-1, keepdims=keep_sum)
    return (p - _one_hot(labels, n if width_of == "logits" else p.shape[1])) / n_rows


@cross_entropy_grad.mistake(
    "the softmax runs down the columns: the classes are the last axis, so normalise each row."
)
def softmax_over_the_batch(logits, labels):
    n_rows, n = np.shape(logits)
    return (_softmax(logits, axis=0) - _one_hot(labels, n)) / n_rows


@cross_entropy_grad.mistake(
    "the width of the one-hot rows was taken from the labels: a last class that does not occur in "
    "the batch is lost. Take n from the logits."
)
def width_from_the_labels(logits, labels):
    return (_softmax(logits) - _one_hot(labels, np.max(labels) + 1)) / len(labels)


@cross_entropy_grad.mistake(
    "an ε was added inside the log: with log(p + ε) the gradient vanishes where the label's p is "
    "below ε, just where the error is largest. It should be -1/N there.",
    epsilon=(1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15),
)
def epsilon_in_the_log(logits, labels, *, epsilon):
    n_rows, n = np.shape(logits)
    p, q = _softmax(logits), _one_hot(labels, n)
    p_label = np.sum(p * q, axis=-1, keepdims=True)
    return (p - q) * p_label / (p_label + epsilon) / n_rows


@cross_entropy_grad.mistake(
    "the label numbers themselves were subtracted: q is the one-hot row of each label, "
    "np.eye(n)[labels].",
    column=(False, True),
)
def label_numbers_subtracted(logits, labels, *, column):
    q = labels[:, None] if column else labels
    return (_softmax(logits) - q) / len(logits)


# --- 7.2 -----------------------------------------------------------------------------------------


def _soft_cross_entropy_gradient(x, q):
    import torch

    target = torch.tensor(np.array(q, dtype=float))
    return _autograd(lambda x: -(target * torch.log_softmax(x, dim=0)).sum(), x)[0]


_MODERATE = np.array([0.5, 2.0, -1.0])


@exercise(
    "7.2",
    minutes=7,
    probes=[
        ordinary(_MODERATE, np.array([0.2, 0.5, 0.3]), note="soft targets"),
        ordinary(_MODERATE, np.array([0.0, 0.0, 1.0]), note="a one-hot target"),
        ordinary(_MODERATE, np.array([0.0, 1.0, 0.0]), note="a one-hot target, the largest"),
        ordinary(
            np.array([2.0, -0.5, 1.0, 0.25, -3.0]),
            np.array([0.1, 0.0, 0.6, 0.05, 0.25]),
            note="five classes, in no order",
        ),
        ordinary(np.array([3.0, 2.0]), np.array([0.9, 0.1]), note="two classes"),
        ordinary(np.array([1.0, 1.0, -2.0]), np.array([0.25, 0.25, 0.5]), note="a tie"),
        ordinary(np.array([1.0, 0.0, 2.0]), np.array([0.5, 0.25, 0.25]), note="whole numbers"),
        ordinary(
            _read_only(np.array([0.0, 1.0, 3.0])),
            _read_only(np.array([0.5, 0.3, 0.2])),
            note="read-only arrays",
        ),
        ordinary(
            _MODERATE.astype(np.float32),
            np.array([0.2, 0.5, 0.3], dtype=np.float32),
            note="float32",
        ),
    ],
    truth=_soft_cross_entropy_gradient,
    scale=lambda x, q, expected: _softmax(np.asarray(x, dtype=float)) + np.asarray(q, dtype=float),
    relative=lambda x, q: spread(x).max(),
    remark="On paper every p in a denominator cancels: Jᵀ · (-q/p) and p - q are the same vector.",
)
def chain_rule_grad(x, q):
    """Return the gradient of L = -sum(q * log(p)), p = softmax(x), with respect to x.

    x : 1-D float array of n moderate logits; q : float targets of the same shape that sum to 1.
    Returns an array of shape (n,).
    To practise the chain rule: first dL/dp, a vector; then Jᵀ · dL/dp with the Jacobian of
    softmax. Any way to the right result is accepted.
    """
    e = np.exp(x - np.max(x))
    p = e / np.sum(e)
    dl_dp = -q / p
    jacobian = np.diag(p) - np.outer(p, p)
    return jacobian.T @ dl_dp


chain_rule_grad.hints(
    "L = -Σ q_i log p_i. What is its derivative by p_i, with its sign?",
    "dL/dp_i = -q_i/p_i: a vector of n numbers, not a matrix.",
    "The chain rule: dL/dx_j = Σ_i dL/dp_i · dp_i/dx_j. The sum runs over the rows of J: that is "
    "J.T @ dl_dp.",
    "J = np.diag(p) - np.outer(p, p), as in exercise 6.1.",
)
chain_rule_grad.reasoning(
    "Σ_i (-q_i/p_i) p_i (δ_ij - p_j) = -q_j + p_j Σ_i q_i. With Σq = 1 this is p_j - q_j. "
    "The code divides by p and multiplies by it again, which is harmless for moderate logits and "
    "0/0 for large ones: a library uses p - q at once."
)


@chain_rule_grad.mistake(
    "the minus of -q/p is missing: L = -Σ q log p falls when p rises at the label."
)
def minus_missing(x, q):
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)).T @ (q / p)


@chain_rule_grad.mistake(
    "the derivative dL/dp was taken for a diagonal matrix: L is one number, so its derivative by n "
    "probabilities is a vector, and Jᵀ times a vector is a vector again.",
    side=("left", "right"),
)
def diagonal_matrix_for_dl_dp(x, q, *, side):
    p = _softmax(x)
    j, d = np.diag(p) - np.outer(p, p), np.diag(-q / p)
    return d @ j if side == "left" else j @ d


@chain_rule_grad.mistake(
    "only the diagonal of the Jacobian was used, p(1 - p): each logit also moves all the other "
    "probabilities, and those terms bring in +p_j q_i.",
)
def diagonal_jacobian(x, q):
    p = _softmax(x)
    return -q / p * p * (1 - p)


@chain_rule_grad.mistake("the target is missing from dL/dp: it is -q/p, not -1/p.")
def target_forgotten(x, q):
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)).T @ (-1 / p)


@chain_rule_grad.mistake(
    "the log was counted twice: -q/p is the derivative by p, and δ_ij - p_j the Jacobian of "
    "log p. Take -q with the latter, or -q/p with softmax's own."
)
def log_counted_twice(x, q):
    p = _softmax(x)
    return (np.eye(p.size) - p).T @ (-q / p)


@chain_rule_grad.mistake(
    "the second step is missing: -q/p is the gradient by p. Multiply by the Jacobian of softmax."
)
def stopped_at_dl_dp(x, q):
    return -q / _softmax(x)


@chain_rule_grad.mistake("the fraction is upside down: the derivative of log p is 1/p.")
def fraction_upside_down(x, q):
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)).T @ (-p / q)


@chain_rule_grad.mistake(
    "the result was divided by n: the loss is a sum over the classes, not a mean."
)
def averaged_over_the_classes(x, q):
    return (_softmax(x) - q) / np.size(x)


@chain_rule_grad.mistake(
    "the target was taken for one-hot: it may be soft, and each q_i is subtracted."
)
def largest_target_only(x, q):
    p = _softmax(x)
    return p - _one_hot(np.argmax(q), p.size)


@chain_rule_grad.mistake(
    "p - q is the gradient by the logits already; multiplying by softmax's derivative p(1 - p) "
    "counts it twice. The vector that the Jacobian takes is -q/p."
)
def derivative_once_more(x, q):
    p = _softmax(x)
    return (p - q) * p * (1 - p)


@chain_rule_grad.mistake(
    "that is the gradient of half the squared error, J(p - q): dL/dp of the cross-entropy is -q/p."
)
def squared_error(x, q):
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)).T @ (p - q)


@chain_rule_grad.mistake("the Jacobian has a plus: it is diag(p) minus the outer product.")
def plus_in_the_jacobian(x, q):
    p = _softmax(x)
    return (np.diag(p) + np.outer(p, p)).T @ (-q / p)


@chain_rule_grad.mistake(
    "the products were summed to one number: dL/dx has an entry for each of the n logits."
)
def summed_to_a_number(x, q):
    p = _softmax(x)
    return np.sum(-q / p * p * (1 - p))


# --- 7.3 -----------------------------------------------------------------------------------------


def _linear_truth(X, W, b, labels):
    import torch

    features = torch.tensor(np.array(X, dtype=float))
    return _autograd(lambda W, b: _cross_entropy(features @ W + b, labels), W, b)


def _linear_scale(X, W, b, labels, expected):
    """Return the size of the terms summed over the batch, for dW or for db."""
    terms = (_softmax(X @ W + b) + _one_hot(labels, np.shape(W)[1])) / len(X)
    return np.abs(X).T @ terms if np.ndim(expected) == 2 else np.sum(terms, axis=0)


_rng = np.random.default_rng(7)
_X = _rng.normal(size=(5, 4)).round(2)
_W = _rng.normal(size=(4, 3)).round(2)
_B = np.array([0.5, -0.25, 1.0])
_Y = np.array([2, 0, 1, 1, 0])


@exercise(
    "7.3",
    minutes=8,
    probes=[
        ordinary(_X, _W, _B, _Y, note="five examples, four features, three classes"),
        ordinary(_X[:3, :3], _W[:3], _B, _Y[:3], note="three of each: no shape gives you away"),
        ordinary(_X, _W, np.array([3.0, -2.0, 0.0]), _Y, note="a bias that matters"),
        ordinary(_X, np.zeros((4, 3)), np.zeros(3), _Y, note="the start: all weights 0"),
        ordinary(_X[:1], _W, _B, _Y[:1], note="a single example"),
        ordinary(_X[:, :1], _W[:1], _B, _Y, note="a single feature"),
        ordinary(
            np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]]), _W[:2], _B, _Y[:3], note="two features"
        ),
        ordinary(
            _read_only(_X.copy()),
            _read_only(_W.copy()),
            _read_only(_B.copy()),
            _read_only(_Y.copy()),
            note="read-only arrays",
        ),
        ordinary(
            _X.astype(np.float32),
            _W.astype(np.float32),
            _B.astype(np.float32),
            _Y,
            note="float32",
        ),
        extreme(
            np.array([[2.0, 1.0], [-1.0, 3.0]]),
            np.array([[512.0, 0.0, 256.0], [0.0, 511.0, 128.0]]),
            np.array([0.0, 1.0, -1.0]),
            np.array([1, 2]),
            note="logits of 1000 and more",
        ),
    ],
    truth=_linear_truth,
    scale=_linear_scale,
    relative=lambda X, W, b, labels: spread(X @ W + b).max() + (np.abs(X) @ np.abs(W)).max(),
    remark="These two lines train every linear classifier, and the last layer of every network.",
)
def linear_grads(X, W, b, labels):
    """Return the gradients (dW, db) of the mean cross-entropy of softmax(X @ W + b).

    X : float array, shape (N, d); W : shape (d, n); b : shape (n,).
    labels : integer array, shape (N,), each in 0 ... n - 1.
    Returns dW, shape (d, n), and db, shape (n,). The arguments stay unchanged.
    """
    logits = X @ W + b
    e = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    G = (p - np.eye(len(b))[labels]) / len(X)
    return X.T @ G, G.sum(axis=0)


linear_grads.hints(
    "Start from the gradient by the logits, exercise 7.1: G = (p - one-hot) / N, shape (N, n).",
    "Logit (i, k) is Σ_f X[i, f] W[f, k] + b[k]. How much does it change with W[f, k], and with "
    "b[k]?",
    "dW[f, k] = Σ_i X[i, f] G[i, k]. Which matrix product sums over the batch index i?",
    "dW = X.T @ G, and db = G.sum(axis=0).",
)
linear_grads.reasoning(
    "W[f, k] enters logit k of every example, with the factor X[i, f]; b[k] enters with the "
    "factor 1. The chain rule sums over the examples: a matrix product with X transposed, and a "
    "plain sum. The shapes check it: (d, N) @ (N, n) is (d, n)."
)


def _by_logits(X, W, b, labels):
    return (_softmax(X @ W + b) - _one_hot(labels, np.shape(W)[1])) / len(X)


@linear_grads.mistake(
    "1/N is missing in both: the loss is a mean over the N examples, so is its gradient."
)
def both_without_one_over_n(X, W, b, labels):
    G = _by_logits(X, W, b, labels) * len(X)
    return X.T @ G, G.sum(axis=0)


@linear_grads.mistake(
    "the bias gradient is not summed over the batch: b is shared by all examples, so it gets the "
    "sum of what each asks for, G.sum(axis=0)."
)
def bias_not_summed(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return X.T @ G, G


@linear_grads.mistake(
    "the weight gradient is transposed: dW has the shape of W, (d, n). X.T @ G gives it, G.T @ X "
    "does not."
)
def weights_transposed(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return G.T @ X, G.sum(axis=0)


@linear_grads.mistake("the bias gradient was averaged twice: (p - q) / N holds the 1/N already.")
def bias_averaged_twice(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return X.T @ G, G.mean(axis=0)


@linear_grads.mistake("1/N is in dW and missing from db: both are gradients of the same mean.")
def bias_without_one_over_n(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return X.T @ G, G.sum(axis=0) * len(X)


@linear_grads.mistake("1/N is in db and missing from dW: both are gradients of the same mean.")
def weights_without_one_over_n(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return X.T @ G * len(X), G.sum(axis=0)


@linear_grads.mistake("the bias was left out of the logits: they are X @ W + b.")
def bias_left_out_of_the_logits(X, W, b, labels):
    G = _by_logits(X, W, 0, labels)
    return X.T @ G, G.sum(axis=0)


@linear_grads.mistake("the two results are exchanged: the task asks for (dW, db).")
def results_exchanged(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return G.sum(axis=0), X.T @ G


@linear_grads.mistake(
    "the sign is turned in both: descending along these would raise the loss. It is p - q."
)
def both_uphill(X, W, b, labels):
    G = -_by_logits(X, W, b, labels)
    return X.T @ G, G.sum(axis=0)


@linear_grads.mistake(
    "the softmax inside overflows or underflows: subtract each row's maximum before exp."
)
def unstable_softmax_of_the_model(X, W, b, labels):
    G = (_textbook(X @ W + b) - _one_hot(labels, len(b))) / len(X)
    return X.T @ G, G.sum(axis=0)


@linear_grads.mistake(
    "the bias gradient was summed over the classes, which gives 0 for every example: "
    "sum over the batch, axis=0."
)
def bias_summed_over_the_classes(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return X.T @ G, G.sum(axis=1)


@linear_grads.mistake(
    "the bias gradient is one number for all classes: each class has a bias of its own, so sum "
    "over the batch alone, axis=0.",
    how=("sum", "mean"),
)
def bias_as_one_number(X, W, b, labels, *, how):
    G = _by_logits(X, W, b, labels)
    return X.T @ G, np.sum(G) if how == "sum" else np.mean(G)


@linear_grads.mistake("both gradients were divided by N twice: (p - q) / N holds the 1/N already.")
def both_averaged_twice(X, W, b, labels):
    G = _by_logits(X, W, b, labels) / len(X)
    return X.T @ G, G.sum(axis=0)


@linear_grads.mistake(
    "both were divided by the number of features, X.shape[1], as if the examples were columns: "
    "here they are the rows, and N is X.shape[0]."
)
def both_divided_by_the_features(X, W, b, labels):
    G = _by_logits(X, W, b, labels) * len(X) / X.shape[1]
    return X.T @ G, G.sum(axis=0)


@linear_grads.mistake(
    "the bias gradient keeps the batch axis, shape (1, n): b has the shape (n,), so has db."
)
def bias_keeps_an_axis(X, W, b, labels):
    G = _by_logits(X, W, b, labels)
    return X.T @ G, G.sum(axis=0, keepdims=True)


@linear_grads.mistake(
    "a step was taken as well: W and b were changed in place. Return the gradients alone.",
    rate=(1.0, 0.5, 0.1, 0.01, 1e-3),
)
def takes_a_step(X, W, b, labels, *, rate):
    G = _by_logits(X, W, b, labels)
    dW, db = X.T @ G, G.sum(axis=0)
    W -= rate * dW
    b -= rate * db
    return dW, db


# --- 7.4 -----------------------------------------------------------------------------------------


@cache
def _digits():
    """Return the digits in [0, 1], two thirds for training, every class split alike."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    return train_test_split(images / 16, labels, test_size=1 / 3, random_state=0, stratify=labels)


@cache
def _clusters():
    """Return two clusters on one ray from the origin: without a bias nothing parts them."""
    rng = np.random.default_rng(74)
    y = np.tile([0, 1], 400)
    X = np.where(y[:, None] == 0, 0.15, 0.85) + 0.04 * rng.normal(size=(800, 2))
    return X[:400], X[400:], y[:400], y[400:]


@cache
def _overlapping():
    """Return three overlapping classes: how often each occurs at x = 0, ½ and 1 is not linear."""
    counts = ((16, 3, 1), (20, 0, 0), (5, 14, 1))
    rows = [(x, k) for x, row in zip((0.0, 0.5, 1.0), counts, strict=True)
            for k, count in enumerate(row) for _ in range(count)]  # fmt: skip
    X = 0.8 * np.array([[x, 1 - x] for x, _ in rows])
    y = np.array([k for _, k in rows])
    return X, X, y, y


def _loss_of(W, b, X, y):
    z = X @ W + b
    z = z - np.max(z, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(y)), y])


@cache
def _least_loss():
    """Return the least mean cross-entropy of a linear model on the overlapping classes."""
    from scipy.optimize import minimize

    X, _, y, _ = _overlapping()
    d = X.shape[1]
    return minimize(lambda t: _loss_of(t[: 3 * d].reshape(d, 3), t[3 * d :], X, y),
                    np.zeros(3 * d + 3)).fun  # fmt: skip


class _Fit(Probe):
    """A training set that is loaded when it is first needed, so that declaring costs nothing."""

    def __init__(self, data, n_classes, note):
        super().__init__((), False, note)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "n_classes", n_classes)
        self.__dict__.pop("arguments")

    @cached_property
    def arguments(self):
        X, _, y, _ = self.data()
        return X, y, self.n_classes


def _held_out(result, X, y, n_classes):
    """Return what counts: shapes, finite numbers, and how it does.

    Two sets ask for accuracy on examples not trained on; the classes of the third overlap, and the
    mean loss has to come near the least. The facts tell the ways to fail apart; whoever reaches
    the last has the others too.
    """
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError("two results were asked, the pair (W, b)")
    W, b = (np.asarray(part, dtype=float) for part in result)
    facts = {
        "W has the shape (d, n_classes)": W.shape == (X.shape[1], n_classes),
        "b has the shape (n_classes,)": b.shape == (n_classes,),
    }
    fit_to_use = all(facts.values()) and bool(np.isfinite(W).all() and np.isfinite(b).all())
    facts["all numbers are finite"] = fit_to_use
    overlapping = n_classes == 3
    rest = ("the loss fell", "better than guessing", "right often enough")
    if overlapping:
        rest = ("the loss fell", "the mean cross-entropy is within 0.04 of the least")
    if not fit_to_use:
        return facts | dict.fromkeys(rest, False)
    if overlapping:
        loss = _loss_of(W, b, X, y)
        near = bool(loss <= _least_loss() + 0.04)
        return facts | dict(zip(rest, (near or bool(loss < np.log(3)), near), strict=True))
    _, X_test, _, y_test = _digits() if n_classes == 10 else _clusters()
    logits = X_test @ W + b
    gaps = logits.max(axis=1) - logits[np.arange(len(y_test)), y_test]
    accuracy = np.mean(np.argmax(logits, axis=1) == y_test)
    enough = accuracy >= (0.92 if n_classes == 10 else 0.95)
    learnt = enough or accuracy >= 1.5 / n_classes
    reached = bool(enough or gaps.mean() <= 2.0), bool(learnt), bool(enough)
    return facts | dict(zip(rest, reached, strict=True))


def _library_fit(X, y, n_classes):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, max_iter=500).fit(X, y)
    W, b = model.coef_.T, model.intercept_
    if n_classes == 2:  # scikit-learn keeps one column for two classes
        W, b = np.hstack([-W, W]), np.array([-b[0], b[0]])
    return W, b


def _descend(X, y, n_classes, *, steps=400, rate=0.5, bias=True):
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    q = _one_hot(y, n_classes)
    for _ in range(steps):
        G = (_softmax(X @ W + b) - q) / len(X)
        W -= rate * X.T @ G
        b -= rate * G.sum(axis=0) * bias
    return W, b


@exercise(
    "7.4",
    minutes=12,
    probes=[
        _Fit(_digits, 10, "the digits, pixels in [0, 1]: 0.92 of the held-out ones must be right"),
        _Fit(_clusters, 2, "two clusters that only a bias separates: 0.95 must be right"),
        _Fit(_overlapping, 3, "three classes that overlap: the loss must come near the least"),
    ],
    truth=_library_fit,
    canonical=_held_out,
    library=("LogisticRegression", "LogisticRegressionCV", "SGDClassifier", "MNLogit"),
    time_limit=10.0,
    remark="About 0.95 of the digits, from a linear model: a good part of the way, by two lines.",
)
def fit(X, y, n_classes):
    """Fit softmax regression by gradient descent on the mean cross-entropy; return (W, b).

    X : float array, shape (N, d), entries about 0 to 1; y : integer labels, shape (N,).
    Returns W, shape (d, n_classes), and b, shape (n_classes,). The label of a new row x is then
    argmax(x @ W + b): at least 0.92 of held-out digits must be right, within 10 seconds. Where
    classes overlap, the mean cross-entropy of softmax(X @ W + b) must come within 0.04 of its
    least value.
    Write it yourself: no ready-made classifier. torch's autograd and optimisers are fine.
    """
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    for _ in range(400):
        logits = X @ W + b
        e = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
        p = e / np.sum(e, axis=-1, keepdims=True)
        G = (p - np.eye(n_classes)[y]) / len(X)
        W -= 0.5 * X.T @ G
        b -= 0.5 * G.sum(axis=0)
    return W, b


fit.hints(
    "Start from W = 0 and b = 0. Then repeat: gradients, and a small step against them.",
    "The gradients are those of exercise 7.3: X.T @ G and G.sum(axis=0), with "
    "G = (p - one-hot) / N.",
    "W -= rate * dW; b -= rate * db. With features in [0, 1] a rate of 0.5 and 400 steps do well.",
    "If the held-out accuracy is near 0, look at the sign of the step; if it is near chance, look "
    "whether the new W is kept.",
)
fit.reasoning(
    "The mean cross-entropy is convex in W and b, so there is no bad local minimum to fall into: "
    "small steps downhill are enough, from any start, zeros included. The bias is needed where "
    "the classes lie on one ray from the origin, for without it every boundary passes through 0."
)


@fit.mistake(
    "the step goes uphill: the gradient was added, so the loss grows and almost every held-out "
    "example is wrong. Subtract it.",
)
def goes_uphill(X, y, n_classes):
    return _descend(X, y, n_classes, steps=100, rate=-0.5)


@fit.mistake(
    "the parameters are NaN or inf: the steps are too large, or exp overflows. "
    "Divide the gradient by N, take a smaller rate, and subtract the maximum before exp."
)
def becomes_nan(X, y, n_classes):
    W, b = _descend(X, y, n_classes, steps=1)
    return W * np.nan, b * np.nan


@fit.mistake(
    "the bias is not learnt: two clusters on one ray from the origin cannot be told apart without "
    "it. Update b too, each class its own.",
)
def no_bias(X, y, n_classes):
    return _descend(X, y, n_classes, bias=False)


@fit.mistake(
    "the parameters never move: the accuracy is that of guessing. Is the step kept, W -= …, "
    "and is W returned, not the start?"
)
def never_updates(X, y, n_classes):
    return np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)


@fit.mistake(
    "the fit is on its way and not there yet: too few of the held-out examples are right. Take "
    "more steps, or larger ones; if the loss jumps up and down, take smaller ones. If that helps "
    "little, hold the gradient against exercise 7.3.",
    course=((0.5, 1), (0.1, 14), (0.1, 60)),
)
def not_there_yet(X, y, n_classes, *, course):
    rate, steps = course
    return _descend(X, y, n_classes, steps=steps, rate=rate)


def _descend_otherwise(X, y, n_classes, gradient, steps, rate):
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    q = _one_hot(y, n_classes)
    for _ in range(steps):
        G = gradient(X @ W + b, q) / len(X)
        W -= rate * X.T @ G
        b -= rate * G.sum(axis=0)
    return W, b


@fit.mistake(
    "the label is right often enough, but where the classes overlap the mean cross-entropy stays "
    "above the least. Either another loss was minimised, such as squared errors, or each class "
    "against the rest: the gradient is (p - q) / N, with p the softmax of all logits. Or the steps "
    "are too large to settle.",
    loss=("least squares", "each class against the rest"),
)
def another_loss(X, y, n_classes, *, loss):
    if loss == "least squares":
        ones = np.column_stack([X, np.ones(len(X))])
        both = np.linalg.lstsq(ones, _one_hot(y, n_classes), rcond=None)[0]
        return both[:-1], both[-1]
    return _descend_otherwise(X, y, n_classes, lambda z, q: 1 / (1 + np.exp(-z)) - q, 60, 2.0)


@fit.mistake(
    "only the label's logit is moved, by -q (1 - p): the wrong classes get p, which pushes them "
    "down. The gradient is (p - q) / N in every column. More steps can hide this, not mend it.",
    course=((2.0, 60), (20.0, 100)),
)
def label_column_only(X, y, n_classes, *, course):
    rate, steps = course
    return _descend_otherwise(X, y, n_classes, lambda z, q: q * (_softmax(z) - 1), steps, rate)


@fit.mistake("W is transposed: the logits are X @ W + b, so W has the shape (d, n_classes).")
def weights_of_the_other_shape(X, y, n_classes):
    square = X.shape[1] == n_classes  # there the shape does not show it
    W, b = _descend(X, y, n_classes, steps=200 if square else 1)
    return W.T, b


@fit.mistake("the two results are exchanged: return (W, b).")
def bias_before_weights(X, y, n_classes):
    W, b = _descend(X, y, n_classes, steps=1)
    return b, W


# --- 7.5 -----------------------------------------------------------------------------------------


def _smoothed_scale(logits, labels, eps, expected):
    n_rows, n = np.shape(logits)
    return ((1 - eps) * _one_hot(labels, n) + eps / n) / n_rows


def _smoothed_truth(logits, labels, eps):
    return _autograd(lambda x: _cross_entropy(x, labels, eps), logits)[0]


@exercise(
    "7.5",
    minutes=5,
    probes=[
        ordinary(LOGITS, LABELS, 0.1, note="four rows of three, ε = 0.1"),
        ordinary(WIDE, WIDE_LABELS, 0.3, note="two rows of five, ε = 0.3"),
        ordinary(SQUARE, SQUARE_LABELS, 0.2, note="a square batch, ε = 0.2"),
        ordinary(LOGITS, LABELS, 0.0, note="ε = 0: the plain gradient"),
        ordinary(LOGITS, np.array([1, 1, 0, 1]), 0.1, note="the last class does not occur"),
        ordinary(np.array([[0.5, -1.0, 2.0, 1.0]]), np.array([1]), 0.4, note="a batch of one"),
        ordinary(
            np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 2.0]]),
            np.array([1, 2]),
            0.1,
            note="two rows, a tie",
        ),
        ordinary(
            _read_only(SQUARE[:2].copy()),
            _read_only(np.array([2, 0])),
            0.1,
            note="read-only arrays",
        ),
        ordinary(LOGITS.astype(np.float32), LABELS, 0.1, note="float32"),
        ordinary(LOGITS.astype(np.float16), LABELS, 0.1, note="float16"),
        extreme(np.array([[1000.0, 999.0, 0.0]]), np.array([1]), 0.1, note="exp(1000) overflows"),
        extreme(
            np.array([[1000.0, 998.0], [-1000.0, -1001.0]]),
            np.array([1, 0]),
            0.2,
            note="rows 2000 apart",
        ),
    ],
    truth=_smoothed_truth,
    scale=_smoothed_scale,
    relative=lambda logits, labels, eps: spread(logits).max(),
    remark="p - q holds for any q that sums to 1: only the target had to change.",
)
def smoothed_grad(logits, labels, eps):
    """Return the gradient of the mean label-smoothed cross-entropy with respect to the logits.

    logits : float array, shape (N, n); labels : integer array, shape (N,), each in 0 ... n - 1.
    eps : the smoothing, 0 <= eps < 1: the target is q = (1 - eps) * one-hot + eps / n.
    Returns an array of shape (N, n). The logits may be of any size.
    """
    n_rows, n = np.shape(logits)
    e = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    q = (1 - eps) * np.eye(n)[labels] + eps / n
    return (p - q) / n_rows


smoothed_grad.hints(
    "Is p - q still the gradient when q is not one-hot? What did the derivation ask of q?",
    "It asked for Σq = 1 alone. So build the smoothed q and subtract it.",
    "q = (1 - eps) * np.eye(n)[labels] + eps / n; then (p - q) / N.",
)
smoothed_grad.reasoning(
    "The chain rule gave p Σq - q, and a smoothed target sums to 1 like any other. The gradient is "
    "0 where p = q: the label at 1 - ε + ε/n, the others at ε/n, so the best gap between logits "
    "is finite, and training stops pulling there."
)


@smoothed_grad.mistake("the smoothing is ignored: this is the gradient for the hard labels.")
def smoothing_ignored(logits, labels, eps):
    n_rows, n = np.shape(logits)
    return (_softmax(logits) - _one_hot(labels, n)) / n_rows


@smoothed_grad.mistake(
    "the probabilities were smoothed instead of q: the model's output stays what it is, the "
    "target is mixed with the uniform distribution."
)
def probabilities_smoothed(logits, labels, eps):
    n_rows, n = np.shape(logits)
    p = (1 - eps) * _softmax(logits) + eps / n
    return (p - _one_hot(labels, n)) / n_rows


@smoothed_grad.mistake(
    "that is another convention, 1 - ε on the label and ε/(n - 1) on the others: here, as in "
    "PyTorch, ε/n goes to every class, the label included."
)
def shared_among_the_others(logits, labels, eps):
    n_rows, n = np.shape(logits)
    one_hot = _one_hot(labels, n)
    return (_softmax(logits) - (1 - eps) * one_hot - (1 - one_hot) * eps / (n - 1)) / n_rows


@smoothed_grad.mistake(
    "ε was shared by n - 2 classes, as a translation model does that leaves out padding and the "
    "label: here ε/n goes to every class, the label included."
)
def shared_among_n_minus_two(logits, labels, eps):
    n_rows, n = np.shape(logits)
    one_hot, others = _one_hot(labels, n), max(n - 2, 1)
    return (_softmax(logits) - (1 - eps) * one_hot - (1 - one_hot) * eps / others) / n_rows


@smoothed_grad.mistake(
    "the targets do not sum to 1: with ε/n on the others the label has 1 - ε + ε/n."
)
def targets_below_one(logits, labels, eps):
    n_rows, n = np.shape(logits)
    one_hot = _one_hot(labels, n)
    return (_softmax(logits) - (1 - eps) * one_hot - (1 - one_hot) * eps / n) / n_rows


def _smoothed(logits, labels, eps):
    n = np.shape(logits)[1]
    return _softmax(logits) - (1 - eps) * _one_hot(labels, n) - eps / n


@smoothed_grad.mistake("1/N is missing: the loss is a mean over the rows.")
def smoothed_without_one_over_n(logits, labels, eps):
    return _smoothed(logits, labels, eps)


@smoothed_grad.mistake(
    "the hard gradient was scaled by 1 - ε: the other part, ε (p - 1/n), is missing."
)
def uniform_part_missing(logits, labels, eps):
    n_rows, n = np.shape(logits)
    return (1 - eps) * (_softmax(logits) - _one_hot(labels, n)) / n_rows


@smoothed_grad.mistake(
    "the parts ε and 1 - ε are exchanged: the label keeps the larger part, 1 - ε."
)
def parts_exchanged(logits, labels, eps):
    return _smoothed(logits, labels, 1 - eps) / len(logits)


@smoothed_grad.mistake("the whole ε was added to every class: it is shared out, ε/n each.")
def epsilon_not_shared(logits, labels, eps):
    n_rows, n = np.shape(logits)
    return (_softmax(logits) - (1 - eps) * _one_hot(labels, n) - eps) / n_rows


@smoothed_grad.mistake(
    "the smoothing was divided by the number of rows: ε is shared by the n classes."
)
def shared_among_the_rows(logits, labels, eps):
    n_rows, n = np.shape(logits)
    return (_softmax(logits) - (1 - eps) * _one_hot(labels, n) - eps / n_rows) / n_rows


@smoothed_grad.mistake("the sign is turned: the gradient is p - q.")
def smoothed_sign_turned(logits, labels, eps):
    return -_smoothed(logits, labels, eps) / len(logits)


@smoothed_grad.mistake(
    "the part ε/n comes out with a plus: all of q is subtracted, so put q in brackets."
)
def uniform_part_added(logits, labels, eps):
    n_rows, n = np.shape(logits)
    return (_softmax(logits) - (1 - eps) * _one_hot(labels, n) + eps / n) / n_rows


@smoothed_grad.mistake(
    "the softmax inside overflows or underflows: subtract each row's maximum before exp."
)
def unstable_softmax_under_smoothing(logits, labels, eps):
    n_rows, n = np.shape(logits)
    return (_textbook(logits) - (1 - eps) * _one_hot(labels, n) - eps / n) / n_rows


@smoothed_grad.mistake(
    "n was taken from the labels: a last class that does not occur in the batch is lost. Take n "
    "from the logits, logits.shape[1]."
)
def width_from_the_labels_under_smoothing(logits, labels, eps):
    n = np.max(labels) + 1
    return (_softmax(logits) - (1 - eps) * _one_hot(labels, n) - eps / n) / len(labels)


@smoothed_grad.mistake(
    "keepdims=True is missing: a shape of (N,) does not stand beside (N, n), and in a square batch "
    "it divides, or shifts, by the numbers of other rows.",
    where=("sum", "maximum", "both", "sum, unshifted"),
)
def missing_keepdims_under_smoothing(logits, labels, eps, *, where):
    n_rows, n = np.shape(logits)
    keep_maximum, keep_sum = where == "sum", where == "maximum"
    x = logits if "unshifted" in where else logits - np.max(logits, -1, keepdims=keep_maximum)
    e = np.exp(x)
    p = e / np.sum(e, axis=-1, keepdims=keep_sum)
    return (p - (1 - eps) * _one_hot(labels, n) - eps / n) / n_rows


@smoothed_grad.mistake(
    "one maximum was subtracted from the whole batch: a row far below it becomes 0/0. "
    "Subtract each row's own maximum."
)
def one_maximum_under_smoothing(logits, labels, eps):
    n_rows, n = np.shape(logits)
    p = _textbook(logits - np.max(logits))
    return (p - (1 - eps) * _one_hot(labels, n) - eps / n) / n_rows


@smoothed_grad.mistake(
    "the smoothing is fixed in the code: use the argument eps.", fixed=(0.1, 0.2, 0.05)
)
def epsilon_hard_coded(logits, labels, eps, *, fixed):
    return _smoothed(logits, labels, fixed) / len(logits)


# --- 7.6 -----------------------------------------------------------------------------------------

# What each of the losses is: the truth, which the losses themselves do not tell.
_KINDS: dict[object, str] = {}


def _loss(kind, constant=0.0):
    """Return a loss of one row of logits, with its gradient, that does one thing wrong or none."""

    def loss(logits, label):
        x = np.asarray(logits, dtype=float)
        value, gradient = _sound_loss(x, label)
        p = _softmax(x)
        if kind == "clipped":
            clipped = min(max(p[label], constant), 1 - constant)
            return -math.log(clipped), gradient if clipped == p[label] else 0.0 * gradient
        if kind == "epsilon":
            return -math.log(p[label] + constant), gradient * p[label] / (p[label] + constant)
        if kind == "softmax twice":
            value, by_p = _sound_loss(p, label)
            return value, p * (by_p - p @ by_p)
        if kind == "uncoupled":
            with np.errstate(all="ignore"):
                by_p = np.where(np.arange(x.size) == label, -1 / p[label], 0.0)
                value = value if constant else float(-np.log(p[label]))
                return value, (np.diag(p) - np.outer(p, p)) @ by_p
        return value, gradient

    _KINDS[loss] = kind
    return loss


def _sound_loss(x, label):
    shifted = x - np.max(x)
    log_p = shifted - np.log(np.sum(np.exp(shifted)))
    gradient = np.exp(log_p)
    gradient[label] -= 1
    return float(-log_p[label]), gradient


_TWO, _THREE = np.array([0.5, 1.25]), np.array([1.0, -0.5, 2.0])
_TEN = np.array([0.3, -1.2, 0.8, 1.9, -0.4, 0.0, 0.6, -2.1, 1.1, -0.7])
_THOUSAND = np.sin(np.arange(1000.0))


@exercise(
    "7.6",
    minutes=12,
    probes=[
        ordinary(_loss("sound"), _THREE, 2, note="three classes"),
        ordinary(_loss("sound"), _TWO, 0, note="two classes"),
        ordinary(_loss("sound"), _THOUSAND, 7, note="a thousand classes"),
        ordinary(_loss("clipped", 1e-7), _THREE, 1, note="three classes, label 1"),
        ordinary(_loss("clipped", 1e-15), _TWO, 1, note="two classes, label 1"),
        ordinary(_loss("clipped", 1e-3), _TEN, 4, note="ten classes"),
        ordinary(_loss("clipped", 1e-7), _THOUSAND, 999, note="a thousand classes, the last"),
        ordinary(_loss("epsilon", 1e-9), _THREE, 0, note="three classes, label 0"),
        ordinary(_loss("epsilon", 1e-15), _TWO, 0, note="two classes, label 0"),
        ordinary(_loss("epsilon", 1e-3), _TEN, 9, note="ten classes, the last"),
        ordinary(_loss("epsilon", 1e-12), _THOUSAND, 500, note="a thousand classes, label 500"),
        ordinary(_loss("softmax twice"), _TWO, 1, note="another of two classes"),
        ordinary(_loss("softmax twice"), _THREE, 2, note="another of three classes"),
        ordinary(_loss("softmax twice"), _TEN, 3, note="another of ten classes"),
        ordinary(_loss("softmax twice"), _THOUSAND, 0, note="another of a thousand classes"),
        ordinary(_loss("uncoupled"), _THREE, 0, note="one more of three classes"),
        ordinary(_loss("uncoupled", 1.0), _TWO, 0, note="one more of two classes"),
        ordinary(_loss("uncoupled"), _TEN, 6, note="one more of ten classes"),
    ],
    truth=lambda loss, logits, label: _KINDS[loss],
    remark="Values deceive, and so does one gap: a loss is known by its pull from small to huge.",
)
def which_loss(loss, logits, label):
    """Name a loss by what it does: return one of five strings.

    loss : a function. loss(x, label) takes any row x of n finite logits, and returns the pair
        (value, gradient), a float and an array of shape (n,). Call it as often as you like.
    logits : 1-D float array, n >= 2 moderate logits: one such row. label : int in 0 ... n - 1.
    Returns "sound": -log p[label], from the logits; "clipped": p[label] is clipped before the
    log; "epsilon": -log(p[label] + ε); "softmax twice": softmax(x) is taken for the logits; or
    "uncoupled": the gradient goes through 1/p, NaN or inf at a huge gap. The clip and ε lie between
    1e-15 and 1e-3.
    """

    def gradient(gap):
        x = np.full(np.size(logits), -50.0)
        x[label], x[label - 1] = 0.0, gap  # another class leads by the gap
        return loss(x, label)[1]

    if not np.isfinite(gradient(1000.0)).all():
        return "uncoupled"
    if gradient(1000.0)[label] < -0.5:
        return "sound"
    if gradient(5.0)[label] > -0.5:
        return "softmax twice"
    pulls = [-gradient(gap)[label] for gap in range(5, 40)]
    return "epsilon" if any(0.1 < pull < 0.9 for pull in pulls) else "clipped"


which_loss.hints(
    "Build rows of your own: the label's logit 0, another's d, the rest far below, so that "
    "p[label] is about e^(-d). What becomes of the pull, -gradient[label], as d grows?",
    "At d = 1000 two kinds show themselves: a gradient that is not finite, and one that still "
    "pulls with 1. The other three hardly pull.",
    "At d = 5 the label has p = 0.007, above every clip and ε. Who does not pull there?",
    "Between the last two, walk from d = 5 to 40 in steps of 1: a clip lets go from one step to "
    "the next, an ε takes several steps from 0.9 to 0.1.",
)
which_loss.reasoning(
    "Each loss is p - q times a factor, or not. Sound: 1 at any gap. Uncoupled: 1 until 1/p "
    "overflows, then NaN or inf. Clipped: 1, then 0, at the gap -ln(clip). Epsilon: p / (p + ε), "
    "which takes a gap of about 4 to fall from 0.9 to 0.1. Softmax twice: hardly any pull once the "
    "row is confident, at any number of classes. The value at a huge gap does not tell a clip from "
    "an ε: it is -ln of either."
)


def _led(loss, logits, label, gap):
    """Return value and gradient where another class leads the label by the gap."""
    x = np.full(np.size(logits), -50.0)
    x[label], x[label - 1] = 0.0, gap
    return loss(x, label)


def _pull(loss, logits, label, gap):
    return -_led(loss, logits, label, gap)[1][label]


def _told(loss, logits, label):
    return which_loss.reference(loss, logits, label)


@which_loss.mistake(
    "you looked at the value alone. It tells neither a clip from an ε, which both stop at a "
    "constant, nor what the gradient does: that can be NaN beside a sound value.",
    rest=("clipped", "epsilon"),
)
def value_alone(loss, logits, label, *, rest):
    value = _led(loss, logits, label, 1000.0)[0]
    if not np.isfinite(value):
        return "uncoupled"
    if value > 900:
        return "sound"
    below = value < np.log(np.size(logits) + 2) and _led(loss, logits, label, 5.0)[0] < 4.9
    return "softmax twice" if below else rest


@which_loss.mistake(
    "you looked at one gap alone. A small gap does not reach a small clip, nor the overflow of "
    "1/p; at a huge one a clip and an ε pull alike, not at all. Walk from small to huge.",
    gap=(5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 100.0, 800.0, 1000.0),
)
def one_gap_alone(loss, logits, label, *, gap):
    gradient = _led(loss, logits, label, gap)[1]
    pull = -gradient[label]
    if not np.isfinite(gradient).all():
        return "uncoupled"
    if pull > 0.9:
        return "sound"
    if pull == 0:
        return "clipped"
    return "epsilon" if pull > 0.1 else "softmax twice"


@which_loss.mistake(
    "you took a gradient of 0 for a second softmax. A clip gives 0 as well, from its gap on; a "
    "second softmax hardly pulls at a gap of 5 already, where a clip has not begun."
)
def zero_taken_for_softmax_twice(loss, logits, label):
    told = _told(loss, logits, label)
    return "softmax twice" if told == "clipped" else told


@which_loss.mistake(
    "a gradient that is finite need not be sound: a clip, an ε and a second softmax give finite "
    "numbers, and hardly any pull. Compare it with p - q."
)
def anything_finite_is_sound(loss, logits, label):
    finite = np.isfinite(_led(loss, logits, label, 1000.0)[1]).all()
    return "sound" if finite else "uncoupled"


@which_loss.mistake(
    "your threshold fits a few classes only: with a second softmax the value ends at "
    "log(1 + (n - 1)/e) for a row that is right and at log(e + n - 1) for one that is wrong. Look "
    "at the gradient, whose bound does not grow with n.",
    threshold=(1.4, 2.0, 4.0),
)
def threshold_for_few_classes(loss, logits, label, *, threshold):
    told = _told(loss, logits, label)
    wrong = _led(loss, logits, label, 1000.0)[0] > threshold
    return "clipped" if told == "softmax twice" and wrong else told


@which_loss.mistake(
    "you looked at the given row alone. It is moderate, where a clip, an ε and the way through 1/p "
    "do no harm yet: call the loss on rows of your own, with larger gaps."
)
def the_given_row_alone(loss, logits, label):
    gradient = loss(logits, label)[1]
    near = np.allclose(gradient, _sound_loss(logits, label)[1], atol=0.02)
    return "sound" if near else "softmax twice"


@which_loss.mistake(
    "you looked at the gradient of another logit than the label's: gradient[label] is the one to "
    "watch.",
    entry=(0, 1, -1),
)
def another_entry(loss, logits, label, *, entry):
    def swapped(x, y):
        value, gradient = loss(x, y)
        gradient = np.array(gradient)
        gradient[y] = gradient[entry]
        return value, gradient

    return _told(swapped, logits, label)


@which_loss.mistake(
    "in your rows the label leads. There every loss pulls less and less, and rightly so: let "
    "another class lead, so that the row is confident and wrong."
)
def the_label_leads(loss, logits, label):
    def turned(x, y):
        x = np.array(x)
        x[y], x[y - 1] = x[y - 1], x[y]
        return loss(x, y)

    return _told(turned, logits, label)
