"""Exercises 17.1 to 17.6: entmax and its loss, several labels, sampled sums, who can win."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(17)


def _normal(*shape):
    return _rng.normal(size=shape)


def _read_only(array):
    array.flags.writeable = False
    return array


def _row(*values):
    return np.array(values, dtype=float)


def _softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _logsumexp(x, axis=-1):
    m = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - m), axis=axis)) + np.squeeze(m, axis=axis)


# --- 17.1 ----------------------------------------------------------------------------------------

_LOGITS = _row(1.2, 0.9, 0.4, -0.5)


def _entmax_by_support(x, alpha):
    """Try every number of winners; its threshold is a root in 40 digits."""
    import mpmath

    with mpmath.workdps(40):
        power = 1 / (mpmath.mpf(alpha) - 1)
        z = [(mpmath.mpf(alpha) - 1) * mpmath.mpf(float(v)) for v in x]
        ordered = sorted(z, reverse=True)
        for k in range(1, len(z) + 1):

            def excess(t, winners=tuple(ordered[:k])):
                return mpmath.fsum((v - t) ** power for v in winners) - 1

            low, high = ordered[0] - 1, ordered[k - 1]
            if high < low or excess(high) > 0:  # the k-th would need a negative share
                break
            found = mpmath.findroot(excess, (low, high), solver="anderson", tol=1e-60)
            threshold = low if k == 1 else found
        return np.array([float(max(v - threshold, 0) ** power) for v in z])


def _no_crumbs(p, *_):
    """Replace what is nearly but not exactly 0: a zero has to be one."""
    p = np.asarray(p)
    return np.where((p != 0) & (np.abs(p) < 1e-9), np.nan, p) if p.dtype.kind == "f" else p


@exercise(
    "17.1",
    minutes=10,
    probes=[
        ordinary(_LOGITS, 1.5, note="four logits, α = 1.5"),
        ordinary(_LOGITS, 2.0, note="four logits, α = 2"),
        ordinary(_LOGITS, 1.25, note="four logits, α = 1.25"),
        ordinary(_LOGITS, 1.05, note="four logits, α = 1.05"),
        ordinary(_LOGITS, 3.0, note="four logits, α = 3"),
        ordinary(_row(0.5, 0.5, -0.25), 1.5, note="a tie for the largest"),
        ordinary(_row(-1.0, 0.2, 0.7, 1.1), 1.75, note="ascending, α = 1.75"),
        ordinary(_row(5.0, 0.0, 0.0), 1.5, note="one takes all"),
        ordinary(_row(0.0, -0.999), 2.0, note="a gap just below 1, α = 2"),
        ordinary(_row(0.3), 1.5, note="one class"),
        ordinary(_normal(40), 1.5, note="40 classes"),
        ordinary(_read_only(_row(0.1, -0.4, 0.6)), 1.3, note="a read-only row, α = 1.3"),
        ordinary(_row(-3.1, -2.0, -2.6), 1.5, note="all logits below 0"),
        extreme(_row(-1000.0, -1000.3, -1002.0), 1.5, note="logits near −1000"),
        extreme(_row(1e6, 1e6 - 0.5, 0.0), 1.5, note="1e6, 1e6 − 0.5 and 0"),
        extreme(_row(1e6 - 0.25, 1e6, 1e6 - 1), 2.5, note="1e6 + (−0.25, 0, −1), α = 2.5"),
    ],
    truth=_entmax_by_support,
    tolerance=1e-9,
    canonical=_no_crumbs,
    library=("entmax", "entmax15", "entmax_bisect", "EntmaxBisect", "Entmax15"),
    remark="Between softmax (α towards 1) and sparsemax (α = 2), and beyond.",
)
def entmax(x, alpha):
    """Return the α-entmax of a row of logits, for 1.05 ≤ alpha ≤ 3.

    x : float array (n,) of any size. It is left unchanged.

    Entry i is max((alpha - 1) * x_i - t, 0) ** (1 / (alpha - 1)), with the one t for which the
    entries sum to 1. Returns an array (n,), right to 1e-9; what lies at or below the threshold is
    exactly 0.
    """
    z = (alpha - 1) * (x - np.max(x))
    low, high = -1.0, 0.0
    for _ in range(60):
        t = (low + high) / 2
        p = np.maximum(z - t, 0) ** (1 / (alpha - 1))
        if p.sum() > 1:
            low = t
        else:
            high = t
    return p / p.sum()


entmax.hints(
    "The sum of the entries falls as t grows. Where is it at least 1, where is it 0?",
    "With z = (alpha - 1) * x: at t = max(z) - 1 the largest entry alone is 1. At t = max(z) all "
    "are 0. Halve that bracket: keep the half in which the sum passes 1.",
    "Each halving gains a factor of 2: 50 of them leave 1e-15. Clip at 0, then take the power.",
    "Subtract the maximum of x first. The result does not mind, and logits of 1e6 keep the digits "
    "of their gaps.",
)
entmax.reasoning(
    "Every entry falls or stays as t grows, so the sum does too, and it passes 1 once. Between "
    "max z − 1, where the largest entry is 1, and max z, where all are 0, bisection finds the "
    "place: no derivative, no case to treat. The shift changes t and nothing else. A last division "
    "takes away what the bracket's width has left."
)


def _bisect(z, power, *, bracket=None, steps=48, normalised=True, clipped=True):
    """Find t by halving, with one thing done otherwise; z is taken as it is."""
    low, high = (np.max(z) - 1, np.max(z)) if bracket is None else bracket
    p = np.zeros_like(z)
    for _ in range(steps):
        t = (low + high) / 2
        p = (np.maximum(z - t, 0) if clipped else z - t) ** power
        if p.sum() > 1:
            low = t
        else:
            high = t
    return p / p.sum() if normalised else p


def _gaps(x):
    return x - np.max(x)


@entmax.mistake(
    "the logits are not multiplied by alpha - 1. The threshold is taken from (alpha - 1) * x."
)
def logits_not_scaled(x, alpha):
    return _bisect(_gaps(x), 1 / (alpha - 1))


@entmax.mistake("the exponent stands upside down: it is 1 / (alpha - 1).")
def exponent_upside_down(x, alpha):
    return _bisect((alpha - 1) * _gaps(x), alpha - 1)


@entmax.mistake(
    "the exponent is missing: this is the sparsemax of (alpha - 1) * x. Take the power "
    "1 / (alpha - 1) of what lies above t.",
    exactly=(False, True),
)
def sparsemax_of_scaled(x, alpha, *, exactly):
    z = (alpha - 1) * _gaps(x)
    return _sparsemax(z) if exactly else _bisect(z, 1.0)


@entmax.mistake(
    "too few halvings: the bracket is still wide. Each one halves the error, and 1e-9 takes some "
    "40 of them.",
    steps=(5, 8, 10, 12, 15, 16, 20),
    normalised=(True, False),
    at=("the last t", "the lower end"),
)
def too_few_steps(x, alpha, *, steps, normalised, at):
    if at == "the last t":
        return _bisect((alpha - 1) * _gaps(x), 1 / (alpha - 1), steps=steps, normalised=normalised)
    p = _powers(*_scaled_and_threshold(x, alpha, steps), alpha)
    return p / p.sum() if normalised else p


@entmax.mistake(
    "a fixed bracket does not hold every threshold. The threshold lies between max(z) - 1 and "
    "max(z), z = (alpha - 1) * x; or subtract the maximum of x first, and take -1 and 0.",
    bracket=((-1.0, 0.0), (-1.0, 1.0), (0.0, 1.0), (-10.0, 10.0), (-100.0, 100.0)),
)
def bracket_misses(x, alpha, *, bracket):
    return _bisect((alpha - 1) * x, 1 / (alpha - 1), bracket=bracket)


@entmax.mistake(
    "the bracket is too short. Its lower end is max(z) - 1, with z = (alpha - 1) * x: there the "
    "largest entry alone is 1.",
    width=(lambda alpha: 0.5, lambda alpha: alpha - 1, lambda alpha: (alpha - 1) / 2),
)
def bracket_too_short(x, alpha, *, width):
    return _bisect((alpha - 1) * _gaps(x), 1 / (alpha - 1), bracket=(-width(alpha), 0.0))


@entmax.mistake(
    "what lies below the threshold is not clipped: a negative number to a power is NaN, or counts "
    "again. Take np.maximum(…, 0) before the power.",
    normalised=(True, False, "clipped after the power"),
)
def not_clipped(x, alpha, *, normalised):
    z = (alpha - 1) * _gaps(x)
    if normalised == "clipped after the power":
        with np.errstate(invalid="ignore"):
            return _bisect_clipped_late(z, 1 / (alpha - 1))
    return _bisect(z, 1 / (alpha - 1), clipped=False, normalised=normalised)


def _bisect_clipped_late(z, power):
    low, high = -1.0, 0.0
    for _ in range(80):
        t = (low + high) / 2
        low, high = (t, high) if np.maximum((z - t) ** power, 0).sum() > 1 else (low, t)
    return np.maximum((z - low) ** power, 0)


@entmax.mistake(
    "the threshold is guessed, and the sum made 1 by dividing. It is the t for which the entries "
    "sum to 1 by themselves: search for it.",
    guess=(
        lambda z: np.max(z) - 1,
        np.mean,
        lambda z: np.max(z) - 1 / len(z),
        lambda z: 0.0,
        np.min,
    ),
)
def threshold_guessed(x, alpha, *, guess):
    z = (alpha - 1) * x
    p = np.maximum(z - guess(z), 0) ** (1 / (alpha - 1))
    return p / p.sum()


@entmax.mistake(
    "this is a softmax, cut and divided again. entmax is another curve: a power of what lies above "
    "a threshold in the logits.",
    cut=(0.01, 0.05, 0.1, 0.2, None),
    subtracted=(False, True),
)
def cut_softmax(x, alpha, *, cut, subtracted):
    p = _softmax(x)
    cut = 1 / len(x) if cut is None else cut
    q = np.maximum(p - cut, 0) if subtracted else np.where(p >= cut, p, 0.0)
    return q / q.sum()


@entmax.mistake("this is the softmax. It is never 0: entmax cuts at a threshold.")
def softmax_instead(x, alpha):
    return _softmax(x)


@entmax.mistake(
    "this is the softmax of (alpha - 1) * x. The exponential is replaced by a power, with a "
    "threshold."
)
def softmax_of_scaled(x, alpha):
    return _softmax((alpha - 1) * x)


@entmax.mistake("this is the sparsemax, whatever alpha says: alpha = 2 alone gives that.")
def sparsemax_instead(x, alpha):
    return _bisect(_gaps(x), 1.0)


@entmax.mistake("alpha is 1.5 here, whatever was passed.")
def always_one_and_a_half(x, alpha):
    return _bisect(0.5 * _gaps(x), 2.0)


@entmax.mistake(
    "a power of the softmax, divided by its sum, is a softmax at another temperature: it has no "
    "zeros. Take the power of what lies above a threshold in the logits.",
    power=(lambda alpha: alpha, lambda alpha: 1 / (alpha - 1), lambda alpha: 1 / alpha),
)
def power_of_softmax(x, alpha, *, power):
    p = _softmax(x) ** power(alpha)
    return p / p.sum()


@entmax.mistake(
    "alpha stands where alpha - 1 belongs. Both the factor before x and the exponent have "
    "alpha - 1 in them.",
    wrong=(
        lambda a: (1 / a, 1 / (a - 1)),
        lambda a: (a, 1 / (a - 1)),
        lambda a: (a - 1, 1 / a),
        lambda a: (a, 1 / a),
        lambda a: (1 / (a - 1), 1 / (a - 1)),
    ),
)
def alpha_for_alpha_minus_one(x, alpha, *, wrong):
    factor, power = wrong(alpha)
    return _bisect(factor * _gaps(x), power)


def _scaled_and_threshold(x, alpha, steps=60):
    """Return z = (alpha - 1) x, shifted, and the threshold to the last bit, from below."""
    z, low, high = (alpha - 1) * _gaps(x), -1.0, 0.0
    for _ in range(steps):
        t = (low + high) / 2
        low, high = (t, high) if _powers(z, t, alpha).sum() >= 1 else (low, t)
    return z, low


def _powers(z, t, alpha):
    return np.maximum(z - t, 0) ** (1 / (alpha - 1))


@entmax.mistake(
    "the threshold was searched with the power, and the entries come without it. Raise them to "
    "1 / (alpha - 1).",
    normalised=(True, False),
)
def power_left_out_at_the_end(x, alpha, *, normalised):
    z, t = _scaled_and_threshold(x, alpha)
    p = np.maximum(z - t, 0)
    return p / p.sum() if normalised else p


@entmax.mistake(
    "the absolute value was taken of what lies below the threshold, so it comes back. Take "
    "np.maximum(…, 0)."
)
def absolute_value(x, alpha):
    z, t = _scaled_and_threshold(x, alpha)
    return np.abs(z - t) ** (1 / (alpha - 1))


@entmax.mistake(
    "a small number stands where 0 belongs. Below the threshold the entries are exactly 0.",
    floor=(1e-8, 1e-10, 1e-12, 1e-15),
)
def small_number_for_zero(x, alpha, *, floor):
    return np.maximum(_powers(*_scaled_and_threshold(x, alpha), alpha), floor)


@entmax.mistake(
    "this is a mixture of softmax and sparsemax. entmax lies between them in another sense: a "
    "power of what lies above a threshold."
)
def mixture_of_the_ends(x, alpha):
    return (2 - alpha) * _softmax(x) + (alpha - 1) * _bisect(_gaps(x), 1.0)


@entmax.mistake(
    "this is the threshold t itself. Return the entries, max((alpha - 1) * x - t, 0) to the power "
    "1 / (alpha - 1).",
    shifted=(True, False),
)
def the_threshold(x, alpha, *, shifted):
    t = _scaled_and_threshold(x, alpha)[1]
    return t if shifted else t + (alpha - 1) * np.max(x)


@entmax.mistake(
    "the bracket begins at the smallest logit. The threshold lies below it where every class gets "
    "a share: begin at max(z) - 1.",
)
def bracket_from_the_smallest(x, alpha):
    z = (alpha - 1) * _gaps(x)
    low, high = np.min(z), 0.0
    for _ in range(80):
        t = (low + high) / 2
        low, high = (t, high) if _powers(z, t, alpha).sum() > 1 else (low, t)
    return _powers(z, low, alpha)


# --- 17.2 ----------------------------------------------------------------------------------------


def _exact_sparsemax_loss(x, label):
    """Take every support, in fractions: −x_y + ½ Σ (x_j² − t²) over the winners, + ½."""
    from fractions import Fraction

    x = [Fraction(float(v)) for v in x]
    ordered = sorted(x, reverse=True)
    size = max(k for k in range(1, len(x) + 1) if 1 + k * ordered[k - 1] > sum(ordered[:k]))
    t = (sum(ordered[:size]) - 1) / size
    return float(-x[label] + sum(v * v - t * t for v in ordered[:size]) / 2 + Fraction(1, 2))


_FAR = _row(1e12 + 0.7, 1e12, 1e12 - 0.5)


@exercise(
    "17.2",
    minutes=9,
    probes=[
        ordinary(_LOGITS, 0, note="four logits, the largest is right"),
        ordinary(_LOGITS, 1, note="four logits, the second is right"),
        ordinary(_LOGITS, 2, note="four logits, the third is right"),
        ordinary(_LOGITS, 3, note="four logits, the smallest is right"),
        ordinary(_row(2.5, 0.5, 0.25), 0, note="a margin above 1: the loss is 0"),
        ordinary(_row(0.5, 1.5, 0.25), 1, note="a margin of 1: the loss is 0"),
        ordinary(_row(0.0, 0.0, 0.0), 1, note="three equal logits: the loss is 1/3"),
        ordinary(_row(-5.5, -5.25, -7.0), 0, note="all logits below −5"),
        ordinary(_row(3.0, 0.5, -1.0), 2, note="a true class with probability 0"),
        ordinary(_row(0.5), 0, note="one class"),
        ordinary(_normal(12), 5, note="12 classes"),
        ordinary(_read_only(_row(0.25, -0.5, 0.5)), 2, note="a read-only row"),
        extreme(_FAR, 0, note="1e12 + (0.7, 0, −0.5), the first is right"),
        extreme(_FAR, 2, note="1e12 + (0.7, 0, −0.5), the last is right"),
        extreme(_row(-1e12, -1e12 - 0.5), 1, note="−1e12 − (0, 0.5), the second is right"),
        extreme(1e12 + _row(0.3, 0.1, 0.2, 0.0, -0.1, 0.25), 3, note="six logits near 1e12"),
    ],
    truth=_exact_sparsemax_loss,
    tolerance=1e-9,
    library=("SparsemaxLoss", "sparsemax_loss", "sparsemax_loss_with_logits"),
    remark="Its gradient is p − e_y, as with softmax; but it can be exactly 0, and stays finite.",
)
def sparsemax_loss(x, label):
    """Return the Fenchel–Young loss of sparsemax for one row, a number ≥ 0.

    x : float array (n,), logits of any size. It is left unchanged.
    label : the true class y, an integer in 0 ... n - 1.

    With p the sparsemax of x it is p·x - |p|²/2 + 1/2 - x_y, where |p|² is the sum of the squares.
    Right to 1e-9, for logits near 1e12 too. kernels.sparsemax(x) may be used for p.
    """
    z = x - np.max(x)
    descending = np.sort(z)[::-1]
    t = np.max((np.cumsum(descending) - 1) / np.arange(1, len(z) + 1))
    p = np.maximum(z - t, 0)
    return p @ (z - z[label]) - p @ p / 2 + 0.5


sparsemax_loss.hints(
    "Which of the four terms gets large when all logits do? Two of them do, and their difference "
    "does not.",
    "p sums to 1, so x_y is the sum of p_j · x_y: p·x − x_y = p·(x − x_y).",
    "p @ (x - x[label]) - p @ p / 2 + 0.5. Only differences of logits occur, and those are exact "
    "here, or nearly so.",
)
sparsemax_loss.reasoning(
    "Subtracting two numbers near 1e12 leaves an error of 1e-4, whatever comes after. Subtract the "
    "logits first, where they still are what was given, and weigh the differences. Where p is 1 on "
    "the true class every term is exact and the loss exactly 0."
)


def _sparsemax(x, *, shifted=True):
    z = x - np.max(x) if shifted else x
    descending = np.sort(z)[::-1]
    t = np.max((np.cumsum(descending) - 1) / np.arange(1, len(z) + 1))
    return np.maximum(z - t, 0)


def _margins(x, label):
    return x - x[label]


@sparsemax_loss.mistake(
    "−log of sparsemax's probability is infinite where the true class has none. The loss asked is "
    "another one: p·x − |p|²/2 + 1/2 − x_y."
)
def minus_log_p(x, label):
    return -np.log(_sparsemax(x)[label])


@sparsemax_loss.mistake(
    "−log(p + ε) is a number that ε chose, where the true class has probability 0. The loss asked "
    "takes no logarithm.",
    eps=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20),
    clipped=(False, True),
)
def log_with_epsilon(x, label, *, eps, clipped):
    p = _sparsemax(x)[label]
    return -np.log(max(p, eps) if clipped else p + eps)


@sparsemax_loss.mistake("this is the cross-entropy of softmax. Take p from the sparsemax.")
def cross_entropy_instead(x, label):
    return _logsumexp(_margins(x, label))


@sparsemax_loss.mistake(
    "the squares are summed over all classes. In the short form, −x_y + ½ Σ (x_j² − t²) + ½, the "
    "sum runs over the classes with p_j > 0.",
    shifted=(True, False),
)
def squares_of_all(x, label, *, shifted):
    z = x - np.max(x) if shifted else x
    t = np.max(z) - np.max(_sparsemax(x))
    return -z[label] + np.sum(z**2 - t**2) / 2 + 0.5


@sparsemax_loss.mistake(
    "squares of the logits themselves: of 1e12 they are 1e24, and nothing of the loss is left. "
    "Subtract the maximum, or the true class's logit, first.",
    form=("winners", "distances"),
)
def squares_unshifted(x, label, *, form):
    p = _sparsemax(x)
    if form == "distances":
        return np.sum((x - np.eye(len(x))[label]) ** 2) / 2 - np.sum((x - p) ** 2) / 2
    t = np.max(x) - np.max(p)
    return -x[label] + np.sum((x**2 - t**2)[p > 0]) / 2 + 0.5


@sparsemax_loss.mistake(
    "p·x and x_y are subtracted after the logits were multiplied and added: near 1e12 that leaves "
    "an error of 1e-4. Subtract first: p·(x − x_y).",
    form=("first", "last", "one by one"),
)
def dot_after(x, label, *, form):
    p = _sparsemax(x)
    if form == "first":
        return p @ x - x[label] - p @ p / 2 + 0.5
    if form == "last":
        return p @ x - p @ p / 2 + 0.5 - x[label]
    return np.sum(p * x) + (1 - np.sum(p * p)) / 2 - x[label]


@sparsemax_loss.mistake(
    "the sparsemax was computed from unshifted logits: sums of numbers near 1e12 have lost what "
    "the threshold needs. Subtract the maximum first."
)
def threshold_unshifted(x, label):
    p = _sparsemax(x, shifted=False)
    return p @ _margins(x, label) - p @ p / 2 + 0.5


@sparsemax_loss.mistake(
    "a factor ½ is missing: |p|² and 1 are both halved.", half=("neither", "of the squares")
)
def no_half(x, label, *, half):
    p = _sparsemax(x)
    return p @ _margins(x, label) - p @ p + (1 if half == "neither" else 0.5)


@sparsemax_loss.mistake(
    "the term in |p|² is missing. Without it the loss is not 0 where the answer is right, or not "
    "least there.",
    one=(0.0, 0.5),
)
def no_squares(x, label, *, one):
    return _sparsemax(x) @ _margins(x, label) + one


@sparsemax_loss.mistake("the + 1/2 is missing: where p is right the loss has to be 0, not −1/2.")
def no_one(x, label):
    p = _sparsemax(x)
    return p @ _margins(x, label) - p @ p / 2


@sparsemax_loss.mistake("|p|²/2 is added; it has to be subtracted.", one=(0.5, -0.5, 0.0))
def sign_of_the_squares(x, label, *, one):
    p = _sparsemax(x)
    return p @ _margins(x, label) + p @ p / 2 + one


@sparsemax_loss.mistake(
    "this is the squared distance of p from the true class, a Brier score. The loss asked is made "
    "of the logits, too, and goes on growing where p is 0.",
    factor=(1.0, 0.5),
)
def brier(x, label, *, factor):
    return factor * np.sum((_sparsemax(x) - np.eye(len(x))[label]) ** 2)


@sparsemax_loss.mistake(
    "1 − p_y cannot exceed 1, and is flat where p_y is 0. The loss asked is made of the logits."
)
def one_minus_p(x, label):
    return 1 - _sparsemax(x)[label]


@sparsemax_loss.mistake(
    "this is a hinge loss. It is 0 from the same margin on, but it has a corner where this one is "
    "smooth.",
    total=(False, True),
)
def hinge(x, label, *, total):
    over = np.maximum(0, 1 + np.delete(_margins(x, label), label))
    return np.sum(over) if total else np.max(over, initial=0.0)


@sparsemax_loss.mistake(
    "that is a squared distance in the logits. Half the distance of x from the true class is one "
    "part of the loss; that of x from p is the other, and is subtracted.",
    factor=(1.0, 0.5),
    from_p=(False, True),
)
def squared_distance(x, label, *, factor, from_p):
    target = _sparsemax(x) if from_p else np.eye(len(x))[label]
    return factor * np.sum((x - target) ** 2)


@sparsemax_loss.mistake("p is the softmax here. Take the sparsemax.")
def softmax_inside(x, label):
    p = _softmax(x)
    return p @ _margins(x, label) - p @ p / 2 + 0.5


@sparsemax_loss.mistake("the sign is turned round: a loss is at least 0.")
def sign_of_the_loss(x, label):
    p = _sparsemax(x)
    return -(p @ _margins(x, label) - p @ p / 2 + 0.5)


# --- 17.3 ----------------------------------------------------------------------------------------


def _exact_multilabel(logits, targets):
    import mpmath

    with mpmath.workdps(60):
        terms = [
            mpmath.log1p(mpmath.exp(mpmath.mpf(float(-x if t else x))))
            for x, t in zip(np.ravel(logits), np.ravel(targets), strict=True)
        ]
        return float(mpmath.fsum(terms) / len(terms))


_SOME = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])
_SOME_TARGETS = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


@exercise(
    "17.3",
    minutes=7,
    probes=[
        ordinary(_SOME, _SOME_TARGETS, note="two rows of three labels"),
        ordinary(_normal(3, 3), np.array([[1.0, 0, 1], [0, 1, 0], [1, 1, 0]]), note="3 × 3"),
        ordinary(
            _normal(3, 4), np.array([[0.0] * 4, [1.0] * 4, [1.0, 0, 1, 1]]), note="none, all, some"
        ),
        ordinary(_row(0.75, -0.25)[None], np.zeros((1, 2)), note="one row without a label"),
        ordinary(_normal(4, 1), _row(1, 0, 0, 1)[:, None], note="a single label, K = 1"),
        ordinary(np.zeros((2, 2)), np.eye(2), note="all logits 0: the loss is ln 2"),
        ordinary(_normal(5, 2), np.array([[1.0, 1], [1, 0], [0, 1], [1, 1], [0, 0]]), note="5 × 2"),
        ordinary(_read_only(_SOME.copy()), _read_only(_SOME_TARGETS.copy()), note="read-only"),
        extreme(_row(40, -40)[None], _row(1, 0)[None], note="sure and right: a loss of 4.2e-18"),
        extreme(_row(-60, 60)[None], _row(0, 1)[None], note="surer and right"),
        extreme(
            np.array([[1000.0, -1000.0], [-1000.0, 1000.0]]),
            np.array([[1.0, 0.0], [1.0, 0.0]]),
            note="±1000, right and wrong",
        ),
        extreme(_row(-200, 0)[None], _row(1, 1)[None], note="−200 on a label"),
        extreme(_row(2, -800)[None], _row(0, 0)[None], note="2 and −800, without a label"),
    ],
    truth=_exact_multilabel,
    library=(
        "binary_cross_entropy_with_logits",
        "BCEWithLogitsLoss",
        "MultiLabelSoftMarginLoss",
        "multilabel_soft_margin_loss",
        "sigmoid_cross_entropy_with_logits",
        "sigmoid_binary_cross_entropy",
    ),
    remark="This is torch.nn.BCEWithLogitsLoss: a two-class softmax for each label apart.",
)
def multilabel_loss(logits, targets):
    """Return the mean loss of independent yes-or-no labels, a number.

    logits : float array (N, K) of any size. targets : float array (N, K) of zeros and ones; a row
    may have no 1 or several. Both are left unchanged.

    Entry (i, k) costs -log sigmoid(x) where its target is 1, and -log(1 - sigmoid(x)) where it is
    0. The mean runs over all N * K entries. Small losses keep their digits: the error is relative.
    Write it yourself: no ready-made binary cross-entropy.
    """
    z = (1 - 2 * targets) * logits
    return np.mean(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))))


multilabel_loss.hints(
    "1 − sigmoid(x) is sigmoid(−x). So both cases are one function, of x or of −x.",
    "−log sigmoid(x) = log(1 + exp(−x)): with z = −x for a 1 and z = x for a 0 each entry costs "
    "log(1 + exp(z)).",
    "For z > 0 that is z + log(1 + exp(−z)): nothing overflows. And np.log1p keeps what 1 + tiny "
    "would lose.",
    "np.logaddexp(0, z) does just that.",
)
multilabel_loss.reasoning(
    "(1 − 2t)·x turns the sign where the target is 1, so that a large z is always an error. "
    "log(1 + e^z) = max(z, 0) + log(1 + e^(−|z|)) holds for both signs of z, and the exponential "
    "is at most 1. Where z is very negative the loss *is* that exponential, e^z: log1p returns it, "
    "and log(1 + …) returns 0."
)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _turned(logits, targets):
    return (1 - 2 * targets) * logits


def _costs(logits, targets):
    return np.logaddexp(0, _turned(logits, targets))


def _log_softmax(x):
    return x - _logsumexp(x)[..., None]


@multilabel_loss.mistake(
    "a softmax makes the labels of a row share one 1. Here each label has a sigmoid of its own.",
    averaged=(True, False),
)
def softmax_cross_entropy(logits, targets, *, averaged):
    terms = -targets * _log_softmax(logits)
    return np.mean(terms) if averaged else np.mean(np.sum(terms, axis=1))


@multilabel_loss.mistake(
    "the targets of a row are divided by their sum, for a softmax: a row without a label has no "
    "such target. Each label has a sigmoid of its own.",
    least=(0.0, 1.0),
    averaged=(False, True),
)
def normalised_targets(logits, targets, *, least, averaged):
    q = targets / np.maximum(targets.sum(axis=1, keepdims=True), least)
    terms = -q * _log_softmax(logits)
    return np.mean(terms) if averaged else np.mean(np.sum(terms, axis=1))


def _binary(p, targets, *, guarded=True):
    if guarded:
        return -np.log(np.where(targets == 1, p, 1 - p))
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p))


@multilabel_loss.mistake(
    "the probabilities come from a softmax over the labels: they share one 1. Take a sigmoid of "
    "each logit.",
    guarded=(True, False),
)
def bce_of_softmax(logits, targets, *, guarded):
    return np.mean(_binary(_softmax(logits), targets, guarded=guarded))


@multilabel_loss.mistake(
    "the log is taken of what has lost its digits: of a sigmoid that is already 0 or 1, or of "
    "1 + exp(z), which is inf or 1. Take max(z, 0) + log1p(exp(−|z|)).",
    guarded=(True, False),
)
def log_of_sigmoid(logits, targets, *, guarded):
    return np.mean(_binary(_sigmoid(logits), targets, guarded=guarded))


@multilabel_loss.mistake(
    "exp(z) overflows for a confident error. Take z out of the logarithm where it is positive: "
    "max(z, 0) + log1p(exp(−|z|))."
)
def exp_overflows(logits, targets):
    return np.mean(np.log1p(np.exp(_turned(logits, targets))))


@multilabel_loss.mistake(
    "1 + exp(−40) is 1 in floats, and its log 0. Take np.log1p: small losses keep their digits."
)
def log_of_one_plus(logits, targets):
    z = _turned(logits, targets)
    return np.mean(np.maximum(z, 0) + np.log(1 + np.exp(-np.abs(z))))


@multilabel_loss.mistake(
    "an ε inside the log, or a clipped probability, puts a ceiling on the loss and a floor under "
    "it. Stay with the logits.",
    eps=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20),
    clipped=(False, True),
)
def epsilon(logits, targets, *, eps, clipped):
    p = _sigmoid(logits)
    if clipped:
        return np.mean(_binary(np.clip(p, eps, 1 - eps), targets))
    return np.mean(-(targets * np.log(p + eps) + (1 - targets) * np.log(1 - p + eps)))


@multilabel_loss.mistake(
    "the loss stops at 100, or another ceiling. −200 on a label costs 200.",
    ceiling=(20.0, 50.0, 100.0),
    form=("of the sigmoid", "of the logits"),
)
def clamped(logits, targets, *, ceiling, form):
    costs = _costs(logits, targets)
    if form == "of the sigmoid":
        costs = _binary(_sigmoid(logits), targets)
    return np.mean(np.minimum(costs, ceiling))


@multilabel_loss.mistake("that is the sum. The mean over all N · K entries was asked.")
def summed(logits, targets):
    return np.sum(_costs(logits, targets))


@multilabel_loss.mistake(
    "the labels of a row are summed, and only the rows averaged. Divide by N · K."
)
def sum_over_labels(logits, targets):
    return np.mean(np.sum(_costs(logits, targets), axis=1))


@multilabel_loss.mistake("the rows are summed, and only the labels averaged. Divide by N · K.")
def sum_over_rows(logits, targets):
    return np.mean(np.sum(_costs(logits, targets), axis=0))


@multilabel_loss.mistake(
    "a number for each row, label or entry came back. Their mean was asked.",
    reduce=(lambda c: c.mean(axis=1), lambda c: c.mean(axis=0), lambda c: c),
)
def not_averaged(logits, targets, *, reduce):
    return reduce(_costs(logits, targets))


@multilabel_loss.mistake(
    "only the ones are counted. A zero is a statement, too: it costs −log(1 − sigmoid(x))."
)
def positives_only(logits, targets):
    return np.mean(targets * _costs(logits, targets))


@multilabel_loss.mistake(
    "only the ones are counted, and divided by their number. All N · K entries count, the zeros "
    "too.",
    least=(0.0, 1.0),
)
def mean_of_positives(logits, targets, *, least):
    return np.sum(targets * _costs(logits, targets)) / np.maximum(targets.sum(), least)


@multilabel_loss.mistake(
    "the targets are turned round: a large logit has to be cheap where the target is 1."
)
def targets_flipped(logits, targets):
    return np.mean(_costs(logits, 1 - targets))


@multilabel_loss.mistake("the sigmoid was taken twice: of the logits, and again inside the loss.")
def sigmoid_twice(logits, targets):
    return np.mean(_costs(_sigmoid(logits), targets))


@multilabel_loss.mistake(
    "this is the squared error of the sigmoids. The loss asked is a negative log.",
    factor=(1.0, 0.5),
)
def squared(logits, targets, *, factor):
    return factor * np.mean((_sigmoid(logits) - targets) ** 2)


@multilabel_loss.mistake("the sign is turned round: the negative log of a probability is positive.")
def sign_of_the_log(logits, targets):
    return -np.mean(_costs(logits, targets))


# --- 17.4 ----------------------------------------------------------------------------------------


def _exact_sampled(x_y, x_s, log_q):
    import mpmath

    losses = []
    with mpmath.workdps(60):
        for target, row, logs in zip(x_y, x_s, log_q, strict=True):
            terms = [
                mpmath.exp(mpmath.mpf(float(x)) - mpmath.mpf(float(log)))
                for x, log in zip(row, logs, strict=True)
            ]
            own = mpmath.exp(mpmath.mpf(float(target)))
            losses.append(float(mpmath.log1p(mpmath.fsum(terms) / len(row) / own)))
    return np.array(losses)


def _largest(*arrays):
    return max(1.0, *(float(np.max(np.abs(a))) for a in arrays))


_TARGETS = _row(0.5, -1.0)
_SAMPLED = np.array([[0.25, 1.0, -0.5], [2.0, -1.5, 0.75]])
_LOG_Q = np.log([[0.1, 0.4, 0.25], [0.05, 0.3, 0.2]])


@exercise(
    "17.4",
    minutes=10,
    probes=[
        ordinary(_TARGETS, _SAMPLED, _LOG_Q, note="2 rows, 3 samples each"),
        ordinary(
            _normal(3), _normal(3, 3), np.log(_rng.uniform(0.02, 0.5, (3, 3))),
            note="3 rows, 3 samples each",
        ),
        ordinary(_row(0.5), _row(1.25)[None], np.log(_row(0.2)[None]), note="one row, one sample"),
        ordinary(
            _normal(4), _normal(4, 2), np.log(_rng.uniform(0.02, 0.5, (4, 2))),
            note="4 rows, 2 samples each",
        ),
        ordinary(
            _normal(3), _normal(3, 1), np.log([[0.5], [0.1], [0.02]]), note="3 rows, 1 sample each"
        ),
        ordinary(_TARGETS, _SAMPLED, np.full((2, 3), np.log(0.25)), note="q = 1/4 for all"),
        ordinary(
            _row(0.25), _row(1, 1, 0.5)[None], np.log(_row(0.4, 0.4, 0.1)[None]),
            note="the same class drawn twice",
        ),
        ordinary(
            _read_only(_TARGETS.copy()), _read_only(_SAMPLED.copy()), _read_only(_LOG_Q.copy()),
            note="read-only",
        ),
        extreme(
            _row(1000, -1000), np.array([[999.0, 1001.0, 998.0], [-1000.0, -999.0, -1003.0]]),
            _LOG_Q, note="logits of 1000 and −1000",
        ),
        extreme(
            _row(1000, -1000), np.array([[-1000.0, -999.0], [1000.0, 998.0]]), _LOG_Q[:, :2],
            note="target and samples 2000 apart",
        ),
        extreme(_row(-1000), _row(-1000.5, -999)[None], _LOG_Q[:1, :2], note="all near −1000"),
        extreme(_row(0.5), _row(1000, 2)[None], _LOG_Q[:1, :2], note="a sample of 1000"),
    ],
    truth=_exact_sampled,
    scale=lambda x_y, x_s, log_q, expected: _largest(x_y, x_s, log_q),
    library=("sampled_softmax_loss",),
    remark="Averaged over many samples the sum is right; its log is a little too small.",
)  # fmt: skip
def sampled_loss(x_y, x_s, log_q):
    """Return each row's loss log Z - x_y, with the sum Z estimated from a sample.

    x_y : float array (N,), the target's logit.
    x_s : float array (N, m), the logits of m classes drawn with replacement, never the target.
    log_q : float array (N, m), the log of the probability with which each was drawn.

    Z = exp(x_y) + (1/m) * the sum of exp(x_s) / q over the row's m samples. Returns an array (N,).
    Logits of any size must work. All arguments stay unchanged.
    """
    m = x_s.shape[1]
    z = np.column_stack([x_y, x_s - log_q - np.log(m)])
    top = z.max(axis=1)
    return top - x_y + np.log(np.exp(z - top[:, None]).sum(axis=1))


sampled_loss.hints(
    "1/(m q) is a factor before an exponential. What does it become inside?",
    "exp(x_s) / (m q) = exp(x_s − log q − log m): corrected logits. Z is a sum of m + 1 "
    "exponentials.",
    "So the loss is the log-sum-exp of x_y and the m corrected logits, minus x_y, row by row: "
    "np.column_stack puts them side by side.",
    "Subtract each row's maximum before exp, as always. scipy.special.logsumexp may be used.",
)
sampled_loss.reasoning(
    "A class that is drawn with probability q stands for 1/q classes; the mean of m draws divides "
    "by m. Both are factors, and in the logits they are − log q and − log m. The target is not "
    "drawn, it is always there: its term stands beside the mean, with the factor 1. What is left "
    "is the log-sum-exp of notebook 04."
)


def _sampled(x_y, x_s, log_q, *, sign=-1.0, m=None, own=0.0, shifted=True):
    """Return the loss with another correction of the samples, or of the target."""
    m = x_s.shape[1] if m is None else m
    z = np.column_stack([x_y + own, x_s + sign * log_q - np.log(m)])
    return (_logsumexp(z) if shifted else np.log(np.exp(z).sum(axis=1))) - x_y


@sampled_loss.mistake(
    "the samples are taken as if they were all the other classes. A class drawn with probability q "
    "stands for 1/q of them: subtract log q, and log m for the mean."
)
def no_correction(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q, sign=0.0, m=1)


@sampled_loss.mistake(
    "log q is added. A class that is drawn often counts less each time: subtract it.",
    with_m=(True, False),
)
def adds_log_q(x_y, x_s, log_q, *, with_m):
    return _sampled(x_y, x_s, log_q, sign=1.0, m=None if with_m else 1)


@sampled_loss.mistake(
    "log q does not enter: this is the mean of exp(x_s), as if all classes together were one. "
    "Divide each by its q."
)
def log_q_forgotten(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q, sign=0.0)


@sampled_loss.mistake(
    "q itself is subtracted from the logits. log_q holds the logs already: leave exp away.",
    with_m=(True, False),
)
def q_not_log(x_y, x_s, log_q, *, with_m):
    return _sampled(x_y, x_s, np.exp(log_q), m=None if with_m else 1)


@sampled_loss.mistake("the sum over the samples is not divided by m. A mean of m draws is asked.")
def m_forgotten(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q, m=1)


@sampled_loss.mistake("log m is added: the samples are multiplied by m. Subtract it.")
def adds_log_m(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q, m=1 / x_s.shape[1])


@sampled_loss.mistake(
    "the samples are divided by another number than m: by m + 1, as if the target were one of "
    "them, or by m − 1.",
    more=(1, -1),
)
def m_plus_one(x_y, x_s, log_q, *, more):
    return _sampled(x_y, x_s, log_q, m=x_s.shape[1] + more)


@sampled_loss.mistake(
    "the sum is divided by N, the number of rows. Divide by m, the samples a row."
)
def batch_size_for_m(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q, m=len(x_y))


@sampled_loss.mistake("m is subtracted, not its log: 1/m becomes − log m in the logits.")
def m_not_log(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q, m=np.exp(x_s.shape[1]))


@sampled_loss.mistake(
    "the weights 1/q are divided by their sum. That makes a mean of them, and Z is a sum over all "
    "classes: the weights are 1/(m q)."
)
def weights_normalised(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q + _logsumexp(-log_q)[:, None], m=1)


@sampled_loss.mistake(
    "the target is not in the sum. Z runs over all classes, its own exp(x_y) beside the samples'."
)
def target_not_in_the_sum(x_y, x_s, log_q):
    return _logsumexp(x_s - log_q) - np.log(x_s.shape[1]) - x_y


@sampled_loss.mistake("the target is in the sum twice.")
def target_twice(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q, own=np.log(2))


@sampled_loss.mistake(
    "the target is divided along with the samples. It was not drawn: its factor is 1.",
    count=(1, 0),
)
def target_averaged(x_y, x_s, log_q, *, count):
    m = x_s.shape[1] + count
    return _sampled(x_y, x_s, log_q, m=m, own=-np.log(m))


@sampled_loss.mistake(
    "the mean was taken of the logits. The mean of the exponentials is asked: log Σ exp − log m."
)
def mean_of_the_logits(x_y, x_s, log_q):
    return np.logaddexp(x_y, np.mean(x_s - log_q, axis=1)) - x_y


@sampled_loss.mistake("log Z came back. The loss is log Z − x_y.")
def log_sum_only(x_y, x_s, log_q):
    return _sampled(x_y, x_s, log_q) + x_y


@sampled_loss.mistake(
    "the losses of all rows are put together. One for each row was asked, shape (N,).",
    reduce=(np.mean, np.sum),
)
def mean_over_the_rows(x_y, x_s, log_q, *, reduce):
    return reduce(_sampled(x_y, x_s, log_q))


@sampled_loss.mistake(
    "exp overflows, or all of it vanishes. Subtract each row's maximum before exp.",
    form=("log of the sum", "log of the fraction"),
)
def unshifted(x_y, x_s, log_q, *, form):
    if form == "log of the sum":
        return _sampled(x_y, x_s, log_q, shifted=False)
    total = np.exp(x_y) + np.mean(np.exp(x_s) / np.exp(log_q), axis=1)
    return -np.log(np.exp(x_y) / total)


@sampled_loss.mistake(
    "one maximum is subtracted for all rows: a row far below it is left with log 0. Each row has "
    "its own."
)
def one_maximum_for_all_rows(x_y, x_s, log_q):
    z = np.column_stack([x_y, x_s - log_q - np.log(x_s.shape[1])])
    return z.max() - x_y + np.log(np.exp(z - z.max()).sum(axis=1))


@sampled_loss.mistake("the sign is turned round: the loss is log Z − x_y.")
def sign_of_the_sampled_loss(x_y, x_s, log_q):
    return -_sampled(x_y, x_s, log_q)


# --- 17.5 ----------------------------------------------------------------------------------------


def _exact_in_batch(scores, log_q):
    import mpmath

    size = len(log_q)
    with mpmath.workdps(60):
        z = [
            [mpmath.mpf(float(scores[i, j])) - mpmath.mpf(float(log_q[j])) for j in range(size)]
            for i in range(size)
        ]
        losses = [
            mpmath.log1p(mpmath.fsum(mpmath.exp(z[i][j] - z[i][i]) for j in range(size) if j != i))
            for i in range(size)
        ]
        return float(mpmath.fsum(losses) / size)


_SCORES = np.array([[1.0, 0.5, -0.5], [0.25, 2.0, 1.5], [-1.0, 0.75, 0.5]])
_ITEM_LOG_Q = np.log(_row(0.5, 0.2, 0.05))
_TWICE = np.array([[1.0, 0.5, 1.0], [0.25, 2.0, 0.25], [0.75, -0.5, 0.75]])


@exercise(
    "17.5",
    minutes=9,
    probes=[
        ordinary(_SCORES, _ITEM_LOG_Q, note="3 queries, 3 items"),
        ordinary(_normal(4, 4), np.log(_row(0.4, 0.1, 0.02, 0.3)), note="4 queries, 4 items"),
        ordinary(_normal(2, 2), np.log(_row(0.6, 0.1)), note="2 queries, 2 items"),
        ordinary(np.full((2, 2), 0.5), np.log(_row(0.8, 0.2)), note="equal scores, q = (0.8, 0.2)"),
        ordinary(_SCORES, np.log(np.full(3, 0.25)), note="all items equally popular"),
        ordinary(_TWICE, np.log(_row(0.5, 0.2, 0.5)), note="the same item in two rows"),
        ordinary(_row(0.75)[None], np.log(_row(0.3)), note="a batch of one: the loss is 0"),
        ordinary(_read_only(_SCORES.copy()), _read_only(_ITEM_LOG_Q.copy()), note="read-only"),
        extreme(
            np.array([[1000.0, 999.0, 998.5], [1001.0, 1000.0, 999.0], [1000.0, 998.0, 1000.0]]),
            _ITEM_LOG_Q, note="scores near 1000",
        ),
        extreme(
            np.array([[-1000.0, -999.5], [-1001.0, -1000.0]]), _ITEM_LOG_Q[:2],
            note="scores near −1000",
        ),
        extreme(
            np.array([[1000.0, 999.0], [-1001.0, -1000.0]]), _ITEM_LOG_Q[:2],
            note="two queries 2000 apart",
        ),
        extreme(
            np.array([[-1000.0, 1000.0], [2.0, 1.0]]), _ITEM_LOG_Q[:2],
            note="a score of 1000 beside one of −1000",
        ),
    ],
    truth=_exact_in_batch,
    scale=lambda scores, log_q, expected: _largest(scores, log_q),
    library=("MultipleNegativesRankingLoss", "NTXentLoss"),
    remark="With it the scores learn log P(y | x). Without it they learn log P(y | x) / P(y).",
)  # fmt: skip
def in_batch_loss(scores, log_q):
    """Return the mean in-batch softmax loss, corrected for the items' popularity, a number.

    scores : float array (B, B): query i (row) with the item of row j (column). A query's own item
        stands on the diagonal.
    log_q : float array (B,), the log of the probability with which item j comes into a batch.

    Each query's loss is the cross-entropy of its own item among all B columns, with the scores
    minus the log_q of their items. An item that stands in several columns stays in all of them.
    Scores of any size must work. Both arguments stay unchanged.
    """
    z = scores - log_q
    z = z - z.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(z).sum(axis=1)) - np.diag(z))


in_batch_loss.hints(
    "The other rows' items are a sample of all items. How is a sampled logit corrected in 17.4?",
    "log_q belongs to the items, which are the columns: scores - log_q subtracts log_q[j] from "
    "column j. The own item's, too: it came into the batch in the same way.",
    "The right class of row i is i. So the loss of a row is the log-sum-exp of the corrected row, "
    "minus its entry on the diagonal.",
)
in_batch_loss.reasoning(
    "Popular items come as rivals more often. Left alone, the loss makes up for that by lowering "
    "their scores: it learns log P(y | x)/P(y). Subtracting log q from every column takes the "
    "popularity out of the rivals, so that the scores may keep it. Broadcasting a (B,) array "
    "against (B, B) runs along the columns, which is what is wanted here."
)


def _losses(z, numerator=None):
    return _logsumexp(z) - np.diag(z if numerator is None else numerator)


@in_batch_loss.mistake(
    "log_q is added. It has to be subtracted: an item that comes often is no better for it."
)
def adds_the_log_q(scores, log_q):
    return np.mean(_losses(scores + log_q))


@in_batch_loss.mistake(
    "log_q has no effect: it is missing, or subtracted along the rows, as log_q[:, None], a "
    "constant for each row, which softmax does not see. Subtract it from the columns.",
)
def log_q_without_effect(scores, log_q):
    return np.mean(_losses(scores))


@in_batch_loss.mistake(
    "only the other items are corrected. The own item came into the batch in the same way: "
    "subtract log_q from the diagonal, too."
)
def negatives_only(scores, log_q):
    return np.mean(_losses(np.where(np.eye(len(log_q)) == 1, scores, scores - log_q)))


@in_batch_loss.mistake("only a query's own item is corrected. Subtract log_q from all columns.")
def positive_only(scores, log_q):
    return np.mean(_losses(np.where(np.eye(len(log_q)) == 1, scores - log_q, scores)))


@in_batch_loss.mistake("log_q is subtracted twice.")
def corrected_twice(scores, log_q):
    return np.mean(_losses(scores - 2 * log_q))


@in_batch_loss.mistake(
    "q itself enters. log_q holds the logs already: subtract them as they are.",
    sign=(-1.0, 1.0),
)
def probability_for_its_log(scores, log_q, *, sign):
    return np.mean(_losses(scores + sign * np.exp(log_q)))


@in_batch_loss.mistake(
    "the scores are divided by q. A factor 1/q before the exponential is − log q inside it.",
    divisor=(np.exp, lambda log_q: log_q),
)
def divides_by_q(scores, log_q, *, divisor):
    return np.mean(_losses(scores / divisor(log_q)))


@in_batch_loss.mistake(
    "the scores are multiplied by q, or by its log. Subtract the log.",
    factor=(np.exp, lambda log_q: log_q, lambda log_q: -log_q),
)
def multiplies_by_q(scores, log_q, *, factor):
    return np.mean(_losses(scores * factor(log_q)))


@in_batch_loss.mistake(
    "the softmax runs over the queries. For each query the items compete: take axis=1.",
    correct=(lambda s, q: s, lambda s, q: s - q[:, None], lambda s, q: s + q[:, None]),
)
def over_queries(scores, log_q, *, correct):
    return np.mean(_losses(correct(scores, log_q).T))


@in_batch_loss.mistake(
    "both directions are averaged. Here only the items compete, for each query.",
    correct=(
        lambda s, q: (s - q, s.T),
        lambda s, q: (s - q, s.T - q),
        lambda s, q: (s, s.T),
    ),
)
def both_ways(scores, log_q, *, correct):
    rows, columns = correct(scores, log_q)
    return (np.mean(_losses(rows)) + np.mean(_losses(columns))) / 2


@in_batch_loss.mistake(
    "the own item is not in the sum. A softmax's denominator has all B columns.",
    corrected=(True, False),
)
def own_item_not_in_the_sum(scores, log_q, *, corrected):
    z = scores - log_q if corrected else scores
    rivals = np.where(np.eye(len(z)) == 1, -np.inf, z)
    top = np.max(np.where(np.isfinite(rivals), rivals, -1e300), axis=1)
    return np.mean(np.log(np.exp(rivals - top[:, None]).sum(axis=1)) + top - np.diag(z))


@in_batch_loss.mistake(
    "numerator and denominator use different scores. The corrected ones belong in both.",
    which=("denominator", "numerator"),
)
def mixed_scores(scores, log_q, *, which):
    z = scores - log_q
    return np.mean(_losses(z, scores) if which == "denominator" else _losses(scores, z))


@in_batch_loss.mistake(
    "the first item counts as everybody's own. The own item of row i stands in column i.",
    corrected=(True, False),
)
def label_zero(scores, log_q, *, corrected):
    z = scores - log_q if corrected else scores
    return np.mean(_logsumexp(z) - z[:, 0])


@in_batch_loss.mistake(
    "columns that hold the same item as a query's own are left out. They have to stay: log_q has "
    "paid for the copies."
)
def copies_left_out(scores, log_q):
    columns = np.vstack([scores, log_q]).T
    same = np.all(columns[:, None] == columns[None], axis=2) & (np.eye(len(log_q)) == 0)
    return np.mean(_losses(np.where(same, -np.inf, scores - log_q)))


@in_batch_loss.mistake("that is the sum over the queries. Their mean was asked.")
def sum_over_the_queries(scores, log_q):
    return np.sum(_losses(scores - log_q))


@in_batch_loss.mistake(
    "the mean runs over all B · B entries. Each query has one loss: divide by B.",
    diagonal=(True, False),
)
def mean_over_entries(scores, log_q, *, diagonal):
    z = scores - log_q
    return np.sum(_losses(z)) / z.size if diagonal else np.mean(_logsumexp(z)[:, None] - z)


@in_batch_loss.mistake("a loss for each query came back. Their mean was asked.")
def loss_of_each_query(scores, log_q):
    return _losses(scores - log_q)


@in_batch_loss.mistake(
    "log B is in the result. It turns the loss into an estimate of information, and was not asked.",
    sign=(1.0, -1.0),
)
def log_b_subtracted(scores, log_q, *, sign):
    return sign * (np.mean(_losses(scores - log_q)) - np.log(len(log_q)))


@in_batch_loss.mistake(
    "exp overflows, or all of it vanishes. Subtract each row's maximum before exp.",
    form=("log of the sum", "log of the fraction"),
)
def unshifted_scores(scores, log_q, *, form):
    z = scores - log_q
    if form == "log of the sum":
        return np.mean(np.log(np.exp(z).sum(axis=1)) - np.diag(z))
    e = np.exp(z)
    return -np.mean(np.log(np.diag(e) / e.sum(axis=1)))


@in_batch_loss.mistake(
    "the log is taken of a softmax that may be 0. Stay in logs: log-sum-exp minus the own score."
)
def log_of_softmax(scores, log_q):
    return -np.mean(np.log(np.diag(_softmax(scores - log_q))))


@in_batch_loss.mistake(
    "one maximum is subtracted for the whole batch: a query far below it is left with log 0. Each "
    "row has its own."
)
def one_maximum_for_the_batch(scores, log_q):
    z = scores - log_q - np.max(scores - log_q)
    return np.mean(np.log(np.exp(z).sum(axis=1)) - np.diag(z))


@in_batch_loss.mistake("the sign is turned round: a cross-entropy is at least 0.")
def sign_of_the_batch_loss(scores, log_q):
    return -np.mean(_losses(scores - log_q))


# --- 17.6 ----------------------------------------------------------------------------------------


def _outside_the_hull(W, i):
    """Measure the distance of row i from the others' convex hull, by non-negative least squares."""
    from scipy.optimize import nnls

    others = np.delete(np.asarray(W, dtype=float), i, axis=0)
    if len(others) == 0:
        return True
    system = np.vstack([others.T, np.ones(len(others))])
    return bool(nnls(system, np.append(W[i], 1.0))[1] > 1e-7)


