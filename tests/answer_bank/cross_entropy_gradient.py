"""Answers to the exercises on the gradient of cross-entropy: right ones, and wrong ones."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.special
import torch
import torch.nn.functional as F  # noqa: N812

from . import right, wrong


def _softmax(x: Any) -> Any:
    """Softmax over the last axis, stable: the learner's own, from an earlier notebook."""
    x = np.asarray(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# 7.1 cross_entropy_grad(logits, labels) -----------------------------------------------------


@right("7.1")
def grad_eye_indexing(logits: Any, labels: Any) -> Any:
    """(p - one-hot) / N; np.eye is float64, so float32 is promoted."""
    n_rows, n = np.shape(logits)
    return (_softmax(logits) - np.eye(n)[labels]) / n_rows


@right("7.1")
def grad_subtract_at_labels(logits: Any, labels: Any) -> Any:
    """Subtracts 1 in a copy of its own."""
    p = _softmax(logits)
    p[np.arange(len(p)), labels] -= 1
    return p / len(p)


@right("7.1")
def grad_loops(logits: Any, labels: Any) -> Any:
    """Python floats; returns a list of lists."""
    out = []
    for row, y in zip(logits, labels, strict=True):
        top = float(max(row))
        e = [math.exp(float(v) - top) for v in row]
        out.append([(v / sum(e) - (k == y)) / len(labels) for k, v in enumerate(e)])
    return out


@right("7.1")
def grad_autograd(logits: Any, labels: Any) -> Any:
    """Autograd through torch's cross-entropy."""
    t = torch.tensor(np.array(logits), dtype=torch.float64, requires_grad=True)
    F.cross_entropy(t, torch.tensor(np.array(labels)).long()).backward()
    return t.grad


@right("7.1")
def grad_put_along_axis(logits: Any, labels: Any) -> Any:
    """scipy's softmax and put_along_axis."""
    p = scipy.special.softmax(logits, axis=1)
    index = np.asarray(labels)[:, None]
    np.put_along_axis(p, index, np.take_along_axis(p, index, 1) - 1, 1)
    return np.divide(p, len(labels))


@right("7.1")
def grad_compare_with_arange(logits: Any, labels: Any) -> Any:
    """The one-hot rows as a comparison."""
    logits = np.asarray(logits)
    hit = np.asarray(labels)[:, None] == np.arange(logits.shape[1])
    return np.where(hit, _softmax(logits) - 1, _softmax(logits)) / logits.shape[0]


@wrong("7.1")
def grad_of_the_sum(logits: Any, labels: Any) -> Any:
    """No 1/N: autograd of the summed loss."""
    t = torch.tensor(np.array(logits), dtype=torch.float64, requires_grad=True)
    F.cross_entropy(t, torch.tensor(np.array(labels)).long(), reduction="sum").backward()
    return t.grad


@wrong("7.1")
def grad_sign(logits: Any, labels: Any) -> Any:
    """The sign: one-hot - p."""
    p = -_softmax(logits)
    p[range(len(p)), labels] += 1
    return p / len(p)


@wrong("7.1")
def grad_softmax_twice(logits: Any, labels: Any) -> Any:
    """softmax's derivative once more: (p - q) p (1 - p)."""
    p = _softmax(logits)
    return (p - np.eye(p.shape[1])[labels]) * p * (1 - p) / len(p)


@wrong("7.1")
def grad_in_place(logits: Any, labels: Any) -> Any:
    """Overwrites the caller's logits."""
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    logits[np.arange(len(logits)), labels] -= 1
    return logits / len(logits)


@wrong("7.1")
def grad_textbook(logits: Any, labels: Any) -> Any:
    """Unstable: exp overflows at 1000."""
    e = np.exp(np.asarray(logits, dtype=float))
    return (e / e.sum(1)[:, None] - np.eye(e.shape[1])[labels]) / len(e)


@wrong("7.1")
def grad_divides_by_size(logits: Any, labels: Any) -> Any:
    """Divides by N n instead of N."""
    p = _softmax(logits)
    return (p - np.eye(p.shape[1])[labels]) / p.size


@wrong("7.1")
def grad_divides_by_classes(logits: Any, labels: Any) -> Any:
    """Divides by the number of classes instead of rows."""
    p = _softmax(logits)
    return (p - np.eye(p.shape[1])[labels]) / p.shape[-1]


@wrong("7.1")
def grad_colon_labels(logits: Any, labels: Any) -> Any:
    """p[:, labels] subtracts in every row, once for each class that occurs."""
    p = _softmax(logits)
    p[:, labels] -= 1
    return p / len(p)


@wrong("7.1")
def grad_one_hot_width(logits: Any, labels: Any) -> Any:
    """The one-hot width is taken from the labels: fails when the last class does not occur."""
    one_hot = np.eye(np.max(labels) + 1)[labels]
    return (_softmax(logits) - one_hot) / len(labels)


@wrong("7.1")
def grad_label_entry_only(logits: Any, labels: Any) -> Any:
    """Only the label's logit gets a gradient."""
    p = _softmax(logits)
    return np.eye(p.shape[1])[labels] * (p - 1) / len(p)


@wrong("7.1")
def grad_with_respect_to_p(logits: Any, labels: Any) -> Any:
    """The gradient with respect to the probabilities: -q / p."""
    p = _softmax(logits)
    return -np.eye(p.shape[1])[labels] / p / len(p)


@wrong("7.1")
def grad_softmax_over_batch(logits: Any, labels: Any) -> Any:
    """softmax over axis 0."""
    p = scipy.special.softmax(logits, axis=0)
    return (p - np.eye(p.shape[1])[labels]) / len(p)


@wrong("7.1")
def grad_epsilon_in_log(logits: Any, labels: Any) -> Any:
    """Autograd of -log(p + 1e-9): the gradient vanishes where the label is very unlikely."""
    t = torch.tensor(np.array(logits), dtype=torch.float64, requires_grad=True)
    y = torch.tensor(np.array(labels)).long()
    p = torch.softmax(t, 1)[torch.arange(len(y)), y]
    (-torch.log(p + 1e-9)).mean().backward()
    return t.grad


@wrong("7.1")
def grad_float32(logits: Any, labels: Any) -> Any:
    """Computes and returns float32 for float64 logits."""
    t = torch.tensor(np.array(logits)).float().requires_grad_()
    F.cross_entropy(t, torch.tensor(np.array(labels)).long()).backward()
    return t.grad


@wrong("7.1")
def grad_global_maximum(logits: Any, labels: Any) -> Any:
    """Shifted by the maximum of the batch: 0/0 in a row 2000 lower."""
    e = np.exp(np.asarray(logits, dtype=float) - np.max(logits))
    p = e / e.sum(axis=1, keepdims=True)
    return (p - np.eye(p.shape[1])[labels]) / len(p)


@right("7.1")
def grad_filled_row_by_row(logits: Any, labels: Any) -> Any:
    """A buffer like the logits, filled one row after the other."""
    grad = np.zeros_like(logits)
    for i, y in enumerate(labels):
        grad[i] = _softmax(logits[i])
        grad[i, y] -= 1
    return grad / len(labels)


@right("7.1")
def grad_tensor_of_the_input(logits: Any, labels: Any) -> Any:
    """Autograd on a tensor of the input's own dtype."""
    t = torch.tensor(logits, requires_grad=True)
    F.cross_entropy(t, torch.tensor(labels)).backward()
    return t.grad


@wrong("7.1")
def grad_jacobian_times_q_over_p(logits: Any, labels: Any) -> Any:
    """A stable softmax, then row by row the Jacobian times -q/p: 0/0 where a p is 0."""
    p = _softmax(logits)
    q = np.eye(p.shape[1])[labels]
    with np.errstate(all="ignore"):
        rows = [(np.diag(a) - np.outer(a, a)) @ (-t / a) for a, t in zip(p, q, strict=True)]
    return np.array(rows) / len(p)


@wrong("7.1")
def grad_jacobian_times_one_entry(logits: Any, labels: Any) -> Any:
    """The same with -1/p at the label and zeros elsewhere: infinity times 0 at p = 0."""
    p = _softmax(logits)
    by_p = np.zeros_like(p)
    with np.errstate(all="ignore"):
        by_p[np.arange(len(p)), labels] = -1 / p[np.arange(len(p)), labels]
        jacobians = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
        return np.einsum("nij,nj->ni", jacobians, by_p) / len(p)


@wrong("7.1")
def grad_by_p_of_the_sum(logits: Any, labels: Any) -> Any:
    """-q/p without the 1/N and without the Jacobian."""
    p = _softmax(logits)
    return -np.eye(p.shape[1])[labels] / p


@wrong("7.1")
def grad_by_p_with_epsilon(logits: Any, labels: Any) -> Any:
    """-q/(p + 1e-8), averaged."""
    p = _softmax(logits)
    return -np.eye(p.shape[1])[labels] / (p + 1e-8) / len(p)


@wrong("7.1")
def grad_by_p_at_the_labels(logits: Any, labels: Any) -> Any:
    """-1/p written at the labels into zeros."""
    p = _softmax(logits)
    grad = np.zeros_like(p)
    grad[np.arange(len(p)), labels] = -1 / p[np.arange(len(p)), labels]
    return grad / len(p)


@wrong("7.1")
def grad_whole_array_softmax(logits: Any, labels: Any) -> Any:
    """One softmax over all entries of the batch."""
    p = scipy.special.softmax(logits)
    p[np.arange(len(p)), labels] -= 1
    return p / len(p)


@wrong("7.1")
def grad_sum_without_keepdims(logits: Any, labels: Any) -> Any:
    """The row sums stand beside the columns."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1)
    return (p - np.eye(p.shape[1])[labels]) / len(p)


@wrong("7.1")
def grad_autograd_of_a_clip(logits: Any, labels: Any) -> Any:
    """Autograd through a clipped probability: no gradient below the clip."""
    t = torch.tensor(np.array(logits), dtype=torch.float64, requires_grad=True)
    p = torch.softmax(t, 1)[torch.arange(len(labels)), torch.tensor(np.array(labels)).long()]
    (-torch.log(p.clamp(min=1e-12))).mean().backward()
    return t.grad


# 7.2 chain_rule_grad(x, q) ------------------------------------------------------------------


@right("7.2")
def chain_matrix(x: Any, q: Any) -> Any:
    """The Jacobian, transposed, times -q/p."""
    p = _softmax(x)
    jacobian = np.diag(p) - np.outer(p, p)
    return jacobian.T @ (-q / p)


@right("7.2")
def chain_vjp(x: Any, q: Any) -> Any:
    """The vector-Jacobian product instead of the matrix."""
    p = scipy.special.softmax(x)
    g = -np.divide(q, p)
    return p * (g - p @ g)


@right("7.2")
def chain_loops(x: Any, q: Any) -> Any:
    """Every sum written out."""
    top = max(float(v) for v in x)
    e = [math.exp(float(v) - top) for v in x]
    p = [v / math.fsum(e) for v in e]
    n = len(p)
    out = []
    for j in range(n):
        total = 0.0
        for i in range(n):
            total += -float(q[i]) / p[i] * p[i] * ((1.0 if i == j else 0.0) - p[j])
        out.append(total)
    return out


@right("7.2")
def chain_autograd(x: Any, q: Any) -> Any:
    """Autograd of -sum q log p."""
    t = torch.tensor(np.array(x), dtype=torch.float64, requires_grad=True)
    p = torch.softmax(t, 0)
    loss = -(torch.tensor(np.array(q), dtype=torch.float64) * p.log()).sum()
    return torch.autograd.grad(loss, t)[0].numpy()


@right("7.2")
def chain_einsum(x: Any, q: Any) -> Any:
    """einsum over the first index of the Jacobian."""
    p = _softmax(x)
    jacobian = p[:, None] * (np.eye(p.size, dtype=p.dtype) - p)
    return np.einsum("ij,i->j", jacobian, -np.asarray(q) / p)


@right("7.2")
def chain_cancelled(x: Any, q: Any) -> Any:
    """What the steps cancel to: p - q, since q sums to 1."""
    return np.subtract(_softmax(x), q)


@wrong("7.2")
def chain_missing_minus(x: Any, q: Any) -> Any:
    """The minus of -q/p is missing."""
    p = _softmax(x)
    return (q / p) @ (np.diag(p) - np.outer(p, p))


@wrong("7.2")
def chain_elementwise(x: Any, q: Any) -> Any:
    """dL/dp as a diagonal matrix: the result is a matrix."""
    p = _softmax(x)
    return np.einsum("ij,i->ij", np.diag(p) - np.outer(p, p), -q / p)


@wrong("7.2")
def chain_diagonal_jacobian(x: Any, q: Any) -> Any:
    """The diagonal Jacobian p (1 - p)."""
    p = torch.softmax(torch.tensor(np.array(x), dtype=torch.float64), 0)
    return -torch.tensor(np.array(q), dtype=torch.float64) / p * p * (1 - p)


@wrong("7.2")
def chain_one_over_p(x: Any, q: Any) -> Any:
    """dL/dp = -1/p: forgets q."""
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)).T @ (-1 / p)


@wrong("7.2")
def chain_log_jacobian(x: Any, q: Any) -> Any:
    """The Jacobian of log-softmax with the derivative by p: counts the logarithm twice."""
    p = _softmax(x)
    return (np.eye(p.size) - p).T @ (-q / p)


@wrong("7.2")
def chain_p_over_q(x: Any, q: Any) -> Any:
    """-p/q: the fraction upside down."""
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)) @ (-p / (np.asarray(q) + 1e-12))


@wrong("7.2")
def chain_hard_label(x: Any, q: Any) -> Any:
    """Takes q for a one-hot vector: p - onehot(argmax q)."""
    p = _softmax(x)
    p[np.argmax(q)] -= 1
    return p


@wrong("7.2")
def chain_mean(x: Any, q: Any) -> Any:
    """Averages over the classes: a factor 1/n too small."""
    return (_softmax(x) - q) / len(q)


@wrong("7.2")
def chain_sum_of_products(x: Any, q: Any) -> Any:
    """A dot product of the diagonal: a number, not a vector."""
    p = _softmax(x)
    return np.dot(-q / p, p * (1 - p))


@wrong("7.2")
def chain_squared_error(x: Any, q: Any) -> Any:
    """The gradient of half the squared error: J (p - q)."""
    p = _softmax(x)
    return (np.diag(p) - np.outer(p, p)) @ (p - q)


@wrong("7.2")
def chain_plus_jacobian(x: Any, q: Any) -> Any:
    """Plus in the Jacobian: -(q + p)."""
    p = _softmax(x)
    return -(np.diag(p) + np.outer(p, p)) @ (q / p)


@wrong("7.2")
def chain_times_diagonal(x: Any, q: Any) -> Any:
    """p - q, and the diagonal of the Jacobian once more."""
    p = _softmax(x)
    return (p - q) * (p - p * p)


# 7.3 linear_grads(X, W, b, labels) ----------------------------------------------------------


class _Gradients(NamedTuple):
    weights: Any
    bias: Any


@right("7.3")
def linear_plain(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """XT delta and the column sums of delta."""
    delta = _softmax(X @ W + b)
    delta[np.arange(len(X)), labels] -= 1
    delta = delta / len(X)
    return X.T @ delta, delta.sum(axis=0)


@right("7.3")
def linear_ones_column(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """The bias as one more row of W and a column of ones; returns a named tuple."""
    A = np.column_stack([X, np.ones(len(X))])
    p = _softmax(A @ np.vstack([W, b]))
    full = A.T @ (p - np.eye(p.shape[1])[labels]) / len(X)
    return _Gradients(full[:-1], full[-1])


@right("7.3")
def linear_autograd(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """Autograd for both parameters; returns tensors."""
    tw = torch.tensor(np.array(W), dtype=torch.float64, requires_grad=True)
    tb = torch.tensor(np.array(b), dtype=torch.float64, requires_grad=True)
    logits = torch.tensor(np.array(X), dtype=torch.float64) @ tw + tb
    loss = F.cross_entropy(logits, torch.tensor(np.array(labels)).long())
    return torch.autograd.grad(loss, (tw, tb))


@right("7.3")
def linear_one_example_at_a_time(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """Accumulates outer products example by example; returns a list of two arrays."""
    dW, db = np.zeros(np.shape(W)), np.zeros(np.shape(b))
    for x, y in zip(X, labels, strict=True):
        d = np.asarray(_softmax(x @ W + b), dtype=float)
        d[y] -= 1
        dW += np.outer(x, d) / len(X)
        db += d / len(X)
    return [dW, db]


@right("7.3")
def linear_einsum(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """einsum forwards and backwards."""
    logits = np.einsum("nd,dk->nk", X, W) + b
    delta = scipy.special.softmax(logits, axis=1) - np.eye(len(b))[labels]
    return np.einsum("nd,nk->dk", X, delta) / len(X), np.einsum("nk->k", delta) / len(X)


@wrong("7.3")
def linear_no_mean(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """No 1/N: the gradients of the summed loss."""
    delta = _softmax(X @ W + b) - np.eye(len(b))[labels]
    return np.tensordot(X, delta, axes=(0, 0)), delta.sum(0)


@wrong("7.3")
def linear_bias_not_summed(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """The bias gradient still has a row for each example."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return np.einsum("nd,nk->dk", X, delta), delta


@wrong("7.3")
def linear_transposed(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """dW of shape (n, d): transposed."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return delta.T @ X, np.add.reduce(delta)


@wrong("7.3")
def linear_bias_mean_twice(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """The bias gradient is divided by N twice."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta, delta.mean(axis=0)


@wrong("7.3")
def linear_bias_gradient_not_averaged(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """1/N on dW only."""
    delta = _softmax(X @ W + b) - np.eye(len(b))[labels]
    return X.T @ delta / len(X), delta.sum(0)


@wrong("7.3")
def linear_forgets_bias_forward(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """The bias is left out of the forward pass."""
    delta = (_softmax(X @ W) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta, delta.sum(0)


@wrong("7.3")
def linear_swapped_results(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """(db, dW): the order of the pair."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return delta.sum(0), X.T @ delta


@wrong("7.3")
def linear_uphill(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """one-hot - p: the sign of both."""
    delta = (np.eye(len(b))[labels] - _softmax(X @ W + b)) / len(X)
    return X.T @ delta, delta.sum(0)


@wrong("7.3")
def linear_textbook(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """Unstable softmax: overflows when the logits are large."""
    e = np.exp(X @ W + b)
    delta = (e / e.sum(1, keepdims=True) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta, delta.sum(0)


@wrong("7.3")
def linear_bias_sums_classes(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """The bias gradient summed over the classes: zeros, one for each example."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta, delta.sum(axis=1)


@wrong("7.3")
def linear_bias_keeps_axis(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """db of shape (1, n)."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta, delta.sum(axis=0, keepdims=True)


@wrong("7.3")
def linear_updates_parameters(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """Takes a step as well: W and b are modified."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    dW, db = X.T @ delta, delta.sum(0)
    W -= 0.1 * dW
    b -= 0.1 * db
    return dW, db


@right("7.3")
def linear_grads_two_lists(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """A list of a matrix and a plain list."""
    g = scipy.special.softmax(np.asarray(X, dtype=float) @ W + b, axis=1)
    g[np.arange(len(labels)), labels] -= 1
    g /= len(labels)
    return [sum(np.outer(x, row) for x, row in zip(X, g, strict=True)), list(g.sum(axis=0))]


@wrong("7.3")
def linear_grads_by_name(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """A dict where a pair is asked."""
    g = scipy.special.softmax(np.asarray(X, dtype=float) @ W + b, axis=1)
    g[np.arange(len(labels)), labels] -= 1
    return {"dW": X.T @ g / len(labels), "db": g.mean(axis=0)}


@right("7.3")
def linear_grads_buffers_like_the_weights(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """Buffers like W and b, filled by loops over examples and classes."""
    dW, db = np.zeros_like(W), np.zeros_like(b)
    for x, y in zip(X, labels, strict=True):
        p = _softmax(x @ W + b)
        for k in range(len(b)):
            dW[:, k] += (p[k] - (k == y)) * x
            db[k] += p[k] - (k == y)
    return dW / len(X), db / len(X)


@wrong("7.3")
def linear_bias_one_number(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """np.sum without an axis: one number for all biases, and it is 0."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta, np.sum(delta)


@wrong("7.3")
def linear_bias_mean_of_everything(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """delta.mean() for the bias."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta, delta.mean()


@wrong("7.3")
def linear_mean_on_top_of_the_mean(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """1/N in delta and in both products."""
    delta = (_softmax(X @ W + b) - np.eye(len(b))[labels]) / len(X)
    return X.T @ delta / len(X), delta.mean(axis=0)


@right("7.3")
def linear_by_backward(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """Autograd, on copies that ask for a gradient."""
    weights, bias = (torch.tensor(v).requires_grad_() for v in (W, b))
    loss = F.cross_entropy(torch.tensor(X) @ weights + bias, torch.tensor(labels))
    return torch.autograd.grad(loss, (weights, bias))


@wrong("7.3")
def linear_examples_as_columns(X: Any, W: Any, b: Any, labels: Any) -> Any:
    """Divides by the number of features: where examples are columns, shape[1] counts them."""
    p = _softmax(X @ W + b)
    p[np.arange(len(X)), labels] -= 1
    return X.T @ p / X.shape[1], p.sum(axis=0) / X.shape[1]


# 7.4 fit(X, y, n_classes) -------------------------------------------------------------------


@right("7.4")
def fit_full_batch(X: Any, y: Any, n_classes: Any) -> Any:
    """Plain gradient descent from zero on the whole batch."""
    X = np.asarray(X, dtype=float)
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    target = np.eye(n_classes)[y]
    for _ in range(500):
        delta = (_softmax(X @ W + b) - target) / len(X)
        W -= 0.5 * X.T @ delta
        b -= 0.5 * delta.sum(0)
    return W, b


@right("7.4")
def fit_momentum(X: Any, y: Any, n_classes: Any) -> Any:
    """Heavy-ball momentum and the bias as a column of ones."""
    A = np.hstack([X, np.ones((len(X), 1))])
    theta = np.zeros((A.shape[1], n_classes))
    velocity = np.zeros_like(theta)
    for _ in range(300):
        gradient = A.T @ (scipy.special.softmax(A @ theta, axis=1) - np.eye(n_classes)[y]) / len(A)
        velocity = 0.9 * velocity - 0.1 * gradient
        theta = theta + velocity
    return theta[:-1], theta[-1]


@right("7.4")
def fit_minibatches(X: Any, y: Any, n_classes: Any) -> Any:
    """Mini-batches in an order of its own generator."""
    rng = np.random.default_rng(0)
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    W, b = rng.normal(0, 0.01, (X.shape[1], n_classes)), np.zeros(n_classes)
    rate = 1 / (1 + np.square(X).sum(axis=1).mean())
    for _ in range(100_000 // len(X)):
        for rows in np.array_split(rng.permutation(len(X)), max(1, len(X) // 64)):
            delta = _softmax(X[rows] @ W + b)
            delta[np.arange(len(rows)), y[rows]] -= 1
            W -= rate * X[rows].T @ delta / len(rows)
            b -= rate * delta.mean(0)
    return W, b


@right("7.4")
def fit_torch_float32(X: Any, y: Any, n_classes: Any) -> Any:
    """torch.optim.SGD on float32 parameters; returns detached tensors."""
    tx = torch.tensor(np.array(X), dtype=torch.float32)
    ty = torch.tensor(np.array(y)).long()
    W = torch.zeros(tx.shape[1], n_classes, requires_grad=True)
    b = torch.zeros(n_classes, requires_grad=True)
    optimiser = torch.optim.SGD([W, b], lr=0.5, momentum=0.5)
    for _ in range(400):
        optimiser.zero_grad()
        F.cross_entropy(tx @ W + b, ty).backward()
        optimiser.step()
    return W.detach(), b.detach()


@right("7.4")
def fit_weight_decay(X: Any, y: Any, n_classes: Any) -> Any:
    """A little weight decay on W, a step from the largest curvature; returns a list."""
    X = np.asarray(X, dtype=float)
    step = 2.0 / (np.linalg.norm(X, 2) ** 2 / len(X) + 1.0)
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    one_hot = (np.asarray(y)[:, None] == np.arange(n_classes)).astype(float)
    for _ in range(1000):
        delta = (_softmax(X @ W + b) - one_hot) / len(X)
        W = W - step * (X.T @ delta + 1e-5 * W)
        b = b - step * delta.sum(0)
    return [W, b]


@wrong("7.4")
def fit_uphill(X: Any, y: Any, n_classes: Any) -> Any:
    """Adds the gradient: uphill."""
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    for _ in range(100):
        delta = (_softmax(X @ W + b) - np.eye(n_classes)[y]) / len(X)
        W += 0.5 * X.T @ delta
        b += 0.5 * delta.sum(0)
    return W, b


@wrong("7.4")
def fit_nan(X: Any, y: Any, n_classes: Any) -> Any:
    """A huge step and the textbook softmax: the parameters become NaN."""
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    for _ in range(50):
        e = np.exp(X @ W + b)
        delta = e / e.sum(1, keepdims=True) - np.eye(n_classes)[y]
        W = W - 100.0 * X.T @ delta
        b = b - 100.0 * delta.sum(0)
    return W, b


@wrong("7.4")
def fit_without_bias(X: Any, y: Any, n_classes: Any) -> Any:
    """The bias is never learnt: zeros come back."""
    W = np.zeros((X.shape[1], n_classes))
    for _ in range(400):
        W -= 0.5 * X.T @ (_softmax(X @ W) - np.eye(n_classes)[y]) / len(X)
    return W, np.zeros(n_classes)


@wrong("7.4")
def fit_never_updates(X: Any, y: Any, n_classes: Any) -> Any:
    """Computes the gradient, rebinds local names, and returns the first parameters."""
    W0 = np.random.default_rng(1).normal(0, 0.01, (X.shape[1], n_classes))
    b0 = np.zeros(n_classes)
    for _ in range(5):
        delta = (_softmax(X @ W0 + b0) - np.eye(n_classes)[y]) / len(X)
        _new_W = W0 - 0.5 * X.T @ delta
    return W0, b0


@wrong("7.4")
def fit_swapped_results(X: Any, y: Any, n_classes: Any) -> Any:
    """(b, W)."""
    W, b = fit_full_batch(X, y, n_classes)
    return b, W


@wrong("7.4")
def fit_transposed(X: Any, y: Any, n_classes: Any) -> Any:
    """W of shape (classes, features), as nn.Linear keeps it."""
    W, b = fit_full_batch(X, y, n_classes)
    return W.T, b


@wrong("7.4")
def fit_tiny_step(X: Any, y: Any, n_classes: Any) -> Any:
    """A step of 1e-6: no progress on two clusters apart only by a bias."""
    W, b = np.random.default_rng(2).normal(0, 0.1, (X.shape[1], n_classes)), np.zeros(n_classes)
    for _ in range(100):
        delta = (_softmax(X @ W + b) - np.eye(n_classes)[y]) / len(X)
        W -= 1e-6 * X.T @ delta
        b -= 1e-6 * delta.sum(0)
    return W, b


@wrong("7.4")
def fit_softmax_over_batch(X: Any, y: Any, n_classes: Any) -> Any:
    """softmax over the batch instead of over the classes."""
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    for _ in range(200):
        delta = scipy.special.softmax(X @ W + b, axis=0) - np.eye(n_classes)[y] / len(X)
        W -= 5.0 * X.T @ delta
        b -= 5.0 * delta.sum(0)
    return W, b


@wrong("7.4")
def fit_bias_wrong_way(X: Any, y: Any, n_classes: Any) -> Any:
    """The weights go downhill, the bias uphill."""
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    for _ in range(300):
        delta = (_softmax(X @ W + b) - np.eye(n_classes)[y]) / len(X)
        W -= 0.5 * X.T @ delta
        b += 0.5 * delta.sum(0)
    return W, b


@wrong("7.4")
def fit_labels_off_by_one(X: Any, y: Any, n_classes: Any) -> Any:
    """Counts the labels from 1: every class is learnt as its neighbour."""
    return fit_full_batch(X, (np.asarray(y) - 1) % n_classes, n_classes)


@wrong("7.4")
def fit_only_weights_returned(X: Any, y: Any, n_classes: Any) -> Any:
    """Returns W with the bias row glued on instead of a pair."""
    W, b = fit_full_batch(X, y, n_classes)
    return np.vstack([W, b])


@wrong("7.4")
def fit_scalar_bias(X: Any, y: Any, n_classes: Any) -> Any:
    """One bias for all classes: it cancels in softmax."""
    W, b = np.zeros((X.shape[1], n_classes)), 0.0
    for _ in range(300):
        delta = (_softmax(X @ W + b) - np.eye(n_classes)[y]) / len(X)
        W -= 0.5 * X.T @ delta
        b -= 0.5 * delta.sum()
    return W, np.full(n_classes, b)


@wrong("7.4")
def fit_returns_the_weights_alone(X: Any, y: Any, n_classes: int) -> Any:
    """One array: two rows of it look like a pair where d is 2."""
    W, q = np.zeros((X.shape[1], n_classes)), np.eye(n_classes)[y]
    for _ in range(50):
        W -= 0.5 * X.T @ (scipy.special.softmax(X @ W, axis=1) - q) / len(X)
    return W


@right("7.4")
def fit_small_steps(X: Any, y: Any, n_classes: Any) -> Any:
    """Six hundred small steps."""
    W, b = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes)
    for _ in range(600):
        p = _softmax(X @ W + b)
        p[np.arange(len(y)), y] -= 1
        W, b = W - 0.1 * X.T @ p / len(X), b - 0.1 * p.mean(axis=0)
    return W, b


@right("7.4")
def fit_large_steps(X: Any, y: Any, n_classes: Any) -> Any:
    """Two hundred steps of 3."""
    W, b, q = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes), np.eye(n_classes)[y]
    for _ in range(200):
        delta = (scipy.special.softmax(X @ W + b, axis=1) - q) / len(X)
        W, b = W - 3 * X.T @ delta, b - 3 * delta.sum(axis=0)
    return W, b


@wrong("7.4")
def fit_least_squares(X: Any, y: Any, n_classes: Any) -> Any:
    """Linear regression on the one-hot rows: good labels, no softmax regression."""
    A = np.column_stack([X, np.ones(len(X))])
    solution = np.linalg.pinv(A) @ np.eye(n_classes)[y]
    return solution[:-1], solution[-1]


@wrong("7.4")
def fit_one_against_the_rest(X: Any, y: Any, n_classes: Any) -> Any:
    """A logistic regression for each class by itself."""
    W, b, q = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes), np.eye(n_classes)[y]
    for _ in range(300):
        delta = (scipy.special.expit(X @ W + b) - q) / len(X)
        W, b = W - 0.5 * X.T @ delta, b - 0.5 * delta.sum(axis=0)
    return W, b


@wrong("7.4")
def fit_squared_error(X: Any, y: Any, n_classes: Any) -> Any:
    """Descends the squared error of the probabilities."""
    W, b, q = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes), np.eye(n_classes)[y]
    for _ in range(500):
        p = _softmax(X @ W + b)
        delta = p * ((p - q) - (p * (p - q)).sum(axis=1, keepdims=True)) / len(X)
        W, b = W - 2.0 * X.T @ delta, b - 2.0 * delta.sum(axis=0)
    return W, b


@wrong("7.4")
def fit_diagonal_of_the_jacobian(X: Any, y: Any, n_classes: Any) -> Any:
    """-q/p times p (1 - p): the wrong classes are never pushed down."""
    W, b, q = np.zeros((X.shape[1], n_classes)), np.zeros(n_classes), np.eye(n_classes)[y]
    for _ in range(300):
        delta = -q * (1 - _softmax(X @ W + b)) / len(X)
        W, b = W - 0.5 * X.T @ delta, b - 0.5 * delta.sum(axis=0)
    return W, b


# 7.5 smoothed_grad(logits, labels, eps) -----------------------------------------------------


@right("7.5")
def smoothed_plain(logits: Any, labels: Any, eps: Any) -> Any:
    """(p - q) / N with q = (1 - eps) one-hot + eps / n."""
    n_rows, n = np.shape(logits)
    q = (1 - eps) * np.eye(n)[labels] + eps / n
    return (_softmax(logits) - q) / n_rows


@right("7.5")
def smoothed_autograd(logits: Any, labels: Any, eps: Any) -> Any:
    """Autograd through torch's label_smoothing."""
    t = torch.tensor(np.array(logits), dtype=torch.float64, requires_grad=True)
    y = torch.tensor(np.array(labels)).long()
    F.cross_entropy(t, y, label_smoothing=float(eps)).backward()
    return t.grad


@right("7.5")
def smoothed_two_gradients(logits: Any, labels: Any, eps: Any) -> Any:
    """A mixture of the gradient for the hard labels and the one for uniform labels."""
    p = _softmax(logits)
    hard = p.copy()
    hard[np.arange(len(p)), labels] -= 1
    return ((1 - eps) * hard + eps * (p - 1 / p.shape[1])) / len(p)


@right("7.5")
def smoothed_loops(logits: Any, labels: Any, eps: Any) -> Any:
    """Python loops; a list of lists."""
    out = []
    for row, y in zip(logits, labels, strict=True):
        top, n = float(max(row)), len(row)
        e = [math.exp(float(v) - top) for v in row]
        q = [float(eps) / n + (1 - float(eps) if k == y else 0.0) for k in range(n)]
        out.append([(v / sum(e) - t) / len(labels) for v, t in zip(e, q, strict=True)])
    return out


@right("7.5")
def smoothed_subtract_at(logits: Any, labels: Any, eps: Any) -> Any:
    """Subtracts the uniform part everywhere, then 1 - eps at the labels."""
    g = _softmax(logits)
    g -= eps / g.shape[1]
    np.subtract.at(g, (np.arange(len(g)), labels), 1 - eps)
    return g / len(g)


@wrong("7.5")
def smoothed_ignored(logits: Any, labels: Any, eps: Any) -> Any:
    """Ignores the smoothing."""
    t = torch.tensor(np.array(logits), dtype=torch.float64, requires_grad=True)
    F.cross_entropy(t, torch.tensor(np.array(labels)).long()).backward()
    return t.grad


@wrong("7.5")
def smoothed_probabilities(logits: Any, labels: Any, eps: Any) -> Any:
    """Smooths p instead of the target."""
    p = _softmax(logits)
    p = p - eps * (p - 1 / p.shape[1])
    p[np.arange(len(p)), labels] -= 1
    return p / len(p)


@wrong("7.5")
def smoothed_over_others(logits: Any, labels: Any, eps: Any) -> Any:
    """eps / (n - 1) on the other classes: another convention."""
    p = _softmax(logits)
    n = p.shape[1]
    q = np.full(p.shape, eps / max(n - 1, 1))
    q[np.arange(len(p)), labels] = 1 - eps
    return (p - q) / len(p)


@wrong("7.5")
def smoothed_rows_below_one(logits: Any, labels: Any, eps: Any) -> Any:
    """Target 1 - eps, others eps / n: the rows of q do not sum to 1."""
    p = _softmax(logits)
    q = np.where(np.eye(p.shape[1])[labels] == 1, 1 - eps, eps / p.shape[1])
    return (p - q) / len(p)


@wrong("7.5")
def smoothed_no_mean(logits: Any, labels: Any, eps: Any) -> Any:
    """No 1/N."""
    p = _softmax(logits)
    return p - ((1 - eps) * np.eye(p.shape[1])[labels] + eps / p.shape[1])


@wrong("7.5")
def smoothed_scales_gradient(logits: Any, labels: Any, eps: Any) -> Any:
    """(1 - eps) times the hard gradient: the uniform part is missing."""
    p = _softmax(logits)
    return (1 - eps) * (p - np.eye(p.shape[1])[labels]) / len(p)


@wrong("7.5")
def smoothed_eps_swapped(logits: Any, labels: Any, eps: Any) -> Any:
    """eps on the one-hot, 1 - eps on the uniform part."""
    p = _softmax(logits)
    return (p - eps * np.eye(p.shape[1])[labels] - (1 - eps) / p.shape[1]) / len(p)


@wrong("7.5")
def smoothed_eps_not_divided(logits: Any, labels: Any, eps: Any) -> Any:
    """Adds eps instead of eps / n."""
    p = _softmax(logits)
    return (p - (1 - eps) * np.eye(p.shape[1])[labels] - eps) / len(p)


@wrong("7.5")
def smoothed_divides_by_rows(logits: Any, labels: Any, eps: Any) -> Any:
    """eps / N: divides by the number of rows instead of classes."""
    p = _softmax(logits)
    return (p - (1 - eps) * np.eye(p.shape[1])[labels] - eps / len(p)) / len(p)


@wrong("7.5")
def smoothed_sign(logits: Any, labels: Any, eps: Any) -> Any:
    """q - p."""
    p = _softmax(logits)
    return ((1 - eps) * np.eye(p.shape[1])[labels] + eps / p.shape[1] - p) / len(p)


@wrong("7.5")
def smoothed_textbook(logits: Any, labels: Any, eps: Any) -> Any:
    """Unstable: exp without a shift."""
    e = np.exp(np.asarray(logits, dtype=float))
    p = e / e.sum(axis=1, keepdims=True)
    return (p - (1 - eps) * np.eye(p.shape[1])[labels] - eps / p.shape[1]) / len(p)


@wrong("7.5")
def smoothed_hard_coded_eps(logits: Any, labels: Any, eps: Any) -> Any:
    """Always 0.1, whatever eps is."""
    p = _softmax(logits)
    return (p - 0.9 * np.eye(p.shape[1])[labels] - 0.1 / p.shape[1]) / len(p)


@right("7.5")
def smoothed_buffer_like_the_logits(logits: Any, labels: Any, eps: Any) -> Any:
    """A target that starts as np.full_like(logits, eps / n)."""
    n_rows, n = logits.shape
    q = np.full_like(logits, eps / n)
    q[np.arange(n_rows), labels] += 1 - eps
    return (_softmax(logits) - q) / n_rows


@wrong("7.5")
def smoothed_width_of_the_labels(logits: Any, labels: Any, eps: Any) -> Any:
    """n is labels.max() + 1."""
    n = int(max(labels)) + 1
    return (_softmax(logits) - ((1 - eps) * np.eye(n)[labels] + eps / n)) / len(labels)


@wrong("7.5")
def smoothed_sum_without_keepdims(logits: Any, labels: Any, eps: Any) -> Any:
    """The row sums stand beside the columns."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1)
    n = p.shape[1]
    return (p - (1 - eps) * np.eye(n)[labels] - eps / n) / len(p)


@wrong("7.5")
def smoothed_shift_by_the_batch(logits: Any, labels: Any, eps: Any) -> Any:
    """The maximum of the whole batch."""
    e = np.exp(logits - logits.max())
    p = e / e.sum(axis=1, keepdims=True)
    n = p.shape[1]
    return (p - (1 - eps) * np.eye(n)[labels] - eps / n) / len(p)


@wrong("7.5")
def smoothed_padding_left_out(logits: Any, labels: Any, eps: Any) -> Any:
    """eps shared by n - 2 classes: the label and a padding class get none."""
    n_rows, n = logits.shape
    q = np.full((n_rows, n), eps / max(n - 2, 1))
    q[np.arange(n_rows), labels] = 1 - eps
    return (_softmax(logits) - q) / n_rows


# 7.6 which_loss(loss, logits, label) --------------------------------------------------------


def _row(logits: Any, label: int, gap: float) -> Any:
    """The label at 0, its neighbour ahead by the gap, the rest out of the way."""
    x = np.full(len(logits), -100.0)
    x[label] = 0.0
    x[(label + 1) % len(x)] = gap
    return x


def _pull(loss: Any, logits: Any, label: int, gap: float) -> float:
    """How much the loss raises the label's logit."""
    return -float(loss(_row(logits, label, gap), label)[1][label])


@right("7.6")
def which_by_factors(loss: Any, logits: Any, label: Any) -> Any:
    """The pull divided by 1 - p, on a grid of gaps."""
    gaps = np.linspace(0.5, 60, 500)
    factors = np.array([_pull(loss, logits, label, g) / (1 - 1 / (1 + np.exp(g))) for g in gaps])
    with np.errstate(all="ignore"):
        far = [loss(_row(logits, label, g), label)[1] for g in (720.0, 760.0, 1000.0)]
    if not all(np.isfinite(g).all() for g in far):
        return "uncoupled"
    if np.allclose(factors, 1):
        return "sound"
    if factors[0] < 0.6:
        return "softmax twice"
    return "clipped" if np.all((factors < 1e-9) | (factors > 1 - 1e-9)) else "epsilon"


@right("7.6")
def which_by_values_and_slopes(loss: Any, logits: Any, label: Any) -> Any:
    """From values where they tell, from gradients where not."""
    value, gradient = loss(_row(logits, label, 2000.0), label)
    if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
        return "uncoupled"
    if abs(value - 2000.0) < 1:
        return "sound"
    if abs(loss(_row(logits, label, 4.0), label)[0] - math.log1p(math.exp(4.0))) > 0.5:
        return "softmax twice"
    constant = math.exp(-value)  # the clip or the epsilon
    at_edge = _pull(loss, logits, label, -math.log(constant) + 0.5)
    return "epsilon" if at_edge > 0.1 else "clipped"


@right("7.6")
def which_against_p_minus_q(loss: Any, logits: Any, label: Any) -> Any:
    """Compares gradients with p - q over random rows as well."""
    rng = np.random.default_rng(0)

    def true_gradient(x: Any) -> Any:
        p = scipy.special.softmax(x)
        p[label] -= 1
        return p

    if not np.isfinite(loss(_row(logits, label, 900.0), label)[1]).all():
        return "uncoupled"
    mild = rng.normal(size=len(logits))
    if not np.allclose(loss(mild, label)[1], true_gradient(mild), rtol=0, atol=0.2 / len(mild)):
        x = _row(logits, label, 5.0)
        if np.abs(loss(x, label)[1] - true_gradient(x)).max() > 0.5:
            return "softmax twice"
    pulls = [_pull(loss, logits, label, g) for g in np.arange(5.0, 46.0, 0.25)]
    if min(pulls) > 0.9:
        return "sound"
    x = _row(logits, label, 5.0)
    if _pull(loss, logits, label, 5.0) < 0.3:
        return "softmax twice"
    return "epsilon" if any(0.2 < p < 0.8 for p in pulls) else "clipped"


@right("7.6")
def which_bisects_the_edge(loss: Any, logits: Any, label: Any) -> Any:
    """Halves its way to the gap where the pull is a half, and looks how steep it is there."""
    if not np.isfinite(loss(_row(logits, label, 1e4), label)[1]).all():
        return "uncoupled"
    if _pull(loss, logits, label, 1e4) > 0.9:
        return "sound"
    if _pull(loss, logits, label, 5.0) < 0.5:
        return "softmax twice"
    low, high = 5.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _pull(loss, logits, label, middle) > 0.5 else (low, middle)
    return "clipped" if _pull(loss, logits, label, high + 0.1) == 0 else "epsilon"


@wrong("7.6")
def which_looks_at_values(loss: Any, logits: Any, label: Any) -> Any:
    """The value at a huge gap."""
    value = loss(_row(logits, label, 1000.0), label)[0]
    if np.isinf(value) or np.isnan(value):
        return "uncoupled"
    if value > 500:
        return "sound"
    return "softmax twice" if value < 2 else "clipped"


@wrong("7.6")
def which_at_a_gap_of_twenty(loss: Any, logits: Any, label: Any) -> Any:
    """One gap: NaN, about 1, exactly 0, in between, or small."""
    gradient = loss(_row(logits, label, 20.0), label)[1]
    if np.isnan(gradient).any():
        return "uncoupled"
    pull = -gradient[label]
    if pull > 0.99:
        return "sound"
    if pull == 0:
        return "clipped"
    return "epsilon" if pull > 1e-3 else "softmax twice"


@wrong("7.6")
def which_at_a_gap_of_a_thousand(loss: Any, logits: Any, label: Any) -> Any:
    """One gap, where clip, epsilon and second softmax all have the gradient 0."""
    gradient = loss(_row(logits, label, 1000.0), label)[1]
    if not np.all(np.isfinite(gradient)):
        return "uncoupled"
    return "sound" if gradient[label] < -0.9 else "clipped"


@wrong("7.6")
def which_zero_is_twice(loss: Any, logits: Any, label: Any) -> Any:
    """A gradient of 0 is put down to a second softmax."""
    told = which_bisects_the_edge(loss, logits, label)
    return "softmax twice" if told == "clipped" else told


@wrong("7.6")
def which_finite_is_sound(loss: Any, logits: Any, label: Any) -> Any:
    """Finite or not is all that is asked."""
    value, gradient = loss(_row(logits, label, 900.0), label)
    return "sound" if np.all(np.isfinite([value, *gradient])) else "uncoupled"


@wrong("7.6")
def which_floor_of_two_classes(loss: Any, logits: Any, label: Any) -> Any:
    """A second softmax is told by a loss below 1.32, its ceiling for two classes."""
    told = which_bisects_the_edge(loss, logits, label)
    if told == "softmax twice" and loss(_row(logits, label, 50.0), label)[0] > 1.32:
        return "clipped"
    return told


@wrong("7.6")
def which_given_row_only(loss: Any, logits: Any, label: Any) -> Any:
    """Calls the loss once, on the row that was given."""
    p = scipy.special.softmax(logits)
    p[label] -= 1
    return "sound" if np.abs(loss(logits, label)[1] - p).max() < 0.02 else "softmax twice"


@wrong("7.6")
def which_largest_entry(loss: Any, logits: Any, label: Any) -> Any:
    """Scales the given row up, whatever its label: right rows pull at nothing."""
    gradient = loss(1000 * np.asarray(logits), label)[1]
    if not np.isfinite(gradient).all():
        return "uncoupled"
    return "sound" if np.abs(gradient).max() > 0.5 else "clipped"


@wrong("7.6")
def which_label_in_the_lead(loss: Any, logits: Any, label: Any) -> Any:
    """The label's logit is raised instead of another's."""
    x = np.zeros(len(logits))
    x[label] = 1000.0
    gradient = loss(x, label)[1]
    if not np.isfinite(gradient).all():
        return "uncoupled"
    return "sound" if gradient[label] < -0.5 else "softmax twice"


@wrong("7.6")
def which_other_words(loss: Any, logits: Any, label: Any) -> Any:
    """The right kind in other words."""
    told = which_bisects_the_edge(loss, logits, label)
    return {"softmax twice": "double softmax", "sound": "fine"}.get(told, told)


@wrong("7.6")
def which_returns_a_flag(loss: Any, logits: Any, label: Any) -> Any:
    """Whether the loss is sound, a bool."""
    return which_bisects_the_edge(loss, logits, label) == "sound"
