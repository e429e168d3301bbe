"""Exercises 13.1 to 13.6: attention, its masks, a sink, capped scores, several heads."""

from __future__ import annotations

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary

_rng = np.random.default_rng(13)
_LIBRARY = (
    "scaled_dot_product_attention",
    "multi_head_attention_forward",
    "MultiheadAttention",
    "softmax",
    "log_softmax",
    "masked_softmax",
    "attention",
)
_T, _F = True, False


def _read_only(array):
    array.flags.writeable = False
    return array


def _normal(*shape):
    return _rng.normal(size=shape)


def _exact_attention(Q, K, V, mask=None):
    """Attend query by query with the exact softmax, over the keys that the query may see."""
    from helpers import oracle

    Q, K, V = (np.asarray(a, dtype=np.float64) for a in (Q, K, V))
    result = np.zeros((*Q.shape[:-1], V.shape[-1]))
    for index in np.ndindex(*Q.shape[:-1]):
        keys, values = K[index[:-1]], V[index[:-1]]
        if mask is not None:
            keys, values = keys[mask[index]], values[mask[index]]
        if len(keys):
            scores = [sum(Q[index] * key) / Q.shape[-1] ** 0.5 for key in keys]
            p = oracle.softmax(np.array(scores), as_float=True)
            result[index] = sum(weight * value for weight, value in zip(p, values, strict=True))
    return result


def _finite(a):
    return np.where(np.isfinite(a), a, 0.0)


def _size_of_scores(Q, K):
    return np.max(np.abs(_finite(Q) @ np.swapaxes(_finite(K), -1, -2)), initial=0.0) / np.sqrt(
        np.shape(Q)[-1]
    )


def _scores(Q, K):
    return Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])


def _softmax(x, *, axis=-1, shifted=True):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True)) if shifted else np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


# --- 13.1 ----------------------------------------------------------------------------------------


@exercise(
    "13.1",
    minutes=7,
    probes=[
        ordinary(_normal(3, 4), _normal(5, 4), _normal(5, 2), note="3 queries, 5 keys"),
        ordinary(_normal(1, 4), _normal(2, 4), _normal(2, 3), note="one query, 2 keys"),
        ordinary(_normal(4, 4), _normal(4, 4), _normal(4, 4), note="all lengths are 4"),
        ordinary(_normal(2, 3, 4), _normal(2, 5, 4), _normal(2, 5, 2), note="a stack of two"),
        ordinary(_normal(3, 3, 3), _normal(3, 3, 3), _normal(3, 3, 3), note="three, all 3 × 3"),
        ordinary(
            _normal(2, 2, 3, 4), _normal(2, 2, 2, 4), _normal(2, 2, 2, 5), note="a stack of stacks"
        ),
        ordinary(_normal(2, 1), _normal(3, 1), _normal(3, 2), note="d = 1"),
        ordinary(_normal(3, 16), _normal(4, 16), _normal(4, 2), note="d = 16"),
        ordinary(_normal(3, 4), _normal(1, 4), _normal(1, 2), note="a single key"),
        ordinary(
            np.array([[1, 0, 2], [0, 1, 0]]),
            np.array([[1, 1, 0], [0, 2, 1], [1, 0, 1], [0, 0, 0]]),
            np.array([[10, 0], [20, 1], [30, 0], [40, 5]]),
            note="integers",
        ),
        ordinary(
            _normal(3, 4).astype(np.float32),
            _normal(5, 4).astype(np.float32),
            _normal(5, 2).astype(np.float32),
            note="float32",
        ),
        ordinary(
            _read_only(_normal(2, 4)),
            _read_only(_normal(3, 4)),
            _read_only(_normal(3, 2)),
            note="read-only arrays",
        ),
        extreme(
            np.array([[40.0, 0.0]]),
            np.array([[40.0, 1.0], [39.5, 3.0], [-40.0, 0.0]]),
            np.array([[1.0, 0.0], [2.0, 5.0], [3.0, 0.0]]),
            note="scores up to 1131",
        ),
        extreme(
            np.array([[40.0, 0.0], [-40.0, 0.0]]),
            np.array([[44.0, 1.0], [44.125, 3.0]]),
            np.array([[1.0, 0.0], [2.0, 5.0]]),
            note="two queries, their scores 2500 apart",
        ),
        extreme(
            np.array([[-40.0, 0.0]]),
            np.array([[40.0, 1.0], [40.25, 3.0]]),
            np.array([[1.0], [2.0]]),
            note="all scores near -1131",
        ),
    ],
    truth=_exact_attention,
    scale=lambda Q, K, V, expected: np.max(np.abs(V)) * (1 + _size_of_scores(Q, K)),
    library=_LIBRARY,
    remark="Every row of the result is a weighted mean of the values.",
)
def attention(Q, K, V):
    """Return attention: each query's mean of the values, weighted by the softmax of its scores.

    Q : array (..., n_q, d), a query a row.
    K : array (..., n_k, d), a key a row.
    V : array (..., n_k, d_v), the keys' values. All three are integers or all are floats, and
        stay unchanged.

    A score is the dot product of a query and a key, divided by sqrt(d). Returns an array
    (..., n_q, d_v). Scores of any size must work. Write the softmax too: a ready-made softmax or
    attention does not count.
    """
    x = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ V


attention.hints(
    "All scores at once: a matrix with a row for each query and a column for each key. Which "
    "product of Q and K has this shape?",
    "Q @ np.swapaxes(K, -1, -2): K.T would turn the axes of a stack round, too.",
    "Divide the scores by np.sqrt(Q.shape[-1]), and only then take the softmax.",
    "The softmax runs over the keys, the last axis, with each row's own maximum subtracted; the "
    "weights times V are the result.",
)
attention.reasoning(
    "Row i of the scores holds query i against every key. Softmax makes weights of it that sum to "
    "1 along the row, and the product with V takes the mean of the values with these weights. The "
    "division by √d undoes the spread that d terms in a dot product bring. The shift is the "
    "softmax's own: each query subtracts its own maximum."
)


@attention.mistake(
    "the scores are not divided by sqrt(d). Divide them before the softmax.",
    shifted=(True, False),
)
def no_scale(Q, K, V, *, shifted):
    return _softmax(Q @ np.swapaxes(K, -1, -2), shifted=shifted) @ V


@attention.mistake(
    "the scores are divided by d, not by its root. Take np.sqrt(Q.shape[-1]).",
    shifted=(True, False),
)
def divides_by_d(Q, K, V, *, shifted):
    return _softmax(Q @ np.swapaxes(K, -1, -2) / Q.shape[-1], shifted=shifted) @ V


@attention.mistake(
    "the scores are multiplied by sqrt(d). Divide by it: a product of d terms spreads by sqrt(d).",
    shifted=(True, False),
)
def multiplies_by_the_root(Q, K, V, *, shifted):
    return _softmax(Q @ np.swapaxes(K, -1, -2) * np.sqrt(Q.shape[-1]), shifted=shifted) @ V


@attention.mistake(
    "the root of another length was taken: of n_q, n_k or d_v, or of a stack's. The length that "
    "matters is the width of a query, Q.shape[-1].",
    length=(
        lambda Q, K, V: Q.shape[-2],
        lambda Q, K, V: K.shape[-2],
        lambda Q, K, V: V.shape[-1],
        lambda Q, K, V: Q.shape[0],
        lambda Q, K, V: K.shape[0],
        lambda Q, K, V: Q.shape[1],
    ),
    shifted=(True, False),
)
def root_of_another_length(Q, K, V, *, length, shifted):
    scores = Q @ np.swapaxes(K, -1, -2) / np.sqrt(length(Q, K, V))
    return _softmax(scores, shifted=shifted) @ V


