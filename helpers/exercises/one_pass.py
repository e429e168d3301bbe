"""Exercises 14.1 to 14.6: records, merging parts of a row, attention in tiles and backwards."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(14)
_INF = np.inf
_FLOAT32_LOWEST = float(np.finfo(np.float32).min)
_LOWEST = float(np.finfo(np.float64).min)
_ATTENTION = (
    "scaled_dot_product_attention",
    "multi_head_attention_forward",
    "MultiheadAttention",
    "attention",
)


def _read_only(array):
    array.flags.writeable = False
    return array


def _normal(*shape):
    return _rng.normal(size=shape)


def _row(*numbers, dtype=np.float64):
    return np.array(numbers, dtype=dtype)


def _largest(*arrays):
    """Return the largest size of a finite number in the arrays."""
    return max(np.max(np.abs(np.where(np.isfinite(a), a, 0.0)), initial=0.0) for a in arrays)


# --- 14.1 ----------------------------------------------------------------------------------------


@exercise(
    "14.1",
    minutes=4,
    probes=[
        ordinary(_row(1, 2, 3), note="ascending"),
        ordinary(_row(3, 2, 1), note="descending"),
        ordinary(_row(5), note="one logit"),
        ordinary(_row(2, 2, 1, 3, 3), note="ties"),
        ordinary(_row(1, 0, 2, 1.5, 1.75), note="up and down"),
        ordinary(_row(-3, -5, -1), note="all below 0"),
        ordinary(_row(-_INF, 1, 0, 2), note="−inf first"),
        ordinary(_row(-_INF, -_INF, 4, -_INF), note="−inf before and after the only logit"),
        ordinary(_row(1, -_INF, 2), note="−inf in the middle"),
        ordinary(_row(-_INF, -_INF), note="nothing but −inf"),
        ordinary(_normal(12), note="twelve logits"),
        ordinary(_row(0.5, 0.25, 1.5, dtype=np.float32), note="float32"),
        ordinary(_read_only(_row(4, 1, 5)), note="a read-only row"),
        extreme(_row(-6e4, -7e4, -59999), note="all below −5e4"),
        extreme(_row(-2e9, -1.5e9), note="all below −1e9"),
        extreme(_row(-2e30, -1.5e30), note="all below −1e30"),
        extreme(_row(_LOWEST), note="the lowest finite number"),
    ],
    truth=lambda x: sum(all(v > w for w in (-_INF, *x[:i])) for i, v in enumerate(x)),
    remark="This is how often an online softmax moves its sum; in between the factor is 1.",
)
def rescalings(x):
    """Return how often the running maximum of a row is replaced by a larger one.

    x : float array (n,), n at least 1, -inf allowed. It is left unchanged.

    The running maximum starts at -inf and goes through x from left to right. Each time a logit is
    larger than it, the logit takes its place, and the sum kept so far has to be moved: count
    these times, the first logit included. A tie replaces nothing, and -inf never does. Returns
    a whole number.
    """
    before = np.maximum.accumulate(np.concatenate([[-np.inf], x[:-1]]))
    return int(np.sum(x > before))


rescalings.hints(
    "A loop is enough: keep the maximum so far, and compare each logit with it.",
    "Larger, not at least as large: a tie leaves the maximum where it is.",
    "Start the maximum at -np.inf. Then the first finite logit counts by itself, and -inf never.",
)
rescalings.reasoning(
    "Logit i counts if it is larger than all before it. np.maximum.accumulate gives the maximum up "
    "to each place; shifted by one, with −inf in front, it is the maximum *before* each place. "
    "Starting at −inf needs no special case: every finite logit is above it, −inf is not."
)


def _count(x, *, start=-_INF, ties=False):
    best, count = start, 0
    for value in x:
        if value > best or (ties and value == best):
            best, count = value, count + 1
    return count


@rescalings.mistake(
    "a tie is counted. Only a logit that is larger than the maximum replaces it: take >.",
    infinite=(True, False),
)
def counts_ties(x, *, infinite):
    return _count(x if infinite else x[x > -_INF], ties=True)


@rescalings.mistake(
    "the first logit is not counted. The maximum starts at -inf, and the first finite logit "
    "replaces it.",
    how=("from the first", "one less", "one less, at least 0"),
)
def forgets_the_first(x, *, how):
    if how == "from the first":
        return _count(x, start=x[0])
    return _count(x) - 1 if how == "one less" else max(_count(x) - 1, 0)


@rescalings.mistake(
    "each logit is compared with its neighbour. Compare it with the largest of *all* before it.",
    first=("from -inf", "counted", "left out"),
)
def compares_neighbours(x, *, first):
    rises = int(np.sum(x[1:] > x[:-1]))
    return rises + {"from -inf": int(x[0] > -_INF), "counted": 1, "left out": 0}[first]


@rescalings.mistake(
    "the first entry is counted though it is -inf. It replaces nothing: the maximum starts there.",
    how=("the first entry", "distinct maxima"),
)
def counts_the_first_always(x, *, how):
    if how == "distinct maxima":
        return len(np.unique(np.maximum.accumulate(x)))
    return 1 + _count(x[1:], start=x[0])


@rescalings.mistake(
    "the maximum starts at a finite number, and logits below it are never seen. Start at -np.inf.",
    start=(0.0, -1e3, -1e4, -5e4, -65504.0, -1e9, -1e30, _LOWEST),
)
def finite_start(x, *, start):
    return _count(x, start=start)


@rescalings.mistake("the row is read from the right. Go from left to right.")
def from_the_right(x):
    return _count(x[::-1])


@rescalings.mistake(
    "this is not the number of times: the running maximum itself, or its places, came back. "
    "Count how often it changes.",
    what=("running maximum", "maximum", "marks", "places", "place of the maximum"),
)
def returns_the_maximum(x, *, what):
    running = np.maximum.accumulate(x)
    marks = x > np.concatenate([[-_INF], running[:-1]])
    given = {"running maximum": running, "maximum": x.max(), "marks": marks}
    given["place of the maximum"] = x.argmax()
    return given.get(what, np.flatnonzero(marks))


@rescalings.mistake(
    "the maximum is never moved: each logit is compared with the same number. Let the larger logit "
    "take its place.",
    with_what=("-inf", "the first"),
)
def never_moves_the_maximum(x, *, with_what):
    return int(np.sum(x > -_INF)) if with_what == "-inf" else 1 + int(np.sum(x > x[0]))


@rescalings.mistake(
    "the different values of the row are counted. Count those that are larger than all before.",
    infinite=(True, False),
)
def counts_different_values(x, *, infinite):
    return len(np.unique(x if infinite else x[x > -_INF]))


@rescalings.mistake("the running minimum is counted. A larger logit replaces the maximum.")
def counts_minima(x):
    return _count(-x, start=-_INF)


# --- 14.2 ----------------------------------------------------------------------------------------


def _merged_exactly(m1, s1, m2, s2):
    """Merge number by number, in 60 digits."""
    import mpmath

    with mpmath.workdps(60):

        def one(a, s, b, t):
            top = max(a, b)
            parts = [(a, s), (b, t)]
            terms = [n * mpmath.exp(mpmath.mpf(m) - top) for m, n in parts if m > -_INF]
            return top, float(sum(terms))

        pairs = [one(*map(float, four)) for four in zip(*map(np.ravel, (m1, s1, m2, s2)))]
    return tuple(np.array(part).reshape(np.shape(m1)) for part in zip(*pairs, strict=True))


_EMPTY = (_row(-_INF), _row(0))
_STATES = (
    _row(1, -2, 0.5, -_INF),
    _row(1.5, 3, 1, 0),
    _row(0, 2, 0.5, 1),
    _row(2, 1.25, 4, 2.5),
)


@exercise(
    "14.2",
    minutes=8,
    probes=[
        ordinary(_row(1), _row(1), _row(3), _row(1), note="two single logits, the second larger"),
        ordinary(_row(2), _row(1.5), _row(-1), _row(3), note="the first is larger"),
        ordinary(_row(2), _row(1.5), _row(2), _row(3), note="a tie"),
        ordinary(_row(-1), _row(1.5), _row(-3), _row(2), note="both maxima below 0"),
        ordinary(*_EMPTY, _row(2), _row(1.5), note="the first part is empty"),
        ordinary(_row(2), _row(1.5), *_EMPTY, note="the second part is empty"),
        ordinary(_row(-3), _row(1.5), *_EMPTY, note="the second is empty, the first below 0"),
        ordinary(*_EMPTY, *_EMPTY, note="both parts are empty"),
        ordinary(*_STATES, note="four merges at once"),
        ordinary(
            _row(0, -_INF, -_INF, 1),
            _row(1, 0, 0, 2),
            _row(-_INF, -_INF, 2, 0),
            _row(0, 0, 3, 1),
            note="four merges, empty parts among them",
        ),
        ordinary(
            _normal(2, 3), 1 + abs(_normal(2, 3)), _normal(2, 3), 1 + abs(_normal(2, 3)),
            note="shape (2, 3)",
        ),
        ordinary(*(a.astype(np.float32) for a in _STATES), note="float32"),
        ordinary(*(_read_only(a.copy()) for a in _STATES), note="read-only arrays"),
        extreme(_row(1000), _row(1.5), _row(998), _row(2), note="maxima near 1000"),
        extreme(_row(-1000), _row(1.5), _row(-998), _row(2), note="maxima near −1000"),
        extreme(_row(1000), _row(1.5), _row(-1000), _row(2), note="maxima 2000 apart"),
        extreme(_row(-1000), _row(1.5), _row(1000), _row(2), note="the other way round"),
        extreme(_row(-2e4), _row(1.5), *_EMPTY, note="a maximum of −2e4, and an empty part"),
        extreme(_row(-6e4), _row(1.5), _row(-6e4 - 1), _row(2), note="maxima near −6e4"),
        extreme(*_EMPTY, _row(-2e9), _row(2), note="an empty part, and a maximum of −2e9"),
        extreme(_row(-1e31), _row(2), *_EMPTY, note="a maximum of −1e31, and an empty part"),
        extreme(_row(-1e31), _row(2), _row(-1e31), _row(1), note="both maxima −1e31"),
    ],
    truth=_merged_exactly,
    relative=lambda m1, s1, m2, s2: min(_largest(m1, m2), 1e4),
    library=("partials.merge",),
    remark="With (−inf, 0) for nothing, a row may be cut anywhere, and merged in any order.",
)  # fmt: skip
def merge(m1, s1, m2, s2):
    """Merge the states of two parts of a row: m their larger maximum, s the sum of both.

    m1, s1, m2, s2 : float arrays of one shape, left unchanged. A part's state is its maximum m,
        and s, the sum of exp(x - m) over its logits. (-inf, 0) is an empty part; both may be.

    Returns (m, s): the state of both parts together. m is the larger of the two maxima, s the sum
    of exp(x - m) over the logits of both; (-inf, 0) if both are empty. Maxima of any size must
    work, and float32 must not become narrower.
    """
    m = np.maximum(m1, m2)
    shift = np.where(m == -np.inf, 0, m)
    return m, s1 * np.exp(m1 - shift) + s2 * np.exp(m2 - shift)


merge.hints(
    "s1 was computed with m1 subtracted. Which factor makes of it a sum with m subtracted?",
    "s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m): no exponent is above 0. Where does this give NaN?",
    "Where both parts are empty, m1 - m is -inf - (-inf). Subtract another number there: with 0 "
    "the exponent stays -inf, and its exp is 0.",
    "np.where(m == -np.inf, 0, m) is what you subtract; what you return is m itself.",
)
merge.reasoning(
    "Each sum moves from its own maximum to the common one: s·e^(m_i − m). The larger part's "
    "factor is exactly 1. An empty part's is exp(−inf) = 0, except where both are empty: "
    "−inf − (−inf) is NaN. So the *difference* is guarded, by subtracting 0 there. The state "
    "itself stays (−inf, 0), and no finite number takes part: there is none that a score could "
    "not fall below."
)


def _moved_by(m1, m2, *, guarded):
    """Return the larger maximum and the factors of both sums."""
    m = np.maximum(m1, m2)
    shift = np.where(m == -_INF, 0, m) if guarded else m
    return m, np.exp(m1 - shift), np.exp(m2 - shift)


@merge.mistake(
    "two empty parts give NaN: -inf - (-inf). Subtract 0 where the maximum is -inf, and leave "
    "the maximum itself as it is.",
    result=("sum", "both"),
)
def nan_when_both_are_empty(m1, s1, m2, s2, *, result):
    m, first, second = _moved_by(m1, m2, guarded=False)
    s = s1 * first + s2 * second
    return (m, s) if result == "sum" else (m + 0 * s, s)


@merge.mistake(
    "the sums are added as they are. Each belongs to its own maximum: move it to the common one "
    "first, with exp(m1 - m)."
)
def adds_the_sums(m1, s1, m2, s2):
    return np.maximum(m1, m2), s1 + s2


@merge.mistake(
    "only one of the two sums is moved. Either may be the one with the smaller maximum: move both, "
    "the larger one's factor is 1 by itself.",
    which=("first", "second"),
    guarded=(True, False),
)
def moves_one_sum(m1, s1, m2, s2, *, which, guarded):
    m, first, second = _moved_by(m1, m2, guarded=guarded)
    return m, s1 * first + s2 if which == "first" else s1 + s2 * second


@merge.mistake(
    "the exponent has the wrong sign, so that exp grows. A sum moves to a larger maximum and gets "
    "smaller: exp(m1 - m).",
    guarded=(True, False),
)
def wrong_sign(m1, s1, m2, s2, *, guarded):
    m = np.maximum(m1, m2)
    if not guarded:
        return m, s1 * np.exp(m - m1) + s2 * np.exp(m - m2)
    terms = [np.where(a == -_INF, 0, s * np.exp(m - a)) for a, s in ((m1, s1), (m2, s2))]
    return m, sum(terms)


@merge.mistake(
    "the plain sums are formed, s * exp(m), which overflow or vanish. Only differences of maxima "
    "belong into exp.",
    empty=("guarded", "NaN"),
    back=("divided", "multiplied"),
)
def through_plain_sums(m1, s1, m2, s2, *, empty, back):
    m = np.maximum(m1, m2)
    total = s1 * np.exp(m1) + s2 * np.exp(m2)
    s = total / np.exp(m) if back == "divided" else total * np.exp(-m)
    return m, np.where(m == -_INF, 0, s) if empty == "guarded" else s


@merge.mistake(
    "a finite number stands for -inf, and a maximum below it is lost. Leave -inf, and guard the "
    "difference.",
    fill=(0.0, -1e3, -1e4, -5e4, -65504.0, -1e9, -1e30),
    form=("clipped", "clipped in exp", "replaced", "replaced and put back"),
)
def finite_maximum(m1, s1, m2, s2, *, fill, form):
    top = np.maximum(m1, m2)
    if form.startswith("replaced"):
        m1, m2 = (np.where(m == -_INF, fill, m) for m in (m1, m2))
    m = np.maximum(m1, m2)
    m = m if form.startswith("replaced") else np.maximum(m, fill)
    s = s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)
    if form == "clipped in exp":
        return top, s
    return (np.where(top == -_INF, -_INF, m) if form == "replaced and put back" else m), s


@merge.mistake(
    "where both parts are empty, the finite number of the guard came back as m. Use it in the "
    "difference only: m stays -inf.",
    guard=(0.0, -1e4, -1e9, -1e30, _FLOAT32_LOWEST, _LOWEST),
)
def the_guard_came_back(m1, s1, m2, s2, *, guard):
    m = np.maximum(m1, m2)
    m = np.where(m == -_INF, guard, m)
    return m, s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)


@merge.mistake(
    "the sums s1 and s2 are not used: each part counts as a single logit. Multiply each factor "
    "with its sum.",
    guarded=(True, False),
)
def forgets_the_sums(m1, s1, m2, s2, *, guarded):
    m, first, second = _moved_by(m1, m2, guarded=guarded)
    return m, first + second


@merge.mistake(
    "the log-sum-exp came back. Return the state it is made of, (m, s).",
    form=("alone", "with s", "with 1", "with m"),
)
def returns_the_lse(m1, s1, m2, s2, *, form):
    m, first, second = _moved_by(m1, m2, guarded=True)
    s = s1 * first + s2 * second
    lse = m + np.log(s)
    pairs = {"with s": (lse, s), "with 1": (lse, np.ones_like(s)), "with m": (m, lse)}
    return pairs.get(form, lse)


@merge.mistake(
    "an empty part counts 1. Its sum is 0: there is no logit in it.",
    where=("both are empty", "each"),
)
def empty_counts_one(m1, s1, m2, s2, *, where):
    m, first, second = _moved_by(m1, m2, guarded=True)
    s = s1 * first + s2 * second
    if where == "each":
        return m, s + (m1 == -_INF) + (m2 == -_INF)
    return m, np.where(m == -_INF, 1, s)


@merge.mistake(
    "m is not the larger of the two maxima. With any other shift exp can overflow, and the next "
    "merge relies on it.",
    shift=("smaller", "first", "second", "mean", "sum", "log-sum"),
    guarded=(True, False),
)
def another_shift(m1, s1, m2, s2, *, shift, guarded):
    choices = {
        "smaller": np.minimum(m1, m2),
        "first": m1,
        "second": m2,
        "mean": (m1 + m2) / 2,
        "sum": m1 + m2,
        "log-sum": np.logaddexp(m1, m2),
    }
    m = choices[shift]
    finite = np.where(m == -_INF, 0, m) if guarded else m
    return m, s1 * np.exp(m1 - finite) + s2 * np.exp(m2 - finite)


@merge.mistake(
    "s belongs to the larger maximum, and another one came back as m. Return the one that you "
    "subtracted.",
    which=("first", "second", "smaller"),
)
def another_maximum_came_back(m1, s1, m2, s2, *, which):
    _, first, second = _moved_by(m1, m2, guarded=True)
    m = {"first": m1, "second": m2, "smaller": np.minimum(m1, m2)}[which]
    return m, s1 * first + s2 * second


@merge.mistake(
    "0 is subtracted wherever one part is empty, and the other one's sum moves away from its "
    "maximum. Guard where both are empty: where m is -inf."
)
def guard_is_too_wide(m1, s1, m2, s2):
    m = np.maximum(m1, m2)
    shift = np.where((m1 == -_INF) | (m2 == -_INF), 0, m)
    return m, s1 * np.exp(m1 - shift) + s2 * np.exp(m2 - shift)


@merge.mistake("the mean of the two moved sums came back. Add them.")
def mean_of_the_sums(m1, s1, m2, s2):
    m, first, second = _moved_by(m1, m2, guarded=True)
    return m, (s1 * first + s2 * second) / 2


@merge.mistake(
    "each sum got the other one's factor. s1 moves with exp(m1 - m), s2 with exp(m2 - m).",
    guarded=(True, False),
)
def swaps_the_factors(m1, s1, m2, s2, *, guarded):
    m, first, second = _moved_by(m1, m2, guarded=guarded)
    return m, s1 * second + s2 * first


@merge.mistake("the sum came first. Return (m, s).", guarded=(True, False))
def sum_first(m1, s1, m2, s2, *, guarded):
    m, first, second = _moved_by(m1, m2, guarded=guarded)
    return s1 * first + s2 * second, m


# --- 14.3 ----------------------------------------------------------------------------------------


def _rest_exactly(m1, r1, m2, r2):
    """Merge number by number, in 60 digits."""
    import mpmath

    with mpmath.workdps(60):

        def one(a, r, b, t):
            top = max(a, b)
            parts = [(a, r), (b, t)]
            terms = [
                (1 + mpmath.mpf(n)) * mpmath.exp(mpmath.mpf(m) - top) for m, n in parts if m > -_INF
            ]
            return top, float(sum(terms) - 1)

        pairs = [one(*map(float, four)) for four in zip(*map(np.ravel, (m1, r1, m2, r2)))]
    return tuple(np.array(part).reshape(np.shape(m1)) for part in zip(*pairs, strict=True))


_RESTS = (_row(1, -2, 0.5, -_INF), _row(0.5, 2, 0, 0), _row(0, 2, 0.5, 1), _row(1, 0.25, 3, 1.5))


@exercise(
    "14.3",
    minutes=9,
    probes=[
        ordinary(_row(1), _row(0), _row(3), _row(0), note="two single logits, the second larger"),
        ordinary(_row(2), _row(0.5), _row(-1), _row(2), note="the first is larger"),
        ordinary(_row(2), _row(0.5), _row(3), _row(0.25), note="the second is larger"),
        ordinary(_row(2), _row(0.5), _row(2), _row(0.25), note="a tie"),
        ordinary(_row(0), _row(0), _row(0), _row(0), note="two single logits of 0"),
        ordinary(*_EMPTY, _row(2), _row(1.5), note="the first part is empty"),
        ordinary(_row(2), _row(1.5), *_EMPTY, note="the second part is empty"),
        ordinary(_row(2), _row(0), *_EMPTY, note="a single logit, and an empty part"),
        ordinary(*_RESTS, note="four merges at once"),
        ordinary(
            _normal(2, 3), abs(_normal(2, 3)), _normal(2, 3), abs(_normal(2, 3)),
            note="shape (2, 3)",
        ),
        ordinary(*(a.astype(np.float32) for a in _RESTS), note="float32"),
        ordinary(*(_read_only(a.copy()) for a in _RESTS), note="read-only arrays"),
        extreme(_row(0), _row(0), _row(-40), _row(0), note="0 and −40: the rest is 4.2e-18"),
        extreme(_row(-40), _row(0.5), _row(0), _row(1e-18), note="a rest of 1e-18 in the larger"),
        extreme(_row(5), _row(2e-20), *_EMPTY, note="a rest of 2e-20, and an empty part"),
        extreme(_row(3), _row(0), _row(-37), _row(0), note="3 and −37: the rest is 4.2e-18"),
        extreme(_row(1000), _row(0.5), _row(998), _row(0.25), note="maxima near 1000"),
        extreme(_row(-1000), _row(0.5), _row(-998), _row(0.25), note="maxima near −1000"),
        extreme(_row(-1000), _row(0.5), _row(1000), _row(0.25), note="maxima 2000 apart"),
    ],
    truth=_rest_exactly,
    relative=lambda m1, r1, m2, r2: min(_largest(m1, m2), 1e4),
    library=("partials.merge",),
    remark="m + log1p(r) is the log-sum-exp, with the digits that 1 + r would drop.",
)  # fmt: skip
def merge_rest(m1, r1, m2, r2):
    """Merge the states of two parts of a row, each without its maximum's own 1.

    m1, r1, m2, r2 : float arrays of one shape, left unchanged. A part's state is its maximum m,
        and r, the sum of exp(x - m) over its *other* logits: one maximum is left out, ties stay
        in. (-inf, 0) is an empty part; at most one of the two is.

    Returns (m, r), the state of both parts together: m is the larger maximum, r leaves one of the
    logits equal to m out. r must keep its digits even where it is as small as 4e-18.
    """
    first = m1 >= m2
    m, low = np.where(first, m1, m2), np.where(first, m2, m1)
    r, r_low = np.where(first, r1, r2), np.where(first, r2, r1)
    return m, r + (1 + r_low) * np.exp(low - m)


merge_rest.hints(
    "Which of the two maxima is still left out after the merge, and what becomes of the other one?",
    "The part with the larger maximum keeps its r. The other one's maximum is now an ordinary "
    "logit: it brings its own 1 along, 1 + r in all.",
    "Move those to the larger maximum: (1 + r_low) * np.exp(m_low - m_top).",
    "np.where(m1 >= m2, ..., ...) chooses for each entry. With >= a tie has one winner and one "
    "loser, as it should.",
)
merge_rest.reasoning(
    "Only one maximum may stay out, so the loser's joins the others: it brings (1 + r_low), moved "
    "by e^(m_low − m). The winner's own 1 is never added, so a rest of 4e-18 keeps its digits; "
    "1 + r − 1 would give 0. An empty part always loses, and its factor is exp(−inf) = 0."
)


def _parted(m1, r1, m2, r2):
    """Return maximum and rest of the winner, then of the loser; the first wins a tie."""
    first = m1 >= m2
    return (
        np.where(first, m1, m2),
        np.where(first, r1, r2),
        np.where(first, m2, m1),
        np.where(first, r2, r1),
    )


@merge_rest.mistake(
    "the loser's own 1 is forgotten. Its maximum is no longer left out: it brings 1 + r."
)
def forgets_the_losers_one(m1, r1, m2, r2):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    return m, r + r_low * np.exp(low - m)


@merge_rest.mistake("the winner's own 1 is counted. It stays out: only the loser brings 1 + r.")
def counts_the_winners_one(m1, r1, m2, r2):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    return m, 1 + r + (1 + r_low) * np.exp(low - m)


@merge_rest.mistake(
    "the whole sum is formed and 1 subtracted at the end. That drops a small r: leave the "
    "winner's 1 out from the start.",
    order=("at the end", "from the sums", "through the log-sum-exps"),
)
def through_the_sums(m1, r1, m2, r2, *, order):
    m = np.maximum(m1, m2)
    if order == "through the log-sum-exps":
        return m, np.expm1(np.logaddexp(m1 + np.log1p(r1), m2 + np.log1p(r2)) - m)
    first, second = (1 + r1) * np.exp(m1 - m), (1 + r2) * np.exp(m2 - m)
    return m, first + second - 1 if order == "at the end" else np.expm1(np.log(first + second))


@merge_rest.mistake(
    "the rests are added as they are. The loser's logits move to the larger maximum, and its own "
    "1 joins them: (1 + r_low) * exp(m_low - m)."
)
def adds_the_rests(m1, r1, m2, r2):
    return np.maximum(m1, m2), r1 + r2


@merge_rest.mistake(
    "one part always wins, whichever maximum is larger. Choose for each entry: np.where(m1 >= m2, "
    "..., ...).",
    winner=("first", "second"),
    m=("its own", "larger"),
)
def one_part_always_wins(m1, r1, m2, r2, *, winner, m):
    if winner == "second":
        m1, r1, m2, r2 = m2, r2, m1, r1
    return (m1 if m == "its own" else np.maximum(m1, m2)), r1 + (1 + r2) * np.exp(m2 - m1)


@merge_rest.mistake(
    "a tie loses both maxima. Only one stays out: the other one adds 1.",
)
def tie_loses_both(m1, r1, m2, r2):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    return m, r + (r_low + (low < m)) * np.exp(low - m)


@merge_rest.mistake("a tie counts both maxima. One of them stays out.")
def tie_counts_both(m1, r1, m2, r2):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    return m, r + (1 + r_low) * np.exp(low - m) + (low == m)


@merge_rest.mistake(
    "the exponent does not follow the order of the maxima. It is the smaller one minus the larger "
    "one, never above 0.",
    exponent=("m1 - m2", "m2 - m1", "larger minus smaller"),
)
def exponent_of_the_wrong_sign(m1, r1, m2, r2, *, exponent):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    chosen = {"m1 - m2": m1 - m2, "m2 - m1": m2 - m1, "larger minus smaller": m - low}
    return m, r + (1 + r_low) * np.exp(chosen[exponent])


@merge_rest.mistake(
    "the 1 stands with the wrong part. It is the loser's maximum that joins: (1 + r_low) moves.",
    moved=("the loser's rest", "the winner's rest", "nothing"),
)
def one_with_the_wrong_part(m1, r1, m2, r2, *, moved):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    factor = np.exp(low - m)
    if moved == "nothing":
        return m, r + r_low + factor
    return m, 1 + r + r_low * factor if moved == "the loser's rest" else r_low + (1 + r) * factor


@merge_rest.mistake(
    "the loser is not moved. Its sum belongs to its own maximum: multiply by exp(m_low - m)."
)
def loser_is_not_moved(m1, r1, m2, r2):
    m, r, _, r_low = _parted(m1, r1, m2, r2)
    return m, r + 1 + r_low


@merge_rest.mistake("the winner is moved too. Its factor is 1: r stays as it is.")
def moves_the_winner(m1, r1, m2, r2):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    return m, (r + 1 + r_low) * np.exp(low - m)


@merge_rest.mistake(
    "the log-sum-exp came back. Return the state it is made of, (m, r).",
    form=("alone", "with r", "with m"),
)
def returns_the_log_sum(m1, r1, m2, r2, *, form):
    m, r, low, r_low = _parted(m1, r1, m2, r2)
    r = r + (1 + r_low) * np.exp(low - m)
    lse = m + np.log1p(r)
    return {"with r": (lse, r), "with m": (m, lse)}.get(form, lse)


@merge_rest.mistake(
    "the loser's rest is forgotten: it brings its maximum's own 1 *and* its rest, 1 + r_low."
)
def forgets_the_losers_rest(m1, r1, m2, r2):
    m, r, low, _ = _parted(m1, r1, m2, r2)
    return m, r + np.exp(low - m)


# --- 14.4 ----------------------------------------------------------------------------------------


def _attention_merged_exactly(o1, lse1, o2, lse2):
    """Merge query by query, in 60 digits."""
    import mpmath

    o, lse = np.zeros(np.shape(o1)), np.full(len(lse1), -_INF)
    with mpmath.workdps(60):
        for i, (one, two) in enumerate(zip(lse1, lse2, strict=True)):
            parts = [(float(a), b) for a, b in ((one, o1[i]), (two, o2[i])) if a > -_INF]
            if parts:
                weights = [mpmath.exp(mpmath.mpf(a)) for a, _ in parts]
                lse[i] = float(mpmath.log(sum(weights)))
                for j in range(o.shape[1]):
                    mean = sum(w * float(b[j]) for w, (_, b) in zip(weights, parts, strict=True))
                    o[i, j] = float(mean / sum(weights))
    return o, lse


def _size_of_parts(o1, lse1, o2, lse2, expected):
    return _largest(o1, o2) if expected.ndim == 2 else 1 + min(_largest(lse1, lse2), 1e4)


_NOTHING = (np.zeros((1, 2)), _row(-_INF))
_O1, _O2 = np.array([[1.0, -2.0]]), np.array([[3.0, 0.5]])
_PARTS = (_normal(3, 2), _row(0.5, 2, -1), _normal(3, 2), _row(1.5, -1, -1))


def _with_empty_parts():
    o1, o2 = _normal(4, 3), _normal(4, 3)
    o1[1:3], o2[2:] = 0, 0
    return o1, _row(0.5, -_INF, -_INF, 1), o2, _row(1, 0.25, -_INF, -_INF)


@exercise(
    "14.4",
    minutes=8,
    probes=[
        ordinary(_O1, _row(1), _O2, _row(2), note="one query"),
        ordinary(_O1, _row(-2), _O2, _row(-3), note="both log-sum-exps below 0"),
        ordinary(_O1, _row(1.5), _O2, _row(1.5), note="equal log-sum-exps"),
        ordinary(_O1, _row(2), *_NOTHING, note="the second part is empty"),
        ordinary(*_NOTHING, _O2, _row(-1), note="the first part is empty"),
        ordinary(*_NOTHING, *_NOTHING, note="both parts are empty"),
        ordinary(*_PARTS, note="three queries, values of width 2"),
        ordinary(
            _normal(2, 2), _row(0.5, -1), _normal(2, 2), _row(-1, 2), note="two queries, width 2"
        ),
        ordinary(*_with_empty_parts(), note="four queries, empty parts among them"),
        ordinary(_normal(2, 1), _row(0, 1), _normal(2, 1), _row(3, 0.5), note="width 1"),
        ordinary(*(a.astype(np.float32) for a in _PARTS), note="float32"),
        ordinary(*(_read_only(a.copy()) for a in _PARTS), note="read-only arrays"),
        extreme(_O1, _row(1000), _O2, _row(998), note="log-sum-exps near 1000"),
        extreme(_O1, _row(-1000), _O2, _row(-998.5), note="log-sum-exps near −1000"),
        extreme(_O1, _row(1000), _O2, _row(-1000), note="2000 apart"),
        extreme(_O1, _row(-2e4), *_NOTHING, note="a log-sum-exp of −2e4, and an empty part"),
        extreme(*_NOTHING, _O2, _row(-2e9), note="an empty part, and a log-sum-exp of −2e9"),
        extreme(_O1, _row(-1e31), *_NOTHING, note="a log-sum-exp of −1e31, and an empty part"),
        extreme(
            np.array([[1.0, -2.0], [0.5, 4.0]]),
            _row(1000, -1000),
            np.array([[3.0, 0.5], [1.0, 1.0]]),
            _row(999, -1001),
            note="two queries 2000 apart",
        ),
    ],
    truth=_attention_merged_exactly,
    scale=_size_of_parts,
    relative=lambda o1, lse1, o2, lse2: min(_largest(lse1, lse2), 1e4),
    remark="This is all that two machines, each with half of the keys, have to send each other.",
)
def merge_attention(o1, lse1, o2, lse2):
    """Merge the attention outputs over two parts of the keys into that over all keys.

    o1, o2 : float arrays (n, d_v), each query's output over the first, the second part.
    lse1, lse2 : float arrays (n,), the log-sum-exp of each query's scores in that part.

    A part with no keys for a query has output zeros and log-sum-exp -inf; so has the result if
    both have none. Returns (o, lse), shapes (n, d_v) and (n,). Log-sum-exps of any size must work.
    All arguments stay unchanged.
    """
    m = np.maximum(lse1, lse2)
    shift = np.where(m == -np.inf, 0, m)
    w1, w2 = np.exp(lse1 - shift), np.exp(lse2 - shift)
    total = np.where(m == -np.inf, 1, w1 + w2)
    o = (w1[:, None] * o1 + w2[:, None] * o2) / total[:, None]
    return o, m + np.log(total)


merge_attention.hints(
    "Each output is a mean. Which total weight does each part have in the softmax over all keys?",
    "exp(lse1) and exp(lse2), up to a common factor. So o is the mean of o1 and o2 with these "
    "weights, and lse is np.logaddexp(lse1, lse2).",
    "Subtract the larger of the two before exp, each query its own, and divide by the sum of the "
    "two weights.",
    "Where both are empty subtract 0 and divide by 1. The outputs are zeros there, and "
    "np.logaddexp gives -inf.",
)
merge_attention.reasoning(
    "Part i holds Σ e^x = e^(ℓ_i) of the softmax's denominator, and o_i times it of the numerator. "
    "Added up and divided: weights e^(ℓ_i − m), over their sum. Both are at most 1, one of them is "
    "1. Dividing by the sum of these two makes them add up to 1 at any size of ℓ; "
    "e^(ℓ_i − ℓ) alone loses digits with |ℓ|, since ℓ itself is rounded."
)


def _weights(lse1, lse2, *, guarded=True):
    m = np.maximum(lse1, lse2)
    shift = np.where(m == -_INF, 0, m) if guarded else m
    return np.exp(lse1 - shift), np.exp(lse2 - shift)


def _mean_of(o1, w1, o2, w2, *, guarded=True):
    total = w1 + w2
    total = np.where(total == 0, 1, total) if guarded else total
    return (w1[:, None] * o1 + w2[:, None] * o2) / total[:, None]


@merge_attention.mistake(
    "a query with nothing in either part gives NaN: -inf - (-inf), or 0/0. Subtract 0 and divide "
    "by 1 there.",
    lse=("-inf", "NaN"),
)
def nan_when_nothing_is_left(o1, lse1, o2, lse2, *, lse):
    w1, w2 = _weights(lse1, lse2, guarded=False)
    merged = np.logaddexp(lse1, lse2) if lse == "-inf" else np.maximum(lse1, lse2) + np.log(w1 + w2)
    return _mean_of(o1, w1, o2, w2, guarded=False), merged


@merge_attention.mistake(
    "the plain mean of the outputs was taken. A part weighs as much as its scores do: exp(lse)."
)
def plain_mean(o1, lse1, o2, lse2):
    return (o1 + o2) / 2, np.logaddexp(lse1, lse2)


@merge_attention.mistake(
    "the outputs were added. Each is a mean with weights that sum to 1: weigh them, so that the "
    "result is one, too."
)
def plain_sum(o1, lse1, o2, lse2):
    return o1 + o2, np.logaddexp(lse1, lse2)


@merge_attention.mistake(
    "the log-sum-exps themselves are the weights. They are logarithms: the weights are their exp.",
    guarded=(False, True),
)
def logs_as_weights(o1, lse1, o2, lse2, *, guarded):
    if guarded:
        a, b = (np.where(part == -_INF, 0, part) for part in (lse1, lse2))
    else:
        a, b = lse1, lse2
    return _mean_of(o1, a, o2, b, guarded=guarded), np.logaddexp(lse1, lse2)


@merge_attention.mistake(
    "nothing is subtracted before exp, which overflows, or vanishes on both sides. Subtract the "
    "larger log-sum-exp.",
    lse=("log of the sum", "logaddexp"),
    empty=("zeros", "NaN"),
)
def unshifted(o1, lse1, o2, lse2, *, lse, empty):
    w1, w2 = np.exp(lse1), np.exp(lse2)
    merged = np.log(w1 + w2) if lse == "log of the sum" else np.logaddexp(lse1, lse2)
    return _mean_of(o1, w1, o2, w2, guarded=empty == "zeros"), merged


@merge_attention.mistake(
    "the weights exp(lse - maximum) sum to more than 1. Divide by their sum.",
    guarded=(True, False),
)
def not_divided(o1, lse1, o2, lse2, *, guarded):
    w1, w2 = _weights(lse1, lse2, guarded=guarded)
    return w1[:, None] * o1 + w2[:, None] * o2, np.logaddexp(lse1, lse2)


@merge_attention.mistake(
    "the weights exp(lse1), exp(lse2) are not divided by their sum, and nothing is subtracted."
)
def plain_exponentials(o1, lse1, o2, lse2):
    return np.exp(lse1)[:, None] * o1 + np.exp(lse2)[:, None] * o2, np.logaddexp(lse1, lse2)


@merge_attention.mistake(
    "the log-sum-exps are added. Add what they are the logs of: np.logaddexp(lse1, lse2)."
)
def adds_the_logs(o1, lse1, o2, lse2):
    return _mean_of(o1, *(w := _weights(lse1, lse2))[:1], o2, w[1]), lse1 + lse2


@merge_attention.mistake(
    "the larger log-sum-exp came back as lse. Both parts belong to it: np.logaddexp(lse1, lse2).",
)
def larger_log(o1, lse1, o2, lse2):
    w1, w2 = _weights(lse1, lse2)
    return _mean_of(o1, w1, o2, w2), np.maximum(lse1, lse2)


@merge_attention.mistake(
    "the maximum was not added back to lse: the log of the two weights' sum alone came back.",
)
def maximum_not_added_back(o1, lse1, o2, lse2):
    w1, w2 = _weights(lse1, lse2)
    return _mean_of(o1, w1, o2, w2), np.log(w1 + w2)


@merge_attention.mistake(
    "the sum of the weights came back as lse. Take its logarithm, and add the maximum.",
    maximum=("subtracted", "not subtracted"),
)
def sum_in_place_of_its_log(o1, lse1, o2, lse2, *, maximum):
    w1, w2 = _weights(lse1, lse2)
    total = w1 + w2 if maximum == "subtracted" else np.exp(lse1) + np.exp(lse2)
    return _mean_of(o1, w1, o2, w2), total


@merge_attention.mistake(
    "the weights are swapped: each output got the other part's. o1 belongs to lse1.",
    guarded=(True, False),
)
def swaps_the_weights(o1, lse1, o2, lse2, *, guarded):
    w1, w2 = _weights(lse1, lse2, guarded=guarded)
    return _mean_of(o1, w2, o2, w1, guarded=guarded), np.logaddexp(lse1, lse2)


@merge_attention.mistake(
    "the part with the larger log-sum-exp takes all. The other one has a share: mix them.",
    lse=("logaddexp", "larger"),
)
def winner_takes_all(o1, lse1, o2, lse2, *, lse):
    o = np.where((lse1 >= lse2)[:, None], o1, o2)
    return o, np.logaddexp(lse1, lse2) if lse == "logaddexp" else np.maximum(lse1, lse2)


@merge_attention.mistake(
    "a finite number stands for the log-sum-exp of nothing. That is -inf, which no part can fall "
    "below.",
    fill=(0.0, -1e3, -1e4, -1e9, -1e30, _FLOAT32_LOWEST, _LOWEST),
    form=("in the result", "throughout", "clamped"),
)
def finite_log_of_nothing(o1, lse1, o2, lse2, *, fill, form):
    if form == "throughout":
        lse1, lse2 = (np.where(lse == -_INF, fill, lse) for lse in (lse1, lse2))
    if form == "clamped":
        lse1, lse2 = np.maximum(lse1, fill), np.maximum(lse2, fill)
    w1, w2 = _weights(lse1, lse2)
    lse = np.logaddexp(lse1, lse2)
    return _mean_of(o1, w1, o2, w2), np.where(lse == -_INF, fill, lse)


@merge_attention.mistake(
    "the weights run along the values, not along the queries. Give them a second axis: w[:, None].",
    guarded=(True, False),
)
def weights_along_the_values(o1, lse1, o2, lse2, *, guarded):
    w1, w2 = _weights(lse1, lse2, guarded=guarded)
    total = np.where(w1 + w2 == 0, 1, w1 + w2) if guarded else w1 + w2
    return (w1 * o1 + w2 * o2) / total, np.logaddexp(lse1, lse2)


@merge_attention.mistake(
    "one maximum is subtracted for all queries. A query far below the others is left with nothing: "
    "each has its own, np.maximum(lse1, lse2).",
    guarded=(True, False),
    lse=("logaddexp", "log of the sum"),
)
def one_maximum_for_all(o1, lse1, o2, lse2, *, guarded, lse):
    m = max(lse1.max(), lse2.max())
    shift = 0 if guarded and m == -_INF else m
    w1, w2 = np.exp(lse1 - shift), np.exp(lse2 - shift)
    merged = np.logaddexp(lse1, lse2) if lse == "logaddexp" else shift + np.log(w1 + w2)
    return _mean_of(o1, w1, o2, w2, guarded=guarded), merged


@merge_attention.mistake(
    "a small number is added to the sum of the weights, and every output is a little too small. "
    "The larger weight is 1: the sum is 0 only where both parts are empty.",
    epsilon=tuple(10.0**-k for k in range(5, 13)),
    lse=("logaddexp", "log of the sum"),
)
def epsilon_in_the_denominator(o1, lse1, o2, lse2, *, epsilon, lse):
    m = np.maximum(lse1, lse2)
    w1, w2 = _weights(lse1, lse2)
    total = w1 + w2 + epsilon
    o = (w1[:, None] * o1 + w2[:, None] * o2) / total[:, None]
    return o, np.logaddexp(lse1, lse2) if lse == "logaddexp" else m + np.log(total)


@merge_attention.mistake("the output came back alone. Return (o, lse).")
def output_alone(o1, lse1, o2, lse2):
    w1, w2 = _weights(lse1, lse2)
    return _mean_of(o1, w1, o2, w2)


# --- 14.5 ----------------------------------------------------------------------------------------


def _attended(Q, K, V, mask, block):
    """Attend query by query with the exact softmax; what is large goes through PyTorch."""
    if len(Q) > 50:
        import torch

        q, k, v, kept = map(torch.tensor, (Q, K, V, mask))
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v, kept)
        scores = torch.where(kept, q @ k.T / Q.shape[1] ** 0.5, -torch.inf)
        return out.numpy(), torch.logsumexp(scores, dim=1).numpy()
    from helpers import oracle

    O, lse = np.zeros((len(Q), V.shape[1])), np.full(len(Q), -_INF)
    for i, query in enumerate(Q):
        if mask[i].any():
            x = np.array([sum(query * key) / Q.shape[1] ** 0.5 for key in K[mask[i]]])
            O[i] = sum(
                p * v for p, v in zip(oracle.softmax(x, as_float=True), V[mask[i]], strict=True)
            )
            lse[i] = float(oracle.logsumexp(x))
    return O, lse


def _size_of_kept_scores(Q, K, mask):
    return np.max(np.where(mask, np.abs(Q) @ np.abs(K).T, 0), axis=1) / np.sqrt(Q.shape[1])


def _size_in_tiles(Q, K, V, mask, block, expected):
    size = _size_of_kept_scores(Q, K, mask)
    if expected.ndim == 1:
        return 1 + size
    return np.max(np.abs(V)) * (1 + np.minimum(size, 1e4))[:, None]


def _everything(n_q, n_k):
    return np.ones((n_q, n_k), dtype=bool)


def _masks(text):
    """Return a mask from rows of 1 and 0, as in "110 011"."""
    return np.array([[c == "1" for c in row] for row in text.split()])


_KEYS = np.array([[1.0, 0, 2, 0], [0, 1, 0, 1], [-1, 2, 1, 0], [0.5, 0, -1, 1]])
_VALUES = np.array([[1.0, 10.0], [2.0, -20.0], [4.0, 30.0], [8.0, 5.0]])


def _on_first(*scores):
    """Return keys whose scores with the query (2, 0, 0, 0) are these: √d is 2."""
    K = np.zeros((len(scores), 4))
    K[:, 0] = scores
    return K


_UNIT = np.array([[2.0, 0, 0, 0]])
_LARGE = 768


@exercise(
    "14.5",
    minutes=15,
    probes=[
        ordinary(np.array([[1.0, 0, 1, 0]]), _KEYS[:2], _VALUES[:2], _masks("11"), 1,
                 note="one query, 2 keys, block 1"),
        ordinary(_normal(2, 4), _normal(3, 4), _normal(3, 2), _everything(2, 3), 2,
                 note="3 keys, block 2"),
        ordinary(_normal(3, 4), _normal(6, 4), _normal(6, 2), _everything(3, 6), 3,
                 note="6 keys, block 3"),
        ordinary(_normal(3, 4), _normal(5, 4), _normal(5, 2), _masks("10110 11010 01111"), 2,
                 note="5 keys, block 2, another mask for each query"),
        ordinary(_normal(2, 4), _normal(5, 4), _normal(5, 3), _masks("11111 10101"), 7,
                 note="the block is longer than the row"),
        ordinary(_normal(2, 4), _normal(3, 4), _normal(3, 2), _masks("111 011"), 100,
                 note="block 100"),
        ordinary(_normal(4, 4), _normal(4, 4), _normal(4, 4), np.tri(4, dtype=bool), 2,
                 note="a causal mask"),
        ordinary(_normal(2, 4), _normal(6, 4), _normal(6, 2), _masks("000011 111100"), 2,
                 note="the first tiles masked for one query, the last for the other"),
        ordinary(_normal(2, 4), _normal(5, 4), _normal(5, 2), _masks("11100 11100"), 2,
                 note="the last keys are padding"),
        ordinary(_normal(2, 4), _normal(4, 4), _normal(4, 2), _masks("0000 1101"), 2,
                 note="a query with nothing left"),
        ordinary(_normal(1, 4), _normal(2, 4), _normal(2, 2), _masks("00"), 1,
                 note="nothing left at all"),
        ordinary(_normal(2, 1), _normal(3, 1), _normal(3, 3), _everything(2, 3), 2, note="d = 1"),
        ordinary(_normal(3, 9), _normal(4, 9), _normal(4, 1), _everything(3, 4), 3,
                 note="d = 9, values of width 1"),
        ordinary(_normal(2, 4), _normal(1, 4), _normal(1, 2), _everything(2, 1), 1,
                 note="a single key"),
        ordinary(*(_normal(*s).astype(np.float32) for s in ((2, 4), (5, 4), (5, 2))),
                 _masks("11011 01110"), 2, note="float32"),
        ordinary(*(_read_only(_normal(*s)) for s in ((2, 4), (3, 4), (3, 2))),
                 _read_only(_masks("110 011")), 2, note="read-only arrays"),
        extreme(_UNIT, _on_first(-1200, -1199), _VALUES[:2], _masks("11"), 1,
                note="scores near −1200"),
        extreme(_UNIT, _on_first(1200, 1199), _VALUES[:2], _masks("11"), 1,
                note="scores near 1200"),
        extreme(_UNIT, _on_first(-1200, 1199, 1200, -1200), _VALUES, _masks("1111"), 2,
                note="scores from −1200 to 1200"),
        extreme(np.array([[2.0, 0, 0, 0], [-2, 0, 0, 0]]), _on_first(800, 799.5, 801),
                _VALUES[:3], _everything(2, 3), 2, note="two queries, their scores 1600 apart"),
        extreme(_UNIT, _on_first(-2e4, -2e4 - 1), _VALUES[:2], _masks("11"), 1,
                note="scores near −2e4"),
        extreme(_UNIT, _on_first(-2e5, -2e5 - 1, 0), _VALUES[:3], _masks("110"), 1,
                note="scores near −2e5, and a masked key"),
        extreme(_UNIT, _on_first(0, -2e10, -2e10 - 1000), _VALUES[:3], _masks("011"), 2,
                note="a masked key, and scores of −2e10"),
        extreme(_UNIT, _on_first(1000, -1000), _VALUES[:2], _masks("11"), 1,
                note="a score of 1000, then one of −1000"),
        extreme(_UNIT, _on_first(0, -3e36), _VALUES[:2], _masks("01"), 1,
                note="a masked key, and one at −3e36"),
        ordinary(*(_normal(_LARGE, 4) for _ in range(3)), np.tri(_LARGE, dtype=bool), 32,
                 memory=8 * _LARGE**2, note="768 queries and keys, block 32: memory counts"),
    ],
    truth=_attended,
    scale=_size_in_tiles,
    library=_ATTENTION,
    remark="One division at the end is enough, since all tiles are moved to one maximum.",
)  # fmt: skip
def tiled_attention(Q, K, V, mask, block):
    """Return masked attention and each query's log-sum-exp, reading the keys in tiles.

    Q : float array (n_q, d). K : float array (n_k, d). V : float array (n_k, d_v).
    mask : boolean array (n_q, n_k), True where the query may look.
    block : the number of keys in a tile, at least 1. It need not divide n_k and may exceed it.

    Scores are divided by sqrt(d). Returns (O, lse), shapes (n_q, d_v) and (n_q,): lse is the
    log-sum-exp of the scores a query may see. A query with nothing left gives zeros and -inf.
    Never hold more than a tile of the scores: the whole matrix is refused. Scores of any size must
    work. All arguments stay unchanged. A ready-made attention does not count.
    """
    m, s, O = np.full(len(Q), -np.inf), np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for start in range(0, len(K), block):
        tile = slice(start, start + block)
        x = np.where(mask[:, tile], Q @ K[tile].T / np.sqrt(Q.shape[1]), -np.inf)
        new = np.maximum(m, x.max(axis=1))
        shift = np.where(new == -np.inf, 0, new)
        p, moved = np.exp(x - shift[:, None]), np.exp(m - shift)
        s = s * moved + p.sum(axis=1)
        O = O * moved[:, None] + p @ V[tile]
        m = new
    total = np.where(s == 0, 1, s)
    return O / total[:, None], m + np.log(total)


tiled_attention.hints(
    "Keep three things per query: the maximum m so far, the sum s of exp(x - m), and the output "
    "O, the sum of exp(x - m) times the value. They start at -inf, 0 and 0.",
    "for start in range(0, len(K), block): the tile K[start:start + block] may be shorter at the "
    "end, which slicing does by itself. Its scores are (n_q, block at most).",
    "The new maximum is that of m and the tile's row maxima. s and O both move by "
    "exp(m - new), then the tile's exp(x - new) joins them.",
    "Where new is still -inf, subtract 0 in place of it, in both exponents.",
    "At the end divide O by s once, and lse = m + log(s). Where s is 0, divide by 1.",
)
tiled_attention.reasoning(
    "The state of a query is that of exercise 14.2, with the values carried along: both sums move "
    "by the same factor whenever the maximum does. Scores exist for one tile only. A query that "
    "has seen nothing yet has m = −inf; the guard keeps its exponents at −inf, so its sums stay 0. "
    "O is divided once, at the end; lse is all that the backward pass will need."
)


def _in_tiles(Q, K, V, mask, block, *, start=-_INF, fill=-_INF, care="full", **changes):
    """Tiled attention with some things done otherwise.

    `care` is "full", "0/0" (divided by a sum of 0 at the end) or "none" (unguarded as well).
    """
    root = {"no": 1.0, "d": Q.shape[1]}.get(changes.get("root"), np.sqrt(Q.shape[1]))
    m, s = np.full(len(Q), start), np.zeros(len(Q))
    O = np.zeros((len(Q), V.shape[1]))
    end = len(K) - len(K) % block if changes.get("drops") else len(K)
    for first in range(0, end, block):
        tile = slice(first, first + block)
        x = Q @ K[tile].T / root
        x = np.where(_tile_of(mask, tile, x.shape[1], changes.get("mask_is")), x, fill)
        top = np.full(len(Q), x.max()) if changes.get("one_maximum") else x.max(axis=1)
        new = np.maximum(m, top)
        if changes.get("latest"):
            new = np.where(top == -_INF, m, top) if changes["latest"] == "unless empty" else top
        shift = new if care == "none" else np.where(new == -_INF, 0, new)
        own = np.where(top == -_INF, 0, top) if changes.get("tile_not_moved") else shift
        p, moved = np.exp(x - own[:, None]), np.exp(m - shift)
        if changes.get("upside_down"):
            moved = np.exp(new - m)
            moved = moved if care == "none" else np.where(m == -_INF, 0, moved)
        s = (s if changes.get("sum_stays") else s * moved) + p.sum(axis=1)
        O = (O if changes.get("output_stays") else O * moved[:, None]) + p @ V[tile]
        if changes.get("divides_each"):
            O = O / (np.where(s == 0, 1, s) if care == "full" else s)[:, None]
        m = new
    total = np.where(s == 0, 1, s) if care == "full" else s
    second = {"m": m, "log s": np.log(total), "s": s, "m + s": m + s}
    lse = second.get(changes.get("second"), m + np.log(total))
    lse = np.where(s == 0, -_INF, lse) if changes.get("empty_is_infinite") else lse
    return (O if changes.get("undivided") else O / total[:, None]), lse


def _tile_of(mask, tile, width, which):
    """Return the part of the mask that belongs to a tile, or what is taken for it."""
    kept = {"first": mask[:, :width], "all": np.ones_like(mask[:, tile])}.get(which, mask[:, tile])
    return ~kept if which == "inverted" else kept


_CARE = ("full", "0/0", "none")


@tiled_attention.mistake(
    "a query whose first tile is masked gives NaN: its maximum is still -inf, and -inf - (-inf) is "
    "NaN. Where the new maximum is -inf, subtract 0, in both exponents."
)
def unguarded(Q, K, V, mask, block):
    return _in_tiles(Q, K, V, mask, block, care="none")


@tiled_attention.mistake(
    "a query with nothing left gives NaN, 0/0. Divide by 1 where the sum is 0."
)
def zero_by_zero_at_the_end(Q, K, V, mask, block):
    return _in_tiles(Q, K, V, mask, block, care="0/0")


@tiled_attention.mistake(
    "the running maximum starts at a finite number. Scores far below it all vanish: start at "
    "-np.inf, and guard the difference.",
    start=(0.0, -1e3, -1e4, -5e4, -65504.0, -1e9, -1e30),
    care=("full", "0/0"),
    empty=(True, False),
)
def finite_start_of_the_maximum(Q, K, V, mask, block, *, start, care, empty):
    return _in_tiles(Q, K, V, mask, block, start=start, care=care, empty_is_infinite=empty)


@tiled_attention.mistake(
    "masked scores are a finite number, a score like any other: a query with nothing left takes "
    "the mean of all, and lower scores vanish. Fill with -np.inf.",
    fill=(-1e3, -1e4, -5e4, -65504.0, -1e9, -1e10, -1e30, _FLOAT32_LOWEST, _LOWEST),
)
def finite_fill(Q, K, V, mask, block, *, fill):
    return _in_tiles(Q, K, V, mask, block, fill=fill)


@tiled_attention.mistake(
    "masked scores are a finite number, a score like any other: where a query's own scores lie "
    "below it, the masked keys take all. Fill with -np.inf.",
    fill=(-1e3, -1e4, -5e4, -65504.0, -1e9, -1e10, -1e30),
)
def finite_fill_with_a_rule_for_empty_rows(Q, K, V, mask, block, *, fill):
    O, lse = _in_tiles(Q, K, V, mask, block, fill=fill)
    some = mask.any(axis=1)
    return np.where(some[:, None], O, 0), np.where(some, lse, -_INF)


@tiled_attention.mistake(
    "the output is not moved when the maximum changes. Multiply O, like s, by exp(m - new).",
    care=_CARE,
)
def output_is_not_moved(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, output_stays=True)


@tiled_attention.mistake(
    "the sum is not moved when the maximum changes. Multiply s, like O, by exp(m - new).",
    care=_CARE,
)
def sum_is_not_moved(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, sum_stays=True)


@tiled_attention.mistake(
    "neither sum nor output is moved when the maximum changes. Multiply both by exp(m - new).",
    care=_CARE,
)
def nothing_is_moved(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, sum_stays=True, output_stays=True)


@tiled_attention.mistake(
    "the new tile is not moved: its exponentials belong to its own maximum. Subtract the common "
    "maximum, new, from its scores."
)
def tile_is_not_moved(Q, K, V, mask, block):
    return _in_tiles(Q, K, V, mask, block, tile_not_moved=True)


@tiled_attention.mistake(
    "the last tile is dropped where block does not divide n_k. Let the loop run to the end: "
    "range(0, n_k, block).",
    care=_CARE,
)
def drops_the_last_tile(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, drops=True)


@tiled_attention.mistake(
    "the output is divided after each tile, as if it had been multiplied with the sum before. "
    "Divide once, at the end.",
    again=(False, True),
    care=("full", "0/0"),
)
def divides_after_each_tile(Q, K, V, mask, block, *, again, care):
    return _in_tiles(Q, K, V, mask, block, care=care, divides_each=True, undivided=not again)


@tiled_attention.mistake(
    "the output is never divided by the sum. Divide it once, at the end.",
    care=("full", "none"),
)
def never_divides(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, undivided=True)


@tiled_attention.mistake(
    "the scores are not divided by sqrt(d).",
    care=_CARE,
)
def no_scale(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, root="no")


@tiled_attention.mistake(
    "the scores are divided by d, not by its root.",
    care=_CARE,
)
def divides_by_d(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, root="d")


@tiled_attention.mistake(
    "lse is the maximum alone. Add the log of the sum: m + log(s).", care=_CARE
)
def lse_is_the_maximum(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, second="m")


@tiled_attention.mistake(
    "lse is the log of the sum alone. Add the maximum: m + log(s).",
    care=_CARE,
    empty=(True, False),
)
def lse_without_the_maximum(Q, K, V, mask, block, *, care, empty):
    return _in_tiles(Q, K, V, mask, block, care=care, second="log s", empty_is_infinite=empty)


@tiled_attention.mistake(
    "the sum is not logged: lse is m + log(s).",
    second=("m + s", "s"),
    care=_CARE,
)
def lse_without_the_log(Q, K, V, mask, block, *, second, care):
    return _in_tiles(Q, K, V, mask, block, care=care, second=second)


@tiled_attention.mistake("lse has a second axis, shape (n_q, 1). Return shape (n_q,).", care=_CARE)
def lse_with_a_second_axis(Q, K, V, mask, block, *, care):
    O, lse = _in_tiles(Q, K, V, mask, block, care=care)
    return O, lse[:, None]


@tiled_attention.mistake(
    "a query with nothing left has the log-sum-exp 0. The log of an empty sum is -inf.",
    empty=(0.0, 1.0, _LOWEST, _FLOAT32_LOWEST, -1e30, -1e9),
)
def finite_lse_of_nothing(Q, K, V, mask, block, *, empty):
    O, lse = _in_tiles(Q, K, V, mask, block)
    return O, np.where(lse == -_INF, empty, lse)


@tiled_attention.mistake(
    "one maximum is taken for the whole tile. A query far below the others is left with a sum of "
    "0: each has its own, max(axis=1).",
    care=_CARE,
    empty=(True, False),
)
def one_maximum_per_tile(Q, K, V, mask, block, *, care, empty):
    return _in_tiles(Q, K, V, mask, block, care=care, one_maximum=True, empty_is_infinite=empty)


@tiled_attention.mistake(
    "the maximum is the tile's own, even where the one before was larger: the factor of the past "
    "can overflow. Keep the larger of the two: np.maximum(m, x.max(axis=1)).",
    latest=("always", "unless empty"),
    care=_CARE,
)
def maximum_of_the_latest_tile(Q, K, V, mask, block, *, latest, care):
    return _in_tiles(Q, K, V, mask, block, care=care, latest=latest)


@tiled_attention.mistake(
    "no maximum is subtracted: exp overflows, or vanishes altogether. Keep the maximum so far, and "
    "subtract it.",
    care=("full", "0/0"),
)
def no_maximum(Q, K, V, mask, block, *, care):
    s, O = np.zeros(len(Q)), np.zeros((len(Q), V.shape[1]))
    for first in range(0, len(K), block):
        tile = slice(first, first + block)
        p = np.where(mask[:, tile], np.exp(Q @ K[tile].T / np.sqrt(Q.shape[1])), 0)
        s, O = s + p.sum(axis=1), O + p @ V[tile]
    total = np.where(s == 0, 1, s) if care == "full" else s
    return O / total[:, None], np.log(s)


@tiled_attention.mistake(
    "the factor is upside down. The past moves to a larger maximum and gets smaller: exp(m - new).",
    care=("full", "none"),
)
def factor_upside_down(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, upside_down=True)


@tiled_attention.mistake("the mask is not used.")
def no_mask(Q, K, V, mask, block):
    return _in_tiles(Q, K, V, mask, block, mask_is="all")


@tiled_attention.mistake(
    "every tile got the mask of the first one. Cut the mask like the keys: "
    "mask[:, start:start + block].",
    care=_CARE,
)
def mask_of_the_first_tile(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, mask_is="first")


@tiled_attention.mistake("the mask is inverted: True means that the query may look.", care=_CARE)
def inverted_mask(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care, mask_is="inverted")


@tiled_attention.mistake(
    "each tile got a softmax of its own, and the outputs were averaged. A tile weighs as much as "
    "its exponentials: carry sums, divide at the end.",
    total=(False, True),
)
def softmax_of_each_tile(Q, K, V, mask, block, *, total):
    tiles = [slice(i, i + block) for i in range(0, len(K), block)]
    parts = [_in_tiles(Q, K[t], V[t], mask[:, t], block)[0] for t in tiles]
    O = np.sum(parts, axis=0) if total else np.mean(parts, axis=0)
    return O, _in_tiles(Q, K, V, mask, block)[1]


@tiled_attention.mistake("the output came back alone. Return (O, lse).", care=_CARE)
def output_came_alone(Q, K, V, mask, block, *, care):
    return _in_tiles(Q, K, V, mask, block, care=care)[0]


@tiled_attention.mistake(
    "the values are right, but all scores are held at once. Compute a tile of them, use it, and "
    "forget it: Q @ K[start:start + block].T.",
    copies=("few", "some", "many"),
)
def holds_all_scores(Q, K, V, mask, block, *, copies):
    if copies == "few":
        x = Q @ K.T
        x /= np.sqrt(Q.shape[1])
        x[~mask] = -_INF
    else:
        x = np.where(mask, Q @ K.T / np.sqrt(Q.shape[1]), -_INF)
    m = np.max(x, axis=1)
    shift = np.where(m == -_INF, 0, m)[:, None]
    if copies == "many":
        p = np.exp(x - shift)
    else:
        x -= shift
        p = np.exp(x, out=x)
    s = p.sum(axis=1)
    total = np.where(s == 0, 1, s)
    return p @ V / total[:, None], m + np.log(total)


# --- 14.6 ----------------------------------------------------------------------------------------


def _backward_exactly(Q, K, V, O, lse, dO):
    """Differentiate Σ dO ∘ softmax(QKᵀ/√d)V by PyTorch's autograd, in float64."""
    import torch

    q, k, v = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (Q, K, V))
    out = torch.softmax(q @ k.T / Q.shape[1] ** 0.5, dim=-1) @ v
    (out * torch.tensor(np.asarray(dO, dtype=np.float64))).sum().backward()
    return tuple(a.grad.numpy() for a in (q, k, v))


