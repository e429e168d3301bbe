"""Answers to exercises 15.1 to 15.5."""

import functools
import math
from decimal import Decimal, localcontext

import numpy as np
import torch
from scipy.special import log_softmax, logsumexp, softmax

from . import right, wrong

# 15.1 chunked_loss(H, tiles, labels)


@right("15.1")
def running_maximum_and_sum(H, tiles, labels):
    """The online log-sum-exp, and each label's logit where its tile comes."""
    N = len(H)
    m, s, target, start = np.full(N, -np.inf), np.zeros(N), np.zeros(N), 0
    for tile in tiles:
        x = H @ tile.T
        new = np.maximum(m, x.max(axis=1))
        s = s * np.exp(m - new) + np.exp(x - new[:, None]).sum(axis=1)
        m = new
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(m + np.log(s) - target)


@right("15.1")
def logaddexp_by_tiles(H, tiles, labels):
    """A running log-sum-exp."""
    lse, target, start = -np.inf, 0.0, 0
    for tile in tiles:
        x = H @ tile.T
        lse = np.logaddexp(lse, logsumexp(x, axis=1))
        classes = np.arange(start, start + len(tile))
        target = target + np.where(labels[:, None] == classes, x, 0).sum(axis=1)
        start += len(tile)
    return (lse - target).mean()


@right("15.1")
def torch_tiles(H, tiles, labels):
    """torch tensors; as_tensor shares the buffer, which does no harm within a round."""
    h, y = torch.as_tensor(H), torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    lse, target, start = [], torch.zeros(len(h), dtype=h.dtype), 0
    for tile in tiles:
        x = h @ torch.as_tensor(tile).T
        lse.append(torch.logsumexp(x, dim=1))
        local = (y - start).clamp(0, x.shape[1] - 1)
        inside = (y >= start) & (y < start + x.shape[1])
        target += torch.where(inside, x.gather(1, local[:, None])[:, 0], 0.0)
        start += x.shape[1]
    return (torch.logsumexp(torch.stack(lse), dim=0) - target).mean().item()


@right("15.1")
def tiles_copied(H, tiles, labels):
    """W is put together from copies."""
    W = np.concatenate([tile.copy() for tile in tiles])
    return -log_softmax(H @ W.T, axis=1)[np.arange(len(H)), labels].mean()


@right("15.1")
def logits_kept(H, tiles, labels):
    """The tiles' logits are arrays of their own."""
    x = np.hstack([H @ tile.T for tile in tiles])
    return np.mean(logsumexp(x, axis=1) - np.take_along_axis(x, labels[:, None], axis=1)[:, 0])


@right("15.1")
def states_reduced(H, tiles, labels):
    """A state a tile, merged by functools.reduce."""
    starts = [0]

    def state(tile):
        x = H @ tile.T
        m = x.max(axis=1)
        local = labels - starts[0]
        starts[0] += len(tile)
        inside = (local >= 0) & (local < len(tile))
        target = np.where(inside, x[np.arange(len(x)), np.where(inside, local, 0)], 0)
        return m, np.exp(x - m[:, None]).sum(axis=1), target

    def merge(a, b):
        m = np.maximum(a[0], b[0])
        return m, a[1] * np.exp(a[0] - m) + b[1] * np.exp(b[0] - m), a[2] + b[2]

    m, s, target = functools.reduce(merge, map(state, tiles))
    return (np.log(s) + (m - target)).mean()


@right("15.1")
def one_class_at_a_time(H, tiles, labels):
    """Loops over rows and classes."""
    m, s, target, k = [-math.inf] * len(H), [0.0] * len(H), [0.0] * len(H), 0
    for tile in tiles:
        for w in tile:
            for i, h in enumerate(H):
                x = float(sum(a * b for a, b in zip(h.tolist(), w.tolist(), strict=True)))
                if x > m[i]:
                    s[i] = s[i] * math.exp(m[i] - x) + 1
                    m[i] = x
                else:
                    s[i] += math.exp(x - m[i])
                if labels[i] == k:
                    target[i] = x
            k += 1
    return sum(a + math.log(b) - c for a, b, c in zip(m, s, target, strict=True)) / len(H)


@right("15.1")
def relative_to_the_target(H, tiles, labels):
    """Keeps copies, and sums exp of the differences to the label's logit, by logsumexp."""
    x = np.concatenate([tile @ H.T for tile in tiles])
    return logsumexp(x - x[labels, np.arange(len(H))], axis=0).mean()


def _loss(H, tiles, labels, *, m0=-np.inf, old=None, new=None, local=None, log=np.log):
    """Return the loss of each row, with one thing done otherwise."""
    N = len(H)
    m, s, target, start = np.full(N, m0), np.zeros(N), np.zeros(N), 0
    for tile in tiles:
        x = H @ tile.T
        top = np.maximum(m, x.max(axis=1))
        s = s * (old or (lambda m, top, tile_m: np.exp(m - top)))(m, top, x.max(axis=1))
        shift = (new or (lambda top, tile_m: top))(top, x.max(axis=1))
        s = s + np.exp(x - shift[:, None]).sum(axis=1)
        m = top
        if local is None:
            here = (labels >= start) & (labels < start + len(tile))
            target[here] = x[here, labels[here] - start]
        else:
            target = local(target, x, labels, start)
        start += len(tile)
    return m + log(s) - target


@wrong("15.1")
def tiles_kept(H, tiles, labels):
    """list(tiles): every tile is the last one."""
    W = np.concatenate(list(tiles))
    return -log_softmax(H @ W.T, axis=1)[np.arange(len(H)), labels].mean()


@wrong("15.1")
def tiles_appended(H, tiles, labels):
    """The same, tile by tile."""
    kept = []
    for tile in tiles:
        kept.append(np.asarray(tile))
    x = np.hstack([H @ tile.T for tile in kept])
    return (logsumexp(x, axis=1) - x[np.arange(len(H)), labels]).mean()


@wrong("15.1")
def tiles_kept_in_torch(H, tiles, labels):
    """torch.from_numpy shares the buffer."""
    W = torch.cat([t[:] for t in [torch.from_numpy(tile) for tile in tiles]])
    y = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    return torch.nn.functional.cross_entropy(torch.from_numpy(H) @ W.T, y).item()


@wrong("15.1")
def maximum_in_a_first_pass(H, tiles, labels):
    """Reads the tiles twice."""
    m = np.full(len(H), -np.inf)
    for tile in tiles:
        m = np.maximum(m, (H @ tile.T).max(axis=1))
    s, target, start = np.zeros(len(H)), np.zeros(len(H)), 0
    for tile in tiles:
        x = H @ tile.T
        s += np.exp(x - m[:, None]).sum(axis=1)
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(m + np.log(s) - target)


@wrong("15.1")
def target_in_a_second_pass(H, tiles, labels):
    """The second reading finds no tile: the label's logit stays 0."""
    lse = np.full(len(H), -np.inf)
    for tile in tiles:
        lse = np.logaddexp(lse, logsumexp(H @ tile.T, axis=1))
    target, start = np.zeros(len(H)), 0
    for tile in tiles:
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = np.sum(H[here] * tile[labels[here] - start], axis=1)
        start += len(tile)
    return np.mean(lse - target)


@wrong("15.1")
def counted_first(H, tiles, labels):
    """sum(len(tile) for tile in tiles) uses the tiles up."""
    V = sum(len(tile) for tile in tiles)
    x = np.zeros((len(H), V))
    start = 0
    for tile in tiles:
        x[:, start : start + len(tile)] = H @ tile.T
        start += len(tile)
    return -log_softmax(x, axis=1)[np.arange(len(H)), labels].mean()


@wrong("15.1")
def sum_not_rescaled(H, tiles, labels):
    """s += exp(x - m) with the new m, the old sum as it was."""
    return _loss(H, tiles, labels, old=lambda m, top, tile_m: 1.0).mean()


@wrong("15.1")
def rescaled_upside_down(H, tiles, labels):
    """exp(new - old)."""

    def factor(m, top, tile_m):
        return np.where(np.isinf(m), 0.0, np.exp(np.where(np.isinf(m), 0, top - m)))

    return _loss(H, tiles, labels, old=factor).mean()


@wrong("15.1")
def maximum_updated_first(H, tiles, labels):
    """m = new, then exp(m - new) is 1: the sum is not rescaled."""
    N = len(H)
    m, s, target, start = np.full(N, -np.inf), np.zeros(N), np.zeros(N), 0
    for tile in tiles:
        x = H @ tile.T
        new = np.maximum(m, x.max(axis=1))
        m = new
        s = s * np.exp(m - new) + np.exp(x - m[:, None]).sum(axis=1)
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(m + np.log(s) - target)


