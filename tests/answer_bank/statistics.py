"""Answers to exercises 18.1 to 18.6."""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from scipy import integrate, optimize, special
from scipy.special import log_softmax, logsumexp, softmax

from . import right, wrong

# 18.1 maxent(f, mean)


@right("18.1")
def bracket_that_grows(f, mean):
    """Brent's root finder on values scaled to a width of 1."""
    g = (np.asarray(f, dtype=np.float64) - mean) / np.ptp(f)

    def excess(beta):
        return softmax(beta * g) @ g

    width = 1.0
    while excess(-width) > 0 or excess(width) < 0:
        width *= 2
    return softmax(optimize.brentq(excess, -width, width, xtol=1e-13) * g)


@right("18.1")
def smallest_log_sum_exp(f, mean):
    """The dual: the beta at which the log-sum-exp of the centred values is smallest."""
    g = (np.asarray(f, dtype=np.float64) - mean) / np.ptp(f)
    beta = optimize.minimize_scalar(lambda b: logsumexp(b * g), method="brent", tol=1e-12).x
    for _ in range(3):
        p = softmax(beta * g)
        beta -= p @ g / (p @ g**2 - (p @ g) ** 2)
    return softmax(beta * g)


@right("18.1")
def newton_with_halving(f, mean):
    """Newton's steps, each halved until the log-sum-exp goes down."""
    g = (np.array(f, dtype=float) - mean) / (max(f) - min(f))
    beta = 0.0
    for _ in range(200):
        p = softmax(beta * g)
        slope = p @ g
        step = slope / (p @ (g - slope) ** 2)
        while logsumexp((beta - step) * g) > logsumexp(beta * g) + 1e-14:
            step /= 2
        beta -= step
        if abs(step) < 1e-13 * (1 + abs(beta)):
            break
    return softmax(beta * g)


@right("18.1")
def bisected_in_plain_python(f, mean):
    """Loops and math.exp; the values are moved so that no exponent is above 0."""
    values = [float(value) for value in f]
    low, high = min(values), max(values)

    def tilted(beta):
        top = high if beta > 0 else low
        weights = [math.exp(beta * (value - top)) for value in values]
        total = math.fsum(weights)
        return [weight / total for weight in weights]

    def too_large(beta):
        return sum(p * (v - mean) for p, v in zip(tilted(beta), values, strict=True)) > 0

    left, right_ = -1 / (high - low), 1 / (high - low)
    while too_large(left):
        left *= 2
    while not too_large(right_):
        right_ *= 2
    for _ in range(200):
        middle = (left + right_) / 2
        left, right_ = (left, middle) if too_large(middle) else (middle, right_)
    return np.array(tilted((left + right_) / 2))


@right("18.1")
def tilted_along_a_path(f, mean):
    """A differential equation: beta grows by 1 / variance where the mean grows by 1."""
    g = np.asarray(f, dtype=float)
    g = (g - g.min()) / np.ptp(g)
    goal = (mean - np.min(f)) / np.ptp(f)

    def growth(t, beta):
        p = softmax(beta[0] * g)
        return [(goal - g.mean()) / (p @ (g - p @ g) ** 2)]

    path = integrate.solve_ivp(growth, (0, 1), [0.0], rtol=1e-9, atol=1e-11)
    beta = path.y[0, -1]
    for _ in range(2):
        p = softmax(beta * g)
        beta += (goal - p @ g) / (p @ (g - p @ g) ** 2)
    return softmax(beta * g)


@right("18.1")
def torch_bisection(f, mean):
    """torch tensors, an S-shaped variable in place of a bracket."""
    g = torch.as_tensor(np.asarray(f, dtype=np.float64))
    g = (g - mean) / (g.max() - g.min())
    low, high = -1.0, 1.0
    for _ in range(70):
        s = (low + high) / 2
        p = torch.softmax(s / (1 - abs(s)) * g, dim=0)
        if (p * g).sum() > 0:
            high = s
        else:
            low = s
    return p.numpy()


@right("18.1")
def both_multipliers(f, mean):
    """Two equations, sum and mean, for two multipliers; continued from the even distribution."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    start = np.array([-np.log(len(g)), 0.0])

    for share in np.linspace(1, 0, 12):
        target = share * g.mean()

        def equations(l, target=target):
            p = np.exp(np.minimum(l[0] + l[1] * g, 50))
            return [p.sum() - 1, p @ g - target]

        start = optimize.root(equations, start, tol=1e-13).x
    return np.exp(start[0] + start[1] * g)


@right("18.1")
def largest_entropy_itself(f, mean):
    """SLSQP on the entropy, then one Newton step on the multiplier that it implies."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    fit = optimize.minimize(
        lambda p: -special.entr(p).sum(),
        np.full(len(g), 1 / len(g)),
        jac=lambda p: np.log(np.maximum(p, 1e-300)) + 1,
        bounds=[(1e-14, 1)] * len(g),
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1},
            {"type": "eq", "fun": lambda p: p @ g},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    p = np.maximum(fit.x, 1e-12)
    i, j = np.argsort(-p)[:2]
    if g[i] == g[j]:
        j = max(range(len(g)), key=lambda k: p[k] * (g[k] != g[i]))
    beta = (np.log(p[i]) - np.log(p[j])) / (g[i] - g[j])
    for _ in range(5):
        p = softmax(beta * g)
        beta -= p @ g / (p @ (g - p @ g) ** 2)
    return softmax(beta * g)


@wrong("18.1")
def sign_of_beta(f, mean):
    """Finds beta for exp(beta f) and uses exp(-beta f)."""
    return softmax(-_beta(f, mean) * np.asarray(f, dtype=float))


def _beta(f, mean):
    """Return the right beta."""
    g = (np.asarray(f, dtype=np.float64) - mean) / np.ptp(f)
    width = 1.0
    while softmax(-width * g) @ g > 0 or softmax(width * g) @ g < 0:
        width *= 2
    return optimize.brentq(lambda b: softmax(b * g) @ g, -width, width, xtol=1e-14) / np.ptp(f)


@wrong("18.1")
def linear_tilt(f, mean):
    """1 / n plus a multiple of f: the right mean, and a negative p where the mean is far out."""
    g = np.asarray(f, dtype=float)
    c = (mean - g.mean()) / ((g - g.mean()) @ g)
    return 1 / len(g) + c * (g - g.mean())


@wrong("18.1")
def linear_tilt_clipped(f, mean):
    """The same, its negative entries set to 0."""
    p = np.maximum(linear_tilt(f, mean), 0)
    return p / p.sum()


@wrong("18.1")
def closest_to_even(f, mean):
    """Least squares under the constraints and p >= 0."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    A = np.vstack([1e4 * np.ones(len(g)), 1e4 * g, np.eye(len(g))])
    return optimize.nnls(A, np.concatenate([[1e4, 0], np.zeros(len(g))]))[0]


@wrong("18.1")
def two_extremes(f, mean):
    """Only the smallest and the largest value."""
    p = np.zeros(len(f))
    share = (mean - min(f)) / (max(f) - min(f))
    p[np.argmin(f)], p[np.argmax(f)] = 1 - share, share
    return p


@wrong("18.1")
def two_neighbours(f, mean):
    """The values on either side of the mean: the least entropy almost."""
    order = np.argsort(f, kind="stable")
    g = np.asarray(f, dtype=float)[order]
    k = np.searchsorted(g, mean, side="right")
    share = (mean - g[k - 1]) / (g[k] - g[k - 1])
    p = np.zeros(len(g))
    p[order[k - 1]], p[order[k]] = 1 - share, share
    return p


@wrong("18.1")
def even_and_one_extreme(f, mean):
    """The even distribution mixed with the end on the mean's side."""
    g = np.asarray(f, dtype=float)
    end = g.argmax() if mean > g.mean() else g.argmin()
    share = (mean - g.mean()) / (g[end] - g.mean())
    p = np.full(len(g), (1 - share) / len(g))
    p[end] += share
    return p


@wrong("18.1")
def even(f, mean):
    """No constraint."""
    return np.full(len(f), 1 / len(f))


@wrong("18.1")
def softmax_of_f(f, mean):
    """beta = 1."""
    return softmax(np.asarray(f, dtype=float))


@wrong("18.1")
def mean_as_beta(f, mean):
    """The mean taken for the multiplier."""
    return softmax(mean * np.asarray(f, dtype=float))


@wrong("18.1")
def mean_as_temperature(f, mean):
    """f divided by its mean, as for an exponential law."""
    return softmax(-np.asarray(f, dtype=float) / mean)


@wrong("18.1")
def bell_around_the_mean(f, mean):
    """A bell of width 1."""
    return softmax(-((np.asarray(f, dtype=float) - mean) ** 2))


@wrong("18.1")
def bell_with_the_right_mean(f, mean):
    """A bell as wide as f, its centre moved until the mean is right."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)

    def bell(c):
        return softmax(-((g - c) ** 2) / (2 * g.var()))

    return bell(optimize.brentq(lambda c: bell(c) @ g, -50, 50))


@wrong("18.1")
def binomial(f, mean):
    """A binomial law over the places, as if f were 0, 1, 2 ..."""
    n = len(f) - 1
    share = (mean - np.min(f)) / np.ptp(f)
    return np.array([math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)])


@wrong("18.1")
def powers_of_the_place(f, mean):
    """exp(beta k) over the places k, with the beta that gives the mean of f."""
    g, k = np.asarray(f, dtype=float), np.arange(len(f))
    low, high = -100.0, 100.0
    for _ in range(100):
        b = (low + high) / 2
        low, high = (b, high) if softmax(b * k) @ (g - mean) < 0 else (low, b)
    return softmax(b * k)


@wrong("18.1")
def burg_entropy(f, mean):
    """Maximises the sum of log p in place of -p log p: p is 1 / (a + b f)."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    low, high = -1 / g.max() + 1e-12, -1 / g.min() - 1e-12

    def law(b):
        return 1 / (1 + b * g)

    b = optimize.brentq(lambda b: law(b) @ g, low, high)
    return law(b) / law(b).sum()