@attention.mistake(
    "the weights are divided by sqrt(d), after the softmax. Divide the scores: the weights "
    "have to sum to 1.",
    shifted=(True, False),
)
def scales_after_the_softmax(Q, K, V, *, shifted):
    weights = _softmax(Q @ np.swapaxes(K, -1, -2), shifted=shifted)
    return weights / np.sqrt(Q.shape[-1]) @ V


@attention.mistake(
    "the softmax runs over the queries. Each query shares out its own 1 among the keys: take "
    "axis=-1.",
    axis=(-2, 0),
    shifted=(True, False),
)
def softmax_over_queries(Q, K, V, *, axis, shifted):
    return _softmax(_scores(Q, K), axis=axis, shifted=shifted) @ V


@attention.mistake(
    "one softmax was taken over the whole matrix. Each query has a softmax of its own, along its "
    "row.",
    axis=((-2, -1), None),
    shifted=(True, False),
)
def softmax_over_the_matrix(Q, K, V, *, axis, shifted):
    return _softmax(_scores(Q, K), axis=axis, shifted=shifted) @ V


@attention.mistake(
    "no maximum is subtracted. Subtract each row's maximum before exp: scores of 1131 are "
    "ordinary numbers, and exp of them is inf."
)
def no_shift(Q, K, V):
    return _softmax(_scores(Q, K), shifted=False) @ V


@attention.mistake(
    "the maximum of the whole matrix was subtracted. Subtract each query's own: a query whose "
    "scores lie far below the others' is left with 0/0.",
    axis=((-2, -1), None),
)
def global_maximum(Q, K, V, *, axis):
    x = _scores(Q, K)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ V


@attention.mistake(
    "K.T turns all axes of a stack round, and the stack is lost. Exchange the last two only: "
    "np.swapaxes(K, -1, -2).",
    shifted=(True, False),
)
def transposes_the_stack(Q, K, V, *, shifted):
    return _softmax(Q @ K.T / np.sqrt(Q.shape[-1]), shifted=shifted) @ V


@attention.mistake("the weights came back. Multiply them with V.", shifted=(True, False))
def returns_the_weights(Q, K, V, *, shifted):
    return _softmax(_scores(Q, K), shifted=shifted)


@attention.mistake(
    "there is no softmax: the scores themselves weigh the values. Weights are positive and sum "
    "to 1."
)
def no_softmax(Q, K, V):
    return _scores(Q, K) @ V


@attention.mistake(
    "the weights are not normalised. Divide each row of exponentials by its sum.",
    shifted=(True, False),
)
def not_normalised(Q, K, V, *, shifted):
    x = _scores(Q, K)
    return np.exp(x - np.max(x, axis=-1, keepdims=True) if shifted else x) @ V


@attention.mistake(
    "the keys were mixed. The keys are what is compared, the values what is mixed.",
    shifted=(True, False),
)
def mixes_the_keys(Q, K, V, *, shifted):
    return _softmax(_scores(Q, K), shifted=shifted) @ K


@attention.mistake(
    "the value of the best key came back: a hard look-up. Mix the values by their softmax weights."
)
def hard_look_up(Q, K, V):
    best = np.argmax(_scores(Q, K), axis=-1)
    return np.take_along_axis(V, best[..., None], axis=-2)


# --- 13.2 ----------------------------------------------------------------------------------------


def _as_a_mask(result, n_q, n_k):
    """Return a boolean result as it is, and numbers so that they equal no mask."""
    result = np.asarray(result)
    return result if result.dtype == bool else np.where(result == 1, np.nan, result)


@exercise(
    "13.2",
    minutes=5,
    probes=[
        ordinary(1, 2, note="one query, 2 keys"),
        ordinary(1, 5, note="one new query beside a cache of 5"),
        ordinary(2, 5, note="two new queries, 5 keys"),
        ordinary(3, 3, note="3 and 3"),
        ordinary(4, 4, note="4 and 4"),
        ordinary(3, 4, note="one more key than queries"),
        ordinary(4, 2, note="more queries than keys: the first two see nothing"),
        ordinary(3, 1, note="three queries, one key"),
        ordinary(1, 1, note="one and one"),
    ],
    truth=lambda n_q, n_k: np.array([[n_k - j >= n_q - i for j in range(n_k)] for i in range(n_q)]),
    canonical=_as_a_mask,
    library=("causal_lower_right",),
    remark="With as many queries as keys every convention agrees. With a cache they do not.",
)
def causal_mask(n_q, n_k):
    """Return the causal mask of n_q queries and n_k keys: True where the query may look.

    n_q, n_k : whole numbers of at least 1.

    The queries are the *last* n_q places of the sequence: the last query stands beside the last
    key. A query may look at the key beside it and at all earlier ones. With n_q > n_k the first
    queries have nothing to look at. Returns a boolean array (n_q, n_k).
    """
    return np.arange(n_k) <= np.arange(n_q)[:, None] + n_k - n_q


causal_mask.hints(
    "Beside which key does query i stand? The last one, n_q - 1, stands beside key n_k - 1.",
    "So query i stands beside key i + n_k - n_q, and may look at key j if j is at most that.",
    "np.arange(n_q)[:, None] and np.arange(n_k) give all pairs (i, j) at once; or use np.tril "
    "with its second argument.",
)
causal_mask.reasoning(
    "With a cache of keys only the last queries are computed. Counted from the end, query and key "
    "have the same place: n_q − i and n_k − j. A query may look where n_k − j ≥ n_q − i, which is "
    "j ≤ i + n_k − n_q. A mask that starts at the top left counts from the front, as if the cache "
    "came after the new tokens."
)


def _places(n_q, n_k):
    return np.arange(n_q)[:, None], np.arange(n_k)


@causal_mask.mistake(
    "the triangle starts at the top left: query 0 stands beside key 0. With a cache the last "
    "query stands beside the last key."
)
def top_left(n_q, n_k):
    i, j = _places(n_q, n_k)
    return j <= i


@causal_mask.mistake(
    "the diagonal is missing: a query may look at the key beside it, its own place.",
    corner=("bottom right", "top left"),
)
def without_the_diagonal(n_q, n_k, *, corner):
    i, j = _places(n_q, n_k)
    return j < i + (n_k - n_q if corner == "bottom right" else 0)


@causal_mask.mistake(
    "the mask is inverted: True means that the query may look. Some library arguments take the "
    "opposite.",
    corner=("bottom right", "top left"),
)
def inverted(n_q, n_k, *, corner):
    i, j = _places(n_q, n_k)
    return j > i + (n_k - n_q if corner == "bottom right" else 0)


@causal_mask.mistake(
    "this is the upper triangle: a query looks at itself and the future. Causal means the lower "
    "one.",
    corner=("bottom right", "top left"),
)
def upper_triangle(n_q, n_k, *, corner):
    i, j = _places(n_q, n_k)
    return j >= i + (n_k - n_q if corner == "bottom right" else 0)


@causal_mask.mistake(
    "the offset has the wrong sign. Query i stands beside key i + n_k - n_q.",
)
def offset_of_the_wrong_sign(n_q, n_k):
    i, j = _places(n_q, n_k)
    return j <= i + n_q - n_k


@causal_mask.mistake(
    "the offset never gets below 0. With more queries than keys n_k - n_q is negative: leave it "
    "so, and the first queries see nothing.",
    offset=(lambda n_q, n_k: max(0, n_k - n_q), lambda n_q, n_k: abs(n_k - n_q)),
)
def offset_never_negative(n_q, n_k, *, offset):
    i, j = _places(n_q, n_k)
    return j <= i + offset(n_q, n_k)


