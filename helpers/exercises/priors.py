"""Exercises 10.1 to 10.5: Bayes' rule in logits, a changed prior, mixing, attention, the loss."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

EPSILONS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20)
TINY = (1e-30, 1e-37, 1e-38, 1e-45, 1e-100, 1e-300, 1e-308, float(np.finfo(np.float32).tiny))

ROW = np.array([0.5, 2.0, -1.0])
BATCH = np.array([[1.0, 2.0, 4.0, 0.5], [3.0, -1.0, 0.0, 1.5]])
SQUARE = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 1.0], [5.0, 2.5, 2.0]])
STACK = np.array(
    [
        [[0.1, 1.2, -0.7, 2.0], [3.0, 2.0, 1.0, 0.0], [-1.0, -2.0, -0.5, -4.0]],
        [[0.0, 0.0, 1.0, 1.0], [2.5, -2.5, 0.5, 1.0], [-3.0, 1.0, 4.0, 2.0]],
    ]
)
ROWS_2000_APART = np.array([[1000.0, 999.0, 998.0], [-1000.0, -1001.0, -1003.0]])
WHOLE = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
PRIOR_3 = np.array([0.7, 0.2, 0.1])
PRIOR_4 = np.array([0.1, 0.2, 0.3, 0.4])
OTHER_3 = np.array([0.25, 0.3, 0.45])
OTHER_4 = np.array([0.4, 0.25, 0.05, 0.3])


def _read_only(array):
    frozen = array.copy()
    frozen.flags.writeable = False
    return frozen


def _softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _for_a_batch(array):
    """Refuse a row, as code that writes axis=1 does; return the axis."""
    if np.ndim(array) < 2:
        raise np.exceptions.AxisError(1, np.ndim(array))  # PyTorch's IndexError is one, too
    return 1


def _quiet_log(prior):
    with np.errstate(divide="ignore"):
        return np.log(prior)


def _size(*arrays):
    """Return the largest finite magnitude, at least 1: what the sums of logs are rounded to."""
    values = np.concatenate([np.ravel(np.asarray(a, dtype=float)) for a in arrays])
    return max(1.0, float(np.max(np.abs(values[np.isfinite(values)]))))


# --- 10.1 ------------------------------------------------------------------------------------


def _exact_bayes(logits, prior):
    """Return prior times likelihood over their sum, in 60 digits and without any logarithm."""
    import mpmath

    x = np.asarray(logits, dtype=float)
    rows = []
    with mpmath.workdps(60):
        for row in x.reshape(-1, x.shape[-1]):
            joint = [
                mpmath.mpf(float(w)) * mpmath.exp(mpmath.mpf(float(v)))
                for v, w in zip(row, prior, strict=True)
            ]
            rows.append([float(term / mpmath.fsum(joint)) for term in joint])
    return np.array(rows).reshape(x.shape)


@exercise(
    "10.1",
    minutes=6,
    probes=[
        ordinary(ROW, PRIOR_3, note="one row of three classes"),
        ordinary(BATCH, PRIOR_4, note="two rows of four"),
        ordinary(SQUARE, PRIOR_3, note="a square batch"),
        ordinary(STACK, PRIOR_4, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(np.zeros(3), PRIOR_3, note="equal logits: the prior itself comes back"),
        ordinary(ROW, np.full(3, 1 / 3), note="a uniform prior: the softmax itself"),
        ordinary(np.array([[1.0, -0.5]]), np.array([0.99, 0.01]), note="a batch of one"),
        ordinary(np.array([3.5]), np.array([1.0]), note="one class"),
        ordinary(ROW, np.array([0.5, 0.0, 0.5]), note="a prior of 0: that class gets exactly 0"),
        ordinary(SQUARE, np.array([0.0, 0.0, 1.0]), note="only one class is possible"),
        ordinary(np.array([0.0, 1.0]), np.array([1 - 1e-9, 1e-9]), note="a rare class, π = 1e-9"),
        ordinary(WHOLE, PRIOR_3, note="two rows of three"),
        ordinary(_read_only(SQUARE), _read_only(PRIOR_3), note="read-only arrays"),
        ordinary(BATCH.astype(np.float32), PRIOR_4.astype(np.float32), note="float32"),
        ordinary(BATCH.astype(np.float16), PRIOR_4.astype(np.float16), note="float16"),
        extreme(np.array([1000.0, 999.0, 0.0]), PRIOR_3, note="exp(1000) overflows"),
        extreme(np.array([-1000.0, -1001.0]), np.array([0.3, 0.7]), note="exp(-1000) underflows"),
        extreme(ROWS_2000_APART, PRIOR_3, note="two rows 2000 apart"),
        extreme(
            np.array([800.0, 1.0, 0.0]),
            np.array([0.0, 0.4, 0.6]),
            note="the impossible class lies 800 above the others",
        ),
        extreme(
            np.array([0.0, -1e300, -1e300]),
            np.array([0.0, 0.4, 0.6]),
            note="the impossible class lies 1e300 above the others",
        ),
    ],
    truth=_exact_bayes,
    relative=lambda logits, prior: 2 * _size(logits, _quiet_log(prior)),
    library=("posterior",),
    remark="The prior need not even be normalised: a factor in π is a constant in log π.",
)
def posterior(logits, prior):
    """Return Bayes' posterior, proportional to prior * exp(logits), over the last axis; stable.

    logits : float array, shape (..., n), the log-likelihoods up to a constant a row.
    prior : float array, shape (n,), sums to 1; a class of prior 0 gets exactly 0.
    Returns an array of the shape of logits; its rows sum to 1. Both arguments stay unchanged.
    A library's softmax may help; no ready-made posterior.
    """
    with np.errstate(divide="ignore"):  # log 0 = -inf is meant
        x = logits + np.log(prior)
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


posterior.hints(
    "Bayes multiplies prior and likelihood. What does a factor π become inside exp(·)?",
    "π · exp(x) = exp(x + log π). So the answer is the softmax of some other logits.",
    "x = logits + np.log(prior), then the stable softmax of x over the last axis. A prior of 0 "
    "gives log 0 = -inf, and exp(-inf) is exactly 0: nothing has to be added.",
    "e = np.exp(x - np.max(x, axis=-1, keepdims=True)); return e / e.sum(axis=-1, keepdims=True).",
)
posterior.reasoning(
    "π_i exp(x_i) = exp(x_i + log π_i), so Bayes' rule is softmax of the logits plus the "
    "log-prior. A class of prior 0 becomes a masked class: its logit is -inf, it takes no part in "
    "the maximum, and it gets exactly 0. Because the prior is added *before* the maximum is "
    "taken, the shift protects the classes that can occur, whatever the others say."
)


@posterior.mistake(
    "The prior itself was added to the logits, not its log: π lies between 0 and 1, so no class's "
    "odds can change by more than a factor e, and a class of prior 0 stays possible. Add log π."
)
def adds_the_prior(logits, prior):
    return _softmax(logits + prior)


@posterior.mistake(
    "The logits were multiplied by the prior: that is a temperature for each class. It pulls "
    "positive and negative logits alike towards 0, and a shift of the logits changes the answer."
)
def multiplies_the_logits(logits, prior):
    return _softmax(logits * prior)


@posterior.mistake(
    "The probabilities were multiplied by the prior and not renormalised: the rows no longer sum "
    "to 1. Bayes divides by the sum."
)
def not_renormalised(logits, prior):
    return _softmax(logits) * prior


@posterior.mistake(
    "A small number was added to the prior inside the log: an impossible class becomes possible, "
    "and a rare one less rare. log 0 = -inf is exactly what is meant.",
    epsilon=EPSILONS,
)
def epsilon_in_the_log(logits, prior, *, epsilon):
    return _softmax(logits + np.log(prior + epsilon))


@posterior.mistake(
    "The prior was clipped from below before the log: an impossible class becomes possible. "
    "log 0 = -inf is exactly what is meant.",
    epsilon=EPSILONS,
)
def clipped_prior(logits, prior, *, epsilon):
    return _softmax(logits + np.log(np.maximum(prior, epsilon)))


@posterior.mistake(
    "The prior is kept above a tiny number, added or clipped: an impossible class becomes "
    "possible, and wins where its logit is large enough. log 0 = -inf is exactly what is meant.",
    epsilon=TINY,
)
def tiny_floor_of_the_prior(logits, prior, *, epsilon):
    return _softmax(logits + np.log(np.maximum(prior, epsilon)))


@posterior.mistake(
    "A finite number stands for log 0: the impossible class is only far below, and wins where the "
    "others lie further down. log 0 = -inf is exactly what is meant.",
    fill=(-1e3, -1e4, -1e5, -1e9, -1e10, -1e12, -1e30, float(np.finfo(np.float32).min)),
)
def finite_log_of_zero(logits, prior, *, fill):
    return _softmax(logits + np.where(prior > 0, _quiet_log(prior), fill))


@posterior.mistake(
    "The log was taken of softmax probabilities and a small number: that number is a floor under "
    "every probability, and where the likelihoods lie far apart it decides. The logits are the "
    "logs already: add log π to them.",
    epsilon=EPSILONS,
    also_the_prior=(True, False),
)
def epsilon_in_the_log_of_probabilities(logits, prior, *, epsilon, also_the_prior):
    log_prior = np.log(prior + epsilon) if also_the_prior else _quiet_log(prior)
    return _softmax(np.log(_softmax(logits) + epsilon) + log_prior)


@posterior.mistake(
    "The prior comes after the shift (softmax first, say): right for moderate logits, but where an "
    "impossible class lies 800 above the others, these have already underflowed to 0, and 0/0 is "
    "NaN. Add log π first, then take the maximum."
)
def prior_after_the_softmax(logits, prior):
    joint = _softmax(logits) * prior
    return joint / np.sum(joint, axis=-1, keepdims=True)


@posterior.mistake(
    "The exp was taken of unshifted logits: it overflows from 709.8 on and is 0 below -745. Add "
    "log π to the logits, and subtract each row's maximum."
)
def unshifted(logits, prior):
    joint = np.exp(logits) * prior
    return joint / np.sum(joint, axis=-1, keepdims=True)


@posterior.mistake(
    "The sum runs over the whole batch: each row is one distribution, so divide by its own sum, "
    "axis=-1, keepdims=True. (And unshifted, exp overflows from 709.8 on.)"
)
def unshifted_over_the_batch(logits, prior):
    joint = np.exp(logits) * prior
    return joint / np.sum(joint)


@posterior.mistake(
    "Log π was subtracted: that divides by the prior, and favours the rare classes. "
    "Bayes multiplies."
)
def divides_by_the_prior(logits, prior):
    return _softmax(logits - _quiet_log(prior))


@posterior.mistake(
    "The logarithm has another base than exp: log2 or log10 of the prior scales its weight. "
    "Use np.log.",
    log=(np.log2, np.log10),
)
def another_base(logits, prior, *, log):
    with np.errstate(divide="ignore"):
        return _softmax(logits + log(prior))


@posterior.mistake(
    "A prior of 0 was given the log 0, which is the log of a prior of 1: the impossible class "
    "comes out as the most welcome one. It is -inf."
)
def zero_prior_as_one(logits, prior):
    return _softmax(logits + np.log(np.where(prior > 0, prior, 1)))


@posterior.mistake(
    "The normalisation runs over another axis, or over the whole array: each row is one "
    "distribution. Use axis=-1, keepdims=True.",
    axis=(0, None),
)
def over_another_axis(logits, prior, *, axis):
    return _softmax(logits + _quiet_log(prior), axis=axis)


@posterior.mistake(
    "axis=1 (or dim=1) is the last axis of a batch only: a single row has none, and in a stack it "
    "is another one. axis=-1 is always the last.",
    floor=(0.0, *EPSILONS),
    added=(True, False),
)
def over_axis_1(logits, prior, *, floor, added):
    log_prior = _quiet_log(prior + floor if added else np.maximum(prior, floor))
    return _softmax(logits + log_prior, axis=_for_a_batch(logits))


@posterior.mistake(
    "The prior was given an axis for a batch that is not there: a single row comes back with two "
    "axes. Let it broadcast by itself: the classes are the last axis of both."
)
def prior_with_an_axis_too_many(logits, prior):
    return _softmax(logits + _quiet_log(prior)[None, :])


@posterior.mistake("The prior plays no part: that is the plain softmax. Add log π to the logits.")
def ignores_the_prior(logits, prior):
    return _softmax(logits)


@posterior.mistake("The likelihood plays no part: that is the prior in every row.")
def ignores_the_logits(logits, prior):
    return np.broadcast_to(prior, np.shape(logits))


@posterior.mistake(
    "The log-prior was added to probabilities: it belongs to the logits, before the softmax, "
    "where sums of logs are products."
)
def log_prior_on_probabilities(logits, prior):
    return _softmax(_softmax(logits) + _quiet_log(prior))


@posterior.mistake(
    "These are the right logits, not yet probabilities: one softmax over the last axis is missing."
)
def softmax_missing(logits, prior):
    return logits + _quiet_log(prior)


@posterior.mistake(
    "The right numbers, and the caller's logits are gone: logits += … works in place. "
    "Write x = logits + np.log(prior)."
)
def in_place(logits, prior):
    logits += _quiet_log(prior)
    return _softmax(logits)


# --- 10.2 ------------------------------------------------------------------------------------


def _from_the_row_maximum(result, logits, old, new):
    """Return what softmax sees: the row's maximum subtracted."""
    result = np.asarray(result)
    if result.dtype.kind == "f" and result.dtype.itemsize < 4:
        result = result.astype(np.float32)
    return result - np.max(result, axis=-1, keepdims=True)