@wrong("15.1")
def rescaled_by_the_tile_s_maximum(H, tiles, labels):
    """exp(m - max of the tile): right only where the tile holds the new maximum."""
    return _loss(H, tiles, labels, old=lambda m, top, tile_m: np.exp(m - tile_m)).mean()


@wrong("15.1")
def each_tile_shifted_by_its_own(H, tiles, labels):
    """exp(x - max of the tile), and the running maximum at the end."""
    return _loss(
        H, tiles, labels, old=lambda m, top, tile_m: 1.0, new=lambda top, tile_m: tile_m
    ).mean()


@wrong("15.1")
def tile_s_own_shift_with_rescaling(H, tiles, labels):
    """The old sum is rescaled, the new terms have the tile's maximum."""
    return _loss(H, tiles, labels, new=lambda top, tile_m: tile_m).mean()


@wrong("15.1")
def maximum_from_zero(H, tiles, labels):
    """m starts at 0."""
    return _loss(H, tiles, labels, m0=0.0).mean()


@wrong("15.1")
def maximum_from_minus_hundred(H, tiles, labels):
    """m starts at -100, "below all logits"."""
    return _loss(H, tiles, labels, m0=-100.0).mean()


@wrong("15.1")
def not_shifted(H, tiles, labels):
    """A plain sum of exp."""
    s, target, start = 0.0, np.zeros(len(H)), 0
    for tile in tiles:
        x = H @ tile.T
        s = s + np.exp(x).sum(axis=1)
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(np.log(s) - target)


@wrong("15.1")
def shifted_by_the_first_tile(H, tiles, labels):
    """The first tile's maximum for all tiles."""
    c, s, target, start = None, 0.0, np.zeros(len(H)), 0
    for tile in tiles:
        x = H @ tile.T
        c = x.max(axis=1) if c is None else c
        s = s + np.exp(x - c[:, None]).sum(axis=1)
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(c + np.log(s) - target)


@wrong("15.1")
def one_maximum_for_all_rows(H, tiles, labels):
    """A scalar maximum: rows far below it have only zeros."""
    m, s, target, start = -np.inf, 0.0, np.zeros(len(H)), 0
    for tile in tiles:
        x = H @ tile.T
        new = max(m, x.max())
        s = s * np.exp(m - new) + np.exp(x - new).sum(axis=1)
        m = new
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(m + np.log(s) - target)


@wrong("15.1")
def label_modulo_the_tile(H, tiles, labels):
    """labels % n."""

    def local(target, x, labels, start):
        return x[np.arange(len(x)), labels % x.shape[1]]

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def label_clipped_to_the_tile(H, tiles, labels):
    """np.clip(labels - start): every tile has a target, the last one stays."""

    def local(target, x, labels, start):
        return x[np.arange(len(x)), np.clip(labels - start, 0, x.shape[1] - 1)]

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def label_clipped_and_added(H, tiles, labels):
    """The same, added up."""

    def local(target, x, labels, start):
        return target + x[np.arange(len(x)), np.clip(labels - start, 0, x.shape[1] - 1)]

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def label_not_moved(H, tiles, labels):
    """x[row, label] wherever that exists."""

    def local(target, x, labels, start):
        here = labels < x.shape[1]
        target = target.copy()
        target[here] = x[here, labels[here]]
        return target

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def negative_labels_wrap(H, tiles, labels):
    """labels - start < n is tested, >= 0 is not: negative indices count from the end."""

    def local(target, x, labels, start):
        t = labels - start
        here = (t < x.shape[1]) & (t >= -x.shape[1])
        target = target.copy()
        target[here] = x[here, t[here]]
        return target

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def start_by_number_of_tiles(H, tiles, labels):
    """start += 1."""
    lse, target = -np.inf, np.zeros(len(H))
    for start, tile in enumerate(tiles):
        x = H @ tile.T
        lse = np.logaddexp(lse, logsumexp(x, axis=1))
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
    return np.mean(lse - target)


@wrong("15.1")
def start_by_equal_tiles(H, tiles, labels):
    """start = k * n, as if all tiles were alike."""
    lse, target = -np.inf, np.zeros(len(H))
    for k, tile in enumerate(tiles):
        x, start = H @ tile.T, k * len(tile)
        lse = np.logaddexp(lse, logsumexp(x, axis=1))
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
    return np.mean(lse - target)


@wrong("15.1")
def target_overwritten(H, tiles, labels):
    """target = where(here, x, 0) in each round: only the last tile's labels stay."""

    def local(target, x, labels, start):
        t = labels - start
        here = (t >= 0) & (t < x.shape[1])
        return np.where(here, x[np.arange(len(x)), np.where(here, t, 0)], 0)

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def last_class_of_a_tile_missed(H, tiles, labels):
    """label < start + n - 1."""

    def local(target, x, labels, start):
        here = (labels >= start) & (labels < start + x.shape[1] - 1)
        target = target.copy()
        target[here] = x[here, labels[here] - start]
        return target

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def first_class_of_a_tile_missed(H, tiles, labels):
    """label > start."""

    def local(target, x, labels, start):
        here = (labels > start) & (labels < start + x.shape[1])
        target = target.copy()
        target[here] = x[here, labels[here] - start]
        return target

    return _loss(H, tiles, labels, local=local).mean()


@wrong("15.1")
def target_rescaled(H, tiles, labels):
    """exp of the target is kept beside the sum, and underflows with it."""
    N = len(H)
    m, s, e, start = np.full(N, -np.inf), np.zeros(N), np.zeros(N), 0
    for tile in tiles:
        x = H @ tile.T
        new = np.maximum(m, x.max(axis=1))
        f = np.exp(m - new)
        p = np.exp(x - new[:, None])
        s, e, m = s * f + p.sum(axis=1), e * f, new
        here = (labels >= start) & (labels < start + len(tile))
        e[here] = p[here, labels[here] - start]
        start += len(tile)
    return -np.log(e / s).mean()


@wrong("15.1")
def mean_of_tile_lses(H, tiles, labels):
    """The mean of the tiles' log-sum-exps."""
    return _with_lses(H, tiles, labels, lambda lses: np.mean(lses, axis=0))


def _with_lses(H, tiles, labels, merge):
    """Return the mean loss with the tiles' log-sum-exps merged as told."""
    lses, target, start = [], np.zeros(len(H)), 0
    for tile in tiles:
        x = H @ tile.T
        lses.append(logsumexp(x, axis=1))
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(merge(np.array(lses)) - target)


@wrong("15.1")
def sum_of_tile_lses(H, tiles, labels):
    """Their sum."""
    return _with_lses(H, tiles, labels, lambda lses: np.sum(lses, axis=0))


@wrong("15.1")
def largest_tile_lse(H, tiles, labels):
    """Their maximum."""
    return _with_lses(H, tiles, labels, lambda lses: np.max(lses, axis=0))


@wrong("15.1")
def last_tile_lse(H, tiles, labels):
    """The last one."""
    return _with_lses(H, tiles, labels, lambda lses: lses[-1])


@wrong("15.1")
def log_mean_of_tiles(H, tiles, labels):
    """log of the mean of exp(lse)."""
    return _with_lses(H, tiles, labels, lambda z: logsumexp(z, axis=0) - np.log(len(z)))


@wrong("15.1")
def lses_exponentiated(H, tiles, labels):
    """log of the sum of exp(lse), without a shift."""
    return _with_lses(H, tiles, labels, lambda z: np.log(np.exp(z).sum(axis=0)))


@wrong("15.1")
def normalised_over_the_label_s_tile(H, tiles, labels):
    """log-softmax of the tile that holds the label."""
    loss, start = np.zeros(len(H)), 0
    for tile in tiles:
        log_p = log_softmax(H @ tile.T, axis=1)
        here = (labels >= start) & (labels < start + len(tile))
        loss[here] = -log_p[here, labels[here] - start]
        start += len(tile)
    return loss.mean()


@wrong("15.1")
def mean_of_tile_losses(H, tiles, labels):
    """The mean over the tiles of each tile's mean loss over its own labels."""
    losses, start = [], 0
    for tile in tiles:
        here = (labels >= start) & (labels < start + len(tile))
        if here.any():
            log_p = log_softmax(H[here] @ tile.T, axis=1)
            losses.append(-log_p[np.arange(here.sum()), labels[here] - start].mean())
        start += len(tile)
    return np.mean(losses)


@wrong("15.1")
def log_sum_exp_alone(H, tiles, labels):
    """No target."""
    return _loss(H, tiles, labels, local=lambda target, *_: target).mean()


@wrong("15.1")
def loss_summed(H, tiles, labels):
    """The sum."""
    return _loss(H, tiles, labels).sum()


@wrong("15.1")
def loss_of_each_row(H, tiles, labels):
    """(N,)."""
    return _loss(H, tiles, labels)