_ANGLES = np.arange(8) * np.pi / 4
_OCTAGON = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_MIDDLE = np.array([np.cos(np.pi / 8), np.sin(np.pi / 8)])
_BULGE = np.vstack([_OCTAGON, (np.cos(np.pi / 8) + 0.01) * _MIDDLE])
_DENT = np.vstack([_OCTAGON, (np.cos(np.pi / 8) - 0.01) * _MIDDLE])
_TRIANGLE = np.array([[2.0, 0.0], [-1.0, 2.0], [-1.0, -2.0], [0.25, 0.25]])
_POSITIVE = np.array([[4.0, 1.0], [1.0, 4.0], [3.5, 3.0], [1.0, 1.0], [2.0, 2.0]])
_CLOUD = np.random.default_rng(3).normal(size=(12, 3))
_LINE = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [-1.0, -2.0]])
_SIMPLEX = np.vstack([4 * np.eye(4), np.zeros(4)])
_LIFTED = np.vstack([_SIMPLEX, np.full(4, 1.0 + 0.005)])  # just above the middle of a face
_BLUNT = np.array([[-2.0, 1.999], [2.571, 1.999], [1.0, 2.0]])
_PYRAMID = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0], [4, 4, 0], [1, 1, 1]])
_SQUARE = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [1.0, 0.0]])


