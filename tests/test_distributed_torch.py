"""Shards on real processes: exact values, bits, gradients by finite differences, bad input."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import distributed, kernels, oracle, ranks
from tests.on_ranks import by_value_and_nothing_left_behind  # noqa: F401 - a fixture

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.processes

INF, NAN = math.inf, math.nan
# Classes a shard, eight together; one shard is empty.
SIZES = [
    pytest.param((5, 3), id="2 ranks"),
    pytest.param((1, 0, 7), id="3 ranks", marks=pytest.mark.slow),
    pytest.param((2, 2, 1, 3), id="4 ranks", marks=pytest.mark.slow),
]
FUNCTIONS = ("logsumexp", "softmax", "log_softmax")


def run(worker, shards, *common):
    """Give ranks that succeed all the time that a busy machine may need."""
    return ranks.run(worker, shards, *common, seconds=100)


def cut(x, sizes):
    """Return, of each shard, its first class and its logits."""
    ends = np.cumsum([0, *sizes])
    return [(int(a), x[..., int(a) : int(b)]) for a, b in itertools.pairwise(ends)]


def everything(shard, labels, tile=None, label_smoothing=0.0):
    """Return what the four functions say of a shard."""
    from helpers import distributed

    start, x = shard
    found = {name: getattr(distributed, name)(x, tile=tile) for name in FUNCTIONS}
    found["cross_entropy"] = distributed.cross_entropy(
        x, labels, start, reduction="none", label_smoothing=label_smoothing, tile=tile
    )
    return found


def one_loss(shard, labels, tile):
    from helpers import distributed

    start, x = shard
    return distributed.cross_entropy(x, labels, start, reduction="none", tile=tile)


def whole(found):
    """Put the ranks' parts together, after a look whether they agree on what they share."""
    for name in ("logsumexp", "cross_entropy"):
        assert all(same_bits(one[name], found[0][name]) for one in found)
    parts = {name: torch.cat([one[name] for one in found], -1) for name in FUNCTIONS[1:]}
    return {**found[0], **parts}


def bits(a):
    return a.contiguous().reshape(-1).view(torch.uint8)


def same_bits(a, b):
    return a.dtype == b.dtype and bool((bits(a) == bits(b)).all())


def hard_rows(dtype):
    """Return rows of eight logits that go wrong easily, and a label for each."""
    rng = np.random.default_rng(0)
    rows = [
        *rng.normal(size=(4, 8)),
        *(1000 * rng.normal(size=(4, 8))),
        *(rng.integers(0, 3, (4, 8)) + 500.0),  # ties within shards and across
        [0, -20, -20, -20, -20, -20, -20, -20],  # the largest on the first shard, on the last
        [-20, -20, -21, -22, -20, -20, -23, 0],
        [0, -40, -41, -42, -43, -44, -45, -46],
        [-46.25, -45, -44, -43.5, -42, -41, -40, 0.125],
        [7, -70, -75, -77, -78, -79, -80, -81],
        [-1e4, -1e4 - 1, -1e4 - 2, -1e4, -1e4, -1e4 - 3, -1e4, -1e4],
        [-INF, -INF, -INF, -INF, -INF, 1, 2, 3],  # a shard with nothing in it
        [-INF, 1, -INF, -INF, -INF, -INF, -INF, -INF],
    ]
    x = torch.tensor(np.array(rows)).to(dtype)
    labels = x.double().argmax(-1)  # the small losses
    labels[::3] = torch.tensor(rng.integers(5, 8, len(labels[::3])))
    return x, labels


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_values_are_exact_to_a_few_ulp(sizes, dtype):
    x, labels = hard_rows(dtype)
    found = whole(run(everything, cut(x, sizes), labels))
    exact = {name: getattr(oracle, name)(x) for name in FUNCTIONS}
    exact["cross_entropy"] = oracle.cross_entropy(x, labels.numpy(), reduction="none")
    for name, values in found.items():
        assert values.dtype == dtype
        errors = oracle.ulp_error(values.double().numpy(), exact[name], str(dtype).split(".")[1])
        assert np.nanmax(errors) <= 8, (name, errors)