@wrong("15.1")
def log_likelihood(H, tiles, labels):
    """The sign."""
    return -_loss(H, tiles, labels).mean()


@wrong("15.1")
def sum_alone(H, tiles, labels):
    """The maximum is not added back."""
    m = np.full(len(H), -np.inf)
    s, target, start = np.zeros(len(H)), np.zeros(len(H)), 0
    for tile in tiles:
        x = H @ tile.T
        new = np.maximum(m, x.max(axis=1))
        s, m = s * np.exp(m - new) + np.exp(x - new[:, None]).sum(axis=1), new
        here = (labels >= start) & (labels < start + len(tile))
        target[here] = x[here, labels[here] - start]
        start += len(tile)
    return np.mean(np.log(s) - target)


# 15.2 chunked_grads(H, tiles, labels, lse)


@right("15.2")
def by_the_formula(H, tiles, labels, lse):
    """(p - onehot) / N, tile by tile."""
    N, rows = len(H), np.arange(len(H))
    dH, dW, start = np.zeros_like(H), [], 0
    for tile in tiles:
        G = np.exp(H @ tile.T - lse[:, None])
        here = (labels >= start) & (labels < start + len(tile))
        G[rows[here], labels[here] - start] -= 1
        G /= N
        dH += G @ tile
        dW.append(G.T @ H)
        start += len(tile)
    return dH, np.concatenate(dW)


@right("15.2")
def one_hot_compared(H, tiles, labels, lse):
    """The one-hot matrix by a comparison."""
    dH, dW, start = 0, [], 0
    for tile in tiles:
        classes = np.arange(start, start + len(tile))
        G = (np.exp(H @ tile.T - lse[:, None]) - (labels[:, None] == classes)) / len(H)
        dH = dH + G @ tile
        dW.extend(G.T @ H)
        start += len(tile)
    return dH, np.array(dW)


@right("15.2")
def torch_gradients(H, tiles, labels, lse):
    """torch."""
    h, z = torch.as_tensor(H), torch.as_tensor(lse)
    y = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    dH, parts, start = torch.zeros_like(h), [], 0
    for tile in tiles:
        w = torch.as_tensor(tile)
        G = torch.exp(h @ w.T - z[:, None])
        rows = torch.nonzero((y >= start) & (y < start + len(w)))[:, 0]
        G[rows, y[rows] - start] -= 1.0
        dH += G @ w
        parts.append(G.T @ h)
        start += len(w)
    return dH / len(h), torch.cat(parts) / len(h)


@right("15.2")
def autograd_on_copies(H, tiles, labels, lse):
    """Copies the tiles, and lets torch differentiate."""
    W = torch.tensor(np.concatenate([np.array(tile) for tile in tiles]), requires_grad=True)
    h = torch.tensor(H, requires_grad=True)
    y = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    loss = torch.nn.functional.cross_entropy(h @ W.T, y)
    return torch.autograd.grad(loss, [h, W])


@right("15.2")
def labels_at_the_end(H, tiles, labels, lse):
    """The softmax part tile by tile; the labels' part of dW at the end, by subtract.at."""
    dH, dW, start = np.zeros(H.shape), [], 0
    for tile in tiles:
        p = np.exp(H @ tile.T - lse[:, None])
        dH += p @ tile
        dW.append(p.T @ H)
        for i in np.flatnonzero((labels >= start) & (labels < start + len(tile))):
            dH[i] -= tile[labels[i] - start]
        start += len(tile)
    dW = np.vstack(dW)
    np.subtract.at(dW, labels, H)
    return dH / len(H), dW / len(H)


@right("15.2")
def loops_in_python(H, tiles, labels, lse):
    """Loops."""
    N, d = H.shape
    dH, dW, k = [[0.0] * d for _ in range(N)], [], 0
    for tile in tiles:
        for w in tile.tolist():
            row = [0.0] * d
            for i in range(N):
                h = H[i].tolist()
                x = sum(a * b for a, b in zip(h, w, strict=True))
                g = (math.exp(x - float(lse[i])) - (int(labels[i]) == k)) / N
                for j in range(d):
                    dH[i][j] += g * w[j]
                    row[j] += g * h[j]
            dW.append(row)
            k += 1
    return dH, dW


@right("15.2")
def einsum_and_lists(H, tiles, labels, lse):
    """einsum, the identity for the one-hot."""
    parts, start = [], 0
    for tile in tiles:
        n = len(tile)
        G = np.exp(np.einsum("nd,kd->nk", H, tile) - np.expand_dims(lse, 1))
        local = labels - start
        inside = (local >= 0) & (local < n)
        G = G - np.eye(n)[np.where(inside, local, 0)] * inside[:, None]
        parts.append((np.einsum("nk,kd->nd", G, tile), np.einsum("nk,nd->kd", G, H)))
        start += n
    dH, dW = zip(*parts, strict=True)
    return sum(dH) / len(H), np.concatenate(dW) / len(H)


def _grads(H, tiles, labels, lse, change=None, *, keep=None):
    """Return the gradients, with G or what is kept done otherwise."""
    dH, dW, start = np.zeros_like(H), [], 0
    for tile in tiles:
        x = H @ tile.T
        if change is None:
            G = np.exp(x - lse[:, None])
            here = np.flatnonzero((labels >= start) & (labels < start + len(tile)))
            G[here, labels[here] - start] -= 1
            G = G / len(H)
        else:
            G = change(x, start)
        dH = dH + G @ tile
        dW.append(G.T @ H)
        start += len(tile)
    return dH, np.concatenate(dW)


def _onehot(labels, start, n):
    """Return the tile's part of the one-hot matrix."""
    return (labels[:, None] == np.arange(start, start + n)).astype(float)


@wrong("15.2")
def softmax_of_each_tile(H, tiles, labels, lse):
    """lse not used."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (softmax(x, axis=1) - _onehot(labels, start, x.shape[1])) / len(H),
    )


@wrong("15.2")
def exp_over_exp(H, tiles, labels, lse):
    """exp(x) / exp(lse)."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (
            (np.exp(x) / np.exp(lse)[:, None] - _onehot(labels, start, x.shape[1])) / len(H)
        ),
    )


@wrong("15.2")
def exp_over_lse(H, tiles, labels, lse):
    """exp(x) / lse."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (np.exp(x) / lse[:, None] - _onehot(labels, start, x.shape[1])) / len(H),
    )


@wrong("15.2")
def logs_for_probabilities(H, tiles, labels, lse):
    """x - lse, not its exp."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (x - lse[:, None] - _onehot(labels, start, x.shape[1])) / len(H),
    )


@wrong("15.2")
def maximum_subtracted_as_well(H, tiles, labels, lse):
    """x - max - lse: shifted twice."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (
            (
                np.exp(x - x.max(axis=1, keepdims=True) - lse[:, None])
                - _onehot(labels, start, x.shape[1])
            )
            / len(H)
        ),
    )


@wrong("15.2")
def probabilities_alone(H, tiles, labels, lse):
    """No label."""
    return _grads(H, tiles, labels, lse, lambda x, start: np.exp(x - lse[:, None]) / len(H))


@wrong("15.2")
def labels_modulo(H, tiles, labels, lse):
    """labels % n: one in every tile."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (
            (np.exp(x - lse[:, None]) - np.eye(x.shape[1])[labels % x.shape[1]]) / len(H)
        ),
    )


@wrong("15.2")
def labels_clipped(H, tiles, labels, lse):
    """Clipped into the tile: one in every tile."""

    def change(x, start):
        local = np.clip(labels - start, 0, x.shape[1] - 1)
        return (np.exp(x - lse[:, None]) - np.eye(x.shape[1])[local]) / len(H)

    return _grads(H, tiles, labels, lse, change)


@wrong("15.2")
def labels_wrapped(H, tiles, labels, lse):
    """label < start + n is tested, label >= start is not."""

    def change(x, start):
        G = np.exp(x - lse[:, None])
        t, n = labels - start, x.shape[1]
        here = np.flatnonzero((t < n) & (t >= -n))
        G[here, t[here]] -= 1
        return G / len(H)

    return _grads(H, tiles, labels, lse, change)


@wrong("15.2")
def labels_not_moved(H, tiles, labels, lse):
    """The global label in the first columns of every tile."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (np.exp(x - lse[:, None]) - _onehot(labels, 0, x.shape[1])) / len(H),
    )


@wrong("15.2")
def labels_in_the_first_tile_only(H, tiles, labels, lse):
    """start is not advanced beyond 0 but for the first tile."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (
            (np.exp(x - lse[:, None]) - (start == 0) * _onehot(labels, 0, x.shape[1])) / len(H)
        ),
    )


