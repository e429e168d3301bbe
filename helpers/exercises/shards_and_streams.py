"""Exercises 15.1 to 15.5: a loss and its gradients from a stream of tiles, and from shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from helpers.checker.declaration import exercise, extreme, ordinary, spread

_rng = np.random.default_rng(15)
_INF = np.inf


class OneBuffer:
    """Hand out arrays one after the other, each in the same buffer, like a file read in blocks.

    It can be read once. What it hands out is a view of the buffer, which the next array overwrites.
    """

    def __init__(self, *tiles: Any) -> None:
        self._tiles = [np.array(tile) for tile in tiles]

    def __iter__(self) -> Iterator[Any]:
        tiles, self._tiles = self._tiles, []
        if tiles:
            buffer = np.empty_like(max(tiles, key=len))
        for tile in tiles:
            buffer[: len(tile)] = tile
            yield buffer[: len(tile)]

    def __repr__(self) -> str:
        return f"OneBuffer({', '.join(str(tile.tolist()) for tile in self._tiles)})"


def _read_only(array):
    array.flags.writeable = False
    return array


def _normal(*shape):
    return _rng.normal(size=shape)


def _column(*numbers):
    """Return numbers as a matrix of one column: with H = [[1]] they are the logits."""
    return np.array(numbers, dtype=np.float64)[:, None]


def _labels(*numbers):
    return np.array(numbers)


def _largest(*arrays):
    """Return the largest size of a finite number in the arrays."""
    return max(np.max(np.abs(np.where(np.isfinite(a), a, 0.0)), initial=0.0) for a in arrays)


def _softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _lse(x):
    m = x.max(axis=1)
    return m + np.log(np.exp(x - m[:, None]).sum(axis=1))


# --- 15.1 ----------------------------------------------------------------------------------------

_ONE = np.ones((1, 1))
_LOSS = ("cross_entropy", "CrossEntropyLoss", "linear_cross_entropy")

# Hidden states, tiles of the matrix, labels; ordinary and extreme ones, each with its note.
_STREAMS = [
    (ordinary, _ONE, [_column(0, 1), _column(2, 3), _column(4)], [1], "ascending logits"),
    (ordinary, _ONE, [_column(4, 3), _column(2, 1), _column(0)], [2], "descending logits"),
    (ordinary, _ONE, [_column(1, 0), _column(2, -1), _column(0.5)], [4], "a tile of one class"),
    (ordinary, _ONE, [_column(-3, -2), _column(-1, -4)], [0], "all logits below 0"),
    (ordinary, _normal(2, 3), [_normal(4, 3)], [3, 0], "a single tile"),
    (
        ordinary,
        _normal(4, 3),
        [_normal(4, 3), _normal(4, 3), _normal(3, 3)],
        [9, 0, 5, 7],
        "tiles of 4, 4 and 3 classes",
    ),
    (ordinary, _normal(5, 2), [_normal(5, 2), _normal(5, 2)], [4, 5, 0, 9, 6], "tiles of 5 and 5"),
    (
        ordinary,
        _normal(4, 2),
        [_normal(2, 2), _normal(5, 2), _normal(1, 2)],
        [7, 1, 4, 3],
        "tiles of 2, 5 and 1",
    ),
    (
        ordinary,
        np.array([[1.0], [-1.0], [0.5]]),
        [_column(3, 1), _column(-2, 0, 2)],
        [1, 2, 4],
        "rows of opposite signs",
    ),
    (extreme, _ONE, [_column(1000, 999), _column(-1000, 998)], [1], "(1000, 999 | −1000, 998)"),
    (extreme, _ONE, [_column(-1000, 998), _column(1000, 999)], [3], "(−1000, 998 | 1000, 999)"),
    (extreme, _ONE, [_column(-1000, -999), _column(1000, 998)], [3], "(−1000, −999 | 1000, 998)"),
    (extreme, _ONE, [_column(2, 0), _column(1000, 1)], [1], "(2, 0 | 1000, 1)"),
    (
        extreme,
        _ONE,
        [_column(-1000, -1001), _column(-1003, -999)],
        [0],
        "(−1000, −1001 | −1003, −999)",
    ),
    (
        extreme,
        np.array([[1.0], [-1.0]]),
        [_column(1000, 999), _column(998, 1001)],
        [0, 3],
        "two rows, near 1000 and −1000",
    ),
    (extreme, _ONE, [_column(-20000, -20001), _column(-20002)], [2], "logits near −20000"),
]


def _all_of(tiles):
    return np.concatenate([tile.copy() for tile in tiles])


def _logits(H, tiles):
    return H @ _all_of(tiles).T


def _exact_loss(H, tiles, labels):
    """The mean of the cross-entropies, row by row by the oracle."""
    from helpers import oracle

    return float(oracle.cross_entropy(_logits(H, tiles), labels))


def _told_apart(loss, *_):
    """Return the loss with a number for −inf, which only an empty second reading gives."""
    return np.where(np.asarray(loss) == -_INF, np.finfo(np.float64).min, loss)


@exercise(
    "15.1",
    minutes=9,
    probes=[
        kind(H, OneBuffer(*tiles), _labels(*labels), note=note)
        for kind, H, tiles, labels, note in _STREAMS
    ],
    truth=_exact_loss,
    scale=lambda H, tiles, labels, expected: _largest(_logits(H, tiles)),
    canonical=_told_apart,
    library=_LOSS,
    remark="At no time were there more logits than those of one tile.",
)
def chunked_loss(H, tiles, labels):
    """Return the mean cross-entropy of the logits H @ W.T, with W read tile by tile.

    H : float array (N, d), left unchanged.
    tiles : hands out the rows of W (V, d) in order, some at a time, as arrays (n, d) with n at
        least 1, which may differ in n. It can be read once, and refills one buffer: a tile is
        overwritten as soon as the next one is asked for.
    labels : integers (N,), the classes, in 0 ... V - 1 of all V.

    Returns a number: the mean over the rows of LSE - x[label]. Logits of any size must work.
    """
    m, s = np.full(len(H), -np.inf), np.zeros(len(H))
    target, start = np.zeros(len(H)), 0
    for tile in tiles:
        x = H @ tile.T
        new = np.maximum(m, x.max(axis=1))
        s = s * np.exp(m - new) + np.exp(x - new[:, None]).sum(axis=1)
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        m, start = new, start + len(tile)
    return np.mean(m + np.log(s) - target)


chunked_loss.hints(
    "One state a row is enough: the running maximum m, the sum s, and the label's logit.",
    "m starts at -np.inf. A tile's new maximum is new = np.maximum(m, x.max(axis=1)); the old sum "
    "moves to it: s * np.exp(m - new).",
    "Count the classes read so far, start. A label is in this tile where start <= label < start + "
    "len(tile), and its place in it is label - start.",
    "here = (labels >= start) & (labels < start + len(tile)), then "
    "target[here] = x[here, labels[here] - start].",
)
chunked_loss.reasoning(
    "The state (m, s) of notebook 14 is all that a tile leaves behind, and the label's logit, "
    "which stands in exactly one tile. Each tile is used while it is there: x is a new array, so "
    "nothing refers to the buffer when the next tile fills it. logaddexp of the tiles' "
    "log-sum-exps would do as well."
)


def _parts(H, tiles):
    """Return the logits of each tile."""
    return [H @ tile.T for tile in tiles]


def _targets(parts, labels, how="right"):
    """Return the labels' logits, found in one way or another."""
    target, rows, start = np.zeros(len(labels)), np.arange(len(labels)), 0
    for index, x in enumerate(parts):
        n = x.shape[1]
        first = {"tiles counted": index, "equal tiles": index * n}.get(how, start)
        local = labels - first
        here = (local >= 0) & (local < n)
        if how == "wrapped":
            here = local < n
        elif how == "wrapped within":
            here = (local < n) & (local >= -n)
        elif how == "not moved":
            here, local = labels < n, labels
        elif how == "first class left out":
            here &= local > 0
        elif how == "last class left out":
            here &= local < n - 1
        if how.startswith("modulo"):
            local = labels % n
        elif how.startswith("clipped"):
            local = np.clip(local, 0, n - 1)
        if how.endswith(", last"):
            target = x[rows, local]
        elif how.endswith(", added"):
            target = target + x[rows, local]
        else:
            target = 0 * target if how == "overwritten" else target
            target[here] = x[here, local[here]]
        start += n
    return target


def _loss(H, tiles, labels, *, lse=None, target="right"):
    parts = _parts(H, tiles)
    total = _lse(np.hstack(parts)) if lse is None else lse(parts)
    return np.mean(total - _targets(parts, labels, target))


def _running(parts, *, start=-_INF, move=lambda old, new: np.exp(old - new), to_tile=None):
    """Return the log-sum-exp of a running sum that is moved in one way or another."""
    m, s = np.full(len(parts[0]), start), np.zeros(len(parts[0]))
    for x in parts:
        own = x.max(axis=1)
        new = np.maximum(m, own)
        s = s * move(m, own if to_tile == "old sum" else new)
        s = s + np.exp(x - (own if to_tile == "new terms" else new)[:, None]).sum(axis=1)
        m = new
    return m + np.log(s)


@chunked_loss.mistake(
    "the old sum stays as it is when the maximum grows. It belongs to the old maximum: move it, "
    "s * exp(m - new)."
)
def no_rescale(H, tiles, labels):
    return _loss(H, tiles, labels, lse=lambda p: _running(p, move=lambda old, new: 1.0))


@chunked_loss.mistake(
    "the old sum is moved the wrong way: it grows. The new maximum is the larger one, so the "
    "factor is at most 1: exp(m - new).",
    start=("-inf", "first tile"),
)
def rescale_upside_down(H, tiles, labels, *, start):
    def move(old, new):
        if start == "first tile":
            return np.where(old == -_INF, 0.0, np.exp(new - old))
        return np.exp(new - old)

    def lse(parts):
        if start == "-inf":
            return _running(parts, move=move)
        m = parts[0].max(axis=1)
        s = np.exp(parts[0] - m[:, None]).sum(axis=1)
        for x in parts[1:]:
            new = np.maximum(m, x.max(axis=1))
            s = s * np.exp(new - m) + np.exp(x - new[:, None]).sum(axis=1)
            m = new
        return m + np.log(s)

    return _loss(H, tiles, labels, lse=lse)