@pytest.mark.parametrize("sizes", SIZES)
def test_infinities_and_nan_as_kernels_have_them_of_whole_rows(sizes):
    for bad in ([-INF] * 8, [INF] + [1.0] * 7, [1.0] * 7 + [INF], [NAN] + [1.0] * 7):
        x = torch.tensor([bad, [0.0, 1, 2, 3, 4, 5, 6, 7]], dtype=torch.float64)
        for rows in (x, torch.flip(x, [1])):
            labels = torch.tensor([1, 1])
            found = whole(run(everything, cut(rows, sizes), labels))
            for name in FUNCTIONS:
                expected = getattr(kernels, name)(rows)
                assert torch.allclose(found[name], expected, rtol=1e-14, equal_nan=True), name
            expected = kernels.cross_entropy(rows, labels, reduction="none")
            assert torch.allclose(found["cross_entropy"], expected, rtol=1e-14, equal_nan=True)


def test_a_masked_label_costs_infinity():
    x = torch.tensor([[0.0, -INF, 1.0, 2.0]])
    found = whole(run(everything, cut(x, (2, 2)), torch.tensor([1])))
    assert found["cross_entropy"].tolist() == [INF]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rows", [1, 33])
def test_the_same_tile_gives_the_same_bits_for_every_number_of_ranks(dtype, rows):
    rng = np.random.default_rng(1)
    x = torch.tensor(10 * rng.normal(size=(rows, 2000))).to(dtype)
    x[:, 300:700] = -INF
    labels = torch.tensor(rng.integers(700, 2000, rows))
    one, *others = (
        whole(run(everything, cut(x, sizes), labels, 100, 0.1))
        for sizes in [(2000,), (500, 1500), (900, 0, 1100), (100, 1000, 500, 400)]
    )
    for other in others:
        assert all(same_bits(one[name], other[name]) for name in one)
    exact = oracle.logsumexp(x[:4])
    found = one["logsumexp"][:4].double().numpy()
    assert np.abs(found / exact.astype(float) - 1).max() <= torch.finfo(dtype).eps


@pytest.mark.slow
def test_the_last_shard_may_end_with_part_of_a_tile_and_order_does_not_matter():
    x, labels = hard_rows(torch.float64)
    shards = cut(x, (3, 5))
    one = whole(run(everything, cut(x, (8,)), labels, 3))["cross_entropy"]
    assert same_bits(one, whole(run(everything, shards, labels, 3))["cross_entropy"])
    for loss in run(one_loss, shards[::-1], labels, 3):
        assert same_bits(one, loss)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_float32(dtype):
    x = torch.zeros(2, 100_000, dtype=dtype)
    found = whole(run(everything, cut(x, (60_000, 40_000)), torch.tensor([0, 99_999])))
    right = torch.tensor(math.log(100_000)).to(dtype)
    assert all(one.dtype == dtype for one in found.values())
    assert (found["logsumexp"] == right).all() and (found["cross_entropy"] == right).all()
    assert (found["log_softmax"] == -right).all()
    assert (found["softmax"] == torch.tensor(1e-5).to(dtype)).all()


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
@pytest.mark.parametrize("tile", [None, 1])
def test_label_smoothing_is_pytorchs(epsilon, tile):
    x, labels = hard_rows(torch.float64)
    live = torch.isfinite(x).all(-1)
    found = whole(run(everything, cut(x, (1, 0, 7)), labels, tile, epsilon))["cross_entropy"]
    expected = torch.nn.functional.cross_entropy(
        x, labels, reduction="none", label_smoothing=epsilon
    )
    assert torch.allclose(found[live], expected[live], rtol=1e-13, atol=0)
    assert (found[~live] == INF).all(), "a share of the target on a masked class"


