"""Exercises 18.1 to 18.6: maximum entropy, choice models, a new prior, calibration, events."""

from __future__ import annotations

import functools

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(18)
_INF = np.inf


def _read_only(array):
    array.flags.writeable = False
    return array


def _row(*numbers, dtype=np.float64):
    return np.array(numbers, dtype=dtype)


def _softmax(x, axis=-1, *, shifted=True):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True) if shifted else x)
    return e / np.sum(e, axis=axis, keepdims=True)


# --- 18.1 ----------------------------------------------------------------------------------------

_DIE = _row(1, 2, 3, 4, 5, 6)


def _balanced_exactly(f, mean):
    """Return the p of largest entropy: both sides of the mean balance, in 60 digits."""
    import mpmath

    with mpmath.workdps(60):
        d = [mpmath.mpf(float(v)) - mpmath.mpf(float(mean)) for v in f]
        unit = max(map(abs, d))
        d = [v / unit for v in d]

        def leaning(beta):
            """The log of the quotient of the two sides' moments: it grows with beta."""
            right = mpmath.fsum(v * mpmath.exp(beta * v) for v in d if v > 0)
            left = mpmath.fsum(-v * mpmath.exp(beta * v) for v in d if v < 0)
            return mpmath.log(right / left)

        beta = mpmath.findroot(leaning, 0)
        terms = [mpmath.exp(beta * v) for v in d]
        return np.array([float(t / mpmath.fsum(terms)) for t in terms])


@exercise(
    "18.1",
    minutes=10,
    probes=[
        ordinary(_DIE, 4.5, note="a die with mean 4.5"),
        ordinary(_DIE, 2.5, note="a die with mean 2.5"),
        ordinary(_DIE, 3.5, note="a die with mean 3.5"),
        ordinary(_DIE, 5.99, note="a die with mean 5.99"),
        ordinary(_row(3, 0, 10, 4), 2.0, note="four values in no order"),
        ordinary(_row(-1, 0, 0, 2), 0.7, note="one value stands there twice"),
        ordinary(_row(1, 2), 1.25, note="two values"),
        ordinary(_DIE / 1000, 0.0045, note="values near 0.001"),
        ordinary(np.array([1, 2, 3]), 2.6, note="integers"),
        ordinary(_row(1000, 2000, 5000), 4900.0, note="values in thousands"),
        ordinary(_row(-3, -1, -2.5, 0.5), -2.75, note="values below 0"),
        ordinary(_read_only(_row(2, 5, 7)), 3.0, note="a read-only array"),
        extreme(10_000 + _DIE, 10_004.5, note="a die numbered from 10 001"),
        extreme(-10_000 + _DIE, -9995.5, note="a die numbered from −9999"),
    ],
    truth=_balanced_exactly,
    tolerance=1e-6,
    library=("maxent",),
    remark="The mean decides beta, and beta decides everything else: one number for one number.",
)
def maxent(f, mean):
    """Return the distribution of largest entropy under which f has this mean.

    f : array (n,) of numbers, floats or integers, n at least 2; not all are equal. It is left
        unchanged.
    mean : float, between the smallest and the largest f, and equal to neither.

    Returns p, float64 array (n,): the p_i >= 0 with sum 1 and sum of p_i f_i = mean whose entropy
    is largest, each to within 1e-6. Values f of any size must work. Any root finder may help.
    """
    d = f - mean

    def p(beta):
        x = beta * d
        e = np.exp(x - np.max(x))
        return e / np.sum(e)

    low, high = -1 / np.ptp(d), 1 / np.ptp(d)
    while p(low) @ d > 0:
        low *= 2
    while p(high) @ d < 0:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if p(middle) @ d < 0 else (low, middle)
    return p(middle)


maxent.hints(
    "The answer is a softmax of beta * f. The mean under it grows with beta: search for the beta "
    "that gives the mean you want.",
    "Which way, and how far? beta may be negative, and for f near 0.001 it is in the hundreds. "
    "Start with a small interval around 0, and double it until the mean lies inside.",
    "Then halve the interval, some 60 times: keep the half in which the mean is. Or give both "
    "ends to scipy.optimize.brentq.",
    "For f near 10 000 the exponentials overflow: subtract the mean from f first, and the largest "
    "exponent before exp. Neither changes the softmax.",
)
maxent.reasoning(
    "Lagrange's condition leaves log p_i = beta f_i + a constant, and the constant is fixed by the "
    "sum: softmax. The mean under softmax(beta f) has the derivative Var(f) > 0 with respect to "
    "beta, and runs from the smallest f to the largest: exactly one beta fits. Doubling finds an "
    "interval for f in any unit, halving finds beta."
)


@functools.cache
def _beta_of(distances):
    d, low, high = np.array(distances), -1e7, 1e7
    for _ in range(90):
        middle = (low + high) / 2
        low, high = (middle, high) if _softmax(middle * d) @ d < 0 else (low, middle)
    return middle


def _beta(f, mean):
    """Return the beta whose softmax has the mean. Many mistakes ask for it: it is kept."""
    return _beta_of(tuple((np.asarray(f, dtype=float) - mean).tolist()))


@maxent.mistake(
    "The sign of beta is wrong: this distribution leans to the other side. Which mean does it have?"
)
def sign_of_beta(f, mean):
    return _softmax(-_beta(f, mean) * f)


@maxent.mistake(
    "The weights grow in a straight line with f, and near the ends they are negative or 0. That "
    "is not the largest entropy: Lagrange gives exp(beta * f), which is above 0 everywhere.",
    negative=("kept", "cut", "left out"),
)
def straight_line(f, mean, *, negative):
    kept = np.ones(len(f), dtype=bool)
    while True:
        c = np.where(kept, f - np.mean(f[kept]), 0)
        p = np.where(kept, 1 / kept.sum() + (mean - np.mean(f[kept])) / np.sum(c**2) * c, 0)
        if negative != "left out" or np.all(p >= 0):
            break
        kept &= p > 0
    p = np.maximum(p, 0) if negative == "cut" else p
    return p / np.sum(p)


@maxent.mistake(
    "All weight lies on the smallest and the largest f. The mean is right, and the entropy is "
    "nearly the smallest: every value that is left out is a claim that it never happens."
)
def two_extremes(f, mean):
    p = np.zeros(len(f))
    share = (mean - np.min(f)) / np.ptp(f)
    p[np.argmin(f)], p[np.argmax(f)] = 1 - share, share
    return p


@maxent.mistake(
    "All weight lies on the two values next to the mean, or on the nearest. You do not know that "
    "the others never happen: the entropy is far from the largest.",
    count=(1, 2),
)
def two_neighbours(f, mean, *, count):
    p = np.zeros(len(f))
    if count == 1:
        p[np.argmin(np.abs(f - mean))] = 1
        return p
    order = np.argsort(f, kind="stable")
    above = int(np.searchsorted(f[order], mean, side="right"))
    i, j = order[above - 1], order[above]
    share = (mean - f[i]) / (f[j] - f[i])
    p[i], p[j] = 1 - share, share
    return p


@maxent.mistake(
    "The mean itself was taken for beta. Beta is the number for which the softmax *has* this mean: "
    "search for it."
)
def mean_for_beta(f, mean):
    return _softmax(mean * f)


@maxent.mistake(
    "This is softmax(f), whatever the mean. Search for the beta whose softmax(beta * f) has the "
    "mean you are given.",
    beta=(1.0, -1.0),
)
def no_beta(f, mean, *, beta):
    return _softmax(beta * f)


@maxent.mistake(
    "The weights make a bell around the mean. Nothing was said about the spread, and a bell on "
    "these values need not have this mean. Lagrange gives exp(beta * f).",
    shape=(
        lambda d: -(d**2),
        lambda d: -(d**2) / 2,
        lambda d: -np.abs(d),
        lambda d: -(d**2) / (2 * np.mean(d**2)),
    ),
)
def bell(f, mean, *, shape):
    return _softmax(shape(np.asarray(f, dtype=float) - mean))


@maxent.mistake(
    "The mean plays no part: these weights are all equal. That is the largest entropy of all, but "
    "f has another mean under it."
)
def uniform(f, mean):
    return np.full(len(f), 1 / len(f))


@maxent.mistake(
    "Beta came back. Return the distribution alone, softmax(beta * f).",
    given=("beta", "beta and p", "p and beta"),
)
def returns_beta(f, mean, *, given):
    beta = _beta(f, mean)
    p = _softmax(beta * f)
    return {"beta": beta, "beta and p": (beta, p), "p and beta": (p, beta)}[given]


_NARROW = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0, 300.0)


@maxent.mistake(
    "The interval for beta is fixed, and for values near 0.001 beta lies outside. Let the interval "
    "grow until it contains the mean, or measure f in units of its range.",
    most=_NARROW,
    raised=(False, True),
)
def fixed_interval(f, mean, *, most, raised):
    beta = _beta(f, mean)
    if raised and abs(beta) > most:
        raise ValueError("f(a) and f(b) must have different signs")
    return _softmax(np.clip(beta, -most, most) * f)


@maxent.mistake(
    "Only betas of one sign were searched. A mean below the plain average needs a negative beta, "
    "one above it a positive one.",
    sign=(1, -1),
    raised=(False, True),
)
def one_sign_only(f, mean, *, sign, raised):
    beta = _beta(f, mean)
    if raised and sign * beta < -1e-9:
        raise ValueError("f(a) and f(b) must have different signs")
    return _softmax(sign * max(sign * beta, 0) * f)


@maxent.mistake(
    "The exponentials are of unshifted numbers: for f near 10 000 they overflow, or all vanish. "
    "Subtract the largest exponent before exp.",
    error=(None, ValueError, RuntimeError),
    beyond=(9000, 900),
    interval=(np.inf, 20.0),
)
def unshifted(f, mean, *, error, beyond, interval):
    beta = _beta(f, mean)
    if error is not None and (abs(np.mean(f)) > beyond or abs(beta) > interval):
        raise error("The function value at x=-1.0 is NaN; solver cannot continue.")
    return _softmax(beta * f, shifted=False)


@maxent.mistake(
    "The weights are a power of f, or its multiples. The Lagrange condition is linear in the "
    "logarithm of p: log p = beta * f + constant, an exponential of f.",
    fitted=(False, True),
)
def power_of_f(f, mean, *, fitted):
    if not fitted:
        return f / np.sum(f)
    x = np.log(f)
    low, high = -1e5, 1e5
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _softmax(middle * x) @ f < mean else (low, middle)
    return _softmax(middle * x)