@wrong("18.1")
def power_of_f(f, mean):
    """f to a power, with the right mean."""
    log_f = np.log(np.asarray(f, dtype=float))
    low, high = -1e5, 1e5
    for _ in range(100):
        b = (low + high) / 2
        low, high = (b, high) if softmax(b * log_f) @ f < mean else (low, b)
    return softmax(b * log_f)


@wrong("18.1")
def the_multiplier(f, mean):
    """beta, and not p."""
    return _beta(f, mean)


@wrong("18.1")
def both_returned(f, mean):
    """p and beta."""
    beta = _beta(f, mean)
    return softmax(beta * np.asarray(f, dtype=float)), beta


@wrong("18.1")
def not_divided(f, mean):
    """The weights, not divided by their sum."""
    g = np.asarray(f, dtype=float)
    return np.exp(_beta(f, mean) * (g - g.max()))


@wrong("18.1")
def log_of_p(f, mean):
    """log p."""
    return log_softmax(_beta(f, mean) * np.asarray(f, dtype=float))


@wrong("18.1")
def bracket_of_ten(f, mean):
    """beta between -10 and 10, whatever f is measured in."""
    g = np.asarray(f, dtype=float)
    return softmax(optimize.brentq(lambda b: softmax(b * g) @ (g - mean), -10, 10) * g)


@wrong("18.1")
def bracket_of_ten_clipped(f, mean):
    """As before, bisected without a look at the signs."""
    g = np.asarray(f, dtype=float)
    low, high = -10.0, 10.0
    for _ in range(100):
        b = (low + high) / 2
        low, high = (low, b) if softmax(b * g) @ (g - mean) > 0 else (b, high)
    return softmax(b * g)


@wrong("18.1")
def positive_beta_only(f, mean):
    """Bisects from 0 upwards."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    low, high = 0.0, 1e6
    for _ in range(200):
        b = (low + high) / 2
        low, high = (low, b) if softmax(b * g) @ g > 0 else (b, high)
    return softmax(b * g)


@wrong("18.1")
def decaying_only(f, mean):
    """exp(-l f) with l of 0 or more, as for an energy."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    low, high = 0.0, 1e6
    for _ in range(200):
        b = (low + high) / 2
        low, high = (b, high) if softmax(-b * g) @ g > 0 else (low, b)
    return softmax(-b * g)


@wrong("18.1")
def exp_without_a_shift(f, mean):
    """exp(beta f) as it stands, with a bracket that fits a die."""
    g = np.asarray(f, dtype=float)

    def excess(b):
        weights = np.exp(b * g)
        return weights @ g / weights.sum() - mean

    b = optimize.brentq(excess, -20, 20)
    return np.exp(b * g) / np.exp(b * g).sum()


@wrong("18.1")
def newton_without_a_shift(f, mean):
    """Public code's way: a sum of exp(-l f), and SciPy's newton from 0.5."""
    g = np.asarray(f, dtype=float)

    def excess(b):
        return np.sum(g * np.exp(-b * g)) / np.sum(np.exp(-b * g)) - mean

    b = optimize.newton(excess, x0=0.5)
    return np.exp(-b * g) / np.sum(np.exp(-b * g))


@wrong("18.1")
def equations_for_fsolve(f, mean):
    """Both multipliers by fsolve, exp(-1 - a - b f) as it is derived."""
    g = np.asarray(f, dtype=float)

    def equations(l):
        p = np.exp(-1 - l[0] - l[1] * g)
        return [p.sum() - 1, p @ g - mean]

    a, b = optimize.fsolve(equations, [0.0, 0.0])
    return np.exp(-1 - a - b * g)


@wrong("18.1")
def three_newton_steps(f, mean):
    """Stops before it is there."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    b = 0.0
    for _ in range(3):
        p = softmax(b * g)
        b -= p @ g / (p @ (g - p @ g) ** 2)
    return softmax(b * g)


@wrong("18.1")
def gradient_steps(f, mean):
    """A thousand steps of 0.01 on beta."""
    g = np.asarray(f, dtype=float)
    b = 0.0
    for _ in range(1000):
        b += 0.01 * (mean - softmax(b * g) @ g)
    return softmax(b * g)


@wrong("18.1")
def loose_bisection(f, mean):
    """Stops at a width of 0.001."""
    g = (np.asarray(f, dtype=float) - mean) / np.ptp(f)
    low, high = -1e4, 1e4
    while high - low > 1e-3:
        b = (low + high) / 2
        low, high = (low, b) if softmax(b * g) @ g > 0 else (b, high)
    return softmax(b * g)


@wrong("18.1")
def grid_of_betas(f, mean):
    """The best of a thousand betas from -5 to 5."""
    g = np.asarray(f, dtype=float)
    grid = np.linspace(-5, 5, 1001)
    means = softmax(grid[:, None] * g, axis=1) @ g
    return softmax(grid[np.abs(means - mean).argmin()] * g)


@wrong("18.1")
def whole_numbers(f, mean):
    """p written into an array of f's dtype."""
    p = np.zeros_like(f)
    p[:] = softmax(_beta(f, mean) * np.asarray(f, dtype=float))
    return p if p.dtype.kind == "f" else p.astype(float)


@wrong("18.1")
def sorted_probabilities(f, mean):
    """In the order of the sorted values."""
    g = np.sort(np.asarray(f, dtype=float))
    return softmax(_beta(g, mean) * g)


@wrong("18.1")
def single_precision(f, mean):
    """float32."""
    g = np.asarray(f, dtype=np.float32)
    return softmax(np.float32(_beta(f, mean)) * g)


@wrong("18.1")
def overwrites_the_values(f, mean):
    """Centres f in place."""
    f -= int(mean) if f.dtype.kind == "i" else mean
    rest = mean - int(mean) if f.dtype.kind == "i" else 0.0
    return softmax(_beta(f, rest) * np.asarray(f, dtype=float))


# 18.2 choice_information(F, beta)


@right("18.2")
def centred_einsum(F, beta):
    """Deviations from the expected features, weighted."""
    p = softmax(F @ beta, axis=1)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None, :]
    return np.einsum("nj,njk,njl->kl", p, D, D)


@right("18.2")
def with_the_jacobian(F, beta):
    """F.T J F, choice by choice."""
    H = np.zeros((F.shape[2], F.shape[2]))
    for X in F:
        p = softmax(X @ beta)
        H += X.T @ (np.diag(p) - np.outer(p, p)) @ X
    return H


@right("18.2")
def covariances_added(F, beta):
    """NumPy's covariance with weights."""
    H = 0
    for X, p in zip(F, softmax(F @ beta, axis=1), strict=True):
        H = H + np.atleast_2d(np.cov(X, rowvar=False, aweights=p, ddof=0))
    return H


@right("18.2")
def pairs_of_alternatives(F, beta):
    """Half the mean squared difference of two draws."""
    p = softmax(F @ beta, axis=-1)
    K = F.shape[2]
    H = np.zeros((K, K))
    for i, j in itertools.combinations(range(F.shape[1]), 2):
        d = (F[:, i] - F[:, j]).astype(float)
        H += (d * (p[:, i] * p[:, j])[:, None]).T @ d
    return H


@right("18.2")
def torch_roots(F, beta):
    """Deviations times the root of p, one matrix product."""
    F = torch.as_tensor(np.asarray(F, dtype=np.float64))
    p = torch.softmax(F @ torch.as_tensor(beta, dtype=torch.float64), dim=1)[..., None]
    A = (torch.sqrt(p) * (F - (p * F).sum(dim=1, keepdim=True))).flatten(0, 1)
    return A.T @ A


@right("18.2")
def four_loops(F, beta):
    """Plain Python."""
    N, J, K = F.shape
    H = [[0.0] * K for _ in range(K)]
    for n in range(N):
        u = [sum(float(F[n, j, k]) * float(beta[k]) for k in range(K)) for j in range(J)]
        weights = [math.exp(value - max(u)) for value in u]
        p = [w / sum(weights) for w in weights]
        m = [sum(p[j] * float(F[n, j, k]) for j in range(J)) for k in range(K)]
        for k in range(K):
            for l in range(K):
                H[k][l] += sum(p[j] * (F[n, j, k] - m[k]) * (F[n, j, l] - m[l]) for j in range(J))
    return np.array(H)


@right("18.2")
def two_moments(F, beta):
    """E FF' - E F E F', after the first alternative is taken off."""
    X = (F - F[:, :1]).astype(float)
    p = softmax(X @ beta, axis=1)
    m = np.einsum("nj,njk->nk", p, X)
    return np.einsum("nj,njk,njl->kl", p, X, X) - m.T @ m


@right("18.2")
def complex_step(F, beta):
    """The expected features, differentiated by a complex step."""
    F = np.asarray(F, dtype=float)
    H = np.empty((len(beta), len(beta)))
    for k in range(len(beta)):
        b = beta.astype(complex)
        b[k] += 1e-30j
        u = np.einsum("njk,k->nj", F, b)
        e = np.exp(u - u.real.max(axis=1, keepdims=True))
        m = np.einsum("nj,njk->nk", e / e.sum(axis=1, keepdims=True), F)
        H[k] = m.imag.sum(axis=0) / 1e-30
    return H


def _p(F, beta):
    """Return the probabilities, safely."""
    return softmax(np.asarray(F, dtype=float) @ beta, axis=1)


@wrong("18.2")
def mean_over_choices(F, beta):
    """Per choice."""
    return centred_einsum(F, beta) / len(F)


@wrong("18.2")
def not_centred(F, beta):
    """The second moment."""
    return np.einsum("nj,njk,njl->kl", _p(F, beta), F, F)


@wrong("18.2")
def centred_at_the_plain_mean(F, beta):
    """The alternatives' mean without weights."""
    D = F - F.mean(axis=1, keepdims=True)
    return np.einsum("nj,njk,njl->kl", _p(F, beta), D, D)