@causal_mask.mistake("nothing is masked: the future is in sight of every query.")
def nothing_masked(n_q, n_k):
    return np.ones((n_q, n_k), dtype=bool)


@causal_mask.mistake(
    "each query sees one key too many: the next token leaks. Query i sees the keys up to "
    "i + n_k - n_q, itself included.",
    corner=("bottom right", "top left"),
)
def one_too_many(n_q, n_k, *, corner):
    i, j = _places(n_q, n_k)
    return j <= i + (n_k - n_q if corner == "bottom right" else 0) + 1


@causal_mask.mistake(
    "queries and keys are exchanged: the rows belong to the queries, shape (n_q, n_k).",
    corner=("bottom right", "top left"),
)
def transposed(n_q, n_k, *, corner):
    i, j = _places(n_q, n_k)
    return (j <= i + (n_k - n_q if corner == "bottom right" else 0)).T


@causal_mask.mistake(
    "these are numbers to be added to the scores: 0 and -inf. A boolean mask was asked.",
    corner=("bottom right", "top left"),
    fill=(-np.inf, -1e9),
)
def numbers_to_add(n_q, n_k, *, corner, fill):
    i, j = _places(n_q, n_k)
    return np.where(j <= i + (n_k - n_q if corner == "bottom right" else 0), 0.0, fill)


@causal_mask.mistake(
    "these are the numbers 1 and 0. A boolean mask was asked: as numbers they would be added to "
    "the scores. Compare, or end with .astype(bool).",
    corner=("bottom right", "top left"),
)
def ones_and_zeros(n_q, n_k, *, corner):
    i, j = _places(n_q, n_k)
    return np.where(j <= i + (n_k - n_q if corner == "bottom right" else 0), 1.0, 0.0)


# --- 13.3 ----------------------------------------------------------------------------------------

_FILLS = (
    *(-(10.0**k) for k in (4, 5, 6, 7, 8, 9, 10, 12, 20, 30)),
    -65504.0,
    float(np.finfo(np.float32).min),
    *(float(np.log(e)) for e in (1e-9, 1e-45)),
)
_LOWEST = float(np.finfo(np.float64).min)
_NAN, _INF = np.nan, np.inf


def _padded(array, value):
    """Return the array with `value` in its last row."""
    array = np.array(array)
    array[-1] = value
    return array


_HALVES = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])
_KEYS = np.array([[1.0, 2.0, 0.5, 0.0], [0.0, 1.0, 1.0, 2.0], [2.0, 0.0, 1.0, 1.0]])
_VALUES = np.array([[1.0, 10.0], [2.0, -20.0], [4.0, 30.0]])
_PADDING = np.array([[_T, _T, _F], [_F, _T, _F]])
_SEEN_BY_THE_SECOND = np.array([[_T, _T, _F], [_T, _F, _T]])


@exercise(
    "13.3",
    minutes=9,
    probes=[
        ordinary(
            _normal(2, 4),
            _normal(3, 4),
            _normal(3, 2),
            np.array([[_T, _F, _T], [_T, _T, _F]]),
            note="2 queries, 3 keys, another mask for each",
        ),
        ordinary(
            _normal(1, 4),
            _normal(3, 4),
            _normal(3, 2),
            np.array([[_T, _T, _T]]),
            note="nothing is masked",
        ),
        ordinary(
            _normal(3, 3), _normal(3, 3), _normal(3, 3), np.tri(3, dtype=bool), note="a causal mask"
        ),
        ordinary(
            _normal(4, 2),
            _normal(5, 2),
            _normal(5, 3),
            np.tri(4, 5, 1, dtype=bool),
            note="4 queries, 5 keys",
        ),
        ordinary(
            _normal(2, 4),
            _normal(3, 4),
            _normal(3, 2),
            np.array([[_F, _F, _F], [_T, _F, _T]]),
            note="a query with nothing left: zeros",
        ),
        ordinary(
            _normal(1, 4),
            _normal(2, 4),
            _normal(2, 2),
            np.array([[_F, _F]]),
            note="nothing left at all: zeros",
        ),
        ordinary(
            _normal(2, 1),
            _normal(3, 1),
            _normal(3, 2),
            np.array([[_T, _F, _F], [_F, _T, _T]]),
            note="d = 1",
        ),
        ordinary(
            _normal(2, 4).astype(np.float32),
            _normal(3, 4).astype(np.float32),
            _normal(3, 2).astype(np.float32),
            np.array([[_T, _F, _T], [_F, _T, _T]]),
            note="float32",
        ),
        ordinary(
            _read_only(_normal(2, 4)),
            _read_only(_normal(3, 4)),
            _read_only(_normal(3, 2)),
            _read_only(np.array([[_T, _F, _T], [_T, _T, _T]])),
            note="read-only arrays",
        ),
        ordinary(_HALVES, _KEYS, _padded(_VALUES, 1e6), _PADDING, note="a padded key, finite"),
        extreme(
            _HALVES, _KEYS, _padded(_VALUES, _NAN), _PADDING, note="NaN in the padding's value"
        ),
        extreme(
            _HALVES, _KEYS, _padded(_VALUES, _INF), _PADDING, note="inf in the padding's value"
        ),
        extreme(_HALVES, _padded(_KEYS, _NAN), _VALUES, _PADDING, note="NaN in the padding's key"),
        extreme(
            _HALVES,
            _padded(_KEYS, _INF),
            _padded(_VALUES, _NAN),
            _PADDING,
            note="inf in the padding's key, NaN in its value",
        ),
        extreme(
            _HALVES,
            _padded(_KEYS, _NAN),
            _padded(_VALUES, _NAN),
            np.array([[_F, _F, _F], [_F, _T, _F]]),
            note="NaN in the padding, and a query with nothing left",
        ),
        extreme(
            np.array([[256.0, 0, 0, 0], [0, 1, 0, 0]]),
            np.array([[-256.0, 0, 0, 0], [-256, 1, 0, 0], [1, 0, 0, 0]]),
            _VALUES,
            _SEEN_BY_THE_SECOND,
            note="kept scores of -32768",
        ),
        extreme(
            np.array([[2.0, 0, 0, 0], [0, 1, 0, 0]]),
            np.array([[-3e10, 0, 0, 0], [-3e10 - 2, 0, 0, 0], [1, 0, 0, 0]]),
            _VALUES,
            _SEEN_BY_THE_SECOND,
            note="kept scores near -3e10",
        ),
        extreme(
            np.array([[2.0, 0, 0, 0], [0, 1, 0, 0]]),
            np.array([[-7e41, 0, 0, 0], [-7e41, 0, 0, 0], [1, 0, 0, 0]]),
            _VALUES,
            _SEEN_BY_THE_SECOND,
            note="kept scores of -7e41",
        ),
        extreme(
            np.array([[2.0, 0, 0, 0]]),
            np.array([[1000.0, 0, 0, 0], [999, 0, 0, 0], [0, 0, 0, 0]]),
            _VALUES,
            np.array([[_T, _T, _F]]),
            note="kept scores near 1000",
        ),
        extreme(
            np.array([[2.0, 0, 0, 0], [0, 1, 0, 0]]),
            np.array([[0.0, 0, 0, 0], [1, 0, 0, 0], [3000, 1, 0, 0]]),
            _VALUES,
            _SEEN_BY_THE_SECOND,
            note="a masked score 3000 above the kept ones",
        ),
    ],
    truth=_exact_attention,
    scale=lambda Q, K, V, mask, expected: (
        np.max(np.abs(_finite(V))) * (1 + min(_size_of_scores(Q, K), 1e4))
    ),
    library=_LIBRARY,
    remark="0 · NaN is NaN: a weight of exactly 0 does not remove a value, only a value does.",
)
def masked_attention(Q, K, V, mask):
    """Return attention in which each query sees only the keys that its row of the mask allows.

    Q : array (n_q, d). K : array (n_k, d). V : array (n_k, d_v). All float, left unchanged.
    mask : boolean array (n_q, n_k), True where the query may look.

    Scores are divided by sqrt(d). Returns an array (n_q, d_v). A query with nothing left gives
    zeros. Kept scores of any size must work. A key that *no* query may see may hold NaN or inf,
    its value too: they must not matter. A ready-made softmax or attention does not count.
    """
    seen = mask.any(axis=0)[:, None]
    K, V = np.where(seen, K, 0), np.where(seen, V, 0)
    x = np.where(mask, Q @ K.T / np.sqrt(Q.shape[-1]), -np.inf)
    top = np.max(x, axis=-1, keepdims=True)
    e = np.exp(x - np.where(np.isfinite(top), top, 0))
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total) @ V