@maxent.mistake(
    "The weights are not divided by their sum, or their logarithms came back. Return "
    "probabilities: softmax(beta * f).",
    what=("largest weight 1", "from the mean", "from the largest f", "from 0", "logarithms"),
)
def no_probabilities(f, mean, *, what):
    beta = _beta(f, mean)
    if what == "logarithms":
        return np.log(_softmax(beta * f))
    if what == "largest weight 1":
        return np.exp(beta * f - np.max(beta * f))
    origin = {"from the mean": mean, "from the largest f": np.max(f), "from 0": 0}[what]
    return np.exp(beta * (f - origin))


@maxent.mistake(
    "The equal weights were mixed with one extreme value until the mean was right. The entropy is "
    "not the largest: Lagrange gives exp(beta * f)."
)
def mixed_with_an_extreme(f, mean):
    plain = np.mean(f)
    end = np.argmax(f) if mean > plain else np.argmin(f)
    share = (mean - plain) / (f[end] - plain) if mean != plain else 0.0
    return (1 - share) / len(f) + share * (np.arange(len(f)) == end)


@maxent.mistake(
    "f was divided by the mean, as in an exponential law on all numbers from 0 on. Here the values "
    "are given, and the divisor is unknown: search for the beta that gives the mean.",
    sign=(-1, 1),
)
def mean_for_temperature(f, mean, *, sign):
    return _softmax(sign * f / mean)


def _root(excess, low, high):
    """Return the number between two at which a growing function is 0, as nearly as it can be."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return middle


@maxent.mistake(
    "The weights make a bell whose centre was moved until the mean was right. Nothing was said "
    "about the spread: Lagrange gives exp(beta * f), without a square.",
    width=("1", "half", "of f", "sample"),
)
def bell_moved(f, mean, *, width):
    d = (f - mean) / np.ptp(f)
    spread = {"1": 1.0, "half": 0.5, "of f": np.var(f), "sample": np.var(f, ddof=1)}[width]
    spread = spread / np.ptp(f) ** 2
    centre = _root(lambda c: _softmax(-((d - c) ** 2) / (2 * spread)) @ d, -50.0, 50.0)
    return _softmax(-((d - centre) ** 2) / (2 * spread))


@maxent.mistake(
    "This is a binomial law over the places: it has a spread of its own. Lagrange gives "
    "exp(beta * f), for the values as they stand."
)
def binomial(f, mean):
    from math import comb

    n, share = len(f) - 1, (mean - np.min(f)) / np.ptp(f)
    return np.array([comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)])


@maxent.mistake(
    "The exponent holds the places 0, 1, 2 … and not the values. It is beta * f: values that are "
    "far apart, or in no order, need it."
)
def places_for_values(f, mean):
    places = np.arange(len(f))
    unit = (f - mean) / np.ptp(f)
    return _softmax(_root(lambda beta: _softmax(beta * places) @ unit, -60.0, 60.0) * places)


@maxent.mistake(
    "The sum of log p was maximised: then p is 1 / (a + b f). Entropy is the sum of -p log p, and "
    "gives exp(beta * f)."
)
def sum_of_logs(f, mean):
    d = (f - mean) / np.ptp(f)
    b = _root(lambda b: -np.sum(d / (1 + b * d)), -1 / np.max(d) + 1e-13, -1 / np.min(d) - 1e-13)
    return 1 / (1 + b * d) / np.sum(1 / (1 + b * d))


@maxent.mistake(
    "The search was stopped too early: the mean is not right yet. Go on until it no longer "
    "changes.",
    steps=(
        ("Newton", 1),
        ("Newton", 2),
        ("Newton", 3),
        ("Newton", 5),
        (0.1, 100),
        (0.01, 100),
        (0.001, 100),
        (0.01, 1000),
    ),
)
def stopped_early(f, mean, *, steps):
    size, count = steps
    d, beta = f - mean, 0.0
    for _ in range(count):
        p = _softmax(beta * d)
        m = p @ d
        if not np.isfinite(m) or abs(m) < 1e-9 * np.ptp(d):
            break
        beta -= m / (p @ (d - m) ** 2) if size == "Newton" else size * m
    return _softmax(beta * d)


@maxent.mistake(
    "The probabilities stand in the order of the sorted values. Each p_i belongs to f_i: leave "
    "the values where they are.",
    ascending=(True, False),
)
def order_of_sorted_values(f, mean, *, ascending):
    p = _softmax(_beta(f, mean) * np.sort(f))
    return p if ascending else p[::-1]


@maxent.mistake(
    "The probabilities were written into an array of f's dtype: for integers all of them are 0. "
    "Make it with np.zeros(len(f))."
)
def integer_probabilities(f, mean):
    return _softmax(_beta(f, mean) * f).astype(f.dtype)


# --- 18.2 ----------------------------------------------------------------------------------------


def _hessian(F, beta):
    """Differentiate Σ LSE(F_n β) twice, by PyTorch's autograd."""
    import torch

    features, b = torch.tensor(F).double(), torch.tensor(beta).double()
    return torch.autograd.functional.hessian(
        lambda b: torch.logsumexp(features @ b, dim=1).sum(), b
    ).numpy()


_OFFSETS = np.zeros((3, 3, 2))
_OFFSETS[:, :, 0] = np.array([2000.0, -2000.0, 2000.0])[:, None]
_FEATURES = _rng.normal(size=(3, 3, 2))
_TIED = 500 * np.array(
    [[[1.0, 0.5], [0.5, 1.0], [0.25, 0.0]], [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]]
)


@exercise(
    "18.2",
    minutes=8,
    probes=[
        ordinary(_row(0, 1, 0, 1).reshape(2, 2, 1), _row(0), note="two choices of two"),
        ordinary(_rng.normal(size=(4, 3, 2)), _row(0.5, -1), note="4 choices of 3, 2 features"),
        ordinary(_rng.normal(size=(3, 3, 3)), _row(0.5, -1, 1.5), note="all lengths are 3"),
        ordinary(_rng.normal(size=(1, 4, 2)), _row(1, 0.25), note="a single choice"),
        ordinary(_rng.normal(size=(2, 5, 3)), np.zeros(3), note="beta is 0"),
        ordinary(np.arange(12).reshape(3, 2, 2) % 5, _row(0.3, -0.2), note="integer features"),
        ordinary(_read_only(_rng.normal(size=(2, 3, 2))), _row(1, 1), note="read-only features"),
        extreme(
            _FEATURES + _OFFSETS,
            _row(0.75, -0.5),
            note="one feature lies near 2000 or −2000",
            tolerance=1e-6,
        ),
        extreme(_TIED, _row(1, 1), note="features of 500, two utilities equal", tolerance=1e-8),
        extreme(500 * _rng.normal(size=(3, 3, 2)), _row(1, -1), note="features of 500"),
    ],
    truth=_hessian,
    tolerance=1e-9,
    library=("hessian", "choice_information"),
    remark="For F the identity it is the sum of softmax's Jacobians: F merely says how β moves u.",
)
def choice_information(F, beta):
    """Return the information of a choice model about beta: a covariance, summed over the choices.

    F : array (N, J, K), floats or integers: the K features of J alternatives in N choices.
    beta : float array (K,). Choice n has the utilities u = F[n] @ beta and the probabilities
        p = softmax(u) of its J alternatives. Both arguments are left unchanged.

    Returns a float array (K, K): the covariance of the features F[n] when the alternatives are
    drawn with probabilities p, summed over n. Utilities of any size must work. No ready-made
    Hessian.
    """
    u = F @ beta
    e = np.exp(u - np.max(u, axis=1, keepdims=True))
    p = (e / np.sum(e, axis=1, keepdims=True))[:, :, None]
    centred = F - np.sum(p * F, axis=1, keepdims=True)
    return np.einsum("njk,njl->kl", p * centred, centred)


choice_information.hints(
    "Three steps: p of shape (N, J), the mean feature of each choice, shape (N, 1, K), and the "
    "sum of p times the products of what is left.",
    "The mean is weighted by p: np.sum(p[:, :, None] * F, axis=1, keepdims=True). Each choice has "
    "its own.",
    "np.einsum('njk,njl->kl', p[:, :, None] * centred, centred) sums over choices and "
    "alternatives. It is a sum over the choices, not a mean.",
    "p comes from a softmax over the alternatives, axis=1, with each row's maximum subtracted.",
)
choice_information.reasoning(
    "The gradient of log p_y with respect to beta is F_y − Σ p F; differentiated once more, minus "
    "Fᵀ J F, where J = diag(p) − p pᵀ is softmax's Jacobian. Fᵀ J F is Σ_j p_j (F_j − m)(F_j − m)ᵀ "
    "with m = Σ p F: a covariance. Centring first loses no digits where a feature lies near "
    "2000; the form E[FFᵀ] − m mᵀ would."
)


def _information(F, beta, *, p=None, centre=None, weights=None):
    """The information with one thing done otherwise."""
    p = _softmax(F @ beta, axis=1) if p is None else p
    m = np.sum(p[:, :, None] * F, axis=1, keepdims=True) if centre is None else centre
    centred = F - m
    w = p if weights is None else weights
    return np.einsum("njk,njl->kl", w[:, :, None] * centred, centred)


@choice_information.mistake(
    "This is the mean over the choices, or over all alternatives. Information adds up: sum over n.",
    over=("choices", "alternatives", "both"),
)
def mean_over_the_choices(F, beta, *, over):
    N, J, _ = F.shape
    return _information(F, beta) / {"choices": N, "alternatives": J, "both": N * J}[over]


@choice_information.mistake(
    "The features are not centred. A covariance subtracts each choice's mean feature, weighted by "
    "p, before it multiplies."
)
def not_centred(F, beta):
    return _information(F, beta, centre=0)


@choice_information.mistake(
    "The features were centred at their plain mean. Weigh the alternatives by p."
)
def centred_at_the_plain_mean(F, beta):
    return _information(F, beta, centre=np.mean(F, axis=1, keepdims=True))


@choice_information.mistake(
    "The probabilities play no part in it. Weigh each alternative by p, in the mean and in the sum "
    "of squares.",
    weight=("one", "equal", "unbiased", "mean only"),
)
def ignores_p(F, beta, *, weight):
    N, J, _ = F.shape
    ones = np.ones((N, J))
    if weight == "mean only":
        return _information(F, beta, weights=ones)
    plain = np.mean(F, axis=1, keepdims=True)
    share = {"one": 1.0, "equal": 1 / J, "unbiased": 1 / (J - 1)}[weight]
    return _information(F, beta, centre=plain, weights=share * ones)