@wrong("15.2")
def start_counts_the_tiles(H, tiles, labels, lse):
    """start += 1."""
    dH, dW = np.zeros_like(H), []
    for start, tile in enumerate(tiles):
        G = (np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile))) / len(H)
        dH += G @ tile
        dW.append(G.T @ H)
    return dH, np.concatenate(dW)


@wrong("15.2")
def equal_tiles(H, tiles, labels, lse):
    """start = k * n."""
    dH, dW = np.zeros_like(H), []
    for k, tile in enumerate(tiles):
        onehot = _onehot(labels, k * len(tile), len(tile))
        G = (np.exp(H @ tile.T - lse[:, None]) - onehot) / len(H)
        dH += G @ tile
        dW.append(G.T @ H)
    return dH, np.concatenate(dW)


@wrong("15.2")
def whole_rows_minus_one(H, tiles, labels, lse):
    """G[here] -= 1."""

    def change(x, start):
        here = (labels >= start) & (labels < start + x.shape[1])
        return (np.exp(x - lse[:, None]) - here[:, None]) / len(H)

    return _grads(H, tiles, labels, lse, change)


@wrong("15.2")
def slice_for_pairs(H, tiles, labels, lse):
    """G[:, local] -= 1: all rows, in the columns of all labels."""

    def change(x, start):
        G = np.exp(x - lse[:, None])
        here = (labels >= start) & (labels < start + x.shape[1])
        G[:, labels[here] - start] -= 1
        return G / len(H)

    return _grads(H, tiles, labels, lse, change)


@wrong("15.2")
def not_averaged(H, tiles, labels, lse):
    """The gradient of the sum."""
    dH, dW = _grads(H, tiles, labels, lse)
    return dH * len(H), dW * len(H)


@wrong("15.2")
def only_dw_averaged(H, tiles, labels, lse):
    """dH is of the sum, dW of the mean."""
    dH, dW = _grads(H, tiles, labels, lse)
    return dH * len(H), dW


@wrong("15.2")
def only_dh_averaged(H, tiles, labels, lse):
    """dW is of the sum, dH of the mean."""
    dH, dW = _grads(H, tiles, labels, lse)
    return dH, dW * len(H)


@wrong("15.2")
def probabilities_not_averaged(H, tiles, labels, lse):
    """p - onehot / N."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: np.exp(x - lse[:, None]) - _onehot(labels, start, x.shape[1]) / len(H),
    )


@wrong("15.2")
def averaged_over_all_entries(H, tiles, labels, lse):
    """Divided by N V."""
    dH, dW = _grads(H, tiles, labels, lse)
    return dH / len(dW), dW / len(dW)


@wrong("15.2")
def averaged_over_the_tile(H, tiles, labels, lse):
    """Each tile's G is divided by its number of classes."""
    return _grads(
        H,
        tiles,
        labels,
        lse,
        lambda x, start: (
            (np.exp(x - lse[:, None]) - _onehot(labels, start, x.shape[1])) / x.shape[1]
        ),
    )


@wrong("15.2")
def averaged_over_the_tile_s_rows(H, tiles, labels, lse):
    """Divided by the number of rows whose label is in the tile."""

    def change(x, start):
        onehot = _onehot(labels, start, x.shape[1])
        return (np.exp(x - lse[:, None]) - onehot) / max(onehot.sum(), 1)

    return _grads(H, tiles, labels, lse, change)


@wrong("15.2")
def rows_without_a_label_here_are_skipped(H, tiles, labels, lse):
    """Only the tile of the label gets a gradient."""

    def change(x, start):
        onehot = _onehot(labels, start, x.shape[1])
        return (np.exp(x - lse[:, None]) - onehot) * onehot.any(axis=1, keepdims=True) / len(H)

    return _grads(H, tiles, labels, lse, change)


@wrong("15.2")
def dh_of_the_last_tile(H, tiles, labels, lse):
    """dH = for dH +=."""
    dH, dW, start = np.zeros_like(H), [], 0
    for tile in tiles:
        G = (np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile))) / len(H)
        dH = G @ tile
        dW.append(G.T @ H)
        start += len(tile)
    return dH, np.concatenate(dW)


@wrong("15.2")
def dw_added_up(H, tiles, labels, lse):
    """dW += for the tiles' parts, or only the last part where they differ in length."""
    dH, dW, start = np.zeros_like(H), None, 0
    for tile in tiles:
        G = (np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile))) / len(H)
        dH += G @ tile
        part = G.T @ H
        dW = part if dW is None or dW.shape != part.shape else dW + part
        start += len(tile)
    return dH, dW


@wrong("15.2")
def dw_transposed(H, tiles, labels, lse):
    """(d, V)."""
    dH, dW = _grads(H, tiles, labels, lse)
    return dH, dW.T


@wrong("15.2")
def dw_of_the_last_tile_first(H, tiles, labels, lse):
    """The tiles' parts in reverse."""
    dH, parts, start = np.zeros_like(H), [], 0
    for tile in tiles:
        G = (np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile))) / len(H)
        dH += G @ tile
        parts.insert(0, G.T @ H)
        start += len(tile)
    return dH, np.concatenate(parts)


@wrong("15.2")
def order_swapped(H, tiles, labels, lse):
    """(dW, dH)."""
    return _grads(H, tiles, labels, lse)[::-1]


@wrong("15.2")
def uphill(H, tiles, labels, lse):
    """onehot - p."""
    dH, dW = _grads(H, tiles, labels, lse)
    return -dH, -dW


@wrong("15.2")
def only_dh(H, tiles, labels, lse):
    """dH alone."""
    return _grads(H, tiles, labels, lse)[0]


@wrong("15.2")
def tiles_listed(H, tiles, labels, lse):
    """list(tiles)."""
    W = np.concatenate(list(tiles))
    G = np.exp(H @ W.T - lse[:, None])
    G[np.arange(len(H)), labels] -= 1
    return G @ W / len(H), G.T @ H / len(H)


@wrong("15.2")
def dh_in_a_second_pass(H, tiles, labels, lse):
    """dW first; no tile is left for dH."""
    parts, start = [], 0
    for tile in tiles:
        G = (np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile))) / len(H)
        parts.append(G)
        start += len(tile)
    dH, start = np.zeros_like(H), 0
    for G, tile in zip(parts, tiles, strict=False):
        dH += G @ tile
    return dH, np.concatenate(parts, axis=1).T @ H


@wrong("15.2")
def tiles_kept_for_dh(H, tiles, labels, lse):
    """Keeps (G, tile) pairs, and multiplies at the end: every tile is the last."""
    pairs, start = [], 0
    for tile in tiles:
        G = (np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile))) / len(H)
        pairs.append((G, tile))
        start += len(tile)
    dH = sum(G @ tile for G, tile in pairs)
    return dH, np.concatenate([G.T @ H for G, _ in pairs])


@wrong("15.2")
def dw_written_over_the_tile(H, tiles, labels, lse):
    """The gradient goes into the buffer, and a view of it is kept."""
    dH, dW, start = np.zeros_like(H), [], 0
    for tile in tiles:
        G = (np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile))) / len(H)
        dH += G @ tile
        tile[:] = G.T @ H
        dW.append(tile)
        start += len(tile)
    return dH, np.concatenate(dW)


@wrong("15.2")
def lse_changed(H, tiles, labels, lse):
    """lse is reshaped and shifted in place."""
    lse += np.log(len(H))
    dH, dW, start = np.zeros_like(H), [], 0
    for tile in tiles:
        G = np.exp(H @ tile.T - lse[:, None]) - _onehot(labels, start, len(tile)) / len(H)
        dH += G @ tile
        dW.append(G.T @ H)
        start += len(tile)
    return dH, np.concatenate(dW)


# 15.3 shard_state(x, labels, start)


@right("15.3")
def maximum_deleted(x, labels, start):
    """The exponential of one maximum is set to 0."""
    rows, n = np.arange(len(x)), x.shape[1]
    j = x.argmax(axis=1)
    m = x[rows, j]
    e = np.exp(x - np.where(np.isinf(m), 0, m)[:, None])
    e[rows, j] = 0
    inside = (labels >= start) & (labels < start + n)
    target = np.where(inside, x[rows, np.where(inside, labels - start, 0)], 0)
    return np.stack([m, e.sum(axis=1), target], axis=1)


@right("15.3")
def sorted_rows(x, labels, start):
    """All but the last of each sorted row."""
    z = np.sort(x, axis=1)
    m = z[:, -1]
    with np.errstate(invalid="ignore"):
        rest = np.exp(z[:, :-1] - m[:, None]).sum(axis=1)
    state = np.zeros((len(x), 3))
    state[:, 0], state[:, 1] = m, np.where(m == -np.inf, 0, rest)
    here = np.flatnonzero((labels >= start) & (labels < start + x.shape[1]))
    state[here, 2] = x[here, labels[here] - start]
    return state