masked_attention.hints(
    "Mask the scores before the softmax: which score gets the weight 0 exactly, whatever the "
    "others are?",
    "np.where(mask, scores, -np.inf). A query with nothing left then has the maximum -inf: give "
    "it a finite one, and replace its sum of 0 by 1.",
    "Weight 0 times a value of NaN is NaN. mask.any(axis=0) says which keys anybody sees.",
    "Replace the values (and keys) that nobody sees by 0, with np.where, in new arrays.",
)
masked_attention.reasoning(
    "A score of −inf has weight exactly 0 and takes no part in maximum or sum. A query with "
    "nothing left has no mean of anything; zeros say so, and its 0/0 never happens, so gradients "
    "stay finite too. Padding is often uninitialised memory. In the product weights @ V every "
    "value is multiplied, by 0 too, and 0 · NaN = NaN: so the values are masked as well."
)


def _cleaned(array, mask, clean):
    return np.where(mask.any(axis=0)[:, None], array, 0) if clean else array


def _normalised(e, policy):
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total) if policy == "zeros" else e / total


def _weights(x, policy):
    """Softmax in which a row of −inf gives zeros, or NaN."""
    top = np.max(x, axis=-1, keepdims=True)
    if policy == "zeros":
        top = np.where(top == -np.inf, 0, top)
    return _normalised(np.exp(x - top), policy)


@masked_attention.mistake(
    "the mask is inverted: True means that the query may look.",
    policy=("zeros", "NaN"),
    fill=(-np.inf, -1e9, _LOWEST),
)
def inverted_mask(Q, K, V, mask, *, policy, fill):
    return _weights(np.where(mask, fill, _scores(Q, K)), policy) @ V


@masked_attention.mistake(
    "the scores are multiplied by the mask. A score of 0 is no weight of 0: exp(0) = 1 takes its "
    "share. Fill with -inf.",
    zeroed=(False, True),
    clean=(False, True),
)
def multiplies_the_scores(Q, K, V, mask, *, zeroed, clean):
    weights = _softmax(_scores(Q, _cleaned(K, mask, clean)) * mask)
    if zeroed:
        weights = np.where(mask.any(axis=-1, keepdims=True), weights, 0)
    return weights @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "the weights are masked after the softmax and do not sum to 1 any more. Mask the scores, "
    "before it.",
    clean=(False, True),
)
def masks_after_the_softmax(Q, K, V, mask, *, clean):
    return (_softmax(_scores(Q, _cleaned(K, mask, clean))) * mask) @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "a query with nothing left gives NaN. Its maximum is -inf, and -inf - (-inf) is NaN: give "
    "such a row a finite maximum and a sum of 1.",
    clean=(False, True),
    added=(False, True),
)
def nan_where_nothing_is_left(Q, K, V, mask, *, clean, added):
    x = _scores(Q, _cleaned(K, mask, clean))
    x = x + np.where(mask, 0.0, -np.inf) if added else np.where(mask, x, -np.inf)
    return _softmax(x) @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "a query with nothing left gives the mean of all values. It was asked to give zeros.",
    clean=(False, True),
    via=("fill", "where"),
)
def mean_where_nothing_is_left(Q, K, V, mask, *, clean, via):
    x = _scores(Q, _cleaned(K, mask, clean))
    if via == "fill":
        weights = _softmax(np.where(mask, x, _LOWEST))
    else:
        weights = _weights(np.where(mask, x, -np.inf), "zeros")
        weights = np.where(mask.any(axis=-1, keepdims=True), weights, 1 / mask.shape[1])
    return weights @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "a query with nothing left sees all keys. It was asked to give zeros.",
    clean=(False, True),
)
def opens_what_is_empty(Q, K, V, mask, *, clean):
    x = _scores(Q, _cleaned(K, mask, clean))
    opened = mask | ~mask.any(axis=-1, keepdims=True)
    return _softmax(np.where(opened, x, -np.inf)) @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "what stands at a key that nobody sees gets through: 0 · NaN is NaN. Replace the keys and "
    "values that nobody sees by 0, with np.where and mask.any(axis=0).",
    cleans=("nothing", "keys", "values", "output"),
    added=(False, True),
    zeroed=(False, True),
)
def padding_gets_through(Q, K, V, mask, *, cleans, added, zeroed):
    x = _scores(Q, _cleaned(K, mask, cleans == "keys"))
    # A sum keeps NaN, np.where does not: with it, cleaned values are enough.
    x = x + np.where(mask, 0.0, -np.inf) if added or cleans == "values" else x
    x = x if added or cleans == "values" else np.where(mask, x, -np.inf)
    weights = _weights(x, "zeros")
    if zeroed:
        weights = np.where(mask.any(axis=-1, keepdims=True), weights, 0)
    result = weights @ _cleaned(V, mask, cleans == "values")
    return np.nan_to_num(result) if cleans == "output" else result


@masked_attention.mistake(
    "a finite number fills the masked places. It is a score like any other: where the kept scores "
    "lie below it, the masked keys take all. Fill with -inf.",
    fill=_FILLS,
    added=(False, True),
    zeroed=(False, True),
    clean=(False, True),
)
def finite_fill(Q, K, V, mask, *, fill, added, zeroed, clean):
    x = _scores(Q, _cleaned(K, mask, clean))
    weights = _softmax(x + np.where(mask, 0.0, fill) if added else np.where(mask, x, fill))
    if zeroed:
        weights = np.where(mask.any(axis=-1, keepdims=True), weights, 0)
    return weights @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "the booleans were added to the scores: True adds 1, and nothing is masked. Take np.where."
)
def adds_the_booleans(Q, K, V, mask):
    return _softmax(_scores(Q, K) + mask) @ V


@masked_attention.mistake(
    "-inf was multiplied by 0 at the kept places, and that is NaN. Take np.where to choose "
    "between a score and -inf."
)
def infinity_times_zero(Q, K, V, mask):
    return _softmax(_scores(Q, K) + (1 - mask.astype(float)) * -np.inf) @ V