def _exact_shift(logits, old, new):
    """Return the log of (likelihood under `old` turned to `new`), unnormalised, in 60 digits."""
    import mpmath

    x = np.asarray(logits, dtype=float)
    rows = []
    with mpmath.workdps(60):
        for row in x.reshape(-1, x.shape[-1]):
            top = mpmath.mpf(float(max(row)))
            rows.append(
                [
                    float(
                        mpmath.log(
                            mpmath.exp(mpmath.mpf(float(v)) - top)
                            * mpmath.mpf(float(b))
                            / mpmath.mpf(float(a))
                        )
                    )
                    for v, a, b in zip(row, old, new, strict=True)
                ]
            )
    return np.array(rows).reshape(x.shape)


@exercise(
    "10.2",
    minutes=6,
    probes=[
        ordinary(ROW, PRIOR_3, OTHER_3, note="one row of three classes"),
        ordinary(BATCH, PRIOR_4, OTHER_4, note="two rows of four"),
        ordinary(SQUARE, PRIOR_3, OTHER_3, note="a square batch"),
        ordinary(STACK, OTHER_4, PRIOR_4, note="a stack of batches, shape (2, 3, 4)"),
        ordinary(ROW, PRIOR_3, PRIOR_3, note="the same prior: nothing changes"),
        ordinary(ROW, PRIOR_3, np.full(3, 1 / 3), note="the new prior is uniform"),
        ordinary(ROW, np.full(3, 1 / 3), PRIOR_3, note="the old prior is uniform"),
        ordinary(
            np.array([[1.0, -0.5]]),
            np.array([0.999, 0.001]),
            np.array([0.5, 0.5]),
            note="a rare class, in a batch of one",
        ),
        ordinary(np.array([2.5]), np.array([1.0]), np.array([1.0]), note="one class"),
        ordinary(WHOLE, PRIOR_3, OTHER_3, note="two rows of three"),
        ordinary(
            _read_only(SQUARE), _read_only(PRIOR_3), _read_only(OTHER_3), note="read-only arrays"
        ),
        ordinary(
            BATCH.astype(np.float32),
            PRIOR_4.astype(np.float32),
            OTHER_4.astype(np.float32),
            note="float32",
        ),
        extreme(
            np.array([0.0, 1000.0, -1000.0]),
            PRIOR_3,
            OTHER_3,
            note="probabilities that underflow: logits do not",
        ),
        extreme(ROWS_2000_APART, PRIOR_3, OTHER_3, note="two rows 2000 apart"),
    ],
    truth=_exact_shift,
    scale=lambda logits, old, new, expected: _size(logits, np.log(old), np.log(new)),
    canonical=_from_the_row_maximum,
    remark="A constant a row is free: softmax does not see it.",
)
def shift_prior(logits, old, new):
    """Return logits for another class prior, from a model trained under the old one.

    logits : float array, shape (..., n); softmax(logits) are posteriors under the prior `old`.
    old, new : float arrays, shape (n,), positive, each sums to 1.
    Returns an array of the shape of logits, whose softmax are the posteriors under `new`.
    Any constant may be added to a row: softmax does not see it. The arguments stay unchanged.
    """
    return logits + np.log(new) - np.log(old)