@chunked_loss.mistake(
    "the maximum starts at a finite number, and logits far below it vanish. Start at -np.inf.",
    start=(0.0, -1e4),
)
def maximum_starts_at_zero(H, tiles, labels, *, start):
    return _loss(H, tiles, labels, lse=lambda p: _running(p, start=start))


@chunked_loss.mistake(
    "exp is taken of the logits as they are, and overflows or vanishes. Subtract the running "
    "maximum, and move the sum when it grows.",
    form=("log-sum-exp", "minus target"),
)
def unshifted(H, tiles, labels, *, form):
    def lse(parts):
        return np.log(sum(np.exp(x).sum(axis=1) for x in parts))

    if form == "log-sum-exp":
        return _loss(H, tiles, labels, lse=lse)
    parts = _parts(H, tiles)
    total = sum(np.exp(x).sum(axis=1) for x in parts)
    return np.mean(-np.log(np.exp(_targets(parts, labels)) / total))


@chunked_loss.mistake(
    "each tile's exponentials have their own maximum subtracted, and the sums are added as if they "
    "had one. Move them to a common maximum first.",
    then=("overall", "first", "last", "own"),
)
def each_tile_its_own_maximum(H, tiles, labels, *, then):
    parts = _parts(H, tiles)
    maxima = np.array([x.max(axis=1) for x in parts])
    s = sum(np.exp(x - m[:, None]).sum(axis=1) for x, m in zip(parts, maxima, strict=True))
    stops = np.cumsum([x.shape[1] for x in parts])
    own = maxima[np.searchsorted(stops, labels, side="right"), np.arange(len(labels))]
    back = {"overall": maxima.max(axis=0), "first": maxima[0], "last": maxima[-1], "own": own}
    return np.mean(np.log(s) + back[then] - _targets(parts, labels))


@chunked_loss.mistake(
    "the tiles were kept, and they all show the last one: the reader refills one buffer. Use each "
    "tile before you ask for the next, or copy it."
)
def keeps_tiles(H, tiles, labels):
    x = H @ np.concatenate(list(tiles)).T
    return np.mean(_lse(x) - x[np.arange(len(x)), labels])


@chunked_loss.mistake(
    "the tiles were read a second time, and nothing was left. They can be read once: get the "
    "maximum, the sum and the label's logit in the same loop.",
    then=("sums", "array", "counted"),
)
def reads_twice(H, tiles, labels, *, then):
    if then == "counted":
        return np.log(sum(len(tile) for tile in tiles))
    m = np.max([x.max(axis=1) for x in _parts(H, tiles)], axis=0)
    if then == "array":
        return np.mean(_lse(np.hstack(_parts(H, tiles))))
    s = sum((np.exp(x - m[:, None]).sum(axis=1) for x in _parts(H, tiles)), np.zeros(len(H)))
    return np.mean(m + np.log(s))


@chunked_loss.mistake(
    "the label is taken modulo the tile's length, and found in a tile where it is not. Its place "
    "is label - start, and only in the tile that holds it.",
    how=("modulo, last", "modulo, added", "modulo where it is"),
)
def label_modulo_tile(H, tiles, labels, *, how):
    return _loss(H, tiles, labels, target=how)


@chunked_loss.mistake(
    "start counts the tiles, not the classes in them. Add len(tile): tiles differ in length.",
    how=("tiles counted", "equal tiles"),
)
def start_counts_tiles(H, tiles, labels, *, how):
    return _loss(H, tiles, labels, target=how)


@chunked_loss.mistake(
    "a label outside of the tile is clipped to its first or last class. It is not in this tile at "
    "all: leave the row out.",
    how=("clipped, last", "clipped, added"),
)
def label_clipped(H, tiles, labels, *, how):
    return _loss(H, tiles, labels, target=how)


@chunked_loss.mistake(
    "a label below the tile becomes a negative index, which counts from the end. Ask for "
    "labels >= start as well.",
    how=("wrapped", "wrapped within"),
)
def negative_index_wraps(H, tiles, labels, *, how):
    return _loss(H, tiles, labels, target=how)


@chunked_loss.mistake(
    "the first or the last class of each tile is left out when the label is looked for. It is in "
    "the tile where start <= label < start + len(tile).",
    how=("first class left out", "last class left out"),
)
def border_class_left_out(H, tiles, labels, *, how):
    return _loss(H, tiles, labels, target=how)


@chunked_loss.mistake(
    "the mean of the tiles' log-sum-exps is taken. Add what they are the logarithms of."
)
def mean_of_tile_lses(H, tiles, labels):
    return _loss(H, tiles, labels, lse=lambda p: np.mean([_lse(x) for x in p], axis=0))


@chunked_loss.mistake(
    "the tiles' log-sum-exps are added. A sum of logarithms is the logarithm of a product: add "
    "what they are the logarithms of."
)
def sum_of_tile_lses(H, tiles, labels):
    return _loss(H, tiles, labels, lse=lambda p: np.sum([_lse(x) for x in p], axis=0))


@chunked_loss.mistake(
    "the largest of the tiles' log-sum-exps is taken for that of all. The other tiles count, too."
)
def max_of_tile_lses(H, tiles, labels):
    return _loss(H, tiles, labels, lse=lambda p: np.max([_lse(x) for x in p], axis=0))


@chunked_loss.mistake(
    "each row is normalised over the tile of its label alone. The log-sum-exp runs over all "
    "classes: finish it after the loop."
)
def own_tile_only(H, tiles, labels):
    parts = _parts(H, tiles)
    stops = np.cumsum([x.shape[1] for x in parts])
    own = np.searchsorted(stops, labels, side="right")
    lse = np.array([_lse(x) for x in parts])[own, np.arange(len(labels))]
    return np.mean(lse - _targets(parts, labels))


@chunked_loss.mistake(
    "only one tile's log-sum-exp is left at the end. Each tile has to be added to those before.",
    which=(0, -1),
)
def one_tile_only(H, tiles, labels, *, which):
    return _loss(H, tiles, labels, lse=lambda p: _lse(p[which]))


@chunked_loss.mistake(
    "the label's logit is missing, or 0: the mean log-sum-exp came back. If you look for it in a "
    "second loop, nothing is left to read; take it in the first."
)
def no_target(H, tiles, labels):
    return np.mean(_lse(_logits(H, tiles)))


@chunked_loss.mistake(
    "the maximum that was subtracted is not added again. LSE = m + log(s).",
)
def forgets_the_maximum(H, tiles, labels):
    return _loss(H, tiles, labels, lse=lambda p: _lse(np.hstack(p)) - np.hstack(p).max(axis=1))


@chunked_loss.mistake("the logarithm of the sum is missing. LSE = m + log(s).")
def no_logarithm(H, tiles, labels):
    def lse(parts):
        x = np.hstack(parts)
        return x.max(axis=1) + np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1)

    return _loss(H, tiles, labels, lse=lse)


@chunked_loss.mistake("the sum over the rows came back. Divide it by N: the mean is asked.")
def sum_over_rows(H, tiles, labels):
    return len(H) * _loss(H, tiles, labels)


@chunked_loss.mistake("one loss a row came back. Take their mean.")
def loss_of_each_row(H, tiles, labels):
    parts = _parts(H, tiles)
    return _lse(np.hstack(parts)) - _targets(parts, labels)


@chunked_loss.mistake("the sign is wrong. A cross-entropy is LSE - x[label], never below 0.")
def negative(H, tiles, labels):
    return -_loss(H, tiles, labels)


@chunked_loss.mistake(
    "a tile's own maximum stands where the running one belongs. Both sums refer to the larger of "
    "the two: new = np.maximum(m, x.max(axis=1)).",
    to_tile=("old sum", "new terms"),
)
def moved_to_the_tile(H, tiles, labels, *, to_tile):
    return _loss(H, tiles, labels, lse=lambda p: _running(p, to_tile=to_tile))


@chunked_loss.mistake(
    "the label is used as an index into the tile as it is. Class `start` has index 0 here: take "
    "label - start."
)
def label_not_moved(H, tiles, labels):
    return _loss(H, tiles, labels, target="not moved")


@chunked_loss.mistake(
    "the labels' logits are written anew for each tile, and only those of the last one stay. Add "
    "them, or write only where the label is in the tile."
)
def target_overwritten(H, tiles, labels):
    return _loss(H, tiles, labels, target="overwritten")


@chunked_loss.mistake(
    "the logarithm of a mean over the tiles is taken. Add up what they are the logarithms of, and "
    "divide by nothing."
)
def log_mean_of_tiles(H, tiles, labels):
    parts = _parts(H, tiles)
    return np.mean(_lse(np.hstack(parts)) - _targets(parts, labels)) - np.log(len(parts))


@chunked_loss.mistake(
    "one maximum is subtracted from all rows, and rows far below it vanish. Each row has its own: "
    "x.max(axis=1)."
)
def one_maximum_for_all_rows(H, tiles, labels):
    def lse(parts):
        x = np.hstack(parts)
        return np.max(x) + np.log(np.sum(np.exp(x - np.max(x)), axis=1))

    return _loss(H, tiles, labels, lse=lse)


@chunked_loss.mistake(
    "the first tile's maximum is kept for all tiles, and a later tile may overflow. Let the "
    "maximum grow, and move the sum with it."
)
def maximum_of_the_first_tile(H, tiles, labels):
    def lse(parts):
        m = parts[0].max(axis=1)
        return m + np.log(sum(np.exp(x - m[:, None]).sum(axis=1) for x in parts))

    return _loss(H, tiles, labels, lse=lse)


@chunked_loss.mistake(
    "the label's probability is formed, and where it is 0 its logarithm is -inf. Keep the label's "
    "logit: the loss is LSE - x[label]."
)
def log_of_a_probability(H, tiles, labels):
    parts = _parts(H, tiles)
    return np.mean(-np.log(np.exp(_targets(parts, labels) - _lse(np.hstack(parts)))))


@chunked_loss.mistake(
    "each tile has a loss of its own, and their mean came back. The log-sum-exp runs over all "
    "classes, the mean over the rows: finish both after the loop."
)
def mean_of_tile_losses(H, tiles, labels):
    losses, start = [], 0
    for x in _parts(H, tiles):
        here = (labels >= start) & (labels < start + x.shape[1])
        if np.any(here):
            losses.append(np.mean(_lse(x[here]) - x[here, labels[here] - start]))
        start += x.shape[1]
    return np.mean(losses)