@masked_attention.mistake(
    "the maximum runs over the masked keys too. Where a masked score lies far above the kept "
    "ones, these vanish: mask first, then take the maximum.",
    policy=("zeros", "NaN"),
    clean=(False, True),
)
def maximum_over_masked_keys(Q, K, V, mask, *, policy, clean):
    x = _scores(Q, _cleaned(K, mask, clean))
    e = np.where(mask, np.exp(x - np.max(x, axis=-1, keepdims=True)), 0)
    return _normalised(e, policy) @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "no maximum is subtracted. Subtract each query's largest kept score before exp.",
    policy=("zeros", "NaN"),
    clean=(False, True),
)
def unshifted(Q, K, V, mask, *, policy, clean):
    x = _scores(Q, _cleaned(K, mask, clean))
    e = np.exp(np.where(mask, x, -np.inf))
    return _normalised(e, policy) @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "a small number was added to the sum: every weight comes out too small. Replace a sum of 0 "
    "by 1, and leave the others alone.",
    epsilon=(1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12),
    clean=(False, True),
)
def epsilon_in_the_sum(Q, K, V, mask, *, epsilon, clean):
    x = np.where(mask, _scores(Q, _cleaned(K, mask, clean)), -np.inf)
    top = np.max(x, axis=-1, keepdims=True)
    e = np.exp(x - np.where(top == -np.inf, 0, top))
    return e / (e.sum(axis=-1, keepdims=True) + epsilon) @ _cleaned(V, mask, clean)


@masked_attention.mistake(
    "the scores are not divided by sqrt(d). Divide them before the softmax.",
    policy=("zeros", "NaN"),
    clean=(False, True),
)
def unscaled(Q, K, V, mask, *, policy, clean):
    x = np.where(mask, Q @ _cleaned(K, mask, clean).T, -np.inf)
    return _weights(x, policy) @ _cleaned(V, mask, clean)


# --- 13.4 ----------------------------------------------------------------------------------------


def _with_a_column(x, s):
    """Exact softmax of the row with s as one more entry, which is then left out."""
    from helpers import oracle

    x = np.asarray(x, dtype=np.float64)
    column = np.full((*x.shape[:-1], 1), float(s))
    return oracle.softmax(np.concatenate([x, column], axis=-1), as_float=True)[..., :-1]


def _size_of_logits(x, s):
    return np.max(np.abs(_finite(x))) + abs(_finite(s))


@exercise(
    "13.4",
    minutes=6,
    probes=[
        ordinary(np.array([1.0, 2.0, 0.5]), 1.5, note="three logits and a sink"),
        ordinary(np.array([0.5]), -0.75, note="one logit"),
        ordinary(np.array([-1.0, -2.5, -1.5]), 0.0, note="s = 0"),
        ordinary(np.array([1.0, 2.0, 0.5]), -2.0, note="a sink below the logits"),
        ordinary(np.array([1.0, 2.0, 0.5]), -np.inf, note="s = -inf: no sink"),
        ordinary(np.array([-np.inf, 1.0, 0.0]), 0.5, note="a masked logit"),
        ordinary(np.array([[1.0, 2.0, 0.5], [3.0, -1.0, 0.0]]), 1.0, note="two rows"),
        ordinary(_normal(2, 2, 3), 0.5, note="a three-dimensional stack"),
        ordinary(np.array([1.0, 2.0, 0.5], dtype=np.float32), 1.5, note="float32"),
        ordinary(_read_only(np.array([0.0, 3.0])), 1.0, note="a read-only array"),
        ordinary(np.array([-np.inf, -np.inf]), 0.5, note="a row of -inf: zeros"),
        ordinary(np.array([[1.0, 0.0], [-np.inf, -np.inf]]), 2.0, note="one of two rows is -inf"),
        extreme(np.array([-30.0, -40.0, -35.0]), 0.0, note="logits far below s = 0"),
        extreme(np.array([1000.0, 999.0]), 1000.0, note="logits and sink of 1000"),
        extreme(np.array([1000.0, 999.0]), 0.0, note="logits of 1000, s = 0"),
        extreme(np.array([0.0, 1.0]), 1000.0, note="s = 1000, logits near 0"),
        extreme(np.array([10.0, 0.0]), 800.0, note="a sink 790 above the logits"),
        extreme(np.array([0.0, 1.0]), 720.0, note="a sink 720 above the logits"),
        extreme(np.array([-800.0, -801.0]), -800.5, note="logits and sink near -800"),
        extreme(np.array([-1000.0, -1001.0]), -np.inf, note="logits near -1000 and no sink"),
        extreme(np.array([[1000.0, 998.0], [-1000.0, -1001.0]]), -999.0, note="rows 2000 apart"),
    ],
    truth=_with_a_column,
    relative=_size_of_logits,
    library=_LIBRARY,
    remark="A mask, an alarm and a spare place are one thing: a logit whose share is not used.",
)
def softmax_with_sink(x, s):
    """Return exp(x_i) / (exp(s) + sum over j of exp(x_j)) over the last axis of x.

    x : float array (..., n) of logits, -inf allowed. It is left unchanged.
    s : a number, the sink's logit; -inf means that there is none.

    Returns an array of the shape of x: the sink takes its share and is not returned, so a row sums
    to less than 1. A row of -inf gives zeros if s is finite. Logits and s of any size must work.
    A ready-made softmax does not count.
    """
    m = np.maximum(np.max(x, axis=-1, keepdims=True), s)
    e = np.exp(x - m)
    return e / (e.sum(axis=-1, keepdims=True) + np.exp(s - m))


softmax_with_sink.hints(
    "The sink is one more logit, whose weight you leave out at the end.",
    "The shift belongs to every term. If m is subtracted from x, what becomes of exp(s)?",
    "exp(s - m). And m has to be the largest of *all* the logits, the sink included: "
    "np.maximum(x.max(axis=-1, keepdims=True), s).",
)
softmax_with_sink.reasoning(
    "Dividing numerator and denominator by e^m leaves the quotient alone, if every term is "
    "divided: e^s becomes e^(s − m). With the sink in the maximum no exponent is above 0 and one "
    "of them is 0: the denominator lies between 1 and n + 1. So nothing overflows, and a row of "
    "−inf gives 0/1 = 0. With s = 0 this is what is called softmax-off-by-one, whose 1 is e^(−m) "
    "after the shift."
)


def _row_maximum(x):
    return np.max(x, axis=-1, keepdims=True)


def _total(e):
    return e.sum(axis=-1, keepdims=True)


@softmax_with_sink.mistake(
    "exp(s) was added after the shift. The shift belongs to every term: exp(s - m).",
    joined=(False, True),
)
def sink_not_shifted(x, s, *, joined):
    m = np.maximum(_row_maximum(x), s) if joined else _row_maximum(x)
    e = np.exp(x - m)
    return e / (_total(e) + np.exp(s))


@softmax_with_sink.mistake(
    "1 was added to the sum. That is a sink of s = 0 without a shift; after the shift its term is "
    "exp(s - m).",
    joined=(False, True),
    shifted=(True, False),
)
def one_in_the_sum(x, s, *, joined, shifted):
    m = np.maximum(_row_maximum(x), s) if joined else _row_maximum(x)
    e = np.exp(x - m if shifted else x)
    return e / (_total(e) + 1)


@softmax_with_sink.mistake(
    "the sink is not in the maximum. If s is far above the logits, exp(s - m) overflows, and a "
    "row of -inf gives NaN: take np.maximum(m, s).",
)
def maximum_without_the_sink(x, s):
    m = _row_maximum(x)
    e = np.exp(x - m)
    return e / (_total(e) + np.exp(s - m))


@softmax_with_sink.mistake(
    "weights far below the sink come out as 0. There exp(s - m) overflows, in a sigmoid too: put "
    "the sink into the maximum, np.maximum(m, s).",
)
def lost_far_below_the_sink(x, s):
    m = _row_maximum(x)
    m = np.where(m == -np.inf, 0, m)
    e = np.exp(x - m)
    return e / (_total(e) + np.exp(s - m))