shift_prior.hints(
    "The model's posterior is likelihood · old prior. How do you get the likelihood back, and "
    "what do you do with it next?",
    "Divide by the old prior, multiply by the new one. In logits a quotient becomes a difference.",
    "The ratio new / old multiplies the probabilities, so its log is added to the logits.",
    "return logits + np.log(new) - np.log(old).",
)
shift_prior.reasoning(
    "Under the old prior, p_i is proportional to L_i · old_i. Multiply by new_i / old_i, and it is "
    "proportional to L_i · new_i, which is Bayes under the new prior. In logits the factor is a "
    "summand, log new_i - log old_i. Nothing has to be normalised: logits may be off by a constant."
)


@shift_prior.mistake(
    "Old and new are exchanged: the old prior has to go (subtract its log), the new one to come."
)
def wrong_sign(logits, old, new):
    return logits + np.log(old) - np.log(new)


@shift_prior.mistake(
    "The new prior was added and the old one left in: it counts twice now, once learnt and once "
    "added. Subtract log old as well."
)
def adds_only_the_new_prior(logits, old, new):
    return logits + np.log(new)


@shift_prior.mistake(
    "The old prior was taken away and the new one never added: that is right only for a uniform "
    "new prior. Add log new."
)
def removes_only_the_old_prior(logits, old, new):
    return logits - np.log(old)