@wrong("18.2")
def all_alternatives_alike(F, beta):
    """Every alternative has the same probability."""
    D = F - F.mean(axis=1, keepdims=True)
    return np.einsum("njk,njl->kl", D, D) / F.shape[1]


@wrong("18.2")
def scatter_without_p(F, beta):
    """Deviations from the right mean, not weighted."""
    D = F - np.einsum("nj,njk->nk", _p(F, beta), F)[:, None]
    return np.einsum("njk,njl->kl", D, D)


@wrong("18.2")
def scatter_without_p_mean(F, beta):
    """The same, divided by J."""
    return scatter_without_p(F, beta) / F.shape[1]


@wrong("18.2")
def diagonal_of_the_jacobian(F, beta):
    """p (1 - p) for every alternative on its own, as in the two-class formula."""
    p = _p(F, beta)
    return np.einsum("nj,njk,njl->kl", p * (1 - p), F, F)


@wrong("18.2")
def diagonal_centred(F, beta):
    """p (1 - p) about the expected features."""
    p = _p(F, beta)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->kl", p * (1 - p), D, D)


@wrong("18.2")
def softmax_over_the_choices(F, beta):
    """axis = 0."""
    p = softmax(F @ beta, axis=0)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def one_softmax_for_all(F, beta):
    """All N J alternatives compete."""
    p = softmax(F @ beta)
    D = F - np.einsum("nj,njk->k", p, F)
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def pooled_mean(F, beta):
    """One mean for all choices."""
    p = _p(F, beta)
    D = F - np.einsum("nj,njk->k", p, F) / len(F)
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def covariance_matrix(F, beta):
    """The inverse: the covariance of the estimate."""
    return np.linalg.pinv(centred_einsum(F, beta))


@wrong("18.2")
def hessian_of_the_likelihood(F, beta):
    """The sign."""
    return -centred_einsum(F, beta)


@wrong("18.2")
def doubled(F, beta):
    """All pairs, each twice."""
    return 2 * centred_einsum(F, beta)


@wrong("18.2")
def second_moments_of_means(F, beta):
    """The part that is to be taken off."""
    m = np.einsum("nj,njk->nk", _p(F, beta), F)
    return m.T @ m


@wrong("18.2")
def p_twice(F, beta):
    """p squared as the weight."""
    p = _p(F, beta)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->kl", p**2, D, D)


@wrong("18.2")
def p_twice_in_a_product(F, beta):
    """Both factors are weighted."""
    p = _p(F, beta)[..., None]
    A = (p * (F - (p * F).sum(axis=1, keepdims=True))).reshape(-1, F.shape[2])
    return A.T @ A


@wrong("18.2")
def unbiased_weights(F, beta):
    """np.cov with its own divisor."""
    H = 0
    for X, p in zip(F, _p(F, beta), strict=True):
        H = H + np.atleast_2d(np.cov(X, rowvar=False, aweights=p))
    return H


@wrong("18.2")
def covariance_of_expected_features(F, beta):
    """Between the choices, not within."""
    m = np.einsum("nj,njk->nk", _p(F, beta), F)
    D = m - m.mean(axis=0)
    return D.T @ D


@wrong("18.2")
def variances_alone(F, beta):
    """Off the diagonal 0."""
    return np.diag(np.diag(centred_einsum(F, beta)))


@wrong("18.2")
def variances_as_a_vector(F, beta):
    """Shape (K,)."""
    return np.diag(centred_einsum(F, beta))


@wrong("18.2")
def correlations(F, beta):
    """Scaled to ones on the diagonal."""
    H = centred_einsum(F, beta)
    s = np.sqrt(np.diag(H))
    return H / np.outer(s, s)


@wrong("18.2")
def one_matrix_a_choice(F, beta):
    """Shape (N, K, K)."""
    p = _p(F, beta)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->nkl", p, D, D)


@wrong("18.2")
def first_choice_only(F, beta):
    """A return too early in the loop."""
    for X in F:
        p = softmax(X @ beta)
        return X.T @ (np.diag(p) - np.outer(p, p)) @ X


@wrong("18.2")
def last_choice_only(F, beta):
    """= for +=."""
    for X in F:
        p = softmax(X @ beta)
        H = X.T @ (np.diag(p) - np.outer(p, p)) @ X
    return H


@wrong("18.2")
def over_the_alternatives(F, beta):
    """The jacobian, not the features: shape (J, J)."""
    p = _p(F, beta)
    return np.diag(p.sum(axis=0)) - p.T @ p


@wrong("18.2")
def likeliest_alternative(F, beta):
    """The covariance about the features of the likeliest."""
    p = _p(F, beta)
    D = F - F[np.arange(len(F)), p.argmax(axis=1)][:, None]
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def at_beta_0(F, beta):
    """Ones in place of beta."""
    return centred_einsum(F, np.ones(len(beta)))


@wrong("18.2")
def exp_of_the_utility(F, beta):
    """No shift."""
    e = np.exp(F @ beta)
    p = e / e.sum(axis=1, keepdims=True)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def one_shift_for_all(F, beta):
    """The largest utility of all choices."""
    u = F @ beta
    e = np.exp(u - u.max())
    p = e / e.sum(axis=1, keepdims=True)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def utilities_clipped(F, beta):
    """Clipped to -500 ... 500, as public code does against overflow."""
    e = np.exp(np.clip(F @ beta, -500, 500))
    p = e / e.sum(axis=1, keepdims=True)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def nan_to_zero(F, beta):
    """No shift, and what is not a number is 0."""
    e = np.exp(F @ beta)
    p = np.nan_to_num(e / e.sum(axis=1, keepdims=True))
    D = F - np.einsum("nj,njk->nk", p, F)[:, None]
    return np.einsum("nj,njk,njl->kl", p, D, D)


@wrong("18.2")
def with_a_ridge(F, beta):
    """1e-6 on the diagonal, so that it can be inverted."""
    return centred_einsum(F, beta) + 1e-6 * np.eye(len(beta))


# 18.3 conditional_logit(F, y)


def _loglik(F, y, beta):
    """Return the log-likelihood."""
    return log_softmax(F @ beta, axis=1)[np.arange(len(y)), y].sum()


def _information(F, beta):
    """Return the information."""
    p = softmax(F @ beta, axis=1)
    D = F - np.einsum("nj,njk->nk", p, F)[:, None, :]
    return np.einsum("nj,njk,njl->kl", p, D, D)


def _score(F, y, beta):
    """Return each choice's gradient."""
    return F[np.arange(len(y)), y] - np.einsum("nj,njk->nk", softmax(F @ beta, axis=1), F)


def _fit(F, y):
    """Return the right beta and the features as they were used."""
    F = np.asarray(F, dtype=float)
    F = F - F.mean(axis=1, keepdims=True)
    beta = np.zeros(F.shape[2])
    for _ in range(50):
        step = np.linalg.solve(_information(F, beta), _score(F, y, beta).sum(axis=0))
        while _loglik(F, y, beta + step) < _loglik(F, y, beta) - 1e-9:
            step = step / 2
        beta = beta + step
    return beta, F


@right("18.3")
def newton_halved(F, y):
    """Newton, a step halved while it goes down."""
    F = np.asarray(F, dtype=float)
    F = F - F[:, :1]
    beta = np.zeros(F.shape[2])
    for _ in range(60):
        step = np.linalg.solve(_information(F, beta), _score(F, y, beta).sum(axis=0))
        while _loglik(F, y, beta + step) < _loglik(F, y, beta) - 1e-9:
            step /= 2
        beta = beta + step
    se = np.sqrt(np.diag(np.linalg.inv(_information(F, beta))))
    return beta, se, _loglik(F, y, beta)


@right("18.3")
def twenty_plain_steps(F, y):
    """Newton as in the text."""
    beta = np.zeros(F.shape[2])
    rows = np.arange(len(y))
    for _ in range(20):
        p = softmax(F @ beta, axis=1)
        D = F - np.einsum("nj,njk->nk", p, F)[:, None]
        H = np.einsum("nj,njk,njl->kl", p, D, D)
        beta = beta + np.linalg.solve(H, D[rows, y].sum(axis=0))
    se = np.linalg.inv(H).diagonal() ** 0.5
    return beta, se, float(log_softmax(F @ beta, axis=1)[rows, y].sum())


@right("18.3")
def bfgs_on_scaled_features(F, y):
    """SciPy's BFGS with the gradient; each feature is scaled to a deviation of 1."""
    X = F - F.mean(axis=1, keepdims=True)
    scale = X.std(axis=(0, 1))
    X = X / scale
    b = optimize.minimize(
        lambda b: -_loglik(X, y, b),
        np.zeros(X.shape[2]),
        jac=lambda b: -_score(X, y, b).sum(axis=0),
        method="BFGS",
        options={"gtol": 1e-8},
    ).x
    covariance = np.linalg.inv(_information(X, b))
    return b / scale, np.sqrt(np.diag(covariance)) / scale, _loglik(X, y, b)


@right("18.3")
def trust_region(F, y):
    """SciPy's trust-exact, told both derivatives."""
    X = F - F.mean(axis=1, keepdims=True)
    scale = np.abs(X).max(axis=(0, 1))
    X = X / scale
    b = optimize.minimize(
        lambda b: -_loglik(X, y, b),
        np.zeros(X.shape[2]),
        jac=lambda b: -_score(X, y, b).sum(axis=0),
        hess=lambda b: _information(X, b),
        method="trust-exact",
        options={"gtol": 1e-8},
    ).x
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, b))))
    return list(b / scale), list(se / scale), _loglik(X, y, b)


@right("18.3")
def root_of_the_score(F, y):
    """A root of the gradient."""
    X = F - np.take_along_axis(F, y[:, None, None], axis=1)
    X = X.astype(float)
    scale = X.std(axis=(0, 1))
    X /= scale
    b = optimize.root(
        lambda b: _score(X, y, b).sum(axis=0),
        np.zeros(X.shape[2]),
        jac=lambda b: -_information(X, b),
        tol=1e-12,
    ).x
    loglik = -np.log(np.exp(X @ b).sum(axis=1)).sum()
    return b / scale, np.sqrt(np.linalg.inv(_information(X, b)).diagonal()) / scale, loglik