@choice_information.mistake(
    "p (1 - p) is only the diagonal of softmax's Jacobian. The alternatives of one choice hang "
    "together: centre the features at their mean under p, and weigh by p.",
    centred=(False, True),
)
def diagonal_of_the_jacobian(F, beta, *, centred):
    p = _softmax(F @ beta, axis=1)
    return _information(F, beta, centre=None if centred else 0, weights=p * (1 - p))


@choice_information.mistake(
    "The softmax runs over the choices, or over everything at once. Each choice has its own "
    "probabilities: they sum to 1 over its alternatives, axis=1.",
    axis=(0, None),
    one_mean=(False, True),
)
def softmax_over_another_axis(F, beta, *, axis, one_mean):
    p = _softmax(F @ beta, axis=axis)
    centre = np.sum(p[:, :, None] * F, axis=(0, 1)) / np.sum(p) if one_mean else None
    return _information(F, beta, p=p, centre=centre)


@choice_information.mistake(
    "One mean was taken for all choices. Each choice has a mean feature of its own: keep the axis "
    "n.",
    plain=(False, True),
)
def pooled_mean(F, beta, *, plain):
    p = _softmax(F @ beta, axis=1)
    weighted = np.sum(p[:, :, None] * F, axis=(0, 1)) / len(F)
    return _information(F, beta, centre=np.mean(F, axis=(0, 1)) if plain else weighted)


@choice_information.mistake(
    "This is the inverse. It holds the variances of the estimate; the information itself was asked."
)
def inverse(F, beta):
    return np.linalg.inv(_information(F, beta))


@choice_information.mistake(
    "The sign is wrong. The information is *minus* the second derivative of the log-likelihood: a "
    "covariance, with positive variances."
)
def sign_of_information(F, beta):
    return -_information(F, beta)


@choice_information.mistake(
    "The exponentials are of unshifted utilities: they overflow, or all vanish. Subtract each "
    "choice's largest utility."
)
def unshifted_utilities(F, beta):
    return _information(F, beta, p=_softmax(F @ beta, axis=1, shifted=False))


@choice_information.mistake(
    "The covariance is that of a sample: it was divided by 1 - Σp², or by J - 1. With the "
    "probabilities known nothing is divided; np.cov has ddof=0 for that.",
    how=("aweights", "J"),
)
def sample_covariance(F, beta, *, how):
    p = _softmax(F @ beta, axis=1)
    factor = F.shape[1] / (F.shape[1] - 1) if how == "J" else 1 / (1 - np.sum(p**2, axis=1))
    return _information(F, beta, weights=p * np.reshape(factor, (-1, 1)))


@choice_information.mistake(
    "One matrix for each choice came back. Sum them over n: a (K, K) array.",
)
def one_for_each_choice(F, beta):
    p = _softmax(F @ beta, axis=1)
    c = F - np.sum(p[:, :, None] * F, axis=1, keepdims=True)
    return np.einsum("nj,njk,njl->nkl", p, c, c)


@choice_information.mistake(
    "Only the variances were computed. The features vary together: return the whole (K, K) matrix.",
    as_matrix=(True, False),
)
def variances_only(F, beta, *, as_matrix):
    variances = np.diag(_information(F, beta))
    return np.diag(variances) if as_matrix else variances


@choice_information.mistake(
    "The choices were drawn together: a covariance of the mean features between choices is "
    "something else. Take the covariance within each choice, then sum.",
    centred=(True, False),
)
def between_choices(F, beta, *, centred):
    m = np.sum(_softmax(F @ beta, axis=1)[:, :, None] * F, axis=1)
    m = m - m.mean(axis=0) if centred else m
    return m.T @ m


@choice_information.mistake(
    "Each alternative is weighted twice. The weight is p, once: in a product of two arrays only "
    "one of them carries it.",
)
def weighted_twice(F, beta):
    return _information(F, beta, weights=_softmax(F @ beta, axis=1) ** 2)


@choice_information.mistake(
    "Each pair of alternatives was counted twice. A variance is *half* the mean squared difference "
    "of two draws."
)
def pairs_counted_twice(F, beta):
    return 2 * _information(F, beta)


@choice_information.mistake(
    "These are correlations: covariances divided by the standard deviations. Leave the division "
    "out."
)
def correlations(F, beta):
    H = _information(F, beta)
    s = np.sqrt(np.diag(H))
    return H / np.outer(s, s)


@choice_information.mistake(
    "Only one choice was counted. Add up all N: H += in the loop, and return after it.",
    which=(0, -1),
)
def one_choice_only(F, beta, *, which):
    return _information(F[[which]], beta)


@choice_information.mistake(
    "This is the sum of softmax's Jacobians, J by J: it says how p moves with the utilities. "
    "Features are missing on both sides: F.T @ J @ F."
)
def jacobians_alone(F, beta):
    p = _softmax(F @ beta, axis=1)
    return np.diag(np.sum(p, axis=0)) - p.T @ p


@choice_information.mistake(
    "The features were centred at those of one alternative, the first or the likeliest. A "
    "covariance is taken about the mean under p.",
    at=("first", "last", "likeliest"),
)
def centred_at_one_alternative(F, beta, *, at):
    N, J, _ = F.shape
    likeliest = np.argmax(F @ beta, axis=1)
    places = {"first": np.zeros(N, int), "last": np.full(N, J - 1), "likeliest": likeliest}[at]
    return _information(F, beta, centre=F[np.arange(N), places][:, None])


@choice_information.mistake(
    "beta plays no part in it. The utilities are F @ beta, and p is their softmax."
)
def beta_not_used(F, beta):
    return _information(F, np.ones(len(beta)))


@choice_information.mistake(
    "One maximum was subtracted from the utilities of all choices, and those far below it have "
    "only zeros. Subtract each choice's own: axis=1, keepdims=True."
)
def one_maximum_for_all(F, beta):
    u = F @ beta
    return _information(F, beta, p=_softmax(u - np.max(u), axis=1, shifted=False))


@choice_information.mistake(
    "The utilities were clipped before exp: two that lie beyond the limit count as equal. Subtract "
    "each choice's largest utility, and clip nothing.",
    limit=(20, 30, 50, 100, 500, 600, 700, 709),
)
def clipped_utilities(F, beta, *, limit):
    u = np.clip(F @ beta, -limit, limit)
    return _information(F, beta, p=_softmax(u, axis=1))


@choice_information.mistake(
    "exp overflowed, and the NaN was replaced by 0. The choice is lost: subtract its largest "
    "utility before exp."
)
def nan_replaced(F, beta):
    return _information(F, beta, p=np.nan_to_num(_softmax(F @ beta, axis=1, shifted=False)))


@choice_information.mistake(
    "A small number was added to the diagonal. Leave it out: where the inverse is taken is the "
    "place for it, if anywhere.",
    ridge=(1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8),
)
def ridge_on_the_diagonal(F, beta, *, ridge):
    return _information(F, beta) + ridge * np.eye(len(beta))


# --- 18.3 ----------------------------------------------------------------------------------------


def _fitted_by_autograd(F, y):
    """Maximise the likelihood by a trust region, with PyTorch's derivatives."""
    import torch
    from scipy.optimize import minimize

    features, labels = torch.tensor(F).double(), torch.tensor(y).long()

    def loss(b):
        return torch.nn.functional.cross_entropy(features @ b, labels, reduction="sum")

    def derivative(order):
        take = (torch.autograd.functional.jacobian, torch.autograd.functional.hessian)[order]
        return lambda b: take(loss, torch.tensor(b)).numpy()

    found = minimize(
        lambda b: loss(torch.tensor(b)).item(),
        np.zeros(F.shape[2]),
        jac=derivative(0),
        hess=derivative(1),
        method="trust-exact",
        options={"gtol": 1e-9},
    )
    covariance = np.linalg.inv(derivative(1)(found.x))
    return found.x, np.sqrt(np.diag(covariance)), -found.fun


def _chosen(F, beta):
    """Return what choosers with Gumbel noise take."""
    return np.argmax(F @ np.array(beta) + _rng.gumbel(size=F.shape[:2]), axis=1)


def _survey(N, J, beta, scale=1.0, offset=0.0):
    F = _rng.normal(size=(N, J, len(beta)))
    y = _chosen(F, beta)
    rows = offset * np.where(np.arange(N) % 2, 1.0, -1.0)[:, None, None]
    return F * np.asarray(scale) + rows, y


_WHOLE = _rng.integers(-2, 3, size=(40, 3, 2))


@exercise(
    "18.3",
    minutes=12,
    probes=[
        ordinary(*_survey(60, 3, (1, -0.5)), note="60 choices of 3, 2 features"),
        ordinary(*_survey(80, 4, (0.5, 1, -1)), note="80 choices of 4, 3 features"),
        ordinary(*_survey(50, 2, (1,)), note="50 choices of 2, 1 feature"),
        ordinary(_WHOLE, _chosen(_WHOLE, (0.6, -0.4)), note="integer features"),
        ordinary(
            *_survey(60, 3, (1, -1), (100, 0.01)),
            note="features near 100 and near 0.01",
            relative_tolerance=1e-4,
        ),
        ordinary(*map(_read_only, _survey(30, 3, (0.5, 0.5))), note="read-only arrays"),
        extreme(*_survey(60, 3, (1, 0.7), 1, 3000), note="features near 3000 or −3000, by row"),
    ],
    truth=_fitted_by_autograd,
    tolerance=1e-5,
    library=("ConditionalLogit", "MNLogit", "LogisticRegression", "conditional_logit"),
    remark="The errors cost nothing: Newton's last matrix, inverted, has them on its diagonal.",
)
def conditional_logit(F, y):
    """Fit a choice model by maximum likelihood, with standard errors.

    F : array (N, J, K), floats or integers: the K features of J alternatives in N choices.
    y : integer array (N,), the alternative chosen, 0 to J - 1. Both are left unchanged. The
        maximum exists, and the information there is invertible.

    Returns (beta, se, loglik): the beta, shape (K,), that maximises loglik, the sum over n of
    log softmax(F[n] @ beta)[y[n]], a float; and se, shape (K,), the square roots of the diagonal
    of the inverse information at beta. All to five digits. Features of any size must work. Your
    choice_information may help; a ready-made fit does not count.
    """
    rows, beta = np.arange(len(y)), np.zeros(F.shape[2])
    for _ in range(20):
        u = F @ beta
        u = u - np.max(u, axis=1, keepdims=True)
        log_p = u - np.log(np.sum(np.exp(u), axis=1, keepdims=True))
        p = np.exp(log_p)[:, :, None]
        centred = F - np.sum(p * F, axis=1, keepdims=True)
        H = np.einsum("njk,njl->kl", p * centred, centred)
        beta = beta + np.linalg.solve(H, np.sum(centred[rows, y], axis=0))
    return beta, np.sqrt(np.diag(np.linalg.inv(H))), np.sum(log_p[rows, y])