@right("15.3")
def row_by_row(x, labels, start):
    """Loops, and a list from which one maximum is removed."""
    out = []
    for row, label in zip(x.tolist(), labels.tolist(), strict=True):
        m = max(row)
        others = list(row)
        others.remove(m)
        rest = 0.0 if m == -math.inf else math.fsum(math.exp(v - m) for v in others)
        local = label - start
        out.append([m, rest, row[local] if 0 <= local < len(row) else 0.0])
    return np.array(out)


@right("15.3")
def torch_topk(x, labels, start):
    """torch: sort, gather."""
    t = torch.tensor(x)
    y = torch.as_tensor(np.asarray(labels), dtype=torch.int64) - start
    z = torch.sort(t, dim=1, descending=True).values
    m = z[:, 0]
    rest = torch.exp(z[:, 1:] - m[:, None]).nansum(dim=1)
    inside = (y >= 0) & (y < t.shape[1])
    target = t.gather(1, y.clamp(0, t.shape[1] - 1)[:, None])[:, 0]
    return torch.stack([m, rest, torch.where(inside, target, 0.0)], dim=1)


@right("15.3")
def masked_by_places(x, labels, start):
    """A mask of the places that are not the maximum's."""
    n = x.shape[1]
    classes = np.arange(n)
    m = x.max(axis=1, keepdims=True)
    other = classes != x.argmax(axis=1)[:, None]
    safe = np.where(np.isinf(m), 0, m)
    rest = np.sum(np.exp(x - safe), axis=1, where=other)
    target = np.where(labels[:, None] - start == classes, x, 0).sum(axis=1)
    return np.column_stack([m[:, 0], rest, target])


@right("15.3")
def partitioned(x, labels, start):
    """np.partition puts a maximum last."""
    z = np.partition(x, x.shape[1] - 1, axis=1)
    m = z[:, -1:]
    rest = np.where(np.isinf(m), 0, np.nan_to_num(np.exp(z[:, :-1] - m))).sum(axis=1)
    target = np.zeros(len(x))
    for i, label in enumerate(labels):
        if start <= label < start + x.shape[1]:
            target[i] = x[i, label - start]
    return np.c_[m, rest, target]


def _state(x, labels, start, *, rest=None, target=None, m=None):
    """Return the state with one of its three numbers made otherwise."""
    state = np.array(maximum_deleted(x, labels, start))
    if m is not None:
        state[:, 0] = m
    if rest is not None:
        state[:, 1] = rest
    if target is not None:
        state[:, 2] = target
    return state


def _shifted(x):
    """Return exp(x - m), 0 in a row of -inf."""
    m = x.max(axis=1, keepdims=True)
    return np.exp(x - np.where(np.isinf(m), 0, m))


@wrong("15.3")
def whole_sum(x, labels, start):
    """The maximum is not left out."""
    return _state(x, labels, start, rest=_shifted(x).sum(axis=1))


@wrong("15.3")
def one_taken_off(x, labels, start):
    """sum - 1: a small rest loses its digits."""
    return _state(x, labels, start, rest=np.maximum(_shifted(x).sum(axis=1) - 1, 0))


@wrong("15.3")
def all_maxima_left_out(x, labels, start):
    """x < m: ties are dropped."""
    e = _shifted(x)
    return _state(x, labels, start, rest=np.where(x < x.max(axis=1, keepdims=True), e, 0).sum(1))


@wrong("15.3")
def distinct_values(x, labels, start):
    """np.unique: ties count once."""
    rest = [
        np.exp(np.unique(row)[:-1] - row.max()).sum() if row.max() > -np.inf else 0 for row in x
    ]
    return _state(x, labels, start, rest=rest)


@wrong("15.3")
def maxima_replaced_by_infinity(x, labels, start):
    """The maxima become -inf before exp: ties are dropped as well."""
    m = x.max(axis=1, keepdims=True)
    z = np.where(x == m, -np.inf, x)
    rest = np.exp(z - np.where(np.isinf(m), 0, m)).sum(axis=1)
    return _state(x, labels, start, rest=rest)


@wrong("15.3")
def log_of_the_rest(x, labels, start):
    """log(rest)."""
    return _state(x, labels, start, rest=np.log(maximum_deleted(x, labels, start)[:, 1]))


@wrong("15.3")
def log_one_plus_rest(x, labels, start):
    """log1p(rest)."""
    return _state(x, labels, start, rest=np.log1p(maximum_deleted(x, labels, start)[:, 1]))


@wrong("15.3")
def log_sum_exp_for_m(x, labels, start):
    """The log-sum-exp for the maximum."""
    return _state(x, labels, start, m=logsumexp(x, axis=1))


@wrong("15.3")
def rest_not_shifted(x, labels, start):
    """exp(x) of the others."""
    z = np.sort(x, axis=1)
    return _state(x, labels, start, rest=np.exp(z[:, :-1]).sum(axis=1))


@wrong("15.3")
def shifted_by_the_second(x, labels, start):
    """The others are shifted by their own maximum."""
    z = np.sort(x, axis=1)[:, :-1]
    return _state(x, labels, start, rest=_shifted(z).sum(axis=1) if z.shape[1] else 0)


@wrong("15.3")
def maximum_of_all_rows(x, labels, start):
    """One maximum for the batch."""
    m = x.max()
    e = np.exp(x - m)
    e[np.arange(len(x)), x.argmax(axis=1)] = 0
    return _state(x, labels, start, rest=e.sum(axis=1), m=m)


@wrong("15.3")
def maximum_at_least_zero(x, labels, start):
    """m starts at 0."""
    m = np.maximum(x.max(axis=1), 0)
    e = np.exp(x - m[:, None])
    e[np.arange(len(x)), x.argmax(axis=1)] = 0
    return _state(x, labels, start, rest=e.sum(axis=1), m=m)


@wrong("15.3")
def dead_shard_not_handled(x, labels, start):
    """-inf - (-inf) is NaN."""
    z = np.sort(x, axis=1)
    return _state(x, labels, start, rest=np.exp(z[:, :-1] - z[:, -1:]).sum(axis=1))


@wrong("15.3")
def dead_shard_at_zero(x, labels, start):
    """A row of -inf has m = 0."""
    m = x.max(axis=1)
    return _state(x, labels, start, m=np.where(np.isinf(m), 0, m))


@wrong("15.3")
def dead_shard_at_a_finite_number(x, labels, start):
    """A row of -inf has the smallest finite number."""
    return _state(x, labels, start, m=np.nan_to_num(x.max(axis=1)))


@wrong("15.3")
def dead_shard_counts_one(x, labels, start):
    """exp(nan -> 0) of a row of -inf: every class counts 1."""
    z = np.sort(x, axis=1)
    rest = np.exp(np.nan_to_num(z[:, :-1] - z[:, -1:])).sum(axis=1)
    return _state(x, labels, start, rest=rest)


@wrong("15.3")
def label_of_all_shards(x, labels, start):
    """x[row, label], start forgotten."""
    n = x.shape[1]
    target = np.where(labels < n, x[np.arange(len(x)), np.minimum(labels, n - 1)], 0)
    return _state(x, labels, start, target=target)


@wrong("15.3")
def label_of_all_shards_raises(x, labels, start):
    """The same without a look at n: an IndexError."""
    return _state(x, labels, start, target=x[np.arange(len(x)), labels])


@wrong("15.3")
def moved_label_raises(x, labels, start):
    """x[row, label - start] for all labels."""
    return _state(x, labels, start, target=x[np.arange(len(x)), labels - start])


@wrong("15.3")
def negative_index(x, labels, start):
    """label - start < n is tested, and negative ones wrap."""
    n = x.shape[1]
    t = labels - start
    inside = (t < n) & (t >= -n)
    target = np.where(inside, x[np.arange(len(x)), np.where(inside, t, 0)], 0)
    return _state(x, labels, start, target=target)


@wrong("15.3")
def modulo(x, labels, start):
    """label % n."""
    return _state(x, labels, start, target=x[np.arange(len(x)), labels % x.shape[1]])


@wrong("15.3")
def moved_modulo(x, labels, start):
    """(label - start) % n."""
    return _state(x, labels, start, target=x[np.arange(len(x)), (labels - start) % x.shape[1]])


@wrong("15.3")
def clipped(x, labels, start):
    """Clipped to the shard, not masked."""
    t = np.clip(labels - start, 0, x.shape[1] - 1)
    return _state(x, labels, start, target=x[np.arange(len(x)), t])


@wrong("15.3")
def masked_labels_as_zero(x, labels, start):
    """Megatron's masked label 0, and the logit not masked afterwards."""
    t = np.where((labels < start) | (labels >= start + x.shape[1]), 0, labels - start)
    return _state(x, labels, start, target=x[np.arange(len(x)), t])