def _forward(Q, K, V, dO):
    """Return the arguments of a backward pass: with the output, and the log-sum-exp."""
    x = Q @ K.T / np.sqrt(Q.shape[1])
    top = x.max(axis=1, keepdims=True)
    e = np.exp(x - top)
    s = e.sum(axis=1, keepdims=True)
    return Q, K, V, e / s @ V, (top + np.log(s))[:, 0], dO


def _pass(n_q, n_k, d, d_v):
    return _forward(_normal(n_q, d), _normal(n_k, d), _normal(n_k, d_v), _normal(n_q, d_v))


def _size_backward(Q, K, V, O, lse, dO, expected):
    score = np.max(np.abs(Q) @ np.abs(K).T) / np.sqrt(Q.shape[1])
    terms = np.max(np.abs(dO) @ np.abs(V).T) * max(_largest(Q), _largest(K)) * len(Q)
    return (1 + min(score, 1e4)) * max(terms / np.sqrt(Q.shape[1]), _largest(dO) * len(Q))


_ONE_VALUE = np.tile(np.array([[1.5, -0.5]]), (3, 1))


@exercise(
    "14.6",
    minutes=14,
    probes=[
        ordinary(*_pass(1, 2, 4, 2), note="one query, 2 keys"),
        ordinary(*_pass(2, 3, 4, 2), note="2 queries, 3 keys, values of width 2"),
        ordinary(*_pass(3, 2, 4, 5), note="3 queries, 2 keys, values of width 5"),
        ordinary(*_pass(4, 4, 4, 4), note="all lengths are 4"),
        ordinary(*_pass(5, 5, 3, 2), note="5 queries and keys, d = 3"),
        ordinary(*_pass(2, 3, 1, 2), note="d = 1"),
        ordinary(*_pass(3, 4, 16, 1), note="d = 16, values of width 1"),
        ordinary(*_pass(2, 1, 4, 2), note="a single key"),
        ordinary(
            *_forward(_normal(2, 4), _normal(3, 4), _ONE_VALUE, _normal(2, 2)),
            note="all values equal",
        ),
        ordinary(*(a.astype(np.float32) for a in _pass(2, 3, 4, 2)), note="float32"),
        ordinary(*(_read_only(a) for a in _pass(2, 3, 4, 2)), note="read-only arrays"),
        extreme(
            *_forward(
                np.array([[40.0, 0, 1, 0]]),
                np.array([[60.0, 1, 0, 0], [60, 0, 1, 0], [60, -1, 0, 1]]),
                _VALUES[:3],
                np.array([[1.0, -0.5]]),
            ),
            note="scores near 1200",
        ),
        extreme(
            *_forward(
                np.array([[2.0, 0, 1, 0], [-2, 1, 0, 0]]),
                np.array([[800.0, 1, 0, 0], [800, 0, 1, 0], [801, -1, 0, 1]]),
                _VALUES[:3],
                np.array([[1.0, -0.5], [0.5, 2.0]]),
            ),
            note="keys with an offset of 800",
        ),
    ],
    truth=_backward_exactly,
    scale=_size_backward,
    library=_ATTENTION,
    remark="No maximum, no sum, no second softmax: O and lse hold all that the row has to tell.",
)
def attention_backward(Q, K, V, O, lse, dO):
    """Return the gradients of attention, from its output and its log-sum-exp.

    Q : float array (n_q, d). K : float array (n_k, d). V : float array (n_k, d_v).
    O, lse : what the forward pass returned, shapes (n_q, d_v) and (n_q,): the output, and the
        log-sum-exp of each query's scores Q @ K.T / sqrt(d). Nothing is masked.
    dO : float array (n_q, d_v), the gradient of the loss with respect to O.

    Returns (dQ, dK, dV), the gradients with respect to Q, K and V, in their shapes. Scores of any
    size must work. Tiles are not asked. All arguments stay unchanged. A ready-made attention does
    not count.
    """
    root = np.sqrt(Q.shape[1])
    P = np.exp(Q @ K.T / root - lse[:, None])
    D = np.sum(dO * O, axis=1, keepdims=True)
    dS = P * (dO @ V.T - D)
    return dS @ K / root, dS.T @ Q / root, P.T @ dO