@softmax_with_sink.mistake(
    "s makes no difference: this is the softmax that is called off by one, a sink of 0. Put s in "
    "its place.",
)
def sink_of_zero(x, s):
    m = np.maximum(_row_maximum(x), 0.0)
    e = np.exp(x - m)
    return e / (_total(e) + np.exp(-m))


@softmax_with_sink.mistake("the sink's sign is turned round. It adds exp(s), not exp(-s).")
def sink_of_the_wrong_sign(x, s):
    m = np.maximum(_row_maximum(x), -s)
    e = np.exp(x - m)
    return e / (_total(e) + np.exp(-s - m))


@softmax_with_sink.mistake(
    "the sink's share came back, and one logit's was left out. Leave out the column that you "
    "added.",
    first=(False, True),
)
def drops_another_column(x, s, *, first):
    p = _with_sink(x, s)
    return np.roll(p, 1, axis=-1)[..., :-1] if first else p[..., 1:]


@softmax_with_sink.mistake(
    "a row of -inf gives NaN. Its own maximum is -inf, and -inf - (-inf) is NaN: take the maximum "
    "with s in it.",
    via=("gate", "log"),
)
def nan_for_a_row_of_infinities(x, s, *, via):
    lse = _row_maximum(x) + np.log(_total(np.exp(x - _row_maximum(x))))
    if via == "log":
        return np.exp(x - np.logaddexp(lse, s))
    return _softmax(x) * np.exp(lse - np.logaddexp(lse, s))


@softmax_with_sink.mistake(
    "0 was put into the maximum instead of s. Where all logits are near -800, exp of all of them "
    "is 0, and 0/0 is NaN."
)
def maximum_with_zero(x, s):
    m = np.maximum(_row_maximum(x), 0.0)
    e = np.exp(x - m)
    return e / (_total(e) + np.exp(s - m))


@softmax_with_sink.mistake(
    "no maximum is subtracted. Subtract the largest of the logits and s from both."
)
def unshifted_sink(x, s):
    return np.exp(x) / (_total(np.exp(x)) + np.exp(s))


def _with_sink(x, s):
    column = np.full((*np.shape(x)[:-1], 1), s, dtype=np.asarray(x).dtype)
    return _softmax(np.concatenate([x, column], axis=-1))


@softmax_with_sink.mistake(
    "the sink's own share came back as one more column. Leave it out: the shape is that of x.",
    first=(False, True),
)
def returns_the_sink(x, s, *, first):
    p = _with_sink(x, s)
    return np.roll(p, 1, axis=-1) if first else p


@softmax_with_sink.mistake(
    "the weights sum to 1, as if there were no sink. Do not normalise again after it took its "
    "share.",
    via=("again", "none"),
)
def renormalised(x, s, *, via):
    if via == "none":
        return _softmax(x)
    p = _with_sink(x, s)[..., :-1]
    return p / _total(p)


@softmax_with_sink.mistake(
    "s was added to all logits. It is a logit of its own, beside them.",
    one=(False, True),
)
def added_to_all(x, s, *, one):
    y = x + s
    m = np.maximum(_row_maximum(y), 0.0) if one else _row_maximum(y)
    e = np.exp(y - m)
    return e / (_total(e) + (np.exp(-m) if one else 0.0))


@softmax_with_sink.mistake(
    "the gate is upside down: the softmax is multiplied by the sink's share. Multiply it by "
    "sigmoid(LSE - s), not sigmoid(s - LSE)."
)
def gate_upside_down(x, s):
    return _softmax(x) * _with_sink(x, s)[..., -1:]


@softmax_with_sink.mistake(
    "s itself was added to the sum. The sink is a logit: it adds exp(s).",
    form=("plain", "shifted", "shifted, s too", "moved"),
)
def s_in_place_of_its_exponential(x, s, *, form):
    m = 0.0 if form == "plain" else _row_maximum(x)
    e = np.exp(x - m)
    if form == "moved":
        return e / (_total(e) + s * np.exp(-m))
    return e / (_total(e) + (s - m if form == "shifted, s too" else s))


@softmax_with_sink.mistake(
    "one denominator was taken for all rows. Each row has its own: axis=-1, keepdims=True.",
    shift=("row", "all"),
)
def one_denominator(x, s, *, shift):
    top = np.max(x) if shift == "all" else _row_maximum(x)
    m = np.maximum(top, s)
    e = np.exp(x - m)
    return e / (e.sum() + np.exp(s - m))


# --- 13.5 ----------------------------------------------------------------------------------------


def _by_exponentials(x, cap, mask):
    """Take tanh from mpmath."""
    import mpmath

    result = np.full(np.shape(x), -np.inf)
    for index in zip(*np.nonzero(mask), strict=True):
        ratio = mpmath.mpf(float(x[index])) / mpmath.mpf(float(cap))
        result[index] = float(mpmath.mpf(float(cap)) * mpmath.tanh(ratio))
    return result


_SCORES = np.array([[1.0, 4.0, -7.0], [0.25, -2.0, 12.0]])


@exercise(
    "13.5",
    minutes=4,
    probes=[
        ordinary(_SCORES, 5.0, np.array([[_T, _F, _T], [_T, _T, _T]]), note="cap 5"),
        ordinary(_SCORES, 2.0, np.array([[_T, _T, _F], [_T, _F, _T]]), note="cap 2"),
        ordinary(np.array([[3.0, 1.0]]), 5.0, np.array([[_T, _F]]), note="one query, two keys"),
        ordinary(np.array([[0.5, -0.5]]), 0.5, np.array([[_T, _T]]), note="nothing is masked"),
        ordinary(np.array([[0.5, -0.5]]), 1.0, np.array([[_F, _F]]), note="all is masked"),
        ordinary(3 * _normal(3, 3), 4.0, np.tri(3, dtype=bool), note="a causal mask"),
        ordinary(np.array([[3, 60], [-90, 0]]), 30, np.array([[_T, _T], [_T, _F]]),
                 note="integers"),
        ordinary(_SCORES.astype(np.float32), 3.0, np.array([[_T, _F, _T], [_T, _T, _T]]),
                 note="float32"),
        ordinary(_read_only(_SCORES.copy()), 6.0,
                 _read_only(np.array([[_T, _F, _T], [_F, _T, _T]])), note="read-only arrays"),
        extreme(np.array([[1000.0, -1000.0, 2.0]]), 5.0, np.array([[_T, _T, _F]]),
                note="scores of 1000"),
        extreme(np.array([[1e308, -1e308]]), 1e-3, np.array([[_T, _T]]),
                note="scores of 1e308, a cap of 1e-3"),
        extreme(np.array([[1e308, 3.0]]), 10.0, np.array([[_F, _T]]), note="1e308 is masked"),
    ],
    truth=_by_exponentials,
    scale=lambda x, cap, mask, expected: abs(cap),
    remark="Cap first, mask last: the cap would lift -inf to -cap.",
)  # fmt: skip
def capped_scores(x, cap, mask):
    """Return the scores softly capped, cap * tanh(x / cap), and -inf where they are masked.

    x : array (n_q, n_k) of finite scores, floats or integers. It is left unchanged.
    cap : a number > 0.
    mask : boolean array of the shape of x: True where the query may look.

    Returns a float array of the shape of x. Scores of any size must work.
    """
    return np.where(mask, cap * np.tanh(x / cap), -np.inf)