@shift_prior.mistake(
    "The old prior was added, so it counts twice, and the new one plays no part: subtract log old, "
    "and add log new."
)
def adds_the_old_prior(logits, old, new):
    return logits + np.log(old)


@shift_prior.mistake(
    "The odds π/(1 - π) of each class were exchanged: that is right for two outputs that stand "
    "alone. Classes that share a softmax need the ratio of the priors themselves."
)
def odds_for_the_prior(logits, old, new):
    with np.errstate(divide="ignore", invalid="ignore"):
        return logits + np.log(new / (1 - new)) - np.log(old / (1 - old))


@shift_prior.mistake(
    "The priors were given an axis for a batch that is not there: a single row comes back with two "
    "axes. Let them broadcast by themselves: the classes are the last axis of all three."
)
def priors_with_an_axis_too_many(logits, old, new):
    return logits + np.log(new / old)[None, :]


@shift_prior.mistake(
    "The ratio new / old was added, not its log. What multiplies probabilities adds its log to "
    "the logits."
)
def ratio_without_the_log(logits, old, new):
    return logits + new / old


@shift_prior.mistake(
    "The logits were multiplied by the ratio: probabilities are multiplied, logits get its log "
    "added. A negative logit would even move the wrong way."
)
def multiplies_by_the_ratio(logits, old, new):
    return logits * (new / old)


@shift_prior.mistake(
    "The difference of the priors was added: it has to be the difference of their logs."
)
def difference_without_logs(logits, old, new):
    return logits + (new - old)


@shift_prior.mistake("Both logs were added: the old prior has to be taken away, so subtract it.")
def adds_both(logits, old, new):
    return logits + np.log(old) + np.log(new)


@shift_prior.mistake(
    "The logarithm has another base than softmax's exp: log2 or log10 scales the correction. "
    "Use np.log.",
    log=(np.log2, np.log10),
)
def log_of_another_base(logits, old, new, *, log):
    return logits + log(new) - log(old)


@shift_prior.mistake(
    "Probabilities came back where logits are asked: leave the softmax out.",
    normalised=(True, False),
)
def returns_probabilities(logits, old, new, *, normalised):
    return _softmax(logits + np.log(new / old)) if normalised else _softmax(logits) * (new / old)


@shift_prior.mistake(
    "The way leads through probabilities: one that underflows to 0 has the log -inf, and its logit "
    "is lost. Stay with the logits and add logs."
)
def through_probabilities(logits, old, new):
    with np.errstate(divide="ignore"):
        return np.log(_softmax(logits) * new / old)


@shift_prior.mistake(
    "axis=1 (or dim=1) is the last axis of a batch only: a single row has none, and in a stack it "
    "is another one. But no softmax is needed at all: stay with the logits and add logs."
)
def through_probabilities_of_axis_1(logits, old, new):
    moved = _softmax(logits, axis=_for_a_batch(logits)) * new / old
    with np.errstate(divide="ignore"):
        return np.log(moved / np.sum(moved, axis=1, keepdims=True))


@shift_prior.mistake(
    "A small number stands inside the logs: the priors are positive, and it moves the rare "
    "classes' logits. Leave it out.",
    epsilon=EPSILONS[:9],
)
def epsilon_in_the_logs(logits, old, new, *, epsilon):
    return logits + np.log(new + epsilon) - np.log(old + epsilon)


@shift_prior.mistake(
    "Every class got the same number, or none: a constant cancels in softmax, so nothing has "
    "changed. Each class needs its own log(new / old)."
)
def one_number_for_all_classes(logits, old, new):
    return logits + np.sum(new * np.log(new / old))


@shift_prior.mistake("The logits play no part: add the log of the ratio to them.")
def logits_left_out(logits, old, new):
    return np.zeros(np.shape(logits)) + np.log(new / old)


@shift_prior.mistake(
    "The right numbers, and the caller's logits are changed: += works in place. "
    "Return logits + np.log(new / old)."
)
def changes_the_logits(logits, old, new):
    logits += np.log(new / old)
    return logits


# --- 10.3 ------------------------------------------------------------------------------------


P_ROW = np.array([0.6, 0.3, 0.1])
P_BATCH = np.array([[0.7, 0.1, 0.15, 0.05], [0.25, 0.5, 0.05, 0.2]])
P_SQUARE = np.array([[0.8, 0.15, 0.05], [0.2, 0.3, 0.5], [0.05, 0.9, 0.05]])
P_STACK = np.stack([P_BATCH, P_BATCH[:, ::-1], P_BATCH[::-1]])


def _exact_mixture(p, prior, lam):
    """Return the mixture entry by entry, in fractions."""
    from fractions import Fraction

    p, lam = np.asarray(p, dtype=float), Fraction(float(lam))
    prior = np.broadcast_to(np.asarray(prior, dtype=float), p.shape)
    pairs = zip(p.ravel(), prior.ravel(), strict=True)
    mixed = [(1 - lam) * Fraction(float(a)) + lam * Fraction(float(b)) for a, b in pairs]
    return np.array([float(value) for value in mixed]).reshape(p.shape)