attention_backward.hints(
    "First the weights: P = exp(scores - lse). They need no maximum and no sum.",
    "O = P V gives dV = P.T @ dO and dP = dO @ V.T, as for any matrix product.",
    "Softmax's backward pass, row by row: dS = P * (dP - D) with D = Σ P dP. This sum is already "
    "known: it is the row sum of dO * O.",
    "The scores are Q K.T / sqrt(d): dQ = dS @ K / sqrt(d), dK = dS.T @ Q / sqrt(d).",
)
attention_backward.reasoning(
    "e^(x − ℓ) is the softmax itself, and never overflows: x ≤ ℓ. The two matrix products give dV "
    "and dP. Softmax subtracts from dP its mean under P, D_i = Σ_j P_ij dP_ij "
    "= Σ_j P_ij (dO_i · v_j) = dO_i · O_i: the output has taken that sum already. The factor 1/√d "
    "stands in the scores, so it is in dQ and dK, not in dV."
)


def _backward(Q, K, V, O, lse, dO, **changes):
    """The backward pass with one thing done otherwise."""
    root = np.sqrt(Q.shape[1])
    x = Q @ K.T / (1 if changes.get("unscaled_scores") else root)
    minus = {"lse": lse, "nothing": 0 * lse, "maximum": x.max(axis=1)}
    P = np.exp(x - minus[changes.get("minus", "lse")][:, None])
    P = P / changes.get("divided", 1)
    if changes.get("quotient"):
        P = np.exp(x) / np.exp(lse)[:, None]
    dP = dO @ V.T
    sums = {
        "right": lambda: np.sum(dO * O, axis=1, keepdims=True),
        "missing": lambda: 0.0,
        "sum of dP": lambda: np.sum(dP, axis=1, keepdims=True),
        "mean of dP": lambda: np.mean(dP, axis=1, keepdims=True),
        "mean of dO O": lambda: np.mean(dO * O, axis=1, keepdims=True),
        "all queries": lambda: np.sum(dO * O),
        "columns": lambda: np.sum(P * dP, axis=0, keepdims=True),
        "lost axis": lambda: np.sum(dO * O, axis=1),
        "sum of P": lambda: np.sum(P, axis=1, keepdims=True),
        "sum of dO": lambda: np.sum(dO, axis=1, keepdims=True),
    }
    D = sums[changes.get("D", "right")]()
    dS = dP - D if changes.get("without_P") else P * (dP - D)
    dS = P * (1 - P) * dP if changes.get("diagonal") else dS
    dS = -dS if changes.get("sign") else dS
    of_q, of_k = changes.get("roots", (root, root))
    return dS @ K / of_q, dS.T @ Q / of_k, P.T @ dO