@exercise(
    "17.6",
    minutes=12,
    probes=[
        ordinary(_TRIANGLE, 3, note="a row inside a triangle of others"),
        ordinary(_TRIANGLE, 1, note="a corner of a triangle"),
        ordinary(_POSITIVE, 2, note="all rows in the positive quadrant, a corner"),
        ordinary(_POSITIVE, 3, note="all rows in the positive quadrant, the corner next to 0"),
        ordinary(_POSITIVE, 4, note="all rows in the positive quadrant, one inside"),
        ordinary(-_POSITIVE, 2, note="all rows in the negative quadrant, the corner farthest out"),
        ordinary(-_POSITIVE, 3, note="all rows in the negative quadrant, the corner next to 0"),
        *(
            ordinary(_CLOUD, i, note=f"12 classes, 3 features, class {i}")
            for i in (0, 1, 2, 4, 5, 8, 11)
        ),
        ordinary(_row(0.5, -1, 2)[:, None], 2, note="d = 1, the largest"),
        ordinary(_row(0.5, -1, 2)[:, None], 0, note="d = 1, between two others"),
        ordinary(_row(0.5, -1, 2)[:, None], 1, note="d = 1, the smallest"),
        ordinary(np.array([[1.0, 0], [0, 1], [1, 0], [-1, -1]]), 0, note="two equal rows"),
        ordinary(_SQUARE, 4, note="a row on an edge of a square"),
        ordinary(_SQUARE, 3, note="a corner of a square"),
        ordinary(_LINE, 1, note="four rows on a line, one between"),
        ordinary(_LINE, 2, note="four rows on a line, an end"),
        ordinary(np.array([[1.0, 2, 0], [0, 1, -1]]), 0, note="two rows of three"),
        ordinary(np.array([[1.0, 2, 0], [2, 4, 0]]), 0, note="two rows, one twice the other"),
        ordinary(np.array([[0.5, -1.0]]), 0, note="one class alone"),
        ordinary(np.vstack([np.zeros(2), -_OCTAGON[:3]]), 0, note="a row of zeros, a corner"),
        ordinary(_BULGE, 8, note="0.01 outside an octagon's edge"),
        ordinary(_DENT, 8, note="0.01 inside an octagon's edge"),
        ordinary(_LIFTED, 5, note="just outside a face, in four dimensions"),
        ordinary(_BLUNT, 2, note="the blunt corner of a flat triangle"),
        ordinary(np.array([[0.0, 0], [1, 1], [2, 2]]), 1, note="three rows on a line, the middle"),
        ordinary(_PYRAMID, 4, note="the top of a pyramid"),
    ],
    truth=_outside_the_hull,
    time_limit=10.0,
    remark="Nothing else decides it: not the length of the row, not its direction.",
)
def argmaxable(W, i):
    """Return whether class i can win: True if there is an h with w_i·h > w_j·h for all j ≠ i.

    W : float array (n, d), a class's weights a row. i : an integer in 0 ... n - 1.

    h may be any vector of d numbers, of either sign. One class alone can win. A tie is no win.
    Returns a bool. scipy.optimize.linprog may be used; its default bounds are 0 and infinity.
    """
    from scipy.optimize import linprog

    others = np.delete(W, i, axis=0)
    if len(others) == 0:
        return True
    # Maximise t subject to (w_i - w_j)·h >= t for all j, with h and t at most 1 in size.
    A = np.column_stack([others - W[i], np.ones(len(others))])
    goal = np.append(np.zeros(W.shape[1]), -1.0)
    solved = linprog(goal, A_ub=A, b_ub=np.zeros(len(others)), bounds=(-1, 1))
    return bool(-solved.fun > 1e-9)