@right("18.3")
def torch_autograd(F, y):
    """Newton with derivatives by torch."""
    F = torch.as_tensor(np.asarray(F, dtype=float))
    F = F - F.mean(dim=1, keepdim=True)
    rows, y = torch.arange(len(y)), torch.as_tensor(np.asarray(y), dtype=torch.int64)

    def loss(beta):
        return -torch.log_softmax(F @ beta, dim=1)[rows, y].sum()

    beta = torch.zeros(F.shape[2], dtype=torch.float64)
    for _ in range(12):
        g = torch.autograd.functional.jacobian(loss, beta)
        H = torch.autograd.functional.hessian(loss, beta)
        beta = beta - torch.linalg.solve(H, g)
    H = torch.autograd.functional.hessian(loss, beta)
    return beta, torch.linalg.inv(H).diagonal().sqrt(), -loss(beta).item()


@right("18.3")
def reweighted_least_squares(F, y):
    """Weighted regressions of a working response, as for a generalised linear model."""
    N, J, K = F.shape
    chosen = np.eye(J)[y]
    beta = np.zeros(K)
    for _ in range(25):
        p = softmax(F @ beta, axis=1)
        D = F - np.einsum("nj,njk->nk", p, F)[:, None]
        w = np.sqrt(p).reshape(-1, 1)
        A = w * D.reshape(-1, K)
        z = A @ beta + ((chosen - p) / np.maximum(np.sqrt(p), 1e-150)).ravel()
        beta = np.linalg.lstsq(A, z, rcond=None)[0]
    R = np.linalg.qr(A, mode="r")
    se = np.linalg.norm(np.linalg.inv(R), axis=1)
    return beta, se, special.xlogy(chosen, softmax(F @ beta, axis=1)).sum()


@right("18.3")
def differences_to_the_chosen(F, y):
    """L-BFGS on log(1 + sum of exp of differences), then two Newton steps."""
    N, J, K = F.shape
    D = np.stack([np.delete(F[n], y[n], axis=0) - F[n, y[n]] for n in range(N)]).astype(float)
    D0 = np.concatenate([D, np.zeros((N, 1, K))], axis=1)
    scale = np.abs(D).mean(axis=(0, 1))
    D0 = D0 / scale
    last = np.full(N, J - 1)
    fit = optimize.minimize(
        lambda b: (logsumexp(D0 @ b, axis=1).sum(), -_score(D0, last, b).sum(axis=0)),
        np.zeros(K),
        jac=True,
        method="L-BFGS-B",
    )
    b = fit.x
    for _ in range(2):
        b = b + np.linalg.solve(_information(D0, b), _score(D0, last, b).sum(axis=0))
    V = np.linalg.pinv(_information(D0, b))
    return b / scale, np.sqrt(np.diag(V)) / scale, -logsumexp(D0 @ b, axis=1).sum()


@wrong("18.3")
def one_newton_step(F, y):
    """From 0."""
    F = np.asarray(F, dtype=float)
    beta = np.linalg.solve(
        _information(F, np.zeros(F.shape[2])), _score(F, y, np.zeros(F.shape[2])).sum(axis=0)
    )
    return beta, np.sqrt(np.diag(np.linalg.inv(_information(F, beta)))), _loglik(F, y, beta)


@wrong("18.3")
def two_newton_steps(F, y):
    """Nearly there."""
    X = F - F.mean(axis=1, keepdims=True)
    beta = np.zeros(F.shape[2])
    for _ in range(2):
        beta = beta + np.linalg.solve(_information(X, beta), _score(X, y, beta).sum(axis=0))
    return beta, np.sqrt(np.diag(np.linalg.inv(_information(X, beta)))), _loglik(X, y, beta)


@wrong("18.3")
def errors_of_the_mean_loss(F, y):
    """The information of the mean: se is sqrt(N) too large."""
    beta, X = _fit(F, y)
    V = np.linalg.inv(_information(X, beta) / len(y))
    return beta, np.sqrt(np.diag(V)), _loglik(X, y, beta)


@wrong("18.3")
def errors_divided_by_root_n(F, y):
    """se / sqrt(N), as for a mean."""
    beta, X = _fit(F, y)
    V = np.linalg.inv(_information(X, beta))
    return beta, np.sqrt(np.diag(V) / len(y)), _loglik(X, y, beta)


@wrong("18.3")
def inverse_of_the_diagonal(F, y):
    """1 / sqrt(diag H): the others are taken for known."""
    beta, X = _fit(F, y)
    return beta, 1 / np.sqrt(np.diag(_information(X, beta))), _loglik(X, y, beta)


@wrong("18.3")
def root_of_the_diagonal(F, y):
    """sqrt(diag H)."""
    beta, X = _fit(F, y)
    return beta, np.sqrt(np.diag(_information(X, beta))), _loglik(X, y, beta)


@wrong("18.3")
def variances_for_errors(F, y):
    """No root."""
    beta, X = _fit(F, y)
    return beta, np.diag(np.linalg.inv(_information(X, beta))), _loglik(X, y, beta)


@wrong("18.3")
def whole_covariance(F, y):
    """The matrix for se."""
    beta, X = _fit(F, y)
    return beta, np.linalg.inv(_information(X, beta)), _loglik(X, y, beta)


@wrong("18.3")
def sandwich(F, y):
    """Robust errors."""
    beta, X = _fit(F, y)
    S, V = _score(X, y, beta), np.linalg.inv(_information(X, beta))
    return beta, np.sqrt(np.diag(V @ S.T @ S @ V)), _loglik(X, y, beta)


@wrong("18.3")
def outer_products_of_scores(F, y):
    """Berndt, Hall, Hall and Hausman's matrix."""
    beta, X = _fit(F, y)
    S = _score(X, y, beta)
    return beta, np.sqrt(np.diag(np.linalg.inv(S.T @ S))), _loglik(X, y, beta)


@wrong("18.3")
def degrees_of_freedom(F, y):
    """Errors times sqrt(N / (N - K))."""
    beta, X = _fit(F, y)
    V = np.linalg.inv(_information(X, beta)) * len(y) / (len(y) - X.shape[2])
    return beta, np.sqrt(np.diag(V)), _loglik(X, y, beta)


@wrong("18.3")
def errors_at_the_start(F, y):
    """The information at beta = 0."""
    beta, X = _fit(F, y)
    V = np.linalg.inv(_information(X, 0 * beta))
    return beta, np.sqrt(np.diag(V)), _loglik(X, y, beta)


@wrong("18.3")
def errors_without_centring(F, y):
    """The second moment for the covariance."""
    beta, X = _fit(F, y)
    F = np.asarray(F, dtype=float)
    H = np.einsum("nj,njk,njl->kl", softmax(X @ beta, axis=1), F, F)
    return beta, np.sqrt(np.diag(np.linalg.inv(H))), _loglik(X, y, beta)


@wrong("18.3")
def errors_of_the_two_class_formula(F, y):
    """p (1 - p) and no covariances."""
    beta, X = _fit(F, y)
    p = softmax(X @ beta, axis=1)
    H = np.einsum("nj,njk,njl->kl", p * (1 - p), X, X)
    return beta, np.sqrt(np.diag(np.linalg.inv(H))), _loglik(X, y, beta)


@wrong("18.3")
def inverse_hessian_of_bfgs(F, y):
    """hess_inv, an approximation that is not one of the covariance to five digits."""
    X = F - F.mean(axis=1, keepdims=True)
    fit = optimize.minimize(lambda b: -_loglik(X, y, b), np.zeros(X.shape[2]))
    return fit.x, np.sqrt(np.diag(fit.hess_inv)), -fit.fun


@wrong("18.3")
def t_values(F, y):
    """beta / se."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, beta / se, _loglik(X, y, beta)


@wrong("18.3")
def half_widths(F, y):
    """1.96 se."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, 1.96 * se, _loglik(X, y, beta)


@wrong("18.3")
def mean_log_likelihood(F, y):
    """Divided by N."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, _loglik(X, y, beta) / len(y)


@wrong("18.3")
def loss_for_likelihood(F, y):
    """The negative."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, -_loglik(X, y, beta)


@wrong("18.3")
def deviance(F, y):
    """-2 log L."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, -2 * _loglik(X, y, beta)


@wrong("18.3")
def likelihood_ratio(F, y):
    """log L minus log L at 0."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, _loglik(X, y, beta) - _loglik(X, y, 0 * beta)


@wrong("18.3")
def likelihood_without_its_log(F, y):
    """exp."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, np.exp(_loglik(X, y, beta))


@wrong("18.3")
def minus_beta(F, y):
    """The sign of the gradient twice."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return -beta, se, _loglik(X, y, beta)


@wrong("18.3")
def odds_ratios(F, y):
    """exp(beta)."""
    beta, X = _fit(F, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return np.exp(beta), se, _loglik(X, y, beta)


@wrong("18.3")
def ridge_of_1(F, y):
    """A penalty left in."""
    return _ridge(F, y, 1.0)


def _ridge(F, y, strength):
    """Return a fit with a penalty of strength |beta|^2 / 2."""
    X = F - F.mean(axis=1, keepdims=True)
    beta = np.zeros(X.shape[2])
    eye = strength * np.eye(len(beta))
    for _ in range(40):
        beta = beta + np.linalg.solve(
            _information(X, beta) + eye, _score(X, y, beta).sum(axis=0) - strength * beta
        )
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta) + eye)))
    return beta, se, _loglik(X, y, beta)


@wrong("18.3")
def small_ridge(F, y):
    """A penalty of 0.01, for safety."""
    return _ridge(F, y, 0.01)


@wrong("18.3")
def hundred_gradient_steps(F, y):
    """Gradient steps of 0.01."""
    X = F - F.mean(axis=1, keepdims=True)
    beta = np.zeros(X.shape[2])
    for _ in range(100):
        beta = beta + 0.01 * _score(X, y, beta).sum(axis=0)
    return beta, np.sqrt(np.diag(np.linalg.inv(_information(X, beta)))), _loglik(X, y, beta)