@wrong("15.3")
def one_hot_times_logits(x, labels, start):
    """0 * -inf is NaN."""
    onehot = labels[:, None] == np.arange(start, start + x.shape[1])
    return _state(x, labels, start, target=(x * onehot).sum(axis=1))


@wrong("15.3")
def first_class_missed(x, labels, start):
    """label > start."""
    n = x.shape[1]
    inside = (labels > start) & (labels < start + n)
    target = np.where(inside, x[np.arange(len(x)), np.where(inside, labels - start, 0)], 0)
    return _state(x, labels, start, target=target)


@wrong("15.3")
def last_class_missed(x, labels, start):
    """label < start + n - 1."""
    n = x.shape[1]
    inside = (labels >= start) & (labels < start + n - 1)
    target = np.where(inside, x[np.arange(len(x)), np.where(inside, labels - start, 0)], 0)
    return _state(x, labels, start, target=target)


@wrong("15.3")
def target_minus_the_maximum(x, labels, start):
    """x_y - m."""
    s = maximum_deleted(x, labels, start)
    inside = (labels >= start) & (labels < start + x.shape[1])
    return _state(x, labels, start, target=np.where(inside, s[:, 2] - s[:, 0], 0))


@wrong("15.3")
def minus_infinity_where_absent(x, labels, start):
    """-inf for a label on another shard."""
    s = maximum_deleted(x, labels, start)
    inside = (labels >= start) & (labels < start + x.shape[1])
    return _state(x, labels, start, target=np.where(inside, s[:, 2], -np.inf))


@wrong("15.3")
def nan_where_absent(x, labels, start):
    """NaN for a label on another shard."""
    s = maximum_deleted(x, labels, start)
    inside = (labels >= start) & (labels < start + x.shape[1])
    return _state(x, labels, start, target=np.where(inside, s[:, 2], np.nan))


@wrong("15.3")
def exp_of_the_target(x, labels, start):
    """The label's shifted exponential."""
    inside = (labels >= start) & (labels < start + x.shape[1])
    e = _shifted(x)[np.arange(len(x)), np.where(inside, labels - start, 0)]
    return _state(x, labels, start, target=np.where(inside, e, 0))


@wrong("15.3")
def target_left_out(x, labels, start):
    """The label's exponential is left out of the rest, not the maximum's."""
    inside = (labels >= start) & (labels < start + x.shape[1])
    e = _shifted(x)
    e[np.flatnonzero(inside), (labels - start)[inside]] = 0
    return _state(x, labels, start, rest=e.sum(axis=1))


@wrong("15.3")
def state_transposed(x, labels, start):
    """(3, N)."""
    return maximum_deleted(x, labels, start).T


@wrong("15.3")
def columns_in_another_order(x, labels, start):
    """rest, m, x_y."""
    return maximum_deleted(x, labels, start)[:, [1, 0, 2]]


@wrong("15.3")
def overwrites_the_logits(x, labels, start):
    """x -= m."""
    s = maximum_deleted(x, labels, start)
    x -= x.max(axis=1, keepdims=True)
    return s


# 15.4 merge_states(states)


@right("15.4")
def winner_and_rest(states):
    """The other shards' maxima count as exp(m - M), the winner's rest as it is."""
    m, rest, target = states[..., 0], states[..., 1], states[..., 2].sum(axis=0)
    rows = np.arange(states.shape[1])
    w = m.argmax(axis=0)
    top = m[w, rows]
    terms = (1 + rest) * np.exp(m - top)
    terms[w, rows] = rest[w, rows]
    return np.log1p(terms.sum(axis=0)) + (top - target)


@right("15.4")
def merged_in_turn(states):
    """Two states at a time."""

    def merge(a, b):
        swap = a[:, 0] < b[:, 0]
        hi, lo = np.where(swap[:, None], b, a), np.where(swap[:, None], a, b)
        f = np.exp(lo[:, 0] - hi[:, 0])
        f = np.where(lo[:, 0] == -np.inf, 0.0, f)
        rest = hi[:, 1] + f * (1 + lo[:, 1])
        return np.stack([hi[:, 0], rest, a[:, 2] + b[:, 2]], axis=1)

    s = functools.reduce(merge, states)
    return np.log1p(s[:, 1]) + (s[:, 0] - s[:, 2])


@right("15.4")
def sorted_shards(states):
    """Shards sorted by their maxima, row by row."""
    out = []
    for row in states.transpose(1, 0, 2):
        s = row[np.argsort(row[:, 0])[::-1]]
        rest = s[0, 1] + np.sum(np.exp(s[1:, 0] - s[0, 0]) * (1 + s[1:, 1]))
        out.append(math.log1p(rest) + (s[0, 0] - row[:, 2].sum()))
    return np.array(out)


@right("15.4")
def torch_merge(states):
    """torch."""
    t = torch.tensor(states, dtype=torch.float64)
    m, rest = t[..., 0], t[..., 1]
    top, w = m.max(dim=0)
    one = torch.ones_like(m).scatter_(0, w[None], 0.0)
    total = ((one + rest) * torch.exp(m - top)).sum(dim=0)
    return torch.log1p(total) + (top - t[..., 2].sum(dim=0))


@right("15.4")
def in_decimals(states):
    """Sixty digits."""
    out = []
    with localcontext() as context:
        context.prec = 60
        for i in range(states.shape[1]):
            rows = [[Decimal(float(v)) for v in s[i]] for s in states if s[i, 0] > -np.inf]
            total = sum(m.exp() * (1 + rest) for m, rest, _ in rows)
            target = sum(Decimal(float(s[i, 2])) for s in states)
            out.append(float(total.ln() - target))
    return np.array(out)


@right("15.4")
def loops_over_shards(states):
    """Plain Python, the winner found first."""
    R, N, _ = states.shape
    out = np.empty(N)
    for i in range(N):
        w = max(range(R), key=lambda r: states[r, i, 0])
        top = float(states[w, i, 0])
        rest = float(states[w, i, 1])
        for r in range(R):
            if r != w and states[r, i, 0] > -math.inf:
                rest += math.exp(float(states[r, i, 0]) - top) * (1 + float(states[r, i, 1]))
        out[i] = math.log1p(rest) + (top - math.fsum(states[:, i, 2].tolist()))
    return out


def _parts(states):
    """Return the maxima, rests, the label's logits, the largest maximum and its shard."""
    m, rest = states[..., 0], states[..., 1]
    return m, rest, states[..., 2].sum(axis=0), m.max(axis=0), m.argmax(axis=0)


def _rest(states):
    """Return the rest of all shards."""
    m, rest, _, top, w = _parts(states)
    terms = (1 + rest) * np.exp(m - top)
    terms[w, np.arange(len(w))] = rest[w, np.arange(len(w))]
    return terms.sum(axis=0)


@wrong("15.4")
def own_maxima_added(states):
    """Sums of different maxima."""
    m, rest, target, top, _ = _parts(states)
    return np.log((1 + rest).sum(axis=0)) + (top - target)


@wrong("15.4")
def rests_not_rescaled(states):
    """The other shards' sums count as they are."""
    m, rest, target, top, w = _parts(states)
    terms = np.where(np.isinf(m), 0, 1 + rest)
    terms[w, np.arange(len(w))] -= 1
    return np.log1p(terms.sum(axis=0)) + (top - target)


@wrong("15.4")
def maxima_of_the_others_lost(states):
    """rest * exp(m - M), without their own maxima."""
    m, rest, target, top, _ = _parts(states)
    return np.log1p((rest * np.exp(m - top)).sum(axis=0)) + (top - target)


@wrong("15.4")
def the_largest_of_everything(states):
    """One maximum for the batch: the row 2000 below it has no sum left."""
    top = np.max(states[..., 0])
    total = sum(np.exp(s[:, 0] - top) * (1.0 + s[:, 1]) for s in states)
    return np.log(total) + top - states[..., 2].sum(axis=0)


@wrong("15.4")
def winner_counted_twice(states):
    """log1p of the whole sum, in which the maximum is already."""
    m, rest, target, top, _ = _parts(states)
    return np.log1p(((1 + rest) * np.exp(m - top)).sum(axis=0)) + (top - target)


@wrong("15.4")
def every_winner_left_out(states):
    """m == M: of two equal maxima both are left out."""
    m, rest, target, top, _ = _parts(states)
    terms = np.where(m == top, rest, (1 + rest) * np.exp(m - top))
    return np.log1p(terms.sum(axis=0)) + (top - target)


@wrong("15.4")
def log_of_the_sum(states):
    """log of 1 + rest: a small loss is 0."""
    m, rest, target, top, _ = _parts(states)
    return np.log(((1 + rest) * np.exp(m - top)).sum(axis=0)) + (top - target)


