"""Gradients: analytic ones against autograd, finite differences and exact arithmetic."""

import math

import mpmath
import numpy as np
import pytest
import torch

from helpers import gradients, kernels

INF = math.inf
ROWS = {
    "ordinary": [0.3, -1.2, 2.0, 0.7],
    "two-fold tie": [1.5, 1.5, -0.5, 0.1],
    "three-fold tie": [2.0, 2.0, 2.0, -1.0],
    "all tied": [0.7, 0.7, 0.7, 0.7],
    "gap of 40": [0.0, -40.0, -41.0, -43.5],
    "masked": [0.5, -INF, 1.0, 1.0],
}


def autograd(f, x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    f(x).backward()
    return x.grad.numpy()


@pytest.fixture(params=list(ROWS), ids=list(ROWS))
def x(request):
    return np.array(ROWS[request.param])


g = torch.tensor([0.3, -1.0, 2.5, 0.4], dtype=torch.float64)


def test_autograd_through_softmax(x):
    expected = gradients.softmax_vjp(kernels.softmax(x), g.numpy())
    np.testing.assert_allclose(
        autograd(lambda t: (kernels.softmax(t) * g).sum(), x), expected, rtol=2e-14, atol=1e-16
    )


def test_autograd_through_log_softmax(x):
    finite = torch.tensor(np.isfinite(x))

    def loss(t):
        return (kernels.log_softmax(t)[finite] * g[finite]).sum()

    upstream = np.where(finite, g.numpy(), 0)
    expected = gradients.log_softmax_vjp(kernels.log_softmax(x), upstream)
    np.testing.assert_allclose(autograd(loss, x), expected, rtol=2e-14, atol=1e-15)


def test_autograd_through_logsumexp_is_softmax(x):
    eps = np.finfo(np.float64).eps
    np.testing.assert_allclose(autograd(kernels.logsumexp, x), kernels.softmax(x), rtol=6 * eps)


@pytest.mark.parametrize("label", [0, 2])
def test_autograd_through_cross_entropy(x, label):
    found = autograd(lambda t: kernels.cross_entropy(t, label), x)
    expected = gradients.cross_entropy_grad(x, label)
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(np.float64).eps, atol=0)
    assert np.isfinite(found).all()


def test_gradients_at_masked_entries_are_finite():
    x = torch.tensor(
        [[0.5, -INF, 1.0], [-INF, -INF, -INF]], dtype=torch.float64, requires_grad=True
    )
    kernels.masked_softmax(x, x > -INF)[:, 0].sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad[0, 1], x.grad[1].abs().sum()) == (0, 0)
    q = torch.tensor([[0.5, 0.0, 0.5]], dtype=torch.float64)
    row = x.detach()[:1].clone().requires_grad_()
    kernels.cross_entropy(row, q).backward()
    np.testing.assert_allclose(
        row.grad.numpy(), gradients.cross_entropy_grad(row.detach().numpy(), q.numpy())
    )


def test_gradcheck_by_torch():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    for f in (kernels.softmax, kernels.log_softmax, kernels.logsumexp, kernels.sparsemax):
        assert torch.autograd.gradcheck(f, x)
    assert torch.autograd.gradcheck(lambda t: kernels.softmax_temperature(t, 2.5), x)
    assert torch.autograd.gradcheck(lambda t: kernels.cross_entropy(t, torch.tensor([0, 1, 3])), x)
    assert torch.autograd.gradgradcheck(kernels.logsumexp, x)


def test_jacobians_against_autograd_and_differences():
    x = np.array([[0.2, -1.0, 0.5], [3.0, 3.0, -2.0]])
    for f, analytic in (
        (kernels.softmax, gradients.softmax_jacobian),
        (kernels.log_softmax, gradients.log_softmax_jacobian),
    ):
        for row, J in zip(x, analytic(x), strict=True):
            t = torch.tensor(row)
            np.testing.assert_allclose(J, torch.autograd.functional.jacobian(f, t), rtol=1e-13)
            np.testing.assert_allclose(J, gradients.jacobian(f, row), atol=1e-9)