argmaxable.hints(
    "If h wins, so does 10 h, by ten times as much. So ask for the largest margin t that an h with "
    "entries between −1 and 1 can have, and whether it is above 0.",
    "That is a linear program in (h, t): maximise t, with (w_j − w_i)·h + t ≤ 0 for all j ≠ i. "
    "linprog minimises, so its goal is −t.",
    "Give linprog its bounds: bounds=(-1, 1) for all variables. Without them h ≥ 0.",
    "Or geometrically: i can win unless w_i is a mixture of the other rows, with weights ≥ 0 that "
    "sum to 1.",
)
argmaxable.reasoning(
    "h = 0 satisfies all constraints with t = 0, so the program always has a solution, and the "
    "bounds keep it from running away. A margin above 0 is an h that wins; a margin of 0 says that "
    "there is none, and then, by the separating hyperplane theorem, w_i is a mixture of the other "
    "rows. linprog computes to about 1e-9, so that is where 0 ends."
)


def _wins_for_some_h_above_0(W, i):
    """Tell whether some h ≥ 0 lets i win: unless a mixture of the others is at least w_i."""
    from scipy.optimize import nnls

    others = np.delete(W, i, axis=0)
    if len(others) == 0:
        return True
    excess = np.vstack([-np.eye(W.shape[1]), np.zeros(W.shape[1])])
    mixture = np.vstack([others.T, np.ones(len(others))])
    return bool(nnls(np.hstack([mixture, excess]), np.append(W[i], 1.0))[1] > 1e-7)


