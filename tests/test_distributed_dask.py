"""Dask arrays: exact values for any chunks along any axis, lazily, in a few blocks' memory."""

from __future__ import annotations

import itertools
import math
import os
import signal
import sys
import tracemalloc
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import distributed, kernels, oracle

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.processes

INF, NAN = math.inf, math.nan
FUNCTIONS = ("logsumexp", "softmax", "log_softmax")


@pytest.fixture(autouse=True, scope="module")
def _by_value():
    """Send this file's functions to workers as a cell's are sent."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def _in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def logits(shape, dtype="float64", scale=10.0, seed=0):
    x = scale * np.random.default_rng(seed).normal(size=shape)
    return x.astype(dtype)


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(4, 3), (1, 1), (2, -1), ((3, 1), (1, 0, 7))], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_are_exact_to_a_few_ulp(chunks, dtype):
    x = np.vstack(
        [
            logits((2, 8)),
            [0, -40, -41, -42, -43, -44, -45, -46],
            [500, 500, 499, 500, 499, 500, 500, 499],
        ]
    ).astype(dtype)
    labels = x.argmax(-1)
    blocks = da.from_array(x, chunks=chunks)
    for name in FUNCTIONS:
        found = getattr(distributed, name)(blocks).compute()
        assert found.dtype == dtype
        assert oracle.ulp_error(found, getattr(oracle, name)(x), dtype).max() <= 8
    found = distributed.cross_entropy(blocks, labels, reduction="none").compute()
    exact = oracle.cross_entropy(x, labels, reduction="none")
    assert found.dtype == dtype
    assert oracle.ulp_error(found, exact, dtype).max() <= 8


SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_chunks_along_any_axes(data):
    shape = data.draw(SHAPES)
    chunks = tuple(
        tuple(b - a for a, b in itertools.pairwise([0, *sorted(cuts), n]))
        for n in shape
        for cuts in [data.draw(st.sets(st.integers(1, max(n - 1, 1)), max_size=3)) - {n}]
    )
    one = st.integers(-len(shape), len(shape) - 1)
    several = st.sets(st.integers(0, len(shape) - 1), min_size=1).map(tuple)
    axis = data.draw(st.one_of(st.none(), one, several))
    x = logits(shape)
    blocks = da.from_array(x, chunks=chunks)
    for name in FUNCTIONS:
        found = getattr(distributed, name)(blocks, axis)
        expected = getattr(kernels, name)(x, axis)
        assert found.shape == np.shape(expected)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-13, atol=1e-300)
    kept = distributed.logsumexp(blocks, axis, keepdims=True)
    assert kept.shape == np.shape(kernels.logsumexp(x, axis, keepdims=True))
    assert kept.compute().shape == kept.shape


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7)], ids=str)
def test_losses_of_any_shape(shape, reduction):
    x = logits(shape)
    labels = np.random.default_rng(1).integers(0, 7, shape[:-1])
    blocks = da.from_array(x, chunks=2)
    for targets in (labels, labels.tolist(), da.from_array(labels, chunks=1)):
        found = distributed.cross_entropy(blocks, targets, reduction=reduction)
        expected = kernels.cross_entropy(x, labels, reduction=reduction)
        assert found.shape == np.shape(expected)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-14)


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_label_smoothing_is_pytorchs(epsilon):
    torch = pytest.importorskip("torch")
    x, labels = logits((5, 7), scale=500), np.array([0, 6, 3, 2, 2])
    x[4, 1] = -INF
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(x), torch.tensor(labels), reduction="none", label_smoothing=epsilon
    )
    found = distributed.cross_entropy(
        da.from_array(x, chunks=(2, (1, 0, 6))), labels, reduction="none", label_smoothing=epsilon
    )
    np.testing.assert_allclose(found.compute()[:4], expected[:4], rtol=1e-13)
    assert found.compute()[4] == INF, "a share of the target on a masked class"


@pytest.mark.parametrize("chunks", [1, 2, 8])
def test_infinities_and_nan_as_kernels_have_them_of_whole_rows(chunks, recwarn):
    x = np.array(
        [
            [-INF] * 8,
            [INF] + [1.0] * 7,
            [1.0] * 7 + [NAN],
            [-INF] * 4 + [1.0, 2.0, 3.0, -INF],
            [0.0] * 8,
        ]
    )
    blocks = da.from_array(x, chunks=(2, chunks))
    for name in FUNCTIONS:
        found = getattr(distributed, name)(blocks).compute()
        np.testing.assert_allclose(found, getattr(kernels, name)(x), rtol=1e-14)
    labels = np.array([0, 1, 1, 0, 3])
    found = distributed.cross_entropy(blocks, labels, reduction="none").compute()
    np.testing.assert_allclose(found, kernels.cross_entropy(x, labels, reduction="none"))
    assert not recwarn.list


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_is_kept_and_halves_are_computed_in_float32(dtype):
    x = da.zeros((2, 100_000), dtype=dtype, chunks=(1, 30_000))
    found = [getattr(distributed, name)(x) for name in FUNCTIONS]
    found += [distributed.cross_entropy(x, [0, 99_999], reduction=how) for how in ("none", "mean")]
    for lazy in found:
        assert lazy.dtype == lazy.compute().dtype == dtype
    right = np.array(math.log(100_000)).astype(dtype)
    np.testing.assert_allclose(found[0].compute(), right, rtol=np.finfo(dtype).eps)


def test_integers_are_floats_before_anything_is_subtracted():
    x = da.from_array(np.array([[0, 1, 255]], dtype=np.uint8), chunks=1)
    assert distributed.softmax(x).dtype == np.float64
    expected = kernels.logsumexp(np.array([[0.0, 1.0, 255.0]]))
    np.testing.assert_allclose(distributed.logsumexp(x).compute(), expected)


def test_no_classes_and_no_rows():
    nothing = da.zeros((2, 0))
    assert distributed.logsumexp(nothing).compute().tolist() == [-INF, -INF]
    for name in FUNCTIONS[1:]:
        with pytest.raises(ValueError, match="at least one class"):
            getattr(distributed, name)(nothing)
    with pytest.raises(ValueError, match="at least one class"):
        distributed.cross_entropy(nothing, [0, 0])
    no_rows = da.zeros((0, 3))
    assert distributed.logsumexp(no_rows).compute().shape == (0,)
    assert distributed.softmax(no_rows).compute().shape == (0, 3)
    assert distributed.cross_entropy(no_rows, np.zeros(0, dtype=int)).compute() == 0


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_out_of_range(label):
    x, labels = da.zeros((3, 4), chunks=2), np.array([0, label, 1])
    with pytest.raises(ValueError, match=rf"0…3 for 4 classes; got {label} at row 1"):
        distributed.cross_entropy(x, labels)
    later = distributed.cross_entropy(x, da.from_array(labels, chunks=1))
    with pytest.raises(ValueError, match=rf"0…3 for 4 classes; got {label}"):
        later.compute()


def test_arguments_that_do_not_fit():
    x = da.zeros((3, 4), chunks=2)
    labels = np.zeros(3, dtype=int)
    for call, error in [
        (lambda: distributed.logsumexp(x, 2), ValueError),
        (lambda: distributed.logsumexp(x, (0, -2)), ValueError),
        (lambda: distributed.logsumexp(x + 0j), TypeError),
        (lambda: distributed.logsumexp(x, tile=2), ValueError),
        (lambda: distributed.softmax(x, group=object()), ValueError),
        (lambda: distributed.cross_entropy(x, labels, 2), ValueError),
        (lambda: distributed.cross_entropy(x, labels[:2]), ValueError),
        (lambda: distributed.cross_entropy(x, da.zeros(3)), TypeError),
        (lambda: distributed.cross_entropy(x, labels, reduction="max"), ValueError),
        (lambda: distributed.cross_entropy(x, labels, label_smoothing=-0.1), ValueError),
        (lambda: distributed.cross_entropy(x[:, x[0] > 0], labels), ValueError),
    ]:
        with pytest.raises(error):
            call()


# -- lazily, and in little memory -----------------------------------------------------------------


def test_nothing_is_computed_before_it_is_asked_for():
    def forbidden(block):
        raise AssertionError("a block was read")

    x = da.zeros((4, 4), chunks=2).map_blocks(forbidden, dtype=float, meta=np.empty((0, 0)))
    lazy = [getattr(distributed, name)(x) for name in FUNCTIONS]
    lazy.append(distributed.cross_entropy(x, [0, 1, 2, 3]))
    lazy.append(distributed.cross_entropy(x, da.zeros(4, dtype=int, chunks=1)))
    assert all(isinstance(one, da.Array) for one in lazy)
    for one in lazy:
        with pytest.raises(AssertionError, match="a block was read"):
            one.compute()


def made(shape, chunks):
    """Return an array whose blocks are made when they are needed, 1.6 MB each."""

    def block(block_info=None):
        place = block_info[None]
        return np.random.default_rng(place["chunk-location"]).normal(size=place["chunk-shape"])

    sizes = da.core.normalize_chunks(chunks, shape)
    return da.map_blocks(block, chunks=sizes, dtype=float, meta=np.empty((0,) * len(shape)))


def peak(lazy):
    lazy.compute()  # so that what is imported on the way does not count
    tracemalloc.start()
    try:
        lazy.compute()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BLOCK = 1_600_000
LARGE = {
    "one long row": ((3_200_000,), (200_000,), -1),
    "all of many rows": ((1600, 2000), (100, 2000), None),
    "classes along the last axis": ((200, 16_000), (200, 1000), -1),
    "classes along the first axis": ((16_000, 200), (1000, 200), 0),
    "blocks along both axes": ((800, 4000), (200, 1000), -1),
    "many short rows": ((80_000, 40), (5000, 40), -1),
}


@pytest.mark.parametrize("case", LARGE)
def test_log_sum_exp_holds_at_most_four_blocks(case):
    shape, chunks, axis = LARGE[case]
    x = made(shape, chunks)
    assert x.nbytes == 16 * BLOCK
    assert peak(distributed.logsumexp(x, axis)) <= 4 * BLOCK


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in LARGE if LARGE[case][2] == -1])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_cross_entropy_holds_at_most_four_blocks(case, epsilon):
    shape, chunks, _ = LARGE[case]
    labels = np.random.default_rng(0).integers(0, shape[-1], shape[:-1])
    loss = distributed.cross_entropy(made(shape, chunks), labels, label_smoothing=epsilon)
    assert peak(loss) <= 4 * BLOCK


# -- real processes -------------------------------------------------------------------------------


def read(folder, delay, block_info=None):
    """Return a block, after telling that this one is being read, and by whom."""
    import time

    location = block_info[None]["chunk-location"]
    (Path(folder) / f"{'-'.join(map(str, location))}.{os.getpid()}").touch()
    time.sleep(delay)
    return np.random.default_rng(location).normal(size=block_info[None]["chunk-shape"])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_worker_that_is_killed_changes_no_bit(tmp_path):
    import time

    import psutil
    from dask.distributed import Client, LocalCluster

    labels = np.random.default_rng(0).integers(0, 4000, 100)

    def losses(folder, delay):
        x = da.map_blocks(
            read, str(folder), delay, chunks=((50, 50), (250,) * 16), dtype=float,
            meta=np.empty((0, 0)),
        )  # fmt: skip
        lse = distributed.logsumexp(x)
        return lse, distributed.cross_entropy(x, labels, reduction="none")

    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    undisturbed.mkdir()
    disturbed.mkdir()
    expected = dask.compute(*losses(undisturbed, 0))
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # a free port: another cluster may have Dask's own
    )  # fmt: skip
    with dask.config.set(scheduler=None), cluster, Client(cluster) as client:
        before = client.run(os.getpid)
        work = client.compute(losses(disturbed, 0.2))
        victim = None
        until = time.monotonic() + 100
        while victim is None and time.monotonic() < until:
            time.sleep(0.05)
            read_by = [int(path.suffix[1:]) for path in disturbed.iterdir()]
            victim = next((pid for pid in before.values() if read_by.count(pid) >= 3), None)
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        assert not all(future.done() for future in work), "it was killed in the middle"
        found = client.gather(work)
        begun = {path.name.partition(".")[0] for path in disturbed.iterdir()}
        family = psutil.Process().children(recursive=True)
    assert len(begun) == 32
    assert len(list(disturbed.iterdir())) > 32, "what the dead worker had was read again"
    for one, other in zip(found, expected, strict=True):
        assert one.tobytes() == other.tobytes()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [process for process in alive if "resource_tracker" not in str(process.cmdline())] == []