@pytest.mark.slow
def test_reductions_and_shapes():
    def work(shard, labels):
        from helpers import distributed

        start, x = shard
        return (
            *(
                distributed.cross_entropy(x, labels, start, reduction=reduction)
                for reduction in ("none", "sum", "mean")
            ),
            distributed.logsumexp(x, x.ndim - 1, keepdims=True),
        )

    x = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6).reshape(2, 3)
    for none, total, mean, lse in run(work, cut(x, (3, 5)), labels):
        expected = kernels.cross_entropy(x, labels, reduction="none")
        assert torch.allclose(none, expected, rtol=1e-14)
        assert torch.allclose(total, expected.sum(), rtol=1e-14)
        assert torch.allclose(mean, expected.mean(), rtol=1e-14)
        assert torch.allclose(lse, kernels.logsumexp(x, keepdims=True), rtol=1e-14)
    no_rows = run(work, cut(x[:, :0], (3, 5)), labels[:, :0])
    assert [tuple(one.shape) for one in no_rows[1]] == [(2, 0), (), (), (2, 0, 1)]


# -- gradients ------------------------------------------------------------------------------------


def gradients(rank_and_sizes, x, labels, weights):
    """Return, of a loss of each function, autograd's gradient by the own shard and differences."""
    import torch
    import torch.distributed as dist

    from helpers import distributed

    rank, sizes = rank_and_sizes
    ends = np.cumsum([0, *sizes])
    mine = slice(int(ends[rank]), int(ends[rank + 1]))

    def losses(whole):
        shard = whole[:, mine]
        yield (distributed.logsumexp(shard) * weights[:, 0]).sum(), True
        for epsilon in (0.0, 0.2):
            loss = distributed.cross_entropy(
                shard, labels, mine.start, label_smoothing=epsilon, reduction="none"
            )
            yield (loss * weights[:, 1]).sum(), True
            mean = distributed.cross_entropy(shard, labels, mine.start, label_smoothing=epsilon)
            yield mean, True
        yield (distributed.softmax(shard) * weights[:, mine]).sum(), False
        yield (distributed.log_softmax(shard) * weights[:, mine]).sum(), False

    def values(whole):
        for loss, alike in losses(whole):
            value = loss.detach().clone()
            if not alike:  # each rank has a part of this one
                dist.all_reduce(value)
            yield value

    leaf = x.clone().requires_grad_()
    by_autograd = [
        torch.autograd.grad(loss, leaf, retain_graph=True)[0][:, mine] for loss, _ in losses(leaf)
    ]
    by_differences = [torch.zeros_like(x) for _ in by_autograd]
    h = 1e-5
    for index in np.ndindex(*x.shape):
        up, down = x.clone(), x.clone()
        up[index] += h
        down[index] -= h
        for grad, a, b in zip(by_differences, values(up), values(down), strict=True):
            grad[index] = (a - b) / (2 * h)
    return by_autograd, [grad[:, mine] for grad in by_differences]


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_are_those_of_differences_over_all_shards(sizes):
    generator = torch.Generator().manual_seed(0)
    x, weights = torch.randn(2, 5, 8, dtype=torch.float64, generator=generator)
    x[4] = 1.0  # ties across the shards
    labels = torch.tensor([0, 7, 2, 5, 6])
    shards = [(rank, sizes) for rank in range(len(sizes))]
    for by_autograd, by_differences in run(gradients, shards, x, labels, weights):
        for grad, expected in zip(by_autograd, by_differences, strict=True):
            assert torch.allclose(grad, expected, rtol=1e-7, atol=1e-9)


def gradient_of_loss(shard, labels, dtype):
    from helpers import distributed

    start, x = shard
    x = x.to(dtype).requires_grad_()
    distributed.cross_entropy(x, labels, start, reduction="sum").backward()
    return x.grad


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_gradient_of_a_small_loss_keeps_its_digits(dtype):
    x, labels = hard_rows(dtype)
    live = torch.isfinite(kernels.cross_entropy(x, labels, reduction="none"))
    x, labels = x[live], labels[live]
    found = torch.cat(run(gradient_of_loss, cut(x, (5, 3)), labels, dtype), -1)
    exact = oracle.softmax(x)
    for row, label in enumerate(labels.tolist()):
        exact[row, label] = -sum(p for j, p in enumerate(exact[row]) if j != label)
    errors = oracle.ulp_error(found.double().numpy(), exact, str(dtype).split(".")[1])
    assert errors.max() <= 8, errors