# --- 15.2 ----------------------------------------------------------------------------------------


def _gradients_exactly(H, tiles, labels, lse):
    """By PyTorch's autograd, in float64."""
    import torch

    h = torch.tensor(H, requires_grad=True)
    w = torch.tensor(_all_of(tiles), requires_grad=True)
    torch.nn.functional.cross_entropy(h @ w.T, torch.tensor(labels)).backward()
    return h.grad.numpy(), w.grad.numpy()


def _gradient_size(H, tiles, labels, lse, expected):
    """The probabilities carry an error of |x| eps, and are multiplied with W and H."""
    W = _all_of(tiles)
    return max(1.0, _largest(H @ W.T) / 16) * _largest(H, W)


@exercise(
    "15.2",
    minutes=9,
    probes=[
        kind(
            H, OneBuffer(*tiles), _labels(*labels), _lse(H @ np.concatenate(tiles).T), note=note
        )
        for kind, H, tiles, labels, note in _STREAMS
    ],
    truth=_gradients_exactly,
    scale=_gradient_size,
    remark="The softmax of each tile is computed a second time, and stored never.",
)  # fmt: skip
def chunked_grads(H, tiles, labels, lse):
    """Return the gradients of the mean cross-entropy of H @ W.T, with W read tile by tile.

    H, tiles, labels : as in 15.1: (N, d); tiles (n, d) of the rows of W (V, d), in order, once,
        in one buffer; integers (N,).
    lse : float array (N,), the log-sum-exp of each row over all V classes, given.

    Returns (dH, dW): the gradients with respect to H and to W, of shapes (N, d) and (V, d).
    Logits of any size must work. All arguments stay unchanged.
    """
    dH, dW, start = np.zeros(H.shape), [], 0
    for tile in tiles:
        G = np.exp(H @ tile.T - lse[:, None])
        here = (labels >= start) & (labels < start + len(tile))
        G[here, labels[here] - start] -= 1
        G /= len(H)
        dH += G @ tile
        dW.append(G.T @ H)
        start += len(tile)
    return dH, np.concatenate(dW)


chunked_grads.hints(
    "With respect to the logits the gradient is (softmax - onehot) / N. Which part of it belongs "
    "to one tile, and what does lse make of exp?",
    "np.exp(H @ tile.T - lse[:, None]) are the probabilities of this tile's classes, normalised "
    "over all. Subtract 1 at the labels that are in this tile.",
    "G is (N, n). x = H @ tile.T gives dH = G @ tile, to be added up over the tiles, and G.T @ H "
    "for these rows of W.",
    "dW does not add up: each tile has rows of its own. Collect the pieces, np.concatenate them.",
)
chunked_grads.reasoning(
    "e^(x − LSE) is the softmax over *all* classes, though only a tile's logits are there: the "
    "forward pass has left the one number that a tile cannot know. So no tile needs another. dH is "
    "a sum over classes, and every tile adds to it; dW has its own rows for each class."
)


def _grads(H, tiles, labels, lse, **changes):
    """The backward pass with one thing done otherwise."""
    kept = [tile.copy() for tile in tiles]
    N, V = len(H), sum(map(len, kept))
    rows, start = np.arange(N), 0
    dH, dW = np.zeros(H.shape), []
    for index, tile in enumerate(kept):
        x, n = H @ tile.T, len(tile)
        p = {
            "right": lambda x: np.exp(x - lse[:, None]),
            "of the tile": _softmax,
            "quotient": lambda x: np.exp(x) / np.exp(lse)[:, None],
            "logs": lambda x: x - lse[:, None],
            "unnormalised": np.exp,
            "minus the maximum": lambda x: np.exp(x - x.max(axis=1, keepdims=True)),
            "minus both": lambda x: np.exp(x - x.max(axis=1, keepdims=True) - lse[:, None]),
            "divided by lse": lambda x: np.exp(x) / lse[:, None],
            "shifted, divided by lse": lambda x: (
                np.exp(x - x.max(axis=1, keepdims=True)) / lse[:, None]
            ),
        }[changes.get("p", "right")]
        G, label = p(x), changes.get("label", "right")
        first = {"tiles counted": index, "equal tiles": index * n}.get(label, start)
        local = labels - first
        here = (local >= 0) & (local < n)
        if label == "modulo":
            G[rows, labels % n] -= 1
        elif label == "modulo where it is":
            G[rows[here], labels[here] % n] -= 1
        elif label == "clipped":
            G[rows, np.clip(local, 0, n - 1)] -= 1
        elif label == "wrapped":
            G[local < n, local[local < n]] -= 1
        elif label == "wrapped within":
            wrapped = (local < n) & (local >= -n)
            G[wrapped, local[wrapped]] -= 1
        elif label == "not moved":
            G[labels < n, labels[labels < n]] -= 1
        elif label == "1 / N":
            G[here, local[here]] -= 1 / N
        elif label == "whole row":
            G[here] -= 1
        elif label == "every row":
            G[:, local[here]] -= 1
        elif label == "plus":
            G[here, local[here]] += 1
        elif label == "set to -1":
            G[here, local[here]] = -1
        elif label == "set to 1 - p":
            G[here, local[here]] = 1 - G[here, local[here]]
        elif label != "none":
            G[here, local[here]] -= 1
        if changes.get("rows") == "own":
            G[~here] = 0
        G = G / {"rows": N, "none": 1, "entries": N * n, "all": N * V, "classes": n, "V": V}.get(
            changes.get("mean", "rows"), max(1, here.sum())
        )
        dH = G @ tile if changes.get("last") in ("dH", "both") else dH + G @ tile
        dW.append(G.T @ H)
        start += n
    if changes.get("last") in ("dW", "both"):
        return dH, dW[-1]
    return dH, np.concatenate(dW)


@chunked_grads.mistake(
    "the softmax is taken over each tile alone, and its rows sum to 1 in every tile. Use lse: "
    "exp(x - lse) is normalised over all classes."
)
def softmax_of_each_tile(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, p="of the tile")


@chunked_grads.mistake(
    "the probabilities are a quotient, exp(x) / exp(lse), and both overflow or vanish. Subtract "
    "first: exp(x - lse)."
)
def exp_before_lse(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, p="quotient")


@chunked_grads.mistake(
    "the log-probabilities were taken for the probabilities. Take their exp: exp(x - lse)."
)
def log_probabilities(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, p="logs")


@chunked_grads.mistake(
    "lse is not used, and the exponentials are not normalised. exp(x - lse) are the probabilities.",
    p=("unnormalised", "minus the maximum"),
)
def lse_unused(H, tiles, labels, lse, *, p):
    return _grads(H, tiles, labels, lse, p=p)


@chunked_grads.mistake(
    "the exponentials are divided by lse itself. It is the logarithm of their sum: exp(x - lse).",
    p=("divided by lse", "shifted, divided by lse"),
)
def divides_by_lse(H, tiles, labels, lse, *, p):
    return _grads(H, tiles, labels, lse, p=p)


@chunked_grads.mistake(
    "the label is taken modulo the tile's length, and 1 subtracted in a tile where it is not. Its "
    "place is label - start, and only in the tile that holds it.",
    label=("modulo", "modulo where it is"),
)
def label_modulo_in_tile(H, tiles, labels, lse, *, label):
    return _grads(H, tiles, labels, lse, label=label)


@chunked_grads.mistake(
    "a label outside of the tile is clipped to its first or last class. It is not in this tile at "
    "all: leave the row out."
)
def label_clipped_to_tile(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, label="clipped")


@chunked_grads.mistake(
    "a label below the tile becomes a negative index, which counts from the end. Ask for "
    "labels >= start as well.",
    label=("wrapped", "wrapped within"),
)
def negative_label_wraps(H, tiles, labels, lse, *, label):
    return _grads(H, tiles, labels, lse, label=label)


@chunked_grads.mistake(
    "start counts the tiles, not the classes in them. Add len(tile): tiles differ in length.",
    label=("tiles counted", "equal tiles"),
)
def tiles_counted(H, tiles, labels, lse, *, label):
    return _grads(H, tiles, labels, lse, label=label)


@chunked_grads.mistake(
    "1 is subtracted from the whole row, G[here] -= 1. It belongs to the label's entry alone: "
    "G[here, labels[here] - start] -= 1."
)
def whole_row_minus_one(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, label="whole row")


@chunked_grads.mistake(
    "1 is subtracted in every row, G[:, ...] -= 1. Each row has its own label: "
    "G[here, labels[here] - start] -= 1."
)
def every_row_minus_one(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, label="every row")


@chunked_grads.mistake(
    "nothing is subtracted at the label. The gradient is softmax - onehot: without it every "
    "logit is pushed down."
)
def no_label(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, label="none")


@chunked_grads.mistake(
    "at the label stands something else than p - 1. Subtract 1 from the probability there.",
    label=("plus", "set to -1", "set to 1 - p"),
)
def label_is_not_p_minus_one(H, tiles, labels, lse, *, label):
    return _grads(H, tiles, labels, lse, label=label)


@chunked_grads.mistake(
    "the gradients are those of the summed loss. The mean over the rows is asked: divide by N."
)
def no_mean(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, mean="none")


@chunked_grads.mistake(
    "the gradient is divided by the number of entries, or of classes. The loss is a mean over the "
    "N rows only: divide by N.",
    mean=("entries", "all", "classes", "V"),
)
def mean_over_entries(H, tiles, labels, lse, *, mean):
    return _grads(H, tiles, labels, lse, mean=mean)


@chunked_grads.mistake(
    "each tile is divided by the number of rows whose label it holds. Every row has a gradient in "
    "every tile: divide by N."
)
def mean_over_owned_rows(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, mean="owned")


@chunked_grads.mistake(
    "only the last tile is left in the result. dH is a sum over the tiles (dH +=), and dW has the "
    "rows of all of them.",
    last=("dH", "dW", "both"),
)
def last_tile_only(H, tiles, labels, lse, *, last):
    return _grads(H, tiles, labels, lse, last=last)