@wrong("18.3")
def gradient_of_the_mean(F, y):
    """A thousand steps of 0.1 on the mean."""
    X = F - F.mean(axis=1, keepdims=True)
    beta = np.zeros(X.shape[2])
    for _ in range(1000):
        beta = beta + 0.1 * _score(X, y, beta).mean(axis=0)
    return beta, np.sqrt(np.diag(np.linalg.inv(_information(X, beta)))), _loglik(X, y, beta)


@wrong("18.3")
def without_a_shift(F, y):
    """exp(u) / sum exp(u), as in statsmodels."""
    F = np.asarray(F, dtype=float)
    beta, rows = np.zeros(F.shape[2]), np.arange(len(y))
    for _ in range(15):
        e = np.exp(F @ beta)
        p = e / e.sum(axis=1, keepdims=True)
        D = F - np.einsum("nj,njk->nk", p, F)[:, None]
        H = np.einsum("nj,njk,njl->kl", p, D, D)
        beta = beta + np.linalg.solve(H, D[rows, y].sum(axis=0))
    return beta, np.sqrt(np.diag(np.linalg.inv(H))), np.log(p[rows, y]).sum()


@wrong("18.3")
def bfgs_without_a_shift(F, y):
    """The same likelihood given to BFGS, which stops on nan or at the start."""
    F, rows = np.asarray(F, dtype=float), np.arange(len(y))

    def loss(b):
        e = np.exp(F @ b)
        return -np.log(e[rows, y] / e.sum(axis=1)).sum()

    beta = optimize.minimize(loss, np.zeros(F.shape[2]), method="BFGS").x
    return beta, np.sqrt(np.diag(np.linalg.pinv(_information(F, beta)))), -loss(beta)


@wrong("18.3")
def nelder_mead(F, y):
    """With SciPy's tolerance: four digits."""
    X = F - F.mean(axis=1, keepdims=True)
    fit = optimize.minimize(lambda b: -_loglik(X, y, b), np.zeros(X.shape[2]), method="Nelder-Mead")
    return fit.x, np.sqrt(np.diag(np.linalg.inv(_information(X, fit.x)))), -fit.fun


@wrong("18.3")
def softmax_down_the_choices(F, y):
    """axis = 0 in the score."""
    X = F - F.mean(axis=1, keepdims=True)
    beta = np.zeros(X.shape[2])
    for _ in range(30):
        p = softmax(X @ beta, axis=0)
        g = (X[np.arange(len(y)), y] - np.einsum("nj,njk->nk", p, X)).sum(axis=0)
        beta = beta + np.linalg.solve(_information(X, beta), np.clip(g, -1e3, 1e3)) / 10
    return beta, np.sqrt(np.diag(np.linalg.pinv(_information(X, beta)))), _loglik(X, y, beta)


@wrong("18.3")
def last_alternative_as_the_choice(F, y):
    """The wrong column: y - 1, as if the alternatives were counted from 1."""
    beta, X = _fit(F, y - 1)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, _loglik(X, y - 1, beta)


@wrong("18.3")
def features_standardised(F, y):
    """beta and se for features with a deviation of 1, not converted back."""
    X = F - F.mean(axis=1, keepdims=True)
    X = X / X.std(axis=(0, 1))
    beta, X = _fit(X, y)
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, _loglik(X, y, beta)


@wrong("18.3")
def fitted_to_half(F, y):
    """Half the choices are kept for validation."""
    half = len(y) // 2
    beta, X = _fit(F[:half], y[:half])
    se = np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))
    return beta, se, _loglik(X, y[:half], beta)


@wrong("18.3")
def only_two_returned(F, y):
    """No log-likelihood."""
    beta, X = _fit(F, y)
    return beta, np.sqrt(np.diag(np.linalg.inv(_information(X, beta))))


@wrong("18.3")
def least_squares(F, y):
    """A linear regression of the one-hot choice."""
    X = F - F.mean(axis=1, keepdims=True)
    target = (np.eye(F.shape[1])[y] - 1 / F.shape[1]).ravel()
    A = X.reshape(-1, X.shape[2])
    beta = np.linalg.lstsq(A, target, rcond=None)[0]
    return beta, np.sqrt(np.diag(np.linalg.inv(A.T @ A))), _loglik(X, y, beta)


@wrong("18.3")
def each_alternative_on_its_own(F, y):
    """A binary logit on the N J stacked rows."""
    X = F - F.mean(axis=1, keepdims=True)
    A, t = X.reshape(-1, X.shape[2]), np.eye(F.shape[1])[y].ravel()
    beta = np.zeros(A.shape[1])
    for _ in range(25):
        q = special.expit(A @ beta)
        H = (A * (q * (1 - q))[:, None]).T @ A
        beta = beta + np.linalg.solve(H, A.T @ (t - q))
    return beta, np.sqrt(np.diag(np.linalg.inv(H))), _loglik(X, y, beta)


# 18.4 new_prior(p, prior)


@right("18.4")
def saerens(p, prior):
    """Expectation, maximisation, until nothing changes."""
    w = prior
    for _ in range(20000):
        q = p * (w / prior)
        new = (q / q.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(new - w).max() < 1e-12:
            break
        w = new
    return new


@right("18.4")
def multiplicative(p, prior):
    """w times its gradient, three thousand times."""
    ratio = p / prior
    w = np.full(len(prior), 1 / len(prior))
    for _ in range(3000):
        w = w * (ratio / (ratio @ w)[:, None]).mean(axis=0)
    return w / w.sum()


@right("18.4")
def logits_of_the_prior(p, prior):
    """BFGS over logits, the likelihood as a log-sum-exp."""
    log_ratio = np.log(np.maximum(p, 1e-300)) - np.log(prior)

    def loss(z):
        log_w = z - logsumexp(z)
        joint = log_ratio + log_w
        total = logsumexp(joint, axis=1)
        q = np.exp(joint - total[:, None]).mean(axis=0)
        return -total.mean(), np.exp(log_w) - q

    return softmax(
        optimize.minimize(loss, np.log(prior), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    )


@right("18.4")
def constrained(p, prior):
    """SLSQP on the simplex."""
    ratio = p / prior
    fit = optimize.minimize(
        lambda w: -np.log(ratio @ w).mean(),
        prior,
        jac=lambda w: -(ratio / (ratio @ w)[:, None]).mean(axis=0),
        method="SLSQP",
        bounds=[(1e-9, 1)] * len(prior),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 300},
    )
    return fit.x


@right("18.4")
def newton_in_all_but_one(p, prior):
    """Newton's steps in w without its last entry, shortened to stay inside."""
    ratio = p / prior
    D = ratio[:, :-1] - ratio[:, -1:]
    v = prior[:-1].copy()

    def likelihood(v):
        inside = np.all(v > 0) and v.sum() < 1
        return np.log(ratio[:, -1] + D @ v).sum() if inside else -np.inf

    for _ in range(100):
        A = D / (ratio[:, -1] + D @ v)[:, None]
        step = np.linalg.solve(A.T @ A, A.sum(axis=0))
        while np.abs(step).max() > 1e-14 and likelihood(v + step) < likelihood(v):
            step = step / 2
        v = v + step
    return np.append(v, 1 - v.sum())


@right("18.4")
def torch_lbfgs(p, prior):
    """torch's LBFGS over logits."""
    ratio = torch.as_tensor(p / prior, dtype=torch.float64)
    z = torch.log(torch.as_tensor(prior, dtype=torch.float64)).clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [z], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        loss = -torch.log(ratio @ torch.softmax(z, dim=0)).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    return torch.softmax(z, dim=0).detach().numpy()


@right("18.4")
def loops_of_expectation(p, prior):
    """EM by rows in plain Python, to a change of 1e-8."""
    n = len(prior)
    rows = [[float(a) / float(b) for a, b in zip(row, prior, strict=True)] for row in p]
    w = [1 / n] * n
    for _ in range(3000):
        totals = [0.0] * n
        for row in rows:
            inverse = 1 / sum(a * b for a, b in zip(row, w, strict=True))
            for i in range(n):
                totals[i] += row[i] * inverse
        new = [w[i] * totals[i] / len(rows) for i in range(n)]
        change = max(abs(a - b) for a, b in zip(new, w, strict=True))
        w = new
        if change < 1e-7:
            break
    return w


@right("18.4")
def weights_free_to_grow(p, prior):
    """Maximises the likelihood minus N (sum w - 1): the sum comes out as 1."""
    ratio = p / prior
    fit = optimize.minimize(
        lambda w: (
            w.sum() - np.log(ratio @ w).mean(),
            1 - (ratio / (ratio @ w)[:, None]).mean(axis=0),
        ),
        prior,
        jac=True,
        method="L-BFGS-B",
        bounds=[(1e-9, None)] * len(prior),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000},
    )
    return fit.x / fit.x.sum()


def _em(p, prior, steps, w=None):
    """Return the prior after so many steps."""
    w = prior if w is None else w
    for _ in range(steps):
        q = p * (w / prior)
        w = (q / q.sum(axis=1, keepdims=True)).mean(axis=0)
    return w


@wrong("18.4")
def mean_posterior(p, prior):
    """One step of EM."""
    return p.mean(axis=0)


@wrong("18.4")
def classify_and_count(p, prior):
    """Shares of the predicted classes."""
    return np.bincount(p.argmax(axis=1), minlength=len(prior)) / len(p)


@wrong("18.4")
def two_steps(p, prior):
    """EM stopped after two."""
    return _em(p, prior, 2)


@wrong("18.4")
def ten_steps(p, prior):
    """EM stopped after ten."""
    return _em(p, prior, 10)


@wrong("18.4")
def loosely_converged(p, prior):
    """EM stopped at a change below 0.001."""
    w = prior
    while True:
        new = _em(p, prior, 1, w)
        if np.abs(new - w).max() < 1e-3:
            return new
        w = new