@attention_backward.mistake(
    "softmax's row sum D is missing: dS = P * dP. The weights of a row sum to 1, so their "
    "gradients pull on each other: subtract D, the row sum of dO * O."
)
def no_row_sum(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, D="missing")


@attention_backward.mistake(
    "D is the plain sum over a row. Weigh dP by P: that is the row sum of dO * O.",
    D=("sum of dP", "sum of dO", "sum of P"),
)
def unweighted_row_sum(Q, K, V, O, lse, dO, *, D):
    return _backward(Q, K, V, O, lse, dO, D=D)


@attention_backward.mistake(
    "D is a mean. It is a sum: of P * dP over the keys, which is that of dO * O over the values.",
    D=("mean of dO O", "mean of dP"),
)
def mean_for_the_row_sum(Q, K, V, O, lse, dO, *, D):
    return _backward(Q, K, V, O, lse, dO, D=D)


@attention_backward.mistake(
    "D is summed over all queries. Each query has its own: axis=1, keepdims=True."
)
def sum_over_all_queries(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, D="all queries")


@attention_backward.mistake(
    "D runs along the keys: it was summed over the queries, or has lost its second axis. It is one "
    "number per query, a column: axis=1, keepdims=True.",
    D=("columns", "lost axis"),
)
def row_sum_along_the_keys(Q, K, V, O, lse, dO, *, D):
    return _backward(Q, K, V, O, lse, dO, D=D)