@pytest.mark.parametrize("gap", [10.0, 40.0, 300.0])
def test_the_diagonal_keeps_its_digits_at_a_confident_row(gap):
    with mpmath.workdps(200):
        p = 1 / (1 + mpmath.exp(-gap))
        truth = float(p * (1 - p))
    for J in (
        gradients.softmax_jacobian([0.0, -gap]),
        gradients.softmax_jacobian(torch.tensor([0.0, -gap], dtype=torch.float64)).numpy(),
    ):
        np.testing.assert_allclose(J, [[truth, -truth], [-truth, truth]], rtol=1e-15)


@pytest.mark.parametrize("gap", [3, 20, 40, 300])
def test_backward_passes_keep_their_digits_at_a_confident_row(gap):
    x = np.array([0.25, -gap, 0.5 - gap, -1.0 - gap])
    upstream = np.array([0.3, -1.0, 2.5, 0.4])
    q = np.array([0.9, 0.05, 0.03, 0.02])
    with mpmath.workdps(400):
        e = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
        p = [v / mpmath.fsum(e) for v in e]
        g, targets = [mpmath.mpf(float(v)) for v in upstream], [mpmath.mpf(float(v)) for v in q]
        of_softmax = [
            p_i * (g_i - mpmath.fsum(b * c for b, c in zip(p, g, strict=True)))
            for p_i, g_i in zip(p, g, strict=True)
        ]
        of_log_softmax = [g_i - p_i * mpmath.fsum(g) for p_i, g_i in zip(p, g, strict=True)]
        of_loss = [a * mpmath.fsum(targets) - b for a, b in zip(p, targets, strict=True)]
        exact = [np.array([float(v) for v in row]) for row in (of_softmax, of_log_softmax, of_loss)]
    found = (
        gradients.softmax_vjp(kernels.softmax(x), upstream),
        gradients.log_softmax_vjp(kernels.log_softmax(x), upstream),
        gradients.cross_entropy_grad(x, q),
    )
    rounding = np.finfo(np.float64).eps * gap  # log p is rounded before it is exponentiated
    for actual, expected in zip(found, exact, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=8 * rounding, atol=0)


def test_a_constant_upstream_gradient_gives_nothing():
    p = kernels.softmax(np.random.default_rng(0).standard_normal((5, 7)))
    np.testing.assert_allclose(gradients.softmax_vjp(p, np.ones_like(p)), 0, atol=1e-16)


def test_cross_entropy_gradient_against_pytorch():
    rng = np.random.default_rng(0)
    x, y, q = rng.standard_normal((6, 4)), rng.integers(0, 4, 6), rng.dirichlet(np.ones(4), 6)
    for targets in (y, q):
        t = torch.tensor(x, requires_grad=True)
        torch.nn.functional.cross_entropy(t, torch.tensor(targets)).backward()
        np.testing.assert_allclose(
            gradients.cross_entropy_grad(x, targets), t.grad, rtol=1e-13, atol=1e-17
        )
    with pytest.raises(ValueError, match="labels"):
        gradients.cross_entropy_grad(x, y - 9)


def test_numerical_jacobian_of_a_function_that_is_not_square():
    def f(x):
        return np.array([x[0] * x[1], np.sin(x[2]), x[0] ** 2])[:2]

    x = np.array([0.5, 2.0, 1.0])
    before = x.copy()
    exact = [[2.0, 0.5, 0.0], [0.0, 0.0, math.cos(1.0)]]
    np.testing.assert_allclose(gradients.jacobian(f, x), exact, atol=1e-9)
    assert (x == before).all()


def test_numerical_jacobian_has_about_ten_digits():
    x = np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(
        gradients.jacobian(np.exp, x), np.diag(np.exp(x)), rtol=0, atol=5e-10
    )