@wrong("18.4")
def old_prior_not_divided_out(p, prior):
    """q = p w."""
    w = prior
    for _ in range(2000):
        q = p * w
        w = (q / q.sum(axis=1, keepdims=True)).mean(axis=0)
    return w


@wrong("18.4")
def old_prior_divided_twice(p, prior):
    """w / prior^2."""
    w = prior
    for _ in range(2000):
        q = p * (w / prior**2)
        w = (q / q.sum(axis=1, keepdims=True)).mean(axis=0)
    return w


@wrong("18.4")
def likelihood_under_p(p, prior):
    """Maximises log sum p w: the old prior left in."""
    w = np.full(len(prior), 1 / len(prior))
    for _ in range(2000):
        q = p * w
        w = (q / q.sum(axis=1, keepdims=True)).mean(axis=0)
    return w


@wrong("18.4")
def posteriors_overwritten(p, prior):
    """Multiplies yesterday's posterior by w / prior: the change is made again and again."""
    q, w = p.copy(), prior
    for _ in range(200):
        q = q * (w / prior)
        q /= q.sum(axis=1, keepdims=True)
        w = q.mean(axis=0)
    return w


@wrong("18.4")
def rows_not_normalised(p, prior):
    """The posteriors' rows do not sum to 1; w does."""
    w = prior
    for _ in range(200):
        w = (p * (w / prior)).mean(axis=0)
        w = w / w.sum()
    return w


@wrong("18.4")
def the_ratio(p, prior):
    """w / prior."""
    return _em(p, prior, 3000) / prior


@wrong("18.4")
def ratio_normalised(p, prior):
    """w / prior, divided by its sum."""
    r = _em(p, prior, 3000) / prior
    return r / r.sum()


@wrong("18.4")
def times_the_old_prior(p, prior):
    """w prior, divided by its sum."""
    r = _em(p, prior, 3000) * prior
    return r / r.sum()


@wrong("18.4")
def mean_ratio(p, prior):
    """The mean of p / prior, normalised."""
    w = (p / prior).mean(axis=0)
    return w / w.sum()


@wrong("18.4")
def hard_assignments(p, prior):
    """EM in which each row goes to its likeliest class."""
    w = prior
    for _ in range(200):
        q = p * (w / prior)
        w = np.bincount(q.argmax(axis=1), minlength=len(prior)) / len(p)
    return w


@wrong("18.4")
def the_old_prior(p, prior):
    """Unchanged."""
    return prior.copy()


@wrong("18.4")
def even_prior(p, prior):
    """1 / n."""
    return np.full(len(prior), 1 / len(prior))


@wrong("18.4")
def soft_confusion(p, prior):
    """Solves for the prior with the mean posterior of the rows of each predicted class."""
    C = np.stack([(p * p[:, [k]]).sum(axis=0) / p[:, k].sum() for k in range(len(prior))], axis=1)
    w = np.clip(np.linalg.lstsq(C, p.mean(axis=0), rcond=None)[0], 0, None)
    return w / w.sum()


@wrong("18.4")
def geometric_mean(p, prior):
    """The softmax of the mean log-posterior."""
    return softmax(np.log(np.maximum(p, 1e-12)).mean(axis=0))


@wrong("18.4")
def smoothed_each_step(p, prior):
    """A pseudo-count for each class, as a Dirichlet prior would add."""
    w, n = prior, len(prior)
    for _ in range(2000):
        q = p * (w / prior)
        w = ((q / q.sum(axis=1, keepdims=True)).sum(axis=0) + 1) / (len(p) + n)
    return w


@wrong("18.4")
def damped(p, prior):
    """A hundred steps of a tenth."""
    w = prior
    for _ in range(100):
        w = 0.9 * w + 0.1 * _em(p, prior, 1, w)
    return w


@wrong("18.4")
def gradient_and_clip(p, prior):
    """A thousand gradient steps of 0.001, clipped and divided by the sum."""
    ratio, w = p / prior, prior.copy()
    for _ in range(1000):
        w = np.clip(w + 0.001 * (ratio / (ratio @ w)[:, None]).mean(axis=0), 1e-9, None)
        w = w / w.sum()
    return w


@wrong("18.4")
def matched_mean(p, prior):
    """The w whose corrected posteriors are the nearest to the even ones."""
    w = prior / p.mean(axis=0)
    return w / w.sum()


@wrong("18.4")
def without_the_log(p, prior):
    """Maximises the sum of the likelihoods, not of their logs: one class takes all."""
    w = np.zeros(len(prior))
    w[(p / prior).sum(axis=0).argmax()] = 1
    return w


@wrong("18.4")
def least_likely(p, prior):
    """Minimises in place of maximising: a corner."""
    ratio = p / prior
    losses = np.log(np.maximum(ratio, 1e-300)).sum(axis=0)
    return np.eye(len(prior))[losses.argmin()]


@wrong("18.4")
def all_corrected_posteriors(p, prior):
    """The corrected posteriors, (N, n)."""
    q = p * (_em(p, prior, 2000) / prior)
    return q / q.sum(axis=1, keepdims=True)


@wrong("18.4")
def normalised_down_the_rows(p, prior):
    """axis = 0."""
    w = prior
    for _ in range(50):
        q = p * (w / prior)
        w = (q / q.sum(axis=0, keepdims=True)).mean(axis=0)
    return w


@wrong("18.4")
def changes_the_prior(p, prior):
    """w = prior, and w[:] = ...: the old prior is overwritten."""
    w = prior
    for _ in range(200):
        q = p * (w / prior)
        w[:] = (q / q.sum(axis=1, keepdims=True)).mean(axis=0)
    return w


@wrong("18.4")
def minus_the_mean(p, prior):
    """2 prior - mean p: a step in the wrong direction."""
    w = np.clip(2 * prior - p.mean(axis=0), 1e-9, None)
    return w / w.sum()


# 18.5 squared_calibration_error(confidence, correct, bins)


@right("18.5")
def sums_and_squares(confidence, correct, bins):
    """(sum r)^2 - sum r^2 over n (n - 1)."""
    order = np.argsort(confidence)
    r = correct.astype(float)[order] - confidence[order]
    total = 0.0
    for group in np.array_split(r, bins):
        n = len(group)
        total += n * (group.sum() ** 2 - (group**2).sum()) / (n * (n - 1))
    return total / len(r)


@right("18.5")
def all_pairs(confidence, correct, bins):
    """Every pair of different rows."""
    rows = sorted(zip(confidence.tolist(), correct.tolist(), strict=True))
    errors, sizes = [], []
    for where in np.array_split(np.arange(len(rows)), bins):
        r = [float(rows[i][1]) - rows[i][0] for i in where]
        products = [a * b for a, b in itertools.combinations(r, 2)]
        errors.append(sum(products) / len(products))
        sizes.append(len(r))
    return sum(e * s for e, s in zip(errors, sizes, strict=True)) / len(rows)


@right("18.5")
def mean_less_variance(confidence, correct, bins):
    """The squared mean less the variance of the mean."""
    order = confidence.argsort()
    groups = np.array_split((correct * 1.0 - confidence)[order], bins)
    errors = [g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups]
    return np.average(errors, weights=[len(g) for g in groups])


@right("18.5")
def outer_without_the_diagonal(confidence, correct, bins):
    """A table of products, its diagonal left out."""
    r = np.where(correct, 1 - confidence, -confidence)[np.argsort(confidence)]
    total = 0.0
    for g in np.array_split(r, bins):
        table = np.outer(g, g)
        total += len(g) * table[~np.eye(len(g), dtype=bool)].mean()
    return total / len(r)


@right("18.5")
def leave_one_out(confidence, correct, bins):
    """Each r times the mean of the others."""
    order = np.argsort(confidence, kind="stable")
    parts = []
    for where in np.array_split(order, bins):
        r = correct[where].astype(float) - confidence[where]
        parts.append(r * (r.sum() - r) / (len(r) - 1))
    return np.concatenate(parts).mean()


@right("18.5")
def torch_groups(confidence, correct, bins):
    """torch."""
    c = torch.as_tensor(confidence)
    r, order = torch.as_tensor(correct).double() - c, torch.argsort(c)
    total = 0.0
    for g in torch.tensor_split(r[order], bins):
        total += (g.sum() ** 2 - (g * g).sum()) / (len(g) - 1)
    return total / len(r)


@right("18.5")
def exact_fractions(confidence, correct, bins):
    """Without rounding."""
    order = np.argsort(confidence)
    total = Fraction(0)
    for where in np.array_split(order, bins):
        r = [Fraction(int(correct[i])) - Fraction(float(confidence[i])) for i in where]
        total += (sum(r) ** 2 - sum(a * a for a in r)) / (len(r) - 1)
    return float(total / len(confidence))