@argmaxable.mistake(
    "h has no negative entries: those are linprog's default bounds. Give it bounds=(-1, 1)."
)
def h_not_negative(W, i):
    return _wins_for_some_h_above_0(W, i)


@argmaxable.mistake(
    "a tie counts as a win: h = 0 ties all classes, so everyone wins. Ask for a margin above 0."
)
def tie_counts(W, i):
    return True


@argmaxable.mistake(
    "nobody wins. Did the program find a solution at all? Look at its status.",
)
def nobody(W, i):
    return False


@argmaxable.mistake(
    "random directions were tried. A class may win in a cone too thin for them to hit: that none "
    "was found proves nothing.",
    draws=(100, 1000, 10_000),
)
def random_search(W, i, *, draws):
    h = np.random.default_rng(0).normal(size=(W.shape[1], draws))
    return bool(np.any(np.argmax(W @ h, axis=0) == i))


@argmaxable.mistake(
    "the longest row is not the only one that can win, nor does a long row win for sure."
)
def longest_row(W, i):
    return int(np.argmax(np.linalg.norm(W, axis=1))) == i


@argmaxable.mistake(
    "the length of a row does not decide: a short one can be a corner, a long one lie inside.",
    strict=(True, False),
    middle=(np.mean, np.median),
)
def long_row(W, i, *, strict, middle):
    lengths = np.linalg.norm(W, axis=1)
    return bool(lengths[i] > middle(lengths) if strict else lengths[i] >= middle(lengths))