@attention_backward.mistake("the factor P is missing: dS = P * (dP - D).")
def factor_P_missing(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, without_P=True)


@attention_backward.mistake(
    "1/sqrt(d) is missing. The scores are Q K.T / sqrt(d), so it stands in dQ and in dK.",
    where=("dQ and dK", "dQ", "dK"),
)
def no_scale_in_the_gradient(Q, K, V, O, lse, dO, *, where):
    root = np.sqrt(Q.shape[1])
    roots = (1.0 if "dQ" in where else root, 1.0 if "dK" in where else root)
    return _backward(Q, K, V, O, lse, dO, roots=roots)


@attention_backward.mistake(
    "dQ and dK are divided by d. The scores are divided by its root.", square=(True, False)
)
def divided_by_d(Q, K, V, O, lse, dO, *, square):
    d = Q.shape[1]
    return _backward(Q, K, V, O, lse, dO, roots=(d, d) if square else (d**1.5, d**1.5))


@attention_backward.mistake(
    "P was made from scores that are not divided by sqrt(d). lse belongs to the divided ones."
)
def unscaled_scores(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, unscaled_scores=True)


@attention_backward.mistake(
    "lse is not used, and the weights do not sum to 1. P = exp(scores - lse)."
)
def lse_unused(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, minus="nothing")