@right("18.5")
def bincounts(confidence, correct, bins):
    """Numbers of groups, and sums by np.bincount."""
    n = len(confidence)
    group = np.empty(n, dtype=int)
    sizes = np.full(bins, n // bins) + (np.arange(bins) < n % bins)
    group[np.argsort(confidence)] = np.repeat(np.arange(bins), sizes)
    r = correct - confidence
    s, q = np.bincount(group, weights=r), np.bincount(group, weights=r**2)
    return ((s**2 - q) / (sizes - 1)).sum() / n


def _groups(confidence, correct, bins):
    """Return the groups of r, and those of `correct`."""
    order = np.argsort(confidence)
    y = correct[order].astype(float)
    return np.array_split(y - confidence[order], bins), np.array_split(y, bins)


def _weighted(errors, groups):
    """Return the mean of the errors, weighted by the groups' sizes."""
    return float(np.average(errors, weights=[len(g) for g in groups]))


@wrong("18.5")
def plug_in(confidence, correct, bins):
    """(mean r)^2, with its bias."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([g.mean() ** 2 for g in groups], groups)


@wrong("18.5")
def expected_calibration_error(confidence, correct, bins):
    """|mean r|."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([abs(g.mean()) for g in groups], groups)


@wrong("18.5")
def expected_calibration_error_squared(confidence, correct, bins):
    """The square of the ECE."""
    return expected_calibration_error(confidence, correct, bins) ** 2


@wrong("18.5")
def root_mean_square(confidence, correct, bins):
    """The root of the plug-in."""
    return math.sqrt(plug_in(confidence, correct, bins))


@wrong("18.5")
def root_of_the_estimate(confidence, correct, bins):
    """The root of what is positive."""
    return math.sqrt(max(0.0, float(sums_and_squares(confidence, correct, bins))))


@wrong("18.5")
def signed_root(confidence, correct, bins):
    """The root with the sign."""
    e = float(sums_and_squares(confidence, correct, bins))
    return math.copysign(math.sqrt(abs(e)), e)


@wrong("18.5")
def never_negative(confidence, correct, bins):
    """Clipped at 0 at the end."""
    return max(0.0, float(sums_and_squares(confidence, correct, bins)))


@wrong("18.5")
def groups_never_negative(confidence, correct, bins):
    """Clipped at 0 group by group."""
    groups, _ = _groups(confidence, correct, bins)
    errors = [max(0.0, g.mean() ** 2 - g.var(ddof=1) / len(g)) for g in groups]
    return _weighted(errors, groups)


@wrong("18.5")
def absolute_value(confidence, correct, bins):
    """Its absolute value."""
    return abs(float(sums_and_squares(confidence, correct, bins)))


@wrong("18.5")
def groups_alike(confidence, correct, bins):
    """The plain mean over the groups."""
    groups, _ = _groups(confidence, correct, bins)
    return np.mean([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups])


@wrong("18.5")
def sum_over_groups(confidence, correct, bins):
    """Not divided by anything."""
    groups, _ = _groups(confidence, correct, bins)
    return np.sum([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups])


@wrong("18.5")
def weighted_by_pairs(confidence, correct, bins):
    """The mean over all pairs of all groups."""
    groups, _ = _groups(confidence, correct, bins)
    pairs = sum(g.sum() ** 2 - (g**2).sum() for g in groups)
    return pairs / sum(len(g) * (len(g) - 1) for g in groups)


@wrong("18.5")
def not_sorted(confidence, correct, bins):
    """As the rows come."""
    groups = np.array_split(correct.astype(float) - confidence, bins)
    return _weighted([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups], groups)


@wrong("18.5")
def only_the_confidence_sorted(confidence, correct, bins):
    """`correct` stays where it was."""
    groups = np.array_split(correct.astype(float) - np.sort(confidence), bins)
    return _weighted([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups], groups)


@wrong("18.5")
def sorted_on_their_own(confidence, correct, bins):
    """Both sorted, each for itself."""
    groups = np.array_split(np.sort(correct).astype(float) - np.sort(confidence), bins)
    return _weighted([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups], groups)


@wrong("18.5")
def descending(confidence, correct, bins):
    """From the surest down: the larger groups are others."""
    return sums_and_squares(1 - confidence, 1 - correct.astype(int), bins)


@wrong("18.5")
def equal_widths(confidence, correct, bins):
    """Bins of equal width between 0 and 1."""
    r = correct.astype(float) - confidence
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    groups = [g for g in (r[where == b] for b in range(bins)) if len(g) > 1]
    return _weighted([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups], groups)


@wrong("18.5")
def equal_widths_of_the_range(confidence, correct, bins):
    """Bins of equal width between the smallest and the largest."""
    r = correct.astype(float) - confidence
    edges = np.linspace(confidence.min(), confidence.max(), bins + 1)
    where = np.clip(np.digitize(confidence, edges) - 1, 0, bins - 1)
    groups = [g for g in (r[where == b] for b in range(bins)) if len(g) > 1]
    return _weighted([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups], groups)


@wrong("18.5")
def larger_groups_last(confidence, correct, bins):
    """Cut at i n // bins, not as np.array_split does."""
    order = np.argsort(confidence)
    r = (correct.astype(float) - confidence)[order]
    n = len(r)
    groups = [r[b * n // bins : (b + 1) * n // bins] for b in range(bins)]
    return _weighted([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups], groups)


@wrong("18.5")
def rest_dropped(confidence, correct, bins):
    """n // bins rows a group, what is left over is forgotten."""
    order = np.argsort(confidence)
    size = len(order) // bins
    r = (correct.astype(float) - confidence)[order][: size * bins].reshape(bins, size)
    return float(np.mean(r.mean(axis=1) ** 2 - r.var(axis=1, ddof=1) / size))


@wrong("18.5")
def groups_of_size_bins(confidence, correct, bins):
    """`bins` taken for the size of a group."""
    order = np.argsort(confidence)
    r = (correct.astype(float) - confidence)[order]
    groups = np.array_split(r, max(1, len(r) // max(bins, 2)))
    return _weighted([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups], groups)


@wrong("18.5")
def divided_by_n_squared(confidence, correct, bins):
    """The pairs' sum over n^2."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([(g.sum() ** 2 - (g**2).sum()) / len(g) ** 2 for g in groups], groups)


@wrong("18.5")
def pairs_with_themselves(confidence, correct, bins):
    """All i, j, over n (n - 1)."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([g.sum() ** 2 / (len(g) * (len(g) - 1)) for g in groups], groups)


@wrong("18.5")
def half_the_pairs(confidence, correct, bins):
    """i < j, over n (n - 1)."""
    groups, _ = _groups(confidence, correct, bins)
    errors = [(g.sum() ** 2 - (g**2).sum()) / 2 / (len(g) * (len(g) - 1)) for g in groups]
    return _weighted(errors, groups)


@wrong("18.5")
def sum_of_pairs(confidence, correct, bins):
    """The pairs' sum, no mean."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([g.sum() ** 2 - (g**2).sum() for g in groups], groups)


@wrong("18.5")
def biased_variance(confidence, correct, bins):
    """np.var with its own divisor, n."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([g.mean() ** 2 - g.var() / len(g) for g in groups], groups)


@wrong("18.5")
def variance_not_divided(confidence, correct, bins):
    """The variance of r, not of its mean."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([g.mean() ** 2 - g.var(ddof=1) for g in groups], groups)


@wrong("18.5")
def binomial_correction(confidence, correct, bins):
    """(mean r)^2 - a (1 - a) / (n - 1) with the accuracy a: another, published estimator."""
    groups, labels = _groups(confidence, correct, bins)
    errors = [
        g.mean() ** 2 - y.mean() * (1 - y.mean()) / (len(g) - 1)
        for g, y in zip(groups, labels, strict=True)
    ]
    return _weighted(errors, groups)


@wrong("18.5")
def binomial_correction_clipped(confidence, correct, bins):
    """The same, not below 0, as published code returns it."""
    return max(0.0, binomial_correction(confidence, correct, bins))


@wrong("18.5")
def confidence_s_variance(confidence, correct, bins):
    """The bias taken from the confidences: c (1 - c) / n."""
    order = np.argsort(confidence)
    groups, _ = _groups(confidence, correct, bins)
    cs = np.array_split(confidence[order], bins)
    errors = [
        g.mean() ** 2 - (c * (1 - c)).mean() / len(g) for g, c in zip(groups, cs, strict=True)
    ]
    return _weighted(errors, groups)


@wrong("18.5")
def brier(confidence, correct, bins):
    """The mean of r^2."""
    return np.mean((correct.astype(float) - confidence) ** 2)


@wrong("18.5")
def one_group(confidence, correct, bins):
    """`bins` not used."""
    return sums_and_squares(confidence, correct, 1)


@wrong("18.5")
def neighbours_only(confidence, correct, bins):
    """Each row times the next one of its group."""
    groups, _ = _groups(confidence, correct, bins)
    return _weighted([(g[1:] * g[:-1]).mean() for g in groups], groups)


@wrong("18.5")
def an_error_a_group(confidence, correct, bins):
    """Shape (bins,)."""
    groups, _ = _groups(confidence, correct, bins)
    return np.array([g.mean() ** 2 - g.var(ddof=1) / len(g) for g in groups])


@wrong("18.5")
def sorts_in_place(confidence, correct, bins):
    """Right, and the rows are sorted in the caller's arrays."""
    order = np.argsort(confidence)
    correct[:] = correct[order]
    confidence.sort()
    return sums_and_squares(confidence, correct, bins)


# 18.6 event_log_odds(x, event)


@right("18.6")
def two_log_sum_exps(x, event):
    """SciPy's, of both sides."""
    return logsumexp(x[..., event], axis=-1) - logsumexp(x[..., ~event], axis=-1)


@right("18.6")
def shifted_by_hand(x, event):
    """A shift for each side."""

    def lse(v):
        m = v.max(axis=-1, keepdims=True)
        return m[..., 0] + np.log(np.exp(v - m).sum(axis=-1))

    x = np.asarray(x, dtype=float)
    return lse(x[..., event]) - lse(x[..., ~event])


@right("18.6")
def torch_s(x, event):
    """torch."""
    x = torch.as_tensor(np.asarray(x, dtype=float))
    e = torch.as_tensor(event)
    return torch.logsumexp(x[..., e], dim=-1) - torch.logsumexp(x[..., ~e], dim=-1)


@right("18.6")
def logaddexp_reduced(x, event):
    """NumPy's logaddexp, class by class."""
    x = np.asarray(x, dtype=float)
    inside = np.logaddexp.reduce(x[..., event], axis=-1)
    return inside - np.logaddexp.reduce(x[..., ~event], axis=-1)


@right("18.6")
def masked_with_minus_infinity(x, event):
    """The other side set to -inf."""
    inside = np.where(event, x, -np.inf)
    outside = np.where(event, -np.inf, x)
    return logsumexp(inside, axis=-1) - logsumexp(outside, axis=-1)


@right("18.6")
def of_log_probabilities(x, event):
    """From log_softmax: the normaliser drops out."""
    x = np.asarray(x, dtype=float)
    log_p = x - x.max(axis=-1, keepdims=True)
    return logsumexp(log_p[..., event], axis=-1) - logsumexp(log_p[..., ~event], axis=-1)


@right("18.6")
def row_by_row(x, event):
    """Loops, and math."""
    x = np.asarray(x, dtype=float)

    def lse(values):
        top = max(values)
        return top + math.log(sum(math.exp(v - top) for v in values))

    out = np.empty(x.shape[:-1])
    for where in np.ndindex(out.shape):
        row = x[where].tolist()
        inside = [v for v, e in zip(row, event, strict=True) if e]
        outside = [v for v, e in zip(row, event, strict=True) if not e]
        out[where] = lse(inside) - lse(outside)
    return out


@right("18.6")
def weights_of_0_and_1(x, event):
    """logsumexp's b."""
    x = np.asarray(x, dtype=float)
    inside = logsumexp(np.where(event, x, -np.inf), axis=-1, b=event * 1.0)
    return inside - logsumexp(np.where(event, -np.inf, x), axis=-1, b=1.0 - event)


@right("18.6")
def difference_of_maxima_first(x, event):
    """Maxima and logs subtracted apart."""
    a, b = np.asarray(x, float)[..., event], np.asarray(x, float)[..., ~event]
    ma, mb = a.max(axis=-1), b.max(axis=-1)
    ratio = np.exp(a - ma[..., None]).sum(axis=-1) / np.exp(b - mb[..., None]).sum(axis=-1)
    return (ma - mb) + np.log(ratio)


def _softmax(x):
    """Return the softmax of floats."""
    return softmax(np.asarray(x, dtype=float), axis=-1)


@wrong("18.6")
def log_of_p_over_rest(x, event):
    """log(p / (1 - p)): 1 - p is 0."""
    p = _softmax(x)[..., event].sum(axis=-1)
    return np.log(p / (1 - p))


@wrong("18.6")
def logit_of_p(x, event):
    """SciPy's logit of P."""
    return special.logit(_softmax(x)[..., event].sum(axis=-1))


@wrong("18.6")
def log_minus_log1p(x, event):
    """log p - log1p(-p)."""
    p = _softmax(x)[..., event].sum(axis=-1)
    return np.log(p) - np.log1p(-p)


@wrong("18.6")
def safe_log_p_and_log1p(x, event):
    """log p is safe, log(1 - p) is made of it."""
    x = np.asarray(x, dtype=float)
    log_p = logsumexp(x[..., event], axis=-1) - logsumexp(x, axis=-1)
    return log_p - np.log1p(-np.exp(log_p))


@wrong("18.6")
def clipped_probability(x, event):
    """p clipped to 1e-12 ... 1 - 1e-12, then its logit."""
    p = np.clip(_softmax(x)[..., event].sum(axis=-1), 1e-12, 1 - 1e-12)
    return np.log(p / (1 - p))


@wrong("18.6")
def epsilon_in_both(x, event):
    """1e-12 added above and below."""
    p = _softmax(x)
    return np.log((p[..., event].sum(axis=-1) + 1e-12) / (p[..., ~event].sum(axis=-1) + 1e-12))


@wrong("18.6")
def ratio_of_probabilities(x, event):
    """Both sums of one softmax: one side underflows far enough out."""
    p = _softmax(x)
    return np.log(p[..., event].sum(axis=-1)) - np.log(p[..., ~event].sum(axis=-1))


@wrong("18.6")
def one_shift(x, event):
    """One maximum for both sides."""
    x = np.asarray(x, dtype=float)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.log(e[..., event].sum(axis=-1)) - np.log(e[..., ~event].sum(axis=-1))


@wrong("18.6")
def exp_unshifted(x, event):
    """exp as it stands."""
    e = np.exp(np.asarray(x, dtype=float))
    return np.log(e[..., event].sum(axis=-1) / e[..., ~event].sum(axis=-1))


@wrong("18.6")
def shifted_by_all(x, event):
    """A shift for each side, of all rows together."""
    x = np.asarray(x, dtype=float)

    def lse(v):
        return v.max() + np.log(np.exp(v - v.max()).sum(axis=-1))

    return lse(x[..., event]) - lse(x[..., ~event])


@wrong("18.6")
def log_probability(x, event):
    """log P."""
    x = np.asarray(x, dtype=float)
    return logsumexp(x[..., event], axis=-1) - logsumexp(x, axis=-1)


@wrong("18.6")
def probability(x, event):
    """P."""
    return _softmax(x)[..., event].sum(axis=-1)


@wrong("18.6")
def log_of_the_rest(x, event):
    """log P(not event)."""
    x = np.asarray(x, dtype=float)
    return logsumexp(x[..., ~event], axis=-1) - logsumexp(x, axis=-1)


@wrong("18.6")
def odds(x, event):
    """P / (1 - P), without the log."""
    return np.exp(two_log_sum_exps(np.asarray(x, dtype=float), event))


@wrong("18.6")
def sums_of_logits(x, event):
    """Sums of the logits."""
    x = np.asarray(x, dtype=float)
    return x[..., event].sum(axis=-1) - x[..., ~event].sum(axis=-1)


@wrong("18.6")
def means_of_logits(x, event):
    """Means of the logits."""
    x = np.asarray(x, dtype=float)
    return x[..., event].mean(axis=-1) - x[..., ~event].mean(axis=-1)


@wrong("18.6")
def maxima_of_logits(x, event):
    """Best against best."""
    return x[..., event].max(axis=-1) - x[..., ~event].max(axis=-1)


@wrong("18.6")
def log_mean_exps(x, event):
    """The mean of each side, as for evidence per class."""
    right_ = two_log_sum_exps(np.asarray(x, dtype=float), event)
    return right_ - np.log(event.sum()) + np.log((~event).sum())


@wrong("18.6")
def sum_of_log_odds(x, event):
    """The log-odds of each class of the event, added."""
    x = np.asarray(x, dtype=float)
    return sum(
        x[..., i] - logsumexp(np.delete(x, i, axis=-1), axis=-1) for i in np.flatnonzero(event)
    )


@wrong("18.6")
def log_sum_of_odds(x, event):
    """The odds of each class of the event, added; then the log."""
    x = np.asarray(x, dtype=float)
    single = [
        x[..., i] - logsumexp(np.delete(x, i, axis=-1), axis=-1) for i in np.flatnonzero(event)
    ]
    return logsumexp(np.stack(single), axis=0)


@wrong("18.6")
def against_all(x, event):
    """The event against all classes, itself among them, and no log-probability of the rest."""
    x = np.asarray(x, dtype=float)
    return logsumexp(x, axis=-1) - logsumexp(x[..., ~event], axis=-1)


@wrong("18.6")
def sides_swapped(x, event):
    """The sign."""
    return -two_log_sum_exps(np.asarray(x, dtype=float), event)


@wrong("18.6")
def event_as_numbers(x, event):
    """x times event: the others count as logits of 0."""
    x = np.where(np.isinf(x), -1e300, x)
    return logsumexp(x * event, axis=-1) - logsumexp(x * ~event, axis=-1)


@wrong("18.6")
def indexed_by_integers(x, event):
    """event as integers 0 and 1: classes 0 and 1, over and over."""
    x, e = np.asarray(x, dtype=float), event.astype(int)
    return logsumexp(x[..., e], axis=-1) - logsumexp(x[..., 1 - e], axis=-1)


@wrong("18.6")
def tilde_of_integers(x, event):
    """~ of the event as integers: -1 and -2."""
    x, e = np.asarray(x, dtype=float), event.astype(int)
    return logsumexp(x[..., event], axis=-1) - logsumexp(x[..., ~e], axis=-1)


@wrong("18.6")
def first_axis(x, event):
    """Sums over the rows."""
    x = np.asarray(x, dtype=float)
    return logsumexp(x[..., event], axis=0) - logsumexp(x[..., ~event], axis=0)


@wrong("18.6")
def over_everything(x, event):
    """One number for all rows."""
    x = np.asarray(x, dtype=float)
    return logsumexp(x[..., event]) - logsumexp(x[..., ~event])


@wrong("18.6")
def axis_kept(x, event):
    """keepdims."""
    x = np.asarray(x, dtype=float)
    return logsumexp(x[..., event], axis=-1, keepdims=True) - logsumexp(
        x[..., ~event], axis=-1, keepdims=True
    )


@wrong("18.6")
def first_marked_class(x, event):
    """Only the first class of the event."""
    x = np.asarray(x, dtype=float)
    i = int(event.argmax())
    return x[..., i] - logsumexp(np.delete(x, i, axis=-1), axis=-1)


@wrong("18.6")
def likeliest_marked_class(x, event):
    """The likeliest class of the event against the others."""
    x = np.asarray(x, dtype=float)
    return x[..., event].max(axis=-1) - logsumexp(x[..., ~event], axis=-1)


@wrong("18.6")
def against_the_likeliest_other(x, event):
    """The event against the likeliest other class."""
    x = np.asarray(x, dtype=float)
    return logsumexp(x[..., event], axis=-1) - x[..., ~event].max(axis=-1)


@wrong("18.6")
def filled_with_zero(x, event):
    """The other side's logits are set to 0, not to -inf."""
    x = np.asarray(x, dtype=float)
    return logsumexp(np.where(event, x, 0), axis=-1) - logsumexp(np.where(event, 0, x), axis=-1)


@wrong("18.6")
def filled_with_minus_thousand(x, event):
    """-1000 for -inf: not below every logit."""
    x = np.asarray(x, dtype=float)
    inside, outside = np.where(event, x, -1000.0), np.where(event, -1000.0, x)
    return logsumexp(inside, axis=-1) - logsumexp(outside, axis=-1)


@wrong("18.6")
def finite_logits_only(x, event):
    """-inf is replaced by 0."""
    x = np.asarray(x, dtype=float)
    x = np.where(np.isinf(x), 0.0, x)
    return logsumexp(x[..., event], axis=-1) - logsumexp(x[..., ~event], axis=-1)


@wrong("18.6")
def in_bits(x, event):
    """log2."""
    return two_log_sum_exps(np.asarray(x, dtype=float), event) / np.log(2)