@exercise(
    "10.3",
    minutes=4,
    probes=[
        ordinary(P_ROW, OTHER_3, 0.3, note="one row of three classes"),
        ordinary(P_BATCH, PRIOR_4, 0.3, note="two rows of four"),
        ordinary(P_SQUARE, PRIOR_3, 0.2, note="a square batch"),
        ordinary(P_STACK, PRIOR_4, 0.75, note="a stack of batches, shape (3, 2, 4)"),
        ordinary(P_ROW, OTHER_3, 0.0, note="λ = 0: p itself"),
        ordinary(P_ROW, OTHER_3, 1.0, note="λ = 1: the prior itself"),
        ordinary(P_ROW, OTHER_3, 0.5, note="λ = ½: the mean of the two"),
        ordinary(
            np.array([[1.0, 0.0, 0.0]]), np.array([0.2, 0.0, 0.8]), 0.25, note="zeros, a batch of 1"
        ),
        ordinary(np.array([1.0]), np.array([1.0]), 0.4, note="one class"),
        ordinary(_read_only(P_SQUARE), _read_only(OTHER_3), 0.6, note="read-only arrays"),
        ordinary(P_BATCH.astype(np.float32), PRIOR_4.astype(np.float32), 0.3, note="float32"),
        ordinary(P_BATCH.astype(np.float16), PRIOR_4.astype(np.float16), 0.3, note="float16"),
    ],
    truth=_exact_mixture,
    scale=lambda p, prior, lam, expected: 1.0,
    remark="Label smoothing is this, applied to the targets with a uniform prior.",
)
def mix_prior(p, prior, lam):
    """Return the mixture that puts the weight lam on the prior and the rest on p.

    p : float array, shape (..., n), rows sum to 1.   prior : float array, shape (n,), sums to 1.
    lam : float, 0 <= lam <= 1: 0 gives p itself, 1 gives the prior.
    Returns an array of the shape of p; its rows sum to 1. p and prior stay unchanged.
    """
    return (1 - lam) * p + lam * prior


mix_prior.hints(
    "The rows have to sum to 1 again. p and the prior each sum to 1: which two weights do it?",
    "Two weights that sum to 1. lam = 0 must leave p alone, and lam = 1 must give the prior.",
    "The weight of the prior is lam, that of p is 1 - lam. No division is needed.",
    "return (1 - lam) * p + lam * prior.",
)
mix_prior.reasoning(
    "Each row sums to (1 - λ) · 1 + λ · 1 = 1, and no entry can be negative: a convex combination "
    "of distributions is one. It also bounds every probability from below by λ π, which Bayes "
    "does not: after mixing, no class with a prior above 0 is impossible."
)


@mix_prior.mistake(
    "The full weight of p was kept: the rows sum to 1 + λ. What the prior gets, p has to give: "
    "weights 1 - λ and λ."
)
def p_keeps_its_weight(p, prior, lam):
    return p + lam * prior


@mix_prior.mistake(
    "That is the mean of p and the prior, right at λ = ½ only: λ plays no part. "
    "Use the weights 1 - λ and λ."
)
def sum_renormalised(p, prior, lam):
    w = p + prior
    return w / np.sum(w, axis=-1, keepdims=True)


@mix_prior.mistake("The weights are exchanged: λ is the prior's, and p has 1 - λ.")
def lambda_on_the_wrong_side(p, prior, lam):
    return lam * p + (1 - lam) * prior


@mix_prior.mistake(
    "The sum p + λπ was renormalised: its rows sum to 1, but the prior has the weight λ/(1 + λ), "
    "never more than ½. Use the weights 1 - λ and λ."
)
def weight_lambda_over_one_plus_lambda(p, prior, lam):
    return (p + lam * prior) / (1 + lam)


@mix_prior.mistake(
    "The prior was added to p as it is, and the sum left at 2: weights have to sum to 1."
)
def sum_of_both(p, prior, lam):
    return p + prior


@mix_prior.mistake(
    "That is the geometric mixture, p^(1-λ) π^λ renormalised, a mixture of logits: it leaves a "
    "zero in p at zero. The task is the plain weighted mean."
)
def geometric_mixture(p, prior, lam):
    w = p ** (1 - lam) * prior**lam
    return w / np.sum(w, axis=-1, keepdims=True)


@mix_prior.mistake(
    "p came back as it was: the prior has no part in it. Use the weights 1 - λ and λ."
)
def p_unchanged(p, prior, lam):
    return np.array(p)


@mix_prior.mistake("The prior's part is missing: the rows sum to 1 - λ. Add λ π.")
def prior_left_out(p, prior, lam):
    return (1 - lam) * p


@mix_prior.mistake(
    "The uniform distribution was mixed in, as in label smoothing: here it is the given prior."
)
def mixes_in_the_uniform(p, prior, lam):
    return (1 - lam) * p + lam / np.shape(p)[-1]


@mix_prior.mistake(
    "A fixed weight was used: lam is an argument, so let it decide.",
    weight=(0.01, 0.05, 0.1, 0.2, 0.9),
)
def fixed_weight(p, prior, lam, *, weight):
    return (1 - weight) * p + weight * prior


@mix_prior.mistake(
    "The prior was used as a column: it belongs to the classes, the last axis, and broadcasts "
    "there by itself. On a square batch the mistake is silent."
)
def prior_as_a_column(p, prior, lam):
    return (1 - lam) * p + lam * prior[:, None]


@mix_prior.mistake(
    "The prior and p were multiplied: that is Bayes' way of combining. A mixture adds."
)
def multiplies_p_and_prior(p, prior, lam):
    return ((1 - lam) * p) * (lam * prior)


@mix_prior.mistake(
    "The mixture is right, and dividing it by its sum along axis 1 is one step too many: a single "
    "row has no such axis, and in a stack it is another one. The rows sum to 1 already."
)
def divided_along_axis_1(p, prior, lam):
    mixed = (1 - lam) * p + lam * prior
    return mixed / np.sum(mixed, axis=_for_a_batch(p), keepdims=True)


@mix_prior.mistake(
    "The mixture was kept above a small number: where p and the prior are both 0, the class is "
    "impossible and gets exactly 0.",
    floor=EPSILONS[:9],
    renormalised=(False, True),
)
def floor_under_the_mixture(p, prior, lam, *, floor, renormalised):
    mixed = np.maximum((1 - lam) * p + lam * prior, floor)
    return mixed / np.sum(mixed, axis=-1, keepdims=True) if renormalised else mixed


@mix_prior.mistake(
    "There is a softmax too much: the mixture already sums to 1, and softmax flattens it."
)
def softmax_on_top(p, prior, lam):
    return _softmax((1 - lam) * p + lam * prior)


@mix_prior.mistake(
    "The right numbers, and the caller's p is gone: *= and += work in place. "
    "Return (1 - lam) * p + lam * prior."
)
def overwrites_p(p, prior, lam):
    p *= 1 - lam
    p += lam * prior
    return p


# --- 10.4 ------------------------------------------------------------------------------------