conditional_logit.hints(
    "Newton: beta + H⁻¹ g, from beta = 0, where H is 18.2's matrix and g = Σ (F_y − E_p F) the "
    "gradient of the log-likelihood.",
    "F[np.arange(N), y] are the features of what was chosen, shape (N, K). np.linalg.solve(H, g) "
    "is the step; twenty are more than enough.",
    "The standard errors are np.sqrt(np.diag(np.linalg.inv(H))), with the H of the last step: "
    "invert the matrix first, then take its diagonal.",
    "The log-likelihood is a sum of log-softmaxes, so it is below 0. For features near 3000, shift "
    "the utilities of each choice by their maximum.",
)
conditional_logit.reasoning(
    "The log-likelihood is concave in beta, with gradient g and second derivative −H, so Newton's "
    "step is beta + H⁻¹ g. Near the maximum the error is squared at each step. At the maximum "
    "H⁻¹ is the covariance of the estimate (for many choices, and if the model is right): its "
    "diagonal holds the variances. 1/√H_kk would be the error with all other coefficients known."
)


def _fit(F, y, *, steps=25, ridge=0.0, shifted=True, uncentred=False, rate=None):
    """Return beta, log p, the centred features and p after some Newton or gradient steps."""
    rows, beta = np.arange(len(y)), np.zeros(F.shape[2])
    for step in range(steps + 1):
        u = F @ beta
        top = np.max(u, axis=1, keepdims=True) if shifted else 0
        log_p = u - top - np.log(np.sum(np.exp(u - top), axis=1, keepdims=True))
        p = np.exp(log_p)
        c = F - np.sum(p[:, :, None] * F, axis=1, keepdims=True)
        g = np.sum(c[rows, y], axis=0) - ridge * beta
        if step == steps:
            break
        if rate is not None:
            beta = beta + rate * g / len(y)
            continue
        d = F if uncentred else c
        H = np.einsum("njk,njl->kl", p[:, :, None] * d, d) + ridge * np.eye(len(beta))
        try:
            move = np.linalg.solve(H, g)
        except np.linalg.LinAlgError:
            move = np.full(len(beta), np.nan)
        beta = beta + move
        if not np.isfinite(beta).all() or np.max(np.abs(move)) < 1e-9 * np.max(np.abs(beta)):
            steps = step + 1
    return beta, log_p, c, p


def _with_errors(F, y, *, covariance=None, total=np.sum, **options):
    """Return a fit with its covariance made otherwise."""
    beta, log_p, c, p = _fit(F, y, **options)
    H = np.einsum("njk,njl->kl", p[:, :, None] * c, c)
    scores = c[np.arange(len(y)), y]
    C = np.linalg.inv(H) if covariance is None else covariance(H, scores, F, p)
    return beta, np.sqrt(np.diag(C)), total(log_p[np.arange(len(y)), y])


@conditional_logit.mistake(
    "One Newton step is not enough. Repeat it until nothing changes: five or six times.",
    steps=(1, 2, 3),
)
def too_few_newton_steps(F, y, *, steps):
    return _with_errors(F, y, steps=steps)


@conditional_logit.mistake(
    "The errors are of the right beta, but their information is not: it was taken at the start, "
    "beta = 0. Take it where the search ends."
)
def information_at_the_start(F, y):
    beta, _, loglik = _with_errors(F, y)
    p = np.full(F.shape[:2], 1 / F.shape[1])
    H = _information(F, np.zeros(F.shape[2]), p=p)
    return beta, np.sqrt(np.diag(np.linalg.inv(H))), loglik


@conditional_logit.mistake(
    "The information was that of one choice, a mean: the standard errors are too large by √N. Sum "
    "over the choices."
)
def information_of_the_mean(F, y):
    return _with_errors(F, y, covariance=lambda H, s, F, p: np.linalg.inv(H / len(F)))


@conditional_logit.mistake(
    "These are 1/√H_kk: the errors as if all other coefficients were known. Invert the whole "
    "matrix, then take the diagonal."
)
def inverted_the_diagonal(F, y):
    return _with_errors(F, y, covariance=lambda H, s, F, p: np.diag(1 / np.diag(H)))


@conditional_logit.mistake(
    "These are not standard errors but their squares, or the square roots of the information. The "
    "error is the root of the diagonal of the *inverse*.",
    what=("variances", "covariance", "information"),
)
def variances(F, y, *, what):
    beta, se, loglik = _with_errors(F, y)
    _, _, c, p = _fit(F, y)
    H = np.einsum("njk,njl->kl", p[:, :, None] * c, c)
    given = {"variances": se**2, "covariance": np.linalg.inv(H), "information": np.diag(H) ** 0.5}
    return beta, given[what], loglik


@conditional_logit.mistake(
    "The log-likelihood is a mean. It is the sum over the choices: differences of such sums are "
    "what tests look at."
)
def mean_log_likelihood(F, y):
    return _with_errors(F, y, total=np.mean)


@conditional_logit.mistake(
    "The third result is the loss, or a likelihood without the logarithm. Return the sum of log p, "
    "which is below 0.",
    what=(lambda v: -np.sum(v), lambda v: -np.mean(v), lambda v: np.exp(np.sum(v))),
)
def loss_for_log_likelihood(F, y, *, what):
    return _with_errors(F, y, total=what)


@conditional_logit.mistake(
    "The sign of beta is wrong. The larger utility is to be the likelier choice.",
    refitted=(False, True),
)
def sign_of_coefficients(F, y, *, refitted):
    beta, se, loglik = _with_errors(F, y)
    if refitted:
        loglik = np.sum(np.log(_softmax(-F @ beta, axis=1)[np.arange(len(y)), y]))
    return -beta, se, loglik


@conditional_logit.mistake(
    "A ridge was left in: the coefficients are pulled towards 0. Maximise the likelihood alone.",
    ridge=(1.0, 0.5, 0.1, 0.01),
    in_errors=(True, False),
)
def a_ridge_is_left(F, y, *, ridge, in_errors):
    K = F.shape[2]
    extra = ridge * np.eye(K) if in_errors else 0
    return _with_errors(F, y, ridge=ridge, covariance=lambda H, s, F, p: np.linalg.inv(H + extra))


@conditional_logit.mistake(
    "These are robust, or sandwich, errors: right for another question, a model that may be wrong. "
    "Asked was the inverse information alone."
)
def sandwich_errors(F, y):
    def sandwich(H, scores, F, p):
        bread = np.linalg.inv(H)
        return bread @ (scores.T @ scores) @ bread

    return _with_errors(F, y, covariance=sandwich)


@conditional_logit.mistake(
    "The information was made of the scores' products. It equals H only on average: take 18.2's "
    "matrix."
)
def outer_product_of_scores(F, y):
    return _with_errors(F, y, covariance=lambda H, s, F, p: np.linalg.inv(s.T @ s))


@conditional_logit.mistake(
    "The information is not centred, Σ p F Fᵀ. Subtract each choice's mean feature."
)
def uncentred_errors(F, y):
    def uncentred(H, scores, F, p):
        return np.linalg.inv(np.einsum("nj,njk,njl->kl", p, F, F))

    return _with_errors(F, y, covariance=uncentred)


@conditional_logit.mistake(
    "The search was stopped too early: with gradient steps the coefficients are not there yet. "
    "Take Newton's steps.",
    rate=(1.0, 0.5, 0.1, 0.01),
    of=("mean", "sum"),
)
def gradient_steps(F, y, *, rate, of):
    return _with_errors(F, y, rate=rate if of == "mean" else rate * len(y), steps=100)


@conditional_logit.mistake(
    "The exponentials are of unshifted utilities: for features near 3000 they overflow, or all "
    "vanish. Subtract each choice's largest utility.",
    raised=(False, True),
)
def unshifted_fit(F, y, *, raised):
    beta, se, loglik = _with_errors(F, y, shifted=False, covariance=_inverse_or_nan)
    if raised and not np.isfinite(loglik):
        raise np.linalg.LinAlgError("Singular matrix")
    return beta, se, loglik


def _inverse_or_nan(H, scores, F, p):
    return np.linalg.inv(H) if np.isfinite(H).all() else np.full_like(H, np.nan)


@conditional_logit.mistake(
    "The three results came in another order, or not all of them. Return (beta, se, loglik).",
    order=((0,), (0, 1), (0, 2, 1), (1, 0, 2), (2, 0, 1)),
)
def another_order_of_results(F, y, *, order):
    results = _with_errors(F, y)
    return results[0] if order == (0,) else tuple(results[i] for i in order)


@conditional_logit.mistake(
    "The errors were enlarged by a factor for degrees of freedom, √(N / (N - K)). That belongs to "
    "an estimated variance of residuals; a choice model has none."
)
def degrees_of_freedom(F, y):
    N, _, K = F.shape
    return _with_errors(F, y, covariance=lambda H, s, F, p: np.linalg.inv(H) * N / (N - K))


@conditional_logit.mistake(
    "The errors were divided by √N once more. The information is a sum over the choices, and its "
    "inverse shrinks with N already."
)
def divided_by_root_n(F, y):
    return _with_errors(F, y, covariance=lambda H, s, F, p: np.linalg.inv(H) / len(F))


@conditional_logit.mistake(
    "The information is that of two classes, with the weights p (1 - p). The alternatives of one "
    "choice hang together: weigh by p, and centre at the mean under p.",
    centre=("none", "plain", "weighted"),
)
def two_class_information(F, y, *, centre):
    def covariance(H, scores, F, p):
        means = {
            "none": 0,
            "plain": np.mean(F, axis=1, keepdims=True),
            "weighted": np.sum(p[:, :, None] * F, axis=1, keepdims=True),
        }
        d = F - means[centre]
        return np.linalg.inv(np.einsum("nj,njk,njl->kl", p * (1 - p), d, d))

    return _with_errors(F, y, covariance=covariance)


@conditional_logit.mistake(
    "The second result holds t values, or half an interval. Asked are the standard errors "
    "themselves.",
    what=("t", 1.96, 2.0),
)
def another_statistic(F, y, *, what):
    beta, se, loglik = _with_errors(F, y)
    return beta, beta / se if what == "t" else what * se, loglik