@wrong("15.4")
def one_subtracted(states):
    """log1p(sum - 1)."""
    m, rest, target, top, _ = _parts(states)
    return np.log1p(((1 + rest) * np.exp(m - top)).sum(axis=0) - 1) + (top - target)


@wrong("15.4")
def log_sum_exp_less_target(states):
    """(M + log1p(rest)) - x_y: the small loss is swallowed by M."""
    _, _, target, top, _ = _parts(states)
    return (top + np.log1p(_rest(states))) - target


@wrong("15.4")
def logaddexp_of_shards(states):
    """logsumexp of the shards' log-sum-exps."""
    m, rest, target, _, _ = _parts(states)
    return logsumexp(m + np.log1p(rest), axis=0) - target


@wrong("15.4")
def minus_log_of_p(states):
    """-log(exp(x_y - M) / sum)."""
    m, rest, target, top, _ = _parts(states)
    p = np.exp(target - top) / ((1 + rest) * np.exp(m - top)).sum(axis=0)
    return -np.log(p)


@wrong("15.4")
def first_shard_wins(states):
    """Shard 0 is taken for the winner."""
    m, rest, target, _, _ = _parts(states)
    terms = (1 + rest) * np.exp(m - m[0])
    terms[0] = rest[0]
    return np.log1p(terms.sum(axis=0)) + (m[0] - target)


@wrong("15.4")
def last_shard_wins(states):
    """The last one is."""
    m, rest, target, _, _ = _parts(states)
    terms = (1 + rest) * np.exp(m - m[-1])
    terms[-1] = rest[-1]
    return np.log1p(terms.sum(axis=0)) + (m[-1] - target)


@wrong("15.4")
def only_the_largest_shard(states):
    """The others are thrown away."""
    _, rest, target, top, w = _parts(states)
    return np.log1p(rest[w, np.arange(len(w))]) + (top - target)


@wrong("15.4")
def only_the_label_s_shard(states):
    """The loss of the shard whose target is not 0."""
    k = np.abs(states[..., 2]).argmax(axis=0)
    s = states[k, np.arange(states.shape[1])]
    return np.log1p(s[:, 1]) + (s[:, 0] - s[:, 2])


@wrong("15.4")
def not_shifted_exp(states):
    """exp(m) as it stands."""
    m, rest, target, _, _ = _parts(states)
    return np.log((np.exp(m) * (1 + rest)).sum(axis=0)) - target


@wrong("15.4")
def one_maximum_for_all_the_rows(states):
    """The largest maximum of the whole array."""
    m, rest, target, _, _ = _parts(states)
    top = m.max()
    return np.log(((1 + rest) * np.exp(m - top)).sum(axis=0)) + (top - target)


@wrong("15.4")
def upside_down(states):
    """exp(M - m)."""
    m, rest, target, top, w = _parts(states)
    terms = (1 + rest) * np.exp(np.where(np.isinf(m), 0, top - m)) * ~np.isinf(m)
    terms[w, np.arange(len(w))] = rest[w, np.arange(len(w))]
    return np.log1p(terms.sum(axis=0)) + (top - target)


@wrong("15.4")
def mean_of_shards(states):
    """The mean of the log-sum-exps, of the shards that live."""
    m, rest, target, _, _ = _parts(states)
    lse = np.where(np.isinf(m), np.nan, m + np.log1p(rest))
    return np.nanmean(lse, axis=0) - target


@wrong("15.4")
def sum_of_shards(states):
    """The sum of the log-sum-exps."""
    m, rest, target, _, _ = _parts(states)
    return np.where(np.isinf(m), 0, m + np.log1p(rest)).sum(axis=0) - target


@wrong("15.4")
def largest_of_the_lses(states):
    """The largest log-sum-exp."""
    m, rest, target, _, _ = _parts(states)
    return (m + np.log1p(rest)).max(axis=0) - target


@wrong("15.4")
def averaged_over_shards(states):
    """Too small by log R, as for a mean of exponentials."""
    _, _, target, top, _ = _parts(states)
    return np.log1p(_rest(states)) + (top - target) - np.log(len(states))


@wrong("15.4")
def largest_target(states):
    """max for the target: 0 where it is negative."""
    _, _, _, top, _ = _parts(states)
    return np.log1p(_rest(states)) + (top - states[..., 2].max(axis=0))


@wrong("15.4")
def mean_target(states):
    """The mean of the targets."""
    _, _, _, top, _ = _parts(states)
    return np.log1p(_rest(states)) + (top - states[..., 2].mean(axis=0))


@wrong("15.4")
def target_of_the_winner(states):
    """The target of the shard with the largest maximum."""
    _, _, _, top, w = _parts(states)
    return np.log1p(_rest(states)) + (top - states[w, np.arange(len(w)), 2])


@wrong("15.4")
def target_of_the_first_shard(states):
    """The target of shard 0."""
    _, _, _, top, _ = _parts(states)
    return np.log1p(_rest(states)) + (top - states[0, :, 2])


@wrong("15.4")
def target_forgotten(states):
    """The log-sum-exp."""
    _, _, _, top, _ = _parts(states)
    return np.log1p(_rest(states)) + top


@wrong("15.4")
def maximum_forgotten(states):
    """log1p(rest) alone: right where the label is the maximum."""
    return np.log1p(_rest(states))


@wrong("15.4")
def sum_forgotten(states):
    """M - x_y."""
    _, _, target, top, _ = _parts(states)
    return top - target


@wrong("15.4")
def log_probabilities(states):
    """The sign."""
    return -winner_and_rest(states)


@wrong("15.4")
def mean_of_the_rows(states):
    """One number."""
    return winner_and_rest(states).mean()


@wrong("15.4")
def loss_a_shard(states):
    """(R, N)."""
    return np.log1p(states[..., 1]) + (states[..., 0] - states[..., 2].sum(axis=0))


@wrong("15.4")
def along_the_rows(states):
    """axis = 1: the rows are merged."""
    m, rest, target = states[..., 0], states[..., 1], states[..., 2].sum(axis=1)
    top = m.max(axis=1)
    return np.log(((1 + rest) * np.exp(m - top[:, None])).sum(axis=1)) + top - target


@wrong("15.4")
def dead_shards_shifted(states):
    """A running merge that starts at -inf: -inf - (-inf) is NaN."""
    m, s = np.full(states.shape[1], -np.inf), np.zeros(states.shape[1])
    for a, rest, _ in states.transpose(0, 2, 1):
        new = np.maximum(m, a)
        s = s * np.exp(m - new) + (1 + rest) * np.exp(a - new)
        m = new
    return np.log1p(s - 1) + (m - states[..., 2].sum(axis=0))


# 15.5 smoothed_loss(states, n, eps)


def _lse(states):
    """Return the log-sum-exp of all shards."""
    m = states[..., 0]
    top = m.max(axis=0)
    return top + np.log(((1 + states[..., 1]) * np.exp(m - top)).sum(axis=0))


@right("15.5")
def one_formula(states, n, eps):
    """LSE - (1 - eps) x_y - eps mean(x)."""
    target, total = states[..., 2].sum(axis=0), states[..., 3].sum(axis=0)
    return _lse(states) - (1 - eps) * target - eps * total / n


@right("15.5")
def two_losses_mixed(states, n, eps):
    """(1 - eps) times the loss and eps times the mean of -log p."""
    lse = logsumexp(states[..., 0] + np.log1p(states[..., 1]), axis=0)
    nll = lse - states[..., 2].sum(axis=0)
    even = lse - states[..., 3].sum(axis=0) / n
    return (1 - eps) * nll + eps * even


@right("15.5")
def differences_from_the_maximum(states, n, eps):
    """The maximum is taken off every term."""
    m, rest, target, total = np.moveaxis(states, -1, 0)
    top = m.max(axis=0)
    log_s = np.log(np.sum((rest + 1) * np.exp(m - top), axis=0))
    return log_s + (1 - eps) * (top - target.sum(axis=0)) + eps * (top - total.sum(axis=0) / n)


@right("15.5")
def torch_smoothing(states, n, eps):
    """torch."""
    t = torch.tensor(states)
    lse = torch.logsumexp(t[..., 0] + torch.log1p(t[..., 1]), dim=0)
    _, _, target, total = t.sum(dim=0).unbind(dim=-1)
    return lse - torch.lerp(target, total / n, float(eps))


@right("15.5")
def shard_after_shard(states, n, eps):
    """Loops."""
    out = []
    for i in range(states.shape[1]):
        m, s, target, total = -math.inf, 0.0, 0.0, 0.0
        for shard in states:
            a, rest, t, u = map(float, shard[i])
            new = max(m, a)
            s = s * math.exp(m - new) + (1 + rest) * math.exp(a - new)
            m, target, total = new, target + t, total + u
        out.append(m + math.log(s) - (1 - eps) * target - eps * total / n)
    return out