def _bias_by_loops(n, slope):
    return np.array(
        [[-slope * (i - j) if j <= i else -np.inf for j in range(n)] for i in range(n)], dtype=float
    )


@exercise(
    "10.4",
    minutes=7,
    probes=[
        ordinary(4, 0.5, note="four positions"),
        ordinary(7, 0.25, note="seven positions"),
        ordinary(3, 2.0, note="a steep slope"),
        ordinary(2, 1.0, note="two positions, slope 1"),
        ordinary(5, 0.0, note="slope 0: only the causal mask is left"),
        ordinary(1, 0.5, note="one position: it sees itself"),
        ordinary(3, 1, note="an integer slope"),
        ordinary(6, 2.0**-8, note="the gentlest slope of ALiBi with eight heads"),
        extreme(40, 20.0, note="a penalty of 780 at the far end"),
    ],
    truth=_bias_by_loops,
    tolerance=1e-6,  # float32 is what torch.arange(n) * slope gives, and enough for a bias
    remark="torch.nn.functional.scaled_dot_product_attention takes this matrix as attn_mask.",
)
def attention_bias(n, slope):
    """Return the causal attention bias with a linear penalty on the distance, shape (n, n).

    n : integer, the number of positions.   slope : a number, at least 0, a whole one too.
    Row i is the query, column j the key: the entry is -slope * (i - j) where j <= i,
    and -inf where j > i, so that no position sees a later one. Floats; float32 is enough.
    """
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, slope * (j - i), -np.inf)


attention_bias.hints(
    "Build two index arrays that broadcast against each other: one a column, one a row.",
    "i = np.arange(n)[:, None] and j = np.arange(n): i - j is the matrix of distances back.",
    "np.where takes the condition j <= i, the penalty, and -inf. Do not multiply a 0/1 mask by "
    "inf: 0 · inf is NaN.",
    "return np.where(j <= i, slope * (j - i), -np.inf).",
)
attention_bias.reasoning(
    "Adding b to a logit multiplies the weight by exp(b). -slope · d therefore multiplies by r^d "
    "with r = exp(-slope): a geometric prior over the distance. exp(-inf) = 0 is a prior of 0, "
    "the causal mask. np.where picks entries and never multiplies, so no 0 · inf can arise."
)


@attention_bias.mistake(
    "The matrix is transposed: rows are queries, columns are keys, so the -inf belong above the "
    "diagonal."
)
def transposed(n, slope):
    i, j = np.arange(n), np.arange(n)[:, None]
    return np.where(j <= i, -slope * (i - j), -np.inf)


@attention_bias.mistake(
    "0 stands above the diagonal: a bias of 0 is a factor of 1, so every later position is seen, "
    "and without any penalty. exp(b) = 0 needs b = -inf.",
    first=(0, 1),
)
def zero_above_the_diagonal(n, slope, *, first):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, -slope * (i - j + first), 0.0)


@attention_bias.mistake(
    "The slope has the wrong sign: what is far away gets more weight. The penalty is "
    "-slope · (i - j)."
)
def positive_slope(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, slope * (i - j), -np.inf)