@argmaxable.mistake(
    "only h = w_i was tried. A class can lose along its own direction and win along another.",
    strict=(False, True),
)
def own_direction(W, i, *, strict):
    scores = W @ W[i]
    if strict:
        return bool(np.all(np.delete(scores, i) < scores[i]))
    return int(np.argmax(scores)) == i


@argmaxable.mistake(
    "only the direction away from the mean was tried. A class can lose there and win elsewhere.",
    others=(False, True),
)
def centred_direction(W, i, *, others):
    rest = np.delete(W, i, axis=0)
    if len(rest) == 0:
        return True
    scores = W @ (W[i] - (rest if others else W).mean(axis=0))
    return bool(np.all(np.delete(scores, i) < scores[i] - 1e-12))


@argmaxable.mistake(
    "only single features were tried, one with weight 1 and the others 0. A class can win by a mix "
    "of features without being first in any."
)
def one_feature(W, i):
    others = np.delete(W, i, axis=0)
    return bool(np.any(np.all(others < W[i], axis=0)))


@argmaxable.mistake(
    "the class was asked to be first in every feature. To win for some h is much easier."
)
def every_feature(W, i):
    return bool(np.all(np.delete(W, i, axis=0) < W[i]))


@argmaxable.mistake(
    "only h = ±1 on a single feature were tried. A class can win by a mix of them without being "
    "largest or smallest in any."
)
def plus_or_minus_one_feature(W, i):
    both = np.hstack([W, -W])
    return bool(np.any(np.all(np.delete(both, i, axis=0) < both[i], axis=0)))