capped_scores.hints(
    "np.tanh keeps its argument within -1 and 1. What does it take to keep a score within -cap "
    "and cap, with slope 1 at 0?",
    "Divide by cap before, multiply by cap after.",
    "What would the cap make of -inf? So which comes last, the mask or the cap?",
)
capped_scores.reasoning(
    "tanh(x/cap) has slope 1/cap at 0 and limits ±1, so cap · tanh(x/cap) leaves small scores "
    "nearly alone and never passes ±cap. It makes −cap of −inf, a score like any other, with a "
    "weight above 0: so the mask has to come after it."
)


@capped_scores.mistake(
    "the mask came before the cap, which lifts -inf to -cap. Cap first, then mask.",
    fill=(-np.inf, -1e4, -1e9),
    added=(False, True),
)
def mask_before_the_cap(x, cap, mask, *, fill, added):
    y = x + np.where(mask, 0.0, fill) if added else np.where(mask, x, fill)
    return cap * np.tanh(y / cap)


@capped_scores.mistake("the scores were clipped. A soft cap bends them: cap * tanh(x / cap).")
def clipped(x, cap, mask):
    return np.where(mask, np.clip(x, -cap, cap).astype(float), -np.inf)


@capped_scores.mistake("the tanh is not multiplied by cap: the scores lie within -1 and 1.")
def not_multiplied_back(x, cap, mask):
    return np.where(mask, np.tanh(x / cap), -np.inf)


@capped_scores.mistake("the scores are not divided by cap before the tanh.")
def not_divided(x, cap, mask):
    return np.where(mask, cap * np.tanh(x), -np.inf)


@capped_scores.mistake(
    "cap stands upside down. Divide the scores by it, and multiply the tanh with it."
)
def cap_upside_down(x, cap, mask):
    return np.where(mask, np.tanh(cap * x) / cap, -np.inf)


@capped_scores.mistake("masked scores are 0, which is a score like any other. Take -inf.")
def zero_for_masked(x, cap, mask):
    return np.where(mask, cap * np.tanh(x / cap), 0.0)


@capped_scores.mistake(
    "a finite number fills the masked places. Take -inf, which no score can reach.",
    fill=(-1e4, -65504.0, -1e9, -1e10, -1e30, float(np.finfo(np.float32).min), _LOWEST),
)
def finite_fill_after_the_cap(x, cap, mask, *, fill):
    return np.where(mask, cap * np.tanh(x / cap), fill)


@capped_scores.mistake("the mask is inverted: True means that the query may look.")
def inverted_after_the_cap(x, cap, mask):
    return np.where(mask, -np.inf, cap * np.tanh(x / cap))


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


@capped_scores.mistake(
    "a sigmoid was taken. A cap leaves small scores alone: tanh has slope 1 at 0, and passes "
    "through 0.",
    centred=(False, True),
)
def sigmoid_for_tanh(x, cap, mask, *, centred):
    gate = _sigmoid(x / cap)
    return np.where(mask, cap * (2 * gate - 1 if centred else gate), -np.inf)


@capped_scores.mistake(
    "the scores are capped from above only. The cap holds below as well: at -cap.",
    hard=(False, True),
)
def only_from_above(x, cap, mask, *, hard):
    above = np.minimum(x, cap) if hard else np.where(x > 0, cap * np.tanh(x / cap), x)
    return np.where(mask, above, -np.inf)


@capped_scores.mistake("the mask is not used: masked scores have to be -inf.")
def no_mask(x, cap, mask):
    return cap * np.tanh(x / cap)


@capped_scores.mistake(
    "-inf was multiplied by 0 at the kept places, and that is NaN. Take np.where."
)
def infinity_times_zero_after_the_cap(x, cap, mask):
    return cap * np.tanh(x / cap) + (1 - mask.astype(float)) * -np.inf


# --- 13.6 ----------------------------------------------------------------------------------------


def _head_by_head(X, Wq, Wk, Wv, heads):
    """Cut each head's columns out of the matrices, and attend head by head, exactly."""
    X, Wq, Wk, Wv = (np.asarray(a, dtype=np.float64) for a in (X, Wq, Wk, Wv))
    blocks = zip(*(np.split(W, heads, axis=1) for W in (Wq, Wk, Wv)), strict=True)
    return np.hstack([_exact_attention(X @ q, X @ k, X @ v) for q, k, v in blocks])


def _size_of_heads(X, Wq, Wk, Wv, heads, expected):
    a, q, k, v = (np.abs(np.asarray(m, dtype=np.float64)) for m in (X, Wq, Wk, Wv))
    return np.max(a @ v) * (1 + _size_of_scores(a @ q, a @ k))


def _projections(c, w):
    return tuple(_normal(c, w) for _ in range(3))


