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