@chunked_grads.mistake(
    "a gradient came back transposed. Each has the shape of what it is the gradient of: (N, d) and "
    "(V, d).",
    which=("dW", "dH", "both"),
)
def transposed_gradients(H, tiles, labels, lse, *, which):
    dH, dW = _grads(H, tiles, labels, lse)
    return dH if which == "dW" else dH.T, dW if which == "dH" else dW.T


@chunked_grads.mistake("dW came first. Return (dH, dW).")
def swapped(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse)[::-1]


@chunked_grads.mistake(
    "the sign is wrong. The gradient is softmax - onehot, not the other way round."
)
def sign(H, tiles, labels, lse):
    return tuple(-part for part in _grads(H, tiles, labels, lse))


@chunked_grads.mistake(
    "the pieces of dW came back apart. Join them along the classes: np.concatenate(pieces)."
)
def pieces_not_joined(H, tiles, labels, lse):
    kept = [tile.copy() for tile in tiles]
    dH, dW = _grads(H, kept, labels, lse)
    return dH, np.split(dW, np.cumsum([len(tile) for tile in kept])[:-1])


@chunked_grads.mistake(
    "the tiles were kept, and they all show the last one: the reader refills one buffer. Use each "
    "tile before you ask for the next, or copy it.",
    kept=("all", "for dH"),
)
def keeps_the_tiles(H, tiles, labels, lse, *, kept):
    if kept == "all":
        return _grads(H, list(tiles), labels, lse)
    views, copies = [], []
    for tile in tiles:
        views.append(tile)
        copies.append(tile.copy())
    _, dW = _grads(H, copies, labels, lse)
    G = np.exp(H @ np.concatenate(copies).T - lse[:, None])
    G[np.arange(len(H)), labels] -= 1
    return G @ np.concatenate(views) / len(H), dW


@chunked_grads.mistake(
    "the tiles were read a second time, and nothing was left. They can be read once: make both "
    "gradients in the same loop.",
    second=("dH", "both"),
)
def reads_the_tiles_twice(H, tiles, labels, lse, *, second):
    kept = [tile.copy() for tile in tiles]
    _, dW = _grads(H, kept, labels, lse)
    return np.zeros(H.shape), dW if second == "dH" else np.zeros(dW.shape)


@chunked_grads.mistake(
    "the maximum is subtracted besides lse, which holds it already. exp(x - lse) is at most 1 as "
    "it is."
)
def shifted_twice(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, p="minus both")


@chunked_grads.mistake(
    "the label is used as an index into the tile as it is. Class `start` has index 0 here: take "
    "label - start."
)
def label_used_as_it_is(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, label="not moved")


@chunked_grads.mistake(
    "one of the two gradients is divided by N, the other is not. Both are of the mean loss: divide "
    "G, before either is made.",
    divided=("dH", "dW"),
)
def only_one_is_of_the_mean(H, tiles, labels, lse, *, divided):
    dH, dW = _grads(H, tiles, labels, lse)
    return (dH, dW * len(H)) if divided == "dW" else (dH * len(H), dW)


@chunked_grads.mistake(
    "1 / N is subtracted at the label from probabilities that are not divided by N. Divide the "
    "whole difference: (softmax - onehot) / N."
)
def only_the_label_is_divided(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, label="1 / N", mean="none")


@chunked_grads.mistake(
    "rows whose label is in another tile are left out. Their probabilities push down this tile's "
    "classes as well: only the 1 belongs to the label's tile."
)
def rows_left_out(H, tiles, labels, lse):
    return _grads(H, tiles, labels, lse, rows="own")


@chunked_grads.mistake(
    "the tiles' rows of dW stand in the wrong order, or on top of each other. Append the pieces as "
    "the tiles come, and join them.",
    how=("reversed", "added"),
)
def rows_of_dw_out_of_order(H, tiles, labels, lse, *, how):
    kept = [tile.copy() for tile in tiles]
    dH, dW = _grads(H, kept, labels, lse)
    pieces = np.split(dW, np.cumsum([len(tile) for tile in kept])[:-1])
    if how == "reversed":
        return dH, np.concatenate(pieces[::-1])
    total = pieces[0]
    for piece in pieces[1:]:
        total = total + piece if piece.shape == total.shape else piece
    return dH, total


# --- 15.3 ----------------------------------------------------------------------------------------


def _state_exactly(x, labels, start):
    """Row by row, in 60 digits."""
    import mpmath

    states = []
    with mpmath.workdps(60):
        for row, label in zip(np.asarray(x, np.float64), labels, strict=True):
            live = sorted(v for v in row if v > -_INF)
            top = live.pop() if live else -_INF
            rest = float(mpmath.fsum(mpmath.exp(mpmath.mpf(v) - top) for v in live))
            own = 0 <= label - start < len(row)
            states.append([top, rest, row[label - start] if own else 0.0])
    return np.array(states)


def _spread_of_rows(x, labels, start):
    return np.minimum(spread(x), 800.0)


_X = np.array([[1.0, 3.0, 2.0, -1.0], [0.5, -2.0, 1.5, 0.0], [-3.0, -1.0, -2.0, -4.0]])


@exercise(
    "15.3",
    minutes=7,
    probes=[
        ordinary(np.array([[1.0, 3.0, 2.0]]), _labels(2), 0, note="one row, its label here"),
        ordinary(np.array([[1.0, 3.0, 2.0]]), _labels(5), 0, note="its label on a later shard"),
        ordinary(np.array([[1.0, 3.0, 2.0]]), _labels(4), 6, note="its label on an earlier shard"),
        ordinary(_X, _labels(4, 5, 7), 4, note="first and last class of a shard"),
        ordinary(_X, _labels(3, 6, 8), 4, note="labels before, in and after the shard"),
        ordinary(_X, _labels(0, 11, 1), 4, note="no label here"),
        ordinary(_X, _labels(0, 3, 1), 0, note="the first shard"),
        ordinary(np.array([[2.0, 2.0, 1.0]]), _labels(1), 0, note="ties"),
        ordinary(np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 2.0]]), _labels(4, 2), 2, note="more ties"),
        ordinary(np.array([[-2.0], [3.0]]), _labels(5, 4), 5, note="a shard of one class"),
        ordinary(_normal(4, 4), _labels(9, 8, 2, 13), 8, note="a square shard"),
        ordinary(_X.astype(np.float32), _labels(4, 1, 7), 4, note="float32"),
        ordinary(_read_only(_normal(2, 5)), _labels(3, 9), 3, note="a read-only array"),
        extreme(np.array([[0.0, -40.0, -41.0]]), _labels(0), 0, note="(0, −40, −41)"),
        extreme(np.array([[1000.0, -1000.0]]), _labels(3), 2, note="2000 apart"),
        extreme(np.array([[-1000.0, -1001.0, -1003.0]]), _labels(7), 2, note="near −1000"),
        extreme(np.full((1, 3), -_INF), _labels(7), 2, note="nothing but −inf"),
        extreme(
            np.array([[-_INF, -_INF, -_INF], [1.0, -_INF, 2.0], [1000.0, 0.0, 999.0]]),
            _labels(1, 5, 9),
            3,
            note="a row of −inf among others",
        ),
    ],
    truth=_state_exactly,
    relative=_spread_of_rows,
    remark="Three numbers a row, whatever the shard's width: all that it has to send.",
)
def shard_state(x, labels, start):
    """Return the state of one shard of the classes: three numbers a row.

    x : float array (N, n), the logits of the classes start ... start + n - 1, n at least 1; -inf
        allowed. It is left unchanged.
    labels : integers (N,), each a class of all shards, in this one or not.
    start : int, the first class of this shard.

    Returns an array (N, 3): m, the row's maximum in this shard; rest, the sum of exp(x - m) over
    its other logits (*one* maximum is left out, ties stay in), with its digits if it is small; and
    the label's logit, 0 where the label is on another shard. A row of -inf has m = -inf, rest = 0.
    """
    rows = np.arange(len(x))
    k = x.argmax(axis=1)
    m = x[rows, k]
    e = np.exp(x - np.where(m == -np.inf, 0, m)[:, None])
    e[rows, k] = 0
    here = (labels >= start) & (labels < start + x.shape[1])
    target = np.zeros_like(m)
    target[here] = x[here, labels[here] - start]
    return np.stack([m, e.sum(axis=1), target], axis=1)


shard_state.hints(
    "m and rest are those of notebook 14: which one entry stays out of the sum, and how do you "
    "name it so that a tie stays in?",
    "k = x.argmax(axis=1) is one maximum a row. Set e[rows, k] = 0 before you add up.",
    "The label's place here is labels - start. It is one of this shard's where it is at least 0 "
    "*and* below n. NumPy takes -1 for the last.",
    "-inf - (-inf) is NaN: subtract np.where(m == -np.inf, 0, m), and return m itself.",
)
shard_state.reasoning(
    "argmax names one maximum, so that its ties stay in the sum, and its own 1 never enters it: "
    "what is left keeps its digits. The label is looked for with both bounds, since an index below "
    "0 is no error in NumPy. Elsewhere the logit is 0, so that the sum over all shards is the one "
    "that was found."
)