@conditional_logit.mistake(
    "The third result is a deviance, or the gain over beta = 0. Return the log-likelihood, the sum "
    "of log p of what was chosen.",
    what=("-2 log L", "2 log L", "gain", "ratio", "share"),
)
def deviance_or_gain(F, y, *, what):
    beta, se, loglik = _with_errors(F, y)
    start = -len(y) * np.log(F.shape[1])
    values = {
        "-2 log L": -2 * loglik,
        "2 log L": 2 * loglik,
        "gain": loglik - start,
        "ratio": 2 * (loglik - start),
        "share": 1 - loglik / start,
    }
    return beta, se, values[what]


@conditional_logit.mistake("These are odds ratios, exp(beta). Return the coefficients themselves.")
def odds_ratios(F, y):
    beta, se, loglik = _with_errors(F, y)
    return np.exp(beta), se, loglik


@conditional_logit.mistake(
    "The alternatives were counted from 1: y - 1 is another choice. y is 0 to J - 1."
)
def counted_from_1(F, y):
    return _with_errors(F, y - 1)


@conditional_logit.mistake(
    "The coefficients are those of standardised features. Divide beta and se by the scale, so that "
    "they belong to F as it was given.",
    centred=("per choice", "not"),
)
def of_standardised_features(F, y, *, centred):
    X = F - np.mean(F, axis=1, keepdims=True) if centred == "per choice" else F
    return _with_errors(X / np.std(X, axis=(0, 1)), y)


@conditional_logit.mistake(
    "Each alternative was fitted on its own, taken or not, as N J rows of a two-class model. One "
    "of J is taken: the J utilities of a choice share a softmax.",
    centred=(False, True),
)
def a_binary_logit(F, y, *, centred):
    X = F - np.mean(F, axis=1, keepdims=True) if centred else F
    A, taken = X.reshape(-1, X.shape[2]), np.eye(F.shape[1])[y].ravel()
    beta = np.zeros(A.shape[1])
    for _ in range(25):
        q = 1 / (1 + np.exp(-np.clip(A @ beta, -700, 700)))
        H = (A * (q * (1 - q))[:, None]).T @ A + 1e-300 * np.eye(len(beta))
        try:
            beta = beta + np.linalg.solve(H, A.T @ (taken - q))
            se = np.sqrt(np.diag(np.linalg.inv(H)))
        except np.linalg.LinAlgError:
            return beta * np.nan, beta * np.nan, np.nan
    loglik = np.sum(np.log(_softmax(X @ beta, axis=1)[np.arange(len(y)), y]))
    return beta, se, loglik


@conditional_logit.mistake(
    "A regression line was fitted to what was chosen, 0 or 1. Probabilities are the softmax of the "
    "utilities: maximise their likelihood.",
    centred=(False, True),
)
def a_regression(F, y, *, centred):
    N, J, K = F.shape
    chosen = np.eye(J)[y]
    X, t = (F - np.mean(F, axis=1, keepdims=True), chosen - 1 / J) if centred else (F, chosen)
    A = X.reshape(-1, K)
    beta = np.linalg.lstsq(A, t.ravel(), rcond=None)[0]
    log_p = np.log(_softmax(X @ beta, axis=1))
    return beta, np.sqrt(np.diag(np.linalg.inv(A.T @ A))), np.sum(log_p[np.arange(N), y])


@conditional_logit.mistake(
    "Only part of the choices was fitted. Nothing is to be kept for a test: use all N.",
    share=(0.5, 0.8),
)
def part_of_the_choices(F, y, *, share):
    n = int(share * len(y))
    return _with_errors(F[:n], y[:n])


# --- 18.4 ----------------------------------------------------------------------------------------


def _most_likely_prior(p, prior):
    """Maximise Σ log Σ_i p_i w_i / π_i over softmaxes w, by BFGS in tight steps."""
    from scipy.optimize import minimize

    ratio = p / prior

    def loss(t):
        w = _softmax(t)
        mixed = ratio @ w
        pull = (ratio / mixed[:, None]).mean(axis=0)
        return -np.mean(np.log(mixed)), -w * (pull - w @ pull)

    found = minimize(loss, np.zeros(len(prior)), jac=True, options={"gtol": 1e-10})
    return _softmax(found.x)


def _posteriors(N, prior, now, spread):
    """Return posteriors under `prior` of N points whose classes come with probabilities `now`."""
    n = len(prior)
    centres = spread * _rng.normal(size=(n, 2))
    points = centres[_rng.choice(n, size=N, p=now)] + _rng.normal(size=(N, 2))
    x = -np.sum((points[:, None] - centres) ** 2, axis=2) / 2 + np.log(prior)
    return _softmax(x), np.array(prior)


@exercise(
    "18.4",
    minutes=9,
    probes=[
        ordinary(*_posteriors(200, (0.5, 0.5), (0.8, 0.2), 1.0), note="two classes, once equal"),
        ordinary(*_posteriors(300, (0.6, 0.3, 0.1), (0.2, 0.3, 0.5), 1.0), note="three classes"),
        ordinary(
            *map(_read_only, _posteriors(400, (0.25,) * 4, (0.5, 0.25, 0.1, 0.15), 1.2)),
            note="four classes, once equal; read-only",
        ),
        ordinary(
            *_posteriors(250, (0.4, 0.1, 0.2, 0.3), (0.1, 0.4, 0.3, 0.2), 1.2), note="four classes"
        ),
    ],
    truth=_most_likely_prior,
    tolerance=1e-4,
    library=("new_prior",),
    remark="No labels were needed, but posteriors that can be trusted were.",
)
def new_prior(p, prior):
    """Return the class prior under which unlabelled rows are most likely.

    p : float array (N, n), posteriors of N rows, from a model trained under `prior`; rows sum to 1.
    prior : float array (n,), positive, sums to 1. Both are left unchanged.

    Returns the new prior w, float array (n,), sums to 1: it maximises the sum over the rows of
    log(Σ_i p_i w_i / prior_i), which is their log-likelihood up to a constant. To within 1e-4. Its
    entries are positive here. Any iteration or optimiser may help.
    """
    w = prior
    for _ in range(5000):
        q = p * (w / prior)
        q = q / np.sum(q, axis=1, keepdims=True)
        w, before = np.mean(q, axis=0), w
        if np.max(np.abs(w - before)) < 1e-9:
            break
    return w


new_prior.hints(
    "If you knew the new prior w, the new posteriors would be p * w / prior, each row divided by "
    "its sum (notebook 10). If you knew the new posteriors, their mean would be w. You know "
    "neither: take turns.",
    "Start with w = prior. Repeat: q = p * (w / prior), each row divided by its sum, then "
    "w = q.mean(axis=0).",
    "Always from p, the model's posteriors, and the model's prior: q of the last round is not what "
    "the next one starts from.",
    "It converges slowly where classes overlap: some hundred rounds. Stop when w changes by less "
    "than 1e-9.",
)
new_prior.reasoning(
    "A row's likelihood under w is proportional to Σ_i w_i p_i / prior_i, since p_i / prior_i is "
    "proportional to the likelihood of class i. EM maximises it: the E-step is Bayes' rule with "
    "the present w, the M-step the mean of the posteriors. Each round raises the likelihood, and "
    "it is concave in w: there is one maximum to arrive at."
)


def _em(p, prior, *, rounds=3000, stop=1e-11, divided=1, compounds=False, hard=False):
    """EM with one thing done otherwise."""
    w, given = prior, p
    for _ in range(rounds):
        q = given * (w / prior**divided)
        q = q / np.sum(q, axis=1, keepdims=True)
        if hard:
            q = np.eye(len(prior))[np.argmax(q, axis=1)]
        if compounds:
            given = q
        w, before = np.mean(q, axis=0), w
        if np.max(np.abs(w - before)) < stop:
            break
    return w


@functools.cache
def _em_of(rows, prior):
    return _em(np.frombuffer(rows).reshape(-1, len(prior)), np.array(prior))


def _right_prior(p, prior):
    """Return where EM ends. Several mistakes ask for it: it is kept."""
    return _em_of(np.ascontiguousarray(p, dtype=float).tobytes(), tuple(prior.tolist()))


@new_prior.mistake(
    "The predictions were counted. A model that thinks of the old prior predicts too many of its "
    "frequent classes: the count is biased towards it."
)
def classify_and_count(p, prior):
    return np.bincount(np.argmax(p, axis=1), minlength=p.shape[1]) / len(p)


@new_prior.mistake(
    "One round is the mean of the posteriors: only part of the way from the old prior to the new "
    "one. Correct the posteriors with it, and go on."
)
def mean_of_the_posteriors(p, prior):
    return np.mean(p, axis=0)


@new_prior.mistake(
    "The iteration was stopped too early. Where classes overlap it takes hundreds of rounds: go "
    "on until nothing changes in the ninth digit.",
    rounds=(2, 3, 5, 10, 20, 30, 50, 100),
    stop=(1e-11, 1e-2, 1e-3),
)
def too_few_rounds(p, prior, *, rounds, stop):
    return _em(p, prior, rounds=rounds if stop == 1e-11 else 1000, stop=stop)


@new_prior.mistake(
    "The old prior was not taken out: the posteriors already contain it. The factor is w / prior.",
    rounds=(2, 10, 20, 50, 100, 1000),
)
def old_prior_stays(p, prior, *, rounds):
    return _em(p, prior, rounds=rounds, divided=0)


@new_prior.mistake("The old prior was divided out twice. The factor is w / prior, once.")
def divided_twice(p, prior):
    return _em(p, prior, divided=2)


@new_prior.mistake(
    "Each round changed the posteriors of the round before, so that the prior counts again and "
    "again. Start every round from the model's own posteriors.",
    rounds=(3, 5, 10),
)
def compounds(p, prior, *, rounds):
    return _em(p, prior, rounds=rounds, compounds=True, stop=0.0)


@new_prior.mistake(
    "The rows were not renormalised. p * w / prior is only proportional to a posterior: divide "
    "each row by its sum.",
    rounds=(2, 3, 5, 10),
    normalised=(False, True),
)
def rows_not_renormalised(p, prior, *, rounds, normalised):
    w = prior
    for _ in range(rounds):
        w = np.mean(p * (w / prior), axis=0)
        w = w / np.sum(w) if normalised else w
    return w


@new_prior.mistake(
    "All weight ends at one class: each round makes the winner of the last one stronger. Start "
    "every round from the model's own posteriors, and divide each row by its sum.",
    how=("compounds", "not renormalised"),
)
def all_weight_on_one_class(p, prior, *, how):
    if how == "compounds":
        return _em(p, prior, rounds=1000, compounds=True, stop=0.0)
    return rows_not_renormalised(p, prior, rounds=1000, normalised=True)