@argmaxable.mistake("each rival was beaten with an h of its own. One h has to beat all of them.")
def one_rival_at_a_time(W, i):
    return all(np.any(row != W[i]) for row in np.delete(W, i, axis=0))


@argmaxable.mistake(
    "a rank was asked. Rows can depend on one another linearly and still be corners: what counts "
    "are mixtures with weights ≥ 0 that sum to 1.",
    form=("full", "grows"),
)
def rank(W, i, *, form):
    if form == "full":
        return bool(np.linalg.matrix_rank(W) == len(W))
    others = np.delete(W, i, axis=0)
    return len(others) == 0 or bool(np.linalg.matrix_rank(W) > np.linalg.matrix_rank(others))


@argmaxable.mistake(
    "the weights of the mixture do not sum to 1: that is the cone of the other rows, not their "
    "hull. Add the equation Σ λ = 1."
)
def cone_for_hull(W, i):
    from scipy.optimize import nnls

    others = np.delete(W, i, axis=0)
    return len(others) == 0 or bool(nnls(others.T, W[i])[1] > 1e-9)


@argmaxable.mistake(
    "the weights of the mixture may be negative: that is all of the line, plane or space through "
    "the other rows, not their hull. Ask for λ ≥ 0."
)
def plane_for_hull(W, i):
    others = np.delete(W, i, axis=0)
    if len(others) == 0:
        return True
    gaps = others[1:] - others[0]
    return bool(
        np.linalg.matrix_rank(np.vstack([gaps, W[i] - others[0]])) > np.linalg.matrix_rank(gaps)
    )