def _state(x, labels, start, **changes):
    """The state with one thing done otherwise."""
    n, rows = x.shape[1], np.arange(len(x))
    k = x.argmax(axis=1)
    m = np.full(len(x), x.max()) if changes.get("m") == "global" else x[rows, k]
    m = np.maximum(m, 0.0) if changes.get("m") == "from 0" else m
    e = np.exp(x - (m if changes.get("unguarded") else np.where(m == -_INF, 0, m))[:, None])
    others = e.copy()
    others[rows, k] = 0
    below = np.sort(x)[:, :-1]
    rest = {
        "right": lambda: others.sum(axis=1),
        "whole": lambda: e.sum(axis=1),
        "minus one": lambda: np.where(m == -_INF, 0, e.sum(axis=1) - 1),
        "no ties": lambda: np.where(x == x.max(axis=1, keepdims=True), 0, e).sum(axis=1),
        "log": lambda: np.log(others.sum(axis=1)),
        "log1p": lambda: np.log1p(others.sum(axis=1)),
        "not shifted": lambda: np.exp(x).sum(axis=1) - np.exp(m),
        "not shifted, left out": lambda: np.where(np.arange(n) == k[:, None], 0, np.exp(x)).sum(
            axis=1
        ),
        "shifted by the second": lambda: np.exp(
            below - np.where(below == -_INF, 0, below)[:, -1:]
        ).sum(axis=1),
        "no zero": lambda: np.where(m == -_INF, np.nan, others.sum(axis=1)),
        "mean": lambda: others.mean(axis=1),
    }[changes.get("rest", "right")]()
    local = labels - start
    here = (local >= 0) & (local < n)
    label = changes.get("label", "right")
    target = np.full(len(x), changes.get("elsewhere", 0.0))
    if label == "global":
        here, local = labels < n, labels
    elif label == "every label":
        here, local = np.full(len(x), True), labels
    elif label == "wrapped":
        here = local < n
    elif label == "wrapped within":
        here = (local < n) & (local >= -n)
    elif label == "every place":
        here = np.full(len(x), True)
    elif label == "place modulo":
        here, local = np.full(len(x), True), local % n
    elif label == "first":
        here, local = np.full(len(x), True), np.where(here, local, 0)
    elif label == "modulo":
        here, local = np.full(len(x), True), labels % n
    elif label == "clipped":
        here, local = np.full(len(x), True), np.clip(local, 0, n - 1)
    elif label == "first left out":
        here &= local > 0
    elif label == "last left out":
        here &= local < n - 1
    target[here] = x[here, local[here]]
    if label == "masked":
        target = x[rows, np.clip(local, 0, n - 1)] * here
    elif label == "one-hot":
        target = np.sum(x * (local[:, None] == np.arange(n)), axis=1)
    elif label == "shifted":
        target = np.where(here, target - m, 0.0)
    elif label == "shifted everywhere":
        target = target - m
    elif label == "the label":
        target = np.where(here, labels, 0.0)
    elif label == "probability":
        target = np.where(here, np.exp(target - m), 0.0)
    return np.stack([m, rest, target], axis=1)


@shard_state.mistake("rest is the whole sum, with the maximum's own 1. Leave one maximum out.")
def whole_sum(x, labels, start):
    return _state(x, labels, start, rest="whole")


@shard_state.mistake(
    "1 is subtracted from the whole sum, and a small rest is gone. Leave the maximum out before "
    "you add up."
)
def one_subtracted(x, labels, start):
    return _state(x, labels, start, rest="minus one")


@shard_state.mistake(
    "all entries equal to the maximum are left out. One stays out, its ties are ordinary entries: "
    "argmax names one."
)
def drops_ties(x, labels, start):
    return _state(x, labels, start, rest="no ties")


@shard_state.mistake(
    "the logarithm of rest came back. The merge needs rest itself.", rest=("log", "log1p")
)
def log_of_rest(x, labels, start, *, rest):
    return _state(x, labels, start, rest=rest)


@shard_state.mistake(
    "rest is a sum of exp(x), without the maximum subtracted. It is the sum of exp(x - m).",
    rest=("not shifted", "not shifted, left out"),
)
def not_shifted(x, labels, start, *, rest):
    return _state(x, labels, start, rest=rest)