@new_prior.mistake(
    "The ratio of the new prior to the old one came back. Return the new prior itself.",
    normalised=(False, True),
)
def returns_the_ratio(p, prior, *, normalised):
    w = _right_prior(p, prior) / prior
    return w / np.sum(w) if normalised else w


@new_prior.mistake(
    "Each row was given to its likeliest class in every round. Rows near a border belong to "
    "several: count them in parts, by their posteriors."
)
def hard_decisions(p, prior):
    return _em(p, prior, hard=True, rounds=200)


@new_prior.mistake("This is the old prior. The rows have something to say about the new one.")
def returns_the_old_prior(p, prior):
    return prior.copy()


@new_prior.mistake(
    "The mean posterior was divided by the old prior, once and for all. That undoes the prior for "
    "no row: Bayes' rule works row by row, and then again.",
    first=("mean", "divide"),
)
def divided_by_the_old_prior(p, prior, *, first):
    w = np.mean(p, axis=0) / prior if first == "mean" else np.mean(p / prior, axis=0)
    return w / np.sum(w)


@new_prior.mistake(
    "The new posteriors came back, one row for each. Return their mean: the prior, shape (n,)."
)
def returns_the_posteriors(p, prior):
    q = p * (_right_prior(p, prior) / prior)
    return q / np.sum(q, axis=1, keepdims=True)


@new_prior.mistake("This prior is uniform, whatever the rows say. Let them decide.")
def returns_uniform(p, prior):
    return np.full(len(prior), 1 / len(prior))


@new_prior.mistake(
    "The new prior was multiplied by the old one. It replaces it: return w as it is."
)
def times_the_old_prior(p, prior):
    w = _right_prior(p, prior) * prior
    return w / np.sum(w)


@new_prior.mistake(
    "The mean was taken of log-posteriors. Shares are means of the posteriors themselves."
)
def mean_of_logs(p, prior):
    return _softmax(np.mean(np.log(np.maximum(p, 1e-12)), axis=0))


@new_prior.mistake(
    "Pseudo-counts were added to the classes: that pulls the prior towards equal shares. Maximise "
    "the likelihood alone.",
    each=(1.0, 0.5),
    rounds=(1, 2000),
)
def pseudo_counts(p, prior, *, each, rounds):
    w = prior
    for _ in range(rounds):
        q = p * (w / prior)
        w, before = np.sum(q / np.sum(q, axis=1, keepdims=True), axis=0) + each, w
        w = w / np.sum(w)
        if np.max(np.abs(w - before)) < 1e-10:
            break
    return w


@new_prior.mistake(
    "The correction is upside down: classes that the posteriors favour lose weight. The factor is "
    "w / prior.",
    how=("quotient", "difference"),
)
def upside_down(p, prior, *, how):
    m = np.mean(p, axis=0)
    w = prior / m if how == "quotient" else np.clip(2 * prior - m, 1e-9, None)
    return w / np.sum(w)


@new_prior.mistake(
    "The columns were divided by their sums, not the rows. A row's posteriors sum to 1 over the "
    "classes: axis=1, keepdims=True."
)
def columns_normalised(p, prior):
    return np.full(len(prior), 1 / len(p))


@new_prior.mistake(
    "The likelihood was minimised: the least likely class has all the weight. Maximise it, or "
    "minimise its negative."
)
def least_likely(p, prior):
    return np.eye(len(prior))[np.argmin(np.sum(np.log(np.maximum(p / prior, 1e-300)), axis=0))]


@new_prior.mistake(
    "The steps are too small or too few: the prior is on its way and not there. Go on until "
    "nothing changes in the ninth digit.",
    share=(0.1, 0.5),
    rounds=(10, 50, 100),
)
def damped_rounds(p, prior, *, share, rounds):
    w = prior
    for _ in range(rounds):
        q = p * (w / prior)
        w = (1 - share) * w + share * np.mean(q / np.sum(q, axis=1, keepdims=True), axis=0)
    return w


# --- 18.5 ----------------------------------------------------------------------------------------


def _pair_by_pair(confidence, correct, bins):
    """Add up the products of all pairs, in fractions."""
    import itertools
    from fractions import Fraction

    rows = sorted((float(c), int(y)) for c, y in zip(confidence, correct, strict=True))
    r = [y - Fraction(c) for c, y in rows]
    size, longer = divmod(len(r), bins)
    total, start = Fraction(0), 0
    for k in range(bins):
        group = r[start : start + size + (k < longer)]
        start += len(group)
        products = [a * b for a, b in itertools.permutations(group, 2)]
        total += len(group) * sum(products) / len(products)
    return float(total / len(r))


def _judged(N, off=0.0):
    """Return confidences and outcomes; `off` is how much too sure they are."""
    c = 0.5 + 0.45 * _rng.uniform(size=N)
    return c, (_rng.uniform(size=N) < c - off).astype(int)


@exercise(
    "18.5",
    minutes=9,
    probes=[
        ordinary(_row(0.6, 0.8), np.array([1, 0]), 1, note="two rows, one group"),
        ordinary(_row(0.9, 0.2, 0.7, 0.4), np.array([1, 0, 0, 1]), 2, note="4 rows, 2 groups"),
        ordinary(
            _row(0.55, 0.95, 0.6, 0.8, 0.7, 0.9), np.array([1, 1, 0, 1, 0, 1]), 2, note="6 rows"
        ),
        ordinary(*_judged(23), 4, note="23 rows, 4 groups"),
        ordinary(*_judged(40), 5, note="40 rows, 5 groups"),
        ordinary(*_judged(31, 0.3), 3, note="31 rows, 3 groups"),
        ordinary(*_judged(40, 0.3), 1, note="40 rows, one group"),
        ordinary(*map(_read_only, _judged(23, 0.3)), 5, note="23 rows, 5 groups; read-only"),
        ordinary(
            _row(0.6, 0.9, 0.75, 0.8, 0.65), np.array([True, False, True, True, False]), 2,
            note="truth values",
        ),
    ],
    truth=_pair_by_pair,
    tolerance=1e-10,
    library=("calibration_error",),
    remark="Below 0 is no bug: what is 0 on average must fall on both sides.",
)  # fmt: skip
def squared_calibration_error(confidence, correct, bins):
    """Return an estimate of the squared calibration error without bias; it may be negative.

    confidence : float array (N,), no two alike. correct : array (N,) of 0 and 1, integers or truth
        values. bins : int, at least 1; every group gets two rows or more. All are left unchanged.

    Sort the rows by confidence, ascending, and cut them by np.array_split into `bins` groups. With
    r = correct - confidence, a group's error is the mean of r_i * r_j over its pairs of different
    rows, i != j. Returns a float: the mean of the groups' errors, weighted by their sizes.
    """
    r = (correct - confidence)[np.argsort(confidence)]
    total = 0.0
    for group in np.array_split(r, bins):
        n = len(group)
        total += n * (np.sum(group) ** 2 - np.sum(group**2)) / (n * (n - 1))
    return total / len(r)


squared_calibration_error.hints(
    "order = np.argsort(confidence) sorts both arrays alike: confidence[order], correct[order].",
    "The sum of r_i r_j over *all* i and j is (Σ r)². Which terms of it have i = j?",
    "(Σ r)² − Σ r² is left, for n (n − 1) ordered pairs.",
    "A group of n rows counts n times: add up n times its error, and divide by N at the end. Do "
    "not cut at 0.",
)
squared_calibration_error.reasoning(
    "In (mean r)² each row meets itself: Σ r_i² has the expectation Σ p(1 − p) > 0 for a perfect "
    "model too, and that is the bias. Two different rows are independent, so r_i r_j is 0 on "
    "average if the model is perfect. Leave the diagonal out, and divide by the pairs that are "
    "left. What is 0 on average is negative half of the time; cutting it at 0 would bring the "
    "bias back."
)


def _groups(confidence, correct, bins):
    order = np.argsort(confidence, kind="stable")
    return np.array_split((correct - confidence)[order], bins)


def _without_diagonal(g):
    return (np.sum(g) ** 2 - np.sum(g**2)) / (len(g) * (len(g) - 1))


def _weighted(groups, error):
    return sum(len(g) * error(g) for g in groups) / sum(len(g) for g in groups)


@squared_calibration_error.mistake(
    "A row meets itself: this is the square of the group's mean, and too large even for a perfect "
    "model. Leave out the pairs with i = j."
)
def square_of_the_mean(confidence, correct, bins):
    return _weighted(_groups(confidence, correct, bins), lambda g: np.mean(g) ** 2)


@squared_calibration_error.mistake(
    "This is the ECE, a mean of absolute values: it cannot be 0 for a perfect model on finite "
    "data. Asked is the mean of r_i * r_j."
)
def absolute_values(confidence, correct, bins):
    return _weighted(_groups(confidence, correct, bins), lambda g: abs(np.mean(g)))


@squared_calibration_error.mistake(
    "Negative results were cut at 0. That brings the bias back: for a perfect model the estimate "
    "is to fall on both sides of 0."
)
def cut_at_zero(confidence, correct, bins):
    return max(0.0, _weighted(_groups(confidence, correct, bins), _without_diagonal))


@squared_calibration_error.mistake(
    "Each group was cut at 0. Groups below 0 are to make up for those above: leave them."
)
def groups_cut_at_zero(confidence, correct, bins):
    return _weighted(_groups(confidence, correct, bins), lambda g: max(0.0, _without_diagonal(g)))


@squared_calibration_error.mistake(
    "A root was taken, or absolute values. The square can be estimated without bias, its root "
    "cannot.",
    how=("nan", "cut", "sign", "absolute"),
)
def root(confidence, correct, bins, *, how):
    value = _weighted(_groups(confidence, correct, bins), _without_diagonal)
    if how == "absolute":
        return abs(value)
    if how == "sign":
        return np.sign(value) * np.sqrt(abs(value))
    return np.sqrt(value) if how == "nan" else np.sqrt(max(value, 0.0))


@squared_calibration_error.mistake(
    "All groups count the same. They differ in size: weigh each by its rows.",
)
def groups_count_the_same(confidence, correct, bins):
    return np.mean([_without_diagonal(g) for g in _groups(confidence, correct, bins)])


@squared_calibration_error.mistake(
    "The rows were not sorted: each group holds rows of any confidence. Sort both arrays by "
    "confidence first.",
)
def not_sorted(confidence, correct, bins):
    return _weighted(np.array_split(correct - confidence, bins), _without_diagonal)