@attention_backward.mistake(
    "the row's maximum was subtracted and not lse: the weights do not sum to 1. P = exp(scores - "
    "lse) is the softmax itself."
)
def maximum_for_lse(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, minus="maximum")


@attention_backward.mistake("dV was made from dS. V is multiplied with the weights: dV = P.T @ dO.")
def dV_from_dS(Q, K, V, O, lse, dO):
    dQ, dK, _ = _backward(Q, K, V, O, lse, dO)
    root = np.sqrt(Q.shape[1])
    P = np.exp(Q @ K.T / root - lse[:, None])
    dS = P * (dO @ V.T - np.sum(dO * O, axis=1, keepdims=True))
    return dQ, dK, dS.T @ dO


@attention_backward.mistake(
    "dV was made from the output. What comes back along V is its gradient: dV = P.T @ dO.",
    transposed=(True, False),
)
def dV_from_O(Q, K, V, O, lse, dO, *, transposed):
    dQ, dK, _ = _backward(Q, K, V, O, lse, dO)
    P = np.exp(Q @ K.T / np.sqrt(Q.shape[1]) - lse[:, None])
    return dQ, dK, (P.T if transposed else P) @ O


@attention_backward.mistake(
    "a transpose is missing. Row j of dV and dK gathers from all queries: P.T @ dO, dS.T @ Q.",
    where=("dV", "dK", "dV and dK"),
)
def transpose_missing(Q, K, V, O, lse, dO, *, where):
    root = np.sqrt(Q.shape[1])
    P = np.exp(Q @ K.T / root - lse[:, None])
    dS = P * (dO @ V.T - np.sum(dO * O, axis=1, keepdims=True))
    dK = (dS if "dK" in where else dS.T) @ Q / root
    return dS @ K / root, dK, (P if "dV" in where else P.T) @ dO