def test_gradients_are_finite_where_the_value_is_and_keep_the_dtype():
    x = torch.tensor([[-INF, -INF, 1.0, 2.0], [-INF, 0.0, -INF, -INF]])
    for dtype in (torch.float32, torch.bfloat16):
        grads = run(gradient_of_loss, cut(x, (2, 2)), torch.tensor([3, 1]), dtype)
        assert all(grad.dtype == dtype and bool(torch.isfinite(grad).all()) for grad in grads)
        assert grads[0].tolist() == [[0, 0], [0, 0]]


def counted(shard, labels, tile):
    """Return the names and sizes of the collectives of a forward pass and a backward pass."""
    import torch
    import torch.distributed as dist

    from helpers import distributed

    start, x = shard
    x = x.clone().requires_grad_()
    calls = []
    gather, reduce = dist.all_gather, dist.all_reduce

    def all_gather(everyone, mine, group=None):
        calls.append(("gather", mine.numel() * mine.element_size()))
        return gather(everyone, mine, group=group)

    def all_reduce(total, group=None):
        calls.append(("sum", total.numel()))
        return reduce(total, group=group)

    dist.all_gather, dist.all_reduce = all_gather, all_reduce
    try:
        found = {}
        for name in (*FUNCTIONS, "cross_entropy"):
            arguments = (labels, start) if name == "cross_entropy" else ()
            value = getattr(distributed, name)(x, *arguments, tile=tile)
            forward = [*calls]
            calls.clear()
            torch.autograd.grad(value.sum(), x)
            found[name] = forward, [*calls]
            calls.clear()
    finally:
        dist.all_gather, dist.all_reduce = gather, reduce
    return found


def test_what_is_sent():
    x = torch.zeros(10, 1000)
    labels = torch.zeros(10, dtype=torch.int64)
    for found in run(counted, cut(x, (400, 600)), labels, None):
        for name, (forward, backward) in found.items():
            numbers = 3 if name == "cross_entropy" else 2
            (what, size), *more = forward
            assert what == "gather" and not more
            assert 0 <= size - 10 * numbers * 4 <= 64, "and at most eight integers"
            assert backward == ([("sum", 10)] if name.endswith("softmax") else [])
    for found in run(counted, cut(x, (400, 600)), labels, 100):
        assert [what for what, _ in found["logsumexp"][0]] == ["gather", "gather"]
        assert found["logsumexp"][0][1] == ("gather", 6 * 10 * 2 * 4)  # the larger shard's tiles


@pytest.mark.slow
def test_a_group_of_some_of_the_ranks():
    def work(shard):
        import torch.distributed as dist

        from helpers import distributed

        group = dist.new_group([0, 2])
        if dist.get_rank() == 1:
            return None
        x = shard.requires_grad_()
        value = distributed.softmax(x, group=group)
        (value[..., 0]).sum().backward()
        return value.detach(), x.grad

    x = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    (a, grad_a), nothing, (b, grad_b) = run(work, [x[:, :1], x[:, :0], x[:, 1:]])
    assert nothing is None
    p = torch.softmax(x, -1)
    assert torch.allclose(torch.cat([a, b], -1), p)
    jacobian = torch.diag(p[0]) - p.T * p
    assert torch.allclose(torch.cat([grad_a, grad_b], -1), jacobian[0] + jacobian[1])


# -- what is refused, and by whom -----------------------------------------------------------------