@right("15.5")
def logaddexp_and_weights(states, n, eps):
    """The target's weights, 1 - eps + eps / n on the label and eps / n on each other class."""
    lse = np.logaddexp.reduce(states[..., 0] + np.log1p(states[..., 1]), axis=0)
    target, total = states[..., 2].sum(axis=0), states[..., 3].sum(axis=0)
    return lse - (1 - eps + eps / n) * target - eps / n * (total - target)


def _smoothed(states, n, eps, *, lse=None, target=None, mean=None):
    """Return the loss with one of its parts made otherwise."""
    lse = _lse(states) if lse is None else lse
    target = states[..., 2].sum(axis=0) if target is None else target
    mean = states[..., 3].sum(axis=0) / n if mean is None else mean
    return lse - (1 - eps) * target - eps * mean


@wrong("15.5")
def eps_ignored(states, n, eps):
    """The plain loss."""
    return _smoothed(states, n, 0.0)


@wrong("15.5")
def first_shard_s_mean(states, n, eps):
    """Shard 0's sum over its own share of n."""
    return _smoothed(states, n, eps, mean=states[0, :, 3] / (n / len(states)))


@wrong("15.5")
def first_shard_s_sum(states, n, eps):
    """Shard 0's sum over n."""
    return _smoothed(states, n, eps, mean=states[0, :, 3] / n)


@wrong("15.5")
def losses_of_each_shard(states, n, eps):
    """(R, N), each with the mean of its own shard."""
    return _smoothed(states, n, eps, mean=states[..., 3] / (n / len(states)))


@wrong("15.5")
def label_s_shard_s_mean(states, n, eps):
    """The mean of the shard that holds the label."""
    k = np.abs(states[..., 2]).argmax(axis=0)
    total = states[k, np.arange(states.shape[1]), 3]
    return _smoothed(states, n, eps, mean=total / (n / len(states)))


@wrong("15.5")
def share_of_n(states, n, eps):
    """The whole sum over n / R."""
    return _smoothed(states, n, eps, mean=states[..., 3].sum(axis=0) / (n / len(states)))


@wrong("15.5")
def mean_over_shards_of_sums(states, n, eps):
    """The mean of the shards' sums, over n."""
    return _smoothed(states, n, eps, mean=states[..., 3].mean(axis=0) / n)


@wrong("15.5")
def others_only(states, n, eps):
    """eps / (n - 1) on each other class."""
    target, total = states[..., 2].sum(axis=0), states[..., 3].sum(axis=0)
    return _lse(states) - (1 - eps) * target - eps * (total - target) / (n - 1)


@wrong("15.5")
def eps_n_over_n_minus_1(states, n, eps):
    """Megatron's factor, eps n / (n - 1)."""
    return _smoothed(states, n, eps * n / (n - 1))


@wrong("15.5")
def eps_n_minus_1_over_n(states, n, eps):
    """The factor upside down."""
    return _smoothed(states, n, eps * (n - 1) / n)


@wrong("15.5")
def shares_over_n_minus_1(states, n, eps):
    """eps / (n - 1) on every class, the label included."""
    return _smoothed(states, n, eps, mean=states[..., 3].sum(axis=0) / (n - 1))


@wrong("15.5")
def sum_for_mean(states, n, eps):
    """eps times the sum of the logits."""
    return _smoothed(states, n, eps, mean=states[..., 3].sum(axis=0))


@wrong("15.5")
def sum_of_losses(states, n, eps):
    """(1 - eps) times the loss, plus eps times the sum of -log p."""
    lse = _lse(states)
    return (1 - eps) * (lse - states[..., 2].sum(axis=0)) + eps * (
        n * lse - states[..., 3].sum(axis=0)
    )


@wrong("15.5")
def not_taken_from_the_label(states, n, eps):
    """The loss plus eps times the mean of -log p."""
    lse = _lse(states)
    return lse - states[..., 2].sum(axis=0) + eps * (lse - states[..., 3].sum(axis=0) / n)


@wrong("15.5")
def mean_subtracted_from_the_whole_loss(states, n, eps):
    """LSE - x_y - eps mean(x)."""
    return _lse(states) - states[..., 2].sum(axis=0) - eps * states[..., 3].sum(axis=0) / n


@wrong("15.5")
def roles_swapped(states, n, eps):
    """eps on the label."""
    return _smoothed(states, n, 1 - eps)


@wrong("15.5")
def lse_weighted(states, n, eps):
    """(1 - eps) LSE."""
    return _smoothed(states, n, eps, lse=(1 - eps) * _lse(states))


@wrong("15.5")
def lse_twice(states, n, eps):
    """The even part subtracts its LSE once more."""
    return _smoothed(states, n, eps, lse=(1 + eps) * _lse(states))


@wrong("15.5")
def even_part_without_lse(states, n, eps):
    """(1 - eps) times the loss, minus eps times the mean logit."""
    return (1 - eps) * (_lse(states) - states[..., 2].sum(axis=0)) - eps * states[..., 3].sum(
        axis=0
    ) / n


@wrong("15.5")
def sign_of_the_mean(states, n, eps):
    """+ eps mean(x)."""
    return _smoothed(states, n, eps, mean=-states[..., 3].sum(axis=0) / n)


@wrong("15.5")
def mean_of_lses(states, n, eps):
    """The mean of the shards' log-sum-exps."""
    return _smoothed(states, n, eps, lse=(states[..., 0] + np.log1p(states[..., 1])).mean(axis=0))


@wrong("15.5")
def sum_of_lses(states, n, eps):
    """Their sum."""
    return _smoothed(states, n, eps, lse=(states[..., 0] + np.log1p(states[..., 1])).sum(axis=0))


@wrong("15.5")
def largest_lse(states, n, eps):
    """Their maximum."""
    return _smoothed(states, n, eps, lse=(states[..., 0] + np.log1p(states[..., 1])).max(axis=0))


@wrong("15.5")
def sums_with_their_own_maxima(states, n, eps):
    """Not rescaled."""
    lse = states[..., 0].max(axis=0) + np.log((1 + states[..., 1]).sum(axis=0))
    return _smoothed(states, n, eps, lse=lse)


@wrong("15.5")
def maxima_lost(states, n, eps):
    """rest for 1 + rest in all shards but one."""
    m = states[..., 0]
    top = m.max(axis=0)
    lse = top + np.log1p((states[..., 1] * np.exp(m - top)).sum(axis=0))
    return _smoothed(states, n, eps, lse=lse)


@wrong("15.5")
def one_left_out(states, n, eps):
    """log of the rests: no maximum at all."""
    m = states[..., 0]
    top = m.max(axis=0)
    lse = top + np.log((states[..., 1] * np.exp(m - top)).sum(axis=0))
    return _smoothed(states, n, eps, lse=lse)


@wrong("15.5")
def one_too_many(states, n, eps):
    """log1p of the whole sum."""
    m = states[..., 0]
    top = m.max(axis=0)
    lse = top + np.log1p(((1 + states[..., 1]) * np.exp(m - top)).sum(axis=0))
    return _smoothed(states, n, eps, lse=lse)


@wrong("15.5")
def exp_overflows(states, n, eps):
    """exp(m)."""
    lse = np.log((np.exp(states[..., 0]) * (1 + states[..., 1])).sum(axis=0))
    return _smoothed(states, n, eps, lse=lse)


@wrong("15.5")
def one_shift_for_the_batch(states, n, eps):
    """One maximum for all rows."""
    m = states[..., 0]
    lse = m.max() + np.log(((1 + states[..., 1]) * np.exp(m - m.max())).sum(axis=0))
    return _smoothed(states, n, eps, lse=lse)


@wrong("15.5")
def largest_target_of_shards(states, n, eps):
    """max for the target."""
    return _smoothed(states, n, eps, target=states[..., 2].max(axis=0))


@wrong("15.5")
def mean_of_targets(states, n, eps):
    """The mean of the targets."""
    return _smoothed(states, n, eps, target=states[..., 2].mean(axis=0))


@wrong("15.5")
def mean_of_the_losses(states, n, eps):
    """One number."""
    return _smoothed(states, n, eps).mean()


@wrong("15.5")
def smoothed_likelihood(states, n, eps):
    """The sign."""
    return -_smoothed(states, n, eps)


@wrong("15.5")
def mean_of_shards_losses(states, n, eps):
    """The mean over the shards of what each computes with its own mean and sum."""
    lse = states[..., 0] + np.log1p(states[..., 1])
    loss = lse - (1 - eps) * states[..., 2] - eps * states[..., 3] / (n / len(states))
    return loss.mean(axis=0)