@attention_backward.mistake(
    "the exponentials are divided by lse itself. lse is the log of their sum: "
    "P = exp(scores - lse).",
    minus=("nothing", "maximum"),
)
def divides_by_lse(Q, K, V, O, lse, dO, *, minus):
    return _backward(Q, K, V, O, lse, dO, minus=minus, divided=lse[:, None])


@attention_backward.mistake(
    "dV is divided by sqrt(d), too. The root stands in the scores: it belongs to dQ and dK only."
)
def dV_is_scaled(Q, K, V, O, lse, dO):
    dQ, dK, dV = _backward(Q, K, V, O, lse, dO)
    return dQ, dK, dV / np.sqrt(Q.shape[1])


@attention_backward.mistake(
    "the gradients came back in another order. Return (dQ, dK, dV).",
    order=((2, 0, 1), (2, 1, 0), (0, 2, 1)),
)
def another_order(Q, K, V, O, lse, dO, *, order):
    gradients = _backward(Q, K, V, O, lse, dO)
    return tuple(gradients[i] for i in order)


@attention_backward.mistake("the sign of dS is wrong. dS = P * (dP - D).")
def sign_of_dS(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, sign=True)


@attention_backward.mistake(
    "dQ and dK are swapped. The gradient of Q is made of the keys, and that of K of the queries.",
    what=("order", "factors"),
)
def dQ_and_dK_swapped(Q, K, V, O, lse, dO, *, what):
    dQ, dK, dV = _backward(Q, K, V, O, lse, dO)
    if what == "order":
        return dK, dQ, dV
    root = np.sqrt(Q.shape[1])
    P = np.exp(Q @ K.T / root - lse[:, None])
    dS = P * (dO @ V.T - np.sum(dO * O, axis=1, keepdims=True))
    return dS @ Q / root, dS.T @ K / root, dV


@attention_backward.mistake(
    "softmax's derivative was taken for p(1 - p). That is the diagonal of its Jacobian: the other "
    "weights move, too."
)
def diagonal_only(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, diagonal=True)


@attention_backward.mistake(
    "P is a quotient of two exponentials, exp(scores) / exp(lse), and both overflow. Subtract "
    "first: exp(scores - lse)."
)
def quotient_of_exponentials(Q, K, V, O, lse, dO):
    return _backward(Q, K, V, O, lse, dO, quotient=True)