@argmaxable.mistake(
    "the number of classes was compared with d. With few classes all can win, unless their rows "
    "lie badly; with many, some still can. The rows decide.",
    more=(0, 1),
)
def few_classes(W, i, *, more):
    return len(W) <= W.shape[1] + more


@argmaxable.mistake(
    "the answer is turned round. (Without bounds on h, the program of a class that can win is "
    "unbounded, which linprog does not count as a success.)"
)
def turned_round(W, i):
    return not _outside_the_hull(W, i)


@argmaxable.mistake(
    "this asks whether class i can come last: the inequalities are turned round, and h kept from "
    "turning with them. Check the sign of the rows and the bounds."
)
def smallest_for_h_positive(W, i):
    return _wins_for_some_h_above_0(-W, i)


@argmaxable.mistake(
    "a margin of 1 was asked of an h with bounded entries: a class that wins by less is refused. "
    "Ask for a margin of 1 with h unbounded, or for any margin above 0 with h bounded."
)
def margin_of_one_in_a_box(W, i):
    return _largest_margin(W, i) >= 1 - 1e-9


@argmaxable.mistake(
    "the margin has to pass a threshold that is too large: a class may win by little. Compare with "
    "what linprog's rounding can do, some 1e-9.",
    least=(0.1, 0.01, 0.001),
)
def margin_too_large(W, i, *, least):
    return _largest_margin(W, i) > least


def _largest_margin(W, i):
    """Return by how much class i can win with an h of entries between -1 and 1."""
    from scipy.optimize import linprog

    others = np.delete(W, i, axis=0)
    if len(others) == 0:
        return np.inf
    A = np.column_stack([others - W[i], np.ones(len(others))])
    goal = np.append(np.zeros(W.shape[1]), -1.0)
    bounds = [(-1, 1)] * W.shape[1] + [(None, None)]
    return -linprog(goal, A_ub=A, b_ub=np.zeros(len(others)), bounds=bounds).fun


@argmaxable.mistake(
    "only h with entries of −1, 0 and 1 were tried. A class may win in a cone that lies between "
    "them.",
    zero=(True, False),
)
def signs_only(W, i, *, zero):
    from itertools import product

    values = (-1.0, 0.0, 1.0) if zero else (-1.0, 1.0)
    h = np.array(list(product(values, repeat=W.shape[1])))
    scores = h @ W.T
    return bool(np.any(np.all(np.delete(scores, i, axis=1) < scores[:, [i]], axis=1)))


@argmaxable.mistake(
    "the class was asked to be largest or smallest in some feature, ties included. A class can win "
    "by a mix of features, and a tie is no win."
)
def largest_or_smallest_somewhere(W, i):
    return bool(np.any((W[i] == W.max(axis=0)) | (W[i] == W.min(axis=0))))


@argmaxable.mistake(
    "only classes that lie below another row in every feature were ruled out. h may be negative, "
    "and a mixture of several rows can stand above one that no single row does.",
    strict=(False, True),
)
def not_dominated(W, i, *, strict):
    others = np.delete(W, i, axis=0)
    above = others > W[i] if strict else others >= W[i]
    return not bool(np.any(np.all(above, axis=1)))


@argmaxable.mistake(
    "a tie for the first place, with some h other than 0, counts as a win. Ask for a margin above "
    "0."
)
def tie_on_the_border(W, i):
    from scipy.optimize import linprog

    n, d = W.shape
    if n == 1:
        return True
    gaps = np.delete(W, i, axis=0) - W[i]
    for k in range(d):
        for side in (-1, 1):
            bounds = [(None, None)] * d
            bounds[k] = (side, side)
            if linprog(np.zeros(d), A_ub=gaps, b_ub=np.zeros(n - 1), bounds=bounds).success:
                return True
    return False


@argmaxable.mistake("one class alone was refused. Nobody stands against it: it can win.")
def one_class_refused(W, i):
    return len(W) > 1 and _outside_the_hull(W, i)