@squared_calibration_error.mistake(
    "The confidences were sorted, and `correct` was not: rows and outcomes no longer belong "
    "together. Sort both by np.argsort(confidence).",
    both=(False, True),
)
def correct_not_sorted(confidence, correct, bins, *, both):
    r = (np.sort(correct) if both else correct) - np.sort(confidence)
    return _weighted(np.array_split(r, bins), _without_diagonal)


@squared_calibration_error.mistake(
    "The rows were sorted in descending order, so that other groups are the longer ones: "
    "ascending was asked."
)
def descending(confidence, correct, bins):
    r = (correct - confidence)[np.argsort(confidence)[::-1]]
    return _weighted(np.array_split(r, bins), _without_diagonal)


@squared_calibration_error.mistake(
    "The number of pairs is wrong. n rows have n(n - 1) ordered pairs of different rows, or half "
    "of that if each pair is taken once.",
    pairs=("n²", "half", "double", "diagonal kept", "none", "none, half"),
)
def number_of_pairs(confidence, correct, bins, *, pairs):
    def error(g):
        if pairs == "diagonal kept":
            return np.sum(g) ** 2 / (len(g) * (len(g) - 1))
        n = len(g)
        factors = {"n²": (n - 1) / n, "half": 0.5, "double": 2.0, "none": n * (n - 1)}
        factor = factors.get(pairs, n * (n - 1) / 2)
        return factor * _without_diagonal(g)

    return _weighted(_groups(confidence, correct, bins), error)


@squared_calibration_error.mistake(
    "This is another, published estimator: it takes acc (1 - acc) / (n - 1) from the square of the "
    "mean. Within a group the confidences differ, and only the pairs are asked here.",
)
def kumar(confidence, correct, bins):
    order = np.argsort(confidence, kind="stable")
    total = 0.0
    for c, y in zip(
        np.array_split(confidence[order], bins), np.array_split(correct[order], bins), strict=True
    ):
        acc = np.mean(y)
        total += len(c) * ((acc - np.mean(c)) ** 2 - acc * (1 - acc) / (len(c) - 1))
    return total / len(confidence)


@squared_calibration_error.mistake(
    "The groups' errors were added, not averaged. Weigh each by its rows, and divide by N.",
    weighted=(False, True),
)
def sum_of_the_groups(confidence, correct, bins, *, weighted):
    groups = _groups(confidence, correct, bins)
    return sum((len(g) if weighted else 1) * _without_diagonal(g) for g in groups)


@squared_calibration_error.mistake(
    "This is the mean of r²: the Brier score, in which each row meets only itself. Take the pairs "
    "of *different* rows."
)
def brier(confidence, correct, bins):
    return np.mean((correct - confidence) ** 2)


@squared_calibration_error.mistake(
    "The groups are equally wide, not equally full. Cut the sorted rows with np.array_split.",
    over=("unit", "range"),
)
def equally_wide(confidence, correct, bins, *, over):
    low, high = (0.0, 1.0) if over == "unit" else (np.min(confidence), np.max(confidence))
    edges = np.linspace(low, high, bins + 1)[1:-1]
    place = np.searchsorted(edges, confidence, side="right")
    r = correct - confidence
    groups = [r[place == k] for k in range(bins)]
    return _weighted(groups, lambda g: _without_diagonal(g) if len(g) > 1 else 0.0)


@squared_calibration_error.mistake(
    "The groups are ignored: all pairs of all rows were taken. Errors of opposite sign at "
    "different confidences then cancel. Cut into `bins` groups first."
)
def one_group(confidence, correct, bins):
    return _without_diagonal(correct - confidence)


@squared_calibration_error.mistake(
    "This is the square of the ECE, or the root of a mean square: groups of opposite sign, and "
    "rows that meet themselves, count in it. Asked is the mean of r_i * r_j.",
    how=("squared", "root"),
)
def another_power(confidence, correct, bins, *, how):
    groups = _groups(confidence, correct, bins)
    if how == "squared":
        return _weighted(groups, lambda g: abs(np.mean(g))) ** 2
    return np.sqrt(_weighted(groups, lambda g: np.mean(g) ** 2))


@squared_calibration_error.mistake(
    "The groups were weighted by their pairs. Weigh each group by its rows."
)
def weighted_by_pairs(confidence, correct, bins):
    groups = _groups(confidence, correct, bins)
    pairs = [len(g) * (len(g) - 1) for g in groups]
    return sum(n * _without_diagonal(g) for n, g in zip(pairs, groups, strict=True)) / sum(pairs)