def refused(shard):
    """Return the errors of calls that must fail on every rank, each followed by one that works."""
    import torch
    import torch.distributed as dist

    from helpers import distributed

    first = dist.get_rank() == 0
    start, x = shard
    good = torch.tensor([0, 7])
    loss = distributed.cross_entropy
    bad_on_one = torch.tensor([0.0, 7.0]) if first else good
    calls = {
        "too large": lambda: loss(x, torch.tensor([0, 8]), start),
        "too large, tiles": lambda: loss(x, torch.tensor([0, 8]), start, tile=1),
        "negative": lambda: loss(x, torch.tensor([-1, 7]), start),
        "too large on one": lambda: loss(x, torch.tensor([0, 8]) if first else good, start),
        "different": lambda: loss(x, torch.tensor([0, 6]) if first else good, start),
        "floats on one": lambda: loss(x, bad_on_one, start),
        "shape on one": lambda: loss(x, good[:1] if first else good, start),
        "start forgotten": lambda: loss(x, good),
        "a gap": lambda: loss(x, good, start if first else start + 1),
        "start on one": lambda: loss(x, good, -1 if first else start),
        "a tile is cut": lambda: loss(x, good, start, tile=2),
        "a tile is cut, logsumexp": lambda: distributed.logsumexp(x, tile=2),
        "no classes": lambda: loss(x[:, :0], good),
        "no classes, softmax": lambda: distributed.softmax(x[:, :0]),
        "tile": lambda: loss(x, good, start, tile=0),
        "reduction": lambda: loss(x, good, start, reduction="max"),
        "smoothing": lambda: loss(x, good, start, label_smoothing=1.5),
        "axis": lambda: distributed.softmax(x, axis=0),
        "complex": lambda: distributed.softmax(x + 0j),
    }
    found = {}
    for name, call in calls.items():
        try:
            found[name] = repr(call())
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
        assert torch.isfinite(loss(x, good, start)), "the ranks are still in step"
    return found


@pytest.mark.parametrize(
    "sizes", [(3, 5), pytest.param((3, 3, 2), marks=pytest.mark.slow)], ids=str
)
def test_bad_input_is_refused_on_every_rank(sizes):
    x = torch.zeros(2, 8)
    found = run(refused, cut(x, sizes))
    for rank, errors in enumerate(found):
        for name, said in errors.items():
            kinds = ("TypeError: ",) if name == "complex" else ("ValueError: ",)
            if name == "floats on one" and rank == 0:
                kinds = ("TypeError: ",)
            assert said.startswith(kinds), (rank, name, said)
        assert "0…7 for 8 classes; got 8 at row 1" in errors["too large"]
        assert "0…7 for 8 classes; got -1 at row 0" in errors["negative"]
        assert "different labels" in errors["different"]
        assert "multiple of tile=2" in errors["a tile is cut"]
        assert "the shards must follow each other" in errors["start forgotten"]
    assert "got 8 at row 1" in found[0]["too large on one"]
    assert "rank 0 got 0 to 8" in found[1]["too large on one"]
    assert "rank 0 was given labels" in found[1]["floats on one"]


def test_other_arrays_are_sent_elsewhere():
    for x in (np.zeros(3), [0.0, 1.0]):
        with pytest.raises(TypeError, match=r"torch.Tensor.*kernels"):
            distributed.logsumexp(x)


# -- without a group ------------------------------------------------------------------------------


def test_without_a_group_the_shard_is_the_whole():
    x, labels = hard_rows(torch.float32)
    for name in ("logsumexp", "log_softmax"):
        assert same_bits(getattr(distributed, name)(x), getattr(kernels, name)(x))
    assert torch.allclose(distributed.softmax(x), kernels.softmax(x), rtol=1e-6, atol=0)
    expected = kernels.cross_entropy(x, labels, reduction="none")
    assert same_bits(distributed.cross_entropy(x, labels, reduction="none"), expected)


def test_values_used_twice_and_gradients_of_gradients():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    lse = distributed.logsumexp(x)
    (lse + 2 * lse).backward()
    assert torch.allclose(x.grad, torch.ones(3, dtype=torch.float64))
    (grad,) = torch.autograd.grad(distributed.logsumexp(x), x, create_graph=True)
    with pytest.raises(RuntimeError):
        grad.sum().backward()


def test_module_needs_neither_torch_nor_dask_until_it_meets_an_array():
    import subprocess

    code = (
        "import sys; from helpers import distributed, ranks;"
        "print({'torch', 'dask', 'distributed', 'joblib'} & set(sys.modules))"
    )
    root = Path(__file__).parent.parent
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "set()"