_TURN = np.array([[1.0, 0.0, 0.5, 0.25], [0.0, 1.0, -0.25, 0.5]])
_FAR_QUERIES = np.array([[40.0, 0.0, 40.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
_NEAR_KEYS = np.array([[0.25, 0.0, 0.25, 1.0], [40.0, 1.0, 40.0, 0.0]])


@exercise(
    "13.6",
    minutes=9,
    probes=[
        ordinary(_normal(3, 5), *_projections(5, 4), 2, note="3 places, width 4, 2 heads"),
        ordinary(_normal(2, 4), *_projections(4, 4), 2, note="2 places, 2 heads"),
        ordinary(_normal(4, 3), *_projections(3, 6), 3, note="4 places, width 6, 3 heads"),
        ordinary(_normal(3, 2), *_projections(2, 6), 2, note="heads of width 3"),
        ordinary(_normal(3, 5), *_projections(5, 4), 1, note="one head"),
        ordinary(_normal(3, 5), *_projections(5, 4), 4, note="as many heads as columns"),
        ordinary(_normal(1, 3), *_projections(3, 4), 2, note="one place"),
        ordinary(_normal(4, 3), *_projections(3, 8), 4, note="4 places, 4 heads"),
        ordinary(
            _normal(3, 4).astype(np.float32),
            *(w.astype(np.float32) for w in _projections(4, 4)),
            2,
            note="float32",
        ),
        ordinary(
            _read_only(_normal(2, 3)),
            *(_read_only(w) for w in _projections(3, 4)),
            2,
            note="read-only arrays",
        ),
        extreme(40 * np.eye(2), _TURN, _TURN, _TURN, 2, note="scores up to 1400"),
        extreme(
            np.array([[1.0, 1.0], [-1.0, 1.0], [0.5, 1.0]]),
            _FAR_QUERIES,
            _NEAR_KEYS,
            _TURN,
            2,
            note="two places whose scores lie 2000 apart",
        ),
    ],
    truth=_head_by_head,
    scale=_size_of_heads,
    library=_LIBRARY,
    remark="Between the two reshapes the heads are a stack, and attention does not mix them.",
)
def multi_head_attention(X, Wq, Wk, Wv, heads):
    """Return self-attention with several heads, side by side, without an output matrix.

    X : float array (n, c), a place a row.
    Wq, Wk, Wv : float arrays (c, w). Queries, keys and values are X @ Wq, X @ Wk, X @ Wv.
    heads : a whole number that divides w. Head h owns the columns from h * w / heads on.

    Each head attends by itself, with scores divided by the root of *its* width. Returns an array
    (n, w): the heads' results side by side in their order. All arguments stay unchanged. Scores
    of any size must work. A ready-made softmax or attention does not count.
    """
    n, w = X.shape[0], Wq.shape[1]
    Q, K, V = ((X @ W).reshape(n, heads, -1).swapaxes(0, 1) for W in (Wq, Wk, Wv))
    x = Q @ K.swapaxes(1, 2) / np.sqrt(w // heads)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    P = e / e.sum(axis=-1, keepdims=True)
    return (P @ V).swapaxes(0, 1).reshape(n, w)


multi_head_attention.hints(
    "Head h needs the columns h * w / heads up to (h + 1) * w / heads of X @ Wq, X @ Wk and "
    "X @ Wv. A loop over the heads and np.concatenate at the end is a right answer.",
    "Without a loop: (n, w) to (n, heads, w / heads) by reshape. Then the heads have to come "
    "first: swap the first two axes.",
    "A reshape never moves a number past another: straight to (heads, n, …) it would cut the "
    "places apart. The way back is the same two steps in reverse.",
    "The root is that of a head's width, w / heads.",
)
multi_head_attention.reasoning(
    "Row-major, the w numbers of a place lie side by side, the first head's before the second's. "
    "So reshape can cut a row into heads, (n, heads, w/heads), but only swapaxes can put the heads "
    "in front, where a stack's axis belongs. On the way back the places come first again before "
    "the heads are joined. The dot products of a head have w/heads terms: that is the d of its √d."
)


def _in_heads(X, Wq, Wk, Wv, heads, *, split="right", join="right", root=None, axis=-1, **options):
    """Multi-head attention with one thing done otherwise."""
    n, w = X.shape[0], Wq.shape[1]
    size = w // heads

    def cut(a):
        if split == "reshape":
            return a.reshape(heads, n, size)
        if split == "interleaved":
            return a.reshape(n, size, heads).transpose(2, 0, 1)
        return a.reshape(n, heads, size).swapaxes(0, 1)

    Q, K, V = (cut(X @ W) for W in (Wq, Wk, Wv))
    x = Q @ K.swapaxes(1, 2) / np.sqrt(size if root is None else root)
    shift = np.max(x, axis=options.get("maximum", axis), keepdims=True)
    e = np.exp(x - shift if options.get("shifted", True) else x)
    out = e / e.sum(axis=axis, keepdims=True) @ V
    if join == "reshape":
        return out.reshape(n, w)
    if join == "interleaved":
        return out.transpose(1, 2, 0).reshape(n, w)
    return out if join == "none" else out.swapaxes(0, 1).reshape(n, w)


@multi_head_attention.mistake(
    "the root of a full width was taken, w or that of X. A head's dot products have w / heads "
    "terms: take the root of that.",
    axis=(1, 0),
    shifted=(True, False),
)
def root_of_the_full_width(X, Wq, Wk, Wv, heads, *, axis, shifted):
    return _in_heads(X, Wq, Wk, Wv, heads, root=Wq.shape[axis], shifted=shifted)


@multi_head_attention.mistake(
    "the scores are divided by a head's width, not by its root. Take np.sqrt(w / heads)."
)
def divides_by_the_width(X, Wq, Wk, Wv, heads):
    return _in_heads(X, Wq, Wk, Wv, heads, root=(Wq.shape[1] // heads) ** 2)


@multi_head_attention.mistake(
    "the axes were never swapped: each place attends among its own heads. Swap to (heads, n, ...) "
    "before the scores, and back after the values."
)
def attends_among_heads(X, Wq, Wk, Wv, heads):
    n, w = X.shape[0], Wq.shape[1]
    Q, K, V = ((X @ W).reshape(n, heads, w // heads) for W in (Wq, Wk, Wv))
    return (_softmax(_scores(Q, K)) @ V).reshape(n, w)


@multi_head_attention.mistake(
    "the root of the number of heads was taken. It is the width of a head that counts, w / heads.",
    shifted=(True, False),
)
def root_of_the_number_of_heads(X, Wq, Wk, Wv, heads, *, shifted):
    return _in_heads(X, Wq, Wk, Wv, heads, root=heads, shifted=shifted)


@multi_head_attention.mistake(
    "the scores are not divided by the root of a head's width, w / heads.",
    shifted=(True, False),
)
def no_scale_in_heads(X, Wq, Wk, Wv, heads, *, shifted):
    return _in_heads(X, Wq, Wk, Wv, heads, root=1, shifted=shifted)


@multi_head_attention.mistake(
    "split and joined by reshape alone: each head got whole places, cut apart, in place of its "
    "columns of every place. After the reshape to (n, heads, ...) swap the axes, and swap them "
    "back before the last one.",
    shifted=(True, False),
)
def split_and_joined_by_reshape(X, Wq, Wk, Wv, heads, *, shifted):
    return _in_heads(X, Wq, Wk, Wv, heads, split="reshape", join="reshape", shifted=shifted)


@multi_head_attention.mistake(
    "split by reshape alone: (n, w) to (heads, n, ...) cuts the places apart. Reshape to "
    "(n, heads, ...), then swap the axes.",
    shifted=(True, False),
)
def split_by_reshape(X, Wq, Wk, Wv, heads, *, shifted):
    return _in_heads(X, Wq, Wk, Wv, heads, split="reshape", shifted=shifted)


@multi_head_attention.mistake(
    "joined by reshape alone: the rows of the result hold numbers of different places. Swap the "
    "axes back to (n, heads, ...) before the reshape.",
    shifted=(True, False),
)
def joined_by_reshape(X, Wq, Wk, Wv, heads, *, shifted):
    return _in_heads(X, Wq, Wk, Wv, heads, join="reshape", shifted=shifted)


@multi_head_attention.mistake(
    "one head was computed, over the full width. Each head attends with its own columns only.",
    root=("of the width", "of a head's width"),
)
def one_head(X, Wq, Wk, Wv, heads, *, root):
    w = Wq.shape[1]
    return _in_heads(X, Wq, Wk, Wv, 1, root=w if root == "of the width" else w // heads)


@multi_head_attention.mistake(
    "the softmax runs over the queries. Each query shares out its own 1 among the keys: axis=-1."
)
def softmax_over_queries_in_heads(X, Wq, Wk, Wv, heads):
    return _in_heads(X, Wq, Wk, Wv, heads, axis=1)


@multi_head_attention.mistake(
    "the softmax runs over the heads. It runs over the keys, the last axis, in each head apart."
)
def softmax_over_heads(X, Wq, Wk, Wv, heads):
    return _in_heads(X, Wq, Wk, Wv, heads, axis=0)


@multi_head_attention.mistake(
    "the columns are dealt out in turn: head h got every heads-th one. It owns those from "
    "h * w / heads on, side by side.",
    join=("interleaved", "right"),
)
def interleaved_columns(X, Wq, Wk, Wv, heads, *, join):
    return _in_heads(X, Wq, Wk, Wv, heads, split="interleaved", join=join)


@multi_head_attention.mistake(
    "the heads were averaged or added up. They stand side by side in the result, shape (n, w).",
    total=(False, True),
)
def heads_averaged(X, Wq, Wk, Wv, heads, *, total):
    out = _in_heads(X, Wq, Wk, Wv, heads, join="none")
    return out.sum(axis=0) if total else out.mean(axis=0)


@multi_head_attention.mistake("no maximum is subtracted. Subtract each row's maximum before exp.")
def unshifted_heads(X, Wq, Wk, Wv, heads):
    return _in_heads(X, Wq, Wk, Wv, heads, shifted=False)


@multi_head_attention.mistake(
    "one maximum was subtracted for many queries. Subtract each query's own: a query far below "
    "the others is left with 0/0.",
    axes=((1, 2), None),
)
def one_maximum_for_all(X, Wq, Wk, Wv, heads, *, axes):
    return _in_heads(X, Wq, Wk, Wv, heads, maximum=axes)