@squared_calibration_error.mistake(
    "The rows were cut elsewhere. np.array_split keeps all rows, and gives the ones left over to "
    "the first groups, one to each.",
    how=("at k n / bins", "rest dropped", "rest to the last", "rounded up", "`bins` rows each"),
)
def cut_elsewhere(confidence, correct, bins, *, how):
    (r,) = _groups(confidence, correct, 1)
    n = len(r)
    size = n // bins
    if how == "`bins` rows each":
        return _weighted(np.array_split(r, max(n // max(bins, 2), 1)), _without_diagonal)
    at = {
        "at k n / bins": [k * n // bins for k in range(1, bins)],
        "rest dropped": [k * size for k in range(1, bins)],
        "rest to the last": [k * size for k in range(1, bins)],
        "rounded up": [k * -(-n // bins) for k in range(1, bins)],
    }[how]
    groups = np.split(r[: size * bins] if how == "rest dropped" else r, at)
    return _weighted([g for g in groups if len(g) > 1], _without_diagonal)


@squared_calibration_error.mistake(
    "The variance that was taken off is that of r, or has another divisor. The square of a mean is "
    "too large by the variance of the *mean*: r.var(ddof=1) / n.",
    ddof=(0, 1),
    of_the_mean=(True, False),
)
def another_variance(confidence, correct, bins, *, ddof, of_the_mean):
    def error(g):
        divisor = (len(g) - ddof) * ((len(g) - ddof) if of_the_mean else 1)
        return np.mean(g) ** 2 - np.sum((g - np.mean(g)) ** 2) / divisor

    return _weighted(_groups(confidence, correct, bins), error)


@squared_calibration_error.mistake(
    "The bias was taken from the confidences, c (1 - c): that is true of a perfect model only. "
    "Take it from the rows: leave out the pairs with i = j.",
    less=(0, 1),
    of=("rows", "mean"),
)
def bias_of_a_perfect_model(confidence, correct, bins, *, less, of):
    cut = np.array_split(np.sort(confidence), bins)
    total = 0.0
    for g, c in zip(_groups(confidence, correct, bins), cut, strict=True):
        c = np.mean(c) if of == "mean" else c
        total += len(g) * (np.mean(g) ** 2 - np.mean(c * (1 - c)) / (len(g) - less))
    return total / len(confidence)


@squared_calibration_error.mistake(
    "Only neighbours were multiplied. All pairs of different rows of a group count.",
    ring=(False, True),
)
def neighbours_only(confidence, correct, bins, *, ring):
    return _weighted(
        _groups(confidence, correct, bins),
        lambda g: np.mean(g * np.roll(g, 1)) if ring else np.mean(g[1:] * g[:-1]),
    )


@squared_calibration_error.mistake(
    "One number for each group came back. Return their mean, weighted by the groups' sizes."
)
def a_number_a_group(confidence, correct, bins):
    return np.array([_without_diagonal(g) for g in _groups(confidence, correct, bins)])


# --- 18.6 ----------------------------------------------------------------------------------------


def _event_exactly(x, event):
    """Add up both sides' exponentials in 60 digits."""
    import mpmath

    flat = np.asarray(x, dtype=float).reshape(-1, np.shape(x)[-1])
    with mpmath.workdps(60):
        rows = []
        for row in flat:
            sides = [
                mpmath.fsum(mpmath.exp(mpmath.mpf(float(v))) for v in row[part] if v > -_INF)
                for part in (event, ~event)
            ]
            rows.append(float(mpmath.log(sides[0]) - mpmath.log(sides[1])))
    return np.array(rows).reshape(np.shape(x)[:-1])


_T, _F = True, False


def _event(*numbers):
    return np.array(numbers, dtype=bool)


_SIDES_2 = _event(_T, _F)
_SIDES_4 = _event(_F, _T, _T, _F)


@exercise(
    "18.6",
    minutes=6,
    probes=[
        ordinary(_row(1, 0), _SIDES_2, note="two classes"),
        ordinary(_row(0.5, 2, -1, 1), _SIDES_4, note="one row of four"),
        ordinary(_row(0.5, 2, -1, 1), ~_SIDES_4, note="the other event"),
        ordinary(_rng.normal(size=(2, 4)), _SIDES_4, note="two rows of four"),
        ordinary(_rng.normal(size=(3, 3)), _event(_T, _F, _T), note="three rows of three"),
        ordinary(_rng.normal(size=(3, 2, 4)), _event(_T, _T, _T, _F), note="shape (3, 2, 4)"),
        ordinary(np.array([[3, 1, 0, 2], [0, 2, 5, 1]]), _SIDES_4, note="integer logits"),
        ordinary(_row(0, 0, 0, 0), _event(_T, _T, _T, _F), note="equal logits, three of four"),
        ordinary(_row(0, -_INF, 1, 2), _SIDES_4, note="a logit of −inf in the event"),
        ordinary(_row(-_INF, 1, 0.5, 2), _SIDES_4, note="a logit of −inf in the rest"),
        ordinary(_read_only(_row(1, 2, 0.5, -1)), _SIDES_4, note="a read-only row"),
        extreme(_row(40, 0, 0, 0), _event(_T, _F, _F, _F), note="(40, 0, 0, 0)"),
        extreme(_row(1000, 0, 1, 2), _event(_T, _F, _F, _F), note="(1000, 0, 1, 2), the first"),
        extreme(_row(0, 1000, 900, -5), _event(_T, _F, _F, _T), note="(0, 1000, 900, −5)"),
        extreme(_row(-1000, -1001, -1003, -999), _SIDES_4, note="all below −990"),
        extreme(
            np.array([[2000.0, 1998.0, 2001.0, 1999.0], [-2000.0, -2001.0, -1999.0, -2002.0]]),
            _SIDES_4,
            note="rows of ±2000",
        ),
    ],
    truth=_event_exactly,
    scale=lambda x, event, expected: np.maximum(
        np.max(np.where(np.isfinite(x), np.abs(x), 0), axis=-1), 1
    ),
    relative=lambda x, event: 5.0,
    library=("event_log_odds",),
    remark="Group the classes, take the log-sum-exp of each group: the groups' logits.",
)
def event_log_odds(x, event):
    """Return the log-odds of an event: that the class is one of those marked True.

    x : array (..., n) of logits, floats or integers; -inf is allowed, though not for every class
        of the event, nor for every other class. It is left unchanged.
    event : bool array (n,), with at least one True and one False.

    Returns log(P(event) / P(not event)) under softmax(x) over the last axis, shape (...). Logits
    of any size must work: the log-odds are finite even where P(event) is 1 to the last digit.
    """

    def logsumexp(z):
        top = np.max(z, axis=-1, keepdims=True)
        return top[..., 0] + np.log(np.sum(np.exp(z - top), axis=-1))

    return logsumexp(x[..., event]) - logsumexp(x[..., ~event])


event_log_odds.hints(
    "The event's probability is a sum of exponentials over the sum of all. In the odds the common "
    "denominator cancels.",
    "log(P / (1 - P)) = log Σ_event exp(x) − log Σ_rest exp(x): two log-sum-exps.",
    "x[..., event] are the event's logits, x[..., ~event] the others'. Each of the two "
    "log-sum-exps has a maximum of its own.",
    "A library's logsumexp over axis=-1 may help.",
)
event_log_odds.reasoning(
    "P(event) = Σ_event e^x / Z and P(rest) = Σ_rest e^x / Z: Z cancels, and the log of the "
    "quotient is a difference of two log-sum-exps. 1 − P is never formed, so nothing is lost near "
    "1. And each side is shifted by its own maximum: with a common one the smaller side may "
    "underflow to log 0."
)


def _lse(z):
    top = np.max(z, axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.sum(np.exp(z - top), axis=-1))


def _sides(x, event, of):
    return of(x[..., event]) - of(x[..., ~event])


@event_log_odds.mistake(
    "1 - P is 0 where P rounds to 1, and the log-odds are inf there. Do not go through P: take the "
    "difference of two log-sum-exps.",
    how=("quotient", "difference", "log1p", "safe log1p"),
)
def through_the_probability(x, event, *, how):
    P = np.sum(_softmax(x)[..., event], axis=-1)
    if how == "safe log1p":
        log_p = _lse(x[..., event]) - _lse(x)
        return log_p - np.log1p(-np.exp(log_p))
    if how == "quotient":
        return np.log(P / (1 - P))
    return np.log(P) - (np.log1p(-P) if how == "log1p" else np.log(1 - P))


@event_log_odds.mistake(
    "This is the log of the event's probability. Its log-odds have the probability of the other "
    "classes below: subtract their log-sum-exp."
)
def log_probability(x, event):
    return _lse(x[..., event]) - _lse(x)


@event_log_odds.mistake("This is the event's probability. Asked are its log-odds.")
def probability(x, event):
    return np.sum(_softmax(x)[..., event], axis=-1)


@event_log_odds.mistake("These are the odds. Take their logarithm, without forming them first.")
def odds(x, event):
    return np.exp(_sides(x, event, _lse))


@event_log_odds.mistake(
    "The logits were added. Probabilities add, and logits are their logarithms: take the "
    "log-sum-exp of each side."
)
def sums_of_logits(x, event):
    return _sides(x, event, lambda z: np.sum(z, axis=-1))


@event_log_odds.mistake(
    "The mean logits were compared. Probabilities add: take the log-sum-exp of each side."
)
def means_of_logits(x, event):
    return _sides(x, event, lambda z: np.mean(z, axis=-1))


@event_log_odds.mistake(
    "Only the largest logit of each side counts. The others' probabilities belong to it as well: "
    "take the log-sum-exp."
)
def largest_logits(x, event):
    return _sides(x, event, lambda z: np.max(z, axis=-1))


@event_log_odds.mistake("The sign is wrong: the event stands above, the other classes below.")
def sign_of_log_odds(x, event):
    return -_sides(x, event, _lse)


@event_log_odds.mistake(
    "The classes' own log-odds were added or averaged. Probabilities add, not log-odds: add up the "
    "event first.",
    of=(np.sum, np.mean),
)
def sum_of_log_odds(x, event, *, of):
    each = [
        np.asarray(x)[..., i] - _lse(np.delete(np.asarray(x, dtype=float), i, axis=-1))
        for i in np.flatnonzero(event)
    ]
    return of(np.stack(each, axis=-1), axis=-1)


@event_log_odds.mistake(
    "The exponentials were averaged, so that an event of three classes counts as one. "
    "Probabilities add: the sum, not the mean."
)
def log_mean_exp(x, event):
    return _sides(x, event, lambda z: _lse(z) - np.log(z.shape[-1]))


@event_log_odds.mistake(
    "The exponentials are of unshifted logits: they overflow, or all vanish. Subtract the maximum "
    "of each side."
)
def unshifted_sides(x, event):
    return _sides(x, event, lambda z: np.log(np.sum(np.exp(z), axis=-1)))


@event_log_odds.mistake(
    "One maximum was subtracted from both sides, and the smaller one underflows to log 0. Each "
    "side has its own: take two log-sum-exps.",
)
def one_shift_for_both(x, event):
    p = _softmax(x)
    return _sides(p, event, lambda z: np.log(np.sum(z, axis=-1)))


@event_log_odds.mistake(
    "The sum runs over the whole batch. Each row has its own log-odds: axis=-1."
)
def over_the_whole_batch(x, event):
    return _lse(x[..., event].ravel()) - _lse(x[..., ~event].ravel())


@event_log_odds.mistake(
    "axis=1 is the last axis of a batch only, and x[:, event] takes classes of a batch only. "
    "x[..., event] and axis=-1 work for a row and a stack as well."
)
def for_a_batch_only(x, event):
    if np.ndim(x) != 2:
        raise IndexError("boolean index did not match indexed array along axis 1")
    return _sides(x, event, _lse)


@event_log_odds.mistake(
    "The classes' log-probabilities were added on each side. That is the log of a product: "
    "classes exclude each other, so add their probabilities."
)
def sums_of_log_probabilities(x, event):
    log_p = x - _lse(np.asarray(x, dtype=float))[..., None]
    return _sides(log_p, event, lambda z: np.sum(z, axis=-1))


@event_log_odds.mistake(
    "The probability was cut off near 0 and 1, so that the log-odds never leave a certain range. "
    "Take the difference of two log-sum-exps: nothing needs a limit.",
    limit=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16),
)
def probability_cut_off(x, event, *, limit):
    P = np.clip(np.sum(_softmax(x)[..., event], axis=-1), limit, 1 - limit)
    return np.log(P / (1 - P))


@event_log_odds.mistake(
    "A small number was added so that no logarithm is of 0. It is added to every result: take the "
    "difference of two log-sum-exps, in which no logarithm is of 0.",
    added=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16),
    form=("both", "p / (1 - p)"),
)
def small_number_added(x, event, *, added, form):
    p = _softmax(x)
    P = np.sum(p[..., event], axis=-1)
    rest = np.sum(p[..., ~event], axis=-1) if form == "both" else 1 - P
    return np.log((P + added) / (rest + added))


@event_log_odds.mistake(
    "One maximum of the whole batch was subtracted from every row. Each side of each row has its "
    "own: axis=-1, keepdims=True."
)
def one_maximum_for_the_batch(x, event):
    def lse(z):
        return np.max(z) + np.log(np.sum(np.exp(z - np.max(z)), axis=-1))

    return _sides(x, event, lse)


@event_log_odds.mistake(
    "This is the log of the probability of the *other* classes. The log-odds compare the two "
    "sides: the event's log-sum-exp less theirs."
)
def log_probability_of_the_rest(x, event):
    return _lse(x[..., ~event]) - _lse(x)


@event_log_odds.mistake(
    "All classes stand on one side of the quotient. Odds compare the event with the classes that "
    "are *not* in it.",
    sign=(1, -1),
)
def all_classes_on_one_side(x, event, *, sign):
    return _lse(x) - _lse(x[..., ~event]) if sign == 1 else _lse(x[..., event]) + _lse(x)


@event_log_odds.mistake(
    "The odds of the event's classes were added. Probabilities add, odds do not: add up the event "
    "first."
)
def sum_of_odds(x, event):
    z = np.asarray(x, dtype=float)
    each = [z[..., i] - _lse(np.delete(z, i, axis=-1)) for i in np.flatnonzero(event)]
    return _lse(np.stack(each, axis=-1))


@event_log_odds.mistake(
    "The classes of the other side count as logits of 0: multiplied by the event, or filled with "
    "0. exp(0) is 1: pick them out, x[..., event], or fill with -inf.",
    times=(False, True),
)
def others_as_zeros(x, event, *, times):
    if times:
        return _lse(x * event) - _lse(x * ~event)
    return _lse(np.where(event, x, 0)) - _lse(np.where(event, 0, x))


@event_log_odds.mistake(
    "The classes that were to be left out were filled with a finite number, and some logits lie "
    "below it. Fill with -inf, or pick the classes out.",
    fill=(-100.0, -500.0, -1e3),
)
def finite_fill(x, event, *, fill):
    return _lse(np.where(event, x, fill)) - _lse(np.where(event, fill, x))


@event_log_odds.mistake(
    "The event was turned into the integers 0 and 1, and these pick the classes 0 and 1. Only "
    "truth values pick those that are marked.",
    which=("both", "event", "rest"),
)
def event_as_integers(x, event, *, which):
    e = event.astype(int)
    inside = x[..., event] if which == "rest" else x[..., e]
    outside = {"both": 1 - e, "event": ~event, "rest": ~e}[which]
    return _lse(inside) - _lse(x[..., outside])


@event_log_odds.mistake(
    "One class stands for a whole side, the first or the likeliest. The others' probabilities "
    "belong to it as well: take the log-sum-exp.",
    which=("first of the event", "likeliest of the event", "likeliest of the rest"),
    against=("rest", "all others"),
)
def one_class_for_a_side(x, event, *, which, against):
    z = np.asarray(x, dtype=float)
    if which == "likeliest of the rest":
        return _lse(z[..., event]) - np.max(z[..., ~event], axis=-1)
    inside = z[..., event]
    one = inside[..., 0] if which == "first of the event" else np.max(inside, axis=-1)
    if against == "rest" or which == "likeliest of the event":
        return one - _lse(z[..., ~event])
    return one - _lse(np.delete(z, int(np.argmax(event)), axis=-1))


@event_log_odds.mistake(
    "-inf was replaced by 0, so that a class without a chance has one. exp(-inf) is 0: leave it "
    "as it is.",
)
def minus_infinity_replaced(x, event):
    return _sides(np.where(np.isneginf(x), 0.0, x), event, _lse)