@attention_bias.mistake(
    "A 0/1 mask was multiplied by -inf: 0 · -inf is NaN, and every kept entry is lost. "
    "Choose with np.where."
)
def nan_from_inf_times_zero(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return -slope * (i - j) + (j > i) * -np.inf


@attention_bias.mistake(
    "The mask was multiplied by the slope along with the penalty: at slope 0 that is -inf · 0, "
    "which is NaN. Multiply the distance, then put in -inf with np.where."
)
def mask_times_slope(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return slope * np.where(j <= i, -(i - j), -np.inf)


@attention_bias.mistake(
    "Where to mask was read off the penalty's sign: at slope 0 it is 0 everywhere, so nothing is "
    "masked. The mask depends on the positions: j <= i."
)
def mask_from_the_sign_of_the_penalty(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    penalty = slope * (j - i) * 1.0
    return np.where(penalty <= 0, penalty, -np.inf)


@attention_bias.mistake(
    "The factors exp(-slope · distance) were built, and then their log was taken: the exp "
    "underflows to 0 beyond a penalty of 745, and log 0 masks what should be seen. The log of an "
    "exp is its argument: write the penalty itself."
)
def log_of_the_factors(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    with np.errstate(divide="ignore", under="ignore"):
        return np.log(np.tril(np.exp(-float(slope) * abs(i - j))))


@attention_bias.mistake(
    "The diagonal is masked too: a position may see itself, and the first one sees nothing else. "
    "The condition is j <= i."
)
def masks_the_diagonal(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j < i, -slope * (i - j), -np.inf)


@attention_bias.mistake(
    "A large finite number stands for -inf: it is a logit like any other, and scores of its size "
    "bring the masked positions back. Use -np.inf.",
    fill=(-1e2, -1e3, -1e4, -1e5, -1e6, -1e9, -1e10, -1e12, -1e30, np.finfo(float).min),
    how=("replace", "add"),
)
def finite_fill(n, slope, *, fill, how):
    i, j = np.arange(n)[:, None], np.arange(n)
    penalty = -slope * (i - j)
    return np.where(j <= i, penalty, fill if how == "replace" else penalty + fill)


@attention_bias.mistake(
    "The penalty is on |i - j| both ways, and nothing is masked: later positions are seen."
)
def symmetric(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return -slope * abs(i - j) + 0.0


@attention_bias.mistake(
    "The penalty is used above the diagonal as well: nothing is masked, and one side of the "
    "diagonal is even preferred.",
    sign=(-1, 1),
)
def no_mask(n, slope, *, sign):
    i, j = np.arange(n)[:, None], np.arange(n)
    return sign * slope * (i - j) + 0.0


@attention_bias.mistake("The slope plays no part: that is the causal mask alone.")
def mask_only(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, 0.0, -np.inf)


@attention_bias.mistake(
    "The distance is off by one: a position is at distance 0 from itself, so the diagonal is 0.",
    by=(1, -1),
)
def distance_off_by_one(n, slope, *, by):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, -slope * (i - j + by), -np.inf)


@attention_bias.mistake(
    "Every row has the same penalties, slope · j: softmax gives the same weights, since a row may "
    "be off by a constant, but the matrix asked for has zeros on the diagonal."
)
def same_in_every_row(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, slope * j, -np.inf)


@attention_bias.mistake("The slope was cut to an integer: an integer array or int(slope) loses ½.")
def integer_slope(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, -int(slope) * (i - j), -np.inf)


@attention_bias.mistake("The penalty grows with the square of the distance: it is linear.")
def squared_distance(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, -slope * (i - j) ** 2, -np.inf)


@attention_bias.mistake(
    "These are the factors exp(bias), the prior itself: a bias is added to the scores, so it is "
    "the log of the prior."
)
def prior_without_the_log(n, slope):
    i, j = np.arange(n)[:, None], np.arange(n)
    return np.where(j <= i, np.exp(-slope * (i - j)), 0.0)


@attention_bias.mistake(
    "One row came back: every query needs its own, shape (n, n).", axes=(1, 2), sign=(-1, 1)
)
def one_row(n, slope, *, axes, sign):
    row = sign * slope * np.arange(n - 1, -1, -1.0)
    return row if axes == 1 else row[None]


# --- 10.5 ------------------------------------------------------------------------------------


LABELS = np.array([2, 0])


def _exact_adjusted_loss(logits, labels, prior):
    """Return the mean of -log of Bayes' posterior at the label, in 60 digits."""
    import mpmath

    total = mpmath.mpf(0)
    with mpmath.workdps(60):
        for row, label in zip(np.asarray(logits, dtype=float), labels, strict=True):
            joint = [
                mpmath.mpf(float(w)) * mpmath.exp(mpmath.mpf(float(v)))
                for v, w in zip(row, prior, strict=True)
            ]
            total -= mpmath.log(joint[label] / mpmath.fsum(joint))
        return float(total / len(labels))


@exercise(
    "10.5",
    minutes=7,
    probes=[
        ordinary(BATCH, LABELS, PRIOR_4, note="two rows of four"),
        ordinary(SQUARE, np.array([1, 0, 2]), PRIOR_3, note="a square batch"),
        ordinary(
            np.vstack([SQUARE, SQUARE[::-1] / 2]),
            np.array([2, 2, 1, 0, 2, 1]),
            OTHER_3,
            note="six rows of three, labels repeated",
        ),
        ordinary(BATCH, LABELS, np.full(4, 0.25), note="a uniform prior: plain cross-entropy"),
        ordinary(ROW[None], np.array([2]), np.array([0.989, 0.01, 0.001]), note="a rare label"),
        ordinary(np.zeros((2, 3)), np.array([0, 2]), PRIOR_3, note="equal logits: -log π"),
        ordinary(WHOLE, np.array([1, 0]), PRIOR_3, note="two rows of three"),
        ordinary(
            _read_only(SQUARE),
            _read_only(np.array([0, 2, 1])),
            _read_only(OTHER_3),
            note="read-only",
        ),
        ordinary(BATCH.astype(np.float32), LABELS, PRIOR_4.astype(np.float32), note="float32"),
        extreme(
            np.array([[0.0, 45.0, 1.0], [60.0, 0.0, 2.0]]),
            np.array([0, 1]),
            PRIOR_3,
            note="confident and wrong",
        ),
        extreme(np.array([[0.0, 690.0, 1.0]]), np.array([0]), PRIOR_3, note="a loss of about 690"),
        extreme(np.array([[0.0, 800.0]]), np.array([0]), np.array([0.3, 0.7]), note="loss 801"),
        extreme(ROWS_2000_APART, np.array([1, 2]), PRIOR_3, note="two rows 2000 apart"),
    ],
    truth=_exact_adjusted_loss,
    scale=lambda logits, labels, prior, expected: _size(logits, np.log(prior)),
    remark="In PyTorch it is one line: F.cross_entropy(logits + prior.log(), labels).",
)
def logit_adjusted_loss(logits, labels, prior):
    """Return the mean cross-entropy of logits + log prior: the loss to train with; a scalar.

    logits : float array, shape (N, n).   labels : integer array, shape (N,).
    prior : float array, shape (n,), positive, sums to 1: the class frequencies in training.
    Stable: logits of any finite size. A library's cross-entropy may help. logits stay unchanged.
    """
    x = logits + np.log(prior)
    x = x - np.max(x, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(x), axis=-1))
    return np.mean(log_sum - x[np.arange(len(labels)), labels])


logit_adjusted_loss.hints(
    "You have both parts: the cross-entropy of notebook 05, and the log-prior of 10.1.",
    "Add np.log(prior) to the logits of every class, then take the stable cross-entropy of that.",
    "The log-prior has to enter the normaliser too, not only the label's own logit.",
    "x = logits + np.log(prior), minus its row maximum; mean of np.log(np.exp(x).sum(axis=-1)) - "
    "x[np.arange(len(labels)), labels].",
)
logit_adjusted_loss.reasoning(
    "During training the prior is added, so that logits + log π explain the lopsided data. What "
    "the logits themselves have to learn is then free of the prior. At test time you use the "
    "logits alone, and the frequent classes have no head start. The log-prior is a bias that "
    "training cannot change."
)


def _nll_rows(x, labels):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(shifted), axis=-1))
    return log_sum - shifted[np.arange(len(labels)), labels]


@logit_adjusted_loss.mistake(
    "Log π was subtracted: that is the form after the fact, for a model that was trained without "
    "it. In the loss it is added, so that the logits need not learn it.",
    epsilon=(0.0, *EPSILONS[4:9]),
)
def subtracts_the_log_prior(logits, labels, prior, *, epsilon):
    return np.mean(_nll_rows(logits - np.log(prior + epsilon), labels))


@logit_adjusted_loss.mistake(
    "A small number was added to the prior inside the log: it moves the rare classes' logits, and "
    "the prior is positive. Leave it out.",
    epsilon=EPSILONS[:9],
)
def epsilon_in_the_log_prior(logits, labels, prior, *, epsilon):
    return np.mean(_nll_rows(logits + np.log(prior + epsilon), labels))


@logit_adjusted_loss.mistake(
    "There is a softmax too much: the cross-entropy takes logits and does its own, so hand it "
    "logits + log π.",
    prior_first=(True, False),
)
def softmax_before_the_loss(logits, labels, prior, *, prior_first):
    log_prior = np.log(prior)
    x = _softmax(logits + log_prior) if prior_first else _softmax(logits) + log_prior
    return np.mean(_nll_rows(x, labels))


@logit_adjusted_loss.mistake(
    "The prior itself was added, not its log: π lies between 0 and 1 and moves the logits far too "
    "little. Add log π."
)
def prior_itself_added(logits, labels, prior):
    return np.mean(_nll_rows(logits + prior, labels))


@logit_adjusted_loss.mistake(
    "The logits were multiplied by the prior: that is a temperature for each class. Add log π."
)
def logits_times_prior(logits, labels, prior):
    return np.mean(_nll_rows(logits * prior, labels))


@logit_adjusted_loss.mistake(
    "The log of a softmax output was taken: a probability that underflows to 0 has the log -inf. "
    "Stay in logs: log Σ exp(x - m) - (x_y - m)."
)
def log_of_the_softmax(logits, labels, prior):
    p = _softmax(logits + np.log(prior))
    with np.errstate(divide="ignore"):
        return -np.mean(np.log(p[np.arange(len(labels)), labels]))


@logit_adjusted_loss.mistake(
    "The exp was taken without a shift: it overflows above 709, and below -745 the log sees 0. "
    "Subtract each row's maximum."
)
def without_a_shift(logits, labels, prior):
    x = logits + np.log(prior)
    return np.mean(np.log(np.sum(np.exp(x), axis=-1)) - x[np.arange(len(labels)), labels])


@logit_adjusted_loss.mistake(
    "The probabilities were clipped: no loss can exceed -log of the clip, and its gradient is 0 "
    "there. Stay in logs, and nothing has to be clipped.",
    epsilon=(*EPSILONS, 1e-300),
)
def clipped_probabilities(logits, labels, prior, *, epsilon):
    p = _softmax(logits + np.log(prior))[np.arange(len(labels)), labels]
    return -np.mean(np.log(np.maximum(p, epsilon)))


@logit_adjusted_loss.mistake(
    "A small number was added to the probability before the log: no loss can exceed its -log. "
    "Stay in logs.",
    epsilon=(*EPSILONS, 1e-300),
)
def epsilon_beside_the_probability(logits, labels, prior, *, epsilon):
    p = _softmax(logits + np.log(prior))[np.arange(len(labels)), labels]
    return -np.mean(np.log(p + epsilon))


@logit_adjusted_loss.mistake(
    "That is the plain cross-entropy: the prior plays no part, or the same number was added to all "
    "logits of a row, which cancels. Each class gets its own log π."
)
def plain_cross_entropy(logits, labels, prior):
    return np.mean(_nll_rows(logits, labels))


@logit_adjusted_loss.mistake(
    "Log π of the label was added outside the softmax: it is then a constant, and its gradient is "
    "0. It has to enter the normaliser, through the logits of all classes."
)
def prior_outside_the_softmax(logits, labels, prior):
    return np.mean(_nll_rows(logits, labels) - np.log(prior)[labels])


@logit_adjusted_loss.mistake(
    "Only the label's own logit got its log π: every class has to, or the probabilities are those "
    "of no prior at all.",
    sign=(1, -1),
)
def only_the_label_adjusted(logits, labels, prior, *, sign):
    x = np.array(logits, dtype=float)
    x[np.arange(len(labels)), labels] += sign * np.log(prior)[labels]
    return np.mean(_nll_rows(x, labels))


@logit_adjusted_loss.mistake(
    "Each row is weighted by 1/π of its label: that is reweighting, another remedy. Here log π is "
    "added to the logits, and all rows count alike.",
    divided_by=("their sum", "N", "N, after they were scaled to mean 1"),
)
def weights_by_the_inverse_prior(logits, labels, prior, *, divided_by):
    weights = 1 / prior
    if divided_by.endswith("mean 1"):
        weights = weights / np.mean(weights)
    total = np.sum(weights[labels] * _nll_rows(logits, labels))
    return total / (np.sum(weights[labels]) if divided_by == "their sum" else len(labels))


@logit_adjusted_loss.mistake("That is the sum over the rows: the loss is their mean.")
def summed(logits, labels, prior):
    return np.sum(_nll_rows(logits + np.log(prior), labels))


@logit_adjusted_loss.mistake("A loss for each row came back: take the mean.")
def not_averaged(logits, labels, prior):
    return _nll_rows(logits + np.log(prior), labels)


@logit_adjusted_loss.mistake(
    "The mean runs over all N · n entries: divide by the number of rows only."
)
def mean_over_all_entries(logits, labels, prior):
    return np.sum(_nll_rows(logits + np.log(prior), labels)) / np.size(logits)


@logit_adjusted_loss.mistake("The sign is wrong: a loss is -log p, never negative.")
def negative(logits, labels, prior):
    return -np.mean(_nll_rows(logits + np.log(prior), labels))


@logit_adjusted_loss.mistake(
    "The index log_p[:, labels] takes every row at every label, an N × N table: pair them with "
    "log_p[np.arange(N), labels]."
)
def every_row_at_every_label(logits, labels, prior):
    x = logits + np.log(prior)
    shifted = x - np.max(x, axis=-1, keepdims=True)
    log_p = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return -np.mean(log_p[:, labels])


@logit_adjusted_loss.mistake(
    "The logarithm of the prior has another base than exp: use np.log.", log=(np.log2, np.log10)
)
def prior_in_another_base(logits, labels, prior, *, log):
    return np.mean(_nll_rows(logits + log(prior), labels))


@logit_adjusted_loss.mistake(
    "The right number, and the caller's logits are changed: += works in place. "
    "Write x = logits + np.log(prior)."
)
def adjusts_in_place(logits, labels, prior):
    logits += np.log(prior)
    return np.mean(_nll_rows(logits, labels))