@shard_state.mistake(
    "the label is used as an index into this shard. Here class `start` has index 0: take "
    "label - start.",
    label=("global", "every label"),
)
def global_label(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake(
    "a label below start becomes a negative index, which counts from the end. Ask for "
    "labels >= start as well.",
    label=("wrapped", "wrapped within", "every place"),
)
def negative_index(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake(
    "the label is taken modulo the shard's width, and so found on every shard. It is on one: where "
    "start <= label < start + n.",
    label=("modulo", "place modulo"),
)
def label_modulo_shard(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake(
    "a label of another shard is clipped to the first or last class of this one. Its logit is not "
    "here: return 0.",
    label=("clipped", "first"),
)
def clipped_label(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake(
    "a logit of this shard is multiplied with 0 where the label is elsewhere, and 0 · (−inf) is "
    "NaN. Choose with np.where, or write only where the label is here.",
    label=("masked", "one-hot"),
)
def label_times_mask(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake(
    "m is subtracted from the label's logit. Return x[label] as it is: the maximum of all "
    "shards is not known here.",
    label=("shifted", "shifted everywhere"),
)
def target_shifted(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake(
    "a class at the border of the shard is taken for one of another. The label is here where "
    "start <= label < start + n.",
    label=("first left out", "last left out"),
)
def border_left_out(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake(
    "where the label is elsewhere, its logit is not 0. The shards are added up later: 0 changes "
    "nothing.",
    elsewhere=(-_INF, np.nan, -1.0, 1.0),
)
def not_zero_elsewhere(x, labels, start, *, elsewhere):
    return _state(x, labels, start, elsewhere=elsewhere)


@shard_state.mistake(
    "one maximum is taken over all rows. Each row has its own: x.max(axis=1).",
    unguarded=(False, True),
)
def global_maximum(x, labels, start, *, unguarded):
    return _state(x, labels, start, m="global", unguarded=unguarded)


@shard_state.mistake(
    "a row of −inf gives NaN: −inf − (−inf). Subtract 0 where the maximum is −inf, and leave m as "
    "it is.",
    rest=("right", "no zero"),
)
def nan_for_dead_shard(x, labels, start, *, rest):
    state = _state(x, labels, start, unguarded=rest == "right", rest=rest)
    if rest == "right":
        state[:, 1] = np.where(state[:, 0] == -_INF, np.nan, state[:, 1])
    return state


@shard_state.mistake(
    "the label itself came back, or its probability. Return its logit, x[i, label - start].",
    label=("the label", "probability"),
)
def not_the_logit(x, labels, start, *, label):
    return _state(x, labels, start, label=label)


@shard_state.mistake("the mean of the exponentials is taken. rest is their sum.")
def mean_for_the_sum(x, labels, start):
    return _state(x, labels, start, rest="mean")


@shard_state.mistake(
    "the log-sum-exp stands in place of the maximum. Return m itself: exp(x - m) refers to it."
)
def lse_for_the_maximum(x, labels, start):
    state = _state(x, labels, start)
    return np.stack([state[:, 0] + np.log1p(state[:, 1]), *state[:, 1:].T], axis=1)


@shard_state.mistake(
    "the three numbers stand in rows. One row of the result belongs to each row of x: (N, 3), "
    "np.stack(..., axis=1)."
)
def transposed_state(x, labels, start):
    return _state(x, labels, start).T


@shard_state.mistake(
    "the columns stand in another order. Return m, rest, the label's logit.",
    order=((1, 0, 2), (0, 2, 1), (2, 0, 1)),
)
def columns_in_another_order(x, labels, start, *, order):
    return _state(x, labels, start)[:, list(order)]


@shard_state.mistake(
    "the maximum is never below 0. Logits far below it vanish: start at -np.inf, or take "
    "x.max(axis=1).",
    unguarded=(False, True),
)
def maximum_from_zero(x, labels, start, *, unguarded):
    return _state(x, labels, start, m="from 0", unguarded=unguarded)


@shard_state.mistake(
    "the other logits have their own maximum subtracted. rest refers to m, the row's largest."
)
def shifted_by_the_second(x, labels, start):
    return _state(x, labels, start, rest="shifted by the second")


@shard_state.mistake(
    "a row of −inf has another state. It holds nothing: m = −inf, rest = 0.",
    m=(0.0, -np.finfo(np.float64).max, -_INF),
    counted=(False, True),
)
def another_dead_state(x, labels, start, *, m, counted):
    state = _state(x, labels, start)
    dead = state[:, 0] == -_INF
    counts = x.shape[1] - 1 if counted or m == -_INF else 0
    state[:, 0] = np.where(dead, m, state[:, 0])
    state[:, 1] = np.where(dead, counts, state[:, 1])
    return state


@shard_state.mistake(
    "the label's exponential is left out of rest. It is one *maximum* that stays out, whatever the "
    "label."
)
def label_left_out(x, labels, start):
    state = _state(x, labels, start)
    m = np.where(state[:, 0] == -_INF, 0, state[:, 0])
    others = (labels - start)[:, None] != np.arange(x.shape[1])
    state[:, 1] = np.sum(np.where(others, np.exp(x - m[:, None]), 0), axis=1)
    return state


# --- 15.4 ----------------------------------------------------------------------------------------


def _states_of(*shards, labels, sums=False, dtype=np.float64):
    """Return the states (R, N, 3 or 4) of rows whose classes lie on several shards."""
    start, states = 0, []
    for shard in shards:
        x = np.atleast_2d(np.array(shard, dtype=np.float64))
        state = _state(x, np.array(labels), start)
        states.append(np.hstack([state, x.sum(axis=1, keepdims=True)]) if sums else state)
        start += x.shape[1]
    return np.array(states, dtype=dtype)


def _exact_merge(states):
    """Row by row, in 60 digits: the log-sum-exp of everything, minus the label's logit."""
    import mpmath

    losses = []
    with mpmath.workdps(60):
        for row in np.moveaxis(np.asarray(states, np.float64), 1, 0):
            top = mpmath.mpf(row[:, 0].max())
            total = mpmath.fsum(
                (1 + mpmath.mpf(rest)) * mpmath.exp(mpmath.mpf(m) - top)
                for m, rest, _ in row
                if m > -_INF
            )
            losses.append(float(mpmath.log(total) + top - mpmath.fsum(row[:, 2])))
    return np.array(losses)


def _spread_of_states(states):
    m = states[:, :, 0]
    live = np.where(np.isfinite(m), m, m.max(axis=0))
    return min(float(np.max(m.max(axis=0) - live, initial=0.0)), 800.0)


_DEAD = [-_INF, -_INF]

_MERGES = [
    ordinary(_states_of([1.0, 3.0, 2.0], labels=[1]), note="one shard"),
    ordinary(_states_of([1.0, 0.0], [3.0, 2.0], labels=[1]), note="the maximum on the second"),
    ordinary(_states_of([3.0, 2.0], [1.0, 0.0], labels=[2]), note="the maximum on the first"),
    ordinary(_states_of([-1.0, -2.0], [-3.0, -4.0], labels=[3]), note="all logits below 0"),
    ordinary(_states_of([2.0, 1.0], [2.0, 0.0], labels=[0]), note="equal maxima"),
    ordinary(_states_of([2.0], [2.0], labels=[1]), note="(2 | 2)"),
    ordinary(_states_of([0.0], [0.0], [0.0], labels=[1]), note="(0 | 0 | 0)"),
    ordinary(
        _states_of(_normal(3, 4), _normal(3, 2), _normal(3, 3), labels=[8, 4, 0]),
        note="three rows on three shards",
    ),
    ordinary(
        _states_of(*(2 * _normal(4, 3) for _ in range(4)), labels=[11, 5, 0, 6]),
        note="four rows on four shards",
    ),
    ordinary(
        _states_of([[1.0, 2.0], [0.5, -1.0]], [[-2.0], [3.0]], labels=[2, 0]),
        note="two rows, the maximum on either shard",
    ),
    ordinary(
        _states_of(_normal(3, 2), _normal(3, 2), labels=[0, 3, 2], dtype=np.float32),
        note="float32",
    ),
    ordinary(_read_only(_states_of([1.0, 0.5], [2.0, 0.0], labels=[2])), note="a read-only array"),
]


@exercise(
    "15.4",
    minutes=8,
    probes=[
        *_MERGES,
        extreme(_states_of([50.0], [5.0], labels=[0]), note="(50 | 5): the loss is 2.9e-20"),
        extreme(_states_of([2.5], [60.0, 5.0], labels=[1]), note="(2.5 | 60, 5)"),
        extreme(_states_of([-7.0, -60.0], [-65.0], labels=[0]), note="(−7, −60 | −65)"),
        extreme(_states_of([-50.0, -60.0], [0.0, -45.0], labels=[2]), note="(−50, −60 | 0, −45)"),
        extreme(_states_of([1000.0, 999.0], [-1000.0], labels=[2]), note="(1000, 999 | −1000)"),
        extreme(_states_of([-1000.0], [1000.0, 998.0], labels=[1]), note="(−1000 | 1000, 998)"),
        extreme(_states_of([-1000.0, -1001.0], [-999.0], labels=[0]), note="near −1000"),
        extreme(_states_of([1.0, 2.0], _DEAD, labels=[0]), note="the second shard is all −inf"),
        extreme(_states_of(_DEAD, [3.0, 2.0], labels=[3]), note="the first shard is all −inf"),
        extreme(
            _states_of([[1000.0, 999.0], [-1000.0, -1001.0]], [[998.0], [-999.0]], labels=[0, 2]),
            note="two rows, near 1000 and −1000",
        ),
    ],
    truth=_exact_merge,
    relative=_spread_of_states,
    remark="One all_gather of three numbers a row is all the communication of the forward pass.",
)  # fmt: skip
def merge_states(states):
    """Return the cross-entropy of each row from the states of all shards.

    states : float array (R, N, 3), left unchanged: for each of R >= 1 shards and each of N rows m,
        rest and the label's logit as 15.3 gives them (0 on every shard but the label's). A shard
        may be all -inf, (-inf, 0, 0); at least one is not.

    Returns (N,), the losses LSE - x[label] over the classes of all shards, with all their digits,
    a loss of 3e-20 as well.
    """
    m, rest, target = np.moveaxis(states, 2, 0)
    winner = np.arange(len(m))[:, None] == m.argmax(axis=0)
    top = m.max(axis=0)
    total = np.sum((rest + np.where(winner, 0, 1)) * np.exp(m - top), axis=0)
    return np.log1p(total) + (top - target.sum(axis=0))


merge_states.hints(
    "Of all shards one keeps its maximum out. Which, and what do the other shards' maxima become?",
    "m.argmax(axis=0) is the shard that wins, one a row: of a tie it names one. Every other shard "
    "brings 1 + rest.",
    "Each moves to the common maximum: (rest + [is not the winner]) * np.exp(m - top), added up.",
    "LSE = top + log1p(total). Add the small numbers first: log1p(total) + (top - x_label).",
)
merge_states.reasoning(
    "The winner's 1 stays out, so total is what log1p wants: all but one term. top − x_label is "
    "exactly 0 where the label is the maximum, so that a loss of 3e-20 is not added to 50 first. "
    "argmax names one winner where shards tie. A shard of −inf moves by exp(−inf) = 0."
)


def _merged(states, **changes):
    """The merge with one thing done otherwise."""
    m, rest, x_y = (states[:, :, i] for i in range(3))
    top, k = m.max(axis=0), m.argmax(axis=0)
    winner = np.arange(len(m))[:, None] == k
    lses = m + np.log1p(rest)
    live = np.where(m == -_INF, 0, 1)
    how = changes.get("lse", "right")
    target = {
        "sum": lambda: x_y.sum(axis=0),
        "largest": lambda: x_y.max(axis=0),
        "mean": lambda: x_y.mean(axis=0),
        "first": lambda: x_y[0],
        "last": lambda: x_y[-1],
        "winner": lambda: x_y[k, np.arange(len(k))],
        "none": lambda: 0 * top,
    }[changes.get("target", "sum")]()
    own = m[np.abs(x_y).argmax(axis=0), np.arange(len(k))]
    moved = np.exp(m - top)
    total = {
        "two winners": lambda: np.sum((rest + (m < top)) * moved, axis=0),
        "largest only": lambda: rest[k, np.arange(len(k))],
        "not moved": lambda: np.sum(rest + live, axis=0) - 1,
        "not moved, dead count": lambda: np.sum(rest + 1, axis=0) - 1,
        "own": lambda: np.sum(rest + live, axis=0) - 1,
        "losers' 1 lost": lambda: np.sum(rest * moved, axis=0),
        "losers' rest lost": lambda: np.sum(np.where(winner, rest, 1) * moved, axis=0),
        "twice": lambda: np.sum((rest + 1) * moved, axis=0),
        "first left out": lambda: np.sum((rest + (np.arange(len(m))[:, None] > 0)) * moved, axis=0),
    }
    if how in total:
        value = np.log1p(total[how]())
        return value + ((own if how == "own" else top) - target)
    if how in ("first wins", "last wins"):
        i = 0 if how == "first wins" else len(m) - 1
        others = np.delete((1 + rest) * np.exp(m - m[i]), i, axis=0)
        return np.log1p(rest[i] + np.sum(others, axis=0)) + (m[i] - target)
    if how == "upside down":
        away = np.where(m == -_INF, 0, np.exp(np.where(m == -_INF, 0, top - m)))
        return np.log1p(np.sum((rest + np.where(winner, 0, 1)) * away, axis=0)) + (top - target)
    if how == "probability":
        return -np.log(np.exp(target - top) / np.sum((1 + rest) * moved, axis=0))
    if how == "label's shard":
        place = np.abs(x_y).argmax(axis=0), np.arange(len(k))
        return np.log1p(rest[place]) + (m[place] - target)
    if how == "log of rests":
        return np.log(np.sum(rest * moved, axis=0)) + (top - target)
    if how == "log of one plus":
        return np.log(np.sum((1 + rest) * moved, axis=0)) + (top - target)
    if how == "unshifted":
        return np.log(np.sum((1 + rest) * np.exp(m), axis=0)) - target
    right = np.sum((rest + np.where(winner, 0, 1)) * moved, axis=0)
    if how == "lse first":
        return (top + np.log1p(right)) - target
    if how == "no maximum":
        return np.log1p(right) - target
    if how == "one plus the rest":
        return right + (top - target)
    reduced = {
        "mean": np.mean,
        "sum": np.sum,
        "max": np.max,
        "mean of the living": lambda z, axis: np.nanmean(np.where(live, z, np.nan), axis=axis),
        "sum of the living": lambda z, axis: np.sum(np.where(live, z, 0), axis=axis),
    }
    if how in reduced:
        return reduced[how](lses, axis=0) - target
    return np.log1p(right) + (top - target)


@merge_states.mistake(
    "each shard's sum keeps its own maximum, and they are added as if they had one. Move each to "
    "the largest maximum: exp(m - top)."
)
def sums_of_own_maxima(states):
    return _merged(states, lse="own")


@merge_states.mistake(
    "the factor exp(m - top) is missing: the sums do not refer to the same maximum. Move each "
    "before you add.",
    lse=("not moved", "not moved, dead count"),
)
def not_rescaled(states, *, lse):
    return _merged(states, lse=lse)


@merge_states.mistake(
    "the rests are added without the other shards' maxima. Only one maximum stays out: every other "
    "shard brings 1 + rest.",
    lse=("losers' 1 lost", "log of rests"),
)
def loses_the_maxima(states, *, lse):
    return _merged(states, lse=lse)


@merge_states.mistake(
    "where shards tie, all their maxima stay out. Only one does: argmax names one winner."
)
def ties_between_shards(states):
    return _merged(states, lse="two winners")


@merge_states.mistake(
    "only the shard with the largest maximum counts. The others are smaller, not nothing."
)
def largest_shard_only(states):
    return _merged(states, lse="largest only")


@merge_states.mistake(
    "the first shard, or the last, is taken for the winner, whatever its maximum. Choose for each "
    "row: m.argmax(axis=0).",
    lse=("first wins", "first left out", "last wins"),
)
def first_is_the_winner(states, *, lse):
    return _merged(states, lse=lse)


@merge_states.mistake(
    "the winner's own 1 is counted twice: in the sum, and by log1p. Leave it out of the sum."
)
def maximum_counted_twice(states):
    return _merged(states, lse="twice")


@merge_states.mistake(
    "1 + rest is formed, and a small rest is gone before the logarithm. Leave the winner's 1 out, "
    "and take log1p."
)
def log_of_one_plus(states):
    return _merged(states, lse="log of one plus")


@merge_states.mistake(
    "the log-sum-exp is rounded before the label's logit is subtracted, and a small loss is gone. "
    "Subtract from the maximum first: log1p(rest) + (top - x_label)."
)
def lse_minus_target(states):
    return _merged(states, lse="lse first")


@merge_states.mistake(
    "exp is taken of the maxima themselves, which overflow or vanish. Only differences of maxima "
    "belong into exp: exp(m - top)."
)
def maxima_in_exp(states):
    return _merged(states, lse="unshifted")


@merge_states.mistake(
    "one largest maximum is taken over all rows, and rows far below it vanish. Each row has its "
    "own: m.max(axis=0).",
    log1p=(False, True),
)
def one_top_for_all_rows(states, *, log1p):
    m, rest, x_y = states[:, :, 0], states[:, :, 1], states[:, :, 2].sum(axis=0)
    top = m.max()
    terms = np.exp(m - top) * (1 + rest)
    log_of_sum = np.log1p(np.sum(terms, axis=0) - 1) if log1p else np.log(np.sum(terms, axis=0))
    return log_of_sum + (top - x_y)


@merge_states.mistake(
    "the mean of the shards' log-sum-exps is taken. Add what they are the logarithms of.",
    lse=("mean", "mean of the living"),
)
def mean_of_lses(states, *, lse):
    return _merged(states, lse=lse)


@merge_states.mistake(
    "the shards' log-sum-exps are added. A sum of logarithms is the logarithm of a product: add "
    "what they are the logarithms of.",
    lse=("sum", "sum of the living"),
)
def sum_of_lses(states, *, lse):
    return _merged(states, lse=lse)


@merge_states.mistake(
    "the largest of the shards' log-sum-exps is taken for that of all. The other shards count, too."
)
def max_of_lses(states):
    return _merged(states, lse="max")


@merge_states.mistake("the other shards' rests are lost: they bring 1 + rest, not 1.")
def losers_rest_lost(states):
    return _merged(states, lse="losers' rest lost")


@merge_states.mistake(
    "the label's logit is the largest of the column, and 0 wins where it is negative. Add up the "
    "column: all others are 0."
)
def largest_target(states):
    return _merged(states, target="largest")


@merge_states.mistake(
    "the label's logit is divided by the number of shards. It is on one of them, 0 on the others: "
    "add up."
)
def mean_target(states):
    return _merged(states, target="mean")


@merge_states.mistake(
    "the label's logit is read from one shard. It may be on any of them, and is 0 on the others: "
    "add up.",
    target=("first", "last", "winner"),
)
def target_of_one_shard(states, *, target):
    return _merged(states, target=target)


@merge_states.mistake(
    "the label's logit is missing: the log-sum-exp came back. The loss is LSE - x[label]."
)
def no_label_logit(states):
    return _merged(states, target="none")


@merge_states.mistake(
    "the largest maximum is missing. The rest refers to it: log1p(rest) + (top - x_label)."
)
def forgets_top(states):
    return _merged(states, lse="no maximum")


@merge_states.mistake("the logarithm is missing. LSE = top + log1p(rest).")
def no_log(states):
    return _merged(states, lse="one plus the rest")


@merge_states.mistake("the sign is wrong. The loss is LSE - x[label], never below 0.")
def negative_loss(states):
    return -_merged(states)


@merge_states.mistake("the mean over the rows came back. One loss a row is asked: (N,).")
def mean_over_rows(states):
    return np.mean(_merged(states))


@merge_states.mistake(
    "the label's probability is formed, and a small loss is lost in it: p is 1, or 0 far out. "
    "Stay with log1p(rest) + (top - x_label)."
)
def log_of_the_probability(states):
    return _merged(states, lse="probability")


@merge_states.mistake(
    "only the label's shard counts. The log-sum-exp runs over the classes of all shards."
)
def label_s_shard_only(states):
    return _merged(states, lse="label's shard")


@merge_states.mistake(
    "the sums are moved the wrong way, by exp(top - m), and grow. The factor is at most 1: "
    "exp(m - top)."
)
def moved_upside_down(states):
    return _merged(states, lse="upside down")


@merge_states.mistake(
    "the logarithm of a mean over the shards is taken. Add their sums, and divide by nothing."
)
def log_of_a_mean(states):
    return _merged(states) - np.log(len(states))


@merge_states.mistake(
    "the difference to the label is missing: log1p(rest) alone is the loss only where the label "
    "has the largest logit. Add top - x_label."
)
def difference_missing(states):
    return _merged(states, lse="no maximum", target="none")


@merge_states.mistake(
    "the rests do not count: this is the largest logit minus the label's. Add log1p(rest)."
)
def rests_missing(states):
    return np.max(states[:, :, 0], axis=0) - np.sum(states[:, :, 2], axis=0)


@merge_states.mistake("every shard has a loss of its own, (R, N). Merge the shards, axis 0.")
def a_loss_a_shard(states):
    m, rest, target = np.moveaxis(states, 2, 0)
    return np.log1p(rest) + (m - np.sum(target, axis=0))


@merge_states.mistake("the rows are merged, and the shards kept apart. The shards are axis 0.")
def rows_merged(states):
    return _merged(np.swapaxes(states, 0, 1))


@merge_states.mistake(
    "a shard of −inf that comes first gives NaN: −inf − (−inf). Move to the largest of *all* "
    "maxima, which is finite, or leave such a shard out.",
    lse=("right", "log of one plus"),
)
def dead_shard_gives_nan(states, *, lse):
    return np.where(states[0, :, 0] == -_INF, np.nan, _merged(states, lse=lse))


# --- 15.5 ----------------------------------------------------------------------------------------


def _smoothed_exactly(states, n, eps):
    """Row by row, in 60 digits, as a mean of cross-entropies weighted with the target."""
    import mpmath

    losses = []
    with mpmath.workdps(60):
        e = mpmath.mpf(float(eps))
        for row in np.moveaxis(np.asarray(states, np.float64), 1, 0):
            lse = mpmath.log(
                mpmath.fsum((1 + mpmath.mpf(r)) * mpmath.exp(mpmath.mpf(m)) for m, r, *_ in row)
            )
            label, mean = mpmath.fsum(row[:, 2]), mpmath.fsum(row[:, 3]) / n
            losses.append(float((1 - e) * (lse - label) + e * (lse - mean)))
    return np.array(losses)


def _smoothed_probe(kind, *shards, labels, eps, note):
    n = sum(np.atleast_2d(shard).shape[1] for shard in shards)
    return kind(_states_of(*shards, labels=labels, sums=True), n, eps, note=note)


@exercise(
    "15.5",
    minutes=7,
    probes=[
        _smoothed_probe(ordinary, [1.0, 3.0, 2.0], labels=[1], eps=0.1, note="one shard"),
        _smoothed_probe(
            ordinary, [1.0, 0.0], [3.0, 2.0, -1.0], labels=[1], eps=0.2, note="2 and 3 classes"
        ),
        _smoothed_probe(
            ordinary, [3.0, 1.0, 2.0], [-2.0], labels=[3], eps=0.1, note="3 classes and 1"
        ),
        _smoothed_probe(ordinary, [2.0, 1.0], [0.5], labels=[0], eps=0.0, note="ε = 0"),
        _smoothed_probe(ordinary, [2.0, -1.0], [0.5], labels=[0], eps=1.0, note="ε = 1"),
        _smoothed_probe(
            ordinary, [-1.0, -2.0], [-4.0, -3.0], labels=[2], eps=0.1, note="all logits below 0"
        ),
        _smoothed_probe(
            ordinary,
            _normal(3, 4),
            _normal(3, 2),
            _normal(3, 3),
            labels=[8, 4, 0],
            eps=0.2,
            note="three rows on three shards",
        ),
        _smoothed_probe(
            ordinary, _normal(2, 3), _normal(2, 3), labels=[0, 5], eps=0.1, note="two rows"
        ),
        _smoothed_probe(
            ordinary, [2.0, 1.0], [2.0, 0.0, 1.0], labels=[3], eps=0.2, note="equal maxima"
        ),
        _smoothed_probe(
            extreme, [1000.0, 999.0, 998.0], [-1000.0], labels=[3], eps=0.1,
            note="(1000, 999, 998 | −1000)",
        ),
        _smoothed_probe(
            extreme, [-1000.0], [1000.0, 998.0], labels=[1], eps=0.2, note="(−1000 | 1000, 998)"
        ),
        _smoothed_probe(
            extreme, [-1000.0, -1001.0], [-999.0], labels=[0], eps=0.1, note="near −1000"
        ),
        _smoothed_probe(
            extreme, [[1000.0, 999.0], [-1000.0, -1001.0]], [[998.0], [-999.0]], labels=[0, 2],
            eps=0.1, note="two rows, near 1000 and −1000",
        ),
    ],
    truth=_smoothed_exactly,
    scale=lambda states, n, eps, expected: _largest(states),
    library=(*_LOSS, "label_smoothing"),
    remark="The smoothing's mean runs over all classes, so it needs one more number a row.",
)  # fmt: skip
def smoothed_loss(states, n, eps):
    """Return the label-smoothed cross-entropy of each row from the states of all shards.

    states : float array (R, N, 4), left unchanged: for each of R >= 1 shards and each of N rows m,
        rest and the label's logit as in 15.3 and 15.4, and the sum of the shard's logits. All
        logits are finite; shards may differ in width.
    n : int, the number of classes of all shards together.
    eps : float in 0 ... 1, the smoothing, in PyTorch's convention: the target is 1 - eps on the
        label, plus eps / n on each of the n classes.

    Returns (N,), the losses. Logits of any size must work; small losses need no more digits than
    the logits have.
    """
    m, rest, target, total = np.moveaxis(states, 2, 0)
    top = m.max(axis=0)
    lse = top + np.log(np.sum((1 + rest) * np.exp(m - top), axis=0))
    return lse - (1 - eps) * target.sum(axis=0) - eps * total.sum(axis=0) / n


smoothed_loss.hints(
    "The targets sum to 1. So the log-sum-exp enters with what factor, and the logits with which?",
    "loss = LSE - Σ target · x = LSE - (1 - eps) · x[label] - eps · mean(x), the mean over all n.",
    "The mean over all classes is the sum of all shards' sums, divided by n. The mean of the "
    "shards' means is another number where their widths differ.",
)
smoothed_loss.reasoning(
    "Σ_j q_j (LSE − x_j) = LSE − Σ_j q_j x_j, since q sums to 1. With q = (1 − ε)·onehot + ε/n the "
    "second term is (1 − ε)·x_label + ε·(Σ x)/n. Sums add over shards, means do not: so a shard "
    "sends its sum, and n is divided by once, at the end."
)


def _smoothed(states, n, eps, **changes):
    """The smoothed loss with one thing done otherwise."""
    R = len(states)
    m, rest, x_y, sums = (states[:, :, i] for i in range(4))
    top = m.max(axis=0)
    lses = m + np.log1p(rest)
    moved = (1 + rest) * np.exp(m - top)
    at = np.abs(x_y).argmax(axis=0), np.arange(m.shape[1])
    own = m[at]
    lse = {
        "right": lambda: top + np.log(moved.sum(axis=0)),
        "mean": lambda: lses.mean(axis=0),
        "sum": lambda: lses.sum(axis=0),
        "max": lambda: lses.max(axis=0),
        "own": lambda: np.log((1 + rest).sum(axis=0)) + own,
        "largest": lambda: np.log((1 + rest).sum(axis=0)) + top,
        "unshifted": lambda: np.log(np.sum((1 + rest) * np.exp(m), axis=0)),
        "losers' 1 lost": lambda: top + np.log1p(np.sum(rest * np.exp(m - top), axis=0)),
        "twice": lambda: top + np.log1p(moved.sum(axis=0)),
        "none": lambda: top + np.log(np.sum(rest * np.exp(m - top), axis=0)),
        "one maximum": lambda: (
            np.max(m) + np.log(np.sum((1 + rest) * np.exp(m - np.max(m)), axis=0))
        ),
    }[changes.get("lse", "right")]()
    target = {
        "sum": lambda: x_y.sum(axis=0),
        "largest": lambda: x_y.max(axis=0),
        "mean": lambda: x_y.mean(axis=0),
        "first": lambda: x_y[0],
    }[changes.get("target", "sum")]()
    mean = {
        "right": lambda: sums.sum(axis=0) / n,
        "first, of its own": lambda: sums[0] * R / n,
        "first, of all": lambda: sums[0] / n,
        "last, of its own": lambda: sums[-1] * R / n,
        "last, of all": lambda: sums[-1] / n,
        "label's, of its own": lambda: sums[at] * R / n,
        "label's, of all": lambda: sums[at] / n,
        "n - 1": lambda: sums.sum(axis=0) / (n - 1),
        "minus": lambda: -sums.sum(axis=0) / n,
        "a shard, of its own": lambda: sums * R / n,
        "a shard, of all": lambda: sums / n,
        "n of a shard": lambda: sums.sum(axis=0) * R / n,
        "over shards": lambda: sums.mean(axis=0) / n,
        "sum": lambda: sums.sum(axis=0),
        "none": lambda: 0 * top,
    }[changes.get("mean", "right")]()
    other = {
        "all": n / (n - 1),
        "shard": n / (n - R) if n > R else 1.0,
        "inverse": (n - 1) / n,
        "right": 1.0,
    }
    eps = eps * other[changes.get("factor", "right")]
    first, second = {
        "right": (1 - eps, eps),
        "no 1 - eps": (1, eps),
        "eps on the label": (eps, 1 - eps),
    }[changes.get("weights", "right")]
    kept = {"less": 1 - eps, "more": 1 + eps, "n": 1 - eps + n * eps}.get(
        changes.get("lse_factor", "one"), 1
    )
    return kept * lse - first * target - second * mean


@smoothed_loss.mistake(
    "the smoothing is ignored: this is the plain cross-entropy. Subtract (1 - eps) · x[label] and "
    "eps · mean(x)."
)
def ignored(states, n, eps):
    return _smoothed(states, n, 0.0)


@smoothed_loss.mistake(
    "the mean of the logits is taken on one shard. It runs over all n classes: add up the shards' "
    "sums, divide by n.",
    mean=(
        "first, of its own",
        "first, of all",
        "last, of its own",
        "last, of all",
        "label's, of its own",
        "label's, of all",
    ),
)
def mean_of_one_shard(states, n, eps, *, mean):
    return _smoothed(states, n, eps, mean=mean)


@smoothed_loss.mistake(
    "every shard has a loss of its own, (R, N): the sums are not added up. The mean runs over the "
    "classes of all shards.",
    mean=("a shard, of its own", "a shard, of all"),
)
def loss_of_each_shard(states, n, eps, *, mean):
    return _smoothed(states, n, eps, mean=mean)


@smoothed_loss.mistake(
    "the sum over all shards is divided by the width of one. Divide by n, the number of all."
)
def width_of_a_shard(states, n, eps):
    return _smoothed(states, n, eps, mean="n of a shard")


@smoothed_loss.mistake(
    "the mean is local, and eps is multiplied with n / (n - 1) besides, as some frameworks do. "
    "Here the target is 1 - eps on the label plus eps / n on every class of all shards.",
    mean=("first, of its own", "a shard, of its own", "last, of its own"),
    factor=("shard", "all"),
)
def local_mean_and_factor(states, n, eps, *, mean, factor):
    return _smoothed(states, n, eps, mean=mean, factor=factor)


@smoothed_loss.mistake(
    "eps is multiplied with n / (n - 1): that is another convention, in which eps is shared by the "
    "other classes alone. PyTorch's gives eps / n to every class, the label included.",
    factor=("all", "shard"),
)
def other_convention(states, n, eps, *, factor):
    return _smoothed(states, n, eps, factor=factor)


@smoothed_loss.mistake("the sum of all logits stands for their mean. Divide it by n.")
def sum_for_the_mean(states, n, eps):
    return _smoothed(states, n, eps, mean="sum")


@smoothed_loss.mistake(
    "the label's logit keeps its whole weight. The targets have to sum to 1: it is 1 - eps."
)
def label_keeps_its_weight(states, n, eps):
    return _smoothed(states, n, eps, weights="no 1 - eps")


@smoothed_loss.mistake(
    "eps and 1 - eps are exchanged. The label has 1 - eps, the mean of all has eps."
)
def eps_on_the_label(states, n, eps):
    return _smoothed(states, n, eps, weights="eps on the label")


@smoothed_loss.mistake(
    "the log-sum-exp is multiplied with 1 - eps. It belongs to every class, and the targets sum to "
    "1: its factor is 1."
)
def lse_is_weighted(states, n, eps):
    return _smoothed(states, n, eps, lse_factor="less")


@smoothed_loss.mistake(
    "the mean of the logits is missing: only the label's weight went down. Subtract eps · mean(x)."
)
def no_mean_of_the_logits(states, n, eps):
    return _smoothed(states, n, eps, mean="none")


@smoothed_loss.mistake("the sums are averaged over the shards. Add them up, and divide by n alone.")
def mean_over_shards(states, n, eps):
    return _smoothed(states, n, eps, mean="over shards")


@smoothed_loss.mistake(
    "the mean of the shards' log-sum-exps is taken. Add what they are the logarithms of."
)
def mean_lse(states, n, eps):
    return _smoothed(states, n, eps, lse="mean")


@smoothed_loss.mistake("the shards' log-sum-exps are added. Add what they are the logarithms of.")
def sum_lse(states, n, eps):
    return _smoothed(states, n, eps, lse="sum")


@smoothed_loss.mistake(
    "the largest of the shards' log-sum-exps is taken for that of all. The other shards count, too."
)
def max_lse(states, n, eps):
    return _smoothed(states, n, eps, lse="max")


@smoothed_loss.mistake(
    "each shard's sum keeps its own maximum, and they are added as if they had one. Move each to "
    "the largest maximum: exp(m - top).",
    lse=("own", "largest"),
)
def own_maxima(states, n, eps, *, lse):
    return _smoothed(states, n, eps, lse=lse)


@smoothed_loss.mistake(
    "exp is taken of the maxima themselves, and overflows or vanishes. Only differences belong "
    "into exp: exp(m - top)."
)
def overflow(states, n, eps):
    return _smoothed(states, n, eps, lse="unshifted")


@smoothed_loss.mistake(
    "a maximum's own 1 is miscounted. The whole sum of a shard is 1 + rest.",
    lse=("losers' 1 lost", "twice", "none"),
)
def ones_miscounted(states, n, eps, *, lse):
    return _smoothed(states, n, eps, lse=lse)


@smoothed_loss.mistake(
    "the label's logit is not the sum of its column. It is on one shard, 0 on the others: add up.",
    target=("largest", "mean", "first"),
)
def label_logit_not_added_up(states, n, eps, *, target):
    return _smoothed(states, n, eps, target=target)


@smoothed_loss.mistake("the sign is wrong. The loss is LSE minus the weighted logits.")
def minus_the_loss(states, n, eps):
    return -_smoothed(states, n, eps)


@smoothed_loss.mistake("the mean over the rows came back. One loss a row is asked: (N,).")
def mean_of_the_rows(states, n, eps):
    return np.mean(_smoothed(states, n, eps))


@smoothed_loss.mistake(
    "eps / n is not what each class has here: n - 1 stands for n. In PyTorch's convention the n "
    "classes, the label among them, share eps.",
    how=("mean", "factor", "others"),
)
def n_minus_1_for_n(states, n, eps, *, how):
    if how == "factor":
        return _smoothed(states, n, eps, factor="inverse")
    if how == "mean":
        return _smoothed(states, n, eps, mean="n - 1")
    target = states[:, :, 2].sum(axis=0)
    others = (states[:, :, 3].sum(axis=0) - target) / n
    return _smoothed(states, n, eps, mean="none") - eps * others


@smoothed_loss.mistake(
    "the log-probabilities of all classes are added, not averaged: eps belongs to their mean. "
    "Divide by n."
)
def sum_of_log_probabilities(states, n, eps):
    return _smoothed(states, n, eps, lse_factor="n", mean="sum")


@smoothed_loss.mistake(
    "the smoothing is added to the whole loss. The targets have to sum to 1: the plain loss has "
    "the weight 1 - eps."
)
def added_on_top(states, n, eps):
    return _smoothed(states, n, eps, lse_factor="more", weights="no 1 - eps")


@smoothed_loss.mistake(
    "the log-sum-exp is counted 1 + eps times. It belongs to every class, and the targets sum to "
    "1: its factor is 1."
)
def lse_counted_again(states, n, eps):
    return _smoothed(states, n, eps, lse_factor="more")


@smoothed_loss.mistake(
    "the mean of the logits is added. Each class's loss is LSE - x: subtract it."
)
def mean_added(states, n, eps):
    return _smoothed(states, n, eps, mean="minus")


@smoothed_loss.mistake(
    "one maximum is subtracted from all rows, and rows far below it vanish. Each row has its own: "
    "m.max(axis=0)."
)
def one_maximum_for_the_batch(states, n, eps):
    return _smoothed(states, n, eps, lse="one maximum")
